/*
 * sim-eim as a program, driven by its command line and a small IPA with the keys of the worked
 * examples: every result is counted exactly once, whatever happens on the way.
 */
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/crypto.h"
#include "support/examples.h"
#include "support/mini_ipa.h"
#include "support/rig.h"

#define EID "89049032123451234512345678901235"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"

static const char *argv0;
static struct rig rig;
static struct rig_program *server;
static struct mini_ipa ipa;
static struct mini_card card;
static uint16_t port;

/* --- the rig ---------------------------------------------------------------------------------- */

/* A sim-eim command to the running server: its exit code; what it said is in said. */
static const char *said;

#define SIM(...) sim(__VA_ARGS__, NULL)

static int sim(const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"--dir", (char *)rig_path(&rig, "eim"),
				 (char *)word };
	struct rig_program *p;
	int n = 4, code;
	va_list ap;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	p = rig_startv(&rig, "sim-eim", argv);
	code = rig_wait_end(p, 30000);
	said = p->said;
	return code;
}

static void good(int code)
{
	if (code) {
		print_error("exit code %d: %s\n", code, said);
		assert_int_equal(code, 0);
	}
}

static void serve(const char *option, const char *value)
{
	const char *at;

	server = rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--quiet", option,
			   value, NULL);
	if (!rig_wait_for(server, "ready: port ", 0, 10000)) {
		print_error("sim-eim: %s\n", server->said);
		assert_true(0);
	}
	at = strstr(server->said, "ready: port ") + 12;
	port = (uint16_t)strtoul(at, NULL, 10);
	ipa.port = port;
}

static void save(const char *name, struct octets v)
{
	assert_int_equal(file_save(rig_path(&rig, name), v.p, v.n, 0644), 0);
}

static void make_card(void)
{
	EVP_PKEY *ci;
	uint8_t der[256];
	size_t n;

	card = (struct mini_card){ .eum = example("CERT_EUM"), .euicc = example("CERT_EUICC"),
				   .eim_id = "eim1", .seq = 10, .enabled = 0 };
	memcpy(card.eid, example("EID").p, 16);
	memcpy(card.iccid[0], example("ICCID of profile A").p, 10);
	memcpy(card.iccid[1], example("ICCID of profile B").p, 10);
	assert_int_equal(se_key_from_scalar("nist", example("EUICC"), &card.key), 0);
	assert_int_equal(se_key_from_scalar("nist", example("CI (root)"), &ci), 0);
	assert_int_equal(se_key_spki(ci, der, sizeof(der), &n), 0);
	EVP_PKEY_free(ci);
	save("eim/ci/examples", octets_from(der, n));
	save("eum.der", card.eum);
	save("euicc.der", card.euicc);
}

/* The eIM's key out of the configuration it hands out: an SPKI without its header, below A5 A0. */
static void associate(void)
{
	uint8_t config[1024], spki[256];
	struct tlv_out w = { .buf = spki, .cap = sizeof(spki) };
	struct octets key = { NULL, 0 };
	struct tlv_doc doc;
	struct tlv top, entry, in;
	const unsigned char *p = spki;
	size_t n;

	good(SIM("config", rig_path(&rig, "eim"), "--as", "entry"));
	assert_int_equal(hex_decode(text_trim(text_of(said)), config, sizeof(config), &n), 0);
	top = tlv_open(&doc, octets_from(config, n));
	entry = tlv_enter(&top, 0x30);
	assert_true(text_eq(octets_text(tlv_take(&entry, 0x80)), "eim1"));
	while (tlv_more(&entry)) {
		if (tlv_peek(&entry) != 0xA5) {
			tlv_skip(&entry);
			continue;
		}
		in = tlv_enter(&entry, 0xA5);
		key = tlv_take(&in, 0xA0);
	}
	assert_int_equal(doc.fault, TLV_OK);
	tlv_put_octets(&w, 0x30, key);
	EVP_PKEY_free(card.eim_key);
	card.eim_key = d2i_PUBKEY(NULL, &p, (long)w.len);
	assert_non_null(card.eim_key);
}

