/*
 * sim-smdp as a program: an LPA downloads from it over HTTPS onto the virtual eUICC, whatever goes
 * wrong on the wire, and however often the server is killed.
 */
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ev.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "support/hand.h"
#include "support/mini_lpa.h"
#include "support/rig.h"

#define NIST "tests/vectors/rsp/pki/nist"
#define BRP "tests/vectors/rsp/pki/brp"
#define EID "89049032000000000000000000000163"
#define HOST "dp.rsp.test"
#define DS_HOST "ds.rsp.test"
#define BODY_MAX (4u << 20)

static const char *argv0;
static struct rig rig;
static struct rig_program *server;
static uint16_t port;

/* --- the card ------------------------------------------------------------------------------------ */

static struct hand hand;

static void card_open(void)
{
	struct euicc_recipe r = { .dir = rig_path(&rig, "card"), .personality = "iot",
				  .version = _VE_VERSION_MAX, .pki = { NIST, BRP } };

	hand_open(&hand, &r);
}

static struct octets es10(struct mini_lpa *l, struct octets command)
{
	(void)l;
	return hand_es10(&hand, command);
}

/* --- a client over TLS ------------------------------------------------------------------------ */

static struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	const char *host;
	unsigned patience_ms;
	bool alive;                     /* the last answer left the connection open */
	uint8_t in[BODY_MAX];
	size_t n;
} client;

static void hang_up(void)
{
	SSL_free(client.ssl);
	client.ssl = NULL;
	if (client.fd >= 0)
		close(client.fd);
	client.fd = -1;
	client.n = 0;
}

static int dial(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { client.patience_ms / 1000, client.patience_ms % 1000 * 1000 };

	if (client.ssl)
		return 0;
	client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client.fd >= 0);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(client.fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		hang_up();
		return -ECONNREFUSED;
	}
	client.ssl = SSL_new(client.ctx);
	assert_true(SSL_set_fd(client.ssl, client.fd) && SSL_set1_host(client.ssl, client.host) &&
		    SSL_set_tlsext_host_name(client.ssl, client.host));
	ERR_clear_error();
	if (SSL_connect(client.ssl) != 1) {
		hang_up();
		return -EPROTO;
	}
	return 0;
}

/* Octets until this many are there. 0, -ETIMEDOUT, -ECONNRESET. */
static int read_until(size_t want)
{
	while (client.n < want) {
		int n = SSL_read(client.ssl, client.in + client.n, (int)(BODY_MAX - 1 - client.n));

		if (n <= 0)
			return errno == EAGAIN &&
			       SSL_get_error(client.ssl, n) != SSL_ERROR_ZERO_RETURN &&
			       SSL_get_error(client.ssl, n) != SSL_ERROR_SSL ? -ETIMEDOUT : -ECONNRESET;
		client.n += (size_t)n;
		client.in[client.n] = '\0';
	}
	return 0;
}

/* The next answer on the connection: its status and body, or -errno, and then it is hung up. */
static int hear(struct sdp_blob *ret)
{
	const char *length, *end;
	size_t head, body;
	int r = 0, status;

	errno = 0;
	client.in[client.n] = '\0';
	while (!(end = memmem(client.in, client.n, "\r\n\r\n", 4)) && r == 0)
		r = read_until(client.n + 1);
	if (r < 0) {
		hang_up();
		return r;
	}
	head = (size_t)((const uint8_t *)end - client.in) + 4;
	status = (int)strtoul((const char *)client.in + 9, NULL, 10);
	assert_memory_equal(client.in, "HTTP/1.1 ", 9);
	length = strstr((const char *)client.in, "Content-Length: ");
	body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
	if (status != 100 && status < 500)
		assert_non_null(memmem(client.in, head, "X-Admin-Protocol: gsma/rsp/v2.", 29));
	r = read_until(head + body);
	if (r < 0) {
		hang_up();
		return r;
	}
	sdp_blob_set(ret, octets_from(client.in + head, body));
	memmove(client.in, client.in + head + body, client.n - head - body);
	client.n -= head + body;
	return status;
}

static void say(const void *p, size_t n)
{
	errno = 0;
	if (SSL_write(client.ssl, p, (int)n) != (int)n)
		ERR_clear_error();
}

