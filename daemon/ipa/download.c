/*
 * The download's steps, GSMA SGP.32 3.2.3.1 (direct) and 3.2.3.2 (indirect), and its life:
 *
 *   begin .. get-package   common mutual authentication, the profile checked, prepared, got. Whatever
 *                          goes wrong is kept in the download and the steps up to cancel-card pass it
 *                          by. What the card has refused is handed to the server, which ends the session
 *   load-profile           one segment an APDU exchange, as soon as it has come in: the server's answer
 *                          still does meanwhile. The card's last answer is the result BF37, good or
 *                          bad. None at all: it is looked for among the card's notifications
 *   cancel-card, -server   where there is a session and no result
 *   settle                 the outcome is in the journal from here. Or: another try, with a new session,
 *                          after trouble on the way; the next event, where an SM-DS has named servers
 *   deliver                the result to the SM-DP+, of a direct download. Failing that, notes.c has it
 *   report                 the outcome to the eIM
 *   remove                 the result from the card, once both have it
 *   look, enable, follow   at once, where the eIM has configured the card so; looked at again where the
 *                          card's answer was lost
 *
 * One that was cut by a crash, a power cut or a lost link begins again at find-result: the card knows
 * whether there is a result; if not, the session is cancelled where it still is one.
 */
#include "ipa/download.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "ipa/notes.h"

#define TRIES 3
#define PAUSE_MS 10000
#define REPORT_TRIES 3
#define REPORT_PAUSE_MS 5000
#define BUSY_TRIES 6
#define BUSY_PAUSE_MS 3000

/* --- failures -------------------------------------------------------------------------------------- */

enum step_verdict ipa_download_fail(struct ipa_download *d, int cancel, struct cause why,
				    const char *fmt, ...)
{
	va_list ap;

	if (d->failed)
		return STEP_NEXT;
	d->failed = true;
	d->cancel = cancel;
	d->why = why;
	d->why.step = proc_step(&d->ipa->proc);
	va_start(ap, fmt);
	vsnprintf(d->text, sizeof(d->text), fmt, ap);
	va_end(ap);
	log_info("ipa", "download: %s: %s", d->why.step, d->text);
	/* What may go wrong while cleaning up has no say in it. */
	d->ipa->error_text[0] = '\0';
	return STEP_NEXT;
}

enum step_verdict ipa_download_no_answer(struct proc *p, int cancel, const char *what)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = i->download;
	char words[CAUSE_TEXT_MAX];

	/* The module's word is none of the card's: the way was bad, and the order shall outlive that. */
	if (!d->failed && p->answer.kind == CAUSE_REFUSED && p->answer.from &&
	    !strcmp(p->answer.from, "module")) {
		d->again = true;
		cancel = cancel < 0 ? cancel : ES10B_CANCEL_TIMEOUT;
	}
	ipa_no_answer(p);
	return ipa_download_fail(d, cancel, p->answer, "%s: %s", what,
				 i->error_text[0] ? i->error_text : cause_text(&p->answer, words));
}

enum step_verdict ipa_download_garbled(struct ipa_download *d, const char *what)
{
	return ipa_download_fail(d, ES10B_CANCEL_UNDEFINED,
				 (struct cause){ CAUSE_MALFORMED, "card", -1, NULL },
				 "the card's answer to %s cannot be read", what);
}

bool ipa_download_is_off(struct ipa_download *d)
{
	if (d->stop && !ipa_download_is_over(d))
		ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_CANCELLED, "us", -1, NULL },
				  "cancelled");
	return ipa_download_is_over(d);
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

/* --- begin --------------------------------------------------------------------------------------------- */

static int begin(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct ipa *i = ipa_of(p);
	int r;

	if (d->resuming)
		return STEP_SKIP;
	d->percent = -1;
	r = ipa_download_note(d, "begin");
	if (r < 0)
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "us", -r, NULL },
				  "the journal cannot be written: %s", strerror(-r));
	if (ipa_download_is_off(d))
		return STEP_SKIP;
	if (ipa_emergency(i)) {
		d->ecall = true;
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "us", ESIPA_DATA_ECALL_ACTIVE, NULL },
				  "the Emergency Profile is enabled");
	} else if (!d->indirect) {
		ipa_server_dial(d);
	}
	return STEP_SKIP;
}

