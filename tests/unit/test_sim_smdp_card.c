/*
 * The SM-DP+ simulator and the virtual eUICC against each other, on the virtual clock: downloads of
 * every kind, faults that a card must notice, and what becomes of the orders.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/command.h"
#include "sim/smdp/http.h"
#include "sim/smdp/init.h"
#include "support/mini_lpa.h"
#include "support/talk.h"
#include "support/tree.h"

#define NIST "tests/vectors/rsp/pki/nist"
#define BRP "tests/vectors/rsp/pki/brp"
#define EID "89049032000000000000000000000163"

struct bench {
	struct talk talk;
	struct sdp s;
	struct mini_lpa lpa;
	char dir[64];
};

static struct bench *bench_of(struct mini_lpa *l)
{
	return container_of(l, struct bench, lpa);
}

static int post(struct mini_lpa *l, const char *function, const char *body, struct sdp_blob *ret)
{
	char path[96];
	struct sdp_request q = {
		.method = TEXT("POST"), .content_type = TEXT("application/json;charset=UTF-8"),
		.admin_protocol = TEXT("gsma/rsp/v2.2.2"), .body = octets_from(body, strlen(body)),
	};
	struct sdp_reply r;
	int status;

	snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", function);
	q.path = text_of(path);
	sdp_serve(&bench_of(l)->s, &q, &r);
	sdp_blob_set(ret, sdp_blob_octets(&r.body));
	status = (int)r.status;
	sdp_reply_done(&r);
	return status;
}

static struct octets es10(struct mini_lpa *l, struct octets command)
{
	static uint8_t answer[65536];
	char *digits = sdp_alloc(2 * command.n + 1);
	const char *said;
	size_t n = 0;

	hex_encode(command.p, command.n, digits, 2 * command.n + 1);
	said = talk_es10(&bench_of(l)->talk, digits);
	free(digits);
	assert_int_equal(hex_decode(text_of(said), answer, sizeof(answer), &n), 0);
	return octets_from(answer, n);
}

/* pki: what the card knows; the server always knows both. */
static void bench_open(struct bench *b, const char *card_pki)
{
	struct euicc_recipe recipe = { .personality = "iot", .version = _VE_VERSION_MAX,
				       .pki = { card_pki } };
	struct sdp_recipe r = { .dir = b->dir, .pki = { NIST, BRP }, .pki_n = 2,
				.hosts = { "smdpp.rsp.test" }, .hosts_n = 1,
				.ds_host = "smds.rsp.test" };
	char why[SDP_WHY_MAX] = "";

	memset(b, 0, sizeof(*b));
	talk_make(&b->talk, &recipe);
	talk_open(&b->talk, NULL);
	talk_isdr(&b->talk);
	strcpy(b->dir, "/tmp/smdp-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	if (sdp_make(&r, why) < 0 || sdp_open(&b->s, b->dir, why) < 0)
		fail_msg("%s", why);
	b->lpa.post = post;
	b->lpa.es10 = es10;
	b->lpa.address = "SMDPP.rsp.test";
}

static void bench_close(struct bench *b)
{
	mini_lpa_done(&b->lpa);
	sdp_done(&b->s);
	tree_remove(b->dir);
	talk_close(&b->talk);
}

/* Runs a command; what it said is static storage. */
static const char *tell(struct bench *b, int want, const char *line)
{
	static char said[65536];
	char words[512], *argv[32], *rest = words;
	FILE *out = fmemopen(said, sizeof(said), "w");
	int argc = 0;

	memset(said, 0, sizeof(said));
	text_copy(text_of(line), words, sizeof(words));
	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	assert_int_equal(sdp_command(&b->s, argc, argv, out), want);
	fclose(out);
	return said;
}

static struct sdp_profile *last(struct bench *b)
{
	return list_entry(b->s.profiles.prev, struct sdp_profile, node);
}

static struct sdp_note *last_note(struct bench *b)
{
	return list_entry(b->s.notes.prev, struct sdp_note, node);
}

static void add(struct bench *b, const char *options)
{
	char line[512];

	snprintf(line, sizeof(line), "add%s%s", options[0] ? " " : "", options);
	tell(b, 0, line);
	b->lpa.matching_id = last(b)->matching_id[0] ? last(b)->matching_id : NULL;
}

static bool card_has(struct bench *b, const char *iccid)
{
	uint8_t bcd[SDP_ICCID_LEN];
	char digits[2 * SDP_ICCID_LEN + 1];

	sdp_iccid_from(text_of(iccid), bcd);
	hex_encode(bcd, sizeof(bcd), digits, sizeof(digits));
	return strstr(talk_es10(&b->talk, "BF2D00"), digits) != NULL;
}

/* --- what is right ---------------------------------------------------------------------------- */

static void profiles_of_every_kind_get_onto_the_card(void **state)
{
	static const struct {
		const char *options;
		const char *code;
	} rows[] = {
		{ "", NULL },
		{ "--size 5000 --no-ppk", NULL },
		{ "--size 3000 --segment 128", NULL },
		{ "--size 3000 --segment 40 --no-ppk", NULL },
		{ "--size 1021 --segment 263", NULL },
		{ "--size 4000 --cc 1234-5678", "1234-5678" },
		{ "--class test --name T --provider P --no-notify", NULL },
		{ "--eid " EID " --matching-id ", NULL },
		{ "--matching-id ", NULL },
		{ "--owner 26201:AA:BB --fallback --notify install+delete@a.test --notify enable@b.test",
		  NULL },
		{ "--upp tests/vectors/rsp/upp/usim-2029.json", NULL },
	};
	const char *const pkis[] = { NIST, BRP };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(pkis); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct bench b;

			bench_open(&b, pkis[k]);
			add(&b, rows[i].options);
			b.lpa.code = rows[i].code;
			assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
			assert_int_equal(b.lpa.status, 204);
			assert_true(card_has(&b, last(&b)->iccid));
			assert_int_equal(last(&b)->state, SDP_STATE_INSTALLED);
			assert_int_equal(b.s.notes_n, 1);
			assert_int_equal(last_note(&b)->verdict, SDP_VERIFIED);
			assert_int_equal(last_note(&b)->reason, -1);
			assert_string_equal(last_note(&b)->iccid, last(&b)->iccid);
			assert_string_equal(last_note(&b)->eid, EID);
			bench_close(&b);
		}
	}
}

