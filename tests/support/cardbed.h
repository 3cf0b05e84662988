/*
 * Everything between a card and those who speak to it, in one process on the virtual clock: the
 * virtual eUICC in the virtual module, a serial line between them and the modem layer with its
 * tunnel, the IPA on top. A test that uses it gets its port in place of daemon/modem/port.c.
 */
#ifndef SUPPORT_CARDBED_H
#define SUPPORT_CARDBED_H

#include "ipa/ipa.h"
#include "ipa/local.h"
#include "modem/modem.h"
#include "modem/vport.h"
#include "sim/module/host.h"
#include "sim/module/pacer.h"
#include "support/talk.h"
#include "support/wire.h"

#define CARDBED_FIRST  "8949000000000000017"
#define CARDBED_SECOND "8949000000000000025"
#define CARDBED_PIECE 4096

struct cardbed {
	struct talk card;               /* its directory; the card itself is the module's */
	struct module module;
	struct host host;
	struct pacer to_host, from_host;
	struct wire wire;
	struct modem modem;
	struct vports ports;
	struct ipa ipa;
	/* A command goes out, CR taken off. May be NULL. */
	void (*sent)(const char *line);
	/*
	 * Octets on their way: changed in place, lost (a smaller number is returned), or more of them,
	 * as far as there is room in CARDBED_PIECE. May be NULL.
	 */
	size_t (*disturb)(bool to_host, uint8_t *data, size_t n);
	/* What crossed the line, each way. */
	unsigned long octets_in, octets_out;
	/* cardbed.c only */
	struct ev_alarm replug;
	bool unplugged, card_there, with_ports;
	uint32_t card_losses;
};

extern struct cardbed cardbed;

struct cardbed_options {
	const char *module;             /* personalities */
	const char *card;
	unsigned baud;                  /* 0: not paced, and a module that takes no time */
	size_t segment;                 /* octets of data per APDU; 0: the usual */
	unsigned cmux;                  /* enum modem_cmux */
	const struct vport_options *ports;      /* sockets, found in cardbed.card.dir */
	size_t n_ports;
};

/* A card with two profiles, the first one enabled, and a module that begins to start. */
void cardbed_open(const struct cardbed_options *o);
/* The port vanishes with the module's power, or without; and is there again. */
void cardbed_unplug(bool with_power);
void cardbed_plug(void);
/* Gives the channel back first, as the daemon does when it ends. */
void cardbed_close(void);
/* The card is known, and nothing is to be read; false: not within this time. */
bool cardbed_settle(unsigned limit_ms);
/* The list that the IPA has is that of the card. */
bool cardbed_is_true(void);
/* Channels open on the card. */
unsigned cardbed_channels(void);

#endif
