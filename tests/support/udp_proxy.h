/*
 * Between UDP clients and a server on loopback, in a process of its own: loses, doubles and reorders
 * datagrams by a seeded generator, changes the port they come from, and counts what went by.
 */
#ifndef SUPPORT_UDP_PROXY_H
#define SUPPORT_UDP_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct udp_proxy_state {
	/* knobs, in thousandths */
	volatile unsigned lose, duplicate, reorder;
	volatile bool swallow_up, swallow_down;         /* everything, in one direction */
	volatile unsigned rebind;       /* counted up: the server sees another port from now on */
	/* what went by, before anything was done to it: from clients, and from the server */
	volatile unsigned up, down;
	volatile uint64_t octets_up, octets_down;
};

struct udp_proxy {
	uint16_t port;
	int pid;
	struct udp_proxy_state *state;
};

void udp_proxy_start(struct udp_proxy *p, uint16_t server, unsigned seed);
void udp_proxy_stop(struct udp_proxy *p);

#endif
