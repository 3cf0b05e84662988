/*
 * The SIM card through AT commands: +CCHO +CGLA +CCHC (3GPP TS 27.007 8.45 to 8.47), or raw APDUs
 * by +CSIM (8.17) with a logical channel of our own. Implements link/card.h on a chat that others
 * use at the same time: each APDU is one command in the chat's queue, so an AT client waits for at
 * most the one in flight, and the train moves on behind each client's one.
 *
 * Which way works is found out by trying, the family's hint first. A session is an opaque handle,
 * not a channel number. 61xx and 6Cxx are followed if and when they come: some modules fetch the
 * data themselves. What follows is put in front of the queue, because a card forgets the data of
 * an answer when another command comes in between.
 */
#ifndef ATCMD_CARD_AT_H
#define ATCMD_CARD_AT_H

#include "atcmd/chat.h"
#include "atcmd/family.h"
#include "core/proc.h"
#include "link/card.h"

#define CARD_AT_HANDLE_MAX 24
#define CARD_AT_SEGMENT 120     /* proven on every module that was reported to work */

enum card_at_way {
	CARD_AT_UNKNOWN,
	CARD_AT_CCHO,           /* the module manages the channel */
	CARD_AT_CSIM,           /* we do */
	_CARD_AT_WAY_MAX
};

struct card_at {
	struct card_channel channel;    /* for its user; segment_max may be set before it is used */
	struct at_chat *chat;
	/*
	 * Which channel is open, as "ccho:3" or "csim:2", "ccho:" or "csim:" while one is being opened,
	 * "" none: to be kept where a crash of ours does not reach it, and to be put into left by the
	 * next one. May be NULL.
	 */
	void (*remember)(struct card_at *c, const char *handle);
	char left[CARD_AT_HANDLE_MAX];  /* opened by a predecessor: closed before ours is opened */
	uint64_t used_ms;               /* when the last APDU was given to the module */
	uint32_t losses;                /* counts card_at_lost(): another card may be there since */

	/* card_at.c and card_open.c only, from here */
	char noted[CARD_AT_HANDLE_MAX]; /* what remember() was told last */
	enum card_at_way way;           /* the one that worked, or the family's */
	enum card_at_way opened_by;     /* UNKNOWN: no channel is open */
	char handle[17];                /* of +CCHO; as it came */
	unsigned number;                /* of the channel, with CSIM */
	bool swept, swept_channels;     /* blind closing was tried since the card started */
	/* Of this opening: it was tried; the answer was lost that tells which channel is open. */
	bool sweeping, adrift;
	bool channel_open, selected;    /* and by +CSIM */

	struct proc opening;
	struct cause refusal;           /* the first one of this opening */
	const uint8_t *aid;
	size_t aid_n;
	uint8_t data[512];              /* FCI, and whatever else an opening asks for */
	size_t data_n;
	uint16_t sw;

	struct at_cmd cmd;              /* the one APDU, or command of the opening, in the chat */
	char text[2 * CARD_COMMAND_MAX + 64];
	bool answered, garbled;         /* of its lines so far */
	bool timed_out;                 /* the opening's last one */
	char session[17];

	struct card_exchange *now;      /* of the channel's user */
	uint8_t command[CARD_COMMAND_MAX];
	size_t command_n;
	unsigned follow_ups;
	struct cause ended;
	struct ev_task end;             /* done() from the loop, where it ends at once */

	struct at_cmd closing;          /* queued by card_close(); outlives the channel */
	char closing_text[64];
	bool unwanted;                  /* was closed while being opened */
	bool open_again;                /* and then opened again */
	struct ev_task tell_lost;
};

/* chat is set; the rest is zero. */
void card_at_init(struct card_at *c);
/* The module is known now: which way to try first. */
void card_at_set_family(struct card_at *c, const struct at_family *family);
/* The card was reset or is gone, or the module is: what was open is so no more. */
void card_at_lost(struct card_at *c);
/* The line to the module is gone; module and card may go on, and what is open there stays so. */
void card_at_line_lost(struct card_at *c);
/* For owners that go away: nothing is called any more. */
void card_at_drop(struct card_at *c);
bool card_at_is_open(const struct card_at *c);
/* A close() is still on its way to the module. */
bool card_at_is_closing(const struct card_at *c);

/* --- between the two files ---------------------------------------------------------------------- */

/* card_open.c */
extern const struct step card_at_opening_steps[];

void card_at_note(struct card_at *c, const char *handle);
/* Puts a command for the module, or an APDU for its card, into the chat; proc_answer() follows. */
int card_at_ask(struct card_at *c, const char *command, const char *prefix, unsigned patience_ms);
int card_at_ask_apdu(struct card_at *c, const uint8_t *apdu, size_t n, bool first);
/* The CLA octet for a channel, ETSI TS 102 221 10.1.1. */
uint8_t card_at_cla(uint8_t cla, unsigned channel);

#endif
