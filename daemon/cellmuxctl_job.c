/* Jobs: what takes longer than an answer should. And those of the modem. */
#include <signal.h>

#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"

/* The daemon gives a reset up after 180 s; this is for one that does not say so. */
#define RESET_PATIENCE_MS 200000
/* And a power cycle after 240 s. */
#define POWER_PATIENCE_MS 260000
/* Who waits longer than that wants to see that something happens. */
#define QUIET_MS 2000
#define TICK_MS 1000

enum end check_modem(const struct request *r)
{
	if (strcmp(r->args[0], "reset") != 0 && strcmp(r->args[0], "power-cycle") != 0) {
		complain(r->args[0], "no such command; expected: cellmuxctl modem reset or power-cycle");
		return END_USAGE;
	}
	return END_OK;
}

enum end check_job(const struct request *r)
{
	uint32_t id;

	if (text_to_u32(text_of(r->args[0]), 10, &id) < 0) {
		complain(r->args[0], "expected the number of a job, as cellmuxctl modem reset --no-wait "
			 "prints it");
		return END_USAGE;
	}
	return END_OK;
}

/* --- progress ----------------------------------------------------------------------------------- */

/* One line that is written over and over, on a terminal only. */
struct progress {
	bool terminal, shown;
	uint64_t start_ms;
};

