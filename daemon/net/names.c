/*
 * Each query has a resolver channel of its own: the system's list of servers changes when the
 * mobile connection comes and goes, and a channel reads it only when it is made.
 */
#include "net/names.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define TRY_MS 2000     /* for the first try of one server; c-ares doubles it */
#define TRIES  3

bool net_literal(const char *host, uint8_t ret_ip[16], size_t *ret_n)
{
	uint8_t ip[16];
	size_t n;

	if (inet_pton(AF_INET, host, ip) == 1)
		n = 4;
	else if (inet_pton(AF_INET6, host, ip) == 1)
		n = 16;
	else
		return false;
	memcpy(ret_ip, ip, n);
	*ret_n = n;
	return true;
}

/* Letters, digits, hyphens, dots, and underscores, which some private networks use. */
static bool name_is_sound(const char *host)
{
	for (const char *c = host; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
		      (*c == '.' && c > host && c[-1] != '.')))
			return false;
	return *host != '\0';
}

static int parse_port(struct text t, uint16_t *ret)
{
	uint32_t port;
	int r = text_to_u32(t, 10, &port);

	if (r < 0)
		return r;
	if (port == 0 || port > 65535)
		return -ERANGE;
	*ret = (uint16_t)port;
	return 0;
}

int net_place_parse(struct text t, uint16_t otherwise, struct net_place *ret)
{
	struct net_place place = { .port = otherwise };
	struct text host = t, port = { 0 };
	bool bracketed = text_starts(t, "[");
	size_t colon = text_find(t, ':'), n;
	uint8_t ip[16];
	int r = 0;

	if (bracketed) {
		size_t close = text_find(t, ']');

		if (close == t.n)
			return -EINVAL;
		host = text_from(t.s + 1, close - 1);
		port = text_skip(t, close + 1);
	} else if (colon < t.n && text_find(text_skip(t, colon + 1), ':') == t.n - colon - 1) {
		host.n = colon;
		port = text_skip(t, colon);
	}
	if (text_copy(host, place.host, sizeof(place.host)) < 0 || strlen(place.host) != host.n)
		return -EINVAL;
	if (host.n > 1 && place.host[host.n - 1] == '.')
		place.host[host.n - 1] = '\0';
	if (!net_literal(place.host, ip, &n))
		n = 0;
	if (bracketed ? n != 16 : n == 0 && !name_is_sound(place.host))
		return -EINVAL;
	if (port.n > 0)
		r = port.s[0] == ':' ? parse_port(text_skip(port, 1), &place.port) : -EINVAL;
	if (r < 0)
		return r;
	*ret = place;
	return 0;
}

const char *net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, NET_ADDRESS_TEXT_MAX, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;

		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, NET_ADDRESS_TEXT_MAX, "%s:%u", ip, ntohs(in->sin_port));
	}
	return out;
}

int net_bind_interface(int fd, const char *interface)
{
	if (!interface || !*interface)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) < 0)
		return -errno;
	return 0;
}

static void add(struct names_query *q, int family, const void *ip)
{
	struct net_address a = { 0 };

	if (q->n == NET_ADDRESSES_MAX)
		return;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&a.sa;

		in->sin_family = AF_INET;
		in->sin_port = htons(q->port);
		memcpy(&in->sin_addr, ip, 4);
		a.n = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.sa;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(q->port);
		memcpy(&in6->sin6_addr, ip, 16);
		a.n = sizeof(*in6);
	}
	q->found[q->n++] = a;
}

/* What needs no server. */
static bool answer_at_once(struct names_query *q)
{
	static const uint8_t loopback4[4] = { 127, 0, 0, 1 };
	struct text host = text_of(q->host);
	uint8_t ip[16];
	size_t n;

	if (net_literal(q->host, ip, &n)) {
		add(q, n == 4 ? AF_INET : AF_INET6, ip);
		return true;
	}
	if (text_case_eq(host, "localhost") ||
	    (host.n > 10 && text_case_eq(text_skip(host, host.n - 10), ".localhost"))) {
		add(q, AF_INET, loopback4);
		add(q, AF_INET6, &in6addr_loopback);
		return true;
	}
	return false;
}

/* --- c-ares --- */

static void watch_timeout(struct names_query *q)
{
	struct timeval tv;

	if (ares_timeout(q->channel, NULL, &tv))
		ev_alarm_start(&q->retry, (unsigned)(tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1));
	else
		ev_alarm_stop(&q->retry);
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct names_socket *s = container_of(w, struct names_socket, watch);
	struct names_query *q = s->query;
	int fd = w->fd;

	ares_process_fd(q->channel, what & EV_IN ? fd : ARES_SOCKET_BAD,
			what & EV_OUT ? fd : ARES_SOCKET_BAD);
	watch_timeout(q);
}

