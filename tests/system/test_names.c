/* Name resolution against a name server of our own on loopback, in the same loop. */
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/ev.h"
#include "net/names.h"
#include "net/tcp.h"

#define GUARD_MS 30000

enum dns_mood { DNS_ANSWERS, DNS_DENIES, DNS_SILENT, DNS_FAILS, DNS_GARBAGE };

struct dns {
	struct ev_watch watch;
	enum dns_mood mood;
	int fd;
	unsigned asked;
	char servers[32];
};

/* A reply to one question: A 192.0.2.7 and 192.0.2.8, AAAA 2001:db8::7. */
static size_t reply(uint8_t *q, size_t n, enum dns_mood mood)
{
	static const uint8_t a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7,
				     0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 8 };
	static const uint8_t aaaa[] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16,
					0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7 };
	size_t end = 12, type;

	while (end < n && q[end])
		end += q[end] + 1u;
	end += 5;
	type = q[end - 3];
	q[2] = 0x81;
	q[3] = mood == DNS_DENIES ? 0x83 : mood == DNS_FAILS ? 0x82 : 0x80;
	q[7] = mood != DNS_ANSWERS ? 0 : type == 1 ? 2 : type == 28 ? 1 : 0;
	memset(q + 8, 0, 4);    /* no authority, no EDNS */
	if (mood == DNS_GARBAGE) {
		q[7] = 9;
		return end;
	}
	if (q[7] == 2) {
		memcpy(q + end, a, sizeof(a));
		end += sizeof(a);
	} else if (q[7] == 1) {
		memcpy(q + end, aaaa, sizeof(aaaa));
		end += sizeof(aaaa);
	}
	return end;
}

static void on_question(struct ev_watch *w, unsigned what)
{
	struct dns *d = container_of(w, struct dns, watch);
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	uint8_t q[1024];
	ssize_t n = recvfrom(d->fd, q, 512, 0, (struct sockaddr *)&from, &from_n);

	(void)what;
	assert_true(n > 16);
	d->asked++;
	if (d->mood != DNS_SILENT)
		sendto(d->fd, q, reply(q, (size_t)n, d->mood), 0, (struct sockaddr *)&from, from_n);
}

static void dns_open(struct dns *d, enum dns_mood mood)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);

	*d = (struct dns){ .mood = mood, .watch.ready = on_question };
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(d->fd, (struct sockaddr *)&at, n), 0);
	getsockname(d->fd, (struct sockaddr *)&at, &n);
	snprintf(d->servers, sizeof(d->servers), "127.0.0.1:%u", ntohs(at.sin_port));
	ev_watch_start(&d->watch, d->fd, EV_IN);
}

static void dns_close(struct dns *d)
{
	ev_watch_stop(&d->watch);
	close(d->fd);
}

struct asking {
	struct names_query q;
	struct net_error why;
	bool done;
};

static void on_done(struct names_query *q, const struct net_error *why)
{
	struct asking *a = container_of(q, struct asking, q);

	if (why)
		a->why = *why;
	a->done = true;
	ev_quit();
}

static void on_guard(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

static void run(unsigned ms)
{
	struct ev_alarm guard = { .fired = on_guard };

	ev_alarm_start(&guard, ms);
	ev_main();
	ev_alarm_stop(&guard);
}

static void ask(struct asking *a, const char *host, const char *servers, unsigned patience_ms)
{
	*a = (struct asking){ .q = { .host = host, .port = 443, .servers = servers,
				     .patience_ms = patience_ms, .done = on_done } };
	names_start(&a->q);
	assert_false(a->done);
	run(GUARD_MS);
	assert_true(a->done);
}

static bool has(const struct asking *a, const char *want)
{
	char text[NET_ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < a->q.n; i++)
		if (!strcmp(net_address_text(&a->q.found[i], text), want))
			return true;
	return false;
}

static void what_needs_no_server_asks_none(void **state)
{
	static const struct {
		const char *host, *first;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:443" },
		{ "2001:db8::1", "[2001:db8::1]:443" },
		{ "localhost", "127.0.0.1:443" },
		{ "eim.localhost", "127.0.0.1:443" },
		{ "LOCALHOST", "127.0.0.1:443" },
	};
	struct asking a;
	struct dns d;

	(void)state;
	dns_open(&d, DNS_SILENT);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[NET_ADDRESS_TEXT_MAX];

		ask(&a, rows[i].host, d.servers, 1000);
		assert_false(net_error_is_set(&a.why));
		assert_string_equal(net_address_text(&a.q.found[0], text), rows[i].first);
	}
	assert_int_equal(d.asked, 0);
	dns_close(&d);
}

static void both_families_are_found(void **state)
{
	struct asking a;
	struct dns d;

	(void)state;
	dns_open(&d, DNS_ANSWERS);
	ask(&a, "eim.example", d.servers, 5000);
	assert_false(net_error_is_set(&a.why));
	assert_int_equal(a.q.n, 3);
	assert_true(has(&a, "192.0.2.7:443"));
	assert_true(has(&a, "192.0.2.8:443"));
	assert_true(has(&a, "[2001:db8::7]:443"));
	dns_close(&d);
}

