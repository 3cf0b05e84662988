#include "sim/smdp/https.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/list.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/head.h"

#define IN_MAX (SDP_HEAD_MAX + SDP_BODY_MAX)
#define DRIP_MS 50

enum conn_state {
	CONN_EXPECT_HANDSHAKE,
	CONN_EXPECT_REQUEST,
	CONN_EXPECT_DELAY,              /* before an answer, or its next piece */
	CONN_EXPECT_ROOM,               /* writing an answer */
	CONN_EXPECT_END,                /* nothing more is said; the client may leave */
	_CONN_STATE_MAX
};

struct conn {
	struct list_node node;
	struct sdp_https *h;
	struct ev_watch watch;
	struct ev_alarm alarm;
	SSL *ssl;
	int fd;
	enum conn_state state;
	uint8_t in[IN_MAX + 1];
	size_t in_n;
	uint8_t *out;
	size_t out_n, out_at, out_end;  /* out_end: so far for now */
	struct sdp_wire wire;
	bool last, continued;
};

struct sdp_https {
	struct sdp *s;
	struct ev_watch watch;
	int fd;
	uint16_t port;
	unsigned idle_ms;
	SSL_CTX *dp, *ds;               /* ds: NULL, or chosen by SNI */
	struct list_node conns;
	size_t conns_n;
};

/* --- TLS -------------------------------------------------------------------------------------- */

static const char *ssl_why(void)
{
	static char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return text;
}

static SSL_CTX *context_new(const char *tls)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	if (!c)
		return NULL;
	SSL_CTX_set_min_proto_version(c, tls && strcmp(tls, "1.3") == 0 ? TLS1_3_VERSION :
				      TLS1_2_VERSION);
	if (tls && strcmp(tls, "1.2") == 0)
		SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	/* What a client that knows P-256 only, or brainpool only, can use. */
	SSL_CTX_set1_groups_list(c, "X25519:P-256:brainpoolP256r1:P-384");
	return c;
}

static int context_load(const char *certificate, const char *key, const char *tls, SSL_CTX **ret,
			char why[SDP_WHY_MAX])
{
	SSL_CTX *c = context_new(tls);
	struct sdp_cert cert;
	struct sdp_key k;
	EVP_PKEY *pkey = NULL;
	int r = c ? sdp_cert_load(certificate, &cert) : -ENOMEM;

	if (r == 0) {
		r = sdp_key_load(key, &k);
		if (r == 0)
			pkey = sdp_key_openssl(&k);
		if (r == 0 && (!pkey || SSL_CTX_use_certificate(c, cert.x509) != 1 ||
			       SSL_CTX_use_PrivateKey(c, pkey) != 1))
			r = -EBADMSG;
		/* TLS 1.3 has brainpool certificates since RFC 8734 only, which few libraries know. */
		if (r == 0 && k.curve == SDP_BRAINPOOL && !tls)
			SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
		sdp_cert_done(&cert);
		EVP_PKEY_free(pkey);
	}
	if (r < 0) {
		snprintf(why, SDP_WHY_MAX, "%.300s: %s", certificate,
			 r == -EBADMSG ? ssl_why() : strerror(-r));
		SSL_CTX_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static int choose_name(SSL *ssl, int *alert, void *arg)
{
	struct sdp_https *h = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (name && h->ds && text_case_eq(text_of(name), h->s->ds_host))
		SSL_set_SSL_CTX(ssl, h->ds);
	return SSL_TLSEXT_ERR_OK;
}

static int contexts_open(struct sdp_https *h, const struct sdp_https_options *o,
			 char why[SDP_WHY_MAX])
{
	char certificate[PATH_MAX], key[PATH_MAX];
	struct stat st;
	int r;

	snprintf(certificate, sizeof(certificate), "%s/dptls.der", o->pki);
	snprintf(key, sizeof(key), "%s/dptls.key.pem", o->pki);
	r = context_load(o->certificate ? o->certificate : certificate, o->key ? o->key : key, o->tls,
			 &h->dp, why);
	if (r < 0)
		return r;
	SSL_CTX_set_tlsext_servername_callback(h->dp, choose_name);
	SSL_CTX_set_tlsext_servername_arg(h->dp, h);
	snprintf(certificate, sizeof(certificate), "%s/dstls.der", o->pki);
	snprintf(key, sizeof(key), "%s/dstls.key.pem", o->pki);
	if (!h->s->ds_host[0] || stat(certificate, &st) < 0)
		return 0;
	return context_load(certificate, key, o->tls, &h->ds, why);
}

/* --- connections ------------------------------------------------------------------------------ */

static void conn_free(struct conn *c)
{
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->alarm);
	list_del(&c->node);
	c->h->conns_n--;
	SSL_free(c->ssl);
	close(c->fd);
	free(c->out);
	free(c);
}

static void conn_reset(struct conn *c)
{
	struct linger l = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	conn_free(c);
}

static void start_answer(struct conn *c)
{
	c->out_end = c->wire.drip ? MIN(c->out_n, c->out_at + c->wire.drip) : c->out_n;
	c->state = CONN_EXPECT_ROOM;
}

static const char *status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} rows[] = {
		{ 100, "Continue" }, { 200, "OK" }, { 204, "No Content" }, { 400, "Bad Request" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 413, "Content Too Large" },
		{ 429, "Too Many Requests" }, { 500, "Internal Server Error" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].status == status)
			return rows[i].text;
	}
	return "Status";
}

