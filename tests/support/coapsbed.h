/*
 * What tests of the CoAP client share: a server that misbehaves to order (coap_peer.h), a bad way to it
 * (udp_proxy.h), and a link whose times are short. One at a time; on the real loop.
 */
#ifndef SUPPORT_COAPSBED_H
#define SUPPORT_COAPSBED_H

#include "esipa/coaps.h"
#include "support/coap_peer.h"
#include "support/udp_proxy.h"

#define BED_KEY "openiotrsp-secret"
#define BED_HELLO "\xbf\x4f\x03\x02\x01\x01"

struct coapsbed {
	struct coap_peer peer;
	struct udp_proxy proxy;         /* pid 0: not used */
	struct psk psk;
	struct trust *trust;            /* NULL: none; freed with the bed */
	struct eim_link *link;          /* NULL: none; freed with the bed */
};

extern struct coapsbed bed;
extern const struct coap_reply bed_hello;

struct bed_exchange {
	struct eim_exchange x;
	struct cause why;
	bool done;
	uint64_t took_ms;
};

/* For cmocka: the loop, and everything above. */
int bed_setup(void **state);
int bed_teardown(void **state);

/* Fast where the protocol is slow, so that nothing waits for half a minute. */
struct esipa_coaps bed_quick(void);
void bed_use_key(struct esipa_coaps *o, const char *key);
void bed_link(const struct esipa_coaps *o);
/* A peer that has the key, and a link that has it; behind a proxy, too. */
void bed_start(const struct coap_peer_plan *plan);
void bed_start_behind_proxy(const struct coap_peer_plan *plan, unsigned seed);
/* Without the link and the peer again, for the next row of a table. */
void bed_clear(void);

/* The exchange's done(): ends the loop. */
void bed_done(struct eim_exchange *x, const struct cause *why);
void bed_run(struct eim_link *link, struct bed_exchange *e, const void *body, size_t n,
	     unsigned patience_ms);
void bed_ask(struct bed_exchange *e, const char *body);
/* It has failed, and how; it has this reply, which is freed. */
void bed_says(const struct bed_exchange *e, enum cause_kind kind, const char *from, const char *words);
void bed_reply(struct bed_exchange *e, const char *body);

struct coaps_figures bed_figures(void);
void bed_until(volatile unsigned *what, unsigned at_least);
/* The client hears of it when its loop runs. */
void bed_until_closed(void);
/* n octets and a NUL, to be freed. */
char *bed_large(size_t n);

#endif
