/*
 * ES9+ and ES11, GSMA SGP.22 5.6, 5.8, in their JSON form (6.5.2). Servers are picky about what
 * they are asked and careless about how they answer: requests are written in one way, without
 * blanks and without a header (that is optional here, and other clients leave it out); answers may
 * lack the header, wrap their base64, call the key identifier by either of its names and give
 * signatures and key identifiers bare.
 */
#include <errno.h>
#include <stdarg.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "esipa/es9p_read.h"

#define NEST_MAX 16
#define TRANSACTION_OCTETS_MAX ((ES9P_TRANSACTION_MAX - 1) / 2)

static const char *const function_names[_ES9P_FUNCTION_MAX] = {
	[ES9P_INITIATE] = "initiateAuthentication",
	[ES9P_AUTHENTICATE] = "authenticateClient",
	[ES9P_GET_BPP] = "getBoundProfilePackage",
	[ES9P_CANCEL] = "cancelSession",
	[ES9P_NOTIFY] = "handleNotification",
};

const char *es9p_function_name(enum es9p_function f)
{
	return function_names[f];
}

/* --- what both ways know -------------------------------------------------------------------------- */

bool es9p_is_address(struct text t)
{
	for (size_t i = 0; i < t.n; i++) {
		char c = t.s[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || !strchr("-._:[]", c)))
			return false;
	}
	return t.n > 0 && t.n < ES9P_ADDRESS_MAX;
}

static bool is_transaction(struct text t)
{
	return text_all_hex(t) && t.n % 2 == 0 && t.n < ES9P_TRANSACTION_MAX;
}

/* --- requests ------------------------------------------------------------------------------------- */

/* Never runs past its buffer and remembers that it would have. */
struct request {
	char *buf;
	size_t cap, n;
	bool full;
};

static void put(struct request *w, struct text t)
{
	if (w->full || w->cap - w->n <= t.n) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->n, t.s, t.n);
	w->n += t.n;
	w->buf[w->n] = '\0';
}

/* A name and the quote that its value begins with. Values need no escapes. */
static void put_name(struct request *w, const char *name)
{
	put(w, w->n ? TEXT(",\"") : TEXT("{\""));
	put(w, text_of(name));
	put(w, TEXT("\":\""));
}

static void put_text(struct request *w, const char *name, struct text value)
{
	put_name(w, name);
	put(w, value);
	put(w, TEXT("\""));
}

static void put_octets(struct request *w, const char *name, struct octets value)
{
	put_name(w, name);
	if (w->full || base64_encode(value.p, value.n, w->buf + w->n, w->cap - w->n) < 0)
		w->full = true;
	else
		w->n += BASE64_LEN(value.n);
	put(w, TEXT("\""));
}

static int finish(struct request *w, size_t *ret_n)
{
	put(w, TEXT("}"));
	if (w->full)
		return -EMSGSIZE;
	*ret_n = w->n;
	return 0;
}

/* SGP.22 5.6.1 */
int es9p_initiate_encode(char *buf, size_t cap, struct octets challenge, struct octets info1,
			 struct text address, size_t *ret_n)
{
	struct request w = { .buf = buf, .cap = cap };

	if (!es9p_is_address(address))
		return -EINVAL;
	put_octets(&w, "euiccChallenge", challenge);
	put_octets(&w, "euiccInfo1", info1);
	put_text(&w, "smdpAddress", address);
	return finish(&w, ret_n);
}

/* What the card said, within a transaction. */
static int encode_answer(char *buf, size_t cap, struct text transaction, const char *name,
			 struct octets answer, size_t *ret_n)
{
	struct request w = { .buf = buf, .cap = cap };

	if (!is_transaction(transaction))
		return -EINVAL;
	put_text(&w, "transactionId", transaction);
	put_octets(&w, name, answer);
	return finish(&w, ret_n);
}

/* SGP.22 5.6.3 */
int es9p_authenticate_encode(char *buf, size_t cap, struct text transaction, struct octets bf38,
			     size_t *ret_n)
{
	return encode_answer(buf, cap, transaction, "authenticateServerResponse", bf38, ret_n);
}

/* SGP.22 5.6.2 */
int es9p_get_bpp_encode(char *buf, size_t cap, struct text transaction, struct octets bf21,
			size_t *ret_n)
{
	return encode_answer(buf, cap, transaction, "prepareDownloadResponse", bf21, ret_n);
}

