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
 * SWEEP_ALL=1 looks at what every third case looks at in every one. SWEEP_CASE=SCENARIO,REQUEST,TROUBLE,
 * numbers, runs one case alone; LOG=1 tells what the daemon does.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/ipabed.h"
#include "unit/fake_ev.h"

#define FIRST "89000123456789012358"
#define SECOND "89000123456789012366"

/* An hour of a download with all its retries, and of one without anything to do, has far less. */
#define SERVER_REQUESTS_MAX 60
#define APDUS_MAX 300

enum order { DIRECT, INDIRECT, LOCAL };

struct scenario {
	const char *name;
	enum order order;
	const char *personality, *pki;
	const char *fault;              /* of the SM-DP+, from the beginning; NULL: none */
	unsigned from;                  /* requests before this one are swept elsewhere */
};

static const struct scenario scenarios[] = {
	{ "direct", DIRECT, "iot", "nist", NULL, 0 },
	{ "through the eIM", INDIRECT, "iot", "nist", NULL, 0 },
	{ "on the spot", LOCAL, "classic-consumer", "nist", NULL, 0 },
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

	if (t == UNWANTED)
		return !strcmp(q->what, "ESipa BF3D");
	if (t == OTHER_SESSION || t == FORGED)
		return is_one_of(q->what, sessions) && !(t == FORGED && q->to == TO_EIM);
	return where[q->to] & BIT(t);
}

/* --- orders ------------------------------------------------------------------------------------------ */

static void configure(struct ipa_options *o)
{
	o->features = ESIPA_IPA_INDIRECT | (scenario->order == INDIRECT ? 0 : ESIPA_IPA_DIRECT);
}

static void on_done(struct ipa_download *d, const struct cause *why)
{
	struct local *l = d->owner;

	l->done++;
	l->installed = !why;
	l->d = NULL;
}

