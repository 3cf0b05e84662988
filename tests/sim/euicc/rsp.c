#include "sim/euicc/rsp.h"

#include <string.h>
#include <time.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/info.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/pki.h"
#include "sim/euicc/profile.h"
#include "sim/euicc/sign.h"

/* The largest object that is signed here, EUICCInfo2 included. */
#define SIGNED_MAX 8192

/* AuthenticateErrorCode and DownloadErrorCode, SGP.22 5.7.13 and 5.7.5; 5 differs. */
enum rsp_error {
	RSP_OK = 0,
	RSP_INVALID_CERTIFICATE = 1,
	RSP_INVALID_SIGNATURE = 2,
	RSP_UNSUPPORTED_CURVE = 3,
	RSP_NO_SESSION = 4,
	RSP_INVALID_TID = 5,
	RSP_CHALLENGE_MISMATCH = 6,
	RSP_CI_UNKNOWN = 7,
	RSP_UNDEFINED = 127,
};

void ve_session_clear(struct ve_session *s)
{
	blob_clear(&s->tid);
	blob_clear(&s->address);
	blob_clear(&s->oid);
	blob_clear(&s->ci);
	blob_clear(&s->dp_ci);
	blob_clear(&s->signature1);
	blob_clear(&s->dp_point);
	explicit_bzero(s, sizeof(*s));
}

/* ES10b.GetEUICCChallenge, SGP.22 5.7.7: a new session, the old one is gone. */
static uint16_t get_challenge(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct ve_session *s = &e->session;
	struct tlv_mark m;

	(void)in;
	ve_bpp_interrupted(e);
	ve_session_clear(s);
	ve_immediate_forget(e);
	ve_random(e, s->challenge, sizeof(s->challenge));
	s->has_challenge = true;
	m = tlv_begin(w, 0xbf2e);
	tlv_put(w, 0x80, s->challenge, sizeof(s->challenge));
	tlv_close(w, m);
	return SW_OK;
}

/* tag { A1 { 80 transactionId, 02 code } }: there must be some transactionId. */
static uint16_t put_error(struct tlv_out *w, uint32_t tag, struct octets tid, enum rsp_error code)
{
	struct tlv_mark m = tlv_begin(w, tag), error = tlv_begin(w, 0xa1);

	if (tid.n >= 1 && tid.n <= VE_TID_MAX)
		tlv_put_octets(w, 0x80, tid);
	else
		tlv_put(w, 0x80, "", 1);
	tlv_put_u32(w, 0x02, code);
	tlv_close(w, error);
	tlv_close(w, m);
	return SW_OK;
}

/* Two TLVs one after the other, as signatures cover them; empty if they do not fit. */
static struct octets join(uint8_t *buf, size_t cap, struct octets a, struct octets b)
{
	if (a.n + b.n > cap)
		return octets_from(NULL, 0);
	memcpy(buf, a.p, a.n);
	memcpy(buf + a.n, b.p, b.n);
	return octets_from(buf, a.n + b.n);
}

/* --- certificates of servers ------------------------------------------------------------------ */

/* The CI that the certificate names, among those the card verifies with. */
static const struct ve_credential *ci_of(const struct ve_state *s, const struct ve_cert *c,
					 struct ve_cert *ret_ci)
{
	for (size_t i = 0; i < s->n_credentials; i++)
		if (!ve_cert_read(blob_octets(&s->credentials[i].ci), ret_ci) &&
		    octets_same(c->aki, octets_from(ret_ci->ski, VE_KEY_ID_LEN)))
			return &s->credentials[i];
	return NULL;
}

static enum rsp_error judge_certificate(const struct ve_state *s, const struct ve_cert *c,
					unsigned roles, struct ve_cert *ret_ci)
{
	enum ve_cert_end end = VE_CERT_ROLE;

	if (!c->curve_known)
		return RSP_UNSUPPORTED_CURVE;
	if (!ci_of(s, c, ret_ci))
		return RSP_CI_UNKNOWN;
	for (enum ve_role role = 0; role < _VE_ROLE_MAX && end == VE_CERT_ROLE; role++)
		if (roles & 1u << role)
			end = ve_cert_check(c, ret_ci, role, time(NULL));
	if (end == VE_CERT_OK)
		return RSP_OK;
	log_info("euicc", "server certificate refused: %s", ve_cert_end_name(end));
	return RSP_INVALID_CERTIFICATE;
}

