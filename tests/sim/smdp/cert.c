#include "sim/smdp/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"

/* --- reading ---------------------------------------------------------------------------------- */

static int keep_key(struct sdp_cert *c)
{
	EVP_PKEY *key = X509_get0_pubkey(c->x509);
	char name[64];
	size_t n = 0;

	if (!key ||
	    !EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name), NULL) ||
	    sdp_curve_from_nid(OBJ_txt2nid(name), &c->curve) < 0)
		return -EBADMSG;
	if (!EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, c->point,
					     sizeof(c->point), &n) || n != sizeof(c->point))
		return -EBADMSG;
	sdp_sha1(octets_from(c->point, sizeof(c->point)), c->key_id);
	return 0;
}

static void keep_issuer(struct sdp_cert *c)
{
	const ASN1_OCTET_STRING *id = X509_get0_authority_key_id(c->x509);

	if (id && ASN1_STRING_length(id) == SDP_KEY_ID_LEN)
		memcpy(c->issuer_id, ASN1_STRING_get0_data(id), SDP_KEY_ID_LEN);
}

static void keep_role(struct sdp_cert *c)
{
	CERTIFICATEPOLICIES *list = X509_get_ext_d2i(c->x509, NID_certificate_policies, NULL, NULL);

	c->role = SDP_ROLE_NONE;
	for (int i = 0; i < sk_POLICYINFO_num(list); i++) {
		static const uint8_t arc[] = { 0x67, 0x81, 0x12, 0x01, 0x02, 0x01 };
		const ASN1_OBJECT *oid = sk_POLICYINFO_value(list, i)->policyid;
		const uint8_t *p = OBJ_get0_data(oid);

		if (OBJ_length(oid) == sizeof(arc) + 1 && memcmp(p, arc, sizeof(arc)) == 0 &&
		    p[sizeof(arc)] < _SDP_ROLE_MAX)
			c->role = (enum sdp_role)p[sizeof(arc)];
	}
	CERTIFICATEPOLICIES_free(list);
}

static void keep_oid(struct sdp_cert *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_RID && OBJ_length(g->d.registeredID) <= sizeof(c->oid)) {
			c->oid_n = OBJ_length(g->d.registeredID);
			memcpy(c->oid, OBJ_get0_data(g->d.registeredID), c->oid_n);
			break;
		}
	}
	GENERAL_NAMES_free(names);
}

static int look(struct sdp_cert *c, struct sdp_cert *ret)
{
	if (keep_key(c) < 0) {
		sdp_cert_done(c);
		return -EBADMSG;
	}
	keep_issuer(c);
	keep_role(c);
	keep_oid(c);
	*ret = *c;
	return 0;
}

int sdp_cert_parse(struct octets der, struct sdp_cert *ret)
{
	struct sdp_cert c = { 0 };
	const uint8_t *p = der.p;

	if (der.n > 65536)
		return -EBADMSG;
	c.x509 = d2i_X509(NULL, &p, (long)der.n);
	if (!c.x509)
		return -EBADMSG;
	if (p != der.p + der.n) {
		X509_free(c.x509);
		return -EBADMSG;
	}
	sdp_blob_set(&c.der, der);
	return look(&c, ret);
}

int sdp_cert_load(const char *path, struct sdp_cert *ret)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	struct sdp_cert c = { 0 };
	uint8_t *der = NULL;
	int n;

	if (!f)
		return -errno;
	c.x509 = PEM_read_X509(f, NULL, NULL, NULL);
	if (!c.x509) {
		rewind(f);
		c.x509 = d2i_X509_fp(f, NULL);
	}
	if (!c.x509)
		return -EBADMSG;
	n = i2d_X509(c.x509, &der);
	if (n < 0) {
		X509_free(c.x509);
		return -EBADMSG;
	}
	sdp_blob_set(&c.der, octets_from(der, (size_t)n));
	OPENSSL_free(der);
	return look(&c, ret);
}

void sdp_cert_done(struct sdp_cert *c)
{
	X509_free(c->x509);
	sdp_blob_done(&c->der);
	memset(c, 0, sizeof(*c));
}

