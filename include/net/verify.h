/*
 * The judgement of a server's chain, between trust.c and those that connect only: mbedTLS builds the chain and
 * checks signatures and dates, we decide what follows from it, and say it in words.
 */
#ifndef NET_VERIFY_H
#define NET_VERIFY_H

#include <mbedtls/x509_crt.h>

#include "net/error.h"
#include "net/trust.h"

#define VERIFY_DEPTH_MAX 12

struct verdict {
	const struct trust *trust;
	const char *host;       /* a name or an address; NULL: not checked */
	bool clock_is_set;      /* where not, pinned data is believed in spite of dates */
	struct net_error error; /* why not */
	bool seen;              /* a chain was judged: the session was not resumed */
	/* verify_step() only */
	const mbedtls_x509_crt *crt[VERIFY_DEPTH_MAX];
	uint32_t flags[VERIFY_DEPTH_MAX];
	bool pinned[VERIFY_DEPTH_MAX];
};

/* The anchors to give to the library, never NULL. */
mbedtls_x509_crt *verify_anchors(const struct trust *t);
extern const mbedtls_x509_crt_profile verify_profile;

/* mbedtls_ssl_conf_verify()'s callback; the context is a verdict. Called from the top down. */
int verify_step(void *context, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/*
 * The same for a chain that somebody else has received, in DER, the server's own certificate first.
 * trust, host and clock_is_set of the verdict are set. 0, or -EACCES and the verdict's error.
 */
int verify_chain(struct verdict *v, const struct octets *chain, size_t n);

/* Does the certificate name this host: subjectAltName (names, addresses), else the common name. */
bool verify_name(const mbedtls_x509_crt *crt, const char *host);

/* A clock that stands before this project existed has not been set. */
bool verify_clock_is_set(void);

#endif
