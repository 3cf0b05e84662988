/*
 * sim-eim between ESipa and ES9+: the recorded bodies one by one, and a whole indirect download
 * with sim-eim and sim-smdp as programs and the virtual eUICC in hand. The card lives on the
 * virtual clock, the servers on the real one: nothing of theirs runs in this process.
 */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/rsp.h"
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
		const char *hex, *address, *matching_id, *oid;
		bool confirmation;
	} rows[] = {
		{ "A0168014312464702E6578616D706C65244D415443482D31", "dp.example", "MATCH-1", "" },
		{ "A00F800D312464702E6578616D706C6524", "dp.example", "", "" },
		/* 1$dp$M$2.999.10$1 */
		{ "A013801131246470244D24322E3939392E31302431", "dp", "M", "2.999.10", true },
		{ "A0028100", "", "", "" },
		{ "", "", "", "" },
		{ "A0058003322478", "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct text code = se_trigger_code(octets_of_hex(rows[i].hex));
		struct se_code parts = { .address = "" };
		char text[256];

		assert_int_equal(text_copy(code, text, sizeof(text)), 0);
		assert_int_equal(se_code_parse(text, &parts), rows[i].address[0] != '\0');
		assert_string_equal(parts.address, rows[i].address);
		assert_string_equal(parts.matching_id, rows[i].matching_id);
		assert_string_equal(parts.oid, rows[i].oid);
		assert_int_equal(parts.confirmation, rows[i].confirmation);
	}
}

/* An ES9+ body as ESipa's answer, allocated. */
static struct octets answer_of(uint32_t tag, const char *body, const char *answers)
{
	struct se_rsp_answer a = { .matching_id = "MATCH-1" };
	struct se_rsp_reply reply;
	static uint8_t error[16];
	uint8_t *out = NULL;
	size_t n = 0;

	assert_int_equal(se_forms_parse(answers, 0, &a.forms), 0);
	se_rsp_read(tag, text_of(body), &reply);
	if (!reply.code && se_rsp_write(tag, &reply, &a, &out, &n) < 0)
		reply.code = 127;
	if (reply.code) {
		n = se_rsp_error(tag, reply.code, error);
		out = malloc(n);
		memcpy(out, error, n);
	}
	se_rsp_reply_done(&reply);
	return octets_from(out, n);
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
		struct octets answer, tid;
		struct tlv_doc doc;
		struct tlv top, body;
		uint32_t tag;

		response = member(json_object_array_get_idx(all, rows[i].exchange), "response");
		text = json_object_to_json_string(response);
		answer = answer_of(rows[i].tag, text, "full,bare");
		top = tlv_open(&doc, answer);
		body = tlv_enter(&top, rows[i].tag);
		body = tlv_enter(&body, 0xA0);
		tid = tlv_take(&body, 0x80);
		assert_true(octets_same(tid, octets_of_hex("B903D7AE0D48B87706CA2AC22F243C55")));
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
		free((void *)answer.p);
	}
	json_object_put(file);
}

/* What a compact answer has and has not. */
static void answers_are_as_long_as_they_are_ordered(void **state)
{
	static const struct {
		const char *answers;
		bool tid, matching_id, metadata;
		size_t ci;
	} rows[] = {
		{ "full", true, true, true, 20 }, { "auto", true, true, true, 20 },
		{ "no-tid", false, true, true, 20 }, { "full,ci=1", true, true, true, 1 },
		{ "bare", true, false, true, 20 }, { "compact,matching-id", false, true, false, 4 },
		{ "no-metadata", true, true, false, 20 },
	};
	struct json_object *file = vectors_json("tests/vectors/rsp/es9p.json");
	struct json_object *all = member(file, "exchanges");
	struct se_forms f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets answer[2];
		struct tlv_doc doc;
		struct tlv body;

		for (int k = 0; k < 2; k++)
			answer[k] = answer_of(k ? 0xBF3B : 0xBF39, json_object_to_json_string(
				member(json_object_array_get_idx(all, (size_t)k), "response")),
				rows[i].answers);
		body = tlv_open(&doc, answer[0]);
		body = tlv_enter(&body, 0xBF39);
		body = tlv_enter(&body, 0xA0);
		assert_int_equal(tlv_maybe(&body, 0x80).n, rows[i].tid ? 16 : 0);
		tlv_skip(&body);
		tlv_skip(&body);
		assert_int_equal(tlv_take(&body, 0x04).n, rows[i].ci);
		tlv_skip(&body);
		assert_int_equal(tlv_maybe(&body, 0x0C).n, rows[i].matching_id ? 7 : 0);
		tlv_end(&body);
		assert_int_equal(doc.fault, TLV_OK);
		body = tlv_open(&doc, answer[1]);
		body = tlv_enter(&body, 0xBF3B);
		body = tlv_enter(&body, 0xA0);
		tlv_maybe(&body, 0x80);
		assert_int_equal(tlv_peek(&body), rows[i].metadata ? 0xBF25 : 0x30);
		free((void *)answer[0].p);
		free((void *)answer[1].p);
	}
	assert_int_equal(se_forms_parse("full,ci=21", 0, &f), -EINVAL);
	assert_int_equal(se_forms_parse("nonsense", 0, &f), -EINVAL);
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
		struct octets answer;

		snprintf(body, sizeof(body),
			 "{\"header\":{\"functionExecutionStatus\":{\"status\":\"Failed\","
			 "\"statusCodeData\":{\"subjectCode\":\"%s\",\"reasonCode\":\"%s\"}}}}",
			 rows[i].subject, rows[i].reason);
		answer = answer_of(rows[i].tag, body, "full");
		assert_true(octets_same(answer, octets_of_hex(rows[i].hex)));
		free((void *)answer.p);
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
		struct octets answer = answer_of(0xBF39, rows[i], "full");

		assert_true(octets_same(answer, octets_of_hex("BF390381017F")));
		free((void *)answer.p);
	}
}

