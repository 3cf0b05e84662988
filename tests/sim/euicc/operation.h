/* What is in eUICC Packages: PSMOs and eCOs, SGP.32 2.11.1.1, one function for each list. */
#ifndef SIM_EUICC_OPERATION_H
#define SIM_EUICC_OPERATION_H

#include <stdbool.h>

#include "codec/tlv.h"
#include "sim/euicc/state.h"

struct ve;

/* processingTerminated */
enum ve_terminated {
	VE_TERMINATED_OVERFLOW = 1,
	VE_TERMINATED_COMMAND = 2,      /* unknown or damaged */
};

/* What one package has done so far, for what follows in it. */
struct ve_run {
	struct octets eim;              /* eimId of who sent it */
	struct blob before;             /* AID of the profile that a rollback goes back to */
	bool enabled, disabled;         /* there was such an operation */
	bool granted;                   /* with rollbackFlag */
	bool counter_set;               /* an operation gave this eIM another counter */
};

/*
 * Executes a list, the value of A0 (PSMOs) or A1 (eCOs), until its end or the first failure; the
 * results go into w, without anything around them. The caller clears run.before.
 */
void ve_run_psmos(struct ve *e, struct ve_run *run, struct tlv list, struct tlv_out *w);
void ve_run_ecos(struct ve *e, struct ve_run *run, struct tlv list, struct tlv_out *w);
void ve_run_terminated(struct tlv_out *w, enum ve_terminated why);

#endif
