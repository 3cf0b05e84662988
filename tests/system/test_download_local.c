/*
 * Profile downloads that people on the spot start, with whole programs: cellmuxctl, a daemon that may
 * or may not know an eIM, and cards of both kinds. What went wrong is said in words that help.
 */
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "support/fleet.h"

static struct fleet fleet;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

/* The command's exit code, and words that it must have said. */
static void expect_said(struct fleet *f, int code, int wanted, const char *words)
{
	if (code != wanted || !strstr(f->ran->said, words))
		fleet_fail(f, "exit code %d with \"%s\" expected, is %d: %s", wanted, words, code,
			   f->ran->said);
}

#define DOWNLOAD(f, wanted, words, ...) \
	expect_said((f), fleet_ctl((f), "profile", "download", __VA_ARGS__, NULL), wanted, words)

/* --- confirmation codes ------------------------------------------------------------------------------ */

static void a_confirmation_code_is_asked_for_and_given(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ 0 });
	FLEET_ADD(f, "--cc", "4711");
	DOWNLOAD(f, 1, "give it with --confirmation-code", f->code);
	fleet_expect_order(f, "released");
	/* Who mistypes it has not lost the order, as long as the SM-DP+ lets him try. */
	DOWNLOAD(f, 1, "8.2.7/3.8", f->code, "--confirmation-code", "4712");
	DOWNLOAD(f, 1, "8.2.7/3.8", f->code, "--confirmation-code", "47110");
	fleet_expect_order(f, "released");
	DOWNLOAD(f, 0, f->iccid, f->code, "--confirmation-code", "4711");
	fleet_expect_installed(f);
	fleet_expect_on_card(f, f->iccid, "disabled");
	DOWNLOAD(f, 1, "8.2/3.7", f->code, "--confirmation-code", "4711");
	FLEET_ADD(f, "--cc", "4711", "--max-tries", "1");
	DOWNLOAD(f, 1, "8.2.7/6.4", f->code, "--confirmation-code", "4712");
	fleet_expect_order(f, "error");
	/* One that is wanted by nobody does no harm. */
	FLEET_ADD(f, "--name", "Free");
	DOWNLOAD(f, 0, "Free", f->code, "--confirmation-code", "4711");
	fleet_expect_installed(f);
	fleet_expect_all_settled(f);
	fleet_close(f);
}

/* --- what cannot begin --------------------------------------------------------------------------------- */

static void what_is_no_activation_code_is_said_to_be_none(void **state)
{
	static const char *const rows[] = {
		"nonsense",
		"LPA:2$localhost$X",
		"LPA:1$",
		"LPA:1$localhost",
		"LPA:1$local host$X",
		"LPA:1$localhost$X$1.2.x",
		"LPA:1$localhost$X$1.2.3$7",
	};
	struct fleet *f = &fleet;
	char code[400];

	(void)state;
	fleet_open(f, &(struct fleet_options){ 0 });
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
		DOWNLOAD(f, 1, "activation code", rows[k]);
	snprintf(code, sizeof(code), "LPA:1$localhost$%0300d", 1);
	DOWNLOAD(f, 2, "255", code);
	fleet_expect_all_settled(f);
	FLEET_ADD(f, "--matching-id", "", "--eid", FLEET_EID);
	DOWNLOAD(f, 0, f->iccid, "default");
	fleet_expect_installed(f);
	fleet_close(f);
}

static void without_authorities_no_server_is_asked(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ .ca = "" });
	FLEET_ADD(f, "--name", "Never");
	DOWNLOAD(f, 1, "set ca in section [ipa]", f->code);
	fleet_expect_order(f, "released");
	/* The eIM, which is pinned, is told the same, or does it itself. */
	fleet_download(f);
	fleet_set_config(f, "download = direct");
	fleet_kill(f->daemon);
	fleet_start_daemon(f);
	fleet_await_card(f);
	FLEET_ORDER(f, "download", f->code);
	fleet_visit(f);
	fleet_expect_result(f, "[ipa] ca", false);
	fleet_close(f);
}

/* --- a job ------------------------------------------------------------------------------------------------ */

