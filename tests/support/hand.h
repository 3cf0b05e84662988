/*
 * A virtual eUICC in a test's hand, on the real loop: for tests that speak to programs at the same
 * time. (talk.h has the same on the virtual clock.)
 */
#ifndef SUPPORT_HAND_H
#define SUPPORT_HAND_H

#include "codec/tlv.h"
#include "core/ev.h"
#include "sim/euicc/euicc.h"

struct hand {
	struct card *card;
	/* hand.c only */
	struct card_user user;
	struct ev_alarm patience;
	bool done, late;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t n;
	uint8_t data[65536];
};

/* Makes a card of this recipe and selects its ISD-R on channel 1. The loop must be open. */
void hand_open(struct hand *h, struct euicc_recipe *recipe);
/* A card that is there already. */
void hand_take(struct hand *h, const struct euicc_options *o);
void hand_close(struct hand *h);
/* Reset and selected again. */
void hand_start(struct hand *h);
/* One ES10 command in blocks of 255 octets: its answer, good until the next one. Must be 9000. */
struct octets hand_es10(struct hand *h, struct octets command);
/* The same with the command in digits. */
struct octets hand_hex(struct hand *h, const char *digits);

#endif
