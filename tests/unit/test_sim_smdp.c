/* The SM-DP+ simulator against recorded downloads: the same octets, and every refusal. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "support/rsp_session.h"

static const char *const names[] = { "nist-cc-ppk", "nist-small-ppk", "brp-session-keys" };

static void assert_octets(struct octets got, struct octets want)
{
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
}

static void assert_member(const struct sdp_answer *a, enum sdp_member m, struct octets want)
{
	assert_octets(sdp_blob_octets(&a->members[m]), want);
}

/* Runs one function and wants this code; the answer is dropped. */
static void expect(struct sdp *s, const struct sdp_call *c, enum sdp_code want)
{
	struct sdp_answer a;

	sdp_run(s, c, &a);
	assert_int_equal(a.code, want);
	sdp_answer_done(&a);
}

static void expect_function(struct rsp_session *v, struct sdp *s, enum sdp_function f,
			    enum sdp_code want)
{
	struct sdp_call c = rsp_session_call(v, f);

	expect(s, &c, want);
}

static struct sdp_profile *only(struct sdp *s)
{
	return list_first(&s->profiles, struct sdp_profile, node);
}

/* --- the recorded downloads ------------------------------------------------------------------- */

static void run_whole(struct rsp_session *v, struct sdp *s)
{
	struct sdp_answer a;
	struct sdp_call c = rsp_session_call(v, SDP_INITIATE_AUTHENTICATION);

	sdp_run(s, &c, &a);
	assert_int_equal(a.code, SDP_DONE);
	assert_member(&a, SDP_TRANSACTION_ID, rsp_session_get(v, "transactionId"));
	assert_member(&a, SDP_SERVER_SIGNED1, rsp_session_get(v, "serverSigned1"));
	assert_member(&a, SDP_SERVER_SIGNATURE1, rsp_session_get(v, "serverSignature1"));
	sdp_answer_done(&a);
	c = rsp_session_call(v, SDP_AUTHENTICATE_CLIENT);
	sdp_run(s, &c, &a);
	assert_int_equal(a.code, SDP_DONE);
	assert_member(&a, SDP_PROFILE_METADATA, rsp_session_get(v, "profileMetadata"));
	assert_member(&a, SDP_SMDP_SIGNED2, rsp_session_get(v, "smdpSigned2"));
	assert_member(&a, SDP_SMDP_SIGNATURE2, rsp_session_get(v, "smdpSignature2"));
	sdp_answer_done(&a);
	c = rsp_session_call(v, SDP_GET_BOUND_PROFILE_PACKAGE);
	for (int twice = 0; twice < 2; twice++) {
		sdp_run(s, &c, &a);
		assert_int_equal(a.code, SDP_DONE);
		assert_member(&a, SDP_BOUND_PROFILE_PACKAGE, rsp_session_get(v, "boundProfilePackage"));
		sdp_answer_done(&a);
	}
	assert_int_equal(s->fed.n, 0);
	assert_int_equal(only(s)->state, SDP_STATE_DOWNLOADED);
}

static void recorded_downloads_are_reproduced_to_the_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct rsp_session v;
		struct sdp s;

		rsp_session_open(&v, names[i]);
		rsp_session_server(&v, &s);
		run_whole(&v, &s);
		assert_int_equal(only(&s)->downloads, 1);
		for (int twice = 0; twice < 2; twice++)
			expect_function(&v, &s, SDP_HANDLE_NOTIFICATION, SDP_DONE);
		assert_int_equal(only(&s)->state, SDP_STATE_INSTALLED);
		assert_int_equal(only(&s)->results, 1);
		assert_int_equal(s.notes_n, 1);
		assert_int_equal(list_first(&s.notes, struct sdp_note, node)->deliveries, 2);
		assert_int_equal(list_first(&s.notes, struct sdp_note, node)->verdict, SDP_VERIFIED);
		/* It is installed: neither the session nor the profile can be had again. */
		expect_function(&v, &s, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_TRANSACTION_UNKNOWN);
		rsp_session_feed(&v, &s, true);
		expect_function(&v, &s, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
		expect_function(&v, &s, SDP_AUTHENTICATE_CLIENT, SDP_NOT_AVAILABLE);
		sdp_done(&s);
		rsp_session_close(&v);
	}
}

static void a_second_attempt_uses_the_old_keys_and_body(void **state)
{
	struct rsp_session first, again;
	struct sdp s;

	(void)state;
	rsp_session_open(&first, "nist-cc-ppk");
	rsp_session_open(&again, "nist-cc-ppk-retry");
	rsp_session_server(&first, &s);
	run_whole(&first, &s);
	rsp_session_feed(&again, &s, true);
	run_whole(&again, &s);
	assert_int_equal(only(&s)->downloads, 2);
	sdp_done(&s);
	rsp_session_close(&first);
	rsp_session_close(&again);
}

