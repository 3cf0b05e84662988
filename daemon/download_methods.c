/* profile.download, and how a download stands: a job with progress. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "codec/json.h"
#include "ipa/download.h"
#include "put.h"

static struct app *app_of(struct ctl_user *u)
{
	return container_of(u, struct app, user);
}

/* --- status -------------------------------------------------------------------------------------- */

struct json_object *download_to_json(const struct ipa *i)
{
	const struct ipa_download *d = i->download;
	struct json_object *o;

	if (!d)
		return NULL;
	o = json_object_new_object();
	put_text(o, "way", d->indirect ? "indirect" : "direct");
	put_text(o, "server", d->address[0] ? d->address : NULL);
	put_text(o, "iccid", d->iccid[0] ? d->iccid : NULL);
	put_utf8(o, "name", d->name[0] ? d->name : NULL, strlen(d->name));
	put_text(o, "step", i->step);
	put_known(o, "percent", d->percent, -1);
	put_known(o, "octets", d->bpp.total ? (int64_t)d->bpp.total : -1, -1);
	put_bool(o, "recovering", d->resuming);
	return o;
}

/* --- the job --------------------------------------------------------------------------------------- */

/* In words for people, and about how far it is by then: loading takes nearly all of the time. */
static const struct {
	const char *step, *text;
	int percent;
} steps[] = {
	{ "rest", "waiting before another try", -1 },
	{ "get-info", "asking the card", 1 },
	{ "initiate-auth", "calling the server", 2 },
	{ "authenticate-server", "the card checks the server", 4 },
	{ "authenticate-client", "the server checks the card", 6 },
	{ "prepare-download", "the card prepares", 8 },
	{ "get-package", "the server binds the profile", 10 },
	{ "load-profile", "loading the profile", 12 },
	{ "cancel-card", "cancelling", -1 },
	{ "deliver", "reporting", 98 },
};

#define LOAD_FROM 12
#define LOAD_TO 97

static void on_progress(struct ipa_download *d, const char *step, int percent)
{
	struct app *app = d->owner;

	if (!app->download_job)
		return;
	for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
		if (strcmp(steps[k].step, step) != 0)
			continue;
		ctl_job_progress(app->download_job, percent >= 0 ?
				 LOAD_FROM + percent * (LOAD_TO - LOAD_FROM) / 100 : steps[k].percent,
				 steps[k].text);
	}
}

static void on_done(struct ipa_download *d, const struct cause *why)
{
	struct app *app = d->owner;
	struct ctl_job *job = app->download_job;
	struct json_object *o;

	app->download_job = NULL;
	if (!job)
		return;
	if (why && d->failed) {
		/* The whole story, told by who knows it. */
		ctl_job_fail(job, euicc_error_of(why->kind), d->text);
		return;
	}
	if (why) {
		euicc_fail_job(app, job, why);
		return;
	}
	o = json_object_new_object();
	put_text(o, "iccid", d->iccid);
	put_utf8(o, "name", d->name[0] ? d->name : NULL, strlen(d->name));
	put_text(o, "server", d->address);
	put_bool(o, "delivered", d->delivered);
	ctl_job_done(job, o);
}

static void on_cancel(struct ctl_job *job)
{
	struct app *app = job->owner;

	if (app->ipa.download && !app->ipa.download->eim)
		ipa_download_stop(app->ipa.download);
}

static enum ctl_error error_of_start(int r)
{
	switch (-r) {
	case EAGAIN:
		return CTL_NOT_READY;
	case EBUSY:
		return CTL_BUSY;
	case EINVAL:
		return CTL_INVALID_PARAMS;
	case ENOMEM:
		return CTL_INTERNAL_ERROR;
	default:
		return CTL_REFUSED;
	}
}

static void run_download(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	char code[ES9P_CODE_MAX], confirmation[IPA_CONFIRMATION_MAX], why[IPA_TEXT_MAX] = "out of memory";
	struct ipa_download_order order = { .code = code, .confirmation = confirmation };
	struct ipa_download *d;
	int r;

	if (text_copy(json_member_text(params, "code"), code, sizeof(code)) < 0) {
		ctl_fail(call, CTL_INVALID_PARAMS, "code: longer than 255 characters", NULL);
		return;
	}
	if (text_copy(json_member_text(params, "confirmation"), confirmation, sizeof(confirmation)) < 0) {
		ctl_fail(call, CTL_INVALID_PARAMS, "confirmation: longer than any is", NULL);
		return;
	}
	if (euicc_wait_for_card(app, call, params, run_download))
		return;
	if (app->download_job) {
		ctl_job_refuse(call, app->download_job);
		return;
	}
	r = ipa_download_start(&app->ipa, &order, app, on_progress, on_done, &d, why);
	explicit_bzero(confirmation, sizeof(confirmation));
	if (r < 0) {
		ctl_fail(call, error_of_start(r), why, NULL);
		return;
	}
	app->download_job = ctl_job_start(app->ctl, "profile.download");
	if (!app->download_job) {
		ipa_download_stop(d);
		ctl_fail(call, CTL_BUSY, "too many jobs are running", NULL);
		return;
	}
	app->download_job->cancel = on_cancel;
	app->download_job->owner = app;
	ctl_job_reply(call, app->download_job);
}

/* The job ends with the socket. */
void download_methods_close(struct app *app)
{
	app->download_job = NULL;
}

const struct ctl_method download_methods[] = {
	{ "profile.download", CTL_ADMIN, run_download },
	{ 0 }
};
