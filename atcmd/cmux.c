/*
 * The mux itself: its life, its channels, who may send next. What runs inside channel 0 is in
 * cmux_control.c, what is done in doubt in cmux_doubt.c.
 *
 * Modules deviate. Accepted from them: UIH with C/R 1 or with P/F, a channel that they open by
 * themselves, signals that are never answered, a channel 0 that is refused while others work. Sent
 * is only what the standard says, because some drop everything else.
 */
#include "atcmd/cmux.h"

#include <assert.h>
#include <errno.h>

#include "core/log.h"

#define T1_MS 400
#define T2_MS 600
#define N2 5
#define N1_DEFAULT 31
/*
 * What lies between us and the line when the next frame goes there, in time: a short frame of another
 * channel can wait for no more than this and one long frame. It is what the loop may be late by before
 * the line has nothing to do.
 */
#define AHEAD_US 3000
#define WAKE_MS 100
#define WAKES_MAX 20

static const char *const end_names[_CMUX_END_MAX] = {
	[CMUX_END_CLOSED] = "closed", [CMUX_END_UNANSWERED] = "unanswered",
	[CMUX_END_AT_MODE] = "the module is in AT mode", [CMUX_END_RESTARTED] = "the module has restarted",
	[CMUX_END_BY_MODULE] = "closed by the module", [CMUX_END_SILENT] = "silent",
	[CMUX_END_HUNG_UP] = "hung up",
};

static const char *const state_names[_CMUX_STATE_MAX] = {
	[CMUX_CLOSED] = "closed", [CMUX_EXPECT_START] = "starting", [CMUX_OPEN] = "open",
	[CMUX_EXPECT_DISC] = "closing channels", [CMUX_EXPECT_CLD] = "closing down",
	[CMUX_EXPECT_DISC0] = "closing channel 0",
};

static const struct text nothing;

const char *cmux_end_name(enum cmux_end end)
{
	return end_names[end];
}

/* --- sending ------------------------------------------------------------------------------------ */

static bool is_response(enum cmux_type type)
{
	return type == CMUX_UA || type == CMUX_DM;
}

void cmux_send(struct cmux *m, unsigned dlci, enum cmux_type type, struct text info)
{
	uint8_t raw[CMUX_FRAME_MAX + 4] = { 0xf9, 0xf9, 0xf9, 0xf9 };
	/* The initiator's C/R: 1 in what it begins, 0 in responses. P/F with all but data. */
	struct cmux_frame f = { .dlci = dlci, .type = type, .cr = !is_response(type),
				.pf = type != CMUX_UIH, .info = info };
	size_t lead = m->asleep ? 4 : 0, n;

	if (cmux_encode(&f, raw + lead, sizeof(raw) - lead, &n) < 0)
		return;
	n += lead;
	m->stats.sent++;
	log_wire(m->name, '>', raw, n);
	if (pipe_write(m->line, raw, n) < 0) {
		/* Commands are repeated by their timers, answers are asked for again by the peer. */
		m->stats.dropped++;
		log_debug(m->name, "%s %u: the line is full", cmux_type_name(type), dlci);
		return;
	}
	if (m->o.baud) {
		uint64_t now = ev_now_us();

		m->line_busy_us = MAX(m->line_busy_us, now) + n * 10 * 1000000 / m->o.baud;
	}
}

/* False: the line has enough; the pump runs again when it has not. */
static bool line_takes_more(struct cmux *m)
{
	uint64_t now = ev_now_us();

	if (pipe_backlog(m->line))
		return false;
	if (m->line_busy_us <= now + AHEAD_US)
		return true;
	ev_alarm_start_us(&m->pace, (unsigned)(m->line_busy_us - now - AHEAD_US));
	return false;
}

/* Who has not sent for longest: a command does not wait behind a call that always has more. */
static struct cmux_dlc *next_sender(struct cmux *m)
{
	struct cmux_dlc *d, *best = NULL;

	list_for_each (d, &m->dlcs, node) {
		if (d->state != CMUX_DLC_OPEN || !d->out.len || d->peer_bits & CMUX_FC)
			continue;
		if (!best || d->turn < best->turn)
			best = d;
	}
	return best;
}

static void wake(struct cmux *m)
{
	if (m->wakes++ == WAKES_MAX) {
		m->asleep = false;
		ev_task_start(&m->pump);
		return;
	}
	pipe_write(m->line, "\xf9\xf9\xf9\xf9", 4);
	ev_alarm_start(&m->pace, WAKE_MS);
}

