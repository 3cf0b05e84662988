/*
 * The life cycle as a table of situations: state and event give the next state and what to do on
 * the way. An empty cell means that the event is not expected there: it is logged and ignored.
 */
#include "modem/modem.h"

#include <errno.h>
#include <stdio.h>

#include "core/file.h"
#include "core/log.h"

/* A port that is there but cannot be opened (permission, lock) is tried again this often. */
#define BLOCKED_MS 5000

/* A refresh that waits for the end of a data call looks for it this often. */
#define LENT_LOOK_MS 5000

/* Restarts in a row without having been ready. */
#define RESTARTS_MAX 5

static const char *const state_names[_MODEM_STATE_MAX] = {
	[MODEM_ABSENT] = "absent", [MODEM_POWERING] = "powering", [MODEM_SYNCING] = "syncing",
	[MODEM_IDENTIFYING] = "identifying", [MODEM_SIM] = "sim", [MODEM_READY] = "ready",
	[MODEM_LOST] = "lost",
};

static const char *const sim_names[_MODEM_SIM_MAX] = {
	[MODEM_SIM_UNKNOWN] = "unknown", [MODEM_SIM_ABSENT] = "absent",
	[MODEM_SIM_NOT_READY] = "not-ready", [MODEM_SIM_PIN_REQUIRED] = "pin-required",
	[MODEM_SIM_PIN_REFUSED] = "pin-refused", [MODEM_SIM_PUK_REQUIRED] = "puk-required",
	[MODEM_SIM_LOCKED] = "locked", [MODEM_SIM_FAILURE] = "failure", [MODEM_SIM_READY] = "ready",
};

static const char *const event_names[_MODEM_EVENT_MAX] = {
	[MODEM_EV_OPENED] = "opened", [MODEM_EV_GONE] = "gone", [MODEM_EV_SYNCED] = "synced",
	[MODEM_EV_SILENT] = "silent", [MODEM_EV_DONE] = "done", [MODEM_EV_FAILED] = "failed",
	[MODEM_EV_BOOTED] = "booted", [MODEM_EV_CARD] = "card", [MODEM_EV_RESET] = "reset",
	[MODEM_EV_MUX] = "mux", [MODEM_EV_POWER] = "power", [MODEM_EV_TIMER] = "timer",
};

const char *modem_state_name(enum modem_state state)
{
	return state_names[state];
}

const char *modem_sim_name(enum modem_sim sim)
{
	return sim_names[sim];
}

/* --- telling ------------------------------------------------------------------------------------ */

static void on_tell(struct ev_task *t)
{
	struct modem *m = container_of(t, struct modem, tell);
	unsigned what = m->changes;

	m->changes = 0;
	modem_follow_note(m);
	m->changed(m, what);
}

/* Changes of one instant are told together. */
void modem_mark(struct modem *m, unsigned what)
{
	m->changes |= what;
	ev_task_start(&m->tell);
}

void modem_problem(struct modem *m, enum cause_kind kind, const char *from, int code,
		   const char *step, const char *text)
{
	char why[CAUSE_TEXT_MAX];

	m->st.problem = (struct cause){ .kind = kind, .from = from, .code = code, .step = step };
	m->st.problem_ms = ev_now_ms();
	snprintf(m->st.problem_text, sizeof(m->st.problem_text), "%s",
		 text ? text : cause_text(&m->st.problem, why));
	modem_mark(m, MODEM_CHANGED_PROBLEM);
}

/* --- what the table does -------------------------------------------------------------------------- */

static void forget_everything(struct modem *m)
{
	struct modem_status *st = &m->st;

	st->maker[0] = st->model[0] = st->revision[0] = st->imei[0] = '\0';
	st->family = NULL;
	m->family = at_family_generic();
	card_at_line_lost(&m->card);
	modem_forget_card(m);
	modem_forget_network(m);
	modem_mark(m, MODEM_CHANGED_IDENTITY);
}

static void drop_port(struct modem *m)
{
	modem_detach(m);
	forget_everything(m);
	m->st.port[0] = '\0';
	m->rung = MODEM_RUNG_NONE;
	m->mux.failures = 0;
	m->mux.speed_refused = m->mux.proven = false;
	m->missing = true;
	modem_power_absent(m);
	hotplug_start(&m->hotplug, m->o.device);
}

static void start_sync(struct modem *m)
{
	hotplug_stop(&m->hotplug);
	modem_stop_recipe(m);
	modem_mux_drop(m);
	m->chat.no_rescue = m->speed != 0;
	at_chat_sync(&m->chat);
}

