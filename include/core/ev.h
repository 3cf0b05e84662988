/*
 * The event loop: one per process, one thread. File descriptors, alarms and tasks are embedded in
 * their owner, who sets the callback once and finds itself by container_of. Callbacks run from
 * ev_main(), never from inside a call made here; in a callback everything is legal: starting,
 * stopping and freeing any handle, including the one that fired.
 *
 * A handle must be zeroed before its first use and stopped before its memory goes away; stopping
 * a handle that is not active is fine.
 *
 * Tests link tests/unit/fake_ev.c instead: same contract, virtual clock.
 */
#ifndef CORE_EV_H
#define CORE_EV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"

/* Room for the library's own watcher, so that nobody but ev.c sees it. */
union ev_store {
	void *p[8];
	uint64_t u[8];
};

enum {
	EV_IN = 1,      /* readable, hung up or broken: read() tells which */
	EV_OUT = 2,     /* writable */
};

struct ev_watch {
	void (*ready)(struct ev_watch *w, unsigned what);
	/* ev only */
	union ev_store store;
	int fd;
	unsigned what;
	bool active;
};

struct ev_alarm {
	void (*fired)(struct ev_alarm *a);
	/* ev only */
	union ev_store store;
	struct list_node node;
	uint64_t due_ms;
	bool active;
};

/* Runs once, as soon as the loop comes round: how completions leave the call that caused them. */
struct ev_task {
	void (*run)(struct ev_task *t);
	/* ev only */
	struct list_node node;
	bool active;
};

struct ev_catch {
	void (*caught)(struct ev_catch *c);
	/* ev only */
	union ev_store store;
	bool active;
};

/* -ENOSYS: the kernel offers nothing to wait with. */
int ev_open(void);
void ev_close(void);

/* Returns after ev_quit(). */
void ev_main(void);
void ev_quit(void);

/* Watching another set of conditions restarts the watch; 0 stops it. */
void ev_watch_start(struct ev_watch *w, int fd, unsigned what);
void ev_watch_stop(struct ev_watch *w);

/* Setting an active alarm moves it. Alarms fire once. */
void ev_alarm_start(struct ev_alarm *a, unsigned ms);
/* For the clock of a wire. How fine it is, the kernel's way of waiting decides; never too early. */
void ev_alarm_start_us(struct ev_alarm *a, unsigned us);
void ev_alarm_stop(struct ev_alarm *a);

/* Starting an active task changes nothing. Tasks run in the order in which they were started. */
void ev_task_start(struct ev_task *t);
void ev_task_stop(struct ev_task *t);

/* A signal, delivered from the loop. */
void ev_catch_start(struct ev_catch *c, int signo);
void ev_catch_stop(struct ev_catch *c);

/* Milliseconds of a clock that only goes forward. */
uint64_t ev_now_ms(void);
uint64_t ev_now_us(void);

/* By how much the oldest alarm is late: the health of the loop, for the service watchdog. */
uint64_t ev_overdue_ms(void);

#endif
