/* The virtual eUICC as a card: contacts, channels, files, misuse, profiles. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void card_answers_to_reset_and_gives_its_eid(void **state)
{
	struct talk t;

	(void)state;
	start(&t, NULL, 0);
	assert_true(t.atr_n > 2 && t.atr[0] == 0x3b);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3E035C015A"), "BF3E125A10" EID);
	talk_close(&t);
}

static void profiles_are_listed_enabled_and_disabled(void **state)
{
	struct talk t;

	(void)state;
	start(&t, NULL, 2);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF2D055C035A9F70"),
			    "BF2D26A024E3105A0A980010325476981032F49F700101"
			    "E3105A0A980010325476981032249F700100");
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"),
			    "BF3103800100");
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"),
			    "BF3103800102");
	assert_string_equal(talk_es10(&t, "BF2D055C035A9F70"),
			    "BF2D26A024E3105A0A980010325476981032F49F700100"
			    "E3105A0A980010325476981032249F700101");
	assert_string_equal(talk_es10(&t, "BF3211A00C5A0A98001032547698103224810100"),
			    "BF3203800100");
	assert_string_equal(talk_es10(&t, "BF2D13A00C5A0A980010325476981032245C035A9F70"),
			    "BF2D14A012E3105A0A980010325476981032249F700100");
	talk_close(&t);
}


/* --- misuse ----------------------------------------------------------------------------------- */

static const struct misuse {
	const char *apdu, *answer;
	const char *legend;
} misuses[] = {
	{ "00A4", "6700", "half a header" },
	{ "00A4040C", "6A82", "SELECT by an empty name" },
	{ "00A40400", "6A82", "the same, with an answer wanted" },
	{ "FFA4040000", "6E00", "class FF" },
	{ "20A4040000", "6E00", "a class that is nobody's" },
	{ "00A404000500", "6700", "Lc without its data" },
	{ "00A4040002A0000000", "6700", "more data than Lc" },
	{ "01A40400023F00", "6881", "a channel that is not open" },
	{ "41B0000000", "6881", "channel 5, far beyond" },
	{ "00A4050002" "3F00", "6A86", "SELECT with an unknown P1" },
	{ "00A4000102" "3F00", "6A86", "SELECT of the last one" },
	{ "00A40402023F00", "6A82", "the next application of that name" },
	{ "00A4000402" "1234", "6A82", "a file that is not there" },
	{ "00A4000401" "3F", "6700", "half a file identifier" },
	{ "00A4080403" "3F0020", "6700", "half a path" },
	{ "00A4080402" "7FFF", "6A82", "the ADF of an application that is not selected" },
	{ "00B0000000", "6986", "READ BINARY without a file" },
	{ "00B201040A", "6986", "READ RECORD without a file" },
	{ "00B0990000", "6A82", "READ BINARY by a short identifier that is nobody's" },
	{ "0070000003", "6C01", "MANAGE CHANNEL with a wrong Le" },
	{ "0070000100", "9000", "a channel of our choice" },
	{ "0070000100", "6A81", "the same again" },
	{ "0070000900", "6A81", "a channel that the card does not have" },
	{ "0070800100", "9000", "closing it" },
	{ "0070800100", "6200", "closing it twice" },
	{ "0070800000", "6A86", "closing the basic channel" },
	{ "0070400000", "6A86", "MANAGE CHANNEL with an unknown P1" },
	{ "00C0000010", "6985", "GET RESPONSE with nothing to get" },
	{ "80E2910003BF2000", "6D00", "STORE DATA to nobody" },
	{ "00E2910003BF2000", "6E00", "STORE DATA in the wrong class" },
	{ "0001000000", "6D00", "an instruction that does not exist" },
	{ "80A4040000", "6E00", "SELECT in the wrong class" },
	{ "8012000000", "6985", "FETCH with nothing to fetch" },
	{ "8014000003810301", "6985", "TERMINAL RESPONSE to nothing" },
	{ "80AA000003A90183", "6A80", "TERMINAL CAPABILITY that is no TLV" },
	{ "80AA000005A903830107", "9000", "TERMINAL CAPABILITY" },
	{ "8010000002FFFF", "9000", "TERMINAL PROFILE" },
	{ "0020000208FFFFFFFFFFFFFFFF", "6A88", "VERIFY of an unknown PIN" },
	{ "80F2030000", "6A86", "STATUS with an unknown P1" },
	/* The ISD-R from here on. */
	{ "00A4040010" TALK_ISDR, "6121", "SELECT of the ISD-R" },
	{ "00C0000022", "6C21", "GET RESPONSE of too much" },
	{ "00C0010021", "6A86", "GET RESPONSE with P1" },
	{ "80C000000A", "6F1F8410A00000055910" "6117", "a part of it, in the other class" },
	{ "00C0000017", "10FFFFFFFF8900000100A5049F6501FFE0058203020500" "9000", "and the rest" },
	{ "00C0000021", "6985", "once is enough" },
	{ "80E2910000", "6700", "STORE DATA without data" },
	{ "80E2900003BF2000", "6A86", "STORE DATA with P1 that no answer wants" },
	{ "80E2910103BF2000", "6A86", "a first block with number 1" },
	{ "80E2110003BF3E03", "9000", "a first block" },
	{ "80E29102035C015A", "6A86", "the third after the first" },
	{ "80E29101035C015A", "6A86", "and then the second: it is forgotten" },
	{ "80E2110003BF3E03", "9000", "a first block" },
	{ "80E29101035C015A", "6115", "and the second" },
	{ "80E2910003BF2000", "610C", "a new command drops the answer of the old one" },
	{ "80E2910003BF3E03", "6A80", "a TLV that is cut" },
	{ "80E2910004BF200000", "6A80", "octets behind the TLV" },
	{ "80E2910003BF7F00", "6A88", "a function that nobody has" },
	{ "80E2910003BF3E00", "6A80", "GetEID without a tag list" },
	{ "80E29100051F81010100", "6A88", "a tag of three octets" },
	{ "80E2910001BF", "6A80", "half a tag" },
	{ "80E29100061F8181818100", "6A80", "a tag without an end" },
	{ "8010000002FFFF", "6982", "TERMINAL PROFILE while the ISD-R is selected" },
	{ "00A4040010A0000005591010FFFFFFFF8900000200", "611A", "SELECT of the ECASD" },
	{ "80E2910003BF2000", "6982", "ES10 to the ECASD" },
};

