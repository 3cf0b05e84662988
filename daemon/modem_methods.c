/* status, at.send, modem.reset and modem.powerCycle: what the socket's clients can ask of the modem. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "atcmd/patience.h"
#include "codec/json.h"
#include "core/log.h"
#include "modem/policy.h"
#include "version.h"

#define COMMAND_MAX 1024
#define BODY_MAX 1024
#define ANSWER_LINES_MAX 512
#define TIMEOUT_MAX_S 600
/* Without a time of its own a command also waits for those of others before it, for so long. */
#define OTHERS_MS 60000
/* With one it does not, and the module's silence is told as that. */
#define LIMIT_BEHIND_MS 100

/* A status with refresh waits this long for the module; then it is given as it is. */
#define REFRESH_WAIT_MS 3000

/* A reset that has not ended in a ready module by then has failed. */
#define RESET_LIMIT_MS 180000
/* A power cycle has to wait for the module to be off as well. */
#define POWER_LIMIT_MS 240000

static struct app *app_of(struct ctl_user *u)
{
	return container_of(u, struct app, user);
}

/* --- status ------------------------------------------------------------------------------------- */

struct status_wait {
	struct app *app;
	struct ctl_call *call;
	struct ev_alarm deadline;
	struct list_node node;
};

static struct json_object *snapshot(struct app *app)
{
	struct json_object *o = json_object_new_object(), *d = json_object_new_object();

	json_object_object_add(d, "version", json_object_new_string(CELLMUX_VERSION));
	json_object_object_add(d, "pid", json_object_new_int(getpid()));
	json_object_object_add(d, "uptime_s", json_object_new_int64(
						      (int64_t)(ev_now_ms() - app->started_ms) / 1000));
	json_object_object_add(d, "config",
			       app->config_path ? json_object_new_string(app->config_path) : NULL);
	json_object_object_add(o, "seq", json_object_new_int64((int64_t)ctl_seq(app->ctl)));
	json_object_object_add(o, "daemon", d);
	json_object_object_add(o, "modem", modem_to_json(&app->modem));
	json_object_object_add(o, "ports", ports_to_json(&app->ports));
	json_object_object_add(o, "euicc", euicc_brief_to_json(&app->ipa));
	return o;
}

static void end_wait(struct status_wait *w)
{
	ev_alarm_stop(&w->deadline);
	list_del(&w->node);
	free(w);
}

static void answer_wait(struct status_wait *w)
{
	ctl_reply(w->call, snapshot(w->app));
	end_wait(w);
}

static void on_wait_over(struct ev_alarm *a)
{
	answer_wait(container_of(a, struct status_wait, deadline));
}

static void on_wait_gone(struct ctl_call *call)
{
	end_wait(call->owner);
}

void modem_methods_refreshed(struct app *app)
{
	struct status_wait *w, *next;

	list_for_each_safe (w, next, &app->waiting, node)
		answer_wait(w);
}

static void run_status(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	struct json_object *refresh = json_member(params, "refresh");
	struct status_wait *w;

	if (refresh && !json_object_is_type(refresh, json_type_boolean)) {
		ctl_fail(call, CTL_INVALID_PARAMS, "refresh: expected true or false", NULL);
		return;
	}
	if (!json_object_get_boolean(refresh) || modem_refresh(&app->modem) < 0) {
		ctl_reply(call, snapshot(app));
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		ctl_fail(call, CTL_INTERNAL_ERROR, "out of memory", NULL);
		return;
	}
	w->app = app;
	w->call = call;
	w->deadline.fired = on_wait_over;
	call->owner = w;
	call->gone = on_wait_gone;
	list_add(&app->waiting, &w->node);
	ev_alarm_start(&w->deadline, REFRESH_WAIT_MS);
}

/* --- at.send -------------------------------------------------------------------------------------- */

struct at_request {
	struct app *app;
	struct ctl_call *call;
	struct at_cmd cmd;
	char text[COMMAND_MAX + 1], body[BODY_MAX];
	struct json_object *lines;
	unsigned n_lines;
	bool look;
	uint64_t started_ms;
	unsigned limit_ms;
	struct ev_alarm limit;          /* from the request on; the patience counts from when it is sent */
	struct list_node node;
};

