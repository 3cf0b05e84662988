#include "unit/fake_clock.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/util.h"
#include "unit/fake_ev.h"

#define SOCKETS_US 40
#define TIMERS_MAX 16

/* A timer of the kernel's that goes by our clock: to whoever waits for it, it looks alike. */
struct timer {
	struct ev_alarm alarm;
	int fd;                         /* what was given out; its owner closes it */
	int own;                        /* the same; 0: not used */
};

static bool is_open;
static uint64_t began_ms;               /* the system's clock, when ours was opened … */
static uint64_t start_ms;               /* … and what ours begins with */
static uint64_t dice;
static struct timer timers[TIMERS_MAX];

#define REAL(f) ((__typeof__(f) *)dlsym(RTLD_NEXT, #f))

/* --- what libc has ------------------------------------------------------------------------------ */

static uint64_t now_ms(void)
{
	return began_ms + ev_now_ms() - start_ms;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	uint64_t now;

	if (!is_open || (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC))
		return REAL(clock_gettime)(id, t);
	now = now_ms();
	*t = (struct timespec){ (time_t)(now / 1000), (long)(now % 1000 * 1000000) };
	return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	uint64_t now;

	if (!is_open)
		return REAL(gettimeofday)(t, zone);
	now = now_ms();
	*t = (struct timeval){ (time_t)(now / 1000), (suseconds_t)(now % 1000 * 1000) };
	return 0;
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	uint8_t *p = buf;

	if (!is_open)
		return REAL(getrandom)(buf, n, flags);
	for (size_t k = 0; k < n; k++) {
		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		p[k] = (uint8_t)(dice >> 24);
	}
	return (ssize_t)n;
}

static void on_due(struct ev_alarm *a)
{
	struct timer *t = container_of(a, struct timer, alarm);
	uint64_t one = 1;

	(void)!write(t->own, &one, sizeof(one));
}

static struct timer *find(int fd)
{
	for (size_t k = 0; k < TIMERS_MAX; k++)
		if (timers[k].own && timers[k].fd == fd)
			return &timers[k];
	return NULL;
}

static void forget(struct timer *t)
{
	ev_alarm_stop(&t->alarm);
	close(t->own);
	*t = (struct timer){ .own = 0 };
}

int timerfd_create(int id, int flags)
{
	struct timer *t;
	int fd;

	if (!is_open)
		return REAL(timerfd_create)(id, flags);
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* One of this number has been closed since. */
	t = find(fd);
	if (t)
		forget(t);
	for (size_t k = 0; k < TIMERS_MAX && fd >= 0; k++) {
		if (timers[k].own)
			continue;
		timers[k] = (struct timer){ .alarm.fired = on_due, .fd = fd, .own = dup(fd) };
		return fd;
	}
	close(fd);
	errno = EMFILE;
	return -1;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *v, struct itimerspec *old)
{
	struct timer *t = find(fd);
	uint64_t us = (uint64_t)v->it_value.tv_sec * 1000000 + (uint64_t)(v->it_value.tv_nsec + 999) / 1000;

	if (!t)
		return REAL(timerfd_settime)(fd, flags, v, old);
	/* No more than what libcoap wants of it. */
	assert(!flags && !old && !v->it_interval.tv_sec && !v->it_interval.tv_nsec);
	ev_alarm_stop(&t->alarm);
	if (us)
		ev_alarm_start(&t->alarm, (unsigned)((us + 999) / 1000));
	return 0;
}

/* --- what tests have ---------------------------------------------------------------------------- */

void fake_clock_open(void)
{
	struct timespec t;

	assert(REAL(clock_gettime)(CLOCK_REALTIME, &t) == 0);
	began_ms = (uint64_t)t.tv_sec * 1000;
	start_ms = ev_now_ms();
	dice = 1;
	is_open = true;
	/* Else each of these waits takes longer by more than it is long. */
	prctl(PR_SET_TIMERSLACK, 1);
	fake_ev_wait_for_sockets(SOCKETS_US);
}

void fake_clock_reset(uint64_t seed)
{
	for (size_t k = 0; k < TIMERS_MAX; k++)
		if (timers[k].own)
			forget(&timers[k]);
	fake_ev_reset();
	start_ms = ev_now_ms();
	dice = seed * 0x9e3779b97f4a7c15u | 1;
}
