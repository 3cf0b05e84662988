/*
 * Messages in blocks, RFC 7959, without a CoAP library: what is put together of a request that
 * comes in pieces, and what is said to it. sim-eim does this itself, since peers differ exactly
 * here and it is to be like any of them.
 */
#ifndef SIM_EIM_BLOCK_H
#define SIM_EIM_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"

#define SE_BLOCK_SZX_MAX 6              /* 1024 octets */
#define SE_BLOCK_KEY_MAX 8

struct se_block {
	uint32_t num;
	bool more;
	uint8_t szx;
};

static inline size_t se_block_size(const struct se_block *b)
{
	return (size_t)16 << b->szx;
}

/* The value of a Block1 or Block2 option. -EBADMSG: too long, or the reserved size. */
int se_block_parse(struct octets v, struct se_block *ret);
uint32_t se_block_value(const struct se_block *b);

/* --- requests in blocks ----------------------------------------------------------------------- */

struct se_upload {
	uint8_t *body;
	size_t n, cap;
	uint8_t key[SE_BLOCK_KEY_MAX];
	size_t key_n;
	bool open;                      /* one has begun */
};

enum se_upload_step {
	SE_UPLOAD_MORE,                 /* 2.31 */
	SE_UPLOAD_WHOLE,                /* u->body, u->n: all of it */
	SE_UPLOAD_GAP,                  /* 4.08: blocks are missing, or of another body */
	SE_UPLOAD_LONG,                 /* 4.13 */
	SE_UPLOAD_BAD,                  /* 4.00: a block that is not the last and not full */
};

/*
 * One block. The key tells bodies apart: Request-Tag (RFC 9175, 3.3), or the token where a server
 * believes in that. max: of the body.
 */
enum se_upload_step se_upload_add(struct se_upload *u, const struct se_block *b, struct octets key,
				  struct octets data, size_t max);
void se_upload_done(struct se_upload *u);

/* --- answers ---------------------------------------------------------------------------------- */

#define SE_ETAG_LEN 4

/* An answer as CoAP has it; what is not there is left out. */
struct se_coap_reply {
	unsigned code;                  /* 205 for 2.05; 0: none yet */
	bool has_etag, has_format, has_block1, has_block2, has_size1, has_size2;
	uint8_t etag[SE_ETAG_LEN];
	uint32_t format, size1, size2;
	struct se_block block1, block2;
	uint8_t data[16 << SE_BLOCK_SZX_MAX];
	size_t n;
};

/* A whole answer that is fetched block by block. */
struct se_body {
	uint8_t *body;
	size_t n;
	struct se_coap_reply head;      /* code, format, etag of every block */
	uint64_t until_ms;              /* of the loop's clock */
};

/*
 * Block number b->num of that size into ret. False: it lies beyond the end. An answer that fits
 * into one block has no Block2 option unless it was asked for (asked).
 */
bool se_body_block(const struct se_body *d, const struct se_block *b, bool asked,
		       struct se_coap_reply *ret);
void se_body_done(struct se_body *d);

#endif
