/*
 * One command in flight, the rest in a queue. A line that comes is, in this order: the end of the
 * command, its echo, one of its lines, unsolicited, or a stray. What belongs to whom is decided by
 * the command that runs (urc.c): the same prefix is an answer here and an event there.
 */
#include "atcmd/chat.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "atcmd/urc.h"
#include "core/log.h"

/* How long the body of an unsolicited line may take to follow it. */
#define BODY_WAIT_MS 1000

/* A prompt that its owner leaves unanswered: a backstop, the owner's own limit is shorter. */
#define PROMPT_MAX_MS 300000

/* After ESC at a prompt some modules answer nothing at all. */
#define REFUSED_PROMPT_MS 2000

static void make_ready(struct at_chat *c);

static const char *running(const struct at_chat *c)
{
	if (c->now)
		return c->now->text;
	return c->swallowing ? c->now_text : NULL;
}

static bool idle(const struct at_chat *c)
{
	return !c->now && !c->swallowing;
}

static void pump_soon(struct at_chat *c)
{
	ev_task_start(&c->pump);
}

const char *at_chat_line_end(const struct at_chat *c)
{
	return c->crlf ? "\r\n" : "\r";
}

/* --- commands ------------------------------------------------------------------------------ */

static void send(struct at_chat *c, struct at_cmd *cmd)
{
	char line[AT_LINE_MAX];
	int n = snprintf(line, sizeof(line), "%s%s", cmd->text, at_chat_line_end(c));
	int r = n < (int)sizeof(line) ? pipe_write(c->pipe, line, (size_t)n) : -EMSGSIZE;

	c->now = cmd;
	c->fresh = false;
	cmd->state = AT_CMD_EXPECT_RESULT;
	c->echo_seen = false;
	c->body_sent = false;
	c->lexer.prompts = cmd->body || cmd->every || cmd->prompt;
	c->stats.commands++;
	log_wire(c->name, '>', line, (size_t)MIN(n, (int)sizeof(line) - 1));
	/* A line that takes no octets looks like a module that gives no answer, and ends like it. */
	if (r < 0)
		log_warning(c->name, "%s: the port takes no octets (%s)", cmd->text,
			    r == -ENOSPC ? "is flow control right?" : strerror(-r));
	ev_alarm_start(&c->patience, cmd->patience_ms);
}

static void between_commands(struct at_chat *c)
{
	ev_alarm_stop(&c->patience);
	c->lexer.prompts = false;
	if (c->gap_ms)
		ev_alarm_start(&c->gap, c->gap_ms);
	pump_soon(c);
}

static void finish(struct at_chat *c, enum at_end end, int code, struct text final)
{
	struct at_cmd *cmd = c->now;

	c->now = NULL;
	c->swallowing = false;
	between_commands(c);
	if (!cmd)
		return;
	cmd->state = AT_CMD_IDLE;
	cmd->done(cmd, end, code, final);
}

/* The line that was lent is everybody's again. */
static void take_back(struct at_chat *c)
{
	if (c->held && c->pipe && !c->is_lost)
		pipe_hold(c->pipe, false);
	c->lent = c->held = false;
}

static void fail_all(struct at_chat *c)
{
	struct at_cmd *cmd;

	if (c->now) {
		list_add(&c->ended, &c->now->node);
		c->now = NULL;
	}
	list_move_all(&c->ended, &c->queue);
	list_for_each (cmd, &c->ended, node) {
		cmd->state = AT_CMD_ENDED;
		cmd->end = AT_LINK_LOST;
	}
	c->swallowing = false;
	take_back(c);
	pump_soon(c);
}

static void run_ended(struct at_chat *c)
{
	struct at_cmd *cmd;

	while ((cmd = list_first(&c->ended, struct at_cmd, node))) {
		list_del(&cmd->node);
		cmd->state = AT_CMD_IDLE;
		cmd->done(cmd, cmd->end, -1, (struct text){ 0 });
	}
}

