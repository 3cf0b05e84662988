#include "sim/smdp/code.h"

#include <errno.h>

#include "core/util.h"

const char *const sdp_function_names[_SDP_FUNCTION_MAX] = {
	[SDP_INITIATE_AUTHENTICATION] = "initiateAuthentication",
	[SDP_AUTHENTICATE_CLIENT] = "authenticateClient",
	[SDP_GET_BOUND_PROFILE_PACKAGE] = "getBoundProfilePackage",
	[SDP_CANCEL_SESSION] = "cancelSession",
	[SDP_HANDLE_NOTIFICATION] = "handleNotification",
};

const struct sdp_code_text sdp_code_texts[_SDP_CODE_MAX] = {
	[SDP_DONE] = { "", "", "" },
	[SDP_ADDRESS_WRONG] = { "8.8.1", "3.8", "Refused" },
	[SDP_NO_CI_TO_SIGN] = { "8.8.2", "3.1", "Unsupported" },
	[SDP_SVN_WRONG] = { "8.8.3", "3.1", "Unsupported" },
	[SDP_NO_CERTIFICATE] = { "8.8.4", "3.7", "Unavailable" },
	[SDP_DS_ADDRESS_WRONG] = { "8.9.1", "3.8", "Refused" },
	[SDP_DS_NO_CI_TO_SIGN] = { "8.9.2", "3.1", "Unsupported" },
	[SDP_DS_SVN_WRONG] = { "8.9.3", "3.1", "Unsupported" },
	[SDP_DS_NO_CERTIFICATE] = { "8.9.4", "3.7", "Unavailable" },
	[SDP_DS_EVENT_UNKNOWN] = { "8.9.5", "3.9", "Unknown" },
	[SDP_TRANSACTION_UNKNOWN] = { "8.10.1", "3.9", "Unknown" },
	[SDP_CI_UNKNOWN] = { "8.11.1", "3.9", "Unknown" },
	[SDP_EUM_INVALID] = { "8.1.2", "6.1", "Verification failed" },
	[SDP_EUM_EXPIRED] = { "8.1.2", "6.3", "Expired" },
	[SDP_EUICC_INVALID] = { "8.1.3", "6.1", "Verification failed" },
	[SDP_EUICC_EXPIRED] = { "8.1.3", "6.3", "Expired" },
	[SDP_SIGNATURE_WRONG] = { "8.1", "6.1", "Verification failed" },
	[SDP_EUICC_FULL] = { "8.1", "4.8", "Insufficient memory" },
	[SDP_MATCHING_ID_REFUSED] = { "8.2.6", "3.8", "Refused" },
	[SDP_EID_WRONG] = { "8.1.1", "3.8", "Refused" },
	[SDP_EID_MISSING] = { "8.1.1", "2.2", "Mandatory element missing" },
	[SDP_EID_OTHER] = { "8.1.1", "3.1", "Unsupported" },
	[SDP_NOT_ELIGIBLE] = { "8.2.5", "4.3", "Stopped on warning" },
	[SDP_NOT_RELEASED] = { "8.2", "1.2", "Not allowed" },
	[SDP_NOT_AVAILABLE] = { "8.2", "3.7", "Unavailable" },
	[SDP_TRIES_USED_UP] = { "8.8.5", "6.4", "Maximum number of retries exceeded" },
	[SDP_ORDER_EXPIRED] = { "8.8.5", "4.10", "Time to live expired" },
	[SDP_CC_MISSING] = { "8.2.7", "2.2", "Mandatory element missing" },
	[SDP_CC_REFUSED] = { "8.2.7", "3.8", "Refused" },
	[SDP_CC_TRIES_USED_UP] = { "8.2.7", "6.4", "Maximum number of retries exceeded" },
	[SDP_OID_WRONG] = { "8.8", "3.10", "Invalid association" },
	[SDP_CONTEXT_MISSING] = { "1.3.1", "2.2", "Mandatory element missing" },
	[SDP_CONTENT_TYPE_WRONG] = { "1.2.1", "2.1", "Invalid" },
	[SDP_PROTOCOL_WRONG] = { "1.2.2", "2.1", "Invalid" },
	[SDP_REQUEST_WRONG] = { "1.3", "2.1", "Invalid" },
};

int sdp_code_from(struct text t, enum sdp_code *ret)
{
	struct text reason = t, subject = text_cut(&reason, '/');

	for (size_t i = SDP_DONE + 1; i < _SDP_CODE_MAX; i++) {
		if (text_eq(subject, sdp_code_texts[i].subject) &&
		    text_eq(reason, sdp_code_texts[i].reason)) {
			*ret = (enum sdp_code)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The INTEGER alternatives of the ASN.1 responses. */
static const struct {
	enum sdp_function f;
	enum sdp_code code;
	unsigned number;
} numbers[] = {
	{ SDP_INITIATE_AUTHENTICATION, SDP_ADDRESS_WRONG, 1 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_DS_ADDRESS_WRONG, 1 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_SVN_WRONG, 2 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_DS_SVN_WRONG, 2 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_NO_CI_TO_SIGN, 3 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_NO_CERTIFICATE, 3 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_DS_NO_CI_TO_SIGN, 3 },
	{ SDP_INITIATE_AUTHENTICATION, SDP_DS_NO_CERTIFICATE, 3 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EUM_INVALID, 1 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EUM_EXPIRED, 2 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EUICC_INVALID, 3 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EUICC_EXPIRED, 4 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_SIGNATURE_WRONG, 5 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_MATCHING_ID_REFUSED, 6 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EID_WRONG, 7 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_NOT_ELIGIBLE, 8 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_CI_UNKNOWN, 9 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_TRANSACTION_UNKNOWN, 10 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_EUICC_FULL, 11 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_ORDER_EXPIRED, 18 },
	{ SDP_AUTHENTICATE_CLIENT, SDP_DS_EVENT_UNKNOWN, 56 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_SIGNATURE_WRONG, 1 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_CC_MISSING, 2 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_CC_REFUSED, 3 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_CC_TRIES_USED_UP, 4 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_NOT_AVAILABLE, 5 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_ORDER_EXPIRED, 6 },
	{ SDP_GET_BOUND_PROFILE_PACKAGE, SDP_TRANSACTION_UNKNOWN, 95 },
	{ SDP_CANCEL_SESSION, SDP_TRANSACTION_UNKNOWN, 1 },
	{ SDP_CANCEL_SESSION, SDP_SIGNATURE_WRONG, 2 },
};

unsigned sdp_code_number(enum sdp_code c, enum sdp_function f)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].f == f && numbers[i].code == c)
			return numbers[i].number;
	}
	return 127;
}