static void sixty_kilobytes_get_onto_the_card(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NIST);
	add(&b, "--size 60000");
	assert_true(last(&b)->upp.n >= 60000);
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	assert_int_equal(last(&b)->state, SDP_STATE_INSTALLED);
	bench_close(&b);
}

static void a_cut_download_goes_on_with_the_old_binding(void **state)
{
	(void)state;
	/* After each number of transfers: before any segment, in the middle, before the last. */
	for (unsigned stop = 1; stop < 12; stop++) {
		struct sdp_blob body = { 0 };
		struct bench b;

		bench_open(&b, NIST);
		add(&b, "--size 5000");
		b.lpa.stop_after = stop;
		assert_int_equal(mini_lpa_download(&b.lpa), MINI_STOPPED);
		assert_int_equal(last(&b)->state, SDP_STATE_DOWNLOADED);
		sdp_blob_set(&body, sdp_blob_octets(&last(&b)->bound.body));
		/* Both lose their power. */
		sdp_done(&b.s);
		assert_int_equal(sdp_open(&b.s, b.dir, (char[SDP_WHY_MAX]){ 0 }), 0);
		talk_reset(&b.talk);
		talk_isdr(&b.talk);
		b.lpa.stop_after = 0;
		b.lpa.matching_id = last(&b)->matching_id;
		assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
		/* The old body, if the card kept its key: the package ends with it. */
		assert_true(b.lpa.bpp.n > body.n);
		assert_memory_equal(b.lpa.bpp.p + b.lpa.bpp.n - body.n, body.p, body.n);
		assert_int_equal(last(&b)->downloads, 2);
		assert_int_equal(last(&b)->state, SDP_STATE_INSTALLED);
		sdp_blob_done(&body);
		bench_close(&b);
	}
}

