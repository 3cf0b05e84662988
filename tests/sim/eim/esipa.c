#include "sim/eim/esipa.h"

#include <errno.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/expand.h"
#include "sim/eim/package.h"
#include "sim/eim/result.h"
#include "sim/eim/store.h"

int se_esipa_reply(struct se_exchange *x, struct octets message)
{
	int r = se_package_set(&x->response, &x->response_n, message);

	if (r == 0)
		x->status = 200;
	return r;
}

/* An outer tag around one integer: the error answers. */
static void reply_code(struct se_exchange *x, uint32_t tag, uint32_t inner, uint32_t code)
{
	uint8_t buf[16];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, tag);

	tlv_put_u32(&w, inner, code);
	tlv_close(&w, m);
	(void)se_esipa_reply(x, octets_from(buf, w.len));
}

static void bad_request(struct se_eim *e, struct se_exchange *x, const char *why)
{
	x->status = 400;
	se_remark(e, x->card, "< request not understood: %s", why);
}

static void save(struct se_eim *e, struct se_card *c)
{
	int r = se_store_save_card(e, c);

	if (r < 0)
		se_remark(e, c, "cannot write the state: %s", strerror(-r));
}

/* --- who is it -------------------------------------------------------------------------------- */

enum { EID_NOT_FOUND = 2, EID_INVALID = 3, EID_MISSING = 4 };

/* Remainder 1 by 97, GSMA SGP.02 4.1: worth a word, not a refusal. */
static bool check_digits_right(const char *eid)
{
	unsigned rest = 0;

	for (; *eid; eid++)
		rest = (rest * 10 + (unsigned)(*eid - '0')) % 97;
	return rest == 1;
}

static int card_of_eid(struct se_eim *e, struct octets eid, struct se_card **ret)
{
	char digits[SE_EID_DIGITS + 1];
	struct se_card *c;

	if (!eid.p)
		return EID_MISSING;
	if (eid.n != SE_EID_LEN)
		return EID_INVALID;
	c = se_card_find_bcd(e, eid.p);
	if (!c) {
		se_eid_text(eid.p, digits);
		if (!text_all_digits(text_of(digits)))
			return EID_INVALID;
		if (!e->open || se_card_new(e, digits, &c) < 0)
			return EID_NOT_FOUND;
		se_log(e, c, "a new card, %s", digits);
	}
	if (!check_digits_right(c->eid) && !c->polls)
		se_remark(e, c, "the check digits of its EID are wrong");
	*ret = c;
	return 0;
}

/* --- GetEimPackage, 6.3.2.6 ------------------------------------------------------------------- */

static void give_up(struct se_eim *e, struct se_card *c, struct se_package *p, const char *why)
{
	p->error = true;
	se_package_conclude(p, SE_FAILED);
	snprintf(p->outcome, sizeof(p->outcome), "%s", why);
	se_remark(e, c, "package %u given up: %s", p->id, why);
}

/* The first that is to be sent, or sent again; what cannot be any more is given up on the way. */
static struct se_package *next_package(struct se_eim *e, struct se_card *c)
{
	struct se_package *p;

	list_for_each(p, &c->packages, node) {
		if (p->state != SE_QUEUED && p->state != SE_SENT)
			continue;
		if (p->fault[0] && p->sent)
			give_up(e, c, p, "spoilt, and no result came");
		else if (p->state == SE_SENT && p->replays)
			give_up(e, c, p, "replayError(4), and the card has no result of it");
		else if (p->sent >= e->max_sends)
			give_up(e, c, p, "sent too often without a result");
		else if (p->kind == SE_KIND_DOWNLOAD && p->state == SE_SENT &&
			 se_clock_ms() < p->sent_ms + e->resend_download_s * 1000ull)
			return NULL;
		else
			return p;
	}
	return NULL;
}

/* Without the certificates no result can be verified: they are asked for before the first one. */
static struct se_package *learn_first(struct se_eim *e, struct se_card *c, struct se_package *p)
{
	static const struct se_order order = { .kind = SE_KIND_DATA,
					       .what = "data-request token eum-cert euicc-cert",
					       .n = 5, .body = { 0x5C, 0x03, 0x84, 0xA5, 0xA6 } };
	struct se_package *ask;

