/*
 * Downloads that people order on the spot, notifications that the IPA itself delivers to SM-DP+ servers,
 * and what the files of both are good for.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/util.h"
#include "ipa/local.h"
#include "support/ipabed.h"

#define AS_FIRST "--iccid " IPABED_FIRST " --matching-id FIRST "

static void configure(struct ipa_options *o)
{
	o->features = IPABED_FEATURES;
}

static int iot(void **state)
{
	const struct ipabed_options o = { .personality = "iot", .configure = configure };

	(void)state;
	ipabed_open(&o);
	return 0;
}

static int consumer(void **state)
{
	const struct ipabed_options o = { .personality = "classic-consumer", .configure = configure,
					  .no_eim = true };

	(void)state;
	ipabed_open(&o);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	ipabed_close();
	return 0;
}

/* --- on the spot ------------------------------------------------------------------------------------------------------ */

static struct local {
	struct ipa_download *d;
	unsigned done;
	struct cause why;
	char text[IPA_TEXT_MAX];
	char steps[512];
} local;

static void on_done(struct ipa_download *d, const struct cause *why)
{
	assert_ptr_equal(d->owner, &local);
	local.done++;
	local.why = why ? *why : (struct cause){ 0 };
	snprintf(local.text, sizeof(local.text), "%s", ipa_error_text(&ipabed.ipa));
	local.d = NULL;
}

static void on_progress(struct ipa_download *d, const char *step, int percent)
{
	size_t n = strlen(local.steps);

	(void)d;
	assert_true(percent <= 100);
	if (percent < 0)
		snprintf(local.steps + n, sizeof(local.steps) - n, "%s ", step);
}

static int begin(const char *code, const char *confirmation, char why[IPA_TEXT_MAX])
{
	const struct ipa_download_order o = { code, confirmation };

	memset(&local, 0, sizeof(local));
	return ipa_download_start(&ipabed.ipa, &o, &local, on_progress, on_done, &local.d, why);
}

static void download(const char *code, const char *confirmation)
{
	char why[IPA_TEXT_MAX] = "";

	if (begin(code, confirmation, why))
		fail_msg("%s", why);
	ipabed_run(IPABED_VISIT_MS);
	assert_int_equal(local.done, 1);
}

static void people_download_by_themselves(void **state)
{
	(void)state;
	ipabed_offer(AS_FIRST);
	download(IPABED_CODE, "");
	assert_int_equal(local.why.kind, CAUSE_NONE);
	assert_non_null(ipabed_on_card(IPABED_FIRST));
	assert_non_null(strstr(local.steps, "authenticate-server"));
	assert_non_null(strstr(local.steps, "load-profile"));
	ipabed_expect_over();
}

/* On a card of an eIM's, too; it is not the eIM's to pass on the result. */
static void people_download_beside_an_eim(void **state)
{
	(void)state;
	ipabed_offer(AS_FIRST);
	download(IPABED_CODE, "");
	assert_int_equal(local.why.kind, CAUSE_NONE);
	assert_int_equal(sdp_find_profile(&ipabed.smdp, IPABED_FIRST)->state, SDP_STATE_INSTALLED);
	assert_int_equal(ipabed.account->notes_n, 0);
	ipabed_expect_over();
}

static void wrong_code_may_be_followed_by_the_right_one(void **state)
{
	(void)state;
	ipabed_offer(AS_FIRST "--cc 1234");
	download(IPABED_CODE, "");
	assert_string_equal(local.text, "the profile wants a confirmation code: give it with "
			    "--confirmation-code");
	download(IPABED_CODE, "4321");
	assert_int_equal(local.why.kind, CAUSE_REFUSED);
	assert_non_null(strstr(local.text, "confirmation code refused"));
	ipabed_expect_over();
	download(IPABED_CODE, "1234");
	assert_int_equal(local.why.kind, CAUSE_NONE);
	assert_non_null(ipabed_on_card(IPABED_FIRST));
	ipabed_expect_over();
}

static void orders_that_cannot_be_begun(void **state)
{
	char why[IPA_TEXT_MAX] = "";

	(void)state;
	assert_int_equal(begin("1$", "", why), -EINVAL);
	assert_non_null(strstr(why, "activation code: "));
	assert_int_equal(begin("", "", why), -EINVAL);
	assert_string_equal(why, "the card has no default SM-DP+ address");
	assert_int_equal(begin(IPABED_CODE, "0123456789012345678901234567890123456789012345678901234567890123",
			       why), -EINVAL);
	assert_int_equal(begin(IPABED_CODE, "", why), 0);
	assert_int_equal(begin(IPABED_CODE, "", why), -EBUSY);
	assert_string_equal(why, "another download is under way; see ipa status");
	ipabed_run(IPABED_VISIT_MS);
	ipa_card_went(&ipabed.ipa);
	assert_int_equal(begin(IPABED_CODE, "", why), -EAGAIN);
	ipabed.ipa.card = IPA_CARD_READY;
	ipabed.ipa.o.features &= ~ESIPA_IPA_DIRECT;
	assert_int_equal(begin(IPABED_CODE, "", why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "set ca in section [ipa]"));
}

