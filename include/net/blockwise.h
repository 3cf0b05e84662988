/*
 * One CoAP request and its answer, which may both come in blocks (RFC 7959, RFC 9175), as the client
 * sees them: which message is next, and what an answer means for it. Bodies only: nothing is known
 * here of tokens, retransmissions or connections. No I/O, no logging.
 *
 * A body that fits goes out whole: servers exist that take no blocks and do not even say so, but
 * answer the first one as if it were everything.
 */
#ifndef NET_BLOCKWISE_H
#define NET_BLOCKWISE_H

#include "codec/tlv.h"
#include "net/error.h"

#define COAP_CODE(class, detail) ((class) << 5 | (detail))
#define COAP_SZX_MAX 6          /* blocks of 1024 octets; 7 is for TCP */
#define COAP_ETAG_MAX 8
#define COAP_TAG_LEN 4          /* of our Request-Tag */

struct coap_block {
	uint32_t num;
	bool more;
	unsigned szx;
};

static inline size_t coap_block_size(unsigned szx)
{
	return (size_t)16 << szx;
}

/* The value of a Block option. -EBADMSG: longer than three octets, or of the size that is reserved. */
int coap_block_decode(struct octets v, struct coap_block *ret);
/* Returns its length, 0 to 3. */
size_t coap_block_encode(const struct coap_block *b, uint8_t out[3]);

struct blockwise_options {
	size_t whole_max;               /* up to here the body is sent in one message */
	size_t anyway_max;              /* up to here also where the server refuses blocks */
	unsigned szx;                   /* of the blocks that are sent */
	bool upload;                    /* the server may be sent blocks */
	size_t answer_max;              /* of the answer's body; more is MALFORMED */
};

/* What is to be sent; views are valid until the next call. */
struct blockwise_message {
	struct octets payload;
	bool has_block1, has_block2, has_size1, has_tag;
	struct coap_block block1, block2;
	uint32_t size1;
	uint8_t tag[COAP_TAG_LEN];
};

/* What came, its options taken apart. */
struct blockwise_answer {
	uint8_t code;
	bool has_block1, has_block2, has_size2;
	struct coap_block block1, block2;
	uint32_t size2;
	struct octets etag;
	int format;                     /* -1: not said */
	uint32_t max_age;               /* 60 where it is not said */
	struct octets payload;
};

enum blockwise_verdict {
	BLOCKWISE_SEND,                 /* another message: blockwise_next() */
	BLOCKWISE_DONE,                 /* the answer is there, with whatever code */
	BLOCKWISE_FAILED,               /* why says it */
};

enum blockwise_phase {
	BLOCKWISE_WHOLE,                /* the body in one message */
	BLOCKWISE_UPLOAD,               /* in blocks */
	BLOCKWISE_DOWNLOAD,             /* it is delivered; the rest of the answer is asked for */
	_BLOCKWISE_PHASE_MAX
};

struct blockwise {
	struct blockwise_options o;
	struct octets body;
	/* to be read, most of it when it is done */
	uint8_t code;
	int format;
	uint32_t max_age;
	uint8_t *answer;                /* on the heap; blockwise_take() */
	size_t answer_n;
	bool refuses_blocks;            /* learned: the server takes no Block1 … */
	bool too_large;                 /* … and the body does not fit without */
	enum blockwise_phase phase;
	/* blockwise.c only */
	size_t offset;                  /* of what is sent next */
	size_t sent_n;                  /* of the block that is under way */
	unsigned szx, szx2;
	bool restarted, blocks_tried;
	uint8_t tag[COAP_TAG_LEN];
	bool has_size2;
	uint32_t size2;
	uint8_t etag[COAP_ETAG_MAX];
	size_t etag_n, answer_cap;
};

/* The body stays until the end. The tag is one that the server has not had for another body. */
void blockwise_start(struct blockwise *b, const struct blockwise_options *o, struct octets body,
		     const uint8_t tag[COAP_TAG_LEN]);
/* From the beginning, with another tag: the server, or the way to it, is another one. */
void blockwise_again(struct blockwise *b);
void blockwise_next(struct blockwise *b, struct blockwise_message *ret);
/* why is set with BLOCKWISE_FAILED. */
enum blockwise_verdict blockwise_judge(struct blockwise *b, const struct blockwise_answer *a,
				       struct net_error *why);
/* The answer's body, now the caller's to free; NULL: empty. */
uint8_t *blockwise_take(struct blockwise *b, size_t *ret_n);
void blockwise_free(struct blockwise *b);

#endif
