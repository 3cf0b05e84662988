/*
 * A CoAP client over DTLS, libcoap's own: for tests of sim-eim. Blocks until it has an answer.
 * Only where libcoap is; one at a time may be used from a process that has several.
 */
#ifndef SUPPORT_COAP_CLIENT_H
#define SUPPORT_COAP_CLIENT_H

#include <limits.h>     /* which its headers use and do not name */
#include <coap3/coap.h>

#include "codec/tlv.h"

#define COAP_CLIENT_BODY_MAX 262144

struct coap_client_wish {
	uint16_t port;
	const char *identity, *key;     /* PSK; key NULL: a certificate is expected */
	const char *ca;                 /* PEM, for it */
	unsigned ack_s;                 /* ACK_TIMEOUT without dice; 0: as RFC 7252 has it */
	bool own_blocks;                /* libcoap does not touch blocks: one datagram per request */
};

struct coap_client {
	coap_context_t *ctx;
	coap_session_t *session;
	/* of the next request */
	const char *path;
	int format;                     /* Content-Format; -1 none */
	bool non;
	unsigned patience_ms;
	struct {
		bool there;
		unsigned num, more, szx;
	} block1, block2;               /* with own_blocks */
	uint32_t tag;                   /* Request-Tag; 0 none */
	/* the last answer */
	unsigned code;                  /* 205 */
	int answer_type;                /* COAP_MESSAGE_ACK … */
	int answer_format;              /* -1 none */
	bool has_block2, more;
	unsigned block2_num, block2_szx, size2;
	uint8_t body[COAP_CLIENT_BODY_MAX];
	size_t n;
	/* coap_client.c only */
	bool done, failed, closed;
	uint8_t request[65536];
};

/* The handshake is made by the first request. */
void coap_client_open(struct coap_client *c, const struct coap_client_wish *wish);
void coap_client_close(struct coap_client *c);
/*
 * 0: an answer has come, see code and body. -ETIMEDOUT: none in time; -ECONNRESET: the session
 * ended or could not be made.
 */
int coap_client_post(struct coap_client *c, struct octets body);
/*
 * The same of any length, with own_blocks: blocks of 1024 octets up and what the server has down.
 * (libcoap 4.3.1 cannot fetch an answer in blocks that comes after its acknowledgement.) -EBADMSG:
 * the blocks do not fit together.
 */
int coap_client_whole(struct coap_client *c, struct octets body);
/* Waits until the server ends the session: -ETIMEDOUT if it does not. */
int coap_client_await_close(struct coap_client *c, unsigned ms);

#endif
