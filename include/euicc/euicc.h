/*
 * The eUICC as its user sees it: functions of ES10 one after the other, over an ISD-R channel that
 * is opened when it is needed and again after the card has forgotten it.
 *
 * Calls wait in a queue and are done in order, one at a time. What must stay together (the segments
 * of a Bound Profile Package) is its owner's business: nobody else may call meanwhile.
 *
 * A call is repeated only where the card cannot have done it:
 *   - 6881, the channel is not there: it is opened anew and the call made once more;
 *   - 6985 to the first function after a good SELECT: the card wants TERMINAL CAPABILITY; it gets
 *     it on the basic channel, the ISD-R is selected anew and the call made once more. After a
 *     profile switch the same 6985 means that the card must be reset: it stays, and is the cause.
 */
#ifndef EUICC_EUICC_H
#define EUICC_EUICC_H

#include "core/list.h"
#include "euicc/apdu.h"
#include "euicc/es10.h"
#include "euicc/isdr.h"

/* GetCerts, RetrieveNotificationsList with many certificates; a card's own memory is the limit. */
#define EUICC_ANSWER_MAX 32768

struct euicc;

/*
 * The caller owns it and what it points to, from euicc_call() until done() has begun or
 * euicc_cancel() has returned. Exactly one of the two happens; done() comes from the event loop,
 * and in it the next call may be made.
 *
 * why NULL: the answer, valid until another call is under way, is one whole TLV with the tag of
 * the function; for ES10B_LOAD_BPP it is empty or BF37. It is still to be decoded, and may hold
 * a result code that says no. Otherwise:
 *   REFUSED from "card", the status word   the function, or the ISD-R itself, is refused
 *   MALFORMED from "card"                  the answer is no such TLV, cut off, or too large
 *   TIMEOUT, LINK_LOST, …                  as the channel says
 */
struct euicc_call {
	enum es10_function function;
	struct octets command;
	/* Only on the channel that is open: part of what the card has begun there; not repeated. */
	bool same_channel;
	void (*done)(struct euicc_call *c, const struct cause *why);
	struct octets answer;
	uint16_t sw;                    /* 91xx: the card wants the module to do something */
	/* euicc.c only */
	struct euicc *euicc;            /* NULL: neither waiting nor under way */
	struct list_node node;
	bool repeated;
};

struct euicc {
	struct isdr isdr;               /* wants_capability may be set */
	/* The channel was open and is gone, also while nobody calls. May be NULL. */
	void (*lost)(struct euicc *e);
	/* euicc.c only */
	struct list_node queue;
	struct euicc_call *now;
	struct apdu apdu;
	struct ev_task task;
	bool proven;                    /* the card has done a function since the SELECT */
	bool asking_capability;
	bool tell_lost;
	uint8_t answer[EUICC_ANSWER_MAX];
};

/*
 * The channel belongs to the euicc from here on, and must outlive it. The euicc is zeroed, but for
 * lost and isdr.wants_capability.
 */
void euicc_init(struct euicc *e, struct card_channel *channel);
/* Drops calls without their done(). */
void euicc_done(struct euicc *e);

void euicc_call(struct euicc *e, struct euicc_call *c);
/* Fine for one that is not under way. What the card was told it has been told. */
void euicc_cancel(struct euicc_call *c);

/*
 * Closes the channel: before the card is reset, before others need it. A call under way ends with
 * LINK_LOST; those that wait open the channel again.
 */
void euicc_close(struct euicc *e);
bool euicc_is_open(const struct euicc *e);

#endif
