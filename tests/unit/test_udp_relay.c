/* The socket between libcoap and a server: what passes, from whom, and when the way is another one. */
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "net/udp_relay.h"
#include "unit/fake_ev.h"

static struct udp_relay relay;
static struct sockaddr_in near;
static int server, inside, stranger, broken;
static unsigned heard;

static int open_socket(struct sockaddr_in *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	if (ret)
		*ret = a;
	return fd;
}

static void on_heard(struct udp_relay *r, struct octets datagram)
{
	(void)r;
	assert_true(datagram.n > 0);
	heard++;
}

static void on_broken(struct udp_relay *r, int error)
{
	broken = error;
	udp_relay_close(r);
}

static int setup(void **state)
{
	struct net_address to = { .n = sizeof(struct sockaddr_in) };
	struct sockaddr_in at;

	(void)state;
	fake_ev_reset();
	heard = 0;
	broken = 0;
	server = open_socket((struct sockaddr_in *)&to.sa);
	inside = open_socket(&at);
	stranger = open_socket(NULL);
	relay = (struct udp_relay){ .heard = on_heard, .broken = on_broken };
	assert_int_equal(udp_relay_open(&relay, &to, NULL, &near), 0);
	udp_relay_join(&relay, &at);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	udp_relay_close(&relay);
	close(server);
	close(inside);
	close(stranger);
	return fake_ev_active();
}

static void say(int fd, const void *p, size_t n, const struct sockaddr_in *to)
{
	assert_int_equal(sendto(fd, p, n, 0, (const struct sockaddr *)to, sizeof(*to)), n);
	fake_ev_settle();
}

/* -1: nothing has come. */
static ssize_t hear(int fd, char *buf, struct sockaddr_in *from)
{
	socklen_t n = sizeof(*from);

	return recvfrom(fd, buf, 4096, 0, (struct sockaddr *)from, &n);
}

static void datagrams_pass_both_ways_and_are_counted(void **state)
{
	struct sockaddr_in from;
	char buf[4096];

	(void)state;
	say(inside, "hello", 5, &near);
	assert_int_equal(hear(server, buf, &from), 5);
	assert_memory_equal(buf, "hello", 5);
	say(server, "and you", 7, &from);
	assert_int_equal(hear(inside, buf, &from), 7);
	assert_int_equal(from.sin_port, near.sin_port);
	assert_int_equal(heard, 1);
	assert_int_equal(relay.figures.sent, 1);
	assert_int_equal(relay.figures.octets_sent, 5);
	assert_int_equal(relay.figures.received, 1);
	assert_int_equal(relay.figures.octets_received, 7);
}

static void strangers_are_not_passed_on(void **state)
{
	struct sockaddr_in from;
	char buf[4096];

	(void)state;
	say(stranger, "let me in", 9, &near);
	assert_int_equal(hear(server, buf, &from), -1);
	/* The kernel keeps them away on the other side: it is connected. */
	say(inside, "hello", 5, &near);
	assert_int_equal(hear(server, buf, &from), 5);
	say(stranger, "me again", 8, &from);
	assert_int_equal(hear(inside, buf, &from), -1);
	assert_int_equal(heard, 0);
}

static void what_is_too_long_is_dropped(void **state)
{
	static char large[UDP_DATAGRAM_MAX + 1];
	struct sockaddr_in from;
	char buf[4096];

	(void)state;
	say(inside, large, sizeof(large), &near);
	assert_int_equal(hear(server, buf, &from), -1);
	say(inside, large, sizeof(large) - 1, &near);
	assert_int_equal(hear(server, buf, &from), UDP_DATAGRAM_MAX);
	say(server, large, sizeof(large), &from);
	assert_int_equal(hear(inside, buf, &from), -1);
}

static void tell(const void *p, size_t n)
{
	assert_int_equal(sendto(inside, p, n, 0, (struct sockaddr *)&near, sizeof(near)), n);
}

static void what_is_sent_at_once_goes_together(void **state)
{
	static char large[UDP_GATHER_MAX];
	struct sockaddr_in from;
	char buf[4096];

	(void)state;
	relay.gather = true;
	tell("one", 3);
	tell("two", 3);
	tell(large, UDP_GATHER_MAX - 6);
	tell("three", 5);
	tell(large, sizeof(large));
	tell("four", 4);
	fake_ev_settle();
	assert_int_equal(hear(server, buf, &from), UDP_GATHER_MAX);
	assert_memory_equal(buf, "onetwo", 6);
	assert_int_equal(hear(server, buf, &from), 5);
	assert_int_equal(hear(server, buf, &from), UDP_GATHER_MAX);
	assert_int_equal(hear(server, buf, &from), 4);
	assert_int_equal(hear(server, buf, &from), -1);
	assert_int_equal(relay.figures.sent, 4);
	/* One that does not fit at all waits for nobody, and what came before it goes first. */
	tell("five", 4);
	tell(large, sizeof(large));
	tell("six", 3);
	relay.gather = true;
	udp_relay_flush(&relay);
	assert_int_equal(hear(server, buf, &from), 4);
	assert_int_equal(hear(server, buf, &from), UDP_GATHER_MAX);
	assert_int_equal(hear(server, buf, &from), 3);
	relay.gather = false;
	tell("seven", 5);
	tell("eight", 5);
	fake_ev_settle();
	assert_int_equal(hear(server, buf, &from), 5);
	assert_int_equal(hear(server, buf, &from), 5);
	assert_int_equal(hear(server, buf, &from), -1);
}

static void a_farewell_goes_out_before_the_end(void **state)
{
	struct sockaddr_in from;
	char buf[4096];

	(void)state;
	assert_int_equal(sendto(inside, "bye", 3, 0, (struct sockaddr *)&near, sizeof(near)), 3);
	udp_relay_flush(&relay);
	udp_relay_close(&relay);
	assert_int_equal(hear(server, buf, &from), 3);
}

static void a_server_that_is_not_there_is_told(void **state)
{
	(void)state;
	close(server);
	server = open_socket(NULL);
	say(inside, "hello", 5, &near);
	fake_ev_settle();
	assert_int_equal(broken, ECONNREFUSED);
}

/* Opened when this machine still had another address, of which loopback has many. */
static void another_address_of_ours_is_noticed(void **state)
{
	struct sockaddr_in before = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_false(udp_relay_moved(&relay));
	assert_int_equal(bind(fd, (struct sockaddr *)&before, sizeof(before)), 0);
	assert_int_equal(dup2(fd, relay.far), relay.far);
	close(fd);
	assert_true(udp_relay_moved(&relay));
	udp_relay_close(&relay);
	assert_false(udp_relay_moved(&relay));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(datagrams_pass_both_ways_and_are_counted),
		T(strangers_are_not_passed_on),
		T(what_is_too_long_is_dropped),
		T(what_is_sent_at_once_goes_together),
		T(a_farewell_goes_out_before_the_end),
		T(a_server_that_is_not_there_is_told),
		T(another_address_of_ours_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
