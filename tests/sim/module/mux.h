/*
 * The module's side of 3GPP TS 27.010, basic option: answers what the host begins. Knows nothing of
 * AT commands: whoever runs it (bench.c, a test) gives octets and gets octets.
 *
 * It is written for itself, from the specification, as a module's firmware would be; it shares
 * nothing with the daemon's, so that a mistake in one of the two shows.
 */
#ifndef SIM_MODULE_MUX_H
#define SIM_MODULE_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUX_CHANNELS 8          /* 1 to 7 may be opened at most */
#define MUX_INFO 1600

/* Behaviours of modules in the field. */
enum {
	MUX_DATA_CR = 1 << 0,           /* its data frames have the initiator's C/R (SIM7670G) */
	MUX_DATA_PF = 1 << 1,           /* and P/F set (BG96, SIM7600) */
	MUX_NO_TEST = 1 << 2,           /* Test is answered by NSC */
	MUX_NO_MSC = 1 << 3,            /* modem status is neither sent nor answered */
	MUX_NO_CLD = 1 << 4,            /* close-down is not answered, but done */
	MUX_DEAF = 1 << 5,              /* hears nothing any more */
};

struct mux {
	void (*write)(struct mux *m, const uint8_t *data, size_t n);
	void (*received)(struct mux *m, unsigned channel, const uint8_t *data, size_t n);
	/* It was opened or closed by the host. May be NULL. */
	void (*changed)(struct mux *m, unsigned channel, bool open);
	/* Its DTR on a channel has changed. May be NULL. */
	void (*dtr)(struct mux *m, unsigned channel, bool on);
	/* The host has left the mux. */
	void (*ended)(struct mux *m);
	unsigned oddities;
	unsigned channels;              /* how many it offers; more are refused */
	unsigned n1;                    /* information per frame it sends */

	/* for tests to look at */
	bool open[MUX_CHANNELS];        /* 0: the mux itself */
	bool stopped[MUX_CHANNELS];     /* the host wants nothing there now */
	bool no_dtr[MUX_CHANNELS];      /* it is not ready there */
	unsigned frames, bad;

	/* mux.c only */
	bool held[MUX_CHANNELS], carrier[MUX_CHANNELS];
	unsigned state;
	uint8_t address, control, fcs;
	size_t length, got;
	uint8_t info[MUX_INFO];
	bool over;
};

/* Callbacks, oddities, channels and n1 are set. */
void mux_start(struct mux *m);
void mux_feed(struct mux *m, const uint8_t *data, size_t n);
/* False: the channel is not open, or stopped by the host. */
bool mux_send(struct mux *m, unsigned channel, const void *data, size_t n);
/* Asks the host to stop, and to go on: one channel, or all of them (0). */
void mux_hold(struct mux *m, unsigned channel, bool hold);
/* DCD of a channel. */
void mux_carrier(struct mux *m, unsigned channel, bool on);
/* Closes a channel, or all of the mux (0), by itself. */
void mux_shut(struct mux *m, unsigned channel);

#endif
