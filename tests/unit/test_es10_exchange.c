/* STORE DATA, the ISD-R channel, the queue of calls, and the reading of facts, against a card. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>

#include "core/log.h"
#include "core/util.h"
#include "euicc/facts.h"
#include "support/card_script.h"
#include "support/examples.h"
#include "unit/fake_ev.h"

static struct card_script card;
static struct euicc euicc;
static unsigned lost;

struct one {
	struct euicc_call call;
	unsigned ended;
	struct cause why;
	uint8_t answer[8192];
	size_t n;
	struct one *next;       /* made from done() */
};

static void on_done(struct euicc_call *c, const struct cause *why)
{
	struct one *o = container_of(c, struct one, call);

	o->ended++;
	o->why = why ? *why : (struct cause){ 0 };
	if (!why) {
		assert_true(c->answer.n <= sizeof(o->answer));
		o->n = c->answer.n;
		if (o->n)
			memcpy(o->answer, c->answer.p, o->n);
	}
	if (o->next)
		euicc_call(&euicc, &o->next->call);
}

static void on_lost(struct euicc *e)
{
	assert_ptr_equal(e, &euicc);
	lost++;
}

static void begin(void)
{
	fake_ev_reset();
	lost = 0;
	card_script_init(&card);
	memset(&euicc, 0, sizeof(euicc));
	euicc.lost = on_lost;
	euicc_init(&euicc, &card.channel);
}

static void finish(void)
{
	euicc_done(&euicc);
	assert_false(card_script_busy(&card));
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
	assert_int_equal(card.lost_blocks, 0);
}

static void make(struct one *o, enum es10_function f, struct octets command)
{
	memset(o, 0, sizeof(*o));
	o->call.function = f;
	o->call.command = command;
	o->call.done = on_done;
}

static void call(struct one *o, enum es10_function f, struct octets command)
{
	make(o, f, command);
	euicc_call(&euicc, &o->call);
	assert_int_equal(o->ended, 0);
}

static void expect(const struct one *o, enum cause_kind kind, const char *from, int code)
{
	assert_int_equal(o->ended, 1);
	assert_int_equal(o->why.kind, kind);
	if (kind != CAUSE_NONE) {
		assert_string_equal(o->why.from, from);
		assert_int_equal(o->why.code, code);
	}
	assert_null(o->call.euicc);
}

static struct octets eid_command(void)
{
	return example("GetEID request");
}

static void add_eid(void)
{
	card_script_add(&card, eid_command(), example_after("GetEID request", 1), 0x9000);
}

static void the_channel_is_opened_when_it_is_needed(void **state)
{
	struct one a, b;

	(void)state;
	begin();
	add_eid();
	call(&a, ES10C_GET_EID, eid_command());
	call(&b, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&a, CAUSE_NONE, NULL, 0);
	expect(&b, CAUSE_NONE, NULL, 0);
	assert_int_equal(a.n, 21);
	assert_int_equal(card.opens, 1);
	assert_int_equal(card.exchanges, 3);
	assert_true(euicc_is_open(&euicc));
	assert_true(euicc.isdr.fci.iot);
	finish();
}

/* Every block size, down to one octet per block, and a command that needs more blocks than there are. */
static void commands_go_in_blocks(void **state)
{
	struct octets command = example("ES10b AuthenticateServer request");
	static const size_t sizes[] = { 255, 120, 64, 7, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct one o;

		print_message("%zu octets per block\n", sizes[i]);
		begin();
		card.channel.segment_max = sizes[i];
		card_script_add(&card, command, example("ES10b AuthenticateServer response"), 0x9000);
		call(&o, ES10B_AUTHENTICATE_SERVER, command);
		fake_ev_run(60000);
		expect(&o, CAUSE_NONE, NULL, 0);
		assert_int_equal(card.exchanges, 1 + (command.n + sizes[i] - 1) / sizes[i]);
		assert_int_equal(card.commands, 1);
		finish();
	}
	begin();
	card.channel.segment_max = 2;
	{
		struct one o;

		call(&o, ES10B_AUTHENTICATE_SERVER, command);
		fake_ev_run(60000);
		expect(&o, CAUSE_REFUSED, "us", EMSGSIZE);
	}
	finish();
}

