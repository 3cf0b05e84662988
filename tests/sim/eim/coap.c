#include "sim/eim/coap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/coap_inner.h"
#include "sim/eim/command.h"

#define DEFAULT_PATH "gsma/rsp2/asn1"
#define TICK_MS 20u
#define HANDSHAKE_RETRANSMITS 40
/* Records carry 29 octets of their own with CCM_8: 13 head, 8 nonce, 8 tag. */
#define RECORD_OVERHEAD 29u

/* --- habits ----------------------------------------------------------------------------------- */

static const struct flag {
	const char *name;
	size_t at;
} flags[] = {
	{ "no-block1", offsetof(struct se_coap_habits, no_block1) },
	{ "token-blocks", offsetof(struct se_coap_habits, token_blocks) },
	{ "big-first-block", offsetof(struct se_coap_habits, big_first_block) },
	{ "no-etag", offsetof(struct se_coap_habits, no_etag) },
	{ "late-ack", offsetof(struct se_coap_habits, late_ack) },
	{ "con-for-non", offsetof(struct se_coap_habits, con_for_non) },
	{ "one-handshake", offsetof(struct se_coap_habits, one_handshake) },
	{ "needs-ccm8", offsetof(struct se_coap_habits, needs_ccm8) },
};

const char se_coap_habit_help[] =
	"Habits of a CoAP server, with commas between them:\n"
	"  no-block1         each block of a request is taken for a whole message\n"
	"  token-blocks      blocks belong together by their token, not by Request-Tag\n"
	"  big-first-block   the first block of an answer has 1024 octets whatever was asked for\n"
	"  no-etag           blocks of an answer carry none\n"
	"  late-ack          nothing is acknowledged until the answer is there, which is in the ACK then\n"
	"  con-for-non       a NON request is answered by a CON\n"
	"  one-handshake     a ClientHello from where there is a session is ignored\n"
	"  needs-ccm8        no suite but TLS_PSK_WITH_AES_128_CCM_8; alert 71 to clients without it\n"
	"  idle=SECONDS      close_notify after so much silence (300)\n"
	"  datagram=OCTETS   a longer CoAP message ends the session\n"
	"  block=OCTETS      the largest block, 16 to 1024\n"
	"  keep=SECONDS      how long the rest of an answer in blocks can be fetched (247, anew with each)\n"
	"  format=NUMBER     Content-Format of answers (none)\n";

static int set_habit(struct se_coap_habits *h, struct text one)
{
	struct text name = text_cut(&one, '=');
	uint32_t v;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (text_eq(name, flags[i].name) && !one.n) {
			*(bool *)((char *)h + flags[i].at) = true;
			return 0;
		}
	}
	if (text_to_u32(one, 10, &v) < 0)
		return -EINVAL;
	if (text_eq(name, "idle") && v <= 86400)
		h->idle_s = v;
	else if (text_eq(name, "datagram"))
		h->datagram = v;
	else if (text_eq(name, "block") && v >= 16)
		h->block = v;
	else if (text_eq(name, "keep") && v && v <= 86400)
		h->keep_s = v;
	else if (text_eq(name, "format") && v <= 65535)
		h->format = (int32_t)v;
	else
		return -EINVAL;
	return 0;
}

