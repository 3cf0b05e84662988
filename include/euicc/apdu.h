/*
 * One command to the ISD-R and its answer: the command's octets in STORE DATA blocks over an open
 * channel (GSMA SGP.22 5.7.2, GlobalPlatform 11.11), the answer put into a bounded buffer.
 *
 * A block that the card answers with data ends the command, the last one or not: so a Bound Profile
 * Package ends early with its result.
 */
#ifndef EUICC_APDU_H
#define EUICC_APDU_H

#include "codec/tlv.h"
#include "core/ev.h"
#include "link/card.h"

/* Status words that somebody here asks for. */
enum {
	SW_OK = 0x9000,
	SW_CHANNEL_LOST = 0x6881,
	SW_CONDITIONS = 0x6985,
	SW_WRONG_DATA = 0x6a80,
	SW_NOT_FOUND = 0x6a82,
};

/* 9000, or 91xx: done, and the card has something of its own to tell the module. */
bool apdu_sw_ok(uint16_t sw);

/*
 * The caller owns it and what it points to, from apdu_start() until done() has begun or
 * apdu_cancel() has returned. Exactly one of the two happens; done() comes from the event loop.
 *
 * why NULL: the answer is in the buffer, answer_n octets of it, perhaps none. Otherwise REFUSED
 * from "card" with the status word, MALFORMED for an answer that does not fit into the buffer,
 * REFUSED from "us" (EMSGSIZE) for a command of more than 256 blocks, or why the exchange
 * failed.
 */
struct apdu {
	struct card_channel *channel;
	struct octets command;
	unsigned patience_ms;           /* per block */
	size_t block_max;               /* octets per block that the card takes; 0: any number */
	uint8_t *answer;
	size_t cap;
	void (*done)(struct apdu *a, const struct cause *why);
	size_t answer_n;
	uint16_t sw;                    /* the last one; 0: none came */
	size_t sent;                    /* octets of the command that the card has taken */
	/* apdu.c only */
	struct card_exchange x;
	struct ev_task task;
	unsigned block;
	size_t in_flight;
	bool running;
	uint8_t buf[CARD_COMMAND_MAX];
};

void apdu_start(struct apdu *a);
/* Fine when it is not running. */
void apdu_cancel(struct apdu *a);

#endif
