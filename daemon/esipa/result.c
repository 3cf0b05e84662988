/*
 * What the IPA reports. The same alternatives travel in three carriers, and v1.0 wrapped some of
 * them differently: the frame knows the carrier, the …_put()s know the alternative.
 */
#include "esipa/esipa.h"

/* GSMA SGP.32 5.14.6, 5.14.7, 5.14.4 */
struct esipa_frame esipa_result_begin(struct tlv_out *w, enum esipa_version v,
				      enum esipa_carrier carrier, struct octets eid)
{
	struct esipa_frame f = { 0 };
	bool old = v == ESIPA_V1_0;

	switch (carrier) {
	case ESIPA_PROVIDE:
		f.outer = tlv_begin(w, 0xbf50);
		break;
	case ESIPA_HANDLE:
		f.outer = tlv_begin(w, 0xbf3d);
		f.inner = tlv_begin(w, old ? 0xa1 : 0xbf50);
		f.nested = true;
		break;
	case ESIPA_TRANSFER:
		f.outer = tlv_begin(w, 0xbf4e);
		return f;
	case _ESIPA_CARRIER_MAX:
		break;
	}
	if (eid.n && !old)
		tlv_put_octets(w, 0x5a, eid);
	return f;
}

void esipa_result_end(struct tlv_out *w, struct esipa_frame f)
{
	if (f.nested)
		tlv_close(w, f.inner);
	tlv_close(w, f.outer);
}

/* ePRAndNotifications, or the result alone: an empty list must not be sent. */
void esipa_package_result_put(struct tlv_out *w, enum esipa_version v, struct octets bf51,
			      struct octets notifications)
{
	struct tlv_mark both, list;

	if (notifications.n == 0) {
		tlv_put_raw(w, bf51.p, bf51.n);
		return;
	}
	both = tlv_begin(w, 0x30);
	tlv_put_raw(w, bf51.p, bf51.n);
	if (v == ESIPA_V1_0) {
		list = tlv_begin(w, 0xbf2b);
		tlv_put_octets(w, 0xa0, notifications);
		tlv_close(w, list);
	} else {
		tlv_put_octets(w, 0xa0, notifications);
	}
	tlv_close(w, both);
}

/* EimPackageResultErrorCode; v1.0 had no transaction id in it. */
void esipa_result_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			    int code)
{
	struct tlv_mark m;

	if (v == ESIPA_V1_0) {
		tlv_put_u32(w, 0x02, (uint32_t)code);
		return;
	}
	m = tlv_begin(w, 0xa0);
	if (transaction_id.n)
		tlv_put_octets(w, 0x80, transaction_id);
	tlv_put_u32(w, 0x02, (uint32_t)code);
	tlv_close(w, m);
}

static void put_maybe(struct tlv_out *w, uint32_t tag, struct octets v)
{
	if (v.p)
		tlv_put_octets(w, tag, v);
}

/* v1.0 lists package results without their BF51. */
static void put_bare_results(struct tlv_out *w, uint32_t tag, struct octets results)
{
	struct tlv_mark m = tlv_begin(w, tag);
	struct tlv_doc doc;
	struct tlv list = tlv_open(&doc, results);

	while (tlv_more(&list)) {
		struct octets v = tlv_take(&list, 0xbf51);

		tlv_put_raw(w, v.p, v.n);
	}
	tlv_close(w, m);
}

/* RetrieveNotificationsListResponse of v1.0: one list, or the pair of both. */
static void put_old_lists(struct tlv_out *w, const struct esipa_data *d)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2b), both = { 0 };
	bool pair = d->has_notifications && d->has_package_results;

	if (pair)
		both = tlv_begin(w, 0xa3);
	if (d->has_notifications)
		tlv_put_octets(w, 0xa0, d->notifications);
	if (d->has_package_results)
		put_bare_results(w, pair ? 0xa1 : 0xa2, d->package_results);
	if (pair)
		tlv_close(w, both);
	tlv_close(w, m);
}

/* IpaEuiccDataResponse, GSMA SGP.32 2.11.2.2: the order of the elements is the definition's. */
void esipa_data_put(struct tlv_out *w, enum esipa_version v, const struct esipa_data *d)
{
	bool old = v == ESIPA_V1_0;
	struct tlv_mark m = tlv_begin(w, 0xbf52), data = tlv_begin(w, 0xa0);

	if (d->has_notifications && !old)
		tlv_put_octets(w, 0xa0, d->notifications);
	put_maybe(w, old ? 0x80 : 0x81, d->default_smdp);
	if (d->has_package_results && !old)
		tlv_put_octets(w, 0xa2, d->package_results);
	tlv_put_raw(w, d->info1.p, d->info1.n);
	tlv_put_raw(w, d->info2.p, d->info2.n);
	put_maybe(w, 0x83, d->root_smds);
	put_maybe(w, 0x84, d->token);
	put_maybe(w, 0xa5, d->eum_cert);
	put_maybe(w, 0xa6, d->euicc_cert);
	if (!old)
		put_maybe(w, 0x87, d->transaction_id);
	put_maybe(w, 0xa8, d->ipa_capabilities);
	put_maybe(w, 0xa9, d->device_info);
	if (old && (d->has_notifications || d->has_package_results))
		put_old_lists(w, d);
	tlv_close(w, data);
	tlv_close(w, m);
}

