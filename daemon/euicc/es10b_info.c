/* ES10b: challenge, EUICCInfo1 and 2, Rules Authorisation Table. */
#include <errno.h>

#include "core/util.h"
#include "euicc/es10b.h"

/* ES10b.GetEUICCChallenge, GSMA SGP.22 5.7.7 */
void es10b_get_challenge_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf2e, NULL, 0);
}

int es10b_challenge_decode(struct octets der, struct octets *ret_challenge)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf2e);
	struct octets challenge = tlv_take(&body, 0x80);

	tlv_end(&top);
	if (doc.fault || challenge.n != 16)
		return -EBADMSG;
	*ret_challenge = challenge;
	return 0;
}

static struct es10_version take_version(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	struct es10_version v = { 0 };

	if (es10_version_from(tlv_take(w, tag), &v) < 0) {
		tlv_blame(&before, TLV_BAD_VALUE, tag);
		w->n = 0;
	}
	return v;
}

static uint32_t take_bits(struct tlv *w, uint32_t tag)
{
	struct tlv before = *w;
	uint32_t bits = 0;

	if (es10_bits_from(tlv_take(w, tag), &bits) < 0) {
		tlv_blame(&before, TLV_BAD_VALUE, tag);
		w->n = 0;
	}
	return bits;
}

/* ES10b.GetEUICCInfo1, GSMA SGP.22 5.7.8 */
void es10b_get_info1_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf20, NULL, 0);
}

int es10b_info1_decode(struct octets der, struct es10b_info1 *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf20);
	struct es10b_info1 v = { .svn = take_version(&body, 0x82) };

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);

		if (tag == 0xa9)
			v.ci_verify = tlv_take(&body, tag);
		else if (tag == 0xaa)
			v.ci_sign = tlv_take(&body, tag);
		else
			tlv_skip(&body);
	}
	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* ES10b.GetEUICCInfo2, GSMA SGP.22 5.7.8, SGP.32 5.9.2 */
void es10b_get_info2_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf22, NULL, 0);
}

/* Memory sizes come with leading zeros, in as many octets as the card likes; too large is -1. */
static int64_t size_of(struct octets v)
{
	int64_t n = 0;

	if (v.n == 0)
		return -1;
	for (size_t i = 0; i < v.n; i++) {
		if (n > INT64_MAX >> 9)
			return -1;
		n = n << 8 | v.p[i];
	}
	return n;
}

/* Extended card resources, ETSI TS 102 226 8.2.1.7.2 */
static void take_resources(struct tlv w, struct es10b_info2 *v)
{
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0x81)
			v->applications = size_of(tlv_take(&w, tag));
		else if (tag == 0x82)
			v->free_nv = size_of(tlv_take(&w, tag));
		else if (tag == 0x83)
			v->free_ram = size_of(tlv_take(&w, tag));
		else
			tlv_skip(&w);
	}
}

static void take_certification(struct tlv w, struct es10b_info2 *v)
{
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0x80)
			v->platform_label = tlv_take(&w, tag);
		else if (tag == 0x81)
			v->discovery_url = tlv_take(&w, tag);
		else
			tlv_skip(&w);
	}
}

/* IoTSpecificInfo, SGP.32 5.9.2: the card lists every version that it supports. */
static void take_iot(struct tlv w, struct es10b_info2 *v)
{
	v->iot = true;
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0xa0)
			v->iot_versions = tlv_take(&w, tag);
		else if (tag == 0x81)
			tlv_skip(&w), v->ecall = true;
		else if (tag == 0x82)
			tlv_skip(&w), v->fallback = true;
		else if (tag == 0x83)
			tlv_skip(&w), v->fallback_update = true;
		else
			tlv_skip(&w);
	}
}

/* Of what is only shown, one odd value is no reason to refuse all the others: it is not said. */
static void take_versions(struct tlv *w, uint32_t tag, struct es10b_info2 *v)
{
	struct es10_version version = { 0 };

	(void)es10_version_from(tlv_take(w, tag), &version);
	if (tag == 0x81)
		v->profile_version = version;
	else if (tag == 0x82)
		v->svn = version;
	else if (tag == 0x83)
		v->firmware = version;
	else if (tag == 0x86)
		v->javacard = version;
	else if (tag == 0x87)
		v->globalplatform = version;
	else
		v->pp_version = version;
}

