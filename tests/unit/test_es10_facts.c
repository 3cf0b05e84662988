/* The snapshot of a card: what SGP.32 cards, consumer cards and odd ones leave in it. */
#include "support/test.h"

#include <errno.h>

#include "core/log.h"
#include "core/util.h"
#include "euicc/facts.h"
#include "support/card_script.h"
#include "support/examples.h"
#include "unit/fake_ev.h"

static struct card_script card;
static struct euicc euicc;
static struct euicc_facts facts;
static struct facts_reader reader;
static unsigned ended;
static struct cause why_ended;

static void on_done(struct facts_reader *r, const struct cause *why)
{
	assert_ptr_equal(r, &reader);
	ended++;
	why_ended = why ? *why : (struct cause){ 0 };
}

static void begin(void)
{
	fake_ev_reset();
	card_script_init(&card);
	memset(&euicc, 0, sizeof(euicc));
	memset(&facts, 0, sizeof(facts));
	euicc_init(&euicc, &card.channel);
	reader = (struct facts_reader){
		.euicc = &euicc, .facts = &facts, .want = FACTS_ALL, .done = on_done,
	};
}

static void run(void)
{
	ended = 0;
	facts_read(&reader);
	assert_int_equal(ended, 0);
	fake_ev_run(600000);
	assert_int_equal(ended, 1);
}

static void finish(void)
{
	facts_drop(&reader);
	euicc_done(&euicc);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(card.lost_blocks, 0);
}

/* Replaces the answer to a command. */
static void answer(const char *command, const char *hex, uint16_t sw)
{
	struct octets c = octets_of_hex(command);

	for (size_t i = 0; i < card.n_rows; i++) {
		if (!octets_same(card.rows[i].command, c))
			continue;
		card.rows[i].answer = octets_of_hex(hex);
		card.rows[i].sw = sw;
		return;
	}
	fail_msg("%s: no such row", command);
}

static const char profiles_sgp32[] = "BF2D125C105A4F9F7090919295B7999F7B9F269F67";
static const char profiles_sgp22[] = "BF2D0C5C0A5A4F9F7090919295B799";

static void an_iot_card_in_eight_exchanges(void **state)
{
	(void)state;
	begin();
	card_script_add_iot_card(&card);
	run();
	assert_int_equal(why_ended.kind, CAUSE_NONE);
	assert_int_equal(facts.have, FACTS_ALL);
	assert_string_equal(facts.eid, "89049032123451234512345678901235");
	assert_true(euicc_facts_is_iot(&facts));
	assert_true(facts.fci.enabled_profile);
	assert_int_equal(facts.aid.n, 16);
	assert_int_equal(facts.info1.svn.minor, facts.info2.svn.minor);
	assert_true(octets_same(facts.info1.ci_sign, facts.info2.ci_sign));
	assert_int_equal(facts.n_profiles, 2);
	assert_ptr_equal(euicc_facts_enabled(&facts), &facts.profiles[0]);
	assert_int_equal(facts.n_eims, 1);
	assert_int_equal(facts.n_notifications, 1);
	assert_true(text_eq(octets_text(facts.addresses.root_ds), "ds.example"));
	assert_int_equal(facts.rat.n, 0x13);
	/* One SELECT and one command per fact. */
	assert_int_equal(card.exchanges, 8);
	finish();
}

static void windows_are_into_the_snapshot(void **state)
{
	const uint8_t *from = (const uint8_t *)&facts, *to = from + sizeof(facts);

	(void)state;
	begin();
	card_script_add_iot_card(&card);
	run();
	assert_true(facts.profiles[0].iccid.p >= from && facts.profiles[0].iccid.p < to);
	assert_true(facts.eims[0].id.p >= from && facts.eims[0].id.p < to);
	assert_true(facts.notifications[0].address.p >= from && facts.notifications[0].address.p < to);
	assert_true(facts.info2.ci_sign.p >= from && facts.info2.ci_sign.p < to);
	assert_true(facts.rat.p >= from && facts.rat.p < to);
	assert_true(facts.addresses.root_ds.p >= from && facts.addresses.root_ds.p < to);
	finish();
}

static void a_consumer_card_is_not_asked_for_eims(void **state)
{
	(void)state;
	begin();
	card.fci = octets_of_hex("6F1F8410A0000005591010FFFFFFFF8900000100A5049F6501FFE0058203020202");
	card_script_add_iot_card(&card);
	answer("BF2200", "BF220F810302030182030202028303010000", 0x9000);
	run();
	assert_int_equal(why_ended.kind, CAUSE_NONE);
	assert_false(euicc_facts_is_iot(&facts));
	assert_int_equal(facts.have, FACTS_ALL & ~(1u << FACT_EIMS));
	assert_int_equal(facts.missing[FACT_EIMS].code, ENOTSUP);
	assert_int_equal(card.exchanges, 7);
	finish();
}

/* 6A80, or error 1: the list is asked for again without what only SGP.32 knows, and so ever after. */
static void refused_tags_are_left_out(void **state)
{
	(void)state;
	for (int form = 0; form < 2; form++) {
		begin();
		card_script_add_iot_card(&card);
		if (form == 0)
			answer(profiles_sgp32, "", 0x6a80);
		else
			answer(profiles_sgp32, "BF2D03810101", 0x9000);
		run();
		assert_int_equal(why_ended.kind, CAUSE_NONE);
		assert_int_equal(facts.have, FACTS_ALL);
		assert_true(facts.refuses_iot_tags);
		assert_int_equal(card.exchanges, 9);
		reader.want = 1u << FACT_PROFILES;
		run();
		assert_int_equal(card.exchanges, 10);
		assert_int_equal(facts.n_profiles, 2);
		finish();
	}
}

