/* The virtual module: AT interpreter, line, faults, messages, registration, on the virtual clock. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/module/pacer.h"
#include "sim/module/plain_sim.h"
#include "support/desk.h"
#include "unit/fake_ev.h"

static struct desk d;

static void quiet_desk(const char *persona)
{
	desk_open(&d, persona, NULL, 1);
	desk_ask(&d, "ATE0+CMEE=1");
	desk_take(&d);
}

static void fault(const char *spec)
{
	char why[FAULT_WHY_MAX];

	if (faults_add(&d.module.faults, text_of(spec), why) < 0) {
		print_error("%s\n", why);
		assert_true(0);
	}
}

/* --- V.250 ---------------------------------------------------------------------------------------- */

static void command_lines_are_taken_apart_as_in_v250(void **state)
{
	static const struct {
		const char *line, *answer;
	} rows[] = {
		{ "AT", "\r\nOK\r\n" },
		{ "at", "\r\nOK\r\n" },
		{ "At", "" }, /* mixed case is no prefix */
		{ "xxAT", "\r\nOK\r\n" }, /* what comes before is passed over */
		{ "AT+CFUN?;+CMEE?", "\r\n+CFUN: 1\r\n\r\n+CMEE: 1\r\n\r\nOK\r\n" },
		{ "at+cfun?;+cmee?", "\r\n+CFUN: 1\r\n\r\n+CMEE: 1\r\n\r\nOK\r\n" },
		{ "ATE0V1Q0X4&C1&D2S7=60+CFUN?", "\r\n+CFUN: 1\r\n\r\nOK\r\n" },
		{ "ATS7?", "\r\n060\r\n\r\nOK\r\n" },
		/* The first failure ends the line, with one final result. */
		{ "AT+CFUN?;+NOSUCH;+CMEE?", "\r\n+CFUN: 1\r\n\r\nERROR\r\n" },
		{ "AT+CFUN=?", "\r\n+CFUN: (0,1,4),(0,1)\r\n\r\nOK\r\n" },
		{ "AT+CPIN=\"1;2\"", "\r\n+CME ERROR: 3\r\n" }, /* ';' in quotes is no separator */
		{ "AT+CFUN=9", "\r\n+CME ERROR: 50\r\n" },
		{ "AT%", "\r\nERROR\r\n" },
		{ "AT+", "\r\nERROR\r\n" },
		{ "AT;;", "\r\nERROR\r\n" },
		{ "AT+CFUN?x", "\r\nERROR\r\n" },
		{ "ATE7", "\r\nERROR\r\n" },
		{ "AT%ECHO=\"a,b\",2",
		  "\r\n%ECHO: \"a,b\",1\r\n\r\n%ECHO: \"a,b\",2\r\n\r\nOK\r\n" },
	};

	(void)state;
	quiet_desk("quectel-eg25");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = desk_ask(&d, rows[i].line);

		if (strcmp(got, rows[i].answer) != 0)
			print_error("%s: %s\n", rows[i].line, got);
		assert_string_equal(got, rows[i].answer);
	}
	desk_close(&d);
}

static void echo_editing_repeating_and_numeric_results_work(void **state)
{
	(void)state;
	desk_open(&d, "quectel-eg25", NULL, 1);
	desk_take(&d);
	assert_string_equal(desk_ask(&d, "AT"), "AT\r\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "ATX9\b0"), "ATX9\b0\r\r\nOK\r\n");
	desk_type(&d, "A/", 2);
	assert_string_equal(desk_take(&d), "A/\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "ATE0"), "ATE0\r\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "ATV0"), "0\r");
	assert_string_equal(desk_ask(&d, "AT+CFUN?"), "+CFUN: 1\r\n0\r");
	assert_string_equal(desk_ask(&d, "AT+NOSUCH"), "4\r");
	assert_string_equal(desk_ask(&d, "ATV1"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "ATQ1"), "");
	assert_string_equal(desk_ask(&d, "AT"), "");
	assert_string_equal(desk_ask(&d, "ATQ0"), "\r\nOK\r\n");
	desk_close(&d);
}

