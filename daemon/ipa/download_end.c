/* How a download ends: cancelled where it must be, delivered, reported, removed, enabled. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "ipa/download.h"
#include "ipa/notes.h"

#define REPORT_MS 60000
#define HEAD_MAX 512
#define REPORT_TRIES 3          /* as in the table of steps */
#define BUSY_TRIES 6
#define CANCEL_TRIES 2

/* --- the journal ----------------------------------------------------------------------------------- */

/* The octets of an outcome that a line of the journal can hold. */
static void put_outcome(const struct ipa_download *d, struct ipa_journal *j)
{
	char plain[IPA_TEXT_MAX];

	text_escape(d->text, strlen(d->text), plain, sizeof(plain));
	snprintf(j->outcome, sizeof(j->outcome), "%.*s", (int)sizeof(j->outcome) - 1,
		 d->failed && !d->result.n ? plain : "");
}

int ipa_download_note(struct ipa_download *d, const char *step)
{
	struct ipa_journal *j = &d->ipa->download_journal;
	const struct es10c_profile *enabled = euicc_facts_enabled(&d->ipa->facts);

	j->eim[0] = j->iccid_before[0] = '\0';
	if (d->eim)
		hex_encode(d->eim->id, d->eim->id_n, j->eim, sizeof(j->eim));
	hex_encode(d->eim_transaction, d->eim_transaction_n, j->transaction, sizeof(j->transaction));
	hex_encode(d->session, d->session_n, j->session, sizeof(j->session));
	if (enabled && es10_iccid_text(enabled->iccid, j->iccid_before) < 0)
		j->iccid_before[0] = '\0';
	snprintf(j->iccid_target, sizeof(j->iccid_target), "%s", d->iccid);
	snprintf(j->server, sizeof(j->server), "%s", d->address);
	j->direct = !d->indirect;
	j->delivered = d->delivered;
	j->reported = d->reported;
	j->installed = d->installed;
	put_outcome(d, j);
	return ipa_journal_note(j, step);
}

/* --- cancelling, SGP.22 3.1.3.3 and 5.7.14 ----------------------------------------------------------- */

int ipa_cancel_on_card(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct tlv_out w = ipa_writer(i);

	ipa_octets_clear(&d->card_answer);
	if (!d->failed || d->cancel < 0 || !d->session_n || d->result.n)
		return STEP_SKIP;
	es10b_cancel_session_encode(&w, octets_from(d->session, d->session_n), d->cancel);
	return ipa_ask_card_anyway(i, ES10B_CANCEL_SESSION, &w);
}

