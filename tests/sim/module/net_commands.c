/* Network commands of 27.007 chapters 7, 8 and 10, and what vendors add to them. */
#include <stdio.h>
#include <string.h>

#include "sim/module/errors.h"
#include "sim/module/line.h"
#include "sim/module/module.h"
#include "sim/module/reports.h"

#define SCAN_MS 3000
#define USSD_MS 200

/* --- registration --------------------------------------------------------------------------------- */

enum domain { DOMAIN_CS, DOMAIN_PS, DOMAIN_EPS, DOMAIN_5GS, _DOMAIN_MAX };

static const char *const domain_names[_DOMAIN_MAX] = {
	[DOMAIN_CS] = "+CREG",
	[DOMAIN_PS] = "+CGREG",
	[DOMAIN_EPS] = "+CEREG",
	[DOMAIN_5GS] = "+C5GREG",
};

static unsigned *setting_of(struct port *p, enum domain d)
{
	unsigned *const settings[_DOMAIN_MAX] = {
		[DOMAIN_CS] = &p->set.creg,
		[DOMAIN_PS] = &p->set.cgreg,
		[DOMAIN_EPS] = &p->set.cereg,
		[DOMAIN_5GS] = &p->set.c5greg,
	};

	return settings[d];
}

static bool has_domain(const struct module *m, enum domain d)
{
	switch (d) {
	case DOMAIN_CS:
	case DOMAIN_PS:
		return !m->persona->lte_only;
	case DOMAIN_5GS:
		return m->persona->has_5g;
	case DOMAIN_EPS:
	case _DOMAIN_MAX:
		break;
	}
	return true;
}

/* Only the domain that carries the module: 5GS where it is on 5G, else the others. */
static unsigned stat_in(const struct net *n, enum domain d)
{
	bool nr = n->act == 11;

	return d == DOMAIN_CS || nr == (d == DOMAIN_5GS) ? n->stat : STAT_IDLE;
}

static void registration_text(const struct net *n, enum domain d, unsigned level, char *dst,
			      size_t cap)
{
	unsigned stat = stat_in(n, d);
	bool there = stat == STAT_HOME || stat == STAT_ROAMING;

	if (level >= 2 && there)
		snprintf(dst, cap, "%u,\"%s\",\"%08X\",%u", stat, n->lac, 0xAB12 + n->cell, n->act);
	else if (level >= 3 && stat == STAT_DENIED)
		snprintf(dst, cap, "%u,,,,0,11", stat); /* PLMN not allowed, 24.008 10.5.3.6 */
	else
		snprintf(dst, cap, "%u", stat);
}

void reports_registration(struct module *m)
{
	char text[80];

	for (unsigned i = 0; i < m->ports_n; i++) {
		for (int d = 0; d < _DOMAIN_MAX; d++) {
			unsigned level = *setting_of(m->ports[i], (enum domain)d);

			if (!level || !has_domain(m, (enum domain)d))
				continue;
			registration_text(&m->net, (enum domain)d, level, text, sizeof(text));
			port_urc(m->ports[i], "%s: %s", domain_names[d], text);
		}
	}
}

void reports_packet(struct module *m, const char *what)
{
	for (unsigned i = 0; i < m->ports_n; i++)
		if (m->ports[i]->set.cgerep)
			port_urc(m->ports[i], "+CGEV: %s", what);
}

static int do_registration(struct call *c)
{
	enum domain d = DOMAIN_CS;
	unsigned *level, v;
	char text[80];

	while (strcmp(domain_names[d], c->command->name) != 0)
		d++;
	if (!has_domain(c->m, d))
		return END_ERROR;
	level = setting_of(c->port, d);
	switch (c->form) {
	case FORM_TEST:
		port_say(c->port, "%s: (0-3)", domain_names[d]);
		return END_OK;
	case FORM_READ:
		registration_text(&c->m->net, d, *level, text, sizeof(text));
		port_say(c->port, "%s: %u,%s", domain_names[d], *level, text);
		return END_OK;
	case FORM_ACTION:
	case FORM_SET:
		break;
	}
	if (arg_number(&c->args, 0, 3, 0, &v) < 0)
		return END_CME(CME_PARAMETERS);
	*level = v;
	return END_OK;
}

/* --- operator ------------------------------------------------------------------------------------- */

static void show_operator(struct call *c)
{
	const struct net *n = &c->m->net;
	char plmn[8];

	net_plmn(n, plmn);
	if (!net_registered(n))
		port_say(c->port, "+COPS: %u", n->cops_mode);
	else
		port_say(c->port, "+COPS: %u,%u,\"%s\",%u", n->cops_mode, c->port->set.cops_format,
			 c->port->set.cops_format == 2 ? plmn : net_operator(n), n->act);
}