/* --- ES10b.AuthenticateServer, SGP.22 5.7.13 -------------------------------------------------- */

struct authenticate {
	struct octets signed1, signature, ci, certificate, params;      /* whole, but ci's value */
	struct octets tid, challenge, address, server_challenge;
};

static bool read_authenticate(struct octets in, struct authenticate *ret)
{
	struct authenticate a;
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in), before, inner;
	uint32_t tag;

	before = body;
	inner = tlv_enter(&body, 0x30);
	a.signed1 = tlv_take_whole(&before, &tag);
	a.tid = tlv_take(&inner, 0x80);
	a.challenge = tlv_take(&inner, 0x81);
	a.address = tlv_take(&inner, 0x83);
	a.server_challenge = tlv_take(&inner, 0x84);
	a.signature = tlv_take(&body, 0x5f37);
	a.ci = tlv_take(&body, 0x04);
	before = body;
	tlv_take(&body, 0x30);
	a.certificate = tlv_take_whole(&before, &tag);
	before = body;
	tlv_take(&body, 0xa0);
	a.params = tlv_take_whole(&before, &tag);
	*ret = a;
	return !doc.fault && a.tid.n >= 1 && a.tid.n <= VE_TID_MAX &&
	       a.server_challenge.n == VE_CHALLENGE_LEN;
}

static enum rsp_error judge_server(struct ve *e, const struct authenticate *a, struct ve_cert *ret,
				   struct ve_cert *ret_ci)
{
	const struct ve_session *s = &e->session;
	enum rsp_error r;

	if (!s->has_challenge)
		return RSP_NO_SESSION;
	if (!ve_credential_for(&e->state, a->ci))
		return RSP_CI_UNKNOWN;
	if (ve_cert_read(a->certificate, ret))
		return RSP_INVALID_CERTIFICATE;
	r = judge_certificate(&e->state, ret, 1u << VE_ROLE_DP_AUTH | 1u << VE_ROLE_DS_AUTH,
			      ret_ci);
	if (r != RSP_OK)
		return r;
	if (!ve_ec_verify(ret->curve, ret->point, a->signed1, a->signature))
		return RSP_INVALID_SIGNATURE;
	if (!octets_same(a->challenge, octets_from(s->challenge, sizeof(s->challenge))))
		return RSP_CHALLENGE_MISMATCH;
	return RSP_OK;
}

static size_t put_euicc_signed1(struct ve *e, const struct authenticate *a, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0x30);

	tlv_put_octets(w, 0x80, a->tid);
	tlv_put_octets(w, 0x83, a->address);
	tlv_put_octets(w, 0x84, a->server_challenge);
	ve_info2_put(e, w);
	tlv_put_raw(w, a->params.p, a->params.n);
	tlv_close(w, m);
	return w->len;
}

static void remember_server(struct ve *e, const struct authenticate *a, const struct ve_cert *c,
			    const struct ve_cert *ci, struct octets signature)
{
	struct ve_session *s = &e->session;
	struct ve_cert own;

	s->has_challenge = false;
	s->authenticated = true;
	s->prepared = false;
	blob_copy(&s->tid, a->tid);
	blob_copy(&s->address, a->address);
	blob_copy(&s->oid, c->oid);
	blob_copy(&s->ci, a->ci);
	blob_set(&s->dp_ci, ci->ski, sizeof(ci->ski));
	blob_copy(&s->signature1, signature);
	if (!ve_cert_read(blob_octets(&ve_credential_for(&e->state, a->ci)->euicc), &own))
		s->curve = own.curve;
}

