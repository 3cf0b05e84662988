/*
 * Downloads one by one: what may be installed and what not, where it comes from, who is told what. What
 * happens when things go wrong on the way is swept in tests/sweep/sweep_download.c.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/examples.h"
#include "support/ipabed.h"
#include "unit/fake_ev.h"

#define AS_FIRST "--iccid " IPABED_FIRST " --matching-id FIRST "
#define AS_SECOND "--iccid " IPABED_SECOND " --matching-id SECOND "

static enum ipa_route route;

static void configure(struct ipa_options *o)
{
	o->features = IPABED_FEATURES;
	o->route = route;
}

static void configure_without_authorities(struct ipa_options *o)
{
	o->features = IPABED_FEATURES & ~ESIPA_IPA_DIRECT;
}

static void open_bed(void (*card)(struct ve_state *s))
{
	const struct ipabed_options o = { .personality = "iot", .configure = configure, .card = card };

	ipabed_open(&o);
}

static int direct(void **state)
{
	(void)state;
	route = IPA_ROUTE_AUTO;
	open_bed(NULL);
	return 0;
}

static int indirect(void **state)
{
	(void)state;
	route = IPA_ROUTE_INDIRECT;
	open_bed(NULL);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	ipabed_close();
	return 0;
}

/* --- what came of it ------------------------------------------------------------------------ */

static void expect_installed(const struct se_package *p, const char *iccid)
{
	struct sdp_note *n;

	if (p->state != SE_DONE || p->error)
		fail_msg("%s: %s", se_state_names[p->state], p->outcome);
	assert_int_equal(p->results, 1);
	assert_int_equal(p->verdict, SE_VERIFIED);
	assert_non_null(ipabed_on_card(iccid));
	assert_int_equal(sdp_find_profile(&ipabed.smdp, iccid)->state, SDP_STATE_INSTALLED);
	list_for_each(n, &ipabed.smdp.notes, node)
		assert_int_equal(n->deliveries, 1);
	ipabed_expect_over();
}

static void expect_failed(const struct se_package *p, const char *words)
{
	assert_int_equal(p->results, 1);
	if (!p->error || !strstr(p->outcome, words))
		fail_msg("%s: \"%s\" instead of \"%s\"", se_state_names[p->state], p->outcome, words);
	assert_null(ipabed_on_card(IPABED_FIRST));
	ipabed_expect_over();
}

/* The session is over at the SM-DP+, for this reason. */
static void expect_cancelled(const char *iccid, unsigned reason)
{
	struct sdp_profile *p = sdp_find_profile(&ipabed.smdp, iccid);
	char why[64];

	snprintf(why, sizeof(why), "cancelled, reason %u", reason);
	assert_string_equal(p->why, why);
	/* Postponed and timeout leave the order as it was. */
	assert_int_equal(p->state, reason == 1 || reason == 2 ? SDP_STATE_RELEASED : SDP_STATE_ERROR);
}

/* --- policy rules ------------------------------------------------------------------------------------ */

#define RULES "--owner 00101 --ppr "

static void without_rules(struct ve_state *s)
{
	blob_clear(&s->rat);
}

/* No deletion, for 001 01 only. */
static void with_rules(struct ve_state *s)
{
	struct octets rule = octets_of_hex("3010800205" "20A1073005800300F110820100");

	blob_copy(&s->rat, rule);
}

static void rules_that_the_card_does_not_allow_are_refused(void **state)
{
	struct se_package *p;

	(void)state;
	open_bed(without_rules);
	ipabed_offer(AS_FIRST RULES "no-delete");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "does not allow this owner the rule 'no deletion' (PPR2)");
	expect_cancelled(IPABED_FIRST, 3);
	ipabed_close();
}

static void rules_that_the_card_allows_are_kept(void **state)
{
	struct se_package *p;

	(void)state;
	open_bed(with_rules);
	ipabed_offer(AS_FIRST RULES "no-delete");
	p = ipabed_visit("download " IPABED_CODE);
	expect_installed(p, IPABED_FIRST);
	ipabed_close();
}

static void rules_of_another_owner_are_refused(void **state)
{
	struct se_package *p;

	(void)state;
	open_bed(with_rules);
	ipabed_offer(AS_FIRST "--owner 00102 --ppr no-delete");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "(PPR2)");
	expect_cancelled(IPABED_FIRST, 3);
	ipabed_close();
}

static void rule_against_disabling_wants_to_be_alone(void **state)
{
	struct se_package *p;

	(void)state;
	open_bed(with_rules);
	ipabed_offer(AS_FIRST RULES "no-disable");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "(PPR1)");
	expect_cancelled(IPABED_FIRST, 3);
	ipabed_close();
}

/* --- confirmation codes ---------------------------------------------------------------------------------- */

static void code_that_nobody_has_postpones(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST "--cc 1234");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "the profile wants a confirmation code, and nobody has given one");
	expect_cancelled(IPABED_FIRST, 1);
}