	if (!e->learn || c->learned || c->euicc_n || p->kind == SE_KIND_DATA)
		return p;
	c->learned = true;
	ask = se_package_order(c, &order);
	if (!ask)
		return p;
	ask->automatic = true;
	list_del(&ask->node);
	list_add(&p->node, &ask->node);
	return ask;
}

static struct se_package *last_done(struct se_card *c)
{
	struct se_package *p, *last = NULL;

	list_for_each(p, &c->packages, node) {
		if (p->state == SE_DONE && p->message && !p->fault[0] && !p->error &&
		    (p->kind == SE_KIND_PSMO || p->kind == SE_KIND_ECO))
			last = p;
	}
	return last;
}

/* The faults that are in the package itself. */
static struct se_package *spoil(struct se_eim *e, struct se_card *c, struct se_package *p)
{
	static const enum se_fault_kind kinds[] = { SE_FAULT_BAD_SIGNATURE, SE_FAULT_WRONG_EID,
						    SE_FAULT_LOW_COUNTER, SE_FAULT_UNKNOWN_PSMO };
	struct se_package *bad;

	if (p->fault[0] || p->message || (p->kind != SE_KIND_PSMO && p->kind != SE_KIND_ECO))
		return p;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!se_fault_strikes(&e->faults, kinds[i], SE_ON_GET, NULL))
			continue;
		bad = se_package_spoil(e, c, p, kinds[i]);
		if (bad)
			return bad;
	}
	return p;
}

static void reply_package(struct se_exchange *x, const struct se_package *p)
{
	uint8_t buf[SE_ORDER_MAX + 1024];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xBF4F);
	size_t n;

	tlv_put_raw(&w, p->message, p->message_n);
	tlv_close(&w, m);
	if (tlv_done(&w, &n) < 0 || se_esipa_reply(x, octets_from(buf, n)) < 0)
		reply_code(x, 0xBF4F, 0x02, 127);
}

static void log_poll(struct se_eim *e, struct se_card *c, struct tlv body)
{
	bool changed;
	struct octets cause, plmn;
	char hex[16] = "none";

	tlv_enter_maybe(&body, 0x80, &changed);
	/* v1.0 has the network in 81, later versions the cause there and the network in 82. */
	cause = tlv_maybe(&body, 0x81);
	plmn = tlv_maybe(&body, 0x82);
	if (cause.n == 3 && !plmn.n) {
		plmn = cause;
		cause.n = 0;
	}
	if (plmn.n == 3)
		hex_encode(plmn.p, plmn.n, hex, sizeof(hex));
	if (changed)
		se_log(e, c, "< state changed, cause %d, network %s",
		       cause.n == 1 ? cause.p[0] : -1, hex);
	if (cause.n && !changed)
		se_remark(e, c, "stateChangeCause without notifyStateChange");
}

static void handle_get(struct se_eim *e, struct se_exchange *x, struct tlv body)
{
	struct octets eid = tlv_maybe(&body, 0x5A);
	struct se_card *c = NULL;
	struct se_package *p, *old;
	int code = card_of_eid(e, eid, &c);

	if (code) {
		se_remark(e, NULL, "< GetEimPackage %s: error %d",
			  code == EID_NOT_FOUND ? "of an unknown card" : "without a usable EID",
			  code);
		reply_code(x, 0xBF4F, 0x02, (uint32_t)code);
		return;
	}
	x->card = c;
	log_poll(e, c, body);
	c->polls++;
	c->last_poll_ms = se_clock_ms();
	old = last_done(c);
	if (old && se_fault_strikes(&e->faults, SE_FAULT_REPLAY, SE_ON_GET, NULL)) {
		se_log(e, c, "> package %u REPLAYED (counter %u)", old->id, old->counter);
		reply_package(x, old);
		return;
	}
	p = next_package(e, c);
	if (!p) {
		save(e, c);
		se_log(e, c, "> nothing queued (poll %u)", c->polls);
		reply_code(x, 0xBF4F, 0x02, 1);
		return;
	}
	p = spoil(e, c, learn_first(e, c, p));
	if (se_package_prepare(e, c, p) < 0) {
		give_up(e, c, p, "could not be made");
		save(e, c);
		reply_code(x, 0xBF4F, 0x02, 127);
		return;
	}
	p->state = SE_SENT;
	p->sent++;
	p->sent_ms = se_clock_ms();
	save(e, c);
	if (p->kind == SE_KIND_DATA || p->kind == SE_KIND_DOWNLOAD)
		se_log(e, c, "> package %u: %s (sent %u)", p->id, p->what, p->sent);
	else
		se_log(e, c, "> package %u: %s%s%s (counter %u, sent %u)", p->id, p->what,
		       p->fault[0] ? ", SPOILT " : "", p->fault, p->counter, p->sent);
	x->switches = p->switches;
	reply_package(x, p);
}

