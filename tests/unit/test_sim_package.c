/*
 * The virtual eUICC and eUICC Packages: the worked examples octet by octet, every check in its
 * order, every operation with the codes it has.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/pki.h"
#include "support/examples.h"
#include "support/hexjson.h"
#include "support/rspcard.h"

#define EID "89049032123451234512345678901235"
#define A "98001032547698103214"
#define B "98001032547698103224"
#define OTHER "98001032547698103234"

struct desk {
	struct talk t;
	uint32_t counter;               /* of the last package */
	const char *token;              /* the data object that signatures cover */
	const char *eid;
	const char *eim;                /* hexadecimal */
	enum ve_curve curve;
	struct octets secret;           /* the eIM's */
};

static struct ve_state *state_of(struct desk *d)
{
	return euicc_card_state(d->t.card);
}

/* --- the card of the worked examples ------------------------------------------------------------------ */

/* The CI is known by its key only: a certificate with nothing else in it. */
static struct octets ci_certificate(void)
{
	static uint8_t raw[512], tbs[400];
	struct tlv_out w = { raw, sizeof(raw) }, b = { tbs, sizeof(tbs) };
	static const uint8_t version[] = { 0x02, 0x01, 0x02 };
	struct octets alg = octets_of_hex("300A06082A8648CE3D040302");
	struct octets name = octets_of_hex("300D310B300906035504030C024349");
	struct octets days = octets_of_hex("301E170D3235303130313030303030305A170D34393031303130303030"
					   "30305A");
	uint8_t bits[1 + VE_POINT_LEN] = { 0 }, sig[VE_SIGNATURE_LEN], half[33] = { 0 };
	struct tlv_mark m, n;

	memcpy(bits + 1, example("CI (root) (public)").p, VE_POINT_LEN);
	m = tlv_begin(&b, 0x30);
	tlv_put(&b, 0xa0, version, sizeof(version));
	tlv_put_u32(&b, 0x02, 1);
	tlv_put_raw(&b, alg.p, alg.n);
	tlv_put_raw(&b, name.p, name.n);
	tlv_put_raw(&b, days.p, days.n);
	tlv_put_raw(&b, name.p, name.n);
	n = tlv_begin(&b, 0x30);
	tlv_put_octets(&b, 0x30, octets_of_hex("06072A8648CE3D020106082A8648CE3D030107"));
	tlv_put(&b, 0x03, bits, sizeof(bits));
	tlv_close(&b, n);
	tlv_close(&b, m);
	assert_int_equal(ve_ec_sign(VE_CURVE_P256, example("CI (root)").p,
				    octets_from(tbs, b.len), sig), 0);
	m = tlv_begin(&w, 0x30);
	tlv_put_raw(&w, tbs, b.len);
	tlv_put_raw(&w, alg.p, alg.n);
	n = tlv_begin(&w, 0x03);
	tlv_put_raw(&w, "", 1);
	struct tlv_mark pair = tlv_begin(&w, 0x30);
	memcpy(half + 1, sig, 32);
	tlv_put(&w, 0x02, half, 33);
	memcpy(half + 1, sig + 32, 32);
	tlv_put(&w, 0x02, half, 33);
	tlv_close(&w, pair);
	tlv_close(&w, n);
	tlv_close(&w, m);
	return octets_from(raw, w.len);
}

