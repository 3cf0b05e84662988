/*
 * One association with a CoAP server: DTLS 1.2 and CoAP's messages (RFC 7252), both libcoap's, on a
 * socket of ours. The only file that knows libcoap is coap_assoc.c. An association that has ended is
 * never used again: the next one has another port, since servers ignore a ClientHello from a port
 * of which they still hold an old one.
 */
#ifndef NET_COAP_ASSOC_H
#define NET_COAP_ASSOC_H

#include "net/blockwise.h"
#include "net/dtls_look.h"
#include "net/psk.h"
#include "net/trust.h"
#include "net/udp_relay.h"

#define COAP_PATH_SEGMENTS 8

/* Read when the association begins; host, trust and psk outlive it. */
struct coap_assoc_options {
	struct net_address to;
	const char *host;               /* a name, for SNI and certificate; or an address */
	const char *interface;          /* NULL: whatever the routes say */
	const struct psk *psk;     /* NULL: by certificates */
	const struct trust *trust;      /* where there is no psk */
	unsigned message_max;           /* octets of the largest CoAP message */
	unsigned ack_timeout_ms, retransmits;   /* RFC 7252 4.8 */
	bool gather;                    /* records of the handshake go together in datagrams */
};

/* A POST. The token is that of the message before unless a new one is asked for. */
struct coap_post {
	const char *uri_host;           /* NULL: not said */
	struct text path[COAP_PATH_SEGMENTS];
	size_t path_n;
	int format;                     /* -1: not said */
	bool new_token;
	struct blockwise_message m;
};

/* Embedded in the user. All run from the event loop; in each of them, coap_assoc_free() is legal. */
struct coap_assoc_user {
	/* The handshake is done, and the server is the right one. */
	void (*ready)(struct coap_assoc_user *u);
	/* The answer to the latest post; views are valid until this returns. */
	void (*answered)(struct coap_assoc_user *u, const struct blockwise_answer *a);
	/* It was sent as often as it may be, and nobody has acknowledged it. */
	void (*unheard)(struct coap_assoc_user *u);
	/* It is over; nothing follows but coap_assoc_free(). */
	void (*closed)(struct coap_assoc_user *u, const struct net_error *why);
};

struct coap_assoc;

/* -errno and why: it does not even begin. */
int coap_assoc_new(const struct coap_assoc_options *o, struct coap_assoc_user *u,
		   struct coap_assoc **ret, struct net_error *why);
/* Takes leave of the server (close_notify), and closes. NULL is fine. */
void coap_assoc_free(struct coap_assoc *a);

/* After ready(), one at a time. 0 or -errno: it cannot be put together. */
int coap_assoc_post(struct coap_assoc *a, const struct coap_post *post);
/* An empty message that every server answers at once: it keeps the association from growing old. */
void coap_assoc_ping(struct coap_assoc *a);

bool coap_assoc_is_ready(const struct coap_assoc *a);
/* Our address has changed since: the server would not know it any more. */
bool coap_assoc_moved(const struct coap_assoc *a);
/* How far the handshake has come, and the figures of its socket. */
enum dtls_stage coap_assoc_stage(const struct coap_assoc *a);
const struct udp_figures *coap_assoc_figures(const struct coap_assoc *a);
/* When the latest datagram went out, came in; 0: none yet. */
uint64_t coap_assoc_sent_ms(const struct coap_assoc *a);
uint64_t coap_assoc_heard_ms(const struct coap_assoc *a);

#define COAP_WHY_MAX 160

/* Is libcoap there? It is not kept loaded for that. 0, or -errno and one line in why. */
int coap_library_look(char why[COAP_WHY_MAX]);
/* For leak checks at the end of the process. */
void coap_library_close(void);

#endif
