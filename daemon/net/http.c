/*
 * name → connection → handshake → request → answer. Each wait belongs to one layer, which is the
 * one a deadline names. The answer may begin while the request is still going out: a server that
 * refuses does not read on.
 */
#include "net/http.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CONNECT_MS    30000
#define HEAD_ROOM     2048
#define BODY_FIRST    4096

enum http_state {
	HTTP_CLOSED,
	HTTP_EXPECT_NAME,
	HTTP_EXPECT_CONNECTION,
	HTTP_EXPECT_HANDSHAKE,
	HTTP_EXPECT_ANSWER,
	HTTP_KEPT,              /* connected, nothing under way */
	_HTTP_STATE_MAX
};

struct http {
	struct http_server server;
	struct tls_memory *memory;
	enum http_state state;
	struct names_query names;
	struct tcp_connect tcp;
	struct tls *tls;
	struct tls_user tls_user;
	bool resumed;

	struct http_request *request;   /* NULL: none */
	uint8_t *out;                   /* head and body */
	size_t out_n;
	bool begun;                     /* something of it has gone out */
	bool sent, reused, heard, head_done;
	struct http_parse parse;
	size_t answer_cap;
	struct ev_alarm deadline, connect_deadline;
	struct ev_task task;
	struct net_error error;         /* what the task ends the request with */
};

static const struct {
	enum net_layer layer;
	const char *what;
} waits[_HTTP_STATE_MAX] = {
	[HTTP_CLOSED] = { NET_CONNECT, "a start" },
	[HTTP_EXPECT_NAME] = { NET_NAME, "the address of" },
	[HTTP_EXPECT_CONNECTION] = { NET_CONNECT, "a connection to" },
	[HTTP_EXPECT_HANDSHAKE] = { NET_TLS, "the handshake of" },
	[HTTP_EXPECT_ANSWER] = { NET_HTTP, "the answer of" },
	[HTTP_KEPT] = { NET_HTTP, "nothing from" },
};

static void disconnect(struct http *h)
{
	names_stop(&h->names);
	tcp_stop(&h->tcp);
	ev_alarm_stop(&h->connect_deadline);
	tls_free(h->tls);
	h->tls = NULL;
	h->state = HTTP_CLOSED;
}

static void drop_request(struct http *h)
{
	ev_alarm_stop(&h->deadline);
	ev_task_stop(&h->task);
	free(h->out);
	h->out = NULL;
	h->request = NULL;
}

static void drop_answer(struct http_request *q)
{
	free(q->answer);
	q->answer = NULL;
	q->answer_n = 0;
}

/* From the loop only. The client may be freed when this returns. */
static void finish(struct http *h, const struct net_error *why)
{
	struct http_request *q = h->request;
	struct net_error copy;

	drop_request(h);
	if (why) {
		copy = *why;
		q->unsent = !h->begun;
		disconnect(h);
		drop_answer(q);
		q->done(q, &copy);
		return;
	}
	if (!h->sent || !h->parse.keep)
		disconnect(h);
	else
		h->state = HTTP_KEPT;
	q->status = h->parse.status;
	memcpy(q->type, h->parse.type, sizeof(q->type));
	q->done(q, NULL);
}

static void fail(struct http *h, enum cause_kind kind, enum net_layer layer, int code,
		 const char *what)
{
	struct net_error why = { 0 };

	net_error_set(&why, kind, layer, code, "%s", what);
	finish(h, &why);
}

static void on_deadline(struct ev_alarm *a)
{
	struct http *h = container_of(a, struct http, deadline);
	struct net_error why = { 0 };

	net_error_set(&why, CAUSE_TIMEOUT, waits[h->state].layer, -1,
		      "waited %u ms in vain, at last for %s %.80s", h->request->patience_ms,
		      waits[h->state].what, h->server.place.host);
	finish(h, &why);
}

static void on_connect_deadline(struct ev_alarm *a)
{
	struct http *h = container_of(a, struct http, connect_deadline);
	struct net_error why = { 0 };

	net_error_set(&why, CAUSE_TIMEOUT, waits[h->state].layer, -1,
		      "waited %u ms in vain for %s %.80s", h->server.connect_ms,
		      waits[h->state].what, h->server.place.host);
	finish(h, &why);
}

/* --- connecting --- */

static void connect_anew(struct http *h)
{
	disconnect(h);
	h->reused = false;
	h->state = HTTP_EXPECT_NAME;
	ev_alarm_start(&h->connect_deadline, h->server.connect_ms);
	names_start(&h->names);
}

static void on_named(struct names_query *names, const struct net_error *why)
{
	struct http *h = container_of(names, struct http, names);

	if (why) {
		finish(h, why);
		return;
	}
	h->state = HTTP_EXPECT_CONNECTION;
	h->tcp.to = h->names.found;
	h->tcp.n = h->names.n;
	tcp_start(&h->tcp);
}