static int post(struct mini_lpa *l, const char *function, const char *body, struct sdp_blob *ret)
{
	char head[512];
	int r = dial();

	(void)l;
	if (r < 0)
		return r;
	snprintf(head, sizeof(head), "POST /gsma/rsp2/es9plus/%s HTTP/1.1\r\nHost: %s\r\n"
		 "User-Agent: gsma-rsp-lpad\r\nX-Admin-Protocol: gsma/rsp/v2.2.2\r\n"
		 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 function, client.host, strlen(body));
	say(head, strlen(head));
	say(body, strlen(body));
	return hear(ret);
}

static void client_open(const char *ci)
{
	memset(&client, 0, sizeof(client));
	client.fd = -1;
	client.host = HOST;
	client.patience_ms = 20000;
	client.ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_load_verify_file(client.ctx, ci), 1);
	SSL_CTX_set_verify(client.ctx, SSL_VERIFY_PEER, NULL);
}

static void client_close(void)
{
	hang_up();
	SSL_CTX_free(client.ctx);
}

/* --- the server ------------------------------------------------------------------------------- */

static const char *said;

#define SIM(...) sim(__VA_ARGS__, NULL)

/* A command on the directory: its exit code. */
static int sim(const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-smdp", (char *)word, (char *)rig_path(&rig, "dp") };
	struct rig_program *p;
	int n = 3, code;
	va_list ap;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	p = rig_startv(&rig, "sim-smdp", argv);
	code = rig_wait_end(p, 60000);
	said = p->said;
	return code;
}

static void serve(const char *option, const char *value)
{
	server = rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "dp"), "--port", "0", option, value,
			   NULL);
	if (!rig_wait_for(server, "ready: port ", 0, 20000))
		fail_msg("sim-smdp: %s", server->said);
	port = (uint16_t)strtoul(strstr(server->said, "ready: port ") + 12, NULL, 10);
}

static void init(void)
{
	struct rig_program *p;
	int code = rig_run(&rig, &p, "sim-smdp", "--init", rig_path(&rig, "dp"), "--pki", NIST,
			   "--pki", BRP, "--host", HOST, "--sm-ds", DS_HOST, NULL);

	if (code)
		fail_msg("%s", p->said);
}

struct bench {
	struct mini_lpa lpa;
	char iccid[24], matching_id[64];
};

static void bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	rig_open(&rig, argv0);
	init();
	card_open();
	client_open(NIST "/ci.pem");
	b->lpa.post = post;
	b->lpa.es10 = es10;
	b->lpa.address = HOST;
}

static void bench_close(struct bench *b)
{
	mini_lpa_done(&b->lpa);
	client_close();
	hand_close(&hand);
	rig_close(&rig);
}

/* A profile; its ICCID and matchingId are where the LPA and the test find them. */
static void add(struct bench *b, const char *option, const char *value)
{
	const char *at;

	assert_int_equal(SIM("add", option, value), 0);
	text_copy(text_from(said, strcspn(said, "\n")), b->iccid, sizeof(b->iccid));
	at = strstr(said, "LPA:1$");
	assert_non_null(at);
	at = strchr(at + 6, '$') + 1;
	text_copy(text_from(at, strcspn(at, "$\n")), b->matching_id, sizeof(b->matching_id));
	b->lpa.matching_id = b->matching_id;
}

