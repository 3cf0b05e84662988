/*
 * core/ev.h with a virtual clock, for tests. Time stands still while anything can run and jumps
 * to the next alarm when nothing can. Watches are honoured for real descriptors with poll(0).
 */
#ifndef TESTS_UNIT_FAKE_EV_H
#define TESTS_UNIT_FAKE_EV_H

#include <stdbool.h>
#include <stdint.h>

/* Runs tasks, ready descriptors and due alarms for this much virtual time. */
void fake_ev_run(unsigned ms);
/* Runs until nothing is left to do without time passing. */
void fake_ev_settle(void);
/* Runs until the condition holds; false: the virtual time limit was reached first. */
bool fake_ev_until(bool (*cond)(void *arg), void *arg, unsigned limit_ms);
/* How many alarms, tasks and watches are active: a leak check for the end of a test. */
unsigned fake_ev_active(void);
/*
 * With sockets of other processes' or the kernel's, where what is sent is not there at once: so long is
 * waited before the clock jumps, if any descriptor was ready since it did. 0: not at all.
 */
void fake_ev_wait_for_sockets(unsigned us);
/* So much time passes whenever somebody looks at ev_now_us(), within a millisecond. 0 at first. */
extern unsigned fake_ev_look_us;
/* Forgets everything, clock at start. */
void fake_ev_reset(void);

#endif
