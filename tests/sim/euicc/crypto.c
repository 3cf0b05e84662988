#include "sim/euicc/crypto.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/sha.h>

/* Running out of memory ends the simulator, as in blob.c. */
static void must(int ok)
{
	if (!ok)
		abort();
}

void ve_sha256(struct octets data, uint8_t ret[VE_HASH_LEN])
{
	SHA256(data.p ? data.p : (const uint8_t *)"", data.n, ret);
}

void ve_point_id(struct octets point, uint8_t ret[VE_KEY_ID_LEN])
{
	SHA1(point.p ? point.p : (const uint8_t *)"", point.n, ret);
}

/* --- elliptic curves -------------------------------------------------------------------------- */

/* What every operation needs; made once for each curve, never freed. */
struct curve {
	EC_GROUP *group;
	const BIGNUM *order;
};

static const struct curve *curve_of(enum ve_curve c)
{
	static const int nids[_VE_CURVE_MAX] = {
		[VE_CURVE_P256] = NID_X9_62_prime256v1,
		[VE_CURVE_BP256] = NID_brainpoolP256r1,
	};
	static struct curve curves[_VE_CURVE_MAX];
	struct curve *r = &curves[c];

	if (!r->group) {
		r->group = EC_GROUP_new_by_curve_name(nids[c]);
		must(r->group != NULL);
		r->order = EC_GROUP_get0_order(r->group);
	}
	return r;
}

static BIGNUM *number(const uint8_t *p, size_t n)
{
	BIGNUM *b = BN_bin2bn(p, (int)n, NULL);

	must(b != NULL);
	return b;
}

static bool in_range(const struct curve *c, const BIGNUM *b)
{
	return !BN_is_zero(b) && BN_cmp(b, c->order) < 0;
}

/* secret G, or NULL: no secret. */
static EC_POINT *public_of(const struct curve *c, const uint8_t secret[VE_SECRET_LEN], BN_CTX *ctx)
{
	BIGNUM *d = number(secret, VE_SECRET_LEN);
	EC_POINT *q = NULL;

	BN_set_flags(d, BN_FLG_CONSTTIME);
	if (in_range(c, d)) {
		q = EC_POINT_new(c->group);
		must(q && EC_POINT_mul(c->group, q, d, NULL, NULL, ctx));
	}
	BN_clear_free(d);
	return q;
}

int ve_ec_public(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN],
		 uint8_t ret[VE_POINT_LEN])
{
	const struct curve *c = curve_of(curve);
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *q = public_of(c, secret, ctx);

	if (q)
		must(EC_POINT_point2oct(c->group, q, POINT_CONVERSION_UNCOMPRESSED, ret,
					VE_POINT_LEN, ctx) == VE_POINT_LEN);
	BN_CTX_free(ctx);
	if (!q)
		return -EINVAL;
	EC_POINT_free(q);
	return 0;
}