static void on_connected(struct tcp_connect *tcp, int fd, const struct net_error *why)
{
	struct http *h = container_of(tcp, struct http, tcp);
	struct tls_server server = { h->server.place.host, h->server.trust, h->memory };
	int r;

	if (why) {
		finish(h, why);
		return;
	}
	h->state = HTTP_EXPECT_HANDSHAKE;
	r = tls_new(fd, &server, &h->tls_user, &h->tls);
	if (r < 0) {
		h->tls = NULL;
		fail(h, CAUSE_LINK_LOST, NET_TLS, -r, "the TLS library does not start");
	}
}

static void send_request(struct http *h)
{
	h->state = HTTP_EXPECT_ANSWER;
	h->begun = true;
	h->sent = h->heard = h->head_done = false;
	http_parse_init(&h->parse);
	tls_send(h->tls, h->out, h->out_n);
}

static void on_ready(struct tls_user *u)
{
	struct http *h = container_of(u, struct http, tls_user);

	ev_alarm_stop(&h->connect_deadline);
	h->resumed = tls_resumed(h->tls);
	send_request(h);
}

/* --- the answer --- */

/* False: it does not fit, and the request has ended. */
static bool keep_body(struct http *h, struct text piece)
{
	struct http_request *q = h->request;
	size_t cap = h->answer_cap;
	uint8_t *bigger;

	if (piece.n > q->answer_max - q->answer_n) {
		fail(h, CAUSE_MALFORMED, NET_HTTP, h->parse.status, "the answer is too large");
		return false;
	}
	while (cap - q->answer_n < piece.n)
		cap = cap ? cap * 2 : BODY_FIRST;
	if (cap != h->answer_cap) {
		bigger = realloc(q->answer, cap);
		if (!bigger) {
			fail(h, CAUSE_LINK_LOST, NET_HTTP, ENOMEM, "no memory for the answer");
			return false;
		}
		q->answer = bigger;
		h->answer_cap = cap;
	}
	memcpy(q->answer + q->answer_n, piece.s, piece.n);
	q->answer_n += piece.n;
	if (q->grown)
		q->grown(q);
	return true;
}

/* A given length is believed only to refuse it early, or to ask for memory once. */
static bool take_head(struct http *h)
{
	struct http_request *q = h->request;

	h->head_done = true;
	q->status = h->parse.status;
	memcpy(q->type, h->parse.type, sizeof(q->type));
	if (!h->parse.has_length || h->parse.length == 0)
		return true;
	if (h->parse.length > q->answer_max) {
		fail(h, CAUSE_MALFORMED, NET_HTTP, h->parse.status, "the answer is too large");
		return false;
	}
	q->answer = malloc((size_t)h->parse.length);
	h->answer_cap = q->answer ? (size_t)h->parse.length : 0;
	return true;
}

static void take_answer(struct http *h, struct text data)
{
	for (;;) {
		struct text piece = { 0 };
		struct net_error why = { 0 };

		switch (http_parse(&h->parse, &data, &piece)) {
		case HTTP_GOT_NOTHING:
			return;
		case HTTP_GOT_HEAD:
			if (!take_head(h))
				return;
			break;
		case HTTP_GOT_BODY:
			if (!keep_body(h, piece))
				return;
			break;
		case HTTP_GOT_END:
			/* Answers to what nobody asked: the connection is out of step. */
			if (data.n > 0)
				h->parse.keep = false;
			finish(h, NULL);
			return;
		case HTTP_GOT_FAULT:
		case _HTTP_GOT_MAX:
			net_error_set(&why, CAUSE_MALFORMED, NET_HTTP, -1, "unreadable answer: %s",
				      h->parse.fault);
			finish(h, &why);
			return;
		}
	}
}

static void on_received(struct tls_user *u, struct text data)
{
	struct http *h = container_of(u, struct http, tls_user);

	if (h->state == HTTP_KEPT) {
		disconnect(h);
		return;
	}
	h->heard = true;
	take_answer(h, data);
}

static void on_sent(struct tls_user *u)
{
	container_of(u, struct http, tls_user)->sent = true;
}

