/*
 * A CoAP server over DTLS on loopback, in a process of its own: OpenSSL and a few hundred lines that
 * share nothing with the daemon. It does to a client what its plan says, and what its knobs say while
 * it runs: right, wrong, slow, silent. What it saw can be read at any time.
 */
#ifndef SUPPORT_COAP_PEER_H
#define SUPPORT_COAP_PEER_H

#include "support/pki.h"

#define COAP_PEER_BODY 65536

enum coap_manner {
	COAP_PIGGYBACKED,       /* in the acknowledgement */
	COAP_SEPARATE,          /* an empty acknowledgement, then a CON */
	COAP_RESET,             /* RST */
	COAP_SILENT,            /* nothing at all */
	COAP_FAREWELL,          /* close_notify instead of an answer */
	COAP_RAW,               /* the payload is the whole message, whatever it is */
	COAP_OTHER_TOKEN,       /* an answer to somebody else, first */
	COAP_DOUBLE,            /* the right answer, twice */
};

struct coap_reply {
	int code;               /* 0: 2.05 with a payload, else 2.04 */
	const char *payload;
	size_t n;               /* 0: a string */
	enum coap_manner manner;
	unsigned delay_ms;      /* work before it is acknowledged */
	const char *options;    /* encoded after Content-Format 42 (delta from 12), hexadecimal */
};

enum coap_upload {
	COAP_TAKES_BLOCKS,      /* as RFC 7959 has it */
	COAP_BY_TOKEN,          /* puts blocks together by their token */
	COAP_NO_BLOCKS,         /* each block is a message, which cannot be read: 4.00 */
	COAP_IGNORES_BLOCKS,    /* takes the first for the whole: 2.04 */
	COAP_SMALL_BLOCKS,      /* 4.13 with a size of 256 */
	COAP_LOSES_BLOCKS,      /* 4.08 in the middle, once */
};

enum coap_download {
	COAP_GOOD_BLOCKS,
	COAP_WRONG_NUMBER,      /* the third block is another one */
	COAP_BEGINS_AGAIN,      /* block 0 whatever is asked for */
	COAP_CHANGES,           /* another ETag in the middle */
	COAP_FORGETS,           /* 4.00 for the second block, the first time */
	COAP_SHORT_BLOCKS,      /* less in a block than it says */
	COAP_ENDLESS,           /* never the last one */
	COAP_LIES_OF_SIZE,      /* another Size2 than there is */
};

struct coap_peer_plan {
	const char *psk;        /* key, in ASCII; NULL: certificates */
	const struct pki *cert, *chain;
	const char *suites;     /* NULL: any */
	enum coap_upload upload;
	enum coap_download download;
	unsigned block;         /* octets in a block of an answer; 0: 1024 */
	unsigned message_max;   /* a larger one ends the association, without a word; 0: 1472 */
	unsigned lose_above;    /* longer datagrams get lost; 0: none */
	unsigned idle_ms;       /* close_notify after so long; 0: never */
	const struct coap_reply *replies;       /* by number of the request; the last one stays */
	unsigned replies_n;
	uint16_t port;          /* 0: any */
};

struct coap_peer_seen {
	volatile unsigned hellos, handshakes, messages, requests, blocks, asked_blocks, pings, farewells,
		strays, alerts;
	volatile unsigned body_n, token_n;
	volatile int format;    /* -1: not said */
	volatile unsigned alert;
	uint8_t body[COAP_PEER_BODY];
	char path[128], host[128], sni[64], identity[96];
	/* knobs */
	volatile bool mute;             /* hears nothing */
	volatile unsigned forget;       /* counted up: knows no association any more */
	volatile unsigned leave;        /* counted up: close_notify to all */
	volatile unsigned forgotten, left;      /* follow them when it is done */
};

struct coap_peer {
	uint16_t port;
	int pid;
	struct coap_peer_seen *seen;
};

void coap_peer_start(struct coap_peer *p, const struct coap_peer_plan *plan);
void coap_peer_stop(struct coap_peer *p);

#endif
