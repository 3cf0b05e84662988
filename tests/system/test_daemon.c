/*
 * cellmuxd as its users meet it, against sim-module on a pty: bad input gets one clear line and an
 * exit code, the service manager hears from it, plug and unplug are seen and survived.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

static const char *argv0;
static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static struct rig_program *start_both(void)
{
	struct rig_program *daemon;

	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	daemon = rig_start_daemon(&rig, NULL);
	if (!rig_wait_state(&rig, "ready", 20000)) {
		rig_wait_for(daemon, "never", 0, 100);
		print_error("cellmuxd: %s\n", daemon->said);
		assert_true(!"the modem is not ready");
	}
	return daemon;
}

/* --- bad input ------------------------------------------------------------------------------------ */

/* It ends with this code after one line that has these words. */
static void expect_end(struct rig_program *p, int code, const char *words)
{
	int got = rig_wait_end(p, 10000);
	const char *lf = strchr(p->said, '\n');

	if (got != code || !lf || lf[1] || !strstr(p->said, words)) {
		print_error("exit code %d, expected %d and one line with \"%s\", got: %s\n", got, code,
			    words, p->said);
		assert_true(0);
	}
}

static void write_file(const char *path, const char *content)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

static void wrong_configurations_are_named_by_file_line_and_key(void **state)
{
	static const struct {
		const char *content, *words;
	} rows[] = {
		{ "[modem]\nbaud = fast\n", "c.conf:2: [modem] baud" },
		{ "[modem]\ndevice = x\nspeed = 1\n", "c.conf:3: [modem] speed" },
		{ "[modem]\ndevice = x\n\ndevice = y\n", "c.conf:4: [modem] device" },
		{ "[modem]\npin = 12\ndevice = x\n", "c.conf:2: [modem] pin: expected" },
		{ "[socket]\nadmin_group = no-such\n", "c.conf:2: [socket] admin_group: there is no group" },
		{ "[port.at0]\ngroup = no-such\n", "c.conf:2: [port.at0] group: there is no group" },
		{ "[port.at0]\nmode = 888\n", "c.conf:2: [port.at0] mode: expected an octal number" },
		{ "[power]\npwrkey = soc:5 active-hi\n", "c.conf:2: [power] pwrkey: expected active-low" },
		{ "[port]\n", "c.conf:1: [port]: expected a name behind it" },
		{ "[modem]\ndevice = x\n[port.a]\npath = /x\n[port.b]\npath = /x\n", "c.conf: [port.b] path" },
		{ "baud = 9600\n", "c.conf:1:" },
		{ "[modem\n", "c.conf:1:" },
		{ "[modem]\ndevice = x\nmax_baud = 9600\n", "c.conf: [modem] max_baud: expected 0, or at least" },
		{ "[modem]\nhunt = maybe\n", "c.conf:2: [modem] hunt" },
		{ "[daemon]\nlog_level = loud\n", "error, warning, info, debug or trace" },
	};
	const char *conf = rig_path(&rig, "c.conf");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_file(conf, rows[i].content);
		expect_end(rig_start(&rig, "cellmuxd", "-c", conf, "--check-config", NULL), 2,
			   rows[i].words);
	}
	expect_end(rig_start(&rig, "cellmuxd", "-c", rig_path(&rig, "none"), "-d", "x", NULL), 2, "none");
	/* The journal shows among its errors why the service did not start. */
	setenv("JOURNAL_STREAM", "1:2", 1);
	expect_end(rig_start(&rig, "cellmuxd", "-c", conf, NULL), 2, "<3>cellmuxd: ");
	unsetenv("JOURNAL_STREAM");
}

static void wrong_options_are_named(void **state)
{
	struct rig_program *p;

	(void)state;
	expect_end(rig_start(&rig, "cellmuxd", "-c", "/dev/null", NULL), 2, "no device");
	expect_end(rig_start(&rig, "cellmuxd", "/dev/ttyUSB2", NULL), 2, "-d");
	expect_end(rig_start(&rig, "cellmuxd", "-c", "/dev/null", "-b", "x", NULL), 2, "--baud");
	assert_int_equal(rig_run(&rig, &p, "cellmuxd", "--nonsense", NULL), 2);
	assert_non_null(strstr(p->said, "--help"));
	assert_int_equal(rig_run(&rig, &p, "cellmuxd", "--help", NULL), 0);
	assert_int_equal(rig_run(&rig, &p, "cellmuxd", "--version", NULL), 0);
}

