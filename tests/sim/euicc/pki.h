/*
 * The certificates of RSP: SGP.22 4.5 and SGP.14. A chain here is short and its rules are not those
 * of RFC 5280 alone: roles are policies of GSMA's, issuers are found by key identifier, and the
 * EUM's name constraint reads "same organisation, EID beginning with this number".
 */
#ifndef SIM_EUICC_PKI_H
#define SIM_EUICC_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/crypto.h"

/* id-rspRole, 2.23.146.1.2.1.x; the arcs of version 3 count as the same roles. */
enum ve_role {
	VE_ROLE_CI,
	VE_ROLE_EUICC,
	VE_ROLE_EUM,
	VE_ROLE_DP_TLS,
	VE_ROLE_DP_AUTH,
	VE_ROLE_DP_PB,
	VE_ROLE_DS_TLS,
	VE_ROLE_DS_AUTH,
	_VE_ROLE_MAX
};

/* What is wrong with a certificate, in the order in which it is looked for. */
enum ve_cert_end {
	VE_CERT_OK,
	VE_CERT_MALFORMED,
	VE_CERT_CURVE,          /* of another curve, or of no curve at all */
	VE_CERT_CRITICAL,       /* a critical extension that nobody here knows */
	VE_CERT_ISSUER,         /* its AKI or issuer names somebody else */
	VE_CERT_SIGNATURE,
	VE_CERT_ROLE,           /* the policy is missing or another one's */
	VE_CERT_USAGE,          /* keyUsage, basicConstraints */
	VE_CERT_EXPIRED,
	VE_CERT_NAMES,          /* outside the EUM's name constraint */
	_VE_CERT_END_MAX
};

/* Everything points into the DER it was read from. */
struct ve_cert {
	struct octets whole, tbs;
	struct octets issuer, subject;          /* Names, SEQUENCE included */
	int64_t not_before, not_after;          /* seconds since 1970, as now is */
	bool curve_known;
	enum ve_curve curve;
	struct octets point;
	uint8_t signature[VE_SIGNATURE_LEN];
	uint8_t ski[VE_KEY_ID_LEN];             /* the extension, else made from the point */
	struct octets aki;                      /* n = 0: none */
	uint8_t usage;                          /* keyUsage, bit 0 is 0x80 */
	unsigned roles;                         /* 1 << enum ve_role */
	bool ca;
	uint32_t path;                          /* UINT32_MAX: any */
	bool unknown_critical;
	struct octets oid;                      /* registeredID of subjectAltName */
	struct octets organisation, serial;     /* of the subject */
	struct octets only_organisation, only_serial;   /* name constraint */
};

#define VE_USAGE_SIGN 0x80
#define VE_USAGE_CERT_SIGN 0x04

/* 0, or -EBADMSG. der may have more behind the certificate; *ret then ends where it ends. */
int ve_cert_read(struct octets der, struct ve_cert *ret);

/*
 * One link of a chain. Only the end of its validity counts: a clock that stands before the first
 * day was never set, and a card that has not got the time accepts what may have expired.
 */
enum ve_cert_end ve_cert_check(const struct ve_cert *c, const struct ve_cert *issuer,
			       enum ve_role role, int64_t now);
/* EUM and eUICC below a CI, with the names: SGP.22 4.5.2.1. */
enum ve_cert_end ve_cert_check_card(const struct ve_cert *euicc, const struct ve_cert *eum,
				    const struct ve_cert *ci, int64_t now);

/* The curve and the point of a SubjectPublicKeyInfo (whole). 0, or -EBADMSG. */
int ve_spki_read(struct octets spki, enum ve_curve *ret_curve, struct octets *ret_point);

const char *ve_cert_end_name(enum ve_cert_end e);

#endif
