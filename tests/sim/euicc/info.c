#include "sim/euicc/info.h"

#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/sign.h"

/* --- EUICCInfo1 and 2 ------------------------------------------------------------------------- */

/* Without certificates the card still names the CIs that its recipe gave. */
static void put_cis(struct ve *e, uint32_t tag, bool signing, struct tlv_out *w)
{
	const struct blob *fixed =
		&e->state.info[signing ? VE_INFO_CI_SIGNING : VE_INFO_CI_VERIFICATION];
	struct tlv_mark m = tlv_begin(w, tag);

	if (fixed->n)
		tlv_put_raw(w, fixed->p, fixed->n);
	for (size_t i = 0; !fixed->n && i < e->state.n_credentials; i++) {
		const struct ve_credential *c = &e->state.credentials[i];
		uint8_t id[VE_KEY_ID_LEN];

		if ((!signing || c->key.n) && !ve_key_id(blob_octets(&c->ci), id))
			tlv_put(w, 0x04, id, sizeof(id));
	}
	tlv_close(w, m);
}

void ve_info1_put(struct ve *e, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf20);

	tlv_put_octets(w, 0x82, blob_octets(&e->state.info[VE_INFO_SVN]));
	put_cis(e, 0xa9, false, w);
	put_cis(e, 0xaa, true, w);
	tlv_close(w, m);
}

static void put_number(struct tlv_out *w, uint32_t tag, uint32_t v)
{
	const uint8_t raw[] = { v >> 24, v >> 16, v >> 8, v };

	tlv_put(w, tag, raw, sizeof(raw));
}

/* ETSI TS 102 226 8.2.1.7: applications, free octets of lasting and of volatile memory. */
static void put_resources(struct ve *e, struct tlv_out *w)
{
	const struct blob *fixed = &e->state.info[VE_INFO_RESOURCES];
	const uint8_t n = e->state.n_profiles;
	struct tlv_mark m;

	if (fixed->n) {
		tlv_put(w, 0x84, fixed->p, fixed->n);
		return;
	}
	m = tlv_begin(w, 0x84);
	tlv_put(w, 0x81, &n, 1);
	put_number(w, 0x82, ve_memory_free(&e->state));
	put_number(w, 0x83, 9539);
	tlv_close(w, m);
}

static const struct {
	uint32_t tag;
	enum ve_info info;
} info2[] = {
	{ 0x81, VE_INFO_PROFILE_VERSION },
	{ 0x82, VE_INFO_SVN },
	{ 0x83, VE_INFO_FIRMWARE },
	{ 0x84, VE_INFO_RESOURCES },
	{ 0x85, VE_INFO_UICC_CAPABILITY },
	{ 0x86, VE_INFO_TS102241 },
	{ 0x87, VE_INFO_GLOBALPLATFORM },
	{ 0x88, VE_INFO_RSP_CAPABILITY },
	{ 0xa9, VE_INFO_CI_VERIFICATION },
	{ 0xaa, VE_INFO_CI_SIGNING },
	{ 0x8b, VE_INFO_CATEGORY },
	{ 0x99, VE_INFO_FORBIDDEN_PPR },
	{ 0x04, VE_INFO_PP_VERSION },
	{ 0x0c, VE_INFO_SAS },
	{ 0xac, VE_INFO_CERTIFICATION },
	{ 0x8d, VE_INFO_TRE_PROPERTIES },
	{ 0x8e, VE_INFO_TRE_REFERENCE },
	{ 0xaf, VE_INFO_MORE_VERSIONS },
	{ 0x90, VE_INFO_IPA_MODE },
	{ 0xb4, VE_INFO_IOT },
	{ 0x95, VE_INFO_SECURITY_LEVEL },
};

