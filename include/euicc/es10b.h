/*
 * ES10b (GSMA SGP.22 5.7.5 to 5.7.14, 5.7.22; SGP.32 5.9): challenge and abilities, download,
 * notifications, eUICC Packages, eIM configuration, rollback, fallback, emergency, immediate
 * enable. What eUICC Packages are made of is in euicc/package.h, the cutting of a Bound Profile
 * Package in euicc/bpp.h.
 *
 * "whole" says that octets begin with their tag and length: so they come in, are signed and are
 * handed on.
 */
#ifndef EUICC_ES10B_H
#define EUICC_ES10B_H

#include "euicc/es10.h"

/* --- challenge and abilities ----------------------------------------------------------------- */

void es10b_get_challenge_encode(struct tlv_out *w);
/* Sixteen octets. */
int es10b_challenge_decode(struct octets der, struct octets *ret_challenge);

/* Lists of CI key identifiers are walked with es10_list_next(&list, 0x04, &id). */
struct es10b_info1 {
	struct es10_version svn;
	struct octets ci_verify, ci_sign;
};

void es10b_get_info1_encode(struct tlv_out *w);
int es10b_info1_decode(struct octets der, struct es10b_info1 *ret);

/* uiccCapability and rspCapability, SGP.22: bits that somebody asks for. */
enum { ES10B_RSP_CRL = 1 << 1, ES10B_RSP_TEST_PROFILE = 1 << 3 };
enum es10b_ipa_mode { ES10B_IPA_IN_DEVICE, ES10B_IPA_IN_EUICC };

/* Numbers -1, versions 0.0.0, octets missing: the card did not say. */
struct es10b_info2 {
	struct es10_version profile_version, svn, firmware, javacard, globalplatform, pp_version;
	int64_t applications, free_nv, free_ram;        /* extCardResource; octets */
	uint32_t uicc, rsp;
	struct octets ci_verify, ci_sign;
	int category;                   /* 0 other, 1 basic, 2 medium, 3 contactless */
	uint32_t forbidden_pprs;
	struct octets sas_number;
	struct octets platform_label, discovery_url;
	uint32_t tre;                   /* discrete, integrated, uses remote memory */
	struct octets tre_reference;
	struct octets more_pp_versions; /* a list of 04 */
	/* SGP.32 */
	int ipa_mode;                   /* enum es10b_ipa_mode */
	bool iot;                       /* iotSpecificInfo is there: an SGP.32 card */
	struct octets iot_versions;     /* all that it supports: a list of 04 */
	struct es10_version iot_version;        /* the highest of them */
	bool ecall, fallback, fallback_update;
	int security_level;
};

void es10b_get_info2_encode(struct tlv_out *w);
int es10b_info2_decode(struct octets der, struct es10b_info2 *ret);

/* Rules Authorisation Table, SGP.22 2.9.3.2: walked with es10b_rule_next(). */
struct es10b_rule {
	uint32_t pprs;
	struct octets operators;        /* a list of 30 { 80 mccMnc, 81 gid1?, 82 gid2? } */
	bool consent;
};

struct es10b_operator {
	struct octets plmn, gid1, gid2; /* a GID that is missing: any */
};

void es10b_get_rat_encode(struct tlv_out *w);
/* *ret_rules: the table's 30s; may be empty. */
int es10b_rat_decode(struct octets der, struct octets *ret_rules);
/* False at the end, or where the table is broken. */
bool es10b_rule_next(struct octets *rules, struct es10b_rule *ret);
bool es10b_operator_next(struct octets *operators, struct es10b_operator *ret);
/*
 * SGP.22 2.9.3.1: may a profile of this owner have this one policy rule? Only the first rule that
 * fits counts. *ret_consent: only if the user agrees.
 */
bool es10b_rat_allows(struct octets rules, uint32_t ppr, struct es10b_operator owner,
		      bool *ret_consent);

/* --- download -------------------------------------------------------------------------------- */

