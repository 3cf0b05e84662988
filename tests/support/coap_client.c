#include "support/coap_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "core/util.h"
#include "support/rig.h"
#include "support/test.h"

static struct coap_client *client_of(coap_session_t *session)
{
	return coap_get_app_data(coap_session_get_context(session));
}

static uint32_t option_uint(const coap_pdu_t *pdu, coap_option_num_t number, bool *ret_there)
{
	coap_opt_iterator_t at;
	coap_opt_t *o = coap_check_option(pdu, number, &at);

	*ret_there = o != NULL;
	return o ? coap_decode_var_bytes(coap_opt_value(o), coap_opt_length(o)) : 0;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
				   const coap_pdu_t *received, const coap_mid_t mid)
{
	struct coap_client *c = client_of(session);
	coap_pdu_code_t code = coap_pdu_get_code(received);
	const uint8_t *data = NULL;
	size_t n = 0, offset, total;
	uint32_t v;
	bool there;

	(void)sent;
	(void)mid;
	c->code = (unsigned)(code >> 5) * 100 + (code & 31);
	c->answer_type = coap_pdu_get_type(received);
	v = option_uint(received, COAP_OPTION_CONTENT_FORMAT, &there);
	c->answer_format = there ? (int)v : -1;
	v = option_uint(received, COAP_OPTION_BLOCK2, &c->has_block2);
	c->block2_num = v >> 4;
	c->more = v & 8;
	c->block2_szx = v & 7;
	c->size2 = option_uint(received, COAP_OPTION_SIZE2, &there);
	coap_get_data_large(received, &n, &data, &offset, &total);
	assert_true(n <= sizeof(c->body));
	if (n)
		memcpy(c->body, data, n);
	c->n = n;
	c->done = true;
	return COAP_RESPONSE_OK;
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent,
		const coap_nack_reason_t reason,
		    const coap_mid_t mid)
{
	(void)sent;
	(void)reason;
	(void)mid;
	client_of(session)->failed = true;
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	struct coap_client *c = client_of(session);

	if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_SESSION_CLOSED ||
	    event == COAP_EVENT_SESSION_FAILED || event == COAP_EVENT_DTLS_ERROR)
		c->closed = true;
	return 0;
}

static coap_session_t *dial_psk(struct coap_client *c, const coap_address_t *at,
				const struct coap_client_wish *wish)
{
	coap_dtls_cpsk_t psk = { .version = COAP_DTLS_CPSK_SETUP_VERSION };

	psk.psk_info.identity.s = (const uint8_t *)wish->identity;
	psk.psk_info.identity.length = strlen(wish->identity);
	psk.psk_info.key.s = (const uint8_t *)wish->key;
	psk.psk_info.key.length = strlen(wish->key);
	return coap_new_client_session_psk2(c->ctx, NULL, at, COAP_PROTO_DTLS, &psk);
}

static coap_session_t *dial_pki(struct coap_client *c, const coap_address_t *at,
				const struct coap_client_wish *wish)
{
	static char sni[] = "localhost";
	coap_dtls_pki_t pki = { .version = COAP_DTLS_PKI_SETUP_VERSION, .verify_peer_cert = 1,
				.check_common_ca = 0, .cert_chain_validation = 1,
				.cert_chain_verify_depth = 2, .client_sni = sni };

	pki.pki_key.key_type = COAP_PKI_KEY_PEM;
	pki.pki_key.key.pem.ca_file = wish->ca;
	return coap_new_client_session_pki(c->ctx, NULL, at, COAP_PROTO_DTLS, &pki);
}

