#include "support/es9bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/test.h"

struct json_object *es9_recorded, *es9_session;

int es9_load(void **state)
{
	(void)state;
	es9_recorded = hexjson_load("tests/vectors/rsp/es9p.json");
	es9_session = hexjson_load("tests/vectors/rsp/session/nist-cc-ppk.json");
	return 0;
}

/* Exactly sized, so that sanitizers see a step over the end. One at a time. */
uint8_t *es9_body_octets;
static uint8_t *area_octets;
struct octets es9_body;
struct es9p_area es9_area;
struct es9_got es9_got;

bool es9_untouched(const void *p, size_t n)
{
	const uint8_t *at = p;

	for (size_t i = 0; i < n; i++)
		if (at[i] != ES9_UNTOUCHED)
			return false;
	return true;
}

void es9_expect_no_members(void)
{
	assert_true(es9_untouched(&es9_got.initiated, sizeof(es9_got.initiated)));
	assert_true(es9_untouched(&es9_got.authenticated, sizeof(es9_got.authenticated)));
	assert_true(es9_untouched(&es9_got.events, sizeof(es9_got.events)));
	assert_true(es9_untouched(&es9_got.bpp, sizeof(es9_got.bpp)));
	assert_true(es9_untouched(es9_got.transaction, sizeof(es9_got.transaction)));
}

void es9_set_body(const void *data, size_t n)
{
	free(es9_body_octets);
	free(area_octets);
	es9_body_octets = malloc(n ? n : 1);
	area_octets = malloc(n ? n : 1);
	assert_true(es9_body_octets && area_octets);
	memcpy(es9_body_octets, data, n);
	es9_body = octets_from(es9_body_octets, n);
	es9_area = (struct es9p_area){ .area = area_octets, .cap = n };
	memset(&es9_got, ES9_UNTOUCHED, sizeof(es9_got));
}

int es9_decode(enum es9p_function f)
{
	switch (f) {
	case ES9P_INITIATE:
		return es9p_initiate_decode(es9_body, &es9_area, &es9_got.status,
					    es9_got.transaction, &es9_got.initiated);
	case ES9P_AUTHENTICATE:
		return es9p_authenticate_decode(es9_body, &es9_area, &es9_got.status,
						&es9_got.authenticated, &es9_got.events);
	case ES9P_GET_BPP:
		return es9p_get_bpp_decode(es9_body_octets, es9_body.n, &es9_got.status,
					   &es9_got.bpp, es9_area.why);
	case ES9P_CANCEL:
	case ES9P_NOTIFY:
		return es9p_header_decode(es9_body, &es9_got.status, es9_area.why);
	case _ES9P_FUNCTION_MAX:
		break;
	}
	fail_msg("no function %d", (int)f);
	return 0;
}

void es9_expect_good(enum es9p_function f, const char *legend)
{
	if (es9_decode(f) < 0)
		fail_msg("%s: %s", legend, es9_area.why);
}

void es9_expect_why(enum es9p_function f, const char *legend, const char *why)
{
	int r = es9_decode(f);

	if (r != -EBADMSG || strcmp(es9_area.why, why) != 0)
		fail_msg("%s: %d, \"%s\" instead of \"%s\"", legend, r, r < 0 ? es9_area.why : "", why);
	assert_true(es9_untouched(&es9_got.status, sizeof(es9_got.status)));
	es9_expect_no_members();
}

/* The first recorded exchange of a function; both notifications are there, one after the other. */
const char *const es9_response_at[_ES9P_FUNCTION_MAX] = {
	[ES9P_INITIATE] = "exchanges.0.response", [ES9P_AUTHENTICATE] = "exchanges.1.response",
	[ES9P_GET_BPP] = "exchanges.2.response", [ES9P_CANCEL] = "exchanges.5.response",
	[ES9P_NOTIFY] = "exchanges.5.response",
};

