/*
 * Addresses are tried one after the other. Each but the last gets a part of the patience only, so
 * that a family without a route (an IPv6 address behind an IPv4 bearer) does not use it up.
 */
#include "net/tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define ONE_OF_MANY_MS 10000

static void next_address(struct tcp_connect *c);

static void finish(struct tcp_connect *c, int fd)
{
	struct net_error why = c->error;

	c->fd = -1;
	tcp_stop(c);
	c->done(c, fd, fd < 0 ? &why : NULL);
}

static void blame(struct tcp_connect *c, enum cause_kind kind, int error, const char *what)
{
	char place[NET_ADDRESS_TEXT_MAX];

	net_error_set(&c->error, kind, NET_CONNECT, error, "%s: %s",
		      net_address_text(&c->to[c->at], place), what);
}

static void drop(struct tcp_connect *c)
{
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->alarm);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void on_failed(struct tcp_connect *c, enum cause_kind kind, int error, const char *what)
{
	blame(c, kind, error, what);
	drop(c);
	c->at++;
	ev_task_start(&c->task);
}

static void on_task(struct ev_task *t)
{
	struct tcp_connect *c = container_of(t, struct tcp_connect, task);

	if (c->at < c->n && ev_now_ms() < c->due_ms) {
		next_address(c);
		return;
	}
	net_error_set(&c->error, CAUSE_LINK_LOST, NET_CONNECT, -1, "no address to connect to");
	finish(c, -1);
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct tcp_connect *c = container_of(w, struct tcp_connect, watch);
	int error = 0, fd = c->fd;
	socklen_t n = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error)
		on_failed(c, CAUSE_LINK_LOST, error, strerror(error));
	else
		finish(c, fd);
}

static void on_alarm(struct ev_alarm *a)
{
	on_failed(container_of(a, struct tcp_connect, alarm), CAUSE_TIMEOUT, -1,
		  "does not answer");
}

static void next_address(struct tcp_connect *c)
{
	const struct net_address *a = &c->to[c->at];
	uint64_t now = ev_now_ms(), left = c->due_ms > now ? c->due_ms - now : 1;
	int on = 1, r;

	c->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		on_failed(c, CAUSE_LINK_LOST, errno, strerror(errno));
		return;
	}
	r = net_bind_interface(c->fd, c->interface);
	if (r < 0) {
		char what[96];

		snprintf(what, sizeof(what), "cannot be bound to %s: %s", c->interface, strerror(-r));
		on_failed(c, CAUSE_LINK_LOST, -r, what);
		return;
	}
	/* Requests go out whole: waiting to fill segments only costs time. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->n) < 0 && errno != EINPROGRESS) {
		on_failed(c, CAUSE_LINK_LOST, errno, strerror(errno));
		return;
	}
	if (c->at + 1 < c->n && left > ONE_OF_MANY_MS)
		left = ONE_OF_MANY_MS;
	ev_alarm_start(&c->alarm, (unsigned)left);
	ev_watch_start(&c->watch, c->fd, EV_OUT);
}

void tcp_start(struct tcp_connect *c)
{
	c->at = 0;
	c->fd = -1;
	c->error = (struct net_error){ 0 };
	c->watch.ready = on_ready;
	c->alarm.fired = on_alarm;
	c->task.run = on_task;
	c->due_ms = ev_now_ms() + c->patience_ms;
	c->active = true;
	ev_task_start(&c->task);
}

void tcp_stop(struct tcp_connect *c)
{
	if (!c->active)
		return;
	c->active = false;
	ev_task_stop(&c->task);
	drop(c);
}
