/*
 * Frames of 3GPP TS 27.010, basic option: F9, address, control, length, information, FCS, F9. The
 * codec knows nothing of channels: octets in, frames out, and the other way round.
 *
 * Reading. A frame is believed when its FCS and its closing flag are right; the closing flag may be
 * the opening one of the next. Anything else makes the reader look for a frame from the octet behind
 * the opening flag on, so that a damaged length costs one frame and no more. The length is checked
 * against info_max before any information is taken. A frame that stops in the middle is given up
 * when the owner says that the line has been silent (cmux_reader_gap()).
 */
#ifndef ATCMD_CMUX_FRAME_H
#define ATCMD_CMUX_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

/* What modules were seen to send: 1500 and 1509; Nordic says 2100. */
#define CMUX_INFO_MAX 2100
/* Two flags, address, control, two length octets, FCS. */
#define CMUX_FRAME_EXTRA 7
#define CMUX_FRAME_MAX (CMUX_INFO_MAX + CMUX_FRAME_EXTRA)

/* 62 and 63 would look like flags. */
#define CMUX_DLCI_MAX 61

/*
 * How long a frame may stay silent in its middle. A module that is busy elsewhere may pause, and octets of
 * a call that are given up are lost for good; behind a damaged length an answer comes so much later.
 */
#define CMUX_GAP_MS 2000

enum cmux_type {
	CMUX_SABM, CMUX_UA, CMUX_DM, CMUX_DISC, CMUX_UIH, CMUX_UI,
	_CMUX_TYPE_MAX
};

struct cmux_frame {
	unsigned dlci;
	enum cmux_type type;
	bool cr, pf;
	struct text info;               /* read: valid until the callback returns */
};

const char *cmux_type_name(enum cmux_type type);

/* 27.010 5.2.1.6: over address, control and length; with UI over the information too. */
uint8_t cmux_fcs(const void *data, size_t n);

/* -EMSGSIZE: more information than cap or CMUX_INFO_MAX allows; -EINVAL: no such DLCI. */
int cmux_encode(const struct cmux_frame *f, uint8_t *dst, size_t cap, size_t *ret_n);

struct cmux_reader {
	void (*frame)(struct cmux_reader *r, const struct cmux_frame *f);
	/* Octets that belong to no frame: what a module says that is not muxing. May be NULL. */
	void (*noise)(struct cmux_reader *r, struct text octets);
	size_t info_max;                /* of a received frame; 0: CMUX_INFO_MAX */
	uint32_t frames, torn;          /* torn: began like a frame, and was none */

	/* cmux_frame.c only */
	uint8_t store[CMUX_FRAME_MAX];  /* from the opening flag on */
	size_t n;
	bool stop;
};

/* Callbacks may call cmux_reader_reset(), which ends the feeding, but not feed. */
void cmux_feed(struct cmux_reader *r, struct text octets);
/* A frame has begun and has not ended. */
bool cmux_reader_inside(const struct cmux_reader *r);
void cmux_reader_gap(struct cmux_reader *r);
void cmux_reader_reset(struct cmux_reader *r);

#endif
