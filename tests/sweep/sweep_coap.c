/*
 * The IPA between a virtual eUICC and an eIM over CoAP and DTLS, both ends real, on the virtual clock:
 * each kind of datagram of each exchange (of those in blocks the first, one in the middle and the last,
 * both ways, and the whole handshake) meets with every harm: lost, doubled, late, overtaken, damaged;
 * silence, ICMP, another port; a server that forgets, leaves, refuses, talks nonsense, is silent or slow;
 * the daemon killed, the power cut. Then the same over networks that lose much of everything.
 * Afterwards, once things work again:
 *
 *   - the eIM has one outcome, and it is what the card has; so has the SM-DP+;
 *   - nothing is left on the card, in the daemon's files or in flight;
 *   - it did not take longer than it may, and nobody was asked too often;
 *   - the next order works.
 *
 * Usually a share of the cases is run, always the same; SWEEP_ALL=1 runs all. SWEEP_PAIRS=N tries so many pairs
 * of harms, SWEEP_SEED=N others than usual, SWEEP_SEEDS=N so many bad networks.
 * SWEEP_CASE=SCENARIO,DATAGRAM,HARM[,DATAGRAM,HARM] in numbers, as a failure gives them, is that one alone,
 * SWEEP_NET=SCENARIO,PERCENT,SEED one on a bad network. SWEEP_TELL=1 has a line on each case, LOG=1 tells what daemon
 * and eIM do, and of every datagram.
 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/ipabed_coap.h"
#include "support/ipabed_judge.h"

#define THIRD "89000123456789012374"

#define MINUTE_MS 60000
#define LARGE 600       /* octets: a block, rather than what asks for it */

/* Until it is over: a visit with all its retries, and the next one. */
#define MS_MAX (15 * MINUTE_MS)
#define NET_MS_MAX (60 * MINUTE_MS)
#define AWAY_MS_MAX (IPABED_AWAY_S * 1000 + 75 * MINUTE_MS)

/* Of the client's in an hour with all there is of harm and of trying again; and where all of it is harmed. */
#define DATAGRAMS_MAX 600
#define DATAGRAMS_NET_MAX 2000

enum kind { PACKAGE, DIRECT, INDIRECT };

struct scenario {
	const char *name;
	enum kind kind;
	const char *order;              /* of a package */
	const char *enabled;            /* afterwards; by a package */
	const char *otherwise;          /* where it may have been rolled back; NULL: never */
	const char *pki;                /* NULL: nist */
	const char *before;             /* an order of the eIM that was done before; NULL: none */
	const char *size;               /* of the profile, octets */
	const char *habits;             /* of the eIM's server; NULL: none */
	bool fresh;                     /* there is no association yet */
	bool certificate;               /* instead of a key that both have */
	bool hasty;                     /* the server soon forgets: on a very bad network three tries may not do */
	unsigned share;                 /* one in so many cases is run, if not all are wanted */
};

/* The public eIM that speaks CoAP, see sim-eim's README. */
#define IN_THE_FIELD "big-first-block,no-etag,late-ack,con-for-non,one-handshake,idle=16,keep=60,format=42"

static const struct scenario scenarios[] = {
	{ "a list", PACKAGE, "list-profiles", IPABED_A, .fresh = true },
	{ "a switch", PACKAGE, "enable " IPABED_B " --rollback + list-profiles", IPABED_B, IPABED_A },
	{ "a switch for good", PACKAGE, "enable " IPABED_B, IPABED_B },
	{ "a switch without coverage", PACKAGE, "enable " IPABED_C " --rollback", IPABED_A },
	{ "a data request", PACKAGE, "data-request all", IPABED_A },
	{ "direct", DIRECT },
	{ "through the eIM", INDIRECT, .size = "12000", .fresh = true },
	{ "through the eIM, compact", INDIRECT, .pki = "brp", .before = "data-request all", .size = "4000" },
	{ "a list, a server as in the field", PACKAGE, "list-profiles", IPABED_A,
	  .habits = IN_THE_FIELD ",no-block1,datagram=1443" },
	{ "through the eIM, late ACKs", INDIRECT, .size = "4000",
	  .habits = IN_THE_FIELD, .hasty = true },
	{ "through the eIM, small blocks", INDIRECT, .size = "4000", .habits = "idle=7200,block=256,token-blocks" },
	{ "through the eIM, large", INDIRECT, .size = "60000", .share = 20 },
	{ "a list, by certificate", PACKAGE, "list-profiles", IPABED_A, .fresh = true, .certificate = true },
};
static const struct scenario *scenario;
static struct se_package *order;
static const char *net;                 /* rules of a bad network; NULL: it is good */
static unsigned failures;