static void open_bare(struct desk *d, const char *personality, enum ve_version version)
{
	static const struct euicc_profile profiles[] = {
		{ .iccid = TEXT("89000123456789012341"), .imsi = TEXT("001010123456789"),
		  .name = TEXT("A"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
		  .enabled = true, .notify = TEXT("dp.example") },
		{ .iccid = TEXT("89000123456789012342"), .imsi = TEXT("001010123456788"),
		  .name = TEXT("B"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
		  .notify = TEXT("dp.example"), .fallback_allowed = true },
	};
	struct euicc_recipe recipe = {
		.eid = TEXT(EID), .personality = personality, .version = version,
		.profiles = profiles, .n_profiles = 2,
	};
	struct ve_credential *c;

	memset(d, 0, sizeof(*d));
	talk_make(&d->t, &recipe);
	talk_open(&d->t, NULL);
	c = &state_of(d)->credentials[0];
	blob_copy(&c->ci, ci_certificate());
	blob_copy(&c->eum, example("CERT_EUM"));
	blob_copy(&c->euicc, example("CERT_EUICC"));
	blob_copy(&c->key, example("EUICC"));
	state_of(d)->n_credentials = 1;
	state_of(d)->next_seq = 21;
	d->token = "840100";
	d->eid = EID;
	d->eim = "65696D31";
	d->curve = VE_CURVE_P256;
	d->secret = example("EIM");
	talk_isdr(&d->t);
}

static void add_eim(struct desk *d, bool token, const char *key)
{
	char command[1024];
	uint8_t raw[512], out[512];
	struct tlv_out w = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&w, 0xbf57), list = tlv_begin(&w, 0xa0);
	struct tlv_mark one = tlv_begin(&w, 0x30);
	size_t n;

	assert_int_equal(hex_decode(text_of(key), out, sizeof(out), &n), 0);
	tlv_put_octets(&w, 0x80, octets_of_hex(d->eim));
	tlv_put_u32(&w, 0x83, 0);
	if (token)
		tlv_put_i32(&w, 0x84, -1);
	tlv_put(&w, 0xa5, out, n);
	tlv_close(&w, one);
	tlv_close(&w, list);
	tlv_close(&w, m);
	assert_false(w.full);
	hex_encode(raw, w.len, command, sizeof(command));
	assert_int_equal(strncmp(talk_es10(&d->t, command) + 6, "A0", 2), 0);
}

static const char *spki(void)
{
	static char digits[512];
	struct octets o = example("SubjectPublicKeyInfo of EIM without its 30 header, as carried in"
				  " A5 { A0 … }");
	uint8_t raw[200];
	struct tlv_out w = { raw, sizeof(raw) };

	tlv_put_octets(&w, 0xa0, o);
	hex_encode(raw, w.len, digits, sizeof(digits));
	return digits;
}

static void desk_open(struct desk *d, const char *personality)
{
	open_bare(d, personality, _VE_VERSION_MAX);
	add_eim(d, false, spki());
}

static void desk_close(struct desk *d)
{
	talk_close(&d->t);
	hexjson_done();
}

static const char *send_example(struct desk *d, const char *title)
{
	struct octets o = example(title);
	_cleanup_(freep) char *digits = malloc(2 * o.n + 1);

	assert_non_null(digits);
	hex_encode(o.p, o.n, digits, 2 * o.n + 1);
	return talk_es10(&d->t, digits);
}

static void same_as(const char *got, const char *title)
{
	struct octets o = example(title);
	_cleanup_(freep) char *digits = malloc(2 * o.n + 1);

	assert_non_null(digits);
	hex_encode(o.p, o.n, digits, 2 * o.n + 1);
	rspcard_same(got, digits);
}

/* --- packages of the test's own ----------------------------------------------------------------------- */

/* Content of EuiccPackageSigned behind the EID: 81 counter [82 tid] A0|A1. */
static const char *send_raw(struct desk *d, const char *rest, bool spoil)
{
	static uint8_t raw[65536], data[65536];
	static char digits[2 * 65536];
	struct tlv_out w = { raw, sizeof(raw) }, s = { data, sizeof(data) };
	struct tlv_mark m = tlv_begin(&s, 0x30);
	struct octets o = hexjson_decode(rest), token = hexjson_decode(d->token);
	uint8_t sig[VE_SIGNATURE_LEN];
	size_t n;

	tlv_put_octets(&s, 0x80, hexjson_decode(d->eim));
	tlv_put_octets(&s, 0x5a, hexjson_decode(d->eid));
	tlv_put_raw(&s, o.p, o.n);
	tlv_close(&s, m);
	n = s.len;
	tlv_put_raw(&s, token.p, token.n);
	assert_int_equal(ve_ec_sign(d->curve, d->secret.p, octets_from(data, s.len), sig), 0);
	sig[40] ^= spoil;
	m = tlv_begin(&w, 0xbf51);
	tlv_put_raw(&w, data, n);
	tlv_put(&w, 0x5f37, sig, sizeof(sig));
	tlv_close(&w, m);
	assert_false(w.full || s.full);
	hex_encode(raw, w.len, digits, sizeof(digits));
	return talk_es10(&d->t, digits);
}

static void put_length(char *dst, size_t n)
{
	sprintf(dst, n < 128 ? "%02zX" : n < 256 ? "81%02zX" : "82%04zX", n);
}

/* A package with the next counter: list is that of A0 or A1. */
static const char *send_list(struct desk *d, unsigned tag, const char *list)
{
	static char rest[131072];
	char len[16];

	put_length(len, strlen(list) / 2);
	snprintf(rest, sizeof(rest), "8101%02X82021234%02X%s%s", ++d->counter, tag, len, list);
	return send_raw(d, rest, false);
}

/* The results in a signed answer, as digits; the signature, counter and transaction are judged. */
static const char *results_of(struct desk *d, const char *answer)
{
	static char digits[65536];
	struct octets o = hexjson_decode(answer), whole, results, token = hexjson_decode(d->token);
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, o), body = tlv_enter(&top, 0xbf51), ok, before, data;
	struct blob input = { 0 };
	struct octets signature;
	struct ve_cert c;
	uint32_t tag;

	ok = tlv_enter(&body, 0xa0);
	before = ok;
	data = tlv_enter(&ok, 0x30);
	whole = tlv_take_whole(&before, &tag);
	signature = tlv_take(&ok, 0x5f37);
	tlv_take(&data, 0x80);
	assert_int_equal(tlv_take_u32(&data, 0x81), d->counter);
	assert_int_equal(tlv_take_u32(&data, 0x82), 0x1234);
	tlv_take_u32(&data, 0x83);
	results = tlv_take(&data, 0x30);
	if (doc.fault)
		fail_msg("no result: %.80s", answer);
	assert_int_equal(ve_cert_read(example("CERT_EUICC"), &c), 0);
	blob_copy(&input, whole);
	blob_append(&input, token.p, token.n);
	assert_true(ve_ec_verify(c.curve, c.point, blob_octets(&input), signature));
	blob_clear(&input);
	hex_encode(results.p, results.n, digits, sizeof(digits));
	return digits;
}