static void on_retry(struct ev_alarm *a)
{
	struct names_query *q = container_of(a, struct names_query, retry);

	ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	watch_timeout(q);
}

/* A socket beyond our number stays unwatched: its server does not answer, another one may. */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct names_query *q = data;
	struct names_socket *s = NULL;

	for (size_t i = 0; i < NAMES_SOCKETS; i++) {
		if (q->sockets[i].watch.active && q->sockets[i].watch.fd == fd) {
			s = &q->sockets[i];
			break;
		}
		if (!s && !q->sockets[i].watch.active)
			s = &q->sockets[i];
	}
	if (!s)
		return;
	s->query = q;
	s->watch.ready = on_ready;
	ev_watch_start(&s->watch, fd, (readable ? EV_IN : 0) | (writable ? EV_OUT : 0));
}

/* c-ares would go on over any interface where binding fails: traffic that must not happen. */
static int on_socket_made(ares_socket_t fd, int type, void *data)
{
	const struct names_query *q = data;

	(void)type;
	return net_bind_interface(fd, q->interface) < 0 ? -1 : 0;
}

static void on_answer(void *data, int status, int timeouts, struct ares_addrinfo *found)
{
	struct names_query *q = data;

	(void)timeouts;
	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION) {
		ares_freeaddrinfo(found);
		return;
	}
	for (struct ares_addrinfo_node *node = found ? found->nodes : NULL; node; node = node->ai_next) {
		if (node->ai_family == AF_INET)
			add(q, AF_INET, &((struct sockaddr_in *)(void *)node->ai_addr)->sin_addr);
		else if (node->ai_family == AF_INET6)
			add(q, AF_INET6, &((struct sockaddr_in6 *)(void *)node->ai_addr)->sin6_addr);
	}
	ares_freeaddrinfo(found);
	if (q->n == 0)
		net_error_set(&q->error,
			      status == ARES_ENOTFOUND || status == ARES_ENODATA ? CAUSE_REFUSED :
			      status == ARES_ETIMEOUT ? CAUSE_TIMEOUT : CAUSE_LINK_LOST,
			      NET_NAME, status, "%s: %s", q->host,
			      status == ARES_SUCCESS ? "no address" : ares_strerror(status));
	ev_task_start(&q->task);
}

static int make_channel(struct names_query *q)
{
	struct ares_options options = {
		.timeout = TRY_MS, .tries = TRIES,
		.sock_state_cb = on_socket, .sock_state_cb_data = q,
	};
	int r = ares_library_init(ARES_LIB_INIT_ALL);

	if (r == ARES_SUCCESS)
		r = ares_init_options(&q->channel, &options,
				      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (r == ARES_SUCCESS && q->servers)
		r = ares_set_servers_ports_csv(q->channel, q->servers);
	if (r == ARES_SUCCESS)
		ares_set_socket_configure_callback(q->channel, on_socket_made, q);
	return r;
}

static void finish(struct names_query *q)
{
	struct net_error why = q->error;

	names_stop(q);
	q->done(q, net_error_is_set(&why) ? &why : NULL);
}

static void on_task(struct ev_task *t)
{
	finish(container_of(t, struct names_query, task));
}

static void on_deadline(struct ev_alarm *a)
{
	struct names_query *q = container_of(a, struct names_query, deadline);

	net_error_set(&q->error, CAUSE_TIMEOUT, NET_NAME, -1, "%s: no answer within %u ms", q->host,
		      q->patience_ms);
	finish(q);
}

void names_start(struct names_query *q)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	int r;

	q->n = 0;
	q->error = (struct net_error){ 0 };
	q->task.run = on_task;
	q->retry.fired = on_retry;
	q->deadline.fired = on_deadline;
	q->active = true;
	if (answer_at_once(q)) {
		ev_task_start(&q->task);
		return;
	}
	r = make_channel(q);
	if (r != ARES_SUCCESS) {
		net_error_set(&q->error, CAUSE_LINK_LOST, NET_NAME, r, "the resolver does not start: %s",
			      ares_strerror(r));
		ev_task_start(&q->task);
		return;
	}
	ev_alarm_start(&q->deadline, q->patience_ms);
	/* May answer from inside, out of the hosts file: then the task is started already. */
	ares_getaddrinfo(q->channel, q->host, NULL, &hints, on_answer, q);
	if (!q->task.active)
		watch_timeout(q);
}

void names_stop(struct names_query *q)
{
	if (!q->active)
		return;
	q->active = false;
	ev_task_stop(&q->task);
	ev_alarm_stop(&q->retry);
	ev_alarm_stop(&q->deadline);
	if (q->channel) {
		ares_destroy(q->channel);
		ares_library_cleanup();
		q->channel = NULL;
	}
	for (size_t i = 0; i < NAMES_SOCKETS; i++)
		ev_watch_stop(&q->sockets[i].watch);
}