static void on_pump(struct ev_task *t)
{
	struct at_chat *c = container_of(t, struct at_chat, pump);
	struct at_cmd *cmd;

	run_ended(c);
	if (c->is_lost && c->pipe) {
		c->pipe->user = NULL;
		c->pipe = NULL;
		c->lost(c, c->lost_error);
		return;
	}
	if (!c->pipe || !idle(c) || c->syncing || c->sync_failed || c->gap.active)
		return;
	cmd = list_first(&c->queue, struct at_cmd, node);
	if (!cmd)
		return;
	list_del(&cmd->node);
	send(c, cmd);
}

static void on_gap(struct ev_alarm *a)
{
	pump_soon(container_of(a, struct at_chat, gap));
}

static void on_patience(struct ev_alarm *a)
{
	struct at_chat *c = container_of(a, struct at_chat, patience);
	bool probing = c->now == &c->probe;

	if (!probing) {
		c->stats.timeouts++;
		log_info(c->name, "%s: no answer, getting back into step", running(c));
	}
	finish(c, AT_TIMEOUT, -1, (struct text){ 0 });
	if (probing)
		return;
	at_chat_sync(c);
	if (c->late)
		c->late(c);
}

static void queue(struct at_chat *c, struct at_cmd *cmd, bool first)
{
	assert(cmd->state == AT_CMD_IDLE && cmd->text && cmd->done && cmd->patience_ms);
	make_ready(c);
	if (!c->pipe || c->is_lost) {
		cmd->state = AT_CMD_ENDED;
		cmd->end = AT_LINK_LOST;
		list_add(&c->ended, &cmd->node);
	} else {
		cmd->state = AT_CMD_QUEUED;
		if (first)
			list_add_first(&c->queue, &cmd->node);
		else
			list_add(&c->queue, &cmd->node);
	}
	pump_soon(c);
}

void at_submit(struct at_chat *c, struct at_cmd *cmd)
{
	queue(c, cmd, false);
}

void at_submit_first(struct at_chat *c, struct at_cmd *cmd)
{
	queue(c, cmd, true);
}

void at_cancel(struct at_chat *c, struct at_cmd *cmd)
{
	switch (cmd->state) {
	case AT_CMD_IDLE:
		return;
	case AT_CMD_QUEUED:
	case AT_CMD_ENDED:
		list_del(&cmd->node);
		break;
	case AT_CMD_EXPECT_RESULT:
		if (c->lent) {
			at_give_back(c, cmd, false);
			return;
		}
		c->now = NULL;
		c->swallowing = true;
		/* What is final for it may need its first letters; more nobody looks at. */
		snprintf(c->now_text, sizeof(c->now_text), "%s", cmd->text);
		break;
	}
	cmd->state = AT_CMD_IDLE;
}

bool at_cmd_in_flight(const struct at_chat *c, const struct at_cmd *cmd)
{
	return c->pipe && !c->is_lost && c->now == cmd;
}

void at_reply(struct at_chat *c, struct at_cmd *cmd, const void *data, size_t n)
{
	if (!at_cmd_in_flight(c, cmd) || c->lent)
		return;
	c->body_sent = true;
	log_wire(c->name, '>', data, n);
	pipe_write(c->pipe, data, n);
	ev_alarm_start(&c->patience, n == 1 && *(const char *)data == 0x1b ? REFUSED_PROMPT_MS :
									     cmd->patience_ms);
}

int at_write(struct at_chat *c, struct at_cmd *cmd, const void *data, size_t n)
{
	if (!at_cmd_in_flight(c, cmd))
		return -EPIPE;
	log_wire(c->name, '>', data, n);
	return pipe_write(c->pipe, data, n);
}

size_t at_backlog(const struct at_chat *c)
{
	return c->pipe && !c->is_lost ? pipe_backlog(c->pipe) : 0;
}

void at_hold(struct at_chat *c, struct at_cmd *cmd, bool on)
{
	if (!at_cmd_in_flight(c, cmd) || !c->lent || c->held == on)
		return;
	c->held = on;
	pipe_hold(c->pipe, on);
}

