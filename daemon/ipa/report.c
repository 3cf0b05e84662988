/*
 * What waits on the card until somebody has it: results of eUICC Packages (GSMA SGP.32 3.3.1 steps
 * 10 to 17) and notifications (3.7). What was acknowledged is removed, but only if it was in the
 * message that was answered: an eIM may acknowledge any number.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "euicc/package.h"
#include "ipa/download.h"
#include "ipa/eims.h"

#define REPORT_MS 60000
#define HEAD_MAX 512            /* of a message around what it carries */

/* --- the message ------------------------------------------------------------------------------------- */

static int room_for(struct ipa_octets *o, size_t n)
{
	uint8_t *p = realloc(o->p, n);

	if (!p)
		return -ENOMEM;
	o->p = p;
	o->n = n;
	return 0;
}

/* The transaction id of a package that was not executed; missing: it has none, or none that is known. */
static struct octets transaction_of(const struct ipa_eim *e)
{
	struct octets whole = octets_from(e->visit.package.p, e->visit.package.n);
	struct package_request q;

	return package_request_decode(whole, &q) == 0 ? q.transaction_id : (struct octets){ 0 };
}

int ipa_report_encode(struct ipa_eim *e)
{
	struct ipa_visit *v = &e->visit;
	uint8_t eid[ES10_EID_OCTETS];
	struct esipa_frame f;
	struct tlv_out w;
	size_t n;
	int r = room_for(&v->message, v->result.n + v->notifications.n + HEAD_MAX);

	if (r < 0)
		return r;
	if (es10_eid_from_text(text_of(e->ipa->facts.eid), eid) < 0)
		return -EINVAL;
	w = (struct tlv_out){ .buf = v->message.p, .cap = v->message.n };
	f = esipa_result_begin(&w, e->version, ESIPA_PROVIDE, octets_from(eid, sizeof(eid)));
	if (v->result.n)
		esipa_package_result_put(&w, e->version, octets_from(v->result.p, v->result.n),
					 octets_from(v->notifications.p, v->notifications.n));
	else
		esipa_result_error_put(&w, e->version, transaction_of(e), v->error);
	esipa_result_end(&w, f);
	r = tlv_done(&w, &n);
	v->message.n = n;
	return r;
}

int ipa_report_send(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	return ipa_ask_eim_raw(ipa_of(p), e->link, octets_from(e->visit.message.p, e->visit.message.n),
			       REPORT_MS);
}

/* --- its answer ------------------------------------------------------------------------------------------ */

static bool was_sent(const struct ipa_visit *v, uint32_t seq)
{
	struct package_result r;

	if (v->result.n && package_result_decode(octets_from(v->result.p, v->result.n), &r) == 0 &&
	    r.end == PACKAGE_EXECUTED && r.seq == seq)
		return true;
	for (size_t k = 0; k < v->n_sent; k++)
		if (v->sent[k] == seq)
			return true;
	return false;
}

static void keep_acked(struct ipa_eim *e, struct octets seqs)
{
	struct ipa_visit *v = &e->visit;
	uint32_t seq;

	v->n_acked = 0;
	while (esipa_seq_next(&seqs, &seq)) {
		if (!was_sent(v, seq))
			log_warning("ipa", "%s acknowledges number %u, which it was not sent; ignoring",
				    e->id, seq);
		else if (v->n_acked < ARRAY_SIZE(v->acked))
			v->acked[v->n_acked++] = seq;
	}
}

/* Whether or not it can be removed from the card: it is not sent at every visit. */
static void note_accepted(struct ipa_eim *e)
{
	struct octets whole = octets_from(e->visit.result.p, e->visit.result.n);
	struct package_result r;

	if (package_result_decode(whole, &r) < 0 || r.end != PACKAGE_EXECUTED)
		return;
	e->accepted[e->n_accepted++ % ARRAY_SIZE(e->accepted)] = r.seq;
}

