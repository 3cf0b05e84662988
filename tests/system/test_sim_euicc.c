/*
 * sim-euicc as its users meet it: making and showing cards, wrong options, and the card in a
 * virtual reader: one that is part of this test, and pcscd's own where that is installed.
 */
#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/rig.h"

#define EID "89049032123451234512345678901235"
#define ISDR "A0000005591010FFFFFFFF8900000100"
#define PROFILE "iccid=8900012345678901234,imsi=001010123456789,name=Boot,enabled"
#define PATIENCE_MS 20000

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

static void make_card(const char *name)
{
	struct rig_program *p;

	if (rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, name), "--profile", PROFILE, NULL))
		fail_msg("%s", p->said);
}

/* --- the command line --------------------------------------------------------------------------------- */

static void cards_are_made_and_shown(void **state)
{
	struct rig_program *p;

	(void)state;
	make_card("made");
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--show", rig_path(&rig, "made"), NULL), 0);
	assert_non_null(strstr(p->said, EID));
	assert_non_null(strstr(p->said, "8900012345678901234"));
	assert_non_null(strstr(p->said, "Boot"));
	/* A second card does not go where one is. */
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, "made"), NULL), 1);
	assert_non_null(strstr(p->said, "there is a card in it"));
}

static void help_and_version_are_given(void **state)
{
	struct rig_program *p;

	(void)state;
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--help", NULL), 0);
	assert_non_null(strstr(p->said, "Usage: sim-euicc"));
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--version", NULL), 0);
	assert_memory_equal(p->said, "sim-euicc ", 10);
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--list", NULL), 0);
	assert_non_null(strstr(p->said, "iot-refresh-910b"));
}

static const struct {
	const char *option, *value;
	int code;
} wrong[] = {
	{ "--edition", "9", 2 },
	{ "--personality", "nobody", 2 },
	{ "--profile", "name=without-iccid", 2 },
	{ "--profile", "/nonexistent/profile", 1 },
	{ "--memory", "much", 2 },
	{ "--apdu-ms", "-1", 2 },
	{ "--log-level", "loud", 2 },
	{ "--eid", "123", 1 },
	{ "--pki", "/nonexistent", 1 },
	{ "--show", "too", 2 },
	{ "--unknown", "x", 2 },
};

static void wrong_options_get_one_clear_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct rig_program *p;
		int code = rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, "wrong"),
				   wrong[i].option, wrong[i].value, NULL);

		if (code != wrong[i].code || !p->said[0])
			fail_msg("%s %s: exit code %d, said: %s", wrong[i].option, wrong[i].value,
				 code, p->said);
		assert_int_not_equal(access(rig_path(&rig, "wrong/state"), F_OK), 0);
	}
}

/* --- a reader of our own ------------------------------------------------------------------------------- */

static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void wait_for_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* The frame in pieces of so many octets: 0 at once. */
static void send_frame(int fd, const void *data, size_t n, size_t piece)
{
	uint8_t frame[1024] = { n >> 8, n };

	assert_true(n + 2 <= sizeof(frame));
	memcpy(frame + 2, data, n);
	n += 2;
	for (size_t at = 0; at < n;) {
		size_t part = piece && n - at > piece ? piece : n - at;

		assert_int_equal(send(fd, frame + at, part, MSG_NOSIGNAL), (ssize_t)part);
		at += part;
	}
}

static void receive(int fd, uint8_t *dst, size_t n)
{
	while (n) {
		ssize_t got;

		wait_for_input(fd);
		got = read(fd, dst, n);
		assert_true(got > 0);
		dst += got;
		n -= got;
	}
}

static const char *receive_frame(int fd)
{
	static char digits[2 * 1024 + 1];
	uint8_t head[2], data[1024];
	size_t n;

	receive(fd, head, 2);
	n = head[0] << 8 | head[1];
	assert_true(n <= sizeof(data));
	receive(fd, data, n);
	hex_encode(data, n, digits, sizeof(digits));
	return digits;
}

static void signal_card(int fd, uint8_t code)
{
	send_frame(fd, &code, 1, 0);
}

static const char *ask(int fd, const char *apdu, size_t piece)
{
	uint8_t raw[512];
	size_t n;

	assert_int_equal(hex_decode(text_of(apdu), raw, sizeof(raw), &n), 0);
	send_frame(fd, raw, n, piece);
	return receive_frame(fd);
}