static void on_pump(struct ev_task *t)
{
	struct cmux *m = container_of(t, struct cmux, pump);
	struct cmux_dlc *d;

	while (m->state == CMUX_OPEN && !m->all_stopped && (d = next_sender(m))) {
		size_t n = MIN(d->out.len, m->o.n1);

		if (m->asleep) {
			wake(m);
			return;
		}
		if (!line_takes_more(m))
			return;
		cmux_send(m, d->dlci, CMUX_UIH, text_from(buf_data(&d->out), n));
		buf_drop(&d->out, n);
		d->turn = ++m->turn;
		if (!d->out.len && d->pipe.user && d->pipe.user->drained)
			d->pipe.user->drained(d->pipe.user);
	}
}

static void on_pace(struct ev_alarm *a)
{
	ev_task_start(&container_of(a, struct cmux, pace)->pump);
}

/* --- a channel as a pipe ---------------------------------------------------------------------------- */

static int dlc_write(struct pipe *p, const void *data, size_t n)
{
	struct cmux_dlc *d = container_of(p, struct cmux_dlc, pipe);
	int r;

	if (d->state != CMUX_DLC_OPEN)
		return -EPIPE;
	r = buf_put(&d->out, data, n);
	if (r < 0)
		return r;
	ev_task_start(&d->mux->pump);
	return 0;
}

static size_t dlc_backlog(const struct pipe *p)
{
	return container_of(p, const struct cmux_dlc, pipe)->out.len;
}

static void dlc_hold(struct pipe *p, bool on)
{
	cmux_dlc_hold(container_of(p, struct cmux_dlc, pipe), on);
}

static const struct pipe_ops dlc_ops = { .write = dlc_write, .backlog = dlc_backlog, .hold = dlc_hold };

/* --- opening channels ---------------------------------------------------------------------------------- */

struct cmux_dlc *cmux_find(struct cmux *m, unsigned dlci)
{
	struct cmux_dlc *d;

	list_for_each (d, &m->dlcs, node)
		if (d->dlci == dlci)
			return d;
	return NULL;
}

static void send_sabm(struct cmux_dlc *d)
{
	d->state = CMUX_DLC_EXPECT_UA;
	cmux_send(d->mux, d->dlci, CMUX_SABM, nothing);
	ev_alarm_start(&d->timer, d->mux->o.t1_ms);
}

static void open_next(struct cmux *m)
{
	struct cmux_dlc *d;

	if (m->state != CMUX_OPEN)
		return;
	list_for_each (d, &m->dlcs, node)
		if (d->state == CMUX_DLC_EXPECT_PN || d->state == CMUX_DLC_EXPECT_UA ||
		    d->state == CMUX_DLC_EXPECT_MSC)
			return;
	list_for_each (d, &m->dlcs, node) {
		if (d->state != CMUX_DLC_QUEUED)
			continue;
		d->tries = 1;
		if (m->o.negotiate && !m->no_control) {
			d->state = CMUX_DLC_EXPECT_PN;
			cmux_send_pn(d);
			ev_alarm_start(&d->timer, m->o.t2_ms);
		} else {
			send_sabm(d);
		}
		return;
	}
}

static void forget(struct cmux_dlc *d)
{
	d->state = CMUX_DLC_CLOSED;
	list_del(&d->node);
	ev_alarm_stop(&d->timer);
	buf_clear(&d->out);
	buf_clear(&d->early);
}

static void refuse(struct cmux_dlc *d, bool silent)
{
	struct cmux *m = d->mux;

	log_info(m->name, "channel %u: %s", d->dlci, silent ? "no answer" : "refused");
	forget(d);
	open_next(m);
	d->refused(d, silent);
}

/* UA has come: modem signals are exchanged before anything else happens. */
static void accepted(struct cmux_dlc *d)
{
	d->state = CMUX_DLC_EXPECT_MSC;
	d->tries = 1;
	if (d->mux->no_control) {
		cmux_dlc_settled(d);
		return;
	}
	cmux_send_msc(d);
	ev_alarm_start(&d->timer, d->mux->o.t2_ms);
}

