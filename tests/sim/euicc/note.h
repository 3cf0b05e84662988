/*
 * Pending notifications and stored eUICC Package Results, SGP.22 5.7.9 to 5.7.11, SGP.32 5.9.11:
 * made when something happens, kept until they are removed by their number.
 */
#ifndef SIM_EUICC_NOTE_H
#define SIM_EUICC_NOTE_H

#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/es10.h"
#include "sim/euicc/state.h"

struct ve;

/* NotificationEvent, the first octet of the BIT STRING. */
enum {
	VE_EVENT_INSTALL = 0x80,
	VE_EVENT_ENABLE = 0x40,
	VE_EVENT_DISABLE = 0x20,
	VE_EVENT_DELETE = 0x10,
};

/* One signed notification for each address that the profile wants to be told this. */
void ve_note_event(struct ve *e, const struct ve_profile *p, uint8_t event);

/* One OtherSignedNotification, SGP.22 5.7.10, to this address. */
void ve_note_signed(struct ve *e, struct octets address, struct octets iccid, uint8_t event);

/* The next number of the card, used up by asking. */
uint32_t ve_note_number(struct ve *e);
/* NotificationMetadata, BF2F whole; without iccid (n = 0) it is left out. */
void ve_note_metadata(struct tlv_out *w, uint32_t seq, uint8_t event, struct octets address,
		      struct octets iccid);
/*
 * Keeps one under its number; the oldest goes when there is no more room. A package result has no
 * metadata and no event.
 */
void ve_note_keep(struct ve *e, enum ve_note_kind kind, uint32_t seq, uint8_t event,
		  struct octets metadata, struct octets whole);
/* NULL: none has that number. */
struct ve_note *ve_note_find(struct ve_state *s, uint32_t seq);

extern const struct es10_row ve_note_rows[];        /* ends with tag 0 */

#endif
