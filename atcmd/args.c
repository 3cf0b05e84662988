#include "atcmd/args.h"

#include <errno.h>

struct at_args at_args(struct text line, const char *prefix)
{
	struct at_args a = { .rest = text_trim(line), .more = true };

	if (!prefix)
		return a;
	if (!text_case_starts(a.rest, prefix))
		return (struct at_args){ .bad = true };
	a.rest = text_trim(text_skip(a.rest, strlen(prefix)));
	a.more = a.rest.n > 0;
	return a;
}

bool at_args_more(const struct at_args *a)
{
	return a->more && !a->bad;
}

/* Where the field ends: at a comma outside quotes and parentheses. */
static size_t field_end(struct text t)
{
	bool quoted = false;
	unsigned depth = 0;

	for (size_t i = 0; i < t.n; i++) {
		if (t.s[i] == '"')
			quoted = !quoted;
		else if (!quoted && t.s[i] == '(')
			depth++;
		else if (!quoted && t.s[i] == ')' && depth)
			depth--;
		else if (!quoted && !depth && t.s[i] == ',')
			return i;
	}
	return t.n;
}

struct text at_arg(struct at_args *a)
{
	struct text field;
	size_t end;

	if (!at_args_more(a)) {
		a->bad = true;
		return (struct text){ 0 };
	}
	end = field_end(a->rest);
	field = text_from(a->rest.s, end);
	a->more = end < a->rest.n;
	a->rest = text_skip(a->rest, end + 1);
	return text_trim(field);
}

struct text at_arg_str(struct at_args *a)
{
	return text_trim(text_unquote(at_arg(a)));
}

uint32_t at_arg_num(struct at_args *a)
{
	uint32_t v = 0;

	if (text_to_u32(at_arg_str(a), 10, &v) < 0)
		a->bad = true;
	return v;
}

int32_t at_arg_int(struct at_args *a)
{
	int32_t v = 0;

	if (text_to_i32(at_arg_str(a), &v) < 0)
		a->bad = true;
	return v;
}

bool at_arg_maybe_num(struct at_args *a, uint32_t *ret)
{
	struct text field;

	if (!at_args_more(a))
		return false;
	field = at_arg_str(a);
	if (field.n == 0)
		return false;
	if (text_to_u32(field, 10, ret) < 0) {
		a->bad = true;
		return false;
	}
	return true;
}

int at_args_end(const struct at_args *a)
{
	return a->bad ? -EBADMSG : 0;
}
