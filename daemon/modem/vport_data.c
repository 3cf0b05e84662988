/*
 * Data mode of a virtual port: octets pass both ways until the module says how it ended, the client
 * leaves, drops DTR (B0), or escapes with +++. None is lost because one side is slower than the other:
 * the client is not read while the module takes nothing, and the module is asked to wait while the
 * client does not read.
 */
#include "atcmd/urc.h"
#include "core/log.h"
#include "modem/modem.h"
#include "modem/vport.h"

#define GUARD_MS 1000
#define ESCAPED_WITHIN_MS 4000
#define DTR_LOOK_MS 200
/* Modules look at DTR now and then. */
#define DTR_OFF_MS 300
/* An upload whose client has left has this long to end. */
#define UPLOAD_MS 2000
/* Above this the client has to wait. */
#define LENT_BACKLOG 4096
/*
 * Above this the module has to wait, of which it hears at once on a lent line; on a channel its own
 * buffers and the line's may still bring as much as there is room above it.
 */
#define SLOW_BACKLOG 4096
/* A module that does not heed a channel's flow control: then the line itself stops, but not for long. */
#define FULL_BACKLOG (ENDPOINT_BACKLOG * 3 / 4)
#define LINE_STOP_MS 2000
/* A client that takes nothing at all while everybody waits for it. */
#define STUCK_MS 60000
/*
 * An upload in which neither side says anything is over; it may never have been one: a '@' that noise has
 * made is enough to begin it.
 */
#define IDLE_MS 60000
/* How long nothing comes behind the end of a call. */
#define OVER_MS 300

static const struct text nothing;

/* --- beginning and end ----------------------------------------------------------------------------------------- */

static bool has_own_line(const struct vport *v)
{
	return v->chat == &v->own_chat;
}

static void note_activity(struct vport *v)
{
	if (v->state == VPORT_CONNECTED && !v->dialled && !v->lingers && !v->ending)
		ev_alarm_start(&v->patience, IDLE_MS);
}

void vport_data_connected(struct vport *v, struct text line)
{
	if (!v->data_allowed) {
		/* Nobody asked for it: the chat finds the way out. */
		at_give_back(v->chat, &v->cmd, false);
		vport_command_done(v, AT_NO_CARRIER, -1, nothing);
		return;
	}
	log_info(v->subject, "data mode%s", has_own_line(v) ? " on its own channel" :
						     ", everybody else waits");
	if (text_eq(line, "@") || text_eq(line, "DOWNLOAD"))
		vport_info(v, line);
	else
		vport_result(v, AT_CONNECT, -1, line);
	v->restarted = v->dcd_off = v->mute = false;
	v->state = VPORT_CONNECTED;
	vport_changed(v);
	v->tail_n = v->plus_n = 0;
	v->plus_ms = 0;
	v->typed_ms = ev_now_ms();
	ev_alarm_start(&v->dtr, DTR_LOOK_MS);
	vport_hold(v, false);
	if (v->ahead_n) {
		char ahead[VPORT_AHEAD_MAX];
		size_t n = v->ahead_n;

		memcpy(ahead, v->ahead, n);
		v->ahead_n = 0;
		vport_data_typed(v, text_from(ahead, n));
	}
	if (v->lingers || v->ending)
		vport_data_leave(v);
	else
		note_activity(v);
}

/* The client has made room, or is not asked any more. */
void vport_data_go_on(struct vport *v)
{
	ev_alarm_stop(&v->stuck);
	if (v->line_stopped)
		cmux_hold(&v->all->modem->mux.cmux, false);
	v->line_stopped = v->heedless = false;
	if (v->slow)
		at_hold(v->chat, &v->cmd, false);
	v->slow = false;
}

void vport_data_stop(struct vport *v)
{
	ev_alarm_stop(&v->dtr);
	ev_alarm_stop(&v->over);
	ev_alarm_stop(&v->patience);
	vport_data_go_on(v);
}

static void back_to_commands(struct vport *v, bool clean)
{
	vport_data_stop(v);
	at_give_back(v->chat, &v->cmd, clean);
	log_info(v->subject, "end of data mode");
	if (v->lingers) {
		vport_line_done(v);
		return;
	}
	vport_line_done(v);
	vport_changed(v);
}

void vport_data_carrier_lost(struct vport *v)
{
	if (v->dialled && !v->lingers && !v->ending)
		endpoint_carrier_lost(&v->end);
}