static void restart(int signal)
{
	hang_up();
	kill(server->pid, signal);
	rig_wait_end(server, 10000);
	serve(NULL, NULL);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_profile_is_downloaded_over_both_versions_of_tls(void **state)
{
	static const char *const versions[] = { "1.2", "1.3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct bench b;

		bench_open(&b);
		serve("--tls", versions[i]);
		add(&b, "--size", "60000");
		assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
		assert_string_equal(SSL_get_version(client.ssl), i ? "TLSv1.3" : "TLSv1.2");
		assert_int_equal(b.lpa.status, 204);
		assert_int_equal(SIM("wait", b.iccid, "installed", "--timeout", "10"), 0);
		assert_int_equal(SIM("notifications", "--json", "--wait", "--timeout", "10"), 0);
		assert_non_null(strstr(said, "\"verdict\":\"verified\""));
		assert_non_null(strstr(said, "\"installed\":true"));
		assert_non_null(strstr(said, "\"deliveries\":1"));
		/* One connection was enough. */
		assert_int_equal(rig_stop(server), 0);
		bench_close(&b);
	}
}

static void faults_on_the_wire_look_as_they_are_called(void **state)
{
	static const struct {
		const char *fault;
		enum mini_step step;
		int status;
	} rows[] = {
		{ "close,on=getBoundProfilePackage", MINI_GET_PACKAGE, -ECONNRESET },
		{ "reset,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, -ECONNRESET },
		{ "stall,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, -ETIMEDOUT },
		{ "no-answer,on=initiateAuthentication", MINI_INITIATE, -ETIMEDOUT },
		{ "http=503,on=initiateAuthentication", MINI_INITIATE, 503 },
		{ "truncated,on=getBoundProfilePackage", MINI_GET_PACKAGE, 200 },
		{ "status=8.8.5/4.10,on=authenticateClient", MINI_AUTHENTICATE_CLIENT, 200 },
		{ "huge=2000000,on=authenticateClient", MINI_INSTALLED, 204 },
		{ "slow=300,on=initiateAuthentication", MINI_INSTALLED, 204 },
		{ "drip=500,on=authenticateClient", MINI_INSTALLED, 204 },
	};
	unsigned long long start;
	struct bench b;

	(void)state;
	bench_open(&b);
	serve(NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum mini_step step;

		hang_up();
		/* What stays silent for ever is given up soon. */
		client.patience_ms = rows[i].status == -ETIMEDOUT ? 500 : 20000;
		add(&b, "--size", "1000");
		assert_int_equal(SIM("fault", rows[i].fault), 0);
		start = rig_now_ms();
		step = mini_lpa_download(&b.lpa);
		if (step != rows[i].step || b.lpa.status != rows[i].status)
			fail_msg("%s: step %d, status %d", rows[i].fault, step, b.lpa.status);
		if (strstr(rows[i].fault, "slow"))
			assert_true(rig_now_ms() - start >= 300);
		assert_int_equal(SIM("faults"), 0);
		assert_string_equal(said, "");
		/* It was once: the next attempt gets through. */
		client.patience_ms = 20000;
		hang_up();
		if (step != MINI_INSTALLED)
			assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
		assert_int_equal(SIM("wait", b.iccid, "installed", "--timeout", "10"), 0);
	}
	bench_close(&b);
}

static void a_killed_server_forgets_sessions_and_nothing_else(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	serve(NULL, NULL);
	add(&b, "--size", "5000");
	/* Killed between the two halves of the authentication. */
	assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_INSTALLED);
	restart(SIGKILL);
	assert_int_equal(mini_lpa_cancel(&b.lpa, 0), 200);
	assert_string_equal(b.lpa.subject, "8.10.1");
	/* Killed while the card is loading, and the card loses its power as well. */
	b.lpa.stop_after = 5;
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_STOPPED);
	restart(SIGKILL);
	hand_start(&hand);
	b.lpa.stop_after = 0;
	/* Killed before the result arrives. */
	b.lpa.keep_result = true;
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	assert_int_equal(SIM("show", b.iccid), 0);
	assert_non_null(strstr(said, "\"downloads\":2"));
	assert_non_null(strstr(said, "\"state\":\"downloaded\""));
	restart(SIGKILL);
	assert_true(mini_lpa_notify(&b.lpa) >= 1);
	assert_int_equal(SIM("wait", b.iccid, "installed", "--timeout", "10"), 0);
	/* And once more, killed after it: it is the same notification. */
	restart(SIGKILL);
	assert_int_equal(mini_lpa_deliver(&b.lpa, sdp_blob_octets(&b.lpa.result)), 204);
	assert_int_equal(SIM("notifications", "--json", "--iccid", b.iccid), 0);
	assert_non_null(strstr(said, "\"deliveries\":2"));
	assert_non_null(strstr(said, "\"installed\":true"));
	assert_null(strstr(strstr(said, "\"installed\":true") + 1, "\"installed\":true"));
	bench_close(&b);
}

static void who_waits_is_told_when_it_happens(void **state)
{
	struct rig_program *waiting;
	struct bench b;

	(void)state;
	bench_open(&b);
	serve(NULL, NULL);
	add(&b, NULL, NULL);
	waiting = rig_start(&rig, "sim-smdp", "notifications", rig_path(&rig, "dp"), "--wait", "--json",
			    "--timeout", "60", NULL);
	assert_int_equal(SIM("notifications", "--wait", "--timeout", "0"), 1);
	assert_int_equal(mini_lpa_download(&b.lpa), MINI_INSTALLED);
	assert_int_equal(rig_wait_end(waiting, 20000), 0);
	assert_non_null(strstr(waiting->said, b.iccid));
	/* A change by hand is one as well. */
	waiting = rig_start(&rig, "sim-smdp", "wait", rig_path(&rig, "dp"), b.iccid, "released", NULL);
	assert_int_equal(SIM("release", b.iccid), 0);
	assert_int_equal(rig_wait_end(waiting, 20000), 0);
	bench_close(&b);
}

static void the_sm_ds_shows_its_own_certificate(void **state)
{
	struct bench b;
	X509 *shown;

	(void)state;
	bench_open(&b);
	serve(NULL, NULL);
	assert_int_equal(SIM("event", "add", EID, "EVENT-1", "other.rsp.test"), 0);
	client.host = b.lpa.address = DS_HOST;
	assert_int_equal(mini_lpa_authenticate(&b.lpa), MINI_INSTALLED);
	assert_int_equal(json_object_array_length(b.lpa.events), 1);
	shown = SSL_get1_peer_certificate(client.ssl);
	assert_int_equal(X509_check_host(shown, DS_HOST, strlen(DS_HOST), 0, NULL), 1);
	assert_int_equal(X509_check_host(shown, HOST, strlen(HOST), 0, NULL), 0);
	X509_free(shown);
	bench_close(&b);
}

static void bad_tls_certificates_can_be_shown(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	server = rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "dp"), "--port", "0", "--tls-cert",
			   NIST "/bad-dptls-expired.der", "--tls-key", NIST "/bad-dptls-expired.key.pem",
			   NULL);
	assert_true(rig_wait_for(server, "ready: port ", 0, 20000));
	port = (uint16_t)strtoul(strstr(server->said, "ready: port ") + 12, NULL, 10);
	client.host = "smdpp.rsp.test";
	assert_int_equal(dial(), -EPROTO);
	rig_stop(server);
	/* And the one of the other CI, which this client does not trust. */
	serve("--curve", "1");
	client.host = HOST;
	assert_int_equal(dial(), -EPROTO);
	client_close();
	client_open(BRP "/ci.pem");
	SSL_CTX_set_max_proto_version(client.ctx, TLS1_2_VERSION);
	SSL_CTX_set1_groups_list(client.ctx, "brainpoolP256r1:P-256");
	assert_int_equal(dial(), 0);
	bench_close(&b);
}