static void order(const char *name)
{
	char line[96], why[IPA_TEXT_MAX] = "";
	struct ipa_download_order o = { .code = line, .confirmation = "" };

	snprintf(line, sizeof(line), "%sLPA:1$" IPABED_HOST "$%s",
		 scenario->order == LOCAL ? "" : "download ", name);
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

static void blame(const char *what)
{
	struct ipabed_request none = { .what = "" };
	const struct ipabed_request *q = ipabed.strike_at ? &ipabed.log[ipabed.strike_at - 1] : &none;

	failures++;
	print_error("%s, request %u (%s) %s [%ld,%u,%u]: %s; eIM: %s, %u results, %u duplicates, \"%s\"\n",
		    scenario->name, ipabed.strike_at, q->what, trouble_names[ipabed.trouble],
		    (long)(scenario - scenarios), ipabed.strike_at, ipabed.trouble, what,
		    trigger ? se_state_names[trigger->state] : "-", trigger ? trigger->results : 0,
		    trigger ? trigger->duplicates : 0, trigger ? trigger->outcome : "");
}

/* Whoever has answered cannot know that the answer was lost. */
static bool may_be_sent_again(void)
{
	const char *what = ipabed.log[ipabed.strike_at - 1].what;

	return trouble_is_after(ipabed.trouble) &&
	       (!strcmp(what, "ESipa BF3D") || !strcmp(what, "handleNotification"));
}

static void judge_eim(bool on_card)
{
	if (scenario->order == LOCAL) {
		if (local.done > 1)
			blame("told twice");
		if (!local.done && ipabed.trouble < KILLED)
			blame("not told");
		if (local.done && local.installed && !on_card)
			blame("told that it is installed");
		return;
	}
	/* It would not hear it, and has perhaps asked for another one meanwhile. */
	if (ipabed.trouble == UNWANTED)
		return;
	/* A trigger that arrives unreadable is refused, and the eIM told so: that ends it. */
	if (trigger->state == SE_FAILED && ipabed.strike_at == 1 && !on_card)
		return;
	if (trigger->state != SE_DONE)
		blame("the eIM was not told");
	else if (trigger->results != 1 || trigger->refused)
		blame("not told exactly once");
	else if (trigger->error == on_card)
		blame("told something else than is true");
	if (trigger->duplicates && !may_be_sent_again())
		blame("told again");
	/* "There is nothing", garbled, looks like a package, and is refused as one. */
	if (ipabed.account->unmatched && ipabed.trouble != GARBAGE && ipabed.trouble != TRUNCATED)
		blame("results that belong to nothing");
}

static void judge_smdp(bool on_card)
{
	unsigned installed = 0;
	struct sdp_session *x;
	struct sdp_note *n;

	list_for_each(n, &ipabed.smdp.notes, node) {
		if (n->verdict != SDP_VERIFIED)
			blame("the SM-DP+ has a notification that is not right");
		if (n->deliveries > 1 && !may_be_sent_again())
			blame("delivered to the SM-DP+ more than once");
		installed += n->result && n->reason < 0;
	}
	if (installed != on_card)
		blame(installed ? "the SM-DP+ believes that it is installed" : "the SM-DP+ was not told");
	list_for_each(x, &ipabed.smdp.sessions, node)
		if (x->state != SDP_SESSION_EXPECT_CLIENT && !on_card && !ipabed.resets &&
		    ipabed.trouble != AWAY)
			blame("a session is open");
}

static void judge(bool on_card)
{
	struct ve_state *state = euicc_card_state(ipabed.card.card);
	const char *file = ipabed_file_left();

	judge_eim(on_card);
	judge_smdp(on_card);
	if (state->n_notes)
		blame("something is left on the card");
	if (file)
		blame(file);
	if (!ipabed_is_idle() || ipabed.ipa.download)
		blame("something is in flight");
	if (ipabed_busiest_hour(true) > SERVER_REQUESTS_MAX)
		blame("servers are asked too often");
	if (ipabed_busiest_hour(false) > APDUS_MAX)
		blame("the card is asked too often");
}

/* --- one case -------------------------------------------------------------------------------------------- */

static void next_download(bool on_card)
{
	struct sdp_profile *p = sdp_find_profile(&ipabed.smdp, FIRST);
	bool same = !on_card && (p->state == SDP_STATE_RELEASED || p->state == SDP_STATE_DOWNLOADED);

	order(same ? "FIRST" : "SECOND");
	ipabed_run(IPABED_INTERVAL_S * 1000);
	if (!ipabed_on_card(same ? FIRST : SECOND))
		blame("the next download fails");
}

static unsigned n_requests;
static struct ipabed_request requests[IPABED_REQUESTS_MAX];

static void run_case(unsigned at, enum trouble t)
{
	const struct ipabed_options o = { .personality = scenario->personality, .pki = scenario->pki,
					  .no_eim = scenario->order == LOCAL, .configure = configure };
	bool on_card;
	const char *why;

	ipabed_open(&o);
	trigger = NULL;
	ipabed_offer("--iccid " FIRST " --matching-id FIRST");
	ipabed_offer("--iccid " SECOND " --matching-id SECOND");
	if (scenario->fault)
		assert_int_equal(sdp_fault_add(&ipabed.smdp.faults, text_of(scenario->fault), &why), 0);
	ipabed.strike_at = at;
	ipabed.trouble = t;
	order("FIRST");
	ipabed_run(IPABED_INTERVAL_S * 1000);
	n_requests = ipabed.requests;
	memcpy(requests, ipabed.log, sizeof(requests));
	/* Long enough for retries, back-off and some ordinary visits. */
	ipabed_run((t == AWAY || t == UNWANTED ? 18 : 5) * IPABED_INTERVAL_S * 1000);
	on_card = ipabed_on_card(FIRST);
	judge(on_card);
	if ((at + t) % 3 == 0 || getenv("SWEEP_ALL"))
		next_download(on_card);
	ipabed_close();
}

static void sweep(const struct scenario *s)
{
	static struct ipabed_request all[IPABED_REQUESTS_MAX];
	unsigned n, cases = 0;

	scenario = s;
	failures = 0;
	run_case(0, NOTHING);
	n = n_requests;
	memcpy(all, requests, sizeof(all));
	for (unsigned at = MAX(s->from, 1u); at <= n; at++) {
		for (enum trouble t = NOTHING + 1; t < _TROUBLE_MAX; t++) {
			if (!applies(t, &all[at - 1]))
				continue;
			run_case(at, t);
			cases++;
		}
	}
	print_message("%s: %u requests, %u cases\n", s->name, n, cases);
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

static int make_dir(void **state)
{
	(void)state;
	log_set_level(getenv("LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	ipabed_make_dir();
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	ipabed_remove_dir();
	return 0;
}

/* SCENARIO,REQUEST,TROUBLE */
static void one_case(void **state)
{
	struct text order = text_of(getenv("SWEEP_CASE"));
	uint32_t v[3];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(v); k++)
		assert_int_equal(text_to_u32(text_cut(&order, ','), 10, &v[k]), 0);
	assert_true(v[0] < ARRAY_SIZE(scenarios) && v[2] < _TROUBLE_MAX);
	scenario = &scenarios[v[0]];
	run_case(v[1], (enum trouble)v[2]);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest one[] = { cmocka_unit_test(one_case) };
	const struct CMUnitTest tests[] = {
		{ "a_direct_download_is_reported_once", scenario_0, NULL, NULL, NULL },
		{ "an_indirect_download_is_reported_once", scenario_1, NULL, NULL, NULL },
		{ "a_local_download_is_reported_once", scenario_2, NULL, NULL, NULL },
	};

	if (getenv("SWEEP_CASE"))
		return cmocka_run_group_tests(one, make_dir, remove_dir);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