static const char *psmos(struct desk *d, const char *list)
{
	return results_of(d, send_list(d, 0xa0, list));
}

static const char *ecos(struct desk *d, const char *list)
{
	return results_of(d, send_list(d, 0xa1, list));
}

/* The card comes back after its REFRESH. */
static void again(struct desk *d)
{
	talk_reset(&d->t);
	talk_isdr(&d->t);
}

static bool enabled(struct desk *d, const char *iccid)
{
	struct ve_profile *p = ve_profile_enabled(state_of(d));

	return p ? octets_same(blob_octets(&p->field[VE_ICCID]), hexjson_decode(iccid)) : !*iccid;
}

/* --- worked examples ---------------------------------------------------------------------------------- */

static void the_worked_package_ends_in_the_worked_result(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	same_as(send_example(&d, "EuiccPackageRequest 1"), "EuiccPackageResult 1: enable ok, list");
	assert_true(enabled(&d, A));
	again(&d);
	assert_true(enabled(&d, B));
	same_as(send_example(&d, "RetrieveNotificationsList request (package results)"),
		"RetrieveNotificationsList response, one package result");
	same_as(send_example(&d, "EuiccPackageRequest 1"),
		"Replay of the same package: replayError, signed");
	/* The notifications of the switch took two numbers; the example counts without them. */
	state_of(&d)->next_seq = 22;
	same_as(talk_es10(&d.t, "BF58038001FF"),
		"ProfileRollback response: ok with a new signed result (sequence number 22)");
	again(&d);
	assert_true(enabled(&d, A));
	/* The first result is gone, and so is the grant. */
	assert_string_equal(talk_es10(&d.t, "BF2B05A003800115"), "BF2B02A000");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	desk_close(&d);

	open_bare(&d, "iot", _VE_VERSION_MAX);
	same_as(send_example(&d, "EuiccPackageRequest 1"), "Unknown eimId (no token): unsigned error");
	state_of(&d)->next_token = 5;
	add_eim(&d, true, spki());
	same_as(send_example(&d, "EuiccPackageRequest 1"),
		"Bad signature, association token 5 configured: unsigned error");
	desk_close(&d);
}

