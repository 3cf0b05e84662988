/* getBoundProfilePackage and cancelSession, SGP.22 5.6.2 and 5.6.5. */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/smdp.h"

/* --- what the eUICC prepared ------------------------------------------------------------------ */

struct prepared {
	struct octets signed2, signature2;      /* whole */
	struct octets tid, point, hash_cc;      /* in euiccSigned2 */
	bool failed;
};

static int prepared_read(struct octets response, struct prepared *p)
{
	struct tlv_doc doc, inner;
	struct tlv top = tlv_open(&doc, response), w = tlv_enter(&top, 0xbf21), ok, signed2;

	memset(p, 0, sizeof(*p));
	if (tlv_peek(&w) == 0xa1) {
		p->failed = true;
		return doc.fault ? -1 : 0;
	}
	ok = tlv_enter(&w, 0xa0);
	p->signed2 = sdp_whole(&ok, 0x30);
	p->signature2 = sdp_whole(&ok, 0x5f37);
	tlv_end(&top);
	if (doc.fault)
		return -1;
	top = tlv_open(&inner, p->signed2);
	signed2 = tlv_enter(&top, 0x30);
	p->tid = tlv_take(&signed2, 0x80);
	p->point = tlv_take(&signed2, 0x5f49);
	p->hash_cc = tlv_maybe(&signed2, 0x04);
	return inner.fault || p->point.n != SDP_POINT_LEN ? -1 : 0;
}

static enum sdp_code check_prepared(const struct sdp_session *x, const struct prepared *p)
{
	struct octets parts[] = { p->signed2, { x->signature2, sizeof(x->signature2) } };

	if (!octets_same(p->tid, octets_from(x->tid, sizeof(x->tid))))
		return SDP_TRANSACTION_UNKNOWN;
	return sdp_verify(x->euicc.curve, x->euicc.point, parts, ARRAY_SIZE(parts),
			  sdp_signature_of(p->signature2)) ? SDP_DONE : SDP_SIGNATURE_WRONG;
}

/* SHA-256(SHA-256(code) || transactionId); what the eUICC passed on unseen. */
static enum sdp_code check_confirmation(struct sdp *s, struct sdp_profile *p,
					const struct sdp_session *x, struct octets hash_cc)
{
	uint8_t inner[SDP_HASH_LEN], want[SDP_HASH_LEN];
	struct octets code = { (const uint8_t *)p->confirmation, strlen(p->confirmation) };
	struct octets parts[] = { { inner, sizeof(inner) }, { x->tid, sizeof(x->tid) } };

	if (!code.n)
		return SDP_DONE;
	if (!hash_cc.n)
		return SDP_CC_MISSING;
	if (p->max_tries && p->tries >= p->max_tries)
		return SDP_CC_TRIES_USED_UP;
	sdp_sha256(&code, 1, inner);
	sdp_sha256(parts, ARRAY_SIZE(parts), want);
	if (octets_same(hash_cc, octets_from(want, sizeof(want)))) {
		p->tries = 0;
		return SDP_DONE;
	}
	p->tries++;
	if (p->max_tries && p->tries >= p->max_tries) {
		p->state = SDP_STATE_ERROR;
		text_copy(TEXT("too many wrong confirmation codes"), p->why, sizeof(p->why));
		sdp_keep(s, p);
		return SDP_CC_TRIES_USED_UP;
	}
	sdp_keep(s, p);
	return SDP_CC_REFUSED;
}

/* --- binding ---------------------------------------------------------------------------------- */

static void draw_scalar(struct sdp *s, enum sdp_curve c, struct sdp_key *ret)
{
	uint8_t scalar[SDP_SCALAR_LEN];

	do {
		sdp_draw(s, scalar, sizeof(scalar));
	} while (sdp_key_from_scalar(c, scalar, ret) < 0);
}

static struct octets host_id(const struct sdp *s)
{
	size_t n = strlen(s->hosts[0]);

	if (s->host_id.n)
		return sdp_blob_octets(&s->host_id);
	return octets_from(s->hosts[0], MIN(n, (size_t)SDP_HOST_ID_MAX));
}

/* New one-time keys, and the profile protected anew. */
static int bind_anew(struct sdp *s, struct sdp_profile *p, struct sdp_binding *b,
		     enum sdp_curve curve)
{
	struct sdp_bound bound = { .there = true };
	int r;

