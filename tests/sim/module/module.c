#include "sim/module/module.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "sim/module/card_task.h"
#include "sim/module/errors.h"
#include "sim/module/reports.h"

/* What a command announces with OK happens after the OK has left. */
#define SOON_MS 60
#define CLOCK_AT_START 315964800        /* 1980-01-06 */

/* --- unsolicited lines ---------------------------------------------------------------------------- */

void module_urc(struct module *m, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (m->hung)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (unsigned i = 0; i < m->ports_n; i++)
		port_urc(m->ports[i], "%s", text);
	lines_ring(m);
}

void module_some_urc(struct module *m, char *dst, size_t cap)
{
	static const char *const lines[] = {
		"+CMTI: \"ME\",%u", "+CREG: 1,\"00C3\",\"0000AB%02u\",7",
		"+CIEV: 2,%u",	    "+CGEV: NW MODIFY 1,%u",
		"+CTZV: \"+%02u\"", "RING",
	};
	char text[80];
	const char *line = lines[rng_below(&m->rng, ARRAY_SIZE(lines))];

	snprintf(text, sizeof(text), line, rng_below(&m->rng, 16));
	snprintf(dst, cap, "\r\n%s\r\n", text);
}

/* --- the card's state as lines -------------------------------------------------------------------- */

static const char *cpin_text(const struct module *m)
{
	switch (m->slot.state) {
	case SLOT_READY:
		return "+CPIN: READY";
	case SLOT_PIN:
		return "+CPIN: SIM PIN";
	case SLOT_PUK:
		return "+CPIN: SIM PUK";
	case SLOT_EMPTY:
		return "+CPIN: NOT INSERTED";
	case SLOT_OFF:
	case SLOT_STARTING:
	case SLOT_NO_APP:
	case SLOT_FAILED:
	case SLOT_RESTART:
	case _SLOT_STATE_MAX:
		break;
	}
	return "+CPIN: NOT READY";
}

/* "%cpin" stands for the card's state; what begins with '?' is said of a usable card only. */
static void say_start_line(struct module *m, const char *line)
{
	if (!strcmp(line, "%cpin"))
		module_urc(m, "%s", cpin_text(m));
	else if (line[0] != '?')
		module_urc(m, "%s", line);
	else if (m->slot.state == SLOT_READY)
		module_urc(m, "%s", line + 1);
}

static void say_card_is(struct module *m, bool in)
{
	for (unsigned i = 0; i < m->ports_n; i++) {
		struct port *p = m->ports[i];

		if (p->set.qsimstat)
			port_urc(p, "+QSIMSTAT: 1,%d", in);
		if (p->set.qss)
			port_urc(p, "#QSS: %d", in);
		if (p->set.scks)
			port_urc(p, "^SCKS: %d", in);
		if (p->set.xsim)
			port_urc(p, "%%XSIM: %d", in);
	}
}

bool module_follows_cards(const struct module *m)
{
	bool reports = false;

	for (unsigned i = 0; i < m->ports_n; i++)
		reports |= m->ports[i]->set.qsimstat != 0;
	return m->persona->needs_simdet && m->qsimdet && reports;
}

/* --- start ---------------------------------------------------------------------------------------- */

static bool go_on_booting(struct module *m)
{
	const char *const *lines = m->persona->boot_urcs;

	while (m->boot_step < PERSONA_URCS && lines[m->boot_step]) {
		const char *line = lines[m->boot_step];

		if ((line[0] == '%' || line[0] == '?') && m->slot.state == SLOT_STARTING)
			return false;
		m->boot_step++;
		say_start_line(m, line);
	}
	m->boot_step = PERSONA_URCS;
	return true;
}

static bool has_booted(const struct module *m)
{
	return m->power == MODULE_RUNNING && m->boot_step == PERSONA_URCS;
}

static void on_boot(struct ev_alarm *a)
{
	struct module *m = container_of(a, struct module, boot);

	m->power = MODULE_RUNNING;
	go_on_booting(m);
	net_look(&m->net);
}

void module_card_leaves(struct module *m)
{
	if (!has_booted(m))
		return;
	if (m->persona->card_gone_urc)
		module_urc(m, "%s", m->persona->card_gone_urc);
	if (!m->slot.inserted || m->persona->refresh == REFRESH_REMOVE_INSERT)
		say_card_is(m, false);
}

void module_card_ready(struct module *m)
{
	if (m->power != MODULE_RUNNING)
		return;
	if (!has_booted(m)) {
		go_on_booting(m);
		net_look(&m->net);
		return;
	}
	if (m->slot.inserted)
		say_card_is(m, true);
	for (size_t i = 0; i < PERSONA_URCS && m->persona->card_urcs[i]; i++)
		say_start_line(m, m->persona->card_urcs[i]);
	net_look(&m->net);
}

static void stop_everything(struct module *m)
{
	/* In this order nothing of it is told any more. */
	m->power = MODULE_OFF;
	net_start(&m->net);
	slot_power_off(&m->slot);
	ev_alarm_stop(&m->boot);
	ev_alarm_stop(&m->soon);
	sms_stop(&m->sms);
	m->soon_what = SOON_NOTHING;
	m->hung = MODULE_NOT_HUNG;
	m->may_sleep = false;
	if (m->restarted)
		m->restarted(m);
	for (unsigned i = 0; i < m->ports_n; i++)
		port_reset(m->ports[i]);
}