enum step_verdict ipa_report_judge(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct esipa_provided answer;

	if (p->answer.kind != CAUSE_NONE)
		return STEP_FAIL;
	if (esipa_provide_decode(i->answer, &answer) < 0) {
		ipa_explain(i, "the answer of %s cannot be read", e->id);
		return STEP_FAIL;
	}
	e->visit.reached = true;
	if (answer.error) {
		ipa_explain(i, "%s does not take the result: %s", e->id,
			    esipa_error_name(ESIPA_CODES_GET_PACKAGE, answer.error));
		return STEP_FAIL;
	}
	e->visit.delivered = true;
	keep_acked(e, answer.seqs);
	note_accepted(e);
	return STEP_NEXT;
}

/* --- removing ---------------------------------------------------------------------------------------------- */

int ipa_remove_acked(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;
	struct tlv_out w = ipa_writer(i);

	if (p->piece >= v->n_acked)
		return STEP_SKIP;
	es10b_remove_notification_encode(&w, v->acked[p->piece]);
	return ipa_ask_card(i, ES10B_REMOVE_NOTIFICATION, &w);
}

/* What cannot be removed now is delivered once more, which an eIM must bear. */
enum step_verdict ipa_removed(struct proc *p)
{
	int code = -1;

	eim_of(p)->visit.touched = true;
	if (p->answer.kind == CAUSE_NONE)
		es10_result_decode(ES10B_REMOVE_NOTIFICATION, ipa_of(p)->answer, &code);
	if (code == ES10_OK || code == ES10_NOTHING_TO_DELETE)
		return STEP_AGAIN;
	if (p->attempt < IPA_REMOVE_TRIES)
		return STEP_RETRY;
	log_warning("ipa", "the card does not remove number %u, ignoring",
		    eim_of(p)->visit.acked[p->piece]);
	return STEP_AGAIN;
}

/* --- results that wait ----------------------------------------------------------------------------------------- */

