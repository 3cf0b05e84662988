/* A recorded download from tests/vectors/rsp/session, and an SM-DP+ simulator to repeat it with. */
#ifndef SUPPORT_RSP_SESSION_H
#define SUPPORT_RSP_SESSION_H

#include <json-c/json.h>

#include "sim/smdp/smdp.h"

struct rsp_session {
	struct json_object *doc;
	struct sdp_blob fed;
	uint8_t *kept[64];
	size_t kept_n;
};

/* By name, "nist-cc-ppk". */
void rsp_session_open(struct rsp_session *v, const char *name);
void rsp_session_close(struct rsp_session *v);
/* A member in hexadecimal, as octets that live as long as the session; n = 0: not there. */
struct octets rsp_session_get(struct rsp_session *v, const char *member);

/*
 * An SM-DP+ in memory with the session's PKI and profile; what it would draw at random is what was
 * drawn then. again: only the transaction is new, the one-time keys are kept.
 */
void rsp_session_server(struct rsp_session *v, struct sdp *s);
void rsp_session_feed(struct rsp_session *v, struct sdp *s, bool again);
/* The requests of that time. */
struct sdp_call rsp_session_call(struct rsp_session *v, enum sdp_function f);

#endif
