/*
 * mbedTLS reads and writes through two callbacks that never block. What it waits for is what we
 * watch: in the handshake either direction, afterwards reading always, so that a server that hangs
 * up is noticed, and writing while something is to be sent.
 */
#include "net/tls.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <string.h>
#include <sys/socket.h>

#include "net/crypto.h"
#include "net/names.h"
#include "net/verify.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define FIELD(x) MBEDTLS_PRIVATE(x)
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && defined(MBEDTLS_SSL_SESSION_TICKETS)
#define HAVE_TLS13_TICKETS 1
#endif
#else
#define FIELD(x) x
#endif
#ifndef HAVE_TLS13_TICKETS
#define HAVE_TLS13_TICKETS 0
#endif

#define READ_ROOM      4096
#define MEMORY_MAX_MS  (24 * 3600 * 1000ull)    /* tickets rarely live longer */

struct tls_memory {
	mbedtls_ssl_session session;
	bool there;
	uint64_t since_ms;
	uint8_t trust_id[TRUST_ID_MAX];
	char host[NET_HOST_MAX];
};

struct tls {
	struct tls_user *user;
	const struct trust *trust;
	struct tls_memory *memory;
	int fd;
	int os_error;                   /* of the last read or write that failed */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	struct verdict verdict;
	char host[NET_HOST_MAX];
	bool ready;
	const uint8_t *out;
	size_t out_n;
	struct ev_watch watch;
	bool *gone;                     /* set when it is freed from inside a callback */
};

/* GSMA SGP.22 6.1 and SGP.32 ask for ECDHE-ECDSA with AES-128; the field has RSA certificates too. */
static const int suites[] = {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	0
};

/* --- words --- */

static const struct {
	int code;
	const char *words;
} alerts[] = {
	{ 0, "close notify" },
	{ 10, "unexpected message" },
	{ 20, "bad record" },
	{ 22, "record too long" },
	{ 40, "no parameters in common (handshake failure)" },
	{ 42, "bad certificate" },
	{ 43, "unsupported certificate" },
	{ 44, "certificate revoked" },
	{ 45, "certificate expired" },
	{ 46, "certificate unknown" },
	{ 47, "illegal parameter" },
	{ 48, "unknown authority" },
	{ 49, "access denied" },
	{ 50, "message not decodable" },
	{ 51, "decryption failed" },
	{ 70, "protocol version not supported" },
	{ 71, "security not sufficient" },
	{ 80, "internal error" },
	{ 86, "version fallback not accepted" },
	{ 90, "cancelled by the user" },
	{ 109, "extension missing" },
	{ 110, "extension not supported" },
	{ 112, "no server of this name" },
	{ 113, "bad certificate status" },
	{ 115, "unknown pre-shared key" },
	{ 116, "wants a client certificate" },
	{ 120, "no application protocol in common" },
};

const char *tls_alert_words(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(alerts); i++)
		if (alerts[i].code == code)
			return alerts[i].words;
	return "unknown alert";
}

/* Failures that are about the server's certificate before or after the chain was judged. */
static bool explain_certificate(struct tls *t, int r, struct net_error *e)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
	char words[96];

	if (net_error_is_set(&t->verdict.error)) {
		*e = t->verdict.error;
		return true;
	}
	if (r <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && r >= MBEDTLS_ERR_X509_FATAL_ERROR) {
		mbedtls_strerror(r, words, sizeof(words));
		net_error_set(e, CAUSE_REFUSED, NET_CERTIFICATE, -r,
			      "the certificate of %.60s cannot be read: %.70s", t->host, words);
		return true;
	}
	if (t->verdict.seen && flags != 0 && flags != UINT32_MAX) {
		net_error_set(e, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags,
			      "the certificate of %.60s is not meant for a server", t->host);
		return true;
	}
	return false;
}

static void explain(struct tls *t, int r, struct net_error *e)
{
	const char *when = t->ready ? "connection" : "handshake";
	char words[96];
	int alert;

	if (!t->ready && explain_certificate(t, r, e))
		return;
	switch (r) {
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		alert = t->ssl.FIELD(in_msg) ? t->ssl.FIELD(in_msg)[1] : 0;
		net_error_set(e, CAUSE_REFUSED, NET_TLS, alert, "%s ended by the server: %s (alert %d)",
			      when, tls_alert_words(alert), alert);
		return;
	case MBEDTLS_ERR_SSL_CONN_EOF:
	case 0:
		net_error_set(e, CAUSE_LINK_LOST, NET_TLS, -1, "%s cut off by the server", when);
		return;
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		net_error_set(e, CAUSE_LINK_LOST, NET_TLS, -1, "%s closed by the server", when);
		return;
	case MBEDTLS_ERR_NET_RECV_FAILED:
	case MBEDTLS_ERR_NET_SEND_FAILED:
	case MBEDTLS_ERR_NET_CONN_RESET:
		net_error_set(e, CAUSE_LINK_LOST, NET_TLS, t->os_error, "%s broken: %s", when,
			      strerror(t->os_error));
		return;
	default:
		mbedtls_strerror(r, words, sizeof(words));
		net_error_set(e, CAUSE_MALFORMED, NET_TLS, -r, "%s failed: %.90s (%04x)", when, words,
			      (unsigned)-r);
	}
}

