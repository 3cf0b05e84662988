/*
 * Taking a command line apart (V.250 5.2 to 5.4), running its commands one after the other, and
 * giving the answer as a whole, with what the faults do to it.
 */
#include "sim/module/line.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "sim/module/errors.h"
#include "sim/module/module.h"

/* --- the answer ----------------------------------------------------------------------------------- */

static void add(struct port *p, const char *s, size_t n)
{
	n = MIN(n, sizeof(p->answer) - p->answer_n);
	memcpy(p->answer + p->answer_n, s, n);
	p->answer_n += n;
}

static void begin_answer_line(struct port *p)
{
	if (p->cuts_n < PORT_CUTS)
		p->cuts[p->cuts_n++] = p->answer_n;
	if (p->set.verbose)
		add(p, "\r\n", 2);
}

void port_say(struct port *p, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	begin_answer_line(p);
	add(p, text, MIN((size_t)MAX(n, 0), sizeof(text) - 1));
	add(p, "\r\n", 2);
}

int port_refuse(struct port *p, const char *words)
{
	text_copy(text_of(words), p->final_text, sizeof(p->final_text));
	return END_TEXT;
}

static const struct {
	const char *text, *number;
} finals[_END_NAMED_MAX] = {
	[END_OK] = { "OK", "0" },
	[END_ERROR] = { "ERROR", "4" },
	[END_CONNECT] = { "CONNECT 150000000", "1" },
	[END_NO_CARRIER] = { "NO CARRIER", "3" },
};

/* 27.007 9.1, 27.005 3.2.5: by +CMEE a bare ERROR, a number or words. */
static void error_text(const struct port *p, int end, char *dst, size_t cap)
{
	bool sms = end >= _END_CMS;
	int code = end - (sms ? _END_CMS : _END_CME);
	const char *words = sms ? cms_words(code) : cme_words(code);

	if (p->set.cmee == 0 && !sms)
		snprintf(dst, cap, "ERROR");
	else if (p->set.cmee == 2 && words)
		snprintf(dst, cap, "+CM%c ERROR: %s", sms ? 'S' : 'E', words);
	else
		snprintf(dst, cap, "+CM%c ERROR: %d", sms ? 'S' : 'E', code);
}

static void add_final(struct port *p, int end)
{
	char text[128];

	if (p->set.quiet)
		return;
	if (end >= _END_CME)
		error_text(p, end, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s",
			 end == END_TEXT ? p->final_text : finals[end].text);
	if (end == END_CONNECT && p->set.x == 0)
		snprintf(text, sizeof(text), "CONNECT");
	begin_answer_line(p);
	if (!p->set.verbose && (end >= _END_CME || end == END_TEXT)) {
		if (!strcmp(text, "ERROR"))
			snprintf(text, sizeof(text), "4");
		add(p, text, strlen(text));
		add(p, "\r", 1);
	} else if (!p->set.verbose) {
		add(p, finals[end].number, 1);
		add(p, "\r", 1);
	} else {
		add(p, text, strlen(text));
		add(p, "\r\n", 2);
	}
}

static void clear_answer(struct port *p)
{
	p->answer_n = 0;
	p->cuts_n = 0;
	p->sent = 0;
}

void line_show_so_far(struct port *p)
{
	port_raw(p, p->answer, p->answer_n);
	clear_answer(p);
}

void line_result(struct port *p, int end)
{
	clear_answer(p);
	add_final(p, end);
	line_show_so_far(p);
}

/* --- faults --------------------------------------------------------------------------------------- */

static void put_into_answer(struct port *p, size_t at, const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof(p->answer) - p->answer_n)
		return;
	memmove(p->answer + at + n, p->answer + at, p->answer_n - at);
	memcpy(p->answer + at, s, n);
	p->answer_n += n;
}

static void damage_answer(struct port *p)
{
	uint64_t *rng = &p->m->rng;
	const struct fate *f = &p->fate;

	if (fate_has(f, FAULT_URC) && p->cuts_n) {
		char urc[160];

		module_some_urc(p->m, urc, sizeof(urc));
		put_into_answer(p, p->cuts[rng_below(rng, p->cuts_n)], urc);
	}
	for (unsigned i = 0; fate_has(f, FAULT_GARBAGE) && p->answer_n && i < f->arg[FAULT_GARBAGE];
	     i++)
		p->answer[rng_below(rng, (unsigned)p->answer_n)] ^= (char)(1 + rng_below(rng, 255));
	for (unsigned i = 0; fate_has(f, FAULT_LOSE) && p->answer_n && i < f->arg[FAULT_LOSE];
	     i++) {
		size_t at = rng_below(rng, (unsigned)p->answer_n--);

		memmove(p->answer + at, p->answer + at + 1, p->answer_n - at);
	}
	if (fate_has(f, FAULT_TRUNCATED))
		p->answer_n = rng_below(rng, (unsigned)p->answer_n + 1);
}

