/*
 * Modules and cards as the field combines them, whole programs: cellmuxd against sim-module with
 * the virtual eUICC in it. For each pair the daemon reads the card or names why it cannot, shows
 * what is on the card, enables another profile where the card takes that from it, makes the module
 * follow, and gives its channel back when it ends.
 *
 * Most of the time is the modules' own: so each pair is a process of its own (this program again,
 * with --pair), and many of them run at once.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"
#include "support/rig.h"

#define FIRST  "8949000000000000017"
#define SECOND "8949000000000000025"
#define READ_MS 90000
#define SWITCH_MS 200000
#define AT_ONCE 20
#define PAIR_LIMIT_S 280

static const char *argv0;
static struct rig rig;
static struct rig_client client;
static const char *module_name, *card_name;

/* --- what is expected ------------------------------------------------------------------------------- */

/* How far a module lets us come, with a card that does nothing special. */
static const struct module_row {
	const char *name;
	const char *card;               /* state of the card in the end; NULL: ready */
	const char *from;               /* of the problem then */
	int code;
	const char *refresh_by;         /* makes it follow when the card asks for it; NULL: refresh */
	const char *silent_by;          /* and when the card says nothing; NULL: radio */
} modules[] = {
	/* They look for themselves now and then. */
	{ "quectel-eg25", .silent_by = "refresh" },
	{ "quectel-ec20-ec25" },
	{ "quectel-eg916q", .silent_by = "refresh" },
	/* The slot command was not given: what answers is not the eUICC. */
	{ "fibocom-fm350", "no-euicc", "card", 0x6a82 },
	{ "quectel-ec200a", .refresh_by = "radio" },
	{ "simcom-a7908" },
	{ "sierra-handle" },
	{ "auto-get-response" },
	{ "test-form-error" },
	/* Its own LPA has the ISD-R. */
	{ "quectel-rg650-internal-lpa", "no-euicc", "card", 0x6a82 },
	{ "quectel-em061-noprofile" },
	{ "fibocom-nl668", "no-euicc", "card", 0x6999 },
	{ "cmiot-ml307", .refresh_by = "reset" },
	{ "simcom-sim7600", "unreachable", "module", -1 },
	{ "csim-only-slot", "no-euicc", "card", 0x6a82 },
	{ "csim-select-cme0" },
	{ "csim-no-channels", "unreachable", "module", 100 },
	{ "sierra-em9191" },
	{ "lossy-uart" },
	{ "fibocom-fm350-ok", .refresh_by = "radio" },
	{ "quectel-bg95" },
	{ "quectel-rm500" },
	{ "simcom-sim7600-new" },
	{ "simcom-sim7080" },
	{ "simcom-a7670" },
	{ "telit-me910" },
	{ "telit-le910" },
	{ "ublox-sara-r4" },
	{ "ublox-sara-r5" },
	{ "ublox-lara-r6" },
	{ "sierra-hl78" },
	{ "cinterion-pls83" },
	{ "nordic-nrf91" },
	{ "sequans-gm02s" },
	{ "ipad-module" },
	{ "no-termcap" },
};

static const struct card_row {
	const char *name;
	const char *card;               /* as above, at a module that lets us through */
	const char *from;
	int code;
	bool iot;                       /* takes nothing from people on the spot */
	bool refreshes;                 /* tells the module after a switch */
} cards[] = {
	{ "classic-consumer" },
	{ "iot", .iot = true },
	{ "consumer-refresh", .refreshes = true },
	{ "iot-silent-6985", .iot = true },
	{ "iot-refresh-910b", .iot = true },
	{ "iot-gd-25", .iot = true },
	{ "iot-thales-long-fci", .iot = true },
	{ "iot-termcap-gate", .iot = true },
	{ "iot-list-after", .iot = true },
	{ "iot-boot-revert", .iot = true },
	{ "fci-not-readable" },
	{ "ecp-enable-aid-only" },
	{ "ecp-enable-refresh0-only" },
	{ "custom-aid-only" },
	{ "pe-error-profile" },
	{ "bpp-channel-bound" },
	{ "cat-busy-once" },
	/* By +CCHO it is the module that says so. */
	{ "basic-channel-only", "unreachable", NULL, 0x6881 },
	{ "mem-reset-partial", .iot = true },
	{ "sms-storage-zero" },
	{ "mute-card" },
	{ "tags-strict" },
	{ "data-at-once" },
	{ "many-channels" },
};