/* --- the session --- */

int tls_memory_new(struct tls_memory **ret)
{
	struct tls_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	mbedtls_ssl_session_init(&m->session);
	*ret = m;
	return 0;
}

void tls_memory_forget(struct tls_memory *m)
{
	mbedtls_ssl_session_free(&m->session);
	mbedtls_ssl_session_init(&m->session);
	m->there = false;
}

void tls_memory_free(struct tls_memory *m)
{
	if (!m)
		return;
	mbedtls_ssl_session_free(&m->session);
	free(m);
}

static void remember(struct tls *t)
{
	struct tls_memory *m = t->memory;

	if (!m)
		return;
	tls_memory_forget(m);
	if (mbedtls_ssl_get_session(&t->ssl, &m->session) != 0) {
		tls_memory_forget(m);
		return;
	}
	m->there = true;
	m->since_ms = ev_now_ms();
	memcpy(m->trust_id, trust_id(t->trust), sizeof(m->trust_id));
	memcpy(m->host, t->host, sizeof(m->host));
}

static void recall(struct tls *t)
{
	struct tls_memory *m = t->memory;

	if (!m || !m->there)
		return;
	if (ev_now_ms() - m->since_ms > MEMORY_MAX_MS || strcmp(m->host, t->host) != 0 ||
	    memcmp(m->trust_id, trust_id(t->trust), sizeof(m->trust_id)) != 0 ||
	    mbedtls_ssl_set_session(&t->ssl, &m->session) != 0)
		tls_memory_forget(m);
}

/* --- the stream --- */

static int on_write(void *context, const unsigned char *data, size_t n)
{
	struct tls *t = context;
	ssize_t r = send(t->fd, data, n, MSG_NOSIGNAL);

	if (r >= 0)
		return (int)r;
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	t->os_error = errno;
	return MBEDTLS_ERR_NET_SEND_FAILED;
}

static int on_read(void *context, unsigned char *data, size_t n)
{
	struct tls *t = context;
	ssize_t r = recv(t->fd, data, n, 0);

	if (r >= 0)
		return (int)r;
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_READ;
	t->os_error = errno;
	return MBEDTLS_ERR_NET_RECV_FAILED;
}

/* Nothing follows; a failed session is not resumed. */
static void end(struct tls *t, int r)
{
	struct net_error why = { 0 };
	bool orderly = t->ready && r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;

	ev_watch_stop(&t->watch);
	if (!orderly)
		explain(t, r, &why);
	if (!t->ready && t->memory)
		tls_memory_forget(t->memory);
	t->user->closed(t->user, orderly ? NULL : &why);
}

static void watch(struct tls *t)
{
	ev_watch_start(&t->watch, t->fd, EV_IN | (t->out_n ? EV_OUT : 0));
}

/* False: it has ended, or the user has freed it. */
static bool shake_hands(struct tls *t, bool *gone)
{
	int r = mbedtls_ssl_handshake(&t->ssl);

	if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
		ev_watch_start(&t->watch, t->fd, r == MBEDTLS_ERR_SSL_WANT_READ ? EV_IN : EV_OUT);
		return false;
	}
	if (r != 0) {
		end(t, r);
		return false;
	}
	t->ready = true;
	/* With 1.3 there is nothing to resume before a ticket has come. */
	if (strcmp(tls_version(t), "TLSv1.3") != 0)
		remember(t);
	watch(t);
	t->user->ready(t->user);
	return !*gone;
}

static bool write_on(struct tls *t, bool *gone)
{
	while (t->out_n) {
		int r = mbedtls_ssl_write(&t->ssl, t->out, t->out_n);

		if (r == MBEDTLS_ERR_SSL_WANT_WRITE || r == MBEDTLS_ERR_SSL_WANT_READ)
			return true;
		if (r < 0) {
			/* The server may have said why before it hung up: let reading find out. */
			if (r == MBEDTLS_ERR_NET_SEND_FAILED) {
				t->out_n = 0;
				return true;
			}
			end(t, r);
			return false;
		}
		t->out += r;
		t->out_n -= (size_t)r;
		if (t->out_n == 0) {
			watch(t);
			t->user->sent(t->user);
		}
		if (*gone)
			return false;
	}
	return true;
}

