/*
 * POST over HTTPS (HTTP/1.1): one client is one server and at most one connection, which is kept
 * for the requests of one procedure. No redirects, no cookies, no compression: eIMs and SM-DP+
 * do not use them (GSMA SGP.32 6.1, SGP.22 6.5).
 *
 * A kept connection that turns out dead before one octet of an answer came is replaced once; apart
 * from that, nothing is sent twice.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/http_parse.h"
#include "net/names.h"
#include "net/tcp.h"
#include "net/tls.h"

struct http_server {
	struct net_place place;
	const struct trust *trust;
	const char *interface;          /* NULL: whatever the routes say */
	const char *name_servers;       /* NULL: the system's */
	unsigned connect_ms;            /* name, TCP and TLS together; 0: 30 s */
};

struct http_header {
	const char *name, *value;
};

/*
 * The caller owns it and what it points to, from http_submit() until done() has begun or
 * http_cancel() has returned. Exactly one of the two happens. done() runs from the event loop;
 * why NULL: an answer came, with any status.
 */
struct http_request {
	const char *path;
	const struct http_header *headers;      /* sent as they are, behind Host */
	size_t headers_n;
	const void *body;
	size_t body_n;
	unsigned patience_ms;                   /* for all of it, connecting included */
	size_t answer_max;                      /* a larger body is MALFORMED */
	void (*done)(struct http_request *q, const struct net_error *why);
	/*
	 * The body has grown: answer and answer_n are what has come so far, still the client's. Status and
	 * type are known. Nothing may be submitted, cancelled or freed in it. NULL: nobody wants to know.
	 */
	void (*grown)(struct http_request *q);
	int status;
	char type[HTTP_TYPE_MAX];               /* Content-Type */
	bool unsent;                            /* with why: the server has seen nothing of it */
	/* On the heap: the caller's once done() has begun, to be freed. NULL with why. */
	uint8_t *answer;
	size_t answer_n;
};

struct http;

/* The server is copied; what it points to outlives the client. */
int http_new(const struct http_server *server, struct http **ret);
/* A request under way is cancelled. NULL is fine. */
void http_free(struct http *h);

/* One at a time; from done(), the next one is legal. */
void http_submit(struct http *h, struct http_request *q);
void http_cancel(struct http *h, struct http_request *q);
/* Takes leave of the server. The next request connects anew and resumes the session. */
void http_close(struct http *h);

/* The latest connection's session was resumed instead of made. */
bool http_resumed(const struct http *h);
bool http_is_connected(const struct http *h);

#endif
