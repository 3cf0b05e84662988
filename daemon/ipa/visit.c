/*
 * A visit at an eIM (GSMA SGP.32 3.1.1.1): a chain of phases, each a table of steps. Which one
 * follows is decided here, by what the one before has left.
 */
#include "ipa/eims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "ipa/download.h"
#include "ipa/notes.h"

#define ASK_MS 60000

static const char *const phase_names[_IPA_PHASE_MAX] = {
	[IPA_PHASE_NONE] = "none", [IPA_PHASE_RECOVER] = "recover", [IPA_PHASE_RESULTS] = "results",
	[IPA_PHASE_ASK] = "ask", [IPA_PHASE_PACKAGE] = "package", [IPA_PHASE_DATA] = "data",
	[IPA_PHASE_CUT_DOWNLOAD] = "recover-download", [IPA_PHASE_DOWNLOAD] = "download",
	[IPA_PHASE_REFUSE] = "refuse",
	[IPA_PHASE_NOTIFY] = "notify",
};

const char *ipa_phase_name(enum ipa_phase phase)
{
	return phase_names[phase];
}

int ipa_octets_set(struct ipa_octets *o, struct octets from)
{
	uint8_t *p = malloc(from.n ? from.n : 1);

	if (!p)
		return -ENOMEM;
	memcpy(p, from.n ? from.p : p, from.n);
	free(o->p);
	*o = (struct ipa_octets){ p, from.n };
	return 0;
}

void ipa_octets_clear(struct ipa_octets *o)
{
	free(o->p);
	*o = (struct ipa_octets){ 0 };
}

static void clear_package(struct ipa_visit *v)
{
	ipa_octets_clear(&v->package);
	ipa_octets_clear(&v->result);
	ipa_octets_clear(&v->notifications);
	ipa_octets_clear(&v->message);
	for (size_t k = 0; k < IPA_FETCHES_MAX; k++)
		ipa_octets_clear(&v->fetched[k]);
	v->n_sent = v->n_acked = 0;
	v->resuming = v->delivered = v->reached = v->rolled_back = v->knows = false;
	v->target[0] = '\0';
	v->error = 0;
	v->follow_why = (struct cause){ 0 };
}

/* --- history -------------------------------------------------------------------------------------------- */

static void add_record(struct ipa *i, const struct ipa_eim *e, const char *text, const char *outcome,
		       uint64_t started_ms)
{
	struct ipa_record *r = &i->eims->history[i->eims->n_history++ % IPA_HISTORY];

	*r = (struct ipa_record){ .at_ms = ev_now_ms(), .took_ms = (unsigned)(ev_now_ms() - started_ms) };
	if (e) {
		r->phase = e->visit.phase;
		snprintf(r->eim, sizeof(r->eim), "%.39s", e->id);
	}
	snprintf(r->text, sizeof(r->text), "%s", text);
	snprintf(r->outcome, sizeof(r->outcome), "%s", outcome);
	log_info("ipa", "%s%s%s: %s", r->eim, e ? ": " : "", r->text, r->outcome);
	i->changed(i, IPA_CHANGED_ACTIVITY);
}

void ipa_record_add(struct ipa_eim *e, const char *text, const char *outcome, uint64_t started_ms)
{
	add_record(e->ipa, e, text, outcome, started_ms);
}

void ipa_record_local(struct ipa *i, const char *text, const char *outcome, uint64_t started_ms)
{
	add_record(i, NULL, text, outcome, started_ms);
}

/* --- asking for a package ----------------------------------------------------------------------------------- */

static int ask_package(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct tlv_out w = ipa_writer(i);
	uint8_t eid[ES10_EID_OCTETS];
	struct esipa_get_package q = { .change = e->change, .plmn = i->plmn };

	if (es10_eid_from_text(text_of(i->facts.eid), eid) < 0)
		return -EINVAL;
	q.eid = octets_from(eid, sizeof(eid));
	q.notify_change = e->change != ESIPA_CHANGE_NONE;
	esipa_get_package_encode(&w, e->version, &q);
	return ipa_ask_eim(i, e->link, &w, ASK_MS);
}