/* Each operation of 15.4 is one the card knows. */
static void worked_operations_are_understood(void **state)
{
	static const struct {
		const char *title;
		unsigned tag;
		const char *results;
	} rows[] = {
		{ "enable", 0xa0, "830100" },
		{ "enable + rollbackFlag", 0xa0, "830100" },
		{ "disable", 0xa0, "840100" },
		{ "delete", 0xa0, "850100" },
		{ "listProfileInfo by ICCID", 0xa0,
		  "BF2D30A02EE32C5A0A" A "4F10A0000005591010FFFFFFFF89000011009F70010191025350920141"
		  "950102" },
		{ "getRAT", 0xa0, "A600" },
		{ "configureImmediateEnable on, OID 1.2.3, address", 0xa0, "870100" },
		{ "configureImmediateEnable off", 0xa0, "870100" },
		{ "setFallbackAttribute", 0xa0, "8D0100" },
		{ "unsetFallbackAttribute", 0xa0, "8E0102" },
		{ "setDefaultDpAddress", 0xa0, "BF6503800100" },
		{ "addEim", 0xa1, "A803840101" },
		{ "deleteEim", 0xa1, "890101" },
		{ "updateEim (FQDN only)", 0xa1, "8A0101" },
		{ "listEim", 0xa1, "AB0DA00B3009800465696D31820103" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct desk d;
		struct octets o = example(rows[i].title);
		char list[512];

		desk_open(&d, "iot");
		hex_encode(o.p, o.n, list, sizeof(list));
		rspcard_same(results_of(&d, send_list(&d, rows[i].tag, list)), rows[i].results);
		desk_close(&d);
	}
}

/* --- checks ------------------------------------------------------------------------------------------- */

static void checks_come_in_their_order(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	/* Everything is wrong: first the eIM, then the signature, the EID, the counter. */
	d.counter = 9;
	psmos(&d, "A600");
	d.eid = "89049032000000000000000000000163";
	d.eim = "65696D39";
	rspcard_same(send_raw(&d, "810101A002A600", true), "BF5108A206800465696D39");
	d.eim = "65696D31";
	rspcard_same(send_raw(&d, "810101A002A600", true), "BF5108A206800465696D31");
	assert_int_equal(strncmp(send_raw(&d, "810101A002A600", false),
				 "BF5153A151300C800465696D31810101020103", 38), 0);
	d.eid = EID;
	state_of(&d)->emergency_active = 1;
	assert_non_null(strstr(send_raw(&d, "810101A002A600", false), "810101020168"));
	state_of(&d)->emergency_active = 0;
	assert_non_null(strstr(send_raw(&d, "810101A002A600", false), "810101020104"));
	assert_non_null(strstr(send_raw(&d, "810109A002A600", false), "810109020104"));
	assert_non_null(strstr(send_raw(&d, "8101FFA002A600", false), "8101FF020104"));
	assert_non_null(strstr(send_raw(&d, "810400800000A002A600", false),
			       "810400800000020106"));
	assert_non_null(strstr(send_raw(&d, "8106010000000000A002A600", false),
			       "8106010000000000020106"));
	/* None of these was counted; steps may be larger than one, up to the last number. */
	assert_non_null(strstr(send_raw(&d, "81020100A002A600", false), "A600"));
	assert_non_null(strstr(send_raw(&d, "81037FFFFFA002A600", false), "A600"));
	assert_non_null(strstr(send_raw(&d, "81037FFFFFA002A600", false), "81037FFFFF020104"));
	desk_close(&d);
}

static void what_is_no_package_is_answered_unsigned(void **state)
{
	static const char *const rows[] = {
		"BF510F300D800465696D315A030000008100",           /* it breaks off */
		"BF5100",
		"BF51023000",
		"BF51083006800465696D31",
	};
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *r = talk_es10(&d.t, rows[i]);

		if (strncmp(r, "BF51", 4) || strncmp(r + 6, "A2", 2))
			fail_msg("%s: %s", rows[i], r);
	}
	/* A list of neither kind, rightly signed. */
	assert_int_equal(strncmp(send_raw(&d, "810101A202A600", false) + 6, "A2", 2), 0);
	desk_close(&d);
}

static void sizes_have_their_limits(void **state)
{
	static char list[4 * 8400 + 1];
	struct desk d;
	uint8_t icon[1024] = { 1 };

	(void)state;
	desk_open(&d, "iot");
	/* Larger than a package may be. */
	for (size_t i = 0; i < 8400; i++)
		memcpy(list + 4 * i, "A600", 4);
	assert_non_null(strstr(send_list(&d, 0xa0, list), "02010F"));
	/* Not counted. */
	d.counter = 0;
	psmos(&d, "A600");
	/* Results that do not fit: two icons of a kilobyte, twenty times. */
	for (size_t i = 0; i < 2; i++) {
		blob_set(&state_of(&d)->profiles[i].field[VE_ICON], icon, sizeof(icon));
		blob_set(&state_of(&d)->profiles[i].field[VE_ICON_TYPE], icon, 1);
	}
	list[0] = 0;
	for (size_t i = 0; i < 20; i++)
		strcat(list, "BF2D045C029394");
	{
		const char *r = psmos(&d, list);

		assert_true(strlen(r) > 2 * 28000);
		assert_string_equal(r + strlen(r) - 6, "020101");
	}
	desk_close(&d);
}