static uint16_t authenticate_server(struct ve *e, struct octets in, struct tlv_out *w)
{
	uint8_t raw[SIGNED_MAX];
	struct tlv_out data = { raw, sizeof(raw) };
	struct authenticate a;
	struct ve_cert c, ci;
	const struct ve_credential *own;
	struct tlv_mark m, ok;
	enum rsp_error r = RSP_UNDEFINED;
	size_t at;

	if (read_authenticate(in, &a))
		r = judge_server(e, &a, &c, &ci);
	if (r == RSP_OK) {
		put_euicc_signed1(e, &a, &data);
		if (data.full)
			r = RSP_UNDEFINED;
	}
	if (r != RSP_OK)
		return put_error(w, 0xbf38, a.tid, r);
	own = ve_credential_for(&e->state, a.ci);
	m = tlv_begin(w, 0xbf38);
	ok = tlv_begin(w, 0xa0);
	tlv_put_raw(w, raw, data.len);
	at = w->len;
	ve_sign_put(own, octets_from(raw, data.len), w);
	remember_server(e, &a, &c, &ci, octets_from(w->buf + at, w->len - at));
	tlv_put_raw(w, own->euicc.p, own->euicc.n);
	tlv_put_raw(w, own->eum.p, own->eum.n);
	tlv_close(w, ok);
	tlv_close(w, m);
	return SW_OK;
}

/* --- ES10b.PrepareDownload, SGP.22 5.7.5 ------------------------------------------------------ */

struct prepare {
	struct octets signed2, signature, hash_cc, certificate;         /* signature: whole too */
	struct octets signature_value;
	struct octets tid, otpk;
	bool cc_required;
};

static bool read_prepare(struct octets in, struct prepare *ret)
{
	struct prepare a;
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in), before, inner;
	struct octets flag;
	uint32_t tag;

	before = body;
	inner = tlv_enter(&body, 0x30);
	a.signed2 = tlv_take_whole(&before, &tag);
	a.tid = tlv_take(&inner, 0x80);
	flag = tlv_take(&inner, 0x01);
	a.cc_required = flag.n == 1 && flag.p[0];
	a.otpk = tlv_maybe(&inner, 0x5f49);
	before = body;
	a.signature_value = tlv_take(&body, 0x5f37);
	a.signature = tlv_take_whole(&before, &tag);
	a.hash_cc = tlv_maybe(&body, 0x04);
	before = body;
	tlv_take(&body, 0x30);
	a.certificate = tlv_take_whole(&before, &tag);
	*ret = a;
	return !doc.fault;
}

/* CERT.DPpb must come from the same CI and speak for the same SM-DP+ as CERT.DPauth. */
static enum rsp_error judge_binding(struct ve *e, const struct prepare *a, struct ve_cert *ret)
{
	const struct ve_session *s = &e->session;
	uint8_t raw[SIGNED_MAX];
	struct ve_cert ci;
	enum rsp_error r;

	if (!s->authenticated)
		return RSP_NO_SESSION;
	if (!octets_same(a->tid, blob_octets(&s->tid)))
		return RSP_INVALID_TID;
	if (ve_cert_read(a->certificate, ret))
		return RSP_INVALID_CERTIFICATE;
	r = judge_certificate(&e->state, ret, 1u << VE_ROLE_DP_PB, &ci);
	if (r == RSP_CI_UNKNOWN ||
	    (r == RSP_OK && (!octets_same(ret->aki, blob_octets(&s->dp_ci)) ||
			     !octets_same(ret->oid, blob_octets(&s->oid)))))
		r = RSP_INVALID_CERTIFICATE;
	if (r != RSP_OK)
		return r;
	if (!ve_ec_verify(ret->curve, ret->point,
			  join(raw, sizeof(raw), a->signed2, blob_octets(&s->signature1)),
			  a->signature_value))
		return RSP_INVALID_SIGNATURE;
	if (a->cc_required && a->hash_cc.n != VE_HASH_LEN)
		return RSP_UNDEFINED;
	return RSP_OK;
}

/*
 * SGP.22 2.6.4: the pair that an earlier, unfinished download used is used again if the server
 * names it, so that what was bound to it can be delivered once more.
 */
static void choose_one_time_key(struct ve *e, struct octets wanted, uint8_t ret[VE_POINT_LEN])
{
	struct ve_state *s = &e->state;
	const struct ve_session *session = &e->session;
	uint8_t secret[VE_SECRET_LEN];

	if (wanted.n && s->otk_key.n == VE_SECRET_LEN &&
	    octets_same(blob_octets(&s->otk_oid), blob_octets(&session->oid)) &&
	    !ve_ec_public(session->curve, s->otk_key.p, ret) &&
	    octets_same(wanted, octets_from(ret, VE_POINT_LEN)))
		return;
	do
		ve_random(e, secret, sizeof(secret));
	while (ve_ec_public(session->curve, secret, ret));
	blob_set(&s->otk_key, secret, sizeof(secret));
	blob_copy(&s->otk_oid, blob_octets(&session->oid));
	blob_copy(&s->otk_ci, blob_octets(&session->ci));
	s->dirty = true;
	explicit_bzero(secret, sizeof(secret));
}

