/* Between ESipa's TLVs and the JSON of ES9+: GSMA SGP.32 6.3.2 and SGP.22 6.5. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/relay.h"

/* --- requests --------------------------------------------------------------------------------- */

void se_rsp_order_of(struct octets trigger, struct se_rsp_order *ret)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, trigger), data;
	struct text code, part;
	bool there;

	*ret = (struct se_rsp_order){ .address = "" };
	data = tlv_enter_maybe(&top, 0xA0, &there);
	code = octets_text(tlv_maybe(&data, 0x80));
	/* 1$address$matchingId[$oid[$1]], SGP.22 4.1 */
	part = text_cut(&code, '$');
	if (!text_eq(part, "1"))
		return;
	(void)text_copy(text_cut(&code, '$'), ret->address, sizeof(ret->address));
	(void)text_copy(text_cut(&code, '$'), ret->matching_id, sizeof(ret->matching_id));
}

static void add_base64(struct json_object *o, const char *name, struct octets v)
{
	_cleanup_(freep) char *digits = malloc(BASE64_LEN(v.n) + 1);

	if (digits && base64_encode(v.p, v.n, digits, BASE64_LEN(v.n) + 1) == 0)
		json_object_object_add(o, name, json_object_new_string(digits));
}

static void add_hex(struct json_object *o, const char *name, struct octets v)
{
	char digits[2 * SE_RELAY_TID_MAX + 1];

	if (v.n > SE_RELAY_TID_MAX)
		return;
	hex_encode(v.p, v.n, digits, sizeof(digits));
	json_object_object_add(o, name, json_object_new_string(digits));
}

static bool put_initiate(struct json_object *o, struct tlv body, const char *address)
{
	struct octets challenge = tlv_take(&body, 0x81), info = { NULL, 0 };
	uint32_t tag;

	while (tlv_more(&body)) {
		if (tlv_peek(&body) == 0xBF20)
			info = tlv_take_whole(&body, &tag);
		else
			tlv_skip(&body);
	}
	add_base64(o, "euiccChallenge", challenge);
	if (info.n)
		add_base64(o, "euiccInfo1", info);
	json_object_object_add(o, "smdpAddress", json_object_new_string(address));
	return !body.doc->fault;
}

/* BF41 { 80, A1 { content of the card's BF41 } } */
static bool put_cancel(struct json_object *o, struct tlv body)
{
	struct octets tid = tlv_take(&body, 0x80), content = tlv_take(&body, 0xA1);
	uint8_t buf[1024];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };

	tlv_put_octets(&w, 0xBF41, content);
	add_hex(o, "transactionId", tid);
	add_base64(o, "cancelSessionResponse", octets_from(buf, w.len));
	return !body.doc->fault && !w.full;
}

static bool put_response(struct json_object *o, struct tlv body, const char *name, uint32_t want)
{
	struct octets tid = tlv_take(&body, 0x80), whole;
	uint32_t tag;

	whole = tlv_take_whole(&body, &tag);
	add_hex(o, "transactionId", tid);
	add_base64(o, name, whole);
	return !body.doc->fault && tag == want;
}

char *se_rsp_request(uint32_t tag, struct octets message, const char *address,
		     const char **ret_function)
{
	struct json_object *o = json_object_new_object();
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, message), body = tlv_enter(&top, tag);
	bool good = false;
	char *text = NULL;

	switch (tag) {
	case 0xBF39:
		*ret_function = "initiateAuthentication";
		good = put_initiate(o, body, address);
		break;
	case 0xBF3B:
		*ret_function = "authenticateClient";
		good = put_response(o, body, "authenticateServerResponse", 0xBF38);
		break;
	case 0xBF3A:
		*ret_function = "getBoundProfilePackage";
		good = put_response(o, body, "prepareDownloadResponse", 0xBF21);
		break;
	case 0xBF41:
		*ret_function = "cancelSession";
		good = put_cancel(o, body);
		break;
	default:
		/* A notification whole. */
		*ret_function = "handleNotification";
		add_base64(o, "pendingNotification", message);
		good = true;
	}
	if (good)
		text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* SGP.22 5.2.6 to the numbers of SGP.32 6.3.2. */
static const struct status_code {
	uint32_t tag;
	const char *subject, *reason;
	uint32_t code;
} status_codes[] = {
	{ 0xBF39, "8.8.1", "3.8", 1 },  { 0xBF39, "8.8.3", "3.1", 2 },
	{ 0xBF39, "8.8.2", "3.1", 3 },  { 0xBF39, "8.8.4", "3.7", 3 },
	{ 0xBF3B, "8.1.2", "6.1", 1 },  { 0xBF3B, "8.1.2", "6.3", 2 },
	{ 0xBF3B, "8.1.3", "6.1", 3 },  { 0xBF3B, "8.1.3", "6.3", 4 },
	{ 0xBF3B, "8.1", "6.1", 5 },    { 0xBF3B, "8.2.6", "3.8", 6 },
	{ 0xBF3B, "8.1.1", "3.8", 7 },  { 0xBF3B, "8.2.5", "4.3", 8 },
	{ 0xBF3B, "8.11.1", "3.9", 9 }, { 0xBF3B, "8.10.1", "3.9", 10 },
	{ 0xBF3B, "8.1", "4.8", 11 },   { 0xBF3A, "8.1", "6.1", 1 },
	{ 0xBF3A, "8.2.7", "2.2", 2 },  { 0xBF3A, "8.2.7", "3.8", 3 },
	{ 0xBF3A, "8.2.7", "6.4", 4 },  { 0xBF3A, "8.2", "3.7", 5 },
	{ 0xBF3A, "8.8.5", "4.10", 6 }, { 0xBF3A, "8.10.1", "3.9", 95 },
	{ 0xBF41, "8.10.1", "3.9", 1 }, { 0xBF41, "8.1", "6.1", 2 },
};