/* A card whose FCI says that it takes less; nonsense there is not believed. */
static void cards_may_take_smaller_blocks(void **state)
{
	static const struct {
		const char *fci;
		size_t block;
	} rows[] = {
		{ "6F06A5049F650140", 64 }, { "6F06A5049F6501FF", 200 }, { "6F06A5049F650101", 200 },
	};
	struct octets command = example("ES10b AuthenticateServer request");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one o;

		begin();
		card.channel.segment_max = 200;
		card.fci = octets_of_hex(rows[i].fci);
		card_script_add(&card, command, example("ES10b AuthenticateServer response"), 0x9000);
		call(&o, ES10B_AUTHENTICATE_SERVER, command);
		fake_ev_run(60000);
		expect(&o, CAUSE_NONE, NULL, 0);
		assert_int_equal(card.exchanges,
				 1 + (command.n + rows[i].block - 1) / rows[i].block);
		finish();
	}
}

static void what_is_no_answer_is_malformed(void **state)
{
	static const struct {
		const char *answer;
		const char *legend;
	} rows[] = {
		{ "", "nothing" },
		{ "BF2E128010", "head only" },
		{ "BF3E125A10890490321234512345123456789012", "cut off" },
		{ "BF3F03800100", "another function's" },
		{ "BF3E125A109049032123451234512345678901235800", "octets behind" },
		{ "FFFFFFFFFF", "no TLV" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one o;

		print_message("%s\n", rows[i].legend);
		begin();
		card_script_add(&card, eid_command(), octets_of_hex(rows[i].answer), 0x9000);
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(1000);
		expect(&o, CAUSE_MALFORMED, "card", -1);
		finish();
	}
}

static void proactive_status_words_are_a_success(void **state)
{
	struct one o;

	(void)state;
	begin();
	card_script_add(&card, example("EuiccPackageRequest 1"),
			example("EuiccPackageResult 1: enable ok, list"), 0x910b);
	call(&o, ES10B_LOAD_PACKAGE, example("EuiccPackageRequest 1"));
	fake_ev_run(1000);
	expect(&o, CAUSE_NONE, NULL, 0);
	assert_int_equal(o.call.sw, 0x910b);
	finish();
}

static void other_cards_have_other_addresses(void **state)
{
	static const char *const aids[] = {
		"A0000005591010FFFFFFFF8900000100", "A0000005591010FFFFFFFF8900050500",
		"A0000005591010000000008900000300", "A0000005591010FFFFFFFF8900000177",
		"A06573746B6D65FFFF4953442D522030", "A06573746B6D65FFFF4953442D522031",
		"A06573746B6D65FFFFFFFF4953442D52",
	};
	struct one o;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(aids); i++) {
		print_message("%s\n", aids[i]);
		begin();
		add_eid();
		card.aid = octets_of_hex(aids[i]);
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(1000);
		expect(&o, CAUSE_NONE, NULL, 0);
		assert_int_equal(card.opens, i + 1);
		assert_true(octets_same(euicc.isdr.aid, card.aid));
		/* Next time it is the first that is tried. */
		euicc_close(&euicc);
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(1000);
		expect(&o, CAUSE_NONE, NULL, 0);
		assert_int_equal(card.opens, i + 2);
		finish();
	}
}

static void a_card_without_isdr_says_so(void **state)
{
	struct one o;

	(void)state;
	begin();
	card.aid = octets_of_hex("A000000001");
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(10000);
	expect(&o, CAUSE_REFUSED, "card", 0x6a82);
	assert_int_equal(card.opens, 7);
	assert_false(euicc_is_open(&euicc));
	finish();
}

/* Who is busy is not asked for six other applications. */
static void a_slow_refusal_that_is_not_the_cards_ends_it(void **state)
{
	static const struct {
		const char *by;
		unsigned ms, opens;
	} rows[] = {
		{ "card", 20, 7 }, { "card", 5000, 7 }, { "module", 20, 7 }, { "module", 5000, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one o;

		begin();
		card.aid = octets_of_hex("A000000001");
		card.refused_by = rows[i].by;
		card.open_ms = rows[i].ms;
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(100000);
		expect(&o, CAUSE_REFUSED, rows[i].by, 0x6a82);
		assert_int_equal(card.opens, rows[i].opens);
		finish();
	}
}

static void a_card_that_wants_terminal_capability_gets_it(void **state)
{
	struct one o;

	(void)state;
	begin();
	add_eid();
	card.needs_capability = true;
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_NONE, NULL, 0);
	assert_int_equal(card.capabilities, 1);
	assert_int_equal(card.opens, 2);
	/* After a reset it is known beforehand. */
	card_script_reset(&card);
	assert_int_equal(lost, 1);
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_NONE, NULL, 0);
	assert_int_equal(card.capabilities, 2);
	assert_int_equal(card.opens, 3);
	finish();
}

