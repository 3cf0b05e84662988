/*
 * An IPA's side of the downloads that an eIM orders, small: the order fetched, the download made
 * through the eIM (GSMA SGP.32 3.2.3.2), its result delivered. The eIM is reached by mini_ipa, the
 * card through a function of the test's. Direct downloads are mini_lpa's. Written from the
 * references alone.
 */
#ifndef SUPPORT_MINI_RSP_H
#define SUPPORT_MINI_RSP_H

#include "sim/smdp/crypto.h"
#include "support/mini_ipa.h"

/* How far it came; the names of what failed. */
enum mini_rsp_end {
	MINI_RSP_INSTALLED,
	MINI_RSP_INITIATE,              /* the eIM answered with an error */
	MINI_RSP_AUTHENTICATE_SERVER,   /* the card refused */
	MINI_RSP_AUTHENTICATE_CLIENT,
	MINI_RSP_NO_EVENT,              /* an SM-DS had nothing */
	MINI_RSP_PREPARE,
	MINI_RSP_GET_PACKAGE,
	MINI_RSP_LOAD,                  /* the card's result says that it failed */
	MINI_RSP_CANCELLED,             /* as the test wanted */
	_MINI_RSP_END_MAX
};

enum mini_rsp_order { MINI_RSP_CODE, MINI_RSP_DEFAULT, MINI_RSP_SMDS, MINI_RSP_HELD };

/* How the result goes to the eIM. */
enum mini_rsp_delivery {
	MINI_RSP_AS_TRIGGER_RESULT,     /* BF3D { BF50 { BF54 { BF37 } } } */
	MINI_RSP_AS_NOTIFICATION,       /* BF3D { A0 { BF37 } } */
	MINI_RSP_COMPACT,               /* BF3D { A0 { A0 } } */
};

struct mini_rsp {
	struct mini_ipa *eim;
	struct octets (*es10)(struct mini_rsp *d, struct octets command);
	uint8_t eid[16];
	const char *default_address;    /* of the default SM-DP+, the root SM-DS */

	/* As IpaCapabilities declare it. */
	bool download_data, ctx_params, metadata, minimize;
	int cancel_reason;              /* cancels before the package; 0: does not */
	bool cancel_compact;

	/* the order; text parts are "" where it has none */
	enum mini_rsp_order order;
	char address[128], matching_id[128], oid[32];
	bool confirmation;              /* the code says that one is needed */
	struct sdp_blob tx;

	/* what happened */
	uint32_t error;                 /* the eIM's number */
	struct sdp_blob tid, result, said;
	/* what was in the answers: of InitiateAuthentication and AuthenticateClient */
	bool had_tid, had_matching_id, had_ctx_params, had_metadata, had_hash_cc;
	size_t ci_n;                    /* octets of the key identifier */
};

/* Polls and answers data requests until a download is ordered. False: nothing is queued. */
bool mini_rsp_fetch(struct mini_rsp *d);
/* The order through the eIM. Nothing is delivered yet. */
enum mini_rsp_end mini_rsp_download(struct mini_rsp *d);
/* The result, or without one that the download failed. */
void mini_rsp_deliver(struct mini_rsp *d, enum mini_rsp_delivery how);
/* BF54 whole as the result of the order: the installation result, or failed. */
struct octets mini_rsp_trigger_result(struct mini_rsp *d, struct octets result);
void mini_rsp_done(struct mini_rsp *d);

#endif