/* --- PSMOs -------------------------------------------------------------------------------------------- */

#define ENABLE(x)  "A30C5A0A" x
#define ENABLE_R(x) "A30E5A0A" x "0500"
#define DISABLE(x) "A40C5A0A" x
#define DELETE(x)  "A50C5A0A" x
#define LIST       "BF2D055C035A9F70"
#define LISTED(a, b) "BF2D26A024E3105A0A" A "9F7001" a "E3105A0A" B "9F7001" b

static void no_profile_is_enabled(struct desk *d)
{
	state_of(d)->profiles[0].enabled = 0;
}

static void a_must_stay_enabled(struct desk *d)
{
	blob_set(&state_of(d)->profiles[0].field[VE_PPR], "\x06\x40", 2);
}

static void b_must_not_be_deleted(struct desk *d)
{
	blob_set(&state_of(d)->profiles[1].field[VE_PPR], "\x05\x20", 2);
}

static void b_has_fallback(struct desk *d)
{
	blob_set(&state_of(d)->profiles[1].field[VE_FALLBACK], "\xff", 1);
}

static void a_may_and_has_fallback(struct desk *d)
{
	blob_set(&state_of(d)->profiles[0].field[VE_FALLBACK_ALLOWED], "\xff", 1);
	blob_set(&state_of(d)->profiles[0].field[VE_FALLBACK], "\xff", 1);
}

static void fallback_returns_to_b(struct desk *d)
{
	state_of(d)->fallback_active = 1;
	blob_copy(&state_of(d)->fallback_return,
		  blob_octets(&state_of(d)->profiles[1].field[VE_AID]));
}

static const struct {
	const char *what, *list, *results;
	void (*before)(struct desk *d);
	const char *enabled;            /* after the reset; NULL: A */
} operations[] = {
	{ "enable", ENABLE(B), "830100", NULL, B },
	{ "enable what is enabled", ENABLE(A), "830102" },
	{ "enable what is not there", ENABLE(OTHER), "830101" },
	{ "enable against ppr1", ENABLE(B), "830103", a_must_stay_enabled },
	{ "two enables", ENABLE(B) ENABLE(A), "83010083017F", NULL, B },
	{ "disable", DISABLE(A), "840100", NULL, "" },
	{ "disable what is disabled", DISABLE(B), "840102" },
	{ "disable what is not there", DISABLE(OTHER), "840101" },
	{ "disable against ppr1", DISABLE(A), "840103", a_must_stay_enabled },
	{ "disable behind enable", ENABLE(B) DISABLE(B), "83010084017F", NULL, B },
	{ "disable, enable", DISABLE(A) ENABLE(B), "840100830100", NULL, B },
	{ "rollback wanted, nothing to go back to", ENABLE_R(B), "830114", no_profile_is_enabled, "" },
	{ "rollback wanted, disabled before", DISABLE(A) ENABLE_R(B), "840100830100", NULL, B },
	{ "enable where none was", ENABLE(B), "830100", no_profile_is_enabled, B },
	{ "delete", DELETE(B), "850100" },
	{ "delete what is enabled", DELETE(A), "850102" },
	{ "delete what is not there", DELETE(OTHER), "850101" },
	{ "delete against ppr2", DELETE(B), "850103", b_must_not_be_deleted },
	{ "disable and delete", DISABLE(A) DELETE(A), "840100850100", NULL, "" },
	{ "delete the rollback's target", ENABLE_R(B) DELETE(A), "830100850114", NULL, B },
	{ "delete where fallback returns to", DELETE(B), "850115", fallback_returns_to_b },
	{ "the first failure is the last result", ENABLE(OTHER) LIST, "830101" },
	{ "list behind enable shows what was", ENABLE(B) LIST, "830100" LISTED("01", "00"), NULL, B },
	{ "list of an unknown profile", "BF2D0EA00C5A0A" OTHER, "BF2D02A000" },
	{ "list by what cannot be", "BF2D04A002800100", "BF2D03810101" },
	{ "set fallback", "A80C5A0A" B, "8D0100" },
	{ "set fallback, again", "A80C5A0A" B, "8D0100", b_has_fallback },
	{ "set fallback, not there", "A80C5A0A" OTHER, "8D0101" },
	{ "set fallback, not allowed", "A80C5A0A" A, "8D0102" },
	{ "set fallback, holder enabled", "A80C5A0A" B, "8D0103", a_may_and_has_fallback },
	{ "unset fallback", "A900", "8E0100", b_has_fallback },
	{ "unset fallback, none", "A900", "8E0102" },
	{ "unset fallback, holder enabled", "A900", "8E0103", a_may_and_has_fallback },
	{ "default address", "BF650C800A64702E6578616D706C65A600", "BF6503800100A600" },
	{ "default address, damaged", "BF650381" "0164", "BF650380017F" },
	{ "immediate, damaged", "A70380" "0101", "870107" },
	{ "unknown operation", "B000A600", "020102" },
	{ "unknown behind known", "A600B000", "A600020102" },
	{ "enable without ICCID", "A300", "020102" },
	{ "ICCID of another length", "A3035A0101", "020102" },
	{ "an element that does not end", "A600A40C5A0A98", "A600020102" },
	{ "no operations", "", "" },
};