	draw_scalar(s, curve, &bound.one_time);
	if (p->ppk && !p->keys_there) {
		sdp_draw(s, p->keys.chain, SDP_BLOCK_LEN);
		sdp_draw(s, p->keys.enc, SDP_BLOCK_LEN);
		sdp_draw(s, p->keys.mac, SDP_BLOCK_LEN);
		p->keys_there = true;
	}
	memcpy(bound.euicc_point, b->euicc_point, SDP_POINT_LEN);
	sdp_blob_set(&bound.host_id, host_id(s));
	b->one_time = &bound.one_time;
	b->host_id = sdp_blob_octets(&bound.host_id);
	b->ppk = p->ppk ? &p->keys : NULL;
	r = sdp_bind_body(b, &bound.body);
	if (r < 0) {
		sdp_bound_done(&bound);
		return r;
	}
	sdp_bound_done(&p->bound);
	p->bound = bound;
	return 0;
}

/* One bit of the n-th protected segment, in front of its MAC. */
static void tamper(struct sdp_blob *bpp, uint32_t n)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, sdp_blob_octets(bpp)), w = tlv_enter(&top, 0xbf36);

	tlv_skip(&w);
	while (tlv_more(&w)) {
		struct tlv list = tlv_enter(&w, tlv_peek(&w));

		while (tlv_more(&list)) {
			struct octets segment = tlv_take_whole(&list, &(uint32_t){ 0 });

			if (--n == 0) {
				bpp->p[segment.p + segment.n - bpp->p - 9] ^= 1;
				return;
			}
		}
	}
	log_warning("smdp", "the package has no segment of this number, ignoring the fault");
}

static void spoil(struct sdp *s, struct sdp_blob *bpp)
{
	const enum sdp_function f = SDP_GET_BOUND_PROFILE_PACKAGE;
	char value[SDP_FAULT_VALUE_MAX];
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, sdp_blob_octets(bpp)), w = tlv_enter(&top, 0xbf36);
	struct tlv channel = tlv_enter(&w, 0xbf23);
	struct octets tid, signature;

	tlv_skip(&channel);
	tid = tlv_take(&channel, 0x80);
	tlv_skip(&channel);
	tlv_skip(&channel);
	signature = tlv_take(&channel, 0x5f37);
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_TRANSACTION, f, NULL))
		bpp->p[tid.p - bpp->p] ^= 1;
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_SIGNATURE, f, NULL))
		bpp->p[signature.p + signature.n - 1 - bpp->p] ^= 1;
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_TAMPER, f, value))
		tamper(bpp, MAX(sdp_fault_number(value, 1), 1u));
}

/* The binding is on disk before the eUICC can have it: a second attempt must find it. */
static enum sdp_code bind(struct sdp *s, struct sdp_session *x, struct sdp_profile *p,
			  struct octets point, struct sdp_blob *ret)
{
	struct sdp_binding b = {
		.sign = &x->pb->key, .euicc_point = point.p, .eid = x->eid_octets,
		.tid = octets_from(x->tid, sizeof(x->tid)), .metadata = sdp_blob_octets(&p->metadata),
		.upp = sdp_blob_octets(&p->upp), .segment = p->segment,
	};
	bool again = p->bound.there && p->bound.one_time.curve == x->pb->key.curve &&
		     memcmp(p->bound.euicc_point, point.p, SDP_POINT_LEN) == 0;

	if (p->bound.there && !again && !p->rebind)
		return SDP_NOT_AVAILABLE;
	if (!again && bind_anew(s, p, &b, x->pb->key.curve) < 0)
		return SDP_SIGNATURE_WRONG;     /* a point that is on no curve */
	b.one_time = &p->bound.one_time;
	b.host_id = sdp_blob_octets(&p->bound.host_id);
	return sdp_bind(&b, sdp_blob_octets(&p->bound.body), ret) < 0 ? SDP_REQUEST_WRONG : SDP_DONE;
}

static void count_download(struct sdp *s, struct sdp_session *x, struct sdp_profile *p)
{
	struct sdp_download *d;

	/* Whoever lost the answer may ask again: one transaction is one download. */
	if (!sdp_profile_find_download(p, octets_from(x->tid, sizeof(x->tid)))) {
		d = sdp_profile_add_download(p);
		memcpy(d->tid, x->tid, sizeof(x->tid));
		d->tid_n = sizeof(x->tid);
		memcpy(d->eid, x->eid, sizeof(d->eid));
		sdp_blob_set(&d->certificate, sdp_blob_octets(&x->euicc.der));
		sdp_blob_set(&d->oid, octets_from(x->pb->cert.oid, x->pb->cert.oid_n));
		p->downloads++;
	}
	p->state = SDP_STATE_DOWNLOADED;
	p->why[0] = '\0';
	x->state = SDP_SESSION_BOUND;
	sdp_keep(s, p);
}

