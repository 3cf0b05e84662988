#include "codec/tlv.h"

#include <assert.h>
#include <errno.h>

static const char *const fault_names[_TLV_FAULT_MAX] = {
	[TLV_OK] = "ok", [TLV_TRUNCATED] = "truncated", [TLV_BAD_TAG] = "bad tag",
	[TLV_BAD_LENGTH] = "bad length", [TLV_UNEXPECTED] = "unexpected tag",
	[TLV_TRAILING] = "trailing octets", [TLV_BAD_VALUE] = "bad value",
};

const char *tlv_fault_name(enum tlv_fault fault)
{
	return fault_names[fault];
}

static void blame(struct tlv_doc *doc, const uint8_t *at, enum tlv_fault fault, uint32_t tag)
{
	if (doc->fault != TLV_OK)
		return;
	doc->fault = fault;
	doc->fault_at = at ? (size_t)(at - doc->start) : doc->n;
	doc->fault_tag = tag;
}

void tlv_blame(struct tlv *w, enum tlv_fault fault, uint32_t tag)
{
	blame(w->doc, w->p, fault, tag);
	w->n = 0;
}

struct tlv tlv_open(struct tlv_doc *doc, struct octets der)
{
	*doc = (struct tlv_doc){ .start = der.p, .n = der.n };
	return (struct tlv){ doc, der.p, der.n };
}

/* TLV_OK, or what is wrong; *ret_used is the length of the tag field. */
static enum tlv_fault read_tag(const uint8_t *p, size_t n, uint32_t *ret_tag, size_t *ret_used)
{
	size_t used = 1;
	uint32_t tag;

	if (n == 0)
		return TLV_TRUNCATED;
	tag = p[0];
	if ((p[0] & 0x1f) == 0x1f) {
		do {
			if (used == n)
				return TLV_TRUNCATED;
			if (used == 3 || (used == 1 && p[1] == 0x80))
				return TLV_BAD_TAG;
			tag = tag << 8 | p[used];
		} while (p[used++] & 0x80);
	}
	*ret_tag = tag;
	*ret_used = used;
	return TLV_OK;
}

static enum tlv_fault read_length(const uint8_t *p, size_t n, size_t *ret_length, size_t *ret_used)
{
	size_t octets, length = 0;

	if (n == 0)
		return TLV_TRUNCATED;
	if (p[0] < 0x80) {
		*ret_length = p[0];
		*ret_used = 1;
		return TLV_OK;
	}
	octets = p[0] & 0x7f;
	if (octets == 0 || octets > 4)
		return TLV_BAD_LENGTH;
	if (octets > n - 1)
		return TLV_TRUNCATED;
	for (size_t i = 1; i <= octets; i++)
		length = length << 8 | p[i];
	*ret_length = length;
	*ret_used = 1 + octets;
	return TLV_OK;
}

static enum tlv_fault read_head(const uint8_t *p, size_t n, uint32_t *ret_tag, size_t *ret_head,
				size_t *ret_value)
{
	size_t tag_len, length_len;
	enum tlv_fault fault = read_tag(p, n, ret_tag, &tag_len);

	if (fault != TLV_OK)
		return fault;
	fault = read_length(p + tag_len, n - tag_len, ret_value, &length_len);
	if (fault == TLV_OK)
		*ret_head = tag_len + length_len;
	return fault;
}

int tlv_head(const uint8_t *p, size_t n, uint32_t *ret_tag, size_t *ret_head, size_t *ret_value)
{
	size_t head, value;
	uint32_t tag;

	switch (read_head(p, n, &tag, &head, &value)) {
	case TLV_OK:
		*ret_tag = tag;
		*ret_head = head;
		*ret_value = value;
		return 0;
	case TLV_TRUNCATED:
		return -EAGAIN;
	case TLV_BAD_TAG:
	case TLV_BAD_LENGTH:
	case TLV_UNEXPECTED:
	case TLV_TRAILING:
	case TLV_BAD_VALUE:
	case _TLV_FAULT_MAX:
		break;
	}
	return -EBADMSG;
}

bool tlv_more(const struct tlv *w)
{
	return w->n > 0 && w->doc->fault == TLV_OK;
}

uint32_t tlv_peek(const struct tlv *w)
{
	uint32_t tag;
	size_t used;

	if (!tlv_more(w) || read_tag(w->p, w->n, &tag, &used) != TLV_OK)
		return 0;
	return tag;
}

