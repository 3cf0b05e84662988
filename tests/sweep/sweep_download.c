/*
 * Profile downloads between a virtual eUICC, an eIM and an SM-DP+, on the virtual clock, direct and
 * through the eIM, ordered by the eIM and on the spot: every request to any of them fails in every
 * way, and the daemon is killed, or the power cut, at each. Afterwards, once things work again:
 *
 *   - the eIM has one outcome, and it says "installed" if, and only if, the profile is on the card;
 *   - the SM-DP+ has the card's result, once, or knows that the session is over;
 *   - nothing is left on the card, in the daemon's files or in flight, and nobody was asked too often;
 *   - the next download works.
 *
 * Usually a share of the cases is run, always the same. SWEEP_ALL=1 runs all, and looks in each at what
 * otherwise every third looks at; SWEEP_PAIRS=N tries so many pairs of troubles, SWEEP_SEED=N others than
 * usual. SWEEP_CASE=SCENARIO,REQUEST,TROUBLE[,REQUEST,TROUBLE], in numbers as a failure gives them, is that
 * one alone; LOG=1 tells what the daemon does.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/ipabed_judge.h"

#define THIRD "89000123456789012374"

/* An hour of a download with all its retries, and of one without anything to do, has far less. */
#define SERVER_REQUESTS_MAX 60
#define APDUS_MAX 300

#define HOUR_MS 3600000

enum order { DIRECT, INDIRECT, LOCAL };

struct scenario {
	const char *name;
	enum order order;
	const char *personality, *pki;
	const char *fault;              /* of the SM-DP+, from the beginning; NULL: none */
	const char *from;               /* the first request that is swept; NULL: all */
	const char *before;             /* an order of the eIM that was done before; NULL: none */
	bool events;                    /* an SM-DS is asked, and knows of both profiles */
	unsigned share;                 /* one in so many cases is run, if not all are wanted */
};

static const struct scenario scenarios[] = {
	{ "direct", DIRECT, "iot", "nist", .share = 2 },
	{ "through the eIM", INDIRECT, "iot", "nist", .share = 2 },
	{ "on the spot", LOCAL, "classic-consumer", "nist", .share = 2 },
	{ "direct, no package", DIRECT, "iot", "nist", "status=8.2/3.7,on=getBoundProfilePackage",
	  "getBoundProfilePackage" },
	{ "through the eIM, no package", INDIRECT, "iot", "nist",
	  "status=8.2/3.7,on=getBoundProfilePackage", "getBoundProfilePackage" },
	{ "direct, a broken package", DIRECT, "iot", "nist", "tamper=6,on=getBoundProfilePackage",
	  "E291 86 block 1" },
	{ "through the eIM, a broken package", INDIRECT, "iot", "nist",
	  "tamper=6,on=getBoundProfilePackage", "E291 86 block 1" },
	{ "direct, the result later", DIRECT, "iot", "nist", "http=503,on=handleNotification,count=3",
	  "handleNotification" },
	{ "on the spot, the result later", LOCAL, "classic-consumer", "nist",
	  "http=503,on=handleNotification,count=3", "handleNotification" },
	{ "direct, at the second try", DIRECT, "iot", "nist", "http=503,on=getBoundProfilePackage",
	  "getBoundProfilePackage" },
	{ "direct, enabled at once", DIRECT, "iot", "nist", NULL, "ESipa BF3D",
	  .before = "immediate-enable --on --address " IPABED_HOST },
	{ "through the eIM, compact", INDIRECT, "iot", "brp", NULL, NULL, .before = "data-request all" },
	{ "direct, two events", DIRECT, "iot", "brp", NULL, "ESipa BF4F", .events = true },
	{ "through the eIM, an event", INDIRECT, "iot", "nist", NULL, NULL, .events = true },
};
static const struct scenario *scenario;

static struct se_package *trigger;
static struct local {
	struct ipa_download *d;
	unsigned done;
	bool installed;
} local;

/* --- which trouble where --------------------------------------------------------------------------- */

