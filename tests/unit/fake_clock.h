/*
 * The virtual clock of fake_ev.h for libraries that look at the system's by themselves, so that their
 * retransmissions go by it, too: what libc has for that is replaced in a program that fake_clock.o is
 * linked into. Until it is opened everything is as usual.
 *
 * Random numbers are replaced with it: those that libraries draw are the same in each run then.
 */
#ifndef TESTS_UNIT_FAKE_CLOCK_H
#define TESTS_UNIT_FAKE_CLOCK_H

#include <stdint.h>

/* From now on. Sockets are given some time before the clock jumps: what is sent arrives first. */
void fake_clock_open(void);
/* In place of fake_ev_reset(): all clocks and the loop begin anew. Nothing of libraries may be open. */
void fake_clock_reset(uint64_t seed);

#endif
