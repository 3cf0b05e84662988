/*
 * Faults that are ordered: a card that answers wrongly, late or not at all, at a certain function
 * or at a certain APDU. Each order waits for its occasion and then acts once, or every time.
 */
#ifndef SIM_EUICC_FAULT_H
#define SIM_EUICC_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"
#include "sim/euicc/es10.h"

#define VE_FAULTS_MAX 16

enum ve_fault_kind {
	VE_FAULT_SW,            /* this status word and no data */
	VE_FAULT_GARBAGE,       /* other octets, as many */
	VE_FAULT_CUT,           /* only the first half of the data */
	VE_FAULT_EMPTY,         /* no data, and all is well */
	VE_FAULT_DELAY,         /* so many milliseconds more */
	VE_FAULT_MUTE,          /* nothing more until the card is reset */
	VE_FAULT_SILENT,        /* this command is never answered; nobody tells the reader */
	VE_FAULT_RESET,         /* the answer comes, and the card has been reset behind it */
	_VE_FAULT_MAX
};

struct ve_fault {
	uint32_t tag;           /* of the function; 0: every APDU counts */
	unsigned nth;           /* the how manieth of them; 0: all */
	bool after;             /* the command is carried out first */
	enum ve_fault_kind kind;
	unsigned value;         /* status word, milliseconds */
	unsigned seen;
};

struct ve_faults {
	struct ve_fault list[VE_FAULTS_MAX];
	size_t n;
};

/*
 * "WHERE:[after,]WHAT[=VALUE]". WHERE is the tag of a function or "apdu", then nothing (the first
 * time), "#N" (the nth time) or "*" (every time). WHAT: sw=6F00 garbage cut empty delay=MS mute
 * silent reset. -EINVAL, -ENOSPC.
 */
int ve_fault_add(struct ve_faults *f, struct text order);

/* Counts the occasion; NULL: nothing was ordered for it. */
const struct ve_fault *ve_fault_at(struct ve_faults *f, uint32_t tag);
/* What it does to an answer: the status word that holds then. */
uint16_t ve_fault_answer(const struct ve_fault *f, uint16_t sw, struct tlv_out *w);

#endif
