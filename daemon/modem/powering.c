/*
 * What the power lines mean for the module's life. They are used when somebody wants it
 * (modem_power_cycle()), as the last rungs of the ladders in recovery.c and follow.c, and by
 * themselves when STATUS says that the module is off, at start or later.
 *
 * While a job moves the lines the module is "powering", or absent where its port goes with its
 * power. What it says in that time counts only after the point where its new start begins.
 */
#include <errno.h>
#include <stdio.h>

#include "core/file.h"
#include "core/log.h"
#include "modem/modem.h"

/* STATUS may dip for a moment while a module starts. */
#define OFF_FOR_MS 1000
/* Lines that cannot be had at start are asked for again. */
#define LINES_AGAIN_MS 5000
/* A port that went away comes back by itself if the module has only restarted. */
#define ABSENT_MIN_MS 60000

static struct modem *modem_of(struct power *p)
{
	return container_of(p, struct modem, power);
}

/* --- the family's times ------------------------------------------------------------------------- */

/*
 * A module that is off cannot say what it is. The family that was here last is noted where it
 * survives a restart of the gateway.
 */
static void note_path(const struct modem *m, char *dst, size_t cap)
{
	snprintf(dst, cap, "%s/family", m->o.state_dir ? m->o.state_dir : "");
}

static void recall_family(struct modem *m)
{
	const struct at_family *f = NULL;
	char path[512], name[80];
	size_t n;

	note_path(m, path, sizeof(path));
	if (m->o.state_dir && power_configured(&m->power) && file_load(path, name, sizeof(name), &n) == 0)
		f = at_family_named(text_trim(text_from(name, n)));
	if (f)
		log_debug("power", "taking it for a %s, which was here last", f->name);
	m->last_family = f ? f : at_family_generic();
	m->power.family = at_family_power(m->last_family);
}

void modem_power_family(struct modem *m)
{
	char path[512];
	int r;

	if (m->family == at_family_generic() || m->family == m->last_family ||
	    !power_configured(&m->power))
		return;
	m->last_family = m->family;
	m->power.family = at_family_power(m->family);
	if (!m->o.state_dir)
		return;
	note_path(m, path, sizeof(path));
	r = file_save(path, m->family->name, strlen(m->family->name), 0600);
	if (r < 0)
		log_warning("power", "%s: %s, ignoring", path, strerror(-r));
}

/* --- a job -------------------------------------------------------------------------------------- */

/* A port that goes with the power is no refusal. */
static void on_down_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, power_down);

	(void)code, (void)final;
	if (end == AT_OK || end == AT_LINK_LOST)
		return;
	log_info("modem", "%s: %s", cmd->text, at_end_name(end));
	power_refused(&m->power);
}

/*
 * In good order, if the module listens: some write down what they know when they are switched off.
 * The command in flight gets its answer first, or its error would be taken for this one's.
 */
static bool ask_down(struct modem *m)
{
	if (!m->power_answers || !m->family->power_down || !m->pipe || !at_chat_in_step(&m->chat))
		return false;
	log_info("modem", "switching it off by %s", m->family->power_down);
	m->power_down = (struct at_cmd){ .text = m->family->power_down, .every = true,
					 .patience_ms = m->power.family.down_ms, .done = on_down_done };
	at_submit_first(&m->chat, &m->power_down);
	return true;
}

/*
 * It is about to lose its power: whatever was asked is void. The chat stands on the bare line or on
 * the mux's channel as before, at the speed that a module starts with.
 */
static void on_leaving(struct power *p)
{
	struct modem *m = modem_of(p);
	struct pipe *pipe = m->mux.on ? &m->mux.control.pipe : m->pipe;

	/* One that has hung up is about to tell so. */
	if (!at_chat_is_open(&m->chat))
		return;
	card_at_lost(&m->card);
	at_chat_close(&m->chat);
	at_chat_open(&m->chat, pipe);
	if (!m->mux.raised)
		return;
	m->mux.raised = false;
	modem_port_set_baud(m, m->o.baud);
	m->st.baud = m->o.baud;
}

void modem_power_run(struct modem *m)
{
	enum power_job job = m->power_job;
	bool asked;

	log_info("modem", "%s", job == POWER_ON ? "switching it on" : job == POWER_PULSE ?
			  "resetting it by its RESET line" : "switching it off and on");
	ev_alarm_stop(&m->timer);
	ev_alarm_stop(&m->absent);
	m->power_booted = m->restart_refused = m->restart_waits = false;
	modem_stop_recipe(m);
	asked = job == POWER_CYCLE && ask_down(m);
	m->st.counters.switch_ons += job == POWER_ON;
	m->st.counters.line_resets += job == POWER_PULSE;
	m->st.counters.power_cycles += job == POWER_CYCLE;
	power_count(&m->power);
	power_start(&m->power, job, asked);
}

int modem_power(struct modem *m, enum power_job job)
{
	if (power_busy(&m->power))
		return -EBUSY;
	if (!power_can(&m->power, job))
		return -ENOTSUP;
	m->power_job = job;
	m->power_answers = m->st.state == MODEM_IDENTIFYING || m->st.state == MODEM_SIM ||
			   m->st.state == MODEM_READY;
	modem_event(m, MODEM_EV_POWER);
	return 0;
}

bool modem_power_may(struct modem *m, enum power_job job)
{
	if (!power_can(&m->power, job) || power_busy(&m->power))
		return false;
	if (power_may(&m->power)) {
		m->power_told = false;
		return true;
	}
	if (!m->power_told)
		log_warning("modem", "its power lines were used %u times within the hour: not by myself for "
			    "now ([power] per_hour)", m->power.o.per_hour);
	m->power_told = true;
	return false;
}

