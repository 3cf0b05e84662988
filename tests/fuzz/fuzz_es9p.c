/*
 * What strangers may answer over ES9+, and activation codes. The first octet chooses: 'i' 'a' 'b'
 * 'h' a body; '$' a code. What was read must lie within its area, what was not must leave
 * everything as it was; and a package made in place must be what json-c finds in the same body.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "core/util.h"
#include "esipa/es9p.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool yes)
{
	if (!yes)
		abort();
}

static void inside(struct octets v, struct octets in)
{
	if (v.p)
		require(v.p >= in.p && v.n <= in.n && (size_t)(v.p - in.p) <= in.n - v.n);
}

/* Either read, or refused with a reason that ends. */
static bool good(int r, const char *why, const struct es9p_status *s)
{
	require(r == 0 || r == -EBADMSG);
	if (r < 0) {
		require(why[0] && memchr(why, '\0', ES9P_WHY_MAX));
		return false;
	}
	require(memchr(s->subject, '\0', sizeof(s->subject)) &&
		memchr(s->reason, '\0', sizeof(s->reason)) &&
		memchr(s->message, '\0', sizeof(s->message)));
	(void)es9p_status_words(s);
	return true;
}

static void initiate(struct octets body, struct octets room, struct es9p_area *a)
{
	char transaction[ES9P_TRANSACTION_MAX] = "";
	struct esipa_initiated v = { 0 };
	struct es9p_status s;

	if (!good(es9p_initiate_decode(body, a, &s, transaction, &v), a->why, &s) || s.failed) {
		require(!transaction[0] && !v.server_signed1.p);
		return;
	}
	require(text_all_hex(text_of(transaction)) && v.server_signed1.n && v.certificate.n);
	require(v.server_signature1.p[0] == 0x5f && v.ci_pkid_whole.p[0] == 0x04);
	inside(v.transaction_id, room), inside(v.server_signed1, room);
	inside(v.server_signature1, room), inside(v.certificate, room);
	inside(v.ci_pkid_whole, room), inside(v.ci_pkid, v.ci_pkid_whole);
}

static void authenticate(struct octets body, struct octets room, struct es9p_area *a)
{
	struct esipa_authenticated v = { 0 };
	struct es9p_events e = { .n = SIZE_MAX };
	struct es9p_status s;

	if (!good(es9p_authenticate_decode(body, a, &s, &v, &e), a->why, &s) || s.failed) {
		require(e.n == SIZE_MAX && !v.smds && !v.metadata.p);
		return;
	}
	require(v.smds ? e.n <= ES9P_EVENTS_MAX && !v.metadata.p : e.n == SIZE_MAX && v.metadata.n);
	for (size_t i = 0; v.smds && i < e.n; i++)
		require(e.list[i].id[0] && e.list[i].address[0] &&
			memchr(e.list[i].id, '\0', ES9P_EVENT_ID_MAX) &&
			memchr(e.list[i].address, '\0', ES9P_ADDRESS_MAX));
	inside(v.transaction_id, room), inside(v.metadata, room), inside(v.smdp_signed2, room);
	inside(v.smdp_signature2, room), inside(v.certificate, room);
}

/* As a decoder would do it that has room for everything twice. */
static void compare(struct octets body, struct octets bpp)
{
	struct json_object *doc = NULL;
	const char *why;
	struct text t;
	_cleanup_(freep) char *digits = malloc(body.n + 1);
	_cleanup_(freep) uint8_t *want = malloc(body.n + 1);
	size_t n = 0;

	require(digits && want);
	/* Line ends as they are stand in no JSON, and are passed over all the same. */
	for (size_t i = 0; i < body.n; i++)
		digits[i] = body.p[i] == '\r' || body.p[i] == '\n' || body.p[i] == '\t' ? ' ' :
			    (char)body.p[i];
	require(json_read(text_from(digits, body.n), 32, &doc, &why) == 0);
	t = json_member_text(doc, "boundProfilePackage");
	for (size_t i = 0; i < t.n; i++)
		if (!memchr(" \t\r\n", t.s[i], 4))
			digits[n++] = t.s[i];
	require(base64_decode(text_from(digits, n), want, body.n, &n) == 0);
	require(octets_same(bpp, octets_from(want, n)));
	json_object_put(doc);
}

/* While it comes in, in pieces of a length that the body chooses; want empty: it is no good one. */
static void stream(struct octets body, struct octets want)
{
	size_t step = 1 + (body.n ? body.p[body.n - 1] % 97 : 0), n = 0;
	struct es9p_reader r = { 0 };
	bool found = false;
	_cleanup_(freep) uint8_t *out = malloc(body.n + 1);

	require(out != NULL);
	for (size_t have = 0; have < body.n;) {
		_cleanup_(freep) uint8_t *copy = NULL;
		size_t more;

		have = MIN(have + step, body.n);
		copy = malloc(have);
		require(copy != NULL);
		memcpy(copy, body.p, have);
		found = found || es9p_bpp_find(octets_from(copy, have), &r) == 0;
		while (found && (more = es9p_bpp_read(&r, octets_from(copy, have), out + n, body.n + 1 - n)))
			n += more;
		require(n <= body.n);
	}
	if (want.n && found)
		require(r.ended && !r.broken && octets_same(octets_from(out, n), want));
}

static void package(struct octets body, struct octets room, struct es9p_area *a)
{
	struct octets bpp = { 0 };
	struct es9p_status s;

	memcpy(a->area, body.p, body.n);
	if (!good(es9p_get_bpp_decode(a->area, body.n, &s, &bpp, a->why), a->why, &s) || s.failed) {
		require(!bpp.p);
		stream(body, bpp);
		return;
	}
	inside(bpp, room);
	stream(body, bpp);
	require(bpp.n >= 3 && bpp.p[0] == 0xbf && bpp.p[1] == 0x36);
	compare(body, bpp);
}

static void code(struct text t)
{
	struct es9p_code c;
	const char *why = NULL;

	if (es9p_code_parse(t, &c, &why) < 0) {
		require(why != NULL);
		return;
	}
	require(!why && c.address[0] && memchr(c.address, '\0', sizeof(c.address)) &&
		memchr(c.token, '\0', sizeof(c.token)) && memchr(c.oid, '\0', sizeof(c.oid)) &&
		!strchr(c.token, '$'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct es9p_area a;
	struct es9p_status s;
	struct octets body, room;
	_cleanup_(freep) uint8_t *area = NULL;

	if (n == 0)
		return 0;
	body = octets_from(data + 1, n - 1);
	/* As large as the body is enough: what is larger hides a step too far. */
	area = malloc(body.n ? body.n : 1);
	require(area != NULL);
	a = (struct es9p_area){ .area = area, .cap = body.n };
	room = octets_from(area, body.n);
	switch (data[0]) {
	case 'i': initiate(body, room, &a); break;
	case 'a': authenticate(body, room, &a); break;
	case 'b': package(body, room, &a); break;
	case 'h': (void)good(es9p_header_decode(body, &s, a.why), a.why, &s); break;
	case '$': code(octets_text(body)); break;
	}
	/* The area that is enough was never too small. */
	require(!strstr(a.why, "is too long") || strstr(a.why, "transactionId"));
	return 0;
}
