/*
 * The virtual eUICC's primitives and certificates: constant vectors, then every signature, key and
 * segment of the recorded downloads made again, octet by octet.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "sim/euicc/bsp.h"
#include "sim/euicc/crypto.h"
#include "sim/euicc/pki.h"
#include "support/hexjson.h"

#define VECTORS "tests/vectors/rsp/"
/* A day on which the good ones are valid: 2026-01-01. */
#define NOW 1767225600

static const char *const sessions[] = {
	VECTORS "session/nist-cc-ppk.json",
	VECTORS "session/nist-cc-ppk-retry.json",
	VECTORS "session/nist-small-ppk.json",
	VECTORS "session/brp-session-keys.json",
};

static void same(struct octets a, struct octets b)
{
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, b.n);
}

static int forget(void **state)
{
	(void)state;
	hexjson_done();
	return 0;
}

/* --- primitives ------------------------------------------------------------------------------- */

static void both_curves_agree_as_in_their_rfcs(void **state)
{
	static const char *const names[_VE_CURVE_MAX] = {
		[VE_CURVE_P256] = "ecdh_p256_rfc5903",
		[VE_CURVE_BP256] = "ecdh_brainpoolP256r1_rfc7027",
	};
	struct json_object *v = hexjson_load(VECTORS "basics.json");

	(void)state;
	for (enum ve_curve c = 0; c < _VE_CURVE_MAX; c++) {
		struct json_object *o = hexjson_at(v, names[c]);
		uint8_t z[VE_SECRET_LEN];

		assert_int_equal(ve_ec_agree(c, hexjson_octets(o, "dA").p,
					     hexjson_octets(o, "QB"), z), 0);
		same(octets_from(z, sizeof(z)), hexjson_octets(o, "Z"));
	}
	json_object_put(v);
}

static void what_is_no_point_and_no_secret_is_refused(void **state)
{
	static const uint8_t one[VE_SECRET_LEN] = { [31] = 1 }, zero[VE_SECRET_LEN] = { 0 };
	uint8_t big[VE_SECRET_LEN], g[VE_POINT_LEN], z[VE_SECRET_LEN], sig[VE_SIGNATURE_LEN];
	uint8_t none[VE_POINT_LEN] = { 0 };
	const struct octets data = { (const uint8_t *)"abc", 3 };

	(void)state;
	memset(big, 0xff, sizeof(big));
	for (enum ve_curve c = 0; c < _VE_CURVE_MAX; c++) {
		assert_int_equal(ve_ec_public(c, one, g), 0);
		assert_true(ve_ec_public(c, zero, none) < 0);
		assert_true(ve_ec_public(c, big, none) < 0);
		assert_true(ve_ec_sign(c, zero, data, sig) < 0);
		assert_true(ve_ec_agree(c, zero, octets_from(g, sizeof(g)), z) < 0);
		assert_int_equal(ve_ec_sign(c, one, data, sig), 0);
		assert_true(ve_ec_verify(c, octets_from(g, sizeof(g)), data,
					 octets_from(sig, sizeof(sig))));
		assert_false(ve_ec_verify(c, octets_from(g, sizeof(g)), data,
					  octets_from(none, sizeof(sig))));
		assert_false(ve_ec_verify(c, octets_from(g, sizeof(g)), data,
					  octets_from(sig, sizeof(sig) - 1)));
		assert_false(ve_ec_verify(1 - c, octets_from(g, sizeof(g)), data,
					  octets_from(sig, sizeof(sig))));
		g[64] ^= 1;
		assert_true(ve_ec_agree(c, one, octets_from(g, sizeof(g)), z) < 0);
		assert_false(ve_ec_verify(c, octets_from(g, sizeof(g)), data,
					  octets_from(sig, sizeof(sig))));
		g[64] ^= 1;
		assert_true(ve_ec_agree(c, one, octets_from(g, sizeof(g) - 1), z) < 0);
		assert_true(ve_ec_agree(c, one, octets_from(NULL, 0), z) < 0);
	}
}

