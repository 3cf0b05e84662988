#include "support/netbed.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "core/util.h"
#include "net/crypto.h"

#define GUARD_MS 20000

struct netbed_certs certs;

int netbed_certificates(void **state)
{
	(void)state;
	certs.ca = pki_make(&(struct pki_spec){ .cn = "Test CA", .ca = true });
	certs.other_ca = pki_make(&(struct pki_spec){ .cn = "Other CA", .ca = true });
	certs.middle = pki_make(&(struct pki_spec){ .cn = "Middle CA", .ca = true,
						.issuer = &certs.ca });
	certs.gsma_ca = pki_make(&(struct pki_spec){ .cn = "Policy CI", .ca = true,
						.policies = true });
	certs.good = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost",
						.issuer = &certs.ca });
	certs.by_middle = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost",
						.issuer = &certs.middle });
	certs.by_gsma = pki_make(&(struct pki_spec){ .cn = "dp", .san = "DNS:localhost",
						.issuer = &certs.gsma_ca });
	certs.wrong_name = pki_make(&(struct pki_spec){ .cn = "localhost", .san = "DNS:eim.example",
						  .issuer = &certs.ca });
	certs.wildcard = pki_make(&(struct pki_spec){ .cn = "x", .san = "DNS:*.eim.localhost",
						.issuer = &certs.ca });
	certs.expired = pki_make(&(struct pki_spec){ .cn = "old", .san = "DNS:localhost",
						.issuer = &certs.ca,
					       .from_s = -7200, .to_s = -3600 });
	certs.future = pki_make(&(struct pki_spec){ .cn = "new", .san = "DNS:localhost",
						.issuer = &certs.ca,
					      .from_s = 3600, .to_s = 7200 });
	certs.self = pki_make(&(struct pki_spec){ .cn = "self", .san = "DNS:eim.example" });
	certs.self_future = pki_make(&(struct pki_spec){ .cn = "self", .from_s = 3600,
						.to_s = 7200 });
	certs.by_address = pki_make(&(struct pki_spec){ .cn = "ip", .san = "IP:127.0.0.1",
						.issuer = &certs.ca });
	certs.name_only = pki_make(&(struct pki_spec){ .cn = "localhost", .issuer = &certs.ca });
	certs.rsa = pki_make(&(struct pki_spec){ .cn = "rsa", .san = "DNS:localhost",
						.issuer = &certs.ca, .rsa = true });
	certs.client_only = pki_make(&(struct pki_spec){ .cn = "client", .san = "DNS:localhost",
						.issuer = &certs.ca,
						   .client_only = true });
	/* Names of others, keys of one's own. */
	certs.false_middle = pki_make(&(struct pki_spec){ .cn = "Middle CA", .ca = true });
	certs.forged = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost",
						.issuer = &certs.false_middle });
	certs.false_self = pki_make(&(struct pki_spec){ .cn = "self", .san = "DNS:localhost" });
	return 0;
}

int netbed_free_certificates(void **state)
{
	struct pki *all = (struct pki *)&certs;

	(void)state;
	for (size_t i = 0; i < sizeof(certs) / sizeof(*all); i++)
		pki_free(&all[i]);
	crypto_close();
	return 0;
}

struct trust *netbed_trust(const struct pki *p)
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

struct trust *netbed_pin(const struct pki *p, bool certificate, bool whole)
{
	char why[TRUST_WHY_MAX];
	struct trust *t;
	uint8_t a6[4096];
	size_t n = pki_pin(p, certificate, whole, a6, sizeof(a6));

	assert_int_equal(trust_new(&t), 0);
	assert_int_equal(trust_pin(t, octets_from(a6, n), why), 0);
	return t;
}

void netbed_done(struct http_request *q, const struct net_error *why)
{
	struct netbed_ask *a = container_of(q, struct netbed_ask, request);

	if (why)
		a->why = *why;
	a->done = true;
	ev_quit();
}

void netbed_quit(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

void netbed_run(void)
{
	struct ev_alarm guard = { .fired = netbed_quit };

	ev_alarm_start(&guard, GUARD_MS);
	ev_main();
	ev_alarm_stop(&guard);
}

static const struct http_header headers[] = {
	{ "User-Agent", "gsma-rsp-ipad" },
	{ "Content-Type", "application/x-gsma-rsp-asn1" },
};

void netbed_ask(struct http *h, struct netbed_ask *a, const char *body, unsigned patience_ms,
		size_t max)
{
	uint64_t start = ev_now_ms();

	*a = (struct netbed_ask){ .request = {
		.path = "/gsma/rsp2/asn1", .headers = headers, .headers_n = ARRAY_SIZE(headers),
		.body = body, .body_n = strlen(body), .patience_ms = patience_ms, .answer_max = max,
		.done = netbed_done } };
	http_submit(h, &a->request);
	assert_false(a->done);
	netbed_run();
	assert_true(a->done);
	a->took_ms = ev_now_ms() - start;
}

struct http *netbed_client(const char *host, uint16_t port, const struct trust *t)
{
	struct http_server server = { .trust = t, .connect_ms = 5000 };
	struct http *h;

	assert_int_equal(net_place_parse(text_of(host), port, &server.place), 0);
	assert_int_equal(http_new(&server, &h), 0);
	return h;
}

const struct peer_answer netbed_hello[] = { { OK_HELLO, 0, PEER_STAY } };

void netbed_expect_body(struct netbed_ask *a, const char *body)
{
	if (net_error_is_set(&a->why))
		fail_msg("%s: %s", net_layer_name(a->why.layer), a->why.text);
	assert_int_equal(a->request.answer_n, strlen(body));
	assert_memory_equal(a->request.answer, body, strlen(body));
	free(a->request.answer);
}

void netbed_expect_error(const char *row, struct netbed_ask *a, enum net_layer layer,
			 enum cause_kind kind, const char *text)
{
	if (!net_error_is_set(&a->why))
		fail_msg("%s: no error", row);
	if (a->why.layer != layer || a->why.kind != kind || !strstr(a->why.text, text))
		fail_msg("%s: got %s %s: %s", row, net_layer_name(a->why.layer),
			 cause_name(a->why.kind), a->why.text);
	assert_null(a->request.answer);
}

int netbed_open(void **state)
{
	(void)state;
	return ev_open();
}

int netbed_close(void **state)
{
	(void)state;
	ev_close();
	return 0;
}
