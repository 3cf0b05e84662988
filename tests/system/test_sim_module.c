/*
 * sim-module as a program: options, the port and its link, the line at real speed, several side by
 * side, a foreign card.
 */
#include "support/test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "core/util.h"
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

/* --- the host's side ------------------------------------------------------------------------------ */

static int open_port(const char *path, speed_t speed)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios t;

	assert_true(fd >= 0);
	assert_int_equal(tcgetattr(fd, &t), 0);
	cfmakeraw(&t);
	cfsetspeed(&t, speed);
	assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
	return fd;
}

/* Everything until the text has come; false: it did not, or the port has gone. */
static bool hear(int fd, const char *text, unsigned ms, char *said, size_t cap)
{
	unsigned long long end = rig_now_ms() + ms;
	size_t n = 0;

	said[0] = '\0';
	while (!strstr(said, text)) {
		struct pollfd w = { .fd = fd, .events = POLLIN };
		unsigned long long now = rig_now_ms();
		ssize_t r;

		if (now >= end || poll(&w, 1, (int)(end - now)) <= 0)
			return false;
		r = read(fd, said + n, cap - 1 - n);
		if (r <= 0)
			return false;
		n += (size_t)r;
		said[n] = '\0';
	}
	return true;
}

static bool ask(int fd, const char *line, const char *text)
{
	static char said[65536];

	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	return hear(fd, text, 5000, said, sizeof(said));
}

/* The status comes to have these words. */
static bool comes_to(const char *words, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;

	while (!strstr(rig_ask_module(&rig, "status"), words)) {
		if (rig_now_ms() >= end)
			return false;
		poll(NULL, 0, 5);       /* nothing tells */
	}
	return true;
}

/* --- options -------------------------------------------------------------------------------------- */

static void wrong_options_get_one_line_and_code_2(void **state)
{
	static const char *const rows[][3] = {
		{ "--module", "nonsense", "--list" },   { "--baud", "fast", "--baud" },
		{ "--fault", "nonsense", "fault" },     { "--coverage", "x=y", "--coverage" },
		{ "--card", "nonsense", "vpcd:PORT" },  { "--card", "vpcd:0", "port" },
		{ "--card", "euicc:", "directory" },    { "--iccid", "1", "ICCID" },
		{ "--imei", "1", "--imei" },            { "--log-level", "loud", "trace" },
		{ "--seed", "-1", "--seed" },
	};
	struct rig_program *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *lf;

		assert_int_equal(rig_run(&rig, &p, "sim-module", rows[i][0], rows[i][1], NULL), 2);
		lf = strchr(p->said, '\n');
		assert_non_null(lf);
		assert_int_equal(lf[1], '\0');
		assert_non_null(strstr(p->said, rows[i][2]));
	}
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--nonsense", NULL), 2);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "word", NULL), 2);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--card", "euicc:/nowhere", NULL), 1);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--pty", "/nowhere/port", NULL), 1);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--control", "/nowhere/socket", NULL), 1);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--help", NULL), 0);
	assert_non_null(strstr(p->said, "no-answer"));
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--version", NULL), 0);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--list", NULL), 0);
	assert_non_null(strstr(p->said, "quectel-eg25"));
}

static void a_file_or_a_used_socket_is_not_taken_over(void **state)
{
	struct rig_program *p;
	FILE *f = fopen(rig_path(&rig, "file"), "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(rig_run(&rig, &p, "sim-module", "--pty", rig_path(&rig, "file"), NULL), 1);
	assert_int_equal(access(rig_path(&rig, "file"), F_OK), 0);
	rig_start_module(&rig, NULL);
	assert_int_equal(
		rig_run(&rig, &p, "sim-module", "--control", rig_path(&rig, "module.sock"), NULL),
		1);
	assert_true(rig_tell_module(&rig, "status"));
}

/* --- the port ------------------------------------------------------------------------------------- */

static void what_one_program_did_not_read_the_next_does_not_get(void **state)
{
	char said[1024];
	int fd;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "1", NULL);
	assert_true(comes_to("stat=1", 5000));
	fd = open_port(rig_path(&rig, "modem"), B115200);
	assert_true(ask(fd, "ATE0\r", "OK\r\n"));
	assert_true(rig_tell_module(&rig, "urc +OLD: 1"));
	close(fd);
	assert_true(rig_tell_module(&rig, "urc +NOBODY: 1"));
	fd = open_port(rig_path(&rig, "modem"), B115200);
	assert_int_equal(write(fd, "AT\r", 3), 3);
	assert_true(hear(fd, "OK\r\n", 5000, said, sizeof(said)));
	assert_null(strstr(said, "+OLD"));
	assert_null(strstr(said, "+NOBODY"));
	close(fd);
}

