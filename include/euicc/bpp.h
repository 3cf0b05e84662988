/*
 * Cuts a Bound Profile Package into the segments that the card wants, GSMA SGP.22 2.5.5, while the
 * package arrives:
 *
 *     BF36 { BF23 {…}, A0 { 87 }, A1 { 88 … }, A2 { 87 }?, A3 { 86 … } }
 *
 *     1. head of BF36 and the whole BF23    4. each 88          6. head of A3
 *     2. the whole A0                       5. the whole A2     7. each 86
 *     3. head of A1
 *
 * Joined, the segments are the package. Only the current one is held. Each is one command to the
 * card; the card's answer is empty until it gives the result, BF37, which ends the loading.
 *
 *     while ((n = bpp_feed(&b, p, left)) …)
 *             while (bpp_next(&b, &segment) == 0)
 *                     give it to the card, wait;
 */
#ifndef EUICC_BPP_H
#define EUICC_BPP_H

#include <stdbool.h>

#include "codec/tlv.h"

/*
 * A protected segment is at most 1020 octets; what stands in one piece (BF23 with its head, A0, A2)
 * is less. Twice that is taken from servers that count generously: the card judges.
 */
#define BPP_SEGMENT_MAX 2048

enum bpp_fault {
	BPP_OK,
	BPP_NOT_A_PACKAGE,      /* does not begin with BF36 */
	BPP_BAD_TLV,            /* a tag or length that cannot be read */
	BPP_BAD_ORDER,          /* another element than the layout has here */
	BPP_TOO_LONG,           /* a segment of more than BPP_SEGMENT_MAX octets */
	BPP_BAD_NESTING,        /* an element is longer than what it stands in */
	BPP_TRUNCATED,          /* bpp_end(): the package is not complete */
	BPP_TRAILING,           /* octets behind the package */
	_BPP_FAULT_MAX
};

enum bpp_state {
	BPP_EXPECT_PACKAGE, BPP_EXPECT_BF23, BPP_EXPECT_A0, BPP_EXPECT_A1, BPP_EXPECT_88,
	BPP_EXPECT_A2_OR_A3, BPP_EXPECT_A3, BPP_EXPECT_86, BPP_DONE, BPP_BROKEN,
	_BPP_STATE_MAX
};

struct bpp {
	enum bpp_fault fault;
	size_t total;           /* length of the package, once its head is known; else 0 */
	size_t taken;           /* octets fed so far: progress */
	unsigned segments;      /* given so far */
	/* bpp.c only */
	enum bpp_state state;
	size_t left;            /* octets of the package's value not yet fed */
	size_t group_left;      /* the same of A1 or A3 */
	size_t head_at;         /* where in store the head of the current element begins */
	size_t want;            /* length of the segment, once known; else 0 */
	bool given;             /* the segment in store has been given out */
	size_t n;
	uint8_t store[BPP_SEGMENT_MAX];
};

void bpp_init(struct bpp *b);
/*
 * Takes octets up to the end of the current segment and says how many: fewer than n when a segment
 * is complete, which bpp_next() must take first, or when something is wrong. Ends the validity of
 * what bpp_next() gave.
 */
size_t bpp_feed(struct bpp *b, const uint8_t *p, size_t n);
/*
 * 0: the next segment, valid until bpp_feed(); -EAGAIN: feed more; -ENODATA: that was all;
 * -EBADMSG: b->fault says what is wrong, and will say so for good.
 */
int bpp_next(struct bpp *b, struct octets *ret_segment);
/* The source has no more octets: 0, or -EBADMSG with the fault BPP_TRUNCATED or an earlier one. */
int bpp_end(struct bpp *b);

const char *bpp_fault_name(enum bpp_fault fault);

#endif