void module_power_on(struct module *m)
{
	stop_everything(m);
	m->power = MODULE_BOOTING;
	lines_power(m, true);
	m->starts++;
	m->commands = 0;
	m->boot_step = 0;
	m->cfun = m->persona->radio_off ? 0 : 1;
	m->lpa_enabled = m->lpa_wanted;
	m->slot_switched = false;
	m->clock_set_s = CLOCK_AT_START;
	m->clock_at_ms = ev_now_ms();
	ev_alarm_start(&m->boot, m->o.boot_ms ? m->o.boot_ms : m->persona->boot_ms);
	if (m->cfun)
		slot_start(&m->slot);
}

void module_power_off(struct module *m)
{
	stop_everything(m);
	lines_power(m, false);
}

void module_hang(struct module *m, enum module_hung until)
{
	m->hung = until;
}

static void on_restart(struct ev_task *t)
{
	module_power_on(container_of(t, struct module, restart));
}

void module_restart(struct module *m)
{
	ev_task_start(&m->restart);
}

void module_hang_up(struct module *m, unsigned ms)
{
	if (m->hang_up)
		m->hang_up(m, ms);
}

bool module_listens(const struct module *m)
{
	return m->power == MODULE_RUNNING && !m->hung && !lines_asleep(m);
}

/* --- what follows an OK --------------------------------------------------------------------------- */

static void on_soon(struct ev_alarm *a)
{
	struct module *m = container_of(a, struct module, soon);
	enum soon what = m->soon_what;

	m->soon_what = SOON_NOTHING;
	switch (what) {
	case SOON_RESTART:
		module_power_on(m);
		break;
	case SOON_POWER_OFF:
		if (m->persona->maker == MAKER_QUECTEL)
			module_urc(m, "POWERED DOWN");
		module_power_off(m);
		break;
	case SOON_SPEED:
		m->ipr = m->soon_speed;
		if (m->set_baud)
			m->set_baud(m, m->ipr ? m->ipr : 115200);
		break;
	case SOON_NOTHING:
	case _SOON_MAX:
		break;
	}
}

static void soon(struct module *m, enum soon what)
{
	m->soon_what = what;
	ev_alarm_start(&m->soon, SOON_MS + m->o.latency_ms);
}

void module_restart_soon(struct module *m)
{
	soon(m, SOON_RESTART);
}

void module_power_off_soon(struct module *m)
{
	soon(m, SOON_POWER_OFF);
}

void module_set_speed_soon(struct module *m, unsigned baud)
{
	m->soon_speed = baud;
	soon(m, SOON_SPEED);
}

/* --- +CFUN ---------------------------------------------------------------------------------------- */

/* Which numbers restart the module or only the card, per maker (u-blox, Fibocom, Nordic). */
static int special_cfun(struct module *m, unsigned fun)
{
	unsigned maker = m->persona->maker;

	if ((fun == 15 || fun == 16) && maker & (MAKER_UBLOX | MAKER_FIBOCOM)) {
		module_restart_soon(m);
		return END_OK;
	}
	if (maker == MAKER_NORDIC && fun == 44) {
		m->cfun = 4;
		net_look(&m->net);
		return END_OK;
	}
	/* The card alone: off is allowed only without the radio. */
	if (maker == MAKER_NORDIC && fun == 40) {
		if (m->cfun == 1)
			return END_ERROR;
		slot_power_off(&m->slot);
		return END_OK;
	}
	if (maker == MAKER_NORDIC && fun == 41) {
		if (m->slot.state == SLOT_OFF)
			slot_start(&m->slot);
		return END_OK;
	}
	return END_CME(CME_PARAMETERS);
}

int module_set_cfun(struct module *m, struct port *p, unsigned fun)
{
	(void)p;
	if (fun != 0 && fun != 1 && fun != 4)
		return special_cfun(m, fun);
	if (fun == m->cfun)
		return END_OK;
	if (fun == 0 && !m->persona->cfun_keeps_card)
		slot_power_off(&m->slot);
	m->cfun = fun;
	if (fun != 0 && !slot_powered(&m->slot) && m->slot.state != SLOT_RESTART)
		slot_start(&m->slot);
	net_look(&m->net);
	return END_OK;
}

/* --- octets --------------------------------------------------------------------------------------- */

void module_received(struct module *m, struct port *p, const void *data, size_t n)
{
	const uint8_t *s = data;
	unsigned every = m->persona->drop_every;

	if (!module_listens(m) || m->persona->silent)
		return;
	if (!every) {
		port_feed(p, data, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (++m->octets_in % every)
			port_feed(p, s + i, 1);
}

void module_abort(struct module *m, struct port *p)
{
	net_abort(&m->net, p);
}

/* --- life ----------------------------------------------------------------------------------------- */

void module_init(struct module *m, const struct persona *persona, const struct module_options *o)
{
	m->persona = persona;
	m->o = *o;
	m->rng = o->seed * 0x9e3779b97f4a7c15ull + 1;
	m->faults.seed = o->seed;
	m->ipr = 115200;
	m->lpa_wanted = persona->lpa_off;
	m->boot.fired = on_boot;
	m->soon.fired = on_soon;
	m->restart.run = on_restart;
	lines_init(m);
	slot_init(&m->slot, m);
	net_init(&m->net, m);
	sms_init(&m->sms, m);
}

void module_add_port(struct module *m, struct port *p)
{
	port_init(p, m);
	m->ports[m->ports_n++] = p;
}

void module_drop_port(struct module *m, struct port *p)
{
	unsigned n = 0;

	net_abort(&m->net, p);
	card_task_drop(p);
	port_stop(p);
	for (unsigned i = 0; i < m->ports_n; i++)
		if (m->ports[i] != p)
			m->ports[n++] = m->ports[i];
	m->ports_n = n;
}

void module_stop(struct module *m)
{
	stop_everything(m);
	ev_task_stop(&m->restart);
	lines_stop(m);
	net_stop(&m->net);
	slot_stop(&m->slot);
}