static uint16_t prepare_download(struct ve *e, struct octets in, struct tlv_out *w)
{
	uint8_t raw[512], joined[1024], otpk[VE_POINT_LEN];
	struct tlv_out data = { raw, sizeof(raw) };
	struct ve_session *s = &e->session;
	struct prepare a;
	struct ve_cert c;
	struct tlv_mark m, ok;
	enum rsp_error r = RSP_UNDEFINED;

	if (read_prepare(in, &a))
		r = judge_binding(e, &a, &c);
	if (r != RSP_OK)
		return put_error(w, 0xbf21, a.tid, r);
	ve_bpp_interrupted(e);
	choose_one_time_key(e, a.otpk, otpk);
	s->prepared = true;
	s->dp_curve = c.curve;
	blob_copy(&s->dp_point, c.point);
	m = tlv_begin(&data, 0x30);
	tlv_put_octets(&data, 0x80, a.tid);
	tlv_put(&data, 0x5f49, otpk, sizeof(otpk));
	if (a.hash_cc.n)
		tlv_put_octets(&data, 0x04, a.hash_cc);
	tlv_close(&data, m);
	m = tlv_begin(w, 0xbf21);
	ok = tlv_begin(w, 0xa0);
	tlv_put_raw(w, raw, data.len);
	ve_sign_put(ve_credential_for(&e->state, blob_octets(&s->ci)),
		    join(joined, sizeof(joined), octets_from(raw, data.len), a.signature), w);
	tlv_close(w, ok);
	tlv_close(w, m);
	return SW_OK;
}

/* --- ES10b.CancelSession, SGP.22 5.7.14 ------------------------------------------------------- */

static void put_cancel_error(struct tlv_out *w, enum rsp_error code)
{
	struct tlv_mark m = tlv_begin(w, 0xbf41);

	tlv_put_u32(w, 0x81, code);
	tlv_close(w, m);
}

static uint16_t cancel_session(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct ve_session *s = &e->session;
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets tid = tlv_take(&body, 0x80);
	uint32_t reason = tlv_take_u32(&body, 0x81);
	uint8_t raw[512];
	struct tlv_out data = { raw, sizeof(raw) };
	struct tlv_mark m, ok;

	if (doc.fault || reason > 127) {
		put_cancel_error(w, RSP_UNDEFINED);
		return SW_OK;
	}
	if (!s->authenticated || !octets_same(tid, blob_octets(&s->tid))) {
		put_cancel_error(w, RSP_INVALID_TID);
		return SW_OK;
	}
	m = tlv_begin(&data, 0x30);
	tlv_put_octets(&data, 0x80, tid);
	tlv_put_octets(&data, 0x81, blob_octets(&s->oid));
	tlv_put_u32(&data, 0x82, reason);
	tlv_close(&data, m);
	m = tlv_begin(w, 0xbf41);
	ok = tlv_begin(w, 0xa0);
	tlv_put_raw(w, raw, data.len);
	ve_sign_put(ve_credential_for(&e->state, blob_octets(&s->ci)), octets_from(raw, data.len),
		    w);
	tlv_close(w, ok);
	tlv_close(w, m);
	ve_bpp_cancel(e);
	ve_session_clear(s);
	return SW_OK;
}

const struct es10_row ve_rsp_rows[] = {
	{ 0xbf2e, "GetEUICCChallenge", get_challenge, ES10_ALL },
	{ 0xbf38, "AuthenticateServer", authenticate_server, ES10_ALL, .crypto = true },
	{ 0xbf21, "PrepareDownload", prepare_download, ES10_ALL, .crypto = true },
	{ 0xbf41, "CancelSession", cancel_session, ES10_ALL, .crypto = true },
	{ 0 },
};
