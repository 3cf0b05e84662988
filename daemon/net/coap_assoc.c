/*
 * libcoap's ways, as they shape this file:
 *
 * - it tells neither of its TLS libraries' certificates nor alerts enough; udp_relay and dtls_look
 *   make up for it;
 * - with GnuTLS it does not raise the event that the handshake is done: the session's state is what
 *   counts, looked at after each of its turns;
 * - asked to verify, it refuses unknown authorities before we are asked, so that nothing could be
 *   pinned. It is told not to, and we judge: no verdict of ours, no association. OpenSSL goes on in
 *   spite of a refusal then, so the verdict is looked at again before anything is sent;
 * - an answer with a critical option that it does not know is dropped after its acknowledgement, and
 *   so is one that cannot be read: only its log tells;
 * - its limit for the length of a message does not reach GnuTLS, which has one of its own;
 * - in a handshake it takes each second without news for a retransmission: with the usual four one that
 *   has lost something on the way would be given up after five seconds;
 * - a response that comes again, since our acknowledgement of it was lost, it drops without another one:
 *   a server that waits for that (NSTART 1) holds the next response back for more than a minute;
 * - retransmissions hold a session alive: to end it, its context ends with it;
 * - its clock is the system's. When that is set, waiting messages are late or early; our deadlines
 *   are not.
 */
#include "net/coap_assoc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "net/coap_lib.h"
#include "net/coap_message.h"
#include "net/crypto.h"
#include "net/tls.h"
#include "net/verify.h"

#define MTU_EXTRA       160     /* of DTLS, in any suite */
#define MESSAGE_EXTRA   64      /* options are counted with care, but not exactly */
#define WORDS_MAX       96
#define HANDSHAKE_TIMEOUTS 100 /* more than come before whoever waits has lost patience */
#define ACK_MIN_MS      1000    /* what libcoap's setter takes; less would leave it at two seconds */
#define ASIDE           4       /* messages at once: a request, and pings while it waits */

struct coap_assoc {
	struct coap_assoc_options o;
	struct coap_assoc_user *user;
	coap_context_t *context;
	coap_session_t *session;
	struct udp_relay relay;
	struct dtls_look look;
	struct verdict verdict;
	bool judged;                    /* the certificate has been seen and judged */
	bool ready, ended;
	uint8_t token[COAP_TOKEN_LEN];
	bool posted;                    /* an answer is expected */
	coap_mid_t mid, ping_mid;
	/* the latest response that we have acknowledged, and the length of its datagram */
	coap_mid_t con_mid;
	size_t con_n, heard_n;
	bool responded;                 /* one has come in this turn … */
	bool again;                     /* … and a datagram as long as the one before */
	/* what libcoap has told in its turn */
	bool has_answer, unheard, reset;
	char odd[WORDS_MAX];            /* why it dropped an answer; "" it did not */
	char words[WORDS_MAX];          /* the latest warning */
	struct net_error broken;
	struct coap_answer answer;
	struct ev_watch watch;
	struct ev_alarm alarm;
	struct ev_task task;
	bool *gone;                     /* set when it is freed from inside a callback */
};

/* --- the library ------------------------------------------------------------------------------ */

static struct coap_assoc *turn;         /* whose turn it is while libcoap works */
static bool started;

static const char *tls_name(void)
{
	const coap_tls_version_t *v = coap_get_tls_library_version();

	/* Later ones have numbers that this one's headers do not know. */
	switch ((int)v->type) {
	case 1: return "TinyDTLS";
	case 2: return "OpenSSL";
	case 3: return "GnuTLS";
	case 4: return "Mbed TLS";
	case 5: return "wolfSSL";
	default: return "no DTLS";
	}
}

/*
 * libcoap, as a server, answers what it cannot read with a reset for message 0, whatever its number
 * was: a message that is longer than it thinks the way to be, for example.
 */
static bool rejects_unread(const char *line)
{
	const char *at = strstr(line, "got RST for mid=");

	return at && strtoul(at + strlen("got RST for mid="), NULL, 16) == 0 && turn->mid != 0 &&
	       turn->ping_mid != 0;
}