/* RFC 6979 A.2.5: P-256, SHA-256, "sample". */
static void signatures_are_those_of_rfc_6979(void **state)
{
	struct octets key = hexjson_decode(
		"C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
	struct octets want = hexjson_decode(
		"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
		"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
	uint8_t sig[VE_SIGNATURE_LEN];

	(void)state;
	assert_int_equal(ve_ec_sign(VE_CURVE_P256, key.p, octets_from("sample", 6), sig), 0);
	same(octets_from(sig, sizeof(sig)), want);
}

static void kdf_and_cmac_give_the_published_octets(void **state)
{
	struct json_object *v = hexjson_load(VECTORS "basics.json");
	struct json_object *kdf = hexjson_at(v, "x963_sha256_no_sharedinfo");
	struct json_object *cmac = hexjson_at(v, "aes_cmac_rfc4493");
	size_t n = json_object_array_length(hexjson_at(cmac, "cases"));
	uint8_t out[VE_AES_LEN];

	(void)state;
	ve_x963(hexjson_octets(kdf, "Z"), octets_from(NULL, 0), out, sizeof(out));
	same(octets_from(out, sizeof(out)), hexjson_octets(kdf, "keyBytes16"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(hexjson_at(cmac, "cases"), i);
		struct octets msg = hexjson_octets(o, "msg");
		const struct octets parts[] = {
			{ msg.p, msg.n / 3 }, { msg.p + msg.n / 3, msg.n - msg.n / 3 },
		};

		ve_aes_cmac(hexjson_octets(cmac, "key").p, parts, ARRAY_SIZE(parts), out);
		same(octets_from(out, sizeof(out)), hexjson_octets(o, "mac"));
	}
	json_object_put(v);
}

/* --- the recorded downloads ------------------------------------------------------------------- */

static enum ve_curve curve_of(struct json_object *o)
{
	return strstr(hexjson_text(o, "curve"), "brainpool") ? VE_CURVE_BP256 : VE_CURVE_P256;
}

static void recorded_session_keys_are_derived(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct json_object *o = hexjson_load(sessions[i]);
		uint8_t point[VE_POINT_LEN], z[VE_SECRET_LEN];
		struct ve_bsp b;

		assert_int_equal(
			ve_ec_public(curve_of(o), hexjson_octets(o, "otSK_EUICC").p, point), 0);
		same(octets_from(point, sizeof(point)), hexjson_octets(o, "otPK_EUICC"));
		assert_int_equal(ve_ec_agree(curve_of(o), hexjson_octets(o, "otSK_EUICC").p,
					     hexjson_octets(o, "otPK_DP"), z), 0);
		same(octets_from(z, sizeof(z)), hexjson_octets(o, "ecka_Z"));
		ve_bsp_derive(&b, z, hexjson_octets(o, "hostId"), hexjson_octets(o, "eid"));
		same(octets_from(b.chain, VE_AES_LEN), hexjson_octets(o, "kdf_initialMcv"));
		same(octets_from(b.enc, VE_AES_LEN), hexjson_octets(o, "kdf_S_ENC"));
		same(octets_from(b.mac, VE_AES_LEN), hexjson_octets(o, "kdf_S_MAC"));
		json_object_put(o);
	}
}

static void session_keys(struct json_object *o, struct ve_bsp *b)
{
	ve_bsp_replace(b, hexjson_octets(o, "kdf_initialMcv").p, hexjson_octets(o, "kdf_S_ENC").p,
		       hexjson_octets(o, "kdf_S_MAC").p);
}

/* ReplaceSessionKeys as it stands in plain text: BF26 { 80 10 chain, 81 10 enc, 82 10 mac }. */
static void ppk_keys(struct octets plain, struct ve_bsp *b)
{
	assert_int_equal(plain.n, 57);
	ve_bsp_replace(b, plain.p + 5, plain.p + 23, plain.p + 41);
}

static void recorded_segments_open_to_their_plain_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct json_object *o = hexjson_load(sessions[i]);
		struct json_object *list = hexjson_at(o, "segments");
		struct ve_bsp b;

		session_keys(o, &b);
		for (size_t k = 0; k < json_object_array_length(list); k++) {
			struct json_object *s = json_object_array_get_idx(list, k);
			uint8_t plain[VE_BSP_SEGMENT_MAX];
			size_t n;

			same(octets_from(b.chain, VE_AES_LEN),
			     hexjson_octets(s, "mac_chain_before"));
			assert_int_equal(ve_bsp_open(&b, hexjson_octets(s, "segment"), plain, &n),
					 VE_BSP_OK);
			same(octets_from(plain, n), hexjson_octets(s, "plaintext"));
			same(octets_from(b.chain, VE_AES_LEN), hexjson_octets(s, "mac_full"));
			if (!strcmp(hexjson_text(s, "group"), "A2"))
				ppk_keys(octets_from(plain, n), &b);
		}
		json_object_put(o);
	}
}

