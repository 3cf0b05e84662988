/*
 * One virtual port as its client sees it: V.250 5.2 (command lines), 5.7 and 6.2 (result codes).
 * A line is taken apart and its commands run one after the other, each to its end; the first that
 * fails ends the line with its result. What is typed meanwhile waits.
 *
 * A client may write its lines and leave at once (echo AT+CGATT=0 >port): whole lines still run, their
 * answers are for nobody, and the next client waits for them. A data call ends with its client.
 */
#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "modem/modem.h"
#include "modem/policy.h"
#include "modem/vport.h"

static const char *const state_names[_VPORT_STATE_MAX] = {
	[VPORT_AWAY] = "free", [VPORT_COMMAND] = "command", [VPORT_RUNNING] = "running",
	[VPORT_PROMPT] = "prompt", [VPORT_CONNECTED] = "data",
};

const char *vport_state_name(const struct vport *v)
{
	return state_names[v->state];
}

void vport_changed(struct vport *v)
{
	if (v->all->changed)
		v->all->changed(v->all, v);
}

/* --- to the client ------------------------------------------------------------------------------ */

/* A client that does not read loses what does not fit, whole pieces of it; nobody waits for it. */
void vport_write(struct vport *v, const void *data, size_t n)
{
	if (!n || v->state == VPORT_AWAY || v->lingers)
		return;
	if (pipe_write(&v->end.pipe, data, n) == 0)
		v->stats.out += n;
	else if (v->stats.dropped++ % 1000 == 0)
		log_warning(v->subject, "its client does not read, %zu octets dropped", n);
}

void vport_info(struct vport *v, struct text line)
{
	char out[AT_LINE_MAX + 8];
	size_t n = 0;

	if (v->own.n[VPORT_Q] == 1)
		return;
	/* The first line of an answer has CR LF in front too (V.250 5.7.1), in V0 none has. */
	if (v->own.n[VPORT_V] && !v->any_info)
		n = (size_t)snprintf(out, sizeof(out), "\r\n");
	v->any_info = true;
	/* A held line (quotes) has its line ends as LF. */
	for (size_t i = 0; i < line.n && n + 4 < sizeof(out); i++) {
		if (line.s[i] == '\n')
			out[n++] = '\r';
		out[n++] = line.s[i];
	}
	out[n++] = '\r';
	out[n++] = '\n';
	vport_write(v, out, n);
}

static int error_text(const struct vport *v, const char *kind, int code, const char *words,
		      struct text final, char *dst, size_t cap)
{
	switch (v->own.n[VPORT_CMEE]) {
	case 0:
		return snprintf(dst, cap, "ERROR");
	case 1:
		if (code >= 0)
			return snprintf(dst, cap, "+%s ERROR: %d", kind, code);
		break;
	default:
		if (words)
			return snprintf(dst, cap, "+%s ERROR: %s", kind, words);
		if (code >= 0)
			return snprintf(dst, cap, "+%s ERROR: %d", kind, code);
		break;
	}
	/* Words that are in no list: as the module said them. */
	return final.n ? snprintf(dst, cap, TEXT_FMT, TEXT_ARG(final)) : snprintf(dst, cap, "ERROR");
}

