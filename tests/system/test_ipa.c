/*
 * The whole chain: an eIM orders, the daemon on a virtual module with a virtual eUICC obeys, the
 * module uses the new profile, the eIM verifies the result; or the profile has no coverage and comes
 * back by itself. Also with the daemon killed at any moment.
 */
#include "support/test.h"

#include <poll.h>
#include <string.h>

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

static void open_fleet(const char *module, const char *personality)
{
	fleet_open(&fleet, &(struct fleet_options){
		.module = module, .personality = personality, .interval_s = 5, .rollback_s = 10,
		.profile = PROFILE_B, .nowhere = true, .repeats = true,
	});
}

/* The order has its result, verified, and this profile is used. */
static void expect(const char *result, const char *iccid)
{
	fleet_expect_result(&fleet, result, true);
	fleet_await_idle(&fleet);
	fleet_expect_used(&fleet, iccid);
	fleet_close(&fleet);
}

static void an_order_is_obeyed_and_its_result_verified(void **state)
{
	(void)state;
	open_fleet("quectel-eg25", "iot");
	FLEET_ORDER(&fleet, "enable", ICCID_B, "--rollback");
	expect("enable ok", ICCID_B);
}

static void a_profile_without_coverage_comes_back(void **state)
{
	(void)state;
	open_fleet("quectel-eg25", "iot-refresh-910b");
	FLEET_ORDER(&fleet, "enable", FLEET_NOWHERE, "--rollback");
	expect("rollback ok", FLEET_HOME);
}

/* 6985 to everything, and a module that notices nothing until its radio is switched off and on. */
static void a_locked_card_behind_a_deaf_module_is_used_again(void **state)
{
	(void)state;
	open_fleet("quectel-ec200a", "iot-silent-6985");
	FLEET_ORDER(&fleet, "enable", ICCID_B, "--rollback");
	expect("enable ok", ICCID_B);
}

static void an_eim_that_is_away_gets_its_result_later(void **state)
{
	(void)state;
	open_fleet("quectel-eg25", "iot");
	FLEET_ORDER(&fleet, "enable", ICCID_B, "--rollback");
	FLEET_EIM(&fleet, "fault", "http=503,on=result,count=1");
	expect("enable ok", ICCID_B);
}

/* Ten seeded moments of a switch, the daemon killed at each. */
static void killed_at_any_moment_it_reports_once_or_rolls_back(void **state)
{
	unsigned seed = 7;

	(void)state;
	open_fleet("quectel-eg25", "iot-refresh-910b");
	for (int i = 0; i < 10; i++) {
		FLEET_ORDER(&fleet, "enable", i % 2 ? FLEET_HOME : ICCID_B, "--rollback");
		seed = seed * 1103515245 + 12345;
		poll(NULL, 0, (int)(seed / 65536 % 5000));
		fleet_kill(fleet.daemon);
		fleet_start_daemon(&fleet);
		fleet_await_card(&fleet);
		/* Enabled or rolled back. */
		fleet_expect_result(&fleet, " ok", true);
	}
	fleet_close(&fleet);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(an_order_is_obeyed_and_its_result_verified),
		T(a_profile_without_coverage_comes_back),
		T(a_locked_card_behind_a_deaf_module_is_used_again),
		T(an_eim_that_is_away_gets_its_result_later),
		T(killed_at_any_moment_it_reports_once_or_rolls_back),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
