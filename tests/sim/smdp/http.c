#include "sim/smdp/http.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"

#define JSON_PATH "/gsma/rsp2/es9plus/"
#define ASN1_PATH "/gsma/rsp2/asn1"
#define JSON_TYPE "application/json"
#define ASN1_TYPE "application/x-gsma-rsp-asn1"
#define JSON_DEPTH 16

/* --- octets in JSON --------------------------------------------------------------------------- */

/* Everything decoded from one request; freed together. */
struct decoded {
	uint8_t *list[8];
	size_t n;
};

static void decoded_done(struct decoded *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->list[i]);
}

static struct text member(struct json_object *o, const char *name)
{
	struct json_object *m = json_object_object_get(o, name);

	if (!json_object_is_type(m, json_type_string))
		return text_of(NULL);
	return text_from(json_object_get_string(m), (size_t)json_object_get_string_len(m));
}

static int take_base64(struct json_object *o, const char *name, struct decoded *d,
		       struct octets *ret)
{
	struct text t = text_trim(member(o, name));
	uint8_t *p;
	size_t n;

	if (!t.n)
		return -EBADMSG;
	p = sdp_alloc(t.n);
	d->list[d->n++] = p;
	if (base64_decode(t, p, t.n, &n) < 0)
		return -EBADMSG;
	*ret = octets_from(p, n);
	return 0;
}

static int take_hex(struct json_object *o, const char *name, struct decoded *d, struct octets *ret)
{
	struct text t = member(o, name);
	uint8_t *p;
	size_t n;

	if (!t.n || t.n > 2 * SDP_TID_MAX)
		return -EBADMSG;
	p = sdp_alloc(t.n);
	d->list[d->n++] = p;
	if (hex_decode(t, p, t.n, &n) < 0)
		return -EBADMSG;
	*ret = octets_from(p, n);
	return 0;
}

/* SGP.22 6.5.2.6 ff.; a "header" in the request and members nobody knows are passed over. */
static int call_from_json(struct json_object *o, struct sdp_call *c, struct decoded *d)
{
	int r = 0;

	switch (c->function) {
	case SDP_INITIATE_AUTHENTICATION:
		r = take_base64(o, "euiccChallenge", d, &c->challenge);
		if (r == 0)
			r = take_base64(o, "euiccInfo1", d, &c->info1);
		c->address = member(o, "smdpAddress");
		if (!c->address.n)
			c->address = member(o, "smdsAddress");
		return c->address.n ? r : -EBADMSG;
	case SDP_AUTHENTICATE_CLIENT:
		r = take_base64(o, "authenticateServerResponse", d, &c->response);
		break;
	case SDP_GET_BOUND_PROFILE_PACKAGE:
		r = take_base64(o, "prepareDownloadResponse", d, &c->response);
		break;
	case SDP_CANCEL_SESSION:
		r = take_base64(o, "cancelSessionResponse", d, &c->response);
		break;
	case SDP_HANDLE_NOTIFICATION:
		return take_base64(o, "pendingNotification", d, &c->notification);
	case _SDP_FUNCTION_MAX:
		return -EBADMSG;
	}
	return r < 0 ? r : take_hex(o, "transactionId", d, &c->tid);
}

static struct json_object *status_json(const char *subject, const char *reason, const char *message)
{
	struct json_object *top = json_object_new_object(), *header = json_object_new_object();
	struct json_object *status = json_object_new_object(), *data;

	json_object_object_add(status, "status",
			       json_object_new_string(subject ? "Failed" : "Executed-Success"));
	if (subject) {
		data = json_object_new_object();
		json_object_object_add(data, "subjectCode", json_object_new_string(subject));
		json_object_object_add(data, "reasonCode", json_object_new_string(reason));
		json_object_object_add(data, "message", json_object_new_string(message));
		json_object_object_add(status, "statusCodeData", data);
	}
	json_object_object_add(header, "functionExecutionStatus", status);
	json_object_object_add(top, "header", header);
	return top;
}

static struct json_object *base64_json(struct octets v)
{
	size_t n = BASE64_LEN(v.n) + 1;
	char *digits = sdp_alloc(n);
	struct json_object *o;

	base64_encode(v.p, v.n, digits, n);
	o = json_object_new_string(digits);
	free(digits);
	return o;
}

static struct json_object *tid_json(struct sdp *s, enum sdp_function f, const struct sdp_blob *tid)
{
	char digits[2 * SDP_TID_MAX + 1];

