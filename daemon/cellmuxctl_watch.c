/* watch: one line for everything that changes, from one snapshot on without a gap. */
#include <time.h>

#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"

enum end check_watch(const struct request *r)
{
	if (r->until && !modem_state_known(r->until)) {
		complain(r->until, "no such state; expected absent, powering, syncing, identifying, sim, "
			 "ready or lost");
		return END_USAGE;
	}
	return END_OK;
}

static void print_line(const char *label, const char *words)
{
	print_date_clock(stdout, time(NULL));
	fputs("  ", stdout);
	print_label(stdout, label);
	puts(words[0] ? words : "-");
}

static bool lists(struct json_object *changed, const char *name)
{
	if (!json_object_is_type(changed, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(changed); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(changed, i));

		if (s && text_eq(text_of(s), name))
			return true;
	}
	return false;
}

/* old NULL: everything that is known. A problem may come again in the same words: that is news. */
static void print_changes(const struct request *r, struct json_object *old, struct json_object *modem,
			  struct json_object *changed)
{
	for (const struct aspect *a = aspects; a->label; a++) {
		struct note was, is;

		note_begin(&was);
		note_begin(&is);
		if (old && was.f)
			a->words(was.f, old, r->verbose);
		if (is.f)
			a->words(is.f, modem, r->verbose);
		if (!text_eq(text_of(note_end(&is)), note_end(&was)) ||
		    (text_eq(text_of(a->changed), "problem") && lists(changed, a->changed)))
			print_line(a->label, note_end(&is));
		note_free(&was);
		note_free(&is);
	}
}

static void put_part_of(FILE *f, const char *before, struct text t)
{
	if (!t.n)
		return;
	fputs(before, f);
	print_safe(f, t);
}

static void print_job(struct json_object *job)
{
	static char last[256];
	int64_t percent = member_count(job, "percent");
	struct note n;

	note_begin(&n);
	if (n.f) {
		print_safe(n.f, json_member_text(job, "name"));
		fprintf(n.f, " (%lld) ", (long long)member_count(job, "id"));
		print_safe(n.f, json_member_text(job, "state"));
		if (percent >= 0)
			fprintf(n.f, " %lld %%", (long long)percent);
		if (json_member_text(job, "text").n) {
			fputs(", ", n.f);
			print_safe(n.f, json_member_text(job, "text"));
		}
	}
	if (!text_eq(text_of(note_end(&n)), last)) {
		snprintf(last, sizeof(last), "%s", note_end(&n));
		print_line("Job", last);
	}
	note_free(&n);
}

/* A line unless it is the one that was printed last in its place. */
static void print_news(char last[256], const char *words)
{
	if (!words[0] || text_eq(text_of(words), last))
		return;
	snprintf(last, 256, "%s", words);
	print_line("IPA", words);
}

/* What has come of it: each thing that was done is told once. */
static void print_outcome(struct json_object *record)
{
	static char last[256];
	static int64_t took;
	struct note line;

	if (member_count(record, "ago_s") != 0 || member_count(record, "duration_ms") == took)
		return;
	took = member_count(record, "duration_ms");
	last[0] = '\0';
	note_begin(&line);
	if (line.f) {
		print_safe(line.f, json_member_text(record, "what"));
		fputs(": ", line.f);
		print_safe(line.f, json_member_text(record, "outcome"));
	}
	print_news(last, note_end(&line));
	note_free(&line);
}

/* What is done for an eIM, step by step, and what has come of it. */
static void print_ipa(struct json_object *ipa)
{
	static char last[256];
	struct json_object *history = json_member(ipa, "history");
	struct text doing = json_member_text(ipa, "doing"), step = json_member_text(ipa, "step");
	int64_t percent = member_count(json_member(ipa, "download"), "percent");
	size_t n = json_object_is_type(history, json_type_array) ? json_object_array_length(history) : 0;
	struct note line;

	if (n)
		print_outcome(json_object_array_get_idx(history, n - 1));
	note_begin(&line);
	if (line.f && doing.n && step.n) {
		print_safe(line.f, doing);
		fputs(": ", line.f);
		print_safe(line.f, step);
		/* By tens: a line is not for every segment. */
		if (percent >= 0)
			fprintf(line.f, " %lld %%", (long long)percent / 10 * 10);
	}
	print_news(last, note_end(&line));
	note_free(&line);
}

