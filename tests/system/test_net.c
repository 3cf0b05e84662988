/*
 * The network layer against a real TLS server that misbehaves in every way we can think of: each
 * failure is told by its layer and in words. Everything stays on loopback.
 */
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/ev.h"
#include "esipa/https.h"
#include "net/crypto.h"
#include "net/http.h"
#include "net/verify.h"
#include "support/tls_peer.h"

#define GUARD_MS 20000

/* --- what all tests share --- */

static struct pki ca, other_ca, middle, good, by_middle, wrong_name, wildcard, expired, future, self,
	self_future, by_address, name_only, rsa, client_only, gsma_ca, by_gsma,
	false_middle, forged, false_self;

static int make_certificates(void **state)
{
	(void)state;
	ca = pki_make(&(struct pki_spec){ .cn = "Test CA", .ca = true });
	other_ca = pki_make(&(struct pki_spec){ .cn = "Other CA", .ca = true });
	middle = pki_make(&(struct pki_spec){ .cn = "Middle CA", .ca = true, .issuer = &ca });
	gsma_ca = pki_make(&(struct pki_spec){ .cn = "Policy CI", .ca = true, .policies = true });
	good = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost", .issuer = &ca });
	by_middle = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost", .issuer = &middle });
	by_gsma = pki_make(&(struct pki_spec){ .cn = "dp", .san = "DNS:localhost", .issuer = &gsma_ca });
	wrong_name = pki_make(&(struct pki_spec){ .cn = "localhost", .san = "DNS:eim.example",
						  .issuer = &ca });
	wildcard = pki_make(&(struct pki_spec){ .cn = "x", .san = "DNS:*.eim.localhost", .issuer = &ca });
	expired = pki_make(&(struct pki_spec){ .cn = "old", .san = "DNS:localhost", .issuer = &ca,
					       .from_s = -7200, .to_s = -3600 });
	future = pki_make(&(struct pki_spec){ .cn = "new", .san = "DNS:localhost", .issuer = &ca,
					      .from_s = 3600, .to_s = 7200 });
	self = pki_make(&(struct pki_spec){ .cn = "self", .san = "DNS:eim.example" });
	self_future = pki_make(&(struct pki_spec){ .cn = "self", .from_s = 3600, .to_s = 7200 });
	by_address = pki_make(&(struct pki_spec){ .cn = "ip", .san = "IP:127.0.0.1", .issuer = &ca });
	name_only = pki_make(&(struct pki_spec){ .cn = "localhost", .issuer = &ca });
	rsa = pki_make(&(struct pki_spec){ .cn = "rsa", .san = "DNS:localhost", .issuer = &ca, .rsa = true });
	client_only = pki_make(&(struct pki_spec){ .cn = "client", .san = "DNS:localhost", .issuer = &ca,
						   .client_only = true });
	/* Names of others, keys of one's own. */
	false_middle = pki_make(&(struct pki_spec){ .cn = "Middle CA", .ca = true });
	forged = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost", .issuer = &false_middle });
	false_self = pki_make(&(struct pki_spec){ .cn = "self", .san = "DNS:localhost" });
	return 0;
}

static int free_certificates(void **state)
{
	struct pki *all[] = { &ca, &other_ca, &middle, &good, &by_middle, &wrong_name, &wildcard, &expired,
			      &future, &self, &self_future, &by_address, &name_only, &rsa,
			      &client_only, &gsma_ca, &by_gsma, &false_middle, &forged,
			      &false_self };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		pki_free(all[i]);
	crypto_close();
	return 0;
}

static struct trust *trust_in(const struct pki *p)
{
	char why[TRUST_WHY_MAX];
	struct trust *t;
	unsigned n = 0;
	size_t len;
	uint8_t *der;

	assert_int_equal(trust_new(&t), 0);
	if (!p)
		return t;
	der = pki_der(p, &len);
	assert_int_equal(trust_add(t, octets_from(der, len), &n, why), 0);
	assert_int_equal(n, 1);
	free(der);
	return t;
}