static struct text name_part(X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	const ASN1_STRING *s;

	if (at < 0)
		return text_of(NULL);
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	return text_from(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

int sdp_cert_eid(const struct sdp_cert *c, char ret_digits[SDP_EID_DIGITS + 1],
		 uint8_t ret[SDP_EID_LEN])
{
	struct text t = name_part(X509_get_subject_name(c->x509), NID_serialNumber);
	size_t n;

	if (t.n != SDP_EID_DIGITS || !text_all_digits(t))
		return -EBADMSG;
	text_copy(t, ret_digits, SDP_EID_DIGITS + 1);
	return hex_decode(t, ret, SDP_EID_LEN, &n) < 0 ? -EBADMSG : 0;
}

/* --- the chain -------------------------------------------------------------------------------- */

static bool in_time(const struct sdp_cert *c, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(c->x509), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(c->x509), &now) > 0;
}

static bool signed_by(const struct sdp_cert *c, const struct sdp_cert *issuer)
{
	return memcmp(c->issuer_id, issuer->key_id, SDP_KEY_ID_LEN) == 0 &&
	       X509_verify(c->x509, X509_get0_pubkey(issuer->x509)) == 1;
}

/*
 * GSMA's reading of the EUM's one permitted directoryName: the eUICC has the same organisation,
 * and its EID begins with the serialNumber given there.
 */
static bool inside_constraint(const struct sdp_cert *eum, const struct sdp_cert *euicc)
{
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(eum->x509, NID_name_constraints, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(euicc->x509);
	struct text org = name_part(subject, NID_organizationName);
	struct text eid = name_part(subject, NID_serialNumber);
	bool inside = false;

	for (int i = 0; nc && i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++) {
		const GENERAL_NAME *g = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base;
		struct text o, iin;

		if (g->type != GEN_DIRNAME)
			continue;
		o = name_part(g->d.directoryName, NID_organizationName);
		iin = name_part(g->d.directoryName, NID_serialNumber);
		if (o.n && iin.n && text_same(o, org) && eid.n >= iin.n &&
		    memcmp(eid.s, iin.s, iin.n) == 0)
			inside = true;
	}
	NAME_CONSTRAINTS_free(nc);
	return inside;
}

enum sdp_code sdp_chain_check(const struct sdp_cert *ci, const struct sdp_cert *eum,
			      const struct sdp_cert *euicc, time_t now)
{
	char digits[SDP_EID_DIGITS + 1];
	uint8_t eid[SDP_EID_LEN];

	if (!ci || memcmp(eum->issuer_id, ci->key_id, SDP_KEY_ID_LEN) != 0)
		return SDP_CI_UNKNOWN;
	if (!signed_by(eum, ci) || eum->role != SDP_ROLE_EUM ||
	    !(X509_get_extension_flags(eum->x509) & EXFLAG_CA) || X509_get_pathlen(eum->x509) != 0 ||
	    !(X509_get_key_usage(eum->x509) & KU_KEY_CERT_SIGN))
		return SDP_EUM_INVALID;
	if (!in_time(eum, now))
		return SDP_EUM_EXPIRED;
	if (!signed_by(euicc, eum) || euicc->role != SDP_ROLE_EUICC ||
	    euicc->curve != ci->curve ||
	    !(X509_get_key_usage(euicc->x509) & KU_DIGITAL_SIGNATURE) ||
	    sdp_cert_eid(euicc, digits, eid) < 0 || !inside_constraint(eum, euicc))
		return SDP_EUICC_INVALID;
	if (!in_time(euicc, now))
		return SDP_EUICC_EXPIRED;
	return SDP_DONE;
}

/* --- issuing ---------------------------------------------------------------------------------- */

EVP_PKEY *sdp_key_openssl(const struct sdp_key *k)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *d = BN_bin2bn(k->scalar, sizeof(k->scalar), NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *ret = NULL;

	if (b && d && ctx &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
					    OBJ_nid2sn(sdp_curve_nid(k->curve)), 0) &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, k->point, sizeof(k->point)) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d))
		params = OSSL_PARAM_BLD_to_param(b);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_KEYPAIR, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	BN_clear_free(d);
	OSSL_PARAM_BLD_free(b);
	return ret;
}

static bool add_ext(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool good = e && X509_add_ext(x, e, -1);

	X509_EXTENSION_free(e);
	return good;
}