/*
 * Faster than an escape with its silences, which follows if the module heeds no DTR: V.250 6.2.9, &D2, over
 * the channel's signals (27.010 5.4.6.3.7).
 */
static void drop_dtr(struct vport *v)
{
	if (!has_own_line(v) || !v->dlc || !v->dialled)
		return;
	cmux_dlc_dtr(v->dlc, false);
	ev_alarm_start(&v->dtr_again, DTR_OFF_MS);
}

static void on_dtr_again(struct ev_alarm *a)
{
	struct vport *v = container_of(a, struct vport, dtr_again);

	if (v->dlc)
		cmux_dlc_dtr(v->dlc, true);
}

void vport_data_hang_up(struct vport *v, const char *why)
{
	log_info(v->subject, "%s: hanging up", why);
	drop_dtr(v);
	v->state = VPORT_RUNNING;
	vport_result(v, AT_NO_CARRIER, -1, nothing);
	back_to_commands(v, false);
}

static void on_dtr(struct ev_alarm *a)
{
	struct vport *v = container_of(a, struct vport, dtr);

	if (endpoint_dropped_dtr(&v->end))
		vport_data_hang_up(v, "its client has dropped DTR");
	else
		ev_alarm_start(&v->dtr, DTR_LOOK_MS);
}

static bool tail_is(const struct vport *v, const char *word)
{
	size_t n = strlen(word);

	return v->tail_n >= n && !memcmp(v->tail + v->tail_n - n, word, n);
}

/* The data mode of an upload ends with a result, that of a call with NO CARRIER; +++ with OK. */
static bool has_ended(const struct vport *v)
{
	bool escaped = v->plus_ms && ev_now_ms() - v->plus_ms < ESCAPED_WITHIN_MS;

	if (escaped || !v->dialled)
		return tail_is(v, "\r\nOK\r\n") || (!v->dialled && tail_is(v, "\r\nERROR\r\n"));
	return false;
}

static void keep_tail(struct vport *v, struct text data)
{
	size_t n = MIN(data.n, sizeof(v->tail)), room = sizeof(v->tail) - n;

	if (v->tail_n > room) {
		memmove(v->tail, v->tail + v->tail_n - room, room);
		v->tail_n = room;
	}
	memcpy(v->tail + v->tail_n, data.s + data.n - n, n);
	v->tail_n += n;
}

/* Octets that the client does not read in time must wait in the module: none may be lost. */
static void watch_client(struct vport *v)
{
	size_t backlog = pipe_backlog(&v->end.pipe);

	if (backlog > SLOW_BACKLOG && !v->slow) {
		v->slow = true;
		at_hold(v->chat, &v->cmd, true);
		if (!has_own_line(v))
			ev_alarm_start(&v->stuck, STUCK_MS);
	}
	if (v->chat->on_channel && backlog > FULL_BACKLOG && !v->line_stopped && !v->heedless) {
		log_debug(v->subject, "its client is slow and the module goes on, stopping the line");
		v->line_stopped = true;
		cmux_hold(&v->all->modem->mux.cmux, true);
		ev_alarm_start(&v->stuck, LINE_STOP_MS);
	}
}

static void on_stuck(struct ev_alarm *a)
{
	struct vport *v = container_of(a, struct vport, stuck);

	if (!v->line_stopped) {
		vport_data_hang_up(v, "its client takes nothing and the line is not its own");
		return;
	}
	/* Others have waited long enough; what does not fit is lost now. */
	cmux_hold(&v->all->modem->mux.cmux, false);
	v->line_stopped = false;
	v->heedless = true;
	if (!has_own_line(v))
		ev_alarm_start(&v->stuck, STUCK_MS);
}

static void end_call(struct vport *v)
{
	if (v->restarted)
		vport_data_hang_up(v, "the module has restarted");
	else if (v->mute)
		vport_data_hang_up(v, "the module has dropped DCD");
	else
		back_to_commands(v, true);
	vport_data_carrier_lost(v);
}

enum behind { BEHIND_UNDECIDED, BEHIND_REPORT, BEHIND_DATA };

/* Is it a report, as it follows the end of a call? It comes in pieces of any size. */
static enum behind look_behind(struct vport *v, struct text octets)
{
	static const char begins[] = "\r\n";