/* The module has started anew, by itself or by us: all it was told is gone. */
static void start_over(struct modem *m)
{
	log_info("modem", "it has restarted");
	forget_everything(m);
	/* One that restarts at the same question each time is not helped by asking it again. */
	if (++m->restarts > RESTARTS_MAX) {
		m->restarts = 0;
		modem_event(m, MODEM_EV_FAILED);
	} else {
		start_sync(m);
	}
}

static void identify(struct modem *m)
{
	modem_power_proven(m);
	if (m->speed && m->st.baud != m->o.max_baud)
		log_warning("modem", "talks at %u baud, not at %u; configure that speed", m->st.baud,
			    m->o.baud);
	forget_everything(m);
	modem_identify(m);
}

static void read_sim(struct modem *m)
{
	modem_forget_card(m);
	modem_read_sim(m);
}

static void read_sim_again(struct modem *m)
{
	log_info("modem", "the card may have changed, reading it again");
	modem_stop_recipe(m);
	read_sim(m);
}

static void now_ready(struct modem *m)
{
	modem_recovered(m);
	m->restarts = 0;
	modem_mux_ready(m);
	if (m->o.alive_s)
		ev_alarm_start(&m->alive, m->o.alive_s * 1000);
}

static void give_up(struct modem *m)
{
	modem_stop_recipe(m);
	modem_climb(m);
}

/* --- the table ------------------------------------------------------------------------------------- */

struct move {
	enum modem_state next;
	void (*act)(struct modem *m);
};

#define ALWAYS_GONE [MODEM_EV_GONE] = { MODEM_ABSENT, drop_port }, \
		    [MODEM_EV_POWER] = { MODEM_POWERING, modem_power_run }

static const struct move moves[_MODEM_STATE_MAX][_MODEM_EVENT_MAX] = {
	[MODEM_ABSENT] = {
		[MODEM_EV_OPENED] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_POWER] = { MODEM_ABSENT, modem_power_run },
	},
	[MODEM_POWERING] = {
		ALWAYS_GONE,
		[MODEM_EV_BOOTED] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_TIMER] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_SYNCED] = { MODEM_POWERING, modem_restart_now },
		[MODEM_EV_SILENT] = { MODEM_POWERING, modem_restart_now },
	},
	[MODEM_SYNCING] = {
		ALWAYS_GONE,
		[MODEM_EV_SYNCED] = { MODEM_IDENTIFYING, identify },
		[MODEM_EV_SILENT] = { MODEM_SYNCING, modem_hunt },
		[MODEM_EV_FAILED] = { MODEM_LOST, give_up },
		[MODEM_EV_RESET] = { MODEM_POWERING, modem_restart },
	},
	[MODEM_IDENTIFYING] = {
		ALWAYS_GONE,
		[MODEM_EV_DONE] = { MODEM_SIM, read_sim },
		[MODEM_EV_FAILED] = { MODEM_LOST, give_up },
		[MODEM_EV_SILENT] = { MODEM_LOST, give_up },
		[MODEM_EV_BOOTED] = { MODEM_SYNCING, start_over },
		[MODEM_EV_RESET] = { MODEM_POWERING, modem_restart },
	},
	[MODEM_SIM] = {
		ALWAYS_GONE,
		[MODEM_EV_DONE] = { MODEM_READY, now_ready },
		[MODEM_EV_FAILED] = { MODEM_LOST, give_up },
		[MODEM_EV_SILENT] = { MODEM_LOST, give_up },
		[MODEM_EV_BOOTED] = { MODEM_SYNCING, start_over },
		[MODEM_EV_CARD] = { MODEM_SIM, read_sim_again },
		[MODEM_EV_RESET] = { MODEM_POWERING, modem_restart },
	},
	[MODEM_READY] = {
		ALWAYS_GONE,
		[MODEM_EV_MUX] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_SILENT] = { MODEM_LOST, give_up },
		[MODEM_EV_BOOTED] = { MODEM_SYNCING, start_over },
		[MODEM_EV_CARD] = { MODEM_SIM, read_sim_again },
		[MODEM_EV_RESET] = { MODEM_POWERING, modem_restart },
	},
	[MODEM_LOST] = {
		ALWAYS_GONE,
		[MODEM_EV_OPENED] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_BOOTED] = { MODEM_SYNCING, start_sync },
		[MODEM_EV_SILENT] = { MODEM_LOST, modem_climb },
		[MODEM_EV_TIMER] = { MODEM_LOST, modem_rung_over },
		[MODEM_EV_RESET] = { MODEM_POWERING, modem_restart },
	},
};