/* Puts head and body behind what is being written. */
static void put_answer(struct conn *c, const struct sdp_reply *r)
{
	char head[512];
	size_t n;

	snprintf(head, sizeof(head), "HTTP/1.1 %u %s\r\nX-Admin-Protocol: %s\r\n%s%s%s", r->status,
		 status_text(r->status), r->admin_protocol, r->content_type ? "Content-Type: " : "",
		 r->content_type ? r->content_type : "", r->content_type ? "\r\n" : "");
	n = strlen(head);
	/* RFC 9110: a 204 has no Content-Length. */
	if (r->status != 204)
		snprintf(head + n, sizeof(head) - n, "Content-Length: %zu\r\n", r->body.n);
	n = strlen(head);
	snprintf(head + n, sizeof(head) - n, "%s\r\n", c->last ? "Connection: close\r\n" : "");
	n = strlen(head);
	free(c->out);
	c->out = sdp_alloc(n + r->body.n);
	memcpy(c->out, head, n);
	if (r->body.n)
		memcpy(c->out + n, r->body.p, r->body.n);
	c->out_n = n + r->body.n;
	c->out_at = 0;
	if (r->wire.kind == SDP_FAULT_CLOSE || r->wire.kind == SDP_FAULT_STALL)
		c->out_n = n + r->body.n / 2;
}

/* False: the connection is gone. */
static bool answer(struct conn *c, struct sdp_reply *r)
{
	c->wire = r->wire;
	if (r->wire.kind == SDP_FAULT_RESET) {
		conn_reset(c);
		return false;
	}
	if (r->wire.kind == SDP_FAULT_NO_ANSWER) {
		c->state = CONN_EXPECT_END;
		return true;
	}
	put_answer(c, r);
	if (r->wire.slow_ms) {
		c->state = CONN_EXPECT_DELAY;
		ev_alarm_start(&c->alarm, r->wire.slow_ms);
	} else {
		start_answer(c);
	}
	return true;
}

static bool answer_status(struct conn *c, unsigned status)
{
	struct sdp_reply r = { .status = status, .wire = { .kind = _SDP_FAULT_MAX } };
	bool alive;

	c->last = true;
	snprintf(r.admin_protocol, sizeof(r.admin_protocol), "gsma/rsp/%s", c->h->s->protocol);
	alive = answer(c, &r);
	sdp_reply_done(&r);
	return alive;
}

/* --- HTTP ------------------------------------------------------------------------------------- */

/* Serves one request if it is there. False: the connection is gone. *ret_busy: there was one. */
static bool take_request(struct conn *c, bool *ret_busy)
{
	struct sdp_head h;
	struct sdp_reply r;
	size_t used, body;
	bool alive;
	int e = sdp_head_read(c->in, c->in_n, &h);

	*ret_busy = e != -EAGAIN;
	if (e == -EAGAIN)
		return true;
	if (e < 0)
		return answer_status(c, 400);
	body = used = h.body;
	if (!h.chunked && h.body > SDP_BODY_MAX)
		return answer_status(c, 413);
	e = h.chunked ? sdp_join_chunks(c->in + h.n, c->in_n - h.n, &body, &used) :
	    c->in_n - h.n < h.body ? -EAGAIN : 0;
	if (e == -EAGAIN && c->in_n < IN_MAX) {
		/* Whoever waits for the word gets it once; it is small enough to go at once. */
		if (h.expects && !c->continued)
			SSL_write(c->ssl, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		c->continued = h.expects;
		*ret_busy = false;
		return true;
	}
	if (e < 0)
		return answer_status(c, e == -EAGAIN ? 413 : 400);
	c->last = h.close;
	c->continued = false;
	h.q.body = octets_from(c->in + h.n, body);
	sdp_serve(c->h->s, &h.q, &r);
	memmove(c->in, c->in + h.n + used, c->in_n - h.n - used);
	c->in_n -= h.n + used;
	alive = answer(c, &r);
	sdp_reply_done(&r);
	return alive;
}

/* --- progress --------------------------------------------------------------------------------- */

/* What to wait for after an SSL call; false: the connection is over. */
static bool await(struct conn *c, int result)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		ev_watch_start(&c->watch, c->fd, EV_IN);
		return true;
	case SSL_ERROR_WANT_WRITE:
		ev_watch_start(&c->watch, c->fd, EV_OUT);
		return true;
	}
	if (c->state == CONN_EXPECT_HANDSHAKE)
		log_info("smdp", "TLS handshake failed: %s", ssl_why());
	ERR_clear_error();
	return false;
}

