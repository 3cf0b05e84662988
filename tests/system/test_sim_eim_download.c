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
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "support/hand.h"
#include "support/mini_lpa.h"
#include "support/mini_rsp.h"
#include "support/rig.h"

#define PKI "tests/vectors/rsp/pki/"
#define EID "89049032000000000000000000000163"
#define ICCID "89000123456789012349"
#define HOST "smdpp.rsp.test"
#define DS_HOST "ds.rsp.test"
#define SECRET "between us"
#define CODE "LPA:1$" HOST "$TRAVEL-1"

static const char *argv0;

struct bed {
	struct rig rig;
	struct rig_program *eim, *dp, *ran;
	struct hand hand;
	struct mini_ipa ipa, es9;
	struct mini_rsp rsp;
	struct mini_lpa lpa;
	uint16_t eim_port, dp_port;
	const char *pki;
	char ca[96];
};

/* --- programs --------------------------------------------------------------------------------- */

static void good(struct bed *b, int code)
{
	if (code)
		fail_msg("exit code %d: %s", code, b->ran->said);
}

#define EIM(b, ...)  eim(b, __VA_ARGS__, NULL)
#define SMDP(b, ...) smdp(b, __VA_ARGS__, NULL)

static int run(struct bed *b, const char *name, char **argv, int n, const char *word, va_list ap)
{
	argv[n++] = (char *)word;
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	b->ran = rig_startv(&b->rig, name, argv);
	return rig_wait_end(b->ran, 30000);
}

static int eim(struct bed *b, const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"--dir",
				 (char *)rig_path(&b->rig, "eim") };
	va_list ap;
	int code;

	va_start(ap, word);
	code = run(b, "sim-eim", argv, 3, word, ap);
	va_end(ap);
	return code;
}

static int smdp(struct bed *b, const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-smdp", (char *)word,
				 (char *)rig_path(&b->rig, "dp") };
	va_list ap;
	int code, n = 3;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	b->ran = rig_startv(&b->rig, "sim-smdp", argv);
	code = rig_wait_end(b->ran, 30000);
	return code;
}

static uint16_t port_of(struct rig_program *p)
{
	const char *at;

	if (!rig_wait_for(p, "ready: port ", 0, 20000) || !rig_wait_for(p, "\n", 0, 1000))
		fail_msg("not ready: %s", p->said);
	at = strstr(p->said, "ready: port ") + 12;
	return (uint16_t)strtoul(at, NULL, 10);
}

static struct octets es10_of_rsp(struct mini_rsp *d, struct octets command)
{
	return hand_es10(&container_of(d, struct bed, rsp)->hand, command);
}

static struct octets es10_of_lpa(struct mini_lpa *l, struct octets command)
{
	return hand_es10(&container_of(l, struct bed, lpa)->hand, command);
}

/* ES9+ straight to the SM-DP+. */
static int post_es9(struct mini_lpa *l, const char *function, const char *body,
		    struct sdp_blob *ret)
{
	struct bed *b = container_of(l, struct bed, lpa);
	char path[96];
	int r;

	snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", function);
	b->es9.path = path;
	r = mini_ipa_post(&b->es9, octets_from(body, strlen(body)));
	if (r < 0)
		return r;
	sdp_blob_set(ret, octets_from(b->es9.body, b->es9.n));
	return (int)b->es9.status;
}

static void serve_eim(struct bed *b)
{
	char at[32];

	snprintf(at, sizeof(at), "127.0.0.1:%u", b->dp_port);
	b->eim = rig_start(&b->rig, "sim-eim", "serve", rig_path(&b->rig, "eim"), "--quiet", "--smdp",
			   at, NULL);
	b->eim_port = b->ipa.port = port_of(b->eim);
}

static void serve_smdp(struct bed *b)
{
	b->dp = rig_start(&b->rig, "sim-smdp", "serve", rig_path(&b->rig, "dp"), "--port", "0",
			  "--log-level", "error", NULL);
	b->dp_port = b->es9.port = port_of(b->dp);
}

static void know_the_ipa(struct bed *b)
{
	size_t n;

	b->rsp.eim = &b->ipa;
	b->rsp.es10 = es10_of_rsp;
	assert_int_equal(hex_decode(TEXT(EID), b->rsp.eid, sizeof(b->rsp.eid), &n), 0);
}

