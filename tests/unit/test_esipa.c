/*
 * ESipa messages against the worked examples: what we send must come out bit by bit, what an eIM
 * sends must be understood; and cut or altered anywhere, it must be refused or read, never more.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "esipa/esipa.h"
#include "support/vectors.h"

/* --- the examples --- */

#define EXAMPLE_MAX 4096

static char *examples;

static int load(void **state)
{
	(void)state;
	examples = vectors_load("tests/vectors/sgp32/examples.tsv", NULL);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	free(examples);
	return 0;
}

/* By section and label, or by section and the beginning of its title. Eight at a time. */
static struct octets example(const char *section, const char *name)
{
	static uint8_t store[8][EXAMPLE_MAX];
	static unsigned next;
	struct text rest = text_of(examples);

	while (rest.n > 0) {
		struct text line = text_cut(&rest, '\n');
		struct text in = text_cut(&line, '\t'), label = text_cut(&line, '\t');
		struct text title = text_cut(&line, '\t');
		uint8_t *at = store[next % ARRAY_SIZE(store)];
		size_t n;

		if (!text_eq(in, section) || !(text_eq(label, name) || text_starts(title, name)))
			continue;
		assert_int_equal(hex_decode(text_trim(line), at, EXAMPLE_MAX, &n), 0);
		next++;
		return octets_from(at, n);
	}
	fail_msg("no example %s %s", section, name);
	return (struct octets){ 0 };
}

#define EX(section, name) example(section, name)

/* --- what was written --- */

static uint8_t out[EXAMPLE_MAX];
static struct tlv_out writer;

static struct tlv_out *begin(void)
{
	writer = (struct tlv_out){ .buf = out, .cap = sizeof(out) };
	return &writer;
}

static void expect(struct octets want, const char *what)
{
	char got_hex[2 * EXAMPLE_MAX + 1];
	size_t n = 0;

	assert_int_equal(tlv_done(&writer, &n), 0);
	if (octets_same(octets_from(out, n), want))
		return;
	hex_encode(out, n, got_hex, sizeof(got_hex));
	fail_msg("%s: %s", what, got_hex);
}

static struct octets eid, txid, smdp_txid;

static void know_constants(void)
{
	static uint8_t store[3][16];
	struct octets v[] = { EX("15.1", "EID"), EX("15.1", "eimTransactionId"),
			      EX("15.1", "SM-DP+ transactionId") };
	struct octets *const to[] = { &eid, &txid, &smdp_txid };

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		memcpy(store[i], v[i].p, v[i].n);
		*to[i] = octets_from(store[i], v[i].n);
	}
}

static bool is(struct octets v, const char *hex)
{
	uint8_t want[256];
	size_t n;

	assert_int_equal(hex_decode(text_of(hex), want, sizeof(want), &n), 0);
	return octets_same(v, octets_from(want, n));
}

/* --- polling --- */

static void polls_are_written_for_each_version(void **state)
{
	uint8_t plmn[3];
	struct esipa_get_package q = { .eid = eid, .change = ESIPA_CHANGE_NONE };

	(void)state;
	for (int v = 0; v < _ESIPA_VERSION_MAX; v++) {
		esipa_get_package_encode(begin(), (enum esipa_version)v, &q);
		expect(EX("15.2", "GetEimPackageRequest, minimal"), "minimal");
	}
	assert_int_equal(esipa_plmn(TEXT("26201"), plmn), 0);
	q = (struct esipa_get_package){ .eid = eid, .notify_change = true, .change = ESIPA_CHANGE_FALLBACK,
					.plmn = octets_from(plmn, 3) };
	esipa_get_package_encode(begin(), ESIPA_V1_2, &q);
	expect(EX("15.2", "GetEimPackageRequest, state change"), "state change");
	esipa_get_package_encode(begin(), ESIPA_V1_0, &q);
	expect(EX("15.12", "v1.0 | GetEimPackage with"), "v1.0");
	/* A cause without a change is none. */
	q = (struct esipa_get_package){ .eid = eid, .change = ESIPA_CHANGE_FALLBACK };
	esipa_get_package_encode(begin(), ESIPA_V1_2, &q);
	expect(EX("15.2", "GetEimPackageRequest, minimal"), "no change");
}

static void plmns_are_nibbles(void **state)
{
	uint8_t plmn[3];

	(void)state;
	assert_int_equal(esipa_plmn(TEXT("310260"), plmn), 0);
	assert_true(is(octets_from(plmn, 3), "130062"));
	assert_int_equal(esipa_plmn(TEXT("2620"), plmn), -EINVAL);
	assert_int_equal(esipa_plmn(TEXT("2620111"), plmn), -EINVAL);
	assert_int_equal(esipa_plmn(TEXT("2620x"), plmn), -EINVAL);
}

