#include "sim/eim/post.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/util.h"
#include "sim/eim/route.h"

#define FIRST_ROOM 65536u

void se_post_stop(struct se_post *p)
{
	ev_watch_stop(&p->watch);
	ev_alarm_stop(&p->alarm);
	SSL_free(p->ssl);
	p->ssl = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->out);
	free(p->in);
	p->out = p->in = NULL;
}

static void finish(struct se_post *p, int r, unsigned status, struct octets body)
{
	uint8_t *in = take(p->in);

	se_post_stop(p);
	p->done(p, r, status, body);
	free(in);
}

static void fail(struct se_post *p, int r)
{
	finish(p, r, 0, octets_from(NULL, 0));
}

/* --- the answer ------------------------------------------------------------------------------- */

/* 0: complete; -EAGAIN; -EBADMSG. At the end of the connection whatever came is the body. */
static int parse(struct se_post *p, bool ended, unsigned *ret_status, struct octets *ret_body)
{
	const uint8_t *end = memmem(p->in, p->in_n, "\r\n\r\n", 4);
	struct text rest, line;
	uint32_t status, length = 0;
	bool has_length = false;
	size_t head;

	if (!end)
		return ended ? -EBADMSG : -EAGAIN;
	head = (size_t)(end - p->in) + 4;
	rest = text_from(p->in, head);
	line = text_cut(&rest, '\n');
	if (line.n < 12 || !text_starts(line, "HTTP/1.") ||
	    text_to_u32(text_from(line.s + 9, 3), 10, &status) < 0)
		return -EBADMSG;
	while (rest.n) {
		line = text_trim(text_cut(&rest, '\n'));
		if (text_case_starts(line, "Content-Length:"))
			has_length = text_to_u32(text_trim(text_skip(line, 15)), 10, &length) == 0;
		else if (text_case_starts(line, "Transfer-Encoding:"))
			return -EBADMSG;
	}
	*ret_status = status;
	if (status == 204)
		length = 0;
	else if (!has_length && !ended)
		return -EAGAIN;
	else if (!has_length)
		length = (uint32_t)(p->in_n - head);
	if (p->in_n - head < length)
		return ended ? -EBADMSG : -EAGAIN;
	*ret_body = octets_from(p->in + head, length);
	return 0;
}

static bool judge(struct se_post *p, bool ended)
{
	struct octets body = { NULL, 0 };
	unsigned status = 0;
	int r = parse(p, ended, &status, &body);

	if (r == -EAGAIN)
		return false;
	finish(p, r, status, body);
	return true;
}

static bool make_room(struct se_post *p)
{
	size_t cap = p->in_cap ? 2 * p->in_cap : FIRST_ROOM;
	uint8_t *in;

	if (p->in_n < p->in_cap)
		return true;
	in = cap <= SE_POST_MAX ? realloc(p->in, cap) : NULL;
	if (!in)
		return false;
	p->in = in;
	p->in_cap = cap;
	return true;
}

/* --- the connection --------------------------------------------------------------------------- */

/* False: it is over, and told. */
static bool wait_for(struct se_post *p, int r)
{
	switch (SSL_get_error(p->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		ev_watch_start(&p->watch, p->fd, EV_IN);
		return true;
	case SSL_ERROR_WANT_WRITE:
		ev_watch_start(&p->watch, p->fd, EV_OUT);
		return true;
	default:
		if (!p->connected || p->out_at < p->out_n)
			fail(p, p->connected ? -ECONNRESET : -EPROTO);
		else if (!judge(p, true))
			fail(p, -EBADMSG);
		return false;
	}
}

static void advance(struct se_post *p)
{
	int n;

	ERR_clear_error();
	if (!p->connected) {
		n = SSL_connect(p->ssl);
		if (n != 1) {
			wait_for(p, n);
			return;
		}
		p->connected = true;
	}
	while (p->out_at < p->out_n) {
		n = SSL_write(p->ssl, p->out + p->out_at, (int)(p->out_n - p->out_at));
		if (n <= 0) {
			wait_for(p, n);
			return;
		}
		p->out_at += (size_t)n;
	}
	for (;;) {
		if (!make_room(p)) {
			fail(p, -E2BIG);
			return;
		}
		n = SSL_read(p->ssl, p->in + p->in_n, (int)(p->in_cap - p->in_n));
		if (n <= 0) {
			wait_for(p, n);
			return;
		}
		p->in_n += (size_t)n;
		if (judge(p, false))
			return;
	}
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct se_post *p = container_of(w, struct se_post, watch);
	int error = 0;
	socklen_t n = sizeof(error);

	(void)what;
	if (!p->connected && getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error) {
		fail(p, -error);
		return;
	}
	advance(p);
}

static void on_alarm(struct ev_alarm *a)
{
	fail(container_of(a, struct se_post, alarm), -ETIMEDOUT);
}

/* The name in the certificate, and in SNI unless it is an address (RFC 6066, 3). */
static int expect_name(SSL *ssl, const char *address)
{
	char name[SE_HOST_MAX];

	if (text_copy(se_route_host(address), name, sizeof(name)) < 0)
		return 0;
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
		return 1;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

int se_post_start(struct se_post *p, const struct se_post_wish *wish)
{
	size_t room = wish->body.n + 1024;
	int n, r = -ENOMEM;

	*p = (struct se_post){ .done = p->done, .fd = -1 };
	p->watch.ready = on_ready;
	p->alarm.fired = on_alarm;
	p->out = malloc(room);
	if (!p->out)
		return r;
	n = snprintf((char *)p->out, 1024,
		     "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n"
		     "Connection: close\r\n\r\n",
		     wish->path, wish->host, wish->headers, wish->body.n);
	if (n < 0 || n >= 1024)
		goto bad;
	memcpy(p->out + n, wish->body.p, wish->body.n);
	p->out_n = (size_t)n + wish->body.n;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->ssl = SSL_new(wish->ctx);
	if (p->fd < 0 || !p->ssl || SSL_set_fd(p->ssl, p->fd) != 1 ||
	    expect_name(p->ssl, wish->host) != 1)
		goto bad;
	if (connect(p->fd, (const struct sockaddr *)&wish->at, sizeof(wish->at)) < 0 &&
	    errno != EINPROGRESS) {
		r = -errno;
		goto bad;
	}
	ev_watch_start(&p->watch, p->fd, EV_OUT);
	ev_alarm_start(&p->alarm, wish->patience_ms);
	return 0;
bad:
	se_post_stop(p);
	return r;
}
