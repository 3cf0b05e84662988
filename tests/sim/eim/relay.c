#include "sim/eim/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/util.h"
#include "sim/eim/forward.h"
#include "sim/eim/post.h"
#include "sim/eim/session.h"
#include "sim/eim/store.h"

#define ANSWER_MS 60000u
#define HEADERS                                                             \
	"User-Agent: gsma-rsp-eim\r\nX-Admin-Protocol: gsma/rsp/v2.2.2\r\n" \
	"Content-Type: application/json\r\n"

/* ESipa's numbers that an eIM finds by itself, 6.3.2. */
enum {
	INVALID_ADDRESS = 1,
	ADDRESS_MISMATCH = 50,          /* InitiateAuthentication */
	OID_MISMATCH = 51,
	INVALID_TX = 52,
	PPR_NOT_ALLOWED = 50,           /* AuthenticateClient */
	METADATA_MISMATCH = 50,         /* GetBoundProfilePackage */
	UNDEFINED = 127,
};

/* One function under way. */
struct job {
	struct list_node node;
	struct relay *relay;
	struct se_post post;
	struct se_exchange *x;          /* NULL: its IPA is gone */
	uint32_t tag;
	const char *function;
	char address[128];
	/* BF39: the order; the others: their session */
	struct se_code code;
	struct se_forms forms;
	char eid[SE_EID_DIGITS + 1];
	unsigned package;
	uint8_t tid[SE_TID_MAX];
	size_t tid_n;
	uint32_t reason;                /* BF41 */
};

struct relay {
	struct se_relay face;
	struct se_eim *eim;
	struct se_routes routes;
	struct se_forwards forwards;
	struct list_node jobs;
	struct se_sessions sessions;
};

static void job_free(struct job *j)
{
	se_post_stop(&j->post);
	list_del(&j->node);
	free(j);
}

static struct se_package *package_of(struct se_card *c, unsigned id)
{
	struct se_package *p;

	if (!c || !id)
		return NULL;
	list_for_each(p, &c->packages, node) {
		if (p->id == id)
			return p->download ? p : NULL;
	}
	return NULL;
}

static void save(struct relay *r, struct se_card *c)
{
	if (c && se_store_save_card(r->eim, c) < 0)
		se_remark(r->eim, c, "cannot write the state");
}

/* --- answers: InitiateAuthentication ---------------------------------------------------------- */

/* ctxParams1 as this eIM makes it, of what the IPA told of the device. */
static void make_ctx(struct relay *r, struct se_card *c, const char *matching_id,
		     struct se_session *s)
{
	/* A device of nobody's, with no radio: where none is known. */
	static const uint8_t nobody[] = { 0x80, 0x04, 0x00, 0x00, 0x00, 0x00, 0xA1, 0x00 };
	uint8_t buf[SE_DEVICE_MAX + 192];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xA0);

	if (matching_id[0])
		tlv_put_text(&w, 0x80, matching_id);
	if (c && c->device_n) {
		tlv_put(&w, 0xA1, c->device, c->device_n);
	} else {
		se_remark(r->eim, c, "DeviceInfo is not known: queue data-request device first");
		tlv_put(&w, 0xA1, nobody, sizeof(nobody));
	}
	tlv_close(&w, m);
	if (!w.full)
		(void)se_package_set(&s->ctx, &s->ctx_n, octets_from(buf, w.len));
}

/* Another SM-DP+ than the activation code's OID says. */
static bool other_oid(const struct job *j, const struct se_session *s)
{
	uint8_t oid[SE_OID_MAX];
	size_t n;

	if (!j->code.oid[0])
		return false;
	return se_oid_from(j->code.oid, oid, sizeof(oid), &n) < 0 ||
	       !octets_same(octets_from(oid, n), octets_from(s->oid, s->oid_n));
}