static void any_bit_of_a_segment_that_changed_is_noticed(void **state)
{
	struct json_object *o = hexjson_load(sessions[2]);
	struct octets good = hexjson_octets(o, "segments.0.segment");
	uint8_t bad[64], plain[VE_BSP_SEGMENT_MAX];
	struct ve_bsp b;
	size_t n;

	(void)state;
	assert_true(good.n < sizeof(bad));
	for (size_t bit = 0; bit < good.n * 8; bit++) {
		memcpy(bad, good.p, good.n);
		bad[bit / 8] ^= 1u << bit % 8;
		session_keys(o, &b);
		assert_int_not_equal(ve_bsp_open(&b, octets_from(bad, good.n), plain, &n),
				     VE_BSP_OK);
	}
	for (size_t len = 0; len < good.n; len++) {
		session_keys(o, &b);
		assert_int_not_equal(ve_bsp_open(&b, octets_from(good.p, len), plain, &n),
				     VE_BSP_OK);
	}
	/* Twice the same: the chain has moved on. */
	session_keys(o, &b);
	assert_int_equal(ve_bsp_open(&b, good, plain, &n), VE_BSP_OK);
	assert_int_equal(ve_bsp_open(&b, good, plain, &n), VE_BSP_BAD_MAC);
	json_object_put(o);
}

/* --- certificates ----------------------------------------------------------------------------- */

static struct ve_cert certificate(const char *curve, const char *name)
{
	struct ve_cert c;
	char path[128];

	snprintf(path, sizeof(path), VECTORS "pki/%s/%s.der", curve, name);
	assert_int_equal(ve_cert_read(hexjson_file(path), &c), 0);
	return c;
}

static void certificates_tell_what_the_index_says(void **state)
{
	struct json_object *v = hexjson_load(VECTORS "pki/index.json");
	struct json_object *list = hexjson_at(v, "certificates");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct text rest = text_of(hexjson_text(o, "file"));
		char curve[16], name[64];
		struct json_object *aki;
		struct ve_cert c;

		text_cut(&rest, '/');
		assert_int_equal(text_copy(text_cut(&rest, '/'), curve, sizeof(curve)), 0);
		assert_int_equal(text_copy(text_cut(&rest, '.'), name, sizeof(name)), 0);
		c = certificate(curve, name);
		same(c.point, hexjson_octets(o, "publicPoint"));
		same(octets_from(c.ski, VE_KEY_ID_LEN), hexjson_octets(o, "ski"));
		if (json_object_object_get_ex(o, "aki", &aki) && aki)
			same(c.aki, hexjson_octets(o, "aki"));
		assert_int_equal(c.curve, !strcmp(curve, "brp") ? VE_CURVE_BP256 : VE_CURVE_P256);
	}
	json_object_put(v);
}