static void begin_with(const char *curve, const char *option, const char *value)
{
	rig_open(&rig, argv0);
	good(rig_run(&rig, &server, "sim-eim", "init", rig_path(&rig, "eim"), "--pki",
		     "tests/vectors/rsp/pki", "--curve", curve, NULL));
	make_card();
	mini_ipa_open(&ipa, "tests/vectors/rsp/pki/nist/ci.pem", 0);
	serve(option, value);
	associate();
}

static void know_the_card(void)
{
	good(SIM("card", EID, "--eum-cert", rig_path(&rig, "eum.der"), "--euicc-cert",
		 rig_path(&rig, "euicc.der")));
}

static int setup(void **state)
{
	(void)state;
	begin_with("nist", NULL, NULL);
	know_the_card();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mini_ipa_close(&ipa);
	EVP_PKEY_free(card.key);
	EVP_PKEY_free(card.eim_key);
	rig_close(&rig);
	return 0;
}

/* --- looking at the accounts ------------------------------------------------------------------ */

static struct json_object *report;

static struct json_object *packages(void)
{
	struct json_object *list, *one, *found = NULL;

	json_object_put(report);
	SIM("results", EID, "--json");
	report = json_tokener_parse(said);
	assert_non_null(report);
	list = report;
	one = json_object_array_get_idx(list, 0);
	assert_true(json_object_object_get_ex(one, "packages", &found));
	return found;
}

static struct json_object *package(unsigned id)
{
	struct json_object *list = packages(), *one, *v;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		if (json_object_object_get_ex(one, "id", &v) && json_object_get_int(v) == (int)id)
			return one;
	}
	fail_msg("package %u is not there", id);
	return NULL;
}

static int number(struct json_object *o, const char *name)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, name, &v));
	return json_object_get_int(v);
}

static const char *word(struct json_object *o, const char *name)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, name, &v));
	return json_object_get_string(v);
}

static void expect_once(unsigned id, int duplicates)
{
	struct json_object *p = package(id);

	if (strcmp(word(p, "state"), "done") != 0 || number(p, "results") != 1 ||
	    number(p, "duplicates") != duplicates || !number(p, "verified") || number(p, "error")) {
		print_error("%s\n", json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY));
		assert_true(!"exactly once");
	}
}

/* --- the ordinary way ------------------------------------------------------------------------- */

static void a_package_goes_out_and_its_result_counts_once(void **state)
{
	(void)state;
	good(SIM("queue", EID, "enable", ICCID_B, "--rollback", "+", "list-profiles"));
	assert_string_equal(said, "1\n");
	assert_int_equal(SIM("results"), 3);
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	good(SIM("results", EID, "--wait", "5"));
	expect_once(1, 0);
	assert_int_equal(card.executed, 1);
	assert_int_equal(card.enabled, 1);
	/* The result and both notifications have been acknowledged. */
	assert_int_equal(card.results_n, 0);
	assert_int_equal(card.notes_n, 0);
	assert_int_equal(number(json_object_array_get_idx(report, 0), "unmatched"), 0);
	assert_int_equal(number(json_object_array_get_idx(report, 0), "remarks"), 0);
}

static void several_packages_go_one_after_the_other(void **state)
{
	(void)state;
	good(SIM("queue", EID, "enable", ICCID_B));
	good(SIM("queue", EID, "get-rat"));
	good(SIM("queue", EID, "disable", ICCID_A));            /* is not enabled any more */
	good(SIM("queue", EID, "list-profiles"));
	assert_int_equal(mini_ipa_run(&ipa, &card), 4);
	assert_int_equal(SIM("results", "--wait", "5"), 4);
	assert_non_null(strstr(said, "disable profileNotInEnabledState(2)"));
	expect_once(1, 0);
	expect_once(2, 0);
	expect_once(4, 0);
	assert_int_equal(number(package(3), "error"), 1);
	assert_int_equal(number(package(3), "results"), 1);
}

