#include "sim/smdp/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"

#define FILE_MAX (16u << 20)

int sdp_store_read(const char *path, struct json_object **ret)
{
	_cleanup_(freep) char *data = NULL;
	struct json_object *o;
	struct stat st;
	size_t n;
	int r;

	if (stat(path, &st) < 0)
		return -errno;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	data = sdp_alloc((size_t)st.st_size + 1);
	r = file_load(path, data, (size_t)st.st_size, &n);
	if (r < 0)
		return r;
	data[n] = '\0';
	o = json_tokener_parse(data);
	if (!o)
		return -EBADMSG;
	*ret = o;
	return 0;
}

int sdp_store_write(const char *path, struct json_object *o)
{
	size_t n;
	const char *s = json_object_to_json_string_length(o, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	return s ? file_save(path, s, n, 0600) : -ENOMEM;
}

static struct json_object *hex_json(struct octets v)
{
	char *digits = sdp_alloc(2 * v.n + 1);
	struct json_object *o;

	hex_encode(v.p, v.n, digits, 2 * v.n + 1);
	o = json_object_new_string_len(digits, (int)(2 * v.n));
	free(digits);
	return o;
}

void sdp_json_put_text(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

void sdp_json_put_number(struct json_object *o, const char *name, int64_t value)
{
	json_object_object_add(o, name, json_object_new_int64(value));
}

void sdp_json_put_bool(struct json_object *o, const char *name, bool value)
{
	json_object_object_add(o, name, json_object_new_boolean(value));
}

void sdp_json_put_hex(struct json_object *o, const char *name, struct octets value)
{
	json_object_object_add(o, name, hex_json(value));
}

static bool find_text(struct json_object *o, const char *name, struct text *ret)
{
	struct json_object *m = json_object_object_get(o, name);

	if (!json_object_is_type(m, json_type_string))
		return false;
	*ret = text_from(json_object_get_string(m), (size_t)json_object_get_string_len(m));
	return true;
}

int sdp_json_get_text(struct json_object *o, const char *name, char *dst, size_t cap)
{
	struct text t;

	if (!find_text(o, name, &t))
		return 0;
	return text_copy(t, dst, cap) < 0 ? -EBADMSG : 0;
}

int sdp_json_get_hex(struct json_object *o, const char *name, struct sdp_blob *ret)
{
	struct text t;
	uint8_t *p;
	size_t n;

	if (!find_text(o, name, &t))
		return 0;
	p = sdp_alloc(t.n / 2);
	if (hex_decode(t, p, t.n / 2, &n) < 0) {
		free(p);
		return -EBADMSG;
	}
	free(ret->p);
	*ret = (struct sdp_blob){ p, n };
	return 0;
}

int sdp_json_get_octets(struct json_object *o, const char *name, uint8_t *dst, size_t n,
			bool *ret_there)
{
	struct sdp_blob b = { 0 };
	int r = sdp_json_get_hex(o, name, &b);

	*ret_there = b.p != NULL;
	if (r == 0 && b.p) {
		if (b.n == n)
			memcpy(dst, b.p, n);
		else
			r = -EBADMSG;
	}
	sdp_blob_done(&b);
	return r;
}

int64_t sdp_json_number(struct json_object *o, const char *name, int64_t otherwise)
{
	struct json_object *m = json_object_object_get(o, name);

	return json_object_is_type(m, json_type_int) ? json_object_get_int64(m) : otherwise;
}

bool sdp_json_bool(struct json_object *o, const char *name, bool otherwise)
{
	struct json_object *m = json_object_object_get(o, name);

	return json_object_is_type(m, json_type_boolean) ? json_object_get_boolean(m) : otherwise;
}
