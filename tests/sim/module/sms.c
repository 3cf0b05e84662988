/*
 * 3GPP TS 27.005. Sent messages go nowhere, their reference counts up; but those to the module's own
 * number come back.
 */
#include "sim/module/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/module/errors.h"
#include "sim/module/line.h"
#include "sim/module/module.h"
#include "sim/module/sms_pdu.h"

#define TPDU_MAX 164
/* The way through the network and back. */
#define BACK_MS 20

static const struct {
	const char *text;
	int pdu;
} states[_SMS_STATE_MAX] = {
	[SMS_UNREAD] = { "REC UNREAD", 0 }, [SMS_READ] = { "REC READ", 1 },
	[SMS_UNSENT] = { "STO UNSENT", 2 }, [SMS_SENT] = { "STO SENT", 3 },
};

/* --- store ---------------------------------------------------------------------------------------- */

static struct message *free_place(struct sms *s)
{
	for (size_t i = 0; i < SMS_MAX; i++)
		if (!s->store[i].used)
			return &s->store[i];
	return NULL;
}

static unsigned used(const struct sms *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < SMS_MAX; i++)
		n += s->store[i].used;
	return n;
}

static struct message *at_index(struct sms *s, unsigned i)
{
	return i < SMS_MAX && s->store[i].used ? &s->store[i] : NULL;
}

static int not_now(const struct module *m)
{
	switch (m->slot.state) {
	case SLOT_READY:
		return 0;
	case SLOT_PIN:
		return END_CMS(CMS_PIN);
	case SLOT_STARTING:
		return END_CMS(CMS_SIM_BUSY);
	case SLOT_EMPTY:
	case SLOT_OFF:
	case SLOT_PUK:
	case SLOT_NO_APP:
	case SLOT_FAILED:
	case SLOT_RESTART:
	case _SLOT_STATE_MAX:
		break;
	}
	return END_CMS(CMS_NO_SIM);
}

/* Straight to the ports that want the message itself; true if one did. */
static bool show_at_once(struct sms *s, const struct message *x)
{
	bool shown = false;

	for (unsigned i = 0; i < s->m->ports_n; i++) {
		struct port *p = s->m->ports[i];

		if (p->set.cnmi_mt != 2)
			continue;
		if (p->set.cmgf)
			port_urc(p, "+CMT: \"%s\",,\"" SMS_STAMP "\"\r\n%s", x->number, x->text);
		else
			port_urc(p, "+CMT: ,%zu\r\n%s", sms_tpdu_octets(x->pdu), x->pdu);
		shown = true;
	}
	return shown;
}

int sms_receive(struct sms *s, struct text number, struct text body)
{
	struct message x = { .used = true, .state = SMS_UNREAD }, *place;

	if (text_copy(number, x.number, sizeof(x.number)) < 0 || body.n > 160 ||
	    text_copy(body, x.text, sizeof(x.text)) < 0)
		return -EMSGSIZE;
	sms_make_deliver(&x);
	if (show_at_once(s, &x))
		return 0;
	place = free_place(s);
	if (!place)
		return -ENOSPC;
	*place = x;
	for (unsigned i = 0; i < s->m->ports_n; i++)
		if (s->m->ports[i]->set.cnmi_mt == 1)
			port_urc(s->m->ports[i], "+CMTI: \"ME\",%d", (int)(place - s->store));
	return 0;
}

/* --- to itself ------------------------------------------------------------------------------------ */

static void on_back(struct ev_alarm *a)
{
	struct sms *s = container_of(a, struct sms, back);
	struct message x = s->under_way[0];

	memmove(s->under_way, s->under_way + 1, --s->under_way_n * sizeof(x));
	if (s->under_way_n)
		ev_alarm_start(&s->back, BACK_MS);
	sms_receive(s, text_of(s->m->o.number), text_of(x.text));
}

static void send_on(struct sms *s, struct message *x, bool text_mode)
{
	if (!s->m->o.number || (!text_mode && !sms_read_submit(x)) ||
	    strcmp(x->number, s->m->o.number) != 0 || s->under_way_n == SMS_UNDER_WAY)
		return;
	s->under_way[s->under_way_n++] = *x;
	if (!s->back.active)
		ev_alarm_start(&s->back, BACK_MS);
}

/* --- sending and writing -------------------------------------------------------------------------- */

