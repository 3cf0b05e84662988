#include "support/mini_rsp_compact.h"

#include <string.h>

#include "support/test.h"

static struct octets find(struct tlv w, uint32_t tag, bool whole)
{
	uint32_t t;

	while (tlv_more(&w)) {
		if (tlv_peek(&w) == tag)
			return whole ? tlv_take_whole(&w, &t) : tlv_take(&w, tag);
		tlv_skip(&w);
	}
	return octets_from(NULL, 0);
}

/* The content of the tags, one inside the other. */
static struct tlv inside(struct tlv_doc *doc, struct octets whole, uint32_t outer, uint32_t inner)
{
	struct tlv w = tlv_open(doc, whole);

	w = tlv_enter(&w, outer);
	return tlv_enter(&w, inner);
}

static void put_whole(struct tlv_out *w, struct octets v)
{
	assert_true(v.n > 0);
	tlv_put_raw(w, v.p, v.n);
}

void mini_compact_authentication(struct tlv_out *w, struct octets response, bool without_ctx)
{
	struct tlv_doc doc, info_doc;
	struct tlv body = inside(&doc, response, 0xbf38, 0xa0), data, info;
	struct octets signed1 = find(body, 0x30, false);
	struct tlv_mark m = tlv_begin(w, 0xbf38), compact = tlv_begin(w, 0xa2), known, ctx;

	data = tlv_open(&info_doc, signed1);
	info = tlv_open(&info_doc, find(data, 0xbf22, false));
	known = tlv_begin(w, 0xa0);
	put_whole(w, find(info, 0x84, true));
	if (!without_ctx) {
		ctx = tlv_begin(w, 0xa2);
		put_whole(w, find(data, 0xa0, true));
		tlv_close(w, ctx);
	}
	tlv_close(w, known);
	put_whole(w, find(body, 0x5f37, true));
	tlv_close(w, compact);
	tlv_close(w, m);
	assert_int_equal(doc.fault, TLV_OK);
}

void mini_compact_preparation(struct tlv_out *w, struct octets response, bool without_hash_cc)
{
	struct tlv_doc doc, data_doc;
	struct tlv body = inside(&doc, response, 0xbf21, 0xa0), data;
	struct tlv_mark m = tlv_begin(w, 0xbf21), compact = tlv_begin(w, 0xa2), known;
	struct octets hash;

	data = tlv_open(&data_doc, find(body, 0x30, false));
	known = tlv_begin(w, 0x30);
	put_whole(w, find(data, 0x5f49, true));
	hash = find(data, 0x04, true);
	if (hash.n && !without_hash_cc)
		put_whole(w, hash);
	tlv_close(w, known);
	put_whole(w, find(body, 0x5f37, true));
	tlv_close(w, compact);
	tlv_close(w, m);
}

void mini_compact_cancel(struct tlv_out *w, struct octets answer)
{
	struct tlv_doc doc, data_doc;
	struct tlv body = inside(&doc, answer, 0xbf41, 0xa0), data;
	struct tlv_mark m = tlv_begin(w, 0xa1), compact = tlv_begin(w, 0xa2), known;

	data = tlv_open(&data_doc, find(body, 0x30, false));
	known = tlv_begin(w, 0x30);
	tlv_put_octets(w, 0x80, find(data, 0x82, false));
	tlv_close(w, known);
	put_whole(w, find(body, 0x5f37, true));
	tlv_close(w, compact);
	tlv_close(w, m);
}

/* The two octets of the AID that tell one ISD-P from another; a usual simaResponse is left out. */
static void put_success(struct tlv_out *w, struct tlv good)
{
	static const uint8_t usual[] = { 0x30, 0x07, 0xa0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00 };
	struct octets aid = find(good, 0x4f, false), sima = find(good, 0x04, false);
	struct tlv_mark m = tlv_begin(w, 0xa0);

	assert_int_equal(aid.n, 16);
	tlv_put(w, 0x4f, aid.p + 13, 2);
	if (!octets_same(sima, octets_from(usual, sizeof(usual))))
		tlv_put_octets(w, 0x04, sima);
	tlv_close(w, m);
}

void mini_compact_installation(struct tlv_out *w, struct octets result)
{
	struct tlv_doc doc, inner_doc;
	struct tlv data = inside(&doc, result, 0xbf37, 0xbf27), meta, final;
	struct tlv_mark m = tlv_begin(w, 0xa0), body = tlv_begin(w, 0xa0), list;

	tlv_put_octets(w, 0x80, find(data, 0x80, false));
	meta = tlv_open(&inner_doc, find(data, 0xbf2f, false));
	tlv_put_octets(w, 0x02, find(meta, 0x80, false));
	if (!find(meta, 0x5a, false).n)
		tlv_put_bool(w, 0x01, false);
	list = tlv_begin(w, 0xa2);
	final = tlv_open(&inner_doc, find(data, 0xa2, false));
	if (tlv_peek(&final) == 0xa0)
		put_success(w, tlv_enter(&final, 0xa0));
	else
		put_whole(w, find(final, 0xa1, true));
	tlv_close(w, list);
	tlv_close(w, body);
	data = tlv_open(&inner_doc, result);
	put_whole(w, find(tlv_enter(&data, 0xbf37), 0x5f37, true));
	tlv_close(w, m);
}

void mini_compact_notification(struct tlv_out *w, struct octets note, const uint8_t eid[16])
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, note), body = tlv_enter(&top, 0x30);
	struct tlv_mark m = tlv_begin(w, 0xa1);

	tlv_put(w, 0x5a, eid, 16);
	put_whole(w, find(body, 0xbf2f, true));
	put_whole(w, find(body, 0x5f37, true));
	tlv_close(w, m);
}
