/*
 * Associations of the CoAP client, and the way to the server: both break in every way we can think of.
 * Each failure has a name, comes in time, and leaves the client fit for the next request. Everything
 * stays on loopback.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "net/crypto.h"
#include "support/coapsbed.h"

/* --- associations ----------------------------------------------------------------------------- */

static void an_association_is_replaced_when_the_server_ends_it(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "one" },
		{ .manner = COAP_FAREWELL }, { .payload = "two" }, { .manner = COAP_RESET },
		{ .payload = "three" }, { .payload = "four" } };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(replies) });
	bed_ask(&e, "poll");
	bed_reply(&e, "one");
	/* In the middle of an exchange. */
	bed_ask(&e, "poll");
	bed_reply(&e, "two");
	assert_int_equal(bed.peer.seen->handshakes, 2);
	bed_ask(&e, "poll");
	bed_reply(&e, "three");
	assert_int_equal(bed.peer.seen->handshakes, 3);
	/* Between two. */
	bed.peer.seen->leave++;
	bed_until_closed();
	bed_ask(&e, "poll");
	bed_reply(&e, "four");
	assert_int_equal(bed.peer.seen->handshakes, 4);
	assert_int_equal(bed.peer.seen->hellos, 4);
	assert_int_equal(bed_figures().replaced, 2);
}

static void a_server_that_always_hangs_up_is_not_asked_for_ever(void **state)
{
	static const struct coap_reply replies[] = { { .manner = COAP_FAREWELL } };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 1 });
	bed_ask(&e, "poll");
	bed_says(&e, CAUSE_LINK_LOST, "tls", "closed by the server");
	assert_int_equal(bed.peer.seen->requests, 2);
}

/* A crash and a restart: the server knows nothing any more, and says nothing. */
static void a_server_that_has_forgotten_is_noticed(void **state)
{
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = &bed_hello, .replies_n = 1 });
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	bed.peer.seen->forget++;
	bed_until(&bed.peer.seen->forgotten, 1);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 2);
	assert_true(bed.peer.seen->strays > 0);
	assert_true(e.took_ms >= 1000 && e.took_ms < 5000);
	assert_int_equal(bed_figures().replaced, 1);
}

static void a_server_that_is_gone_is_noticed_at_once(void **state)
{
	uint16_t port;
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = &bed_hello, .replies_n = 1 });
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	port = bed.peer.port;
	coap_peer_stop(&bed.peer);
	bed_ask(&e, "poll");
	bed_says(&e, CAUSE_LINK_LOST, "connect", "Connection refused");
	/* On the same port again. */
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .port = port, .replies = &bed_hello,
							 .replies_n = 1 });
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
}

/* The work takes longer than an old association is trusted without a sign: pings are signs. */
static void a_slow_server_is_waited_for(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "quickly" },
						     { .payload = "slowly", .delay_ms = 4000 } };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 2 });
	bed_ask(&e, "poll");
	bed_reply(&e, "quickly");
	bed_ask(&e, "relay");
	bed_reply(&e, "slowly");
	assert_int_equal(bed.peer.seen->handshakes, 1);
	assert_int_equal(bed.peer.seen->requests, 2);
	assert_true(bed.peer.seen->pings > 0);
}

/* It gives up whoever is silent for a while, even while it works for them. */
static void an_idle_limit_is_kept_off_by_pings(void **state)
{
	static const struct coap_reply reply = { .payload = "late", .delay_ms = 7000 };
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .idle_ms = 5200, .replies = &reply,
							 .replies_n = 1 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	/* As if it had been acknowledged: nothing is sent again by itself. */
	o.server.ack_timeout_ms = 30000;
	o.server.idle_limit_ms = 5200;
	bed_link(&o);
	bed_ask(&e, "relay");
	bed_reply(&e, "late");
	assert_int_equal(bed.peer.seen->handshakes, 1);
	assert_true(bed.peer.seen->pings > 0);
}

