/* The driver of recipes: every verdict, every cause, and that finished() comes exactly once. */
#include "support/test.h"

#include <errno.h>

#include "core/proc.h"
#include "core/util.h"
#include "unit/fake_ev.h"

static struct proc p;
static int started[8], judged[8], abandoned, finished;
static enum step_verdict verdict;
static int start_result;

static size_t index_of(struct proc *proc)
{
	return (size_t)(proc->now - proc->steps);
}

static int start(struct proc *proc)
{
	started[index_of(proc)]++;
	return start_result;
}

static int step_over(struct proc *proc)
{
	started[index_of(proc)]++;
	return STEP_SKIP;
}

static enum step_verdict judge(struct proc *proc)
{
	judged[index_of(proc)]++;
	return verdict;
}

static void on_abandon(struct proc *proc)
{
	(void)proc;
	abandoned++;
}

static void on_finished(struct proc *proc)
{
	(void)proc;
	finished++;
}

static const struct step steps[] = {
	{ "first", start, judge, 1000, 3, 200 },
	{ "skipped", step_over, judge },
	{ "last", start, judge },
	{ 0 }
};

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	p = (struct proc){ .name = "test", .steps = steps, .abandon = on_abandon, .finished = on_finished };
	for (size_t i = 0; i < ARRAY_SIZE(started); i++)
		started[i] = judged[i] = 0;
	abandoned = finished = start_result = 0;
	verdict = STEP_NEXT;
	proc_start(&p);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	proc_drop(&p);
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static void answer(void)
{
	fake_ev_settle();
	proc_answer(&p, NULL);
	fake_ev_settle();
}

static void steps_run_in_order_and_finish_once(void **state)
{
	(void)state;
	assert_int_equal(started[0], 0);        /* nothing happens inside proc_start() */
	answer();
	assert_int_equal(judged[0], 1);
	assert_int_equal(started[1], 1);
	assert_int_equal(judged[1], 0);
	assert_int_equal(started[2], 1);
	assert_string_equal(proc_step(&p), "last");
	answer();
	assert_int_equal(finished, 1);
	assert_false(cause_is_set(&p.cause));
	assert_false(proc_running(&p));
	answer();
	assert_int_equal(finished, 1);
}

static void again_counts_pieces(void **state)
{
	(void)state;
	verdict = STEP_AGAIN;
	answer();
	answer();
	assert_int_equal(p.piece, 2);
	assert_int_equal(started[0], 3);
	verdict = STEP_NEXT;
	answer();
	assert_int_equal(p.piece, 0);
}

static void timeouts_are_retried_after_a_pause_then_judged(void **state)
{
	(void)state;
	verdict = STEP_FAIL;
	fake_ev_run(1000);
	assert_int_equal(abandoned, 1);
	assert_int_equal(started[0], 1);
	fake_ev_run(200);
	assert_int_equal(started[0], 2);
	assert_int_equal(judged[0], 0);
	fake_ev_run(2 * 1200);
	assert_int_equal(started[0], 3);
	assert_int_equal(judged[0], 1);
	assert_int_equal(finished, 1);
	assert_int_equal(p.cause.kind, CAUSE_TIMEOUT);
	assert_string_equal(p.cause.step, "first");
}

static void retry_uses_up_the_tries(void **state)
{
	(void)state;
	verdict = STEP_RETRY;
	for (int i = 0; i < 3; i++) {
		answer();
		fake_ev_run(200);
	}
	assert_int_equal(started[0], 3);
	assert_int_equal(finished, 1);
	assert_int_equal(p.cause.kind, CAUSE_MALFORMED);
}

static void a_lost_link_is_not_judged(void **state)
{
	struct cause lost = { .kind = CAUSE_LINK_LOST, .from = "module", .code = -1 };

	(void)state;
	fake_ev_settle();
	proc_answer(&p, &lost);
	fake_ev_settle();
	assert_int_equal(judged[0], 0);
	assert_int_equal(finished, 1);
	assert_int_equal(p.cause.kind, CAUSE_LINK_LOST);
}

static void cancel_abandons_the_request_and_finishes_from_the_loop(void **state)
{
	(void)state;
	fake_ev_settle();
	proc_cancel(&p, CAUSE_CANCELLED);
	assert_int_equal(abandoned, 1);
	assert_int_equal(finished, 0);
	proc_answer(&p, NULL);
	proc_cancel(&p, CAUSE_LINK_LOST);
	fake_ev_settle();
	assert_int_equal(finished, 1);
	assert_int_equal(p.cause.kind, CAUSE_CANCELLED);
}

static void drop_calls_nobody(void **state)
{
	(void)state;
	fake_ev_settle();
	proc_drop(&p);
	fake_ev_run(10000);
	assert_int_equal(finished, 0);
	proc_start(&p);
	answer();
	answer();
	assert_int_equal(finished, 1);
}

static void a_step_that_cannot_start_ends_it(void **state)
{
	(void)state;
	start_result = -EMSGSIZE;
	fake_ev_settle();
	assert_int_equal(finished, 1);
	assert_int_equal(p.cause.kind, CAUSE_REFUSED);
	assert_int_equal(p.cause.code, EMSGSIZE);
}

static void finish_ends_it_early(void **state)
{
	(void)state;
	verdict = STEP_FINISH;
	answer();
	assert_int_equal(finished, 1);
	assert_int_equal(started[2], 0);
	assert_false(cause_is_set(&p.cause));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(steps_run_in_order_and_finish_once),
		T(again_counts_pieces),
		T(timeouts_are_retried_after_a_pause_then_judged),
		T(retry_uses_up_the_tries),
		T(a_lost_link_is_not_judged),
		T(cancel_abandons_the_request_and_finishes_from_the_loop),
		T(drop_calls_nobody),
		T(a_step_that_cannot_start_ends_it),
		T(finish_ends_it_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