static void take_info2_field(struct tlv *w, uint32_t tag, struct es10b_info2 *v)
{
	switch (tag) {
	case 0x81: case 0x82: case 0x83: case 0x86: case 0x87: case 0x04:
		take_versions(w, tag, v);
		break;
	case 0x84:
		take_resources(tlv_enter(w, tag), v);
		break;
	case 0x85:
		(void)es10_bits_from(tlv_take(w, tag), &v->uicc);
		break;
	case 0x88:
		(void)es10_bits_from(tlv_take(w, tag), &v->rsp);
		break;
	case 0xa9:
		v->ci_verify = tlv_take(w, tag);
		break;
	case 0xaa:
		v->ci_sign = tlv_take(w, tag);
		break;
	case 0x8b:
		v->category = (int)(es10_number(tlv_take(w, tag)) & 0xff);
		break;
	case 0x99:
		v->forbidden_pprs = take_bits(w, tag);
		break;
	case 0x0c:
		v->sas_number = tlv_take(w, tag);
		break;
	case 0xac:
		take_certification(tlv_enter(w, tag), v);
		break;
	case 0x8d:
		(void)es10_bits_from(tlv_take(w, tag), &v->tre);
		break;
	case 0x8e:
		v->tre_reference = tlv_take(w, tag);
		break;
	case 0xaf:
		v->more_pp_versions = tlv_take(w, tag);
		break;
	case 0x90:
		v->ipa_mode = (int)(es10_number(tlv_take(w, tag)) & 0xff);
		break;
	case 0xb4:
		take_iot(tlv_enter(w, tag), v);
		break;
	case 0x95:
		v->security_level = (int)(es10_number(tlv_take(w, tag)) & 0xff);
		break;
	default:
		tlv_skip(w);
	}
}

static struct es10_version highest_version(struct octets list)
{
	struct es10_version best = { 0 }, v;
	struct octets value;

	while (es10_list_next(&list, 0x04, &value))
		if (es10_version_from(value, &v) == 0 && es10_version_compare(v, best) > 0)
			best = v;
	return best;
}

int es10b_info2_decode(struct octets der, struct es10b_info2 *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf22);
	struct es10b_info2 v = {
		.applications = -1, .free_nv = -1, .free_ram = -1, .category = -1,
		.ipa_mode = -1, .security_level = -1,
	};

	while (tlv_more(&body))
		take_info2_field(&body, tlv_peek(&body), &v);
	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	v.iot_version = highest_version(v.iot_versions);
	*ret = v;
	return 0;
}

/* ES10b.GetRAT, GSMA SGP.22 5.7.22 */
void es10b_get_rat_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf43, NULL, 0);
}

int es10b_rat_decode(struct octets der, struct octets *ret_rules)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf43);
	struct octets rules = tlv_take(&body, 0xa0), walked = rules;
	struct es10b_rule rule;

	tlv_end(&top);
	while (es10b_rule_next(&walked, &rule))
		;
	if (doc.fault || walked.n)
		return -EBADMSG;
	*ret_rules = rules;
	return 0;
}

bool es10b_rule_next(struct octets *rules, struct es10b_rule *ret)
{
	struct octets content = { 0 };
	struct octets left = *rules;
	struct es10b_rule v = { 0 };
	struct tlv_doc doc;
	struct tlv w;

	if (!es10_list_next(&left, 0x30, &content))
		return false;
	w = tlv_open(&doc, content);
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0x80)
			v.pprs = take_bits(&w, tag);
		else if (tag == 0xa1)
			v.operators = tlv_take(&w, tag);
		else if (tag == 0x82)
			v.consent = take_bits(&w, tag) & 1;
		else
			tlv_skip(&w);
	}
	if (doc.fault)
		return false;
	*rules = left;
	*ret = v;
	return true;
}

bool es10b_operator_next(struct octets *operators, struct es10b_operator *ret)
{
	struct octets content = { 0 };
	struct octets left = *operators;
	struct es10b_operator v;
	struct tlv_doc doc;
	struct tlv w;

	if (!es10_list_next(&left, 0x30, &content))
		return false;
	w = tlv_open(&doc, content);
	v.plmn = tlv_take(&w, 0x80);
	v.gid1 = tlv_maybe(&w, 0x81);
	v.gid2 = tlv_maybe(&w, 0x82);
	if (doc.fault)
		return false;
	*operators = left;
	*ret = v;
	return true;
}

/* Nibble by nibble; E in the rule stands for any digit, a missing third MNC digit included. */
static bool plmn_fits(struct octets rule, struct octets plmn)
{
	if (rule.n != 3 || plmn.n != 3)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (rule.p[i] >> 4 != 0xe && rule.p[i] >> 4 != plmn.p[i] >> 4)
			return false;
		if ((rule.p[i] & 0xf) != 0xe && (rule.p[i] & 0xf) != (plmn.p[i] & 0xf))
			return false;
	}
	return true;
}

static bool gid_fits(struct octets rule, struct octets gid)
{
	return !rule.p || octets_same(rule, gid);
}

bool es10b_rat_allows(struct octets rules, uint32_t ppr, struct es10b_operator owner,
		      bool *ret_consent)
{
	struct es10b_rule rule;
	struct es10b_operator o;

	while (es10b_rule_next(&rules, &rule)) {
		if (!(rule.pprs & ppr))
			continue;
		while (es10b_operator_next(&rule.operators, &o)) {
			if (!plmn_fits(o.plmn, owner.plmn) || !gid_fits(o.gid1, owner.gid1) ||
			    !gid_fits(o.gid2, owner.gid2))
				continue;
			*ret_consent = rule.consent;
			return true;
		}
	}
	return false;
}
