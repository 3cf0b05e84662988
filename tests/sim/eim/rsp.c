#include "sim/eim/rsp.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/expand.h"

/* --- orders ----------------------------------------------------------------------------------- */

bool se_code_parse(const char *code, struct se_code *ret)
{
	struct text rest = text_of(code);

	*ret = (struct se_code){ .address = "" };
	/* 1$address$matchingId[$oid[$1]], SGP.22 4.1 */
	if (!text_eq(text_cut(&rest, '$'), "1"))
		return false;
	if (text_copy(text_cut(&rest, '$'), ret->address, sizeof(ret->address)) < 0 ||
	    text_copy(text_cut(&rest, '$'), ret->matching_id, sizeof(ret->matching_id)) < 0 ||
	    text_copy(text_cut(&rest, '$'), ret->oid, sizeof(ret->oid)) < 0)
		return false;
	ret->confirmation = text_eq(text_cut(&rest, '$'), "1");
	return ret->address[0] != '\0';
}

struct text se_trigger_code(struct octets trigger)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, trigger), data;
	bool there;

	data = tlv_enter_maybe(&top, 0xA0, &there);
	return octets_text(tlv_maybe(&data, 0x80));
}

/* --- requests --------------------------------------------------------------------------------- */

static void add_base64(struct json_object *o, const char *name, struct octets v)
{
	_cleanup_(freep) char *digits = malloc(BASE64_LEN(v.n) + 1);

	if (digits && base64_encode(v.p, v.n, digits, BASE64_LEN(v.n) + 1) == 0)
		json_object_object_add(o, name, json_object_new_string(digits));
}

static void add_hex(struct json_object *o, const char *name, struct octets v)
{
	char digits[2 * SE_TID_MAX + 1];

	if (v.n > SE_TID_MAX)
		return;
	hex_encode(v.p, v.n, digits, sizeof(digits));
	json_object_object_add(o, name, json_object_new_string(digits));
}

static bool put_initiate(struct json_object *o, struct tlv body, const char *address,
			 struct octets info1)
{
	struct octets challenge = tlv_take(&body, 0x81), info = se_tlv_find_whole(body, 0xBF20);

	while (tlv_more(&body))
		tlv_skip(&body);
	add_base64(o, "euiccChallenge", challenge);
	if (!info.n)
		info = info1;
	if (info.n)
		add_base64(o, "euiccInfo1", info);
	json_object_object_add(o, "smdpAddress", json_object_new_string(address));
	return !body.doc->fault;
}

static bool put_response(struct json_object *o, struct tlv body, const char *name, uint32_t want)
{
	struct octets tid = tlv_take(&body, 0x80), whole;
	uint8_t buf[1024];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_doc inner = { .fault = TLV_OK };
	bool good;
	uint32_t tag;

	whole = tlv_take_whole(&body, &tag);
	good = !body.doc->fault;
	/* ESipa's CancelSession has the content of the card's BF41 under A1. */
	if (want == 0xBF41 && tag == 0xA1) {
		body = se_tlv_inside(&inner, whole, 0xA1);
		tlv_put_octets(&w, want, tlv_rest(&body));
		good = good && !w.full;
		whole = octets_from(buf, w.len);
		tag = want;
	}
	add_hex(o, "transactionId", tid);
	add_base64(o, name, whole);
	return good && !inner.fault && tag == want;
}

/* The functions that carry one response of the card. */
static const struct carrier {
	uint32_t tag, response;
	const char *function, *member;
} carriers[] = {
	{ 0xBF3B, 0xBF38, "authenticateClient", "authenticateServerResponse" },
	{ 0xBF3A, 0xBF21, "getBoundProfilePackage", "prepareDownloadResponse" },
	{ 0xBF41, 0xBF41, "cancelSession", "cancelSessionResponse" },
};