static void on_scan(struct ev_alarm *a)
{
	struct net *n = container_of(a, struct net, scan);
	struct port *p = n->scan_port;
	char plmn[8];

	net_plmn(n, plmn);
	n->scan_port = NULL;
	if (!p)
		return;
	port_say(p,
		 "+COPS: (%u,\"Home Net\",\"Home\",\"%s\",%u),(%u,\"Visited "
		 "Net\",\"Visited\",\"00102\",%u),,"
		 "(0,1,2,3,4),(0,1,2)",
		 n->stat == STAT_HOME ? 2 : 1, n->stat == STAT_HOME ? plmn : "00101", n->act,
		 n->stat == STAT_ROAMING ? 2 : 1, n->act);
	port_end(p, END_OK);
}

static int do_cops(struct call *c)
{
	struct net *n = &c->m->net;
	unsigned mode, format;

	switch (c->form) {
	case FORM_TEST:
		if (n->scan_port)
			return END_CME(CME_NOT_ALLOWED);
		n->scan_port = c->port;
		ev_alarm_start(&n->scan, SCAN_MS);
		return END_LATER;
	case FORM_READ:
		show_operator(c);
		return END_OK;
	case FORM_ACTION:
	case FORM_SET:
		break;
	}
	if (arg_number(&c->args, 0, 4, 0, &mode) < 0 ||
	    arg_number(&c->args, 0, 2, c->port->set.cops_format, &format) < 0)
		return END_CME(CME_PARAMETERS);
	c->port->set.cops_format = format;
	if (mode == 3)
		return END_OK;
	n->cops_mode = mode;
	net_look(n);
	return END_OK;
}

/* --- signal --------------------------------------------------------------------------------------- */

static int do_csq(struct call *c)
{
	port_say(c->port, "+CSQ: %u,99", c->m->cfun == 1 ? c->m->net.rssi : 99);
	return END_OK;
}

static int do_cesq(struct call *c)
{
	const struct net *n = &c->m->net;

	if (c->m->cfun != 1 || !net_registered(n))
		port_say(c->port, "+CESQ: 99,99,255,255,255,255");
	else
		port_say(c->port, "+CESQ: 99,99,255,255,%u,%u", n->rsrq, n->rsrp);
	return END_OK;
}

static int do_qcsq(struct call *c)
{
	const struct net *n = &c->m->net;

	if (!net_registered(n))
		port_say(c->port, "+QCSQ: \"NOSERVICE\"");
	else
		port_say(c->port, "+QCSQ: \"LTE\",%d,%d,120,%d", (int)(2 * n->rssi) - 113,
			 (int)n->rsrp - 141, (int)n->rsrq / 2 - 20);
	return END_OK;
}

static int do_qnwinfo(struct call *c)
{
	char plmn[8];

	net_plmn(&c->m->net, plmn);
	if (net_registered(&c->m->net))
		port_say(c->port, "+QNWINFO: \"FDD LTE\",\"%s\",\"LTE BAND 3\",1300", plmn);
	else
		port_say(c->port, "+QNWINFO: No Service");
	return END_OK;
}

static int do_cpsi(struct call *c)
{
	char plmn[8];

	net_plmn(&c->m->net, plmn);
	if (net_registered(&c->m->net))
		port_say(c->port,
			 "+CPSI: "
			 "LTE,Online,%.3s-%s,0x%s,%u,1,EUTRAN-BAND3,1300,5,5,-90,-900,-600,15",
			 plmn, plmn + 3, c->m->net.lac, 0xAB12 + c->m->net.cell);
	else
		port_say(c->port, "+CPSI: NO SERVICE,Online");
	return END_OK;
}

/* --- packet data ---------------------------------------------------------------------------------- */

static int do_cgatt(struct call *c)
{
	struct net *n = &c->m->net;
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CGATT: %d", net_registered(n) && !n->detached);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 1, &v) < 0)
		return END_CME(CME_PARAMETERS);
	if (v && !net_registered(n))
		return END_CME(CME_NO_SERVICE);
	n->detached = !v;
	n->contexts[0].active = v;
	return END_OK;
}

static void show_contexts(struct call *c)
{
	for (unsigned i = 0; i < NET_CONTEXTS; i++) {
		const struct context *x = &c->m->net.contexts[i];

		if (x->defined)
			port_say(c->port, "+CGDCONT: %u,\"%s\",\"%s\",\"\",0,0", i + 1, x->type,
				 x->apn);
	}
}

