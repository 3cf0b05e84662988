/* ipa.status, ipa.poll, ipa.addEim: the eIMs' side of the socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "core/file.h"
#include "core/log.h"
#include "ipa/add.h"
#include "put.h"

static struct app *app_of(struct ctl_user *u)
{
	return container_of(u, struct app, user);
}

/* --- status -------------------------------------------------------------------------------------- */

static int64_t seconds_since(uint64_t ms)
{
	return ms ? (int64_t)((ev_now_ms() - ms) / 1000) : -1;
}

static struct json_object *visit_to_json(const struct ipa_eim *e)
{
	struct json_object *o = json_object_new_object();
	uint64_t next = e->schedule.next_ms, now = ev_now_ms();
	struct eim_way way = { .octets_sent = -1, .octets_received = -1 };

	eim_tell(e->link, &way);
	put_utf8(o, "id", e->id, e->id_n);
	put_text(o, "fqdn", e->fqdn);
	put_text(o, "transport", way.transport);
	put_text(o, "transport_problem", way.instead);
	put_bool(o, "connected", way.open);
	put_known(o, "octets_sent", way.octets_sent, -1);
	put_known(o, "octets_received", way.octets_received, -1);
	put_text(o, "phase", e->work.ipa ? ipa_phase_name(e->visit.phase) : NULL);
	put_known(o, "next_s", next ? (int64_t)(next > now ? (next - now) / 1000 : 0) : -1, -1);
	put_known(o, "visited_ago_s", seconds_since(e->visited_ms), -1);
	put_cause(o, "problem", &e->why, e->text);
	put_int(o, "visits", e->visits);
	put_int(o, "failures", e->failures);
	put_int(o, "packages", e->packages);
	return o;
}

static struct json_object *record_to_json(const struct ipa_record *r)
{
	struct json_object *o = json_object_new_object();

	put_known(o, "ago_s", seconds_since(r->at_ms), -1);
	put_utf8(o, "eim", r->eim[0] ? r->eim : NULL, strlen(r->eim));
	put_text(o, "what", r->text);
	put_text(o, "outcome", r->outcome);
	put_int(o, "duration_ms", r->took_ms);
	return o;
}

static struct json_object *ipa_to_json(const struct ipa *i)
{
	struct json_object *o = json_object_new_object(), *eims = json_object_new_array();
	struct json_object *history = json_object_new_array();
	const struct ipa_eims *all = i->eims;
	unsigned first = all->n_history > IPA_HISTORY ? all->n_history - IPA_HISTORY : 0;

	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (all->list[k].used)
			json_object_array_add(eims, visit_to_json(&all->list[k]));
	for (unsigned k = first; k < all->n_history; k++)
		json_object_array_add(history, record_to_json(&all->history[k % IPA_HISTORY]));
	put_text(o, "doing", i->now ? i->now->name : NULL);
	put_text(o, "step", i->now ? i->step : NULL);
	put_bool(o, "online", i->online);
	put_text(o, "cut", ipa_journal_is_open(&i->journal) ? i->journal.step : NULL);
	put(o, "download", download_to_json(i));
	put_text(o, "download_cut", !i->download && ipa_journal_is_open(&i->download_journal) ?
				    i->download_journal.step : NULL);
	put(o, "eims", eims);
	put(o, "history", history);
	return o;
}

static void run_status(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	(void)params;
	ctl_reply(call, ipa_to_json(&app_of(u)->ipa));
}

/* --- poll ------------------------------------------------------------------------------------------ */

/* The eIMs that a job still waits for. */
static bool is_visiting(const struct app *app)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (app->ipa.eims->list[k].work.ipa)
			return true;
	return false;
}

/* What went wrong at one that this poll was for; others may have had their problems before. */
static const struct ipa_eim *failed_visit(const struct app *app)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++) {
		const struct ipa_eim *e = &app->ipa.eims->list[k];

		if (e->used && cause_is_set(&e->why) && (!app->polled[0] || !strcmp(app->polled, e->id)))
			return e;
	}
	return NULL;
}

static void end_poll(struct app *app)
{
	struct ctl_job *job = app->poll_job;
	const struct ipa_eim *e = failed_visit(app);
	char words[CAUSE_TEXT_MAX], message[IPA_EIM_ID_MAX + IPA_TEXT_MAX + 8];

	app->poll_job = NULL;
	if (!e) {
		ctl_job_done(job, ipa_to_json(&app->ipa));
		return;
	}
	snprintf(message, sizeof(message), "eIM %s: %s", e->id, e->text[0] ? e->text : cause_text(&e->why, words));
	ctl_job_fail(job, euicc_error_of(e->why.kind), message);
}

static void run_poll(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	char eim[IPA_EIM_ID_MAX];
	struct text id = json_member_text(params, "eim");

	if (text_copy(id, eim, sizeof(eim)) < 0) {
		ctl_fail(call, CTL_INVALID_PARAMS, "eim: longer than any id", NULL);
		return;
	}
	if (euicc_wait_for_card(app, call, params, run_poll))
		return;
	if (app->poll_job) {
		ctl_job_refuse(call, app->poll_job);
		return;
	}
	if (app->ipa.card != IPA_CARD_READY) {
		ctl_fail(call, CTL_NOT_READY, "the eUICC is not ready; see euicc", NULL);
		return;
	}
	if (ipa_poll(&app->ipa, id.n ? eim : NULL) < 0) {
		ctl_fail(call, CTL_NOT_FOUND, id.n ? "no such eIM; see eims" :
						     "the eUICC has no eIM that can be visited; see eims", NULL);
		return;
	}
	app->poll_job = ctl_job_start(app->ctl, "ipa.poll");
	if (!app->poll_job) {
		ctl_fail(call, CTL_BUSY, "too many jobs are running", NULL);
		return;
	}
	text_copy(id, app->polled, sizeof(app->polled));
	ctl_job_reply(call, app->poll_job);
	if (!is_visiting(app))
		end_poll(app);
}