/* SGP.22 5.6.5 */
int es9p_cancel_encode(char *buf, size_t cap, struct text transaction, struct octets bf41,
		       size_t *ret_n)
{
	return encode_answer(buf, cap, transaction, "cancelSessionResponse", bf41, ret_n);
}

/* SGP.22 5.6.4 */
int es9p_notify_encode(char *buf, size_t cap, struct octets notification, size_t *ret_n)
{
	struct request w = { .buf = buf, .cap = cap };

	put_octets(&w, "pendingNotification", notification);
	return finish(&w, ret_n);
}

/* --- answers: the document ------------------------------------------------------------------------ */

int es9p_blame(char why[ES9P_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, ES9P_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

/* No name twice, at the top and on the way to the status: who reads which would be chance. */
static int check_names(struct text body, char *why)
{
	static const char *const way[] = { "header", "functionExecutionStatus", "statusCodeData" };
	struct es9p_member m[ES9P_MEMBERS_MAX];
	size_t depth = 0, i, n;
	const char *broken;

	for (;;) {
		if (es9p_scan(body, m, &n, &broken) < 0)
			return es9p_blame(why, "JSON: %s", broken);
		if (depth == ARRAY_SIZE(way))
			return 0;
		for (i = 0; i < n && !es9p_scan_is(m[i].name, way[depth]); i++)
			;
		/* One of another type is for es9p_status_read(). */
		if (i == n || *m[i].value.s != '{')
			return 0;
		body = m[i].value;
		depth++;
	}
}

int es9p_document(struct text body, struct json_object **ret, struct es9p_status *ret_status,
		  char why[ES9P_WHY_MAX])
{
	struct json_object *doc;
	const char *broken;
	int r;

	if (json_read(body, NEST_MAX, &doc, &broken) < 0)
		return es9p_blame(why, "JSON: %s", broken);
	r = check_names(body, why);
	if (r == 0)
		r = es9p_status_read(doc, ret_status, why);
	if (r < 0) {
		json_object_put(doc);
		return r;
	}
	*ret = doc;
	return 0;
}

bool es9p_is_whole(struct octets der, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der);

	(void)tlv_take(&top, tag);
	tlv_end(&top);
	return doc.fault == TLV_OK;
}

/* --- answers: members ----------------------------------------------------------------------------- */

/*
 * One answer being read. The first fault is remembered and what is taken after it is empty, so
 * that a decoder runs straight through and looks at r once, at the end.
 */
struct answer {
	struct json_object *doc;
	struct es9p_area *area;
	size_t used;
	int r;
};

static void blame(struct answer *m, const char *name, const char *what)
{
	if (m->r == 0)
		m->r = es9p_blame(m->area->why, "%s %s", name, what);
}

static struct text maybe_text(struct answer *m, const char *name)
{
	struct json_object *v = json_member(m->doc, name);

	if (v && !json_object_is_type(v, json_type_string))
		blame(m, name, "is no string");
	return m->r == 0 ? json_member_text(m->doc, name) : text_from("", 0);
}

/* Base64 into the area, where it may be wrapped: the digits are gathered there before. */
static struct octets take_octets(struct answer *m, const char *name)
{
	struct text t = maybe_text(m, name);
	uint8_t *at = m->area->area + m->used;
	size_t n = 0;

	if (!json_member(m->doc, name))
		blame(m, name, "is missing");
	if (t.n > m->area->cap - m->used)
		blame(m, name, "is too long");
	if (m->r < 0)
		return (struct octets){ 0 };
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] != ' ' && t.s[i] != '\t' && t.s[i] != '\r' && t.s[i] != '\n')
			at[n++] = (uint8_t)t.s[i];
	if (base64_decode(text_from(at, n), at, n, &n) < 0) {
		blame(m, name, "is no base64");
		return (struct octets){ 0 };
	}
	m->used += n;
	return octets_from(at, n);
}

static void check_whole(struct answer *m, const char *name, struct octets v, uint32_t tag)
{
	char what[24];

	snprintf(what, sizeof(what), "is no TLV %X", (unsigned)tag);
	if (m->r == 0 && !es9p_is_whole(v, tag))
		blame(m, name, what);
}

