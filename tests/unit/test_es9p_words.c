/* What ES9+ servers say in numbers, and activation codes. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "esipa/es9p.h"
#include "support/es9bed.h"

/* --- status --------------------------------------------------------------------------------------- */

static void statuses_are_read(void **state)
{
#define STATUS(inner) "{\"header\":{\"functionExecutionStatus\":{" inner "}}}"
	static const struct {
		const char *body;
		bool failed;
		const char *subject, *reason, *message;
	} rows[] = {
		{ "", false, "", "", "" },
		{ " \r\n", false, "", "", "" },
		{ "{}", false, "", "", "" },
		{ "{\"transactionId\":\"AB\"}", false, "", "", "" },
		{ STATUS(""), false, "", "", "" },
		{ STATUS("\"status\":null"), false, "", "", "" },
		{ STATUS("\"status\":\"Executed-Success\""), false, "", "", "" },
		{ STATUS("\"status\":\"executed-success\""), false, "", "", "" },
		{ STATUS("\"status\":\"Executed-WithWarning\",\"statusCodeData\":{\"subjectCode\":\"8.1\","
			 "\"reasonCode\":\"4.8\",\"message\":\"nearly full\"}"),
		  false, "8.1", "4.8", "nearly full" },
		{ STATUS("\"status\":\"Failed\""), true, "", "", "" },
		{ STATUS("\"status\":\"failed\",\"statusCodeData\":null"), true, "", "", "" },
		{ STATUS("\"status\":\"Expired\",\"statusCodeData\":{\"reasonCode\":\"6.3\"}"), true, "",
		  "6.3", "" },
		/* Written as numbers, where a lost zero would be another code. */
		{ STATUS("\"status\":\"Failed\",\"statusCodeData\":{\"subjectCode\":8.8,"
			 "\"reasonCode\":3.10}"), true, "8.8", "3.10", "" },
		{ STATUS("\"status\":\"Failed\",\"statusCodeData\":{\"subjectCode\":8,"
			 "\"reasonCode\":[],\"message\":{}}"), true, "8", "", "" },
		/* Words that would move a cursor or end a line, and such that are cut. */
		{ STATUS("\"status\":\"Failed\",\"statusCodeData\":{\"message\":\"a\\u001b[2Jb\\nc\\u0000d"
			 "\303\244\342\202\254\177e\"}"), true, "", "", "a?[2Jb?c?d???e" },
		{ STATUS("\"status\":\"Failed\",\"statusCodeData\":{\"subjectCode\":\"1.2.3.4.5.6.7.8.9\"}"),
		  true, "1.2.3.4.5.6.7.8", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		es9_set_body(rows[i].body, strlen(rows[i].body));
		es9_expect_good(ES9P_CANCEL, rows[i].body);
		assert_int_equal(es9_got.status.failed, rows[i].failed);
		assert_string_equal(es9_got.status.subject, rows[i].subject);
		assert_string_equal(es9_got.status.reason, rows[i].reason);
		assert_string_equal(es9_got.status.message, rows[i].message);
	}
	es9_set_pile("{\"header\":{\"functionExecutionStatus\":{\"status\":\"Failed\",\"statusCodeData\":"
		 "{\"message\":\"", 96, "m", "", "", "\"}}}}");
	es9_expect_good(ES9P_CANCEL, "long");
	assert_int_equal(strlen(es9_got.status.message), 95);
}

static void every_code_has_its_words(void **state)
{
	static const struct {
		const char *subject, *reason, *words;
	} rows[] = {
		{ "1.2.1", "2.1", "Content-Type not supported" },
		{ "1.2.2", "2.1", "X-Admin-Protocol not supported" },
		{ "1.3.1", "2.2", "device information missing" },
		{ "8.1", "4.8", "not enough memory on the eUICC" },
		{ "8.1", "6.1", "eUICC signature or challenge invalid" },
		{ "8.1.1", "2.2", "EID missing in the order" },
		{ "8.1.1", "3.1", "profile linked to another EID" },
		{ "8.1.1", "3.8", "EID refused" },
		{ "8.1.2", "6.1", "EUM certificate invalid" },
		{ "8.1.2", "6.3", "EUM certificate expired" },
		{ "8.1.3", "6.1", "eUICC certificate invalid" },
		{ "8.1.3", "6.3", "eUICC certificate expired" },
		{ "8.2", "1.2", "profile not released" },
		{ "8.2", "3.7", "profile cannot be bound again" },
		{ "8.2.1", "1.2", "ICCID not allowed" },
		{ "8.2.1", "3.1", "ICCID linked to another EID" },
		{ "8.2.1", "3.3", "ICCID not available" },
		{ "8.2.1", "3.5", "profile cannot be released" },
		{ "8.2.1", "3.9", "ICCID unknown" },
		{ "8.2.5", "1.2", "profile type not allowed" },
		{ "8.2.5", "3.7", "no profile of this type left" },
		{ "8.2.5", "3.8", "profile type does not match" },
		{ "8.2.5", "3.9", "profile type unknown" },
		{ "8.2.5", "4.3", "no eligible profile for this device" },
		{ "8.2.6", "3.1", "another matching id linked" },
		{ "8.2.6", "3.3", "matching id conflicts" },
		{ "8.2.6", "3.8", "matching id refused" },
		{ "8.2.7", "2.2", "confirmation code missing" },
		{ "8.2.7", "3.8", "confirmation code refused" },
		{ "8.2.7", "6.4", "confirmation code retries exceeded" },
		{ "8.8", "3.1", "SM-DP+ OID invalid" },
		{ "8.8", "3.10", "SM-DP+ OID invalid" },
		{ "8.8.1", "3.8", "SM-DP+ address refused" },
		{ "8.8.2", "3.1", "no CI key that the SM-DP+ supports" },
		{ "8.8.3", "3.1", "eUICC version not supported by the SM-DP+" },
		{ "8.8.4", "3.7", "SM-DP+ has no certificate for this eUICC" },
		{ "8.8.5", "4.1", "download order expired" },
		{ "8.8.5", "4.10", "download order expired" },
		{ "8.8.5", "6.4", "download retries exceeded" },
		{ "8.9", "4.2", "SM-DS execution error" },
		{ "8.9", "5.1", "SM-DS not reachable" },
		{ "8.9.1", "3.8", "SM-DS address refused" },
		{ "8.9.2", "3.1", "no CI key that the SM-DS supports" },
		{ "8.9.3", "3.1", "eUICC version not supported by the SM-DS" },
		{ "8.9.4", "3.7", "SM-DS has no certificate for this eUICC" },
		{ "8.9.5", "3.3", "event already registered" },
		{ "8.9.5", "3.9", "event unknown" },
		{ "8.10.1", "3.9", "transaction unknown" },
		{ "8.11.1", "3.9", "CI key unknown" },
		{ "", "", NULL }, { "8.2.6", "", NULL }, { "8.2.6", "3.80", NULL }, { "8.2", "3.8", NULL },
		{ "8.2.6 ", "3.8", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct es9p_status s = { .failed = true };
		const char *words;

		strcpy(s.subject, rows[i].subject);
		strcpy(s.reason, rows[i].reason);
		words = es9p_status_words(&s);
		if (rows[i].words ? !words || strcmp(words, rows[i].words) != 0 : words != NULL)
			fail_msg("%s %s: %s", s.subject, s.reason, words ? words : "none");
	}
}

/* --- activation codes ----------------------------------------------------------------------------- */

static void activation_codes_are_read(void **state)
{
	static const struct {
		const char *code, *address, *token, *oid;
		bool confirmation;
	} rows[] = {
		{ "1$dp.example$MATCH-1", "dp.example", "MATCH-1", "", false },
		{ "LPA:1$dp.example$MATCH-1", "dp.example", "MATCH-1", "", false },
		{ "lpa:1$dp.example$MATCH-1\r\n", "dp.example", "MATCH-1", "", false },
		{ "1$dp.example$", "dp.example", "", "", false },
		{ "1$dp.example$$", "dp.example", "", "", false },
		{ "1$dp.example$T$2.999.10", "dp.example", "T", "2.999.10", false },
		{ "1$dp.example$T$2.999.10$1", "dp.example", "T", "2.999.10", true },
		{ "1$dp.example$T$$1", "dp.example", "T", "", true },
		{ "1$dp.example$T$$", "dp.example", "T", "", false },
		{ "1$dp.example$T$$0", "dp.example", "T", "", false },
		{ "1$dp.example$T$$1$", "dp.example", "T", "", true },
		{ "1$dp.example$T$$$0414AB$1$whatever", "dp.example", "T", "", false },
		{ "1$dp.example$t_o.k/e+n=\"", "dp.example", "t_o.k/e+n=\"", "", false },
		{ "1$192.0.2.7:8443$T", "192.0.2.7:8443", "T", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct es9p_code c;
		const char *why = NULL;

		memset(&c, ES9_UNTOUCHED, sizeof(c));
		if (es9p_code_parse(text_of(rows[i].code), &c, &why) < 0)
			fail_msg("%s: %s", rows[i].code, why);
		assert_null(why);
		assert_string_equal(c.address, rows[i].address);
		assert_string_equal(c.token, rows[i].token);
		assert_string_equal(c.oid, rows[i].oid);
		assert_int_equal(c.confirmation, rows[i].confirmation);
	}
}

static void broken_activation_codes_are_explained(void **state)
{
	static const char format[] = "1$ expected at its beginning",
		address[] = "address of an SM-DP+ expected behind 1$",
		behind[] = "$ expected behind the address",
		printable[] = "printable characters without blanks expected",
		oid[] = "SM-DP+ OID or nothing expected as the third part",
		flag[] = "1 or nothing expected as the confirmation code flag";
	static const struct {
		const char *code, *why;
	} rows[] = {
		{ "", format }, { "LPA:", format }, { "1", behind }, { "1$", behind }, { "2$dp.example$T", format },
		{ "$dp.example$T", format }, { "11$dp.example$T", format }, { "LPA1$dp.example$T", format },
		{ "LPA:LPA:1$dp.example$T", format }, { "dp.example", format },
		{ "1$dp.example", behind }, { "1$$T", address }, { "1$$", address },
		{ "1$dp/x$T", address }, { "1$https://dp.example$T", address }, { "1$dp\"$T", address },
		{ "1$dp.example$T T", printable }, { "1$dp.example$T\n$", printable },
		{ "1$dp.example$\303\244", printable }, { "1$dp.example$\177", printable },
		{ "1$dp.example$T$2..9", oid }, { "1$dp.example$T$2.9.", oid }, { "1$dp.example$T$.2", oid },
		{ "1$dp.example$T$x", oid }, { "1$dp.example$T$1$x", flag }, { "1$dp.example$T$$11", flag },
	};
	struct es9p_code c;
	char code[ES9P_CODE_MAX + 1] = "1$";
	const char *why;

	(void)state;
	memset(&c, ES9_UNTOUCHED, sizeof(c));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		why = "";
		if (es9p_code_parse(text_of(rows[i].code), &c, &why) != -EINVAL ||
		    strcmp(why, rows[i].why) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].code, why, rows[i].why);
	}
	assert_int_equal(es9p_code_parse(text_from("1$dp.example$T\0", 15), &c, &why), -EINVAL);
	assert_string_equal(why, printable);
	assert_int_equal(es9p_code_parse(text_of("1$dp.example$T$1.22222222222222222222222222222222222222"
						 "222222222222222222222222"), &c, &why), -EINVAL);
	assert_string_equal(why, oid);
	/* 256 are too many. */
	memset(code + 2, 'a', sizeof(code) - 2);
	code[12] = '$';
	assert_int_equal(es9p_code_parse(text_from(code, 256), &c, &why), -EINVAL);
	assert_string_equal(why, "at most 255 characters expected");
	assert_true(es9_untouched(&c, sizeof(c)));
	assert_int_equal(es9p_code_parse(text_from(code, 255), &c, &why), 0);
	assert_int_equal(strlen(c.token), 242);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_are_read),
		cmocka_unit_test(every_code_has_its_words),
		cmocka_unit_test(activation_codes_are_read),
		cmocka_unit_test(broken_activation_codes_are_explained),
	};

	return cmocka_run_group_tests(tests, es9_load, es9_unload);
}
