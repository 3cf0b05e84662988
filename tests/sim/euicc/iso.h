/* Commands of ISO/IEC 7816-4, ETSI TS 102 221 and 102 223 that need no knowledge of profiles. */
#ifndef SIM_EUICC_ISO_H
#define SIM_EUICC_ISO_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/euicc/apdu.h"

struct ve;

/* The data of the answer goes into w; it is taken only with SW_OK. */
typedef uint16_t (*iso_fn)(struct ve *e, const struct apdu *a, struct tlv_out *w);

struct iso_command {
	uint8_t ins;
	bool iso, proprietary;  /* in which classes it exists */
	bool outgoing;          /* no data in the command: Le says how much is wanted */
	iso_fn run;
};

/* SW_OK and the command, or why there is none: SW_INS, SW_CLA. */
uint16_t ve_iso_find(const struct apdu *a, const struct iso_command **ret);

/* The length of the proactive command that may wait. */
size_t ve_proactive_length(void);

/* The channels as after an answer to reset. */
void ve_channels_reset(struct ve *e);
/* Profile gone or changed: closes all channels but the basic one and `keep`. */
void ve_channels_close(struct ve *e, unsigned keep);

#endif