static void misuse_is_answered_with_its_status_word(void **state)
{
	struct talk t;

	(void)state;
	start(&t, NULL, 2);
	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++) {
		const char *got = talk(&t, misuses[i].apdu);

		if (strcmp(got, misuses[i].answer))
			fail_msg("%s (%s): got %s, expected %s", misuses[i].legend,
				 misuses[i].apdu, got, misuses[i].answer);
	}
	talk_close(&t);
}

static void commands_of_two_channels_do_not_mix(void **state)
{
	struct talk t;

	(void)state;
	start(&t, NULL, 0);
	talk_isdr(&t);
	talk(&t, "00A4040010" TALK_ISDR);
	assert_string_equal(talk(&t, "81E2110003BF3E03"), "9000");
	assert_string_equal(talk(&t, "80E29101035C015A"), "6A86");
	assert_string_equal(talk(&t, "81E2110003BF3E03"), "9000");
	assert_string_equal(talk(&t, "81E29101035C015A"), "6115");
	assert_string_equal(talk(&t, "00C0000015"), "6985");
	assert_string_equal(talk(&t, "01C0000015"), "BF3E125A10" EID "9000");
	talk_close(&t);
}

static void twenty_channels_can_be_open(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "many-channels", 0);
	for (unsigned i = 1; i < 20; i++) {
		talk_isdr(&t);
		assert_int_equal(t.channel, i);
		assert_string_equal(talk_es10(&t, "BF3E035C015A"), "BF3E125A10" EID);
	}
	assert_string_equal(talk(&t, "0070000001"), "6A81");
	talk_reset(&t);
	assert_string_equal(talk(&t, "C0E2910003BF2000"), "6881");
	talk_close(&t);
}

static void long_answers_come_in_parts(void **state)
{
	uint8_t icon[1024];
	struct talk t;
	struct ve_state *s;
	const char *got;

	(void)state;
	start(&t, NULL, 1);
	s = euicc_card_state(t.card);
	memset(icon, 0x42, sizeof(icon));
	blob_set(&s->profiles[0].field[VE_ICON], icon, sizeof(icon));
	talk_isdr(&t);
	assert_string_equal(talk(&t, "81E2910003BF2D00"), "6100");
	got = talk_es10(&t, "BF2D00");
	assert_true(strlen(got) > 2 * 1024);
	assert_memory_equal(got, "BF2D820", 7);
	talk_close(&t);
}

/* --- files ------------------------------------------------------------------------------------ */

