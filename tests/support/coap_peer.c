#include "support/coap_peer.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/util.h"

#define LIFE_S   180    /* a peer that a failed test forgot does not stay */
#define CLIENTS  16
#define DATAGRAM 1400   /* of a flight; OpenSSL writes records, we put them together */

enum { CON, NON, ACK, RST };

struct client {
	SSL *ssl;
	struct sockaddr_in at;
	uint64_t heard_ms;
	bool shaken;
	/* CoAP */
	bool has_last;
	uint16_t last_mid;              /* of the latest request, and what it was answered with */
	uint8_t last[1600];
	size_t last_n;
	uint8_t token[8];               /* of the body that is being put together */
	size_t token_n;
	size_t body_n;
	uint8_t body[COAP_PEER_BODY];
	unsigned lost_once, forgot_once, answer_no;
	const struct coap_reply *reply; /* whose body is delivered in blocks */
	unsigned asked;                 /* blocks of it */
	/* an answer that takes time */
	uint64_t due_ms;
	uint16_t due_mid;
	uint8_t due_token[8];
	size_t due_token_n;
};

struct message {
	unsigned type, code;
	uint16_t mid;
	const uint8_t *token, *payload;
	size_t token_n, n;
	bool has_block1, has_block2;
	uint32_t block1, block2;
};

static int fd;
static SSL_CTX *context;
static const struct coap_peer_plan *plan;
static struct coap_peer_seen *seen;
static struct client *clients[CLIENTS];
static unsigned replied;
static uint16_t own_mid = 0x4000;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- DTLS ------------------------------------------------------------------------------------- */

/* Whole records, as many as go into a datagram. */
static void flush(struct client *c)
{
	uint8_t d[20000];
	int n = BIO_read(SSL_get_wbio(c->ssl), d, sizeof(d));
	size_t at = 0, from = 0;

	while (n > 0 && at + 13 <= (size_t)n) {
		size_t record = 13 + ((size_t)d[at + 11] << 8 | d[at + 12]);

		if (at > from && at + record - from > DATAGRAM) {
			sendto(fd, d + from, at - from, 0, (struct sockaddr *)&c->at, sizeof(c->at));
			from = at;
		}
		at += record;
	}
	if (at > from)
		sendto(fd, d + from, at - from, 0, (struct sockaddr *)&c->at, sizeof(c->at));
}

static unsigned on_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned max)
{
	(void)ssl, (void)max;
	snprintf(seen->identity, sizeof(seen->identity), "%s", identity);
	memcpy(psk, plan->psk, strlen(plan->psk));
	return (unsigned)strlen(plan->psk);
}

static int on_cookie(SSL *ssl, unsigned char *cookie, unsigned *n)
{
	(void)ssl;
	memset(cookie, 0x5a, 20);
	*n = 20;
	return 1;
}

static int on_cookie_back(SSL *ssl, const unsigned char *cookie, unsigned n)
{
	(void)ssl;
	return n == 20 && cookie[0] == 0x5a;
}

static void on_info(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
		seen->alerts += value >> 8 == SSL3_AL_FATAL;
		if (value >> 8 == SSL3_AL_FATAL)
			seen->alert = (unsigned)value & 0xff;
	}
}

