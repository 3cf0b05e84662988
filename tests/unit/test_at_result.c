/* Final results, their numbers and words, and unsolicited prefixes, from the tables of the field. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "atcmd/result.h"
#include "atcmd/urc.h"
#include "core/util.h"
#include "support/vectors.h"

/* The fields of one line of a table; missing ones are empty. */
static void split_tabs(struct text line, struct text *field, size_t n)
{
	for (size_t i = 0; i < n; i++)
		field[i] = text_cut(&line, '\t');
}

static bool next_row(struct text *rest, struct text *field, size_t n)
{
	if (rest->n == 0)
		return false;
	split_tabs(text_cut(rest, '\n'), field, n);
	return true;
}

/* A command after which the text may stand: some are final only there. */
static const char *command_for(const char *text)
{
	if (!strncmp(text, "SHUT", 4) || !strncmp(text, "SEND", 4) || !strncmp(text, "CLOSE", 5))
		return "AT+CIPSEND=5";
	if (!strncmp(text, "NO ", 3) || !strcmp(text, "BUSY"))
		return "ATD*99#";
	return "AT+CMEE=1";
}

static void every_final_result_of_the_table_ends_its_command(void **state)
{
	char *data = vectors_load("tests/vectors/at/final_results.tsv", NULL);
	struct text rest = text_of(data), f[5];
	size_t finals = 0;

	(void)state;
	next_row(&rest, f, 5);
	while (next_row(&rest, f, 5)) {
		char text[64], line[64];
		enum at_end end;
		int code;

		text_copy(f[0], text, sizeof(text));
		/* "<n or text>" stands for something */
		if (strchr(text, '<'))
			snprintf(line, sizeof(line), "%.*s7", (int)(strchr(text, '<') - text), text);
		else
			snprintf(line, sizeof(line), "%s", text);
		print_message("%s\n", line);
		if (text_starts(f[2], "final")) {
			bool good = text_eq(f[3], "ok");

			finals++;
			assert_true(at_result(text_of(line), command_for(text), &end, &code));
			assert_int_equal(end == AT_OK || end == AT_CONNECT, good);
			if (text_all_digits(f[1])) {
				char number[4];
				enum at_end same;

				text_copy(f[1], number, sizeof(number));
				assert_true(at_result_numeric(text_of(number), &same));
				assert_int_equal(same, end);
			}
		} else {
			/* prompts and unsolicited lines end nothing */
			assert_false(at_result(text_of(line), "AT+CSQ", &end, &code));
		}
	}
	assert_true(finals >= 20);
	free(data);
}

static void no_carrier_ends_only_what_can_lose_one(void **state)
{
	enum at_end end;
	int code;

	(void)state;
	assert_false(at_result(TEXT("NO CARRIER"), "AT+CSQ", &end, &code));
	assert_true(at_urc_is(TEXT("NO CARRIER"), "AT+CSQ"));
	assert_true(at_result(TEXT("NO CARRIER"), "ATD*99#", &end, &code));
	assert_false(at_result(TEXT("OK then"), "AT", &end, &code));
	assert_false(at_result(TEXT("CONNECTED"), "AT", &end, &code));
	assert_false(at_result(TEXT("CONNECT OK"), "AT+CSQ", &end, &code));
	/* Somebody is called NA; a command that sets something is not answered by a name. */
	assert_false(at_result(TEXT("NA"), "AT+CGMI", &end, &code));
	assert_true(at_result(TEXT("NA"), "AT+COPS=0", &end, &code));
}

static void check_errors(const char *path, const char *prefix, enum at_end want_end,
			 const char *(*words_of)(int))
{
	char *data = vectors_load(path, NULL);
	struct text rest = text_of(data), f[3];
	size_t n = 0;

	next_row(&rest, f, 3);
	while (next_row(&rest, f, 3)) {
		char line[160];
		uint32_t number;
		enum at_end end;
		int code;

		if (text_to_u32(f[0], 10, &number) < 0)
			continue;       /* a range */
		n++;
		for (int words = 0; words < 2; words++) {
			snprintf(line, sizeof(line), "%s %.*s", prefix, TEXT_ARG(f[words]));
			print_message("%s\n", line);
			assert_true(at_result(text_of(line), "AT+CPIN?", &end, &code));
			assert_int_equal(end, want_end);
			assert_int_equal(code, number);
		}
		assert_true(text_eq(f[1], words_of((int)number)));
	}
	assert_true(n > 15);
	free(data);
}

static void error_numbers_and_words_are_the_same(void **state)
{
	enum at_end end;
	int code;

	(void)state;
	check_errors("tests/vectors/at/cme_errors.tsv", "+CME ERROR:", AT_CME_ERROR, at_cme_text);
	check_errors("tests/vectors/at/cms_errors.tsv", "+CMS ERROR:", AT_CMS_ERROR, at_cms_text);
	/* EM9191: words in no list */
	assert_true(at_result(TEXT("+CME ERROR: Parameters error"), "AT+CCHO=\"A0\"", &end, &code));
	assert_int_equal(end, AT_CME_ERROR);
	assert_int_equal(code, -1);
	/* no blank */
	assert_true(at_result(TEXT("+CME ERROR:10"), NULL, &end, &code));
	assert_int_equal(code, 10);
}

