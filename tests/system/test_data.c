/*
 * Data mode through the whole daemon: a megabyte goes out and comes back through a client that reads
 * slowly and in fits, on a line that is lent and on a channel of its own. Every octet is compared. On
 * the channel somebody else's commands are answered meanwhile as if nothing were. And what a call on a
 * lent line means for those who want something of the module meanwhile.
 *
 *   DATA_OCTETS=n  DATA_SEED=n   another run
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "support/data_call.h"
#include "support/port_client.h"
#include "support/rig.h"

#define OK PORT_CLIENT_OK
/* Nobody else waits longer for a command that the module answers at once. */
#define OTHERS_MS 5000

static const char *argv0;
static struct rig rig;
static struct rig_program *daemon_program, *module_program;

/* Flow control as on a real line with RTS/CTS; a speed at which the mux does not pace a test to death. */
static const char plain_conf[] = "[modem]\nrtscts = yes\n"
				 "[port.at0]\ndata = yes\nkind = socket\n[port.at1]\ndata = yes\n[port.at2]\n";
static const char mux_conf[] = "[modem]\nrtscts = yes\ncmux = yes\nbaud = 3000000\n"
			       "[port.at0]\ndata = cmux\nkind = socket\n[port.at1]\ndata = cmux\n[port.at2]\n";

static void start_with(const char *conf, const char *port)
{
	module_program = rig_start_module(&rig, "--baud", conf == mux_conf ? "3000000" : "0", "--boot-ms", "200",
					  "--latency-ms", "0", NULL);
	daemon_program = port_daemon_start(&rig, conf);
	if (conf == mux_conf)
		port_wait_channel(&rig, (unsigned)(port[2] - '0'));
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

/* --- the stream ----------------------------------------------------------------------------------- */

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 10) : otherwise;
}

/* More than fits into the message of a failure. */
static void show_programs(void)
{
	rig_wait_for(module_program, "all that it says", 0, 500);
	fprintf(stderr, "cellmuxd:\n%s\nsim-module:\n%s\n", daemon_program->said, module_program->said);
}

static void drink(int fd, struct data_stream *in, size_t most)
{
	uint8_t got[8192];
	ssize_t n = read(fd, got, MIN(most, sizeof(got)));

	if (n < 0 && errno == EAGAIN)
		return;
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++) {
		size_t at = in->at;
		uint8_t want = data_stream_next(in);

		if (got[i] != want) {
			show_programs();
			fail_msg("octet %zu is %02x, not %02x", at, got[i], want);
		}
	}
}

/* --- somebody else -------------------------------------------------------------------------------- */

struct other {
	struct port_client c;
	bool waits;
	unsigned done;
	unsigned long long since, longest;
};

static void go_on_asking(struct other *o)
{
	if (!o->waits) {
		o->c.n = 0;
		o->c.in[0] = '\0';
		port_client_type(&o->c, "AT+CSQ\r");
		o->waits = true;
		o->since = rig_now_ms();
	}
	while (port_client_take(&o->c, 0))
		;
	if (strstr(o->c.in, OK)) {
		assert_string_equal(o->c.in, "\r\n+CSQ: 20,99\r\n" OK);
		o->waits = false;
		o->done++;
		o->longest = MAX(o->longest, rig_now_ms() - o->since);
	} else if (rig_now_ms() - o->since > OTHERS_MS) {
		fail_msg("no answer within %u ms, '%s'\n%s", OTHERS_MS, o->c.in, daemon_program->said);
	}
}

/* --- the run -------------------------------------------------------------------------------------- */

/* A reader that sleeps first, then sips, then sleeps again, then drinks. */
static size_t appetite(size_t taken, size_t total, unsigned long long ms)
{
	if (ms < 700)
		return 0;
	if (taken < total / 8)
		return 2000;
	return ms < 1800 ? 0 : 8192;
}

