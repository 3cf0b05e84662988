/*
 * Two ways to one eIM as a single link/eim.h: the one that is preferred, and another one for when it
 * does not work. A request that has left nothing on the first way is put on the second at once; after
 * one whose fate is unknown, the other way is taken from the next visit on, since whoever asks must
 * decide whether it is sent again. Later the preferred way is tried again.
 */
#ifndef ESIPA_WAYS_H
#define ESIPA_WAYS_H

#include "link/eim.h"

#define ESIPA_WAYS_MAX 2

struct esipa_ways {
	const char *name;               /* of the eIM, for the log; outlives the link */
	struct eim_link *links[ESIPA_WAYS_MAX]; /* the preferred one first; the second may be NULL */
	unsigned return_ms;             /* after which the preferred way is tried again; 0: at every visit */
};

/* Takes the links over where it succeeds. -ENOMEM. */
int esipa_ways_new(const struct esipa_ways *o, struct eim_link **ret);

#endif
