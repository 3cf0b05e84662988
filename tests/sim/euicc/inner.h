/*
 * The virtual eUICC from inside: what its parts share. card.c owns the contacts, channels and ISO
 * commands; es10.c and the functions behind it own the ISD-R.
 */
#ifndef SIM_EUICC_INNER_H
#define SIM_EUICC_INNER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"
#include "sim/card.h"
#include "sim/euicc/apdu.h"
#include "sim/euicc/bpp.h"
#include "sim/euicc/euicc.h"
#include "sim/euicc/fault.h"
#include "sim/euicc/rsp.h"

#define VE_COMMAND_MAX 65536    /* of one ES10 command, all blocks together */
#define VE_RESPONSE_MAX 65536

struct ve_file;

enum ve_app {
	VE_APP_NONE,
	VE_APP_ISDR,
	VE_APP_ECASD,
	VE_APP_USIM,
	_VE_APP_MAX
};

struct ve_channel {
	bool open;
	enum ve_app app;
	uint16_t df;                    /* 3F00 or 7FFF */
	const struct ve_file *ef;       /* NULL: none selected */
	unsigned record;                /* the current one, 0: none */
};

enum ve_proactive {
	VE_PROACTIVE_NONE,
	VE_PROACTIVE_WAITS,     /* answers end with 91xx */
	VE_PROACTIVE_FETCHED,   /* TERMINAL RESPONSE or a reset is expected */
	_VE_PROACTIVE_MAX
};

/*
 * The answer of the last command of a channel, as far as it was not fetched. One for each: modules
 * ask the basic channel for its status at any time, and hosts' answers do not suffer from it.
 */
struct ve_response {
	uint8_t data[VE_RESPONSE_MAX];
	size_t n;
	size_t at;                      /* first octet not fetched yet */
	uint16_t fetch_sw;              /* GET RESPONSE fails so; 0: it does not */
};

struct ve_command {
	uint8_t data[VE_COMMAND_MAX];
	size_t n;
	unsigned next;                  /* block number */
	unsigned channel;
	bool open;
};

struct ve {
	struct card card;
	struct ve_state state;
	const struct ve_personality *who;
	struct ve_times times;

	struct ev_task starting;
	struct ev_alarm thinking;
	bool powered;
	bool mute;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t answer_n;
	unsigned more_ms;               /* that this command takes beyond the usual */

	struct ve_channel channels[APDU_CHANNELS];
	struct ve_response responses[APDU_CHANNELS];
	struct ve_command command;
	enum ve_proactive proactive;
	uint8_t capabilities;           /* tags seen in TERMINAL CAPABILITY: bit 0 is 80 */
	bool pin_verified;

	/* What this command will enable once its answer is made; see profile.h. */
	bool marked;
	struct blob marked_aid;

	bool locked;                    /* ES10 waits for a reset */
	unsigned busy_left;
	unsigned failed_loads;
	struct ve_session session;
	struct ve_bpp bpp;
	struct blob fed_random;

	struct ve_faults faults;
	/* What this command's faults leave to do when it is answered. */
	bool silent;
	bool reset_after;
	bool hushed;                    /* mute until the next reset */
};

static inline struct ve *ve_of(struct card *c)
{
	return (struct ve *)((char *)c - offsetof(struct ve, card));
}

/* card.c: changes of profile. */

/* Would a switch find the CAT busy? Counts the tries of cards that are busy at first. */
bool ve_cat_busy(struct ve *e);
/*
 * Enables the profile (no AID: none) now or, with REFRESH, at the coming reset, as the card's
 * habits say. The notifications follow the change itself.
 */
void ve_switch(struct ve *e, struct octets aid, bool refresh);

/* The faults that concern the card as a whole: delays, silence, resets. */
void ve_fault_strike(struct ve *e, const struct ve_fault *f);

/* crypto-grade random octets, or those that a test has fed. */
void ve_random(struct ve *e, void *dst, size_t n);

#endif
