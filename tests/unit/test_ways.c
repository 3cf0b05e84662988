/* Two ways to an eIM: which one is taken, and when. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "esipa/ways.h"
#include "unit/fake_ev.h"

#define RETURN_MS 60000

/* A way that does what it is told. */
struct double_link {
	struct eim_link link;
	const char *name;
	struct eim_exchange *x;
	unsigned asked, closed, cancelled, freed;
};

static struct double_link first, second;
static struct eim_link *link_;

static struct double_link *of(struct eim_link *l)
{
	return container_of(l, struct double_link, link);
}

static void on_exchange(struct eim_link *l, struct eim_exchange *x)
{
	assert_null(of(l)->x);
	of(l)->x = x;
	of(l)->asked++;
}

static void on_cancel(struct eim_link *l, struct eim_exchange *x)
{
	assert_ptr_equal(of(l)->x, x);
	of(l)->x = NULL;
	of(l)->cancelled++;
}

static void on_close(struct eim_link *l)
{
	of(l)->closed++;
}

static void on_free(struct eim_link *l)
{
	of(l)->freed++;
}

static void on_tell(const struct eim_link *l, struct eim_way *ret)
{
	*ret = (struct eim_way){ .transport = container_of(l, const struct double_link, link)->name };
}

static const struct eim_link_ops ops = { on_exchange, on_cancel, on_close, on_free, on_tell };

static void make(unsigned n)
{
	struct esipa_ways o = { .name = "eim", .links = { &first.link, n > 1 ? &second.link : NULL },
				.return_ms = RETURN_MS };

	assert_int_equal(esipa_ways_new(&o, &link_), 0);
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	first = (struct double_link){ .link.ops = &ops, .name = "https" };
	second = (struct double_link){ .link.ops = &ops, .name = "coap" };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	eim_free(link_);
	assert_int_equal(first.freed, 1);
	return 0;
}

/* --- who asks --------------------------------------------------------------------------------- */

static struct eim_exchange x;
static struct cause ended;
static unsigned ends;

static void on_done(struct eim_exchange *e, const struct cause *why)
{
	(void)e;
	ends++;
	ended = why ? *why : (struct cause){ 0 };
}

static void ask(void)
{
	x = (struct eim_exchange){ .request = (const uint8_t *)"poll", .request_n = 4, .patience_ms = 60000,
				   .function = "f", .reply_max = 77, .done = on_done };
	ends = 0;
	eim_exchange(link_, &x);
}

static void answer(struct double_link *l)
{
	struct eim_exchange *e = l->x;

	assert_non_null(e);
	l->x = NULL;
	e->reply = (uint8_t *)strdup("yes");
	e->reply_n = 3;
	e->done(e, NULL);
	assert_int_equal(ends, 1);
	assert_int_equal(ended.kind, CAUSE_NONE);
	assert_int_equal(x.reply_n, 3);
	free(x.reply);
}

static void refuse(struct double_link *l, enum cause_kind kind, bool unsent, const char *words)
{
	struct eim_exchange *e = l->x;
	struct cause why = { kind, "connect", -1, NULL };

	assert_non_null(e);
	l->x = NULL;
	e->unsent = unsent;
	strcpy(e->text, words);
	e->done(e, &why);
}