/* Takes the next element off the window. False: a fault is set and the window is empty. */
static bool next(struct tlv *w, uint32_t *ret_tag, struct octets *ret_value, struct octets *ret_whole)
{
	size_t head = 0, value = 0;
	uint32_t tag = 0;
	enum tlv_fault fault;

	if (w->doc->fault != TLV_OK) {
		w->n = 0;
		return false;
	}
	fault = read_head(w->p, w->n, &tag, &head, &value);
	if (fault == TLV_OK && value > w->n - head)
		fault = TLV_TRUNCATED;
	if (fault != TLV_OK) {
		tlv_blame(w, fault, tag);
		return false;
	}
	*ret_tag = tag;
	*ret_value = octets_from(w->p + head, value);
	*ret_whole = octets_from(w->p, head + value);
	w->p += head + value;
	w->n -= head + value;
	return true;
}

struct octets tlv_take(struct tlv *w, uint32_t tag)
{
	struct octets value, whole;
	struct tlv before = *w;
	uint32_t found;

	if (!next(w, &found, &value, &whole))
		return (struct octets){ 0 };
	if (found != tag) {
		tlv_blame(&before, TLV_UNEXPECTED, tag);
		w->n = 0;
		return (struct octets){ 0 };
	}
	return value;
}

struct octets tlv_maybe(struct tlv *w, uint32_t tag)
{
	return tlv_peek(w) == tag ? tlv_take(w, tag) : (struct octets){ 0 };
}

struct tlv tlv_enter(struct tlv *w, uint32_t tag)
{
	struct octets v = tlv_take(w, tag);

	return (struct tlv){ w->doc, v.p, v.n };
}

struct tlv tlv_enter_maybe(struct tlv *w, uint32_t tag, bool *ret_there)
{
	bool there = tlv_peek(w) == tag;
	struct tlv inner = there ? tlv_enter(w, tag) : (struct tlv){ w->doc, w->p, 0 };

	*ret_there = there;
	return inner;
}

struct octets tlv_take_whole(struct tlv *w, uint32_t *ret_tag)
{
	struct octets value, whole = { 0 };

	*ret_tag = 0;
	if (!next(w, ret_tag, &value, &whole))
		return (struct octets){ 0 };
	return whole;
}

void tlv_skip(struct tlv *w)
{
	struct octets value, whole;
	uint32_t tag;

	next(w, &tag, &value, &whole);
}

struct octets tlv_rest(struct tlv *w)
{
	struct octets rest = { 0 };

	if (w->doc->fault == TLV_OK) {
		rest = octets_from(w->p, w->n);
		w->p += w->n;
	}
	w->n = 0;
	return rest;
}

void tlv_end(struct tlv *w)
{
	if (w->n > 0)
		tlv_blame(w, TLV_TRAILING, 0);
}

int octets_to_i32(struct octets v, int32_t *ret)
{
	uint32_t bits;

	if (v.n == 0 || v.n > 4)
		return -EINVAL;
	bits = v.p[0] & 0x80 ? UINT32_MAX : 0;
	for (size_t i = 0; i < v.n; i++)
		bits = bits << 8 | v.p[i];
	*ret = (int32_t)bits;
	return 0;
}

int octets_to_u32(struct octets v, uint32_t *ret)
{
	uint32_t bits = 0;

	/* A fifth octet can only be the zero that keeps the number positive. */
	if (v.n == 0 || v.n > 5 || (v.n == 5 && v.p[0] != 0) || v.p[0] & 0x80)
		return -EINVAL;
	for (size_t i = 0; i < v.n; i++)
		bits = bits << 8 | v.p[i];
	*ret = bits;
	return 0;
}

