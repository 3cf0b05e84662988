/*
 * The network inside sim-eim by itself: datagrams through it to a server of this test's, and back.
 */
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/util.h"
#include "sim/eim/lossy.h"

static struct se_lossy net;

/* The server: notes what came and from where; a client: one socket. */
static struct side {
	struct ev_watch watch;
	int fd;
	uint16_t port;
	unsigned n;                     /* datagrams */
	uint8_t last[2048];
	size_t last_n;
	unsigned order[4096];           /* the numbers in them */
	struct sockaddr_in from;
} server, client;

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct side *s = container_of(w, struct side, watch);
	socklen_t len = sizeof(s->from);
	ssize_t n;

	(void)what;
	while ((n = recvfrom(s->fd, s->last, sizeof(s->last), MSG_DONTWAIT,
			     (struct sockaddr *)&s->from, &len)) >= 0) {
		s->last_n = (size_t)n;
		if (s->n < ARRAY_SIZE(s->order))
			s->order[s->n] = (unsigned)(s->last[1] << 8 | s->last[2]);
		s->n++;
		len = sizeof(s->from);
	}
	ev_quit();
}

static void side_open(struct side *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
	s->port = ntohs(at.sin_port);
	s->watch.ready = on_ready;
	ev_watch_start(&s->watch, s->fd, EV_IN);
}

static void side_close(struct side *s)
{
	ev_watch_stop(&s->watch);
	close(s->fd);
}

static void send_to(int fd, uint16_t port, const void *p, size_t n)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&at, sizeof(at)), n);
}