static void files_follow_the_enabled_profile(void **state)
{
	static const char *const steps[][2] = {
		{ "00A40004022FE2", "6120" },
		{ "00B000000A", "980010325476981032F4" "9000" },
		{ "00A4040007A0000000871002", "6140" },
		{ "00A40004026F07", "611F" },
		{ "00B0000009", "080910101032547698" "9000" },
		{ "00A40004026FAD", "6122" },
		{ "00B0000004", "00000002" "9000" },
		{ "00B0000002", "0000" "9000" },
		{ "00B0000005", "6C04" },
		{ "00B0000400", "6B00" },
		{ "00B2010400", "6981" },
	};
	struct talk t;

	(void)state;
	start(&t, NULL, 2);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const char *got = talk(&t, steps[i][0]);

		/* What a template is long is not the matter here. */
		if (!strncmp(steps[i][1], "61", 2) ? strncmp(got, "61", 2)
						   : strcmp(got, steps[i][1]))
			fail_msg("%s: got %s, expected %s", steps[i][0], got, steps[i][1]);
	}
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"),
			    "BF3103800100");
	assert_string_equal(talk(&t, "00A40004026F07"), "6A82");
	talk(&t, "00A40004022FE2");
	assert_string_equal(talk(&t, "00B000000A"), "98001032547698103224" "9000");
	assert_string_equal(talk_es10(&t, "BF3211A00C5A0A98001032547698103224810100"),
			    "BF3203800100");
	assert_string_equal(talk(&t, "00B000000A"), "98001032547698103285" "9000");
	assert_string_equal(talk(&t, "00A4040007A0000000871002"), "6A82");
	talk_close(&t);
}

static void pin_guards_what_it_should(void **state)
{
	static const char *const steps[][2] = {
		{ "00B0870000", "6982" },
		{ "0020000100", "63C3" },
		{ "002000010831323335FFFFFFFF", "63C2" },
		{ "002000010831323334FFFFFFFF", "9000" },
		{ "00B0870009", "0801101010325476F8" "9000" },
		{ "002000010831323335FFFFFFFF", "63C2" },
		{ "002000010831323335FFFFFFFF", "63C1" },
		{ "002000010831323335FFFFFFFF", "6983" },
		{ "002000010831323334FFFFFFFF", "6983" },
	};
	struct talk t;

	(void)state;
	start(&t, NULL, 2);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A98001032547698103224810100"),
			    "BF3103800100");
	talk(&t, "00A4040007A0000000871002");
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		assert_string_equal(talk(&t, steps[i][0]), steps[i][1]);
	/* The tries are counted for good. */
	talk_shut(&t);
	talk_open(&t, NULL);
	assert_string_equal(talk(&t, "0020000100"), "6983");
	talk_close(&t);
}

/* --- switching -------------------------------------------------------------------------------- */

static const char list_states[] = "BF2D055C035A9F70";
static const char second_enabled[] = "BF2D26A024E3105A0A980010325476981032F49F700100"
				     "E3105A0A980010325476981032249F700101";

static void refresh_lets_the_switch_wait_for_the_reset(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "consumer-refresh", 2);
	talk_isdr(&t);
	assert_string_equal(talk(&t, "81E2910014BF3111A00C5A0A980010325476981032248101FF"), "6106");
	assert_string_equal(talk(&t, "01C0000006"), "BF3103800100" "910B");
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	talk(&t, "00A40004022FE2");
	assert_string_equal(talk(&t, "00B000000A"), "980010325476981032F4" "910B");
	/* Another switch finds the toolkit busy. */
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A980010325476981032F48101FF"),
			    "BF3103800105");
	assert_string_equal(talk(&t, "8012000009"), "6C0B");
	assert_string_equal(talk(&t, "801200000B"), "D009810301010482028182" "9000");
	assert_string_equal(talk(&t, "801400000C810301010482028281830100"), "9000");
	talk_reset(&t);
	assert_string_equal(talk(&t, "81E2910003BF2D00"), "6881");
	talk(&t, "00A40004022FE2");
	assert_string_equal(talk(&t, "00B000000A"), "98001032547698103224" "9000");
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	/* The old one was disabled, then the new one enabled; it tells nobody but one host. */
	assert_string_equal(talk_es10(&t, "BF2800"),
			    "BF2846A044BF2F1F800101810205200C0A64702E6578616D706C655A0A9800103254769810"
			    "32F4BF2F1F800102810206400C0A64702E6578616D706C655A0A98001032547698103224");
	talk_close(&t);
}

static void switch_that_waits_survives_the_power(void **state)
{
	struct talk t;

	(void)state;
	start(&t, "consumer-refresh", 2);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF3111A00C5A0A980010325476981032248101FF"),
			    "BF3103800100");
	talk_shut(&t);
	talk_open(&t, NULL);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, list_states), second_enabled);
	talk_close(&t);
}

