/*
 * The lexer. Ground state is the start of a line: NULs, blanks behind a prompt and empty lines
 * vanish there. A CR ends a line at once, because in V0 nothing follows it; the LF behind it then
 * ends an empty line, which is nothing. Quotes count only in lines that begin like an answer
 * ("+NAME:"): in free text a quote means nothing.
 */
#include "atcmd/line.h"

#include <string.h>

enum { NUL = 0x00, ESC = 0x1b, CTRL_Z = 0x1a };

static void start_line(struct at_line *l)
{
	l->n = 0;
	l->held = 0;
	l->in_quotes = false;
}

static void emit(struct at_line *l, struct text t)
{
	t = text_trim(t);
	/* A few give the prompt a line of its own. */
	if (l->prompts && t.n == 1 && (t.s[0] == '>' || t.s[0] == '@'))
		l->prompt(l, t.s[0]);
	else if (t.n)
		l->line(l, t);
}

/* Gives the pieces of a held line on as lines of their own. */
static void split(struct at_line *l)
{
	size_t from = 0;
	unsigned held = l->held;
	size_t n = l->n;

	for (unsigned i = 0; i < held && !l->stop; i++) {
		emit(l, text_from(l->text + from, l->ends[i] - from));
		from = l->ends[i] + 1;
	}
	if (!l->stop)
		emit(l, text_from(l->text + from, n - from));
	start_line(l);
}

static bool answer_like(const struct at_line *l)
{
	return l->n > 1 && strchr("+#^%*!$", l->text[0]) && memchr(l->text, ':', l->n);
}

static void end_line(struct at_line *l)
{
	size_t n = l->n;

	if (l->dropping) {
		l->dropping = false;
		start_line(l);
		l->overlong(l);
		return;
	}
	if (n == 0)
		return;
	if (l->in_quotes && answer_like(l)) {
		/* CR LF is one end, and so is each further one of a run. */
		if (l->held && l->ends[l->held - 1] == n - 1)
			return;
		if (l->held < AT_LINE_PIECES && n + 1 < AT_LINE_MAX) {
			l->ends[l->held++] = n;
			l->text[l->n++] = '\n';
			return;
		}
		split(l);
		return;
	}
	start_line(l);
	emit(l, text_from(l->text, n));
}

static void take(struct at_line *l, char c)
{
	if (l->dropping)
		return;
	if (l->n == 0 && l->after_prompt && c == ' ') {
		l->after_prompt = false;
		return;
	}
	l->after_prompt = false;
	if (l->n == AT_LINE_MAX) {
		if (l->held) {
			split(l);
		} else {
			l->dropping = true;
			return;
		}
	}
	if (c == '"')
		l->in_quotes = !l->in_quotes;
	l->text[l->n++] = c;
}

/* "> " or "@" and nothing more: asked only where the data ends, for a line may start like that. */
static void look_for_prompt(struct at_line *l)
{
	char which;

	if (!l->prompts || l->n == 0 || l->n > 2)
		return;
	which = l->text[0];
	if ((which != '>' && which != '@') || (l->n == 2 && l->text[1] != ' '))
		return;
	l->after_prompt = l->n == 1;
	start_line(l);
	l->prompt(l, which);
}

size_t at_line_feed(struct at_line *l, struct text data)
{
	size_t i = 0;

	l->stop = false;
	while (i < data.n && !l->stop) {
		char c = data.s[i++];

		if (c == '\r' || c == '\n' || c == CTRL_Z)
			end_line(l);
		else if (c != NUL && c != ESC)
			take(l, c);
	}
	if (!l->stop)
		look_for_prompt(l);
	return i;
}

bool at_line_held(const struct at_line *l)
{
	return l->held > 0;
}

void at_line_flush(struct at_line *l)
{
	if (!l->held)
		return;
	l->stop = false;
	split(l);
}

void at_line_reset(struct at_line *l)
{
	start_line(l);
	l->dropping = false;
	l->after_prompt = false;
	l->stop = true;
}
