/* The virtual eUICC where cards differ: personalities, ordered faults, and how cards are made. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "support/talk.h"
#include "unit/fake_ev.h"

#define EID "89049032123451234512345678901235"

static const struct euicc_profile two[] = {
	{ .iccid = TEXT("8900012345678901234"), .imsi = TEXT("001010123456789"),
	  .name = TEXT("A"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
	  .enabled = true, .notify = TEXT("dp.example") },
	{ .iccid = TEXT("89000123456789012342"), .imsi = TEXT("00101012345678"),
	  .name = TEXT("B"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
	  .notify = TEXT("dp.example"), .pin = TEXT("1234") },
};

static void start(struct talk *t, const char *personality, size_t profiles)
{
	struct euicc_recipe r = {
		.eid = TEXT(EID), .personality = personality, .version = _VE_VERSION_MAX,
		.profiles = two, .n_profiles = profiles,
	};

	talk_make(t, &r);
	talk_open(t, NULL);
}

static const char list_states[] = "BF2D055C035A9F70";
static const char first_enabled[] = "BF2D26A024E3105A0A980010325476981032F49F700101"
				    "E3105A0A980010325476981032249F700100";
static const char second_enabled[] = "BF2D26A024E3105A0A980010325476981032F49F700100"
				     "E3105A0A980010325476981032249F700101";

static const struct euicc_profile three[] = {
	{ .iccid = TEXT("8900012345678901234"), .class = VE_CLASS_OPERATIONAL, .enabled = true },
	{ .iccid = TEXT("89000123456789012342"), .class = VE_CLASS_OPERATIONAL,
	  .fallback = true, .fallback_allowed = true },
	{ .iccid = TEXT("89000123456789012343"), .class = VE_CLASS_OPERATIONAL, .ecall = true },
};

/* What is enabled: "1", "2", "3" or "-" by position. */
static const char *enabled_one(struct talk *t)
{
	static const char *const names[] = { "1", "2", "3" };
	struct ve_state *s = euicc_card_state(t->card);

	for (size_t i = 0; i < s->n_profiles && i < ARRAY_SIZE(names); i++)
		if (s->profiles[i].enabled)
			return names[i];
	return "-";
}

/* --- personalities ---------------------------------------------------------------------------- */

static void cards_that_lock_want_a_reset(void **state)
{
	static const char *const locking[] = { "iot-silent-6985", "iot-refresh-910b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(locking); i++) {
		struct euicc_recipe r = {
			.eid = TEXT(EID), .version = _VE_VERSION_MAX, .personality = locking[i],
			.profiles = three, .n_profiles = ARRAY_SIZE(three),
		};
		struct talk t;

		talk_make(&t, &r);
		talk_open(&t, NULL);
		talk_isdr(&t);
		assert_string_equal(talk_es10(&t, "BF5D038001FF"), "BF5D03800100");
		assert_string_equal(talk_es10(&t, "BF2B00"), "6985");
		talk_isdr(&t);
		assert_string_equal(talk_es10(&t, "BF2B00"), "6985");
		talk_reset(&t);
		talk_isdr(&t);
		assert_string_equal(talk_es10(&t, "BF2B00"), "BF2B02A000");
		assert_string_equal(enabled_one(&t), "2");
		talk_close(&t);
	}
}

static const struct habit {
	const char *personality;
	const char *channel;            /* MANAGE CHANNEL first, if any */
	const char *apdu, *answer;
} habits[] = {
	{ "custom-aid-only", NULL, "00A4040010" TALK_ISDR, "6A82" },
	{ "custom-aid-only", NULL, "00A4040010A0000005591010FFFFFFFF8900050500", "6121" },
	{ "basic-channel-only", "0070000001", "01A4040010" TALK_ISDR, "6881" },
	{ "basic-channel-only", NULL, "00A4040010" TALK_ISDR, "6121" },
	{ "iot-thales-long-fci", NULL, "00A4040410" TALK_ISDR, "6173" },
	{ "iot-gd-25", NULL, "00A4040010" TALK_ISDR, "6127" },
	{ "iot-silent-6985", NULL, "00A4040410" TALK_ISDR, "6120" },
	{ "data-at-once", NULL, "00A4040010" TALK_ISDR "00",
	  "6F1F8410" TALK_ISDR "A5049F6501FFE0058203020500" "9000" },
	{ "iot-gd-25", "0070000700", "80F2000C00", "9000" },
};

