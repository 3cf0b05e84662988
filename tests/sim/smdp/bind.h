/*
 * Binding a profile to one eUICC: key agreement, protection of the segments (BSP) and the Bound
 * Profile Package, SGP.22 2.5.3 to 2.5.5 and 2.6.4.
 */
#ifndef SIM_SMDP_BIND_H
#define SIM_SMDP_BIND_H

#include "sim/smdp/cert.h"
#include "sim/smdp/crypto.h"

#define SDP_HOST_ID_MAX 16
#define SDP_TID_MAX 16

/* The largest protected segment, tag, length and MAC included; what the field's servers send. */
#define SDP_SEGMENT_MAX 1020
#define SDP_SEGMENT_MIN 40
#define SDP_SEGMENT_LIMIT 1100          /* more than the standard allows, for receivers' tests */

/* Keys and chain of a protected stream. All three kinds of segment share one chain and counter. */
struct sdp_bsp {
	uint8_t enc[SDP_BLOCK_LEN], mac[SDP_BLOCK_LEN];
	uint8_t chain[SDP_BLOCK_LEN];
	uint32_t counter;
};

void sdp_bsp_open(struct sdp_bsp *b, const uint8_t z[SDP_SCALAR_LEN], struct octets host_id,
		  const uint8_t eid[SDP_EID_LEN]);
/* 86 and 87 are encrypted, 88 is only authenticated. */
void sdp_bsp_put(struct sdp_bsp *b, struct tlv_out *w, uint32_t tag, struct octets plain);

/* The keys that stand for the session's when the profile itself is sent. */
struct sdp_ppk {
	uint8_t chain[SDP_BLOCK_LEN], enc[SDP_BLOCK_LEN], mac[SDP_BLOCK_LEN];
};

struct sdp_binding {
	const struct sdp_key *sign;             /* SK.DPpb */
	const struct sdp_key *one_time;         /* otSK.DP */
	const uint8_t *euicc_point;             /* otPK.EUICC, SDP_POINT_LEN */
	const uint8_t *eid;                     /* SDP_EID_LEN */
	struct octets tid, host_id;
	struct octets metadata;                 /* BF25 */
	struct octets upp;
	const struct sdp_ppk *ppk;              /* NULL: the session's keys to the end */
	size_t segment;                         /* at most so many octets each; 0: SDP_SEGMENT_MAX */
};

/*
 * In two parts: A0 to A3 hold for as long as the one-time keys do, and are kept for a second
 * attempt; only BF23 belongs to the transaction. -EBADMSG: the eUICC's point is not on the curve.
 */
int sdp_bind_body(const struct sdp_binding *b, struct sdp_blob *ret);
int sdp_bind(const struct sdp_binding *b, struct octets body, struct sdp_blob *ret);

#endif
