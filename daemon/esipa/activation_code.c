/* The activation code, GSMA SGP.22 4.1. */
#include <errno.h>

#include "esipa/es9p_read.h"

/* Upper case, digits and '-' by the book; servers are known to use the rest of what prints. */
static bool is_printable(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] <= 0x20 || t.s[i] >= 0x7f)
			return false;
	return true;
}

/* Digits in groups: "2.999.10". */
static bool is_oid(struct text t)
{
	if (t.n && t.s[t.n - 1] == '.')
		return false;
	while (t.n)
		if (!text_all_digits(text_cut(&t, '.')))
			return false;
	return true;
}

static const char *parse(struct text code, struct es9p_code *ret)
{
	struct text format, address, token, oid, flag;

	code = text_trim(code);
	if (code.n >= ES9P_CODE_MAX)
		return "at most 255 characters expected";
	if (!is_printable(code))
		return "printable characters without blanks expected";
	if (text_case_starts(code, "LPA:"))
		code = text_skip(code, 4);
	format = text_cut(&code, '$');
	if (!text_eq(format, "1"))
		return "1$ expected at its beginning";
	if (text_find(code, '$') == code.n)
		return "$ expected behind the address";
	address = text_cut(&code, '$');
	token = text_cut(&code, '$');
	oid = text_cut(&code, '$');
	flag = text_cut(&code, '$');
	if (!es9p_is_address(address))
		return "address of an SM-DP+ expected behind 1$";
	if (oid.n >= sizeof(ret->oid) || !is_oid(oid))
		return "SM-DP+ OID or nothing expected as the third part";
	if (flag.n && !text_eq(flag, "1") && !text_eq(flag, "0"))
		return "1 or nothing expected as the confirmation code flag";
	text_copy(address, ret->address, sizeof(ret->address));
	text_copy(token, ret->token, sizeof(ret->token));
	text_copy(oid, ret->oid, sizeof(ret->oid));
	ret->confirmation = text_eq(flag, "1");
	return NULL;
}

int es9p_code_parse(struct text code, struct es9p_code *ret, const char **ret_why)
{
	struct es9p_code c;
	const char *why = parse(code, &c);

	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	*ret = c;
	return 0;
}
