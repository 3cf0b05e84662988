/* ES10c.GetProfilesInfo, SGP.22 5.7.15, SGP.32 5.9.14, and the PSMO listProfileInfo. */
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/profile.h"

static const struct {
	uint32_t tag;
	enum ve_version since;
} fields[_VE_FIELD_PUBLIC] = {
	[VE_ICCID] = { 0x5a },
	[VE_AID] = { 0x4f },
	[VE_PROFILE_STATE] = { 0x9f70 },
	[VE_NICKNAME] = { 0x90 },
	[VE_PROVIDER] = { 0x91 },
	[VE_NAME] = { 0x92 },
	[VE_ICON_TYPE] = { 0x93 },
	[VE_ICON] = { 0x94 },
	[VE_CLASS] = { 0x95 },
	[VE_NOTIFICATIONS] = { 0xb6 },
	[VE_OWNER] = { 0xb7 },
	[VE_DP_DATA] = { 0xb8 },
	[VE_PPR] = { 0x99 },
	[VE_SERVICE_DATA] = { 0xbf22 },
	[VE_ECALL] = { 0x9f7b, VE_SGP32_11 },
	[VE_FALLBACK] = { 0x9f26, VE_SGP32_11 },
	[VE_FALLBACK_ALLOWED] = { 0x9f67, VE_SGP32_11 },
};

#define BIT(field) (1u << (field))

#define CONSUMER_DEFAULT                                                                  \
	(BIT(VE_ICCID) | BIT(VE_AID) | BIT(VE_PROFILE_STATE) | BIT(VE_NICKNAME) |         \
	 BIT(VE_PROVIDER) | BIT(VE_NAME) | BIT(VE_ICON_TYPE) | BIT(VE_ICON) | BIT(VE_CLASS))
#define IOT_DEFAULT                                                                       \
	(BIT(VE_ICCID) | BIT(VE_AID) | BIT(VE_PROFILE_STATE) | BIT(VE_PROVIDER) |         \
	 BIT(VE_NAME) | BIT(VE_CLASS) | BIT(VE_ECALL) | BIT(VE_FALLBACK) |                \
	 BIT(VE_FALLBACK_ALLOWED))

struct query {
	uint32_t fields;                /* BIT() of each */
	enum ve_field by;               /* _VE_FIELD_MAX: all profiles */
	struct octets value;
	bool unknown;                   /* a tag that this card does not know was asked for */
};

/* A tag of a list of tags; 0 at its end or where it breaks off. */
static uint32_t next_tag(struct octets *list)
{
	uint32_t tag = 0;
	bool more = true;

	for (size_t i = 0; list->n && more && i < 3; i++) {
		uint8_t c = *list->p;

		tag = tag << 8 | c;
		more = i ? c & 0x80 : (c & 0x1f) == 0x1f;
		list->p++;
		list->n--;
	}
	return more ? 0 : tag;
}

static uint32_t fields_listed(const struct ve *e, struct octets list, bool *ret_unknown)
{
	uint32_t bits = 0, tag;

	while ((tag = next_tag(&list)) != 0) {
		enum ve_field f = 0;

		while (f < _VE_FIELD_PUBLIC &&
		       (fields[f].tag != tag || e->state.version < fields[f].since))
			f++;
		if (f < _VE_FIELD_PUBLIC)
			bits |= BIT(f);
		else
			*ret_unknown = true;
	}
	return bits;
}

static enum ve_field criterion(uint32_t tag)
{
	switch (tag) {
	case 0x4f:
		return VE_AID;
	case 0x5a:
		return VE_ICCID;
	case 0x95:
		return VE_CLASS;
	}
	return _VE_FIELD_MAX;
}

static enum ve_code read_query(const struct ve *e, struct octets in, struct query *ret)
{
	struct query q = { .by = _VE_FIELD_MAX };
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	bool there;
	struct tlv by = tlv_enter_maybe(&body, 0xa0, &there);
	struct octets list;

	if (there) {
		uint32_t tag = tlv_peek(&by);

		q.by = criterion(tag);
		if (q.by == _VE_FIELD_MAX)
			return VE_NOT_FOUND;    /* here: incorrectInputValues */
		q.value = tlv_take(&by, tag);
		tlv_end(&by);
	}
	list = tlv_maybe(&body, 0x5c);
	if (list.p)
		q.fields = fields_listed(e, list, &q.unknown);
	else
		q.fields = e->state.version == VE_SGP22 ? CONSUMER_DEFAULT : IOT_DEFAULT;
	if (doc.fault)
		return VE_NOT_FOUND;
	*ret = q;
	return VE_OK;
}

static bool matches(const struct ve_profile *p, const struct query *q)
{
	if (q->by == _VE_FIELD_MAX)
		return true;
	if (q->by == VE_CLASS)
		return q->value.n == 1 && q->value.p[0] == ve_profile_class(p);
	return octets_same(blob_octets(&p->field[q->by]), q->value);
}

static void put_profile(struct ve *e, const struct ve_profile *p, bool enabled, uint32_t bits,
			struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xe3);

	for (enum ve_field f = 0; f < _VE_FIELD_PUBLIC; f++) {
		if (!(bits & BIT(f)) || e->state.version < fields[f].since)
			continue;
		if (f == VE_PROFILE_STATE)
			tlv_put_u32(w, fields[f].tag, enabled);
		else if (p->field[f].n)
			tlv_put(w, fields[f].tag, p->field[f].p, p->field[f].n);
	}
	tlv_close(w, m);
}

void ve_profiles_list(struct ve *e, struct octets request, bool in_package, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2d);
	struct tlv_mark list;
	const struct ve_profile *on;
	struct query q;
	enum ve_code code = read_query(e, request, &q);

	if (!in_package && e->state.version != VE_SGP22 && e->state.switch_pending)
		code = VE_CHANGE_ONGOING;
	if (code == VE_OK && q.unknown && e->who->tags_strict)
		code = VE_NOT_FOUND;
	if (code != VE_OK) {
		tlv_put_u32(w, 0x81, code);
		tlv_close(w, m);
		return;
	}
	on = in_package && !e->who->lists_after ? ve_profile_enabled(&e->state)
						 : ve_profile_current(e);
	list = tlv_begin(w, 0xa0);
	for (size_t i = 0; i < e->state.n_profiles; i++)
		if (matches(&e->state.profiles[i], &q))
			put_profile(e, &e->state.profiles[i], on == &e->state.profiles[i],
				    q.fields, w);
	tlv_close(w, list);
	tlv_close(w, m);
}
