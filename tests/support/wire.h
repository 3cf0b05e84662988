/*
 * A pipe whose other end is the test: what was written is collected, what is fed arrives from the
 * event loop in pieces of at most so many octets.
 */
#ifndef SUPPORT_WIRE_H
#define SUPPORT_WIRE_H

#include "core/buf.h"
#include "core/ev.h"
#include "link/pipe.h"

struct wire {
	struct pipe pipe;
	size_t chunk;                   /* octets per delivery; 0 all that there is */
	uint32_t seed;                  /* with chunk: pieces of 1 to chunk octets, by this seed */
	bool refuse;                    /* writes fail with -ENOSPC */
	bool held;                      /* the tested side wants nothing now: it is not delivered */
	/* The tested side wrote something; called from the loop. May be NULL. */
	void (*wrote)(struct wire *w);
	char written[65536];
	size_t written_n;
	/* wire.c only */
	uint8_t store[262144];
	struct buf in;
	struct ev_task deliver, notice;
	bool hang_up, dead;
	int error;
};

void wire_open(struct wire *w);
/* No event of it runs afterwards. */
void wire_close(struct wire *w);
void wire_feed(struct wire *w, const void *data, size_t n);
void wire_feed_text(struct wire *w, const char *s);
/* After what has been fed before. */
void wire_hang_up(struct wire *w, int error);
/* Takes one line ended by CR off what was written; NULL: none is complete. Static storage. */
const char *wire_take_line(struct wire *w);
/* Everything written so far, taken. Static storage, terminated. */
const char *wire_take_all(struct wire *w);

#endif
