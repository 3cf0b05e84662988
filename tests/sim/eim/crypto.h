/*
 * The cryptography of an eIM: ECDSA with SHA-256 on NIST P-256 and brainpoolP256r1, signatures in
 * the plain form r || s, and the chain of an eUICC's certificates up to a CI. Names start with
 * se_ (simulated eIM) throughout this folder, so that tests can link it beside the daemon.
 */
#ifndef SIM_EIM_CRYPTO_H
#define SIM_EIM_CRYPTO_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

#define SE_SIGNATURE_LEN 64
#define SE_KEY_ID_LEN 20
#define SE_ANCHORS_MAX 16

/* A CI that is trusted: from a certificate, or only its key. */
struct se_anchor {
	EVP_PKEY *key;
	uint8_t id[SE_KEY_ID_LEN];      /* SHA-1 of the public point */
};

struct se_anchors {
	struct se_anchor list[SE_ANCHORS_MAX];
	size_t n;
};

/* "nist" and "brp" as OpenSSL names them; NULL: no such curve. */
const char *se_curve(const char *name);

/* 0 or -errno; the caller frees with EVP_PKEY_free(). */
int se_key_new(const char *curve, EVP_PKEY **ret);
int se_key_load(const char *path, EVP_PKEY **ret);
int se_key_save(const char *path, EVP_PKEY *key);
int se_key_from_scalar(const char *curve, struct octets scalar, EVP_PKEY **ret);
/* SubjectPublicKeyInfo, whole. -ENOSPC. */
int se_key_spki(EVP_PKEY *key, uint8_t *dst, size_t cap, size_t *ret_n);
int se_key_id(EVP_PKEY *key, uint8_t ret_id[SE_KEY_ID_LEN]);

/*
 * Signs the concatenation of the parts. Deterministic (RFC 6979) unless random is set, so that a
 * package signed twice from the same state is the same package.
 */
int se_sign(EVP_PKEY *key, bool random, const struct octets *parts, size_t n,
	    uint8_t ret_signature[SE_SIGNATURE_LEN]);
/* 0; -EBADMSG: it is not the signature. A DER signature is understood as well. */
int se_verify(EVP_PKEY *key, const struct octets *parts, size_t n, struct octets signature);

/* DER or PEM, recognised by the content. The caller frees with X509_free(). */
int se_cert_load(const char *path, X509 **ret);
int se_cert_parse(struct octets der, X509 **ret);
int se_cert_der(X509 *cert, uint8_t *dst, size_t cap, size_t *ret_n);

/* A certificate or a SubjectPublicKeyInfo, DER or PEM. -ENOSPC: too many anchors. */
int se_anchor_load(struct se_anchors *a, const char *path);
int se_anchor_add(struct se_anchors *a, EVP_PKEY *key);
void se_anchors_done(struct se_anchors *a);

/*
 * CI -> EUM -> eUICC, this EID in the eUICC's certificate and inside the EUM's name constraints
 * (which a standard validator reads wrongly, so it is done by hand). NULL: good; else what is
 * wrong, static.
 */
const char *se_chain_check(const struct se_anchors *a, X509 *eum, X509 *euicc, const char *eid);

/*
 * A certificate for a key: by the issuer, or by itself where there is none. Names are host names
 * or addresses for the subjectAltName; none for a signing certificate.
 */
struct se_issue {
	EVP_PKEY *key;
	const char *common_name;
	EVP_PKEY *issuer_key;
	X509 *issuer;
	const char *names[4];
};
int se_issue(const struct se_issue *i, X509 **ret);

#endif
