/*
 * BER-TLV (ISO/IEC 8825-1, definite lengths) as the eUICC and its servers speak it: tags of up to
 * three octets, lengths of up to four.
 *
 * Reader. A document holds the first fault; windows into it are values. A window in which
 * something was wrong is empty, so that a parser runs straight through and looks at doc.fault
 * once, at the end. Nothing is copied: windows and what is taken from them point into the input.
 *
 * Writer. Never runs past its buffer and remembers that it would have: tlv_done() tells.
 *
 * Neither allocates, logs or does I/O.
 */
#ifndef CODEC_TLV_H
#define CODEC_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

enum tlv_fault {
	TLV_OK,
	TLV_TRUNCATED,          /* ends in the middle of a tag, length or value */
	TLV_BAD_TAG,            /* a tag of more than three octets, or padded with zeros */
	TLV_BAD_LENGTH,         /* indefinite, or a length of more than four octets */
	TLV_UNEXPECTED,         /* another tag stands where a certain one must be */
	TLV_TRAILING,           /* octets left over where the end must be */
	TLV_BAD_VALUE,          /* a value that its type does not allow */
	_TLV_FAULT_MAX
};

struct tlv_doc {
	const uint8_t *start;
	size_t n;
	enum tlv_fault fault;   /* the first one */
	size_t fault_at;        /* its offset in the input */
	uint32_t fault_tag;     /* the tag it is about, 0: none */
};

/* A window: the octets not yet taken from one level of nesting. */
struct tlv {
	struct tlv_doc *doc;
	const uint8_t *p;
	size_t n;
};

/* The octets of one value, as they came. p is NULL for one that is missing. */
struct octets {
	const uint8_t *p;
	size_t n;
};

struct tlv tlv_open(struct tlv_doc *doc, struct octets der);

/* True if something is left in the window and nothing was wrong so far. */
bool tlv_more(const struct tlv *w);
/* The next tag without taking it; 0 at the end. */
uint32_t tlv_peek(const struct tlv *w);

/* The next element must have this tag: a window into its value. */
struct tlv tlv_enter(struct tlv *w, uint32_t tag);
/* If it has; *ret_there tells. Without it the window is empty and nothing is wrong. */
struct tlv tlv_enter_maybe(struct tlv *w, uint32_t tag, bool *ret_there);

/* The value of the next element, which must have this tag. */
struct octets tlv_take(struct tlv *w, uint32_t tag);
/* If it has, else { NULL, 0 }. */
struct octets tlv_maybe(struct tlv *w, uint32_t tag);
/* The next element whole, tag and length included, whatever it is. */
struct octets tlv_take_whole(struct tlv *w, uint32_t *ret_tag);
/* Passes over the next element, whatever it is. */
void tlv_skip(struct tlv *w);
/* Everything left in the window. */
struct octets tlv_rest(struct tlv *w);

/* INTEGER values: non-negative, at most 32 bits; signed. */
uint32_t tlv_take_u32(struct tlv *w, uint32_t tag);
uint32_t tlv_maybe_u32(struct tlv *w, uint32_t tag, uint32_t otherwise);
int32_t tlv_take_i32(struct tlv *w, uint32_t tag);

/* Nothing may be left here. */
void tlv_end(struct tlv *w);
/* For what only the caller can judge: names the first fault at the window's place. */
void tlv_blame(struct tlv *w, enum tlv_fault fault, uint32_t tag);

/* The value as an INTEGER: -EINVAL if it is none, or needs more room. */
int octets_to_u32(struct octets v, uint32_t *ret);
int octets_to_i32(struct octets v, int32_t *ret);

static inline struct octets octets_from(const void *p, size_t n)
{
	return (struct octets){ p, n };
}

static inline struct text octets_text(struct octets v)
{
	return text_from(v.p, v.n);
}

bool octets_same(struct octets a, struct octets b);

/*
 * Only the head of an element: for streams that are cut while they arrive. 0: *ret_tag, the
 * length of the head and that of the value; -EAGAIN: more octets are needed; -EBADMSG: no TLV.
 */
int tlv_head(const uint8_t *p, size_t n, uint32_t *ret_tag, size_t *ret_head, size_t *ret_value);

const char *tlv_fault_name(enum tlv_fault fault);

struct tlv_out {
	uint8_t *buf;
	size_t cap;
	size_t len;
	bool full;      /* it did not fit; nothing more is written */
};

/* Where an open element's value starts. */
struct tlv_mark {
	size_t at;
};

/* Opens an element; what is put until tlv_close() is its value. Elements nest. */
struct tlv_mark tlv_begin(struct tlv_out *w, uint32_t tag);
void tlv_close(struct tlv_out *w, struct tlv_mark m);

void tlv_put(struct tlv_out *w, uint32_t tag, const void *value, size_t n);
void tlv_put_octets(struct tlv_out *w, uint32_t tag, struct octets v);
void tlv_put_text(struct tlv_out *w, uint32_t tag, const char *s);
/* An INTEGER of the fewest octets, with the leading zero that keeps it positive. */
void tlv_put_u32(struct tlv_out *w, uint32_t tag, uint32_t v);
void tlv_put_i32(struct tlv_out *w, uint32_t tag, int32_t v);
/* BOOLEAN: FF or 00. */
void tlv_put_bool(struct tlv_out *w, uint32_t tag, bool v);
/* Octets that are TLVs already. */
void tlv_put_raw(struct tlv_out *w, const void *tlvs, size_t n);
/* 0 and the length, or -EMSGSIZE. */
int tlv_done(const struct tlv_out *w, size_t *ret_len);

#endif
