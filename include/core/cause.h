/*
 * Why something that takes time ended without success. The first cause wins: failures while
 * cleaning up do not overwrite it. The socket and the log print it as it is.
 */
#ifndef CORE_CAUSE_H
#define CORE_CAUSE_H

#include <stdbool.h>
#include <stddef.h>

enum cause_kind {
	CAUSE_NONE,
	CAUSE_TIMEOUT,    /* no answer within the deadline */
	CAUSE_REFUSED,    /* an answer that says no; code is the other side's number */
	CAUSE_MALFORMED,  /* an answer that cannot be understood */
	CAUSE_LINK_LOST,  /* the way to the other side broke: unplugged, reset, closed */
	CAUSE_CANCELLED,  /* we or a user stopped it */
	_CAUSE_KIND_MAX
};

struct cause {
	enum cause_kind kind;
	const char *from;   /* who said so, static: "module", "card", "eim", "config" */
	int code;           /* its number (CME error, status word …), -1: none */
	const char *step;   /* in which step, static; NULL: none */
};

#define CAUSE_TEXT_MAX 96

/* Keeps what is there already. */
void cause_set(struct cause *c, enum cause_kind kind, const char *from, int code);

static inline bool cause_is_set(const struct cause *c)
{
	return c->kind != CAUSE_NONE;
}

/* "TIMEOUT": the name on the socket. Never NULL. */
const char *cause_name(enum cause_kind kind);
/* "refused by module (10) in read-iccid". Returns out. */
const char *cause_text(const struct cause *c, char out[CAUSE_TEXT_MAX]);

#endif
