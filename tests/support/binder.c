#include "support/binder.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/euicc/pki.h"
#include "support/test.h"

#define BPP_MAX 65536

static struct octets copy(const void *p, size_t n)
{
	uint8_t *q = malloc(n + 1);

	assert_non_null(q);
	memcpy(q, p, n);
	return octets_from(q, n);
}

static void encrypt(const struct ve_bsp *k, uint8_t *data, size_t n)
{
	uint8_t chain[VE_AES_LEN] = { [14] = k->counter >> 8, [15] = k->counter };

	ve_aes_block(k->enc, chain, chain);
	for (size_t at = 0; at < n; at += VE_AES_LEN) {
		for (size_t i = 0; i < VE_AES_LEN; i++)
			chain[i] ^= data[at + i];
		ve_aes_block(k->enc, chain, chain);
		memcpy(data + at, chain, VE_AES_LEN);
	}
}

struct octets binder_seal(struct ve_bsp *k, uint8_t tag, struct octets plain, bool pad)
{
	uint8_t body[2048], raw[2080], mac[VE_AES_LEN];
	struct tlv_out w = { raw, sizeof(raw) };
	struct octets parts[2] = { { k->chain, VE_AES_LEN } };
	size_t n = plain.n;

	assert_true(n + 32 <= sizeof(body));
	memcpy(body, plain.p, n);
	if (tag != VE_BSP_METADATA) {
		if (pad)
			body[n++] = 0x80;
		while (n % VE_AES_LEN)
			body[n++] = 0;
		encrypt(k, body, n);
	}
	memset(body + n, 0, VE_BSP_MAC_LEN);
	tlv_put(&w, tag, body, n + VE_BSP_MAC_LEN);
	parts[1] = octets_from(raw, w.len - VE_BSP_MAC_LEN);
	ve_aes_cmac(k->mac, parts, 2, mac);
	memcpy(raw + w.len - VE_BSP_MAC_LEN, mac, VE_BSP_MAC_LEN);
	memcpy(k->chain, mac, VE_AES_LEN);
	k->counter++;
	return copy(raw, w.len);
}

void binder_init(struct binder *b, struct rspcard *card)
{
	struct json_object *v = card->v, *replace;

	memset(b, 0, sizeof(*b));
	b->card = card;
	b->configure = hexjson_decode("BF2400");
	b->metadata = hexjson_octets(v, "profileMetadata");
	if (json_object_object_get_ex(v, "replaceSessionKeys", &replace) && replace)
		b->replace = hexjson_octets(v, "replaceSessionKeys");
	b->upp = hexjson_octets(v, "upp");
	b->tid = hexjson_octets(v, "transactionId");
	b->host = hexjson_octets(v, "hostId");
	b->otpk = hexjson_octets(v, "otPK_DP");
	b->operation = 1;
	b->key_type = 0x88;
	b->key_length = 0x10;
	b->cut = 1007;
}

/* BF23, signed with the key of CERT.DPpb. */
static void put_channel(struct binder *b, struct tlv_out *w)
{
	struct octets own = hexjson_octets(b->card->v, "otPK_EUICC");
	uint8_t raw[512], sig[VE_SIGNATURE_LEN];
	struct tlv_out data = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(w, 0xbf23), crt;
	size_t bare;

	tlv_put(&data, 0x82, &b->operation, 1);
	tlv_put_octets(&data, 0x80, b->tid);
	crt = tlv_begin(&data, 0xa6);
	tlv_put(&data, 0x80, &b->key_type, 1);
	tlv_put(&data, 0x81, &b->key_length, 1);
	tlv_put_octets(&data, 0x84, b->host);
	tlv_close(&data, crt);
	tlv_put_octets(&data, 0x5f49, b->otpk);
	bare = data.len;
	tlv_put_octets(&data, 0x5f49, own);
	assert_int_equal(ve_ec_sign(b->card->curve, rspcard_secret(b->card, "dppb").p,
				    octets_from(raw, data.len), sig), 0);
	tlv_put_raw(w, raw, bare);
	tlv_put(w, 0x5f37, sig, sizeof(sig));
	tlv_close(w, m);
}

static void add(struct binder *b, struct octets piece)
{
	assert_true(b->n < BINDER_PIECES_MAX);
	b->pieces[b->n++] = piece;
}

