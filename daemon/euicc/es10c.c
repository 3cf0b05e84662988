#include "euicc/es10c.h"

#include <errno.h>

#include "core/util.h"

/* ES10c.GetEID, GSMA SGP.22 5.7.20. The tag list must be there: without it cards say 6A80. */
void es10c_get_eid_encode(struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf3e);

	tlv_put(w, 0x5c, "\x5a", 1);
	tlv_close(w, m);
}

int es10c_eid_decode(struct octets der, struct octets *ret_eid)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf3e);
	struct octets eid = tlv_take(&body, 0x5a);

	tlv_end(&top);
	if (doc.fault || eid.n != ES10_EID_OCTETS)
		return -EBADMSG;
	*ret_eid = eid;
	return 0;
}

const char *es10c_state_name(int state)
{
	static const char *const names[] = { "disabled", "enabled" };

	return state >= 0 && (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *es10c_class_name(int class)
{
	static const char *const names[] = { "test", "provisioning", "operational" };

	return class >= 0 && (size_t)class < ARRAY_SIZE(names) ? names[class] : "unknown";
}

/* 9F7B, 9F26 and 9F67 stand last: they are what a card that is no SGP.32 one may refuse. */
static const uint8_t all_tags[] = {
	0x5a, 0x4f, 0x9f, 0x70, 0x90, 0x91, 0x92, 0x95, 0xb7, 0x99,
	0x9f, 0x7b, 0x9f, 0x26, 0x9f, 0x67,
};

const struct octets es10c_tags_state = { all_tags, 4 };
const struct octets es10c_tags_sgp22 = { all_tags, 10 };
const struct octets es10c_tags_sgp32 = { all_tags, sizeof(all_tags) };

static void put_id(struct tlv_out *w, struct es10c_id id)
{
	if (id.aid.n)
		tlv_put_octets(w, 0x4f, id.aid);
	else
		tlv_put_octets(w, 0x5a, id.iccid);
}

/* ES10c.GetProfilesInfo, GSMA SGP.22 5.7.15, SGP.32 5.9.14 */
void es10c_get_profiles_encode(struct tlv_out *w, struct es10c_id id, struct octets tags)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2d);

	if (id.aid.n || id.iccid.n) {
		struct tlv_mark search = tlv_begin(w, 0xa0);

		put_id(w, id);
		tlv_close(w, search);
	}
	if (tags.n)
		tlv_put_octets(w, 0x5c, tags);
	tlv_close(w, m);
}

static int take_int(struct tlv *w, uint32_t tag)
{
	uint32_t v = tlv_take_u32(w, tag);

	if (v > INT16_MAX)
		tlv_blame(w, TLV_BAD_VALUE, tag);
	return (int)v;
}

static bool take_bool(struct tlv *w, uint32_t tag)
{
	struct octets v = tlv_take(w, tag);

	return v.n == 1 && v.p[0] != 0;
}

static void take_owner(struct tlv w, struct es10c_profile *v)
{
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0x80)
			v->owner_plmn = tlv_take(&w, tag);
		else if (tag == 0x81)
			v->owner_gid1 = tlv_take(&w, tag);
		else if (tag == 0x82)
			v->owner_gid2 = tlv_take(&w, tag);
		else
			tlv_skip(&w);
	}
}

static void take_field(struct tlv *w, uint32_t tag, struct es10c_profile *v)
{
	switch (tag) {
	case 0x5a:
		v->iccid = tlv_take(w, tag);
		break;
	case 0x4f:
		v->aid = tlv_take(w, tag);
		break;
	case 0x9f70:
		v->state = take_int(w, tag);
		break;
	case 0x90:
		v->nickname = tlv_take(w, tag);
		break;
	case 0x91:
		v->provider = tlv_take(w, tag);
		break;
	case 0x92:
		v->name = tlv_take(w, tag);
		break;
	case 0x93:
		v->icon_type = take_int(w, tag);
		break;
	case 0x94:
		v->icon = tlv_take(w, tag);
		break;
	case 0x95:
		v->class = take_int(w, tag);
		break;
	case 0xb6:
		v->notification_config = tlv_take(w, tag);
		break;
	case 0xb7:
		take_owner(tlv_enter(w, tag), v);
		break;
	case 0xb8:
		v->dp_proprietary = tlv_take(w, tag);
		break;
	case 0x99:
		if (es10_bits_from(tlv_take(w, tag), &v->pprs) < 0)
			tlv_blame(w, TLV_BAD_VALUE, tag);
		break;
	case 0xbf22:
		v->service_data = tlv_take(w, tag);
		break;
	case 0x9f7b:
		v->ecall = take_bool(w, tag);
		break;
	case 0x9f26:
		v->fallback = take_bool(w, tag);
		break;
	case 0x9f67:
		v->fallback_allowed = take_bool(w, tag);
		break;
	default:        /* BF64 of v1.3, BF76 of other clients, and what is still to come */
		tlv_skip(w);
	}
}