static void packages_are_told_apart(void **state)
{
	static const struct {
		const char *section, *name;
		enum esipa_package_kind kind;
		int error;
	} rows[] = {
		{ "15.2", "GetEimPackageResponse, noEimPackageAvailable", ESIPA_NOTHING, 1 },
		{ "15.2", "GetEimPackageResponse, ipaEuiccDataRequest", ESIPA_DATA_REQUEST, 0 },
		{ "15.2", "GetEimPackageResponse, profileDownloadTriggerRequest", ESIPA_DOWNLOAD_TRIGGER, 0 },
		{ "15.2", "GetEimPackageResponse with eUICC Package 1", ESIPA_EUICC_PACKAGE, 0 },
	};
	struct esipa_package p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(esipa_get_package_decode(EX(rows[i].section, rows[i].name), &p), 0);
		assert_int_equal(p.kind, rows[i].kind);
		assert_int_equal(p.error, rows[i].error);
	}
	/* The last one's package is the eIM's, octet by octet. */
	assert_true(octets_same(p.whole, EX("15.3", "REQUEST1")));

	assert_int_equal(esipa_transfer_decode(EX("15.6", "TransferEimPackageRequest with IpaEuiccData"), &p),
			 0);
	assert_int_equal(p.kind, ESIPA_DATA_REQUEST);
	assert_int_equal(esipa_transfer_decode(EX("15.6", "TransferEimPackageRequest with EimAck"), &p), 0);
	assert_int_equal(p.kind, ESIPA_ACKNOWLEDGEMENTS);
}

static int decode_hex_package(const char *hex, struct esipa_package *p)
{
	uint8_t der[64];
	size_t n;

	assert_int_equal(hex_decode(text_of(hex), der, sizeof(der), &n), 0);
	return esipa_get_package_decode(octets_from(der, n), p);
}

static void odd_packages_are_unknown_or_unreadable(void **state)
{
	struct esipa_package p = { .error = 77 };

	(void)state;
	assert_int_equal(decode_hex_package("BF4F03BF6000", &p), 0);
	assert_int_equal(p.kind, ESIPA_UNKNOWN_PACKAGE);
	assert_int_equal(decode_hex_package("BF4F0402020100", &p), 0);
	assert_int_equal(p.error, 127);
	/* Something behind the known is passed over. */
	assert_int_equal(decode_hex_package("BF4F050201019900", &p), 0);
	assert_int_equal(p.error, 1);
	p.error = 77;
	assert_int_equal(decode_hex_package("BF4F00", &p), -EBADMSG);
	assert_int_equal(decode_hex_package("BF5003020101", &p), -EBADMSG);
	assert_int_equal(decode_hex_package("BF4F030201", &p), -EBADMSG);
	assert_int_equal(decode_hex_package("", &p), -EBADMSG);
	assert_int_equal(p.error, 77);
}

#define ALL_ITEMS ((1u << _ESIPA_ITEM_MAX) - 1)

static void data_requests_say_what_is_wanted(void **state)
{
	struct esipa_data_request q;

	(void)state;
	assert_int_equal(esipa_data_request_decode(EX("15.7", "IpaEuiccDataRequest (all tags)"), &q), 0);
	assert_int_equal(q.items, ALL_ITEMS);
	assert_false(q.incorrect);
	assert_int_equal(q.hint, ESIPA_V1_2);
	assert_true(octets_same(q.transaction_id, txid));
	assert_int_equal(q.notifications, ESIPA_ALL);

	assert_int_equal(esipa_data_request_decode(EX("15.7", "IpaEuiccDataRequest (notifications"), &q), 0);
	assert_int_equal(q.items, 1u << ESIPA_ITEM_NOTIFICATIONS);
	assert_int_equal(q.notifications, ESIPA_BY_EVENTS);
	assert_int_equal(q.events, 1u << 3);

	assert_int_equal(esipa_data_request_decode(EX("15.7", "IpaEuiccDataRequest (package result"), &q), 0);
	assert_int_equal(q.package_results, ESIPA_BY_SEQ);
	assert_int_equal(q.package_results_seq, 21);
	assert_int_equal(q.items, 1u << ESIPA_ITEM_PACKAGE_RESULTS);

	assert_int_equal(esipa_data_request_decode(EX("15.12", "v1.0 | IpaEuiccDataRequest, all"), &q), 0);
	assert_int_equal(q.items, ALL_ITEMS & ~(1u << ESIPA_ITEM_PACKAGE_RESULTS));
	assert_int_equal(q.hint, ESIPA_V1_0);
	assert_false(q.incorrect);
}

