/*
 * The power lines in the module's life, on the virtual clock: switched on at start and when it goes
 * off, the last rungs of both ladders with their bound, a port that goes with the power.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "core/util.h"
#include "support/fake_gpio.h"
#include "support/fake_port.h"
#include "unit/fake_ev.h"

static struct modem m;
static char state_dir[] = "/tmp/cellmux-power-XXXXXX";
static int followed;
static struct ev_alarm late;

/* What it takes to get the module under test to answer again. */
enum helps { HELPS_NOTHING, HELPS_RESET_LINE, HELPS_KEY };

static struct {
	enum helps helps;
	bool on, quiet;                 /* it prints nothing when it starts */
	bool port_goes;                 /* its port is there only while it is on */
	uint64_t pressed_ms;
	struct ev_alarm boot, off;
	unsigned presses;
} board;

static void on_changed(struct modem *modem, unsigned what)
{
	(void)modem, (void)what;
}

static void on_followed(struct modem *modem, const struct cause *why)
{
	(void)modem;
	followed = why ? -1 : 1;
}

/* --- the module at the other end of the lines --------------------------------------------------- */

static void on_boot(struct ev_alarm *a)
{
	(void)a;
	fake_gpio_input("status", 1);
	fake_port.dead = false;
	if (board.port_goes) {
		fake_port.present = true;
		m.hotplug.stirred(&m.hotplug);
	} else if (!board.quiet && m.pipe) {
		fake_port_says("\\r\\nRDY\\r\\n");
	}
}

static void start_board(void)
{
	board.on = true;
	ev_alarm_start(&board.boot, 3000);
}

static void on_off(struct ev_alarm *a)
{
	(void)a;
	fake_gpio_input("status", 0);
	if (board.port_goes && m.pipe) {
		fake_port.present = false;
		wire_hang_up(&fake_port.wire, EIO);
	}
}

static void stop_board(unsigned ms)
{
	board.on = false;
	fake_port.dead = true;
	ev_alarm_stop(&board.boot);
	ev_alarm_start(&board.off, ms);
}

static void on_set(const char *name, bool active)
{
	unsigned ms = (unsigned)(ev_now_ms() - board.pressed_ms);

	if (active) {
		board.pressed_ms = ev_now_ms();
		board.presses += !strcmp(name, "pwrkey");
		return;
	}
	if (!strcmp(name, "reset") && board.helps == HELPS_RESET_LINE)
		start_board();
	if (strcmp(name, "pwrkey") != 0 || board.helps == HELPS_NOTHING)
		return;
	if (!board.on && ms >= 500)
		start_board();
	else if (board.on && ms >= 650)
		stop_board(2000);
}

static bool on_command(struct fake_port *p, const char *command)
{
	(void)p;
	if (strcmp(command, "AT+QPOWD=1") != 0)
		return false;
	fake_port_says("\\r\\nOK\\r\\n\\r\\nPOWERED DOWN\\r\\n");
	stop_board(1500);
	return true;
}

/* --- the desk ----------------------------------------------------------------------------------- */

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

static void wire_up(const char *names)
{
	struct text rest = text_of(names);

	while (rest.n) {
		struct text one = text_cut(&rest, ' ');

		for (int i = 0; i < _POWER_LINE_MAX; i++)
			if (text_eq(one, power_line_name((enum power_line)i)))
				text_copy(one, m.power.o.lines[i].line, GPIO_NAME_MAX);
	}
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	fake_gpio_reset();
	memset(&m, 0, sizeof(m));
	memset(&board, 0, sizeof(board));
	followed = 0;
	board.boot.fired = on_boot;
	board.off.fired = on_off;
	board.on = true;
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.alive_s = 10;
	m.o.state_dir = state_dir;
	m.power.o.cut_ms = 2000;
	m.power.o.per_hour = 6;
	m.changed = on_changed;
	m.follow.followed = on_followed;
	fake_port_open(fake_port_ordinary);
	fake_port.before = on_command;
	fake_gpio.set = on_set;
	fake_gpio_input("status", 1);
	return 0;
}