static void operations_have_their_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		struct desk d;
		const char *r;

		desk_open(&d, "iot");
		if (operations[i].before)
			operations[i].before(&d);
		r = psmos(&d, operations[i].list);
		if (strcmp(r, operations[i].results))
			fail_msg("%s: %s", operations[i].what, r);
		assert_int_equal(state_of(&d)->eims[0].counter, d.counter);
		again(&d);
		if (!enabled(&d, operations[i].enabled ? operations[i].enabled : A))
			fail_msg("%s: another profile is enabled", operations[i].what);
		desk_close(&d);
	}
}

static void cards_may_list_what_will_be(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot-list-after");
	assert_string_equal(psmos(&d, ENABLE(B) LIST), "830100" LISTED("00", "01"));
	desk_close(&d);
}

static void a_busy_cat_is_told(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	assert_string_equal(psmos(&d, ENABLE(B)), "830100");
	/* The REFRESH has not been fetched. */
	assert_string_equal(psmos(&d, ENABLE(A)), "830105");
	assert_string_equal(psmos(&d, DISABLE(B)), "840105");
	assert_string_equal(psmos(&d, LIST), LISTED("01", "00"));
	again(&d);
	assert_string_equal(psmos(&d, LIST), LISTED("00", "01"));
	desk_close(&d);
}

static void the_first_edition_knows_less(void **state)
{
	struct desk d;

	(void)state;
	open_bare(&d, "iot", VE_SGP32_10);
	add_eim(&d, false, spki());
	assert_string_equal(psmos(&d, "A80C5A0A" B), "020102");
	assert_string_equal(psmos(&d, "A900"), "020102");
	assert_string_equal(psmos(&d, "BF6503800178"), "020102");
	no_profile_is_enabled(&d);
	assert_string_equal(psmos(&d, ENABLE_R(B)), "83017F");
	/* No transaction in what is not signed. */
	assert_string_equal(send_raw(&d, "8101098202123400", true), "BF5108A206800465696D31");
	desk_close(&d);
	open_bare(&d, "iot", VE_SGP32_13);
	add_eim(&d, false, spki());
	assert_string_equal(talk_es10(&d.t, "BF51083006800465696D31"),
			    "BF510BA209800465696D318F017F");
	desk_close(&d);
}

/* --- eCOs --------------------------------------------------------------------------------------------- */

#define KEY "A55BA059301306072A8648CE3D020106082A8648CE3D03010703420004" \
	    "D7039BB85D12EEC23F29B341B88AA07141FAEBD4CB1CFFDC25E4DB4C19ABA32D" \
	    "E47ED8C942764EC19849E0CA8E02C6EFD87B3C05673EAE619CDD47F7F36BA3CA"