static void errors_are_bare_numbers_or_words(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_ask(&d, "AT+CMEE=0");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"1234\""), "\r\nERROR\r\n");
	desk_ask(&d, "AT+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"1234\""), "\r\n+CME ERROR: 3\r\n");
	desk_ask(&d, "AT+CMEE=2");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"1234\""),
			    "\r\n+CME ERROR: operation not allowed\r\n");
	assert_string_equal(desk_ask(&d, "AT+CMGR=5"), "\r\n+CMS ERROR: invalid memory index\r\n");
	desk_close(&d);
}

static void a_line_that_is_too_long_is_an_error_and_forgotten(void **state)
{
	static char line[PORT_LINE_MAX + 100];

	(void)state;
	quiet_desk("quectel-eg25");
	memset(line, 'A', sizeof(line) - 1);
	memcpy(line, "AT+", 3);
	assert_string_equal(desk_ask(&d, line), "\r\nERROR\r\n");
	assert_string_equal(desk_ask(&d, "AT"), "\r\nOK\r\n");
	desk_close(&d);
}

static void lines_with_crlf_only_need_both(void **state)
{
	(void)state;
	desk_open(&d, "nordic-nrf91", NULL, 1);
	assert_string_equal(desk_take(&d), "\r\nReady\r\n");
	assert_string_equal(desk_ask(&d, "AT"), "");
	desk_type(&d, "\n", 1);
	assert_string_equal(desk_take(&d), "\r\nOK\r\n");
	/* What was typed with CR alone is part of the line. */
	desk_type(&d, "AT\rAT\r\r\nAT\r\n", 12);
	assert_string_equal(desk_wait(&d, 10), "\r\nERROR\r\n\r\nOK\r\n");
	desk_close(&d);
}

/* The bytes decide: nothing that can be typed brings it down or keeps it from answering later. */
static void whatever_is_typed_it_answers_afterwards(void **state)
{
	static const char alphabet[] =
		"AT+=?;,\"\r\n\b/EVQXSDHO0123456789#%^&*\x1a\x1b\0CGLACSIMCMGS";
	uint64_t rng = 7;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		quiet_desk(round % 2 ? "quectel-eg25" : "sierra-handle");
		for (unsigned i = 0; i < 400; i++) {
			char c = rng_below(&rng, 20) ? alphabet[rng_below(&rng, sizeof(alphabet))]
						     : (char)rng_below(&rng, 256);

			desk_type(&d, &c, 1);
			if (rng_below(&rng, 40) == 0)
				fake_ev_run(rng_below(&rng, 3000));
		}
		/* Out of whatever it is in: prompt, data, half a line, restart. */
		desk_wait(&d, 10000);
		desk_type(&d, "\x1b", 1);
		desk_wait(&d, 2000);
		desk_type(&d, "+++", 3);
		desk_wait(&d, 2000);
		desk_ask(&d, "AT");
		module_power_on(&d.module);
		desk_wait(&d, 5000);
		desk_ask(&d, "ATQ0V1E0");
		assert_string_equal(desk_ask(&d, "AT"), "\r\nOK\r\n");
		desk_close(&d);
	}
}

/* --- data mode ------------------------------------------------------------------------------------ */

static void data_flow_until_the_escape_with_its_silences(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_ask(&d, "AT+CREG=1");
	assert_string_equal(desk_ask(&d, "ATD*99***1#"), "\r\nCONNECT 150000000\r\n");
	desk_type(&d, "\x7e\xff}#AT\r", 7);
	assert_string_equal(desk_take(&d), "\x7e\xff}#AT\r");
	/* Without silence before it, it is data. */
	desk_type(&d, "+++", 3);
	assert_string_equal(desk_wait(&d, 5000), "+++");
	/* A character too early behind it, too. */
	desk_type(&d, "+++", 3);
	fake_ev_run(500);
	desk_type(&d, "x", 1);
	assert_string_equal(desk_wait(&d, 5000), "+++x");
	/* An unsolicited line must not come among the data. */
	d.module.net.forced = STAT_SEARCHING;
	module_urc(&d.module, "RING");
	assert_string_equal(desk_take(&d), "");
	fake_ev_run(1000);
	desk_type(&d, "+++", 3);
	assert_string_equal(desk_wait(&d, 999), "+++");
	assert_string_equal(desk_wait(&d, 2), "\r\nOK\r\n\r\nRING\r\n");
	assert_string_equal(desk_ask(&d, "ATO"), "\r\nCONNECT 150000000\r\n");
	/* The network goes: the connection ends. */
	net_look(&d.module.net);
	assert_string_equal(desk_wait(&d, 1), "\r\nNO CARRIER\r\n\r\n+CREG: 2\r\n");
	assert_string_equal(desk_ask(&d, "ATD*99#"), "\r\nNO CARRIER\r\n");
	desk_close(&d);
}

