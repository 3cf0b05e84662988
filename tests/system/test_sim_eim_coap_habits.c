/*
 * sim-eim's CoAP habits and faults: each is on the wire what it is called, seen by libcoap's client.
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

static void habits(const char *list)
{
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "habits", list));
}

static void fault(const char *line)
{
	coapbed_good(&bed, COAPBED_SIM(&bed, "fault", line));
}

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

/* A request that is no ESipa, of this length: what is said to it shows how it was understood. */
static struct octets filler(size_t n)
{
	static uint8_t buf[4096];

	memset(buf, 0x5a, sizeof(buf));
	assert_true(n <= sizeof(buf));
	return octets_from(buf, n);
}

static int send_block(unsigned num, bool more, size_t n)
{
	int r;

	bed.client.block1.there = true;
	bed.client.block1.num = num;
	bed.client.block1.more = more;
	bed.client.block1.szx = 6;
	r = coap_client_post(&bed.client, filler(n));
	bed.client.block1.there = false;
	return r;
}

static int poll_in_blocks(unsigned num, unsigned szx)
{
	static const uint8_t request[] = "\xbf\x4f\x12\x5a\x10\x89\x04\x90\x32\x12\x34\x51\x23"
					 "\x45\x12\x34\x56\x78\x90\x12\x35";
	int r;

	/* Later ones have no payload: with one it would be a new request. */
	bed.client.block2.there = true;
	bed.client.block2.num = num;
	bed.client.block2.szx = szx;
	r = coap_client_post(&bed.client, octets_from(request, num ? 0 : 21));
	bed.client.block2.there = false;
	return r;
}

/* An order whose package comes in several blocks. */
static void queue_long(void)
{
	static char digits[2 * 3000 + 16];
	static uint8_t op[3010], value[3000];
	struct tlv_out w = { .buf = op, .cap = sizeof(op) };

	tlv_put(&w, 0x9f7d, value, sizeof(value));
	hex_encode(op, w.len, digits, sizeof(digits));
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "raw", digits));
}

/* --- requests in blocks ----------------------------------------------------------------------- */

static void blocks_are_joined_by_request_tag(void **state)
{
	(void)state;
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(bed.client.code, 231);
	assert_int_equal(send_block(1, true, 1024), 0);
	assert_int_equal(bed.client.code, 231);
	/* All of it is no ESipa. */
	assert_int_equal(send_block(2, false, 100), 0);
	assert_int_equal(bed.client.code, 400);
	/* The middle is missing; a block is not full. */
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(send_block(2, false, 10), 0);
	assert_int_equal(bed.client.code, 408);
	assert_int_equal(send_block(0, true, 1000), 0);
	assert_int_equal(bed.client.code, 400);
}

static void where_nobody_joins_blocks_each_is_a_message(void **state)
{
	(void)state;
	habits("no-block1");
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(bed.client.code, 400);
	/* One datagram is as good as ever. */
	coapbed_expect_nothing(&bed);
}

/* Every request of this client has another token. */
static void where_the_token_decides_the_last_block_is_all(void **state)
{
	(void)state;
	habits("token-blocks");
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(bed.client.code, 231);
	assert_int_equal(send_block(1, true, 1024), 0);
	assert_int_equal(bed.client.code, 408);
	assert_int_equal(send_block(1, false, 21), 0);
	assert_int_equal(bed.client.code, 400);
}

static void a_datagram_that_is_too_long_ends_the_session(void **state)
{
	(void)state;
	habits("datagram=400");
	coapbed_dial_own_blocks(&bed);
	coapbed_expect_nothing(&bed);
	assert_int_equal(coap_client_post(&bed.client, filler(450)), -ECONNRESET);
	assert_true(bed.client.closed);
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(coap_client_post(&bed.client, filler(340)), 0);
	assert_int_equal(bed.client.code, 400);
}

/* --- answers in blocks ------------------------------------------------------------------------ */

