/*
 * The channel to the ISD-R (GSMA SGP.22 5.7.1, SGP.32 5.7): which AID it answers to, what its FCI
 * says, and the one thing a card may want before it speaks: TERMINAL CAPABILITY.
 *
 * Cards sold under another name answer to their own AID only, with a refused SELECT for the
 * standard one; so a refusal leads to the next of a list, anything else ends the attempt, and so
 * does a refusal that is not the card's and took its time: whoever said it was busy. The one that
 * worked is tried first next time.
 */
#ifndef EUICC_ISDR_H
#define EUICC_ISDR_H

#include "core/ev.h"
#include "euicc/es10.h"
#include "link/card.h"

/* What the FCI says; SGP.22 5.7.1, SGP.32 5.7.1. Optional: some cards do not let it be read. */
struct isdr_fci {
	bool read;                      /* there was one that could be decoded */
	struct es10_version svn;        /* E0; 0.0.0: not said */
	bool iot;                       /* E1 is there: an SGP.32 card */
	bool ipae_supported;
	bool enabled_profile;
	unsigned command_max;           /* 9F65: octets of command data; 0: not said */
};

/* Never fails: what cannot be understood is as good as not there. */
struct isdr_fci isdr_fci_decode(struct octets fci);

enum isdr_state {
	ISDR_CLOSED,
	ISDR_EXPECT_CAPABILITY,         /* TERMINAL CAPABILITY is on its way, then the SELECT */
	ISDR_EXPECT_SELECT,
	ISDR_OPEN,
	_ISDR_STATE_MAX
};

const char *isdr_state_name(enum isdr_state state);

/* The user's: set before isdr_open(). opened() ends every isdr_open(), from the event loop. */
struct isdr {
	struct card_channel *channel;
	void (*opened)(struct isdr *i, const struct cause *why);
	void (*lost)(struct isdr *i);   /* an open one is gone: card reset, changed, module lost */
	/* to be read */
	enum isdr_state state;
	struct isdr_fci fci;
	struct octets aid;              /* that was selected */
	/* TERMINAL CAPABILITY before every SELECT: found out, or set by who knows the card. */
	bool wants_capability;
	/* isdr.c only */
	struct card_channel_user user;
	struct card_exchange x;
	unsigned tried, first;
	struct cause refusal;           /* of the first AID tried */
	uint64_t asked_ms;
};

/* Not while it is open or being opened. */
void isdr_open(struct isdr *i);
/* From any state; opened() and lost() are not called any more. */
void isdr_close(struct isdr *i);

#endif
