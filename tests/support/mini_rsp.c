#include "support/mini_rsp.h"

#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/mini_rsp_compact.h"
#include "support/test.h"

static const uint8_t device[] = { 0x80, 0x04, 0x12, 0x34, 0x56, 0x78,
				  0xa1, 0x05, 0x85, 0x03, 0x0f, 0x00, 0x00 };

static struct octets card(struct mini_rsp *d, struct octets command)
{
	sdp_blob_set(&d->said, d->es10(d, command));
	return sdp_blob_octets(&d->said);
}

static struct octets card_hex(struct mini_rsp *d, const char *digits)
{
	uint8_t command[64];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), command, sizeof(command), &n), 0);
	return card(d, octets_from(command, n));
}

/* The element of this tag anywhere at this level, taken over; empty if there is none. */
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

/* --- the order -------------------------------------------------------------------------------- */

static void cut_code(struct mini_rsp *d, struct text code)
{
	assert_true(text_eq(text_cut(&code, '$'), "1"));
	assert_int_equal(text_copy(text_cut(&code, '$'), d->address, sizeof(d->address)), 0);
	assert_int_equal(text_copy(text_cut(&code, '$'), d->matching_id, sizeof(d->matching_id)),
			 0);
	assert_int_equal(text_copy(text_cut(&code, '$'), d->oid, sizeof(d->oid)), 0);
	d->confirmation = text_eq(text_cut(&code, '$'), "1");
}

/* The content of a ProfileDownloadTriggerRequest. */
static void take_order(struct mini_rsp *d, struct tlv body)
{
	struct tlv data, smds;
	struct octets tx;
	bool there;

	d->address[0] = d->matching_id[0] = d->oid[0] = '\0';
	d->confirmation = false;
	data = tlv_enter_maybe(&body, 0xa0, &there);
	tx = tlv_maybe(&body, 0x82);
	if (tx.n)
		sdp_blob_set(&d->tx, tx);
	d->order = MINI_RSP_HELD;
	if (!there)
		return;
	switch (tlv_peek(&data)) {
	case 0x80:
		d->order = MINI_RSP_CODE;
		cut_code(d, octets_text(tlv_take(&data, 0x80)));
		break;
	case 0x81:
		d->order = MINI_RSP_DEFAULT;
		text_copy(text_of(d->default_address), d->address, sizeof(d->address));
		break;
	default:
		d->order = MINI_RSP_SMDS;
		smds = tlv_enter(&data, 0xa2);
		text_copy(octets_text(tlv_maybe(&smds, 0x80)), d->address, sizeof(d->address));
		if (!d->address[0])
			text_copy(text_of(d->default_address), d->address, sizeof(d->address));
	}
	assert_int_equal(body.doc->fault, TLV_OK);
}

/* The answer to an IpaEuiccDataRequest, as the eIM asked for it. */
static void answer_data(struct mini_rsp *d, struct octets request)
{
	static uint8_t buf[16384];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_doc doc, certs_doc;
	struct tlv top = tlv_open(&doc, request), body = tlv_enter(&top, 0xbf52), certs;
	struct octets tags = find(body, 0x5c, false), tx = find(body, 0x83, false), v;
	struct tlv_mark whole = tlv_begin(&w, 0xbf50), m, data, list;
	uint8_t features[2] = { 0x02, 0xc0 };

	features[1] |= (uint8_t)(d->download_data << 5 | d->ctx_params << 4 | d->metadata << 3 |
				 d->minimize << 2);
	tlv_put(&w, 0x5a, d->eid, 16);
	m = tlv_begin(&w, 0xbf52);
	data = tlv_begin(&w, 0xa0);
	if (memmem(tags.p, tags.n, "\xbf\x20", 2)) {
		v = card_hex(d, "BF2000");
		tlv_put_raw(&w, v.p, v.n);
	}
	if (memmem(tags.p, tags.n, "\xbf\x22", 2)) {
		v = card_hex(d, "BF2200");
		tlv_put_raw(&w, v.p, v.n);
	}
	certs = tlv_open(&certs_doc, card_hex(d, "BF5600"));
	certs = tlv_enter(&certs, 0xbf56);
	certs = tlv_enter(&certs, 0xa0);
	if (memchr(tags.p, 0xa5, tags.n))
		tlv_put_octets(&w, 0xa5, find(certs, 0xa5, false));
	if (memchr(tags.p, 0xa6, tags.n))
		tlv_put_octets(&w, 0xa6, find(certs, 0xa6, false));
	tlv_put_octets(&w, 0x87, tx);
	if (memchr(tags.p, 0xa8, tags.n)) {
		list = tlv_begin(&w, 0xa8);
		tlv_put(&w, 0x80, features, sizeof(features));
		tlv_close(&w, list);
	}
	if (memchr(tags.p, 0xa9, tags.n))
		tlv_put(&w, 0xa9, device, sizeof(device));
	tlv_close(&w, data);
	tlv_close(&w, m);
	tlv_close(&w, whole);
	assert_false(w.full);
	assert_int_equal(mini_ipa_post(d->eim, octets_from(buf, w.len)), 0);
	assert_int_equal(d->eim->status, 200);
}

