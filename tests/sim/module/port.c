/* The input side of an AT interpreter: typing, prompts, data. line.c runs what was typed. */
#include "sim/module/port.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "sim/module/card_task.h"
#include "sim/module/line.h"
#include "sim/module/module.h"

#define CTRL_Z 0x1a
#define ESC 0x1b
#define S_CR 3
#define S_LF 4
#define S_BS 5
#define S_WAIT 7
#define S_GUARD 12              /* in fiftieths of a second */
#define ABORT_AFTER_MS 125      /* V.250 5.6.1: a line feed behind the CR aborts nothing */
#define PLUSES 3

void port_raw(struct port *p, const void *data, size_t n)
{
	if (n)
		p->write(p, data, n);
}

static void echo(struct port *p, char c)
{
	if (p->set.echo)
		port_raw(p, &c, 1);
}

/* --- unsolicited lines ---------------------------------------------------------------------------- */

static bool must_wait(const struct port *p)
{
	if (p->quiet_yet)
		return true;
	switch (p->state) {
	case PORT_COMMAND:
		return p->set.echo && (p->line_n || p->seen);
	case PORT_BUSY:
		return p->sent > 0;     /* the answer is out by half */
	case PORT_DATA:
		return true;
	case PORT_PROMPT:
	case _PORT_STATE_MAX:
		break;
	}
	return false;
}

void port_urc(struct port *p, const char *fmt, ...)
{
	char text[1024], framed[1040];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = snprintf(framed, sizeof(framed), p->set.verbose ? "\r\n%s\r\n" : "%s\r\n", text);
	if (must_wait(p))
		buf_put(&p->urcs, framed, (size_t)n);   /* a full store loses it, as modules do */
	else
		port_raw(p, framed, (size_t)n);
}

static void show_held_urcs(struct port *p)
{
	uint8_t held[PORT_ANSWER_MAX];
	size_t n = p->urcs.len;

	if (!n || must_wait(p))
		return;
	memcpy(held, buf_data(&p->urcs), n);
	buf_clear(&p->urcs);
	port_raw(p, held, n);
}

/* --- typing --------------------------------------------------------------------------------------- */

static void forget_line(struct port *p)
{
	p->line_n = 0;
	p->seen = 0;
	p->too_long = false;
}

static void line_typed(struct port *p)
{
	bool complete = p->seen == 2;

	if (complete && !p->too_long) {
		memcpy(p->last, p->line, p->line_n);
		p->last_n = p->line_n;
		line_run(p);
	} else if (complete) {
		line_refuse(p);
	}
	forget_line(p);
	if (!complete)
		ev_task_start(&p->next);
}

/* V.250 5.2.1: the prefix is "AT" or "at"; what comes before it is passed over. */
static void look_for_prefix(struct port *p, char c)
{
	bool lower = c >= 'a' && c <= 'z';

	if (p->seen == 1 && c == '/' && p->last_n) {
		memcpy(p->line, p->last, p->last_n);
		p->line_n = p->last_n;
		line_run(p);
		forget_line(p);
	} else if (p->seen == 1 && (c == 'T' || c == 't') && lower == (p->line[0] == 'a')) {
		p->seen = 2;
	} else if (c == 'A' || c == 'a') {
		p->line[0] = c;
		p->seen = 1;
	} else {
		p->seen = 0;
	}
}

static void backspace(struct port *p)
{
	if (p->line_n)
		p->line_n--;
	else
		p->seen = p->seen == 2 ? 1 : 0;
}

static size_t max_line(const struct port *p)
{
	unsigned own = p->m->persona->max_line;

	return MIN(own ? own : PERSONA_MAX_LINE, sizeof(p->line));
}

static void type(struct port *p, char c)
{
	if (c == '\n' && p->m->persona->line_crlf && p->line_n && p->line[p->line_n - 1] == '\r') {
		p->line_n--;
		echo(p, c);
		line_typed(p);
		return;
	}
	if (c == '\n' || c == '\0')
		return;
	echo(p, c);
	if (c == p->set.s[S_CR] && !(p->m->persona->line_crlf && p->seen == 2)) {
		line_typed(p);
		return;
	}
	if (c == p->set.s[S_BS] || c == 0x7f) {
		backspace(p);
		return;
	}
	if (p->seen < 2) {
		look_for_prefix(p, c);
		return;
	}
	if (p->line_n == max_line(p))
		p->too_long = true;
	else
		p->line[p->line_n++] = c;
}

/* --- while a command runs ------------------------------------------------------------------------- */

static void wait_or_abort(struct port *p, char c)
{
	bool early = ev_now_ms() - p->began_ms < ABORT_AFTER_MS;

	if (early && c == '\n' && !p->m->persona->line_crlf)
		return;
	if (!early && p->call.command && p->call.command->abortable && line_abort(p))
		return;
	buf_put(&p->waiting, &c, 1);            /* a full store loses it */
}

/* --- prompt --------------------------------------------------------------------------------------- */

static void show_prompt(struct port *p)
{
	port_raw(p, "\r\n> ", 4);
}

void port_prompt(struct port *p, bool again,
		 void (*done)(struct port *p, struct text body, bool cancelled))
{
	p->prompt_done = done;
	p->prompt_again = again;
	p->body_n = 0;
	p->state = PORT_PROMPT;
	line_show_so_far(p);
	show_prompt(p);
}

