#include "support/mini_ipa.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"

/* What cannot fail in a test; unlike assert(), it is there in every build. */
static void must(bool good)
{
	if (!good)
		abort();
}

void mini_ipa_open(struct mini_ipa *i, const char *ca, uint16_t port)
{
	*i = (struct mini_ipa){ .port = port, .fd = -1, .path = "/gsma/rsp2/asn1", .method = "POST",
				.type = "application/x-gsma-rsp-asn1", .host = "localhost",
				.patience_ms = 10000 };
	i->ctx = SSL_CTX_new(TLS_client_method());
	must(i->ctx && SSL_CTX_load_verify_file(i->ctx, ca) == 1 &&
	     SSL_CTX_set1_groups_list(i->ctx, "X25519:P-256:brainpoolP256r1") == 1);
	SSL_CTX_set_verify(i->ctx, SSL_VERIFY_PEER, NULL);
}

void mini_ipa_hang_up(struct mini_ipa *i)
{
	if (i->ssl)
		SSL_shutdown(i->ssl);
	SSL_free(i->ssl);
	i->ssl = NULL;
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}

void mini_ipa_close(struct mini_ipa *i)
{
	mini_ipa_hang_up(i);
	SSL_CTX_free(i->ctx);
	i->ctx = NULL;
}

static int dial(struct mini_ipa *i)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(i->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { i->patience_ms / 1000, (long)(i->patience_ms % 1000) * 1000 };
	int r;

	i->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(i->fd >= 0);
	setsockopt(i->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(i->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		r = -errno;
		mini_ipa_hang_up(i);
		return r;
	}
	i->ssl = SSL_new(i->ctx);
	must(i->ssl && SSL_set_fd(i->ssl, i->fd) == 1 && SSL_set1_host(i->ssl, i->host) == 1 &&
	     SSL_set_tlsext_host_name(i->ssl, i->host) == 1);
	ERR_clear_error();
	if (SSL_connect(i->ssl) == 1)
		return 0;
	/* Before there is TLS nothing can be said politely. */
	SSL_free(i->ssl);
	i->ssl = NULL;
	mini_ipa_hang_up(i);
	return -EPROTO;
}

/* --- the answer ------------------------------------------------------------------------------- */

struct head {
	size_t n;
	bool has_length, close;
	uint32_t length;
};

static int read_head(struct mini_ipa *i, const uint8_t *p, size_t n, struct head *h)
{
	struct text rest = text_from(p, n), line;
	uint32_t status;

	for (size_t k = 0; k + 3 < n && !h->n; k++) {
		if (!memcmp(p + k, "\r\n\r\n", 4))
			h->n = k + 4;
	}
	if (!h->n)
		return -EAGAIN;
	rest.n = h->n;
	line = text_cut(&rest, '\n');
	if (!text_starts(line, "HTTP/1.1 ") ||
	    text_to_u32(text_from(line.s + 9, 3), 10, &status) < 0)
		return -EBADMSG;
	i->status = status;
	i->content_type[0] = '\0';
	while (rest.n) {
		line = text_trim(text_cut(&rest, '\n'));
		if (text_case_starts(line, "Content-Type:"))
			text_copy(text_trim(text_skip(line, 13)), i->content_type,
				  sizeof(i->content_type));
		else if (text_case_starts(line, "Content-Length:"))
			h->has_length =
				text_to_u32(text_trim(text_skip(line, 15)), 10, &h->length) == 0;
		else if (text_case_starts(line, "Connection: close"))
			h->close = true;
	}
	return 0;
}

static int why_not(struct mini_ipa *i, int r)
{
	bool late = SSL_get_error(i->ssl, r) == SSL_ERROR_WANT_READ ||
		    (SSL_get_error(i->ssl, r) == SSL_ERROR_SYSCALL && errno == EAGAIN);

	SSL_free(i->ssl);
	i->ssl = NULL;
	mini_ipa_hang_up(i);
	return late ? -ETIMEDOUT : -ECONNRESET;
}

static int read_answer(struct mini_ipa *i)
{
	static uint8_t buf[MINI_BODY_MAX + 4096];
	struct head h = { .n = 0 };
	size_t n = 0, want;
	int r = -EAGAIN, did;

	i->status = 0;
	i->n = 0;
	for (;;) {
		if (!h.n)
			r = read_head(i, buf, n, &h);
		if (r == -EBADMSG)
			return r;
		want = h.n + (i->status == 204 ? 0 : h.length);
		if (h.n && n >= want)
			break;
		must(n < sizeof(buf));
		errno = 0;
		ERR_clear_error();
		did = SSL_read(i->ssl, buf + n, (int)(sizeof(buf) - n));
		if (did <= 0)
			return why_not(i, did);
		n += (size_t)did;
	}
	i->n = want - h.n;
	memcpy(i->body, buf + h.n, i->n);
	if (h.close)
		mini_ipa_hang_up(i);
	return 0;
}

int mini_ipa_raw(struct mini_ipa *i, struct octets request)
{
	int r = i->ssl ? 0 : dial(i);

	if (r < 0)
		return r;
	ERR_clear_error();
	r = SSL_write(i->ssl, request.p, (int)request.n);
	if (r <= 0)
		return why_not(i, r);
	return read_answer(i);
}

int mini_ipa_post(struct mini_ipa *i, struct octets request)
{
	_cleanup_(freep) uint8_t *buf = malloc(request.n + 1024);
	int n;

	if (i->carry)
		return i->carry(i, request);
	must(buf);
	n = snprintf((char *)buf, 1024,
		     "%s %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: gsma-rsp-ipad\r\n"
		     "X-Admin-Protocol: gsma/rsp/v2.1.0\r\nContent-Type: %s\r\nContent-Length: "
		     "%zu\r\n\r\n",
		     i->method, i->path, i->host, i->port, i->type, request.n);
	memcpy(buf + n, request.p, request.n);
	return mini_ipa_raw(i, octets_from(buf, (size_t)n + request.n));
}

/* --- ESipa ------------------------------------------------------------------------------------ */

struct octets mini_ipa_get(struct mini_ipa *i, const struct mini_card *c)
{
	uint8_t request[32];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xBF4F);
	struct tlv_doc doc;
	struct tlv top;
	struct octets content;

	tlv_put(&w, 0x5A, c->eid, 16);
	tlv_close(&w, m);
	if (mini_ipa_post(i, octets_from(request, w.len)) < 0 || i->status != 200)
		return octets_from(NULL, 0);
	top = tlv_open(&doc, octets_from(i->body, i->n));
	content = tlv_take(&top, 0xBF4F);
	return doc.fault ? octets_from(NULL, 0) : content;
}

