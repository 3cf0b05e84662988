/*
 * One command of a client on its way through the module. Around it may stand what puts the module
 * into the form that the port wants, and what puts it back; both go in front of the queue, so that
 * nobody else's command comes between.
 *
 * A prompt: the client types its message to us, with our echo and prompts; the module gets it whole,
 * so that the line waits for the module and not for a typist. Data mode is in vport_data.c.
 */
#include <stdio.h>

#include "atcmd/patience.h"
#include "core/log.h"
#include "modem/modem.h"
#include "modem/vport.h"

#define PROMPT_WAIT_MS 60000
/* V.250 5.6.1: what comes sooner belongs to the line itself. */
#define ABORT_AFTER_MS 125
enum { CTRL_Z = 0x1a, ESC = 0x1b };

static const struct text nothing;

/* Nobody will type anything more. */
static bool is_left(const struct vport *v)
{
	return v->lingers || v->ending;
}

static struct vport *vport_of(struct at_cmd *cmd)
{
	return container_of(cmd, struct vport, cmd);
}

/* --- asking ------------------------------------------------------------------------------------- */

/* What depends on how the module is set up goes the way that everybody's commands go. */
static struct at_chat *way_of(struct vport *v)
{
	return v->own_ready && !v->wrapped ? &v->own_chat : &v->all->modem->chat;
}

static void send(struct vport *v, enum vport_phase phase, const char *text, bool first)
{
	v->phase = phase;
	text_copy(text_of(text), v->text, sizeof(v->text));
	v->cmd.text = v->text;
	v->cmd.patience_ms = at_patience_ms(text_of(v->text));
	if (first)
		at_submit_first(v->chat, &v->cmd);
	else
		at_submit(v->chat, &v->cmd);
}

/* The next thing before the client's own command, or that. */
static void go_on(struct vport *v, bool first)
{
	const char *prepare = vport_own_prepare(v, text_of(v->main + 2), v->prepare_i);

	if (prepare) {
		send(v, VPORT_PREPARE, prepare, first);
	} else {
		v->sent_ms = ev_now_ms();
		send(v, VPORT_ASK, v->main, first);
	}
}

static bool dials(struct text command)
{
	return command.s[0] == 'D' || command.s[0] == 'd';
}

void vport_run(struct vport *v, struct text command)
{
	v->main[0] = 'A';
	v->main[1] = 'T';
	text_copy(command, v->main + 2, sizeof(v->main) - 2);
	/* Names in capitals: that is how answers are recognised, and what modules are tested with. */
	for (char *c = v->main + 2; *c && !strchr("=?\"", *c) && !(c == v->main + 3 && dials(command)); c++)
		if (*c >= 'a' && *c <= 'z')
			*c -= 'a' - 'A';
	v->prepare_i = 0;
	v->body_n = 0;
	v->aborted = false;
	v->restore = NULL;
	v->state = VPORT_RUNNING;
	v->wrapped = vport_own_depends(command) || v->set_number >= 0 || v->set_text >= 0;
	v->dialled = v->data_allowed && strchr("DAOdao", command.s[0]);
	v->dialled |= text_case_starts(command, "+CGDATA");
	v->chat = way_of(v);
	go_on(v, false);
}

/* --- its end -------------------------------------------------------------------------------------- */

static void end(struct vport *v)
{
	bool look = v->look && v->end_kind != AT_TIMEOUT && v->end_kind != AT_LINK_LOST;
	struct modem *m = v->all->modem;

	v->state = VPORT_RUNNING;
	v->look = false;
	if (v->end_kind == AT_OK)
		vport_own_keep(v);
	vport_command_done(v, v->end_kind, v->end_code, text_of(v->end_text));
	if (look)
		modem_look_again(m);
}

static void on_done(struct at_cmd *cmd, enum at_end kind, int code, struct text final)
{
	struct vport *v = vport_of(cmd);

	vport_data_stop(v);
	switch (v->phase) {
	case VPORT_PREPARE:
		if (kind == AT_OK)
			vport_own_prepared(v, v->text);
		if (kind != AT_LINK_LOST && kind != AT_TIMEOUT) {
			go_on(v, true);
			return;
		}
		break;
	case VPORT_ASK:
		break;
	case VPORT_RESTORE:
		if (kind == AT_OK)
			vport_own_prepared(v, v->text);
		end(v);
		return;
	}
	v->end_kind = kind;
	v->end_code = code;
	/* A call that is over by itself: the module's last word is a result like any other. */
	if (v->state == VPORT_CONNECTED) {
		v->end_kind = AT_NO_CARRIER;
		vport_data_carrier_lost(v);
	}
	if (text_copy(final, v->end_text, sizeof(v->end_text)) < 0)
		v->end_text[0] = '\0';
	v->restore = v->wrapped ? vport_own_restore(v, text_of(v->main + 2)) : NULL;
	if (v->restore && kind != AT_LINK_LOST && kind != AT_TIMEOUT)
		send(v, VPORT_RESTORE, v->restore, true);
	else
		end(v);
}

static void on_line(struct at_cmd *cmd, struct text line)
{
	struct vport *v = vport_of(cmd);

	if (v->phase == VPORT_ASK)
		vport_answer_line(v, line);
}

/* --- prompts ---------------------------------------------------------------------------------------- */

static void show_prompt(struct vport *v)
{
	if (v->shows_prompt)
		vport_write(v, "\r\n> ", 4);
}

static void end_prompt(struct vport *v, bool send_it)
{
	ev_alarm_stop(&v->patience);
	v->state = VPORT_RUNNING;
	v->abortable = false;
	if (send_it) {
		v->body[v->body_n++] = CTRL_Z;
		at_reply(v->chat, &v->cmd, v->body, v->body_n);
	} else {
		at_reply(v->chat, &v->cmd, "\x1b", 1);
	}
	v->body_n = 0;
}

