/*
 * Servers are of three kinds: those that know blocks, those that refuse them (4.00, 4.02, 4.13), and
 * those that take the first block for the whole message. An answer to a block that is not the last
 * tells them apart: only the first kind echoes the Block1 option, or says 2.31.
 *
 * Whatever happens, it ends: offsets only grow, sizes of blocks only shrink, and there is one
 * restart.
 */
#include "net/blockwise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTINUE        COAP_CODE(2, 31)
#define BAD_REQUEST     COAP_CODE(4, 0)
#define BAD_OPTION      COAP_CODE(4, 2)
#define INCOMPLETE      COAP_CODE(4, 8)
#define TOO_LARGE       COAP_CODE(4, 13)

int coap_block_decode(struct octets v, struct coap_block *ret)
{
	uint32_t n = 0;

	if (v.n > 3)
		return -EBADMSG;
	for (size_t i = 0; i < v.n; i++)
		n = n << 8 | v.p[i];
	if ((n & 7) > COAP_SZX_MAX)
		return -EBADMSG;
	*ret = (struct coap_block){ .num = n >> 4, .more = n & 8, .szx = n & 7 };
	return 0;
}

size_t coap_block_encode(const struct coap_block *b, uint8_t out[3])
{
	uint32_t v = b->num << 4 | (b->more ? 8 : 0) | b->szx;
	size_t n = v == 0 ? 0 : v < 0x100 ? 1 : v < 0x10000 ? 2 : 3;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(v >> 8 * (n - 1 - i));
	return n;
}

static unsigned class_of(uint8_t code)
{
	return code >> 5;
}

static void drop_answer(struct blockwise *b)
{
	free(b->answer);
	b->answer = NULL;
	b->answer_n = b->answer_cap = b->etag_n = 0;
	b->has_size2 = false;
}

static bool fits(const struct blockwise *b)
{
	return b->body.n <= b->o.whole_max || !b->o.upload || b->refuses_blocks;
}

static void begin(struct blockwise *b)
{
	drop_answer(b);
	b->offset = b->sent_n = 0;
	b->phase = fits(b) ? BLOCKWISE_WHOLE : BLOCKWISE_UPLOAD;
}

void blockwise_start(struct blockwise *b, const struct blockwise_options *o, struct octets body,
		     const uint8_t tag[COAP_TAG_LEN])
{
	*b = (struct blockwise){ .o = *o, .body = body, .szx = MIN(o->szx, COAP_SZX_MAX), .format = -1 };
	memcpy(b->tag, tag, sizeof(b->tag));
	begin(b);
}

void blockwise_again(struct blockwise *b)
{
	/* Any other value will do (RFC 9175 3.4). */
	for (size_t i = sizeof(b->tag); i-- > 0 && ++b->tag[i] == 0;)
		;
	begin(b);
}

void blockwise_next(struct blockwise *b, struct blockwise_message *ret)
{
	size_t size = coap_block_size(b->szx);

	*ret = (struct blockwise_message){ 0 };
	memcpy(ret->tag, b->tag, sizeof(ret->tag));
	switch (b->phase) {
	case BLOCKWISE_WHOLE:
		ret->payload = b->body;
		b->sent_n = b->body.n;
		return;
	case BLOCKWISE_UPLOAD:
		b->sent_n = MIN(size, b->body.n - b->offset);
		ret->payload = octets_from(b->body.p + b->offset, b->sent_n);
		ret->has_block1 = ret->has_tag = true;
		ret->block1 = (struct coap_block){ .num = (uint32_t)(b->offset / size), .szx = b->szx,
						   .more = b->offset + b->sent_n < b->body.n };
		ret->has_size1 = b->offset == 0;
		ret->size1 = (uint32_t)b->body.n;
		return;
	case BLOCKWISE_DOWNLOAD:
		/* With the body repeated it would be a new request, done once more. */
		ret->has_block2 = true;
		ret->has_tag = b->blocks_tried;
		ret->block2 = (struct coap_block){ .szx = b->szx2,
			.num = (uint32_t)(b->answer_n / coap_block_size(b->szx2)) };
		return;
	case _BLOCKWISE_PHASE_MAX:
		break;
	}
}

