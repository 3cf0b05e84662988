/* The methods of the socket itself: hello, subscribe, job.get, job.cancel, log.level. */
#include "codec/json.h"
#include "core/log.h"
#include "ctl/rpc.h"
#include "ctl/server.h"
#include "version.h"

const char *const ctl_topics[] = { "modem", "ports", "euicc", "ipa", "job", NULL };

/* --- hello -------------------------------------------------------------------------------------- */

static struct json_object *method_names(const struct ctl *c)
{
	struct json_object *a = json_object_new_array();

	for (const struct ctl_builtin *b = ctl_builtins; b->name; b++)
		json_object_array_add(a, json_object_new_string(b->name));
	for (size_t t = 0; c->methods[t]; t++)
		for (const struct ctl_method *m = c->methods[t]; m->name; m++)
			json_object_array_add(a, json_object_new_string(m->name));
	return a;
}

static void run_hello(struct ctl_client *cl, struct ctl_call *call, struct json_object *params)
{
	struct json_object *o = json_object_new_object(), *topics = json_object_new_array();
	char protocol[16];

	(void)params;
	snprintf(protocol, sizeof(protocol), "%d.%d", CTL_VERSION_MAJOR, CTL_VERSION_MINOR);
	for (int i = 0; ctl_topics[i]; i++)
		json_object_array_add(topics, json_object_new_string(ctl_topics[i]));
	json_object_object_add(o, "protocol", json_object_new_string(protocol));
	json_object_object_add(o, "server", json_object_new_string("cellmuxd"));
	json_object_object_add(o, "version", json_object_new_string(CELLMUX_VERSION));
	json_object_object_add(o, "access",
			       json_object_new_string(cl->access == CTL_ADMIN ? "admin" : "reader"));
	json_object_object_add(o, "methods", method_names(cl->ctl));
	json_object_object_add(o, "topics", topics);
	ctl_reply(call, o);
}

/* --- subscribe ---------------------------------------------------------------------------------- */

static int topic_bit(struct text name)
{
	for (int i = 0; ctl_topics[i]; i++)
		if (text_eq(name, ctl_topics[i]))
			return i;
	return -1;
}

/* Without topics: all of them; an empty list ends the subscription. */
static void run_subscribe(struct ctl_client *cl, struct ctl_call *call, struct json_object *params)
{
	struct json_object *list = json_member(params, "topics"), *o;
	unsigned bits = list ? 0 : ~0u;

	if (list && !json_object_is_type(list, json_type_array)) {
		ctl_fail(call, CTL_INVALID_PARAMS, "topics: expected a list of names", NULL);
		return;
	}
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *name = json_object_array_get_idx(list, i);
		int bit = json_object_is_type(name, json_type_string) ?
				  topic_bit(text_of(json_object_get_string(name))) : -1;

		if (bit < 0) {
			ctl_fail(call, CTL_INVALID_PARAMS, "topics: no such topic; hello lists them", NULL);
			return;
		}
		bits |= 1u << bit;
	}
	cl->topics = bits;
	o = json_object_new_object();
	json_object_object_add(o, "seq", json_object_new_int64((int64_t)cl->ctl->seq));
	ctl_reply(call, o);
}

/* --- jobs --------------------------------------------------------------------------------------- */

/* The job that params name; NULL: the call has been answered with what is wrong. */
static struct ctl_job *take_job(struct ctl_client *cl, struct ctl_call *call,
				struct json_object *params)
{
	struct json_object *v = json_member(params, "job");
	struct ctl_job *job = NULL;
	int64_t id;

	if (!json_object_is_type(v, json_type_int)) {
		ctl_fail(call, CTL_INVALID_PARAMS, "job: expected a number", NULL);
		return NULL;
	}
	id = json_object_get_int64(v);
	if (id > 0 && id <= UINT32_MAX)
		job = ctl_job_find(cl->ctl, (uint32_t)id);
	if (!job)
		ctl_fail(call, CTL_NOT_FOUND, "no such job; ended ones are kept for a while only", NULL);
	return job;
}

static void run_job_get(struct ctl_client *cl, struct ctl_call *call, struct json_object *params)
{
	struct ctl_job *job = take_job(cl, call, params);

	if (job)
		ctl_reply(call, ctl_job_to_json(job));
}

static void run_job_cancel(struct ctl_client *cl, struct ctl_call *call, struct json_object *params)
{
	struct ctl_job *job = take_job(cl, call, params);

	if (!job)
		return;
	if (job->state != CTL_JOB_RUNNING) {
		ctl_fail(call, CTL_NOT_FOUND, "the job has ended already", NULL);
	} else if (!job->cancel) {
		ctl_fail(call, CTL_BUSY, "this job cannot be cancelled", NULL);
	} else {
		ctl_reply(call, json_object_new_object());
		job->cancel(job);
	}
}

/* --- log.level ---------------------------------------------------------------------------------- */

static void run_log_level(struct ctl_client *cl, struct ctl_call *call, struct json_object *params)
{
	struct json_object *v = json_member(params, "level"), *o;
	enum log_level level;

	if (v && cl->access != CTL_ADMIN) {
		ctl_fail(call, CTL_ACCESS_DENIED, "only admins may change the log level", NULL);
		return;
	}
	if (v && log_level_from(json_member_text(params, "level"), &level) < 0) {
		ctl_fail(call, CTL_INVALID_PARAMS,
			 "level: expected error, warning, info, debug or trace", NULL);
		return;
	}
	if (v) {
		log_set_level(level);
		log_info("ctl", "log level %s, set by uid %u", log_level_name(level), (unsigned)cl->uid);
	}
	o = json_object_new_object();
	json_object_object_add(o, "level", json_object_new_string(log_level_name(log_get_level())));
	ctl_reply(call, o);
}

const struct ctl_builtin ctl_builtins[] = {
	{ "hello",      CTL_READER, run_hello },
	{ "subscribe",  CTL_READER, run_subscribe },
	{ "job.get",    CTL_READER, run_job_get },
	{ "job.cancel", CTL_ADMIN,  run_job_cancel },
	{ "log.level",  CTL_READER, run_log_level },
	{ 0 }
};