static void print_enabled(struct json_object *profiles)
{
	size_t n = json_object_is_type(profiles, json_type_array) ? json_object_array_length(profiles) : 0;
	struct note line;

	note_begin(&line);
	for (size_t i = 0; line.f && i < n; i++) {
		struct json_object *p = json_object_array_get_idx(profiles, i);

		if (!text_eq(json_member_text(p, "state"), "enabled"))
			continue;
		print_safe(line.f, json_member_text(p, "iccid"));
		fputs(" enabled", line.f);
		put_part_of(line.f, ", ", json_member_text(p, "name"));
	}
	print_line("Profile", note_end(&line));
	note_free(&line);
}

static void print_port(const struct request *r, struct json_object *port)
{
	struct note n;

	note_begin(&n);
	if (n.f)
		port_words(n.f, port, r->verbose);
	print_line("Port", note_end(&n));
	note_free(&n);
}

static void print_event(const struct request *r, struct json_object *old, struct json_object *params)
{
	if (r->json)
		print_json(stdout, params);
	else if (text_eq(json_member_text(params, "topic"), "job"))
		print_job(json_member(params, "job"));
	else if (json_member(params, "port"))
		print_port(r, json_member(params, "port"));
	else if (json_member(params, "ipa"))
		print_ipa(json_member(params, "ipa"));
	else if (json_member(params, "profiles"))
		print_enabled(json_member(params, "profiles"));
	else if (json_member(params, "modem"))
		print_changes(r, old, json_member(params, "modem"), json_member(params, "changed"));
	fflush(stdout);
}

static bool is_reached(const struct request *r, struct json_object *modem)
{
	return r->until && text_eq(json_member_text(modem, "state"), r->until);
}

static enum end time_over(const struct request *r, struct json_object *modem)
{
	if (r->until)
		complain("watch", "not %s within %u s; the modem is " TEXT_FMT "; see cellmuxctl status",
			 r->until, r->timeout_s, TEXT_ARG(json_member_text(modem, "state")));
	return END_TIME;
}

/* *modem, which is the caller's, is always the last one heard of. */
static enum end follow(struct request *r, int64_t seq, struct json_object **modem)
{
	while (!is_reached(r, *modem)) {
		struct json_object *params, *now;
		enum end e = client_event(&r->client, CLIENT_NEVER, &params);

		if (e == END_TIME)
			return time_over(r, *modem);
		if (e != END_OK)
			return e;
		if (member_count(params, "seq") > seq) {
			now = json_member(params, "modem");
			print_event(r, *modem, params);
			if (now) {
				json_object_put(*modem);
				*modem = json_object_get(now);
			}
		}
		json_object_put(params);
	}
	return END_OK;
}

static enum end subscribe(struct request *r)
{
	static const char *const names[] = { "modem", "ports", "euicc", "ipa", "job" };
	struct json_object *params = json_object_new_object(), *topics = json_object_new_array();
	struct json_object *result;
	enum end e;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_object_array_add(topics, json_object_new_string(names[i]));
	json_object_object_add(params, "topics", topics);
	e = client_call(&r->client, "subscribe", params, CLIENT_PATIENCE_MS, &result);
	if (e == END_OK)
		json_object_put(result);
	return e;
}

enum end run_watch(struct request *r)
{
	struct json_object *status, *modem;
	int64_t seq;
	enum end e;

	if (r->timeout_s)
		r->client.limit_ms = client_in_ms((uint64_t)r->timeout_s * 1000);
	e = subscribe(r);
	if (e == END_OK)
		e = client_call(&r->client, "status", NULL, CLIENT_PATIENCE_MS, &status);
	if (e != END_OK)
		return e;
	seq = member_count(status, "seq");
	modem = json_object_get(json_member(status, "modem"));
	if (r->json)
		print_json(stdout, status);
	else
		print_changes(r, NULL, modem, NULL);
	fflush(stdout);
	json_object_put(status);
	e = follow(r, seq, &modem);
	json_object_put(modem);
	return e;
}
