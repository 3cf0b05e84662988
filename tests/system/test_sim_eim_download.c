/*
 * Profile downloads as a fleet's eIM orders them, with sim-eim and sim-smdp as programs, the
 * virtual eUICC in hand and a small IPA between them: indirectly through the eIM, and directly.
 */
#include "support/test.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/log.h"
#include "core/util.h"
#include "support/rspbed.h"

#define SECRET "between us"

static const char *argv0;

/* --- tests ------------------------------------------------------------------------------------ */

static const char *const curves[] = { "nist", "brp" };

static void a_profile_comes_through_the_eim_on_both_curves(void **state)
{
	static struct rspbed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		rspbed_open(&b, argv0, curves[i]);
		rspbed_add_profile(&b);
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, MINI_RSP_CODE);
		rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		rspbed_expect_account(&b, "installed");
		rspbed_expect_told(&b);
		rspbed_close(&b);
	}
}

static void a_profile_comes_straight_from_the_server_on_both_curves(void **state)
{
	static struct rspbed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		rspbed_open(&b, argv0, curves[i]);
		rspbed_add_profile(&b);
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		b.lpa.address = b.rsp.address;
		b.lpa.matching_id = b.rsp.matching_id;
		rspbed_expect_end(&b, mini_lpa_download(&b.lpa), MINI_INSTALLED);
		sdp_blob_set(&b.rsp.result, sdp_blob_octets(&b.lpa.result));
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		rspbed_expect_account(&b, "installed");
		rspbed_expect_told(&b);
		rspbed_close(&b);
	}
}

/* --- what an eIM does for its IPA ------------------------------------------------------------- */

/* One more option pair for the profile; NULL for none. */
static void add_with(struct rspbed *b, const char *option, const char *value)
{
	rspbed_good(b, RSPBED_SMDP(b, "add", "--iccid", RSPBED_ICCID, "--matching-id", "TRAVEL-1",
			"--name", "Travel",
		     "--provider", "Op", "--size", "9000", option, value));
}

static void install_by(struct rspbed *b, enum mini_rsp_delivery how)
{
	rspbed_expect_end(b, mini_rsp_download(&b->rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b->rsp, how);
	rspbed_expect_account(b, "installed as A0000005591010FFFFFFFF8900001100: " RSPBED_ICCID);
	rspbed_expect_told(b);
}

/*
 * An IPA that leaves everything to its eIM and as much out as it may: the trigger is empty, the
 * eIM has address, matchingId and confirmation code, makes ctxParams1, looks at the metadata, and
 * puts together again what the card signed.
 */
static void a_short_spoken_ipa_is_understood_on_both_curves(void **state)
{
	static struct rspbed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		rspbed_open(&b, argv0, curves[i]);
		add_with(&b, "--cc", SECRET);
		b.rsp.download_data = b.rsp.ctx_params = b.rsp.metadata = b.rsp.minimize = true;
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "data-request",
				"capabilities", "info1", "info2",
			     "device"));
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download",
				RSPBED_CODE "$2.999.10$1", "--hold",
			     "--confirmation-code", SECRET, "--indirect"));
		/* The data request is answered on the way. */
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, MINI_RSP_HELD);
		install_by(&b, i ? MINI_RSP_COMPACT : MINI_RSP_AS_TRIGGER_RESULT);
		assert_non_null(strstr(b.ran->said, RSPBED_ICCID));
		assert_false(b.rsp.had_tid);
		assert_false(b.rsp.had_matching_id);
		assert_true(b.rsp.had_ctx_params);
		assert_false(b.rsp.had_metadata);
		assert_true(b.rsp.had_hash_cc);
		assert_int_equal(b.rsp.ci_n, 4);
		rspbed_good(&b, RSPBED_EIM(&b, "results", RSPBED_EID));
		assert_non_null(strstr(b.ran->said,
				"\"Travel\" of Op, from " RSPBED_HOST ", indirect"));
		/* The code is nobody's business. */
		assert_null(strstr(b.ran->said, SECRET));
		rspbed_close(&b);
	}
}