	hex_encode(tid->p, tid->n, digits, sizeof(digits));
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_TRANSACTION_TEXT, f, NULL))
		digits[0] = digits[0] == 'F' ? '0' : 'F';
	return json_object_new_string(digits);
}

static struct json_object *events_json(const struct sdp_answer *a)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < a->events_n; i++) {
		struct json_object *e = json_object_new_object();

		json_object_object_add(e, "eventId", json_object_new_string(a->events[i]->id));
		json_object_object_add(e, "rspServerAddress",
				       json_object_new_string(a->events[i]->address));
		json_object_array_add(list, e);
	}
	return list;
}

static void spoil_json(struct sdp *s, enum sdp_function f, struct json_object *o)
{
	char value[SDP_FAULT_VALUE_MAX];
	const char *name;

	if (sdp_fault_strikes(&s->faults, SDP_FAULT_BASE64, f, NULL)) {
		json_object_object_foreach(o, member_name, v) {
			if (strcmp(member_name, "transactionId") == 0 ||
			    !json_object_is_type(v, json_type_string))
				continue;
			json_object_object_add(o, member_name,
					       json_object_new_string("not*base64!"));
			break;
		}
	}
	/* Strikes only what has this member. */
	name = sdp_fault_peek(&s->faults, SDP_FAULT_MISSING, f);
	if (name && json_object_object_get_ex(o, name, NULL) &&
	    sdp_fault_strikes(&s->faults, SDP_FAULT_MISSING, f, value))
		json_object_object_del(o, value);
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_HUGE, f, value)) {
		size_t n = MIN(sdp_fault_number(value, 1u << 20), 64u << 20);
		char *filler = sdp_alloc(n + 1);

		memset(filler, 'A', n);
		json_object_object_add(o, "filler", json_object_new_string_len(filler, (int)n));
		free(filler);
	}
}

static void body_from_json(struct json_object *o, struct sdp_reply *ret)
{
	size_t n;
	const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	sdp_blob_set(&ret->body, octets_from(text, n));
	ret->content_type = JSON_TYPE ";charset=UTF-8";
	json_object_put(o);
}

static void answer_json(struct sdp *s, enum sdp_function f, const struct sdp_answer *a,
			struct sdp_reply *ret)
{
	const struct sdp_code_text *t = &sdp_code_texts[a->code];
	struct json_object *o;

	if (a->code != SDP_DONE) {
		o = status_json(t->subject, t->reason, t->message);
	} else {
		o = status_json(NULL, NULL, NULL);
		for (size_t i = 0; i < _SDP_MEMBER_MAX; i++) {
			if (!a->members[i].n)
				continue;
			json_object_object_add(o, sdp_member_names[i], i == SDP_TRANSACTION_ID ?
					       tid_json(s, f, &a->members[i]) :
					       base64_json(sdp_blob_octets(&a->members[i])));
		}
		if (a->ds && f == SDP_AUTHENTICATE_CLIENT)
			json_object_object_add(o, "eventEntries", events_json(a));
		spoil_json(s, f, o);
	}
	body_from_json(o, ret);
}

/* --- the ASN.1 binding ------------------------------------------------------------------------ */

static const uint32_t tags[_SDP_FUNCTION_MAX] = {
	[SDP_INITIATE_AUTHENTICATION] = 0xbf39,
	[SDP_AUTHENTICATE_CLIENT] = 0xbf3b,
	[SDP_GET_BOUND_PROFILE_PACKAGE] = 0xbf3a,
	[SDP_CANCEL_SESSION] = 0xbf41,
	[SDP_HANDLE_NOTIFICATION] = 0xbf3d,
};

/*
 * RemoteProfileProvisioningRequest, [2] around one of the functions. Clients are known that leave
 * the A2 out; it is understood as well.
 */