/* The result in words; digit: its number in V0, -1 where it has none. */
static void word_for(const struct vport *v, enum at_end end, int code, struct text final, char *dst,
		     size_t cap, int *ret_digit)
{
	static const struct { const char *word; int digit; } carrier[] = {
		{ "NO DIALTONE", 6 }, { "NO DIAL TONE", 6 }, { "BUSY", 7 }, { "NO ANSWER", 8 },
	};

	*ret_digit = -1;
	switch (end) {
	case AT_OK:
		/* SEND OK, SHUT OK: as they are. */
		snprintf(dst, cap, TEXT_FMT, TEXT_ARG(final.n ? final : TEXT("OK")));
		*ret_digit = 0;
		return;
	case AT_CONNECT:
		snprintf(dst, cap, TEXT_FMT, TEXT_ARG(final.n && v->own.n[VPORT_X] ? final : TEXT("CONNECT")));
		*ret_digit = 1;
		return;
	case AT_NO_CARRIER:
		*ret_digit = 3;
		for (size_t i = 0; i < ARRAY_SIZE(carrier); i++) {
			if (text_starts(final, carrier[i].word) && v->own.n[VPORT_X]) {
				snprintf(dst, cap, "%s", carrier[i].word);
				*ret_digit = carrier[i].digit;
				return;
			}
		}
		snprintf(dst, cap, "NO CARRIER");
		return;
	case AT_CME_ERROR:
		error_text(v, "CME", code, code >= 0 ? at_cme_text(code) : NULL, final, dst, cap);
		break;
	case AT_CMS_ERROR:
		error_text(v, "CMS", code, code >= 0 ? at_cms_text(code) : NULL, final, dst, cap);
		break;
	case AT_ERROR:
	case AT_TIMEOUT:
	case AT_LINK_LOST:
	case _AT_END_MAX:
		snprintf(dst, cap, "ERROR");
		break;
	}
	if (!strcmp(dst, "ERROR"))
		*ret_digit = 4;
}

void vport_result(struct vport *v, enum at_end end, int code, struct text final)
{
	char word[200], out[220];
	int digit, n;

	if (v->own.n[VPORT_Q] == 1)
		return;
	word_for(v, end, code, final, word, sizeof(word), &digit);
	if (v->own.n[VPORT_V])
		n = snprintf(out, sizeof(out), "\r\n%s\r\n", word);
	else if (digit >= 0)
		n = snprintf(out, sizeof(out), "%d\r", digit);
	else
		n = snprintf(out, sizeof(out), "%s\r\n", word);
	vport_write(v, out, (size_t)n);
}

/* --- a line, command by command -------------------------------------------------------------------- */

static void settle(struct vport *v);

void vport_hold(struct vport *v, bool on)
{
	/* Who is there then is the next one. */
	if (!v->lingers)
		endpoint_hold(&v->end, on);
}

void vport_line_done(struct vport *v)
{
	char ahead[VPORT_AHEAD_MAX];
	size_t n = v->ahead_n;

	v->state = VPORT_COMMAND;
	v->rest[0] = '\0';
	v->rest_at = 0;
	ev_task_stop(&v->step);
	vport_report_pending(v);
	memcpy(ahead, v->ahead, n);
	v->ahead_n = 0;
	vport_hold(v, false);
	vport_type(v, text_from(ahead, n));
	settle(v);
}

void vport_command_done(struct vport *v, enum at_end end, int code, struct text final)
{
	if (end == AT_OK && v->rest[v->rest_at]) {
		ev_task_start(&v->step);
		return;
	}
	vport_result(v, end, code, final);
	vport_line_done(v);
}

static const struct text nothing;

static void refuse(struct vport *v, int cme)
{
	vport_command_done(v, AT_CME_ERROR, cme, nothing);
}

/* 27.007 9.2.1 */
enum { CME_NO_PHONE = 1, CME_NOT_ALLOWED = 3 };

static bool module_there(const struct vport *v)
{
	enum modem_state s = v->all->modem->st.state;

	return s == MODEM_READY || s == MODEM_SIM;
}

static void forward(struct vport *v, struct text command)
{
	if (vport_touches_card(v->all->modem, command)) {
		log_info(v->subject, "a command for the daemon's own channel to the card is refused");
		refuse(v, CME_NOT_ALLOWED);
	} else if (!module_there(v)) {
		refuse(v, CME_NO_PHONE);
	} else {
		vport_run(v, command);
	}
}

