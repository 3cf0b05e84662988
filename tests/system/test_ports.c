/*
 * Virtual ports and CMUX of the whole daemon against the virtual module. Programs of other people are in
 * test_programs.c, data mode in test_data.c, many clients at once in test_port_stress.c.
 */
#include "support/test.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

static const char *argv0;
static struct rig rig;
static struct rig_program *daemon_program;

static const char plain_conf[] =
	"[port.at0]\ndata = yes\n[port.at1]\n[port.at2]\nkind = socket\n[port.at3]\nkind = socket\n";
static const char mux_conf[] =
	"[modem]\ncmux = yes\nmax_baud = 921600\n"
	"[port.at0]\ndata = cmux\n[port.at1]\n[port.at2]\nkind = socket\n[port.at3]\nkind = socket\n";

static void start_daemon(const char *conf)
{
	daemon_program = port_daemon_start(&rig, conf);
}

static void start_with(const char *conf)
{
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", NULL);
	start_daemon(conf);
}

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

/* --- a client ------------------------------------------------------------------------------------- */

#define OK PORT_CLIENT_OK

static void open_client(struct port_client *c, const char *name)
{
	port_client_open(c, rig_path(&rig, name));
}

static const char *ask(struct port_client *c, const char *line, const char *end)
{
	return port_client_ask(c, line, end, daemon_program->said);
}

/* --- data beside commands --------------------------------------------------------------------------- */

static void with_a_mux_a_call_and_commands_run_at_the_same_time(void **state)
{
	struct port_client data, other;

	(void)state;
	start_with(mux_conf);
	open_client(&data, "at0");
	open_client(&other, "at1");
	ask(&other, "ATE0\r", OK);
	ask(&data, "ATE0\r", OK);
	ask(&data, "ATD*99#\r", "\r\nCONNECT 150000000\r\n");
	for (unsigned i = 0; i < 20; i++)
		ask(&other, "AT+CSQ\r", OK);
	assert_true(rig_tell_module(&rig, "no-carrier"));
	ask(&data, "", "\r\nNO CARRIER\r\n");
	ask(&data, "AT+CGMM\r", "\r\nEG25\r\n" OK);
	close(data.fd);
	close(other.fd);
}

static void a_daemon_that_was_killed_in_its_mux_starts_again(void **state)
{
	struct port_client c;

	(void)state;
	start_with(mux_conf);
	for (unsigned i = 0; i < 3; i++) {
		kill(daemon_program->pid, SIGKILL);
		rig_wait_end(daemon_program, 5000);
		start_daemon(mux_conf);
		open_client(&c, "at1");
		ask(&c, "ATE0\r", OK);
		ask(&c, "AT+CGMM\r", "\r\nEG25\r\n" OK);
		close(c.fd);
	}
	/* And in good order: the module is not muxing afterwards. */
	assert_int_equal(rig_stop(daemon_program), 0);
	assert_non_null(strstr(rig_ask_module(&rig, "status"), "mux=0"));
}

static void a_module_that_restarts_in_its_mux_comes_back(void **state)
{
	struct port_client c;

	(void)state;
	start_with(mux_conf);
	assert_true(rig_wait_for(daemon_program, "sim → ready", 0, 10000));
	for (unsigned i = 0; i < 3; i++) {
		size_t from = daemon_program->said_n;

		assert_true(rig_tell_module(&rig, "reset"));
		assert_true(rig_wait_for(daemon_program, "left its mux", from, 60000));
		assert_true(rig_wait_for(daemon_program, "sim → ready", from, 60000));
		open_client(&c, "at1");
		ask(&c, "ATE0\r", OK);
		ask(&c, "AT+CGMM\r", "\r\nEG25\r\n" OK);
		close(c.fd);
	}
}

