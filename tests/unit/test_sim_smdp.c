/* The SM-DP+ simulator against recorded downloads: the same octets, and every refusal. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/command.h"
#include "sim/smdp/init.h"
#include "support/examples.h"
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

static void a_result_counts_once_although_the_notification_was_lost(void **state)
{
	struct rsp_session v;
	struct sdp s;

	(void)state;
	rsp_session_open(&v, "nist-small-ppk");
	rsp_session_server(&v, &s);
	run_whole(&v, &s);
	expect_function(&v, &s, SDP_HANDLE_NOTIFICATION, SDP_DONE);
	/* As if it had been killed after the profile was written. */
	while (!list_empty(&s.notes)) {
		struct sdp_note *n = list_first(&s.notes, struct sdp_note, node);

		list_del(&n->node);
		sdp_blob_done(&n->sima);
		sdp_blob_done(&n->aid);
		free(n);
		s.notes_n--;
	}
	expect_function(&v, &s, SDP_HANDLE_NOTIFICATION, SDP_DONE);
	assert_int_equal(s.notes_n, 1);
	assert_int_equal(only(&s)->results, 1);
	assert_int_equal(only(&s)->state, SDP_STATE_INSTALLED);
	sdp_done(&s);
	rsp_session_close(&v);
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

/* --- packages and faults ---------------------------------------------------------------------- */

static void packages_of_any_size_are_whole(void **state)
{
	(void)state;
	for (size_t size = 0; size < 20000; size = size * 2 + 333) {
		struct sdp_upp_recipe r = { TEXT("8988000000000000012"), TEXT("001010000000001"), size };
		char iccid[2 * SDP_ICCID_LEN + 1];
		struct sdp_blob upp;

		assert_int_equal(sdp_upp_make(&r, &upp), 0);
		assert_true(upp.n >= size && upp.n < size + 5000);
		assert_int_equal(sdp_upp_iccid(sdp_blob_octets(&upp), iccid), 0);
		assert_string_equal(iccid, "8988000000000000012");
		sdp_blob_done(&upp);
	}
}

static void metadata_is_as_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct rsp_session v;
		struct sdp_metadata m = { .provider = TEXT("Test Operator"),
					  .profile_class = SDP_CLASS_OPERATIONAL };
		struct octets want;
		struct sdp_blob got = { 0 };
		const struct text address = TEXT("smdpp.rsp.test");

		rsp_session_open(&v, names[i]);
		want = rsp_session_get(&v, "profileMetadata");
		memcpy(m.iccid, rsp_session_get(&v, "iccid_ef").p, SDP_ICCID_LEN);
		m.name = i == 0 ? TEXT("Test Profile A") : i == 1 ? TEXT("Test Profile C") :
			 TEXT("Test Profile B");
		if (i == 0) {
			const uint8_t *icon = memmem(want.p, want.n, "\x89PNG", 4);

			m.profile_class = SDP_CLASS_TEST;
			m.icon = octets_from(icon, 0x3c0);
			for (size_t k = 0; k < 4; k++)
				m.notify[m.notify_n++] = (struct sdp_notify){ (uint8_t)(0x80 >> k), address };
			m.owner = TEXT("00101");
		} else if (i == 1) {
			m.profile_class = SDP_CLASS_TEST;
		} else {
			m.notify[m.notify_n++] = (struct sdp_notify){ 0x40, address };
		}
		assert_int_equal(sdp_metadata_make(&m, &got), 0);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.p, want.p, want.n);
		sdp_blob_done(&got);
		rsp_session_close(&v);
	}
}

static void faults_strike_after_and_as_often_as_told(void **state)
{
	static const char *const wrong[] = {
		"", "nothing", "slow=1,on=nothing", "slow=1,count=x", "slow=1,after", "slow,what=1",
	};
	struct sdp_faults f = { 0 };
	char value[SDP_FAULT_VALUE_MAX];
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(sdp_fault_add(&f, text_of(wrong[i]), &why), -EINVAL);
	assert_int_equal(sdp_fault_add(&f, TEXT("slow=70,on=cancelSession,count=2,after=1"), &why), 0);
	assert_false(sdp_fault_strikes(&f, SDP_FAULT_SLOW, SDP_AUTHENTICATE_CLIENT, value));
	assert_false(sdp_fault_strikes(&f, SDP_FAULT_DRIP, SDP_CANCEL_SESSION, value));
	assert_false(sdp_fault_strikes(&f, SDP_FAULT_SLOW, SDP_CANCEL_SESSION, value));
	assert_true(sdp_fault_strikes(&f, SDP_FAULT_SLOW, SDP_CANCEL_SESSION, value));
	assert_string_equal(value, "70");
	assert_true(sdp_fault_strikes(&f, SDP_FAULT_SLOW, SDP_CANCEL_SESSION, value));
	assert_false(sdp_fault_strikes(&f, SDP_FAULT_SLOW, SDP_CANCEL_SESSION, value));
	assert_int_equal(sdp_fault_add(&f, TEXT("reset,count=forever"), &why), 0);
	for (int i = 0; i < 100; i++)
		assert_true(sdp_fault_strikes(&f, SDP_FAULT_RESET, SDP_HANDLE_NOTIFICATION, NULL));
}

/* --- killed at any moment --------------------------------------------------------------------- */

#define CRASH_DIR "/tmp/smdp-crash-XXXXXX"