static void waiting_ends_with_the_result(void **state)
{
	struct rig_program *waiting;

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	waiting = rig_start(&rig, "sim-eim", "--dir", rig_path(&rig, "eim"), "results", "--wait",
			    "20", NULL);
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	assert_int_equal(rig_wait_end(waiting, 10000), 0);
	assert_non_null(strstr(waiting->said, "verified"));
	/* And with the time, if nothing comes. */
	good(SIM("queue", EID, "list-profiles"));
	assert_int_equal(SIM("results", "--wait", "1"), 3);
}

static void brainpool_and_learning_work_together(void **state)
{
	(void)state;
	teardown(NULL);
	begin_with("brp", "--open", NULL);
	card.token = 200;
	good(SIM("queue", EID, "enable", ICCID_B));
	/* The eIM asks for certificates and token first, by itself. */
	assert_int_equal(mini_ipa_run(&ipa, &card), 2);
	good(SIM("results", "--wait", "5"));
	expect_once(1, 0);
	assert_int_equal(card.enabled, 1);
	assert_int_equal(number(json_object_array_get_idx(report, 0), "token"), 200);
}

static void an_unknown_card_comes_in_only_by_an_open_door(void **state)
{
	(void)state;
	card.eid[15] ^= 0x11;
	assert_int_equal(mini_ipa_run(&ipa, &card), -ENOENT);
}

static void the_pinned_key_is_the_servers(void **state)
{
	uint8_t config[2048], spki[256];
	size_t n, m;
	X509 *peer;

	(void)state;
	mini_ipa_get(&ipa, &card);
	assert_int_equal(ipa.status, 200);
	peer = SSL_get1_peer_certificate(ipa.ssl);
	assert_non_null(peer);
	assert_int_equal(se_key_spki(X509_get0_pubkey(peer), spki, sizeof(spki), &n), 0);
	X509_free(peer);
	good(SIM("config", rig_path(&rig, "eim"), "--tls", "spki"));
	assert_int_equal(hex_decode(text_trim(text_of(said)), config, sizeof(config), &m), 0);
	/* Without its two octets of header it is in there. */
	assert_non_null(memmem(config, m, spki + 2, n - 2));
	assert_memory_equal(config, "\xBF\x57", 2);
}

/* --- duplicates and wrong ones ---------------------------------------------------------------- */

static void a_result_that_comes_twice_is_seen(void **state)
{
	struct octets content, result;
	static uint8_t copy[2048];

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	content = mini_ipa_get(&ipa, &card);
	result = mini_card_load(&card, content);
	memcpy(copy, result.p, result.n);
	result.p = copy;
	assert_int_equal(mini_ipa_provide(&ipa, &card, result), 0);
	assert_int_equal(card.results_n, 0);
	assert_int_equal(mini_ipa_provide(&ipa, &card, result), 0);
	assert_int_equal(SIM("results", EID), 5);
	expect_once(1, 1);
}

static void a_result_with_a_wrong_signature_is_not_taken(void **state)
{
	struct octets result;
	static uint8_t copy[2048];

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	result = mini_card_load(&card, mini_ipa_get(&ipa, &card));
	memcpy(copy, result.p, result.n);
	copy[result.n - 1] ^= 0x01;
	assert_int_equal(mini_ipa_provide(&ipa, &card, octets_from(copy, result.n)), 0);
	assert_int_equal(card.results_n, 1);
	assert_int_equal(SIM("results", EID), 3);
	assert_string_equal(word(package(1), "verdict"), "WRONG");
	assert_int_equal(number(package(1), "refused"), 1);
	/* The right one is. */
	copy[result.n - 1] ^= 0x01;
	assert_int_equal(mini_ipa_provide(&ipa, &card, octets_from(copy, result.n)), 0);
	assert_int_equal(number(package(1), "results"), 1);
	assert_int_equal(SIM("results", EID), 5);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void requests_that_are_not_esipa_are_told_so(void **state)
{
	static const struct {
		const char *method, *path, *type;
		const char *hex;
		unsigned status;
	} rows[] = {
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "BF4F00", 200 },
		{ "POST", "/esipa", "application/x-gsma-rsp-asn1", "BF4F00", 404 },
		{ "GET", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "", 405 },
		{ "POST", "/gsma/rsp2/asn1", "application/json", "BF4F00", 415 },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1;charset=x", "BF4F00",
		  200 },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "", 400 },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "BF4F05", 400 },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "BF7E00", 400 },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "BF3DA000", 400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ipa.method = rows[i].method;
		ipa.path = rows[i].path;
		ipa.type = rows[i].type;
		assert_int_equal(mini_ipa_post(&ipa, octets_of_hex(rows[i].hex)), 0);
		if (ipa.status != rows[i].status)
			fail_msg("row %zu: status %u", i, ipa.status);
		/* One connection serves them all. */
		assert_non_null(ipa.ssl);
		if (ipa.status == 200)
			assert_string_equal(ipa.content_type, "application/x-gsma-rsp-asn1");
	}
}

