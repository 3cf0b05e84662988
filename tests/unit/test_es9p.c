/*
 * ES9+ and ES11 against a recorded download: what we send must come out octet by octet, and what a
 * server answers must be understood in all its known forms.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "core/util.h"
#include "esipa/es9p.h"
#include "support/es9bed.h"

/* --- requests ------------------------------------------------------------------------------------- */

static const struct {
	const char *at;
	enum es9p_function function;
} requests[] = {
	{ "exchanges.0", ES9P_INITIATE }, { "exchanges.1", ES9P_AUTHENTICATE },
	{ "exchanges.2", ES9P_GET_BPP }, { "exchanges.3", ES9P_NOTIFY },
	{ "exchanges.4", ES9P_NOTIFY }, { "exchanges.5", ES9P_CANCEL },
};

static struct json_object *request_of(size_t i)
{
	char path[32];

	snprintf(path, sizeof(path), "%s.request", requests[i].at);
	return hexjson_at(es9_recorded, path);
}

/* What the second notification, which the session does not name, consists of. */
static struct octets notification_of(size_t i)
{
	static uint8_t store[2048];
	const char *digits = hexjson_text(request_of(i), "pendingNotification");
	size_t n;

	assert_int_equal(base64_decode(text_of(digits), store, sizeof(store), &n), 0);
	return octets_from(store, n);
}

static int encode(size_t i, char *buf, size_t cap, size_t *ret_n)
{
	struct text id = TEXT("B903D7AE0D48B87706CA2AC22F243C55");

	switch (requests[i].function) {
	case ES9P_INITIATE: {
		/* The challenge is what the card's answer ends with. */
		struct octets c = ES9_SESSION("getEuiccChallengeResponse");

		return es9p_initiate_encode(buf, cap, octets_from(c.p + c.n - 16, 16),
					    ES9_SESSION("euiccInfo1"), TEXT("smdpp.rsp.test"), ret_n);
	}
	case ES9P_AUTHENTICATE:
		return es9p_authenticate_encode(buf, cap, id, ES9_SESSION("authenticateServerResponse"),
						ret_n);
	case ES9P_GET_BPP:
		return es9p_get_bpp_encode(buf, cap, id, ES9_SESSION("prepareDownloadResponse"), ret_n);
	case ES9P_CANCEL:
		return es9p_cancel_encode(buf, cap, id, ES9_SESSION("cancelSessionResponse"), ret_n);
	case ES9P_NOTIFY:
	case _ES9P_FUNCTION_MAX:
		break;
	}
	return es9p_notify_encode(buf, cap, notification_of(i), ret_n);
}

