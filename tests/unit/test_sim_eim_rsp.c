/*
 * sim-eim between ESipa and ES9+: the recorded bodies one by one, and a whole indirect download
 * with sim-eim and sim-smdp as programs and the virtual eUICC in hand. The card lives on the
 * virtual clock, the servers on the real one: nothing of theirs runs in this process.
 */
#include "support/test.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/relay.h"
#include "support/examples.h"
#include "support/mini_ipa.h"
#include "support/rig.h"
#include "support/talk.h"

#define EID "89049032000000000000000000000163"
#define ICCID "89000000000000000018"
#define HOST "smdpp.rsp.test"

static const char *argv0;

/* --- the messages ----------------------------------------------------------------------------- */

static void orders_are_read_from_the_trigger(void **state)
{
	static const struct {
		const char *hex, *address, *matching_id;
	} rows[] = {
		{ "A0168014312464702E6578616D706C65244D415443482D31", "dp.example", "MATCH-1" },
		{ "A00F800D312464702E6578616D706C6524", "dp.example", "" },
		{ "A0028100", "", "" },
		{ "", "", "" },
		{ "A0058003322478", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_rsp_order order;

		se_rsp_order_of(octets_of_hex(rows[i].hex), &order);
		assert_string_equal(order.address, rows[i].address);
		assert_string_equal(order.matching_id, rows[i].matching_id);
	}
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, name, &v));
	return v;
}

/* The recorded answer of a function becomes ESipa's, with every octet of the recorded members. */
static void recorded_answers_become_esipa_answers(void **state)
{
	static const struct {
		size_t exchange;
		uint32_t tag;
		const char *members[4];
	} rows[] = {
		{ 0, 0xBF39, { "serverSigned1", "serverSignature1", "euiccCiPKIdToBeUsed",
			       "serverCertificate" } },
		{ 1, 0xBF3B, { "profileMetadata", "smdpSigned2", "smdpSignature2",
			       "smdpCertificate" } },
		{ 2, 0xBF3A, { "boundProfilePackage" } },
	};
	struct json_object *file = vectors_json("tests/vectors/rsp/es9p.json");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_object *all = member(file, "exchanges"), *response;
		const char *text;
		struct octets tid, got;
		struct tlv_doc doc;
		struct tlv top, body;
		uint8_t *answer;
		uint32_t tag;
		size_t n;

		response = member(json_object_array_get_idx(all, rows[i].exchange), "response");
		text = json_object_to_json_string(response);
		assert_int_equal(se_rsp_answer(rows[i].tag, text_of(text), "", &answer, &n, &tid),
				 0);
		top = tlv_open(&doc, octets_from(answer, n));
		body = tlv_enter(&top, rows[i].tag);
		body = tlv_enter(&body, 0xA0);
		got = tlv_take(&body, 0x80);
		assert_true(octets_same(got, tid));
		assert_true(octets_same(got, octets_of_hex("B903D7AE0D48B87706CA2AC22F243C55")));
		for (size_t k = 0; k < 4 && rows[i].members[k]; k++) {
			const char *digits =
				json_object_get_string(member(response, rows[i].members[k]));
			uint8_t *want = malloc(strlen(digits));
			size_t m;

			assert_int_equal(base64_decode(text_of(digits), want, strlen(digits), &m),
					 0);
			assert_true(octets_same(tlv_take_whole(&body, &tag), octets_from(want, m)));
			free(want);
		}
		tlv_end(&body);
		assert_int_equal(doc.fault, TLV_OK);
		free(answer);
	}
	json_object_put(file);
}

static void refusals_become_their_numbers(void **state)
{
	static const struct {
		uint32_t tag;
		const char *subject, *reason, *hex;
	} rows[] = {
		{ 0xBF39, "8.8.1", "3.8", "BF3903810101" }, { 0xBF39, "9.9", "9.9", "BF390381017F" },
		{ 0xBF3B, "8.2.6", "3.8", "BF3B03820106" }, { 0xBF3B, "8.10.1", "3.9", "BF3B0382010A" },
		{ 0xBF3A, "8.2.7", "3.8", "BF3A03810103" }, { 0xBF3A, "8.10.1", "3.9", "BF3A0381015F" },
		{ 0xBF41, "8.10.1", "3.9", "BF4103810101" },
	};
	char body[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets tid;
		uint8_t *answer;
		size_t n;

		snprintf(body, sizeof(body),
			 "{\"header\":{\"functionExecutionStatus\":{\"status\":\"Failed\","
			 "\"statusCodeData\":{\"subjectCode\":\"%s\",\"reasonCode\":\"%s\"}}}}",
			 rows[i].subject, rows[i].reason);
		assert_int_equal(se_rsp_answer(rows[i].tag, text_of(body), "", &answer, &n, &tid),
				 0);
		assert_true(octets_same(octets_from(answer, n), octets_of_hex(rows[i].hex)));
		free(answer);
	}
}

