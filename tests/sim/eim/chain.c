/* Certificates: loading, issuing, and the chain of an eUICC up to its CI. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/file.h"
#include "core/util.h"
#include "sim/eim/crypto.h"

#define CERT_FILE_MAX 16384

/* --- loading ---------------------------------------------------------------------------------- */

int se_cert_parse(struct octets der, X509 **ret)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.n);

	if (!cert)
		return -EBADMSG;
	if (p != der.p + der.n) {
		X509_free(cert);
		return -EBADMSG;
	}
	*ret = cert;
	return 0;
}

static bool is_pem(const uint8_t *p, size_t n)
{
	return text_has(text_from(p, n), "-----BEGIN");
}

int se_cert_load(const char *path, X509 **ret)
{
	uint8_t data[CERT_FILE_MAX];
	size_t n;
	BIO *bio;
	X509 *cert;
	int r = file_load(path, data, sizeof(data), &n);

	if (r < 0)
		return r;
	if (!is_pem(data, n))
		return se_cert_parse(octets_from(data, n), ret);
	bio = BIO_new_mem_buf(data, (int)n);
	cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!cert)
		return -EBADMSG;
	*ret = cert;
	return 0;
}

int se_cert_der(X509 *cert, uint8_t *dst, size_t cap, size_t *ret_n)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der);
	int r = n < 0 ? -EINVAL : (size_t)n > cap ? -ENOSPC : 0;

	if (r == 0) {
		memcpy(dst, der, (size_t)n);
		*ret_n = (size_t)n;
	}
	OPENSSL_free(der);
	return r;
}

int se_anchor_add(struct se_anchors *a, EVP_PKEY *key)
{
	struct se_anchor *one = &a->list[a->n];
	int r;

	if (a->n == SE_ANCHORS_MAX)
		return -ENOSPC;
	r = se_key_id(key, one->id);
	if (r < 0)
		return r;
	EVP_PKEY_up_ref(key);
	one->key = key;
	a->n++;
	return 0;
}

static EVP_PKEY *public_key_in(const char *path)
{
	uint8_t data[CERT_FILE_MAX];
	const unsigned char *p = data;
	EVP_PKEY *key;
	size_t n;
	BIO *bio;

	if (file_load(path, data, sizeof(data), &n) < 0)
		return NULL;
	if (!is_pem(data, n))
		return d2i_PUBKEY(NULL, &p, (long)n);
	bio = BIO_new_mem_buf(data, (int)n);
	key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return key;
}

int se_anchor_load(struct se_anchors *a, const char *path)
{
	X509 *cert = NULL;
	EVP_PKEY *key;
	int r;

	if (se_cert_load(path, &cert) == 0)
		key = X509_get_pubkey(cert);
	else
		key = public_key_in(path);
	X509_free(cert);
	if (!key)
		return -EBADMSG;
	r = se_anchor_add(a, key);
	EVP_PKEY_free(key);
	return r;
}

void se_anchors_done(struct se_anchors *a)
{
	for (size_t i = 0; i < a->n; i++)
		EVP_PKEY_free(a->list[i].key);
	a->n = 0;
}

/* --- the chain -------------------------------------------------------------------------------- */

/* Has one of these policies, ended by NULL. */
static bool has_policy(X509 *cert, const char *const *wanted)
{
	CERTIFICATEPOLICIES *policies =
		X509_get_ext_d2i(cert, NID_certificate_policies, NULL, NULL);
	bool found = false;
	char oid[64];

	for (int i = 0; policies && i < sk_POLICYINFO_num(policies); i++) {
		OBJ_obj2txt(oid, sizeof(oid), sk_POLICYINFO_value(policies, i)->policyid, 1);
		for (const char *const *w = wanted; *w; w++)
			found |= !strcmp(oid, *w);
	}
	CERTIFICATEPOLICIES_free(policies);
	return found;
}