/* --- ProvideEimPackageResult, 6.3.2.7, and HandleNotification --------------------------------- */

/* The result of an indirect download goes on to its SM-DP+. */
static void forward_installation(struct se_eim *e, struct se_card *c, struct octets result)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, result), body = tlv_enter(&top, 0xBF54);
	uint32_t tag;

	tlv_maybe(&body, 0x82);
	if (e->relay && tlv_peek(&body) == 0xBF37)
		e->relay->notify(e->relay, c, tlv_take_whole(&body, &tag));
}

/* Made whole if it is compact and can be; counted; passed on. */
static void take_note(struct se_eim *e, struct se_card *c, struct octets note, struct se_acks *acks)
{
	uint8_t buf[2 * SE_CERT_MAX + 1024];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	bool compact = note.n && (note.p[0] == 0xA0 || note.p[0] == 0xA1);

	if (compact && e->relay && e->relay->expand(e->relay, c, note, &w) == 0) {
		note = octets_from(buf, w.len);
		compact = false;
	}
	if (!se_note_take(e, c, note, acks) || compact)
		return;
	if (se_package_by_tid(c, se_installation_tid(note)))
		se_download_note(e, c, note);
	if (e->relay)
		e->relay->notify(e->relay, c, note);
}

/* One alternative of BF50. False: it is none. */
static bool take_alternative(struct se_eim *e, struct se_card *c, struct octets one,
			     struct se_acks *acks)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, one), w;
	uint32_t tag = tlv_peek(&top), inner;
	struct octets tx;

	switch (tag) {
	case 0xBF51:
		se_result_take(e, c, one, acks);
		return true;
	case 0xBF52:
		se_data_take(e, c, one, acks);
		return true;
	case 0xBF54:
		if (se_download_take(e, c, one))
			forward_installation(e, c, one);
		return true;
	case 0x30:
		w = tlv_enter(&top, 0x30);
		se_result_take(e, c, tlv_take_whole(&w, &inner), acks);
		/* v1.0 has BF2B around the list. */
		if (tlv_peek(&w) == 0xBF2B)
			w = tlv_enter(&w, 0xBF2B);
		w = tlv_enter(&w, 0xA0);
		if (!tlv_more(&w))
			se_remark(e, c, "an empty notification list beside the result");
		while (tlv_more(&w))
			take_note(e, c, tlv_take_whole(&w, &inner), acks);
		return !doc.fault;
	case 0xA0:
		w = tlv_enter(&top, 0xA0);
		tx = tlv_maybe(&w, 0x80);
		se_refusal_take(e, c, tx, tlv_take_u32(&w, 0x02));
		return !doc.fault;
	case 0x02:
		/* v1.0, and v1.1 according to some. */
		se_refusal_take(e, c, octets_from(NULL, 0), tlv_take_u32(&top, 0x02));
		return !doc.fault;
	default:
		return false;
	}
}

static struct se_card *only_card(struct se_eim *e)
{
	struct se_card *first = list_first(&e->cards, struct se_card, node);

	return first && first->node.next == &e->cards ? first : NULL;
}