static void nonsense_becomes_an_undefined_error(void **state)
{
	static const char *const rows[] = {
		"", "{", "[]", "null", "{\"header\":1}", "\"x\"",
		"{\"header\":{\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}}}",
		("{\"header\":{\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}},"
		 "\"serverSigned1\":\"!\"}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets tid;
		uint8_t *answer;
		size_t n;

		assert_int_equal(se_rsp_answer(0xBF39, text_of(rows[i]), "", &answer, &n, &tid), 0);
		assert_true(octets_same(octets_from(answer, n), octets_of_hex("BF390381017F")));
		free(answer);
	}
}

static void requests_become_those_of_es9(void **state)
{
	const char *function;
	char *text;

	(void)state;
	text = se_rsp_request(0xBF39, example("ESipa InitiateAuthentication request"), "dp.example",
			      &function);
	assert_string_equal(function, "initiateAuthentication");
	assert_non_null(strstr(text, "\"euiccChallenge\":\"AQIDBAUGBwgJCgsMDQ4PEA==\""));
	assert_non_null(strstr(text, "\"smdpAddress\":\"dp.example\""));
	assert_non_null(strstr(text, "\"euiccInfo1\":\"vyA1"));
	free(text);
	text = se_rsp_request(0xBF3B, example("ESipa AuthenticateClient request"), "", &function);
	assert_non_null(strstr(text, "\"transactionId\":\"00112233445566778899AABBCCDDEEFF\""));
	assert_non_null(strstr(text, "\"authenticateServerResponse\":\"vzi"));
	free(text);
	text = se_rsp_request(0xBF41, example("ESipa CancelSession request (the content of the "
					      "answer goes into A1)"), "", &function);
	assert_non_null(strstr(text, "\"cancelSessionResponse\":\"v0F"));
	free(text);
	assert_null(se_rsp_request(0xBF3B, example("ESipa GetBoundProfilePackage request"), "",
				   &function));
	assert_null(se_rsp_request(0xBF39, octets_of_hex("BF3900"), "x", &function));
}

/* --- the whole way ---------------------------------------------------------------------------- */

static struct rig rig;
static struct mini_ipa ipa;
static struct talk card;

static unsigned port_of(struct rig_program *p)
{
	const char *at;

	if (!rig_wait_for(p, "ready", 0, 10000) || !rig_wait_for(p, "\n", 0, 1000))
		fail_msg("not ready: %s", p->said);
	at = strstr(p->said, "ready");
	at = strstr(at, "port ");
	return at ? (unsigned)strtoul(at + 5, NULL, 10) : 0;
}

static struct rig_program *ran;

static void good(int code)
{
	if (code)
		fail_msg("exit code %d: %s", code, ran->said);
}

static struct octets es10(struct octets command)
{
	static uint8_t answer[65536];
	char *digits = malloc(2 * command.n + 1);
	const char *got;
	size_t n;

	hex_encode(command.p, command.n, digits, 2 * command.n + 1);
	got = talk_es10(&card, digits);
	if (hex_decode(text_of(got), answer, sizeof(answer), &n) < 0 || n == 2)
		fail_msg("%.40s…: the card says %s", digits, got);
	free(digits);
	return octets_from(answer, n);
}

/* An ESipa function: the content of A0 in its answer. */
static struct tlv esipa(struct tlv_doc *doc, struct octets request, uint32_t tag)
{
	static uint8_t copy[MINI_BODY_MAX];
	struct tlv top;

	assert_int_equal(mini_ipa_post(&ipa, request), 0);
	assert_int_equal(ipa.status, 200);
	memcpy(copy, ipa.body, ipa.n);
	top = tlv_open(doc, octets_from(copy, ipa.n));
	top = tlv_enter(&top, tag);
	if (tlv_peek(&top) != 0xA0)
		fail_msg("%X: an error, %02X %02X %02X", tag, ipa.body[3], ipa.body[4],
			 ipa.body[5]);
	return tlv_enter(&top, 0xA0);
}

static uint8_t out[MINI_BODY_MAX];

/* BF39: what goes to the card's AuthenticateServer. */
static struct octets initiate(struct octets tx, uint8_t tid[16], size_t *tid_n)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xBF39), ctx, device;
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, es10(octets_of_hex("BF2E00"))), body;
	struct octets v;
	char matching[32];
	uint32_t tag;

	body = tlv_enter(&top, 0xBF2E);
	tlv_put_octets(&w, 0x81, tlv_take(&body, 0x80));
	tlv_put_text(&w, 0x83, "SMDPP.rsp.test");
	v = es10(octets_of_hex("BF2000"));
	tlv_put_raw(&w, v.p, v.n);
	tlv_put_octets(&w, 0x82, tx);
	tlv_close(&w, m);
	body = esipa(&doc, octets_from(out, w.len), 0xBF39);
	v = tlv_take(&body, 0x80);
	memcpy(tid, v.p, v.n);
	*tid_n = v.n;
	w.len = 0;
	m = tlv_begin(&w, 0xBF38);
	for (int i = 0; i < 4; i++) {
		v = tlv_take_whole(&body, &tag);
		tlv_put_raw(&w, v.p, v.n);
	}
	assert_int_equal(text_copy(octets_text(tlv_take(&body, 0x0C)), matching, sizeof(matching)),
			 0);
	ctx = tlv_begin(&w, 0xA0);
	tlv_put_text(&w, 0x80, matching);
	device = tlv_begin(&w, 0xA1);
	tlv_put_octets(&w, 0x80, octets_of_hex("53926011"));
	tlv_put(&w, 0xA1, NULL, 0);
	tlv_close(&w, device);
	tlv_close(&w, ctx);
	tlv_close(&w, m);
	assert_int_equal(doc.fault, TLV_OK);
	return octets_from(out, w.len);
}

