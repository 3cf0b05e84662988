/*
 * One direction of a serial line: octets go in at once and come out one after the other, ten bit
 * times each (8N1), or at once where the speed is 0. They come in groups of a
 * millisecond's worth, the last one on time as far as the loop's clock allows.
 */
#ifndef SIM_MODULE_PACER_H
#define SIM_MODULE_PACER_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/ev.h"

#define PACER_CAP 65536

struct pacer {
	/* Octets that have arrived at the other end; called from the loop, or from pacer_put(). */
	void (*deliver)(struct pacer *p, const uint8_t *data, size_t n);
	/* pacer.c only */
	unsigned baud;
	uint8_t store[PACER_CAP];
	struct buf queue;
	struct ev_alarm tick;
	uint64_t since;                 /* when the first octet in the queue began to leave */
	bool held;
};

void pacer_init(struct pacer *p, unsigned baud);
/* Forgets what is under way. */
void pacer_clear(struct pacer *p);
/* What is under way leaves at the new speed. */
void pacer_set_baud(struct pacer *p, unsigned baud);
/* The other end wants nothing now (CTS off), and again. */
void pacer_hold(struct pacer *p, bool on);
/* Returns how many were dropped because the queue is full. */
size_t pacer_put(struct pacer *p, const void *data, size_t n);

static inline size_t pacer_room(const struct pacer *p)
{
	return buf_room(&p->queue);
}

#endif