static const char *over(void)
{
	struct eim_way way;

	assert_true(eim_tell(link_, &way));
	return way.transport;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_single_way_is_passed_through(void **state)
{
	(void)state;
	make(1);
	ask();
	assert_int_equal(first.x->patience_ms, 60000);
	assert_string_equal(first.x->function, "f");
	assert_int_equal(first.x->reply_max, 77);
	answer(&first);
	ask();
	refuse(&first, CAUSE_TIMEOUT, true, "connect: in vain");
	assert_int_equal(ends, 1);
	assert_string_equal(x.text, "connect: in vain");
	assert_true(x.unsent);
	ask();
	eim_cancel(link_, &x);
	assert_int_equal(first.cancelled, 1);
	eim_close(link_);
	assert_int_equal(first.closed, 1);
	assert_string_equal(over(), "https");
}

static void what_has_not_left_goes_the_other_way_at_once(void **state)
{
	(void)state;
	make(2);
	ask();
	fake_ev_run(20000);
	refuse(&first, CAUSE_LINK_LOST, true, "connect: refused");
	assert_int_equal(ends, 0);
	assert_int_equal(second.x->patience_ms, 40000);
	answer(&second);
	assert_string_equal(over(), "coap");
	/* And so in the rest of the visit, and in the next one. */
	ask();
	answer(&second);
	eim_close(link_);
	ask();
	answer(&second);
	assert_int_equal(first.asked, 1);
}

static void the_preferred_way_is_tried_again_later(void **state)
{
	(void)state;
	make(2);
	ask();
	refuse(&first, CAUSE_TIMEOUT, true, "tls: in vain");
	answer(&second);
	fake_ev_run(RETURN_MS);
	/* Not in the middle of a visit. */
	ask();
	answer(&second);
	eim_close(link_);
	ask();
	answer(&first);
	assert_string_equal(over(), "https");
}

static unsigned grown;

static void on_grown(struct eim_exchange *e)
{
	assert_ptr_equal(e, &x);
	grown++;
	assert_int_equal(x.reply_n, grown);
}

static void a_reply_is_seen_while_it_grows(void **state)
{
	(void)state;
	make(2);
	x = (struct eim_exchange){ .request = (const uint8_t *)"poll", .request_n = 4, .patience_ms = 60000,
				   .done = on_done, .grown = on_grown };
	grown = ends = 0;
	eim_exchange(link_, &x);
	for (size_t n = 1; n < 4; n++) {
		first.x->reply = (uint8_t *)"abc";
		first.x->reply_n = n;
		first.x->grown(first.x);
	}
	assert_int_equal(grown, 3);
	first.x->reply = NULL;
	first.x->reply_n = 0;
	refuse(&first, CAUSE_LINK_LOST, false, "http: it breaks off");
	assert_int_equal(ends, 1);
	assert_null(x.reply);
	ask();
	assert_null(first.x->grown);
	answer(&first);
}

static void when_both_fail_both_are_named(void **state)
{
	(void)state;
	make(2);
	ask();
	refuse(&first, CAUSE_REFUSED, true, "certificate: expired");
	refuse(&second, CAUSE_TIMEOUT, true, "tls: not a sign");
	assert_int_equal(ends, 1);
	assert_int_equal(ended.kind, CAUSE_REFUSED);
	assert_string_equal(x.text, "certificate: expired; then over coap: tls: not a sign");
	assert_true(x.unsent);
}

/* Whether it was taken is unknown: whoever asks decides, and the next visit goes the other way. */
static void what_may_have_arrived_is_not_sent_again(void **state)
{
	(void)state;
	make(2);
	ask();
	refuse(&first, CAUSE_TIMEOUT, false, "http: in vain");
	assert_int_equal(ends, 1);
	assert_int_equal(second.asked, 0);
	ask();
	refuse(&first, CAUSE_TIMEOUT, false, "http: in vain");
	eim_close(link_);
	ask();
	answer(&second);
	eim_close(link_);
	ask();
	answer(&second);
}

static void what_an_eim_says_is_not_the_ways_fault(void **state)
{
	(void)state;
	make(2);
	ask();
	refuse(&first, CAUSE_REFUSED, false, "http: status 404");
	eim_close(link_);
	ask();
	answer(&first);
	assert_int_equal(second.asked, 0);
}

static void without_time_there_is_no_other_try(void **state)
{
	(void)state;
	make(2);
	ask();
	fake_ev_run(59500);
	refuse(&first, CAUSE_TIMEOUT, true, "tls: in vain");
	assert_int_equal(ends, 1);
	assert_int_equal(second.asked, 0);
}

static void cancelling_reaches_the_way_that_is_taken(void **state)
{
	(void)state;
	make(2);
	ask();
	refuse(&first, CAUSE_LINK_LOST, true, "connect: refused");
	eim_cancel(link_, &x);
	assert_int_equal(second.cancelled, 1);
	assert_int_equal(first.cancelled, 0);
	assert_int_equal(ends, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_single_way_is_passed_through),
		T(what_has_not_left_goes_the_other_way_at_once),
		T(the_preferred_way_is_tried_again_later),
		T(a_reply_is_seen_while_it_grows),
		T(when_both_fail_both_are_named),
		T(what_may_have_arrived_is_not_sent_again),
		T(what_an_eim_says_is_not_the_ways_fault),
		T(without_time_there_is_no_other_try),
		T(cancelling_reaches_the_way_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