static void run_own(struct vport *v, struct text command)
{
	char asked[2 * VPORT_TEXT_MAX];

	switch (vport_own_run(v, command)) {
	case VPORT_OWN_OK:
		vport_command_done(v, AT_OK, -1, nothing);
		break;
	case VPORT_OWN_ERROR:
		vport_command_done(v, AT_ERROR, -1, nothing);
		break;
	case VPORT_OWN_ASK:
		/* Fields that the client has left out are the port's, not the module's. */
		if (v->set_text >= 0) {
			struct text name = text_from(command.s, text_find(command, '='));
			int n = snprintf(asked, sizeof(asked), TEXT_FMT "=%s", TEXT_ARG(name),
					 v->set_value);

			command = text_from(asked, (size_t)n);
		}
		forward(v, command);
		break;
	}
}

static void restart(struct vport *v)
{
	if (!v->o.control) {
		refuse(v, CME_NOT_ALLOWED);
		return;
	}
	if (modem_reset(v->all->modem) < 0) {
		refuse(v, CME_NO_PHONE);
		return;
	}
	log_info(v->subject, "restarts the module");
	vport_command_done(v, AT_OK, -1, nothing);
}

static void dial(struct vport *v, struct text command)
{
	bool own = v->own_ready;
	/* A voice call has no data mode (27.007 6.2: a semicolon at the end). */
	bool voice = (command.s[0] | 0x20) == 'd' && command.s[command.n - 1] == ';';
	bool may = v->o.data == VPORT_DATA_YES || (v->o.data == VPORT_DATA_MUX && own);

	if (!voice && !may)
		log_info(v->subject, "a data call is refused: data = %s", v->o.data == VPORT_DATA_NO ? "no" :
			 "cmux, and it has no channel of its own ([modem] cmux)");
	/* Nor is one begun for a client that has left; to answer a call needs nobody. */
	if (!voice && (!may || ((v->lingers || v->ending) && (command.s[0] | 0x20) != 'a'))) {
		vport_command_done(v, AT_NO_CARRIER, -1, nothing);
		return;
	}
	v->data_allowed = !voice;
	forward(v, command);
}

static void on_step(struct ev_task *t)
{
	struct vport *v = container_of(t, struct vport, step);
	struct text rest = text_of(v->rest + v->rest_at), one;

	v->set_number = v->set_text = -1;
	v->data_allowed = v->look = v->any_info = v->dialled = false;
	one = policy_next(&rest);
	v->rest_at = strlen(v->rest) - rest.n;
	if (!one.n) {
		v->rest_at = strlen(v->rest);
		vport_command_done(v, AT_OK, -1, nothing);
		return;
	}
	v->stats.commands++;
	switch (vport_rule(one, &v->abortable)) {
	case VPORT_LOOK:
		v->look = true;
		forward(v, one);
		break;
	case VPORT_FORWARD:
		/* Uploads: CONNECT is part of their dialogue and short. */
		v->data_allowed = true;
		forward(v, one);
		break;
	case VPORT_OWN:
		run_own(v, one);
		break;
	case VPORT_NOTHING:
		vport_command_done(v, AT_OK, -1, nothing);
		break;
	case VPORT_DIAL:
		dial(v, one);
		break;
	case VPORT_RESTART:
		restart(v);
		break;
	case VPORT_CONTROL:
		v->look = true;
		if (v->o.control)
			forward(v, one);
		else
			refuse(v, CME_NOT_ALLOWED);
		break;
	case VPORT_REFUSED:
		refuse(v, CME_NOT_ALLOWED);
		break;
	}
}

/* What follows the first AT in what was typed; noise and hang-up sequences stand before it. */
static bool find_start(struct text *line)
{
	while (line->n >= 2) {
		if (text_starts(*line, "AT") || text_starts(*line, "at")) {
			*line = text_skip(*line, 2);
			return true;
		}
		*line = text_skip(*line, 1);
	}
	return false;
}

static void run_line(struct vport *v, struct text line)
{
	v->stats.lines++;
	v->any_info = false;
	if (text_copy(text_trim(line), v->rest, sizeof(v->rest)) < 0) {
		vport_result(v, AT_ERROR, -1, nothing);
		return;
	}
	v->rest_at = 0;
	v->abortable = false;
	v->state = VPORT_RUNNING;
	ev_task_start(&v->step);
}