/* The signals are exchanged, or it has been waited long enough for them. */
void cmux_dlc_settled(struct cmux_dlc *d)
{
	struct cmux *m = d->mux;

	if (d->state != CMUX_DLC_EXPECT_MSC)
		return;
	d->state = CMUX_DLC_OPEN;
	if (!d->msc_due)
		ev_alarm_stop(&d->timer);
	log_debug(m->name, "channel %u is open", d->dlci);
	open_next(m);
	d->opened(d);
	if (d->state == CMUX_DLC_OPEN && d->early.len && d->pipe.user) {
		uint8_t early[CMUX_EARLY_MAX];
		size_t n = d->early.len;

		memcpy(early, buf_data(&d->early), n);
		buf_clear(&d->early);
		d->pipe.user->received(d->pipe.user, text_from(early, n));
	}
}

void cmux_negotiated(struct cmux_dlc *d)
{
	if (d->state != CMUX_DLC_EXPECT_PN)
		return;
	d->tries = 1;
	send_sabm(d);
}

static void on_dlc_timer(struct ev_alarm *a)
{
	struct cmux_dlc *d = container_of(a, struct cmux_dlc, timer);
	struct cmux *m = d->mux;

	m->stats.retries++;
	switch (d->state) {
	case CMUX_DLC_EXPECT_PN:
		/* Most ignore it: what AT+CMUX said holds. */
		cmux_negotiated(d);
		break;
	case CMUX_DLC_EXPECT_UA:
		if (d->tries++ == m->o.n2)
			refuse(d, true);
		else
			send_sabm(d);
		break;
	case CMUX_DLC_EXPECT_MSC:
	case CMUX_DLC_OPEN:
		if (d->msc_due && d->tries++ < m->o.n2) {
			cmux_send_msc(d);
			ev_alarm_start(&d->timer, m->o.t2_ms);
		}
		cmux_dlc_settled(d);
		break;
	case CMUX_DLC_EXPECT_DISC:
		if (d->tries++ < 2) {
			cmux_send(m, d->dlci, CMUX_DISC, nothing);
			ev_alarm_start(&d->timer, m->o.t1_ms);
		} else {
			cmux_closed_down(m);
		}
		break;
	case CMUX_DLC_QUEUED:
	case CMUX_DLC_CLOSED:
	case _CMUX_DLC_STATE_MAX:
		break;
	}
}

void cmux_dlc_open(struct cmux *m, struct cmux_dlc *d, unsigned dlci)
{
	assert(d->state == CMUX_DLC_CLOSED && dlci > 0 && dlci <= CMUX_DLCI_MAX && m->line);
	d->mux = m;
	d->dlci = dlci;
	d->state = CMUX_DLC_QUEUED;
	d->pipe = (struct pipe){ .ops = &dlc_ops };
	d->out = BUF_ON(d->out_store);
	d->early = BUF_ON(d->early_store);
	d->timer.fired = on_dlc_timer;
	d->peer_bits = 0;
	d->held = d->no_dtr = d->msc_due = d->msc_heard = d->data_cr0 = false;
	list_add(&m->dlcs, &d->node);
	open_next(m);
}

void cmux_dlc_close(struct cmux_dlc *d)
{
	struct cmux *m = d->mux;
	bool said = d->state != CMUX_DLC_CLOSED && d->state != CMUX_DLC_QUEUED;

	if (d->state == CMUX_DLC_CLOSED)
		return;
	forget(d);
	d->pipe.user = NULL;
	if (said && m->line)
		cmux_send(m, d->dlci, CMUX_DISC, nothing);
	open_next(m);
}

bool cmux_dlc_is_open(const struct cmux_dlc *d)
{
	return d->state == CMUX_DLC_OPEN;
}

static void tell_signals(struct cmux_dlc *d)
{
	d->tries = 1;
	if (d->mux->no_control)
		return;
	cmux_send_msc(d);
	ev_alarm_start(&d->timer, d->mux->o.t2_ms);
}

void cmux_dlc_hold(struct cmux_dlc *d, bool on)
{
	if (d->held == on || d->state != CMUX_DLC_OPEN)
		return;
	d->held = on;
	tell_signals(d);
}

void cmux_dlc_dtr(struct cmux_dlc *d, bool on)
{
	if (d->no_dtr == !on || d->state != CMUX_DLC_OPEN)
		return;
	d->no_dtr = !on;
	tell_signals(d);
}

/* --- the end --------------------------------------------------------------------------------------------- */

