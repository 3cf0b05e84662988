#include "sim/euicc/fault.h"

#include <errno.h>

#include "core/util.h"

static const struct {
	const char *name;
	unsigned base;          /* of its value; 0: it has none */
} kinds[_VE_FAULT_MAX] = {
	[VE_FAULT_SW] = { "sw", 16 },
	[VE_FAULT_GARBAGE] = { "garbage" },
	[VE_FAULT_CUT] = { "cut" },
	[VE_FAULT_EMPTY] = { "empty" },
	[VE_FAULT_DELAY] = { "delay", 10 },
	[VE_FAULT_MUTE] = { "mute" },
	[VE_FAULT_SILENT] = { "silent" },
	[VE_FAULT_RESET] = { "reset" },
};

static int read_where(struct text t, struct ve_fault *f)
{
	struct text what = text_cut(&t, '#');
	uint32_t nth = 1, tag;
	int r = 0;

	if (t.n) {
		r = text_to_u32(t, 10, &nth);
	} else if (what.n && what.s[what.n - 1] == '*') {
		what.n--;
		nth = 0;
	}
	if (r || (t.n && !nth))
		return -EINVAL;
	f->nth = nth;
	if (text_case_eq(what, "apdu"))
		return 0;
	r = text_to_u32(what, 16, &tag);
	if (r || !tag)
		return -EINVAL;
	f->tag = tag;
	return 0;
}

static int read_what(struct text t, struct ve_fault *f)
{
	struct text name = text_cut(&t, '=');
	uint32_t value = 0;

	for (enum ve_fault_kind k = 0; k < _VE_FAULT_MAX; k++) {
		if (!text_eq(name, kinds[k].name))
			continue;
		if (kinds[k].base ? text_to_u32(t, kinds[k].base, &value) : t.n != 0)
			return -EINVAL;
		if (k == VE_FAULT_SW && (value < 0x6000 || value > 0x9fff))
			return -EINVAL;
		f->kind = k;
		f->value = value;
		return 0;
	}
	return -EINVAL;
}

int ve_fault_add(struct ve_faults *f, struct text order)
{
	struct text where = text_cut(&order, ':');
	struct ve_fault one = { 0 };

	if (f->n == VE_FAULTS_MAX)
		return -ENOSPC;
	if (text_starts(order, "after,")) {
		one.after = true;
		order = text_skip(order, 6);
	}
	if (read_where(where, &one) || read_what(order, &one))
		return -EINVAL;
	f->list[f->n++] = one;
	return 0;
}

const struct ve_fault *ve_fault_at(struct ve_faults *f, uint32_t tag)
{
	const struct ve_fault *hit = NULL;

	for (size_t i = 0; i < f->n; i++) {
		struct ve_fault *one = &f->list[i];

		if (one->tag != tag)
			continue;
		one->seen++;
		if (!hit && (!one->nth || one->nth == one->seen))
			hit = one;
	}
	return hit;
}

uint16_t ve_fault_answer(const struct ve_fault *f, uint16_t sw, struct tlv_out *w)
{
	switch (f->kind) {
	case VE_FAULT_SW:
		w->len = 0;
		return f->value;
	case VE_FAULT_GARBAGE:
		for (size_t i = 0; i < w->len; i++)
			w->buf[i] ^= 0x5a + i;
		return sw;
	case VE_FAULT_CUT:
		w->len /= 2;
		return sw;
	case VE_FAULT_EMPTY:
		w->len = 0;
		return SW_OK;
	case VE_FAULT_DELAY:
	case VE_FAULT_MUTE:
	case VE_FAULT_SILENT:
	case VE_FAULT_RESET:
	case _VE_FAULT_MAX:
		break;
	}
	return sw;
}