bool mini_rsp_fetch(struct mini_rsp *d)
{
	struct mini_card who = { .key = NULL };

	memcpy(who.eid, d->eid, sizeof(who.eid));
	for (int polls = 0; polls < 4; polls++) {
		struct octets content = mini_ipa_get(d->eim, &who);
		struct sdp_blob copy = { 0 };
		struct tlv_doc doc;
		struct tlv top;
		uint32_t tag;

		assert_true(content.n > 2);
		sdp_blob_set(&copy, content);
		top = tlv_open(&doc, sdp_blob_octets(&copy));
		tag = tlv_peek(&top);
		if (tag == 0xbf52)
			answer_data(d, sdp_blob_octets(&copy));
		else if (tag == 0xbf54)
			take_order(d, tlv_enter(&top, tag));
		sdp_blob_done(&copy);
		if (tag != 0xbf52)
			return tag == 0xbf54;
	}
	return false;
}

/* --- one function of the eIM ------------------------------------------------------------------ */

static uint8_t out[MINI_BODY_MAX], in[MINI_BODY_MAX];

/*
 * The good alternative of the answer, A0 or with *ret_other A1; copied, so that the next request
 * leaves it alone. False: an error, whose number is in d->error.
 */
static bool ask(struct mini_rsp *d, const struct tlv_out *request, uint32_t tag,
		struct tlv_doc *doc, struct tlv *ret, bool *ret_other)
{
	struct tlv top;
	uint32_t alternative;

	assert_false(request->full);
	assert_int_equal(mini_ipa_post(d->eim, octets_from(request->buf, request->len)), 0);
	assert_int_equal(d->eim->status, 200);
	memcpy(in, d->eim->body, d->eim->n);
	top = tlv_open(doc, octets_from(in, d->eim->n));
	top = tlv_enter(&top, tag);
	alternative = tlv_peek(&top);
	if (alternative == 0x81 || alternative == 0x82) {
		d->error = tlv_take_u32(&top, alternative);
		return false;
	}
	if (ret_other)
		*ret_other = alternative == 0xa1;
	*ret = tlv_enter(&top, ret_other && *ret_other ? 0xa1 : 0xa0);
	assert_int_equal(doc->fault, TLV_OK);
	return true;
}

/* --- InitiateAuthentication and what the card says to it -------------------------------------- */

static bool initiate(struct mini_rsp *d, struct tlv_doc *doc, struct tlv *ret)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xbf39);
	struct octets v = card_hex(d, "BF2E00");

	tlv_put(&w, 0x81, v.p + v.n - 16, 16);
	if (!d->download_data)
		tlv_put_text(&w, 0x83, d->address);
	if (!d->minimize) {
		v = card_hex(d, "BF2000");
		tlv_put_raw(&w, v.p, v.n);
	}
	if (d->tx.n)
		tlv_put_octets(&w, 0x82, sdp_blob_octets(&d->tx));
	tlv_close(&w, m);
	return ask(d, &w, 0xbf39, doc, ret, NULL);
}

