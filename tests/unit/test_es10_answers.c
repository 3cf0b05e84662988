/* Every ES10 answer of the worked examples and of real cards, decoded; and each one cut short. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "core/util.h"
#include "euicc/es10a.h"
#include "euicc/es10b.h"
#include "euicc/es10c.h"
#include "support/card_script.h"
#include "support/es10_decoders.h"
#include "support/examples.h"
#include "unit/fake_ev.h"

#define assert_octets(o, want_hex)                                      \
	do {                                                            \
		struct octets want_ = octets_of_hex(want_hex);          \
		assert_int_equal((o).n, want_.n);                       \
		assert_memory_equal((o).p, want_.p, want_.n);           \
	} while (0)

#define assert_text(o, s) assert_true(text_eq(octets_text(o), s))

static void codes(void **state)
{
	static const struct {
		const char *request;
		int rows;
		enum es10_function f;
		int code;
		const char *name;
	} rows[] = {
		{ "SetDefaultDpAddress, consumer card", 1, ES10A_SET_DEFAULT_DP, 0, "ok" },
		{ "SetDefaultDpAddress, IoT card", 1, ES10B_SET_DEFAULT_DP, 0, "ok" },
		{ "RemoveNotificationFromList request (21)", 1, ES10B_REMOVE_NOTIFICATION, 0, "ok" },
		{ "RemoveNotificationFromList request (21)", 2, ES10B_REMOVE_NOTIFICATION, 1,
		  "nothingToDelete" },
		{ "ConfigureImmediateProfileEnabling (flag, 2.999, \"x\")", 1,
		  ES10B_CONFIGURE_IMMEDIATE, 2, "associatedEimAlreadyExists" },
		{ "ImmediateEnable (no REFRESH)", 1, ES10B_IMMEDIATE_ENABLE, 0, "ok" },
		{ "EnableEmergencyProfile (REFRESH)", 1, ES10B_ENABLE_EMERGENCY, 8,
		  "ecallNotAvailable" },
		{ "ExecuteFallbackMechanism (REFRESH)", 1, ES10B_EXECUTE_FALLBACK, 0, "ok" },
		{ "ExecuteFallbackMechanism (REFRESH)", 2, ES10B_EXECUTE_FALLBACK, 104, "ecallActive" },
		{ "ReturnFromFallback (REFRESH)", 1, ES10B_RETURN_FROM_FALLBACK, 6,
		  "fallbackNotAvailable" },
		{ "IpaeActivation", 1, ES10B_IPAE_ACTIVATION, 1, "notSupported" },
		{ "EnableProfile (consumer, ICCID B, REFRESH)", 1, ES10C_ENABLE, 5, "catBusy" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets der = example_after(rows[i].request, rows[i].rows);
		int code = -7;

		print_message("%s\n", rows[i].request);
		assert_int_equal(es10_result_decode(rows[i].f, der, &code), 0);
		assert_int_equal(code, rows[i].code);
		assert_string_equal(es10_result_name(rows[i].f, code), rows[i].name);
	}
}

static void codes_that_are_none(void **state)
{
	static const char *const rows[] = {
		"BF3100", "BF31028000", "BF3103A00100", "BF310380017", "BF3203800100", "BF3103800180",
		"BF310780050100000000", "",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char digits[64];
		int code = 99;

		snprintf(digits, sizeof(digits), "%.*s", (int)(strlen(rows[i]) & ~1u), rows[i]);
		print_message("%s\n", rows[i]);
		assert_int_equal(es10_result_decode(ES10C_ENABLE, octets_of_hex(digits), &code),
				 -EBADMSG);
		assert_int_equal(code, 99);
	}
}

static void identity_and_addresses(void **state)
{
	struct es10a_addresses a;
	struct octets v;

	(void)state;
	assert_int_equal(es10c_eid_decode(example_after("GetEID request", 1), &v), 0);
	assert_octets(v, "89049032123451234512345678901235");
	assert_int_equal(es10a_addresses_decode(
				 example_after("GetEuiccConfiguredAddresses request", 1), &a), 0);
	assert_text(a.default_dp, "dp.example");
	assert_text(a.root_ds, "ds.example");
	assert_int_equal(es10a_addresses_decode(
				 example_after("GetEuiccConfiguredAddresses request", 2), &a), 0);
	assert_null(a.default_dp.p);
	assert_text(a.root_ds, "ds.example");
	assert_int_equal(es10b_challenge_decode(example_after("GetEUICCChallenge request", 1), &v), 0);
	assert_octets(v, "0102030405060708090A0B0C0D0E0F10");
}

static void euicc_info1(void **state)
{
	struct es10b_info1 v;
	struct octets id;

	(void)state;
	assert_int_equal(es10b_info1_decode(example("EUICCInfo1"), &v), 0);
	assert_int_equal(v.svn.major, 2);
	assert_int_equal(v.svn.minor, 5);
	assert_true(es10_list_next(&v.ci_sign, 0x04, &id));
	assert_octets(id, "91026FD01FB8C319DA17001CB8EAA783637D5133");
	assert_false(es10_list_next(&v.ci_sign, 0x04, &id));
}

static void euicc_info2_of_an_iot_card(void **state)
{
	struct es10b_info2 v;
	char text[ES10_VERSION_TEXT_MAX];

	(void)state;
	assert_int_equal(es10b_info2_decode(
		example("EUICCInfo2 of a v1.2 card with emergency and fallback support"), &v), 0);
	assert_string_equal(es10_version_text(v.profile_version, text), "3.3.1");
	assert_string_equal(es10_version_text(v.svn, text), "2.5.0");
	assert_string_equal(es10_version_text(v.firmware, text), "1.2.3");
	assert_int_equal(v.applications, 1);
	assert_int_equal(v.free_nv, 0x050000);
	assert_int_equal(v.free_ram, 0x0800);
	assert_true(v.rsp & ES10B_RSP_TEST_PROFILE);
	assert_int_equal(v.ipa_mode, ES10B_IPA_IN_DEVICE);
	assert_true(v.iot);
	assert_true(v.ecall);
	assert_true(v.fallback);
	assert_false(v.fallback_update);
	assert_string_equal(es10_version_text(v.iot_version, text), "1.2.0");
	assert_int_equal(v.security_level, -1);
}

/* From a reader, a consumer card: no SGP.32 fields, a certification object, a forbidden PPR. */
static void euicc_info2_of_a_consumer_card(void **state)
{
	struct octets der = octets_of_hex(
		"BF22FF8103020100820302020083030404"
		"00840F81010082040007EA328304000016E0"
		"8504067F36C0860309020087030203008802049099020780"
		"04030000010C0541422D3132AC088002414281027572");
	struct es10b_info2 v;

	(void)state;
	((uint8_t *)(uintptr_t)der.p)[2] = (uint8_t)(der.n - 3);
	assert_int_equal(es10b_info2_decode(der, &v), 0);
	assert_int_equal(v.free_nv, 0x07ea32);
	assert_int_equal(v.free_ram, 0x16e0);
	assert_int_equal(v.forbidden_pprs, ES10_PPR_UPDATE_CONTROL);
	assert_text(v.sas_number, "AB-12");
	assert_text(v.platform_label, "AB");
	assert_text(v.discovery_url, "ur");
	assert_false(v.iot);
	assert_int_equal(v.ipa_mode, -1);
}