static void rules_of_a_profile_hold(void **state)
{
	static const struct euicc_profile ruled[] = {
		{ .iccid = TEXT("8900012345678901234"), .class = VE_CLASS_OPERATIONAL,
		  .enabled = true, .ppr = 3 },
		{ .iccid = TEXT("89000123456789012342"), .class = VE_CLASS_OPERATIONAL },
		{ .iccid = TEXT("89000123456789012343"), .class = VE_CLASS_TEST },
		{ .iccid = TEXT("89000123456789012344"), .class = VE_CLASS_OPERATIONAL, .ppr = 2 },
	};
	static const char *const steps[][3] = {
		{ "BF3111A00C5A0A98001032547698103224810100", "BF3103800103", "PPR1" },
		{ "BF3211A00C5A0A980010325476981032F4810100", "BF3203800103", "PPR1" },
		{ "BF330C5A0A980010325476981032F4", "BF3303800102", "still enabled" },
		{ "BF330C5A0A98001032547698103244", "BF3303800103", "PPR2" },
		{ "BF3111A00C5A0A98001032547698103234810100", "BF3103800100", "a test over it" },
		{ "BF3111A00C5A0A98001032547698103224810100", "BF3103800104", "a third one" },
		{ "BF3211A00C5A0A98001032547698103234810100", "BF3203800100", "the test is over" },
		{ "BF3211A00C5A0A980010325476981032F4810100", "BF3203800103", "and it is back" },
		{ "BF330C5A0A98001032547698103224", "BF3303800100", "deleted" },
		{ "BF330C5A0A98001032547698103224", "BF3303800101", "gone" },
		{ "BF3404820205E0", "BF3403800100", "a memory reset asks for no rules" },
		{ "BF2D00", "BF2D02A000", "nothing is left" },
		{ "BF3404820205E0", "BF3403800101", "nothing to delete" },
	};
	struct euicc_recipe r = {
		.eid = TEXT(EID), .version = _VE_VERSION_MAX,
		.profiles = ruled, .n_profiles = ARRAY_SIZE(ruled),
	};
	struct talk t;

	(void)state;
	talk_make(&t, &r);
	talk_open(&t, NULL);
	/* As if it had been downloaded: what was on the card from the beginning stays. */
	euicc_card_state(t.card)->profiles[2].preloaded = 0;
	talk_isdr(&t);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const char *got = talk_es10(&t, steps[i][0]);

		if (strcmp(got, steps[i][1]))
			fail_msg("%s: got %s, expected %s", steps[i][2], got, steps[i][1]);
	}
	talk_close(&t);
}

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

static void fallback_and_emergency_come_and_go(void **state)
{
	static const char *const steps[][3] = {
		{ "BF5E03800100", "BF5E03800106", "1" },        /* not on fallback */
		{ "BF5D03800100", "BF5D03800100", "2" },
		{ "BF5D03800100", "BF5D03800102", "2" },        /* already */
		{ "BF5E03800100", "BF5E03800100", "1" },
		{ "BF5E03800100", "BF5E03800106", "1" },        /* once */
		{ "BF5B03800100", "BF5B03800100", "3" },
		{ "BF5B03800100", "BF5B03800102", "3" },
		{ "BF5D03800100", "BF5D03800168", "3" },        /* not during an emergency call */
		{ "BF640482020780", "BF6403800168", "3" },
		{ "BF5C03800100", "BF5C03800100", "1" },
		{ "BF5C03800100", "BF5C03800102", "1" },
	};
	struct euicc_recipe r = {
		.eid = TEXT(EID), .version = VE_SGP32_12, .personality = "data-at-once",
		.profiles = three, .n_profiles = ARRAY_SIZE(three),
	};
	struct talk t;

	(void)state;
	talk_make(&t, &r);
	talk_open(&t, NULL);
	talk_isdr(&t);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_string_equal(talk_es10(&t, steps[i][0]), steps[i][1]);
		assert_string_equal(enabled_one(&t), steps[i][2]);
	}
	talk_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(card_answers_to_reset_and_gives_its_eid),
		cmocka_unit_test(profiles_are_listed_enabled_and_disabled),
		cmocka_unit_test(misuse_is_answered_with_its_status_word),
		cmocka_unit_test(commands_of_two_channels_do_not_mix),
		cmocka_unit_test(twenty_channels_can_be_open),
		cmocka_unit_test(long_answers_come_in_parts),
		cmocka_unit_test(files_follow_the_enabled_profile),
		cmocka_unit_test(pin_guards_what_it_should),
		cmocka_unit_test(refresh_lets_the_switch_wait_for_the_reset),
		cmocka_unit_test(switch_that_waits_survives_the_power),
		cmocka_unit_test(rules_of_a_profile_hold),
		cmocka_unit_test(fallback_and_emergency_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