static bool draft_is_right(struct sms *s, struct port *p, struct text body)
{
	if (p->set.cmgf) {
		while (body.n && (body.s[body.n - 1] == '\r' || body.s[body.n - 1] == '\n'))
			body.n--;
		return text_copy(body, s->draft.text, sizeof(s->draft.text)) == 0;
	}
	body = text_trim(body);
	return text_all_hex(body) && text_copy(body, s->draft.pdu, sizeof(s->draft.pdu)) == 0 &&
	       body.n % 2 == 0 && sms_tpdu_octets(s->draft.pdu) == s->length;
}

static void text_given(struct port *p, struct text body, bool cancelled)
{
	struct sms *s = &p->m->sms;
	struct message *place;

	if (cancelled) {
		port_end(p, END_OK);
		return;
	}
	if (!draft_is_right(s, p, body)) {
		port_end(p, END_CMS(p->set.cmgf ? CMS_TEXT : CMS_PDU));
		return;
	}
	if (!s->write) {
		if (!net_registered(&p->m->net)) {
			port_end(p, END_CMS(CMS_NO_SERVICE));
			return;
		}
		s->reference = (s->reference + 1) % 256;
		port_say(p, "+CMGS: %u", s->reference);
		port_end(p, END_OK);
		send_on(s, &s->draft, p->set.cmgf);
		return;
	}
	place = free_place(s);
	if (!place) {
		port_end(p, END_CMS(CMS_FULL));
		return;
	}
	*place = s->draft;
	port_say(p, "+CMGW: %d", (int)(place - s->store));
	port_end(p, END_OK);
}

static int do_send(struct call *c)
{
	struct sms *s = &c->m->sms;
	int no = not_now(c->m);
	struct text to;

	if (no)
		return no;
	s->write = !strcmp(c->command->name, "+CMGW");
	s->draft = (struct message){ .used = true, .state = SMS_UNSENT };
	if (c->port->set.cmgf) {
		to = arg_string(&c->args);
		if ((!s->write && to.n == 0) ||
		    text_copy(to, s->draft.number, sizeof(s->draft.number)) < 0)
			return END_CMS(CMS_TEXT);
	} else if (arg_number(&c->args, 1, TPDU_MAX, 0, &s->length) < 0 || s->length == 0) {
		return END_CMS(CMS_PDU);
	}
	port_prompt(c->port, c->port->set.cmgf, text_given);
	return END_LATER;
}

/* --- reading -------------------------------------------------------------------------------------- */

static int do_cmgr(struct call *c)
{
	struct message *x;
	unsigned i;
	int no = not_now(c->m);

	if (no)
		return no;
	if (arg_number(&c->args, 0, 255, 0, &i) < 0 || !(x = at_index(&c->m->sms, i)))
		return END_CMS(CMS_INDEX);
	if (c->port->set.cmgf)
		port_say(c->port, "+CMGR: \"%s\",\"%s\",,\"" SMS_STAMP "\"\r\n%s",
			 states[x->state].text, x->number, x->text);
	else
		port_say(c->port, "+CMGR: %d,,%zu\r\n%s", states[x->state].pdu, sms_tpdu_octets(x->pdu),
			 x->pdu);
	if (x->state == SMS_UNREAD)
		x->state = SMS_READ;
	return END_OK;
}

/* -1: all of them; -2: no such state. */
static int wanted_state(struct call *c)
{
	struct text t = arg_next(&c->args);
	uint32_t v = 4;

	if (c->port->set.cmgf) {
		t = text_unquote(t);
		for (int i = 0; i < _SMS_STATE_MAX; i++)
			if (text_eq(t, states[i].text))
				return i;
		return t.n == 0 ? SMS_UNREAD : text_eq(t, "ALL") ? -1 : -2;
	}
	if (t.n == 0)
		return SMS_UNREAD;
	return text_to_u32(t, 10, &v) < 0 || v > 4 ? -2 : v == 4 ? -1 : (int)v;
}

static int do_cmgl(struct call *c)
{
	int no = not_now(c->m), wanted = wanted_state(c);

	if (no)
		return no;
	if (wanted == -2)
		return END_CMS(c->port->set.cmgf ? CMS_TEXT : CMS_PDU);
	for (int i = 0; i < SMS_MAX; i++) {
		struct message *x = at_index(&c->m->sms, (unsigned)i);

		if (!x || (wanted >= 0 && (int)x->state != wanted))
			continue;
		if (c->port->set.cmgf)
			port_say(c->port, "+CMGL: %d,\"%s\",\"%s\",,\"" SMS_STAMP "\"\r\n%s", i,
				 states[x->state].text, x->number, x->text);
		else
			port_say(c->port, "+CMGL: %d,%d,,%zu\r\n%s", i, states[x->state].pdu,
				 sms_tpdu_octets(x->pdu), x->pdu);
		if (x->state == SMS_UNREAD)
			x->state = SMS_READ;
	}
	return END_OK;
}