#define USUAL_CARD "classic-consumer"
#define USUAL_MODULE "quectel-eg25"

/* Beyond each with an ordinary partner: pairs that have met in the field, or may. */
static const char *const special[][2] = {
	{ "quectel-eg916q", "iot-silent-6985" },   { "quectel-eg916q", "iot-refresh-910b" },
	{ "quectel-ec20-ec25", "iot-silent-6985" }, { "quectel-ec20-ec25", "iot-refresh-910b" },
	{ "quectel-ec200a", "iot-silent-6985" },   { "quectel-ec200a", "iot-refresh-910b" },
	{ "simcom-a7908", "iot-silent-6985" },     { "simcom-a7908", "iot-refresh-910b" },
	{ "auto-get-response", "iot-silent-6985" }, { "auto-get-response", "iot-refresh-910b" },
	{ "quectel-ec200a", "iot-termcap-gate" },  { "cmiot-ml307", "consumer-refresh" },
	{ "simcom-sim7600-new", "consumer-refresh" }, { "cmiot-ml307", "cat-busy-once" },
	{ "quectel-ec200a", "consumer-refresh" },  { "sierra-handle", "many-channels" },
	{ "quectel-ec200a", "custom-aid-only" },   { "sierra-em9191", "fci-not-readable" },
	{ "auto-get-response", "data-at-once" },   { "quectel-eg916q", "custom-aid-only" },
	{ "quectel-ec200a", "basic-channel-only" }, { "telit-me910", "consumer-refresh" },
};

static const struct module_row *module_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (!strcmp(modules[i].name, name))
			return &modules[i];
	fail_msg("%s has no row", name);
	return NULL;
}

static const struct card_row *card_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(cards); i++)
		if (!strcmp(cards[i].name, name))
			return &cards[i];
	fail_msg("%s has no row", name);
	return NULL;
}

/* --- the programs ----------------------------------------------------------------------------------- */

static struct rig_program *daemon_program;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	client.fd = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_hang_up(&client);
	rig_close(&rig);
	return 0;
}

static void make_card(const char *personality)
{
	struct rig_program *p;

	if (rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, "card"), "--personality", personality,
		    "--profile", "iccid=" FIRST ",imsi=001010123456789,name=First,provider=One,enabled",
		    "--profile", "iccid=" SECOND ",imsi=001010987654321,name=Second,provider=Two", NULL))
		fail_msg("%s", p->said);
}

static void start_module(const char *module, const char *personality)
{
	char card[200];

	make_card(personality);
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", "--module", module, "--card", card,
			 NULL);
}

static void start_daemon(void)
{
	daemon_program = rig_start_daemon(&rig, "-l", "debug", NULL);
	assert_int_equal(rig_dial(&client, rig_path(&rig, "cellmux.sock"), 10000), 0);
}

static void stop_daemon(void)
{
	rig_hang_up(&client);
	assert_int_equal(rig_stop(daemon_program), 0);
}

/* "channels" and the like of the module's own status. */
static long module_number(const char *name)
{
	const char *answer = rig_ask_module(&rig, "status");
	char key[40];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(answer, key);
	if (!at)
		fail_msg("no %s in: %s", name, answer);
	return strtol(at + strlen(key), NULL, 10);
}

static bool module_shows(const char *word)
{
	return strstr(rig_ask_module(&rig, "status"), word) != NULL;
}

/* --- the daemon's word -------------------------------------------------------------------------------- */