static void every_recorded_failure_is_decoded_and_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct rsp_session v;
		struct json_object *list;
		struct sdp s;

		rsp_session_open(&v, names[i]);
		rsp_session_server(&v, &s);
		run_whole(&v, &s);
		list = json_object_object_get(v.doc, "errorResults");
		for (size_t k = 0; k < json_object_array_length(list); k++) {
			struct json_object *o = json_object_array_get_idx(list, k);
			const char *hex = json_object_get_string(
				json_object_object_get(o, "profileInstallationResult"));
			int command = json_object_get_int(json_object_object_get(o, "bppCommandId"));
			int reason = json_object_get_int(json_object_object_get(o, "errorReason"));
			struct sdp_call c = { .function = SDP_HANDLE_NOTIFICATION };
			struct sdp_profile *p = only(&s);
			uint8_t der[512];
			size_t n;

			assert_int_equal(hex_decode(text_of(hex), der, sizeof(der), &n), 0);
			c.notification = octets_from(der, n);
			p->state = SDP_STATE_DOWNLOADED;
			expect(&s, &c, SDP_DONE);
			assert_int_equal(p->command, command);
			assert_int_equal(p->reason, reason);
			assert_int_equal(p->state, reason == 10 || reason == 11 ?
					 SDP_STATE_DOWNLOADED : SDP_STATE_ERROR);
			assert_int_equal(p->results, k + 1);
			/* Each octet of what is signed counts. */
			der[n - 70] ^= 1;
			expect(&s, &c, SDP_DONE);
			assert_int_equal(p->results, k + 1);
		}
		assert_int_equal(s.notes_n, 2 * json_object_array_length(list));
		sdp_done(&s);
		rsp_session_close(&v);
	}
}

static void other_notifications_are_checked_up_to_the_ci(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct rsp_session v;
		struct json_object *list;
		struct sdp s;

		rsp_session_open(&v, names[i]);
		rsp_session_server(&v, &s);
		list = json_object_object_get(v.doc, "otherSignedNotifications");
		assert_true(json_object_array_length(list) >= 3);
		for (size_t k = 0; k < json_object_array_length(list); k++) {
			struct json_object *o = json_object_array_get_idx(list, k);
			const char *hex = json_object_get_string(json_object_object_get(o, "notification"));
			struct sdp_note *n;
			uint8_t der[2048];
			size_t len;

			assert_int_equal(hex_decode(text_of(hex), der, sizeof(der), &len), 0);
			sdp_handle_notification(&s, octets_from(der, len));
			n = list_entry(s.notes.prev, struct sdp_note, node);
			assert_int_equal(n->verdict, SDP_VERIFIED);
			assert_string_equal(n->iccid, only(&s)->iccid);
			assert_string_equal(n->address, "smdpp.rsp.test");
			assert_string_equal(n->eid, "89049032000000000000000000000163");
			der[9] ^= 1;           /* sequence number, in front of the signature */
			sdp_handle_notification(&s, octets_from(der, len));
			n = list_entry(s.notes.prev, struct sdp_note, node);
			assert_int_equal(n->verdict, SDP_BAD_SIGNATURE);
			der[9] ^= 1;
			der[len - 1] ^= 1;      /* the EUM's certificate */
			sdp_handle_notification(&s, octets_from(der, len));
			n = list_entry(s.notes.prev, struct sdp_note, node);
			assert_int_equal(n->verdict, SDP_BAD_CHAIN);
		}
		sdp_done(&s);
		rsp_session_close(&v);
	}
}

static void sessions_are_cancelled_with_the_cards_signature(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct rsp_session v;
		struct sdp_call c;
		struct sdp s;
		uint8_t der[256];

		rsp_session_open(&v, names[i]);
		rsp_session_server(&v, &s);
		expect_function(&v, &s, SDP_CANCEL_SESSION, SDP_TRANSACTION_UNKNOWN);
		expect_function(&v, &s, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
		expect_function(&v, &s, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
		c = rsp_session_call(&v, SDP_CANCEL_SESSION);
		memcpy(der, c.response.p, c.response.n);
		der[c.response.n - 1] ^= 1;
		c.response.p = der;
		expect(&s, &c, SDP_SIGNATURE_WRONG);
		der[c.response.n - 1] ^= 1;
		expect(&s, &c, SDP_DONE);
		assert_int_equal(only(&s)->state, SDP_STATE_ERROR);     /* reason 0, end user rejection */
		expect(&s, &c, SDP_TRANSACTION_UNKNOWN);
		sdp_done(&s);
		rsp_session_close(&v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_downloads_are_reproduced_to_the_octet),
		cmocka_unit_test(a_second_attempt_uses_the_old_keys_and_body),
		cmocka_unit_test(every_recorded_failure_is_decoded_and_told),
		cmocka_unit_test(other_notifications_are_checked_up_to_the_ci),
		cmocka_unit_test(sessions_are_cancelled_with_the_cards_signature),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
