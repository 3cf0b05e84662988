/* euicc, profiles, eims, notifications and profile.*: what the socket's clients can ask of the card. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "codec/json.h"
#include "core/log.h"
#include "ipa/local.h"
#include "put.h"

static struct app *app_of(struct ctl_user *u)
{
	return container_of(u, struct app, user);
}

/* --- waiting --------------------------------------------------------------------------------------- */

/* A card that is being read is waited for, rather than told about. */
#define READING_WAIT_MS 15000

struct card_wait {
	struct app *app;
	struct ctl_call *call;
	struct json_object *params;
	void (*run)(struct ctl_user *u, struct ctl_call *call, struct json_object *params);
	struct ev_alarm deadline;
	struct list_node node;
};

static void free_wait(struct card_wait *w)
{
	ev_alarm_stop(&w->deadline);
	list_del(&w->node);
	json_object_put(w->params);
	free(w);
}

static void end_wait(struct card_wait *w)
{
	struct json_object *params = json_object_get(w->params);
	struct ctl_call *call = w->call;
	struct app *app = w->app;
	void (*run)(struct ctl_user *u, struct ctl_call *call, struct json_object *params) = w->run;

	call->gone = NULL;
	free_wait(w);
	run(&app->user, call, params);
	json_object_put(params);
}

static void on_wait_over(struct ev_alarm *a)
{
	struct card_wait *w = container_of(a, struct card_wait, deadline);
	struct app *app = w->app;

	app->impatient = true;
	end_wait(w);
	app->impatient = false;
}

static void on_wait_gone(struct ctl_call *call)
{
	free_wait(call->owner);
}

bool euicc_wait_for_card(struct app *app, struct ctl_call *call, struct json_object *params,
			 void (*run)(struct ctl_user *u, struct ctl_call *call,
				     struct json_object *params))
{
	struct card_wait *w;

	if (app->impatient || !ipa_is_reading(&app->ipa))
		return false;
	w = calloc(1, sizeof(*w));
	if (!w)
		return false;
	w->app = app;
	w->call = call;
	w->params = json_object_get(params);
	w->run = run;
	w->deadline.fired = on_wait_over;
	call->owner = w;
	call->gone = on_wait_gone;
	list_add(&app->card_waits, &w->node);
	ev_alarm_start(&w->deadline, READING_WAIT_MS);
	return true;
}

static void end_waits(struct app *app)
{
	struct card_wait *w;

	while (!ipa_is_reading(&app->ipa) && (w = list_first(&app->card_waits, struct card_wait, node)))
		end_wait(w);
}

/* --- looking ------------------------------------------------------------------------------------- */

static const char *why_not(const struct ipa *i)
{
	switch (i->card) {
	case IPA_CARD_ABSENT:
		return "the module has no card, or is not ready";
	case IPA_CARD_READING:
		return "the card is being read; try again in a few seconds";
	case IPA_CARD_NO_EUICC:
		return "the card is no eUICC: it does not know the ISD-R";
	case IPA_CARD_UNREACHABLE:
		return "the card could not be asked; see euicc for the reason";
	case IPA_CARD_READY:
	case _IPA_CARD_MAX:
		break;
	}
	return NULL;
}

/* True, and the call is answered, where the card does not have this fact. */
static bool lacks(const struct ipa *i, struct ctl_call *call, enum euicc_fact fact)
{
	char why[CAUSE_TEXT_MAX + 40];
	const struct cause *missing = &i->facts.missing[fact];

	if (i->card != IPA_CARD_READY) {
		ctl_fail(call, CTL_NOT_READY, why_not(i), NULL);
		return true;
	}
	if (euicc_facts_have(&i->facts, fact))
		return false;
	if (cause_is_set(missing)) {
		char words[CAUSE_TEXT_MAX];

		snprintf(why, sizeof(why), "the card did not give it: %s", cause_text(missing, words));
		ctl_fail(call, CTL_REFUSED, why, NULL);
	} else {
		ctl_fail(call, CTL_NOT_READY, "not read yet", NULL);
	}
	return true;
}

static void run_euicc(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	if (!euicc_wait_for_card(app_of(u), call, params, run_euicc))
		ctl_reply(call, euicc_to_json(&app_of(u)->ipa));
}

static void reply_list(struct ctl_call *call, const char *name, struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	put(o, name, list);
	ctl_reply(call, o);
}

