/*
 * Every exchange of a reading of facts and of the loading of a Bound Profile Package × {refused,
 * not allowed, channel lost, timeout, link lost, cancelled, garbage, cut off, foreign, too long}:
 * it ends once, with the right cause and step, and nothing is left in flight.
 */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>

#include "core/log.h"
#include "core/util.h"
#include "euicc/bpp.h"
#include "euicc/facts.h"
#include "support/card_script.h"
#include "support/examples.h"
#include "unit/fake_ev.h"

enum trouble {
	REFUSED, NOT_ALLOWED, CHANNEL_LOST, TIMEOUT, LINK_LOST, CANCELLED, GARBAGE, CUT_OFF, FOREIGN,
	TOO_LONG, _TROUBLE_MAX
};

static const struct {
	const char *name;
	enum card_failure failure;
	uint16_t sw;
	enum cause_kind kind;
	int code;
} troubles[_TROUBLE_MAX] = {
	[REFUSED] = { "refused", CARD_REFUSES, 0x6a88, CAUSE_REFUSED, 0x6a88 },
	[NOT_ALLOWED] = { "not allowed", CARD_REFUSES, 0x6985, CAUSE_REFUSED, 0x6985 },
	[CHANNEL_LOST] = { "channel lost", CARD_REFUSES, 0x6881, CAUSE_REFUSED, 0x6881 },
	[TIMEOUT] = { "timeout", CARD_TIMES_OUT, 0, CAUSE_TIMEOUT, -1 },
	[LINK_LOST] = { "link lost", CARD_LINK_LOST, 0, CAUSE_LINK_LOST, -1 },
	[CANCELLED] = { "cancelled", CARD_SILENT, 0, CAUSE_CANCELLED, -1 },
	[GARBAGE] = { "garbage", CARD_GARBAGE, 0, CAUSE_MALFORMED, -1 },
	[CUT_OFF] = { "cut off", CARD_CUT_OFF, 0, CAUSE_MALFORMED, -1 },
	[FOREIGN] = { "foreign", CARD_FOREIGN, 0, CAUSE_MALFORMED, -1 },
	[TOO_LONG] = { "too long", CARD_TOO_LONG, 0, CAUSE_MALFORMED, -1 },
};

static struct card_script card;
static struct euicc euicc;
static unsigned ended;
static struct cause why_ended;

static void begin(size_t segment)
{
	fake_ev_reset();
	card_script_init(&card);
	card.channel.segment_max = segment;
	memset(&euicc, 0, sizeof(euicc));
	euicc_init(&euicc, &card.channel);
	ended = 0;
	why_ended = (struct cause){ 0 };
}

static void trouble_at(enum trouble t, unsigned at)
{
	card.fail_at = at;
	card.failure = troubles[t].failure;
	card.fail_sw = troubles[t].sw;
}

static void finish(void)
{
	assert_int_equal(ended, 1);
	assert_false(card_script_busy(&card));
	euicc_done(&euicc);
	fake_ev_run(1000000);
	assert_int_equal(ended, 1);
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(card.lost_blocks, 0);
}

static void note_end(const struct cause *why)
{
	ended++;
	if (why)
		why_ended = *why;
}

static void expect(enum cause_kind kind, int code)
{
	assert_int_equal(why_ended.kind, kind);
	if (kind != CAUSE_NONE)
		assert_int_equal(why_ended.code, code);
}

/* --- facts -------------------------------------------------------------------------------------------- */

static struct euicc_facts facts;
static struct facts_reader reader;

static const char *const steps[] = {
	"", "get-eid", "get-eid", "get-info2", "get-addresses", "get-profiles", "get-eims",
	"list-notification", "get-rat",
};

static void on_facts(struct facts_reader *r, const struct cause *why)
{
	(void)r;
	note_end(why);
}

static void read_facts(enum trouble t, unsigned at)
{
	begin(120);
	card_script_add_iot_card(&card);
	memset(&facts, 0, sizeof(facts));
	reader = (struct facts_reader){
		.euicc = &euicc, .facts = &facts, .want = FACTS_ALL, .done = on_facts,
	};
	if (at)
		trouble_at(t, at);
	facts_read(&reader);
	if (at && t == CANCELLED) {
		fake_ev_run(5000);
		assert_int_equal(ended, 0);
		facts_cancel(&reader);
		assert_int_equal(ended, 0);
	}
	fake_ev_run(1000000);
}