/* The last but one is new in 4.3.4, the last in 4.3.5. */
static bool drops_answer(const char *line)
{
	return strstr(line, "unknown critical option") || strstr(line, "malformed PDU") ||
	       strstr(line, "is not defined as repeatable") || strstr(line, "UDP version not supported");
}

static void on_log(coap_log_t level, const char *message)
{
	struct text t = text_trim(text_of(message));
	const char *words;
	char line[256];

	text_escape(t.s, t.n, line, sizeof(line));
	/* Without the addresses in front: they are those of the relay. */
	words = strstr(line, " DTLS: ");
	words = words ? words + strlen(" DTLS: ") : line;
	if (turn && (int)level <= 4)
		snprintf(turn->words, sizeof(turn->words), "%.*s", WORDS_MAX - 1, words);
	if (turn && turn->posted && rejects_unread(line))
		turn->reset = true;
	if (turn && drops_answer(line))
		snprintf(turn->odd, sizeof(turn->odd), "%.*s", WORDS_MAX - 1, line);
	if ((int)level <= 4)
		log_debug("coap", "libcoap: %s", line);
	else
		log_write(LOG_LEVEL_TRACE, "coap", "libcoap: %s", line);
}

static int start_library(char why[COAP_LIB_WHY_MAX])
{
	int r;

	if (started)
		return 0;
	r = coap_lib_open(why);
	if (r < 0)
		return r;
	coap_startup();
	coap_set_log_handler(on_log);
	coap_set_show_pdu_output(0);
	/* Debug: dropped answers are told of there. */
	coap_set_log_level((coap_log_t)7);
	coap_dtls_set_log_level((__typeof__(coap_dtls_get_log_level()))3);
	started = true;
	if (coap_dtls_is_supported())
		return 0;
	snprintf(why, COAP_LIB_WHY_MAX, "libcoap was built without DTLS");
	return -ENOTSUP;
}

int coap_library_look(char why[COAP_WHY_MAX])
{
	_Static_assert(COAP_WHY_MAX == COAP_LIB_WHY_MAX, "one line, said by another");

	return coap_lib_look(COAP_SONAME, why);
}

void coap_library_close(void)
{
	if (started)
		coap_cleanup();
	started = false;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void judge(struct coap_assoc *a, const struct octets *chain, size_t n)
{
	a->verdict = (struct verdict){ .trust = a->o.trust, .host = a->o.host,
				       .clock_is_set = verify_clock_is_set() };
	(void)verify_chain(&a->verdict, chain, n);
}

static void explain_alert(const struct coap_assoc *a, struct net_error *why)
{
	int alert = a->look.alert;

	if (alert == 0) {
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, 0, "handshake ended by the server");
		return;
	}
	net_error_set(why, CAUSE_REFUSED, NET_TLS, alert, "handshake ended by the server: %s (alert %d)%s%s",
		      tls_alert_words(alert), alert, a->o.psk && (alert == 71 || alert == 40) ?
		      "; it may want TLS_PSK_WITH_AES_128_CCM_8, and we use " : "",
		      a->o.psk && (alert == 71 || alert == 40) ? tls_name() : "");
}

/* Refused before we were asked: perhaps for the same reason. What was overheard proves nothing good. */
static void explain_certificate(struct coap_assoc *a)
{
	struct octets chain[DTLS_CERTIFICATES_MAX];
	size_t n = a->o.psk || a->judged ? 0 : dtls_look_chain(&a->look, chain);

	if (n > 0)
		judge(a, chain, n);
}

static void explain(struct coap_assoc *a, struct net_error *why)
{
	if (a->ready) {
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, -1, "association closed by the server");
		return;
	}
	explain_certificate(a);
	if (net_error_is_set(&a->verdict.error))
		*why = a->verdict.error;
	else if (a->look.alert >= 0)
		explain_alert(a, why);
	else if (a->words[0])
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, -1, "handshake failed: %s", a->words);
	else
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, -1, "handshake failed");
}

