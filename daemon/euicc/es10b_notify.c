/* ES10b: notifications and stored eUICC Package Results. */
#include <errno.h>

#include "euicc/es10b.h"
#include "euicc/package.h"

static struct es10b_notification take_metadata(struct tlv *w)
{
	struct tlv body = tlv_enter(w, 0xbf2f);
	struct es10b_notification v = { .seq = tlv_take_u32(&body, 0x80) };

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);

		if (tag == 0x81) {
			if (es10_bits_from(tlv_take(&body, tag), &v.events) < 0)
				tlv_blame(&body, TLV_BAD_VALUE, tag);
		} else if (tag == 0x0c) {
			v.address = tlv_take(&body, tag);
		} else if (tag == 0x5a) {
			v.iccid = tlv_take(&body, tag);
		} else {
			tlv_skip(&body);
		}
	}
	return v;
}

/* FinalResult: A0 { 4F aid, 04 simaResponse } or A1 { 80 command, 81 reason, 82 simaResponse? } */
static void take_final(struct tlv w, struct es10b_install *v)
{
	struct tlv body = tlv_enter_maybe(&w, 0xa0, &v->ok);

	if (v->ok) {
		v->aid = tlv_maybe(&body, 0x4f);
		v->sima = tlv_maybe(&body, 0x04);
		return;
	}
	body = tlv_enter(&w, 0xa1);
	v->command = (int)(tlv_take_u32(&body, 0x80) & 0xffff);
	v->reason = (int)(tlv_take_u32(&body, 0x81) & 0xffff);
	v->sima = tlv_maybe(&body, 0x82);
}

int es10b_install_decode(struct octets bf37, struct es10b_install *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf37);
	struct tlv body = tlv_enter(&top, 0xbf37), data = tlv_enter(&body, 0xbf27);
	struct es10b_install v = { .transaction_id = tlv_take(&data, 0x80) };

	v.meta = take_metadata(&data);
	v.smdp_oid = tlv_maybe(&data, 0x06);
	take_final(tlv_enter(&data, 0xa2), &v);
	tlv_take(&body, 0x5f37);
	tlv_end(&top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* ES10b.ListNotification, GSMA SGP.22 5.7.9 */
void es10b_list_notification_encode(struct tlv_out *w, uint32_t events)
{
	struct tlv_mark m = tlv_begin(w, 0xbf28);

	if (events)
		es10_bits_put(w, 0x81, events);
	tlv_close(w, m);
}

int es10b_notifications_decode(struct octets der, struct es10b_notification *ret, size_t cap,
			       size_t *ret_n, int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf28);
	int error = es10_code_maybe(&body);
	size_t n = 0;

	if (error < 0) {
		struct tlv list = tlv_enter(&body, 0xa0);

		while (tlv_more(&list)) {
			if (n == cap)
				return -E2BIG;
			ret[n++] = take_metadata(&list);
		}
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_n = n;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10b.RetrieveNotificationsList, GSMA SGP.22 5.7.10, SGP.32 5.9.11 */
void es10b_retrieve_all_encode(struct tlv_out *w)
{
	tlv_put(w, 0xbf2b, NULL, 0);
}

/* The criterion needs its A0: without it cards say undefinedError. */
void es10b_retrieve_seq_encode(struct tlv_out *w, uint32_t seq)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2b), search = tlv_begin(w, 0xa0);

	tlv_put_u32(w, 0x80, seq);
	tlv_close(w, search);
	tlv_close(w, m);
}

void es10b_retrieve_events_encode(struct tlv_out *w, uint32_t events)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2b), search = tlv_begin(w, 0xa0);

	es10_bits_put(w, 0x81, events);
	tlv_close(w, search);
	tlv_close(w, m);
}

void es10b_retrieve_package_results_encode(struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2b), search = tlv_begin(w, 0xa0);

	tlv_put(w, 0x82, NULL, 0);
	tlv_close(w, search);
	tlv_close(w, m);
}

/* The metadata of a BF37 is in its BF27, that of a 30 comes first. */
static struct es10b_notification metadata_of(struct octets whole, uint32_t tag, struct tlv *parent)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	struct tlv body = tlv_enter(&top, tag);
	struct es10b_notification v;

	if (tag == 0xbf37) {
		body = tlv_enter(&body, 0xbf27);
		tlv_skip(&body);
	}
	v = take_metadata(&body);
	if (doc.fault)
		tlv_blame(parent, doc.fault, tag);
	return v;
}

int es10b_notification_of(struct octets whole, struct es10b_notification *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	uint32_t tag = tlv_peek(&top);
	struct es10b_notification v;

	if (tag != 0xbf37 && tag != 0x30)
		return -EBADMSG;
	v = metadata_of(whole, tag, &top);
	if (doc.fault)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static struct es10b_pending take_pending(struct tlv *w, bool results)
{
	struct es10b_pending v = { .kind = ES10B_PENDING_UNKNOWN };
	struct package_result result;
	uint32_t tag;

	v.whole = tlv_take_whole(w, &tag);
	if (!results && (tag == 0xbf37 || tag == 0x30)) {
		v.kind = tag == 0x30 ? ES10B_PENDING_OTHER : ES10B_PENDING_INSTALL;
		v.meta = metadata_of(v.whole, tag, w);
	} else if (results || tag == 0xbf51) {
		v.bare = tag != 0xbf51;
		if (package_result_decode(v.whole, &result) == 0) {
			v.kind = ES10B_PENDING_PACKAGE;
			v.meta.seq = result.seq;
		}
	}
	return v;
}

/* A0 notifications, A2 package results, or 81 code; A3 { A0, A1 } from v1.0 cards. */
int es10b_pending_decode(struct octets der, struct es10b_pending *ret, size_t cap, size_t *ret_n,
			 int *ret_error)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf2b);
	int error = es10_code_maybe(&body);
	bool v10 = tlv_peek(&body) == 0xa3;
	size_t n = 0;

	if (v10)
		body = tlv_enter(&body, 0xa3);
	while (error < 0 && tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);
		struct tlv list = tlv_enter(&body, tag);

		if (tag != 0xa0 && tag != (v10 ? 0xa1 : 0xa2)) {
			if (!v10)
				tlv_blame(&list, TLV_UNEXPECTED, 0xa0);
			continue;
		}
		while (tlv_more(&list)) {
			if (n == cap)
				return -E2BIG;
			ret[n++] = take_pending(&list, tag != 0xa0);
		}
	}
	tlv_end(&top);
	if (doc.fault || error == 0)
		return -EBADMSG;
	*ret_n = n;
	*ret_error = error < 0 ? 0 : error;
	return 0;
}

/* ES10b.RemoveNotificationFromList, GSMA SGP.22 5.7.11, SGP.32 5.9.12 */
void es10b_remove_notification_encode(struct tlv_out *w, uint32_t seq)
{
	struct tlv_mark m = tlv_begin(w, 0xbf30);

	tlv_put_u32(w, 0x80, seq);
	tlv_close(w, m);
}
