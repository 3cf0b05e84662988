/*
 * The virtual eUICC as tests and simulators see it: a struct card (sim/card.h) over a directory
 * in which it keeps its state. Two cards must not share a directory.
 */
#ifndef SIM_EUICC_EUICC_H
#define SIM_EUICC_EUICC_H

#include <stddef.h>
#include <stdint.h>

#include "core/text.h"
#include "sim/card.h"
#include "sim/euicc/personality.h"
#include "sim/euicc/state.h"

#define EUICC_WHY_MAX 160

struct euicc_options {
	const char *dir;
	const char *personality;        /* NULL: the one it was made with */
	const struct ve_times *times;   /* NULL: the personality's */
};

/* What is made by euicc_make(). */
struct euicc_recipe {
	const char *dir;                /* made if it is missing; must hold no card */
	struct text eid;                /* 32 digits; empty: that of the certificate */
	const char *personality;        /* NULL: the first one */
	enum ve_version version;        /* _VE_VERSION_MAX: the personality's */
	/* Directories as scripts/make-test-pki leaves them, in order of preference, NULL at the end. */
	const char *pki[VE_CREDENTIALS_MAX + 1];
};

/* 0, or -errno and one line for people in why. The card is without power. */
int euicc_card_open(const struct euicc_options *o, struct card **ret, char why[EUICC_WHY_MAX]);

/* Writes the state of a new card. -EEXIST: there is one in that directory. */
int euicc_make(const struct euicc_recipe *r, char why[EUICC_WHY_MAX]);

/*
 * For tests. The state may be looked at between commands and changed while the card has no power;
 * ve_state_save() is the caller's then.
 */
struct ve_state *euicc_card_state(struct card *c);
/* These octets are used up before real random ones are drawn: challenges, one-time keys. */
void euicc_card_feed_random(struct card *c, const void *p, size_t n);

#endif
