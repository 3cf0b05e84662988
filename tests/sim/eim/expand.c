#include "sim/eim/expand.h"

#include <errno.h>
#include <string.h>

struct octets se_tlv_find(struct tlv w, uint32_t tag)
{
	while (tlv_more(&w)) {
		if (tlv_peek(&w) == tag)
			return tlv_take(&w, tag);
		tlv_skip(&w);
	}
	return octets_from(NULL, 0);
}

struct octets se_tlv_find_whole(struct tlv w, uint32_t tag)
{
	uint32_t t;

	while (tlv_more(&w)) {
		if (tlv_peek(&w) == tag)
			return tlv_take_whole(&w, &t);
		tlv_skip(&w);
	}
	return octets_from(NULL, 0);
}

struct tlv se_tlv_inside(struct tlv_doc *doc, struct octets whole, uint32_t tag)
{
	struct tlv w = tlv_open(doc, whole);

	return tlv_enter(&w, tag);
}

static void put(struct tlv_out *w, struct octets tlvs)
{
	if (tlvs.n)
		tlv_put_raw(w, tlvs.p, tlvs.n);
}

static int missing(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int finish(const struct tlv_doc *doc, const struct tlv_out *w, const char **ret_why)
{
	if (doc->fault)
		return missing(ret_why, "a compact form is malformed");
	return w->full ? missing(ret_why, "a compact form is too long when it is whole") : 0;
}

/* As it came: an error, or whole already. */
static int pass(const struct tlv_doc *doc, struct tlv_out *w, struct octets whole,
		const char **ret_why)
{
	if (doc->fault)
		return missing(ret_why, "a response is malformed");
	put(w, whole);
	return w->full ? missing(ret_why, "the message is too long") : 0;
}

/* --- AuthenticateServer ----------------------------------------------------------------------- */

/* EUICCInfo2 as the eIM has it, with the resources of now. */
static void put_info2(struct tlv_out *w, struct octets info2, struct octets resource)
{
	struct tlv_doc doc;
	struct tlv in = se_tlv_inside(&doc, info2, 0xBF22);
	struct tlv_mark m = tlv_begin(w, 0xBF22);
	uint32_t tag;

	while (tlv_more(&in)) {
		struct octets one = tlv_take_whole(&in, &tag);

		if (tag == 0x84)
			tlv_put_octets(w, 0x84, resource);
		else
			put(w, one);
	}
	tlv_close(w, m);
}

/* euiccSigned1 out of what the server signed, the card's own and the context. */
static int put_signed1(const struct se_known *k, struct tlv given, struct tlv_out *w,
		       const char **ret_why)
{
	struct octets resource = se_tlv_find(given, 0x84), ctx = se_tlv_find(given, 0xA2);
	struct tlv_doc doc;
	struct tlv server = se_tlv_inside(&doc, k->signed1, 0x30);
	struct tlv_mark m;

	if (!k->info2.n)
		return missing(ret_why, "EUICCInfo2 is not known: queue data-request info2 first");
	if (!resource.p)
		return missing(ret_why, "extCardResource is missing");
	if (!ctx.n)
		ctx = k->ctx;
	if (!ctx.n)
		return missing(ret_why, "ctxParams1 is missing, and the eIM has made none");
	m = tlv_begin(w, 0x30);
	put(w, se_tlv_find_whole(server, 0x80));
	put(w, se_tlv_find_whole(server, 0x83));
	put(w, se_tlv_find_whole(server, 0x84));
	put_info2(w, k->info2, resource);
	put(w, ctx);
	tlv_close(w, m);
	return 0;
}

/* A certificate under A1 or A2, with or without its own 30; or the one that is known. */
static int put_certificate(struct octets given, struct octets known, struct tlv_out *w,
			   const char **ret_why)
{
	uint32_t tag;
	size_t head, value;

	if (!given.n && !known.n)
		return missing(ret_why, "the card's certificates are not known");
	if (!given.n)
		put(w, known);
	else if (tlv_head(given.p, given.n, &tag, &head, &value) == 0 && tag == 0x30 &&
		 head + value == given.n)
		put(w, given);
	else
		tlv_put_octets(w, 0x30, given);
	return 0;
}

int se_expand_authentication(const struct se_known *k, struct octets bf38, struct tlv_out *w,
			     const char **ret_why)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, bf38, 0xBF38);
	struct tlv_mark m, good;
	struct octets euicc, eum;
	uint32_t tag;
	int r = 0;

	if (tlv_peek(&body) != 0xA2)
		return pass(&doc, w, bf38, ret_why);
	body = tlv_enter(&body, 0xA2);
	m = tlv_begin(w, 0xBF38);
	good = tlv_begin(w, 0xA0);
	if (tlv_peek(&body) == 0x30)
		put(w, tlv_take_whole(&body, &tag));
	else
		r = put_signed1(k, tlv_enter(&body, 0xA0), w, ret_why);
	if (r < 0)
		return r;
	tlv_put_octets(w, 0x5F37, tlv_take(&body, 0x5F37));
	euicc = se_tlv_find(body, 0xA1);
	eum = se_tlv_find(body, 0xA2);
	r = put_certificate(euicc, k->euicc, w, ret_why);
	if (r == 0)
		r = put_certificate(eum, k->eum, w, ret_why);
	if (r < 0)
		return r;
	tlv_close(w, good);
	tlv_close(w, m);
	return finish(&doc, w, ret_why);
}

