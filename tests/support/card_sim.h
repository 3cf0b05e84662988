/*
 * link/card.h over the virtual eUICC, as a module would do it: MANAGE CHANNEL, SELECT, 61xx and
 * 6Cxx followed. The card's own times pass on the virtual clock.
 */
#ifndef SUPPORT_CARD_SIM_H
#define SUPPORT_CARD_SIM_H

#include "core/ev.h"
#include "link/card.h"
#include "sim/card.h"

struct card_sim {
	struct card_channel channel;
	struct card *card;
	unsigned apdus;                 /* sent to the card */
	/* card_sim.c only */
	struct card_user user;
	unsigned state;
	bool busy;                      /* the card has a command */
	bool swallow;                   /* nobody wants its answer any more */
	bool resetting;
	bool open, close_wanted, open_wanted;
	unsigned number, old_number;
	const uint8_t *aid;
	size_t aid_n;
	struct card_exchange *now;
	uint8_t command[CARD_COMMAND_MAX];
	size_t command_n;
	uint8_t fci[512];
	size_t fci_n;
	struct cause end;
	struct ev_task task;
};

/* The card has been reset once; its user is the sim from here on. segment_max may be set after it. */
void card_sim_init(struct card_sim *s, struct card *card);
/* A warm reset: what is in flight ends, the channel is lost. */
void card_sim_reset(struct card_sim *s);
void card_sim_done(struct card_sim *s);

#endif