#define BIT(t) (1u << (t))
#define ANYWHERE (BIT(REFUSED) | BIT(SILENT) | BIT(LOST) | BIT(GARBAGE) | BIT(SILENT_AFTER) |      \
		  BIT(LOST_AFTER) | BIT(FORBIDDEN) | BIT(SAYS_NO) | BIT(TRUNCATED))
#define ENDS (BIT(KILLED) | BIT(KILLED_AFTER) | BIT(POWER) | BIT(POWER_AFTER))

static bool is_one_of(const char *what, const char *const *list)
{
	while (*list && strcmp(what, *list) != 0)
		list++;
	return *list != NULL;
}

static bool applies(enum trouble t, const struct ipabed_request *q)
{
	static const char *const sessions[] = {
		"ESipa BF39", "ESipa BF3B", "ESipa BF3A", "initiateAuthentication", "authenticateClient",
		"getBoundProfilePackage", NULL
	};
	static const unsigned where[_TO_MAX] = {
		[TO_CARD] = ANYWHERE | ENDS | BIT(MALFORMED_SW),
		[TO_EIM] = ANYWHERE | ENDS | BIT(AWAY),
		[TO_SMDP] = ANYWHERE | ENDS | BIT(AWAY),
		[TO_SMDP_BY_EIM] = (ANYWHERE | BIT(AWAY)) & ~(BIT(LOST) | BIT(LOST_AFTER) | BIT(FORBIDDEN)),
	};

	if (t == CUT || t == STALLED)
		return q->to == TO_EIM || q->to == TO_SMDP;
	if (t == STOPPED)
		return scenario->order == LOCAL;
	if (t == UNWANTED)
		return !strcmp(q->what, "ESipa BF3D");
	if (t == OTHER_SESSION || t == FORGED)
		return is_one_of(q->what, sessions) && !(t == FORGED && q->to == TO_EIM);
	return where[q->to] & BIT(t);
}

/* --- orders ------------------------------------------------------------------------------------------ */

static void configure(struct ipa_options *o)
{
	o->features = IPABED_FEATURES & ~(scenario->order == INDIRECT ? ESIPA_IPA_DIRECT : 0);
	o->immediate_enable = true;
}

static void on_done(struct ipa_download *d, const struct cause *why)
{
	struct local *l = d->owner;

	l->done++;
	l->installed = !why;
	l->d = NULL;
}

static void stop(void)
{
	if (local.d)
		ipa_download_stop(local.d);
}

/* NULL: whatever the SM-DS knows of. */
static void order(const char *name)
{
	char line[96], why[IPA_TEXT_MAX] = "";
	struct ipa_download_order o = { .code = line, .confirmation = "" };

	if (name)
		snprintf(line, sizeof(line), "%sLPA:1$" IPABED_HOST "$%s",
			 scenario->order == LOCAL ? "" : "download ", name);
	else
		snprintf(line, sizeof(line), "download --smds " IPABED_DS_HOST);
	if (scenario->order == LOCAL) {
		local = (struct local){ .d = NULL };
		if (ipa_download_start(&ipabed.ipa, &o, &local, NULL, on_done, &local.d, why))
			fail_msg("%s: %s", line, why);
	} else {
		trigger = ipabed_queue(line);
		assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
	}
}

/* --- what must be true --------------------------------------------------------------------------------- */

static unsigned failures;

static const char *strike_text(size_t k)
{
	static char text[IPABED_STRIKES][128];
	const struct ipabed_strike *x = &ipabed.strikes[k];

	text[k][0] = '\0';
	if (x->struck)
		snprintf(text[k], sizeof(text[k]), "request %u (%s) %s, ", x->at, x->what.what,
			 trouble_names[x->trouble]);
	return text[k];
}

static void blame(const char *what)
{
	const struct ipabed_strike *x = ipabed.strikes;

	failures++;
	print_error("%s, %s%s[%ld,%u,%u,%u,%u]: %s; eIM: %s, %u results, %u duplicates, \"%s\"\n",
		    scenario->name, strike_text(0), strike_text(1), (long)(scenario - scenarios), x[0].at,
		    x[0].trouble, x[1].at, x[1].trouble, what, trigger ? se_state_names[trigger->state] : "-",
		    trigger ? trigger->results : 0, trigger ? trigger->duplicates : 0,
		    trigger ? trigger->outcome : "");
}