static struct octets take_whole(struct answer *m, const char *name, uint32_t tag)
{
	struct octets v = take_octets(m, name);

	check_whole(m, name, v, tag);
	return v;
}

/*
 * Puts a tag and length before what was taken last. There is room: n octets came out of more than
 * n + 3 digits in every case in which this is called.
 */
static struct octets add_head(struct answer *m, struct octets v, const uint8_t *head, size_t head_n)
{
	uint8_t *at = m->area->area + (m->used - v.n);

	memmove(at + head_n, at, v.n);
	memcpy(at, head, head_n);
	m->used += head_n;
	return octets_from(at, head_n + v.n);
}

/* Bare are r and s, of curves of 256 or 384 bits; no TLV 5F37 around either is that long. */
static struct octets take_signature(struct answer *m, const char *name)
{
	struct octets v = take_octets(m, name);
	const uint8_t head[] = { 0x5f, 0x37, (uint8_t)v.n };

	if (m->r == 0 && (v.n == 64 || v.n == 96))
		return add_head(m, v, head, sizeof(head));
	check_whole(m, name, v, 0x5f37);
	return v;
}

/* Bare is a SHA-1 of 20 octets: a TLV that long would hold none. */
static struct octets take_key(struct answer *m)
{
	static const char *const names[] = { "euiccCiPKIdToBeUsed", "euiccCiPKIdentifierToBeUsed" };
	const char *name = json_member(m->doc, names[1]) && !json_member(m->doc, names[0]) ?
		names[1] : names[0];
	struct octets v = take_octets(m, name);
	const uint8_t head[] = { 0x04, (uint8_t)v.n };

	if (m->r == 0 && v.n == 20)
		return add_head(m, v, head, sizeof(head));
	check_whole(m, name, v, 0x04);
	return v;
}

static struct octets value_of(struct octets whole, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);

	return tlv_take(&top, tag);
}

/* The digits as they came and what they say; both empty where there are none. */
static struct text take_transaction(struct answer *m, struct octets *ret)
{
	static const char name[] = "transactionId";
	struct text digits = maybe_text(m, name);
	uint8_t *at = m->area->area + m->used;
	size_t n;

	*ret = octets_from(NULL, 0);
	if (m->r < 0 || !json_member(m->doc, name))
		return text_from("", 0);
	if (!is_transaction(digits)) {
		blame(m, name, digits.n < ES9P_TRANSACTION_MAX ? "is no hexadecimal" : "is too long");
	} else if (hex_decode(digits, at, m->area->cap - m->used, &n) < 0) {
		blame(m, name, "is too long");
	} else {
		m->used += n;
		*ret = octets_from(at, n);
	}
	return m->r == 0 ? digits : text_from("", 0);
}

/* Of a signed object, where the answer names no transaction. */
static struct octets signed_transaction(struct answer *m, struct octets whole)
{
	struct octets v = esipa_signed_transaction_id(whole);

	if (v.n == 0)
		blame(m, "transactionId", "is missing");
	else if (v.n > TRANSACTION_OCTETS_MAX)
		blame(m, "transactionId", "is too long");
	return v;
}

/* --- answers: functions --------------------------------------------------------------------------- */

/* 0, and *ret: its document is there until close_answer(). */
static int open_answer(struct octets body, struct es9p_area *a, struct es9p_status *ret_status,
		       struct answer *ret)
{
	*ret = (struct answer){ .area = a };
	return es9p_document(octets_text(body), &ret->doc, ret_status, a->why);
}

static int close_answer(struct answer *m)
{
	json_object_put(m->doc);
	return m->r;
}