static void bodies_in_chunks_and_pieces_are_understood(void **state)
{
	static const char head[] = "POST /gsma/rsp2/asn1 HTTP/1.1\r\nHost: x\r\n"
				   "Content-Type: application/x-gsma-rsp-asn1\r\n";
	char request[512];
	int n;

	(void)state;
	n = snprintf(request, sizeof(request),
		     "%sTransfer-Encoding: chunked\r\n\r\n1\r\n\xBF\r\n2\r\n\x4F%c\r\n"
		     "0\r\n\r\n",
		     head, 0);
	assert_int_equal(mini_ipa_raw(&ipa, octets_from(request, (size_t)n)), 0);
	assert_int_equal(ipa.status, 200);
	/* Two requests at once: the second is answered behind the first. */
	n = snprintf(request, sizeof(request),
		     "%sContent-Length: 3\r\n\r\n\xBF\x4F%c%sContent-Length: 3\r\n\r\n"
		     "\xBF\x4F%c",
		     head, 0, head, 0);
	assert_int_equal(mini_ipa_raw(&ipa, octets_from(request, (size_t)n)), 0);
	assert_int_equal(ipa.status, 200);
	n = snprintf(request, sizeof(request), "nonsense\r\n\r\n");
	mini_ipa_hang_up(&ipa);
	assert_int_equal(mini_ipa_raw(&ipa, octets_from(request, (size_t)n)), 0);
	assert_int_equal(ipa.status, 400);
	assert_null(ipa.ssl);
}

static void several_clients_are_served_at_once(void **state)
{
	static struct mini_ipa others[8];

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		mini_ipa_open(&others[i], "tests/vectors/rsp/pki/nist/ci.pem", port);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
			assert_int_equal(mini_ipa_post(&others[i], octets_of_hex("BF4F00")), 0);
			assert_int_equal(others[i].status, 200);
		}
	}
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		mini_ipa_close(&others[i]);
	expect_once(1, 0);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* What the IPA meets at its first poll; afterwards everything is as it should be. */
