/*
 * Downloads that are cut, with whole programs: the daemon is killed, or the module and with it the
 * card's power, or both, at moments that a seed chooses. Whatever the moment: the eIM learns one
 * outcome, which is what is on the card, the SM-DP+ has the result, nothing is left open, and the next
 * download works. And how much memory a download takes.
 *
 * FLEET_KILLS=200 is the number of kills for each way (7), FLEET_SEED=N the seed (1).
 */
#include "support/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fleet.h"
#include "support/fleet_cut.h"

static struct fleet fleet, other;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	fleet_drop(&other);
	return 0;
}

static unsigned wish(const char *name, unsigned usual)
{
	const char *s = getenv(name);

	return s ? (unsigned)strtoul(s, NULL, 10) : usual;
}

/* --- chance --------------------------------------------------------------------------------------------- */

static uint64_t chance;

static unsigned draw(unsigned below)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(chance >> 33) % below;
}

/* --- cutting ---------------------------------------------------------------------------------------------- */

enum victim { DAEMON, MODULE, BOTH, _VICTIM_MAX };

static const char *const victims[] = { "cellmuxd", "sim-module", "both" };

static void cut(struct fleet *f, enum victim v)
{
	if (v != MODULE)
		fleet_kill(f->daemon);
	if (v != DAEMON)
		fleet_kill(f->module);
	if (v != DAEMON)
		fleet_start_module(f);
	if (v != MODULE)
		fleet_start_daemon(f);
}

#define SIZE "6000"

struct tally {
	unsigned installed, failed, unheard;
};

/* Nobody waits for the outcome of a local one: card and SM-DP+ must agree. */
static void check_local(struct fleet *f, struct tally *t)
{
	bool installed;

	fleet_await_settled(f);
	installed = fleet_is_on_card(f);
	fleet_expect_server_knows(f, installed);
	t->installed += installed;
	t->failed += !installed;
	if (installed)
		FLEET_CTL(f, "profile", "delete", f->iccid);
	/* It said so to the SM-DP+, if that had asked for it. */
	fleet_await_settled(f);
}

static void check_accounts(struct fleet *f, struct tally *t)
{
	bool installed = fleet_expect_agreement(f);

	t->installed += installed;
	t->failed += !installed;
}

static void begin(struct fleet *f)
{
	FLEET_ADD(f, "--size", SIZE);
	if (f->has_eim)
		FLEET_ORDER(f, "download", f->code);
}

static void run(struct fleet *f, const char *no_wait)
{
	if (f->has_eim)
		FLEET_CTL(f, "ipa", "poll", no_wait);
	else
		FLEET_CTL(f, "profile", "download", f->code, no_wait);
}

/* How long one takes that nobody cuts. */
static unsigned measure(struct fleet *f)
{
	unsigned long long start;

	begin(f);
	start = rig_now_ms();
	run(f, NULL);
	return (unsigned)(rig_now_ms() - start);
}

static void cut_often(const struct fleet_options *o)
{
	struct fleet *f = &fleet;
	struct tally t = { 0 };
	unsigned n = wish("FLEET_KILLS", 7), seed = wish("FLEET_SEED", 1), took, ms;
	enum victim v;

	chance = seed;
	fleet_open(f, o);
	took = measure(f);
	for (unsigned k = 0; k < n; k++) {
		v = k % _VICTIM_MAX;
		begin(f);
		run(f, "--no-wait");
		ms = draw(took + took / 4);
		poll(NULL, 0, (int)ms);
		print_message("kill %u: %s after %u ms\n", k, victims[v], ms);
		cut(f, v);
		/* And while it is being seen to. */
		if (draw(3) == 0) {
			v = (enum victim)draw(_VICTIM_MAX);
			ms = draw(took);
			poll(NULL, 0, (int)ms);
			print_message("kill %u: again %s after %u ms\n", k, victims[v], ms);
			cut(f, v);
		}
		if (f->has_eim)
			check_accounts(f, &t);
		else
			check_local(f, &t);
	}
	print_message("%u kills, seed %u, within %u ms: %u installed, %u not\n", n, seed, took + took / 4,
		      t.installed, t.failed);
	begin(f);
	run(f, NULL);
	fleet_expect_installed(f);
	fleet_close(f);
}

#define SLOW .card_ms = "1", .resend_s = "1"

static void a_direct_download_may_be_cut_at_any_moment(void **state)
{
	(void)state;
	cut_often(&(struct fleet_options){ SLOW, .conf = "download = direct" });
}

static void an_indirect_download_may_be_cut_at_any_moment(void **state)
{
	(void)state;
	cut_often(&(struct fleet_options){ SLOW, .conf = "download = indirect" });
}

static void a_local_download_may_be_cut_at_any_moment(void **state)
{
	(void)state;
	cut_often(&(struct fleet_options){ SLOW, .personality = "classic-consumer" });
}

/* --- a bad line ------------------------------------------------------------------------------------------- */

/* What the module refuses by its own word is tried again, with a pause: both ways at the same time. */
static const char *const noises[] = {
	"urc%20", "split(5)%10", "late(200):+CGLA%3", "error:+CGLA@40*1", "hang-up(300):+CGLA@45*1",
	"reset:+CGLA@50*1",
};

