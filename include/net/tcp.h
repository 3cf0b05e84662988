/* A TCP connection to the first of some addresses that takes it. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/names.h"

/*
 * The caller owns it, zeroed before its first use, and what it points to, from tcp_start() until
 * done() has begun or tcp_stop() has returned. done() runs from the event loop: fd is a connected,
 * non-blocking socket that belongs to the caller, or -1, and then why is set: what the first
 * address said.
 */
struct tcp_connect {
	const struct net_address *to;
	size_t n;
	const char *interface;          /* NULL: whatever the routes say */
	unsigned patience_ms;           /* for all addresses together */
	void (*done)(struct tcp_connect *c, int fd, const struct net_error *why);
	/* tcp.c only */
	size_t at;
	int fd;
	struct ev_watch watch;
	struct ev_alarm alarm;
	struct ev_task task;
	struct net_error error;
	uint64_t due_ms;
	bool active;
};

void tcp_start(struct tcp_connect *c);
/* done() will not be called. One that is not active is fine. */
void tcp_stop(struct tcp_connect *c);

#endif