/* The identifier whole: one that was cut short is completed from the card's list for signing. */
static struct octets whole_ci(struct mini_rsp *d, struct octets given)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, card_hex(d, "BF2000")), list;

	top = tlv_enter(&top, 0xbf20);
	list = tlv_open(&doc, find(top, 0xaa, false));
	while (tlv_more(&list)) {
		struct octets id = tlv_take(&list, 0x04);

		if (id.n >= given.n && memcmp(id.p, given.p, given.n) == 0)
			return id;
	}
	return given;
}

static void put_context(struct mini_rsp *d, struct tlv_out *w, struct text matching_id)
{
	struct tlv_mark m = tlv_begin(w, 0xa0);

	(void)d;
	if (matching_id.n)
		tlv_put(w, 0x80, matching_id.s, matching_id.n);
	tlv_put(w, 0xa1, device, sizeof(device));
	tlv_close(w, m);
}

/* BF39's answer to the card's AuthenticateServer: its response whole, in d->said. */
static struct octets authenticate_server(struct mini_rsp *d, struct tlv body)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xbf38);
	struct octets tid = tlv_maybe(&body, 0x80), v, ctx, matching_id;
	struct tlv_doc doc;
	struct tlv signed1;
	uint32_t tag;

	d->had_tid = tid.n > 0;
	v = tlv_take_whole(&body, &tag);
	signed1 = tlv_open(&doc, v);
	signed1 = tlv_enter(&signed1, 0x30);
	sdp_blob_set(&d->tid, tlv_take(&signed1, 0x80));
	assert_true(!tid.n || octets_same(tid, sdp_blob_octets(&d->tid)));
	tlv_put_raw(&w, v.p, v.n);
	v = tlv_take_whole(&body, &tag);
	assert_int_equal(tag, 0x5f37);
	tlv_put_raw(&w, v.p, v.n);
	v = tlv_take(&body, 0x04);
	d->ci_n = v.n;
	tlv_put_octets(&w, 0x04, whole_ci(d, v));
	v = tlv_take_whole(&body, &tag);
	assert_int_equal(tag, 0x30);
	tlv_put_raw(&w, v.p, v.n);
	matching_id = tlv_maybe(&body, 0x0c);
	ctx = tlv_maybe(&body, 0xa2);
	d->had_matching_id = matching_id.n > 0;
	d->had_ctx_params = ctx.n > 0;
	assert_true(!d->ctx_params || ctx.n);
	if (ctx.n)
		tlv_put_raw(&w, ctx.p, ctx.n);
	else
		put_context(d, &w, matching_id.n ? octets_text(matching_id) :
						   text_of(d->matching_id));
	tlv_close(&w, m);
	assert_int_equal(body.doc->fault, TLV_OK);
	assert_false(w.full);
	return card(d, octets_from(out, w.len));
}

/* The alternative of a card's answer with this tag. */
static uint32_t alternative_of(struct octets answer, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, answer);

	top = tlv_enter(&top, tag);
	return tlv_peek(&top);
}

/* { 80 tid, response } under a tag; the response compact where that is wanted. */
static void put_response(struct mini_rsp *d, struct tlv_out *w, uint32_t tag, struct octets response)
{
	struct tlv_mark m = tlv_begin(w, tag);

	tlv_put_octets(w, 0x80, sdp_blob_octets(&d->tid));
	if (!d->minimize || alternative_of(response, tag == 0xbf3b ? 0xbf38 : 0xbf21) != 0xa0)
		tlv_put_raw(w, response.p, response.n);
	else if (tag == 0xbf3b)
		mini_compact_authentication(w, response, d->had_ctx_params);
	else
		mini_compact_preparation(w, response, d->had_hash_cc);
	tlv_close(w, m);
}

/* --- the rest of the way ---------------------------------------------------------------------- */

