#include "sim/module/pacer.h"

#include <string.h>

#include "core/util.h"

#define BITS_PER_OCTET 10       /* 8N1 */

static uint64_t octet_time_us(const struct pacer *p, size_t octets)
{
	return (uint64_t)octets * BITS_PER_OCTET * 1000000 / p->baud;
}

static void rearm(struct pacer *p)
{
	uint64_t due_us, now_us = ev_now_ms() * 1000;

	if (p->queue.len == 0)
		return;
	due_us = p->since_us + octet_time_us(p, 1);
	ev_alarm_start(&p->tick, due_us <= now_us ? 0 : (unsigned)((due_us - now_us + 999) / 1000));
}

static void flush_due(struct pacer *p)
{
	uint64_t now_us = ev_now_ms() * 1000;
	uint8_t out[PACER_CAP];
	size_t n = p->queue.len;

	if (p->baud)
		n = MIN(n, (size_t)((now_us - p->since_us) * p->baud / (BITS_PER_OCTET * 1000000ull)));
	if (n == 0)
		return;
	memcpy(out, buf_data(&p->queue), n);
	buf_drop(&p->queue, n);
	if (p->baud)
		p->since_us += octet_time_us(p, n);
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
}

void pacer_set_baud(struct pacer *p, unsigned baud)
{
	ev_alarm_stop(&p->tick);
	p->baud = baud;
	p->since_us = ev_now_ms() * 1000;
	if (p->queue.len)
		ev_alarm_start(&p->tick, 0);
}

size_t pacer_put(struct pacer *p, const void *data, size_t n)
{
	size_t taken = MIN(n, buf_room(&p->queue));

	if (p->baud == 0 && p->queue.len == 0) {
		p->deliver(p, data, n);
		return 0;
	}
	if (taken == 0)
		return n;
	if (p->queue.len == 0)
		p->since_us = ev_now_ms() * 1000;
	buf_put(&p->queue, data, taken);
	if (!p->tick.active)
		rearm(p);
	return n - taken;
}
