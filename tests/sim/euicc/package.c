#include "sim/euicc/package.h"

#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/eim.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/note.h"
#include "sim/euicc/operation.h"
#include "sim/euicc/pki.h"
#include "sim/euicc/profile.h"
#include "sim/euicc/sign.h"

#define PACKAGE_MAX 16384       /* octets of a package: larger ones do not fit */
#define RESULT_MAX 32768        /* of all results together */
#define TID_MAX 16

/* EuiccPackageErrorCode */
enum package_error {
	PACKAGE_OK = 0,
	PACKAGE_INVALID_EID = 3,
	PACKAGE_REPLAY = 4,
	PACKAGE_COUNTER_RANGE = 6,
	PACKAGE_SIZE = 15,
	PACKAGE_ECALL = 104,
	PACKAGE_UNDEFINED = 127,
};

/* EuiccPackageRequest, SGP.32 2.11.1.1 */
struct package {
	struct octets whole_signed;     /* euiccPackageSigned, 30 whole */
	struct octets eim, eid, counter, tid, signature;
	uint32_t list_tag;              /* A0: PSMOs, A1: eCOs */
	struct octets list;
};

/*
 * What answers need of the eIM: a copy, since it may delete itself before its result is signed. The
 * token is the whole data object that signatures cover, SGP.32 5.9.1.
 */
struct sender {
	struct blob id, token, ci;
	bool has_token;
};

static bool read_package(struct octets in, struct package *ret)
{
	struct package p = { 0 };
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in), before = body, data = tlv_enter(&body, 0x30);
	uint32_t tag;

	p.whole_signed = tlv_take_whole(&before, &tag);
	p.eim = tlv_take(&data, 0x80);
	p.eid = tlv_take(&data, 0x5a);
	p.counter = tlv_take(&data, 0x81);
	p.tid = tlv_maybe(&data, 0x82);
	p.list_tag = tlv_peek(&data);
	if (p.list_tag == 0xa0 || p.list_tag == 0xa1)
		p.list = tlv_take(&data, p.list_tag);
	else
		tlv_blame(&data, TLV_UNEXPECTED, p.list_tag);
	p.signature = tlv_take(&body, 0x5f37);
	*ret = p;
	return !doc.fault && p.eim.n && p.tid.n <= TID_MAX;
}

static void read_sender(const struct ve_eim *m, struct sender *ret)
{
	struct octets token = ve_eim_token(m);
	uint8_t raw[16];
	struct tlv_out w = { raw, sizeof(raw) };

	ret->has_token = token.n != 0;
	if (token.n)
		tlv_put_octets(&w, 0x84, token);
	else
		tlv_put_u32(&w, 0x84, 0);
	blob_set(&ret->token, raw, w.len);
	blob_copy(&ret->id, blob_octets(&m->field[VE_EIM_ID]));
	blob_copy(&ret->ci, blob_octets(&m->field[VE_EIM_CI]));
}

static void sender_clear(struct sender *s)
{
	blob_clear(&s->id);
	blob_clear(&s->token);
	blob_clear(&s->ci);
}

/* --- signatures ------------------------------------------------------------------------------- */

/* The content of a SEQUENCE under another tag, made a SEQUENCE again. */
static struct octets as_sequence(struct octets content, uint8_t *buf, size_t cap)
{
	struct tlv_out w = { buf, cap };
	struct tlv_doc doc;
	struct tlv whole = tlv_open(&doc, content), inner = tlv_enter(&whole, 0x30);

	/* Some senders leave the SEQUENCE in: it is all there is, then. */
	(void)inner;
	if (!doc.fault && !whole.n)
		return content;
	tlv_put_octets(&w, 0x30, content);
	return octets_from(buf, w.full ? 0 : w.len);
}

/* eimPublicKeyData: A0 { SubjectPublicKeyInfo } or A1 { Certificate }, both without their 30. */
static bool key_of(const struct ve_eim *m, uint8_t *buf, size_t cap, enum ve_curve *ret_curve,
		   struct octets *ret_point)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, ve_eim_key(m));
	uint32_t tag = tlv_peek(&w);
	struct octets der = as_sequence(tlv_take(&w, tag), buf, cap);
	struct ve_cert c;

	if (doc.fault)
		return false;
	if (tag == 0xa0)
		return !ve_spki_read(der, ret_curve, ret_point);
	if (tag != 0xa1 || ve_cert_read(der, &c) || !c.curve_known)
		return false;
	*ret_curve = c.curve;
	*ret_point = c.point;
	return true;
}

static bool signature_good(const struct ve_eim *m, const struct sender *s, const struct package *p)
{
	struct blob data = { 0 };
	uint8_t buf[4096];
	enum ve_curve curve;
	struct octets point;
	bool good;

	if (!key_of(m, buf, sizeof(buf), &curve, &point))
		return false;
	blob_copy(&data, p->whole_signed);
	blob_append(&data, s->token.p, s->token.n);
	good = ve_ec_verify(curve, point, blob_octets(&data), p->signature);
	blob_clear(&data);
	return good;
}

