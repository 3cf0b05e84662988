#include "core/proc.h"

#include <assert.h>
#include <errno.h>

#include "core/log.h"

enum proc_state {
	PROC_IDLE,
	PROC_STARTING,          /* the task will start the current step */
	PROC_EXPECT_ANSWER,
	PROC_JUDGING,           /* the task will judge the answer that came */
	PROC_PAUSING,           /* before another try */
	PROC_FINISHING,         /* the task will call finished() */
};

static void on_task(struct ev_task *t);
static void on_alarm(struct ev_alarm *a);

static void go(struct proc *p, enum proc_state state)
{
	p->state = state;
	ev_task_start(&p->task);
}

static void finish(struct proc *p)
{
	ev_alarm_stop(&p->alarm);
	go(p, PROC_FINISHING);
}

void proc_start(struct proc *p)
{
	assert(p->state == PROC_IDLE);
	p->task.run = on_task;
	p->alarm.fired = on_alarm;
	p->cause = p->answer = (struct cause){ 0 };
	p->now = p->steps;
	p->piece = 0;
	p->attempt = 1;
	go(p, PROC_STARTING);
}

void proc_fail(struct proc *p, enum cause_kind kind, const char *from, int code)
{
	cause_set(&p->cause, kind, from, code);
	if (!p->cause.step)
		p->cause.step = p->now->name;
}

/* The step's own answer becomes the cause unless the judge has named a better one. */
static void fail_with_answer(struct proc *p)
{
	if (cause_is_set(&p->answer))
		proc_fail(p, p->answer.kind, p->answer.from, p->answer.code);
	proc_fail(p, CAUSE_MALFORMED, p->name, -1);
	finish(p);
}

static void retry(struct proc *p)
{
	p->attempt++;
	log_debug(p->name, "%s: try %u", p->now->name, p->attempt);
	if (p->now->pause_ms) {
		p->state = PROC_PAUSING;
		ev_alarm_start(&p->alarm, p->now->pause_ms);
	} else {
		go(p, PROC_STARTING);
	}
}

static void next(struct proc *p)
{
	p->now++;
	p->piece = 0;
	p->attempt = 1;
	if (p->now->name)
		go(p, PROC_STARTING);
	else
		finish(p);
}

static void start_step(struct proc *p)
{
	int r;

	p->answer = (struct cause){ 0 };
	p->state = PROC_EXPECT_ANSWER;
	if (p->now->patience_ms)
		ev_alarm_start(&p->alarm, p->now->patience_ms);
	r = p->now->start(p);
	if (p->state != PROC_EXPECT_ANSWER)
		return;         /* it cancelled the procedure */
	if (r == STEP_SKIP) {
		ev_alarm_stop(&p->alarm);
		next(p);
	} else if (r < 0) {
		proc_fail(p, CAUSE_REFUSED, "us", -r);
		finish(p);
	}
}

static void judge(struct proc *p)
{
	unsigned tries = p->now->tries ? p->now->tries : 1;
	enum step_verdict verdict;

	if (p->answer.kind == CAUSE_LINK_LOST || p->answer.kind == CAUSE_CANCELLED) {
		fail_with_answer(p);
		return;
	}
	if (p->answer.kind == CAUSE_TIMEOUT && p->attempt < tries) {
		retry(p);
		return;
	}
	verdict = p->now->judge(p);
	if (p->state != PROC_JUDGING)
		return;         /* it cancelled the procedure */
	switch (verdict) {
	case STEP_NEXT:
		next(p);
		break;
	case STEP_AGAIN:
		p->piece++;
		p->attempt = 1;
		go(p, PROC_STARTING);
		break;
	case STEP_RETRY:
		if (p->attempt < tries)
			retry(p);
		else
			fail_with_answer(p);
		break;
	case STEP_FAIL:
		fail_with_answer(p);
		break;
	case STEP_FINISH:
		finish(p);
		break;
	}
}

static void on_task(struct ev_task *t)
{
	struct proc *p = container_of(t, struct proc, task);

	switch ((enum proc_state)p->state) {
	case PROC_STARTING:
		start_step(p);
		break;
	case PROC_JUDGING:
		judge(p);
		break;
	case PROC_FINISHING:
		p->state = PROC_IDLE;
		p->finished(p);
		break;
	case PROC_IDLE:
	case PROC_EXPECT_ANSWER:
	case PROC_PAUSING:
		break;
	}
}

static void on_alarm(struct ev_alarm *a)
{
	struct proc *p = container_of(a, struct proc, alarm);

	if (p->state == PROC_PAUSING) {
		go(p, PROC_STARTING);
		return;
	}
	p->abandon(p);
	proc_answer(p, &(struct cause){ .kind = CAUSE_TIMEOUT, .from = p->name, .code = -1 });
}

void proc_answer(struct proc *p, const struct cause *why)
{
	if (p->state != PROC_EXPECT_ANSWER)
		return;
	ev_alarm_stop(&p->alarm);
	p->answer = why ? *why : (struct cause){ 0 };
	go(p, PROC_JUDGING);
}

void proc_cancel(struct proc *p, enum cause_kind kind)
{
	if (p->state == PROC_IDLE || p->state == PROC_FINISHING)
		return;
	if (p->state == PROC_EXPECT_ANSWER)
		p->abandon(p);
	proc_fail(p, kind, kind == CAUSE_LINK_LOST ? "module" : "us", -1);
	finish(p);
}

void proc_drop(struct proc *p)
{
	if (p->state == PROC_EXPECT_ANSWER)
		p->abandon(p);
	ev_alarm_stop(&p->alarm);
	ev_task_stop(&p->task);
	p->state = PROC_IDLE;
}

bool proc_running(const struct proc *p)
{
	return p->state != PROC_IDLE;
}

const char *proc_step(const struct proc *p)
{
	return p->state != PROC_IDLE && p->now && p->now->name ? p->now->name : "";
}