/* --- what must be true ------------------------------------------------------------------------------ */

static const char *strike_text(size_t k)
{
	static char text[COAP_STRIKES][112];
	const struct coap_strike *s = &ipabed_coap.strikes[k];
	const struct coap_datagram *d = &s->what;

	text[k][0] = '\0';
	if (s->struck)
		snprintf(text[k], sizeof(text[k]), ", %s datagram of %zu octets (exchange %u, %04X) %s",
			 d->up ? "the client's" : "the server's", d->n, d->exchange, d->tag, harm_names[s->harm]);
	return text[k];
}

static void blame(const char *what)
{
	const struct coap_strike *s = ipabed_coap.strikes;

	failures++;
	print_error("%s%s%s [%ld,%u,%u,%u,%u]%s%s: %s; eIM: %s, %u results, %u duplicates, %u replays, \"%s\"\n",
		    scenario->name, strike_text(0), strike_text(1), (long)(scenario - scenarios), s[0].at,
		    s[0].harm, s[1].at, s[1].harm, net ? " " : "", net ? net : "", what,
		    se_state_names[order->state], order->results, order->duplicates, order->replays,
		    order->outcome);
}

static bool is_one_of(enum harm h, const enum harm *list)
{
	while (*list != _HARM_MAX && *list != h)
		list++;
	return *list != _HARM_MAX;
}

/* One of these was done; with tag: to a datagram of that message. */
static bool had(const enum harm *list, uint16_t tag)
{
	for (size_t k = 0; k < COAP_STRIKES; k++) {
		const struct coap_strike *s = &ipabed_coap.strikes[k];

		if (s->struck && is_one_of(s->harm, list) && (!tag || s->what.tag == tag))
			return true;
	}
	return false;
}

/* CoAP and DTLS are made for these: nobody above them hears of it. */
static const enum harm for_them[] = {
	H_LOST, H_LOST_ALIKE, H_DOUBLED, H_REPEATED, H_OVERTAKEN, H_LATE, H_DAMAGED, H_SHORTENED, H_NOISE, _HARM_MAX
};
static const enum harm unreadable[] = { H_EMPTY, H_GARBAGE, H_TRUNCATED, H_WRONG_TAG, _HARM_MAX };
static const enum harm long_ones[] = { H_AWAY, H_REFUSED_AWAY, H_UNWANTED, _HARM_MAX };
/* What a download need not survive: a server that says no, nonsense, or nothing for long; and its own end. */
static const enum harm deadly[] = {
	H_AWAY, H_REFUSED_AWAY, H_BAD_REQUEST, H_NOT_FOUND, H_TOO_LARGE, H_BAD_FORMAT, H_EMPTY, H_GARBAGE,
	H_TRUNCATED, H_WRONG_TAG, H_KILLED, H_KILLED_AFTER, H_POWER, H_POWER_AFTER, _HARM_MAX
};

static const enum harm unwanted[] = { H_UNWANTED, _HARM_MAX };
static const enum harm empty[] = { H_EMPTY, _HARM_MAX };

/* All that was done was for them. */
static bool was_for_them(void)
{
	for (size_t k = 0; k < COAP_STRIKES; k++)
		if (ipabed_coap.strikes[k].struck && !is_one_of(ipabed_coap.strikes[k].harm, for_them))
			return false;
	return !net;
}

static bool was_harmed(void)
{
	return net || ipabed_coap.strikes[0].struck || ipabed_coap.strikes[1].struck;
}

