/* TLV and base64: tables of right and wrong forms, and what was written read back. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>

#include "codec/base64.h"
#include "codec/tlv.h"
#include "core/hex.h"
#include "core/util.h"

static struct octets from_hex(const char *digits)
{
	static uint8_t store[512];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), store, sizeof(store), &n), 0);
	return octets_from(store, n);
}

/* Walks everything, entering constructed elements: what a decoder does with lying input. */
static void walk(struct tlv *w, unsigned depth)
{
	while (tlv_more(w)) {
		uint32_t tag = tlv_peek(w);
		uint32_t first = tag > 0xffff ? tag >> 16 : tag > 0xff ? tag >> 8 : tag;

		if (first & 0x20 && depth < 16) {
			struct tlv inner = tlv_enter(w, tag);

			walk(&inner, depth + 1);
		} else {
			tlv_skip(w);
		}
	}
}

static void faults_have_a_name_and_a_place(void **state)
{
	static const struct {
		const char *hex;
		enum tlv_fault fault;
		size_t at;
	} rows[] = {
		{ "", TLV_OK, 0 },
		{ "8000", TLV_OK, 0 },
		{ "BF2200", TLV_OK, 0 },
		{ "80", TLV_TRUNCATED, 0 },
		{ "8001", TLV_TRUNCATED, 0 },
		{ "BF", TLV_TRUNCATED, 0 },
		{ "BF2D03800101", TLV_OK, 0 },
		{ "BF2D03800201", TLV_TRUNCATED, 3 },
		{ "8080", TLV_BAD_LENGTH, 0 },                  /* indefinite */
		{ "80850000000001AA", TLV_BAD_LENGTH, 0 },      /* five octets of length */
		{ "808400000001AA", TLV_OK, 0 },                /* long, but allowed */
		{ "80FF", TLV_BAD_LENGTH, 0 },
		{ "8084FFFFFFFF", TLV_TRUNCATED, 0 },
		{ "BF808000", TLV_BAD_TAG, 0 },                 /* padded tag */
		{ "BF81818100", TLV_BAD_TAG, 0 },               /* four octets */
		{ "DF8F0100", TLV_OK, 0 },
		{ "300330018001", TLV_TRUNCATED, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tlv_doc doc;
		struct tlv w = tlv_open(&doc, from_hex(rows[i].hex));

		print_message("%s\n", rows[i].hex);
		walk(&w, 0);
		assert_int_equal(doc.fault, rows[i].fault);
		if (rows[i].fault != TLV_OK)
			assert_int_equal(doc.fault_at, rows[i].at);
		assert_non_null(tlv_fault_name(doc.fault));
	}
}

static void the_first_fault_is_kept_and_empties_the_window(void **state)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, from_hex("300780010181020102"));
	struct tlv seq = tlv_enter(&w, 0x30);

	(void)state;
	assert_int_equal(tlv_take_u32(&seq, 0x80), 1);
	tlv_take(&seq, 0x85);
	assert_int_equal(doc.fault, TLV_UNEXPECTED);
	assert_int_equal(doc.fault_tag, 0x85);
	assert_int_equal(doc.fault_at, 5);
	assert_false(tlv_more(&seq));
	assert_false(tlv_more(&w));
	tlv_end(&w);
	assert_int_equal(doc.fault, TLV_UNEXPECTED);
}

static void optional_elements_may_be_missing(void **state)
{
	struct tlv_doc doc;
	struct tlv w;

	(void)state;
	w = tlv_open(&doc, from_hex("80010A820100"));
	assert_int_equal(tlv_maybe_u32(&w, 0x80, 5), 10);
	assert_int_equal(tlv_maybe_u32(&w, 0x81, 5), 5);
	assert_null(tlv_maybe(&w, 0x83).p);
	assert_non_null(tlv_maybe(&w, 0x82).p);
	tlv_end(&w);
	assert_int_equal(doc.fault, TLV_OK);
}

static void integers_are_minimal_and_come_back(void **state)
{
	static const struct {
		uint32_t v;
		const char *hex;
	} rows[] = {
		{ 0, "800100" }, { 127, "80017F" }, { 128, "80020080" }, { 255, "800200FF" },
		{ 256, "80020100" }, { 32768, "8003008000" }, { 0x7fffffff, "80047FFFFFFF" },
		{ 0x80000000, "80050080000000" }, { UINT32_MAX, "800500FFFFFFFF" },
	};
	static const struct {
		int32_t v;
		const char *hex;
	} signs[] = {
		{ -1, "8001FF" }, { -128, "800180" }, { -129, "8002FF7F" }, { INT32_MIN, "800480000000" },
		{ 128, "80020080" },
	};
	uint8_t buf[16];
	char hex[33];
	size_t n;
	uint32_t u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tlv_out o = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_doc doc;
		struct tlv w;

		tlv_put_u32(&o, 0x80, rows[i].v);
		assert_int_equal(tlv_done(&o, &n), 0);
		hex_encode(buf, n, hex, sizeof(hex));
		assert_string_equal(hex, rows[i].hex);
		w = tlv_open(&doc, octets_from(buf, n));
		assert_int_equal(tlv_take_u32(&w, 0x80), rows[i].v);
		assert_int_equal(doc.fault, TLV_OK);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		struct tlv_out o = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_doc doc;
		struct tlv w;

		tlv_put_i32(&o, 0x80, signs[i].v);
		assert_int_equal(tlv_done(&o, &n), 0);
		hex_encode(buf, n, hex, sizeof(hex));
		assert_string_equal(hex, signs[i].hex);
		w = tlv_open(&doc, octets_from(buf, n));
		assert_int_equal(tlv_take_i32(&w, 0x80), signs[i].v);
	}
	assert_int_equal(octets_to_u32(from_hex("80"), &u), -EINVAL);           /* negative */
	assert_int_equal(octets_to_u32(from_hex("0100000000"), &u), -EINVAL);   /* too large */
	assert_int_equal(octets_to_u32(from_hex(""), &u), -EINVAL);
}

