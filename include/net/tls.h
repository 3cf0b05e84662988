/*
 * TLS client on a connected socket: 1.2, and 1.3 where the library has it. The server is checked
 * by a trust (net/trust.h) before the first octet is sent. Sessions are kept per server and
 * resumed: on a slow bearer the certificates of a full handshake cost more than a poll's messages.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "codec/tlv.h"
#include "core/ev.h"
#include "core/text.h"
#include "net/error.h"
#include "net/trust.h"

/* The session with one server, kept across connections. It resumes under the same trust only. */
struct tls_memory;

int tls_memory_new(struct tls_memory **ret);
void tls_memory_free(struct tls_memory *m);
void tls_memory_forget(struct tls_memory *m);

/* Embedded in the user. All run from the event loop; in each of them, tls_free() is legal. */
struct tls_user {
	/* The handshake is done and the server is the right one. */
	void (*ready)(struct tls_user *u);
	/* The view is valid until this returns. */
	void (*received)(struct tls_user *u, struct text data);
	/* What tls_send() was given has been taken by the kernel and is the caller's again. */
	void (*sent)(struct tls_user *u);
	/* It is over, nothing follows but tls_free(). why NULL: the server took leave in order. */
	void (*closed)(struct tls_user *u, const struct net_error *why);
};

struct tls_server {
	const char *host;               /* a name, or an address: then without SNI */
	const struct trust *trust;      /* outlives the connection */
	struct tls_memory *memory;      /* NULL: no resumption; outlives the connection */
};

struct tls;

/*
 * Takes the descriptor over, also where it fails. The deadline of the handshake is the caller's.
 * -ENOMEM, or -EIO: the library does not start.
 */
int tls_new(int fd, const struct tls_server *server, struct tls_user *user, struct tls **ret);
/* Takes leave of the server (close_notify) as far as that goes at once, and closes. NULL is fine. */
void tls_free(struct tls *t);

/* Once at a time, after ready(); data must stay until sent() or tls_free(). */
void tls_send(struct tls *t, const void *data, size_t n);

/* After ready(): the session was resumed; "TLSv1.2". */
bool tls_resumed(const struct tls *t);
const char *tls_version(const struct tls *t);

/*
 * The certificates that the other side of somebody else's Mbed TLS session has shown, its own first, as
 * long as that lasts. 0: none, or that one is of another version of the library than ours.
 */
size_t tls_foreign_chain(const void *session, uint64_t version, struct octets *ret, size_t max);

/* "bad certificate": an alert's number in words. */
const char *tls_alert_words(int code);

#endif