static void blocks_have_the_size_that_was_asked_for_or_not(void **state)
{
	static const struct {
		const char *habits;
		unsigned asked, first, next;
	} rows[] = {
		{ "none", 2, 2, 2 }, { "big-first-block", 2, 6, 2 }, { "block=256", 6, 4, 4 },
		{ "none", 6, 6, 6 },
	};

	(void)state;
	queue_long();
	coapbed_dial_own_blocks(&bed);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		habits(rows[i].habits);
		assert_int_equal(poll_in_blocks(0, rows[i].asked), 0);
		assert_int_equal(bed.client.code, 205);
		assert_true(bed.client.has_block2 && bed.client.more);
		assert_int_equal(bed.client.block2_szx, rows[i].first);
		assert_int_equal(bed.client.n, 16u << rows[i].first);
		assert_true(bed.client.size2 > 3000);
		assert_int_equal(poll_in_blocks(2, rows[i].asked), 0);
		assert_int_equal(bed.client.block2_num, 2);
		assert_int_equal(bed.client.block2_szx, rows[i].next);
		/* Beyond the end. */
		assert_int_equal(poll_in_blocks(4000, rows[i].asked), 0);
		assert_int_equal(bed.client.code, 400);
	}
	/* Of what another session was answered there is nothing. */
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(poll_in_blocks(1, 6), 0);
	assert_int_equal(bed.client.code, 400);
}

/* --- how it is answered ----------------------------------------------------------------------- */

static void an_answer_comes_with_its_acknowledgement_or_after_it(void **state)
{
	struct octets content;

	(void)state;
	fault("slow=1200");
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_CON);
	/* Not a word before the work is done, however often it is asked. */
	habits("late-ack");
	fault("slow=1800");
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_ACK);
	assert_true(coapbed_counted(&bed, " swallowed") >= 2);
	assert_int_equal(bed.client.code, 205);
}

static void a_request_that_is_not_confirmable_is_answered(void **state)
{
	(void)state;
	bed.client.non = true;
	coapbed_expect_nothing(&bed);
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_NON);
	habits("con-for-non");
	coapbed_expect_nothing(&bed);
	assert_int_equal(bed.client.answer_type, COAP_MESSAGE_CON);
}

static void answers_have_the_content_format_they_are_to_have(void **state)
{
	(void)state;
	bed.client.format = 50;
	coapbed_expect_nothing(&bed);
	assert_int_equal(bed.client.answer_format, -1);
	habits("format=42");
	coapbed_expect_nothing(&bed);
	assert_int_equal(bed.client.answer_format, 42);
}

static void silence_ends_a_session_as_soon_as_it_is_told(void **state)
{
	(void)state;
	habits("idle=1");
	coapbed_expect_nothing(&bed);
	assert_int_equal(coap_client_await_close(&bed.client, 10000), 0);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
}

static void a_server_that_ends_says_so(void **state)
{
	(void)state;
	coapbed_expect_nothing(&bed);
	assert_int_equal(rig_stop(bed.server), 0);
	assert_int_equal(coap_client_await_close(&bed.client, 5000), 0);
}

/* libcoap's client offers it among others, and gets it. */
static void one_suite_is_enough(void **state)
{
	(void)state;
	assert_int_equal(rig_stop(bed.server), 0);
	coapbed_serve(&bed, "needs-ccm8", NULL, NULL);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
	assert_int_equal(coapbed_counted(&bed, " refused"), 0);
}

static void another_path_is_another_resource(void **state)
{
	struct octets content;

	(void)state;
	assert_int_equal(rig_stop(bed.server), 0);
	coapbed_serve(&bed, "none", "--coaps-path", "esipa");
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_poll(&bed, &content);
	assert_int_equal(bed.client.code, 404);
	bed.client.path = "esipa";
	coapbed_expect_nothing(&bed);
}