/* NULL: not an uncompressed point of this curve. */
static EC_POINT *point_of(const struct curve *c, struct octets o, BN_CTX *ctx)
{
	EC_POINT *q;

	if (o.n != VE_POINT_LEN || o.p[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	q = EC_POINT_new(c->group);
	must(q != NULL);
	if (EC_POINT_oct2point(c->group, q, o.p, o.n, ctx) == 1)
		return q;
	EC_POINT_free(q);
	return NULL;
}

int ve_ec_agree(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN], struct octets point,
		uint8_t ret[VE_SECRET_LEN])
{
	const struct curve *c = curve_of(curve);
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *d = number(secret, VE_SECRET_LEN), *x = BN_new();
	EC_POINT *q = point_of(c, point, ctx);
	int r = -EINVAL;

	BN_set_flags(d, BN_FLG_CONSTTIME);
	if (q && in_range(c, d)) {
		must(EC_POINT_mul(c->group, q, NULL, q, d, ctx) &&
		     EC_POINT_get_affine_coordinates(c->group, q, x, NULL, ctx) &&
		     BN_bn2binpad(x, ret, VE_SECRET_LEN) == VE_SECRET_LEN);
		r = 0;
	}
	EC_POINT_free(q);
	BN_clear_free(x);
	BN_clear_free(d);
	BN_CTX_free(ctx);
	return r;
}

/* --- ECDSA ------------------------------------------------------------------------------------ */

/* HMAC-DRBG of RFC 6979 3.2 for a hash and an order of the same length: 256 bits. */
struct nonce {
	uint8_t k[VE_HASH_LEN], v[VE_HASH_LEN];
};

static void hmac(const uint8_t key[VE_HASH_LEN], const void *p, size_t n, uint8_t ret[VE_HASH_LEN])
{
	must(HMAC(EVP_sha256(), key, VE_HASH_LEN, p, n, ret, NULL) != NULL);
}

/* K = HMAC(K, V || sep || extra), V = HMAC(K, V) */
static void nonce_stir(struct nonce *s, uint8_t sep, const uint8_t *extra, size_t n)
{
	uint8_t in[VE_HASH_LEN + 1 + VE_SECRET_LEN + VE_HASH_LEN];

	memcpy(in, s->v, VE_HASH_LEN);
	in[VE_HASH_LEN] = sep;
	if (n)
		memcpy(in + VE_HASH_LEN + 1, extra, n);
	hmac(s->k, in, VE_HASH_LEN + 1 + n, s->k);
	hmac(s->k, s->v, VE_HASH_LEN, s->v);
	explicit_bzero(in, sizeof(in));
}

static void nonce_init(struct nonce *s, const struct curve *c, const uint8_t secret[VE_SECRET_LEN],
		       const uint8_t hash[VE_HASH_LEN], BN_CTX *ctx)
{
	uint8_t seed[VE_SECRET_LEN + VE_HASH_LEN];
	BIGNUM *h = number(hash, VE_HASH_LEN);

	must(BN_nnmod(h, h, c->order, ctx) &&
	     BN_bn2binpad(h, seed + VE_SECRET_LEN, VE_HASH_LEN) == VE_HASH_LEN);
	memcpy(seed, secret, VE_SECRET_LEN);
	memset(s->v, 1, sizeof(s->v));
	memset(s->k, 0, sizeof(s->k));
	nonce_stir(s, 0, seed, sizeof(seed));
	nonce_stir(s, 1, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	BN_free(h);
}

/* The next candidate for k. */
static void nonce_next(struct nonce *s, BIGNUM *ret)
{
	hmac(s->k, s->v, VE_HASH_LEN, s->v);
	must(BN_bin2bn(s->v, VE_HASH_LEN, ret) != NULL);
}

/* r = (k G).x mod n */
static void commit(const struct curve *c, const BIGNUM *k, BIGNUM *ret_r, BN_CTX *ctx)
{
	EC_POINT *q = EC_POINT_new(c->group);

	must(q && EC_POINT_mul(c->group, q, k, NULL, NULL, ctx) &&
	     EC_POINT_get_affine_coordinates(c->group, q, ret_r, NULL, ctx) &&
	     BN_nnmod(ret_r, ret_r, c->order, ctx));
	EC_POINT_free(q);
}

/* s = (h + r d) / k */
static void answer(const struct curve *c, const BIGNUM *k, const BIGNUM *h, const BIGNUM *r,
		   const BIGNUM *d, BIGNUM *ret_s, BN_CTX *ctx)
{
	BIGNUM *inverse = BN_mod_inverse(NULL, k, c->order, ctx);

	must(inverse && BN_mod_mul(ret_s, r, d, c->order, ctx) &&
	     BN_mod_add(ret_s, ret_s, h, c->order, ctx) &&
	     BN_mod_mul(ret_s, ret_s, inverse, c->order, ctx));
	BN_clear_free(inverse);
}

int ve_ec_sign(enum ve_curve curve, const uint8_t secret[VE_SECRET_LEN], struct octets data,
	       uint8_t ret[VE_SIGNATURE_LEN])
{
	const struct curve *c = curve_of(curve);
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *d = number(secret, VE_SECRET_LEN);
	BIGNUM *k = BN_new(), *r = BN_new(), *s = BN_new(), *h;
	struct nonce nonce;
	uint8_t hash[VE_HASH_LEN];
	int result = -EINVAL;

	ve_sha256(data, hash);
	h = number(hash, sizeof(hash));
	if (in_range(c, d)) {
		nonce_init(&nonce, c, secret, hash, ctx);
		BN_zero(s);
		nonce_next(&nonce, k);
		for (;;) {
			if (in_range(c, k)) {
				commit(c, k, r, ctx);
				answer(c, k, h, r, d, s, ctx);
			}
			if (!BN_is_zero(s) && !BN_is_zero(r))
				break;
			nonce_stir(&nonce, 0, NULL, 0);
			nonce_next(&nonce, k);
		}
		must(BN_bn2binpad(r, ret, 32) == 32 && BN_bn2binpad(s, ret + 32, 32) == 32);
		explicit_bzero(&nonce, sizeof(nonce));
		result = 0;
	}
	BN_free(h);
	BN_free(s);
	BN_free(r);
	BN_clear_free(k);
	BN_clear_free(d);
	BN_CTX_free(ctx);
	return result;
}

/* (h/s G + r/s Q).x mod n = r */
static bool equation_holds(const struct curve *c, const EC_POINT *q, const BIGNUM *h,
			   const BIGNUM *r, const BIGNUM *s, BN_CTX *ctx)
{
	BIGNUM *w = BN_mod_inverse(NULL, s, c->order, ctx);
	BIGNUM *u = BN_new(), *v = BN_new();
	EC_POINT *sum = EC_POINT_new(c->group);
	bool ok = false;

	must(w && u && v && sum && BN_mod_mul(u, h, w, c->order, ctx) &&
	     BN_mod_mul(v, r, w, c->order, ctx) && EC_POINT_mul(c->group, sum, u, q, v, ctx));
	if (!EC_POINT_is_at_infinity(c->group, sum)) {
		must(EC_POINT_get_affine_coordinates(c->group, sum, u, NULL, ctx) &&
		     BN_nnmod(u, u, c->order, ctx));
		ok = BN_cmp(u, r) == 0;
	}
	EC_POINT_free(sum);
	BN_free(v);
	BN_free(u);
	BN_free(w);
	return ok;
}

bool ve_ec_verify(enum ve_curve curve, struct octets point, struct octets data,
		  struct octets signature)
{
	const struct curve *c = curve_of(curve);
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *q = point_of(c, point, ctx);
	uint8_t hash[VE_HASH_LEN];
	BIGNUM *r, *s, *h;
	bool ok = false;

	if (q && signature.n == VE_SIGNATURE_LEN) {
		ve_sha256(data, hash);
		h = number(hash, sizeof(hash));
		r = number(signature.p, 32);
		s = number(signature.p + 32, 32);
		ok = in_range(c, r) && in_range(c, s) && equation_holds(c, q, h, r, s, ctx);
		BN_free(s);
		BN_free(r);
		BN_free(h);
	}
	EC_POINT_free(q);
	BN_CTX_free(ctx);
	return ok;
}

/* --- keys and ciphers ------------------------------------------------------------------------- */

void ve_x963(struct octets z, struct octets info, uint8_t *ret, size_t n)
{
	uint8_t hash[VE_HASH_LEN];

	assert(n <= VE_KDF_MAX);
	for (uint8_t i = 1; n; i++) {
		const uint8_t count[4] = { 0, 0, 0, i };
		EVP_MD_CTX *md = EVP_MD_CTX_new();
		size_t part = n < sizeof(hash) ? n : sizeof(hash);

		must(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
		     EVP_DigestUpdate(md, z.p, z.n) &&
		     EVP_DigestUpdate(md, count, sizeof(count)) &&
		     EVP_DigestUpdate(md, info.p, info.n) && EVP_DigestFinal_ex(md, hash, NULL));
		EVP_MD_CTX_free(md);
		memcpy(ret, hash, part);
		ret += part;
		n -= part;
	}
	explicit_bzero(hash, sizeof(hash));
}

static void cipher(const EVP_CIPHER *type, int encrypt, const uint8_t *key, const uint8_t *iv,
		   const uint8_t *in, uint8_t *out, size_t n)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;

	must(ctx && EVP_CipherInit_ex(ctx, type, NULL, key, iv, encrypt) &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) && EVP_CipherUpdate(ctx, out, &len, in, (int)n) &&
	     (size_t)len == n);
	EVP_CIPHER_CTX_free(ctx);
}

void ve_aes_block(const uint8_t key[VE_AES_LEN], const uint8_t in[VE_AES_LEN],
		  uint8_t ret[VE_AES_LEN])
{
	cipher(EVP_aes_128_ecb(), 1, key, NULL, in, ret, VE_AES_LEN);
}

void ve_aes_cbc_decrypt(const uint8_t key[VE_AES_LEN], const uint8_t icv[VE_AES_LEN], uint8_t *data,
			size_t n)
{
	assert(n % VE_AES_LEN == 0);
	if (n)
		cipher(EVP_aes_128_cbc(), 0, key, icv, data, data, n);
}

void ve_aes_cmac(const uint8_t key[VE_AES_LEN], const struct octets *parts, size_t n_parts,
		 uint8_t ret[VE_AES_LEN])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	char name[] = "AES-128-CBC";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, name, 0),
		OSSL_PARAM_construct_end(),
	};
	size_t n = 0;

	must(ctx && EVP_MAC_init(ctx, key, VE_AES_LEN, params));
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].n)
			must(EVP_MAC_update(ctx, parts[i].p, parts[i].n));
	must(EVP_MAC_final(ctx, ret, &n, VE_AES_LEN) && n == VE_AES_LEN);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}
