/*
 * Module families as data: how a kind of module is told apart and in what it differs. Every row
 * is a default to try first; what a module really does is decided by what it answers. Behaviours
 * are named, never makers: code asks for a quirk or a column, not who the vendor is.
 */
#ifndef ATCMD_FAMILY_H
#define ATCMD_FAMILY_H

#include <stdbool.h>

#include "core/text.h"

enum at_quirk {
	/* A card change is announced by +QUSIM: 1 after +CPIN: READY. */
	QUIRK_QUSIM = 1 << 0,
	/* No unsolicited line tells that the card has changed. */
	QUIRK_CARD_SILENT = 1 << 1,
};

/*
 * What the module's power lines want, in milliseconds; 0 in a row: as the one that assumes nothing.
 * Where it can be, on_ms is shorter than what switches a running module off: a pulse at the wrong
 * time then does no harm.
 */
struct at_power {
	unsigned on_ms;                 /* the pulse on PWRKEY that switches it on */
	unsigned off_ms;                /* and the one that switches it off */
	unsigned reset_ms;              /* the pulse on RESET */
	unsigned up_ms;                 /* after on_ms STATUS shows that it is on, at most */
	unsigned down_ms;               /* from the command or pulse until it is off, at most */
};

#define AT_FAMILY_ICCID_MAX 3
#define AT_FAMILY_SETUP_MAX 4

struct at_family {
	const char *name;               /* for people: "Quectel EC2x/EG2x" */
	const char *maker;              /* part of the CGMI text, any case; "" any */
	const char *model;              /* starts of the CGMM text, split by '|'; "" any */
	unsigned quirks;
	unsigned boot_ms;               /* from a reset until AT is answered, at most */
	const char *reset;              /* restarts the module */
	const char *iccid[AT_FAMILY_ICCID_MAX];         /* in the order to try; then +CRSM */
	const char *setup[AT_FAMILY_SETUP_MAX];         /* at each start; refusals do not matter */
	const char *pin_left;           /* tells the remaining PIN tries */
	unsigned gap_ms;                /* pause the maker asks for between two commands */
	bool card_by_csim;              /* +CCHO is missing or known not to work: +CSIM at once */
	/*
	 * 27.010 5.7, "$" is the number of the line's speed; NULL: not known to work on a serial line.
	 * What one frame to it may carry, how many channels it offers, and the pause between its OK and
	 * our first frame: too early, and some lock up until they lose power.
	 */
	const char *cmux;
	unsigned cmux_n1, cmux_channels, cmux_pause_ms;
	/* Takes the power off the card and gives it back, without losing the network's; in two steps. */
	const char *card_off, *card_on;
	struct at_power power;
	const char *power_down;         /* makes it ready to lose its power, or switches it off */
};

/* The row for this module, in the order of the tables; the last one fits all. Never NULL. */
const struct at_family *at_family_find(struct text maker, struct text model);
/* The row that assumes nothing. */
const struct at_family *at_family_generic(void);
/* The row of this name; NULL: there is none. */
const struct at_family *at_family_named(struct text name);
/* The row's times, without gaps. */
struct at_power at_family_power(const struct at_family *f);

/* The makers' tables, each ended by a row without name. */
extern const struct at_family at_families_quectel[], at_families_simcom[], at_families_telit[],
	at_families_ublox[], at_families_sierra[], at_families_cinterion[], at_families_nordic[],
	at_families_others[];

#endif
