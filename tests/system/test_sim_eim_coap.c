/*
 * sim-eim over CoAP and DTLS, with libcoap's own client: the same eIM as over HTTPS, through a
 * network that is as bad as the test wants it.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "sim/eim/crypto.h"
#include "support/coap_client.h"
#include "support/examples.h"
#include "support/mini_ipa.h"
#include "support/rig.h"

#define EID "89049032123451234512345678901235"
#define KEY "a secret of ours"
#define CA "tests/vectors/rsp/pki/nist/ci.pem"

static const char *argv0;
static struct rig rig;
static struct rig_program *server;
static struct coap_client client;
static struct mini_ipa ipa;
static struct mini_card card;
static uint16_t coap_port;

/* --- the eIM ---------------------------------------------------------------------------------- */

static const char *said;

#define SIM(...) sim(__VA_ARGS__, NULL)

static int sim(const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"--dir", (char *)rig_path(&rig, "eim"),
				 (char *)word };
	struct rig_program *p;
	int n = 4, code;
	va_list ap;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	p = rig_startv(&rig, "sim-eim", argv);
	code = rig_wait_end(p, 30000);
	said = p->said;
	return code;
}

static void good(int code)
{
	if (code) {
		print_error("exit code %d: %s\n", code, said);
		assert_int_equal(code, 0);
	}
}

static uint16_t number_after(const char *text)
{
	const char *at = strstr(server->said, text);

	assert_non_null(at);
	return (uint16_t)strtoul(at + strlen(text), NULL, 10);
}

static void serve(const char *habits)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", coap_port);
	server = rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--quiet", "--coaps", port,
			   "--coaps-psk", "device=" KEY, "--coaps-habits", habits, NULL);
	if (!rig_wait_for(server, "ready: port ", 0, 10000) ||
	    !rig_wait_for(server, "control.sock\n", 0, 1000))
		fail_msg("sim-eim: %s", server->said);
	coap_port = number_after("coaps: port ");
	ipa.port = number_after("ready: port ");
}

static void dial(const char *identity, const char *key)
{
	const struct coap_client_wish wish = { .port = coap_port, .identity = identity, .key = key,
					       .ca = CA,
					       .ack_s = 1 };

	coap_client_close(&client);
	coap_client_open(&client, &wish);
}

/* The eIM's key out of the configuration it hands out. */
static void associate(void)
{
	char path[PATH_MAX];
	X509 *cert;

	snprintf(path, sizeof(path), "%s/sign.der", rig_path(&rig, "eim"));
	assert_int_equal(se_cert_load(path, &cert), 0);
	card.eim_key = X509_get_pubkey(cert);
	X509_free(cert);
	assert_non_null(card.eim_key);
}

static void save(const char *name, struct octets v)
{
	assert_int_equal(file_save(rig_path(&rig, name), v.p, v.n, 0644), 0);
}

static void make_card(void)
{
	EVP_PKEY *ci;
	uint8_t der[256];
	size_t n;

	card = (struct mini_card){ .eum = example("CERT_EUM"), .euicc = example("CERT_EUICC"),
				   .eim_id = "eim1", .seq = 10, .enabled = 0 };
	memcpy(card.eid, example("EID").p, 16);
	memcpy(card.iccid[0], example("ICCID of profile A").p, 10);
	memcpy(card.iccid[1], example("ICCID of profile B").p, 10);
	assert_int_equal(se_key_from_scalar("nist", example("EUICC"), &card.key), 0);
	assert_int_equal(se_key_from_scalar("nist", example("CI (root)"), &ci), 0);
	assert_int_equal(se_key_spki(ci, der, sizeof(der), &n), 0);
	EVP_PKEY_free(ci);
	save("eim/ci/examples", octets_from(der, n));
	save("eum.der", card.eum);
	save("euicc.der", card.euicc);
}

static void begin(const char *habits)
{
	struct rig_program *p;

	rig_open(&rig, argv0);
	coap_port = 0;
	good(rig_run(&rig, &p, "sim-eim", "init", rig_path(&rig, "eim"), "--pki",
		     "tests/vectors/rsp/pki", NULL));
	make_card();
	mini_ipa_open(&ipa, CA, 0);
	serve(habits);
	associate();
	good(SIM("card", EID, "--eum-cert", rig_path(&rig, "eum.der"), "--euicc-cert",
		 rig_path(&rig, "euicc.der")));
	dial("device", KEY);
}

static int setup(void **state)
{
	(void)state;
	begin("none");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	coap_client_close(&client);
	mini_ipa_close(&ipa);
	EVP_PKEY_free(card.key);
	EVP_PKEY_free(card.eim_key);
	rig_close(&rig);
	return 0;
}

