#include "codec/json.h"

#include <errno.h>
#include <limits.h>

/* json-c takes a NUL as the end of the text, which would hide what follows. */
static const char *check_octets(struct text t)
{
	if (t.n > INT_MAX)
		return "too long";
	if (memchr(t.s, '\0', t.n))
		return "a NUL octet is not allowed";
	return NULL;
}

static const char *why_of(struct json_tokener *tok, enum json_tokener_error e)
{
	switch ((int)e) {
	case json_tokener_error_depth:
		return "nested too deeply";
	case json_tokener_continue:
	case json_tokener_error_parse_eof:
		return "it ends in the middle";
	case json_tokener_error_parse_utf8_string:
		return "invalid UTF-8";
	default:
		return tok ? json_tokener_error_desc(e) : "out of memory";
	}
}

int json_read(struct text t, int depth, struct json_object **ret, const char **ret_why)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error e;

	t = text_trim(t);
	*ret_why = t.n ? check_octets(t) : "it is empty";
	if (*ret_why)
		return -EBADMSG;
	tok = json_tokener_new_ex(depth);
	if (!tok) {
		*ret_why = "out of memory";
		return -EBADMSG;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, t.s, (int)t.n);
	e = json_tokener_get_error(tok);
	/* A bare number or word could go on: the closing NUL says that it does not. */
	if (e == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
	} else if (e == json_tokener_success && json_tokener_get_parse_end(tok) < t.n) {
		e = json_tokener_error_parse_unexpected;
	}
	if (e != json_tokener_success) {
		*ret_why = why_of(tok, e);
		json_object_put(o);
		json_tokener_free(tok);
		return -EBADMSG;
	}
	json_tokener_free(tok);
	*ret = o;
	return 0;
}

struct json_object *json_member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

struct text json_member_text(struct json_object *o, const char *name)
{
	struct json_object *v = json_member(o, name);

	if (!json_object_is_type(v, json_type_string))
		return text_from("", 0);
	return text_from(json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

struct json_object *json_from_octets(struct text t)
{
	char utf8[2 * JSON_OCTETS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t.n && n + 2 <= sizeof(utf8); i++) {
		unsigned char c = (unsigned char)t.s[i];

		if (c >= 0x80) {
			utf8[n++] = (char)(0xc0 | c >> 6);
			utf8[n++] = (char)(0x80 | (c & 0x3f));
		} else if (c >= 0x20 || c == '\t' || c == '\n') {
			utf8[n++] = (char)c;
		}
	}
	return json_object_new_string_len(utf8, (int)n);
}
