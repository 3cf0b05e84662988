/*
 * Downloads that cannot succeed, with whole programs: an SM-DP+ that says no, cannot be believed or
 * speaks badly, a profile that may not be installed, a card that does not take it. The eIM learns why,
 * once, nothing stays behind on either side, and the next download works.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "support/fleet.h"

#define FLEETS 8

static struct fleet fleet, fleets[FLEETS];

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	for (size_t k = 0; k < ARRAY_SIZE(fleets); k++)
		fleet_drop(&fleets[k]);
	return 0;
}

struct row {
	const char *fault;
	const char *words;              /* that the eIM hears */
	const char *why;                /* as the SM-DP+ has it of its order; "" it is as it was */
};

/* Of what becomes of a session: reasons as in GSMA SGP.22 5.7.14. */
#define UNDEFINED "cancelled, reason 127"
#define POSTPONED "cancelled, reason 1"
#define NOT_ALLOWED "cancelled, reason 3"
#define MISMATCH "cancelled, reason 4"
#define BPP_ERROR "cancelled, reason 5"

static void expect_why(struct fleet *f, const struct row *r)
{
	char wanted[96];

	snprintf(wanted, sizeof(wanted), "\"why\":\"%s\"", r->why);
	FLEET_DP(f, "show", f->iccid);
	if (!strstr(f->ran->said, wanted))
		fleet_fail(f, "%s: %s expected: %s", r->fault, wanted, f->ran->said);
}

static void order_it(struct fleet *f, const struct row *r)
{
	FLEET_ORDER(f, "download", f->code);
	fleet_visit(f);
	fleet_expect_result(f, r->words, false);
	fleet_await_idle(f);
	expect_why(f, r);
	fleet_expect_all_settled(f);
}

/* --- the server says no ---------------------------------------------------------------------------------- */

#define I ",on=initiateAuthentication"
#define C ",on=authenticateClient"
#define P ",on=getBoundProfilePackage"

/* Those that a real server gives after it has ended the session itself: ours has not, and hears of it. */
static const struct row refusals[] = {
	{ "status=8.8.1/3.8" I, "address refused (8.8.1/3.8): Refused", "" },
	{ "status=8.8.3/3.1" I, "version not supported by the SM-DP+ (8.8.3/3.1): Unsupported", "" },
	{ "status=8.8.2/3.1" I, "no CI key that the SM-DP+ supports (8.8.2/3.1)", "" },
	{ "status=8.8.4/3.7" I, "no certificate for this eUICC (8.8.4/3.7): Unavailable", "" },
	{ "status=8.1.2/6.1" C, "EUM certificate invalid (8.1.2/6.1): Verification failed", "" },
	{ "status=8.1.2/6.3" C, "EUM certificate expired (8.1.2/6.3)", "" },
	{ "status=8.1.3/6.1" C, "eUICC certificate invalid (8.1.3/6.1)", "" },
	{ "status=8.1.3/6.3" C, "eUICC certificate expired (8.1.3/6.3)", "" },
	{ "status=8.1/6.1" C, "signature or challenge invalid (8.1/6.1)", "" },
	{ "status=8.2.6/3.8" C, "matching id refused (8.2.6/3.8)", "" },
	{ "status=8.1.1/3.8" C, "EID refused (8.1.1/3.8)", "" },
	{ "status=8.2.5/4.3" C, "no eligible profile for this device (8.2.5/4.3)", "" },
	{ "status=8.2/1.2" C, "not released (8.2/1.2)", "" },
	{ "status=8.2/3.7" C, "(8.2/3.7)", "" },
	{ "status=8.8.5/4.10" C, "expired (8.8.5/4.10)", "" },
	{ "status=8.8.5/6.4" C, "retries exceeded (8.8.5/6.4)", "" },
	{ "status=8.11.1/3.9" C, "CI key unknown (8.11.1/3.9)", "" },
	{ "status=8.1/4.8" C, "not enough memory on the eUICC (8.1/4.8)", "" },
	{ "status=8.8/3.10" C, "OID invalid (8.8/3.10)", "" },
	{ "status=1.3.1/2.2" C, "(1.3.1/2.2): Mandatory element missing", "" },
	{ "status=8.1/6.1" P, "(8.1/6.1)", UNDEFINED },
	{ "status=8.2.7/2.2" P, "confirmation code missing (8.2.7/2.2)", POSTPONED },
	{ "status=8.2.7/3.8" P, "confirmation code refused (8.2.7/3.8)", POSTPONED },
	{ "status=8.2.7/6.4" P, "retries exceeded (8.2.7/6.4)", UNDEFINED },
	{ "status=8.2/3.7" P, "(8.2/3.7)", UNDEFINED },
	{ "status=8.8.5/4.10" P, "expired (8.8.5/4.10)", UNDEFINED },
	{ "status=9.9.9/9.9" P, "failed (9.9.9/9.9)", UNDEFINED },
	{ "http=400" I, "status 400", "" },
	{ "http=404" C, "status 404", "" },
	{ "http=302" P, "redirect (302)", UNDEFINED },
	{ "http=204" P, "getBoundProfilePackage", UNDEFINED },
};

