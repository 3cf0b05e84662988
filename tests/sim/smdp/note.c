/*
 * Notifications, SGP.22 5.6.4: checked up to the CI, and recorded so that it can be counted whether
 * each arrived, and arrived once. Nothing is ever said to the sender: it gets its 204.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/smdp.h"
#include "sim/smdp/store.h"

const char *const sdp_verdict_names[_SDP_VERDICT_MAX] = {
	[SDP_VERIFIED] = "verified",
	[SDP_UNKNOWN_DOWNLOAD] = "unknown-download",
	[SDP_BAD_CHAIN] = "bad-chain",
	[SDP_BAD_SIGNATURE] = "bad-signature",
	[SDP_BAD_OID] = "bad-oid",
	[SDP_UNREADABLE] = "unreadable",
};

/* --- reading ---------------------------------------------------------------------------------- */

/* BF2F, NotificationMetadata */
static void read_metadata(struct tlv *w, struct sdp_note *n)
{
	struct tlv m = tlv_enter(w, 0xbf2f);
	struct octets events, address, iccid;

	n->seq = tlv_take_u32(&m, 0x80);
	events = tlv_take(&m, 0x81);
	address = tlv_take(&m, 0x0c);
	iccid = tlv_maybe(&m, 0x5a);
	if (events.n >= 2)
		n->event = events.p[1];
	if (text_copy(octets_text(address), n->address, sizeof(n->address)) < 0 ||
	    (iccid.n && iccid.n != SDP_ICCID_LEN))
		tlv_blame(w, TLV_BAD_VALUE, 0xbf2f);
	else if (iccid.n)
		sdp_iccid_text(iccid.p, n->iccid);
}

/* finalResult of a ProfileInstallationResultData */
static void read_outcome(struct tlv *w, struct sdp_note *n)
{
	struct tlv result = tlv_enter(w, 0xa2), body;
	struct octets v;

	n->command = n->reason = -1;
	if (tlv_peek(&result) == 0xa0) {
		body = tlv_enter(&result, 0xa0);
		sdp_blob_set(&n->aid, tlv_take(&body, 0x4f));
		v = tlv_take(&body, 0x04);
	} else {
		body = tlv_enter(&result, 0xa1);
		n->command = (int)(tlv_take_u32(&body, 0x80) & 0xff);
		n->reason = (int)(tlv_take_u32(&body, 0x81) & 0xff);
		v = tlv_maybe(&body, 0x82);
	}
	sdp_blob_set(&n->sima, v);
}

static struct sdp_profile *find_download(struct sdp *s, struct octets tid,
					 struct sdp_download **ret)
{
	struct sdp_profile *p;

	list_for_each(p, &s->profiles, node) {
		*ret = sdp_profile_find_download(p, tid);
		if (*ret)
			return p;
	}
	return NULL;
}

static bool signed_by(struct octets certificate, struct octets data, struct octets signature)
{
	struct sdp_cert c;
	bool good;

	if (sdp_cert_parse(certificate, &c) < 0)
		return false;
	good = sdp_verify(c.curve, c.point, &data, 1, signature);
	sdp_cert_done(&c);
	return good;
}

/*
 * BF37: carries no certificates, those of the session's authenticateClient count. *ret_p is the
 * profile it is about, where it is to be believed.
 */
static void take_result(struct sdp *s, struct octets der, struct sdp_note *n,
			struct sdp_profile **ret_p)
{
	struct tlv_doc doc, inner;
	struct tlv top = tlv_open(&doc, der), w = tlv_enter(&top, 0xbf37), data;
	struct octets whole = sdp_whole(&w, 0xbf27), signature = sdp_whole(&w, 0x5f37), tid, oid;
	struct sdp_download *d;
	struct sdp_profile *p;

	n->result = true;
	top = tlv_open(&inner, whole);
	data = tlv_enter(&top, 0xbf27);
	tid = tlv_take(&data, 0x80);
	read_metadata(&data, n);
	oid = tlv_take(&data, 0x06);
	read_outcome(&data, n);
	if (doc.fault || inner.fault || tid.n > sizeof(n->tid)) {
		n->verdict = SDP_UNREADABLE;
		return;
	}
	sdp_sha256(&whole, 1, n->key);
	memcpy(n->tid, tid.p, tid.n);
	n->tid_n = tid.n;
	p = find_download(s, tid, &d);
	if (!p) {
		n->verdict = SDP_UNKNOWN_DOWNLOAD;
		return;
	}
	memcpy(n->eid, d->eid, sizeof(n->eid));
	if (!signed_by(sdp_blob_octets(&d->certificate), whole, sdp_signature_of(signature))) {
		n->verdict = SDP_BAD_SIGNATURE;
	} else if (!octets_same(oid, sdp_blob_octets(&d->oid))) {
		n->verdict = SDP_BAD_OID;
	} else {
		n->verdict = SDP_VERIFIED;
		*ret_p = p;
	}
}

