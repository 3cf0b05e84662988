#include "sim/eim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/util.h"
#include "sim/eim/esipa.h"
#include "sim/eim/http.h"
#include "sim/eim/spoil.h"

#define IDLE_MS 300000u
#define HANDSHAKE_MS 20000u
#define CONTENT_TYPE "application/x-gsma-rsp-asn1"
#define ADMIN_PROTOCOL "gsma/rsp/v2.1.0"
#define PATH "/gsma/rsp2/asn1"
#define IN_MAX (SE_HTTP_HEAD_MAX + 2 * SE_MESSAGE_MAX)

enum conn_state {
	CONN_HANDSHAKE,
	CONN_READING,
	CONN_HANDLING,          /* a relay has the request, or the answer is held back */
	CONN_WRITING,
	CONN_SILENT,            /* by a fault: reads, and says nothing any more */
};

struct conn {
	struct list_node node;
	struct se_server *server;
	struct ev_watch watch;
	struct ev_alarm alarm;
	struct ev_task handle;
	int fd;
	SSL *ssl;
	enum conn_state state;
	uint8_t *in;
	size_t in_n;
	size_t used;                    /* of it, by the request that is being dealt with */
	uint8_t *out;
	size_t out_n, out_at;
	size_t stop_at;                 /* by a fault: the answer ends here */
	bool then_stall, then_close, then_down;
	unsigned down_s;
	bool keep_alive, relayed, greeted;
	struct se_exchange x;
};

static void conn_advance(struct conn *c);
static void close_listener(struct se_server *s);

enum ending {
	END_POLITELY,           /* with close_notify */
	END_ABRUPTLY,           /* without */
	END_BY_RESET,
};

