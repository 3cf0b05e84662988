/*
 * What can be seen of a DTLS 1.2 handshake (RFC 6347) from outside, out of the server's datagrams:
 * how far it has come, a plaintext alert, and the certificates. libcoap tells none of it: it knows
 * neither the number of an alert nor, with most of its TLS libraries, more of a chain than the
 * server's own certificate. Nothing that is seen here is proven; who believes it checks it first.
 *
 * No I/O, no logging; memory only for the certificates, and bounded.
 */
#ifndef NET_DTLS_LOOK_H
#define NET_DTLS_LOOK_H

#include "codec/tlv.h"

#define DTLS_CHAIN_MAX 16384    /* octets of all certificates */
#define DTLS_CERTIFICATES_MAX 10

enum dtls_stage {
	DTLS_NOTHING,           /* no datagram, or none that is DTLS */
	DTLS_COOKIE,            /* HelloVerifyRequest */
	DTLS_HELLO,             /* ServerHello */
	DTLS_FINISHED,          /* the server encrypts */
	_DTLS_STAGE_MAX
};

struct dtls_look {
	enum dtls_stage stage;
	int alert;              /* of the last alert in the clear; -1: none */
	/* dtls_look.c only */
	uint8_t *chain;         /* the Certificate message, as far as it has come */
	uint8_t *have;          /* which octets of it, a bit each */
	size_t chain_n, missing;
};

void dtls_look_init(struct dtls_look *l);
void dtls_look_done(struct dtls_look *l);
/* One datagram of the server. */
void dtls_look(struct dtls_look *l, struct octets datagram);
/* The certificates, the server's own first; 0: there are none, or they are not all there. */
size_t dtls_look_chain(const struct dtls_look *l, struct octets ret[DTLS_CERTIFICATES_MAX]);

#endif