static int call_from_tlv(struct octets body, struct sdp_call *c, struct decoded *d)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, body), w, f;
	struct octets v;

	w = tlv_peek(&top) == 0xa2 ? tlv_enter(&top, 0xa2) : top;
	c->function = _SDP_FUNCTION_MAX;
	for (size_t i = 0; i < _SDP_FUNCTION_MAX; i++) {
		if (tlv_peek(&w) == tags[i])
			c->function = (enum sdp_function)i;
	}
	if (c->function == _SDP_FUNCTION_MAX)
		return -EBADMSG;
	f = tlv_enter(&w, tags[c->function]);
	switch (c->function) {
	case SDP_INITIATE_AUTHENTICATION:
		c->challenge = tlv_take(&f, 0x81);
		c->address = octets_text(tlv_take(&f, 0x83));
		c->info1 = sdp_whole(&f, 0xbf20);
		break;
	case SDP_AUTHENTICATE_CLIENT:
		c->tid = tlv_take(&f, 0x80);
		c->response = sdp_whole(&f, 0xbf38);
		break;
	case SDP_GET_BOUND_PROFILE_PACKAGE:
		c->tid = tlv_take(&f, 0x80);
		c->response = sdp_whole(&f, 0xbf21);
		break;
	case SDP_CANCEL_SESSION:
		c->tid = tlv_take(&f, 0x80);
		v = tlv_take(&f, 0xa1);
		/* The card's answer is a CHOICE under a tag: its own BF41 is left out, or kept. */
		if (v.n > 2 && v.p[0] == 0xbf) {
			c->response = v;
		} else {
			struct tlv_out out = { .buf = sdp_alloc(v.n + 8), .cap = v.n + 8 };

			d->list[d->n++] = out.buf;
			tlv_put_octets(&out, 0xbf41, v);
			c->response = octets_from(out.buf, out.len);
		}
		break;
	case SDP_HANDLE_NOTIFICATION:
		c->notification = tlv_rest(&f);
		break;
	case _SDP_FUNCTION_MAX:
		return -EBADMSG;
	}
	return doc.fault ? -EBADMSG : 0;
}

static void put_events(struct tlv_out *w, const struct sdp_answer *a)
{
	struct tlv_mark list = tlv_begin(w, 0x30);

	for (size_t i = 0; i < a->events_n; i++) {
		struct tlv_mark one = tlv_begin(w, 0x30);

		/* Automatic tags (inferred): nobody was seen to use this binding with an SM-DS. */
		tlv_put_text(w, 0x80, a->events[i]->id);
		tlv_put_text(w, 0x81, a->events[i]->address);
		tlv_close(w, one);
	}
	tlv_close(w, list);
}

static void answer_tlv(enum sdp_function f, const struct sdp_answer *a, struct sdp_reply *ret)
{
	bool ds = a->ds && f == SDP_AUTHENTICATE_CLIENT;
	struct tlv_out w = { .cap = 256 };
	struct tlv_mark outer, inner, ok;

	for (size_t i = 0; i < _SDP_MEMBER_MAX; i++)
		w.cap += a->members[i].n + 8;
	w.cap += a->events_n * sizeof(struct sdp_event);
	w.buf = sdp_alloc(w.cap);
	outer = tlv_begin(&w, 0xa2);
	inner = tlv_begin(&w, ds ? 0xbf40 : tags[f]);
	if (a->code != SDP_DONE) {
		tlv_put_u32(&w, 0x81, sdp_code_number(a->code, f));
	} else {
		ok = tlv_begin(&w, 0xa0);
		for (size_t i = 0; i < _SDP_MEMBER_MAX; i++) {
			if (i == SDP_TRANSACTION_ID && a->members[i].n)
				tlv_put_octets(&w, 0x80, sdp_blob_octets(&a->members[i]));
			else
				tlv_put_raw(&w, a->members[i].p, a->members[i].n);
		}
		if (ds)
			put_events(&w, a);
		tlv_close(&w, ok);
	}
	tlv_close(&w, inner);
	tlv_close(&w, outer);
	if (w.full)
		abort();
	ret->body = (struct sdp_blob){ w.buf, w.len };
	ret->content_type = ASN1_TYPE;
}

/* --- a request -------------------------------------------------------------------------------- */

static bool has_type(struct text header, const char *type)
{
	return text_case_eq(text_trim(text_cut(&header, ';')), type);
}

/* The usual faults that stand for the whole answer. True: it is complete. */
static bool answer_fault(struct sdp *s, enum sdp_function f, struct sdp_reply *ret)
{
	char value[SDP_FAULT_VALUE_MAX];

	if (sdp_fault_strikes(&s->faults, SDP_FAULT_HTTP, f, value)) {
		ret->status = sdp_fault_number(value, 503);
		return true;
	}
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_STATUS, f, value)) {
		struct text reason = text_of(value[0] ? value : "8.2.6/3.8");
		struct text subject = text_cut(&reason, '/');
		char a[32], b[32];
		enum sdp_code known;
		bool ours = sdp_code_from(text_of(value), &known) == 0;

		text_copy(subject, a, sizeof(a));
		text_copy(reason, b, sizeof(b));
		body_from_json(status_json(a, b, ours ? sdp_code_texts[known].message : "Failed"), ret);
		return true;
	}
	return false;
}

