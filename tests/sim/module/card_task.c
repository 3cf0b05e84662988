#include "sim/module/card_task.h"

#include <string.h>

#include "sim/module/errors.h"
#include "sim/module/module.h"

static void on_answer(struct apdu_job *j, const uint8_t *answer, size_t n)
{
	struct port *p = container_of(j, struct port, job);
	unsigned sw = n < 2 ? 0 : (unsigned)answer[n - 2] << 8 | answer[n - 1];

	ev_alarm_stop(&p->task_limit);
	p->task.judge(p, answer, n < 2 ? 0 : n - 2, sw);
}

/* Some modules give up on a card that takes its time. */
static void on_limit(struct ev_alarm *a)
{
	struct port *p = container_of(a, struct port, task_limit);

	slot_drop(&p->m->slot, &p->job);
	port_end(p, END_ERROR);
}

void card_task_init(struct port *p)
{
	p->job.done = on_answer;
	p->task_limit.fired = on_limit;
}

void card_task_drop(struct port *p)
{
	ev_alarm_stop(&p->task_limit);
	slot_drop(&p->m->slot, &p->job);
}

void card_ask(struct port *p, const uint8_t *apdu, size_t n,
	      void (*judge)(struct port *p, const uint8_t *data, size_t n, unsigned sw))
{
	memcpy(p->job.apdu, apdu, n);
	p->job.n = n;
	p->task.judge = judge;
	if (p->task.wait_ms)
		ev_alarm_start(&p->task_limit, p->task.wait_ms);
	slot_submit(&p->m->slot, &p->job);
}

int card_refusal(const struct module *m)
{
	switch (m->slot.state) {
	case SLOT_READY:
		return END_OK;
	case SLOT_EMPTY:
		return END_CME(CME_NO_SIM);
	case SLOT_STARTING:
		return END_CME(CME_SIM_BUSY);
	case SLOT_PIN:
		return END_CME(CME_PIN);
	case SLOT_PUK:
		return END_CME(CME_PUK);
	case SLOT_RESTART:
		return END_CME(CME_NOT_SUPPORTED);
	case SLOT_OFF:
	case SLOT_NO_APP:
	case SLOT_FAILED:
	case _SLOT_STATE_MAX:
		break;
	}
	return END_CME(CME_SIM_FAILURE);
}