/* DeviceInfo, SGP.22 4.2: what is missing is left out. Releases as versions, 15.0.0 for R15. */
struct es10b_device {
	struct octets tac;              /* 4 octets */
	struct octets imei;             /* 8 octets, or missing */
	struct es10_version gsm, utran, eutran, nr, eutran_5gc, nr_5gc;
};

/* Tag A1 in ctxParams1; esipa sends the same under A9. */
void es10b_device_put(struct tlv_out *w, uint32_t tag, const struct es10b_device *d);
/* TAC and IMEI from fifteen digits. -EINVAL. */
int es10b_imei_from_text(struct text digits, uint8_t ret_tac[4], uint8_t ret_imei[8]);
/* CtxParams1 for common mutual authentication: A0 { 80 matchingId?, A1 deviceInfo }. */
void es10b_ctx_params_put(struct tlv_out *w, struct octets matching_id,
			  const struct es10b_device *d);

/* All whole, as the server sent them; ctx_params whole too, ours or the eIM's. */
struct es10b_authenticate {
	struct octets server_signed1, server_signature1, ci_pkid, certificate, ctx_params;
};

void es10b_authenticate_encode(struct tlv_out *w, const struct es10b_authenticate *q);

/* serverSigned1 read: what to compare before the card is asked. */
struct es10b_server_signed1 {
	struct octets transaction_id, euicc_challenge, address, server_challenge;
};

int es10b_server_signed1_decode(struct octets whole, struct es10b_server_signed1 *ret);

/* Answers to AuthenticateServer, PrepareDownload, CancelSession. error 0: the parts are set. */
struct es10b_signed {
	int error;
	struct octets transaction_id;           /* also in an error, where the card says it */
	struct octets data, signature;          /* euiccSigned… and its signature, whole */
	struct octets euicc_cert, eum_cert;     /* AuthenticateServer only, whole */
};

int es10b_authenticate_decode(struct octets der, struct es10b_signed *ret);

/* signed2, signature2, certificate whole; hash_cc the 32 octets, or missing. */
struct es10b_prepare {
	struct octets signed2, signature2, hash_cc, certificate;
};

void es10b_prepare_encode(struct tlv_out *w, const struct es10b_prepare *q);
int es10b_prepare_decode(struct octets der, struct es10b_signed *ret);

struct es10b_smdp_signed2 {
	struct octets transaction_id;
	bool cc_required;
	struct octets euicc_otpk;       /* missing: none of an earlier try */
};

int es10b_smdp_signed2_decode(struct octets whole, struct es10b_smdp_signed2 *ret);

/* CancelSessionReason, SGP.22 5.7.14 */
enum es10b_cancel_reason {
	ES10B_END_USER_REJECTION = 0,
	ES10B_POSTPONED = 1,
	ES10B_CANCEL_TIMEOUT = 2,
	ES10B_PPR_NOT_ALLOWED = 3,
	ES10B_METADATA_MISMATCH = 4,
	ES10B_LOAD_BPP_ERROR = 5,
	ES10B_CANCEL_UNDEFINED = 127,
};

const char *es10b_cancel_reason_name(int reason);
void es10b_cancel_session_encode(struct tlv_out *w, struct octets transaction_id, int reason);
int es10b_cancel_session_decode(struct octets der, struct es10b_signed *ret);

/* --- notifications --------------------------------------------------------------------------- */

/* NotificationMetadata, SGP.22 2.4a.1.1 */
struct es10b_notification {
	uint32_t seq;
	uint32_t events;                /* ES10_EVENT_…, one of them */
	struct octets address;
	struct octets iccid;            /* missing: an installation that failed early */
};

/* ProfileInstallationResult BF37, SGP.22 2.5.6 */
struct es10b_install {
	struct octets transaction_id;
	struct es10b_notification meta;
	struct octets smdp_oid;
	bool ok;
	struct octets aid;              /* ok: the new ISD-P */
	int command, reason;            /* not ok: bppCommandId and errorReason */
	struct octets sima;             /* simaResponse, may be missing */
};

