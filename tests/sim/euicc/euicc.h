/*
 * The virtual eUICC as tests and simulators see it: a struct card (sim/card.h) over a directory
 * in which it keeps its state. Two cards must not share a directory.
 */
#ifndef SIM_EUICC_EUICC_H
#define SIM_EUICC_EUICC_H

#include <stdbool.h>
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
	const char *const *faults;      /* orders as in fault.h, NULL at the end; NULL: none */
};

/*
 * A profile that is on the card from the beginning, without a download. Views, empty ones get the
 * usual: what the profile then has in its files and in GetProfilesInfo.
 */
struct euicc_profile {
	struct text iccid;              /* 18 to 20 digits, the only one that must be there */
	struct text imsi;               /* up to 15 digits; without it there is no EF.IMSI */
	struct text name, provider, nickname;
	struct text spn;                /* EF.SPN; empty: the provider */
	struct text notify;             /* host to be told of everything that happens to it */
	struct text pin;                /* PIN1, enabled, 4 to 8 digits */
	struct text apn;                /* for GetConnectivityParameters */
	struct text owner;              /* MCC and MNC, 5 or 6 digits */
	struct text smdp_oid;           /* hexadecimal content octets of an OBJECT IDENTIFIER */
	unsigned class;                 /* VE_CLASS_*; parsed ones are operational by default */
	unsigned mnc_digits;            /* 2 or 3; 0: 2 */
	unsigned ppr;                   /* 1: no disabling, 2: no deletion, 3: neither */
	unsigned size;                  /* octets of memory; 0: 20000 */
	bool enabled;
	bool fallback_allowed, fallback, ecall;
};

/* "iccid=…,imsi=…,name=…,class=test,enabled": views into spec. Separators: comma or new line. */
int euicc_profile_parse(struct text spec, struct euicc_profile *ret, char why[EUICC_WHY_MAX]);
/* Puts it on the card; ve_state_save() is the caller's. -EEXIST, -ENOSPC, -EINVAL. */
int euicc_profile_put(struct ve_state *s, const struct euicc_profile *p,
		      char why[EUICC_WHY_MAX]);

/* What is made by euicc_make(). */
struct euicc_recipe {
	const char *dir;                /* made if it is missing; must hold no card */
	struct text eid;                /* 32 digits; empty: that of the certificate */
	const char *personality;        /* NULL: the first one */
	enum ve_version version;        /* _VE_VERSION_MAX: the personality's */
	/* Directories as scripts/make-test-pki leaves them, the preferred first, NULL at the end. */
	const char *pki[VE_CREDENTIALS_MAX + 1];
	const struct euicc_profile *profiles;
	size_t n_profiles;
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
/* An order as in fault.h, "bf31:sw=6F00"; the counting begins now. -EINVAL, -ENOSPC. */
int euicc_card_fault(struct card *c, const char *order);
void euicc_card_faults_clear(struct card *c);
struct ve_times euicc_card_times(struct card *c);
void euicc_card_set_times(struct card *c, const struct ve_times *times);
/* These octets are used up before real random ones are drawn: challenges, one-time keys. */
void euicc_card_feed_random(struct card *c, const void *p, size_t n);

#endif
