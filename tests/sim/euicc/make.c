/* A new card: its identity from certificates, its first profiles, its first state file. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/euicc.h"
#include "sim/euicc/pki.h"

#define CERTIFICATE_MAX 8192
#define EID_DIGITS (2 * VE_EID_LEN)

static int __printf(3, 4) refuse(int r, char why[EUICC_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, EUICC_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

/* DER only; X.509 is looked into later. */
static int load_certificate(const char *dir, const char *name, struct blob *ret,
			    char why[EUICC_WHY_MAX])
{
	char path[4096];
	uint8_t raw[CERTIFICATE_MAX];
	const uint8_t *p = raw;
	X509 *x;
	size_t n;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return refuse(-ENAMETOOLONG, why, "%s: the path is too long", dir);
	r = file_load(path, raw, sizeof(raw), &n);
	if (r)
		return refuse(r, why, "%s: %s", path, strerror(-r));
	x = d2i_X509(NULL, &p, (long)n);
	X509_free(x);
	if (!x)
		return refuse(-EBADMSG, why, "%s: not a certificate", path);
	blob_set(ret, raw, n);
	return 0;
}

static int read_secret(EVP_PKEY *key, struct blob *ret)
{
	BIGNUM *secret = NULL;
	uint8_t raw[32];
	int r = -EBADMSG;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret) &&
	    BN_bn2binpad(secret, raw, sizeof(raw)) == sizeof(raw)) {
		blob_set(ret, raw, sizeof(raw));
		r = 0;
	}
	OPENSSL_cleanse(raw, sizeof(raw));
	BN_clear_free(secret);
	return r;
}

/* Without a key file the credential is for verification only. */
static int load_key(const char *dir, struct blob *ret, char why[EUICC_WHY_MAX])
{
	char path[4096];
	_cleanup_(fclosep) FILE *f = NULL;
	EVP_PKEY *key;
	int r;

	if (snprintf(path, sizeof(path), "%s/euicc.key.pem", dir) >= (int)sizeof(path))
		return refuse(-ENAMETOOLONG, why, "%s: the path is too long", dir);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : refuse(-errno, why, "%s: %s", path, strerror(errno));
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	r = key ? read_secret(key, ret) : -EBADMSG;
	EVP_PKEY_free(key);
	return r ? refuse(r, why, "%s: not a key for P-256", path) : 0;
}

static bool key_fits(const struct ve_credential *c)
{
	struct ve_cert cert;
	uint8_t point[VE_POINT_LEN];

	return !ve_cert_read(blob_octets(&c->euicc), &cert) && cert.curve_known &&
	       !ve_ec_public(cert.curve, c->key.p, point) &&
	       octets_same(cert.point, octets_from(point, sizeof(point)));
}

static int load_credential(const char *dir, struct ve_credential *c, char why[EUICC_WHY_MAX])
{
	int r = load_certificate(dir, "ci.der", &c->ci, why);

	if (!r)
		r = load_certificate(dir, "eum.der", &c->eum, why);
	if (!r)
		r = load_certificate(dir, "euicc.der", &c->euicc, why);
	if (!r)
		r = load_key(dir, &c->key, why);
	if (!r && c->key.n && !key_fits(c))
		r = refuse(-EBADMSG, why, "%s/euicc.key.pem: not the key of euicc.der", dir);
	return r;
}

/* SGP.22 4.5.2.1.0.3: the serialNumber of the subject. */
static int eid_of(const struct blob *certificate, char ret[EID_DIGITS + 1])
{
	const uint8_t *p = certificate->p;
	X509 *x = d2i_X509(NULL, &p, (long)certificate->n);
	int n = x ? X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_serialNumber, ret,
					      EID_DIGITS + 1)
		  : -1;

	X509_free(x);
	return n == EID_DIGITS ? 0 : -EBADMSG;
}

static int load_credentials(const struct euicc_recipe *r, struct ve_credential *dst, size_t *ret_n,
			    char eid[EID_DIGITS + 1], char why[EUICC_WHY_MAX])
{
	size_t n = 0;

	for (; n < VE_CREDENTIALS_MAX && r->pki[n]; n++) {
		int err = load_credential(r->pki[n], &dst[n], why);
		char other[EID_DIGITS + 1];

		if (err)
			return err;
		if (eid_of(&dst[n].euicc, other))
			return refuse(-EBADMSG, why, "%s: the certificate has no EID", r->pki[n]);
		if (eid[0] && strcmp(eid, other))
			return refuse(-EINVAL, why, "%s: is for EID %s, not %s", r->pki[n], other,
				      eid);
		memcpy(eid, other, sizeof(other));
	}
	*ret_n = n;
	return 0;
}

static int fill(struct ve_state *s, const struct euicc_recipe *r, char why[EUICC_WHY_MAX])
{
	for (size_t i = 0; i < r->n_profiles; i++) {
		int err = euicc_profile_put(s, &r->profiles[i], why);

		if (err)
			return err;
	}
	return 0;
}

static int make(const struct euicc_recipe *r, const struct ve_personality *who,
		struct ve_state *s, char why[EUICC_WHY_MAX])
{
	struct ve_credential credentials[VE_CREDENTIALS_MAX] = { 0 };
	enum ve_version version = r->version < _VE_VERSION_MAX ? r->version : who->version;
	char eid[EID_DIGITS + 1] = "";
	size_t n = 0;
	int err;

	if (r->eid.n && text_copy(r->eid, eid, sizeof(eid)))
		return refuse(-EINVAL, why, "an EID has %d digits", EID_DIGITS);
	err = load_credentials(r, credentials, &n, eid, why);
	if (!err && !eid[0])
		err = refuse(-EINVAL, why, "neither an EID nor a certificate is given");
	if (!err && ve_state_init(s, r->dir, text_of(eid), version))
		err = refuse(-EINVAL, why, "\"%s\" is not an EID", eid);
	if (err) {
		for (size_t i = 0; i < VE_CREDENTIALS_MAX; i++) {
			blob_clear(&credentials[i].ci);
			blob_clear(&credentials[i].eum);
			blob_clear(&credentials[i].euicc);
			blob_clear(&credentials[i].key);
		}
		return err;
	}
	memcpy(s->credentials, credentials, sizeof(credentials));
	s->n_credentials = n;
	blob_set(&s->personality, who->name, strlen(who->name));
	return fill(s, r, why);
}

int euicc_make(const struct euicc_recipe *r, char why[EUICC_WHY_MAX])
{
	const struct ve_personality *who =
		r->personality ? ve_personality_find(text_of(r->personality))
			       : ve_personality_at(0);
	_cleanup_(freep) struct ve_state *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return refuse(-ENOMEM, why, "no memory");
	if (!who)
		return refuse(-EINVAL, why, "no personality \"%s\"", r->personality);
	if (mkdir(r->dir, 0700) && errno != EEXIST)
		return refuse(-errno, why, "%s: %s", r->dir, strerror(errno));
	err = ve_state_load(s, r->dir);
	ve_state_free(s);
	if (err != -ENOENT)
		return refuse(-EEXIST, why, "%s: there is a card in it", r->dir);
	err = make(r, who, s, why);
	if (!err) {
		err = ve_state_save(s);
		if (err)
			refuse(err, why, "%s: %s", r->dir, strerror(-err));
	}
	ve_state_free(s);
	return err;
}
