#include "codec/base64.h"

#include <errno.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_encode(const void *data, size_t n, char *dst, size_t cap)
{
	const uint8_t *p = data;
	size_t at = 0;

	if (cap < BASE64_LEN(n) + 1)
		return -ENOSPC;
	for (; n >= 3; p += 3, n -= 3) {
		dst[at++] = digits[p[0] >> 2];
		dst[at++] = digits[(p[0] & 3) << 4 | p[1] >> 4];
		dst[at++] = digits[(p[1] & 15) << 2 | p[2] >> 6];
		dst[at++] = digits[p[2] & 63];
	}
	if (n) {
		dst[at++] = digits[p[0] >> 2];
		dst[at++] = digits[(p[0] & 3) << 4 | (n == 2 ? p[1] >> 4 : 0)];
		dst[at++] = n == 2 ? digits[(p[1] & 15) << 2] : '=';
		dst[at++] = '=';
	}
	dst[at] = '\0';
	return 0;
}

int base64_decode(struct text t, uint8_t *dst, size_t cap, size_t *ret_n)
{
	size_t n = 0, seen = 0, pads = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < t.n; i++) {
		char c = t.s[i];
		int d;

		/* MIME wraps lines; servers do it too. */
		if (c == '\r' || c == '\n')
			continue;
		if (c == '=') {
			pads++;
			continue;
		}
		d = base64_digit(c);
		if (d < 0 || pads)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		if (++seen % 4 == 0) {
			if (cap - n < 3)
				return -ENOSPC;
			dst[n++] = (uint8_t)(bits >> 16);
			dst[n++] = (uint8_t)(bits >> 8);
			dst[n++] = (uint8_t)bits;
		}
	}
	/* Two or three digits are one or two octets; the bits beyond must be zero, padding optional. */
	if (seen % 4 == 1 || pads > 2 || (pads && (seen + pads) % 4))
		return -EINVAL;
	if (seen % 4) {
		size_t more = seen % 4 - 1;

		bits <<= more == 1 ? 12 : 6;
		if (bits & (more == 1 ? 0xffff : 0xff))
			return -EINVAL;
		if (cap - n < more)
			return -ENOSPC;
		dst[n++] = (uint8_t)(bits >> 16);
		if (more == 2)
			dst[n++] = (uint8_t)(bits >> 8);
	}
	*ret_n = n;
	return 0;
}
