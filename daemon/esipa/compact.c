/*
 * Compact forms (GSMA SGP.32 minimizeEsipaBytes): what the eIM knows already is left out of the
 * card's answers. The signatures stay those over the full structures, so nothing that goes along
 * may change on the way: every part is copied as it came.
 */
#include "esipa/esipa.h"

#include <errno.h>

/* What a simaResponse says that need not be said: installed, nothing to remark. */
static const uint8_t sima_ok[] = { 0x30, 0x07, 0xa0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00 };

/* The positions of the two octets of an ISD-P AID that tell ISD-Ps apart. */
enum { AID_OCTETS = 16, AID_FROM = 13, AID_N = 2 };

static int verdict(const struct tlv_doc *doc, const struct tlv_out *w)
{
	return doc->fault != TLV_OK ? -EBADMSG : w->full ? -EMSGSIZE : 0;
}

/*
 * Enters the good alternative A0 of an answer. False: it is none, and it is put as it is where it
 * is an error or compact already.
 */
static bool enter_ok(struct tlv_out *w, struct tlv_doc *doc, struct octets whole, uint32_t tag,
		     struct tlv *ret_ok)
{
	struct tlv top = tlv_open(doc, whole);
	struct tlv body = tlv_enter(&top, tag);

	if (tlv_peek(&body) == 0xa0) {
		*ret_ok = tlv_enter(&body, 0xa0);
		return true;
	}
	if (doc->fault == TLV_OK && body.n > 0)
		tlv_put_raw(w, whole.p, whole.n);
	else
		tlv_blame(&body, TLV_BAD_VALUE, tag);
	return false;
}

/* What euiccSigned1 has that the eIM cannot know. */
static void put_signed1(struct tlv_out *w, struct tlv signed1, bool eim_made_ctx_params)
{
	struct tlv_mark m = tlv_begin(w, 0xa0), wrap;
	struct tlv info2;
	struct octets resource = { 0 }, ctx;
	uint32_t tag;

	(void)tlv_maybe(&signed1, 0x80);
	(void)tlv_maybe(&signed1, 0x83);
	(void)tlv_maybe(&signed1, 0x84);
	info2 = tlv_enter(&signed1, 0xbf22);
	while (tlv_more(&info2)) {
		if (tlv_peek(&info2) == 0x84)
			resource = tlv_take(&info2, 0x84);
		else
			tlv_skip(&info2);
	}
	tlv_put_octets(w, 0x84, resource);
	ctx = tlv_take_whole(&signed1, &tag);
	if (tag != 0xa0)
		tlv_blame(&signed1, TLV_UNEXPECTED, 0xa0);
	if (!eim_made_ctx_params) {
		wrap = tlv_begin(w, 0xa2);
		tlv_put_raw(w, ctx.p, ctx.n);
		tlv_close(w, wrap);
	}
	tlv_close(w, m);
}

/* AuthenticateServerResponse, compactAuthenticateResponseOk */
int esipa_compact_authenticate(struct tlv_out *w, struct octets bf38, bool eim_made_ctx_params,
			       bool eim_has_certificates)
{
	struct tlv_doc doc;
	struct tlv ok;
	struct tlv_mark m, compact;
	struct octets euicc, eum;

	if (!enter_ok(w, &doc, bf38, 0xbf38, &ok))
		return verdict(&doc, w);
	m = tlv_begin(w, 0xbf38);
	compact = tlv_begin(w, 0xa2);
	put_signed1(w, tlv_enter(&ok, 0x30), eim_made_ctx_params);
	tlv_put_octets(w, 0x5f37, tlv_take(&ok, 0x5f37));
	euicc = tlv_take(&ok, 0x30);
	eum = tlv_take(&ok, 0x30);
	if (!eim_has_certificates) {
		tlv_put_octets(w, 0xa1, euicc);
		tlv_put_octets(w, 0xa2, eum);
	}
	tlv_close(w, compact);
	tlv_close(w, m);
	return verdict(&doc, w);
}

/* PrepareDownloadResponse, compactDownloadResponseOk */
int esipa_compact_prepare(struct tlv_out *w, struct octets bf21, bool otpk_reused,
			  bool eim_made_hash_cc)
{
	struct tlv_doc doc;
	struct tlv ok, signed2;
	struct tlv_mark m, compact, data;
	struct octets otpk, hash_cc;

	if (!enter_ok(w, &doc, bf21, 0xbf21, &ok))
		return verdict(&doc, w);
	signed2 = tlv_enter(&ok, 0x30);
	(void)tlv_take(&signed2, 0x80);
	otpk = tlv_take(&signed2, 0x5f49);
	hash_cc = tlv_maybe(&signed2, 0x04);
	m = tlv_begin(w, 0xbf21);
	compact = tlv_begin(w, 0xa2);
	data = tlv_begin(w, 0x30);
	if (!otpk_reused)
		tlv_put_octets(w, 0x5f49, otpk);
	if (hash_cc.n && !eim_made_hash_cc)
		tlv_put_octets(w, 0x04, hash_cc);
	tlv_close(w, data);
	tlv_put_octets(w, 0x5f37, tlv_take(&ok, 0x5f37));
	tlv_close(w, compact);
	tlv_close(w, m);
	return verdict(&doc, w);
}