static enum blockwise_verdict fail(struct net_error *why, enum cause_kind kind, uint8_t code,
				   const char *what)
{
	int number = class_of(code) * 100 + (code & 31);

	net_error_set(why, kind, NET_COAP, number, "%s (%u.%02u)", what, class_of(code), code & 31u);
	return BLOCKWISE_FAILED;
}

/* The answer does not go on as it began: once, all is asked anew. */
static enum blockwise_verdict start_over(struct blockwise *b, const struct blockwise_answer *a,
					 struct net_error *why, enum cause_kind kind, const char *what)
{
	if (b->restarted)
		return fail(why, kind, a->code, what);
	b->restarted = true;
	blockwise_again(b);
	return BLOCKWISE_SEND;
}

/* --- the answer ------------------------------------------------------------------------------- */

static bool keep(struct blockwise *b, struct octets piece)
{
	size_t cap = b->answer_cap;
	uint8_t *bigger;

	while (cap - b->answer_n < piece.n)
		cap = cap ? cap * 2 : 1024;
	if (cap != b->answer_cap) {
		bigger = realloc(b->answer, cap);
		if (!bigger)
			return false;
		b->answer = bigger;
		b->answer_cap = cap;
	}
	if (piece.n)
		memcpy(b->answer + b->answer_n, piece.p, piece.n);
	b->answer_n += piece.n;
	return true;
}

static enum blockwise_verdict take_block(struct blockwise *b, const struct blockwise_answer *a,
					 struct net_error *why)
{
	if (a->payload.n > b->o.answer_max - b->answer_n ||
	    (b->has_size2 && b->size2 > b->o.answer_max))
		return fail(why, CAUSE_MALFORMED, a->code, "the answer is too large");
	if (a->has_block2 && a->block2.more && a->payload.n != coap_block_size(a->block2.szx))
		return fail(why, CAUSE_MALFORMED, a->code, "a block is not as long as it says");
	if (!keep(b, a->payload)) {
		net_error_set(why, CAUSE_LINK_LOST, NET_COAP, ENOMEM, "no memory for the answer");
		return BLOCKWISE_FAILED;
	}
	if (a->has_block2 && a->block2.more) {
		b->phase = BLOCKWISE_DOWNLOAD;
		b->szx2 = a->block2.szx;
		return BLOCKWISE_SEND;
	}
	if (b->has_size2 && b->phase == BLOCKWISE_DOWNLOAD && b->size2 != b->answer_n)
		return start_over(b, a, why, CAUSE_MALFORMED, "the answer is not as long as it was said to be");
	return BLOCKWISE_DONE;
}

static enum blockwise_verdict take_answer(struct blockwise *b, const struct blockwise_answer *a,
					  struct net_error *why)
{
	b->code = a->code;
	b->format = a->format;
	b->max_age = a->max_age;
	b->has_size2 = a->has_size2;
	b->size2 = a->size2;
	b->etag_n = MIN(a->etag.n, sizeof(b->etag));
	if (b->etag_n)
		memcpy(b->etag, a->etag.p, b->etag_n);
	if (class_of(a->code) != 2) {
		/* Words for the log: what does not fit is not asked for. */
		keep(b, octets_from(a->payload.p, MIN(a->payload.n, b->o.answer_max)));
		return BLOCKWISE_DONE;
	}
	if (a->has_block2 && a->block2.num != 0)
		return fail(why, CAUSE_MALFORMED, a->code, "the answer begins in its middle");
	return take_block(b, a, why);
}