/* --- PrepareDownload, CancelSession ----------------------------------------------------------- */

static struct octets tid_of_signed1(const struct se_known *k)
{
	struct tlv_doc doc;

	return se_tlv_find(se_tlv_inside(&doc, k->signed1, 0x30), 0x80);
}

int se_expand_preparation(const struct se_known *k, struct octets bf21, struct tlv_out *w,
			  const char **ret_why)
{
	struct tlv_doc doc, server_doc;
	struct tlv body = se_tlv_inside(&doc, bf21, 0xBF21), given;
	struct tlv server = se_tlv_inside(&server_doc, k->signed2, 0x30);
	struct octets otpk, hash;
	struct tlv_mark m, good, data;

	if (tlv_peek(&body) != 0xA2)
		return pass(&doc, w, bf21, ret_why);
	body = tlv_enter(&body, 0xA2);
	given = tlv_enter(&body, 0x30);
	otpk = se_tlv_find(given, 0x5F49);
	hash = se_tlv_find(given, 0x04);
	/* The key of an earlier try, which the server named. */
	if (!otpk.n)
		otpk = se_tlv_find(server, 0x5F49);
	if (!otpk.n)
		return missing(ret_why, "euiccOtpk is missing, and the server named none");
	if (!hash.n)
		hash = k->hash_cc;
	m = tlv_begin(w, 0xBF21);
	good = tlv_begin(w, 0xA0);
	data = tlv_begin(w, 0x30);
	tlv_put_octets(w, 0x80, tid_of_signed1(k));
	tlv_put_octets(w, 0x5F49, otpk);
	if (hash.n)
		tlv_put_octets(w, 0x04, hash);
	tlv_close(w, data);
	tlv_put_octets(w, 0x5F37, tlv_take(&body, 0x5F37));
	tlv_close(w, good);
	tlv_close(w, m);
	return finish(&doc, w, ret_why);
}

int se_expand_cancel(const struct se_known *k, struct octets content, struct tlv_out *w,
		     const char **ret_why)
{
	struct tlv_doc doc;
	struct tlv body = tlv_open(&doc, content), given;
	struct tlv_mark m = tlv_begin(w, 0xBF41), good, data;
	struct octets reason;

	if (tlv_peek(&body) != 0xA2) {
		put(w, content);
		tlv_close(w, m);
		return w->full ? missing(ret_why, "the message is too long") : 0;
	}
	if (!k->oid.n)
		return missing(ret_why, "the SM-DP+'s OID is not known");
	body = tlv_enter(&body, 0xA2);
	given = tlv_enter(&body, 0x30);
	reason = tlv_maybe(&given, 0x80);
	good = tlv_begin(w, 0xA0);
	data = tlv_begin(w, 0x30);
	tlv_put_octets(w, 0x80, tid_of_signed1(k));
	tlv_put_octets(w, 0x81, k->oid);
	/* One that is left out is undefinedReason (inferred). */
	if (reason.n)
		tlv_put_octets(w, 0x82, reason);
	else
		tlv_put_u32(w, 0x82, 127);
	tlv_close(w, data);
	tlv_put_octets(w, 0x5F37, tlv_take(&body, 0x5F37));
	tlv_close(w, good);
	tlv_close(w, m);
	return finish(&doc, w, ret_why);
}

/* --- notifications ---------------------------------------------------------------------------- */