/* --- ESipa ------------------------------------------------------------------------------------ */

/* GetEimPackage: 0, with the content of the answer; or what coap_client_post() says. */
static int poll_eim(struct octets *ret)
{
	uint8_t request[32];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xbf4f);
	struct tlv_doc doc;
	struct tlv top;
	int r;

	tlv_put(&w, 0x5a, card.eid, 16);
	tlv_close(&w, m);
	r = coap_client_post(&client, octets_from(request, w.len));
	if (r < 0)
		return r;
	top = tlv_open(&doc, octets_from(client.body, client.n));
	*ret = tlv_take(&top, 0xbf4f);
	return doc.fault ? -EBADMSG : 0;
}

static void expect_nothing(void)
{
	struct octets content;

	assert_int_equal(poll_eim(&content), 0);
	assert_int_equal(client.code, 205);
	assert_int_equal(content.n, 3);
	assert_memory_equal(content.p, "\x02\x01\x01", 3);
}

/* ProvideEimPackageResult; what is acknowledged leaves the card. */
static int provide(struct octets alternative)
{
	static uint8_t request[65536];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct tlv_mark m = tlv_begin(&w, 0xbf50);
	struct tlv_doc doc;
	struct tlv top, body, list;
	bool there;
	int r;

	tlv_put(&w, 0x5a, card.eid, 16);
	tlv_put_raw(&w, alternative.p, alternative.n);
	tlv_close(&w, m);
	r = coap_client_post(&client, octets_from(request, w.len));
	if (r < 0)
		return r;
	top = tlv_open(&doc, octets_from(client.body, client.n));
	body = tlv_enter(&top, 0xbf50);
	list = tlv_enter_maybe(&body, 0xbf53, &there);
	while (tlv_more(&list))
		mini_card_remove(&card, tlv_take_u32(&list, 0x80));
	return doc.fault ? -EBADMSG : 0;
}

/* --- the ordinary way ------------------------------------------------------------------------- */

static void a_poll_is_answered_and_both_transports_have_one_queue(void **state)
{
	struct octets content, result;

	(void)state;
	expect_nothing();
	assert_int_equal(client.answer_type, COAP_MESSAGE_ACK);
	assert_int_equal(client.answer_format, -1);
	good(SIM("queue", EID, "list-profiles"));
	assert_int_equal(poll_eim(&content), 0);
	assert_true(content.n > 3);
	result = mini_card_load(&card, content);
	assert_int_equal(provide(result), 0);
	assert_int_equal(card.results_n, 0);
	good(SIM("results", EID, "--wait", "5"));
	/* What HTTPS fetches now is the next one. */
	good(SIM("queue", EID, "get-rat"));
	assert_int_equal(mini_ipa_run(&ipa, &card), 1);
	expect_nothing();
	good(SIM("results", EID, "--wait", "5"));
}

static void a_certificate_is_as_good_as_a_key(void **state)
{
	(void)state;
	dial(NULL, NULL);
	expect_nothing();
}

/* --- blocks ----------------------------------------------------------------------------------- */

#define BIG 3500

static uint8_t noise(size_t i)
{
	return (uint8_t)(i * 7 + i / 256);
}

/* An operation nobody knows, so long that its package comes in several blocks. */
static void queue_big(void)
{
	static char digits[2 * BIG + 16];
	static uint8_t op[BIG + 8];
	struct tlv_out w = { .buf = op, .cap = sizeof(op) };
	static uint8_t value[BIG];

	for (size_t i = 0; i < BIG; i++)
		value[i] = noise(i);
	tlv_put(&w, 0x9f7d, value, BIG);
	hex_encode(op, w.len, digits, sizeof(digits));
	good(SIM("queue", EID, "raw", digits));
}

static void expect_big(struct octets content)
{
	size_t at = 0;

	assert_true(content.n > BIG);
	/* Behind the signed head, in front of the signature. */
	while (at + 5 < content.n && memcmp(content.p + at, "\x9f\x7d\x82", 3) != 0)
		at++;
	assert_true(at + 5 + BIG < content.n);
	for (size_t i = 0; i < BIG; i++)
		assert_int_equal(content.p[at + 5 + i], noise(i));
}

/* IpaEuiccDataResponse with more in it than fits into a datagram. */
static struct octets big_data(struct octets request)
{
	static uint8_t buf[BIG + 64];
	static uint8_t value[BIG];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, request), body = tlv_enter(&top, 0xbf52);
	struct tlv_mark m = tlv_begin(&w, 0xbf52), data = tlv_begin(&w, 0xa0);

	while (tlv_more(&body) && tlv_peek(&body) != 0x83)
		tlv_skip(&body);
	for (size_t i = 0; i < BIG; i++)
		value[i] = noise(i);
	tlv_put(&w, 0x9f7d, value, BIG);
	tlv_put_octets(&w, 0x87, tlv_take(&body, 0x83));
	tlv_close(&w, data);
	tlv_close(&w, m);
	return octets_from(buf, w.len);
}