/* A card that wants no list at all gives the usual fields; one that refuses even that has none. */
static void without_any_list_if_need_be(void **state)
{
	(void)state;
	for (int form = 0; form < 2; form++) {
		begin();
		card_script_add_iot_card(&card);
		answer(profiles_sgp32, "", 0x6a80);
		answer(profiles_sgp22, "", 0x6a80);
		if (form == 0)
			card_script_add(&card, octets_of_hex("BF2D00"),
					example_after("GetProfilesInfo, all SGP.32 tags", 1), 0x9000);
		else
			card_script_add(&card, octets_of_hex("BF2D00"), (struct octets){ 0 }, 0x6a80);
		run();
		assert_int_equal(why_ended.kind, CAUSE_NONE);
		assert_int_equal(euicc_facts_have(&facts, FACT_PROFILES), form == 0);
		assert_int_equal(card.exchanges, 10);
		if (form == 1) {
			assert_int_equal(facts.missing[FACT_PROFILES].code, 0x6a80);
			assert_null(euicc_facts_enabled(&facts));
		}
		finish();
	}
}

static int ongoing_left;

static int change_ongoing(struct card_script *s, struct octets command, struct octets *ret,
			  uint16_t *sw)
{
	(void)s;
	if (command.p[1] != 0x2d)
		return -1;
	*ret = ongoing_left-- > 0 ? octets_of_hex("BF2D0381010B") : octets_of_hex("BF2D02A000");
	*sw = 0x9000;
	return 0;
}

static void a_switch_under_way_is_waited_for(void **state)
{
	(void)state;
	for (int times = 1; times < 5; times += 3) {
		begin();
		ongoing_left = times;
		card.answer = change_ongoing;
		reader.want = 1u << FACT_PROFILES;
		run();
		assert_int_equal(why_ended.kind, CAUSE_NONE);
		assert_int_equal(euicc_facts_have(&facts, FACT_PROFILES), times == 1);
		if (times > 1)
			assert_int_equal(facts.missing[FACT_PROFILES].code,
					 ES10C_PROFILES_CHANGE_ONGOING);
		finish();
	}
}

static void without_info2_there_is_info1(void **state)
{
	(void)state;
	begin();
	card_script_add_iot_card(&card);
	answer("BF2200", "", 0x6a88);
	run();
	assert_int_equal(facts.have, FACTS_ALL);
	assert_false(facts.info2_read);
	assert_int_equal(facts.missing[FACT_INFO].kind, CAUSE_NONE);
	assert_int_equal(facts.info1.svn.minor, 5);
	finish();
}

static void too_many_are_an_error_not_a_part(void **state)
{
	static uint8_t buf[4096];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0xbf28), list = tlv_begin(&w, 0xa0), one;
	size_t n;

	(void)state;
	for (uint32_t i = 0; i <= FACTS_NOTIFICATIONS_MAX; i++) {
		one = tlv_begin(&w, 0xbf2f);
		tlv_put_u32(&w, 0x80, i);
		es10_bits_put(&w, 0x81, ES10_EVENT_ENABLE);
		tlv_put_text(&w, 0x0c, "dp.example");
		tlv_close(&w, one);
	}
	tlv_close(&w, list);
	tlv_close(&w, m);
	assert_int_equal(tlv_done(&w, &n), 0);
	begin();
	card_script_add(&card, octets_of_hex("BF2800"), octets_from(buf, n), 0x9000);
	reader.want = 1u << FACT_NOTIFICATIONS;
	run();
	assert_int_equal(why_ended.kind, CAUSE_NONE);
	assert_false(euicc_facts_have(&facts, FACT_NOTIFICATIONS));
	assert_int_equal(facts.missing[FACT_NOTIFICATIONS].code, E2BIG);
	finish();
}

static void what_is_not_asked_for_stays(void **state)
{
	(void)state;
	begin();
	card_script_add_iot_card(&card);
	run();
	reader.want = 1u << FACT_NOTIFICATIONS;
	answer("BF2800", "BF2802A000", 0x9000);
	run();
	assert_int_equal(facts.have, FACTS_ALL);
	assert_int_equal(facts.n_notifications, 0);
	assert_int_equal(facts.n_profiles, 2);
	answer("BF2800", "", 0x6d00);
	run();
	assert_int_equal(facts.have, FACTS_ALL & ~(1u << FACT_NOTIFICATIONS));
	finish();
}

/* The recorded production card: the answers that the log has, and 6A88 to the rest. */
static void a_real_card(void **state)
{
	(void)state;
	begin();
	card_script_load_chat(&card, "tests/vectors/real/card-gd-sgp32-select-eim.chat");
	run();
	assert_int_equal(why_ended.kind, CAUSE_NONE);
	assert_int_equal(facts.have, 1u << FACT_EID | 1u << FACT_EIMS);
	assert_string_equal(facts.eid, "89049032100000000000000020000246");
	assert_true(euicc_facts_is_iot(&facts));
	assert_int_equal(facts.fci.svn.minor, 5);
	assert_int_equal(facts.n_eims, 1);
	assert_int_equal(facts.missing[FACT_PROFILES].code, 0x6a88);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_iot_card_in_eight_exchanges),
		cmocka_unit_test(windows_are_into_the_snapshot),
		cmocka_unit_test(a_consumer_card_is_not_asked_for_eims),
		cmocka_unit_test(refused_tags_are_left_out),
		cmocka_unit_test(without_any_list_if_need_be),
		cmocka_unit_test(a_switch_under_way_is_waited_for),
		cmocka_unit_test(without_info2_there_is_info1),
		cmocka_unit_test(too_many_are_an_error_not_a_part),
		cmocka_unit_test(what_is_not_asked_for_stays),
		cmocka_unit_test(a_real_card),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