static void judge_order(void)
{
	bool on_card = ipabed_on_card(IPABED_FIRST);
	struct ipabed_judge j = {
		.order = order, .blame = blame, .garbled = had(unreadable, 0), .refused = had(unreadable, 0xbf4f),
		.unheard = !was_for_them(), .unwanted = had(unwanted, 0),
		.open_session = was_harmed() || ipabed.resets,
	};

	if (scenario->kind == PACKAGE) {
		ipabed_judge_package(&j, scenario->enabled, scenario->otherwise);
	} else {
		ipabed_judge_download(&j, on_card);
		ipabed_judge_smdp(&j, on_card, on_card);
		if (!on_card && !had(deadly, 0) && !(net && scenario->hasty))
			blame("not installed");
	}
	/* Not acknowledged, the result is kept for another time. */
	if (!had(empty, 0xbf50))
		ipabed_judge_rest(&j);
}

/* --- one case ------------------------------------------------------------------------------------------ */

static void configure(struct ipa_options *o)
{
	o->features = IPABED_FEATURES & ~(scenario->kind == INDIRECT ? ESIPA_IPA_DIRECT : 0);
}

static void offer(const char *iccid, const char *name, const char *size)
{
	char line[160];

	snprintf(line, sizeof(line), "--iccid %s --matching-id %s%s%s", iccid, name, size ? " --size " : "",
		 size ? size : "");
	ipabed_offer(line);
}

static void prepare(void)
{
	struct se_package *p;

	if (scenario->kind != PACKAGE) {
		offer(IPABED_FIRST, "FIRST", scenario->size);
		offer(THIRD, "THIRD", NULL);
	}
	if (scenario->before) {
		p = ipabed_visit(scenario->before);
		assert_true(p->state == SE_DONE && !p->error);
	}
	if (scenario->fresh) {
		ipabed_coap_restart(true);
		ipabed_run(1000);
	}
	ipabed_coap_forget();
	ipabed.requests = 0;
}

static struct se_package *give(const char *name)
{
	char line[96];
	struct se_package *p;

	snprintf(line, sizeof(line), "download LPA:1$" IPABED_HOST "$%s", name);
	p = ipabed_queue(scenario->kind == PACKAGE ? (name[0] == 'F' ? scenario->order : "list-profiles") : line);
	assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
	return p;
}

static bool is_over(void)
{
	return order->state >= SE_DONE && ipabed_is_idle() && !ipabed.ipa.download && !ipabed_file_left();
}

/* Until it is over, and it is known how long it took. */
static uint64_t await_end(unsigned minutes)
{
	uint64_t since = ev_now_ms();

	for (unsigned k = 0; k < minutes * 6 && !is_over(); k++)
		ipabed_run(MINUTE_MS / 6);
	return ev_now_ms() - since;
}

static void next_order(void)
{
	struct sdp_profile *p = sdp_find_profile(&ipabed.smdp, IPABED_FIRST);
	bool same = scenario->kind != PACKAGE && !ipabed_on_card(IPABED_FIRST) &&
		    (p->state == SDP_STATE_RELEASED || p->state == SDP_STATE_DOWNLOADED);

	order = give(same ? "FIRST" : "THIRD");
	ipabed_run(IPABED_INTERVAL_S * 1000);
	if (order->state != SE_DONE || order->results != 1 || order->error)
		blame("the next order fails");
	/* What was never acknowledged: another life of the daemon's offers it anew. */
	if (euicc_card_state(ipabed.card.card)->n_notes) {
		ipabed_restart_daemon(false);
		ipabed_run(2 * IPABED_INTERVAL_S * 1000);
	}
	if (euicc_card_state(ipabed.card.card)->n_notes)
		blame("something is left on the card in the end");
}

static uint64_t longest_ms, usual_ms;
static unsigned succeeded;
static struct coap_datagram seen[COAP_DATAGRAMS_MAX];   /* where nothing goes wrong */
static unsigned seen_n, associations, moves;

static void remember(void)
{
	seen_n = MIN(ipabed_coap.datagrams, (unsigned)COAP_DATAGRAMS_MAX);
	memcpy(seen, ipabed_coap.log, sizeof(seen));
}

/*
 * What a handshake is made of nobody has signed yet. And a server by libcoap, with GnuTLS, that has seen some
 * ChangeCipherSpecs too many drops as many datagrams afterwards.
 */