static void faults_strike_once_and_nothing_is_lost(void **state)
{
	static const struct {
		const char *fault;
		int r;                  /* of the poll */
		unsigned status;
		const char *body;       /* in hexadecimal, NULL: something else than a package */
	} rows[] = {
		{ "reset,on=get", -ECONNRESET },
		{ "no-answer,on=get", -ETIMEDOUT },
		{ "close,on=get", -ECONNRESET },
		{ "stall,on=get", -ETIMEDOUT },
		{ "http=503,on=get", 0, 503, "" },
		{ "http=404,on=get", 0, 404, "" },
		{ "empty,on=get", 0, 200, "" },
		{ "garbage,on=get", 0, 200 },
		{ "truncated,on=get", 0, 200 },
		{ "wrong-tag,on=get", 0, 200 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t request[] = { 0xBF, 0x4F, 0x12, 0x5A, 0x10, [20] = 0 };
		int r;

		good(SIM("queue", EID, "list-profiles"));
		good(SIM("fault", "add", rows[i].fault));
		memcpy(request + 5, card.eid, 16);
		ipa.patience_ms = rows[i].r == -ETIMEDOUT ? 300 : 10000;
		mini_ipa_hang_up(&ipa);
		r = mini_ipa_post(&ipa, octets_from(request, sizeof(request)));
		if (r != rows[i].r || (r == 0 && ipa.status != rows[i].status))
			fail_msg("%s: %d, status %u", rows[i].fault, r, ipa.status);
		if (r == 0 && rows[i].body)
			assert_int_equal(ipa.n, strlen(rows[i].body) / 2);
		else if (r == 0 && ipa.n > 4)
			assert_true(memcmp(ipa.body, "\xBF\x4F", 2) != 0 ||
				    ipa.body[3] + 4u != ipa.n);
		mini_ipa_hang_up(&ipa);
		ipa.patience_ms = 10000;
		assert_int_equal(mini_ipa_run(&ipa, &card), 1);
		expect_once((unsigned)i + 1, 0);
		assert_int_equal(number(package((unsigned)i + 1), "sent"), 2);
	}
	assert_int_equal(card.executed, ARRAY_SIZE(rows));
	good(SIM("results", EID));
	good(SIM("fault", "list"));
	assert_non_null(strstr(said, "truncated          has struck 1 times"));
}

/* The result has been taken, the answer is spoilt: the IPA must deliver it again. */
static void lost_acknowledgements_make_duplicates_not_second_results(void **state)
{
	static const char *const rows[] = { "reset,on=result", "close,on=result",
					    "http=500,on=result", "no-answer,on=result",
					    "ack-wrong,on=result" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		good(SIM("queue", EID, "list-profiles"));
		good(SIM("fault", rows[i]));
		ipa.patience_ms = strstr(rows[i], "no-answer") ? 300 : 10000;
		mini_ipa_run(&ipa, &card);
		assert_int_equal(card.results_n, 1);
		mini_ipa_hang_up(&ipa);
		ipa.patience_ms = 10000;
		assert_int_equal(mini_ipa_run(&ipa, &card), 0);
		assert_int_equal(card.results_n, 0);
		expect_once((unsigned)i + 1, 1);
	}
	assert_int_equal(card.executed, ARRAY_SIZE(rows));
}

static void slow_answers_are_late_but_right(void **state)
{
	unsigned long long begin = rig_now_ms();

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	good(SIM("fault", "slow=300,on=get", "content-type=text/plain,on=get",
		 "trailing,on=result"));
	mini_ipa_get(&ipa, &card);
	assert_true(rig_now_ms() - begin >= 300);
	assert_string_equal(ipa.content_type, "text/plain");
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	expect_once(1, 0);
}

static void a_handshake_can_be_reset(void **state)
{
	(void)state;
	good(SIM("fault", "tls-reset,count=2"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(mini_ipa_post(&ipa, octets_of_hex("BF4F00")), -EPROTO);
	assert_int_equal(mini_ipa_post(&ipa, octets_of_hex("BF4F00")), 0);
}

/* A spoilt package must be refused by the card, and does not harm the one in order. */
static void spoilt_packages_are_refused_and_the_right_ones_follow(void **state)
{
	static const struct {
		const char *fault, *outcome;
	} rows[] = {
		{ "bad-signature", "unsigned error: eIM unknown or signature wrong" },
		{ "wrong-eid", "invalidEid(3)" },
		{ "low-counter", "replayError(4)" },
		{ "unknown-psmo", "list-profiles " ICCID_A " enabled, " ICCID_B " disabled; "
				  "terminated unknownOrDamagedCommand(2)" },
	};
	unsigned id = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++, id += 2) {
		good(SIM("queue", EID, "list-profiles"));
		good(SIM("fault", rows[i].fault));
		assert_int_equal(mini_ipa_run(&ipa, &card), 2);
		expect_once(id, 0);
		assert_string_equal(word(package(id + 1), "fault"), rows[i].fault);
		assert_string_equal(word(package(id + 1), "outcome"), rows[i].outcome);
	}
	good(SIM("results", EID));
}

static void a_replay_is_refused_and_counted_as_such(void **state)
{
	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	good(SIM("fault", "replay"));
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	assert_int_equal(card.executed, 1);
	assert_int_equal(number(package(1), "replays"), 1);
	expect_once(1, 0);
	good(SIM("results", EID));
}

static void after_a_switch_it_can_be_out_of_reach(void **state)
{
	struct rig_program *watching;

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	good(SIM("queue", EID, "enable", ICCID_B, "--rollback"));
	good(SIM("fault", "lost-after-switch"));
	/* The list passes; the switch is executed and its result cannot be delivered. */
	assert_true(mini_ipa_run(&ipa, &card) < 0);
	assert_int_equal(card.executed, 2);
	assert_int_equal(card.results_n, 1);
	mini_ipa_hang_up(&ipa);
	assert_int_equal(mini_ipa_post(&ipa, octets_of_hex("BF4F00")), -ECONNREFUSED);
	assert_int_equal(SIM("results", EID), 3);
	good(SIM("reachable"));
	assert_int_equal(mini_ipa_run(&ipa, &card), 0);
	expect_once(1, 0);
	expect_once(2, 0);
	/* For a time only; one who follows the log sees its end. */
	watching = rig_start(&rig, "sim-eim", "--dir", rig_path(&rig, "eim"), "log", "-n", "0",
			     "--follow", NULL);
	for (int tries = 0; tries < 100 && !rig_wait_for(watching, "queued package", 0, 100);
	     tries++)
		good(SIM("queue", EID, "list-profiles"));
	good(SIM("unreachable", "1"));
	assert_int_equal(mini_ipa_post(&ipa, octets_of_hex("BF4F00")), -ECONNRESET);
	assert_int_equal(mini_ipa_post(&ipa, octets_of_hex("BF4F00")), -ECONNREFUSED);
	assert_true(rig_wait_for(watching, "reachable again", 0, 10000));
	assert_true(mini_ipa_run(&ipa, &card) > 0);
	good(SIM("results", EID));
	rig_stop(watching);
}

/* --- being killed ----------------------------------------------------------------------------- */

static void kill_it(void)
{
	kill(server->pid, SIGKILL);
	assert_int_equal(rig_wait_end(server, 10000), 128 + SIGKILL);
	mini_ipa_hang_up(&ipa);
}

static void a_killed_eim_goes_on_where_it_was(void **state)
{
	static uint8_t first[2048];
	struct octets content;
	size_t n;

	(void)state;
	good(SIM("queue", EID, "list-profiles"));
	good(SIM("queue", EID, "enable", ICCID_B));
	/* Killed with a package in flight: the same octets come again. */
	content = mini_ipa_get(&ipa, &card);
	n = content.n;
	memcpy(first, content.p, n);
	kill_it();
	serve(NULL, NULL);
	content = mini_ipa_get(&ipa, &card);
	assert_int_equal(content.n, n);
	assert_memory_equal(content.p, first, n);
	assert_int_equal(mini_ipa_run(&ipa, &card), 2);
	/* The first one was executed once: its second offer was not loaded by us. */
	assert_int_equal(card.executed, 2);
	expect_once(1, 0);
	expect_once(2, 0);
	kill_it();
	serve(NULL, NULL);
	expect_once(1, 0);
	good(SIM("results", EID));
	/* Killed between taking a result and acknowledging it. */
	good(SIM("queue", EID, "list-profiles"));
	good(SIM("fault", "no-answer,on=result"));
	ipa.patience_ms = 300;
	assert_int_equal(mini_ipa_run(&ipa, &card), -ETIMEDOUT);
	kill_it();
	serve(NULL, NULL);
	ipa.patience_ms = 10000;
	assert_int_equal(mini_ipa_run(&ipa, &card), 0);
	expect_once(3, 1);
	assert_int_equal(card.executed, 3);
}

/* The IPA loses everything after the execution, and polls anew: the eIM gets the stored result. */
static void an_ipa_that_forgets_is_asked_for_the_stored_result(void **state)
{
	static struct mini_card forgetful;
	static uint8_t copy[4096];
	struct octets request;

	(void)state;
	good(SIM("queue", EID, "enable", ICCID_B));
	mini_card_load(&card, mini_ipa_get(&ipa, &card));
	/* It does not deliver by itself what the card has stored. */
	forgetful = card;
	forgetful.results_n = 0;
	forgetful.notes_n = 0;
	request = mini_card_load(&forgetful, mini_ipa_get(&ipa, &card));
	assert_int_equal(mini_ipa_provide(&ipa, &forgetful, request), 0);
	assert_int_equal(forgetful.executed, 1);
	assert_string_equal(word(package(1), "state"), "sent");
	request = mini_ipa_get(&ipa, &card);
	memcpy(copy, request.p, request.n);
	request = mini_ipa_data(&card, octets_from(copy, request.n));
	assert_int_equal(mini_ipa_provide(&ipa, &card, request), 0);
	expect_once(1, 0);
	assert_int_equal(card.results_n, 0);
	good(SIM("results", EID));
}

/* --- the command line ------------------------------------------------------------------------- */

static void commands_say_what_is_wrong(void **state)
{
	static const struct {
		const char *words[5];
		int code;
		const char *said;
	} rows[] = {
		{ { "queue", EID, "enabel", ICCID_A }, 1, "enabel: no such operation" },
		{ { "queue", "123", "list-profiles" }, 1, "expected an EID of 32 digits" },
		{ { "queue", EID, "enable", "12" }, 1, "expected an ICCID" },
		{ { "fault", "explode" }, 1, "no such fault" },
		{ { "fault", "slow=1,on=never" }, 1, "expected on=" },
		{ { "cancel", EID }, 1, "nothing to cancel" },
		{ { "card", EID, "--version", "2.0" }, 1, "expected 1.0, 1.1, 1.2 or 1.3" },
		{ { "card", EID, "--counter", "x" }, 1, "expected a number" },
		{ { "results", "--wait", "x" }, 1, "expected seconds" },
		{ { "nonsense" }, 1, "no such command" },
		{ { "queue", "--help" }, 0, "set-fallback" },
		{ { "fault", "--help" }, 0, "lost-after-switch" },
		{ { "--help" }, 0, "sim-eim queue" },
		{ { "list" }, 0, EID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const *w = rows[i].words;
		int code = SIM(w[0], w[1], w[2], w[3]);

		if (code != rows[i].code || !strstr(said, rows[i].said))
			fail_msg("row %zu: code %d, said: %s", i, code, said);
	}
	good(SIM("quit"));
	assert_int_equal(rig_wait_end(server, 10000), 0);
	assert_int_equal(SIM("list"), 2);
	assert_int_equal(
		rig_run(&rig, &server, "sim-eim", "serve", rig_path(&rig, "nowhere"), NULL), 1);
	assert_int_equal(rig_run(&rig, &server, "sim-eim", "init", rig_path(&rig, "eim"), NULL), 1);
	assert_non_null(strstr(server->said, "an eIM is here already"));
}

static void only_one_server_runs_in_a_directory(void **state)
{
	struct rig_program *second;

	(void)state;
	assert_int_equal(rig_run(&rig, &second, "sim-eim", "serve", rig_path(&rig, "eim"), NULL),
			 1);
	assert_non_null(strstr(second->said, "running in this directory already"));
	good(SIM("list"));
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(a_package_goes_out_and_its_result_counts_once),
		ROW(several_packages_go_one_after_the_other),
		ROW(waiting_ends_with_the_result),
		ROW(brainpool_and_learning_work_together),
		ROW(an_unknown_card_comes_in_only_by_an_open_door),
		ROW(the_pinned_key_is_the_servers),
		ROW(a_result_that_comes_twice_is_seen),
		ROW(a_result_with_a_wrong_signature_is_not_taken),
		ROW(requests_that_are_not_esipa_are_told_so),
		ROW(bodies_in_chunks_and_pieces_are_understood),
		ROW(several_clients_are_served_at_once),
		ROW(faults_strike_once_and_nothing_is_lost),
		ROW(lost_acknowledgements_make_duplicates_not_second_results),
		ROW(slow_answers_are_late_but_right),
		ROW(a_handshake_can_be_reset),
		ROW(spoilt_packages_are_refused_and_the_right_ones_follow),
		ROW(a_replay_is_refused_and_counted_as_such),
		ROW(after_a_switch_it_can_be_out_of_reach),
		ROW(a_killed_eim_goes_on_where_it_was),
		ROW(an_ipa_that_forgets_is_asked_for_the_stored_result),
		ROW(commands_say_what_is_wrong),
		ROW(only_one_server_runs_in_a_directory),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