/* Without a word, or in good order: the next command finds out, and each ends. */
static void a_mux_that_the_module_leaves_is_begun_again(void **state)
{
	/* Three muxes in a row that do not last would be enough to go on without. */
	static const char *const ways[] = { "mux close 4", "mux forget", "mux close 1" };
	struct port_client c;

	(void)state;
	start_with(mux_conf);
	assert_true(rig_wait_for(daemon_program, "sim → ready", 0, 10000));
	open_client(&c, "at1");
	ask(&c, "ATE0\r", OK);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		unsigned long long deadline = rig_now_ms() + 60000;

		assert_true(rig_tell_module(&rig, ways[i]));
		do {
			assert_true(rig_now_ms() < deadline);
			c.n = 0;
			c.in[0] = '\0';
			port_client_type(&c, "AT+CGMM\r");
			while (!strstr(c.in, "\r\nOK\r\n") && !strstr(c.in, "\r\nERROR\r\n"))
				assert_true(port_client_take(&c, 30000));
		} while (strcmp(c.in, "\r\nEG25\r\n" OK) != 0);
		/* A channel for commands that is gone takes the mux with it; one of a port does not. */
		assert_true(rig_wait_state(&rig, "ready", 30000));
		while (!strstr(rig_ask_module(&rig, "status"), "mux=1")) {
			assert_true(rig_now_ms() < deadline);
			poll(NULL, 0, 20);
		}
	}
	port_client_close(&c);
}

/* --- one client after another --------------------------------------------------------------------- */

/* The daemon does not look while one goes and the next comes and writes. */
static void follow_unseen(const char *name)
{
	struct port_client c;

	open_client(&c, name);
	assert_non_null(strstr(ask(&c, "ATE0\r", OK), "ATE0"));
	assert_null(strstr(ask(&c, "AT+CREG=1\r", OK), "AT"));
	for (unsigned i = 0; i < 20; i++) {
		kill(daemon_program->pid, SIGSTOP);
		close(c.fd);
		open_client(&c, name);
		assert_int_equal(write(c.fd, "AT+CREG?\r", 9), 9);
		kill(daemon_program->pid, SIGCONT);
		while (!strstr(c.in, OK))
			if (!port_client_take(&c, 10000))
				fail_msg("%s, round %u: '%s'", name, i, c.in);
		/* Echo and reports are as a newcomer finds them. */
		assert_string_equal(c.in, "AT+CREG?\r\r\n+CREG: 0,1\r\n" OK);
		ask(&c, "ATE0;+CREG=1\r", OK);
	}
	close(c.fd);
}

static void a_client_that_comes_at_once_after_another_starts_anew(void **state)
{
	(void)state;
	start_with(plain_conf);
	follow_unseen("at1");
	follow_unseen("at2");
}

/* As `cat port & echo AT >port` in a shell. */
static void a_port_opened_twice_is_one_client_until_both_have_closed(void **state)
{
	struct port_client c, other;

	(void)state;
	start_with(plain_conf);
	for (unsigned i = 0; i < 20; i++) {
		kill(daemon_program->pid, SIGSTOP);
		open_client(&c, "at1");
		open_client(&other, "at1");
		assert_int_equal(write(other.fd, "ATE0\r", 5), 5);
		close(other.fd);
		kill(daemon_program->pid, SIGCONT);
		while (!strstr(c.in, OK))
			if (!port_client_take(&c, 10000))
				fail_msg("round %u: '%s'", i, c.in);
		assert_string_equal(ask(&c, "AT+CREG?\r", OK), "\r\n+CREG: 0,1\r\n" OK);
		close(c.fd);
	}
}

/* --- what the control socket tells of them -------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, name, &v))
		fail_msg("no %s in %s", name, json_object_to_json_string(o));
	return v;
}

static int64_t number(struct json_object *o, const char *name)
{
	return json_object_get_int64(member(o, name));
}

/* The next event of the ports tells of this port in this state; owned by the caller. */
static struct json_object *hear_port(struct rig_client *c, const char *name, const char *state)
{
	struct json_object *o = rig_hear(c, 5000), *port;

	if (!o)
		fail_msg("no event for %s %s\n%s", name, state, daemon_program->said);
	port = json_object_get(member(member(o, "params"), "port"));
	assert_string_equal(json_object_get_string(member(port, "name")), name);
	assert_string_equal(json_object_get_string(member(port, "state")), state);
	json_object_put(o);
	return port;
}