/* Before another try: the driver waits between two attempts. */
static int rest(struct proc *p)
{
	if (ipa_download_is_off(download_of(p)) || !download_of(p)->tries)
		return STEP_SKIP;
	ipa_show_step(ipa_of(p));
	proc_answer(p, NULL);
	return 0;
}

static enum step_verdict judge_rest(struct proc *p)
{
	return p->attempt == 1 ? STEP_RETRY : STEP_NEXT;
}

/* --- settle ----------------------------------------------------------------------------------------------------------- */

/* The steps end here, to be run again by whoever runs them. */
static int turn(struct proc *p)
{
	const struct ipa_download *d = download_of(p);

	if (!d->redirected && !(d->failed && d->again && d->tries + 1 < TRIES && !d->stop))
		return STEP_SKIP;
	proc_answer(p, NULL);
	return 0;
}

static enum step_verdict stop_here(struct proc *p)
{
	(void)p;
	return STEP_FINISH;
}

const struct step ipa_download_steps[] = {
	{ "begin",               begin,                   go_on,                   0 },
	{ "rest",                rest,                    judge_rest,              0, 2, PAUSE_MS },
	{ "get-info",            ipa_ask_info1,           ipa_keep_info1,          0 },
	{ "get-challenge",       ipa_ask_challenge,       ipa_keep_challenge,      0 },
	{ "initiate-auth",       ipa_initiate,            ipa_keep_initiated,      0 },
	{ "authenticate-server", ipa_authenticate_server, ipa_judge_server,        0 },
	{ "authenticate-client", ipa_authenticate_client, ipa_judge_client,        0 },
	{ "get-rules",           ipa_ask_rules,           ipa_keep_rules,          0 },
	{ "check-profile",       ipa_check_profile,       go_on,                   0 },
	{ "prepare-download",    ipa_prepare,             ipa_judge_prepared,      0 },
	{ "get-package",         ipa_get_package,         ipa_judge_package,       0 },
	{ "load-profile",        ipa_give_segment,        ipa_judge_segment,       0 },
	{ "find-result",         ipa_find_result,         ipa_judge_found,         0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "find-reason",         ipa_find_reason,         go_on,                   0 },
	{ "cancel-card",         ipa_cancel_on_card,      ipa_cancelled_on_card,   0, 2, BUSY_PAUSE_MS },
	{ "cancel-server",       ipa_cancel_at_server,    ipa_cancelled_at_server, 0, 2, REPORT_PAUSE_MS },
	{ "turn",                turn,                    stop_here,               0 },
	{ "settle",              ipa_download_settle,     go_on,                   0 },
	{ "deliver",             ipa_download_deliver,    ipa_download_delivered,  0, 2, REPORT_PAUSE_MS },
	{ "report",              ipa_download_report,     ipa_download_reported,   0, REPORT_TRIES,
	  REPORT_PAUSE_MS },
	{ "remove",              ipa_download_remove,     ipa_download_removed,    0, IPA_REMOVE_TRIES,
	  IPA_REMOVE_PAUSE_MS },
	{ "look",                ipa_download_look,       ipa_download_looked,     0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "enable",              ipa_download_enable,     ipa_download_enabled,    0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "look-again",          ipa_download_look,       ipa_download_looked,     0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "follow",              ipa_download_follow,     go_on,                   0 },
	{ "finish",              ipa_download_finish,     go_on,                   0 },
	{ 0 }
};

/* --- life -------------------------------------------------------------------------------------------------------------- */