static const char *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, name, &v) && v ? json_object_get_string(v) : "";
}

static struct json_object *part(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

/* The answer of euicc when the card is known to be something; the caller's. */
static struct json_object *wait_for_card(void)
{
	unsigned long long end = rig_now_ms() + READ_MS;
	struct json_object *o;

	o = rig_ask(&client, "subscribe", "{\"topics\":[\"euicc\"]}", 10000);
	assert_non_null(o);
	json_object_put(o);
	for (;;) {
		const char *card;

		o = rig_ask(&client, "euicc", NULL, 30000);
		assert_non_null(o);
		card = member(o, "card");
		if (strcmp(card, "absent") != 0 && strcmp(card, "reading") != 0)
			return o;
		json_object_put(o);
		if (rig_now_ms() > end) {
			rig_wait_for(daemon_program, "never", 0, 50);
			fail_msg("the card is not read: %s", daemon_program->said);
		}
		json_object_put(rig_hear(&client, 1000));
	}
}

/* One line per profile, "iccid state", in the order of the card. */
static void profiles_by_card(char *dst, size_t cap)
{
	struct rig_program *p;
	char *line, *save, iccid[32] = "", state[32];

	dst[0] = '\0';
	assert_int_equal(rig_run(&rig, &p, "sim-euicc", "--show", rig_path(&rig, "card"), NULL), 0);
	for (line = strtok_r(p->said, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "profile %31s", iccid) == 1)
			continue;
		if (iccid[0] && sscanf(line, "  state %31s", state) == 1) {
			snprintf(dst + strlen(dst), cap - strlen(dst), "%s %s\n", iccid, state);
			iccid[0] = '\0';
		}
	}
}

static void profiles_by_daemon(char *dst, size_t cap, char *in_use)
{
	struct json_object *o = rig_ask(&client, "profiles", NULL, 30000), *list;

	dst[0] = in_use[0] = '\0';
	if (!o)
		fail_msg("profiles: %s", rig_error);
	list = part(o, "profiles");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		snprintf(dst + strlen(dst), cap - strlen(dst), "%s %s\n", member(one, "iccid"),
			 member(one, "state"));
		if (!strcmp(member(one, "in_use"), "true"))
			snprintf(in_use, 32, "%s", member(one, "iccid"));
	}
	json_object_put(o);
}

static void expect_truth(const char *enabled)
{
	char card[1000], daemon[1000], in_use[32], want[1000];

	profiles_by_card(card, sizeof(card));
	profiles_by_daemon(daemon, sizeof(daemon), in_use);
	assert_string_equal(daemon, card);
	snprintf(want, sizeof(want), "%s enabled\n", enabled);
	assert_non_null(strstr(daemon, want));
	assert_string_equal(in_use, enabled);
	/* The one that the daemon works on, at most. */
	assert_true(module_number("channels") <= 1);
}

/* --- switching ------------------------------------------------------------------------------------------ */

static bool job_is_over(struct json_object *job)
{
	return job && strcmp(member(job, "state"), "running") != 0;
}

/* The job as it ended; the caller's. */
static struct json_object *wait_for_job(const char *id)
{
	unsigned long long end = rig_now_ms() + SWITCH_MS;
	char params[64];
	struct json_object *o, *job;

	snprintf(params, sizeof(params), "{\"job\":%s}", id);
	while (rig_now_ms() < end) {
		o = rig_ask(&client, "job.get", params, 10000);
		assert_non_null(o);
		job = part(o, "job") ? part(o, "job") : o;
		if (job_is_over(job)) {
			json_object_get(job);
			json_object_put(o);
			return job;
		}
		json_object_put(o);
		json_object_put(rig_hear(&client, 5000));
	}
	fail_msg("job %s does not end: %s", id, daemon_program->said);
	return NULL;
}