static void conn_close(struct conn *c, enum ending how)
{
	struct linger hard = { .l_onoff = 1 };

	if (c->relayed)
		se_esipa_abandon(c->server->eim, &c->x);
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->alarm);
	ev_task_stop(&c->handle);
	if (how == END_BY_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	else if (how == END_POLITELY && c->state != CONN_HANDSHAKE)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	close(c->fd);
	list_del(&c->node);
	c->server->n--;
	free(c->in);
	free(c->out);
	free(c->x.response);
	free(c);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The answer with this body, whole, into c->out. */
static int compose(struct conn *c, unsigned status, const char *type, struct octets body)
{
	char head[512];
	int n;

	if (status == 204 || !type)
		n = snprintf(head, sizeof(head),
			     "HTTP/1.1 %u %s\r\nX-Admin-Protocol: %s\r\n%s%s\r\n", status,
			     se_http_reason(status), ADMIN_PROTOCOL,
			     status == 204 ? "" : "Content-Length: 0\r\n",
			     c->keep_alive ? "" : "Connection: close\r\n");
	else
		n = snprintf(head, sizeof(head),
			     "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nX-Admin-Protocol: %s\r\n"
			     "Content-Length: %zu\r\n%s\r\n", status, se_http_reason(status), type,
			     ADMIN_PROTOCOL, body.n, c->keep_alive ? "" : "Connection: close\r\n");
	free(c->out);
	c->out = malloc((size_t)n + body.n);
	if (!c->out)
		return -ENOMEM;
	memcpy(c->out, head, (size_t)n);
	if (body.n)
		memcpy(c->out + n, body.p, body.n);
	c->out_n = (size_t)n + body.n;
	c->out_at = 0;
	c->stop_at = c->out_n;
	return 0;
}

static bool strikes(struct conn *c, enum se_fault_kind kind, char value[SE_FAULT_VALUE_MAX])
{
	return se_strikes(c->server->eim, &c->x, kind, value);
}

static void write_answer(struct conn *c)
{
	c->state = CONN_WRITING;
	ev_watch_start(&c->watch, c->fd, EV_OUT);
}

/* Everything about the answer is known: it goes out as it is, or as the faults want it. */
static void respond(struct conn *c)
{
	struct se_exchange *x = &c->x;
	char value[SE_FAULT_VALUE_MAX] = "", type[SE_FAULT_VALUE_MAX] = CONTENT_TYPE;
	unsigned slow = 0, status = x->status;

	c->relayed = false;
	if (strikes(c, SE_FAULT_RESET, NULL)) {
		conn_close(c, END_BY_RESET);
		return;
	}
	if (strikes(c, SE_FAULT_NO_ANSWER, NULL)) {
		c->state = CONN_SILENT;
		ev_watch_start(&c->watch, c->fd, EV_IN);
		return;
	}
	se_spoil(c->server->eim, x);
	if (strikes(c, SE_FAULT_HTTP, value)) {
		status = se_fault_number(value, 500);
		x->response_n = 0;
	}
	if (strikes(c, SE_FAULT_CONTENT_TYPE, value))
		snprintf(type, sizeof(type), "%s", value[0] ? value : "text/html");
	if (compose(c, status, status == 200 ? type : NULL,
		    octets_from(x->response, x->response_n)) < 0) {
		conn_close(c, END_BY_RESET);
		return;
	}
	if (x->response_n > 1 && strikes(c, SE_FAULT_CLOSE, NULL)) {
		c->stop_at = c->out_n - x->response_n / 2;
		c->then_close = true;
	} else if (x->response_n > 1 && strikes(c, SE_FAULT_STALL, NULL)) {
		c->stop_at = c->out_n - x->response_n / 2;
		c->then_stall = true;
	}
	if (x->switches && strikes(c, SE_FAULT_LOST_AFTER_SWITCH, value)) {
		c->then_down = true;
		c->down_s = se_fault_number(value, 0);
	}
	if (strikes(c, SE_FAULT_SLOW, value))
		slow = se_fault_number(value, 1000);
	if (!slow) {
		write_answer(c);
		return;
	}
	c->state = CONN_HANDLING;
	ev_watch_stop(&c->watch);
	ev_alarm_start(&c->alarm, slow);
}

static void answer_written(struct conn *c)
{
	struct se_server *s = c->server;
	bool down = c->then_down;
	unsigned down_s = c->down_s;

	if (c->then_stall) {
		c->state = CONN_SILENT;
		ev_watch_start(&c->watch, c->fd, EV_IN);
		return;
	}
	if (c->then_close || down || !c->keep_alive) {
		conn_close(c, c->then_close ? END_ABRUPTLY : END_POLITELY);
		if (down)
			se_server_down(s, down_s);
		return;
	}
	memmove(c->in, c->in + c->used, c->in_n - c->used);
	c->in_n -= c->used;
	c->used = 0;
	free(c->x.response);
	c->x = (struct se_exchange){ .card = c->x.card };
	c->state = CONN_READING;
	ev_alarm_start(&c->alarm, IDLE_MS);
	ev_watch_start(&c->watch, c->fd, EV_IN);
	/* The next request may have come with the last one. */
	if (c->in_n)
		ev_task_start(&c->handle);
}

/* --- requests --------------------------------------------------------------------------------- */

static void relay_done(struct se_exchange *x)
{
	respond(container_of(x, struct conn, x));
}

/* What the references want in the head, 9.1: told, not enforced. */
static void look_at_head(struct conn *c, const struct se_http *h)
{
	struct se_eim *e = c->server->eim;

	if (c->greeted)
		return;
	c->greeted = true;
	if (!text_starts(h->admin_protocol, "gsma/rsp/v"))
		se_remark(e, c->x.card, "X-Admin-Protocol is \"" TEXT_FMT "\", expected %s",
			  TEXT_ARG(h->admin_protocol), ADMIN_PROTOCOL);
	if (!text_starts(h->user_agent, "gsma-rsp-ipa"))
		se_remark(e, c->x.card,
			  "User-Agent is \"" TEXT_FMT "\", expected gsma-rsp-ipad or -ipae",
			  TEXT_ARG(h->user_agent));
}

static void refuse(struct conn *c, unsigned status, const char *why)
{
	se_remark(c->server->eim, c->x.card, "HTTP %u: %s", status, why);
	c->x.status = status;
	if (status == 400 || status == 413)
		c->keep_alive = false;
	respond(c);
}

static void dispatch(struct conn *c, const struct se_http *h)
{
	struct text type = h->content_type;
	struct se_server *s = c->server;
	int r;

	c->keep_alive = h->keep_alive;
	c->used = h->used;
	ev_alarm_stop(&c->alarm);
	type = text_trim(text_cut(&type, ';'));
	if (!text_eq(h->path, PATH)) {
		refuse(c, 404, "the path is not " PATH);
		return;
	}
	if (!text_eq(h->method, "POST")) {
		refuse(c, 405, "the method is not POST");
		return;
	}
	if (!text_case_eq(type, CONTENT_TYPE)) {
		refuse(c, 415, "the content type is not " CONTENT_TYPE);
		return;
	}
	look_at_head(c, h);
	c->x.request = h->body;
	c->x.done = relay_done;
	c->x.status = 500;
	c->state = CONN_HANDLING;
	ev_watch_stop(&c->watch);
	r = se_esipa_handle(s->eim, &c->x);
	if (r == SE_LATER) {
		c->relayed = true;
		return;
	}
	respond(c);
	if (s->served)
		s->served(s);
}

/* Looks whether a request is complete. */
static void on_handle(struct ev_task *t)
{
	struct conn *c = container_of(t, struct conn, handle);
	struct se_http h;
	int r = se_http_parse(c->in, c->in_n, SE_MESSAGE_MAX, &h);

	if (r == 0) {
		dispatch(c, &h);
	} else if (r == -EAGAIN && h.expects && c->in_n) {
		/* Few clients wait for it, and none is hurt by it coming once more. */
		(void)SSL_write(c->ssl, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	} else if (r != -EAGAIN) {
		c->used = c->in_n;
		refuse(c, r == -E2BIG ? 413 : 400,
		       r == -E2BIG ? "the request is too long" : "not HTTP/1.1");
	}
}

/* --- the connection --------------------------------------------------------------------------- */

/* What OpenSSL waits for, or the end: false if the connection is gone. */
static bool wait_or_close(struct conn *c, int r)
{
	struct se_eim *e = c->server->eim;
	char why[128];

	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		ev_watch_start(&c->watch, c->fd, EV_IN);
		return true;
	case SSL_ERROR_WANT_WRITE:
		ev_watch_start(&c->watch, c->fd, EV_OUT);
		return true;
	case SSL_ERROR_ZERO_RETURN:
		if (c->state == CONN_READING && c->in_n)
			se_remark(e, c->x.card, "the client closed in the middle of a request");
		break;
	default:
		ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
		if (c->state == CONN_HANDSHAKE)
			se_remark(e, NULL, "TLS handshake failed: %s",
				  ERR_peek_error() ? why : "closed");
		else if (c->state != CONN_SILENT)
			se_remark(e, c->x.card, "the client closed without close_notify");
	}
	conn_close(c, END_POLITELY);
	return false;
}

static void conn_read(struct conn *c)
{
	uint8_t sink[4096];

	for (;;) {
		bool silent = c->state == CONN_SILENT;
		size_t room = silent ? sizeof(sink) : IN_MAX - c->in_n;
		int n = room ? SSL_read(c->ssl, silent ? sink : c->in + c->in_n, (int)room) : 0;

		if (!room) {
			refuse(c, 413, "the request is too long");
			return;
		}
		if (n <= 0) {
			bool got = c->in_n > 0;

			if (wait_or_close(c, n) && !silent && got)
				ev_task_start(&c->handle);
			return;
		}
		if (!silent)
			c->in_n += (size_t)n;
	}
}

static void conn_write(struct conn *c)
{
	/* Whoever has the answer finds nobody any more. */
	if (c->then_down)
		close_listener(c->server);
	while (c->out_at < c->stop_at) {
		int n = SSL_write(c->ssl, c->out + c->out_at, (int)(c->stop_at - c->out_at));

		if (n <= 0) {
			wait_or_close(c, n);
			return;
		}
		c->out_at += (size_t)n;
	}
	answer_written(c);
}

static void conn_advance(struct conn *c)
{
	int r;

	ERR_clear_error();
	switch (c->state) {
	case CONN_HANDSHAKE:
		r = SSL_accept(c->ssl);
		if (r != 1) {
			wait_or_close(c, r);
			return;
		}
		c->state = CONN_READING;
		ev_alarm_start(&c->alarm, IDLE_MS);
		ev_watch_start(&c->watch, c->fd, EV_IN);
		conn_read(c);
		break;
	case CONN_READING:
	case CONN_SILENT:
		conn_read(c);
		break;
	case CONN_WRITING:
		conn_write(c);
		break;
	case CONN_HANDLING:
		break;
	}
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	(void)what;
	conn_advance(container_of(w, struct conn, watch));
}

static void on_alarm(struct ev_alarm *a)
{
	struct conn *c = container_of(a, struct conn, alarm);

	if (c->state == CONN_HANDLING)
		write_answer(c);
	else
		conn_close(c, END_POLITELY);
}

static void conn_new(struct se_server *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (c) {
		c->in = malloc(IN_MAX);
		c->ssl = SSL_new(s->ctx);
	}
	if (!c || !c->in || !c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
		if (c) {
			SSL_free(c->ssl);
			free(c->in);
		}
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->server = s;
	c->fd = fd;
	c->watch.ready = on_ready;
	c->alarm.fired = on_alarm;
	c->handle.run = on_handle;
	list_add(&s->connections, &c->node);
	s->n++;
	ev_alarm_start(&c->alarm, HANDSHAKE_MS);
	ev_watch_start(&c->watch, fd, EV_IN);
}

/* --- the listener ----------------------------------------------------------------------------- */

static void on_accept(struct ev_watch *w, unsigned what)
{
	struct se_server *s = container_of(w, struct se_server, watch);
	struct linger hard = { .l_onoff = 1 };
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	if (se_fault_strikes(&s->eim->faults, SE_FAULT_TLS_RESET, SE_ON_ANY, NULL)) {
		se_log(s->eim, NULL, "~ fault tls-reset");
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
		return;
	}
	if (s->n >= SE_CONNECTIONS_MAX) {
		se_remark(s->eim, NULL, "more than %u connections, one refused",
			  SE_CONNECTIONS_MAX);
		close(fd);
		return;
	}
	conn_new(s, fd);
}

static int open_listener(struct se_server *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai = NULL;
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	char port[8];
	int fd = -1, one = 1, r;

	snprintf(port, sizeof(port), "%u", s->port);
	if (getaddrinfo(s->address, port, &hints, &ai) != 0)
		return -EINVAL;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		freeaddrinfo(ai);
		return r;
	}
	freeaddrinfo(ai);
	s->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port :
						   ((struct sockaddr_in *)&at)->sin_port);
	s->fd = fd;
	ev_watch_start(&s->watch, fd, EV_IN);
	return 0;
}

