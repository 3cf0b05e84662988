/*
 * What a card is and has, in one snapshot: read with as few APDUs as there are facts, from any card
 * that answers ES10 at all. What a card does not know, or answers with nonsense, is missing from
 * the snapshot and its reason kept; only a card that does not speak at all ends the reading.
 */
#ifndef EUICC_FACTS_H
#define EUICC_FACTS_H

#include "core/proc.h"
#include "euicc/es10a.h"
#include "euicc/es10b.h"
#include "euicc/es10c.h"
#include "euicc/euicc.h"

enum euicc_fact {
	FACT_EID,
	FACT_INFO,              /* info1 and info2 */
	FACT_ADDRESSES,
	FACT_PROFILES,
	FACT_EIMS,
	FACT_NOTIFICATIONS,
	FACT_RAT,
	_FACT_MAX
};

#define FACTS_ALL ((1u << _FACT_MAX) - 1)

#define FACTS_PROFILES_MAX 16
#define FACTS_EIMS_MAX 8
#define FACTS_NOTIFICATIONS_MAX 64

/* "eid", "profiles" … */
const char *euicc_fact_name(enum euicc_fact fact);

/*
 * Zeroed before it is first read into, and not copied: octets in it are windows into its own store.
 * A fact that is read again replaces the old one as a whole; one that could not be read this time
 * is missing, even if it was there before. Only what is in have is valid.
 */
struct euicc_facts {
	uint32_t have;                          /* 1 << enum euicc_fact */
	struct cause missing[_FACT_MAX];        /* why; NONE: not asked for, or there */
	char eid[ES10_EID_TEXT_MAX];
	struct isdr_fci fci;
	struct octets aid;                      /* that the ISD-R answers to */
	struct es10b_info1 info1;
	struct es10b_info2 info2;
	bool info2_read;                        /* else only info1 */
	struct es10a_addresses addresses;
	struct es10c_profile profiles[FACTS_PROFILES_MAX];
	size_t n_profiles;
	struct es10b_eim eims[FACTS_EIMS_MAX];
	size_t n_eims;
	struct es10b_notification notifications[FACTS_NOTIFICATIONS_MAX];
	size_t n_notifications;
	struct octets rat;                      /* es10b_rule_next() */
	/* The card refuses the SGP.32 tags in a tag list, or any list: kept for next time. */
	bool refuses_iot_tags, refuses_tags;
	/* facts.c only */
	uint8_t info_store[1024], addresses_store[512], profiles_store[8192], eims_store[8192],
		notifications_store[8192], rat_store[1024];
};

static inline bool euicc_facts_have(const struct euicc_facts *f, enum euicc_fact fact)
{
	return f->have & 1u << fact;
}

/* An SGP.32 card, by what its EUICCInfo2 or its FCI says. */
bool euicc_facts_is_iot(const struct euicc_facts *f);
/* The enabled profile; NULL: none, or the list was not read. */
const struct es10c_profile *euicc_facts_enabled(const struct euicc_facts *f);

/*
 * One reading. done() comes from the event loop, once per facts_read(); why NULL: everything asked
 * for was read or is known to be missing.
 */
struct facts_reader {
	struct euicc *euicc;
	struct euicc_facts *facts;
	uint32_t want;                  /* 1 << enum euicc_fact … */
	void (*done)(struct facts_reader *r, const struct cause *why);
	/* facts.c only */
	struct proc proc;
	struct euicc_call call;
	uint8_t command[64];
};

void facts_read(struct facts_reader *r);
/* Ends it with CANCELLED; done() follows. Fine when it is not running. */
void facts_cancel(struct facts_reader *r);
/* For owners that go away: done() will not be called. */
void facts_drop(struct facts_reader *r);

#endif