static void code_of_the_eim_is_passed_on(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST "--cc 1234");
	p = ipabed_visit("download " IPABED_CODE " --indirect --confirmation-code 1234");
	expect_installed(p, IPABED_FIRST);
}

static void wrong_code_of_the_eim_is_refused(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST "--cc 1234");
	p = ipabed_visit("download " IPABED_CODE " --indirect --confirmation-code 4321");
	expect_failed(p, "");
	assert_int_equal(sdp_find_profile(&ipabed.smdp, IPABED_FIRST)->tries, 1);
}

/* --- what the profile is ------------------------------------------------------------------------------------- */

static void profile_that_is_there_is_not_loaded_again(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer("--iccid " IPABED_B " --matching-id FIRST");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "profile " IPABED_B " is on the card already");
	expect_cancelled(IPABED_B, 127);
}

static void package_with_another_profile_is_not_installed(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_arm("wrong-metadata,on=authenticateClient");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "the package holds another profile than the server had announced");
	expect_cancelled(IPABED_FIRST, 4);
}

/* --- who the server is ------------------------------------------------------------------------------------------ */

static void server_with_the_right_oid(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download " IPABED_CODE "$2.999.10");
	expect_installed(p, IPABED_FIRST);
}

static void server_with_another_oid_is_refused(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download " IPABED_CODE "$2.999.11");
	expect_failed(p, "the server is not the one with OID 2.999.11");
}

static void server_with_another_name_is_refused(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_arm("wrong-address=other.example,on=initiateAuthentication");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "the server says that it is other.example, asked was " IPABED_HOST);
}

static void server_that_signs_another_challenge_is_refused(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_arm("wrong-challenge,on=initiateAuthentication");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "another challenge than the card's");
}

static void server_with_the_wrong_role_is_refused_by_the_card(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_arm("wrong-certificate=role,on=initiateAuthentication");
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "the card refuses the server: ");
}

/* --- where it comes from ------------------------------------------------------------------------------------------ */

static void with_default_server(struct ve_state *s)
{
	blob_set(&s->default_dp, IPABED_HOST, strlen(IPABED_HOST));
}

static void default_server_is_that_of_the_card(void **state)
{
	struct se_package *p;

	(void)state;
	for (enum ipa_route r = IPA_ROUTE_AUTO; r <= IPA_ROUTE_INDIRECT; r++) {
		route = r;
		open_bed(with_default_server);
		ipabed_offer("--iccid " IPABED_FIRST " --matching-id=");
		p = ipabed_visit("download --default-smdp");
		expect_installed(p, IPABED_FIRST);
		ipabed_close();
	}
}

static void without_a_default_server_there_is_none(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download --default-smdp");
	expect_failed(p, "the card has no default SM-DP+ address");
}

static void sm_ds_without_events_has_nothing(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download --smds " IPABED_DS_HOST);
	expect_failed(p, "nothing waits for this eUICC at " IPABED_DS_HOST);
}

static void all_events_are_fetched(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_offer(AS_SECOND);
	sdp_event_add(&ipabed.smdp, IPABED_EID, "FIRST", IPABED_HOST);
	sdp_event_add(&ipabed.smdp, IPABED_EID, "SECOND", IPABED_HOST);
	p = ipabed_visit("download --smds " IPABED_DS_HOST);
	expect_installed(p, IPABED_FIRST);
	expect_installed(p, IPABED_SECOND);
	assert_int_equal(ipabed.smdp.events_n, 0);
}

static void server_that_is_no_sm_ds(void **state)
{
	struct se_package *p;

	(void)state;
	ipabed_offer("--iccid " IPABED_FIRST " --matching-id=");
	p = ipabed_visit("download --smds " IPABED_HOST);
	expect_failed(p, IPABED_HOST " is an SM-DP+, not an SM-DS");
}

static void one_download_after_another_in_a_visit(void **state)
{
	struct se_package *p, *q;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_offer(AS_SECOND);
	p = ipabed_queue("download " IPABED_CODE);
	q = ipabed_visit("download LPA:1$" IPABED_HOST "$SECOND");
	expect_installed(p, IPABED_FIRST);
	expect_installed(q, IPABED_SECOND);
}

static void code_that_cannot_be_read_is_refused_at_once(void **state)
{
	struct se_package *p;

	(void)state;
	p = ipabed_visit("download LPA:2$nowhere");
	assert_int_equal(p->state, SE_FAILED);
	assert_non_null(strstr(p->outcome, "invalidPackageFormat"));
	ipabed_expect_over();
}

static void without_authorities_and_offer_there_is_no_way(void **state)
{
	const struct ipabed_options o = { .personality = "iot", .no_indirect = true,
					  .configure = configure_without_authorities };
	struct se_package *p;

	(void)state;
	ipabed_open(&o);
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "direct downloads need authorities ([ipa] ca)");
	ipabed_close();
}

/* --- what may keep it from being loaded ---------------------------------------------------------------------------- */

