/* The time where the system has none. */
#include "support/test.h"

#include "net/clock.h"

static time_t unset(void)
{
	return 3600;
}

static time_t set(void)
{
	return NET_CLOCK_FLOOR + 86400;
}

static void without_any_clock_nobody_knows(void **state)
{
	(void)state;
	net_clock_set_system(unset);
	assert_false(net_clock_system_is_set());
	assert_true(net_clock_now() < NET_CLOCK_FLOOR);
	net_clock_learn(1000);
	assert_true(net_clock_now() < NET_CLOCK_FLOOR);
}

static void the_modules_clock_stands_in(void **state)
{
	time_t t = NET_CLOCK_FLOOR + 1000000;

	(void)state;
	net_clock_set_system(unset);
	net_clock_learn(t);
	assert_in_range(net_clock_now(), t, t + 2);
}

static void the_systems_clock_counts_where_it_is_set(void **state)
{
	(void)state;
	net_clock_set_system(set);
	net_clock_learn(NET_CLOCK_FLOOR + 1000000);
	assert_int_equal(net_clock_now(), NET_CLOCK_FLOOR + 86400);
	net_clock_set_system(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_any_clock_nobody_knows),
		cmocka_unit_test(the_modules_clock_stands_in),
		cmocka_unit_test(the_systems_clock_counts_where_it_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