static void what_is_no_habit_is_said(void **state)
{
	static const char *const rows[] = { "late", "block=8", "idle=x", "no-block1=1", "format=70000" };
	static const char *const nets[] = { "loss=101", "loss", "lost=1", "", "delay=-1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(COAPBED_SIM(&bed, "coaps", "habits", rows[i]), 1);
		assert_non_null(strstr(bed.said, "no such habit"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
		assert_int_equal(COAPBED_SIM(&bed, "coaps", "net", nets[i]), 1);
	assert_int_equal(COAPBED_SIM(&bed, "coaps", "dance"), 1);
	coapbed_expect_nothing(&bed);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void faults_of_the_answer_are_those_of_https(void **state)
{
	static const struct {
		const char *fault;
		unsigned code;
		int format;
	} rows[] = {
		{ "http=503", 503, -1 },      { "http=404", 404, -1 },  { "http=400", 400, 0 },
		{ "content-type=50", 205, 50 }, { "empty", 204, -1 },   { "garbage", 205, -1 },
		{ "truncated", 205, -1 },     { "wrong-tag", 205, -1 }, { "trailing", 205, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets content;

		fault(rows[i].fault);
		(void)coapbed_poll(&bed, &content);
		if (bed.client.code != rows[i].code || bed.client.answer_format != rows[i].format)
			fail_msg("%s: %u, format %d", rows[i].fault, bed.client.code,
				 bed.client.answer_format);
		coapbed_expect_nothing(&bed);
	}
}

static void an_answer_may_not_come_at_all(void **state)
{
	struct octets content;

	(void)state;
	fault("no-answer");
	bed.client.patience_ms = 2500;
	assert_int_equal(coapbed_poll(&bed, &content), -ETIMEDOUT);
	/* Its repetitions are met with silence, too; in a new session all is well. */
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
	fault("reset");
	assert_int_equal(coapbed_poll(&bed, &content), -ECONNRESET);
	assert_true(bed.client.closed);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
}

static void a_message_may_be_rejected_or_only_acknowledged(void **state)
{
	struct octets content;
	unsigned up;

	(void)state;
	fault("rst");
	assert_int_equal(coapbed_poll(&bed, &content), -ECONNRESET);
	assert_false(bed.client.closed);
	coapbed_expect_nothing(&bed);
	/* The client is told that it is heard: it sends nothing again. */
	fault("ack-only");
	up = coapbed_counted(&bed, " datagrams up");
	bed.client.patience_ms = 4000;
	assert_int_equal(coapbed_poll(&bed, &content), -ETIMEDOUT);
	assert_int_equal(coapbed_counted(&bed, " datagrams up"), up + 1);
	coapbed_expect_nothing(&bed);
}

static void single_blocks_may_be_struck(void **state)
{
	(void)state;
	queue_long();
	coapbed_dial_own_blocks(&bed);
	/* Not by what is meant for messages. */
	fault("http=503");
	fault("http=408,on=block");
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(bed.client.code, 408);
	assert_int_equal(send_block(0, true, 1024), 0);
	assert_int_equal(bed.client.code, 231);
	assert_int_equal(send_block(1, false, 100), 0);
	assert_int_equal(bed.client.code, 503);
	fault("truncated,on=block");
	fault("empty,on=block,after=1");
	for (unsigned k = 0; k < 3; k++) {
		static const size_t n[] = { 512, 256, 0 };

		assert_int_equal(poll_in_blocks(k, 5), 0);
		assert_int_equal(bed.client.code, 205);
		assert_int_equal(bed.client.n, n[k]);
	}
	assert_int_equal(poll_in_blocks(3, 5), 0);
	assert_int_equal(bed.client.n, 512);
}

static void an_answer_is_kept_for_as_long_as_it_is_told(void **state)
{
	(void)state;
	habits("keep=1");
	queue_long();
	coapbed_dial_own_blocks(&bed);
	assert_int_equal(poll_in_blocks(0, 5), 0);
	assert_int_equal(poll_in_blocks(1, 5), 0);
	assert_int_equal(bed.client.code, 205);
	assert_int_equal(coap_client_await_close(&bed.client, 1200), -ETIMEDOUT);
	assert_int_equal(poll_in_blocks(2, 5), 0);
	assert_int_equal(bed.client.code, 400);
}

static void a_restart_may_be_polite(void **state)
{
	(void)state;
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "coaps", "restart", "politely"));
	assert_int_equal(coap_client_await_close(&bed.client, 10000), 0);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
	assert_int_not_equal(COAPBED_SIM(&bed, "coaps", "restart", "rudely"), 0);
}

/* The client sends its ClientHello again, after a second. */
static void a_handshake_may_be_lost(void **state)
{
	(void)state;
	fault("tls-reset");
	coapbed_dial(&bed, "device", COAPBED_KEY);
	coapbed_expect_nothing(&bed);
	assert_int_equal(coapbed_counted(&bed, " lost"), 1);
}

static void an_answer_may_end_in_the_middle(void **state)
{
	struct octets content;

	(void)state;
	queue_long();
	fault("close");
	assert_int_equal(coapbed_poll(&bed, &content), -ECONNRESET);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	fault("stall");
	bed.client.patience_ms = 2500;
	assert_int_not_equal(coapbed_poll(&bed, &content), 0);
	coapbed_dial(&bed, "device", COAPBED_KEY);
	assert_int_equal(coapbed_poll(&bed, &content), 0);
	assert_true(content.n > 3000);
}

static void an_eim_that_is_away_is_away_for_both(void **state)
{
	struct octets content;

	(void)state;
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "unreachable"));
	bed.client.patience_ms = 1200;
	assert_int_equal(coapbed_poll(&bed, &content), -ETIMEDOUT);
	coapbed_good(&bed, COAPBED_SIM(&bed, "reachable"));
	/* The session has outlived it: what was sent meanwhile is repeated. */
	bed.client.patience_ms = 20000;
	coapbed_expect_nothing(&bed);
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "enable",
			"89000123456789012342"));
	fault("lost-after-switch=1");
	bed.client.patience_ms = 1200;
	(void)coapbed_poll(&bed, &content);
	bed.client.patience_ms = 20000;
	coapbed_exchange(&bed);
	COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "10", "--json");
	assert_non_null(strstr(bed.said, "\"results\":1"));
	assert_int_equal(bed.card.enabled, 1);
}