static void silence_has_a_name(void **state)
{
	static const struct coap_reply replies[] = { { .manner = COAP_SILENT }, { .manner = COAP_SILENT },
						     { .payload = "again" } };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 3 });
	bed_run(bed.link, &e, "poll", 4, 3000);
	bed_says(&e, CAUSE_TIMEOUT, "coap", "waited 3000 ms in vain for the answer of localhost");
	assert_false(e.x.unsent);
	bed_run(bed.link, &e, "poll", 4, 3000);
	bed_says(&e, CAUSE_TIMEOUT, "coap", "the answer of localhost");
	bed_ask(&e, "poll");
	bed_reply(&e, "again");
}

static void a_mute_server_has_a_name(void **state)
{
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .replies = &bed_hello, .replies_n = 1 });
	bed.peer.seen->mute = true;
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.server.connect_ms = 2500;
	bed_link(&o);
	bed_ask(&e, "poll");
	bed_says(&e, CAUSE_TIMEOUT, "tls", "waited 2500 ms in vain for the handshake of localhost: not a sign");
	assert_true(e.x.unsent);
	bed.peer.seen->mute = false;
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
}

static void an_association_without_use_is_closed(void **state)
{
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .replies = &bed_hello, .replies_n = 1 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.server.keep_ms = 0;
	bed_link(&o);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 1);
	eim_close(bed.link);
	bed_until(&bed.peer.seen->farewells, 1);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 2);
}

static struct bed_exchange cancelled;

static void on_cancel_time(struct ev_alarm *a)
{
	(void)a;
	eim_cancel(bed.link, &cancelled.x);
	ev_quit();
}

static void a_cancelled_request_is_forgotten(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "too late", .delay_ms = 600 } };
	struct ev_alarm alarm = { .fired = on_cancel_time };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 1 });
	for (unsigned ms = 0; ms <= 300; ms += 100) {
		cancelled = (struct bed_exchange){ .x = { .request = (const uint8_t *)"poll", .request_n = 4,
							.patience_ms = 5000, .done = bed_done } };
		eim_exchange(bed.link, &cancelled.x);
		ev_alarm_start(&alarm, ms);
		ev_main();
		assert_false(cancelled.done);
	}
	bed_ask(&e, "poll");
	bed_reply(&e, "too late");
}

/* --- the way ---------------------------------------------------------------------------------- */

/* Loss, copies and disorder: it arrives, or has a name in time; never wrong, never twice. */
static void a_bad_way_only_costs_time(void **state)
{
	char *up = bed_large(3000), *down = bed_large(4000);
	struct coap_reply reply = { .payload = down, .n = 4000 };
	unsigned arrived = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 3; seed++) {
		struct bed_exchange e;

		bed_start_behind_proxy(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1 }, seed);
		bed.proxy.state->lose = 100;
		bed.proxy.state->duplicate = 150;
		bed.proxy.state->reorder = 150;
		bed_run(bed.link, &e, up, 3000, 20000);
		if (cause_is_set(&e.why)) {
			print_message("seed %u: %s\n", seed, e.x.text);
			assert_int_not_equal(e.why.kind, CAUSE_MALFORMED);
			assert_null(e.x.reply);
		} else {
			bed_reply(&e, down);
			assert_int_equal(bed.peer.seen->body_n, 3000);
			assert_memory_equal(bed.peer.seen->body, up, 3000);
			arrived++;
		}
		bed_clear();
	}
	assert_true(arrived >= 2);
	free(up);
	free(down);
}

static void a_third_lost_ends_in_time(void **state)
{
	struct bed_exchange e;

	(void)state;
	for (unsigned seed = 11; seed <= 12; seed++) {
		bed_start_behind_proxy(&(struct coap_peer_plan){ .replies = &bed_hello, .replies_n = 1 }, seed);
		bed.proxy.state->lose = 300;
		bed_run(bed.link, &e, "poll", 4, 12000);
		if (cause_is_set(&e.why)) {
			print_message("seed %u: %s\n", seed, e.x.text);
			assert_int_not_equal(e.why.kind, CAUSE_MALFORMED);
		} else {
			bed_reply(&e, BED_HELLO);
		}
		/* The way is mended: so is everything. */
		bed.proxy.state->lose = 0;
		bed_ask(&e, "poll");
		bed_reply(&e, BED_HELLO);
		bed_clear();
	}
}