static void end(struct coap_assoc *a, const struct net_error *why)
{
	a->ended = true;
	ev_watch_stop(&a->watch);
	ev_alarm_stop(&a->alarm);
	ev_task_stop(&a->task);
	a->user->closed(a->user, why);
}

/* --- what libcoap has told -------------------------------------------------------------------- */

static bool is_token(const struct coap_assoc *a, coap_bin_const_t token)
{
	return a->posted && token.length == COAP_TOKEN_LEN && memcmp(token.s, a->token, COAP_TOKEN_LEN) == 0;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
				   const coap_pdu_t *got, const coap_mid_t mid)
{
	struct coap_assoc *a = turn;

	(void)session, (void)sent;
	if (!a)
		return COAP_RESPONSE_OK;
	a->responded = true;
	if (coap_pdu_get_type(got) == COAP_MESSAGE_CON) {
		a->con_mid = mid;
		a->con_n = a->heard_n;
	}
	if (a->has_answer || !is_token(a, coap_pdu_get_token(got)))
		return COAP_RESPONSE_OK;
	a->has_answer = coap_message_take(got, &a->answer) == 0;
	if (!a->has_answer)
		snprintf(a->odd, sizeof(a->odd), "option %u cannot be used", a->answer.bad_option);
	return COAP_RESPONSE_OK;
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
		    const coap_mid_t mid)
{
	struct coap_assoc *a = turn;

	(void)session, (void)sent;
	if (!a || !a->posted || mid != a->mid)
		return;         /* a ping: its answer is a reset, as it should be */
	if (reason == COAP_NACK_TOO_MANY_RETRIES)
		a->unheard = true;
	else if (reason == COAP_NACK_RST)
		a->reset = true;
}

/* Only the server's own certificate is given by all libraries; what stands above it was overheard. */
static int on_certificate(const char *name, const uint8_t *der, size_t n, coap_session_t *session,
			  unsigned depth, int validated, void *context)
{
	struct coap_assoc *a = context;
	struct octets chain[DTLS_CERTIFICATES_MAX], own = octets_from(der, n);
	size_t len = dtls_look_chain(&a->look, chain);

	(void)name, (void)session, (void)validated;
	if (depth > 0)
		return 1;
	if (len > 0 && octets_same(chain[0], own))
		judge(a, chain, len);
	else
		judge(a, &own, 1);
	a->judged = true;
	return !net_error_is_set(&a->verdict.error);
}

/* --- turns ------------------------------------------------------------------------------------ */

static bool has_news(const struct coap_assoc *a)
{
	coap_session_state_t state = coap_session_get_state(a->session);

	return a->has_answer || a->unheard || a->reset || (a->odd[0] && a->posted) ||
	       net_error_is_set(&a->broken) || state == COAP_SESSION_STATE_NONE ||
	       (state == COAP_SESSION_STATE_ESTABLISHED && !a->ready);
}

/* 1200 octets, unless it is told. Where it cannot be reached, longer messages go in blocks. */
static void widen(const struct coap_assoc *a)
{
	coap_tls_library_t library = COAP_TLS_LIBRARY_NOTLS;
	void *tls = coap_session_get_tls(a->session, &library);
	int (*set)(void *tls, unsigned mtu) = (int (*)(void *, unsigned))
		dlsym(RTLD_DEFAULT, "gnutls_dtls_set_data_mtu");

	if (library == COAP_TLS_LIBRARY_GNUTLS && tls && set)
		(void)set(tls, a->o.message_max);
}

/* Mbed TLS asks nobody about what it is told not to verify. It is asked what it has been shown. */
static void ask_for_certificate(struct coap_assoc *a)
{
	struct octets chain[DTLS_CERTIFICATES_MAX];
	coap_tls_library_t library = COAP_TLS_LIBRARY_NOTLS;
	const void *tls = coap_session_get_tls(a->session, &library);
	size_t n = 0;

	if (library == COAP_TLS_LIBRARY_MBEDTLS)
		n = tls_foreign_chain(tls, coap_get_tls_library_version()->version, chain, DTLS_CERTIFICATES_MAX);
	if (n > 0)
		judge(a, chain, n);
	a->judged |= n > 0;
}