	for (size_t i = 0; i < octets.n; i++, v->behind_n++) {
		char c = octets.s[i];

		if (v->behind_n == strlen(begins))
			return c > ' ' && c < 0x7f ? BEHIND_REPORT : BEHIND_DATA;
		if (c != begins[v->behind_n])
			return BEHIND_DATA;
	}
	return BEHIND_UNDECIDED;
}

/* The first words of a module that has started anew (RDY): in the middle of a call it has lost it. */
static bool has_restarted(const struct vport *v)
{
	size_t end = v->tail_n, from;

	if (!tail_is(v, "\r\n") || end < 4)
		return false;
	end -= 2;
	for (from = end; from >= 2 && memcmp(v->tail + from - 2, "\r\n", 2) != 0; from--)
		;
	return from >= 2 && at_urc_is_boot(text_from(v->tail + from, end - from));
}

/*
 * What a call carries may have the words in it: they are its end only if nothing but a report follows, or
 * nothing at all for a while.
 */
static void look_for_end(struct vport *v, struct text octets)
{
	enum behind behind = v->over.active && !v->mute ? look_behind(v, octets) : BEHIND_DATA;

	if (behind == BEHIND_UNDECIDED)
		return;
	if (behind == BEHIND_REPORT) {
		end_call(v);
		return;
	}
	v->restarted = has_restarted(v);
	v->mute = !v->restarted && !tail_is(v, "\r\nNO CARRIER\r\n");
	v->behind_n = 0;
	if (!v->mute || v->dcd_off)
		ev_alarm_start(&v->over, OVER_MS);
	else
		ev_alarm_stop(&v->over);
}

/* The words come, too, as a rule, and behind data that were on their way. If not, this alone must do. */
void vport_data_dcd(struct vport *v, bool on)
{
	if (v->state != VPORT_CONNECTED || !v->dialled || !has_own_line(v))
		return;
	v->dcd_off = !on;
	if (!v->over.active)
		v->mute = true;
	if (v->mute && on)
		ev_alarm_stop(&v->over);
	else if (v->mute)
		ev_alarm_start(&v->over, OVER_MS);
}

static void on_over(struct ev_alarm *a)
{
	end_call(container_of(a, struct vport, over));
}

void vport_data_octets(struct vport *v, struct text octets)
{
	vport_write(v, octets.s, octets.n);
	/* Line by line: the words may stand anywhere in what has come at once. */
	while (octets.n && v->state == VPORT_CONNECTED) {
		struct text line = text_from(octets.s, MIN(text_find(octets, '\n') + 1, octets.n));

		octets = text_skip(octets, line.n);
		keep_tail(v, line);
		if (has_ended(v))
			back_to_commands(v, true);
		else
			look_for_end(v, line);
	}
	if (v->state != VPORT_CONNECTED)
		return;
	watch_client(v);
	note_activity(v);
}

/* V.250 6.2.9 and S12: a second of silence, three times S2, and another second. */
static void look_for_escape(struct vport *v, struct text data)
{
	uint64_t now = ev_now_ms();
	bool only_plus = data.n <= 3;

	for (size_t i = 0; i < data.n; i++)
		only_plus &= data.s[i] == '+';
	if (!only_plus || (v->plus_n == 0 && now - v->typed_ms < GUARD_MS))
		v->plus_n = 0;
	else
		v->plus_n += (unsigned)data.n;
	v->plus_ms = v->plus_n == 3 ? now : 0;
	v->typed_ms = now;
}

void vport_data_typed(struct vport *v, struct text data)
{
	/* Its client believes what it has read. */
	if (v->over.active && text_case_starts(data, "AT")) {
		end_call(v);
		vport_type(v, data);
		return;
	}
	look_for_escape(v, data);
	note_activity(v);
	if (at_write(v->chat, &v->cmd, data.s, data.n) < 0)
		v->stats.dropped++;
	if (at_backlog(v->chat) > LENT_BACKLOG)
		vport_hold(v, true);
}

void vport_data_leave(struct vport *v)
{
	if (v->dialled)
		vport_data_hang_up(v, "its client has left in data mode");
	else
		ev_alarm_start(&v->patience, UPLOAD_MS);
}

void vport_data_init(struct vport *v)
{
	v->dtr.fired = on_dtr;
	v->dtr_again.fired = on_dtr_again;
	v->stuck.fired = on_stuck;
	v->over.fired = on_over;
}
