/*
 * AddInitialEim (GSMA SGP.32 3.5.2.1, 5.9.4): the first eIM of a card that has none. Who may be the
 * next ones, the first one decides.
 */
#ifndef IPA_ADD_H
#define IPA_ADD_H

#include "ipa/ipa.h"

#define IPA_EIM_FILE_MAX 8192

/*
 * The owner sets der and done, and keeps it until done() has begun or ipa_add_cancel() has
 * returned. der: an AddInitialEimRequest BF57 (or what is in it), or one or more
 * EimConfigurationData 30, one after the other; it must stay.
 */
struct ipa_add {
	struct octets der;
	void (*done)(struct ipa_add *a, const struct cause *why);
	size_t n_added;                 /* when it is done */
	/* add.c only */
	struct octets list;
	struct ipa *ipa;
	struct ipa_work work;
};

/*
 * 0; -EAGAIN: the card is not known (yet); -EOPNOTSUPP: a consumer card; -EEXIST: the card has an
 * eIM already; -EBADMSG: der is none of the above. done() follows only after 0.
 */
int ipa_add_start(struct ipa *i, struct ipa_add *a);
void ipa_add_cancel(struct ipa_add *a);

#endif