static void settle_handshake(struct coap_assoc *a)
{
	struct net_error why = { 0 };

	if (!a->o.psk && !a->judged)
		ask_for_certificate(a);

	if (!a->o.psk && (!a->judged || net_error_is_set(&a->verdict.error))) {
		explain_certificate(a);
		why = a->verdict.error;
		net_error_set(&why, CAUSE_REFUSED, NET_CERTIFICATE, -1,
			      "%s has shown no certificate that %s takes", a->o.host, tls_name());
		end(a, &why);
		return;
	}
	widen(a);
	coap_session_set_max_retransmit(a->session, (uint16_t)a->o.retransmits);
	a->ready = true;
	a->relay.gather = false;
	a->words[0] = '\0';
	a->user->ready(a->user);
}

/* Something has ended it, or the request: true, and why. */
static bool has_failed(struct coap_assoc *a, struct net_error *why)
{
	if (net_error_is_set(&a->broken))
		*why = a->broken;
	else if (coap_session_get_state(a->session) == COAP_SESSION_STATE_NONE)
		explain(a, why);
	else if (a->reset)
		net_error_set(why, CAUSE_LINK_LOST, NET_COAP, -1, "the server rejects the message (RST)");
	else if (a->odd[0] && a->posted)
		net_error_set(why, CAUSE_MALFORMED, NET_COAP, -1, "unreadable answer: %s", a->odd);
	return net_error_is_set(why);
}

/* One thing at a time; what is left is settled in the next turn. */
static void settle(struct coap_assoc *a)
{
	struct net_error why = { 0 };

	if (!a->ready && coap_session_get_state(a->session) == COAP_SESSION_STATE_ESTABLISHED &&
	    !net_error_is_set(&a->broken)) {
		settle_handshake(a);
	} else if (a->has_answer) {
		a->has_answer = a->posted = false;
		a->odd[0] = '\0';
		a->user->answered(a->user, &a->answer.a);
	} else if (has_failed(a, &why)) {
		end(a, &why);
	} else if (a->unheard) {
		a->unheard = a->posted = false;
		a->user->unheard(a->user);
	}
}

static void arm(struct coap_assoc *a)
{
	coap_tick_t now;
	unsigned ms;

	turn = a;
	coap_ticks(&now);
	ms = coap_io_prepare_epoll(a->context, now);
	turn = NULL;
	if (ms)
		ev_alarm_start(&a->alarm, ms);
	else
		ev_alarm_stop(&a->alarm);
	if (has_news(a))
		ev_task_start(&a->task);
}

/* One that is not needed nobody minds. */
static void acknowledge_again(struct coap_assoc *a)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_ACK, 0, a->con_mid, 0);

	if (pdu)
		coap_send(a->session, pdu);
}

static void work(struct coap_assoc *a)
{
	bool gone = false;

	a->gone = &gone;
	turn = a;
	a->responded = false;
	coap_io_process(a->context, COAP_IO_NO_WAIT);
	if (a->again && !a->responded && coap_session_get_state(a->session) == COAP_SESSION_STATE_ESTABLISHED)
		acknowledge_again(a);
	a->again = false;
	turn = NULL;
	settle(a);
	if (gone)
		return;
	a->gone = NULL;
	if (!a->ended)
		arm(a);
}

static void on_watch(struct ev_watch *w, unsigned what)
{
	(void)what;
	work(container_of(w, struct coap_assoc, watch));
}

static void on_alarm(struct ev_alarm *alarm)
{
	work(container_of(alarm, struct coap_assoc, alarm));
}

static void on_task(struct ev_task *t)
{
	work(container_of(t, struct coap_assoc, task));
}

static void on_heard(struct udp_relay *r, struct octets datagram)
{
	struct coap_assoc *a = container_of(r, struct coap_assoc, relay);

	if (!a->ready)
		dtls_look(&a->look, datagram);
	a->again |= a->con_mid != COAP_INVALID_MID && datagram.n == a->con_n;
	a->heard_n = datagram.n;
	/* It would take the beginning for the whole, and drop it as damaged. */
	if (datagram.n > COAP_RXBUFFER_SIZE)
		snprintf(a->odd, sizeof(a->odd), "a datagram of %zu octets, more than libcoap takes",
			 datagram.n);
}