static void free_request(struct at_request *r)
{
	ev_alarm_stop(&r->limit);
	list_del(&r->node);
	json_object_put(r->lines);
	free(r);
}

static void on_answer_line(struct at_cmd *cmd, struct text line)
{
	struct at_request *r = container_of(cmd, struct at_request, cmd);

	if (r->n_lines++ < ANSWER_LINES_MAX)
		json_object_array_add(r->lines, json_from_octets(line));
}

static void answer_request(struct at_request *r, enum at_end end, int code, struct text final)
{
	struct json_object *o = json_object_new_object();
	const char *words = end == AT_CME_ERROR ? at_cme_text(code) :
			    end == AT_CMS_ERROR ? at_cms_text(code) : NULL;
	struct json_object *text = words ? json_object_new_string(words) : NULL;

	/* A number nobody knows, or a vendor's words: what the module said itself. */
	if (!text && end != AT_OK && end != AT_ERROR)
		text = json_from_octets(text_trim(text_skip(final, text_find(final, ':') + 1)));
	json_object_object_add(o, "result", json_object_new_string(at_end_name(end)));
	json_object_object_add(o, "code", code >= 0 ? json_object_new_int(code) : NULL);
	json_object_object_add(o, "text", text);
	json_object_object_add(o, "lines", json_object_get(r->lines));
	json_object_object_add(o, "truncated", json_object_new_boolean(r->n_lines > ANSWER_LINES_MAX));
	json_object_object_add(o, "duration_ms",
			       json_object_new_int64((int64_t)(ev_now_ms() - r->started_ms)));
	ctl_reply(r->call, o);
}

static void on_answer(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct at_request *r = container_of(cmd, struct at_request, cmd);
	struct app *app = r->app;
	bool look = r->look;

	switch (end) {
	case AT_OK:
	case AT_CONNECT:
	case AT_ERROR:
	case AT_CME_ERROR:
	case AT_CMS_ERROR:
	case AT_NO_CARRIER:
		answer_request(r, end, code, final);
		break;
	case AT_TIMEOUT:
		ctl_fail(r->call, CTL_TIMEOUT, "the module did not answer in time", NULL);
		break;
	case AT_LINK_LOST:
	case _AT_END_MAX:
		ctl_fail(r->call, CTL_LINK_LOST, "the module was lost or restarted before it answered",
			 NULL);
		break;
	}
	free_request(r);
	if (look)
		modem_look_again(&app->modem);
}

static void on_request_gone(struct ctl_call *call)
{
	struct at_request *r = call->owner;

	at_cancel(&r->app->modem.chat, &r->cmd);
	free_request(r);
}

static void on_limit(struct ev_alarm *a)
{
	struct at_request *r = container_of(a, struct at_request, limit);
	struct app *app = r->app;
	bool sent = at_cmd_in_flight(&app->modem.chat, &r->cmd), look = r->look && sent;

	at_cancel(&app->modem.chat, &r->cmd);
	ctl_fail(r->call, CTL_TIMEOUT, sent ? "the module did not answer in time" :
		 "others had the line all the time; it was not sent", NULL);
	free_request(r);
	if (look)
		modem_look_again(&app->modem);
}

/* One line, nothing that would end it early: CR, LF, Ctrl-Z and ESC mean something to a module. */
static bool is_command(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] < 0x20 || t.s[i] == 0x7f)
			return false;
	return t.n >= 2 && t.n <= COMMAND_MAX && (text_starts(t, "AT") || text_starts(t, "at"));
}