static void run_profiles(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	struct json_object *o;

	if (euicc_wait_for_card(app, call, params, run_profiles) || lacks(&app->ipa, call, FACT_PROFILES))
		return;
	o = json_object_new_object();
	put_text(o, "eid", app->ipa.facts.eid);
	put_text(o, "module_iccid", app->modem.st.iccid);
	put_bool(o, "local", !euicc_facts_is_iot(&app->ipa.facts));
	put(o, "profiles", profiles_to_json(&app->ipa, &app->modem));
	ctl_reply(call, o);
}

static void run_eims(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);

	if (euicc_wait_for_card(app, call, params, run_eims))
		return;
	if (app->ipa.card == IPA_CARD_READY && !euicc_facts_is_iot(&app->ipa.facts))
		ctl_fail(call, CTL_REFUSED, "a consumer card (SGP.22) has no eIMs", NULL);
	else if (!lacks(&app->ipa, call, FACT_EIMS))
		reply_list(call, "eims", eims_to_json(&app->ipa));
}

static void run_notifications(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);

	if (euicc_wait_for_card(app, call, params, run_notifications))
		return;
	if (!lacks(&app->ipa, call, FACT_NOTIFICATIONS))
		reply_list(call, "notifications", notifications_to_json(&app->ipa));
}

/* --- changing -------------------------------------------------------------------------------------- */

/* One local operation at a time: its job, and what it works on. */
struct profile_job {
	struct app *app;
	struct ctl_job *job;
	struct ipa_local local;
};

static void end_job(struct profile_job *p)
{
	p->app->profile_job = NULL;
	free(p);
}

enum ctl_error euicc_error_of(enum cause_kind kind)
{
	switch (kind) {
	case CAUSE_TIMEOUT:
		return CTL_TIMEOUT;
	case CAUSE_MALFORMED:
		return CTL_MALFORMED;
	case CAUSE_LINK_LOST:
		return CTL_LINK_LOST;
	case CAUSE_CANCELLED:
		return CTL_CANCELLED;
	case CAUSE_REFUSED:
	case CAUSE_NONE:
	case _CAUSE_KIND_MAX:
		break;
	}
	return CTL_REFUSED;
}

void euicc_fail_job(const struct app *app, struct ctl_job *job, const struct cause *why)
{
	char words[CAUSE_TEXT_MAX], message[CAUSE_TEXT_MAX + IPA_TEXT_MAX + 4];
	const char *more = ipa_error_text(&app->ipa);

	snprintf(message, sizeof(message), "%s%s%s", more, more[0] ? ": " : "", cause_text(why, words));
	ctl_job_fail(job, euicc_error_of(why->kind), message);
}

static void on_local_done(struct ipa_local *l, const struct cause *why)
{
	struct profile_job *p = container_of(l, struct profile_job, local);
	struct modem *m = &p->app->modem;
	struct json_object *o;

	if (why) {
		euicc_fail_job(p->app, p->job, why);
		end_job(p);
		return;
	}
	o = json_object_new_object();
	put_text(o, "iccid", l->iccid);
	put_text(o, "module_iccid", m->st.iccid);
	put_bool(o, "followed", l->switched && !cause_is_set(&l->follow_why));
	put_text(o, "by", l->switched ? modem_follow_name(m->follow.rung) : NULL);
	put_known(o, "follow_ms", l->switched ? (int64_t)m->follow.took_ms : -1, -1);
	put_cause(o, "problem", &l->follow_why, NULL);
	ctl_job_done(p->job, o);
	end_job(p);
}

static void on_local_progress(struct ipa_local *l, const char *step)
{
	static const struct {
		const char *step;
		int percent;
		const char *text;
	} steps[] = {
		{ "order", 10, "telling the card" },
		{ "follow", 40, "waiting for the module to use it" },
		{ "verify", 90, "asking the card" },
	};
	struct profile_job *p = container_of(l, struct profile_job, local);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (!strcmp(steps[i].step, step))
			ctl_job_progress(p->job, steps[i].percent, steps[i].text);
}