static bool is_edited(const struct es9_edit *e, const char *name)
{
	for (size_t i = 0; i < ES9_EDITS_MAX && e[i].name; i++)
		if (strcmp(e[i].name, name) == 0)
			return true;
	return false;
}

/* The recorded answer with some edits; edited members come last, in their order. */
void es9_set_edited(enum es9p_function f, const struct es9_edit *edits)
{
	static char text[32768];
	size_t n = 0;

	text[n++] = '{';
	json_object_object_foreach(hexjson_at(es9_recorded, es9_response_at[f]), name, value) {
		if (!is_edited(edits, name))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "\"%s\":%s,", name,
					      json_object_to_json_string(value));
	}
	for (size_t i = 0; i < ES9_EDITS_MAX && edits[i].name; i++)
		if (edits[i].raw)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "\"%s\":%s,",
					      edits[i].name, edits[i].raw);
	assert_true(n < sizeof(text));
	text[n > 1 ? n - 1 : n++] = '}';
	es9_set_body(text, n);
}

void es9_set_recorded(const char *path)
{
	const char *s = json_object_to_json_string_ext(hexjson_at(es9_recorded, path),
						       JSON_C_TO_STRING_PRETTY);

	es9_set_body(s, strlen(s));
}

/* n times the one, the other, then n times the third. */
void es9_set_pile(const char *before, size_t n, const char *open, const char *middle,
		  const char *shut, const char *after)
{
	size_t cap = strlen(before) + n * (strlen(open) + strlen(shut)) + strlen(middle) + strlen(after);
	_cleanup_(freep) char *text = malloc(cap + 1);
	char *at = text;

	assert_non_null(text);
	at = stpcpy(at, before);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, shut);
	at = stpcpy(at, after);
	es9_set_body(text, (size_t)(at - text));
}

void es9_expect_initiated(const char *legend)
{
	struct octets key = hexjson_decode("0414cbf543d00232e2d3c1ace40a4699b3bfea3e57dc");

	if (!octets_same(es9_got.initiated.transaction_id, ES9_SESSION("transactionId")) ||
	    !octets_same(es9_got.initiated.server_signed1, ES9_SESSION("serverSigned1")) ||
	    !octets_same(es9_got.initiated.server_signature1, ES9_SESSION("serverSignature1")) ||
	    !octets_same(es9_got.initiated.ci_pkid_whole, key) ||
	    !octets_same(es9_got.initiated.ci_pkid, octets_from(key.p + 2, 20)) ||
	    es9_got.initiated.certificate.n != 0x207 || es9_got.initiated.certificate.p[0] != 0x30)
		fail_msg("%s: read wrongly", legend);
	assert_int_equal(es9_got.initiated.error, 0);
	assert_true(es9_got.initiated.matching_id.n == 0 && es9_got.initiated.ctx_params.n == 0);
}

void es9_expect_authenticated(const char *legend)
{
	if (!octets_same(es9_got.authenticated.transaction_id, ES9_SESSION("transactionId")) ||
	    !octets_same(es9_got.authenticated.metadata, ES9_SESSION("profileMetadata")) ||
	    !octets_same(es9_got.authenticated.smdp_signed2, ES9_SESSION("smdpSigned2")) ||
	    !octets_same(es9_got.authenticated.smdp_signature2, ES9_SESSION("smdpSignature2")) ||
	    es9_got.authenticated.certificate.n != 0x208 || es9_got.authenticated.certificate.p[0] != 0x30)
		fail_msg("%s: read wrongly", legend);
	assert_true(!es9_got.authenticated.smds && es9_got.authenticated.error == 0);
	assert_true(es9_got.authenticated.hash_cc.n == 0 && es9_got.authenticated.trigger.n == 0);
	assert_true(es9_untouched(&es9_got.events, sizeof(es9_got.events)));
}

int es9_unload(void **state)
{
	(void)state;
	json_object_put(es9_recorded);
	json_object_put(es9_session);
	hexjson_done();
	free(es9_body_octets);
	free(area_octets);
	es9_body_octets = area_octets = NULL;
	return 0;
}
