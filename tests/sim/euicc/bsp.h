/*
 * The protection of the segments of a Bound Profile Package: SGP.22 2.5.3, 2.6.4 and annex G, which
 * take it from GlobalPlatform's SCP03t. One chain of MACs and one counter run through all segments,
 * whatever their tags; ReplaceSessionKeys starts both anew.
 */
#ifndef SIM_EUICC_BSP_H
#define SIM_EUICC_BSP_H

#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"
#include "sim/euicc/crypto.h"

#define VE_BSP_MAC_LEN 8
/* Servers cut at 1020 octets, one of them at 1036. */
#define VE_BSP_SEGMENT_MAX 1100

enum ve_bsp_tag {
	VE_BSP_PROFILE = 0x86,          /* encrypted */
	VE_BSP_COMMAND = 0x87,          /* encrypted */
	VE_BSP_METADATA = 0x88,         /* only protected by its MAC */
};

struct ve_bsp {
	uint8_t chain[VE_AES_LEN];
	uint8_t enc[VE_AES_LEN];
	uint8_t mac[VE_AES_LEN];
	uint32_t counter;
};

enum ve_bsp_end {
	VE_BSP_OK,
	VE_BSP_BAD_STRUCTURE,
	VE_BSP_BAD_MAC,
	_VE_BSP_END_MAX
};

/* The session keys from the shared secret; hostId as in the CRT, the EID as 16 octets. */
void ve_bsp_derive(struct ve_bsp *b, const uint8_t z[VE_SECRET_LEN], struct octets host,
		   struct octets eid);
void ve_bsp_replace(struct ve_bsp *b, const uint8_t chain[VE_AES_LEN],
		    const uint8_t enc[VE_AES_LEN], const uint8_t mac[VE_AES_LEN]);

/*
 * Checks and opens one segment, tag and length included. *ret_n octets of plain text are in dst,
 * which has room for VE_BSP_SEGMENT_MAX. After a failure the keys are of no more use.
 */
enum ve_bsp_end ve_bsp_open(struct ve_bsp *b, struct octets segment, uint8_t *dst, size_t *ret_n);

#endif