static void results_count_once_however_often_they_come(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NIST);
	add(&b, "");
	b.lpa.keep_result = true;
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	assert_int_equal(b.s.notes_n, 0);
	assert_int_equal(last(&b)->state, SDP_STATE_DOWNLOADED);
	/* The server is another one by now; the result can still be checked. */
	sdp_done(&b.s);
	assert_int_equal(sdp_open(&b.s, b.dir, (char[SDP_WHY_MAX]){ 0 }), 0);
	mini_lpa_deliver(&b.lpa, sdp_blob_octets(&b.lpa.result));
	assert_int_equal(mini_lpa_notify(&b.lpa), 1);
	assert_int_equal(b.s.notes_n, 1);
	assert_int_equal(last_note(&b)->deliveries, 2);
	assert_int_equal(last_note(&b)->verdict, SDP_VERIFIED);
	assert_int_equal(last(&b)->results, 1);
	assert_int_equal(last(&b)->state, SDP_STATE_INSTALLED);
	/* And after the next start it is known still. */
	sdp_done(&b.s);
	assert_int_equal(sdp_open(&b.s, b.dir, (char[SDP_WHY_MAX]){ 0 }), 0);
	mini_lpa_deliver(&b.lpa, sdp_blob_octets(&b.lpa.result));
	assert_int_equal(b.s.notes_n, 1);
	assert_int_equal(last_note(&b)->deliveries, 3);
	assert_int_equal(last(&b)->results, 1);
	bench_close(&b);
}

/* --- confirmation codes and cancelling -------------------------------------------------------- */

static void wrong_confirmation_codes_run_out(void **state)
{
	static const struct {
		const char *code, *subject, *reason;
	} rows[] = {
		{ "0000", "8.2.7", "3.8" }, { "1111", "8.2.7", "3.8" }, { "2222", "8.2.7", "6.4" },
	};
	struct bench b;

	(void)state;
	bench_open(&b, NIST);
	add(&b, "--cc 1234");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		b.lpa.code = rows[i].code;
		assert_int_equal(mini_lpa_download(&b.lpa), MINI_GET_PACKAGE);
		assert_string_equal(b.lpa.subject, rows[i].subject);
		assert_string_equal(b.lpa.reason, rows[i].reason);
	}
	b.lpa.code = "1234";
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_AUTHENTICATE_CLIENT);
	assert_string_equal(b.lpa.subject, "8.8.5");
	assert_string_equal(b.lpa.reason, "6.4");
	sdp_profile_release(last(&b));
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	bench_close(&b);
}

static void cancelled_orders_end_unless_postponed(void **state)
{
	static const struct {
		unsigned reason;
		bool again;
	} rows[] = { { 0, false }, { 1, true }, { 2, true }, { 3, false }, { 4, false }, { 5, false },
		     { 127, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;

		bench_open(&b, NIST);
		add(&b, "");
		assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_INSTALLED);
		assert_int_equal(mini_lpa_cancel(&b.lpa, rows[i].reason), 200);
		assert_string_equal(b.lpa.subject, "");
		assert_int_equal(mini_lpa_download(&b.lpa),
				 rows[i].again ? MINI_INSTALLED : MINI_AUTHENTICATE_CLIENT);
		if (!rows[i].again)
			assert_string_equal(b.lpa.subject, "8.2");
		bench_close(&b);
	}
}

/* --- faults ----------------------------------------------------------------------------------- */

static int card_error(struct bench *b, uint32_t tag)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, sdp_blob_octets(&b->lpa.card_said)), w = tlv_enter(&top, tag);
	struct tlv e = tlv_enter(&w, 0xa1);

	tlv_skip(&e);
	return (int)tlv_take_u32(&e, 0x02);
}

