/* The card: checks in the order of SGP.32 5.9.1, signs with what OpenSSL has for it. */
#include "support/mini_ipa.h"

#include <openssl/ecdsa.h>
#include <string.h>

#include "core/util.h"

/* What cannot fail in a test; unlike assert(), it is there in every build. */
static void must(bool good)
{
	if (!good)
		abort();
}

/* --- signatures: OpenSSL's own, not the simulator's ------------------------------------------- */

static void sign(EVP_PKEY *key, const struct octets *parts, size_t n, uint8_t out[64])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char der[80];
	const unsigned char *p = der;
	size_t len = sizeof(der);
	ECDSA_SIG *sig;

	must(md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1);
	for (size_t i = 0; i < n; i++)
		must(EVP_DigestSignUpdate(md, parts[i].p, parts[i].n) == 1);
	must(EVP_DigestSignFinal(md, der, &len) == 1);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	must(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
	       BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
}

static bool verify(EVP_PKEY *key, const struct octets *parts, size_t n, struct octets signature)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	bool good = signature.n == 64;
	int len;

	must(md && sig);
	if (good) {
		ECDSA_SIG_set0(sig, BN_bin2bn(signature.p, 32, NULL),
			       BN_bin2bn(signature.p + 32, 32, NULL));
		len = i2d_ECDSA_SIG(sig, &der);
		good = len > 0 && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1;
		for (size_t i = 0; good && i < n; i++)
			good = EVP_DigestVerifyUpdate(md, parts[i].p, parts[i].n) == 1;
		good = good && EVP_DigestVerifyFinal(md, der, (size_t)len) == 1;
	}
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
	return good;
}

static struct octets token_do(const struct mini_card *c, uint8_t buf[8])
{
	struct tlv_out w = { .buf = buf, .cap = 8 };

	tlv_put_i32(&w, 0x84, c->token);
	return octets_from(buf, w.len);
}

/* --- storing ---------------------------------------------------------------------------------- */

static void store(struct mini_stored *list, size_t *n, uint32_t seq, struct octets v)
{
	must(v.n <= sizeof(list->octets));
	if (*n == MINI_STORED_MAX) {
		memmove(list, list + 1, (MINI_STORED_MAX - 1) * sizeof(*list));
		--*n;
	}
	list[*n].seq = seq;
	list[*n].n = v.n;
	memcpy(list[*n].octets, v.p, v.n);
	++*n;
}

static bool drop(struct mini_stored *list, size_t *n, uint32_t seq)
{
	for (size_t i = 0; i < *n; i++) {
		if (list[i].seq != seq)
			continue;
		memmove(list + i, list + i + 1, (*n - i - 1) * sizeof(*list));
		--*n;
		return true;
	}
	return false;
}

bool mini_card_remove(struct mini_card *c, uint32_t seq)
{
	return drop(c->results, &c->results_n, seq) || drop(c->notes, &c->notes_n, seq);
}

void mini_card_notify(struct mini_card *c, uint8_t event, int profile)
{
	uint8_t buf[2048], signature[64], bits[2] = { (uint8_t)__builtin_ctz(event), event };
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0x30), meta;
	size_t from = w.len;
	struct octets part;

	meta = tlv_begin(&w, 0xBF2F);
	tlv_put_u32(&w, 0x80, ++c->seq);
	tlv_put(&w, 0x81, bits, 2);
	tlv_put_text(&w, 0x0C, "dp.example");
	tlv_put(&w, 0x5A, c->iccid[profile], 10);
	tlv_close(&w, meta);
	part = octets_from(buf + from, w.len - from);
	sign(c->key, &part, 1, signature);
	tlv_put(&w, 0x5F37, signature, 64);
	tlv_put_raw(&w, c->euicc.p, c->euicc.n);
	tlv_put_raw(&w, c->eum.p, c->eum.n);
	tlv_close(&w, m);
	store(c->notes, &c->notes_n, c->seq, octets_from(buf, w.len));
}

/* --- execution -------------------------------------------------------------------------------- */

static int profile_of(const struct mini_card *c, struct tlv body)
{
	struct octets iccid = tlv_maybe(&body, 0x5A);

	for (int i = 0; i < MINI_PROFILES; i++) {
		if (iccid.n == 10 && !memcmp(iccid.p, c->iccid[i], 10))
			return i;
	}
	return -1;
}

static void list_profiles(const struct mini_card *c, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xBF2D), list = tlv_begin(w, 0xA0), one;

	for (int i = 0; i < MINI_PROFILES; i++) {
		one = tlv_begin(w, 0xE3);
		tlv_put(w, 0x5A, c->iccid[i], 10);
		tlv_put_u32(w, 0x9F70, i == c->enabled);
		tlv_close(w, one);
	}
	tlv_close(w, list);
	tlv_close(w, m);
}

