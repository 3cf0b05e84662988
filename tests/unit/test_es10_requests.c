/* Every ES10 request, octet by octet as in the worked examples; texts and numbers of ES10. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>

#include "core/util.h"
#include "euicc/es10a.h"
#include "euicc/es10b.h"
#include "euicc/es10c.h"
#include "support/examples.h"

static uint8_t store[8192];

#define OCTETS(lit) octets_from(lit, sizeof(lit) - 1)
#define ICCID_A OCTETS("\x98\x00\x10\x32\x54\x76\x98\x10\x32\x14")
#define ICCID_B OCTETS("\x98\x00\x10\x32\x54\x76\x98\x10\x32\x24")

static struct tlv_out writer(void)
{
	memset(store, 0xa5, sizeof(store));
	return (struct tlv_out){ .buf = store, .cap = sizeof(store) };
}

static void check(const struct tlv_out *w, const char *title, struct octets want)
{
	size_t n;

	print_message("%s\n", title);
	assert_int_equal(tlv_done(w, &n), 0);
	assert_int_equal(n, want.n);
	assert_memory_equal(w->buf, want.p, n);
}

/* Puts a request with the given call and compares it with the example of that title. */
#define REQUEST(title, call)                         \
	do {                                         \
		struct tlv_out w = writer();         \
		call;                                \
		check(&w, title, example(title));    \
	} while (0)

static void addresses_and_identity(void **state)
{
	static const struct text dp = TEXT("dp.example"), none = TEXT("");

	(void)state;
	REQUEST("GetEID request", es10c_get_eid_encode(&w));
	REQUEST("GetEuiccConfiguredAddresses request", es10a_get_addresses_encode(&w));
	REQUEST("SetDefaultDpAddress, consumer card",
		es10a_set_default_dp_encode(&w, ES10A_SET_DEFAULT_DP, dp));
	REQUEST("SetDefaultDpAddress, IoT card",
		es10a_set_default_dp_encode(&w, ES10B_SET_DEFAULT_DP, dp));
	REQUEST("SetDefaultDpAddress \"x\" request",
		es10a_set_default_dp_encode(&w, ES10A_SET_DEFAULT_DP, TEXT("x")));
	REQUEST("SetDefaultDpAddress, clear (zero length)",
		es10a_set_default_dp_encode(&w, ES10A_SET_DEFAULT_DP, none));
	REQUEST("GetEUICCChallenge request", es10b_get_challenge_encode(&w));
	REQUEST("GetEUICCInfo1 request", es10b_get_info1_encode(&w));
	REQUEST("GetEUICCInfo2 request", es10b_get_info2_encode(&w));
	REQUEST("GetRAT request", es10b_get_rat_encode(&w));
}

static void profiles(void **state)
{
	struct es10c_id all = { 0 }, a = { .iccid = ICCID_A }, b = { .iccid = ICCID_B };

	(void)state;
	REQUEST("GetProfilesInfo, ICCID and state only",
		es10c_get_profiles_encode(&w, all, OCTETS("\x5a\x9f\x70")));
	REQUEST("GetProfilesInfo, all SGP.32 tags",
		es10c_get_profiles_encode(&w, all, OCTETS("\x5a\x4f\x9f\x70\x91\x92\x95\x9f\x7b"
							  "\x9f\x26\x9f\x67")));
	REQUEST("listProfileInfo by ICCID", es10c_get_profiles_encode(&w, a, (struct octets){ 0 }));
	REQUEST("EnableProfile (consumer, ICCID B, REFRESH)", es10c_enable_encode(&w, b, true));
	REQUEST("DisableProfile (ICCID A, REFRESH)", es10c_disable_encode(&w, a, true));
	REQUEST("DeleteProfile (ICCID B)", es10c_delete_encode(&w, b));
	REQUEST("SetNickname (ICCID A, \"main\")",
		es10c_set_nickname_encode(&w, ICCID_A, TEXT("main")));
	REQUEST("v1.0 | eUICCMemoryReset: operational profiles and eIM configuration",
		es10c_memory_reset_encode(&w, ES10C_RESET_OPERATIONAL | ES10C_RESET_V10_EIMS));
}

