/* EimConfigurationData: what a card needs to know of an eIM, GSMA SGP.32 2.11.1.1.1. */
#ifndef SIM_EIM_CONFIG_H
#define SIM_EIM_CONFIG_H

#include "sim/eim/eim.h"

enum se_trust { SE_TRUST_NONE, SE_TRUST_SPKI, SE_TRUST_CERT, SE_TRUST_CA, _SE_TRUST_MAX };
extern const char *const se_trust_names[_SE_TRUST_MAX];

/* Absent members are left out. Keys and certificates are whole DER, with their 30 header. */
struct se_config {
	const char *id;
	const char *fqdn;
	unsigned id_type;               /* 0 absent */
	bool has_counter;
	uint32_t counter;
	bool token;                     /* ask the card for one */
	struct octets key, cert;        /* of the signatures: one of them */
	struct octets tls_key, tls_cert;
	bool has_protocols;
	uint8_t protocols;
	struct octets ci;               /* euiccCiPKId */
	bool indirect;
};

/* The fields, without the 30 around them. */
void se_config_put(struct tlv_out *w, const struct se_config *c);

/*
 * This eIM's own, filled in from its directory. Options: --counter N --token --tls
 * spki|cert|ca|none --fqdn HOST[:PORT] --key spki|cert --ci HEX --eid EID (counter and version of
 * that card). The encoded forms: the fields, or AddInitialEimRequest. 0, or -errno and a reason.
 */
enum se_config_form { SE_FORM_ENTRY, SE_FORM_ADD_INITIAL, SE_FORM_FIELDS, _SE_FORM_MAX };
extern const char *const se_form_names[_SE_FORM_MAX];

struct se_config_wish {
	enum se_config_form form;
	enum se_trust trust;
	bool token, key_cert;
	const char *fqdn;               /* NULL: the eIM's, with its port */
	const char *ci;                 /* hexadecimal */
	const char *eid;
	bool has_counter;
	uint32_t counter;
	int indirect;                   /* 1, 0; -1: the eIM's */
	const char *transport;          /* "https", "coaps", "both"; NULL: the eIM's bits */
};

int se_config_own(struct se_eim *e, const struct se_config_wish *wish, uint8_t *dst, size_t cap,
		  size_t *ret_n, const char **ret_why);

#endif
