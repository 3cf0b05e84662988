/*
 * ES9+ answers as a test needs them: recorded ones, edited ones, heaps; each in a piece of memory of
 * exactly its size; and what the decoders make of them.
 */
#ifndef SUPPORT_ES9BED_H
#define SUPPORT_ES9BED_H

#include "esipa/es9p.h"
#include "support/hexjson.h"

/* tests/vectors/rsp: the bodies, and the download that they carry. */
extern struct json_object *es9_recorded, *es9_session;

#define ES9_SESSION(name) hexjson_octets(es9_session, name)

/* Of a group of tests. */
int es9_load(void **state);
int es9_unload(void **state);

/* The one body, and the area beside it, as large. */
extern struct octets es9_body;
extern uint8_t *es9_body_octets;
extern struct es9p_area es9_area;

/* What was read; all octets ES9_UNTOUCHED until something is handed out. */
#define ES9_UNTOUCHED 0xa5
struct es9_got {
	struct es9p_status status;
	struct esipa_initiated initiated;
	struct esipa_authenticated authenticated;
	struct es9p_events events;
	struct octets bpp;
	char transaction[ES9P_TRANSACTION_MAX];
};

extern struct es9_got es9_got;

bool es9_untouched(const void *p, size_t n);
/* Nothing but perhaps the status. */
void es9_expect_no_members(void);

/* Each makes the body, and the results untouched. */
void es9_set_body(const void *data, size_t n);
void es9_set_recorded(const char *path);
/* Before, n times open, middle, n times shut, after. */
void es9_set_pile(const char *before, size_t n, const char *open, const char *middle,
		  const char *shut, const char *after);

/* A member that is put at the end, or left out: raw JSON, or NULL. */
#define ES9_EDITS_MAX 3
struct es9_edit {
	const char *name, *raw;
};

void es9_set_edited(enum es9p_function f, const struct es9_edit *edits);
/* Where the first recorded answer of a function is. */
extern const char *const es9_response_at[_ES9P_FUNCTION_MAX];

int es9_decode(enum es9p_function f);
/* It is read; or it is refused for just this reason, and nothing was handed out. */
void es9_expect_good(enum es9p_function f, const char *legend);
void es9_expect_why(enum es9p_function f, const char *legend, const char *why);
/* What the recorded download says. */
void es9_expect_initiated(const char *legend);
void es9_expect_authenticated(const char *legend);

#endif
