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
#include "support/eimdesk.h"
#include "support/examples.h"
#include "support/hexjson.h"
#include "support/rspcard.h"

#define EID EIMDESK_EID
#define A EIMDESK_A
#define B EIMDESK_B
#define OTHER EIMDESK_OTHER

/* --- worked examples -------------------------------------------------------------------------- */

static void the_worked_package_ends_in_the_worked_result(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	eimdesk_same(eimdesk_example(&d, "EuiccPackageRequest 1"),
		     "EuiccPackageResult 1: enable ok, list");
	assert_true(eimdesk_enabled(&d, A));
	eimdesk_again(&d);
	assert_true(eimdesk_enabled(&d, B));
	eimdesk_same(eimdesk_example(&d, "RetrieveNotificationsList request (package results)"),
		"RetrieveNotificationsList response, one package result");
	eimdesk_same(eimdesk_example(&d, "EuiccPackageRequest 1"),
		"Replay of the same package: replayError, signed");
	/* The notifications of the switch took two numbers; the example counts without them. */
	eimdesk_state(&d)->next_seq = 22;
	eimdesk_same(talk_es10(&d.t, "BF58038001FF"),
		"ProfileRollback response: ok with a new signed result (sequence number 22)");
	eimdesk_again(&d);
	assert_true(eimdesk_enabled(&d, A));
	/* The first result is gone, and so is the grant. */
	assert_string_equal(talk_es10(&d.t, "BF2B05A003800115"), "BF2B02A000");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	eimdesk_close(&d);

	eimdesk_open_bare(&d, "iot", _VE_VERSION_MAX);
	eimdesk_same(eimdesk_example(&d, "EuiccPackageRequest 1"),
		     "Unknown eimId (no token): unsigned error");
	eimdesk_state(&d)->next_token = 5;
	eimdesk_add_eim(&d, true, eimdesk_key());
	eimdesk_same(eimdesk_example(&d, "EuiccPackageRequest 1"),
		"Bad signature, association token 5 configured: unsigned error");
	eimdesk_close(&d);
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
		  "BF2D30A02EE32C5A0A" A
		  "4F10A0000005591010FFFFFFFF89000011009F70010191025350920141"
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
		struct eimdesk d;
		struct octets o = example(rows[i].title);
		char list[512];

		eimdesk_open(&d, "iot");
		hex_encode(o.p, o.n, list, sizeof(list));
		rspcard_same(eimdesk_results(&d, eimdesk_list(&d, rows[i].tag, list)),
			     rows[i].results);
		eimdesk_close(&d);
	}
}

/* --- checks ----------------------------------------------------------------------------------- */

static void checks_come_in_their_order(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	/* Everything is wrong: first the eIM, then the signature, the EID, the counter. */
	d.counter = 9;
	eimdesk_psmos(&d, "A600");
	d.eid = "89049032000000000000000000000163";
	d.eim = "65696D39";
	rspcard_same(eimdesk_send(&d, "810101A002A600", true), "BF5108A206800465696D39");
	d.eim = "65696D31";
	rspcard_same(eimdesk_send(&d, "810101A002A600", true), "BF5108A206800465696D31");
	assert_int_equal(strncmp(eimdesk_send(&d, "810101A002A600", false),
				 "BF5153A151300C800465696D31810101020103", 38), 0);
	d.eid = EID;
	eimdesk_state(&d)->emergency_active = 1;
	assert_non_null(strstr(eimdesk_send(&d, "810101A002A600", false), "810101020168"));
	eimdesk_state(&d)->emergency_active = 0;
	assert_non_null(strstr(eimdesk_send(&d, "810101A002A600", false), "810101020104"));
	assert_non_null(strstr(eimdesk_send(&d, "810109A002A600", false), "810109020104"));
	assert_non_null(strstr(eimdesk_send(&d, "8101FFA002A600", false), "8101FF020104"));
	assert_non_null(strstr(eimdesk_send(&d, "810400800000A002A600", false),
			       "810400800000020106"));
	assert_non_null(strstr(eimdesk_send(&d, "8106010000000000A002A600", false),
			       "8106010000000000020106"));
	/* None of these was counted; steps may be larger than one, up to the last number. */
	assert_non_null(strstr(eimdesk_send(&d, "81020100A002A600", false), "A600"));
	assert_non_null(strstr(eimdesk_send(&d, "81037FFFFFA002A600", false), "A600"));
	assert_non_null(strstr(eimdesk_send(&d, "81037FFFFFA002A600", false), "81037FFFFF020104"));
	eimdesk_close(&d);
}