static void good_chains_hold_and_bad_certificates_are_refused(void **state)
{
	static const struct {
		const char *name, *issuer;
		enum ve_role role;
		enum ve_cert_end end;
	} rows[] = {
		{ "ci", "ci", VE_ROLE_CI, VE_CERT_OK },
		{ "eum", "ci", VE_ROLE_EUM, VE_CERT_OK },
		{ "euicc", "eum", VE_ROLE_EUICC, VE_CERT_OK },
		{ "dpauth", "ci", VE_ROLE_DP_AUTH, VE_CERT_OK },
		{ "dppb", "ci", VE_ROLE_DP_PB, VE_CERT_OK },
		{ "dptls", "ci", VE_ROLE_DP_TLS, VE_CERT_OK },
		{ "bad-dppb-oid", "ci", VE_ROLE_DP_PB, VE_CERT_OK }, /* only not with our dpauth */
		{ "bad-dpauth-role", "ci", VE_ROLE_DP_AUTH, VE_CERT_ROLE },
		{ "bad-dpauth-expired", "ci", VE_ROLE_DP_AUTH, VE_CERT_EXPIRED },
		{ "bad-dptls-expired", "ci", VE_ROLE_DP_TLS, VE_CERT_EXPIRED },
		{ "dppb", "ci", VE_ROLE_DP_AUTH, VE_CERT_ROLE },
		{ "dpauth", "ci", VE_ROLE_DS_AUTH, VE_CERT_ROLE },
		{ "eimsign", "ci", VE_ROLE_DP_AUTH, VE_CERT_ROLE },
		{ "dpauth", "eum", VE_ROLE_DP_AUTH, VE_CERT_ISSUER },
		{ "euicc", "ci", VE_ROLE_EUICC, VE_CERT_ISSUER },
	};
	static const char *const curves[] = { "nist", "brp" };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(curves); k++)
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct ve_cert c = certificate(curves[k], rows[i].name);
			struct ve_cert issuer = certificate(curves[k], rows[i].issuer);
			enum ve_cert_end end = ve_cert_check(&c, &issuer, rows[i].role, NOW);

			if (end != rows[i].end)
				fail_msg("%s below %s: %s", rows[i].name, rows[i].issuer,
					 ve_cert_end_name(end));
		}
}

static void a_clock_that_was_never_set_expires_nothing(void **state)
{
	struct ve_cert c = certificate("nist", "bad-dpauth-expired");
	struct ve_cert ci = certificate("nist", "ci");

	(void)state;
	assert_int_equal(c.not_after, 1580515200);
	assert_int_equal(ve_cert_check(&c, &ci, VE_ROLE_DP_AUTH, 0), VE_CERT_OK);
	assert_int_equal(ve_cert_check(&c, &ci, VE_ROLE_DP_AUTH, 1580515200), VE_CERT_OK);
	assert_int_equal(ve_cert_check(&c, &ci, VE_ROLE_DP_AUTH, 1580515201), VE_CERT_EXPIRED);
}

static void a_card_belongs_to_its_eum(void **state)
{
	static const char *const curves[] = { "nist", "brp" };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(curves); k++) {
		struct ve_cert ci = certificate(curves[k], "ci"),
			       eum = certificate(curves[k], "eum");
		struct ve_cert good = certificate(curves[k], "euicc");
		struct ve_cert ein = certificate(curves[k], "bad-euicc-ein");
		struct ve_cert org = certificate(curves[k], "bad-euicc-org");
		struct ve_cert other = certificate(curves[1 - k], "ci");

		assert_int_equal(ve_cert_check_card(&good, &eum, &ci, NOW), VE_CERT_OK);
		assert_int_equal(ve_cert_check_card(&ein, &eum, &ci, NOW), VE_CERT_NAMES);
		assert_int_equal(ve_cert_check_card(&org, &eum, &ci, NOW), VE_CERT_NAMES);
		assert_int_equal(ve_cert_check_card(&good, &good, &ci, NOW), VE_CERT_ISSUER);
		assert_int_equal(ve_cert_check_card(&good, &eum, &other, NOW), VE_CERT_CURVE);
	}
}

/* Every octet of a certificate is signed or the signature, or makes it unreadable. */
static void a_certificate_with_any_octet_changed_is_refused(void **state)
{
	struct ve_cert good = certificate("nist", "dpauth"), ci = certificate("nist", "ci"), c;
	uint8_t *copy = malloc(good.whole.n);
	size_t from = (size_t)(good.tbs.p - good.whole.p);

	(void)state;
	assert_non_null(copy);
	for (size_t i = from; i < from + good.tbs.n; i++) {
		memcpy(copy, good.whole.p, good.whole.n);
		copy[i] ^= 0x01;
		if (ve_cert_read(octets_from(copy, good.whole.n), &c))
			continue;
		assert_int_not_equal(ve_cert_check(&c, &ci, VE_ROLE_DP_AUTH, NOW), VE_CERT_OK);
	}
	for (size_t n = 0; n < good.whole.n; n++)
		assert_true(ve_cert_read(octets_from(good.whole.p, n), &c) < 0);
	free(copy);
}