static void progress_clear(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

static void progress_show(struct progress *p, struct json_object *job)
{
	uint64_t took = client_now_ms() - p->start_ms;
	int64_t percent = member_count(job, "percent");
	struct text text = json_member_text(job, "text");

	if (!p->terminal || took < QUIET_MS)
		return;
	progress_clear(p);
	if (percent >= 0)
		fprintf(stderr, "%3lld %%  ", (long long)percent);
	print_safe(stderr, text.n ? text : TEXT("working"));
	fputs(", ", stderr);
	print_span(stderr, took / 1000);
	fflush(stderr);
	p->shown = true;
}

/* --- interrupted -------------------------------------------------------------------------------- */

/* The job belongs to the daemon and goes on: who gives up waiting must know how to get at it. */
static char farewell[300];
static volatile size_t farewell_n;

static void on_interrupt(int sig)
{
	ssize_t n = write(STDERR_FILENO, farewell, farewell_n);

	(void)n;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void prepare_farewell(const char *method, int64_t id, bool terminal)
{
	int n = snprintf(farewell, sizeof(farewell), "%scellmuxctl: %s: job %lld goes on; cellmuxctl job %lld "
			 "shows how far it is, with --cancel it stops\n", terminal ? "\r\033[K" : "", method,
			 (long long)id, (long long)id);

	farewell_n = MIN((size_t)MAX(n, 0), sizeof(farewell) - 1);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
}

/* --- following ---------------------------------------------------------------------------------- */

static bool is_running(struct json_object *job)
{
	return !job || text_eq(json_member_text(job, "state"), "running");
}

/* The job as it ended, the caller's. */
static enum end follow(struct request *r, int64_t id, uint64_t patience_ms, struct progress *p,
		       struct json_object **ret)
{
	uint64_t deadline = p->start_ms + patience_ms;
	struct json_object *job = NULL, *params;
	enum end e;

	while (is_running(job)) {
		e = client_event(&r->client, MIN(client_in_ms(TICK_MS), deadline), &params);
		if (e == END_TIME && client_now_ms() < deadline) {
			progress_show(p, job);
			continue;
		}
		if (e != END_OK) {
			json_object_put(job);
			return e;
		}
		if (member_count(json_member(params, "job"), "id") == id) {
			json_object_put(job);
			job = json_object_get(json_member(params, "job"));
			progress_show(p, job);
		}
		json_object_put(params);
	}
	*ret = job;
	return END_OK;
}

/* Everything about the end of a job but what its result means. */
static enum end print_end(const struct request *r, const char *method, struct json_object *job)
{
	struct text state = json_member_text(job, "state");

	if (r->json)
		print_json(stdout, job);
	if (json_member(job, "error"))
		return client_error(&(struct client){ 0 }, method, json_member(job, "error"));
	if (!text_eq(state, "done")) {
		complain(method, TEXT_FMT, TEXT_ARG(state));
		return END_REFUSED;
	}
	return END_OK;
}

static enum end subscribe(struct request *r)
{
	struct json_object *params = json_object_new_object(), *topics = json_object_new_array();
	struct json_object *result;
	enum end e;

	json_object_array_add(topics, json_object_new_string("job"));
	json_object_object_add(params, "topics", topics);
	e = client_call(&r->client, "subscribe", params, CLIENT_PATIENCE_MS, &result);
	if (e == END_OK)
		json_object_put(result);
	return e;
}

static enum end await_job(struct request *r, const char *method, int64_t id, uint64_t patience_ms,
			  enum end (*print)(const struct request *r, struct json_object *result, uint64_t took_ms))
{
	struct progress p = { .terminal = isatty(STDERR_FILENO), .start_ms = client_now_ms() };
	struct json_object *job = NULL;
	enum end e;

	prepare_farewell(method, id, p.terminal);
	e = follow(r, id, patience_ms, &p, &job);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	progress_clear(&p);
	if (e == END_TIME)
		complain(method, "job %lld has not ended within %llu s; see cellmuxctl job %lld",
			 (long long)id, (unsigned long long)patience_ms / 1000, (long long)id);
	if (e != END_OK)
		return e;
	e = print_end(r, method, job);
	if (e == END_OK)
		e = print(r, json_member(job, "result"), client_now_ms() - p.start_ms);
	json_object_put(job);
	return e;
}

enum end run_as_job(struct request *r, const char *method, struct json_object *params,
		    uint64_t patience_ms,
		    enum end (*print)(const struct request *r, struct json_object *result, uint64_t took_ms))
{
	struct json_object *result;
	int64_t id;
	/* Before the request: a job that ends at once is heard of as well. */
	enum end e = r->no_wait ? END_OK : subscribe(r);

	if (e != END_OK)
		json_object_put(params);
	else
		e = client_call(&r->client, method, params, CLIENT_PATIENCE_MS, &result);
	if (e != END_OK)
		return e;
	id = member_count(result, "job");
	if (r->no_wait && r->json)
		print_json(stdout, result);
	else if (r->no_wait)
		printf("job %lld\n", (long long)id);
	json_object_put(result);
	return r->no_wait ? END_OK : await_job(r, method, id, patience_ms, print);
}

/* --- modem reset, modem power-cycle ------------------------------------------------------------- */

static enum end print_reset(const struct request *r, struct json_object *result, uint64_t took_ms)
{
	if (r->json)
		return END_OK;
	print_safe(stdout, json_member_text(result, "state"));
	fputs(" after ", stdout);
	print_span(stdout, took_ms / 1000);
	putchar('\n');
	return END_OK;
}

enum end run_modem(struct request *r)
{
	if (strcmp(r->args[0], "power-cycle") == 0)
		return run_as_job(r, "modem.powerCycle", NULL, POWER_PATIENCE_MS, print_reset);
	return run_as_job(r, "modem.reset", NULL, RESET_PATIENCE_MS, print_reset);
}

/* --- job ---------------------------------------------------------------------------------------- */

static void print_job(struct json_object *job)
{
	int64_t percent = member_count(job, "percent"), took = member_count(job, "duration_ms");
	struct text text = json_member_text(job, "text");
	struct json_object *error = json_member(job, "error");

	print_safe(stdout, json_member_text(job, "name"));
	putchar(' ');
	print_safe(stdout, json_member_text(job, "state"));
	if (percent >= 0)
		printf(", %lld %%", (long long)percent);
	if (error)
		text = json_member_text(error, "message");
	if (text.n)
		fputs(", ", stdout);
	print_safe(stdout, text);
	if (took >= 0) {
		fputs(", ", stdout);
		print_span(stdout, (uint64_t)took / 1000);
	}
	putchar('\n');
}

enum end run_job(struct request *r)
{
	struct json_object *params = json_object_new_object(), *result;
	uint32_t id = 0;
	enum end e;

	text_to_u32(text_of(r->args[0]), 10, &id);
	json_object_object_add(params, "job", json_object_new_int64(id));
	e = client_call(&r->client, r->cancel ? "job.cancel" : "job.get", params, CLIENT_PATIENCE_MS,
			&result);
	if (e != END_OK)
		return e;
	if (r->json)
		print_json(stdout, result);
	else if (!r->cancel)
		print_job(result);
	json_object_put(result);
	return END_OK;
}
