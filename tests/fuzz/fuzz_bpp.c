/*
 * The cutter of Bound Profile Packages on anything, in pieces: the segments joined are what was
 * fed, in whatever pieces it came, and the verdict does not depend on them. The first octet is the
 * size of the pieces.
 */
#include <errno.h>

#include "core/util.h"
#include "euicc/bpp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	enum bpp_fault fault;
	unsigned segments;
	size_t joined;
};

static struct outcome cut(struct bpp *b, const uint8_t *data, size_t n, size_t piece)
{
	struct outcome o = { 0 };
	struct octets segment;
	size_t at = 0;

	bpp_init(b);
	while (at < n) {
		size_t used = bpp_feed(b, data + at, MIN(piece, n - at));
		int r;

		at += used;
		while ((r = bpp_next(b, &segment)) == 0) {
			if (segment.n == 0 || segment.n > n - o.joined ||
			    memcmp(segment.p, data + o.joined, segment.n) != 0)
				abort();
			o.joined += segment.n;
		}
		if (r == -EBADMSG)
			break;
		/* Nothing is ever stuck: it takes octets, gives a segment or names a fault. */
		if (used == 0 && r != -ENODATA && o.joined < at)
			abort();
	}
	(void)bpp_end(b);
	if (b->fault == BPP_OK && o.joined != n)
		abort();
	(void)bpp_fault_name(b->fault);
	o.fault = b->fault;
	o.segments = b->segments;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_(freep) struct bpp *b = malloc(sizeof(*b));
	struct outcome whole, pieces;

	if (n == 0 || !b)
		return 0;
	whole = cut(b, data + 1, n - 1, n);
	pieces = cut(b, data + 1, n - 1, data[0] ? data[0] : 1);
	if (whole.fault != pieces.fault || whole.segments != pieces.segments ||
	    whole.joined != pieces.joined)
		abort();
	return 0;
}