/* One of these troubles has struck; with what: that request. */
static bool had(unsigned troubles, const char *what)
{
	for (size_t k = 0; k < IPABED_STRIKES; k++) {
		const struct ipabed_strike *x = &ipabed.strikes[k];

		if (x->struck && troubles & BIT(x->trouble) && (!what || !strcmp(x->what.what, what)))
			return true;
	}
	return false;
}

#define UNREADABLE (BIT(GARBAGE) | BIT(TRUNCATED))
#define UNHEARD (UNREADABLE | BIT(CUT) | BIT(STALLED) | BIT(SILENT_AFTER) | BIT(LOST_AFTER) | BIT(KILLED_AFTER) | BIT(POWER_AFTER))

/* Whoever has answered cannot know that the answer was lost. */
static bool may_be_sent_again(void)
{
	return had(UNHEARD, "ESipa BF3D") || had(UNHEARD, "handleNotification");
}

static void judge_local(bool on_card)
{
	if (local.done > 1)
		blame("told twice");
	if (!local.done && !had(ENDS, NULL))
		blame("not told");
	if (local.done && local.installed && !on_card)
		blame("told that it is installed");
}

/* The card has forgotten it; or nobody could be told; or they have been, and were not heard. */
static bool may_stay_open(void)
{
	return ipabed.resets || had(BIT(AWAY), NULL) ||
	       had(UNHEARD | BIT(FORBIDDEN) | BIT(SAYS_NO), "E291 BF41 block 0") ||
	       had(BIT(KILLED) | BIT(FORBIDDEN) | BIT(SAYS_NO), "cancelSession") ||
	       had(BIT(KILLED) | BIT(FORBIDDEN) | BIT(SAYS_NO), "ESipa BF41") ||
	       (scenario->order == INDIRECT && had(~0u, "cancelSession"));
}

/*
 * As many of the ordered ones as are there; *ret_told: that is to be reported. A report has room for one
 * of two events: the last one, or that which was cut.
 */
static unsigned count_on_card(bool *ret_told)
{
	bool first = ipabed_on_card(IPABED_FIRST), second = ipabed_on_card(IPABED_SECOND);
	bool last = scenario->events && scenario->order == DIRECT && trigger->error;

	*ret_told = last ? second : first || second;
	return first + second;
}

static void judge(bool told, unsigned n)
{
	struct ipabed_judge j = {
		.order = trigger, .blame = blame, .garbled = had(UNREADABLE, NULL),
		.refused = had(UNREADABLE, "ESipa BF4F"), .unheard = may_be_sent_again(),
		.unwanted = had(BIT(UNWANTED), NULL), .open_session = may_stay_open(),
	};

	if (trigger)
		ipabed_judge_download(&j, told);
	else
		judge_local(told);
	ipabed_judge_smdp(&j, told, n);
	ipabed_judge_rest(&j);
	if (ipabed_busiest_hour(true) > SERVER_REQUESTS_MAX)
		blame("servers are asked too often");
	if (ipabed_busiest_hour(false) > APDUS_MAX)
		blame("the card is asked too often");
}

/* --- one case -------------------------------------------------------------------------------------------- */

static void prepare(void)
{
	struct se_package *p;

	ipabed_offer("--iccid " IPABED_FIRST " --matching-id FIRST");
	ipabed_offer("--iccid " IPABED_SECOND " --matching-id SECOND");
	ipabed_offer("--iccid " THIRD " --matching-id THIRD");
	if (scenario->events) {
		sdp_event_add(&ipabed.smdp, IPABED_EID, "FIRST", IPABED_HOST);
		sdp_event_add(&ipabed.smdp, IPABED_EID, "SECOND", IPABED_HOST);
	}
	if (scenario->before) {
		p = ipabed_queue(scenario->before);
		assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
		ipabed_run(60000);
		assert_true(p->state == SE_DONE && !p->error);
		ipabed.requests = 0;
	}
}

