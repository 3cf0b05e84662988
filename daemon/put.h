/* Members of JSON objects, as the socket has them: null for what nobody knows. */
#ifndef PUT_H
#define PUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cause.h"

/* value is taken over; NULL is null. */
void put(struct json_object *o, const char *name, struct json_object *value);
/* "" and NULL are null. */
void put_text(struct json_object *o, const char *name, const char *text);
void put_int(struct json_object *o, const char *name, int64_t v);
void put_bool(struct json_object *o, const char *name, bool v);
/* v where it is not what stands for unknown. */
void put_known(struct json_object *o, const char *name, int64_t v, int64_t unknown);
/* UTF-8 as it is, anything else as ISO 8859-1; nothing is null. */
void put_utf8(struct json_object *o, const char *name, const void *p, size_t n);
/* Upper-case hex digits; nothing is null. */
void put_hex(struct json_object *o, const char *name, const void *p, size_t n);
/* { cause, from, code, step, text }; NONE is null. text NULL: the cause in words. */
void put_cause(struct json_object *o, const char *name, const struct cause *why, const char *text);

#endif
