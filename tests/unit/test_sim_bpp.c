/*
 * The virtual eUICC loading Bound Profile Packages: the recorded ones to the recorded result,
 * tampered ones, interrupted ones, and what personalities do.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/metadata.h"
#include "sim/euicc/pki.h"
#include "support/binder.h"
#include "support/rspcard.h"

static const char *const sessions[] = {
	"nist-cc-ppk", "nist-small-ppk", "brp-session-keys", "nist-cc-ppk-retry",
};

/* --- recorded packages ------------------------------------------------------------------------ */

static void recorded_packages_end_in_the_recorded_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct rspcard c;
		struct json_object *list;
		struct ve_state *s;
		size_t n;

		rspcard_ready(&c, sessions[i], NULL);
		rspcard_count_as_recorded(&c);
		list = hexjson_at(c.v, "loadSegments");
		n = json_object_array_length(list);
		for (size_t k = 0; k < n; k++)
			rspcard_same(
				talk_es10(&c.talk,
					  hexjson_text(json_object_array_get_idx(list, k), "data")),
				k + 1 == n ? hexjson_text(c.v, "profileInstallationResult") : "");
		s = euicc_card_state(c.talk.card);
		assert_int_equal(s->n_profiles, 1);
		assert_int_equal(s->profiles[0].enabled, 0);
		assert_int_equal(s->otk_key.n, 0);
		assert_int_equal(s->loading, 0);
		assert_int_equal(s->profiles[0].field[VE_IMSI].n, 9);
		assert_int_equal(s->profiles[0].field[VE_AD].n, 4);
		/* The session is used up. */
		rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
			     hexjson_text(c.v, "cancelSessionResponse_error"));
		assert_string_equal(talk_es10(&c.talk, "A000"), "6A88");
		rspcard_close(&c);
	}
}

static void result_is_kept_until_it_is_removed(void **state)
{
	struct rspcard c;
	struct binder b;
	char request[32], want[8192], pir[2048];

	(void)state;
	rspcard_ready(&c, "nist-small-ppk", NULL);
	rspcard_count_as_recorded(&c);
	binder_init(&b, &c);
	binder_bind(&b);
	snprintf(pir, sizeof(pir), "%s", binder_send(&b, 0, b.n));
	snprintf(want, sizeof(want), "BF2B81ABA081A8%s", pir);
	talk_reset(&c.talk);
	talk_isdr(&c.talk);
	rspcard_same(talk_es10(&c.talk, "BF2B00"), want);
	snprintf(request, sizeof(request), "BF30038001%02X",
		 (unsigned)euicc_card_state(c.talk.card)->notes[0].seq);
	assert_string_equal(talk_es10(&c.talk, request), "BF3003800100");
	assert_string_equal(talk_es10(&c.talk, "BF2B00"), "BF2B02A000");
	binder_done(&b);
	rspcard_close(&c);
}

/* The test's own server makes what was recorded. */
static void binder_makes_the_recorded_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct rspcard c;
		struct binder b;
		struct octets whole;
		size_t at = 0;

		rspcard_open(&c, sessions[i], NULL);
		whole = hexjson_octets(c.v, "boundProfilePackage");
		binder_init(&b, &c);
		/* The metadata is cut one octet later than the profile: there is no padding. */
		if (b.metadata.n > 1008)
			at = whole.n;
		binder_bind(&b);
		for (size_t k = 0; k < b.n && at < whole.n; k++) {
			assert_memory_equal(b.pieces[k].p, whole.p + at, b.pieces[k].n);
			at += b.pieces[k].n;
		}
		assert_int_equal(at, whole.n);
		binder_done(&b);
		rspcard_close(&c);
	}
}

static void a_package_in_one_piece_is_taken_too(void **state)
{
	struct rspcard c;

	(void)state;
	rspcard_ready(&c, "nist-cc-ppk", NULL);
	rspcard_count_as_recorded(&c);
	rspcard_same(rspcard_send(&c, "boundProfilePackage"),
		     hexjson_text(c.v, "profileInstallationResult"));
	rspcard_close(&c);
}

