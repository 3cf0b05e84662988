/* ES10b: eIM configuration and the certificates of the eUICC. */
#include <errno.h>

#include "core/util.h"
#include "euicc/es10b.h"

/*
 * { A0 spki | A1 certificate }, both IMPLICIT: without their own 30. Some products leave the 30 in
 * (A1 { 30 … }): where one 30 spans everything, it is taken off. In a certificate's content the
 * first 30 is the TBS part, which never spans everything; in a key's it is the algorithm.
 */
static struct es10b_key take_key(struct tlv w)
{
	struct es10b_key v = { 0 };
	uint32_t tag = tlv_peek(&w), inner;
	size_t head, value;

	if (tag != 0xa0 && tag != 0xa1)
		return v;
	v.kind = tag == 0xa0 ? ES10B_KEY_SPKI : ES10B_KEY_CERTIFICATE;
	v.content = tlv_take(&w, tag);
	if (tlv_head(v.content.p, v.content.n, &inner, &head, &value) == 0 && inner == 0x30 &&
	    head + value == v.content.n)
		v.content = octets_from(v.content.p + head, value);
	return v;
}

static void put_key(struct tlv_out *w, uint32_t tag, struct es10b_key key)
{
	struct tlv_mark m;

	if (key.kind == ES10B_KEY_NONE)
		return;
	m = tlv_begin(w, tag);
	tlv_put_octets(w, key.kind == ES10B_KEY_SPKI ? 0xa0 : 0xa1, key.content);
	tlv_close(w, m);
}

int es10b_sequence_der(struct octets content, uint8_t *buf, size_t cap, size_t *ret_n)
{
	struct tlv_out w = { .buf = buf, .cap = cap };

	tlv_put_octets(&w, 0x30, content);
	return tlv_done(&w, ret_n);
}

static void take_eim_field(struct tlv *w, uint32_t tag, struct es10b_eim *v)
{
	uint32_t bits;

	switch (tag) {
	case 0x80:
		v->id = tlv_take(w, tag);
		break;
	case 0x81:
		v->fqdn = tlv_take(w, tag);
		break;
	case 0x82:
		v->id_type = (int)(es10_number(tlv_take(w, tag)) & 0xff);
		break;
	case 0x83:
		v->counter = tlv_take(w, tag);
		break;
	case 0x84:
		v->token = tlv_take(w, tag);
		break;
	case 0xa5:
		v->key = take_key(tlv_enter(w, tag));
		break;
	case 0xa6:
		v->tls = take_key(tlv_enter(w, tag));
		break;
	case 0x87:
		if (es10_bits_from(tlv_take(w, tag), &bits) < 0)
			tlv_blame(w, TLV_BAD_VALUE, tag);
		else
			v->protocols = bits;
		break;
	case 0x88:
		v->ci_pkid = tlv_take(w, tag);
		break;
	case 0x89:
		tlv_skip(w);
		v->indirect = true;
		break;
	case 0xaa:
		v->vendor = tlv_take(w, tag);
		break;
	default:
		tlv_skip(w);
	}
}

static struct es10b_eim take_eim(struct tlv body)
{
	struct es10b_eim v = { .id_type = -1, .protocols = -1 };

	while (tlv_more(&body))
		take_eim_field(&body, tlv_peek(&body), &v);
	return v;
}

