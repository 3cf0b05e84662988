/* eUICC Packages and Bound Profile Packages: what an IPA sees of them, and how the latter are cut. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/util.h"
#include "euicc/bpp.h"
#include "euicc/package.h"
#include "support/examples.h"

static void request(void **state)
{
	struct package_request v;
	struct package_command c;
	struct octets ops;

	(void)state;
	assert_int_equal(package_request_decode(example("EuiccPackageRequest 1"), &v), 0);
	assert_true(text_eq(octets_text(v.eim_id), "eim1"));
	assert_true(octets_same(v.eid, example("EID")));
	assert_int_equal(v.counter, 7);
	assert_true(octets_same(v.transaction_id, example("eimTransactionId")));
	assert_false(v.eco);
	assert_true(v.switches);
	assert_true(v.rollback);
	assert_memory_equal(v.signed_part.p, example("Bytes the eIM signs (euiccPackageSigned, then the "
						     "token DO 840100)").p, v.signed_part.n);
	ops = v.ops;
	assert_true(package_request_next(&v, &ops, &c));
	assert_int_equal(c.op, PACKAGE_ENABLE);
	assert_true(c.rollback);
	assert_true(octets_same(c.iccid, example("ICCID of profile B")));
	assert_true(package_request_next(&v, &ops, &c));
	assert_int_equal(c.op, PACKAGE_LIST_PROFILES);
	assert_false(package_request_next(&v, &ops, &c));

	assert_int_equal(package_request_decode(example("EuiccPackageRequest 2: counter 8, addEim; the "
		"signing eIM has token 5, so the signature covers the 30 TLV followed by 840105"), &v), 0);
	assert_true(v.eco);
	assert_int_equal(v.counter, 8);
	assert_false(v.switches);
	ops = v.ops;
	assert_true(package_request_next(&v, &ops, &c));
	assert_int_equal(c.op, PACKAGE_ADD_EIM);
	assert_true(text_eq(octets_text(c.eim_id), "eim2"));
}

/* Each operation of chapter 15.4 by itself. */
static void every_command(void **state)
{
	static const struct {
		const char *title;
		enum package_op op;
		bool eco, rollback;
	} rows[] = {
		{ "enable", PACKAGE_ENABLE, false, false },
		{ "enable + rollbackFlag", PACKAGE_ENABLE, false, true },
		{ "disable", PACKAGE_DISABLE, false, false },
		{ "delete", PACKAGE_DELETE, false, false },
		{ "listProfileInfo (default tags)", PACKAGE_LIST_PROFILES, false, false },
		{ "listProfileInfo by ICCID", PACKAGE_LIST_PROFILES, false, false },
		{ "getRAT", PACKAGE_GET_RAT, false, false },
		{ "configureImmediateEnable on, OID 1.2.3, address", PACKAGE_CONFIGURE_IMMEDIATE,
		  false, false },
		{ "configureImmediateEnable off", PACKAGE_CONFIGURE_IMMEDIATE, false, false },
		{ "setFallbackAttribute", PACKAGE_SET_FALLBACK, false, false },
		{ "unsetFallbackAttribute", PACKAGE_UNSET_FALLBACK, false, false },
		{ "setDefaultDpAddress", PACKAGE_SET_DEFAULT_DP, false, false },
		{ "addEim", PACKAGE_ADD_EIM, true, false },
		{ "deleteEim", PACKAGE_DELETE_EIM, true, false },
		{ "updateEim (FQDN only)", PACKAGE_UPDATE_EIM, true, false },
		{ "listEim", PACKAGE_LIST_EIM, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct package_request q = { .eco = rows[i].eco };
		struct octets ops = example(rows[i].title);
		struct package_command c;

		print_message("%s\n", rows[i].title);
		assert_true(package_request_next(&q, &ops, &c));
		assert_int_equal(c.op, rows[i].op);
		assert_int_equal(c.rollback, rows[i].rollback);
		assert_int_equal(ops.n, 0);
		assert_string_not_equal(package_op_name(c.op), "unknown");
	}
}

static void every_result(void **state)
{
	static const struct {
		const char *title;
		enum package_op op;
		int code;
		const char *name;
	} rows[] = {
		{ "enableResult ok", PACKAGE_ENABLE, 0, "ok" },
		{ "enableResult rollbackNotAvailable", PACKAGE_ENABLE, 20, "rollbackNotAvailable" },
		{ "deleteResult returnFallbackProfile", PACKAGE_DELETE, 21, "returnFallbackProfile" },
		{ "getRATResult (one rule)", PACKAGE_GET_RAT, -1, "unknown" },
		{ "configureImmediateEnableResult ok", PACKAGE_CONFIGURE_IMMEDIATE, 0, "ok" },
		{ "addEimResult with token", PACKAGE_ADD_EIM, 0, "ok" },
		{ "addEimResult code", PACKAGE_ADD_EIM, 2, "associatedEimAlreadyExists" },
		{ "addEimResult counterValueOutOfRange", PACKAGE_ADD_EIM, 6,
		  "counterValueOutOfRange" },
		{ "deleteEimResult lastEimDeleted", PACKAGE_DELETE_EIM, 2, "lastEimDeleted" },
		{ "updateEimResult ok", PACKAGE_UPDATE_EIM, 0, "ok" },
		{ "listEimResult", PACKAGE_LIST_EIM, -1, "unknown" },
		{ "v1.0 | listEim result with types (84)", PACKAGE_LIST_EIM, -1, "unknown" },
		{ "listEimResult error", PACKAGE_LIST_EIM, 127, "undefinedError" },
		{ "rollbackResult ok", PACKAGE_ROLLBACK, 0, "ok" },
		{ "setFallbackAttributeResult", PACKAGE_SET_FALLBACK, 2, "fallbackNotAllowed" },
		{ "unsetFallbackAttributeResult", PACKAGE_UNSET_FALLBACK, 2, "noFallbackAttribute" },
		{ "processingTerminated", PACKAGE_TERMINATED, 2, "unknownOrDamagedCommand" },
		{ "setDefaultDpAddressResult", PACKAGE_SET_DEFAULT_DP, 0, "ok" },
		{ "disableResult profileNotInEnabledState", PACKAGE_DISABLE, 2,
		  "profileNotInEnabledState" },
		{ "listProfileInfoResult profileChangeOngoing", PACKAGE_LIST_PROFILES, 11,
		  "profileChangeOngoing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets results = example(rows[i].title);
		struct package_outcome o;

		print_message("%s\n", rows[i].title);
		assert_true(package_result_next(&results, &o));
		assert_int_equal(o.op, rows[i].op);
		assert_int_equal(o.code, rows[i].code);
		assert_string_equal(package_code_name(o.op, o.code), rows[i].name);
	}
}

static void results(void **state)
{
	struct package_result v;

	(void)state;
	assert_int_equal(package_result_decode(example("EuiccPackageResult 1: enable ok, list"), &v), 0);
	assert_int_equal(v.end, PACKAGE_EXECUTED);
	assert_int_equal(v.seq, 21);
	assert_int_equal(v.counter, 7);
	assert_true(v.switched);
	assert_true(v.complete);

	assert_int_equal(package_result_decode(example("Replay of the same package: replayError, signed"),
					       &v), 0);
	assert_int_equal(v.end, PACKAGE_REFUSED);
	assert_string_equal(package_code_name(PACKAGE_UNKNOWN, v.code), "replayError");
	assert_false(v.switched);
	assert_false(v.complete);

	assert_int_equal(package_result_decode(example("Bad signature, association token 5 configured: "
						       "unsigned error"), &v), 0);
	assert_int_equal(v.end, PACKAGE_NOT_FOR_US);
	assert_int_equal(v.token.p[0], 5);
	assert_int_equal(v.code, -1);
	assert_true(octets_same(v.transaction_id, example("eimTransactionId")));

	assert_int_equal(package_result_decode(example("Unknown eimId (no token): unsigned error"), &v),
			 0);
	assert_null(v.token.p);
	assert_int_equal(package_result_decode(example("v1.3 | Unsigned package error with code "
						       "sizeOverflow"), &v), 0);
	assert_string_equal(package_code_name(PACKAGE_UNKNOWN, v.code), "sizeOverflow");
}

/* What a list of results amounts to. */
static void sums(void **state)
{
	static const struct {
		const char *legend, *results;
		bool switched, complete;
	} rows[] = {
		{ "enable", "830100", true, true },
		{ "disable then enable that fails", "840100830102", true, false },
		{ "enable refused", "830105", false, false },
		{ "rollback", "8C0100", true, true },
		{ "cut short", "850100020103", false, false },
		{ "last eIM deleted", "890102", false, true },
		{ "unknown ones do no harm", "BF7E00830100", true, true },
		{ "nothing at all", "", false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets list = octets_of_hex(rows[i].results);
		uint8_t buf[256];
		struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_mark top = tlv_begin(&w, 0xbf51), a0 = tlv_begin(&w, 0xa0);
		struct tlv_mark data = tlv_begin(&w, 0x30);
		struct package_result v;
		size_t n;

		print_message("%s\n", rows[i].legend);
		tlv_put_text(&w, 0x80, "eim1");
		tlv_put_u32(&w, 0x81, 1);
		tlv_put_u32(&w, 0x83, 300);
		tlv_put_octets(&w, 0x30, list);
		tlv_close(&w, data);
		tlv_put(&w, 0x5f37, (uint8_t[64]){ 0 }, 64);
		tlv_close(&w, a0);
		tlv_close(&w, top);
		assert_int_equal(tlv_done(&w, &n), 0);
		assert_int_equal(package_result_decode(octets_from(buf, n), &v), 0);
		assert_int_equal(v.seq, 300);
		assert_int_equal(v.switched, rows[i].switched);
		assert_int_equal(v.complete, rows[i].complete);
	}
}

/* --- cutting ---------------------------------------------------------------------------------------- */

static struct bpp b;

/* In pieces of this size: the segments must be exactly those. */
static void cut_into(struct octets package, struct octets (*want)(void *arg, size_t i), void *arg,
		     size_t n_want, size_t piece)
{
	struct octets segment;
	size_t at = 0, n = 0;
	int r;

	bpp_init(&b);
	assert_int_equal(bpp_next(&b, &segment), -EAGAIN);
	while (at < package.n) {
		at += bpp_feed(&b, package.p + at, MIN(piece, package.n - at));
		assert_int_equal(b.taken, at);
		while ((r = bpp_next(&b, &segment)) == 0) {
			assert_true(n < n_want);
			assert_true(octets_same(segment, want(arg, n)));
			n++;
		}
		assert_int_equal(r, at < package.n ? -EAGAIN : -ENODATA);
	}
	assert_int_equal(n, n_want);
	assert_int_equal(b.total, package.n);
	assert_int_equal(b.segments, n_want);
	assert_int_equal(bpp_end(&b), 0);
}

static struct octets session_segment(void *arg, size_t i)
{
	return json_octets(json_object_array_get_idx(arg, i), "data");
}

static void sessions_are_cut_as_they_should(void **state)
{
	static const char *const names[] = {
		"nist-cc-ppk", "nist-cc-ppk-retry", "nist-small-ppk", "brp-session-keys",
	};
	static const size_t pieces[] = { 1, 2, 7, 100, 255, 1020, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128];
		struct json_object *s, *list;

		snprintf(path, sizeof(path), "tests/vectors/rsp/session/%s.json", names[i]);
		s = vectors_json(path);
		assert_true(json_object_object_get_ex(s, "loadSegments", &list));
		for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
			print_message("%s by %zu\n", names[i], pieces[k]);
			cut_into(json_octets(s, "boundProfilePackage"), session_segment, list,
				 json_object_array_length(list), pieces[k]);
		}
		json_object_put(s);
	}
}

static struct octets example_segment(void *arg, size_t i)
{
	(void)arg;
	return example_after("1. BF36 header and complete BF23", (int)i);
}

static void the_example_is_cut_into_seven(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 320; piece++)
		cut_into(example("BoundProfilePackage"), example_segment, NULL, 7, piece);
}