/* The servers, a card that knows the SM-DP+'s CI, an IPA that has nothing in its hands yet. */
static void bed_open(struct bed *b, const char *curve)
{
	char eum[96], euicc[96];
	struct euicc_recipe card = { .eid = text_of(EID), .personality = "iot",
				     .version = VE_SGP32_12 };
	static char pki[64];

	memset(b, 0, sizeof(*b));
	snprintf(pki, sizeof(pki), PKI "%s", curve);
	b->pki = pki;
	snprintf(b->ca, sizeof(b->ca), "%s/ci.pem", pki);
	snprintf(eum, sizeof(eum), "%s/eum.der", pki);
	snprintf(euicc, sizeof(euicc), "%s/euicc.der", pki);
	rig_open(&b->rig, argv0);
	good(b, rig_run(&b->rig, &b->ran, "sim-smdp", "--init", rig_path(&b->rig, "dp"), "--pki",
			pki, "--host", HOST, "--sm-ds", DS_HOST, NULL));
	good(b, rig_run(&b->rig, &b->ran, "sim-eim", "init", rig_path(&b->rig, "eim"), "--pki", pki,
			"--indirect", NULL));
	mini_ipa_open(&b->ipa, b->ca, 0);
	mini_ipa_open(&b->es9, b->ca, 0);
	b->es9.host = HOST;
	b->es9.type = "application/json";
	serve_smdp(b);
	serve_eim(b);
	good(b, EIM(b, "card", EID, "--eum-cert", eum, "--euicc-cert", euicc));
	card.dir = rig_path(&b->rig, "card");
	card.pki[0] = pki;
	hand_open(&b->hand, &card);
	know_the_ipa(b);
	b->lpa.es10 = es10_of_lpa;
	b->lpa.post = post_es9;
}

static void bed_close(struct bed *b)
{
	mini_rsp_done(&b->rsp);
	mini_lpa_done(&b->lpa);
	mini_ipa_close(&b->ipa);
	mini_ipa_close(&b->es9);
	hand_close(&b->hand);
	rig_close(&b->rig);
}

static void add_profile(struct bed *b)
{
	good(b, SMDP(b, "add", "--iccid", ICCID, "--matching-id", "TRAVEL-1", "--name", "Travel",
		     "--size", "9000"));
}

/* The download came this far; else with what the eIM has in its log. */
static void expect_end(struct bed *b, int end, int wanted)
{
	char log[65536] = "";
	FILE *f;

	if (end == wanted)
		return;
	f = fopen(rig_path(&b->rig, "eim/log.txt"), "re");
	if (f) {
		log[fread(log, 1, sizeof(log) - 1, f)] = '\0';
		fclose(f);
	}
	fail_msg("ended with %d, error %u instead of %d:\n%s", end, b->rsp.error, wanted, log);
}

/* The SM-DP+ has the profile's result, once. */
static void expect_told(struct bed *b)
{
	good(b, SMDP(b, "wait", ICCID, "installed", "--timeout", "20"));
	good(b, SMDP(b, "notifications", "--json", "--wait", "--timeout", "20"));
	assert_non_null(strstr(b->ran->said, "\"verdict\":\"verified\""));
	assert_non_null(strstr(b->ran->said, "\"deliveries\":1"));
}

/* The eIM's account of its only package: one verified result, and it succeeded. */
static void expect_account(struct bed *b, const char *said)
{
	good(b, EIM(b, "results", EID, "--wait", "20"));
	if (!strstr(b->ran->said, said))
		fail_msg("\"%s\" is missing: %s", said, b->ran->said);
}

/* --- tests ------------------------------------------------------------------------------------ */

static const char *const curves[] = { "nist", "brp" };

static void a_profile_comes_through_the_eim_on_both_curves(void **state)
{
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		bed_open(&b, curves[i]);
		add_profile(&b);
		good(&b, EIM(&b, "queue", EID, "download", CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, MINI_RSP_CODE);
		expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		expect_account(&b, "installed");
		expect_told(&b);
		bed_close(&b);
	}
}