static struct es10c_profile take_profile(struct tlv body)
{
	struct es10c_profile v = { .state = -1, .class = -1, .icon_type = -1 };

	while (tlv_more(&body))
		take_field(&body, tlv_peek(&body), &v);
	return v;
}

static int profile_decode(struct octets der, uint32_t tag, struct es10c_profile *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct es10c_profile v = take_profile(tlv_enter(&top, tag));

	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

int es10c_profile_decode(struct octets e3, struct es10c_profile *ret)
{
	return profile_decode(e3, 0xe3, ret);
}

/* StoreMetadata, GSMA SGP.22 5.5.3: the class is left out when it is the usual one. */
int es10c_metadata_decode(struct octets bf25, struct es10c_profile *ret)
{
	struct es10c_profile v;
	int r = profile_decode(bf25, 0xbf25, &v);

	if (r < 0)
		return r;
	if (v.iccid.n != ES10_ICCID_OCTETS)
		return -EBADMSG;
	if (v.class < 0)
		v.class = ES10C_OPERATIONAL;
	*ret = v;
	return 0;
}

int es10c_profiles_decode(struct octets der, struct es10c_profile *ret, size_t cap, size_t *ret_n,
			  int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf2d);
	int error = es10_code_maybe(&body);
	size_t n = 0;

	if (error < 0) {
		struct tlv list = tlv_enter(&body, 0xa0);

		while (tlv_more(&list)) {
			if (tlv_peek(&list) != 0xe3) {
				tlv_skip(&list);
				continue;
			}
			if (n == cap)
				return -E2BIG;
			ret[n++] = take_profile(tlv_enter(&list, 0xe3));
		}
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_n = n;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10c.EnableProfile, GSMA SGP.22 5.7.16; ES10c.DisableProfile, 5.7.17 */
static void put_switch(struct tlv_out *w, uint32_t tag, struct es10c_id id, bool refresh)
{
	struct tlv_mark m = tlv_begin(w, tag), which = tlv_begin(w, 0xa0);

	put_id(w, id);
	tlv_close(w, which);
	tlv_put_bool(w, 0x81, refresh);
	tlv_close(w, m);
}

void es10c_enable_encode(struct tlv_out *w, struct es10c_id id, bool refresh)
{
	put_switch(w, 0xbf31, id, refresh);
}

void es10c_disable_encode(struct tlv_out *w, struct es10c_id id, bool refresh)
{
	put_switch(w, 0xbf32, id, refresh);
}

/* ES10c.DeleteProfile, GSMA SGP.22 5.7.18 */
void es10c_delete_encode(struct tlv_out *w, struct es10c_id id)
{
	struct tlv_mark m = tlv_begin(w, 0xbf33);

	put_id(w, id);
	tlv_close(w, m);
}

/* ES10c.SetNickname, GSMA SGP.22 5.7.21 */
void es10c_set_nickname_encode(struct tlv_out *w, struct octets iccid, struct text name)
{
	struct tlv_mark m = tlv_begin(w, 0xbf29);

	tlv_put_octets(w, 0x5a, iccid);
	tlv_put(w, 0x90, name.s, name.n);
	tlv_close(w, m);
}

/* ES10c.eUICCMemoryReset, GSMA SGP.22 5.7.19 */
void es10c_memory_reset_encode(struct tlv_out *w, uint32_t what)
{
	struct tlv_mark m = tlv_begin(w, 0xbf34);

	es10_bits_put(w, 0x82, what);
	tlv_close(w, m);
}
