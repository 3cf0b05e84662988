/*
 * The daemon's mux and the virtual module's, joined back to back on the virtual clock, with a line
 * between them that can do anything to the octets.
 */
#ifndef SUPPORT_MUXBED_H
#define SUPPORT_MUXBED_H

#include "atcmd/cmux.h"
#include "sim/module/mux.h"
#include "support/wire.h"

#define MUXBED_ENDS 4
#define MUXBED_ROOM 65536

/* A channel and its user; what has come is in in. */
struct muxbed_end {
	struct cmux_dlc dlc;
	struct pipe_user user;
	unsigned opened, refused, hung_up, drained;
	bool silent;                    /* refused without a word */
	unsigned bits;
	char in[MUXBED_ROOM];
	size_t in_n;
};

struct muxbed {
	struct wire wire;
	struct mux module;
	struct cmux mux;
	bool joined;                    /* the module muxes; else what is sent goes nowhere */
	bool echo;                      /* it sends back what it gets */
	unsigned started, ended;
	enum cmux_end why;
	struct muxbed_end ends[MUXBED_ENDS];
	char at_module[MUX_CHANNELS][MUXBED_ROOM];
	size_t at_module_n[MUX_CHANNELS];
	/* Octets on their way, dst has room for twice as many; how many arrive. NULL: as they are. */
	size_t (*damage)(const uint8_t *src, size_t n, uint8_t *dst);
};

extern struct muxbed muxbed;

/* oddities: MUX_… of sim/module/mux.h. Nothing is sent yet. */
void muxbed_begin(unsigned oddities);
/* Starts the mux and opens so many channels. */
void muxbed_open(unsigned n);
/* Nothing is active afterwards (asserted). */
void muxbed_finish(void);

#endif
