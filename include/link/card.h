/*
 * APDU exchange with one application on a card (ETSI TS 102 221, ISO/IEC 7816-4): what lies between
 * who speaks to the eUICC and whatever carries the APDUs: AT commands, or a double in a test.
 *
 * A channel is one logical channel with one application selected. Its user gives command APDUs
 * whose CLA has no channel bits; which channel it is, and whether 61xx or 6Cxx must be followed by
 * another APDU, is the implementation's business: what comes back is the whole data and the last
 * status word.
 *
 * One exchange at a time. opened(), lost() and done() run from the event loop, never from inside
 * a call made here.
 */
#ifndef LINK_CARD_H
#define LINK_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cause.h"

#define CARD_COMMAND_MAX 261    /* header, Lc, 255 octets, Le */

/*
 * The caller owns it and what it points to, from card_exchange() until done() has begun or
 * card_cancel() has returned. Exactly one of the two happens.
 */
struct card_exchange {
	const uint8_t *command;         /* a short APDU; Le, where it has one, as the rules want it */
	size_t command_n;
	bool basic;                     /* on the basic channel instead, whatever is selected there */
	unsigned patience_ms;           /* for this command; fetching more data starts it anew */
	uint8_t *data;                  /* where the answer's data goes; more than cap: MALFORMED */
	size_t cap;
	/* why: NULL for an answer with any status word; then data_n and sw are set. */
	void (*done)(struct card_exchange *x, const struct cause *why);
	size_t data_n;
	uint16_t sw;
};

struct card_channel;

struct card_channel_user {
	/*
	 * Ends card_open(). why NULL: the application is selected; its FCI (may be empty: some cards
	 * do not give it) is valid until opened() returns. Else REFUSED with from "card" and the
	 * status word: the application is not there; other causes: the card could not be asked.
	 */
	void (*opened)(struct card_channel_user *u, const struct cause *why, const uint8_t *fci,
		       size_t n);
	/*
	 * The channel is gone by itself: the card was reset, changed or taken out, or the module is
	 * lost. An exchange in flight has ended with LINK_LOST before. The channel may be opened anew.
	 */
	void (*lost)(struct card_channel_user *u);
};

struct card_channel_ops {
	void (*open)(struct card_channel *c, const uint8_t *aid, size_t n);
	void (*exchange)(struct card_channel *c, struct card_exchange *x);
	void (*cancel)(struct card_channel *c, struct card_exchange *x);
	void (*close)(struct card_channel *c);
};

struct card_channel {
	const struct card_channel_ops *ops;
	struct card_channel_user *user;
	/* Octets of command data that go through in one APDU; set by the implementation, <= 255. */
	size_t segment_max;
};

/* aid must stay until opened(). Not while it is open or being opened. */
static inline void card_open(struct card_channel *c, const uint8_t *aid, size_t n)
{
	c->ops->open(c, aid, n);
}

/* Ends with LINK_LOST where the channel is not open, unless x->basic. */
static inline void card_exchange(struct card_channel *c, struct card_exchange *x)
{
	c->ops->exchange(c, x);
}

/* done() will not be called; the answer is swallowed. */
static inline void card_cancel(struct card_channel *c, struct card_exchange *x)
{
	c->ops->cancel(c, x);
}

/* Takes effect behind what is in flight; opened() and lost() are not called any more. */
static inline void card_close(struct card_channel *c)
{
	c->ops->close(c);
}

#endif