static void failures_are_told_apart(void **state)
{
	static const struct {
		enum dns_mood mood;
		unsigned patience_ms;
		enum cause_kind kind;
		const char *text;
	} rows[] = {
		{ DNS_DENIES, 5000, CAUSE_REFUSED, "eim.example: " },
		{ DNS_FAILS, 20000, CAUSE_LINK_LOST, "eim.example: " },
		{ DNS_SILENT, 300, CAUSE_TIMEOUT, "eim.example: no answer within 300 ms" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct asking a;
		struct dns d;

		dns_open(&d, rows[i].mood);
		ask(&a, "eim.example", d.servers, rows[i].patience_ms);
		if (a.why.kind != rows[i].kind || a.why.layer != NET_NAME ||
		    !strstr(a.why.text, rows[i].text))
			fail_msg("row %zu: %s: %s", i, cause_name(a.why.kind), a.why.text);
		assert_int_equal(a.q.n, 0);
		assert_true(d.asked > 0);
		dns_close(&d);
	}
}

static void answers_that_are_none_end_too(void **state)
{
	struct asking a;
	struct dns d;

	(void)state;
	dns_open(&d, DNS_GARBAGE);
	ask(&a, "eim.example", d.servers, 1000);
	assert_true(net_error_is_set(&a.why));
	assert_int_equal(a.why.layer, NET_NAME);
	dns_close(&d);
}

static void one_that_is_stopped_says_nothing(void **state)
{
	static const unsigned waits[] = { 0, 1, 30 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct asking a = { .q = { .host = "eim.example", .port = 1, .patience_ms = 100,
					   .done = on_done } };
		struct dns d;

		dns_open(&d, DNS_SILENT);
		a.q.servers = d.servers;
		names_start(&a.q);
		if (waits[i])
			run(waits[i]);
		names_stop(&a.q);
		names_stop(&a.q);
		run(200);
		assert_false(a.done);
		dns_close(&d);
	}
}

/* Traffic that must not leave by another interface does not. */
static void an_interface_that_is_missing_is_an_error(void **state)
{
	struct asking a = { .q = { .host = "eim.example", .port = 1, .interface = "nonesuch0",
				   .patience_ms = 500, .done = on_done } };
	struct dns d;

	(void)state;
	dns_open(&d, DNS_ANSWERS);
	a.q.servers = d.servers;
	names_start(&a.q);
	run(GUARD_MS);
	assert_true(a.done);
	assert_true(net_error_is_set(&a.why));
	assert_int_equal(d.asked, 0);
	dns_close(&d);
}

struct connecting {
	struct tcp_connect c;
	struct net_error why;
	int fd;
	bool done;
};

static void on_connected(struct tcp_connect *c, int fd, const struct net_error *why)
{
	struct connecting *x = container_of(c, struct connecting, c);

	x->fd = fd;
	if (why)
		x->why = *why;
	x->done = true;
	ev_quit();
}

static void the_second_address_is_tried(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct net_address to[2] = { { .n = sizeof(at) }, { .n = sizeof(at) } };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct connecting x = { .c = { .to = to, .n = 2, .patience_ms = 2000, .done = on_connected } };
	socklen_t n = sizeof(at);

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
	getsockname(listener, (struct sockaddr *)&at, &n);
	memcpy(&to[0].sa, &at, sizeof(at));
	memcpy(&to[1].sa, &at, sizeof(at));
	/* Another loopback address, where nobody listens. */
	((struct sockaddr_in *)&to[0].sa)->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	listen(listener, 1);
	tcp_start(&x.c);
	run(GUARD_MS);
	assert_true(x.done && x.fd >= 0);
	close(x.fd);

	close(listener);
	x.done = false;
	tcp_start(&x.c);
	run(GUARD_MS);
	assert_true(x.done && x.fd == -1);
	assert_int_equal(x.why.layer, NET_CONNECT);
	assert_int_equal(x.why.code, ECONNREFUSED);
	assert_non_null(strstr(x.why.text, "127.0.0.2:"));

	x = (struct connecting){ .c = { .to = to, .n = 2, .patience_ms = 2000, .interface = "nonesuch0",
					.done = on_connected } };
	tcp_start(&x.c);
	run(GUARD_MS);
	assert_true(x.done && x.fd == -1);
	assert_non_null(strstr(x.why.text, "cannot be bound to nonesuch0"));
}

static int open_loop(void **state)
{
	(void)state;
	return ev_open();
}

static int close_loop(void **state)
{
	(void)state;
	ev_close();
	return 0;
}

#define LOOP(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP(what_needs_no_server_asks_none),
		LOOP(both_families_are_found),
		LOOP(failures_are_told_apart),
		LOOP(answers_that_are_none_end_too),
		LOOP(one_that_is_stopped_says_nothing),
		LOOP(an_interface_that_is_missing_is_an_error),
		LOOP(the_second_address_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
