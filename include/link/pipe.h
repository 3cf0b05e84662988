/*
 * A byte stream to some peer: serial port, CMUX channel, pty, or a test's script. Headers only;
 * who provides one fills in the operations, who uses one sets itself as its user.
 *
 * The provider owns the pipe and whatever it buffers; the user must not use it after hung_up().
 * received(), drained() and hung_up() run from the event loop, never from inside a call made here.
 */
#ifndef LINK_PIPE_H
#define LINK_PIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"

struct pipe;

struct pipe_ops {
	int (*write)(struct pipe *p, const void *data, size_t n);
	size_t (*backlog)(const struct pipe *p);
	void (*flush_input)(struct pipe *p);
	void (*hold)(struct pipe *p, bool on);
};

/* Embedded in the user, which finds itself by container_of. */
struct pipe_user {
	/* Octets came; the view is valid until this returns. */
	void (*received)(struct pipe_user *u, struct text data);
	/* The backlog has become zero again. May be NULL. */
	void (*drained)(struct pipe_user *u);
	/* It is over: error is a positive errno, 0 for an orderly end. Nothing follows. */
	void (*hung_up)(struct pipe_user *u, int error);
};

struct pipe {
	const struct pipe_ops *ops;
	struct pipe_user *user;         /* NULL: what comes is dropped */
};

/* Takes all of it or nothing. -ENOSPC: the backlog is full; -EPIPE: it has hung up. */
static inline int pipe_write(struct pipe *p, const void *data, size_t n)
{
	return p->ops->write(p, data, n);
}

/* Octets taken but not yet given to the line. */
static inline size_t pipe_backlog(const struct pipe *p)
{
	return p->ops->backlog(p);
}

/* Drops what has come but was not delivered yet. */
static inline void pipe_flush_input(struct pipe *p)
{
	if (p->ops->flush_input)
		p->ops->flush_input(p);
}

/*
 * Takes nothing more from the peer, which is to wait (flow control), and again. Some octets may still
 * come. A peer that goes is noticed all the same.
 */
static inline void pipe_hold(struct pipe *p, bool on)
{
	if (p->ops->hold)
		p->ops->hold(p, on);
}

#endif
