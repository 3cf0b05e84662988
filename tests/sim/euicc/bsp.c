#include "sim/euicc/bsp.h"

#include <string.h>

#include "core/util.h"

/* Of the CRT: AES, 16 octets. */
#define KEY_TYPE 0x88
#define KEY_LENGTH 0x10

void ve_bsp_replace(struct ve_bsp *b, const uint8_t chain[VE_AES_LEN],
		    const uint8_t enc[VE_AES_LEN], const uint8_t mac[VE_AES_LEN])
{
	memcpy(b->chain, chain, VE_AES_LEN);
	memcpy(b->enc, enc, VE_AES_LEN);
	memcpy(b->mac, mac, VE_AES_LEN);
	b->counter = 1;
}

void ve_bsp_derive(struct ve_bsp *b, const uint8_t z[VE_SECRET_LEN], struct octets host,
		   struct octets eid)
{
	uint8_t info[64], keys[3 * VE_AES_LEN];
	size_t n = 0;

	info[n++] = KEY_TYPE;
	info[n++] = KEY_LENGTH;
	info[n++] = host.n;
	memcpy(info + n, host.p, MIN(host.n, 16u));
	n += MIN(host.n, 16u);
	info[n++] = eid.n;
	memcpy(info + n, eid.p, MIN(eid.n, 16u));
	n += MIN(eid.n, 16u);
	ve_x963(octets_from(z, VE_SECRET_LEN), octets_from(info, n), keys, sizeof(keys));
	ve_bsp_replace(b, keys, keys + VE_AES_LEN, keys + 2 * VE_AES_LEN);
	explicit_bzero(keys, sizeof(keys));
}

/* The MAC covers tag and length as they were sent, the length being that with the MAC. */
static bool mac_fits(struct ve_bsp *b, struct octets segment)
{
	const struct octets parts[] = {
		{ b->chain, VE_AES_LEN },
		{ segment.p, segment.n - VE_BSP_MAC_LEN },
	};
	uint8_t mac[VE_AES_LEN];

	ve_aes_cmac(b->mac, parts, ARRAY_SIZE(parts), mac);
	if (memcmp(mac, segment.p + segment.n - VE_BSP_MAC_LEN, VE_BSP_MAC_LEN) != 0)
		return false;
	memcpy(b->chain, mac, VE_AES_LEN);
	return true;
}

static enum ve_bsp_end decrypt(struct ve_bsp *b, uint8_t *data, size_t *n)
{
	const uint8_t block[VE_AES_LEN] = {
		[12] = b->counter >> 24, [13] = b->counter >> 16,
		[14] = b->counter >> 8, [15] = b->counter,
	};
	uint8_t icv[VE_AES_LEN];
	size_t len = *n;

	if (!len || len % VE_AES_LEN)
		return VE_BSP_BAD_STRUCTURE;
	ve_aes_block(b->enc, block, icv);
	ve_aes_cbc_decrypt(b->enc, icv, data, len);
	while (len && data[len - 1] == 0)
		len--;
	if (!len || data[len - 1] != 0x80 || *n - len >= VE_AES_LEN)
		return VE_BSP_BAD_STRUCTURE;
	*n = len - 1;
	return VE_BSP_OK;
}

enum ve_bsp_end ve_bsp_open(struct ve_bsp *b, struct octets segment, uint8_t *dst, size_t *ret_n)
{
	uint32_t tag;
	size_t head, n;
	enum ve_bsp_end r = VE_BSP_OK;

	if (tlv_head(segment.p, segment.n, &tag, &head, &n) || head + n != segment.n ||
	    n < VE_BSP_MAC_LEN || segment.n > VE_BSP_SEGMENT_MAX)
		return VE_BSP_BAD_STRUCTURE;
	if (!mac_fits(b, segment))
		return VE_BSP_BAD_MAC;
	n -= VE_BSP_MAC_LEN;
	memcpy(dst, segment.p + head, n);
	if (tag != VE_BSP_METADATA)
		r = decrypt(b, dst, &n);
	b->counter++;
	if (r == VE_BSP_OK)
		*ret_n = n;
	return r;
}
