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
 *   look, enable, follow   at once, where the eIM has configured the card so
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
	char words[CAUSE_TEXT_MAX];

	ipa_no_answer(p);
	return ipa_download_fail(i->download, cancel, p->answer, "%s: %s", what,
				 i->error_text[0] ? i->error_text : cause_text(&p->answer, words));
}

static enum step_verdict garbled(struct ipa_download *d, const char *what)
{
	return ipa_download_fail(d, ES10B_CANCEL_UNDEFINED,
				 (struct cause){ CAUSE_MALFORMED, "card", -1, NULL },
				 "the card's answer to %s cannot be read", what);
}

/* Nothing to do; somebody may have asked it to end meanwhile. */
static bool is_off(struct ipa_download *d)
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
	if (is_off(d))
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
	if (is_off(download_of(p)) || !download_of(p)->tries)
		return STEP_SKIP;
	proc_answer(p, NULL);
	return 0;
}

static enum step_verdict judge_rest(struct proc *p)
{
	return p->attempt == 1 ? STEP_RETRY : STEP_NEXT;
}

/* --- authentication -------------------------------------------------------------------------------------- */

static int ask_info1(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (is_off(download_of(p)) || download_of(p)->info1.n)
		return STEP_SKIP;
	es10b_get_info1_encode(&w);
	return ipa_ask_card(ipa_of(p), ES10B_GET_INFO1, &w);
}

static enum step_verdict keep_info1(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, -1, "GetEUICCInfo1");
	if (ipa_octets_set(&d->info1, ipa_of(p)->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_NEXT;
}

static int ask_challenge(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (is_off(download_of(p)))
		return STEP_SKIP;
	es10b_get_challenge_encode(&w);
	return ipa_ask_card(ipa_of(p), ES10B_GET_CHALLENGE, &w);
}

static enum step_verdict keep_challenge(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct octets challenge;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, -1, "GetEUICCChallenge");
	if (es10b_challenge_decode(ipa_of(p)->answer, &challenge) < 0 ||
	    challenge.n != sizeof(d->challenge))
		return garbled(d, "GetEUICCChallenge");
	memcpy(d->challenge, challenge.p, challenge.n);
	return STEP_NEXT;
}

static int initiate(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (is_off(d))
		return STEP_SKIP;
	return ipa_server_initiate(d, octets_from(d->challenge, sizeof(d->challenge)));
}

/* From here on there is something to cancel; after a crash, too. */
static enum step_verdict keep_initiated(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	int r;

	if (ipa_server_initiated(d) < 0)
		return STEP_NEXT;
	r = ipa_download_note(d, "session");
	if (r < 0)
		ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_REFUSED, "us", -r, NULL },
				  "the journal cannot be written: %s", strerror(-r));
	return STEP_NEXT;
}

/*
 * The eIM's ctxParams1 as they are, else ours. matchingId: from the server's answer where it gives one,
 * else out of the activation code; missing for the default SM-DP+ and an SM-DS.
 */
static int authenticate_server(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	const struct esipa_initiated *a = &d->initiated;
	struct es10b_authenticate q = {
		.server_signed1 = a->server_signed1, .server_signature1 = a->server_signature1,
		.ci_pkid = a->ci_pkid_whole, .certificate = a->certificate, .ctx_params = a->ctx_params,
	};
	uint8_t ctx[ES9P_CODE_MAX + 128], tac[4], imei[8];
	struct tlv_out w = { .buf = ctx, .cap = sizeof(ctx) };
	struct es10b_device device;
	struct octets matching = a->matching_id;

	if (is_off(d))
		return STEP_SKIP;
	d->own_ctx = !q.ctx_params.n;
	if (d->own_ctx) {
		/* Without an IMEI the TAC, which must be there, is all zeros (inferred). */
		ipa_device(i, tac, imei, &device);
		if (!matching.p && d->matching[0])
			matching = octets_from(d->matching, strlen(d->matching));
		es10b_ctx_params_put(&w, matching, &device);
		q.ctx_params = octets_from(ctx, w.len);
	}
	w = ipa_writer(i);
	es10b_authenticate_encode(&w, &q);
	return ipa_ask_card(i, ES10B_AUTHENTICATE_SERVER, &w);
}

/* What the card has said no to: the server shall hear of it, which ends the session. */
static enum step_verdict forward(struct ipa_download *d, enum es10_function f, int error)
{
	ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "card", error, NULL },
			  "the card refuses %s: %s", f == ES10B_AUTHENTICATE_SERVER ? "the server" :
			  "the profile", es10_result_name(f, error));
	d->forward = true;
	return STEP_NEXT;
}

