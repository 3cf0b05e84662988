/*
 * The power lines from end to end: the real daemon drives a virtual module's PWRKEY, RESET, supply
 * and DTR over the module's socket, as it would drive GPIO chips.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/util.h"
#include "support/rig.h"

static const char *argv0;
static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* A configuration with these lines, and what else is given. */
static const char *configure(const char *lines, const char *more)
{
	const char *path = rig_path(&rig, "c.conf");
	FILE *f = fopen(path, "w");
	char one[64];
	int n, at = 0;

	assert_non_null(f);
	/* hunting for other speeds would only take time here */
	fprintf(f, "[modem]\nalive = 1\nhunt = no\n[power]\n%s", more);
	while (sscanf(lines + at, "%63s%n", one, &n) == 1) {
		fprintf(f, "%s = unix:%s:%s%s\n", one, rig_path(&rig, "module.sock"), one,
			!strcmp(one, "dtr") || !strcmp(one, "ri") ? " active-low" : "");
		at += n;
	}
	fclose(f);
	return path;
}

static struct rig_program *start_daemon(const char *config)
{
	return rig_start(&rig, "cellmuxd", "-c", config, "-d", rig_path(&rig, "modem"), "--run-dir", rig.dir,
			 "--state-dir", rig_path(&rig, "state"), NULL);
}

static void must_get(struct rig_program *daemon, const char *state, unsigned ms)
{
	if (rig_wait_state(&rig, state, ms))
		return;
	rig_wait_for(daemon, "never", 0, 100);
	fputs(daemon->said, stderr);    /* print_error() cuts it */
	fail_msg("the modem does not get %s", state);
}

/* A number from what sim-module says of its lines. */
static long line_says(const char *member)
{
	const char *at = strstr(rig_ask_module(&rig, "lines"), member);

	return at ? strtol(at + strlen(member), NULL, 10) : -1;
}

static long counter(const char *name)
{
	static struct rig_client c;
	struct json_object *o, *modem, *counters, *v;
	long n = -1;

	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	o = rig_ask(&c, "status", NULL, 5000);
	rig_hang_up(&c);
	if (o && json_object_object_get_ex(o, "modem", &modem) &&
	    json_object_object_get_ex(modem, "counters", &counters) &&
	    json_object_object_get_ex(counters, name, &v))
		n = (long)json_object_get_int64(v);
	json_object_put(o);
	return n;
}

/* As seen from the other end of a socket: both edges may come late. */
#define assert_pulse(member, ms) assert_in_range(line_says(member), (ms) - 50, (ms) + 400)

static void a_module_without_power_is_switched_on_at_start(void **state)
{
	struct rig_program *daemon;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", "--off", NULL);
	assert_int_equal(line_says(" status="), 0);
	daemon = start_daemon(configure("pwrkey status dtr", ""));
	must_get(daemon, "ready", 20000);
	assert_int_equal(line_says(" status="), 1);
	assert_int_equal(line_says(" pwrkey_pulses="), 1);
	/* its family was not known */
	assert_pulse(" pwrkey_ms=", 1000);
	assert_int_equal(line_says(" dtr="), 0);
	assert_int_equal(counter("switch_ons"), 1);
	/* and now it is: the next daemon knows it */
	assert_int_equal(rig_stop(daemon), 0);
	assert_true(rig_tell_module(&rig, "power off"));
	daemon = start_daemon(rig_path(&rig, "c.conf"));
	must_get(daemon, "ready", 20000);
	assert_pulse(" pwrkey_ms=", 600);
	assert_int_equal(rig_stop(daemon), 0);
	/* nothing stays pressed, and nothing was switched off by that */
	assert_int_equal(line_says(" pwrkey="), 0);
	assert_int_equal(line_says(" status="), 1);
}

/*
 * From said on the module has become ready; it is left until the IPA has looked at its card, whose
 * commands have a long patience. Then it hears and says nothing, not even to its reset command.
 */