static int do_cgdcont(struct call *c)
{
	struct context *x;
	struct text type;
	unsigned cid;

	if (c->form == FORM_TEST) {
		port_say(c->port, "+CGDCONT: (1-%d),\"IP\",,,(0),(0)", NET_CONTEXTS);
		port_say(c->port, "+CGDCONT: (1-%d),\"IPV6\",,,(0),(0)", NET_CONTEXTS);
		port_say(c->port, "+CGDCONT: (1-%d),\"IPV4V6\",,,(0),(0)", NET_CONTEXTS);
		return END_OK;
	}
	if (c->form == FORM_READ) {
		show_contexts(c);
		return END_OK;
	}
	if (arg_number(&c->args, 1, NET_CONTEXTS, 0, &cid) < 0 || cid == 0)
		return END_CME(CME_PARAMETERS);
	x = &c->m->net.contexts[cid - 1];
	if (c->args.n == 0) {
		*x = (struct context){ 0 };
		return END_OK;
	}
	type = arg_string(&c->args);
	if (!text_case_eq(type, "IP") && !text_case_eq(type, "IPV6") &&
	    !text_case_eq(type, "IPV4V6") && !text_case_eq(type, "PPP"))
		return END_CME(CME_PARAMETERS);
	if (text_copy(type, x->type, sizeof(x->type)) < 0 ||
	    text_copy(arg_string(&c->args), x->apn, sizeof(x->apn)) < 0)
		return END_CME(CME_PARAMETERS);
	x->defined = true;
	return END_OK;
}

static int do_cgact(struct call *c)
{
	struct net *n = &c->m->net;
	unsigned v, cid;

	if (c->form == FORM_READ) {
		for (unsigned i = 0; i < NET_CONTEXTS; i++)
			if (n->contexts[i].defined)
				port_say(c->port, "+CGACT: %u,%d", i + 1, n->contexts[i].active);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 1, &v) < 0 ||
	    arg_number(&c->args, 1, NET_CONTEXTS, 1, &cid) < 0)
		return END_CME(CME_PARAMETERS);
	if (v && !net_dial(n, cid))
		return END_CME(CME_PDP);
	/* LTE keeps one bearer. */
	if (!v && cid == 1)
		return END_CME(151);
	n->contexts[cid - 1].active = v;
	return END_OK;
}

static int do_cgpaddr(struct call *c)
{
	unsigned cid;

	if (arg_number(&c->args, 1, NET_CONTEXTS, 0, &cid) < 0)
		return END_CME(CME_PARAMETERS);
	for (unsigned i = 0; i < NET_CONTEXTS; i++) {
		const struct context *x = &c->m->net.contexts[i];

		if (!x->defined || (cid && cid != i + 1))
			continue;
		port_say(c->port, x->active ? "+CGPADDR: %u,\"10.0.0.%u\"" : "+CGPADDR: %u,\"\"",
			 i + 1, i + 2);
	}
	return END_OK;
}

static int do_cgcontrdp(struct call *c)
{
	unsigned cid;

	if (arg_number(&c->args, 1, NET_CONTEXTS, 0, &cid) < 0)
		return END_CME(CME_PARAMETERS);
	for (unsigned i = 0; i < NET_CONTEXTS; i++)
		if (c->m->net.contexts[i].active && (!cid || cid == i + 1))
			port_say(c->port,
				 "+CGCONTRDP: "
				 "%u,5,\"%s\",\"10.0.0.%u.255.0.0.0\",\"10.0.0.1\",\"10.0.0.1\"",
				 i + 1, c->m->net.contexts[i].apn, i + 2);
	return END_OK;
}

/* ATD*99#, ATD*99***<cid>#; any other number is a call to nobody. */
static int do_dial(struct call *c)
{
	struct text number = c->args;
	uint32_t cid = 1;

	while (number.n && strchr("TPtp ", number.s[0]))
		number = text_skip(number, 1);
	if (!text_starts(number, "*99") || number.s[number.n - 1] != '#')
		return END_NO_CARRIER;
	number = text_from(number.s + 3, number.n - 4);
	if (number.n &&
	    (!text_starts(number, "***") || text_to_u32(text_skip(number, 3), 10, &cid) < 0))
		return END_ERROR;
	return net_dial(&c->m->net, cid) ? END_CONNECT : END_NO_CARRIER;
}

static int do_cgdata(struct call *c)
{
	unsigned cid;

	arg_next(&c->args);
	if (arg_number(&c->args, 1, NET_CONTEXTS, 1, &cid) < 0)
		return END_CME(CME_PARAMETERS);
	return net_dial(&c->m->net, cid) ? END_CONNECT : END_NO_CARRIER;
}

/* --- reports and the rest ------------------------------------------------------------------------- */

