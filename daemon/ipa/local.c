/*
 * Enable, disable, delete, nickname by ES10c (GSMA SGP.22 5.7.16 to 5.7.21). What was said to the
 * card does not count, what it says afterwards does: after a switch the module is made to follow,
 * and the card is asked which profile is enabled.
 *
 * Some cards take Enable and Disable only by AID, or only without refreshFlag, and answer the other
 * forms with undefinedError: all four are tried, the specification's first. Where the answer to the
 * order is lost on the way, the card is asked what has become of it.
 */
#include "ipa/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define BUSY_TRIES 6
#define BUSY_PAUSE_MS 3000
#define ONGOING_TRIES 10
#define ONGOING_PAUSE_MS 1000
/* A module that restarts on the way is waited for. */
#define RETURN_MS 180000
#define RETURN_PAUSE_MS 3000
#define FORMS 4

static struct ipa_local *local_of(struct proc *p)
{
	return container_of(ipa_of(p)->now, struct ipa_local, work);
}

static struct es10c_id id_of(const struct ipa_local *l, bool by_aid)
{
	if (by_aid)
		return (struct es10c_id){ .aid = octets_from(l->aid, l->aid_n) };
	return (struct es10c_id){ .iccid = octets_from(l->raw_iccid, sizeof(l->raw_iccid)) };
}

static enum es10_function function_of(const struct ipa_local *l)
{
	static const enum es10_function functions[_IPA_LOCAL_MAX] = {
		[IPA_LOCAL_ENABLE] = ES10C_ENABLE, [IPA_LOCAL_DISABLE] = ES10C_DISABLE,
		[IPA_LOCAL_DELETE] = ES10C_DELETE, [IPA_LOCAL_NICKNAME] = ES10C_SET_NICKNAME,
	};

	return functions[l->op];
}

static bool is_switch(const struct ipa_local *l)
{
	return l->op == IPA_LOCAL_ENABLE || l->op == IPA_LOCAL_DISABLE;
}

/* --- the order ------------------------------------------------------------------------------------- */

static int give_order(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_local *l = local_of(p);
	struct tlv_out w = ipa_writer(i);
	bool by_aid = p->piece / 2, refresh = p->piece % 2 == 0;

	switch (l->op) {
	case IPA_LOCAL_ENABLE:
		es10c_enable_encode(&w, id_of(l, by_aid), refresh);
		break;
	case IPA_LOCAL_DISABLE:
		es10c_disable_encode(&w, id_of(l, by_aid), refresh);
		break;
	case IPA_LOCAL_DELETE:
		es10c_delete_encode(&w, id_of(l, false));
		break;
	case IPA_LOCAL_NICKNAME:
		es10c_set_nickname_encode(&w, id_of(l, false).iccid, text_of(l->nickname));
		break;
	case _IPA_LOCAL_MAX:
		break;
	}
	return ipa_ask_card(i, function_of(l), &w);
}

static bool has_more_forms(const struct proc *p, const struct ipa_local *l)
{
	return is_switch(l) && p->piece + 1 < (l->aid_n ? FORMS : FORMS / 2);
}

static enum step_verdict judge_order(struct proc *p)
{
	struct ipa_local *l = local_of(p);
	enum es10_function f = function_of(l);
	int code;

	/* It may have been done all the same. */
	if (p->answer.kind != CAUSE_NONE && is_switch(l)) {
		ipa_no_answer(p);
		l->order_why = p->answer;
		return STEP_NEXT;
	}
	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	if (es10_result_decode(f, ipa_of(p)->answer, &code) < 0)
		return ipa_garbled(p, es10_function_name(f));
	if (code == ES10_OK) {
		l->switched = is_switch(l);
		return STEP_NEXT;
	}
	if (code == ES10_CAT_BUSY && p->attempt < BUSY_TRIES)
		return STEP_RETRY;
	/* Done already, by an order whose answer was lost? */
	if (code == ES10C_WRONG_STATE && is_switch(l)) {
		ipa_explain(ipa_of(p), "%s", es10_result_name(f, code));
		l->order_why = (struct cause){ CAUSE_REFUSED, "card", code, NULL };
		return STEP_NEXT;
	}
	/* A card that only knows another form may call this one anything but a state. */
	if ((code == ES10_UNDEFINED_ERROR || code == ES10C_NOT_FOUND) && has_more_forms(p, l))
		return STEP_AGAIN;
	return ipa_refused(p, "card", code, es10_result_name(f, code));
}

