#include "sim/euicc/apdu.h"

/* Bit 7 set: channels 4 to 19 in the low four bits; else 0 to 3 in the low two. */
static bool parse_class(uint8_t cla, struct apdu *a)
{
	if (cla == 0xff || (cla & 0x60) == 0x20)
		return false;
	a->proprietary = cla & 0x80;
	a->channel = cla & 0x40 ? 4 + (cla & 0x0f) : cla & 0x03;
	return true;
}

uint16_t apdu_parse(const uint8_t *p, size_t n, struct apdu *ret)
{
	struct apdu a = { 0 };

	if (n < 4)
		return SW_LENGTH;
	if (!parse_class(p[0], &a))
		return SW_CLA;
	a.ins = p[1];
	a.p1 = p[2];
	a.p2 = p[3];
	if (n == 5 || (n > 5 && n == 6u + p[4])) {
		a.has_le = true;
		a.le = p[n - 1] ? p[n - 1] : 256;
	}
	if (n > 5) {
		if (!p[4] || (n != 5u + p[4] && n != 6u + p[4]))
			return SW_LENGTH;
		a.data = octets_from(p + 5, p[4]);
	}
	*ret = a;
	return SW_OK;
}