static void requests_may_come_in_any_pieces(void **state)
{
	static const char head[] = "POST /gsma/rsp2/es9plus/handleNotification HTTP/1.1\r\nHost: x\r\n"
				   "content-type: application/json\r\n";
	static const char body[] = "{\"pendingNotification\":\"AAAA\"}";
	struct sdp_blob got = { 0 };
	char all[1024];
	struct bench b;

	(void)state;
	bench_open(&b);
	serve(NULL, NULL);
	assert_int_equal(dial(), 0);
	/* Octet by octet, twice on one connection. */
	snprintf(all, sizeof(all), "%sContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < strlen(all); i++)
			say(all + i, 1);
		assert_int_equal(hear(&got), 204);
	}
	/* Two at once. */
	say(all, strlen(all));
	say(all, strlen(all));
	assert_int_equal(hear(&got), 204);
	assert_int_equal(hear(&got), 204);
	/* In chunks. */
	snprintf(all, sizeof(all), "%sTransfer-Encoding: chunked\r\n\r\n1\r\n%.1s\r\n%zx;x=y\r\n%s\r\n"
		 "0\r\n\r\n", head, body, strlen(body) - 1, body + 1);
	for (size_t i = 0; i < strlen(all); i++)
		say(all + i, 1);
	assert_int_equal(hear(&got), 204);
	/* After a word of encouragement. */
	snprintf(all, sizeof(all), "%sExpect: 100-continue\r\nContent-Length: %zu\r\n\r\n", head,
		 strlen(body));
	say(all, strlen(all));
	assert_int_equal(hear(&got), 100);
	say(body, strlen(body));
	assert_int_equal(hear(&got), 204);
	/* What is no HTTP, and what is too much of it. */
	say("HELLO\r\n\r\n", 9);
	assert_int_equal(hear(&got), 400);
	assert_int_equal(hear(&got), -ECONNRESET);
	assert_int_equal(dial(), 0);
	snprintf(all, sizeof(all), "%sContent-Length: 99999999\r\n\r\n", head);
	say(all, strlen(all));
	assert_int_equal(hear(&got), 413);
	hang_up();
	assert_int_equal(SIM("notifications", "--json"), 0);
	assert_non_null(strstr(said, "\"verdict\":\"unreadable\""));
	assert_non_null(strstr(said, "\"deliveries\":6"));
	sdp_blob_done(&got);
	bench_close(&b);
}