/* After a switch 6985 means that only a reset helps: told once, and no capability for ever after. */
static void a_locked_card_stays_refused(void **state)
{
	struct one o;

	(void)state;
	begin();
	add_eid();
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	card.locked_sw = 0x6985;
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_REFUSED, "card", 0x6985);
	assert_int_equal(card.capabilities, 0);
	euicc_close(&euicc);
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_REFUSED, "card", 0x6985);
	assert_int_equal(card.capabilities, 1);
	assert_false(euicc.isdr.wants_capability);
	card_script_reset(&card);
	card.locked_sw = 0;
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_NONE, NULL, 0);
	assert_int_equal(card.capabilities, 1);
	finish();
}

static void a_lost_channel_is_opened_anew_once(void **state)
{
	struct one o;

	(void)state;
	begin();
	add_eid();
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	card.fail_at = card.exchanges + 1;
	card.failure = CARD_REFUSES;
	card.fail_sw = SW_CHANNEL_LOST;
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_NONE, NULL, 0);
	assert_int_equal(card.opens, 2);
	card.locked_sw = SW_CHANNEL_LOST;
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	expect(&o, CAUSE_REFUSED, "card", SW_CHANNEL_LOST);
	assert_int_equal(card.opens, 3);
	finish();
}

/* The card vanishes under a call: it ends first, then the loss is told, and the next call opens. */
static void a_reset_card_is_opened_again(void **state)
{
	struct one o;

	(void)state;
	for (int in_flight = 0; in_flight < 2; in_flight++) {
		begin();
		add_eid();
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(1000);
		if (in_flight) {
			call(&o, ES10C_GET_EID, eid_command());
			fake_ev_run(CARD_SCRIPT_LATENCY_MS / 2);
		}
		card_script_reset(&card);
		fake_ev_run(1000);
		if (in_flight)
			expect(&o, CAUSE_LINK_LOST, "module", -1);
		assert_int_equal(lost, 1);
		assert_false(euicc_is_open(&euicc));
		call(&o, ES10C_GET_EID, eid_command());
		fake_ev_run(1000);
		expect(&o, CAUSE_NONE, NULL, 0);
		assert_int_equal(card.opens, 2);
		finish();
	}
}

