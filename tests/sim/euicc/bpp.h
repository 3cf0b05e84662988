/*
 * Loading a Bound Profile Package, SGP.22 2.5 and 5.7.6: segments come one to a command, and what
 * ends the load (success, or whatever was wrong) is told in the answer to the segment that ended
 * it.
 *
 * What a result needs besides is in the state, so that a card that lost its power in between can
 * still tell: ve_state.loading and its like.
 */
#ifndef SIM_EUICC_BPP_H
#define SIM_EUICC_BPP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/euicc/bsp.h"
#include "sim/euicc/es10.h"
#include "sim/euicc/upp.h"

struct ve;

/* BppCommandId, SGP.22 2.5.6 */
enum ve_bpp_command {
	VE_BPP_INITIALISE = 0,
	VE_BPP_CONFIGURE = 1,
	VE_BPP_METADATA = 2,
	VE_BPP_REPLACE_KEYS = 4,
	VE_BPP_PROFILE = 5,
};

struct ve_bpp {
	bool open;
	unsigned channel;
	size_t left;                    /* octets of BF36 that have not come yet */
	uint32_t group;                 /* A0 to A3, the last one that was opened */
	size_t group_left, group_size;
	unsigned pieces;                /* segments seen in this group */
	struct ve_bsp keys;
	struct blob metadata;           /* StoreMetadata, put together */
	struct ve_upp upp;
	struct ve_profile profile;      /* as far as it has come */
};

/* The power or the session went; nothing is written to the state. */
void ve_bpp_abandon(struct ve *e);
/* The server was told that nothing comes of it: no result is made. */
void ve_bpp_cancel(struct ve *e);
/* The load that the state tells of, if any, has ended without success: SGP.22 3.1.3.3. */
void ve_bpp_interrupted(struct ve *e);

extern const struct es10_row ve_bpp_rows[];        /* ends with tag 0 */

#endif
