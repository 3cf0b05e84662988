#include "sim/smdp/bind.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"

#define MAC_LEN 8

/* SharedInfo and the order of the keys: SGP.22 annex G, chain first. */
void sdp_bsp_open(struct sdp_bsp *b, const uint8_t z[SDP_SCALAR_LEN], struct octets host_id,
		  const uint8_t eid[SDP_EID_LEN])
{
	uint8_t info[3 + SDP_HOST_ID_MAX + 1 + SDP_EID_LEN], keys[3 * SDP_BLOCK_LEN];
	size_t n = 0;

	info[n++] = 0x88;               /* AES */
	info[n++] = SDP_BLOCK_LEN;
	info[n++] = (uint8_t)host_id.n;
	memcpy(info + n, host_id.p, host_id.n);
	n += host_id.n;
	info[n++] = SDP_EID_LEN;
	memcpy(info + n, eid, SDP_EID_LEN);
	n += SDP_EID_LEN;
	sdp_kdf(z, octets_from(info, n), keys, sizeof(keys));
	memcpy(b->chain, keys, SDP_BLOCK_LEN);
	memcpy(b->enc, keys + SDP_BLOCK_LEN, SDP_BLOCK_LEN);
	memcpy(b->mac, keys + 2 * SDP_BLOCK_LEN, SDP_BLOCK_LEN);
	b->counter = 1;
	OPENSSL_cleanse(keys, sizeof(keys));
}

static void bsp_replace(struct sdp_bsp *b, const struct sdp_ppk *k)
{
	memcpy(b->chain, k->chain, SDP_BLOCK_LEN);
	memcpy(b->enc, k->enc, SDP_BLOCK_LEN);
	memcpy(b->mac, k->mac, SDP_BLOCK_LEN);
	b->counter = 1;
}

/* ISO padding, and an initial vector that is the encrypted counter. */
static size_t encrypt(const struct sdp_bsp *b, struct octets plain, uint8_t *dst)
{
	size_t n = (plain.n / SDP_BLOCK_LEN + 1) * SDP_BLOCK_LEN;
	uint8_t counter[SDP_BLOCK_LEN] = { 0 }, iv[SDP_BLOCK_LEN];

	for (size_t i = 0; i < 4; i++)
		counter[SDP_BLOCK_LEN - 1 - i] = (uint8_t)(b->counter >> 8 * i);
	sdp_aes_block(b->enc, counter, iv);
	if (plain.n)
		memcpy(dst, plain.p, plain.n);
	dst[plain.n] = 0x80;
	memset(dst + plain.n + 1, 0, n - plain.n - 1);
	sdp_aes_cbc(b->enc, iv, dst, n, dst);
	return n;
}

void sdp_bsp_put(struct sdp_bsp *b, struct tlv_out *w, uint32_t tag, struct octets plain)
{
	uint8_t data[SDP_SEGMENT_LIMIT + 2 * SDP_BLOCK_LEN], head[4];
	struct octets body = plain;
	size_t n = 0, len;

	if (plain.n > SDP_SEGMENT_LIMIT) {
		w->full = true;
		return;
	}
	if (tag != 0x88)
		body = octets_from(data, encrypt(b, plain, data));
	/* The length that is authenticated counts the MAC as well. */
	len = body.n + MAC_LEN;
	head[n++] = (uint8_t)tag;
	if (len > 0xff) {
		head[n++] = 0x82;
		head[n++] = (uint8_t)(len >> 8);
	} else if (len > 0x7f) {
		head[n++] = 0x81;
	}
	head[n++] = (uint8_t)len;

	struct octets covered[] = { { b->chain, SDP_BLOCK_LEN }, { head, n }, body };

	sdp_cmac(b->mac, covered, ARRAY_SIZE(covered), b->chain);
	b->counter++;
	tlv_put_raw(w, head, n);
	tlv_put_raw(w, body.p, body.n);
	tlv_put_raw(w, b->chain, MAC_LEN);
}

/* How many octets of plaintext make a segment of at most so many. */
static size_t plain_of(size_t segment, bool encrypted)
{
	size_t head = segment > 0xff + 4 ? 4 : segment > 0x7f + 3 ? 3 : 2;
	size_t n = segment - head - MAC_LEN;

	return encrypted ? n / SDP_BLOCK_LEN * SDP_BLOCK_LEN - 1 : n;
}

static void put_cut(struct sdp_bsp *b, struct tlv_out *w, uint32_t outer, uint32_t tag,
		    struct octets plain, size_t piece)
{
	struct tlv_mark m = tlv_begin(w, outer);

	do {
		size_t n = MIN(piece, plain.n);

		sdp_bsp_put(b, w, tag, octets_from(plain.p, n));
		plain.p += n;
		plain.n -= n;
	} while (plain.n);
	tlv_close(w, m);
}

