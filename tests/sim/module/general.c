/* Identity, modes, power, clock, line speed; and the switches that vendors' firmware has. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim/module/errors.h"
#include "sim/module/line.h"
#include "sim/module/module.h"
#include "sim/module/mux.h"

#define ECHO_LINES_MAX 64

/* --- identity ------------------------------------------------------------------------------------- */

static int do_maker(struct call *c)
{
	port_say(c->port, "%s", c->m->persona->cgmi);
	return END_OK;
}

static int do_model(struct call *c)
{
	port_say(c->port, "%s", c->m->persona->cgmm);
	return END_OK;
}

static int do_revision(struct call *c)
{
	port_say(c->port, "%s", c->m->persona->cgmr);
	return END_OK;
}

/* 27.007 5.4: bare, or by <snt> with a prefix. */
static int do_imei(struct call *c)
{
	unsigned snt;

	if (arg_number(&c->args, 0, 3, 0, &snt) < 0)
		return END_CME(CME_PARAMETERS);
	if (c->form == FORM_ACTION || snt == 0)
		port_say(c->port, "%s", c->m->o.imei);
	else if (snt == 1)
		port_say(c->port, "+CGSN: \"%s\"", c->m->o.imei);
	else
		port_say(c->port, snt == 2 ? "+CGSN: \"%.14s01\"" : "+CGSN: \"%.0s01\"",
			 c->m->o.imei);
	return END_OK;
}

static int do_gcap(struct call *c)
{
	port_say(c->port, "+GCAP: +CGSM");
	return END_OK;
}

/* --- modes ---------------------------------------------------------------------------------------- */

static int do_cmee(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CMEE: %u", c->port->set.cmee);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port, "+CMEE: (0-2)");
		return END_OK;
	}
	if (arg_number(&c->args, 0, 2, 0, &v) < 0)
		return END_ERROR;
	c->port->set.cmee = v;
	return END_OK;
}

static int do_cscs(struct call *c)
{
	struct text t;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CSCS: \"%s\"", c->port->set.cscs);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port, "+CSCS: (\"GSM\",\"IRA\",\"UCS2\")");
		return END_OK;
	}
	t = arg_string(&c->args);
	if (!text_eq(t, "GSM") && !text_eq(t, "IRA") && !text_eq(t, "UCS2"))
		return END_CME(CME_PARAMETERS);
	text_copy(t, c->port->set.cscs, sizeof(c->port->set.cscs));
	return END_OK;
}

static int do_cfun(struct call *c)
{
	unsigned fun, reset;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CFUN: %u", c->m->cfun);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port, "+CFUN: (0,1,4),(0,1)");
		return END_OK;
	}
	if (arg_number(&c->args, 0, 255, 1, &fun) < 0 || arg_number(&c->args, 0, 1, 0, &reset) < 0)
		return END_CME(CME_PARAMETERS);
	if (reset) {
		module_restart_soon(c->m);
		return END_OK;
	}
	return module_set_cfun(c->m, c->port, fun);
}

static int do_reset(struct call *c)
{
	module_restart_soon(c->m);
	return END_OK;
}

/* +QSCLK, +CSCLK: 1 lets DTR decide. Not stored. */
static int do_sleep(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "%s: %d", c->command->name, c->m->may_sleep);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 2, 0, &v) < 0)
		return END_ERROR;
	c->m->may_sleep = v == 1;
	return END_OK;
}

static int do_power_off(struct call *c)
{
	module_power_off_soon(c->m);
	return END_OK;
}

/* --- clock ---------------------------------------------------------------------------------------- */

static int64_t clock_now(const struct module *m)
{
	return m->clock_set_s + (int64_t)(ev_now_ms() - m->clock_at_ms) / 1000;
}