static void on_broken(struct udp_relay *r, int error)
{
	struct coap_assoc *a = container_of(r, struct coap_assoc, relay);
	char place[NET_ADDRESS_TEXT_MAX];

	if (a->ended)
		return;
	net_error_set(&a->broken, CAUSE_LINK_LOST, NET_CONNECT, error, "%s: %s",
		      net_address_text(&a->o.to, place), strerror(error));
	ev_task_start(&a->task);
}

/* --- beginning -------------------------------------------------------------------------------- */

static coap_session_t *by_key(struct coap_assoc *a, const coap_address_t *near, char *sni)
{
	const struct psk *psk = a->o.psk;
	coap_dtls_cpsk_t setup = { .version = COAP_DTLS_CPSK_SETUP_VERSION, .client_sni = sni };

	setup.psk_info.identity = (coap_bin_const_t){ psk->identity_n, psk->identity };
	setup.psk_info.key = (coap_bin_const_t){ psk->key_n, psk->key };
#ifdef COAP_HAS_CID
	setup.use_cid = 1;
#endif
	return coap_new_client_session_psk2(a->context, NULL, near, COAP_PROTO_DTLS, &setup);
}

static coap_session_t *by_certificate(struct coap_assoc *a, const coap_address_t *near, char *sni)
{
	coap_dtls_pki_t setup = { .version = COAP_DTLS_PKI_SETUP_VERSION, .client_sni = sni,
				  .allow_self_signed = 1, .allow_expired_certs = 1, .allow_no_crl = 1,
				  .allow_expired_crl = 1, .validate_cn_call_back = on_certificate,
				  .cn_call_back_arg = a };

	setup.pki_key.key_type = COAP_PKI_KEY_ASN1;
#ifdef COAP_HAS_CID
	setup.use_cid = 1;
#endif
	return coap_new_client_session_pki(a->context, NULL, near, COAP_PROTO_DTLS, &setup);
}

static void set_timing(const struct coap_assoc *a)
{
	unsigned ms = MAX(a->o.ack_timeout_ms, ACK_MIN_MS);
	coap_fixed_point_t t = { (uint16_t)(ms / 1000), (uint16_t)(ms % 1000) };

	coap_session_set_ack_timeout(a->session, t);
	coap_session_set_max_retransmit(a->session, HANDSHAKE_TIMEOUTS);
	coap_session_set_nstart(a->session, ASIDE);
	coap_session_set_mtu(a->session, a->o.message_max + MTU_EXTRA);
}

static int open_session(struct coap_assoc *a, const struct sockaddr_in *near)
{
	coap_address_t address;
	uint8_t ip[16];
	size_t ip_n;
	/* RFC 6066: no address in SNI. */
	char *sni = net_literal(a->o.host, ip, &ip_n) ? NULL : (char *)a->o.host;

	coap_address_init(&address);
	address.addr.sin = *near;
	address.size = sizeof(address.addr.sin);
	a->context = coap_new_context(NULL);
	if (!a->context)
		return -ENOMEM;
	coap_context_set_block_mode(a->context, 0);
	coap_register_response_handler(a->context, on_response);
	coap_register_nack_handler(a->context, on_nack);
	a->session = a->o.psk ? by_key(a, &address, sni) : by_certificate(a, &address, sni);
	if (!a->session)
		return -EIO;
	set_timing(a);
	udp_relay_join(&a->relay, &coap_session_get_addr_local(a->session)->addr.sin);
	return coap_context_get_coap_fd(a->context) < 0 ? -ENOSYS : 0;
}

int coap_assoc_new(const struct coap_assoc_options *o, struct coap_assoc_user *u,
		   struct coap_assoc **ret, struct net_error *why)
{
	struct coap_assoc *a = calloc(1, sizeof(*a));
	struct sockaddr_in near;
	char place[NET_ADDRESS_TEXT_MAX];
	char reason[COAP_LIB_WHY_MAX] = "";
	int r = a ? start_library(reason) : -ENOMEM;

