/*
 * What an RSP server says when it refuses: subject and reason of SGP.22 5.2.6, and the number that
 * the ASN.1 binding has for it.
 */
#ifndef SIM_SMDP_CODE_H
#define SIM_SMDP_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

enum sdp_function {
	SDP_INITIATE_AUTHENTICATION,
	SDP_AUTHENTICATE_CLIENT,
	SDP_GET_BOUND_PROFILE_PACKAGE,
	SDP_CANCEL_SESSION,
	SDP_HANDLE_NOTIFICATION,
	_SDP_FUNCTION_MAX
};

/* The last part of the path, "initiateAuthentication". */
extern const char *const sdp_function_names[_SDP_FUNCTION_MAX];

enum sdp_code {
	SDP_DONE,
	SDP_ADDRESS_WRONG,              /* 8.8.1 / 3.8 */
	SDP_NO_CI_TO_SIGN,              /* 8.8.2 / 3.1 */
	SDP_SVN_WRONG,                  /* 8.8.3 / 3.1 */
	SDP_NO_CERTIFICATE,             /* 8.8.4 / 3.7 */
	SDP_DS_ADDRESS_WRONG,           /* 8.9.1 / 3.8 */
	SDP_DS_NO_CI_TO_SIGN,           /* 8.9.2 / 3.1 */
	SDP_DS_SVN_WRONG,               /* 8.9.3 / 3.1 */
	SDP_DS_NO_CERTIFICATE,          /* 8.9.4 / 3.7 */
	SDP_DS_EVENT_UNKNOWN,           /* 8.9.5 / 3.9 */
	SDP_TRANSACTION_UNKNOWN,        /* 8.10.1 / 3.9 */
	SDP_CI_UNKNOWN,                 /* 8.11.1 / 3.9 */
	SDP_EUM_INVALID,                /* 8.1.2 / 6.1 */
	SDP_EUM_EXPIRED,                /* 8.1.2 / 6.3 */
	SDP_EUICC_INVALID,              /* 8.1.3 / 6.1 */
	SDP_EUICC_EXPIRED,              /* 8.1.3 / 6.3 */
	SDP_SIGNATURE_WRONG,            /* 8.1 / 6.1 */
	SDP_EUICC_FULL,                 /* 8.1 / 4.8 */
	SDP_MATCHING_ID_REFUSED,        /* 8.2.6 / 3.8 */
	SDP_EID_WRONG,                  /* 8.1.1 / 3.8 */
	SDP_EID_MISSING,                /* 8.1.1 / 2.2 */
	SDP_EID_OTHER,                  /* 8.1.1 / 3.1 */
	SDP_NOT_ELIGIBLE,               /* 8.2.5 / 4.3 */
	SDP_NOT_RELEASED,               /* 8.2 / 1.2 */
	SDP_NOT_AVAILABLE,              /* 8.2 / 3.7 */
	SDP_TRIES_USED_UP,              /* 8.8.5 / 6.4 */
	SDP_ORDER_EXPIRED,              /* 8.8.5 / 4.10 */
	SDP_CC_MISSING,                 /* 8.2.7 / 2.2 */
	SDP_CC_REFUSED,                 /* 8.2.7 / 3.8 */
	SDP_CC_TRIES_USED_UP,           /* 8.2.7 / 6.4 */
	SDP_OID_WRONG,                  /* 8.8 / 3.10 */
	SDP_CONTEXT_MISSING,            /* 1.3.1 / 2.2 */
	SDP_CONTENT_TYPE_WRONG,         /* 1.2.1 / 2.1 */
	SDP_PROTOCOL_WRONG,             /* 1.2.2 / 2.1 */
	SDP_REQUEST_WRONG,              /* cannot be read; HTTP 400 */
	_SDP_CODE_MAX
};

struct sdp_code_text {
	const char *subject, *reason;
	const char *message;
};

extern const struct sdp_code_text sdp_code_texts[_SDP_CODE_MAX];

/* "8.2.6/3.8" as a code; -EINVAL: none of ours. */
int sdp_code_from(struct text t, enum sdp_code *ret);
/* What the ASN.1 binding answers, 127 where it has no name for it. */
unsigned sdp_code_number(enum sdp_code c, enum sdp_function f);

#endif