static void ecos_have_their_codes(void **state)
{
	static const struct {
		const char *what, *list, *results;
	} rows[] = {
		{ "add, no token", "A866800465696D32830100" KEY, "A803020100" },
		{ "add, token", "A869800465696D328301008401FF" KEY, "A803840101" },
		{ "add what is there", "A866800465696D31830100" KEY, "A803020102" },
		{ "add with a token of its own", "A869800465696D32830100840105" KEY, "A803020105" },
		{ "add without key", "A809800465696D32830100", "A803020107" },
		{ "add without counter", "A863800465696D32" KEY, "A803020107" },
		{ "add, counter too large", "A869800465696D32830400800000" KEY, "A803020106" },
		{ "add, unknown CI", "A87C800465696D32830100" KEY "8814"
		  "0000000000000000000000000000000000000000", "A803020103" },
		{ "delete itself", "A906800465696D31", "890102" },
		{ "delete what is not there", "A906800465696D39", "890101" },
		{ "delete nothing", "A900", "890107" },
		{ "update", "AA0B800465696D318103646566", "8A0100" },
		{ "update what is not there", "AA0B800465696D398103646566", "8A0101" },
		{ "update nothing", "AA06800465696D31", "8A0107" },
		{ "update, token", "AA09800465696D318401FF", "8A0107" },
		{ "update, unknown CI", "AA0E800465696D318806010203040506", "8A0103" },
		{ "update, counter too large", "AA0C800465696D31830400800000", "8A0106" },
		{ "add, list, delete", "A866800465696D32830100" KEY "AB00A906800465696D32",
		  "A803020100AB18A0163009800465696D318201033009800465696D32820103890100" },
		{ "PSMO among eCOs", "A30C5A0A" B, "020102" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct desk d;
		const char *r;

		desk_open(&d, "iot");
		r = ecos(&d, rows[i].list);
		if (strcmp(r, rows[i].results))
			fail_msg("%s: %s", rows[i].what, r);
		desk_close(&d);
	}
}

/* A lower counter comes with another key only, and stays the lower one then. */
static void counters_go_back_with_another_key_only(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	d.counter = 99;
	psmos(&d, "A600");
	assert_string_equal(ecos(&d, "AA09800465696D31830105"), "8A0106");
	assert_int_equal(state_of(&d)->eims[0].counter, 101);
	assert_string_equal(ecos(&d, "AA66800465696D31830105" KEY), "8A0100");
	assert_int_equal(state_of(&d)->eims[0].counter, 5);
	d.counter = 5;
	psmos(&d, "A600");
	desk_close(&d);
}

static void tokens_bind_packages_to_one_association(void **state)
{
	struct desk d;

	(void)state;
	open_bare(&d, "iot", _VE_VERSION_MAX);
	state_of(&d)->next_token = 128;
	add_eim(&d, true, spki());
	assert_int_equal(strncmp(send_list(&d, 0xa0, "A600"), "BF5110A20E800465696D3182021234", 30), 0);
	d.token = "84020080";
	psmos(&d, "A600");
	/* Its own last result is signed with the token that it had. */
	assert_string_equal(ecos(&d, "A906800465696D31"), "890102");
	add_eim(&d, true, spki());
	d.counter = 5;
	assert_int_equal(strncmp(send_list(&d, 0xa0, "A600") + 6, "A2", 2), 0);
	d.token = "84020081";
	psmos(&d, "A600");
	desk_close(&d);
}

static void eims_sign_with_either_curve_and_with_certificates(void **state)
{
	static const char *const pki[_VE_CURVE_MAX] = {
		[VE_CURVE_P256] = "nist", [VE_CURVE_BP256] = "brp",
	};

	(void)state;
	for (enum ve_curve k = 0; k < _VE_CURVE_MAX; k++)
		for (int bare = 0; bare < 2; bare++) {
			struct rspcard names = { .pki = pki[k] };
			struct octets cert = rspcard_certificate(&names, "eimsign");
			uint8_t raw[2048];
			char digits[4096];
			struct tlv_out w = { raw, sizeof(raw) };
			struct tlv_doc doc;
			struct tlv top = tlv_open(&doc, cert);
			struct desk d;

			tlv_put_octets(&w, 0xa1, bare ? cert : tlv_take(&top, 0x30));
			hex_encode(raw, w.len, digits, sizeof(digits));
			open_bare(&d, "iot", _VE_VERSION_MAX);
			d.curve = k;
			d.secret = rspcard_secret(&names, "eimsign");
			{
				/* Too long for the helper's buffers: put in by hand. */
				struct ve_eim *m = &state_of(&d)->eims[state_of(&d)->n_eims++];

				blob_copy(&m->field[VE_EIM_ID], octets_of_hex(d.eim));
				blob_set(&m->field[VE_EIM_KEY], raw, w.len);
			}
			assert_string_equal(psmos(&d, "A600"), "A600");
			d.secret = example("EIM");
			assert_int_equal(strncmp(send_list(&d, 0xa0, "A600") + 6, "A2", 2), 0);
			desk_close(&d);
		}
}

/* --- rollback ----------------------------------------------------------------------------------------- */

static void a_rollback_is_granted_once_and_taken_back(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, "iot");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(psmos(&d, ENABLE(B)), "830100");
	again(&d);
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(psmos(&d, ENABLE_R(A)), "830100");
	/* The switch is still going on. */
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020105");
	again(&d);
	/* Any accepted package takes it back; one that is refused does not. */
	send_raw(&d, "810101A002A600", false);
	assert_int_equal(state_of(&d)->rollback_granted, 1);
	psmos(&d, "A600");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(psmos(&d, ENABLE_R(B)), "830100");
	again(&d);
	/* Damaged calls; a BOOLEAN with its own tag is taken. Over a loss of power it is kept. */
	assert_string_equal(talk_es10(&d.t, "BF5800"), "BF5803020107");
	assert_string_equal(talk_es10(&d.t, "BF58028000"), "BF5803020107");
	talk_power_off(&d.t);
	talk_shut(&d.t);
	talk_open(&d.t, NULL);
	talk_isdr(&d.t);
	assert_int_equal(strncmp(talk_es10(&d.t, "BF5803010100"), "BF58", 4), 0);
	assert_true(enabled(&d, A));
	desk_close(&d);
}