static bool in_time(X509 *cert)
{
	return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	       X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

static struct text name_part(const X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	const ASN1_STRING *s;

	if (at < 0)
		return text_of("");
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	return text_from(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* GSMA reading: the subject's O equals the constraint's, the EID begins with its serialNumber. */
static bool inside_constraints(X509 *eum, X509 *euicc, const char *eid)
{
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(eum, NID_name_constraints, NULL, NULL);
	bool inside = !nc || !nc->permittedSubtrees;

	for (int i = 0; !inside && i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++) {
		const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base;
		struct text o, iin;

		if (base->type != GEN_DIRNAME)
			continue;
		o = name_part(base->d.directoryName, NID_organizationName);
		iin = name_part(base->d.directoryName, NID_serialNumber);
		inside = text_same(o,
				   name_part(X509_get_subject_name(euicc), NID_organizationName)) &&
			 iin.n <= strlen(eid) && !memcmp(eid, iin.s, iin.n);
	}
	NAME_CONSTRAINTS_free(nc);
	return inside;
}

static const struct se_anchor *issuer_of(const struct se_anchors *a, X509 *cert)
{
	const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(cert);

	for (size_t i = 0; i < a->n; i++) {
		const struct se_anchor *one = &a->list[i];

		if (aki && (ASN1_STRING_length(aki) != SE_KEY_ID_LEN ||
			    memcmp(ASN1_STRING_get0_data(aki), one->id, SE_KEY_ID_LEN) != 0))
			continue;
		if (X509_verify(cert, one->key) == 1)
			return one;
	}
	return NULL;
}

const char *se_chain_check(const struct se_anchors *a, X509 *eum, X509 *euicc, const char *eid)
{
	static const char *const eum_roles[] = { "2.23.146.1.2.1.2", "2.23.146.1.2.1.0.0.0",
						 "2.23.146.1.2.1.0.0.0.0", NULL };
	static const char *const euicc_roles[] = { "2.23.146.1.2.1.1", "2.23.146.1.2.1.0.0.0.0.0",
						   NULL };
	EVP_PKEY *eum_key = X509_get0_pubkey(eum);

	if (!issuer_of(a, eum))
		return "the EUM certificate is not signed by a trusted CI";
	if (!has_policy(eum, eum_roles) || X509_check_ca(eum) != 1)
		return "the EUM certificate is not one of an EUM";
	if (!eum_key || X509_verify(euicc, eum_key) != 1)
		return "the eUICC certificate is not signed by the EUM";
	if (!has_policy(euicc, euicc_roles) || !(X509_get_key_usage(euicc) & KU_DIGITAL_SIGNATURE))
		return "the eUICC certificate is not one of an eUICC";
	if (!in_time(eum) || !in_time(euicc))
		return "a certificate of the eUICC is not valid now";
	if (!text_eq(name_part(X509_get_subject_name(euicc), NID_serialNumber), eid))
		return "the eUICC certificate is for another EID";
	if (!inside_constraints(eum, euicc, eid))
		return "the eUICC certificate is outside the EUM's name constraints";
	return NULL;
}

/* --- issuing ---------------------------------------------------------------------------------- */

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int good;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return good;
}

static bool is_address(const char *name)
{
	return strchr(name, ':') || strspn(name, "0123456789.") == strlen(name);
}

static int add_names(X509 *cert, X509 *issuer, const struct se_issue *i)
{
	char list[512];
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(i->names) && i->names[k]; k++) {
		int did = snprintf(list + n, sizeof(list) - n, "%s%s:%s", n ? "," : "",
				   is_address(i->names[k]) ? "IP" : "DNS", i->names[k]);

		if (did < 0 || (size_t)did >= sizeof(list) - n)
			return 0;
		n += (size_t)did;
	}
	if (!n)
		return 1;
	return add_extension(cert, issuer, NID_subject_alt_name, list) &&
	       add_extension(cert, issuer, NID_ext_key_usage, "critical,serverAuth,clientAuth");
}

int se_issue(const struct se_issue *i, X509 **ret)
{
	X509 *cert = X509_new(), *issuer = i->issuer ? i->issuer : cert;
	EVP_PKEY *key = i->issuer_key ? i->issuer_key : i->key;
	X509_NAME *name = X509_NAME_new();
	BIGNUM *serial = BN_new();
	int good = cert && name && serial;

	good = good &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					  (const unsigned char *)i->common_name, -1, -1, 0) == 1 &&
	       X509_set_version(cert, X509_VERSION_3) == 1 &&
	       X509_set_subject_name(cert, name) == 1 &&
	       X509_set_issuer_name(cert, i->issuer ? X509_get_subject_name(issuer) : name) == 1 &&
	       X509_set_pubkey(cert, i->key) == 1 && BN_rand(serial, 63, 0, 0) == 1 &&
	       BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) &&
	       ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z") == 1 &&
	       ASN1_TIME_set_string(X509_getm_notAfter(cert), "20541231235959Z") == 1 &&
	       add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
	       add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always") &&
	       add_extension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
	       add_names(cert, issuer, i) && X509_sign(cert, key, EVP_sha256()) > 0;
	BN_free(serial);
	X509_NAME_free(name);
	if (!good) {
		X509_free(cert);
		return -EIO;
	}
	*ret = cert;
	return 0;
}
