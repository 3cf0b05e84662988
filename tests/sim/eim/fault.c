#include "sim/eim/fault.h"

#include <errno.h>
#include <string.h>

const char *const se_fault_names[_SE_FAULT_MAX] = {
	[SE_FAULT_TLS_RESET] = "tls-reset",
	[SE_FAULT_RESET] = "reset",
	[SE_FAULT_NO_ANSWER] = "no-answer",
	[SE_FAULT_SLOW] = "slow",
	[SE_FAULT_CLOSE] = "close",
	[SE_FAULT_STALL] = "stall",
	[SE_FAULT_ACK_ONLY] = "ack-only",
	[SE_FAULT_RST] = "rst",
	[SE_FAULT_REBIND] = "rebind",
	[SE_FAULT_UNREACHABLE] = "unreachable",
	[SE_FAULT_LOST_AFTER_SWITCH] = "lost-after-switch",
	[SE_FAULT_HTTP] = "http",
	[SE_FAULT_CONTENT_TYPE] = "content-type",
	[SE_FAULT_GARBAGE] = "garbage",
	[SE_FAULT_TRUNCATED] = "truncated",
	[SE_FAULT_EMPTY] = "empty",
	[SE_FAULT_WRONG_TAG] = "wrong-tag",
	[SE_FAULT_TRAILING] = "trailing",
	[SE_FAULT_ACK_WRONG] = "ack-wrong",
	[SE_FAULT_REPLAY] = "replay",
	[SE_FAULT_BAD_SIGNATURE] = "bad-signature",
	[SE_FAULT_WRONG_EID] = "wrong-eid",
	[SE_FAULT_LOW_COUNTER] = "low-counter",
	[SE_FAULT_UNKNOWN_PSMO] = "unknown-psmo",
};

const char *const se_on_names[_SE_ON_MAX] = {
	[SE_ON_ANY] = "any",
	[SE_ON_GET] = "get",
	[SE_ON_RESULT] = "result",
	[SE_ON_NOTIFY] = "notify",
	[SE_ON_RSP] = "rsp",
	[SE_ON_BLOCK] = "block",
};

void se_faults_init(struct se_faults *f, uint32_t seed)
{
	*f = (struct se_faults){ .seed = seed };
}

uint32_t se_fault_roll(struct se_faults *f, uint32_t below)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (f->seed >> 8) % below;
}

static int find(const char *const *names, size_t n, struct text name)
{
	for (size_t i = 0; i < n; i++) {
		if (text_eq(name, names[i]))
			return (int)i;
	}
	return -EINVAL;
}

static int set_option(struct se_fault *one, struct text key, struct text value)
{
	int on;

	if (text_eq(key, "on")) {
		on = find(se_on_names, _SE_ON_MAX, value);
		if (on < 0)
			return on;
		one->on = (enum se_fault_on)on;
		return 0;
	}
	if (text_eq(key, "count") && text_eq(value, "forever")) {
		one->count = SE_FAULT_FOREVER;
		return 0;
	}
	if (text_eq(key, "count"))
		return text_to_u32(value, 10, &one->count);
	if (text_eq(key, "after"))
		return text_to_u32(value, 10, &one->after);
	if (text_eq(key, "chance"))
		return text_to_u32(value, 10, &one->chance);
	return -EINVAL;
}

int se_fault_add(struct se_faults *f, struct text line, const char **ret_why)
{
	struct se_fault one = { .count = 1, .chance = 100 };
	struct text rest = text_trim(line), head = text_cut(&rest, ',');
	struct text value = head, name = text_cut(&value, '=');
	int kind = find(se_fault_names, _SE_FAULT_MAX, name);

	if (f->n == SE_FAULTS_MAX) {
		*ret_why = "too many faults are armed";
		return -ENOSPC;
	}
	if (kind < 0) {
		*ret_why = "no such fault";
		return -EINVAL;
	}
	one.kind = (enum se_fault_kind)kind;
	if (text_copy(value, one.value, sizeof(one.value)) < 0) {
		*ret_why = "the value is too long";
		return -EINVAL;
	}
	while (rest.n) {
		struct text option = text_cut(&rest, ','), key = text_cut(&option, '=');

		if (set_option(&one, key, option) < 0 || one.chance > 100 || !one.count) {
			*ret_why = "expected on=, count=, after= or chance= with a value that fits";
			return -EINVAL;
		}
	}
	f->list[f->n++] = one;
	return 0;
}

void se_fault_clear(struct se_faults *f)
{
	f->n = 0;
}

/* A block is no message: only who asks for blocks means them. */
static bool is_meant(const struct se_fault *one, enum se_fault_on on)
{
	return one->on == on || (one->on == SE_ON_ANY && on != SE_ON_BLOCK);
}

bool se_fault_strikes(struct se_faults *f, enum se_fault_kind kind, enum se_fault_on on,
		      char ret_value[SE_FAULT_VALUE_MAX])
{
	for (size_t i = 0; i < f->n; i++) {
		struct se_fault *one = &f->list[i];

		if (one->kind != kind || !is_meant(one, on))
			continue;
		if (one->after) {
			one->after--;
			continue;
		}
		if (one->chance < 100 && se_fault_roll(f, 100) >= one->chance)
			continue;
		if (ret_value)
			memcpy(ret_value, one->value, SE_FAULT_VALUE_MAX);
		one->struck++;
		f->struck[kind]++;
		if (one->count != SE_FAULT_FOREVER && --one->count == 0) {
			memmove(one, one + 1, (f->n - i - 1) * sizeof(*one));
			f->n--;
		}
		return true;
	}
	return false;
}

unsigned se_fault_number(const char *value, unsigned otherwise)
{
	uint32_t v;

	return text_to_u32(text_of(value), 10, &v) == 0 ? v : otherwise;
}