char *se_rsp_request(uint32_t tag, struct octets message, const char *address, struct octets info1,
		     const char **ret_function)
{
	struct json_object *o = json_object_new_object();
	struct tlv_doc doc;
	struct tlv body;
	bool good = false;
	char *text = NULL;

	if (tag == 0xBF39) {
		*ret_function = "initiateAuthentication";
		body = se_tlv_inside(&doc, message, tag);
		good = put_initiate(o, body, address, info1);
	} else if (!tag) {
		*ret_function = "handleNotification";
		add_base64(o, "pendingNotification", message);
		good = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(carriers); i++) {
		if (carriers[i].tag != tag)
			continue;
		*ret_function = carriers[i].function;
		body = se_tlv_inside(&doc, message, tag);
		good = put_response(o, body, carriers[i].member, carriers[i].response);
	}
	if (good)
		text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

/* --- answers: ES9+ ---------------------------------------------------------------------------- */

/* SGP.22 5.2.6, and the same of an SM-DS, to the numbers of SGP.32 6.3.2 (9.2 of our reference). */
static const struct status_code {
	uint32_t tag;
	const char *subject, *reason;
	uint32_t code;
} status_codes[] = {
	{ 0xBF39, "8.8.1", "3.8", 1 },    { 0xBF39, "8.9.1", "3.8", 1 },
	{ 0xBF39, "8.8.3", "3.1", 2 },    { 0xBF39, "8.9.3", "3.1", 2 },
	{ 0xBF39, "8.8.2", "3.1", 3 },    { 0xBF39, "8.8.4", "3.7", 3 },
	{ 0xBF39, "8.9.2", "3.1", 3 },    { 0xBF39, "8.9.4", "3.7", 3 },
	{ 0xBF3B, "8.1.2", "6.1", 1 },    { 0xBF3B, "8.1.2", "6.3", 2 },
	{ 0xBF3B, "8.1.3", "6.1", 3 },    { 0xBF3B, "8.1.3", "6.3", 4 },
	{ 0xBF3B, "8.1", "6.1", 5 },      { 0xBF3B, "8.2.6", "3.8", 6 },
	{ 0xBF3B, "8.1.1", "3.8", 7 },    { 0xBF3B, "8.2", "1.2", 8 },
	{ 0xBF3B, "8.2.5", "4.3", 8 },    { 0xBF3B, "8.11.1", "3.9", 9 },
	{ 0xBF3B, "8.10.1", "3.9", 10 },  { 0xBF3B, "8.1", "4.8", 11 },
	{ 0xBF3B, "8.9.5", "3.9", 56 },   { 0xBF3A, "8.1", "6.1", 1 },
	{ 0xBF3A, "8.2.7", "2.2", 2 },    { 0xBF3A, "8.2.7", "3.8", 3 },
	{ 0xBF3A, "8.2.7", "6.4", 4 },    { 0xBF3A, "8.2", "3.7", 5 },
	{ 0xBF3A, "8.8.5", "4.10", 6 },   { 0xBF3A, "8.10.1", "3.9", 95 },
	{ 0xBF41, "8.10.1", "3.9", 1 },   { 0xBF41, "8.1", "6.1", 2 },
};

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

static void read_status(uint32_t tag, struct json_object *o, struct se_rsp_reply *r)
{
	struct json_object *status = member(member(o, "header"), "functionExecutionStatus");
	struct json_object *data = member(status, "statusCodeData");
	const char *subject = member_text(data, "subjectCode");
	const char *reason = member_text(data, "reasonCode");

	r->code = 127;
	if (!strncmp(member_text(status, "status"), "Executed", 8)) {
		r->code = 0;
		return;
	}
	snprintf(r->status, sizeof(r->status), "%.12s/%.12s", subject, reason);
	for (size_t i = 0; i < ARRAY_SIZE(status_codes); i++) {
		if (status_codes[i].tag == tag && !strcmp(status_codes[i].subject, subject) &&
		    !strcmp(status_codes[i].reason, reason))
			r->code = status_codes[i].code;
	}
}

static const char *const part_names[_SE_RSP_PART_MAX] = {
	[SE_RSP_TID] = "transactionId",
	[SE_RSP_SIGNED1] = "serverSigned1",
	[SE_RSP_SIGNATURE1] = "serverSignature1",
	[SE_RSP_CI] = "euiccCiPKIdToBeUsed",
	[SE_RSP_CERTIFICATE] = "serverCertificate",
	[SE_RSP_METADATA] = "profileMetadata",
	[SE_RSP_SIGNED2] = "smdpSigned2",
	[SE_RSP_SIGNATURE2] = "smdpSignature2",
	[SE_RSP_PB_CERTIFICATE] = "smdpCertificate",
	[SE_RSP_BPP] = "boundProfilePackage",
};

/* The first event: where it leads to, as an activation code. */
static void read_events(struct json_object *o, struct se_rsp_reply *r)
{
	struct json_object *list = member(o, "eventEntries"), *first;

	if (!list || !json_object_is_type(list, json_type_array))
		return;
	r->ds = true;
	first = json_object_array_length(list) ? json_object_array_get_idx(list, 0) : NULL;
	if (first)
		snprintf(r->event, sizeof(r->event), "1$%.120s$%.120s",
			 member_text(first, "rspServerAddress"), member_text(first, "eventId"));
}

void se_rsp_read(uint32_t tag, struct text body, struct se_rsp_reply *ret)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = tok ? json_tokener_parse_ex(tok, body.s, (int)body.n) : NULL;
	size_t at = 0, n;

	json_tokener_free(tok);
	*ret = (struct se_rsp_reply){ .code = 127 };
	read_status(tag, o, ret);
	ret->store = malloc(body.n + 1);
	for (size_t i = 0; ret->store && i < _SE_RSP_PART_MAX; i++) {
		struct text t = text_of(member_text(o, part_names[i]));
		uint8_t *dst = ret->store + at;
		int r = i == SE_RSP_TID ? hex_decode(t, dst, SE_TID_MAX < body.n ? SE_TID_MAX : 0, &n) :
					  base64_decode(t, dst, body.n - at, &n);

		if (!t.n || r < 0)
			continue;
		ret->part[i] = octets_from(dst, n);
		at += n;
	}
	read_events(o, ret);
	json_object_put(o);
}

