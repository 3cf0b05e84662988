/*
 * The power lines on the virtual clock: which one moves when, to the millisecond; what STATUS has
 * to say in it; the bound; and that nothing stays pressed.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "core/util.h"
#include "modem/power.h"
#include "support/fake_gpio.h"
#include "unit/fake_ev.h"

static struct power p;
static unsigned done, changes, rings, left;

/* Told before anything moves. */
static void on_leaving(struct power *power)
{
	assert_true(power_busy(power));
	assert_string_equal(fake_gpio.log, "");
	left++;
}

static void on_done(struct power *power)
{
	assert_false(power_busy(power));
	assert_int_equal(left, 1);
	done++;
}

static void on_changed(struct power *power)
{
	(void)power;
	changes++;
}

static void on_rang(struct power *power)
{
	(void)power;
	rings++;
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	fake_gpio_reset();
	memset(&p, 0, sizeof(p));
	done = changes = rings = left = 0;
	p.family = (struct at_power){ .on_ms = 600, .off_ms = 800, .reset_ms = 300, .up_ms = 5000,
				      .down_ms = 9000 };
	p.o.cut_ms = 2000;
	p.o.per_hour = 6;
	p.leaving = on_leaving;
	p.done = on_done;
	p.changed = on_changed;
	p.rang = on_rang;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	power_close(&p);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(fake_gpio_open(), 0);
	return 0;
}

static void open_lines(const char *names)
{
	struct text rest = text_of(names);
	char why[GPIO_WHY_MAX];

	while (rest.n) {
		struct text one = text_cut(&rest, ' ');

		for (int i = 0; i < _POWER_LINE_MAX; i++)
			if (text_eq(one, power_line_name((enum power_line)i)))
				text_copy(one, p.o.lines[i].line, sizeof(p.o.lines[i].line));
	}
	assert_int_equal(power_open(&p, why), 0);
}

/* --- a module at the other end ------------------------------------------------------------------ */

/* As the field's do: PWRKEY toggles, by the length of the press; STATUS follows after a while. */
static struct {
	bool on, deaf, mute;            /* PWRKEY does nothing; STATUS never moves */
	uint64_t pressed_ms;
	struct ev_alarm status;
	unsigned toggles;
} board;

static void on_board_status(struct ev_alarm *a)
{
	(void)a;
	if (!board.mute)
		fake_gpio_input("status", board.on);
}

static void board_set(bool on, unsigned ms)
{
	if (board.on != on)
		board.toggles++;
	board.on = on;
	ev_alarm_start(&board.status, ms);
}

static void on_set(const char *name, bool active)
{
	if (!strcmp(name, "supply")) {
		if (!active)
			board_set(false, 10);
		return;
	}
	if (strcmp(name, "pwrkey") != 0 || board.deaf)
		return;
	if (active) {
		board.pressed_ms = ev_now_ms();
		return;
	}
	if (!board.on && ev_now_ms() - board.pressed_ms >= 500)
		board_set(true, 2500);
	else if (board.on && ev_now_ms() - board.pressed_ms >= 650)
		board_set(false, 4000);
}

static void plug_board(bool on)
{
	memset(&board, 0, sizeof(board));
	board.on = on;
	board.status.fired = on_board_status;
	fake_gpio.set = on_set;
	fake_gpio_input("status", on);
}

static void run_job(enum power_job job, bool asked)
{
	fake_gpio.log[0] = '\0';
	fake_gpio.last_ms = ev_now_ms();
	done = left = 0;
	power_start(&p, job, asked);
	fake_ev_run(200000);
	assert_int_equal(done, 1);
	assert_int_equal(p.proc.cause.kind, CAUSE_NONE);
}

/* --- sequences ---------------------------------------------------------------------------------- */

static void a_reset_is_one_pulse_of_the_familys_length(void **state)
{
	(void)state;
	open_lines("reset");
	run_job(POWER_PULSE, false);
	assert_string_equal(fake_gpio.log, "+0 reset=1\n+300 reset=0\n");
}

static void the_configuration_wins_over_the_family(void **state)
{
	(void)state;
	p.o.times.reset_ms = 2500;
	open_lines("reset");
	run_job(POWER_PULSE, false);
	assert_string_equal(fake_gpio.log, "+0 reset=1\n+2500 reset=0\n");
}

static void a_module_that_is_off_is_switched_on_by_one_press(void **state)
{
	(void)state;
	plug_board(false);
	open_lines("pwrkey status");
	assert_int_equal(power_is(&p), POWER_IS_OFF);
	run_job(POWER_ON, false);
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+600 pwrkey=0\n");
	assert_int_equal(power_is(&p), POWER_IS_ON);
	assert_null(p.stuck);
	assert_int_equal(changes, 1);
}

