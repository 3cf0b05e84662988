/*
 * A card in a test's hand: commands in, answers out, on the virtual clock. Everything is in
 * hexadecimal digits; what is returned is static storage, good for four calls.
 */
#ifndef SUPPORT_TALK_H
#define SUPPORT_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/card.h"
#include "sim/euicc/euicc.h"

#define TALK_ISDR "A0000005591010FFFFFFFF8900000100"

struct talk {
	char dir[64];                   /* made and removed here */
	struct card *card;
	struct card_user user;
	unsigned channel;               /* where talk_es10() speaks */
	bool fetch;                     /* talk() follows 61xx and 6Cxx as a reader does */

	/* What the card said last. */
	bool done;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t n;
	uint8_t atr[CARD_ATR_MAX];
	size_t atr_n;
};

/* A directory for the card, which is made by euicc_make(): recipe->dir is set here. */
void talk_make(struct talk *t, struct euicc_recipe *recipe);
/* Opens the card that was made and resets it. personality may be NULL. */
void talk_open(struct talk *t, const char *personality);
/* Takes the card out without the directory; talk_open() may follow. */
void talk_shut(struct talk *t);
void talk_close(struct talk *t);

void talk_reset(struct talk *t);
void talk_power_off(struct talk *t);

/* The answer with its status word; "" if the card is mute. */
const char *talk(struct talk *t, const char *apdu);
/* Opens a channel and selects the ISD-R there; t->channel is it. */
void talk_isdr(struct talk *t);
/* One ES10 command in blocks of 255 octets: the answer's data, or "6A80" and the like. */
const char *talk_es10(struct talk *t, const char *command);
/* The status word of the last exchange. */
unsigned talk_sw(const struct talk *t);

#endif