/* SGP.22 5.6.1, 5.8.1 */
int es9p_initiate_decode(struct octets body, struct es9p_area *a, struct es9p_status *status,
			 char ret_transaction[ES9P_TRANSACTION_MAX], struct esipa_initiated *ret)
{
	struct esipa_initiated v = { 0 };
	char transaction[ES9P_TRANSACTION_MAX] = "";
	struct es9p_status s;
	struct text digits;
	struct answer m;
	int r = open_answer(body, a, &s, &m);

	if (r < 0)
		return r;
	if (!s.failed) {
		digits = take_transaction(&m, &v.transaction_id);
		v.server_signed1 = take_whole(&m, "serverSigned1", 0x30);
		v.server_signature1 = take_signature(&m, "serverSignature1");
		v.ci_pkid_whole = take_key(&m);
		v.ci_pkid = value_of(v.ci_pkid_whole, 0x04);
		v.certificate = take_whole(&m, "serverCertificate", 0x30);
		if (m.r == 0 && v.transaction_id.n == 0)
			v.transaction_id = signed_transaction(&m, v.server_signed1);
		if (m.r == 0 && digits.n)
			text_copy(digits, transaction, sizeof(transaction));
		else if (m.r == 0)
			hex_encode(v.transaction_id.p, v.transaction_id.n, transaction,
				   sizeof(transaction));
	}
	r = close_answer(&m);
	if (r < 0)
		return r;
	*status = s;
	if (!s.failed) {
		memcpy(ret_transaction, transaction, sizeof(transaction));
		*ret = v;
	}
	return 0;
}

/* One of an event's two texts. Too long is no fault of the answer's form; *fits says so. */
static void take_event_text(struct answer *m, struct json_object *entry, const char *name,
			    char *dst, size_t cap, bool *fits)
{
	struct json_object *v = json_member(entry, name);
	struct text t = json_member_text(entry, name);

	if (!json_object_is_type(entry, json_type_object))
		blame(m, "an entry of eventEntries", "is no object");
	else if (!v)
		blame(m, name, "is missing");
	else if (!json_object_is_type(v, json_type_string))
		blame(m, name, "is no string");
	else if (t.n == 0)
		blame(m, name, "is empty");
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] <= 0x20 || t.s[i] >= 0x7f)
			blame(m, name, "has characters that it must not have");
	if (text_copy(t, dst, cap) < 0)
		*fits = false;
}

static void take_events(struct answer *m, struct json_object *entries, struct es9p_events *ret)
{
	size_t n;

	if (!json_object_is_type(entries, json_type_array)) {
		blame(m, "eventEntries", "is no array");
		return;
	}
	n = json_object_array_length(entries);
	for (size_t i = 0; i < n && m->r == 0; i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);
		struct es9p_event e;
		bool fits = ret->n < ES9P_EVENTS_MAX;

		take_event_text(m, entry, "eventId", e.id, sizeof(e.id), &fits);
		take_event_text(m, entry, "rspServerAddress", e.address, sizeof(e.address), &fits);
		if (fits)
			ret->list[ret->n++] = e;
		else
			ret->more = true;
	}
}

/* SGP.22 5.6.3; with events 5.8.2 */
int es9p_authenticate_decode(struct octets body, struct es9p_area *a, struct es9p_status *status,
			     struct esipa_authenticated *ret, struct es9p_events *ret_events)
{
	struct esipa_authenticated v = { 0 };
	struct es9p_events events = { .n = 0 };
	struct json_object *entries;
	struct es9p_status s;
	struct answer m;
	int r = open_answer(body, a, &s, &m);

	if (r < 0)
		return r;
	entries = json_member(m.doc, "eventEntries");
	if (!s.failed) {
		v.smds = entries != NULL;
		(void)take_transaction(&m, &v.transaction_id);
	}
	if (!s.failed && v.smds) {
		take_events(&m, entries, &events);
	} else if (!s.failed) {
		v.metadata = take_whole(&m, "profileMetadata", 0xbf25);
		v.smdp_signed2 = take_whole(&m, "smdpSigned2", 0x30);
		v.smdp_signature2 = take_signature(&m, "smdpSignature2");
		v.certificate = take_whole(&m, "smdpCertificate", 0x30);
		if (m.r == 0 && v.transaction_id.n == 0)
			v.transaction_id = signed_transaction(&m, v.smdp_signed2);
	}
	r = close_answer(&m);
	if (r < 0)
		return r;
	*status = s;
	if (!s.failed)
		*ret = v;
	if (v.smds)
		*ret_events = events;
	return 0;
}

/* SGP.22 5.6.4, 5.6.5 */
int es9p_header_decode(struct octets body, struct es9p_status *status, char why[ES9P_WHY_MAX])
{
	struct json_object *doc;
	int r;

	if (text_trim(octets_text(body)).n == 0) {
		*status = (struct es9p_status){ 0 };
		return 0;
	}
	r = es9p_document(octets_text(body), &doc, status, why);
	if (r == 0)
		json_object_put(doc);
	return r;
}
