/*
 * Answers of ES9+ and ES11 that are wrong: missing, misspelt, doubled, cut, heaped up. Each must be
 * refused by name, with nothing handed out.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "esipa/es9p.h"
#include "support/es9bed.h"

static void broken_members_are_named(void **state)
{
	static const struct {
		const char *legend;
		enum es9p_function function;
		struct es9_edit edits[ES9_EDITS_MAX];
		const char *why;
	} rows[] = {
		{ "missing", ES9P_INITIATE, { { "serverSigned1", NULL } }, "serverSigned1 is missing" },
		{ "null", ES9P_INITIATE, { { "serverSignature1", "null" } },
		  "serverSignature1 is missing" },
		{ "no key", ES9P_INITIATE, { { "euiccCiPKIdToBeUsed", NULL } },
		  "euiccCiPKIdToBeUsed is missing" },
		{ "the other key", ES9P_INITIATE, { { "euiccCiPKIdToBeUsed", NULL },
		  { "euiccCiPKIdentifierToBeUsed", "\"MAA=\"" } },
		  "euiccCiPKIdentifierToBeUsed is no TLV 4" },
		{ "no certificate", ES9P_INITIATE, { { "serverCertificate", NULL } },
		  "serverCertificate is missing" },
		{ "the first fault counts", ES9P_INITIATE, { { "serverSignature1", "1" },
		  { "serverSigned1", "2" } }, "serverSigned1 is no string" },
		{ "a number", ES9P_INITIATE, { { "serverSigned1", "17" } },
		  "serverSigned1 is no string" },
		{ "an array", ES9P_INITIATE, { { "serverSigned1", "[\"MAA=\"]" } },
		  "serverSigned1 is no string" },
		{ "an object", ES9P_INITIATE, { { "transactionId", "{}" } },
		  "transactionId is no string" },
		{ "empty", ES9P_INITIATE, { { "serverSigned1", "\"\"" } },
		  "serverSigned1 is no TLV 30" },
		{ "a foreign digit", ES9P_INITIATE, { { "serverSigned1", "\"MA*=\"" } },
		  "serverSigned1 is no base64" },
		{ "the digits of URLs", ES9P_INITIATE, { { "serverSigned1", "\"MA-_\"" } },
		  "serverSigned1 is no base64" },
		{ "a NUL", ES9P_INITIATE, { { "serverSigned1", "\"MAA=\\u0000\"" } },
		  "serverSigned1 is no base64" },
		{ "one digit left", ES9P_INITIATE, { { "serverSigned1", "\"MAAAA\"" } },
		  "serverSigned1 is no base64" },
		{ "padding in the middle", ES9P_INITIATE, { { "serverSigned1", "\"MA==MAA=\"" } },
		  "serverSigned1 is no base64" },
		{ "bits lost", ES9P_INITIATE, { { "serverSigned1", "\"MAB=\"" } },
		  "serverSigned1 is no base64" },
		{ "another tag", ES9P_INITIATE, { { "serverSigned1", "\"MQA=\"" } },
		  "serverSigned1 is no TLV 30" },
		{ "an id of its own is enough", ES9P_INITIATE, { { "serverSigned1", "\"MAEA\"" } }, NULL },
		{ "shorter than it says", ES9P_INITIATE, { { "serverSigned1", "\"MAIA\"" } },
		  "serverSigned1 is no TLV 30" },
		{ "something behind it", ES9P_INITIATE, { { "serverSigned1", "\"MAAA\"" } },
		  "serverSigned1 is no TLV 30" },
		{ "a signature of 63 octets", ES9P_INITIATE, { { "serverSignature1",
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		  "AAAA\"" } }, "serverSignature1 is no TLV 5F37" },
		{ "a key of 19 octets", ES9P_INITIATE, { { "euiccCiPKIdToBeUsed",
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAA==\"" } }, "euiccCiPKIdToBeUsed is no TLV 4" },
		{ "a letter that is no digit", ES9P_INITIATE, { { "transactionId", "\"AG\"" } },
		  "transactionId is no hexadecimal" },
		{ "half an octet", ES9P_INITIATE, { { "transactionId", "\"ABC\"" } },
		  "transactionId is no hexadecimal" },
		{ "no digits", ES9P_INITIATE, { { "transactionId", "\"\"" } },
		  "transactionId is no hexadecimal" },
		{ "33 octets", ES9P_INITIATE, { { "transactionId",
		  "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\"" } },
		  "transactionId is too long" },
		{ "no id anywhere", ES9P_INITIATE, { { "transactionId", NULL },
		  { "serverSigned1", "\"MAA=\"" } }, "transactionId is missing" },
		{ "an endless id", ES9P_INITIATE, { { "transactionId", NULL }, { "serverSigned1",
		  "\"MCOAIQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\"" } },
		  "transactionId is too long" },

		{ "no metadata", ES9P_AUTHENTICATE, { { "profileMetadata", NULL } },
		  "profileMetadata is missing" },
		{ "other metadata", ES9P_AUTHENTICATE, { { "profileMetadata", "\"MAA=\"" } },
		  "profileMetadata is no TLV BF25" },
		{ "nothing signed", ES9P_AUTHENTICATE, { { "smdpSigned2", NULL } },
		  "smdpSigned2 is missing" },
		{ "no signature", ES9P_AUTHENTICATE, { { "smdpSignature2", "false" } },
		  "smdpSignature2 is no string" },
		{ "no certificate", ES9P_AUTHENTICATE, { { "smdpCertificate", "\"!\"" } },
		  "smdpCertificate is no base64" },
		{ "an id that is none", ES9P_AUTHENTICATE, { { "transactionId", "\"x\"" } },
		  "transactionId is no hexadecimal" },

		{ "no package", ES9P_GET_BPP, { { "boundProfilePackage", NULL } },
		  "boundProfilePackage is missing" },
		{ "package null", ES9P_GET_BPP, { { "boundProfilePackage", "null" } },
		  "boundProfilePackage is missing" },
		{ "a number", ES9P_GET_BPP, { { "boundProfilePackage", "4" } },
		  "boundProfilePackage is no string" },
		{ "an object", ES9P_GET_BPP, { { "boundProfilePackage",
		  "{\"boundProfilePackage\":\"vzYA\"}" } }, "boundProfilePackage is no string" },
		{ "deeper only", ES9P_GET_BPP, { { "boundProfilePackage", NULL },
		  { "x", "{\"boundProfilePackage\":\"vzYA\"}" } }, "boundProfilePackage is missing" },
		{ "empty", ES9P_GET_BPP, { { "boundProfilePackage", "\"\"" } },
		  "boundProfilePackage is no TLV BF36" },
		{ "another tag", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzcA\"" } },
		  "boundProfilePackage is no TLV BF36" },
		{ "cut short", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzYB\"" } },
		  "boundProfilePackage is no TLV BF36" },
		{ "something behind it", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzYAAA==\"" } },
		  "boundProfilePackage is no TLV BF36" },
		{ "a foreign digit", ES9P_GET_BPP, { { "boundProfilePackage", "\"vz_A\"" } },
		  "boundProfilePackage is no base64" },
		{ "an escape that is none", ES9P_GET_BPP, { { "boundProfilePackage", "\"vz\\xA\"" } },
		  "boundProfilePackage is no base64" },
		{ "half an escape", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzY\\u004\"" } },
		  "boundProfilePackage is no base64" },
		{ "an escaped letter of no digit", ES9P_GET_BPP, { { "boundProfilePackage",
		  "\"vzYA\\u0141\"" } }, "boundProfilePackage is no base64" },
		{ "an escaped quote", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzYA\\\"\"" } },
		  "boundProfilePackage is no base64" },
		{ "UTF-8", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzYA\303\251\"" } },
		  "boundProfilePackage is no base64" },
		{ "one digit left", ES9P_GET_BPP, { { "boundProfilePackage", "\"vzYAA\"" } },
		  "boundProfilePackage is no base64" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_edited(rows[i].function, rows[i].edits);
		if (rows[i].why)
			es9_expect_why(rows[i].function, rows[i].legend, rows[i].why);
		else
			es9_expect_good(rows[i].function, rows[i].legend);
	}
}

/* json-c has words of its own for some. */
static void expect_no_json(enum es9p_function f, const char *text)
{
	if (es9_decode(f) != -EBADMSG || !text_starts(text_of(es9_area.why), "JSON: "))
		fail_msg("%s is taken", text);
}

