/* The TLV reader on anything, and what it has read written again: the same octets must come out. */
#include <stdint.h>

#include "codec/base64.h"
#include "codec/tlv.h"
#include "core/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Everything in a window, constructed elements opened, to a bounded depth. */
static void walk(struct tlv w, int depth)
{
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w), first = tag > 0xffff ? tag >> 16 : tag > 0xff ? tag >> 8 : tag;

		if ((first & 0x20) && depth < 12) {
			walk(tlv_enter(&w, tag), depth + 1);
		} else {
			struct octets v = tlv_take(&w, tag);
			uint32_t u;
			int32_t i;

			(void)octets_to_u32(v, &u);
			(void)octets_to_i32(v, &i);
		}
	}
}

static void write_again(const uint8_t *data, size_t n)
{
	_cleanup_(freep) uint8_t *copy = malloc(n + 64);
	struct tlv_doc doc;
	struct tlv_out out = { .buf = copy, .cap = n + 64 };
	struct tlv w = tlv_open(&doc, octets_from(data, n));
	size_t len;

	while (copy && tlv_more(&w)) {
		struct tlv before = w;
		uint32_t tag = tlv_peek(&w);
		size_t at = out.len;
		struct octets whole, value = tlv_take(&w, tag);

		if (doc.fault)
			break;
		whole = tlv_take_whole(&before, &tag);
		tlv_put_octets(&out, tag, value);
		/* A length in more octets than it needs is read and not written. */
		if (tlv_done(&out, &len) < 0 || len - at > whole.n)
			abort();
		out.len = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tlv_doc doc;
	uint8_t octets[512];
	char digits[BASE64_LEN(512) + 1];
	size_t head, value, len;
	uint32_t tag;

	walk(tlv_open(&doc, octets_from(data, n)), 0);
	(void)tlv_head(data, n, &tag, &head, &value);
	write_again(data, n);
	if (base64_decode(text_from(data, n), octets, sizeof(octets), &len) == 0) {
		uint8_t again[512];
		size_t m;

		if (base64_encode(octets, len, digits, sizeof(digits)) < 0 ||
		    base64_decode(text_of(digits), again, sizeof(again), &m) < 0 || m != len ||
		    memcmp(octets, again, m) != 0)
			abort();
	}
	return 0;
}