	if (r == 0)
		r = crypto_open();
	if (r < 0) {
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, -r, "%s",
			      reason[0] ? reason : strerror(-r));
		free(a);
		return r;
	}
	a->o = *o;
	a->user = u;
	a->mid = a->ping_mid = a->con_mid = COAP_INVALID_MID;
	dtls_look_init(&a->look);
	a->relay.heard = on_heard;
	a->relay.broken = on_broken;
	a->relay.gather = o->gather;
	a->watch.ready = on_watch;
	a->alarm.fired = on_alarm;
	a->task.run = on_task;
	r = udp_relay_open(&a->relay, &o->to, o->interface, &near);
	if (r < 0) {
		net_error_set(why, CAUSE_LINK_LOST, NET_CONNECT, -r, "%s: %s",
			      net_address_text(&o->to, place), strerror(-r));
		coap_assoc_free(a);
		return r;
	}
	turn = a;
	r = open_session(a, &near);
	turn = NULL;
	if (r < 0) {
		net_error_set(why, CAUSE_LINK_LOST, NET_TLS, -r, "libcoap does not begin: %s",
			      r == -ENOSYS ? "it was built without epoll" :
			      a->words[0] ? a->words : strerror(-r));
		coap_assoc_free(a);
		return r;
	}
	ev_watch_start(&a->watch, coap_context_get_coap_fd(a->context), EV_IN);
	arm(a);
	*ret = a;
	return 0;
}

void coap_assoc_free(struct coap_assoc *a)
{
	if (!a)
		return;
	if (a->gone)
		*a->gone = true;
	ev_watch_stop(&a->watch);
	ev_alarm_stop(&a->alarm);
	ev_task_stop(&a->task);
	turn = NULL;
	if (a->context)
		coap_free_context(a->context);
	udp_relay_flush(&a->relay);
	udp_relay_close(&a->relay);
	dtls_look_done(&a->look);
	free(a);
}

/* --- messages --------------------------------------------------------------------------------- */

int coap_assoc_post(struct coap_assoc *a, const struct coap_post *post)
{
	coap_pdu_t *pdu;
	int r = 0;

	if (post->new_token)
		r = crypto_random(a->token, sizeof(a->token));
	if (r < 0)
		return r;
	turn = a;
	pdu = coap_message_put(a->session, a->token, post, a->o.message_max + MESSAGE_EXTRA);
	if (!pdu) {
		turn = NULL;
		return -EMSGSIZE;
	}
	a->posted = true;
	a->unheard = a->has_answer = false;
	a->odd[0] = '\0';
	a->mid = coap_pdu_get_mid(pdu);
	/* Where it fails, the session has ended, which is seen in the next turn, or it is too long. */
	if (coap_send(a->session, pdu) == COAP_INVALID_MID &&
	    coap_session_get_state(a->session) == COAP_SESSION_STATE_ESTABLISHED)
		r = -EMSGSIZE;
	turn = NULL;
	ev_task_start(&a->task);
	return r;
}

void coap_assoc_ping(struct coap_assoc *a)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, 0, coap_new_message_id(a->session), 0);

	if (!pdu || !a->ready) {
		coap_delete_pdu(pdu);
		return;
	}
	turn = a;
	a->ping_mid = coap_send(a->session, pdu);
	turn = NULL;
	ev_task_start(&a->task);
}

/* --- what is known of it ---------------------------------------------------------------------- */

bool coap_assoc_is_ready(const struct coap_assoc *a)
{
	return a->ready;
}

bool coap_assoc_moved(const struct coap_assoc *a)
{
	return udp_relay_moved(&a->relay);
}

enum dtls_stage coap_assoc_stage(const struct coap_assoc *a)
{
	return a->look.stage;
}

const struct udp_figures *coap_assoc_figures(const struct coap_assoc *a)
{
	return &a->relay.figures;
}

uint64_t coap_assoc_sent_ms(const struct coap_assoc *a)
{
	return a->relay.sent_ms;
}

uint64_t coap_assoc_heard_ms(const struct coap_assoc *a)
{
	return a->relay.heard_ms;
}
