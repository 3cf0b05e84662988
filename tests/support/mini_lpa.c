#include "support/mini_lpa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/util.h"

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_base64(struct json_object *o, const char *name, struct octets v)
{
	size_t n = BASE64_LEN(v.n) + 1;
	char *digits = sdp_alloc(n);

	base64_encode(v.p, v.n, digits, n);
	json_object_object_add(o, name, json_object_new_string(digits));
	free(digits);
}

static void put_tid(struct mini_lpa *l, struct json_object *o)
{
	char digits[64];

	hex_encode(l->tid.p, l->tid.n, digits, sizeof(digits));
	json_object_object_add(o, "transactionId", json_object_new_string(digits));
}

/* A binary member of the last answer. False: it is missing or no base64. */
static bool get_base64(struct mini_lpa *l, const char *name, struct sdp_blob *ret)
{
	const char *s = json_object_get_string(json_object_object_get(l->answer, name));
	size_t n = s ? strlen(s) : 0;
	uint8_t *p = sdp_alloc(n);

	if (!s || base64_decode(text_of(s), p, n, &n) < 0) {
		free(p);
		return false;
	}
	free(ret->p);
	*ret = (struct sdp_blob){ p, n };
	return true;
}

static void keep_status(struct mini_lpa *l)
{
	struct json_object *o = json_object_object_get(l->answer, "header");
	const char *subject, *reason;

	o = json_object_object_get(o, "functionExecutionStatus");
	o = json_object_object_get(o, "statusCodeData");
	subject = json_object_get_string(json_object_object_get(o, "subjectCode"));
	reason = json_object_get_string(json_object_object_get(o, "reasonCode"));
	text_copy(text_of(subject), l->subject, sizeof(l->subject));
	text_copy(text_of(reason), l->reason, sizeof(l->reason));
}

/* True: the server executed it, and its answer is in l->answer. Takes the body. */
static bool ask(struct mini_lpa *l, const char *function, struct json_object *body)
{
	struct sdp_blob reply = { 0 };
	struct json_object *status;
	struct json_tokener *tok;

	json_object_put(l->answer);
	l->answer = NULL;
	l->subject[0] = l->reason[0] = '\0';
	l->status = l->post(l, function, json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN),
			    &reply);
	json_object_put(body);
	if (l->status == 200 && reply.n) {
		tok = json_tokener_new();
		l->answer = json_tokener_parse_ex(tok, (const char *)reply.p, (int)reply.n);
		json_tokener_free(tok);
	}
	sdp_blob_done(&reply);
	if (!json_object_is_type(l->answer, json_type_object))
		return false;
	keep_status(l);
	status = json_object_object_get(l->answer, "header");
	status = json_object_object_get(status, "functionExecutionStatus");
	return text_eq(text_of(json_object_get_string(json_object_object_get(status, "status"))),
		       "Executed-Success");
}

/* --- the card --------------------------------------------------------------------------------- */

static struct octets card(struct mini_lpa *l, struct octets command)
{
	sdp_blob_set(&l->card_said, l->es10(l, command));
	return sdp_blob_octets(&l->card_said);
}

static struct octets card_hex(struct mini_lpa *l, const char *digits)
{
	uint8_t command[64];
	size_t n = 0;

	hex_decode(text_of(digits), command, sizeof(command), &n);
	return card(l, octets_from(command, n));
}

/* The first alternative, A0, of the answer with this tag. */
static bool is_good(struct octets answer, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, answer), w = tlv_enter(&top, tag);

	return tlv_peek(&w) == 0xa0;
}

/* DeviceInfo of a device that knows LTE, and the matchingId where there is one. */
static void put_context(struct mini_lpa *l, struct tlv_out *w)
{
	static const uint8_t device[] = { 0xa1, 0x0d, 0x80, 0x04, 0x12, 0x34, 0x56, 0x78,
					  0xa1, 0x05, 0x85, 0x03, 0x0f, 0x00, 0x00 };
	struct tlv_mark m = tlv_begin(w, 0xa0);

	if (l->matching_id)
		tlv_put_text(w, 0x80, l->matching_id);
	tlv_put_raw(w, device, sizeof(device));
	tlv_close(w, m);
}

/* --- authentication --------------------------------------------------------------------------- */

static enum mini_step initiate(struct mini_lpa *l)
{
	struct json_object *o = json_object_new_object();
	struct octets challenge = card_hex(l, "BF2E00");
	size_t n;
	const char *tid;

	put_base64(o, "euiccChallenge", octets_from(challenge.p + challenge.n - 16, 16));
	put_base64(o, "euiccInfo1", card_hex(l, "BF2000"));
	json_object_object_add(o, "smdpAddress", json_object_new_string(l->address));
	if (!ask(l, "initiateAuthentication", o))
		return MINI_INITIATE;
	tid = json_object_get_string(json_object_object_get(l->answer, "transactionId"));
	if (!tid || strlen(tid) > 32)
		return MINI_INITIATE;
	sdp_blob_set(&l->tid, octets_from(tid, strlen(tid)));
	if (hex_decode(text_of(tid), l->tid.p, l->tid.n, &n) < 0)
		return MINI_INITIATE;
	l->tid.n = n;
	return MINI_INSTALLED;
}

