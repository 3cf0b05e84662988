#include "sim/eim/crypto.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>

#include "core/util.h"

#define ORDER_LEN 32

const char *se_curve(const char *name)
{
	if (!strcmp(name, "nist"))
		return "prime256v1";
	if (!strcmp(name, "brp"))
		return "brainpoolP256r1";
	return NULL;
}

/* --- keys ------------------------------------------------------------------------------------- */

int se_key_new(const char *curve, EVP_PKEY **ret)
{
	const char *name = se_curve(curve);
	EVP_PKEY *key = name ? EVP_EC_gen(name) : NULL;

	if (!key)
		return -EINVAL;
	*ret = key;
	return 0;
}

int se_key_load(const char *path, EVP_PKEY **ret)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	EVP_PKEY *key;

	if (!f)
		return -errno;
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	if (!key)
		return -EBADMSG;
	*ret = key;
	return 0;
}

int se_key_save(const char *path, EVP_PKEY *key)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	if (fchmod(fileno(f), 0600) < 0)
		return -errno;
	return PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(f) == 0
		       ? 0
		       : -EIO;
}

/* The public point of a private scalar, uncompressed. */
static size_t point_of(const EC_GROUP *group, const BIGNUM *d, uint8_t *dst, size_t cap)
{
	EC_POINT *q = EC_POINT_new(group);
	size_t n = 0;

	if (q && EC_POINT_mul(group, q, d, NULL, NULL, NULL) == 1)
		n = EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, dst, cap, NULL);
	EC_POINT_free(q);
	return n;
}

int se_key_from_scalar(const char *curve, struct octets scalar, EVP_PKEY **ret)
{
	const char *name = se_curve(curve);
	EC_GROUP *group = name ? EC_GROUP_new_by_curve_name(OBJ_sn2nid(name)) : NULL;
	BIGNUM *d = BN_bin2bn(scalar.p, (int)scalar.n, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	uint8_t point[80];
	size_t n;
	int r = -EINVAL;

	if (!group || !d || !bld || !ctx)
		goto out;
	n = point_of(group, d, point, sizeof(point));
	if (!n || OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, name, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) != 1)
		goto out;
	params = OSSL_PARAM_BLD_to_param(bld);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1) {
		*ret = key;
		r = 0;
	}
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	EC_GROUP_free(group);
	return r;
}

int se_key_spki(EVP_PKEY *key, uint8_t *dst, size_t cap, size_t *ret_n)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	int r = n < 0 ? -EINVAL : (size_t)n > cap ? -ENOSPC : 0;

	if (r == 0) {
		memcpy(dst, der, (size_t)n);
		*ret_n = (size_t)n;
	}
	OPENSSL_free(der);
	return r;
}

int se_key_id(EVP_PKEY *key, uint8_t ret_id[SE_KEY_ID_LEN])
{
	uint8_t point[160];
	size_t n = 0;

	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
					    &n) != 1)
		return -EINVAL;
	SHA1(point, n, ret_id);
	return 0;
}

/* --- signatures ------------------------------------------------------------------------------- */

static int digest(const struct octets *parts, size_t n, uint8_t ret_hash[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; good && i < n; i++)
		good = EVP_DigestUpdate(md, parts[i].p, parts[i].n) == 1;
	good = good && EVP_DigestFinal_ex(md, ret_hash, NULL) == 1;
	EVP_MD_CTX_free(md);
	return good ? 0 : -EIO;
}

/* The generator of RFC 6979, 3.2: K and V, fed with the key and the hash. */
struct nonce {
	uint8_t k[SHA256_DIGEST_LENGTH], v[SHA256_DIGEST_LENGTH];
};

static void nonce_stir(struct nonce *g, uint8_t step, const uint8_t *seed, size_t n)
{
	uint8_t in[SHA256_DIGEST_LENGTH + 1 + 2 * ORDER_LEN];
	unsigned len = SHA256_DIGEST_LENGTH;

	memcpy(in, g->v, sizeof(g->v));
	in[sizeof(g->v)] = step;
	if (n)
		memcpy(in + sizeof(g->v) + 1, seed, n);
	HMAC(EVP_sha256(), g->k, sizeof(g->k), in, sizeof(g->v) + 1 + n, g->k, &len);
	HMAC(EVP_sha256(), g->k, sizeof(g->k), g->v, sizeof(g->v), g->v, &len);
}

static void nonce_next(struct nonce *g, BIGNUM *k)
{
	unsigned len = SHA256_DIGEST_LENGTH;

	HMAC(EVP_sha256(), g->k, sizeof(g->k), g->v, sizeof(g->v), g->v, &len);
	BN_bin2bn(g->v, sizeof(g->v), k);
}

