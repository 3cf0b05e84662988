/*
 * POST over CoAP and DTLS: one client is one server and at most one association, which is kept for
 * later requests as long as that is worth it. One request at a time (NSTART 1), in blocks where it
 * has to be.
 *
 * An association may be dead without a sign: the server has restarted, an address has changed, and
 * what comes from strangers is dropped. It is replaced, once per request, where nothing at all has
 * come over one that has worked for a while, not even the answer to a ping; and where the server ends
 * it instead of answering. The request is then sent again.
 */
#ifndef NET_COAPS_H
#define NET_COAPS_H

#include "net/coap_assoc.h"
#include "net/names.h"
#include "net/trust.h"

#define COAPS_PORT 5684
#define COAPS_DATAGRAM_MAX 1472

/* What it points to outlives the client. 0 and NULL stand for what is given behind it. */
struct coaps_server {
	struct net_place place;
	const struct psk *psk;     /* by certificates */
	const struct trust *trust;      /* where there is no psk */
	const char *interface;          /* whatever the routes say */
	const char *name_servers;       /* the system's */
	const char *path;               /* segments, split by slashes */
	int format;                     /* Content-Format; -1: none is said */
	bool uri_host;                  /* say Uri-Host, too */
	bool no_upload;                 /* the server takes no Block1 */
	unsigned datagram;              /* largest message that is sent whole: 1152 */
	unsigned block;                 /* octets in a block that is sent, 16 to 1024: 1024 */
	unsigned connect_ms;            /* name and handshake together: 45 s */
	unsigned ack_timeout_ms;        /* 2 s; libcoap takes nothing below 1 s */
	unsigned retransmits;           /* 4 */
	unsigned silence_ms;            /* after which an association is thought dead: 20 s; twice that where
					   a part of the answer has been shown */
	unsigned idle_limit_ms;         /* after which the server gives us up; 0: it does not */
	unsigned keep_ms;               /* how long one without use is kept; 0: until coaps_close() */
};

/*
 * The caller owns it and what it points to, from coaps_submit() until done() has begun or
 * coaps_cancel() has returned. Exactly one of the two happens. done() runs from the event loop;
 * why NULL: an answer came, with any code.
 */
struct coaps_request {
	const void *body;
	size_t body_n;
	/* For all of it, connecting included; in blocks, for each of them, but for all not more than tenfold. */
	unsigned patience_ms;
	size_t answer_max;
	void (*done)(struct coaps_request *q, const struct net_error *why);
	/*
	 * The answer has grown by a block: answer and answer_n are what has come so far, still the
	 * client's. Nothing may be submitted, cancelled or freed in it. From then on nothing is asked
	 * anew: what does not go on as it began fails. NULL: nobody wants to know.
	 */
	void (*grown)(struct coaps_request *q);
	uint8_t code;                   /* COAP_CODE(2, 5) */
	uint32_t max_age;               /* seconds */
	bool unsent;                    /* with why: the server has seen nothing of it, or taken nothing … */
	bool too_large;                 /* … since it is longer than a message and refused in blocks */
	/* On the heap: the caller's once done() has begun, to be freed. NULL with why, or empty. */
	uint8_t *answer;
	size_t answer_n;
};

struct coaps_figures {
	uint32_t handshakes, replaced;  /* begun; because the one before was dead */
	uint32_t requests;
	struct udp_figures wire;        /* of all associations */
	bool open;                      /* there is one now */
};

struct coaps;

/* -EINVAL: the path has too many segments, or one of more than 255 octets. */
int coaps_new(const struct coaps_server *server, struct coaps **ret);
/* A request under way is cancelled. NULL is fine. */
void coaps_free(struct coaps *c);

/* One at a time; from done(), the next one is legal. */
void coaps_submit(struct coaps *c, struct coaps_request *q);
void coaps_cancel(struct coaps *c, struct coaps_request *q);
/* Nothing more for now: an association that is not worth keeping is closed. */
void coaps_close(struct coaps *c);

void coaps_figures(const struct coaps *c, struct coaps_figures *ret);
/* The next requests say this Content-Format; -1: none. */
void coaps_set_format(struct coaps *c, int format);

#endif