void se_rsp_reply_done(struct se_rsp_reply *r)
{
	free(r->store);
	*r = (struct se_rsp_reply){ .code = 127 };
}

/* --- answers: ESipa --------------------------------------------------------------------------- */

size_t se_rsp_error(uint32_t tag, uint32_t code, uint8_t dst[16])
{
	struct tlv_out w = { .buf = dst, .cap = 16 };
	struct tlv_mark m = tlv_begin(&w, tag);

	tlv_put_u32(&w, tag == 0xBF3B ? 0x82 : 0x81, code);
	tlv_close(&w, m);
	return w.len;
}

static bool put_parts(struct tlv_out *w, const struct se_rsp_reply *r, enum se_rsp_part first,
		      enum se_rsp_part last)
{
	for (enum se_rsp_part i = first; i <= last; i++) {
		if (!r->part[i].n)
			return false;
		tlv_put_raw(w, r->part[i].p, r->part[i].n);
	}
	return true;
}

static bool write_initiated(struct tlv_out *w, const struct se_rsp_reply *r,
			    const struct se_rsp_answer *a)
{
	struct tlv_doc doc;
	struct tlv ci = se_tlv_inside(&doc, r->part[SE_RSP_CI], 0x04);
	struct octets id = tlv_rest(&ci);
	struct tlv_mark m;

	if (!put_parts(w, r, SE_RSP_SIGNED1, SE_RSP_SIGNATURE1) || !id.n)
		return false;
	tlv_put(w, 0x04, id.p, MIN(id.n, (size_t)a->forms.ci_n));
	if (!put_parts(w, r, SE_RSP_CERTIFICATE, SE_RSP_CERTIFICATE))
		return false;
	if (a->forms.ctx == SE_CTX_MATCHING_ID && a->matching_id[0])
		tlv_put_text(w, 0x0C, a->matching_id);
	if (a->forms.ctx == SE_CTX_PARAMS && a->ctx.n) {
		m = tlv_begin(w, 0xA2);
		tlv_put_raw(w, a->ctx.p, a->ctx.n);
		tlv_close(w, m);
	}
	return true;
}

static bool write_authenticated(struct tlv_out *w, const struct se_rsp_reply *r,
				const struct se_rsp_answer *a)
{
	const struct octets *metadata = &r->part[SE_RSP_METADATA];

	/* An SM-DP+ may leave the metadata to the package. */
	if (a->forms.metadata && metadata->n)
		tlv_put_raw(w, metadata->p, metadata->n);
	if (!put_parts(w, r, SE_RSP_SIGNED2, SE_RSP_PB_CERTIFICATE))
		return false;
	if (a->hash_cc.n)
		tlv_put_octets(w, 0x04, a->hash_cc);
	return true;
}

