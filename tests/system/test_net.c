/*
 * The network layer against a real TLS server that misbehaves in every way we can think of: each
 * failure is told by its layer and in words. Everything stays on loopback. Whom it believes is in
 * test_trust.c.
 */
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/ev.h"
#include "esipa/https.h"
#include "net/crypto.h"
#include "support/netbed.h"

/* --- handshakes --- */

static void handshakes_that_fail_say_how(void **state)
{
	static const struct {
		const char *what;
		enum peer_greeting greeting;
		int version;
		const char *suites;
		enum cause_kind kind;
		const char *text;
	} rows[] = {
		{ "reset", PEER_RESET, 0, NULL, CAUSE_LINK_LOST, "handshake broken: Connection reset" },
		{ "cut", PEER_CUT, 0, NULL, CAUSE_LINK_LOST, "handshake cut off" },
		{ "silent", PEER_SILENT, 0, NULL, CAUSE_TIMEOUT, "for the handshake of" },
		{ "garbage", PEER_GARBAGE, 0, NULL, CAUSE_MALFORMED, "handshake failed" },
		{ "suite", PEER_SHAKE, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM8", CAUSE_REFUSED,
		  "no parameters in common (handshake failure) (alert 40)" },
		{ "version", PEER_SHAKE, TLS1_1_VERSION, "ALL:@SECLEVEL=0", CAUSE_REFUSED, "alert" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = &certs.good, .greeting = rows[i].greeting,
					  .version = rows[i].version, .suites = rows[i].suites,
					  .answers = netbed_hello, .answers_n = 1 };
		struct trust *t = netbed_trust(&certs.ca);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client("localhost", p.port, t);
		netbed_ask(h, &a, "?", 600, 100);
		netbed_expect_error(rows[i].what, &a, NET_TLS, rows[i].kind, rows[i].text);
		if (rows[i].kind == CAUSE_TIMEOUT)
			assert_true(a.took_ms >= 590 && a.took_ms < 3000);
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void connecting_has_its_own_deadline(void **state)
{
	struct peer_plan plan = { .cert = &certs.good, .greeting = PEER_SILENT };
	struct http_server server = { .connect_ms = 300 };
	struct trust *t = netbed_trust(&certs.ca);
	struct netbed_ask a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	server.trust = t;
	assert_int_equal(net_place_parse(TEXT("localhost"), p.port, &server.place), 0);
	assert_int_equal(http_new(&server, &h), 0);
	netbed_ask(h, &a, "?", 10000, 100);
	netbed_expect_error("connect", &a, NET_TLS, CAUSE_TIMEOUT,
			    "waited 300 ms in vain for the handshake");
	assert_true(a.took_ms < 3000);
	http_free(h);
	peer_stop(&p);
	trust_free(t);
}

static void nobody_listening_is_a_connect_error(void **state)
{
	struct peer_plan plan = { .cert = &certs.good };
	struct trust *t = netbed_trust(&certs.ca);
	struct net_error why = { 0 };
	struct cause cause = { 0 };
	struct netbed_ask a;
	struct peer p;
	struct http *h;
	uint16_t port;

	(void)state;
	peer_start(&p, &plan);
	port = p.port;
	peer_stop(&p);
	h = netbed_client("127.0.0.1", port, t);
	netbed_ask(h, &a, "?", 5000, 100);
	netbed_expect_error("refused", &a, NET_CONNECT, CAUSE_LINK_LOST, "Connection refused");
	assert_int_equal(a.why.code, ECONNREFUSED);
	net_error_cause(&a.why, &cause);
	assert_string_equal(cause.from, "connect");
	net_error_cause(&why, &cause);
	assert_int_equal(cause.code, ECONNREFUSED);
	http_free(h);
	trust_free(t);
}

static void cancelled_in_every_phase_nothing_is_called(void **state)
{
	static const enum peer_greeting greetings[] = { PEER_SHAKE, PEER_SILENT, PEER_SHAKE, PEER_SHAKE };
	static const struct peer_answer hang[] = { { NULL, 0, PEER_HANG } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(greetings); i++) {
		struct peer_plan plan = { .cert = &certs.good, .greeting = greetings[i], .answers = hang,
					  .answers_n = 1 };
		struct ev_alarm guard = { .fired = netbed_quit };
		struct trust *t = netbed_trust(&certs.ca);
		struct netbed_ask a = { 0 };
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client("localhost", p.port, t);
		a.request = (struct http_request){ .path = "/", .patience_ms = 5000, .answer_max = 9,
						   .done = netbed_done };
		http_submit(h, &a.request);
		/* At once, and after as long as each phase may take. */
		if (i > 0) {
			ev_alarm_start(&guard, i * 100);
			ev_main();
		}
		if (i == 2)
			http_free(h);
		else
			http_cancel(h, &a.request);
		ev_alarm_start(&guard, 50);
		ev_main();
		assert_false(a.done);
		if (i != 2)
			http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

/* --- answers --- */

static char huge[300000];

static void answers_are_read_or_refused_with_words(void **state)
{
	static const struct {
		const char *what;
		struct peer_answer answer;
		int status;
		const char *body;       /* NULL: an error */
		enum cause_kind kind;
		const char *text;
	} rows[] = {
		{ "length", { OK_HELLO, 0, PEER_STAY }, 200, "hello", 0, NULL },
		{ "chunked", { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			       "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n", 0, PEER_STAY },
		  200, "hello", 0, NULL },
		{ "until close", { "HTTP/1.1 200 OK\r\n\r\nhello", 0, PEER_CLOSE }, 200, "hello", 0, NULL },
		{ "until close, HTTP/1.0", { "HTTP/1.0 200 OK\r\n\r\nhello", 0, PEER_CLOSE }, 200, "hello",
		  0, NULL },
		{ "interim", { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK_HELLO,
			       0, PEER_STAY }, 200, "hello", 0, NULL },
		{ "204", { "HTTP/1.1 204 No Content\r\n\r\n", 0, PEER_STAY }, 204, "", 0, NULL },
		{ "404", { "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 0, PEER_STAY }, 404, "no",
		  0, NULL },
		{ "500", { "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 0, PEER_CLOSE }, 500, "", 0,
		  NULL },
		{ "cut in the head", { "HTTP/1.1 200 OK\r\nContent-", 0, PEER_DROP }, 0, NULL,
		  CAUSE_LINK_LOST, "breaks off after 0" },
		{ "cut in the body", { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, PEER_DROP }, 0,
		  NULL, CAUSE_LINK_LOST, "breaks off after 3" },
		{ "closed in the body", { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, PEER_CLOSE },
		  0, NULL, CAUSE_LINK_LOST, "breaks off after 3" },
		{ "cut in a chunk", { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0,
				      PEER_CLOSE }, 0, NULL, CAUSE_LINK_LOST, "breaks off after 3" },
		{ "until close, without close_notify", { "HTTP/1.1 200 OK\r\n\r\nhello", 0, PEER_DROP }, 0,
		  NULL, CAUSE_LINK_LOST, "breaks off after 5" },
		{ "no answer", { NULL, 0, PEER_CLOSE }, 0, NULL, CAUSE_LINK_LOST, "without an answer" },
		{ "silence", { NULL, 0, PEER_HANG }, 0, NULL, CAUSE_TIMEOUT, "for the answer of localhost" },
		{ "silence in the body", { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, PEER_HANG },
		  0, NULL, CAUSE_TIMEOUT, "for the answer of localhost" },
		{ "no HTTP", { "SSH-2.0-x\r\n\r\n", 0, PEER_HANG }, 0, NULL, CAUSE_MALFORMED, "status line" },
		{ "huge, said", { "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", 0, PEER_HANG }, 0,
		  NULL, CAUSE_MALFORMED, "too large" },
		{ "huge, not said", { huge, 0, PEER_CLOSE }, 0, NULL, CAUSE_MALFORMED, "too large" },
		{ "compressed", { "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", 0, PEER_HANG }, 0,
		  NULL, CAUSE_MALFORMED, "content coding" },
	};
	static const unsigned slices[] = { 0, 1, 7 };

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	memcpy(huge, "HTTP/1.1 200 OK\r\n\r\n", 19);
	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(slices); i++) {
		size_t r = i / ARRAY_SIZE(slices);
		unsigned slice = slices[i % ARRAY_SIZE(slices)];
		struct peer_plan plan = { .cert = &certs.good, .answers = &rows[r].answer, .answers_n = 1,
					  .slice = rows[r].answer.octets == huge ? slice * 1000 : slice };
		struct trust *t = netbed_trust(&certs.ca);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client("localhost", p.port, t);
		netbed_ask(h, &a, "?", rows[r].kind == CAUSE_TIMEOUT ? 2000 : 8000, 100000);
		if (rows[r].body) {
			if (net_error_is_set(&a.why))
				fail_msg("%s: %s", rows[r].what, a.why.text);
			assert_int_equal(a.request.status, rows[r].status);
			netbed_expect_body(&a, rows[r].body);
		} else {
			bool before = strstr(rows[r].text, "content type") != NULL;

			netbed_expect_error(rows[r].what, &a, before ? NET_CONTENT : NET_HTTP, rows[r].kind,
				     rows[r].text);
		}
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void requests_are_exact(void **state)
{
	struct peer_plan plan = { .cert = &certs.good, .answers = netbed_hello, .answers_n = 1,
				  .slice = 3 };
	struct trust *t = netbed_trust(&certs.ca);
	char want[512];
	struct netbed_ask a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = netbed_client("localhost", p.port, t);
	netbed_ask(h, &a, "abc", 5000, 100);
	netbed_expect_body(&a, "hello");
	snprintf(want, sizeof(want),
		 "POST /gsma/rsp2/asn1 HTTP/1.1\r\nHost: localhost:%u\r\nUser-Agent: gsma-rsp-ipad\r\n"
		 "Content-Type: application/x-gsma-rsp-asn1\r\nContent-Length: 3\r\n\r\nabc", p.port);
	assert_string_equal(p.seen->request, want);
	http_free(h);
	peer_stop(&p);
	trust_free(t);
}

/* --- connections and sessions --- */

static void one_connection_carries_a_procedure(void **state)
{
	struct peer_plan plan = { .cert = &certs.good, .answers = netbed_hello, .answers_n = 1 };
	struct trust *t = netbed_trust(&certs.ca);
	struct netbed_ask a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = netbed_client("localhost", p.port, t);
	for (unsigned i = 1; i <= 5; i++) {
		netbed_ask(h, &a, "?", 5000, 100);
		netbed_expect_body(&a, "hello");
		assert_int_equal(p.seen->requests, i);
		assert_int_equal(p.seen->connections, 1);
	}
	http_free(h);
	peer_stop(&p);
	trust_free(t);
}

static void sessions_are_resumed(void **state)
{
	static const struct {
		int version;
		bool no_tickets;
	} rows[] = { { TLS1_2_VERSION, false }, { TLS1_2_VERSION, true }, { 0, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = &certs.good, .version = rows[i].version,
					  .no_tickets = rows[i].no_tickets, .answers = netbed_hello, .answers_n = 1 };
		struct trust *t = netbed_trust(&certs.ca);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client("localhost", p.port, t);
		for (unsigned k = 0; k < 3; k++) {
			netbed_ask(h, &a, "?", 5000, 100);
			netbed_expect_body(&a, "hello");
			assert_int_equal(http_resumed(h), k > 0);
			assert_int_equal(p.seen->resumed, k);
			assert_int_equal(p.seen->handshakes, k + 1);
			http_close(h);
		}
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void a_session_is_not_resumed_under_another_trust(void **state)
{
	struct peer_plan plan = { .cert = &certs.good, .answers = netbed_hello, .answers_n = 1 };
	struct trust *t = netbed_trust(&certs.ca);
	char why[TRUST_WHY_MAX];
	struct netbed_ask a;
	struct peer p;
	struct http *h;
	unsigned n;
	size_t len;
	uint8_t *der = pki_der(&certs.other_ca, &len);

	(void)state;
	peer_start(&p, &plan);
	h = netbed_client("localhost", p.port, t);
	netbed_ask(h, &a, "?", 5000, 100);
	netbed_expect_body(&a, "hello");
	http_close(h);
	assert_int_equal(trust_add(t, octets_from(der, len), &n, why), 0);
	netbed_ask(h, &a, "?", 5000, 100);
	netbed_expect_body(&a, "hello");
	assert_false(http_resumed(h));
	assert_int_equal(p.seen->resumed, 0);
	http_free(h);
	peer_stop(&p);
	trust_free(t);
	free(der);
}

static void a_stale_connection_is_replaced_once(void **state)
{
	static const struct peer_answer then_gone[] = { { OK_HELLO, 0, PEER_CLOSE } };
	static const struct peer_answer dies[] = { { OK_HELLO, 0, PEER_STAY }, { NULL, 0, PEER_ABORT } };
	static const struct peer_answer half[] = { { OK_HELLO, 0, PEER_STAY },
						   { "HTTP/1.1 2", 0, PEER_DROP } };
	static const struct {
		const struct peer_answer *answers;
		unsigned n, requests, connections;
		enum net_layer layer;
		const char *text;
	} rows[] = {
		/* Gone before the second request: nobody notices. */
		{ then_gone, 1, 2, 2, 0, NULL },
		/* Gone because of the second request: once more, then told. */
		{ dies, 2, 3, 2, NET_TLS, "connection broken" },
		/* Not if a part of an answer came. */
		{ half, 2, 2, 1, NET_HTTP, "breaks off" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = &certs.good, .answers = rows[i].answers,
					  .answers_n = rows[i].n };
		struct trust *t = netbed_trust(&certs.ca);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client("localhost", p.port, t);
		netbed_ask(h, &a, "?", 5000, 100);
		netbed_expect_body(&a, "hello");
		netbed_ask(h, &a, "?", 5000, 100);
		if (rows[i].text)
			netbed_expect_error(rows[i].text, &a, rows[i].layer, CAUSE_LINK_LOST, rows[i].text);
		else
			netbed_expect_body(&a, "hello");
		assert_int_equal(p.seen->requests, rows[i].requests);
		assert_int_equal(p.seen->connections, rows[i].connections);
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void leave_is_taken_in_order(void **state)
{
	struct peer_plan plan = { .cert = &certs.good, .answers = netbed_hello, .answers_n = 1 };
	struct ev_alarm guard = { .fired = netbed_quit };
	struct trust *t = netbed_trust(&certs.ca);
	struct netbed_ask a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = netbed_client("localhost", p.port, t);
	netbed_ask(h, &a, "?", 5000, 100);
	netbed_expect_body(&a, "hello");
	http_close(h);
	for (unsigned i = 0; i < 200 && !p.seen->farewells; i++) {
		ev_alarm_start(&guard, 10);
		ev_main();
	}
	assert_int_equal(p.seen->farewells, 1);
	http_free(h);
	peer_stop(&p);
	trust_free(t);
}

/* --- the eIM link --- */

struct exchanging {
	struct eim_exchange x;
	struct cause why;
	bool done;
};

static void on_exchanged(struct eim_exchange *x, const struct cause *why)
{
	struct exchanging *e = container_of(x, struct exchanging, x);

	if (why)
		e->why = *why;
	e->done = true;
	ev_quit();
}

#define ASN1 "Content-Type: application/x-gsma-rsp-asn1\r\n"

static void the_eim_link_tells_replies_from_everything_else(void **state)
{
	static const struct {
		const char *answer;
		const char *reply;      /* NULL: an error */
		enum cause_kind kind;
		const char *from;
		int code;
		const char *text;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\n" ASN1 "Content-Length: 2\r\n\r\nab", "ab", 0, NULL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab", 0, NULL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Type: Application/X-gsma-rsp-asn1; v=1\r\n"
		  "Content-Length: 2\r\n\r\nab", "ab", 0, NULL, 0, NULL },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "", 0, NULL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 0, NULL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nab", NULL,
		  CAUSE_MALFORMED, "content", 200, "content: localhost answers with text/html instead of "
		  "application/x-gsma-rsp-asn1: is it the right server?" },
		{ "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", NULL, CAUSE_REFUSED, "http", 400,
		  "http: localhost answers with status 400" },
		{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", NULL, CAUSE_REFUSED, "http", 404,
		  "http: localhost knows no such path (/" },
		{ "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nab", NULL, CAUSE_REFUSED, "http", 503,
		  "status 503" },
		{ "HTTP/1.1 302 Found\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n", NULL,
		  CAUSE_REFUSED, "http", 302, "redirect" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_answer answer = { rows[i].answer, 0, PEER_STAY };
		struct peer_plan plan = { .cert = &certs.good, .answers = &answer, .answers_n = 1 };
		struct trust *t = netbed_pin(&certs.good, false, false);
		struct esipa_https options = { .trust = t };
		struct exchanging e = { .x = { .request = (const uint8_t *)"\xbf\x4f\x00", .request_n = 3,
					       .patience_ms = 5000, .done = on_exchanged } };
		struct eim_link *link;
		struct peer p;

		peer_start(&p, &plan);
		assert_int_equal(net_place_parse(TEXT("localhost"), p.port, &options.place), 0);
		assert_int_equal(esipa_https_new(&options, &link), 0);
		eim_exchange(link, &e.x);
		netbed_run();
		assert_true(e.done);
		if (rows[i].reply) {
			assert_false(cause_is_set(&e.why));
			assert_int_equal(e.x.reply_n, strlen(rows[i].reply));
			assert_memory_equal(e.x.reply, rows[i].reply, e.x.reply_n);
			free(e.x.reply);
		} else {
			assert_int_equal(e.why.kind, rows[i].kind);
			assert_string_equal(e.why.from, rows[i].from);
			assert_int_equal(e.why.code, rows[i].code);
			assert_non_null(strstr(e.x.text, rows[i].text));
			assert_null(e.x.reply);
		}
		assert_non_null(strstr(p.seen->request, "POST /gsma/rsp2/asn1 HTTP/1.1\r\n"));
		assert_non_null(strstr(p.seen->request, "\r\nUser-Agent: gsma-rsp-ipad\r\n"));
		assert_non_null(strstr(p.seen->request, "\r\nX-Admin-Protocol: gsma/rsp/v2.1.0\r\n"));
		assert_non_null(strstr(p.seen->request, "\r\nContent-Type: application/x-gsma-rsp-asn1\r\n"));
		eim_close(link);
		eim_free(link);
		peer_stop(&p);
		trust_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NETBED_LOOP(handshakes_that_fail_say_how),
		NETBED_LOOP(connecting_has_its_own_deadline),
		NETBED_LOOP(nobody_listening_is_a_connect_error),
		NETBED_LOOP(cancelled_in_every_phase_nothing_is_called),
		NETBED_LOOP(answers_are_read_or_refused_with_words),
		NETBED_LOOP(requests_are_exact),
		NETBED_LOOP(one_connection_carries_a_procedure),
		NETBED_LOOP(sessions_are_resumed),
		NETBED_LOOP(a_session_is_not_resumed_under_another_trust),
		NETBED_LOOP(a_stale_connection_is_replaced_once),
		NETBED_LOOP(leave_is_taken_in_order),
		NETBED_LOOP(the_eim_link_tells_replies_from_everything_else),
	};

	return cmocka_run_group_tests(tests, netbed_certificates, netbed_free_certificates);
}
