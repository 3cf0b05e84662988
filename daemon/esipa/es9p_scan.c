/*
 * Where the members of a JSON object begin and end, found without a copy of it. json-c does the
 * real reading; this is for what it cannot do: leave a package of many kilobytes where it is, and
 * see that a name stands there twice, of which it would silently take the last.
 *
 * Every place is decided by quotes, backslashes and brackets alone. Where the text is JSON, this
 * finds what json-c finds; where it is not, json-c refuses it later, and all that matters here is
 * not to leave the text.
 */
#include "esipa/es9p_read.h"

#include <errno.h>

#include "core/hex.h"

static const char ends_early[] = "it ends in the middle";

static int escaped_unit(struct text *t)
{
	int unit = 0;

	if (t->n < 4)
		return ES9P_CHAR_BROKEN;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(t->s[i]);

		if (d < 0)
			return ES9P_CHAR_BROKEN;
		unit = unit << 4 | d;
	}
	*t = text_skip(*t, 4);
	return unit;
}

int es9p_scan_char(struct text *t)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	char c;

	if (t->n == 0)
		return ES9P_CHAR_END;
	c = *t->s;
	*t = text_skip(*t, 1);
	if (c != '\\')
		return (unsigned char)c;
	if (t->n == 0)
		return ES9P_CHAR_BROKEN;
	c = *t->s;
	*t = text_skip(*t, 1);
	if (c == 'u')
		return escaped_unit(t);
	letter = memchr(letters, c, sizeof(letters) - 1);
	return letter ? meant[letter - letters] : ES9P_CHAR_BROKEN;
}

bool es9p_scan_is(struct text name, const char *plain)
{
	int c;

	while ((c = es9p_scan_char(&name)) >= 0)
		if (c == 0 || c != (unsigned char)*plain++)
			return false;
	return c == ES9P_CHAR_END && *plain == '\0';
}

static bool same_name(struct text a, struct text b)
{
	int c, d;

	do {
		c = es9p_scan_char(&a);
		d = es9p_scan_char(&b);
	} while (c == d && c >= 0);
	return c == d;
}

static char next(struct text *t)
{
	while (t->n > 0 && (*t->s == ' ' || *t->s == '\t' || *t->s == '\r' || *t->s == '\n'))
		*t = text_skip(*t, 1);
	return t->n > 0 ? *t->s : '\0';
}

/* Takes a string with its quotes; false: it has no end. */
static bool pass_string(struct text *t)
{
	for (size_t i = 1; i < t->n; i++) {
		if (t->s[i] == '\\') {
			i++;
		} else if (t->s[i] == '"') {
			*t = text_skip(*t, i + 1);
			return true;
		}
	}
	return false;
}

/* Takes an object or array, whatever is in it. */
static bool pass_nest(struct text *t)
{
	size_t depth = 0;

	while (t->n > 0) {
		char c = *t->s;

		if (c == '"') {
			if (!pass_string(t))
				return false;
			continue;
		}
		*t = text_skip(*t, 1);
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return true;
	}
	return false;
}

/* Takes a number or word, up to what may stand behind one. */
static bool pass_word(struct text *t)
{
	size_t i = 0;

	while (i < t->n && !memchr(",}] \t\r\n", t->s[i], 7))
		i++;
	*t = text_skip(*t, i);
	return t->n > 0;
}

static bool pass_value(struct text *t)
{
	switch (*t->s) {
	case '"':
		return pass_string(t);
	case '{':
	case '[':
		return pass_nest(t);
	default:
		return pass_word(t);
	}
}

/* One member, and what stands behind it: ',' or '}' taken; NULL or what is wrong. */
static const char *take_member(struct text *t, struct es9p_member *ret, bool *ret_last)
{
	const char *start;
	char c = next(t);

	if (c != '"')
		return t->n ? "a name in quotes is missing" : ends_early;
	start = t->s;
	if (!pass_string(t))
		return ends_early;
	ret->name = text_from(start + 1, (size_t)(t->s - start) - 2);
	if (next(t) != ':')
		return t->n ? "a colon is missing" : ends_early;
	*t = text_skip(*t, 1);
	next(t);
	start = t->s;
	if (t->n == 0 || !pass_value(t))
		return ends_early;
	ret->value = text_from(start, (size_t)(t->s - start));
	c = next(t);
	if (c != ',' && c != '}')
		return t->n ? "a comma is missing" : ends_early;
	*t = text_skip(*t, 1);
	*ret_last = c == '}';
	return NULL;
}

/* A member of this name whose value has begun. */
static bool begins_member(struct text t, const char *name, struct text *ret_value)
{
	const char *start;

	if (next(&t) != '"')
		return false;
	start = t.s;
	if (!pass_string(&t) || !es9p_scan_is(text_from(start + 1, (size_t)(t.s - start) - 2), name) ||
	    next(&t) != ':')
		return false;
	t = text_skip(t, 1);
	*ret_value = t;
	return next(ret_value) != '\0';
}

int es9p_scan_to(struct text t, const char *name, struct text *ret_value)
{
	const char *why = next(&t) == '{' ? NULL : t.n ? "it is no object" : ends_early;
	struct es9p_member m;
	bool last = false;

	if (!why)
		t = text_skip(t, 1);
	while (!why && !last) {
		/* The one that is wanted is, while it comes in, cut short itself. */
		if (begins_member(t, name, ret_value))
			return 0;
		why = take_member(&t, &m, &last);
	}
	return why == ends_early ? -EAGAIN : -EBADMSG;
}

int es9p_scan(struct text t, struct es9p_member ret[ES9P_MEMBERS_MAX], size_t *ret_n,
	      const char **ret_why)
{
	size_t n = 0;
	bool last = false;

	*ret_why = next(&t) == '{' ? NULL : t.n ? "it is no object" : "it is empty";
	if (*ret_why)
		return -EBADMSG;
	t = text_skip(t, 1);
	if (next(&t) == '}')
		last = true;
	for (; !last; n++) {
		struct es9p_member m;

		*ret_why = n < ES9P_MEMBERS_MAX ? take_member(&t, &m, &last) : "too many members";
		for (size_t i = 0; !*ret_why && i < n; i++)
			if (same_name(ret[i].name, m.name))
				*ret_why = "two members of one name";
		if (*ret_why)
			return -EBADMSG;
		ret[n] = m;
	}
	*ret_n = n;
	return 0;
}