/* A1 { 80, BF54? }: what an SM-DS has is ordered from the IPA anew. */
static void write_events(struct tlv_out *w, const struct se_rsp_reply *r,
			 const struct se_rsp_answer *a)
{
	struct tlv_mark m, data;

	if (!r->event[0])
		return;
	m = tlv_begin(w, 0xBF54);
	data = tlv_begin(w, 0xA0);
	tlv_put_text(w, 0x80, r->event);
	tlv_close(w, data);
	if (a->tx.n)
		tlv_put_octets(w, 0x82, a->tx);
	tlv_close(w, m);
}

int se_rsp_write(uint32_t tag, const struct se_rsp_reply *r, const struct se_rsp_answer *a,
		 uint8_t **ret, size_t *ret_n)
{
	struct tlv_out w = { .cap = 1024 };
	struct tlv_mark m, good;
	bool done = true, ds = r->ds && tag == 0xBF3B;

	for (size_t i = 0; i < _SE_RSP_PART_MAX; i++)
		w.cap += r->part[i].n;
	w.buf = malloc(w.cap);
	if (!w.buf)
		return -ENOMEM;
	m = tlv_begin(&w, tag);
	good = tlv_begin(&w, ds ? 0xA1 : 0xA0);
	if (tag != 0xBF41 && r->part[SE_RSP_TID].n && (a->forms.tid || ds))
		tlv_put_octets(&w, 0x80, r->part[SE_RSP_TID]);
	if (ds)
		write_events(&w, r, a);
	else if (tag == 0xBF39)
		done = write_initiated(&w, r, a);
	else if (tag == 0xBF3B)
		done = write_authenticated(&w, r, a);
	else if (tag == 0xBF3A)
		done = put_parts(&w, r, SE_RSP_BPP, SE_RSP_BPP);
	tlv_close(&w, good);
	tlv_close(&w, m);
	if (!done || w.full) {
		free(w.buf);
		return -EBADMSG;
	}
	*ret = w.buf;
	*ret_n = w.len;
	return 0;
}

/* --- what an eIM looks at --------------------------------------------------------------------- */

size_t se_rsp_oid(struct octets certificate, uint8_t *dst, size_t cap)
{
	GENERAL_NAMES *names = NULL;
	X509 *cert = NULL;
	size_t n = 0;

	if (se_cert_parse(certificate, &cert) == 0)
		names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !n; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_RID && OBJ_length(g->d.registeredID) <= cap) {
			n = OBJ_length(g->d.registeredID);
			memcpy(dst, OBJ_get0_data(g->d.registeredID), n);
		}
	}
	GENERAL_NAMES_free(names);
	X509_free(cert);
	return n;
}

bool se_rsp_has_ppr(struct octets metadata)
{
	struct tlv_doc doc;
	struct octets bits = se_tlv_find(se_tlv_inside(&doc, metadata, 0xBF25), 0x99);

	/* Bit 0 is pprUpdateControl: no rule by itself. */
	return bits.n >= 2 && bits.p[1] & 0x60;
}

bool se_rsp_same_metadata(struct octets bpp, struct octets metadata)
{
	struct tlv_doc doc, list_doc;
	struct octets segments = se_tlv_find(se_tlv_inside(&doc, bpp, 0xBF36), 0xA1);
	struct tlv list = tlv_open(&list_doc, segments);
	size_t at = 0;

	while (tlv_more(&list)) {
		struct octets v = tlv_take(&list, 0x88);

		/* Eight octets of MAC behind each piece. */
		if (v.n <= 8 || at + v.n - 8 > metadata.n ||
		    memcmp(metadata.p + at, v.p, v.n - 8) != 0)
			return false;
		at += v.n - 8;
	}
	return at == metadata.n && !doc.fault && !list_doc.fault;
}

bool se_rsp_wants_code(struct octets signed2)
{
	struct tlv_doc doc;
	struct octets flag = se_tlv_find(se_tlv_inside(&doc, signed2, 0x30), 0x01);

	return flag.n == 1 && flag.p[0];
}

void se_rsp_hash_cc(const char *code, struct octets tid, uint8_t ret[32])
{
	uint8_t both[SHA256_DIGEST_LENGTH + SE_TID_MAX];
	size_t n = MIN(tid.n, (size_t)SE_TID_MAX);

	SHA256((const uint8_t *)code, strlen(code), both);
	if (n)
		memcpy(both + SHA256_DIGEST_LENGTH, tid.p, n);
	SHA256(both, SHA256_DIGEST_LENGTH + n, ret);
}
