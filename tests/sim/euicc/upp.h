/*
 * The Unprotected Profile Package (TCA Interoperable Format): profile elements one after another,
 * cut anywhere. What a modem can see of a profile is taken out, everything else is passed over.
 */
#ifndef SIM_EUICC_UPP_H
#define SIM_EUICC_UPP_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/euicc/blob.h"
#include "sim/euicc/state.h"

#define VE_PE_MAX 65536         /* octets of one profile element */

/* PEStatus, of those a card of ours gives. */
enum ve_pe_status {
	VE_PE_OK = 0,
	VE_PE_NOT_SUPPORTED = 1,
	VE_PE_BAD_VALUES = 3,
	VE_PE_FORMAT = 5,
	VE_PE_VERSION = 31,
};

enum ve_upp_end {
	VE_UPP_OK,
	VE_UPP_BAD_ELEMENT,     /* status and element tell */
	VE_UPP_OTHER_ICCID,
	_VE_UPP_END_MAX
};

struct ve_upp {
	struct blob pe;         /* what came of an element that is not complete */
	bool begun, ended;      /* header and end were seen */
	enum ve_pe_status status;
	uint32_t element;       /* its identification, UINT32_MAX: unknown */
};

/* p has its ICCID already, in the form of EF.ICCID; the rest is put into it. */
enum ve_upp_end ve_upp_feed(struct ve_upp *u, struct ve_profile *p, struct octets plain);
/* Nothing more comes. */
enum ve_upp_end ve_upp_end(struct ve_upp *u);
void ve_upp_clear(struct ve_upp *u);

#endif