static int ask_results(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct tlv_out w = ipa_writer(i);

	es10b_retrieve_package_results_encode(&w);
	return ipa_ask_card(i, ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

static bool was_accepted(const struct ipa_eim *e, uint32_t seq)
{
	for (size_t k = 0; k < MIN(e->n_accepted, ARRAY_SIZE(e->accepted)); k++)
		if (e->accepted[k] == seq)
			return true;
	return false;
}

/* The oldest one of this eIM that it has not taken yet. */
static enum step_verdict pick_result(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa_eim *e = eim_of(p);
	size_t n, best = SIZE_MAX;
	int error;

	ipa_octets_clear(&e->visit.result);
	ipa_octets_clear(&e->visit.notifications);
	e->visit.n_sent = e->visit.n_acked = 0;
	e->visit.delivered = false;
	/* A card that does not know the question has none. */
	if (p->answer.kind != CAUSE_NONE ||
	    es10b_pending_decode(ipa_of(p)->answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		n = 0;
	for (size_t k = 0; k < n; k++) {
		struct package_result r;

		if (pending[k].kind == ES10B_PENDING_PACKAGE &&
		    package_result_decode(pending[k].whole, &r) == 0 &&
		    octets_same(r.eim_id, octets_from(e->id, e->id_n)) && !was_accepted(e, r.seq) &&
		    (best == SIZE_MAX || pending[k].meta.seq < pending[best].meta.seq))
			best = k;
	}
	if (best == SIZE_MAX) {
		e->look_at_results = false;
		return STEP_FINISH;
	}
	if (ipa_octets_set(&e->visit.result, pending[best].whole) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_NEXT;
}

static int send_result(struct proc *p)
{
	int r = ipa_report_encode(eim_of(p));

	return r < 0 ? r : ipa_report_send(p);
}

static enum step_verdict judge_result(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (ipa_report_judge(p) == STEP_NEXT)
		return STEP_NEXT;
	if (!e->visit.reached)
		return ipa_eim_failed(p);
	/* One that it refuses for ever must not be in the way of what it has for us. */
	note_accepted(e);
	return STEP_NEXT;
}

static int record_result(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	ipa_record_add(e, "result that waited on the card",
		       e->visit.delivered ? "reported" : "not taken", e->started_ms);
	return STEP_SKIP;
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

/* One result; as long as there are more, visit.c comes back here. */
const struct step ipa_results_steps[] = {
	{ "stored-results", ask_results,      pick_result,  0 },
	{ "report-stored",  send_result,      judge_result, 0 },
	{ "remove-stored",  ipa_remove_acked, ipa_removed,  0, IPA_REMOVE_TRIES, IPA_REMOVE_PAUSE_MS },
	{ "record",         record_result,    go_on,        0 },
	{ 0 }
};

/* --- notifications ------------------------------------------------------------------------------------------------ */

/* Where the one with this number stands in the list of what came from the card. */
static struct octets pending_at(const struct ipa_visit *v, unsigned piece)
{
	struct octets list = octets_from(v->notifications.p, v->notifications.n);
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, list);
	uint32_t tag;

	for (unsigned k = 0; k < piece && tlv_more(&w); k++)
		tlv_skip(&w);
	return tlv_more(&w) ? tlv_take_whole(&w, &tag) : (struct octets){ 0 };
}

static int ask_pending(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct tlv_out w = ipa_writer(i);

	/* As far as is known there are none, and nothing was done: the card is left in peace. */
	if (!eim_of(p)->visit.touched && euicc_facts_have(&i->facts, FACT_NOTIFICATIONS) &&
	    !i->facts.n_notifications)
		return STEP_SKIP;
	es10b_retrieve_all_encode(&w);
	return ipa_ask_card(i, ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

static enum step_verdict keep_pending(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;
	size_t n, at = 0;
	int error;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	if (es10b_pending_decode(i->answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return ipa_garbled(p, "RetrieveNotificationsList");
	if (ipa_octets_set(&v->notifications, i->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	v->n_sent = v->n_acked = 0;
	for (size_t k = 0; k < n; k++) {
		if ((pending[k].kind != ES10B_PENDING_INSTALL && pending[k].kind != ES10B_PENDING_OTHER) ||
		    ipa_download_owns(i, &pending[k]))
			continue;
		memcpy(v->notifications.p + at, pending[k].whole.p, pending[k].whole.n);
		at += pending[k].whole.n;
		v->sent[v->n_sent++] = pending[k].meta.seq;
	}
	v->notifications.n = at;
	return STEP_NEXT;
}

static int deliver(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	struct ipa_visit *v = &e->visit;
	struct octets one = p->piece < v->n_sent ? pending_at(v, p->piece) : (struct octets){ 0 };
	struct tlv_out w;
	size_t n;
	int r;

	if (!one.n)
		return STEP_SKIP;
	r = room_for(&v->message, one.n + HEAD_MAX);
	if (r < 0)
		return r;
	w = (struct tlv_out){ .buf = v->message.p, .cap = v->message.n };
	esipa_notification_encode(&w, one);
	r = tlv_done(&w, &n);
	return r < 0 ? r : ipa_ask_eim_raw(ipa_of(p), e->link, octets_from(v->message.p, n), REPORT_MS);
}

/* One that the eIM refuses stays and does not keep the others; without a way to it all stay. */
static enum step_verdict delivered(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;

	if (p->answer.kind == CAUSE_NONE)
		v->acked[v->n_acked++] = v->sent[p->piece];
	else if (i->eim_why.kind != CAUSE_REFUSED)
		return v->n_acked ? STEP_NEXT : ipa_eim_failed(p);
	return STEP_AGAIN;
}

static int record_notifications(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	char outcome[64];

	if (!e->visit.n_acked)
		return STEP_SKIP;
	snprintf(outcome, sizeof(outcome), "%zu of %zu delivered", e->visit.n_acked, e->visit.n_sent);
	ipa_record_add(e, "notifications", outcome, e->started_ms);
	return STEP_SKIP;
}

const struct step ipa_notify_steps[] = {
	{ "notifications", ask_pending,          keep_pending, 0 },
	{ "deliver",       deliver,              delivered,    0 },
	{ "remove",        ipa_remove_acked,     ipa_removed,  0, IPA_REMOVE_TRIES,
	  IPA_REMOVE_PAUSE_MS },
	{ "record",        record_notifications, go_on,        0 },
	{ 0 }
};
