/*
 * A TCP proxy on loopback, in a process of its own, that counts what goes through: one connection at
 * a time, as a client with one procedure has it.
 */
#ifndef SUPPORT_COUNT_PROXY_H
#define SUPPORT_COUNT_PROXY_H

#include <sys/types.h>

struct counts {
	unsigned connections, turns;    /* a turn: the other side begins to speak */
	unsigned long up, down;         /* octets to the server, and from it */
	unsigned packets_up, packets_down;      /* of TCP, of connections that have ended */
};

/* In memory that the proxy shares; valid until the process ends. */
struct count_proxy {
	struct counts *counts;
	unsigned short port, server;
	pid_t pid;
};

/* 0, or -errno. It ends with its parent. */
int count_proxy_start(struct count_proxy *p, unsigned short server);
/* What has gone through since. */
struct counts count_proxy_since(const struct count_proxy *p, struct counts before);

#endif