size_t se_rsp_error(uint32_t tag, uint32_t code, uint8_t dst[16])
{
	struct tlv_out w = { .buf = dst, .cap = 16 };
	struct tlv_mark m = tlv_begin(&w, tag);

	tlv_put_u32(&w, tag == 0xBF3B ? 0x82 : 0x81, code);
	tlv_close(&w, m);
	return w.len;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (o && json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &v);
	return v;
}

static const char *member_text(struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);

	return v && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

/* 0 for success, else the error number. */
static uint32_t status_of(uint32_t tag, struct json_object *o)
{
	struct json_object *status = member(member(o, "header"), "functionExecutionStatus");
	struct json_object *data = member(status, "statusCodeData");
	const char *word = member_text(status, "status");

	if (!strncmp(word, "Executed", 8))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(status_codes); i++) {
		if (status_codes[i].tag == tag &&
		    !strcmp(status_codes[i].subject, member_text(data, "subjectCode")) &&
		    !strcmp(status_codes[i].reason, member_text(data, "reasonCode")))
			return status_codes[i].code;
	}
	return 127;
}

/* A base64 member that is a TLV already. */
static bool put_member(struct tlv_out *w, struct json_object *o, const char *name)
{
	struct text t = text_of(member_text(o, name));
	_cleanup_(freep) uint8_t *octets = t.n ? malloc(t.n) : NULL;
	size_t n;

	if (!octets || base64_decode(t, octets, t.n, &n) < 0)
		return false;
	tlv_put_raw(w, octets, n);
	return true;
}

/*
 * What an SM-DS has for the card, as a trigger, GSMA SGP.32 6.3.2.3: there is room for one event, and none
 * where there are none. False: it is no answer of an SM-DS.
 */
static bool put_event(struct tlv_out *w, struct json_object *o)
{
	struct json_object *events = member(o, "eventEntries"), *first;
	struct tlv_mark m, data;
	char code[256];

	if (!json_object_is_type(events, json_type_array))
		return false;
	first = json_object_array_get_idx(events, 0);
	if (!first)
		return true;
	snprintf(code, sizeof(code), "1$%s$%s", member_text(first, "rspServerAddress"),
		 member_text(first, "eventId"));
	m = tlv_begin(w, 0xBF54);
	data = tlv_begin(w, 0xA0);
	tlv_put_text(w, 0x80, code);
	tlv_close(w, data);
	tlv_close(w, m);
	return true;
}

static bool put_answer(struct tlv_out *w, uint32_t tag, struct json_object *o,
		       const char *matching_id)
{
	if (tag == 0xBF3B && put_event(w, o))
		return true;
	if (tag == 0xBF3A)
		return put_member(w, o, "boundProfilePackage");
	if (tag == 0xBF3B) {
		/* An SM-DP+ may leave the metadata to the package. */
		(void)put_member(w, o, "profileMetadata");
		return put_member(w, o, "smdpSigned2") && put_member(w, o, "smdpSignature2") &&
		       put_member(w, o, "smdpCertificate");
	}
	if (!put_member(w, o, "serverSigned1") || !put_member(w, o, "serverSignature1") ||
	    !put_member(w, o, "euiccCiPKIdToBeUsed") || !put_member(w, o, "serverCertificate"))
		return false;
	if (matching_id[0])
		tlv_put_text(w, 0x0C, matching_id);
	return true;
}

int se_rsp_answer(uint32_t tag, struct text body, const char *matching_id, uint8_t **ret,
		  size_t *ret_n, struct octets *ret_tid)
{
	static uint8_t tid[SE_RELAY_TID_MAX];
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = tok ? json_tokener_parse_ex(tok, body.s, (int)body.n) : NULL;
	uint32_t code = o ? status_of(tag, o) : 127;
	struct tlv_out w = { .cap = body.n + 256 };
	struct tlv_mark m, good;
	size_t n = 0;

	w.buf = malloc(w.cap);
	json_tokener_free(tok);
	if (!w.buf) {
		json_object_put(o);
		return -ENOMEM;
	}
	*ret_tid = octets_from(NULL, 0);
	if (!code) {
		m = tlv_begin(&w, tag);
		good = tlv_begin(&w, tag == 0xBF3B && member(o, "eventEntries") ? 0xA1 : 0xA0);
		if (tag != 0xBF41 && hex_decode(text_of(member_text(o, "transactionId")), tid,
						sizeof(tid), &n) == 0 && n) {
			*ret_tid = octets_from(tid, n);
			tlv_put(&w, 0x80, tid, n);
		}
		if (tag != 0xBF41 && !put_answer(&w, tag, o, matching_id))
			code = 127;
		tlv_close(&w, good);
		tlv_close(&w, m);
	}
	json_object_put(o);
	if (code || w.full)
		w.len = se_rsp_error(tag, code ? code : 127, w.buf);
	*ret = w.buf;
	*ret_n = w.len;
	return 0;
}