/* The session begins: 0, or the error that ends it. */
static uint32_t begin_session(struct job *j, const struct se_rsp_reply *r, struct se_card *c,
			      struct se_rsp_answer *a)
{
	struct se_session *s = se_session_new(&j->relay->sessions, r->part[SE_RSP_TID]);
	struct se_package *p = package_of(c, j->package);

	if (!s)
		return UNDEFINED;
	snprintf(s->address, sizeof(s->address), "%s", j->address);
	snprintf(s->eid, sizeof(s->eid), "%s", j->eid);
	s->package = j->package;
	s->forms = j->forms;
	s->oid_n = se_rsp_oid(r->part[SE_RSP_CERTIFICATE], s->oid, sizeof(s->oid));
	(void)se_package_set(&s->signed1, &s->signed1_n, r->part[SE_RSP_SIGNED1]);
	if (other_oid(j, s)) {
		se_remark(j->relay->eim, c, "%s is not the SM-DP+ with the OID %s", j->address,
			  j->code.oid);
		return OID_MISMATCH;
	}
	if (s->forms.ctx == SE_CTX_PARAMS)
		make_ctx(j->relay, c, j->code.matching_id, s);
	if (p) {
		p->download->way = SE_WAY_INDIRECT;
		memcpy(p->download->tid, s->tid, s->tid_n);
		p->download->tid_n = s->tid_n;
		snprintf(p->download->address, sizeof(p->download->address), "%s", j->address);
		save(j->relay, c);
	}
	a->matching_id = j->code.matching_id;
	a->ctx = octets_from(s->ctx, s->ctx_n);
	return 0;
}

/* --- answers: AuthenticateClient -------------------------------------------------------------- */

static void note_profile(struct se_download *d, struct octets metadata)
{
	struct tlv_doc doc;
	struct tlv w = se_tlv_inside(&doc, metadata, 0xBF25);
	struct octets name = se_tlv_find(w, 0x92), provider = se_tlv_find(w, 0x91);

	se_iccid_text(se_tlv_find(w, 0x5A), d->iccid);
	text_escape(name.p, name.n, d->name, sizeof(d->name));
	text_escape(provider.p, provider.n, d->provider, sizeof(d->provider));
}

static uint32_t take_offer(struct job *j, const struct se_rsp_reply *r, struct se_session *s,
			   struct se_card *c, struct se_rsp_answer *a)
{
	struct se_package *p = package_of(c, s->package);
	struct octets metadata = r->part[SE_RSP_METADATA];

	if (r->ds) {
		if (p) {
			snprintf(p->download->event, sizeof(p->download->event), "%s", r->event);
			a->tx = octets_from(p->tx, p->tx_n);
			save(j->relay, c);
		}
		se_log(j->relay->eim, c, "  %s has %s", s->address,
		       r->event[0] ? r->event : "no event");
		return 0;
	}
	(void)se_package_set(&s->signed2, &s->signed2_n, r->part[SE_RSP_SIGNED2]);
	(void)se_package_set(&s->metadata, &s->metadata_n, metadata);
	if (p) {
		note_profile(p->download, metadata);
		save(j->relay, c);
	}
	/* The IPA relies on this eIM for the rules; a RAT it does not read. */
	if (!s->forms.metadata && c && !c->allow_ppr && se_rsp_has_ppr(metadata)) {
		se_remark(j->relay->eim, c, "the profile has policy rules, which are not allowed");
		return PPR_NOT_ALLOWED;
	}
	if (!se_rsp_wants_code(r->part[SE_RSP_SIGNED2]))
		return 0;
	if (!p || !p->download->confirmation[0]) {
		se_remark(j->relay->eim, c, "a confirmation code is wanted, and none is held here");
		return 0;
	}
	se_rsp_hash_cc(p->download->confirmation, octets_from(s->tid, s->tid_n), s->hash_cc);
	s->has_hash_cc = true;
	a->hash_cc = octets_from(s->hash_cc, sizeof(s->hash_cc));
	return 0;
}