/* { 80 tid, response } under a tag. */
static struct octets with_tid(uint32_t tag, struct octets tid, struct octets response)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, tag);

	tlv_put_octets(&w, 0x80, tid);
	tlv_put_raw(&w, response.p, response.n);
	tlv_close(&w, m);
	return octets_from(out, w.len);
}

/* BF3B's answer to PrepareDownload: without the metadata. */
static struct octets preparation(struct tlv body)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xBF21);
	struct octets v;
	uint32_t tag;

	tlv_take(&body, 0x80);
	tlv_maybe(&body, 0xBF25);
	while (tlv_more(&body)) {
		v = tlv_take_whole(&body, &tag);
		tlv_put_raw(&w, v.p, v.n);
	}
	tlv_close(&w, m);
	return octets_from(out, w.len);
}

/* One element in one piece, or its head and then every element in it. Returns the last answer. */
static struct octets load_element(struct octets whole, bool in_pieces)
{
	uint32_t tag;
	size_t head, value;
	struct tlv_doc doc;
	struct tlv body;
	struct octets last;

	if (!in_pieces)
		return es10(whole);
	assert_int_equal(tlv_head(whole.p, whole.n, &tag, &head, &value), 0);
	last = es10(octets_from(whole.p, head));
	body = tlv_open(&doc, octets_from(whole.p + head, value));
	while (tlv_more(&body))
		last = es10(tlv_take_whole(&body, &tag));
	return last;
}

/* SGP.22 2.5.5: the head with BF23, then A0, A1, A2, A3 as they are to be cut. */
static struct octets load_package(struct octets bpp)
{
	uint32_t tag;
	size_t head, value;
	struct tlv_doc doc;
	struct tlv body;
	struct octets one, last;

	assert_int_equal(tlv_head(bpp.p, bpp.n, &tag, &head, &value), 0);
	body = tlv_open(&doc, octets_from(bpp.p + head, value));
	one = tlv_take_whole(&body, &tag);
	last = es10(octets_from(bpp.p, head + one.n));
	while (tlv_more(&body)) {
		one = tlv_take_whole(&body, &tag);
		last = load_element(one, tag == 0xA1 || tag == 0xA3);
	}
	assert_int_equal(doc.fault, TLV_OK);
	return last;
}

static void deliver(struct octets tx, struct octets pir)
{
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m = tlv_begin(&w, 0xBF3D), result = tlv_begin(&w, 0xBF50), body;

	tlv_put_octets(&w, 0x5A, octets_of_hex(EID));
	body = tlv_begin(&w, 0xBF54);
	tlv_put_octets(&w, 0x82, tx);
	tlv_put_raw(&w, pir.p, pir.n);
	tlv_close(&w, body);
	tlv_close(&w, result);
	tlv_close(&w, m);
	assert_int_equal(mini_ipa_post(&ipa, octets_from(out, w.len)), 0);
	assert_int_equal(ipa.status, 204);
}