/* The port may have been closed by the rung before. */
static void attach_again(struct modem *m)
{
	char why[SERIAL_WHY_MAX];

	if (!m->pipe && modem_attach(m, why) < 0) {
		log_warning("modem", "%s; waiting for it", why);
		modem_event(m, MODEM_EV_GONE);
	}
}

static void on_done(struct power *p)
{
	struct modem *m = modem_of(p);
	char text[120];

	at_cancel(&m->chat, &m->power_down);
	if (p->stuck) {
		snprintf(text, sizeof(text), "the STATUS line stays \"%s\" after %s: is it wired, and its "
			 "polarity right?", p->stuck, power_job_name(p->job));
		log_warning("modem", "%s", text);
		modem_problem(m, CAUSE_TIMEOUT, "gpio", -1, "status", text);
	}
	if (cause_is_set(&p->proc.cause))
		modem_problem(m, p->proc.cause.kind, p->proc.cause.from, p->proc.cause.code,
			      p->proc.cause.step, "a power line cannot be set");
	if (m->st.state == MODEM_ABSENT) {
		modem_power_absent(m);
		return;
	}
	if (m->st.state != MODEM_POWERING)
		return;
	attach_again(m);
	if (m->st.state != MODEM_POWERING)
		return;
	if (m->power_booted)
		modem_event(m, MODEM_EV_BOOTED);
	else
		ev_alarm_start(&m->timer, cause_is_set(&p->proc.cause) ? 0 : m->last_family->boot_ms);
}

/* It has said that it has started, or the like, while its lines are moved. True: that is dealt with. */
bool modem_power_booted(struct modem *m)
{
	if (!power_busy(&m->power) || m->st.state != MODEM_POWERING)
		return false;
	m->power_booted |= power_heard(&m->power);
	return true;
}

/* It answers: proof that it is on, even if STATUS knows nothing of it. */
void modem_power_proven(struct modem *m)
{
	if (power_proven(&m->power))
		log_warning("modem", "answers, though the STATUS line says that it is off; not believed from "
			    "now on: is its polarity right ([power] status)?");
}

/* --- by itself ---------------------------------------------------------------------------------- */

static bool is_off(struct modem *m)
{
	return power_is(&m->power) == POWER_IS_OFF && !power_busy(&m->power);
}

bool modem_power_wanted(struct modem *m)
{
	return is_off(m) && modem_power_may(m, POWER_ON);
}

static void on_off_for(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, off_for);

	if (!is_off(m))
		return;
	log_warning("modem", "the STATUS line says that it is off");
	if (modem_power_wanted(m))
		modem_went_off(m);
}

static void on_status(struct power *p)
{
	struct modem *m = modem_of(p);

	modem_mark(m, MODEM_CHANGED_POWER);
	if (is_off(m))
		ev_alarm_start(&m->off_for, OFF_FOR_MS);
	else
		ev_alarm_stop(&m->off_for);
}

/* Something has come in, or the module is awake again: what is new is asked for. */
static void on_rang(struct power *p)
{
	struct modem *m = modem_of(p);

	m->st.counters.rings++;
	modem_look_soon(m);
}

/* --- a port that does not come back --------------------------------------------------------------- */

static void on_absent(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, absent);

	if (m->st.state == MODEM_ABSENT && !m->pipe)
		modem_climb_absent(m);
}

void modem_power_absent(struct modem *m)
{
	/* One that another program has open is none of our business. */
	if (!m->missing || !(power_can(&m->power, POWER_CYCLE) || power_can(&m->power, POWER_PULSE)))
		ev_alarm_stop(&m->absent);
	else if (!m->absent.active)
		ev_alarm_start(&m->absent, MAX(2 * m->last_family->boot_ms, ABSENT_MIN_MS) +
						   m->rest_s * 1000);
}

/* --- opening -------------------------------------------------------------------------------------- */

void modem_power_look(struct modem *m)
{
	if (!modem_power_wanted(m))
		return;
	log_info("modem", "the STATUS line says that it is off");
	modem_power(m, POWER_ON);
}

static void on_lines_again(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, lines_again);
	char why[GPIO_WHY_MAX];

	if (power_open(&m->power, why) < 0) {
		ev_alarm_start(a, LINES_AGAIN_MS);
		return;
	}
	log_info("power", "the lines are there now");
	modem_power_look(m);
}

int modem_power_open(struct modem *m, bool wait, char why[GPIO_WHY_MAX])
{
	int r;

	m->power.leaving = on_leaving;
	m->power.done = on_done;
	m->power.changed = on_status;
	m->power.rang = on_rang;
	m->off_for.fired = on_off_for;
	m->absent.fired = on_absent;
	m->lines_again.fired = on_lines_again;
	recall_family(m);
	r = power_open(&m->power, why);
	if (r == 0 || !wait)
		return r;
	log_warning("power", "%s; trying again", why);
	modem_problem(m, CAUSE_REFUSED, "gpio", -r, "open", why);
	ev_alarm_start(&m->lines_again, LINES_AGAIN_MS);
	return 0;
}

void modem_power_close(struct modem *m)
{
	ev_alarm_stop(&m->off_for);
	ev_alarm_stop(&m->absent);
	ev_alarm_stop(&m->lines_again);
	at_cancel(&m->chat, &m->power_down);
	power_close(&m->power);
}