static void close_listener(struct se_server *s)
{
	ev_watch_stop(&s->watch);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void drop_connections(struct se_server *s, enum ending how)
{
	struct conn *c;

	while ((c = list_first(&s->connections, struct conn, node)))
		conn_close(c, how);
}

void se_server_down(struct se_server *s, unsigned seconds)
{
	close_listener(s);
	drop_connections(s, END_BY_RESET);
	if (s->coap)
		s->coap->reach(s->coap, false);
	ev_alarm_stop(&s->back);
	if (seconds) {
		se_log(s->eim, NULL, "~ unreachable for %u s", seconds);
		ev_alarm_start(&s->back, seconds * 1000);
	} else {
		se_log(s->eim, NULL, "~ unreachable until told otherwise");
	}
}

void se_server_up(struct se_server *s)
{
	int r;

	ev_alarm_stop(&s->back);
	if (s->coap)
		s->coap->reach(s->coap, true);
	if (s->fd >= 0)
		return;
	r = open_listener(s);
	if (r < 0) {
		se_remark(s->eim, NULL, "port %u cannot be opened again: %s", s->port,
			  strerror(-r));
		ev_alarm_start(&s->back, 1000);
		return;
	}
	se_log(s->eim, NULL, "~ reachable again");
}

bool se_server_is_up(const struct se_server *s)
{
	return s->fd >= 0;
}

static void on_back(struct ev_alarm *a)
{
	se_server_up(container_of(a, struct se_server, back));
}

void se_server_look_at_faults(struct se_server *s)
{
	char value[SE_FAULT_VALUE_MAX];

	if (se_fault_strikes(&s->eim->faults, SE_FAULT_UNREACHABLE, SE_ON_ANY, value))
		se_server_down(s, se_fault_number(value, 0));
}

/* --- TLS -------------------------------------------------------------------------------------- */

static int make_context(struct se_server *s, const char *tls, char why[256])
{
	char cert[PATH_MAX], key[PATH_MAX];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int low = TLS1_2_VERSION, high = TLS1_3_VERSION;

	if (tls && !strcmp(tls, "1.2"))
		high = TLS1_2_VERSION;
	else if (tls && !strcmp(tls, "1.3"))
		low = TLS1_3_VERSION;
	else if (tls) {
		SSL_CTX_free(ctx);
		snprintf(why, 256, "--tls %.20s: expected 1.2 or 1.3", tls);
		return -EINVAL;
	}
	snprintf(cert, sizeof(cert), "%s/tls.pem", s->eim->dir);
	snprintf(key, sizeof(key), "%s/tls.key.pem", s->eim->dir);
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, low) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, high) != 1 ||
	    SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		snprintf(why, 256, "tls.pem, tls.key.pem: %s",
			 ERR_reason_error_string(ERR_peek_error()));
		SSL_CTX_free(ctx);
		return -EBADMSG;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	s->ctx = ctx;
	return 0;
}

int se_server_start(struct se_server *s, struct se_eim *e, const struct se_server_wish *wish,
		    char why[256])
{
	int r;

	*s = (struct se_server){ .eim = e, .served = s->served, .fd = -1, .port = wish->port };
	snprintf(s->address, sizeof(s->address), "%s", wish->address);
	s->watch.ready = on_accept;
	s->back.fired = on_back;
	list_init(&s->connections);
	r = make_context(s, wish->tls, why);
	if (r < 0)
		return r;
	r = open_listener(s);
	if (r < 0) {
		snprintf(why, 256, "%s port %u: cannot listen: %s", s->address, s->port,
			 strerror(-r));
		SSL_CTX_free(s->ctx);
		s->ctx = NULL;
	}
	return r;
}

void se_server_stop(struct se_server *s)
{
	close_listener(s);
	drop_connections(s, END_POLITELY);
	ev_alarm_stop(&s->back);
	SSL_CTX_free(s->ctx);
	s->ctx = NULL;
}
