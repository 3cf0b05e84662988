#include "codec/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

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

/* --- without octets from 80 up ------------------------------------------------------------------ */

/* Of a sequence of n octets: the smallest character that needs so many. */
static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };

/* The character at the beginning of t; returns how many octets it has, 0: it is none (RFC 3629). */
static size_t take_character(struct text t, uint32_t *ret)
{
	unsigned char first = (unsigned char)t.s[0];
	size_t n = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
	uint32_t c = n == 1 ? first : first & (0x7fu >> n);

	if (!n || n > t.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)t.s[i];

		if (next >> 6 != 2)
			return 0;
		c = c << 6 | (next & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

/* Six octets. */
static void put_escape(char *out, unsigned unit)
{
	out[0] = '\\';
	out[1] = 'u';
	for (int i = 0; i < 4; i++)
		out[2 + i] = "0123456789abcdef"[unit >> (12 - 4 * i) & 15];
}

/* Above the basic plane there are two units (RFC 8259 7). Returns how many octets. */
static size_t put_character(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x10000) {
		put_escape(out, c);
		return 6;
	}
	put_escape(out, 0xd800 + ((c - 0x10000) >> 10));
	put_escape(out + 6, 0xdc00 + ((c - 0x10000) & 0x3ff));
	return 12;
}

char *json_to_ascii(struct text t, size_t *ret_n)
{
	/* Two octets become six, four become twelve. */
	char *out = malloc(3 * t.n + 1);
	size_t n = 0, len;
	uint32_t c;

	for (; out && t.n; t = text_skip(t, len)) {
		len = take_character(t, &c);
		if (!len) {
			free(out);
			return NULL;
		}
		n += put_character(out + n, c);
	}
	if (out)
		*ret_n = n;
	return out;
}

/* json-c 0.18, where char is signed, takes octets from 80 up for control characters if it is strict. */
static bool takes_utf8(void)
{
	static int known = -1;
	struct json_tokener *tok;

	if (known < 0 && (tok = json_tokener_new())) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
		json_object_put(json_tokener_parse_ex(tok, "\"\xc3\xa4\"", 5));
		known = json_tokener_get_error(tok) == json_tokener_success;
		json_tokener_free(tok);
	}
	return known != 0;
}

static bool is_ascii(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.s[i] >= 0x80)
			return false;
	return true;
}

/* --- reading ------------------------------------------------------------------------------------- */

static int read_text(struct text t, int depth, struct json_object **ret, const char **ret_why)
{
	struct json_tokener *tok = json_tokener_new_ex(depth);
	struct json_object *o;
	enum json_tokener_error e;

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

int json_read(struct text t, int depth, struct json_object **ret, const char **ret_why)
{
	char *ascii;
	size_t n;
	int r;

	t = text_trim(t);
	*ret_why = t.n ? check_octets(t) : "it is empty";
	if (*ret_why)
		return -EBADMSG;
	if (is_ascii(t) || takes_utf8())
		return read_text(t, depth, ret, ret_why);
	ascii = json_to_ascii(t, &n);
	if (!ascii) {
		*ret_why = "invalid UTF-8";
		return -EBADMSG;
	}
	r = read_text(text_from(ascii, n), depth, ret, ret_why);
	free(ascii);
	return r;
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