static void make_context(void)
{
	char suites[256];

	context = SSL_CTX_new(DTLS_server_method());
	snprintf(suites, sizeof(suites), "%s:@SECLEVEL=0",
		 plan->suites ? plan->suites : plan->psk ? "PSK" : "ALL");
	SSL_CTX_set_cipher_list(context, suites);
	SSL_CTX_set_options(context, SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_cookie_generate_cb(context, on_cookie);
	SSL_CTX_set_cookie_verify_cb(context, on_cookie_back);
	SSL_CTX_set_info_callback(context, on_info);
	if (plan->psk) {
		SSL_CTX_set_psk_server_callback(context, on_psk);
		SSL_CTX_use_psk_identity_hint(context, "a hint that nobody needs");
		return;
	}
	SSL_CTX_use_certificate(context, plan->cert->crt);
	SSL_CTX_use_PrivateKey(context, plan->cert->key);
	if (plan->chain) {
		X509_up_ref(plan->chain->crt);
		SSL_CTX_add_extra_chain_cert(context, plan->chain->crt);
	}
}

static void forget(struct client **c, bool politely)
{
	if (!*c)
		return;
	if (politely) {
		SSL_shutdown((*c)->ssl);
		flush(*c);
	}
	SSL_free((*c)->ssl);
	free(*c);
	*c = NULL;
}

static struct client **place_of(const struct sockaddr_in *at)
{
	struct client **empty = NULL;

	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i] && clients[i]->at.sin_port == at->sin_port)
			return &clients[i];
		if (!clients[i] && !empty)
			empty = &clients[i];
	}
	if (!empty) {
		forget(&clients[0], false);
		empty = &clients[0];
	}
	return empty;
}

static struct client *greet(const struct sockaddr_in *at)
{
	struct client *c = calloc(1, sizeof(*c));

	c->at = *at;
	c->ssl = SSL_new(context);
	SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(c->ssl), -1);
	SSL_set_mtu(c->ssl, DATAGRAM);
	SSL_set_accept_state(c->ssl);
	seen->hellos++;
	return c;
}

static void send_message(struct client *c, const uint8_t *m, size_t n)
{
	SSL_write(c->ssl, m, (int)n);
	flush(c);
}

/* --- CoAP ------------------------------------------------------------------------------------- */