/* ES8+.ReplaceSessionKeys, SGP.22 5.5.4 */
static void put_ppk(struct sdp_bsp *b, struct tlv_out *w, const struct sdp_ppk *k)
{
	uint8_t plain[64];
	struct tlv_out p = { .buf = plain, .cap = sizeof(plain) };
	struct tlv_mark m = tlv_begin(&p, 0xbf26);

	tlv_put(&p, 0x80, k->chain, SDP_BLOCK_LEN);
	tlv_put(&p, 0x81, k->enc, SDP_BLOCK_LEN);
	tlv_put(&p, 0x82, k->mac, SDP_BLOCK_LEN);
	tlv_close(&p, m);
	put_cut(b, w, 0xa2, 0x87, octets_from(plain, p.len), sizeof(plain));
	bsp_replace(b, k);
	OPENSSL_cleanse(plain, sizeof(plain));
}

int sdp_bind_body(const struct sdp_binding *b, struct sdp_blob *ret)
{
	static const uint8_t configure_isdp[] = { 0xbf, 0x24, 0x00 };
	size_t segment = b->segment ? b->segment : SDP_SEGMENT_MAX;
	uint8_t z[SDP_SCALAR_LEN];
	struct sdp_bsp bsp;
	struct tlv_out w = { 0 };
	int r;

	if (segment < SDP_SEGMENT_MIN || segment > SDP_SEGMENT_LIMIT ||
	    b->host_id.n == 0 || b->host_id.n > SDP_HOST_ID_MAX)
		return -EINVAL;
	r = sdp_agree(b->one_time, octets_from(b->euicc_point, SDP_POINT_LEN), z);
	if (r < 0)
		return r;
	sdp_bsp_open(&bsp, z, b->host_id, b->eid);
	OPENSSL_cleanse(z, sizeof(z));

	/* A segment of 40 octets carries 15: less than threefold, whatever the size. */
	w.cap = (b->upp.n + b->metadata.n) * 3 + 4096;
	w.buf = sdp_alloc(w.cap);
	put_cut(&bsp, &w, 0xa0, 0x87, octets_from(configure_isdp, sizeof(configure_isdp)), 16);
	put_cut(&bsp, &w, 0xa1, 0x88, b->metadata, plain_of(segment, false));
	if (b->ppk)
		put_ppk(&bsp, &w, b->ppk);
	put_cut(&bsp, &w, 0xa3, 0x86, b->upp, plain_of(segment, true));
	OPENSSL_cleanse(&bsp, sizeof(bsp));
	if (w.full) {
		free(w.buf);
		return -EMSGSIZE;
	}
	*ret = (struct sdp_blob){ w.buf, w.len };
	return 0;
}

/* ES8+.InitialiseSecureChannel, SGP.22 5.5.1: otPK.EUICC is signed, but not sent. */
static void put_channel(const struct sdp_binding *b, struct tlv_out *w)
{
	static const uint8_t key_type = 0x88, key_length = SDP_BLOCK_LEN;
	uint8_t tbs[256], signature[SDP_SIGNATURE_LEN];
	struct tlv_out t = { .buf = tbs, .cap = sizeof(tbs) };
	struct tlv_mark m;
	size_t sent;

	tlv_put_u32(&t, 0x82, 1);
	tlv_put_octets(&t, 0x80, b->tid);
	m = tlv_begin(&t, 0xa6);
	tlv_put(&t, 0x80, &key_type, 1);
	tlv_put(&t, 0x81, &key_length, 1);
	tlv_put_octets(&t, 0x84, b->host_id);
	tlv_close(&t, m);
	tlv_put(&t, 0x5f49, b->one_time->point, SDP_POINT_LEN);
	sent = t.len;
	tlv_put(&t, 0x5f49, b->euicc_point, SDP_POINT_LEN);

	struct octets all = { tbs, t.len };

	sdp_sign(b->sign, &all, 1, signature);
	m = tlv_begin(w, 0xbf23);
	tlv_put_raw(w, tbs, sent);
	tlv_put(w, 0x5f37, signature, sizeof(signature));
	tlv_close(w, m);
}

int sdp_bind(const struct sdp_binding *b, struct octets body, struct sdp_blob *ret)
{
	struct tlv_out w = { .cap = body.n + 512 };
	struct tlv_mark m;

	if (b->tid.n > SDP_TID_MAX || b->host_id.n > SDP_HOST_ID_MAX)
		return -EINVAL;
	w.buf = sdp_alloc(w.cap);
	m = tlv_begin(&w, 0xbf36);
	put_channel(b, &w);
	tlv_put_raw(&w, body.p, body.n);
	tlv_close(&w, m);
	if (w.full) {
		free(w.buf);
		return -EMSGSIZE;
	}
	*ret = (struct sdp_blob){ w.buf, w.len };
	return 0;
}
