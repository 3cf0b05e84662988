/* What an eIM has to say: packages, and what is in those that the IPA itself executes. */
#include "esipa/esipa.h"

#include <errno.h>

#include "core/util.h"

#define EID_OCTETS  16
#define PLMN_OCTETS 3

static int verdict(const struct tlv_doc *doc)
{
	return doc->fault == TLV_OK ? 0 : -EBADMSG;
}

/* An error alternative: its code, never 0. */
static int take_error(struct tlv *w)
{
	uint32_t code = tlv_take_u32(w, 0x02);

	return code > 0 && code < 256 ? (int)code : ESIPA_UNDEFINED_ERROR;
}

/* GetEimPackageRequest, GSMA SGP.32 6.3.2.6 */
void esipa_get_package_encode(struct tlv_out *w, enum esipa_version v,
			      const struct esipa_get_package *q)
{
	struct tlv_mark m = tlv_begin(w, 0xbf4f);
	bool old = v == ESIPA_V1_0;

	tlv_put(w, 0x5a, q->eid.p, q->eid.n);
	if (q->notify_change)
		tlv_put(w, 0x80, NULL, 0);
	if (q->notify_change && q->change != ESIPA_CHANGE_NONE && !old)
		tlv_put_u32(w, 0x81, (uint32_t)q->change);
	if (q->plmn.n == PLMN_OCTETS)
		tlv_put_octets(w, old ? 0x81 : 0x82, q->plmn);
	tlv_close(w, m);
}

/* 3GPP TS 24.008 10.5.1.13: nibbles mcc2 mcc1, mnc3 mcc3, mnc2 mnc1; F for a third that is missing. */
int esipa_plmn(struct text digits, uint8_t ret[3])
{
	uint8_t d[6] = { 0, 0, 0, 0, 0, 0xf };

	if ((digits.n != 5 && digits.n != 6) || !text_all_digits(digits))
		return -EINVAL;
	for (size_t i = 0; i < digits.n; i++)
		d[i] = (uint8_t)(digits.s[i] - '0');
	ret[0] = (uint8_t)(d[1] << 4 | d[0]);
	ret[1] = (uint8_t)(d[5] << 4 | d[2]);
	ret[2] = (uint8_t)(d[4] << 4 | d[3]);
	return 0;
}

static enum esipa_package_kind kind_of(uint32_t tag)
{
	switch (tag) {
	case 0xbf51:
		return ESIPA_EUICC_PACKAGE;
	case 0xbf52:
		return ESIPA_DATA_REQUEST;
	case 0xbf53:
		return ESIPA_ACKNOWLEDGEMENTS;
	case 0xbf54:
		return ESIPA_DOWNLOAD_TRIGGER;
	default:
		return ESIPA_UNKNOWN_PACKAGE;
	}
}

/* GetEimPackageResponse, GSMA SGP.32 6.3.2.6 */
int esipa_get_package_decode(struct octets der, struct esipa_package *ret)
{
	struct esipa_package p = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf4f);
	uint32_t tag = tlv_peek(&body);

	if (tag == 0x02) {
		p.kind = ESIPA_NOTHING;
		p.error = take_error(&body);
	} else {
		p.whole = tlv_take_whole(&body, &tag);
		p.kind = tag == 0xbf53 ? ESIPA_UNKNOWN_PACKAGE : kind_of(tag);
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}

/* TransferEimPackageRequest, GSMA SGP.32 6.3.2.5 */
int esipa_transfer_decode(struct octets der, struct esipa_package *ret)
{
	struct esipa_package p = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);
	struct tlv body = tlv_enter(&top, 0xbf4e);
	uint32_t tag;

	p.whole = tlv_take_whole(&body, &tag);
	p.kind = kind_of(tag);
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}

/*
 * Tags of a tag list. v1.0 named other ones for four items, which tells the versions apart. 88 is
 * what v1.0 prints, though the element itself is A8: both are taken.
 */