static void take_acknowledgements(struct mini_ipa *i, struct mini_card *c)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, octets_from(i->body, i->n)), body = tlv_enter(&top, 0xBF50),
		   list;
	bool there;

	list = tlv_enter_maybe(&body, 0xBF53, &there);
	while (tlv_more(&list))
		mini_card_remove(c, tlv_take_u32(&list, 0x80));
}

int mini_ipa_provide(struct mini_ipa *i, struct mini_card *c, struct octets alternative)
{
	static uint8_t request[MINI_BODY_MAX];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xBF50), both, list;
	int r;

	tlv_put(&w, 0x5A, c->eid, 16);
	if (alternative.n > 2 && alternative.p[1] == 0x51 && c->notes_n) {
		both = tlv_begin(&w, 0x30);
		tlv_put_raw(&w, alternative.p, alternative.n);
		list = tlv_begin(&w, 0xA0);
		for (size_t k = 0; k < c->notes_n; k++)
			tlv_put_raw(&w, c->notes[k].octets, c->notes[k].n);
		tlv_close(&w, list);
		tlv_close(&w, both);
	} else {
		tlv_put_raw(&w, alternative.p, alternative.n);
	}
	tlv_close(&w, m);
	r = mini_ipa_post(i, octets_from(request, w.len));
	if (r == 0 && i->status == 200)
		take_acknowledgements(i, c);
	return r < 0 ? r : i->status == 200 ? 0 : -EREMOTEIO;
}

static bool asks_for(struct octets tags, uint8_t tag)
{
	return tags.n && memchr(tags.p, tag, tags.n);
}

struct octets mini_ipa_data(struct mini_card *c, struct octets request)
{
	static uint8_t buf[MINI_BODY_MAX];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, request), body = tlv_enter(&top, 0xBF52), eum, euicc;
	struct octets tags = tlv_take(&body, 0x5C), tx = { NULL, 0 };
	struct tlv_mark m = tlv_begin(&w, 0xBF52), data = tlv_begin(&w, 0xA0), list;

	while (tlv_more(&body)) {
		if (tlv_peek(&body) == 0x83)
			tx = tlv_take(&body, 0x83);
		else
			tlv_skip(&body);
	}
	if (asks_for(tags, 0xA2)) {
		list = tlv_begin(&w, 0xA2);
		for (size_t k = 0; k < c->results_n; k++)
			tlv_put_raw(&w, c->results[k].octets, c->results[k].n);
		tlv_close(&w, list);
	}
	if (asks_for(tags, 0x84) && c->token)
		tlv_put_i32(&w, 0x84, c->token);
	eum = tlv_open(&doc, c->eum);
	euicc = tlv_open(&doc, c->euicc);
	if (asks_for(tags, 0xA5))
		tlv_put_octets(&w, 0xA5, tlv_take(&eum, 0x30));
	if (asks_for(tags, 0xA6))
		tlv_put_octets(&w, 0xA6, tlv_take(&euicc, 0x30));
	if (tx.n)
		tlv_put_octets(&w, 0x87, tx);
	tlv_close(&w, data);
	tlv_close(&w, m);
	return octets_from(buf, w.len);
}

/* One package, dealt with and delivered: 1, 0 where there was none, or a negative errno. */
static int run_one(struct mini_ipa *i, struct mini_card *c)
{
	static uint8_t copy[MINI_BODY_MAX];
	struct octets content = mini_ipa_get(i, c);
	int r = 1;

	if (!content.p)
		return -EREMOTEIO;
	memcpy(copy, content.p, content.n);
	content.p = copy;
	if (content.n == 3 && copy[0] == 0x02)
		return copy[2] == 1 ? 0 : -ENOENT;
	if (content.n > 2 && copy[1] == 0x51)
		r = mini_ipa_provide(i, c, mini_card_load(c, content));
	else if (content.n > 2 && copy[1] == 0x52)
		r = mini_ipa_provide(i, c, mini_ipa_data(c, content));
	else
		r = -ENOTSUP;
	return r < 0 ? r : 1;
}

int mini_ipa_run(struct mini_ipa *i, struct mini_card *c)
{
	int done = 0, r;

	while (c->results_n) {
		struct mini_stored first = c->results[0];

		r = mini_ipa_provide(i, c, octets_from(first.octets, first.n));
		if (r < 0)
			return r;
		/* Not acknowledged: it stays, and is not what this run is for. */
		if (c->results_n && c->results[0].seq == first.seq)
			break;
	}
	while ((r = run_one(i, c)) > 0 && done < 64)
		done++;
	return r < 0 ? r : done;
}
