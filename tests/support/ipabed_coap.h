/*
 * ipabed.h's way to the eIM as it is in the field: the daemon's CoAP client and sim-eim's server, DTLS
 * by libcoap on both sides, sockets on the loopback interface; all of it on the virtual clock, with the
 * times that the protocol and the daemon's settings have. Between the two is a network where any one
 * datagram, or what stands at either end of it, meets with any harm.
 *
 * The daemon's process needs fake_clock.o.
 */
#ifndef SUPPORT_IPABED_COAP_H
#define SUPPORT_IPABED_COAP_H

#include "support/ipabed.h"

enum harm {
	UNHARMED,
	/* the datagram */
	H_LOST,
	H_LOST_OFTEN,           /* and the next three of its direction */
	H_LOST_ALIKE,           /* and whatever is as long, for 10 s */
	H_DOUBLED,
	H_REPEATED,             /* it comes again half a minute later */
	H_OVERTAKEN,            /* by the next one of its direction */
	H_LATE,                 /* 5 s */
	H_VERY_LATE,            /* 50 s */
	H_DAMAGED,              /* a bit */
	H_SHORTENED,            /* half of it comes */
	H_NOISE,                /* something else comes before it, from the same address */
	H_FALSE_ALERT,          /* an alert in the clear comes before it, from the same address */
	/* the way */
	H_SILENCE,              /* nothing passes for 15 s … */
	H_LONG_SILENCE,         /* … for 100 s … */
	H_AWAY,                 /* … for longer than visits and their retries last */
	H_REFUSED,              /* the same with ICMP: for 5 s … */
	H_REFUSED_AWAY,
	H_REBOUND,              /* it is lost, and the next one comes from another port */
	/* the server: after the datagram if that is its own, before it if it is the client's */
	H_FORGETS,              /* started again, without a word */
	H_LEAVES,               /* started again, after a close_notify to everybody */
	/* the server's answer to the datagram, which is the client's; first to last in order */
	H_BAD_REQUEST, H_NOT_FOUND, H_INCOMPLETE, H_TOO_LARGE, H_BAD_FORMAT, H_TOO_MANY,
	H_SERVER_ERROR, H_UNAVAILABLE,
	H_EMPTY, H_GARBAGE, H_TRUNCATED, H_WRONG_TAG, H_OTHER_FORMAT,
	H_NO_ANSWER,            /* not even an acknowledgement */
	H_ACK_ONLY,             /* the response that was to follow never comes */
	H_RESET,                /* RST */
	H_CLOSED,               /* close_notify instead */
	H_STALLS,               /* in the middle of the answer, where that has one */
	H_CLOSES,               /* the same with close_notify */
	H_SLOW,                 /* 6 s */
	H_TOO_SLOW,             /* 90 s */
	H_UNWANTED,             /* 4.04 to all HandleNotification, for as long as H_AWAY lasts */
	/* the gateway */
	H_KILLED,               /* the daemon, before the datagram has left or come */
	H_KILLED_AFTER,
	H_POWER,                /* daemon, module and card */
	H_POWER_AFTER,
	_HARM_MAX
};

extern const char *const harm_names[_HARM_MAX];

/* The server says something else than it would. */
static inline bool harm_is_an_answer(enum harm h)
{
	return h >= H_BAD_REQUEST && h <= H_UNWANTED;
}

struct coap_datagram {
	bool up;                /* the client's */
	bool handshake;
	uint16_t tag;           /* of the ESipa message that is being exchanged; 0: none is */
	unsigned exchange;      /* its number, from 1 */
	size_t n;
	uint64_t at_ms;
};

#define COAP_DATAGRAMS_MAX 8192

#define COAP_STRIKES 2

struct coap_strike {
	unsigned at;            /* the datagram, counted from 1; 0: none */
	enum harm harm;
	bool struck;
	struct coap_datagram what;
};

struct ipabed_coap {
	/* to be set before ipabed_open() */
	uint64_t seed;          /* of what libraries draw at random */
	const char *habits;     /* of the server; NULL: none */
	bool certificate;       /* that is how it is known; else by a key that both have */
	/* to be set before a visit */
	struct coap_strike strikes[COAP_STRIKES];
	bool enough;            /* no more of these */
	/* to be read */
	struct coap_datagram log[COAP_DATAGRAMS_MAX];
	unsigned datagrams, exchanges, associations;
	unsigned moves;         /* to another network, with another profile */
	uint64_t away_until_ms; /* or until the way is as it was again */
};

/* That can be done to it. */
bool harm_applies(enum harm h, const struct coap_datagram *d);

extern struct ipabed_coap ipabed_coap;
extern const struct ipabed_way ipabed_by_coap;

/* Counting begins anew. */
void ipabed_coap_forget(void);
/* Rules of sim/eim/lossy.h for the network, and another port for the client. */
void ipabed_coap_net(const char *rules);
void ipabed_coap_rebind(void);
/* The server is started again: after a farewell, which leaves the daemon without an association, or not. */
void ipabed_coap_restart(bool politely);
/* The most datagrams of the client's within any hour. */
unsigned ipabed_coap_busiest_hour(void);

#endif
