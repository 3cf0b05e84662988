/* Requests and answers in blocks, from the client's side, without a network. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/blockwise.h"

#define ANSWER_MAX 100000

static struct blockwise b;
static uint8_t body[8000], answer[8000];
static const uint8_t tag[COAP_TAG_LEN] = { 1, 2, 3, 0xff };

static const struct blockwise_options usual = { .whole_max = 1000, .anyway_max = 1400, .szx = 6,
						.upload = true, .answer_max = ANSWER_MAX };

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(body); i++) {
		body[i] = (uint8_t)(i * 7);
		answer[i] = (uint8_t)(i * 13);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	blockwise_free(&b);
	return 0;
}

static struct blockwise_message begin(const struct blockwise_options *o, size_t n)
{
	struct blockwise_message m;

	blockwise_start(&b, o, octets_from(body, n), tag);
	blockwise_next(&b, &m);
	return m;
}

static struct blockwise_answer plain(unsigned code, size_t n)
{
	return (struct blockwise_answer){ .code = (uint8_t)code, .format = -1, .payload = { answer, n } };
}

static enum blockwise_verdict judge(struct blockwise_answer a)
{
	struct net_error why = { 0 };
	enum blockwise_verdict v = blockwise_judge(&b, &a, &why);

	assert_int_equal(net_error_is_set(&why), v == BLOCKWISE_FAILED);
	if (v == BLOCKWISE_FAILED)
		assert_int_equal(why.layer, NET_COAP);
	return v;
}

static struct blockwise_answer with_block1(unsigned code, uint32_t num, bool more, unsigned szx)
{
	struct blockwise_answer a = plain(code, 0);

	a.has_block1 = true;
	a.block1 = (struct coap_block){ num, more, szx };
	return a;
}

static struct blockwise_answer with_block2(uint32_t num, bool more, unsigned szx, size_t n)
{
	struct blockwise_answer a = plain(COAP_CODE(2, 5), n);

	a.has_block2 = true;
	a.block2 = (struct coap_block){ num, more, szx };
	a.payload.p = answer + (size_t)num * coap_block_size(szx);
	return a;
}

static void block_options_are_read_and_written(void **state)
{
	static const struct {
		const char *hex;
		uint8_t v[4];
		size_t n;
		struct coap_block b;
	} table[] = {
		{ "first of 16", { 0 }, 0, { 0, false, 0 } },
		{ "first of 1024, more", { 0x0e }, 1, { 0, true, 6 } },
		{ "the fourth, last", { 0x36 }, 1, { 3, false, 6 } },
		{ "number 100", { 0x06, 0x4d }, 2, { 100, true, 5 } },
		{ "the last number", { 0xff, 0xff, 0xfe }, 3, { 0xfffff, true, 6 } },
	};
	struct coap_block got;
	uint8_t out[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(coap_block_decode(octets_from(table[i].v, table[i].n), &got), 0);
		assert_int_equal(got.num, table[i].b.num);
		assert_int_equal(got.more, table[i].b.more);
		assert_int_equal(got.szx, table[i].b.szx);
		assert_int_equal(coap_block_encode(&table[i].b, out), table[i].n);
		assert_memory_equal(out, table[i].v, table[i].n);
	}
	assert_true(coap_block_decode(octets_from("\x07", 1), &got) < 0);
	assert_true(coap_block_decode(octets_from("\x01\x02\x03\x04", 4), &got) < 0);
}

static void what_fits_goes_out_whole(void **state)
{
	struct blockwise_message m = begin(&usual, 1000);

	(void)state;
	assert_false(m.has_block1 || m.has_block2 || m.has_size1 || m.has_tag);
	assert_int_equal(m.payload.n, 1000);
	assert_int_equal(judge(plain(COAP_CODE(2, 4), 5)), BLOCKWISE_DONE);
	assert_int_equal(b.code, COAP_CODE(2, 4));
	assert_int_equal(b.answer_n, 5);
}

static void a_body_goes_block_by_block(void **state)
{
	struct blockwise_message m = begin(&usual, 2500);

	(void)state;
	for (uint32_t num = 0; num < 3; num++) {
		assert_true(m.has_block1 && m.has_tag);
		assert_memory_equal(m.tag, tag, sizeof(tag));
		assert_int_equal(m.block1.num, num);
		assert_int_equal(m.block1.more, num < 2);
		assert_int_equal(m.has_size1, num == 0);
		assert_int_equal(m.payload.n, num < 2 ? 1024 : 452);
		assert_ptr_equal(m.payload.p, body + num * 1024);
		if (num == 2)
			break;
		assert_int_equal(judge(with_block1(COAP_CODE(2, 31), num, true, 6)), BLOCKWISE_SEND);
		blockwise_next(&b, &m);
	}
	assert_int_equal(judge(with_block1(COAP_CODE(2, 4), 2, false, 6)), BLOCKWISE_DONE);
}

static void blocks_get_smaller_when_the_server_wants_it(void **state)
{
	struct blockwise_message m = begin(&usual, 2500);

	(void)state;
	/* In passing: what was sent counts. */
	assert_int_equal(judge(with_block1(COAP_CODE(2, 31), 0, true, 4)), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_int_equal(m.block1.num, 4);
	assert_int_equal(m.block1.szx, 4);
	assert_int_equal(m.payload.n, 256);
	/* Or not: all again. */
	m = begin(&usual, 2500);
	assert_int_equal(judge(with_block1(COAP_CODE(4, 13), 0, false, 5)), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_int_equal(m.block1.num, 0);
	assert_int_equal(m.block1.szx, 5);
	assert_true(memcmp(m.tag, tag, sizeof(tag)) != 0);
	/* A whole one that is too large for it. */
	m = begin(&usual, 900);
	assert_int_equal(judge(with_block1(COAP_CODE(4, 13), 0, false, 3)), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_int_equal(m.payload.n, 128);
	assert_true(m.has_block1 && m.block1.more);
	/* It never gets enough. */
	assert_int_equal(judge(with_block1(COAP_CODE(4, 13), 0, false, 3)), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_false(m.has_block1);
	assert_int_equal(judge(with_block1(COAP_CODE(4, 13), 0, false, 3)), BLOCKWISE_DONE);
	assert_int_equal(b.code, COAP_CODE(4, 13));
}

static void servers_without_blocks_are_found_out(void **state)
{
	static const unsigned codes[] = { COAP_CODE(4, 0), COAP_CODE(4, 2), COAP_CODE(4, 13),
					  COAP_CODE(2, 4), COAP_CODE(2, 5) };
	struct blockwise_message m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		begin(&usual, 1400);
		assert_int_equal(judge(plain(codes[i], 4)), BLOCKWISE_SEND);
		assert_true(b.refuses_blocks);
		blockwise_next(&b, &m);
		assert_false(m.has_block1);
		assert_int_equal(m.payload.n, 1400);
		assert_int_equal(judge(plain(COAP_CODE(2, 5), 4)), BLOCKWISE_DONE);
		blockwise_free(&b);

		begin(&usual, 1401);
		assert_int_equal(judge(plain(codes[i], 4)), BLOCKWISE_FAILED);
		blockwise_free(&b);
	}
	/* Other refusals are about something else. */
	begin(&usual, 1400);
	assert_int_equal(judge(plain(COAP_CODE(4, 4), 0)), BLOCKWISE_DONE);
	assert_false(b.refuses_blocks);
}

static void lost_blocks_mean_one_more_try(void **state)
{
	struct blockwise_message m = begin(&usual, 3000);

	(void)state;
	assert_int_equal(judge(with_block1(COAP_CODE(2, 31), 0, true, 6)), BLOCKWISE_SEND);
	assert_int_equal(judge(plain(COAP_CODE(4, 8), 0)), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_int_equal(m.block1.num, 0);
	/* Another tag: 01 02 03 ff and one. */
	assert_memory_equal(m.tag, "\x01\x02\x04\x00", 4);
	assert_int_equal(judge(plain(COAP_CODE(4, 8), 0)), BLOCKWISE_FAILED);
}

static void wrong_acknowledgements_are_refused(void **state)
{
	(void)state;
	begin(&usual, 3000);
	assert_int_equal(judge(with_block1(COAP_CODE(2, 31), 1, true, 6)), BLOCKWISE_FAILED);
	begin(&usual, 500);
	assert_int_equal(judge(plain(COAP_CODE(2, 31), 0)), BLOCKWISE_FAILED);
}

static void an_answer_is_put_together(void **state)
{
	struct blockwise_message m = begin(&usual, 21);
	struct blockwise_answer a = with_block2(0, true, 6, 1024);
	uint8_t *p;
	size_t n;

	(void)state;
	a.has_size2 = true;
	a.size2 = 2500;
	a.etag = octets_from("v1", 2);
	assert_int_equal(judge(a), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_true(m.has_block2);
	assert_false(m.has_block1 || m.has_tag);
	assert_int_equal(m.payload.n, 0);
	assert_int_equal(m.block2.num, 1);
	/* It goes on in smaller ones. */
	a = with_block2(2, true, 5, 512);
	a.etag = octets_from("v1", 2);
	assert_int_equal(judge(a), BLOCKWISE_SEND);
	blockwise_next(&b, &m);
	assert_int_equal(m.block2.num, 3);
	assert_int_equal(m.block2.szx, 5);
	a = with_block2(3, true, 5, 512);
	a.etag = octets_from("v1", 2);
	assert_int_equal(judge(a), BLOCKWISE_SEND);
	a = with_block2(4, false, 5, 452);
	a.etag = octets_from("v1", 2);
	assert_int_equal(judge(a), BLOCKWISE_DONE);
	p = blockwise_take(&b, &n);
	assert_int_equal(n, 2500);
	assert_memory_equal(p, answer, n);
	free(p);
}

static void answers_that_do_not_go_on_are_asked_for_once_more(void **state)
{
	struct blockwise_answer wrong[5];
	struct blockwise_message m;

	(void)state;
	wrong[0] = with_block2(0, true, 6, 1024);       /* the beginning again */
	wrong[1] = with_block2(2, true, 6, 1024);       /* one left out */
	wrong[2] = plain(COAP_CODE(2, 5), 4);           /* something else */
	wrong[3] = plain(COAP_CODE(4, 0), 4);           /* forgotten */
	wrong[4] = with_block2(1, true, 6, 1024);       /* another edition */
	wrong[4].etag = octets_from("v2", 2);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin(&usual, 21);
		assert_int_equal(judge(with_block2(0, true, 6, 1024)), BLOCKWISE_SEND);
		assert_int_equal(judge(wrong[i]), BLOCKWISE_SEND);
		blockwise_next(&b, &m);
		assert_false(m.has_block2);
		assert_int_equal(m.payload.n, 21);
		assert_int_equal(b.answer_n, 0);
		assert_int_equal(judge(with_block2(0, true, 6, 1024)), BLOCKWISE_SEND);
		assert_int_equal(judge(wrong[i]), BLOCKWISE_FAILED);
		blockwise_free(&b);
	}
}

static void impossible_answers_are_refused(void **state)
{
	struct blockwise_options small = usual;
	struct blockwise_answer a;

	(void)state;
	begin(&usual, 21);
	assert_int_equal(judge(with_block2(1, false, 6, 10)), BLOCKWISE_FAILED);
	begin(&usual, 21);
	assert_int_equal(judge(with_block2(0, true, 6, 1023)), BLOCKWISE_FAILED);
	begin(&usual, 21);
	a = with_block2(0, true, 6, 1024);
	a.has_size2 = true;
	a.size2 = ANSWER_MAX + 1;
	assert_int_equal(judge(a), BLOCKWISE_FAILED);
	small.answer_max = 1500;
	begin(&small, 21);
	assert_int_equal(judge(with_block2(0, true, 6, 1024)), BLOCKWISE_SEND);
	assert_int_equal(judge(with_block2(1, true, 6, 1024)), BLOCKWISE_FAILED);
	blockwise_free(&b);
	begin(&small, 21);
	assert_int_equal(judge(plain(COAP_CODE(2, 5), 1501)), BLOCKWISE_FAILED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(block_options_are_read_and_written),
		T(what_fits_goes_out_whole),
		T(a_body_goes_block_by_block),
		T(blocks_get_smaller_when_the_server_wants_it),
		T(servers_without_blocks_are_found_out),
		T(lost_blocks_mean_one_more_try),
		T(wrong_acknowledgements_are_refused),
		T(an_answer_is_put_together),
		T(answers_that_do_not_go_on_are_asked_for_once_more),
		T(impossible_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