static void a_profile_comes_straight_from_the_server_on_both_curves(void **state)
{
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		bed_open(&b, curves[i]);
		add_profile(&b);
		good(&b, EIM(&b, "queue", EID, "download", CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		b.lpa.address = b.rsp.address;
		b.lpa.matching_id = b.rsp.matching_id;
		expect_end(&b, mini_lpa_download(&b.lpa), MINI_INSTALLED);
		sdp_blob_set(&b.rsp.result, sdp_blob_octets(&b.lpa.result));
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		expect_account(&b, "installed");
		expect_told(&b);
		bed_close(&b);
	}
}

/* --- what an eIM does for its IPA ------------------------------------------------------------- */

/* One more option pair for the profile; NULL for none. */
static void add_with(struct bed *b, const char *option, const char *value)
{
	good(b, SMDP(b, "add", "--iccid", ICCID, "--matching-id", "TRAVEL-1", "--name", "Travel",
		     "--provider", "Op", "--size", "9000", option, value));
}

static void install_by(struct bed *b, enum mini_rsp_delivery how)
{
	expect_end(b, mini_rsp_download(&b->rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b->rsp, how);
	expect_account(b, "installed as A0000005591010FFFFFFFF8900001100: " ICCID);
	expect_told(b);
}

/*
 * An IPA that leaves everything to its eIM and as much out as it may: the trigger is empty, the
 * eIM has address, matchingId and confirmation code, makes ctxParams1, looks at the metadata, and
 * puts together again what the card signed.
 */
static void a_short_spoken_ipa_is_understood_on_both_curves(void **state)
{
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		bed_open(&b, curves[i]);
		add_with(&b, "--cc", SECRET);
		b.rsp.download_data = b.rsp.ctx_params = b.rsp.metadata = b.rsp.minimize = true;
		good(&b, EIM(&b, "queue", EID, "data-request", "capabilities", "info1", "info2",
			     "device"));
		good(&b, EIM(&b, "queue", EID, "download", CODE "$2.999.10$1", "--hold",
			     "--confirmation-code", SECRET, "--indirect"));
		/* The data request is answered on the way. */
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, MINI_RSP_HELD);
		install_by(&b, i ? MINI_RSP_COMPACT : MINI_RSP_AS_TRIGGER_RESULT);
		assert_non_null(strstr(b.ran->said, ICCID));
		assert_false(b.rsp.had_tid);
		assert_false(b.rsp.had_matching_id);
		assert_true(b.rsp.had_ctx_params);
		assert_false(b.rsp.had_metadata);
		assert_true(b.rsp.had_hash_cc);
		assert_int_equal(b.rsp.ci_n, 4);
		good(&b, EIM(&b, "results", EID));
		assert_non_null(strstr(b.ran->said, "\"Travel\" of Op, from " HOST ", indirect"));
		/* The code is nobody's business. */
		assert_null(strstr(b.ran->said, SECRET));
		bed_close(&b);
	}
}

/* What the eIM answers is settable, whatever was declared. */
static void answers_are_as_they_are_ordered(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "card", EID, "--answers", "no-tid,ci=8,bare"));
	good(&b, EIM(&b, "queue", EID, "download", CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	install_by(&b, MINI_RSP_AS_NOTIFICATION);
	assert_false(b.rsp.had_tid);
	assert_false(b.rsp.had_matching_id);
	assert_false(b.rsp.had_ctx_params);
	assert_true(b.rsp.had_metadata);
	assert_int_equal(b.rsp.ci_n, 8);
	bed_close(&b);
}

static void the_default_server_and_an_sm_ds_lead_to_profiles_too(void **state)
{
	static struct bed b;

	(void)state;
	for (int i = 0; i < 3; i++) {
		bed_open(&b, "nist");
		if (i == 0) {
			good(&b, SMDP(&b, "add", "--iccid", ICCID, "--matching-id", "", "--eid", EID,
				      "--size", "9000"));
			good(&b, EIM(&b, "queue", EID, "download", "--default-smdp"));
			b.rsp.default_address = HOST;
		} else {
			add_profile(&b);
			good(&b, SMDP(&b, "event", "add", EID, "TRAVEL-1", HOST));
			if (i == 1)
				good(&b, EIM(&b, "queue", EID, "download", "--smds", DS_HOST));
			else
				good(&b, EIM(&b, "queue", EID, "download", "--smds", DS_HOST, "--hold"));
			b.rsp.download_data = i == 2;
		}
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, i == 0 ? MINI_RSP_DEFAULT :
					      i == 1 ? MINI_RSP_SMDS : MINI_RSP_HELD);
		install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
		bed_close(&b);
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
		{ CODE "$2.999.11", "none", NULL, NULL, MINI_RSP_INITIATE, 51 },
		/* A server that is not there, by its name: no --smdp leads anywhere else. */
		{ "LPA:1$other.rsp.test$TRAVEL-1", "none", NULL, NULL, MINI_RSP_INITIATE, 127 },
		{ "LPA:1$" HOST "$WRONG", "none", NULL, NULL, MINI_RSP_AUTHENTICATE_CLIENT, 6 },
		/* Policy rules, where the IPA leaves them to the eIM. */
		{ CODE, "indirect,metadata", "--ppr", "no-disable", MINI_RSP_AUTHENTICATE_CLIENT, 50 },
		/* A confirmation code that nobody has. */
		{ CODE, "none", "--cc", SECRET, MINI_RSP_PREPARE, 1 },
	};
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bed_open(&b, "nist");
		add_with(&b, rows[i].option, rows[i].value);
		good(&b, EIM(&b, "card", EID, "--features", rows[i].feature));
		good(&b, EIM(&b, "queue", EID, "download", rows[i].code));
		assert_true(mini_rsp_fetch(&b.rsp));
		expect_end(&b, mini_rsp_download(&b.rsp), rows[i].end);
		if (b.rsp.error != rows[i].error)
			fail_msg("row %zu: error %u", i, b.rsp.error);
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		assert_int_equal(EIM(&b, "results", EID, "--wait", "20"), 4);
		bed_close(&b);
	}
}

