#include "unit/fake_ev.h"

#include <assert.h>
#include <poll.h>
#include <time.h>

#include "core/ev.h"

#define MAX_WATCHES 256
#define START_MS 1000000

static uint64_t now_ms = START_MS;
static struct list_node alarms = { &alarms, &alarms };
static struct list_node tasks = { &tasks, &tasks };
static struct ev_watch *watches[MAX_WATCHES];
static bool quit;
static unsigned sockets_us;
static bool touched;                    /* a descriptor was ready since the clock has jumped */

int ev_open(void)
{
	return 0;
}

void ev_close(void)
{
}

void ev_quit(void)
{
	quit = true;
}

void ev_watch_start(struct ev_watch *w, int fd, unsigned what)
{
	ev_watch_stop(w);
	if (!what)
		return;
	w->fd = fd;
	w->what = what;
	for (unsigned i = 0; i < MAX_WATCHES; i++) {
		if (!watches[i]) {
			watches[i] = w;
			w->active = true;
			return;
		}
	}
	assert(!"too many watches");
}

void ev_watch_stop(struct ev_watch *w)
{
	w->active = false;
	for (unsigned i = 0; i < MAX_WATCHES; i++)
		if (watches[i] == w)
			watches[i] = NULL;
}

void ev_alarm_start(struct ev_alarm *a, unsigned ms)
{
	struct ev_alarm *other;

	ev_alarm_stop(a);
	a->due_ms = now_ms + ms;
	a->active = true;
	list_for_each (other, &alarms, node)
		if (other->due_ms > a->due_ms)
			break;
	list_add(&other->node, &a->node);
}

void ev_alarm_stop(struct ev_alarm *a)
{
	if (!a->active)
		return;
	a->active = false;
	list_del(&a->node);
}

void ev_task_start(struct ev_task *t)
{
	if (t->active)
		return;
	t->active = true;
	list_add(&tasks, &t->node);
}

void ev_task_stop(struct ev_task *t)
{
	if (!t->active)
		return;
	t->active = false;
	list_del(&t->node);
}

void ev_catch_start(struct ev_catch *c, int signo)
{
	(void)signo;
	c->active = true;
}

void ev_catch_stop(struct ev_catch *c)
{
	c->active = false;
}

void ev_alarm_start_us(struct ev_alarm *a, unsigned us)
{
	ev_alarm_start(a, (us + 999) / 1000);
}

unsigned fake_ev_look_us;
static unsigned looks;

uint64_t ev_now_us(void)
{
	return ev_now_ms() * 1000 + MIN(looks++ * fake_ev_look_us, 999u);
}

uint64_t ev_now_ms(void)
{
	return now_ms;
}

uint64_t ev_overdue_ms(void)
{
	return 0;
}

static struct pollfd poll_of(const struct ev_watch *w)
{
	return (struct pollfd){ w->fd, (short)((w->what & EV_IN ? POLLIN : 0) | (w->what & EV_OUT ? POLLOUT : 0)), 0 };
}

/* What of it is ready; 0: nothing. */
static unsigned look(const struct ev_watch *w)
{
	struct pollfd p = poll_of(w);

	if (poll(&p, 1, 0) <= 0)
		return 0;
	return w->what & ((p.revents & ~POLLOUT ? EV_IN : 0) | (p.revents & POLLOUT ? EV_OUT : 0));
}

/* Those that may be ready, all at once: they are looked at again in their turn. */
static nfds_t look_at_all(struct pollfd p[MAX_WATCHES], const struct timespec *patience)
{
	nfds_t n = 0;

	for (unsigned i = 0; i < MAX_WATCHES; i++) {
		p[i] = watches[i] ? poll_of(watches[i]) : (struct pollfd){ .fd = -1 };
		if (watches[i])
			n = i + 1;
	}
	return ppoll(p, n, patience, NULL) > 0 ? n : 0;
}

static bool run_watches(void)
{
	static const struct timespec at_once;
	struct pollfd p[MAX_WATCHES];
	nfds_t n = look_at_all(p, &at_once);
	bool any = false;

	for (nfds_t i = 0; i < n; i++) {
		struct ev_watch *w = watches[i];
		unsigned what = w && p[i].revents ? look(w) : 0;

		if (!what)
			continue;
		w->ready(w, what);
		any = true;
	}
	touched |= any;
	return any;
}

static bool run_tasks(void)
{
	struct list_node due;
	struct ev_task *t;
	bool any = false;

	list_init(&due);
	list_move_all(&due, &tasks);
	while ((t = list_first(&due, struct ev_task, node))) {
		list_del(&t->node);
		t->active = false;
		t->run(t);
		any = true;
	}
	return any;
}

static bool run_alarm(void)
{
	struct ev_alarm *a = list_first(&alarms, struct ev_alarm, node);

	if (!a || a->due_ms > now_ms)
		return false;
	list_del(&a->node);
	a->active = false;
	a->fired(a);
	return true;
}

static bool step(void)
{
	bool any = run_tasks();

	any |= run_watches();
	any |= run_alarm();
	return any;
}

/* A loop that never comes to rest at one instant is a bug in what is tested. */
static void settle(void)
{
	for (unsigned n = 0; step(); n++)
		assert(n < 1000000 && "the loop does not come to rest");
}

/* True: something has come by waiting for it. */
static bool wait_for_sockets(void)
{
	struct timespec patience = { .tv_nsec = (long)sockets_us * 1000 };
	struct pollfd p[MAX_WATCHES];

	if (!touched || !sockets_us)
		return false;
	touched = false;
	return look_at_all(p, &patience) > 0;
}

/* Moves the clock to the next alarm, at most to the limit. False: the limit is reached. */
static bool jump(uint64_t limit)
{
	struct ev_alarm *a = list_first(&alarms, struct ev_alarm, node);

	if (wait_for_sockets())
		return true;
	looks = 0;
	if (!a || a->due_ms > limit) {
		now_ms = limit;
		return false;
	}
	if (a->due_ms > now_ms)
		now_ms = a->due_ms;
	return true;
}

void fake_ev_wait_for_sockets(unsigned us)
{
	sockets_us = us;
}

void fake_ev_settle(void)
{
	settle();
}

void fake_ev_run(unsigned ms)
{
	uint64_t limit = now_ms + ms;

	settle();
	while (jump(limit))
		settle();
}

bool fake_ev_until(bool (*cond)(void *arg), void *arg, unsigned limit_ms)
{
	uint64_t limit = now_ms + limit_ms;

	for (;;) {
		while (!cond(arg))
			if (!step())
				break;
		if (cond(arg))
			return true;
		if (!jump(limit))
			return false;
	}
}

void ev_main(void)
{
	quit = false;
	while (!quit) {
		settle();
		if (quit || !jump(UINT64_MAX))
			return;
	}
}

unsigned fake_ev_active(void)
{
	struct list_node *n;
	unsigned count = 0;

	for (n = alarms.next; n != &alarms; n = n->next)
		count++;
	for (n = tasks.next; n != &tasks; n = n->next)
		count++;
	for (unsigned i = 0; i < MAX_WATCHES; i++)
		count += watches[i] != NULL;
	return count;
}

void fake_ev_reset(void)
{
	list_init(&alarms);
	list_init(&tasks);
	for (unsigned i = 0; i < MAX_WATCHES; i++)
		watches[i] = NULL;
	now_ms = START_MS;
	fake_ev_look_us = looks = 0;
}
