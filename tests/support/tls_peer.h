/*
 * A TLS server on loopback in a process of its own, with OpenSSL, that does to a client what its
 * plan says: right, wrong, slow, cut in pieces. What it saw can be read while it runs.
 */
#ifndef SUPPORT_TLS_PEER_H
#define SUPPORT_TLS_PEER_H

#include "support/pki.h"

enum peer_greeting {
	PEER_SHAKE,             /* a handshake as it should be */
	PEER_RESET,             /* the first octets are answered with a reset */
	PEER_CUT,               /* … with the end of the connection */
	PEER_SILENT,            /* … with nothing at all */
	PEER_GARBAGE,           /* … with something that is no TLS */
};

enum peer_parting {
	PEER_STAY,              /* keeps the connection for the next request */
	PEER_CLOSE,             /* close_notify, then the end */
	PEER_DROP,              /* the end without close_notify */
	PEER_ABORT,             /* a reset */
	PEER_HANG,              /* keeps the connection, says nothing more */
};

struct peer_answer {
	const char *octets;     /* NULL: none */
	size_t n;               /* 0: a string */
	enum peer_parting then;
};

struct peer_plan {
	const struct pki *cert, *chain;         /* chain: one more certificate to send */
	int version;                            /* TLS1_2_VERSION …; 0: any */
	const char *suites;                     /* NULL: any */
	bool no_tickets;                        /* resumption by session id only */
	enum peer_greeting greeting;
	unsigned slice;                         /* octets per write to the socket; 0: as they come */
	const struct peer_answer *answers;      /* by number of the request; the last one stays */
	unsigned answers_n;
};

struct peer_seen {
	volatile unsigned connections, handshakes, resumed, requests, farewells;
	volatile unsigned alert;                /* the last fatal one it received */
	char sni[64];
	char request[16384];                    /* the latest, head and body */
	volatile size_t request_n;
};

struct peer {
	uint16_t port;
	int pid;
	struct peer_seen *seen;
};

void peer_start(struct peer *p, const struct peer_plan *plan);
void peer_stop(struct peer *p);

#endif
