/*
 * ESipa messages (GSMA SGP.32 5.14, 6.3), seen from the IPA: what it sends is written, what the
 * eIM answers is read. Pure: no I/O, no allocation, no logging.
 *
 * "whole" says that octets begin with their tag and length. What is signed is passed through as it
 * came. Octets that were read are views into the message. Missing octets: { NULL, 0 }.
 *
 * Decoders return 0, or -EBADMSG for what cannot be read. Elements behind the known ones are passed
 * over (the ASN.1 is EXTENSIBILITY IMPLIED). Encoders write into a tlv_out; tlv_done() tells.
 */
#ifndef ESIPA_ESIPA_H
#define ESIPA_ESIPA_H

#include "codec/tlv.h"

/*
 * The layouts that differ. v1.1 is taken to be v1.2: of the former only a list of changes is known.
 * No message names its version; where an eIM's is not configured, esipa_data_request.hint and the
 * forms of its answers tell (sgp32 2.4).
 */
enum esipa_version {
	ESIPA_V1_0,
	ESIPA_V1_2,
	ESIPA_V1_3,
	_ESIPA_VERSION_MAX
};

/* --- getting packages: BF4F, BF4E ----------------------------------------------------------------- */

/* StateChangeCause, 2.11.1 */
enum esipa_change {
	ESIPA_CHANGE_NONE = -1,
	ESIPA_CHANGE_OTHER_EIM = 0,
	ESIPA_CHANGE_FALLBACK = 1,
	ESIPA_CHANGE_EMERGENCY = 2,
	ESIPA_CHANGE_LOCAL = 3,
	ESIPA_CHANGE_RESET = 4,
	ESIPA_CHANGE_IMMEDIATE = 5,
	ESIPA_CHANGE_DEVICE = 6,
	ESIPA_CHANGE_UNDEFINED = 127,
};

struct esipa_get_package {
	struct octets eid;              /* 16 octets */
	bool notify_change;
	int change;                     /* enum esipa_change, not in v1.0; counts with notify_change */
	struct octets plmn;             /* 3 octets, the network we are registered in; or missing */
};

void esipa_get_package_encode(struct tlv_out *w, enum esipa_version v,
			      const struct esipa_get_package *q);
/* rPLMN from five or six digits, "26201". -EINVAL. */
int esipa_plmn(struct text digits, uint8_t ret[3]);

enum esipa_package_kind {
	ESIPA_NOTHING,                  /* error says why: 1 is the orderly "none for you" */
	ESIPA_EUICC_PACKAGE,            /* BF51: to the card as it is */
	ESIPA_DATA_REQUEST,             /* BF52 */
	ESIPA_ACKNOWLEDGEMENTS,         /* BF53: only by injection */
	ESIPA_DOWNLOAD_TRIGGER,         /* BF54 */
	ESIPA_UNKNOWN_PACKAGE,          /* to be answered with ESIPA_RESULT_UNKNOWN_PACKAGE */
	_ESIPA_PACKAGE_KIND_MAX
};

struct esipa_package {
	enum esipa_package_kind kind;
	int error;                      /* of NOTHING: eimPackageError */
	struct octets whole;
};

enum {
	ESIPA_NO_PACKAGE_AVAILABLE = 1,
	ESIPA_EID_NOT_FOUND = 2,
	ESIPA_INVALID_EID = 3,
	ESIPA_MISSING_EID = 4,
	ESIPA_UNDEFINED_ERROR = 127,
};

int esipa_get_package_decode(struct octets der, struct esipa_package *ret);
/* TransferEimPackage: what an eIM injects. */
int esipa_transfer_decode(struct octets der, struct esipa_package *ret);

/* --- what packages say: BF52, BF53, BF54 ------------------------------------------------------ */

enum esipa_item {
	ESIPA_ITEM_NOTIFICATIONS,
	ESIPA_ITEM_DEFAULT_SMDP,
	ESIPA_ITEM_PACKAGE_RESULTS,
	ESIPA_ITEM_INFO1,
	ESIPA_ITEM_INFO2,
	ESIPA_ITEM_ROOT_SMDS,
	ESIPA_ITEM_TOKEN,
	ESIPA_ITEM_EUM_CERT,
	ESIPA_ITEM_EUICC_CERT,
	ESIPA_ITEM_IPA_CAPABILITIES,
	ESIPA_ITEM_DEVICE_INFO,
	_ESIPA_ITEM_MAX
};

/* Which of a list: all, one number, or notifications of some events. */
enum esipa_search { ESIPA_ALL, ESIPA_BY_SEQ, ESIPA_BY_EVENTS, _ESIPA_SEARCH_MAX };

struct esipa_data_request {
	uint32_t items;                 /* 1 << enum esipa_item */
	bool incorrect;                 /* a tag that cannot be asked for: ESIPA_DATA_INCORRECT_TAGS */
	struct octets ci_pkid;          /* which certificates; may be cut short (minimizeEsipaBytes) */
	enum esipa_search notifications, package_results;
	uint32_t notifications_seq, package_results_seq;
	uint32_t events;                /* bit 0 install, 1 enable, 2 disable, 3 delete */
	struct octets transaction_id;
	int hint;                       /* enum esipa_version as the tags betray it, or -1 */
};