/* --- giving the answer ---------------------------------------------------------------------------- */

static void answered(struct port *p)
{
	bool connected = p->final == END_CONNECT;

	clear_answer(p);
	p->call.command = NULL;
	p->state = connected ? PORT_DATA : PORT_COMMAND;
	if (connected) {
		p->plus = 0;
		p->was_data = false;
		p->last_octet_ms = ev_now_ms();
		if (p->carrier)
			p->carrier(p, true);
	}
	ev_task_start(&p->next);
	if (p->mux_n1) {
		unsigned n1 = p->mux_n1;

		p->mux_n1 = 0;
		p->m->begin_mux(p->m, n1);
	}
}

static void send_answer(struct port *p)
{
	bool split = fate_has(&p->fate, FAULT_SPLIT) && p->sent == 0 && p->answer_n > 1;
	size_t n = split ? 1 + rng_below(&p->m->rng, (unsigned)p->answer_n - 1)
			 : p->answer_n - p->sent;

	port_raw(p, p->answer + p->sent, n);
	p->sent += n;
	if (split)
		ev_alarm_start(&p->later, p->fate.arg[FAULT_SPLIT]);
	else
		answered(p);
}

static void on_later(struct ev_alarm *a)
{
	send_answer(container_of(a, struct port, later));
}

static void finish(struct port *p, int end)
{
	unsigned wait = p->m->o.latency_ms;

	if (fate_has(&p->fate, FAULT_RESET)) {
		module_restart(p->m);
		return;
	}
	if (fate_has(&p->fate, FAULT_HANG)) {
		unsigned until = MIN(p->fate.arg[FAULT_HANG], (unsigned)_MODULE_HUNG_MAX - 1);

		module_hang(p->m, (enum module_hung)MAX(until, 1u));
		return;
	}
	if (fate_has(&p->fate, FAULT_HANG_UP)) {
		unsigned ms = p->fate.arg[FAULT_HANG_UP];

		p->final = END_SILENT;
		answered(p);
		module_hang_up(p->m, ms);
		return;
	}
	if (end != END_SILENT)
		add_final(p, end);
	if (end == END_SILENT || fate_has(&p->fate, FAULT_NO_ANSWER)) {
		p->final = END_SILENT;
		answered(p);
		return;
	}
	damage_answer(p);
	p->final = end;
	if (fate_has(&p->fate, FAULT_LATE))
		wait += p->fate.arg[FAULT_LATE];
	if (wait)
		ev_alarm_start(&p->later, wait);
	else
		send_answer(p);
}

/* --- taking apart --------------------------------------------------------------------------------- */

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || strchr("_-./:!%", c);
}

static size_t end_of_args(struct text t)
{
	bool quoted = false;
	size_t n = 0;

	while (n < t.n && (quoted || t.s[n] != ';')) {
		if (t.s[n] == '"')
			quoted = !quoted;
		n++;
	}
	return n;
}

static void upper(char *dst, struct text name)
{
	for (size_t i = 0; i < name.n; i++)
		dst[i] = (char)toupper((unsigned char)name.s[i]);
	dst[name.n] = '\0';
}

/* "+NAME", then =?, =..., ? or nothing. */
static int take_extended(struct port *p)
{
	struct text t = p->rest;
	size_t n = 1, end;

	while (n < t.n && is_name(t.s[n]))
		n++;
	if (n >= sizeof(p->name))
		return -1;
	upper(p->name, text_from(t.s, n));
	t = text_skip(t, n);
	end = end_of_args(t);
	p->rest = text_skip(t, end + 1);
	t = text_trim(text_from(t.s, end));
	if (text_starts(t, "=?")) {
		p->call.form = FORM_TEST;
		return t.n == 2 ? 0 : -1;
	}
	if (text_starts(t, "=")) {
		p->call.form = FORM_SET;
		p->call.args = text_trim(text_skip(t, 1));
		return 0;
	}
	if (text_eq(t, "?")) {
		p->call.form = FORM_READ;
		return 0;
	}
	p->call.form = FORM_ACTION;
	return t.n == 0 ? 0 : -1;
}

