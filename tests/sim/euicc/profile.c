#include "sim/euicc/profile.h"

#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/note.h"

bool ve_profile_flag(const struct ve_profile *p, enum ve_field f)
{
	return p->field[f].n && p->field[f].p[0];
}

bool ve_profile_ppr(const struct ve_profile *p, uint8_t ppr)
{
	const struct blob *rules = &p->field[VE_PPR];

	return rules->n >= 2 && rules->p[1] & ppr;
}

void ve_isdp_next(struct ve_state *s, uint8_t ret[VE_AID_LEN])
{
	static const uint8_t isdp[VE_AID_LEN] = {
		0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff,
		0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x00, 0x00,
	};

	memcpy(ret, isdp, VE_AID_LEN);
	ret[13] = s->next_isdp >> 8;
	ret[14] = s->next_isdp;
	s->next_isdp++;
	s->dirty = true;
}

static struct octets aid_of(const struct ve_profile *p)
{
	return p ? blob_octets(&p->field[VE_AID]) : octets_from(NULL, 0);
}

static struct ve_profile *by_aid(struct ve *e, const struct blob *aid)
{
	return ve_profile_find(&e->state, VE_AID, blob_octets(aid));
}

struct ve_profile *ve_profile_current(struct ve *e)
{
	if (e->marked)
		return by_aid(e, &e->marked_aid);
	if (e->state.switch_pending)
		return by_aid(e, &e->state.switch_to);
	return ve_profile_enabled(&e->state);
}

/* --- switching -------------------------------------------------------------------------------- */

void ve_switch_mark(struct ve *e, const struct ve_profile *to)
{
	e->marked = true;
	blob_copy(&e->marked_aid, aid_of(to));
}

void ve_switch_drop(struct ve *e)
{
	e->marked = false;
	blob_clear(&e->marked_aid);
}

void ve_switch_commit(struct ve *e, bool refresh)
{
	if (e->marked)
		ve_switch(e, blob_octets(&e->marked_aid), refresh);
	ve_switch_drop(e);
}

static bool is_test(const struct ve_profile *p)
{
	return p && ve_profile_class(p) == VE_CLASS_TEST;
}

/*
 * SGP.22 3.2.1: a test profile goes over any other one, whatever its rules, and the other one
 * comes back after it. In its place no third may be enabled.
 */
static enum ve_code enable_over(struct ve *e, const struct ve_profile *from,
				const struct ve_profile *to)
{
	struct blob *back = &e->state.test_return;

	if (!from)
		return VE_OK;
	if (!is_test(from) && is_test(to)) {
		blob_copy(back, aid_of(from));
		return VE_OK;
	}
	if (is_test(from) && !is_test(to)) {
		if (back->n && by_aid(e, back) != to)
			return VE_WRONG_REENABLING;
		blob_clear(back);
		return VE_OK;
	}
	return ve_profile_ppr(from, VE_PPR1_NO_DISABLE) ? VE_DISALLOWED : VE_OK;
}

enum ve_code ve_profile_enable(struct ve *e, struct ve_profile *p)
{
	struct ve_profile *from = ve_profile_current(e);
	enum ve_code code;

	if (!p)
		return VE_NOT_FOUND;
	if (p == from)
		return VE_WRONG_STATE;
	code = enable_over(e, from, p);
	if (code != VE_OK)
		return code;
	e->state.fallback_active = 0;
	blob_clear(&e->state.fallback_return);
	e->state.dirty = true;
	ve_switch_mark(e, p);
	return VE_OK;
}

enum ve_code ve_profile_disable(struct ve *e, struct ve_profile *p)
{
	struct ve_profile *next = NULL;

	if (!p)
		return VE_NOT_FOUND;
	if (p != ve_profile_current(e))
		return VE_WRONG_STATE;
	if (ve_profile_ppr(p, VE_PPR1_NO_DISABLE))
		return VE_DISALLOWED;
	if (is_test(p))
		next = by_aid(e, &e->state.test_return);
	blob_clear(&e->state.test_return);
	e->state.dirty = true;
	ve_switch_mark(e, next);
	return VE_OK;
}

enum ve_code ve_profile_delete(struct ve *e, struct ve_profile *p)
{
	struct ve_state *s = &e->state;

	if (!p)
		return VE_NOT_FOUND;
	if (p == ve_profile_current(e) || (p->enabled && !e->marked))
		return VE_WRONG_STATE;
	if (ve_profile_ppr(p, VE_PPR2_NO_DELETE))
		return VE_DISALLOWED;
	if (s->rollback_granted && by_aid(e, &s->rollback_to) == p)
		return VE_ROLLBACK_NOT_AVAILABLE;
	if (s->fallback_active && by_aid(e, &s->fallback_return) == p)
		return VE_RETURN_FALLBACK_PROFILE;
	/* Disabled earlier in the same package: that will not be told any more later on. */
	if (p->enabled)
		ve_note_event(e, p, VE_EVENT_DISABLE);
	ve_note_event(e, p, VE_EVENT_DELETE);
	ve_profile_remove(s, p);
	s->dirty = true;
	return VE_OK;
}

