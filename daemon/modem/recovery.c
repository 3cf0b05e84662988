/*
 * Back to a module that has fallen silent. The ladder, mildest rung first; each is logged and
 * counted, and has helped only when the module has answered all of its start. A module that gets
 * lost again soon after goes on with the next rung, not with the first. After the last one: rest,
 * longer each time, for a module without power or antenna must not be reset for ever.
 *
 * The rungs that move lines are there where such lines are configured, and only so often per hour.
 * Where STATUS says that the module is off, nothing but switching it on makes sense.
 */
#include <stdio.h>

#include "core/log.h"
#include "modem/modem.h"

#define REOPEN_MS 1000
#define STABLE_MS 60000
#define REST_MIN_S 30
#define REST_MAX_S 300

static const char *const rung_names[_MODEM_RUNG_MAX] = {
	[MODEM_RUNG_NONE] = "itself", [MODEM_RUNG_REOPEN] = "reopening the port",
	[MODEM_RUNG_RESET] = "the reset command", [MODEM_RUNG_LINE] = "its RESET line",
	[MODEM_RUNG_POWER] = "a power cycle", [MODEM_RUNG_REST] = "a rest",
};

/* In the order of how often modules in the field are found at them. */
static const unsigned speeds[] = { 115200, 9600, 921600, 460800, 230400, 57600, 38400, 19200 };

void modem_hunt(struct modem *m)
{
	/* One that has restarted is back at the speed that it was found at. */
	if (m->mux.raised) {
		m->mux.raised = false;
		modem_port_set_baud(m, m->o.baud);
		m->st.baud = m->o.baud;
		at_chat_sync(&m->chat);
		return;
	}
	while (m->o.hunt && m->speed < ARRAY_SIZE(speeds)) {
		unsigned baud = speeds[m->speed++];

		if (baud == m->o.baud || modem_port_set_baud(m, baud) < 0)
			continue;
		log_debug("modem", "no answer; trying %u baud", baud);
		m->st.baud = baud;
		m->chat.no_rescue = true;
		at_chat_sync(&m->chat);
		return;
	}
	m->speed = 0;
	m->st.baud = m->o.baud;
	modem_port_set_baud(m, m->o.baud);
	modem_event(m, MODEM_EV_FAILED);
}

static void reopen(struct modem *m)
{
	modem_detach(m);
	m->st.counters.reopens++;
	ev_alarm_start(&m->timer, REOPEN_MS);
}

static void rest(struct modem *m)
{
	m->rest_s = m->rest_s ? MIN(2 * m->rest_s, REST_MAX_S) : REST_MIN_S;
	log_warning("modem", "nothing helps; trying again in %u s", m->rest_s);
	ev_alarm_start(&m->timer, m->rest_s * 1000);
}

static bool rung_is_there(struct modem *m, enum modem_rung rung)
{
	switch (rung) {
	case MODEM_RUNG_REOPEN:
	case MODEM_RUNG_RESET:
	case MODEM_RUNG_REST:
		return true;
	case MODEM_RUNG_LINE:
		return modem_power_may(m, POWER_PULSE);
	case MODEM_RUNG_POWER:
		return modem_power_may(m, POWER_CYCLE);
	case MODEM_RUNG_NONE:
	case _MODEM_RUNG_MAX:
		break;
	}
	return false;
}

void modem_climb(struct modem *m)
{
	bool off;

	if (m->rung == MODEM_RUNG_REST ||
	    (m->ready_ms && ev_now_ms() - m->ready_ms > STABLE_MS))
		m->rung = MODEM_RUNG_NONE;
	m->ready_ms = 0;
	off = m->rung != MODEM_RUNG_POWER && modem_power_wanted(m);
	if (off)
		m->rung = MODEM_RUNG_POWER;
	else
		do
			m->rung++;
		while (!rung_is_there(m, m->rung));
	m->tried = off ? power_job_name(POWER_ON) : rung_names[m->rung];
	modem_problem(m, CAUSE_TIMEOUT, "module", -1, NULL, "the module does not answer");
	log_warning("modem", "does not answer; trying %s", m->tried);
	switch (m->rung) {
	case MODEM_RUNG_REOPEN:
		reopen(m);
		break;
	case MODEM_RUNG_RESET:
		modem_event(m, MODEM_EV_RESET);
		break;
	case MODEM_RUNG_LINE:
		modem_power(m, POWER_PULSE);
		break;
	case MODEM_RUNG_POWER:
		modem_power(m, off ? POWER_ON : POWER_CYCLE);
		break;
	case MODEM_RUNG_REST:
		rest(m);
		break;
	case MODEM_RUNG_NONE:
	case _MODEM_RUNG_MAX:
		break;
	}
}

