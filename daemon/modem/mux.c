/*
 * Raising the speed and starting the mux, as the last part of the start: the family is known then,
 * and nothing else is under way. A step that fails goes back to what worked before; the bare line
 * and its speed are what the recovery knows how to handle.
 *
 * The command is tried in the family's form first, then in ever simpler ones. Some modules give no
 * OK to it: silence is answered by trying to open channel 0.
 */
#include "modem/mux.h"

#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "modem/modem.h"

#define ASK_MS 3000
/* A module that has not said OK by then has perhaps begun without a word. */
#define CMUX_OK_MS 1500
#define SPEED_SETTLE_MS 200
#define PAUSE_MS 500
#define FAILURES_MAX 3
#define STABLE_MS 60000
/* A module that was given up is tried once more after this long. */
#define FORGIVE_MS 600000
/* One that has not been given up yet, and how long its card must be left alone before. */
#define AGAIN_MS 10000
#define QUIET_MS 5000
#define QUIET_LOOK_MS 500

static struct modem *modem_of(struct proc *p)
{
	return container_of(p, struct modem, recipe);
}

static struct modem *of_cmux(struct cmux *c)
{
	return container_of(c, struct modem, mux.cmux);
}

/* --- asking ------------------------------------------------------------------------------------- */

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, mux.cmd);
	struct cause why = { .kind = CAUSE_REFUSED, .from = "module", .code = code };

	(void)final;
	if (end == AT_TIMEOUT)
		why.kind = CAUSE_TIMEOUT;
	else if (end == AT_LINK_LOST)
		why.kind = CAUSE_LINK_LOST;
	proc_answer(&m->recipe, end == AT_OK ? NULL : &why);
}

static int ask(struct modem *m, const char *text, unsigned patience_ms)
{
	if (text != m->mux.text && text_copy(text_of(text), m->mux.text, sizeof(m->mux.text)) < 0)
		return -EMSGSIZE;
	m->mux.cmd = (struct at_cmd){ .text = m->mux.text, .every = true, .done = on_done,
				      .patience_ms = patience_ms };
	at_submit(&m->chat, &m->mux.cmd);
	return 0;
}

static enum step_verdict waited(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

/* --- speed ---------------------------------------------------------------------------------------- */

static bool speed_wanted(const struct modem *m)
{
	return m->o.max_baud > m->st.baud && !m->mux.speed_refused;
}

static int ask_speed(struct proc *p)
{
	struct modem *m = modem_of(p);

	m->mux.raised = false;
	if (!speed_wanted(m))
		return STEP_SKIP;
	snprintf(m->mux.text, sizeof(m->mux.text), "AT+IPR=%u", m->o.max_baud);
	return ask(m, m->mux.text, ASK_MS);
}

static enum step_verdict switch_speed(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (p->answer.kind == CAUSE_LINK_LOST)
		return STEP_FAIL;
	m->mux.old_baud = m->st.baud;
	if (p->answer.kind != CAUSE_NONE || modem_port_set_baud(m, m->o.max_baud) < 0) {
		log_info("modem", "%u baud are refused", m->o.max_baud);
		m->mux.speed_refused = true;
	} else {
		m->mux.raised = true;
	}
	return STEP_NEXT;
}

static int settle_speed(struct proc *p)
{
	return modem_of(p)->mux.raised ? 0 : STEP_SKIP;
}

static int check_speed(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->mux.raised ? ask(m, "AT+CMEE=1", 500) : STEP_SKIP;
}

/* Answered at the new speed: proven. Else back to the old one, where the chat gets into step again. */
static enum step_verdict judge_speed(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (p->answer.kind == CAUSE_LINK_LOST)
		return STEP_FAIL;
	if (p->answer.kind != CAUSE_TIMEOUT) {
		log_info("modem", "the line runs at %u baud now", m->o.max_baud);
		m->st.baud = m->o.max_baud;
		modem_mark(m, MODEM_CHANGED_MUX);
		return STEP_NEXT;
	}
	log_warning("modem", "no answer at %u baud; back to %u", m->o.max_baud, m->mux.old_baud);
	m->mux.raised = false;
	m->mux.speed_refused = true;
	modem_port_set_baud(m, m->mux.old_baud);
	at_chat_sync(&m->chat);
	return STEP_NEXT;
}

/* --- the command ------------------------------------------------------------------------------------ */

static bool mux_configured(const struct modem *m)
{
	return m->o.cmux == MODEM_CMUX_YES || (m->o.cmux == MODEM_CMUX_AUTO && m->family->cmux);
}

static bool mux_wanted(const struct modem *m)
{
	if (m->mux.failures >= FAILURES_MAX && ev_now_ms() - m->mux.gave_up_ms < FORGIVE_MS)
		return false;
	return mux_configured(m);
}

/* A module that cannot do it well is spared it, until it comes anew. */
static void note_failure(struct modem *m)
{
	if (++m->mux.failures < FAILURES_MAX)
		return;
	log_warning("modem", "its mux does not last; leaving it alone for a while");
	m->mux.failures = FAILURES_MAX;
	m->mux.gave_up_ms = ev_now_ms();
}

bool modem_mux_wanted(const struct modem *m)
{
	return speed_wanted(m) || mux_wanted(m);
}

static const struct {
	const char *text;
	unsigned n1;
} forms[] = {
	{ "AT+CMUX=0,0,$,127,10,3,30,10,2", 127 }, { "AT+CMUX=0,0,$,127", 127 },
	{ "AT+CMUX=0", 31 },
};

/* 27.010 5.7; 7 and 8 are makers' own. 0: none. */
static unsigned speed_number(unsigned baud)
{
	static const unsigned speeds[] = { 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600 };

	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++)
		if (speeds[i] == baud)
			return i + 1;
	return 0;
}