int es10b_install_decode(struct octets bf37, struct es10b_install *ret);
/* "loadProfileElements", "installFailedDueToInsufficientMemoryForProfile"; "unknown". */
const char *es10b_bpp_command_name(int command);
const char *es10b_bpp_reason_name(int reason);

/* events 0: all of them. */
void es10b_list_notification_encode(struct tlv_out *w, uint32_t events);
int es10b_notifications_decode(struct octets der, struct es10b_notification *ret, size_t cap,
			       size_t *ret_n, int *ret_error);

/* What is asked for, SGP.32 5.9.11; a SGP.22 card knows all but the package results. */
void es10b_retrieve_all_encode(struct tlv_out *w);
void es10b_retrieve_seq_encode(struct tlv_out *w, uint32_t seq);
void es10b_retrieve_events_encode(struct tlv_out *w, uint32_t events);
void es10b_retrieve_package_results_encode(struct tlv_out *w);

enum es10b_pending_kind {
	ES10B_PENDING_INSTALL,          /* BF37 */
	ES10B_PENDING_OTHER,            /* 30: enable, disable, delete, further installs */
	ES10B_PENDING_PACKAGE,          /* an eUICC Package Result, BF51 */
	ES10B_PENDING_UNKNOWN,          /* something newer than this program */
	_ES10B_PENDING_MAX
};

struct es10b_pending {
	enum es10b_pending_kind kind;
	struct octets whole;            /* to be handed on as it is, but for: */
	bool bare;                      /* a v1.0 card leaves out the BF51 around a result */
	struct es10b_notification meta; /* of a package result: seq only; 0 for one without */
};

int es10b_pending_decode(struct octets der, struct es10b_pending *ret, size_t cap, size_t *ret_n,
			 int *ret_error);

/* What a pending notification, BF37 or 30, whole, says about itself. */
int es10b_notification_of(struct octets whole, struct es10b_notification *ret);

/* Its answer is a code; ES10_NOTHING_TO_DELETE is as good as 0. */
void es10b_remove_notification_encode(struct tlv_out *w, uint32_t seq);

/* --- eUICC Packages and eIM configuration ---------------------------------------------------- */

/* A public key or certificate, as it is stored: without its own 30 and length. */
enum es10b_key_kind { ES10B_KEY_NONE, ES10B_KEY_SPKI, ES10B_KEY_CERTIFICATE };

struct es10b_key {
	enum es10b_key_kind kind;
	struct octets content;
};

/* The whole SubjectPublicKeyInfo or Certificate, 30 in front. -EMSGSIZE. */
int es10b_sequence_der(struct octets content, uint8_t *buf, size_t cap, size_t *ret_n);

/* EimSupportedProtocol, SGP.32 2.11.1.1.1 */
enum {
	ES10B_EIM_RETRIEVE_HTTPS = 1 << 0,
	ES10B_EIM_RETRIEVE_COAPS = 1 << 1,
	ES10B_EIM_INJECT_HTTPS = 1 << 2,
	ES10B_EIM_INJECT_COAPS = 1 << 3,
	ES10B_EIM_PROPRIETARY = 1 << 4,
};

/* EimConfigurationData, SGP.32 2.11.1.1.1. Missing octets, -1: not there. */
struct es10b_eim {
	struct octets id;
	struct octets fqdn;             /* may have a port behind it */
	int id_type;                    /* 1 OID, 2 FQDN, 3 proprietary */
	struct octets counter;          /* INTEGER value; a card never tells it */
	struct octets token;            /* association token, INTEGER value; FF asks for one */
	struct es10b_key key;           /* verifies packages */
	struct es10b_key tls;           /* trusted for the connection */
	int64_t protocols;              /* mask, -1: not said */
	struct octets ci_pkid;
	bool indirect;                  /* it offers indirect download */
	struct octets vendor;           /* v1.3 */
};

/* One "30 {…}", or the same under the tag of an eCO. */
int es10b_eim_decode(struct octets whole, struct es10b_eim *ret);
void es10b_eim_put(struct tlv_out *w, uint32_t tag, const struct es10b_eim *e);

