/* ipa and eim: the eIMs, what was done for them, and a visit now. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "core/file.h"

/* A visit can include a switch of profiles, its rollback and all their waits. */
#define POLL_PATIENCE_MS 1800000
#define EIM_FILE_MAX 8192

/* --- status -------------------------------------------------------------------------------------- */

static void print_way(struct text transport)
{
	if (text_eq(transport, "coap"))
		fputs(" over CoAP", stdout);
	else if (text_eq(transport, "https"))
		fputs(" over HTTPS", stdout);
}

static void print_eim(struct json_object *e)
{
	struct json_object *problem = json_member(e, "problem");
	int64_t ago = member_count(e, "visited_ago_s"), next = member_count(e, "next_s");
	struct text phase = json_member_text(e, "phase");

	print_label(stdout, "eIM");
	print_safe(stdout, json_member_text(e, "id"));
	fputs(" at ", stdout);
	print_safe(stdout, json_member_text(e, "fqdn"));
	print_way(json_member_text(e, "transport"));
	if (phase.n) {
		fputs(", being visited: ", stdout);
		print_tinted(stdout, TINT_WARN, phase);
	} else if (ago >= 0) {
		fputs(", visited ", stdout);
		print_span(stdout, (uint64_t)ago);
		fputs(" ago", stdout);
	}
	if (next >= 0 && !phase.n) {
		fputs(", next in ", stdout);
		print_span(stdout, (uint64_t)next);
	}
	printf(", %lld packages\n", (long long)MAX(member_count(e, "packages"), 0));
	if (json_member_text(e, "transport_problem").n) {
		print_label(stdout, "");
		print_tinted(stdout, TINT_WARN, json_member_text(e, "transport_problem"));
		putchar('\n');
	}
	if (problem) {
		print_label(stdout, "");
		print_tinted(stdout, TINT_BAD, json_member_text(problem, "text"));
		putchar('\n');
	}
}

static void print_record(struct json_object *r)
{
	int64_t ago = member_count(r, "ago_s"), took = member_count(r, "duration_ms");

	fputs("  ", stdout);
	print_date_clock(stdout, time(NULL) - (time_t)MAX(ago, 0));
	fputs("  ", stdout);
	print_safe(stdout, json_member_text(r, "eim").n ? json_member_text(r, "eim") : TEXT("-"));
	fputs("  ", stdout);
	print_safe(stdout, json_member_text(r, "what"));
	fputs(": ", stdout);
	print_safe(stdout, json_member_text(r, "outcome"));
	printf(" (%.1f s)\n", (double)MAX(took, 0) / 1000);
}

static void each(struct json_object *list, void (*print)(struct json_object *o))
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
			   i < json_object_array_length(list); i++)
		print(json_object_array_get_idx(list, i));
}

static void print_download(struct json_object *d)
{
	int64_t percent = member_count(d, "percent");

	if (!d)
		return;
	print_label(stdout, "Download");
	print_safe(stdout, json_member_text(d, "way"));
	if (json_member_text(d, "server").n) {
		fputs(", from ", stdout);
		print_safe(stdout, json_member_text(d, "server"));
	}
	if (json_member_text(d, "iccid").n) {
		fputs(", ", stdout);
		print_safe(stdout, json_member_text(d, "iccid"));
	}
	if (percent >= 0)
		printf(", %lld %%", (long long)percent);
	putchar('\n');
}

