/*
 * The mux on a bad line: octets are lost, doubled, changed and thrown in, at its start and later. Whatever
 * happens, both ends are back in step soon after the line is good again, or it is over and says so.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "support/muxbed.h"
#include "unit/fake_ev.h"

static uint64_t seed;
static unsigned lose_nth, octet_n;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % below;
}

/* --- at the start ---------------------------------------------------------------------------------- */

static size_t lose(const uint8_t *src, size_t n, uint8_t *dst)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++)
		if (++octet_n % lose_nth)
			dst[out++] = src[i];
	return out;
}

static void lose_every(unsigned nth)
{
	lose_nth = nth;
	octet_n = nth / 2;
	muxbed.damage = lose;
}

/* Every nth octet of both directions is lost: it opens all the same or says so, and never hangs. */
static void lost_octets_never_hang_it(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned nth = 11; nth < 150; nth++) {
		muxbed_begin(0);
		lose_every(nth);
		cmux_open(&muxbed.mux, &muxbed.wire.pipe);
		fake_ev_run(10000);
		assert_int_equal(muxbed.started + muxbed.ended, 1);
		if (muxbed.started) {
			for (unsigned i = 0; i < 3; i++)
				cmux_dlc_open(&muxbed.mux, &muxbed.ends[i].dlc, i + 1);
			fake_ev_run(60000);
			for (unsigned i = 0; i < 3; i++) {
				assert_true(muxbed.ends[i].opened || muxbed.ends[i].refused || muxbed.ended);
				good += muxbed.ends[i].opened;
			}
			/* What arrives of a stream is in order and nothing else. */
			for (int k = 0; k < 50 && muxbed.ends[0].opened && !muxbed.ended; k++) {
				char line[16];
				int n = snprintf(line, sizeof(line), "<%04d>", k);

				pipe_write(&muxbed.ends[0].dlc.pipe, line, (size_t)n);
				fake_ev_run(20);
			}
			for (size_t i = 0; i + 6 <= muxbed.at_module_n[1]; i += 6)
				assert_true(muxbed.at_module[1][i] == '<' && muxbed.at_module[1][i + 5] == '>');
			cmux_stop(&muxbed.mux);
			fake_ev_run(60000);
		}
		assert_int_equal(muxbed.ended, 1);
		muxbed_finish();
	}
	assert_true(good > 200);
}

/* Cut at any octet of a session's start: the muxbed.mux muxbed.ends or opens, nothing is left active. */
static void the_line_may_end_at_any_octet(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < 120; cut++) {
		muxbed_begin(0);
		muxbed.wire.chunk = 1;
		cmux_open(&muxbed.mux, &muxbed.wire.pipe);
		for (unsigned i = 0; i < 3; i++)
			cmux_dlc_open(&muxbed.mux, &muxbed.ends[i].dlc, i + 1);
		for (unsigned i = 0; i < cut; i++)
			fake_ev_run(1);
		wire_hang_up(&muxbed.wire, EIO);
		fake_ev_run(1000);
		assert_int_equal(muxbed.ended, 1);
		muxbed_finish();
	}
}

/* --- later ----------------------------------------------------------------------------------------- */

enum damage { DAMAGE_LOSS, DAMAGE_DUPLICATION, DAMAGE_CHANGE, DAMAGE_INSERTION, DAMAGE_ALL, _DAMAGE_MAX };

static const char *const damage_names[_DAMAGE_MAX] = { "loss", "duplication", "change", "insertion", "all" };

static enum damage kind;
static unsigned one_in;

static size_t hurt(const uint8_t *src, size_t n, uint8_t *dst)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		enum damage now = kind == DAMAGE_ALL ? (enum damage)roll(DAMAGE_ALL) : kind;

		dst[out++] = src[i];
		if (roll(one_in))
			continue;
		switch (now) {
		case DAMAGE_LOSS:
			out--;
			break;
		case DAMAGE_DUPLICATION:
			dst[out++] = src[i];
			break;
		case DAMAGE_CHANGE:
			dst[out - 1] ^= (uint8_t)(1 + roll(255));
			break;
		case DAMAGE_INSERTION:
			dst[out++] = (uint8_t)roll(256);
			break;
		case DAMAGE_ALL:
		case _DAMAGE_MAX:
			break;
		}
	}
	return out;
}

/* Lines both ways on all channels, for so long. */
static void talk(unsigned ms)
{
	for (unsigned t = 0; t < ms && !muxbed.ended; t += 20) {
		for (unsigned i = 0; i < 3; i++) {
			char line[100];
			int n = snprintf(line, sizeof(line), "AT+%.*s\r", (int)roll(80),
					 "CSIM=60,\"80E2910003BF2000000000000000000000000000000000000000000000\"........");

			/* A channel that has gone, or is full, takes nothing. */
			(void)pipe_write(&muxbed.ends[i].dlc.pipe, line, (size_t)n);
			if (muxbed.joined)
				mux_send(&muxbed.module, i + 1, line, (size_t)n);
		}
		fake_ev_run(20);
	}
}