/* What belongs to one session. */
static void forget_session(struct ipa_download *d)
{
	ipa_octets_clear(&d->area);
	ipa_octets_clear(&d->message);
	ipa_octets_clear(&d->metadata);
	ipa_octets_clear(&d->shown);
	ipa_octets_clear(&d->card_answer);
	ipa_octets_clear(&d->result);
	d->initiated = (struct esipa_initiated){ 0 };
	d->authenticated = (struct esipa_authenticated){ 0 };
	d->transaction[0] = d->iccid[0] = d->name[0] = d->text[0] = '\0';
	d->session_n = 0;
	bpp_init(&d->bpp);
	d->chunk_at = d->chunk_n = 0;
	d->reader = (struct es9p_reader){ 0 };
	d->failed = d->again = d->redirected = d->forward = d->loading = d->compact = d->waiting = false;
	d->delivered = d->reported = d->refused = d->installed = d->enabled = d->ecall = false;
	d->doubtful = false;
	d->why = (struct cause){ 0 };
	d->cancel = -1;
	d->percent = -1;
}

static struct ipa_download *make(struct ipa *i, struct ipa_eim *e)
{
	struct ipa_download *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ipa = i;
	d->eim = e;
	d->started_ms = ev_now_ms();
	forget_session(d);
	return d;
}

static void destroy(struct ipa_download *d)
{
	forget_session(d);
	ipa_octets_clear(&d->info1);
	ipa_server_hang_up(d);
	explicit_bzero(d->confirmation, sizeof(d->confirmation));
	free(d);
}

void ipa_download_drop(struct ipa *i, const struct ipa_eim *e)
{
	if (!i->download || i->download->eim != e)
		return;
	destroy(i->download);
	i->download = NULL;
}

bool ipa_download_is_open(const struct ipa *i)
{
	return i->download || ipa_journal_is_open(&i->download_journal);
}

int ipa_download_begin(struct ipa_eim *e)
{
	struct ipa *i = e->ipa;
	struct ipa_download *d;
	int r;

	if (ipa_download_is_open(i))
		return -EBUSY;
	d = make(i, e);
	if (!d)
		return -ENOMEM;
	r = ipa_download_take_trigger(d, octets_from(e->visit.package.p, e->visit.package.n));
	if (r < 0) {
		destroy(d);
		return r;
	}
	i->download = d;
	return 0;
}

static int take_hex(const char *hex, uint8_t *dst, size_t cap, size_t *ret_n)
{
	*ret_n = 0;
	return hex[0] ? hex_decode(text_of(hex), dst, cap, ret_n) : 0;
}

int ipa_download_resume(struct ipa *i, struct ipa_eim *e)
{
	const struct ipa_journal *j = &i->download_journal;
	struct ipa_download *d;

	if (i->download)
		return -EBUSY;
	d = make(i, e);
	if (!d)
		return -ENOMEM;
	d->resuming = true;
	d->indirect = !j->direct;
	text_copy(text_of(j->server), d->address, sizeof(d->address));
	text_copy(text_of(j->session), d->transaction, sizeof(d->transaction));
	text_copy(text_of(j->iccid_target), d->iccid, sizeof(d->iccid));
	d->delivered = j->delivered;
	d->reported = j->reported;
	d->installed = j->installed;
	d->doubtful = !strcmp(j->step, "enable");
	if (take_hex(j->session, d->session, sizeof(d->session), &d->session_n) < 0 ||
	    take_hex(j->transaction, d->eim_transaction, sizeof(d->eim_transaction),
		     &d->eim_transaction_n) < 0)
		log_warning("ipa", "the journal of a download has no readable session, ignoring");
	log_info("ipa", "a download was cut at '%s': looking at what became of it", j->step);
	i->download = d;
	return 0;
}

/* Another try with the same order, or the next of the servers that an SM-DS has named. */
bool ipa_download_goes_on(struct ipa *i)
{
	struct ipa_download *d = i->download;

	if (!d || d->stop || d->resuming)
		return false;
	if (d->failed && d->again && d->tries + 1 < TRIES) {
		d->tries++;
		log_info("ipa", "download: once more, with a new session");
		forget_session(d);
		return true;
	}
	if (!d->redirected && d->next_event >= d->events.n)
		return false;
	if (d->next_event < d->events.n)
		ipa_download_take_event(d);
	d->tries = 0;
	forget_session(d);
	return true;
}