static void print_ipa(struct json_object *o)
{
	struct json_object *history = json_member(o, "history"), *eims = json_member(o, "eims");
	struct text doing = json_member_text(o, "doing"), cut = json_member_text(o, "cut");

	print_label(stdout, "Network");
	puts(json_object_get_boolean(json_member(o, "online")) ? "there" : "not there");
	print_label(stdout, "Doing");
	print_safe(stdout, doing.n ? doing : TEXT("nothing"));
	if (json_member_text(o, "step").n) {
		fputs(", ", stdout);
		print_safe(stdout, json_member_text(o, "step"));
	}
	putchar('\n');
	print_download(json_member(o, "download"));
	if (json_member_text(o, "download_cut").n) {
		print_label(stdout, "Pending");
		print_tinted(stdout, TINT_WARN, TEXT("download"));
		puts(": its outcome is reported at the next visit");
	}
	if (cut.n) {
		print_label(stdout, "Pending");
		print_tinted(stdout, TINT_WARN, cut);
		puts(" has begun and is not finished");
	}
	if (!json_object_is_type(eims, json_type_array) || !json_object_array_length(eims)) {
		print_label(stdout, "eIM");
		puts("none");
	}
	each(eims, print_eim);
	if (json_object_is_type(history, json_type_array) && json_object_array_length(history)) {
		print_label(stdout, "History");
		putchar('\n');
		each(history, print_record);
	}
}

static enum end show_status(struct request *r)
{
	struct json_object *result;
	enum end e = client_call(&r->client, "ipa.status", NULL, CLIENT_PATIENCE_MS, &result);

	if (e != END_OK)
		return e;
	if (r->json)
		print_json(stdout, result);
	else
		print_ipa(result);
	json_object_put(result);
	return END_OK;
}

/* --- poll ------------------------------------------------------------------------------------------- */

static enum end print_polled(const struct request *r, struct json_object *result, uint64_t took_ms)
{
	struct json_object *history = json_member(result, "history");
	size_t n = json_object_is_type(history, json_type_array) ? json_object_array_length(history) : 0;
	bool any = false;

	for (size_t i = 0; i < n && !r->json; i++) {
		struct json_object *one = json_object_array_get_idx(history, i);

		if (!json_member(one, "eim") ||
		    member_count(one, "ago_s") > (int64_t)(took_ms / 1000) + 1)
			continue;
		print_record(one);
		any = true;
	}
	if (!any && !r->json)
		puts("no work");
	return END_OK;
}

enum end check_ipa(const struct request *r)
{
	struct text action = text_of(r->args[0]);

	if (text_eq(action, "status") && r->n_args == 1)
		return END_OK;
	if (text_eq(action, "poll"))
		return END_OK;
	complain(r->args[0], "expected: cellmuxctl ipa status, or cellmuxctl ipa poll [EIM]");
	return END_USAGE;
}

enum end run_ipa(struct request *r)
{
	struct json_object *params;

	if (text_eq(text_of(r->args[0]), "status"))
		return show_status(r);
	params = json_object_new_object();
	if (r->n_args > 1)
		json_object_object_add(params, "eim", json_object_new_string(r->args[1]));
	return run_as_job(r, "ipa.poll", params, POLL_PATIENCE_MS, print_polled);
}

/* --- eim add ------------------------------------------------------------------------------------------ */

enum end check_eim(const struct request *r)
{
	if (text_eq(text_of(r->args[0]), "add") && r->n_args == 2)
		return END_OK;
	complain(r->args[0], "expected: cellmuxctl eim add FILE");
	return END_USAGE;
}

enum end run_eim(struct request *r)
{
	char digits[BASE64_LEN(EIM_FILE_MAX) + 1];
	struct json_object *params, *result;
	uint8_t der[EIM_FILE_MAX];
	size_t n;
	int err = file_load(r->args[1], der, sizeof(der), &n);
	enum end e;

	if (err == 0)
		err = base64_encode(der, n, digits, sizeof(digits));
	if (err < 0) {
		complain(r->args[1], "%s", err == -EFBIG ? "larger than any configuration of an eIM" :
							   strerror(-err));
		return END_USAGE;
	}
	params = json_object_new_object();
	json_object_object_add(params, "der", json_object_new_string(digits));
	e = client_call(&r->client, "ipa.addEim", params, 90000, &result);
	if (e != END_OK)
		return e;
	if (r->json)
		print_json(stdout, result);
	else
		printf("%lld added\n", (long long)member_count(result, "added"));
	json_object_put(result);
	return END_OK;
}