static bool spoils_handshake(void)
{
	const struct coap_strike *s = &ipabed_coap.strikes[0];

	return s->what.handshake && (s->harm == H_DAMAGED || s->harm == H_SHORTENED ||
				     (s->harm == H_LOST_ALIKE && s->what.up));
}

static void judge_cost(uint64_t took)
{
	uint64_t most = net ? NET_MS_MAX : had(long_ones, 0) ? AWAY_MS_MAX : MS_MAX;

	/*
	 * Two may cost two visits. What the protocols are made for costs none, not even where somebody
	 * else seems to refuse a handshake.
	 */
	if (was_for_them() && !ipabed_coap.strikes[1].struck)
		most = usual_ms + MINUTE_MS;
	if (took > most * (ipabed_coap.strikes[1].struck ? 2 : 1))
		blame("it took too long");
	if (was_for_them() && was_harmed() && !ipabed_coap.strikes[1].struck && !spoils_handshake() &&
	    ipabed_coap.moves == moves && ipabed_coap.associations > associations)
		blame("it has cost an association");
	if (ipabed_coap_busiest_hour() > (net ? DATAGRAMS_NET_MAX : DATAGRAMS_MAX))
		blame("too many datagrams");
}

static void open_case(void)
{
	const struct ipabed_options o = { .personality = "iot", .pki = scenario->pki, .configure = configure,
					  .way = &ipabed_by_coap };

	ipabed_coap.habits = scenario->habits;
	ipabed_coap.certificate = scenario->certificate;
	ipabed_open(&o);
	prepare();
}

static void run_case(struct coap_strike first, struct coap_strike second)
{
	uint64_t took;

	open_case();
	ipabed_coap.strikes[0] = first;
	ipabed_coap.strikes[1] = second;
	if (net)
		ipabed_coap_net(net);
	order = give("FIRST");
	took = await_end(240);
	ipabed_coap.enough = true;
	if (!was_harmed())
		remember();
	if (!had(long_ones, 0))
		longest_ms = MAX(longest_ms, took);
	succeeded += order->state == SE_DONE && !order->error;
	if (getenv("SWEEP_TELL"))
		print_message("%s, %s at %u, %s at %u: %lu s, %s\n", scenario->name, harm_names[first.harm], first.at,
			      harm_names[second.harm], second.at, (unsigned long)took / 1000, order->outcome);
	/* Nothing comes after it, but what could not be done while nobody was there. */
	while (ev_now_ms() < ipabed_coap.away_until_ms)
		ipabed_run(MINUTE_MS);
	ipabed_coap_net("none");
	ipabed_run((had(long_ones, 0) ? 12 : 2) * IPABED_INTERVAL_S * 1000);
	judge_order();
	if (!was_harmed()) {
		associations = ipabed_coap.associations;
		moves = ipabed_coap.moves;
		usual_ms = took;
	}
	judge_cost(took);
	next_order();
	ipabed_close();
}

static const struct coap_strike nowhere;

static struct coap_strike strike(unsigned at, enum harm h)
{
	return (struct coap_strike){ .at = at, .harm = h };
}

/* --- all cases -------------------------------------------------------------------------------------------- */

static unsigned points[512], points_n;
/* The first, the last and one in the middle of those of an exchange that are alike. */
static void choose(unsigned exchange, bool up, bool large)
{
	unsigned like[COAP_DATAGRAMS_MAX], n = 0;

	for (unsigned k = 0; k < seen_n; k++)
		if (seen[k].exchange == exchange && seen[k].up == up && !seen[k].handshake &&
		    (seen[k].n > LARGE) == large)
			like[n++] = k + 1;
	for (unsigned k = 0; k < n; k++)
		if (k == 0 || k == n / 2 || k == n - 1)
			points[points_n++] = like[k];
}

static void choose_points(void)
{
	run_case(nowhere, nowhere);
	points_n = 0;
	for (unsigned e = 1; seen_n && e <= seen[seen_n - 1].exchange; e++)
		for (unsigned k = 0; k < 4; k++)
			choose(e, k & 1, k & 2);
	for (unsigned k = 0; k < seen_n; k++)
		if (seen[k].handshake)
			points[points_n++] = k + 1;
	assert_true(points_n < ARRAY_SIZE(points));
}