/* --- answers: the others ---------------------------------------------------------------------- */

static const char *reason_name(uint32_t reason)
{
	static const char *const names[] = { "endUserRejection", "postponed", "timeout",
					     "pprNotAllowed", "metadataMismatch",
					     "loadBppExecutionError" };

	return reason < ARRAY_SIZE(names) ? names[reason] : "undefinedReason";
}

enum { CANCEL_POSTPONED = 1, CANCEL_TIMEOUT = 2 };

/* The IPA has cancelled: the order is over, unless it is to be tried later (SGP.22 3.0.2). */
static void take_cancel(struct job *j, struct se_session *s, struct se_card *c)
{
	struct se_package *p = package_of(c, s->package);
	char *ended;

	se_log(j->relay->eim, c, "  session at %s cancelled: %s(%u)", s->address,
	       reason_name(j->reason), j->reason);
	if (!p || p->results)
		return;
	ended = p->download->ended;
	snprintf(ended, sizeof(p->download->ended), "session cancelled, %s(%u)",
		 reason_name(j->reason), j->reason);
	if (j->reason != CANCEL_POSTPONED && j->reason != CANCEL_TIMEOUT) {
		p->error = true;
		snprintf(p->outcome, sizeof(p->outcome), "%s", ended);
		se_package_conclude(p, SE_FAILED);
	}
	save(j->relay, c);
}

/* What the answer means here; 0, or the error that takes its place. */
static uint32_t look_at(struct job *j, const struct se_rsp_reply *r, struct se_rsp_answer *a)
{
	struct se_session *s = se_session_find(&j->relay->sessions, octets_from(j->tid, j->tid_n));
	struct se_card *c = se_card_find(j->relay->eim, j->eid);

	a->forms = j->forms;
	if (r->code)
		return r->code;
	if (j->tag == 0xBF39)
		return begin_session(j, r, c, a);
	if (!s)
		return UNDEFINED;
	a->forms = s->forms;
	switch (j->tag) {
	case 0xBF3B:
		return take_offer(j, r, s, c, a);
	case 0xBF3A:
		if (s->forms.metadata || !s->metadata_n ||
		    se_rsp_same_metadata(r->part[SE_RSP_BPP],
					 octets_from(s->metadata, s->metadata_n)))
			return 0;
		se_remark(j->relay->eim, c, "the package has other metadata than were offered");
		return METADATA_MISMATCH;
	case 0xBF41:
		take_cancel(j, s, c);
		return 0;
	default:
		return 0;
	}
}

static void answer(struct job *j, int r, unsigned status, struct octets body)
{
	struct se_exchange *x = j->x;
	struct se_rsp_answer a = { .matching_id = "" };
	struct se_rsp_reply reply = { .code = UNDEFINED };
	uint8_t error[16];
	uint32_t code = UNDEFINED;

	free(x->response);
	x->response = NULL;
	if (r == 0 && status == 200) {
		se_rsp_read(j->tag, octets_text(body), &reply);
		code = look_at(j, &reply, &a);
	}
	if (!code && se_rsp_write(j->tag, &reply, &a, &x->response, &x->response_n) < 0)
		code = UNDEFINED;
	if (!code) {
		x->status = 200;
		se_log(j->relay->eim, x->card, "  %s at %s: %zu octets for the IPA", j->function,
		       j->address, x->response_n);
	} else {
		se_remark(j->relay->eim, x->card, "%s at %s: %s%s%s, error %u", j->function,
			  j->address, r < 0 ? strerror(-r) : status == 200 ? "refused" : "HTTP",
			  reply.status[0] ? " " : "", reply.status, code);
		(void)se_esipa_reply(x, octets_from(error, se_rsp_error(j->tag, code, error)));
	}
	se_rsp_reply_done(&reply);
	x->done(x);
}

