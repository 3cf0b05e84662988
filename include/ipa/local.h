/*
 * What people on the spot may do with profiles, where the card allows it: consumer cards (SGP.22
 * ES10c); an SGP.32 card takes such orders from its eIM only.
 */
#ifndef IPA_LOCAL_H
#define IPA_LOCAL_H

#include "ipa/ipa.h"

enum ipa_local_op {
	IPA_LOCAL_ENABLE,
	IPA_LOCAL_DISABLE,
	IPA_LOCAL_DELETE,
	IPA_LOCAL_NICKNAME,
	_IPA_LOCAL_MAX
};

#define IPA_NICKNAME_MAX 65     /* SGP.22 5.7.21: 64 octets */

/*
 * The owner sets op, iccid, nickname and done, and keeps it until done() has begun or
 * ipa_local_cancel() has returned. Exactly one of the two happens.
 */
struct ipa_local {
	enum ipa_local_op op;
	char iccid[ES10_ICCID_TEXT_MAX];
	char nickname[IPA_NICKNAME_MAX];
	void (*done)(struct ipa_local *l, const struct cause *why);
	void (*progress)(struct ipa_local *l, const char *step);
	/* Of a switch that was made: the module does not use it (yet). NONE: it does. */
	struct cause follow_why;
	bool switched;
	/* local.c only */
	struct cause order_why;         /* its answer was lost */
	struct ev_alarm again;          /* after the loss of the link */
	uint64_t lost_ms;               /* when it was lost first; 0: it was not */
	struct ipa *ipa;
	struct ipa_work work;
	uint8_t raw_iccid[ES10_ICCID_OCTETS], aid[ES10_AID_MAX];
	size_t aid_n;
};

/*
 * 0; -EOPNOTSUPP: an SGP.32 card; -EAGAIN: the card is not known (yet); -ENOENT: no such profile;
 * -EALREADY: it is in that state; -EINVAL: not an ICCID. done() follows only after 0.
 */
int ipa_local_start(struct ipa *i, struct ipa_local *l);
void ipa_local_cancel(struct ipa_local *l);

#endif
