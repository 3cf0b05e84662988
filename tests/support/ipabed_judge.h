/*
 * What must be true when a case of the bed is over, whatever went wrong in it: the eIM has exactly one
 * outcome, and it is what the card has; so has the SM-DP+; nothing is left anywhere.
 */
#ifndef SUPPORT_IPABED_JUDGE_H
#define SUPPORT_IPABED_JUDGE_H

#include "support/ipabed.h"

struct ipabed_judge {
	struct se_package *order;       /* of the eIM; NULL: it was given on the spot */
	/* Something is not true: called for each. */
	void (*blame)(const char *what);
	/* what may be otherwise, after what went wrong: */
	bool refused;           /* the order was not readable when it came: refusing it ends it */
	bool garbled;           /* something that the eIM said was not: it may have looked like an order */
	bool unheard;           /* somebody who has answered was not heard: told again */
	bool unwanted;          /* the eIM has long taken no notifications */
	bool open_session;      /* nobody could tell the SM-DP+ that it is over */
};

/* A package of operations: afterwards this profile is enabled, or that one (NULL: there is none). */
void ipabed_judge_package(const struct ipabed_judge *j, const char *enabled, const char *otherwise);
/* A download, as the eIM knows it. told: that the profile is on the card is to be reported. */
void ipabed_judge_download(const struct ipabed_judge *j, bool told);
/* The same, as the SM-DP+ does; so many profiles have come. */
void ipabed_judge_smdp(const struct ipabed_judge *j, bool told, unsigned n);
/* Card, files, module; nothing is under way, but for an ordinary visit perhaps. */
void ipabed_judge_rest(const struct ipabed_judge *j);

#endif
