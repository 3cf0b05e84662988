/*
 * ESipa, the eIM's side: one request in, one response out, GSMA SGP.32 chapter 6.3. Knows nothing
 * of TLS or HTTP, so that another transport can be put below it.
 */
#ifndef SIM_EIM_ESIPA_H
#define SIM_EIM_ESIPA_H

#include "sim/eim/eim.h"

/* One request and its answer. The caller owns it until it has been answered or abandoned. */
struct se_exchange {
	struct octets request;
	struct se_card *card;           /* in: seen on this connection, or NULL; out: of this one */
	uint8_t *response;              /* freed by the caller */
	size_t response_n;
	unsigned status;                /* 200 with a response, 204, 400 */
	enum se_fault_on on;            /* what it was */
	bool switches;                  /* a package that switches profiles is in the response */
	void (*done)(struct se_exchange *x);    /* after SE_LATER only */
};

enum { SE_LATER = 1 };

/* 0: answered. SE_LATER: a relay has it and will call done() from the event loop. */
int se_esipa_handle(struct se_eim *e, struct se_exchange *x);
/* Its connection is gone: done() will not be called any more. */
void se_esipa_abandon(struct se_eim *e, struct se_exchange *x);

/*
 * The way to an SM-DP+ for indirect downloads. Without one the four functions are answered as
 * they are when nothing is available.
 */
struct se_relay {
	/*
	 * tag: BF39, BF3B, BF3A or BF41. The card is NULL where only the transaction id tells it.
	 * 0: the relay will set the response and call x->done(). Else it cannot: with a response
	 * set by se_esipa_reply() the reason is in there, without one nothing is available.
	 */
	int (*request)(struct se_relay *r, struct se_card *c, uint32_t tag, struct se_exchange *x);
	void (*abandon)(struct se_relay *r, struct se_exchange *x);
	/* A compact notification, A0 or A1, made whole. 0 or -errno. */
	int (*expand)(struct se_relay *r, struct se_card *c, struct octets note, struct tlv_out *w);
	/* A notification, whole, has been taken over. */
	void (*notify)(struct se_relay *r, struct se_card *c, struct octets note);
};

/* Puts the response into the exchange; status 200. -ENOMEM. */
int se_esipa_reply(struct se_exchange *x, struct octets message);

#endif