static void a_job_is_followed_and_cancelled_in_the_middle(void **state)
{
	struct fleet *f = &fleet;
	char job[16];

	(void)state;
	fleet_open(f, &(struct fleet_options){ .card_ms = "3" });
	FLEET_ADD(f, "--size", "20000");
	FLEET_CTL(f, "profile", "download", f->code, "--no-wait");
	assert_int_equal(sscanf(f->ran->said, "job %15[0-9]", job), 1);
	assert_true(fleet_await_loading(f, 20));
	DOWNLOAD(f, 1, "BUSY", f->code);
	FLEET_CTL(f, "job", job);
	expect_said(f, 0, 0, "running");
	FLEET_CTL(f, "job", job, "--cancel");
	fleet_await_idle(f);
	FLEET_CTL(f, "job", job);
	expect_said(f, 0, 0, "cancelled");
	/* Both sides have forgotten it, and it can be had again. */
	FLEET_DP(f, "show", f->iccid);
	expect_said(f, 0, 0, "cancelled, reason 1");
	fleet_expect_order(f, "downloaded");
	fleet_expect_on_card(f, f->iccid, NULL);
	fleet_expect_all_settled(f);
	FLEET_CTL(f, "profile", "download", f->code, "--no-wait");
	assert_int_equal(sscanf(f->ran->said, "job %15[0-9]", job), 1);
	fleet_expect_installed(f);
	fleet_await_idle(f);
	FLEET_CTL(f, "job", job);
	expect_said(f, 0, 0, "done");
	fleet_expect_on_card(f, f->iccid, "disabled");
	fleet_close(f);
}

/* Who gives up waiting has not stopped anything, and is told how. */
static void an_interrupted_command_tells_which_job_goes_on(void **state)
{
	struct fleet *f = &fleet;
	struct rig_program *p;
	char job[16], words[80];

	(void)state;
	fleet_open(f, &(struct fleet_options){ .card_ms = "3" });
	FLEET_ADD(f, "--size", "20000");
	p = rig_start(&f->rig, "cellmuxctl", "-S", rig_path(&f->rig, "cellmux.sock"), "profile", "download",
		      f->code, NULL);
	assert_true(fleet_await_loading(f, 10));
	DOWNLOAD(f, 1, "profile.download is under way: job ", f->code);
	assert_int_equal(sscanf(strstr(f->ran->said, "job "), "job %15[0-9]", job), 1);
	assert_int_equal(kill(p->pid, SIGINT), 0);
	assert_int_equal(rig_wait_end(p, 5000), 128 + SIGINT);
	snprintf(words, sizeof(words), "job %s goes on; cellmuxctl job %s shows", job, job);
	assert_non_null(strstr(p->said, words));
	FLEET_CTL(f, "job", job);
	expect_said(f, 0, 0, "running");
	FLEET_CTL(f, "job", job, "--cancel");
	fleet_await_idle(f);
	FLEET_CTL(f, "ipa", "status");
	expect_said(f, 0, 0, ": cancelled");
	fleet_close(f);
}

static bool has_logged(struct fleet *f, const char *words)
{
	FILE *log = fopen(rig_path(&f->rig, "cellmuxd.log"), "re");
	char line[1200];
	bool found = false;

	assert_non_null(log);
	while (!found && fgets(line, sizeof(line), log))
		found = strstr(line, words) != NULL;
	fclose(log);
	return found;
}

/* One line, with what was tried and why it failed, and in the status as long as it is young. */
static void what_went_wrong_is_told_in_one_line(void **state)
{
	struct fleet *f = &fleet;
	char code[80], words[160];

	(void)state;
	fleet_open(f, &(struct fleet_options){ .conf = "[eim.typo]\nid = eim7\n[eim.right]\nid = eim1" });
	snprintf(code, sizeof(code), "LPA:1$localhost:%u$NOBODYS", f->dp_port);
	DOWNLOAD(f, 1, "profile.download: authenticateClient: matching id refused (8.2.6/3.8): Refused (REFUSED)\n",
		 code);
	/* The card has been read by now. */
	assert_true(has_logged(f, "[eim.typo] id = eim7: no eIM on the card has that id or address"));
	assert_false(has_logged(f, "[eim.right]"));
	FLEET_CTL(f, "ipa", "status");
	snprintf(words, sizeof(words), "  -  download from localhost:%u: authenticateClient: matching id refused",
		 f->dp_port);
	expect_said(f, 0, 0, words);
	fleet_kill(f->eim);
	expect_said(f, fleet_ctl(f, "ipa", "poll", NULL), 1, "ipa.poll: eIM eim1: connect: 127.0.0.1:");
	expect_said(f, 1, 1, "Connection refused (LINK_LOST)\n");
	FLEET_CTL(f, "status");
	expect_said(f, 0, 0, "\neIM         eim1: connect: 127.0.0.1:");
	expect_said(f, 0, 0, "\neUICC       ready, SGP.32, EID " FLEET_EID);
	fleet_drop(f);
}