/* "+CSSI: / +CSSU:", "+QIND: SMS DONE / PB DONE", "+UUPSDA: +UUPSDD:": each is a line by itself. */
static void check_urc_words(struct text words)
{
	while (words.n) {
		struct text one = text_from(words.s, words.n);
		const char *slash = memmem(words.s, words.n, " / ", 3);
		char line[80];

		if (slash) {
			one.n = (size_t)(slash - words.s);
			words = text_skip(words, one.n + 3);
		} else {
			words = text_skip(words, words.n);
		}
		one = text_trim(one);
		/* several prefixes in one cell */
		while (one.n) {
			const char *colon = memmem(one.s, one.n, ": +", 3);
			size_t n = colon ? (size_t)(colon - one.s) + 1 : one.n;

			snprintf(line, sizeof(line), "%.*s%s", (int)n, one.s,
				 one.s[n - 1] == ':' ? " 1" : "");
			one = text_trim(text_skip(one, n));
			if (text_has(text_of(line), "..."))
				continue;
			print_message("%s\n", line);
			assert_true(at_urc_is(text_of(line), NULL));
		}
	}
}

static void every_unsolicited_prefix_of_the_table_is_known(void **state)
{
	char *data = vectors_load("tests/vectors/at/urc_prefixes.tsv", NULL);
	struct text rest = text_of(data), f[6];
	size_t n = 0;

	(void)state;
	next_row(&rest, f, 6);
	while (next_row(&rest, f, 6)) {
		/* Cells that name several things in a row without a separator have their own test. */
		if (text_starts(f[0], "+CUSATS:") || text_starts(f[0], "^SYSLOADING") ||
		    text_starts(f[0], "+SHUTDOWN") || text_starts(f[0], "^SBC:") ||
		    text_starts(f[0], "^SSTN:") || text_starts(f[0], "^RSSI:") ||
		    text_starts(f[0], "#XPPP:"))
			continue;
		check_urc_words(f[0]);
		n++;
	}
	assert_true(n > 50);
	for (size_t i = 0; i < 12; i++) {
		static const char *const others[] = {
			"+CUSATS: 1", "+CUSATP: D0", "+CUSATEND", "^SYSLOADING", "^SHUTDOWN", "^EXIT",
			"+SHUTDOWN", "+SYSSTART", "^SBC: 1", "^SSTN: 1", "^RSSI: 3", "#XCMUX: 1",
		};
		assert_true(at_urc_is(text_of(others[i]), NULL));
	}
	free(data);
}

static void the_running_command_decides_what_a_prefix_means(void **state)
{
	(void)state;
	/* its own answer */
	assert_false(at_urc_is(TEXT("+CREG: 0,1"), "AT+CREG?"));
	assert_false(at_urc_is(TEXT("+QSIMSTAT: 1,1"), "AT+QSIMSTAT?"));
	/* the form that only an event has */
	assert_true(at_urc_is(TEXT("+CREG: 2"), "AT+CREG?"));
	assert_true(at_urc_is(TEXT("+CEREG: 1,\"2C0D\",\"0002C07B\",9"), "AT+CEREG?"));
	assert_true(at_urc_is(TEXT("#QSS: 1"), "AT#QSS?"));
	assert_false(at_urc_is(TEXT("#QSS: 1,1"), "AT#QSS?"));
	/* another command runs */
	assert_true(at_urc_is(TEXT("+CREG: 0,1"), "AT+CSQ"));
	/* one of several in a line, behind a basic one, in any case */
	assert_false(at_urc_is(TEXT("+CREG: 0,1"), "AT+CSQ;+CREG?"));
	assert_false(at_urc_is(TEXT("+CREG: 0,1"), "ATE0+CREG?"));
	assert_false(at_urc_is(TEXT("+CREG: 0,1"), "at+creg?"));
	/* a name that only starts the same, or stands in quotes, is not its own */
	assert_true(at_urc_is(TEXT("+CREG: 0,1"), "AT+CREGX?"));
	assert_true(at_urc_is(TEXT("+CSQ: 0,1"), "AT+CUSD=1,\"+CSQ\""));
	assert_false(at_answers(TEXT("hello"), "AT+CREG?"));
}

static void boot_lines_are_told_from_others(void **state)
{
	static const char *const boots[] = { "RDY", "APP RDY", "^SYSSTART", "^SYSSTART AIRPLANE MODE",
					     "*ATREADY: 1", "+ATREADY", "Ready", "^boot.rom 1" };
	static const char *const others[] = { "+CPIN: READY", "ReadyOrNot", "RDYX", "SMS Ready", "PB DONE",
					      "+KSUP: 01" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(boots); i++)
		assert_true(at_urc_is_boot(text_of(boots[i])));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(at_urc_is_boot(text_of(others[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_final_result_of_the_table_ends_its_command),
		cmocka_unit_test(no_carrier_ends_only_what_can_lose_one),
		cmocka_unit_test(error_numbers_and_words_are_the_same),
		cmocka_unit_test(every_unsolicited_prefix_of_the_table_is_known),
		cmocka_unit_test(the_running_command_decides_what_a_prefix_means),
		cmocka_unit_test(boot_lines_are_told_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