static void what_belongs_to_a_channel_is_not_repeated_on_another(void **state)
{
	struct one o;

	(void)state;
	begin();
	make(&o, ES10B_LOAD_BPP, example("3. A1 header"));
	o.call.same_channel = true;
	euicc_call(&euicc, &o.call);
	fake_ev_run(1000);
	expect(&o, CAUSE_LINK_LOST, "card", -1);
	assert_int_equal(card.opens, 0);

	add_eid();
	call(&o, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	card.locked_sw = SW_CHANNEL_LOST;
	make(&o, ES10B_LOAD_BPP, example("3. A1 header"));
	o.call.same_channel = true;
	euicc_call(&euicc, &o.call);
	fake_ev_run(1000);
	expect(&o, CAUSE_REFUSED, "card", SW_CHANNEL_LOST);
	assert_int_equal(card.opens, 1);
	finish();
}

static void cancelled_calls_leave_the_others_alone(void **state)
{
	struct one a, b, c;

	(void)state;
	begin();
	add_eid();
	call(&a, ES10C_GET_EID, eid_command());
	call(&b, ES10C_GET_EID, eid_command());
	call(&c, ES10C_GET_EID, eid_command());
	euicc_cancel(&b.call);
	fake_ev_run(CARD_SCRIPT_LATENCY_MS / 2);        /* while it is being opened */
	euicc_cancel(&a.call);
	euicc_cancel(&a.call);
	fake_ev_run(1000);
	assert_int_equal(a.ended, 0);
	assert_int_equal(b.ended, 0);
	expect(&c, CAUSE_NONE, NULL, 0);
	call(&a, ES10C_GET_EID, eid_command());
	fake_ev_run(CARD_SCRIPT_LATENCY_MS / 2);        /* while the card thinks */
	euicc_cancel(&a.call);
	assert_false(card_script_busy(&card));
	call(&b, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	assert_int_equal(a.ended, 0);
	expect(&b, CAUSE_NONE, NULL, 0);
	finish();
}

static void closing_ends_the_call_and_the_next_opens_again(void **state)
{
	struct one a, b;

	(void)state;
	begin();
	add_eid();
	call(&a, ES10C_GET_EID, eid_command());
	call(&b, ES10C_GET_EID, eid_command());
	fake_ev_run(CARD_SCRIPT_LATENCY_MS * 3 / 2);
	euicc_close(&euicc);
	assert_int_equal(a.ended, 0);
	fake_ev_run(1000);
	expect(&a, CAUSE_LINK_LOST, "us", -1);
	expect(&b, CAUSE_NONE, NULL, 0);
	assert_int_equal(card.opens, 2);
	assert_int_equal(lost, 0);
	finish();
}

static void done_may_call_again(void **state)
{
	struct one a, b;

	(void)state;
	begin();
	add_eid();
	make(&b, ES10C_GET_EID, eid_command());
	make(&a, ES10C_GET_EID, eid_command());
	a.next = &b;
	euicc_call(&euicc, &a.call);
	fake_ev_run(1000);
	expect(&a, CAUSE_NONE, NULL, 0);
	expect(&b, CAUSE_NONE, NULL, 0);
	finish();
}

static void end_everything(struct euicc_call *c, const struct cause *why)
{
	struct one *o = container_of(c, struct one, call);

	assert_null(why);
	o->ended++;
	euicc_done(&euicc);
}

static void done_may_end_the_euicc(void **state)
{
	struct one a, b;

	(void)state;
	begin();
	add_eid();
	call(&a, ES10C_GET_EID, eid_command());
	a.call.done = end_everything;
	call(&b, ES10C_GET_EID, eid_command());
	fake_ev_run(1000);
	assert_int_equal(a.ended, 1);
	assert_int_equal(b.ended, 0);
	assert_null(b.call.euicc);
	assert_false(card.open);
	finish();
}

static void fci_forms(void **state)
{
	static const struct {
		const char *legend, *hex;
		bool read, iot, ipae, enabled;
		unsigned svn_major, svn_minor, command_max;
	} rows[] = {
		{ "consumer card", "6F1F8410A0000005591010FFFFFFFF8900000100A5049F6501FFE00582030202"
		  "02", true, false, false, false, 2, 2, 255 },
		{ "E1 only", "6F1E8410A0000005591010FFFFFFFF8900000100A5049F6501FFE104800206C0",
		  true, true, true, true, 0, 0, 255 },
		{ "E0 and E1", "6F258410A0000005591010FFFFFFFF8900000100A5049F6501FFE0058203020500"
		  "E104800206C0", true, true, true, true, 2, 5, 255 },
		{ "unreadable", "", false, false, false, false, 0, 0, 0 },
		{ "cut off", "6F258410A0000005591010FFFFFFFF8900000100A5049F65", false, false, false,
		  false, 0, 0, 0 },
		{ "9F65 with its zero", "6F07A5059F65020100", true, false, false, false, 0, 0, 256 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct isdr_fci f = isdr_fci_decode(octets_of_hex(rows[i].hex));

		print_message("%s\n", rows[i].legend);
		assert_int_equal(f.read, rows[i].read);
		assert_int_equal(f.iot, rows[i].iot);
		assert_int_equal(f.ipae_supported, rows[i].ipae);
		assert_int_equal(f.enabled_profile, rows[i].enabled);
		assert_int_equal(f.svn.major, rows[i].svn_major);
		assert_int_equal(f.svn.minor, rows[i].svn_minor);
		assert_int_equal(f.command_max, rows[i].command_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_channel_is_opened_when_it_is_needed),
		cmocka_unit_test(commands_go_in_blocks),
		cmocka_unit_test(cards_may_take_smaller_blocks),
		cmocka_unit_test(what_is_no_answer_is_malformed),
		cmocka_unit_test(proactive_status_words_are_a_success),
		cmocka_unit_test(other_cards_have_other_addresses),
		cmocka_unit_test(a_card_without_isdr_says_so),
		cmocka_unit_test(a_slow_refusal_that_is_not_the_cards_ends_it),
		cmocka_unit_test(a_card_that_wants_terminal_capability_gets_it),
		cmocka_unit_test(a_locked_card_stays_refused),
		cmocka_unit_test(a_lost_channel_is_opened_anew_once),
		cmocka_unit_test(a_reset_card_is_opened_again),
		cmocka_unit_test(what_belongs_to_a_channel_is_not_repeated_on_another),
		cmocka_unit_test(cancelled_calls_leave_the_others_alone),
		cmocka_unit_test(closing_ends_the_call_and_the_next_opens_again),
		cmocka_unit_test(done_may_call_again),
		cmocka_unit_test(done_may_end_the_euicc),
		cmocka_unit_test(fci_forms),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