static const char *way_to_follow(const struct module_row *m, const struct card_row *c)
{
	if (c->refreshes)
		return m->refresh_by ? m->refresh_by : "refresh";
	return m->silent_by ? m->silent_by : "radio";
}

static void switch_profile(const char *by)
{
	struct json_object *o, *job, *result;
	char id[20];

	o = rig_ask(&client, "subscribe", "{\"topics\":[\"job\"]}", 10000);
	json_object_put(o);
	o = rig_ask(&client, "profile.enable", "{\"iccid\":\"" SECOND "\"}", 30000);
	if (!o)
		fail_msg("profile.enable: %s", rig_error);
	snprintf(id, sizeof(id), "%s", member(o, "job"));
	json_object_put(o);
	job = wait_for_job(id);
	print_message("%s\n", json_object_to_json_string(job));
	assert_string_equal(member(job, "state"), "done");
	result = part(job, "result");
	assert_string_equal(member(result, "followed"), "true");
	assert_string_equal(member(result, "by"), by);
	json_object_put(job);
	assert_true(module_shows("iccid=" SECOND));
}

static void expect_refusal(void)
{
	assert_null(rig_ask(&client, "profile.enable", "{\"iccid\":\"" SECOND "\"}", 30000));
	assert_string_equal(rig_error, "REFUSED");
}

/* --- one pair --------------------------------------------------------------------------------------------- */

static void expect_problem(struct json_object *euicc, const char *card, const char *from, int code)
{
	struct json_object *problem = part(euicc, "problem");

	assert_string_equal(member(euicc, "card"), card);
	assert_non_null(problem);
	if (from)
		assert_string_equal(member(problem, "from"), from);
	if (code >= 0 && (from || !strcmp(member(problem, "from"), "card")))
		assert_int_equal(atoi(member(problem, "code")), code);
	assert_null(rig_ask(&client, "profiles", NULL, 30000));
	assert_string_equal(rig_error, "NOT_READY");
	assert_int_equal(module_number("channels"), 0);
	assert_int_equal(module_number("sessions"), 0);
}

static void a_pair(void **state)
{
	const struct module_row *m = module_row(module_name);
	const struct card_row *c = card_row(card_name);
	struct json_object *o;

	(void)state;
	start_module(m->name, c->name);
	start_daemon();
	o = wait_for_card();
	print_message("%s\n", json_object_to_json_string(o));
	if (m->card) {
		expect_problem(o, m->card, m->from, m->code);
	} else if (c->card) {
		expect_problem(o, c->card, c->from, c->code);
	} else {
		assert_string_equal(member(o, "card"), "ready");
		assert_string_equal(member(o, "kind"), c->iot ? "SGP.32" : "SGP.22");
		expect_truth(FIRST);
		if (c->iot)
			expect_refusal();
		else
			switch_profile(way_to_follow(m, c));
		expect_truth(c->iot ? FIRST : SECOND);
	}
	json_object_put(o);
	stop_daemon();
	assert_int_equal(module_number("channels"), 0);
	assert_int_equal(module_number("sessions"), 0);
}

/* --- all of them --------------------------------------------------------------------------------------------- */

struct worker {
	pid_t pid;
	const char *module, *card;
	char log[128];
};

static struct worker workers[AT_ONCE];

static void start_pair(struct worker *w, const char *module, const char *card)
{
	w->module = module;
	w->card = card;
	snprintf(w->log, sizeof(w->log), "%s/%s+%s.log", rig.dir, module, card);
	fflush(NULL);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		int fd = open(w->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		alarm(PAIR_LIMIT_S);
		execl("/proc/self/exe", argv0, "--pair", module, card, NULL);
		_exit(127);
	}
}

static void show_log(const char *path)
{
	char line[1024];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		print_message("    %s", line);
	if (f)
		fclose(f);
}

/* Waits for one of them; whether it was well. */
static bool end_pair(void)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);

	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		struct worker *w = &workers[i];

		if (w->pid != pid)
			continue;
		w->pid = 0;
		print_message("%-28s %-26s %s\n", w->module, w->card, status ? "FAILED" : "ok");
		if (status)
			show_log(w->log);
		return status == 0;
	}
	return true;
}

