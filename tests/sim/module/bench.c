#include "sim/module/bench.h"

#include <string.h>

#include "core/log.h"
#include "core/util.h"

/* A host that sets speed 0 drops DTR: seen by looking, nothing tells. */
#define LOOK_MS 100
/* A mux's next frame is taken when no more than two milliseconds are left of those before it, or this. */
#define MUX_AHEAD 16

/* --- octets --------------------------------------------------------------------------------------- */

/* What a receiver at another speed makes of it. */
static void spoil(struct bench *b, uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(data[i] ^ (0x80 | rng_below(&b->module.rng, 128)));
}

static bool speeds_differ(const struct bench *b)
{
	return b->strict_speed && b->baud && pty_speed(&b->pty) != b->baud;
}

/* With flow control the module takes no more from a host that does not take what it gets. */
static void throttle(struct bench *b)
{
	size_t room = pacer_room(&b->to_host);

	if (room < PACER_CAP / 2 && pty_flow_control(&b->pty))
		pacer_hold(&b->from_host, true);
	else if (room > PACER_CAP * 3 / 4)
		pacer_hold(&b->from_host, false);
	host_resume(&b->host);
}

static void on_to_host(struct pacer *p, const uint8_t *data, size_t n)
{
	struct bench *b = container_of(p, struct bench, to_host);
	uint8_t copy[PACER_CAP];

	log_wire("module", '>', data, n);
	if (!speeds_differ(b)) {
		pty_write(&b->pty, data, n);
	} else {
		memcpy(copy, data, MIN(n, sizeof(copy)));
		spoil(b, copy, MIN(n, sizeof(copy)));
		pty_write(&b->pty, copy, MIN(n, sizeof(copy)));
	}
	if (pty_blocked(&b->pty))
		pacer_hold(p, true);
	throttle(b);
}

static void on_drained(struct pty *p)
{
	pacer_hold(&container_of(p, struct bench, pty)->to_host, false);
}

static void on_from_host(struct pacer *p, const uint8_t *data, size_t n)
{
	struct bench *b = container_of(p, struct bench, from_host);
	uint8_t copy[PACER_CAP];

	n = MIN(n, sizeof(copy));
	memcpy(copy, data, n);
	if (speeds_differ(b))
		spoil(b, copy, n);
	log_wire("module", '<', copy, n);
	pty_resume(&b->pty);
	host_feed(&b->host, copy, n);
}

static void on_received(struct pty *p, const void *data, size_t n)
{
	pacer_put(&container_of(p, struct bench, pty)->from_host, data, n);
}

static size_t room_for_host(struct pty *p)
{
	return pacer_room(&container_of(p, struct bench, pty)->from_host);
}

static void on_host_write(struct host *h, const void *data, size_t n)
{
	struct bench *b = container_of(h, struct bench, host);
	size_t lost = pacer_put(&b->to_host, data, n);

	if (lost)
		log_warning("module", "%zu octets lost: the line cannot take them", lost);
	throttle(b);
}

/* Frames leave a module's hand late: what it is asked to stop is not on its way already. */
static size_t room_to_host(struct host *h)
{
	const struct bench *b = container_of(h, struct bench, host);
	size_t queued = PACER_CAP - pacer_room(&b->to_host);

	return queued < MAX(MUX_AHEAD, b->baud / 5000) ? PACER_CAP / 2 : 0;
}

/* --- the host leaves ------------------------------------------------------------------------------ */

void bench_hang_up_data(struct bench *b)
{
	for (unsigned i = 0; i < b->module.ports_n; i++)
		port_leave_data(b->module.ports[i], "NO CARRIER");
}

/* Closing the port or setting speed 0 drops DTR; &D2 hangs up, except where data mode sticks. */
static void on_look(struct ev_alarm *a)
{
	struct bench *b = container_of(a, struct bench, look);
	bool dtr = b->pty.opened && pty_speed(&b->pty) != 0;

	if (!dtr && (pty_speed(&b->pty) == 0 || !b->module.persona->data_sticks))
		bench_hang_up_data(b);
	ev_alarm_start(&b->look, LOOK_MS);
}

/* --- plug ----------------------------------------------------------------------------------------- */

static void drop_line(struct bench *b)
{
	ev_alarm_stop(&b->look);
	pty_unplug(&b->pty);
	pacer_clear(&b->to_host);
	pacer_clear(&b->from_host);
}

static int make_line(struct bench *b, char why[PTY_WHY_MAX])
{
	int r = pty_plug(&b->pty, why);

	if (r == 0)
		ev_alarm_start(&b->look, LOOK_MS);
	return r;
}

int bench_plug(struct bench *b, char why[PTY_WHY_MAX])
{
	int r;

	ev_alarm_stop(&b->replug);
	b->unplugged = false;
	if (b->pty.fd >= 0)
		return 0;
	r = make_line(b, why);
	if (r == 0 && !b->start_off)
		module_power_on(&b->module);
	return r;
}

void bench_unplug(struct bench *b)
{
	ev_alarm_stop(&b->replug);
	b->unplugged = true;
	drop_line(b);
	module_power_off(&b->module);
}

/* The port alone goes and comes; the module goes on. */
static void on_hang_up(struct module *m, unsigned ms)
{
	struct bench *b = container_of(m, struct bench, module);

	if (b->unplugged)
		return;
	drop_line(b);
	ev_alarm_start(&b->replug, ms);
}

static void on_replug(struct ev_alarm *a)
{
	struct bench *b = container_of(a, struct bench, replug);
	char why[PTY_WHY_MAX];

	if (make_line(b, why) < 0)
		log_error("module", "%s", why);
}

void bench_set_baud(struct bench *b, unsigned baud)
{
	b->baud = baud;
	pacer_set_baud(&b->to_host, baud);
	pacer_set_baud(&b->from_host, baud);
}

/* +IPR: only a line that has a speed gets another one. */
static void on_set_baud(struct module *m, unsigned baud)
{
	struct bench *b = container_of(m, struct bench, module);

	if (b->baud)
		bench_set_baud(b, baud);
}

/* --- life ----------------------------------------------------------------------------------------- */

void bench_init(struct bench *b, const struct persona *persona, const struct module_options *o)
{
	b->pty.fd = b->pty.notify = -1;
	b->pty.received = on_received;
	b->pty.room = room_for_host;
	b->pty.drained = on_drained;
	b->to_host.deliver = on_to_host;
	b->from_host.deliver = on_from_host;
	b->replug.fired = on_replug;
	b->look.fired = on_look;
	pacer_init(&b->to_host, b->baud);
	pacer_init(&b->from_host, b->baud);
	module_init(&b->module, persona, o);
	b->module.hang_up = on_hang_up;
	b->module.set_baud = on_set_baud;
	b->host.write = on_host_write;
	b->host.room = room_to_host;
	host_init(&b->host, &b->module);
}

void bench_stop(struct bench *b)
{
	ev_alarm_stop(&b->replug);
	drop_line(b);
	host_stop(&b->host);
	module_stop(&b->module);
}