/* A router forgets its mapping: to the server, the datagrams are a stranger's. */
static void another_address_means_another_association(void **state)
{
	struct bed_exchange e;

	(void)state;
	bed_start_behind_proxy(&(struct coap_peer_plan){ .replies = &bed_hello, .replies_n = 1 }, 5);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	bed.proxy.state->rebind++;
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 2);
	assert_int_equal(bed_figures().replaced, 1);
	assert_true(e.took_ms < 5000);
}

static void a_way_that_breaks_in_the_middle_has_a_name(void **state)
{
	struct bed_exchange e;

	(void)state;
	bed_start_behind_proxy(&(struct coap_peer_plan){ .replies = &bed_hello, .replies_n = 1 }, 5);
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	bed.proxy.state->swallow_down = true;
	bed_run(bed.link, &e, "poll", 4, 5000);
	bed_says(&e, CAUSE_TIMEOUT, "tls", "the handshake of localhost: not a sign");
	assert_false(e.x.unsent);
	bed.proxy.state->swallow_down = false;
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
}

/* --- several at once -------------------------------------------------------------------------- */

#define MANY 6

static void on_one_of_many(struct eim_exchange *x, const struct cause *why)
{
	struct bed_exchange *e = container_of(x, struct bed_exchange, x);

	if (why)
		e->why = *why;
	e->done = true;
}

static void on_tick(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

static void several_at_once_do_not_disturb_each_other(void **state)
{
	char *up = bed_large(3000), *down = bed_large(5000);
	struct coap_reply reply = { .payload = down, .n = 5000 };
	struct eim_link *links[MANY];
	struct bed_exchange many[MANY];
	struct ev_alarm tick = { .fired = on_tick };
	unsigned done = 0;
	struct esipa_coaps o;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .replies = &reply, .replies_n = 1 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(esipa_coaps_new(&o, &links[i]), 0);
		many[i] = (struct bed_exchange){ .x = { .request = (const uint8_t *)up, .request_n = 3000,
						      .patience_ms = 15000, .done = on_one_of_many } };
		eim_exchange(links[i], &many[i].x);
	}
	for (int t = 0; t < 200 && done < MANY; t++) {
		ev_alarm_start(&tick, 100);
		ev_main();
		done = 0;
		for (int i = 0; i < MANY; i++)
			done += many[i].done;
	}
	for (int i = 0; i < MANY; i++) {
		assert_true(many[i].done);
		bed_reply(&many[i], down);
		eim_free(links[i]);
	}
	assert_int_equal(bed.peer.seen->handshakes, MANY);
	free(up);
	free(down);
}

/* --- what can be set -------------------------------------------------------------------------- */

static void path_format_and_host_are_as_configured(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "one" }, { .code = 0x8f },
						     { .payload = "two" }, { .payload = "three" } };
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .replies = replies, .replies_n = 4 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.server.path = "/esipa";
	o.server.format = 42;
	o.server.uri_host = true;
	bed_link(&o);
	bed_ask(&e, "poll");
	bed_reply(&e, "one");
	assert_string_equal(bed.peer.seen->path, "/esipa");
	assert_string_equal(bed.peer.seen->host, "localhost");
	assert_int_equal(bed.peer.seen->format, 42);
	/* 4.15: once more without, and so from then on. */
	bed_ask(&e, "poll");
	bed_reply(&e, "two");
	assert_int_equal(bed.peer.seen->format, -1);
	assert_int_equal(bed.peer.seen->requests, 3);
	bed_ask(&e, "poll");
	bed_reply(&e, "three");
	assert_int_equal(bed.peer.seen->format, -1);
}

/* --- an answer that is seen while it grows ---------------------------------------------------- */

#define STALL_MS 4600   /* a block is sent twice and given up after 4.5 s; one that follows at once, after 7.5 s */

static struct growing {
	struct bed_exchange e;
	struct ev_alarm over;
	unsigned stalls;                /* that are still to come */
	unsigned stall_ms;              /* 0: for good */
} growing;

