/*
 * Every APDU of a reading of the card, and of the enabling of a profile, × {lost, late, garbage,
 * octets missing, cut off, ERROR, CME errors, module restart, port gone, card reset, card mute or
 * silent, refused}: it ends once; afterwards, or after the next restart of the module at the
 * latest, what is known of the card is true, nothing is in flight and no channel is left open.
 *
 * Virtual module and virtual eUICC at one end of the line, the modem layer and the IPA at the other.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/cardbed.h"
#include "unit/fake_ev.h"

/* Longer than the longest patience and its repetitions. */
#define SETTLE_MS 3600000

struct trouble {
	const char *name;
	const char *module;             /* a fault of the module, with the command and the count to come */
	const char *card;               /* or of the card, "apdu#N:" to come */
	bool lasting;                   /* only the module's restart, or power, heals it */
};

static const struct trouble troubles[] = {
	{ "lost", .module = "no-answer" },
	{ "late", .module = "late(4000)" },
	{ "too late", .module = "late(300000)" },
	{ "garbage", .module = "garbage(3)" },
	{ "much garbage", .module = "garbage(40)" },
	{ "octets missing", .module = "lose(3)" },
	{ "many octets missing", .module = "lose(40)" },
	{ "split", .module = "split(50)" },
	{ "URC in between", .module = "urc" },
	{ "cut off", .module = "truncated" },
	{ "ERROR", .module = "error" },
	{ "CME ERROR 100", .module = "cme(100)" },
	{ "CME ERROR 14", .module = "cme(14)" },
	{ "CME ERROR 3", .module = "cme(3)" },
	{ "module restart", .module = "reset" },
	{ "port gone", .module = "hang-up(1000)" },
	{ "card reset", .card = "reset", .lasting = true },
	{ "card silent", .card = "silent", .lasting = true },
	{ "card mute", .card = "mute", .lasting = true },
	{ "6F00", .card = "sw=6F00" },
	{ "6881", .card = "sw=6881" },
	{ "6985", .card = "sw=6985" },
	{ "card says garbage", .card = "garbage" },
	{ "card says half", .card = "cut" },
	{ "card says nothing", .card = "empty" },
};

static const struct cardbed_options beds[] = {
	{ .module = "quectel-rm500", .card = "consumer-refresh" },
	{ .module = "sierra-em9191", .card = "classic-consumer" },
};

/* The commands that carry APDUs, by the way that works with the module. */
static const char *const commands[ARRAY_SIZE(beds)] = { "+CGLA", "+CSIM" };

/* All cases are tried, whatever becomes of one: which of them fail tells more than the first. */
static unsigned failures;
static char title[120];

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			print_error("%s: %s\n", title, #condition);             \
			failures++;                                             \
		}                                                               \
	} while (0)

static void set_trouble(const struct trouble *t, const char *command, unsigned at)
{
	char spec[64], why[FAULT_WHY_MAX] = "";

	if (t->module) {
		snprintf(spec, sizeof(spec), "%s:%s@%u*1", t->module, command, at);
		if (faults_add(&cardbed.module.faults, text_of(spec), why) < 0)
			fail_msg("%s: %s", spec, why);
	} else {
		snprintf(spec, sizeof(spec), "apdu#%u:%s", at, t->card);
		if (euicc_card_fault(cardbed.card.card, spec) < 0)
			fail_msg("%s", spec);
	}
}

static void clear_trouble(void)
{
	faults_clear(&cardbed.module.faults);
	euicc_card_faults_clear(cardbed.card.card);
}

/* A module that was left with a dead card needs somebody to restart it; that is documented. */
static void recover(const struct trouble *t)
{
	bool settled = cardbed_settle(SETTLE_MS);

	if (t->lasting) {
		clear_trouble();
		module_restart(&cardbed.module);
		fake_ev_run(200000);     /* some say nothing when they start */
		settled = cardbed_settle(SETTLE_MS);
	}
	CHECK(settled);
	if (!settled)
		print_error("  modem %s, card %s, %s, slot %s\n", modem_state_name(cardbed.modem.st.state),
			    ipa_card_name(cardbed.ipa.card), cause_name(cardbed.ipa.card_why.kind),
			    slot_state_name(cardbed.module.slot.state));
	clear_trouble();
}

