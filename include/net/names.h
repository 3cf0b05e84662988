/*
 * Names to addresses, with c-ares in our loop: no thread, no blocking, a deadline, and servers
 * that are asked over a given interface only. Literal addresses and localhost (RFC 6761) are
 * answered without asking anybody.
 */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/ev.h"
#include "core/text.h"
#include "net/error.h"

#define NET_HOST_MAX      256
#define NET_ADDRESSES_MAX 16
#define NAMES_SOCKETS     16

/* Host and port, as eimFqdn and addresses in activation codes give them. */
struct net_place {
	char host[NET_HOST_MAX];        /* a name without closing dot, or an address without brackets */
	uint16_t port;
};

/*
 * "host", "host:port", "192.0.2.1:port", "2001:db8::1", "[2001:db8::1]:port". -EINVAL: it is
 * none of these, -ERANGE: no port has this number.
 */
int net_place_parse(struct text t, uint16_t otherwise, struct net_place *ret);

/* True if the host is an IPv4 or IPv6 address; then its 4 or 16 octets. */
bool net_literal(const char *host, uint8_t ret_ip[16], size_t *ret_n);

struct net_address {
	struct sockaddr_storage sa;
	socklen_t n;
};

/* "192.0.2.1:443", "[2001:db8::1]:443". Returns out. */
#define NET_ADDRESS_TEXT_MAX 64
const char *net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]);

struct names_query;

struct names_socket {
	struct ev_watch watch;
	struct names_query *query;
};

/*
 * The caller owns it, zeroed before its first use, and what it points to, from names_start()
 * until done() has begun or names_stop() has returned. done() runs from the event loop; why NULL:
 * at least one address was found, best first.
 */
struct names_query {
	const char *host;
	uint16_t port;
	const char *interface;          /* NULL: whatever the routes say */
	const char *servers;            /* "192.0.2.53,[2001:db8::53]:53"; NULL: the system's */
	unsigned patience_ms;
	void (*done)(struct names_query *q, const struct net_error *why);
	struct net_address found[NET_ADDRESSES_MAX];
	size_t n;
	/* names.c only */
	struct ares_channeldata *channel;
	struct names_socket sockets[NAMES_SOCKETS];
	struct ev_alarm retry, deadline;
	struct ev_task task;
	struct net_error error;
	bool active;
};

void names_start(struct names_query *q);
/* done() will not be called. One that is not active is fine. */
void names_stop(struct names_query *q);

/* Makes a socket send and receive over one interface only. 0 or -errno. */
int net_bind_interface(int fd, const char *interface);

#endif
