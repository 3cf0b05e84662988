#include "sim/smdp/crypto.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"

const char *const sdp_curve_names[_SDP_CURVE_MAX] = {
	[SDP_NIST] = "nist", [SDP_BRAINPOOL] = "brainpool",
};

static const int nids[_SDP_CURVE_MAX] = {
	[SDP_NIST] = NID_X9_62_prime256v1, [SDP_BRAINPOOL] = NID_brainpoolP256r1,
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	log_error("smdp", "%s failed", what);
	abort();
}

void *sdp_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	must(p != NULL, "memory");
	return p;
}

void sdp_random(uint8_t *dst, size_t n)
{
	must(RAND_bytes(dst, (int)n) == 1, "random numbers");
}

void sdp_blob_set(struct sdp_blob *b, struct octets v)
{
	uint8_t *p = sdp_alloc(v.n);

	if (v.n)
		memcpy(p, v.p, v.n);
	free(b->p);
	b->p = p;
	b->n = v.n;
}

void sdp_blob_done(struct sdp_blob *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

int sdp_curve_nid(enum sdp_curve c)
{
	return nids[c];
}

int sdp_curve_from_nid(int nid, enum sdp_curve *ret)
{
	for (size_t i = 0; i < _SDP_CURVE_MAX; i++) {
		if (nids[i] == nid) {
			*ret = (enum sdp_curve)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* --- numbers and points ----------------------------------------------------------------------- */

/* What a computation on a curve needs; everything in it is freed at once. */
struct work {
	EC_GROUP *group;
	BN_CTX *ctx;
	const BIGNUM *order;
	EC_POINT *point;
};

static void work_open(struct work *w, enum sdp_curve c)
{
	w->group = EC_GROUP_new_by_curve_name(nids[c]);
	must(w->group != NULL, "the curve");
	w->ctx = BN_CTX_secure_new();
	must(w->ctx != NULL, "memory");
	BN_CTX_start(w->ctx);
	w->order = EC_GROUP_get0_order(w->group);
	w->point = EC_POINT_new(w->group);
	must(w->point != NULL, "memory");
}

static void work_close(struct work *w)
{
	EC_POINT_clear_free(w->point);
	BN_CTX_end(w->ctx);
	BN_CTX_free(w->ctx);
	EC_GROUP_free(w->group);
}

static BIGNUM *number(struct work *w)
{
	BIGNUM *b = BN_CTX_get(w->ctx);

	must(b != NULL, "memory");
	return b;
}

static BIGNUM *number_of(struct work *w, const uint8_t octets[32])
{
	BIGNUM *b = number(w);

	must(BN_bin2bn(octets, 32, b) != NULL, "memory");
	return b;
}

static bool in_range(struct work *w, const BIGNUM *b)
{
	return !BN_is_zero(b) && BN_cmp(b, w->order) < 0;
}

/* The x coordinate of the work's point. */
static BIGNUM *x_of(struct work *w)
{
	BIGNUM *x = number(w);

	must(EC_POINT_get_affine_coordinates(w->group, w->point, x, NULL, w->ctx), "a point");
	return x;
}

int sdp_key_from_scalar(enum sdp_curve c, const uint8_t scalar[SDP_SCALAR_LEN],
			struct sdp_key *ret)
{
	struct sdp_key k = { .curve = c };
	struct work w;
	BIGNUM *d;
	int r = -EBADMSG;

	work_open(&w, c);
	d = number_of(&w, scalar);
	if (in_range(&w, d)) {
		must(EC_POINT_mul(w.group, w.point, d, NULL, NULL, w.ctx), "a point");
		must(EC_POINT_point2oct(w.group, w.point, POINT_CONVERSION_UNCOMPRESSED, k.point,
					sizeof(k.point), w.ctx) == sizeof(k.point), "a point");
		memcpy(k.scalar, scalar, sizeof(k.scalar));
		*ret = k;
		r = 0;
	}
	work_close(&w);
	OPENSSL_cleanse(&k, sizeof(k));
	return r;
}

void sdp_key_wipe(struct sdp_key *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

int sdp_key_load(const char *path, struct sdp_key *ret)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	uint8_t scalar[SDP_SCALAR_LEN];
	enum sdp_curve c;
	BIGNUM *d = NULL;
	EVP_PKEY *pkey;
	char name[64];
	int r = -EBADMSG;

	if (!f)
		return -errno;
	pkey = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	if (!pkey)
		return -EBADMSG;
	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name), NULL) &&
	    sdp_curve_from_nid(OBJ_txt2nid(name), &c) == 0 &&
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) &&
	    BN_bn2binpad(d, scalar, sizeof(scalar)) == sizeof(scalar))
		r = sdp_key_from_scalar(c, scalar, ret);
	BN_clear_free(d);
	EVP_PKEY_free(pkey);
	OPENSSL_cleanse(scalar, sizeof(scalar));
	return r;
}

