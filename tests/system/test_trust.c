/*
 * Whom the network layer believes: authorities, pinned keys and certificates, names and times, against
 * a real TLS server with certificates of every kind. Each refusal has its reason in words.
 */
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/ev.h"
#include "net/crypto.h"
#include "net/verify.h"
#include "support/netbed.h"

/* --- trust --- */

enum how { BY_CA, BY_KEY, BY_KEY_WHOLE, BY_CERT, BY_CERT_WHOLE };

static struct trust *trust_how(enum how how, const struct pki *p)
{
	switch (how) {
	case BY_CA:
		return netbed_trust(p);
	case BY_KEY:
	case BY_KEY_WHOLE:
		return netbed_pin(p, false, how == BY_KEY_WHOLE);
	case BY_CERT:
	case BY_CERT_WHOLE:
		return netbed_pin(p, true, how == BY_CERT_WHOLE);
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
		{ "CA", &certs.good, NULL, BY_CA, &certs.ca, "localhost", NULL },
		{ "RSA", &certs.rsa, NULL, BY_CA, &certs.ca, "localhost", NULL },
		{ "CA above another",
		  &certs.by_middle, &certs.middle, BY_CA, &certs.ca, "localhost", NULL },
		{ "CA in the middle",
		  &certs.by_middle, &certs.middle, BY_CA, &certs.middle, "localhost", NULL },
		{ "chain with a hole",
		  &certs.by_middle, NULL, BY_CA, &certs.ca, "localhost", "not signed by a trusted" },
		{ "CA with critical policies",
		  &certs.by_gsma, NULL, BY_CA, &certs.gsma_ca, "localhost", NULL },
		{ "unknown CA",
		  &certs.good, NULL, BY_CA, &certs.other_ca, "localhost", "not signed by a trusted" },
		{ "no CA at all",
		  &certs.good, NULL, BY_CA, NULL, "localhost", "no authority is configured" },
		{ "self-signed",
		  &certs.self, NULL, BY_CA, &certs.ca, "localhost", "not signed by a trusted" },
		{ "wrong name",
		  &certs.wrong_name, NULL, BY_CA, &certs.ca, "localhost", "is not for localhost" },
		{ "wildcard", &certs.wildcard, NULL, BY_CA, &certs.ca, "a.eim.localhost", NULL },
		{ "wildcard, two labels",
		  &certs.wildcard, NULL, BY_CA, &certs.ca, "a.b.eim.localhost", "is not for" },
		{ "wildcard, none",
		  &certs.wildcard, NULL, BY_CA, &certs.ca, "eim.localhost", "is not for" },
		{ "capitals", &certs.good, NULL, BY_CA, &certs.ca, "LocalHost", NULL },
		{ "closing dot", &certs.good, NULL, BY_CA, &certs.ca, "localhost.", NULL },
		{ "address", &certs.by_address, NULL, BY_CA, &certs.ca, "127.0.0.1", NULL },
		{ "address for a name",
		  &certs.good, NULL, BY_CA, &certs.ca, "127.0.0.1", "is not for 127.0.0.1" },
		{ "name for an address",
		  &certs.by_address, NULL, BY_CA, &certs.ca, "localhost", "is not for" },
		{ "common name only", &certs.name_only, NULL, BY_CA, &certs.ca, "localhost", NULL },
		{ "expired", &certs.expired, NULL, BY_CA, &certs.ca, "localhost", "has expired" },
		{ "not yet valid",
		  &certs.future, NULL, BY_CA, &certs.ca, "localhost", "is the clock right?" },
		{ "for clients",
		  &certs.client_only, NULL, BY_CA, &certs.ca, "localhost", "not meant for a server" },

		{ "its key", &certs.good, NULL, BY_KEY, &certs.good, "localhost", NULL },
		{ "its key, whole",
		  &certs.good, NULL, BY_KEY_WHOLE, &certs.good, "localhost", NULL },
		{ "its key, RSA", &certs.rsa, NULL, BY_KEY, &certs.rsa, "localhost", NULL },
		{ "its key, self-signed, other name",
		  &certs.self, NULL, BY_KEY, &certs.self, "127.0.0.1", NULL },
		{ "its key, before its time",
		  &certs.self_future, NULL, BY_KEY, &certs.self_future, "localhost", NULL },
		{ "its key, expired",
		  &certs.expired, NULL, BY_KEY, &certs.expired, "localhost", NULL },
		{ "another key",
		  &certs.good, NULL, BY_KEY, &certs.self, "localhost", "does not lead to the pinned key" },
		{ "another key, self-signed",
		  &certs.self, NULL, BY_KEY, &certs.good, "localhost", "pinned key" },
		{ "its CA's key, CA sent",
		  &certs.by_middle, &certs.middle, BY_KEY, &certs.middle, "localhost", NULL },
		{ "its CA's key, CA sent, wrong name",
		  &certs.by_middle, &certs.middle, BY_KEY, &certs.middle, "127.0.0.1",
		  "is not for" },
		{ "its CA's key, CA not sent",
		  &certs.by_middle, NULL, BY_KEY, &certs.middle, "localhost", "pinned key" },
		{ "a CA's key that did not sign",
		  &certs.good, &certs.other_ca, BY_KEY, &certs.other_ca, "localhost",
		  "pinned key" },
		{ "forged under its CA, by key",
		  &certs.forged, &certs.middle, BY_KEY, &certs.middle, "localhost", "pinned key" },
		{ "forged under its CA, by certificate",
		  &certs.forged, &certs.middle, BY_CERT, &certs.middle, "localhost",
		  "pinned key" },
		{ "forged under a CA",
		  &certs.forged, &certs.middle, BY_CA, &certs.ca, "localhost", "not signed by a trusted" },
		{ "same name, by key",
		  &certs.false_self, &certs.self, BY_KEY, &certs.self, "localhost", "pinned key" },
		{ "same name, by certificate",
		  &certs.false_self, &certs.self, BY_CERT, &certs.self, "localhost", "pinned key" },
		{ "its certificate", &certs.self, NULL, BY_CERT, &certs.self, "localhost", NULL },
		{ "its certificate, whole",
		  &certs.self, NULL, BY_CERT_WHOLE, &certs.self, "localhost", NULL },
		{ "its certificate, not self-signed",
		  &certs.by_middle, NULL, BY_CERT, &certs.by_middle, "localhost", NULL },
		{ "its CA", &certs.good, NULL, BY_CERT, &certs.ca, "localhost", NULL },
		{ "its CA, in the middle",
		  &certs.by_middle, NULL, BY_CERT, &certs.middle, "localhost", NULL },
		{ "its CA, whole", &certs.good, NULL, BY_CERT_WHOLE, &certs.ca, "localhost", NULL },
		{ "its CA, wrong name",
		  &certs.good, NULL, BY_CERT, &certs.ca, "127.0.0.1", "is not for" },
		{ "its CA, expired",
		  &certs.expired, NULL, BY_CERT, &certs.ca, "localhost", "has expired" },
		{ "its CA with critical policies",
		  &certs.by_gsma, NULL, BY_CERT, &certs.gsma_ca, "localhost", NULL },
		{ "another CA",
		  &certs.good, NULL, BY_CERT, &certs.other_ca, "localhost", "pinned key" },
		{ "no CA that signed",
		  &certs.good, NULL, BY_CERT, &certs.wrong_name, "localhost", "pinned key" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peer_plan plan = { .cert = rows[i].cert, .chain = rows[i].chain, .answers = netbed_hello,
					  .answers_n = 1 };
		struct trust *t = trust_how(rows[i].how, rows[i].trusted);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client(rows[i].host, p.port, t);
		netbed_ask(h, &a, "?", 5000, 100);
		if (rows[i].refused)
			netbed_expect_error(rows[i].what, &a, NET_CERTIFICATE, CAUSE_REFUSED, rows[i].refused);
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
		struct peer_plan plan = { .cert = &certs.good, .answers = netbed_hello, .answers_n = 1 };
		struct trust *t = netbed_pin(&certs.good, false, false);
		struct netbed_ask a;
		struct peer p;
		struct http *h;

		peer_start(&p, &plan);
		h = netbed_client(rows[i].host, p.port, t);
		netbed_ask(h, &a, "?", 5000, 100);
		netbed_expect_body(&a, "hello");
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
	netbed_run();
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
		struct peer_plan plan = { .cert = &cert, .version = TLS1_2_VERSION, .answers = netbed_hello,
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
	struct peer_plan plan = { .cert = &certs.good, .version = TLS1_3_VERSION, .answers = netbed_hello,
				  .answers_n = 1 };
	struct trust *t = netbed_trust(&certs.ca);
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
		{ "authority", &certs.future, BY_CA, &certs.ca, false, false },
		{ "pinned authority", &certs.future, BY_CERT, &certs.ca, false, true },
		{ "pinned authority, clock set", &certs.future, BY_CERT, &certs.ca, true, false },
		{ "pinned key", &certs.future, BY_KEY, &certs.future, false, true },
		{ "pinned key, clock set", &certs.future, BY_KEY, &certs.future, true, true },
		{ "another pinned authority",
		  &certs.future, BY_CERT, &certs.other_ca, false, false },
		{ "another pinned key", &certs.future, BY_KEY, &certs.good, false, false },
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
	struct trust *t = netbed_trust(NULL);
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
	struct trust *a = netbed_trust(&certs.ca), *b = netbed_trust(&certs.ca);
	struct trust *c = netbed_trust(&certs.other_ca), *d = netbed_trust(NULL);
	struct trust *e = netbed_pin(&certs.ca, true, false), *f = netbed_pin(&certs.ca, false, false);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		NETBED_LOOP(servers_are_believed_or_refused_for_the_right_reason),
		NETBED_LOOP(names_go_out_and_addresses_do_not),
		NETBED_LOOP(servers_under_a_gsma_root_are_believed),
		NETBED_LOOP(a_server_that_wants_only_1_3_is_served_or_named),
		cmocka_unit_test(authorities_come_from_files_of_every_form),
		cmocka_unit_test(without_a_clock_only_what_is_pinned_is_believed),
		cmocka_unit_test(a_certificate_that_comes_twice_counts_once),
		cmocka_unit_test(two_trusts_are_the_same_only_if_they_hold_the_same),
	};

	return cmocka_run_group_tests(tests, netbed_certificates, netbed_free_certificates);
}