/* They are needed one day only; whoever has just written the file is still there to read this. */
static void files_that_will_be_missed_are_told_at_the_start(void **state)
{
	const char *conf = rig_path(&rig, "c.conf");
	struct rig_program *p;

	(void)state;
	write_file(conf, "[ipa]\nca = /nonexistent/ci.pem\npsk_file = /nonexistent/psk\n");
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "50", NULL);
	p = rig_start_daemon(&rig, "-c", conf, NULL);
	assert_true(rig_wait_for(p, "[ipa] ca = /nonexistent/ci.pem: No such file or directory", 0, 20000));
	assert_true(rig_wait_for(p, "[ipa] psk_file: /nonexistent/psk: No such file", 0, 20000));
}

static void a_missing_device_is_named(void **state)
{
	(void)state;
	expect_end(rig_start_daemon(&rig, NULL), 3, "/modem");
}

static void a_file_is_no_device(void **state)
{
	(void)state;
	write_file(rig_path(&rig, "modem"), "no port");
	expect_end(rig_start_daemon(&rig, NULL), 1, "/modem");
}

/* Runs the daemon as nobody on a port that belongs to root; its exit code. */
static int run_as_nobody(char *said, size_t cap)
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		gid_t nogroup = 65534;
		char program[300];

		snprintf(program, sizeof(program), "%s/cellmuxd", rig.build);
		dup2(fds[1], 2);
		if (setgroups(1, &nogroup) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(99);
		execl(program, "cellmuxd", "-c", "/dev/null", "-d", rig_path(&rig, "modem"), "--run-dir",
		      rig.dir, "--state-dir", rig_path(&rig, "state"), NULL);
		_exit(98);
	}
	close(fds[1]);
	n = read(fds[0], said, cap - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Only root can become somebody else who may not. */
static void a_device_without_permission_is_named(void **state)
{
	char said[1024];

	(void)state;
	if (geteuid() != 0)
		return;
	rig_start_module(&rig, NULL);
	assert_int_equal(chmod(rig.dir, 0777), 0);
	assert_int_equal(chmod(rig_path(&rig, "modem"), 0600), 0);
	assert_int_equal(run_as_nobody(said, sizeof(said)), 4);
	assert_non_null(strstr(said, "/modem"));
}

static void a_port_held_by_another_program_is_named_with_its_holder(void **state)
{
	char who[32];
	int fd;

	(void)state;
	rig_start_module(&rig, NULL);
	fd = open(rig_path(&rig, "modem"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	snprintf(who, sizeof(who), "%d", (int)getpid());
	expect_end(rig_start_daemon(&rig, NULL), 5, who);
	close(fd);
}

static void a_second_daemon_on_the_same_port_or_socket_ends(void **state)
{
	struct rig_program *first = start_both(), *second;
	char who[32];

	(void)state;
	snprintf(who, sizeof(who), "%d", (int)first->pid);
	second = rig_start_daemon(&rig, "--socket", rig_path(&rig, "other.sock"), NULL);
	expect_end(second, 5, who);
	assert_int_equal(rig_stop(first), 0);
	assert_int_equal(access(rig_path(&rig, "cellmux.sock"), F_OK), -1);
}

static void a_daemon_that_was_killed_leaves_nothing_in_the_way(void **state)
{
	struct rig_program *first = start_both();

	(void)state;
	kill(first->pid, SIGKILL);
	assert_int_equal(rig_wait_end(first, 5000), 128 + SIGKILL);
	assert_int_equal(access(rig_path(&rig, "cellmux.sock"), F_OK), 0);
	rig_start_daemon(&rig, NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
}

static void bad_requests_are_answered_and_the_daemon_lives(void **state)
{
	static struct rig_client c;
	static char fill[40000];
	struct json_object *o;

	(void)state;
	start_both();
	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	memset(fill, 'x', sizeof(fill) - 1);
	rig_say(&c, fill);
	o = rig_hear(&c, 1000);
	assert_non_null(o);
	assert_non_null(strstr(json_object_to_json_string(o), "PARSE_ERROR"));
	json_object_put(o);
	assert_null(rig_ask(&c, "at.send", "{\"cmd\":\"AT+CMUX=0\"}", 1000));
	assert_string_equal(rig_error, "COMMAND_REFUSED");
	assert_null(rig_ask(&c, "at.send", "{\"cmd\":\"CSQ\"}", 1000));
	assert_string_equal(rig_error, "INVALID_PARAMS");
	o = rig_ask(&c, "at.send", "{\"cmd\":\"AT+CSQ\"}", 5000);
	assert_non_null(o);
	json_object_put(o);
	rig_hang_up(&c);
}

/* --- what it says of itself ----------------------------------------------------------------------- */

static void printed_configuration_is_the_installed_one_and_is_accepted(void **state)
{
	struct rig_program *p;
	static char text[65536];
	FILE *f = fopen("config/cellmux.conf", "r");
	size_t n;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	assert_int_equal(rig_run(&rig, &p, "cellmuxd", "-c", "/dev/null", "--print-config", NULL), 0);
	assert_string_equal(p->said, text);
	assert_int_equal(rig_run(&rig, &p, "cellmuxd", "-c", "config/cellmux.conf", "-d", "/dev/null",
				 "--check-config", NULL), 0);
	assert_string_equal(p->said, "");
}

/* True if the text has the name as `name` in its tables. */
static bool is_described(const char *text, const char *name)
{
	char quoted[80];

	snprintf(quoted, sizeof(quoted), "`%s`", name);
	return strstr(text, quoted);
}

static unsigned undescribed(const char *text, struct json_object *o)
{
	unsigned n = 0;

	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, name, value) {
			if (!is_described(text, name)) {
				print_error("socket.md does not describe %s\n", name);
				n++;
			}
			n += undescribed(text, value);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			struct json_object *v = json_object_array_get_idx(o, i);

			if (json_object_is_type(v, json_type_string) && strchr(json_object_get_string(v), '.') &&
			    !is_described(text, json_object_get_string(v)))
				n++;
			n += undescribed(text, v);
		}
	}
	return n;
}

static void everything_on_the_socket_is_described(void **state)
{
	static struct port_client client;
	static struct rig_client c;
	static char text[65536];
	FILE *f = fopen("config/socket.md", "r");
	static const char *const asked[][2] = {
		{ "hello", "{}" }, { "status", "{\"refresh\":true}" }, { "log.level", "{}" },
		{ "at.send", "{\"cmd\":\"AT+CSQ\"}" }, { "subscribe", "{}" },
		{ "modem.reset", "{}" }, { "job.get", "{\"job\":1}" },
	};

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	f = fopen(rig_path(&rig, "port.conf"), "w");
	assert_non_null(f);
	fputs("[port.at0]\n", f);
	fclose(f);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	rig_start_daemon(&rig, "-c", rig_path(&rig, "port.conf"), NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
	/* A port in use has more to be told of. */
	port_client_open(&client, rig_path(&rig, "at0"));
	port_client_ask(&client, "AT\r", PORT_CLIENT_OK, NULL);
	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		struct json_object *o = rig_ask(&c, asked[i][0], asked[i][1], 10000);

		if (!o)
			print_error("%s: %s\n", asked[i][0], rig_error);
		assert_non_null(o);
		assert_int_equal(undescribed(text, o), 0);
		json_object_put(o);
	}
	port_client_close(&client);
	rig_hang_up(&c);
}

/* --- service manager ------------------------------------------------------------------------------ */

static bool hear_notice(int fd, const char *words, int ms)
{
	unsigned long long end = rig_now_ms() + (unsigned)ms;
	char message[512];
	ssize_t n;

	for (;;) {
		struct pollfd w = { .fd = fd, .events = POLLIN };
		unsigned long long now = rig_now_ms();

		if (now >= end || poll(&w, 1, (int)(end - now)) <= 0)
			return false;
		n = recv(fd, message, sizeof(message) - 1, 0);
		if (n < 0)
			return false;
		message[n] = '\0';
		if (strstr(message, words))
			return true;
	}
}

static void the_service_manager_hears_of_start_watchdog_and_end(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rig_program *daemon;

	(void)state;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", rig.dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	daemon = rig_start_daemon(&rig, NULL);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	assert_true(hear_notice(fd, "READY=1", 10000));
	assert_true(hear_notice(fd, "modem ready", 20000));
	for (int i = 0; i < 3; i++)
		assert_true(hear_notice(fd, "WATCHDOG=1", 2000));
	kill(daemon->pid, SIGTERM);
	assert_true(hear_notice(fd, "STOPPING=1", 5000));
	assert_int_equal(rig_wait_end(daemon, 5000), 0);
	close(fd);
}

/* --- plug ----------------------------------------------------------------------------------------- */

static void unplug_and_plug_are_seen_and_survived(void **state)
{
	static struct rig_client c;
	struct json_object *o;

	(void)state;
	start_both();
	for (int i = 0; i < 3; i++) {
		assert_true(rig_tell_module(&rig, "unplug"));
		assert_true(rig_wait_state(&rig, "absent", 5000));
		assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
		assert_null(rig_ask(&c, "at.send", "{\"cmd\":\"AT\"}", 1000));
		assert_string_equal(rig_error, "NOT_READY");
		rig_hang_up(&c);
		assert_true(rig_tell_module(&rig, "plug"));
		assert_true(rig_wait_state(&rig, "ready", 20000));
	}
	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	o = rig_ask(&c, "at.send", "{\"cmd\":\"AT+CGMI\"}", 5000);
	assert_non_null(o);
	json_object_put(o);
	rig_hang_up(&c);
}

static void a_port_that_comes_later_is_waited_for(void **state)
{
	struct rig_program *daemon = rig_start_daemon(&rig, "--wait", NULL);

	(void)state;
	assert_true(rig_wait_state(&rig, "absent", 5000));
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
	assert_int_equal(rig_stop(daemon), 0);
}

static void a_reset_is_a_job_that_ends_with_a_ready_module(void **state)
{
	static struct rig_client c;
	struct json_object *o, *job = NULL;
	unsigned long long end;
	char params[40];
	bool done = false;

	(void)state;
	start_both();
	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	o = rig_ask(&c, "subscribe", "{\"topics\":[\"job\"]}", 1000);
	json_object_put(o);
	o = rig_ask(&c, "modem.reset", NULL, 5000);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "job", &job));
	snprintf(params, sizeof(params), "{\"job\":%d}", json_object_get_int(job));
	json_object_put(o);
	for (end = rig_now_ms() + 60000; !done && rig_now_ms() < end;) {
		o = rig_hear(&c, 60000);
		assert_non_null(o);
		done = strstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
			      "\"state\":\"done\"");
		json_object_put(o);
	}
	assert_true(done);
	o = rig_ask(&c, "job.get", params, 1000);
	assert_non_null(o);
	json_object_put(o);
	rig_hang_up(&c);
}