static enum sdp_verdict check_sender(struct sdp *s, struct octets euicc_der, struct octets eum_der,
				     struct octets whole, struct octets signature, struct sdp_note *n)
{
	struct sdp_cert euicc = { 0 }, eum = { 0 };
	enum sdp_verdict v = SDP_BAD_CHAIN;
	uint8_t eid[SDP_EID_LEN];

	if (sdp_cert_parse(euicc_der, &euicc) == 0 && sdp_cert_parse(eum_der, &eum) == 0) {
		for (size_t i = 0; i < s->pki_n && v == SDP_BAD_CHAIN; i++) {
			if (sdp_chain_check(&s->pki[i].ci, &eum, &euicc, sdp_now(s)) == SDP_DONE)
				v = sdp_verify(euicc.curve, euicc.point, &whole, 1, signature) ?
				    SDP_VERIFIED : SDP_BAD_SIGNATURE;
		}
		sdp_cert_eid(&euicc, n->eid, eid);
	}
	sdp_cert_done(&euicc);
	sdp_cert_done(&eum);
	return v;
}

/* OtherSignedNotification: brings its chain along. */
static void take_other(struct sdp *s, struct octets der, struct sdp_note *n)
{
	struct tlv_doc doc, inner;
	struct tlv top = tlv_open(&doc, der), w = tlv_enter(&top, 0x30);
	struct octets whole = sdp_whole(&w, 0xbf2f), signature = sdp_whole(&w, 0x5f37);
	struct octets euicc = sdp_whole(&w, 0x30), eum = sdp_whole(&w, 0x30);
	struct octets parts[] = { whole, euicc };

	n->command = n->reason = -1;
	top = tlv_open(&inner, whole);
	read_metadata(&top, n);
	if (doc.fault || inner.fault) {
		n->verdict = SDP_UNREADABLE;
		return;
	}
	/* Two cards may both have a notification number 7 for the same address. */
	sdp_sha256(parts, ARRAY_SIZE(parts), n->key);
	n->verdict = check_sender(s, euicc, eum, whole, sdp_signature_of(signature), n);
}

/* --- what follows from a result --------------------------------------------------------------- */

enum { REASON_NO_MEMORY = 10, REASON_INTERRUPTED = 11 };

static void apply_result(struct sdp *s, struct sdp_profile *p, const struct sdp_note *n)
{
	struct sdp_session *x = sdp_find_session(s, octets_from(n->tid, n->tid_n));

	/* The profile is written before the notification: a server killed between them sees it again. */
	if (memcmp(p->result_key, n->key, sizeof(n->key)) == 0)
		return;
	memcpy(p->result_key, n->key, sizeof(n->key));
	p->results++;
	/* The result of an earlier attempt may come later than that of the one which succeeded. */
	if (p->state == SDP_STATE_INSTALLED && n->reason >= 0) {
		sdp_keep(s, p);
		return;
	}
	p->command = n->command;
	p->reason = n->reason;
	if (n->reason < 0) {
		p->state = SDP_STATE_INSTALLED;
		text_copy(TEXT("installed"), p->why, sizeof(p->why));
		sdp_bound_done(&p->bound);      /* the eUICC has thrown its key away */
		sdp_event_remove(s, n->eid, p->matching_id);
	} else {
		snprintf(p->why, sizeof(p->why), "installation failed: command %d, reason %d",
			 n->command, n->reason);
		/* What may go better the next time does not end the order. */
		if (n->reason != REASON_NO_MEMORY && n->reason != REASON_INTERRUPTED && !p->reusable)
			p->state = SDP_STATE_ERROR;
	}
	if (x)
		sdp_session_free(s, x);
	sdp_keep(s, p);
}

static struct sdp_note *find_note(struct sdp *s, const struct sdp_note *like)
{
	struct sdp_note *n;

	list_for_each(n, &s->notes, node) {
		if (memcmp(n->key, like->key, sizeof(n->key)) == 0 && n->verdict == like->verdict)
			return n;
	}
	return NULL;
}

static void note_free(struct sdp_note *n)
{
	sdp_blob_done(&n->sima);
	sdp_blob_done(&n->aid);
	free(n);
}

void sdp_handle_notification(struct sdp *s, struct octets der)
{
	struct sdp_note *n = sdp_alloc(sizeof(*n)), *known;
	struct sdp_profile *p = NULL;
	int r;

	sdp_sha256(&der, 1, n->key);            /* of what cannot be read all octets count */
	list_init(&n->node);
	n->command = n->reason = -1;
	if (der.n > 1 && der.p[0] == 0xbf)
		take_result(s, der, n, &p);
	else
		take_other(s, der, n);
	n->first_ms = n->last_ms = sdp_clock_ms();
	known = find_note(s, n);
	if (known) {
		known->last_ms = n->last_ms;
		note_free(n);
		n = known;
	} else if (s->notes_n == SDP_NOTES_MAX) {
		log_error("smdp", "%u notifications are recorded, no room for more", SDP_NOTES_MAX);
		note_free(n);
		return;
	} else {
		list_add(&s->notes, &n->node);
		s->notes_n++;
		if (p)
			apply_result(s, p, n);
	}
	n->deliveries++;
	log_info("smdp", "notification %u, %s, %s, delivery %u", n->seq,
		 n->result ? n->reason < 0 ? "installed" : "not installed" : "event",
		 sdp_verdict_names[n->verdict], n->deliveries);
	r = sdp_save_notes(s);
	if (r < 0)
		log_error("smdp", "notifications could not be written: %s", strerror(-r));
}