/* Fields of the wrong size, in the wrong order, unknown ones: the others are read all the same. */
static void odd_info2_is_read_as_far_as_it_goes(void **state)
{
	struct es10b_info2 v;

	(void)state;
	assert_int_equal(es10b_info2_decode(octets_of_hex(
		"BF221F" "9001FF" "82020205" "8500" "8B03010203" "9F7F0100" "BF250100" "8103020301"
		"B4020500"), &v), 0);
	assert_int_equal(v.ipa_mode, 0xff);
	assert_int_equal(v.svn.major, 0);
	assert_int_equal(v.uicc, 0);
	assert_int_equal(v.profile_version.minor, 3);
	assert_true(v.iot);
	assert_int_equal(v.iot_version.major, 0);
}

static void v13_card_lists_two_versions(void **state)
{
	struct octets b4 = example("v1.3 | iotSpecificInfo with fallbackAllowedUpdateSupported, "
				   "versions 1.2 and 1.3");
	uint8_t buf[64] = { 0xbf, 0x22, (uint8_t)b4.n };
	struct es10b_info2 v;

	(void)state;
	memcpy(buf + 3, b4.p, b4.n);
	assert_int_equal(es10b_info2_decode(octets_from(buf, 3 + b4.n), &v), 0);
	assert_int_equal(v.iot_version.major, 1);
	assert_int_equal(v.iot_version.minor, 3);
	assert_true(v.fallback_update);
}