static void whole_dialogue_of_apdus_is_as_recorded(void **state)
{
	struct json_object *v = hexjson_load(RSP_VECTORS "apdu-load-nist-small-ppk.json"), *steps;
	struct rspcard c;
	struct octets o;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", "classic-consumer");
	rspcard_count_as_recorded(&c);
	talk_reset(&c.talk);
	o = hexjson_octets(c.v, "getEuiccChallengeResponse");
	euicc_card_feed_random(c.talk.card, o.p + o.n - 16, 16);
	o = hexjson_octets(c.v, "otSK_EUICC");
	euicc_card_feed_random(c.talk.card, o.p, o.n);
	steps = hexjson_at(v, "script");
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *apdus =
			hexjson_at(json_object_array_get_idx(steps, i), "apdus");

		for (size_t k = 0; k < json_object_array_length(apdus); k++) {
			struct json_object *a = json_object_array_get_idx(apdus, k);

			rspcard_same(talk(&c.talk, hexjson_text(a, "c")), hexjson_text(a, "r"));
		}
	}
	json_object_put(v);
	rspcard_close(&c);
}

/* --- tampering and order ---------------------------------------------------------------------- */

/* Every octet of every piece, changed: no profile comes of it, the card goes on working. */
static void no_changed_octet_slips_through(void **state)
{
	struct rspcard c;
	struct binder b;
	struct octets secret;

	(void)state;
	rspcard_ready(&c, "nist-small-ppk", NULL);
	secret = hexjson_octets(c.v, "otSK_EUICC");
	binder_init(&b, &c);
	binder_bind(&b);
	for (size_t piece = 0; piece < b.n; piece++) {
		size_t step = b.pieces[piece].n > 200 ? 7 : 1;

		for (size_t at = 0; at < b.pieces[piece].n; at += step) {
			const char *r;

			*binder_octet(&b, piece, (int)at) ^= 0x01;
			r = binder_send(&b, 0, b.n);
			*binder_octet(&b, piece, (int)at) ^= 0x01;
			if (euicc_card_state(c.talk.card)->n_profiles)
				fail_msg("piece %zu, octet %zu: installed", piece, at);
			/* A longer package than there is: the card waits for the rest of it. */
			if (!*r && (piece || at > 4))
				fail_msg("piece %zu, octet %zu: no answer", piece, at);
			rspcard_authenticate(&c);
			euicc_card_feed_random(c.talk.card, secret.p, secret.n);
			rspcard_send(&c, "prepareDownloadRequest");
		}
	}
	assert_int_equal(strncmp(binder_send(&b, 0, b.n), "BF37", 4), 0);
	assert_int_equal(euicc_card_state(c.talk.card)->n_profiles, 1);
	binder_done(&b);
	rspcard_close(&c);
}

/* A piece left out, or sent twice. */
static void order_is_kept(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++)
		for (size_t piece = 0;; piece++) {
			struct rspcard c;
			struct binder b;
			int command, reason;
			const char *r;
			size_t n;

			rspcard_ready(&c, "nist-small-ppk", NULL);
			binder_init(&b, &c);
			binder_bind(&b);
			n = b.n;
			if (piece + 1 == n || (!twice && !piece)) {
				if (!twice && !piece)
					assert_string_equal(binder_send(&b, 1, 2), "6A88");
				binder_done(&b);
				rspcard_close(&c);
				if (piece + 1 == n)
					break;
				continue;
			}
			assert_string_equal(binder_send(&b, 0, piece + twice), "");
			r = binder_send(&b, piece + 1 - twice, n);
			if (twice && !piece) {
				/* It begins anew: what had begun is told as interrupted. */
				binder_read_result(&b, r, &command, &reason);
				assert_int_equal(command, -1);
				assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 2);
			} else {
				binder_read_result(&b, r, &command, &reason);
				if (reason != 7 && reason != 8)
					fail_msg("piece %zu: %d/%d", piece, command, reason);
				assert_int_equal(euicc_card_state(c.talk.card)->n_profiles, 0);
			}
			binder_done(&b);
			rspcard_close(&c);
		}
}

/* --- interruption ----------------------------------------------------------------------------- */