static void quiet(struct cmux *m)
{
	ev_alarm_stop(&m->timer);
	ev_alarm_stop(&m->gap);
	ev_alarm_stop(&m->pace);
	ev_alarm_stop(&m->check);
	ev_task_stop(&m->pump);
	cmux_reader_reset(&m->reader);
	m->state = CMUX_CLOSED;
	m->checking = m->must_answer = m->gap_doubted = false;
	if (m->held)
		pipe_hold(m->line, false);
	m->held = false;
	if (m->line)
		m->line->user = NULL;
	m->line = NULL;
}

void cmux_finish(struct cmux *m, enum cmux_end why)
{
	struct cmux_dlc *d;

	if (m->state == CMUX_CLOSED)
		return;
	log_info(m->name, "ended: %s", end_names[why]);
	quiet(m);
	while ((d = list_first(&m->dlcs, struct cmux_dlc, node))) {
		struct pipe_user *u = d->pipe.user;

		forget(d);
		d->pipe.user = NULL;
		if (u)
			u->hung_up(u, why == CMUX_END_CLOSED || why == CMUX_END_BY_MODULE ? 0 : EPIPE);
	}
	m->ended(m, why);
}

/* One channel after the other, then all of it. */
void cmux_closed_down(struct cmux *m)
{
	struct cmux_dlc *d = list_first(&m->dlcs, struct cmux_dlc, node);

	if (d && d->state == CMUX_DLC_EXPECT_DISC) {
		struct pipe_user *u = d->pipe.user;

		forget(d);
		d->pipe.user = NULL;
		if (u)
			u->hung_up(u, 0);
		d = list_first(&m->dlcs, struct cmux_dlc, node);
	}
	while (d && (d->state == CMUX_DLC_QUEUED || d->state == CMUX_DLC_EXPECT_PN)) {
		forget(d);
		d = list_first(&m->dlcs, struct cmux_dlc, node);
	}
	if (d) {
		d->state = CMUX_DLC_EXPECT_DISC;
		d->tries = 1;
		cmux_send(m, d->dlci, CMUX_DISC, nothing);
		ev_alarm_start(&d->timer, m->o.t1_ms);
		return;
	}
	m->state = CMUX_EXPECT_CLD;
	m->tries = 1;
	cmux_send_cld(m);
	ev_alarm_start(&m->timer, m->o.t2_ms);
}

void cmux_stop(struct cmux *m)
{
	switch (m->state) {
	case CMUX_EXPECT_START:
		/* What was never opened is left blindly. */
		m->state = CMUX_EXPECT_CLD;
		m->tries = 1;
		cmux_send_cld(m);
		ev_alarm_start(&m->timer, m->o.t2_ms);
		break;
	case CMUX_OPEN:
		m->state = CMUX_EXPECT_DISC;
		ev_alarm_stop(&m->check);
		m->checking = false;
		cmux_closed_down(m);
		break;
	case CMUX_CLOSED:
	case CMUX_EXPECT_DISC:
	case CMUX_EXPECT_CLD:
	case CMUX_EXPECT_DISC0:
	case _CMUX_STATE_MAX:
		break;
	}
}