static void personalities_have_their_habits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(habits); i++) {
		const struct habit *h = &habits[i];
		struct talk t;

		start(&t, h->personality, 2);
		if (h->channel)
			assert_int_equal((talk(&t, h->channel), talk_sw(&t)), 0x9000);
		assert_string_equal(talk(&t, h->apdu), h->answer);
		talk_close(&t);
	}
}

static void card_of_one_operator_goes_back_to_it(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "iot-boot-revert", 2);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"),
			    "BF3103800100");
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	talk_reset(&t);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	talk_power_off(&t);
	talk_reset(&t);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, list_states), first_enabled);
	talk_close(&t);
}

static void gate_opens_with_terminal_capability(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "iot-termcap-gate", 0);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3E035C015A"), "6985");
	assert_string_equal(talk(&t, "80AA000005A903830107"), "9000");
	assert_string_equal(talk_es10(&t, "BF3E035C015A"), "6985");
	assert_string_equal(talk(&t, "80AA000005A903840101"), "9000");
	assert_string_equal(talk_es10(&t, "BF3E035C015A"), "BF3E125A10" EID);
	talk_reset(&t);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3E035C015A"), "6985");
	talk_close(&t);
}

static const struct {
	const char *personality, *request, *answer;
} enabling[] = {
	{ "ecp-enable-aid-only", "BF3111A00C5A0A98001032547698103224810100", "BF310380017F" },
	{ "ecp-enable-aid-only", "BF3117A0124F10A0000005591010FFFFFFFF8900001200810100",
	  "BF3103800100" },
	{ "ecp-enable-refresh0-only", "BF3111A00C5A0A980010325476981032248101FF", "BF310380017F" },
	{ "ecp-enable-refresh0-only", "BF3111A00C5A0A98001032547698103224810100", "BF3103800100" },
	{ "tags-strict", "BF2D055C039F7B5A", "BF2D03810101" },
	{ "classic-consumer", "BF2D13A00C5A0A980010325476981032245C039F7B5A",
	  "BF2D10A00EE30C5A0A98001032547698103224" },
	{ "classic-consumer", "BF5500", "6A88" },
	{ "classic-consumer", "BF2D04A0028000", "BF2D03810101" },
	{ "mem-reset-partial", "BF640482020106", "BF6409800100810101820100" },
};

static void functions_have_their_habits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(enabling); i++) {
		struct talk t;
		const char *got;

		start(&t, enabling[i].personality, 2);
		talk_isdr(&t);
		got = talk_es10(&t, enabling[i].request);
		if (strcmp(got, enabling[i].answer))
			fail_msg("%s, %s: got %s, expected %s", enabling[i].personality,
				 enabling[i].request, got, enabling[i].answer);
		talk_close(&t);
	}
}

static void card_without_sms_storage_has_no_such_file(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "sms-storage-zero", 2);
	talk(&t, "00A4040007A0000000871002");
	assert_string_equal(talk(&t, "00A40004026F3C"), "6A82");
	talk_close(&t);
	start(&t, NULL, 2);
	talk(&t, "00A4040007A0000000871002");
	talk(&t, "00A40004026F3C");
	assert_int_equal(talk_sw(&t) >> 8, 0x61);
	talk_close(&t);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void ordered_faults_happen(void **state)
{
	const char eid[] = "BF3E035C015A", good[] = "BF3E125A10" EID;
	struct talk t;

	(void)state;
	start(&t, NULL, 2);
	talk_isdr(&t);
	assert_int_equal(euicc_card_fault(t.card, "bf3e#2:sw=6F00"), 0);
	assert_string_equal(talk_es10(&t, eid), good);
	assert_string_equal(talk_es10(&t, eid), "6F00");
	assert_string_equal(talk_es10(&t, eid), good);
	euicc_card_faults_clear(t.card);

	/* Carried out, but told otherwise. */
	assert_int_equal(euicc_card_fault(t.card, "BF31:after,sw=6581"), 0);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"), "6581");
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	/* Not carried out. */
	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "BF31:sw=6581"), 0);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A980010325476981032F4810100"), "6581");
	assert_string_equal(talk_es10(&t, list_states), second_enabled);

	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "bf3e*:cut"), 0);
	assert_string_equal(talk_es10(&t, eid), "BF3E125A108904903212");
	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "bf3e:empty"), 0);
	assert_string_equal(talk_es10(&t, eid), "");
	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "bf3e:garbage"), 0);
	assert_string_not_equal(talk_es10(&t, eid), good);

	/* Mute until it is reset. */
	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "apdu#2:mute"), 0);
	assert_string_equal(talk(&t, "0070000001"), "029000");
	assert_string_equal(talk(&t, "0070000001"), "");
	assert_string_equal(talk(&t, "0070000001"), "");
	talk_reset(&t);
	assert_string_equal(talk(&t, "0070000001"), "019000");

	/* A reset nobody was told of: the channel is gone. */
	euicc_card_faults_clear(t.card);
	talk_isdr(&t);
	assert_int_equal(euicc_card_fault(t.card, "apdu:reset"), 0);
	assert_string_equal(talk(&t, "80F2000C00"), "9000");
	assert_string_equal(talk_es10(&t, eid), "6881");
	talk_close(&t);
}