bool octets_same(struct octets a, struct octets b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

uint32_t tlv_take_u32(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	uint32_t v = 0;

	if (octets_to_u32(tlv_take(w, tag), &v) < 0) {
		tlv_blame(&before, TLV_BAD_VALUE, tag);
		w->n = 0;
	}
	return v;
}

uint32_t tlv_maybe_u32(struct tlv *w, uint32_t tag, uint32_t otherwise)
{
	return tlv_peek(w) == tag ? tlv_take_u32(w, tag) : otherwise;
}

int32_t tlv_take_i32(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	int32_t v = 0;

	if (octets_to_i32(tlv_take(w, tag), &v) < 0) {
		tlv_blame(&before, TLV_BAD_VALUE, tag);
		w->n = 0;
	}
	return v;
}

/* Room for n more octets; NULL once something did not fit. */
static uint8_t *grow(struct tlv_out *w, size_t n)
{
	uint8_t *at;

	if (w->full || n > w->cap - w->len) {
		w->full = true;
		return NULL;
	}
	at = w->buf + w->len;
	w->len += n;
	return at;
}

static size_t tag_octets(uint32_t tag)
{
	return tag > 0xffff ? 3 : tag > 0xff ? 2 : 1;
}

static size_t length_octets(size_t n)
{
	return n < 0x80 ? 1 : n <= 0xff ? 2 : n <= 0xffff ? 3 : n <= 0xffffff ? 4 : 5;
}

static void write_tag(uint8_t *at, uint32_t tag)
{
	size_t n = tag_octets(tag);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(tag >> 8 * (n - 1 - i));
}

static void write_length(uint8_t *at, size_t length)
{
	size_t n = length_octets(length);

	if (n == 1) {
		at[0] = (uint8_t)length;
		return;
	}
	at[0] = (uint8_t)(0x80 | (n - 1));
	for (size_t i = 1; i < n; i++)
		at[i] = (uint8_t)(length >> 8 * (n - 1 - i));
}

struct tlv_mark tlv_begin(struct tlv_out *w, uint32_t tag)
{
	uint8_t *at = grow(w, tag_octets(tag));

	if (at)
		write_tag(at, tag);
	return (struct tlv_mark){ w->len };
}

/* The length field is slid in between: values are small, and nobody has to count beforehand. */
void tlv_close(struct tlv_out *w, struct tlv_mark m)
{
	size_t length, field;

	if (w->full)
		return;
	length = w->len - m.at;
	field = length_octets(length);
	if (!grow(w, field))
		return;
	memmove(w->buf + m.at + field, w->buf + m.at, length);
	write_length(w->buf + m.at, length);
}

void tlv_put(struct tlv_out *w, uint32_t tag, const void *value, size_t n)
{
	size_t head = tag_octets(tag) + length_octets(n);
	uint8_t *at;

	if (n > w->cap || !(at = grow(w, head + n))) {
		w->full = true;
		return;
	}
	write_tag(at, tag);
	write_length(at + tag_octets(tag), n);
	if (n)
		memcpy(at + head, value, n);
}

void tlv_put_octets(struct tlv_out *w, uint32_t tag, struct octets v)
{
	tlv_put(w, tag, v.p, v.n);
}

void tlv_put_text(struct tlv_out *w, uint32_t tag, const char *s)
{
	tlv_put(w, tag, s, strlen(s));
}

void tlv_put_u32(struct tlv_out *w, uint32_t tag, uint32_t v)
{
	uint8_t be[5] = { 0, (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	size_t skip = 0;

	while (skip < 4 && be[skip] == 0 && !(be[skip + 1] & 0x80))
		skip++;
	tlv_put(w, tag, be + skip, sizeof(be) - skip);
}

void tlv_put_i32(struct tlv_out *w, uint32_t tag, int32_t v)
{
	uint32_t bits = (uint32_t)v;
	uint8_t be[4] = { (uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8),
			  (uint8_t)bits };
	uint8_t fill = v < 0 ? 0xff : 0;
	size_t skip = 0;

	while (skip < 3 && be[skip] == fill && (be[skip + 1] & 0x80) == (fill & 0x80))
		skip++;
	tlv_put(w, tag, be + skip, sizeof(be) - skip);
}

void tlv_put_bool(struct tlv_out *w, uint32_t tag, bool v)
{
	tlv_put(w, tag, v ? "\xff" : "\0", 1);
}

void tlv_put_raw(struct tlv_out *w, const void *tlvs, size_t n)
{
	uint8_t *at = n > w->cap ? NULL : grow(w, n);

	if (!at)
		w->full = true;
	else if (n)
		memcpy(at, tlvs, n);
}

int tlv_done(const struct tlv_out *w, size_t *ret_len)
{
	if (w->full)
		return -EMSGSIZE;
	*ret_len = w->len;
	return 0;
}