static int do_read_clock(struct call *c)
{
	time_t t = (time_t)clock_now(c->m);
	struct tm tm;

	gmtime_r(&t, &tm);
	port_say(c->port, "+CCLK: \"%02d/%02d/%02d,%02d:%02d:%02d+00\"", tm.tm_year % 100,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return END_OK;
}

/* "yy/MM/dd,hh:mm:ss" and perhaps a zone. */
static int do_clock(struct call *c)
{
	struct text t;
	int v[6];
	struct tm tm = { 0 };

	if (c->form == FORM_READ)
		return do_read_clock(c);
	t = text_unquote(text_trim(c->args));
	if (t.n < 17)
		return END_CME(CME_PARAMETERS);
	for (size_t i = 0; i < 6; i++) {
		uint32_t two;

		if (text_to_u32(text_from(t.s + 3 * i, 2), 10, &two) < 0)
			return END_CME(CME_PARAMETERS);
		v[i] = (int)two;
	}
	if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 59)
		return END_CME(CME_PARAMETERS);
	tm.tm_year = v[0] >= 80 ? v[0] : v[0] + 100;
	tm.tm_mon = v[1] - 1;
	tm.tm_mday = v[2];
	tm.tm_hour = v[3];
	tm.tm_min = v[4];
	tm.tm_sec = v[5];
	c->m->clock_set_s = timegm(&tm);
	c->m->clock_at_ms = ev_now_ms();
	return END_OK;
}

static int do_ctzr(struct call *c)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+CTZR: %u", c->port->set.ctzr);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 3, 0, &v) < 0)
		return END_ERROR;
	c->port->set.ctzr = v;
	return END_OK;
}

/* --- line ----------------------------------------------------------------------------------------- */

/* V.250 6.2.10: OK still comes at the old speed. */
static int do_ipr(struct call *c)
{
	static const unsigned speeds[] = {
		0,	2400,	4800,	9600,	19200,	 38400,	  57600,
		115200, 230400, 460800, 921600, 1000000, 3000000,
	};
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, "+IPR: %u", c->m->ipr);
		return END_OK;
	}
	if (c->form == FORM_TEST) {
		port_say(c->port,
			 "+IPR: (),(0,9600,19200,38400,57600,115200,230400,460800,921600)");
		return END_OK;
	}
	if (arg_number(&c->args, 0, 4000000, 115200, &v) < 0)
		return END_CME(CME_PARAMETERS);
	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		if (speeds[i] == v) {
			module_set_speed_soon(c->m, v);
			return END_OK;
		}
	}
	return END_CME(CME_PARAMETERS);
}

/* <mode>,<subset>,<port_speed>,<N1>,...: the basic option with UIH frames only. */
static int do_cmux(struct call *c)
{
	unsigned mode, subset, speed, n1;

	if (c->m->persona->mux_none || !c->m->begin_mux)
		return END_ERROR;
	if (c->form == FORM_TEST) {
		port_say(c->port,
			 "+CMUX: (0),(0),(1-8),(1-%d),(1-255),(0-100),(2-255),(1-255),(1-7)",
			 MUX_INFO);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 0, &mode) < 0 ||
	    arg_number(&c->args, 0, 2, 0, &subset) < 0 ||
	    arg_number(&c->args, 1, 8, 5, &speed) < 0 ||
	    arg_number(&c->args, 1, MUX_INFO, 31, &n1) < 0)
		return END_CME(CME_PARAMETERS);
	if (mode || subset)
		return END_CME(CME_NOT_SUPPORTED);
	if (c->m->muxed)
		return END_CME(CME_NOT_ALLOWED);
	c->port->mux_n1 = n1;
	return END_OK;
}

static int do_accepted(struct call *c)
{
	if (c->form == FORM_READ)
		port_say(c->port, "%s: 0", c->command->name);
	return END_OK;
}

static int do_ifc(struct call *c)
{
	if (c->form == FORM_READ)
		port_say(c->port, "+IFC: 2,2");
	return END_OK;
}

/* --- vendors -------------------------------------------------------------------------------------- */

