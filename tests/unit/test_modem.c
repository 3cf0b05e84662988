/* The module's life on the virtual clock: start, loss, return, cards, PINs, speeds. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "support/fake_port.h"
#include "unit/fake_ev.h"

static struct modem m;
static unsigned changes[_MODEM_STATE_MAX];
static char state_dir[] = "/tmp/cellmux-modem-XXXXXX";

static void on_changed(struct modem *modem, unsigned what)
{
	if (what & MODEM_CHANGED_STATE)
		changes[modem->st.state]++;
}

static int make_dir(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	return mkdtemp(state_dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(state_dir);
}

static void note_path(char *dst, size_t cap)
{
	snprintf(dst, cap, "%s/pin-tried", state_dir);
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	memset(&m, 0, sizeof(m));
	memset(changes, 0, sizeof(changes));
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.radio_on = true;
	m.o.hunt = true;
	m.o.state_dir = state_dir;
	m.changed = on_changed;
	fake_port_open(fake_port_ordinary);
	return 0;
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	modem_close(&m);
	fake_ev_settle();
	fake_port_close();
	note_path(path, sizeof(path));
	file_remove(path);
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static bool in_state(void *arg)
{
	return m.st.state == *(enum modem_state *)arg;
}

static bool reaches(enum modem_state state, unsigned limit_ms)
{
	return fake_ev_until(in_state, &state, limit_ms);
}

static void start(void)
{
	char why[SERIAL_WHY_MAX];

	assert_int_equal(modem_open(&m, true, why), 0);
}

static void start_until_ready(void)
{
	start();
	assert_true(reaches(MODEM_READY, 60000));
	fake_ev_settle();
}

static void an_ordinary_module_becomes_ready(void **state)
{
	(void)state;
	start_until_ready();
	assert_string_equal(m.st.maker, "Quectel");
	assert_string_equal(m.st.model, "EC25");
	assert_string_equal(m.st.revision, "EC25EFAR06A06M4G");
	assert_string_equal(m.st.imei, "866425031234567");
	assert_string_equal(m.st.family, "Quectel EC2x/EG2x/EG9x/EP06/EM0x");
	assert_string_equal(m.st.iccid, "89860025128306012474");
	assert_string_equal(m.st.imsi, "262011234567890");
	assert_int_equal(m.st.sim, MODEM_SIM_READY);
	assert_true(m.st.registered);
	assert_int_equal(m.st.domain, AT_REG_EPS);
	assert_string_equal(m.st.operator_name, "Test Net");
	assert_int_equal(m.st.signal.rssi_dbm, -73);
	assert_int_equal(m.st.signal.rsrp_dbm, -95);
	/* each state told once */
	assert_int_equal(changes[MODEM_READY], 1);
}

static void a_ready_module_is_left_in_peace(void **state)
{
	(void)state;
	start_until_ready();
	fake_port.log[0] = '\0';
	fake_ev_run(3600 * 1000);
	assert_string_equal(fake_port.log, "");
	assert_int_equal(fake_ev_active(), 0);  /* not even an alarm: no wake-ups */
}

static void a_quiet_module_is_asked_whether_it_lives(void **state)
{
	(void)state;
	m.o.alive_s = 60;
	start_until_ready();
	fake_port.log[0] = '\0';
	fake_ev_run(61000);
	assert_int_equal(fake_port_count("AT+CSQ"), 1);
	fake_port.dead = true;
	assert_true(reaches(MODEM_LOST, 120000));
}

static void unplugged_and_plugged_again(void **state)
{
	(void)state;
	start_until_ready();
	fake_port.present = false;
	wire_hang_up(&fake_port.wire, EIO);
	assert_true(reaches(MODEM_ABSENT, 100));
	assert_string_equal(m.st.iccid, "");
	assert_int_equal(m.st.counters.lost, 1);
	fake_port.present = true;
	m.hotplug.stirred(&m.hotplug);
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(m.st.counters.recoveries, 1);
}

static void a_missing_port_is_waited_for_or_told(void **state)
{
	char why[SERIAL_WHY_MAX];

	(void)state;
	fake_port.present = false;
	assert_int_equal(modem_open(&m, false, why), -ENOENT);
	assert_string_equal(why, "/nonexistent/modem: no such device");
	modem_close(&m);
	start();
	fake_ev_run(10000);
	assert_int_equal(m.st.state, MODEM_ABSENT);
	assert_string_equal(m.st.problem_text, "/nonexistent/modem: no such device");
}

