/*
 * Octets to lines. Accepts every form of answer seen in the field: CR LF around or only behind a
 * line, several CRs, CR alone (V0), lines glued together, NULs after power-up, Ctrl-Z as the end of
 * an echoed message. Empty lines are not passed on. A prompt has no line end; it is recognised
 * where a line would start, if prompts are expected and nothing follows it yet.
 *
 * A line whose quotes are open ("+CUSD: 0,"first CR LF second",15") goes on over its line ends,
 * which are then one LF each, so that an OK in a quoted text ends nothing. Because a quote can be
 * lost on the way, that is bounded: after some line ends, at the size limit, or when the owner
 * says that the line has been silent (at_line_flush()), the pieces are passed on one by one.
 */
#ifndef ATCMD_LINE_H
#define ATCMD_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"

#define AT_LINE_MAX 4096
#define AT_LINE_PIECES 8

/* How long a line with an open quote may stay silent. */
#define AT_LINE_HOLD_MS 200

struct at_line {
	/* The text is valid until it returns. May set stop. */
	void (*line)(struct at_line *l, struct text text);
	/* '>' or '@'. */
	void (*prompt)(struct at_line *l, char which);
	/* A line was longer than AT_LINE_MAX: all of it is dropped. */
	void (*overlong)(struct at_line *l);
	bool prompts;                   /* expect them */
	bool stop;                      /* set in a callback: at_line_feed() returns at once */

	/* line.c only */
	char text[AT_LINE_MAX];
	size_t n;
	size_t ends[AT_LINE_PIECES];    /* where line ends were passed over in open quotes */
	unsigned held;
	bool in_quotes;
	bool dropping;
	bool after_prompt;
};

/* How many octets were taken: all, unless a callback set stop. */
size_t at_line_feed(struct at_line *l, struct text data);
/* True while a line with open quotes is held back. */
bool at_line_held(const struct at_line *l);
/* The line has been silent: passes on what is held back. */
void at_line_flush(struct at_line *l);
/* Forgets what has come of an unfinished line. */
void at_line_reset(struct at_line *l);

#endif