/* One operation; its result code, or -1 where the result is more than a code. */
static int execute(struct mini_card *c, struct tlv *list, struct tlv_out *w, int *switch_to)
{
	uint32_t tag = tlv_peek(list);
	struct tlv body = tlv_enter(list, tag);
	int profile = profile_of(c, body), code = profile < 0 ? 1 : 0;

	switch (tag) {
	case 0xA3:
		if (!code && profile == c->enabled)
			code = 2;
		if (!code)
			*switch_to = profile;
		tlv_put_u32(w, 0x83, (uint32_t)code);
		return code;
	case 0xA4:
		if (!code && profile != c->enabled)
			code = 2;
		if (!code)
			*switch_to = -1;
		tlv_put_u32(w, 0x84, (uint32_t)code);
		return code;
	case 0xBF2D:
		list_profiles(c, w);
		return 0;
	case 0xA6:
		tlv_put(w, 0xA6, NULL, 0);
		return 0;
	default:
		tlv_put_u32(w, 0x02, 2);
		return 2;
	}
}

struct package {
	struct octets whole, eim_id, eid, tx;
	uint32_t counter;
	struct tlv list;
};

static void put_head(struct tlv_out *w, const struct package *p)
{
	tlv_put_octets(w, 0x80, p->eim_id);
	tlv_put_u32(w, 0x81, p->counter);
	if (p->tx.n)
		tlv_put_octets(w, 0x82, p->tx);
}

/* BF51 { A0 | A1 { 30 …, 5F37 } } from the content of the 30. */
static struct octets wrap(struct mini_card *c, uint32_t tag, struct octets content)
{
	static uint8_t buf[4096];
	uint8_t token[8], signature[64];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xBF51), alternative = tlv_begin(&w, tag);
	size_t from = w.len;
	struct octets parts[2];

	tlv_put_octets(&w, 0x30, content);
	parts[0] = octets_from(buf + from, w.len - from);
	parts[1] = token_do(c, token);
	sign(c->key, parts, 2, signature);
	tlv_put(&w, 0x5F37, signature, 64);
	tlv_close(&w, alternative);
	tlv_close(&w, m);
	return octets_from(buf, w.len);
}

static struct octets signed_error(struct mini_card *c, const struct package *p, uint32_t code)
{
	uint8_t buf[512];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };

	put_head(&w, p);
	tlv_put_u32(&w, 0x02, code);
	return wrap(c, 0xA1, octets_from(buf, w.len));
}

static struct octets unsigned_error(struct mini_card *c, const struct package *p)
{
	static uint8_t buf[512];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xBF51), body = tlv_begin(&w, 0xA2);

	tlv_put_octets(&w, 0x80, p->eim_id);
	if (p->tx.n)
		tlv_put_octets(&w, 0x82, p->tx);
	if (c->token)
		tlv_put_i32(&w, 0x84, c->token);
	tlv_close(&w, body);
	tlv_close(&w, m);
	return octets_from(buf, w.len);
}

static struct octets run(struct mini_card *c, struct package *p)
{
	uint8_t buf[2048];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	int before = c->enabled, after = before;
	struct tlv_mark results;
	struct octets done;

	put_head(&w, p);
	tlv_put_u32(&w, 0x83, ++c->seq);
	results = tlv_begin(&w, 0x30);
	while (tlv_more(&p->list) && execute(c, &p->list, &w, &after) == 0)
		;
	tlv_close(&w, results);
	c->counter = p->counter;
	c->executed++;
	done = wrap(c, 0xA0, octets_from(buf, w.len));
	store(c->results, &c->results_n, c->seq, done);
	if (after != before) {
		c->enabled = after;
		if (before >= 0)
			mini_card_notify(c, 0x20, before);
		if (after >= 0)
			mini_card_notify(c, 0x40, after);
	}
	return done;
}

struct octets mini_card_load(struct mini_card *c, struct octets package)
{
	struct package p = { .counter = 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, package), body = tlv_enter(&top, 0xBF51), before = body,
		   data;
	uint8_t token[8];
	struct octets parts[2], signature;
	uint32_t tag;

	p.whole = tlv_take_whole(&before, &tag);
	data = tlv_enter(&body, 0x30);
	signature = tlv_take(&body, 0x5F37);
	p.eim_id = tlv_take(&data, 0x80);
	p.eid = tlv_take(&data, 0x5A);
	p.counter = tlv_take_u32(&data, 0x81);
	p.tx = tlv_maybe(&data, 0x82);
	p.list = tlv_enter(&data, tlv_peek(&data));
	parts[0] = p.whole;
	parts[1] = token_do(c, token);
	if (doc.fault || !text_eq(octets_text(p.eim_id), c->eim_id) ||
	    !verify(c->eim_key, parts, 2, signature))
		return unsigned_error(c, &p);
	if (p.eid.n != 16 || memcmp(p.eid.p, c->eid, 16) != 0)
		return signed_error(c, &p, 3);
	if (p.counter <= c->counter)
		return signed_error(c, &p, 4);
	return run(c, &p);
}