static void broken_documents_are_named(void **state)
{
	static const struct {
		const char *body, *why, *why_package;
	} rows[] = {
		{ " \r\n", "JSON: it is empty", "JSON: it is empty" },
		{ "[]", "JSON: it is no object", "JSON: it is no object" },
		{ "null", "JSON: it is no object", "JSON: it is no object" },
		{ "\"header\"", "JSON: it is no object", "JSON: it is no object" },
		{ "{", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\"", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":1", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":1,", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":[{}", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":\"\\", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{\"a\":\"}", "JSON: it ends in the middle", "JSON: it ends in the middle" },
		{ "{a:1}", NULL, "JSON: a name in quotes is missing" },
		{ "{\"a\":1,}", NULL, "JSON: a name in quotes is missing" },
		{ "{\"a\" 1}", NULL, "JSON: a colon is missing" },
		{ "{\"a\":1 2}", NULL, "JSON: a comma is missing" },
		{ "{\"a\":\"\303\"}", "JSON: invalid UTF-8", "JSON: invalid UTF-8" },
		{ "{\"a\":1}}", "JSON: unexpected character", "JSON: unexpected character" },
		{ "{\"boundProfilePackage\":\"vzYA\"}}", "JSON: unexpected character",
		  "JSON: unexpected character" },
		{ "{\"boundProfilePackage\":\"vzYA\",\"a\":[}]}", NULL, NULL },
		{ "{\"boundProfilePackage\":\"vzYA\",\"a\":{]}", NULL, NULL },
		{ "{\"boundProfilePackage\":\"vzYA\",\"a\":nul}", NULL, NULL },
		{ "{\"a\":1,\"a\":1}", "JSON: two members of one name",
		  "JSON: two members of one name" },
		{ "{\"a\":1,\"b\":2,\"\\u0061\":3}", "JSON: two members of one name",
		  "JSON: two members of one name" },
		{ "{\"boundProfilePackage\":\"vzYA\",\"boundProfile\\u0050ackage\":\"vzYA\"}",
		  "JSON: two members of one name", "JSON: two members of one name" },
		{ "{\"header\":{\"functionExecutionStatus\":1,\"functionExecutionStatus\":{}}}",
		  "JSON: two members of one name", "JSON: two members of one name" },
		{ "{\"header\":{\"functionExecutionStatus\":{\"status\":\"Failed\","
		  "\"status\":\"Executed-Success\"}}}",
		  "JSON: two members of one name", "JSON: two members of one name" },
		{ "{\"header\":{\"functionExecutionStatus\":{\"statusCodeData\":{\"reasonCode\":\"1\","
		  "\"reasonCode\":\"2\"}}}}",
		  "JSON: two members of one name", "JSON: two members of one name" },
		{ "{\"header\":7}", "header is no object", "header is no object" },
		{ "{\"header\":[]}", "header is no object", "header is no object" },
		{ "{\"header\":{\"functionExecutionStatus\":\"Failed\"}}",
		  "functionExecutionStatus is no object", "functionExecutionStatus is no object" },
		{ "{\"header\":{\"functionExecutionStatus\":{\"statusCodeData\":\"8.1\"}}}",
		  "statusCodeData is no object", "statusCodeData is no object" },
		{ "{\"header\":{\"functionExecutionStatus\":{\"status\":\"Maybe\"}}}",
		  "status is none that is known", "status is none that is known" },
		{ "{\"header\":{\"functionExecutionStatus\":{\"status\":1}}}",
		  "status is none that is known", "status is none that is known" },
	};
	static const enum es9p_function functions[] = { ES9P_INITIATE, ES9P_AUTHENTICATE, ES9P_CANCEL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].body);

		for (size_t f = 0; f < ARRAY_SIZE(functions); f++) {
			es9_set_body(rows[i].body, n);
			/* Nothing at all is a yes where only a header could be. */
			if (functions[f] == ES9P_CANCEL && text_trim(octets_text(es9_body)).n == 0)
				continue;
			if (rows[i].why)
				es9_expect_why(functions[f], rows[i].body, rows[i].why);
			else
				expect_no_json(functions[f], rows[i].body);
		}
		es9_set_body(rows[i].body, n);
		if (rows[i].why_package)
			es9_expect_why(ES9P_GET_BPP, rows[i].body, rows[i].why_package);
		else
			expect_no_json(ES9P_GET_BPP, rows[i].body);
	}
	es9_set_body("{\"a\":1,\"b\":\"\0\"}", 15);
	es9_expect_why(ES9P_INITIATE, "NUL", "JSON: a NUL octet is not allowed");
	es9_set_body("{\"boundProfilePackage\":\"vzYA\"}\0", 31);
	es9_expect_why(ES9P_GET_BPP, "NUL", "JSON: a NUL octet is not allowed");
	es9_set_body("{\"boundProfilePackage\":\"vzYA\0\"}", 31);
	es9_expect_why(ES9P_GET_BPP, "NUL within", "boundProfilePackage is no base64");
}

