/* Jobs: what takes longer than an answer should, told of as it goes on, kept for a while after. */
#include <stdlib.h>

#include "core/ev.h"
#include "core/log.h"
#include "ctl/rpc.h"
#include "ctl/server.h"

#define RUNNING_MAX 16

static const char *const state_names[] = {
	[CTL_JOB_RUNNING] = "running", [CTL_JOB_DONE] = "done", [CTL_JOB_FAILED] = "failed",
	[CTL_JOB_CANCELLED] = "cancelled",
};

struct ctl_job *ctl_job_find(struct ctl *c, uint32_t id)
{
	struct ctl_job *job;

	list_for_each (job, &c->jobs, node)
		if (job->id == id)
			return job;
	return NULL;
}

struct json_object *ctl_job_to_json(const struct ctl_job *job)
{
	struct json_object *o = json_object_new_object();
	bool ended = job->state != CTL_JOB_RUNNING, done = job->state == CTL_JOB_DONE;
	uint64_t until = ended ? job->ended_ms : ev_now_ms();

	json_object_object_add(o, "id", json_object_new_int64(job->id));
	json_object_object_add(o, "name", json_object_new_string(job->name));
	json_object_object_add(o, "state", json_object_new_string(state_names[job->state]));
	json_object_object_add(o, "percent", job->percent < 0 ? NULL : json_object_new_int(job->percent));
	json_object_object_add(o, "text", json_object_new_string(job->text));
	json_object_object_add(o, "duration_ms",
			       json_object_new_int64((int64_t)(until - job->started_ms)));
	json_object_object_add(o, "result", done ? json_object_get(job->result) : NULL);
	json_object_object_add(o, "error", ended && !done ? json_object_get(job->result) : NULL);
	return o;
}

static void tell(const struct ctl_job *job)
{
	struct json_object *o;

	if (!ctl_wanted(job->ctl, "job"))
		return;
	o = json_object_new_object();
	json_object_object_add(o, "job", ctl_job_to_json(job));
	ctl_publish(job->ctl, "job", o);
}

static void free_job(struct ctl_job *job)
{
	list_del(&job->node);
	json_object_put(job->result);
	free(job);
}

static unsigned count(const struct ctl *c, bool running)
{
	const struct ctl_job *job;
	unsigned n = 0;

	list_for_each (job, &c->jobs, node)
		n += (job->state == CTL_JOB_RUNNING) == running;
	return n;
}

struct ctl_job *ctl_job_start(struct ctl *c, const char *name)
{
	struct ctl_job *job;

	if (count(c, true) >= RUNNING_MAX)
		return NULL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->ctl = c;
	job->id = ++c->last_job;
	job->name = name;
	job->percent = -1;
	job->started_ms = ev_now_ms();
	list_add(&c->jobs, &job->node);
	tell(job);
	return job;
}

void ctl_job_reply(struct ctl_call *call, const struct ctl_job *job)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "job", json_object_new_int64(job->id));
	ctl_reply(call, o);
}

void ctl_job_progress(struct ctl_job *job, int percent, const char *text)
{
	job->percent = percent;
	if (text_copy(text_of(text), job->text, sizeof(job->text)) < 0)
		log_debug("ctl", "job %u: a text of %zu octets is too long, ignoring", job->id,
			  strlen(text));
	tell(job);
}

static void end(struct ctl_job *job, enum ctl_job_state state, struct json_object *result)
{
	struct ctl *c = job->ctl;
	struct ctl_job *old, *next;
	unsigned ended = count(c, false) + 1;

	job->state = state;
	job->result = result;
	job->ended_ms = ev_now_ms();
	job->cancel = NULL;
	if (state == CTL_JOB_DONE)
		job->percent = 100;
	log_info("ctl", "job %u, %s: %s after %llu ms", job->id, job->name, state_names[state],
		 (unsigned long long)(job->ended_ms - job->started_ms));
	tell(job);
	list_for_each_safe (old, next, &c->jobs, node) {
		if (ended <= CTL_JOBS_KEPT)
			break;
		if (old->state == CTL_JOB_RUNNING || old == job)
			continue;
		free_job(old);
		ended--;
	}
}

void ctl_job_done(struct ctl_job *job, struct json_object *result)
{
	end(job, CTL_JOB_DONE, result);
}

void ctl_job_fail(struct ctl_job *job, enum ctl_error error, const char *message)
{
	end(job, error == CTL_CANCELLED ? CTL_JOB_CANCELLED : CTL_JOB_FAILED,
	    rpc_error(error, message, NULL));
}

void ctl_job_refuse(struct ctl_call *call, const struct ctl_job *job)
{
	char why[120];

	snprintf(why, sizeof(why), "%s is under way: job %u", job->name, job->id);
	ctl_fail(call, CTL_BUSY, why, NULL);
}

void ctl_jobs_free(struct ctl *c)
{
	struct ctl_job *job;

	while ((job = list_first(&c->jobs, struct ctl_job, node)))
		free_job(job);
}