#define OK_HEADER "\"header\":{\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}}"

/* The first event of an SM-DS is ordered from the IPA; where there is none, nothing is. */
static void events_become_orders(void **state)
{
	struct octets answer;

	(void)state;
	answer = answer_of(0xBF3B, "{" OK_HEADER ",\"transactionId\":\"0102\",\"eventEntries\":["
			   "{\"eventId\":\"E-1\",\"rspServerAddress\":\"dp.example\"},"
			   "{\"eventId\":\"E-2\",\"rspServerAddress\":\"dp2.example\"}]}", "full");
	/* 1$dp.example$E-1 */
	assert_true(octets_same(answer, octets_of_hex("BF3B1DA11B80020102BF5414A0128010"
						      "312464702E6578616D706C6524452D31")));
	free((void *)answer.p);
	answer = answer_of(0xBF3B, "{" OK_HEADER ",\"transactionId\":\"0102\",\"eventEntries\":[]}",
			   "full");
	assert_true(octets_same(answer, octets_of_hex("BF3B06A10480020102")));
	free((void *)answer.p);
}

/* A confirmation code as PrepareDownload wants it, by the recorded session. */
static void the_hash_of_a_confirmation_code_is_the_recorded_one(void **state)
{
	struct json_object *v = vectors_json("tests/vectors/rsp/session/nist-cc-ppk.json");
	struct octets tid = json_octets(v, "transactionId"), wanted = json_octets(v, "hashCc");
	uint8_t hash[32];

	(void)state;
	se_rsp_hash_cc(json_object_get_string(member(v, "confirmationCode")), tid, hash);
	assert_true(octets_same(wanted, octets_from(hash, sizeof(hash))));
	assert_true(se_rsp_wants_code(json_octets(v, "smdpSigned2")));
	json_object_put(v);
}

static void metadata_are_compared_with_those_in_the_package(void **state)
{
	struct octets bpp = example("BoundProfilePackage");
	struct octets metadata = example("Profile metadata (StoreMetadataRequest)");
	uint8_t copy[64];

	(void)state;
	assert_true(se_rsp_same_metadata(bpp, metadata));
	memcpy(copy, metadata.p, metadata.n);
	copy[10] ^= 1;
	assert_false(se_rsp_same_metadata(bpp, octets_from(copy, metadata.n)));
	assert_false(se_rsp_same_metadata(bpp, octets_from(metadata.p, metadata.n - 1)));
	assert_false(se_rsp_has_ppr(metadata));
	assert_true(se_rsp_has_ppr(octets_of_hex("BF2504" "99020640")));
	assert_false(se_rsp_has_ppr(octets_of_hex("BF2504" "99020780")));
}

static void requests_become_those_of_es9(void **state)
{
	const struct octets none = { NULL, 0 };
	const char *function;
	char *text;

	(void)state;
	text = se_rsp_request(0xBF39, example("ESipa InitiateAuthentication request"), "dp.example",
			      none, &function);
	assert_string_equal(function, "initiateAuthentication");
	assert_non_null(strstr(text, "\"euiccChallenge\":\"AQIDBAUGBwgJCgsMDQ4PEA==\""));
	assert_non_null(strstr(text, "\"smdpAddress\":\"dp.example\""));
	assert_non_null(strstr(text, "\"euiccInfo1\":\"vyA1"));
	free(text);
	text = se_rsp_request(0xBF3B, example("ESipa AuthenticateClient request"), "", none,
			      &function);
	assert_non_null(strstr(text, "\"transactionId\":\"00112233445566778899AABBCCDDEEFF\""));
	assert_non_null(strstr(text, "\"authenticateServerResponse\":\"vzi"));
	free(text);
	/* Left out by the IPA, put in by the eIM. */
	text = se_rsp_request(0xBF39, octets_of_hex("BF39128110000102030405060708090A0B0C0D0E0F"),
			      "x", octets_of_hex("BF200382010A"), &function);
	assert_non_null(strstr(text, "\"euiccInfo1\":\"vyADggEK\""));
	free(text);
	text = se_rsp_request(0xBF41, octets_of_hex("BF410A80020102BF4103810105"), "", none,
			&function);
	assert_string_equal(function, "cancelSession");
	assert_non_null(strstr(text, "\"cancelSessionResponse\":\"v0EDgQEF\""));
	free(text);
	assert_null(se_rsp_request(0xBF3B, example("ESipa GetBoundProfilePackage request"), "",
				   none, &function));
	assert_null(se_rsp_request(0xBF39, octets_of_hex("BF3900"), "x", none, &function));
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
	/* A transaction id that is none of this eIM's. */
	assert_int_equal(mini_ipa_post(&ipa, request), 0);
	assert_int_equal(ipa.status, 200);
	assert_true(octets_same(octets_from(ipa.body, ipa.n), octets_of_hex("BF3903810134")));
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
		cmocka_unit_test(answers_are_as_long_as_they_are_ordered),
		cmocka_unit_test(refusals_become_their_numbers),
		cmocka_unit_test(events_become_orders),
		cmocka_unit_test(the_hash_of_a_confirmation_code_is_the_recorded_one),
		cmocka_unit_test(metadata_are_compared_with_those_in_the_package),
		cmocka_unit_test(nonsense_becomes_an_undefined_error),
		cmocka_unit_test(requests_become_those_of_es9),
		cmocka_unit_test(a_profile_is_downloaded_through_the_eim),
		cmocka_unit_test(the_order_decides_where_it_goes),
	};

	(void)argc;
	argv0 = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