static void profiles(void **state)
{
	struct es10c_profile v[4];
	size_t n = 9;
	int error = 9;

	(void)state;
	assert_int_equal(es10c_profiles_decode(example_after("GetProfilesInfo, all SGP.32 tags", 1),
					       v, 4, &n, &error), 0);
	assert_int_equal(n, 2);
	assert_int_equal(error, 0);
	assert_octets(v[0].iccid, "98001032547698103214");
	assert_octets(v[0].aid, "A0000005591010FFFFFFFF8900001100");
	assert_int_equal(v[0].state, ES10C_ENABLED);
	assert_int_equal(v[0].class, ES10C_OPERATIONAL);
	assert_text(v[0].provider, "SP");
	assert_text(v[0].name, "A");
	assert_false(v[0].fallback);
	assert_int_equal(v[1].state, ES10C_DISABLED);
	assert_true(v[1].fallback);
	assert_true(v[1].fallback_allowed);
	assert_int_equal(v[1].icon_type, -1);
	assert_int_equal(es10c_profiles_decode(example_after("GetProfilesInfo, all SGP.32 tags", 2),
					       v, 4, &n, &error), 0);
	assert_int_equal(n, 0);
	assert_int_equal(error, ES10C_PROFILES_CHANGE_ONGOING);
	n = 9;
	assert_int_equal(es10c_profiles_decode(example_after("GetProfilesInfo, all SGP.32 tags", 1),
					       v, 1, &n, &error), -E2BIG);
	assert_int_equal(n, 9);
}

/* Owner, rules, icon, what nobody knows, and the fields in another order than the specification's. */
static void a_profile_with_everything(void **state)
{
	struct octets e3 = octets_of_hex(
		"E359" "BF64028000" "9F670100" "990206C0" "B70C800362F2108101AA8202BBCC"
		"9401FF" "930101" "950100" "B60A30088002078081027879" "B806800101810102"
		"9F7001019F7B01FF" "5A0A98001032547698103214" "DF0901AA");
	struct es10c_profile v;

	(void)state;
	((uint8_t *)(uintptr_t)e3.p)[1] = (uint8_t)(e3.n - 2);
	assert_int_equal(es10c_profile_decode(e3, &v), 0);
	assert_int_equal(v.pprs, ES10_PPR_UPDATE_CONTROL | ES10_PPR1);
	assert_octets(v.owner_plmn, "62F210");
	assert_octets(v.owner_gid2, "BBCC");
	assert_int_equal(v.icon_type, 1);
	assert_int_equal(v.class, ES10C_TEST);
	assert_true(v.ecall);
	assert_false(v.fallback_allowed);
	assert_int_equal(v.notification_config.n, 10);
	assert_int_equal(v.dp_proprietary.n, 6);
}

static void metadata(void **state)
{
	struct json_object *s = vectors_json("tests/vectors/rsp/session/nist-cc-ppk.json");
	struct es10c_profile v;

	(void)state;
	assert_int_equal(es10c_metadata_decode(example("Profile metadata (StoreMetadataRequest)"), &v),
			 0);
	assert_int_equal(v.class, ES10C_OPERATIONAL);
	assert_octets(v.iccid, "98001032547698103214");
	assert_int_equal(es10c_metadata_decode(json_octets(s, "profileMetadata"), &v), 0);
	assert_text(v.name, "Test Profile A");
	assert_true(v.icon.n > 500);
	json_object_put(s);
}

