/* hello, log and at: one request, one answer. */
#include "cellmuxctl.h"
#include "cellmuxctl_print.h"
#include "codec/json.h"
#include "core/log.h"
#include "version.h"

/* Without --timeout the command's nature decides, at most 600 s; then the daemon has answered. */
#define AT_TIMEOUT_MAX_S 600
#define AT_MARGIN_MS 10000
#define AT_PATIENCE_MS 620000

/* --- hello -------------------------------------------------------------------------------------- */

static void print_names(const char *label, struct json_object *names)
{
	print_label(stdout, label);
	for (size_t i = 0; json_object_is_type(names, json_type_array) &&
			   i < json_object_array_length(names); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(names, i));

		if (i)
			putchar(' ');
		print_safe(stdout, text_of(s ? s : ""));
	}
	putchar('\n');
}

static void print_row(const char *label, struct text value)
{
	print_label(stdout, label);
	print_safe(stdout, value.n ? value : TEXT("-"));
	putchar('\n');
}

enum end run_hello(struct request *r)
{
	struct json_object *hello;
	enum end e = client_call(&r->client, "hello", NULL, CLIENT_PATIENCE_MS, &hello);

	if (e != END_OK)
		return e;
	if (r->json) {
		print_json(stdout, hello);
	} else {
		print_row("Server", json_member_text(hello, "server"));
		print_row("Client", TEXT("cellmuxctl " CELLMUX_VERSION));
		print_row("Protocol", json_member_text(hello, "protocol"));
		print_row("Access", json_member_text(hello, "access"));
		print_names("Methods", json_member(hello, "methods"));
		print_names("Topics", json_member(hello, "topics"));
	}
	json_object_put(hello);
	return END_OK;
}

/* --- log ---------------------------------------------------------------------------------------- */

enum end check_log(const struct request *r)
{
	enum log_level level;

	if (r->n_args && log_level_from(text_of(r->args[0]), &level) < 0) {
		complain(r->args[0], "no such level; expected error, warning, info, debug or trace");
		return END_USAGE;
	}
	return END_OK;
}

enum end run_log(struct request *r)
{
	struct json_object *params = json_object_new_object(), *result;
	enum end e;

	if (r->n_args)
		json_object_object_add(params, "level", json_object_new_string(r->args[0]));
	e = client_call(&r->client, "log.level", params, CLIENT_PATIENCE_MS, &result);
	if (e != END_OK)
		return e;
	if (r->json) {
		print_json(stdout, result);
	} else {
		print_safe(stdout, json_member_text(result, "level"));
		putchar('\n');
	}
	json_object_put(result);
	return END_OK;
}

/* --- at ----------------------------------------------------------------------------------------- */

enum end check_at(const struct request *r)
{
	if (!text_case_starts(text_trim(text_of(r->args[0])), "AT")) {
		complain(r->args[0], "an AT command begins with AT, for example cellmuxctl at 'AT+CSQ'");
		return END_USAGE;
	}
	if (r->timeout_s > AT_TIMEOUT_MAX_S) {
		complain("--timeout", "expected a number from 1 to %d", AT_TIMEOUT_MAX_S);
		return END_USAGE;
	}
	return END_OK;
}

static void print_answer(const struct request *r, struct json_object *answer)
{
	struct json_object *lines = json_member(answer, "lines");

	for (size_t i = 0; json_object_is_type(lines, json_type_array) &&
			   i < json_object_array_length(lines); i++) {
		const char *s = json_object_get_string(json_object_array_get_idx(lines, i));

		print_safe(stdout, text_of(s ? s : ""));
		putchar('\n');
	}
	if (json_object_get_boolean(json_member(answer, "truncated")))
		complain(r->args[0], "the answer had more lines than cellmuxd keeps; the rest is missing");
	if (r->verbose)
		complain(r->args[0], "answered after %lld ms",
			 (long long)member_count(answer, "duration_ms"));
}

/* "OK" where an AT terminal would show it; what went wrong, with the words for its number. */
static enum end print_result(const struct request *r, struct json_object *answer)
{
	struct text result = json_member_text(answer, "result");
	struct text words = json_member_text(answer, "text");
	int64_t code = member_count(answer, "code");
	char number[24] = "";

	if (text_eq(result, "OK") || text_eq(result, "CONNECT")) {
		print_safe(stdout, result);
		putchar('\n');
		return END_OK;
	}
	if (code >= 0)
		snprintf(number, sizeof(number), " %lld", (long long)code);
	complain(r->args[0], TEXT_FMT "%s%s" TEXT_FMT, TEXT_ARG(result), number, words.n ? ": " : "",
		 TEXT_ARG(words));
	return END_MODULE;
}

enum end run_at(struct request *r)
{
	struct json_object *params = json_object_new_object(), *answer;
	uint64_t patience = AT_PATIENCE_MS;
	enum end e;

	json_object_object_add(params, "cmd", json_object_new_string(r->args[0]));
	if (r->timeout_s) {
		json_object_object_add(params, "timeout_s", json_object_new_int64(r->timeout_s));
		patience = (uint64_t)r->timeout_s * 1000 + AT_MARGIN_MS;
	}
	if (r->body)
		json_object_object_add(params, "body", json_object_new_string(r->body));
	e = client_call(&r->client, "at.send", params, patience, &answer);
	if (e != END_OK)
		return e;
	if (r->json) {
		struct text result = json_member_text(answer, "result");

		print_json(stdout, answer);
		e = text_eq(result, "OK") || text_eq(result, "CONNECT") ? END_OK : END_MODULE;
	} else {
		print_answer(r, answer);
		e = print_result(r, answer);
	}
	json_object_put(answer);
	return e;
}