static const struct {
	uint32_t tag;
	enum esipa_item item;
	int hint;
} items[] = {
	{ 0xa0, ESIPA_ITEM_NOTIFICATIONS, ESIPA_V1_2 },
	{ 0xbf2b, ESIPA_ITEM_NOTIFICATIONS, ESIPA_V1_0 },
	{ 0x81, ESIPA_ITEM_DEFAULT_SMDP, ESIPA_V1_2 },
	{ 0x80, ESIPA_ITEM_DEFAULT_SMDP, ESIPA_V1_0 },
	{ 0xa2, ESIPA_ITEM_PACKAGE_RESULTS, ESIPA_V1_2 },
	{ 0xbf20, ESIPA_ITEM_INFO1, -1 },
	{ 0xbf22, ESIPA_ITEM_INFO2, -1 },
	{ 0x83, ESIPA_ITEM_ROOT_SMDS, -1 },
	{ 0x84, ESIPA_ITEM_TOKEN, -1 },
	{ 0xa5, ESIPA_ITEM_EUM_CERT, -1 },
	{ 0xa6, ESIPA_ITEM_EUICC_CERT, -1 },
	{ 0xa8, ESIPA_ITEM_IPA_CAPABILITIES, ESIPA_V1_2 },
	{ 0x88, ESIPA_ITEM_IPA_CAPABILITIES, ESIPA_V1_0 },
	{ 0xa9, ESIPA_ITEM_DEVICE_INFO, -1 },
};

static void take_item(struct esipa_data_request *q, uint32_t tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		if (items[i].tag != tag)
			continue;
		q->items |= 1u << items[i].item;
		if (q->hint < 0)
			q->hint = items[i].hint;
		return;
	}
	q->incorrect = true;
}

/* A tag list is tags without lengths, each of one or two octets here. */
static void take_list(struct esipa_data_request *q, struct octets list)
{
	for (size_t i = 0; i < list.n; i++) {
		uint32_t tag = list.p[i];

		if ((tag & 0x1f) == 0x1f) {
			if (++i == list.n) {
				q->incorrect = true;
				return;
			}
			tag = tag << 8 | list.p[i];
		}
		take_item(q, tag);
	}
}

/* NotificationEvent: bit 0 first in the octet; some write another count of unused bits. */
static uint32_t events_of(struct octets bits)
{
	uint32_t events = 0;

	for (unsigned bit = 0; bits.n > 1 && bit < 8; bit++)
		if (bits.p[1] & 0x80 >> bit)
			events |= 1u << bit;
	return events;
}

static void take_search(struct esipa_data_request *q, struct tlv *w, uint32_t tag)
{
	struct tlv search = tlv_enter(w, tag);

	if (tag == 0xa2) {
		q->package_results = ESIPA_BY_SEQ;
		q->package_results_seq = tlv_take_u32(&search, 0x80);
		return;
	}
	switch (tlv_peek(&search)) {
	case 0x80:
		q->notifications = ESIPA_BY_SEQ;
		q->notifications_seq = tlv_take_u32(&search, 0x80);
		break;
	case 0x81:
		q->notifications = ESIPA_BY_EVENTS;
		q->events = events_of(tlv_take(&search, 0x81));
		break;
	case 0x82:
		/* v1.0: package results instead of notifications. */
		q->items &= ~(1u << ESIPA_ITEM_NOTIFICATIONS);
		q->items |= 1u << ESIPA_ITEM_PACKAGE_RESULTS;
		q->hint = ESIPA_V1_0;
		break;
	default:
		tlv_blame(&search, TLV_BAD_VALUE, tag);
	}
}