static void enter(struct modem *m, enum modem_state next)
{
	char since[32] = "";

	if (m->st.state == next)
		return;
	if (next == MODEM_LOST || next == MODEM_ABSENT)
		m->st.counters.lost += m->st.state == MODEM_READY;
	if (next == MODEM_LOST || (next == MODEM_ABSENT && m->st.state == MODEM_READY))
		m->lost_ms = m->lost_ms ? m->lost_ms : ev_now_ms();
	if (m->st.since_ms)
		snprintf(since, sizeof(since), " after %.1f s",
			 (double)(ev_now_ms() - m->st.since_ms) / 1000);
	log_info("modem", "%s → %s%s", state_names[m->st.state], state_names[next], since);
	m->st.state = next;
	m->st.since_ms = ev_now_ms();
	ev_alarm_stop(&m->timer);
	ev_alarm_stop(&m->alive);
	ev_alarm_stop(&m->look);
	ev_alarm_stop(&m->absent);
	ev_alarm_stop(&m->mux.again);
	modem_mark(m, MODEM_CHANGED_STATE);
}

void modem_event(struct modem *m, enum modem_event event)
{
	const struct move *move = &moves[m->st.state][event];

	if (event == MODEM_EV_BOOTED && modem_power_booted(m))
		return;
	if (!move->act) {
		log_debug("modem", "%s while %s, ignoring", event_names[event],
			  state_names[m->st.state]);
		return;
	}
	enter(m, move->next);
	move->act(m);
}

static void on_timer(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, timer);

	if (m->st.state != MODEM_ABSENT)
		modem_event(m, MODEM_EV_TIMER);
	else
		m->hotplug.stirred(&m->hotplug);
}

/* --- the port ------------------------------------------------------------------------------------- */

static void on_lost(struct at_chat *c, int error)
{
	struct modem *m = container_of(c, struct modem, chat);

	if (modem_mux_lost(m)) {
		modem_event(m, MODEM_EV_BOOTED);
		return;
	}
	log_info("modem", "%s hung up%s%s", m->st.device, error ? ": " : "",
		 error ? strerror(error) : "");
	modem_event(m, MODEM_EV_GONE);
}

static void on_silent(struct at_chat *c)
{
	modem_event(container_of(c, struct modem, chat), MODEM_EV_SILENT);
}

static void on_late(struct at_chat *c)
{
	modem_mux_doubt(container_of(c, struct modem, chat));
}

static void on_synced(struct at_chat *c)
{
	modem_event(container_of(c, struct modem, chat), MODEM_EV_SYNCED);
}

static void on_echoed(struct at_chat *c)
{
	log_info("modem", "its echo is back: it has restarted without a word");
	modem_event(container_of(c, struct modem, chat), MODEM_EV_BOOTED);
}

int modem_attach(struct modem *m, char why[SERIAL_WHY_MAX])
{
	int r = modem_port_open(m, m->o.baud, why);

	if (r < 0)
		return r;
	m->speed = 0;
	m->mux.raised = false;
	m->st.baud = m->o.baud;
	m->chat.name = "at1";
	m->chat.lost = on_lost;
	m->chat.silent = on_silent;
	m->chat.late = on_late;
	m->chat.synced = on_synced;
	m->chat.echoed = on_echoed;
	at_chat_open(&m->chat, m->pipe);
	return 0;
}

void modem_detach(struct modem *m)
{
	modem_stop_recipe(m);
	modem_mux_detach(m);
	at_cancel(&m->chat, &m->restart);
	at_chat_close(&m->chat);
	if (m->pipe)
		modem_port_close(m);
}

/* --- coming and going of the port -------------------------------------------------------------------- */

static void on_stirred(struct hotplug *h)
{
	struct modem *m = container_of(h, struct modem, hotplug);
	char why[SERIAL_WHY_MAX];
	int r;

	if (m->pipe)
		return;
	r = modem_attach(m, why);
	if (r == 0) {
		modem_event(m, MODEM_EV_OPENED);
		return;
	}
	m->missing = r == -ENOENT;
	modem_power_absent(m);
	/* Its coming will stir us; what only time or a user can change is tried again. */
	if (r != -ENOENT)
		ev_alarm_start(&m->timer, BLOCKED_MS);
	if (strcmp(why, m->st.problem_text) != 0) {
		log_warning("modem", "%s; waiting for it", why);
		modem_problem(m, r == -ENOENT ? CAUSE_LINK_LOST : CAUSE_REFUSED, "port", -r, "open", why);
	}
}