static void on_timer(struct ev_alarm *a)
{
	struct cmux *m = container_of(a, struct cmux, timer);

	m->stats.retries++;
	switch (m->state) {
	case CMUX_EXPECT_START:
		if (m->tries++ == m->o.n2) {
			cmux_finish(m, m->suspicion == CMUX_END_SILENT ? CMUX_END_UNANSWERED : m->suspicion);
		} else {
			cmux_send(m, 0, CMUX_SABM, nothing);
			ev_alarm_start(&m->timer, m->o.t1_ms);
		}
		break;
	case CMUX_EXPECT_CLD:
		if (m->tries++ < 2) {
			cmux_send_cld(m);
		} else {
			m->state = CMUX_EXPECT_DISC0;
			cmux_send(m, 0, CMUX_DISC, nothing);
		}
		ev_alarm_start(&m->timer, m->o.t2_ms);
		break;
	case CMUX_EXPECT_DISC0:
		cmux_finish(m, CMUX_END_CLOSED);
		break;
	case CMUX_CLOSED:
	case CMUX_OPEN:
	case CMUX_EXPECT_DISC:
	case _CMUX_STATE_MAX:
		break;
	}
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static void start(struct cmux *m)
{
	ev_alarm_stop(&m->timer);
	m->state = CMUX_OPEN;
	m->suspicion = CMUX_END_SILENT;
	open_next(m);
	m->started(m);
}

static void on_ua(struct cmux *m, unsigned dlci, struct cmux_dlc *d)
{
	if (dlci == 0) {
		if (m->state == CMUX_EXPECT_START)
			start(m);
		else if (m->state == CMUX_EXPECT_DISC0)
			cmux_finish(m, CMUX_END_CLOSED);
	} else if (d && d->state == CMUX_DLC_EXPECT_UA) {
		accepted(d);
	} else if (d && d->state == CMUX_DLC_EXPECT_DISC) {
		cmux_closed_down(m);
	}
}

/* The module has closed this channel. */
static void on_closed(struct cmux_dlc *d)
{
	struct cmux *m = d->mux;
	struct pipe_user *u = d->pipe.user;

	log_info(m->name, "channel %u: closed by the module", d->dlci);
	forget(d);
	d->pipe.user = NULL;
	open_next(m);
	if (u)
		u->hung_up(u, 0);
}

static void on_dm(struct cmux *m, unsigned dlci, struct cmux_dlc *d)
{
	if (dlci == 0) {
		if (m->state == CMUX_EXPECT_START) {
			log_info(m->name, "channel 0 is refused, going on without it");
			m->no_control = true;
			start(m);
		} else if (m->state == CMUX_EXPECT_CLD || m->state == CMUX_EXPECT_DISC0) {
			cmux_finish(m, CMUX_END_CLOSED);
		}
	} else if (d && d->state == CMUX_DLC_EXPECT_UA) {
		refuse(d, false);
	} else if (d && d->state == CMUX_DLC_EXPECT_DISC) {
		cmux_closed_down(m);
	} else if (d && (d->state == CMUX_DLC_OPEN || d->state == CMUX_DLC_EXPECT_MSC)) {
		on_closed(d);
	}
}

static void on_sabm(struct cmux *m, const struct cmux_frame *f, struct cmux_dlc *d)
{
	if (f->dlci == 0 && f->cr) {
		log_debug(m->name, "our own SABM comes back");
		cmux_suspect(m, CMUX_END_AT_MODE);
		return;
	}
	/* An echo of ours as well, where no mux runs; else it opens the channel by itself. */
	if (f->cr && m->suspicion == CMUX_END_AT_MODE)
		return;
	cmux_send(m, f->dlci, d || f->dlci == 0 ? CMUX_UA : CMUX_DM, nothing);
	if (d && (d->state == CMUX_DLC_EXPECT_UA || d->state == CMUX_DLC_QUEUED ||
		  d->state == CMUX_DLC_EXPECT_PN))
		accepted(d);
}

static void on_disc(struct cmux *m, const struct cmux_frame *f, struct cmux_dlc *d)
{
	if (f->cr && (f->dlci == 0 || (d && d->state == CMUX_DLC_EXPECT_DISC))) {
		/* The echo of ours. */
		cmux_suspect(m, CMUX_END_AT_MODE);
		return;
	}
	cmux_send(m, f->dlci, d || f->dlci == 0 ? CMUX_UA : CMUX_DM, nothing);
	if (f->dlci == 0)
		cmux_finish(m, m->state == CMUX_OPEN ? CMUX_END_BY_MODULE : CMUX_END_CLOSED);
	else if (d && d->state == CMUX_DLC_EXPECT_DISC)
		cmux_closed_down(m);
	else if (d && (d->state == CMUX_DLC_OPEN || d->state == CMUX_DLC_EXPECT_MSC))
		on_closed(d);
}

/*
 * Which C/R a module's data have it shows by the first: the other one is ours, in the echo of a module that
 * has left its mux and takes it for typing. In a call that would be octets of the call.
 */
static bool is_echo(struct cmux_dlc *d, const struct cmux_frame *f)
{
	d->data_cr0 |= !f->cr;
	return f->cr && d->data_cr0;
}

static void on_data(struct cmux *m, const struct cmux_frame *f, struct cmux_dlc *d)
{
	if (f->dlci == 0) {
		cmux_control(m, f->info);
	} else if (!d) {
		m->stats.unknown++;
		cmux_send(m, f->dlci, CMUX_DM, nothing);
	} else if (is_echo(d, f)) {
		log_debug(m->name, "our own data come back on channel %u", f->dlci);
		cmux_suspect(m, CMUX_END_AT_MODE);
	} else if (d->state == CMUX_DLC_OPEN) {
		if (d->pipe.user)
			d->pipe.user->received(d->pipe.user, f->info);
	} else if (buf_put(&d->early, f->info.s, f->info.n) < 0) {
		m->stats.dropped++;
	}
}

static void on_frame(struct cmux_reader *r, const struct cmux_frame *f)
{
	struct cmux *m = container_of(r, struct cmux, reader);
	struct cmux_dlc *d = f->dlci ? cmux_find(m, f->dlci) : NULL;

	m->stats.received++;
	m->noise_n = 0;
	cmux_note_life(m, f);
	switch (f->type) {
	case CMUX_SABM:
		on_sabm(m, f, d);
		break;
	case CMUX_DISC:
		on_disc(m, f, d);
		break;
	case CMUX_UA:
		on_ua(m, f->dlci, d);
		break;
	case CMUX_DM:
		on_dm(m, f->dlci, d);
		break;
	case CMUX_UIH:
	case CMUX_UI:
		on_data(m, f, d);
		break;
	case _CMUX_TYPE_MAX:
		break;
	}
}

/* --- the line ------------------------------------------------------------------------------------------------------- */

/*
 * A loop that was kept from running finds the alarm due and the rest of the frame at the same time: it
 * looks at the line once more before the frame is given up.
 */
static void on_gap(struct ev_alarm *a)
{
	struct cmux *m = container_of(a, struct cmux, gap);

	if (!m->gap_doubted) {
		m->gap_doubted = true;
		ev_alarm_start(&m->gap, 1);
		return;
	}
	m->gap_doubted = false;
	cmux_reader_gap(&m->reader);
}

/* What is not read is not late. */
static void watch_gap(struct cmux *m)
{
	m->gap_doubted = false;
	if (cmux_reader_inside(&m->reader) && !m->held)
		ev_alarm_start(&m->gap, CMUX_GAP_MS);
	else
		ev_alarm_stop(&m->gap);
}

void cmux_hold(struct cmux *m, bool on)
{
	if (m->state == CMUX_CLOSED || m->held == on)
		return;
	m->held = on;
	pipe_hold(m->line, on);
	watch_gap(m);
}

static void on_received(struct pipe_user *u, struct text data)
{
	struct cmux *m = container_of(u, struct cmux, user);

	log_wire(m->name, '<', data.s, data.n);
	if (m->asleep) {
		m->asleep = false;
		ev_task_start(&m->pump);
	}
	cmux_feed(&m->reader, data);
	if (m->state == CMUX_CLOSED)
		return;
	watch_gap(m);
}

static void on_drained(struct pipe_user *u)
{
	ev_task_start(&container_of(u, struct cmux, user)->pump);
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)error;
	cmux_finish(container_of(u, struct cmux, user), CMUX_END_HUNG_UP);
}

