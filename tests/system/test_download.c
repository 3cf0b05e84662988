/*
 * Profile downloads from order to accounts, with whole programs: an eIM orders, or people on the spot;
 * the profile comes from the SM-DP+ itself or through the eIM; it is found by an activation code, at
 * the card's default SM-DP+ or by an event at an SM-DS. In the end everybody knows of it, once.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "support/fleet.h"

#define DP_OID "2.999.10"

static struct fleet fleet, other;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	fleet_drop(&other);
	return 0;
}

/* --- ordered by an eIM -------------------------------------------------------------------------------- */

/* The activation code with more to it. */
static const char *code_with(struct fleet *f, const char *oid, const char *flag)
{
	static char code[256];

	snprintf(code, sizeof(code), "LPA:1$localhost:%u$%s$%s%s", f->dp_port, f->matching, oid, flag);
	return code;
}

static void by_code(struct fleet *f)
{
	FLEET_ADD(f, "--size", "4000");
	FLEET_ORDER(f, "download", f->code);
}

static void by_code_with_oid(struct fleet *f)
{
	FLEET_ADD(f, "--size", "4000", "--no-ppk");
	FLEET_ORDER(f, "download", code_with(f, DP_OID, ""));
}

/* The flag says that a code will be wanted; the SM-DP+ then wants none. */
static void by_code_with_flag(struct fleet *f)
{
	FLEET_ADD(f, "--size", "4000", "--segment", "100");
	FLEET_ORDER(f, "download", code_with(f, DP_OID, "$1"));
}

static void at_default_smdp(struct fleet *f)
{
	FLEET_ADD(f, "--matching-id", "", "--eid", FLEET_EID);
	FLEET_ORDER(f, "download", "--default-smdp");
}

static void by_event(struct fleet *f)
{
	char at[32];

	snprintf(at, sizeof(at), "localhost:%u", f->dp_port);
	FLEET_ADD(f, "--name", "By event");
	FLEET_DP(f, "event", "add", FLEET_EID, f->matching, at);
	FLEET_ORDER(f, "download", "--smds");
}

typedef void order_fn(struct fleet *f);

static void come_by(struct fleet *f, order_fn *order)
{
	order(f);
	fleet_visit(f);
	fleet_expect_result(f, "installed as", true);
	fleet_expect_installed(f);
	fleet_expect_on_card(f, f->iccid, "disabled");
	fleet_expect_all_settled(f);
}

static void enable_it(struct fleet *f)
{
	FLEET_ORDER(f, "enable", f->iccid, "--rollback");
	fleet_visit(f);
	fleet_expect_result(f, "enable ok", true);
	fleet_expect_on_card(f, f->iccid, "enabled");
}

static const char *const curves[] = { "nist", "brp" };

static void an_eim_orders_a_profile_from_its_server(void **state)
{
	static order_fn *const orders[] = { by_code, by_code_with_oid, by_code_with_flag, at_default_smdp,
					    by_event };

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(curves); c++) {
		fleet_open(&fleet, &(struct fleet_options){ .curve = curves[c] });
		for (size_t k = 0; k < ARRAY_SIZE(orders); k++)
			come_by(&fleet, orders[k]);
		if (c == 0)
			enable_it(&fleet);
		fleet_close(&fleet);
	}
}

static void an_eim_orders_a_profile_through_itself(void **state)
{
	static order_fn *const orders[] = { by_code, by_code_with_oid, at_default_smdp, by_event };

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(curves); c++) {
		fleet_open(&fleet, &(struct fleet_options){ .curve = curves[c],
							    .conf = "download = indirect" });
		for (size_t k = 0; k < ARRAY_SIZE(orders); k++)
			come_by(&fleet, orders[k]);
		if (c == 1)
			enable_it(&fleet);
		fleet_close(&fleet);
	}
}

/* --- what follows from it ---------------------------------------------------------------------------- */

static void expect_in_eim_log(struct fleet *f, const char *words)
{
	FLEET_EIM(f, "log");
	if (!strstr(f->ran->said, words))
		fleet_fail(f, "the eIM has not heard of \"%s\"", words);
}

static void a_profile_is_enabled_at_once_where_the_eim_wants_it(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ 0 });
	FLEET_ORDER(f, "immediate-enable", "--on", "--oid", DP_OID);
	fleet_visit(f);
	fleet_expect_result(f, "ok", true);
	by_code(f);
	fleet_visit(f);
	fleet_expect_result(f, "installed as", true);
	fleet_expect_installed(f);
	fleet_await_card(f);
	fleet_visit(f);
	fleet_expect_on_card(f, f->iccid, "enabled");
	fleet_expect_all_settled(f);
	expect_in_eim_log(f, "state changed, cause 5");
	assert_true(rig_tell_module(&f->rig, "status"));
	fleet_close(f);
}

/* --- somebody is away at the end ---------------------------------------------------------------------- */

/* Until the first try to tell has failed nothing of it is on disk. */
static void an_smdp_that_is_away_hears_of_it_later(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ .card_ms = "3" });
	by_code(f);
	FLEET_CTL(f, "ipa", "poll", "--no-wait");
	assert_true(fleet_await_loading(f, 30));
	fleet_kill(f->dp);
	fleet_expect_result(f, "installed as", true);
	fleet_await_idle(f);
	FLEET_CTL(f, "notifications");
	if (!strstr(f->ran->said, f->iccid))
		fleet_fail(f, "the result should be on the card: %s", f->ran->said);
	/* It is told by the next run, too; and the eIM is not told instead. */
	fleet_kill(f->daemon);
	fleet_start_dp(f);
	fleet_start_daemon(f);
	fleet_await_card(f);
	fleet_expect_installed(f);
	fleet_visit(f);
	fleet_expect_all_settled(f);
	fleet_expect_result(f, "installed as", true);
	fleet_close(f);
}

/* The SM-DP+ knows, the eIM does not: it is told once, by the next visit. */
static void an_eim_that_is_away_is_told_once_later(void **state)
{
	static const char *const routes[] = { "download = direct", "download = indirect" };
	struct fleet *fleets[] = { &fleet, &other };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(fleets); k++) {
		fleet_open(fleets[k], &(struct fleet_options){ .card_ms = "3", .conf = routes[k] });
		by_code(fleets[k]);
		FLEET_CTL(fleets[k], "ipa", "poll", "--no-wait");
		assert_true(fleet_await_loading(fleets[k], 30));
		FLEET_EIM(fleets[k], "unreachable", "0");
	}
	for (size_t k = 0; k < ARRAY_SIZE(fleets); k++) {
		fleet_await_idle(fleets[k]);
		fleet_expect_order(fleets[k], k ? "downloaded" : "installed");
		FLEET_EIM(fleets[k], "reachable");
		/* Meanwhile it may have been killed. */
		fleet_kill(fleets[k]->daemon);
		fleet_start_daemon(fleets[k]);
		fleet_await_card(fleets[k]);
		fleet_visit(fleets[k]);
		fleet_expect_result(fleets[k], "installed as", true);
		fleet_expect_installed(fleets[k]);
		fleet_visit(fleets[k]);
		fleet_expect_all_settled(fleets[k]);
		fleet_expect_result(fleets[k], "installed as", true);
		fleet_download(fleets[k]);
		fleet_close(fleets[k]);
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(an_eim_orders_a_profile_from_its_server),
		T(an_eim_orders_a_profile_through_itself),
		T(a_profile_is_enabled_at_once_where_the_eim_wants_it),
		T(an_smdp_that_is_away_hears_of_it_later),
		T(an_eim_that_is_away_is_told_once_later),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
