/* ES10b: what the IPA does to the card without an eIM: rollback, fallback, emergency, reset … */
#include <errno.h>

#include "core/util.h"
#include "euicc/es10b.h"

/*
 * ProfileRollback, GSMA SGP.32 5.9.16; ImmediateEnable, 5.9.15; Enable- and
 * DisableEmergencyProfile, 5.9.22 and 5.9.23; ExecuteFallbackMechanism, 5.9.20;
 * ReturnFromFallback, 5.9.21
 */
void es10b_switch_encode(struct tlv_out *w, enum es10_function f, bool refresh)
{
	struct tlv_mark m = tlv_begin(w, es10_function_tag(f));

	tlv_put_bool(w, 0x80, refresh);
	tlv_close(w, m);
}

void es10b_enable_using_dd_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf5a, NULL, 0);
}

int es10b_rollback_decode(struct octets der, int *ret_code, struct octets *ret_package)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf58);
	int code = es10_code_maybe(&body);
	struct octets package = { 0 };
	uint32_t tag;

	if (tlv_peek(&body) == 0xbf51)
		package = tlv_take_whole(&body, &tag);
	tlv_end(&top);
	if (doc.fault || code < 0)
		return -EBADMSG;
	*ret_code = code;
	*ret_package = package;
	return 0;
}

/* ES10b.ConfigureImmediateProfileEnabling, GSMA SGP.32 5.9.17 */
void es10b_configure_immediate_encode(struct tlv_out *w, bool on, struct octets smdp_oid,
				      struct text smdp_address)
{
	struct tlv_mark m = tlv_begin(w, 0xbf59);

	if (on)
		tlv_put(w, 0x80, NULL, 0);
	if (smdp_oid.n)
		tlv_put_octets(w, 0x81, smdp_oid);
	if (smdp_address.n)
		tlv_put(w, 0x82, smdp_address.s, smdp_address.n);
	tlv_close(w, m);
}

/* ES10b.GetConnectivityParameters, GSMA SGP.32 5.9.24 */
void es10b_get_connectivity_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf5f, NULL, 0);
}

/* Labels, each with its length in front, become a name with dots. Broken ones: no name. */
static void apn_from(struct octets v, char apn[101])
{
	size_t len = 0;

	for (size_t i = 0; i < v.n;) {
		size_t n = v.p[i++];

		if (n == 0 || n > v.n - i || len + n + 2 > 101) {
			len = 0;
			break;
		}
		if (len)
			apn[len++] = '.';
		memcpy(apn + len, v.p + i, n);
		len += n;
		i += n;
	}
	apn[len] = '\0';
}

/* COMPREHENSION-TLVs, ETSI TS 102 223 8: bit 8 of the tag is a flag. Opaque octets are no fault. */
static void take_objects(struct octets raw, struct es10b_connectivity *v)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, raw);
	unsigned texts = 0;

	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);
		struct octets value = tlv_take(&w, tag);

		if (doc.fault)
			return;
		switch (tag & 0x7f) {
		case 0x35:
			v->bearer = value;
			break;
		case 0x47:
			apn_from(value, v->apn);
			break;
		case 0x0d:      /* user, then password; the first octet is the coding */
			if (texts < 2 && value.n)
				*(texts ? &v->password : &v->user) =
					octets_from(value.p + 1, value.n - 1);
			texts++;
			break;
		}
	}
}

int es10b_connectivity_decode(struct octets der, struct es10b_connectivity *ret, int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf5f), list;
	struct es10b_connectivity v = { 0 };
	int error = es10_code_maybe(&body);

	if (error < 0) {
		list = tlv_enter(&body, 0xa0);
		/* Somebody's cards put the objects into an A1 (single source). */
		v.raw = tlv_peek(&list) == 0xa1 ? tlv_take(&list, 0xa1) : tlv_maybe(&list, 0x81);
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	take_objects(v.raw, &v);
	*ret = v;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10b.eUICCMemoryReset, GSMA SGP.32 5.9.5 */
void es10b_memory_reset_encode(struct tlv_out *w, uint32_t what)
{
	struct tlv_mark m = tlv_begin(w, 0xbf64);

	es10_bits_put(w, 0x82, what);
	tlv_close(w, m);
}

int es10b_memory_reset_decode(enum es10_function f, struct octets der, struct es10b_reset *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, es10_function_tag(f));
	struct es10b_reset v = { .profiles = -1, .eims = -1, .immediate = -1 };

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);
		int code = (int)(es10_number(tlv_take(&body, tag)) & INT16_MAX);

		if (tag == 0x80 || tag == 0x02)
			v.profiles = code;
		else if (tag == 0x81)
			v.eims = code;
		else if (tag == 0x82)
			v.immediate = code;
	}
	tlv_end(&top);
	if (doc.fault || (v.profiles < 0 && v.eims < 0 && v.immediate < 0))
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* ES10b.IpaeActivation, GSMA SGP.32 3.8.4 */
void es10b_ipae_activation_encode(struct tlv_out *w, bool on)
{
	struct tlv_mark m = tlv_begin(w, 0xbf42);

	es10_bits_put(w, 0x80, on ? 1 : 0);
	tlv_close(w, m);
}