static void lengths_take_the_form_they_need(void **state)
{
	static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 65535, 65536 };
	static uint8_t value[65536], buf[65600];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct tlv_out o = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_mark outer = tlv_begin(&o, 0xBF36), inner = tlv_begin(&o, 0xA1);
		struct tlv_doc doc;
		struct tlv w;
		size_t n;

		tlv_put(&o, 0x86, value, sizes[i]);
		tlv_close(&o, inner);
		tlv_close(&o, outer);
		assert_int_equal(tlv_done(&o, &n), 0);
		w = tlv_open(&doc, octets_from(buf, n));
		w = tlv_enter(&w, 0xBF36);
		w = tlv_enter(&w, 0xA1);
		assert_int_equal(tlv_take(&w, 0x86).n, sizes[i]);
		tlv_end(&w);
		assert_int_equal(doc.fault, TLV_OK);
	}
}

static void a_writer_never_overruns(void **state)
{
	uint8_t whole[64], buf[64];
	size_t need = 0, n;

	(void)state;
	for (size_t cap = 0; cap <= sizeof(buf); cap++) {
		struct tlv_out o = { .buf = buf, .cap = cap };
		struct tlv_mark m;
		int r;

		memset(buf, 0xEE, sizeof(buf));
		m = tlv_begin(&o, 0xBF30);
		tlv_put_u32(&o, 0x80, 300);
		tlv_put_text(&o, 0x0C, "twelve octet");
		tlv_put_bool(&o, 0x81, true);
		tlv_put_raw(&o, "\x82\x00", 2);
		tlv_close(&o, m);
		r = tlv_done(&o, &n);
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xEE);
		if (r < 0) {
			assert_int_equal(r, -EMSGSIZE);
			assert_int_equal(need, 0);
		} else if (!need) {
			need = n;
			memcpy(whole, buf, n);
			assert_int_equal(cap, n);
		} else {
			assert_int_equal(n, need);
			assert_memory_equal(buf, whole, n);
		}
	}
	assert_int_equal(need, 3 + 4 + 14 + 3 + 2);
}

static void heads_of_a_stream_are_read_as_they_arrive(void **state)
{
	struct octets o = from_hex("BF36820400A0");
	size_t head, value;
	uint32_t tag;

	(void)state;
	for (size_t n = 0; n < 5; n++)
		assert_int_equal(tlv_head(o.p, n, &tag, &head, &value), -EAGAIN);
	assert_int_equal(tlv_head(o.p, 5, &tag, &head, &value), 0);
	assert_int_equal(tag, 0xBF36);
	assert_int_equal(head, 5);
	assert_int_equal(value, 1024);
	assert_int_equal(tlv_head((const uint8_t *)"\x80\x80", 2, &tag, &head, &value), -EBADMSG);
}

static void base64_of_the_rfc(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const rows[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char out[16];
		uint8_t back[16];
		size_t n;

		assert_int_equal(base64_encode(rows[i][0], strlen(rows[i][0]), out,
					       BASE64_LEN(strlen(rows[i][0])) + 1), 0);
		assert_string_equal(out, rows[i][1]);
		assert_int_equal(base64_decode(text_of(out), back, strlen(rows[i][0]), &n), 0);
		assert_int_equal(n, strlen(rows[i][0]));
		assert_memory_equal(back, rows[i][0], n);
	}
}

static void base64_refuses_what_would_lose_bits(void **state)
{
	static const struct {
		const char *s;
		int r;
	} rows[] = {
		{ "Zm9v\r\nYmFy", 0 }, { "Zg", 0 }, { "Zg=", -EINVAL }, { "Zg===", -EINVAL },
		{ "Z", -EINVAL }, { "Zh==", -EINVAL }, { "Zm9=", -EINVAL }, { "Zm 9v", -EINVAL },
		{ "Zg==Zg==", -EINVAL }, { "Zm-_", -EINVAL }, { "=", -EINVAL }, { "Zm9vYmFyZm9v", -ENOSPC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t out[8];
		size_t n;

		print_message("%s\n", rows[i].s);
		assert_int_equal(base64_decode(text_of(rows[i].s), out, 6, &n), rows[i].r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_have_a_name_and_a_place),
		cmocka_unit_test(the_first_fault_is_kept_and_empties_the_window),
		cmocka_unit_test(optional_elements_may_be_missing),
		cmocka_unit_test(integers_are_minimal_and_come_back),
		cmocka_unit_test(lengths_take_the_form_they_need),
		cmocka_unit_test(a_writer_never_overruns),
		cmocka_unit_test(heads_of_a_stream_are_read_as_they_arrive),
		cmocka_unit_test(base64_of_the_rfc),
		cmocka_unit_test(base64_refuses_what_would_lose_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