/* What there is to do, by what came. */
static enum ipa_phase phase_for(const struct esipa_package *package)
{
	switch (package->kind) {
	case ESIPA_EUICC_PACKAGE:
		return IPA_PHASE_PACKAGE;
	case ESIPA_DATA_REQUEST:
		return IPA_PHASE_DATA;
	case ESIPA_DOWNLOAD_TRIGGER:
		return IPA_PHASE_DOWNLOAD;
	case ESIPA_ACKNOWLEDGEMENTS:
	case ESIPA_UNKNOWN_PACKAGE:
		return IPA_PHASE_REFUSE;
	case ESIPA_NOTHING:
	case _ESIPA_PACKAGE_KIND_MAX:
		break;
	}
	return IPA_PHASE_NOTIFY;
}

/* One that nobody can follow is refused at once; while another one is not settled, it has to wait. */
static enum step_verdict take_trigger(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	int r = ipa_download_begin(e);

	if (r == -EBADMSG) {
		e->visit.phase = IPA_PHASE_REFUSE;
		e->visit.error = ESIPA_RESULT_INVALID_FORMAT;
		return STEP_NEXT;
	}
	return r == 0 ? STEP_NEXT :
			ipa_refused(p, "us", -r, r == -EBUSY ? "another download is under way or not reported "
								"yet: this one must wait" : strerror(-r));
}

static enum step_verdict judge_package(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct esipa_package package;
	char words[80];

	if (p->answer.kind != CAUSE_NONE)
		return ipa_eim_failed(p);
	clear_package(&e->visit);
	if (esipa_get_package_decode(i->answer, &package) < 0) {
		/* It is told that nobody can read this, or it would send it again and again. */
		e->visit.phase = IPA_PHASE_REFUSE;
		e->visit.error = ESIPA_RESULT_INVALID_FORMAT;
		return STEP_NEXT;
	}
	e->change = ESIPA_CHANGE_NONE;
	e->visit.phase = phase_for(&package);
	e->visit.error = ESIPA_RESULT_UNKNOWN_PACKAGE;
	if (package.kind == ESIPA_NOTHING && package.error != ESIPA_NO_PACKAGE_AVAILABLE) {
		snprintf(words, sizeof(words), "the eIM has nothing for this card: %s",
			 esipa_error_name(ESIPA_CODES_GET_PACKAGE, package.error));
		return ipa_refused(p, "eim", package.error, words);
	}
	if (package.kind != ESIPA_NOTHING && ipa_octets_set(&e->visit.package, package.whole) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return package.kind == ESIPA_DOWNLOAD_TRIGGER ? take_trigger(p) : STEP_NEXT;
}

const struct step ipa_ask_steps[] = {
	{ "get-package", ask_package, judge_package, 0 },
	{ 0 }
};

/* --- the chain ------------------------------------------------------------------------------------------------- */

static const struct step *steps_of(enum ipa_phase phase)
{
	switch (phase) {
	case IPA_PHASE_RECOVER:
	case IPA_PHASE_PACKAGE:
		return ipa_package_steps;
	case IPA_PHASE_RESULTS:
		return ipa_results_steps;
	case IPA_PHASE_ASK:
		return ipa_ask_steps;
	case IPA_PHASE_DATA:
		return ipa_data_steps;
	case IPA_PHASE_CUT_DOWNLOAD:
	case IPA_PHASE_DOWNLOAD:
		return ipa_download_steps;
	case IPA_PHASE_REFUSE:
		return ipa_refuse_steps;
	case IPA_PHASE_NOTIFY:
		return ipa_notify_steps;
	case IPA_PHASE_NONE:
	case _IPA_PHASE_MAX:
		break;
	}
	return NULL;
}

static void run_phase(struct ipa_eim *e)
{
	e->work.steps = steps_of(e->visit.phase);
	ipa_submit_first(e->ipa, &e->work);
}

static void end_visit(struct ipa_eim *e, const struct cause *why)
{
	struct ipa *i = e->ipa;
	bool touched = e->visit.touched;

	e->why = why ? *why : (struct cause){ 0 };
	snprintf(e->text, sizeof(e->text), "%s", why ? ipa_error_text(i) : "");
	e->visited_ms = ev_now_ms();
	e->visits++;
	e->failures += why != NULL;
	e->visit.phase = IPA_PHASE_NONE;
	ipa_visit_stop(e);
	if (e->link)
		eim_close(e->link);
	e->due = false;
	ipa_schedule_done(&e->schedule, !why);
	/* The card was reset under it; more than twice in a row is not by accident. */
	if (why && why->kind == CAUSE_LINK_LOST && e->schedule.failures <= 2)
		ipa_schedule_trigger(&e->schedule);
	ipa_eims_visited(i);
	/* Profiles, eIMs and notifications may all be others now. */
	if (touched)
		ipa_read_again(i, 1u << FACT_PROFILES | 1u << FACT_EIMS | 1u << FACT_NOTIFICATIONS |
				  1u << FACT_ADDRESSES);
	if (!e->used) {
		eim_free(e->link);
		e->link = NULL;
	}
}

/* True: another phase follows. */
static bool next_phase(struct ipa_eim *e)
{
	struct ipa_visit *v = &e->visit;

	switch (v->phase) {
	case IPA_PHASE_CUT_DOWNLOAD:
		ipa_download_drop(e->ipa, e);
		v->phase = e->look_at_results ? IPA_PHASE_RESULTS : IPA_PHASE_ASK;
		return true;
	case IPA_PHASE_RECOVER:
		v->phase = IPA_PHASE_RESULTS;
		return true;
	case IPA_PHASE_RESULTS:
		/* One result a round. */
		v->phase = e->look_at_results ? IPA_PHASE_RESULTS : IPA_PHASE_ASK;
		return true;
	case IPA_PHASE_DOWNLOAD:
		if (ipa_download_goes_on(e->ipa))
			return true;
		ipa_download_drop(e->ipa, e);
		v->phase = v->packages < IPA_PACKAGES_MAX ? IPA_PHASE_ASK : IPA_PHASE_NOTIFY;
		return true;
	case IPA_PHASE_PACKAGE:
	case IPA_PHASE_DATA:
	case IPA_PHASE_REFUSE:
		/* One that cannot be processed would come again and again. */
		v->phase = !v->refused && v->packages < IPA_PACKAGES_MAX ? IPA_PHASE_ASK :
									   IPA_PHASE_NOTIFY;
		return true;
	case IPA_PHASE_ASK:
		return false;   /* unless judge_package() has set another one */
	case IPA_PHASE_NOTIFY:
	case IPA_PHASE_NONE:
	case _IPA_PHASE_MAX:
		break;
	}
	return false;
}

static void on_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa_eim *e = container_of(w, struct ipa_eim, work);
	bool asked = w->steps == ipa_ask_steps;

	/* judge_package() has set the phase that follows. */
	if (asked && !why) {
		e->visit.packages += e->visit.phase != IPA_PHASE_NOTIFY;
		e->packages += e->visit.phase != IPA_PHASE_NOTIFY;
		run_phase(e);
		return;
	}
	if (why || !next_phase(e)) {
		end_visit(e, why);
		return;
	}
	run_phase(e);
}