/* A letter (behind & or \, too), then a number; S has a second form, D takes the rest. */
static int take_basic(struct port *p)
{
	struct text t = p->rest;
	size_t letter = t.s[0] == '&' || t.s[0] == '\\' ? 2 : 1, n = letter;

	if (t.n < letter)
		return -1;
	upper(p->name, text_from(t.s, letter));
	p->call.form = FORM_SET;
	if (p->name[0] == 'D') {
		n = end_of_args(t);
		p->call.args = text_trim(text_from(t.s + 1, n - 1));
		p->rest = text_skip(t, n + 1);
		return 0;
	}
	while (n < t.n && isdigit((unsigned char)t.s[n]))
		n++;
	if (p->name[0] == 'S' && n < t.n && (t.s[n] == '=' || t.s[n] == '?')) {
		bool set = t.s[n++] == '=';

		while (set && n < t.n && isdigit((unsigned char)t.s[n]))
			n++;
	}
	p->call.args = text_from(t.s + letter, n - letter);
	p->rest = text_skip(t, n);
	if (text_starts(p->rest, ";"))
		p->rest = text_skip(p->rest, 1);
	return 0;
}

static int take_command(struct port *p)
{
	p->call = (struct call){ .m = p->m, .port = p };
	if (isalpha((unsigned char)p->rest.s[0]) || p->rest.s[0] == '&' || p->rest.s[0] == '\\')
		return take_basic(p);
	return strchr("+#%^*$!@", p->rest.s[0]) ? take_extended(p) : -1;
}

/* --- running -------------------------------------------------------------------------------------- */

static int run_command(struct port *p)
{
	struct call *c = &p->call;

	if (take_command(p) < 0)
		return END_ERROR;
	/* Some restart by themselves now and then, in the middle of whatever they do. */
	if (++p->m->commands == p->m->persona->restart_after) {
		p->fate.what |= 1u << FAULT_RESET;
		port_urc(p, "^boot.rom");
		return END_ERROR;
	}
	faults_meet(&p->m->faults, p->name, &p->fate);
	if (fate_has(&p->fate, FAULT_ERROR))
		return END_ERROR;
	if (fate_has(&p->fate, FAULT_CME))
		return END_CME((int)p->fate.arg[FAULT_CME]);
	c->command = commands_find(p->m, text_of(p->name));
	if (!c->command)
		return END_ERROR;
	if (!(c->command->forms & c->form))
		return c->form == FORM_TEST ? END_OK : END_ERROR;
	return c->command->run(c);
}

static void run_rest(struct port *p)
{
	int end = END_OK;

	while (end == END_OK) {
		p->rest = text_trim(p->rest);
		if (p->rest.n == 0)
			break;
		end = run_command(p);
	}
	if (end != END_LATER)
		finish(p, end);
}

void line_go_on(struct port *p, int end)
{
	if (end == END_OK)
		run_rest(p);
	else
		finish(p, end);
}

void line_run(struct port *p)
{
	if (p->m->persona->silent || !module_listens(p->m))
		return;
	clear_answer(p);
	p->fate = (struct fate){ 0 };
	p->state = PORT_BUSY;
	p->began_ms = ev_now_ms();
	p->rest = text_from(p->line, p->line_n);
	if (text_trim(p->rest).n == 0)
		faults_meet(&p->m->faults, "AT", &p->fate);
	/* Where a lone CR ends nothing, it is a character that no command has. */
	if (text_find(p->rest, '\r') < p->rest.n)
		finish(p, END_ERROR);
	else
		run_rest(p);
}

void line_refuse(struct port *p)
{
	if (p->m->persona->silent || !module_listens(p->m))
		return;
	clear_answer(p);
	p->fate = (struct fate){ 0 };
	p->state = PORT_BUSY;
	finish(p, END_ERROR);
}

bool line_abort(struct port *p)
{
	if (p->ended >= 0 || p->later.active)
		return false;
	module_abort(p->m, p);
	port_end(p, END_ERROR);
	return true;
}

void line_init(struct port *p)
{
	p->later.fired = on_later;
}

const struct command *commands_find(const struct module *m, struct text name)
{
	static const struct command *const tables[] = {
		basic_commands, general_commands, card_commands,
		net_commands,	sms_commands,	  apdu_commands,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct command *c = tables[i]; c->name; c++)
			if (text_eq(name, c->name) && (!c->makers || c->makers & m->persona->maker))
				return c;
	return NULL;
}
