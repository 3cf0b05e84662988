/* The HTTP parser: a table of answers, each in every cutting; and the forms of host and port. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "net/http_parse.h"
#include "net/names.h"

struct outcome {
	enum http_got end;
	struct http_parse p;
	char body[256];
	size_t body_n, left;
};

static void feed(struct outcome *o, const char *octets, size_t n, size_t step)
{
	o->body_n = 0;
	o->end = HTTP_GOT_NOTHING;
	http_parse_init(&o->p);
	for (size_t at = 0; at < n && o->end == HTTP_GOT_NOTHING; at += step) {
		struct text part = text_from(octets + at, MIN(step, n - at)), body;

		while ((o->end = http_parse(&o->p, &part, &body)) == HTTP_GOT_BODY ||
		       o->end == HTTP_GOT_HEAD) {
			if (o->end == HTTP_GOT_HEAD)
				continue;
			assert_true(o->body_n + body.n <= sizeof(o->body));
			memcpy(o->body + o->body_n, body.s, body.n);
			o->body_n += body.n;
		}
		o->left = part.n;
	}
}

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void answers_come_out_however_they_are_cut(void **state)
{
	static const struct {
		const char *what, *octets;
		enum http_got end;
		int status;
		const char *body;       /* or the fault */
		bool keep, ends;        /* ends: complete if the server closes now */
	} rows[] = {
		{ "length", OK "Content-Length: 5\r\n\r\nhello", HTTP_GOT_END, 200, "hello", true, true },
		{ "bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", HTTP_GOT_END, 200, "hello", true,
		  true },
		{ "no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", HTTP_GOT_END, 200, "", true, true },
		{ "any case", OK "CONTENT-LENGTH:5\r\n\r\nhello", HTTP_GOT_END, 200, "hello", true, true },
		{ "short", OK "Content-Length: 6\r\n\r\nhello", HTTP_GOT_NOTHING, 200, "hello", true, false },
		{ "in the head", OK "Content-Length: 6\r\n", HTTP_GOT_NOTHING, 200, "", false, false },
		{ "until close", OK "\r\nhello", HTTP_GOT_NOTHING, 200, "hello", false, true },
		{ "chunked", CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", HTTP_GOT_END, 200, "hello", true, true },
		{ "chunk extensions", CHUNKED "5;a=\"b\"\r\nhello\r\n00 ;x\r\n\r\n", HTTP_GOT_END, 200, "hello",
		  true, true },
		{ "trailers", CHUNKED "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", HTTP_GOT_END, 200, "hello",
		  true, true },
		{ "cut chunk", CHUNKED "5\r\nhel", HTTP_GOT_NOTHING, 200, "hel", true, false },
		{ "no last chunk", CHUNKED "5\r\nhello\r\n", HTTP_GOT_NOTHING, 200, "hello", true, false },
		{ "interim", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
		  HTTP_GOT_END, 200, "x", true, true },
		{ "204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP_GOT_END, 204, "", true,
		  true },
		{ "equal lengths", OK "Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello", HTTP_GOT_END,
		  200, "hello", true, true },
		{ "coding and length", OK "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\nx\r\n0\r\n\r\n", HTTP_GOT_END, 200, "x", false, true },
		{ "close", OK "Connection: Upgrade, Close\r\nContent-Length: 0\r\n\r\n", HTTP_GOT_END, 200, "",
		  false, true },
		{ "1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_GOT_END, 200, "", false, true },
		{ "1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		  HTTP_GOT_END, 200, "", true, true },
		{ "empty line before", "\r\n" OK "Content-Length: 0\r\n\r\n", HTTP_GOT_END, 200, "", true, true },
		{ "folded", OK "X: a\r\n  b\r\nContent-Length: 0\r\n\r\n", HTTP_GOT_END, 200, "", true, true },
		{ "identity", OK "Content-Encoding: identity\r\nContent-Length: 0\r\n\r\n", HTTP_GOT_END, 200,
		  "", true, true },

		{ "no HTTP", "ICY 200 OK\r\n\r\n", HTTP_GOT_FAULT, 0, "no HTTP status line", false, false },
		{ "HTTP/2", "HTTP/2 200\r\n\r\n", HTTP_GOT_FAULT, 0, "no HTTP status line", false, false },
		{ "status of two digits", "HTTP/1.1 20 OK\r\n\r\n", HTTP_GOT_FAULT, 0, "no HTTP status line",
		  false, false },
		{ "status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", HTTP_GOT_FAULT, 0,
		  "no HTTP status line", false, false },
		{ "101", "HTTP/1.1 101 Switching\r\n\r\n", HTTP_GOT_FAULT, 101,
		  "a change of protocol that was not asked for", false, false },
		{ "different lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "two different lengths", false, false },
		{ "negative", OK "Content-Length: -5\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "Content-Length is no number", false, false },
		{ "overflow", OK "Content-Length: 99999999999999999999\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "Content-Length is no number", false, false },
		{ "empty", OK "Content-Length:\r\n\r\n", HTTP_GOT_FAULT, 200, "Content-Length is empty", false,
		  false },
		{ "folded length", OK "Content-Length: 5\r\n 0\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "a folded header line", false, false },
		{ "gzip coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "a transfer coding other than chunked", false, false },
		{ "compressed", OK "Content-Encoding: br\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "a content coding that was not asked for", false, false },
		{ "no name", OK ": x\r\n\r\n", HTTP_GOT_FAULT, 200, "a header line without a name", false,
		  false },
		{ "no colon", OK "nonsense\r\n\r\n", HTTP_GOT_FAULT, 200, "a header line without a name", false,
		  false },
		{ "chunk size", CHUNKED "x\r\n", HTTP_GOT_FAULT, 200, "a chunk without a size", true, false },
		{ "chunk size 2^32", CHUNKED "100000000\r\n", HTTP_GOT_FAULT, 200, "a chunk without a size",
		  true, false },
		{ "chunk too long", CHUNKED "2\r\nhello\r\n0\r\n\r\n", HTTP_GOT_FAULT, 200,
		  "a chunk longer than its size", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].octets);

		for (size_t step = 1; step <= n; step++) {
			struct outcome o;

			feed(&o, rows[i].octets, n, step);
			if (o.end != rows[i].end || o.p.status != rows[i].status)
				fail_msg("%s in steps of %zu: %d, status %d, %s", rows[i].what, step, o.end,
					 o.p.status, o.p.fault ? o.p.fault : "no fault");
			if (o.end == HTTP_GOT_FAULT) {
				assert_string_equal(o.p.fault, rows[i].body);
				continue;
			}
			assert_int_equal(o.body_n, strlen(rows[i].body));
			assert_memory_equal(o.body, rows[i].body, o.body_n);
			assert_int_equal(http_parse_ends(&o.p), rows[i].ends);
			if (o.p.expect != HTTP_EXPECT_HEADER)
				assert_int_equal(o.p.keep, rows[i].keep);
		}
	}
}

static void what_follows_an_answer_is_left(void **state)
{
	static const char two[] = OK "Content-Length: 1\r\n\r\nxHTTP/1.1";
	struct outcome o;

	(void)state;
	feed(&o, two, sizeof(two) - 1, sizeof(two));
	assert_int_equal(o.end, HTTP_GOT_END);
	assert_int_equal(o.left, 8);
}

static void lines_and_heads_have_a_bound(void **state)
{
	static char octets[HTTP_HEAD_MAX * 2];
	struct outcome o;
	size_t n;

	(void)state;
	n = (size_t)snprintf(octets, sizeof(octets), OK "X: ");
	memset(octets + n, 'x', HTTP_LINE_MAX);
	feed(&o, octets, n + HTTP_LINE_MAX, 1000);
	assert_string_equal(o.p.fault, "a line that is too long");
	for (n = (size_t)snprintf(octets, sizeof(octets), OK); n < sizeof(octets) - 10;)
		n += (size_t)snprintf(octets + n, sizeof(octets) - n, "X: yz\r\n");
	feed(&o, octets, n, 1000);
	assert_string_equal(o.p.fault, "too many headers");
	/* Interim answers without end. */
	for (n = 0; n < sizeof(octets) - 40;)
		n += (size_t)snprintf(octets + n, sizeof(octets) - n, "HTTP/1.1 102 x\r\n\r\n");
	feed(&o, octets, n, 1000);
	assert_string_equal(o.p.fault, "too many headers");
}

static void content_types_are_compared_without_parameters(void **state)
{
	(void)state;
	assert_true(http_type_is("application/json", "application/json"));
	assert_true(http_type_is("Application/JSON ; charset=utf-8", "application/json"));
	assert_false(http_type_is("application/jsonp", "application/json"));
	assert_false(http_type_is("", "application/json"));
}

static void hosts_and_ports_are_told_apart(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		int r;
	} rows[] = {
		{ "eim.example", "eim.example", 443, 0 },
		{ "eim.example.", "eim.example", 443, 0 },
		{ "eim.example:8443", "eim.example", 8443, 0 },
		{ "192.0.2.1", "192.0.2.1", 443, 0 },
		{ "192.0.2.1:1", "192.0.2.1", 1, 0 },
		{ "2001:db8::1", "2001:db8::1", 443, 0 },
		{ "[2001:db8::1]", "2001:db8::1", 443, 0 },
		{ "[2001:db8::1]:65535", "2001:db8::1", 65535, 0 },
		{ "a_b-c.d1", "a_b-c.d1", 443, 0 },
		{ "", NULL, 0, -EINVAL },
		{ ".", NULL, 0, -EINVAL },
		{ ":443", NULL, 0, -EINVAL },
		{ "a..b", NULL, 0, -EINVAL },
		{ ".a", NULL, 0, -EINVAL },
		{ "eim example", NULL, 0, -EINVAL },
		{ "https://eim.example", NULL, 0, -EINVAL },
		{ "eim.example/x", NULL, 0, -EINVAL },
		{ "eim.example:", NULL, 0, -EINVAL },
		{ "eim.example:x", NULL, 0, -EINVAL },
		{ "eim.example:0", NULL, 0, -ERANGE },
		{ "eim.example:65536", NULL, 0, -ERANGE },
		{ "[eim.example]", NULL, 0, -EINVAL },
		{ "[192.0.2.1]", NULL, 0, -EINVAL },
		{ "[2001:db8::1", NULL, 0, -EINVAL },
		{ "[2001:db8::1]443", NULL, 0, -EINVAL },
		{ "2001:db8::g", NULL, 0, -EINVAL },
		{ "e\r\nX: y", NULL, 0, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_place place = { .port = 7 };
		int r = net_place_parse(text_of(rows[i].text), 443, &place);

		if (r != rows[i].r)
			fail_msg("%s: %d instead of %d", rows[i].text, r, rows[i].r);
		assert_int_equal(place.port, r ? 7 : rows[i].port);
		if (r == 0)
			assert_string_equal(place.host, rows[i].host);
	}
	assert_int_equal(net_place_parse(text_from("a\0b", 3), 443, &(struct net_place){ 0 }), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_out_however_they_are_cut),
		cmocka_unit_test(what_follows_an_answer_is_left),
		cmocka_unit_test(lines_and_heads_have_a_bound),
		cmocka_unit_test(content_types_are_compared_without_parameters),
		cmocka_unit_test(hosts_and_ports_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