static void a_module_that_is_on_is_not_pressed_to_switch_it_on(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	run_job(POWER_ON, false);
	assert_string_equal(fake_gpio.log, "");
}

static void a_cycle_presses_off_waits_for_status_and_presses_on(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status dtr");
	run_job(POWER_CYCLE, false);
	/* DTR feeds nothing into a module without power; STATUS falls 4 s after the release */
	assert_string_equal(fake_gpio.log, "+0 dtr=0\n+0 pwrkey=1\n+800 pwrkey=0\n+4000 dtr=1\n"
					   "+0 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
	assert_int_equal(board.toggles, 2);
}

static void a_module_that_was_asked_needs_no_press_to_go_off(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	board_set(false, 1700);
	run_job(POWER_CYCLE, true);
	assert_string_equal(fake_gpio.log, "+1700 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
}

static void one_that_was_asked_and_stays_is_pressed(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	run_job(POWER_CYCLE, true);
	assert_string_equal(fake_gpio.log, "+9000 pwrkey=1\n+800 pwrkey=0\n+4000 pwrkey=1\n"
					   "+600 pwrkey=0\n");
	assert_null(p.stuck);
}

static void one_that_refuses_is_pressed_at_once(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	power_start(&p, POWER_CYCLE, true);
	fake_ev_run(100);
	power_refused(&p);
	fake_ev_run(100000);
	assert_string_equal(fake_gpio.log, "+100 pwrkey=1\n+800 pwrkey=0\n+4000 pwrkey=1\n"
					   "+600 pwrkey=0\n");
	/* too late a refusal moves nothing */
	power_refused(&p);
	fake_ev_settle();
	assert_int_equal(done, 1);
}

static void the_supply_is_cut_and_restored_before_the_press(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("supply pwrkey status");
	board.deaf = true;
	fake_gpio.log[0] = '\0';
	power_start(&p, POWER_CYCLE, false);
	fake_ev_run(9800 + 2000 + 100);
	board.deaf = false;
	fake_ev_run(100000);
	/* the deaf module does not go off by its key within down_ms; then the supply goes */
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+800 pwrkey=0\n+9000 supply=0\n+2000 supply=1\n"
					   "+500 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
	assert_null(p.stuck);
}

static void a_supply_alone_is_enough(void **state)
{
	(void)state;
	open_lines("supply");
	run_job(POWER_CYCLE, false);
	assert_string_equal(fake_gpio.log, "+0 supply=0\n+2000 supply=1\n");
	run_job(POWER_ON, false);
	assert_string_equal(fake_gpio.log, "");
}

/* --- STATUS that does not follow ---------------------------------------------------------------- */

static void a_status_that_stays_off_gets_a_second_press_and_is_told(void **state)
{
	(void)state;
	plug_board(false);
	open_lines("pwrkey status");
	board.deaf = true;
	run_job(POWER_ON, false);
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+600 pwrkey=0\n+5000 pwrkey=1\n+600 pwrkey=0\n");
	assert_string_equal(p.stuck, "off");
}

static void a_second_press_that_helps_is_no_trouble(void **state)
{
	(void)state;
	plug_board(false);
	open_lines("pwrkey status");
	board.deaf = true;
	power_start(&p, POWER_ON, false);
	fake_ev_run(3000);
	board.deaf = false;
	fake_ev_run(100000);
	assert_int_equal(done, 1);
	assert_null(p.stuck);
	assert_int_equal(power_is(&p), POWER_IS_ON);
}

/* STATUS may be wired wrong, and the module off behind it: it must not stay so. */
static void a_status_that_stays_on_does_not_leave_the_module_off(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	board.mute = true;
	run_job(POWER_CYCLE, false);
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+800 pwrkey=0\n+9000 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
	assert_int_equal(board.toggles, 2);
	assert_string_equal(p.stuck, "on");
}

static void a_status_that_lies_is_not_believed_until_it_moves(void **state)
{
	(void)state;
	plug_board(true);
	fake_gpio_input("status", 0);
	open_lines("pwrkey status");
	assert_int_equal(power_is(&p), POWER_IS_OFF);
	assert_true(power_proven(&p));
	assert_false(power_proven(&p));
	assert_int_equal(power_is(&p), POWER_IS_UNKNOWN);
	assert_int_equal(power_status(&p), 0);
	fake_gpio_input("status", 1);
	assert_int_equal(power_is(&p), POWER_IS_ON);
	assert_false(power_proven(&p));
}

static void a_module_that_says_it_has_started_is_not_pressed_again(void **state)
{
	(void)state;
	plug_board(false);
	open_lines("pwrkey status");
	board.mute = true;
	power_start(&p, POWER_ON, false);
	fake_ev_run(1500);
	assert_true(power_heard(&p));
	fake_ev_settle();
	assert_int_equal(done, 1);
	fake_ev_run(60000);
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+600 pwrkey=0\n");
	assert_false(power_heard(&p));
}

static void what_it_says_while_it_goes_off_is_of_its_old_life(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey status");
	power_start(&p, POWER_CYCLE, false);
	fake_ev_run(2000);
	assert_false(power_heard(&p));
	fake_ev_run(100000);
	assert_int_equal(done, 1);
	assert_true(board.on);
}

/* --- without STATUS ----------------------------------------------------------------------------- */

static void without_status_it_is_waited_as_long_as_it_may_take(void **state)
{
	(void)state;
	plug_board(true);
	open_lines("pwrkey");
	assert_int_equal(power_is(&p), POWER_IS_UNKNOWN);
	run_job(POWER_CYCLE, false);
	assert_string_equal(fake_gpio.log, "+0 pwrkey=1\n+800 pwrkey=0\n+9000 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
	/* asked, it goes off by itself: no pulse that would switch it on again */
	power_proven(&p);
	board.on = false;
	run_job(POWER_CYCLE, true);
	assert_string_equal(fake_gpio.log, "+9000 pwrkey=1\n+600 pwrkey=0\n");
	assert_true(board.on);
}

/* Off pressed first, a module that was off ends up off where the on-pulse is long enough. */
static void without_status_one_of_two_cycles_ends_on_whatever_it_was(void **state)
{
	(void)state;
	for (int was_on = 0; was_on < 2; was_on++) {
		unsigned ends_on = 0;

		teardown(state);
		setup(state);
		p.family.on_ms = 1500;
		plug_board(was_on);
		open_lines("pwrkey");
		for (int i = 0; i < 2; i++) {
			run_job(POWER_CYCLE, false);
			ends_on += board.on;
		}
		assert_in_range(ends_on, 1, 2);
	}
}

/* --- the bound, and trouble --------------------------------------------------------------------- */

static void so_often_per_hour_and_not_more(void **state)
{
	(void)state;
	open_lines("reset");
	for (int i = 0; i < 6; i++) {
		assert_true(power_may(&p));
		power_count(&p);
		fake_ev_run(60000);
	}
	assert_false(power_may(&p));
	/* the first one is forgotten after an hour, and with it one use is free */
	fake_ev_run(3600000 - 6 * 60000);
	assert_true(power_may(&p));
	power_count(&p);
	assert_false(power_may(&p));
	p.o.per_hour = 0;
	fake_ev_run(7200000);
	assert_false(power_may(&p));
	p.o.per_hour = POWER_USES_MAX;
	for (int i = 0; i < 3 * POWER_USES_MAX; i++)
		power_count(&p);
	assert_false(power_may(&p));
}

static void what_is_not_wired_cannot_be_done(void **state)
{
	static const struct {
		const char *lines;
		bool on, cycle, pulse;
	} rows[] = {
		{ "", false, false, false },       { "status dtr ri", false, false, false },
		{ "reset", false, false, true },   { "pwrkey", true, true, false },
		{ "supply", true, true, false },   { "pwrkey reset", true, true, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		teardown(state);
		setup(state);
		assert_false(power_can(&p, POWER_ON));
		open_lines(rows[i].lines);
		assert_int_equal(power_can(&p, POWER_ON), rows[i].on);
		assert_int_equal(power_can(&p, POWER_CYCLE), rows[i].cycle);
		assert_int_equal(power_can(&p, POWER_PULSE), rows[i].pulse);
		assert_int_equal(power_configured(&p), rows[i].lines[0] != '\0');
	}
}

static void a_line_that_is_missing_is_named_and_none_is_kept(void **state)
{
	char why[GPIO_WHY_MAX];

	(void)state;
	snprintf(p.o.lines[POWER_PWRKEY].line, GPIO_NAME_MAX, "key");
	snprintf(p.o.lines[POWER_STATUS].line, GPIO_NAME_MAX, "sense");
	fake_gpio.missing = "sense";
	assert_int_equal(power_open(&p, why), -ENOENT);
	assert_string_equal(why, "[power] status: no line is named sense");
	assert_int_equal(fake_gpio_open(), 0);
	assert_false(power_can(&p, POWER_ON));
	fake_gpio.missing = NULL;
	assert_int_equal(power_open(&p, why), 0);
}

static void a_line_that_cannot_be_set_ends_the_job_with_that_cause(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	open_lines("pwrkey reset");
	fake_gpio.broken = "reset";
	power_start(&p, POWER_PULSE, false);
	fake_ev_run(1000);
	assert_int_equal(done, 1);
	assert_int_equal(p.proc.cause.kind, CAUSE_REFUSED);
	assert_string_equal(p.proc.cause.from, "gpio");
	assert_int_equal(p.proc.cause.code, EIO);
	assert_string_equal(p.proc.cause.step, "reset-press");
}

/* Whenever the daemon ends: nothing stays pressed, and the supply is on. */
static void nothing_stays_pressed_at_the_end(void **state)
{
	for (unsigned ms = 0; ms < 14000; ms += 250) {
		teardown(state);
		setup(state);
		plug_board(true);
		open_lines("supply pwrkey status reset");
		power_start(&p, POWER_CYCLE, false);
		fake_ev_run(ms);
		power_close(&p);
		ev_alarm_stop(&board.status);
		assert_int_equal(p.lines[POWER_PWRKEY].value, 0);
		assert_int_equal(p.lines[POWER_RESET].value, 0);
		assert_int_equal(p.lines[POWER_SUPPLY].value, 1);
		fake_ev_run(60000);
		assert_true(done <= 1);
	}
}

static void ri_rings_when_it_becomes_active(void **state)
{
	(void)state;
	open_lines("ri");
	for (int i = 0; i < 3; i++) {
		fake_gpio_input("ri", 1);
		fake_gpio_input("ri", 0);
	}
	assert_int_equal(rings, 3);
}

static void every_family_has_times_without_gaps(void **state)
{
	static const char *const models[][2] = {
		{ "Quectel", "EC25" }, { "Quectel", "BG95-M3" }, { "Quectel", "BG96" },
		{ "Quectel", "RM500Q-GL" }, { "SIMCOM INCORPORATED", "SIM7600E" }, { "Telit", "ME910G1" },
		{ "u-blox", "SARA-R510S" }, { "Nordic Semiconductor ASA", "nRF9160" }, { "x", "y" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		const struct at_family *f = at_family_find(text_of(models[i][0]), text_of(models[i][1]));
		struct at_power t = at_family_power(f);

		assert_true(t.on_ms && t.off_ms && t.reset_ms && t.up_ms && t.down_ms);
		assert_true(f == at_family_generic() || at_family_named(text_of(f->name)) == f);
	}
	/* the manual's window for RESET_N of the BG96, and for the pin that a BG95 shares with PWRKEY */
	assert_in_range(at_family_power(at_family_find(TEXT("Quectel"), TEXT("BG96"))).reset_ms, 150, 460);
	assert_in_range(at_family_power(at_family_find(TEXT("Quectel"), TEXT("BG95-M3"))).reset_ms, 2000,
			3800);
	assert_null(at_family_named(TEXT("nonsense")));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reset_is_one_pulse_of_the_familys_length),
		T(the_configuration_wins_over_the_family),
		T(a_module_that_is_off_is_switched_on_by_one_press),
		T(a_module_that_is_on_is_not_pressed_to_switch_it_on),
		T(a_cycle_presses_off_waits_for_status_and_presses_on),
		T(a_module_that_was_asked_needs_no_press_to_go_off),
		T(one_that_was_asked_and_stays_is_pressed),
		T(one_that_refuses_is_pressed_at_once),
		T(the_supply_is_cut_and_restored_before_the_press),
		T(a_supply_alone_is_enough),
		T(a_status_that_stays_off_gets_a_second_press_and_is_told),
		T(a_second_press_that_helps_is_no_trouble),
		T(a_status_that_stays_on_does_not_leave_the_module_off),
		T(a_status_that_lies_is_not_believed_until_it_moves),
		T(a_module_that_says_it_has_started_is_not_pressed_again),
		T(what_it_says_while_it_goes_off_is_of_its_old_life),
		T(without_status_it_is_waited_as_long_as_it_may_take),
		T(without_status_one_of_two_cycles_ends_on_whatever_it_was),
		T(so_often_per_hour_and_not_more),
		T(what_is_not_wired_cannot_be_done),
		T(a_line_that_is_missing_is_named_and_none_is_kept),
		T(a_line_that_cannot_be_set_ends_the_job_with_that_cause),
		T(nothing_stays_pressed_at_the_end),
		T(ri_rings_when_it_becomes_active),
		T(every_family_has_times_without_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