void at_give_back(struct at_chat *c, struct at_cmd *cmd, bool clean)
{
	if (c->now != cmd || !c->lent)
		return;
	take_back(c);
	c->now = NULL;
	cmd->state = AT_CMD_IDLE;
	at_line_reset(&c->lexer);
	between_commands(c);
	if (!clean)
		at_chat_sync(c);
}

bool at_cmd_active(const struct at_cmd *cmd)
{
	return cmd->state != AT_CMD_IDLE;
}

/* --- lines ---------------------------------------------------------------------------------- */

static void tell(struct at_chat *c, struct text line, struct text body)
{
	struct list_node heard, *n;

	/* A listener may stop listening, itself or others, while it is told. */
	list_init(&heard);
	list_move_all(&heard, &c->urcs);
	while ((n = heard.next) != &heard) {
		struct at_urc *u = list_entry(n, struct at_urc, node);

		list_del(n);
		list_add(&c->urcs, n);
		if (text_starts(line, u->prefix))
			u->heard(u, line, body);
	}
}

static void on_body_wait(struct ev_alarm *a)
{
	struct at_chat *c = container_of(a, struct at_chat, body_wait);
	char line[AT_LINE_MAX];

	snprintf(line, sizeof(line), "%s", c->urc_line);
	c->urc_line[0] = '\0';
	tell(c, text_of(line), (struct text){ 0 });
}

static void take_urc(struct at_chat *c, struct text line)
{
	c->stats.urcs++;
	if (at_urc_has_body(line) && text_copy(line, c->urc_line, sizeof(c->urc_line)) == 0) {
		ev_alarm_start(&c->body_wait, BODY_WAIT_MS);
		return;
	}
	tell(c, line, (struct text){ 0 });
}

static bool is_echo(struct at_chat *c, struct text line)
{
	const char *text = running(c);

	if (!text)
		return false;
	if (c->body_sent && text_starts(line, ">"))
		return true;    /* repeated prompts and the echo of a body */
	if (c->echo_seen)
		return false;
	/* Whole or, where the line loses octets, damaged: hardly anything a module says starts so. */
	if (!text_eq(line, text) && (c->echo_off || !text_case_starts(line, "AT")))
		return false;
	c->echo_seen = true;
	return true;
}

static void write_raw(struct at_chat *c, const void *data, size_t n)
{
	log_wire(c->name, '>', data, n);
	pipe_write(c->pipe, data, n);
}

static void answer_prompt(struct at_chat *c, char which)
{
	struct at_cmd *cmd = c->now;

	if (cmd && cmd->prompt && !c->body_sent) {
		ev_alarm_start(&c->patience, PROMPT_MAX_MS);
		cmd->prompt(cmd, which);
		return;
	}
	if (!cmd || !cmd->body || c->body_sent) {
		if (!c->body_sent) {
			write_raw(c, "\x1b", 1);
			c->lexer.prompts = false;
			ev_alarm_start(&c->patience, REFUSED_PROMPT_MS);
		}
		return;
	}
	c->body_sent = true;
	write_raw(c, cmd->body, cmd->body_n);
	if (!cmd->body_raw)
		write_raw(c, "\x1a", 1);
	ev_alarm_start(&c->patience, cmd->patience_ms);
}

/* The line belongs to the command in flight, from the next octet on. */
static void lend(struct at_chat *c, struct text line)
{
	c->lent = c->lent_lf = true;
	ev_alarm_stop(&c->patience);
	c->lexer.prompts = false;
	c->now->connected(c->now, line);
	at_line_reset(&c->lexer);
}

static void end_command(struct at_chat *c, enum at_end end, int code, struct text final)
{
	if (end == AT_CONNECT) {
		if (c->now && c->now->connected) {
			lend(c, final);
			return;
		}
		if (c->now && c->now->body && c->now->body_raw && !c->body_sent) {
			answer_prompt(c, '>');
			return;
		}
	}
	finish(c, end, code, final);
	/* Nobody here asked for data mode: find the way out of it before the next command. */
	if (end == AT_CONNECT)
		at_chat_sync(c);
}

