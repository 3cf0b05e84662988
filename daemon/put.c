#include "put.h"

#include <string.h>

#include "codec/json.h"
#include "core/hex.h"
#include "core/util.h"

void put(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

void put_text(struct json_object *o, const char *name, const char *text)
{
	put(o, name, text && text[0] ? json_object_new_string(text) : NULL);
}

void put_int(struct json_object *o, const char *name, int64_t v)
{
	put(o, name, json_object_new_int64(v));
}

void put_bool(struct json_object *o, const char *name, bool v)
{
	put(o, name, json_object_new_boolean(v));
}

void put_known(struct json_object *o, const char *name, int64_t v, int64_t unknown)
{
	put(o, name, v == unknown ? NULL : json_object_new_int64(v));
}

/* RFC 3629, without surrogates and overlong forms; control characters are not text. */
static bool is_utf8(const uint8_t *p, size_t n)
{
	while (n) {
		size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 :
			      *p >= 0xf0 && *p < 0xf5 ? 3 : 4;

		if (more >= n || more == 4 || *p < 0x20 || *p == 0x7f)
			return false;
		for (size_t i = 1; i <= more; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
		    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
			return false;
		p += more + 1;
		n -= more + 1;
	}
	return true;
}

void put_utf8(struct json_object *o, const char *name, const void *p, size_t n)
{
	if (!n)
		put(o, name, NULL);
	else if (is_utf8(p, n))
		put(o, name, json_object_new_string_len(p, (int)MIN(n, (size_t)INT32_MAX)));
	else
		put(o, name, json_from_octets(text_from(p, n)));
}

void put_hex(struct json_object *o, const char *name, const void *p, size_t n)
{
	char digits[1025];

	if (!n || 2 * n >= sizeof(digits)) {
		put(o, name, NULL);
		return;
	}
	hex_encode(p, n, digits, sizeof(digits));
	put_text(o, name, digits);
}

void put_cause(struct json_object *o, const char *name, const struct cause *why, const char *text)
{
	struct json_object *c;
	char words[CAUSE_TEXT_MAX];

	if (!cause_is_set(why)) {
		put(o, name, NULL);
		return;
	}
	c = json_object_new_object();
	put_text(c, "cause", cause_name(why->kind));
	put_text(c, "from", why->from);
	put_known(c, "code", why->code, -1);
	put_text(c, "step", why->step);
	put_text(c, "text", text && text[0] ? text : cause_text(why, words));
	put(o, name, c);
}