/* The first one in the metadata that wants to know of installations; empty: none does. */
static struct octets install_address(struct octets metadata)
{
	struct tlv_doc doc;
	struct tlv list = tlv_open(&doc, se_tlv_find(se_tlv_inside(&doc, metadata, 0xBF25), 0xB6));

	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);
		struct octets events = se_tlv_find(one, 0x80), address = se_tlv_find(one, 0x81);

		if (events.n >= 2 && events.p[1] & 0x80 && address.n)
			return address;
	}
	return octets_from(NULL, 0);
}

/*
 * As the card writes it into its result: before there were metadata it knows the server's address
 * only, and no profile.
 */
static void put_meta(const struct se_known *k, struct tlv_out *w, struct octets seq, bool iccid)
{
	static const uint8_t install[] = { 0x07, 0x80 };
	struct octets address = iccid ? install_address(k->metadata) : octets_from(NULL, 0);
	struct tlv_doc doc;
	struct tlv_mark m = tlv_begin(w, 0xBF2F);

	if (!address.n)
		address = se_tlv_find(se_tlv_inside(&doc, k->signed1, 0x30), 0x83);
	tlv_put_octets(w, 0x80, seq);
	tlv_put(w, 0x81, install, sizeof(install));
	tlv_put_octets(w, 0x0C, address);
	if (iccid)
		put(w, se_tlv_find_whole(se_tlv_inside(&doc, k->metadata, 0xBF25), 0x5A));
	tlv_close(w, m);
}

static void put_success(struct tlv_out *w, struct tlv given)
{
	static const uint8_t head[] = { 0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF,
					0xFF, 0xFF, 0x89, 0x00 };
	static const uint8_t usual[] = { 0x30, 0x07, 0xA0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00 };
	struct octets part = tlv_take(&given, 0x4F), sima = tlv_maybe(&given, 0x04);
	struct tlv_mark m = tlv_begin(w, 0xA0);
	uint8_t aid[SE_AID_LEN] = { 0 };

	memcpy(aid, head, sizeof(head));
	if (part.n == 2)
		memcpy(aid + sizeof(head), part.p, 2);
	tlv_put(w, 0x4F, aid, sizeof(aid));
	if (sima.n)
		tlv_put_octets(w, 0x04, sima);
	else
		tlv_put(w, 0x04, usual, sizeof(usual));
	tlv_close(w, m);
}

int se_expand_installation(const struct se_known *k, struct octets a0, struct tlv_out *w,
			   const char **ret_why)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, a0, 0xA0), data = tlv_enter(&body, 0xA0), final;
	struct octets tid = tlv_take(&data, 0x80), seq = tlv_take(&data, 0x02), flag;
	struct tlv_mark m = tlv_begin(w, 0xBF37), inner = tlv_begin(w, 0xBF27), list;
	uint32_t tag;

	if (!k->oid.n || !k->signed1.n)
		return missing(ret_why, "the session of this result is not known any more");
	flag = tlv_maybe(&data, 0x01);
	tlv_put_octets(w, 0x80, tid);
	put_meta(k, w, seq, !flag.n || flag.p[0]);
	tlv_put_octets(w, 0x06, k->oid);
	list = tlv_begin(w, 0xA2);
	final = tlv_enter(&data, 0xA2);
	if (tlv_peek(&final) == 0xA0)
		put_success(w, tlv_enter(&final, 0xA0));
	else
		put(w, tlv_take_whole(&final, &tag));
	tlv_close(w, list);
	tlv_close(w, inner);
	tlv_put_octets(w, 0x5F37, tlv_take(&body, 0x5F37));
	tlv_close(w, m);
	return finish(&doc, w, ret_why);
}

int se_expand_notification(const struct se_known *k, struct octets a1, struct tlv_out *w,
			   const char **ret_why)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, a1, 0xA1);
	struct tlv_mark m;

	if (!k->euicc.n || !k->eum.n)
		return missing(ret_why, "the card's certificates are not known");
	m = tlv_begin(w, 0x30);
	put(w, se_tlv_find_whole(body, 0xBF2F));
	put(w, se_tlv_find_whole(body, 0x5F37));
	put(w, k->euicc);
	put(w, k->eum);
	tlv_close(w, m);
	return finish(&doc, w, ret_why);
}

struct octets se_installation_tid(struct octets note)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, note), body;
	uint32_t tag = tlv_peek(&top);

	if (tag != 0xBF37 && tag != 0xA0)
		return octets_from(NULL, 0);
	body = tlv_enter(&top, tag);
	body = tlv_enter(&body, tag == 0xA0 ? 0xA0 : 0xBF27);
	return tlv_maybe(&body, 0x80);
}