/* A result whose acknowledgement is lost comes again, and counts once. */
static void a_lost_acknowledgement_makes_no_second_result(void **state)
{
	(void)state;
	coapbed_good(&bed, COAPBED_SIM(&bed, "queue", COAPBED_EID, "list-profiles"));
	fault("no-answer,on=result");
	bed.client.patience_ms = 1500;
	coapbed_exchange(&bed);
	COAPBED_SIM(&bed, "results", COAPBED_EID, "--wait", "10", "--json");
	assert_non_null(strstr(bed.said, "\"results\":1"));
	assert_int_equal(bed.card.executed, 1);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(blocks_are_joined_by_request_tag),
		TEST(where_nobody_joins_blocks_each_is_a_message),
		TEST(where_the_token_decides_the_last_block_is_all),
		TEST(a_datagram_that_is_too_long_ends_the_session),
		TEST(blocks_have_the_size_that_was_asked_for_or_not),
		TEST(an_answer_comes_with_its_acknowledgement_or_after_it),
		TEST(a_request_that_is_not_confirmable_is_answered),
		TEST(answers_have_the_content_format_they_are_to_have),
		TEST(silence_ends_a_session_as_soon_as_it_is_told),
		TEST(a_server_that_ends_says_so),
		TEST(one_suite_is_enough),
		TEST(another_path_is_another_resource),
		TEST(what_is_no_habit_is_said),
		TEST(faults_of_the_answer_are_those_of_https),
		TEST(an_answer_may_not_come_at_all),
		TEST(a_message_may_be_rejected_or_only_acknowledged),
		TEST(single_blocks_may_be_struck),
		TEST(an_answer_is_kept_for_as_long_as_it_is_told),
		TEST(a_restart_may_be_polite),
		TEST(a_handshake_may_be_lost),
		TEST(an_answer_may_end_in_the_middle),
		TEST(an_eim_that_is_away_is_away_for_both),
		TEST(a_lost_acknowledgement_makes_no_second_result),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