static void on_line(struct at_line *l, struct text line)
{
	struct at_chat *c = container_of(l, struct at_chat, lexer);
	const char *text = running(c);
	enum at_end end;
	int code;

	if (c->urc_line[0]) {
		char head[AT_LINE_MAX];
		bool final = text && at_result(line, text, &end, &code);

		ev_alarm_stop(&c->body_wait);
		snprintf(head, sizeof(head), "%s", c->urc_line);
		c->urc_line[0] = '\0';
		tell(c, text_of(head), final ? (struct text){ 0 } : line);
		if (!final || !c->pipe)
			return;
	}
	if (text && at_result(line, text, &end, &code)) {
		end_command(c, end, code, line);
		return;
	}
	if (text && c->now == &c->probe && at_result_numeric(line, &end) && !c->probe.prefix) {
		finish(c, end, -1, line);
		return;
	}
	if (is_echo(c, line)) {
		if (c->echo_off && !c->syncing && c->echoed)
			c->echoed(c);
		return;
	}
	if (at_urc_is(line, text)) {
		take_urc(c, line);
		return;
	}
	if (c->now && (c->now->every || at_answers(line, text) ||
		       (c->now->prefix && text_case_starts(line, c->now->prefix)))) {
		if (c->now->connected && text_eq(line, "DOWNLOAD"))
			lend(c, line);
		else if (c->now->body && c->now->body_raw && text_eq(line, "DOWNLOAD"))
			answer_prompt(c, '>');
		else if (c->now->line)
			c->now->line(c->now, line);
		return;
	}
	if (c->swallowing)
		return;
	c->stats.strays++;
	tell(c, line, (struct text){ 0 });
}

static void on_prompt(struct at_line *l, char which)
{
	struct at_chat *c = container_of(l, struct at_chat, lexer);

	log_debug(c->name, "prompt '%c'", which);
	if (which == '@' && c->now && c->now->connected)
		lend(c, TEXT("@"));
	else
		answer_prompt(c, which);
}

static void on_overlong(struct at_line *l)
{
	struct at_chat *c = container_of(l, struct at_chat, lexer);

	c->stats.overlong++;
	log_warning(c->name, "a line of more than %d octets, ignoring it", AT_LINE_MAX);
}

static void on_received(struct pipe_user *u, struct text data)
{
	struct at_chat *c = container_of(u, struct at_chat, user);

	c->heard_ms = ev_now_ms();
	log_wire(c->name, '<', data.s, data.n);
	while (data.n && c->pipe && !c->lent)
		data = text_skip(data, at_line_feed(&c->lexer, data));
	if (data.n && c->pipe && c->lent) {
		if (c->lent_lf && data.s[0] == '\n')
			data = text_skip(data, 1);
		c->lent_lf = false;
		if (data.n)
			c->now->data(c->now, data);
		return;
	}
	if (c->pipe && at_line_held(&c->lexer))
		ev_alarm_start(&c->hold, AT_LINE_HOLD_MS);
}

static void on_drained(struct pipe_user *u)
{
	struct at_chat *c = container_of(u, struct at_chat, user);

	if (c->lent && c->now->drained)
		c->now->drained(c->now);
}

static void on_hold(struct ev_alarm *a)
{
	at_line_flush(&container_of(a, struct at_chat, hold)->lexer);
}

/* What was on its way on the line that is gone: nothing of it may happen any more. */
static void forget_line(struct at_chat *c)
{
	ev_alarm_stop(&c->patience);
	ev_alarm_stop(&c->hold);
	ev_alarm_stop(&c->gap);
	ev_alarm_stop(&c->body_wait);
	at_line_reset(&c->lexer);
	proc_drop(&c->resync);
}