/* --- the module -------------------------------------------------------------------------------------- */

static int make_module_follow(struct proc *p)
{
	struct ipa_local *l = local_of(p);

	if (!l->switched)
		return STEP_SKIP;
	return ipa_ask_module(ipa_of(p), l->op == IPA_LOCAL_ENABLE ? l->iccid : "");
}

/* The card has switched all the same: that is told apart. */
static enum step_verdict judge_module(struct proc *p)
{
	local_of(p)->follow_why = p->answer;
	return STEP_NEXT;
}

/* --- the card's own word ------------------------------------------------------------------------------- */

static int ask_profiles(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct tlv_out w = ipa_writer(i);

	es10c_get_profiles_encode(&w, (struct es10c_id){ 0 }, es10c_tags_state);
	return ipa_ask_card_anyway(i, ES10C_GET_PROFILES, &w);
}

/* STEP_NEXT: the profile is in the state that was ordered, or is not: ret_done. */
static enum step_verdict judge_profiles(struct proc *p, bool *ret_done)
{
	struct es10c_profile profiles[FACTS_PROFILES_MAX];
	struct ipa_local *l = local_of(p);
	int error, state = -1;
	size_t n;

	if (p->answer.kind != CAUSE_NONE)
		return p->attempt < ONGOING_TRIES ? STEP_RETRY : ipa_no_answer(p);
	if (es10c_profiles_decode(ipa_of(p)->answer, profiles, ARRAY_SIZE(profiles), &n, &error) < 0)
		return ipa_garbled(p, "GetProfilesInfo");
	if (error == ES10C_PROFILES_CHANGE_ONGOING && p->attempt < ONGOING_TRIES)
		return STEP_RETRY;
	for (size_t k = 0; k < n; k++)
		if (octets_same(profiles[k].iccid, octets_from(l->raw_iccid, sizeof(l->raw_iccid))))
			state = profiles[k].state;
	*ret_done = state == (l->op == IPA_LOCAL_ENABLE ? ES10C_ENABLED : ES10C_DISABLED);
	return STEP_NEXT;
}

static int ask_whether(struct proc *p)
{
	return cause_is_set(&local_of(p)->order_why) ? ask_profiles(p) : STEP_SKIP;
}

static enum step_verdict judge_whether(struct proc *p)
{
	struct ipa_local *l = local_of(p);
	enum step_verdict v = judge_profiles(p, &l->switched);

	if (v != STEP_NEXT || l->switched)
		return v;
	proc_fail(p, l->order_why.kind, l->order_why.from, l->order_why.code);
	return STEP_FAIL;
}

static int ask_state(struct proc *p)
{
	return local_of(p)->switched ? ask_profiles(p) : STEP_SKIP;
}

static enum step_verdict judge_state(struct proc *p)
{
	bool done = false;
	enum step_verdict v = judge_profiles(p, &done);

	if (v != STEP_NEXT || done)
		return v;
	/* It said yes and did not: some cards go back to their operator's profile at power-up. */
	return ipa_refused(p, "card", -1, "the card has not kept the change");
}

/* Whoever hears that it is done finds it in the list. */
static int read_again(struct proc *p)
{
	return ipa_ask_facts(ipa_of(p), 1u << FACT_PROFILES | 1u << FACT_NOTIFICATIONS);
}

/* What was ordered is done, whether the list can be read just now or not. */
static enum step_verdict keep_list(struct proc *p)
{
	if (p->answer.kind == CAUSE_NONE)
		return ipa_keep_facts(p);
	ipa_read_again(ipa_of(p), 1u << FACT_PROFILES | 1u << FACT_NOTIFICATIONS);
	return STEP_NEXT;
}

static const struct step local_steps[] = {
	{ "order",   give_order,         judge_order,   0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "whether", ask_whether,        judge_whether, 0, ONGOING_TRIES, ONGOING_PAUSE_MS },
	{ "follow",  make_module_follow, judge_module,  0 },
	{ "verify",  ask_state,          judge_state,   0, ONGOING_TRIES, ONGOING_PAUSE_MS },
	{ "read",    read_again,         keep_list,     0 },
	{ 0 }
};

