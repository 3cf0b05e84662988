/*
 * The octet stream that the host has, and what it is at the moment: the AT port, or after +CMUX a
 * multiplexer with an AT port behind each channel. Knows nothing of what carries the octets.
 */
#ifndef SIM_MODULE_HOST_H
#define SIM_MODULE_HOST_H

#include "sim/module/module.h"
#include "sim/module/mux.h"

#define HOST_CHANNELS (MUX_CHANNELS - 1)
/*
 * Octets of a channel that the host does not take; from HOST_CHOKE on it is asked to send nothing more.
 * What it has sent by then may fill the line and the kernel's buffers, and must all find room.
 */
#define HOST_BACKLOG (256 * 1024)
#define HOST_CHOKE 32768

struct host_channel {
	struct host *host;
	struct port port;
	bool open;
	uint8_t store[HOST_BACKLOG];
	struct buf backlog;             /* while the host wants nothing */
	bool choked;                    /* it has grown: the host has been asked to stop */
};

struct host {
	/* Octets for the host. */
	void (*write)(struct host *h, const void *data, size_t n);
	/* How many it takes now; host_resume() when there are more again. May be NULL. */
	size_t (*room)(struct host *h);
	struct module *m;
	struct port uart;
	/* host.c only */
	struct mux mux;
	bool muxed;
	bool locked;                    /* octets came too early: deaf until a restart */
	struct ev_alarm begin, idle;
	struct ev_task flush;
	size_t turn;                    /* whose frame is next */
	struct host_channel channels[HOST_CHANNELS];
};

void host_init(struct host *h, struct module *m);
void host_stop(struct host *h);
/* The firmware trips: the line is an AT port again, and nobody is told. */
void host_forget_mux(struct host *h);
/* The host wants octets again that room() had no place for. */
void host_resume(struct host *h);
void host_feed(struct host *h, const void *data, size_t n);

#endif