static struct trust *pin_of(const struct pki *p, bool certificate, bool whole)
{
	char why[TRUST_WHY_MAX];
	struct trust *t;
	uint8_t a6[4096];
	size_t n = pki_pin(p, certificate, whole, a6, sizeof(a6));

	assert_int_equal(trust_new(&t), 0);
	assert_int_equal(trust_pin(t, octets_from(a6, n), why), 0);
	return t;
}

/* One request and what came of it. */
struct asking {
	struct http_request request;
	struct net_error why;
	bool done;
	uint64_t took_ms;
};

static void on_done(struct http_request *q, const struct net_error *why)
{
	struct asking *a = container_of(q, struct asking, request);

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

static void run(void)
{
	struct ev_alarm guard = { .fired = on_guard };

	ev_alarm_start(&guard, GUARD_MS);
	ev_main();
	ev_alarm_stop(&guard);
}

static const struct http_header headers[] = {
	{ "User-Agent", "gsma-rsp-ipad" },
	{ "Content-Type", "application/x-gsma-rsp-asn1" },
};

static void ask(struct http *h, struct asking *a, const char *body, unsigned patience_ms, size_t max)
{
	uint64_t start = ev_now_ms();

	*a = (struct asking){ .request = {
		.path = "/gsma/rsp2/asn1", .headers = headers, .headers_n = ARRAY_SIZE(headers),
		.body = body, .body_n = strlen(body), .patience_ms = patience_ms, .answer_max = max,
		.done = on_done } };
	http_submit(h, &a->request);
	assert_false(a->done);
	run();
	assert_true(a->done);
	a->took_ms = ev_now_ms() - start;
}

static struct http *client(const char *host, uint16_t port, const struct trust *t)
{
	struct http_server server = { .trust = t, .connect_ms = 5000 };
	struct http *h;

	assert_int_equal(net_place_parse(text_of(host), port, &server.place), 0);
	assert_int_equal(http_new(&server, &h), 0);
	return h;
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static const struct peer_answer hello[] = { { OK_HELLO, 0, PEER_STAY } };

static void expect_body(struct asking *a, const char *body)
{
	if (net_error_is_set(&a->why))
		fail_msg("%s: %s", net_layer_name(a->why.layer), a->why.text);
	assert_int_equal(a->request.answer_n, strlen(body));
	assert_memory_equal(a->request.answer, body, strlen(body));
	free(a->request.answer);
}

static void expect_error(const char *row, struct asking *a, enum net_layer layer, enum cause_kind kind,
			 const char *text)
{
	if (!net_error_is_set(&a->why))
		fail_msg("%s: no error", row);
	if (a->why.layer != layer || a->why.kind != kind || !strstr(a->why.text, text))
		fail_msg("%s: got %s %s: %s", row, net_layer_name(a->why.layer),
			 cause_name(a->why.kind), a->why.text);
	assert_null(a->request.answer);
}

/* --- trust --- */

enum how { BY_CA, BY_KEY, BY_KEY_WHOLE, BY_CERT, BY_CERT_WHOLE };

static struct trust *trust_how(enum how how, const struct pki *p)
{
	switch (how) {
	case BY_CA:
		return trust_in(p);
	case BY_KEY:
	case BY_KEY_WHOLE:
		return pin_of(p, false, how == BY_KEY_WHOLE);
	case BY_CERT:
	case BY_CERT_WHOLE:
		return pin_of(p, true, how == BY_CERT_WHOLE);
	}
	return NULL;
}

static void servers_are_believed_or_refused_for_the_right_reason(void **state)
{
	static const struct {
		const char *what;
		const struct pki *cert, *chain;
		enum how how;
		const struct pki *trusted;
		const char *host;
		const char *refused;    /* NULL: believed */
	} rows[] = {
		{ "CA", &good, NULL, BY_CA, &ca, "localhost", NULL },
		{ "RSA", &rsa, NULL, BY_CA, &ca, "localhost", NULL },
		{ "CA above another", &by_middle, &middle, BY_CA, &ca, "localhost", NULL },
		{ "CA in the middle", &by_middle, &middle, BY_CA, &middle, "localhost", NULL },
		{ "chain with a hole", &by_middle, NULL, BY_CA, &ca, "localhost", "not signed by a trusted" },
		{ "CA with critical policies", &by_gsma, NULL, BY_CA, &gsma_ca, "localhost", NULL },
		{ "unknown CA", &good, NULL, BY_CA, &other_ca, "localhost", "not signed by a trusted" },
		{ "no CA at all", &good, NULL, BY_CA, NULL, "localhost", "no authority is configured" },
		{ "self-signed", &self, NULL, BY_CA, &ca, "localhost", "not signed by a trusted" },
		{ "wrong name", &wrong_name, NULL, BY_CA, &ca, "localhost", "is not for localhost" },
		{ "wildcard", &wildcard, NULL, BY_CA, &ca, "a.eim.localhost", NULL },
		{ "wildcard, two labels", &wildcard, NULL, BY_CA, &ca, "a.b.eim.localhost", "is not for" },
		{ "wildcard, none", &wildcard, NULL, BY_CA, &ca, "eim.localhost", "is not for" },
		{ "capitals", &good, NULL, BY_CA, &ca, "LocalHost", NULL },
		{ "closing dot", &good, NULL, BY_CA, &ca, "localhost.", NULL },
		{ "address", &by_address, NULL, BY_CA, &ca, "127.0.0.1", NULL },
		{ "address for a name", &good, NULL, BY_CA, &ca, "127.0.0.1", "is not for 127.0.0.1" },
		{ "name for an address", &by_address, NULL, BY_CA, &ca, "localhost", "is not for" },
		{ "common name only", &name_only, NULL, BY_CA, &ca, "localhost", NULL },
		{ "expired", &expired, NULL, BY_CA, &ca, "localhost", "has expired" },
		{ "not yet valid", &future, NULL, BY_CA, &ca, "localhost", "is the clock right?" },
		{ "for clients", &client_only, NULL, BY_CA, &ca, "localhost", "not meant for a server" },

		{ "its key", &good, NULL, BY_KEY, &good, "localhost", NULL },
		{ "its key, whole", &good, NULL, BY_KEY_WHOLE, &good, "localhost", NULL },
		{ "its key, RSA", &rsa, NULL, BY_KEY, &rsa, "localhost", NULL },
		{ "its key, self-signed, other name", &self, NULL, BY_KEY, &self, "127.0.0.1", NULL },
		{ "its key, before its time", &self_future, NULL, BY_KEY, &self_future, "localhost", NULL },
		{ "its key, expired", &expired, NULL, BY_KEY, &expired, "localhost", NULL },
		{ "another key", &good, NULL, BY_KEY, &self, "localhost", "does not lead to the pinned key" },
		{ "another key, self-signed", &self, NULL, BY_KEY, &good, "localhost", "pinned key" },
		{ "its CA's key, CA sent", &by_middle, &middle, BY_KEY, &middle, "localhost", NULL },
		{ "its CA's key, CA sent, wrong name", &by_middle, &middle, BY_KEY, &middle, "127.0.0.1",
		  "is not for" },
		{ "its CA's key, CA not sent", &by_middle, NULL, BY_KEY, &middle, "localhost", "pinned key" },
		{ "a CA's key that did not sign", &good, &other_ca, BY_KEY, &other_ca, "localhost",
		  "pinned key" },
		{ "forged under its CA, by key", &forged, &middle, BY_KEY, &middle, "localhost", "pinned key" },
		{ "forged under its CA, by certificate", &forged, &middle, BY_CERT, &middle, "localhost",
		  "pinned key" },
		{ "forged under a CA", &forged, &middle, BY_CA, &ca, "localhost", "not signed by a trusted" },
		{ "same name, by key", &false_self, &self, BY_KEY, &self, "localhost", "pinned key" },
		{ "same name, by certificate", &false_self, &self, BY_CERT, &self, "localhost", "pinned key" },
		{ "its certificate", &self, NULL, BY_CERT, &self, "localhost", NULL },
		{ "its certificate, whole", &self, NULL, BY_CERT_WHOLE, &self, "localhost", NULL },
		{ "its certificate, not self-signed", &by_middle, NULL, BY_CERT, &by_middle, "localhost", NULL },
		{ "its CA", &good, NULL, BY_CERT, &ca, "localhost", NULL },
		{ "its CA, in the middle", &by_middle, NULL, BY_CERT, &middle, "localhost", NULL },
		{ "its CA, whole", &good, NULL, BY_CERT_WHOLE, &ca, "localhost", NULL },
		{ "its CA, wrong name", &good, NULL, BY_CERT, &ca, "127.0.0.1", "is not for" },
		{ "its CA, expired", &expired, NULL, BY_CERT, &ca, "localhost", "has expired" },
		{ "its CA with critical policies", &by_gsma, NULL, BY_CERT, &gsma_ca, "localhost", NULL },
		{ "another CA", &good, NULL, BY_CERT, &other_ca, "localhost", "pinned key" },
		{ "no CA that signed", &good, NULL, BY_CERT, &wrong_name, "localhost", "pinned key" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = rows[i].cert, .chain = rows[i].chain, .answers = hello,
					  .answers_n = 1 };
		struct trust *t = trust_how(rows[i].how, rows[i].trusted);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client(rows[i].host, p.port, t);
		ask(h, &a, "?", 5000, 100);
		if (rows[i].refused)
			expect_error(rows[i].what, &a, NET_CERTIFICATE, CAUSE_REFUSED, rows[i].refused);
		else if (net_error_is_set(&a.why))
			fail_msg("%s: %s", rows[i].what, a.why.text);
		free(a.request.answer);
		http_free(h);
		/* Nothing was said to whom we do not believe. */
		assert_int_equal(p.seen->requests, rows[i].refused ? 0 : 1);
		peer_stop(&p);
		trust_free(t);
	}
}

static void names_go_out_and_addresses_do_not(void **state)
{
	static const struct {
		const char *host, *sni;
	} rows[] = { { "localhost", "localhost" }, { "127.0.0.1", "" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = &good, .answers = hello, .answers_n = 1 };
		struct trust *t = pin_of(&good, false, false);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client(rows[i].host, p.port, t);
		ask(h, &a, "?", 5000, 100);
		expect_body(&a, "hello");
		assert_string_equal(p.seen->sni, rows[i].sni);
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

/* A handshake alone, so that the server's name need not lead anywhere. */
struct shaking {
	struct tls_user user;
	struct tcp_connect tcp;
	struct tls_server server;
	struct tls *tls;
	struct net_error why;
	bool ready;
};

static void on_shaken(struct tls_user *u)
{
	container_of(u, struct shaking, user)->ready = true;
	ev_quit();
}

static void on_not_shaken(struct tls_user *u, const struct net_error *why)
{
	container_of(u, struct shaking, user)->why = *why;
	ev_quit();
}

static void on_reached(struct tcp_connect *c, int fd, const struct net_error *why)
{
	struct shaking *s = container_of(c, struct shaking, tcp);

	assert_null(why);
	assert_int_equal(tls_new(fd, &s->server, &s->user, &s->tls), 0);
}

static void shake(struct shaking *s, uint16_t port, const char *host, const struct trust *t)
{
	struct net_address to = { .n = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (struct sockaddr_in *)&to.sa;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*s = (struct shaking){ .user = { .ready = on_shaken, .closed = on_not_shaken },
			       .tcp = { .to = &to, .n = 1, .patience_ms = 1000, .done = on_reached },
			       .server = { .host = host, .trust = t } };
	tcp_start(&s->tcp);
	run();
	tls_free(s->tls);
}

#define PKI "tests/vectors/rsp/pki/"

/* The chain of SGP.26's kind: critical policies, registered identifiers, brainpool. */
static void servers_under_a_gsma_root_are_believed(void **state)
{
	static const struct {
		const char *pki, *name, *host;
		const char *refused;
	} rows[] = {
		{ PKI "nist", "dptls", "smdpp.rsp.test", NULL },
		{ PKI "nist", "eimtls", "eim.rsp.test", NULL },
		{ PKI "brp", "dptls", "smdpp.rsp.test", NULL },
		{ PKI "brp", "eimtls", "EIM.rsp.test", NULL },
		{ PKI "nist", "dptls", "eim.rsp.test", "is not for eim.rsp.test" },
		{ PKI "nist", "bad-dptls-expired", "smdpp.rsp.test", "has expired (on 2020-02-01)" },
		{ PKI "brp", "bad-dptls-expired", "smdpp.rsp.test", "has expired (on 2020-02-01)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pki cert = pki_load(rows[i].pki, rows[i].name);
		struct peer_plan plan = { .cert = &cert, .version = TLS1_2_VERSION, .answers = hello,
					  .answers_n = 1 };
		char why[TRUST_WHY_MAX], path[64];
		struct shaking s;
		struct trust *t;
		struct peer p;
		unsigned n;

		snprintf(path, sizeof(path), "%s/ci.der", rows[i].pki);
		assert_int_equal(trust_new(&t), 0);
		assert_int_equal(trust_add_path(t, path, &n, why), 0);
		peer_start(&p, &plan);
		shake(&s, p.port, rows[i].host, t);
		if (!rows[i].refused && !s.ready)
			fail_msg("%s %s: %s", rows[i].pki, rows[i].name, s.why.text);
		if (rows[i].refused && (s.ready || !strstr(s.why.text, rows[i].refused)))
			fail_msg("%s %s: %s", rows[i].pki, rows[i].name, s.why.text);
		peer_stop(&p);
		trust_free(t);
		pki_free(&cert);
	}
}

/* A library without 1.3 is told so by the server, and says so. */
static void a_server_that_wants_only_1_3_is_served_or_named(void **state)
{
	struct peer_plan plan = { .cert = &good, .version = TLS1_3_VERSION, .answers = hello,
				  .answers_n = 1 };
	struct trust *t = trust_in(&ca);
	struct shaking s;
	struct peer p;

	(void)state;
	peer_start(&p, &plan);
	shake(&s, p.port, "localhost", t);
	if (!s.ready) {
		assert_int_equal(s.why.layer, NET_TLS);
		assert_non_null(strstr(s.why.text, "protocol version not supported (alert 70)"));
	}
	print_message("TLS 1.3: %s\n", s.ready ? "spoken" : "not in this library");
	peer_stop(&p);
	trust_free(t);
}

static void authorities_come_from_files_of_every_form(void **state)
{
	static const struct {
		const char *path;
		unsigned n;
		int r;
		const char *why;
	} rows[] = {
		{ PKI "nist/ci.der", 1, 0, "" },
		{ PKI "nist/ci.pem", 1, 0, "" },
		{ PKI "nist/ci.key.pem", 0, -EBADMSG, "holds no certificate" },
		{ PKI "index.json", 0, -EBADMSG, "holds no certificate" },
		{ PKI "nonesuch", 0, -ENOENT, "No such file" },
		/* It has critical name constraints, which are not enforced. */
		{ PKI "nist/eum.der", 0, -EBADMSG, "a certificate cannot be used" },
		{ "/dev/null", 0, -EBADMSG, "holds no certificate" },
		/* All that can be used, and what is wrong with the rest. */
		{ PKI "nist", 99, 0, "certificate" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[TRUST_WHY_MAX];
		struct trust *t;
		unsigned n = 0;
		int r;

		assert_int_equal(trust_new(&t), 0);
		r = trust_add_path(t, rows[i].path, &n, why);
		if (r != rows[i].r || !strstr(why, rows[i].why))
			fail_msg("%s: %d, %s", rows[i].path, r, why);
		if (rows[i].n != 99)
			assert_int_equal(n, rows[i].n);
		else
			assert_true(n > 5);
		assert_int_equal(trust_count(t), n);
		trust_free(t);
	}
}

/* The judgement alone, as at the first boot of a gateway that has no clock. */
static void without_a_clock_only_what_is_pinned_is_believed(void **state)
{
	static const struct {
		const char *what;
		const struct pki *cert;
		enum how how;
		const struct pki *trusted;
		bool clock, believed;
	} rows[] = {
		{ "authority", &future, BY_CA, &ca, false, false },
		{ "pinned authority", &future, BY_CERT, &ca, false, true },
		{ "pinned authority, clock set", &future, BY_CERT, &ca, true, false },
		{ "pinned key", &future, BY_KEY, &future, false, true },
		{ "pinned key, clock set", &future, BY_KEY, &future, true, true },
		{ "another pinned authority", &future, BY_CERT, &other_ca, false, false },
		{ "another pinned key", &future, BY_KEY, &good, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trust *t = trust_how(rows[i].how, rows[i].trusted);
		struct verdict v = { .trust = t, .host = "localhost", .clock_is_set = rows[i].clock };
		mbedtls_x509_crt crt;
		uint32_t flags = 0;
		size_t n;
		uint8_t *der = pki_der(rows[i].cert, &n);
		int r;

		mbedtls_x509_crt_init(&crt);
		assert_int_equal(mbedtls_x509_crt_parse_der(&crt, der, n), 0);
		r = mbedtls_x509_crt_verify_with_profile(&crt, verify_anchors(t), NULL, &verify_profile,
							 NULL, &flags, verify_step, &v);
		if ((r == 0) != rows[i].believed || net_error_is_set(&v.error) == rows[i].believed)
			fail_msg("%s: %x %s", rows[i].what, (unsigned)flags, v.error.text);
		mbedtls_x509_crt_free(&crt);
		trust_free(t);
		free(der);
	}
}

static void a_certificate_that_comes_twice_counts_once(void **state)
{
	struct trust *t = trust_in(NULL);
	char why[TRUST_WHY_MAX];
	unsigned n = 0;

	(void)state;
	assert_int_equal(trust_add_path(t, PKI "nist/ci.der", &n, why), 0);
	assert_int_equal(n, 1);
	assert_int_equal(trust_add_path(t, PKI "nist/ci.pem", &n, why), 0);
	assert_int_equal(n, 0);
	assert_int_equal(trust_add_path(t, PKI "brp/ci.pem", &n, why), 0);
	assert_int_equal(n, 1);
	assert_int_equal(trust_count(t), 2);
	trust_free(t);
}

static void two_trusts_are_the_same_only_if_they_hold_the_same(void **state)
{
	struct trust *a = trust_in(&ca), *b = trust_in(&ca), *c = trust_in(&other_ca), *d = trust_in(NULL);
	struct trust *e = pin_of(&ca, true, false), *f = pin_of(&ca, false, false);
	struct trust *all[] = { a, c, d, e, f };

	(void)state;
	assert_memory_equal(trust_id(a), trust_id(b), TRUST_ID_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(trust_id(all[i]), trust_id(all[k]), TRUST_ID_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		trust_free(all[i]);
	trust_free(b);
}

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
		struct peer_plan plan = { .cert = &good, .greeting = rows[i].greeting,
					  .version = rows[i].version, .suites = rows[i].suites,
					  .answers = hello, .answers_n = 1 };
		struct trust *t = trust_in(&ca);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client("localhost", p.port, t);
		ask(h, &a, "?", 600, 100);
		expect_error(rows[i].what, &a, NET_TLS, rows[i].kind, rows[i].text);
		if (rows[i].kind == CAUSE_TIMEOUT)
			assert_true(a.took_ms >= 590 && a.took_ms < 3000);
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void connecting_has_its_own_deadline(void **state)
{
	struct peer_plan plan = { .cert = &good, .greeting = PEER_SILENT };
	struct http_server server = { .connect_ms = 300 };
	struct trust *t = trust_in(&ca);
	struct asking a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	server.trust = t;
	assert_int_equal(net_place_parse(TEXT("localhost"), p.port, &server.place), 0);
	assert_int_equal(http_new(&server, &h), 0);
	ask(h, &a, "?", 10000, 100);
	expect_error("connect", &a, NET_TLS, CAUSE_TIMEOUT, "waited 300 ms in vain for the handshake");
	assert_true(a.took_ms < 3000);
	http_free(h);
	peer_stop(&p);
	trust_free(t);
}

static void nobody_listening_is_a_connect_error(void **state)
{
	struct peer_plan plan = { .cert = &good };
	struct trust *t = trust_in(&ca);
	struct net_error why = { 0 };
	struct cause cause = { 0 };
	struct asking a;
	struct peer p;
	struct http *h;
	uint16_t port;

	(void)state;
	peer_start(&p, &plan);
	port = p.port;
	peer_stop(&p);
	h = client("127.0.0.1", port, t);
	ask(h, &a, "?", 5000, 100);
	expect_error("refused", &a, NET_CONNECT, CAUSE_LINK_LOST, "Connection refused");
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
		struct peer_plan plan = { .cert = &good, .greeting = greetings[i], .answers = hang,
					  .answers_n = 1 };
		struct ev_alarm guard = { .fired = on_guard };
		struct trust *t = trust_in(&ca);
		struct asking a = { 0 };
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client("localhost", p.port, t);
		a.request = (struct http_request){ .path = "/", .patience_ms = 5000, .answer_max = 9,
						   .done = on_done };
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
		struct peer_plan plan = { .cert = &good, .answers = &rows[r].answer, .answers_n = 1,
					  .slice = rows[r].answer.octets == huge ? slice * 1000 : slice };
		struct trust *t = trust_in(&ca);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client("localhost", p.port, t);
		ask(h, &a, "?", rows[r].kind == CAUSE_TIMEOUT ? 2000 : 8000, 100000);
		if (rows[r].body) {
			if (net_error_is_set(&a.why))
				fail_msg("%s: %s", rows[r].what, a.why.text);
			assert_int_equal(a.request.status, rows[r].status);
			expect_body(&a, rows[r].body);
		} else {
			bool before = strstr(rows[r].text, "content type") != NULL;

			expect_error(rows[r].what, &a, before ? NET_CONTENT : NET_HTTP, rows[r].kind,
				     rows[r].text);
		}
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void requests_are_exact(void **state)
{
	struct peer_plan plan = { .cert = &good, .answers = hello, .answers_n = 1, .slice = 3 };
	struct trust *t = trust_in(&ca);
	char want[512];
	struct asking a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = client("localhost", p.port, t);
	ask(h, &a, "abc", 5000, 100);
	expect_body(&a, "hello");
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
	struct peer_plan plan = { .cert = &good, .answers = hello, .answers_n = 1 };
	struct trust *t = trust_in(&ca);
	struct asking a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = client("localhost", p.port, t);
	for (unsigned i = 1; i <= 5; i++) {
		ask(h, &a, "?", 5000, 100);
		expect_body(&a, "hello");
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
		struct peer_plan plan = { .cert = &good, .version = rows[i].version,
					  .no_tickets = rows[i].no_tickets, .answers = hello, .answers_n = 1 };
		struct trust *t = trust_in(&ca);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client("localhost", p.port, t);
		for (unsigned k = 0; k < 3; k++) {
			ask(h, &a, "?", 5000, 100);
			expect_body(&a, "hello");
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
	struct peer_plan plan = { .cert = &good, .answers = hello, .answers_n = 1 };
	struct trust *t = trust_in(&ca);
	char why[TRUST_WHY_MAX];
	struct asking a;
	struct peer p;
	struct http *h;
	unsigned n;
	size_t len;
	uint8_t *der = pki_der(&other_ca, &len);

	(void)state;
	peer_start(&p, &plan);
	h = client("localhost", p.port, t);
	ask(h, &a, "?", 5000, 100);
	expect_body(&a, "hello");
	http_close(h);
	assert_int_equal(trust_add(t, octets_from(der, len), &n, why), 0);
	ask(h, &a, "?", 5000, 100);
	expect_body(&a, "hello");
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
		struct peer_plan plan = { .cert = &good, .answers = rows[i].answers,
					  .answers_n = rows[i].n };
		struct trust *t = trust_in(&ca);
		struct asking a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = client("localhost", p.port, t);
		ask(h, &a, "?", 5000, 100);
		expect_body(&a, "hello");
		ask(h, &a, "?", 5000, 100);
		if (rows[i].text)
			expect_error(rows[i].text, &a, rows[i].layer, CAUSE_LINK_LOST, rows[i].text);
		else
			expect_body(&a, "hello");
		assert_int_equal(p.seen->requests, rows[i].requests);
		assert_int_equal(p.seen->connections, rows[i].connections);
		http_free(h);
		peer_stop(&p);
		trust_free(t);
	}
}

static void leave_is_taken_in_order(void **state)
{
	struct peer_plan plan = { .cert = &good, .answers = hello, .answers_n = 1 };
	struct ev_alarm guard = { .fired = on_guard };
	struct trust *t = trust_in(&ca);
	struct asking a;
	struct peer p;
	struct http *h;

	(void)state;
	peer_start(&p, &plan);
	h = client("localhost", p.port, t);
	ask(h, &a, "?", 5000, 100);
	expect_body(&a, "hello");
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
		struct peer_plan plan = { .cert = &good, .answers = &answer, .answers_n = 1 };
		struct trust *t = pin_of(&good, false, false);
		struct esipa_https options = { .trust = t };
		struct exchanging e = { .x = { .request = (const uint8_t *)"\xbf\x4f\x00", .request_n = 3,
					       .patience_ms = 5000, .done = on_exchanged } };
		struct eim_link *link;
		struct peer p;

		peer_start(&p, &plan);
		assert_int_equal(net_place_parse(TEXT("localhost"), p.port, &options.place), 0);
		assert_int_equal(esipa_https_new(&options, &link), 0);
		eim_exchange(link, &e.x);
		run();
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
		LOOP(servers_are_believed_or_refused_for_the_right_reason),
		LOOP(names_go_out_and_addresses_do_not),
		LOOP(servers_under_a_gsma_root_are_believed),
		LOOP(a_server_that_wants_only_1_3_is_served_or_named),
		cmocka_unit_test(authorities_come_from_files_of_every_form),
		cmocka_unit_test(without_a_clock_only_what_is_pinned_is_believed),
		cmocka_unit_test(a_certificate_that_comes_twice_counts_once),
		cmocka_unit_test(two_trusts_are_the_same_only_if_they_hold_the_same),
		LOOP(handshakes_that_fail_say_how),
		LOOP(connecting_has_its_own_deadline),
		LOOP(nobody_listening_is_a_connect_error),
		LOOP(cancelled_in_every_phase_nothing_is_called),
		LOOP(answers_are_read_or_refused_with_words),
		LOOP(requests_are_exact),
		LOOP(one_connection_carries_a_procedure),
		LOOP(sessions_are_resumed),
		LOOP(a_session_is_not_resumed_under_another_trust),
		LOOP(a_stale_connection_is_replaced_once),
		LOOP(leave_is_taken_in_order),
		LOOP(the_eim_link_tells_replies_from_everything_else),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
