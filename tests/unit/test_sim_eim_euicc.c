/*
 * sim-eim and sim-euicc, each written from the references without the other: what one signs the
 * other must take, for every operation, both curves, with and without an association token.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/config.h"
#include "sim/eim/esipa.h"
#include "sim/eim/package.h"
#include "sim/eim/result.h"
#include "support/examples.h"
#include "support/talk.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"

static struct se_eim eim;
static struct se_card *account;
static struct talk t;

/* --- both, put together ----------------------------------------------------------------------- */

static void make_eim(const char *curve)
{
	char path[128];

	se_eim_init(&eim, "");
	snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s/eimsign.key.pem", curve);
	assert_int_equal(se_key_load(path, &eim.key), 0);
	snprintf(path, sizeof(path), "tests/vectors/rsp/pki/%s/ci.der", curve);
	assert_int_equal(se_anchor_load(&eim.anchors, path), 0);
	assert_int_equal(se_card_new(&eim, EID, &account), 0);
}

static void make_card(const char *curve)
{
	static const struct euicc_profile two[] = {
		{ .iccid = { ICCID_A, 20 }, .name = { "A", 1 }, .enabled = true,
		  .notify = { "dp.example", 10 } },
		{ .iccid = { ICCID_B, 20 }, .name = { "B", 1 }, .fallback_allowed = true,
		  .notify = { "dp.example", 10 } },
	};
	char pki[64];
	struct euicc_recipe r = { .eid = text_of(EID), .version = VE_SGP32_12, .profiles = two,
				  .n_profiles = ARRAY_SIZE(two), .pki = { pki } };

	snprintf(pki, sizeof(pki), "tests/vectors/rsp/pki/%s", curve);
	talk_make(&t, &r);
	talk_open(&t, NULL);
	talk_isdr(&t);
}

static void done(void)
{
	talk_close(&t);
	se_eim_done(&eim);
}

/* An ES10 function; the answer is kept in static storage. */
static struct octets es10(struct octets command)
{
	static uint8_t answer[16384];
	char digits[2 * 8192 + 1];
	const char *got;
	size_t n;

	assert_true(command.n <= 8192);
	hex_encode(command.p, command.n, digits, sizeof(digits));
	got = talk_es10(&t, digits);
	if (hex_decode(text_of(got), answer, sizeof(answer), &n) < 0 || n <= 2)
		fail_msg("%.40s…: the card says %s", digits, got);
	return octets_from(answer, n);
}

static void associate(bool token)
{
	struct se_config_wish wish = { .form = SE_FORM_ADD_INITIAL, .trust = SE_TRUST_NONE,
				       .token = token };
	uint8_t request[2048];
	const char *why;
	size_t n;

	assert_int_equal(se_config_own(&eim, &wish, request, sizeof(request), &n, &why), 0);
	assert_true(octets_same(es10(octets_from(request, n)),
				octets_of_hex(token ? "BF5705A003840101" : "BF5704A0020500")));
}

/* --- the IPA between them --------------------------------------------------------------------- */

static struct octets ask(struct octets request)
{
	static struct se_exchange x;

	free(x.response);
	x = (struct se_exchange){ .request = request };
	assert_int_equal(se_esipa_handle(&eim, &x), 0);
	assert_int_equal(x.status, 200);
	return octets_from(x.response, x.response_n);
}

static struct octets poll_eim(void)
{
	static uint8_t copy[16384];
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, ask(octets_of_hex("BF4F125A10" EID)));
	struct octets content = tlv_take(&top, 0xBF4F);

	assert_int_equal(doc.fault, TLV_OK);
	memcpy(copy, content.p, content.n);
	return octets_from(copy, content.n);
}

/* The certificates and the token, as the eIM asks for them, from GetCerts and BF55. */
static struct octets collect_data(struct octets request)
{
	static uint8_t buf[8192], certs[8192];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_doc doc, certs_doc, config_doc;
	struct tlv top = tlv_open(&doc, request), body = tlv_enter(&top, 0xBF52), in, entry;
	struct tlv_mark m = tlv_begin(&w, 0xBF52), data = tlv_begin(&w, 0xA0);
	struct octets answer = es10(octets_of_hex("BF5500")), tx;

	top = tlv_open(&config_doc, answer);
	in = tlv_enter(&top, 0xBF55);
	in = tlv_enter(&in, 0xA0);
	entry = tlv_enter(&in, 0x30);
	while (tlv_more(&entry) && tlv_peek(&entry) != 0x84)
		tlv_skip(&entry);
	if (tlv_more(&entry))
		tlv_put_octets(&w, 0x84, tlv_take(&entry, 0x84));
	answer = es10(octets_of_hex("BF5600"));
	memcpy(certs, answer.p, answer.n);
	top = tlv_open(&certs_doc, octets_from(certs, answer.n));
	in = tlv_enter(&top, 0xBF56);
	in = tlv_enter(&in, 0xA0);
	tlv_put_octets(&w, 0xA5, tlv_take(&in, 0xA5));
	tlv_put_octets(&w, 0xA6, tlv_take(&in, 0xA6));
	assert_int_equal(certs_doc.fault, TLV_OK);
	tlv_take(&body, 0x5C);
	tx = tlv_take(&body, 0x83);
	tlv_put_octets(&w, 0x87, tx);
	tlv_close(&w, data);
	tlv_close(&w, m);
	assert_int_equal(doc.fault, TLV_OK);
	return octets_from(buf, w.len);
}