static void recorded_requests_are_written(void **state)
{
	char buf[ES9P_REQUEST_MAX(2048)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct json_object *want = request_of(i), *got;
		const char *path, *name = es9p_function_name(requests[i].function);
		size_t n;

		assert_int_equal(encode(i, buf, sizeof(buf), &n), 0);
		assert_int_equal(strlen(buf), n);
		got = json_tokener_parse(buf);
		assert_true(got && json_object_equal(got, want));
		json_object_put(got);
		assert_string_equal(buf, json_object_to_json_string_ext(want,
				    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		path = hexjson_text(hexjson_at(es9_recorded, requests[i].at), "path");
		assert_string_equal(strrchr(path, '/') + 1, name);
	}
}

static void requests_fit_or_are_refused(void **state)
{
	char whole[ES9P_REQUEST_MAX(2048)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		size_t n, untouched_n = 4711;

		assert_int_equal(encode(i, whole, sizeof(whole), &n), 0);
		for (size_t cap = 0; cap <= n + 1; cap++) {
			_cleanup_(freep) char *buf = malloc(cap ? cap : 1);
			int r = encode(i, buf, cap, &untouched_n);

			assert_int_equal(r, cap <= n ? -EMSGSIZE : 0);
			assert_int_equal(untouched_n, cap <= n ? 4711 : n);
		}
	}
}

static void what_cannot_be_sent_is_refused(void **state)
{
	static const struct {
		const char *address;
		int r;
	} addresses[] = {
		{ "dp.example", 0 }, { "DP-1_a.example", 0 }, { "192.0.2.1", 0 }, { "[2001:db8::1]", 0 },
		{ "", -EINVAL }, { "dp.example/x", -EINVAL }, { "dp.\"example", -EINVAL },
		{ "dp\\.example", -EINVAL }, { "dp example", -EINVAL }, { "d\303\266.example", -EINVAL },
	};
	static const struct {
		const char *id;
		int r;
	} ids[] = {
		{ "AB", 0 }, { "ab01", 0 },
		{ "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f", 0 },
		{ "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f20", -EINVAL },
		{ "", -EINVAL }, { "ABC", -EINVAL }, { "AG", -EINVAL }, { "A\"", -EINVAL },
	};
	struct octets one = octets_from("\1", 1);
	char buf[ES9P_REQUEST_MAX(64)], address[ES9P_ADDRESS_MAX + 1];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_int_equal(es9p_initiate_encode(buf, sizeof(buf), one, one,
						      text_of(addresses[i].address), &n),
				 addresses[i].r);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_int_equal(es9p_authenticate_encode(buf, sizeof(buf), text_of(ids[i].id), one, &n),
				 ids[i].r);
		assert_int_equal(es9p_get_bpp_encode(buf, sizeof(buf), text_of(ids[i].id), one, &n),
				 ids[i].r);
		assert_int_equal(es9p_cancel_encode(buf, sizeof(buf), text_of(ids[i].id), one, &n),
				 ids[i].r);
	}
	/* The longest address goes into the room that is always enough. */
	memset(address, 'a', sizeof(address));
	assert_int_equal(es9p_initiate_encode(buf, ES9P_REQUEST_MAX(16 + 40), octets_from(address, 16),
					      octets_from(address, 40),
					      text_from(address, ES9P_ADDRESS_MAX - 1), &n), 0);
	assert_int_equal(es9p_initiate_encode(buf, sizeof(buf), one, one,
					      text_from(address, ES9P_ADDRESS_MAX), &n), -EINVAL);
}

/* --- answers -------------------------------------------------------------------------------------- */

static void expect_package_within_body(void)
{
	const struct octets *bpp = &es9_got.bpp;

	assert_true(bpp->p > es9_body.p && bpp->p + bpp->n < es9_body.p + es9_body.n);
}

static void recorded_answers_are_read(void **state)
{
	(void)state;
	es9_set_recorded(es9_response_at[ES9P_INITIATE]);
	es9_expect_good(ES9P_INITIATE, "initiate");
	es9_expect_initiated("initiate");
	assert_string_equal(es9_got.transaction, "B903D7AE0D48B87706CA2AC22F243C55");

	es9_set_recorded(es9_response_at[ES9P_AUTHENTICATE]);
	es9_expect_good(ES9P_AUTHENTICATE, "authenticate");
	es9_expect_authenticated("authenticate");

	es9_set_recorded(es9_response_at[ES9P_GET_BPP]);
	es9_expect_good(ES9P_GET_BPP, "package");
	assert_true(octets_same(es9_got.bpp, ES9_SESSION("boundProfilePackage")));
	expect_package_within_body();

	es9_set_recorded(es9_response_at[ES9P_CANCEL]);
	es9_expect_good(ES9P_CANCEL, "cancel");
	assert_false(es9_got.status.failed);
	assert_string_equal(es9_got.status.subject, "");
	assert_string_equal(es9_got.status.reason, "");
	assert_string_equal(es9_got.status.message, "");
	es9_set_body("", 0);
	es9_expect_good(ES9P_NOTIFY, "notify");
	assert_false(es9_got.status.failed);
}

static void recorded_failures_have_words(void **state)
{
	static const struct {
		const char *at;
		enum es9p_function function;
		const char *subject, *reason, *message, *words;
	} rows[] = {
		{ "failures.0.response", ES9P_AUTHENTICATE, "8.2.6", "3.8", "Refused",
		  "matching id refused" },
		{ "failures.1.response", ES9P_AUTHENTICATE, "8.10.1", "3.9", "Unknown",
		  "transaction unknown" },
		{ "failures.2.response", ES9P_GET_BPP, "8.2.7", "3.8", "Refused",
		  "confirmation code refused" },
		{ "failures.3.response", ES9P_INITIATE, "8.8.1", "3.8", "Refused",
		  "SM-DP+ address refused" },
		{ "failures.1.response", ES9P_CANCEL, "8.10.1", "3.9", "Unknown",
		  "transaction unknown" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_recorded(rows[i].at);
		es9_expect_good(rows[i].function, rows[i].at);
		assert_true(es9_got.status.failed);
		assert_string_equal(es9_got.status.subject, rows[i].subject);
		assert_string_equal(es9_got.status.reason, rows[i].reason);
		assert_string_equal(es9_got.status.message, rows[i].message);
		assert_string_equal(es9p_status_words(&es9_got.status), rows[i].words);
		es9_expect_no_members();
	}
}

/* What servers write otherwise than it should be, and is understood all the same. */
static void answers_are_read_liberally(void **state)
{
	static const char bare_signature[] =
		"\"As+91MPQAVOWWGceLV/buBNE+9FfrnfLclooQnJOCzQ/z+4nm8LxzxbEo13eW/Phm2kt7TGlMqNNg3/YLgc0LQ==\"";
	static const struct {
		const char *legend;
		struct es9_edit edits[ES9_EDITS_MAX];
	} rows[] = {
		{ "no header", { { "header", NULL } } },
		{ "header null", { { "header", "null" } } },
		{ "header empty", { { "header", "{}" } } },
		{ "with a warning", { { "header", "{\"functionExecutionStatus\":"
					"{\"status\":\"Executed-WithWarning\"}}" } } },
		{ "members nobody knows", { { "later", "[{\"a\":[1,2,{}]},null,1e3,\"\\\"}\"]" },
					    { "", "true" } } },
		{ "blanks within base64", { { "serverSigned1",
			"\" MEaAELkD164NSLh3Bsoqwi8kPFWBEHzcStO/TkzvnDY7\\r\\n  bFTWIEODDnNtZHBwLnJzcC50"
			"ZXN0hBCxOxOuSJaORQS1pvjvFizU\\t\"" } } },
		{ "escapes within base64", { { "serverSigned1",
			"\"MEaAELkD164NSLh3Bsoqwi8kPFWBEHzcStO\\/TkzvnDY7bFTWIEODDnNtZHBwLnJzcC50"
			"ZXN0hBCxOxOuSJaORQS1pvjvFiz\\u0055\"" } } },
		{ "no padding", { { "euiccCiPKIdToBeUsed", "\"BBTL9UPQAjLi08Gs5ApGmbO/6j5X3A\"" } } },
		{ "key by its other name", { { "euiccCiPKIdToBeUsed", NULL },
			{ "euiccCiPKIdentifierToBeUsed", "\"BBTL9UPQAjLi08Gs5ApGmbO/6j5X3A==\"" } } },
		{ "key bare", { { "euiccCiPKIdToBeUsed", "\"y/VD0AIy4tPBrOQKRpmzv+o+V9w=\"" } } },
		{ "signature bare", { { "serverSignature1", bare_signature } } },
		{ "signature bare at the end, after the key bare", {
			{ "euiccCiPKIdToBeUsed", "\"y/VD0AIy4tPBrOQKRpmzv+o+V9w=\"" },
			{ "serverSignature1", bare_signature } } },
		{ "transaction id null", { { "transactionId", "null" } } },
		{ "transaction id missing", { { "transactionId", NULL } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_edited(ES9P_INITIATE, rows[i].edits);
		es9_expect_good(ES9P_INITIATE, rows[i].legend);
		es9_expect_initiated(rows[i].legend);
		assert_false(es9_got.status.failed);
		assert_string_equal(es9_got.transaction, "B903D7AE0D48B87706CA2AC22F243C55");
	}
	es9_set_edited(ES9P_INITIATE, (struct es9_edit[ES9_EDITS_MAX]){ { "transactionId",
			"\"b903D7AE0D48b87706CA2AC22F243C55\"" } });
	es9_expect_good(ES9P_INITIATE, "case");
	es9_expect_initiated("case");
	assert_string_equal(es9_got.transaction, "b903D7AE0D48b87706CA2AC22F243C55");
	es9_set_edited(ES9P_AUTHENTICATE, (struct es9_edit[ES9_EDITS_MAX]){ { "transactionId", NULL },
			{ "smdpSignature2", "\"XL6zBY2U+l/JB/y056gtA0gfYR2XBWjeCkNZV91jdRFD8NI0eB2"
			  "+WgaLtq8oP/xMMzO0bc1T6xYFrRujPkM/wQ==\"" } });
	es9_expect_good(ES9P_AUTHENTICATE, "authenticate");
	es9_expect_authenticated("authenticate");
}

/* A P-384 signature bare, and a key identifier that looks like a TLV but is too short for one. */
static void bare_values_are_told_from_tlvs(void **state)
{
	char raw[160] = "\"", octets[96] = { 0x5f, 0x37, 93 };

	(void)state;
	base64_encode(octets, sizeof(octets), raw + 1, sizeof(raw) - 2);
	strcat(raw, "\"");
	es9_set_edited(ES9P_INITIATE, (struct es9_edit[ES9_EDITS_MAX]){ { "serverSignature1", raw },
			{ "euiccCiPKIdToBeUsed", "\"BBICAwQFBgcICQoLDA0ODxAREhM=\"" } });
	es9_expect_good(ES9P_INITIATE, "bare");
	assert_int_equal(es9_got.initiated.server_signature1.n, 99);
	assert_memory_equal(es9_got.initiated.server_signature1.p, "\x5f\x37\x60\x5f\x37\x5d", 6);
	assert_int_equal(es9_got.initiated.ci_pkid_whole.n, 22);
	assert_memory_equal(es9_got.initiated.ci_pkid_whole.p, "\x04\x14\x04\x12\x02", 5);
}

/* --- the package ---------------------------------------------------------------------------------- */

static void packages_are_read_in_place(void **state)
{
	static const struct {
		const char *legend, *body;
	} rows[] = {
		{ "alone", "{\"boundProfilePackage\":\"vzYE++/+/w==\"}" },
		{ "first", "{\"boundProfilePackage\":\"vzYE++/+/w==\",\"transactionId\":\"AB\"}" },
		{ "last", " {\"header\" : {\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}}\r\n,"
			  "\t\"boundProfilePackage\" : \"vzYE++/+/w==\" } \n" },
		{ "no padding", "{\"boundProfilePackage\":\"vzYE++/+/w\"}" },
		{ "slashes", "{\"boundProfilePackage\":\"vzYE++\\/+\\/w==\"}" },
		{ "letters as numbers", "{\"boundProfilePackage\":"
			"\"\\u0076zYE\\u002b\\u002B\\u002F+\\u002fw\\u003d=\"}" },
		{ "line ends", "{\"boundProfilePackage\":\"vzYE\\r\\n++/+\\n/w==\\t \"}" },
		{ "line ends as they are", "{\"boundProfilePackage\":\"vzYE\r\n++/+\n/w==\t \"}" },
		{ "its name written otherwise", "{\"boundProfile\\u0050ackage\":\"vzYE++/+/w==\"}" },
		{ "another of that name deeper", "{\"a\":{\"boundProfilePackage\":\"vzYA\"},"
			"\"boundProfilePackage\":\"vzYE++/+/w==\",\"b\":[{\"boundProfilePackage\":\"vzYA\"}]}" },
		{ "its name in a string", "{\"a\":\"\\\"boundProfilePackage\\\":\\\"vzYA\\\"\\\\\","
			"\"boundProfilePackage\":\"vzYE++/+/w==\"}" },
		{ "names like it", "{\"boundProfilePackag\":1,\"boundProfilePackages\":2,"
			"\"boundProfilePackage\\u0000\":3,\"boundProfilePackage\":\"vzYE++/+/w==\"}" },
	};
	static const uint8_t want[] = { 0xbf, 0x36, 0x04, 0xfb, 0xef, 0xfe, 0xff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_body(rows[i].body, strlen(rows[i].body));
		es9_expect_good(ES9P_GET_BPP, rows[i].legend);
		assert_false(es9_got.status.failed);
		if (!octets_same(es9_got.bpp, octets_from(want, sizeof(want))))
			fail_msg("%s: read wrongly", rows[i].legend);
		expect_package_within_body();
	}
}

/* A megabyte, every slash escaped, as some servers write it. */
static void huge_packages_are_read(void **state)
{
	size_t value_n = 1000000, n = value_n + 6, at = 0, digits;
	_cleanup_(freep) uint8_t *package = malloc(n);
	_cleanup_(freep) char *b64 = malloc(BASE64_LEN(n) + 1), *text = malloc(2 * BASE64_LEN(n) + 64);

	(void)state;
	assert_true(package && b64 && text);
	memcpy(package, "\xbf\x36\x83\x0f\x42\x40", 6);
	for (size_t i = 0; i < value_n; i++)
		package[6 + i] = (uint8_t)(i * 7 >> 3 ^ i);
	assert_int_equal(base64_encode(package, n, b64, BASE64_LEN(n) + 1), 0);
	digits = strlen(b64);
	at = (size_t)sprintf(text, "{\"transactionId\":\"AB\",\"boundProfilePackage\":\"");
	for (size_t i = 0; i < digits; i++) {
		if (b64[i] == '/')
			text[at++] = '\\';
		text[at++] = b64[i];
	}
	memcpy(text + at, "\"}", 2);
	es9_set_body(text, at + 2);
	es9_expect_good(ES9P_GET_BPP, "huge");
	assert_true(octets_same(es9_got.bpp, octets_from(package, n)));
}

/* A server that says no means it, whatever else it says. */
static void a_no_counts_before_the_package(void **state)
{
	static const char *const bodies[] = {
		"{\"header\":{\"functionExecutionStatus\":{\"status\":\"Failed\"}},"
		"\"boundProfilePackage\":\"!\"}",
		"{\"boundProfilePackage\":\"vzYA\",\"header\":{\"functionExecutionStatus\":"
		"{\"status\":\"Expired\"}}}",
		"{\"boundProfilePackage\":3,\"header\":{\"functionExecutionStatus\":"
		"{\"status\":\"FAILED\"}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		es9_set_body(bodies[i], strlen(bodies[i]));
		es9_expect_good(ES9P_GET_BPP, bodies[i]);
		assert_true(es9_got.status.failed);
		es9_expect_no_members();
		assert_memory_equal(es9_body.p, bodies[i], es9_body.n);
	}
}

/* --- SM-DS ---------------------------------------------------------------------------------------- */

static void events_are_listed(void **state)
{
	static const char one[] =
		"{\"header\":{\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}},"
		"\"transactionId\":\"ab01\",\"eventEntries\":[{\"eventId\":\"E-1\","
		"\"rspServerAddress\":\"dp.example\"},{\"rspServerAddress\":\"ds.example\",\"x\":1,"
		"\"eventId\":\"E\\u002d2\"}]}";

	(void)state;
	es9_set_body(one, sizeof(one) - 1);
	es9_expect_good(ES9P_AUTHENTICATE, "two");
	assert_true(es9_got.authenticated.smds && es9_got.authenticated.smdp_signed2.n == 0);
	assert_true(octets_same(es9_got.authenticated.transaction_id, octets_from("\xab\x01", 2)));
	assert_int_equal(es9_got.events.n, 2);
	assert_false(es9_got.events.more);
	assert_string_equal(es9_got.events.list[0].id, "E-1");
	assert_string_equal(es9_got.events.list[0].address, "dp.example");
	assert_string_equal(es9_got.events.list[1].id, "E-2");
	assert_string_equal(es9_got.events.list[1].address, "ds.example");

	es9_set_body("{\"eventEntries\":[]}", 19);
	es9_expect_good(ES9P_AUTHENTICATE, "none");
	assert_true(es9_got.authenticated.smds && es9_got.authenticated.transaction_id.n == 0);
	assert_true(es9_got.events.n == 0 && !es9_got.events.more);
}

static void events_that_do_not_fit_are_left(void **state)
{
	static const char end[] = "\",\"rspServerAddress\":\"b\"}";

	(void)state;
	es9_set_pile("{\"eventEntries\":[", 8, "{\"eventId\":\"a\",\"rspServerAddress\":\"b\"},", "null", "",
		 "]}");
	es9_expect_why(ES9P_AUTHENTICATE, "null", "an entry of eventEntries is no object");
	es9_set_pile("{\"eventEntries\":[", 7, "{\"eventId\":\"a\",\"rspServerAddress\":\"b\"},",
		 "{\"eventId\":\"z\",\"rspServerAddress\":\"b\"}", "", "]}");
	es9_expect_good(ES9P_AUTHENTICATE, "eight");
	assert_true(es9_got.events.n == 8 && !es9_got.events.more);
	assert_string_equal(es9_got.events.list[7].id, "z");
	es9_set_pile("{\"eventEntries\":[", 8, "{\"eventId\":\"a\",\"rspServerAddress\":\"b\"},",
		 "{\"eventId\":\"z\",\"rspServerAddress\":\"b\"}", "", "]}");
	es9_expect_good(ES9P_AUTHENTICATE, "nine");
	assert_true(es9_got.events.n == 8 && es9_got.events.more);
	for (size_t n = ES9P_EVENT_ID_MAX - 1; n <= ES9P_EVENT_ID_MAX; n++) {
		char tail[128];

		snprintf(tail, sizeof(tail), "%s,{\"eventId\":\"c%s]}", end, end);
		es9_set_pile("{\"eventEntries\":[{\"eventId\":\"", n, "a", "", "", tail);
		es9_expect_good(ES9P_AUTHENTICATE, "long");
		assert_true(es9_got.events.more == (n == ES9P_EVENT_ID_MAX));
		assert_int_equal(es9_got.events.n, es9_got.events.more ? 1 : 2);
		assert_string_equal(es9_got.events.list[es9_got.events.n - 1].id, "c");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_requests_are_written),
		cmocka_unit_test(requests_fit_or_are_refused),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(recorded_answers_are_read),
		cmocka_unit_test(recorded_failures_have_words),
		cmocka_unit_test(answers_are_read_liberally),
		cmocka_unit_test(bare_values_are_told_from_tlvs),
		cmocka_unit_test(packages_are_read_in_place),
		cmocka_unit_test(huge_packages_are_read),
		cmocka_unit_test(a_no_counts_before_the_package),
		cmocka_unit_test(events_are_listed),
		cmocka_unit_test(events_that_do_not_fit_are_left),
	};

	return cmocka_run_group_tests(tests, es9_load, es9_unload);
}