static void wrong_orders_are_refused(void **state)
{
	static const char *const wrong[] = {
		"", "bf31", "bf31:", "bf31:sw", "bf31:sw=1234", "bf31:sw=6F000", "bf31#0:mute",
		"bf31#x:mute", ":mute", "xyz:mute", "bf31:mute=1", "bf31:delay", "bf31:after,",
		"bf31:boom", "0:mute",
	};
	struct talk t;

	(void)state;
	start(&t, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (euicc_card_fault(t.card, wrong[i]) == 0)
			fail_msg("\"%s\" was taken", wrong[i]);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(euicc_card_fault(t.card, "apdu#1000:mute"), 0);
	assert_int_not_equal(euicc_card_fault(t.card, "apdu:mute"), 0);
	talk_close(&t);
}

static bool never(void *arg)
{
	return ((struct talk *)arg)->done;
}

static void times_and_silence_are_kept(void **state)
{
	static const uint8_t status[] = { 0x80, 0xf2, 0x00, 0x0c, 0x00 };
	const struct ve_times times = { .apdu_ms = 100 };
	struct talk t;

	(void)state;
	start(&t, NULL, 0);
	euicc_card_set_times(t.card, &times);
	t.done = false;
	card_transmit(t.card, status, sizeof(status));
	assert_false(fake_ev_until(never, &t, 99));
	assert_true(fake_ev_until(never, &t, 2));
	assert_int_equal(euicc_card_fault(t.card, "apdu:delay=5000"), 0);
	t.done = false;
	card_transmit(t.card, status, sizeof(status));
	assert_false(fake_ev_until(never, &t, 5099));
	assert_true(fake_ev_until(never, &t, 2));
	euicc_card_faults_clear(t.card);
	assert_int_equal(euicc_card_fault(t.card, "apdu:silent"), 0);
	t.done = false;
	card_transmit(t.card, status, sizeof(status));
	assert_false(fake_ev_until(never, &t, 1000000));
	talk_reset(&t);
	assert_string_equal(talk(&t, "80F2000C00"), "9000");
	/* Power taken away in the middle: no answer comes. */
	t.done = false;
	card_transmit(t.card, status, sizeof(status));
	card_power_off(t.card);
	assert_false(fake_ev_until(never, &t, 1000000));
	talk_close(&t);
}

/* --- making ----------------------------------------------------------------------------------- */

static void profiles_in_words_are_judged(void **state)
{
	static const struct {
		const char *words;
		int good;
	} cases[] = {
		{ "iccid=8900012345678901234", 1 },
		{ "iccid=8900012345678901234,imsi=001010123456789,name=A,class=test,enabled", 1 },
		{ "# a file\niccid=8900012345678901234\nname = Two words \n\nppr=3\nenabled=no\n", 1 },
		{ "", 0 }, { "name=A", 0 }, { "iccid", 0 }, { "iccid=890001", 0 },
		{ "iccid=8900012345678901234x", 0 }, { "iccid=8900012345678901234,colour=red", 0 },
		{ "iccid=8900012345678901234,class=none", 0 },
		{ "iccid=8900012345678901234,size=-1", 0 },
		{ "iccid=8900012345678901234,imsi=12", 0 },
		{ "iccid=8900012345678901234,pin=12", 0 },
		{ "iccid=8900012345678901234,ppr=4", 0 },
		{ "iccid=8900012345678901234,mnc-digits=4", 0 },
		{ "iccid=8900012345678901234,owner=1", 0 },
		{ "iccid=8900012345678901234,smdp-oid=xy", 0 },
		{ "iccid=8900012345678901234,enabled=maybe", 0 },
	};
	_cleanup_(freep) struct ve_state *s = calloc(1, sizeof(*s));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct euicc_profile p;
		char why[EUICC_WHY_MAX] = "";
		int r = euicc_profile_parse(text_of(cases[i].words), &p, why);

		assert_int_equal(ve_state_init(s, "/nonexistent", TEXT(EID), VE_SGP22), 0);
		if (!r)
			r = euicc_profile_put(s, &p, why);
		if ((r == 0) != cases[i].good)
			fail_msg("\"%s\": %d, %s", cases[i].words, r, why);
		assert_true(!r || why[0]);
		ve_state_free(s);
	}
}