/* The ladder: reopen, reset, rest; it never stops trying and never hurries. */
static void a_silent_module_climbs_the_ladder(void **state)
{
	(void)state;
	m.o.hunt = false;
	m.o.alive_s = 10;
	start_until_ready();
	fake_port.dead = true;
	fake_port.log[0] = '\0';
	assert_true(reaches(MODEM_LOST, 60000));
	fake_ev_settle();
	assert_int_equal(m.st.counters.reopens, 1);
	assert_true(reaches(MODEM_POWERING, 60000));
	fake_ev_settle();
	assert_int_equal(m.st.counters.resets, 1);
	assert_int_equal(fake_port_count("AT+CFUN=1,1"), 1);
	fake_ev_run(24 * 3600 * 1000u);
	/* a round takes some 40 s and a rest of 5 minutes */
	assert_in_range(m.st.counters.resets, 150, 400);
	assert_int_equal(m.st.problem.kind, CAUSE_TIMEOUT);
	fake_port.dead = false;
	assert_true(reaches(MODEM_READY, 400000));
	assert_int_equal(m.st.counters.recoveries, 1);
}

static void a_module_lost_again_soon_goes_on_with_the_next_rung(void **state)
{
	(void)state;
	m.o.hunt = false;
	m.o.alive_s = 5;
	start_until_ready();
	fake_port.dead = true;
	assert_true(reaches(MODEM_LOST, 60000));
	fake_port.dead = false;
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(m.st.counters.resets, 0);
	fake_port.dead = true;
	assert_true(reaches(MODEM_POWERING, 60000));
	assert_int_equal(m.st.counters.reopens, 1);
	assert_int_equal(m.st.counters.resets, 1);
}

static void a_restart_by_itself_is_noticed(void **state)
{
	static const char *const words[] = { "\\r\\nRDY\\r\\n", "\\r\\nAPP RDY\\r\\n", "\\r\\n^SYSSTART\\r\\n" };

	(void)state;
	start_until_ready();
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		fake_port_says(words[i]);
		assert_true(reaches(MODEM_SYNCING, 100));
		assert_string_equal(m.st.iccid, "");
		assert_true(reaches(MODEM_READY, 60000));
	}
}

static bool echo_once(struct fake_port *p, const char *command)
{
	char echo[64];

	p->before = NULL;
	snprintf(echo, sizeof(echo), "%s\\r", command);
	fake_port_says(echo);
	return false;
}

static void echo_that_comes_back_is_a_restart(void **state)
{
	(void)state;
	start_until_ready();
	fake_port.before = echo_once;
	modem_refresh(&m);
	assert_true(reaches(MODEM_SYNCING, 5000));
	assert_true(reaches(MODEM_READY, 60000));
}

static void a_reset_is_followed_to_the_end(void **state)
{
	(void)state;
	start_until_ready();
	assert_int_equal(modem_reset(&m), 0);
	assert_int_equal(m.st.state, MODEM_POWERING);
	fake_ev_run(3000);
	assert_int_equal(m.st.state, MODEM_POWERING);
	fake_port_says("\\r\\nRDY\\r\\n");
	assert_true(reaches(MODEM_READY, 10000));
	assert_int_equal(m.st.counters.resets, 1);
	assert_int_equal(m.st.counters.lost, 0);
}

/* A module that says ERROR has not restarted: nothing to wait for, and nothing to be proud of. */
static bool refuse_reset(struct fake_port *p, const char *command)
{
	(void)p;
	if (strcmp(command, "AT+CFUN=1,1") != 0)
		return false;
	fake_port_says("\\r\\n+CME ERROR: 3\\r\\n");
	return true;
}

static void a_refused_reset_is_told(void **state)
{
	(void)state;
	start_until_ready();
	fake_port.before = refuse_reset;
	assert_int_equal(modem_reset(&m), 0);
	assert_true(reaches(MODEM_SYNCING, 1000));
	assert_true(m.restart_refused);
	assert_string_equal(m.st.problem_text, "the module refuses its reset command, AT+CFUN=1,1");
	assert_int_equal(m.st.problem.kind, CAUSE_REFUSED);
	assert_int_equal(m.st.problem.code, 3);
	assert_true(reaches(MODEM_READY, 10000));
	assert_int_equal(m.st.counters.lost, 0);
	fake_port.before = NULL;
	assert_int_equal(modem_reset(&m), 0);
	assert_false(m.restart_refused);
}

static void registration_reports_change_the_status(void **state)
{
	(void)state;
	start_until_ready();
	fake_port.log[0] = '\0';
	fake_port_says("\\r\\n+CEREG: 5,\"00C3\",\"0000AB12\",7\\r\\n\\r\\n+CREG: 5\\r\\n");
	fake_ev_settle();
	assert_int_equal(m.st.reg[AT_REG_EPS].stat, 5);
	assert_string_equal(m.st.reg[AT_REG_EPS].area, "00C3");
	/* once for the burst, and a little later */
	assert_string_equal(fake_port.log, "");
	fake_ev_run(1000);
	assert_int_equal(fake_port_count("AT+COPS?"), 1);
	fake_port.answers = NULL;
	fake_port.dead = true;
	fake_port_says("\\r\\n+CEREG: 2\\r\\n\\r\\n+CREG: 2\\r\\n\\r\\n+CGREG: 0\\r\\n");
	fake_ev_settle();
	assert_false(m.st.registered);
	assert_string_equal(m.st.operator_name, "");
}