/* A card that has forgotten the session has nothing to say to the server, which will forget it, too. */
enum step_verdict ipa_cancelled_on_card(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct octets answer = ipa_of(p)->answer;
	struct es10b_signed s;
	char why[CAUSE_TEXT_MAX];

	if (p->answer.kind != CAUSE_NONE && p->attempt < CANCEL_TRIES)
		return STEP_RETRY;
	if (p->answer.kind != CAUSE_NONE)
		log_info("ipa", "download: the card does not cancel the session: %s, ignoring",
			 cause_text(&p->answer, why));
	else if (es10b_cancel_session_decode(answer, &s) < 0 || s.error)
		log_info("ipa", "download: the card has no session to cancel");
	else if (ipa_octets_set(&d->card_answer, answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_NEXT;
}

int ipa_cancel_at_server(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	int r;

	if (!d->card_answer.n)
		return STEP_SKIP;
	r = ipa_server_cancel(d, octets_from(d->card_answer.p, d->card_answer.n));
	return r < 0 ? STEP_SKIP : r;
}

enum step_verdict ipa_cancelled_at_server(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	const struct ipa_download *d = i->download;

	if (p->answer.kind != CAUSE_NONE && p->attempt < CANCEL_TRIES && ipa_server_may_recover(i)) {
		i->error_text[0] = '\0';
		return STEP_RETRY;
	}
	if (p->answer.kind != CAUSE_NONE || (!d->indirect && !ipa_server_took(i)))
		log_info("ipa", "download: the server does not confirm the end of the session: %s, ignoring",
			 i->error_text);
	else
		log_info("ipa", "download: session cancelled, %s",
			 es10b_cancel_reason_name(d->cancel));
	i->error_text[0] = '\0';
	return STEP_NEXT;
}

/* --- the outcome ---------------------------------------------------------------------------------------- */

/* Of several servers that an SM-DS has named only the last one's outcome fits into a report. */
static bool is_last(const struct ipa_download *d)
{
	return d->next_event >= d->events.n;
}

int ipa_download_settle(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (d->resuming && !strcmp(ipa_of(p)->download_journal.step, "enable"))
		return STEP_SKIP;
	if (ipa_download_note(d, "settled") < 0)
		log_error("ipa", "the journal of the download cannot be written, ignoring");
	return STEP_SKIP;
}

/* --- to the SM-DP+: ES9+.HandleNotification, SGP.22 5.6.4 --------------------------------------------------- */

static struct octets result(const struct ipa_download *d)
{
	return octets_from(d->result.p, d->result.n);
}

static int room(struct ipa_octets *o, size_t n)
{
	uint8_t *p = realloc(o->p, n);

	if (!p)
		return -ENOMEM;
	*o = (struct ipa_octets){ p, n };
	return 0;
}

int ipa_download_deliver(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	char why[IPA_TEXT_MAX] = "";
	size_t n;
	int r;

	if (d->indirect || !d->result.n || d->delivered)
		return STEP_SKIP;
	if (!d->server)
		d->server = i->dial_server(i, d->address, why);
	if (!d->server) {
		log_warning("ipa", "download: %s: %s", d->address, why);
		return STEP_SKIP;
	}
	r = room(&d->message, ES9P_REQUEST_MAX(d->result.n));
	if (r == 0)
		r = es9p_notify_encode((char *)d->message.p, d->message.n, result(d), &n);
	return r < 0 ? r : ipa_ask_server(i, d->server, es9p_function_name(ES9P_NOTIFY),
					  octets_from(d->message.p, n), REPORT_MS);
}

enum step_verdict ipa_download_delivered(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);

	if (ipa_server_took(i)) {
		d->delivered = true;
		ipa_download_note(d, "delivered");
		return STEP_NEXT;
	}
	log_info("ipa", "download: the SM-DP+ does not take the result: %s", i->error_text);
	i->error_text[0] = '\0';
	return p->attempt < 2 ? STEP_RETRY : STEP_NEXT;
}

/* --- to the eIM: HandleNotification with the ProfileDownloadTriggerResult, SGP.32 5.14.7 ----------------------- */

static int encode_report(struct ipa_download *d, size_t *ret_n)
{
	struct octets transaction = octets_from(d->eim_transaction, d->eim_transaction_n);
	enum esipa_version v = d->eim->version;
	uint8_t eid[ES10_EID_OCTETS];
	struct esipa_frame f;
	struct tlv_out w;
	int r = room(&d->message, d->result.n + HEAD_MAX);

	if (r < 0)
		return r;
	if (es10_eid_from_text(text_of(d->ipa->facts.eid), eid) < 0)
		return -EINVAL;
	w = (struct tlv_out){ .buf = d->message.p, .cap = d->message.n };
	f = esipa_result_begin(&w, v, ESIPA_HANDLE, octets_from(eid, sizeof(eid)));
	if (d->result.n)
		esipa_trigger_result_put(&w, transaction, result(d));
	else
		esipa_trigger_error_put(&w, v, transaction,
					d->ecall ? ESIPA_DATA_ECALL_ACTIVE : ESIPA_RESULT_UNDEFINED,
					octets_from(d->text, strlen(d->text)));
	esipa_result_end(&w, f);
	return tlv_done(&w, ret_n);
}

int ipa_download_report(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	size_t n;
	int r;

	if (!d->eim || !is_last(d)) {
		d->reported = true;
		return STEP_SKIP;
	}
	if (d->reported)
		return STEP_SKIP;
	r = encode_report(d, &n);
	return r < 0 ? r : ipa_ask_eim_raw(ipa_of(p), d->eim->link, octets_from(d->message.p, n), REPORT_MS);
}

/* One that answers but refuses, again and again, must not be in the way of what it has for us. */
static bool is_refusal(const struct cause *why)
{
	int status = ipa_status_of(why);

	return status >= 400 && status < 500;
}

enum step_verdict ipa_download_reported(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);

	if (p->answer.kind == CAUSE_NONE) {
		d->reported = true;
		ipa_download_note(d, "reported");
		return STEP_NEXT;
	}
	if (p->attempt < REPORT_TRIES)
		return STEP_RETRY;
	d->refused = is_refusal(&i->eim_why);
	log_warning("ipa", "download: the outcome could not be reported: %s", i->error_text);
	return STEP_NEXT;
}