static void on_alive(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, alive);

	ev_alarm_start(&m->alive, m->o.alive_s * 1000);
	/* A line that has just been in use needs no question. */
	if (ev_now_ms() - m->chat.heard_ms >= m->o.alive_s * 1000u / 2)
		modem_refresh(m);
}

static void on_look(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, look);

	/* What is new is asked for after the call. */
	if (modem_refresh(m) < 0 && at_chat_lent(&m->chat))
		ev_alarm_start(a, LENT_LOOK_MS);
}

/*
 * The channel that is open on the card, in a file that outlives us: after a crash it is still open
 * in the module, which has only three. Lost with the run directory, as it is with the module's power
 * in most gateways; what is left then is found by trying (atcmd/card_open.c).
 */
static void on_remember(struct card_at *c, const char *handle)
{
	struct modem *m = container_of(c, struct modem, card);
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s/card-channel", m->o.run_dir);
	r = handle[0] ? file_save(path, handle, strlen(handle), 0600) : file_remove(path);
	if (r < 0)
		log_warning("modem", "%s: %s, ignoring", path, strerror(-r));
}

static void open_card(struct modem *m)
{
	char path[300], left[CARD_AT_HANDLE_MAX - 1];
	size_t n;

	m->card.chat = &m->chat;
	card_at_init(&m->card);
	if (!m->o.run_dir)
		return;
	m->card.remember = on_remember;
	snprintf(path, sizeof(path), "%s/card-channel", m->o.run_dir);
	if (file_load(path, left, sizeof(left), &n) < 0)
		return;
	text_copy(text_from(left, n), m->card.left, sizeof(m->card.left));
	/* Until it is closed, or known to be gone, it is ours. */
	memcpy(m->card.noted, m->card.left, sizeof(m->card.noted));
}

int modem_open(struct modem *m, bool wait, char why[SERIAL_WHY_MAX])
{
	int r;

	m->family = at_family_generic();
	m->timer.fired = on_timer;
	m->alive.fired = on_alive;
	m->look.fired = on_look;
	m->tell.run = on_tell;
	m->hotplug.stirred = on_stirred;
	m->st.since_ms = ev_now_ms();
	text_copy(text_of(m->o.device), m->st.device, sizeof(m->st.device));
	forget_everything(m);
	open_card(m);
	modem_listen(m);
	r = modem_power_open(m, wait, why);
	if (r < 0)
		return r;
	r = modem_attach(m, why);
	if (r == 0) {
		modem_event(m, MODEM_EV_OPENED);
		modem_power_look(m);
		return 0;
	}
	m->missing = r == -ENOENT;
	if (!wait && !(m->missing && power_can(&m->power, POWER_ON))) {
		modem_power_close(m);
		return r;
	}
	log_warning("modem", "%s; waiting for it", why);
	modem_problem(m, r == -ENOENT ? CAUSE_LINK_LOST : CAUSE_REFUSED, "port", -r, "open", why);
	hotplug_start(&m->hotplug, m->o.device);
	modem_power_absent(m);
	modem_power_look(m);
	return 0;
}

void modem_close(struct modem *m)
{
	hotplug_stop(&m->hotplug);
	modem_follow_stop(m);
	card_at_drop(&m->card);
	modem_power_close(m);
	modem_detach(m);
	modem_unlisten(m);
	ev_alarm_stop(&m->timer);
	ev_alarm_stop(&m->alive);
	ev_alarm_stop(&m->look);
	ev_alarm_stop(&m->mux.again);
	ev_task_stop(&m->tell);
}

/* --- what others want of it ----------------------------------------------------------------------------- */

int modem_send(struct modem *m, struct at_cmd *cmd)
{
	if (m->st.state != MODEM_READY && m->st.state != MODEM_SIM)
		return -EAGAIN;
	at_submit(&m->chat, cmd);
	return 0;
}

void modem_look_again(struct modem *m)
{
	if (m->st.state == MODEM_READY)
		modem_event(m, MODEM_EV_CARD);
}

int modem_reset(struct modem *m)
{
	if (!moves[m->st.state][MODEM_EV_RESET].act || !m->pipe)
		return -EAGAIN;
	modem_event(m, MODEM_EV_RESET);
	return 0;
}

int modem_power_cycle(struct modem *m)
{
	return modem_power(m, POWER_CYCLE);
}

int modem_refresh(struct modem *m)
{
	/* A data call may last for days. */
	if (m->st.state != MODEM_READY || at_chat_lent(&m->chat))
		return -EAGAIN;
	modem_run_refresh(m);
	return 0;
}
