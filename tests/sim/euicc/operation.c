#include "sim/euicc/operation.h"

#include "core/util.h"
#include "sim/euicc/eim.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/profile.h"

/* Room that is kept for processingTerminated and signatures behind the results. */
#define RESERVE 512

/* False: this was the last one. */
typedef bool (*operation_fn)(struct ve *e, struct ve_run *run, struct octets whole,
			     struct tlv_out *w);

struct operation {
	uint32_t tag;
	enum ve_version since;
	operation_fn run;
};

void ve_run_terminated(struct tlv_out *w, enum ve_terminated why)
{
	tlv_put_u32(w, 0x02, why);
}

static bool damaged(struct tlv_out *w)
{
	ve_run_terminated(w, VE_TERMINATED_COMMAND);
	return false;
}

/* --- PSMOs ------------------------------------------------------------------------------------ */

/* { 5A iccid }; false: it is not there. ret_flag (may be NULL): a NULL stands behind it. */
static bool read_iccid(struct octets whole, struct octets *ret_iccid, bool *ret_flag)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	struct octets iccid = tlv_take(&body, 0x5a);
	bool flag = false;

	if (ret_flag)
		flag = tlv_maybe(&body, 0x05).p != NULL;
	if (doc.fault || iccid.n != VE_ICCID_LEN)
		return false;
	*ret_iccid = iccid;
	if (ret_flag)
		*ret_flag = flag;
	return true;
}

static struct ve_profile *by_iccid(struct ve *e, struct octets iccid)
{
	return ve_profile_find(&e->state, VE_ICCID, iccid);
}

/* Edition 1.0 had no codes for policy, a busy CAT and what must not be deleted. */
static bool put_code(struct ve *e, uint32_t tag, enum ve_code code, struct tlv_out *w)
{
	if (e->state.version == VE_SGP32_10 && code > VE_WRONG_STATE && code != VE_COMMAND_ERROR)
		code = VE_UNDEFINED;
	tlv_put_u32(w, tag, code);
	return code == VE_OK;
}

/* One CAT for the whole package: it is asked once. */
static bool cat_busy(struct ve *e, const struct ve_run *run)
{
	return !run->enabled && !run->disabled && ve_cat_busy(e);
}

/* SGP.32 3.4.1. Where a rollback would go to, there must have been a profile. */
static bool psmo_enable(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct octets iccid;
	struct ve_profile *p;
	bool rollback;
	enum ve_code code;

	if (!read_iccid(whole, &iccid, &rollback))
		return damaged(w);
	p = by_iccid(e, iccid);
	if (run->enabled)
		code = VE_UNDEFINED;    /* one to a package */
	else if (!p)
		code = VE_NOT_FOUND;
	else if (p == ve_profile_current(e))
		code = VE_WRONG_STATE;
	else if (cat_busy(e, run))
		code = VE_CAT_BUSY;
	else if (rollback && !run->before.n)
		code = VE_ROLLBACK_NOT_AVAILABLE;
	else
		code = ve_profile_enable(e, p);
	if (code == VE_OK && rollback) {
		ve_rollback_grant(e, ve_profile_find(&e->state, VE_AID, blob_octets(&run->before)));
		run->granted = true;
	}
	run->enabled = true;
	return put_code(e, 0x83, code, w);
}

/* SGP.32 3.4.2: not behind an enable. */
static bool psmo_disable(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct octets iccid;
	struct ve_profile *p;
	enum ve_code code;

	if (!read_iccid(whole, &iccid, NULL))
		return damaged(w);
	p = by_iccid(e, iccid);
	if (run->enabled || run->disabled)
		code = VE_UNDEFINED;
	else if (p && p == ve_profile_current(e) && cat_busy(e, run))
		code = VE_CAT_BUSY;
	else
		code = ve_profile_disable(e, p);
	run->disabled = true;
	return put_code(e, 0x84, code, w);
}

/* SGP.32 3.4.3 */
static bool psmo_delete(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct octets iccid;

	(void)run;
	if (!read_iccid(whole, &iccid, NULL))
		return damaged(w);
	return put_code(e, 0x85, ve_profile_delete(e, by_iccid(e, iccid)), w);
}

static bool psmo_list(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	size_t at = w->len;
	struct tlv_doc doc;
	struct tlv body;

	(void)run;
	ve_profiles_list(e, whole, true, w);
	if (w->full)
		return false;
	body = ve_es10_open(&doc, octets_from(w->buf + at, w->len - at));
	return tlv_peek(&body) == 0xa0;
}

/* The rules stand directly under A6; there is no form for errors. */
static bool psmo_rat(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xa6);

	(void)run;
	(void)whole;
	ve_rat_put(e, w);
	tlv_close(w, m);
	return true;
}

static bool psmo_immediate(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	enum ve_code code = ve_immediate_configure(e, tlv_rest(&body));

	(void)run;
	return put_code(e, 0x87, code, w);
}

static bool psmo_set_fallback(struct ve *e, struct ve_run *run, struct octets whole,
			      struct tlv_out *w)
{
	struct octets iccid;

	(void)run;
	if (!read_iccid(whole, &iccid, NULL))
		return damaged(w);
	return put_code(e, 0x8d, ve_fallback_set(e, by_iccid(e, iccid)), w);
}