/* --- on the card ------------------------------------------------------------------------------------------------- */

/*
 * Only when everybody has it: until then it may have to be sent once more. One that the eIM refuses, and
 * ought to have passed on, stays: it is offered like any other notification.
 */
static bool has_arrived(const struct ipa_download *d)
{
	return d->indirect ? d->reported : d->delivered && (d->reported || d->refused);
}

int ipa_download_remove(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct tlv_out w = ipa_writer(i);

	if (!d->result.n || !has_arrived(d))
		return STEP_SKIP;
	es10b_remove_notification_encode(&w, d->result_seq);
	return ipa_ask_card_anyway(i, ES10B_REMOVE_NOTIFICATION, &w);
}

enum step_verdict ipa_download_removed(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	int code = -1;

	if (p->answer.kind == CAUSE_NONE)
		es10_result_decode(ES10B_REMOVE_NOTIFICATION, i->answer, &code);
	if (code == ES10_OK || code == ES10_NOTHING_TO_DELETE)
		return STEP_NEXT;
	if (p->attempt < IPA_REMOVE_TRIES)
		return STEP_RETRY;
	log_warning("ipa", "the card does not remove number %u, ignoring", i->download->result_seq);
	return STEP_NEXT;
}

/* Cut while it was being enabled: has it been? A card that is about to do it says so. */
int ipa_download_look(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (!download_of(p)->doubtful)
		return STEP_SKIP;
	es10c_get_profiles_encode(&w, (struct es10c_id){ 0 }, es10c_tags_state);
	return ipa_ask_card_anyway(ipa_of(p), ES10C_GET_PROFILES, &w);
}

enum step_verdict ipa_download_looked(struct proc *p)
{
	struct es10c_profile profiles[FACTS_PROFILES_MAX];
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	char iccid[ES10_ICCID_TEXT_MAX];
	int error;
	size_t n;

	if (p->answer.kind != CAUSE_NONE)
		return p->attempt < BUSY_TRIES ? STEP_RETRY : ipa_no_answer(p);
	if (es10c_profiles_decode(i->answer, profiles, ARRAY_SIZE(profiles), &n, &error) < 0)
		return ipa_garbled(p, "GetProfilesInfo");
	d->doubtful = false;
	d->enabled = error == ES10C_PROFILES_CHANGE_ONGOING;
	for (size_t k = 0; !error && k < n; k++)
		d->enabled |= profiles[k].state == ES10C_ENABLED &&
			      es10_iccid_text(profiles[k].iccid, iccid) == 0 && !strcmp(iccid, d->iccid);
	return STEP_NEXT;
}

/*
 * ES10b.ImmediateEnable, SGP.32 5.9.17: the card knows whether the eIM has allowed it for this SM-DP+,
 * and says so if not.
 */
int ipa_download_enable(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct tlv_out w = ipa_writer(i);

	if (d->enabled || !d->installed || !d->eim || !i->o.immediate_enable || !is_last(d) ||
	    !euicc_facts_is_iot(&i->facts))
		return STEP_SKIP;
	if (p->attempt == 1 && ipa_download_note(d, "enable") < 0)
		return STEP_SKIP;
	es10b_switch_encode(&w, ES10B_IMMEDIATE_ENABLE, true);
	return ipa_ask_card_anyway(i, ES10B_IMMEDIATE_ENABLE, &w);
}