static int nonce_init(struct nonce *g, const BIGNUM *d, const BIGNUM *z)
{
	uint8_t seed[2 * ORDER_LEN];

	if (BN_bn2binpad(d, seed, ORDER_LEN) < 0 ||
	    BN_bn2binpad(z, seed + ORDER_LEN, ORDER_LEN) < 0)
		return -EINVAL;
	memset(g->v, 0x01, sizeof(g->v));
	memset(g->k, 0x00, sizeof(g->k));
	nonce_stir(g, 0x00, seed, sizeof(seed));
	nonce_stir(g, 0x01, seed, sizeof(seed));
	OPENSSL_cleanse(seed, sizeof(seed));
	return 0;
}

/* One try with this k: r and s, or 0 where one of them would be zero. */
static int sign_once(const EC_GROUP *group, const BIGNUM *d, const BIGNUM *z, const BIGNUM *k,
		     uint8_t ret_signature[SE_SIGNATURE_LEN], BN_CTX *bn)
{
	const BIGNUM *q = EC_GROUP_get0_order(group);
	EC_POINT *p = EC_POINT_new(group);
	BIGNUM *r, *s, *inv;
	int good = 0;

	BN_CTX_start(bn);
	r = BN_CTX_get(bn);
	s = BN_CTX_get(bn);
	inv = BN_CTX_get(bn);
	if (p && inv && EC_POINT_mul(group, p, k, NULL, NULL, bn) == 1 &&
	    EC_POINT_get_affine_coordinates(group, p, r, NULL, bn) == 1 &&
	    BN_nnmod(r, r, q, bn) == 1 && !BN_is_zero(r) && BN_mod_mul(s, r, d, q, bn) == 1 &&
	    BN_mod_add(s, s, z, q, bn) == 1 && BN_mod_inverse(inv, k, q, bn) &&
	    BN_mod_mul(s, s, inv, q, bn) == 1 && !BN_is_zero(s))
		good = BN_bn2binpad(r, ret_signature, ORDER_LEN) > 0 &&
		       BN_bn2binpad(s, ret_signature + ORDER_LEN, ORDER_LEN) > 0;
	BN_CTX_end(bn);
	EC_POINT_free(p);
	return good;
}

int se_sign(EVP_PKEY *key, bool random, const struct octets *parts, size_t n,
	    uint8_t ret_signature[SE_SIGNATURE_LEN])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char name[64];
	EC_GROUP *group = NULL;
	BIGNUM *d = NULL, *z = NULL, *k = BN_new();
	BN_CTX *bn = BN_CTX_new();
	const BIGNUM *q;
	struct nonce g;
	int r = -EINVAL;

	if (!k || !bn || digest(parts, n, hash) < 0 ||
	    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name),
					   NULL) != 1 ||
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) != 1)
		goto out;
	group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(name));
	q = group ? EC_GROUP_get0_order(group) : NULL;
	z = BN_bin2bn(hash, sizeof(hash), NULL);
	if (!q || !z || BN_num_bytes(q) != ORDER_LEN || BN_nnmod(z, z, q, bn) != 1 ||
	    nonce_init(&g, d, z) < 0)
		goto out;
	/* A k that does not fit is met with a probability below 2^-32 per round. */
	for (int round = 0; r < 0 && round < 64; round++) {
		if (random)
			r = BN_rand_range(k, q) == 1 ? -EINVAL : -EIO;
		else
			nonce_next(&g, k);
		if (!BN_is_zero(k) && BN_cmp(k, q) < 0 &&
		    sign_once(group, d, z, k, ret_signature, bn))
			r = 0;
		else if (!random)
			nonce_stir(&g, 0x00, NULL, 0);
	}
out:
	BN_clear_free(k);
	BN_clear_free(d);
	BN_free(z);
	BN_CTX_free(bn);
	EC_GROUP_free(group);
	return r;
}

/* r || s as the SEQUENCE that OpenSSL verifies. */
static int to_der(struct octets plain, unsigned char **ret)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(plain.p, ORDER_LEN, NULL);
	BIGNUM *s = BN_bin2bn(plain.p + ORDER_LEN, ORDER_LEN, NULL);
	int n = -1;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, ret);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n;
}

int se_verify(EVP_PKEY *key, const struct octets *parts, size_t n, struct octets signature)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	unsigned char *der = NULL;
	const unsigned char *sig = signature.p;
	int len = (int)signature.n, good;

	if (signature.n == SE_SIGNATURE_LEN) {
		len = to_der(signature, &der);
		sig = der;
	}
	good = ctx && len > 0 && digest(parts, n, hash) == 0 && EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_verify(ctx, sig, (size_t)len, hash, sizeof(hash)) == 1;
	OPENSSL_free(der);
	EVP_PKEY_CTX_free(ctx);
	return good ? 0 : -EBADMSG;
}