static uint16_t port;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ev_open(), 0);
	side_open(&server);
	side_open(&client);
	memset(&net, 0, sizeof(net));
	port = 0;
	assert_int_equal(se_lossy_open(&net, "127.0.0.1", &port, server.port), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	se_lossy_close(&net);
	side_close(&server);
	side_close(&client);
	ev_close();
	return 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_alarm(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

/* The loop, until this side has so many datagrams; or, for as many as never come, so long. */
static void run(const struct side *s, unsigned n, unsigned ms)
{
	struct ev_alarm alarm = { .fired = on_alarm };
	uint64_t end = ev_now_ms() + ms;

	while (s->n < n && ev_now_ms() < end) {
		ev_alarm_start(&alarm, 5);
		ev_main();
	}
	ev_alarm_stop(&alarm);
}

static void rules(const char *line)
{
	char why[128];

	if (se_lossy_set(&net, text_of(line), why) < 0)
		fail_msg("%s: %s", line, why);
}

/* A numbered datagram. */
static void send_number(unsigned i)
{
	uint8_t d[16] = { 'n', (uint8_t)(i >> 8), (uint8_t)i };

	send_to(client.fd, port, d, sizeof(d));
}

/* A DTLS record: content type, epoch; for a handshake a message of this type. */
static size_t record(uint8_t *d, uint8_t type, uint8_t epoch, uint8_t message)
{
	memset(d, 0, 120);
	d[0] = type;
	d[1] = 0xfe;
	d[2] = 0xfd;
	d[4] = epoch;
	d[13] = message;
	return 120;
}

/* A ClientHello with this one suite: no session id, no cookie. */
static size_t client_hello(uint8_t *d, unsigned suite)
{
	size_t n = record(d, 22, 0, 1), at = 13 + 12 + 2 + 32 + 2;

	d[at + 1] = 2;
	d[at + 2] = (uint8_t)(suite >> 8);
	d[at + 3] = (uint8_t)suite;
	return n;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void without_rules_everything_passes_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		send_number(i);
		run(&server, i + 1, 2000);
	}
	assert_int_equal(server.n, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(server.order[i], i);
	/* And back, to the one who asked. */
	send_to(server.fd, ntohs(server.from.sin_port), "back", 4);
	run(&client, 1, 2000);
	assert_int_equal(client.n, 1);
	assert_memory_equal(client.last, "back", 4);
	assert_int_equal(ntohs(client.from.sin_port), port);
}

/* Which of 500 arrive: each is waited for until the network has lost it or passed it on. */
static unsigned lose(const char *line, unsigned pattern[])
{
	unsigned had = server.n, up = net.counts.up;

	rules("none");
	rules(line);
	for (unsigned i = 0; i < 500; i++) {
		unsigned before = server.n, lost = net.counts.lost;

		send_number(i);
		while (net.counts.up < up + i + 1)
			run(&server, before + 1, 5);
		if (net.counts.lost == lost)
			run(&server, before + 1, 2000);
		pattern[i] = server.n > before;
	}
	return server.n - had;
}

static void as_many_are_lost_as_are_told_the_same_for_the_same_seed(void **state)
{
	static unsigned first[500], again[500], other[500];
	unsigned n;

	(void)state;
	n = lose("loss-up=30,seed=7", first);
	assert_int_equal(lose("loss-up=30,seed=7", again), n);
	(void)lose("loss-up=30,seed=8", other);
	/* 350 of 500; five standard deviations are 51. */
	assert_in_range(n, 299, 401);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_not_equal(first, other, sizeof(first));
}

static void one_direction_may_be_bad_and_the_other_good(void **state)
{
	(void)state;
	rules("loss-down=100");
	send_number(1);
	run(&server, 1, 2000);
	assert_int_equal(server.n, 1);
	send_to(server.fd, ntohs(server.from.sin_port), "lost", 4);
	run(&client, 1, 100);
	assert_int_equal(client.n, 0);
	rules("none");
	send_to(server.fd, ntohs(server.from.sin_port), "here", 4);
	run(&client, 1, 2000);
	assert_memory_equal(client.last, "here", 4);
}

static void datagrams_come_twice_late_and_out_of_order(void **state)
{
	bool swapped = false;
	uint64_t before;

	(void)state;
	rules("duplicate=100");
	send_number(1);
	run(&server, 2, 2000);
	assert_int_equal(server.n, 2);
	rules("none");
	rules("delay=120");
	before = ev_now_ms();
	send_number(2);
	run(&server, 3, 2000);
	assert_int_equal(server.order[2], 2);
	assert_in_range(ev_now_ms() - before, 115, 2000);
	/* The first waits for the second, which passes it; not for ever, so a slow machine tries again. */
	for (int tries = 0; tries < 5; tries++) {
		unsigned had = server.n, reordered = net.counts.reordered;

		rules("none");
		rules("reorder=100");
		send_number(3);
		while (net.counts.reordered == reordered)
			run(&server, had + 1, 5);
		rules("reorder=0");
		send_number(4);
		run(&server, had + 2, 2000);
		swapped = server.order[had] == 4 && server.order[had + 1] == 3;
		if (swapped)
			break;
	}
	assert_true(swapped);
	/* Where nothing follows it comes by itself. */
	rules("reorder=100");
	send_number(5);
	run(&server, server.n + 1, 2000);
	assert_int_equal(server.order[server.n - 1], 5);
}

static void a_client_that_moves_comes_from_another_port(void **state)
{
	uint16_t before;

	(void)state;
	send_number(1);
	run(&server, 1, 2000);
	before = ntohs(server.from.sin_port);
	assert_int_equal(se_lossy_rebind(&net), 1);
	/* What goes to the old one is lost; the client does not know. */
	send_to(server.fd, before, "old", 3);
	run(&client, 1, 100);
	assert_int_equal(client.n, 0);
	send_number(2);
	run(&server, 2, 2000);
	assert_int_not_equal(ntohs(server.from.sin_port), before);
	send_to(server.fd, ntohs(server.from.sin_port), "new", 3);
	run(&client, 1, 2000);
	assert_memory_equal(client.last, "new", 3);
}

static void what_is_swallowed_is_exactly_the_next_one(void **state)
{
	uint16_t at;

	(void)state;
	send_number(1);
	run(&server, 1, 2000);
	at = ntohs(server.from.sin_port);
	/* The first is on its way already and must not be taken for it. */
	send_to(server.fd, at, "one", 3);
	se_lossy_swallow(&net, at);
	send_to(server.fd, at, "two", 3);
	send_to(server.fd, at, "three", 5);
	run(&client, 2, 2000);
	assert_int_equal(client.n, 2);
	assert_int_equal(client.last_n, 5);
	assert_int_equal(net.counts.swallowed, 1);
}

static void nothing_passes_a_network_that_is_deaf(void **state)
{
	(void)state;
	se_lossy_deafen(&net, true);
	send_number(1);
	run(&server, 1, 100);
	assert_int_equal(server.n, 0);
	se_lossy_deafen(&net, false);
	send_number(2);
	run(&server, 1, 2000);
	assert_int_equal(server.order[0], 2);
}

static void hellos_without_the_suite_are_refused_at_once(void **state)
{
	uint8_t d[120];

	(void)state;
	net.needs_ccm8 = true;
	send_to(client.fd, port, d, client_hello(d, 0xc0a9));
	run(&client, 1, 2000);
	/* A fatal alert insufficient_security, epoch 0. */
	assert_int_equal(client.last_n, 15);
	assert_memory_equal(client.last, "\x15\xfe\xfd\0\0\0\0\0\0\0\0\0\2\2\x47", 15);
	assert_int_equal(server.n, 0);
	send_to(client.fd, port, d, client_hello(d, 0xc0a8));
	run(&server, 1, 2000);
	assert_int_equal(server.n, 1);
	/* Cut short anywhere it is not read beyond its end. */
	for (size_t n = 1; n < sizeof(d); n++)
		send_to(client.fd, port, d, n);
	run(&server, 100, 200);
	assert_true(server.n > 1);
}

static void a_hello_from_where_there_is_a_session_is_ignored(void **state)
{
	uint8_t d[120];

	(void)state;
	net.one_handshake = true;
	send_to(client.fd, port, d, client_hello(d, 0xc0a8));
	run(&server, 1, 2000);
	send_to(client.fd, port, d, record(d, 23, 1, 0));
	run(&server, 2, 2000);
	send_to(client.fd, port, d, client_hello(d, 0xc0a8));
	run(&server, 3, 100);
	assert_int_equal(server.n, 2);
	/* The server ends it (an encrypted alert): now it may come. */
	send_to(server.fd, ntohs(server.from.sin_port), d, record(d, 21, 1, 0));
	run(&client, 1, 2000);
	send_to(client.fd, port, d, client_hello(d, 0xc0a8));
	run(&server, 3, 2000);
	assert_int_equal(server.n, 3);
}

static unsigned hellos_to_lose;

static bool on_hello(struct se_lossy *l)
{
	(void)l;
	return hellos_to_lose && hellos_to_lose--;
}

static void hellos_are_lost_as_their_owner_wants_it(void **state)
{
	uint8_t d[120];

	(void)state;
	net.lose_hello = on_hello;
	hellos_to_lose = 2;
	for (unsigned i = 1; i <= 3; i++) {
		send_to(client.fd, port, d, client_hello(d, 0xc0a8));
		run(&server, 1, i < 3 ? 60 : 2000);
		assert_int_equal(server.n, i == 3);
	}
}

/* Every second one from the client goes on, cut short, and once more behind it; of the server's nothing. */
static bool on_look(struct se_lossy *l, struct se_lossy_client *c, bool up, uint8_t *p, size_t *n)
{
	(void)l;
	if (!up || p[2] & 1)
		return false;
	*n = 8;
	se_lossy_send(c, true, p, 4, 20, false);
	return true;
}

static void each_datagram_is_what_its_owner_makes_of_it(void **state)
{
	(void)state;
	net.look = on_look;
	send_number(1);
	send_number(2);
	run(&server, 2, 2000);
	assert_int_equal(server.n, 2);
	assert_int_equal(server.order[0], 2);
	assert_int_equal(server.order[1], 2);
	assert_int_equal(server.last_n, 4);
	send_to(server.fd, ntohs(server.from.sin_port), "answer", 6);
	run(&client, 1, 60);
	assert_int_equal(client.n, 0);
}

static void who_asks_where_nobody_listens_is_told_so(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	send_number(1);
	run(&server, 1, 2000);
	assert_int_equal(se_lossy_refuse(&net, true), 0);
	assert_int_equal(se_lossy_refuse(&net, true), 0);
	ev_watch_stop(&client.watch);
	assert_int_equal(connect(client.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(client.fd, "a", 1, 0), 1);
	assert_int_equal(send(client.fd, "b", 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	/* At the same place again, and to the server it is the same client. */
	assert_int_equal(se_lossy_refuse(&net, false), 0);
	at = server.from;
	assert_int_equal(send(client.fd, "nnn", 3, 0), 3);
	run(&server, 2, 2000);
	assert_int_equal(server.n, 2);
	assert_int_equal(server.from.sin_port, at.sin_port);
}

static void the_servers_part_of_a_handshake_is_sent_again(void **state)
{
	uint8_t d[120];

	(void)state;
	net.sends_again = true;
	send_to(client.fd, port, d, client_hello(d, 0xc0a8));
	run(&server, 1, 2000);
	/* Not who keeps nothing. */
	send_to(server.fd, ntohs(server.from.sin_port), d, record(d, 22, 0, 3));
	run(&client, 2, 1300);
	assert_int_equal(client.n, 1);
	for (uint8_t message = 2; message <= 14; message += 12)
		send_to(server.fd, ntohs(server.from.sin_port), d, record(d, 22, 0, message));
	run(&client, 3, 2000);
	assert_int_equal(client.n, 3);
	run(&client, 5, 2000);
	assert_int_equal(client.n, 5);
	assert_int_equal(client.last[13], 14);
	/* Until there is an answer. */
	send_to(client.fd, port, d, record(d, 22, 0, 16));
	run(&server, 2, 2000);
	run(&client, 6, 2300);
	assert_int_equal(client.n, 5);
}

static unsigned too_long_n;

static void on_too_long(struct se_lossy *l, uint16_t at, size_t n)
{
	(void)l;
	(void)at;
	too_long_n = (unsigned)n;
}

static void long_datagrams_are_told_of_and_not_passed_on(void **state)
{
	uint8_t d[1000] = { 'x' };

	(void)state;
	net.datagram_max = 500;
	net.too_long = on_too_long;
	send_to(client.fd, port, d, 500);
	run(&server, 1, 2000);
	send_to(client.fd, port, d, 501);
	run(&server, 2, 100);
	assert_int_equal(server.n, 1);
	assert_int_equal(too_long_n, 501);
}

/* More clients than there is room for: the oldest goes, and comes back under another address. */
static void the_client_that_was_silent_longest_makes_room(void **state)
{
	int fds[SE_LOSSY_CLIENTS_MAX];
	uint16_t before;

	(void)state;
	send_number(1);
	run(&server, 1, 2000);
	before = ntohs(server.from.sin_port);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		send_to(fds[i], port, "abc", 3);
		run(&server, (unsigned)i + 2, 2000);
	}
	assert_int_equal(server.n, SE_LOSSY_CLIENTS_MAX + 1);
	send_number(2);
	run(&server, SE_LOSSY_CLIENTS_MAX + 2, 2000);
	assert_int_not_equal(ntohs(server.from.sin_port), before);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_rules_everything_passes_in_order),
		TEST(as_many_are_lost_as_are_told_the_same_for_the_same_seed),
		TEST(one_direction_may_be_bad_and_the_other_good),
		TEST(datagrams_come_twice_late_and_out_of_order),
		TEST(a_client_that_moves_comes_from_another_port),
		TEST(what_is_swallowed_is_exactly_the_next_one),
		TEST(nothing_passes_a_network_that_is_deaf),
		TEST(hellos_without_the_suite_are_refused_at_once),
		TEST(a_hello_from_where_there_is_a_session_is_ignored),
		TEST(hellos_are_lost_as_their_owner_wants_it),
		TEST(each_datagram_is_what_its_owner_makes_of_it),
		TEST(who_asks_where_nobody_listens_is_told_so),
		TEST(the_servers_part_of_a_handshake_is_sent_again),
		TEST(long_datagrams_are_told_of_and_not_passed_on),
		TEST(the_client_that_was_silent_longest_makes_room),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
