/* What cellmuxctl puts on a terminal: nothing a stranger said gets there with control characters. */
#ifndef CELLMUXCTL_PRINT_H
#define CELLMUXCTL_PRINT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "core/text.h"
#include "core/util.h"

enum tint {
	TINT_NONE,
	TINT_GOOD,
	TINT_WARN,
	TINT_BAD,
	_TINT_MAX
};

/* Whether tints are shown. False until it is set. */
void print_set_colour(bool colour);

/*
 * UTF-8 as it is; control characters (C0 but TAB, DEL, C1) and characters that turn the direction
 * of writing as \n, \r or \uXXXX. What is no UTF-8 goes out as \xHH.
 */
void print_safe(FILE *f, struct text t);
void print_tinted(FILE *f, enum tint tint, struct text t);

/* "42 s", "2 min", "3 h 12 min", "4 d 3 h". */
void print_span(FILE *f, uint64_t seconds);
/* Local time; with the date where it is not today. */
void print_clock(FILE *f, time_t t);
void print_date_clock(FILE *f, time_t t);

/* "Label    " in front of a value; the caller ends the line. */
void print_label(FILE *f, const char *label);

/* One line. */
void print_json(FILE *f, struct json_object *o);

/* "cellmuxctl: WHERE: ..." on standard error, one line, made safe as above. where may be NULL. */
void complain(const char *where, const char *fmt, ...) __printf(2, 3);

/* A text that grows: write to f, then note_end() gives it, "" without memory. Freed by note_free(). */
struct note {
	FILE *f;
	char *s;
	size_t n;
};

void note_begin(struct note *n);
const char *note_end(struct note *n);
void note_free(struct note *n);

#endif
