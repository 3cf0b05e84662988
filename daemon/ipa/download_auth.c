/*
 * The steps from the eUICC's challenge to the package: common mutual authentication (GSMA SGP.22 3.0.1),
 * the profile checked, the download prepared (3.1.3).
 */
#include <errno.h>
#include <string.h>

#include "ipa/download.h"

/* --- authentication -------------------------------------------------------------------------------------- */

int ipa_ask_info1(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (ipa_download_is_off(download_of(p)) || download_of(p)->info1.n)
		return STEP_SKIP;
	es10b_get_info1_encode(&w);
	return ipa_ask_card(ipa_of(p), ES10B_GET_INFO1, &w);
}

enum step_verdict ipa_keep_info1(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, -1, "GetEUICCInfo1");
	if (ipa_octets_set(&d->info1, ipa_of(p)->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_NEXT;
}

int ipa_ask_challenge(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (ipa_download_is_off(download_of(p)))
		return STEP_SKIP;
	es10b_get_challenge_encode(&w);
	return ipa_ask_card(ipa_of(p), ES10B_GET_CHALLENGE, &w);
}

enum step_verdict ipa_keep_challenge(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct octets challenge;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, -1, "GetEUICCChallenge");
	if (es10b_challenge_decode(ipa_of(p)->answer, &challenge) < 0 ||
	    challenge.n != sizeof(d->challenge))
		return ipa_download_garbled(d, "GetEUICCChallenge");
	memcpy(d->challenge, challenge.p, challenge.n);
	return STEP_NEXT;
}

int ipa_initiate(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (ipa_download_is_off(d))
		return STEP_SKIP;
	return ipa_server_initiate(d, octets_from(d->challenge, sizeof(d->challenge)));
}

/* From here on there is something to cancel; after a crash, too. */
enum step_verdict ipa_keep_initiated(struct proc *p)
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
int ipa_authenticate_server(struct proc *p)
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

	if (ipa_download_is_off(d))
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
		return ipa_download_garbled(d, es10_function_name(f));
	if (ipa_octets_set(&d->card_answer, answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return ret->error ? forward(d, f, ret->error) : STEP_NEXT;
}

enum step_verdict ipa_judge_server(struct proc *p)
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

int ipa_authenticate_client(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward && ipa_download_is_off(d))
		return STEP_SKIP;
	return ipa_server_authenticate(d, card_answer(d));
}

enum step_verdict ipa_judge_client(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward)
		ipa_server_authenticated(d);
	d->forward = false;
	return STEP_NEXT;
}

/* --- the profile --------------------------------------------------------------------------------------------- */

int ipa_ask_rules(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);

	if (ipa_download_is_off(d) || !ipa_download_needs_rules(d) || euicc_facts_have(&i->facts, FACT_RAT))
		return STEP_SKIP;
	return ipa_ask_facts(i, 1u << FACT_RAT);
}

enum step_verdict ipa_keep_rules(struct proc *p)
{
	return p->answer.kind == CAUSE_NONE ? ipa_keep_facts(p) : STEP_NEXT;
}

int ipa_check_profile(struct proc *p)
{
	if (!ipa_download_is_off(download_of(p)))
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

int ipa_prepare(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct es10b_prepare q = {
		.signed2 = d->authenticated.smdp_signed2, .signature2 = d->authenticated.smdp_signature2,
		.certificate = d->authenticated.certificate,
	};
	struct tlv_out w = ipa_writer(i);
	uint8_t hash[32];

	if (ipa_download_is_off(d))
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

enum step_verdict ipa_judge_prepared(struct proc *p)
{
	struct es10b_signed s;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, ES10B_CANCEL_UNDEFINED, "PrepareDownload");
	return keep_card_answer(p, ES10B_PREPARE_DOWNLOAD, &s);
}

int ipa_get_package(struct proc *p)
{
	struct ipa_download *d = download_of(p);

	if (!d->forward && ipa_download_is_off(d))
		return STEP_SKIP;
	return p->piece ? ipa_await_stream(ipa_of(p)) : ipa_server_get_package(d, card_answer(d));
}

/* As soon as the package begins, the card gets it; the rest comes in meanwhile. */
enum step_verdict ipa_judge_package(struct proc *p)
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