/* What the eIM answers is settable, whatever was declared. */
static void answers_are_as_they_are_ordered(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "card", RSPBED_EID, "--answers", "no-tid,ci=8,bare"));
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	install_by(&b, MINI_RSP_AS_NOTIFICATION);
	assert_false(b.rsp.had_tid);
	assert_false(b.rsp.had_matching_id);
	assert_false(b.rsp.had_ctx_params);
	assert_true(b.rsp.had_metadata);
	assert_int_equal(b.rsp.ci_n, 8);
	rspbed_close(&b);
}

static void the_default_server_and_an_sm_ds_lead_to_profiles_too(void **state)
{
	static struct rspbed b;

	(void)state;
	for (int i = 0; i < 3; i++) {
		rspbed_open(&b, argv0, "nist");
		if (i == 0) {
			rspbed_good(&b, RSPBED_SMDP(&b, "add", "--iccid", RSPBED_ICCID,
					"--matching-id", "", "--eid", RSPBED_EID,
				      "--size", "9000"));
			rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download",
					"--default-smdp"));
			b.rsp.default_address = RSPBED_HOST;
		} else {
			rspbed_add_profile(&b);
			rspbed_good(&b, RSPBED_SMDP(&b, "event", "add", RSPBED_EID,
					"TRAVEL-1", RSPBED_HOST));
			if (i == 1)
				rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID,
						"download", "--smds", RSPBED_DS_HOST));
			else
				rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID,
						"download", "--smds", RSPBED_DS_HOST, "--hold"));
			b.rsp.download_data = i == 2;
		}
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, i == 0 ? MINI_RSP_DEFAULT :
					      i == 1 ? MINI_RSP_SMDS : MINI_RSP_HELD);
		install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
		rspbed_close(&b);
	}
}

/* --- what an eIM refuses ---------------------------------------------------------------------- */

static void what_does_not_fit_the_order_is_refused(void **state)
{
	static const struct {
		const char *code, *feature, *option, *value;
		int end;
		uint32_t error;
	} rows[] = {
		/* Another SM-DP+ than the OID says. */
		{ RSPBED_CODE "$2.999.11", "none", NULL, NULL, MINI_RSP_INITIATE, 51 },
		/* A server that is not there, by its name: no --smdp leads anywhere else. */
		{ "LPA:1$other.rsp.test$TRAVEL-1", "none", NULL, NULL, MINI_RSP_INITIATE, 127 },
		{ "LPA:1$" RSPBED_HOST "$WRONG", "none", NULL, NULL, MINI_RSP_AUTHENTICATE_CLIENT, 6 },
		/* Policy rules, where the IPA leaves them to the eIM. */
		{ RSPBED_CODE, "indirect,metadata", "--ppr", "no-disable", MINI_RSP_AUTHENTICATE_CLIENT, 50 },
		/* A confirmation code that nobody has. */
		{ RSPBED_CODE, "none", "--cc", SECRET, MINI_RSP_PREPARE, 1 },
	};
	static struct rspbed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rspbed_open(&b, argv0, "nist");
		add_with(&b, rows[i].option, rows[i].value);
		rspbed_good(&b, RSPBED_EIM(&b, "card", RSPBED_EID, "--features", rows[i].feature));
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", rows[i].code));
		assert_true(mini_rsp_fetch(&b.rsp));
		rspbed_expect_end(&b, mini_rsp_download(&b.rsp), rows[i].end);
		if (b.rsp.error != rows[i].error)
			fail_msg("row %zu: error %u", i, b.rsp.error);
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		assert_int_equal(RSPBED_EIM(&b, "results", RSPBED_EID, "--wait", "20"), 4);
		rspbed_close(&b);
	}
}

/* The metadata in the package are another profile's. */
static void a_package_with_other_metadata_is_kept_back(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "card", RSPBED_EID, "--features", "indirect,metadata"));
	rspbed_good(&b, RSPBED_SMDP(&b, "fault", "wrong-metadata"));
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_GET_PACKAGE);
	assert_int_equal(b.rsp.error, 50);
	rspbed_close(&b);
}