static void signed_answers(void **state)
{
	struct es10b_signed v;

	(void)state;
	assert_int_equal(es10b_authenticate_decode(example("ES10b AuthenticateServer response"), &v),
			 0);
	assert_int_equal(v.error, 0);
	assert_octets(v.transaction_id, "00112233445566778899AABBCCDDEEFF");
	assert_int_equal(v.data.p[0], 0x30);
	assert_int_equal(v.signature.n, 67);
	assert_true(octets_same(v.euicc_cert, example("CERT_EUICC")));
	assert_true(octets_same(v.eum_cert, example("CERT_EUM")));
	assert_int_equal(es10b_authenticate_decode(example("… error ciPKUnknown"), &v), 0);
	assert_int_equal(v.error, ES10B_CI_PK_UNKNOWN);
	assert_octets(v.transaction_id, "00112233445566778899AABBCCDDEEFF");
	assert_int_equal(es10b_prepare_decode(example("ES10b PrepareDownload response"), &v), 0);
	assert_int_equal(v.error, 0);
	assert_int_equal(v.signature.n, 67);
	assert_null(v.euicc_cert.p);
	assert_int_equal(es10b_cancel_session_decode(example("ES10b CancelSession response"), &v), 0);
	assert_int_equal(v.error, 0);
	assert_octets(v.transaction_id, "00112233445566778899AABBCCDDEEFF");
	assert_int_equal(es10b_cancel_session_decode(octets_of_hex("BF4103810105"), &v), 0);
	assert_int_equal(v.error, 5);
	assert_string_equal(es10_result_name(ES10B_CANCEL_SESSION, 5), "invalidTransactionId");
}

/* All error answers of the sessions, by their names. */
static void named_errors(void **state)
{
	struct json_object *s = vectors_json("tests/vectors/rsp/session/nist-cc-ppk.json"), *list;

	(void)state;
	assert_true(json_object_object_get_ex(s, "authenticateServerResponse_errors", &list));
	json_object_object_foreach(list, name, value) {
		struct es10b_signed v;

		assert_int_equal(es10b_authenticate_decode(
					 octets_of_hex(json_object_get_string(value)), &v), 0);
		assert_string_equal(es10_result_name(ES10B_AUTHENTICATE_SERVER, v.error), name);
	}
	assert_true(json_object_object_get_ex(s, "prepareDownloadResponse_errors", &list));
	json_object_object_foreach(list, other, error) {
		struct es10b_signed v;

		assert_int_equal(es10b_prepare_decode(octets_of_hex(json_object_get_string(error)), &v),
				 0);
		assert_string_equal(es10_result_name(ES10B_PREPARE_DOWNLOAD, v.error), other);
	}
	json_object_put(s);
}

static void installation_results(void **state)
{
	struct json_object *s = vectors_json("tests/vectors/rsp/session/nist-cc-ppk.json"), *list;
	struct es10b_install v;

	(void)state;
	assert_int_equal(es10b_install_decode(example("ProfileInstallationResult, success"), &v), 0);
	assert_true(v.ok);
	assert_int_equal(v.meta.seq, 23);
	assert_int_equal(v.meta.events, ES10_EVENT_INSTALL);
	assert_text(v.meta.address, "dp.example");
	assert_octets(v.aid, "A0000005591010FFFFFFFF8900001100");
	assert_octets(v.smdp_oid, "88370A");
	assert_int_equal(es10b_install_decode(example("ProfileInstallationResult, failure "
		"(loadProfileElements, insufficient memory)"), &v), 0);
	assert_false(v.ok);
	assert_string_equal(es10b_bpp_command_name(v.command), "loadProfileElements");
	assert_string_equal(es10b_bpp_reason_name(v.reason),
			    "installFailedDueToInsufficientMemoryForProfile");

	assert_true(json_object_object_get_ex(s, "errorResults", &list));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i), *code;

		assert_int_equal(es10b_install_decode(json_octets(row, "profileInstallationResult"),
						      &v), 0);
		assert_false(v.ok);
		json_object_object_get_ex(row, "bppCommandId", &code);
		assert_int_equal(v.command, json_object_get_int(code));
		json_object_object_get_ex(row, "errorReason", &code);
		assert_int_equal(v.reason, json_object_get_int(code));
		assert_string_not_equal(es10b_bpp_reason_name(v.reason), "unknown");
	}
	json_object_put(s);
}