/* The child: downloads and results one after the other, until it is killed. */
static void work_for_ever(const char *dir, int told)
{
	struct rsp_session v;
	char why[SDP_WHY_MAX];
	struct sdp s;

	rsp_session_open(&v, "nist-small-ppk");
	if (sdp_open(&s, dir, why) < 0)
		_exit(1);
	for (unsigned round = 0;; round++) {
		sdp_profile_release(only(&s));
		sdp_keep(&s, only(&s));
		rsp_session_feed(&v, &s, false);
		for (enum sdp_function f = 0; f < _SDP_FUNCTION_MAX; f++) {
			struct sdp_call c = rsp_session_call(&v, f);
			struct sdp_answer a;

			if (f != SDP_CANCEL_SESSION)
				sdp_run(&s, &c, &a);
			if (f != SDP_CANCEL_SESSION)
				sdp_answer_done(&a);
		}
		while (v.kept_n)
			free(v.kept[--v.kept_n]);
		if (write(told, "", 1) != 1)
			_exit(1);
	}
}

/* What is on disk is a whole state, and one that may follow the one before. */
static void look_at(const char *dir)
{
	char why[SDP_WHY_MAX] = "";
	struct sdp s;

	if (sdp_open(&s, dir, why) < 0)
		fail_msg("%s", why);
	switch (only(&s)->state) {
	case SDP_STATE_RELEASED:
		assert_false(only(&s)->bound.there);
		break;
	case SDP_STATE_DOWNLOADED:
		assert_true(only(&s)->bound.there);
		assert_true(only(&s)->list_n > 0 && only(&s)->bound.body.n > 0);
		break;
	case SDP_STATE_INSTALLED:
		assert_true(s.notes_n == 1 || only(&s)->results > 0);
		break;
	case SDP_STATE_AVAILABLE:
	case SDP_STATE_ERROR:
	case _SDP_STATE_MAX:
		fail_msg("state %d", only(&s)->state);
	}
	assert_true(s.notes_n <= 1);
	sdp_done(&s);
}

static void a_server_that_is_killed_leaves_a_whole_state(void **state)
{
	char dir[] = CRASH_DIR, why[SDP_WHY_MAX] = "", command[64], c;
	char *add[] = { (char *)"add", (char *)"--upp",
			(char *)"tests/vectors/rsp/upp/usim-small.json", (char *)"--matching-id",
			(char *)"", (char *)"--max-downloads", (char *)"0", NULL };
	struct sdp_recipe r = { .dir = dir, .pki = { "tests/vectors/rsp/pki/nist" }, .pki_n = 1 };
	FILE *null = fopen("/dev/null", "w");
	struct sdp s;
	unsigned rounds = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (sdp_make(&r, why) < 0 || sdp_open(&s, dir, why) < 0)
		fail_msg("%s", why);
	assert_int_equal(sdp_command(&s, (int)ARRAY_SIZE(add) - 1, add, null), 0);
	sdp_done(&s);
	for (unsigned i = 0; i < 60; i++) {
		int fds[2];
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			work_for_ever(dir, fds[1]);
		close(fds[1]);
		/* It is at work; then, some time later, it is dead. */
		assert_int_equal(read(fds[0], &c, 1), 1);
		usleep(i * 397);        /* any moment will do; this spreads them */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(fds[0], &c, 1) == 1)
			rounds++;
		close(fds[0]);
		look_at(dir);
	}
	assert_true(rounds > 0);
	fclose(null);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

/* --- another author's numbers ----------------------------------------------------------------- */

static void the_worked_example_is_protected_as_written(void **state)
{
	static const uint8_t eid[SDP_EID_LEN] = { 0x89, 0x04, 0x90, 0x32, 0x12, 0x34, 0x51, 0x23,
						  0x45, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x35 };
	static const uint8_t configure[] = { 0xbf, 0x24, 0x00 };
	struct octets z = example("Z (ECDH of OTDP and OTEUICC)");
	struct octets plain = example("profile package plaintext (dummy)");
	uint8_t out[512];
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m;
	struct sdp_bsp b;

	(void)state;
	sdp_bsp_open(&b, z.p, octets_from("host", 4), eid);
	assert_octets(octets_from(b.chain, 16), example("initial MAC chaining value"));
	assert_octets(octets_from(b.enc, 16), example("S-ENC"));
	assert_octets(octets_from(b.mac, 16), example("S-MAC"));
	m = tlv_begin(&w, 0xa0);
	sdp_bsp_put(&b, &w, 0x87, octets_from(configure, sizeof(configure)));
	tlv_close(&w, m);
	assert_octets(octets_from(out, w.len), example("2. complete A0 (one 87)"));
	w.len = 0;
	sdp_bsp_put(&b, &w, 0x88, example("Profile metadata (StoreMetadataRequest)"));
	assert_octets(octets_from(out, w.len), example("4. 88 (StoreMetadata, MAC only)"));
	w.len = 0;
	sdp_bsp_put(&b, &w, 0x86, octets_from(plain.p, 8));
	assert_octets(octets_from(out, w.len), example("6. 86, first"));
	w.len = 0;
	sdp_bsp_put(&b, &w, 0x86, octets_from(plain.p + 8, plain.n - 8));
	assert_octets(octets_from(out, w.len), example("7. 86, last \342\206\222 answer BF37"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_downloads_are_reproduced_to_the_octet),
		cmocka_unit_test(a_second_attempt_uses_the_old_keys_and_body),
		cmocka_unit_test(a_result_counts_once_although_the_notification_was_lost),
		cmocka_unit_test(every_recorded_failure_is_decoded_and_told),
		cmocka_unit_test(other_notifications_are_checked_up_to_the_ci),
		cmocka_unit_test(sessions_are_cancelled_with_the_cards_signature),
		cmocka_unit_test(packages_of_any_size_are_whole),
		cmocka_unit_test(metadata_is_as_recorded),
		cmocka_unit_test(faults_strike_after_and_as_often_as_told),
		cmocka_unit_test(a_server_that_is_killed_leaves_a_whole_state),
		cmocka_unit_test(the_worked_example_is_protected_as_written),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
