#include "sim/eim/order_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int se_order_fail(struct se_order_words *o, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->why, SE_WHY_MAX, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* The next word, which must be there. */
const char *se_order_next(struct se_order_words *o, const char *expected)
{
	if (!o->argc) {
		se_order_fail(o, "%s: expected %s", o->argv[-1], expected);
		return NULL;
	}
	o->argc--;
	return *o->argv++;
}

bool se_order_next_is(struct se_order_words *o, const char *word)
{
	if (!o->argc || strcmp(o->argv[0], word) != 0)
		return false;
	o->argc--;
	o->argv++;
	return true;
}

int se_order_end(struct se_order_words *o)
{
	return o->argc ? se_order_fail(o, "%s: not expected here", o->argv[0]) : 0;
}

int se_order_take_number(struct se_order_words *o, uint32_t *ret)
{
	const char *s = se_order_next(o, "a number");

	if (!s)
		return -EINVAL;
	return text_to_u32(text_of(s), 10, ret) < 0 ? se_order_fail(o, "%s: expected a number", s) : 0;
}
