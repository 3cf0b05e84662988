/*
 * The whole chain over CoAP: an eIM orders over DTLS, the daemon on a virtual module with a virtual
 * eUICC obeys, the eIM verifies the result; or the profile has no coverage and comes back by itself.
 * By key and by certificate, with a server as the only public one is, and on a bad network.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <limits.h>
#include <coap3/coap.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "support/rig.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"
#define ICCID_NOWHERE "89000123456789012343"
#define KEY "a-secret-of-ours"

static struct rig rig;
static const char *argv0;
static struct rig_program *eim, *daemon_, *ran;
static char eim_dir[128];

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

#define MUST(name, ...) must(rig_run(&rig, &ran, name, __VA_ARGS__, NULL), name)

static void must(int code, const char *name)
{
	if (code != 0)
		fail_msg("%s: exit code %d: %s", name, code, ran->said);
}

/* --- the set ---------------------------------------------------------------------------------- */

struct set {
	bool by_certificate;
	const char *habits, *net, *path;        /* of the eIM's server; NULL: as usual */
	const char *section;                    /* of the daemon's configuration, behind [eim.it] */
};

static void start_eim(const struct set *s)
{
	const char *argv[24] = { "sim-eim", "serve", eim_dir, "--port", "0", "--coaps", "0" };
	int n = 7;

	MUST("sim-eim", "init", eim_dir, "--pki", "tests/vectors/rsp/pki", "--supported-protocol", "8");
	if (!s->by_certificate) {
		argv[n++] = "--coaps-psk";
		argv[n++] = KEY;
	}
	if (s->habits) {
		argv[n++] = "--coaps-habits";
		argv[n++] = s->habits;
	}
	if (s->net) {
		argv[n++] = "--coaps-net";
		argv[n++] = s->net;
	}
	if (s->path) {
		argv[n++] = "--coaps-path";
		argv[n++] = s->path;
	}
	eim = rig_startv(&rig, "sim-eim", (char *const *)argv);
	if (!rig_wait_for(eim, "ready: port ", 0, 10000))
		fail_msg("%s", eim->said);
	MUST("sim-eim", "card", EID, "--eum-cert", "tests/vectors/rsp/pki/nist/eum.der", "--euicc-cert",
	     "tests/vectors/rsp/pki/nist/euicc.der");
}

static void write_config(const struct set *s)
{
	const char *at = strstr(eim->said, "coaps: port ");
	char where[64], *line, text[2048];
	uint8_t der[4096];
	size_t n;

	assert_non_null(at);
	snprintf(where, sizeof(where), "127.0.0.1:%lu", strtoul(at + strlen("coaps: port "), NULL, 10));
	MUST("sim-eim", "config", eim_dir, "--fqdn", where);
	line = strtok(ran->said, " \n");
	assert_non_null(line);
	assert_int_equal(hex_decode(text_of(line), der, sizeof(der), &n), 0);
	assert_int_equal(file_save(rig_path(&rig, "eim.der"), der, n, 0600), 0);
	assert_int_equal(file_save(rig_path(&rig, "psk"), "* eid text:" KEY "\n", strlen("* eid text:" KEY "\n"),
				   0600), 0);
	snprintf(text, sizeof(text), "[ipa]\nspread = 1\nrollback_after = 10\ninterval = 5\nfirst_eim = %s\n"
		 "psk_file = %s\n[eim.it]\n%s", rig_path(&rig, "eim.der"),
		 s->by_certificate ? "" : rig_path(&rig, "psk"), s->section ? s->section : "");
	assert_int_equal(file_save(rig_path(&rig, "cellmux.conf"), text, strlen(text), 0600), 0);
}