static void data_requests_for_what_is_not_there_are_incorrect(void **state)
{
	static const struct {
		const char *hex;
		uint32_t items;
		bool incorrect;
		int hint;
	} rows[] = {
		{ "BF52035C015A", 0, true, -1 },
		{ "BF52055C03BF2D84", 1u << ESIPA_ITEM_TOKEN, true, -1 },
		{ "BF52035C01BF", 0, true, -1 },
		{ "BF52025C00", 0, false, -1 },
		/* v1.0's search for package results */
		{ "BF52085C02BF2BA1028200", 1u << ESIPA_ITEM_PACKAGE_RESULTS, false, ESIPA_V1_0 },
		/* another count of unused bits */
		{ "BF52095C01A0A10481020010", 1u << ESIPA_ITEM_NOTIFICATIONS, false, ESIPA_V1_2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct esipa_data_request q;
		uint8_t der[64];
		size_t n;
		int r;

		assert_int_equal(hex_decode(text_of(rows[i].hex), der, sizeof(der), &n), 0);
		/* The length is not what the row is about. */
		der[2] = (uint8_t)(n - 3);
		r = esipa_data_request_decode(octets_from(der, n), &q);
		if (r)
			fail_msg("%s: %d", rows[i].hex, r);
		assert_int_equal(q.items, rows[i].items);
		assert_int_equal(q.incorrect, rows[i].incorrect);
		assert_int_equal(q.hint, rows[i].hint);
	}
}

static void triggers_name_their_source(void **state)
{
	struct esipa_trigger t;

	(void)state;
	assert_int_equal(esipa_trigger_decode(EX("15.8", "ProfileDownloadTriggerRequest, activation"), &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_ACTIVATION_CODE);
	assert_true(text_eq(octets_text(t.activation_code), "1$dp.example$MATCH-1"));
	assert_true(octets_same(t.transaction_id, txid));
	assert_int_equal(esipa_trigger_decode(EX("15.8", "ProfileDownloadTriggerRequest, default"), &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_DEFAULT_SMDP);
	assert_null(t.transaction_id.p);
	assert_int_equal(esipa_trigger_decode(EX("15.8", "ProfileDownloadTriggerRequest, SM-DS with"), &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_SMDS);
	assert_true(text_eq(octets_text(t.smds_address), "ds.example"));
	assert_int_equal(esipa_trigger_decode(EX("15.8", "ProfileDownloadTriggerRequest, root"), &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_SMDS);
	assert_null(t.smds_address.p);
	assert_int_equal(esipa_trigger_decode(EX("15.8", "ProfileDownloadTriggerRequest, no data"), &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_EIM);
}

static void acknowledgements_are_counted_out(void **state)
{
	struct esipa_provided p;
	struct esipa_package pkg;
	struct octets seqs;
	uint32_t seq;

	(void)state;
	assert_int_equal(esipa_provide_decode(EX("15.6", "ProvideEimPackageResultResponse, ack"), &p), 0);
	assert_int_equal(p.error, 0);
	assert_true(esipa_seq_next(&p.seqs, &seq) && seq == 20);
	assert_true(esipa_seq_next(&p.seqs, &seq) && seq == 21);
	assert_false(esipa_seq_next(&p.seqs, &seq));

	assert_int_equal(esipa_provide_decode(EX("15.6", "ProvideEimPackageResultResponse, empty"), &p), 0);
	assert_true(p.error == 0 && p.hint == ESIPA_V1_2 && !esipa_seq_next(&p.seqs, &seq));
	assert_int_equal(esipa_provide_decode(EX("15.6", "ProvideEimPackageResultResponse, eidNot"), &p), 0);
	assert_int_equal(p.error, ESIPA_EID_NOT_FOUND);
	assert_int_equal(esipa_provide_decode(EX("15.12", "v1.0 | ProvideEimPackageResult response"), &p), 0);
	assert_true(p.error == 0 && p.hint == ESIPA_V1_0);
	assert_int_equal(esipa_provide_decode((struct octets){ 0 }, &p), 0);
	assert_int_equal(p.error, 0);

	assert_int_equal(esipa_transfer_decode(EX("15.6", "TransferEimPackageRequest with EimAck"), &pkg), 0);
	assert_int_equal(esipa_acknowledgements_decode(pkg.whole, &seqs), 0);
	assert_true(esipa_seq_next(&seqs, &seq) && seq == 21);
}

static void broken_acknowledgements_acknowledge_nothing(void **state)
{
	static const uint8_t cut[] = { 0xbf, 0x50, 7, 0xbf, 0x53, 4, 0x80, 1, 20, 0x80 };
	static const uint8_t odd[] = { 0xbf, 0x50, 8, 0xbf, 0x53, 5, 0x80, 1, 20, 0x81, 0 };
	struct esipa_provided p = { .error = 77 };

	(void)state;
	assert_int_equal(esipa_provide_decode(octets_from(cut, sizeof(cut)), &p), -EBADMSG);
	assert_int_equal(esipa_provide_decode(octets_from(odd, sizeof(odd)), &p), -EBADMSG);
	assert_int_equal(p.error, 77);
}

/* --- results --- */

static void package_results_travel_with_their_notifications(void **state)
{
	struct octets none = { 0 };
	struct esipa_frame f;

	(void)state;
	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_PROVIDE, eid);
	esipa_package_result_put(&writer, ESIPA_V1_2, EX("15.3", "RESULT1"), none);
	esipa_result_end(&writer, f);
	expect(EX("15.6", "ProvideEimPackageResult with package result"), "result");

	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_PROVIDE, eid);
	esipa_package_result_put(&writer, ESIPA_V1_2, EX("15.3", "RESULT1"), EX("15.6", "NOTIF20"));
	esipa_result_end(&writer, f);
	expect(EX("15.6", "ProvideEimPackageResult with result and"), "result and notification");

	f = esipa_result_begin(begin(), ESIPA_V1_0, ESIPA_PROVIDE, eid);
	esipa_package_result_put(&writer, ESIPA_V1_0, EX("15.3", "RESULT1"), none);
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.0 | ProvideEimPackageResult (no EID)"), "v1.0");

	f = esipa_result_begin(begin(), ESIPA_V1_0, ESIPA_PROVIDE, eid);
	esipa_package_result_put(&writer, ESIPA_V1_0, EX("15.3", "RESULT1"), EX("15.6", "NOTIF20"));
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.0 | ProvideEimPackageResult, result and"), "v1.0 with notification");

	esipa_notification_encode(begin(), EX("15.6", "NOTIF20"));
	expect(EX("15.6", "HandleNotification with it"), "notification");
}

static void errors_are_reported_for_each_version(void **state)
{
	struct octets none = { 0 };
	struct esipa_frame f;

	(void)state;
	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_PROVIDE, eid);
	esipa_result_error_put(&writer, ESIPA_V1_2, txid, ESIPA_RESULT_INVALID_FORMAT);
	esipa_result_end(&writer, f);
	expect(EX("15.6", "ProvideEimPackageResult: invalidPackageFormat"), "v1.2");

	f = esipa_result_begin(begin(), ESIPA_V1_0, ESIPA_PROVIDE, eid);
	esipa_result_error_put(&writer, ESIPA_V1_0, txid, ESIPA_RESULT_INVALID_FORMAT);
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.0 | ProvideEimPackageResult, invalid"), "v1.0");

	esipa_data_error_put(begin(), ESIPA_V1_2, txid, ESIPA_DATA_INCORRECT_TAGS);
	expect(EX("15.7", "IpaEuiccDataResponse, incorrectTagList"), "data");
	esipa_data_error_put(begin(), ESIPA_V1_0, txid, ESIPA_DATA_INCORRECT_TAGS);
	expect(EX("15.12", "v1.0 | IpaEuiccDataResponse, incorrect"), "data v1.0");

	esipa_trigger_error_put(begin(), ESIPA_V1_2, txid, 127, none);
	expect(EX("15.8", "ProfileDownloadTriggerResult, undefinedError"), "trigger");
	esipa_trigger_error_put(begin(), ESIPA_V1_2, txid, 104, none);
	expect(EX("15.8", "ProfileDownloadTriggerResult, ecallActive"), "ecall");
	esipa_trigger_error_put(begin(), ESIPA_V1_0, txid, 127, none);
	expect(EX("15.12", "v1.0 | ProfileDownloadTriggerResult"), "trigger v1.0");
}

static void data_comes_in_the_order_of_the_definition(void **state)
{
	static const uint8_t five = 5;
	static uint8_t caps[16];
	struct tlv_out w = { .buf = caps, .cap = sizeof(caps) };
	struct octets device = EX("15.7", "DeviceInfo (A9)");
	struct esipa_data d = {
		.default_smdp = octets_from("dp.example", 10),
		.root_smds = octets_from("ds.example", 10),
		.info1 = EX("15.7", "INFO1"),
		.token = octets_from(&five, 1),
		.transaction_id = txid,
		.device_info = octets_from(device.p + 2, device.n - 2),
	};
	size_t n;

	(void)state;
	esipa_capabilities_put(&w, ESIPA_IPA_DIRECT | ESIPA_IPA_INDIRECT, ESIPA_IPA_RETRIEVE_HTTPS);
	assert_int_equal(tlv_done(&w, &n), 0);
	d.ipa_capabilities = octets_from(caps, n);
	tlv_put_octets(begin(), 0xa8, d.ipa_capabilities);
	expect(EX("15.7", "IpaCapabilities: direct"), "capabilities");
	esipa_capabilities_put(begin(), ESIPA_IPA_DIRECT | ESIPA_IPA_INDIRECT,
			       ESIPA_IPA_RETRIEVE_HTTPS | ESIPA_IPA_RETRIEVE_COAPS);
	assert_int_equal(tlv_done(&writer, &n), 0);
	assert_true(is(octets_from(out, n), "800206C0810206C0"));

	esipa_data_put(begin(), ESIPA_V1_2, &d);
	expect(EX("15.7", "IpaEuiccDataResponse (default"), "data");
}

static void old_eims_get_lists_as_v1_0_had_them(void **state)
{
	struct octets result = EX("15.3", "RESULT1"), notification = EX("15.6", "NOTIF20");
	struct esipa_data d = { .package_results = result, .has_package_results = true };
	uint8_t want[EXAMPLE_MAX];
	struct tlv_out w = { .buf = want, .cap = sizeof(want) };
	struct octets list = EX("15.12", "v1.0 | RetrieveNotificationsList response");
	struct tlv_mark a, b;
	size_t n;

	(void)state;
	a = tlv_begin(&w, 0xbf52);
	b = tlv_begin(&w, 0xa0);
	tlv_put_raw(&w, list.p, list.n);
	tlv_close(&w, b);
	tlv_close(&w, a);
	assert_int_equal(tlv_done(&w, &n), 0);
	esipa_data_put(begin(), ESIPA_V1_0, &d);
	expect(octets_from(want, n), "package results");

	/* An empty list is an answer, no list is another. */
	d = (struct esipa_data){ .has_notifications = true };
	esipa_data_put(begin(), ESIPA_V1_0, &d);
	assert_true(is(octets_from(out, writer.len), "BF5207A005BF2B02A000"));
	esipa_data_put(begin(), ESIPA_V1_2, &d);
	assert_true(is(octets_from(out, writer.len), "BF5204A002A000"));
	d = (struct esipa_data){ 0 };
	esipa_data_put(begin(), ESIPA_V1_2, &d);
	assert_true(is(octets_from(out, writer.len), "BF5202A000"));

	d = (struct esipa_data){ .has_notifications = true, .notifications = notification };
	esipa_data_put(begin(), ESIPA_V1_2, &d);
	assert_memory_equal(out + 13, notification.p, notification.n);
}

static void download_results_are_carried_as_asked(void **state)
{
	struct octets none = { 0 };
	struct esipa_frame f;

	(void)state;
	esipa_trigger_result_put(begin(), txid, EX("15.8", "PIR"));
	expect(EX("15.8", "ProfileDownloadTriggerResult, installed"), "installed");

	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_HANDLE, none);
	esipa_trigger_result_put(&writer, txid, EX("15.8", "PIR"));
	esipa_result_end(&writer, f);
	expect(EX("15.8", "HandleNotification with that result"), "handle");

	f = esipa_result_begin(begin(), ESIPA_V1_0, ESIPA_HANDLE, eid);
	esipa_trigger_result_put(&writer, txid, EX("15.8", "PIR"));
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.0 | HandleNotification with a download"), "handle v1.0");
}

static void injected_packages_are_answered(void **state)
{
	struct octets none = { 0 };
	struct esipa_frame f;

	(void)state;
	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_TRANSFER, eid);
	esipa_received_put(&writer, ESIPA_V1_2, txid, eid);
	esipa_result_end(&writer, f);
	expect(EX("15.6", "TransferEimPackageResponse, received"), "received");

	f = esipa_result_begin(begin(), ESIPA_V1_2, ESIPA_TRANSFER, eid);
	esipa_transfer_error_put(&writer, ESIPA_V1_2, txid, eid, ESIPA_RESULT_UNKNOWN_PACKAGE);
	esipa_result_end(&writer, f);
	expect(EX("15.6", "TransferEimPackageResponse, unknownPackage"), "unknown");

	f = esipa_result_begin(begin(), ESIPA_V1_3, ESIPA_TRANSFER, eid);
	esipa_received_put(&writer, ESIPA_V1_3, txid, eid);
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.3 | TransferEimPackage response, received"), "received v1.3");

	f = esipa_result_begin(begin(), ESIPA_V1_3, ESIPA_TRANSFER, eid);
	esipa_transfer_error_put(&writer, ESIPA_V1_3, none, eid, ESIPA_RESULT_UNKNOWN_PACKAGE);
	esipa_result_end(&writer, f);
	expect(EX("15.12", "v1.3 | TransferEimPackage response, unknown"), "unknown v1.3");
}

/* --- indirect download --- */

static void a_download_goes_message_by_message(void **state)
{
	struct esipa_initiate q = { .euicc_challenge = EX("15.1", "eUICC challenge"),
				    .smdp_address = octets_from("dp.example", 10),
				    .info1 = EX("15.7", "INFO1"), .transaction_id = txid };
	struct esipa_authenticated b;
	struct esipa_initiated a;
	struct octets bpp;
	int error = -1;

	(void)state;
	esipa_initiate_encode(begin(), ESIPA_V1_2, &q);
	expect(EX("15.10", "ESipa InitiateAuthentication request"), "initiate");

	assert_int_equal(esipa_initiate_decode(EX("15.10", "ESipa InitiateAuthentication response"), &a), 0);
	assert_int_equal(a.error, 0);
	assert_true(octets_same(a.transaction_id, smdp_txid));
	assert_true(octets_same(a.server_signed1, EX("15.10", "serverSigned1")));
	assert_true(octets_same(a.certificate, EX("15.1", "CERT_DPAUTH")));
	assert_true(octets_same(a.ci_pkid, EX("15.1", "CI key identifier")));
	assert_int_equal(a.ci_pkid_whole.n, a.ci_pkid.n + 2);
	assert_int_equal(a.server_signature1.n, 67);
	assert_true(text_eq(octets_text(a.matching_id), "MATCH-1"));
	assert_null(a.ctx_params.p);

	esipa_authenticate_encode(begin(), smdp_txid, EX("15.10", "ASR"));
	expect(EX("15.10", "ESipa AuthenticateClient request"), "authenticate");
	assert_int_equal(esipa_authenticate_decode(EX("15.10", "ESipa AuthenticateClient response (SM"), &b),
			 0);
	assert_true(!b.error && !b.smds);
	assert_true(octets_same(b.metadata, EX("15.10", "METADATA")));
	assert_true(octets_same(b.smdp_signed2, EX("15.10", "smdpSigned2")));
	assert_true(octets_same(b.certificate, EX("15.1", "CERT_DPPB")));
	assert_null(b.hash_cc.p);
	assert_int_equal(esipa_authenticate_decode(EX("15.10", "ESipa AuthenticateClient response, ppr"), &b),
			 0);
	assert_int_equal(b.error, 50);

	esipa_get_bpp_encode(begin(), smdp_txid, EX("15.10", "PDR"));
	expect(EX("15.10", "ESipa GetBoundProfilePackage request"), "get BPP");
	assert_int_equal(esipa_get_bpp_decode(EX("15.10", "ESipa GetBoundProfilePackage response"), &bpp,
					      &error), 0);
	assert_int_equal(error, 0);
	assert_true(octets_same(bpp, EX("15.10", "BPP")));

	assert_int_equal(esipa_cancel_session_encode(begin(), smdp_txid,
						     EX("15.10", "ES10b CancelSession response")), 0);
	expect(EX("15.10", "ESipa CancelSession request"), "cancel");
	assert_int_equal(esipa_cancel_session_decode(EX("15.10", "ESipa CancelSession response ok"), &error),
			 0);
	assert_int_equal(error, 0);
}

static int unhex(const char *hex, uint8_t *der, size_t cap, struct octets *ret)
{
	size_t n;

	assert_int_equal(hex_decode(text_of(hex), der, cap, &n), 0);
	*ret = octets_from(der, n);
	return 0;
}

static void short_and_refusing_answers_are_read(void **state)
{
	struct esipa_authenticated b;
	struct esipa_initiated a;
	struct octets der, bpp;
	uint8_t store[256];
	int error = 0;

	(void)state;
	unhex("BF3903810132", store, sizeof(store), &der);
	assert_int_equal(esipa_initiate_decode(der, &a), 0);
	assert_int_equal(a.error, 50);
	assert_string_equal(esipa_error_name(ESIPA_CODES_INITIATE, a.error), "smdpAddressMismatch");
	/* No transaction id, a key id cut short, parameters by the eIM. */
	unhex("BF3920A01E" "3004800201FF" "5F3701AA" "0402" "9102" "3002" "0500" "0C024D31"
	      "A206" "A004" "80024D31", store, sizeof(store), &der);
	assert_int_equal(esipa_initiate_decode(der, &a), 0);
	assert_true(is(a.transaction_id, "01FF"));
	assert_true(is(a.ci_pkid, "9102"));
	assert_true(is(a.ctx_params, "A00480024D31"));
	/* An SM-DS, with and without something to get. */
	unhex("BF3B0AA1088001AABF5402A000", store, sizeof(store), &der);
	store[2] = (uint8_t)(der.n - 3);
	store[4] = (uint8_t)(der.n - 5);
	assert_int_equal(esipa_authenticate_decode(der, &b), 0);
	assert_true(b.smds && is(b.trigger, "BF5402A000"));
	unhex("BF3B05A1038001AA", store, sizeof(store), &der);
	assert_int_equal(esipa_authenticate_decode(der, &b), 0);
	assert_true(b.smds && !b.trigger.p);

	unhex("BF3A0381015F", store, sizeof(store), &der);
	assert_int_equal(esipa_get_bpp_decode(der, &bpp, &error), 0);
	assert_int_equal(error, 95);
	unhex("BF4103810101", store, sizeof(store), &der);
	assert_int_equal(esipa_cancel_session_decode(der, &error), 0);
	assert_int_equal(error, 1);
	assert_int_equal(esipa_cancel_session_encode(begin(), smdp_txid, octets_from("\xbf\x21\x00", 3)),
			 -EBADMSG);
}

static void confirmation_codes_are_hashed_twice(void **state)
{
	uint8_t hash[32];

	(void)state;
	assert_int_equal(esipa_hash_cc(TEXT("1234"), smdp_txid, hash), 0);
	assert_true(is(octets_from(hash, 32),
		       "06B387355633C795AA7EC0BBA73682C268C2E9326B649540D7FDB3F866A8761C"));
}

/* --- compact forms --- */

static void compact_forms_leave_out_what_is_known(void **state)
{
	struct octets none = { 0 };

	(void)state;
	assert_int_equal(esipa_compact_authenticate(begin(), EX("15.10", "ASR"), true, true), 0);
	expect(EX("15.11", "AuthenticateServer response"), "authenticate");
	assert_int_equal(esipa_compact_prepare(begin(), EX("15.10", "PDR"), false, false), 0);
	expect(EX("15.11", "PrepareDownload response"), "prepare");
	assert_int_equal(esipa_compact_cancel(begin(), EX("15.10", "ES10b CancelSession response")), 0);
	expect(EX("15.11", "CancelSession response"), "cancel");
	assert_int_equal(esipa_compact_install(begin(), EX("15.8", "PIR")), 0);
	expect(EX("15.11", "ProfileInstallationResult"), "install");
	assert_int_equal(esipa_compact_notification(begin(), ESIPA_V1_2, EX("15.6", "NOTIF20"), eid, none), 0);
	expect(EX("15.11", "OtherSignedNotification"), "notification");
}

static void compact_forms_keep_what_is_not_known(void **state)
{
	struct octets asr = EX("15.10", "ASR"), cert = EX("15.1", "CERT_EUICC");
	struct tlv_doc doc;
	struct tlv top, body, ok, part, ctx;
	size_t n;

	(void)state;
	assert_int_equal(esipa_compact_authenticate(begin(), asr, false, false), 0);
	assert_int_equal(tlv_done(&writer, &n), 0);
	top = tlv_open(&doc, octets_from(out, n));
	body = tlv_enter(&top, 0xbf38);
	ok = tlv_enter(&body, 0xa2);
	part = tlv_enter(&ok, 0xa0);
	(void)tlv_take(&part, 0x84);
	ctx = tlv_enter(&part, 0xa2);
	(void)tlv_take(&ctx, 0xa0);
	tlv_end(&ctx);
	(void)tlv_take(&ok, 0x5f37);
	/* The certificate's tag replaces its 30. */
	assert_true(octets_same(tlv_take(&ok, 0xa1), octets_from(cert.p + 4, cert.n - 4)));
	(void)tlv_take(&ok, 0xa2);
	tlv_end(&ok);
	assert_int_equal(doc.fault, TLV_OK);
}

static void errors_of_the_card_are_not_compacted(void **state)
{
	struct octets error = EX("15.10", "… error ciPKUnknown");

	(void)state;
	assert_int_equal(esipa_compact_authenticate(begin(), error, true, true), 0);
	expect(error, "error");
	assert_int_equal(esipa_compact_authenticate(begin(), EX("15.10", "PDR"), true, true), -EBADMSG);
	assert_int_equal(esipa_compact_install(begin(), EX("15.10", "PDR")), -EBADMSG);
	writer.cap = 10;
	writer.len = 0;
	assert_int_equal(esipa_compact_prepare(&writer, EX("15.10", "PDR"), false, false), -EMSGSIZE);
}

/* --- what is cut --- */

static int decode_any(unsigned which, struct octets der)
{
	struct esipa_data_request data;
	struct esipa_authenticated b;
	struct esipa_provided provided;
	struct esipa_initiated a;
	struct esipa_package p;
	struct esipa_trigger t;
	struct octets bpp;
	int error;

	switch (which) {
	case 0: return esipa_get_package_decode(der, &p);
	case 1: return esipa_transfer_decode(der, &p);
	case 2: return esipa_data_request_decode(der, &data);
	case 3: return esipa_trigger_decode(der, &t);
	case 4: return esipa_provide_decode(der, &provided);
	case 5: return esipa_initiate_decode(der, &a);
	case 6: return esipa_authenticate_decode(der, &b);
	case 7: return esipa_get_bpp_decode(der, &bpp, &error);
	}
	return esipa_cancel_session_decode(der, &error);
}

static void messages_cut_anywhere_are_unreadable(void **state)
{
	static const struct {
		unsigned which;
		const char *section, *name;
	} rows[] = {
		{ 0, "15.2", "GetEimPackageResponse with eUICC Package 1" },
		{ 1, "15.6", "TransferEimPackageRequest with EimAck" },
		{ 2, "15.7", "IpaEuiccDataRequest (all tags)" },
		{ 3, "15.8", "ProfileDownloadTriggerRequest, SM-DS with" },
		{ 4, "15.6", "ProvideEimPackageResultResponse, ack" },
		{ 5, "15.10", "ESipa InitiateAuthentication response" },
		{ 6, "15.10", "ESipa AuthenticateClient response (SM" },
		{ 7, "15.10", "ESipa GetBoundProfilePackage response" },
		{ 8, "15.10", "ESipa CancelSession response ok" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct octets der = EX(rows[i].section, rows[i].name);

		assert_int_equal(decode_any(rows[i].which, der), 0);
		for (size_t n = 1; n < der.n; n++) {
			_cleanup_(freep) uint8_t *copy = malloc(n);

			memcpy(copy, der.p, n);
			if (decode_any(rows[i].which, octets_from(copy, n)) != -EBADMSG)
				fail_msg("%s cut at %zu is read", rows[i].name, n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polls_are_written_for_each_version),
		cmocka_unit_test(plmns_are_nibbles),
		cmocka_unit_test(packages_are_told_apart),
		cmocka_unit_test(odd_packages_are_unknown_or_unreadable),
		cmocka_unit_test(data_requests_say_what_is_wanted),
		cmocka_unit_test(data_requests_for_what_is_not_there_are_incorrect),
		cmocka_unit_test(triggers_name_their_source),
		cmocka_unit_test(acknowledgements_are_counted_out),
		cmocka_unit_test(broken_acknowledgements_acknowledge_nothing),
		cmocka_unit_test(package_results_travel_with_their_notifications),
		cmocka_unit_test(errors_are_reported_for_each_version),
		cmocka_unit_test(data_comes_in_the_order_of_the_definition),
		cmocka_unit_test(old_eims_get_lists_as_v1_0_had_them),
		cmocka_unit_test(download_results_are_carried_as_asked),
		cmocka_unit_test(injected_packages_are_answered),
		cmocka_unit_test(a_download_goes_message_by_message),
		cmocka_unit_test(short_and_refusing_answers_are_read),
		cmocka_unit_test(confirmation_codes_are_hashed_twice),
		cmocka_unit_test(compact_forms_leave_out_what_is_known),
		cmocka_unit_test(compact_forms_keep_what_is_not_known),
		cmocka_unit_test(errors_of_the_card_are_not_compacted),
		cmocka_unit_test(messages_cut_anywhere_are_unreadable),
	};

	(void)load(NULL);
	know_constants();
	return cmocka_run_group_tests(tests, NULL, unload);
}