static void next_download(bool on_card)
{
	struct sdp_profile *p = sdp_find_profile(&ipabed.smdp, IPABED_FIRST);
	bool same = !on_card && (p->state == SDP_STATE_RELEASED || p->state == SDP_STATE_DOWNLOADED);

	memset(ipabed.strikes, 0, sizeof(ipabed.strikes));
	ipabed.smdp.faults.n = 0;
	order(same ? "FIRST" : "THIRD");
	ipabed_run(IPABED_INTERVAL_S * 1000);
	if (!ipabed_on_card(same ? IPABED_FIRST : THIRD))
		blame("the next download fails");
}

static unsigned n_requests;
static struct ipabed_request requests[IPABED_REQUESTS_MAX];

static void run_case(struct ipabed_strike first, struct ipabed_strike second)
{
	const struct ipabed_options o = { .personality = scenario->personality, .pki = scenario->pki,
					  .no_eim = scenario->order == LOCAL, .configure = configure,
					  .applies = applies, .stop = stop };
	const char *why;
	unsigned n;
	bool told;

	ipabed_open(&o);
	trigger = NULL;
	prepare();
	if (scenario->fault)
		assert_int_equal(sdp_fault_add(&ipabed.smdp.faults, text_of(scenario->fault), &why), 0);
	ipabed.strikes[0] = first;
	ipabed.strikes[1] = second;
	order(scenario->events ? NULL : "FIRST");
	ipabed_run(IPABED_INTERVAL_S * 1000);
	n_requests = ipabed.requests;
	memcpy(requests, ipabed.log, sizeof(requests));
	ipabed.smdp.faults.n = 0;
	/* Long enough for retries, back-off and some ordinary visits. */
	ipabed_run((second.at || had(BIT(AWAY) | BIT(UNWANTED), NULL) ? 18 : 5) * IPABED_INTERVAL_S * 1000);
	if (MAX(ipabed.away_until_ms[TO_EIM], ipabed.away_until_ms[TO_SMDP]) + HOUR_MS > ev_now_ms())
		ipabed_run(2 * HOUR_MS);
	n = count_on_card(&told);
	judge(told, n);
	if ((first.at + first.trouble) % 3 == 0 || getenv("SWEEP_ALL"))
		next_download(told);
	ipabed_close();
}

static const struct ipabed_strike nowhere;

static unsigned start_of(const char *what, unsigned n)
{
	unsigned at = 1;

	while (what && at <= n && strcmp(requests[at - 1].what, what) != 0)
		at++;
	assert_true(at <= n);
	return at;
}

static void sweep(const struct scenario *s)
{
	static struct ipabed_request all[IPABED_REQUESTS_MAX];
	unsigned n, cases = 0, share = getenv("SWEEP_ALL") ? 1 : s->share ? s->share : 4;

	scenario = s;
	failures = 0;
	run_case(nowhere, nowhere);
	n = n_requests;
	memcpy(all, requests, sizeof(all));
	for (unsigned at = start_of(s->from, n); at <= n; at++) {
		for (enum trouble t = NOTHING + 1; t < _TROUBLE_MAX; t++) {
			if (!applies(t, &all[at - 1]) || (at + t) % share)
				continue;
			run_case((struct ipabed_strike){ .at = at, .trouble = t }, nowhere);
			cases++;
		}
	}
	print_message("%s: %u requests, %u cases\n", s->name, n, cases);
	assert_int_equal(failures, 0);
}

/* Two troubles one after the other: of the many pairs as many as there is time for, always the same. */
static uint32_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % n;
}

