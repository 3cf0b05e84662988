#include "sim/eim/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"

int se_block_parse(struct octets v, struct se_block *ret)
{
	uint32_t x = 0;

	if (v.n > 3)
		return -EBADMSG;
	for (size_t i = 0; i < v.n; i++)
		x = x << 8 | v.p[i];
	if ((x & 7) > SE_BLOCK_SZX_MAX)
		return -EBADMSG;
	*ret = (struct se_block){ .num = x >> 4, .more = x & 8, .szx = x & 7 };
	return 0;
}

uint32_t se_block_value(const struct se_block *b)
{
	return b->num << 4 | (b->more ? 8u : 0) | b->szx;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool grow(struct se_upload *u, size_t n)
{
	size_t cap = MAX(u->cap, (size_t)4096);
	uint8_t *body;

	while (cap < n)
		cap *= 2;
	if (cap == u->cap)
		return true;
	body = realloc(u->body, cap);
	if (!body)
		return false;
	u->body = body;
	u->cap = cap;
	return true;
}

enum se_upload_step se_upload_add(struct se_upload *u, const struct se_block *b, struct octets key,
				  struct octets data, size_t max)
{
	size_t at = (size_t)b->num * se_block_size(b);

	if (data.n > se_block_size(b) || (b->more && data.n != se_block_size(b)))
		return SE_UPLOAD_BAD;
	if (b->num == 0) {
		u->open = true;
		u->n = 0;
		u->key_n = MIN(key.n, sizeof(u->key));
		if (u->key_n)
			memcpy(u->key, key.p, u->key_n);
	}
	if (!u->open || !octets_same(octets_from(u->key, u->key_n), key) || at > u->n)
		return SE_UPLOAD_GAP;
	if (at + data.n > max) {
		u->open = false;
		return SE_UPLOAD_LONG;
	}
	/* What came before may come again, by another message with the same block. */
	if (at + data.n > u->n) {
		if (!grow(u, at + data.n))
			return SE_UPLOAD_LONG;
		if (data.n)
			memcpy(u->body + at, data.p, data.n);
		u->n = at + data.n;
	}
	if (b->more)
		return SE_UPLOAD_MORE;
	u->n = at + data.n;
	u->open = false;
	return SE_UPLOAD_WHOLE;
}

void se_upload_done(struct se_upload *u)
{
	free(u->body);
	*u = (struct se_upload){ .body = NULL };
}

/* --- answers ---------------------------------------------------------------------------------- */

bool se_body_block(const struct se_body *d, const struct se_block *b, bool asked,
		       struct se_coap_reply *ret)
{
	size_t at = (size_t)b->num * se_block_size(b), n;

	if (b->num && at >= d->n)
		return false;
	*ret = d->head;
	n = MIN(d->n - at, se_block_size(b));
	if (n)
		memcpy(ret->data, d->body + at, n);
	ret->n = n;
	if (n == d->n && !asked) {
		ret->has_etag = false;
		return true;
	}
	ret->has_block2 = true;
	ret->block2 = (struct se_block){ b->num, at + n < d->n, b->szx };
	ret->has_size2 = true;
	ret->size2 = (uint32_t)d->n;
	return true;
}

void se_body_done(struct se_body *d)
{
	free(d->body);
	*d = (struct se_body){ .body = NULL };
}