/* --- the file --------------------------------------------------------------------------------- */

struct json_object *sdp_note_json(const struct sdp_note *n)
{
	static const char *const events[] = { "install", "enable", "disable", "delete" };
	struct json_object *o = json_object_new_object();
	const char *event = "";

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (n->event & 0x80 >> i)
			event = events[i];
	}
	sdp_json_put_hex(o, "key", octets_from(n->key, sizeof(n->key)));
	sdp_json_put_text(o, "verdict", sdp_verdict_names[n->verdict]);
	sdp_json_put_bool(o, "result", n->result);
	sdp_json_put_number(o, "seq", n->seq);
	sdp_json_put_text(o, "event", event);
	sdp_json_put_number(o, "eventBits", n->event);
	sdp_json_put_text(o, "iccid", n->iccid);
	sdp_json_put_text(o, "address", n->address);
	sdp_json_put_text(o, "eid", n->eid);
	if (n->result) {
		sdp_json_put_hex(o, "transactionId", octets_from(n->tid, n->tid_n));
		sdp_json_put_bool(o, "installed", n->reason < 0);
		sdp_json_put_number(o, "command", n->command);
		sdp_json_put_number(o, "reason", n->reason);
		sdp_json_put_hex(o, "simaResponse", sdp_blob_octets(&n->sima));
		sdp_json_put_hex(o, "aid", sdp_blob_octets(&n->aid));
	}
	sdp_json_put_number(o, "deliveries", n->deliveries);
	sdp_json_put_number(o, "firstMs", (int64_t)n->first_ms);
	sdp_json_put_number(o, "lastMs", (int64_t)n->last_ms);
	return o;
}

int sdp_save_notes(const struct sdp *s)
{
	struct json_object *list;
	struct sdp_note *n;
	char path[PATH_MAX];
	int r;

	if (!s->dir[0])
		return 0;
	list = json_object_new_array();
	list_for_each(n, &s->notes, node)
		json_object_array_add(list, sdp_note_json(n));
	snprintf(path, sizeof(path), "%s/notifications.json", s->dir);
	r = sdp_store_write(path, list);
	json_object_put(list);
	return r;
}

static int note_from(struct json_object *o, struct sdp_note *n)
{
	struct sdp_blob tid = { 0 };
	char verdict[24] = "";
	bool there;
	int r = -EBADMSG;

	if (sdp_json_get_octets(o, "key", n->key, sizeof(n->key), &there) < 0 || !there ||
	    sdp_json_get_text(o, "verdict", verdict, sizeof(verdict)) < 0 ||
	    sdp_json_get_text(o, "iccid", n->iccid, sizeof(n->iccid)) < 0 ||
	    sdp_json_get_text(o, "address", n->address, sizeof(n->address)) < 0 ||
	    sdp_json_get_text(o, "eid", n->eid, sizeof(n->eid)) < 0 ||
	    sdp_json_get_hex(o, "simaResponse", &n->sima) < 0 ||
	    sdp_json_get_hex(o, "aid", &n->aid) < 0 ||
	    sdp_json_get_hex(o, "transactionId", &tid) < 0)
		return -EBADMSG;
	if (tid.n <= sizeof(n->tid)) {
		n->tid_n = tid.n;
		if (tid.n)
			memcpy(n->tid, tid.p, tid.n);
		r = 0;
	}
	sdp_blob_done(&tid);
	for (size_t i = 0; i < _SDP_VERDICT_MAX; i++) {
		if (strcmp(verdict, sdp_verdict_names[i]) == 0)
			n->verdict = (enum sdp_verdict)i;
	}
	n->result = sdp_json_bool(o, "result", false);
	n->seq = (uint32_t)sdp_json_number(o, "seq", 0);
	n->event = (uint8_t)sdp_json_number(o, "eventBits", 0);
	n->command = (int)sdp_json_number(o, "command", -1);
	n->reason = (int)sdp_json_number(o, "reason", -1);
	n->deliveries = (unsigned)sdp_json_number(o, "deliveries", 0);
	n->first_ms = (uint64_t)sdp_json_number(o, "firstMs", 0);
	n->last_ms = (uint64_t)sdp_json_number(o, "lastMs", 0);
	return r;
}

int sdp_notes_load(struct sdp *s)
{
	struct json_object *list;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/notifications.json", s->dir);
	r = sdp_store_read(path, &list);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!json_object_is_type(list, json_type_array))
		r = -EBADMSG;
	for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
		struct sdp_note *n = sdp_alloc(sizeof(*n));

		list_add(&s->notes, &n->node);
		s->notes_n++;
		r = note_from(json_object_array_get_idx(list, i), n);
	}
	json_object_put(list);
	return r;
}
