#include "net/clock.h"

static time_t (*system_source)(void);
static time_t learned, learned_at;      /* and what a clock that only rises showed then */

static time_t system_now(void)
{
	return system_source ? system_source() : time(NULL);
}

static time_t rising(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

bool net_clock_system_is_set(void)
{
	return system_now() >= NET_CLOCK_FLOOR;
}

void net_clock_learn(time_t now)
{
	if (now < NET_CLOCK_FLOOR)
		return;
	learned = now;
	learned_at = rising();
}

time_t net_clock_now(void)
{
	if (net_clock_system_is_set() || !learned)
		return system_now();
	return learned + (rising() - learned_at);
}

void net_clock_set_system(time_t (*system)(void))
{
	system_source = system;
}