static void with_emergency(struct ve_state *s)
{
	static const uint8_t yes = 0xff;

	blob_set(&s->profiles[0].field[VE_ECALL], &yes, 1);
}

static void emergency_comes_first(void **state)
{
	struct se_package *p;

	(void)state;
	open_bed(with_emergency);
	ipabed_offer(AS_FIRST);
	p = ipabed_visit("download " IPABED_CODE);
	expect_failed(p, "ecallActive(104)");
	/* Nobody was asked for anything. */
	assert_int_equal(ipabed.smdp.requests[SDP_INITIATE_AUTHENTICATION], 0);
	ipabed_close();
}

static bool is_loaded(void *arg)
{
	(void)arg;
	return ipabed_on_card(IPABED_FIRST) != NULL;
}

/* It was started again, or has had the request before: the order is as good as it was. */
static void session_that_the_server_does_not_know_is_begun_anew(void **state)
{
	static const char *const functions[] = { "authenticateClient", "getBoundProfilePackage" };
	struct se_package *p;
	char fault[96];

	(void)state;
	ipabed_offer(AS_FIRST);
	for (size_t k = 0; k < ARRAY_SIZE(functions); k++) {
		snprintf(fault, sizeof(fault), "status=8.10.1/3.9,on=%s", functions[k]);
		ipabed_arm(fault);
	}
	p = ipabed_visit("download " IPABED_CODE);
	expect_installed(p, IPABED_FIRST);
}

/* Reported to the eIM before anything else is got from it. */
static void outcome_that_waits_comes_before_the_next_order(void **state)
{
	struct se_package *p, *q;

	(void)state;
	ipabed_offer(AS_FIRST);
	ipabed_offer(AS_SECOND);
	p = ipabed_queue("download " IPABED_CODE);
	q = ipabed_queue("download LPA:1$" IPABED_HOST "$SECOND");
	/* The first report does not arrive, nor do its repetitions. */
	assert_int_equal(ipa_poll(&ipabed.ipa, NULL), 0);
	assert_true(fake_ev_until(is_loaded, NULL, IPABED_VISIT_MS));
	ipabed.away_until_ms[TO_EIM] = ev_now_ms() + 400000;
	ipabed_run(300000);
	assert_non_null(ipabed_on_card(IPABED_FIRST));
	assert_int_equal(p->results, 0);
	assert_string_equal(ipabed_file_left(), "ipa-download");
	ipabed_run(3600000);
	expect_installed(p, IPABED_FIRST);
	expect_installed(q, IPABED_SECOND);
}

#define DIRECT(f) cmocka_unit_test_setup_teardown(f, direct, close_bed)
#define INDIRECT(f) { #f "_indirectly", f, indirect, close_bed, NULL }

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_the_card_does_not_allow_are_refused),
		cmocka_unit_test(rules_that_the_card_allows_are_kept),
		cmocka_unit_test(rules_of_another_owner_are_refused),
		cmocka_unit_test(rule_against_disabling_wants_to_be_alone),
		DIRECT(code_that_nobody_has_postpones),
		INDIRECT(code_that_nobody_has_postpones),
		INDIRECT(code_of_the_eim_is_passed_on),
		INDIRECT(wrong_code_of_the_eim_is_refused),
		DIRECT(profile_that_is_there_is_not_loaded_again),
		INDIRECT(profile_that_is_there_is_not_loaded_again),
		DIRECT(package_with_another_profile_is_not_installed),
		INDIRECT(package_with_another_profile_is_not_installed),
		DIRECT(server_with_the_right_oid),
		INDIRECT(server_with_the_right_oid),
		DIRECT(server_with_another_oid_is_refused),
		DIRECT(server_with_another_name_is_refused),
		DIRECT(server_that_signs_another_challenge_is_refused),
		INDIRECT(server_that_signs_another_challenge_is_refused),
		DIRECT(server_with_the_wrong_role_is_refused_by_the_card),
		INDIRECT(server_with_the_wrong_role_is_refused_by_the_card),
		cmocka_unit_test(default_server_is_that_of_the_card),
		DIRECT(without_a_default_server_there_is_none),
		DIRECT(sm_ds_without_events_has_nothing),
		INDIRECT(sm_ds_without_events_has_nothing),
		DIRECT(all_events_are_fetched),
		DIRECT(server_that_is_no_sm_ds),
		DIRECT(one_download_after_another_in_a_visit),
		INDIRECT(one_download_after_another_in_a_visit),
		DIRECT(code_that_cannot_be_read_is_refused_at_once),
		cmocka_unit_test(without_authorities_and_offer_there_is_no_way),
		cmocka_unit_test(emergency_comes_first),
		DIRECT(session_that_the_server_does_not_know_is_begun_anew),
		INDIRECT(session_that_the_server_does_not_know_is_begun_anew),
		DIRECT(outcome_that_waits_comes_before_the_next_order),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, ipabed_setup, ipabed_teardown);
}
