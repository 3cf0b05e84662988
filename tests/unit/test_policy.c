/* What strangers may send: the verdict for whole lines, in every way of writing them. */
#include "support/test.h"

#include "core/util.h"
#include "modem/policy.h"

static void the_strictest_verdict_of_a_line_counts(void **state)
{
	static const struct {
		const char *line;
		enum policy_verdict verdict;
	} rows[] = {
		{ "AT", POLICY_FORWARD },
		{ "AT+CSQ", POLICY_FORWARD },
		{ "at+csq", POLICY_FORWARD },
		{ "ATI", POLICY_FORWARD },
		{ "AT+COPS=?", POLICY_FORWARD },
		{ "AT+COPS=1,2,\"26201\"", POLICY_FORWARD_LOOK },
		{ "AT+CFUN=4", POLICY_FORWARD_LOOK },
		{ "AT+CFUN?", POLICY_FORWARD },
		{ "AT+CFUN=1,1", POLICY_REFUSE },
		{ "AT+CREG?", POLICY_FORWARD },
		{ "AT+CREG=0", POLICY_REFUSE },
		{ "AT+CMEE=2", POLICY_REFUSE },
		{ "AT+CMEE?", POLICY_FORWARD },
		{ "ATE1", POLICY_REFUSE },
		{ "ate", POLICY_REFUSE },
		{ "ATI;E1", POLICY_REFUSE },
		{ "ATIE1", POLICY_REFUSE },
		{ "AT&F", POLICY_REFUSE },
		{ "AT+CSQ;&W", POLICY_REFUSE },
		{ "AT+CSQ;+IPR=9600", POLICY_REFUSE },
		{ "AT+CSQ; +IPR=9600", POLICY_REFUSE },
		{ "AT\\Q3", POLICY_REFUSE },
		{ "ATS3=10", POLICY_REFUSE },
		{ "ATS0=1", POLICY_FORWARD },
		{ "ATD*99#", POLICY_REFUSE },
		{ "ATDT5551234;", POLICY_REFUSE },
		{ "ATH", POLICY_FORWARD },
		{ "A/", POLICY_REFUSE },
		{ "AT+CUSD=1,\"*100#;E1\",15", POLICY_FORWARD },
		{ "AT+CPIN=\"1234\"", POLICY_FORWARD_LOOK },
		{ "AT+QPOWD=1", POLICY_REFUSE },
		{ "", POLICY_FORWARD },
		{ ";;;", POLICY_FORWARD },
		{ "AT&", POLICY_FORWARD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *reason = NULL;

		print_message("%s\n", rows[i].line);
		assert_int_equal(policy_for(text_of(rows[i].line), &reason), rows[i].verdict);
		assert_int_equal(reason != NULL, rows[i].verdict == POLICY_REFUSE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strictest_verdict_of_a_line_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