static enum mini_step authenticate_server(struct mini_lpa *l, struct sdp_blob *ret)
{
	static const char *const names[] = { "serverSigned1", "serverSignature1",
					     "euiccCiPKIdToBeUsed", "serverCertificate" };
	uint8_t command[4096];
	struct tlv_out w = { .buf = command, .cap = sizeof(command) };
	struct tlv_mark m = tlv_begin(&w, 0xbf38);
	struct sdp_blob part = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!get_base64(l, names[i], &part)) {
			sdp_blob_done(&part);
			return MINI_INITIATE;
		}
		tlv_put_raw(&w, part.p, part.n);
	}
	sdp_blob_done(&part);
	put_context(l, &w);
	tlv_close(&w, m);
	sdp_blob_set(ret, card(l, octets_from(command, w.len)));
	return is_good(sdp_blob_octets(ret), 0xbf38) ? MINI_INSTALLED : MINI_AUTHENTICATE_SERVER;
}

enum mini_step mini_lpa_authenticate(struct mini_lpa *l)
{
	struct sdp_blob response = { 0 };
	struct json_object *o;
	enum mini_step step = initiate(l);

	if (step == MINI_INSTALLED)
		step = authenticate_server(l, &response);
	if (step == MINI_INSTALLED) {
		o = json_object_new_object();
		put_tid(l, o);
		put_base64(o, "authenticateServerResponse", sdp_blob_octets(&response));
		if (!ask(l, "authenticateClient", o))
			step = MINI_AUTHENTICATE_CLIENT;
		else
			l->events = json_object_object_get(l->answer, "eventEntries");
	}
	sdp_blob_done(&response);
	return step;
}

/* --- the package ------------------------------------------------------------------------------ */

static enum mini_step prepare(struct mini_lpa *l, struct sdp_blob *ret)
{
	struct sdp_blob signed2 = { 0 }, signature2 = { 0 }, certificate = { 0 };
	uint8_t command[4096], hash[SDP_HASH_LEN];
	struct tlv_out w = { .buf = command, .cap = sizeof(command) };
	struct tlv_mark m = tlv_begin(&w, 0xbf21);
	bool good = get_base64(l, "profileMetadata", &l->metadata) &&
		    get_base64(l, "smdpSigned2", &signed2) &&
		    get_base64(l, "smdpSignature2", &signature2) &&
		    get_base64(l, "smdpCertificate", &certificate);

	if (good) {
		tlv_put_raw(&w, signed2.p, signed2.n);
		tlv_put_raw(&w, signature2.p, signature2.n);
		if (l->code) {
			struct octets code = { (const uint8_t *)l->code, strlen(l->code) };
			struct octets parts[] = { { hash, sizeof(hash) }, sdp_blob_octets(&l->tid) };

			sdp_sha256(&code, 1, hash);
			sdp_sha256(parts, ARRAY_SIZE(parts), hash);
			tlv_put(&w, 0x04, hash, sizeof(hash));
		}
		tlv_put_raw(&w, certificate.p, certificate.n);
		tlv_close(&w, m);
		sdp_blob_set(ret, card(l, octets_from(command, w.len)));
	}
	sdp_blob_done(&signed2);
	sdp_blob_done(&signature2);
	sdp_blob_done(&certificate);
	if (!good)
		return MINI_AUTHENTICATE_CLIENT;
	return is_good(sdp_blob_octets(ret), 0xbf21) ? MINI_INSTALLED : MINI_PREPARE;
}

/* A transfer to the card. False: it gave its result, or the test wants no more. */
static bool transfer(struct mini_lpa *l, struct octets piece, unsigned *n)
{
	struct octets answer;

	if (l->stop_after && (*n)++ == l->stop_after)
		return false;
	answer = card(l, piece);
	if (!answer.n)
		return true;
	sdp_blob_set(&l->result, answer);
	return false;
}

/* SGP.22 2.5.5: heads of A1 and A3 for themselves, and each segment in them; A0 and A2 whole. */
static void load(struct mini_lpa *l)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, sdp_blob_octets(&l->bpp)), w = tlv_enter(&top, 0xbf36);
	struct octets part;
	uint32_t tag;
	unsigned n = 0;

	part = tlv_take_whole(&w, &tag);
	if (!transfer(l, octets_from(l->bpp.p, (size_t)(part.p + part.n - l->bpp.p)), &n))
		return;
	while (tlv_more(&w)) {
		struct tlv_doc inner;
		struct tlv list;

		part = tlv_take_whole(&w, &tag);
		if (tag != 0xa1 && tag != 0xa3) {
			if (!transfer(l, part, &n))
				return;
			continue;
		}
		list = tlv_open(&inner, part);
		list = tlv_enter(&list, tag);
		if (!transfer(l, octets_from(part.p, (size_t)(list.p - part.p)), &n))
			return;
		while (tlv_more(&list)) {
			if (!transfer(l, tlv_take_whole(&list, &tag), &n))
				return;
		}
	}
}