static enum bpp_fault verdict(struct octets package, unsigned *ret_segments)
{
	struct octets segment;
	size_t at = 0;
	int r = -EAGAIN;

	bpp_init(&b);
	while (at < package.n && r != -EBADMSG) {
		at += bpp_feed(&b, package.p + at, package.n - at);
		while ((r = bpp_next(&b, &segment)) == 0)
			;
	}
	(void)bpp_end(&b);
	if (b.fault != BPP_OK) {
		/* For good. */
		assert_int_equal(bpp_feed(&b, package.p, package.n), 0);
		assert_int_equal(bpp_next(&b, &segment), -EBADMSG);
	}
	*ret_segments = b.segments;
	return b.fault;
}

static void faults_have_names(void **state)
{
	static const struct {
		const char *legend, *hex;
		enum bpp_fault fault;
		unsigned segments;
	} rows[] = {
		{ "nothing", "", BPP_TRUNCATED, 0 },
		{ "smallest", "BF3610" "BF2300" "A0028700" "A1028800" "A3038601AA", BPP_OK, 6 },
		{ "with A2", "BF3614" "BF2300" "A0028700" "A1028800" "A2028700" "A3038601AA", BPP_OK, 7 },
		{ "another element", "BF3700", BPP_NOT_A_PACKAGE, 0 },
		{ "no BF23", "BF3604A0028700", BPP_BAD_ORDER, 0 },
		{ "A1 before A0", "BF360BBF2300A1028800A0028700", BPP_BAD_ORDER, 1 },
		{ "A2 twice", "BF3618BF2300A0028700A1028800A2028700A2028700A3038601AA", BPP_BAD_ORDER, 5 },
		{ "86 in A1", "BF3610BF2300A0028700A1028600A3038601AA", BPP_BAD_ORDER, 3 },
		{ "element behind A3", "BF3612BF2300A0028700A1028800A3038601AA8000", BPP_BAD_ORDER, 6 },
		{ "octets behind", "BF3610BF2300A0028700A1028800A3038601AA00", BPP_TRAILING, 6 },
		{ "indefinite length", "BF3680BF2300", BPP_BAD_TLV, 0 },
		{ "tag without end", "BFFFFFFFFFFF", BPP_BAD_TLV, 0 },
		{ "BF23 longer than the package", "BF3604BF230500", BPP_BAD_NESTING, 0 },
		{ "88 longer than A1", "BF3610BF2300A0028700A1028801A3038601AA", BPP_BAD_NESTING, 3 },
		{ "A3 longer than the package", "BF3610BF2300A0028700A1028800A3048602AAAA",
		  BPP_BAD_NESTING, 4 },
		{ "segment of 64 kB", "BF36830100FFBF2300A08300FFFF", BPP_TOO_LONG, 1 },
		{ "cut off", "BF3610BF2300A0028700A1028800A3038601", BPP_TRUNCATED, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned segments;

		print_message("%s\n", rows[i].legend);
		assert_int_equal(verdict(octets_of_hex(rows[i].hex), &segments), rows[i].fault);
		assert_int_equal(segments, rows[i].segments);
		assert_non_null(bpp_fault_name(b.fault));
	}
}

static void every_truncation_is_found(void **state)
{
	struct octets package = example("BoundProfilePackage");
	unsigned segments, before = 0;

	(void)state;
	for (size_t n = 0; n < package.n; n++) {
		assert_int_equal(verdict(octets_from(package.p, n), &segments), BPP_TRUNCATED);
		assert_true(segments >= before && segments < 7);
		before = segments;
	}
	assert_int_equal(verdict(package, &segments), BPP_OK);
}

/* The longest segment that is taken, and the first that is not. */
static void segments_have_a_limit(void **state)
{
	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		size_t value = BPP_SEGMENT_MAX - 4 + extra, n, cap = value + 64;
		uint8_t *buf = malloc(cap);
		struct tlv_out w = { .buf = buf, .cap = cap };
		struct tlv_mark m = tlv_begin(&w, 0xbf36), a3;
		uint8_t *data = calloc(1, value);
		unsigned segments;

		tlv_put(&w, 0xbf23, NULL, 0);
		tlv_put(&w, 0xa0, NULL, 0);
		tlv_put(&w, 0xa1, NULL, 0);
		a3 = tlv_begin(&w, 0xa3);
		tlv_put(&w, 0x86, data, value);
		tlv_close(&w, a3);
		tlv_close(&w, m);
		assert_int_equal(tlv_done(&w, &n), 0);
		assert_int_equal(verdict(octets_from(buf, n), &segments),
				 extra ? BPP_TOO_LONG : BPP_OK);
		free(data);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),
		cmocka_unit_test(every_command),
		cmocka_unit_test(every_result),
		cmocka_unit_test(results),
		cmocka_unit_test(sums),
		cmocka_unit_test(sessions_are_cut_as_they_should),
		cmocka_unit_test(the_example_is_cut_into_seven),
		cmocka_unit_test(faults_have_names),
		cmocka_unit_test(every_truncation_is_found),
		cmocka_unit_test(segments_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
