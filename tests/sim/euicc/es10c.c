/* ES10c, SGP.22 5.7.15 to 5.7.22: what the end user may do with profiles of a consumer card. */
#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/note.h"
#include "sim/euicc/profile.h"

#define NICKNAME_MAX 64

static uint16_t get_profiles_info(struct ve *e, struct octets in, struct tlv_out *w)
{
	ve_profiles_list(e, in, false, w);
	return SW_OK;
}

/* ICCID or AID; *ret_by tells which, for cards that take only one of them. */
static struct ve_profile *take_profile(struct ve *e, struct tlv *w, unsigned *ret_by)
{
	if (tlv_peek(w) == 0x4f) {
		*ret_by = VE_BY_AID;
		return ve_profile_find(&e->state, VE_AID, tlv_take(w, 0x4f));
	}
	*ret_by = VE_BY_ICCID;
	return ve_profile_find(&e->state, VE_ICCID, tlv_take(w, 0x5a));
}

static uint16_t change(struct ve *e, struct octets in, uint32_t tag, bool enable,
		       struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct tlv id = tlv_enter(&body, 0xa0);
	unsigned by;
	struct ve_profile *p = take_profile(e, &id, &by);
	struct octets flag = tlv_take(&body, 0x81);
	bool refresh = flag.n == 1 && flag.p[0];
	enum ve_code code;

	tlv_end(&id);
	if (doc.fault || flag.n != 1)
		return SW_DATA;
	if (enable && (e->who->enable_not_by & by || (refresh && e->who->enable_only_quiet)))
		code = VE_UNDEFINED;
	else if (p && ve_cat_busy(e))
		code = VE_CAT_BUSY;
	else
		code = enable ? ve_profile_enable(e, p) : ve_profile_disable(e, p);
	ve_es10_code(w, tag, code);
	if (code == VE_OK)
		ve_switch_commit(e, refresh);
	return SW_OK;
}

/* ES10c.EnableProfile, SGP.22 5.7.16 */
static uint16_t enable_profile(struct ve *e, struct octets in, struct tlv_out *w)
{
	return change(e, in, 0xbf31, true, w);
}

/* ES10c.DisableProfile, SGP.22 5.7.17 */
static uint16_t disable_profile(struct ve *e, struct octets in, struct tlv_out *w)
{
	return change(e, in, 0xbf32, false, w);
}

/* ES10c.DeleteProfile, SGP.22 5.7.18 */
static uint16_t delete_profile(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	unsigned by;
	struct ve_profile *p = take_profile(e, &body, &by);

	if (doc.fault)
		return SW_DATA;
	ve_es10_code(w, 0xbf33, ve_profile_delete(e, p));
	return SW_OK;
}

/* ES10c.SetNickname, SGP.22 5.7.21 */
static uint16_t set_nickname(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct ve_profile *p = ve_profile_find(&e->state, VE_ICCID, tlv_take(&body, 0x5a));
	struct octets name = tlv_take(&body, 0x90);

	if (doc.fault)
		return SW_DATA;
	if (!p) {
		ve_es10_code(w, 0xbf29, VE_NOT_FOUND);
	} else if (name.n > NICKNAME_MAX) {
		ve_es10_code(w, 0xbf29, VE_UNDEFINED);
	} else {
		blob_copy(&p->field[VE_NICKNAME], name);
		e->state.dirty = true;
		ve_es10_code(w, 0xbf29, VE_OK);
	}
	return SW_OK;
}

static uint16_t set_default_dp(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, in);
	uint32_t tag = tlv_peek(&top);
	struct tlv body = tlv_enter(&top, tag);

	ve_es10_code(w, tag, ve_default_dp_set(e, tlv_rest(&body)));
	return SW_OK;
}

/* ES10b.GetRAT, SGP.22 5.7.22 */
static uint16_t get_rat(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf43);
	struct tlv_mark rules = tlv_begin(w, 0xa0);

	(void)in;
	ve_rat_put(e, w);
	tlv_close(w, rules);
	tlv_close(w, m);
	return SW_OK;
}

/* --- eUICCMemoryReset, SGP.22 5.7.19, SGP.32 5.9.5 -------------------------------------------- */

/* Bits of the first octet of resetOptions; what the later ones mean depends on the edition. */
enum {
	RESET_OPERATIONAL = 0x80,
	RESET_TEST = 0x40,
	RESET_DEFAULT_DP = 0x20,
	RESET_PRELOADED_TEST = 0x10,
	RESET_PROVISIONING = 0x08,
	RESET_EIM = 0x04,
	RESET_IMMEDIATE = 0x02,
};

