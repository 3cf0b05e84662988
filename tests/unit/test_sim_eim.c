/*
 * sim-eim against the worked examples: what it sends is theirs bit by bit (signatures are
 * deterministic), what it gets is verified up to the CI, and nothing that was touched is taken.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/config.h"
#include "sim/eim/describe.h"
#include "sim/eim/esipa.h"
#include "sim/eim/package.h"
#include "sim/eim/result.h"
#include "support/examples.h"

#define EID "89049032123451234512345678901235"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"

/* --- an eIM with the keys of 15.1 ------------------------------------------------------------- */

static struct se_eim eim;
static struct se_card *card;
static char dir[] = "/tmp/test_sim_eim.XXXXXX";

static void load_certificates(void)
{
	const char *why;

	assert_int_equal(
		se_card_certificates(&eim, card, example("CERT_EUM"), example("CERT_EUICC"), &why),
		0);
}

static int setup(void **state)
{
	EVP_PKEY *ci;

	(void)state;
	se_eim_init(&eim, dir);
	assert_int_equal(se_key_from_scalar("nist", example("EIM"), &eim.key), 0);
	assert_int_equal(se_key_from_scalar("nist", example("CI (root)"), &ci), 0);
	assert_int_equal(se_anchor_add(&eim.anchors, ci), 0);
	EVP_PKEY_free(ci);
	assert_int_equal(se_card_new(&eim, EID, &card), 0);
	load_certificates();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	se_eim_done(&eim);
	return 0;
}

static void same(struct octets got, struct octets want, const char *what)
{
	char a[8192], b[8192];

	if (octets_same(got, want))
		return;
	hex_encode(got.p, MIN(got.n, (size_t)4000), a, sizeof(a));
	hex_encode(want.p, MIN(want.n, (size_t)4000), b, sizeof(b));
	print_error("%s:\n got  %s\n want %s\n", what, a, b);
	assert_true(0);
}

/* "enable X + delete Y" as an order. */
static struct se_order *order_of(const char *line, enum se_version version)
{
	static struct se_order order;
	char copy[512], why[SE_WHY_MAX], *words[32], *rest = copy, *word;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")))
		words[n++] = word;
	if (se_order_parse(n, words, ".", version, &order, why) < 0) {
		print_error("%s: %s\n", line, why);
		assert_true(0);
	}
	return &order;
}

static struct se_package *queue(const char *line)
{
	struct se_package *p = se_package_order(card, order_of(line, card->version));

	assert_non_null(p);
	memcpy(p->tx, example("eimTransactionId").p, 4);
	p->tx_n = 4;
	return p;
}

/* What ESipa answers, valid until the next call. */
static struct octets ask(struct octets request, unsigned want_status)
{
	static struct se_exchange x;

	free(x.response);
	x = (struct se_exchange){ .request = request };
	assert_int_equal(se_esipa_handle(&eim, &x), 0);
	assert_int_equal(x.status, want_status);
	return octets_from(x.response, x.response_n);
}

/* Package 1 of 15.3 on its way. */
static struct se_package *send_package_1(void)
{
	struct se_package *p;

	card->counter = 6;
	p = queue("enable " ICCID_B " --rollback + list-profiles --tags 5A9F70");
	same(ask(example("GetEimPackageRequest, minimal"), 200),
	     example("GetEimPackageResponse with eUICC Package 1"), "package 1");
	return p;
}

/* --- what it sends ---------------------------------------------------------------------------- */

static void packages_are_signed_bit_by_bit(void **state)
{
	struct se_package *p = send_package_1();

	(void)state;
	assert_int_equal(p->state, SE_SENT);
	assert_true(p->switches);
	/* Again: the same octets, not another counter. */
	same(ask(example("GetEimPackageRequest, minimal"), 200),
	     example("GetEimPackageResponse with eUICC Package 1"), "package 1 again");
	assert_int_equal(p->sent, 2);
	assert_int_equal(card->counter, 7);
}