static void a_reset_at_any_piece_is_told(void **state)
{
	static const int commands[] = { 0, 1, 2, 2, 4, 5 };
	char pir[2048];

	(void)state;
	for (size_t piece = 1; piece <= ARRAY_SIZE(commands); piece++) {
		for (int power = 0; power < 2; power++) {
			struct rspcard c;
			struct binder b;
			struct ve_state *s;
			int command, reason;

			rspcard_ready(&c, "nist-small-ppk", NULL);
			rspcard_count_as_recorded(&c);
			binder_init(&b, &c);
			binder_bind(&b);
			assert_int_equal(b.n, ARRAY_SIZE(commands) + 1);
			assert_string_equal(binder_send(&b, 0, piece), "");
			if (power) {
				/* The process is gone, too. */
				talk_shut(&c.talk);
				talk_open(&c.talk, NULL);
			} else {
				talk_reset(&c.talk);
			}
			talk_isdr(&c.talk);
			assert_string_equal(rspcard_send_octets(&c, b.pieces[piece]), "6A88");
			s = euicc_card_state(c.talk.card);
			assert_int_equal(s->n_notes, 1);
			assert_int_equal(s->n_profiles, 0);
			hex_encode(s->notes[0].whole.p, s->notes[0].whole.n, pir, sizeof(pir));
			binder_read_result(&b, pir, &command, &reason);
			assert_int_equal(reason, VE_REASON_INTERRUPTED);
			assert_int_equal(command, commands[piece - 1]);
			if (command == 5)
				rspcard_same(pir, rspcard_recorded_result(&c, 5, 11));
			/* Once. */
			talk_reset(&c.talk);
			assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 1);
			binder_done(&b);
			rspcard_close(&c);
		}
	}
}

static void after_an_interruption_the_same_package_is_loaded(void **state)
{
	struct rspcard c;
	struct binder b;
	int command, reason;

	(void)state;
	rspcard_ready(&c, "nist-cc-ppk", NULL);
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, b.n - 1), "");
	talk_reset(&c.talk);
	talk_isdr(&c.talk);
	rspcard_authenticate(&c);
	/* The pair is fresh here: the recorded request does not name the old one. */
	rspcard_prepare(&c);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 2);
	binder_done(&b);
	rspcard_close(&c);
}

static void cancel_in_the_middle_leaves_nothing(void **state)
{
	struct rspcard c;
	struct binder b;

	(void)state;
	rspcard_ready(&c, "nist-small-ppk", NULL);
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, 3), "");
	rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
		     hexjson_text(c.v, "cancelSessionResponse"));
	assert_string_equal(rspcard_send_octets(&c, b.pieces[3]), "6A88");
	talk_reset(&c.talk);
	assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 0);
	binder_done(&b);
	rspcard_close(&c);
}

/* --- policy, notifications, personalities ----------------------------------------------------- */