static void notifications(void **state)
{
	(void)state;
	REQUEST("ListNotification request", es10b_list_notification_encode(&w, 0));
	REQUEST("RetrieveNotificationsList request (notifications)", es10b_retrieve_all_encode(&w));
	REQUEST("RetrieveNotificationsList request (seq 21)", es10b_retrieve_seq_encode(&w, 21));
	REQUEST("RetrieveNotificationsList request (enable events)",
		es10b_retrieve_events_encode(&w, ES10_EVENT_ENABLE));
	REQUEST("RetrieveNotificationsList request (package results)",
		es10b_retrieve_package_results_encode(&w));
	REQUEST("RemoveNotificationFromList request (21)", es10b_remove_notification_encode(&w, 21));
}

/* Written as a negative INTEGER, cards answer undefinedError. */
static void sequence_numbers_stay_positive(void **state)
{
	struct tlv_out w = writer();

	(void)state;
	es10b_retrieve_seq_encode(&w, 188);
	check(&w, "seq 188", octets_of_hex("BF2B06A004800200BC"));
	w = writer();
	es10b_remove_notification_encode(&w, UINT32_MAX);
	check(&w, "seq 2^32-1", octets_of_hex("BF3007800500FFFFFFFF"));
}

static void eims_and_switches(void **state)
{
	struct octets oid = OCTETS("\x2a\x03");
	struct es10b_eim eim;

	(void)state;
	REQUEST("GetEimConfigurationDataRequest (all)", es10b_get_eims_encode(&w, (struct octets){ 0 }));
	REQUEST("GetEimConfigurationDataRequest (eim2)", es10b_get_eims_encode(&w, OCTETS("eim2")));
	REQUEST("GetCerts request, any CI", es10b_get_certs_encode(&w, (struct octets){ 0 }));
	REQUEST("GetCerts request, given CI",
		es10b_get_certs_encode(&w, example("CI key identifier")));
	assert_int_equal(es10b_eim_decode(example_after("AddInitialEimRequest", -1), &eim), 0);
	REQUEST("AddInitialEimRequest", es10b_add_initial_eim_encode(&w, &eim, 1));
	REQUEST("AddInitialEimRequest",
		es10b_add_initial_eim_put_raw(&w, example_after("AddInitialEimRequest", -1)));
	REQUEST("addEim", es10b_eim_put(&w, 0xa8, &eim));
	REQUEST("ProfileRollback request (REFRESH wanted)",
		es10b_switch_encode(&w, ES10B_PROFILE_ROLLBACK, true));
	REQUEST("ConfigureImmediateProfileEnabling (flag, 1.2.3, dp.example)",
		es10b_configure_immediate_encode(&w, true, oid, TEXT("dp.example")));
	REQUEST("ImmediateEnable (no REFRESH)",
		es10b_switch_encode(&w, ES10B_IMMEDIATE_ENABLE, false));
	REQUEST("v1.0 | EnableUsingDD", es10b_enable_using_dd_encode(&w));
	REQUEST("EnableEmergencyProfile (REFRESH)",
		es10b_switch_encode(&w, ES10B_ENABLE_EMERGENCY, true));
	REQUEST("DisableEmergencyProfile (no REFRESH)",
		es10b_switch_encode(&w, ES10B_DISABLE_EMERGENCY, false));
	REQUEST("ExecuteFallbackMechanism (REFRESH)",
		es10b_switch_encode(&w, ES10B_EXECUTE_FALLBACK, true));
	REQUEST("ReturnFromFallback (REFRESH)",
		es10b_switch_encode(&w, ES10B_RETURN_FROM_FALLBACK, true));
	REQUEST("GetConnectivityParameters request", es10b_get_connectivity_encode(&w));
	REQUEST("eUICCMemoryReset v1.1+ (operational, default SM-DP+, eIM configuration, "
		"immediate enable)",
		es10b_memory_reset_encode(&w, ES10B_RESET_OPERATIONAL | ES10B_RESET_DEFAULT_DP |
						      ES10B_RESET_EIMS | ES10B_RESET_IMMEDIATE));
	REQUEST("IpaeActivation", es10b_ipae_activation_encode(&w, true));
}