/* EimConfigurationData, GSMA SGP.32 2.11.1.1.1 */
int es10b_eim_decode(struct octets whole, struct es10b_eim *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct es10b_eim v = take_eim(tlv_enter(&top, tlv_peek(&top)));

	tlv_end(&top);
	if (doc.fault || !whole.n)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static void put_maybe(struct tlv_out *w, uint32_t tag, struct octets v)
{
	if (v.p)
		tlv_put_octets(w, tag, v);
}

void es10b_eim_put(struct tlv_out *w, uint32_t tag, const struct es10b_eim *e)
{
	struct tlv_mark m = tlv_begin(w, tag);

	put_maybe(w, 0x80, e->id);
	put_maybe(w, 0x81, e->fqdn);
	if (e->id_type >= 0)
		tlv_put_i32(w, 0x82, e->id_type);
	put_maybe(w, 0x83, e->counter);
	put_maybe(w, 0x84, e->token);
	put_key(w, 0xa5, e->key);
	put_key(w, 0xa6, e->tls);
	if (e->protocols >= 0)
		es10_bits_put(w, 0x87, (uint32_t)e->protocols);
	put_maybe(w, 0x88, e->ci_pkid);
	if (e->indirect)
		tlv_put(w, 0x89, NULL, 0);
	put_maybe(w, 0xaa, e->vendor);
	tlv_close(w, m);
}

/* ES10b.GetEimConfigurationData, GSMA SGP.32 5.9.18 */
void es10b_get_eims_encode(struct tlv_out *w, struct octets eim_id)
{
	struct tlv_mark m = tlv_begin(w, 0xbf55), search;

	if (eim_id.n) {
		search = tlv_begin(w, 0xa0);
		tlv_put_octets(w, 0x80, eim_id);
		tlv_close(w, search);
	}
	tlv_close(w, m);
}

int es10b_eims_decode(struct octets der, struct es10b_eim *ret, size_t cap, size_t *ret_n,
		      int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf55), list;
	int error = es10_code_maybe(&body);
	size_t n = 0;
	bool there;

	/* A card without any may leave out the list as well. */
	list = tlv_enter_maybe(&body, 0xa0, &there);
	while (tlv_more(&list)) {
		if (n == cap)
			return -E2BIG;
		ret[n++] = take_eim(tlv_enter(&list, 0x30));
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_n = n;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10b.GetCerts, GSMA SGP.32 5.9.10 */
void es10b_get_certs_encode(struct tlv_out *w, struct octets ci_pkid)
{
	struct tlv_mark m = tlv_begin(w, 0xbf56);

	if (ci_pkid.n)
		tlv_put_octets(w, 0x80, ci_pkid);
	tlv_close(w, m);
}

int es10b_certs_decode(struct octets der, struct octets *ret_eum, struct octets *ret_euicc,
		       int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf56), certs;
	struct octets eum = { 0 }, euicc = { 0 };
	int error = es10_code_maybe(&body);

	if (error < 0) {
		certs = tlv_enter(&body, 0xa0);
		eum = tlv_take(&certs, 0xa5);
		euicc = tlv_take(&certs, 0xa6);
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_eum = eum;
	*ret_euicc = euicc;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10b.AddInitialEim, GSMA SGP.32 5.9.4 */
void es10b_add_initial_eim_encode(struct tlv_out *w, const struct es10b_eim *eims, size_t n)
{
	struct tlv_mark m = tlv_begin(w, 0xbf57), list = tlv_begin(w, 0xa0);

	for (size_t i = 0; i < n; i++)
		es10b_eim_put(w, 0x30, &eims[i]);
	tlv_close(w, list);
	tlv_close(w, m);
}

void es10b_add_initial_eim_put_raw(struct tlv_out *w, struct octets list)
{
	struct tlv_mark m = tlv_begin(w, 0xbf57);

	tlv_put_octets(w, 0xa0, list);
	tlv_close(w, m);
}

int es10b_add_initial_eim_decode(struct octets der, struct octets *ret_tokens, size_t cap,
				 size_t *ret_n, int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf57), list;
	int error = es10_code_maybe(&body);
	size_t n = 0;

	if (error < 0) {
		list = tlv_enter(&body, 0xa0);
		while (tlv_more(&list)) {
			bool token = tlv_peek(&list) == 0x84;

			if (n == cap)
				return -E2BIG;
			ret_tokens[n] = (struct octets){ 0 };
			if (token)
				ret_tokens[n] = tlv_take(&list, 0x84);
			else
				tlv_take(&list, 0x05);
			n++;
		}
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_n = n;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}
