/*
 * The UDP socket to a server, between it and libcoap. libcoap makes its sockets itself and shows
 * them to nobody, so they cannot be bound to an interface before they send; and it keeps to itself
 * what comes in. So it is given an address on the loopback interface, where we take its datagrams
 * and pass them on through a socket of ours: bound, counted, and looked at.
 */
#ifndef NET_UDP_RELAY_H
#define NET_UDP_RELAY_H

#include <netinet/in.h>

#include "codec/tlv.h"
#include "core/ev.h"
#include "net/names.h"

#define UDP_DATAGRAM_MAX 2048   /* a longer one is dropped */
#define UDP_GATHER_MAX 1152     /* gets through everywhere, with its headers */

struct udp_figures {
	uint32_t sent, received;                /* datagrams */
	uint64_t octets_sent, octets_received;  /* without IP and UDP headers */
};

/* Zeroed before its first use; callbacks run from the event loop. */
struct udp_relay {
	/* One datagram of the server, before libcoap gets it. The relay stays. */
	void (*heard)(struct udp_relay *r, struct octets datagram);
	/* Nothing gets through: nobody listens, or there is no way. In it, closing is legal. */
	void (*broken)(struct udp_relay *r, int error);
	/*
	 * What libcoap sends at once goes in one datagram, where it fits. DTLS allows that (RFC 6347 4.1.1);
	 * a handshake's records, each sent on its own, are lost more often. May change at any time.
	 */
	bool gather;
	/* to be read */
	struct udp_figures figures;
	uint64_t sent_ms, heard_ms;             /* when the latest went out, came in; 0: none yet */
	/* udp_relay.c only */
	struct net_address to;
	const char *interface;
	int far, near;
	uint8_t held[UDP_GATHER_MAX];
	size_t held_n;
	struct sockaddr_in inside;              /* libcoap's end; port 0: not known yet */
	struct ev_watch far_watch, near_watch;
	bool open;
};

/*
 * A new port every time. 0 and the address that libcoap is to be given; -errno, and nothing is open.
 */
int udp_relay_open(struct udp_relay *r, const struct net_address *to, const char *interface,
		   struct sockaddr_in *ret_near);
/* Where libcoap sends from; until then nothing is passed in either direction. */
void udp_relay_join(struct udp_relay *r, const struct sockaddr_in *inside);
/*
 * What goes to the server now would come from another address than what went there when this was
 * opened: a new bearer, or another interface. To the server it would be a stranger's.
 */
bool udp_relay_moved(const struct udp_relay *r);
/* Passes on what libcoap has sent up to now: its farewell, before closing. */
void udp_relay_flush(struct udp_relay *r);
void udp_relay_close(struct udp_relay *r);

#endif