static void end_prompt(struct port *p, bool cancelled)
{
	p->state = PORT_BUSY;
	p->prompt_done(p, text_from(p->body, p->body_n), cancelled);
}

static void take_text(struct port *p, char c)
{
	if (c == ESC) {
		end_prompt(p, true);
		return;
	}
	echo(p, c);
	if (c == CTRL_Z) {
		end_prompt(p, false);
		return;
	}
	if (c == '\r' && p->prompt_again)
		show_prompt(p);
	/* Too much text is cut here and refused where it is judged: nothing valid is that long. */
	if (p->body_n < sizeof(p->body))
		p->body[p->body_n++] = c;
}

/* --- data ----------------------------------------------------------------------------------------- */

static unsigned guard_ms(const struct port *p)
{
	return p->set.s[S_GUARD] * 20u;
}

static void on_guard(struct ev_alarm *a)
{
	struct port *p = container_of(a, struct port, guard);

	if (p->state != PORT_DATA || p->plus != PLUSES)
		return;
	p->was_data = true;
	p->state = PORT_COMMAND;
	line_result(p, END_OK);
	ev_task_start(&p->next);
}

/* The other end of the connection gives back what it gets. */
static void take_data(struct port *p, const char *data, size_t n)
{
	uint64_t now = ev_now_ms();

	for (size_t i = 0; i < n; i++) {
		if (data[i] == '+' && p->plus < PLUSES &&
		    (p->plus || now - p->last_octet_ms >= guard_ms(p)))
			p->plus++;
		else
			p->plus = 0;
		p->last_octet_ms = now;
	}
	if (p->plus == PLUSES)
		ev_alarm_start(&p->guard, guard_ms(p));
	else
		ev_alarm_stop(&p->guard);
	port_raw(p, data, n);
}

void port_leave_data(struct port *p, const char *words)
{
	if (p->state != PORT_DATA && !p->was_data)
		return;
	if (p->state == PORT_DATA)
		p->state = PORT_COMMAND;
	p->was_data = false;
	ev_alarm_stop(&p->guard);
	if (p->carrier)
		p->carrier(p, false);
	if (words)
		port_urc(p, "%s", words);
	ev_task_start(&p->next);
}

/* --- octets --------------------------------------------------------------------------------------- */

void port_feed(struct port *p, const void *data, size_t n)
{
	const char *s = data;

	if (p->quiet_yet && n) {
		p->quiet_yet = false;
		show_held_urcs(p);
	}
	for (size_t i = 0; i < n; i++) {
		switch (p->state) {
		case PORT_COMMAND:
			if (p->waiting.len)
				wait_or_abort(p, s[i]);         /* after what waits already */
			else
				type(p, s[i]);
			break;
		case PORT_BUSY:
			wait_or_abort(p, s[i]);
			break;
		case PORT_PROMPT:
			take_text(p, s[i]);
			break;
		case PORT_DATA:
			take_data(p, s + i, n - i);
			return;
		case _PORT_STATE_MAX:
			break;
		}
	}
}

/* A line has ended: what was held back follows. */
static void on_next(struct ev_task *t)
{
	struct port *p = container_of(t, struct port, next);

	if (p->ended >= 0) {
		int end = p->ended;

		p->ended = -1;
		line_go_on(p, end);
		return;
	}
	show_held_urcs(p);
	while (p->state == PORT_COMMAND && p->waiting.len) {
		char c = (char)*buf_data(&p->waiting);

		buf_drop(&p->waiting, 1);
		type(p, c);
	}
}

void port_end(struct port *p, int end)
{
	assert(p->state == PORT_BUSY || p->state == PORT_PROMPT);
	p->state = PORT_BUSY;
	p->ended = end;
	ev_task_start(&p->next);
}

/* --- life ----------------------------------------------------------------------------------------- */

void port_default_registers(struct port *p)
{
	memset(p->set.s, 0, sizeof(p->set.s));
	p->set.s[S_CR] = '\r';
	p->set.s[S_LF] = '\n';
	p->set.s[S_BS] = '\b';
	p->set.s[S_WAIT] = 60;
	p->set.s[S_GUARD] = 50;
}

void port_reset(struct port *p)
{
	p->set = (struct port_settings){
		.echo = !p->m->persona->no_echo, .verbose = true, .x = 4, .cscs = "GSM",
	};
	port_default_registers(p);
	p->state = PORT_COMMAND;
	p->mux_n1 = 0;
	p->quiet_yet = p->m->persona->autobaud;
	forget_line(p);
	p->last_n = 0;
	p->ended = -1;
	p->sent = 0;
	p->plus = 0;
	p->was_data = false;
	p->call.command = NULL;
	buf_clear(&p->waiting);
	buf_clear(&p->urcs);
	card_task_drop(p);
	port_stop(p);
}

void port_init(struct port *p, struct module *m)
{
	p->m = m;
	p->waiting = BUF_ON(p->waiting_store);
	p->urcs = BUF_ON(p->urc_store);
	p->next.run = on_next;
	p->guard.fired = on_guard;
	line_init(p);
	card_task_init(p);
	port_reset(p);
}

void port_stop(struct port *p)
{
	ev_alarm_stop(&p->later);
	ev_alarm_stop(&p->guard);
	ev_task_stop(&p->next);
}
