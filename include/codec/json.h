/* JSON with limits, over json-c: what a stranger sends is parsed whole or refused with a reason. */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <json-c/json.h>

#include "core/text.h"

/*
 * One document (RFC 8259), nothing before or after it but blanks, nested at most depth levels,
 * UTF-8 throughout. 0 and the document, owned by the caller (NULL: the document was "null"), or
 * -EBADMSG and in *ret_why, static, what is wrong with it.
 */
int json_read(struct text t, int depth, struct json_object **ret, const char **ret_why);

/*
 * The same document with \u… for every character that is not of ASCII; on the heap. NULL: it is not
 * UTF-8, or there is no memory. json_read() does so for those json-c that cannot read it otherwise.
 */
char *json_to_ascii(struct text t, size_t *ret_n);

/* A member by name; NULL: it is missing, null, or o is no object. Still owned by o. */
struct json_object *json_member(struct json_object *o, const char *name);
/* A string member as a view, empty where it is missing or no string. */
struct text json_member_text(struct json_object *o, const char *name);

/*
 * Any octets as a string. JSON is UTF-8 and a stranger may say anything: octets from 80 up become
 * the characters with their numbers (ISO 8859-1), control characters but TAB and LF are dropped.
 * At most JSON_OCTETS_MAX octets are taken.
 */
#define JSON_OCTETS_MAX 4096
struct json_object *json_from_octets(struct text t);

#endif