static struct ve_cert made(const char *dir, const char *name)
{
	struct ve_cert c;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.der", dir, name);
	assert_int_equal(ve_cert_read(hexjson_file(path), &c), 0);
	return c;
}

static void what_the_script_makes_is_good(void **state)
{
	static const struct {
		const char *name;
		enum ve_role role;
	} rows[] = {
		{ "dpauth", VE_ROLE_DP_AUTH }, { "dppb", VE_ROLE_DP_PB },
		{ "dptls", VE_ROLE_DP_TLS },   { "dsauth", VE_ROLE_DS_AUTH },
		{ "dstls", VE_ROLE_DS_TLS },
	};
	static const char *const curves[_VE_CURVE_MAX] = {
		[VE_CURVE_P256] = "nist", [VE_CURVE_BP256] = "brp",
	};

	(void)state;
	for (enum ve_curve k = 0; k < _VE_CURVE_MAX; k++) {
		char dir[] = "/tmp/pki-XXXXXX", command[256], second[96];
		struct ve_cert ci, eum, euicc, other, c;

		assert_non_null(mkdtemp(dir));
		snprintf(command, sizeof(command),
			 "scripts/make-test-pki %s %s 89049032123451234512345678901235"
			 " 89049032000000000000000000000163", dir, curves[k]);
		assert_int_equal(system(command), 0);
		snprintf(second, sizeof(second), "%s/89049032000000000000000000000163", dir);
		ci = made(dir, "ci");
		eum = made(dir, "eum");
		euicc = made(dir, "euicc");
		other = made(second, "euicc");
		assert_int_equal(ci.curve, k);
		assert_int_equal(ve_cert_check(&ci, &ci, VE_ROLE_CI, NOW), VE_CERT_OK);
		assert_int_equal(ve_cert_check_card(&euicc, &eum, &ci, NOW), VE_CERT_OK);
		assert_int_equal(ve_cert_check_card(&other, &eum, &ci, NOW), VE_CERT_OK);
		same(other.serial, octets_from("89049032000000000000000000000163", 32));
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			c = made(dir, rows[i].name);
			assert_int_equal(ve_cert_check(&c, &ci, rows[i].role, NOW), VE_CERT_OK);
		}
		snprintf(command, sizeof(command), "rm -r %s", dir);
		assert_int_equal(system(command), 0);
	}
	/* An EID that is not the EUM's is refused before anything is made. */
	assert_int_not_equal(system("scripts/make-test-pki /tmp/none nist"
				    " 89049032123451234512345678901235"
				    " 89049033000000000000000000000185 2>/dev/null"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(both_curves_agree_as_in_their_rfcs, forget),
		cmocka_unit_test_teardown(what_is_no_point_and_no_secret_is_refused, forget),
		cmocka_unit_test_teardown(signatures_are_those_of_rfc_6979, forget),
		cmocka_unit_test_teardown(kdf_and_cmac_give_the_published_octets, forget),
		cmocka_unit_test_teardown(recorded_session_keys_are_derived, forget),
		cmocka_unit_test_teardown(recorded_segments_open_to_their_plain_text, forget),
		cmocka_unit_test_teardown(any_bit_of_a_segment_that_changed_is_noticed, forget),
		cmocka_unit_test_teardown(certificates_tell_what_the_index_says, forget),
		cmocka_unit_test_teardown(good_chains_hold_and_bad_certificates_are_refused,
					  forget),
		cmocka_unit_test_teardown(a_clock_that_was_never_set_expires_nothing, forget),
		cmocka_unit_test_teardown(a_card_belongs_to_its_eum, forget),
		cmocka_unit_test_teardown(a_certificate_with_any_octet_changed_is_refused, forget),
		cmocka_unit_test_teardown(what_the_script_makes_is_good, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