/* --- faults --------------------------------------------------------------------------------------- */

static void each_fault_does_what_it_says(void **state)
{
	static const struct {
		const char *spec, *answer;
	} rows[] = {
		{ "no-answer:+CFUN*1", "" },
		{ "error:+CFUN*1", "\r\nERROR\r\n" },
		{ "cme(14):+CFUN*1", "\r\n+CME ERROR: 14\r\n" },
		{ "late(500):AT+CFUN*1", "\r\n+CFUN: 1\r\n\r\nOK\r\n" },
		{ "split(7):+CFUN*1", "\r\n+CFUN: 1\r\n\r\nOK\r\n" },
		{ "hang-up(5):+CFUN*1", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		quiet_desk("quectel-eg25");
		fault(rows[i].spec);
		assert_string_equal(desk_ask(&d, "AT+CFUN?"), rows[i].answer);
		assert_string_equal(desk_ask(&d, "AT+CFUN?"), "\r\n+CFUN: 1\r\n\r\nOK\r\n");
		assert_int_equal(d.hung_up, i == 5);
		desk_close(&d);
	}
}

static void faults_hit_the_nth_and_so_often(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	fault("error:%ECHO@3*2");
	for (unsigned i = 1; i <= 12; i++)
		assert_string_equal(desk_ask(&d, "AT%ECHO=\"x\""),
				    i == 3 || i == 6 ? "\r\nERROR\r\n"
						     : "\r\n%ECHO: \"x\",1\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CFUN?"), "\r\n+CFUN: 1\r\n\r\nOK\r\n");
	desk_close(&d);
}

static void wrong_faults_are_refused(void **state)
{
	static const char *const rows[] = {
		"",	 "nonsense", "late(", "late(x)", "late(1",	   "urc%",	  "urc%101",
		"urc%0", "urc@",     "urc*0", "urc:",	 "error:+CFUN%5x", "error(1)(2)",
	};
	struct faults f = { 0 };
	char why[FAULT_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(faults_add(&f, text_of(rows[i]), why) < 0);
	for (int i = 0; i < FAULTS_MAX; i++)
		assert_int_equal(faults_add(&f, TEXT("error"), why), 0);
	assert_true(faults_add(&f, TEXT("error"), why) < 0);
}

static void a_urc_comes_between_the_lines_and_never_inside(void **state)
{
	bool between = false;

	(void)state;
	quiet_desk("quectel-eg25");
	fault("urc:%ECHO");
	for (unsigned i = 0; i < 50; i++) {
		const char *got = desk_ask(&d, "AT%ECHO=\"tok\",3");
		const char *one = strstr(got, "\r\n%ECHO: \"tok\",1\r\n"),
			   *two = strstr(got, "\r\n%ECHO: \"tok\",2\r\n");

		assert_non_null(one);
		assert_non_null(two);
		assert_non_null(strstr(got, "\r\n%ECHO: \"tok\",3\r\n"));
		assert_non_null(strstr(got, "\r\nOK\r\n"));
		between |= two - one > (long)strlen("\r\n%ECHO: \"tok\",1\r\n");
	}
	assert_true(between);
	desk_close(&d);
}

static void a_restart_forgets_what_the_port_had(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	fault("reset:+CSQ*1");
	assert_string_equal(desk_ask(&d, "AT+CSQ"), "");
	assert_string_equal(desk_wait(&d, 1000), "");
	/* It hears nothing while it starts. */
	assert_string_equal(desk_ask(&d, "AT"), "");
	assert_string_equal(desk_wait(&d, 2000),
			    "\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\n+QUSIM: 1\r\n\r\n+CFUN: 1\r\n"
			    "\r\n+QIND: SMS DONE\r\n\r\n+QIND: PB DONE\r\n");
	assert_string_equal(desk_ask(&d, "AT+CMEE?"), "AT+CMEE?\r\r\n+CMEE: 0\r\n\r\nOK\r\n");
	desk_close(&d);
}

/* Everything by chance comes from the seed. */
static void run_by_seed(uint64_t seed, char *dst, size_t cap)
{
	static const char *const faults[] = {
		"urc%30",      "split%10",     "garbage%10",  "lose%10",
		"truncated%5", "late(700)%10", "no-answer%5",
	};
	size_t n = 0;

	desk_open(&d, "quectel-eg25", NULL, seed);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		fault(faults[i]);
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)snprintf(dst + n, cap - n, "%s",
				      desk_ask(&d, i % 3 ? "AT%ECHO=\"abc\",4" : "AT+CREG?"));
	desk_close(&d);
}

