/*
 * 100 000 mixed commands from four clients at once, URCs and faults thrown in, by a fixed seed: no
 * answer may reach the wrong asker and none may be lost without a word. Every command carries a
 * token with a check digit that the virtual module gives back (AT%ECHO), so an answer that went to
 * somebody else cannot be mistaken for one that the line has damaged.
 *
 *   STRESS_COMMANDS=n  STRESS_SEED=n   another run
 */
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "support/rig.h"

#define CLIENTS 4
#define IN_FLIGHT 8
#define TOKEN_LEN 12            /* "T0-0000000-c" */

enum kind {
	KIND_ECHO, KIND_ECHO_LONG, KIND_CSQ, KIND_CGSN, KIND_COPS, KIND_ERROR, KIND_CME, KIND_SMS, _KIND_MAX
};

struct asked {
	unsigned id;                    /* 0: free */
	enum kind kind;
	unsigned lines;
};

struct client {
	struct rig_client c;
	unsigned asked_n, ended;
	struct asked asked[IN_FLIGHT];
};

static const char *argv0;
static struct rig rig;
static struct client clients[CLIENTS];
static unsigned long long seed;
static struct {
	unsigned ok, error, timeout, lost, not_ready, damaged, wrong;
} count;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % below;
}

/* --- tokens --------------------------------------------------------------------------------------- */

/* Weighted by powers of 5, modulo 26, without overflow: no other digit in one place gives the same. */
static char check_of(const char *token)
{
	unsigned sum = 7;

	for (int i = 0; i < TOKEN_LEN - 1; i++)
		sum = (sum * 5 + (unsigned char)token[i]) % 26;
	return (char)('a' + sum);
}

static void make_token(unsigned client, unsigned id, char dst[TOKEN_LEN + 1])
{
	snprintf(dst, TOKEN_LEN + 1, "T%u-%07u-x", client % 10, id % 10000000);
	dst[TOKEN_LEN - 1] = check_of(dst);
}

/* Has anybody asked with this token? What the line has made of one is hardly ever one that was. */
static bool was_asked(const char *token)
{
	struct text client = { token + 1, 1 }, id = { token + 3, 7 };
	uint32_t c, i;

	return token[2] == '-' && token[10] == '-' && text_to_u32(client, 10, &c) == 0 && c < CLIENTS &&
	       text_to_u32(id, 10, &i) == 0 && i >= 1 && i <= clients[c].asked_n &&
	       token[TOKEN_LEN - 1] == check_of(token);
}

/* How often the text has the own token; a whole token of another command is a wrong delivery. */
static unsigned find_tokens(const char *text, const char *own)
{
	unsigned found = 0;

	for (const char *t = strchr(text, 'T'); t && strlen(t) >= TOKEN_LEN; t = strchr(t + 1, 'T')) {
		if (!strncmp(t, own, TOKEN_LEN)) {
			found++;
		} else if (was_asked(t)) {
			print_error("%s got %.*s: %s\n", own, TOKEN_LEN, t, text);
			count.wrong++;
		}
	}
	return found;
}

/* --- asking --------------------------------------------------------------------------------------- */

static void ask(unsigned i, unsigned id)
{
	struct client *cl = &clients[i];
	struct asked *a = cl->asked;
	char token[TOKEN_LEN + 1], params[160] = "", request[320];

	while (a->id)
		a++;
	make_token(i, id, token);
	a->id = id;
	a->kind = (enum kind)(roll(3) ? KIND_ECHO : roll(_KIND_MAX));
	a->lines = a->kind == KIND_ECHO ? 1 : 1 + roll(12);
	switch (a->kind) {
	case KIND_ECHO:
	case KIND_ECHO_LONG:
		snprintf(params, sizeof(params), "\"cmd\":\"AT%%ECHO=\\\"%s\\\",%u\"", token, a->lines);
		break;
	case KIND_CSQ:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+CSQ\"");
		break;
	case KIND_CGSN:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+CGSN\"");
		break;
	case KIND_COPS:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+COPS?\"");
		break;
	case KIND_ERROR:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+NOSUCH=%s\"", token);
		break;
	case KIND_CME:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+CPIN=\\\"1234\\\",\\\"%s\\\"\"", token);
		break;
	case KIND_SMS:
		snprintf(params, sizeof(params), "\"cmd\":\"AT+CMGS=\\\"+4912345\\\"\",\"body\":\"%s\"", token);
		break;
	case _KIND_MAX:
		break;
	}
	snprintf(request, sizeof(request),
		 "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"at.send\",\"params\":{%s,\"timeout_s\":3}}", id,
		 params);
	rig_say(&cl->c, request);
}