static bool is_ticket(int r)
{
#if HAVE_TLS13_TICKETS
	return r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
	(void)r;
	return false;
#endif
}

static void read_on(struct tls *t, bool *gone)
{
	uint8_t data[READ_ROOM];

	for (;;) {
		int r = mbedtls_ssl_read(&t->ssl, data, sizeof(data));

		if (r > 0) {
			t->user->received(t->user, text_from(data, (size_t)r));
			if (*gone)
				return;
		} else if (is_ticket(r)) {
			remember(t);
		} else if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
			watch(t);
			return;
		} else {
			end(t, r);
			return;
		}
	}
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct tls *t = container_of(w, struct tls, watch);
	bool gone = false;

	(void)what;
	t->gone = &gone;
	if ((t->ready || shake_hands(t, &gone)) && write_on(t, &gone))
		read_on(t, &gone);
	if (!gone)
		t->gone = NULL;
}

static int configure(struct tls *t)
{
	mbedtls_ssl_config *c = &t->conf;
	uint8_t ip[16];
	size_t ip_n;

	if (mbedtls_ssl_config_defaults(c, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return -EIO;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
#if HAVE_TLS13_TICKETS && defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
	mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
		c, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
#else
	mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
	mbedtls_ssl_conf_ciphersuites(c, suites);
	mbedtls_ssl_conf_cert_profile(c, &verify_profile);
	mbedtls_ssl_conf_authmode(c, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(c, verify_anchors(t->trust), NULL);
	mbedtls_ssl_conf_verify(c, verify_step, &t->verdict);
	mbedtls_ssl_conf_rng(c, crypto_rng, NULL);
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
	mbedtls_ssl_conf_session_tickets(c, t->memory ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED :
						       MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
#if defined(MBEDTLS_SSL_RENEGOTIATION)
	mbedtls_ssl_conf_renegotiation(c, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
	if (mbedtls_ssl_setup(&t->ssl, c) != 0)
		return -ENOMEM;
	/* RFC 6066: no address in SNI. Without a name the library compares none; verify_step() does. */
	if (mbedtls_ssl_set_hostname(&t->ssl, net_literal(t->host, ip, &ip_n) ? NULL : t->host) != 0)
		return -ENOMEM;
	mbedtls_ssl_set_bio(&t->ssl, t, on_write, on_read, NULL);
	recall(t);
	return 0;
}

int tls_new(int fd, const struct tls_server *server, struct tls_user *user, struct tls **ret)
{
	struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		close(fd);
		return -ENOMEM;
	}
	t->fd = fd;
	t->user = user;
	t->trust = server->trust;
	t->memory = server->memory;
	t->watch.ready = on_ready;
	t->verdict = (struct verdict){ .trust = server->trust, .host = t->host,
				       .clock_is_set = verify_clock_is_set() };
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	r = text_copy(text_of(server->host), t->host, sizeof(t->host));
	if (r == 0)
		r = crypto_open();
	if (r == 0)
		r = configure(t);
	if (r < 0) {
		tls_free(t);
		return r;
	}
	ev_watch_start(&t->watch, fd, EV_OUT);
	*ret = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->gone)
		*t->gone = true;
	ev_watch_stop(&t->watch);
	/* Whether it gets out is not our business any more; that it was tried is. */
	if (t->ready)
		(void)mbedtls_ssl_close_notify(&t->ssl);
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	close(t->fd);
	free(t);
}

void tls_send(struct tls *t, const void *data, size_t n)
{
	t->out = data;
	t->out_n = n;
	watch(t);
}

bool tls_resumed(const struct tls *t)
{
	return t->ready && !t->verdict.seen;
}

const char *tls_version(const struct tls *t)
{
	return mbedtls_ssl_get_version(&t->ssl);
}

size_t tls_foreign_chain(const void *session, uint64_t version, struct octets *ret, size_t max)
{
	const mbedtls_x509_crt *c = NULL;
	size_t n = 0;

	if (session && version == mbedtls_version_get_number())
		c = mbedtls_ssl_get_peer_cert(session);
	for (; c && n < max; c = c->next)
		ret[n++] = octets_from(c->raw.p, c->raw.len);
	return n;
}