static void end_of_line(struct vport *v)
{
	struct text line = text_from(v->line, v->n);
	bool overlong = v->overlong;

	v->n = 0;
	v->overlong = false;
	if (!find_start(&line)) {
		vport_report_pending(v);
		return;
	}
	if (overlong) {
		vport_result(v, AT_ERROR, -1, nothing);
		vport_report_pending(v);
		return;
	}
	text_copy(line, v->last, sizeof(v->last));
	run_line(v, line);
}

/* --- from the client ---------------------------------------------------------------------------------- */

static void type(struct vport *v, char c, bool echoes)
{
	const uint8_t *s = v->own.s;
	bool skip = v->skip_lf && c == '\n';

	v->skip_lf = false;
	if (skip)
		return;
	if ((uint8_t)c == s[5] || c == 0x7f) {
		if (v->n) {
			v->n--;
			if (echoes)
				vport_write(v, "\b \b", 3);
		}
		return;
	}
	if (echoes)
		vport_write(v, &c, 1);
	if ((uint8_t)c == s[3]) {
		v->skip_lf = true;
		end_of_line(v);
		return;
	}
	/* What a shell writes ends so. */
	if (c == '\n' && s[3] == '\r' && v->n) {
		end_of_line(v);
		return;
	}
	if ((uint8_t)c < 0x20)
		return;
	if (c == '/' && v->n && (v->line[v->n - 1] | 0x20) == 'a' &&
	    (v->n == 1 || v->line[v->n - 2] == ' ')) {
		v->n = 0;
		if (echoes)
			vport_write(v, "\r", 1);
		run_line(v, text_of(v->last));
		return;
	}
	if (v->n < sizeof(v->line))
		v->line[v->n++] = c;
	else
		v->overlong = true;
}

static void keep_ahead(struct vport *v, struct text data)
{
	if (data.n > sizeof(v->ahead) - v->ahead_n) {
		v->stats.dropped++;
		data.n = sizeof(v->ahead) - v->ahead_n;
	}
	memcpy(v->ahead + v->ahead_n, data.s, data.n);
	v->ahead_n += data.n;
	if (v->ahead_n > sizeof(v->ahead) / 2)
		vport_hold(v, true);
}

void vport_type(struct vport *v, struct text data)
{
	bool echoes = v->own.n[VPORT_E] && !endpoint_echoes(&v->end);

	while (data.n) {
		switch (v->state) {
		case VPORT_COMMAND:
			type(v, data.s[0], echoes);
			data = text_skip(data, 1);
			break;
		case VPORT_RUNNING:
			if (v->skip_lf && data.s[0] == '\n') {
				v->skip_lf = false;
				data = text_skip(data, 1);
				break;
			}
			v->skip_lf = false;
			if (!v->abortable || !vport_run_typed(v, data))
				keep_ahead(v, data);
			return;
		case VPORT_PROMPT:
		case VPORT_CONNECTED:
			vport_run_typed(v, data);
			return;
		case VPORT_AWAY:
		case _VPORT_STATE_MAX:
			return;
		}
	}
}

static void on_received(struct pipe_user *u, struct text data)
{
	struct vport *v = container_of(u, struct vport, user);

	log_wire(v->subject, '>', data.s, data.n);
	v->stats.in += data.n;
	vport_type(v, data);
}

static void on_drained(struct pipe_user *u)
{
	vport_data_go_on(container_of(u, struct vport, user));
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)u, (void)error;
}

static void forget(struct vport *v)
{
	v->n = v->ahead_n = v->pending_n = 0;
	v->overlong = v->skip_lf = v->ending = false;
	v->last[0] = v->rest[0] = '\0';
	v->rest_at = 0;
	ev_task_stop(&v->step);
}