static void device_info_is_written_with_the_odd_imei(void **state)
{
	uint8_t tac[4], imei[8];
	struct es10b_device d = {
		.tac = { tac, 4 }, .imei = { imei, 8 }, .gsm = { 15, 0, 0 }, .eutran = { 15, 0, 0 },
	};

	(void)state;
	assert_int_equal(es10b_imei_from_text(TEXT("352906110000017"), tac, imei), 0);
	assert_memory_equal(imei, example("IMEI 35290611-000001-7").p, 8);
	assert_memory_equal(tac, example("TAC 35290611").p, 4);
	REQUEST("DeviceInfo (A9)", es10b_device_put(&w, 0xa9, &d));
	assert_int_equal(es10b_imei_from_text(TEXT("35290611000001"), tac, imei), -EINVAL);
	assert_int_equal(es10b_imei_from_text(TEXT("35290611000001A"), tac, imei), -EINVAL);
}

/* A whole download's requests, made from their parts. */
static void download(const char *path, const char *matching_id, bool cc)
{
	struct json_object *s = vectors_json(path);
	struct es10b_authenticate a = { 0 };
	struct es10b_prepare p = { 0 };
	struct es10b_server_signed1 signed1;
	struct es10b_smdp_signed2 signed2;
	struct es10b_device d = {
		.tac = OCTETS("\x12\x34\x56\x78"), .eutran = { 15, 0, 0 },
	};
	struct octets want = json_octets(s, "authenticateServerRequest");
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, want), body = tlv_enter(&top, 0xbf38);
	struct tlv_out w = writer();
	uint32_t tag;

	es10b_ctx_params_put(&w, matching_id ? octets_from(matching_id, strlen(matching_id))
					     : (struct octets){ 0 }, &d);
	check(&w, path, json_octets(s, "ctxParams1"));

	a.server_signed1 = json_octets(s, "serverSigned1");
	a.server_signature1 = json_octets(s, "serverSignature1");
	a.ctx_params = json_octets(s, "ctxParams1");
	tlv_skip(&body);
	tlv_skip(&body);
	a.ci_pkid = tlv_take_whole(&body, &tag);
	a.certificate = tlv_take_whole(&body, &tag);
	w = writer();
	es10b_authenticate_encode(&w, &a);
	check(&w, path, want);
	assert_int_equal(es10b_server_signed1_decode(a.server_signed1, &signed1), 0);
	assert_true(octets_same(signed1.transaction_id, json_octets(s, "transactionId")));
	assert_int_equal(signed1.euicc_challenge.n, 16);
	assert_int_equal(signed1.server_challenge.n, 16);
	assert_true(text_eq(octets_text(signed1.address), "smdpp.rsp.test"));

	want = json_octets(s, "prepareDownloadRequest");
	p.signed2 = json_octets(s, "smdpSigned2");
	p.signature2 = json_octets(s, "smdpSignature2");
	if (cc)
		p.hash_cc = json_octets(s, "hashCc");
	top = tlv_open(&doc, want);
	body = tlv_enter(&top, 0xbf21);
	tlv_skip(&body);
	tlv_skip(&body);
	tlv_maybe(&body, 0x04);
	p.certificate = tlv_take_whole(&body, &tag);
	w = writer();
	es10b_prepare_encode(&w, &p);
	check(&w, path, want);
	assert_int_equal(es10b_smdp_signed2_decode(p.signed2, &signed2), 0);
	assert_int_equal(signed2.cc_required, cc);
	assert_true(octets_same(signed2.transaction_id, signed1.transaction_id));
	json_object_put(s);
}