static void what_is_no_package_is_answered_unsigned(void **state)
{
	static const char *const rows[] = {
		"BF510F300D800465696D315A030000008100",           /* it breaks off */
		"BF5100",
		"BF51023000",
		"BF51083006800465696D31",
	};
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *r = talk_es10(&d.t, rows[i]);

		if (strncmp(r, "BF51", 4) || strncmp(r + 6, "A2", 2))
			fail_msg("%s: %s", rows[i], r);
	}
	/* A list of neither kind, rightly signed. */
	assert_int_equal(strncmp(eimdesk_send(&d, "810101A202A600", false) + 6, "A2", 2), 0);
	eimdesk_close(&d);
}

static void sizes_have_their_limits(void **state)
{
	static char list[4 * 8400 + 1];
	struct eimdesk d;
	uint8_t icon[1024] = { 1 };

	(void)state;
	eimdesk_open(&d, "iot");
	/* Larger than a package may be. */
	for (size_t i = 0; i < 8400; i++)
		memcpy(list + 4 * i, "A600", 4);
	assert_non_null(strstr(eimdesk_list(&d, 0xa0, list), "02010F"));
	/* Not counted. */
	d.counter = 0;
	eimdesk_psmos(&d, "A600");
	/* Results that do not fit: two icons of a kilobyte, twenty times. */
	for (size_t i = 0; i < 2; i++) {
		blob_set(&eimdesk_state(&d)->profiles[i].field[VE_ICON], icon, sizeof(icon));
		blob_set(&eimdesk_state(&d)->profiles[i].field[VE_ICON_TYPE], icon, 1);
	}
	list[0] = 0;
	for (size_t i = 0; i < 20; i++)
		strcat(list, "BF2D045C029394");
	{
		const char *r = eimdesk_psmos(&d, list);

		assert_true(strlen(r) > 2 * 28000);
		assert_string_equal(r + strlen(r) - 6, "020101");
	}
	eimdesk_close(&d);
}

/* --- PSMOs ------------------------------------------------------------------------------------ */

#define ENABLE(x)  "A30C5A0A" x
#define ENABLE_R(x) "A30E5A0A" x "0500"
#define DISABLE(x) "A40C5A0A" x
#define DELETE(x)  "A50C5A0A" x
#define LIST       "BF2D055C035A9F70"
#define LISTED(a, b) "BF2D26A024E3105A0A" A "9F7001" a "E3105A0A" B "9F7001" b

static void no_profile_is_enabled(struct eimdesk *d)
{
	eimdesk_state(d)->profiles[0].enabled = 0;
}

static void a_must_stay_enabled(struct eimdesk *d)
{
	blob_set(&eimdesk_state(d)->profiles[0].field[VE_PPR], "\x06\x40", 2);
}

static void b_must_not_be_deleted(struct eimdesk *d)
{
	blob_set(&eimdesk_state(d)->profiles[1].field[VE_PPR], "\x05\x20", 2);
}

static void b_has_fallback(struct eimdesk *d)
{
	blob_set(&eimdesk_state(d)->profiles[1].field[VE_FALLBACK], "\xff", 1);
}

static void a_may_and_has_fallback(struct eimdesk *d)
{
	blob_set(&eimdesk_state(d)->profiles[0].field[VE_FALLBACK_ALLOWED], "\xff", 1);
	blob_set(&eimdesk_state(d)->profiles[0].field[VE_FALLBACK], "\xff", 1);
}

static void fallback_returns_to_b(struct eimdesk *d)
{
	eimdesk_state(d)->fallback_active = 1;
	blob_copy(&eimdesk_state(d)->fallback_return,
		  blob_octets(&eimdesk_state(d)->profiles[1].field[VE_AID]));
}

static const struct {
	const char *what, *list, *results;
	void (*before)(struct eimdesk *d);
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
	{ "rollback wanted, nothing to go back to", ENABLE_R(B), "830114", no_profile_is_enabled,
	  "" },
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
	{ "list behind enable shows what was", ENABLE(B) LIST, "830100" LISTED("01", "00"), NULL,
	  B },
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
	{ "default address, damaged", "BF6503810164", "BF650380017F" },
	{ "immediate, damaged", "A703800101", "870107" },
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
		struct eimdesk d;
		const char *r;

		eimdesk_open(&d, "iot");
		if (operations[i].before)
			operations[i].before(&d);
		r = eimdesk_psmos(&d, operations[i].list);
		if (strcmp(r, operations[i].results))
			fail_msg("%s: %s", operations[i].what, r);
		assert_int_equal(eimdesk_state(&d)->eims[0].counter, d.counter);
		eimdesk_again(&d);
		if (!eimdesk_enabled(&d, operations[i].enabled ? operations[i].enabled : A))
			fail_msg("%s: another profile is enabled", operations[i].what);
		eimdesk_close(&d);
	}
}