static void on_stall_over(struct ev_alarm *a)
{
	(void)a;
	bed.proxy.state->swallow_up = bed.proxy.state->swallow_down = false;
}

/* Nothing gets through for a while. */
static void on_grown(struct eim_exchange *x)
{
	(void)x;
	if (!growing.stalls)
		return;
	growing.stalls--;
	bed.proxy.state->swallow_up = bed.proxy.state->swallow_down = true;
	if (growing.stall_ms)
		ev_alarm_start(&growing.over, growing.stall_ms);
}

static void ask_over_a_way_that_stalls(const struct coap_reply *reply, unsigned stalls, unsigned stall_ms,
				       unsigned silence_ms, unsigned patience_ms)
{
	struct esipa_coaps o;

	bed_start_behind_proxy(&(struct coap_peer_plan){ .replies = reply, .replies_n = 1 }, 1);
	eim_free(bed.link);
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.server.retransmits = 1;
	o.server.silence_ms = silence_ms;
	bed_link(&o);
	growing = (struct growing){ .stalls = stalls, .stall_ms = stall_ms, .over.fired = on_stall_over };
	growing.e.x = (struct eim_exchange){ .request = (const uint8_t *)"poll", .request_n = 4,
					     .patience_ms = patience_ms, .done = bed_done,
					     .grown = on_grown };
	growing.e.took_ms = ev_now_ms();
	eim_exchange(bed.link, &growing.e.x);
	ev_main();
	growing.e.took_ms = ev_now_ms() - growing.e.took_ms;
	assert_true(growing.e.done);
}

/* It cannot be asked for anew: so it goes on where it stands, and its patience is for each block. */
static void a_block_that_nobody_acknowledges_is_asked_for_again(void **state)
{
	char *body = bed_large(3000);
	struct coap_reply reply = { .payload = body, .n = 3000 };

	(void)state;
	ask_over_a_way_that_stalls(&reply, 2, STALL_MS, 20000, 8500);
	bed_reply(&growing.e, body);
	assert_true(growing.e.took_ms > 2 * STALL_MS);
	assert_int_equal(bed.peer.seen->requests, 1);
	assert_int_equal(bed.peer.seen->handshakes, 1);
	free(body);
}

static void silence_in_the_middle_of_an_answer_ends_it_early(void **state)
{
	char *body = bed_large(3000);
	struct coap_reply reply = { .payload = body, .n = 3000 };
	struct bed_exchange e;

	(void)state;
	ask_over_a_way_that_stalls(&reply, 1, 0, 2000, 30000);
	bed_says(&growing.e, CAUSE_TIMEOUT, "coap", "silence in the middle of the answer");
	assert_true(growing.e.took_ms >= 4000 && growing.e.took_ms < 7000);
	on_stall_over(NULL);
	bed_ask(&e, "poll");
	bed_reply(&e, body);
	assert_int_equal(bed.peer.seen->handshakes, 2);
	free(body);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		T(an_association_is_replaced_when_the_server_ends_it),
		T(a_server_that_always_hangs_up_is_not_asked_for_ever),
		T(a_server_that_has_forgotten_is_noticed),
		T(a_server_that_is_gone_is_noticed_at_once),
		T(a_slow_server_is_waited_for),
		T(an_idle_limit_is_kept_off_by_pings),
		T(silence_has_a_name),
		T(a_mute_server_has_a_name),
		T(an_association_without_use_is_closed),
		T(a_cancelled_request_is_forgotten),
		T(a_bad_way_only_costs_time),
		T(a_third_lost_ends_in_time),
		T(another_address_means_another_association),
		T(a_way_that_breaks_in_the_middle_has_a_name),
		T(several_at_once_do_not_disturb_each_other),
		T(path_format_and_host_are_as_configured),
		T(a_block_that_nobody_acknowledges_is_asked_for_again),
		T(silence_in_the_middle_of_an_answer_ends_it_early),
	};
	int r;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	coap_library_close();
	crypto_close();
	return r;
}