static bool add_policy(X509 *x, enum sdp_role role, bool critical)
{
	CERTIFICATEPOLICIES *list = CERTIFICATEPOLICIES_new();
	POLICYINFO *policy = POLICYINFO_new();
	char oid[32];
	bool good = list && policy;

	snprintf(oid, sizeof(oid), "2.23.146.1.2.1.%d", (int)role);
	if (good) {
		policy->policyid = OBJ_txt2obj(oid, 1);
		good = policy->policyid && sk_POLICYINFO_push(list, policy) > 0 &&
		       X509_add1_ext_i2d(x, NID_certificate_policies, list, critical, 0) == 1;
	}
	CERTIFICATEPOLICIES_free(list);
	return good;
}

static bool add_names(X509 *x, const struct sdp_issue *i)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names != NULL;

	for (const char *const *h = i->hosts; good && h && *h; h++) {
		GENERAL_NAME *g = a2i_GENERAL_NAME(NULL, NULL, NULL,
						   strspn(*h, "0123456789.") == strlen(*h) ||
						   strchr(*h, ':') ? GEN_IPADD : GEN_DNS,
						   (char *)*h, 0);

		good = g && sk_GENERAL_NAME_push(names, g) > 0;
	}
	if (good && i->oid.n) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		uint8_t der[2 + SDP_OID_MAX] = { 0x06, (uint8_t)i->oid.n };
		const uint8_t *p = der;

		memcpy(der + 2, i->oid.p, i->oid.n);
		g->type = GEN_RID;
		g->d.registeredID = d2i_ASN1_OBJECT(NULL, &p, (long)(i->oid.n + 2));
		good = g->d.registeredID && sk_GENERAL_NAME_push(names, g) > 0;
	}
	good = good && X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) == 1;
	GENERAL_NAMES_free(names);
	return good;
}

static bool fill(X509 *x, const struct sdp_issue *i, EVP_PKEY *key)
{
	bool tls = i->role == SDP_ROLE_DP_TLS || i->role == SDP_ROLE_DS_TLS;
	X509_NAME *name = X509_get_subject_name(x);
	uint8_t serial[8];
	X509V3_CTX ctx;
	BIGNUM *bn;

	sdp_random(serial, sizeof(serial));
	serial[0] &= 0x7f;
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	if (!bn || !BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)))
		return false;
	BN_free(bn);
	X509V3_set_ctx(&ctx, i->ci->x509, x, NULL, NULL, 0);
	return X509_set_version(x, X509_VERSION_3) &&
	       X509_set_issuer_name(x, X509_get_subject_name(i->ci->x509)) &&
	       X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"RSP TEST", -1,
					  -1, 0) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)i->name, -1,
					  -1, 0) &&
	       /* A gateway or a build machine may have a wrong clock: valid from long ago. */
	       ASN1_TIME_set_string(X509_getm_notBefore(x), "20200101000000Z") &&
	       ASN1_TIME_set_string(X509_getm_notAfter(x), "20541231235959Z") &&
	       X509_set_pubkey(x, key) &&
	       add_ext(x, &ctx, NID_authority_key_identifier, "keyid") &&
	       add_ext(x, &ctx, NID_subject_key_identifier, "hash") &&
	       add_ext(x, &ctx, NID_key_usage, "critical,digitalSignature") &&
	       (!tls || add_ext(x, &ctx, NID_ext_key_usage, "critical,serverAuth,clientAuth")) &&
	       add_policy(x, i->role, !tls) && add_names(x, i);
}

int sdp_cert_issue(const struct sdp_issue *i, struct sdp_blob *ret_der)
{
	EVP_PKEY *key = sdp_key_openssl(i->key), *ci_key = sdp_key_openssl(i->ci_key);
	X509 *x = X509_new();
	uint8_t *der = NULL;
	int n = -1;

	if (key && ci_key && x && fill(x, i, key) && X509_sign(x, ci_key, EVP_sha256()) > 0)
		n = i2d_X509(x, &der);
	if (n > 0)
		sdp_blob_set(ret_der, octets_from(der, (size_t)n));
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ci_key);
	return n > 0 ? 0 : -EINVAL;
}
