/*
 * The card as a virtual card of vpcd (vsmartcard): it dials the reader, a part of pcscd that
 * listens on a port, and from then on is a card in that reader. Frames are a length in two octets,
 * big endian, and so many octets: one octet is a signal to the card (00 off, 01 on, 02 reset,
 * 04 ATR is wanted), more are an APDU. Only APDUs and 04 are answered.
 */
#ifndef SIM_EUICC_VPCD_H
#define SIM_EUICC_VPCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ev.h"
#include "sim/card.h"

#define VPCD_PORT "35963"
#define VPCD_FRAME_MAX 65535
#define VPCD_WHY_MAX 160

struct vpcd {
	struct card_user user;
	/* The reader went, or speaks nonsense; runs from the loop. why: one line for people. */
	void (*ended)(struct vpcd *v, const char *why);

	/* vpcd.c only, from here */
	struct card *card;
	int fd;
	struct ev_watch watch;
	uint8_t in[2 + VPCD_FRAME_MAX];
	size_t in_n;
	uint8_t out[2 + CARD_ANSWER_MAX];
	size_t out_n;
	uint8_t atr[CARD_ATR_MAX];
	size_t atr_n;
	enum vpcd_state {
		VPCD_LEARNING,          /* its own reset, to know the ATR */
		VPCD_OFF,
		VPCD_STARTING,
		VPCD_ON,
		VPCD_BUSY,              /* an APDU is with the card */
		_VPCD_STATE_MAX
	} state;
};

/* "HOST", "HOST:PORT" or "[ADDRESS]:PORT": a connected descriptor. Waits for a few seconds. */
int vpcd_dial(const char *where, int *ret_fd, char why[VPCD_WHY_MAX]);

/* Takes fd over; the card stays the caller's and must outlive this. Zeroed before. */
void vpcd_start(struct vpcd *v, struct card *card, int fd);
void vpcd_stop(struct vpcd *v);

#endif
