/*
 * ES9+ and ES11 as HTTP bodies: the JSON binding (SGP.22 6.5.2) and the ASN.1 binding (6.6). A
 * request and its answer in memory; whoever has a connection, or none, can use it.
 */
#ifndef SIM_SMDP_HTTP_H
#define SIM_SMDP_HTTP_H

#include "sim/smdp/smdp.h"

#define SDP_BODY_MAX 262144             /* of a request */

struct sdp_request {
	struct text method, path;
	struct text content_type;       /* empty: the header is missing */
	struct text admin_protocol;     /* empty: it is missing, which is put up with */
	struct octets body;
};

/* What a fault does to the answer on its way out. */
struct sdp_wire {
	enum sdp_fault_kind kind;       /* CLOSE, STALL, NO_ANSWER, RESET; _SDP_FAULT_MAX: nothing */
	uint32_t slow_ms;               /* wait so long before it */
	uint32_t drip;                  /* so many octets at a time; 0: as fast as they go */
};

struct sdp_reply {
	unsigned status;                /* HTTP */
	const char *content_type;       /* static; NULL where there is no body */
	char admin_protocol[32];
	struct sdp_blob body;
	struct sdp_wire wire;
};

void sdp_serve(struct sdp *s, const struct sdp_request *q, struct sdp_reply *ret);
void sdp_reply_done(struct sdp_reply *r);

#endif
