/*
 * The functions of SGP.32 that an IPA calls of its own: immediate enabling, emergency, fallback,
 * connectivity. Each needs no package and changes the enabled profile under its own conditions.
 */
#include <string.h>

#include <openssl/x509.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/profile.h"

static struct ve_profile *by_aid(struct ve *e, const struct blob *aid)
{
	return ve_profile_find(&e->state, VE_AID, blob_octets(aid));
}

/* tag { 80 refreshFlag }, as all of these have it. Edition 1.0 had no flag: a REFRESH comes. */
static bool read_refresh(const struct ve *e, struct octets in, bool *ret)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets flag = tlv_maybe(&body, 0x80);

	if (doc.fault || (flag.p ? flag.n != 1 : e->state.version != VE_SGP32_10))
		return false;
	*ret = !flag.p || flag.p[0];
	return true;
}

/* From 1.2 on a REFRESH that was asked for ends a pending grant (one source). */
static void revoke_with_refresh(struct ve *e, bool refresh)
{
	if (refresh && e->state.version >= VE_SGP32_12)
		ve_rollback_revoke(e);
}

typedef enum ve_code (*local_fn)(struct ve *e, bool refresh);

static uint16_t run(struct ve *e, struct octets in, uint32_t tag, local_fn fn, struct tlv_out *w)
{
	bool refresh;
	enum ve_code code;

	if (!read_refresh(e, in, &refresh))
		return SW_DATA;
	code = fn(e, refresh);
	ve_es10_code(w, tag, code);
	if (code == VE_OK)
		ve_switch_commit(e, refresh);
	else
		ve_switch_drop(e);
	return SW_OK;
}

/* --- immediate enabling, SGP.32 5.9.15 and 5.9.17 --------------------------------------------- */

/* ES10b.ConfigureImmediateProfileEnabling: only while no eIM is associated. */
static uint16_t configure_immediate(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	enum ve_code code = VE_WRONG_STATE;     /* here: associatedEimAlreadyExists */

	if (!e->state.n_eims)
		code = ve_immediate_configure(e, tlv_rest(&body));
	/* Only the PSMO has a code for a malformed command. */
	ve_es10_code(w, 0xbf59, code == VE_COMMAND_ERROR ? VE_UNDEFINED : code);
	return SW_OK;
}

static bool differs(const struct blob *wanted, const struct blob *got)
{
	return wanted->n && !octets_same(blob_octets(wanted), blob_octets(got));
}

/* The order of the checks rests on one source. */
static enum ve_code judge_immediate(struct ve *e)
{
	const struct ve_state *s = &e->state;

	if (!s->immediate || (!s->immediate_oid.n && !s->immediate_address.n))
		return VE_NOT_FOUND;            /* here: immediateEnableNotAvailable */
	if (!s->downloaded || !by_aid(e, &s->downloaded_aid))
		return VE_WRONG_REENABLING;     /* here: noSessionContext */
	if (differs(&s->immediate_oid, &s->downloaded_oid) ||
	    differs(&s->immediate_address, &s->downloaded_address))
		return VE_NOT_FOUND;
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	return ve_profile_enable(e, by_aid(e, &s->downloaded_aid)) == VE_OK ? VE_OK : VE_UNDEFINED;
}

static enum ve_code immediate_enable(struct ve *e, bool refresh)
{
	enum ve_code code = judge_immediate(e);

	ve_immediate_forget(e);
	if (code == VE_OK)
		revoke_with_refresh(e, refresh);
	return code;
}

static uint16_t run_immediate(struct ve *e, struct octets in, struct tlv_out *w)
{
	return run(e, in, 0xbf5a, immediate_enable, w);
}

/* --- Emergency Profile, SGP.32 5.9.22 and 5.9.23 ---------------------------------------------- */

static struct ve_profile *emergency_profile(struct ve *e)
{
	for (size_t i = 0; i < e->state.n_profiles; i++)
		if (ve_profile_flag(&e->state.profiles[i], VE_ECALL))
			return &e->state.profiles[i];
	return NULL;
}

static enum ve_code enable_emergency(struct ve *e, bool refresh)
{
	struct ve_state *s = &e->state;
	struct ve_profile *p = emergency_profile(e), *from = ve_profile_current(e);

	if (!p || !ve_ecall_supported(s))
		return VE_ECALL_NOT_AVAILABLE;
	if (p == from)
		return VE_WRONG_STATE;
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	s->emergency_active = 1;
	blob_copy(&s->emergency_return,
		  from ? blob_octets(&from->field[VE_AID]) : octets_from(NULL, 0));
	s->dirty = true;
	revoke_with_refresh(e, refresh);
	ve_switch_mark(e, p);
	return VE_OK;
}

static enum ve_code disable_emergency(struct ve *e, bool refresh)
{
	struct ve_state *s = &e->state;
	struct ve_profile *p = emergency_profile(e);

	if (!p || !ve_ecall_supported(s))
		return s->version >= VE_SGP32_13 ? VE_ECALL_NOT_AVAILABLE : VE_WRONG_STATE;
	if (p != ve_profile_current(e))
		return VE_WRONG_STATE;
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	ve_switch_mark(e, by_aid(e, &s->emergency_return));
	s->emergency_active = 0;
	blob_clear(&s->emergency_return);
	s->dirty = true;
	revoke_with_refresh(e, refresh);
	return VE_OK;
}

static uint16_t run_enable_emergency(struct ve *e, struct octets in, struct tlv_out *w)
{
	return run(e, in, 0xbf5b, enable_emergency, w);
}

static uint16_t run_disable_emergency(struct ve *e, struct octets in, struct tlv_out *w)
{
	return run(e, in, 0xbf5c, disable_emergency, w);
}

