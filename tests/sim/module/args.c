/* Arguments of a command, split at commas outside quotes. */
#include <errno.h>

#include "sim/module/port.h"

struct text arg_next(struct text *rest)
{
	struct text t = *rest;
	bool quoted = false;
	size_t n = 0;

	while (n < t.n && (quoted || t.s[n] != ',')) {
		if (t.s[n] == '"')
			quoted = !quoted;
		n++;
	}
	*rest = text_skip(t, n + 1);
	return text_trim(text_from(t.s, n));
}

struct text arg_string(struct text *rest)
{
	return text_unquote(arg_next(rest));
}

int arg_number(struct text *rest, unsigned low, unsigned high, unsigned otherwise, unsigned *ret)
{
	struct text t = arg_next(rest);
	uint32_t v;

	if (t.n == 0) {
		*ret = otherwise;
		return 0;
	}
	if (text_to_u32(t, 10, &v) < 0 || v < low || v > high)
		return -EINVAL;
	*ret = v;
	return 0;
}