/* --- it cannot be believed, or speaks badly -------------------------------------------------------------- */

static const struct row lies[] = {
	{ "wrong-signature" I, "the card refuses the server: invalidSignature", "" },
	{ "wrong-signature" C, "the card refuses the profile: invalidSignature", "" },
	{ "wrong-signature" P, "not installed, command 0 reason 2",
	  "installation failed: command 0, reason 2" },
	{ "wrong-certificate=expired" I, "the card refuses the server: invalidCertificate", "" },
	{ "wrong-certificate=role" I, "the card refuses the server: invalidCertificate", "" },
	{ "wrong-certificate=oid" C, "the card refuses the profile: invalidCertificate", "" },
	{ "wrong-transaction" C, "the card refuses the profile: invalidTransactionId", "" },
	{ "wrong-transaction" P, "not installed, command 0 reason 3",
	  "installation failed: command 0, reason 3" },
	{ "wrong-challenge" I, "another challenge than the card's", "" },
	{ "wrong-address=other.example" I, "the server says that it is other.example", "" },
	{ "wrong-metadata" C, "another profile than the server had announced", MISMATCH },
	{ "wrong-base64" I, "serverSigned1 is no base64", "" },
	{ "wrong-base64" C, "is no base64", UNDEFINED },
	{ "wrong-base64" P, "no base64", BPP_ERROR },
	{ "missing=serverSigned1" I, "serverSigned1 is missing", "" },
	{ "missing=smdpSigned2" C, "smdpSigned2 is missing", UNDEFINED },
	{ "missing=profileMetadata" C, "profileMetadata is missing", UNDEFINED },
	{ "missing=boundProfilePackage" P, "boundProfilePackage is missing", UNDEFINED },
	{ "huge=20000000" I, "too large", "" },
	{ "huge=20000000" C, "too large", UNDEFINED },
	{ "huge=20000000" P, "too large", UNDEFINED },
	{ "truncated" I, "it ends in the middle", "" },
	{ "truncated" C, "it ends in the middle", UNDEFINED },
	{ "truncated" P, "broken: truncated", BPP_ERROR },
	{ "garbage" I, "JSON", "" },
	{ "garbage" C, "JSON", UNDEFINED },
	{ "garbage" P, "JSON", UNDEFINED },
	{ "empty" I, "JSON: it is empty", "" },
	{ "empty" C, "JSON: it is empty", UNDEFINED },
	{ "empty" P, "JSON: it is empty", UNDEFINED },
	/* A bit in one segment after the other: the card names the command that it was in. */
	{ "tamper=1" P, "not installed, command 1 reason 8", "installation failed: command 1, reason 8" },
	{ "tamper=2" P, "not installed, command 2 reason 8", "installation failed: command 2, reason 8" },
	{ "tamper=3" P, "not installed, command 4 reason 8", "installation failed: command 4, reason 8" },
	{ "tamper=4" P, "not installed, command 5 reason 8", "installation failed: command 5, reason 8" },
	{ "tamper=6" P, "not installed, command 5 reason 8", "installation failed: command 5, reason 8" },
	/* And what may be borne. */
	{ "missing=header" P, "installed as", "installed" },
	{ "wrong-transaction-text" C, "installed as", "installed" },
	{ "huge=1000000" C, "installed as", "installed" },
	{ "drip=700" P, "installed as", "installed" },
};

/* The eIM has numbers for it. */
static const struct row by_eim[] = {
	{ "status=8.8.1/3.8" I, "(1)", "" },
	{ "status=8.8.3/3.1" I, "(2)", "" },
	{ "status=8.2.6/3.8" C, "(6)", "" },
	{ "status=8.1/4.8" C, "(11)", "" },
	{ "status=8.2.7/3.8" P, "(3)", POSTPONED },
	{ "status=8.2/3.7" P, "(5)", UNDEFINED },
	{ "status=9.9.9/9.9" P, "(127)", UNDEFINED },
	{ "http=500" C, "(127)", "" },
	{ "garbage" P, "(127)", UNDEFINED },
	{ "reset" P, "(127)", UNDEFINED },
	{ "wrong-signature" I, "the card refuses the server: invalidSignature", "" },
	{ "wrong-signature" C, "the card refuses the profile: invalidSignature", "" },
	{ "wrong-challenge" I, "another challenge than the card's", "" },
	{ "wrong-metadata" C, "another profile than the server had announced", MISMATCH },
	{ "wrong-signature" P, "not installed, command 0 reason 2",
	  "installation failed: command 0, reason 2" },
	{ "tamper=4" P, "not installed, command 5 reason 8", "installation failed: command 5, reason 8" },
};

