/* What a trust is made of, for trust.c and verify.c only. */
#ifndef NET_TRUST_DATA_H
#define NET_TRUST_DATA_H

#include <mbedtls/x509_crt.h>

#include "net/trust.h"

struct trust {
	mbedtls_x509_crt anchors;       /* a list; the first is empty where there are none */
	mbedtls_x509_crt *last;
	unsigned n;
	uint8_t *pin;                   /* a SubjectPublicKeyInfo; NULL: nothing is pinned */
	size_t pin_n;
	uint8_t id[TRUST_ID_MAX];
};

/*
 * One certificate to the end of a list, with the extensions that we know of. 0 or -errno, and why,
 * unless something stands there already.
 */
int trust_parse(mbedtls_x509_crt *list, struct octets der, char why[TRUST_WHY_MAX]);

#endif