static void the_same_seed_is_the_same_run(void **state)
{
	static char first[200000], second[200000], other[200000];

	(void)state;
	run_by_seed(5, first, sizeof(first));
	run_by_seed(5, second, sizeof(second));
	run_by_seed(6, other, sizeof(other));
	assert_string_equal(first, second);
	assert_int_not_equal(strcmp(first, other), 0);
}

/* --- aborting, typing ahead ----------------------------------------------------------------------- */

static void a_character_aborts_a_scan_but_not_at_once(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_type(&d, "AT+COPS=?\r\n", 11);
	fake_ev_run(100);
	assert_string_equal(desk_take(&d), "");
	fake_ev_run(100);
	desk_type(&d, "x", 1);
	assert_string_equal(desk_wait(&d, 1), "\r\nERROR\r\n");
	assert_non_null(strstr(desk_ask(&d, "AT+COPS=?"), "+COPS: (2,\"Home Net\""));
	desk_close(&d);
}

static void what_is_typed_while_a_command_runs_follows(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	fault("late(2000):+CSQ*1");
	desk_type(&d, "AT+CSQ\r", 7);
	desk_type(&d, "AT+CFUN?\r", 9);
	assert_string_equal(desk_wait(&d, 1900), "");
	assert_string_equal(desk_wait(&d, 200),
			    "\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\n+CFUN: 1\r\n\r\nOK\r\n");
	desk_close(&d);
}

/* --- registration --------------------------------------------------------------------------------- */

static void registration_follows_coverage_and_radio(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_ask(&d, "AT+CREG=1;+CEREG=2;+CGEREP=2");
	assert_string_equal(desk_ask(&d, "AT+CEREG?"),
			    "\r\n+CEREG: 2,1,\"00C3\",\"0000AB12\",7\r\n\r\nOK\r\n");
	assert_int_equal(net_cover(&d.module.net, TEXT("8988"), TEXT("roaming")), 0);
	assert_string_equal(
		desk_wait(&d, 200),
		"\r\n+CREG: 2\r\n\r\n+CEREG: 2\r\n\r\n+CGEV: NW DETACH\r\n\r\n+CREG: 5\r\n"
		"\r\n+CEREG: 5,\"00C3\",\"0000AB12\",7\r\n\r\n+CGEV: ME PDN ACT 1\r\n");
	assert_string_equal(desk_ask(&d, "AT+COPS?"),
			    "\r\n+COPS: 0,0,\"Visited Net\",7\r\n\r\nOK\r\n");
	/* The last rule that fits counts. */
	assert_int_equal(net_cover(&d.module.net, TEXT("*"), TEXT("none")), 0);
	desk_wait(&d, 500);
	assert_string_equal(desk_ask(&d, "AT+CREG?"), "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
	assert_int_equal(net_cover(&d.module.net, TEXT("8988"), TEXT("denied")), 0);
	desk_ask(&d, "AT+CREG=3");
	assert_string_equal(desk_wait(&d, 200), "\r\n+CREG: 3,,,,0,11\r\n\r\n+CEREG: 3\r\n");
	assert_true(net_cover(&d.module.net, TEXT("8988"), TEXT("perhaps")) < 0);
	assert_true(net_cover(&d.module.net, TEXT("x"), TEXT("home")) < 0);
	assert_string_equal(desk_ask(&d, "AT+CFUN=4"),
			    "\r\n+CREG: 0\r\n\r\n+CEREG: 0\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CPIN: READY\r\n\r\nOK\r\n");
	desk_close(&d);
}

/* --- PIN ------------------------------------------------------------------------------------------ */

static struct card *card_with_pin(void)
{
	static const struct plain_sim_options o = {
		.iccid = "8988200000000000017",
		.imsi = "001010123456789",
		.mnc_digits = 2,
		.pin = "4711",
	};
	struct card *c = NULL;

	assert_int_equal(plain_sim_open(&o, &c), 0);
	return c;
}

static void the_pin_opens_the_card_and_its_tries_count(void **state)
{
	(void)state;
	desk_open(&d, "quectel-eg25", card_with_pin(), 1);
	assert_non_null(strstr(desk_take(&d), "+CPIN: SIM PIN"));
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CIMI"), "\r\n+CME ERROR: 11\r\n");
	assert_string_equal(desk_ask(&d, "AT+QCCID"),
			    "\r\n+QCCID: 8988200000000000017F\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CRSM=176,12258,0,0,10"),
			    "\r\n+CRSM: 144,0,\"988802000000000010F7\"\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CRSM=176,28423,0,0,9"),
			    "\r\n+CRSM: 105,130\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"0000\""), "\r\n+CME ERROR: 16\r\n");
	assert_string_equal(desk_ask(&d, "AT+QPINC?"), "\r\n+QPINC: \"SC\",2,10\r\n\r\nOK\r\n");
	assert_non_null(strstr(desk_ask(&d, "AT+CPIN=\"4711\""), "\r\nOK\r\n"));
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CPIN: READY\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CIMI"), "\r\n001010123456789\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CLCK=\"SC\",2"), "\r\n+CLCK: 1\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CLCK=\"SC\",0,\"4711\""), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CLCK=\"SC\",2"), "\r\n+CLCK: 0\r\n\r\nOK\r\n");
	desk_close(&d);
}