static void the_port_goes_and_comes_under_the_same_name(void **state)
{
	struct rig_program *p = rig_start_module(&rig, "--baud", "0", "--boot-ms", "1", NULL);
	char said[256];
	int fd = open_port(rig_path(&rig, "modem"), B115200);

	(void)state;
	assert_true(rig_tell_module(&rig, "unplug"));
	assert_false(hear(fd, "never", 5000, said, sizeof(said)));
	assert_int_equal(access(rig_path(&rig, "modem"), F_OK), -1);
	close(fd);
	assert_true(rig_tell_module(&rig, "plug"));
	assert_true(comes_to("power=running", 5000));
	fd = open_port(rig_path(&rig, "modem"), B115200);
	assert_true(ask(fd, "AT\r", "OK\r\n"));
	assert_true(rig_tell_module(&rig, "hang-up 10"));
	assert_false(hear(fd, "never", 5000, said, sizeof(said)));
	close(fd);
	assert_true(comes_to("port=/dev", 5000));
	fd = open_port(rig_path(&rig, "modem"), B115200);
	assert_true(ask(fd, "AT\r", "OK\r\n"));
	close(fd);
	assert_int_equal(rig_stop(p), 0);
	assert_int_equal(access(rig_path(&rig, "modem"), F_OK), -1);
	assert_int_equal(access(rig_path(&rig, "module.sock"), F_OK), -1);
}

static void a_line_has_its_speed(void **state)
{
	unsigned long long start, took;
	char said[1024];
	int fd;

	(void)state;
	rig_start_module(&rig, "--baud", "19200", "--boot-ms", "1", "--strict-speed", NULL);
	assert_true(comes_to("power=running", 5000));
	fd = open_port(rig_path(&rig, "modem"), B115200);
	assert_int_equal(write(fd, "AT\r", 3), 3);
	assert_false(hear(fd, "OK", 300, said, sizeof(said)));
	close(fd);
	fd = open_port(rig_path(&rig, "modem"), B19200);
	assert_true(ask(fd, "\rATE0\r", "OK\r\n"));
	start = rig_now_ms();
	/* 25 characters there, 64 lines of about 48 back: no less than 1.6 s at 19200, 8N1. */
	assert_true(ask(fd, "AT%ECHO=\"abcdefghijklmnopqrstuvwxyzabcdef\",64\r", "OK\r\n"));
	took = rig_now_ms() - start;
	assert_true(took >= 1500);
	close(fd);
}

static void modules_run_side_by_side(void **state)
{
	struct rig_program *other;
	int a, b;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "1", NULL);
	other = rig_start(&rig, "sim-module", "--pty", rig_path(&rig, "other"), "--control",
			  rig_path(&rig, "other.sock"), "--module", "telit-le910", "--baud", "0",
			  "--boot-ms", "1", NULL);
	assert_true(rig_wait_for(other, "ready", 0, 5000));
	assert_true(comes_to("power=running", 5000));
	a = open_port(rig_path(&rig, "modem"), B115200);
	b = open_port(rig_path(&rig, "other"), B115200);
	/* Its start may still be going on: nothing is heard until then. */
	for (int i = 0; i < 50 && !ask(b, "AT\r", "OK\r\n"); i++)
		;
	assert_true(ask(b, "AT+CGMM\r", "LE910C4"));
	assert_true(ask(a, "AT+CGMM\r", "EG25"));
	close(a);
	close(b);
}

/* --- a foreign card ------------------------------------------------------------------------------- */

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void a_card_that_connects_is_a_card_in_the_slot(void **state)
{
	char card[32], reader[32];
	struct rig_program *p;
	unsigned port = free_port();

	(void)state;
	snprintf(card, sizeof(card), "vpcd:%u", port);
	snprintf(reader, sizeof(reader), "127.0.0.1:%u", port);
	assert_int_equal(
		rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, "card"), "--profile",
			"iccid=8900012345678901234,imsi=001010123456789,name=A,enabled", NULL),
		0);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "1", "--card", card, NULL);
	assert_true(comes_to("card=empty", 5000));
	p = rig_start(&rig, "sim-euicc", "--vpcd", reader, rig_path(&rig, "card"), NULL);
	assert_true(comes_to("card=usable iccid=8900012345678901234 imsi=001010123456789 stat=1",
			     10000));
	assert_true(rig_tell_module(&rig, "reset"));
	assert_true(comes_to("starts=2", 5000));
	assert_true(comes_to("card=usable", 10000));
	kill(p->pid, SIGKILL);
	rig_wait_end(p, 5000);
	assert_true(comes_to("card=empty", 5000));
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(wrong_options_get_one_line_and_code_2),
		T(a_file_or_a_used_socket_is_not_taken_over),
		T(what_one_program_did_not_read_the_next_does_not_get),
		T(the_port_goes_and_comes_under_the_same_name),
		T(a_line_has_its_speed),
		T(modules_run_side_by_side),
		T(a_card_that_connects_is_a_card_in_the_slot),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