static void family_path(char *dst, size_t cap)
{
	snprintf(dst, cap, "%s/family", state_dir);
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	modem_close(&m);
	ev_alarm_stop(&board.boot);
	ev_alarm_stop(&board.off);
	ev_alarm_stop(&late);
	fake_ev_settle();
	fake_port_close();
	family_path(path, sizeof(path));
	file_remove(path);
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(fake_gpio_open(), 0);
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

static void start(const char *lines)
{
	char why[SERIAL_WHY_MAX];

	wire_up(lines);
	assert_int_equal(modem_open(&m, false, why), 0);
}

static void start_until_ready(const char *lines)
{
	start(lines);
	assert_true(reaches(MODEM_READY, 60000));
	fake_ev_settle();
	fake_port.log[0] = fake_gpio.log[0] = '\0';
	fake_gpio.last_ms = ev_now_ms();
}

static void begin_off(void)
{
	board.on = false;
	board.helps = HELPS_KEY;
	fake_port.dead = true;
	fake_gpio_input("status", 0);
}

/* --- at start ----------------------------------------------------------------------------------- */

static void a_module_that_is_off_at_start_is_switched_on(void **state)
{
	(void)state;
	begin_off();
	start("pwrkey status");
	assert_int_equal(m.st.state, MODEM_POWERING);
	assert_true(reaches(MODEM_READY, 30000));
	/* its family is not known yet: the pulse that suits most */
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+1000 pwrkey=0\n");
	assert_int_equal(m.st.counters.switch_ons, 1);
	assert_int_equal(m.st.counters.lost, 0);
}

static void the_family_that_was_here_last_is_remembered(void **state)
{
	(void)state;
	start_until_ready("pwrkey status");
	modem_close(&m);
	fake_ev_settle();
	struct modem_options o = m.o;
	memset(&m, 0, sizeof(m));
	m.o = o;
	m.changed = on_changed;
	m.power.o.per_hour = 6;
	begin_off();
	fake_gpio.log[0] = '\0';
	fake_gpio.last_ms = ev_now_ms();
	start("pwrkey status");
	assert_true(reaches(MODEM_READY, 30000));
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+600 pwrkey=0\n");
}

static void a_module_that_is_on_at_start_is_left_alone(void **state)
{
	(void)state;
	start_until_ready("pwrkey reset supply status");
	fake_ev_run(3600000);
	assert_string_equal(fake_gpio.log, "");
	assert_int_equal(m.st.state, MODEM_READY);
}

static void a_port_that_comes_with_the_power_is_waited_for(void **state)
{
	(void)state;
	begin_off();
	board.port_goes = true;
	fake_port.present = false;
	start("pwrkey status");
	assert_int_equal(m.st.state, MODEM_ABSENT);
	assert_true(reaches(MODEM_READY, 30000));
	assert_int_equal(board.presses, 1);
}

static void a_line_that_cannot_be_had_is_told_or_waited_for(void **state)
{
	char why[SERIAL_WHY_MAX];

	(void)state;
	wire_up("pwrkey status");
	fake_gpio.missing = "pwrkey";
	assert_int_equal(modem_open(&m, false, why), -ENOENT);
	assert_string_equal(why, "[power] pwrkey: no line is named pwrkey");
	modem_close(&m);
	begin_off();
	assert_int_equal(modem_open(&m, true, why), 0);
	assert_string_equal(m.st.problem_text, "[power] pwrkey: no line is named pwrkey");
	assert_int_equal(modem_power_cycle(&m), -ENOTSUP);
	fake_ev_run(7000);
	fake_gpio.missing = NULL;
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(board.presses, 1);
}

/* Wrong polarity, or not wired: one pulse at the start, and no more. */
static void a_status_that_lies_costs_one_pulse(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	fake_gpio_input("status", 0);
	m.power.o.times.on_ms = 550;    /* no pulse that would switch a running module off */
	start("pwrkey status");
	assert_true(reaches(MODEM_READY, 60000));
	assert_true(m.power.disbelieved);
	fake_ev_run(24 * 3600000u);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_in_range(board.presses, 1, 2);
	assert_int_equal(m.st.counters.switch_ons, 1);
}

static void a_boot_line_ends_the_wait_for_a_status_that_is_stuck(void **state)
{
	(void)state;
	begin_off();
	start("pwrkey status");
	fake_ev_run(1200);
	ev_alarm_stop(&board.boot);
	fake_port.dead = false;
	fake_port_says("\\r\\nRDY\\r\\n");
	assert_true(reaches(MODEM_READY, 5000));
	assert_int_equal(board.presses, 1);
}

/* --- the recovery ladder ------------------------------------------------------------------------ */

static void lose(enum helps helps)
{
	board.helps = helps;
	fake_port.dead = true;
	assert_true(reaches(MODEM_LOST, 60000));
}

static void a_hung_module_is_reset_by_its_line_after_everything_milder(void **state)
{
	(void)state;
	start_until_ready("pwrkey reset status");
	lose(HELPS_RESET_LINE);
	assert_true(reaches(MODEM_READY, 120000));
	assert_int_equal(m.st.counters.reopens, 1);
	assert_int_equal(m.st.counters.resets, 1);
	assert_int_equal(m.st.counters.line_resets, 1);
	assert_int_equal(m.st.counters.power_cycles, 0);
	assert_int_equal(m.st.counters.recoveries, 1);
	assert_non_null(strstr(fake_gpio.log, " reset=1\n+300 reset=0\n"));
	assert_int_equal(fake_port_count("AT+QPOWD=1"), 0);
}

static void one_that_only_power_helps_gets_that(void **state)
{
	(void)state;
	start_until_ready("pwrkey reset status");
	lose(HELPS_KEY);
	assert_true(reaches(MODEM_READY, 180000));
	assert_int_equal(m.st.counters.line_resets, 1);
	assert_int_equal(m.st.counters.power_cycles, 1);
	assert_int_equal(m.st.counters.recoveries, 1);
	assert_string_equal(m.tried, "a power cycle");
	/* 2 s until STATUS shows that it is off */
	assert_non_null(strstr(fake_gpio.log, " pwrkey=1\n+800 pwrkey=0\n+2000 pwrkey=1\n+600 pwrkey=0\n"));
}

/* Nothing helps: the lines are used per_hour times in any hour, the ladder goes on without them. */
static void a_dead_module_does_not_wear_out_its_lines(void **state)
{
	unsigned used, last = 0;

	(void)state;
	start_until_ready("pwrkey reset status");
	lose(HELPS_NOTHING);
	for (int hour = 1; hour <= 24; hour++) {
		fake_ev_run(3600000);
		used = m.st.counters.line_resets + m.st.counters.power_cycles;
		assert_in_range(used - last, 1, m.power.o.per_hour);
		last = used;
	}
	assert_in_range(m.st.counters.resets, 100, 400);
	fake_port.dead = false;
	assert_true(reaches(MODEM_READY, 400000));
}

static void the_bound_of_zero_leaves_the_lines_alone(void **state)
{
	(void)state;
	m.power.o.per_hour = 0;
	start_until_ready("pwrkey reset status");
	lose(HELPS_KEY);
	fake_ev_run(4 * 3600000u);
	assert_string_equal(fake_gpio.log, "");
	assert_int_equal(board.presses, 0);
	/* told to, it does it all the same */
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_READY, 60000));
}