static void run_rows(const struct row *rows, size_t n, const char *conf)
{
	struct fleet *f = &fleet;

	fleet_open(f, &(struct fleet_options){ .conf = conf });
	for (size_t k = 0; k < n; k++) {
		FLEET_ADD(f, "--size", "3000");
		FLEET_DP(f, "fault", rows[k].fault);
		order_it(f, &rows[k]);
		FLEET_DP(f, "faults");
		if (f->ran->said_n)
			fleet_fail(f, "%s has not struck", rows[k].fault);
	}
	fleet_download(f);
	fleet_close(f);
}

static void the_eim_learns_what_the_server_has_said(void **state)
{
	(void)state;
	run_rows(refusals, ARRAY_SIZE(refusals), NULL);
}

static void a_server_that_lies_or_stammers_is_given_up(void **state)
{
	(void)state;
	run_rows(lies, ARRAY_SIZE(lies), NULL);
}

static void through_the_eim_it_learns_the_same(void **state)
{
	(void)state;
	run_rows(by_eim, ARRAY_SIZE(by_eim), "download = indirect");
}

/* --- nobody is there, or the wrong one ---------------------------------------------------------------------- */

#define PKI "tests/vectors/rsp/pki/nist/"

static void a_server_that_is_not_believed_gets_nothing(void **state)
{
	static const struct {
		struct fleet_options o;
		const char *words;
	} rows[] = {
		{ { .ca = "brp/ci.pem" }, "not signed by a trusted authority" },
		{ { .dp_args = { "--tls-cert", PKI "dptls.der", "--tls-key", PKI "dptls.key.pem" } }, "is not for localhost" },
		{ { .dp_args = { "--tls-cert", PKI "bad-dptls-expired.der", "--tls-key",
				 PKI "bad-dptls-expired.key.pem" } }, "expired" },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		fleet_open(&fleet, &rows[k].o);
		FLEET_ADD(&fleet, "--size", "1000");
		order_it(&fleet, &(struct row){ "TLS", rows[k].words, "" });
		FLEET_DP(&fleet, "status");
		if (!strstr(fleet.ran->said, "\"initiateAuthentication\":0"))
			fleet_fail(&fleet, "it has been asked something: %s", fleet.ran->said);
		fleet_close(&fleet);
	}
}

static bool is_resting(struct fleet *f, struct json_object *ipa)
{
	(void)f;
	return !strcmp(fleet_words(ipa, "step"), "rest");
}

/*
 * Also where the server knows another transaction than we: it may have been started anew. Each takes its
 * pause, and all at the same time.
 */
static void trouble_on_the_way_is_tried_again(void **state)
{
	static const char *const faults[FLEETS] = {
		"http=503" I, "reset" I, "close" C, "status=8.10.1/3.9" C, "status=8.10.1/3.9" P,
		"wrong-transaction" I, "wrong-transaction-text" I, NULL
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
		struct fleet *f = &fleets[k];

		fleet_open(f, &(struct fleet_options){ 0 });
		FLEET_ADD(f, "--size", "1000");
		if (faults[k])
			FLEET_DP(f, "fault", faults[k]);
		else
			fleet_kill(f->dp);
		FLEET_ORDER(f, "download", f->code);
		FLEET_CTL(f, "ipa", "poll", "--no-wait");
		if (!fleet_await(f, "ipa.status", "ipa", is_resting, 20000))
			fleet_fail(f, "it does not wait before another try after %s", faults[k] ? faults[k] : "nobody");
		if (!faults[k])
			fleet_start_dp(f);
	}
	for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
		struct fleet *f = &fleets[k];

		fleet_expect_result(f, "installed as", true);
		fleet_expect_installed(f);
		fleet_await_settled(f);
		fleet_close(f);
	}
}

/* --- the card ------------------------------------------------------------------------------------------------ */

