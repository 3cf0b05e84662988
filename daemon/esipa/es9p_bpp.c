/*
 * GetBoundProfilePackage, GSMA SGP.22 5.6.2. A package is tens of kilobytes, and a third more in
 * base64; json-c would hold it a second time and the area a third. So the scanner finds the one
 * string, json-c reads a small copy of everything around it, and the octets are made in place: what
 * comes out is never longer than what it came from.
 */
#include "esipa/es9p_read.h"

#include <errno.h>

#include "codec/base64.h"

/* Everything but the package: a header and a transaction id. */
#define AROUND_MAX 4096

static const char package_name[] = "boundProfilePackage";

static const struct es9p_member *find(const struct es9p_member *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (es9p_scan_is(m[i].name, package_name))
			return &m[i];
	return NULL;
}

/* The document, from which the string that value is has been left out; none: all of it. */
static int read_around(struct text body, struct text value, struct es9p_status *ret, char *why)
{
	struct json_object *doc;
	char copy[AROUND_MAX];
	struct text rest = body;
	int r;

	if (value.n) {
		size_t head = (size_t)(value.s - body.s), tail = body.n - head - value.n;

		if (head > sizeof(copy) - 2 || tail > sizeof(copy) - 2 - head)
			return es9p_blame(why, "more than %d octets around %s", AROUND_MAX,
					  package_name);
		memcpy(copy, body.s, head);
		memcpy(copy + head, "\"\"", 2);
		memcpy(copy + head + 2, value.s + value.n, tail);
		rest = text_from(copy, head + 2 + tail);
	}
	r = es9p_document(rest, &doc, ret, why);
	if (r == 0)
		json_object_put(doc);
	return r;
}

/* Without escapes and blanks, from the start of the string on; false: no base64. */
static bool compact(struct text in, uint8_t *out, size_t *ret_n)
{
	size_t n = 0;
	int c;

	while ((c = es9p_scan_char(&in)) >= 0) {
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (c > 0x7f)
			return false;
		out[n++] = (uint8_t)c;
	}
	*ret_n = n;
	return c == ES9P_CHAR_END;
}

int es9p_get_bpp_decode(uint8_t *body, size_t n, struct es9p_status *status,
			struct octets *ret_bpp, char why[ES9P_WHY_MAX])
{
	struct es9p_member members[ES9P_MEMBERS_MAX];
	const struct es9p_member *package;
	struct text whole = text_from(body, n), value = { 0 };
	const char *broken;
	struct es9p_status s;
	uint8_t *at;
	size_t members_n, len;
	int r;

	if (es9p_scan(whole, members, &members_n, &broken) < 0)
		return es9p_blame(why, "JSON: %s", broken);
	package = find(members, members_n);
	if (package && *package->value.s == '"')
		value = package->value;
	r = read_around(whole, value, &s, why);
	if (r < 0)
		return r;
	if (s.failed) {
		*status = s;
		return 0;
	}
	if (value.n == 0)
		return es9p_blame(why, package && !text_eq(package->value, "null") ?
				  "%s is no string" : "%s is missing", package_name);
	at = body + (value.s - whole.s) + 1;
	if (!compact(text_from(value.s + 1, value.n - 2), at, &len) ||
	    base64_decode(text_from(at, len), at, len, &len) < 0)
		return es9p_blame(why, "%s is no base64", package_name);
	if (!es9p_is_whole(octets_from(at, len), 0xbf36))
		return es9p_blame(why, "%s is no TLV BF36", package_name);
	*status = s;
	*ret_bpp = octets_from(at, len);
	return 0;
}

/* --- as it comes in ------------------------------------------------------------------------------- */

int es9p_bpp_find(struct octets so_far, struct es9p_reader *ret)
{
	struct text t = octets_text(so_far), value;
	int r = es9p_scan_to(t, package_name, &value);

	if (r == -EAGAIN)
		return so_far.n > AROUND_MAX ? -EBADMSG : -EAGAIN;
	if (r < 0 || *value.s != '"')
		return -EBADMSG;
	*ret = (struct es9p_reader){ .at = (size_t)(value.s - t.s) + 1 };
	return 0;
}

/* The next character, if all of it is there. */
static int take_char(struct es9p_reader *r, struct octets so_far)
{
	struct text rest = octets_text(octets_from(so_far.p + r->at, so_far.n - r->at));
	/* The longest escape has six characters. */
	bool cut = rest.n > 0 && *rest.s == '\\' && (rest.n < 2 || (rest.s[1] == 'u' && rest.n < 6));
	size_t before = rest.n;
	int c;

	if (rest.n == 0 || cut)
		return ES9P_CHAR_END;
	if (*rest.s == '"') {
		r->ended = true;
		return ES9P_CHAR_END;
	}
	c = es9p_scan_char(&rest);
	r->at += before - rest.n;
	r->broken = c < 0 || c > 0x7f;
	return r->broken ? ES9P_CHAR_END : c;
}

size_t es9p_bpp_read(struct es9p_reader *r, struct octets so_far, uint8_t *dst, size_t cap)
{
	size_t n = 0;

	while (n < cap && !r->ended && !r->broken) {
		int c = take_char(r, so_far), d;

		if (c == ES9P_CHAR_END)
			break;
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '=')
			continue;
		d = base64_digit((char)c);
		if (d < 0) {
			r->broken = true;
			break;
		}
		r->bits = r->bits << 6 | (uint32_t)d;
		r->n_bits += 6;
		if (r->n_bits < 8)
			continue;
		r->n_bits -= 8;
		dst[n++] = (uint8_t)(r->bits >> r->n_bits);
	}
	return n;
}