void ve_info2_put(struct ve *e, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf22);

	for (size_t i = 0; i < ARRAY_SIZE(info2); i++) {
		const struct blob *b = &e->state.info[info2[i].info];

		if (info2[i].info == VE_INFO_RESOURCES)
			put_resources(e, w);
		else if (info2[i].info == VE_INFO_CI_VERIFICATION)
			put_cis(e, 0xa9, false, w);
		else if (info2[i].info == VE_INFO_CI_SIGNING)
			put_cis(e, 0xaa, true, w);
		else if (b->n)
			tlv_put(w, info2[i].tag, b->p, b->n);
	}
	tlv_close(w, m);
}

static uint16_t get_info1(struct ve *e, struct octets in, struct tlv_out *w)
{
	(void)in;
	ve_info1_put(e, w);
	return SW_OK;
}

static uint16_t get_info2(struct ve *e, struct octets in, struct tlv_out *w)
{
	(void)in;
	ve_info2_put(e, w);
	return SW_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* ES10c.GetEID, SGP.22 5.7.20. Without a tag list the data is wrong: seen on a real card. */
static uint16_t get_eid(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets list = tlv_take(&body, 0x5c);
	struct tlv_mark m;

	if (doc.fault || list.n != 1 || list.p[0] != 0x5a)
		return SW_DATA;
	m = tlv_begin(w, 0xbf3e);
	tlv_put_octets(w, 0x5a, blob_octets(&e->state.eid));
	tlv_close(w, m);
	return SW_OK;
}

/* ES10a.GetEuiccConfiguredAddresses, SGP.22 5.7.3 */
static uint16_t get_addresses(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf3c);

	(void)in;
	if (e->state.default_dp.n)
		tlv_put_octets(w, 0x80, blob_octets(&e->state.default_dp));
	tlv_put_octets(w, 0x81, blob_octets(&e->state.root_ds));
	tlv_close(w, m);
	return SW_OK;
}

/* A certificate under an implicit tag: what is inside its SEQUENCE. */
static void put_inside(struct tlv_out *w, uint32_t tag, const struct blob *certificate)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, blob_octets(certificate));

	tlv_put_octets(w, tag, tlv_take(&top, 0x30));
}

/* ES10b.GetCerts, SGP.32 5.9.10 */
static uint16_t get_certs(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets ci = tlv_maybe(&body, 0x80);
	const struct ve_credential *c = ci.p ? ve_credential_for(&e->state, ci)
					     : ve_credential_first(&e->state);
	struct tlv_mark m, certs;

	if (doc.fault)
		return SW_DATA;
	m = tlv_begin(w, 0xbf56);
	if (c) {
		certs = tlv_begin(w, 0xa0);
		put_inside(w, 0xa5, &c->eum);
		put_inside(w, 0xa6, &c->euicc);
		tlv_close(w, certs);
	} else {
		tlv_put_u32(w, 0x81, ci.p ? 1 : 127);
	}
	tlv_close(w, m);
	return SW_OK;
}

/* ES10b.IpaeActivation, SGP.32 3.8.4: shows as ipaMode; there is no way back for a device. */
static uint16_t activate_ipae(struct ve *e, struct octets in, struct tlv_out *w)
{
	static const uint8_t ipae = 1;
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct octets option = tlv_take(&body, 0x80);

	if (doc.fault || !option.n)
		return SW_DATA;
	if (e->who->ipae && option.n >= 2 && option.p[1] & 0x80) {
		blob_set(&e->state.info[VE_INFO_IPA_MODE], &ipae, 1);
		e->state.dirty = true;
	}
	ve_es10_code(w, 0xbf42, e->who->ipae ? 0 : 1);
	return SW_OK;
}

const struct es10_row ve_info_rows[] = {
	{ 0xbf20, "GetEUICCInfo1", get_info1, ES10_ALL },
	{ 0xbf22, "GetEUICCInfo2", get_info2, ES10_ALL },
	{ 0xbf3c, "GetEuiccConfiguredAddresses", get_addresses, ES10_ALL },
	{ 0xbf3e, "GetEID", get_eid, ES10_ALL },
	{ 0xbf42, "IpaeActivation", activate_ipae, ES10_ALL },
	{ 0xbf56, "GetCerts", get_certs, ES10_IOT },
	{ 0 },
};