/* IpaEuiccDataRequest, GSMA SGP.32 2.11.1.2 */
int esipa_data_request_decode(struct octets bf52, struct esipa_data_request *ret)
{
	struct esipa_data_request q = { .hint = -1 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf52);
	struct tlv body = tlv_enter(&top, 0xbf52);

	take_list(&q, tlv_take(&body, 0x5c));
	q.ci_pkid = tlv_maybe(&body, 0x04);
	if (tlv_peek(&body) == 0xa1)
		take_search(&q, &body, 0xa1);
	if (tlv_peek(&body) == 0xa2)
		take_search(&q, &body, 0xa2);
	if (tlv_peek(&body) == 0x83) {
		q.transaction_id = tlv_take(&body, 0x83);
		q.hint = ESIPA_V1_2;
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret = q;
	return 0;
}

/* ProfileDownloadData, inside A0 */
static void take_download_data(struct esipa_trigger *t, struct tlv *data)
{
	struct tlv smds;

	switch (tlv_peek(data)) {
	case 0x80:
		t->kind = ESIPA_TRIGGER_ACTIVATION_CODE;
		t->activation_code = tlv_take(data, 0x80);
		break;
	case 0x81:
		t->kind = ESIPA_TRIGGER_DEFAULT_SMDP;
		break;
	case 0xa2:
		t->kind = ESIPA_TRIGGER_SMDS;
		smds = tlv_enter(data, 0xa2);
		t->smds_address = tlv_maybe(&smds, 0x80);
		break;
	default:
		tlv_blame(data, TLV_BAD_VALUE, 0xa0);
	}
}

/* ProfileDownloadTriggerRequest, GSMA SGP.32 2.11.1.3 */
int esipa_trigger_decode(struct octets bf54, struct esipa_trigger *ret)
{
	struct esipa_trigger t = { .kind = ESIPA_TRIGGER_EIM };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf54);
	struct tlv body = tlv_enter(&top, 0xbf54), data;
	bool there;

	data = tlv_enter_maybe(&body, 0xa0, &there);
	if (there)
		take_download_data(&t, &data);
	t.transaction_id = tlv_maybe(&body, 0x82);
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret = t;
	return 0;
}

bool esipa_seq_next(struct octets *seqs, uint32_t *ret)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, *seqs);
	uint32_t seq;

	if (!tlv_more(&w))
		return false;
	seq = tlv_take_u32(&w, 0x80);
	if (doc.fault)
		return false;
	*seqs = tlv_rest(&w);
	*ret = seq;
	return true;
}

/* Sequence numbers may only be removed if the list can be read to its end. */
static void check_seqs(struct tlv *list)
{
	while (tlv_more(list))
		(void)tlv_take_u32(list, 0x80);
}

/* EimAcknowledgements, GSMA SGP.32 2.11.1.4 */
int esipa_acknowledgements_decode(struct octets bf53, struct octets *ret_seqs)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, bf53);
	struct tlv list = tlv_enter(&top, 0xbf53), copy = list;

	check_seqs(&copy);
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret_seqs = octets_from(list.p, list.n);
	return 0;
}

/* ProvideEimPackageResultResponse, GSMA SGP.32 6.3.2.7 */
int esipa_provide_decode(struct octets der, struct esipa_provided *ret)
{
	struct esipa_provided p = { .hint = -1 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der), body, list;
	uint32_t tag;

	if (der.n == 0) {
		*ret = p;
		return 0;
	}
	body = tlv_enter(&top, 0xbf50);
	tag = tlv_peek(&body);
	if (tag == 0xbf53) {
		list = tlv_enter(&body, 0xbf53);
		p.seqs = octets_from(list.p, list.n);
		check_seqs(&list);
	} else if (tag == 0x02) {
		p.error = take_error(&body);
		p.hint = ESIPA_V1_2;
	} else if (tag == 0x30) {
		tlv_skip(&body);
		p.hint = ESIPA_V1_2;
	} else if (tag != 0 || body.n != 0) {
		tlv_blame(&body, TLV_UNEXPECTED, tag);
	} else {
		p.hint = ESIPA_V1_0;
	}
	if (verdict(&doc) < 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}
