/*
 * A queue of octets in storage of a fixed size that the owner gives: what does not fit is refused,
 * never cut. Data may move in memory when something is put in; views into it end there.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *store;
	size_t cap;
	size_t head;    /* first octet that is still queued */
	size_t len;     /* how many are */
};

#define BUF_ON(array) ((struct buf){ .store = (array), .cap = sizeof(array) })

static inline const uint8_t *buf_data(const struct buf *b)
{
	return b->store + b->head;
}

static inline size_t buf_room(const struct buf *b)
{
	return b->cap - b->len;
}

/* -ENOSPC: does not fit, nothing was taken. */
int buf_put(struct buf *b, const void *data, size_t n);
/* Room for n octets at the end, to be filled and then counted by buf_grow(); NULL: not there. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_grow(struct buf *b, size_t n);
/* Drops n octets from the front (at most all). */
void buf_drop(struct buf *b, size_t n);
void buf_clear(struct buf *b);

#endif