/* After the loss of the link, which ends every procedure. */
static const struct step return_steps[] = {
	{ "whether", ask_whether,        judge_whether, 0, ONGOING_TRIES, ONGOING_PAUSE_MS },
	{ "follow",  make_module_follow, judge_module,  0 },
	{ "verify",  ask_state,          judge_state,   0, ONGOING_TRIES, ONGOING_PAUSE_MS },
	{ "read",    read_again,         keep_list,     0 },
	{ 0 }
};

/* --- start and end ----------------------------------------------------------------------------------------- */

static void on_progress(struct ipa_work *w, const char *step)
{
	struct ipa_local *l = container_of(w, struct ipa_local, work);

	if (l->progress)
		l->progress(l, step);
}

static void on_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa_local *l = container_of(w, struct ipa_local, work);

	if (why && why->kind == CAUSE_LINK_LOST && is_switch(l) &&
	    (!l->lost_ms || ev_now_ms() - l->lost_ms < RETURN_MS)) {
		if (!l->lost_ms)
			l->lost_ms = ev_now_ms();
		if (!cause_is_set(&l->order_why))
			l->order_why = *why;
		w->steps = return_steps;
		ev_alarm_start(&l->again, RETURN_PAUSE_MS);
		return;
	}
	/* What came of it is not known: the card is. */
	if (why)
		ipa_read_again(l->ipa, 1u << FACT_PROFILES | 1u << FACT_NOTIFICATIONS);
	l->done(l, why);
}

static void on_again(struct ev_alarm *a)
{
	struct ipa_local *l = container_of(a, struct ipa_local, again);

	ipa_submit(l->ipa, &l->work);
}

static const struct es10c_profile *find(const struct ipa *i, const char *iccid)
{
	char text[ES10_ICCID_TEXT_MAX];

	for (size_t k = 0; k < i->facts.n_profiles; k++)
		if (es10_iccid_text(i->facts.profiles[k].iccid, text) == 0 && !strcmp(text, iccid))
			return &i->facts.profiles[k];
	return NULL;
}

static int check(const struct ipa *i, struct ipa_local *l)
{
	const struct es10c_profile *profile;

	if (i->card != IPA_CARD_READY || !euicc_facts_have(&i->facts, FACT_PROFILES))
		return -EAGAIN;
	if (euicc_facts_is_iot(&i->facts))
		return -EOPNOTSUPP;
	if (es10_iccid_from_text(text_of(l->iccid), l->raw_iccid) < 0)
		return -EINVAL;
	profile = find(i, l->iccid);
	if (!profile)
		return -ENOENT;
	if (l->op == IPA_LOCAL_ENABLE && profile->state == ES10C_ENABLED)
		return -EALREADY;
	if (l->op == IPA_LOCAL_DISABLE && profile->state == ES10C_DISABLED)
		return -EALREADY;
	l->aid_n = MIN(profile->aid.n, sizeof(l->aid));
	memcpy(l->aid, profile->aid.p ? profile->aid.p : l->aid, l->aid_n);
	return 0;
}

int ipa_local_start(struct ipa *i, struct ipa_local *l)
{
	static const char *const names[_IPA_LOCAL_MAX] = {
		[IPA_LOCAL_ENABLE] = "enable", [IPA_LOCAL_DISABLE] = "disable",
		[IPA_LOCAL_DELETE] = "delete", [IPA_LOCAL_NICKNAME] = "nickname",
	};
	int r = check(i, l);

	if (r < 0)
		return r;
	l->ipa = i;
	l->switched = false;
	l->follow_why = l->order_why = (struct cause){ 0 };
	l->work.name = names[l->op];
	l->work.steps = local_steps;
	l->work.ended = on_ended;
	l->work.progress = on_progress;
	l->again.fired = on_again;
	l->lost_ms = 0;
	ipa_submit(i, &l->work);
	return 0;
}

void ipa_local_cancel(struct ipa_local *l)
{
	ev_alarm_stop(&l->again);
	ipa_withdraw(&l->work);
}