static void a_megabyte_both_ways(const char *conf, const char *port)
{
	size_t total = number_from("DATA_OCTETS", 1 << 20);
	unsigned long seed = number_from("DATA_SEED", 7);
	struct data_stream out = { .seed = seed }, in = { .seed = seed };
	unsigned long long began, heard;
	struct port_client data;
	struct other other = { 0 };
	bool asks = conf == mux_conf;

	start_with(conf, port);
	port_client_open(&other.c, rig_path(&rig, "at2"));
	port_client_ask(&other.c, "ATE0\r", OK, daemon_program->said);
	port_client_open(&data, rig_path(&rig, port));
	port_client_ask(&data, "ATE0\r", OK, daemon_program->said);
	port_client_ask(&data, "ATD*99#\r", "\r\nCONNECT 150000000\r\n", daemon_program->said);
	fcntl(data.fd, F_SETFL, O_NONBLOCK);
	began = heard = rig_now_ms();
	while (in.at < total) {
		size_t was = in.at, wants = appetite(in.at, total, rig_now_ms() - began);
		struct pollfd p = { .fd = data.fd, .events = wants ? POLLIN : 0 };

		data_stream_write(&out, data.fd, total);
		if (wants)
			drink(data.fd, &in, wants);
		if (asks)
			go_on_asking(&other);
		if (in.at != was)
			heard = rig_now_ms();
		else if (rig_now_ms() - heard > 15000) {
			show_programs();
			fail_msg("nothing comes after %zu octets", in.at);
		}
		/* A sip at a time. */
		poll(&p, in.at < total / 8 ? 0 : 1, in.at < total / 8 ? 5 : 10);
	}
	print_message("%zu octets in %.1f s", total, (double)(rig_now_ms() - began) / 1000);
	if (asks)
		print_message(", others were answered %u times, after %llu ms at the longest", other.done,
			      other.longest);
	print_message("\n");
	fcntl(data.fd, F_SETFL, 0);
	assert_true(rig_tell_module(&rig, "no-carrier"));
	port_client_ask(&data, "", "\r\nNO CARRIER\r\n", daemon_program->said);
	port_client_ask(&data, "AT+CGMM\r", "\r\nEG25\r\n" OK, daemon_program->said);
	if (asks)
		assert_true(other.done > 50);
	while (other.waits)
		go_on_asking(&other);
	port_client_ask(&other.c, "AT+CSQ\r", OK, daemon_program->said);
	assert_null(strstr(daemon_program->said, "dropped"));
	port_client_close(&data);
	port_client_close(&other.c);
}

static void a_slow_socket_on_a_lent_line_loses_nothing(void **state)
{
	(void)state;
	a_megabyte_both_ways(plain_conf, "at0");
}

static void a_slow_terminal_on_a_lent_line_loses_nothing(void **state)
{
	(void)state;
	a_megabyte_both_ways(plain_conf, "at1");
}

static void a_slow_socket_on_its_own_channel_loses_nothing(void **state)
{
	(void)state;
	a_megabyte_both_ways(mux_conf, "at0");
}

static void a_slow_terminal_on_its_own_channel_loses_nothing(void **state)
{
	(void)state;
	a_megabyte_both_ways(mux_conf, "at1");
}

/* --- others, while the line is lent ------------------------------------------------------------------- */

static void call_on_a_lent_line(struct port_client *data)
{
	start_with(plain_conf, "at0");
	port_client_open(data, rig_path(&rig, "at0"));
	port_client_ask(data, "ATE0\r", OK, daemon_program->said);
	port_client_ask(data, "ATD*99#\r", "\r\nCONNECT 150000000\r\n", daemon_program->said);
}

#define CTL(p, ...) rig_run(&rig, &(p), "cellmuxctl", "-S", rig_path(&rig, "cellmux.sock"), __VA_ARGS__, NULL)

static unsigned module_starts(void)
{
	const char *at = strstr(rig_ask_module(&rig, "status"), " starts=");

	assert_non_null(at);
	return (unsigned)strtoul(at + strlen(" starts="), NULL, 10);
}

static void a_reset_ends_a_call_and_is_one(void **state)
{
	struct port_client data;
	struct rig_program *p;
	unsigned starts;

	(void)state;
	call_on_a_lent_line(&data);
	starts = module_starts();
	assert_int_equal(CTL(p, "modem", "reset"), 0);
	assert_int_equal(module_starts(), starts + 1);
	assert_true(port_client_wait(&data, "\r\nNO CARRIER\r\n", 1000));
	port_client_ask(&data, "AT+CGMM\r", "\r\nEG25\r\n" OK, daemon_program->said);
	port_client_close(&data);
}

static void a_command_does_not_wait_for_the_end_of_a_call(void **state)
{
	struct port_client data;
	struct rig_program *p;

	(void)state;
	call_on_a_lent_line(&data);
	assert_int_equal(CTL(p, "at", "AT+CSQ"), 1);
	assert_non_null(strstr(p->said, "port at0 has the line for a data call"));
	assert_non_null(strstr(p->said, "BUSY"));
	assert_int_equal(CTL(p, "status"), 0);
	assert_non_null(strstr(p->said, "data mode"));
	port_client_close(&data);
	assert_true(rig_wait_for(daemon_program, "end of data mode", 0, 10000));
	assert_int_equal(CTL(p, "at", "AT+CSQ", "--timeout", "20"), 0);
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ONE(a_slow_socket_on_a_lent_line_loses_nothing),
		ONE(a_slow_terminal_on_a_lent_line_loses_nothing),
		ONE(a_slow_socket_on_its_own_channel_loses_nothing),
		ONE(a_slow_terminal_on_its_own_channel_loses_nothing),
		ONE(a_reset_ends_a_call_and_is_one),
		ONE(a_command_does_not_wait_for_the_end_of_a_call),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
