/* Certificates for tests, made when they are needed: keys are new in every run. */
#ifndef SUPPORT_PKI_H
#define SUPPORT_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "codec/tlv.h"

struct pki {
	EVP_PKEY *key;
	X509 *crt;
};

struct pki_spec {
	const char *cn;
	const char *san;        /* "DNS:localhost,IP:127.0.0.1"; NULL: no extension */
	const struct pki *issuer;       /* NULL: signs itself */
	const EVP_PKEY *key;    /* NULL: a new one */
	bool ca;
	bool rsa;
	bool policies;          /* critical certificatePolicies, as the GSMA's CI has */
	bool client_only;       /* extendedKeyUsage without serverAuth */
	long from_s, to_s;      /* from now; 0, 0: an hour ago to in an hour */
};

/* Fails the test if it cannot. */
struct pki pki_make(const struct pki_spec *spec);
/* From DIR/NAME.der and DIR/NAME.key.pem. */
struct pki pki_load(const char *dir, const char *name);
void pki_free(struct pki *p);

/* Freed by the caller. */
uint8_t *pki_der(const struct pki *p, size_t *ret_n);
uint8_t *pki_spki(const struct pki *p, size_t *ret_n);
/* trustedPublicKeyDataTls: A0 { key } or A1 { certificate }, the header inside left out or not. */
size_t pki_pin(const struct pki *p, bool certificate, bool whole, uint8_t *buf, size_t cap);

#endif