/* What the 88 segments hold is what was offered. */
static bool same_metadata(struct mini_lpa *l)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, sdp_blob_octets(&l->bpp)), w = tlv_enter(&top, 0xbf36), list;
	size_t at = 0;
	bool same = true;

	tlv_skip(&w);
	tlv_skip(&w);
	list = tlv_enter(&w, 0xa1);
	while (tlv_more(&list) && same) {
		struct octets v = tlv_take(&list, 0x88);

		same = v.n > 8 && at + v.n - 8 <= l->metadata.n &&
		       memcmp(l->metadata.p + at, v.p, v.n - 8) == 0;
		at += v.n - 8;
	}
	return same && at == l->metadata.n && !doc.fault;
}

static bool was_installed(struct octets result)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, result), w = tlv_enter(&top, 0xbf37);
	struct tlv data = tlv_enter(&w, 0xbf27), final;

	tlv_skip(&data);
	tlv_skip(&data);
	tlv_skip(&data);
	final = tlv_enter(&data, 0xa2);
	return tlv_peek(&final) == 0xa0 && !doc.fault;
}

enum mini_step mini_lpa_download(struct mini_lpa *l)
{
	enum mini_step step = mini_lpa_authenticate(l);
	struct sdp_blob response = { 0 };
	struct json_object *o;

	sdp_blob_done(&l->result);
	if (step == MINI_INSTALLED)
		step = prepare(l, &response);
	if (step == MINI_INSTALLED) {
		o = json_object_new_object();
		put_tid(l, o);
		put_base64(o, "prepareDownloadResponse", sdp_blob_octets(&response));
		if (!ask(l, "getBoundProfilePackage", o) ||
		    !get_base64(l, "boundProfilePackage", &l->bpp))
			step = MINI_GET_PACKAGE;
	}
	sdp_blob_done(&response);
	if (step != MINI_INSTALLED)
		return step;
	if (!same_metadata(l))
		return MINI_METADATA;
	load(l);
	if (!l->result.n)
		return MINI_STOPPED;
	if (!l->keep_result)
		mini_lpa_deliver(l, sdp_blob_octets(&l->result));
	return was_installed(sdp_blob_octets(&l->result)) ? MINI_INSTALLED : MINI_LOAD;
}

/* --- the rest --------------------------------------------------------------------------------- */

int mini_lpa_deliver(struct mini_lpa *l, struct octets notification)
{
	struct json_object *o = json_object_new_object();

	put_base64(o, "pendingNotification", notification);
	ask(l, "handleNotification", o);
	return l->status;
}

int mini_lpa_cancel(struct mini_lpa *l, unsigned reason)
{
	uint8_t command[64];
	struct tlv_out w = { .buf = command, .cap = sizeof(command) };
	struct tlv_mark m = tlv_begin(&w, 0xbf41);
	struct json_object *o = json_object_new_object();

	tlv_put_octets(&w, 0x80, sdp_blob_octets(&l->tid));
	tlv_put_u32(&w, 0x81, reason);
	tlv_close(&w, m);
	put_tid(l, o);
	put_base64(o, "cancelSessionResponse", card(l, octets_from(command, w.len)));
	ask(l, "cancelSession", o);
	return l->status;
}

unsigned mini_lpa_notify(struct mini_lpa *l)
{
	struct sdp_blob list = { 0 };
	struct tlv_doc doc;
	struct tlv top, w;
	unsigned n = 0;

	sdp_blob_set(&list, card_hex(l, "BF2B00"));
	top = tlv_open(&doc, sdp_blob_octets(&list));
	top = tlv_enter(&top, 0xbf2b);
	w = tlv_enter(&top, 0xa0);
	while (tlv_more(&w)) {
		uint8_t command[32];
		struct tlv_out out = { .buf = command, .cap = sizeof(command) };
		struct tlv_mark m = tlv_begin(&out, 0xbf30);
		struct tlv_doc inner;
		uint32_t tag;
		struct octets one = tlv_take_whole(&w, &tag);
		struct tlv note = tlv_open(&inner, one);

		if (mini_lpa_deliver(l, one) != 204)
			break;
		note = tlv_enter(&note, tag);
		if (tag == 0xbf37) {
			note = tlv_enter(&note, 0xbf27);
			tlv_skip(&note);
		}
		note = tlv_enter(&note, 0xbf2f);
		tlv_put_octets(&out, 0x80, tlv_take(&note, 0x80));
		tlv_close(&out, m);
		card(l, octets_from(command, out.len));
		n++;
	}
	sdp_blob_done(&list);
	return n;
}

void mini_lpa_done(struct mini_lpa *l)
{
	sdp_blob_done(&l->bpp);
	sdp_blob_done(&l->metadata);
	sdp_blob_done(&l->result);
	sdp_blob_done(&l->tid);
	sdp_blob_done(&l->card_said);
	json_object_put(l->answer);
	l->answer = NULL;
}