static void sweep(const struct scenario *s)
{
	unsigned cases = 0, share = getenv("SWEEP_ALL") ? 1 : s->share ? s->share : 10;

	scenario = s;
	failures = 0;
	longest_ms = 0;
	choose_points();
	for (unsigned k = 0; k < points_n; k++) {
		for (enum harm h = UNHARMED + 1; h < _HARM_MAX; h++) {
			if (!harm_applies(h, &seen[points[k] - 1]) || (k + h) % share)
				continue;
			run_case(strike(points[k], h), nowhere);
			cases++;
		}
	}
	print_message("%s: %u datagrams, %u points, %u cases, at most %lu s\n", s->name, seen_n, points_n, cases,
		      (unsigned long)longest_ms / 1000);
	assert_int_equal(failures, 0);
}

/* --- one harm after another ------------------------------------------------------------------------------ */

static uint32_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % n;
}

static uint32_t number_of(const char *name, uint32_t otherwise)
{
	uint32_t n = otherwise;

	if (getenv(name))
		assert_int_equal(text_to_u32(text_of(getenv(name)), 10, &n), 0);
	return n;
}

/* Of the many pairs as many as there is time for, always the same. The second comes soon after the first. */
static void pairs(const struct scenario *s, unsigned cases)
{
	unsigned done = 0;

	scenario = s;
	failures = 0;
	longest_ms = 0;
	dice = number_of("SWEEP_SEED", 1);
	run_case(nowhere, nowhere);
	while (done < cases) {
		struct coap_strike first = strike(1 + roll(seen_n), (enum harm)(1 + roll(_HARM_MAX - 1)));
		struct coap_strike second = strike(first.at + 1 + roll(12), (enum harm)(1 + roll(_HARM_MAX - 1)));

		if (!harm_applies(first.harm, &seen[first.at - 1]))
			continue;
		run_case(first, second);
		done++;
	}
	print_message("%s: %u pairs, at most %lu s\n", s->name, cases, (unsigned long)longest_ms / 1000);
	assert_int_equal(failures, 0);
}

/* --- bad networks ------------------------------------------------------------------------------------------ */

/* The client's address changes in the middle of it, whatever is just being said. */
static void run_net(unsigned percent, unsigned seed)
{
	char rules[96];

	snprintf(rules, sizeof(rules), "loss=%u,duplicate=3,reorder=5,delay=60,jitter=60,seed=%u", percent, seed);
	net = rules;
	ipabed_coap.seed = seed;
	run_case(strike(3 + seed * 7 % seen_n, H_REBOUND), nowhere);
	net = NULL;
	ipabed_coap.seed = 0;
}