static void start_all(const struct set *s)
{
	char card[160];

	MUST("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "iot",
	     "--eid", EID, "--pki", "tests/vectors/rsp/pki/nist",
	     "--profile", "iccid=" ICCID_A ",imsi=001010123456781,name=A,enabled=1",
	     "--profile", "iccid=" ICCID_B ",imsi=001010123456782,name=B",
	     "--profile", "iccid=" ICCID_NOWHERE ",imsi=001010123456783,name=C");
	start_eim(s);
	write_config(s);
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	rig_start_module(&rig, "--module", "quectel-eg25", "--card", card, "--baud", "0", "--boot-ms", "20",
			 "--coverage", ICCID_NOWHERE "=none", NULL);
	daemon_ = rig_start_daemon(&rig, "--wait", "-c", rig_path(&rig, "cellmux.conf"), NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
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
		print_error("eIM: %s\n", eim->said);
		print_error("cellmuxd: %s\n", daemon_->said);
		fail_msg("sim-eim results: exit code %d: %s", code, said);
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

static void await_first_visit(void)
{
	if (!rig_wait_for(eim, "nothing queued", 0, 20000))
		fail_msg("%s", eim->said);
}

static void switch_to_b(void)
{
	MUST("sim-eim", "queue", EID, "enable", ICCID_B, "--rollback");
	assert_non_null(strstr(await_results(), "enable ok"));
	assert_true(enabled_is(ICCID_B));
	MUST("cellmuxctl", "ipa", "status", "--json");
	assert_non_null(strstr(ran->said, "\"transport\":\"coap\""));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_order_is_obeyed_by_key(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "needs-ccm8" });
	switch_to_b();
}

static void an_order_is_obeyed_by_a_pinned_certificate(void **state)
{
	(void)state;
	start_all(&(struct set){ .by_certificate = true });
	switch_to_b();
}

/* IpaCapabilities, GSMA SGP.32 2.11.2: this eIM could use either. */
static void coap_is_declared(void **state)
{
	(void)state;
	start_all(&(struct set){ 0 });
	MUST("sim-eim", "queue", EID, "data-request", "capabilities");
	assert_non_null(strstr(await_results(), "capabilities retrieve-https retrieve-coaps"));
}

static void what_is_switched_off_is_not_declared(void **state)
{
	(void)state;
	start_all(&(struct set){ .section = "transport = coap\n" });
	MUST("sim-eim", "queue", EID, "data-request", "capabilities");
	assert_non_null(strstr(await_results(), "capabilities retrieve-coaps"));
}

static void a_profile_without_coverage_comes_back(void **state)
{
	(void)state;
	start_all(&(struct set){ 0 });
	MUST("sim-eim", "queue", EID, "enable", ICCID_NOWHERE, "--rollback");
	assert_non_null(strstr(await_results(), "rollback ok"));
	assert_true(enabled_is(ICCID_A));
}

/* No Block1, its own path, an idle limit, one suite, answers when the work is done. */
static void a_server_as_the_public_one_is_understood(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "no-block1,big-first-block,no-etag,late-ack,one-handshake,needs-ccm8,"
					   "idle=16,datagram=1472,format=42", .path = "esipa",
				 .section = "coap_path = esipa\ncontent_format = 42\n" });
	/* More than goes whole by itself, and less than a datagram holds. */
	MUST("sim-eim", "queue", EID, "data-request", "A5", "A6");
	switch_to_b();
}

/* It takes no blocks, and its datagrams are too short for the answer: it gets a shorter one, and goes on. */
static void an_answer_that_is_too_long_stops_nothing(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "no-block1,datagram=1200" });
	MUST("sim-eim", "queue", EID, "data-request");
	if (!rig_wait_for(eim, "data-request", 0, 20000) ||
	    !rig_wait_for(daemon_, "longer than the way to it takes", 0, 60000))
		fail_msg("%s\n%s", eim->said, daemon_->said);
	MUST("sim-eim", "queue", EID, "enable", ICCID_B, "--rollback");
	/* 4: one of them did not succeed. */
	assert_int_equal(rig_run(&rig, &ran, "sim-eim", "results", "--wait", "60", "--json", NULL), 4);
	assert_non_null(strstr(ran->said, "enable ok"));
	assert_true(enabled_is(ICCID_B));
}

static void a_bad_network_only_costs_time(void **state)
{
	(void)state;
	start_all(&(struct set){ .net = "loss=10,duplicate=10,reorder=10,delay=20,seed=5",
				 .section = "ack_timeout = 1000\n" });
	switch_to_b();
}

static void a_server_that_forgets_and_a_network_that_moves_are_noticed(void **state)
{
	(void)state;
	start_all(&(struct set){ .section = "silence = 2\n" });
	await_first_visit();
	MUST("sim-eim", "coaps", "restart");
	MUST("cellmuxctl", "ipa", "poll");
	MUST("sim-eim", "coaps", "rebind");
	switch_to_b();
}

/* RFC 9146. libcoap has it from 4.3.5, with those of its TLS libraries that have it: not GnuTLS, nor OpenSSL. */
static bool has_connection_ids(void)
{
#ifdef COAP_HAS_CID
	return coap_dtls_cid_is_supported();
#else
	return false;
#endif
}

static unsigned handshakes(void)
{
	unsigned n = 0;

	rig_wait_for(eim, "never", 0, 100);
	for (const char *at = eim->said; (at = strstr(at, " connects")); at++)
		n++;
	return n;
}

/* By its number the server knows it from everywhere. */
static void an_association_with_a_number_outlives_its_address(void **state)
{
	(void)state;
	if (!has_connection_ids()) {
		print_message("skipped: this libcoap has no DTLS Connection IDs\n");
		skip();
	}
	for (int by_certificate = 0; by_certificate < 2; by_certificate++) {
		start_all(&(struct set){ .by_certificate = by_certificate });
		await_first_visit();
		MUST("sim-eim", "coaps", "rebind");
		MUST("cellmuxctl", "ipa", "poll");
		MUST("sim-eim", "coaps", "rebind");
		switch_to_b();
		MUST("sim-eim", "coaps", "show");
		assert_non_null(strstr(ran->said, " 2 rebound"));
		assert_int_equal(handshakes(), 1);
		if (!by_certificate) {
			teardown(NULL);
			setup(NULL);
		}
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_order_is_obeyed_by_key),
		T(an_order_is_obeyed_by_a_pinned_certificate),
		T(coap_is_declared),
		T(what_is_switched_off_is_not_declared),
		T(a_profile_without_coverage_comes_back),
		T(a_server_as_the_public_one_is_understood),
		T(an_answer_that_is_too_long_stops_nothing),
		T(a_bad_network_only_costs_time),
		T(a_server_that_forgets_and_a_network_that_moves_are_noticed),
		T(an_association_with_a_number_outlives_its_address),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