static struct worker *free_worker(unsigned *failed)
{
	for (;;) {
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
			if (workers[i].pid == 0)
				return &workers[i];
		*failed += !end_pair();
	}
}

static bool is_running(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		if (workers[i].pid)
			return true;
	return false;
}

static void every_pair(void **state)
{
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		start_pair(free_worker(&failed), special[i][0], special[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		start_pair(free_worker(&failed), modules[i].name, USUAL_CARD);
	for (size_t i = 0; i < ARRAY_SIZE(cards); i++)
		if (strcmp(cards[i].name, USUAL_CARD) != 0)
			start_pair(free_worker(&failed), USUAL_MODULE, cards[i].name);
	while (is_running())
		failed += !end_pair();
	assert_int_equal(failed, 0);
}

/* What the simulators know and nobody has thought of here would go untested. */
static void every_personality_has_a_row(void **state)
{
	static const char *const lists[] = { "sim-module", "sim-euicc" };
	struct rig_program *p;
	char *line, *save, name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(rig_run(&rig, &p, lists[i], "--list", NULL), 0);
		for (line = strtok_r(p->said, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			if (sscanf(line, "%63s", name) != 1 || !strcmp(name, "silent-port"))
				continue;
			if (i == 0)
				module_row(name);
			else
				card_row(name);
		}
	}
}

/* --- a daemon that is killed while it reads -------------------------------------------------------------------- */

static bool wait_for_apdus(long n)
{
	unsigned long long end = rig_now_ms() + 30000;

	while (module_number("apdus") < n)
		if (rig_now_ms() > end)
			return false;
	return true;
}

static void kill_at(const char *module, long more)
{
	long before, left;

	print_message("%s, after %ld APDUs\n", module, more);
	before = module_number("apdus");
	daemon_program = rig_start_daemon(&rig, NULL);
	assert_true(wait_for_apdus(before + more));
	kill(daemon_program->pid, SIGKILL);
	assert_int_equal(rig_wait_end(daemon_program, 5000), 128 + SIGKILL);
	left = module_number("channels");
	assert_true(left <= 1);
	start_daemon();
	json_object_put(wait_for_card());
	expect_truth(FIRST);
	assert_int_equal(module_number("channels"), 1);
	stop_daemon();
	assert_int_equal(module_number("channels"), 0);
}

static void killed_while_reading(const char *module, long first)
{
	/* From the channel's opening (two APDUs) on to the last of the facts. */
	static const long moments[] = { 1, 2, 3, 6, 9, 14 };

	start_module(module, USUAL_CARD);
	/* The first one lets the module start in peace. */
	start_daemon();
	json_object_put(wait_for_card());
	stop_daemon();
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++)
		if (moments[i] >= first)
			kill_at(module, moments[i]);
}

static void killed_with_a_session_open(void **state)
{
	(void)state;
	killed_while_reading("quectel-eg25", 1);
}

static void killed_with_an_opaque_handle(void **state)
{
	(void)state;
	/* A handle that was never heard cannot be guessed. */
	killed_while_reading("sierra-handle", 3);
}

static void killed_with_a_raw_channel(void **state)
{
	(void)state;
	killed_while_reading("quectel-ec200a", 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_personality_has_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_with_a_session_open, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_with_an_opaque_handle, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_with_a_raw_channel, setup, teardown),
		cmocka_unit_test_setup_teardown(every_pair, setup, teardown),
	};
	const struct CMUnitTest pair[] = {
		cmocka_unit_test_setup_teardown(a_pair, setup, teardown),
	};

	argv0 = argv[0];
	if (argc == 4 && !strcmp(argv[1], "--pair")) {
		module_name = argv[2];
		card_name = argv[3];
		return cmocka_run_group_tests_name("pair", pair, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
