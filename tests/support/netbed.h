/*
 * What tests of the way over TCP share: certificates of every kind, good and bad, the server that
 * they belong to (tls_peer.h), and one request over HTTP with what came of it. On the real loop.
 */
#ifndef SUPPORT_NETBED_H
#define SUPPORT_NETBED_H

#include "net/http.h"
#include "net/trust.h"
#include "support/tls_peer.h"

/* The name says what is special; signed by ca, for localhost, unless it says otherwise. */
struct netbed_certs {
	struct pki ca, other_ca, middle, good, by_middle, wrong_name, wildcard, expired, future, self,
		self_future, by_address, name_only, rsa, client_only, gsma_ca, by_gsma,
		false_middle, forged, false_self;
};

extern struct netbed_certs certs;

/* For cmocka: the group; each test that needs the loop. */
int netbed_certificates(void **state);
int netbed_free_certificates(void **state);
int netbed_open(void **state);
int netbed_close(void **state);
#define NETBED_LOOP(test) cmocka_unit_test_setup_teardown(test, netbed_open, netbed_close)

/* Believes this authority, NULL: nobody; pins a key or a certificate, with its outer tag or not. */
struct trust *netbed_trust(const struct pki *p);
struct trust *netbed_pin(const struct pki *p, bool certificate, bool whole);

/* One request and what came of it. */
struct netbed_ask {
	struct http_request request;
	struct net_error why;
	bool done;
	uint64_t took_ms;
};

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

extern const struct peer_answer netbed_hello[1];

struct http *netbed_client(const char *host, uint16_t port, const struct trust *t);
void netbed_ask(struct http *h, struct netbed_ask *a, const char *body, unsigned patience_ms,
		size_t max);
void netbed_expect_body(struct netbed_ask *a, const char *body);
void netbed_expect_error(const char *row, struct netbed_ask *a, enum net_layer layer,
			 enum cause_kind kind, const char *text);

/* The request's done(); ends the loop, as does an alarm that fires this. */
void netbed_done(struct http_request *q, const struct net_error *why);
void netbed_quit(struct ev_alarm *a);
/* The loop, until somebody ends it, but not for ever. */
void netbed_run(void);

#endif