static void an_association_token_is_signed_with(void **state)
{
	struct octets want =
		example("EuiccPackageRequest 2: counter 8, addEim; the signing eIM has token 5, so "
			"the signature covers the 30 TLV followed by 840105");
	static struct se_order order = { .kind = SE_KIND_ECO, .what = "add-eim" };
	struct tlv_out w = { .buf = order.body, .cap = sizeof(order.body) };
	struct octets entry = example("addEim");
	struct tlv_mark m = tlv_begin(&w, 0xA1);
	struct se_package *p;

	(void)state;
	tlv_put_raw(&w, entry.p, entry.n);
	tlv_close(&w, m);
	order.n = w.len;
	card->counter = 7;
	card->token = 5;
	p = se_package_order(card, &order);
	memcpy(p->tx, example("eimTransactionId").p, 4);
	p->tx_n = 4;
	assert_int_equal(se_package_prepare(&eim, card, p), 0);
	same(octets_from(p->message, p->message_n), want, "package 2");
}

static void token_objects_are_integers(void **state)
{
	static const struct {
		int32_t token;
		const char *hex;
	} rows[] = { { 0, "840100" }, { 127, "84017F" }, { 128, "84020080" }, { 65535, "840300FFFF" } };
	uint8_t buf[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		same(octets_from(buf, se_token_do(rows[i].token, buf)), octets_of_hex(rows[i].hex),
		     rows[i].hex);
}

static void every_operation_is_encoded_as_in_the_examples(void **state)
{
	static const struct {
		const char *order, *title;
	} rows[] = {
		{ "enable " ICCID_B, "enable" },
		{ "enable " ICCID_B " --rollback", "enable + rollbackFlag" },
		{ "disable " ICCID_A, "disable" },
		{ "delete " ICCID_B, "delete" },
		{ "list-profiles", "listProfileInfo (default tags)" },
		{ "list-profiles --iccid " ICCID_A, "listProfileInfo by ICCID" },
		{ "get-rat", "getRAT" },
		{ "immediate-enable --on --oid 1.2.3 --address dp.example",
		  "configureImmediateEnable on, OID 1.2.3, address" },
		{ "immediate-enable", "configureImmediateEnable off" },
		{ "set-fallback " ICCID_B, "setFallbackAttribute" },
		{ "unset-fallback", "unsetFallbackAttribute" },
		{ "set-default-dp dp.example", "setDefaultDpAddress" },
		{ "delete-eim eim2", "deleteEim" },
		{ "update-eim --id eim2 --fqdn eim3.example", "updateEim (FQDN only)" },
		{ "list-eim", "listEim" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_order *o = order_of(rows[i].order, SE_V1_2);
		struct tlv_doc doc;
		struct tlv top = tlv_open(&doc, octets_from(o->body, o->n));

		same(tlv_take(&top, o->kind == SE_KIND_PSMO ? 0xA0 : 0xA1), example(rows[i].title),
		     rows[i].order);
	}
}

static void wrong_orders_are_refused_with_a_reason(void **state)
{
	static const char *const rows[] = {
		"enabel 1", "enable", "enable 12", "enable " ICCID_A " --rolback", "enable " ICCID_A " +",
		"+ enable " ICCID_A, "enable " ICCID_A " + list-eim", "list-profiles --tags 5A9", "delete-eim",
		"add-eim --fqdn x", "add-eim --id x --key /nonexistent", "data-request nothing", "download",
		"download --smds a b", "raw", "raw 0G", "immediate-enable --oid x.y",
	};
	static struct se_order order;
	char why[SE_WHY_MAX], copy[128], *words[16], *rest, *word;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int n = 0;

		snprintf(copy, sizeof(copy), "%s", rows[i]);
		for (rest = copy; (word = strsep(&rest, " "));)
			words[n++] = word;
		if (se_order_parse(n, words, ".", SE_V1_2, &order, why) == 0 || !why[0]) {
			print_error("%s: taken, or without a reason\n", rows[i]);
			assert_true(0);
		}
	}
}

static void requests_for_data_and_downloads_are_those_of_the_examples(void **state)
{
	static const struct {
		const char *order, *title;
		enum se_version version;
		bool without_tx;
	} rows[] = {
		{ "data-request", "IpaEuiccDataRequest (all tags)", SE_V1_2 },
		{ "data-request notifications --events 0410", "IpaEuiccDataRequest (notifications of type delete)",
		  SE_V1_2, true },
		{ "data-request results --result-seq 21", "IpaEuiccDataRequest (package result 21)", SE_V1_2, true },
		{ "data-request all", "v1.0 | IpaEuiccDataRequest, all tags", SE_V1_0 },
		{ "download LPA:1$dp.example$MATCH-1", "ProfileDownloadTriggerRequest, activation code", SE_V1_2 },
		{ "download 1$dp.example$MATCH-1", "ProfileDownloadTriggerRequest, activation code", SE_V1_2 },
		{ "download --default-smdp", "ProfileDownloadTriggerRequest, default SM-DP+", SE_V1_2, true },
		{ "download --smds ds.example", "ProfileDownloadTriggerRequest, SM-DS with address", SE_V1_2 },
		{ "download --smds", "ProfileDownloadTriggerRequest, root SM-DS", SE_V1_2, true },
		{ "download --none", "ProfileDownloadTriggerRequest, no data (eIM holds the data)", SE_V1_2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_package *p;

		card->version = rows[i].version;
		p = queue(rows[i].order);
		if (rows[i].without_tx) {
			struct tlv_doc doc;
			struct tlv top = tlv_open(&doc, example(rows[i].title));

			same(octets_from(p->body, p->body_n), tlv_take(&top, tlv_peek(&top)),
			     rows[i].order);
			continue;
		}
		assert_int_equal(se_package_prepare(&eim, card, p), 0);
		same(octets_from(p->message, p->message_n), example(rows[i].title), rows[i].order);
	}
}

static void configuration_data_is_that_of_the_examples(void **state)
{
	uint8_t spki[256], buf[512];
	size_t n;
	struct se_config c = { .id = "eim2",
			       .fqdn = "eim2.example",
			       .id_type = 2,
			       .has_counter = true,
			       .token = true,
			       .has_protocols = true,
			       .protocols = 0x80,
			       .indirect = true };
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m;

	(void)state;
	assert_int_equal(se_key_spki(eim.key, spki, sizeof(spki), &n), 0);
	c.key = octets_from(spki, n);
	m = tlv_begin(&w, 0x30);
	se_config_put(&w, &c);
	tlv_close(&w, m);
	same(octets_from(buf, w.len),
	     example("EimConfigurationData of eim2 (FQDN, counter 0, token requested, "
		     "public key, retrieve HTTPS, indirect download)"),
	     "eim2");
}

static void brainpool_signs_and_verifies_as_well(void **state)
{
	struct octets part = octets_of_hex("00112233");
	uint8_t a[64], b[64];
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(se_key_new("brp", &key), 0);
	/* r or s begins with a zero in one of 128: all must have 32 octets. */
	for (uint8_t i = 0; i < 200; i++) {
		struct octets parts[2] = { part, octets_from(&i, 1) };

		assert_int_equal(se_sign(key, false, parts, 2, a), 0);
		assert_int_equal(se_sign(key, false, parts, 2, b), 0);
		assert_memory_equal(a, b, sizeof(a));
		assert_int_equal(se_verify(key, parts, 2, octets_from(a, 64)), 0);
		assert_int_equal(se_sign(key, true, parts, 2, b), 0);
		assert_memory_not_equal(a, b, sizeof(a));
		assert_int_equal(se_verify(key, parts, 2, octets_from(b, 64)), 0);
		b[i % 64] ^= 0x40;
		assert_int_not_equal(se_verify(key, parts, 2, octets_from(b, 64)), 0);
	}
	EVP_PKEY_free(key);
}

/* --- polling ---------------------------------------------------------------------------------- */

static void polls_are_answered_as_in_the_table(void **state)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{ "BF4F125A1089049032123451234512345678901235", "BF4F03020101" },
		{ "BF4F1C5A10890490321234512345123456789012358000810101820362F210", "BF4F03020101" },
		{ "BF4F195A10890490321234512345123456789012358000810362F210", "BF4F03020101" },  /* v1.0 */
		{ "BF4F165A1089049032123451234512345678901235DF7F0101", "BF4F03020101" },          /* unknown */
		{ "BF4F125A1089049032123451234512345678901236", "BF4F03020102" },
		{ "BF4F115A0F890490321234512345123456789012", "BF4F03020103" },
		{ "BF4F125A108904903212345123451234567890123F", "BF4F03020103" },
		{ "BF4F00", "BF4F03020104" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		same(ask(octets_of_hex(rows[i].request), 200), octets_of_hex(rows[i].answer),
		     rows[i].request);
	}
	assert_int_equal(card->polls, 4);
}

static void an_unknown_card_is_asked_for_its_certificates_first(void **state)
{
	struct se_package *p = queue("list-profiles"), *ask_first;

	(void)state;
	card->euicc_n = card->eum_n = 0;
	ask(example("GetEimPackageRequest, minimal"), 200);
	ask_first = list_first(&card->packages, struct se_package, node);
	assert_ptr_not_equal(ask_first, p);
	assert_true(ask_first->automatic);
	assert_int_equal(ask_first->kind, SE_KIND_DATA);
	assert_int_equal(ask_first->state, SE_SENT);
	assert_int_equal(p->state, SE_QUEUED);
}

static void indirect_downloads_are_refused_without_an_smdp(void **state)
{
	static const struct {
		const char *title, *answer;
	} rows[] = {
		{ "ESipa InitiateAuthentication request", "BF390381017F" },
		{ "ESipa AuthenticateClient request", "BF3B0382010A" },
		{ "ESipa GetBoundProfilePackage request", "BF3A0381015F" },
		{ "ESipa CancelSession request (the content of the answer goes into A1)", "BF4103810101" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		same(ask(example(rows[i].title), 200), octets_of_hex(rows[i].answer),
		     rows[i].title);
}

/* --- results ---------------------------------------------------------------------------------- */

static void a_result_is_taken_once_and_acknowledged_always(void **state)
{
	struct octets result = example("ProvideEimPackageResult with package result");
	struct se_package *p = send_package_1();

	(void)state;
	same(ask(result, 200), octets_of_hex("BF5006BF5303800115"), "acknowledgement of 21");
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(p->results, 1);
	assert_int_equal(p->duplicates, 0);
	assert_int_equal(p->verdict, SE_VERIFIED);
	assert_false(p->error);
	assert_string_equal(p->outcome,
			    "enable ok; list-profiles " ICCID_A " enabled, " ICCID_B " disabled");
	same(ask(result, 200), octets_of_hex("BF5006BF5303800115"), "acknowledgement again");
	assert_int_equal(p->results, 1);
	assert_int_equal(p->duplicates, 1);
}

static void notifications_beside_the_result_are_acknowledged_too(void **state)
{
	struct se_package *p = send_package_1();

	(void)state;
	same(ask(example("ProvideEimPackageResult with result and notifications"), 200),
	     example("ProvideEimPackageResultResponse, acknowledgements 20 and 21"), "20 and 21");
	assert_int_equal(p->results, 1);
	assert_int_equal(card->notes_n, 1);
	assert_int_equal(card->notes[0].seq, 20);
	assert_string_equal(card->notes[0].event, "disable");
	assert_string_equal(card->notes[0].iccid, ICCID_A);
	assert_string_equal(card->notes[0].address, "dp.example");
	assert_int_equal(card->notes[0].verdict, SE_VERIFIED);
	/* The same by the other way. */
	assert_int_equal(ask(example("HandleNotification with it"), 204).n, 0);
	assert_int_equal(card->notes_n, 1);
	assert_int_equal(card->notes[0].duplicates, 1);
}

static void the_layouts_of_v1_0_are_understood(void **state)
{
	struct se_package *p = send_package_1(), *load;

	(void)state;
	card->version = SE_V1_0;
	same(ask(example("v1.0 | ProvideEimPackageResult, result and notifications"), 200),
	     example("ProvideEimPackageResultResponse, acknowledgements 20 and 21"),
	     "v1.0 with notifications");
	assert_int_equal(p->results, 1);
	assert_int_equal(card->notes_n, 1);
	same(ask(example("v1.0 | ProvideEimPackageResult (no EID)"), 200),
	     octets_of_hex("BF5006BF5303800115"), "v1.0 without EID");
	assert_int_equal(p->duplicates, 1);
	/* The trigger result has the transaction id of package 1, which now is the trigger's. */
	p->tx_n = 0;
	load = queue("download --none");
	load->state = SE_SENT;
	assert_int_equal(ask(example("v1.0 | HandleNotification with a download result"), 204).n,
			 0);
	assert_int_equal(load->results, 1);
	assert_int_equal(load->verdict, SE_VERIFIED);
	load = queue("data-request all");
	load->state = SE_SENT;
	load->sent = 1;
	same(ask(example("v1.0 | ProvideEimPackageResult, invalidPackageFormat"), 200),
	     example("v1.0 | ProvideEimPackageResult response, nothing to acknowledge"),
	     "v1.0 refusal");
	assert_int_equal(load->state, SE_FAILED);
}

static void nothing_that_was_touched_is_taken(void **state)
{
	struct octets message = example("ProvideEimPackageResult with package result");
	struct octets result = example("EuiccPackageResult 1: enable ok, list");
	_cleanup_(freep) uint8_t *copy = malloc(message.n);
	size_t from = message.n - result.n + 7; /* behind the heads of BF51, A0 and their lengths */
	struct octets nothing = octets_of_hex("BF50023000");
	struct se_package *p = send_package_1();
	struct se_exchange x;

	(void)state;
	assert_non_null(copy);
	for (size_t at = from; at < message.n; at++) {
		memcpy(copy, message.p, message.n);
		copy[at] ^= 0x01;
		x = (struct se_exchange){ .request = octets_from(copy, message.n) };
		assert_int_equal(se_esipa_handle(&eim, &x), 0);
		/* Never an acknowledgement of anything. */
		assert_true(x.status == 400 ||
			    octets_same(octets_from(x.response, x.response_n), nothing));
		free(x.response);
		if (p->results || p->state != SE_SENT) {
			print_error("octet %zu: taken\n", at);
			assert_true(0);
		}
	}
	/* And untouched it is. */
	ask(message, 200);
	assert_int_equal(p->results, 1);
}

static void results_of_a_card_that_is_not_known_are_not_taken(void **state)
{
	struct octets message = example("ProvideEimPackageResult with package result");
	struct se_package *p = send_package_1();

	(void)state;
	card->euicc_n = 0;
	same(ask(message, 200), octets_of_hex("BF50023000"), "no certificate");
	assert_int_equal(p->results, 0);
	assert_int_equal(p->refused, 1);
	eim.accept_unverified = true;
	same(ask(message, 200), octets_of_hex("BF5006BF5303800115"), "taken without");
	assert_int_equal(p->verdict, SE_UNVERIFIED);
}

static void a_chain_that_is_not_right_is_refused(void **state)
{
	static const char *const folders[] = { "nist", "brp" };
	static const struct {
		const char *euicc, *words;
	} rows[] = {
		{ "euicc.der", NULL },
		{ "bad-euicc-ein.der", "another EID" },
		{ "bad-euicc-org.der", "name constraints" },
		{ "dpauth.der", "not signed by the EUM" },
	};

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(folders); f++) {
		struct se_anchors anchors = { .n = 0 }, none = { .n = 0 };
		char path[128];
		X509 *eum, *euicc;

		snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s/ci.der", folders[f]);
		assert_int_equal(se_anchor_load(&anchors, path), 0);
		snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s/eum.der", folders[f]);
		assert_int_equal(se_cert_load(path, &eum), 0);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			const char *why;

			snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s/%s", folders[f],
				 rows[i].euicc);
			assert_int_equal(se_cert_load(path, &euicc), 0);
			why = se_chain_check(&anchors, eum, euicc,
					     "89049032000000000000000000000163");
			if (!rows[i].words)
				assert_null(why);
			else if (!why || !strstr(why, rows[i].words))
				fail_msg("%s: %s", rows[i].euicc, why ? why : "taken");
			assert_non_null(se_chain_check(&none, eum, euicc,
						       "89049032000000000000000000000163"));
			assert_non_null(se_chain_check(&anchors, euicc, euicc,
						       "89049032000000000000000000000163"));
			X509_free(euicc);
		}
		X509_free(eum);
		se_anchors_done(&anchors);
	}
}