static void bad_nets(const struct scenario *s, unsigned seeds)
{
	static const unsigned percents[] = { 10, 20, 30 };

	scenario = s;
	failures = 0;
	run_case(nowhere, nowhere);
	for (size_t k = 0; k < ARRAY_SIZE(percents); k++) {
		longest_ms = 0;
		succeeded = 0;
		for (unsigned seed = 1; seed <= seeds; seed++)
			run_net(percents[k], seed);
		print_message("%s, %u %% lost: %u networks, %u succeed at once, at most %lu s\n", s->name, percents[k],
			      seeds, succeeded, (unsigned long)longest_ms / 1000);
	}
	assert_int_equal(failures, 0);
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static void one_harm(void **state)
{
	sweep(*state);
}

static void bad_networks(void **state)
{
	bad_nets(*state, number_of("SWEEP_SEEDS", getenv("SWEEP_ALL") ? 100 : 5));
}

static void two_harms(void **state)
{
	pairs(*state, number_of("SWEEP_PAIRS", getenv("SWEEP_ALL") ? 1000 : 10));
}

/* Up to n numbers of a variable of the environment. */
static void read_numbers(const char *name, uint32_t *v, size_t n)
{
	struct text rest = text_of(getenv(name));

	for (size_t k = 0; k < n && rest.n; k++)
		assert_int_equal(text_to_u32(text_cut(&rest, ','), 10, &v[k]), 0);
	assert_true(v[0] < ARRAY_SIZE(scenarios));
	scenario = &scenarios[v[0]];
}

static void show_datagrams(void)
{
	for (unsigned k = 0; getenv("LOG") && k < MIN(ipabed_coap.datagrams, (unsigned)COAP_DATAGRAMS_MAX); k++) {
		const struct coap_datagram *d = &ipabed_coap.log[k];

		fprintf(stderr, "%u: %lu ms %s, exchange %u (%04X): %zu octets%s\n", k + 1, (unsigned long)d->at_ms,
			d->up ? "up" : "down", d->exchange, d->tag, d->n, d->handshake ? ", not data" : "");
	}
}

static void one_case(void **state)
{
	uint32_t v[5] = { 0 };

	(void)state;
	read_numbers("SWEEP_CASE", v, ARRAY_SIZE(v));
	assert_true(v[2] < _HARM_MAX && v[4] < _HARM_MAX);
	run_case(nowhere, nowhere);
	run_case(strike(v[1], (enum harm)v[2]), strike(v[3], (enum harm)v[4]));
	show_datagrams();
	assert_int_equal(failures, 0);
}

static void one_net(void **state)
{
	uint32_t v[3] = { 0 };

	(void)state;
	read_numbers("SWEEP_NET", v, ARRAY_SIZE(v));
	run_case(nowhere, nowhere);
	run_net(v[1], v[2]);
	show_datagrams();
	assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
#define SWEEP(name, n) { name, one_harm, NULL, NULL, (void *)&scenarios[n] }
#define PAIRS(name, n) { name, two_harms, NULL, NULL, (void *)&scenarios[n] }
#define BAD_NETS(name, n) { name, bad_networks, NULL, NULL, (void *)&scenarios[n] }
	const struct CMUnitTest one[] = { cmocka_unit_test(one_case) }, on_net[] = { cmocka_unit_test(one_net) };
	const struct CMUnitTest tests[] = {
		SWEEP("a_list_is_reported_once", 0),
		SWEEP("a_switch_is_reported_once_or_rolled_back", 1),
		SWEEP("a_switch_for_good_is_reported_once", 2),
		SWEEP("a_switch_without_coverage_is_rolled_back", 3),
		SWEEP("a_data_request_is_answered_once", 4),
		SWEEP("a_direct_download_is_reported_once", 5),
		SWEEP("an_indirect_download_is_reported_once", 6),
		SWEEP("a_compact_download_is_reported_once", 7),
		SWEEP("a_server_as_in_the_field_is_told_once", 8),
		SWEEP("late_acknowledgements_change_nothing", 9),
		SWEEP("small_blocks_change_nothing", 10),
		SWEEP("a_large_download_is_reported_once", 11),
		SWEEP("a_server_with_a_certificate_is_told_once", 12),
		PAIRS("two_harms_to_a_list", 0),
		PAIRS("two_harms_to_a_switch", 1),
		PAIRS("two_harms_to_a_rollback", 3),
		PAIRS("two_harms_to_a_data_request", 4),
		PAIRS("two_harms_to_a_direct_download", 5),
		PAIRS("two_harms_to_an_indirect_download", 6),
		PAIRS("two_harms_to_a_compact_download", 7),
		PAIRS("two_harms_with_late_acknowledgements", 9),
		BAD_NETS("a_list_on_bad_networks", 0),
		BAD_NETS("a_switch_on_bad_networks", 1),
		BAD_NETS("a_rollback_on_bad_networks", 3),
		BAD_NETS("a_data_request_on_bad_networks", 4),
		BAD_NETS("a_compact_download_on_bad_networks", 7),
		BAD_NETS("late_acknowledgements_on_bad_networks", 9),
		BAD_NETS("a_large_download_on_bad_networks", 11),
		BAD_NETS("certificates_on_bad_networks", 12),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (getenv("SWEEP_CASE"))
		return cmocka_run_group_tests(one, ipabed_setup, ipabed_teardown);
	if (getenv("SWEEP_NET"))
		return cmocka_run_group_tests(on_net, ipabed_setup, ipabed_teardown);
	return cmocka_run_group_tests(tests, ipabed_setup, ipabed_teardown);
}