static void refuse_local(const struct app *app, struct ctl_call *call, int r, const char *iccid)
{
	char why[120];

	switch (-r) {
	case EOPNOTSUPP:
		ctl_fail(call, CTL_REFUSED, "an SGP.32 card takes this from its eIM only", NULL);
		break;
	case EAGAIN:
		ctl_fail(call, CTL_NOT_READY,
			 why_not(&app->ipa) ? why_not(&app->ipa) : "the profiles are not known", NULL);
		break;
	case ENOENT:
		snprintf(why, sizeof(why), "no profile has ICCID %s; see profiles", iccid);
		ctl_fail(call, CTL_NOT_FOUND, why, NULL);
		break;
	case EALREADY:
		ctl_fail(call, CTL_REFUSED, "the profile is in that state already", NULL);
		break;
	default:
		ctl_fail(call, CTL_INVALID_PARAMS, "iccid: expected 18 to 20 digits", NULL);
		break;
	}
}

static void run_local(struct ctl_user *u, struct ctl_call *call, struct json_object *params,
		      enum ipa_local_op op, const char *name)
{
	struct app *app = app_of(u);
	struct profile_job *p;
	int r;

	if (app->profile_job) {
		ctl_job_refuse(call, app->profile_job->job);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		ctl_fail(call, CTL_INTERNAL_ERROR, "out of memory", NULL);
		return;
	}
	p->app = app;
	p->local.op = op;
	p->local.done = on_local_done;
	p->local.progress = on_local_progress;
	if (text_copy(json_member_text(params, "nickname"), p->local.nickname,
		      sizeof(p->local.nickname)) < 0) {
		ctl_fail(call, CTL_INVALID_PARAMS, "nickname: longer than 64 octets", NULL);
		free(p);
		return;
	}
	r = text_copy(json_member_text(params, "iccid"), p->local.iccid, sizeof(p->local.iccid));
	if (r == 0)
		r = ipa_local_start(&app->ipa, &p->local);
	p->job = r == 0 ? ctl_job_start(app->ctl, name) : NULL;
	if (r < 0) {
		refuse_local(app, call, r, p->local.iccid);
		free(p);
		return;
	}
	if (!p->job) {
		ipa_local_cancel(&p->local);
		ctl_fail(call, CTL_BUSY, "too many jobs are running", NULL);
		free(p);
		return;
	}
	app->profile_job = p;
	ctl_job_reply(call, p->job);
}

static void run_enable(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	if (!euicc_wait_for_card(app_of(u), call, params, run_enable))
		run_local(u, call, params, IPA_LOCAL_ENABLE, "profile.enable");
}

static void run_disable(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	if (!euicc_wait_for_card(app_of(u), call, params, run_disable))
		run_local(u, call, params, IPA_LOCAL_DISABLE, "profile.disable");
}

static void run_delete(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	if (!euicc_wait_for_card(app_of(u), call, params, run_delete))
		run_local(u, call, params, IPA_LOCAL_DELETE, "profile.delete");
}

static void run_nickname(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	if (!euicc_wait_for_card(app_of(u), call, params, run_nickname))
		run_local(u, call, params, IPA_LOCAL_NICKNAME, "profile.nickname");
}

/* --- events ------------------------------------------------------------------------------------------ */

void euicc_methods_changed(struct app *app, unsigned what)
{
	struct json_object *o;

	end_waits(app);
	if (!ctl_wanted(app->ctl, "euicc"))
		return;
	o = json_object_new_object();
	put(o, "changed", euicc_changes_to_json(what));
	put(o, "euicc", euicc_brief_to_json(&app->ipa));
	if (what & IPA_CHANGED_PROFILES)
		put(o, "profiles", profiles_to_json(&app->ipa, &app->modem));
	ctl_publish(app->ctl, "euicc", o);
}

void euicc_methods_open(struct app *app)
{
	list_init(&app->card_waits);
}

/* The calls and jobs end with the socket; only what belongs to us is left to be freed. */
void euicc_methods_close(struct app *app)
{
	struct profile_job *p = app->profile_job;
	struct card_wait *w;

	while ((w = list_first(&app->card_waits, struct card_wait, node)))
		free_wait(w);
	if (!p)
		return;
	ipa_local_cancel(&p->local);
	end_job(p);
}

const struct ctl_method euicc_methods[] = {
	{ "euicc",            CTL_READER, run_euicc },
	{ "profiles",         CTL_READER, run_profiles },
	{ "eims",             CTL_READER, run_eims },
	{ "notifications",    CTL_READER, run_notifications },
	{ "profile.enable",   CTL_ADMIN,  run_enable },
	{ "profile.disable",  CTL_ADMIN,  run_disable },
	{ "profile.delete",   CTL_ADMIN,  run_delete },
	{ "profile.nickname", CTL_ADMIN,  run_nickname },
	{ 0 }
};
