/*
 * What real cards do differently, one bundle a row. The rule book itself is "classic-consumer" and
 * "iot"; everything else differs from them in the members that its row sets.
 */
#ifndef SIM_EUICC_PERSONALITY_H
#define SIM_EUICC_PERSONALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"
#include "sim/euicc/state.h"

/* How long the card thinks. */
struct ve_times {
	unsigned apdu_ms;       /* every command */
	unsigned crypto_ms;     /* and so much more where certificates or signatures */
	unsigned segment_ms;    /* at the end of a segment of a Bound Profile Package */
	unsigned switch_ms;     /* when another profile is enabled */
};

/* After a profile was enabled, disabled or deleted so that another state holds. */
enum ve_after_switch {
	VE_SWITCH_QUIET,        /* done at once, nobody is told */
	VE_SWITCH_REFRESH,      /* a proactive REFRESH; done at the reset it asks for */
	VE_SWITCH_LOCK,         /* done at once; ES10 is refused until the card is reset */
	VE_SWITCH_REFRESH_LOCK,
	_VE_SWITCH_MAX
};

enum {
	VE_BY_ICCID = 1,
	VE_BY_AID = 2,
};

struct ve_personality {
	const char *name;
	enum ve_version version;        /* of a card made with this personality */
	const char *isdr_aid;           /* hexadecimal; NULL: GSMA's */
	const char *fci_a5;             /* the value of A5 in its FCI; NULL: 9F6501FF */
	bool fci_without_e0;            /* the template with the SGP.22 version */
	bool ipae;                      /* there is an IPAe that may be activated */
	uint16_t fci_fetch_sw;          /* GET RESPONSE after SELECT of the ISD-R fails so */
	unsigned channels;              /* the basic one included; 0: 4 */
	uint16_t isdr_logical_sw;       /* SELECT of the ISD-R fails so on other channels */
	uint8_t capability_tag;         /* ES10 is refused until TERMINAL CAPABILITY names this */
	bool data_at_once;              /* data is in the answer where Le stands, not behind 61xx */
	bool tags_strict;               /* an unknown tag in a tag list: incorrectInputValues */
	unsigned enable_not_by;         /* VE_BY_*: undefinedError */
	bool enable_only_quiet;         /* refreshFlag set: undefinedError */
	enum ve_after_switch after_switch;
	unsigned busy_first;            /* so many switches after power-up find the CAT busy */
	bool es10c;                     /* an IoT card that knows the consumer's functions too */
	bool boot_reverts;              /* power-up enables the preloaded profile again */
	bool bpp_breaks;                /* loading ends with 5/12 in the middle of the profile */
	bool bpp_channel_bound;         /* a segment on another channel: 6985 */
	bool lists_after;               /* listProfileInfo shows what its package will have done */
	uint8_t reset_ignores;          /* first octet of resetOptions: bits that do nothing */
	unsigned mute_after;            /* failed loads, until power is taken away */
	bool no_sms_storage;
	bool ecasd_gives_eid;           /* GET DATA 5A */
	struct ve_times times;
};

/* NULL: no such personality. The first one is the default. */
const struct ve_personality *ve_personality_find(struct text name);
const struct ve_personality *ve_personality_at(unsigned i);

#endif