static void the_control_socket_tells_of_ports_and_mux(void **state)
{
	static struct rig_client events, asker;
	struct json_object *o, *port, *mux;
	struct port_client c;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", NULL);
	start_daemon(mux_conf);
	assert_true(rig_wait_for(daemon_program, "muxed: 4 channels", 0, 10000));
	assert_int_equal(rig_dial(&events, rig_path(&rig, "cellmux.sock"), 1000), 0);
	assert_int_equal(rig_dial(&asker, rig_path(&rig, "cellmux.sock"), 1000), 0);
	json_object_put(rig_ask(&events, "subscribe", "{\"topics\":[\"ports\"]}", 5000));
	open_client(&c, "at0");
	ask(&c, "ATE0+CMEE=2;+CREG=1;+CSCS=\"UCS2\"\r", OK);
	ask(&c, "ATD*99#\r", "\r\nCONNECT 150000000\r\n");
	json_object_put(hear_port(&events, "at0", "command"));
	port = hear_port(&events, "at0", "data");
	assert_true(json_object_get_boolean(member(port, "in_use")));
	assert_int_equal(number(port, "channel"), 3);
	assert_int_equal(number(port, "commands"), 5);
	assert_int_equal(number(port, "clients"), 1);
	assert_int_equal(number(port, "octets_in"), 41);
	assert_int_equal(number(member(port, "settings"), "E"), 0);
	assert_int_equal(number(member(port, "settings"), "CMEE"), 2);
	assert_int_equal(number(member(port, "settings"), "CREG"), 1);
	assert_string_equal(json_object_get_string(member(member(port, "settings"), "CSCS")), "\"UCS2\"");
	json_object_put(port);

	o = rig_ask(&asker, "status", NULL, 5000);
	assert_non_null(o);
	mux = member(member(o, "modem"), "mux");
	assert_true(json_object_get_boolean(member(mux, "on")));
	assert_string_equal(json_object_get_string(member(mux, "mode")), "basic");
	assert_int_equal(number(mux, "channels"), 4);
	assert_int_equal(number(mux, "frame_size"), 127);
	assert_int_equal(number(mux, "starts"), 1);
	assert_true(number(mux, "frames_sent") > 20 && number(mux, "frames_received") > 20);
	assert_int_equal(number(member(o, "modem"), "baud"), 921600);
	assert_int_equal(json_object_array_length(member(o, "ports")), 4);
	assert_null(member(json_object_array_get_idx(member(o, "ports"), 3), "settings"));
	json_object_put(o);

	close(c.fd);
	json_object_put(hear_port(&events, "at0", "free"));
	/* The mux that the module forgets is counted, and is a change of the modem. */
	json_object_put(rig_ask(&events, "subscribe", "{\"topics\":[\"modem\"]}", 5000));
	assert_true(rig_tell_module(&rig, "reset"));
	do {
		o = rig_hear(&events, 60000);
		assert_non_null(o);
		mux = json_object_get(member(member(member(o, "params"), "modem"), "mux"));
		json_object_put(o);
		if (json_object_get_boolean(member(mux, "on")) && number(mux, "starts") == 2)
			break;
		json_object_put(mux);
	} while (1);
	assert_int_equal(number(mux, "losses"), 1);
	json_object_put(mux);
	rig_hang_up(&asker);
	rig_hang_up(&events);
}

#define PORTS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORTS_TEST(with_a_mux_a_call_and_commands_run_at_the_same_time),
		PORTS_TEST(a_daemon_that_was_killed_in_its_mux_starts_again),
		PORTS_TEST(a_module_that_restarts_in_its_mux_comes_back),
		PORTS_TEST(a_mux_that_the_module_leaves_is_begun_again),
		PORTS_TEST(a_client_that_comes_at_once_after_another_starts_anew),
		PORTS_TEST(a_port_opened_twice_is_one_client_until_both_have_closed),
		PORTS_TEST(the_control_socket_tells_of_ports_and_mux),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