static bool reset_covers(const struct ve_profile *p, uint8_t bits)
{
	switch (ve_profile_class(p)) {
	case VE_CLASS_TEST:
		return bits & (p->preloaded ? RESET_PRELOADED_TEST : RESET_TEST);
	case VE_CLASS_PROVISIONING:
		return bits & RESET_PROVISIONING;
	}
	return bits & RESET_OPERATIONAL;
}

/* Rules of the profiles do not count here. Returns whether there was one. */
static bool reset_profiles(struct ve *e, uint8_t bits)
{
	struct ve_state *s = &e->state;
	bool any = false;

	for (size_t i = s->n_profiles; i-- > 0;) {
		struct ve_profile *p = &s->profiles[i];

		if (!reset_covers(p, bits))
			continue;
		if (p == ve_profile_current(e))
			ve_switch_mark(e, NULL);
		ve_note_event(e, p, VE_EVENT_DELETE);
		ve_profile_remove(s, p);
		any = true;
	}
	return any;
}

static void forget_eims(struct ve_state *s)
{
	for (size_t i = 0; i < s->n_eims; i++)
		ve_eim_clear(&s->eims[i]);
	s->n_eims = 0;
}

static uint8_t immediate_clear(struct ve_state *s)
{
	s->immediate = 0;
	blob_clear(&s->immediate_oid);
	blob_clear(&s->immediate_address);
	return 0;
}

static void reset(struct ve *e, uint8_t bits, enum ve_code *ret_code, uint8_t *ret_eim)
{
	struct ve_state *s = &e->state;
	bool done = reset_profiles(e, bits);

	if (bits & RESET_DEFAULT_DP && s->default_dp.n) {
		blob_clear(&s->default_dp);
		done = true;
	}
	*ret_eim = s->n_eims ? VE_OK : VE_NOT_FOUND;
	if (bits & RESET_EIM)
		forget_eims(s);
	if (bits & RESET_IMMEDIATE)
		immediate_clear(s);
	*ret_code = done || !(bits & ~(RESET_EIM | RESET_IMMEDIATE)) ? VE_OK : VE_NOT_FOUND;
	s->dirty = true;
}

/* Edition 1.0 had bits 3 and 4 for the eIMs and immediate enabling. */
static uint8_t reset_bits(const struct ve *e, uint8_t asked)
{
	if (e->state.version == VE_SGP22)
		return asked & (RESET_OPERATIONAL | RESET_TEST | RESET_DEFAULT_DP);
	if (e->state.version == VE_SGP32_10)
		return (asked & 0xe0) | (asked & 0x10 ? RESET_EIM : 0) |
		       (asked & 0x08 ? RESET_IMMEDIATE : 0);
	return asked;
}

static uint16_t memory_reset(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, in);
	uint32_t tag = tlv_peek(&top);
	struct tlv body = tlv_enter(&top, tag);
	struct octets options = tlv_take(&body, 0x82);
	enum ve_code code = VE_OK;
	uint8_t bits, eim = 0;
	struct tlv_mark m;

	if (doc.fault || options.n < 2)
		return SW_DATA;
	bits = reset_bits(e, options.p[1]);
	if (e->state.emergency_active)
		code = VE_ECALL_ACTIVE;
	else if (ve_cat_busy(e))
		code = VE_CAT_BUSY;
	else
		reset(e, bits & ~e->who->reset_ignores, &code, &eim);
	m = tlv_begin(w, tag);
	tlv_put_u32(w, e->state.version == VE_SGP32_10 ? 0x02 : 0x80, code);
	if (code <= VE_NOT_FOUND && bits & RESET_EIM)
		tlv_put_u32(w, 0x81, eim);
	if (code <= VE_NOT_FOUND && bits & RESET_IMMEDIATE)
		tlv_put_u32(w, 0x82, 0);
	tlv_close(w, m);
	ve_switch_commit(e, true);
	return SW_OK;
}

const struct es10_row ve_profile_rows[] = {
	{ 0xbf2d, "GetProfilesInfo", get_profiles_info, ES10_ALL },
	{ 0xbf31, "EnableProfile", enable_profile, ES10_CONSUMER },
	{ 0xbf32, "DisableProfile", disable_profile, ES10_CONSUMER },
	{ 0xbf33, "DeleteProfile", delete_profile, ES10_CONSUMER },
	{ 0xbf29, "SetNickname", set_nickname, ES10_CONSUMER },
	{ 0xbf34, "eUICCMemoryReset", memory_reset, VE_SGP22, VE_SGP32_10 },
	{ 0xbf64, "eUICCMemoryReset", memory_reset, ES10_IOT_11 },
	{ 0xbf3f, "SetDefaultDpAddress", set_default_dp, VE_SGP22, VE_SGP32_10 },
	{ 0xbf65, "SetDefaultDpAddress", set_default_dp, ES10_IOT_11 },
	{ 0xbf43, "GetRAT", get_rat, ES10_ALL },
	{ 0 },
};