/* --- what lasts --------------------------------------------------------------------------------------- */

static void results_outlive_power_and_are_removed_by_number(void **state)
{
	struct desk d;
	char want[640], first[512];

	(void)state;
	desk_open(&d, "iot");
	snprintf(first, sizeof(first), "%s", send_list(&d, 0xa0, ENABLE(B)));
	talk_power_off(&d.t);
	talk_shut(&d.t);
	talk_open(&d.t, NULL);
	talk_isdr(&d.t);
	assert_true(enabled(&d, B));
	assert_int_equal(state_of(&d)->eims[0].counter, 1);
	snprintf(want, sizeof(want), "BF2B%02zXA2%02zX%s", strlen(first) / 2 + 2,
		 strlen(first) / 2, first);
	rspcard_same(talk_es10(&d.t, "BF2B04A0028200"), want);
	/* Two notifications of the switch beside it. */
	assert_int_equal(state_of(&d)->n_notes, 3);
	assert_string_equal(talk_es10(&d.t, "BF3003800115"), "BF3003800100");
	assert_string_equal(talk_es10(&d.t, "BF2B04A0028200"), "BF2B02A200");
	desk_close(&d);
}

static void no_changed_bit_is_executed(void **state)
{
	struct desk d;
	struct octets good = example("EuiccPackageRequest 1");
	uint8_t bad[256];
	char digits[512];

	(void)state;
	desk_open(&d, "iot");
	assert_true(good.n < sizeof(bad));
	for (size_t bit = 16; bit < 8 * good.n; bit++) {      /* behind the tag */
		const char *r;

		memcpy(bad, good.p, good.n);
		bad[bit / 8] ^= 1u << bit % 8;
		hex_encode(bad, good.n, digits, sizeof(digits));
		r = talk_es10(&d.t, digits);
		if (strlen(r) > 4 && (strncmp(r, "BF51", 4) || strncmp(r + 6, "A2", 2)))
			fail_msg("bit %zu: %s", bit, r);
	}
	assert_int_equal(state_of(&d)->n_notes, 0);
	assert_int_equal(state_of(&d)->eims[0].counter, 0);
	same_as(send_example(&d, "EuiccPackageRequest 1"), "EuiccPackageResult 1: enable ok, list");
	desk_close(&d);
}

static void consumer_cards_know_no_packages(void **state)
{
	struct desk d;

	(void)state;
	open_bare(&d, "classic-consumer", _VE_VERSION_MAX);
	assert_int_equal(strlen(send_example(&d, "EuiccPackageRequest 1")), 4);
	assert_int_equal(strlen(talk_es10(&d.t, "BF58038001FF")), 4);
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_package_ends_in_the_worked_result),
		cmocka_unit_test(worked_operations_are_understood),
		cmocka_unit_test(checks_come_in_their_order),
		cmocka_unit_test(what_is_no_package_is_answered_unsigned),
		cmocka_unit_test(sizes_have_their_limits),
		cmocka_unit_test(operations_have_their_codes),
		cmocka_unit_test(cards_may_list_what_will_be),
		cmocka_unit_test(a_busy_cat_is_told),
		cmocka_unit_test(the_first_edition_knows_less),
		cmocka_unit_test(ecos_have_their_codes),
		cmocka_unit_test(counters_go_back_with_another_key_only),
		cmocka_unit_test(tokens_bind_packages_to_one_association),
		cmocka_unit_test(eims_sign_with_either_curve_and_with_certificates),
		cmocka_unit_test(a_rollback_is_granted_once_and_taken_back),
		cmocka_unit_test(results_outlive_power_and_are_removed_by_number),
		cmocka_unit_test(no_changed_bit_is_executed),
		cmocka_unit_test(consumer_cards_know_no_packages),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
