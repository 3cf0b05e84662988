/* StoreMetadata, SGP.22 5.5.3: what a profile says of itself, and whether the card may take it. */
#ifndef SIM_EUICC_METADATA_H
#define SIM_EUICC_METADATA_H

#include "codec/tlv.h"
#include "sim/euicc/state.h"

struct ve;

/* ErrorReason of a ProfileInstallationResult, SGP.22 2.5.6. */
enum ve_reason {
	VE_REASON_NONE = 0,
	VE_REASON_INPUT = 1,
	VE_REASON_SIGNATURE = 2,
	VE_REASON_TID = 3,
	VE_REASON_CRT = 4,
	VE_REASON_OPERATION = 5,
	VE_REASON_CLASS = 6,
	VE_REASON_STRUCTURE = 7,
	VE_REASON_SECURITY = 8,
	VE_REASON_ICCID_EXISTS = 9,
	VE_REASON_MEMORY = 10,
	VE_REASON_INTERRUPTED = 11,
	VE_REASON_ELEMENT = 12,
	VE_REASON_MISMATCH = 13,
	VE_REASON_PPR = 15,
	VE_REASON_UNKNOWN = 127,
};

/* in: BF25 whole. The fields go into p, which is cleared by the caller after a refusal. */
enum ve_reason ve_metadata_read(struct ve *e, struct octets in, struct ve_profile *p);

#endif