static void pairs(const struct scenario *s, unsigned cases)
{
	unsigned n;

	scenario = s;
	failures = 0;
	dice = 1;
	if (getenv("SWEEP_SEED"))
		assert_int_equal(text_to_u32(text_of(getenv("SWEEP_SEED")), 10, &dice), 0);
	run_case(nowhere, nowhere);
	n = n_requests;
	for (unsigned k = 0; k < cases; k++) {
		struct ipabed_strike first = { .at = 1 + roll(n) }, second;

		first.trouble = (enum trouble)(1 + roll(_TROUBLE_MAX - 1));
		second = (struct ipabed_strike){ .at = first.at + 1 + roll(30),
						 .trouble = (enum trouble)(1 + roll(_TROUBLE_MAX - 1)) };
		run_case(first, second);
	}
	print_message("%s: %u pairs\n", s->name, cases);
	assert_int_equal(failures, 0);
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
SWEEP(6)
SWEEP(7)
SWEEP(8)
SWEEP(9)
SWEEP(10)
SWEEP(11)
SWEEP(12)
SWEEP(13)

#define PAIRS(n)                       \
	static void pairs_##n(void **state) \
	{                              \
		(void)state;           \
		pairs(&scenarios[n], pairs_n()); \
	}

static unsigned pairs_n(void)
{
	uint32_t n = 25;

	if (getenv("SWEEP_PAIRS"))
		assert_int_equal(text_to_u32(text_of(getenv("SWEEP_PAIRS")), 10, &n), 0);
	return n;
}

PAIRS(0)
PAIRS(1)
PAIRS(2)
PAIRS(7)
PAIRS(10)
PAIRS(12)

static void one_case(void **state)
{
	struct text rest = text_of(getenv("SWEEP_CASE"));
	uint32_t v[5] = { 0 };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(v) && rest.n; k++)
		assert_int_equal(text_to_u32(text_cut(&rest, ','), 10, &v[k]), 0);
	assert_true(v[0] < ARRAY_SIZE(scenarios) && v[2] < _TROUBLE_MAX && v[4] < _TROUBLE_MAX);
	scenario = &scenarios[v[0]];
	run_case((struct ipabed_strike){ .at = v[1], .trouble = (enum trouble)v[2] },
		 (struct ipabed_strike){ .at = v[3], .trouble = (enum trouble)v[4] });
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest one[] = { cmocka_unit_test(one_case) };
	const struct CMUnitTest tests[] = {
		{ "a_direct_download_is_reported_once", scenario_0, NULL, NULL, NULL },
		{ "an_indirect_download_is_reported_once", scenario_1, NULL, NULL, NULL },
		{ "a_local_download_is_reported_once", scenario_2, NULL, NULL, NULL },
		{ "a_refused_direct_download_is_reported_once", scenario_3, NULL, NULL, NULL },
		{ "a_refused_indirect_download_is_reported_once", scenario_4, NULL, NULL, NULL },
		{ "a_failed_direct_download_is_reported_once", scenario_5, NULL, NULL, NULL },
		{ "a_failed_indirect_download_is_reported_once", scenario_6, NULL, NULL, NULL },
		{ "a_result_that_waits_is_delivered_once", scenario_7, NULL, NULL, NULL },
		{ "a_local_result_that_waits_is_delivered_once", scenario_8, NULL, NULL, NULL },
		{ "a_second_try_is_reported_once", scenario_9, NULL, NULL, NULL },
		{ "a_profile_is_enabled_at_once", scenario_10, NULL, NULL, NULL },
		{ "a_compact_download_is_reported_once", scenario_11, NULL, NULL, NULL },
		{ "two_events_are_reported_once", scenario_12, NULL, NULL, NULL },
		{ "an_indirect_event_is_reported_once", scenario_13, NULL, NULL, NULL },
		{ "two_troubles_of_a_direct_download", pairs_0, NULL, NULL, NULL },
		{ "two_troubles_of_an_indirect_download", pairs_1, NULL, NULL, NULL },
		{ "two_troubles_of_a_local_download", pairs_2, NULL, NULL, NULL },
		{ "two_troubles_of_a_result_that_waits", pairs_7, NULL, NULL, NULL },
		{ "two_troubles_of_a_profile_enabled_at_once", pairs_10, NULL, NULL, NULL },
		{ "two_troubles_of_two_events", pairs_12, NULL, NULL, NULL },
	};

	if (getenv("SWEEP_CASE"))
		return cmocka_run_group_tests(one, ipabed_setup, ipabed_teardown);
	return cmocka_run_group_tests(tests, ipabed_setup, ipabed_teardown);
}