static int switch_of(struct call *c, unsigned high, unsigned *value, const char *read)
{
	unsigned v;

	if (c->form == FORM_READ) {
		port_say(c->port, read, *value);
		return END_OK;
	}
	if (arg_number(&c->args, 0, high, 0, &v) < 0)
		return END_CME(CME_PARAMETERS);
	*value = v;
	return END_OK;
}

static unsigned card_is_in(const struct module *m)
{
	return m->slot.inserted ? 1 : 0;
}

static int do_qsimstat(struct call *c)
{
	if (c->form == FORM_READ) {
		port_say(c->port, "+QSIMSTAT: %u,%u", c->port->set.qsimstat, card_is_in(c->m));
		return END_OK;
	}
	return switch_of(c, 1, &c->port->set.qsimstat, "%u");
}

static int do_qsimdet(struct call *c)
{
	return switch_of(c, 1, &c->m->qsimdet, "+QSIMDET: %u,0");
}

static int do_qss(struct call *c)
{
	if (c->form == FORM_READ) {
		port_say(c->port, "#QSS: %u,%u", c->port->set.qss, card_is_in(c->m));
		return END_OK;
	}
	return switch_of(c, 3, &c->port->set.qss, "%u");
}

static int do_scks(struct call *c)
{
	if (c->form == FORM_READ) {
		port_say(c->port, "^SCKS: %u,%u", c->port->set.scks, card_is_in(c->m));
		return END_OK;
	}
	return switch_of(c, 1, &c->port->set.scks, "%u");
}

static int do_xsim(struct call *c)
{
	if (c->form == FORM_READ) {
		port_say(c->port, "%%XSIM: %d", c->m->slot.state == SLOT_READY);
		return END_OK;
	}
	return switch_of(c, 1, &c->port->set.xsim, "%u");
}

/* The module's own LPA: stored at once, in force after the next start. */
static int do_qesim(struct call *c)
{
	struct text what = arg_string(&c->args);
	unsigned v;

	if (!c->m->persona->lpa_off || !text_eq(what, "lpa_enable"))
		return END_ERROR;
	if (c->args.n == 0) {
		port_say(c->port, "+QESIM: \"lpa_enable\",%d", c->m->lpa_wanted);
		return END_OK;
	}
	if (arg_number(&c->args, 0, 1, 0, &v) < 0)
		return END_ERROR;
	c->m->lpa_wanted = v;
	return END_OK;
}

/* "AT+GTDUALSIM=1", "AT^SWITCH_SLOT": whatever the personality wants to hear. */
static int do_slot(struct call *c)
{
	const char *wanted = c->m->persona->slot_command;
	char said[48];

	snprintf(said, sizeof(said), c->args.n ? "AT%s=" TEXT_FMT : "AT%s" TEXT_FMT,
		 c->command->name, TEXT_ARG(c->args));
	if (!wanted)
		return END_ERROR;
	c->m->slot_switched = !strcmp(said, wanted);
	c->m->slot_switched_ms = ev_now_ms();
	return END_OK;
}

/* AT%ECHO="text",n: n lines with the text. For tests that must know whose answer is whose. */
static int do_echo_lines(struct call *c)
{
	struct text t = arg_string(&c->args);
	unsigned n;

	if (arg_number(&c->args, 1, ECHO_LINES_MAX, 1, &n) < 0 || t.n == 0)
		return END_CME(CME_PARAMETERS);
	for (unsigned i = 0; i < n; i++)
		port_say(c->port, "%%ECHO: \"" TEXT_FMT "\",%u", TEXT_ARG(t), i + 1);
	return END_OK;
}

#define ALL (FORM_SET | FORM_READ | FORM_TEST)

