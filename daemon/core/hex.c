#include "core/hex.h"

#include <assert.h>
#include <errno.h>

void hex_encode(const void *data, size_t n, char *dst, size_t cap)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *p = data;

	assert(cap > 2 * n);
	for (size_t i = 0; i < n; i++) {
		dst[2 * i] = digits[p[i] >> 4];
		dst[2 * i + 1] = digits[p[i] & 15];
	}
	dst[2 * n] = '\0';
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_decode(struct text t, uint8_t *dst, size_t cap, size_t *ret_n)
{
	if (t.n % 2)
		return -EINVAL;
	if (t.n / 2 > cap)
		return -ENOSPC;
	for (size_t i = 0; i < t.n; i += 2) {
		int hi = hex_digit(t.s[i]), lo = hex_digit(t.s[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		dst[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	*ret_n = t.n / 2;
	return 0;
}