static uint32_t number(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static size_t extended(const uint8_t **p, const uint8_t *end, unsigned nibble)
{
	if (nibble == 13 && *p < end)
		return 13 + (size_t)*(*p)++;
	if (nibble == 14 && *p + 1 < end) {
		*p += 2;
		return 269 + ((size_t)(*p)[-2] << 8 | (*p)[-1]);
	}
	return nibble;
}

static void take_option(struct message *m, unsigned no, const uint8_t *v, size_t n)
{
	size_t at = strlen(seen->path);

	if (no == 3)
		snprintf(seen->host, sizeof(seen->host), "%.*s", (int)n, v);
	else if (no == 11)
		snprintf(seen->path + at, sizeof(seen->path) - at, "/%.*s", (int)n, v);
	else if (no == 12)
		seen->format = (int)number(v, n);
	else if (no == 23)
		m->has_block2 = true, m->block2 = number(v, n);
	else if (no == 27)
		m->has_block1 = true, m->block1 = number(v, n);
}

static bool parse(struct message *m, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	unsigned no = 0;

	*m = (struct message){ 0 };
	if (n < 4 || p[0] >> 6 != 1 || (p[0] & 15) > 8 || n < 4u + (p[0] & 15))
		return false;
	m->type = p[0] >> 4 & 3;
	m->token_n = p[0] & 15;
	m->code = p[1];
	m->mid = (uint16_t)(p[2] << 8 | p[3]);
	m->token = p + 4;
	p += 4 + m->token_n;
	seen->path[0] = seen->host[0] = '\0';
	seen->format = -1;
	while (p < end && *p != 0xff) {
		unsigned head = *p++;
		size_t len;

		no += (unsigned)extended(&p, end, head >> 4);
		len = extended(&p, end, head & 15);
		if (len > (size_t)(end - p))
			return false;
		take_option(m, no, p, len);
		p += len;
	}
	if (p < end) {
		m->payload = p + 1;
		m->n = (size_t)(end - p - 1);
	}
	return true;
}

struct out {
	uint8_t p[1700];
	size_t n;
	unsigned no;
};

static void begin(struct out *o, unsigned type, unsigned code, uint16_t mid, const uint8_t *token,
		  size_t token_n)
{
	o->p[0] = (uint8_t)(0x40 | type << 4 | token_n);
	o->p[1] = (uint8_t)code;
	o->p[2] = (uint8_t)(mid >> 8);
	o->p[3] = (uint8_t)mid;
	if (token_n)
		memcpy(o->p + 4, token, token_n);
	o->n = 4 + token_n;
	o->no = 0;
}

static void put_raw(struct out *o, const void *p, size_t n)
{
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

/* Numbers and lengths below 269 are enough here. */
static void put_option(struct out *o, unsigned no, uint32_t v)
{
	unsigned delta = no - o->no, n = v > 0xffff ? 3 : v > 0xff ? 2 : v > 0 ? 1 : 0;

	o->p[o->n++] = (uint8_t)((delta < 13 ? delta : 13) << 4 | n);
	if (delta >= 13)
		o->p[o->n++] = (uint8_t)(delta - 13);
	while (n--)
		o->p[o->n++] = (uint8_t)(v >> 8 * n);
	o->no = no;
}

static void put_payload(struct out *o, const void *p, size_t n)
{
	if (!n)
		return;
	o->p[o->n++] = 0xff;
	put_raw(o, p, n);
}

static void remember(struct client *c, const struct out *o)
{
	memcpy(c->last, o->p, o->n);
	c->last_n = o->n;
	send_message(c, o->p, o->n);
}

static void short_answer(struct client *c, const struct message *m, unsigned code, const char *words)
{
	struct out o;

	begin(&o, ACK, code, m->mid, m->token, m->token_n);
	put_payload(&o, words, strlen(words));
	remember(c, &o);
}

static size_t length_of(const struct coap_reply *r)
{
	return r->n ? r->n : r->payload ? strlen(r->payload) : 0;
}

static unsigned block_size(void)
{
	return plan->block ? plan->block : 1024;
}

/* One block of an answer, as the plan distorts it. */
static void put_block(struct client *c, struct out *o, const struct coap_reply *r, unsigned num,
		      unsigned size)
{
	size_t all = length_of(r), at = (size_t)num * size, n;
	unsigned szx = 0, said = num;
	bool more;

	while (16u << szx < size)
		szx++;
	if (plan->download == COAP_BEGINS_AGAIN)
		at = said = 0;
	n = at < all ? MIN(size, all - at) : 0;
	more = at + n < all || plan->download == COAP_ENDLESS;
	if (plan->download == COAP_ENDLESS) {
		at = 0;
		n = size;
	}
	if (plan->download == COAP_WRONG_NUMBER && num == 2)
		said = 7;
	if (plan->download == COAP_SHORT_BLOCKS)
		n /= 2;
	if (plan->download == COAP_CHANGES)
		put_option(o, 4, 1 + (num > 1 && c->forgot_once++ < 1));
	put_option(o, 12, 42);
	put_option(o, 23, said << 4 | (more ? 8u : 0) | szx);
	if (plan->download != COAP_ENDLESS)
		put_option(o, 28, (uint32_t)all + (plan->download == COAP_LIES_OF_SIZE ? 7 : 0));
	put_payload(o, r->payload + at, n);
}

static void answer(struct client *c, const struct coap_reply *r, uint16_t mid, const uint8_t *token,
		   size_t token_n)
{
	size_t n = length_of(r);
	unsigned code = r->code ? (unsigned)r->code : n ? 0x45 : 0x44;
	uint8_t options[64];
	size_t options_n = 0;
	struct out o;

	if (r->manner == COAP_SILENT)
		return;
	if (r->manner == COAP_RAW) {
		send_message(c, (const uint8_t *)r->payload, n);
		return;
	}
	if (r->manner == COAP_RESET) {
		begin(&o, RST, 0, mid, NULL, 0);
		remember(c, &o);
		return;
	}
	if (r->manner == COAP_SEPARATE) {
		begin(&o, ACK, 0, mid, NULL, 0);
		remember(c, &o);
	}
	if (r->manner == COAP_OTHER_TOKEN) {
		begin(&o, NON, 0x45, own_mid++, (const uint8_t *)"????", 4);
		put_payload(&o, "not for you", 11);
		send_message(c, o.p, o.n);
	}
	begin(&o, r->manner == COAP_SEPARATE ? CON : ACK, code,
	      r->manner == COAP_SEPARATE ? own_mid++ : mid, token, token_n);
	if (r->options)
		hex_decode(text_of(r->options), options, sizeof(options), &options_n);
	if (n > block_size() || (plan->download == COAP_ENDLESS && n)) {
		c->reply = r;
		put_block(c, &o, r, 0, block_size());
	} else {
		if (n && code >> 5 == 2)
			put_option(&o, 12, 42);
		put_raw(&o, options, options_n);
		put_payload(&o, r->payload, n);
	}
	if (r->manner == COAP_SEPARATE)
		send_message(c, o.p, o.n);
	else
		remember(c, &o);
	if (r->manner == COAP_DOUBLE)
		send_message(c, o.p, o.n);
}

static const struct coap_reply nothing = { 0 };

static void whole_request(struct client *c, const struct message *m)
{
	const struct coap_reply *r = plan->replies_n ? &plan->replies[MIN(replied, plan->replies_n - 1)] :
						       &nothing;

	replied++;
	memcpy(seen->body, c->body, c->body_n);
	seen->body_n = (unsigned)c->body_n;
	seen->token_n = (unsigned)m->token_n;
	seen->requests++;
	c->body_n = 0;
	c->due_mid = m->mid;
	memcpy(c->due_token, m->token, m->token_n);
	c->due_token_n = m->token_n;
	c->reply = r;
	c->due_ms = now_ms() + r->delay_ms;
}

static void ask_on(struct client *c, const struct message *m, bool more)
{
	struct out o;

	(void)more;
	begin(&o, ACK, 0x5f, m->mid, m->token, m->token_n);
	put_option(&o, 27, m->block1);
	remember(c, &o);
}

/* False: it is answered already. */
static bool take_block(struct client *c, const struct message *m)
{
	bool more = m->block1 & 8;
	unsigned size = 16u << (m->block1 & 7);
	size_t at = (size_t)(m->block1 >> 4) * size;
	struct out o;

	seen->blocks++;
	if (plan->upload == COAP_NO_BLOCKS) {
		short_answer(c, m, 0x80, "handle ESipa request: no DER");
		return false;
	}
	if (plan->upload == COAP_IGNORES_BLOCKS) {
		short_answer(c, m, 0x44, "");
		return false;
	}
	if (plan->upload == COAP_SMALL_BLOCKS && size > 256) {
		begin(&o, ACK, 0x8d, m->mid, m->token, m->token_n);
		put_option(&o, 27, 8 | 4);
		remember(c, &o);
		return false;
	}
	if (plan->upload == COAP_LOSES_BLOCKS && at > 0 && !c->lost_once++) {
		short_answer(c, m, 0x88, "");
		return false;
	}
	if (at == 0) {
		c->body_n = 0;
		memcpy(c->token, m->token, m->token_n);
		c->token_n = m->token_n;
	}
	if (plan->upload == COAP_BY_TOKEN &&
	    (c->token_n != m->token_n || memcmp(c->token, m->token, m->token_n) != 0))
		c->body_n = at = 0;
	if (at != c->body_n || at + m->n > sizeof(c->body)) {
		short_answer(c, m, 0x88, "");
		return false;
	}
	memcpy(c->body + at, m->payload, m->n);
	c->body_n += m->n;
	if (more)
		ask_on(c, m, more);
	return !more;
}

static void ask_block(struct client *c, const struct message *m)
{
	unsigned size = 16u << (m->block2 & 7), num = m->block2 >> 4;
	struct out o;

	seen->asked_blocks++;
	if (!c->reply || (plan->download == COAP_FORGETS && !c->forgot_once++)) {
		short_answer(c, m, 0x80, "empty input");
		return;
	}
	begin(&o, ACK, 0x45, m->mid, m->token, m->token_n);
	put_block(c, &o, c->reply, num, size);
	remember(c, &o);
}

static void on_request(struct client *c, const struct message *m)
{
	if (c->has_last && c->last_mid == m->mid) {
		/* A repetition gets what the first one got, once that is there. */
		if (c->last_n)
			send_message(c, c->last, c->last_n);
		return;
	}
	c->has_last = true;
	c->last_mid = m->mid;
	c->last_n = 0;
	if (m->has_block2 && !m->n) {
		ask_block(c, m);
		return;
	}
	if (m->has_block1 && !take_block(c, m))
		return;
	if (!m->has_block1) {
		c->body_n = MIN(m->n, sizeof(c->body));
		if (c->body_n)
			memcpy(c->body, m->payload, c->body_n);
	}
	whole_request(c, m);
}

static void on_message(struct client *c, const uint8_t *p, size_t n)
{
	struct message m;
	struct out o;

	if (n > (plan->message_max ? plan->message_max : 1472)) {
		SSL_shutdown(c->ssl);
		return;
	}
	if (!parse(&m, p, n))
		return;
	if (m.code == 0) {
		if (m.type == CON) {
			seen->pings++;
			begin(&o, RST, 0, m.mid, NULL, 0);
			send_message(c, o.p, o.n);
		}
		return;
	}
	seen->messages++;
	on_request(c, &m);
}

/* --- the loop --------------------------------------------------------------------------------- */

/* False: the association has ended. */
static bool read_on(struct client *c)
{
	uint8_t m[4096];
	int r;

	while ((r = SSL_read(c->ssl, m, sizeof(m))) > 0)
		on_message(c, m, (size_t)r);
	if (!c->shaken && SSL_is_init_finished(c->ssl)) {
		const char *sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);

		c->shaken = true;
		seen->handshakes++;
		snprintf(seen->sni, sizeof(seen->sni), "%s", sni ? sni : "");
	}
	r = SSL_get_error(c->ssl, r);
	ERR_clear_error();
	if (r == SSL_ERROR_ZERO_RETURN)
		seen->farewells++;
	flush(c);
	return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE;
}

static void on_datagram(void)
{
	uint8_t d[4096];
	struct sockaddr_in at;
	socklen_t at_n = sizeof(at);
	ssize_t n = recvfrom(fd, d, sizeof(d), 0, (struct sockaddr *)&at, &at_n);
	struct client **c;

	if (n <= 0 || seen->mute || (plan->lose_above && n > (ssize_t)plan->lose_above))
		return;
	c = place_of(&at);
	if (!*c && (n < 14 || d[0] != 22 || d[13] != 1)) {
		seen->strays++;
		return;
	}
	if (!*c)
		*c = greet(&at);
	(*c)->heard_ms = now_ms();
	BIO_write(SSL_get_rbio((*c)->ssl), d, (int)n);
	if (!read_on(*c))
		forget(c, true);
}

static void look_after(struct client **c)
{
	struct client *x = *c;

	if (DTLSv1_handle_timeout(x->ssl) > 0)
		flush(x);
	if (x->due_ms && now_ms() >= x->due_ms) {
		x->due_ms = 0;
		if (x->reply->manner == COAP_FAREWELL) {
			forget(c, true);
			return;
		}
		answer(x, x->reply, x->due_mid, x->due_token, x->due_token_n);
	}
	if (plan->idle_ms && now_ms() - x->heard_ms > plan->idle_ms)
		forget(c, true);
}

static void serve(void)
{
	unsigned forgotten = 0, left = 0;
	uint64_t end = now_ms() + LIFE_S * 1000;

	make_context();
	while (now_ms() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		unsigned forget_now = seen->forget, leave_now = seen->leave;

		if (poll(&p, 1, 10) > 0)
			on_datagram();
		for (int i = 0; i < CLIENTS; i++) {
			if (clients[i] && (forgotten != forget_now || left != leave_now))
				forget(&clients[i], left != leave_now);
			if (clients[i])
				look_after(&clients[i]);
		}
		forgotten = seen->forgotten = forget_now;
		left = seen->left = leave_now;
	}
}

void coap_peer_start(struct coap_peer *p, const struct coap_peer_plan *how)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(how->port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(any);

	plan = how;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &n), 0);
	p->port = ntohs(any.sin_port);
	p->seen = seen;
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		serve();
		_exit(0);
	}
	close(fd);
}

void coap_peer_stop(struct coap_peer *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	munmap(p->seen, sizeof(*p->seen));
	p->pid = 0;
}