static void wrong_recipes_are_refused(void **state)
{
	struct euicc_recipe good = { .eid = TEXT(EID), .version = _VE_VERSION_MAX };
	char why[EUICC_WHY_MAX];
	struct euicc_recipe r;
	struct talk t;

	(void)state;
	talk_make(&t, &good);
	assert_int_not_equal(euicc_make(&good, why), 0);
	r = good;
	r.dir = "/tmp/euicc-no/such/place";
	assert_int_not_equal(euicc_make(&r, why), 0);
	r.dir = "/tmp/euicc-no";
	r.eid = TEXT("89049032123451234512345678901236");
	assert_int_not_equal(euicc_make(&r, why), 0);
	r.eid = TEXT("8904903212345123451234567890123");
	assert_int_not_equal(euicc_make(&r, why), 0);
	r = good;
	r.dir = "/tmp/euicc-no";
	r.personality = "nobody";
	assert_int_not_equal(euicc_make(&r, why), 0);
	r.personality = NULL;
	r.pki[0] = "tests/vectors/rsp/pki/nist";        /* of another EID */
	assert_int_not_equal(euicc_make(&r, why), 0);
	r.pki[0] = "tests/vectors";
	assert_int_not_equal(euicc_make(&r, why), 0);
	rmdir("/tmp/euicc-no");
	talk_close(&t);
}

static void damaged_state_is_not_taken_for_a_card(void **state)
{
	struct euicc_recipe good = {
		.eid = TEXT(EID), .version = _VE_VERSION_MAX, .profiles = two, .n_profiles = 2,
	};
	struct euicc_options o = { 0 };
	struct card *card;
	char path[128], why[EUICC_WHY_MAX];
	struct talk t;
	FILE *f;

	(void)state;
	talk_make(&t, &good);
	o.dir = t.dir;
	snprintf(path, sizeof(path), "%s/state", t.dir);
	for (long cut = 0; cut < 300; cut += 7) {
		assert_int_equal(truncate(path, cut), 0);
		assert_int_not_equal(euicc_card_open(&o, &card, why), 0);
		unlink(path);
		assert_int_equal(euicc_make(&good, why), 0);
	}
	f = fopen(path, "r+");
	assert_non_null(f);
	fputc(0x30, f);
	fclose(f);
	assert_int_not_equal(euicc_card_open(&o, &card, why), 0);
	talk_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_that_lock_want_a_reset),
		cmocka_unit_test(personalities_have_their_habits),
		cmocka_unit_test(card_of_one_operator_goes_back_to_it),
		cmocka_unit_test(gate_opens_with_terminal_capability),
		cmocka_unit_test(functions_have_their_habits),
		cmocka_unit_test(card_without_sms_storage_has_no_such_file),
		cmocka_unit_test(ordered_faults_happen),
		cmocka_unit_test(wrong_orders_are_refused),
		cmocka_unit_test(times_and_silence_are_kept),
		cmocka_unit_test(profiles_in_words_are_judged),
		cmocka_unit_test(wrong_recipes_are_refused),
		cmocka_unit_test(damaged_state_is_not_taken_for_a_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