static void cards_may_list_what_will_be(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot-list-after");
	assert_string_equal(eimdesk_psmos(&d, ENABLE(B) LIST), "830100" LISTED("00", "01"));
	eimdesk_close(&d);
}

static void a_busy_cat_is_told(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	assert_string_equal(eimdesk_psmos(&d, ENABLE(B)), "830100");
	/* The REFRESH has not been fetched. */
	assert_string_equal(eimdesk_psmos(&d, ENABLE(A)), "830105");
	assert_string_equal(eimdesk_psmos(&d, DISABLE(B)), "840105");
	assert_string_equal(eimdesk_psmos(&d, LIST), LISTED("01", "00"));
	eimdesk_again(&d);
	assert_string_equal(eimdesk_psmos(&d, LIST), LISTED("00", "01"));
	eimdesk_close(&d);
}

static void the_first_edition_knows_less(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open_bare(&d, "iot", VE_SGP32_10);
	eimdesk_add_eim(&d, false, eimdesk_key());
	assert_string_equal(eimdesk_psmos(&d, "A80C5A0A" B), "020102");
	assert_string_equal(eimdesk_psmos(&d, "A900"), "020102");
	assert_string_equal(eimdesk_psmos(&d, "BF6503800178"), "020102");
	no_profile_is_enabled(&d);
	assert_string_equal(eimdesk_psmos(&d, ENABLE_R(B)), "83017F");
	/* No transaction in what is not signed. */
	assert_string_equal(eimdesk_send(&d, "8101098202123400", true), "BF5108A206800465696D31");
	eimdesk_close(&d);
	eimdesk_open_bare(&d, "iot", VE_SGP32_13);
	eimdesk_add_eim(&d, false, eimdesk_key());
	assert_string_equal(talk_es10(&d.t, "BF51083006800465696D31"),
			    "BF510BA209800465696D318F017F");
	eimdesk_close(&d);
}

/* --- eCOs ------------------------------------------------------------------------------------- */

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
		struct eimdesk d;
		const char *r;

		eimdesk_open(&d, "iot");
		r = eimdesk_ecos(&d, rows[i].list);
		if (strcmp(r, rows[i].results))
			fail_msg("%s: %s", rows[i].what, r);
		eimdesk_close(&d);
	}
}

/* A lower counter comes with another key only, and stays the lower one then. */
static void counters_go_back_with_another_key_only(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	d.counter = 99;
	eimdesk_psmos(&d, "A600");
	assert_string_equal(eimdesk_ecos(&d, "AA09800465696D31830105"), "8A0106");
	assert_int_equal(eimdesk_state(&d)->eims[0].counter, 101);
	assert_string_equal(eimdesk_ecos(&d, "AA66800465696D31830105" KEY), "8A0100");
	assert_int_equal(eimdesk_state(&d)->eims[0].counter, 5);
	d.counter = 5;
	eimdesk_psmos(&d, "A600");
	eimdesk_close(&d);
}

static void an_eim_that_comes_back_counts_anew(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	d.counter = 49;
	assert_string_equal(eimdesk_ecos(&d, "A906800465696D31A866800465696D31830103" KEY),
			    "890102A803020100");
	assert_int_equal(eimdesk_state(&d)->eims[0].counter, 3);
	d.counter = 3;
	eimdesk_psmos(&d, "A600");
	eimdesk_close(&d);
}

static void tokens_bind_packages_to_one_association(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open_bare(&d, "iot", _VE_VERSION_MAX);
	eimdesk_state(&d)->next_token = 128;
	eimdesk_add_eim(&d, true, eimdesk_key());
	assert_int_equal(
		strncmp(eimdesk_list(&d, 0xa0, "A600"), "BF5110A20E800465696D3182021234", 30), 0);
	d.token = "84020080";
	eimdesk_psmos(&d, "A600");
	/* Its own last result is signed with the token that it had. */
	assert_string_equal(eimdesk_ecos(&d, "A906800465696D31"), "890102");
	eimdesk_add_eim(&d, true, eimdesk_key());
	d.counter = 5;
	assert_int_equal(strncmp(eimdesk_list(&d, 0xa0, "A600") + 6, "A2", 2), 0);
	d.token = "84020081";
	eimdesk_psmos(&d, "A600");
	eimdesk_close(&d);
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
			struct eimdesk d;

			tlv_put_octets(&w, 0xa1, bare ? cert : tlv_take(&top, 0x30));
			hex_encode(raw, w.len, digits, sizeof(digits));
			eimdesk_open_bare(&d, "iot", _VE_VERSION_MAX);
			d.curve = k;
			d.secret = rspcard_secret(&names, "eimsign");
			{
				/* Too long for the helper's buffers: put in by hand. */
				struct ve_eim *m =
					&eimdesk_state(&d)->eims[eimdesk_state(&d)->n_eims++];

				blob_copy(&m->field[VE_EIM_ID], octets_of_hex(d.eim));
				blob_set(&m->field[VE_EIM_KEY], raw, w.len);
			}
			assert_string_equal(eimdesk_psmos(&d, "A600"), "A600");
			d.secret = example("EIM");
			assert_int_equal(strncmp(eimdesk_list(&d, 0xa0, "A600") + 6, "A2", 2), 0);
			eimdesk_close(&d);
		}
}

