/*
 * The module's port as a pipe: a UART or USB serial port through libserialport, a pty through
 * termios. The path may be a symlink; what it points to is opened, locked (flock and TIOCEXCL) and
 * set to raw 8N1. Modem lines: DTR and RTS are raised at open and stay as they are at close
 * (HUPCL off), so that a restart of the daemon neither hangs up nor resets the module.
 */
#ifndef ATCMD_SERIAL_H
#define ATCMD_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/ev.h"
#include "link/pipe.h"

#define SERIAL_BACKLOG 8192
#define SERIAL_WHY_MAX 320

struct serial_options {
	unsigned baud;
	bool rtscts;
};

struct serial {
	struct pipe pipe;
	/* serial.c only */
	int fd;
	char path[256];                 /* what the name pointed to */
	struct ev_watch watch;
	struct buf out;
	uint8_t out_store[SERIAL_BACKLOG];
	bool dead, held;
	bool owes_drained;              /* something has been left unsent since drained() */
	struct ev_alarm look;           /* while it is held */
	struct ev_task hangup;
	int error;
	uint64_t sent, received;
	struct serial_port *port;       /* NULL: a pty, or not opened through the library */
};

/*
 * 0, or a negative errno with one line for people in why: what is wrong with which path, and who
 * holds the port if that can be found out. -ENOENT: not there; -EACCES; -EBUSY: held by another
 * program; -ENOTTY: no serial port; -EINVAL: the speed.
 */
int serial_open(struct serial *s, const char *path, const struct serial_options *o,
		char why[SERIAL_WHY_MAX]);
void serial_close(struct serial *s);

/* Drops DTR for a moment's hang-up (V.250 &D2): false where the port has no modem lines. */
bool serial_set_dtr(struct serial *s, bool on);

/* Another speed, at once. -EINVAL: the port cannot. A pty takes any. */
int serial_set_baud(struct serial *s, unsigned baud);

/* Octets sent and received since it was opened. */
void serial_counters(const struct serial *s, uint64_t *ret_sent, uint64_t *ret_received);

#endif