/* BF51 { choice { data, signature over data and token } } */
static void put_signed(struct ve *e, uint32_t choice, const struct sender *s, struct octets data,
		       struct tlv_out *w)
{
	const struct ve_credential *c = ve_credential_for(&e->state, blob_octets(&s->ci));
	struct tlv_mark m = tlv_begin(w, 0xbf51), inner = tlv_begin(w, choice);
	struct blob input = { 0 };

	blob_copy(&input, data);
	blob_append(&input, s->token.p, s->token.n);
	tlv_put_raw(w, data.p, data.n);
	ve_sign_put(c ? c : ve_credential_first(&e->state), blob_octets(&input), w);
	blob_clear(&input);
	tlv_close(w, inner);
	tlv_close(w, m);
}

/* --- errors ----------------------------------------------------------------------------------- */

/* EuiccPackageErrorUnsigned; s: the eIM is known. Edition 1.0 named no transaction here. */
static uint16_t put_unsigned(struct ve *e, const struct package *p, const struct sender *s,
			     bool parsed, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf51), error = tlv_begin(w, 0xa2);

	tlv_put_octets(w, 0x80, p->eim);
	if (p->tid.p && e->state.version >= VE_SGP32_11)
		tlv_put_octets(w, 0x82, p->tid);
	if (s && s->has_token)
		tlv_put_raw(w, s->token.p, s->token.n);
	if (!parsed && e->state.version >= VE_SGP32_13)
		tlv_put_u32(w, 0x8f, PACKAGE_UNDEFINED);
	tlv_close(w, error);
	tlv_close(w, m);
	return SW_OK;
}

static void put_names(const struct sender *s, struct octets counter, struct octets tid,
		      struct tlv_out *w)
{
	tlv_put_octets(w, 0x80, blob_octets(&s->id));
	tlv_put_octets(w, 0x81, counter);
	if (tid.p)
		tlv_put_octets(w, 0x82, tid);
}

static uint16_t put_error(struct ve *e, const struct package *p, const struct sender *s,
			  enum package_error code, struct tlv_out *w)
{
	uint8_t raw[512];
	struct tlv_out data = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&data, 0x30);

	put_names(s, p->counter, p->tid, &data);
	tlv_put_u32(&data, 0x02, code);
	tlv_close(&data, m);
	put_signed(e, 0xa1, s, octets_from(raw, data.len), w);
	return SW_OK;
}

/* What a good signature does not decide, in the order of SGP.32 5.9.1. */
static enum package_error judge(struct ve *e, const struct ve_eim *m, const struct package *p,
				uint32_t *ret_counter)
{
	uint32_t counter;

	/* Where in the order this stands no source tells. */
	if (e->state.emergency_active && e->state.version >= VE_SGP32_11)
		return PACKAGE_ECALL;
	if (!octets_same(p->eid, blob_octets(&e->state.eid)))
		return PACKAGE_INVALID_EID;
	if (octets_to_u32(p->counter, &counter))
		return p->counter.n && !(p->counter.p[0] & 0x80) ? PACKAGE_COUNTER_RANGE
								 : PACKAGE_REPLAY;
	if (counter <= m->counter)
		return PACKAGE_REPLAY;
	if (counter > VE_EIM_COUNTER_MAX)
		return PACKAGE_COUNTER_RANGE;
	if (p->whole_signed.n > PACKAGE_MAX)
		return PACKAGE_SIZE;
	*ret_counter = counter;
	return PACKAGE_OK;
}

/* --- results ---------------------------------------------------------------------------------- */

/* EuiccPackageResultSigned, kept under its number and put into w. results: what is in the 30. */
static uint32_t put_result(struct ve *e, const struct sender *s, struct octets counter,
			   struct octets tid, struct octets results, struct tlv_out *w)
{
	uint32_t seq = ve_note_number(e);
	struct blob raw = { 0 };
	size_t at = w->len;
	struct tlv_out data;
	struct tlv_mark m, list;

	blob_set(&raw, results.p, results.n);
	blob_append(&raw, (const uint8_t[512]){ 0 }, 512);
	data = (struct tlv_out){ raw.p, raw.n };
	m = tlv_begin(&data, 0x30);
	put_names(s, counter, tid, &data);
	tlv_put_u32(&data, 0x83, seq);
	list = tlv_begin(&data, 0x30);
	tlv_put_raw(&data, results.p, results.n);
	tlv_close(&data, list);
	tlv_close(&data, m);
	put_signed(e, 0xa0, s, octets_from(raw.p, data.len), w);
	blob_clear(&raw);
	ve_note_keep(e, VE_NOTE_PACKAGE, seq, 0, octets_from(NULL, 0),
		     octets_from(w->buf + at, w->len - at));
	return seq;
}

/* What the result of a rollback will need. */
static void remember_grant(struct ve *e, const struct package *p, const struct sender *s,
			   uint32_t seq)
{
	struct ve_state *st = &e->state;

	blob_copy(&st->rollback_eim, blob_octets(&s->id));
	blob_copy(&st->rollback_token, blob_octets(&s->token));
	blob_copy(&st->rollback_ci, blob_octets(&s->ci));
	blob_copy(&st->rollback_counter, p->counter);
	blob_copy(&st->rollback_tid, p->tid);
	st->rollback_seq = seq;
	st->dirty = true;
}

