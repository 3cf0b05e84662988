/*
 * One request to an eIM, one reply: what lies between who speaks ESipa and whatever carries its
 * messages: HTTPS, CoAP, or a double in a test. Messages are octets here (GSMA SGP.32 chapter 6:
 * one DER message per request). An SM-DP+ or SM-DS is asked in the same way, in JSON.
 *
 * A link serves one eIM, one exchange at a time. It connects when it has to and stays connected
 * for the exchanges of one procedure, until eim_close(). done() runs from the event loop, never
 * from inside a call made here; in it, everything is legal, the next exchange included.
 */
#ifndef LINK_EIM_H
#define LINK_EIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cause.h"

#define EIM_TEXT_MAX 192

/*
 * The caller owns it and what it points to, from eim_exchange() until done() has begun or
 * eim_cancel() has returned. Exactly one of the two happens.
 */
struct eim_exchange {
	/*
	 * The last part of the path, for servers that have one for each function: ES9+ and ES11
	 * (GSMA SGP.22 6.5). NULL: the message says what it is. Static.
	 */
	const char *function;
	const uint8_t *request;
	size_t request_n;
	unsigned patience_ms;           /* for all of it, connecting included; longer where a reply grows steadily */
	size_t reply_max;               /* more is MALFORMED; 0: what the link allows */
	/*
	 * why NULL: the eIM has taken the request; reply may be empty, where the message has no
	 * answer. A sign of life that is no answer does not end an exchange.
	 */
	void (*done)(struct eim_exchange *x, const struct cause *why);
	/*
	 * The reply has grown: reply and reply_n are what has come so far of one that begins well, still
	 * the link's. Nothing may be started, cancelled or freed in it. Not every link tells; one that does
	 * may have the same patience for each part. NULL: nobody wants to know.
	 */
	void (*grown)(struct eim_exchange *x);
	/* On the heap: the caller's once done() has begun, to be freed. NULL with why. */
	uint8_t *reply;
	size_t reply_n;
	bool unsent;                    /* with why: the eIM has seen nothing of it … */
	bool too_large;                 /* … and never will: no way takes a request of this size */
	/* With why: the same in words, "certificate: eim.example is not yet valid …". */
	char text[EIM_TEXT_MAX];
};

/* The way that is taken, for the status. */
struct eim_way {
	const char *transport;          /* static: "https", "coap" */
	bool open;                      /* connected, or associated */
	int64_t octets_sent, octets_received;   /* since the link was made; -1: not counted */
	const char *instead;            /* why it is not the way that comes first, the link's; NULL: it is */
};

struct eim_link;

struct eim_link_ops {
	void (*exchange)(struct eim_link *l, struct eim_exchange *x);
	void (*cancel)(struct eim_link *l, struct eim_exchange *x);
	void (*close)(struct eim_link *l);
	void (*free)(struct eim_link *l);
	void (*tell)(const struct eim_link *l, struct eim_way *ret);    /* may be NULL */
};

struct eim_link {
	const struct eim_link_ops *ops;
};

static inline void eim_exchange(struct eim_link *l, struct eim_exchange *x)
{
	l->ops->exchange(l, x);
}

/* done() will not be called; whether the eIM has taken the request is unknown. */
static inline void eim_cancel(struct eim_link *l, struct eim_exchange *x)
{
	l->ops->cancel(l, x);
}

/* The procedure is over: takes leave of the server. The next exchange connects anew. */
static inline void eim_close(struct eim_link *l)
{
	l->ops->close(l);
}

/* No exchange may be under way. NULL is fine. */
static inline void eim_free(struct eim_link *l)
{
	if (l)
		l->ops->free(l);
}

/* False: nothing is known of it. */
static inline bool eim_tell(const struct eim_link *l, struct eim_way *ret)
{
	if (!l || !l->ops->tell)
		return false;
	l->ops->tell(l, ret);
	return true;
}

#endif
