/*
 * Faults on demand. Each is armed by one line of text and strikes the answers to the functions it
 * names:
 *
 *     KIND[=VALUE][,on=FUNCTION][,count=N|forever][,after=N]
 *
 * It lets `after` of them pass, then strikes `count` times, once unless told otherwise.
 */
#ifndef SIM_SMDP_FAULT_H
#define SIM_SMDP_FAULT_H

#include "sim/smdp/code.h"

enum sdp_fault_kind {
	/* instead of an answer */
	SDP_FAULT_STATUS,               /* functionExecutionStatus Failed with VALUE, "8.2.6/3.8" */
	SDP_FAULT_HTTP,                 /* HTTP status VALUE, no body */
	/* in what is signed */
	SDP_FAULT_SIGNATURE,            /* a signature that does not verify */
	SDP_FAULT_CERTIFICATE,          /* VALUE expired, role (CERT.DPauth) or oid (CERT.DPpb) */
	SDP_FAULT_TRANSACTION,          /* another transactionId in what is signed */
	SDP_FAULT_CHALLENGE,            /* another euiccChallenge in serverSigned1 */
	SDP_FAULT_ADDRESS,              /* serverAddress VALUE in serverSigned1 */
	SDP_FAULT_METADATA,             /* profileMetadata other than that in the package */
	SDP_FAULT_TAMPER,               /* a bit of segment VALUE, counted from 1, is turned */
	/* in the body */
	SDP_FAULT_TRANSACTION_TEXT,     /* another transactionId beside what is signed */
	SDP_FAULT_BASE64,               /* a digit that is none in the first binary member */
	SDP_FAULT_MISSING,              /* member VALUE is left out */
	SDP_FAULT_HUGE,                 /* VALUE octets more in an unknown member */
	SDP_FAULT_TRUNCATED,            /* half a body, its length told as it is */
	SDP_FAULT_GARBAGE,              /* no JSON, no TLV */
	SDP_FAULT_EMPTY,                /* no body */
	/* on the wire */
	SDP_FAULT_SLOW,                 /* the answer comes after VALUE ms */
	SDP_FAULT_DRIP,                 /* VALUE octets every 50 ms */
	SDP_FAULT_CLOSE,                /* the connection is closed in the middle of the body */
	SDP_FAULT_STALL,                /* nothing more comes in the middle of the body */
	SDP_FAULT_NO_ANSWER,            /* the request is taken, and that is all */
	SDP_FAULT_RESET,                /* the connection is reset instead of an answer */
	_SDP_FAULT_MAX
};

#define SDP_FAULTS_MAX 32
#define SDP_FAULT_VALUE_MAX 128
#define SDP_FAULT_FOREVER UINT32_MAX

struct sdp_fault {
	enum sdp_fault_kind kind;
	enum sdp_function on;           /* _SDP_FUNCTION_MAX: any */
	char value[SDP_FAULT_VALUE_MAX];
	uint32_t after, count;
};

struct sdp_faults {
	struct sdp_fault list[SDP_FAULTS_MAX];
	size_t n;
	unsigned struck;
};

extern const char *const sdp_fault_names[_SDP_FAULT_MAX];

/* -EINVAL and in *ret_why, static, what is wrong; -ENOSPC. */
int sdp_fault_add(struct sdp_faults *f, struct text line, const char **ret_why);
/* Does it strike this answer? Then it is counted, and *ret_value, if given, is its value. */
bool sdp_fault_strikes(struct sdp_faults *f, enum sdp_fault_kind kind, enum sdp_function on,
		       char ret_value[SDP_FAULT_VALUE_MAX]);
/* The value of the one that would be next to strike or be let pass; NULL: none is armed. */
const char *sdp_fault_peek(const struct sdp_faults *f, enum sdp_fault_kind kind,
			   enum sdp_function on);
/* The value as a number, the other one where it is none. */
uint32_t sdp_fault_number(const char *value, uint32_t otherwise);

#endif
