/* Command APDUs, ISO/IEC 7816-3 12.1 (short) and the coding of channels, ISO/IEC 7816-4 5.4.1. */
#ifndef SIM_EUICC_APDU_H
#define SIM_EUICC_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/tlv.h"

#define APDU_CHANNELS 20

enum {
	SW_OK = 0x9000,
	SW_MORE = 0x6100,
	SW_NO_CHANGE = 0x6200,
	SW_TRIES = 0x63c0,
	SW_MEMORY_FAILURE = 0x6581,
	SW_LENGTH = 0x6700,
	SW_CHANNEL = 0x6881,
	SW_SECURITY = 0x6982,
	SW_BLOCKED = 0x6983,
	SW_CONDITIONS = 0x6985,
	SW_NO_EF = 0x6986,
	SW_DATA = 0x6a80,
	SW_NO_FUNCTION = 0x6a81,
	SW_NOT_FOUND = 0x6a82,
	SW_NO_RECORD = 0x6a83,
	SW_NO_ROOM = 0x6a84,
	SW_P1P2 = 0x6a86,
	SW_INVALIDATED = 0x6984,        /* the PIN is disabled */
	SW_REFERENCE = 0x6a88,
	SW_OFFSET = 0x6b00,
	SW_EXACT = 0x6c00,
	SW_INS = 0x6d00,
	SW_CLA = 0x6e00,
	SW_PROACTIVE = 0x9100,
};

struct apdu {
	bool proprietary;       /* class 8x, Cx, Ex: not ISO's */
	unsigned channel;
	uint8_t ins, p1, p2;
	struct octets data;
	bool has_le;
	size_t le;              /* 1..256 */
};

/* SW_OK, or the status word that a card gives for such a command. */
uint16_t apdu_parse(const uint8_t *p, size_t n, struct apdu *ret);

#endif