/* ES10b.CancelSession, and the eIM is told. */
static void cancel(struct mini_rsp *d, uint32_t reason)
{
	uint8_t command[64];
	struct tlv_out w = { .buf = command, .cap = sizeof(command) };
	struct tlv_mark m = tlv_begin(&w, 0xbf41);
	struct octets answer;
	struct tlv_doc doc;
	struct tlv top;

	tlv_put_octets(&w, 0x80, sdp_blob_octets(&d->tid));
	tlv_put_u32(&w, 0x81, reason);
	tlv_close(&w, m);
	answer = card(d, octets_from(command, w.len));
	w = (struct tlv_out){ .buf = out, .cap = sizeof(out) };
	m = tlv_begin(&w, 0xbf41);
	tlv_put_octets(&w, 0x80, sdp_blob_octets(&d->tid));
	top = tlv_open(&doc, answer);
	if (d->cancel_compact)
		mini_compact_cancel(&w, answer);
	else
		tlv_put_octets(&w, 0xa1, tlv_take(&top, 0xbf41));
	tlv_close(&w, m);
	ask(d, &w, 0xbf41, &doc, &top, NULL);
}

/* An SM-DS's answer: the trigger in it takes the order's place. False: there is none. */
static bool take_event(struct mini_rsp *d, struct tlv body)
{
	tlv_take(&body, 0x80);
	if (!tlv_more(&body))
		return false;
	take_order(d, tlv_enter(&body, 0xbf54));
	return true;
}

static struct octets prepare(struct mini_rsp *d, struct tlv body)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xbf21);
	struct octets v, hash = { NULL, 0 }, parts[3];
	uint32_t tag;

	tlv_maybe(&body, 0x80);
	d->had_metadata = tlv_maybe(&body, 0xbf25).n > 0;
	for (size_t i = 0; i < 3; i++)
		parts[i] = tlv_take_whole(&body, &tag);
	v = tlv_maybe(&body, 0x04);
	d->had_hash_cc = v.n > 0;
	hash = v;
	tlv_put_raw(&w, parts[0].p, parts[0].n);
	tlv_put_raw(&w, parts[1].p, parts[1].n);
	if (hash.n)
		tlv_put_octets(&w, 0x04, hash);
	tlv_put_raw(&w, parts[2].p, parts[2].n);
	tlv_close(&w, m);
	assert_int_equal(body.doc->fault, TLV_OK);
	return card(d, octets_from(out, w.len));
}

/* An element in one piece, or its head and then every element in it. True: the result has come. */
static bool load_element(struct mini_rsp *d, struct octets whole, bool in_pieces)
{
	uint32_t tag;
	size_t head, value;
	struct tlv_doc doc;
	struct tlv body;
	bool over;

	if (!in_pieces)
		return card(d, whole).n > 0;
	assert_int_equal(tlv_head(whole.p, whole.n, &tag, &head, &value), 0);
	over = card(d, octets_from(whole.p, head)).n > 0;
	body = tlv_open(&doc, octets_from(whole.p + head, value));
	while (!over && tlv_more(&body))
		over = card(d, tlv_take_whole(&body, &tag)).n > 0;
	return over;
}

/* SGP.22 2.5.5: the head with BF23, then A0, A1, A2, A3 as they are to be cut. */
static void load(struct mini_rsp *d, struct octets bpp)
{
	uint32_t tag;
	size_t head, value;
	struct tlv_doc doc;
	struct tlv body;
	struct octets one;
	bool over;

	assert_int_equal(tlv_head(bpp.p, bpp.n, &tag, &head, &value), 0);
	assert_int_equal(tag, 0xbf36);
	body = tlv_open(&doc, octets_from(bpp.p + head, value));
	one = tlv_take_whole(&body, &tag);
	over = card(d, octets_from(bpp.p, head + one.n)).n > 0;
	while (!over && tlv_more(&body)) {
		one = tlv_take_whole(&body, &tag);
		over = load_element(d, one, tag == 0xa1 || tag == 0xa3);
	}
	assert_int_equal(doc.fault, TLV_OK);
	assert_true(over);
	sdp_blob_set(&d->result, sdp_blob_octets(&d->said));
}