int sdp_agree(const struct sdp_key *k, struct octets peer, uint8_t ret[SDP_SCALAR_LEN])
{
	struct work w;
	int r = -EBADMSG;

	work_open(&w, k->curve);
	/* Both curves have cofactor 1: a point on the curve is a point of the group. */
	if (peer.n == SDP_POINT_LEN && peer.p[0] == 0x04 &&
	    EC_POINT_oct2point(w.group, w.point, peer.p, peer.n, w.ctx)) {
		BIGNUM *d = number_of(&w, k->scalar);

		must(EC_POINT_mul(w.group, w.point, NULL, w.point, d, w.ctx), "a point");
		must(BN_bn2binpad(x_of(&w), ret, SDP_SCALAR_LEN) == SDP_SCALAR_LEN, "a number");
		r = 0;
	}
	work_close(&w);
	return r;
}

/* --- hashes ----------------------------------------------------------------------------------- */

static void digest(const EVP_MD *md, const struct octets *parts, size_t n, uint8_t *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx && EVP_DigestInit_ex(ctx, md, NULL), "a hash");
	for (size_t i = 0; i < n; i++)
		must(EVP_DigestUpdate(ctx, parts[i].p, parts[i].n), "a hash");
	must(EVP_DigestFinal_ex(ctx, ret, NULL), "a hash");
	EVP_MD_CTX_free(ctx);
}

void sdp_sha256(const struct octets *parts, size_t n, uint8_t ret[SDP_HASH_LEN])
{
	digest(EVP_sha256(), parts, n, ret);
}

void sdp_sha1(struct octets v, uint8_t ret[20])
{
	digest(EVP_sha1(), &v, 1, ret);
}

void sdp_kdf(const uint8_t z[SDP_SCALAR_LEN], struct octets info, uint8_t *ret, size_t n)
{
	uint8_t block[SDP_HASH_LEN];

	for (uint32_t counter = 1; n; counter++) {
		uint8_t be[4] = { (uint8_t)(counter >> 24), (uint8_t)(counter >> 16),
				  (uint8_t)(counter >> 8), (uint8_t)counter };
		struct octets parts[] = { { z, SDP_SCALAR_LEN }, { be, 4 }, info };
		size_t piece = MIN(n, sizeof(block));

		sdp_sha256(parts, ARRAY_SIZE(parts), block);
		memcpy(ret, block, piece);
		ret += piece;
		n -= piece;
	}
	OPENSSL_cleanse(block, sizeof(block));
}

/* --- signatures ------------------------------------------------------------------------------- */

static void hmac(uint8_t k[32], const struct octets *parts, size_t n, uint8_t ret[32])
{
	uint8_t all[32 + 1 + 32 + 32];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(all + len, parts[i].p, parts[i].n);
		len += parts[i].n;
	}
	must(HMAC(EVP_sha256(), k, 32, all, len, ret, NULL) != NULL, "HMAC");
	OPENSSL_cleanse(all, sizeof(all));
}

/* RFC 6979, section 3.2, for orders of 256 bits. */
struct nonce {
	uint8_t k[32], v[32];
};

static void nonce_mix(struct nonce *s, uint8_t step, const uint8_t *x, const uint8_t *h)
{
	struct octets parts[] = { { s->v, 32 }, { &step, 1 }, { x, 32 }, { h, 32 } };

	hmac(s->k, parts, x ? 4 : 2, s->k);
	hmac(s->k, parts, 1, s->v);
}

static void nonce_open(struct nonce *s, struct work *w, const uint8_t x[32], const uint8_t hash[32])
{
	BIGNUM *h = number_of(w, hash);
	uint8_t reduced[32];

	must(BN_nnmod(h, h, w->order, w->ctx), "a number");
	must(BN_bn2binpad(h, reduced, 32) == 32, "a number");
	memset(s->v, 1, 32);
	memset(s->k, 0, 32);
	nonce_mix(s, 0, x, reduced);
	nonce_mix(s, 1, x, reduced);
}

static BIGNUM *nonce_next(struct nonce *s, struct work *w)
{
	struct octets v = { s->v, 32 };

	for (;;) {
		BIGNUM *k;

		hmac(s->k, &v, 1, s->v);
		k = number_of(w, s->v);
		if (in_range(w, k))
			return k;
		nonce_mix(s, 0, NULL, NULL);
	}
}