static void hang(struct rig_program *daemon, size_t said, const char *until)
{
	char words[32];

	assert_true(rig_wait_for(daemon, "ipa: read-card: ", said, 20000));
	snprintf(words, sizeof(words), "hang %s", until);
	assert_true(rig_tell_module(&rig, words));
	/* lost is but a moment where the next rung begins at once: no state to wait for */
	assert_true(rig_wait_for(daemon, "ready → lost", said, 60000));
	must_get(daemon, "ready", 120000);
}

/* A module without a life of its own is faster than real ones. */
#define FAST "down_ms = 1000\nup_ms = 3000\n"

/*
 * First one that takes its RESET line. Hung again before it has run for a minute it gets the next rung
 * at once, and that is what it takes now: a module that its RESET line does not help.
 */
static void a_hung_module_is_brought_back_by_its_reset_line_and_then_by_power(void **state)
{
	struct rig_program *daemon;
	size_t said;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", "--module", "quectel-bg95", NULL);
	daemon = start_daemon(configure("pwrkey reset status", FAST));
	must_get(daemon, "ready", 20000);
	assert_int_equal(line_says(" pwrkey_pulses="), 0);
	hang(daemon, 0, "reset");
	assert_int_equal(line_says(" reset_pulses="), 1);
	assert_pulse(" reset_ms=", 3000);
	assert_int_equal(line_says(" pwrkey_pulses="), 0);
	assert_int_equal(counter("reopens"), 1);
	assert_int_equal(counter("resets"), 1);
	assert_int_equal(counter("line_resets"), 1);
	assert_int_equal(counter("power_cycles"), 0);
	assert_int_equal(counter("recoveries"), 1);
	assert_true(rig_wait_for(daemon, "s, by its RESET line", 0, 1000));

	said = (size_t)(strstr(daemon->said, "s, by its RESET line") - daemon->said);
	hang(daemon, said, "power");
	assert_int_equal(line_says(" pwrkey_pulses="), 2);
	assert_pulse(" pwrkey_ms=", 600);
	assert_int_equal(line_says(" status_pulses="), 1);
	assert_int_equal(counter("power_cycles"), 1);
	assert_int_equal(counter("recoveries"), 2);
	assert_true(rig_wait_for(daemon, "s, by a power cycle", said, 1000));
}

static void a_module_that_goes_off_by_itself_is_switched_on_again(void **state)
{
	struct rig_program *daemon;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	daemon = start_daemon(configure("pwrkey status ri", ""));
	must_get(daemon, "ready", 20000);
	assert_true(rig_tell_module(&rig, "power off"));
	must_get(daemon, "powering", 10000);
	must_get(daemon, "ready", 20000);
	assert_int_equal(counter("switch_ons"), 1);
	assert_int_equal(counter("recoveries"), 1);
	/* its words at start have rung */
	assert_in_range(counter("rings"), 1, 100);
}

#define CTL(p, ...) rig_run(&rig, &(p), "cellmuxctl", __VA_ARGS__, NULL)

static void cellmuxctl_switches_it_off_and_on_in_good_order(void **state)
{
	struct rig_program *daemon, *p;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	daemon = start_daemon(configure("pwrkey status", ""));
	must_get(daemon, "ready", 20000);
	assert_int_equal(CTL(p, "modem", "power-cycle"), 0);
	assert_non_null(strstr(p->said, "ready after"));
	/* off by its own command: pressed once, to switch it on */
	assert_int_equal(line_says(" pwrkey_pulses="), 1);
	assert_pulse(" pwrkey_ms=", 600);
	assert_int_equal(line_says(" status_pulses="), 1);
	assert_int_equal(counter("power_cycles"), 1);
	assert_int_equal(counter("lost"), 0);
	assert_int_equal(CTL(p, "modem", "power-cycle", "--no-wait"), 0);
	assert_int_equal(CTL(p, "modem", "power-cycle"), 1);
	assert_non_null(strstr(p->said, "BUSY"));
	must_get(daemon, "ready", 20000);
	assert_int_equal(CTL(p, "status", "--json"), 0);
	assert_non_null(strstr(p->said, "\"power\":\"on\""));
}

