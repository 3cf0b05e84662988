/*
 * The functions of the ISD-R: GSMA SGP.22 5.7 and SGP.32 5.9, one row of a table each. One command
 * is one TLV, except while a Bound Profile Package is being loaded.
 *
 * Rows come from the tables that the parts of the card name in their headers; es10.c joins them.
 */
#ifndef SIM_EUICC_ES10_H
#define SIM_EUICC_ES10_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/apdu.h"
#include "sim/euicc/state.h"

struct ve;

/*
 * in is the whole command, outer tag included: one well-formed element, unless the row is a piece.
 * The answer goes into w. The status word is that of the whole exchange and tells errors only;
 * with anything but SW_OK what is in w is dropped. What changed is marked by state.dirty and is in
 * the file before the answer leaves the card; a change that is not to be kept must not be made.
 */
typedef uint16_t (*es10_fn)(struct ve *e, struct octets in, struct tlv_out *w);

struct es10_row {
	uint32_t tag;
	const char *name;
	es10_fn fn;
	/* The editions that have it; the same tag may stand in two rows. */
	enum ve_version first, last;
	bool piece;             /* a segment of a Bound Profile Package: any octets after the tag */
	bool crypto;            /* takes the time of signatures */
};

#define ES10_ALL VE_SGP22, VE_SGP32_13
#define ES10_CONSUMER VE_SGP22, VE_SGP22
#define ES10_IOT VE_SGP32_10, VE_SGP32_13
#define ES10_IOT_11 VE_SGP32_11, VE_SGP32_13

/* Executes one command. */
uint16_t ve_es10_execute(struct ve *e, struct octets command, struct tlv_out *w);

/* The window of the command's value; what is wrong with it shows in doc. */
struct tlv ve_es10_open(struct tlv_doc *doc, struct octets in);
/* Answers of the usual form: tag { 80 code }. */
void ve_es10_code(struct tlv_out *w, uint32_t tag, uint8_t code);

#endif
