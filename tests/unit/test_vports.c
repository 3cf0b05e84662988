/* Virtual ports: lines and results, what is forwarded and what is not, reports, forms. */
#include "support/test.h"

#include "modem/policy.h"
#include "support/fake_port.h"
#include "support/portbed.h"
#include "unit/fake_ev.h"

/* --- lines and results ------------------------------------------------------------------------ */

static void a_command_is_answered_as_on_a_port_of_its_own(void **state)
{
	(void)state;
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
	portbed_says(0, "at+csq\r\n", "at+csq\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "AT+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	portbed_says(0, "A/", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	portbed_says(0, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	portbed_says(0, "nonsense\r", "");
	portbed_says(0, "~+++~~ATH0\r", "\r\nOK\r\n");
	portbed_says(0, "AT+CSQQ\x08\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(portbed_got(1), "");
	/* Nothing of the port's own dialogue has reached the module. */
	assert_int_equal(fake_port_count("ATE0"), 0);
	assert_int_equal(fake_port_count("A/"), 0);
}

static void echo_v_and_q_are_each_ports_own(void **state)
{
	(void)state;
	portbed_says(0, "ATE0V0\r", "ATE0V0\r0\r");
	portbed_says(0, "AT+CSQ\r", "+CSQ: 20,99\r\n0\r");
	portbed_says(0, "AT+NOSUCH\r", "4\r");
	portbed_says(0, "ATQ1\r", "");
	portbed_says(0, "AT+CSQ\r", "");
	portbed_says(0, "ATQ0V1\r", "\r\nOK\r\n");
	portbed_says(1, "AT\r", "AT\r\r\nOK\r\n");
	portbed_says(0, "ATZ\r", "\r\nOK\r\n");
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("ATQ1"), 0);
}

static void s_registers_are_kept_here(void **state)
{
	(void)state;
	portbed_says(0, "ATE0S0=2S7=30\r", "ATE0S0=2S7=30\r\r\nOK\r\n");
	portbed_says(0, "ATS0?\r", "\r\n002\r\n\r\nOK\r\n");
	portbed_says(0, "ATS7?S3?\r", "\r\n030\r\n\r\n013\r\n\r\nOK\r\n");
	portbed_says(0, "ATS0=256\r", "\r\nERROR\r\n");
	portbed_says(0, "ATS99?\r", "\r\nERROR\r\n");
	portbed_says(0, "ATS3=36\r", "\r\nOK\r\n");
	portbed_says(0, "AT$", "\r\nOK\r\n");
}

static void a_line_of_several_commands_stops_at_the_first_that_fails(void **state)
{
	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "ATE0+CSQ;+CREG=1;+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	portbed_says(0, "AT+CSQ;+NOSUCH;+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nERROR\r\n");
}

static void errors_come_as_the_port_has_asked_for_them(void **state)
{
	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "AT+CPBR=1\r", "\r\nERROR\r\n");
	portbed_says(0, "AT+CMEE=1\r", "\r\nOK\r\n");
	portbed_says(0, "AT+CPBR=1\r", "\r\n+CME ERROR: 22\r\n");
	portbed_says(0, "AT+CPMS?\r", "\r\n+CMS ERROR: 310\r\n");
	portbed_says(0, "AT+CMEE=2;+CMEE?\r", "\r\n+CMEE: 2\r\n\r\nOK\r\n");
	portbed_says(0, "AT+CPBR=1\r", "\r\n+CME ERROR: not found\r\n");
	portbed_says(1, "AT+CPBR=1\r", "AT+CPBR=1\r\r\nERROR\r\n");
	portbed_says(0, "AT+CMEE=3\r", "\r\nERROR\r\n");
	assert_int_equal(fake_port_count("AT+CMEE=2"), 0);
}

static void two_clients_get_each_their_own_answer(void **state)
{
	(void)state;
	portbed_type(0, "ATE0+CSQ\r");
	portbed_type(1, "ATE0I\r");
	fake_ev_run(200);
	assert_string_equal(portbed_got(0), "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(portbed_got(1), "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void lines_typed_ahead_run_one_after_the_other(void **state)
{
	(void)state;
	portbed_says(0, "ATE0\r\nAT+CSQ\r\nATI\r\nAT\r\n",
	     "ATE0\r\r\nOK\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\nMaker\r\nModel\r\n\r\nOK\r\n\r\nOK\r\n");
}

static void an_over_long_line_is_an_error_and_nothing_of_it_runs(void **state)
{
	static char line[3000];

	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	memset(line, 'x', sizeof(line) - 2);
	memcpy(line, "AT+CSQ;", 7);
	line[sizeof(line) - 2] = '\r';
	portbed_says(0, line, "\r\nERROR\r\n");
	portbed_says(0, "AT\r", "\r\nOK\r\n");
}

/* --- what is forwarded and what is not -------------------------------------------------------- */

static void the_table_decides(void **state)
{
	static const struct {
		const char *command;
		enum vport_rule rule;
		bool abortable;
	} rows[] = {
		{ "+CSQ", VPORT_FORWARD }, { "I", VPORT_FORWARD }, { "H", VPORT_FORWARD },
		{ "E1", VPORT_OWN }, { "e0", VPORT_OWN }, { "&F", VPORT_OWN }, { "Z", VPORT_OWN },
		{ "&C1", VPORT_NOTHING }, { "&W", VPORT_NOTHING }, { "\\Q3", VPORT_NOTHING },
		{ "+IPR=9600", VPORT_NOTHING }, { "+IPR?", VPORT_FORWARD },
		{ "+CMUX=0", VPORT_REFUSED }, { "+CMUX=?", VPORT_REFUSED }, { "+QPOWD=1", VPORT_REFUSED },
		{ "+CFUN=1,1", VPORT_RESTART }, { "+CFUN=0", VPORT_CONTROL }, { "+CFUN=1", VPORT_LOOK },
		{ "+CFUN?", VPORT_FORWARD }, { "+CFUN=?", VPORT_FORWARD },
		{ "+COPS=?", VPORT_FORWARD, true }, { "+COPS=0", VPORT_LOOK, true },
		{ "+COPS=3,2", VPORT_OWN }, { "+COPS?", VPORT_FORWARD },
		{ "+CREG=2", VPORT_OWN }, { "+CREG=?", VPORT_FORWARD }, { "+CREG?", VPORT_OWN },
		{ "+CRSM=176,12258", VPORT_FORWARD }, { "D*99#", VPORT_DIAL, true },
		{ "+CGDATA=\"PPP\",1", VPORT_DIAL, true }, { "+CRC=1", VPORT_OWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool abortable;

		if (vport_rule(text_of(rows[i].command), &abortable) != rows[i].rule ||
		    abortable != rows[i].abortable)
			fail_msg("%s", rows[i].command);
	}
}

static void what_would_break_the_sharing_does_nothing_or_is_refused(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	portbed_says(0, "AT+IPR=9600;&W;&C1&D2\r", "\r\nOK\r\n");
	portbed_says(0, "AT+CMUX=0\r", "\r\n+CME ERROR: 3\r\n");
	portbed_says(0, "AT+CFUN=0\r", "\r\n+CME ERROR: 3\r\n");
	portbed_says(0, "AT+CFUN=1,1\r", "\r\n+CME ERROR: 3\r\n");
	assert_int_equal(fake_port_count("AT+IPR=9600"), 0);
	assert_int_equal(fake_port_count("AT+CMUX=0"), 0);
	assert_int_equal(fake_port_count("AT+CFUN=0"), 0);
}

static void the_daemons_channel_to_the_card_is_not_a_clients(void **state)
{
	static const struct {
		const char *command;
		bool ccho, csim;
	} rows[] = {
		{ "+CSIM=10,\"8180E29100\"", false, true }, { "+CSIM=10,\"8280E29100\"", true, false },
		{ "+CSIM=10,\"00A4040000\"", false, false }, { "+CSIM=10,\"0070800100\"", false, true },
		{ "+CSIM=10,\"0070000001\"", false, false }, { "+CSIM=10,8180E29100", false, true },
		{ "+CCHC=2", true, false }, { "+CCHC=1", false, false }, { "+CGLA=2,10,\"81F2\"", true, false },
		{ "+CGLA=\"2\",10,\"81F2\"", true, false }, { "+CSIM=?", false, false },
		{ "+CSIM=4,\"81\"", false, false }, { "+CCHO=\"A000\"", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		portbed.modem.card.opened_by = CARD_AT_UNKNOWN;
		assert_false(vport_touches_card(&portbed.modem, text_of(rows[i].command)));
		portbed.modem.card.opened_by = CARD_AT_CCHO;
		strcpy(portbed.modem.card.handle, "2");
		portbed.modem.card.number = 0;
		if (vport_touches_card(&portbed.modem, text_of(rows[i].command)) != rows[i].ccho)
			fail_msg("%s", rows[i].command);
		portbed.modem.card.opened_by = CARD_AT_CSIM;
		portbed.modem.card.number = 1;
		if (vport_touches_card(&portbed.modem, text_of(rows[i].command)) != rows[i].csim)
			fail_msg("%s", rows[i].command);
	}
	portbed_says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	portbed_says(0, "AT+CSIM=10,\"8180E29100\"\r", "\r\n+CME ERROR: 3\r\n");
	portbed_says(0, "AT+CSIM=10,\"00A4040000\"\r", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
	portbed.modem.card.opened_by = CARD_AT_UNKNOWN;
}

static void a_module_that_is_lost_is_no_connection_to_phone(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	fake_port.dead = true;
	fake_port.before = NULL;
	portbed_type(0, "AT+CSQ\r");
	fake_ev_run(60000);
	portbed_got(0);
	portbed_says(0, "AT+CSQ\r", "\r\n+CME ERROR: 1\r\n");
	portbed_says(0, "AT\r", "\r\nOK\r\n");
}

/* --- reports ---------------------------------------------------------------------------------- */

static void reports_go_to_who_has_asked_and_are_cut_to_what_was_asked(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CREG=1\r", "ATE0+CREG=1\r\r\nOK\r\n");
	portbed_says(1, "ATE0+CREG=2\r", "ATE0+CREG=2\r\r\nOK\r\n");
	fake_port_says("\\r\\n+CREG: 5,\"00C3\",\"0000AB12\",7,,,\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "\r\n+CREG: 5\r\n");
	assert_string_equal(portbed_got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB12\",7\r\n");
	/* Another cell: no news for n=1. */
	fake_port_says("\\r\\n+CREG: 5,\"00C3\",\"0000AB13\",7\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "");
	assert_string_equal(portbed_got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB13\",7\r\n");
	fake_port_says("\\r\\n+CEREG: 1\\r\\n\\r\\nRING\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "\r\nRING\r\n");
	assert_string_equal(portbed_got(1), "\r\nRING\r\n");
}

static void the_read_form_tells_the_ports_own_mode(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CREG?\r", "ATE0+CREG?\r\r\n+CREG: 0,1\r\n\r\nOK\r\n");
	portbed_says(1, "ATE0+CREG=2;+CREG?\r",
	     "ATE0+CREG=2;+CREG?\r\r\n+CREG: 2,1,\"1A2B\",\"01234567\",7\r\n\r\nOK\r\n");
	portbed_says(0, "AT+CREG=1\r", "\r\nOK\r\n");
	portbed_says(0, "AT+CREG?\r", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CREG=1"), 0);
}

static void a_higher_mode_is_asked_of_the_module_and_kept_only_if_it_agrees(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CREG=3\r", "ATE0+CREG=3\r\r\nERROR\r\n");
	portbed_says(0, "AT+CREG?\r", "\r\n+CREG: 0,1\r\n\r\nOK\r\n");
	portbed_says(0, "AT+CEREG=3\r", "\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CEREG=3"), 1);
	portbed_says(1, "AT+CEREG=3\r", "AT+CEREG=3\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CEREG=3"), 1);
}

static void a_report_between_the_lines_of_an_answer_is_no_part_of_it(void **state)
{
	(void)state;
	portbed_says(1, "ATE0+CREG=2\r", "ATE0+CREG=2\r\r\nOK\r\n");
	portbed_says(0, "ATE0+CGDCONT?\r",
	     "ATE0+CGDCONT?\r\r\n+CGDCONT: 1,\"IP\",\"a\"\r\n+CGDCONT: 2,\"IP\",\"b\"\r\n\r\nOK\r\n");
	assert_string_equal(portbed_got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB12\",7\r\n");
}

static void messages_go_to_the_port_that_has_asked_for_them(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CNMI=2,1\r", "ATE0+CNMI=2,1\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 1);
	portbed_says(1, "ATE0+CNMI?\r", "ATE0+CNMI?\r\r\n+CNMI: 0,0,0,0,0\r\n\r\nOK\r\n");
	fake_port_says("\\r\\n+CMTI: \"SM\",3\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "\r\n+CMTI: \"SM\",3\r\n");
	assert_string_equal(portbed_got(1), "");
	portbed_says(1, "AT+CNMI=2,2\r", "\r\nOK\r\n");
	fake_port_says("\\r\\n+CMT: ,24\\r\\n0791\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "");
	assert_string_equal(portbed_got(1), "\r\n+CMT: ,24\r\n0791\r\n");
	/* With it goes what it has asked for: messages must not be lost on the way to nobody. */
	portbed_hang_up(1);
	fake_ev_run(100);
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 2);
}

static void reports_wait_while_a_line_is_typed(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CREG=1\r", "ATE0+CREG=1\r\r\nOK\r\n");
	portbed_says(0, "AT+C", "");
	fake_port_says("\\r\\n+CREG: 5\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "");
	portbed_says(0, "SQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\n+CREG: 5\r\n");
}

static void what_the_ports_want_is_told_again_after_a_restart(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CNMI=2,1;+CEREG=3\r", "ATE0+CNMI=2,1;+CEREG=3\r\r\nOK\r\n");
	fake_port_says("\\r\\nRDY\\r\\n");
	fake_ev_run(30000);
	assert_int_equal(portbed.modem.st.state, MODEM_READY);
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 2);
	assert_int_equal(fake_port_count("AT+CEREG=3"), 2);
}

/* --- forms ------------------------------------------------------------------------------------ */

static void the_module_stands_in_the_ports_form_while_its_command_runs(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CMGF=1;+CSDH=0\r", "ATE0+CMGF=1;+CSDH=0\r\r\nOK\r\n");
	portbed_says(1, "ATE0\r", "ATE0\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 0);
	portbed_says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 1);
	portbed_says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 1);
	portbed_says(1, "AT+CMGF?;+CMGL=4\r",
		     "\r\n+CMGF: 0\r\n\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=0"), 1);
	portbed_says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 2);
	/* Somebody else may have changed it. */
	vports_doubt(&portbed.ports);
	portbed_says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 3);
}

static void the_character_set_is_put_back_after_the_command(void **state)
{
	const char *log;

	(void)state;
	portbed_says(0, "ATE0+CSCS=\"UCS2\";+CMGF=1\r", "ATE0+CSCS=\"UCS2\";+CMGF=1\r\r\nOK\r\n");
	portbed_says(0, "AT+CSCS?\r", "\r\n+CSCS: \"UCS2\"\r\n\r\nOK\r\n");
	portbed_says(0, "AT+CMGL=4\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	log = strstr(fake_port.log, "AT+CMGF=1\n");
	assert_non_null(log);
	assert_int_equal(strncmp(log, "AT+CMGF=1\nAT+CSDH=0\nAT+CSCS=\"UCS2\"\nAT+CMGL=4\nAT+CSCS=\"IRA\"\n",
				 61), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(a_command_is_answered_as_on_a_port_of_its_own),
		PORT_TEST(echo_v_and_q_are_each_ports_own),
		PORT_TEST(s_registers_are_kept_here),
		PORT_TEST(a_line_of_several_commands_stops_at_the_first_that_fails),
		PORT_TEST(errors_come_as_the_port_has_asked_for_them),
		PORT_TEST(two_clients_get_each_their_own_answer),
		PORT_TEST(lines_typed_ahead_run_one_after_the_other),
		PORT_TEST(an_over_long_line_is_an_error_and_nothing_of_it_runs),
		PORT_TEST(the_table_decides),
		PORT_TEST(what_would_break_the_sharing_does_nothing_or_is_refused),
		PORT_TEST(the_daemons_channel_to_the_card_is_not_a_clients),
		PORT_TEST(a_module_that_is_lost_is_no_connection_to_phone),
		PORT_TEST(reports_go_to_who_has_asked_and_are_cut_to_what_was_asked),
		PORT_TEST(the_read_form_tells_the_ports_own_mode),
		PORT_TEST(a_higher_mode_is_asked_of_the_module_and_kept_only_if_it_agrees),
		PORT_TEST(a_report_between_the_lines_of_an_answer_is_no_part_of_it),
		PORT_TEST(messages_go_to_the_port_that_has_asked_for_them),
		PORT_TEST(reports_wait_while_a_line_is_typed),
		PORT_TEST(what_the_ports_want_is_told_again_after_a_restart),
		PORT_TEST(the_module_stands_in_the_ports_form_while_its_command_runs),
		PORT_TEST(the_character_set_is_put_back_after_the_command),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, portbed_make_dir, portbed_remove_dir);
}
