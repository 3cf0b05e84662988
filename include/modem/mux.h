/*
 * The module's line as several (27.010), where configured: the daemon's own commands on one channel,
 * APDUs on another, a channel for each virtual port as far as the module has some. Also its speed.
 * Both are part of the start (start.c runs the recipe); what a module refuses is done without.
 */
#ifndef MODEM_MUX_H
#define MODEM_MUX_H

#include "atcmd/chat.h"
#include "atcmd/cmux.h"

enum modem_cmux {
	MODEM_CMUX_NO,
	MODEM_CMUX_AUTO,        /* if its family is known to do it */
	MODEM_CMUX_YES,
};

#define MODEM_MUX_PORTS 8

struct modem;
struct step;

struct modem_mux_counters {
	uint64_t sent, received;        /* frames */
	uint32_t torn;                  /* what began like a frame and was none */
	uint32_t retries, checks, unknown, dropped;
	uint32_t starts, losses;        /* losses: it ended though nobody wanted that */
};

struct modem_mux {
	bool on;                        /* the line is muxed: m->chat stands on a channel */
	unsigned failures;              /* short lives in a row; after some it is left alone for a while */
	uint64_t since_ms;
	unsigned n1;                    /* octets of information per frame that is sent */

	/* mux.c only */
	struct cmux cmux;
	struct cmux_dlc control, card, ports[MODEM_MUX_PORTS];
	struct at_chat card_chat;
	struct at_cmd cmd, card_setup;
	char text[64];
	unsigned next, port;            /* the next channel's number; for which port */
	uint64_t gave_up_ms;
	struct modem_mux_counters past; /* of muxes that have ended */
	struct ev_alarm pause;
	unsigned old_baud;
	bool raised, speed_refused;     /* the line is faster than configured; it did not work */
	bool leaving, restarted;        /* why it ends: we go; the module has restarted */
	struct pipe_user nobody;        /* has the line while the module changes over */
	bool proven;                    /* it has worked since the port is there */
	struct ev_alarm again;          /* it is missed */
};

extern const struct step modem_mux_steps[];
/* Since the start of the daemon. */
struct modem_mux_counters modem_mux_count(const struct modem *m);
/* How many channels are open, and which one is the port's own; 0: none. */
unsigned modem_mux_channels(const struct modem *m);
unsigned modem_mux_channel_of(const struct modem *m, unsigned port);
/* There is something to do for the recipe. */
bool modem_mux_wanted(const struct modem *m);
/* The module does not mux any more, or must not: m->chat is on the bare line again. */
void modem_mux_drop(struct modem *m);
/* Before the port is closed: says good-bye and waits for nothing. */
void modem_mux_detach(struct modem *m);
/* A channel of the mux has ended by itself; false: there is no mux. */
bool modem_mux_lost(struct modem *m);
/* Somebody has waited for an answer in vain: does the module still hear us? */
void modem_mux_doubt(struct modem *m);
/* The module is ready: a mux that it has lost is tried again, when nobody is disturbed. */
void modem_mux_ready(struct modem *m);
/* The recipe that runs these steps is given up. */
void modem_mux_abandon(struct modem *m);

#endif