static void execute(struct ve *e, const struct package *p, const struct sender *s,
		    uint32_t counter, struct tlv_out *w)
{
	struct ve_run run = { .eim = blob_octets(&s->id) };
	struct blob room = { 0 };
	struct tlv_out results;
	struct tlv_doc doc;
	struct ve_eim *m;
	uint32_t seq;

	blob_append(&room, (const uint8_t[RESULT_MAX]){ 0 }, RESULT_MAX);
	results = (struct tlv_out){ room.p, room.n };
	ve_rollback_revoke(e);
	ve_immediate_forget(e);
	if (p->list_tag == 0xa0)
		ve_run_psmos(e, &run, tlv_open(&doc, p->list), &results);
	else
		ve_run_ecos(e, &run, tlv_open(&doc, p->list), &results);
	/* eCOs are judged by the counter before the package; one may have set another. */
	m = ve_eim_find(&e->state, blob_octets(&s->id));
	if (m && !run.counter_set)
		m->counter = counter;
	e->state.dirty = true;
	seq = put_result(e, s, p->counter, p->tid, octets_from(room.p, results.len), w);
	if (run.granted)
		remember_grant(e, p, s, seq);
	blob_clear(&run.before);
	blob_clear(&room);
	ve_switch_commit(e, true);
}

/* ES10b.LoadEuiccPackage, SGP.32 5.9.1 */
static uint16_t load_package(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct package p;
	struct sender s = { 0 };
	struct ve_eim *m;
	bool parsed = read_package(in, &p);
	enum package_error code;
	uint32_t counter = 0;
	uint16_t sw = SW_OK;

	m = p.eim.n ? ve_eim_find(&e->state, p.eim) : NULL;
	if (!m)
		return put_unsigned(e, &p, NULL, parsed, w);
	read_sender(m, &s);
	if (!parsed || !signature_good(m, &s, &p)) {
		sw = put_unsigned(e, &p, &s, parsed, w);
	} else {
		code = judge(e, m, &p, &counter);
		if (code == PACKAGE_OK)
			execute(e, &p, &s, counter, w);
		else
			sw = put_error(e, &p, &s, code, w);
		log_debug("euicc", "package of " TEXT_FMT ": %u", TEXT_ARG(octets_text(p.eim)),
			  (unsigned)code);
	}
	sender_clear(&s);
	return sw;
}

/* --- ES10b.ProfileRollback, SGP.32 5.9.16 ----------------------------------------------------- */

static enum ve_code judge_rollback(struct ve *e, struct ve_profile **ret_target)
{
	struct ve_state *s = &e->state;

	if (!s->rollback_granted)
		return VE_NOT_FOUND;            /* here: rollbackNotAllowed */
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	*ret_target = ve_profile_find(s, VE_AID, blob_octets(&s->rollback_to));
	return *ret_target ? VE_OK : VE_UNDEFINED;
}

/* The result of the package that had been executed is replaced by that of the rollback. */
static void put_rollback(struct ve *e, struct tlv_out *w)
{
	static const uint8_t done[] = { 0x8c, 0x01, 0x00 };
	struct ve_state *st = &e->state;
	struct ve_note *old = ve_note_find(st, st->rollback_seq);
	struct sender s = {
		.id = st->rollback_eim, .token = st->rollback_token, .ci = st->rollback_ci,
	};
	struct octets tid = blob_octets(&st->rollback_tid);

	if (old && old->kind == VE_NOTE_PACKAGE)
		ve_note_remove(st, old);
	if (!tid.n)
		tid.p = NULL;
	put_result(e, &s, blob_octets(&st->rollback_counter), tid,
		   octets_from(done, sizeof(done)), w);
}

static uint16_t roll_back(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	/* A BOOLEAN with its own tag comes from one implementation. */
	struct octets flag = tlv_take(&body, tlv_peek(&body) == 0x01 ? 0x01 : 0x80);
	struct ve_profile *target = NULL;
	struct tlv_mark m = tlv_begin(w, 0xbf58);
	enum ve_code code = VE_COMMAND_ERROR;

	if (!doc.fault && flag.n == 1)
		code = judge_rollback(e, &target);
	tlv_put_u32(w, 0x02, code);
	if (code == VE_OK) {
		put_rollback(e, w);
		ve_rollback_revoke(e);
		ve_switch_mark(e, target);
	}
	tlv_close(w, m);
	if (code == VE_OK)
		ve_switch_commit(e, flag.p[0]);
	return SW_OK;
}

const struct es10_row ve_package_rows[] = {
	{ 0xbf51, "LoadEuiccPackage", load_package, ES10_IOT, .crypto = true },
	{ 0xbf58, "ProfileRollback", roll_back, ES10_IOT, .crypto = true },
	{ 0 },
};