static enum step_verdict keep_card_answer(struct proc *p, enum es10_function f, struct es10b_signed *ret)
{
	struct ipa_download *d = download_of(p);
	struct octets answer = ipa_of(p)->answer;
	int r = f == ES10B_AUTHENTICATE_SERVER ? es10b_authenticate_decode(answer, ret) :
						 es10b_prepare_decode(answer, ret);

	if (r < 0)
		return garbled(d, es10_function_name(f));
	if (ipa_octets_set(&d->card_answer, answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return ret->error ? forward(d, f, ret->error) : STEP_NEXT;
}

static enum step_verdict judge_server(struct proc *p)
{
	struct es10b_signed s;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, ES10B_CANCEL_UNDEFINED, "AuthenticateServer");
	return keep_card_answer(p, ES10B_AUTHENTICATE_SERVER, &s);
}

static struct octets card_answer(const struct ipa_download *d)
{
	return octets_from(d->card_answer.p, d->card_answer.n);
}

static int authenticate_client(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward && is_off(d))
		return STEP_SKIP;
	return ipa_server_authenticate(d, card_answer(d));
}

static enum step_verdict judge_client(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward)
		ipa_server_authenticated(d);
	d->forward = false;
	return STEP_NEXT;
}

/* --- the profile --------------------------------------------------------------------------------------------- */

static int ask_rules(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);

	if (is_off(d) || !ipa_download_needs_rules(d) || euicc_facts_have(&i->facts, FACT_RAT))
		return STEP_SKIP;
	return ipa_ask_facts(i, 1u << FACT_RAT);
}

static enum step_verdict keep_rules(struct proc *p)
{
	return p->answer.kind == CAUSE_NONE ? ipa_keep_facts(p) : STEP_NEXT;
}

static int check(struct proc *p)
{
	if (!is_off(download_of(p)))
		ipa_download_check(download_of(p));
	return STEP_SKIP;
}

/* The eIM's hash, or ours where we know the code; -1: it is wanted, and nobody has one. */
static int hash_cc(const struct ipa_download *d, uint8_t store[32], struct octets *ret)
{
	struct es10b_smdp_signed2 s;

	*ret = d->authenticated.hash_cc;
	if (ret->n || es10b_smdp_signed2_decode(d->authenticated.smdp_signed2, &s) < 0 || !s.cc_required)
		return 0;
	if (!d->confirmation[0])
		return -1;
	*ret = octets_from(store, 32);
	return esipa_hash_cc(text_of(d->confirmation), octets_from(d->session, d->session_n), store);
}

static int prepare(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct es10b_prepare q = {
		.signed2 = d->authenticated.smdp_signed2, .signature2 = d->authenticated.smdp_signature2,
		.certificate = d->authenticated.certificate,
	};
	struct tlv_out w = ipa_writer(i);
	uint8_t hash[32];

	if (is_off(d))
		return STEP_SKIP;
	if (hash_cc(d, hash, &q.hash_cc) < 0) {
		ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_REFUSED, "us", -1, NULL },
				  "the profile wants a confirmation code%s", d->eim ? ", and nobody has "
				  "given one" : ": give it with --confirmation-code");
		return STEP_SKIP;
	}
	es10b_prepare_encode(&w, &q);
	return ipa_ask_card(i, ES10B_PREPARE_DOWNLOAD, &w);
}

static enum step_verdict judge_prepared(struct proc *p)
{
	struct es10b_signed s;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, ES10B_CANCEL_UNDEFINED, "PrepareDownload");
	return keep_card_answer(p, ES10B_PREPARE_DOWNLOAD, &s);
}

static int get_package(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward && is_off(d))
		return STEP_SKIP;
	return p->piece ? ipa_await_stream(ipa_of(p)) : ipa_server_get_package(d, card_answer(d));
}

