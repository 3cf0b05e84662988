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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(card_answers_to_reset_and_gives_its_eid),
		cmocka_unit_test(profiles_are_listed_enabled_and_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
