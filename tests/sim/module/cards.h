/* The cards that a word can name: "plain", "none", "vpcd:PORT", "euicc:DIR[,personality]". */
#ifndef SIM_MODULE_CARDS_H
#define SIM_MODULE_CARDS_H

#include <stdbool.h>

#include "sim/card.h"
#include "sim/module/plain_sim.h"

#define CARDS_WHY_MAX 256

struct cards_given {
	struct card *card;              /* NULL: none */
	bool inserted;                  /* foreign cards come later */
};

/*
 * 0, -EINVAL for a wrong word, or -errno; one line in why. euicc_ms: that the eUICC takes for every
 * APDU, and for nothing more; -1: as its personality.
 */
int cards_open(const char *word, const struct plain_sim_options *plain, int euicc_ms,
	       struct cards_given *ret, char why[CARDS_WHY_MAX]);

#endif
