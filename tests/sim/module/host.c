#include "sim/module/host.h"

#include <string.h>

#include "core/log.h"
#include "core/util.h"

/* Flags, address, control, length, check. */
#define FRAME_EXTRA 7

static struct host *host_of(struct module *m)
{
	return m->host;
}

/* --- channels ------------------------------------------------------------------------------------- */

static unsigned number_of(const struct host_channel *c)
{
	return (unsigned)(c - c->host->channels) + 1;
}

/* One frame of it; false: there is none, or it cannot leave now. */
static bool send_frame(struct host_channel *c)
{
	struct host *h = c->host;
	size_t n = MIN(c->backlog.len, (size_t)h->mux.n1);
	uint8_t piece[MUX_INFO];

	if (!c->open || !n || (h->room && h->room(h) < n + FRAME_EXTRA))
		return false;
	memcpy(piece, buf_data(&c->backlog), n);
	if (!mux_send(&h->mux, number_of(c), piece, n))
		return false;
	buf_drop(&c->backlog, n);
	if (c->choked && c->backlog.len < HOST_CHOKE / 2) {
		c->choked = false;
		mux_hold(&h->mux, number_of(c), false);
	}
	return true;
}

static void on_channel_write(struct port *p, const void *data, size_t n)
{
	struct host_channel *c = container_of(p, struct host_channel, port);

	/* What does not fit is lost, as on any line without room. */
	if (n > buf_room(&c->backlog))
		log_warning("module", "%zu octets of channel %u lost: the host does not take them",
			    n - buf_room(&c->backlog), number_of(c));
	buf_put(&c->backlog, data, MIN(n, buf_room(&c->backlog)));
	if (!c->choked && c->backlog.len > HOST_CHOKE) {
		c->choked = true;
		mux_hold(&c->host->mux, number_of(c), true);
	}
	ev_task_start(&c->host->flush);
}

/*
 * What was said in one turn of the loop goes in one frame: an echo is no frame per character. Channels
 * take turns, frame by frame; the host may stop one in between.
 */
static void on_flush(struct ev_task *t)
{
	struct host *h = container_of(t, struct host, flush);
	size_t idle = 0;

	while (idle < HOST_CHANNELS) {
		struct host_channel *c = &h->channels[h->turn++ % HOST_CHANNELS];

		idle = send_frame(c) ? 0 : idle + 1;
	}
}

/* &C1: DCD follows the carrier. */
static void on_carrier(struct port *p, bool on)
{
	struct host_channel *c = container_of(p, struct host_channel, port);

	mux_carrier(&c->host->mux, number_of(c), on);
}

static void close_channel(struct host_channel *c)
{
	if (!c->open)
		return;
	c->open = false;
	module_drop_port(c->host->m, &c->port);
	buf_clear(&c->backlog);
}

/* Each channel begins with the settings of a port after power-up. */
static void open_channel(struct host_channel *c)
{
	close_channel(c);
	c->open = true;
	c->backlog = BUF_ON(c->store);
	c->choked = false;
	c->port.write = on_channel_write;
	c->port.carrier = on_carrier;
	module_add_port(c->host->m, &c->port);
	c->port.quiet_yet = false;
}

static void on_changed(struct mux *x, unsigned channel, bool open)
{
	struct host *h = container_of(x, struct host, mux);

	if (open)
		open_channel(&h->channels[channel - 1]);
	else
		close_channel(&h->channels[channel - 1]);
}

/* &D2: no DTR, no call. */
static void on_dtr(struct mux *x, unsigned channel, bool on)
{
	struct host *h = container_of(x, struct host, mux);

	if (!on && channel && !h->m->persona->data_sticks)
		port_leave_data(&h->channels[channel - 1].port, "NO CARRIER");
}

static void on_received(struct mux *x, unsigned channel, const uint8_t *data, size_t n)
{
	struct host *h = container_of(x, struct host, mux);

	module_received(h->m, &h->channels[channel - 1].port, data, n);
}

static void on_mux_write(struct mux *x, const uint8_t *data, size_t n)
{
	struct host *h = container_of(x, struct host, mux);

	h->write(h, data, n);
}

/* --- beginning and ending ------------------------------------------------------------------------- */

static void end_mux(struct host *h)
{
	ev_alarm_stop(&h->begin);
	ev_alarm_stop(&h->idle);
	ev_task_stop(&h->flush);
	for (size_t i = 0; i < HOST_CHANNELS; i++)
		close_channel(&h->channels[i]);
	if (!h->muxed)
		return;
	h->muxed = h->m->muxed = false;
	module_add_port(h->m, &h->uart);
	h->uart.quiet_yet = false;
}

void host_forget_mux(struct host *h)
{
	end_mux(h);
}

static void on_ended(struct mux *x)
{
	end_mux(container_of(x, struct host, mux));
}

static void on_begin(struct ev_alarm *a)
{
	struct host *h = container_of(a, struct host, begin);
	const struct persona *p = h->m->persona;

	module_drop_port(h->m, &h->uart);
	h->muxed = h->m->muxed = true;
	h->mux.channels = p->mux_channels ? p->mux_channels : 4;
	h->mux.oddities = p->mux_oddities;
	mux_start(&h->mux);
	if (p->mux_idle_ms)
		ev_alarm_start(&h->idle, p->mux_idle_ms);
}

/* Nobody has opened a channel: back to AT. */
static void on_idle(struct ev_alarm *a)
{
	struct host *h = container_of(a, struct host, idle);

	for (size_t i = 0; i < HOST_CHANNELS; i++)
		if (h->channels[i].open)
			return;
	end_mux(h);
}

static void on_begin_mux(struct module *m, unsigned n1)
{
	struct host *h = host_of(m);

	h->mux.n1 = n1;
	ev_alarm_start(&h->begin, m->persona->mux_delay_ms);
}

static void on_restarted(struct module *m)
{
	struct host *h = host_of(m);

	h->locked = false;
	end_mux(h);
}

/* --- octets --------------------------------------------------------------------------------------- */

void host_resume(struct host *h)
{
	if (h->muxed)
		ev_task_start(&h->flush);
}

void host_feed(struct host *h, const void *data, size_t n)
{
	if (h->locked)
		return;
	if (h->begin.active && h->m->persona->mux_locks) {
		/* The first frame has come before the firmware was ready for it. */
		ev_alarm_stop(&h->begin);
		h->locked = true;
		return;
	}
	if (!h->muxed) {
		module_received(h->m, &h->uart, data, n);
		return;
	}
	if (!module_listens(h->m))
		return;
	mux_feed(&h->mux, data, n);
	ev_task_start(&h->flush);       /* it may have let us go on */
}

static void on_uart_write(struct port *p, const void *data, size_t n)
{
	struct host *h = container_of(p, struct host, uart);

	h->write(h, data, n);
}

/* --- life ----------------------------------------------------------------------------------------- */

void host_init(struct host *h, struct module *m)
{
	h->m = m;
	m->host = h;
	m->begin_mux = on_begin_mux;
	m->restarted = on_restarted;
	h->mux.write = on_mux_write;
	h->mux.received = on_received;
	h->mux.changed = on_changed;
	h->mux.dtr = on_dtr;
	h->mux.ended = on_ended;
	h->begin.fired = on_begin;
	h->idle.fired = on_idle;
	h->flush.run = on_flush;
	for (size_t i = 0; i < HOST_CHANNELS; i++)
		h->channels[i].host = h;
	h->uart.write = on_uart_write;
	module_add_port(m, &h->uart);
}

void host_stop(struct host *h)
{
	end_mux(h);
}