/* As soon as the package begins, the card gets it; the rest comes in meanwhile. */
static enum step_verdict judge_package(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	int r;

	if (d->forward) {
		d->forward = false;
		return STEP_NEXT;
	}
	r = ipa_server_package(d);
	return r == 0 ? STEP_AGAIN : STEP_NEXT;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/*
 * The metadata in the package stands in the segments 88, readable, each with eight octets of MAC behind
 * it. They are gathered until something else follows.
 */
#define MAC_N 8

static int gather(struct ipa_download *d, struct octets segment)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, segment);
	struct octets value = tlv_maybe(&top, 0x88);
	uint8_t *p;

	if (value.n <= MAC_N)
		return 0;
	p = realloc(d->shown.p, d->shown.n + value.n - MAC_N);
	if (!p)
		return -ENOMEM;
	memcpy(p + d->shown.n, value.p, value.n - MAC_N);
	d->shown = (struct ipa_octets){ p, d->shown.n + value.n - MAC_N };
	return 0;
}

/*
 * The next segment: 1; 0: more must come in first. -ENODATA: there is none; -EBADMSG: the package is
 * broken; -EIO: the download has failed.
 */
static int cut(struct ipa_download *d, struct octets *ret)
{
	int r;

	while ((r = bpp_next(&d->bpp, ret)) == -EAGAIN) {
		if (d->chunk_at == d->chunk_n && (r = ipa_server_read(d)) <= 0) {
			if (r == -ENODATA)
				return bpp_end(&d->bpp) < 0 ? -EBADMSG : -ENODATA;
			return r < 0 ? -EIO : 0;
		}
		d->chunk_at += bpp_feed(&d->bpp, d->chunk + d->chunk_at, d->chunk_n - d->chunk_at);
	}
	return r < 0 ? r : 1;
}

static void show_progress(struct ipa_download *d)
{
	int percent = d->bpp.total ? (int)(d->bpp.taken * 100 / d->bpp.total) : 0;

	if (percent == d->percent)
		return;
	d->percent = percent;
	if (d->progress)
		d->progress(d, "load-profile", percent);
	d->ipa->changed(d->ipa, IPA_CHANGED_ACTIVITY);
}

static int give_segment(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct octets segment;
	bool metadata;
	int r;

	if (is_off(d))
		return STEP_SKIP;
	if (p->piece == 0 && (r = ipa_download_note(d, "load")) < 0) {
		ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_REFUSED, "us", -r, NULL },
				  "the journal cannot be written: %s", strerror(-r));
		return STEP_SKIP;
	}
	r = cut(d, &segment);
	d->waiting = r == 0;
	if (d->waiting)
		return ipa_await_stream(ipa_of(p));
	if (r == -EBADMSG)
		ipa_download_fail(d, ES10B_LOAD_BPP_ERROR,
				  (struct cause){ CAUSE_MALFORMED, d->indirect ? "eim" : "smdp", -1, NULL },
				  "the profile package is broken: %s at octet %zu of %zu",
				  bpp_fault_name(d->bpp.fault), d->bpp.taken, d->bpp.total);
	if (r < 0)
		return STEP_SKIP;
	metadata = segment.p[0] == 0x88;
	if (metadata && gather(d, segment) < 0)
		return -ENOMEM;
	if (!metadata && d->shown.n && d->bpp.state != BPP_EXPECT_88) {
		ipa_download_compare(d);
		ipa_octets_clear(&d->shown);
		if (d->failed)
			return STEP_SKIP;
	}
	d->loading = true;
	r = ipa_ask_card_here(ipa_of(p), ES10B_LOAD_BPP, segment);
	show_progress(d);
	return r;
}

static int keep_result(struct ipa_download *d, struct octets bf37, const struct es10b_install *in)
{
	if (ipa_octets_set(&d->result, bf37) < 0)
		return -ENOMEM;
	d->result_seq = in->meta.seq;
	d->installed = in->ok;
	if (es10_iccid_text(in->meta.iccid, d->iccid) < 0 && !in->ok)
		d->iccid[0] = '\0';
	if (!in->ok)
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "card", in->reason, NULL },
				  "the card does not install it: %s in %s", es10b_bpp_reason_name(in->reason),
				  es10b_bpp_command_name(in->command));
	return 0;
}

static enum step_verdict judge_segment(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct es10b_install in;

	/* More has come, or nothing more will: the next look at it tells. */
	if (d->waiting) {
		i->error_text[0] = '\0';
		return STEP_AGAIN;
	}
	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, ES10B_LOAD_BPP_ERROR, "LoadBoundProfilePackage");
	if (!i->answer.n)
		return STEP_AGAIN;
	if (es10b_install_decode(i->answer, &in) < 0)
		return ipa_download_fail(d, ES10B_LOAD_BPP_ERROR,
					 (struct cause){ CAUSE_MALFORMED, "card", -1, NULL },
					 "the card's result cannot be read");
	if (keep_result(d, i->answer, &in) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	d->percent = 100;
	return STEP_NEXT;
}

