/* The command line as people and scripts use it: words, JSON, exit codes, help. */
#include "support/test.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/rig.h"

static struct rig rig;
static const char *argv0;

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

static void start_both(void)
{
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	rig_start_daemon(&rig, NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
}

static const char *said(struct rig_program *p)
{
	return p->said;
}

#define RUN(p, ...) rig_run(&rig, &(p), "cellmuxctl", __VA_ARGS__, NULL)

static void status_is_a_table_and_json_on_demand(void **state)
{
	static const char *const labels[] = { "State", "Device", "Module", "SIM", "Network", "Signal" };
	struct json_object *o, *modem;
	struct rig_program *p;

	(void)state;
	start_both();
	assert_int_equal(RUN(p, "status"), 0);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (!strstr(said(p), labels[i]))
			fail_msg("no '%s' in:\n%s", labels[i], said(p));
	assert_null(strchr(said(p), '\x1b'));   /* no colours where nobody sees them */
	assert_int_equal(RUN(p, "--color", "always", "status"), 0);
	assert_non_null(strchr(said(p), '\x1b'));
	assert_int_equal(RUN(p, "status", "-v"), 0);
	assert_non_null(strstr(said(p), "Counters"));
	assert_int_equal(RUN(p, "status", "--json"), 0);
	o = json_tokener_parse(said(p));
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "modem", &modem));
	json_object_put(o);
}

static void at_shows_the_answer_and_tells_by_its_exit_code(void **state)
{
	struct rig_program *p;

	(void)state;
	start_both();
	assert_int_equal(RUN(p, "at", "AT+CSQ"), 0);
	assert_non_null(strstr(said(p), "+CSQ: "));
	assert_non_null(strstr(said(p), "OK"));
	assert_int_equal(RUN(p, "at", "AT+NOSUCH=1"), 5);
	assert_int_equal(RUN(p, "at", "AT+IPR=9600"), 1);
	assert_non_null(strstr(said(p), "COMMAND_REFUSED"));
	assert_int_equal(RUN(p, "at", "hello"), 2);
	assert_int_equal(RUN(p, "at", "AT+CSQ", "--json"), 0);
	assert_non_null(strstr(said(p), "\"result\":\"OK\""));
}

static void watch_ends_at_a_state_or_when_its_time_is_up(void **state)
{
	struct rig_program *p;

	(void)state;
	start_both();
	assert_int_equal(RUN(p, "watch", "--until", "ready", "--timeout", "20"), 0);
	assert_int_equal(RUN(p, "watch", "--until", "lost", "--timeout", "1"), 4);
	assert_int_equal(RUN(p, "watch", "--until", "nonsense"), 2);
	p = rig_start(&rig, "cellmuxctl", "watch", "--until", "absent", "--timeout", "20", NULL);
	assert_true(rig_wait_for(p, "ready", 0, 5000));
	assert_true(rig_tell_module(&rig, "unplug"));
	assert_int_equal(rig_wait_end(p, 10000), 0);
}

static void a_reset_is_waited_for(void **state)
{
	struct rig_program *p;

	(void)state;
	start_both();
	assert_int_equal(RUN(p, "modem", "reset"), 0);
	assert_int_equal(RUN(p, "modem", "reset", "--no-wait"), 0);
	assert_true(rig_wait_state(&rig, "ready", 30000));
	assert_int_equal(RUN(p, "job", "2"), 0);
	assert_int_equal(RUN(p, "job", "77"), 1);
	assert_int_equal(RUN(p, "job", "x"), 2);
	assert_int_equal(RUN(p, "modem", "explode"), 2);
}

/* --- a switch that the module does not follow: takes minutes with a module, and a daemon's word here ---- */

/* Answers each request of one client, and ends the job that the last one has started. */
static void play_daemon(int listener)
{
	static const char done[] = "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":1,\"topic\":\"job\",\"job\":{"
		"\"id\":1,\"name\":\"profile.enable\",\"state\":\"done\",\"percent\":100,\"result\":{\"iccid\":"
		"\"89000123456789012342\",\"followed\":false,\"problem\":{\"cause\":\"TIMEOUT\",\"text\":\"it sleeps\"}}}}}\n";
	int fd = accept(listener, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	char line[1000], answer[200];

	while (fgets(line, sizeof(line), in)) {
		struct json_object *o = json_tokener_parse(line);
		int n = snprintf(answer, sizeof(answer), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"job\":1}}\n",
				 json_object_get_int(json_object_object_get(o, "id")));

		if (write(fd, answer, (size_t)n) != n ||
		    (strstr(line, "profile.enable") && write(fd, done, sizeof(done) - 1) < 0))
			break;
		json_object_put(o);
	}
}

static void a_module_that_does_not_follow_is_no_success(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct rig_program *p;

	(void)state;
	for (int json = 0; json < 2; json++) {
		int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
		pid_t pid;

		snprintf(a.sun_path, sizeof(a.sun_path), "%s", rig_path(&rig, json ? "b.sock" : "a.sock"));
		assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(listen(listener, 1), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			play_daemon(listener);
			_exit(0);
		}
		close(listener);
		assert_int_equal(RUN(p, "-S", a.sun_path, "profile", "enable", "89000123456789012342",
				     json ? "--json" : "-v"), 5);
		assert_non_null(strstr(said(p), "the module does not follow: it sleeps"));
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
}

static void logging_can_be_turned_up(void **state)
{
	struct rig_program *p;

	(void)state;
	start_both();
	assert_int_equal(RUN(p, "log", "debug"), 0);
	assert_int_equal(RUN(p, "log"), 0);
	assert_non_null(strstr(said(p), "debug"));
	assert_int_equal(RUN(p, "log", "loud"), 2);
	assert_int_equal(RUN(p, "hello"), 0);
	assert_non_null(strstr(said(p), "admin"));
}

static void without_a_daemon_it_says_what_to_do(void **state)
{
	struct rig_program *p;

	(void)state;
	assert_int_equal(RUN(p, "status"), 3);
	assert_non_null(strstr(said(p), "cellmux.sock"));
	assert_int_equal(RUN(p, "-S", "/nonexistent/socket", "status"), 3);
	assert_non_null(strstr(said(p), "/nonexistent/socket"));
}

static void every_command_has_its_help(void **state)
{
	static const char *const commands[] = { "status", "watch", "at", "modem", "job", "log", "hello" };
	struct rig_program *p;
	char usage[64];

	(void)state;
	assert_int_equal(RUN(p, "--help"), 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strstr(said(p), commands[i]))
			fail_msg("--help does not mention %s", commands[i]);
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct rig_program *own;

		snprintf(usage, sizeof(usage), "Usage: cellmuxctl %s", commands[i]);
		assert_int_equal(RUN(own, commands[i], "--help"), 0);
		assert_non_null(strstr(said(own), usage));
	}
	assert_int_equal(RUN(p, "--version"), 0);
	assert_int_equal(RUN(p, "--nonsense"), 2);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(status_is_a_table_and_json_on_demand),
		T(at_shows_the_answer_and_tells_by_its_exit_code),
		T(watch_ends_at_a_state_or_when_its_time_is_up),
		T(a_reset_is_waited_for),
		T(a_module_that_does_not_follow_is_no_success),
		T(logging_can_be_turned_up),
		T(without_a_daemon_it_says_what_to_do),
		T(every_command_has_its_help),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