static void a_bad_line_may_cost_a_download_but_no_truth(void **state)
{
	static const char *const routes[] = { "download = direct", "download = indirect" };
	struct fleet *both[] = { &fleet, &other };
	struct tally t = { 0 };
	char order[64];

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(both); r++)
		fleet_open(both[r], &(struct fleet_options){ .resend_s = "1", .conf = routes[r] });
	for (size_t k = 0; k < ARRAY_SIZE(noises); k++) {
		snprintf(order, sizeof(order), "fault %s", noises[k]);
		for (size_t r = 0; r < ARRAY_SIZE(both); r++) {
			begin(both[r]);
			assert_true(rig_tell_module(&both[r]->rig, order));
			run(both[r], "--no-wait");
		}
		for (size_t r = 0; r < ARRAY_SIZE(both); r++) {
			fleet_await_idle(both[r]);
			assert_true(rig_tell_module(&both[r]->rig, "faults clear"));
			check_accounts(both[r], &t);
		}
	}
	/* The port that vanishes and the module that starts anew are told as what they are. */
	assert_int_equal(t.installed, 8);
	assert_int_equal(t.failed, 4);
	for (size_t r = 0; r < ARRAY_SIZE(both); r++)
		fleet_close(both[r]);
}

/* --- enabled at once --------------------------------------------------------------------------------------- */

/* Enabled or not, the card says; the module must use what is. */
static void expect_agreement(struct fleet *f)
{
	struct json_object *all, *list, *p;
	const char *module;
	unsigned enabled = 0;

	FLEET_CTL(f, "profiles", "--json");
	all = json_tokener_parse(f->ran->said);
	module = fleet_words(all, "module_iccid");
	list = json_object_object_get(all, "profiles");
	for (size_t k = 0; k < json_object_array_length(list); k++) {
		p = json_object_array_get_idx(list, k);
		if (strcmp(fleet_words(p, "state"), "enabled"))
			continue;
		enabled++;
		if (strcmp(fleet_words(p, "iccid"), module))
			fleet_fail(f, "the module uses another profile: %s", f->ran->said);
	}
	if (enabled != 1)
		fleet_fail(f, "%u profiles are enabled: %s", enabled, f->ran->said);
	json_object_put(all);
}

static void go_home(struct fleet *f)
{
	FLEET_ORDER(f, "enable", FLEET_HOME);
	fleet_visit(f);
	fleet_expect_result(f, "enable", true);
	FLEET_ORDER(f, "delete", f->iccid);
	fleet_visit(f);
	fleet_expect_result(f, "delete ok", true);
	fleet_await_settled(f);
}

static void a_profile_that_is_being_enabled_may_be_cut(void **state)
{
	struct fleet *f = &fleet;
	unsigned n = (wish("FLEET_KILLS", 7) + 2) / 4;

	(void)state;
	chance = wish("FLEET_SEED", 1);
	fleet_open(f, &(struct fleet_options){ SLOW });
	FLEET_ORDER(f, "immediate-enable", "--on", "--address", "localhost");
	fleet_visit(f);
	fleet_expect_result(f, "ok", true);
	for (unsigned k = 0; k < n; k++) {
		enum victim v = k % _VICTIM_MAX;
		unsigned ms = draw(30);

		begin(f);
		run(f, "--no-wait");
		fleet_expect_result(f, "installed as", true);
		poll(NULL, 0, (int)ms);
		print_message("kill %u: %s %u ms after the report\n", k, victims[v], ms);
		cut(f, v);
		fleet_await_settled(f);
		assert_true(fleet_expect_one_outcome(f));
		expect_agreement(f);
		go_home(f);
	}
	fleet_close(f);
}

/* --- memory ------------------------------------------------------------------------------------------------ */

#if defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#elif defined(__has_feature)
static const bool sanitized = __has_feature(address_sanitizer);
#else
static const bool sanitized = false;
#endif

#define HUGE_KB 500
#define MORE_KB (HUGE_KB * 4 / 3 + 128) /* once, in base64 as it comes */

/* The most that it has ever had in memory. */
static unsigned peak_kb(struct fleet *f)
{
	char path[64], line[256];
	unsigned kb = 0;
	FILE *s;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)f->daemon->pid);
	s = fopen(path, "re");
	assert_non_null(s);
	while (fgets(line, sizeof(line), s))
		sscanf(line, "VmHWM: %u kB", &kb);
	fclose(s);
	assert_true(kb > 0);
	return kb;
}

/* What TLS and all the rest take has been seen with a small one. */
static void a_huge_profile_is_held_once(void **state)
{
	static const char *const routes[] = { "download = direct", "download = indirect" };
	struct fleet *f = &fleet;
	unsigned before, after;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(routes); k++) {
		fleet_open(f, &(struct fleet_options){ .conf = routes[k] });
		fleet_download(f);
		before = peak_kb(f);
		FLEET_ADD(f, "--size", "500000");
		FLEET_ORDER(f, "download", f->code);
		fleet_visit(f);
		fleet_expect_result(f, "installed as", true);
		fleet_expect_installed(f);
		after = peak_kb(f);
		print_message("%s: at most %u kB before, %u kB with a package of %u kB\n", routes[k], before,
			      after, HUGE_KB);
		if (!sanitized && after >= before + MORE_KB)
			fleet_fail(f, "%u kB more", after - before);
		fleet_close(f);
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(a_direct_download_may_be_cut_at_any_moment),
		T(an_indirect_download_may_be_cut_at_any_moment),
		T(a_local_download_may_be_cut_at_any_moment),
		T(a_profile_that_is_being_enabled_may_be_cut),
		T(a_bad_line_may_cost_a_download_but_no_truth),
		T(a_huge_profile_is_held_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