/* False: this form needs a number for the speed, and there is none. */
static bool make_command(const struct modem *m, const char *form, char *dst, size_t cap)
{
	struct text rest = text_of(form), head = text_cut(&rest, '$');
	unsigned speed = speed_number(m->st.baud);

	if (!strchr(form, '$'))
		return text_copy(text_of(form), dst, cap) == 0;
	snprintf(dst, cap, TEXT_FMT "%u" TEXT_FMT, TEXT_ARG(head), speed, TEXT_ARG(rest));
	return speed > 0;
}

static int ask_mux(struct proc *p)
{
	struct modem *m = modem_of(p);
	bool first = p->piece == 0 && m->family->cmux;
	unsigned form = p->piece - (m->family->cmux ? 1 : 0);

	if (!mux_wanted(m))
		return STEP_SKIP;
	if (!first && form >= ARRAY_SIZE(forms))
		return STEP_SKIP;
	m->mux.n1 = first ? m->family->cmux_n1 : forms[form].n1;
	if (!make_command(m, first ? m->family->cmux : forms[form].text, m->mux.text,
			  sizeof(m->mux.text)))
		snprintf(m->mux.text, sizeof(m->mux.text), "AT+CMUX=0");
	return ask(m, m->mux.text, CMUX_OK_MS);
}

static enum step_verdict judge_mux(struct proc *p)
{
	switch (p->answer.kind) {
	case CAUSE_LINK_LOST:
	case CAUSE_CANCELLED:
		return STEP_FAIL;
	case CAUSE_REFUSED:
	case CAUSE_MALFORMED:
		return STEP_AGAIN;
	case CAUSE_NONE:
	case CAUSE_TIMEOUT:
	case _CAUSE_KIND_MAX:
		break;
	}
	modem_of(p)->mux.on = true;
	return STEP_NEXT;
}

/* --- opening ------------------------------------------------------------------------------------------ */

static void on_pause(struct ev_alarm *a)
{
	proc_answer(&container_of(a, struct modem, mux.pause)->recipe, NULL);
}

static void on_pause_received(struct pipe_user *u, struct text data)
{
	(void)u, (void)data;
}

static void on_pause_drained(struct pipe_user *u)
{
	(void)u;
}

/* Neither the chat nor the mux would hear of it. */
static void on_pause_hung_up(struct pipe_user *u, int error)
{
	struct modem *m = container_of(u, struct modem, mux.nobody);

	(void)error;
	modem_mux_drop(m);
	modem_event(m, MODEM_EV_GONE);
}