/* The metadata in the package are another profile's. */
static void a_package_with_other_metadata_is_kept_back(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "card", EID, "--features", "indirect,metadata"));
	good(&b, SMDP(&b, "fault", "wrong-metadata"));
	good(&b, EIM(&b, "queue", EID, "download", CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_GET_PACKAGE);
	assert_int_equal(b.rsp.error, 50);
	bed_close(&b);
}

static void another_server_than_the_ordered_one_is_not_asked(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "queue", EID, "download", CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	assert_int_equal(text_copy(TEXT("else.rsp.test"), b.rsp.address, sizeof(b.rsp.address)), 0);
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INITIATE);
	assert_int_equal(b.rsp.error, 50);
	/* And a transaction id that is no order's. */
	assert_int_equal(text_copy(TEXT(HOST), b.rsp.address, sizeof(b.rsp.address)), 0);
	b.rsp.tx.p[0] ^= 1;
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INITIATE);
	assert_int_equal(b.rsp.error, 52);
	/* The order itself is as it was. */
	b.rsp.tx.p[0] ^= 1;
	install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
	bed_close(&b);
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
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bed_open(&b, "nist");
		add_profile(&b);
		good(&b, EIM(&b, "queue", EID, "download", CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		b.rsp.cancel_reason = rows[i].reason;
		b.rsp.cancel_compact = rows[i].compact;
		expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_CANCELLED);
		good(&b, SMDP(&b, "wait", ICCID, rows[i].state, "--timeout", "5"));
		assert_int_equal(EIM(&b, "results", EID), rows[i].results);
		if (rows[i].reason == 3)
			assert_non_null(strstr(b.ran->said, "session cancelled, pprNotAllowed(3)"));
		bed_close(&b);
	}
}

/* --- the result's way to the SM-DP+ ----------------------------------------------------------- */

/* The SM-DP+ is away when the result comes, and the eIM is killed meanwhile: it gets it all the same. */
static void a_result_reaches_its_server_whatever_happens(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "queue", EID, "download", CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	assert_int_equal(rig_stop(b.dp), 0);
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	good(&b, EIM(&b, "results", EID, "--wait", "20", "--json"));
	assert_non_null(strstr(b.ran->said, "\"told\":\"pending\""));
	kill(b.eim->pid, SIGKILL);
	rig_wait_end(b.eim, 10000);
	mini_ipa_hang_up(&b.ipa);
	serve_smdp(&b);
	serve_eim(&b);
	expect_told(&b);
	/* Twice is too often, even when the IPA says it again. */
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_NOTIFICATION);
	good(&b, SMDP(&b, "notifications", "--json"));
	assert_non_null(strstr(b.ran->said, "\"deliveries\":1"));
	EIM(&b, "results", EID, "--json");
	assert_non_null(strstr(b.ran->said, "\"told\":\"told\""));
	bed_close(&b);
}