/* --- rollback, fallback, emergency ------------------------------------------------------------ */

void ve_rollback_grant(struct ve *e, const struct ve_profile *target)
{
	e->state.rollback_granted = 1;
	blob_copy(&e->state.rollback_to, aid_of(target));
	e->state.dirty = true;
}

void ve_rollback_revoke(struct ve *e)
{
	e->state.rollback_granted = 0;
	blob_clear(&e->state.rollback_to);
	e->state.dirty = true;
}

struct ve_profile *ve_fallback_profile(struct ve *e)
{
	for (size_t i = 0; i < e->state.n_profiles; i++)
		if (ve_profile_flag(&e->state.profiles[i], VE_FALLBACK))
			return &e->state.profiles[i];
	return NULL;
}

enum ve_code ve_fallback_set(struct ve *e, struct ve_profile *p)
{
	static const uint8_t yes = 0xff;
	struct ve_profile *holder = ve_fallback_profile(e);

	if (!p)
		return VE_NOT_FOUND;
	if (p == holder)
		return VE_OK;
	if (!ve_profile_flag(p, VE_FALLBACK_ALLOWED) || ve_profile_flag(p, VE_ECALL))
		return VE_WRONG_STATE;
	if (holder && holder == ve_profile_current(e))
		return VE_DISALLOWED;
	if (holder)
		blob_clear(&holder->field[VE_FALLBACK]);
	blob_set(&p->field[VE_FALLBACK], &yes, 1);
	e->state.dirty = true;
	return VE_OK;
}

enum ve_code ve_fallback_unset(struct ve *e)
{
	struct ve_profile *holder = ve_fallback_profile(e);

	if (!holder)
		return VE_WRONG_STATE;
	if (holder == ve_profile_current(e))
		return VE_DISALLOWED;
	blob_clear(&holder->field[VE_FALLBACK]);
	e->state.dirty = true;
	return VE_OK;
}

static bool iot_says(const struct ve_state *s, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, blob_octets(&s->info[VE_INFO_IOT]));
	bool found = false;

	while (!found && tlv_more(&w)) {
		found = tlv_peek(&w) == tag;
		tlv_skip(&w);
	}
	return found;
}

bool ve_ecall_supported(const struct ve_state *s)
{
	return iot_says(s, 0x81);
}

bool ve_fallback_supported(const struct ve_state *s)
{
	return iot_says(s, 0x82);
}

/* --- settings that packages change too -------------------------------------------------------- */

enum ve_code ve_default_dp_set(struct ve *e, struct octets value)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, value);
	struct octets address = tlv_take(&w, 0x80);

	if (doc.fault || address.n > 255)
		return VE_UNDEFINED;
	blob_copy(&e->state.default_dp, address);
	e->state.dirty = true;
	return VE_OK;
}

/*
 * What is absent is cleared. (One card keeps the old values instead, one clears them: senders
 * must name all three.)
 */
enum ve_code ve_immediate_configure(struct ve *e, struct octets value)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, value);
	struct octets flag = tlv_maybe(&w, 0x80);
	struct octets oid = tlv_maybe(&w, 0x81);
	struct octets address = tlv_maybe(&w, 0x82);

	if (doc.fault || flag.n)
		return VE_COMMAND_ERROR;
	e->state.immediate = flag.p != NULL;
	blob_copy(&e->state.immediate_oid, oid);
	blob_copy(&e->state.immediate_address, address);
	e->state.dirty = true;
	return VE_OK;
}

void ve_immediate_downloaded(struct ve *e, const struct ve_profile *p)
{
	struct ve_state *s = &e->state;

	s->downloaded = 1;
	blob_copy(&s->downloaded_aid, aid_of(p));
	blob_copy(&s->downloaded_oid, blob_octets(&p->field[VE_SMDP_OID]));
	blob_copy(&s->downloaded_address, blob_octets(&p->field[VE_SMDP_ADDRESS]));
	s->dirty = true;
}

void ve_immediate_forget(struct ve *e)
{
	struct ve_state *s = &e->state;

	if (!s->downloaded)
		return;
	s->downloaded = 0;
	blob_clear(&s->downloaded_aid);
	blob_clear(&s->downloaded_oid);
	blob_clear(&s->downloaded_address);
	s->dirty = true;
}

void ve_rat_put(struct ve *e, struct tlv_out *w)
{
	tlv_put_raw(w, e->state.rat.p, e->state.rat.n);
}
