/* CoAP blocks by themselves: options, requests in pieces of any order, answers of any size. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/block.h"
#include "support/examples.h"

static void options_are_read_and_written(void **state)
{
	static const struct {
		const char *hex;
		uint32_t num;
		bool more;
		unsigned szx;
		int r;
	} rows[] = {
		{ "", 0, false, 0, 0 },		    { "0E", 0, true, 6, 0 },
		{ "16", 1, false, 6, 0 },	    { "00C9", 12, true, 1, 0 },
		{ "FFFFFE", 1048575, true, 6, 0 },  { "07", 0, false, 0, -EBADMSG },
		{ "00000006", 0, false, 0, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_block b = { .num = 99 };

		assert_int_equal(se_block_parse(octets_of_hex(rows[i].hex), &b), rows[i].r);
		if (rows[i].r)
			continue;
		assert_int_equal(b.num, rows[i].num);
		assert_int_equal(b.more, rows[i].more);
		assert_int_equal(b.szx, rows[i].szx);
		assert_int_equal(se_block_size(&b), 16u << rows[i].szx);
		assert_int_equal(se_block_value(&b),
				rows[i].num << 4 | rows[i].more << 3 | rows[i].szx);
	}
}

/* 16 octets to a block, each of them the block's number. */
static enum se_upload_step add(struct se_upload *u, unsigned num, bool more, size_t n, const char *key)
{
	struct se_block b = { .num = num, .more = more };
	uint8_t data[64];

	memset(data, (int)num, sizeof(data));
	return se_upload_add(u, &b, octets_from(key, strlen(key)), octets_from(data, n), 100);
}

static void a_request_is_put_together(void **state)
{
	struct se_upload u = { .body = NULL };

	(void)state;
	assert_int_equal(add(&u, 0, true, 16, "a"), SE_UPLOAD_MORE);
	assert_int_equal(add(&u, 1, true, 16, "a"), SE_UPLOAD_MORE);
	/* Once more by another message: nothing changes. */
	assert_int_equal(add(&u, 1, true, 16, "a"), SE_UPLOAD_MORE);
	assert_int_equal(add(&u, 2, false, 5, "a"), SE_UPLOAD_WHOLE);
	assert_int_equal(u.n, 37);
	for (size_t i = 0; i < u.n; i++)
		assert_int_equal(u.body[i], i / 16);
	/* It is over: what follows is of nothing. */
	assert_int_equal(add(&u, 2, false, 5, "a"), SE_UPLOAD_GAP);
	/* One block is a whole as well. */
	assert_int_equal(add(&u, 0, false, 3, "b"), SE_UPLOAD_WHOLE);
	assert_int_equal(u.n, 3);
	se_upload_done(&u);
}

static void what_does_not_fit_is_named(void **state)
{
	struct se_upload u = { .body = NULL };

	(void)state;
	assert_int_equal(add(&u, 1, true, 16, "a"), SE_UPLOAD_GAP);
	assert_int_equal(add(&u, 0, true, 16, "a"), SE_UPLOAD_MORE);
	assert_int_equal(add(&u, 2, false, 1, "a"), SE_UPLOAD_GAP);
	/* Another body in the middle. */
	assert_int_equal(add(&u, 1, false, 1, "b"), SE_UPLOAD_GAP);
	assert_int_equal(add(&u, 1, false, 1, ""), SE_UPLOAD_GAP);
	/* Not full, or fuller than full. */
	assert_int_equal(add(&u, 1, true, 15, "a"), SE_UPLOAD_BAD);
	assert_int_equal(add(&u, 1, false, 17, "a"), SE_UPLOAD_BAD);
	/* Six are 96 octets; the seventh is too much, and the end of it. */
	for (unsigned i = 1; i < 6; i++)
		assert_int_equal(add(&u, i, true, 16, "a"), SE_UPLOAD_MORE);
	assert_int_equal(add(&u, 6, true, 16, "a"), SE_UPLOAD_LONG);
	assert_int_equal(add(&u, 6, false, 4, "a"), SE_UPLOAD_GAP);
	/* A new one begins at any time. */
	assert_int_equal(add(&u, 0, true, 16, "c"), SE_UPLOAD_MORE);
	assert_int_equal(add(&u, 1, false, 0, "c"), SE_UPLOAD_WHOLE);
	assert_int_equal(u.n, 16);
	se_upload_done(&u);
	assert_null(u.body);
}

static void an_answer_is_cut_into_what_is_asked_for(void **state)
{
	uint8_t body[2500];
	struct se_body d = { .body = body, .n = sizeof(body),
			     .head = { .code = 205, .has_etag = true, .has_format = true,
				       .format = 42 } };
	struct se_coap_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	for (uint8_t szx = 0; szx <= SE_BLOCK_SZX_MAX; szx++) {
		size_t at = 0;

		for (struct se_block b = { .szx = szx };; b.num++) {
			assert_true(se_body_block(&d, &b, false, &r));
			assert_int_equal(r.code, 205);
			assert_true(r.has_etag && r.has_format && r.has_block2 && r.has_size2);
			assert_int_equal(r.size2, sizeof(body));
			assert_int_equal(r.block2.num, b.num);
			assert_int_equal(r.block2.szx, szx);
			assert_memory_equal(r.data, body + at, r.n);
			at += r.n;
			assert_int_equal(r.block2.more, at < sizeof(body));
			if (!r.block2.more)
				break;
		}
		assert_int_equal(at, sizeof(body));
		assert_false(se_body_block(&d, &(struct se_block){ .num = 0xfffff, .szx = szx },
				true, &r));
	}
}

static void a_short_answer_has_blocks_only_if_asked(void **state)
{
	uint8_t body[] = "short";
	struct se_body d = { .body = body, .n = 5, .head = { .code = 205, .has_etag = true } };
	struct se_block b = { .szx = 6 };
	struct se_coap_reply r;

	(void)state;
	assert_true(se_body_block(&d, &b, false, &r));
	assert_false(r.has_block2 || r.has_etag || r.has_size2);
	assert_int_equal(r.n, 5);
	assert_true(se_body_block(&d, &b, true, &r));
	assert_true(r.has_block2 && !r.block2.more);
	/* Nothing at all is an answer, too. */
	d.n = 0;
	assert_true(se_body_block(&d, &b, false, &r));
	assert_int_equal(r.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read_and_written),
		cmocka_unit_test(a_request_is_put_together),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(an_answer_is_cut_into_what_is_asked_for),
		cmocka_unit_test(a_short_answer_has_blocks_only_if_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