static void on_hung_up(struct pipe_user *u, int error)
{
	struct at_chat *c = container_of(u, struct at_chat, user);

	c->is_lost = true;
	c->lost_error = error;
	forget_line(c);
	c->syncing = false;
	fail_all(c);
}

/* --- the chat itself -------------------------------------------------------------------------- */

static void on_resync_finished(struct proc *p)
{
	struct at_chat *c = container_of(p, struct at_chat, resync);

	c->syncing = false;
	if (cause_is_set(&p->cause)) {
		c->sync_failed = true;
		c->silent(c);
		return;
	}
	if (c->synced)
		c->synced(c);
	pump_soon(c);
}

static void on_resync_abandon(struct proc *p)
{
	struct at_chat *c = container_of(p, struct at_chat, resync);

	if (at_cmd_active(&c->probe)) {
		at_cancel(c, &c->probe);
		c->swallowing = false;
		ev_alarm_stop(&c->patience);
	}
}

/* Before the first use, whatever it is: listeners and commands may come before a pipe. */
static void make_ready(struct at_chat *c)
{
	if (c->pump.run)
		return;
	list_init(&c->queue);
	list_init(&c->ended);
	list_init(&c->urcs);
	c->lexer.line = on_line;
	c->lexer.prompt = on_prompt;
	c->lexer.overlong = on_overlong;
	c->user.received = on_received;
	c->user.drained = on_drained;
	c->user.hung_up = on_hung_up;
	c->patience.fired = on_patience;
	c->hold.fired = on_hold;
	c->gap.fired = on_gap;
	c->body_wait.fired = on_body_wait;
	c->pump.run = on_pump;
	c->resync.steps = at_resync_steps;
	c->resync.abandon = on_resync_abandon;
	c->resync.finished = on_resync_finished;
}

void at_chat_open(struct at_chat *c, struct pipe *pipe)
{
	assert(!c->pipe);
	make_ready(c);
	c->resync.name = c->name;
	c->pipe = pipe;
	c->is_lost = c->sync_failed = c->syncing = c->echo_off = false;
	c->crlf = c->crlf_doubt = false;
	c->fresh = true;
	at_line_reset(&c->lexer);
	c->urc_line[0] = '\0';
	c->heard_ms = ev_now_ms();
	pipe->user = &c->user;
}

void at_chat_close(struct at_chat *c)
{
	make_ready(c);
	take_back(c);
	if (c->pipe)
		c->pipe->user = NULL;
	c->pipe = NULL;
	c->is_lost = false;
	forget_line(c);
	c->syncing = c->sync_failed = false;
	fail_all(c);
}

bool at_chat_is_open(const struct at_chat *c)
{
	return c->pipe && !c->is_lost;
}

void at_listen(struct at_chat *c, struct at_urc *u)
{
	make_ready(c);
	list_add(&c->urcs, &u->node);
}

void at_unlisten(struct at_urc *u)
{
	if (u->node.next)
		list_del(&u->node);
}

void at_chat_sync(struct at_chat *c)
{
	if (!at_chat_is_open(c))
		return;
	if (c->syncing)
		proc_drop(&c->resync);
	/* What is in flight is given up: its answer is among what the resync drops. */
	if (c->now && c->now != &c->probe) {
		c->now->state = AT_CMD_ENDED;
		c->now->end = AT_LINK_LOST;
		list_add(&c->ended, &c->now->node);
		c->now = NULL;
		ev_alarm_stop(&c->patience);
		pump_soon(c);
	}
	c->syncing = true;
	c->sync_failed = c->swallowing = false;
	take_back(c);
	c->stats.resyncs++;
	proc_start(&c->resync);
}

bool at_chat_in_step(const struct at_chat *c)
{
	return at_chat_is_open(c) && !c->syncing && !c->sync_failed;
}

bool at_chat_lent(const struct at_chat *c)
{
	return c->lent;
}

bool at_chat_busy(const struct at_chat *c)
{
	return !idle(c) || !list_empty(&c->queue);
}