/* Notifications beside a package result, or nothing. */
static void put_notifications(struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, es10(octets_of_hex("BF2B00"))),
		   in = tlv_enter(&top, 0xBF2B);
	struct octets list = tlv_maybe(&in, 0xA0);

	if (list.n)
		tlv_put_octets(w, 0xA0, list);
}

static void remove_acknowledged(struct octets response)
{
	static uint8_t copy[1024];
	struct tlv_doc doc;
	struct tlv top, body, list;
	bool there;

	memcpy(copy, response.p, response.n);
	top = tlv_open(&doc, octets_from(copy, response.n));
	body = tlv_enter(&top, 0xBF50);
	list = tlv_enter_maybe(&body, 0xBF53, &there);
	while (tlv_more(&list)) {
		uint8_t request[16];
		struct tlv_out w = { .buf = request, .cap = sizeof(request) };
		struct tlv_mark m = tlv_begin(&w, 0xBF30);

		tlv_put_octets(&w, 0x80, tlv_take(&list, 0x80));
		tlv_close(&w, m);
		assert_true(octets_same(es10(octets_from(request, w.len)),
					octets_of_hex("BF3003800100")));
	}
}

static void provide(struct octets alternative, bool with_notifications)
{
	static uint8_t request[32768];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xBF50), both;

	tlv_put_octets(&w, 0x5A, octets_of_hex(EID));
	if (with_notifications) {
		both = tlv_begin(&w, 0x30);
		tlv_put_raw(&w, alternative.p, alternative.n);
		put_notifications(&w);
		tlv_close(&w, both);
	} else {
		tlv_put_raw(&w, alternative.p, alternative.n);
	}
	tlv_close(&w, m);
	remove_acknowledged(ask(octets_from(request, w.len)));
}

/* What is queued, until nothing is: the card is read anew after a switch. */
static void run(void)
{
	static uint8_t result[16384];

	for (int round = 0; round < 8; round++) {
		struct octets content = poll_eim(), got;

		if (content.n == 3)
			return;
		if (content.p[1] == 0x52) {
			provide(collect_data(content), false);
			continue;
		}
		got = es10(content);
		memcpy(result, got.p, got.n);
		/* A switch takes the channel with it. */
		talk_reset(&t);
		talk_isdr(&t);
		provide(octets_from(result, got.n), false);
	}
	fail_msg("it does not end");
}

static struct se_package *queue(const char *line)
{
	static struct se_order order;
	char copy[512], why[SE_WHY_MAX], *words[32], *rest = copy, *word;
	struct se_package *p;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")))
		words[n++] = word;
	if (se_order_parse(n, words, ".", account->version, &order, why) < 0)
		fail_msg("%s: %s", line, why);
	p = se_package_order(account, &order);
	assert_non_null(p);
	return p;
}

/* --- tests ------------------------------------------------------------------------------------ */

static const struct {
	const char *order, *outcome;
	bool error;
} rows[] = {
	{ "list-profiles --tags 5A9F70",
	  "list-profiles " ICCID_A " enabled, " ICCID_B " disabled" },
	{ "get-rat", NULL },
	{ "set-default-dp dp.example", "set-default-dp ok" },
	{ "set-fallback " ICCID_B, "set-fallback ok" },
	{ "unset-fallback", "unset-fallback ok" },
	{ "enable " ICCID_A, "enable profileNotInDisabledState(2)", true },
	{ "enable 89000123456789012343", "enable iccidOrAidNotFound(1)", true },
	{ "immediate-enable --on --oid 1.2.3 --address dp.example", "immediate-enable ok" },
	{ "list-eim", "list-eim eim1" },
	{ "update-eim --id eim1 --fqdn other.example", "update-eim ok" },
	{ "add-eim --id eim2 --counter 0 --token --key tests/vectors/rsp/pki/nist/eimsign.der",
	  NULL },
	{ "list-eim", "list-eim eim1, eim2" },
	{ "delete-eim eim3", "delete-eim eimNotFound(1)", true },
	{ "delete-eim eim2 + list-eim", "delete-eim ok; list-eim eim1" },
	{ "disable " ICCID_A, "disable ok" },
	{ "enable " ICCID_B, "enable ok" },
	{ "list-profiles --tags 5A9F70",
	  "list-profiles " ICCID_A " disabled, " ICCID_B " enabled" },
	{ "delete " ICCID_A " + list-profiles --tags 5A",
	  "delete ok; list-profiles " ICCID_B },
	{ "raw BF7A00", "terminated unknownOrDamagedCommand(2)", true },
	{ "delete-eim eim1", "delete-eim lastEimDeleted(2)" },
};

