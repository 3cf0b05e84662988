/* JSON of strangers: what is read, what is refused and why, in any alphabet. */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>

#include "codec/json.h"
#include "core/util.h"

static const struct {
	const char *legend, *text;
	const char *string;             /* its first member; NULL: it is refused … */
	const char *why;                /* … and why */
	const char *ascii;              /* NULL: as it is */
} rows[] = {
	{ "ASCII", "[\"plain\"]", "plain" },
	{ "two octets", "[\"\xc3\xa4\"]", "\xc3\xa4", .ascii = "[\"\\u00e4\"]" },
	{ "three", "[\"a\xe2\x82\xac" "b\"]", "a\xe2\x82\xac" "b", .ascii = "[\"a\\u20acb\"]" },
	{ "four", "[\"\xf0\x9f\x93\xb6\"]", "\xf0\x9f\x93\xb6", .ascii = "[\"\\ud83d\\udcf6\"]" },
	{ "the last there is", "[\"\xf4\x8f\xbf\xbf\"]", "\xf4\x8f\xbf\xbf", .ascii = "[\"\\udbff\\udfff\"]" },
	{ "a name", "[\"x\",{\"\xc3\xa4\":\"\xc3\xb6\"}]", "x",
	  .ascii = "[\"x\",{\"\\u00e4\":\"\\u00f6\"}]" },
	{ "escapes stay", "[\"\\u00e4\\n\\\"\xc3\xa4\"]", "\xc3\xa4\n\"\xc3\xa4",
	  .ascii = "[\"\\u00e4\\n\\\"\\u00e4\"]" },
	{ "an octet alone", "[\"\xe4\"]", NULL, "invalid UTF-8", "" },
	{ "what goes on, not begun", "[\"\x80\"]", NULL, "invalid UTF-8", "" },
	{ "begun twice", "[\"\xc3\xc3\xa4\"]", NULL, "invalid UTF-8", "" },
	{ "not of the alphabet", "[\"\xff\"]", NULL, "invalid UTF-8", "" },
};

static void every_alphabet_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_object *o = NULL;
		const char *why = NULL;
		int r = json_read(text_of(rows[i].text), 8, &o, &why);

		if (rows[i].string) {
			if (r < 0)
				fail_msg("%s: %s", rows[i].legend, why);
			assert_string_equal(json_object_get_string(json_object_array_get_idx(o, 0)),
					    rows[i].string);
			json_object_put(o);
		} else {
			if (r != -EBADMSG)
				fail_msg("%s: it is read", rows[i].legend);
			assert_string_equal(why, rows[i].why);
		}
	}
}

static void expect_ascii(const char *legend, const char *text, const char *wanted)
{
	size_t n = 0;
	char *got = json_to_ascii(text_of(text), &n);

	if (!*wanted ? got != NULL : !got || n != strlen(wanted) || memcmp(got, wanted, n) != 0)
		fail_msg("%s: %.*s", legend, (int)n, got ? got : "none");
	free(got);
}

static void every_alphabet_can_be_said_in_ascii(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_ascii(rows[i].legend, rows[i].text, rows[i].ascii ? rows[i].ascii : rows[i].text);
	expect_ascii("longer than need be", "\xc0\xaf", "");
	expect_ascii("half a pair", "\xed\xa0\x80", "");
	expect_ascii("beyond the last", "\xf4\x90\x80\x80", "");
	expect_ascii("cut", "\xe2\x82", "");
	expect_ascii("five octets", "\xf8\x88\x80\x80\x80", "");
}

static void what_is_not_json_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "it is empty" },
		{ "[1", "it ends in the middle" },
		{ "[1]]", NULL },
		{ "[\xc3\xa4]", NULL },
		{ "[[[[[[[[[[1]]]]]]]]]]", "nested too deeply" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_object *o = NULL;
		const char *why = NULL;

		if (json_read(text_of(bad[i].text), 8, &o, &why) != -EBADMSG)
			fail_msg("it is read: %s", bad[i].text);
		assert_non_null(why);
		if (bad[i].why)
			assert_string_equal(why, bad[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_alphabet_is_read),
		cmocka_unit_test(every_alphabet_can_be_said_in_ascii),
		cmocka_unit_test(what_is_not_json_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
