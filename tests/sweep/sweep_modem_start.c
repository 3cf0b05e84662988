/*
 * Every command of the module's start × {ERROR, CME error, silence, garbage, hang-up, restart},
 * once or for ever: the start ends in a known state each time, in bounded time, without a leak,
 * and what was not disturbed is known.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "support/fake_port.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

enum failure {
	FAIL_ERROR, FAIL_CME, FAIL_SILENCE, FAIL_GARBAGE, FAIL_HANG_UP, FAIL_RESTART, FAIL_LATE,
	FAIL_HALF, _FAIL_MAX
};

static const char *const failure_names[_FAIL_MAX] = {
	"ERROR", "CME ERROR", "silence", "garbage", "hang-up", "restart", "late answer", "half a line",
};

#define MAX_COMMANDS 64

static char commands[MAX_COMMANDS][64];
static size_t n_commands;

static struct modem m;
static const char *victim;
static enum failure failure;
static unsigned left;           /* how often it still fails */
static struct ev_alarm late;

static void on_changed(struct modem *modem, unsigned what)
{
	(void)modem, (void)what;
}

static void on_late(struct ev_alarm *a)
{
	(void)a;
	fake_port_says("\\r\\n+CSQ: 1,1\\r\\n\\r\\nOK\\r\\n");
}

static bool disturb(struct fake_port *p, const char *command)
{
	if (!left || strcmp(command, victim) != 0)
		return false;
	left--;
	switch (failure) {
	case FAIL_ERROR:
		fake_port_says("\\r\\nERROR\\r\\n");
		return true;
	case FAIL_CME:
		fake_port_says("\\r\\n+CME ERROR: 100\\r\\n");
		return true;
	case FAIL_SILENCE:
		return true;
	case FAIL_GARBAGE:
		fake_port_says("\\xFF\\x00\\x81+C\\xFE\\r\\n\"\"\"\\r\\n\\r\\nOK\\r\\n");
		return true;
	case FAIL_HANG_UP:
		wire_hang_up(&p->wire, EIO);
		return true;
	case FAIL_RESTART:
		fake_port_says("\\r\\nRDY\\r\\n");
		return true;
	case FAIL_LATE:
		late.fired = on_late;
		ev_alarm_start(&late, 7000);
		return true;
	case FAIL_HALF:
		fake_port_says("\\r\\n+CRE");
		return true;
	case _FAIL_MAX:
		break;
	}
	return false;
}

static bool note(struct fake_port *p, const char *command)
{
	(void)p;
	for (size_t i = 0; i < n_commands; i++)
		if (!strcmp(commands[i], command))
			return false;
	assert_true(n_commands < MAX_COMMANDS);
	snprintf(commands[n_commands++], sizeof(commands[0]), "%s", command);
	return false;
}

static void start(const struct fake_answer *answers,
		  bool (*before)(struct fake_port *p, const char *command))
{
	char why[SERIAL_WHY_MAX];

	fake_ev_reset();
	memset(&m, 0, sizeof(m));
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.radio_on = true;
	m.o.state_dir = "/nonexistent";
	m.changed = on_changed;
	fake_port_open(answers);
	fake_port.before = before;
	assert_int_equal(modem_open(&m, true, why), 0);
}

static void finish(void)
{
	ev_alarm_stop(&late);
	modem_close(&m);
	fake_ev_settle();
	fake_port_close();
	assert_int_equal(fake_ev_active(), 0);
}

static bool is_ready(void *arg)
{
	(void)arg;
	return m.st.state == MODEM_READY;
}

static bool is_ready_or_absent(void *arg)
{
	(void)arg;
	return m.st.state == MODEM_READY || m.st.state == MODEM_ABSENT;
}

static void learn_commands(const struct fake_answer *answers)
{
	n_commands = 0;
	start(answers, note);
	assert_true(fake_ev_until(is_ready, NULL, 60000));
	finish();
	assert_true(n_commands > 15);
}

/* What the victim's answer is not about must be there all the same. */
static void check_rest(void)
{
	if (!strstr(victim, "CGMI"))
		assert_string_equal(m.st.maker, "Quectel");
	if (!strstr(victim, "CIMI") && !strstr(victim, "CPIN"))
		assert_string_equal(m.st.imsi, "262011234567890");
	if (!strstr(victim, "CEREG?") && !strstr(victim, "CREG?"))
		assert_true(m.st.registered);
}

static void one(enum failure f, const char *command, unsigned times)
{
	victim = command;
	failure = f;
	left = times;
	print_message("%s on %s, %u times\n", failure_names[f], command, times);
	start(fake_port_ordinary, disturb);
	if (f == FAIL_HANG_UP && times) {
		assert_true(fake_ev_until(is_ready_or_absent, NULL, 600000));
		if (m.st.state == MODEM_ABSENT) {
			assert_string_equal(m.st.maker, "");
			left = 0;
			m.hotplug.stirred(&m.hotplug);
		}
	}
	assert_true(fake_ev_until(is_ready, NULL, 3600000));
	fake_ev_settle();
	check_rest();
	finish();
}

static void every_command_may_fail_once(void **state)
{
	(void)state;
	for (int f = 0; f < _FAIL_MAX; f++)
		for (size_t i = 0; i < n_commands; i++)
			one((enum failure)f, commands[i], 1);
}

/* A command that never works: only what the module must be able to do keeps it from being ready. */
static void every_command_may_fail_for_ever(void **state)
{
	static const char *const needed[] = { "AT", "ATE0Q0V1" };

	(void)state;
	for (int f = 0; f < _FAIL_MAX; f++) {
		if (f == FAIL_HANG_UP || f == FAIL_RESTART)
			continue;       /* a module that always breaks there is another test's */
		for (size_t i = 0; i < n_commands; i++) {
			bool skip_it = false;

			for (size_t k = 0; k < ARRAY_SIZE(needed); k++)
				skip_it |= !strcmp(commands[i], needed[k]);
			if (skip_it && f != FAIL_ERROR && f != FAIL_CME)
				continue;
			one((enum failure)f, commands[i], UINT32_MAX);
		}
	}
}

/* A module that breaks at the same place of every start: bounded tries, a known state, no storm. */
static void a_module_that_always_breaks_is_not_hammered(void **state)
{
	static const enum failure failures[] = { FAIL_SILENCE, FAIL_RESTART };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(failures); f++) {
		for (size_t i = 0; i < n_commands; i++) {
			victim = commands[i];
			failure = failures[f];
			left = UINT32_MAX;
			start(fake_port_ordinary, disturb);
			fake_ev_run(600000);
			print_message("%s on %s: %s, %zu octets asked\n", failure_names[failure], victim,
				      modem_state_name(m.st.state), strlen(fake_port.log));
			assert_true(m.st.state < _MODEM_STATE_MAX);
			/* ten minutes of trying at the most this much */
			assert_true(strlen(fake_port.log) < sizeof(fake_port.log) - 100);
			finish();
		}
	}
}

/* Octets split and lost anywhere in the whole start. */
static void a_bad_line_only_costs_time(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		victim = "";
		left = 0;
		start(fake_port_ordinary, disturb);
		fake_port.wire.chunk = 1 + seed % 7;
		fake_port.wire.seed = seed;
		print_message("seed %u\n", seed);
		assert_true(fake_ev_until(is_ready, NULL, 3600000));
		check_rest();
		finish();
	}
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	learn_commands(fake_port_ordinary);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_may_fail_once),
		cmocka_unit_test(every_command_may_fail_for_ever),
		cmocka_unit_test(a_module_that_always_breaks_is_not_hammered),
		cmocka_unit_test(a_bad_line_only_costs_time),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