void coap_client_open(struct coap_client *c, const struct coap_client_wish *wish)
{
	coap_address_t at;

	memset(c, 0, sizeof(*c));
	c->path = "gsma/rsp2/asn1";
	c->format = -1;
	c->patience_ms = 20000;
	coap_startup();
	coap_set_log_level((coap_log_t)0);
	coap_dtls_set_log_level(0);
	coap_address_init(&at);
	at.size = sizeof(at.addr.sin);
	at.addr.sin.sin_family = AF_INET;
	at.addr.sin.sin_port = htons(wish->port);
	at.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->ctx = coap_new_context(NULL);
	assert_non_null(c->ctx);
	coap_set_app_data(c->ctx, c);
	coap_register_response_handler(c->ctx, on_response);
	coap_register_nack_handler(c->ctx, on_nack);
	coap_register_event_handler(c->ctx, on_event);
	coap_context_set_block_mode(c->ctx, wish->own_blocks ?
						    0 : COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
	c->session = wish->key ? dial_psk(c, &at, wish) : dial_pki(c, &at, wish);
	assert_non_null(c->session);
	if (wish->ack_s) {
		coap_session_set_ack_timeout(c->session,
					     (coap_fixed_point_t){ (uint16_t)wish->ack_s, 0 });
		coap_session_set_ack_random_factor(c->session, (coap_fixed_point_t){ 1, 0 });
	}
	if (wish->own_blocks)
		coap_session_set_mtu(c->session, 1500);
}

void coap_client_close(struct coap_client *c)
{
	if (!c->ctx)
		return;
	coap_session_release(c->session);
	coap_free_context(c->ctx);
	c->ctx = NULL;
	coap_cleanup();
}

static void put_uint(coap_pdu_t *pdu, coap_option_num_t number, uint32_t v)
{
	uint8_t buf[4];

	assert_true(coap_add_option(pdu, number, coap_encode_var_safe(buf, sizeof(buf), v),
			buf) > 0);
}

static void put_path(coap_pdu_t *pdu, const char *path)
{
	struct text rest = text_of(path);

	while (rest.n) {
		struct text one = text_cut(&rest, '/');

		assert_true(coap_add_option(pdu, COAP_OPTION_URI_PATH, one.n,
					    (const uint8_t *)one.s) > 0);
	}
}

/* Lets libcoap work until something has happened, or the time is over. */
static void run(struct coap_client *c, const bool *until, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms, now;

	while (!*until && !c->failed && !c->closed && (now = rig_now_ms()) < end)
		coap_io_process(c->ctx, (uint32_t)MIN(end - now, 100ull));
}

int coap_client_post(struct coap_client *c, struct octets body)
{
	coap_pdu_t *pdu = coap_new_pdu(c->non ? COAP_MESSAGE_NON : COAP_MESSAGE_CON,
				       COAP_REQUEST_CODE_POST, c->session);
	uint8_t token[8];
	size_t token_n;

	assert_non_null(pdu);
	assert_true(body.n <= sizeof(c->request));
	c->done = c->failed = c->closed = false;
	c->code = 0;
	c->n = 0;
	coap_session_new_token(c->session, &token_n, token);
	coap_add_token(pdu, token_n, token);
	put_path(pdu, c->path);
	if (c->format >= 0)
		put_uint(pdu, COAP_OPTION_CONTENT_FORMAT, (uint32_t)c->format);
	if (c->block2.there)
		put_uint(pdu, COAP_OPTION_BLOCK2, c->block2.num << 4 | c->block2.szx);
	if (c->block1.there)
		put_uint(pdu, COAP_OPTION_BLOCK1,
			 c->block1.num << 4 | c->block1.more << 3 | c->block1.szx);
	if (c->tag)
		put_uint(pdu, COAP_OPTION_RTAG, c->tag);
	if (body.n)
		memcpy(c->request, body.p, body.n);
	if (body.n)
		assert_int_equal(coap_add_data_large_request(c->session, pdu, body.n, c->request,
							     NULL, NULL), 1);
	if (coap_send(c->session, pdu) == COAP_INVALID_MID)
		return -ECONNRESET;
	run(c, &c->done, c->patience_ms);
	if (c->done)
		return 0;
	return c->failed || c->closed ? -ECONNRESET : -ETIMEDOUT;
}

#define BLOCK 1024u
#define SZX 6

/* The request in blocks of its own; the answer to the last one is left in c. */
static int upload(struct coap_client *c, struct octets body)
{
	static uint32_t tag = 0x100;
	int r = 0;

	c->tag = ++tag;
	for (unsigned num = 0; r == 0 && num * BLOCK < body.n; num++) {
		size_t n = MIN((size_t)BLOCK, body.n - num * BLOCK);

		c->block1.there = true;
		c->block1.num = num;
		c->block1.szx = SZX;
		c->block1.more = num * BLOCK + n < body.n;
		r = coap_client_post(c, octets_from(body.p + num * BLOCK, n));
		if (r == 0 && c->block1.more && c->code != 231)
			break;
	}
	c->block1.there = false;
	c->tag = 0;
	return r;
}

int coap_client_whole(struct coap_client *c, struct octets body)
{
	static uint8_t whole[COAP_CLIENT_BODY_MAX];
	unsigned code = 0, size2 = 0;
	size_t n = 0;
	int r = body.n > BLOCK ? upload(c, body) : coap_client_post(c, body);

	for (unsigned num = 0; r == 0; num++) {
		assert_true(n + c->n <= sizeof(whole));
		memcpy(whole + n, c->body, c->n);
		n += c->n;
		code = code ? code : c->code;
		size2 = size2 ? size2 : c->size2;
		if (c->code != code || (num && c->block2_num != num))
			return -EBADMSG;
		if (!c->has_block2 || !c->more)
			break;
		c->block2.there = true;
		c->block2.num = num + 1;
		c->block2.szx = c->block2_szx;
		r = coap_client_post(c, octets_from(NULL, 0));
	}
	c->block2.there = false;
	if (r == 0 && size2 && size2 != n)
		return -EBADMSG;
	memcpy(c->body, whole, n);
	c->n = n;
	return r;
}

int coap_client_await_close(struct coap_client *c, unsigned ms)
{
	static const bool never;

	run(c, &never, ms);
	return c->closed ? 0 : -ETIMEDOUT;
}