int esipa_data_request_decode(struct octets bf52, struct esipa_data_request *ret);

enum esipa_trigger_kind {
	ESIPA_TRIGGER_ACTIVATION_CODE,
	ESIPA_TRIGGER_DEFAULT_SMDP,
	ESIPA_TRIGGER_SMDS,             /* address missing: the root one */
	ESIPA_TRIGGER_EIM,              /* the eIM has the data: only an indirect download can be */
	_ESIPA_TRIGGER_KIND_MAX
};

struct esipa_trigger {
	enum esipa_trigger_kind kind;
	struct octets activation_code, smds_address;
	struct octets transaction_id;
};

int esipa_trigger_decode(struct octets bf54, struct esipa_trigger *ret);

/* *ret_seqs is walked with esipa_seq_next(). */
int esipa_acknowledgements_decode(struct octets bf53, struct octets *ret_seqs);
/* False at the end, or where the list is broken. */
bool esipa_seq_next(struct octets *seqs, uint32_t *ret);

/* --- delivering results: BF50, BF3D, BF4E ----------------------------------------------------- */

/* In what a result travels. */
enum esipa_carrier {
	ESIPA_PROVIDE,                  /* ProvideEimPackageResult */
	ESIPA_HANDLE,                   /* HandleNotification: outside request and response */
	ESIPA_TRANSFER,                 /* the answer to TransferEimPackage */
	_ESIPA_CARRIER_MAX
};

struct esipa_frame {
	struct tlv_mark outer, inner;
	bool nested;
};

/*
 * begin, exactly one of the …_put()s, end. eid missing: left out, as an eIM of unknown version
 * wants it where the package had a transaction id; v1.0 has no place for it, nor has TRANSFER.
 */
struct esipa_frame esipa_result_begin(struct tlv_out *w, enum esipa_version v,
				      enum esipa_carrier carrier, struct octets eid);
void esipa_result_end(struct tlv_out *w, struct esipa_frame f);

/*
 * A package result BF51, whole, and the pending notifications, each whole, one after the other;
 * without any, the result stands alone.
 */
void esipa_package_result_put(struct tlv_out *w, enum esipa_version v, struct octets bf51,
			      struct octets notifications);

/* The IPA could not handle the package. */
enum {
	ESIPA_RESULT_INVALID_FORMAT = 1,
	ESIPA_RESULT_UNKNOWN_PACKAGE = 2,
	ESIPA_RESULT_UNDEFINED = 127,
};

void esipa_result_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			    int code);

/* IpaEuiccDataResponse; what is missing is left out. */
struct esipa_data {
	struct octets notifications;    /* each whole, one after the other */
	struct octets package_results;  /* each a whole BF51, one after the other */
	bool has_notifications, has_package_results;    /* asked for: an empty list is an answer */
	struct octets default_smdp, root_smds;
	struct octets info1, info2;     /* whole */
	struct octets token;            /* INTEGER value */
	struct octets eum_cert, euicc_cert;     /* without their 30 */
	struct octets transaction_id;
	struct octets ipa_capabilities, device_info;    /* values of A8 and A9 */
};

enum {
	ESIPA_DATA_INCORRECT_TAGS = 1,
	ESIPA_DATA_CI_PKID_NOT_FOUND = 5,
	ESIPA_DATA_ECALL_ACTIVE = 104,
	ESIPA_DATA_UNDEFINED = 127,
};

void esipa_data_put(struct tlv_out *w, enum esipa_version v, const struct esipa_data *d);
void esipa_data_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			  int code);

/* IpaCapabilities, 2.11.2: the value of A8. Bit n of the masks is named bit n. */
enum {
	ESIPA_IPA_DIRECT = 1 << 0,
	ESIPA_IPA_INDIRECT = 1 << 1,
	ESIPA_IPA_EIM_DOWNLOAD_DATA = 1 << 2,
	ESIPA_IPA_EIM_CTX_PARAMS = 1 << 3,
	ESIPA_IPA_EIM_METADATA = 1 << 4,
	ESIPA_IPA_MINIMIZE = 1 << 5,
};
enum {
	ESIPA_IPA_RETRIEVE_HTTPS = 1 << 0,
	ESIPA_IPA_RETRIEVE_COAPS = 1 << 1,
	ESIPA_IPA_INJECT_HTTPS = 1 << 2,
	ESIPA_IPA_INJECT_COAPS = 1 << 3,
	ESIPA_IPA_PROPRIETARY = 1 << 4,
};

void esipa_capabilities_put(struct tlv_out *w, uint32_t features, uint32_t protocols);

/* ProfileDownloadTriggerResult: ProfileInstallationResult BF37 whole, or why there is none. */
void esipa_trigger_result_put(struct tlv_out *w, struct octets transaction_id, struct octets bf37);
/* reason: 104 ecallActive, 127; text, e.g. what the SM-DP+ said: may be missing. */
void esipa_trigger_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			     int reason, struct octets text);