/* --- judging -------------------------------------------------------------------------------------- */

static const char *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) && v ? json_object_get_string(v) : "";
}

static void judge_failure(struct json_object *answer)
{
	struct json_object *error = json_object_object_get(answer, "error");
	const char *name = member(json_object_object_get(error, "data"), "name");

	if (!strcmp(name, "TIMEOUT")) {
		count.timeout++;
	} else if (!strcmp(name, "LINK_LOST")) {
		count.lost++;
	} else if (!strcmp(name, "NOT_READY")) {
		count.not_ready++;
	} else {
		print_error("unexpected: %s\n", json_object_to_json_string(answer));
		count.wrong++;
	}
}

/* With an OK, the whole answer must be there, unless a fault has eaten some of it. */
static void judge_lines(const struct asked *a, const char *token, struct json_object *result)
{
	struct json_object *lines = json_object_object_get(result, "lines");
	const char *text = json_object_to_json_string(lines);
	unsigned tokens = find_tokens(text, token), wanted = 0, extra = 0;
	static const char *const marks[_KIND_MAX] = {
		[KIND_CSQ] = "+CSQ: ", [KIND_COPS] = "+COPS: ", [KIND_SMS] = "+CMGS: ",
		[KIND_ECHO] = "%ECHO: ", [KIND_ECHO_LONG] = "%ECHO: ",
	};

	if (a->kind == KIND_ECHO || a->kind == KIND_ECHO_LONG)
		wanted = a->lines;
	for (int k = 0; k < _KIND_MAX; k++)
		if (marks[k] && (!marks[a->kind] || strcmp(marks[k], marks[a->kind])) && strstr(text, marks[k]))
			extra++;
	if (extra) {
		print_error("%s, kind %d, got a stranger's line: %s\n", token, a->kind, text);
		count.wrong++;
	}
	if (tokens != wanted || (marks[a->kind] && !strstr(text, marks[a->kind])))
		count.damaged++;
	else
		count.ok++;
}

static void judge(unsigned i, struct json_object *answer)
{
	struct client *cl = &clients[i];
	unsigned id = (unsigned)strtoul(member(answer, "id"), NULL, 10);
	struct json_object *result = NULL;
	char token[TOKEN_LEN + 1];
	struct asked *a = NULL;

	for (unsigned k = 0; k < IN_FLIGHT; k++)
		if (cl->asked[k].id == id)
			a = &cl->asked[k];
	if (!a || !id) {
		print_error("client %u: an answer nobody asked for: %s\n", i,
			    json_object_to_json_string(answer));
		count.wrong++;
		return;
	}
	make_token(i, id, token);
	if (!json_object_object_get_ex(answer, "result", &result)) {
		judge_failure(answer);
	} else if (!strcmp(member(result, "result"), "OK")) {
		judge_lines(a, token, result);
	} else {
		find_tokens(json_object_to_json_string(result), token);
		count.error++;
	}
	a->id = 0;
	cl->ended++;
}

/* --- the run -------------------------------------------------------------------------------------- */

static unsigned number_from(const char *name, unsigned otherwise)
{
	uint32_t v;

	return getenv(name) && text_to_u32(text_of(getenv(name)), 10, &v) == 0 ? v : otherwise;
}

static void hear_one(unsigned i)
{
	struct json_object *o = rig_hear(&clients[i].c, 1000);

	assert_non_null(o);
	judge(i, o);
	json_object_put(o);
}