void cmux_open(struct cmux *m, struct pipe *line)
{
	assert(m->state == CMUX_CLOSED && m->started && m->ended);
	m->o.n1 = m->o.n1 ? MIN(m->o.n1, CMUX_INFO_MAX) : N1_DEFAULT;
	m->o.t1_ms = m->o.t1_ms ? m->o.t1_ms : T1_MS;
	m->o.t2_ms = m->o.t2_ms ? m->o.t2_ms : T2_MS;
	m->o.n2 = m->o.n2 ? m->o.n2 : N2;
	list_init(&m->dlcs);
	m->timer.fired = on_timer;
	m->gap.fired = on_gap;
	m->pace.fired = on_pace;
	m->pump.run = on_pump;
	m->user = (struct pipe_user){ on_received, on_drained, on_hung_up };
	m->reader.frame = on_frame;
	cmux_doubt_init(m);
	cmux_reader_reset(&m->reader);
	m->line_busy_us = 0;
	m->all_stopped = m->asleep = m->no_control = m->checking = m->held = false;
	m->suspicion = CMUX_END_SILENT;
	m->noise_n = 0;
	m->line = line;
	line->user = &m->user;
	m->state = CMUX_EXPECT_START;
	m->tries = 1;
	cmux_send(m, 0, CMUX_SABM, nothing);
	ev_alarm_start(&m->timer, m->o.t1_ms);
}

void cmux_close(struct cmux *m)
{
	struct cmux_dlc *d;

	if (m->state == CMUX_CLOSED)
		return;
	log_debug(m->name, "dropped while %s", state_names[m->state]);
	quiet(m);
	while ((d = list_first(&m->dlcs, struct cmux_dlc, node))) {
		forget(d);
		d->pipe.user = NULL;
	}
}

bool cmux_is_open(const struct cmux *m)
{
	return m->state != CMUX_CLOSED;
}
