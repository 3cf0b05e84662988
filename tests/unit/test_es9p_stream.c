/* A package that is read while its answer comes in: any piece at a time, it is the one that was sent. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "core/util.h"
#include "esipa/es9p.h"

#define PACKAGE 3000

static uint8_t package[PACKAGE], got[PACKAGE + 16];

static void make_package(void)
{
	package[0] = 0xbf;
	package[1] = 0x36;
	package[2] = 0x82;
	package[3] = (PACKAGE - 5) >> 8;
	package[4] = (PACKAGE - 5) & 255;
	for (size_t i = 5; i < PACKAGE; i++)
		package[i] = (uint8_t)(i * 167);
}

/* The answer, its package with '/' written as the server likes it. */
static char *answer(const char *before, const char *after, const char *slash, const char *every64)
{
	static char digits[BASE64_LEN(PACKAGE) + 1];
	char *out = malloc(sizeof(digits) * 6 + 512), *at = out;

	assert_non_null(out);
	assert_int_equal(base64_encode(package, PACKAGE, digits, sizeof(digits)), 0);
	at += sprintf(at, "%s", before);
	for (size_t i = 0; digits[i]; i++) {
		if (digits[i] == '/')
			at += sprintf(at, "%s", slash);
		else
			*at++ = digits[i];
		if (i % 64 == 63)
			at += sprintf(at, "%s", every64);
	}
	sprintf(at, "%s", after);
	return out;
}

/* What is read of body when it comes in pieces of n octets, in memory of just that size. */
static size_t read_in_pieces(const char *body, size_t n, size_t *ret_found_at)
{
	size_t all = strlen(body), read = 0;
	struct es9p_reader r = { 0 };
	bool found = false;

	*ret_found_at = 0;
	for (size_t have = 0; have < all;) {
		_cleanup_(freep) uint8_t *copy = NULL;
		struct octets so_far;

		have = MIN(have + n, all);
		copy = malloc(have);
		memcpy(copy, body, have);
		so_far = octets_from(copy, have);
		if (!found && es9p_bpp_find(so_far, &r) == 0) {
			found = true;
			*ret_found_at = have;
		}
		while (found) {
			size_t more = es9p_bpp_read(&r, so_far, got + read, MIN(sizeof(got) - read, 50u));

			read += more;
			if (!more)
				break;
		}
	}
	return found && r.ended && !r.broken ? read : 0;
}

static void any_piece_at_a_time_it_is_the_package(void **state)
{
	static const struct {
		const char *legend, *before, *after, *slash, *every64;
	} rows[] = {
		{ "header first", "{\"header\":{\"functionExecutionStatus\":{\"status\":\"Executed-Success\"}},"
		  "\"transactionId\":\"AB\",\"boundProfilePackage\":\"", "\"}", "/", "" },
		{ "header last", "{\"boundProfilePackage\" : \"", "\",\"header\":{}}", "/", "" },
		{ "escaped slashes", "{\"boundProfilePackage\":\"", "\"}", "\\/", "" },
		{ "escaped by number", "{\"boundProfilePackage\":\"", "\"}", "\\u002f", "" },
		{ "lines", "{\"a\":[{\"boundProfilePackage\":\"x\"}],\"boundProfilePackage\":\"", "\"}", "/",
		  "\\r\\n" },
		{ "a name with an escape", "{\"bound\\u0050rofilePackage\":\"", "\"}", "/", " " },
	};

	(void)state;
	make_package();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(freep) char *body = answer(rows[i].before, rows[i].after, rows[i].slash,
						     rows[i].every64);

		for (size_t n = 1; n < 2000; n = n * 3 + 1) {
			size_t found_at;

			if (read_in_pieces(body, n, &found_at) != PACKAGE || memcmp(got, package, PACKAGE) != 0)
				fail_msg("%s, %zu octets at a time: another package", rows[i].legend, n);
			/* Not only when all of it is there. */
			assert_true(found_at <= strlen(rows[i].before) + n);
		}
	}
}