/* Does it end the reading, is the fact missing, or does it not matter at all? */
enum effect { NO_MATTER, MISSING, ENDS };

static enum effect effect_on_facts(enum trouble t, unsigned at)
{
	bool opening = at == 1, eid = at == 2, profiles = at == 5;

	switch (t) {
	case REFUSED:
		return opening || eid ? ENDS : MISSING;
	case NOT_ALLOWED:
		/* The first function after the SELECT: TERMINAL CAPABILITY helps. */
		return eid ? NO_MATTER : ENDS;
	case CHANNEL_LOST:
		return opening ? ENDS : NO_MATTER;
	case TIMEOUT:
		return profiles ? NO_MATTER : ENDS;
	case LINK_LOST:
	case CANCELLED:
		return ENDS;
	case GARBAGE:
	case CUT_OFF:
	case FOREIGN:
		return opening ? NO_MATTER : eid ? ENDS : MISSING;
	case TOO_LONG:
		return opening || eid ? ENDS : MISSING;
	case _TROUBLE_MAX:
		break;
	}
	return ENDS;
}

static const enum euicc_fact fact_at[] = {
	FACT_EID, FACT_EID, FACT_EID, FACT_INFO, FACT_ADDRESSES, FACT_PROFILES, FACT_EIMS, FACT_NOTIFICATIONS, FACT_RAT,
};

static void facts_end_once_whatever_happens(void **state)
{
	(void)state;
	for (int t = 0; t < _TROUBLE_MAX; t++) {
		for (unsigned at = 1; at < ARRAY_SIZE(fact_at); at++) {
			enum effect effect = effect_on_facts((enum trouble)t, at);
			enum euicc_fact fact = fact_at[at];

			print_message("%s at %u (%s)\n", troubles[t].name, at, steps[at]);
			read_facts((enum trouble)t, at);
			if (effect == ENDS) {
				expect(troubles[t].kind, troubles[t].code);
				assert_string_equal(why_ended.step, steps[at]);
			} else {
				expect(CAUSE_NONE, 0);
			}
			/* EUICCInfo1 stands in for 2. */
			if (effect == MISSING && fact != FACT_INFO) {
				assert_int_equal(facts.have, FACTS_ALL & ~(1u << fact));
				assert_int_equal(facts.missing[fact].kind, troubles[t].kind);
			} else if (effect != ENDS) {
				assert_int_equal(facts.have, FACTS_ALL);
			}
			finish();
		}
	}
}

static void facts_may_be_cancelled_at_any_time(void **state)
{
	(void)state;
	read_facts(REFUSED, 0);
	finish();
	for (unsigned ms = 0; ms < 200; ms += 3) {
		begin(120);
		card_script_add_iot_card(&card);
		reader = (struct facts_reader){
			.euicc = &euicc, .facts = &facts, .want = FACTS_ALL, .done = on_facts,
		};
		facts_read(&reader);
		fake_ev_run(ms);
		if (ended)
			break;
		facts_cancel(&reader);
		facts_cancel(&reader);
		fake_ev_run(1000000);
		expect(CAUSE_CANCELLED, -1);
		finish();
	}
}

/* --- loading ------------------------------------------------------------------------------------------ */

static struct bpp bpp;
static struct octets package, result;
static size_t fed;
static struct euicc_call loading;
static bool got_result;

/* The next segment, or the end: as the procedure of a download does it. */
static void load_next(void)
{
	struct octets segment;
	int r;

	while ((r = bpp_next(&bpp, &segment)) == -EAGAIN && fed < package.n)
		fed += bpp_feed(&bpp, package.p + fed, MIN(200, package.n - fed));
	if (r < 0) {
		note_end(&(struct cause){ CAUSE_MALFORMED, "card", -1, NULL });
		return;
	}
	loading.command = segment;
	euicc_call(&euicc, &loading);
}

static void on_loaded(struct euicc_call *c, const struct cause *why)
{
	if (why) {
		note_end(why);
	} else if (c->answer.n) {
		got_result = true;
		assert_true(octets_same(c->answer, result));
		note_end(NULL);
	} else {
		load_next();
	}
}

static void on_opened(struct euicc_call *c, const struct cause *why)
{
	(void)c;
	assert_null(why);
	load_next();
}

static struct euicc_call opening;