static void long_messages_go_in_blocks_both_ways(void **state)
{
	struct octets content;

	(void)state;
	good(SIM("queue", EID, "data-request", "info2"));
	assert_int_equal(poll_eim(&content), 0);
	assert_int_equal(provide(big_data(content)), 0);
	assert_int_equal(client.code, 205);
	good(SIM("results", EID, "--wait", "5"));
	assert_non_null(strstr(said, "unknown 9F7D"));
	queue_big();
	assert_int_equal(poll_eim(&content), 0);
	expect_big(content);
}

/* --- the network ------------------------------------------------------------------------------ */

static void a_wrong_key_looks_like_a_network_that_loses_everything(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct octets content;

		dial(i ? "somebody" : "device", i ? KEY : "no secret");
		client.patience_ms = 3000;
		assert_int_not_equal(poll_eim(&content), 0);
	}
	dial("device", KEY);
	expect_nothing();
}

/* As an IPA does it: what was not answered is asked again, in a session that may be new. */
static void insist(int (*ask)(void *arg), void *arg)
{
	for (int tries = 0; tries < 20; tries++) {
		int r = ask(arg);

		if (r == 0)
			return;
		if (r == -ECONNRESET)
			dial("device", KEY);
	}
	fail_msg("no answer in 20 tries");
}

static int ask_for_package(void *arg)
{
	return poll_eim(arg);
}

static int bring_result(void *arg)
{
	return provide(*(struct octets *)arg);
}

static void exchange(void)
{
	static uint8_t copy[65536];
	struct octets content, result;

	insist(ask_for_package, &content);
	assert_true(content.n > 3);
	memcpy(copy, content.p, content.n);
	result = mini_card_load(&card, octets_from(copy, content.n));
	memcpy(copy, result.p, result.n);
	result.p = copy;
	insist(bring_result, &result);
	assert_int_equal(card.results_n, 0);
}

/* The answer of the network's own command, a count in front of this word. */
static unsigned counted(const char *word)
{
	const char *at;

	good(SIM("coaps", "show"));
	at = strstr(said, word);
	assert_non_null(at);
	while (at > said && at[-1] != ',' && at[-1] != '\n')
		at--;
	return (unsigned)strtoul(at, NULL, 10);
}

static void nothing_is_lost_where_three_of_ten_datagrams_are(void **state)
{
	enum { N = 4 };

	(void)state;
	expect_nothing();
	for (int i = 0; i < N; i++)
		good(SIM("queue", EID, "list-profiles"));
	good(SIM("coaps", "net", "loss=30,duplicate=10,reorder=10,seed=20261126"));
	for (int i = 0; i < N; i++)
		exchange();
	good(SIM("coaps", "net", "none"));
	assert_int_equal(card.executed, N);
	assert_true(counted(" lost") > 0);
	/* Duplicates may be there where a whole exchange was repeated; results count once. */
	SIM("results", EID, "--wait", "5", "--json");
	for (const char *at = said; (at = strstr(at, "\"results\":")); at++)
		assert_int_equal(strtoul(at + 10, NULL, 10), 1);
}

static void a_client_that_has_another_address_is_not_known_any_more(void **state)
{
	struct octets content;

	(void)state;
	expect_nothing();
	good(SIM("coaps", "rebind"));
	assert_string_equal(said, "1\n");
	client.patience_ms = 1500;
	assert_int_not_equal(poll_eim(&content), 0);
	/* A new handshake, and everything is as before. */
	dial("device", KEY);
	expect_nothing();
}

static void a_server_that_crashed_says_nothing_to_old_sessions(void **state)
{
	struct octets content;

	(void)state;
	expect_nothing();
	good(SIM("coaps", "restart"));
	client.patience_ms = 1500;
	assert_int_not_equal(poll_eim(&content), 0);
	assert_false(client.closed);
	dial("device", KEY);
	expect_nothing();
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_poll_is_answered_and_both_transports_have_one_queue),
		TEST(a_certificate_is_as_good_as_a_key),
		TEST(long_messages_go_in_blocks_both_ways),
		TEST(a_wrong_key_looks_like_a_network_that_loses_everything),
		TEST(nothing_is_lost_where_three_of_ten_datagrams_are),
		TEST(a_client_that_has_another_address_is_not_known_any_more),
		TEST(a_server_that_crashed_says_nothing_to_old_sessions),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