void sdp_sign(const struct sdp_key *key, const struct octets *parts, size_t n,
	      uint8_t ret[SDP_SIGNATURE_LEN])
{
	uint8_t hash[SDP_HASH_LEN];
	struct nonce nonce;
	struct work w;
	BIGNUM *d, *e, *s;

	sdp_sha256(parts, n, hash);
	work_open(&w, key->curve);
	d = number_of(&w, key->scalar);
	e = number_of(&w, hash);
	s = number(&w);
	nonce_open(&nonce, &w, key->scalar, hash);
	for (;;) {
		BIGNUM *k = nonce_next(&nonce, &w), *r;

		must(EC_POINT_mul(w.group, w.point, k, NULL, NULL, w.ctx), "a point");
		r = x_of(&w);
		/* s = (e + r d) / k */
		must(BN_nnmod(r, r, w.order, w.ctx) && BN_mod_mul(s, r, d, w.order, w.ctx) &&
		     BN_mod_add(s, s, e, w.order, w.ctx) &&
		     BN_mod_inverse(k, k, w.order, w.ctx) != NULL &&
		     BN_mod_mul(s, s, k, w.order, w.ctx), "a signature");
		if (!BN_is_zero(r) && !BN_is_zero(s)) {
			must(BN_bn2binpad(r, ret, 32) == 32 && BN_bn2binpad(s, ret + 32, 32) == 32,
			     "a number");
			break;
		}
		nonce_mix(&nonce, 0, NULL, NULL);
	}
	work_close(&w);
	OPENSSL_cleanse(&nonce, sizeof(nonce));
}

bool sdp_verify(enum sdp_curve c, const uint8_t point[SDP_POINT_LEN], const struct octets *parts,
		size_t n, struct octets signature)
{
	uint8_t hash[SDP_HASH_LEN];
	struct work w;
	BIGNUM *r, *s, *e;
	bool good = false;

	if (signature.n != SDP_SIGNATURE_LEN)
		return false;
	sdp_sha256(parts, n, hash);
	work_open(&w, c);
	r = number_of(&w, signature.p);
	s = number_of(&w, signature.p + 32);
	e = number_of(&w, hash);
	if (in_range(&w, r) && in_range(&w, s) &&
	    EC_POINT_oct2point(w.group, w.point, point, SDP_POINT_LEN, w.ctx)) {
		BIGNUM *u = number(&w);

		must(BN_mod_inverse(s, s, w.order, w.ctx) != NULL &&
		     BN_mod_mul(e, e, s, w.order, w.ctx) && BN_mod_mul(u, r, s, w.order, w.ctx) &&
		     EC_POINT_mul(w.group, w.point, e, w.point, u, w.ctx), "a signature");
		if (!EC_POINT_is_at_infinity(w.group, w.point)) {
			BIGNUM *x = x_of(&w);

			must(BN_nnmod(x, x, w.order, w.ctx), "a number");
			good = BN_cmp(x, r) == 0;
		}
	}
	work_close(&w);
	return good;
}

/* --- AES-128 ---------------------------------------------------------------------------------- */

static void aes(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv, const uint8_t *src,
		size_t n, uint8_t *dst)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;

	must(ctx && EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) &&
	     EVP_EncryptUpdate(ctx, dst, &len, src, (int)n) && len == (int)n, "AES");
	EVP_CIPHER_CTX_free(ctx);
}

void sdp_aes_block(const uint8_t key[SDP_BLOCK_LEN], const uint8_t in[SDP_BLOCK_LEN],
		   uint8_t ret[SDP_BLOCK_LEN])
{
	aes(EVP_aes_128_ecb(), key, NULL, in, SDP_BLOCK_LEN, ret);
}

void sdp_aes_cbc(const uint8_t key[SDP_BLOCK_LEN], const uint8_t iv[SDP_BLOCK_LEN],
		 const uint8_t *src, size_t n, uint8_t *dst)
{
	aes(EVP_aes_128_cbc(), key, iv, src, n, dst);
}

void sdp_cmac(const uint8_t key[SDP_BLOCK_LEN], const struct octets *parts, size_t n,
	      uint8_t ret[SDP_BLOCK_LEN])
{
	static EVP_MAC *cmac;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, (char *)"AES-128-CBC", 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx;
	size_t len;

	if (!cmac)
		cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	must(cmac != NULL, "CMAC");
	ctx = EVP_MAC_CTX_new(cmac);
	must(ctx && EVP_MAC_init(ctx, key, SDP_BLOCK_LEN, params), "CMAC");
	for (size_t i = 0; i < n; i++)
		must(EVP_MAC_update(ctx, parts[i].p, parts[i].n), "CMAC");
	must(EVP_MAC_final(ctx, ret, &len, SDP_BLOCK_LEN) && len == SDP_BLOCK_LEN, "CMAC");
	EVP_MAC_CTX_free(ctx);
}