static int do_cgerep(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CGEREP: %u,0", c->port->set.cgerep);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 2, 0, &v) < 0)
		return END_CME(CME_PARAMETERS);
	c->port->set.cgerep = v;
	return END_OK;
}

static int do_cmer(struct call *c)
{
	unsigned mode, x, ind;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CMER: %u,0,0,%u,0", c->port->set.cmer ? 3u : 0u,
			 c->port->set.cmer);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 3, 0, &mode) < 0 || arg_number(&c->args, 0, 2, 0, &x) < 0 ||
	    arg_number(&c->args, 0, 2, 0, &x) < 0 || arg_number(&c->args, 0, 2, 0, &ind) < 0)
		return END_CME(CME_PARAMETERS);
	c->port->set.cmer = mode ? ind : 0;
	return END_OK;
}

static int do_cind(struct call *c)
{
	const struct net *n = &c->m->net;

	if (c->form == FORM_TEST)
		port_say(c->port,
			 "+CIND: (\"battchg\",(0-5)),(\"signal\",(0-5)),(\"service\",(0,1)),"
			 "(\"roam\",(0,1))");
	else
		port_say(c->port, "+CIND: 5,%u,%d,%d", net_registered(n) ? n->rssi / 6 : 0,
			 net_registered(n), n->stat == STAT_ROAMING);
	return END_OK;
}

static int do_ceer(struct call *c)
{
	port_say(c->port,
		 c->m->net.stat == STAT_DENIED ? "+CEER: PLMN not allowed" : "+CEER: No cause");
	return END_OK;
}

static void on_ussd(struct ev_alarm *a)
{
	struct net *n = container_of(a, struct net, ussd);

	if (n->ussd_port && n->ussd_port->set.cusd)
		port_urc(n->ussd_port, "+CUSD: 0,\"Your balance is 12.34, thank you\",15");
	n->ussd_port = NULL;
}

static int do_cusd(struct call *c)
{
	struct text ussd;
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CUSD: %u", c->port->set.cusd);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 2, 0, &v) < 0)
		return END_CME(CME_PARAMETERS);
	ussd = arg_string(&c->args);
	if (v != 2)
		c->port->set.cusd = v;
	if (ussd.n == 0)
		return END_OK;
	if (!net_registered(&c->m->net))
		return END_CME(CME_NO_SERVICE);
	c->m->net.ussd_port = c->port;
	ev_alarm_start(&c->m->net.ussd, USSD_MS);
	return END_OK;
}

void net_commands_init(struct net *n)
{
	n->scan.fired = on_scan;
	n->ussd.fired = on_ussd;
}

void net_abort(struct net *n, struct port *p)
{
	if (n->ussd_port == p)
		n->ussd_port = NULL;
	if (n->scan_port != p)
		return;
	n->scan_port = NULL;
	ev_alarm_stop(&n->scan);
}

#define ALL (FORM_SET | FORM_READ | FORM_TEST)

const struct command net_commands[] = {
	{ "+CREG", ALL, 0, do_registration },
	{ "+CGREG", ALL, 0, do_registration },
	{ "+CEREG", ALL, 0, do_registration },
	{ "+C5GREG", ALL, 0, do_registration },
	{ "+COPS", ALL, 0, do_cops, .abortable = true },
	{ "+CSQ", FORM_ACTION, 0, do_csq },
	{ "+CESQ", FORM_ACTION, 0, do_cesq },
	{ "+QCSQ", FORM_ACTION, MAKER_QUECTEL, do_qcsq },
	{ "+QNWINFO", FORM_ACTION, MAKER_QUECTEL, do_qnwinfo },
	{ "+CPSI", FORM_READ, MAKER_SIMCOM, do_cpsi },
	{ "+CGATT", FORM_SET | FORM_READ, 0, do_cgatt },
	{ "+CGDCONT", ALL, 0, do_cgdcont },
	{ "+CGACT", FORM_SET | FORM_READ, 0, do_cgact },
	{ "+CGPADDR", FORM_SET | FORM_ACTION, 0, do_cgpaddr },
	{ "+CGCONTRDP", FORM_SET | FORM_ACTION, 0, do_cgcontrdp },
	{ "+CGEREP", FORM_SET | FORM_READ, 0, do_cgerep },
	{ "+CGDATA", FORM_SET | FORM_ACTION, 0, do_cgdata },
	{ "+CMER", FORM_SET | FORM_READ, 0, do_cmer },
	{ "+CIND", FORM_READ | FORM_TEST, 0, do_cind },
	{ "+CEER", FORM_ACTION, 0, do_ceer },
	{ "+CUSD", FORM_SET | FORM_READ, 0, do_cusd },
	{ "D", FORM_SET, 0, do_dial, .abortable = true },
	{ 0 }
};