static void three_wrong_pins_need_the_puk(void **state)
{
	(void)state;
	desk_open(&d, "quectel-eg25", card_with_pin(), 1);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"0000\""), "\r\n+CME ERROR: 16\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"0000\""), "\r\n+CME ERROR: 16\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"0000\""), "\r\n+CME ERROR: 12\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n");
	/* A restart does not give tries back. */
	module_power_on(&d.module);
	desk_wait(&d, 5000);
	desk_ask(&d, "ATE0+CMEE=1");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN=\"00000000\",\"1111\""),
			    "\r\n+CME ERROR: 16\r\n");
	assert_non_null(strstr(desk_ask(&d, "AT+CPIN=\"12345678\",\"1111\""), "\r\nOK\r\n"));
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CPIN: READY\r\n\r\nOK\r\n");
	desk_close(&d);
}

static void a_card_that_is_taken_out_is_gone(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_ask(&d, "AT+QSIMSTAT=1;+CREG=1");
	slot_insert(&d.module.slot, false);
	assert_string_equal(desk_wait(&d, 100),
			    "\r\n+CREG: 0\r\n\r\n+CPIN: NOT READY\r\n\r\n+QSIMSTAT: 1,0\r\n"
			    "\r\n+CPIN: NOT INSERTED\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPIN?"), "\r\n+CME ERROR: 10\r\n");
	slot_insert(&d.module.slot, true);
	assert_non_null(strstr(desk_wait(&d, 500), "\r\n+CPIN: READY\r\n"));
	assert_string_equal(desk_ask(&d, "AT+CREG?"), "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
	desk_close(&d);
}

/* --- messages ------------------------------------------------------------------------------------- */

