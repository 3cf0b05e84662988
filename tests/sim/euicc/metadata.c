#include "sim/euicc/metadata.h"

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/profile.h"

/* rspCapability: bit 3, testProfileSupport. */
#define TEST_PROFILES 0x10

static const struct {
	uint32_t tag;
	enum ve_field field;
	size_t max;
} rows[] = {
	{ 0x5a, VE_ICCID, VE_ICCID_LEN },
	{ 0x91, VE_PROVIDER, 32 },
	{ 0x92, VE_NAME, 64 },
	{ 0x93, VE_ICON_TYPE, 1 },
	{ 0x94, VE_ICON, 1024 },
	{ 0x95, VE_CLASS, 1 },
	{ 0xb6, VE_NOTIFICATIONS, 1024 },
	{ 0xb7, VE_OWNER, 128 },
	{ 0x99, VE_PPR, 3 },
	{ 0xbf22, VE_SERVICE_DATA, 1024 },
	{ 0x9f7b, VE_ECALL, 1 },
	{ 0x9f67, VE_FALLBACK_ALLOWED, 1 },
};

/* Digits, swapped in pairs, F only behind them. */
static bool iccid_good(const struct blob *b)
{
	bool ended = false;

	if (b->n != VE_ICCID_LEN)
		return false;
	for (size_t i = 0; i < 2 * b->n; i++) {
		uint8_t digit = i % 2 ? b->p[i / 2] >> 4 : b->p[i / 2] & 15;

		if (digit > 9 && digit != 15)
			return false;
		if (ended && digit != 15)
			return false;
		ended = digit == 15;
	}
	return true;
}

/* NotificationConfigurationInformation: events and an address each. */
static bool notifications_good(struct octets list)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, list);

	while (tlv_more(&w)) {
		struct tlv one = tlv_enter(&w, 0x30);
		struct octets events = tlv_take(&one, 0x80);

		tlv_take(&one, 0x81);
		if (events.n > 2)
			return false;
	}
	return !doc.fault;
}

static bool read_fields(struct octets in, struct ve_profile *p)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, in), body = tlv_enter(&top, 0xbf25);

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);
		struct octets v = tlv_take(&body, tag);

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			if (rows[i].tag == tag) {
				if (v.n > rows[i].max)
					return false;
				blob_copy(&p->field[rows[i].field], v);
			}
	}
	tlv_end(&top);
	return !doc.fault && iccid_good(&p->field[VE_ICCID]) &&
	       !p->field[VE_ICON].n == !p->field[VE_ICON_TYPE].n &&
	       notifications_good(blob_octets(&p->field[VE_NOTIFICATIONS]));
}

/* --- Profile Policy Rules, SGP.22 2.9 --------------------------------------------------------- */

/* In a rule the digit E stands for any. */
static bool operator_fits(struct octets rule, struct octets owner)
{
	if (rule.n != owner.n)
		return false;
	for (size_t i = 0; i < rule.n; i++) {
		uint8_t low = rule.p[i] & 15, high = rule.p[i] >> 4;

		if ((low != 14 && low != (owner.p[i] & 15)) ||
		    (high != 14 && high != owner.p[i] >> 4))
			return false;
	}
	return true;
}

struct owner {
	struct octets mccmnc, gid1, gid2;
};

/* OperatorId; a rule that names no group is for all of them. */
static struct owner read_owner(struct tlv w)
{
	struct owner o = { tlv_take(&w, 0x80) };

	o.gid1 = tlv_maybe(&w, 0x81);
	o.gid2 = tlv_maybe(&w, 0x82);
	return o;
}

static bool owner_fits(const struct owner *rule, const struct owner *o)
{
	return operator_fits(rule->mccmnc, o->mccmnc) &&
	       (!rule->gid1.n || octets_same(rule->gid1, o->gid1)) &&
	       (!rule->gid2.n || octets_same(rule->gid2, o->gid2));
}

static bool rat_allows(const struct ve_state *s, uint8_t ppr, const struct owner *o)
{
	struct tlv_doc doc;
	struct tlv rules = tlv_open(&doc, blob_octets(&s->rat));

	while (tlv_more(&rules)) {
		struct tlv rule = tlv_enter(&rules, 0x30);
		struct octets ids = tlv_take(&rule, 0x80);
		struct tlv owners = tlv_enter(&rule, 0xa1);

		if (ids.n < 2 || !(ids.p[1] & ppr))
			continue;
		while (tlv_more(&owners)) {
			struct owner allowed = read_owner(tlv_enter(&owners, 0x30));

			if (owner_fits(&allowed, o))
				return true;
		}
	}
	return false;
}

static bool policy_allowed(struct ve *e, const struct ve_profile *p)
{
	static const uint8_t pprs[] = { VE_PPR1_NO_DISABLE, VE_PPR2_NO_DELETE };
	const struct blob *forbidden = &e->state.info[VE_INFO_FORBIDDEN_PPR];
	struct tlv_doc doc;
	struct owner owner = read_owner(tlv_open(&doc, blob_octets(&p->field[VE_OWNER])));

	for (size_t i = 0; i < ARRAY_SIZE(pprs); i++) {
		if (!ve_profile_ppr(p, pprs[i]))
			continue;
		if ((forbidden->n >= 2 && forbidden->p[1] & pprs[i]) || doc.fault ||
		    !rat_allows(&e->state, pprs[i], &owner))
			return false;
	}
	return true;
}

static bool class_supported(const struct ve_state *s, const struct ve_profile *p)
{
	const struct blob *capability = &s->info[VE_INFO_RSP_CAPABILITY];

	if (ve_profile_class(p) == VE_CLASS_TEST)
		return capability->n >= 2 && capability->p[1] & TEST_PROFILES;
	return ve_profile_class(p) <= VE_CLASS_OPERATIONAL;
}

enum ve_reason ve_metadata_read(struct ve *e, struct octets in, struct ve_profile *p)
{
	if (!read_fields(in, p))
		return VE_REASON_INPUT;
	if (!class_supported(&e->state, p))
		return VE_REASON_CLASS;
	if (ve_profile_find(&e->state, VE_ICCID, blob_octets(&p->field[VE_ICCID])))
		return VE_REASON_ICCID_EXISTS;
	if (!policy_allowed(e, p))
		return VE_REASON_PPR;
	return VE_REASON_NONE;
}