static void what_is_none_is_not_found_or_broken(void **state)
{
	static const struct {
		const char *body;
		int find;
	} rows[] = {
		{ "", -EAGAIN }, { "{", -EAGAIN }, { "{\"boundProfilePackage\"", -EAGAIN },
		{ "{\"boundProfilePackage\":", -EAGAIN }, { "{\"boundProfilePackage\":null", -EBADMSG },
		{ "{\"boundProfilePackage\":{\"", -EBADMSG }, { "{}", -EBADMSG }, { "[", -EBADMSG },
		{ "<html>", -EBADMSG }, { "{\"header\":{\"status\":\"", -EAGAIN },
		{ "{\"header\":{},\"transactionId\":\"00\"}", -EBADMSG },
		{ "{\"boundProfilePackage\":\"", 0 },
	};
	struct es9p_reader r;
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (es9p_bpp_find(octets_from(rows[i].body, strlen(rows[i].body)), &r) != rows[i].find)
			fail_msg("%s", rows[i].body);
	r = (struct es9p_reader){ 0 };
	assert_int_equal(es9p_bpp_read(&r, octets_from("QUJD*", 5), out, sizeof(out)), 3);
	assert_true(r.broken);
	r = (struct es9p_reader){ 0 };
	assert_int_equal(es9p_bpp_read(&r, octets_from("QUJD\\u00", 8), out, sizeof(out)), 3);
	assert_false(r.broken || r.ended);
	r = (struct es9p_reader){ 0 };
	assert_int_equal(es9p_bpp_read(&r, octets_from("QUJD\\x", 6), out, sizeof(out)), 3);
	assert_true(r.broken);
}

/* A megabyte of something else before it is not looked through again and again. */
static void it_is_looked_for_at_the_beginning_only(void **state)
{
	_cleanup_(freep) char *body = malloc(10000);
	struct es9p_reader r;
	int n = sprintf(body, "{\"x\":\"");

	(void)state;
	memset(body + n, 'a', 9000);
	assert_int_equal(es9p_bpp_find(octets_from(body, 1000), &r), -EAGAIN);
	assert_int_equal(es9p_bpp_find(octets_from(body, 9000), &r), -EBADMSG);
}

static void the_eims_answer_is_looked_into_as_well(void **state)
{
	static const uint8_t with_id[] = { 0xbf, 0x3a, 0x82, 0x10, 0x00, 0xa0, 0x82, 0x0f, 0xfc, 0x80, 0x02,
					   1, 2, 0xbf, 0x36, 0x82, 0x0f, 0x00, 0x23 };
	static const uint8_t without[] = { 0xbf, 0x3a, 0x82, 0x10, 0x00, 0xa0, 0x82, 0x0f, 0xfc, 0xbf, 0x36,
					   0x82, 0x0f, 0x00 };
	static const uint8_t error[] = { 0xbf, 0x3a, 0x03, 0x81, 0x01, 0x32 };
	size_t at = 0;

	(void)state;
	for (size_t n = 0; n < 18; n++)
		assert_int_equal(esipa_get_bpp_find(octets_from(with_id, n), &at), -EAGAIN);
	assert_int_equal(esipa_get_bpp_find(octets_from(with_id, 18), &at), 0);
	assert_int_equal(at, 13);
	assert_int_equal(esipa_get_bpp_find(octets_from(without, sizeof(without)), &at), 0);
	assert_int_equal(at, 9);
	assert_int_equal(esipa_get_bpp_find(octets_from(error, sizeof(error)), &at), -EBADMSG);
	assert_int_equal(esipa_get_bpp_find(octets_from("\xbf\x3b\x00", 3), &at), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_piece_at_a_time_it_is_the_package),
		cmocka_unit_test(what_is_none_is_not_found_or_broken),
		cmocka_unit_test(it_is_looked_for_at_the_beginning_only),
		cmocka_unit_test(the_eims_answer_is_looked_into_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
