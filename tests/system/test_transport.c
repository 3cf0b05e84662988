/*
 * A gateway that cannot speak CoAP: cellmuxd was built without it, or its libcoap is not there. One
 * line says so, in the log and in the status, and where the eIM can be reached over HTTPS, it is.
 *
 * Built with CoAP, the library is hidden behind a file that is none; without, it is missing by itself.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "support/fleet.h"

#ifdef WITH_COAP
#define WHY "which cannot be loaded: is it installed?"
#else
#define WHY "this cellmuxd was built without CoAP (WITH_COAP)"
#endif

static struct fleet fleet;
static char dir[] = "/tmp/cellmux-no-library.XXXXXX", file[96], env[64];

/* The dynamic linker takes the first file of that name, and does not go on where it is none. */
static int hide_library(void **state)
{
	(void)state;
#ifdef WITH_COAP
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/%s", dir, COAP_SONAME);
	assert_int_equal(file_save(file, "no library", 10, 0644), 0);
	snprintf(env, sizeof(env), "LD_LIBRARY_PATH=%s", dir);
#endif
	return 0;
}

static int show_library(void **state)
{
	(void)state;
	if (file[0]) {
		unlink(file);
		rmdir(dir);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

static void open_without_coap(const char *protocols, const char *section)
{
	fleet_open(&fleet, &(struct fleet_options){ .protocols = protocols, .section = section,
						    .env = env[0] ? env : NULL });
}

static void expect_said(const char *words)
{
	if (!strstr(fleet.ran->said, words))
		fleet_fail(&fleet, "\"%s\" is not in: %s", words, fleet.ran->said);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_eim_that_offers_coap_only_has_a_problem(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	open_without_coap(FLEET_COAP, NULL);
	assert_int_not_equal(fleet_ctl(f, "ipa", "poll", NULL), 0);
	FLEET_CTL(f, "ipa", "status", "--json");
	expect_said(WHY);
	FLEET_CTL(f, "ipa", "status");
	expect_said(WHY);
	assert_int_equal(fleet_log_count(&fleet, WHY), 1);
	/* It is the eIM that is out of reach; everything else works. */
	fleet_expect_on_card(f, FLEET_HOME, "enabled");
	fleet_close(f);
}

static void where_coap_comes_first_https_is_used_and_why_is_told(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	open_without_coap(FLEET_BOTH, "transport = coap-https");
	for (int i = 0; i < 2; i++) {
		FLEET_ORDER(f, "list-profiles");
		fleet_visit(f);
		fleet_expect_result(f, FLEET_HOME, true);
	}
	FLEET_CTL(f, "ipa", "status", "--json");
	expect_said("\"transport\":\"https\"");
	expect_said("\"transport_problem\":\"not over CoAP: ");
	expect_said(WHY);
	expect_said("\"problem\":null");
	FLEET_CTL(f, "ipa", "status");
	expect_said(" over HTTPS");
	expect_said("not over CoAP: ");
	/* The link stays, and with it what was said of it. */
	assert_int_equal(fleet_log_count(&fleet, WHY), 1);
	fleet_close(f);
}

static void where_https_comes_first_nothing_is_missed(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	open_without_coap(FLEET_BOTH, NULL);
	FLEET_ORDER(f, "list-profiles");
	fleet_visit(f);
	fleet_expect_result(f, FLEET_HOME, true);
	FLEET_CTL(f, "ipa", "status", "--json");
	expect_said("\"transport\":\"https\"");
	expect_said("\"transport_problem\":null");
	assert_int_equal(fleet_log_count(&fleet, "CoAP"), 0);
	fleet_close(f);
}

/* IpaCapabilities, GSMA SGP.32 2.11.2. */
static void coap_is_not_declared(void **state)
{
	struct fleet *f = &fleet;

	(void)state;
	open_without_coap(FLEET_BOTH, NULL);
	FLEET_ORDER(f, "data-request", "capabilities");
	fleet_visit(f);
	fleet_expect_result(f, "data: capabilities retrieve-https", false);
	if (strstr(f->ran->said, "retrieve-coaps"))
		fleet_fail(f, "CoAP is declared: %s", f->ran->said);
	fleet_close(f);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(an_eim_that_offers_coap_only_has_a_problem),
		T(where_coap_comes_first_https_is_used_and_why_is_told),
		T(where_https_comes_first_nothing_is_missed),
		T(coap_is_not_declared),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, hide_library, show_library);
}