static int accept_card(int listener, unsigned port, struct rig_program **ret)
{
	char where[32];
	int fd;

	snprintf(where, sizeof(where), "127.0.0.1:%u", port);
	*ret = rig_start(&rig, "sim-euicc", "--vpcd", where, rig_path(&rig, "card"),
			 "--apdu-ms", "0", NULL);
	wait_for_input(listener);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void card_lives_in_a_reader(void **state)
{
	const uint8_t two[] = { 0x00, 0x01, 0x02, 0x00, 0x01, 0x04 };
	struct rig_program *p;
	unsigned port;
	int listener = listen_somewhere(&port), fd;

	(void)state;
	make_card("card");
	fd = accept_card(listener, port, &p);
	/* The ATR is there before there is power; an APDU is not. */
	signal_card(fd, 4);
	assert_memory_equal(receive_frame(fd), "3B9F", 4);
	assert_string_equal(ask(fd, "00A4040010" ISDR, 0), "6F00");
	signal_card(fd, 1);
	assert_string_equal(ask(fd, "00A4040010" ISDR, 0), "6121");
	assert_string_equal(ask(fd, "80E2910006BF3E035C015A", 1), "6115");
	assert_string_equal(ask(fd, "00C0000015", 2), "BF3E125A10" EID "9000");
	/* A reset forgets what was selected; reset and ATR in one segment. */
	assert_int_equal(send(fd, two, sizeof(two), MSG_NOSIGNAL), sizeof(two));
	assert_memory_equal(receive_frame(fd), "3B9F", 4);
	assert_string_equal(ask(fd, "80E2910006BF3E035C015A", 0), "6D00");
	/* An extended APDU is too long for it; a frame without octets and an unknown signal are
	   passed over. */
	send_frame(fd, "", 0, 0);
	signal_card(fd, 9);
	{
		uint8_t raw[600] = { 0x00, 0xa4, 0x04, 0x00 };

		send_frame(fd, raw, sizeof(raw), 7);
		assert_string_equal(receive_frame(fd), "6700");
	}
	signal_card(fd, 0);
	assert_string_equal(ask(fd, "80F2000C00", 0), "6F00");
	close(fd);
	assert_int_equal(rig_wait_end(p, PATIENCE_MS), 1);
	assert_non_null(strstr(p->said, "the reader has gone"));

	/* In the reader again, and taken out by a signal. */
	fd = accept_card(listener, port, &p);
	signal_card(fd, 1);
	assert_string_equal(ask(fd, "00A4040010" ISDR, 0), "6121");
	assert_int_equal(rig_stop(p), 0);
	close(fd);
	close(listener);
}

static void reader_that_is_not_there_is_told(void **state)
{
	struct rig_program *p;
	unsigned port;
	char where[32];

	(void)state;
	close(listen_somewhere(&port));
	make_card("card2");
	snprintf(where, sizeof(where), "127.0.0.1:%u", port);
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--vpcd", where, rig_path(&rig, "card2"), NULL),
			 1);
	assert_non_null(strstr(p->said, "refused"));
}

/* --- pcscd's virtual reader, where there is one ------------------------------------------------------------ */

static bool installed(void)
{
	return !access("/usr/sbin/pcscd", X_OK) && !access("/usr/bin/opensc-tool", X_OK) &&
	       !access("/usr/lib/pcsc/drivers/serial/libifdvpcd.so", R_OK) && geteuid() == 0;
}

/* Is anybody listening there already? Then it is not ours to use. */
static bool taken(unsigned port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !connect(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	return yes;
}

static void pcsc_programs_see_the_card(void **state)
{
	struct rig_program *pcscd, *card, *tool;

	(void)state;
	if (!installed() || taken(35963) || !access("/run/pcscd/pcscd.comm", F_OK))
		skip();
	make_card("pcsc");
	pcscd = rig_start(&rig, "/usr/sbin/pcscd", "--foreground", NULL);
	/* It says nothing when it is ready, but listens then. */
	for (unsigned i = 0; i < 200 && !taken(35963); i++)
		poll(NULL, 0, 50);
	card = rig_start(&rig, "sim-euicc", "--vpcd", "localhost:35963", rig_path(&rig, "pcsc"),
			 "--apdu-ms", "0", NULL);
	assert_true(rig_wait_for(card, "in the reader", 0, PATIENCE_MS));
	if (rig_run(&rig, &tool, "/usr/bin/opensc-tool", "--wait", "-s", "00A4040010" ISDR,
		    "-s", "80E2910006BF3E035C015A", "-s", "00C0000015", NULL))
		fail_msg("%s", tool->said);
	assert_non_null(strstr(tool->said, "BF 3E 12 5A 10 89 04 90 32 12 34 51 23 45 12 34"));
	rig_stop(card);
	rig_stop(pcscd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cards_are_made_and_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(help_and_version_are_given, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_options_get_one_clear_line, setup, teardown),
		cmocka_unit_test_setup_teardown(card_lives_in_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(reader_that_is_not_there_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(pcsc_programs_see_the_card, setup, teardown),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