/* --- notifications that are the IPA's to deliver ------------------------------------------------------------------------- */

static void on_switched(struct ipa_local *l, const struct cause *why)
{
	(void)l;
	assert_null(why);
}

static void notifications_of_a_card_without_eims_go_to_their_servers(void **state)
{
	struct ipa_local l = { .op = IPA_LOCAL_ENABLE, .iccid = IPABED_B, .done = on_switched };
	struct sdp_note *n;
	unsigned count = 0;

	(void)state;
	ipabed_offer(AS_FIRST);
	assert_int_equal(ipa_local_start(&ipabed.ipa, &l), 0);
	ipabed_run(IPABED_VISIT_MS);
	list_for_each(n, &ipabed.smdp.notes, node) {
		assert_int_equal(n->deliveries, 1);
		count++;
	}
	assert_int_equal(count, 2);     /* A disabled, B enabled */
	ipabed_expect_over();
}

/* A server that is away for a day is not asked all day long. */
static void server_that_is_away_is_asked_seldom(void **state)
{
	unsigned n = 0;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_arm("http=503,on=handleNotification,count=forever");
	download(IPABED_CODE, "");
	assert_int_equal(local.why.kind, CAUSE_NONE);
	assert_string_equal(ipabed_file_left(), "ipa-notes");
	ipabed.requests = 0;
	ipabed_run(24 * 3600000);
	for (unsigned k = 0; k < ipabed.requests; k++)
		n += ipabed.log[k].to == TO_SMDP;
	assert_in_range(n, 20, 35);
	ipabed.smdp.faults.n = 0;
	ipabed_run(3700000);
	assert_int_equal(sdp_find_profile(&ipabed.smdp, IPABED_FIRST)->state, SDP_STATE_INSTALLED);
	ipabed_expect_over();
}

/* --- files ------------------------------------------------------------------------------------------------------------------ */

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", ipabed.state_dir, name);
	assert_int_equal(file_save(path, text, strlen(text), 0600), 0);
}

static bool there_is(const char *name)
{
	char path[128], content[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", ipabed.state_dir, name);
	return file_load(path, content, sizeof(content), &n) == 0;
}

static void damaged_files_are_moved_aside(void **state)
{
	struct se_package *p;

	(void)state;
	write_file("ipa-download", "step=load\neim=3");
	write_file("ipa-notes", "eid=" IPABED_EID "\n12\nnonsense\n");
	ipabed_restart_daemon(false);
	ipabed_run(10000);
	assert_true(there_is("ipa-download.bad") && there_is("ipa-notes.bad"));
	assert_false(there_is("ipa-download") || there_is("ipa-notes"));
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download " IPABED_CODE);
	assert_int_equal(p->state, SE_DONE);
	assert_non_null(ipabed_on_card(IPABED_FIRST));
}

static void journal_of_an_eim_that_is_gone_is_given_up(void **state)
{
	(void)state;
	write_file("ipa-download", "step=load\neim=AABB\nsession=00112233\nserver=" IPABED_HOST
		   "\ndirect=1\nend\n");
	ipabed_restart_daemon(false);
	ipabed_run(IPABED_VISIT_MS);
	ipabed_expect_over();
}

/* Numbers of another card say nothing about this one's notifications. */
static void notes_of_another_card_are_not_this_ones(void **state)
{
	struct se_package *p;

	(void)state;
	write_file("ipa-notes", "eid=89049032123451234512345678901235\n1\n2\n3\n");
	ipabed_restart_daemon(false);
	ipabed_run(10000);
	p = ipabed_visit("enable " IPABED_B);
	assert_int_equal(p->state, SE_DONE);
	ipabed_run(IPABED_VISIT_MS);
	assert_int_equal(euicc_card_state(ipabed.card.card)->n_notes, 0);
	assert_int_equal(ipabed.account->notes_n, 2);
}

#define IOT(f) cmocka_unit_test_setup_teardown(f, iot, close_bed)
#define CONSUMER(f) cmocka_unit_test_setup_teardown(f, consumer, close_bed)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CONSUMER(people_download_by_themselves),
		IOT(people_download_beside_an_eim),
		CONSUMER(wrong_code_may_be_followed_by_the_right_one),
		CONSUMER(orders_that_cannot_be_begun),
		CONSUMER(notifications_of_a_card_without_eims_go_to_their_servers),
		CONSUMER(server_that_is_away_is_asked_seldom),
		IOT(damaged_files_are_moved_aside),
		IOT(journal_of_an_eim_that_is_gone_is_given_up),
		IOT(notes_of_another_card_are_not_this_ones),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, ipabed_setup, ipabed_teardown);
}