static void a_module_that_goes_off_is_switched_on_again(void **state)
{
	(void)state;
	start_until_ready("pwrkey status");
	board.helps = HELPS_KEY;
	stop_board(0);
	fake_ev_run(500);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_true(reaches(MODEM_POWERING, 2000));
	assert_true(reaches(MODEM_READY, 30000));
	assert_int_equal(m.st.counters.lost, 1);
	assert_int_equal(m.st.counters.recoveries, 1);
	assert_string_equal(fake_gpio.log, "+1000 pwrkey=1\n+600 pwrkey=0\n");
}

static void a_moment_of_status_is_no_loss(void **state)
{
	(void)state;
	start_until_ready("pwrkey status");
	fake_gpio_input("status", 0);
	fake_ev_run(900);
	fake_gpio_input("status", 1);
	fake_ev_run(60000);
	assert_string_equal(fake_gpio.log, "");
	assert_int_equal(m.st.state, MODEM_READY);
}

static void a_port_that_stays_away_is_fetched_back(void **state)
{
	(void)state;
	start_until_ready("pwrkey reset status");
	board.helps = HELPS_KEY;
	board.port_goes = true;
	fake_port.present = false;
	wire_hang_up(&fake_port.wire, EIO);
	assert_true(reaches(MODEM_ABSENT, 100));
	fake_ev_run(59000);
	assert_string_equal(fake_gpio.log, "");
	assert_true(reaches(MODEM_READY, 300000));
	assert_int_equal(m.st.counters.line_resets, 1);
	assert_int_equal(m.st.counters.power_cycles, 1);
	assert_int_equal(m.st.counters.recoveries, 1);
}