/* It says nothing to its command, and does nothing about its key. */
static void one_that_ignores_its_key_loses_its_supply(void **state)
{
	struct rig_program *daemon, *p;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	daemon = start_daemon(configure("pwrkey supply status", FAST "cut_ms = 300\n"));
	must_get(daemon, "ready", 20000);
	assert_true(rig_tell_module(&rig, "hang supply"));
	assert_int_equal(CTL(p, "modem", "power-cycle"), 0);
	assert_int_equal(line_says(" supply="), 1);
	assert_pulse(" supply_ms=", 300);
	assert_int_equal(line_says(" supply_pulses="), 1);
	assert_int_equal(line_says(" pwrkey_pulses="), 2);
	assert_int_equal(line_says(" status="), 1);
}

static void without_a_line_for_it_the_error_names_the_key(void **state)
{
	struct rig_program *daemon, *p;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	daemon = start_daemon(configure("", ""));
	must_get(daemon, "ready", 20000);
	assert_int_equal(CTL(p, "modem", "power-cycle"), 1);
	assert_non_null(strstr(p->said, "NOT_CONFIGURED"));
	assert_non_null(strstr(p->said, "[power] pwrkey"));
	assert_true(rig_wait_state(&rig, "ready", 1000));
}

static void lines_that_cannot_be_had_are_named_in_one_line(void **state)
{
	static const struct {
		const char *config, *words;
		int code;
	} rows[] = {
		{ "pwrkey = 17\n", "[power] pwrkey: a number needs its chip", 2 },
		{ "pwrkey = soc:1\nreset = soc:1\n", "[power] reset: pwrkey has that line already", 2 },
		{ "pwrkey = unix:/nonexistent/lines:x\n", "[power] pwrkey: /nonexistent/lines: no program", 3 },
#if !GPIO_API
		{ "pwrkey = soc:1\n", "[power] pwrkey: this cellmuxd was built without libgpiod", 2 },
#endif
		{ "pwrkey = soc:1\non_ms = 99999\n", "c.conf:6: [power] on_ms", 2 },
	};
	struct rig_program *p;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		p = start_daemon(configure("", rows[i].config));
		assert_int_equal(rig_wait_end(p, 10000), rows[i].code);
		if (!strstr(p->said, rows[i].words) || strchr(p->said, '\n')[1])
			fail_msg("expected one line with \"%s\", got: %s", rows[i].words, p->said);
	}
}

/* Two daemons on one line: the second one is told, and takes over when the first has gone. */
static void a_line_that_somebody_else_drives_is_waited_for(void **state)
{
	static struct rig_client other;
	struct rig_program *daemon;
	char line[32];

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", "--off", NULL);
	assert_int_equal(rig_dial(&other, rig_path(&rig, "module.sock"), 1000), 0);
	rig_say(&other, "line pwrkey out 0");
	assert_true(recv(other.fd, line, sizeof(line), 0) >= 2);
	daemon = start_daemon(configure("pwrkey status", "per_hour = 60\n"));
	assert_true(rig_wait_for(daemon, "pwrkey: Device or resource busy", 0, 10000));
	rig_hang_up(&other);
	must_get(daemon, "ready", 60000);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_module_without_power_is_switched_on_at_start),
		T(a_hung_module_is_brought_back_by_its_reset_line_and_then_by_power),
		T(a_module_that_goes_off_by_itself_is_switched_on_again),
		T(cellmuxctl_switches_it_off_and_on_in_good_order),
		T(one_that_ignores_its_key_loses_its_supply),
		T(without_a_line_for_it_the_error_names_the_key),
		T(lines_that_cannot_be_had_are_named_in_one_line),
		T(a_line_that_somebody_else_drives_is_waited_for),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
