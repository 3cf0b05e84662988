/*
 * What time it is, for the dates of certificates. A gateway may boot in 1970: then the module's
 * clock, which has it from the network, stands in for the system's. The system's is not set.
 */
#ifndef NET_CLOCK_H
#define NET_CLOCK_H

#include <stdbool.h>
#include <time.h>

/* Before this project existed: a clock that stands there has not been set. */
#define NET_CLOCK_FLOOR 1735689600 /* 2025-01-01 */

/* The system's clock has been set. */
bool net_clock_system_is_set(void);
/* From the module, UTC. Times before the floor are not believed. */
void net_clock_learn(time_t now);
/* The system's time where it is set, else what was learned; before the floor: nobody knows. */
time_t net_clock_now(void);

/* Tests: another system clock; NULL: the real one. */
void net_clock_set_system(time_t (*system)(void));

#endif