static void on_done(struct se_post *p, int r, unsigned status, struct octets body)
{
	struct job *j = container_of(p, struct job, post);

	if (j->x)
		answer(j, r, status, body);
	job_free(j);
}

/* --- requests --------------------------------------------------------------------------------- */

static int refuse(struct se_exchange *x, uint32_t tag, uint32_t code)
{
	uint8_t error[16];

	(void)se_esipa_reply(x, octets_from(error, se_rsp_error(tag, code, error)));
	return -EINVAL;
}

/* Takes the job: 0, or -errno without it. */
static int start(struct job *j, struct octets message, const char *named, struct octets info1)
{
	struct relay *r = j->relay;
	const struct sockaddr_in *at = se_route_find(&r->routes, j->address);
	struct se_post_wish wish = { .ctx = r->routes.ctx, .headers = HEADERS,
				     .patience_ms = ANSWER_MS, .host = j->address };
	_cleanup_(freep) char *body = se_rsp_request(j->tag, message, named, info1, &j->function);
	char path[96];
	int err = !body ? -EBADMSG : !at ? -ENOENT : 0;

	if (err == 0) {
		snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", j->function);
		wish.path = path;
		wish.at = *at;
		wish.body = octets_from(body, strlen(body));
		err = se_post_start(&j->post, &wish);
	}
	if (err < 0)
		job_free(j);
	return err;
}

static struct job *job_new(struct relay *r, uint32_t tag, struct se_exchange *x,
			   const struct se_card *c)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->relay = r;
	j->x = x;
	j->tag = tag;
	j->post.done = on_done;
	j->post.fd = -1;
	if (c)
		snprintf(j->eid, sizeof(j->eid), "%s", c->eid);
	list_add(&r->jobs, &j->node);
	return j;
}

static bool is_download(const struct se_package *p)
{
	return p->kind == SE_KIND_DOWNLOAD;
}

static bool same_server(const char *one, const char *other)
{
	struct text a = se_route_host(one), b = se_route_host(other);

	return a.n == b.n && strncasecmp(a.s, b.s, a.n) == 0;
}

/* The server and the matchingId: of the event that an SM-DS led to, the code, or what the IPA says. */
static uint32_t find_server(struct job *j, const struct se_package *p, const char *asked)
{
	struct se_code event = { .address = "" };
	const char *ordered;

	if (p && p->download->event[0])
		(void)se_code_parse(p->download->event, &event);
	if (event.address[0] && (!asked[0] || same_server(event.address, asked)))
		j->code = event;
	else if (p && p->download->code[0])
		(void)se_code_parse(p->download->code, &j->code);
	else if (p && p->download->smds[0])
		snprintf(j->code.address, sizeof(j->code.address), "%s", p->download->smds);
	ordered = j->code.address;
	/* 50 smdpAddressMismatch: not the server that was ordered. */
	if (ordered[0] && asked[0] && !same_server(ordered, asked))
		return ADDRESS_MISMATCH;
	snprintf(j->address, sizeof(j->address), "%s", ordered[0] ? ordered : asked);
	return j->address[0] ? 0 : INVALID_ADDRESS;
}

static int initiate(struct relay *r, struct se_card *c, struct se_exchange *x)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, x->request, 0xBF39);
	struct octets tx = se_tlv_find(body, 0x82);
	struct se_package *p = NULL;
	char asked[128], named[128];
	struct octets info1 = { NULL, 0 };
	struct job *j;
	uint32_t code;

	if (text_copy(octets_text(se_tlv_find(body, 0x83)), asked, sizeof(asked)) < 0)
		return refuse(x, 0xBF39, INVALID_ADDRESS);
	if (c)
		p = tx.n ? se_package_by_tx(c, tx) : se_package_in_flight(c, is_download);
	if (tx.n && (!p || !p->download))
		return refuse(x, 0xBF39, INVALID_TX);
	j = job_new(r, 0xBF39, x, c);
	if (!j)
		return -ENOMEM;
	j->package = p && p->download ? p->id : 0;
	if (c) {
		j->forms = se_card_forms(c);
		info1 = octets_from(c->info1, c->info1_n);
	} else {
		(void)se_forms_parse("full", 0, &j->forms);
	}
	code = find_server(j, j->package ? p : NULL, asked);
	if (code) {
		job_free(j);
		return refuse(x, 0xBF39, code);
	}
	if (!se_tlv_find_whole(body, 0xBF20).n && !info1.n)
		se_remark(r->eim, c, "EUICCInfo1 is not known: queue data-request info1 first");
	/* The name without the port, as the IPA spells it. */
	(void)text_copy(se_route_host(asked[0] ? asked : j->address), named, sizeof(named));
	return start(j, x->request, named, info1);
}