static void a_port_that_another_program_has_is_left_alone(void **state)
{
	(void)state;
	start_until_ready("pwrkey reset status");
	fake_port.present = false;
	wire_hang_up(&fake_port.wire, EIO);
	assert_true(reaches(MODEM_ABSENT, 100));
	fake_port.held = true;
	m.hotplug.stirred(&m.hotplug);
	fake_ev_run(3600000);
	assert_string_equal(fake_gpio.log, "");
}

/* --- on request --------------------------------------------------------------------------------- */

static void a_power_cycle_is_in_good_order_if_the_module_answers(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	start_until_ready("pwrkey status");
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_int_equal(m.st.state, MODEM_POWERING);
	assert_int_equal(modem_power_cycle(&m), -EBUSY);
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(fake_port_count("AT+QPOWD=1"), 1);
	/* off by itself after 1.5 s: pressed once, to switch it on */
	assert_string_equal(fake_gpio.log, "+1500 pwrkey=1\n+600 pwrkey=0\n");
	assert_int_equal(m.st.counters.power_cycles, 1);
	assert_int_equal(m.st.counters.lost, 0);
}

static void on_late(struct ev_alarm *a)
{
	(void)a;
	fake_port_says("\\r\\n+CME ERROR: 3\\r\\n");
}

static bool slow_command(struct fake_port *p, const char *command)
{
	if (strcmp(command, "AT+COPS=?") != 0)
		return on_command(p, command);
	late.fired = on_late;
	ev_alarm_start(&late, 4000);
	return true;
}

static enum at_end stranger_end;

static void on_stranger(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	(void)cmd, (void)code, (void)final;
	stranger_end = end;
}

/* The late error of a command in flight is not taken for a refusal to go off. */
static void a_command_in_flight_gets_its_answer_first(void **state)
{
	struct at_cmd cmd = { .text = "AT+COPS=?", .every = true, .patience_ms = 180000,
			      .done = on_stranger };

	(void)state;
	board.helps = HELPS_KEY;
	start_until_ready("pwrkey status");
	fake_port.before = slow_command;
	assert_int_equal(modem_send(&m, &cmd), 0);
	fake_ev_run(1000);
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(stranger_end, AT_CME_ERROR);
	/* three more seconds, and 1.5 s to go off */
	assert_string_equal(fake_gpio.log, "+5500 pwrkey=1\n+600 pwrkey=0\n");
}

/* One that takes no end is cut off; it is told. */
static void a_command_without_end_holds_nothing_up_for_ever(void **state)
{
	struct at_cmd cmd = { .text = "AT+COPS=?", .every = true, .patience_ms = 180000,
			      .done = on_stranger };

	(void)state;
	board.helps = HELPS_KEY;
	start_until_ready("pwrkey status");
	fake_port.before = slow_command;
	assert_int_equal(modem_send(&m, &cmd), 0);
	fake_ev_run(1000);
	ev_alarm_stop(&late);
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(stranger_end, AT_LINK_LOST);
	assert_int_equal(fake_port_count("AT+QPOWD=1"), 0);
	assert_string_equal(fake_gpio.log, "+31000 pwrkey=1\n+800 pwrkey=0\n+2000 pwrkey=1\n+600 pwrkey=0\n");
}

static bool refuse_down(struct fake_port *p, const char *command)
{
	(void)p;
	if (strcmp(command, "AT+QPOWD=1") != 0)
		return false;
	fake_port_says("\\r\\nERROR\\r\\n");
	return true;
}

static void one_that_refuses_to_go_off_is_pressed(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	start_until_ready("pwrkey status");
	fake_port.before = refuse_down;
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_READY, 60000));
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+800 pwrkey=0\n+2000 pwrkey=1\n+600 pwrkey=0\n");
}

static void a_module_without_a_word_at_start_is_asked_after_its_boot_time(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	board.quiet = true;
	start_until_ready("pwrkey");
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_READY, 120000));
	/* without STATUS so long as it may take: 30 s */
	assert_string_equal(fake_gpio.log, "+30000 pwrkey=1\n+600 pwrkey=0\n");
}

static void a_power_cycle_takes_the_port_along(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	board.port_goes = true;
	start_until_ready("pwrkey status");
	assert_int_equal(modem_power_cycle(&m), 0);
	assert_true(reaches(MODEM_ABSENT, 60000));
	assert_true(reaches(MODEM_READY, 60000));
	assert_int_equal(board.presses, 1);
	fake_ev_run(3600000);
	assert_int_equal(board.presses, 1);
	assert_int_equal(m.st.state, MODEM_READY);
}

