/* Objects in JSON files: the few conversions that all of them need. */
#ifndef SIM_SMDP_STORE_H
#define SIM_SMDP_STORE_H

#include <json-c/json.h>

#include "sim/smdp/crypto.h"

/* 0 and the object; -ENOENT, -EBADMSG, -errno. */
int sdp_store_read(const char *path, struct json_object **ret);
int sdp_store_write(const char *path, struct json_object *o);

void sdp_json_put_text(struct json_object *o, const char *name, const char *value);
void sdp_json_put_number(struct json_object *o, const char *name, int64_t value);
void sdp_json_put_bool(struct json_object *o, const char *name, bool value);
void sdp_json_put_hex(struct json_object *o, const char *name, struct octets value);

/* A member that is missing leaves the value as it is; one that does not fit is -EBADMSG. */
int sdp_json_get_text(struct json_object *o, const char *name, char *dst, size_t cap);
int sdp_json_get_hex(struct json_object *o, const char *name, struct sdp_blob *ret);
/* Exactly so many octets; *ret_there: whether the member was there. */
int sdp_json_get_octets(struct json_object *o, const char *name, uint8_t *dst, size_t n,
			bool *ret_there);
int64_t sdp_json_number(struct json_object *o, const char *name, int64_t otherwise);
bool sdp_json_bool(struct json_object *o, const char *name, bool otherwise);

#endif
