/*
 * The whole chain over CoAP: an eIM orders over DTLS, the daemon on a virtual module with a virtual
 * eUICC obeys, the eIM verifies the result; or the profile has no coverage and comes back by itself.
 * By key and by certificate, with a server as the only public one is, and on a bad network.
 */
#include "support/test.h"

#include <limits.h>
#include <coap3/coap.h>
#include <stdio.h>
#include <string.h>

#include "support/fleet.h"

#define ICCID_B "89000123456789012342"
#define PROFILE_B "iccid=" ICCID_B ",imsi=001010123456782,name=B"
#define KEY "a-secret-of-ours"

static struct fleet fleet;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

/* What the eIM's server is like; NULL: as usual. */
struct set {
	bool by_certificate;
	const char *habits, *net, *path;
	const char *section;                    /* of the daemon's configuration */
};

static void add_pair(struct fleet_options *o, const char *option, const char *value)
{
	size_t n = 0;

	while (o->coap_args[n])
		n++;
	if (value) {
		o->coap_args[n] = option;
		o->coap_args[n + 1] = value;
	}
}

static void start_all(const struct set *s)
{
	struct fleet_options o = {
		.coap = true, .protocols = FLEET_COAP, .key = s->by_certificate ? NULL : KEY,
		.section = s->section, .interval_s = 5, .rollback_s = 10, .profile = PROFILE_B,
		.nowhere = true, .repeats = true,
	};

	add_pair(&o, "--coaps-habits", s->habits);
	add_pair(&o, "--coaps-net", s->net);
	add_pair(&o, "--coaps-path", s->path);
	fleet_open(&fleet, &o);
}

static void expect_said(const char *words)
{
	if (!strstr(fleet.ran->said, words))
		fleet_fail(&fleet, "\"%s\" is not in: %s", words, fleet.ran->said);
}

static void switch_to_b(void)
{
	FLEET_ORDER(&fleet, "enable", ICCID_B, "--rollback");
	fleet_expect_result(&fleet, "enable ok", true);
	fleet_await_idle(&fleet);
	fleet_expect_used(&fleet, ICCID_B);
	FLEET_CTL(&fleet, "ipa", "status", "--json");
	expect_said("\"transport\":\"coap\"");
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_order_is_obeyed_by_key(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "needs-ccm8" });
	switch_to_b();
	fleet_close(&fleet);
}

static void an_order_is_obeyed_by_a_pinned_certificate(void **state)
{
	(void)state;
	start_all(&(struct set){ .by_certificate = true });
	switch_to_b();
	fleet_close(&fleet);
}

/* IpaCapabilities, GSMA SGP.32 2.11.2: this eIM could use either. */
static void coap_is_declared(void **state)
{
	(void)state;
	start_all(&(struct set){ 0 });
	FLEET_ORDER(&fleet, "data-request", "capabilities");
	fleet_expect_result(&fleet, "capabilities retrieve-https retrieve-coaps", false);
	fleet_close(&fleet);
}

static void what_is_switched_off_is_not_declared(void **state)
{
	(void)state;
	start_all(&(struct set){ .section = "transport = coap\n" });
	FLEET_ORDER(&fleet, "data-request", "capabilities");
	fleet_expect_result(&fleet, "capabilities retrieve-coaps", false);
	fleet_close(&fleet);
}

static void a_profile_without_coverage_comes_back(void **state)
{
	(void)state;
	start_all(&(struct set){ 0 });
	FLEET_ORDER(&fleet, "enable", FLEET_NOWHERE, "--rollback");
	fleet_expect_result(&fleet, "rollback ok", true);
	fleet_await_idle(&fleet);
	fleet_expect_used(&fleet, FLEET_HOME);
	fleet_close(&fleet);
}

/* No Block1, its own path, an idle limit, one suite, answers when the work is done. */
static void a_server_as_the_public_one_is_understood(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "no-block1,big-first-block,no-etag,late-ack,one-handshake,needs-ccm8,"
					   "idle=16,datagram=1472,format=42", .path = "esipa",
				 .section = "coap_path = esipa\ncontent_format = 42\n" });
	/* More than goes whole by itself, and less than a datagram holds. */
	FLEET_ORDER(&fleet, "data-request", "A5", "A6");
	fleet_expect_result(&fleet, "certificates verified", false);
	switch_to_b();
	fleet_close(&fleet);
}

/* It takes no blocks, and its datagrams are too short for the answer: it gets a shorter one, and goes on. */
static void an_answer_that_is_too_long_stops_nothing(void **state)
{
	(void)state;
	start_all(&(struct set){ .habits = "no-block1,datagram=1200" });
	FLEET_ORDER(&fleet, "data-request");
	/* 4: it has an answer, and no success. */
	assert_int_equal(fleet_results(&fleet, "60"), 4);
	assert_int_equal(fleet_log_count(&fleet, "longer than the way to it takes"), 1);
	switch_to_b();
	fleet_close(&fleet);
}

static void a_bad_network_only_costs_time(void **state)
{
	(void)state;
	start_all(&(struct set){ .net = "loss=10,duplicate=10,reorder=10,delay=20,seed=5",
				 .section = "ack_timeout = 1000\n" });
	switch_to_b();
	fleet_close(&fleet);
}

static void a_server_that_forgets_and_a_network_that_moves_are_noticed(void **state)
{
	(void)state;
	start_all(&(struct set){ .section = "silence = 2\n" });
	FLEET_CTL(&fleet, "ipa", "poll");
	FLEET_EIM(&fleet, "coaps", "restart");
	FLEET_CTL(&fleet, "ipa", "poll");
	FLEET_EIM(&fleet, "coaps", "rebind");
	switch_to_b();
	fleet_close(&fleet);
}

/* RFC 9146. libcoap has it from 4.3.5, with those of its TLS libraries that have it: not GnuTLS, nor OpenSSL. */
static bool has_connection_ids(void)
{
#ifdef COAP_HAS_CID
	return coap_dtls_cid_is_supported();
#else
	return false;
#endif
}

static unsigned handshakes(void)
{
	unsigned n = 0;

	FLEET_EIM(&fleet, "log");
	for (const char *at = fleet.ran->said; (at = strstr(at, " connects")); at++)
		n++;
	return n;
}

/* By its number the server knows it from everywhere. */
static void an_association_with_a_number_outlives_its_address(void **state)
{
	(void)state;
	if (!has_connection_ids()) {
		print_message("skipped: this libcoap has no DTLS Connection IDs\n");
		skip();
	}
	for (int by_certificate = 0; by_certificate < 2; by_certificate++) {
		start_all(&(struct set){ .by_certificate = by_certificate });
		FLEET_CTL(&fleet, "ipa", "poll");
		FLEET_EIM(&fleet, "coaps", "rebind");
		FLEET_CTL(&fleet, "ipa", "poll");
		FLEET_EIM(&fleet, "coaps", "rebind");
		switch_to_b();
		FLEET_EIM(&fleet, "coaps", "show");
		expect_said(" 2 rebound");
		assert_int_equal(handshakes(), 1);
		fleet_close(&fleet);
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(an_order_is_obeyed_by_key),
		T(an_order_is_obeyed_by_a_pinned_certificate),
		T(coap_is_declared),
		T(what_is_switched_off_is_not_declared),
		T(a_profile_without_coverage_comes_back),
		T(a_server_as_the_public_one_is_understood),
		T(an_answer_that_is_too_long_stops_nothing),
		T(a_bad_network_only_costs_time),
		T(a_server_that_forgets_and_a_network_that_moves_are_noticed),
		T(an_association_with_a_number_outlives_its_address),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