static void load(struct json_object *session, enum trouble t, unsigned at)
{
	struct json_object *list;
	size_t n;

	package = json_octets(session, "boundProfilePackage");
	result = json_octets(session, "profileInstallationResult");
	assert_true(json_object_object_get_ex(session, "loadSegments", &list));
	begin(120);
	n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++)
		card_script_add(&card, json_octets(json_object_array_get_idx(list, i), "data"),
				i + 1 == n ? result : (struct octets){ 0 }, 0x9000);
	card_script_add(&card, octets_of_hex("BF2E00"), example_after("GetEUICCChallenge request", 1),
			0x9000);
	bpp_init(&bpp);
	fed = 0;
	got_result = false;
	opening = (struct euicc_call){ .function = ES10B_GET_CHALLENGE, .done = on_opened,
				       .command = octets_of_hex("BF2E00") };
	loading = (struct euicc_call){ .function = ES10B_LOAD_BPP, .same_channel = true,
				       .done = on_loaded };
	if (at)
		trouble_at(t, at);
	euicc_call(&euicc, &opening);
	if (at && t == CANCELLED) {
		/* Ended by its owner: nobody is called. */
		fake_ev_run(20000);
		assert_int_equal(ended, 0);
		assert_non_null(loading.euicc);
		euicc_cancel(&loading);
		note_end(&(struct cause){ CAUSE_CANCELLED, "us", -1, NULL });
	}
	fake_ev_run(10000000);
}

static void loading_ends_once_whatever_happens(void **state)
{
	struct json_object *s = vectors_json("tests/vectors/rsp/session/nist-small-ppk.json");
	unsigned exchanges;

	(void)state;
	load(s, REFUSED, 0);
	expect(CAUSE_NONE, 0);
	assert_true(got_result);
	exchanges = card.exchanges;
	finish();
	assert_true(exchanges > 10);
	/* 1 is the SELECT, 2 the challenge. */
	for (int t = 0; t < _TROUBLE_MAX; t++) {
		for (unsigned at = 3; at <= exchanges; at++) {
			/* Only the last answer has an octet that could be cut off. */
			bool matters = t != CUT_OFF || at == exchanges;

			print_message("%s at %u of %u\n", troubles[t].name, at, exchanges);
			load(s, (enum trouble)t, at);
			expect(matters ? troubles[t].kind : CAUSE_NONE, troubles[t].code);
			assert_int_equal(got_result, !matters);
			/* Nothing is repeated, no channel opened again, no capability sent. */
			assert_int_equal(card.exchanges, matters ? at : exchanges);
			assert_int_equal(card.opens, 1);
			assert_int_equal(card.capabilities, 0);
			finish();
		}
	}
	json_object_put(s);
}

/* The result comes in the middle: it is the end, whatever is left of the package. */
static void an_early_result_ends_the_loading(void **state)
{
	struct json_object *s = vectors_json("tests/vectors/rsp/session/nist-small-ppk.json"), *list;

	(void)state;
	assert_true(json_object_object_get_ex(s, "loadSegments", &list));
	for (size_t early = 0; early < json_object_array_length(list); early++) {
		begin(120);
		package = json_octets(s, "boundProfilePackage");
		result = json_octets(s, "profileInstallationResult");
		for (size_t i = 0; i <= early; i++)
			card_script_add(&card,
					json_octets(json_object_array_get_idx(list, i), "data"),
					i == early ? result : (struct octets){ 0 }, 0x9000);
		card_script_add(&card, octets_of_hex("BF2E00"),
				example_after("GetEUICCChallenge request", 1), 0x9000);
		bpp_init(&bpp);
		fed = 0;
		got_result = false;
		opening = (struct euicc_call){ .function = ES10B_GET_CHALLENGE, .done = on_opened,
					       .command = octets_of_hex("BF2E00") };
		loading = (struct euicc_call){ .function = ES10B_LOAD_BPP, .same_channel = true,
					       .done = on_loaded };
		euicc_call(&euicc, &opening);
		fake_ev_run(1000000);
		assert_true(got_result);
		assert_int_equal(bpp.segments, early + 1);
		finish();
	}
	json_object_put(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_end_once_whatever_happens),
		cmocka_unit_test(facts_may_be_cancelled_at_any_time),
		cmocka_unit_test(loading_ends_once_whatever_happens),
		cmocka_unit_test(an_early_result_ends_the_loading),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