static void a_rule_that_the_rat_allows_is_taken(void **state)
{
	static const struct {
		const char *rat;
		int reason;
	} rows[] = {
		{ "301180020560A10730058003EEEEEE82020780", -1 }, /* everybody */
		{ "301180020520A1073005800300F11082020780", -1 }, /* this operator */
		{ "301180020520A1073005800301F11E82020780", 15 }, /* any digit, but not there */
		{ "301180020520A1073005800300EEEE82020780", -1 }, /* this country */
		{ "301180020520A1073005800300F12082020780", 15 }, /* another operator */
		{ "301180020640A10730058003EEEEEE82020780", 15 }, /* ppr1 only */
		{ "301480020520A10A300880030EEEEE8101AA82020780", 15 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rspcard c;
		struct binder b;
		int command, reason;

		rspcard_ready(&c, "nist-small-ppk", NULL);
		binder_init(&b, &c);
		/* With ppr2 and its owner. */
		b.metadata = hexjson_decode("BF25205A0A980000000000000030F7910153920154950100"
					    "B705800300F11099020520");
		binder_bind(&b);
		blob_copy(&euicc_card_state(c.talk.card)->rat, hexjson_decode(rows[i].rat));
		binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
		if (reason != rows[i].reason)
			fail_msg("RAT %zu: %d/%d", i, command, reason);
		binder_done(&b);
		rspcard_close(&c);
	}
}

static void every_address_hears_of_the_install(void **state)
{
	struct rspcard c;
	struct binder b;
	struct ve_state *s;
	int command, reason;

	(void)state;
	rspcard_ready(&c, "nist-small-ppk", NULL);
	binder_init(&b, &c);
	b.metadata = hexjson_decode("BF25355A0A980000000000000030F7910153920154"
				    "B621"
				    "30098002078081036F6E65"
				    "300980020410810374776F"
				    "3009800207808103737265");
	binder_bind(&b);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	s = euicc_card_state(c.talk.card);
	assert_int_equal(s->n_notes, 2);
	assert_non_null(memmem(s->notes[0].metadata.p, s->notes[0].metadata.n, "one", 3));
	assert_non_null(memmem(s->notes[1].metadata.p, s->notes[1].metadata.n, "sre", 3));
	assert_int_equal(s->notes[1].kind, VE_NOTE_OTHER);
	assert_int_equal(s->notes[1].event, 0x80);
	binder_done(&b);
	rspcard_close(&c);
}

/* SGP.32 3.2.5: what was just downloaded from the configured server may be enabled at once. */
static void an_installed_profile_can_be_enabled_immediately(void **state)
{
	static const struct {
		const char *configure, *answer;
	} rows[] = {
		{ "BF591780008103" "88370A" "820E736D6470702E7273702E74657374", "BF5A03800100" },
		{ "BF591780008103" "88370C" "820E736D6470702E7273702E74657374", "BF5A03800101" },
		{ "BF5900", "BF5A03800101" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rspcard c;
		struct binder b;
		int command, reason;

		rspcard_ready(&c, "nist-small-ppk", "iot");
		assert_string_equal(talk_es10(&c.talk, rows[i].configure), "BF5903800100");
		binder_init(&b, &c);
		binder_bind(&b);
		binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
		assert_int_equal(reason, -1);
		assert_string_equal(talk_es10(&c.talk, "BF5A038001FF"), rows[i].answer);
		talk_reset(&c.talk);
		assert_int_equal(euicc_card_state(c.talk.card)->profiles[0].enabled, i == 0);
		binder_done(&b);
		rspcard_close(&c);
	}
}

static void cards_of_the_field_break_off_and_bind(void **state)
{
	struct rspcard c;
	struct binder b;
	int command, reason;
	unsigned first;

	(void)state;
	rspcard_ready(&c, "nist-small-ppk", "pe-error-profile");
	binder_init(&b, &c);
	binder_bind(&b);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(command, 5);
	assert_int_equal(reason, 12);
	binder_done(&b);
	rspcard_close(&c);

	rspcard_ready(&c, "nist-small-ppk", "bpp-channel-bound");
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, 2), "");
	first = c.talk.channel;
	talk_isdr(&c.talk);
	assert_string_equal(binder_send(&b, 2, 3), "6985");
	c.talk.channel = first;
	binder_read_result(&b, binder_send(&b, 2, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	binder_done(&b);
	rspcard_close(&c);
}

static void a_card_of_the_field_falls_silent_after_failures(void **state)
{
	struct rspcard c;
	struct binder b;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", "mute-card");
	binder_init(&b, &c);
	binder_bind(&b);
	*binder_octet(&b, 1, -1) ^= 1;
	for (unsigned i = 0; i < 3; i++) {
		rspcard_authenticate(&c);
		rspcard_prepare(&c);
		assert_int_equal(strncmp(binder_send(&b, 0, b.n), "BF37", 4), 0);
	}
	assert_string_equal(talk(&c.talk, "01A4040000"), "");
	talk_power_off(&c.talk);
	talk_reset(&c.talk);
	assert_true(c.talk.atr_n > 0);
	binder_done(&b);
	rspcard_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_packages_end_in_the_recorded_result),
		cmocka_unit_test(result_is_kept_until_it_is_removed),
		cmocka_unit_test(binder_makes_the_recorded_octets),
		cmocka_unit_test(a_package_in_one_piece_is_taken_too),
		cmocka_unit_test(whole_dialogue_of_apdus_is_as_recorded),
		cmocka_unit_test(no_changed_octet_slips_through),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(a_reset_at_any_piece_is_told),
		cmocka_unit_test(after_an_interruption_the_same_package_is_loaded),
		cmocka_unit_test(cancel_in_the_middle_leaves_nothing),
		cmocka_unit_test(a_rule_that_the_rat_allows_is_taken),
		cmocka_unit_test(every_address_hears_of_the_install),
		cmocka_unit_test(an_installed_profile_can_be_enabled_immediately),
		cmocka_unit_test(cards_of_the_field_break_off_and_bind),
		cmocka_unit_test(a_card_of_the_field_falls_silent_after_failures),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
