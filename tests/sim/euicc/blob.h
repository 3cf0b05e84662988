/*
 * Octets with an owner, on the heap. A zeroed blob is empty. Running out of memory ends the
 * simulator: that is not among the faults it plays.
 */
#ifndef SIM_EUICC_BLOB_H
#define SIM_EUICC_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

struct blob {
	uint8_t *p;
	size_t n;
};

/* Replaces the content; the source may lie within the old content. */
void blob_set(struct blob *b, const void *p, size_t n);
void blob_append(struct blob *b, const void *p, size_t n);
void blob_clear(struct blob *b);

static inline void blob_copy(struct blob *b, struct octets from)
{
	blob_set(b, from.p, from.n);
}

static inline struct octets blob_octets(const struct blob *b)
{
	return octets_from(b->p, b->n);
}

#endif
