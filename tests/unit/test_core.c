/* Text, numbers, hex, buffers, logging of octets, causes and small files. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/cause.h"
#include "core/file.h"
#include "core/hex.h"
#include "core/list.h"
#include "core/log.h"
#include "core/text.h"

static void numbers_are_read_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *s;
		unsigned base;
		int r;
		uint32_t v;
	} rows[] = {
		{ "0", 10, 0, 0 }, { "4294967295", 10, 0, UINT32_MAX }, { "4294967296", 10, -ERANGE, 7 },
		{ "", 10, -EINVAL, 7 }, { " 1", 10, -EINVAL, 7 }, { "1 ", 10, -EINVAL, 7 },
		{ "-1", 10, -EINVAL, 7 }, { "0x1", 16, -EINVAL, 7 }, { "fFfF", 16, 0, 0xffff },
		{ "007", 10, 0, 7 }, { "19", 8, -EINVAL, 7 }, { "99999999999999999999999", 10, -ERANGE, 7 },
	};
	int32_t i = 5;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint32_t v = 7;

		assert_int_equal(text_to_u32(text_of(rows[n].s), rows[n].base, &v), rows[n].r);
		assert_int_equal(v, rows[n].v);
	}
	assert_int_equal(text_to_i32(TEXT("-2147483648"), &i), 0);
	assert_int_equal(i, INT32_MIN);
	assert_int_equal(text_to_i32(TEXT("2147483648"), &i), -ERANGE);
	assert_int_equal(text_to_i32(TEXT("-"), &i), -EINVAL);
	assert_int_equal(i, INT32_MIN);
}

static void texts_are_cut_and_compared_within_their_length(void **state)
{
	struct text t = TEXT("a,bb,,c"), empty = { 0 };
	char small[3];

	(void)state;
	assert_true(text_eq(text_cut(&t, ','), "a"));
	assert_true(text_eq(text_cut(&t, ','), "bb"));
	assert_true(text_eq(text_cut(&t, ','), ""));
	assert_true(text_eq(text_cut(&t, ','), "c"));
	assert_int_equal(t.n, 0);
	assert_true(text_eq(empty, ""));
	assert_true(text_eq(text_trim(TEXT(" \t x \r\n")), "x"));
	assert_true(text_eq(text_trim(TEXT(" \r\n")), ""));
	assert_true(text_eq(text_unquote(TEXT("\"x\"")), "x"));
	assert_true(text_eq(text_unquote(TEXT("\"")), "\""));
	assert_true(text_case_starts(TEXT("at+CSQ"), "AT"));
	assert_false(text_starts(text_from("AB", 1), "AB"));
	assert_int_equal(text_copy(TEXT("abc"), small, sizeof(small)), -ENOSPC);
	assert_string_equal(small, "");
	assert_int_equal(text_copy(TEXT("ab"), small, sizeof(small)), 0);
	assert_string_equal(small, "ab");
}

static void octets_are_escaped_and_never_overrun(void **state)
{
	char dst[32];

	(void)state;
	text_escape("AT\r\n\0\\\x80", 7, dst, sizeof(dst));
	assert_string_equal(dst, "AT\\r\\n\\0\\\\\\x80");
	for (size_t cap = 0; cap < sizeof(dst); cap++) {
		memset(dst, 'Z', sizeof(dst));
		text_escape("abc\x01\x02\x03xyz", 9, dst, cap);
		for (size_t i = cap; i < sizeof(dst); i++)
			assert_int_equal(dst[i], 'Z');
		if (cap)
			assert_true(memchr(dst, 0, cap) != NULL);
	}
}

static void hex_goes_both_ways(void **state)
{
	uint8_t octets[4];
	char digits[9];
	size_t n = 77;

	(void)state;
	assert_int_equal(hex_decode(TEXT("00fF7a"), octets, sizeof(octets), &n), 0);
	assert_int_equal(n, 3);
	hex_encode(octets, n, digits, sizeof(digits));
	assert_string_equal(digits, "00FF7A");
	assert_int_equal(hex_decode(TEXT("0"), octets, sizeof(octets), &n), -EINVAL);
	assert_int_equal(hex_decode(TEXT("0g"), octets, sizeof(octets), &n), -EINVAL);
	assert_int_equal(hex_decode(TEXT("0000000000"), octets, sizeof(octets), &n), -ENOSPC);
	assert_int_equal(n, 3);
}

static void a_buffer_takes_all_or_nothing(void **state)
{
	uint8_t store[8];
	struct buf b = BUF_ON(store);

	(void)state;
	assert_int_equal(buf_put(&b, "12345", 5), 0);
	assert_int_equal(buf_put(&b, "6789", 4), -ENOSPC);
	buf_drop(&b, 3);
	assert_int_equal(buf_put(&b, "6789ab", 6), 0);
	assert_memory_equal(buf_data(&b), "456789ab", 8);
	assert_int_equal(buf_room(&b), 0);
	assert_null(buf_reserve(&b, 1));
	buf_drop(&b, 100);
	assert_int_equal(b.len, 0);
}

static void lists_stay_whole_while_they_change(void **state)
{
	struct list_node head, other, n[3];

	(void)state;
	list_init(&head);
	list_init(&other);
	for (int i = 0; i < 3; i++)
		list_add(&head, &n[i]);
	list_del(&n[1]);
	list_del(&n[1]);
	assert_true(head.next == &n[0] && n[0].next == &n[2]);
	list_add_first(&head, &n[1]);
	assert_true(head.next == &n[1]);
	list_move_all(&other, &head);
	assert_true(list_empty(&head));
	assert_true(other.next == &n[1] && other.prev == &n[2]);
}

static void the_first_cause_wins(void **state)
{
	struct cause c = { 0 };
	char text[CAUSE_TEXT_MAX];

	(void)state;
	assert_string_equal(cause_text(&c, text), "no failure");
	cause_set(&c, CAUSE_REFUSED, "module", 10);
	cause_set(&c, CAUSE_TIMEOUT, "card", -1);
	c.step = "imsi";
	assert_string_equal(cause_text(&c, text), "refused by module (10) in imsi");
	for (int i = 0; i < _CAUSE_KIND_MAX; i++)
		assert_non_null(cause_name((enum cause_kind)i));
}

static void identities_are_shortened(void **state)
{
	char out[LOG_ID_MAX];

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	assert_string_equal(log_id(TEXT("89860025128306012474"), out), "898600…2474");
	assert_string_equal(log_id(TEXT("1234"), out), "(4 characters)");
	assert_string_equal(log_id(TEXT(""), out), "-");
}

static void small_files_are_replaced_whole(void **state)
{
	char dir[] = "/tmp/cellmux-test-XXXXXX", path[64], data[16];
	struct stat st;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(file_load(path, data, sizeof(data), &n), -ENOENT);
	assert_int_equal(file_save(path, "one", 3, 0600), 0);
	assert_int_equal(file_save(path, "twotwo", 6, 0600), 0);
	assert_int_equal(file_load(path, data, sizeof(data), &n), 0);
	assert_int_equal(n, 6);
	assert_memory_equal(data, "twotwo", 6);
	assert_int_equal(file_load(path, data, 5, &n), -EFBIG);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_remove(path), 0);
	assert_int_equal(file_remove(path), 0);
	assert_int_equal(file_save("/nonexistent/f", "x", 1, 0600), -ENOENT);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
		cmocka_unit_test(texts_are_cut_and_compared_within_their_length),
		cmocka_unit_test(octets_are_escaped_and_never_overrun),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(a_buffer_takes_all_or_nothing),
		cmocka_unit_test(lists_stay_whole_while_they_change),
		cmocka_unit_test(the_first_cause_wins),
		cmocka_unit_test(identities_are_shortened),
		cmocka_unit_test(small_files_are_replaced_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