void ipa_visit_start(struct ipa_eim *e, enum ipa_phase phase)
{
	char why[IPA_TEXT_MAX] = "";

	if (!e->link)
		e->link = e->ipa->dial(e->ipa, e, why);
	e->work.name = "visit";
	e->work.whose = e->id;
	e->work.ended = on_ended;
	e->started_ms = ev_now_ms();
	ipa_visit_stop(e);
	e->visit.phase = phase;
	if (!e->link) {
		log_warning("ipa", "eIM %s: %s", e->id, why);
		e->why = (struct cause){ CAUSE_REFUSED, "config", -1, NULL };
		snprintf(e->text, sizeof(e->text), "%s", why);
		e->visited_ms = ev_now_ms();
		e->failures++;
		ipa_schedule_done(&e->schedule, false);
		return;
	}
	e->visit.resuming = phase == IPA_PHASE_RECOVER;
	if (phase == IPA_PHASE_CUT_DOWNLOAD && ipa_download_resume(e->ipa, e) < 0)
		e->visit.phase = IPA_PHASE_ASK;
	e->work.steps = steps_of(e->visit.phase);
	if (phase == IPA_PHASE_RECOVER)
		ipa_submit_first(e->ipa, &e->work);
	else
		ipa_submit(e->ipa, &e->work);
}

void ipa_visit_stop(struct ipa_eim *e)
{
	ipa_withdraw(&e->work);
	ipa_download_drop(e->ipa, e);
	clear_package(&e->visit);
	e->visit = (struct ipa_visit){ 0 };
}