static int do_cmgd(struct call *c)
{
	unsigned i, flag;

	if (arg_number(&c->args, 0, SMS_MAX - 1, 0, &i) < 0 ||
	    arg_number(&c->args, 0, 4, 0, &flag) < 0)
		return END_CMS(CMS_INDEX);
	for (unsigned k = 0; k < SMS_MAX; k++) {
		struct message *x = &c->m->sms.store[k];
		bool hit = flag == 0 ? k == i
				     : flag == 4 || x->state == SMS_READ ||
					       (flag >= 2 && x->state == SMS_SENT) ||
					       (flag >= 3 && x->state == SMS_UNSENT);

		if (hit)
			x->used = false;
	}
	return END_OK;
}

/* --- settings ------------------------------------------------------------------------------------- */

static int do_cmgf(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CMGF: %d", c->port->set.cmgf);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port, "+CMGF: (0,1)");
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 0, &v) < 0)
		return END_CMS(CMS_PDU);
	c->port->set.cmgf = v;
	return END_OK;
}

static int do_csdh(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CSDH: %d", c->port->set.csdh);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 0, &v) < 0)
		return END_ERROR;
	c->port->set.csdh = v;
	return END_OK;
}

static int do_cnmi(struct call *c)
{
	struct port_settings *set = &c->port->set;
	unsigned mode, mt, bm, ds;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CNMI: %u,%u,0,%u,0", set->cnmi_mode, set->cnmi_mt,
			 set->cnmi_ds);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port, "+CNMI: (0-2),(0-2),(0),(0-2),(0,1)");
		return END_OK;
	}
	if (arg_number(&c->args, 0, 3, 0, &mode) < 0 || arg_number(&c->args, 0, 3, 0, &mt) < 0 ||
	    arg_number(&c->args, 0, 3, 0, &bm) < 0 || arg_number(&c->args, 0, 2, 0, &ds) < 0)
		return END_CMS(CMS_NOT_ALLOWED);
	set->cnmi_mode = mode;
	set->cnmi_mt = mt;
	set->cnmi_ds = ds;
	return END_OK;
}

static int do_cpms(struct call *c)
{
	unsigned n = used(&c->m->sms);
	int no = not_now(c->m);

	if (no)
		return no;
	if (c->form == FORM_TEST)
		port_say(c->port, "+CPMS: (\"ME\",\"SM\"),(\"ME\",\"SM\"),(\"ME\",\"SM\")");
	else if (c->form == FORM_READ)
		port_say(c->port, "+CPMS: \"ME\",%u,%d,\"ME\",%u,%d,\"ME\",%u,%d", n, SMS_MAX, n,
			 SMS_MAX, n, SMS_MAX);
	else
		port_say(c->port, "+CPMS: %u,%d,%u,%d,%u,%d", n, SMS_MAX, n, SMS_MAX, n, SMS_MAX);
	return END_OK;
}

static int do_csca(struct call *c)
{
	int no = not_now(c->m);

	if (no)
		return no;
	if (c->form == FORM_READ)
		port_say(c->port, "+CSCA: \"" SMS_SMSC_NUMBER "\",145");
	return END_OK;
}

static int do_csms(struct call *c)
{
	port_say(c->port, c->form == FORM_READ ? "+CSMS: 0,1,1,1" : "+CSMS: 1,1,1");
	return END_OK;
}

void sms_init(struct sms *s, struct module *m)
{
	s->m = m;
	s->back.fired = on_back;
}

void sms_stop(struct sms *s)
{
	ev_alarm_stop(&s->back);
	s->under_way_n = 0;
}

#define ALL (FORM_SET | FORM_READ | FORM_TEST)

const struct command sms_commands[] = {
	{ "+CMGS", FORM_SET, 0, do_send },
	{ "+CMGW", FORM_SET | FORM_ACTION, 0, do_send },
	{ "+CMGR", FORM_SET, 0, do_cmgr },
	{ "+CMGL", FORM_SET | FORM_ACTION, 0, do_cmgl },
	{ "+CMGD", FORM_SET, 0, do_cmgd },
	{ "+CMGF", ALL, 0, do_cmgf },
	{ "+CSDH", FORM_SET | FORM_READ, 0, do_csdh },
	{ "+CNMI", ALL, 0, do_cnmi },
	{ "+CPMS", ALL, 0, do_cpms },
	{ "+CSCA", FORM_SET | FORM_READ, 0, do_csca },
	{ "+CSMS", FORM_SET | FORM_READ, 0, do_csms },
	{ 0 }
};
