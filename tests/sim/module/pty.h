/*
 * The module's port as the host sees it: a pseudo terminal behind a symbolic link with a stable
 * name. Unplugging takes both away, as pulling a USB plug does; plugging makes new ones.
 *
 * The slave is never kept open here: whoever looks for the port's holder finds the host's program
 * only, and octets that come while nobody has it open are lost as on a real line.
 */
#ifndef SIM_MODULE_PTY_H
#define SIM_MODULE_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/ev.h"

#define PTY_WHY_MAX 256
#define PTY_OUT 65536

struct pty {
	const char *link;               /* the stable name; NULL: none */
	void (*received)(struct pty *p, const void *data, size_t n);
	/* May be asked before reading: how much can be taken now. */
	size_t (*room)(struct pty *p);
	/* The host has read what was kept for it; only with flow control. */
	void (*drained)(struct pty *p);
	uint64_t octets_in, octets_out; /* from and to the host, ever */
	/* pty.c only */
	char slave[64];
	int fd;                         /* -1: unplugged */
	int notify;                     /* inotify on the slave, -1: none */
	struct ev_watch data, changes;
	bool opened;                    /* by the host */
	bool full;                      /* nothing more is read from the host now */
	struct buf out;                 /* what the host has not read yet */
	uint8_t out_store[PTY_OUT];
};

/* 0 or -errno with why. */
int pty_plug(struct pty *p, char why[PTY_WHY_MAX]);
void pty_unplug(struct pty *p);
/*
 * Lost where nobody listens, or the host does not read; unless it has set CRTSCTS: then it is kept, and
 * pty_blocked() until it is read.
 */
void pty_write(struct pty *p, const void *data, size_t n);
bool pty_blocked(const struct pty *p);
/* The host has set CRTSCTS. */
bool pty_flow_control(const struct pty *p);
/* Reads on after room() had nothing to offer. */
void pty_resume(struct pty *p);
/* The speed that the host has set; 0: none, or one without a name. */
unsigned pty_speed(const struct pty *p);

#endif