static int pause_before(struct proc *p)
{
	struct modem *m = modem_of(p);
	unsigned ms = m->family->cmux_pause_ms;

	if (!m->mux.on) {
		if (mux_wanted(m)) {
			log_info("modem", "refuses CMUX; going on without");
			/* One that has done it before may do it again, but not for ever. */
			if (m->mux.proven)
				note_failure(m);
		}
		return STEP_SKIP;
	}
	at_chat_close(&m->chat);
	m->mux.nobody = (struct pipe_user){ on_pause_received, on_pause_drained, on_pause_hung_up };
	m->pipe->user = &m->mux.nobody;
	m->mux.since_ms = ev_now_ms();
	m->mux.pause.fired = on_pause;
	ev_alarm_start(&m->mux.pause, ms ? ms : PAUSE_MS);
	return 0;
}

/* Nothing stands on the mux any more; the chats are closed. */
static void close_chats(struct modem *m)
{
	if (m->channel)
		for (unsigned i = 0; i < MODEM_MUX_PORTS; i++)
			m->channel(m, i, NULL);
	at_chat_close(&m->mux.card_chat);
	if (m->card.chat == &m->mux.card_chat) {
		m->card.chat = &m->chat;
		card_at_lost(&m->card);
	}
	at_chat_close(&m->chat);
	m->chat.on_channel = false;
}

/* And the mux is gone; the line is nobody's. */
static void close_channels(struct modem *m)
{
	bool lasted = ev_now_ms() - m->mux.since_ms > STABLE_MS;

	m->mux.on = false;
	modem_mark(m, MODEM_CHANGED_MUX);
	if (lasted || m->mux.leaving)
		m->mux.failures = 0;
	else if (!m->mux.restarted)
		note_failure(m);
	m->mux.restarted = false;
	close_chats(m);
	cmux_close(&m->mux.cmux);
	m->mux.past = modem_mux_count(m);
	m->mux.cmux.stats = (struct cmux_stats){ 0 };
	m->mux.cmux.reader.torn = 0;
}

struct modem_mux_counters modem_mux_count(const struct modem *m)
{
	const struct cmux_stats *s = &m->mux.cmux.stats;
	struct modem_mux_counters c = m->mux.past;

	c.sent += s->sent;
	c.received += s->received;
	c.torn += m->mux.cmux.reader.torn;
	c.retries += s->retries;
	c.checks += s->checks;
	c.unknown += s->unknown;
	c.dropped += s->dropped;
	return c;
}

unsigned modem_mux_channels(const struct modem *m)
{
	unsigned n = 0;

	if (!m->mux.on)
		return 0;
	n = cmux_dlc_is_open(&m->mux.control) + cmux_dlc_is_open(&m->mux.card);
	for (unsigned i = 0; i < MODEM_MUX_PORTS; i++)
		n += cmux_dlc_is_open(&m->mux.ports[i]);
	return n;
}

unsigned modem_mux_channel_of(const struct modem *m, unsigned port)
{
	return m->mux.on && port < MODEM_MUX_PORTS && cmux_dlc_is_open(&m->mux.ports[port]) ?
		       m->mux.ports[port].dlci : 0;
}

/* The line is a bare one again; that the module thinks so too is made sure of by a sync. */
static void bare_line(struct modem *m)
{
	modem_mux_drop(m);
	at_chat_sync(&m->chat);
}

static void on_started(struct cmux *c)
{
	proc_answer(&of_cmux(c)->recipe, NULL);
}

static void on_ended(struct cmux *c, enum cmux_end why)
{
	struct modem *m = of_cmux(c);
	bool asked = proc_running(&m->recipe) && m->recipe.steps == modem_mux_steps &&
		     !at_cmd_active(&m->mux.cmd);

	if (m->mux.leaving) {
		m->mux.leaving = false;
		close_channels(m);
		return;
	}
	if (why == CMUX_END_HUNG_UP) {
		modem_mux_drop(m);
		modem_event(m, MODEM_EV_GONE);
	} else if (asked) {
		struct cause refused = { .kind = CAUSE_REFUSED, .from = "module", .code = -1 };

		proc_answer(&m->recipe, &refused);
	} else {
		log_warning("modem", "left its mux: %s", cmux_end_name(why));
		m->mux.past.losses++;
		m->mux.restarted = why == CMUX_END_RESTARTED;
		modem_mux_drop(m);
		modem_event(m, MODEM_EV_BOOTED);
	}
}

static int open_mux(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct cmux *c = &m->mux.cmux;

	if (!m->mux.on)
		return STEP_SKIP;
	*c = (struct cmux){ .name = "mux", .started = on_started, .ended = on_ended };
	m->mux.past.starts++;
	c->o.n1 = m->mux.n1;
	/* A pty and USB have no speed of their own: only a real UART is paced. */
	c->o.baud = m->st.baud;
	m->mux.next = 1;
	m->mux.port = 0;
	cmux_open(c, m->pipe);
	return 0;
}

