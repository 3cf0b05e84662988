/*
 * Certificates of the RSP PKI (SGP.22 4.5.2, SGP.26): what the roles need to know of them, and the
 * chain of an eUICC up to a CI, checked as an SM-DP+ does. OpenSSL reads and verifies one link;
 * the rules between them are ours, because a standard validator reads the EUM's name constraint
 * in another way than GSMA means it.
 */
#ifndef SIM_SMDP_CERT_H
#define SIM_SMDP_CERT_H

#include <openssl/x509.h>
#include <time.h>

#include "sim/smdp/code.h"
#include "sim/smdp/crypto.h"

#define SDP_KEY_ID_LEN 20
#define SDP_EID_DIGITS 32
#define SDP_EID_LEN 16
#define SDP_OID_MAX 64

/* The last number of 2.23.146.1.2.1.x; -1: none of them. */
enum sdp_role {
	SDP_ROLE_NONE = -1,
	SDP_ROLE_CI,
	SDP_ROLE_EUICC,
	SDP_ROLE_EUM,
	SDP_ROLE_DP_TLS,
	SDP_ROLE_DP_AUTH,
	SDP_ROLE_DP_PB,
	SDP_ROLE_DS_TLS,
	SDP_ROLE_DS_AUTH,
	_SDP_ROLE_MAX
};

struct sdp_cert {
	X509 *x509;                     /* NULL: not loaded */
	struct sdp_blob der;
	enum sdp_curve curve;
	uint8_t point[SDP_POINT_LEN];
	uint8_t key_id[SDP_KEY_ID_LEN]; /* SHA-1 of the point */
	uint8_t issuer_id[SDP_KEY_ID_LEN];      /* zeros: has no authority key identifier */
	enum sdp_role role;
	uint8_t oid[SDP_OID_MAX];       /* the registeredID, content octets */
	size_t oid_n;
};

/* -EBADMSG: no certificate with a key on one of the curves. */
int sdp_cert_parse(struct octets der, struct sdp_cert *ret);
/* DER or PEM. */
int sdp_cert_load(const char *path, struct sdp_cert *ret);
void sdp_cert_done(struct sdp_cert *c);

/* The eUICC's EID: digits with a NUL, and octets. -EBADMSG: there is none. */
int sdp_cert_eid(const struct sdp_cert *c, char ret_digits[SDP_EID_DIGITS + 1],
		 uint8_t ret[SDP_EID_LEN]);

/* ci may be NULL: not one of ours. In this order: CI, EUM, eUICC, name constraint. */
enum sdp_code sdp_chain_check(const struct sdp_cert *ci, const struct sdp_cert *eum,
			      const struct sdp_cert *euicc, time_t now);

/*
 * A certificate for a key under a CI, for what a PKI directory lacks: SM-DS, TLS for other names.
 * oid: content octets; hosts: names or addresses for the subjectAltName, NULL at the end.
 */
struct sdp_issue {
	enum sdp_role role;
	const struct sdp_cert *ci;
	const struct sdp_key *ci_key;
	const struct sdp_key *key;
	const char *name;
	struct octets oid;
	const char *const *hosts;
};
int sdp_cert_issue(const struct sdp_issue *i, struct sdp_blob *ret_der);

/* For TLS and for files: the key as OpenSSL has it, owned by the caller. */
EVP_PKEY *sdp_key_openssl(const struct sdp_key *k);

#endif