static void expect_order(void)
{
	CHECK(cardbed_is_true());
	CHECK(cardbed.ipa.facts.have == FACTS_ALL - (1u << FACT_EIMS));
	CHECK(!cardbed.ipa.now);
	CHECK(!card_at_is_closing(&cardbed.modem.card));
	CHECK(cardbed_channels() <= card_at_is_open(&cardbed.modem.card));
}

static void close_in_order(void)
{
	ipa_close(&cardbed.ipa);
	fake_ev_run(3000);
	CHECK(cardbed_channels() == 0);
	cardbed_close();
}

/* --- reading ---------------------------------------------------------------------------------------- */

static void read_with(size_t bed, const struct trouble *t, unsigned at)
{
	unsigned before;

	cardbed_open(&beds[bed]);
	assert_true(cardbed_settle(60000));
	before = cardbed.ipa.facts_seq;
	/* The channel as well is opened anew. */
	euicc_close(&cardbed.ipa.euicc);
	fake_ev_run(1000);
	assert_int_equal(cardbed_channels(), 0);
	set_trouble(t, commands[bed], at);
	ipa_read_again(&cardbed.ipa, FACTS_ALL);
	recover(t);
	CHECK(cardbed.ipa.facts_seq > before);
	expect_order();
	close_in_order();
}

static void readings_survive_everything(void **state)
{
	(void)state;
	failures = 0;
	for (size_t bed = 0; bed < ARRAY_SIZE(beds); bed++) {
		for (size_t t = 0; t < ARRAY_SIZE(troubles); t++) {
			for (unsigned at = 1; at <= 14; at++) {
				snprintf(title, sizeof(title), "reading, %s, %s at %u", beds[bed].module,
					 troubles[t].name, at);
				read_with(bed, &troubles[t], at);
			}
		}
	}
	assert_int_equal(failures, 0);
}

/* --- enabling ----------------------------------------------------------------------------------------- */

static struct ipa_local local;
static unsigned ended;
static struct cause why_ended;

static void on_done(struct ipa_local *l, const struct cause *why)
{
	(void)l;
	ended++;
	why_ended = why ? *why : (struct cause){ 0 };
}

static bool is_ended(void *arg)
{
	(void)arg;
	return ended > 0;
}

static const char *enabled_on_card(void)
{
	const struct ve_state *s = euicc_card_state(cardbed.card.card);

	for (size_t i = 0; i < s->n_profiles; i++)
		if (s->profiles[i].enabled)
			return i == 0 ? CARDBED_FIRST : CARDBED_SECOND;
	return "";
}

static void enable_with(size_t bed, const struct trouble *t, unsigned at)
{
	cardbed_open(&beds[bed]);
	assert_true(cardbed_settle(60000));
	set_trouble(t, commands[bed], at);
	ended = 0;
	local = (struct ipa_local){ .op = IPA_LOCAL_ENABLE, .iccid = CARDBED_SECOND, .done = on_done };
	assert_int_equal(ipa_local_start(&cardbed.ipa, &local), 0);
	CHECK(fake_ev_until(is_ended, NULL, SETTLE_MS));
	recover(t);
	CHECK(ended == 1);
	if (why_ended.kind == CAUSE_NONE)
		CHECK(!strcmp(enabled_on_card(), CARDBED_SECOND));
	expect_order();
	if (why_ended.kind == CAUSE_NONE && !cause_is_set(&local.follow_why))
		CHECK(!strcmp(cardbed.modem.st.iccid, CARDBED_SECOND));
	if (!t->lasting)
		CHECK(!strcmp(cardbed.modem.st.iccid, enabled_on_card()));
	print_message("%s: %s%s%s, on the card %s, module %s\n", title, cause_name(why_ended.kind),
		      why_ended.step ? " in " : "", why_ended.step ? why_ended.step : "",
		      enabled_on_card(), cardbed.modem.st.iccid);
	close_in_order();
}

static void enabling_survives_everything(void **state)
{
	(void)state;
	failures = 0;
	for (size_t bed = 0; bed < ARRAY_SIZE(beds); bed++) {
		for (size_t t = 0; t < ARRAY_SIZE(troubles); t++) {
			for (unsigned at = 1; at <= 8; at++) {
				snprintf(title, sizeof(title), "enabling, %s, %s at %u", beds[bed].module,
					 troubles[t].name, at);
				enable_with(bed, &troubles[t], at);
			}
		}
	}
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readings_survive_everything),
		cmocka_unit_test(enabling_survives_everything),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