static void every_operation(const char *curve, bool token)
{
	make_eim(curve);
	make_card(curve);
	associate(token);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_package *p = queue(rows[i].order);

		run();
		if (p->state != SE_DONE || p->results != 1 || p->duplicates || p->refused ||
		    p->verdict != SE_VERIFIED || p->error != rows[i].error ||
		    (rows[i].outcome && strcmp(p->outcome, rows[i].outcome) != 0))
			fail_msg("%s, %s, %s: %s, %u results, %s, \"%s\"", curve,
				 token ? "token" : "no token", rows[i].order,
				 se_state_names[p->state], p->results,
				 se_verdict_names[p->verdict], p->outcome);
	}
	assert_int_equal(account->token, token);
	assert_int_equal(account->unmatched, 0);
	assert_int_equal(account->remarks, 0);
	done();
}

static void every_operation_is_understood_by_both(void **state)
{
	(void)state;
	every_operation("nist", false);
	every_operation("nist", true);
	every_operation("brp", true);
}

static void notifications_of_a_switch_are_verified(void **state)
{
	static uint8_t result[16384];
	struct octets got;
	struct se_package *p;

	(void)state;
	make_eim("nist");
	make_card("nist");
	associate(true);
	/* Learns the certificates. */
	queue("list-profiles");
	run();
	p = queue("enable " ICCID_B " --rollback");
	got = es10(poll_eim());
	memcpy(result, got.p, got.n);
	talk_reset(&t);
	talk_isdr(&t);
	provide(octets_from(result, got.n), true);
	assert_int_equal(p->results, 1);
	assert_int_equal(account->notes_n, 2);
	for (size_t i = 0; i < account->notes_n; i++) {
		const struct se_note *n = &account->notes[i];

		assert_int_equal(n->verdict, SE_VERIFIED);
		assert_string_equal(n->event, i ? "enable" : "disable");
		assert_string_equal(n->iccid, i ? ICCID_B : ICCID_A);
		assert_string_equal(n->address, "dp.example");
	}
	/* All have been removed, as acknowledged. */
	assert_true(octets_same(es10(octets_of_hex("BF2B00")), octets_of_hex("BF2B02A000")));
	assert_int_equal(account->remarks, 0);
	done();
}

static void a_rollback_is_one_result(void **state)
{
	struct se_package *p;
	struct tlv_doc doc;
	struct tlv top, in;
	static uint8_t result[4096];
	struct octets got;
	uint32_t tag;

	(void)state;
	make_eim("nist");
	make_card("nist");
	associate(true);
	queue("list-profiles");
	run();
	p = queue("enable " ICCID_B " --rollback");
	es10(poll_eim());
	talk_reset(&t);
	talk_isdr(&t);
	/* No connectivity: the result is not delivered. */
	top = tlv_open(&doc, es10(octets_of_hex("BF58038001FF")));
	in = tlv_enter(&top, 0xBF58);
	assert_int_equal(tlv_take_u32(&in, 0x02), 0);
	got = tlv_take_whole(&in, &tag);
	memcpy(result, got.p, got.n);
	talk_reset(&t);
	talk_isdr(&t);
	provide(octets_from(result, got.n), false);
	assert_int_equal(p->state, SE_DONE);
	assert_int_equal(p->results, 1);
	assert_true(p->rolled_back);
	assert_int_equal(p->verdict, SE_VERIFIED);
	assert_string_equal(p->outcome, "rollback ok");
	assert_int_equal(account->remarks, 0);
	done();
}

/* The card must refuse what the eIM spoils, and go on with what follows in order. */
static void spoilt_packages_are_refused_by_the_card(void **state)
{
	static const struct {
		const char *fault, *outcome;
	} faults[] = {
		{ "bad-signature", "unsigned error: eIM unknown or signature wrong" },
		{ "wrong-eid", "invalidEid(3)" },
		{ "low-counter", "replayError(4)" },
	};
	const char *why;

	(void)state;
	make_eim("nist");
	make_card("nist");
	associate(true);
	queue("list-profiles");
	run();
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct se_package *p = queue("get-rat"), *bad;

		assert_int_equal(se_fault_add(&eim.faults, text_of(faults[i].fault), &why), 0);
		run();
		assert_int_equal(p->results, 1);
		assert_int_equal(p->verdict, SE_VERIFIED);
		bad = list_entry(p->node.prev, struct se_package, node);
		assert_string_equal(bad->fault, faults[i].fault);
		assert_string_equal(bad->outcome, faults[i].outcome);
	}
	assert_int_equal(se_fault_add(&eim.faults, TEXT("replay"), &why), 0);
	run();
	assert_int_equal(account->unmatched, 0);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_is_understood_by_both),
		cmocka_unit_test(notifications_of_a_switch_are_verified),
		cmocka_unit_test(a_rollback_is_one_result),
		cmocka_unit_test(spoilt_packages_are_refused_by_the_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
