/*
 * The ESipa server: HTTPS with the ASN.1 binding, GSMA SGP.32 6.1.1 and 9.1 of our reference. One
 * loop, any number of connections up to a limit, keep-alive.
 */
#ifndef SIM_EIM_SERVER_H
#define SIM_EIM_SERVER_H

#include <openssl/ssl.h>
#include <stdio.h>

#include "core/ev.h"
#include "sim/eim/eim.h"

#define SE_CONNECTIONS_MAX 64

/* Another transport of the same eIM. */
struct se_transport {
	/* As se_server_down() and se_server_up(). */
	void (*reach)(struct se_transport *t, bool up);
	/* Nobody is remembered any more: a card goes. */
	void (*forget)(struct se_transport *t);
	/* Commands of its own; an exit code. */
	int (*command)(struct se_transport *t, int argc, char *const *argv, FILE *out);
	/* "coaps://host:5684/gsma/rsp2/asn1" */
	const char *(*where)(struct se_transport *t);
};

struct se_server {
	struct se_eim *eim;
	/* After every request that was dealt with; may be NULL. */
	void (*served)(struct se_server *s);
	struct se_transport *coap;      /* NULL: none */
	/* server.c only */
	SSL_CTX *ctx;
	char address[64];
	uint16_t port;
	struct ev_watch watch;
	int fd;                         /* -1: no listener */
	struct ev_alarm back;
	struct list_node connections;
	unsigned n;
};

struct se_server_wish {
	const char *address;            /* numeric */
	uint16_t port;                  /* 0: any; s->port tells */
	const char *tls;                /* "1.2", "1.3" only; NULL: both */
};

/* 0, or -errno and a line in why. */
int se_server_start(struct se_server *s, struct se_eim *e, const struct se_server_wish *wish,
		    char why[256]);
void se_server_stop(struct se_server *s);

/* No listener and no connections: for so many seconds, 0 until se_server_up(). */
void se_server_down(struct se_server *s, unsigned seconds);
void se_server_up(struct se_server *s);
bool se_server_is_up(const struct se_server *s);
/* A fault has been armed: those that strike at once do. */
void se_server_look_at_faults(struct se_server *s);

#endif