static void on_closed(struct tls_user *u, const struct net_error *why)
{
	struct http *h = container_of(u, struct http, tls_user);
	struct net_error copy = { 0 };

	if (h->state == HTTP_KEPT) {
		disconnect(h);
		return;
	}
	if (h->state == HTTP_EXPECT_ANSWER && h->reused && !h->heard) {
		connect_anew(h);
		return;
	}
	/* A body without a length is whole only if the server says that this is the end. */
	if (!why && h->head_done && http_parse_ends(&h->parse)) {
		finish(h, NULL);
		return;
	}
	if (why && !h->heard) {
		copy = *why;
	} else if (!h->heard) {
		net_error_set(&copy, CAUSE_LINK_LOST, NET_HTTP, -1,
			      "the server closed the connection without an answer");
	} else {
		net_error_set(&copy, CAUSE_LINK_LOST, NET_HTTP, h->parse.status,
			      "the answer breaks off after %zu octets of its body",
			      h->request->answer_n);
	}
	finish(h, &copy);
}

/* --- requests --- */

static bool value_is_sound(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* The request as it goes out, in one piece: one record, one packet where it fits. */
static int compose(struct http *h, const struct http_request *q)
{
	const struct net_place *place = &h->server.place;
	bool v6 = strchr(place->host, ':') != NULL;
	char port[8] = "", head[HEAD_ROOM];
	FILE *f = fmemopen(head, sizeof(head), "w");
	long n;

	if (!f)
		return -ENOMEM;
	if (place->port != 443)
		snprintf(port, sizeof(port), ":%u", place->port);
	fprintf(f, "POST %s HTTP/1.1\r\nHost: %s%s%s%s\r\n", q->path, v6 ? "[" : "", place->host,
		v6 ? "]" : "", port);
	for (size_t i = 0; i < q->headers_n; i++) {
		if (!value_is_sound(q->headers[i].name) || !value_is_sound(q->headers[i].value)) {
			fclose(f);
			return -EINVAL;
		}
		fprintf(f, "%s: %s\r\n", q->headers[i].name, q->headers[i].value);
	}
	fprintf(f, "Content-Length: %zu\r\n\r\n", q->body_n);
	fflush(f);
	n = ferror(f) ? -1 : ftell(f);
	fclose(f);
	if (n <= 0 || (size_t)n >= sizeof(head) || !value_is_sound(q->path))
		return -EINVAL;
	h->out = malloc((size_t)n + q->body_n);
	if (!h->out)
		return -ENOMEM;
	memcpy(h->out, head, (size_t)n);
	if (q->body_n)
		memcpy(h->out + n, q->body, q->body_n);
	h->out_n = (size_t)n + q->body_n;
	return 0;
}

static void on_task(struct ev_task *t)
{
	struct http *h = container_of(t, struct http, task);
	struct net_error why = h->error;

	finish(h, &why);
}

void http_submit(struct http *h, struct http_request *q)
{
	int r;

	assert(!h->request);
	q->status = 0;
	q->type[0] = '\0';
	q->unsent = h->begun = false;
	q->answer = NULL;
	q->answer_n = 0;
	h->request = q;
	h->answer_cap = 0;
	h->error = (struct net_error){ 0 };
	r = compose(h, q);
	if (r < 0) {
		net_error_set(&h->error, CAUSE_MALFORMED, NET_HTTP, -r,
			      "the request cannot be put together: %s", strerror(-r));
		ev_task_start(&h->task);
		return;
	}
	ev_alarm_start(&h->deadline, q->patience_ms);
	if (h->state == HTTP_KEPT) {
		h->reused = true;
		send_request(h);
	} else {
		connect_anew(h);
	}
}

void http_cancel(struct http *h, struct http_request *q)
{
	if (h->request != q)
		return;
	drop_request(h);
	drop_answer(q);
	/* Its answer may still come, and must not be taken for the next one's. */
	disconnect(h);
}

void http_close(struct http *h)
{
	if (!h->request)
		disconnect(h);
}

bool http_resumed(const struct http *h)
{
	return h->resumed;
}

bool http_is_connected(const struct http *h)
{
	return h->state == HTTP_EXPECT_ANSWER || h->state == HTTP_KEPT;
}

int http_new(const struct http_server *server, struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	r = tls_memory_new(&h->memory);
	if (r < 0) {
		free(h);
		return r;
	}
	h->server = *server;
	if (!h->server.connect_ms)
		h->server.connect_ms = CONNECT_MS;
	h->names.host = h->server.place.host;
	h->names.port = server->place.port;
	h->names.interface = h->tcp.interface = server->interface;
	h->names.servers = server->name_servers;
	h->names.patience_ms = h->tcp.patience_ms = h->server.connect_ms;
	h->names.done = on_named;
	h->tcp.done = on_connected;
	h->tls_user = (struct tls_user){ on_ready, on_received, on_sent, on_closed };
	h->deadline.fired = on_deadline;
	h->connect_deadline.fired = on_connect_deadline;
	h->task.run = on_task;
	*ret = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->request)
		http_cancel(h, h->request);
	disconnect(h);
	tls_memory_free(h->memory);
	free(h);
}
