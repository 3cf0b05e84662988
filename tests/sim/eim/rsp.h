/*
 * The messages of an indirect download: ESipa's TLVs (GSMA SGP.32 6.3.2) on one side, the JSON of
 * ES9+ and ES11 (SGP.22 6.5) on the other.
 */
#ifndef SIM_EIM_RSP_H
#define SIM_EIM_RSP_H

#include "sim/eim/eim.h"

/* --- orders ----------------------------------------------------------------------------------- */

/* An activation code in its parts, SGP.22 4.1; "" is not there. */
struct se_code {
	char address[128], matching_id[128];
	char oid[64];                   /* in dots */
	bool confirmation;
};

/* False: it is no activation code. */
bool se_code_parse(const char *code, struct se_code *ret);
/* The code in a ProfileDownloadTriggerRequest's content; empty: it has none. */
struct text se_trigger_code(struct octets trigger);

/* --- requests --------------------------------------------------------------------------------- */

/*
 * The ES9+ body for a function of ESipa (BF39, BF3B, BF3A, BF41) whose parts are whole, or with tag
 * 0 for a notification; freed by the caller. BF41 may hold the card's BF41 or ESipa's A1. NULL: malformed. Of InitiateAuthentication the address
 * and, where it left EUICCInfo1 out, info1 are put in.
 */
char *se_rsp_request(uint32_t tag, struct octets message, const char *address, struct octets info1,
		     const char **ret_function);

/* --- answers ---------------------------------------------------------------------------------- */

enum se_rsp_part {
	SE_RSP_TID,
	SE_RSP_SIGNED1,                 /* from here on whole TLVs */
	SE_RSP_SIGNATURE1,
	SE_RSP_CI,
	SE_RSP_CERTIFICATE,
	SE_RSP_METADATA,
	SE_RSP_SIGNED2,
	SE_RSP_SIGNATURE2,
	SE_RSP_PB_CERTIFICATE,
	SE_RSP_BPP,
	_SE_RSP_PART_MAX
};

struct se_rsp_reply {
	uint32_t code;                  /* 0: executed; else ESipa's error number */
	char status[48];                /* "8.2.6/3.8 text", for the log */
	bool ds;                        /* of an SM-DS: events instead of a profile */
	char event[SE_CODE_MAX];        /* the first one as activation code; "" none */
	struct octets part[_SE_RSP_PART_MAX];
	uint8_t *store;                 /* what they point into */
};

/* Never fails: what cannot be read has code 127. */
void se_rsp_read(uint32_t tag, struct text body, struct se_rsp_reply *ret);
void se_rsp_reply_done(struct se_rsp_reply *r);

/* How ESipa's answer is written; what is empty is left out. */
struct se_rsp_answer {
	struct se_forms forms;
	const char *matching_id;
	struct octets ctx;              /* ctxParams1, A0 whole */
	struct octets hash_cc;          /* 32 octets */
	struct octets tx;               /* eimTransactionId, for an SM-DS's trigger */
};

/* 0 and the answer, freed by the caller; -ENOMEM, -EBADMSG: parts are missing. */
int se_rsp_write(uint32_t tag, const struct se_rsp_reply *r, const struct se_rsp_answer *a,
		 uint8_t **ret, size_t *ret_n);
/* The error answer. */
size_t se_rsp_error(uint32_t tag, uint32_t code, uint8_t dst[16]);

/* --- what an eIM looks at --------------------------------------------------------------------- */

/* The registeredID in a certificate's subjectAltName, content octets. 0: it has none. */
size_t se_rsp_oid(struct octets certificate, uint8_t *dst, size_t cap);
/* pprIds other than pprUpdateControl in profile metadata, BF25. */
bool se_rsp_has_ppr(struct octets metadata);
/* The StoreMetadata segments of a package are the metadata that were offered. */
bool se_rsp_same_metadata(struct octets bpp, struct octets metadata);
/* ccRequiredFlag of smdpSigned2, whole. */
bool se_rsp_wants_code(struct octets signed2);
/* SHA-256(SHA-256(code) || transactionId). */
void se_rsp_hash_cc(const char *code, struct octets tid, uint8_t ret[32]);

#endif
