/*
 * Recipes: a table of steps under one driver. Each step starts exactly one request and judges its
 * answer; patience, retries, cancelling, progress and logging belong to the driver.
 *
 *     start(p)   begins the step's request. 0: under way; STEP_SKIP: nothing to do here;
 *                a negative errno: could not begin, the procedure fails.
 *     judge(p)   looks at what came. Called with p->answer set: its kind is CAUSE_NONE for an
 *                answer of any content, else why there is none. Where a step has tries left,
 *                TIMEOUT is retried by the driver; LINK_LOST and CANCELLED end the procedure.
 *
 * The owner embeds struct proc, sets finished and abandon once, and calls proc_answer() when the
 * request ends. finished() is called exactly once per start, from the event loop, with p->cause
 * telling how; after it the procedure may be started again or freed.
 */
#ifndef CORE_PROC_H
#define CORE_PROC_H

#include <stdbool.h>

#include "core/cause.h"
#include "core/ev.h"

struct proc;

enum step_verdict {
	STEP_NEXT,      /* done, go on */
	STEP_AGAIN,     /* the same step once more with the next piece: p->piece counts */
	STEP_RETRY,     /* the same piece once more, after the pause, if a try is left; else fail */
	STEP_FAIL,      /* proc_fail() has been called, or p->answer is the cause */
	STEP_FINISH,    /* done, and so is the whole procedure */
};

enum { STEP_SKIP = 1 };

struct step {
	const char *name;               /* never changes: it is in logs and journals */
	int (*start)(struct proc *p);
	enum step_verdict (*judge)(struct proc *p);
	unsigned patience_ms;           /* from the start of the request; 0: the request has its own */
	unsigned tries;                 /* 0 means 1 */
	unsigned pause_ms;              /* before another try */
};

struct proc {
	const char *name;               /* subject of its log lines */
	const struct step *steps;       /* ended by a step without name */
	void (*abandon)(struct proc *p);        /* drop the request in flight: no answer may follow */
	void (*finished)(struct proc *p);

	/* for the steps to read */
	unsigned piece;
	unsigned attempt;               /* 1 at the first */
	struct cause answer;
	struct cause cause;             /* CAUSE_NONE: succeeded */

	/* proc.c only */
	const struct step *now;
	struct ev_alarm alarm;
	struct ev_task task;
	unsigned state;
};

void proc_start(struct proc *p);
/* The request of the current step ended. NULL: with an answer. */
void proc_answer(struct proc *p, const struct cause *why);
/* From judge() or start(), before STEP_FAIL or the errno: names the cause. */
void proc_fail(struct proc *p, enum cause_kind kind, const char *from, int code);
/* Ends it with this cause, abandoning the request; finished() follows from the loop. */
void proc_cancel(struct proc *p, enum cause_kind kind);
/* Stops everything at once without calling finished(): for owners that go away. */
void proc_drop(struct proc *p);
bool proc_running(const struct proc *p);
/* The name of the current step; "" when not running. */
const char *proc_step(const struct proc *p);

#endif