static void notifications(void **state)
{
	struct es10b_notification v[4];
	struct es10b_pending p[4];
	size_t n;
	int error;

	(void)state;
	assert_int_equal(es10b_notifications_decode(example_after("ListNotification request", 1), v, 4,
						    &n, &error), 0);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].seq, 20);
	assert_string_equal(es10_event_name(v[0].events), "disable");
	assert_text(v[0].address, "dp.example");
	assert_octets(v[0].iccid, "98001032547698103214");

	assert_int_equal(es10b_pending_decode(example("RetrieveNotificationsList response, one package "
						      "result"), p, 4, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_int_equal(p[0].kind, ES10B_PENDING_PACKAGE);
	assert_true(octets_same(p[0].whole, example("EuiccPackageResult 1: enable ok, list")));
	assert_int_equal(p[0].meta.seq, 21);
	assert_false(p[0].bare);

	assert_int_equal(es10b_pending_decode(example("v1.0 | RetrieveNotificationsList response, one "
						      "package result without its BF51"),
					      p, 4, &n, &error), 0);
	assert_int_equal(p[0].kind, ES10B_PENDING_PACKAGE);
	assert_true(p[0].bare);
	assert_int_equal(p[0].meta.seq, 21);

	assert_int_equal(es10b_pending_decode(example("RetrieveNotificationsList response, empty list"),
					      p, 4, &n, &error), 0);
	assert_int_equal(n, 0);
	assert_int_equal(es10b_pending_decode(octets_of_hex("BF2B0381017F"), p, 4, &n, &error), 0);
	assert_int_equal(error, ES10_UNDEFINED_ERROR);
}

/* A0 and A1 under A3, as v1.0 cards answer; and kinds mixed in one list. */
static void pending_of_all_kinds(void **state)
{
	struct octets notif = example("OtherSignedNotification (disable of A, sequence number 20)");
	struct octets pir = example("ProfileInstallationResult, success");
	struct octets result = example("EuiccPackageResult 1: enable ok, list");
	static uint8_t buf[4096];
	struct es10b_pending p[4];
	size_t n = 0, len;
	int error;

	(void)state;
	for (int v10 = 0; v10 < 2; v10++) {
		struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_mark m = tlv_begin(&w, 0xbf2b), outer = { 0 }, list;

		if (v10)
			outer = tlv_begin(&w, 0xa3);
		list = tlv_begin(&w, 0xa0);
		tlv_put_raw(&w, notif.p, notif.n);
		tlv_put_raw(&w, pir.p, pir.n);
		tlv_close(&w, list);
		list = tlv_begin(&w, v10 ? 0xa1 : 0xa2);
		/* Without its BF51 on a v1.0 card. */
		tlv_put_raw(&w, result.p + (v10 ? 4 : 0), result.n - (v10 ? 4 : 0));
		tlv_close(&w, list);
		if (v10)
			tlv_close(&w, outer);
		tlv_close(&w, m);
		assert_int_equal(tlv_done(&w, &len), 0);
		assert_int_equal(es10b_pending_decode(octets_from(buf, len), p, 4, &n, &error), 0);
		assert_int_equal(n, 3);
		assert_int_equal(p[0].kind, ES10B_PENDING_OTHER);
		assert_int_equal(p[0].meta.seq, 20);
		assert_true(octets_same(p[0].whole, notif));
		assert_int_equal(p[1].kind, ES10B_PENDING_INSTALL);
		assert_int_equal(p[1].meta.seq, 23);
		assert_int_equal(p[2].kind, ES10B_PENDING_PACKAGE);
		assert_int_equal(p[2].meta.seq, 21);
		assert_int_equal(p[2].bare, v10);
	}
}

static void eims(void **state)
{
	struct es10b_eim v[2];
	struct octets tokens[2];
	uint8_t der[256];
	size_t n, len;
	int error;

	(void)state;
	assert_int_equal(es10b_eims_decode(example("GetEimConfigurationData response (token generated: "
						   "1; no counter)"), v, 2, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_text(v[0].id, "eim2");
	assert_text(v[0].fqdn, "eim2.example");
	assert_int_equal(v[0].id_type, 2);
	assert_null(v[0].counter.p);
	assert_octets(v[0].token, "01");
	assert_int_equal(v[0].protocols, ES10B_EIM_RETRIEVE_HTTPS);
	assert_true(v[0].indirect);
	assert_int_equal(v[0].key.kind, ES10B_KEY_SPKI);
	assert_true(octets_same(v[0].key.content, example("SubjectPublicKeyInfo of EIM without its 30 "
							  "header, as carried in A5 { A0 … }")));
	assert_int_equal(es10b_sequence_der(v[0].key.content, der, sizeof(der), &len), 0);
	assert_int_equal(der[0], 0x30);
	assert_int_equal(len, v[0].key.content.n + 2);
	assert_int_equal(es10b_eims_decode(example("GetEimConfigurationDataResponse (no eIM)"), v, 2,
					   &n, &error), 0);
	assert_int_equal(n, 0);

	assert_int_equal(es10b_add_initial_eim_decode(example("AddInitialEimResponse, token 1"),
						      tokens, 2, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_octets(tokens[0], "01");
	assert_int_equal(es10b_add_initial_eim_decode(example("AddInitialEimResponse, addOk"), tokens,
						      2, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_null(tokens[0].p);
	assert_int_equal(es10b_add_initial_eim_decode(
		example("AddInitialEimResponse, associatedEimAlreadyExists"), tokens, 2, &n, &error), 0);
	assert_int_equal(error, ES10B_EIM_EXISTS);
}

/* A key that is whole already, as some products write it, is the same key. */
static void keys_with_their_own_header(void **state)
{
	struct octets spki = example("SubjectPublicKeyInfo of EIM without its 30 header, as carried in "
				     "A5 { A0 … }");
	uint8_t buf[256];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	struct tlv_mark m = tlv_begin(&w, 0x30), a5 = tlv_begin(&w, 0xa5), a0 = tlv_begin(&w, 0xa0);
	struct es10b_eim v;
	size_t len;

	(void)state;
	tlv_put_octets(&w, 0x30, spki);
	tlv_close(&w, a0);
	tlv_close(&w, a5);
	tlv_close(&w, m);
	assert_int_equal(tlv_done(&w, &len), 0);
	assert_int_equal(es10b_eim_decode(octets_from(buf, len), &v), 0);
	assert_true(octets_same(v.key.content, spki));
}

static void certificates(void **state)
{
	struct octets eum, euicc;
	uint8_t der[1024];
	size_t n;
	int error;

	(void)state;
	assert_int_equal(es10b_certs_decode(example("GetCerts response"), &eum, &euicc, &error), 0);
	assert_int_equal(error, 0);
	assert_int_equal(es10b_sequence_der(eum, der, sizeof(der), &n), 0);
	assert_true(octets_same(octets_from(der, n), example("CERT_EUM")));
	assert_int_equal(es10b_sequence_der(euicc, der, sizeof(der), &n), 0);
	assert_true(octets_same(octets_from(der, n), example("CERT_EUICC")));
	assert_int_equal(es10b_sequence_der(euicc, der, 20, &n), -EMSGSIZE);
	assert_int_equal(es10b_certs_decode(example("… response invalidCiPKId"), &eum, &euicc, &error),
			 0);
	assert_int_equal(error, 1);
	assert_null(eum.p);
}

static void rollback_reset_connectivity(void **state)
{
	struct es10b_connectivity c;
	struct es10b_reset r;
	struct octets package;
	int code;

	(void)state;
	assert_int_equal(es10b_rollback_decode(example("ProfileRollback response: ok with a new signed "
						       "result (sequence number 22)"), &code, &package),
			 0);
	assert_int_equal(code, 0);
	assert_int_equal(package.p[0], 0xbf);
	assert_int_equal(es10b_rollback_decode(example("… response rollbackNotAllowed"), &code,
					       &package), 0);
	assert_int_equal(code, ES10B_ROLLBACK_NOT_ALLOWED);
	assert_null(package.p);

	assert_int_equal(es10b_memory_reset_decode(ES10B_MEMORY_RESET,
						   example("… response all ok"), &r), 0);
	assert_int_equal(r.profiles, 0);
	assert_int_equal(r.eims, 0);
	assert_int_equal(r.immediate, 0);
	assert_int_equal(es10b_memory_reset_decode(ES10C_MEMORY_RESET,
						   octets_of_hex("BF3406020100810102"), &r), 0);
	assert_int_equal(r.eims, 2);
	assert_int_equal(r.immediate, -1);

	assert_int_equal(es10b_connectivity_decode(example("… response, bearer description and APN "
							   "\"internet\""), &c, &code), 0);
	assert_int_equal(code, 0);
	assert_string_equal(c.apn, "internet");
	assert_octets(c.bearer, "03");
	assert_int_equal(es10b_connectivity_decode(example("… response, opaque"), &c, &code), 0);
	assert_octets(c.raw, "AABBCC");
	assert_string_equal(c.apn, "");
}

static void apn_labels(void **state)
{
	static const struct {
		const char *hex, *apn;
	} rows[] = {
		{ "BF5F0DA00B8109C70703696F74026D32", "iot.m2" },
		{ "BF5F09A0078105C70305696F", "" },             /* a label that goes too far */
		{ "BF5F06A0048102C700", "" },
		{ "BF5F07A0058103C70100", "" },                 /* an empty label */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets der = octets_of_hex(rows[i].hex);
		struct es10b_connectivity c;
		int error;

		print_message("%s\n", rows[i].hex);
		assert_int_equal(es10b_connectivity_decode(der, &c, &error), 0);
		assert_string_equal(c.apn, rows[i].apn);
	}
}

static void rules_of_the_operator(void **state)
{
	struct es10b_operator home = { octets_of_hex("62F210"), { 0 }, { 0 } };
	struct octets rules;
	bool consent = false;

	(void)state;
	assert_int_equal(es10b_rat_decode(example_after("GetRAT request", 1), &rules), 0);
	assert_true(es10b_rat_allows(rules, ES10_PPR1, home, &consent));
	assert_true(consent);
	assert_false(es10b_rat_allows(rules, ES10_PPR_UPDATE_CONTROL, home, &consent));
	/* Another country's digits, a GID that must be the same, no consent. */
	assert_int_equal(es10b_rat_decode(octets_of_hex("BF4319A01730158002064" "0A10C300A800362F210"
							"8103AABBCC8201" "00"), &rules), 0);
	assert_false(es10b_rat_allows(rules, ES10_PPR1, home, &consent));
	home.gid1 = octets_of_hex("AABBCC");
	assert_true(es10b_rat_allows(rules, ES10_PPR1, home, &consent));
	assert_false(consent);
	home.plmn = octets_of_hex("62F220");
	assert_false(es10b_rat_allows(rules, ES10_PPR1, home, &consent));
	assert_int_equal(es10b_rat_decode(octets_of_hex("BF4302A000"), &rules), 0);
	assert_false(es10b_rat_allows(rules, ES10_PPR1, home, &consent));
}

static void answers_of_real_cards(void **state)
{
	static struct card_script s;
	static const struct {
		const char *path;
		const char *decoder;    /* of the last row */
	} rows[] = {
		{ "tests/vectors/real/card-5ber-euiccinfo1.chat", "info1" },
		{ "tests/vectors/real/card-gd-sgp32-select-eim.chat", "eims" },
		{ "tests/vectors/real/card-esimme-enable-by-aid.chat", "enable" },
		{ "tests/vectors/real/card-bf2b-malformed-127.chat", "pending" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n;
		bool found = false;

		print_message("%s\n", rows[i].path);
		card_script_init(&s);
		n = card_script_load_chat(&s, rows[i].path);
		assert_true(n > 0);
		for (size_t k = 0; k < n_es10_decoders; k++) {
			if (strcmp(es10_decoders[k].name, rows[i].decoder) != 0)
				continue;
			found = true;
			assert_int_equal(es10_decoders[k].run(s.rows[n - 1].answer), 0);
		}
		assert_true(found);
	}
}

/* The live GetEimConfigurationData answer: token 20, no counter, two keys. */
static void eim_of_a_real_card(void **state)
{
	static struct card_script s;
	struct es10b_eim v;
	size_t n, k;
	int error;

	(void)state;
	card_script_init(&s);
	n = card_script_load_chat(&s, "tests/vectors/real/card-gd-sgp32-select-eim.chat");
	assert_int_equal(es10b_eims_decode(s.rows[n - 1].answer, &v, 1, &k, &error), 0);
	assert_int_equal(k, 1);
	assert_text(v.fqdn, "eim1.sm.example");
	assert_int_equal(v.id_type, 1);
	assert_octets(v.token, "14");
	assert_null(v.counter.p);
	assert_int_equal(v.key.content.n, 0x59);
	assert_int_equal(v.tls.content.n, 0x59);
	assert_int_equal(v.ci_pkid.n, 20);
	assert_true(v.indirect);
}

/*
 * Every example in every decoder: what one takes, it takes in no shortened form, and with each octet
 * made another it takes it or not, without reading a single octet outside.
 */
static void hostile_answers(void **state)
{
	const char *section, *title;
	struct octets der;
	unsigned taken = 0;

	(void)state;
	for (size_t i = 0; example_row(i, &section, &title, &der); i++) {
		for (size_t k = 0; k < n_es10_decoders; k++) {
			const struct es10_decoder *d = &es10_decoders[k];
			uint8_t *copy;

			if (d->run(der) < 0)
				continue;
			taken++;
			for (size_t n = 0; n < der.n; n++) {
				copy = malloc(n ? n : 1);
				memcpy(copy, der.p, n);
				if (d->run(octets_from(copy, n)) == 0) {
					print_message("%s: taken by %s with %zu octets\n", title,
						      d->name, n);
					fail();
				}
				free(copy);
			}
			copy = malloc(der.n);
			for (size_t n = 0; n < der.n; n++) {
				memcpy(copy, der.p, der.n);
				copy[n] ^= 0xff;
				(void)d->run(octets_from(copy, der.n));
			}
			free(copy);
		}
	}
	print_message("%u times taken\n", taken);
	assert_true(taken > 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes),
		cmocka_unit_test(codes_that_are_none),
		cmocka_unit_test(identity_and_addresses),
		cmocka_unit_test(euicc_info1),
		cmocka_unit_test(euicc_info2_of_an_iot_card),
		cmocka_unit_test(euicc_info2_of_a_consumer_card),
		cmocka_unit_test(odd_info2_is_read_as_far_as_it_goes),
		cmocka_unit_test(v13_card_lists_two_versions),
		cmocka_unit_test(profiles),
		cmocka_unit_test(a_profile_with_everything),
		cmocka_unit_test(metadata),
		cmocka_unit_test(signed_answers),
		cmocka_unit_test(named_errors),
		cmocka_unit_test(installation_results),
		cmocka_unit_test(notifications),
		cmocka_unit_test(pending_of_all_kinds),
		cmocka_unit_test(eims),
		cmocka_unit_test(keys_with_their_own_header),
		cmocka_unit_test(certificates),
		cmocka_unit_test(rollback_reset_connectivity),
		cmocka_unit_test(apn_labels),
		cmocka_unit_test(rules_of_the_operator),
		cmocka_unit_test(answers_of_real_cards),
		cmocka_unit_test(eim_of_a_real_card),
		cmocka_unit_test(hostile_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
