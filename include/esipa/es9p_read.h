/* What the ES9+ decoders share among themselves; their users include esipa/es9p.h. */
#ifndef ESIPA_ES9P_READ_H
#define ESIPA_ES9P_READ_H

#include "codec/json.h"
#include "core/util.h"
#include "esipa/es9p.h"

/* --- JSON text as it stands ----------------------------------------------------------------------- */

/* A member of an object, views: the name without its quotes, escapes not undone; any value whole. */
struct es9p_member {
	struct text name, value;
};

#define ES9P_MEMBERS_MAX 64

/*
 * The members of the object that t is. Looks at no more than what tells where they begin and end:
 * that the rest is JSON is for json_read() to say. -EBADMSG and *ret_why, static: it is no object,
 * is cut short, has too many members or two of one name, which json-c would pass over.
 */
int es9p_scan(struct text t, struct es9p_member ret[ES9P_MEMBERS_MAX], size_t *ret_n,
	      const char **ret_why);

/*
 * The value of one member of an object that may be cut short: a view from its first character on.
 * -EAGAIN: cut before it; -EBADMSG: it is not there, or the text is no object.
 */
int es9p_scan_to(struct text t, const char *name, struct text *ret_value);

enum { ES9P_CHAR_END = -1, ES9P_CHAR_BROKEN = -2 };

/* Takes one character off what stands between quotes, its escape undone; a UTF-16 unit for \u. */
int es9p_scan_char(struct text *t);
/* A name as it stands against a plain one. */
bool es9p_scan_is(struct text name, const char *plain);

/* --- answers -------------------------------------------------------------------------------------- */

/* Fills why; always -EBADMSG. */
int es9p_blame(char why[ES9P_WHY_MAX], const char *fmt, ...) __printf(2, 3);

/* The object that a body is, owned by the caller, and its header. -EBADMSG, with why. */
int es9p_document(struct text body, struct json_object **ret, struct es9p_status *ret_status,
		  char why[ES9P_WHY_MAX]);
/* functionExecutionStatus out of an answer's header; without one it was executed. */
int es9p_status_read(struct json_object *doc, struct es9p_status *ret, char why[ES9P_WHY_MAX]);

/* Exactly one TLV with this tag. */
bool es9p_is_whole(struct octets der, uint32_t tag);

/* A host name or address as it may stand in requests and activation codes. */
bool es9p_is_address(struct text t);

#endif
