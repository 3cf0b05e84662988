/*
 * sim-eim over CoAP and DTLS, with libcoap's own client: the same eIM as over HTTPS, through a
 * network that is as bad as the test wants it.
 */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/coapbed.h"

static const char *argv0;
static struct coapbed bed;

static int setup(void **state)
{
	(void)state;
	coapbed_open(&bed, argv0, "none");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	coapbed_close(&bed);
	return 0;
}

/* --- the ordinary way ------------------------------------------------------------------------- */

static void a_poll_is_answered_and_both_transports_have_one_queue(void **state)
{
	struct octets content, result;

	(void)state;
	coapbed_expect_nothing(&bed);
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_ACK);
	assert_int_equal(bed.client.answer_format, -1);
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "list-profiles"));
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	assert_true(content.n > 3);
	result = mini_card_load(&bed.card, content);
	assert_int_equal(coapbed_provide(&bed, result), 0);
	assert_int_equal(bed.card.results_n, 0);
	coapbed_good(&bed, COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "5"));
	/* What HTTPS fetches now is the next one. */
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "get-rat"));
	assert_int_equal(mini_ipa_run(&bed.https, &bed.card), 1);
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "5"));
}

static void a_certificate_is_as_good_as_a_key(void **state)
{
	(void)state;
	coapbed_dial(&bed, NULL, NULL);
	coapbed_expect_nothing(&bed);
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
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "raw", digits));
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
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "data-request", "info2"));
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	assert_int_equal(coapbed_provide(&bed, big_data(content)), 0);
	assert_int_equal(bed.client.code, 205);
	coapbed_good(&bed, COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "5"));
	assert_non_null(strstr(bed.said, "unknown 9F7D"));
	queue_big();
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	expect_big(content);
}

/* --- the network ------------------------------------------------------------------------------ */

static void a_wrong_key_looks_like_a_network_that_loses_everything(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct octets content;

		coapbed_dial(&bed, i ? "somebody" : "device", i ? COAPBED_KEY : "no secret");
		bed.client.patience_ms = 3000;
		assert_int_not_equal(coapbed_poll(&bed, &content), 0);
	}
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
}

static void nothing_is_lost_where_three_of_ten_datagrams_are(void **state)
{
	enum { N = 4 };

	(void)state;
	coapbed_expect_nothing(&bed);
	for (int i = 0; i < N; i++)
		coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "list-profiles"));
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "net",
			"loss=30,duplicate=10,reorder=10,seed=20261126"));
	for (int i = 0; i < N; i++)
		coapbed_exchange(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "net", "none"));
	assert_int_equal(bed.card.executed, N);
	assert_true(coapbed_counted(&bed, " lost") > 0);
	/* Duplicates may be there where a whole exchange was repeated; results count once. */
	COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "5", "--json");
	for (const char *at = bed.said; (at = strstr(at, "\"results\":")); at++)
		assert_int_equal(strtoul(at + 10, NULL, 10), 1);
}

static void a_client_that_has_another_address_is_not_known_any_more(void **state)
{
	struct octets content;

	(void)state;
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "rebind"));
	assert_string_equal(bed.said, "1\n");
	bed.client.patience_ms = 1500;
	assert_int_not_equal(coapbed_poll(&bed, &content), 0);
	/* A new handshake, and everything is as before. */
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
}

static void a_server_that_crashed_says_nothing_to_old_sessions(void **state)
{
	struct octets content;

	(void)state;
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "restart"));
	bed.client.patience_ms = 1500;
	assert_int_not_equal(coapbed_poll(&bed, &content), 0);
	assert_false(bed.client.closed);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
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