enum sdp_code sdp_get_bound_profile_package(struct sdp *s, const struct sdp_call *c,
					    struct sdp_answer *ret)
{
	struct sdp_session *x = sdp_find_session(s, c->tid);
	struct sdp_blob *bpp = &ret->members[SDP_BOUND_PROFILE_PACKAGE];
	struct sdp_profile *p = x && x->state != SDP_SESSION_EXPECT_CLIENT ?
				sdp_find_profile(s, x->iccid) : NULL;
	struct prepared prepared;
	enum sdp_code code;

	if (!p)
		return SDP_TRANSACTION_UNKNOWN;
	if (prepared_read(c->response, &prepared) < 0)
		return SDP_REQUEST_WRONG;
	code = prepared.failed ? SDP_SIGNATURE_WRONG : check_prepared(x, &prepared);
	if (code == SDP_DONE && (p->state == SDP_STATE_ERROR || p->state == SDP_STATE_AVAILABLE ||
				 (p->state == SDP_STATE_INSTALLED && !p->reusable)))
		code = p->max_tries && p->tries >= p->max_tries ? SDP_CC_TRIES_USED_UP :
		       SDP_NOT_AVAILABLE;
	if (code == SDP_DONE)
		code = check_confirmation(s, p, x, prepared.hash_cc);
	if (code == SDP_DONE)
		code = bind(s, x, p, prepared.point, bpp);
	if (code != SDP_DONE) {
		/* Another confirmation code may be tried in the same session. */
		if (code != SDP_CC_REFUSED && code != SDP_CC_MISSING)
			sdp_session_free(s, x);
		return code;
	}
	count_download(s, x, p);
	spoil(s, bpp);
	sdp_blob_set(&ret->members[SDP_TRANSACTION_ID], octets_from(x->tid, sizeof(x->tid)));
	return SDP_DONE;
}

/* --- cancelSession ---------------------------------------------------------------------------- */

enum { CANCEL_POSTPONED = 1, CANCEL_TIMEOUT = 2 };

static void note_cancel(struct sdp *s, struct sdp_session *x, uint32_t reason)
{
	struct sdp_profile *p = sdp_find_profile(s, x->iccid);

	if (!p)
		return;
	snprintf(p->why, sizeof(p->why), "cancelled, reason %u", reason);
	/* Who postpones, or had no answer from the user, comes again; everything else is final. */
	if (reason != CANCEL_POSTPONED && reason != CANCEL_TIMEOUT && !p->reusable)
		p->state = SDP_STATE_ERROR;
	sdp_keep(s, p);
}

enum sdp_code sdp_cancel_session(struct sdp *s, const struct sdp_call *c, struct sdp_answer *ret)
{
	struct sdp_session *x = sdp_find_session(s, c->tid);
	struct tlv_doc doc, inner;
	struct tlv top = tlv_open(&doc, c->response), w = tlv_enter(&top, 0xbf41), ok, body;
	struct octets whole, signature, tid, oid;
	uint32_t reason;
	bool good;

	(void)ret;
	/* Before authenticateClient there is nobody whose signature could be checked. */
	if (!x || x->state == SDP_SESSION_EXPECT_CLIENT)
		return SDP_TRANSACTION_UNKNOWN;
	ok = tlv_enter_maybe(&w, 0xa0, &good);
	whole = good ? sdp_whole(&ok, 0x30) : octets_from(NULL, 0);
	signature = good ? sdp_whole(&ok, 0x5f37) : octets_from(NULL, 0);
	if (doc.fault)
		return SDP_REQUEST_WRONG;
	if (!good)
		return SDP_SIGNATURE_WRONG;     /* the card refused: nothing signed to go by */
	top = tlv_open(&inner, whole);
	body = tlv_enter(&top, 0x30);
	tid = tlv_take(&body, 0x80);
	oid = tlv_take(&body, 0x81);
	reason = tlv_take_u32(&body, 0x82);
	if (inner.fault)
		return SDP_REQUEST_WRONG;
	if (!octets_same(tid, octets_from(x->tid, sizeof(x->tid))))
		return SDP_TRANSACTION_UNKNOWN;
	if (!sdp_verify(x->euicc.curve, x->euicc.point, &whole, 1, sdp_signature_of(signature)))
		return SDP_SIGNATURE_WRONG;
	if (!octets_same(oid, octets_from(x->auth->cert.oid, x->auth->cert.oid_n)))
		return SDP_OID_WRONG;
	log_info("smdp", "session for profile %s cancelled, reason %u", x->iccid, reason);
	note_cancel(s, x, reason);
	sdp_session_free(s, x);
	return SDP_DONE;
}