static void nesting_and_numbers_have_limits(void **state)
{
	(void)state;
	for (int f = 0; f < _ES9P_FUNCTION_MAX; f++) {
		es9_set_pile("{\"boundProfilePackage\":\"vzYA\",\"a\":", 1000, "[", "1", "]", "}");
		es9_expect_why((enum es9p_function)f, "deep", "JSON: nested too deeply");
		es9_set_pile("{\"a\":", 1000, "{\"boundProfilePackage\":", "\"vzYA\"", "}", "}");
		es9_expect_why((enum es9p_function)f, "deep objects", "JSON: nested too deeply");
		es9_set_pile("{", 64, "\"", "", "\":1,", "\"boundProfilePackage\":\"vzYA\"}");
		if (es9_decode((enum es9p_function)f) != -EBADMSG)
			fail_msg("a heap of quotes is taken");
	}
	/* Within the limits. */
	es9_set_pile("{\"boundProfilePackage\":\"vzYA\",\"a\":", 12, "[", "1", "]", "}");
	es9_expect_good(ES9P_GET_BPP, "nested");
	assert_int_equal(es9_got.bpp.n, 3);
	/* 64 members, then one more. */
	for (size_t n = 64; n <= 65; n++) {
		char text[1024] = "{\"boundProfilePackage\":\"vzYA\"";

		for (size_t i = 1; i < n; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"m%zu\":%zu", i, i);
		strcat(text, "}");
		es9_set_body(text, strlen(text));
		if (n == 64)
			es9_expect_good(ES9P_GET_BPP, "64");
		else
			es9_expect_why(ES9P_GET_BPP, "65", "JSON: too many members");
		es9_set_body(text, strlen(text));
		if (n == 64)
			es9_expect_good(ES9P_CANCEL, "64");
		else
			es9_expect_why(ES9P_CANCEL, "65", "JSON: too many members");
	}
	/* Around the package there is little room, and it is used to the last octet. */
	es9_set_pile("{\"boundProfilePackage\":\"vzYA\",\"a\":\"", 4096 - 33, "x", "", "", "\"}");
	es9_expect_good(ES9P_GET_BPP, "4096 around");
	es9_set_pile("{\"boundProfilePackage\":\"vzYA\",\"a\":\"", 4096 - 32, "x", "", "", "\"}");
	es9_expect_why(ES9P_GET_BPP, "behind", "more than 4096 octets around boundProfilePackage");
	es9_set_pile("{\"a\":\"", 5000, "x", "", "", "\",\"boundProfilePackage\":\"vzYA\"}");
	es9_expect_why(ES9P_GET_BPP, "before", "more than 4096 octets around boundProfilePackage");
	/* Members nobody asked for may be long where nothing is copied. */
	es9_set_pile("{\"a\":\"", 500000, "x", "", "", "\"}");
	es9_expect_why(ES9P_INITIATE, "long", "serverSigned1 is missing");
	/* The area bounds what is decoded. */
	es9_set_recorded(es9_response_at[ES9P_AUTHENTICATE]);
	for (size_t cap = 0; cap < 3000; cap++) {
		es9_area.cap = cap;
		if (es9_decode(ES9P_AUTHENTICATE) == 0)
			break;
		assert_true(text_has(text_of(es9_area.why), " is too long"));
		assert_true(es9_untouched(&es9_got.status, sizeof(es9_got.status)));
		es9_expect_no_members();
	}
	es9_expect_authenticated("small area");
}

