/*
 * core/ev.h on libev. The library's watchers live in the handles' stores; nobody else includes
 * its header, so a test can put another ev.c in this one's place.
 */
#include "core/ev.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <time.h>

_Static_assert(sizeof(struct ev_io) <= sizeof(union ev_store), "ev_store is too small");
_Static_assert(sizeof(struct ev_timer) <= sizeof(union ev_store), "ev_store is too small");
_Static_assert(sizeof(struct ev_signal) <= sizeof(union ev_store), "ev_store is too small");

static struct ev_loop *loop;
static struct list_node alarms = { &alarms, &alarms };
static struct list_node tasks = { &tasks, &tasks };
static struct ev_idle idle;     /* active while a task waits, so that the loop does not sleep */
static struct ev_check check;

static void run_tasks(struct ev_loop *l, struct ev_check *w, int revents)
{
	struct list_node due;
	struct ev_task *t;

	(void)l, (void)w, (void)revents;
	list_init(&due);
	list_move_all(&due, &tasks);
	ev_idle_stop(loop, &idle);
	/* One that is started here runs in the next round: a task that restarts itself starves nobody. */
	while ((t = list_first(&due, struct ev_task, node))) {
		list_del(&t->node);
		t->active = false;
		t->run(t);
	}
}

static void on_idle(struct ev_loop *l, struct ev_idle *w, int revents)
{
	(void)l, (void)w, (void)revents;
}

int ev_open(void)
{
	assert(!loop);
	loop = ev_default_loop(EVFLAG_AUTO);
	if (!loop)
		return -ENOSYS;
	ev_idle_init(&idle, on_idle);
	ev_check_init(&check, run_tasks);
	ev_check_start(loop, &check);
	ev_unref(loop);
	return 0;
}

void ev_close(void)
{
	if (!loop)
		return;
	ev_ref(loop);
	/* One that is left active would keep the next loop from ever sleeping. */
	ev_idle_stop(loop, &idle);
	ev_check_stop(loop, &check);
	ev_loop_destroy(loop);
	loop = NULL;
}

void ev_main(void)
{
	ev_run(loop, 0);
}

void ev_quit(void)
{
	ev_break(loop, EVBREAK_ALL);
}

static void on_io(struct ev_loop *l, struct ev_io *io, int revents)
{
	struct ev_watch *w = io->data;

	(void)l;
	w->ready(w, (revents & EV_READ ? EV_IN : 0) | (revents & EV_WRITE ? EV_OUT : 0));
}

void ev_watch_start(struct ev_watch *w, int fd, unsigned what)
{
	struct ev_io *io = (struct ev_io *)&w->store;

	if (w->active && w->fd == fd && w->what == what)
		return;
	ev_watch_stop(w);
	if (!what)
		return;
	ev_io_init(io, on_io, fd, (what & EV_IN ? EV_READ : 0) | (what & EV_OUT ? EV_WRITE : 0));
	io->data = w;
	w->fd = fd;
	w->what = what;
	w->active = true;
	ev_io_start(loop, io);
}

void ev_watch_stop(struct ev_watch *w)
{
	if (!w->active)
		return;
	w->active = false;
	ev_io_stop(loop, (struct ev_io *)&w->store);
}

static void on_timer(struct ev_loop *l, struct ev_timer *timer, int revents)
{
	struct ev_alarm *a = timer->data;

	(void)l, (void)revents;
	list_del(&a->node);
	a->active = false;
	a->fired(a);
}

static void start_alarm(struct ev_alarm *a, double seconds, uint64_t ms)
{
	struct ev_timer *timer = (struct ev_timer *)&a->store;

	ev_alarm_stop(a);
	/* The loop's idea of now may be as old as the callback we are in: due times count from it. */
	ev_now_update(loop);
	ev_timer_init(timer, on_timer, seconds, 0);
	timer->data = a;
	a->due_ms = ev_now_ms() + ms;
	a->active = true;
	list_add(&alarms, &a->node);
	ev_timer_start(loop, timer);
}

void ev_alarm_start(struct ev_alarm *a, unsigned ms)
{
	start_alarm(a, ms / 1e3, ms);
}

void ev_alarm_start_us(struct ev_alarm *a, unsigned us)
{
	start_alarm(a, us / 1e6, us / 1000);
}

void ev_alarm_stop(struct ev_alarm *a)
{
	if (!a->active)
		return;
	a->active = false;
	list_del(&a->node);
	ev_timer_stop(loop, (struct ev_timer *)&a->store);
}

void ev_task_start(struct ev_task *t)
{
	if (t->active)
		return;
	t->active = true;
	list_add(&tasks, &t->node);
	if (!ev_is_active(&idle))
		ev_idle_start(loop, &idle);
}

void ev_task_stop(struct ev_task *t)
{
	if (!t->active)
		return;
	t->active = false;
	list_del(&t->node);
}

static void on_signal(struct ev_loop *l, struct ev_signal *sig, int revents)
{
	struct ev_catch *c = sig->data;

	(void)l, (void)revents;
	c->caught(c);
}

void ev_catch_start(struct ev_catch *c, int signo)
{
	struct ev_signal *sig = (struct ev_signal *)&c->store;

	ev_catch_stop(c);
	ev_signal_init(sig, on_signal, signo);
	sig->data = c;
	c->active = true;
	ev_signal_start(loop, sig);
}

void ev_catch_stop(struct ev_catch *c)
{
	if (!c->active)
		return;
	c->active = false;
	ev_signal_stop(loop, (struct ev_signal *)&c->store);
}

uint64_t ev_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t ev_now_ms(void)
{
	return ev_now_us() / 1000;
}

uint64_t ev_overdue_ms(void)
{
	uint64_t now = ev_now_ms(), worst = 0;
	struct ev_alarm *a;

	list_for_each (a, &alarms, node)
		if (now > a->due_ms && now - a->due_ms > worst)
			worst = now - a->due_ms;
	return worst;
}