/* --- rollback --------------------------------------------------------------------------------- */

static void a_rollback_is_granted_once_and_taken_back(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open(&d, "iot");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(eimdesk_psmos(&d, ENABLE(B)), "830100");
	eimdesk_again(&d);
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(eimdesk_psmos(&d, ENABLE_R(A)), "830100");
	/* The switch is still going on. */
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020105");
	eimdesk_again(&d);
	/* Any accepted package takes it back; one that is refused does not. */
	eimdesk_send(&d, "810101A002A600", false);
	assert_int_equal(eimdesk_state(&d)->rollback_granted, 1);
	eimdesk_psmos(&d, "A600");
	assert_string_equal(talk_es10(&d.t, "BF58038001FF"), "BF5803020101");
	assert_string_equal(eimdesk_psmos(&d, ENABLE_R(B)), "830100");
	eimdesk_again(&d);
	/* Damaged calls; a BOOLEAN with its own tag is taken. Over a loss of power it is kept. */
	assert_string_equal(talk_es10(&d.t, "BF5800"), "BF5803020107");
	assert_string_equal(talk_es10(&d.t, "BF58028000"), "BF5803020107");
	talk_power_off(&d.t);
	talk_shut(&d.t);
	talk_open(&d.t, NULL);
	talk_isdr(&d.t);
	assert_int_equal(strncmp(talk_es10(&d.t, "BF5803010100"), "BF58", 4), 0);
	assert_true(eimdesk_enabled(&d, A));
	eimdesk_close(&d);
}

/* --- what lasts ------------------------------------------------------------------------------- */

static void results_outlive_power_and_are_removed_by_number(void **state)
{
	struct eimdesk d;
	char want[640], first[512];

	(void)state;
	eimdesk_open(&d, "iot");
	snprintf(first, sizeof(first), "%s", eimdesk_list(&d, 0xa0, ENABLE(B)));
	talk_power_off(&d.t);
	talk_shut(&d.t);
	talk_open(&d.t, NULL);
	talk_isdr(&d.t);
	assert_true(eimdesk_enabled(&d, B));
	assert_int_equal(eimdesk_state(&d)->eims[0].counter, 1);
	snprintf(want, sizeof(want), "BF2B%02zXA2%02zX%s", strlen(first) / 2 + 2,
		 strlen(first) / 2, first);
	rspcard_same(talk_es10(&d.t, "BF2B04A0028200"), want);
	/* Two notifications of the switch beside it. */
	assert_int_equal(eimdesk_state(&d)->n_notes, 3);
	assert_string_equal(talk_es10(&d.t, "BF3003800115"), "BF3003800100");
	assert_string_equal(talk_es10(&d.t, "BF2B04A0028200"), "BF2B02A200");
	eimdesk_close(&d);
}

static void no_changed_bit_is_executed(void **state)
{
	struct eimdesk d;
	struct octets good = example("EuiccPackageRequest 1");
	uint8_t bad[256];
	char digits[512];

	(void)state;
	eimdesk_open(&d, "iot");
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
	assert_int_equal(eimdesk_state(&d)->n_notes, 0);
	assert_int_equal(eimdesk_state(&d)->eims[0].counter, 0);
	eimdesk_same(eimdesk_example(&d, "EuiccPackageRequest 1"),
		     "EuiccPackageResult 1: enable ok, list");
	eimdesk_close(&d);
}

static void consumer_cards_know_no_packages(void **state)
{
	struct eimdesk d;

	(void)state;
	eimdesk_open_bare(&d, "classic-consumer", _VE_VERSION_MAX);
	assert_int_equal(strlen(eimdesk_example(&d, "EuiccPackageRequest 1")), 4);
	assert_int_equal(strlen(talk_es10(&d.t, "BF58038001FF")), 4);
	eimdesk_close(&d);
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
		cmocka_unit_test(an_eim_that_comes_back_counts_anew),
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