static void start_servers(void)
{
	struct rig_program *p;
	char at[32];

	good(rig_run(&rig, &ran, "sim-smdp", "--init", rig_path(&rig, "smdp"), "--pki",
		     "tests/vectors/rsp/pki/nist", NULL));
	good(rig_run(&rig, &ran, "sim-smdp", "add", rig_path(&rig, "smdp"), "--iccid", ICCID,
		     "--matching-id", "MATCH-7", NULL));
	p = rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "smdp"), "--port", "0",
		      "--log-level", "error", NULL);
	snprintf(at, sizeof(at), "127.0.0.1:%u", port_of(p));
	good(rig_run(&rig, &ran, "sim-eim", "init", rig_path(&rig, "eim"), "--pki",
		     "tests/vectors/rsp/pki", "--indirect", NULL));
	p = rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--quiet", "--smdp", at,
		      NULL);
	mini_ipa_open(&ipa, "tests/vectors/rsp/pki/nist/ci.pem", (uint16_t)port_of(p));
	good(rig_run(&rig, &ran, "sim-eim", "--dir", rig_path(&rig, "eim"), "card", EID,
		     "--eum-cert", "tests/vectors/rsp/pki/nist/eum.der", "--euicc-cert",
		     "tests/vectors/rsp/pki/nist/euicc.der", NULL));
}

static void a_profile_is_downloaded_through_the_eim(void **state)
{
	struct euicc_recipe recipe = { .eid = text_of(EID), .version = VE_SGP32_12,
				       .pki = { "tests/vectors/rsp/pki/nist" } };
	static uint8_t trigger[512], pir[4096];
	struct mini_card who = { .key = NULL };
	struct octets content, tx, tid, v;
	uint8_t tid_store[16];
	struct tlv_doc doc;
	struct tlv top, body;
	size_t tid_n;

	(void)state;
	rig_open(&rig, argv0);
	start_servers();
	talk_make(&card, &recipe);
	talk_open(&card, NULL);
	talk_isdr(&card);
	memcpy(who.eid, octets_of_hex(EID).p, 16);
	good(rig_run(&rig, &ran, "sim-eim", "--dir", rig_path(&rig, "eim"), "queue", EID,
		     "download", "LPA:1$" HOST "$MATCH-7", NULL));

	content = mini_ipa_get(&ipa, &who);
	memcpy(trigger, content.p, content.n);
	top = tlv_open(&doc, octets_from(trigger, content.n));
	body = tlv_enter(&top, 0xBF54);
	tlv_take(&body, 0xA0);
	tx = tlv_take(&body, 0x82);
	assert_int_equal(doc.fault, TLV_OK);

	v = es10(initiate(tx, tid_store, &tid_n));
	tid = octets_from(tid_store, tid_n);
	body = esipa(&doc, with_tid(0xBF3B, tid, v), 0xBF3B);
	v = es10(preparation(body));
	body = esipa(&doc, with_tid(0xBF3A, tid, v), 0xBF3A);
	tlv_take(&body, 0x80);
	v = load_package(tlv_rest(&body));
	assert_true(v.n > 3 && v.p[0] == 0xBF && v.p[1] == 0x37);
	memcpy(pir, v.p, v.n);
	deliver(tx, octets_from(pir, v.n));

	good(rig_run(&rig, &ran, "sim-eim", "--dir", rig_path(&rig, "eim"), "results", EID,
		     "--wait", "5", NULL));
	assert_non_null(strstr(ran->said, "installed as A00000055910"));
	/* And the SM-DP+ has been told, by the eIM. */
	good(rig_run(&rig, &ran, "sim-smdp", "wait", rig_path(&rig, "smdp"), ICCID, "installed",
		     "--timeout", "10", NULL));
	mini_ipa_close(&ipa);
	talk_close(&card);
	rig_close(&rig);
}

/* Another server than the one ordered, and none at all. */
static void the_order_decides_where_it_goes(void **state)
{
	struct octets request = example("ESipa InitiateAuthentication request");

	(void)state;
	rig_open(&rig, argv0);
	start_servers();
	/* Not known at this SM-DP+'s TLS certificate: refused on the way, reported as undefined. */
	assert_int_equal(mini_ipa_post(&ipa, request), 0);
	assert_int_equal(ipa.status, 200);
	assert_true(octets_same(octets_from(ipa.body, ipa.n), octets_of_hex("BF390381017F")));
	/* A session that never began. */
	assert_int_equal(mini_ipa_post(&ipa, example("ESipa AuthenticateClient request")), 0);
	assert_true(octets_same(octets_from(ipa.body, ipa.n), octets_of_hex("BF3B0382010A")));
	good(rig_run(&rig, &ran, "sim-eim", "--dir", rig_path(&rig, "eim"), "list", NULL));
	mini_ipa_close(&ipa);
	rig_close(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_read_from_the_trigger),
		cmocka_unit_test(recorded_answers_become_esipa_answers),
		cmocka_unit_test(refusals_become_their_numbers),
		cmocka_unit_test(nonsense_becomes_an_undefined_error),
		cmocka_unit_test(requests_become_those_of_es9),
		cmocka_unit_test(a_profile_is_downloaded_through_the_eim),
		cmocka_unit_test(the_order_decides_where_it_goes),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