static void spoil_body(struct sdp *s, enum sdp_function f, struct sdp_reply *ret)
{
	char value[SDP_FAULT_VALUE_MAX];

	if (sdp_fault_strikes(&s->faults, SDP_FAULT_TRUNCATED, f, NULL))
		ret->body.n /= 2;
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_GARBAGE, f, NULL))
		sdp_random(ret->body.p, ret->body.n);
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_EMPTY, f, NULL))
		ret->body.n = 0;
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_SLOW, f, value))
		ret->wire.slow_ms = sdp_fault_number(value, 5000);
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_DRIP, f, value))
		ret->wire.drip = MAX(sdp_fault_number(value, 16), 1u);
	for (enum sdp_fault_kind k = SDP_FAULT_CLOSE; k <= SDP_FAULT_RESET; k++) {
		if (sdp_fault_strikes(&s->faults, k, f, NULL)) {
			ret->wire.kind = k;
			break;
		}
	}
}

static void run(struct sdp *s, const struct sdp_call *c, bool json, struct sdp_reply *ret)
{
	struct sdp_answer a;

	if (!answer_fault(s, c->function, ret)) {
		sdp_run(s, c, &a);
		if (c->function == SDP_HANDLE_NOTIFICATION)
			ret->status = 204;
		else if (a.code == SDP_REQUEST_WRONG)
			ret->status = 400;
		else if (json)
			answer_json(s, c->function, &a, ret);
		else
			answer_tlv(c->function, &a, ret);
		sdp_answer_done(&a);
	}
	spoil_body(s, c->function, ret);
}

static bool find_function(struct text name, enum sdp_function *ret)
{
	for (size_t i = 0; i < _SDP_FUNCTION_MAX; i++) {
		if (text_eq(name, sdp_function_names[i])) {
			*ret = (enum sdp_function)i;
			return true;
		}
	}
	return false;
}

static void serve_json(struct sdp *s, const struct sdp_request *q, struct sdp_call *c,
		       struct sdp_reply *ret)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	struct decoded d = { 0 };
	struct json_object *o = tok && q->body.n ?
		json_tokener_parse_ex(tok, (const char *)q->body.p, (int)q->body.n) : NULL;

	if (json_object_is_type(o, json_type_object) && call_from_json(o, c, &d) == 0)
		run(s, c, true, ret);
	else
		ret->status = 400;
	decoded_done(&d);
	json_object_put(o);
	if (tok)
		json_tokener_free(tok);
}

/* SGP.22 1.2.1 and 1.2.2 are answered in the form of any other refusal. */
static bool refuse_headers(const struct sdp_request *q, const char *type, struct sdp_reply *ret)
{
	enum sdp_code code;

	if (!has_type(q->content_type, type))
		code = SDP_CONTENT_TYPE_WRONG;
	else if (q->admin_protocol.n && !text_case_starts(q->admin_protocol, "gsma/rsp/v2") &&
		 !text_case_starts(q->admin_protocol, "gsma/rsp/v3"))
		code = SDP_PROTOCOL_WRONG;
	else
		return false;
	body_from_json(status_json(sdp_code_texts[code].subject, sdp_code_texts[code].reason,
				   sdp_code_texts[code].message), ret);
	return true;
}

void sdp_serve(struct sdp *s, const struct sdp_request *q, struct sdp_reply *ret)
{
	bool json = text_starts(q->path, JSON_PATH);
	struct sdp_call c = { 0 };
	struct decoded d = { 0 };

	memset(ret, 0, sizeof(*ret));
	ret->status = 200;
	ret->wire.kind = _SDP_FAULT_MAX;
	snprintf(ret->admin_protocol, sizeof(ret->admin_protocol), "gsma/rsp/%s", s->protocol);
	if (json ? !find_function(text_skip(q->path, strlen(JSON_PATH)), &c.function) :
	    !text_eq(q->path, ASN1_PATH)) {
		ret->status = 404;
	} else if (!text_eq(q->method, "POST")) {
		ret->status = 405;
	} else if (!refuse_headers(q, json ? JSON_TYPE : ASN1_TYPE, ret)) {
		if (json)
			serve_json(s, q, &c, ret);
		else if (call_from_tlv(q->body, &c, &d) == 0)
			run(s, &c, false, ret);
		else
			ret->status = 400;
		decoded_done(&d);
	}
	if (!ret->body.n)
		ret->content_type = NULL;
	log_info("smdp", TEXT_FMT " " TEXT_FMT ": %u, %zu octets", TEXT_ARG(q->method),
		 TEXT_ARG(q->path), ret->status, ret->body.n);
}

void sdp_reply_done(struct sdp_reply *r)
{
	sdp_blob_done(&r->body);
}