/* The reason in a CancelSession that is whole: BF41 { 80, BF41 { A0 { 30 { 80, 81, 82 } … } } }. */
static uint32_t reason_of(struct octets message)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, message, 0xBF41), inner;
	uint32_t reason = 127;
	bool there;

	tlv_maybe(&body, 0x80);
	inner = tlv_enter(&body, 0xBF41);
	inner = tlv_enter_maybe(&inner, 0xA0, &there);
	inner = tlv_enter_maybe(&inner, 0x30, &there);
	if (octets_to_u32(se_tlv_find(inner, 0x82), &reason) < 0)
		return 127;
	return reason;
}

/* The message with the card's response whole: tag { 80, response }. */
static int make_whole(const struct se_session *s, struct se_card *c, uint32_t tag,
		      struct octets message, struct tlv_out *w, const char **ret_why)
{
	struct se_known k = se_session_known(s, c);
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, message, tag);
	struct tlv_mark m = tlv_begin(w, tag);
	uint32_t t;
	int r;

	*ret_why = "the message is malformed";
	tlv_put_octets(w, 0x80, tlv_take(&body, 0x80));
	if (tag == 0xBF3B)
		r = se_expand_authentication(&k, tlv_take_whole(&body, &t), w, ret_why);
	else if (tag == 0xBF3A)
		r = se_expand_preparation(&k, tlv_take_whole(&body, &t), w, ret_why);
	else
		r = se_expand_cancel(&k, tlv_take(&body, 0xA1), w, ret_why);
	tlv_close(w, m);
	return r < 0 || doc.fault || w->full ? -EBADMSG : 0;
}

static int go_on(struct relay *r, uint32_t tag, struct se_exchange *x)
{
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, x->request, tag);
	struct se_session *s = se_session_find(&r->sessions, tlv_maybe(&body, 0x80));
	_cleanup_(freep) uint8_t *whole = NULL;
	struct tlv_out w = { .cap = x->request.n + 4 * SE_CERT_MAX };
	const char *why;
	struct se_card *c;
	struct job *j;

	if (!s)
		return -ENOENT;
	c = s->eid[0] ? se_card_find(r->eim, s->eid) : x->card;
	if (c)
		x->card = c;
	whole = w.buf = malloc(w.cap);
	if (!whole)
		return -ENOMEM;
	if (make_whole(s, c, tag, x->request, &w, &why) < 0) {
		se_remark(r->eim, c, "%s", why);
		return refuse(x, tag, UNDEFINED);
	}
	j = job_new(r, tag, x, c);
	if (!j)
		return -ENOMEM;
	snprintf(j->address, sizeof(j->address), "%s", s->address);
	memcpy(j->tid, s->tid, s->tid_n);
	j->tid_n = s->tid_n;
	j->forms = s->forms;
	if (tag == 0xBF41)
		j->reason = reason_of(octets_from(w.buf, w.len));
	return start(j, octets_from(w.buf, w.len), "", octets_from(NULL, 0));
}

/* --- what the eIM calls ----------------------------------------------------------------------- */

