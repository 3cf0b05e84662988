/*
 * eUICC Package download and execution (GSMA SGP.32 3.3.1) and rollback (3.3.2), seen from the IPA;
 * also their continuation after a crash or power cut.
 *
 *   load-package    journalled before it begins
 *   find-result     where the card gave no answer, and after a crash: it keeps the result until
 *                   that is removed. A card that does not tell is reset, and asked again. No result
 *                   means that it was not executed: it is loaded once more, unless after a crash,
 *                   where the eIM will offer it again
 *   follow          another profile is enabled: the module must use it. Journalled
 *   notifications   those of the switch; only now, because cards that switched refuse ES10b until
 *                   they were reset. Without them the result is reported all the same
 *   network, report over the new profile, again and again until the deadline
 *   rollback        where that did not succeed and the package allows it. Journalled. Its result
 *                   replaces the package's
 *   remove          what the eIM has acknowledged of what was sent, nothing else
 *
 * A power cut anywhere in between ends in the same place: the journal says that it was under way,
 * the card which result and which profile there is, and the deadline starts anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "euicc/package.h"
#include "ipa/download.h"
#include "ipa/eims.h"

#define REPORT_PAUSE_MS 5000
#define REPORT_TRIES 3          /* without a profile to roll back from */
#define BACK_MS 300000          /* for the old profile to get its network back */
#define BUSY_TRIES 8
#define BUSY_PAUSE_MS 3000
#define ONGOING_TRIES 2         /* a card that waits for its reset says so for ever */
#define FOREVER 100000

/* --- what is noted -------------------------------------------------------------------------------------- */

static void enabled_iccid(const struct ipa *i, char ret[ES10_ICCID_TEXT_MAX])
{
	const struct es10c_profile *p = euicc_facts_enabled(&i->facts);

	if (!p || es10_iccid_text(p->iccid, ret) < 0)
		ret[0] = '\0';
}

static int note(struct ipa *i, const char *step)
{
	int r = ipa_journal_note(&i->journal, step);

	if (r < 0)
		ipa_explain(i, "the journal cannot be written: %s", strerror(-r));
	return r;
}

/* The profile that is enabled when all operations have succeeded. */
static void expect_target(const struct package_request *q, struct ipa_journal *j)
{
	struct package_command command;
	struct octets ops = q->ops;
	char iccid[ES10_ICCID_TEXT_MAX];

	strcpy(j->iccid_target, j->iccid_before);
	while (package_request_next(q, &ops, &command)) {
		if (command.op == PACKAGE_ENABLE && es10_iccid_text(command.iccid, iccid) == 0)
			strcpy(j->iccid_target, iccid);
		else if (command.op == PACKAGE_DISABLE)
			j->iccid_target[0] = '\0';
	}
}

static int open_journal(struct ipa_eim *e, const struct package_request *q)
{
	struct ipa *i = e->ipa;
	struct ipa_journal *j = &i->journal;

	hex_encode(e->id, e->id_n, j->eim, sizeof(j->eim));
	j->transaction[0] = '\0';
	if (q->transaction_id.n && 2 * q->transaction_id.n < sizeof(j->transaction))
		hex_encode(q->transaction_id.p, q->transaction_id.n, j->transaction,
			   sizeof(j->transaction));
	enabled_iccid(i, j->iccid_before);
	expect_target(q, j);
	j->rollback = q->rollback;
	j->switched = false;
	j->result_seq = 0;
	return note(i, "load-package");
}

/* --- results: the card's answer, or what it keeps ------------------------------------------------------------ */

static bool is_ours(struct ipa_eim *e, const struct package_result *r)
{
	char transaction[IPA_HEX_ID_MAX] = "";

	if (2 * r->transaction_id.n >= sizeof(transaction))
		return false;
	if (r->transaction_id.n)
		hex_encode(r->transaction_id.p, r->transaction_id.n, transaction, sizeof(transaction));
	return octets_same(r->eim_id, octets_from(e->id, e->id_n)) &&
	       !strcmp(transaction, e->ipa->journal.transaction);
}