static void commands_work_without_a_server_and_say_what_is_wrong(void **state)
{
	static const struct {
		const char *words[6];
		int code;
	} rows[] = {
		{ { "--help" }, 0 }, { { "--version" }, 0 }, { { "serve", "--help" }, 0 },
		{ { "--nothing" }, 2 }, { { "--init", "x" }, 2 }, { { "list" }, 2 },
		{ { "list", "/nonexistent" }, 1 }, { { "serve", "/nonexistent" }, 1 },
	};
	struct rig_program *p;
	struct bench b;

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *argv[8] = { (char *)"sim-smdp" };

		for (size_t k = 0; rows[i].words[k]; k++)
			argv[k + 1] = (char *)rows[i].words[k];
		p = rig_startv(&rig, "sim-smdp", argv);
		assert_int_equal(rig_wait_end(p, 20000), rows[i].code);
		assert_true(p->said_n > 0);
	}
	/* A directory is made once. */
	assert_int_equal(rig_run(&rig, &p, "sim-smdp", "--init", rig_path(&rig, "dp"), "--pki", NIST,
				 NULL), 1);
	assert_int_equal(rig_run(&rig, &p, "sim-smdp", "--init", rig_path(&rig, "other"), "--pki",
				 "/nonexistent", "--host", "h", NULL), 1);
	/* Without one that runs. */
	add(&b, "--cc", "1234");
	assert_int_equal(SIM("ac", b.iccid, "--bare", "--oid"), 0);
	assert_non_null(strstr(said, "1$" HOST "$"));
	assert_non_null(strstr(said, "$2.999.10$1\n"));
	assert_int_equal(SIM("list"), 0);
	assert_non_null(strstr(said, b.iccid));
	assert_int_equal(SIM("state", b.iccid, "nonsense"), 2);
	assert_int_equal(SIM("state", b.iccid, "available"), 0);
	assert_int_equal(SIM("wait", b.iccid, "available"), 0);
	assert_int_equal(SIM("wait", b.iccid, "installed"), 1);
	assert_int_equal(SIM("add", "--size", "x"), 2);
	assert_int_equal(SIM("add", "--nothing"), 2);
	assert_int_equal(SIM("add", "--iccid", b.iccid), 1);
	assert_int_equal(SIM("add", "--upp", "README.md"), 1);
	assert_int_equal(SIM("nothing"), 2);
	/* Two may not serve one directory. */
	serve(NULL, NULL);
	p = rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "dp"), "--port", "0", NULL);
	assert_int_equal(rig_wait_end(p, 20000), 1);
	assert_int_equal(SIM("remove", b.iccid), 0);
	assert_int_equal(SIM("show", b.iccid), 1);
	bench_close(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_is_downloaded_over_both_versions_of_tls),
		cmocka_unit_test(faults_on_the_wire_look_as_they_are_called),
		cmocka_unit_test(a_killed_server_forgets_sessions_and_nothing_else),
		cmocka_unit_test(who_waits_is_told_when_it_happens),
		cmocka_unit_test(the_sm_ds_shows_its_own_certificate),
		cmocka_unit_test(bad_tls_certificates_can_be_shown),
		cmocka_unit_test(requests_may_come_in_any_pieces),
		cmocka_unit_test(commands_work_without_a_server_and_say_what_is_wrong),
	};

	int r;

	(void)argc;
	argv0 = argv[0];
	log_set_level(LOG_LEVEL_ERROR);
	if (ev_open() < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	ev_close();
	return r;
}