enum step_verdict ipa_download_enabled(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	const struct cause *why = &p->answer;
	int code = -1;

	/* The module may have restarted for the new profile before the card's answer was heard. */
	i->download->doubtful = why->kind != CAUSE_NONE &&
				!(why->kind == CAUSE_REFUSED && why->from && !strcmp(why->from, "card"));
	if (why->kind != CAUSE_NONE ||
	    es10_result_decode(ES10B_IMMEDIATE_ENABLE, i->answer, &code) < 0)
		return STEP_NEXT;
	if (code == ES10_CAT_BUSY && p->attempt < BUSY_TRIES)
		return STEP_RETRY;
	i->download->enabled = code == ES10_OK;
	log_debug("ipa", "immediate enable: %s", es10_result_name(ES10B_IMMEDIATE_ENABLE, code));
	return STEP_NEXT;
}

int ipa_download_follow(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	return d->enabled && d->iccid[0] ? ipa_ask_module(ipa_of(p), d->iccid) : STEP_SKIP;
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

void ipa_download_describe(const struct ipa_download *d, char *dst, size_t cap)
{
	snprintf(dst, cap, "%sdownload%s%.20s%s%.60s", d->indirect ? "indirect " : "",
		 d->iccid[0] ? " of " : "", d->iccid, d->address[0] ? " from " : "", d->address);
}

static void record(struct ipa_download *d)
{
	char text[160], outcome[200];

	ipa_download_describe(d, text, sizeof(text));
	snprintf(outcome, sizeof(outcome), "%.130s%s%s%s",
		 d->installed ? "installed" : d->failed ? d->text : "settled before",
		 d->enabled ? ", enabled" : "", d->indirect || d->delivered || !d->result.n ? "" :
						 ", the SM-DP+ does not know yet",
		 !d->eim || !is_last(d) ? "" : d->reported ? ", reported" :
		 d->refused ? ", refused by the eIM" : ", not reported yet");
	if (d->eim)
		ipa_record_add(d->eim, text, outcome, d->started_ms);
	else
		ipa_record_local(d->ipa, text, outcome, d->started_ms);
}

/* The local caller hears why; a visit goes on, for what there was to tell has been told. */
static int end_with(struct proc *p, struct ipa_download *d)
{
	if (!d->eim && d->failed) {
		ipa_explain(ipa_of(p), "%s", d->text);
		/* Where it went wrong, not where that is told. */
		p->cause.step = d->why.step;
		proc_fail(p, d->why.kind, d->why.from, d->why.code);
		return -EIO;
	}
	if (d->reported || d->refused)
		return STEP_SKIP;
	ipa_explain(ipa_of(p), "the outcome of a download could not be reported");
	proc_fail(p, CAUSE_REFUSED, "eim", -1);
	return -EIO;
}

/* The outcome needs no further visit at the eIM. */
static bool is_settled(const struct ipa_download *d)
{
	return !is_last(d) || d->reported || d->refused;
}

/*
 * As long as the journal is open the result is the download's own, and stays on the card: the eIM has
 * not had it either. From here on it is only the SM-DP+ that waits for it.
 */
static void keep_for_later(struct ipa_download *d)
{
	if (d->indirect || !d->result.n || d->delivered || !is_settled(d))
		return;
	if (ipa_notes_add(d->ipa, d->result_seq) < 0)
		log_error("ipa", "it cannot be noted that notification %u is for the SM-DP+, ignoring",
			  d->result_seq);
}

int ipa_download_finish(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);

	record(d);
	if (d->eim)
		d->eim->visit.touched = true;
	if (d->enabled)
		ipa_tell_change(i, ESIPA_CHANGE_IMMEDIATE);
	keep_for_later(d);
	if (is_last(d) && is_settled(d))
		ipa_journal_close(&i->download_journal);
	ipa_server_hang_up(d);
	return is_last(d) ? end_with(p, d) : STEP_SKIP;
}