static void broken_events_are_named(void **state)
{
	static const struct {
		const char *body, *why;
	} rows[] = {
		{ "{\"eventEntries\":{}}", "eventEntries is no array" },
		{ "{\"eventEntries\":\"\"}", "eventEntries is no array" },
		{ "{\"eventEntries\":[1]}", "an entry of eventEntries is no object" },
		{ "{\"eventEntries\":[{}]}", "eventId is missing" },
		{ "{\"eventEntries\":[{\"eventId\":\"a\"}]}", "rspServerAddress is missing" },
		{ "{\"eventEntries\":[{\"eventId\":null}]}", "eventId is missing" },
		{ "{\"eventEntries\":[{\"eventId\":1}]}", "eventId is no string" },
		{ "{\"eventEntries\":[{\"eventId\":\"\"}]}", "eventId is empty" },
		{ "{\"eventEntries\":[{\"eventId\":\"a\",\"rspServerAddress\":\"\"}]}",
		  "rspServerAddress is empty" },
		{ "{\"eventEntries\":[{\"eventId\":\"a b\"}]}",
		  "eventId has characters that it must not have" },
		{ "{\"eventEntries\":[{\"eventId\":\"a\\u0000\"}]}",
		  "eventId has characters that it must not have" },
		{ "{\"eventEntries\":[{\"eventId\":\"a\",\"rspServerAddress\":\"\303\244\"}]}",
		  "rspServerAddress has characters that it must not have" },
		{ "{\"eventEntries\":null}", "profileMetadata is missing" },
		{ "{\"transactionId\":\"1\",\"eventEntries\":[]}", "transactionId is no hexadecimal" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_body(rows[i].body, strlen(rows[i].body));
		es9_expect_why(ES9P_AUTHENTICATE, rows[i].body, rows[i].why);
	}
}

static void cut_or_altered_answers_do_no_harm(void **state)
{
	(void)state;
	for (int f = 0; f < _ES9P_FUNCTION_MAX; f++) {
		_cleanup_(freep) uint8_t *whole = NULL;
		size_t n;

		es9_set_edited((enum es9p_function)f, (struct es9_edit[ES9_EDITS_MAX]){ { NULL } });
		n = es9_body.n;
		whole = malloc(n);
		assert_non_null(whole);
		memcpy(whole, es9_body.p, n);
		for (size_t cut = 1; cut < n; cut++) {
			es9_set_body(whole, cut);
			es9_expect_why((enum es9p_function)f, "cut", "JSON: it ends in the middle");
		}
		for (size_t i = 0; i < n; i++) {
			es9_set_body(whole, n);
			es9_body_octets[i] ^= (uint8_t)(1 << i % 8);
			if (es9_decode((enum es9p_function)f) < 0) {
				assert_true(es9_area.why[0] && strlen(es9_area.why) < ES9P_WHY_MAX);
				es9_expect_no_members();
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_members_are_named),
		cmocka_unit_test(broken_documents_are_named),
		cmocka_unit_test(nesting_and_numbers_have_limits),
		cmocka_unit_test(broken_events_are_named),
		cmocka_unit_test(cut_or_altered_answers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, es9_load, es9_unload);
}
