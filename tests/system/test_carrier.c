/*
 * A call that is over without its client's doing: the network ends it, the module restarts, its power or
 * its line goes; on a lent line and on a channel of its own. The client reads NO CARRIER at once. One that
 * has cleared CLOCAL is hung up on then, as by a serial port, and finds the port again under its name; one
 * that has not stays. For both the next call works.
 */
#include "support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

#define OK PORT_CLIENT_OK
/* A module that is silent has to be asked some times before it is given up. */
#define NOTICED_MS 30000
#define READY_MS 60000

static const char *argv0;
static struct rig rig;
static struct rig_program *daemon_program;
static struct port_client call;

static const char plain_conf[] = "[port.at0]\ndata = yes\n";
static const char mux_conf[] = "[modem]\ncmux = yes\nalive = 4\n[port.at0]\ndata = cmux\n";

static const struct loss {
	const char *name, *order, *then, *undo;
	bool mux_only;                  /* nobody can ask a module on a line that is lent */
} losses[] = {
	{ "the network ends it", "no-carrier", NULL, NULL },
	{ "the module restarts", "reset", NULL, NULL },
	{ "the line goes", "unplug", NULL, "plug" },
	{ "the power goes and comes", "power off", "power on", NULL },
	{ "the power goes", "power off", NULL, "power on", true },
};

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

static void set_local(bool on)
{
	struct termios t;

	assert_int_equal(tcgetattr(call.fd, &t), 0);
	t.c_cflag = on ? t.c_cflag | CLOCAL : t.c_cflag & ~(tcflag_t)CLOCAL;
	assert_int_equal(tcsetattr(call.fd, TCSANOW, &t), 0);
}

static void open_port(bool local)
{
	port_client_open(&call, rig_path(&rig, "at0"));
	set_local(local);
	port_client_ask(&call, "ATE0\r", OK, daemon_program->said);
}

static bool dial_once(void)
{
	unsigned long long end = rig_now_ms() + 10000;

	call.n = 0;
	call.in[0] = '\0';
	port_client_type(&call, "ATD*99#\r");
	while (!strstr(call.in, "\r\nNO CARRIER\r\n") && rig_now_ms() < end)
		if (strstr(call.in, "\r\nCONNECT 150000000\r\n"))
			return true;
		else
			port_client_take(&call, 100);
	return false;
}

/* Again and again, until the module has found its network. Both ways: it gives back what it gets. */
static void dial(void)
{
	unsigned long long end = rig_now_ms() + READY_MS;

	while (!dial_once())
		if (rig_now_ms() > end)
			fail_msg("no call: '%s'\n%s", call.in, daemon_program->said);
		else
			poll(NULL, 0, 100);
	port_client_ask(&call, "to and fro", "to and fro", daemon_program->said);
}

/* read() says so, once what came before is read. */
static bool is_hung_up(unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	char octets[256];

	for (unsigned long long now = rig_now_ms(); now < end; now = rig_now_ms()) {
		struct pollfd p = { .fd = call.fd, .events = POLLIN };

		if (poll(&p, 1, (int)(end - now)) > 0 && read(call.fd, octets, sizeof(octets)) <= 0)
			return true;
	}
	return false;
}

static void lose(const struct loss *l, bool on_mux, bool local)
{
	const char *said = daemon_program->said;

	open_port(local);
	dial();
	assert_true(rig_tell_module(&rig, l->order));
	if (l->then)
		assert_true(rig_tell_module(&rig, l->then));
	if (!port_client_wait(&call, "\r\nNO CARRIER\r\n", NOTICED_MS))
		fail_msg("%s: the client does not hear of it: '%s'\n%s", l->name, call.in, said);
	if (is_hung_up(1000) == local)
		fail_msg("%s: %s\n%s", l->name, local ? "a local client was hung up on" : "no hang-up", said);
	if (l->undo)
		assert_true(rig_tell_module(&rig, l->undo));
	if (!rig_wait_state(&rig, "ready", READY_MS))
		fail_msg("%s: the module is not back\n%s", l->name, said);
	if (on_mux)
		port_wait_channel(&rig, 0);
	if (!local) {
		port_client_close(&call);
		open_port(local);
	}
	dial();
	/* Faster than leaving a call, which takes an escape. */
	assert_true(rig_tell_module(&rig, "no-carrier"));
	assert_true(port_client_wait(&call, "\r\nNO CARRIER\r\n", NOTICED_MS));
	port_client_close(&call);
}

static void lose_in_all_ways(const char *conf)
{
	rig_start_module(&rig, "--boot-ms", "200", "--latency-ms", "0", NULL);
	daemon_program = port_daemon_start(&rig, conf);
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		for (int local = 0; local < 2; local++) {
			if (losses[i].mux_only && conf != mux_conf)
				continue;
			print_message("%s, %s\n", losses[i].name, local ? "local" : "with carrier");
			if (conf == mux_conf)
				port_wait_channel(&rig, 0);
			lose(&losses[i], conf == mux_conf, local);
		}
	}
}

static void a_lost_call_on_a_lent_line_is_a_hang_up(void **state)
{
	(void)state;
	lose_in_all_ways(plain_conf);
}

static void a_lost_call_on_its_own_channel_is_a_hang_up(void **state)
{
	(void)state;
	lose_in_all_ways(mux_conf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lost_call_on_a_lent_line_is_a_hang_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_call_on_its_own_channel_is_a_hang_up, setup, teardown),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