/* The head of an element whose value is the pieces from `first` on, as a piece in front of them. */
static void put_head(struct binder *b, size_t first, uint32_t tag, bool joined)
{
	uint8_t raw[BPP_MAX], head[8];
	struct tlv_out w = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&w, tag);
	size_t n = 0;

	for (size_t i = first; i < b->n; i++)
		n += b->pieces[i].n;
	for (size_t i = first; i < b->n; i++)
		tlv_put_raw(&w, b->pieces[i].p, b->pieces[i].n);
	tlv_close(&w, m);
	assert_false(w.full);
	memcpy(head, raw, w.len - n);
	if (joined) {
		/* It goes out together with the first of them. */
		struct octets old = b->pieces[first];
		size_t len = w.len - n;

		memcpy(raw + len, old.p, old.n);
		b->pieces[first] = copy(raw, len + old.n);
		free((void *)old.p);
		return;
	}
	assert_true(b->n < BINDER_PIECES_MAX);
	memmove(&b->pieces[first + 1], &b->pieces[first], (b->n - first) * sizeof(b->pieces[0]));
	b->pieces[first] = copy(head, w.len - n);
	b->n++;
}

static void add_cut(struct binder *b, uint8_t tag, struct octets plain)
{
	size_t at = 0;

	do {
		size_t n = MIN(plain.n - at, b->cut);

		add(b, binder_seal(&b->keys, tag, octets_from(plain.p + at, n), true));
		at += n;
	} while (at < plain.n);
}

void binder_bind(struct binder *b)
{
	struct json_object *v = b->card->v;
	uint8_t raw[512];
	struct tlv_out w = { raw, sizeof(raw) };
	size_t first;

	ve_bsp_replace(&b->keys, hexjson_octets(v, "kdf_initialMcv").p,
		       hexjson_octets(v, "kdf_S_ENC").p, hexjson_octets(v, "kdf_S_MAC").p);
	put_channel(b, &w);
	add(b, copy(raw, w.len));
	add(b, binder_seal(&b->keys, VE_BSP_COMMAND, b->configure, true));
	put_head(b, 1, 0xa0, true);
	first = b->n;
	add_cut(b, VE_BSP_METADATA, b->metadata);
	put_head(b, first, 0xa1, false);
	b->at_metadata = first + 1;
	if (b->replace.n) {
		b->at_replace = first = b->n;
		add(b, binder_seal(&b->keys, VE_BSP_COMMAND, b->replace, true));
		put_head(b, first, 0xa2, true);
		if (b->replace.n == 57)
			ve_bsp_replace(&b->keys, b->replace.p + 5, b->replace.p + 23,
				       b->replace.p + 41);
	}
	first = b->n;
	add_cut(b, VE_BSP_PROFILE, b->upp);
	put_head(b, first, 0xa3, false);
	b->at_profile = first + 1;
	put_head(b, 0, 0xbf36, true);
}

void binder_done(struct binder *b)
{
	while (b->n)
		free((void *)b->pieces[--b->n].p);
}

uint8_t *binder_octet(struct binder *b, size_t piece, int at)
{
	struct octets o = b->pieces[piece];

	return (uint8_t *)(at < 0 ? o.p + o.n + at : o.p + at);
}

const char *binder_send(struct binder *b, size_t first, size_t last)
{
	const char *r = "";

	for (size_t i = first; i < last && i < b->n && !*r; i++)
		r = rspcard_send_octets(b->card, b->pieces[i]);
	return r;
}

void binder_read_result(struct binder *b, const char *result, int *ret_command, int *ret_reason)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, hexjson_decode(result)), before, body, data, final, choice;
	struct ve_cert c;
	struct octets whole, signature;
	uint32_t tag;

	*ret_command = *ret_reason = -1;
	if (strncmp(result, "BF37", 4))
		fail_msg("no result: \"%.40s\"", result);
	body = tlv_enter(&top, 0xbf37);
	before = body;
	data = tlv_enter(&body, 0xbf27);
	whole = tlv_take_whole(&before, &tag);
	signature = tlv_take(&body, 0x5f37);
	tlv_take(&data, 0x80);
	tlv_take(&data, 0xbf2f);
	tlv_take(&data, 0x06);
	final = tlv_enter(&data, 0xa2);
	if (tlv_peek(&final) == 0xa1) {
		choice = tlv_enter(&final, 0xa1);
		*ret_command = (int)tlv_take_u32(&choice, 0x80);
		*ret_reason = (int)tlv_take_u32(&choice, 0x81);
	}
	assert_int_equal(doc.fault, TLV_OK);
	assert_int_equal(ve_cert_read(rspcard_certificate(b->card, "euicc"), &c), 0);
	assert_true(ve_ec_verify(c.curve, c.point, whole, signature));
}
