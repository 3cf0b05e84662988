/*
 * The whole chain: an eIM orders, the daemon on a virtual module with a virtual eUICC obeys, the
 * module uses the new profile, the eIM verifies the result; or the profile has no coverage and comes
 * back by itself. Also with the daemon killed at any moment.
 */
#include "support/test.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/hex.h"
#include "core/file.h"
#include "core/util.h"
#include "support/rig.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"
#define ICCID_NOWHERE "89000123456789012343"

static struct rig rig;
static const char *argv0;
static struct rig_program *eim, *daemon_;
static char eim_dir[128], port[16];

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	snprintf(eim_dir, sizeof(eim_dir), "%s", rig_path(&rig, "eim"));
	setenv("SIM_EIM_DIR", eim_dir, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* Runs a program that must succeed; what it said is valid until the next one. */
#define MUST(name, ...) must(rig_run(&rig, &ran, name, __VA_ARGS__, NULL), name)

static struct rig_program *ran;

static void must(int code, const char *name)
{
	if (code != 0)
		fail_msg("%s: exit code %d: %s", name, code, ran->said);
}

static void make_card(const char *personality)
{
	MUST("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", personality,
			      "--eid", EID, "--pki", "tests/vectors/rsp/pki/nist",
			      "--profile", "iccid=" ICCID_A ",imsi=001010123456781,name=A,enabled=1",
			      "--profile", "iccid=" ICCID_B ",imsi=001010123456782,name=B",
			      "--profile", "iccid=" ICCID_NOWHERE ",imsi=001010123456783,name=C");
}

static void start_eim(void)
{
	const char *at;

	MUST("sim-eim", "init", eim_dir, "--pki", "tests/vectors/rsp/pki");
	eim = rig_start(&rig, "sim-eim", "serve", eim_dir, "--port", "0", NULL);
	assert_true(rig_wait_for(eim, "ready: port ", 0, 10000));
	at = strstr(eim->said, "ready: port ") + strlen("ready: port ");
	snprintf(port, sizeof(port), "%.*s", (int)strspn(at, "0123456789"), at);
}

static void write_config(void)
{
	char where[64], *line;
	uint8_t der[4096];
	size_t n;

	snprintf(where, sizeof(where), "127.0.0.1:%s", port);
	MUST("sim-eim", "config", eim_dir, "--fqdn", where);
	line = strtok(ran->said, " \n");
	assert_non_null(line);
	assert_int_equal(hex_decode(text_of(line), der, sizeof(der), &n), 0);
	assert_int_equal(file_save(rig_path(&rig, "eim.der"), der, n, 0600), 0);
}

static void start_daemon(void)
{
	FILE *f = fopen(rig_path(&rig, "cellmux.conf"), "w");

	assert_non_null(f);
	fprintf(f, "[ipa]\nspread = 1\nrollback_after = 10\ninterval = 5\nfirst_eim = %s\n",
		rig_path(&rig, "eim.der"));
	fclose(f);
	/* A module whose port comes and goes may be away just now. */
	daemon_ = rig_start_daemon(&rig, "--wait", "-c", rig_path(&rig, "cellmux.conf"), NULL);
}

static void start_all(const char *module, const char *personality)
{
	char card[160];

	make_card(personality);
	start_eim();
	write_config();
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	rig_start_module(&rig, "--module", module, "--card", card, "--baud", "0", "--boot-ms", "20",
			 "--coverage", ICCID_NOWHERE "=none", NULL);
	start_daemon();
	assert_true(rig_wait_state(&rig, "ready", 20000));
}

static void order(const char *first, const char *iccid, const char *option)
{
	MUST("sim-eim", "queue", EID, first, iccid, option);
}

/* Every package has its result, once, and verified. */
static const char *await_results(void)
{
	static char said[sizeof(eim->said)];
	struct rig_program *p = rig_start(&rig, "sim-eim", "results", "--wait", "90", "--json", NULL);
	int code = rig_wait_end(p, 100000);

	snprintf(said, sizeof(said), "%s", p->said);
	if (code != 0) {
		rig_wait_for(eim, "never", 0, 100);
		rig_wait_for(daemon_, "never", 0, 100);
		fail_msg("sim-eim results: exit code %d: %s\neIM: %s\ncellmuxd: %s", code, said, eim->said,
			 daemon_->said);
	}
	return said;
}

static bool enabled_is(const char *iccid)
{
	char wanted[80];

	snprintf(wanted, sizeof(wanted), "\"iccid\":\"%s\",\"state\":\"enabled\",\"in_use\":true", iccid);
	MUST("cellmuxctl", "profiles", "--json");
	return strstr(ran->said, wanted) != NULL;
}

static void an_order_is_obeyed_and_its_result_verified(void **state)
{
	(void)state;
	start_all("quectel-eg25", "iot");
	order("enable", ICCID_B, "--rollback");
	assert_non_null(strstr(await_results(), "enable ok"));
	assert_true(enabled_is(ICCID_B));
}

static void a_profile_without_coverage_comes_back(void **state)
{
	(void)state;
	start_all("quectel-eg25", "iot-refresh-910b");
	order("enable", ICCID_NOWHERE, "--rollback");
	assert_non_null(strstr(await_results(), "rollback ok"));
	assert_true(enabled_is(ICCID_A));
}

/* 6985 to everything, and a module that notices nothing until its radio is switched off and on. */
static void a_locked_card_behind_a_deaf_module_is_used_again(void **state)
{
	(void)state;
	start_all("quectel-ec200a", "iot-silent-6985");
	order("enable", ICCID_B, "--rollback");
	assert_non_null(strstr(await_results(), "enable ok"));
	assert_true(enabled_is(ICCID_B));
}

static void an_eim_that_is_away_gets_its_result_later(void **state)
{
	(void)state;
	start_all("quectel-eg25", "iot");
	order("enable", ICCID_B, "--rollback");
	MUST("sim-eim", "fault", "http=503,on=result,count=1");
	assert_non_null(strstr(await_results(), "enable ok"));
	assert_true(enabled_is(ICCID_B));
}

/* Ten seeded moments of a switch, the daemon killed at each. */
static void killed_at_any_moment_it_reports_once_or_rolls_back(void **state)
{
	unsigned seed = 7;

	(void)state;
	start_all("quectel-eg25", "iot-refresh-910b");
	for (int i = 0; i < 10; i++) {
		const char *iccid = i % 2 ? ICCID_A : ICCID_B;

		order("enable", iccid, "--rollback");
		seed = seed * 1103515245 + 12345;
		poll(NULL, 0, (int)(seed / 65536 % 5000));
		assert_int_equal(kill(daemon_->pid, SIGKILL), 0);
		rig_wait_end(daemon_, 5000);
		start_daemon();
		if (!rig_wait_state(&rig, "ready", 60000)) {
			rig_wait_for(daemon_, "never", 0, 100);
			fail_msg("after kill %d: %s", i, daemon_->said);
		}
		await_results();
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_order_is_obeyed_and_its_result_verified),
		T(a_profile_without_coverage_comes_back),
		T(a_locked_card_behind_a_deaf_module_is_used_again),
		T(an_eim_that_is_away_gets_its_result_later),
		T(killed_at_any_moment_it_reports_once_or_rolls_back),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