static void downloads(void **state)
{
	(void)state;
	download("tests/vectors/rsp/session/nist-cc-ppk.json", "TEST-0001", true);
	download("tests/vectors/rsp/session/nist-cc-ppk-retry.json", "TEST-0001", true);
	download("tests/vectors/rsp/session/nist-small-ppk.json", "", false);
	download("tests/vectors/rsp/session/brp-session-keys.json", NULL, false);
	REQUEST("ES10b CancelSession request (postponed)",
		es10b_cancel_session_encode(&w, example("SM-DP+ transactionId"), ES10B_POSTPONED));
}

static void what_does_not_fit_is_said(void **state)
{
	uint8_t small[8];
	struct tlv_out w = { .buf = small, .cap = sizeof(small) };
	size_t n = 99;

	(void)state;
	es10c_enable_encode(&w, (struct es10c_id){ .iccid = ICCID_A }, true);
	assert_int_equal(tlv_done(&w, &n), -EMSGSIZE);
	assert_int_equal(n, 99);
}

static void iccid_texts(void **state)
{
	static const struct {
		const char *digits;
		const char *hex;        /* NULL: refused */
	} rows[] = {
		{ "89000123456789012341", "98001032547698103214" },
		{ "8900000000000000011", "980000000000000010F1" },
		{ "890000000000000001", "980000000000000010FF" },
		{ "8900000000000000", NULL },                   /* too short */
		{ "890001234567890123411", NULL },              /* too long */
		{ "8900012345678901234A", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t iccid[ES10_ICCID_OCTETS] = { 0 };
		char text[ES10_ICCID_TEXT_MAX];

		print_message("%s\n", rows[i].digits);
		if (!rows[i].hex) {
			assert_int_equal(es10_iccid_from_text(text_of(rows[i].digits), iccid), -EINVAL);
			assert_int_equal(iccid[0], 0);
			continue;
		}
		assert_int_equal(es10_iccid_from_text(text_of(rows[i].digits), iccid), 0);
		assert_memory_equal(iccid, octets_of_hex(rows[i].hex).p, 10);
		assert_int_equal(es10_iccid_text(octets_from(iccid, 10), text), 0);
		assert_string_equal(text, rows[i].digits);
	}
}

static void bad_iccids_have_no_text(void **state)
{
	static const char *const rows[] = {
		"FFFFFFFFFFFFFFFFFFFF", "980010325476981032", "98F01032547698103214",
		"9A001032547698103214", "9800103254769810321F", "",
	};
	char text[ES10_ICCID_TEXT_MAX] = "kept";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(es10_iccid_text(octets_of_hex(rows[i]), text), -EINVAL);
		assert_string_equal(text, "kept");
	}
}

static void eid_texts_and_check_digits(void **state)
{
	static const char good[] = "89049032123451234512345678901235";
	uint8_t eid[ES10_EID_OCTETS];
	char text[ES10_EID_TEXT_MAX], bad[sizeof(good)];

	(void)state;
	assert_int_equal(es10_eid_from_text(TEXT(good), eid), 0);
	assert_memory_equal(eid, example("EID").p, 16);
	assert_int_equal(es10_eid_text(example("EID"), text), 0);
	assert_string_equal(text, good);
	/* Every single wrong digit is found. */
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i] = bad[i] == '9' ? '0' : (char)(bad[i] + 1);
		assert_int_equal(es10_eid_from_text(text_of(bad), eid), -EINVAL);
	}
	assert_int_equal(es10_eid_from_text(TEXT("8904903212345123451234567890123"), eid), -EINVAL);
	assert_int_equal(es10_eid_text(octets_of_hex("8904"), text), -EINVAL);
	assert_int_equal(es10_eid_text(octets_of_hex("8904903212345123451234567890123A"), text),
			 -EINVAL);
}

static void plmn_texts(void **state)
{
	static const struct {
		const char *hex, *text;
	} rows[] = {
		{ "62F210", "262-01" }, { "130014", "310-410" }, { "EEEEEE", "***-***" },
		{ "6AF210", NULL }, { "F6F210", NULL }, { "62FF10", NULL }, { "62F2", NULL },
	};
	char text[ES10_PLMN_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = es10_plmn_text(octets_of_hex(rows[i].hex), text);

		print_message("%s\n", rows[i].hex);
		assert_int_equal(r, rows[i].text ? 0 : -EINVAL);
		if (rows[i].text)
			assert_string_equal(text, rows[i].text);
	}
}