/* What is wrong with the parameters; NULL: nothing, and they are in the request. */
static const char *take_params(struct at_request *r, struct json_object *params)
{
	struct json_object *v;
	struct text t;

	v = json_member(params, "cmd");
	if (!json_object_is_type(v, json_type_string))
		return "cmd: expected a string, for example \"AT+CSQ\"";
	t = text_trim(text_from(json_object_get_string(v), (size_t)json_object_get_string_len(v)));
	if (!is_command(t))
		return "cmd: expected AT and at most 1022 printable characters";
	text_copy(t, r->text, sizeof(r->text));
	r->cmd.patience_ms = at_patience_ms(t);
	r->limit_ms = r->cmd.patience_ms + OTHERS_MS;

	v = json_member(params, "timeout_s");
	if (v) {
		int64_t s = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

		if (s < 1 || s > TIMEOUT_MAX_S)
			return "timeout_s: expected a number from 1 to 600";
		r->cmd.patience_ms = (unsigned)s * 1000;
		r->limit_ms = r->cmd.patience_ms + LIMIT_BEHIND_MS;
	}
	v = json_member(params, "body");
	if (v) {
		if (!json_object_is_type(v, json_type_string) ||
		    (size_t)json_object_get_string_len(v) > sizeof(r->body))
			return "body: expected a string of at most 1024 octets";
		r->cmd.body_n = (size_t)json_object_get_string_len(v);
		memcpy(r->body, json_object_get_string(v), r->cmd.body_n);
		r->cmd.body = r->body;
		if (memchr(r->body, 0x1a, r->cmd.body_n) || memchr(r->body, 0x1b, r->cmd.body_n))
			return "body: the closing Ctrl-Z is added here; ESC would end it early";
	}
	return NULL;
}

/* A call may last for days. */
static bool refused_by_call(struct app *app, struct ctl_call *call)
{
	const struct vport *v = vports_caller(&app->ports);
	char why[160];

	if (!v)
		return false;
	snprintf(why, sizeof(why), "port %s has the line for a data call; with cmux = yes a call has a channel "
		 "of its own", v->o.name);
	ctl_fail(call, CTL_BUSY, why, NULL);
	return true;
}

static void run_at_send(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	struct app *app = app_of(u);
	struct at_request *r = calloc(1, sizeof(*r));
	const char *wrong, *reason = "";
	enum policy_verdict verdict;

	if (!r) {
		ctl_fail(call, CTL_INTERNAL_ERROR, "out of memory", NULL);
		return;
	}
	list_init(&r->node);
	wrong = take_params(r, params);
	if (wrong) {
		ctl_fail(call, CTL_INVALID_PARAMS, wrong, NULL);
		free_request(r);
		return;
	}
	verdict = policy_for(text_of(r->text), &reason);
	if (vports_touch_card(&app->modem, text_of(r->text))) {
		verdict = POLICY_REFUSE;
		reason = "the daemon's own channel to the card is open there";
	}
	if (verdict == POLICY_REFUSE) {
		ctl_fail(call, CTL_COMMAND_REFUSED, reason, NULL);
		free_request(r);
		return;
	}
	r->app = app;
	r->call = call;
	r->look = verdict == POLICY_FORWARD_LOOK;
	r->started_ms = ev_now_ms();
	r->cmd.text = r->text;
	r->cmd.every = true;
	r->cmd.line = on_answer_line;
	r->cmd.done = on_answer;
	if (refused_by_call(app, call)) {
		free_request(r);
		return;
	}
	if (modem_send(&app->modem, &r->cmd) < 0) {
		char why[80];

		snprintf(why, sizeof(why), "the modem is %s", modem_state_name(app->modem.st.state));
		ctl_fail(call, CTL_NOT_READY, why, NULL);
		free_request(r);
		return;
	}
	vports_doubt(&app->ports);
	r->lines = json_object_new_array();
	call->owner = r;
	call->gone = on_request_gone;
	list_add(&app->requests, &r->node);
	r->limit.fired = on_limit;
	ev_alarm_start(&r->limit, r->limit_ms);
}

/* --- modem.reset, modem.powerCycle --------------------------------------------------------------------- */

static struct ctl_job *take_reset_job(struct app *app)
{
	struct ctl_job *job = app->reset_job;

	ev_alarm_stop(&app->reset_deadline);
	app->reset_job = NULL;
	return job;
}