static bool was_installed(struct octets result)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, result), data;

	top = tlv_enter(&top, 0xbf37);
	data = tlv_enter(&top, 0xbf27);
	top = tlv_open(&doc, find(data, 0xa2, false));
	return tlv_peek(&top) == 0xa0;
}

/* Up to the answer of AuthenticateClient, at one server. */
static enum mini_rsp_end authenticate(struct mini_rsp *d, struct tlv_doc *doc, struct tlv *ret,
				      bool *ret_ds)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct octets response;
	struct tlv body;
	bool good;

	if (!initiate(d, doc, &body))
		return MINI_RSP_INITIATE;
	response = authenticate_server(d, body);
	good = alternative_of(response, 0xbf38) == 0xa0;
	put_response(d, &w, 0xbf3b, response);
	if (!ask(d, &w, 0xbf3b, doc, ret, ret_ds))
		return good ? MINI_RSP_AUTHENTICATE_CLIENT : MINI_RSP_AUTHENTICATE_SERVER;
	return MINI_RSP_INSTALLED;
}

enum mini_rsp_end mini_rsp_download(struct mini_rsp *d)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	enum mini_rsp_end end;
	struct octets response;
	struct tlv_doc doc;
	struct tlv body;
	bool ds, good;

	d->error = 0;
	sdp_blob_done(&d->result);
	for (int servers = 0;; servers++) {
		end = authenticate(d, &doc, &body, &ds);
		if (end != MINI_RSP_INSTALLED)
			return end;
		if (!ds)
			break;
		if (servers || !take_event(d, body))
			return MINI_RSP_NO_EVENT;
	}
	if (d->cancel_reason) {
		cancel(d, (uint32_t)d->cancel_reason);
		return MINI_RSP_CANCELLED;
	}
	response = prepare(d, body);
	good = alternative_of(response, 0xbf21) == 0xa0;
	put_response(d, &w, 0xbf3a, response);
	if (!ask(d, &w, 0xbf3a, &doc, &body, NULL))
		return good ? MINI_RSP_GET_PACKAGE : MINI_RSP_PREPARE;
	tlv_maybe(&body, 0x80);
	load(d, tlv_rest(&body));
	return was_installed(sdp_blob_octets(&d->result)) ? MINI_RSP_INSTALLED : MINI_RSP_LOAD;
}

/* --- its result ------------------------------------------------------------------------------- */

struct octets mini_rsp_trigger_result(struct mini_rsp *d, struct octets result)
{
	static const uint8_t failed[] = { 0x80, 0x01, 0x7f };
	static uint8_t buf[4096];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xbf54);

	tlv_put_octets(&w, 0x82, sdp_blob_octets(&d->tx));
	if (result.n)
		tlv_put_raw(&w, result.p, result.n);
	else
		tlv_put(&w, 0x30, failed, sizeof(failed));
	tlv_close(&w, m);
	assert_false(w.full);
	return octets_from(buf, w.len);
}

void mini_rsp_deliver(struct mini_rsp *d, enum mini_rsp_delivery how)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xbf3d), inner;
	struct octets result = sdp_blob_octets(&d->result), v;

	if (how == MINI_RSP_AS_TRIGGER_RESULT) {
		inner = tlv_begin(&w, 0xbf50);
		tlv_put(&w, 0x5a, d->eid, 16);
		v = mini_rsp_trigger_result(d, result);
		tlv_put_raw(&w, v.p, v.n);
	} else {
		inner = tlv_begin(&w, 0xa0);
		if (how == MINI_RSP_COMPACT)
			mini_compact_installation(&w, result);
		else
			tlv_put_raw(&w, result.p, result.n);
	}
	tlv_close(&w, inner);
	tlv_close(&w, m);
	assert_int_equal(mini_ipa_post(d->eim, octets_from(out, w.len)), 0);
	assert_int_equal(d->eim->status, 204);
}

void mini_rsp_done(struct mini_rsp *d)
{
	sdp_blob_done(&d->tx);
	sdp_blob_done(&d->tid);
	sdp_blob_done(&d->result);
	sdp_blob_done(&d->said);
}