static void on_prompt(struct at_cmd *cmd, char which)
{
	struct vport *v = vport_of(cmd);
	char ahead[VPORT_AHEAD_MAX];
	size_t n = v->ahead_n;

	(void)which;
	v->state = VPORT_PROMPT;
	v->body_n = 0;
	v->shows_prompt = true;
	show_prompt(v);
	ev_alarm_start(&v->patience, PROMPT_WAIT_MS);
	vport_hold(v, false);
	/* Scripts type their message without waiting for the prompt. */
	memcpy(ahead, v->ahead, n);
	v->ahead_n = 0;
	if (n)
		vport_run_typed(v, text_from(ahead, n));
	if (v->state == VPORT_PROMPT && is_left(v))
		end_prompt(v, false);
}


static void type_body(struct vport *v, struct text data)
{
	bool echoes = v->own.n[VPORT_E] && !endpoint_echoes(&v->end);

	while (data.n && v->state == VPORT_PROMPT) {
		char c = data.s[0];

		data = text_skip(data, 1);
		if (v->skip_lf && c == '\n' && !v->body_n) {
			v->skip_lf = false;
			continue;
		}
		v->skip_lf = false;
		if (c == CTRL_Z || c == ESC) {
			end_prompt(v, c == CTRL_Z);
		} else if ((c == 0x08 || c == 0x7f) && v->body_n) {
			v->body_n--;
			if (echoes)
				vport_write(v, "\b \b", 3);
		} else if (v->body_n + 1 < sizeof(v->body)) {
			v->body[v->body_n++] = c;
			if (echoes)
				vport_write(v, &c, 1);
			if (c == '\r')
				show_prompt(v);
		} else {
			/* Too long for any message: as if it had been cancelled. */
			end_prompt(v, false);
		}
	}
	/* What is typed behind it is the next line. */
	if (data.n && data.n <= sizeof(v->ahead) - v->ahead_n) {
		memcpy(v->ahead + v->ahead_n, data.s, data.n);
		v->ahead_n += data.n;
	}
}

/* --- data mode ------------------------------------------------------------------------------------ */

static void on_connected(struct at_cmd *cmd, struct text line)
{
	vport_data_connected(vport_of(cmd), line);
}

static void on_data(struct at_cmd *cmd, struct text octets)
{
	vport_data_octets(vport_of(cmd), octets);
}

static void on_drained(struct at_cmd *cmd)
{
	vport_hold(vport_of(cmd), false);
}

static void on_patience(struct ev_alarm *a)
{
	struct vport *v = container_of(a, struct vport, patience);

	if (v->state == VPORT_CONNECTED) {
		vport_data_hang_up(v, v->lingers || v->ending ? "its client has left an upload unfinished" :
							       "an upload in which nothing happens");
	} else {
		log_info(v->subject, "its client leaves a prompt unanswered, giving it up");
		end_prompt(v, false);
	}
}

/* --- from the client --------------------------------------------------------------------------------------- */

/* One character, and only into the port's own command; what comes at once is its line's. */
static bool type_abort(struct vport *v, struct text data)
{
	if (v->phase != VPORT_ASK || !at_cmd_in_flight(v->chat, &v->cmd) ||
	    ev_now_ms() - v->sent_ms < ABORT_AFTER_MS)
		return false;
	if (!v->aborted) {
		v->aborted = true;
		log_debug(v->subject, "aborts %s", v->text);
		at_write(v->chat, &v->cmd, data.s, 1);
	}
	return true;
}

bool vport_run_typed(struct vport *v, struct text data)
{
	if (v->state == VPORT_PROMPT)
		type_body(v, data);
	else if (v->state == VPORT_CONNECTED)
		vport_data_typed(v, data);
	else
		return type_abort(v, data);
	return true;
}

void vport_run_drop(struct vport *v)
{
	vport_data_stop(v);
	if (!at_cmd_active(&v->cmd))
		return;
	if (v->state == VPORT_PROMPT)
		at_reply(v->chat, &v->cmd, "\x1b", 1);
	if (v->state == VPORT_CONNECTED)
		log_info(v->subject, "its client has left in data mode: hanging up");
	at_cancel(v->chat, &v->cmd);
}

bool vport_run_awaits(const struct vport *v)
{
	return v->state == VPORT_RUNNING && v->phase == VPORT_ASK && at_cmd_in_flight(v->chat, &v->cmd) &&
	       !(v->wrapped && vport_own_restore(v, text_of(v->main + 2)));
}

bool vport_run_leave(struct vport *v)
{
	bool answers = (v->main[2] | 0x20) == 'a';

	switch (v->state) {
	case VPORT_RUNNING:
		if (!v->dialled || answers)
			return true;
		vport_run_drop(v);
		vport_command_done(v, AT_NO_CARRIER, -1, nothing);
		return true;
	case VPORT_PROMPT:
		end_prompt(v, false);
		return true;
	case VPORT_CONNECTED:
		vport_data_leave(v);
		return true;
	case VPORT_AWAY:
	case VPORT_COMMAND:
	case _VPORT_STATE_MAX:
		break;
	}
	return false;
}

void vport_run_init(struct vport *v)
{
	v->cmd = (struct at_cmd){
		.every = true, .line = on_line, .done = on_done, .prompt = on_prompt,
		.connected = on_connected, .data = on_data, .drained = on_drained,
	};
	v->patience.fired = on_patience;
	vport_data_init(v);
}