/* By the EID, else the transaction id, else the connection, else because there is only one. */
static int card_of_result(struct se_eim *e, struct se_exchange *x, struct octets eid,
			  struct octets alternative)
{
	struct se_card *c;
	int code;

	if (eid.p) {
		code = card_of_eid(e, eid, &c);
		if (code == 0)
			x->card = c;
		return code;
	}
	c = se_card_of_tx(e, se_result_tx(alternative));
	if (!c)
		c = x->card;
	if (!c)
		c = only_card(e);
	x->card = c;
	return c ? 0 : EID_MISSING;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void reply_acks(struct se_eim *e, struct se_exchange *x, struct se_acks *acks)
{
	uint8_t buf[SE_ACKS_MAX * 8 + 32];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xBF50), list;
	char value[SE_FAULT_VALUE_MAX];
	size_t n;

	if (se_fault_strikes(&e->faults, SE_FAULT_ACK_WRONG, SE_ON_RESULT, value)) {
		se_log(e, x->card, "> acknowledgement of WRONG number %u",
		       se_fault_number(value, 9999));
		list = tlv_begin(&w, 0xBF53);
		tlv_put_u32(&w, 0x80, se_fault_number(value, 9999));
		tlv_close(&w, list);
	} else if (acks->n) {
		qsort(acks->seq, acks->n, sizeof(acks->seq[0]), by_number);
		list = tlv_begin(&w, 0xBF53);
		for (size_t i = 0; i < acks->n; i++)
			tlv_put_u32(&w, 0x80, acks->seq[i]);
		tlv_close(&w, list);
	} else if (x->card->version != SE_V1_0) {
		tlv_put(&w, 0x30, NULL, 0);
	}
	tlv_close(&w, m);
	if (tlv_done(&w, &n) < 0 || se_esipa_reply(x, octets_from(buf, n)) < 0)
		reply_code(x, 0xBF50, 0x02, 127);
}

static void handle_result(struct se_eim *e, struct se_exchange *x, struct tlv body)
{
	struct octets eid = tlv_maybe(&body, 0x5A), one;
	struct se_acks acks = { .n = 0 };
	uint32_t tag;
	int code;

	one = tlv_take_whole(&body, &tag);
	if (body.doc->fault) {
		bad_request(e, x, "ProvideEimPackageResult is malformed");
		return;
	}
	code = card_of_result(e, x, eid, one);
	if (code) {
		se_remark(e, NULL, "< ProvideEimPackageResult of nobody we know: error %d", code);
		reply_code(x, 0xBF50, 0x02, (uint32_t)code);
		return;
	}
	if (!take_alternative(e, x->card, one, &acks)) {
		save(e, x->card);
		bad_request(e, x,
			    "ProvideEimPackageResult has an unknown or malformed alternative");
		return;
	}
	save(e, x->card);
	reply_acks(e, x, &acks);
}

/* The EID in the subject of the certificate that a notification carries. */
static struct se_card *card_of_certificate(struct se_eim *e, struct tlv note)
{
	char digits[SE_EID_DIGITS + 1] = "";
	uint32_t tag;
	X509 *cert;

	tlv_skip(&note);
	tlv_skip(&note);
	if (tlv_peek(&note) != 0x30 || se_cert_parse(tlv_take_whole(&note, &tag), &cert) < 0)
		return NULL;
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_serialNumber, digits,
				  sizeof(digits));
	X509_free(cert);
	return se_card_find(e, digits);
}

/* By its certificate, the EID of a compact form, else the connection, else the only one. */
static struct se_card *card_of_note(struct se_eim *e, struct se_exchange *x, struct octets note)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, note), w;
	struct se_card *c = NULL;
	struct octets eid;

	if (tlv_peek(&top) == 0x30) {
		c = card_of_certificate(e, tlv_enter(&top, 0x30));
	} else if (tlv_peek(&top) == 0xA1) {
		w = tlv_enter(&top, 0xA1);
		eid = tlv_maybe(&w, 0x5A);
		c = eid.n == SE_EID_LEN ? se_card_find_bcd(e, eid.p) : NULL;
	}
	return c ? c : x->card ? x->card : only_card(e);
}