/* CancelSessionResponse, compactCancelSessionResponseOk */
int esipa_compact_cancel(struct tlv_out *w, struct octets bf41)
{
	struct tlv_doc doc;
	struct tlv ok, data;
	struct tlv_mark m, compact, reason;

	if (!enter_ok(w, &doc, bf41, 0xbf41, &ok))
		return verdict(&doc, w);
	data = tlv_enter(&ok, 0x30);
	(void)tlv_take(&data, 0x80);
	(void)tlv_take(&data, 0x81);
	m = tlv_begin(w, 0xbf41);
	compact = tlv_begin(w, 0xa2);
	reason = tlv_begin(w, 0x30);
	if (tlv_peek(&data) == 0x82)
		tlv_put_octets(w, 0x80, tlv_take(&data, 0x82));
	tlv_close(w, reason);
	tlv_put_octets(w, 0x5f37, tlv_take(&ok, 0x5f37));
	tlv_close(w, compact);
	tlv_close(w, m);
	return verdict(&doc, w);
}

/* finalResult: the good one shortened, errors as they are. */
static void put_final_result(struct tlv_out *w, struct tlv result)
{
	struct tlv_mark m = tlv_begin(w, 0xa2), good;
	struct tlv ok;
	struct octets aid, sima;

	if (tlv_peek(&result) == 0xa0) {
		ok = tlv_enter(&result, 0xa0);
		aid = tlv_take(&ok, 0x4f);
		sima = tlv_maybe(&ok, 0x04);
		if (aid.n != AID_OCTETS)
			tlv_blame(&ok, TLV_BAD_VALUE, 0x4f);
		good = tlv_begin(w, 0xa0);
		if (aid.n == AID_OCTETS)
			tlv_put(w, 0x4f, aid.p + AID_FROM, AID_N);
		if (!octets_same(sima, octets_from(sima_ok, sizeof(sima_ok))))
			tlv_put_octets(w, 0x04, sima);
		tlv_close(w, good);
	} else {
		tlv_put_octets(w, 0xa1, tlv_take(&result, 0xa1));
	}
	tlv_close(w, m);
}

/* CompactProfileInstallationResult */
int esipa_compact_install(struct tlv_out *w, struct octets bf37)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf37);
	struct tlv body = tlv_enter(&top, 0xbf37), data = tlv_enter(&body, 0xbf27), meta;
	struct tlv_mark m = tlv_begin(w, 0xa0), compact = tlv_begin(w, 0xa0);

	tlv_put_octets(w, 0x80, tlv_take(&data, 0x80));
	meta = tlv_enter(&data, 0xbf2f);
	tlv_put_octets(w, 0x02, tlv_take(&meta, 0x80));
	(void)tlv_take(&meta, 0x81);
	(void)tlv_take(&meta, 0x0c);
	/* TRUE is the default. */
	if (tlv_peek(&meta) != 0x5a)
		tlv_put_bool(w, 0x01, false);
	(void)tlv_maybe(&data, 0x06);
	put_final_result(w, tlv_enter(&data, 0xa2));
	tlv_close(w, compact);
	tlv_put_octets(w, 0x5f37, tlv_take(&body, 0x5f37));
	tlv_close(w, m);
	return verdict(&doc, w);
}

/* CompactOtherSignedNotification */
int esipa_compact_notification(struct tlv_out *w, enum esipa_version v, struct octets notification,
			       struct octets eid, struct octets ci_pkid)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, notification);
	struct tlv body = tlv_enter(&top, 0x30);
	struct tlv_mark m = tlv_begin(w, 0xa1);

	if (eid.n && v != ESIPA_V1_0)
		tlv_put_octets(w, 0x5a, eid);
	tlv_put_octets(w, 0xbf2f, tlv_take(&body, 0xbf2f));
	tlv_put_octets(w, 0x5f37, tlv_take(&body, 0x5f37));
	if (ci_pkid.n && v == ESIPA_V1_3)
		tlv_put_octets(w, 0x04, ci_pkid);
	tlv_close(w, m);
	return verdict(&doc, w);
}