static void messages_come_are_listed_and_deleted(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	desk_ask(&d, "AT+CNMI=2,1;+CMGF=1");
	assert_int_equal(sms_receive(&d.module.sms, TEXT("+4917012345"), TEXT("hello, \"world\"")),
			 0);
	assert_string_equal(desk_take(&d), "\r\n+CMTI: \"ME\",0\r\n");
	assert_string_equal(desk_ask(&d, "AT+CPMS?"),
			    "\r\n+CPMS: \"ME\",1,20,\"ME\",1,20,\"ME\",1,20\r\n\r\nOK\r\n");
	assert_string_equal(
		desk_ask(&d, "AT+CMGR=0"),
		"\r\n+CMGR: \"REC UNREAD\",\"+4917012345\",,\"26/01/02,03:04:05+04\"\r\n"
		"hello, \"world\"\r\n\r\nOK\r\n");
	/* It has been read now. 23.038: "hellohello" is E8329BFD4697D9EC37. */
	assert_int_equal(sms_receive(&d.module.sms, TEXT("+4917012345"), TEXT("hellohello")), 0);
	desk_ask(&d, "AT+CMGF=0");
	assert_string_equal(
		desk_ask(&d, "AT+CMGL=0"),
		"\r\n+CMGL: 1,0,,27\r\n07911326040000F0040A91947110325400006210203040504"
		"00AE8329BFD4697D9EC37\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CMGD=0,4"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CMGL=4"), "\r\nOK\r\n");
	for (int i = 0; i < SMS_MAX; i++)
		assert_int_equal(sms_receive(&d.module.sms, TEXT("1"), TEXT("x")), 0);
	assert_true(sms_receive(&d.module.sms, TEXT("1"), TEXT("x")) < 0);
	desk_close(&d);
}

static void a_message_to_its_own_number_comes_back(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	d.module.o.number = "+15550100";
	desk_ask(&d, "AT+CNMI=2,1;+CMGF=1");
	desk_ask(&d, "AT+CMGS=\"+15550100\"");
	desk_type(&d, "to myself\x1a", 10);
	assert_non_null(strstr(desk_wait(&d, 200), "\r\n+CMGS: 1\r\n\r\nOK\r\n\r\n+CMTI: \"ME\",0\r\n"));
	assert_non_null(strstr(desk_ask(&d, "AT+CMGR=0"), "\"+15550100\",,\"26/01/02,03:04:05+04\"\r\n"
							   "to myself\r\n"));
	desk_ask(&d, "AT+CMGF=0");
	desk_ask(&d, "AT+CMGS=20");
	desk_type(&d, "00010008915155100000000AE8329BFD4697D9EC37\x1a", 43);
	assert_non_null(strstr(desk_wait(&d, 200), "\r\n+CMGS: 2\r\n\r\nOK\r\n\r\n+CMTI: \"ME\",1\r\n"));
	assert_non_null(strstr(desk_ask(&d, "AT+CMGR=1"), "040891515510000000621020304050400AE8329BFD4697D9EC37"));
	/* One to somebody else does not, nor does what is under way when the power goes. */
	desk_ask(&d, "AT+CMGS=20");
	desk_type(&d, "00010008915155100100000AE8329BFD4697D9EC37\x1a", 43);
	assert_null(strstr(desk_wait(&d, 200), "+CMTI"));
	desk_ask(&d, "AT+CMGS=20");
	desk_type(&d, "00010008915155100000000AE8329BFD4697D9EC37\x1a", 43);
	module_power_off(&d.module);
	assert_null(strstr(desk_wait(&d, 200), "+CMTI"));
	desk_close(&d);
}

/* --- power, speed --------------------------------------------------------------------------------- */

static void power_and_speed_commands_take_effect_after_their_ok(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	assert_string_equal(desk_ask(&d, "AT+IPR=460800"), "\r\nOK\r\n");
	assert_int_equal(d.baud, 0);
	desk_wait(&d, 200);
	assert_int_equal(d.baud, 460800);
	assert_string_equal(desk_ask(&d, "AT+IPR=12345"), "\r\n+CME ERROR: 50\r\n");
	assert_string_equal(desk_ask(&d, "AT+QPOWD=1"), "\r\nOK\r\n");
	assert_string_equal(desk_wait(&d, 200), "\r\nPOWERED DOWN\r\n");
	assert_string_equal(desk_ask(&d, "AT"), "");
	desk_close(&d);
}

static void the_clock_runs_and_can_be_set(void **state)
{
	(void)state;
	quiet_desk("quectel-eg25");
	assert_string_equal(desk_ask(&d, "AT+CCLK=\"26/11/25,23:59:58+04\""), "\r\nOK\r\n");
	fake_ev_run(3000);
	assert_string_equal(desk_ask(&d, "AT+CCLK?"),
			    "\r\n+CCLK: \"26/11/26,00:00:01+00\"\r\n\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT+CCLK=\"26/13/25,23:59:58+04\""),
			    "\r\n+CME ERROR: 50\r\n");
	desk_close(&d);
}

/* --- the line's speed ----------------------------------------------------------------------------- */

static struct {
	struct pacer p;
	size_t n;
	uint64_t last_ms;
	uint8_t next;
} line;

static void on_deliver(struct pacer *p, const uint8_t *data, size_t n)
{
	(void)p;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], line.next++);
	line.n += n;
	line.last_ms = ev_now_ms();
}