/* --- fallback, SGP.32 5.9.20 and 5.9.21 ------------------------------------------------------- */

static enum ve_code execute_fallback(struct ve *e, bool refresh)
{
	struct ve_state *s = &e->state;
	struct ve_profile *p = ve_fallback_profile(e), *from = ve_profile_current(e);

	(void)refresh;
	if (s->emergency_active)
		return VE_ECALL_ACTIVE;
	if (!p || !ve_fallback_supported(s))
		return VE_FALLBACK_NOT_AVAILABLE;
	if (!from)
		return VE_COMMAND_ERROR;
	if (p == from)
		return VE_WRONG_STATE;
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	s->fallback_active = 1;
	blob_copy(&s->fallback_return, blob_octets(&from->field[VE_AID]));
	ve_rollback_revoke(e);
	ve_switch_mark(e, p);
	return VE_OK;
}

static enum ve_code return_from_fallback(struct ve *e, bool refresh)
{
	struct ve_state *s = &e->state;
	struct ve_profile *p = ve_fallback_profile(e), *back = by_aid(e, &s->fallback_return);

	(void)refresh;
	if (!s->fallback_active || !p || p != ve_profile_current(e) || !back)
		return VE_FALLBACK_NOT_AVAILABLE;
	if (ve_cat_busy(e))
		return VE_CAT_BUSY;
	ve_switch_mark(e, back);
	s->fallback_active = 0;
	blob_clear(&s->fallback_return);
	ve_rollback_revoke(e);
	return VE_OK;
}

static uint16_t run_execute_fallback(struct ve *e, struct octets in, struct tlv_out *w)
{
	return run(e, in, 0xbf5d, execute_fallback, w);
}

static uint16_t run_return_from_fallback(struct ve *e, struct octets in, struct tlv_out *w)
{
	return run(e, in, 0xbf5e, return_from_fallback, w);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* ES10b.GetConnectivityParameters, SGP.32 5.9.24 */
static uint16_t get_connectivity(struct ve *e, struct octets in, struct tlv_out *w)
{
	const struct ve_profile *p = ve_profile_enabled(&e->state);
	struct tlv_mark m = tlv_begin(w, 0xbf5f);
	struct tlv_mark params;

	(void)in;
	if (p && p->field[VE_CONNECTIVITY].n) {
		params = tlv_begin(w, 0xa0);
		tlv_put_octets(w, 0x81, blob_octets(&p->field[VE_CONNECTIVITY]));
		tlv_close(w, params);
	} else {
		tlv_put_u32(w, 0x81, 1);
	}
	tlv_close(w, m);
	return SW_OK;
}

/* LoadCRLResponse's error codes, SGP.22 5.7.12. */
enum {
	CRL_OK = 0,
	CRL_SIGNATURE = 1,
	CRL_FORMAT = 2,
	CRL_NO_KEY = 4,
};

/* Whose list is it? One of the CIs of this card must have signed it. */
static int judge_crl(const struct ve_state *s, X509_CRL *crl)
{
	int code = CRL_NO_KEY;

	for (size_t i = 0; i < s->n_credentials && code == CRL_NO_KEY; i++) {
		const uint8_t *der = s->credentials[i].ci.p;
		X509 *ci = d2i_X509(NULL, &der, (long)s->credentials[i].ci.n);

		if (ci && !X509_NAME_cmp(X509_get_subject_name(ci), X509_CRL_get_issuer(crl)))
			code = X509_CRL_verify(crl, X509_get0_pubkey(ci)) == 1 ? CRL_OK
									       : CRL_SIGNATURE;
		X509_free(ci);
	}
	return code;
}

/*
 * ES10b.LoadCRL, SGP.22 5.7.12. The list is judged, not kept: this card checks no certificate
 * against one, and says so in its rspCapability.
 */
static uint16_t load_crl(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets inside = tlv_take(&body, 0xa0);
	struct blob der = { 0 };
	struct tlv_mark m, ok;
	const uint8_t *p;
	X509_CRL *crl;
	int code;

	if (doc.fault)
		return SW_DATA;
	blob_set(&der, NULL, 0);
	if (inside.n < 32768) {
		uint8_t head[4] = { 0x30, 0x82, inside.n >> 8, inside.n };

		blob_set(&der, head, sizeof(head));
		blob_append(&der, inside.p, inside.n);
	}
	p = der.p;
	crl = der.n ? d2i_X509_CRL(NULL, &p, (long)der.n) : NULL;
	code = crl ? judge_crl(&e->state, crl) : CRL_FORMAT;
	X509_CRL_free(crl);
	blob_clear(&der);
	m = tlv_begin(w, 0xbf35);
	if (code == CRL_OK) {
		ok = tlv_begin(w, 0xa0);
		tlv_close(w, ok);
	} else {
		tlv_put_u32(w, 0x81, code);
	}
	tlv_close(w, m);
	return SW_OK;
}

const struct es10_row ve_local_rows[] = {
	{ 0xbf35, "LoadCRL", load_crl, ES10_ALL },
	{ 0xbf59, "ConfigureImmediateProfileEnabling", configure_immediate, ES10_IOT },
	{ 0xbf5a, "ImmediateEnable", run_immediate, ES10_IOT },
	{ 0xbf5b, "EnableEmergencyProfile", run_enable_emergency, ES10_IOT_11 },
	{ 0xbf5c, "DisableEmergencyProfile", run_disable_emergency, ES10_IOT_11 },
	{ 0xbf5d, "ExecuteFallbackMechanism", run_execute_fallback, ES10_IOT_11 },
	{ 0xbf5e, "ReturnFromFallback", run_return_from_fallback, ES10_IOT_11 },
	{ 0xbf5f, "GetConnectivityParameters", get_connectivity, ES10_IOT_11 },
	{ 0 },
};