static void bits_come_and_go(void **state)
{
	static const struct {
		const char *hex;
		uint32_t bits;
		bool exact;     /* it is the DER form */
	} rows[] = {
		{ "0780", ES10_EVENT_INSTALL, true }, { "0640", ES10_EVENT_ENABLE, true },
		{ "0520", ES10_EVENT_DISABLE, true }, { "0410", ES10_EVENT_DELETE, true },
		{ "04F0", ES10_EVENT_ALL, true }, { "00", 0, true }, { "0480", 1, false },
		{ "0440", 2, false }, { "067F36C0", 0x36cfe, false }, { "FF80", 1, false },
		{ "000000000001", 1u << 31, false }, { "0000000001", 1u << 31, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets v = octets_of_hex(rows[i].hex);
		struct tlv_out w = writer();
		uint32_t bits = 0xdead;

		print_message("%s\n", rows[i].hex);
		assert_int_equal(es10_bits_from(v, &bits), 0);
		if (rows[i].exact) {
			assert_int_equal(bits, rows[i].bits);
			es10_bits_put(&w, 0x81, rows[i].bits);
			assert_int_equal(store[1], v.n);
			assert_memory_equal(store + 2, v.p, v.n);
		}
	}
	assert_int_equal(es10_bits_from((struct octets){ 0 }, &(uint32_t){ 0 }), -EINVAL);
}

static void every_function_has_a_name_a_tag_and_patience(void **state)
{
	(void)state;
	for (int f = 0; f < _ES10_FUNCTION_MAX; f++) {
		assert_non_null(es10_function_name((enum es10_function)f));
		assert_true(es10_function_tag((enum es10_function)f) >> 8 == 0xbf);
		assert_true(es10_patience_ms((enum es10_function)f) >= 10000);
		assert_string_equal(es10_result_name((enum es10_function)f, 0), "ok");
		assert_string_equal(es10_result_name((enum es10_function)f, 99), "unknown");
	}
	assert_string_equal(es10_result_name(ES10C_ENABLE, 1), "iccidOrAidNotFound");
	assert_string_equal(es10_result_name(ES10C_DISABLE, 2), "profileNotInEnabledState");
	assert_string_equal(es10_result_name(ES10B_PROFILE_ROLLBACK, 127), "undefinedError");
	assert_string_equal(es10_event_name(ES10_EVENT_DELETE), "delete");
	assert_string_equal(es10_event_name(0), "unknown");
}

static void versions(void **state)
{
	struct es10_version v;
	char text[ES10_VERSION_TEXT_MAX];

	(void)state;
	assert_int_equal(es10_version_from(OCTETS("\x02\xff\x00"), &v), 0);
	assert_string_equal(es10_version_text(v, text), "2.255.0");
	assert_int_equal(es10_version_from(OCTETS("\x02\x01"), &v), -EINVAL);
	assert_true(es10_version_compare((struct es10_version){ 1, 2, 0 },
					 (struct es10_version){ 1, 1, 9 }) > 0);
	assert_true(es10_version_compare((struct es10_version){ 1, 2, 0 },
					 (struct es10_version){ 2, 0, 0 }) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_identity),
		cmocka_unit_test(profiles),
		cmocka_unit_test(notifications),
		cmocka_unit_test(sequence_numbers_stay_positive),
		cmocka_unit_test(eims_and_switches),
		cmocka_unit_test(device_info_is_written_with_the_odd_imei),
		cmocka_unit_test(downloads),
		cmocka_unit_test(what_does_not_fit_is_said),
		cmocka_unit_test(iccid_texts),
		cmocka_unit_test(bad_iccids_have_no_text),
		cmocka_unit_test(eid_texts_and_check_digits),
		cmocka_unit_test(plmn_texts),
		cmocka_unit_test(bits_come_and_go),
		cmocka_unit_test(every_function_has_a_name_a_tag_and_patience),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