bool ipa_download_is_about(const struct ipa *i, const struct es10b_pending *n)
{
	struct es10b_install in;
	char session[IPA_HEX_ID_MAX] = "";

	if (n->kind != ES10B_PENDING_INSTALL || !ipa_journal_is_open(&i->download_journal) ||
	    es10b_install_decode(n->whole, &in) < 0 || 2 * in.transaction_id.n >= sizeof(session))
		return false;
	hex_encode(in.transaction_id.p, in.transaction_id.n, session, sizeof(session));
	return !strcasecmp(session, i->download_journal.session);
}

bool ipa_download_owns(const struct ipa *i, const struct es10b_pending *n)
{
	return ipa_notes_have(i, n->meta.seq) || ipa_download_is_about(i, n);
}

/* --- local ---------------------------------------------------------------------------------------------------------------- */

static void on_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa_download *d = container_of(w, struct ipa_download, work);
	struct ipa *i = d->ipa;

	if (!why && ipa_download_goes_on(i)) {
		ipa_submit_first(i, w);
		return;
	}
	ipa_read_again(i, 1u << FACT_PROFILES | 1u << FACT_NOTIFICATIONS);
	if (d->done)
		d->done(d, why);
	ipa_download_drop(i, NULL);
	ipa_eims_visited(i);
}

static void on_progress(struct ipa_work *w, const char *step)
{
	struct ipa_download *d = container_of(w, struct ipa_download, work);

	if (d->progress)
		d->progress(d, step, -1);
}

static void submit(struct ipa_download *d)
{
	d->work.name = "download";
	d->work.steps = ipa_download_steps;
	d->work.ended = on_ended;
	d->work.progress = on_progress;
	d->ipa->download = d;
	ipa_submit(d->ipa, &d->work);
}

static int check_local(const struct ipa *i, const struct ipa_download_order *o, char why[IPA_TEXT_MAX])
{
	if (i->card != IPA_CARD_READY) {
		snprintf(why, IPA_TEXT_MAX, "the eUICC is not ready; see euicc");
		return -EAGAIN;
	}
	if (ipa_download_is_open(i)) {
		snprintf(why, IPA_TEXT_MAX, i->download ? "another download is under way; see ipa status" :
			 "the outcome of the last download has not been reported yet; see ipa status");
		return -EBUSY;
	}
	if (!(i->o.features & ESIPA_IPA_DIRECT)) {
		snprintf(why, IPA_TEXT_MAX, "no authorities are configured that an SM-DP+ is believed by: "
			 "set ca in section [ipa]");
		return -EOPNOTSUPP;
	}
	if (o->confirmation && strlen(o->confirmation) >= IPA_CONFIRMATION_MAX) {
		snprintf(why, IPA_TEXT_MAX, "confirmation code: longer than any is");
		return -EINVAL;
	}
	return 0;
}

int ipa_download_start(struct ipa *i, const struct ipa_download_order *o, void *owner,
		       void (*progress)(struct ipa_download *d, const char *step, int percent),
		       void (*done)(struct ipa_download *d, const struct cause *why),
		       struct ipa_download **ret, char why[IPA_TEXT_MAX])
{
	struct ipa_download *d;
	int r = check_local(i, o, why);

	if (r < 0)
		return r;
	d = make(i, NULL);
	if (!d)
		return -ENOMEM;
	r = ipa_download_take_code(d, o->code, why);
	if (r < 0) {
		destroy(d);
		return r;
	}
	text_copy(text_of(o->confirmation), d->confirmation, sizeof(d->confirmation));
	d->owner = owner;
	d->progress = progress;
	d->done = done;
	submit(d);
	*ret = d;
	return 0;
}

void ipa_download_stop(struct ipa_download *d)
{
	d->stop = true;
}

void ipa_download_card_ready(struct ipa *i)
{
	const struct ipa_journal *j = &i->download_journal;

	if (ipa_journal_is_open(j) && !j->eim[0] && ipa_download_resume(i, NULL) == 0)
		submit(i->download);
}
