/*
 * The IPA between a virtual eUICC and an eIM, on the virtual clock: every request that goes to
 * either of them fails in every way, once before it arrives and once after; and the daemon is
 * killed, or the power cut, at each of them. Afterwards the eIM must know exactly what the card has
 * done, once; nothing may be left on the card, in the journal or in flight.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/ipabed_judge.h"
#include "unit/fake_ev.h"

/* Of the troubles those that lie on the way, not in what a server says. */
#define TROUBLES_N (POWER_AFTER + 1)

static struct se_package *last_package(void)
{
	return list_entry(ipabed.account->packages.prev, struct se_package, node);
}

/* --- one case ----------------------------------------------------------------------------------------------------- */

struct scenario {
	const char *name, *personality, *order;
	const char *enabled;            /* afterwards, where all goes well or the trouble passes */
	const char *otherwise;          /* where it may have been rolled back; NULL: never */
};

static const struct scenario scenarios[] = {
	{ "a list", "iot", "list-profiles", IPABED_A, NULL },
	{ "a switch", "iot", "enable " IPABED_B " --rollback + list-profiles", IPABED_B, IPABED_A },
	{ "a switch for good", "iot", "enable " IPABED_B, IPABED_B, NULL },
	{ "a switch of a card that locks itself", "iot-silent-6985", "enable " IPABED_B " --rollback",
	  IPABED_B, IPABED_A },
	{ "a switch without coverage", "iot", "enable " IPABED_C " --rollback", IPABED_A, NULL },
	{ "a data request", "iot", "data-request all", IPABED_A, NULL },
};

static const struct scenario *scenario;

static void blame(const char *what)
{
	const struct ipabed_strike *x = &ipabed.strikes[0];
	struct se_package *p = last_package();

	fail_msg("%s, request %u (%s) %s: %s; eIM: %s, %u results, %u duplicates, %u replays, \"%s\"",
		 scenario->name, x->at, x->what.what,
		 trouble_names[x->trouble], what, se_state_names[p->state],
		 p->results, p->duplicates, p->replays, p->outcome);
}

static void judge(const struct scenario *s)
{
	struct ipabed_judge j = { .order = last_package(), .blame = blame,
				  .refused = ipabed.strikes[0].trouble == GARBAGE,
				  .garbled = ipabed.strikes[0].trouble == GARBAGE };

	scenario = s;
	ipabed_judge_package(&j, s->enabled, s->otherwise);
	ipabed_judge_rest(&j);
}

/* How many requests there were. */
static unsigned run_case(const struct scenario *s, unsigned at, enum trouble t)
{
	const struct ipabed_options o = { .personality = s->personality };
	unsigned n;

	ipabed_open(&o);
	ipabed.strikes[0] = (struct ipabed_strike){ .at = at, .trouble = t };
	ipabed_queue(s->order);
	assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
	ipabed_run(4 * IPABED_INTERVAL_S * 1000);
	n = ipabed.requests;
	/* Long enough for retries, back-off, rollback and some ordinary visits. */
	ipabed_run(6 * IPABED_INTERVAL_S * 1000);
	judge(s);
	ipabed_close();
	return n;
}

static void sweep(const struct scenario *s)
{
	unsigned n = run_case(s, 0, NOTHING), cases = 0;

	/* Ordinary visits follow the one that matters: their requests are like its own. */
	n = MIN(n, 60u);
	for (unsigned at = 1; at <= n; at++) {
		for (enum trouble t = NOTHING + 1; t < TROUBLES_N; t++) {
			run_case(s, at, t);
			cases++;
		}
	}
	print_message("%s: %u requests, %u cases\n", s->name, n, cases);
}

#define SWEEP(n)                          \
	static void scenario_##n(void **state) \
	{                                 \
		(void)state;              \
		sweep(&scenarios[n]);     \
	}

SWEEP(0)
SWEEP(1)
SWEEP(2)
SWEEP(3)
SWEEP(4)
SWEEP(5)

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a_list_is_reported_once", scenario_0, NULL, NULL, NULL },
		{ "a_switch_is_reported_once_or_rolled_back", scenario_1, NULL, NULL, NULL },
		{ "a_switch_for_good_is_reported_once", scenario_2, NULL, NULL, NULL },
		{ "a_locked_card_is_reported_once_or_rolled_back", scenario_3, NULL, NULL, NULL },
		{ "a_switch_without_coverage_is_rolled_back", scenario_4, NULL, NULL, NULL },
		{ "a_data_request_is_answered_once", scenario_5, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, ipabed_setup, ipabed_teardown);
}
