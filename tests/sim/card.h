/*
 * The seam between the virtual module and the card in its slot: what happens on the contacts.
 * Behind it sit the plain SIM of sim-module, the virtual eUICC, or a foreign card on a vpcd port.
 *
 * One command at a time: after card_transmit() the next one may follow when answered() has been
 * called. All callbacks run from the event loop, never from inside a call made here. A card takes
 * its own time for an answer (settable where the card is ours); the module adds its transport.
 */
#ifndef SIM_CARD_H
#define SIM_CARD_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define CARD_ATR_MAX 33
#define CARD_APDU_MAX 261        /* header, Lc, 255 octets, Le */
#define CARD_ANSWER_MAX 258      /* 256 octets and the status word */

struct card;

struct card_ops {
	/* Supplies power, or resets (warm) what has power; started() follows. */
	void (*reset)(struct card *c);
	/* Takes the power away; a command in flight is never answered. */
	void (*power_off)(struct card *c);
	/* A short APDU, as it comes from the module, channel bits in CLA included. */
	void (*transmit)(struct card *c, const uint8_t *apdu, size_t n);
	void (*free)(struct card *c);
	/* Something that goes wrong, in the card's own words; "" ends all of them. 0 or -errno. NULL: it
	 * does nothing wrong to order. */
	int (*fault)(struct card *c, const char *order);
};

/* Embedded in who uses the card (container_of). */
struct card_user {
	/* The answer to reset; n = 0: the card is mute or missing. */
	void (*started)(struct card_user *u, const uint8_t *atr, size_t n);
	/* Data and status word, at least two octets; n = 0: the card went mute. */
	void (*answered)(struct card_user *u, const uint8_t *answer, size_t n);
	/* A card was put in or taken out (foreign cards only); it must be reset before use. */
	void (*moved)(struct card_user *u, int present);
};

struct card {
	const struct card_ops *ops;
	struct card_user *user;
};

static inline void card_reset(struct card *c)
{
	c->ops->reset(c);
}

static inline void card_power_off(struct card *c)
{
	c->ops->power_off(c);
}

static inline void card_transmit(struct card *c, const uint8_t *apdu, size_t n)
{
	c->ops->transmit(c, apdu, n);
}

static inline int card_fault(struct card *c, const char *order)
{
	return c->ops->fault ? c->ops->fault(c, order) : -ENOTSUP;
}

static inline void card_free(struct card *c)
{
	if (c)
		c->ops->free(c);
}

#endif
