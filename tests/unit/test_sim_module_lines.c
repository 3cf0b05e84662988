/* The virtual module's wires: what a press of which length does, and what it takes to wake a hung one. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "atcmd/family.h"
#include "core/util.h"
#include "sim/module/persona.h"
#include "support/desk.h"
#include "unit/fake_ev.h"

static struct desk d;
static struct lines_watcher watcher;
static char moved[512];

static void on_moved(struct lines_watcher *w, enum line_pin pin)
{
	size_t n = strlen(moved);

	(void)w;
	snprintf(moved + n, sizeof(moved) - n, "%s%d ", pin_name(pin), d.module.lines.high[pin]);
}

static void lay(const char *persona)
{
	desk_lay(&d, persona, NULL, 1);
	watcher.moved = on_moved;
	d.module.lines.watcher = &watcher;
	d.module.o.status_ms = 400;
	moved[0] = '\0';
}

static void lay_running(const char *persona)
{
	lay(persona);
	desk_start(&d);
	moved[0] = '\0';
}

static void press(enum line_pin pin, unsigned ms)
{
	bool idle = pin_idle(pin);

	lines_set(&d.module, pin, !idle);
	fake_ev_run(ms);
	lines_set(&d.module, pin, idle);
	fake_ev_run(0);
}

static bool runs(void)
{
	fake_ev_run(3000);
	return d.module.power == MODULE_RUNNING;
}

static void a_long_enough_press_switches_it_on(void **state)
{
	(void)state;
	lay("quectel-eg25");
	press(PIN_PWRKEY, 499);
	assert_false(runs());
	assert_int_equal(d.module.lines.held_ms[PIN_PWRKEY], 499);
	press(PIN_PWRKEY, 500);
	assert_true(runs());
	assert_int_equal(d.module.starts, 1);
	assert_int_equal(strncmp(moved, "status1 ", 8), 0);
	desk_close(&d);
	/* it starts while the key is down, and one press never does both */
	lay("quectel-eg25");
	press(PIN_PWRKEY, 5000);
	assert_true(runs());
	assert_int_equal(d.module.starts, 1);
	desk_close(&d);
}

static void a_longer_one_switches_it_off_and_status_follows(void **state)
{
	(void)state;
	lay_running("quectel-eg25");
	press(PIN_PWRKEY, 649);
	assert_int_equal(d.module.power, MODULE_RUNNING);
	press(PIN_PWRKEY, 650);
	assert_int_equal(d.module.power, MODULE_OFF);
	assert_true(d.module.lines.high[PIN_STATUS]);
	/* while it goes down the key does nothing */
	fake_ev_run(100);
	lines_set(&d.module, PIN_PWRKEY, true);
	fake_ev_run(200);
	lines_set(&d.module, PIN_PWRKEY, false);
	assert_false(runs());
	assert_string_equal(moved, "status0 ");
	press(PIN_PWRKEY, 600);
	assert_true(runs());
	desk_close(&d);
}

static void a_reset_restarts_what_runs_and_nothing_else(void **state)
{
	(void)state;
	lay_running("quectel-eg25");
	press(PIN_RESET, 149);
	assert_int_equal(d.module.starts, 1);
	press(PIN_RESET, 150);
	assert_int_equal(d.module.starts, 2);
	assert_true(runs());
	module_power_off(&d.module);
	press(PIN_RESET, 500);
	assert_false(runs());
	desk_close(&d);
}

static void the_supply_takes_everything(void **state)
{
	(void)state;
	lay_running("quectel-eg25");
	lines_set(&d.module, PIN_SUPPLY, false);
	assert_int_equal(d.module.power, MODULE_OFF);
	press(PIN_PWRKEY, 1000);
	assert_false(runs());
	lines_set(&d.module, PIN_SUPPLY, true);
	assert_false(runs());
	d.module.lines.autostart = true;
	press(PIN_SUPPLY, 100);
	assert_true(runs());
	desk_close(&d);
}