static void another_server_than_the_ordered_one_is_not_asked(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	assert_int_equal(text_copy(TEXT("else.rsp.test"), b.rsp.address, sizeof(b.rsp.address)), 0);
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INITIATE);
	assert_int_equal(b.rsp.error, 50);
	/* And a transaction id that is no order's. */
	assert_int_equal(text_copy(TEXT(RSPBED_HOST), b.rsp.address, sizeof(b.rsp.address)), 0);
	b.rsp.tx.p[0] ^= 1;
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INITIATE);
	assert_int_equal(b.rsp.error, 52);
	/* The order itself is as it was. */
	b.rsp.tx.p[0] ^= 1;
	install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
	rspbed_close(&b);
}

static void a_cancelled_session_ends_the_order_or_does_not(void **state)
{
	static const struct {
		int reason;
		bool compact;
		int results;            /* the exit code */
		const char *state;
	} rows[] = {
		{ 3, false, 4, "error" }, { 3, true, 4, "error" }, { 1, true, 3, "released" },
	};
	static struct rspbed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rspbed_open(&b, argv0, "nist");
		rspbed_add_profile(&b);
		rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		b.rsp.cancel_reason = rows[i].reason;
		b.rsp.cancel_compact = rows[i].compact;
		rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_CANCELLED);
		rspbed_good(&b, RSPBED_SMDP(&b, "wait", RSPBED_ICCID, rows[i].state,
				"--timeout", "5"));
		assert_int_equal(RSPBED_EIM(&b, "results", RSPBED_EID), rows[i].results);
		if (rows[i].reason == 3)
			assert_non_null(strstr(b.ran->said, "session cancelled, pprNotAllowed(3)"));
		rspbed_close(&b);
	}
}

/* --- the result's way to the SM-DP+ ----------------------------------------------------------- */

/* The SM-DP+ is away when the result comes, and the eIM is killed meanwhile: it gets it all the same. */
static void a_result_reaches_its_server_whatever_happens(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	assert_int_equal(rig_stop(b.dp), 0);
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	rspbed_good(&b, RSPBED_EIM(&b, "results", RSPBED_EID, "--wait", "20", "--json"));
	assert_non_null(strstr(b.ran->said, "\"told\":\"pending\""));
	kill(b.eim->pid, SIGKILL);
	rig_wait_end(b.eim, 10000);
	mini_ipa_hang_up(&b.ipa);
	rspbed_serve_smdp(&b);
	rspbed_serve_eim(&b);
	rspbed_expect_told(&b);
	/* Twice is too often, even when the IPA says it again. */
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_NOTIFICATION);
	rspbed_good(&b, RSPBED_SMDP(&b, "notifications", "--json"));
	assert_non_null(strstr(b.ran->said, "\"deliveries\":1"));
	RSPBED_EIM(&b, "results", RSPBED_EID, "--json");
	assert_non_null(strstr(b.ran->said, "\"told\":\"told\""));
	rspbed_close(&b);
}

static void an_ipa_that_goes_the_other_way_is_noticed(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE, "--direct"));
	assert_true(mini_rsp_fetch(&b.rsp));
	install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
	rspbed_good(&b, RSPBED_EIM(&b, "log"));
	assert_non_null(strstr(b.ran->said, "was ordered direct and went indirect"));
	rspbed_close(&b);
}

