#include "sim/module/pacer.h"

#include <string.h>

#include "core/util.h"

/*
 * Time is counted in microseconds times baud, so that nothing is ever rounded: an octet of ten
 * bits (8N1) takes this much of it at any speed.
 */
#define OCTET 10000000ull

static uint64_t now(const struct pacer *p)
{
	return ev_now_us() * p->baud;
}

/* What is delivered in one go: a millisecond's worth, as from the FIFO of a UART, or all there is. */
static size_t group(const struct pacer *p)
{
	return MIN(p->queue.len, MAX((size_t)p->baud / 10000, (size_t)1));
}

static void rearm(struct pacer *p)
{
	uint64_t due, us, at;

	if (p->queue.len == 0 || p->held)
		return;
	/* Looked at once: it goes on between two looks. */
	at = now(p);
	due = p->since + group(p) * OCTET;
	us = !p->baud || due <= at ? 0 : (due - at + p->baud - 1) / p->baud;
	ev_alarm_start_us(&p->tick, (unsigned)us);
}

static void flush_due(struct pacer *p)
{
	uint8_t out[PACER_CAP];
	size_t n = p->queue.len;
	/* Once: MIN() would look at the clock a second time, and find one more. */
	uint64_t due = (now(p) - p->since) / OCTET;

	if (p->baud && due < n)
		n = (size_t)due;
	if (n == 0 || p->held)
		return;
	memcpy(out, buf_data(&p->queue), n);
	buf_drop(&p->queue, n);
	p->since += n * OCTET;
	p->deliver(p, out, n);
}

static void on_tick(struct ev_alarm *a)
{
	struct pacer *p = container_of(a, struct pacer, tick);

	flush_due(p);
	if (!p->tick.active)
		rearm(p);
}

void pacer_init(struct pacer *p, unsigned baud)
{
	p->queue = BUF_ON(p->store);
	p->tick.fired = on_tick;
	p->baud = baud;
}

void pacer_clear(struct pacer *p)
{
	ev_alarm_stop(&p->tick);
	buf_clear(&p->queue);
	p->held = false;
}

void pacer_set_baud(struct pacer *p, unsigned baud)
{
	ev_alarm_stop(&p->tick);
	p->baud = baud;
	p->since = now(p);
	if (p->queue.len)
		ev_alarm_start(&p->tick, 0);
}

void pacer_hold(struct pacer *p, bool on)
{
	if (p->held == on)
		return;
	p->held = on;
	ev_alarm_stop(&p->tick);
	p->since = now(p);
	if (!on && p->queue.len)
		ev_alarm_start(&p->tick, 0);
}

size_t pacer_put(struct pacer *p, const void *data, size_t n)
{
	size_t taken = MIN(n, buf_room(&p->queue));

	if (p->baud == 0 && p->queue.len == 0 && !p->held) {
		p->deliver(p, data, n);
		return 0;
	}
	if (taken == 0)
		return n;
	if (p->queue.len == 0)
		p->since = now(p);
	buf_put(&p->queue, data, taken);
	if (!p->tick.active)
		rearm(p);
	return n - taken;
}