void esipa_data_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			  int code)
{
	struct tlv_mark m = tlv_begin(w, 0xbf52), error;

	if (v == ESIPA_V1_0) {
		tlv_put_u32(w, 0x81, (uint32_t)code);
	} else {
		error = tlv_begin(w, 0xa1);
		if (transaction_id.n)
			tlv_put_octets(w, 0x80, transaction_id);
		tlv_put_u32(w, 0x02, (uint32_t)code);
		tlv_close(w, error);
	}
	tlv_close(w, m);
}

/* A BIT STRING with named bits: as short as it can be, bit 0 first. */
static void put_bits(struct tlv_out *w, uint32_t tag, uint32_t mask)
{
	uint8_t v[2] = { 0, 0 };
	unsigned last = 0;

	for (unsigned bit = 0; bit < 8; bit++) {
		if (mask & 1u << bit) {
			v[1] |= (uint8_t)(0x80 >> bit);
			last = bit;
		}
	}
	v[0] = (uint8_t)(7 - last);
	if (v[1])
		tlv_put(w, tag, v, 2);
	else
		tlv_put(w, tag, "", 1);
}

void esipa_capabilities_put(struct tlv_out *w, uint32_t features, uint32_t protocols)
{
	put_bits(w, 0x80, features);
	if (protocols)
		put_bits(w, 0x81, protocols);
}

/* ProfileDownloadTriggerResult, GSMA SGP.32 2.11.2.3 */
void esipa_trigger_result_put(struct tlv_out *w, struct octets transaction_id, struct octets bf37)
{
	struct tlv_mark m = tlv_begin(w, 0xbf54);

	if (transaction_id.n)
		tlv_put_octets(w, 0x82, transaction_id);
	tlv_put_raw(w, bf37.p, bf37.n);
	tlv_close(w, m);
}

/* v1.0 had the text only. */
void esipa_trigger_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			     int reason, struct octets text)
{
	struct tlv_mark m = tlv_begin(w, 0xbf54), error;

	if (transaction_id.n)
		tlv_put_octets(w, 0x82, transaction_id);
	error = tlv_begin(w, 0x30);
	if (v != ESIPA_V1_0)
		tlv_put_u32(w, 0x80, (uint32_t)reason);
	if (text.n)
		tlv_put_octets(w, v == ESIPA_V1_0 ? 0x80 : 0x04, text);
	tlv_close(w, error);
	tlv_close(w, m);
}

/* The correlation of v1.3; its layout is inferred from two readings of the definitions. */
static void put_correlation(struct tlv_out *w, struct octets transaction_id, struct octets eid)
{
	struct tlv_mark m;

	if (!transaction_id.n && !eid.n)
		return;
	m = tlv_begin(w, 0xa0);
	if (transaction_id.n)
		tlv_put_octets(w, 0x80, transaction_id);
	else
		tlv_put_octets(w, 0x5a, eid);
	tlv_close(w, m);
}

void esipa_received_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			struct octets eid)
{
	struct tlv_mark m;

	if (v != ESIPA_V1_3 || (!transaction_id.n && !eid.n)) {
		tlv_put(w, 0x05, NULL, 0);
		return;
	}
	m = tlv_begin(w, 0xbf60);
	put_correlation(w, transaction_id, eid);
	tlv_close(w, m);
}

void esipa_transfer_error_put(struct tlv_out *w, enum esipa_version v, struct octets transaction_id,
			      struct octets eid, int code)
{
	struct tlv_mark m;

	if (v != ESIPA_V1_3) {
		tlv_put_u32(w, 0x02, (uint32_t)code);
		return;
	}
	m = tlv_begin(w, 0xbf61);
	put_correlation(w, transaction_id, eid);
	tlv_put_u32(w, 0x81, (uint32_t)code);
	tlv_close(w, m);
}

/* HandleNotification, GSMA SGP.32 5.14.7 */
void esipa_notification_encode(struct tlv_out *w, struct octets notification)
{
	struct tlv_mark m = tlv_begin(w, 0xbf3d);

	tlv_put_octets(w, 0xa0, notification);
	tlv_close(w, m);
}