/* A result whose signature is not the card's is neither counted nor passed on. */
static void a_forged_result_is_not_taken(void **state)
{
	static struct rspbed b;

	(void)state;
	rspbed_open(&b, argv0, "nist");
	rspbed_add_profile(&b);
	rspbed_good(&b, RSPBED_EIM(&b, "queue", RSPBED_EID, "download", RSPBED_CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	b.rsp.result.p[b.rsp.result.n - 1] ^= 1;
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	assert_int_equal(RSPBED_EIM(&b, "results", RSPBED_EID), 3);
	rspbed_good(&b, RSPBED_SMDP(&b, "notifications", "--json"));
	assert_null(strstr(b.ran->said, "deliveries"));
	b.rsp.result.p[b.rsp.result.n - 1] ^= 1;
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	rspbed_expect_told(&b);
	rspbed_close(&b);
}

/* --- the configuration on the card ------------------------------------------------------------ */

/* The entry of this eIM on the card says that it offers indirect downloads. */
static bool card_says_indirect(struct rspbed *b)
{
	struct octets list = hand_hex(&b->hand, "BF5500");
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, list), entry;
	bool says = false;

	top = tlv_enter(&top, 0xbf55);
	top = tlv_enter(&top, 0xa0);
	entry = tlv_enter(&top, 0x30);
	for (; tlv_more(&entry); tlv_skip(&entry))
		says |= tlv_peek(&entry) == 0x89;
	assert_int_equal(doc.fault, TLV_OK);
	return says;
}

static void a_card_is_told_whether_it_may_go_through_the_eim(void **state)
{
	static const struct {
		const char *command;    /* for sim-eim indirect; NULL: as init had it */
		const char *option;     /* for sim-eim config; NULL: none */
		bool indirect;
	} rows[] = {
		{ NULL, NULL, true }, { NULL, "no", false }, { "no", NULL, false },
		{ "no", "yes", true }, { "yes", NULL, true },
	};
	static struct rspbed b;
	static char digits[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets answer;

		rspbed_open(&b, argv0, "nist");
		if (rows[i].command)
			rspbed_good(&b, RSPBED_EIM(&b, "indirect", rows[i].command));
		rspbed_good(&b, RSPBED_EIM(&b, "config", rig_path(&b.rig, "eim"),
				rows[i].option ? "--indirect" : NULL,
			     rows[i].option));
		assert_int_equal(text_copy(text_trim(text_of(b.ran->said)), digits, sizeof(digits)),
				 0);
		answer = hand_hex(&b.hand, digits);
		assert_memory_equal(answer.p, "\xbf\x57", 2);
		assert_int_equal(card_says_indirect(&b), rows[i].indirect);
		rspbed_close(&b);
	}
}

/* --- the README ------------------------------------------------------------------------------- */

#define README "tests/sim/eim/README.md"
#define HEADING "## Downloads, step by step"

/* A port that is free now and that nobody is given without asking for it. */
static unsigned free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static unsigned next;
	int fd, r;

	for (unsigned tries = 0; tries < 1000; tries++) {
		unsigned port = 20000 + ((unsigned)getpid() * 16 + next++) % 12000;

		at.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		r = bind(fd, (struct sockaddr *)&at, sizeof(at));
		close(fd);
		if (r == 0)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

static void replace(char *text, size_t cap, const char *old, const char *new)
{
	size_t old_n = strlen(old), new_n = strlen(new);

	for (char *at = text; (at = strstr(at, old)); at += new_n) {
		assert_true(strlen(text) + new_n - old_n < cap);
		memmove(at + new_n, at + old_n, strlen(at + old_n) + 1);
		memcpy(at, new, new_n);
	}
}

/* The blocks of commands below the heading, as they are, but in the rig's directory. */
static size_t read_blocks(struct rspbed *b, const char *ports[2], char blocks[][4096], size_t max)
{
	static char text[65536];
	FILE *f = fopen(README, "re");
	char *at, *end;
	size_t n = 0;

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	at = strstr(text, HEADING);
	assert_non_null(at);
	end = strstr(at + 3, "\n## ");
	assert_non_null(end);
	*end = '\0';
	while (n < max && (at = strstr(at, "```sh\n"))) {
		at += 6;
		end = strstr(at, "```");
		assert_int_equal(text_copy(text_from(at, (size_t)(end - at)), blocks[n], 4096), 0);
		replace(blocks[n], 4096, "/tmp/fleet", rig_path(&b->rig, "fleet"));
		replace(blocks[n], 4096, "8443", ports[0]);
		replace(blocks[n], 4096, "8444", ports[1]);
		n++;
		at = end + 3;
	}
	return n;
}

/* A server takes the shell's place, so that signals reach it. */
static struct rig_program *start_block(struct rspbed *b, const char *block, bool server)
{
	static char script[8192];

	snprintf(script, sizeof(script), "set -e\nPATH=\"%s:$PATH\"\n%s%s", b->rig.build,
		 server ? "exec " : "", block);
	return rig_start(&b->rig, "/bin/sh", "-c", script, NULL);
}

static void run_block(struct rspbed *b, const char *block)
{
	b->ran = start_block(b, block, false);
	rspbed_good(b, rig_wait_end(b->ran, 60000));
}

static void the_commands_of_the_readme_do_what_it_says(void **state)
{
	static struct rspbed b;
	static char blocks[8][4096];
	char eim_port[8], dp_port[8], dir[128], pki[96];
	const char *ports[] = { eim_port, dp_port };
	struct euicc_options o = { .times = &(struct ve_times){ 0 } };

	(void)state;
	memset(&b, 0, sizeof(b));
	rig_open(&b.rig, argv0);
	snprintf(eim_port, sizeof(eim_port), "%u", free_port());
	snprintf(dp_port, sizeof(dp_port), "%u", free_port());
	assert_int_equal(read_blocks(&b, ports, blocks, ARRAY_SIZE(blocks)), 6);
	run_block(&b, blocks[0]);
	b.dp = start_block(&b, blocks[1], true);
	b.dp_port = rspbed_port_of(b.dp);
	b.eim = start_block(&b, blocks[2], true);
	b.eim_port = rspbed_port_of(b.eim);
	run_block(&b, blocks[3]);

	snprintf(pki, sizeof(pki), "%s/ci.pem", rig_path(&b.rig, "fleet/pki"));
	mini_ipa_open(&b.ipa, pki, b.eim_port);
	mini_ipa_open(&b.es9, pki, b.dp_port);
	snprintf(dir, sizeof(dir), "%s", rig_path(&b.rig, "fleet/card"));
	o.dir = dir;
	hand_take(&b.hand, &o);
	rspbed_know_the_ipa(&b);
	assert_true(mini_rsp_fetch(&b.rsp));
	rspbed_expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);

	run_block(&b, blocks[4]);
	assert_non_null(strstr(b.ran->said, "\"Travel\" of Test Operator, from localhost"));
	assert_non_null(strstr(b.ran->said, ", indirect"));
	assert_true(mini_rsp_fetch(&b.rsp));
	b.es9.host = "localhost";
	b.es9.type = "application/json";
	b.lpa.address = b.rsp.address;
	b.lpa.matching_id = b.rsp.matching_id;
	rspbed_expect_end(&b, mini_lpa_download(&b.lpa), MINI_INSTALLED);
	sdp_blob_set(&b.rsp.result, sdp_blob_octets(&b.lpa.result));
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);

	run_block(&b, blocks[5]);
	assert_non_null(strstr(b.ran->said, ", direct"));
	mini_lpa_done(&b.lpa);
	mini_ipa_close(&b.es9);
	mini_rsp_done(&b.rsp);
	mini_ipa_close(&b.ipa);
	hand_close(&b.hand);
	rig_close(&b.rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_comes_through_the_eim_on_both_curves),
		cmocka_unit_test(a_profile_comes_straight_from_the_server_on_both_curves),
		cmocka_unit_test(a_short_spoken_ipa_is_understood_on_both_curves),
		cmocka_unit_test(answers_are_as_they_are_ordered),
		cmocka_unit_test(the_default_server_and_an_sm_ds_lead_to_profiles_too),
		cmocka_unit_test(what_does_not_fit_the_order_is_refused),
		cmocka_unit_test(a_package_with_other_metadata_is_kept_back),
		cmocka_unit_test(another_server_than_the_ordered_one_is_not_asked),
		cmocka_unit_test(a_cancelled_session_ends_the_order_or_does_not),
		cmocka_unit_test(a_result_reaches_its_server_whatever_happens),
		cmocka_unit_test(an_ipa_that_goes_the_other_way_is_noticed),
		cmocka_unit_test(a_forged_result_is_not_taken),
		cmocka_unit_test(a_card_is_told_whether_it_may_go_through_the_eim),
		cmocka_unit_test(the_commands_of_the_readme_do_what_it_says),
	};
	int r;

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	log_set_level(LOG_LEVEL_ERROR);
	if (ev_open() < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	ev_close();
	return r;
}