/* An answer, or a piece of it, is out. False: the connection is gone. */
static bool on_written(struct conn *c)
{
	if (c->out_at < c->out_n) {
		c->state = CONN_EXPECT_DELAY;
		ev_alarm_start(&c->alarm, DRIP_MS);
	} else if (c->wire.kind == SDP_FAULT_CLOSE) {
		/* Without close_notify, so that nobody can take it for the end of the body. */
		conn_free(c);
		return false;
	} else if (c->wire.kind == SDP_FAULT_STALL) {
		c->state = CONN_EXPECT_END;
	} else if (c->last) {
		SSL_shutdown(c->ssl);
		conn_free(c);
		return false;
	} else {
		c->state = CONN_EXPECT_REQUEST;
	}
	return true;
}

/* One step; true: there may be more to do at once. The connection may be gone otherwise. */
static bool step(struct conn *c)
{
	bool busy;
	int n = 0;

	switch (c->state) {
	case CONN_EXPECT_HANDSHAKE:
		n = SSL_accept(c->ssl);
		if (n == 1) {
			c->state = CONN_EXPECT_REQUEST;
			return true;
		}
		break;
	case CONN_EXPECT_REQUEST:
		if (!take_request(c, &busy))
			return false;
		if (busy)
			return true;
		n = SSL_read(c->ssl, c->in + c->in_n, (int)(IN_MAX - c->in_n));
		if (n > 0) {
			c->in_n += (size_t)n;
			return true;
		}
		break;
	case CONN_EXPECT_ROOM:
		if (c->out_at == c->out_end)
			return on_written(c);
		n = SSL_write(c->ssl, c->out + c->out_at, (int)(c->out_end - c->out_at));
		if (n > 0) {
			c->out_at += (size_t)n;
			return true;
		}
		break;
	case CONN_EXPECT_DELAY:
		ev_watch_stop(&c->watch);       /* the alarm goes on with it */
		return false;
	case CONN_EXPECT_END:
		n = SSL_read(c->ssl, c->in, IN_MAX);
		if (n > 0)
			return true;
		break;
	case _CONN_STATE_MAX:
		return false;
	}
	if (!await(c, n))
		conn_free(c);
	return false;
}

static void run(struct conn *c)
{
	if (c->state != CONN_EXPECT_DELAY)
		ev_alarm_start(&c->alarm, c->h->idle_ms);
	while (step(c))
		;
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	(void)what;
	run(container_of(w, struct conn, watch));
}

static void on_alarm(struct ev_alarm *a)
{
	struct conn *c = container_of(a, struct conn, alarm);

	if (c->state == CONN_EXPECT_DELAY) {
		start_answer(c);
		run(c);
	} else {
		conn_free(c);
	}
}

static void on_caller(struct ev_watch *w, unsigned what)
{
	struct sdp_https *h = container_of(w, struct sdp_https, watch);
	int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), one = 1;
	struct conn *c;

	(void)what;
	if (fd < 0)
		return;
	if (h->conns_n == SDP_CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = sdp_alloc(sizeof(*c));
	c->h = h;
	c->fd = fd;
	c->watch.ready = on_ready;
	c->alarm.fired = on_alarm;
	list_add(&h->conns, &c->node);
	h->conns_n++;
	c->ssl = SSL_new(h->dp);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
		conn_free(c);
		return;
	}
	run(c);
}

/* --- the listener ----------------------------------------------------------------------------- */

static int listen_on(struct sdp_https *h, const struct sdp_https_options *o)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(o->port) };
	socklen_t n = sizeof(a);
	int one = 1;

	if (inet_pton(AF_INET, o->address ? o->address : "127.0.0.1", &a.sin_addr) != 1)
		return -EINVAL;
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->fd < 0)
		return -errno;
	setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(h->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(h->fd, 64) < 0 ||
	    getsockname(h->fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	h->port = ntohs(a.sin_port);
	h->watch.ready = on_caller;
	ev_watch_start(&h->watch, h->fd, EV_IN);
	return 0;
}

int sdp_https_open(struct sdp *s, const struct sdp_https_options *o, struct sdp_https **ret,
		   char why[SDP_WHY_MAX])
{
	struct sdp_https *h = sdp_alloc(sizeof(*h));
	int r;

	h->s = s;
	h->fd = -1;
	h->idle_ms = (o->idle_s ? o->idle_s : 60) * 1000;
	list_init(&h->conns);
	r = contexts_open(h, o, why);
	if (r == 0) {
		r = listen_on(h, o);
		if (r < 0)
			snprintf(why, SDP_WHY_MAX, "%s port %u: %s",
				 o->address ? o->address : "127.0.0.1", o->port, strerror(-r));
	}
	if (r < 0) {
		sdp_https_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

void sdp_https_close(struct sdp_https *h)
{
	struct conn *c, *tmp;

	if (!h)
		return;
	list_for_each_safe(c, tmp, &h->conns, node)
		conn_free(c);
	ev_watch_stop(&h->watch);
	if (h->fd >= 0)
		close(h->fd);
	SSL_CTX_free(h->dp);
	SSL_CTX_free(h->ds);
	free(h);
}

uint16_t sdp_https_port(const struct sdp_https *h)
{
	return h->port;
}