/* --- consumer cards ----------------------------------------------------------------------------------------- */

static void expect_notified(struct fleet *f, const char *event, const char *count)
{
	FLEET_DP(f, "notifications", "--json", "--iccid", f->iccid, "--wait", "--count", count, "--timeout",
		 "60");
	if (!strstr(f->ran->said, event))
		fleet_fail(f, "no notification of %s: %s", event, f->ran->said);
}

/* Nobody else delivers what such a card has to say of its profiles. */
static void a_consumer_card_tells_the_smdp_of_everything(void **state)
{
	static const char *const personalities[] = { "consumer-refresh", "consumer-refresh" };
	struct fleet *f = &fleet;
	char notify[64];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(personalities); k++) {
		fleet_open(f, &(struct fleet_options){ .personality = personalities[k] });
		snprintf(notify, sizeof(notify), "install+enable+disable+delete@localhost:%u", f->dp_port);
		FLEET_ADD(f, "--notify", notify);
		DOWNLOAD(f, 0, f->iccid, f->code);
		fleet_expect_installed(f);
		FLEET_CTL(f, "profile", "enable", f->iccid);
		expect_notified(f, "\"event\":\"enable\"", "2");
		FLEET_CTL(f, "profile", "enable", FLEET_HOME);
		expect_notified(f, "\"event\":\"disable\"", "3");
		FLEET_CTL(f, "profile", "delete", f->iccid);
		expect_notified(f, "\"event\":\"delete\"", "4");
		fleet_await_idle(f);
		fleet_expect_all_settled(f);
		fleet_close(f);
	}
}

/* --- all kinds of cards and modules ----------------------------------------------------------------------- */

static const struct kind {
	const char *card, *module;
} kinds[] = {
	{ "bpp-channel-bound", NULL }, { "iot-silent-6985", NULL }, { "iot-termcap-gate", NULL },
	{ "custom-aid-only", NULL }, { "data-at-once", NULL }, { "tags-strict", NULL },
	{ "mem-reset-partial", NULL },
	{ "iot", "auto-get-response" }, { "classic-consumer", "csim-select-cme0" },
	{ "iot", "sierra-handle" }, { "iot", "cinterion-pls83" },
};

static void all_kinds_of_cards_and_modules_take_a_profile(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		print_message("%s in %s\n", kinds[k].card, kinds[k].module ? kinds[k].module : "-");
		fleet_open(f, &(struct fleet_options){ .personality = kinds[k].card, .module = kinds[k].module,
						       .local = true });
		FLEET_ADD(f, "--size", "4000");
		DOWNLOAD(f, 0, f->iccid, f->code);
		fleet_expect_installed(f);
		fleet_expect_on_card(f, f->iccid, "disabled");
		fleet_expect_all_settled(f);
		fleet_close(f);
	}
}

/* The card's own words are told to both: to who stands there, and to the SM-DP+. */
static void a_card_that_takes_no_profile_says_why(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ .personality = "pe-error-profile" });
	FLEET_ADD(f, "--size", "4000");
	DOWNLOAD(f, 1, "installFailedDueToPEProcessingError in loadProfileElements", f->code);
	FLEET_DP(f, "show", f->iccid);
	expect_said(f, 0, 0, "command 5, reason 12");
	fleet_expect_on_card(f, f->iccid, NULL);
	fleet_expect_all_settled(f);
	fleet_close(f);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(a_confirmation_code_is_asked_for_and_given),
		T(what_is_no_activation_code_is_said_to_be_none),
		T(without_authorities_no_server_is_asked),
		T(a_job_is_followed_and_cancelled_in_the_middle),
		T(an_interrupted_command_tells_which_job_goes_on),
		T(what_went_wrong_is_told_in_one_line),
		T(a_consumer_card_tells_the_smdp_of_everything),
		T(all_kinds_of_cards_and_modules_take_a_profile),
		T(a_card_that_takes_no_profile_says_why),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
