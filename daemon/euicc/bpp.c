#include "euicc/bpp.h"

#include <errno.h>

#include "core/util.h"

/* The longest head that is read: three octets of tag, five of length. */
#define HEAD_MAX 8

static const char *const fault_names[_BPP_FAULT_MAX] = {
	[BPP_OK] = "ok", [BPP_NOT_A_PACKAGE] = "not a bound profile package",
	[BPP_BAD_TLV] = "bad tag or length", [BPP_BAD_ORDER] = "element out of order",
	[BPP_TOO_LONG] = "segment too long", [BPP_BAD_NESTING] = "element longer than its parent",
	[BPP_TRUNCATED] = "truncated", [BPP_TRAILING] = "octets behind the package",
};

const char *bpp_fault_name(enum bpp_fault fault)
{
	return fault_names[fault];
}

void bpp_init(struct bpp *b)
{
	memset(b, 0, offsetof(struct bpp, store));
}

static void broken(struct bpp *b, enum bpp_fault fault)
{
	if (b->fault == BPP_OK)
		b->fault = fault;
	b->state = BPP_BROKEN;
	b->want = 0;
}

/* Takes n octets off the windows they lie in; false: they do not fit. */
static bool spend(struct bpp *b, size_t n, bool in_group)
{
	if (n > b->left || (in_group && n > b->group_left))
		return false;
	b->left -= n;
	if (in_group)
		b->group_left -= n;
	return true;
}

/* A whole element is the segment, or the rest of it. */
static void want_whole(struct bpp *b, size_t head, size_t value, bool in_group,
		       enum bpp_state next)
{
	if (value > BPP_SEGMENT_MAX || b->head_at + head + value > BPP_SEGMENT_MAX) {
		broken(b, BPP_TOO_LONG);
	} else if (!spend(b, head + value, in_group)) {
		broken(b, BPP_BAD_NESTING);
	} else {
		b->want = b->head_at + head + value;
		b->state = next;
	}
}

/* The head alone is the segment; the elements in it come one by one. */
static void want_head(struct bpp *b, size_t head, size_t value, enum bpp_state next)
{
	if (!spend(b, head, false) || value > b->left) {
		broken(b, BPP_BAD_NESTING);
		return;
	}
	b->want = b->head_at + head;
	b->group_left = value;
	b->state = next;
}

static void begin_package(struct bpp *b, uint32_t tag, size_t head, size_t value)
{
	if (tag != 0xbf36) {
		broken(b, BPP_NOT_A_PACKAGE);
		return;
	}
	b->total = head + value;
	b->left = value;
	b->head_at = head;
	b->state = BPP_EXPECT_BF23;
}

/* The head of an element is complete: where it belongs, and how much of it is the segment. */
static void on_head(struct bpp *b, uint32_t tag, size_t head, size_t value)
{
	switch (b->state) {
	case BPP_EXPECT_PACKAGE:
		begin_package(b, tag, head, value);
		return;
	case BPP_EXPECT_BF23:
		if (tag == 0xbf23)
			want_whole(b, head, value, false, BPP_EXPECT_A0);
		break;
	case BPP_EXPECT_A0:
		if (tag == 0xa0)
			want_whole(b, head, value, false, BPP_EXPECT_A1);
		break;
	case BPP_EXPECT_A1:
		if (tag == 0xa1)
			want_head(b, head, value, BPP_EXPECT_88);
		break;
	case BPP_EXPECT_88:
		if (tag == 0x88)
			want_whole(b, head, value, true, BPP_EXPECT_88);
		break;
	case BPP_EXPECT_A2_OR_A3:
	case BPP_EXPECT_A3:
		if (tag == 0xa2 && b->state == BPP_EXPECT_A2_OR_A3)
			want_whole(b, head, value, false, BPP_EXPECT_A3);
		else if (tag == 0xa3)
			want_head(b, head, value, BPP_EXPECT_86);
		break;
	case BPP_EXPECT_86:
		if (tag == 0x86)
			want_whole(b, head, value, true, BPP_EXPECT_86);
		break;
	case BPP_DONE:
	case BPP_BROKEN:
	case _BPP_STATE_MAX:
		break;
	}
	if (!b->want)
		broken(b, BPP_BAD_ORDER);
}

/* What ends with the segment just completed: a group, the package. */
static void close_groups(struct bpp *b)
{
	if (b->state == BPP_EXPECT_88 && b->group_left == 0)
		b->state = BPP_EXPECT_A2_OR_A3;
	if (b->state == BPP_EXPECT_86 && b->group_left == 0) {
		if (b->left)
			broken(b, BPP_BAD_ORDER);
		else
			b->state = BPP_DONE;
	}
}

static void read_head(struct bpp *b)
{
	size_t have = b->n - b->head_at, head, value;
	uint32_t tag;
	int r = tlv_head(b->store + b->head_at, have, &tag, &head, &value);

	if (r == 0)
		on_head(b, tag, head, value);
	else if (r == -EBADMSG || have >= HEAD_MAX)
		broken(b, BPP_BAD_TLV);
}

size_t bpp_feed(struct bpp *b, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (b->given) {
		b->n = b->head_at = b->want = 0;
		b->given = false;
	}
	while (used < n && b->state != BPP_BROKEN && !(b->want && b->n == b->want)) {
		size_t step = b->want ? MIN(b->want - b->n, n - used) : 1;

		if (!b->want && b->state == BPP_DONE) {
			broken(b, BPP_TRAILING);
			break;
		}
		memcpy(b->store + b->n, p + used, step);
		b->n += step;
		used += step;
		if (!b->want)
			read_head(b);
	}
	b->taken += used;
	return used;
}

int bpp_next(struct bpp *b, struct octets *ret_segment)
{
	if (b->fault != BPP_OK)
		return -EBADMSG;
	if (b->want && b->n == b->want && !b->given) {
		*ret_segment = octets_from(b->store, b->n);
		b->given = true;
		b->segments++;
		close_groups(b);
		return 0;
	}
	return b->state == BPP_DONE ? -ENODATA : -EAGAIN;
}

int bpp_end(struct bpp *b)
{
	if (b->state != BPP_DONE)
		broken(b, BPP_TRUNCATED);
	return b->fault == BPP_OK ? 0 : -EBADMSG;
}