/* The newest one of this package; false: the card has none. */
static bool take_stored(struct ipa_eim *e, struct octets answer)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	uint32_t best = 0;
	size_t n;
	int error;

	if (es10b_pending_decode(answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return false;
	for (size_t k = 0; k < n; k++) {
		struct package_result r;

		if (pending[k].kind != ES10B_PENDING_PACKAGE ||
		    package_result_decode(pending[k].whole, &r) < 0 || !is_ours(e, &r) || r.seq < best)
			continue;
		best = r.seq;
		if (ipa_octets_set(&e->visit.result, pending[k].whole) < 0)
			return false;
	}
	return best > 0;
}

static int ask_stored(struct ipa *i)
{
	struct tlv_out w = ipa_writer(i);

	es10b_retrieve_package_results_encode(&w);
	return ipa_ask_card(i, ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

static bool has_result(const struct ipa_eim *e, struct package_result *ret)
{
	const struct ipa_octets *r = &e->visit.result;

	return r->n && package_result_decode(octets_from(r->p, r->n), ret) == 0;
}

/* --- after a crash: which profile is enabled --------------------------------------------------------------------------------------------- */

static bool is_step(const struct ipa *i, const char *step)
{
	return !strcmp(i->journal.step, step);
}

static int resume_profiles(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct tlv_out w = ipa_writer(i);
	struct package_result r;

	if (!eim_of(p)->visit.resuming || !has_result(eim_of(p), &r) || !r.switched)
		return STEP_SKIP;
	es10c_get_profiles_encode(&w, (struct es10c_id){ 0 }, es10c_tags_state);
	return ipa_ask_card(i, ES10C_GET_PROFILES, &w);
}

/* What is enabled now tells whether it was switched, and whether back already. */
static enum step_verdict judge_profiles(struct proc *p)
{
	struct es10c_profile profiles[FACTS_PROFILES_MAX];
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;
	int error;
	size_t n;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	if (es10c_profiles_decode(i->answer, profiles, ARRAY_SIZE(profiles), &n, &error) < 0)
		return ipa_garbled(p, "GetProfilesInfo");
	if (error && error != ES10C_PROFILES_CHANGE_ONGOING)
		return ipa_refused(p, "card", error, es10_result_name(ES10C_GET_PROFILES, error));
	if (error && p->attempt < ONGOING_TRIES)
		return STEP_RETRY;
	v->target[0] = '\0';
	for (size_t k = 0; k < n; k++)
		if (profiles[k].state == ES10C_ENABLED)
			es10_iccid_text(profiles[k].iccid, v->target);
	/* The card may wait for its reset before it does what it has said. */
	if (is_step(i, "load-package") || is_step(i, "follow"))
		strcpy(v->target, i->journal.iccid_target);
	else if (error)
		strcpy(v->target, i->journal.iccid_before);
	i->journal.switched = strcmp(v->target, i->journal.iccid_before) != 0;
	return STEP_NEXT;
}

/* --- load-package ------------------------------------------------------------------------------------------------ */

static int load_package(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct octets whole = octets_from(e->visit.package.p, e->visit.package.n);
	struct package_request q;
	int r;

	if (e->visit.resuming)
		return STEP_SKIP;
	if (package_request_decode(whole, &q) < 0) {
		e->visit.error = ESIPA_RESULT_INVALID_FORMAT;
		return STEP_SKIP;
	}
	r = open_journal(e, &q);
	if (r < 0)
		return r;
	e->visit.touched = true;
	e->visit.error = ESIPA_RESULT_UNDEFINED;
	return ipa_ask_card_raw(i, ES10B_LOAD_PACKAGE, whole);
}

/* Only a lost link ends it here: what the card has done then, it is asked when it is back. */
static enum step_verdict judge_loaded(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct package_result r;

	if (p->answer.kind == CAUSE_NONE && package_result_decode(i->answer, &r) == 0 &&
	    ipa_octets_set(&e->visit.result, i->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_NEXT;
}

static bool wants_no_result(const struct ipa_eim *e)
{
	return e->visit.result.n || e->visit.error == ESIPA_RESULT_INVALID_FORMAT;
}

static int find_result(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (wants_no_result(e))
		return STEP_SKIP;
	e->visit.knows = false;
	return ask_stored(ipa_of(p));
}

static enum step_verdict judge_found(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	e->visit.knows = p->answer.kind == CAUSE_NONE;
	if (e->visit.knows)
		take_stored(e, ipa_of(p)->answer);
	return STEP_NEXT;
}

/*
 * A card that has executed the package may refuse to talk until it was reset, which making the
 * module follow does: to the profile that is enabled if all went well.
 */
static int reset_card(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (wants_no_result(e) || e->visit.knows)
		return STEP_SKIP;
	return ipa_ask_module(ipa_of(p), e->ipa->journal.iccid_target);
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

static int find_after_reset(struct proc *p)
{
	return eim_of(p)->visit.knows ? STEP_SKIP : find_result(p);
}

/* After a crash no result means: not executed, or reported and removed. Nothing is owed to anybody. */
static int end_resumed(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (!e->visit.resuming || !e->visit.knows || e->visit.result.n)
		return STEP_SKIP;
	log_info("ipa", "the card has no result of it: it was not executed, or has been reported");
	ipa_journal_close(&e->ipa->journal);
	proc_answer(p, NULL);
	return 0;
}

static enum step_verdict stop_here(struct proc *p)
{
	(void)p;
	return STEP_FINISH;
}

/*
 * The card has no result: it has not executed the package. Once more is safe, for the counter in
 * the package lets it be executed only once.
 */
static int load_again(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (wants_no_result(e) || !e->visit.knows)
		return STEP_SKIP;
	return ipa_ask_card_raw(ipa_of(p), ES10B_LOAD_PACKAGE,
				octets_from(e->visit.package.p, e->visit.package.n));
}

/* Nobody is told anything as long as it is not known; the journal brings us back here. */
static int give_up(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (wants_no_result(e) || e->visit.knows)
		return STEP_SKIP;
	ipa_explain(ipa_of(p), "the card does not tell what became of the package");
	proc_fail(p, CAUSE_REFUSED, "card", -1);
	return -EIO;
}

/* --- follow --------------------------------------------------------------------------------------------------------- */

/* Which profile is enabled when all that succeeded has been done. */
static void find_target(struct ipa_eim *e, const struct package_result *r)
{
	struct octets whole = octets_from(e->visit.package.p, e->visit.package.n);
	struct octets results = r->results, ops;
	struct package_request q;
	struct package_outcome outcome;
	struct package_command command;
	char *target = e->visit.target;

	strcpy(target, e->ipa->journal.iccid_before);
	if (package_request_decode(whole, &q) < 0)
		return;
	ops = q.ops;
	while (package_request_next(&q, &ops, &command) && package_result_next(&results, &outcome)) {
		if (outcome.code != ES10_OK)
			continue;
		if (command.op == PACKAGE_ENABLE)
			es10_iccid_text(command.iccid, target);
		else if (command.op == PACKAGE_DISABLE)
			target[0] = '\0';
	}
}

static int make_module_follow(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct package_result r;
	int err;

	if (!has_result(e, &r))
		return STEP_SKIP;
	i->journal.result_seq = r.seq;
	if (!e->visit.resuming) {
		if (r.end != PACKAGE_EXECUTED || !r.switched)
			return STEP_SKIP;
		find_target(e, &r);
		i->journal.switched = true;
		err = note(i, "follow");
		if (err < 0)
			return err;
	} else if (!r.switched) {
		return STEP_SKIP;
	} else if (i->journal.switched && !is_step(i, "rollback")) {
		err = note(i, "follow");
		if (err < 0)
			return err;
	}
	return ipa_ask_module(i, e->visit.target);
}

static enum step_verdict judge_followed(struct proc *p)
{
	eim_of(p)->visit.follow_why = p->answer;
	return STEP_NEXT;
}

/* --- notifications ---------------------------------------------------------------------------------------------------- */

static int ask_notifications(struct ipa *i)
{
	struct tlv_out w = ipa_writer(i);

	es10b_retrieve_all_encode(&w);
	return ipa_ask_card_anyway(i, ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

static int list_notifications(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	struct octets whole = octets_from(e->visit.package.p, e->visit.package.n);
	struct package_request q;
	struct package_result r;

	if (!has_result(e, &r) || r.end != PACKAGE_EXECUTED)
		return STEP_SKIP;
	/* Operations on eIMs make none. */
	if (!e->visit.resuming && (package_request_decode(whole, &q) < 0 || q.eco))
		return STEP_SKIP;
	return ask_notifications(ipa_of(p));
}

static enum step_verdict keep_notifications(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;
	size_t n = 0, at = 0;
	int error;

	/* The result goes without them; they stay on the card and are delivered later. */
	if (p->answer.kind != CAUSE_NONE ||
	    es10b_pending_decode(i->answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return STEP_NEXT;
	ipa_octets_clear(&v->notifications);
	if (ipa_octets_set(&v->notifications, i->answer) < 0)
		return STEP_NEXT;
	v->n_sent = 0;
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

/* --- report ------------------------------------------------------------------------------------------------------------ */

static bool may_roll_back(struct ipa_eim *e)
{
	const struct ipa_journal *j = &e->ipa->journal;

	return j->rollback && j->switched && !e->visit.delivered;
}

static unsigned left_ms(const struct ipa_visit *v)
{
	uint64_t now = ev_now_ms();

	return now < v->deadline_ms ? (unsigned)(v->deadline_ms - now) : 1;
}

static int wait_network(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	struct ipa *i = ipa_of(p);

	e->visit.deadline_ms = ev_now_ms() + i->o.rollback_s * 1000ull;
	return ipa_ask_network(i, left_ms(&e->visit));
}

static int report(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	int r;

	/* The network was there, or the wait for it is over: while there is time, once more. */
	e->visit.offline = !ipa_of(p)->online;
	if (e->visit.offline)
		return left_ms(&e->visit) > 1 ? ipa_ask_network(ipa_of(p), left_ms(&e->visit)) : STEP_SKIP;
	r = ipa_report_encode(e);
	return r < 0 ? r : ipa_report_send(p);
}

static enum step_verdict judge_report(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	bool again;

	if (e->visit.offline)
		return p->answer.kind == CAUSE_NONE ? STEP_RETRY : STEP_NEXT;
	if (ipa_report_judge(p) == STEP_NEXT || e->visit.reached)
		return STEP_NEXT;
	again = may_roll_back(e) ? ev_now_ms() + REPORT_PAUSE_MS < e->visit.deadline_ms :
				   p->attempt < REPORT_TRIES;
	return again ? STEP_RETRY : STEP_NEXT;
}

/* --- rollback -------------------------------------------------------------------------------------------------------------- */

static int roll_back(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct tlv_out w = ipa_writer(i);
	int r;

	/* An eIM that has answered, if only with an error, has shown that the way to it works. */
	if (!may_roll_back(e) || e->visit.reached)
		return STEP_SKIP;
	if (p->attempt == 1)
		log_warning("ipa", "the new profile did not reach the eIM within %u s: rolling back",
			    i->o.rollback_s);
	r = note(i, "rollback");
	if (r < 0)
		return r;
	es10b_switch_encode(&w, ES10B_PROFILE_ROLLBACK, true);
	return ipa_ask_card(i, ES10B_PROFILE_ROLLBACK, &w);
}

static enum step_verdict judge_rollback(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct octets package;
	int code;

	if (p->answer.kind != CAUSE_NONE)
		return p->attempt < BUSY_TRIES ? STEP_RETRY : ipa_no_answer(p);
	if (es10b_rollback_decode(i->answer, &code, &package) < 0)
		return ipa_garbled(p, "ProfileRollback");
	if (code == ES10_CAT_BUSY && p->attempt < BUSY_TRIES)
		return STEP_RETRY;
	/* A try whose answer was lost has used up the grant: it is back already. */
	if (code == ES10B_ROLLBACK_NOT_ALLOWED && p->attempt > 1) {
		code = ES10_OK;
		ipa_octets_clear(&e->visit.result);
		package = (struct octets){ 0 };
	}
	if (code != ES10_OK) {
		log_warning("ipa", "the card does not roll back: %s",
			    es10_result_name(ES10B_PROFILE_ROLLBACK, code));
		i->journal.rollback = false;
		return STEP_NEXT;
	}
	i->journal.rollback = i->journal.switched = false;
	strcpy(e->visit.target, i->journal.iccid_before);
	e->visit.n_sent = 0;
	ipa_octets_clear(&e->visit.notifications);
	if (package.n && ipa_octets_set(&e->visit.result, package) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	e->visit.rolled_back = true;
	return STEP_NEXT;
}

static int follow_back(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	int r;

	if (!e->visit.rolled_back)
		return STEP_SKIP;
	r = note(ipa_of(p), "follow-back");
	return r < 0 ? r : ipa_ask_module(ipa_of(p), e->visit.target);
}

/* The result of a rollback whose answer was lost. */
static int find_back(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	return e->visit.rolled_back && !e->visit.result.n ? ask_stored(ipa_of(p)) : STEP_SKIP;
}

static int list_back(struct proc *p)
{
	return eim_of(p)->visit.rolled_back ? ask_notifications(ipa_of(p)) : STEP_SKIP;
}

static int network_back(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (!e->visit.rolled_back)
		return STEP_SKIP;
	e->visit.deadline_ms = ev_now_ms() + BACK_MS;
	return ipa_ask_network(ipa_of(p), BACK_MS);
}

static int report_back(struct proc *p)
{
	return eim_of(p)->visit.rolled_back ? report(p) : STEP_SKIP;
}

static enum step_verdict judge_back(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (e->visit.offline)
		return p->answer.kind == CAUSE_NONE ? STEP_RETRY : STEP_NEXT;
	if (ipa_report_judge(p) == STEP_NEXT || e->visit.reached)
		return STEP_NEXT;
	return p->attempt < REPORT_TRIES ? STEP_RETRY : STEP_NEXT;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

static void describe(const struct ipa_eim *e, char *dst, size_t cap)
{
	struct octets whole = octets_from(e->visit.package.p, e->visit.package.n), ops;
	struct package_command command;
	struct package_request q;
	size_t at = 0;

	snprintf(dst, cap, "%s", e->visit.resuming ? "package from before a restart" : "package");
	if (package_request_decode(whole, &q) < 0)
		return;
	ops = q.ops;
	while (package_request_next(&q, &ops, &command) && at < cap)
		at += (size_t)snprintf(dst + at, cap - at, "%s%s%s", at ? ", " : "",
				       package_op_name(command.op), command.rollback ? " (rollback)" : "");
}

static void outcome_of(const struct ipa_eim *e, char *dst, size_t cap)
{
	struct package_result r;
	const char *what = "not readable";

	if (has_result(e, &r))
		what = r.end != PACKAGE_EXECUTED ? "refused by the card" :
		       e->visit.rolled_back ? "rolled back" :
		       r.complete ? "executed" : "executed in part";
	snprintf(dst, cap, "%s, %s", what, e->visit.delivered ? "reported" : "not reported yet");
}

/* The others have not ordered what has changed, and will want to know. */
static void tell_others(struct ipa_eim *e)
{
	struct package_result r;

	if (!has_result(e, &r) || r.end != PACKAGE_EXECUTED || !r.switched)
		return;
	for (size_t k = 0; k < IPA_EIMS_MAX; k++) {
		struct ipa_eim *other = &e->ipa->eims->list[k];

		if (!other->used || other == e)
			continue;
		other->change = ESIPA_CHANGE_OTHER_EIM;
		ipa_schedule_trigger(&other->schedule);
	}
}

static int finish(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	char text[120], outcome[120];

	describe(e, text, sizeof(text));
	outcome_of(e, outcome, sizeof(outcome));
	ipa_record_add(e, text, outcome, e->started_ms);
	tell_others(e);
	/* What was not delivered is on the card, and looked for at the next visit. */
	e->look_at_results |= !e->visit.delivered;
	ipa_journal_close(&i->journal);
	if (e->visit.delivered)
		return STEP_SKIP;
	e->visit.refused = true;
	ipa_explain(i, "the result could not be delivered");
	proc_fail(p, CAUSE_REFUSED, "eim", -1);
	return -EIO;
}

const struct step ipa_package_steps[] = {
	{ "load-package",       load_package,       judge_loaded,       0 },
	{ "find-result",        find_result,        judge_found,        0 },
	{ "reset-card",         reset_card,         go_on,              0 },
	{ "find-after-reset",   find_after_reset,   judge_found,        0 },
	{ "give-up",            give_up,            go_on,              0 },
	{ "resume-end",         end_resumed,        stop_here,          0 },
	{ "load-again",         load_again,         judge_loaded,       0 },
	{ "find-again",         find_result,        judge_found,        0 },
	{ "resume-profiles",    resume_profiles,    judge_profiles,     0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "follow",             make_module_follow, judge_followed,     0 },
	{ "notifications",      list_notifications, keep_notifications, 0 },
	{ "network",            wait_network,       go_on,              0 },
	{ "report",             report,             judge_report,       0, FOREVER, REPORT_PAUSE_MS },
	{ "rollback",           roll_back,          judge_rollback,     0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "follow-back",        follow_back,        judge_followed,     0 },
	{ "find-back",          find_back,          judge_found,        0 },
	{ "notifications-back", list_back,          keep_notifications, 0 },
	{ "network-back",       network_back,       go_on,              0 },
	{ "report-back",        report_back,        judge_back,         0, REPORT_TRIES, REPORT_PAUSE_MS },
	{ "remove",             ipa_remove_acked,   ipa_removed,        0, IPA_REMOVE_TRIES,
	  IPA_REMOVE_PAUSE_MS },
	{ "finish",             finish,             go_on,              0 },
	{ 0 }
};
