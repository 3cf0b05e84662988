#include "sim/smdp/fault.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"

const char *const sdp_fault_names[_SDP_FAULT_MAX] = {
	[SDP_FAULT_STATUS] = "status",
	[SDP_FAULT_HTTP] = "http",
	[SDP_FAULT_SIGNATURE] = "wrong-signature",
	[SDP_FAULT_CERTIFICATE] = "wrong-certificate",
	[SDP_FAULT_TRANSACTION] = "wrong-transaction",
	[SDP_FAULT_CHALLENGE] = "wrong-challenge",
	[SDP_FAULT_ADDRESS] = "wrong-address",
	[SDP_FAULT_METADATA] = "wrong-metadata",
	[SDP_FAULT_TAMPER] = "tamper",
	[SDP_FAULT_TRANSACTION_TEXT] = "wrong-transaction-text",
	[SDP_FAULT_BASE64] = "wrong-base64",
	[SDP_FAULT_MISSING] = "missing",
	[SDP_FAULT_HUGE] = "huge",
	[SDP_FAULT_TRUNCATED] = "truncated",
	[SDP_FAULT_GARBAGE] = "garbage",
	[SDP_FAULT_EMPTY] = "empty",
	[SDP_FAULT_SLOW] = "slow",
	[SDP_FAULT_DRIP] = "drip",
	[SDP_FAULT_CLOSE] = "close",
	[SDP_FAULT_STALL] = "stall",
	[SDP_FAULT_NO_ANSWER] = "no-answer",
	[SDP_FAULT_RESET] = "reset",
};

static int find(const char *const *names, size_t n, struct text t, size_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (text_eq(t, names[i])) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_option(struct sdp_fault *f, struct text key, struct text value,
		       const char **ret_why)
{
	size_t i = _SDP_FUNCTION_MAX;

	if (text_eq(key, "on")) {
		*ret_why = "on=: no such function";
		if (!text_eq(value, "any") &&
		    find(sdp_function_names, _SDP_FUNCTION_MAX, value, &i) < 0)
			return -EINVAL;
		f->on = (enum sdp_function)i;
		return 0;
	}
	if (text_eq(key, "count") && text_eq(value, "forever")) {
		f->count = SDP_FAULT_FOREVER;
		return 0;
	}
	*ret_why = "no such option, or no number: on= count= after=";
	if (text_eq(key, "count"))
		return text_to_u32(value, 10, &f->count);
	if (text_eq(key, "after"))
		return text_to_u32(value, 10, &f->after);
	return -EINVAL;
}

int sdp_fault_add(struct sdp_faults *f, struct text line, const char **ret_why)
{
	struct sdp_fault fault = { .on = _SDP_FUNCTION_MAX, .count = 1 };
	struct text rest = text_trim(line), value = text_cut(&rest, ',');
	struct text kind = text_cut(&value, '=');
	size_t i;

	*ret_why = "no such fault";
	if (find(sdp_fault_names, _SDP_FAULT_MAX, kind, &i) < 0)
		return -EINVAL;
	fault.kind = (enum sdp_fault_kind)i;
	*ret_why = "the value is too long";
	if (text_copy(value, fault.value, sizeof(fault.value)) < 0)
		return -EINVAL;
	while (rest.n) {
		struct text option = text_cut(&rest, ','), key = text_cut(&option, '=');

		if (take_option(&fault, key, option, ret_why) < 0)
			return -EINVAL;
	}
	*ret_why = "too many faults are armed";
	if (f->n == SDP_FAULTS_MAX)
		return -ENOSPC;
	f->list[f->n++] = fault;
	return 0;
}

const char *sdp_fault_peek(const struct sdp_faults *f, enum sdp_fault_kind kind,
			   enum sdp_function on)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct sdp_fault *x = &f->list[i];

		if (x->kind == kind && (x->on == on || x->on == _SDP_FUNCTION_MAX))
			return x->value;
	}
	return NULL;
}

bool sdp_fault_strikes(struct sdp_faults *f, enum sdp_fault_kind kind, enum sdp_function on,
		       char ret_value[SDP_FAULT_VALUE_MAX])
{
	for (size_t i = 0; i < f->n; i++) {
		struct sdp_fault *x = &f->list[i];

		if (x->kind != kind || (x->on != on && x->on != _SDP_FUNCTION_MAX))
			continue;
		if (x->after) {
			x->after--;
			continue;
		}
		if (ret_value)
			memcpy(ret_value, x->value, SDP_FAULT_VALUE_MAX);
		f->struck++;
		if (x->count != SDP_FAULT_FOREVER && x->count-- <= 1) {
			memmove(x, x + 1, (f->n - i - 1) * sizeof(*x));
			f->n--;
		}
		return true;
	}
	return false;
}

uint32_t sdp_fault_number(const char *value, uint32_t otherwise)
{
	uint32_t n;

	return text_to_u32(text_of(value), 10, &n) == 0 ? n : otherwise;
}