/* STATUS has gone off by itself. */
void modem_went_off(struct modem *m)
{
	bool ready = m->st.state == MODEM_READY;

	m->st.counters.lost += ready;
	if (ready && !m->lost_ms)
		m->lost_ms = ev_now_ms();
	m->ready_ms = 0;
	m->rung = MODEM_RUNG_POWER;
	m->tried = power_job_name(POWER_ON);
	modem_problem(m, CAUSE_LINK_LOST, "gpio", -1, NULL, "the STATUS line says that the module is off");
	modem_power(m, POWER_ON);
}

/* Without a port the first rungs make no sense. */
void modem_climb_absent(struct modem *m)
{
	enum power_job job = modem_power_wanted(m) ? POWER_ON : POWER_CYCLE;

	if (m->rung < MODEM_RUNG_LINE && job != POWER_ON && modem_power_may(m, POWER_PULSE)) {
		m->rung = MODEM_RUNG_LINE;
		job = POWER_PULSE;
	} else if (m->rung < MODEM_RUNG_POWER && modem_power_may(m, job)) {
		m->rung = MODEM_RUNG_POWER;
	} else {
		m->rung = MODEM_RUNG_NONE;
		m->rest_s = m->rest_s ? MIN(2 * m->rest_s, REST_MAX_S) : REST_MIN_S;
		modem_power_absent(m);
		return;
	}
	m->tried = power_job_name(job);
	log_warning("modem", "%s has been missing for long; trying %s", m->o.device, m->tried);
	modem_problem(m, CAUSE_LINK_LOST, "port", -1, NULL, "the module's port is missing");
	modem_power(m, job);
}

/* The pause of a rung is over. */
void modem_rung_over(struct modem *m)
{
	char why[SERIAL_WHY_MAX];
	int r;

	if (m->pipe) {
		modem_climb(m);
		return;
	}
	r = modem_attach(m, why);
	if (r == 0) {
		modem_event(m, MODEM_EV_OPENED);
		return;
	}
	log_warning("modem", "%s; waiting for it", why);
	modem_event(m, MODEM_EV_GONE);
}

/* Some modules are set up not to know the command, or not to take it now: they have not restarted. */
static void on_restart_answer(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, restart);
	char text[120];

	(void)final;
	if (end != AT_ERROR && end != AT_CME_ERROR && end != AT_CMS_ERROR)
		return;
	snprintf(text, sizeof(text), "the module refuses its reset command, %s", cmd->text);
	log_warning("modem", "%s", text);
	modem_problem(m, CAUSE_REFUSED, "module", code, "reset", text);
	m->restart_refused = true;
	modem_event(m, MODEM_EV_TIMER);
}

/*
 * The command is written as it is, past the queue, which ends: whatever was asked is void now. Its
 * answer may then be that of something before, and is not listened to.
 */
static void restart_blindly(struct modem *m)
{
	char line[64];
	/* A CR in front ends what may stand in the module's line buffer. */
	int n = snprintf(line, sizeof(line), "\r%s%s", m->family->reset, at_chat_line_end(&m->chat));
	struct pipe *pipe = m->mux.on ? &m->mux.control.pipe : m->pipe;

	at_chat_close(&m->chat);
	at_chat_open(&m->chat, pipe);
	log_wire(m->chat.name, '>', line, (size_t)n);
	pipe_write(pipe, line, (size_t)n);
}

void modem_restart(struct modem *m)
{
	m->restart_refused = false;
	m->restart_waits = at_chat_lent(&m->chat);
	modem_stop_recipe(m);
	at_cancel(&m->chat, &m->restart);
	/* In data mode the command would go to the other end of the call. */
	if (m->restart_waits) {
		log_info("modem", "ending the data call, to restart it");
		at_chat_sync(&m->chat);
		return;
	}
	log_info("modem", "restarting it by %s", m->family->reset);
	card_at_lost(&m->card);
	m->st.counters.resets++;
	if (at_chat_in_step(&m->chat) && !at_chat_busy(&m->chat)) {
		m->restart = (struct at_cmd){ .text = m->family->reset, .done = on_restart_answer,
					      .patience_ms = 2 * m->family->boot_ms };
		at_submit(&m->chat, &m->restart);
	} else {
		restart_blindly(m);
	}
	ev_alarm_start(&m->timer, m->family->boot_ms);
}

/* Out of data mode, or not: now or never. */
void modem_restart_now(struct modem *m)
{
	if (m->restart_waits)
		modem_restart(m);
}

void modem_recovered(struct modem *m)
{
	if (m->lost_ms) {
		m->st.counters.recoveries++;
		log_info("modem", "recovered after %.1f s, by %s",
			 (double)(ev_now_ms() - m->lost_ms) / 1000,
			 m->rung == MODEM_RUNG_NONE ? rung_names[m->rung] : m->tried);
	}
	m->lost_ms = 0;
	m->rest_s = 0;
	m->ready_ms = ev_now_ms();
}