static void octets_take_ten_bit_times_each(void **state)
{
	static const unsigned speeds[] = { 2400, 9600, 115200, 460800, 921600 };
	static uint8_t data[40000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	for (size_t k = 0; k < ARRAY_SIZE(speeds); k++) {
		uint64_t start = ev_now_ms(), exact = sizeof(data) * 10000ull / speeds[k];

		line.n = 0;
		line.next = 0;
		line.p.deliver = on_deliver;
		pacer_init(&line.p, speeds[k]);
		assert_int_equal(pacer_put(&line.p, data, sizeof(data)), 0);
		fake_ev_run((unsigned)exact / 2);
		assert_in_range(line.n, sizeof(data) / 2 - speeds[k] / 5000 - 2, sizeof(data) / 2);
		fake_ev_run((unsigned)exact);
		assert_int_equal(line.n, sizeof(data));
		assert_in_range(line.last_ms - start, exact, exact + 2);
		pacer_clear(&line.p);
		fake_ev_reset();
	}
}

static void octets_with_pauses_are_never_faster_than_the_line(void **state)
{
	uint8_t c = 0;

	(void)state;
	line.n = 0;
	line.next = 0;
	line.p.deliver = on_deliver;
	pacer_init(&line.p, 9600);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t put = ev_now_ms();

		pacer_put(&line.p, &c, 1);
		c++;
		fake_ev_run(50);
		assert_int_equal(line.n, i + 1);
		assert_in_range(line.last_ms - put, 1, 3);
	}
	/* More than the store holds is told. */
	assert_int_equal(pacer_put(&line.p, (uint8_t[PACER_CAP + 7]){ 0 }, PACER_CAP + 7), 7);
	pacer_clear(&line.p);
	fake_ev_reset();
}

/* Wherever between two octets the clock is looked at. */
static void nothing_comes_that_was_not_sent(void **state)
{
	static const uint8_t data[30] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
					  15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29 };

	(void)state;
	line.p.deliver = on_deliver;
	for (unsigned look_us = 1; look_us < 400; look_us++) {
		for (size_t n = 1; n <= sizeof(data); n++) {
			line.n = 0;
			line.next = 0;
			pacer_init(&line.p, 115200);
			fake_ev_look_us = look_us;
			pacer_put(&line.p, data, n);
			fake_ev_run(20);
			assert_int_equal(line.n, n);
			pacer_clear(&line.p);
			fake_ev_reset();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_are_taken_apart_as_in_v250),
		cmocka_unit_test(echo_editing_repeating_and_numeric_results_work),
		cmocka_unit_test(errors_are_bare_numbers_or_words),
		cmocka_unit_test(a_line_that_is_too_long_is_an_error_and_forgotten),
		cmocka_unit_test(lines_with_crlf_only_need_both),
		cmocka_unit_test(whatever_is_typed_it_answers_afterwards),
		cmocka_unit_test(data_flow_until_the_escape_with_its_silences),
		cmocka_unit_test(each_fault_does_what_it_says),
		cmocka_unit_test(faults_hit_the_nth_and_so_often),
		cmocka_unit_test(wrong_faults_are_refused),
		cmocka_unit_test(a_urc_comes_between_the_lines_and_never_inside),
		cmocka_unit_test(a_restart_forgets_what_the_port_had),
		cmocka_unit_test(the_same_seed_is_the_same_run),
		cmocka_unit_test(a_character_aborts_a_scan_but_not_at_once),
		cmocka_unit_test(what_is_typed_while_a_command_runs_follows),
		cmocka_unit_test(registration_follows_coverage_and_radio),
		cmocka_unit_test(the_pin_opens_the_card_and_its_tries_count),
		cmocka_unit_test(three_wrong_pins_need_the_puk),
		cmocka_unit_test(a_card_that_is_taken_out_is_gone),
		cmocka_unit_test(messages_come_are_listed_and_deleted),
		cmocka_unit_test(a_message_to_its_own_number_comes_back),
		cmocka_unit_test(power_and_speed_commands_take_effect_after_their_ok),
		cmocka_unit_test(the_clock_runs_and_can_be_set),
		cmocka_unit_test(octets_take_ten_bit_times_each),
		cmocka_unit_test(octets_with_pauses_are_never_faster_than_the_line),
		cmocka_unit_test(nothing_comes_that_was_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