/* BF50 { 5A eid, what }. */
static struct octets provide(struct octets what)
{
	static uint8_t buf[8192];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xBF50);

	tlv_put_octets(&w, 0x5A, example("EID"));
	tlv_put_raw(&w, what.p, what.n);
	tlv_close(&w, m);
	return octets_from(buf, w.len);
}

static void errors_conclude_a_package(void **state)
{
	struct se_package *p = send_package_1();

	(void)state;
	same(ask(provide(example("Bad signature, association token 5 configured: unsigned error")),
		 200),
	     octets_of_hex("BF50023000"), "unsigned error");
	assert_int_equal(p->state, SE_DONE);
	assert_true(p->error);
	assert_int_equal(p->results, 1);
	assert_int_equal(card->remarks > 0, true);      /* token 5, not 0 */
}

static void a_replay_error_before_any_result_asks_for_stored_results(void **state)
{
	struct se_package *p = send_package_1(), *stored;
	uint8_t buf[1024];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark a, b, c;
	struct octets result = example("EuiccPackageResult 1: enable ok, list");

	(void)state;
	/* The IPA was killed between execution and delivery, and polls again. */
	ask(example("GetEimPackageRequest, minimal"), 200);
	ask(provide(example("Replay of the same package: replayError, signed")), 200);
	assert_int_equal(p->state, SE_SENT);
	assert_int_equal(p->results, 0);
	stored = list_first(&card->packages, struct se_package, node);
	assert_true(stored->automatic);
	ask(example("GetEimPackageRequest, minimal"), 200);
	assert_int_equal(stored->state, SE_SENT);
	a = tlv_begin(&w, 0xBF52);
	b = tlv_begin(&w, 0xA0);
	c = tlv_begin(&w, 0xA2);
	tlv_put_raw(&w, result.p, result.n);
	tlv_close(&w, c);
	tlv_put(&w, 0x87, stored->tx, stored->tx_n);
	tlv_close(&w, b);
	tlv_close(&w, a);
	same(ask(provide(octets_from(buf, w.len)), 200), octets_of_hex("BF5006BF5303800115"),
	     "stored result");
	assert_int_equal(stored->state, SE_DONE);
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(p->results, 1);
	assert_int_equal(p->duplicates, 0);
	assert_string_equal(se_verdict_names[p->verdict], "verified");
}

