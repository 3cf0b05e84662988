#include "core/text.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "core/hex.h"

bool text_eq(struct text t, const char *s)
{
	return t.n == strlen(s) && (t.n == 0 || memcmp(t.s, s, t.n) == 0);
}

bool text_case_eq(struct text t, const char *s)
{
	return t.n == strlen(s) && (t.n == 0 || strncasecmp(t.s, s, t.n) == 0);
}

bool text_same(struct text a, struct text b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

bool text_starts(struct text t, const char *prefix)
{
	size_t n = strlen(prefix);

	return t.n >= n && (n == 0 || memcmp(t.s, prefix, n) == 0);
}

bool text_case_starts(struct text t, const char *prefix)
{
	size_t n = strlen(prefix);

	return t.n >= n && (n == 0 || strncasecmp(t.s, prefix, n) == 0);
}

bool text_has(struct text t, const char *needle)
{
	return t.n && memmem(t.s, t.n, needle, strlen(needle)) != NULL;
}

size_t text_find(struct text t, char c)
{
	const char *at = t.n ? memchr(t.s, c, t.n) : NULL;

	return at ? (size_t)(at - t.s) : t.n;
}

struct text text_skip(struct text t, size_t n)
{
	if (n > t.n)
		n = t.n;
	return t.n ? text_from(t.s + n, t.n - n) : t;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text t)
{
	while (t.n && is_blank(t.s[0]))
		t = text_skip(t, 1);
	while (t.n && is_blank(t.s[t.n - 1]))
		t.n--;
	return t;
}

struct text text_unquote(struct text t)
{
	if (t.n >= 2 && t.s[0] == '"' && t.s[t.n - 1] == '"')
		return text_from(t.s + 1, t.n - 2);
	return t;
}

struct text text_cut(struct text *rest, char sep)
{
	size_t at = text_find(*rest, sep);
	struct text head = text_from(rest->s, at);

	*rest = text_skip(*rest, at + 1);
	return head;
}

int text_to_u64(struct text t, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;

	if (t.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < t.n; i++) {
		int d = hex_digit(t.s[i]);

		if (d < 0 || (unsigned)d >= base)
			return -EINVAL;
		if (v > (UINT64_MAX - (unsigned)d) / base)
			return -ERANGE;
		v = v * base + (unsigned)d;
	}
	*ret = v;
	return 0;
}

int text_to_u32(struct text t, unsigned base, uint32_t *ret)
{
	uint64_t v;
	int r = text_to_u64(t, base, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int text_to_i32(struct text t, int32_t *ret)
{
	bool minus = t.n && t.s[0] == '-';
	uint64_t v;
	int r = text_to_u64(minus ? text_skip(t, 1) : t, 10, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT32_MAX + minus)
		return -ERANGE;
	*ret = minus ? (int32_t)-(int64_t)v : (int32_t)v;
	return 0;
}

bool text_all_digits(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] < '0' || t.s[i] > '9')
			return false;
	return t.n > 0;
}

bool text_all_hex(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (hex_digit(t.s[i]) < 0)
			return false;
	return t.n > 0;
}

int text_copy(struct text t, char *dst, size_t cap)
{
	if (cap)
		dst[0] = '\0';
	if (t.n >= cap)
		return -ENOSPC;
	if (t.n)
		memcpy(dst, t.s, t.n);
	dst[t.n] = '\0';
	return 0;
}

void text_escape(const void *data, size_t n, char *dst, size_t cap)
{
	static const char named[] = { ['\r'] = 'r', ['\n'] = 'n', ['\t'] = 't', ['\\'] = '\\' };
	const unsigned char *p = data;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		char one[5];

		if (p[i] == 0)
			snprintf(one, sizeof(one), "\\0");
		else if (p[i] < sizeof(named) && named[p[i]])
			snprintf(one, sizeof(one), "\\%c", named[p[i]]);
		else if (p[i] < 0x20 || p[i] > 0x7e)
			snprintf(one, sizeof(one), "\\x%02X", p[i]);
		else
			snprintf(one, sizeof(one), "%c", p[i]);

		size_t len = strlen(one);

		/* Room for "..." and the NUL stays free until the last octet. */
		if (at + len + (i + 1 < n ? 3 : 0) + 1 > cap) {
			if (at + 4 <= cap) {
				memcpy(dst + at, "...", 3);
				at += 3;
			}
			break;
		}
		memcpy(dst + at, one, len);
		at += len;
	}
	if (cap)
		dst[at] = '\0';
}
