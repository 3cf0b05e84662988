/*
 * The HTTP parser on anything: cut in pieces of every kind, it must see the same answer. The first
 * octet of the input is the seed of the cutting.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/util.h"
#include "net/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	enum http_got end;
	int status;
	bool keep;
	size_t body_n, left;
	uint32_t sum;
};

static uint32_t seed;

static size_t piece(size_t left)
{
	seed = seed * 1664525u + 1013904223u;
	return MIN(left, 1 + (seed >> 8) % ((seed & 3) == 0 ? 2000 : 3));
}

static struct outcome run(const uint8_t *data, size_t n, bool cut)
{
	static struct http_parse p;
	struct outcome o = { .end = HTTP_GOT_NOTHING };

	http_parse_init(&p);
	while (n > 0 && o.end == HTTP_GOT_NOTHING) {
		struct text part = text_from(data, cut ? piece(n) : n), body = { 0 };
		size_t before = part.n;

		while ((o.end = http_parse(&p, &part, &body)) == HTTP_GOT_BODY || o.end == HTTP_GOT_HEAD) {
			if (o.end == HTTP_GOT_HEAD)
				continue;
			o.body_n += body.n;
			for (size_t i = 0; i < body.n; i++)
				o.sum = o.sum * 31 + (uint8_t)body.s[i];
		}
		if (o.end == HTTP_GOT_NOTHING && part.n)
			abort();
		data += before - part.n;
		n -= before - part.n;
	}
	o.left = n;
	o.status = p.status;
	o.keep = p.keep;
	(void)http_parse_ends(&p);
	(void)http_type_is(p.type, "application/json");
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outcome whole, parts;

	if (n == 0)
		return 0;
	seed = data[0];
	whole = run(data + 1, n - 1, false);
	parts = run(data + 1, n - 1, true);
	if (whole.end != parts.end)
		abort();
	/* A fault may show before all of a line is there. */
	if (whole.end != HTTP_GOT_FAULT &&
	    (whole.status != parts.status || whole.body_n != parts.body_n || whole.sum != parts.sum ||
	     whole.keep != parts.keep || whole.left != parts.left))
		abort();
	return 0;
}