static void on_reset_deadline(struct ev_alarm *a)
{
	ctl_job_fail(take_reset_job(container_of(a, struct app, reset_deadline)), CTL_TIMEOUT,
		     "the module was not ready again in time; the daemon goes on trying");
}

static void reset_goes_on(struct app *app)
{
	static const int percents[_MODEM_STATE_MAX] = {
		[MODEM_POWERING] = 10, [MODEM_ABSENT] = 20, [MODEM_LOST] = 20, [MODEM_SYNCING] = 50,
		[MODEM_IDENTIFYING] = 60, [MODEM_SIM] = 80, [MODEM_READY] = 100,
	};
	enum modem_state state = app->modem.st.state;
	struct json_object *o;

	if (app->modem.restart_refused && state != MODEM_POWERING) {
		ctl_job_fail(take_reset_job(app), CTL_REFUSED, app->modem.st.problem_text);
	} else if (state == MODEM_READY) {
		o = json_object_new_object();
		json_object_object_add(o, "state", json_object_new_string(modem_state_name(state)));
		ctl_job_done(take_reset_job(app), o);
	} else {
		ctl_job_progress(app->reset_job, percents[state], modem_state_name(state));
	}
}

static void refuse(struct ctl_call *call, struct ctl_job *job, enum ctl_error error, const char *why)
{
	ctl_fail(call, error, why, NULL);
	ctl_job_fail(job, error, why);
}

static void restart_as_job(struct app *app, struct ctl_call *call, const char *method,
			   int (*start)(struct modem *m), unsigned limit_ms)
{
	struct ctl_job *job;
	int r;

	if (app->reset_job) {
		ctl_job_refuse(call, app->reset_job);
		return;
	}
	job = ctl_job_start(app->ctl, method);
	if (!job) {
		ctl_fail(call, CTL_BUSY, "too many jobs are running", NULL);
		return;
	}
	r = start(&app->modem);
	if (r == -ENOTSUP) {
		refuse(call, job, CTL_NOT_CONFIGURED, power_configured(&app->modem.power) ?
		       "no line that switches the module off, or it is not there (see the log): [power] "
		       "pwrkey or supply" :
		       "no power line is configured: set [power] pwrkey or supply");
	} else if (r == -EBUSY) {
		refuse(call, job, CTL_BUSY, "the power lines are being used");
	} else if (r < 0) {
		refuse(call, job, CTL_NOT_READY, "there is no module to reset");
	} else {
		app->reset_job = job;
		app->reset_deadline.fired = on_reset_deadline;
		ev_alarm_start(&app->reset_deadline, limit_ms);
		ctl_job_reply(call, job);
	}
}

static void run_reset(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	(void)params;
	restart_as_job(app_of(u), call, "modem.reset", modem_reset, RESET_LIMIT_MS);
}

static void run_power_cycle(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	(void)params;
	restart_as_job(app_of(u), call, "modem.powerCycle", modem_power_cycle, POWER_LIMIT_MS);
}

/* --- changes -------------------------------------------------------------------------------------------- */

void modem_methods_changed(struct app *app, unsigned what)
{
	if (ctl_wanted(app->ctl, "modem")) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "changed", modem_changes_to_json(what));
		json_object_object_add(o, "modem", modem_to_json(&app->modem));
		ctl_publish(app->ctl, "modem", o);
	}
	if (app->modem.st.state != MODEM_READY) {
		/* Nothing to wait for any more: what is known is the answer. */
		modem_methods_refreshed(app);
	}
	if (app->reset_job && what & MODEM_CHANGED_STATE)
		reset_goes_on(app);
}

const struct ctl_method modem_methods[] = {
	{ "status",      CTL_READER, run_status },
	{ "at.send",     CTL_ADMIN,  run_at_send },
	{ "modem.reset", CTL_ADMIN,  run_reset },
	{ "modem.powerCycle", CTL_ADMIN, run_power_cycle },
	{ 0 }
};

void modem_methods_open(struct app *app)
{
	list_init(&app->requests);
	list_init(&app->waiting);
}

void modem_methods_close(struct app *app)
{
	ev_alarm_stop(&app->reset_deadline);
	app->reset_job = NULL;
}