static const struct row card_troubles[] = {
	{ "bf2e:sw=6f00", "GetEUICCChallenge: refused by card (6F00)", "" },
	{ "bf2e:garbage", "GetEUICCChallenge: unreadable answer from card", "" },
	{ "bf38:sw=6a80", "AuthenticateServer: the card finds the request malformed", "" },
	{ "bf38:cut", "AuthenticateServer: unreadable answer from card", "" },
	{ "bf38:empty", "AuthenticateServer", "" },
	{ "bf38:reset", "interrupted", "" },
	{ "bf21:sw=6985", "PrepareDownload: conditions of use not satisfied", UNDEFINED },
	{ "bf21:cut", "PrepareDownload: unreadable answer from card", UNDEFINED },
	{ "bf21:empty", "PrepareDownload", UNDEFINED },
	{ "bf21:reset", "interrupted", "" },
	{ "bf36:sw=6f00", "LoadBoundProfilePackage: refused by card (6F00)", BPP_ERROR },
	{ "bf36:reset", "command 0 reason 11", "installation failed: command 0, reason 11" },
	{ "88:sw=6f00", "LoadBoundProfilePackage: refused by card (6F00)", BPP_ERROR },
	{ "88:reset", "command 2 reason 11", "installation failed: command 2, reason 11" },
	{ "86:sw=6a84", "LoadBoundProfilePackage: refused by card (6A84)", BPP_ERROR },
	{ "86#2:reset", "command 5 reason 11", "installation failed: command 5, reason 11" },
	/* The card has installed it and cannot say so: it is looked for. */
	{ "86#3:empty", "installed as", "installed" },
	{ "86#3:after,sw=6f00", "installed as", "installed" },
	{ "86#3:reset", "installed as", "installed" },
};

static void a_card_that_fails_leaves_no_half_profile(void **state)
{
	struct fleet *f = &fleet;
	char order[64];

	(void)state;
	fleet_open(f, &(struct fleet_options){ 0 });
	for (size_t k = 0; k < ARRAY_SIZE(card_troubles); k++) {
		const struct row *r = &card_troubles[k];
		bool good = !strcmp(r->why, "installed");

		FLEET_ADD(f, "--size", "2500");
		snprintf(order, sizeof(order), "card-fault %s", r->fault);
		assert_true(rig_tell_module(&f->rig, order));
		order_it(f, r);
		fleet_expect_on_card(f, f->iccid, good ? "disabled" : NULL);
		assert_true(rig_tell_module(&f->rig, "card-fault clear"));
	}
	fleet_download(f);
	fleet_close(f);
}

/* --- the profile ----------------------------------------------------------------------------------------------- */

static void a_profile_that_may_not_be_installed_is_not(void **state)
{
	static const struct {
		const char *options[5];
		struct row row;
	} rows[] = {
		{ { "--ppr", "no-disable", "--owner", "00101" },
		  { "PPR1", "there is another operational profile", NOT_ALLOWED } },
		{ { "--ppr", "no-delete", "--owner", "00101" }, { "PPR2", "(PPR2)", NOT_ALLOWED } },
		{ { "--ppr", "no-delete" }, { "no owner", "no owner", NOT_ALLOWED } },
		{ { "--iccid", FLEET_HOME }, { "there", FLEET_HOME " is on the card already", UNDEFINED } },
		{ { "--size", "30000" },
		  { "full", "command 2 reason 10", "installation failed: command 2, reason 10" } },
		{ { "--memory", "90000" }, { "full", "not enough memory on the eUICC (8.1/4.8)", "" } },
		{ { "--unreleased" }, { "not yet", "(8.2/1.2)", "" } },
		{ { "--cc", "1234" }, { "code", "confirmation code", POSTPONED } },
	};
	struct fleet *f = &fleet;

	(void)state;
	fleet_open(f, &(struct fleet_options){ .memory = "40000" });
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		const char *const *o = rows[k].options;

		FLEET_ADD(f, o[0], o[1], o[2], o[3]);
		order_it(f, &rows[k].row);
	}
	fleet_download(f);
	fleet_close(f);
}

static void a_server_with_another_oid_is_not_the_one(void **state)
{
	struct fleet *f = &fleet;
	char code[200];

	(void)state;
	fleet_open(f, &(struct fleet_options){ 0 });
	FLEET_ADD(f, "--size", "1000");
	snprintf(code, sizeof(code), "LPA:1$localhost:%u$%s$2.999.11", f->dp_port, f->matching);
	FLEET_ORDER(f, "download", code);
	fleet_visit(f);
	fleet_expect_result(f, "not the one with OID 2.999.11", false);
	fleet_expect_order(f, "released");
	fleet_expect_all_settled(f);
	fleet_download(f);
	fleet_close(f);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(the_eim_learns_what_the_server_has_said),
		T(a_server_that_lies_or_stammers_is_given_up),
		T(through_the_eim_it_learns_the_same),
		T(a_server_that_is_not_believed_gets_nothing),
		T(trouble_on_the_way_is_tried_again),
		T(a_card_that_fails_leaves_no_half_profile),
		T(a_profile_that_may_not_be_installed_is_not),
		T(a_server_with_another_oid_is_not_the_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