static int on_request(struct se_relay *face, struct se_card *c, uint32_t tag, struct se_exchange *x)
{
	struct relay *r = container_of(face, struct relay, face);

	return tag == 0xBF39 ? initiate(r, c, x) : go_on(r, tag, x);
}

static void on_abandon(struct se_relay *face, struct se_exchange *x)
{
	struct relay *r = container_of(face, struct relay, face);
	struct job *j;

	list_for_each(j, &r->jobs, node) {
		if (j->x == x)
			j->x = NULL;
	}
}

static int on_expand(struct se_relay *face, struct se_card *c, struct octets note, struct tlv_out *w)
{
	struct relay *r = container_of(face, struct relay, face);
	struct se_session *s = se_session_find(&r->sessions, se_installation_tid(note));
	struct se_session nobody = { .tid_n = 0 };
	struct se_known k = se_session_known(s ? s : &nobody, c);
	const char *why = "";
	int e;

	if (note.n && note.p[0] == 0xA1)
		e = se_expand_notification(&k, note, w, &why);
	else
		e = se_expand_installation(&k, note, w, &why);
	if (e < 0)
		se_remark(r->eim, c, "a compact notification cannot be made whole: %s", why);
	return e;
}

/* Results of downloads that went through here go to their SM-DP+; other notifications to theirs. */
static void on_notify(struct se_relay *face, struct se_card *c, struct octets note)
{
	struct relay *r = container_of(face, struct relay, face);
	struct se_package *p = se_package_by_tid(c, se_installation_tid(note));
	struct se_session *s = se_session_find(&r->sessions, se_installation_tid(note));
	char address[128] = "";
	struct tlv_doc doc, meta_doc;
	struct octets meta;

	if (p && (p->download->told == SE_TOLD || p->download->told == SE_TOLD_PENDING))
		return;
	if (p) {
		snprintf(address, sizeof(address), "%s", p->download->address);
	} else if (s) {
		snprintf(address, sizeof(address), "%s", s->address);
	} else if (note.n && note.p[0] == 0x30) {
		meta = se_tlv_find(se_tlv_inside(&doc, note, 0x30), 0xBF2F);
		meta = se_tlv_find(tlv_open(&meta_doc, meta), 0x0C);
		(void)text_copy(octets_text(meta), address, sizeof(address));
	}
	if (address[0])
		se_forward(&r->forwards, c, p, address, note);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void relay_free(struct relay *r)
{
	struct job *j;

	while ((j = list_first(&r->jobs, struct job, node)))
		job_free(j);
	se_forwards_done(&r->forwards);
	se_sessions_done(&r->sessions);
	se_routes_done(&r->routes);
	free(r);
}

int se_relay_open(struct se_eim *e, const struct se_relay_wish *wish, char why[256])
{
	struct relay *r = calloc(1, sizeof(*r));
	char folder[PATH_MAX];
	int err = 0;

	if (!r)
		return -ENOMEM;
	r->face = (struct se_relay){ on_request, on_abandon, on_expand, on_notify };
	r->eim = e;
	list_init(&r->jobs);
	se_forwards_init(&r->forwards, e, &r->routes);
	for (size_t i = 0; err == 0 && i < wish->at_n; i++) {
		err = se_route_add(&r->routes, wish->at[i]);
		if (err < 0)
			snprintf(why, 256, "--smdp %.64s: expected [HOST=]ADDRESS:PORT",
				 wish->at[i]);
	}
	snprintf(folder, sizeof(folder), "%s/ci", e->dir);
	if (err == 0)
		err = se_route_trust(&r->routes, wish->ca, wish->ca_n, folder, why);
	if (err < 0) {
		relay_free(r);
		return err;
	}
	e->relay = &r->face;
	se_forward_pending(&r->forwards);
	return 0;
}

void se_relay_close(struct se_eim *e)
{
	struct relay *r;

	if (!e->relay)
		return;
	r = container_of(e->relay, struct relay, face);
	e->relay = NULL;
	relay_free(r);
}