static void run(unsigned total)
{
	unsigned each = total / CLIENTS, done = 0;

	while (done < each * CLIENTS) {
		struct pollfd w[CLIENTS];

		for (unsigned i = 0; i < CLIENTS; i++) {
			struct client *cl = &clients[i];

			while (cl->asked_n < each && cl->asked_n - cl->ended < IN_FLIGHT)
				ask(i, ++cl->asked_n);
			w[i] = (struct pollfd){ .fd = cl->ended < each ? cl->c.fd : -1, .events = POLLIN };
		}
		/* The slowest thing that may happen is the whole recovery ladder's first rungs. */
		assert_true(poll(w, CLIENTS, 120000) > 0);
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (w[i].revents)
				hear_one(i);
			while (memchr(clients[i].c.in, '\n', clients[i].c.n))
				hear_one(i);
		}
		done = 0;
		for (unsigned i = 0; i < CLIENTS; i++)
			done += clients[i].ended;
	}
}

static void open_all(void)
{
	assert_true(rig_wait_state(&rig, "ready", 20000));
	for (unsigned i = 0; i < CLIENTS; i++) {
		memset(&clients[i], 0, sizeof(clients[i]));
		assert_int_equal(rig_dial(&clients[i].c, rig_path(&rig, "cellmux.sock"), 1000), 0);
	}
	memset(&count, 0, sizeof(count));
}

static void close_all(const char *what, unsigned total)
{
	print_message("%s: %u commands: %u ok, %u error answers, %u timed out, %u link lost, %u not ready, "
		      "%u damaged by the line, %u wrong\n", what, total, count.ok, count.error, count.timeout,
		      count.lost, count.not_ready, count.damaged, count.wrong);
	for (unsigned i = 0; i < CLIENTS; i++) {
		/* Nothing more comes. */
		assert_int_equal(clients[i].ended, total / CLIENTS);
		rig_hang_up(&clients[i].c);
	}
	assert_int_equal(count.wrong, 0);
}

static void no_answer_is_mixed_up_or_lost_on_a_good_line(void **state)
{
	unsigned total = number_from("STRESS_COMMANDS", 100000) / 2;

	(void)state;
	seed = number_from("STRESS_SEED", 1);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", "--fault", "urc%20", "--fault", "split%5",
			 NULL);
	rig_start_daemon(&rig, "-l", "warning", NULL);
	open_all();
	run(total);
	close_all("good line", total);
	/* A good line damages nothing and loses nothing, whatever is said in between. */
	assert_int_equal(count.timeout + count.lost + count.not_ready + count.damaged, 0);
	assert_int_equal(count.ok + count.error, total);
}

static void no_answer_is_mixed_up_or_lost_on_a_bad_line(void **state)
{
	unsigned total = number_from("STRESS_COMMANDS", 100000) / 2;

	(void)state;
	seed = number_from("STRESS_SEED", 2);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", "--seed", "3", NULL);
	rig_start_daemon(&rig, "-l", "warning", NULL);
	open_all();
	/* The faults begin when the module has started. */
	assert_true(rig_tell_module(&rig, "fault urc%20"));
	assert_true(rig_tell_module(&rig, "fault split%5"));
	assert_true(rig_tell_module(&rig, "fault error%1"));
	assert_true(rig_tell_module(&rig, "fault cme%1"));
	assert_true(rig_tell_module(&rig, "fault garbage:%ECHO@500*6"));
	assert_true(rig_tell_module(&rig, "fault lose:%ECHO@900*6"));
	assert_true(rig_tell_module(&rig, "fault no-answer:%ECHO@2000*2"));
	assert_true(rig_tell_module(&rig, "fault late(4000):%ECHO@9000*1"));
	assert_true(rig_tell_module(&rig, "fault reset:+CSQ@400*1"));
	run(total);
	close_all("bad line", total);
}

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_answer_is_mixed_up_or_lost_on_a_good_line, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer_is_mixed_up_or_lost_on_a_bad_line, setup, teardown),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
