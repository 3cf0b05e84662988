#include "support/tls_peer.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/util.h"

#define LIFE_S 120      /* a peer that a failed test forgot does not stay */

static unsigned slice;
static struct peer_seen *seen;

/* --- a BIO on a socket that writes in slices --- */

static int sliced_write(BIO *b, const char *data, int n)
{
	int fd = *(int *)BIO_get_data(b), done = 0;

	while (done < n) {
		size_t part = (size_t)(n - done);
		ssize_t r;

		if (slice && part > slice)
			part = slice;
		r = send(fd, data + done, part, MSG_NOSIGNAL);
		if (r <= 0)
			return done ? done : -1;
		done += (int)r;
	}
	return done;
}

static int sliced_read(BIO *b, char *data, int n)
{
	return (int)recv(*(int *)BIO_get_data(b), data, (size_t)n, 0);
}

static long sliced_ctrl(BIO *b, int cmd, long number, void *p)
{
	(void)b, (void)number, (void)p;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *sliced_bio(int *fd)
{
	static BIO_METHOD *method;
	BIO *b;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sliced");
		BIO_meth_set_write(method, sliced_write);
		BIO_meth_set_read(method, sliced_read);
		BIO_meth_set_ctrl(method, sliced_ctrl);
	}
	b = BIO_new(method);
	BIO_set_data(b, fd);
	BIO_set_init(b, 1);
	return b;
}

/* --- one connection --- */

static void reset(int fd)
{
	struct linger at_once = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void hang(int fd)
{
	char c[256];

	while (recv(fd, c, sizeof(c), 0) > 0)
		;
}

/* False: the client has gone. */
static bool read_request(SSL *ssl)
{
	size_t n = 0, want = 0;

	while (n < sizeof(seen->request) - 1) {
		int r = SSL_read(ssl, seen->request + n, (int)(sizeof(seen->request) - 1 - n));
		char *end, *length;

		if (r <= 0) {
			/* Without an answer to it, OpenSSL does not keep the session. */
			if (SSL_get_error(ssl, r) == SSL_ERROR_ZERO_RETURN) {
				seen->farewells++;
				SSL_shutdown(ssl);
			}
			return false;
		}
		n += (size_t)r;
		seen->request[n] = '\0';
		end = strstr(seen->request, "\r\n\r\n");
		if (!end)
			continue;
		length = strstr(seen->request, "Content-Length: ");
		want = (size_t)(end + 4 - seen->request) + (length ? strtoul(length + 16, NULL, 10) : 0);
		if (n >= want) {
			seen->request_n = n;
			seen->requests++;
			return true;
		}
	}
	return false;
}

static void talk(SSL *ssl, const struct peer_plan *plan, int fd)
{
	while (read_request(ssl)) {
		unsigned at = seen->requests - 1;
		const struct peer_answer *a = &plan->answers[MIN(at, plan->answers_n - 1)];
		size_t n = a->octets ? a->n ? a->n : strlen(a->octets) : 0;

		if (n && SSL_write(ssl, a->octets, (int)n) <= 0)
			return;
		switch (a->then) {
		case PEER_STAY:
			break;
		case PEER_CLOSE:
			/* Both ways, so that the client's own farewell is seen. */
			if (SSL_shutdown(ssl) == 0 && SSL_shutdown(ssl) == 1)
				seen->farewells++;
			return;
		case PEER_DROP:
			SSL_set_quiet_shutdown(ssl, 1);
			return;
		case PEER_ABORT:
			reset(fd);
			return;
		case PEER_HANG:
			hang(fd);
			return;
		}
	}
}

static void greet(SSL_CTX *ctx, const struct peer_plan *plan, int fd)
{
	static const char garbage[] = "220 mail.example ESMTP ready, what are you talking about\r\n";
	char first;
	SSL *ssl;

	if (plan->greeting != PEER_SHAKE && recv(fd, &first, 1, 0) <= 0)
		return;
	switch (plan->greeting) {
	case PEER_SHAKE:
		break;
	case PEER_RESET:
		reset(fd);
		return;
	case PEER_CUT:
		shutdown(fd, SHUT_WR);
		hang(fd);
		return;
	case PEER_SILENT:
		hang(fd);
		return;
	case PEER_GARBAGE:
		send(fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL);
		hang(fd);
		return;
	}
	ssl = SSL_new(ctx);
	SSL_set_bio(ssl, sliced_bio(&fd), sliced_bio(&fd));
	if (SSL_accept(ssl) == 1) {
		const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

		snprintf(seen->sni, sizeof(seen->sni), "%s", sni ? sni : "");
		seen->resumed += SSL_session_reused(ssl) ? 1 : 0;
		seen->handshakes++;
		talk(ssl, plan, fd);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static void on_info(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		seen->alert = (unsigned)value & 0xff;
}

static void serve(int listener, const struct peer_plan *plan)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	slice = plan->slice;
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"peer", 4);
	if (plan->version) {
		SSL_CTX_set_min_proto_version(ctx, plan->version);
		SSL_CTX_set_max_proto_version(ctx, plan->version);
	}
	if (plan->no_tickets)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (plan->suites)
		SSL_CTX_set_cipher_list(ctx, plan->suites);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (plan->cert) {
		SSL_CTX_use_certificate(ctx, plan->cert->crt);
		SSL_CTX_use_PrivateKey(ctx, plan->cert->key);
	}
	if (plan->chain)
		SSL_CTX_add1_chain_cert(ctx, plan->chain->crt);
	for (;;) {
		int fd = accept(listener, NULL, NULL), on = 1;

		if (fd < 0)
			_exit(1);
		seen->connections++;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		greet(ctx, plan, fd);
		close(fd);
	}
}

void peer_start(struct peer *p, const struct peer_plan *plan)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
	p->port = ntohs(at.sin_port);
	p->seen = seen;
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		alarm(LIFE_S);
		serve(listener, plan);
	}
	close(listener);
}

void peer_stop(struct peer *p)
{
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(p->seen, sizeof(*p->seen));
	*p = (struct peer){ 0 };
}