/* TRANSFER only: taken, the result follows on its own. v1.3 correlates by one of the two. */
void esipa_received_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			struct octets eid);
void esipa_transfer_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			      struct octets eid, int code);

/* HandleNotification with one pending notification, whole. Its answer is empty. */
void esipa_notification_encode(struct tlv_out *w, struct octets notification);

/* The answer to ProvideEimPackageResult; an empty body is taken for "accepted" too. */
struct esipa_provided {
	int error;                      /* 0: accepted; else not delivered: keep everything */
	struct octets seqs;             /* acknowledged, walked with esipa_seq_next() */
	int hint;                       /* enum esipa_version, or -1 */
};

int esipa_provide_decode(struct octets der, struct esipa_provided *ret);

/* --- indirect download: BF39, BF3B, BF3A, BF41 ------------------------------------------------ */

struct esipa_initiate {
	struct octets euicc_challenge;
	struct octets smdp_address;     /* missing with eimDownloadDataHandling */
	struct octets info1;            /* whole; missing with minimizeEsipaBytes */
	struct octets transaction_id;   /* the eIM's; not in v1.0 */
};

void esipa_initiate_encode(struct tlv_out *w, enum esipa_version v, const struct esipa_initiate *q);

struct esipa_initiated {
	int error;                      /* 0: none */
	struct octets transaction_id;   /* the server's; out of serverSigned1 where the eIM left it out */
	struct octets server_signed1, server_signature1, certificate;   /* whole */
	struct octets ci_pkid;          /* the value; may be cut short */
	struct octets ci_pkid_whole;
	struct octets matching_id;
	struct octets ctx_params;       /* whole, for the card; missing: ours to make */
};

int esipa_initiate_decode(struct octets der, struct esipa_initiated *ret);

/* bf38: the card's answer, whole, or its compact form. */
void esipa_authenticate_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf38);

struct esipa_authenticated {
	int error;                      /* 0: none */
	struct octets transaction_id;
	bool smds;                      /* the server was an SM-DS: only trigger counts */
	struct octets trigger;          /* whole BF54; missing: nothing to do */
	struct octets metadata;         /* whole BF25; missing: the eIM has verified it */
	struct octets smdp_signed2, smdp_signature2, certificate;       /* whole */
	struct octets hash_cc;          /* the value; may be missing */
};

int esipa_authenticate_decode(struct octets der, struct esipa_authenticated *ret);

/* bf21: the card's answer, whole, or its compact form. */
void esipa_get_bpp_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf21);
/* *ret_bpp: whole BF36, where *ret_error is 0. */
int esipa_get_bpp_decode(struct octets der, struct octets *ret_bpp, int *ret_error);
/* Where the BF36 begins in what has come so far. -EAGAIN: not yet; -EBADMSG: not here. */
int esipa_get_bpp_find(struct octets so_far, size_t *ret_at);

/* bf41: the card's answer, whole, or its compact form. -EBADMSG: it is none. */
int esipa_cancel_session_encode(struct tlv_out *w, struct octets transaction_id, struct octets bf41);
int esipa_cancel_session_decode(struct octets der, int *ret_error);

/* The transaction id stands first in everything that a server signs; missing: there it is not. */
struct octets esipa_signed_transaction_id(struct octets whole);

/* SHA-256(SHA-256(code) | transaction id), GSMA SGP.22 5.7.5. -EIO. */
int esipa_hash_cc(struct text code, struct octets transaction_id, uint8_t ret[32]);

/* Whose error codes, for their names. */
enum esipa_codes {
	ESIPA_CODES_GET_PACKAGE,        /* also of ProvideEimPackageResult */
	ESIPA_CODES_RESULT,
	ESIPA_CODES_INITIATE,
	ESIPA_CODES_AUTHENTICATE,
	ESIPA_CODES_GET_BPP,
	ESIPA_CODES_CANCEL,
	_ESIPA_CODES_MAX
};

/* "noEimPackageAvailable"; "unknown". */
const char *esipa_error_name(enum esipa_codes whose, int code);

/* --- compact forms (minimizeEsipaBytes), 8.10 ----------------------------------------------------- */

/*
 * Out of what the card said, whole; the eIM rebuilds the signed originals. Only an IPA that
 * declares minimizeEsipaBytes sends them. Errors of the card have no compact form: they are put as
 * they are. -EBADMSG: it is not what it should be.
 */
int esipa_compact_authenticate(struct tlv_out *w, struct octets bf38, bool eim_made_ctx_params,
			       bool eim_has_certificates);
int esipa_compact_prepare(struct tlv_out *w, struct octets bf21, bool otpk_reused,
			  bool eim_made_hash_cc);
int esipa_compact_cancel(struct tlv_out *w, struct octets bf41);
int esipa_compact_install(struct tlv_out *w, struct octets bf37);
/* eid and ci_pkid may be missing; v1.0 has neither, ci_pkid is v1.3's. */
int esipa_compact_notification(struct tlv_out *w, enum esipa_version v, struct octets notification,
			       struct octets eid, struct octets ci_pkid);

#endif
