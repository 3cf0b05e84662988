#include "sim/euicc/blob.h"

#include <stdlib.h>
#include <string.h>

void blob_set(struct blob *b, const void *p, size_t n)
{
	uint8_t *q = NULL;

	if (n) {
		q = malloc(n);
		if (!q)
			abort();
		memcpy(q, p, n);
	}
	free(b->p);
	b->p = q;
	b->n = n;
}

void blob_append(struct blob *b, const void *p, size_t n)
{
	uint8_t *q;

	if (!n)
		return;
	q = realloc(b->p, b->n + n);
	if (!q)
		abort();
	memcpy(q + b->n, p, n);
	b->p = q;
	b->n += n;
}

void blob_clear(struct blob *b)
{
	/* What was in it may have been a key. */
	if (b->p)
		explicit_bzero(b->p, b->n);
	free(b->p);
	*b = (struct blob){ 0 };
}