static void a_rollback_in_place_of_the_result_is_one_result(void **state)
{
	struct octets response =
		example("ProfileRollback response: ok with a new signed result (sequence number "
			"22)");
	struct se_package *p = send_package_1();
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, response), in = tlv_enter(&top, 0xBF58);
	uint32_t tag;

	(void)state;
	tlv_take(&in, 0x02);
	same(ask(provide(tlv_take_whole(&in, &tag)), 200), octets_of_hex("BF5006BF5303800116"),
	     "22");
	assert_int_equal(p->results, 1);
	assert_true(p->rolled_back);
	assert_string_equal(p->outcome, "rollback ok");
	/* The original one after it is too old, and not a second result. */
	same(ask(example("ProvideEimPackageResult with package result"), 200),
	     octets_of_hex("BF5006BF5303800115"), "late");
	assert_int_equal(p->results, 1);
	assert_int_equal(p->duplicates, 1);
}

static void downloads_are_concluded_by_either_way(void **state)
{
	struct se_package *p = queue("download LPA:1$dp.example$MATCH-1");
	struct octets result = example("ProfileDownloadTriggerResult, installed");

	(void)state;
	ask(example("GetEimPackageRequest, minimal"), 200);
	/* Not offered again while it runs. */
	same(ask(example("GetEimPackageRequest, minimal"), 200), octets_of_hex("BF4F03020101"),
	     "running");
	assert_int_equal(
		ask(example("HandleNotification with that result (direct download)"), 204).n, 0);
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(p->verdict, SE_VERIFIED);
	assert_string_equal(p->outcome, "installed as A0000005591010FFFFFFFF8900001100: "
				    "89000123456789012341, from dp.example, direct");
	same(ask(provide(result), 200), octets_of_hex("BF50023000"), "again");
	assert_int_equal(p->results, 1);
	assert_int_equal(p->duplicates, 1);
}