static void a_changed_card_is_read_again(void **state)
{
	(void)state;
	start_until_ready();
	fake_port_says("\\r\\n+CPIN: NOT READY\\r\\n");
	fake_ev_settle();
	assert_int_equal(m.st.sim, MODEM_SIM_NOT_READY);
	assert_string_equal(m.st.iccid, "");
	assert_int_equal(m.st.state, MODEM_READY);
	fake_port.log[0] = '\0';
	fake_port_says("\\r\\n+CPIN: READY\\r\\n\\r\\n+QUSIM: 1\\r\\n");
	fake_ev_run(5000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_string_equal(m.st.iccid, "89860025128306012474");
	assert_int_equal(fake_port_count("AT+QCCID"), 1);
}

static void the_speed_is_hunted_for(void **state)
{
	(void)state;
	fake_port.baud_needed = 9600;
	start_until_ready();
	assert_int_equal(m.st.baud, 9600);
	assert_int_equal(fake_port.baud, 9600);
}

/* --- cards and PINs ------------------------------------------------------------------------------------ */

static const char *pin_answer, *right_pin, *pins_left;

static bool ask_for_pin(struct fake_port *p, const char *command)
{
	(void)p;
	if (!strcmp(command, "AT+CPIN?")) {
		fake_port_says(pin_answer);
		return true;
	}
	if (pins_left && !strcmp(command, "AT+QPINC=\"SC\"")) {
		fake_port_says(pins_left);
		return true;
	}
	if (!strncmp(command, "AT+CPIN=", 8)) {
		if (right_pin && strstr(command, right_pin)) {
			pin_answer = "\\r\\n+CPIN: READY\\r\\n\\r\\nOK\\r\\n";
			fake_port_says("\\r\\nOK\\r\\n");
		} else {
			fake_port_says("\\r\\n+CME ERROR: 16\\r\\n");
		}
		return true;
	}
	return false;
}

static void want_pin(const char *pin)
{
	fake_port.before = ask_for_pin;
	pin_answer = "\\r\\n+CPIN: SIM PIN\\r\\n\\r\\nOK\\r\\n";
	right_pin = "1234";
	pins_left = NULL;
	text_copy(text_of(pin), m.o.pin, sizeof(m.o.pin));
}

static void the_right_pin_opens_the_card(void **state)
{
	(void)state;
	want_pin("1234");
	start_until_ready();
	assert_int_equal(m.st.sim, MODEM_SIM_READY);
	assert_string_equal(m.st.imsi, "262011234567890");
	assert_int_equal(fake_port_count("AT+CPIN=\"1234\""), 1);
	/* and opens it again after a restart: nothing was held against it */
	pin_answer = "\\r\\n+CPIN: SIM PIN\\r\\n\\r\\nOK\\r\\n";
	fake_port_says("\\r\\nRDY\\r\\n");
	fake_ev_settle();
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(m.st.sim, MODEM_SIM_READY);
}

/* One try in the life of the gateway: restarts of module and daemon do not add to it. */
static void a_wrong_pin_is_tried_once(void **state)
{
	(void)state;
	want_pin("9999");
	start_until_ready();
	assert_int_equal(m.st.sim, MODEM_SIM_PIN_REFUSED);
	assert_int_equal(m.st.problem.kind, CAUSE_REFUSED);
	for (int i = 0; i < 3; i++) {
		fake_port_says("\\r\\nRDY\\r\\n");
		fake_ev_settle();
		assert_true(reaches(MODEM_READY, 60000));
		assert_int_equal(m.st.sim, MODEM_SIM_PIN_REFUSED);
	}
	assert_int_equal(fake_port_count("AT+CPIN=\"9999\""), 1);
	/* the daemon starts anew */
	modem_close(&m);
	fake_ev_settle();
	struct modem_options o = m.o;
	memset(&m, 0, sizeof(m));
	m.o = o;
	m.changed = on_changed;
	start_until_ready();
	assert_int_equal(fake_port_count("AT+CPIN=\"9999\""), 1);
	/* a corrected PIN is another matter */
	text_copy(TEXT("1234"), m.o.pin, sizeof(m.o.pin));
	fake_port_says("\\r\\nRDY\\r\\n");
	fake_ev_settle();
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(m.st.sim, MODEM_SIM_READY);
}

static void the_last_try_is_not_used(void **state)
{
	(void)state;
	want_pin("1234");
	pins_left = "\\r\\n+QPINC: \"SC\",1,10\\r\\n\\r\\nOK\\r\\n";
	start_until_ready();
	assert_int_equal(m.st.sim, MODEM_SIM_PIN_REFUSED);
	assert_int_equal(fake_port_count("AT+CPIN=\"1234\""), 0);
}

static void no_try_without_a_note_of_it(void **state)
{
	(void)state;
	want_pin("1234");
	m.o.state_dir = "/nonexistent";
	start_until_ready();
	assert_int_equal(m.st.sim, MODEM_SIM_PIN_REQUIRED);
	assert_int_equal(fake_port_count("AT+CPIN=\"1234\""), 0);
}

static void cards_have_all_their_states(void **state)
{
	static const struct {
		const char *answer;
		enum modem_sim sim;
	} rows[] = {
		{ "\\r\\n+CME ERROR: 10\\r\\n", MODEM_SIM_ABSENT },
		{ "\\r\\n+CPIN: NOT INSERTED\\r\\n\\r\\nOK\\r\\n", MODEM_SIM_ABSENT },
		{ "\\r\\n+CME ERROR: SIM not inserted\\r\\n", MODEM_SIM_ABSENT },
		{ "\\r\\n+CME ERROR: 11\\r\\n", MODEM_SIM_PIN_REQUIRED },
		{ "\\r\\n+CPIN: SIM PUK\\r\\n\\r\\nOK\\r\\n", MODEM_SIM_PUK_REQUIRED },
		{ "\\r\\n+CPIN: PH-NET PIN\\r\\n\\r\\nOK\\r\\n", MODEM_SIM_LOCKED },
		{ "\\r\\n+CME ERROR: 13\\r\\n", MODEM_SIM_FAILURE },
		{ "\\r\\n+CME ERROR: 14\\r\\n", MODEM_SIM_NOT_READY },
		{ "\\r\\nERROR\\r\\n", MODEM_SIM_UNKNOWN },
		{ "\\r\\ngarbage\\r\\nOK\\r\\n", MODEM_SIM_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		teardown(state);
		setup(state);
		want_pin("");
		pin_answer = rows[i].answer;
		start_until_ready();
		print_message("%s\n", rows[i].answer);
		assert_int_equal(m.st.sim, rows[i].sim);
	}
}

static const struct fake_answer radio_off[] = {
	{ "AT+CFUN?", "\\r\\n+CFUN: 4\\r\\n\\r\\nOK\\r\\n" },
	{ "AT+CMEE?", "\\r\\n+CMEE: 1\\r\\n\\r\\nOK\\r\\n" },
	{ "AT", "\\r\\nOK\\r\\n" },
	{ 0 }
};

static void a_radio_that_is_off_is_switched_on_unless_told_otherwise(void **state)
{
	(void)state;
	fake_port.answers = radio_off;
	start_until_ready();
	assert_int_equal(fake_port_count("AT+CFUN=1"), 1);
	teardown(state);
	setup(state);
	m.o.radio_on = false;
	fake_port.answers = radio_off;
	start_until_ready();
	assert_int_equal(fake_port_count("AT+CFUN=1"), 0);
}

static void strangers_commands_wait_for_a_module_that_is_ready(void **state)
{
	struct at_cmd cmd = { .text = "AT+CSQ", .patience_ms = 1000 };

	(void)state;
	start();
	assert_int_equal(modem_send(&m, &cmd), -EAGAIN);
	assert_int_equal(modem_refresh(&m), -EAGAIN);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_ordinary_module_becomes_ready),
		T(a_ready_module_is_left_in_peace),
		T(a_quiet_module_is_asked_whether_it_lives),
		T(unplugged_and_plugged_again),
		T(a_missing_port_is_waited_for_or_told),
		T(a_silent_module_climbs_the_ladder),
		T(a_module_lost_again_soon_goes_on_with_the_next_rung),
		T(a_restart_by_itself_is_noticed),
		T(echo_that_comes_back_is_a_restart),
		T(a_reset_is_followed_to_the_end),
		T(a_refused_reset_is_told),
		T(registration_reports_change_the_status),
		T(a_changed_card_is_read_again),
		T(the_speed_is_hunted_for),
		T(the_right_pin_opens_the_card),
		T(a_wrong_pin_is_tried_once),
		T(the_last_try_is_not_used),
		T(no_try_without_a_note_of_it),
		T(cards_have_all_their_states),
		T(a_radio_that_is_off_is_switched_on_unless_told_otherwise),
		T(strangers_commands_wait_for_a_module_that_is_ready),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
