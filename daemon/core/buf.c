#include "core/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (n > buf_room(b))
		return NULL;
	if (n > b->cap - b->head - b->len) {
		memmove(b->store, b->store + b->head, b->len);
		b->head = 0;
	}
	return b->store + b->head + b->len;
}

void buf_grow(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->head - b->len);
	b->len += n;
}

int buf_put(struct buf *b, const void *data, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	if (!to)
		return -ENOSPC;
	if (n)
		memcpy(to, data, n);
	buf_grow(b, n);
	return 0;
}

void buf_drop(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	b->head += n;
	b->len -= n;
	if (b->len == 0)
		b->head = 0;
}

void buf_clear(struct buf *b)
{
	b->head = b->len = 0;
}