static void failed_downloads_say_why(void **state)
{
	static const struct {
		const char *title, *words;
	} rows[] = {
		{ "ProfileDownloadTriggerResult, undefinedError", "download failed: undefinedError(127)" },
		{ "ProfileDownloadTriggerResult, ecallActive", "download failed: ecallActive(104)" },
		{ "v1.0 | ProfileDownloadTriggerResult, error without text", "download failed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_package *p = queue("download --none");

		p->state = SE_SENT;
		same(ask(provide(example(rows[i].title)), 200), octets_of_hex("BF50023000"),
		     rows[i].title);
		assert_int_equal(p->state, SE_DONE);
		assert_true(p->error);
		assert_string_equal(p->outcome, rows[i].words);
		p->tx_n = 0;
	}
}

static void data_is_learned_from(void **state)
{
	struct se_package *p = queue("data-request");

	(void)state;
	p->state = SE_SENT;
	same(ask(provide(example(
			 "IpaEuiccDataResponse (default SM-DP+, EUICCInfo1, root SM-DS, token 5, "
			 "transaction id, capabilities, device)")),
		 200),
	     octets_of_hex("BF50023000"), "data");
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(card->token, 5);
	assert_string_equal(p->outcome,
			    "data: default-smdp dp.example info1 root-smds ds.example capabilities "
			    "retrieve-https device token 5");
	p = queue("data-request");
	p->state = SE_SENT;
	list_first(&card->packages, struct se_package, node)->tx_n = 0;
	ask(provide(example("IpaEuiccDataResponse, incorrectTagList")), 200);
	assert_true(p->error);
	assert_string_equal(p->outcome, "data: error(1)");
}

static void certificates_are_learned_if_they_are_good(void **state)
{
	struct se_package *p = queue("data-request eum-cert euicc-cert");
	uint8_t buf[2048];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark a = tlv_begin(&w, 0xBF52), b = tlv_begin(&w, 0xA0);
	struct tlv_doc doc;
	struct tlv eum = tlv_open(&doc, example("CERT_EUM")),
		   euicc = tlv_open(&doc, example("CERT_EUICC"));

	(void)state;
	card->eum_n = card->euicc_n = 0;
	p->state = SE_SENT;
	tlv_put_octets(&w, 0xA5, tlv_take(&eum, 0x30));
	tlv_put_octets(&w, 0xA6, tlv_take(&euicc, 0x30));
	tlv_put(&w, 0x87, p->tx, p->tx_n);
	tlv_close(&w, b);
	tlv_close(&w, a);
	ask(provide(octets_from(buf, w.len)), 200);
	assert_int_equal(card->euicc_n, example("CERT_EUICC").n);
	assert_string_equal(p->outcome, "data: certificates verified");
	/* One octet of the eUICC's certificate. */
	card->eum_n = card->euicc_n = 0;
	p->results = 0;
	buf[w.len - 40] ^= 0x01;
	ask(provide(octets_from(buf, w.len)), 200);
	assert_int_equal(card->euicc_n, 0);
}

static void refusals_by_the_ipa_conclude_a_package(void **state)
{
	struct se_package *p = send_package_1();

	(void)state;
	same(ask(example("ProvideEimPackageResult: invalidPackageFormat"), 200),
	     example("ProvideEimPackageResultResponse, empty"), "refusal");
	assert_int_equal(p->state, SE_FAILED);
	assert_string_equal(p->outcome, "IPA: invalidPackageFormat(1)");
	/* A result after all, from the card's store. */
	ask(example("ProvideEimPackageResult with package result"), 200);
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(p->results, 1);
}

static void results_of_every_kind_have_words(void **state)
{
	static const struct {
		const char *title, *words;
		bool error;
	} rows[] = {
		{ "enableResult ok", "enable ok" },
		{ "enableResult rollbackNotAvailable", "enable rollbackNotAvailable(20)", true },
		{ "deleteResult returnFallbackProfile", "delete returnFallbackProfile(21)", true },
		{ "getRATResult (one rule)", "get-rat 1 rule" },
		{ "configureImmediateEnableResult ok", "immediate-enable ok" },
		{ "addEimResult with token", "add-eim ok, token 1" },
		{ "addEimResult code", "add-eim associatedEimAlreadyExists(2)", true },
		{ "deleteEimResult lastEimDeleted", "delete-eim lastEimDeleted(2)" },
		{ "updateEimResult ok", "update-eim ok" },
		{ "listEimResult", "list-eim eim1, eim2" },
		{ "v1.0 | listEim result with types (84)", "list-eim eim1, eim2" },
		{ "listEimResult error", "list-eim error(127)", true },
		{ "rollbackResult ok", "rollback ok" },
		{ "setFallbackAttributeResult", "set-fallback fallbackNotAllowed(2)", true },
		{ "unsetFallbackAttributeResult", "unset-fallback noFallbackAttribute(2)", true },
		{ "processingTerminated", "terminated unknownOrDamagedCommand(2)", true },
		{ "setDefaultDpAddressResult", "set-default-dp ok" },
		{ "disableResult profileNotInEnabledState", "disable profileNotInEnabledState(2)", true },
		{ "listProfileInfoResult profileChangeOngoing", "list-profiles profileChangeOngoing(11)", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char words[512] = "";
		struct se_words w = { .s = words, .cap = sizeof(words) };
		bool error = false, rolled = false;
		struct tlv_doc doc;

		se_describe_results(tlv_open(&doc, example(rows[i].title)), &w, &error, &rolled,
				    NULL);
		assert_string_equal(words, rows[i].words);
		assert_int_equal(error, rows[i].error);
		assert_int_equal(doc.fault, TLV_OK);
	}
}

static void every_example_is_survived_as_a_request(void **state)
{
	const char *section, *title;
	struct octets one;

	(void)state;
	send_package_1();
	for (size_t i = 0; example_row(i, &section, &title, &one); i++) {
		struct se_exchange x = { .request = one };

		(void)se_esipa_handle(&eim, &x);
		free(x.response);
		x = (struct se_exchange){ .request = provide(
						  one.n < 4000 ? one : octets_from(one.p, 0)) };
		(void)se_esipa_handle(&eim, &x);
		free(x.response);
	}
}

/* --- identifiers ------------------------------------------------------------------------------ */

static void iccids_are_swapped(void **state)
{
	uint8_t bcd[10];
	char digits[24];

	(void)state;
	assert_int_equal(se_iccid_from(ICCID_A, bcd), 0);
	same(octets_from(bcd, 10), example("ICCID of profile A"), ICCID_A);
	se_iccid_text(octets_from(bcd, 10), digits);
	assert_string_equal(digits, ICCID_A);
	assert_int_equal(se_iccid_from("8900012345678901234", bcd), 0);
	assert_int_equal(bcd[9], 0xf4);
	se_iccid_text(octets_from(bcd, 10), digits);
	assert_string_equal(digits, "8900012345678901234");
	assert_int_not_equal(se_iccid_from("890001234567890123456", bcd), 0);
	assert_int_not_equal(se_iccid_from("8900012345678901234A", bcd), 0);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(packages_are_signed_bit_by_bit),
		ROW(an_association_token_is_signed_with),
		ROW(token_objects_are_integers),
		ROW(every_operation_is_encoded_as_in_the_examples),
		ROW(wrong_orders_are_refused_with_a_reason),
		ROW(requests_for_data_and_downloads_are_those_of_the_examples),
		ROW(configuration_data_is_that_of_the_examples),
		ROW(brainpool_signs_and_verifies_as_well),
		ROW(polls_are_answered_as_in_the_table),
		ROW(an_unknown_card_is_asked_for_its_certificates_first),
		ROW(indirect_downloads_are_refused_without_an_smdp),
		ROW(a_result_is_taken_once_and_acknowledged_always),
		ROW(notifications_beside_the_result_are_acknowledged_too),
		ROW(the_layouts_of_v1_0_are_understood),
		ROW(nothing_that_was_touched_is_taken),
		ROW(results_of_a_card_that_is_not_known_are_not_taken),
		ROW(a_chain_that_is_not_right_is_refused),
		ROW(errors_conclude_a_package),
		ROW(a_replay_error_before_any_result_asks_for_stored_results),
		ROW(a_rollback_in_place_of_the_result_is_one_result),
		ROW(downloads_are_concluded_by_either_way),
		ROW(failed_downloads_say_why),
		ROW(data_is_learned_from),
		ROW(certificates_are_learned_if_they_are_good),
		ROW(refusals_by_the_ipa_conclude_a_package),
		ROW(results_of_every_kind_have_words),
		ROW(every_example_is_survived_as_a_request),
		ROW(iccids_are_swapped),
	};
	char path[96];
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/cards", dir);
	if (mkdir(path, 0700) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s/cards/%s.json", dir, EID);
	unlink(path);
	snprintf(path, sizeof(path), "%s/cards", dir);
	rmdir(path);
	rmdir(dir);
	return failed;
}
