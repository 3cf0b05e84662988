#include "net/udp_relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"

#define AT_ONCE 32      /* datagrams in one round of the loop */

/* Anybody on this machine can send to a port. */
static bool is_inside(const struct udp_relay *r, const struct sockaddr_in *from)
{
	return from->sin_family == AF_INET && r->inside.sin_port == from->sin_port &&
	       r->inside.sin_addr.s_addr == from->sin_addr.s_addr;
}

/* Where it is told to gather, what is held back goes out once there is no more. */
static bool put_out(struct udp_relay *r, const uint8_t *d, size_t n, int *ret_error)
{
	if (send(r->far, d, n, MSG_NOSIGNAL) < 0) {
		/* A full queue is a lost datagram, like any other. */
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			*ret_error = errno;
		return *ret_error == 0;
	}
	r->figures.sent++;
	r->figures.octets_sent += (uint64_t)n;
	r->sent_ms = ev_now_ms();
	return true;
}

static bool put_held(struct udp_relay *r, int *ret_error)
{
	size_t n = r->held_n;

	r->held_n = 0;
	return n == 0 || put_out(r, r->held, n, ret_error);
}

/* True: there may be more. */
static bool pass_out(struct udp_relay *r, int *ret_error)
{
	uint8_t d[UDP_DATAGRAM_MAX];
	struct sockaddr_in from = { 0 };
	socklen_t from_n = sizeof(from);
	ssize_t n = recvfrom(r->near, d, sizeof(d), MSG_TRUNC, (struct sockaddr *)&from, &from_n);

	if (n < 0)
		return errno == EINTR;
	if ((size_t)n > sizeof(d) || !is_inside(r, &from))
		return true;
	if ((!r->gather || r->held_n + (size_t)n > sizeof(r->held)) && !put_held(r, ret_error))
		return false;
	if (!r->gather || (size_t)n > sizeof(r->held))
		return put_out(r, d, (size_t)n, ret_error);
	memcpy(r->held + r->held_n, d, (size_t)n);
	r->held_n += (size_t)n;
	return true;
}

static bool pass_in(struct udp_relay *r, int *ret_error)
{
	uint8_t d[UDP_DATAGRAM_MAX];
	ssize_t n = recv(r->far, d, sizeof(d), MSG_TRUNC);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			*ret_error = errno;
		return errno == EINTR;
	}
	if (n == 0 || (size_t)n > sizeof(d))
		return true;
	r->heard_ms = ev_now_ms();
	r->figures.received++;
	r->figures.octets_received += (uint64_t)n;
	r->heard(r, octets_from(d, (size_t)n));
	if (r->inside.sin_port)
		(void)sendto(r->near, d, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&r->inside,
			     sizeof(r->inside));
	return true;
}

static void run(struct udp_relay *r, bool (*pass)(struct udp_relay *r, int *ret_error))
{
	int error = 0;

	for (int i = 0; i < AT_ONCE && pass(r, &error); i++)
		;
	if (!error)
		(void)put_held(r, &error);
	if (error)
		r->broken(r, error);
}

static void on_near(struct ev_watch *w, unsigned what)
{
	(void)what;
	run(container_of(w, struct udp_relay, near_watch), pass_out);
}

static void on_far(struct ev_watch *w, unsigned what)
{
	(void)what;
	run(container_of(w, struct udp_relay, far_watch), pass_in);
}

static int open_near(struct udp_relay *r, struct sockaddr_in *ret)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(any);

	r->near = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->near < 0 || bind(r->near, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    getsockname(r->near, (struct sockaddr *)&any, &n) < 0)
		return -errno;
	*ret = any;
	return 0;
}

/* Connecting sends nothing: it chooses the address that datagrams will come from. */
static int open_far(const struct net_address *to, const char *interface, int *ret)
{
	int fd = socket(to->sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int dont = IP_PMTUDISC_DONT, e = fd < 0 ? -errno : net_bind_interface(fd, interface);

	/* A datagram that is too long for the way is cut on it, not refused here. */
	if (e == 0 && to->sa.ss_family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	if (e == 0 && connect(fd, (const struct sockaddr *)&to->sa, to->n) < 0)
		e = -errno;
	if (e == 0)
		*ret = take_fd(&fd);
	closep(&fd);
	return e;
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			      &((const struct sockaddr_in6 *)b)->sin6_addr, 16) == 0;
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

bool udp_relay_moved(const struct udp_relay *r)
{
	struct sockaddr_storage before = { 0 }, now = { 0 };
	socklen_t before_n = sizeof(before), now_n = sizeof(now);
	_cleanup_(closep) int fd = -1;

	/* Without a way at all, sending will tell. */
	return r->open && open_far(&r->to, r->interface, &fd) == 0 &&
	       getsockname(r->far, (struct sockaddr *)&before, &before_n) == 0 &&
	       getsockname(fd, (struct sockaddr *)&now, &now_n) == 0 && !same_host(&before, &now);
}

int udp_relay_open(struct udp_relay *r, const struct net_address *to, const char *interface,
		   struct sockaddr_in *ret_near)
{
	struct sockaddr_in near;
	int e;

	r->far = r->near = -1;
	r->open = true;
	r->figures = (struct udp_figures){ 0 };
	r->sent_ms = r->heard_ms = 0;
	r->held_n = 0;
	r->inside = (struct sockaddr_in){ 0 };
	r->to = *to;
	r->interface = interface;
	r->far_watch.ready = on_far;
	r->near_watch.ready = on_near;
	e = open_near(r, &near);
	if (e == 0)
		e = open_far(to, interface, &r->far);
	if (e < 0) {
		udp_relay_close(r);
		return e;
	}
	ev_watch_start(&r->far_watch, r->far, EV_IN);
	ev_watch_start(&r->near_watch, r->near, EV_IN);
	*ret_near = near;
	return 0;
}

void udp_relay_join(struct udp_relay *r, const struct sockaddr_in *inside)
{
	r->inside = *inside;
}

void udp_relay_flush(struct udp_relay *r)
{
	int error = 0;

	for (int i = 0; r->open && i < AT_ONCE && pass_out(r, &error); i++)
		;
	if (r->open)
		(void)put_held(r, &error);
}

void udp_relay_close(struct udp_relay *r)
{
	if (!r->open)
		return;
	r->open = false;
	ev_watch_stop(&r->far_watch);
	ev_watch_stop(&r->near_watch);
	closep(&r->far);
	closep(&r->near);
}
