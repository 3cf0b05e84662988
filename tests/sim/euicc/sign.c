#include "sim/euicc/sign.h"

#include <errno.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

static X509 *certificate_of(struct octets der)
{
	const uint8_t *p = der.p;

	return der.n ? d2i_X509(NULL, &p, (long)der.n) : NULL;
}

int ve_key_id(struct octets certificate, uint8_t ret[VE_KEY_ID_LEN])
{
	X509 *x = certificate_of(certificate);
	unsigned n = 0;
	uint8_t md[EVP_MAX_MD_SIZE];
	int ok = x && X509_pubkey_digest(x, EVP_sha1(), md, &n) && n == VE_KEY_ID_LEN;

	X509_free(x);
	if (!ok)
		return -EBADMSG;
	memcpy(ret, md, VE_KEY_ID_LEN);
	return 0;
}

const struct ve_credential *ve_credential_for(const struct ve_state *s, struct octets ci)
{
	for (size_t i = 0; i < s->n_credentials; i++) {
		const struct ve_credential *c = &s->credentials[i];
		uint8_t id[VE_KEY_ID_LEN];

		if (c->key.n && ci.n && ci.n <= sizeof(id) &&
		    !ve_key_id(blob_octets(&c->ci), id) && !memcmp(id, ci.p, ci.n))
			return c;
	}
	return NULL;
}

const struct ve_credential *ve_credential_first(const struct ve_state *s)
{
	for (size_t i = 0; i < s->n_credentials; i++)
		if (s->credentials[i].key.n)
			return &s->credentials[i];
	return NULL;
}

/* The curve and the public half are those of the certificate. */
static OSSL_PARAM *key_params(EVP_PKEY *public, BIGNUM *secret)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	unsigned char *point = NULL;
	char group[64];
	size_t n = EVP_PKEY_get1_encoded_public_key(public, &point);

	if (b && n && EVP_PKEY_get_group_name(public, group, sizeof(group), NULL) &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, n) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, secret))
		params = OSSL_PARAM_BLD_to_param(b);
	OPENSSL_free(point);
	OSSL_PARAM_BLD_free(b);
	return params;
}

static EVP_PKEY *key_of(const struct ve_credential *c)
{
	X509 *x = certificate_of(blob_octets(&c->euicc));
	BIGNUM *secret = BN_bin2bn(c->key.p, (int)c->key.n, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *public = x ? X509_get0_pubkey(x) : NULL;
	OSSL_PARAM *params = public && secret ? key_params(public, secret) : NULL;
	EVP_PKEY *key = NULL;

	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	BN_clear_free(secret);
	X509_free(x);
	return key;
}

/* r and s with leading zeros, 32 octets each. */
static int side_by_side(const uint8_t *der, size_t n, uint8_t ret[VE_SIGNATURE_LEN])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	int ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32) == 32 &&
		 BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32) == 32;

	ECDSA_SIG_free(sig);
	return ok ? 0 : -EINVAL;
}

int ve_sign(const struct ve_credential *c, struct octets data, uint8_t ret[VE_SIGNATURE_LEN])
{
	EVP_PKEY *key = key_of(c);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t der[80];
	size_t n = sizeof(der);
	int r = -EINVAL;

	if (key && md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(md, der, &n, data.p, data.n) == 1)
		r = side_by_side(der, n, ret);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return r;
}

void ve_sign_put(const struct ve_credential *c, struct octets data, struct tlv_out *w)
{
	uint8_t raw[VE_SIGNATURE_LEN] = { 0 };

	if (c && ve_sign(c, data, raw))
		memset(raw, 0, sizeof(raw));
	tlv_put(w, 0x5f37, raw, sizeof(raw));
}