/* --- a result that did not come ----------------------------------------------------------------------------------------- */

static int find_result(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct tlv_out w = ipa_writer(ipa_of(p));

	d->percent = -1;
	if (!(d->resuming || d->loading) || d->result.n || !d->session_n)
		return STEP_SKIP;
	es10b_retrieve_all_encode(&w);
	return ipa_ask_card_anyway(ipa_of(p), ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

/* As long as the card does not tell, nobody is told anything: the journal brings us back here. */
static enum step_verdict judge_found(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa_download *d = download_of(p);
	struct es10b_install in;
	size_t n;
	int error;

	if (p->answer.kind != CAUSE_NONE)
		return p->attempt < BUSY_TRIES ? STEP_RETRY : ipa_no_answer(p);
	if (es10b_pending_decode(ipa_of(p)->answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return ipa_garbled(p, "RetrieveNotificationsList");
	if (error)
		return p->attempt < BUSY_TRIES ? STEP_RETRY :
			       ipa_refused(p, "card", error, "the card does not give its notifications");
	for (size_t k = 0; k < n; k++) {
		if (pending[k].kind != ES10B_PENDING_INSTALL ||
		    es10b_install_decode(pending[k].whole, &in) < 0 ||
		    !octets_same(in.transaction_id, octets_from(d->session, d->session_n)))
			continue;
		/* It was installed after all: what went wrong on the way does not count. */
		d->failed = d->failed && !in.ok;
		return keep_result(d, pending[k].whole, &in) < 0 ?
			       ipa_refused(p, "us", ENOMEM, "out of memory") : STEP_NEXT;
	}
	return STEP_NEXT;
}

/* Of one that was cut: what is known of it without a result. */
static int find_reason(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	const struct ipa_journal *j = &ipa_of(p)->download_journal;

	if (!d->resuming || d->result.n || d->failed || j->installed || j->reported)
		return STEP_SKIP;
	if (j->outcome[0])
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "us", -1, NULL }, "%s", j->outcome);
	else
		ipa_download_fail(d, ES10B_CANCEL_TIMEOUT, (struct cause){ CAUSE_LINK_LOST, "us", -1, NULL },
				  "interrupted, the card has installed nothing");
	return STEP_SKIP;
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
	{ "begin",               begin,                 go_on,                   0 },
	{ "rest",                rest,                  judge_rest,              0, 2, PAUSE_MS },
	{ "get-info",            ask_info1,             keep_info1,              0 },
	{ "get-challenge",       ask_challenge,         keep_challenge,          0 },
	{ "initiate-auth",       initiate,              keep_initiated,          0 },
	{ "authenticate-server", authenticate_server,   judge_server,            0 },
	{ "authenticate-client", authenticate_client,   judge_client,            0 },
	{ "get-rules",           ask_rules,             keep_rules,              0 },
	{ "check-profile",       check,                 go_on,                   0 },
	{ "prepare-download",    prepare,               judge_prepared,          0 },
	{ "get-package",         get_package,           judge_package,           0 },
	{ "load-profile",        give_segment,          judge_segment,           0 },
	{ "find-result",         find_result,           judge_found,             0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "find-reason",         find_reason,           go_on,                   0 },
	{ "cancel-card",         ipa_cancel_on_card,    ipa_cancelled_on_card,   0, 2, BUSY_PAUSE_MS },
	{ "cancel-server",       ipa_cancel_at_server,  ipa_cancelled_at_server, 0, 2, REPORT_PAUSE_MS },
	{ "turn",                turn,                  stop_here,               0 },
	{ "settle",              ipa_download_settle,   go_on,                   0 },
	{ "deliver",             ipa_download_deliver,  ipa_download_delivered,  0, 2, REPORT_PAUSE_MS },
	{ "report",              ipa_download_report,   ipa_download_reported,   0, REPORT_TRIES,
	  REPORT_PAUSE_MS },
	{ "remove",              ipa_download_remove,   ipa_download_removed,    0, IPA_REMOVE_TRIES,
	  IPA_REMOVE_PAUSE_MS },
	{ "look",                ipa_download_look,     ipa_download_looked,     0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "enable",              ipa_download_enable,   ipa_download_enabled,    0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "follow",              ipa_download_follow,   go_on,                   0 },
	{ "finish",              ipa_download_finish,   go_on,                   0 },
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