static void handle_notification(struct se_eim *e, struct se_exchange *x, struct tlv body)
{
	struct octets eid = { NULL, 0 }, one;
	uint32_t tag = tlv_peek(&body), inner;
	struct tlv w = tlv_enter(&body, tag);

	if (tag == 0xBF50)
		eid = tlv_maybe(&w, 0x5A);
	one = tlv_take_whole(&w, &inner);
	if (body.doc->fault || (tag != 0xA0 && tag != 0xA1 && tag != 0xBF50)) {
		bad_request(e, x, "HandleNotification is malformed");
		return;
	}
	x->status = 204;
	if (tag == 0xA0)
		x->card = card_of_note(e, x, one);
	else if (card_of_result(e, x, eid, one) != 0)
		x->card = NULL;
	if (!x->card) {
		se_remark(e, NULL, "< HandleNotification of nobody we know");
		return;
	}
	if (tag == 0xA0) {
		take_note(e, x->card, one, NULL);
	} else if (!take_alternative(e, x->card, one, NULL)) {
		bad_request(e, x, "HandleNotification has an unknown result in it");
	}
	save(e, x->card);
}

/* --- indirect download, 6.3.2.1 to 6.3.2.5 ---------------------------------------------------- */

struct rsp_function {
	uint32_t tag;
	const char *name;
	uint32_t error_tag, error;      /* the answer where nothing can be done */
};

static const struct rsp_function rsp_functions[] = {
	{ 0xBF39, "InitiateAuthentication", 0x81, 127 },
	{ 0xBF3B, "AuthenticateClient", 0x82, 10 },
	{ 0xBF3A, "GetBoundProfilePackage", 0x81, 95 },
	{ 0xBF41, "CancelSession", 0x81, 1 },
};

static int handle_rsp(struct se_eim *e, struct se_exchange *x, const struct rsp_function *f,
		      struct tlv body)
{
	struct se_card *c;

	if (f->tag == 0xBF39) {
		while (tlv_more(&body) && tlv_peek(&body) != 0x82)
			tlv_skip(&body);
		c = se_card_of_tx(e, tlv_maybe(&body, 0x82));
		if (c)
			x->card = c;
	}
	if (e->relay && e->relay->request(e->relay, x->card, f->tag, x) == 0) {
		se_log(e, x->card, "< %s, passed on", f->name);
		return SE_LATER;
	}
	if (x->response) {
		se_remark(e, x->card, "< %s refused", f->name);
		return 0;
	}
	se_log(e, x->card, "< %s: no SM-DP+ behind this eIM, error %u", f->name, f->error);
	reply_code(x, f->tag, f->error_tag, f->error);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

int se_esipa_handle(struct se_eim *e, struct se_exchange *x)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, x->request), body;
	uint32_t tag = tlv_peek(&top);

	x->on = SE_ON_ANY;
	body = tlv_enter(&top, tag);
	if (doc.fault || !tag) {
		bad_request(e, x, doc.fault ? tlv_fault_name(doc.fault) : "empty");
		return 0;
	}
	if (tlv_more(&top))
		se_remark(e, x->card, "octets behind the request");
	for (size_t i = 0; i < ARRAY_SIZE(rsp_functions); i++) {
		if (tag == rsp_functions[i].tag) {
			x->on = SE_ON_RSP;
			return handle_rsp(e, x, &rsp_functions[i], body);
		}
	}
	switch (tag) {
	case 0xBF4F:
		x->on = SE_ON_GET;
		handle_get(e, x, body);
		break;
	case 0xBF50:
		x->on = SE_ON_RESULT;
		handle_result(e, x, body);
		break;
	case 0xBF3D:
		x->on = SE_ON_NOTIFY;
		handle_notification(e, x, body);
		break;
	default:
		bad_request(e, x, "no function has this tag");
	}
	return 0;
}

void se_esipa_abandon(struct se_eim *e, struct se_exchange *x)
{
	if (e->relay)
		e->relay->abandon(e->relay, x);
}