/* A client finds the port as after power-up. */
static void begin(struct vport *v)
{
	forget(v);
	vport_own_reset(v);
	v->state = VPORT_COMMAND;
	v->since_ms = ev_now_ms();
	vport_changed(v);
}

static void end(struct vport *v)
{
	vport_run_drop(v);
	forget(v);
	v->state = VPORT_AWAY;
	v->since_ms = ev_now_ms();
	vports_ready(v->all);
	vport_changed(v);
}

/* The last line is done: who waits for the port gets it. */
static void stop_lingering(struct vport *v)
{
	v->lingers = false;
	end(v);
	if (endpoint_has_client(&v->end)) {
		begin(v);
		endpoint_hold(&v->end, false);
	}
}

static void settle(struct vport *v)
{
	if (v->state != VPORT_COMMAND)
		return;
	if (v->lingers)
		stop_lingering(v);
	else if (v->ending)
		endpoint_finish(&v->end);
}

static bool has_whole_line(const struct vport *v)
{
	return memchr(v->ahead, '\n', v->ahead_n) || memchr(v->ahead, v->own.s[3], v->ahead_n);
}

static void on_came(struct endpoint *e)
{
	struct vport *v = container_of(e, struct vport, end);

	log_debug(v->subject, "a client has opened it");
	v->stats.clients++;
	if (!v->lingers) {
		begin(v);
	} else if (vport_run_awaits(v) && !v->rest[v->rest_at] && !has_whole_line(v)) {
		/* Nobody needs to wait for an answer that is for nobody. */
		stop_lingering(v);
	} else {
		endpoint_hold(e, true);
	}
}

static void on_left(struct endpoint *e)
{
	struct vport *v = container_of(e, struct vport, end);

	if (v->lingers)
		return;         /* it has waited in vain */
	log_debug(v->subject, "its client has left");
	v->ending = false;
	v->lingers = true;
	if (!vport_run_leave(v))
		stop_lingering(v);
}

/* A socket's client has shut down its writing half. */
static void on_ended(struct endpoint *e)
{
	struct vport *v = container_of(e, struct vport, end);

	v->ending = true;
	if (v->lingers || !vport_run_leave(v))
		endpoint_finish(e);
}

/* --- opening ---------------------------------------------------------------------------------------------- */

int vport_open(struct vport *v, const char *run_dir, char why[ENDPOINT_WHY_MAX])
{
	char path[256];
	struct endpoint_options o = { .socket = v->o.kind == VPORT_SOCKET, .path = path, .group = v->o.group };
	uint32_t mode;

	snprintf(path, sizeof(path), v->o.path[0] ? "%s" : "%s/%s", v->o.path[0] ? v->o.path : run_dir,
		 v->o.name);
	if (text_to_u32(text_of(v->o.mode), 8, &mode) < 0 || mode > 0777) {
		snprintf(why, ENDPOINT_WHY_MAX, "[port.%s] mode: expected an octal number up to 777",
			 v->o.name);
		return -EINVAL;
	}
	o.mode = mode;
	snprintf(v->subject, sizeof(v->subject), "port %s", v->o.name);
	snprintf(v->line_subject, sizeof(v->line_subject), "%s line", v->subject);
	v->state = VPORT_AWAY;
	v->since_ms = ev_now_ms();
	v->step.run = on_step;
	v->user = (struct pipe_user){ on_received, on_drained, on_hung_up };
	v->end.came = on_came;
	v->end.left = on_left;
	v->end.ended = on_ended;
	vport_run_init(v);
	vport_own_reset(v);
	v->end.pipe.user = &v->user;
	return endpoint_open(&v->end, &o, why);
}

void vport_close(struct vport *v)
{
	vport_run_drop(v);
	ev_alarm_stop(&v->dtr_again);
	v->state = VPORT_AWAY;
	v->lingers = false;
	forget(v);
	vport_set_channel(v, NULL);
	endpoint_close(&v->end);
}