/* --- addEim ------------------------------------------------------------------------------------------- */

struct add_call {
	struct app *app;
	struct ctl_call *call;          /* NULL: from the configuration, or the client is gone */
	struct ipa_add add;
	uint8_t der[IPA_EIM_FILE_MAX];
};

static void end_add(struct add_call *c)
{
	c->app->add_call = NULL;
	free(c);
}

static void on_added(struct ipa_add *a, const struct cause *why)
{
	struct add_call *c = container_of(a, struct add_call, add);
	char words[CAUSE_TEXT_MAX], message[IPA_TEXT_MAX + CAUSE_TEXT_MAX];
	const char *more = ipa_error_text(&c->app->ipa);

	if (!why)
		log_info("ipa", "%zu eIMs added", a->n_added);
	if (c->call && why) {
		snprintf(message, sizeof(message), "%s%s%s", more, more[0] ? ": " : "",
			 cause_text(why, words));
		ctl_fail(c->call, CTL_REFUSED, message, NULL);
	} else if (c->call) {
		struct json_object *o = json_object_new_object();

		put_int(o, "added", (int64_t)a->n_added);
		put(o, "eims", eims_to_json(&c->app->ipa));
		ctl_reply(c->call, o);
	}
	end_add(c);
}

static void on_add_gone(struct ctl_call *call)
{
	struct add_call *c = call->owner;

	c->call = NULL;
}

static const char *why_not_added(int r)
{
	switch (-r) {
	case EAGAIN:
		return "the eUICC is not ready; see euicc";
	case EOPNOTSUPP:
		return "a consumer card (SGP.22) has no eIMs";
	case EEXIST:
		return "the eUICC has an eIM already: only that one can add others";
	default:
		return "expected an AddInitialEimRequest or EimConfigurationData in DER";
	}
}

static int start_add(struct app *app, struct ctl_call *call, const uint8_t *der, size_t n)
{
	struct add_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(c->der, der, n);
	c->app = app;
	c->call = call;
	c->add.der = octets_from(c->der, n);
	c->add.done = on_added;
	r = ipa_add_start(&app->ipa, &c->add);
	if (r < 0) {
		free(c);
		return r;
	}
	app->add_call = c;
	return 0;
}

static void run_add_eim(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	uint8_t der[IPA_EIM_FILE_MAX];
	size_t n;
	int r;

	if (app->add_call) {
		ctl_fail(call, CTL_BUSY, "an eIM is being added", NULL);
		return;
	}
	if (base64_decode(json_member_text(params, "der"), der, sizeof(der), &n) < 0 || !n) {
		ctl_fail(call, CTL_INVALID_PARAMS, "der: expected the configuration in base64", NULL);
		return;
	}
	r = start_add(app, call, der, n);
	if (r < 0) {
		ctl_fail(call, r == -EAGAIN ? CTL_NOT_READY : r == -EBADMSG ? CTL_INVALID_PARAMS :
							      CTL_REFUSED, why_not_added(r), NULL);
		return;
	}
	call->owner = app->add_call;
	call->gone = on_add_gone;
}

/* The card is read and has no eIM: the one that the configuration names. */
static void add_first(struct app *app)
{
	const char *path = app->settings.ipa_first_eim;
	uint8_t der[IPA_EIM_FILE_MAX];
	size_t n;
	int r;

	if (!path[0] || app->add_call || app->first_eim_tried || app->ipa.card != IPA_CARD_READY ||
	    !euicc_facts_is_iot(&app->ipa.facts) ||
	    !euicc_facts_have(&app->ipa.facts, FACT_EIMS) || app->ipa.facts.n_eims)
		return;
	app->first_eim_tried = true;
	r = file_load(path, der, sizeof(der), &n);
	if (r < 0) {
		log_error("ipa", "first_eim = %s: %s", path, strerror(-r));
		return;
	}
	r = start_add(app, NULL, der, n);
	if (r < 0)
		log_error("ipa", "first_eim = %s: %s", path, why_not_added(r));
}

/* --- events ---------------------------------------------------------------------------------------------- */

void ipa_methods_changed(struct app *app, unsigned what)
{
	if (what & IPA_CHANGED_EIMS)
		add_first(app);
	if (app->poll_job && app->ipa.now && app->ipa.step)
		ctl_job_progress(app->poll_job, -1, app->ipa.step);
	if (app->poll_job && !is_visiting(app))
		end_poll(app);
	if (what & IPA_CHANGED_ACTIVITY && ctl_wanted(app->ctl, "ipa")) {
		struct json_object *o = json_object_new_object();

		put(o, "ipa", ipa_to_json(&app->ipa));
		ctl_publish(app->ctl, "ipa", o);
	}
}

void ipa_methods_close(struct app *app)
{
	struct add_call *c = app->add_call;

	app->poll_job = NULL;
	if (!c)
		return;
	ipa_add_cancel(&c->add);
	end_add(c);
}

const struct ctl_method ipa_methods[] = {
	{ "ipa.status", CTL_READER, run_status },
	{ "ipa.poll",   CTL_ADMIN,  run_poll },
	{ "ipa.addEim", CTL_ADMIN,  run_add_eim },
	{ 0 }
};