static void a_hung_module_takes_what_it_takes(void **state)
{
	static const struct {
		enum module_hung until;
		enum line_pin pin;
		unsigned ms;
		bool helps;
	} rows[] = {
		{ MODULE_HUNG_UNTIL_RESET, PIN_RESET, 300, true },
		{ MODULE_HUNG_UNTIL_RESET, PIN_PWRKEY, 800, true },
		{ MODULE_HUNG_UNTIL_POWER, PIN_RESET, 300, false },
		{ MODULE_HUNG_UNTIL_POWER, PIN_PWRKEY, 800, true },
		{ MODULE_HUNG_UNTIL_SUPPLY, PIN_RESET, 300, false },
		{ MODULE_HUNG_UNTIL_SUPPLY, PIN_PWRKEY, 800, false },
		{ MODULE_HUNG_UNTIL_SUPPLY, PIN_SUPPLY, 100, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lay_running("quectel-eg25");
		module_hang(&d.module, rows[i].until);
		desk_take(&d);
		desk_type(&d, "AT\r", 3);
		module_urc(&d.module, "RING");
		desk_type(&d, "AT+CFUN=1,1\r", 12);
		assert_string_equal(desk_wait(&d, 5000), "");
		press(rows[i].pin, rows[i].ms);
		assert_int_equal(d.module.hung == MODULE_NOT_HUNG, rows[i].helps);
		desk_close(&d);
	}
}

static void a_fault_hangs_it_at_a_command(void **state)
{
	char why[FAULT_WHY_MAX];

	(void)state;
	lay_running("quectel-eg25");
	assert_int_equal(faults_add(&d.module.faults, TEXT("hang(2):+CSQ*1"), why), 0);
	desk_ask(&d, "ATE0");
	desk_take(&d);
	desk_type(&d, "AT+CSQ\r", 7);
	assert_string_equal(desk_wait(&d, 1000), "");
	assert_int_equal(d.module.hung, MODULE_HUNG_UNTIL_POWER);
	desk_close(&d);
}

static void dtr_decides_whether_it_sleeps(void **state)
{
	(void)state;
	lay_running("quectel-eg25");
	desk_ask(&d, "ATE0");
	lines_set(&d.module, PIN_DTR, false);
	fake_ev_run(100);
	assert_string_equal(desk_ask(&d, "AT+QSCLK=1"), "\r\nOK\r\n");
	assert_string_equal(desk_ask(&d, "AT"), "\r\nOK\r\n");
	lines_set(&d.module, PIN_DTR, true);
	desk_type(&d, "AT\r", 3);
	assert_string_equal(desk_wait(&d, 1000), "");
	lines_set(&d.module, PIN_DTR, false);
	desk_type(&d, "AT\r", 3);
	assert_string_equal(desk_wait(&d, 50), "");
	assert_string_equal(desk_ask(&d, "AT"), "\r\nOK\r\n");
	desk_close(&d);
}

static void ri_goes_low_for_a_moment_with_each_unsolicited_line(void **state)
{
	(void)state;
	lay_running("quectel-eg25");
	fake_ev_run(1000);
	moved[0] = '\0';
	module_urc(&d.module, "RING");
	fake_ev_run(119);
	assert_string_equal(moved, "ri0 ");
	fake_ev_run(1);
	assert_string_equal(moved, "ri0 ri1 ");
	desk_close(&d);
}

/* What the daemon would do to each of the modules that it may meet: on, off, reset by its family. */
static void the_familys_pulses_suit_every_personality(void **state)
{
	const struct persona *persona;

	(void)state;
	for (size_t i = 0; (persona = persona_at(i)); i++) {
		const struct at_family *f = at_family_find(text_of(persona->cgmi), text_of(persona->cgmm));
		struct at_power t = at_family_power(f);

		lay(persona->name);
		press(PIN_PWRKEY, t.on_ms);
		if (d.module.power == MODULE_OFF)
			fail_msg("%s (%s) is not switched on by %u ms", persona->name, f->name, t.on_ms);
		fake_ev_run(20000);
		press(PIN_RESET, t.reset_ms);
		if (d.module.starts != 2)
			fail_msg("%s (%s) is not reset by %u ms", persona->name, f->name, t.reset_ms);
		fake_ev_run(20000);
		press(PIN_PWRKEY, t.off_ms);
		if (d.module.power != MODULE_OFF)
			fail_msg("%s (%s) is not switched off by %u ms", persona->name, f->name, t.off_ms);
		fake_ev_run(1000);
		desk_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_enough_press_switches_it_on),
		cmocka_unit_test(a_longer_one_switches_it_off_and_status_follows),
		cmocka_unit_test(a_reset_restarts_what_runs_and_nothing_else),
		cmocka_unit_test(the_supply_takes_everything),
		cmocka_unit_test(a_hung_module_takes_what_it_takes),
		cmocka_unit_test(a_fault_hangs_it_at_a_command),
		cmocka_unit_test(dtr_decides_whether_it_sleeps),
		cmocka_unit_test(ri_goes_low_for_a_moment_with_each_unsolicited_line),
		cmocka_unit_test(the_familys_pulses_suit_every_personality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