static void an_ipa_that_goes_the_other_way_is_noticed(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "queue", EID, "download", CODE, "--direct"));
	assert_true(mini_rsp_fetch(&b.rsp));
	install_by(&b, MINI_RSP_AS_TRIGGER_RESULT);
	good(&b, EIM(&b, "log"));
	assert_non_null(strstr(b.ran->said, "was ordered direct and went indirect"));
	bed_close(&b);
}

/* A result whose signature is not the card's is neither counted nor passed on. */
static void a_forged_result_is_not_taken(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, "nist");
	add_profile(&b);
	good(&b, EIM(&b, "queue", EID, "download", CODE));
	assert_true(mini_rsp_fetch(&b.rsp));
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	b.rsp.result.p[b.rsp.result.n - 1] ^= 1;
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	assert_int_equal(EIM(&b, "results", EID), 3);
	good(&b, SMDP(&b, "notifications", "--json"));
	assert_null(strstr(b.ran->said, "deliveries"));
	b.rsp.result.p[b.rsp.result.n - 1] ^= 1;
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
	expect_told(&b);
	bed_close(&b);
}

/* --- the configuration on the card ------------------------------------------------------------ */

/* The entry of this eIM on the card says that it offers indirect downloads. */
static bool card_says_indirect(struct bed *b)
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
	static struct bed b;
	static char digits[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets answer;

		bed_open(&b, "nist");
		if (rows[i].command)
			good(&b, EIM(&b, "indirect", rows[i].command));
		good(&b, EIM(&b, "config", rig_path(&b.rig, "eim"), rows[i].option ? "--indirect" : NULL,
			     rows[i].option));
		assert_int_equal(text_copy(text_trim(text_of(b.ran->said)), digits, sizeof(digits)),
				 0);
		answer = hand_hex(&b.hand, digits);
		assert_memory_equal(answer.p, "\xbf\x57", 2);
		assert_int_equal(card_says_indirect(&b), rows[i].indirect);
		bed_close(&b);
	}
}

/* --- the README ------------------------------------------------------------------------------- */

#define README "tests/sim/eim/README.md"
#define HEADING "## Downloads, step by step"

/* A port that is free now and that nobody is given without asking for it. */
static unsigned free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
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
static size_t read_blocks(struct bed *b, const char *ports[2], char blocks[][4096], size_t max)
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
static struct rig_program *start_block(struct bed *b, const char *block, bool server)
{
	static char script[8192];

	snprintf(script, sizeof(script), "set -e\nPATH=\"%s:$PATH\"\n%s%s", b->rig.build,
		 server ? "exec " : "", block);
	return rig_start(&b->rig, "/bin/sh", "-c", script, NULL);
}

static void run_block(struct bed *b, const char *block)
{
	b->ran = start_block(b, block, false);
	good(b, rig_wait_end(b->ran, 60000));
}

static void the_commands_of_the_readme_do_what_it_says(void **state)
{
	static struct bed b;
	static char blocks[8][4096];
	char eim_port[8], dp_port[8], dir[128], pki[96];
	const char *ports[] = { eim_port, dp_port };
	struct euicc_options o = { .times = &(struct ve_times){ 0 } };

	(void)state;
	memset(&b, 0, sizeof(b));
	rig_open(&b.rig, argv0);
	snprintf(eim_port, sizeof(eim_port), "%u", free_port());
	snprintf(dp_port, sizeof(dp_port), "%u", free_port());
	assert_int_equal(read_blocks(&b, ports, blocks, ARRAY_SIZE(blocks)), 5);
	run_block(&b, blocks[0]);
	b.dp = start_block(&b, blocks[1], true);
	b.dp_port = port_of(b.dp);
	b.eim = start_block(&b, blocks[2], true);
	b.eim_port = port_of(b.eim);
	run_block(&b, blocks[3]);

	snprintf(pki, sizeof(pki), "%s/ci.pem", rig_path(&b.rig, "fleet/pki"));
	mini_ipa_open(&b.ipa, pki, b.eim_port);
	snprintf(dir, sizeof(dir), "%s", rig_path(&b.rig, "fleet/card"));
	o.dir = dir;
	hand_take(&b.hand, &o);
	know_the_ipa(&b);
	assert_true(mini_rsp_fetch(&b.rsp));
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);

	run_block(&b, blocks[4]);
	assert_non_null(strstr(b.ran->said, "installed"));
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
