/*
 * A gateway's life over CoAP on a network that loses, doubles and reorders packets, with whole programs:
 * what the demo shows. The profiles are listed, the eIM switches, a profile without coverage comes back
 * by itself, others are downloaded from the SM-DP+ and through the eIM and enabled by the next package.
 * Every order has its result once, verified; in the end nothing is open anywhere.
 *
 * And the client's address changes in the very middle of a package that comes in blocks.
 *
 * COAP_LOSS=PERCENT  of all packets, in each direction (10: more takes minutes)
 * COAP_SEEDS=N[-M]   the dice, one life each (1)
 * COAP_TIMES=rfc     the protocol's and the daemon's own times, instead of short ones
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "support/fleet.h"

#define ICCID_B "89000123456789012342"
#define PROFILE_B "iccid=" ICCID_B ",imsi=001010123456782,name=B"

static struct fleet fleet;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

static unsigned loss(void)
{
	const char *percent = getenv("COAP_LOSS");

	return percent ? (unsigned)strtoul(percent, NULL, 10) : 10;
}

static bool has_own_times(void)
{
	const char *times = getenv("COAP_TIMES");

	return times && !strcmp(times, "rfc");
}

/* A message that is sent for the fifth time has taken half a minute, and a new profile is not to blame. */
static unsigned rollback_s(void)
{
	return has_own_times() ? 300 : loss() > 20 ? 120 : 10;
}

static void open_fleet(struct fleet *f)
{
	bool own = has_own_times();

	fleet_open(f, &(struct fleet_options){
		.coap = true, .protocols = FLEET_COAP, .key = "a-secret-of-ours",
		.interval_s = own ? 10 : 2, .rollback_s = rollback_s(), .resend_s = own ? "120" : "5",
		.section = own ? NULL : loss() > 20 ? "ack_timeout = 1000\nsilence = 10" : "ack_timeout = 1000\nsilence = 3",
		.profile = PROFILE_B, .nowhere = true, .repeats = true, .patience_s = own ? 1800 : 600,
	});
}

static void set_network(struct fleet *f, const char *rules)
{
	FLEET_EIM(f, "coaps", "net", rules);
}

/* --- a gateway's life ------------------------------------------------------------------------- */

static unsigned long long begun_ms;

static void begin(void)
{
	begun_ms = rig_now_ms();
}

static void tell(const char *what)
{
	print_message("  %-40s %6.1f s\n", what, (double)(rig_now_ms() - begun_ms) / 1000);
	begin();
}

static void is_listed(struct fleet *f)
{
	begin();
	FLEET_ORDER(f, "list-profiles");
	fleet_expect_result(f, FLEET_HOME, true);
	FLEET_CTL(f, "status");
	FLEET_CTL(f, "ipa", "status", "--json");
	if (!strstr(f->ran->said, "\"transport\":\"coap\""))
		fleet_fail(f, "not over CoAP: %s", f->ran->said);
	tell("listed");
}

static void is_enabled(struct fleet *f, const char *iccid, const char *what)
{
	begin();
	FLEET_ORDER(f, "enable", iccid, "--rollback", "+", "list-profiles");
	fleet_expect_result(f, "enable ok", true);
	fleet_await_idle(f);
	fleet_expect_on_card(f, iccid, "enabled");
	tell(what);
}

static void comes_back(struct fleet *f, const char *before)
{
	begin();
	FLEET_ORDER(f, "enable", FLEET_NOWHERE, "--rollback");
	fleet_expect_result(f, "rollback ok", true);
	fleet_await_idle(f);
	fleet_expect_on_card(f, before, "enabled");
	tell("without coverage: rolled back");
}

static void is_downloaded(struct fleet *f, bool indirect, const char *size)
{
	begin();
	FLEET_ADD(f, "--size", size);
	fleet_order_by(f, indirect);
	/* The list of profiles is read at the end of the visit, which goes on for a while. */
	fleet_expect_result(f, "installed as", true);
	fleet_await_idle(f);
	fleet_expect_download(f, indirect);
	tell(indirect ? "downloaded through the eIM" : "downloaded from the SM-DP+");
}

static void live(struct fleet *f)
{
	is_listed(f);
	is_enabled(f, ICCID_B, "switched");
	comes_back(f, ICCID_B);
	is_downloaded(f, false, "6000");
	is_enabled(f, f->iccid, "enabled by the next package");
	is_downloaded(f, true, "12000");
	is_enabled(f, f->iccid, "enabled by the next package");
	fleet_await_settled(f);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void take_seeds(unsigned *first, unsigned *last)
{
	const char *seeds = getenv("COAP_SEEDS");
	char *end = NULL;

	*first = *last = 1;
	if (!seeds)
		return;
	*first = *last = (unsigned)strtoul(seeds, &end, 10);
	if (*end == '-')
		*last = (unsigned)strtoul(end + 1, NULL, 10);
	assert_true(*first > 0 && *first <= *last);
}

static void packets_get_lost_all_the_time(void **state)
{
	unsigned first, last;
	char rules[64];

	(void)state;
	take_seeds(&first, &last);
	for (unsigned seed = first; seed <= last; seed++) {
		unsigned long long at = rig_now_ms();

		print_message("seed %u\n", seed);
		open_fleet(&fleet);
		snprintf(rules, sizeof(rules), "loss=%u,seed=%u", loss(), seed);
		set_network(&fleet, rules);
		live(&fleet);
		FLEET_EIM(&fleet, "coaps");
		print_message("%s", fleet.ran->said);
		print_message("seed %u: %.1f s\n", seed, (double)(rig_now_ms() - at) / 1000);
		fleet_close(&fleet);
	}
}

/* The third of the four functions is the one that brings the package. */
static void an_address_changes_in_the_middle_of_a_package(void **state)
{
	struct fleet *f = &fleet;
	unsigned long long at;

	(void)state;
	open_fleet(f);
	at = rig_now_ms();
	set_network(f, "reorder=20,duplicate=20,seed=3");
	FLEET_EIM(f, "fault", "rebind,on=rsp,after=2");
	is_downloaded(f, true, "12000");
	/* The dead association is noticed, and the rest of 10 s is kept. */
	assert_true(has_own_times() || rig_now_ms() - at < 60000);
	FLEET_EIM(f, "log");
	if (!strstr(f->ran->said, "other addresses at block"))
		fleet_fail(f, "no address has changed");
	is_enabled(f, f->iccid, "enabled by the next package");
	fleet_await_settled(f);
	fleet_close(f);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(an_address_changes_in_the_middle_of_a_package),
		T(packets_get_lost_all_the_time),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
