/* The IPA's journal and schedule. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/util.h"
#include "ipa/journal.h"
#include "ipa/schedule.h"
#include "unit/fake_ev.h"

/* --- journal --------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/cellmux-journal-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ipa-journal.bad", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ipa-journal", dir);
	unlink(path);
	return rmdir(dir);
}

static void what_was_noted_is_there_after_a_crash(void **state)
{
	struct ipa_journal j, again;

	(void)state;
	assert_int_equal(ipa_journal_open(&j, dir, "ipa-journal"), 0);
	assert_false(ipa_journal_is_open(&j));
	strcpy(j.eim, "65696D31");
	strcpy(j.transaction, "1A2B3C4D");
	strcpy(j.iccid_before, "89000123456789012341");
	j.rollback = true;
	j.result_seq = 4000000000u;
	assert_int_equal(ipa_journal_note(&j, "load-package"), 0);
	assert_int_equal(ipa_journal_open(&again, dir, "ipa-journal"), 0);
	assert_true(ipa_journal_is_open(&again));
	assert_string_equal(again.step, "load-package");
	assert_string_equal(again.eim, "65696D31");
	assert_string_equal(again.transaction, "1A2B3C4D");
	assert_string_equal(again.iccid_before, "89000123456789012341");
	assert_true(again.rollback);
	assert_false(again.switched);
	assert_int_equal(again.result_seq, 4000000000u);
	assert_int_equal(ipa_journal_close(&again), 0);
	assert_int_equal(ipa_journal_open(&j, dir, "ipa-journal"), 0);
	assert_false(ipa_journal_is_open(&j));
}

static void a_damaged_journal_is_put_aside(void **state)
{
	static const char *const bad[] = {
		"", "step=load-package\n", "nonsense", "step=load-package\nrollback=7\nend\n",
		"step=load-package\nresult_seq=99999999999\nend\n", "step=\nend\n",
		"step=a-name-that-is-longer-than-any-step-can-be\nend\n",
		"step=load-package\nend\nmore",
	};
	struct ipa_journal j;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ipa-journal", dir);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_save(path, bad[i], strlen(bad[i]), 0600), 0);
		assert_int_equal(ipa_journal_open(&j, dir, "ipa-journal"), -EBADMSG);
		assert_false(ipa_journal_is_open(&j));
		assert_int_equal(ipa_journal_open(&j, dir, "ipa-journal"), 0);
	}
	/* Of a later version: what is not known is passed over. */
	assert_int_equal(file_save(path, "step=x\ncolour=red\nend\n", 22, 0600), 0);
	assert_int_equal(ipa_journal_open(&j, dir, "ipa-journal"), 0);
	assert_string_equal(j.step, "x");
	ipa_journal_close(&j);
}

/* --- schedule --------------------------------------------------------------------------------------- */

static struct ipa_schedule s;
static unsigned due;
static uint32_t dice;

static void on_due(struct ipa_schedule *schedule)
{
	(void)schedule;
	due++;
}

static uint32_t from_dice(uint32_t n)
{
	return MIN(dice, n - 1);
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	memset(&s, 0, sizeof(s));
	s.due = on_due;
	s.random = from_dice;
	s.interval_s = 3600;
	s.spread_s = 30;
	due = 0;
	dice = 0;
	ipa_schedule_start(&s);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ipa_schedule_stop(&s);
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static void nothing_is_due_without_a_network(void **state)
{
	(void)state;
	ipa_schedule_trigger(&s);
	fake_ev_run(100000000);
	assert_int_equal(due, 0);
	ipa_schedule_online(&s, true);
	fake_ev_run(1000);
	assert_int_equal(due, 1);
}

static void the_fleet_does_not_come_back_in_one_second(void **state)
{
	(void)state;
	dice = UINT32_MAX;
	ipa_schedule_online(&s, true);
	fake_ev_run(30000);
	assert_int_equal(due, 0);
	fake_ev_run(1000);
	assert_int_equal(due, 1);
}

static void regular_polls_keep_their_interval(void **state)
{
	(void)state;
	ipa_schedule_online(&s, true);
	fake_ev_run(1000);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(due, i);
		ipa_schedule_done(&s, true);
		fake_ev_run(3600 * 1000 - 1);
		assert_int_equal(due, i);
		fake_ev_run(1);
	}
}

static void failures_back_off_and_end_in_a_bound(void **state)
{
	static const unsigned waits_s[] = { 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600 };

	(void)state;
	ipa_schedule_online(&s, true);
	fake_ev_run(1000);
	for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++) {
		unsigned before = due;

		ipa_schedule_done(&s, false);
		assert_int_equal(s.failures, i + 1);
		fake_ev_run(waits_s[i] * 1000 - 1);
		assert_int_equal(due, before);
		fake_ev_run(1);
		assert_int_equal(due, before + 1);
	}
	ipa_schedule_done(&s, true);
	assert_int_equal(s.failures, 0);
}

static void many_triggers_are_one_poll(void **state)
{
	(void)state;
	ipa_schedule_online(&s, true);
	fake_ev_run(1000);
	ipa_schedule_done(&s, true);
	for (int i = 0; i < 100; i++)
		ipa_schedule_trigger(&s);
	fake_ev_run(3000);
	assert_int_equal(due, 2);
	ipa_schedule_done(&s, true);
	fake_ev_run(3599 * 1000);
	assert_int_equal(due, 2);
}

static void a_network_that_flaps_brings_no_storm(void **state)
{
	(void)state;
	dice = UINT32_MAX;
	for (int i = 0; i < 50; i++) {
		ipa_schedule_online(&s, true);
		fake_ev_run(2000);
		ipa_schedule_online(&s, false);
		fake_ev_run(1000);
	}
	assert_int_equal(due, 0);
	ipa_schedule_online(&s, true);
	fake_ev_run(31000);
	assert_int_equal(due, 1);
}

static void without_an_interval_only_triggers_count(void **state)
{
	(void)state;
	ipa_schedule_stop(&s);
	s.interval_s = 0;
	ipa_schedule_start(&s);
	ipa_schedule_online(&s, true);
	fake_ev_run(100000000);
	assert_int_equal(due, 0);
	ipa_schedule_trigger(&s);
	fake_ev_run(3000);
	assert_int_equal(due, 1);
	ipa_schedule_done(&s, true);
	fake_ev_run(100000000);
	assert_int_equal(due, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_noted_is_there_after_a_crash),
		cmocka_unit_test(a_damaged_journal_is_put_aside),
		T(nothing_is_due_without_a_network),
		T(the_fleet_does_not_come_back_in_one_second),
		T(regular_polls_keep_their_interval),
		T(failures_back_off_and_end_in_a_bound),
		T(many_triggers_are_one_poll),
		T(a_network_that_flaps_brings_no_storm),
		T(without_an_interval_only_triggers_count),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