static void without_lines_a_power_cycle_is_refused(void **state)
{
	(void)state;
	start_until_ready("reset status");
	assert_int_equal(modem_power_cycle(&m), -ENOTSUP);
	assert_int_equal(m.st.state, MODEM_READY);
}

static void at_any_time_of_a_cycle_the_daemon_may_end(void **state)
{
	for (unsigned ms = 0; ms < 9000; ms += 200) {
		teardown(state);
		setup(state);
		board.helps = HELPS_KEY;
		start_until_ready("pwrkey reset supply status dtr");
		assert_int_equal(modem_power_cycle(&m), 0);
		fake_ev_run(ms);
	}
}

static void rings_make_it_look(void **state)
{
	(void)state;
	start_until_ready("ri");
	fake_gpio_input("ri", 1);
	fake_gpio_input("ri", 0);
	fake_gpio_input("ri", 1);
	fake_ev_run(2000);
	assert_int_equal(m.st.counters.rings, 2);
	assert_int_equal(fake_port_count("AT+CSQ"), 1);
}

/* --- following the card ------------------------------------------------------------------------- */

static bool new_card(struct fake_port *p, const char *command)
{
	if (!strcmp(command, "AT+QCCID") && board.presses) {
		fake_port_says("\\r\\n+QCCID: 89000123456789012341\\r\\n\\r\\nOK\\r\\n");
		return true;
	}
	if (!strcmp(command, "AT+CFUN=1,1")) {
		fake_port_says("\\r\\nOK\\r\\n\\r\\nRDY\\r\\n");
		return true;
	}
	return on_command(p, command);
}

static bool is_over(void *arg)
{
	(void)arg;
	return followed != 0;
}

static void power_is_the_last_rung_of_following_the_card(void **state)
{
	(void)state;
	board.helps = HELPS_KEY;
	start_until_ready("pwrkey status");
	fake_port.before = new_card;
	modem_follow_start(&m, "89000123456789012341");
	assert_true(fake_ev_until(is_over, NULL, 400000));
	fake_ev_settle();
	assert_int_equal(followed, 1);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_POWER);
	assert_string_equal(modem_follow_name(m.follow.rung), "power");
	assert_int_equal(m.st.counters.power_cycles, 1);
	assert_int_equal(fake_port_count("AT+QPOWD=1"), 1);
}

static void without_power_lines_a_reset_is_the_last_rung(void **state)
{
	(void)state;
	start_until_ready("status");
	fake_port.before = new_card;
	modem_follow_start(&m, "89000123456789012341");
	assert_true(fake_ev_until(is_over, NULL, 400000));
	fake_ev_settle();
	assert_int_equal(followed, -1);
	assert_int_equal(m.follow.rung, MODEM_FOLLOW_RESET);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_module_that_is_off_at_start_is_switched_on),
		T(the_family_that_was_here_last_is_remembered),
		T(a_module_that_is_on_at_start_is_left_alone),
		T(a_port_that_comes_with_the_power_is_waited_for),
		T(a_line_that_cannot_be_had_is_told_or_waited_for),
		T(a_status_that_lies_costs_one_pulse),
		T(a_boot_line_ends_the_wait_for_a_status_that_is_stuck),
		T(a_hung_module_is_reset_by_its_line_after_everything_milder),
		T(one_that_only_power_helps_gets_that),
		T(a_dead_module_does_not_wear_out_its_lines),
		T(the_bound_of_zero_leaves_the_lines_alone),
		T(a_module_that_goes_off_is_switched_on_again),
		T(a_moment_of_status_is_no_loss),
		T(a_port_that_stays_away_is_fetched_back),
		T(a_port_that_another_program_has_is_left_alone),
		T(a_power_cycle_is_in_good_order_if_the_module_answers),
		T(a_command_in_flight_gets_its_answer_first),
		T(a_command_without_end_holds_nothing_up_for_ever),
		T(one_that_refuses_to_go_off_is_pressed),
		T(a_module_without_a_word_at_start_is_asked_after_its_boot_time),
		T(a_power_cycle_takes_the_port_along),
		T(without_lines_a_power_cycle_is_refused),
		T(at_any_time_of_a_cycle_the_daemon_may_end),
		T(rings_make_it_look),
		T(power_is_the_last_rung_of_following_the_card),
		T(without_power_lines_a_reset_is_the_last_rung),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