/* eim_id empty: all of them (the only form before v1.1). */
void es10b_get_eims_encode(struct tlv_out *w, struct octets eim_id);
int es10b_eims_decode(struct octets der, struct es10b_eim *ret, size_t cap, size_t *ret_n,
		      int *ret_error);
/* ci_pkid empty: whichever the card prefers. */
void es10b_get_certs_encode(struct tlv_out *w, struct octets ci_pkid);
/* Certificates without their 30: es10b_sequence_der(). */
int es10b_certs_decode(struct octets der, struct octets *ret_eum, struct octets *ret_euicc,
		       int *ret_error);

void es10b_add_initial_eim_encode(struct tlv_out *w, const struct es10b_eim *eims, size_t n);
/* As somebody else wrote it: the 30s, one after the other. */
void es10b_add_initial_eim_put_raw(struct tlv_out *w, struct octets list);
/* Per eIM its association token, or missing octets. */
int es10b_add_initial_eim_decode(struct octets der, struct octets *ret_tokens, size_t cap,
				 size_t *ret_n, int *ret_error);

/* The request is the eIM's BF51, whole and untouched; so is the answer: euicc/package.h. */

/* --- switching without an eIM ---------------------------------------------------------------- */

/* Of ES10B_PROFILE_ROLLBACK, …IMMEDIATE_ENABLE, …EMERGENCY, …EXECUTE_ and …RETURN_FROM_FALLBACK. */
void es10b_switch_encode(struct tlv_out *w, enum es10_function f, bool refresh);
/* EnableUsingDD, SGP.32 v1.0: BF5A without content. */
void es10b_enable_using_dd_encode(struct tlv_out *w);
/* The others' answers are codes. *ret_package: the new result BF51, whole; may be missing. */
int es10b_rollback_decode(struct octets der, int *ret_code, struct octets *ret_package);

/* Absent OID or address: empty. Its answer is a code. */
void es10b_configure_immediate_encode(struct tlv_out *w, bool on, struct octets smdp_oid,
				      struct text smdp_address);

/* GetConnectivityParameters, SGP.32 5.9.24: objects of TS 102 223. */
struct es10b_connectivity {
	struct octets raw;
	struct octets bearer;
	struct octets user, password;   /* without their coding octet */
	char apn[101];                  /* with dots; empty: none */
};

void es10b_get_connectivity_encode(struct tlv_out *w);
int es10b_connectivity_decode(struct octets der, struct es10b_connectivity *ret, int *ret_error);

/* eUICCMemoryReset, SGP.32 5.9.5, from v1.1 on. */
enum {
	ES10B_RESET_OPERATIONAL = 1 << 0,
	ES10B_RESET_FIELD_TEST = 1 << 1,
	ES10B_RESET_DEFAULT_DP = 1 << 2,
	ES10B_RESET_PRELOADED_TEST = 1 << 3,
	ES10B_RESET_PROVISIONING = 1 << 4,
	ES10B_RESET_EIMS = 1 << 5,
	ES10B_RESET_IMMEDIATE = 1 << 6,
};

/* -1: that part was not asked for, or not answered: look at the card, not at the answer. */
struct es10b_reset {
	int profiles, eims, immediate;
};

void es10b_memory_reset_encode(struct tlv_out *w, uint32_t what);
/* f: ES10B_MEMORY_RESET, or ES10C_MEMORY_RESET for a v1.0 card. */
int es10b_memory_reset_decode(enum es10_function f, struct octets der, struct es10b_reset *ret);

/* IpaeActivation, SGP.32 3.8.4. Its answer is a code. */
void es10b_ipae_activation_encode(struct tlv_out *w, bool on);

/* LoadCRL, SGP.22 5.7.12; crl: content of the CertificateList without its 30. */
void es10b_load_crl_encode(struct tlv_out *w, struct octets crl);
int es10b_load_crl_decode(struct octets der, int *ret_code);

#endif