static enum step_verdict judge_open(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (p->answer.kind == CAUSE_NONE)
		return STEP_NEXT;
	log_info("modem", "says OK to CMUX and does not do it; going on without");
	bare_line(m);
	return STEP_FINISH;
}

/* --- channels ---------------------------------------------------------------------------------------------- */

static struct cmux_dlc *channel_of(struct modem *m, unsigned dlci)
{
	return dlci == 1 ? &m->mux.control : dlci == 2 ? &m->mux.card : &m->mux.ports[m->mux.port];
}

static void on_channel(struct cmux_dlc *d)
{
	proc_answer(&of_cmux(d->mux)->recipe, NULL);
}

static void on_signals(struct cmux_dlc *d, unsigned bits)
{
	struct modem *m = of_cmux(d->mux);

	if (m->signals)
		m->signals(m, (unsigned)(d - m->mux.ports), bits);
}

static void on_no_channel(struct cmux_dlc *d, bool silent)
{
	struct cause refused = { .kind = CAUSE_REFUSED, .from = "module", .code = -1 };

	(void)silent;
	proc_answer(&of_cmux(d->mux)->recipe, &refused);
}

static int open_channel(struct proc *p)
{
	struct modem *m = modem_of(p);
	unsigned most = m->family->cmux_channels ? m->family->cmux_channels : CMUX_DLCI_MAX;
	struct cmux_dlc *d;

	if (!m->mux.on || m->mux.next > most)
		return STEP_SKIP;
	if (m->mux.next > 2 && m->mux.port >= MIN(m->o.ports, MODEM_MUX_PORTS))
		return STEP_SKIP;
	d = channel_of(m, m->mux.next);
	d->opened = on_channel;
	d->refused = on_no_channel;
	d->signals = m->mux.next > 2 ? on_signals : NULL;
	cmux_dlc_open(&m->mux.cmux, d, m->mux.next);
	return 0;
}

static void on_card_lost(struct at_chat *c, int error)
{
	struct modem *m = container_of(c, struct modem, mux.card_chat);

	(void)error;
	if (m->card.chat == c) {
		m->card.chat = &m->chat;
		card_at_lost(&m->card);
	}
}

static void on_card_silent(struct at_chat *c)
{
	log_info("modem", "the card's channel does not answer; APDUs go with everything else");
	on_card_lost(c, 0);
}

static void on_card_set_up(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, mux.card_setup);

	(void)code, (void)final;
	/* Only while nothing is open there: an exchange stays on the way that it began on. */
	if (end == AT_OK && !card_at_is_open(&m->card) && !card_at_is_closing(&m->card))
		m->card.chat = &m->mux.card_chat;
}

static void on_card_synced(struct at_chat *c)
{
	struct modem *m = container_of(c, struct modem, mux.card_chat);

	if (m->card.chat == c || at_cmd_active(&m->mux.card_setup))
		return;
	m->mux.card_setup = (struct at_cmd){ .text = "AT+CMEE=1", .patience_ms = ASK_MS,
					     .done = on_card_set_up };
	at_submit(c, &m->mux.card_setup);
}

static void on_card_late(struct at_chat *c)
{
	modem_mux_doubt(container_of(c, struct modem, mux.card_chat));
}

static void use_card_channel(struct modem *m)
{
	struct at_chat *c = &m->mux.card_chat;

	c->name = "card";
	c->on_channel = true;
	c->lost = on_card_lost;
	c->silent = on_card_silent;
	c->late = on_card_late;
	c->synced = on_card_synced;
	at_chat_open(c, &m->mux.card.pipe);
	at_chat_sync(c);
}

static enum step_verdict judge_channel(struct proc *p)
{
	struct modem *m = modem_of(p);
	unsigned dlci = m->mux.next++;
	bool open = p->answer.kind == CAUSE_NONE;