static enum blockwise_verdict take_more(struct blockwise *b, const struct blockwise_answer *a,
					struct net_error *why)
{
	/* The server has forgotten it; from another port, or after a minute, that is usual: the way's fault. */
	if (class_of(a->code) != 2)
		return start_over(b, a, why, CAUSE_LINK_LOST, "the answer breaks off");
	if (!a->has_block2)
		return start_over(b, a, why, CAUSE_MALFORMED, "a block was asked for, and another answer came");
	if ((uint64_t)a->block2.num * coap_block_size(a->block2.szx) != b->answer_n)
		return start_over(b, a, why, CAUSE_MALFORMED, "another block came than was asked for");
	if (!octets_same(octets_from(b->etag, b->etag_n), a->etag))
		return start_over(b, a, why, CAUSE_MALFORMED, "the answer has changed in its middle");
	return take_block(b, a, why);
}

/* --- the body --------------------------------------------------------------------------------- */

static bool is_last(const struct blockwise *b)
{
	return b->offset + b->sent_n >= b->body.n;
}

/* Whole, as far as a datagram can be pushed; else there is no way. */
static enum blockwise_verdict without_blocks(struct blockwise *b, const struct blockwise_answer *a,
					     struct net_error *why)
{
	b->refuses_blocks = true;
	if (b->body.n <= b->o.anyway_max) {
		begin(b);
		return BLOCKWISE_SEND;
	}
	b->too_large = true;
	net_error_set(why, CAUSE_REFUSED, NET_COAP, class_of(a->code) * 100 + (a->code & 31),
		      "the server takes nothing in blocks, and %zu octets are more than a datagram holds "
		      "(%u.%02u)", b->body.n, class_of(a->code), a->code & 31u);
	return BLOCKWISE_FAILED;
}

static enum blockwise_verdict next_block(struct blockwise *b, const struct blockwise_answer *a,
					 struct net_error *why)
{
	if (a->has_block1 && a->block1.num != b->offset / coap_block_size(b->szx))
		return fail(why, CAUSE_MALFORMED, a->code, "another block is acknowledged than was sent");
	b->offset += b->sent_n;
	if (a->has_block1 && a->block1.szx < b->szx)
		b->szx = a->block1.szx;
	return BLOCKWISE_SEND;
}

/* The answer to a block that is not the last. */
static enum blockwise_verdict judge_block(struct blockwise *b, const struct blockwise_answer *a,
					  struct net_error *why)
{
	if (a->code == CONTINUE || (class_of(a->code) == 2 && a->has_block1))
		return next_block(b, a, why);
	if (class_of(a->code) == 2 || a->code == BAD_REQUEST || a->code == BAD_OPTION)
		return without_blocks(b, a, why);
	return take_answer(b, a, why);
}

enum blockwise_verdict blockwise_judge(struct blockwise *b, const struct blockwise_answer *a,
				       struct net_error *why)
{
	bool uploading = b->phase == BLOCKWISE_UPLOAD;

	if (b->phase == BLOCKWISE_DOWNLOAD)
		return take_more(b, a, why);
	b->blocks_tried |= uploading;
	if (a->code == TOO_LARGE && a->has_block1 && b->o.upload && !b->refuses_blocks &&
	    (uploading ? a->block1.szx < b->szx : !b->blocks_tried && b->body.n > 16)) {
		/* In smaller blocks, then. */
		b->szx = MIN(b->szx, a->block1.szx);
		b->blocks_tried = true;
		b->o.whole_max = 0;
		blockwise_again(b);
		return BLOCKWISE_SEND;
	}
	if (uploading && a->code == TOO_LARGE)
		return without_blocks(b, a, why);
	if (uploading && a->code == INCOMPLETE)
		return start_over(b, a, why, CAUSE_MALFORMED, "the server loses blocks");
	if (uploading && !is_last(b))
		return judge_block(b, a, why);
	if (a->code == CONTINUE)
		return fail(why, CAUSE_MALFORMED, a->code, "the server wants more than there is");
	return take_answer(b, a, why);
}

uint8_t *blockwise_take(struct blockwise *b, size_t *ret_n)
{
	uint8_t *p = b->answer;

	*ret_n = b->answer_n;
	b->answer = NULL;
	b->answer_n = b->answer_cap = 0;
	if (*ret_n == 0) {
		free(p);
		return NULL;
	}
	return p;
}

void blockwise_free(struct blockwise *b)
{
	drop_answer(b);
}