static bool ends_with(const char *in, size_t n, const char *mark)
{
	size_t k = strlen(mark);

	return n >= k && !memcmp(in + n - k, mark, k);
}

/* Changed in a message of modem status, the wish to stop stays until it is heard anew: who waits will ask. */
static bool is_stopped(unsigned i)
{
	return muxbed.module.stopped[i + 1] || muxbed.mux.all_stopped ||
	       muxbed.ends[i].dlc.peer_bits & CMUX_FC;
}

/* In step: what one end says now arrives at the other, to the octet, and nothing behind it. */
static void expect_in_step(unsigned round)
{
	for (unsigned i = 0; i < 3 && !muxbed.ended; i++) {
		struct muxbed_end *e = &muxbed.ends[i];
		char mark[32];

		if (e->hung_up || is_stopped(i) || !muxbed.module.open[i + 1])
			continue;
		snprintf(mark, sizeof(mark), "<mark %u %u>", round, i);
		assert_int_equal(pipe_write(&e->dlc.pipe, mark, strlen(mark)), 0);
		assert_true(mux_send(&muxbed.module, i + 1, mark, strlen(mark)));
		fake_ev_run(2000);
		if (muxbed.ended)
			return;
		if (!ends_with(muxbed.at_module[i + 1], muxbed.at_module_n[i + 1], mark))
			fail_msg("%s, 1 in %u, round %u: channel %u does not reach the module", damage_names[kind],
				 one_in, round, i + 1);
		if (!ends_with(e->in, e->in_n, mark))
			fail_msg("%s, 1 in %u, round %u: the module does not reach channel %u", damage_names[kind],
				 one_in, round, i + 1);
	}
}

static void after_damage_both_ends_are_in_step_or_it_is_over(void **state)
{
	unsigned rounds = getenv("MUX_ROUNDS") ? (unsigned)strtoul(getenv("MUX_ROUNDS"), NULL, 10) : 60;
	unsigned in_step = 0, over = 0;

	(void)state;
	seed = 5;
	for (int k = 0; k < _DAMAGE_MAX; k++) {
		for (unsigned round = 0; round < rounds; round++) {
			muxbed_begin(round % 4 == 3 ? MUX_DATA_CR | MUX_DATA_PF : 0);
			muxbed.mux.o.baud = 115200;
			muxbed_open(3);
			kind = (enum damage)k;
			one_in = 10 + roll(400);
			muxbed.damage = hurt;
			talk(50 + roll(1500));
			muxbed.damage = NULL;
			/* Somebody has waited in vain, and asks. */
			if (!muxbed.ended)
				cmux_check(&muxbed.mux);
			fake_ev_run(5000);
			expect_in_step(round);
			if (muxbed.ended)
				over++;
			else
				in_step++;
			/* And it can be left in good order, or has been. */
			cmux_stop(&muxbed.mux);
			fake_ev_run(30000);
			assert_int_equal(muxbed.ended, 1);
			muxbed_finish();
		}
	}
	print_message("%u times in step again, %u times over\n", in_step, over);
	assert_true(in_step > over);
}

/* A length that was changed makes a module wait for more than it will get: flags fill it up. */
static void a_module_that_waits_for_the_rest_of_a_frame_is_helped(void **state)
{
	static const uint8_t lengths[][3] = { { 1, 0xff }, { 2, 0xfe, 0x05 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		static const uint8_t head[] = { 0xf9, 0x07, 0xef };

		muxbed_begin(0);
		muxbed_open(2);
		mux_feed(&muxbed.module, head, sizeof(head));
		mux_feed(&muxbed.module, lengths[i] + 1, lengths[i][0]);
		pipe_write(&muxbed.ends[0].dlc.pipe, "AT\r", 3);
		fake_ev_run(1000);
		assert_int_equal(muxbed.at_module_n[1], 0);
		cmux_check(&muxbed.mux);
		fake_ev_run(5000);
		assert_int_equal(muxbed.ended, 0);
		pipe_write(&muxbed.ends[0].dlc.pipe, "ATI\r", 4);
		fake_ev_run(100);
		assert_true(ends_with(muxbed.at_module[1], muxbed.at_module_n[1], "ATI\r"));
		muxbed_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_octets_never_hang_it),
		cmocka_unit_test(the_line_may_end_at_any_octet),
		cmocka_unit_test(after_damage_both_ends_are_in_step_or_it_is_over),
		cmocka_unit_test(a_module_that_waits_for_the_rest_of_a_frame_is_helped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