static bool psmo_unset_fallback(struct ve *e, struct ve_run *run, struct octets whole,
				struct tlv_out *w)
{
	(void)run;
	(void)whole;
	return put_code(e, 0x8e, ve_fallback_unset(e), w);
}

static bool psmo_default_dp(struct ve *e, struct ve_run *run, struct octets whole,
			    struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	enum ve_code code = ve_default_dp_set(e, tlv_rest(&body));

	(void)run;
	ve_es10_code(w, 0xbf65, code);
	return code == VE_OK;
}

/* --- eCOs ------------------------------------------------------------------------------------- */

static bool eco_add(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	struct ve_eim *m = NULL;
	enum ve_eim_code code = ve_eim_add(e, tlv_rest(&body), &m);
	struct tlv_mark mark = tlv_begin(w, 0xa8);

	/* Deleted before and here again: it counts from where its new configuration says. */
	if (m && octets_same(blob_octets(&m->field[VE_EIM_ID]), run->eim))
		run->counter_set = true;
	/* Edition 1.0 had no code for one that exists. */
	if (code == VE_EIM_EXISTS && e->state.version == VE_SGP32_10)
		code = VE_EIM_COMMAND;
	if (code == VE_EIM_OK && ve_eim_token(m).n)
		tlv_put_octets(w, 0x84, ve_eim_token(m));
	else
		tlv_put_u32(w, 0x02, code);
	tlv_close(w, mark);
	return code == VE_EIM_OK;
}

static bool eco_delete(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	struct octets id = tlv_take(&body, 0x80);
	enum ve_eim_code code = doc.fault ? VE_EIM_COMMAND : ve_eim_delete(e, id);

	(void)run;
	tlv_put_u32(w, 0x89, code);
	return code == VE_EIM_OK || code == VE_EIM_LAST_DELETED;
}

static bool eco_update(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	struct ve_eim *m = ve_eim_find(&e->state, run->eim);
	uint32_t counter = m ? m->counter : 0;
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, whole);
	enum ve_eim_code code = ve_eim_update(e, tlv_rest(&body));

	if (m && m->counter != counter)
		run->counter_set = true;
	tlv_put_u32(w, 0x8a, code);
	return code == VE_EIM_OK;
}

static bool eco_list(struct ve *e, struct ve_run *run, struct octets whole, struct tlv_out *w)
{
	(void)run;
	(void)whole;
	ve_eim_list(e, w);
	return true;
}

/* --- lists ------------------------------------------------------------------------------------ */

static const struct operation psmos[] = {
	{ 0xa3, VE_SGP32_10, psmo_enable },
	{ 0xa4, VE_SGP32_10, psmo_disable },
	{ 0xa5, VE_SGP32_10, psmo_delete },
	{ 0xbf2d, VE_SGP32_10, psmo_list },
	{ 0xa6, VE_SGP32_10, psmo_rat },
	{ 0xa7, VE_SGP32_10, psmo_immediate },
	{ 0xa8, VE_SGP32_11, psmo_set_fallback },
	{ 0xa9, VE_SGP32_11, psmo_unset_fallback },
	{ 0xbf65, VE_SGP32_11, psmo_default_dp },
	{ 0 },
};

static const struct operation ecos[] = {
	{ 0xa8, VE_SGP32_10, eco_add },
	{ 0xa9, VE_SGP32_10, eco_delete },
	{ 0xaa, VE_SGP32_10, eco_update },
	{ 0xab, VE_SGP32_10, eco_list },
	{ 0 },
};

static operation_fn find(const struct ve *e, const struct operation *o, uint32_t tag)
{
	for (; o->tag; o++)
		if (o->tag == tag && e->state.version >= o->since)
			return o->run;
	return NULL;
}

/* A result that does not fit any more is taken back, and said so. */
static void run_list(struct ve *e, struct ve_run *run, const struct operation *known,
		     struct tlv list, struct tlv_out *w)
{
	const size_t cap = w->cap;
	bool more = true;

	w->cap = cap > RESERVE ? cap - RESERVE : 0;
	while (more && tlv_more(&list)) {
		size_t at = w->len;
		uint32_t tag;
		struct octets whole = tlv_take_whole(&list, &tag);
		operation_fn fn = whole.p ? find(e, known, tag) : NULL;

		more = fn ? fn(e, run, whole, w) : damaged(w);
		if (w->full) {
			w->full = false;
			w->len = at;
			w->cap = cap;
			ve_run_terminated(w, VE_TERMINATED_OVERFLOW);
			more = false;
		}
	}
	w->cap = cap;
	/* The list itself was no list of elements, from some point on. */
	if (more && list.doc->fault)
		damaged(w);
}

void ve_run_psmos(struct ve *e, struct ve_run *run, struct tlv list, struct tlv_out *w)
{
	struct ve_profile *now = ve_profile_current(e);

	if (now)
		blob_copy(&run->before, blob_octets(&now->field[VE_AID]));
	run_list(e, run, psmos, list, w);
}

void ve_run_ecos(struct ve *e, struct ve_run *run, struct tlv list, struct tlv_out *w)
{
	run_list(e, run, ecos, list, w);
}