	if ((dlci == 1 && !open) || !cmux_is_open(&m->mux.cmux)) {
		log_info("modem", "has no channels in its mux; going on without");
		bare_line(m);
		return STEP_FINISH;
	}
	if (dlci == 1) {
		m->chat.on_channel = true;
		at_chat_open(&m->chat, &m->mux.control.pipe);
		at_chat_sync(&m->chat);
	} else if (dlci == 2 && open) {
		use_card_channel(m);
	} else if (open) {
		if (m->channel)
			m->channel(m, m->mux.port, &m->mux.ports[m->mux.port]);
		m->mux.port++;
	} else if (dlci > 2) {
		/* Fewer than hoped: the rest goes with the daemon's own commands. */
		return STEP_NEXT;
	}
	return STEP_AGAIN;
}

/* Each channel has settings of its own, and begins with defaults. */
static int set_up_channel(struct proc *p)
{
	return modem_of(p)->mux.on ? ask(modem_of(p), "AT+CMEE=1", ASK_MS) : STEP_SKIP;
}

static enum step_verdict judge_set_up(struct proc *p)
{
	struct modem *m = modem_of(p);

	modem_mark(m, MODEM_CHANGED_MUX);
	if (p->answer.kind == CAUSE_LINK_LOST)
		return STEP_FAIL;
	if (m->mux.on) {
		m->mux.proven = true;
		log_info("modem", "muxed: %u channels", modem_mux_channels(m));
	}
	return STEP_NEXT;
}

const struct step modem_mux_steps[] = {
	{ "speed",        ask_speed,      switch_speed,  0 },
	{ "speed-settle", settle_speed,   waited,        SPEED_SETTLE_MS },
	{ "speed-check",  check_speed,    judge_speed,   0 },
	{ "mux",          ask_mux,        judge_mux,     0 },
	{ "mux-pause",    pause_before,   waited,        0 },
	{ "mux-open",     open_mux,       judge_open,    0 },
	{ "mux-channel",  open_channel,   judge_channel, 0 },
	{ "mux-set-up",   set_up_channel, judge_set_up,  0 },
	{ 0 }
};

/* --- again ---------------------------------------------------------------------------------------------------- */

static void on_again(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, mux.again);

	/* What has begun ends first; a procedure on the card may pause for an answer of its server. */
	if (at_chat_busy(&m->chat) || proc_running(&m->recipe) ||
	    ev_now_ms() - m->card.used_ms < QUIET_MS) {
		ev_alarm_start(a, QUIET_LOOK_MS);
		return;
	}
	log_info("modem", "without its mux, which is tried again");
	modem_event(m, MODEM_EV_MUX);
}

/* What has struck while it began need not have been its own fault; but one that never works has its peace. */
void modem_mux_ready(struct modem *m)
{
	if (m->mux.on || !mux_configured(m) || (!m->mux.proven && m->mux.failures != 1))
		return;
	m->mux.again.fired = on_again;
	ev_alarm_start(&m->mux.again, m->mux.failures < FAILURES_MAX ? AGAIN_MS : FORGIVE_MS);
}

/* --- leaving ------------------------------------------------------------------------------------------------- */

void modem_mux_drop(struct modem *m)
{
	if (!m->mux.on)
		return;
	close_channels(m);
	if (!m->pipe)
		return;
	pipe_write(m->pipe, CMUX_LEAVE "\r", sizeof(CMUX_LEAVE));
	at_chat_open(&m->chat, m->pipe);
	m->chat.fresh = false;
}

void modem_mux_detach(struct modem *m)
{
	if (!m->mux.on)
		return;
	close_channels(m);
	if (m->pipe)
		pipe_write(m->pipe, CMUX_LEAVE, sizeof(CMUX_LEAVE) - 1);
}

bool modem_mux_lost(struct modem *m)
{
	if (!m->mux.on)
		return false;
	log_warning("modem", "has closed its channel for commands");
	m->mux.past.losses++;
	modem_mux_drop(m);
	return true;
}

void modem_mux_doubt(struct modem *m)
{
	if (m->mux.on && cmux_is_open(&m->mux.cmux))
		cmux_check(&m->mux.cmux);
}

void modem_mux_abandon(struct modem *m)
{
	ev_alarm_stop(&m->mux.pause);
	at_cancel(&m->chat, &m->mux.cmd);
}

void modem_leave(struct modem *m)
{
	if (!m->mux.on || !cmux_is_open(&m->mux.cmux))
		return;
	modem_stop_recipe(m);
	close_chats(m);
	m->mux.leaving = true;
	cmux_stop(&m->mux.cmux);
}

bool modem_is_leaving(const struct modem *m)
{
	return m->mux.leaving;
}
