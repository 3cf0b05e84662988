/*
 * What went wrong on the network: which layer, in what way, and in words for the log and the
 * status. The first error wins.
 */
#ifndef NET_ERROR_H
#define NET_ERROR_H

#include "core/cause.h"
#include "core/util.h"

enum net_layer {
	NET_NAME,               /* the name has no address */
	NET_CONNECT,            /* no connection, no way to the address */
	NET_TLS,                /* (D)TLS: the handshake, or the protected stream */
	NET_CERTIFICATE,        /* the server is not the one that is trusted */
	NET_HTTP,               /* the answer is no HTTP, or has a status that says no */
	NET_COAP,               /* the answer is no CoAP that can be used, or says no */
	NET_CONTENT,            /* HTTP went well, what it carries is of the wrong kind */
	_NET_LAYER_MAX
};

#define NET_TEXT_MAX 160

struct net_error {
	enum cause_kind kind;   /* CAUSE_NONE: no error */
	enum net_layer layer;
	int code;               /* errno, alert, HTTP status …, by layer; -1: none */
	char text[NET_TEXT_MAX];
};

/* Keeps what is there already. Text that is too long ends where the room ends. */
void net_error_set(struct net_error *e, enum cause_kind kind, enum net_layer layer, int code,
		   const char *fmt, ...) __printf(5, 6);

static inline bool net_error_is_set(const struct net_error *e)
{
	return e->kind != CAUSE_NONE;
}

/* "certificate": the name in causes. */
const char *net_layer_name(enum net_layer layer);
/* Keeps what is there already, as cause_set() does. */
void net_error_cause(const struct net_error *e, struct cause *c);

#endif