/* All of them anew. */
static int set_habits(struct se_coap *c, const char *text, char why[256])
{
	struct se_coap_habits h = { .format = -1 };
	struct text rest = text_of(text);

	while (rest.n && !text_eq(rest, "none")) {
		struct text one = text_cut(&rest, ',');

		if (set_habit(&h, one) < 0) {
			snprintf(why, 256, TEXT_FMT ": no such habit", (int)MIN(one.n, 64u), one.s);
			return -EINVAL;
		}
	}
	c->habits = h;
	c->net.needs_ccm8 = h.needs_ccm8;
	c->net.one_handshake = h.one_handshake;
	c->net.datagram_max = h.datagram ? h.datagram + RECORD_OVERHEAD : 0;
	if (c->ctx)
		coap_context_set_session_timeout(c->ctx, h.idle_s ? h.idle_s : 300);
	return 0;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void turn(struct se_coap *c)
{
	coap_io_process(c->ctx, COAP_IO_NO_WAIT);
	if (coap_context_get_coap_fd(c->ctx) < 0)
		ev_alarm_start(&c->tick, TICK_MS);
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	(void)what;
	turn(container_of(w, struct se_coap, watch));
}

static void on_tick(struct ev_alarm *a)
{
	turn(container_of(a, struct se_coap, tick));
}

static void on_turn(struct ev_task *t)
{
	turn(container_of(t, struct se_coap, turn));
}

void se_coap_poke(struct se_coap *c)
{
	ev_task_start(&c->turn);
}

/* --- sessions --------------------------------------------------------------------------------- */

struct se_coap *se_coap_of(coap_session_t *session)
{
	return coap_get_app_data(coap_session_get_context(session));
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	struct se_coap *c = se_coap_of(session);
	struct se_coap_peer *p = coap_session_get_app_data(session);
	const coap_address_t *at = coap_session_get_addr_remote(session);
	char name[32];

	if (!c)
		return 0;
	se_lossy_name(&c->net, at ? coap_address_get_port(at) : 0, name);
	switch ((int)event) {
	case COAP_EVENT_SERVER_SESSION_NEW:
		/* libcoap ends a handshake that is not done after as many seconds, or so. */
		coap_session_set_max_retransmit(session, HANDSHAKE_RETRANSMITS);
		se_log(c->eim, NULL, "  coaps %s connects", name);
		break;
	case COAP_EVENT_DTLS_CLOSED:
		se_log(c->eim, p ? p->card : NULL, "  coaps %s closed", name);
		break;
	case COAP_EVENT_DTLS_ERROR:
		se_remark(c->eim, NULL, "coaps %s: DTLS failed", name);
		break;
	case COAP_EVENT_SERVER_SESSION_DEL:
		if (p)
			se_coap_peer_free(p);
		coap_session_set_app_data(session, NULL);
		break;
	default:
		break;
	}
	return 0;
}

static bool on_hello(struct se_lossy *l)
{
	struct se_coap *c = container_of(l, struct se_coap, net);

	if (!se_fault_strikes(&c->eim->faults, SE_FAULT_TLS_RESET, SE_ON_ANY, NULL))
		return false;
	se_log(c->eim, NULL, "~ fault tls-reset: a ClientHello is lost");
	return true;
}

static void on_too_long(struct se_lossy *l, uint16_t port, size_t n)
{
	struct se_coap *c = container_of(l, struct se_coap, net);
	struct se_coap_peer *p;

	list_for_each(p, &c->peers, node) {
		const coap_address_t *at = coap_session_get_addr_remote(p->session);

		if (!at || coap_address_get_port(at) != port)
			continue;
		se_remark(c->eim, p->card, "coaps %s: a message of %zu octets ends the session",
			  p->name, n - RECORD_OVERHEAD);
		se_coap_peer_close(p);
		return;
	}
}

/* --- credentials ------------------------------------------------------------------------------ */

static const coap_bin_const_t *on_identity(coap_bin_const_t *identity, coap_session_t *session,
					   void *arg)
{
	struct se_coap *c = arg;
	struct text name = text_from(identity->s, identity->length);
	char shown[80];

	(void)session;
	for (size_t i = 0; i < c->keys_n; i++) {
		if (!c->identities[i][0] || text_eq(name, c->identities[i]))
			return &c->key[i];
	}
	text_escape(identity->s, identity->length, shown, sizeof(shown));
	se_remark(c->eim, NULL, "coaps: no key for the identity \"%s\"", shown);
	return NULL;
}

/* [IDENTITY=]KEY */
static int take_key(struct se_coap *c, const char *text, char why[256])
{
	const char *equals = strchr(text, '='), *key = equals ? equals + 1 : text;
	size_t i = c->keys_n, n = strlen(key);
	int r = 0;

	if (equals)
		r = text_copy(text_from(text, (size_t)(equals - text)), c->identities[i],
			      sizeof(c->identities[i]));
	if (r == 0 && !strncmp(key, "hex:", 4))
		r = hex_decode(text_of(key + 4), c->keys[i], sizeof(c->keys[i]), &n);
	else if (r == 0 && n <= sizeof(c->keys[i]))
		memcpy(c->keys[i], key, n);
	else if (r == 0)
		r = -ENOSPC;
	if (r < 0 || !n) {
		snprintf(why, 256, "--coaps-psk %.64s: expected [IDENTITY=]KEY of up to 64 octets",
			 text);
		return -EINVAL;
	}
	c->key[i].s = c->keys[i];
	c->key[i].length = n;
	c->keys_n++;
	return 0;
}

static bool set_keys(struct se_coap *c)
{
	coap_dtls_spsk_t psk = { .version = COAP_DTLS_SPSK_SETUP_VERSION,
				 .validate_id_call_back = on_identity,
				 .id_call_back_arg = c };

	if (!c->keys_n)
		return true;
	psk.psk_info.hint.s = (const uint8_t *)c->hint;
	psk.psk_info.hint.length = strlen(c->hint);
	psk.psk_info.key = c->key[0];
	return coap_context_set_psk2(c->ctx, &psk) == 1;
}

/* The certificate that HTTPS shows. An eIM that keeps nothing has none. */
static bool set_certificate(struct se_coap *c)
{
	static char cert[PATH_MAX], key[PATH_MAX];
	coap_dtls_pki_t pki = { .version = COAP_DTLS_PKI_SETUP_VERSION };

	if (!c->eim->dir[0])
		return true;
	snprintf(cert, sizeof(cert), "%s/tls.pem", c->eim->dir);
	snprintf(key, sizeof(key), "%s/tls.key.pem", c->eim->dir);
	pki.pki_key.key_type = COAP_PKI_KEY_PEM;
	pki.pki_key.key.pem.public_cert = cert;
	pki.pki_key.key.pem.private_key = key;
	return coap_context_set_pki(c->ctx, &pki) == 1;
}

/* --- suites ----------------------------------------------------------------------------------- */

#define PREPARED "SIM_EIM_SUITES"

/* libcoap asks GnuTLS for more than this in a string of its own, which only this file can narrow. */
static const char ccm8_only[] = "[overrides]\n"
				"tls-disabled-cipher = AES-256-GCM\n"
				"tls-disabled-cipher = AES-128-GCM\n"
				"tls-disabled-cipher = AES-256-CCM\n"
				"tls-disabled-cipher = AES-128-CCM\n"
				"tls-disabled-cipher = AES-256-CCM-8\n"
				"tls-disabled-cipher = AES-256-CBC\n"
				"tls-disabled-cipher = AES-128-CBC\n"
				"tls-disabled-cipher = CHACHA20-POLY1305\n";

void se_coap_prepare(const char *dir, const struct se_coap_wish *wish, char *const *argv)
{
	coap_tls_version_t *tls = coap_get_tls_library_version();
	char path[PATH_MAX];

	if (!wish->habits || !strstr(wish->habits, "needs-ccm8") || getenv(PREPARED) ||
	    tls->type != COAP_TLS_LIBRARY_GNUTLS)
		return;
	snprintf(path, sizeof(path), "%s/gnutls.conf", dir);
	if (file_save(path, ccm8_only, sizeof(ccm8_only) - 1, 0644) < 0 ||
	    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", path, 1) < 0 || setenv(PREPARED, "1", 1) < 0)
		return;
	execv("/proc/self/exe", argv);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* libcoap does not tell which port it got: one that is free is looked for. */
static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		    getsockname(fd, (struct sockaddr *)&at, &n) == 0;

	if (fd >= 0)
		close(fd);
	return good ? ntohs(at.sin_port) : 0;
}

static bool open_endpoint(struct se_coap *c, uint16_t *port)
{
	coap_address_t at;
	coap_endpoint_t *e;

	coap_address_init(&at);
	at.addr.sin.sin_family = AF_INET;
	at.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.size = sizeof(at.addr.sin);
	for (int tries = 0; tries < 8; tries++) {
		*port = *port ? *port : free_port();
		at.addr.sin.sin_port = htons(*port);
		e = *port ? coap_new_endpoint(c->ctx, &at, COAP_PROTO_DTLS) : NULL;
		if (e) {
			/* Else it takes what is longer than it would send itself for damaged. */
			coap_endpoint_set_default_mtu(e, COAP_RXBUFFER_SIZE + 128);
			return true;
		}
		*port = 0;
	}
	return false;
}

/* Everything of libcoap's. The port is kept by a restart. */
static int open_context(struct se_coap *c, uint16_t *port, char why[256])
{
	coap_resource_t *r;

	c->ctx = coap_new_context(NULL);
	if (!c->ctx) {
		snprintf(why, 256, "libcoap cannot be used");
		return -ENOMEM;
	}
	coap_set_app_data(c->ctx, c);
	coap_register_event_handler(c->ctx, on_event);
	coap_context_set_session_timeout(c->ctx, c->habits.idle_s ? c->habits.idle_s : 300);
	/* Blocks are ours. */
	coap_context_set_block_mode(c->ctx, 0);
	if (!set_certificate(c) || !set_keys(c)) {
		snprintf(why, 256, "libcoap does not take the certificate or the keys");
		return -EBADMSG;
	}
	if (!open_endpoint(c, port)) {
		snprintf(why, 256, "libcoap opens no DTLS endpoint");
		return -EADDRINUSE;
	}
	r = coap_resource_init(coap_new_str_const((const uint8_t *)c->path, strlen(c->path)),
			       COAP_RESOURCE_FLAGS_RELEASE_URI);
	if (!r)
		return -ENOMEM;
	coap_register_request_handler(r, COAP_REQUEST_POST, se_coap_post);
	coap_add_resource(c->ctx, r);
	if (coap_context_get_coap_fd(c->ctx) >= 0)
		ev_watch_start(&c->watch, coap_context_get_coap_fd(c->ctx), EV_IN);
	turn(c);
	return 0;
}

static void close_context(struct se_coap *c)
{
	struct se_coap_peer *p;

	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->tick);
	ev_task_stop(&c->turn);
	if (c->ctx)
		coap_free_context(c->ctx);
	c->ctx = NULL;
	while ((p = list_first(&c->peers, struct se_coap_peer, node)))
		se_coap_peer_free(p);
}

/* --- what the server calls -------------------------------------------------------------------- */

static struct se_coap *of_face(struct se_transport *t)
{
	return container_of(t, struct se_coap, face);
}

static void on_reach(struct se_transport *t, bool up)
{
	se_lossy_deafen(&of_face(t)->net, !up);
}

static void on_forget(struct se_transport *t)
{
	struct se_coap_peer *p;

	list_for_each(p, &of_face(t)->peers, node)
		p->card = NULL;
}

static const char *on_where(struct se_transport *t)
{
	return of_face(t)->where;
}

/*
 * No session any more, the same port. As after a crash: without a word; or, as a program that ends in
 * good order, with a close_notify to everybody.
 */
static int restart(struct se_coap *c, bool politely, FILE *out)
{
	uint16_t port = ntohs(c->net.server.sin_port);
	char why[256];

	se_lossy_deafen(&c->net, !politely);
	close_context(c);
	se_lossy_drain(&c->net);
	se_lossy_deafen(&c->net, !se_server_is_up(c->server));
	if (open_context(c, &port, why) < 0) {
		fprintf(out, "sim-eim coaps: %s\n", why);
		return SE_EXIT_USAGE;
	}
	c->net.server.sin_port = htons(port);
	se_log(c->eim, NULL, "~ coaps restarted, all sessions %s", politely ? "closed" : "forgotten");
	return SE_EXIT_OK;
}

static int on_command(struct se_transport *t, int argc, char *const *argv, FILE *out)
{
	struct se_coap *c = of_face(t);
	const char *word = argc ? argv[0] : "show";
	char why[256] = "";
	int r = 0;

	if (!strcmp(word, "show") && argc <= 1) {
		fprintf(out, "%s  %u sessions\n", c->where, c->n);
		se_lossy_print(&c->net, out);
	} else if (!strcmp(word, "net") && argc == 2) {
		r = se_lossy_set(&c->net, text_of(argv[1]), why);
	} else if (!strcmp(word, "habits") && argc == 2) {
		r = set_habits(c, argv[1], why);
	} else if (!strcmp(word, "rebind") && argc == 1) {
		fprintf(out, "%u\n", se_lossy_rebind(&c->net));
	} else if (!strcmp(word, "restart") && argc == 1) {
		return restart(c, false, out);
	} else if (!strcmp(word, "restart") && argc == 2 && !strcmp(argv[1], "politely")) {
		return restart(c, true, out);
	} else {
		fprintf(out, "sim-eim coaps: %s is not understood, see sim-eim coaps --help\n",
				word);
		return SE_EXIT_USAGE;
	}
	if (r < 0)
		fprintf(out, "sim-eim coaps: %s\n", why);
	return r < 0 ? SE_EXIT_USAGE : SE_EXIT_OK;
}

static int start(struct se_coap *c, const struct se_coap_wish *wish, char why[256])
{
	uint16_t inner = 0, port = wish->port;
	int r = 0;

	if (wish->path && wish->path[0] == '/')
		r = text_copy(text_of(wish->path + 1), c->path, sizeof(c->path));
	else
		r = text_copy(text_of(wish->path ? wish->path : DEFAULT_PATH), c->path,
			      sizeof(c->path));
	if (r == 0)
		r = text_copy(text_of(wish->hint), c->hint, sizeof(c->hint));
	if (r < 0) {
		snprintf(why, 256, "--coaps-path or --coaps-hint is too long");
		return r;
	}
	for (size_t i = 0; i < wish->keys_n; i++) {
		r = take_key(c, wish->keys[i], why);
		if (r < 0)
			return r;
	}
	if (set_habits(c, wish->habits ? wish->habits : "none", why) < 0 ||
	    (wish->net && se_lossy_set(&c->net, text_of(wish->net), why) < 0))
		return -EINVAL;
	r = open_context(c, &inner, why);
	if (r < 0)
		return r;
	r = se_lossy_open(&c->net, wish->address, &port, inner);
	if (r < 0) {
		snprintf(why, 256, "%s port %u: cannot listen for CoAP: %s", wish->address, port,
			 strerror(-r));
		return r;
	}
	c->eim->coap_port = port;
	snprintf(c->where, sizeof(c->where), "coaps://%.200s:%u/%s", c->eim->fqdn, port, c->path);
	return 0;
}

int se_coap_start(struct se_server *s, const struct se_coap_wish *wish, char why[256])
{
	struct se_coap *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->face = (struct se_transport){ on_reach, on_forget, on_command, on_where };
	c->server = s;
	c->eim = s->eim;
	c->net.fd = -1;
	c->net.too_long = on_too_long;
	c->net.lose_hello = on_hello;
	/* As a server libcoap leaves GnuTLS no way to do that. */
	c->net.sends_again = coap_get_tls_library_version()->type == COAP_TLS_LIBRARY_GNUTLS;
	c->watch.ready = on_ready;
	c->tick.fired = on_tick;
	c->turn.run = on_turn;
	list_init(&c->peers);
	coap_startup();
	/* What goes wrong is in our own log. */
	coap_set_log_level((coap_log_t)0);
	coap_dtls_set_log_level(0);
	if (!coap_dtls_is_supported()) {
		snprintf(why, 256, "--coaps: this libcoap has no DTLS");
		r = -ENOTSUP;
	} else {
		r = start(c, wish, why);
	}
	if (r < 0) {
		close_context(c);
		se_lossy_close(&c->net);
		free(c);
		coap_cleanup();
		return r;
	}
	s->coap = &c->face;
	return 0;
}

void se_coap_stop(struct se_server *s)
{
	struct se_coap *c;

	if (!s->coap)
		return;
	c = of_face(s->coap);
	s->coap = NULL;
	close_context(c);
	/* The close_notify of every session is on its way to us. */
	se_lossy_drain(&c->net);
	se_lossy_close(&c->net);
	free(c);
	coap_cleanup();
}