/* --- who may do what ------------------------------------------------------------------------------ */

/* Only root can become somebody else; elsewhere test_ctl covers the rest. */
static void a_reader_may_look_and_not_touch(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		return;
	start_both();
	assert_int_equal(chmod(rig.dir, 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		static struct rig_client c;
		struct json_object *o;
		gid_t nogroup = 65534;

		if (setgroups(1, &nogroup) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(10);
		if (rig_dial(&c, rig_path(&rig, "cellmux.sock"), 1000) < 0)
			_exit(11);
		o = rig_ask(&c, "status", NULL, 1000);
		if (!o)
			_exit(12);
		json_object_put(o);
		if (rig_ask(&c, "at.send", "{\"cmd\":\"AT\"}", 1000) || strcmp(rig_error, "ACCESS_DENIED"))
			_exit(13);
		if (rig_ask(&c, "log.level", "{\"level\":\"trace\"}", 1000) ||
		    strcmp(rig_error, "ACCESS_DENIED"))
			_exit(14);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(wrong_configurations_are_named_by_file_line_and_key),
		T(wrong_options_are_named),
		T(files_that_will_be_missed_are_told_at_the_start),
		T(a_missing_device_is_named),
		T(a_file_is_no_device),
		T(a_device_without_permission_is_named),
		T(a_port_held_by_another_program_is_named_with_its_holder),
		T(a_second_daemon_on_the_same_port_or_socket_ends),
		T(a_daemon_that_was_killed_leaves_nothing_in_the_way),
		T(bad_requests_are_answered_and_the_daemon_lives),
		T(printed_configuration_is_the_installed_one_and_is_accepted),
		T(everything_on_the_socket_is_described),
		T(the_service_manager_hears_of_start_watchdog_and_end),
		T(unplug_and_plug_are_seen_and_survived),
		T(a_port_that_comes_later_is_waited_for),
		T(a_reset_is_a_job_that_ends_with_a_ready_module),
		T(a_reader_may_look_and_not_touch),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
