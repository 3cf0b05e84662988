#include "support/pki.h"

#include "support/test.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static void extend(X509 *crt, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, crt, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(crt, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* The library wants a configuration file for this one: the octets say 2.23.146.1.2.1.0, id-rspRole-ci. */
static void add_policies(X509 *crt)
{
	static const uint8_t der[] = { 0x30, 0x0b, 0x30, 0x09, 0x06, 0x07,
				       0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0x00 };
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	ASN1_OCTET_STRING_set(value, der, sizeof(der));
	ext = X509_EXTENSION_create_by_NID(NULL, NID_certificate_policies, 1, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(crt, ext, -1), 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
}

struct pki pki_make(const struct pki_spec *spec)
{
	static long serial = 1;
	struct pki p = { .crt = X509_new() };
	const struct pki *by = spec->issuer ? spec->issuer : &p;
	long from = spec->from_s || spec->to_s ? spec->from_s : -3600;
	long to = spec->from_s || spec->to_s ? spec->to_s : 3600;
	X509_NAME *name = X509_get_subject_name(p.crt);

	if (spec->key) {
		p.key = EVP_PKEY_dup((EVP_PKEY *)spec->key);
	} else {
		p.key = spec->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	}
	assert_non_null(p.key);
	X509_set_version(p.crt, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.crt), serial++);
	X509_gmtime_adj(X509_getm_notBefore(p.crt), from);
	X509_gmtime_adj(X509_getm_notAfter(p.crt), to);
	X509_set_pubkey(p.crt, p.key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn, -1, -1, 0);
	X509_set_issuer_name(p.crt, X509_get_subject_name(by->crt));
	if (spec->ca)
		extend(p.crt, by->crt, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->san)
		extend(p.crt, by->crt, NID_subject_alt_name, spec->san);
	if (spec->policies)
		add_policies(p.crt);
	if (spec->client_only)
		extend(p.crt, by->crt, NID_ext_key_usage, "clientAuth");
	assert_true(X509_sign(p.crt, by->key, EVP_sha256()) > 0);
	return p;
}

struct pki pki_load(const char *dir, const char *name)
{
	struct pki p = { 0 };
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.der", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	p.crt = d2i_X509_fp(f, NULL);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%s.key.pem", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	p.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	assert_true(p.crt && p.key);
	return p;
}

void pki_free(struct pki *p)
{
	X509_free(p->crt);
	EVP_PKEY_free(p->key);
	*p = (struct pki){ 0 };
}

static uint8_t *copy_of(unsigned char *der, int n, size_t *ret_n)
{
	uint8_t *copy = malloc(n > 0 ? (size_t)n : 1);

	assert_true(n > 0 && copy);
	memcpy(copy, der, (size_t)n);
	OPENSSL_free(der);
	*ret_n = (size_t)n;
	return copy;
}

uint8_t *pki_der(const struct pki *p, size_t *ret_n)
{
	unsigned char *der = NULL;
	int n = i2d_X509(p->crt, &der);

	return copy_of(der, n, ret_n);
}

uint8_t *pki_spki(const struct pki *p, size_t *ret_n)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(p->key, &der);

	return copy_of(der, n, ret_n);
}

size_t pki_pin(const struct pki *p, bool certificate, bool whole, uint8_t *buf, size_t cap)
{
	struct tlv_out w = { .buf = buf, .cap = cap };
	size_t n, head, value, len = 0;
	uint8_t *der = certificate ? pki_der(p, &n) : pki_spki(p, &n);
	uint32_t tag;

	assert_int_equal(tlv_head(der, n, &tag, &head, &value), 0);
	if (whole)
		tlv_put(&w, certificate ? 0xa1 : 0xa0, der, n);
	else
		tlv_put(&w, certificate ? 0xa1 : 0xa0, der + head, value);
	assert_int_equal(tlv_done(&w, &len), 0);
	free(der);
	return len;
}