const struct command general_commands[] = {
	{ "+CGMI", FORM_ACTION, 0, do_maker },
	{ "+GMI", FORM_ACTION, 0, do_maker },
	{ "+CGMM", FORM_ACTION, 0, do_model },
	{ "+GMM", FORM_ACTION, 0, do_model },
	{ "+CGMR", FORM_ACTION, 0, do_revision },
	{ "+GMR", FORM_ACTION, 0, do_revision },
	{ "+CGSN", FORM_ACTION | FORM_SET, 0, do_imei },
	{ "+GSN", FORM_ACTION, 0, do_imei },
	{ "+GCAP", FORM_ACTION, 0, do_gcap },
	{ "+CMEE", ALL, 0, do_cmee },
	{ "+CSCS", ALL, 0, do_cscs },
	{ "+CFUN", ALL, 0, do_cfun },
	{ "+CCLK", FORM_SET | FORM_READ, 0, do_clock },
	{ "+CTZR", FORM_SET | FORM_READ, 0, do_ctzr },
	{ "+CTZU", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+IPR", ALL, 0, do_ipr },
	{ "+CMUX", FORM_SET | FORM_TEST, 0, do_cmux },
	{ "+IFC", ALL, 0, do_ifc },
	{ "+ICF", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CPSMS", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CEDRXS", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CRC", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CLIP", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CSCON", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+CGPIAF", FORM_SET | FORM_READ, 0, do_accepted },
	{ "+FCLASS", FORM_READ, 0, do_accepted },
	{ "%ECHO", FORM_SET, 0, do_echo_lines },
	{ "+QSIMSTAT", ALL, MAKER_QUECTEL, do_qsimstat },
	{ "+QSIMDET", ALL, MAKER_QUECTEL, do_qsimdet },
	{ "+QESIM", FORM_SET, MAKER_QUECTEL, do_qesim },
	{ "+QSCLK", FORM_SET | FORM_READ, MAKER_QUECTEL, do_sleep },
	{ "+QCFG", FORM_SET, MAKER_QUECTEL, do_accepted },
	{ "+QURCCFG", FORM_SET, MAKER_QUECTEL, do_accepted },
	{ "+QSTK", FORM_SET | FORM_READ, MAKER_QUECTEL, do_accepted },
	{ "+QPOWD", FORM_SET | FORM_ACTION, MAKER_QUECTEL, do_power_off },
	{ "+CSCLK", FORM_SET | FORM_READ, MAKER_SIMCOM, do_sleep },
	{ "+CRESET", FORM_ACTION, MAKER_SIMCOM, do_reset },
	{ "+CPOF", FORM_ACTION, MAKER_SIMCOM, do_power_off },
	{ "+CPOWD", FORM_SET, MAKER_SIMCOM, do_power_off },
	{ "#REBOOT", FORM_ACTION, MAKER_TELIT, do_reset },
	{ "#SHDN", FORM_ACTION, MAKER_TELIT, do_power_off },
	{ "#QSS", ALL, MAKER_TELIT, do_qss },
	{ "+CPWROFF", FORM_ACTION, MAKER_UBLOX | MAKER_SIERRA, do_power_off },
	{ "+UPSV", FORM_SET | FORM_READ, MAKER_UBLOX, do_accepted },
	{ "!RESET", FORM_ACTION, MAKER_SIERRA, do_reset },
	{ "!ENTERCND", FORM_SET, MAKER_SIERRA, do_accepted },
	{ "+KSLEEP", FORM_SET | FORM_READ, MAKER_SIERRA, do_accepted },
	{ "^SMSO", FORM_ACTION, MAKER_CINTERION, do_power_off },
	{ "^SCKS", ALL, MAKER_CINTERION, do_scks },
	{ "^SCFG", FORM_SET, MAKER_CINTERION, do_accepted },
	{ "#XRESET", FORM_ACTION, MAKER_NORDIC, do_reset },
	{ "%XSIM", FORM_SET | FORM_READ, MAKER_NORDIC, do_xsim },
	{ "^RESET", FORM_ACTION, MAKER_SEQUANS | MAKER_HUAWEI, do_reset },
	{ "+GTDUALSIM", FORM_SET, MAKER_FIBOCOM, do_slot },
	{ "^SWITCH_SLOT", FORM_SET | FORM_ACTION, MAKER_FOXCONN, do_slot },
	{ 0 }
};
