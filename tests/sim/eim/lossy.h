/*
 * A network between UDP clients and a server on this machine: it loses, repeats, delays and
 * reorders datagrams by seeded dice, and moves clients to another address as a NAT does. Without
 * rules it passes everything on at once. It knows as much of DTLS as shows on the outside, the
 * first octets of a record (RFC 6347, 4.1), and nothing of what is inside.
 *
 * Clients are told apart by their address. Towards the server each has a socket of its own, so
 * that the server sees as many clients as there are.
 */
#ifndef SIM_EIM_LOSSY_H
#define SIM_EIM_LOSSY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/ev.h"
#include "core/text.h"

#define SE_LOSSY_CLIENTS_MAX 64
#define SE_LOSSY_WAITING_MAX 256        /* datagrams held back, all clients together */
#define SE_LOSSY_DATAGRAM_MAX 2048

/* In percent, each for every datagram of that direction. */
struct se_lossy_rules {
	unsigned loss_up, loss_down;    /* up: towards the server */
	unsigned duplicate;
	unsigned reorder;               /* held back until the next one has passed, or 200 ms */
	unsigned delay_ms, jitter_ms;
	uint32_t seed;
};

struct se_lossy_client;

struct se_lossy_counts {
	unsigned up, down;              /* as they came, before anything happened to them */
	unsigned lost, duplicated, reordered, swallowed, refused, rebound;
};

struct se_lossy {
	/* Set by the owner, may change at any time. */
	unsigned datagram_max;          /* longer ones from clients are not passed on; 0: all are */
	bool sends_again;               /* the server does not send its part of a handshake again by itself */
	bool needs_ccm8;                /* see the habit of that name in coap.h */
	bool one_handshake;
	/* A ClientHello from where there is no session: true if it is lost. May be NULL. */
	bool (*lose_hello)(struct se_lossy *l);
	/*
	 * Each datagram, before the dice: false, it is not passed on. What is in it may be changed, and
	 * *n made less. May be NULL.
	 */
	bool (*look)(struct se_lossy *l, struct se_lossy_client *c, bool up, uint8_t *p, size_t *n);
	/* A datagram above datagram_max, from the client behind this port of ours. May be NULL. */
	void (*too_long)(struct se_lossy *l, uint16_t port, size_t n);
	/* lossy.c only */
	struct se_lossy_rules rules;
	struct se_lossy_counts counts;
	uint32_t dice;
	struct ev_watch watch;
	int fd;                         /* towards clients */
	struct sockaddr_in at;          /* where that is */
	bool refusing;
	struct sockaddr_in server;
	struct list_node clients, waiting;
	unsigned n, waiting_n;
	bool deaf;
};

/* Listens; *port 0 takes any that is free, and tells which. server_port: at 127.0.0.1. -errno. */
int se_lossy_open(struct se_lossy *l, const char *address, uint16_t *port, uint16_t server_port);
void se_lossy_close(struct se_lossy *l);

/*
 * "loss=30,loss-up=10,loss-down=0,duplicate=5,reorder=10,delay=50,jitter=20,seed=7" or "none".
 * What is not named is as it was; a seed starts the dice anew. -EINVAL and a line in why.
 */
int se_lossy_set(struct se_lossy *l, struct text rules, char why[128]);
void se_lossy_print(const struct se_lossy *l, FILE *out);

/* Every client has another address from now on, and what is on its way to the old one is lost. */
unsigned se_lossy_rebind(struct se_lossy *l);
/* What the server has sent until now is read, and passed on or not as things are. */
void se_lossy_drain(struct se_lossy *l);
/* Nothing passes in either direction until this is undone. */
void se_lossy_deafen(struct se_lossy *l, bool deaf);

/* Clients are told that nobody listens (ICMP), and get nothing, until this is undone. -errno: it cannot be. */
int se_lossy_refuse(struct se_lossy *l, bool refuse);
/* One more datagram on its way, as from the other end: after so long; or, also, behind the next one. */
void se_lossy_send(struct se_lossy_client *c, bool up, const uint8_t *p, size_t n, unsigned ms,
		   bool behind_next);

/*
 * The next datagram from the server to its client at this port of ours (not the client's own) is
 * not passed on. Whatever the server has sent until now is passed on first.
 */
void se_lossy_swallow(struct se_lossy *l, uint16_t port);
/* The client behind this port of ours in words, "127.0.0.1:40000". */
void se_lossy_name(const struct se_lossy *l, uint16_t port, char ret[32]);

#endif
