/* The JSON files of tests/vectors: members by a path of names, octets as hexadecimal digits. */
#ifndef SUPPORT_HEXJSON_H
#define SUPPORT_HEXJSON_H

#include <stddef.h>

#include "codec/json.h"
#include "codec/tlv.h"

/* Fails the test if the file is missing or no JSON. Freed with json_object_put(). */
struct json_object *hexjson_load(const char *path);

/*
 * A member by its path, "segments.3.icv": numbers count the entries of arrays. Fails the test if
 * there is none.
 */
struct json_object *hexjson_at(struct json_object *o, const char *path);
const char *hexjson_text(struct json_object *o, const char *path);
/* Its digits as octets. They live until hexjson_done(). */
struct octets hexjson_octets(struct json_object *o, const char *path);
struct octets hexjson_decode(const char *digits);
/* A whole file. */
struct octets hexjson_file(const char *path);
void hexjson_done(void);

#endif
