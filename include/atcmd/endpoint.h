/*
 * Where another program comes in: a pseudo terminal under a stable name, or a UNIX stream socket.
 * Either way one client at a time, a pipe while it is there, and nothing of it left for the next:
 * what it has not read is dropped, the terminal's settings are put back. What it has written before
 * it left is still received, by the way of came() and left() even if nobody looked while it was there.
 *
 * A pty has no modem lines. Speed 0 (B0) is how programs drop DTR on one: endpoint_dropped_dtr(). A
 * carrier that goes (DCD) is a hang-up on a serial port whose program has cleared CLOCAL, and so it is on
 * a pty: endpoint_carrier_lost().
 */
#ifndef ATCMD_ENDPOINT_H
#define ATCMD_ENDPOINT_H

#include <sys/types.h>

#include "core/buf.h"
#include "core/ev.h"
#include "link/pipe.h"

#define ENDPOINT_BACKLOG 16384
#define ENDPOINT_WHY_MAX 400

struct endpoint_options {
	bool socket;                    /* else a pty */
	const char *path;               /* the pty's symlink; the socket, "@name" in the abstract space */
	const char *group;              /* "" the process's own */
	unsigned mode;                  /* permission bits */
};

/* endpoint.c only: whose is what there is to be read? */
enum endpoint_doubt { ENDPOINT_NO_DOUBT, ENDPOINT_DOUBT, ENDPOINT_SURE };

struct endpoint {
	/* pipe.user is set by the owner once; hung_up() is never called: left() is. */
	struct pipe pipe;
	void (*came)(struct endpoint *e);
	/* The client is gone; what was to be written to it is dropped. */
	void (*left)(struct endpoint *e);
	/*
	 * A socket's client has shut down its writing half: nothing more will come, and it still
	 * reads. Answered by endpoint_finish(), sooner or later.
	 */
	void (*ended)(struct endpoint *e);

	/* endpoint.c only */
	char path[256];
	bool socket, client, held;
	bool owes_drained;              /* something has been left unsent since drained() */
	bool half, deaf, finishing;     /* it writes no more; does not listen; is to go */
	int listener;                   /* of a socket */
	int fd;                         /* pty: its master, always open; socket: the client */
	char slave[64];
	mode_t mode;
	gid_t gid;
	int notify;                     /* inotify: opening, writing, closing of the slave; -1: none */
	int opens;
	/* The last client has closed; since then somebody has opened; and written. */
	bool vacated, reopened, wrote;
	enum endpoint_doubt doubt;
	bool spoiled;                   /* the slave cannot be opened any more */
	bool hangs_up;                  /* the slave is to be taken away from its client */
	struct ev_watch watch, arrival;
	struct ev_alarm look, finish;
	struct ev_task gone;
	struct buf out;
	uint8_t out_store[ENDPOINT_BACKLOG];
};

/* 0 or a negative errno and one line in why. The directory must be there. */
int endpoint_open(struct endpoint *e, const struct endpoint_options *o, char why[ENDPOINT_WHY_MAX]);
void endpoint_close(struct endpoint *e);
bool endpoint_has_client(const struct endpoint *e);
/* Takes nothing more from the client until it is off again: it then has to wait. */
void endpoint_hold(struct endpoint *e, bool on);
/* The terminal itself echoes what is written to it. */
bool endpoint_echoes(const struct endpoint *e);
bool endpoint_dropped_dtr(const struct endpoint *e);
/*
 * A pty's client that minds (CLOCAL cleared) is hung up on a moment later, so that it can read what has been
 * written; it comes back by opening the port again. left() follows. To others it is nothing.
 */
void endpoint_carrier_lost(struct endpoint *e);
/* Sends the client away when it has read everything, or after a while; left() follows. */
void endpoint_finish(struct endpoint *e);
/* Sends the client away: a socket is closed; a pty cannot, and is treated as just opened. */
void endpoint_kick(struct endpoint *e);

#endif