static void faults_are_noticed_where_they_must_be(void **state)
{
	static const struct {
		const char *fault;
		enum mini_step step;
		int code;               /* of the card, or the reason in its result; -1: not looked at */
	} rows[] = {
		{ "wrong-signature,on=initiateAuthentication", MINI_AUTHENTICATE_SERVER, 2 },
		{ "wrong-challenge", MINI_AUTHENTICATE_SERVER, 6 },
		{ "wrong-certificate=role,on=initiateAuthentication", MINI_AUTHENTICATE_SERVER, 1 },
		{ "wrong-signature,on=authenticateClient", MINI_PREPARE, 2 },
		{ "wrong-transaction,on=authenticateClient", MINI_PREPARE, 5 },
		{ "wrong-certificate=oid,on=authenticateClient", MINI_PREPARE, 1 },
		{ "wrong-metadata", MINI_METADATA, -1 },
		{ "wrong-signature,on=getBoundProfilePackage", MINI_LOAD, 2 },
		{ "wrong-transaction,on=getBoundProfilePackage", MINI_LOAD, 3 },
		{ "tamper=1", MINI_LOAD, 8 },
		{ "tamper=3", MINI_LOAD, 8 },
		{ "tamper=6", MINI_LOAD, 8 },
		{ "wrong-base64,on=initiateAuthentication", MINI_INITIATE, -1 },
		{ "missing=transactionId,on=initiateAuthentication", MINI_INITIATE, -1 },
		{ "missing=serverCertificate", MINI_INITIATE, -1 },
		{ "missing=smdpCertificate", MINI_AUTHENTICATE_CLIENT, -1 },
		{ "missing=boundProfilePackage", MINI_GET_PACKAGE, -1 },
		{ "truncated,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, -1 },
		{ "garbage,on=getBoundProfilePackage", MINI_GET_PACKAGE, -1 },
		{ "empty,on=initiateAuthentication", MINI_INITIATE, -1 },
		{ "http=503,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, -1 },
		{ "wrong-transaction-text,on=initiateAuthentication", MINI_AUTHENTICATE_CLIENT, -1 },
		{ "huge=100000,on=initiateAuthentication", MINI_INSTALLED, -1 },
		{ "status=8.1/4.8,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;
		enum mini_step step;
		const char *why;

		bench_open(&b, NIST);
		add(&b, "--size 3000");
		assert_int_equal(sdp_fault_add(&b.s.faults, text_of(rows[i].fault), &why), 0);
		step = mini_lpa_download(&b.lpa);
		if (step != rows[i].step)
			fail_msg("%s: step %d instead of %d", rows[i].fault, step, rows[i].step);
		assert_int_equal(b.s.faults.n, 0);
		assert_int_equal(b.s.faults.struck, 1);
		if (rows[i].code >= 0 && step == MINI_LOAD)
			assert_int_equal(last_note(&b)->reason, rows[i].code);
		else if (rows[i].code >= 0)
			assert_int_equal(card_error(&b, step == MINI_PREPARE ? 0xbf21 : 0xbf38),
					 rows[i].code);
		/* Whatever it was, it is over: the order can be served. */
		sdp_profile_release(last(&b));
		if (step != MINI_INSTALLED)
			assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
		bench_close(&b);
	}
}

/* --- the SM-DS -------------------------------------------------------------------------------- */

static void events_lead_from_the_sm_ds_to_the_profile(void **state)
{
	struct json_object *e;
	struct bench b;

	(void)state;
	bench_open(&b, NIST);
	add(&b, "--matching-id EVENT-1 --eid " EID);
	tell(&b, 0, "event add " EID " EVENT-1");
	tell(&b, 0, "event add " EID " EVENT-2 other.rsp.test");
	tell(&b, 0, "event add 89049032000000000000000000000260 EVENT-3");
	tell(&b, 1, "event add " EID " EVENT-1");
	/* A server that is started again knows them. */
	sdp_done(&b.s);
	assert_int_equal(sdp_open(&b.s, b.dir, (char[SDP_WHY_MAX]){ 0 }), 0);
	b.lpa.address = "smds.rsp.test";
	b.lpa.matching_id = NULL;
	assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_INSTALLED);
	assert_int_equal(json_object_array_length(b.lpa.events), 2);
	b.lpa.matching_id = "EVENT-3";
	assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_AUTHENTICATE_CLIENT);
	assert_string_equal(b.lpa.subject, "8.9.5");
	b.lpa.matching_id = "EVENT-1";
	assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_INSTALLED);
	assert_int_equal(json_object_array_length(b.lpa.events), 1);
	e = json_object_array_get_idx(b.lpa.events, 0);
	assert_string_equal(json_object_get_string(json_object_object_get(e, "eventId")), "EVENT-1");
	assert_string_equal(json_object_get_string(json_object_object_get(e, "rspServerAddress")),
			    "smdpp.rsp.test");
	b.lpa.address = "smdpp.rsp.test";
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	/* It is done with; the other one stays. */
	assert_null(strstr(tell(&b, 0, "events"), "EVENT-1"));
	assert_non_null(strstr(tell(&b, 0, "events"), "EVENT-2"));
	tell(&b, 0, "event remove " EID " EVENT-2");
	assert_null(strstr(tell(&b, 0, "events"), "EVENT-2"));
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_of_every_kind_get_onto_the_card),
		cmocka_unit_test(sixty_kilobytes_get_onto_the_card),
		cmocka_unit_test(a_cut_download_goes_on_with_the_old_binding),
		cmocka_unit_test(results_count_once_however_often_they_come),
		cmocka_unit_test(wrong_confirmation_codes_run_out),
		cmocka_unit_test(cancelled_orders_end_unless_postponed),
		cmocka_unit_test(faults_are_noticed_where_they_must_be),
		cmocka_unit_test(events_lead_from_the_sm_ds_to_the_profile),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
