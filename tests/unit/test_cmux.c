/*
 * The mux against the virtual module's own implementation of the other side, joined back to back
 * on the virtual clock, and against modules that leave, forget or never begin. What a bad line does to
 * it is in test_cmux_damage.c.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/muxbed.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

/* --- opening and closing ------------------------------------------------------------------------------ */

static void channels_open_in_order_and_carry_octets_both_ways(void **state)
{
	static const unsigned oddities[] = {
		0, MUX_DATA_CR, MUX_DATA_PF, MUX_DATA_CR | MUX_DATA_PF, MUX_NO_TEST, MUX_NO_MSC,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(oddities); i++) {
		for (size_t chunk = 0; chunk < 9; chunk++) {
			muxbed_begin(oddities[i]);
			muxbed.wire.chunk = chunk;
			muxbed.wire.seed = (uint32_t)chunk;
			muxbed_open(4);
			for (unsigned k = 0; k < 4; k++) {
				char text[32];
				int n = snprintf(text, sizeof(text), "AT+CSQ=%u\r", k);

				assert_int_equal(muxbed.ends[k].opened, 1);
				assert_int_equal(pipe_write(&muxbed.ends[k].dlc.pipe, text, (size_t)n), 0);
				assert_true(mux_send(&muxbed.module, k + 1, text, (size_t)n - 1));
				fake_ev_run(300);
				assert_int_equal(muxbed.at_module_n[k + 1], n);
				assert_memory_equal(muxbed.at_module[k + 1], text, (size_t)n);
				assert_int_equal(muxbed.ends[k].in_n, n - 1);
				assert_memory_equal(muxbed.ends[k].in, text, (size_t)n - 1);
				assert_int_equal(muxbed.ends[k].drained, 1);
			}
			cmux_stop(&muxbed.mux);
			fake_ev_run(5000);
			assert_int_equal(muxbed.ended, 1);
			assert_int_equal(muxbed.why, CMUX_END_CLOSED);
			assert_false(muxbed.joined);
			assert_int_equal(muxbed.ends[3].hung_up, 1);
			muxbed_finish();
		}
	}
}

static void a_channel_more_than_the_module_has_is_refused_and_the_rest_goes_on(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed.module.channels = 2;
	muxbed_open(4);
	assert_int_equal(muxbed.ends[1].opened, 1);
	assert_int_equal(muxbed.ends[2].refused, 1);
	assert_false(muxbed.ends[2].silent);
	assert_int_equal(muxbed.ends[3].refused, 1);
	assert_int_equal(pipe_write(&muxbed.ends[2].dlc.pipe, "x", 1), -EPIPE);
	muxbed_finish();
}

static void a_module_that_never_answers_ends_it(void **state)
{
	(void)state;
	muxbed_begin(MUX_DEAF);
	cmux_open(&muxbed.mux, &muxbed.wire.pipe);
	fake_ev_run(10000);
	assert_int_equal(muxbed.started, 0);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_UNANSWERED);
	muxbed_finish();
}

static void a_module_in_at_mode_is_known_by_its_echo(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed.echo = true;
	cmux_open(&muxbed.mux, &muxbed.wire.pipe);
	fake_ev_run(10000);
	assert_int_equal(muxbed.started, 0);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_AT_MODE);
	muxbed_finish();
}

static void a_refused_channel_0_does_not_keep_the_others_from_working(void **state)
{
	(void)state;
	muxbed_begin(MUX_NO_MSC);
	muxbed.joined = false;
	cmux_open(&muxbed.mux, &muxbed.wire.pipe);
	wire_feed(&muxbed.wire, "\xf9\x03\x1f\x01\x36\xf9", 6);
	fake_ev_run(10);
	assert_int_equal(muxbed.started, 1);
	cmux_dlc_open(&muxbed.mux, &muxbed.ends[0].dlc, 1);
	wire_feed(&muxbed.wire, "\xf9\x07\x73\x01\x15\xf9", 6);
	fake_ev_run(10);
	assert_int_equal(muxbed.ends[0].opened, 1);
	muxbed_finish();
}

static void what_comes_before_ua_is_kept_and_given_after_opened(void **state)
{
	uint8_t early[] = "\xf9\x05\xef\x0f\r\nRDY\r\n\xbc\xf9\xf9\x07\x73\x01\x15\xf9";

	(void)state;
	muxbed_begin(0);
	muxbed_open(0);
	muxbed.joined = false;
	cmux_dlc_open(&muxbed.mux, &muxbed.ends[0].dlc, 1);
	fake_ev_settle();
	wire_feed(&muxbed.wire, early, sizeof(early) - 1);
	fake_ev_run(3000);
	assert_int_equal(muxbed.ends[0].opened, 1);
	assert_int_equal(muxbed.ends[0].in_n, 7);
	muxbed_finish();
}

static void a_module_that_does_not_answer_close_down_is_left_all_the_same(void **state)
{
	(void)state;
	muxbed_begin(MUX_NO_CLD);
	muxbed_open(2);
	cmux_stop(&muxbed.mux);
	fake_ev_run(10000);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_CLOSED);
	assert_int_equal(muxbed.ends[0].hung_up, 1);
	muxbed_finish();
	muxbed_begin(0);
	muxbed_open(2);
	muxbed.module.oddities = MUX_DEAF;
	cmux_stop(&muxbed.mux);
	fake_ev_run(10000);
	assert_int_equal(muxbed.ended, 1);
	muxbed_finish();
}

static void the_module_may_close_one_channel_or_all(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	mux_shut(&muxbed.module, 2);
	fake_ev_run(100);
	assert_int_equal(muxbed.ends[1].hung_up, 1);
	assert_int_equal(muxbed.ends[0].hung_up, 0);
	cmux_dlc_open(&muxbed.mux, &muxbed.ends[1].dlc, 2);
	fake_ev_run(3000);
	assert_int_equal(muxbed.ends[1].opened, 2);
	mux_shut(&muxbed.module, 0);
	fake_ev_run(100);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_BY_MODULE);
	assert_int_equal(muxbed.ends[0].hung_up, 1);
	muxbed_finish();
}

static void a_closed_channel_opens_again_at_once(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(1);
	cmux_dlc_close(&muxbed.ends[0].dlc);
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, "x", 1), -EPIPE);
	cmux_dlc_open(&muxbed.mux, &muxbed.ends[0].dlc, 1);
	fake_ev_run(3000);
	assert_int_equal(muxbed.ends[0].opened, 2);
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, "x", 1), 0);
	fake_ev_run(100);
	assert_int_equal(muxbed.at_module_n[1], 1);
	muxbed_finish();
}

/* --- leaving and forgetting ----------------------------------------------------------------------------- */

static void a_restart_is_noticed_by_its_words(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	muxbed.module.oddities = MUX_DEAF;
	wire_feed_text(&muxbed.wire, "\r\nRDY\r\n\r\n+CPIN: READY\r\n");
	fake_ev_run(10000);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_RESTARTED);
	assert_int_equal(muxbed.ends[0].hung_up, 1);
	muxbed_finish();
}

static void words_outside_of_frames_alone_end_nothing(void **state)
{
	static const unsigned oddities[] = { 0, MUX_NO_TEST, MUX_DATA_CR, MUX_NO_MSC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(oddities); i++) {
		muxbed_begin(oddities[i]);
		muxbed_open(2);
		wire_feed_text(&muxbed.wire, "\r\nRDY\r\n");
		fake_ev_run(20000);
		assert_int_equal(muxbed.ended, 0);
		assert_true(muxbed.mux.stats.checks > 0);
		muxbed_finish();
	}
}

static void a_module_that_has_forgotten_and_echoes_is_noticed(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	muxbed.echo = true;
	cmux_check(&muxbed.mux);
	fake_ev_run(20000);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_AT_MODE);
	muxbed_finish();
}

/* In a call they would be octets of the call. */
static void our_data_that_come_back_are_not_the_modules(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	assert_true(mux_send(&muxbed.module, 1, "from far away", 13));
	fake_ev_run(100);
	assert_int_equal(muxbed.ends[0].in_n, 13);
	muxbed.echo = true;
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, "to far away", 11), 0);
	fake_ev_run(20000);
	assert_int_equal(muxbed.ends[0].in_n, 13);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_AT_MODE);
	assert_int_equal(muxbed.ends[0].hung_up, 1);
	muxbed_finish();
}

static void silence_is_noticed_when_somebody_asks(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(1);
	cmux_check(&muxbed.mux);
	fake_ev_run(20000);
	assert_int_equal(muxbed.ended, 0);
	muxbed.module.oddities = MUX_DEAF;
	cmux_check(&muxbed.mux);
	fake_ev_run(20000);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_SILENT);
	muxbed_finish();
}

static void a_hang_up_of_the_line_is_one_of_all_channels(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(3);
	wire_hang_up(&muxbed.wire, EIO);
	fake_ev_run(100);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_HUNG_UP);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(muxbed.ends[i].hung_up, 1);
	muxbed_finish();
}

/* --- flow ---------------------------------------------------------------------------------------------------- */

static void the_module_stops_one_channel_or_all(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	mux_hold(&muxbed.module, 1, true);
	fake_ev_run(100);
	assert_true(muxbed.ends[0].bits & CMUX_FC);
	pipe_write(&muxbed.ends[0].dlc.pipe, "one", 3);
	pipe_write(&muxbed.ends[1].dlc.pipe, "two", 3);
	fake_ev_run(1000);
	assert_int_equal(muxbed.at_module_n[1], 0);
	assert_int_equal(muxbed.at_module_n[2], 3);
	mux_hold(&muxbed.module, 1, false);
	fake_ev_run(100);
	assert_int_equal(muxbed.at_module_n[1], 3);
	mux_hold(&muxbed.module, 0, true);
	fake_ev_run(100);
	pipe_write(&muxbed.ends[0].dlc.pipe, "one", 3);
	fake_ev_run(1000);
	assert_int_equal(muxbed.at_module_n[1], 3);
	mux_hold(&muxbed.module, 0, false);
	fake_ev_run(100);
	assert_int_equal(muxbed.at_module_n[1], 6);
	muxbed_finish();
}

static void we_stop_the_module_on_one_channel(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	cmux_dlc_hold(&muxbed.ends[0].dlc, true);
	fake_ev_run(100);
	assert_false(mux_send(&muxbed.module, 1, "x", 1));
	assert_true(mux_send(&muxbed.module, 2, "x", 1));
	cmux_dlc_hold(&muxbed.ends[0].dlc, false);
	fake_ev_run(100);
	assert_true(mux_send(&muxbed.module, 1, "x", 1));
	muxbed_finish();
}

/* What is not read is not late; what does not come is. */
static void a_frame_is_not_torn_while_the_line_is_held(void **state)
{
	/* UIH on channel 1 with "abc"; its header's check is C0. */
	uint8_t frame[] = { 0xf9, 0x05, 0xef, 0x07, 'a', 'b', 'c', 0, 0xf9 };

	(void)state;
	frame[7] = cmux_fcs(frame + 1, 3);
	for (int hold = 1; hold >= 0; hold--) {
		muxbed_begin(0);
		muxbed_open(1);
		wire_feed(&muxbed.wire, frame, 5);
		fake_ev_run(10);
		if (hold)
			cmux_hold(&muxbed.mux, true);
		fake_ev_run(10 * CMUX_GAP_MS);
		if (hold)
			cmux_hold(&muxbed.mux, false);
		wire_feed(&muxbed.wire, frame + 5, sizeof(frame) - 5);
		fake_ev_run(10);
		assert_int_equal(muxbed.ends[0].in_n, hold ? 3 : 0);
		assert_int_equal(muxbed.mux.reader.torn, hold ? 0 : 1);
		muxbed_finish();
	}
}

static void a_frame_may_pause_in_its_middle(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(1);
	wire_feed(&muxbed.wire, "\xf9\x05\xef\x11so", 6);
	fake_ev_run(1500);
	wire_feed(&muxbed.wire, " far", 4);
	fake_ev_run(1500);
	wire_feed(&muxbed.wire, "\r\n\x4a\xf9", 4);
	fake_ev_run(100);
	assert_int_equal(muxbed.ends[0].in_n, 8);
	/* For ever it may not. */
	wire_feed(&muxbed.wire, "\xf9\x05\xef\x7f it was cut", 15);
	fake_ev_run(CMUX_GAP_MS + 100);
	assert_true(mux_send(&muxbed.module, 1, "anew", 4));
	fake_ev_run(100);
	assert_int_equal(muxbed.ends[0].in_n, 12);
	muxbed_finish();
}

static void a_full_channel_refuses_all_of_a_write_and_no_other_channels(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	mux_hold(&muxbed.module, 1, true);
	fake_ev_run(100);
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, block, sizeof(block)), 0);
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, "x", 1), -ENOSPC);
	assert_int_equal(pipe_backlog(&muxbed.ends[0].dlc.pipe), sizeof(block));
	assert_int_equal(pipe_write(&muxbed.ends[1].dlc.pipe, "x", 1), 0);
	muxbed_finish();
}

/* At 115200 baud a short command beside 8 kB of data is at the module within a few frames' time. */
static void a_short_command_does_not_wait_behind_data(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	muxbed_begin(0);
	muxbed.mux.o.baud = 115200;
	muxbed_open(3);
	assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, block, sizeof(block)), 0);
	fake_ev_run(100);
	assert_in_range(muxbed.at_module_n[1], 500, 2000);
	pipe_write(&muxbed.ends[1].dlc.pipe, "AT+CGLA\r", 8);
	pipe_write(&muxbed.ends[2].dlc.pipe, "AT\r", 3);
	fake_ev_run(40);
	assert_int_equal(muxbed.at_module_n[2], 8);
	assert_int_equal(muxbed.at_module_n[3], 3);
	/* And the data goes on at the line's rate: 134 octets per 127. */
	fake_ev_run(1000);
	assert_int_equal(muxbed.at_module_n[1], sizeof(block));
	muxbed_finish();
}

/* Whenever it comes: one frame is on its way, the next one is the command's. */
static void a_short_command_is_the_next_frame(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	for (unsigned after_ms = 100; after_ms < 124; after_ms++) {
		unsigned waited_ms = 0;
		size_t data_n;

		muxbed_begin(0);
		muxbed.mux.o.baud = 115200;
		muxbed_open(2);
		assert_int_equal(pipe_write(&muxbed.ends[0].dlc.pipe, block, sizeof(block)), 0);
		fake_ev_run(after_ms);
		data_n = muxbed.at_module_n[1];
		pipe_write(&muxbed.ends[1].dlc.pipe, "AT\r", 3);
		while (!muxbed.at_module_n[2] && waited_ms < 40) {
			fake_ev_run(1);
			waited_ms++;
		}
		assert_int_equal(muxbed.at_module_n[1], data_n);
		/* 133 octets of ten bits, as far as a clock of milliseconds tells. */
		assert_in_range(waited_ms, 0, 13);
		muxbed_finish();
	}
}

static void two_busy_channels_share_the_line_evenly(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	muxbed_begin(0);
	muxbed.mux.o.baud = 115200;
	muxbed_open(2);
	pipe_write(&muxbed.ends[0].dlc.pipe, block, sizeof(block));
	pipe_write(&muxbed.ends[1].dlc.pipe, block, sizeof(block));
	fake_ev_run(500);
	assert_in_range(muxbed.at_module_n[1], muxbed.at_module_n[2] - 127, muxbed.at_module_n[2] + 127);
	muxbed_finish();
}

static void power_saving_is_answered_and_woken_with_flags(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(1);
	wire_feed(&muxbed.wire, "\xf9\x01\xef\x05\x43\x01\x93\xf9", 8);
	fake_ev_run(10);
	assert_true(muxbed.mux.asleep);
	pipe_write(&muxbed.ends[0].dlc.pipe, "AT\r", 3);
	fake_ev_run(50);
	assert_int_equal(muxbed.at_module_n[1], 0);
	wire_feed(&muxbed.wire, "\xf9\xf9", 2);
	fake_ev_run(50);
	assert_int_equal(muxbed.at_module_n[1], 3);
	muxbed_finish();
}

/* --- the transcripts ---------------------------------------------------------------------------------------------- */

static size_t unhex_line(const char *s, uint8_t *dst)
{
	size_t n = 0;

	while (*s && *s != '#' && *s != '\n') {
		if (*s == ' ') {
			s++;
			continue;
		}
		dst[n++] = (uint8_t)strtoul((char[]){ s[0], s[1], 0 }, NULL, 16);
		s += 2;
	}
	return n;
}

/* Each section's frames of the module after a start, in which only the answers are looked at. */
static void the_modules_frames_of_the_transcripts_get_the_answers_that_follow_them(void **state)
{
	_cleanup_(freep) char *text = vectors_load("tests/vectors/at/transcripts/cmux_sessions.txt",
						    &(size_t){ 0 });
	unsigned checked = 0;
	bool section = false, asked = false;

	(void)state;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		uint8_t raw[256];
		size_t n;

		if (line[0] == '#') {
			section = strstr(line, "flow off") || strstr(line, "unknown command");
			if (section) {
				muxbed_begin(0);
				muxbed_open(2);
				muxbed.joined = false;
				muxbed.wire.wrote = NULL;
				muxbed.wire.written_n = 0;
			}
		}
		if (!section || (line[0] != '<' && line[0] != '>'))
			continue;
		n = unhex_line(line + 2, raw);
		if (line[0] == '<') {
			wire_feed(&muxbed.wire, raw, n);
			fake_ev_run(5);
			asked = true;
		} else if (asked) {
			assert_int_equal(muxbed.wire.written_n, n);
			assert_memory_equal(muxbed.wire.written, raw, n);
			muxbed.wire.written_n = 0;
			asked = false;
			checked++;
		}
	}
	assert_true(checked >= 5);
	muxbed_finish();
}

static void closing_in_any_callback_is_fine(void **state)
{
	(void)state;
	muxbed_begin(0);
	muxbed_open(2);
	wire_feed(&muxbed.wire, "\xf9\x01\xef\x05\xc3\x01\x93\xf9\xf9\x05\xef\x05" "AT\x51\xf9", 16);
	fake_ev_run(10);
	assert_int_equal(muxbed.ended, 1);
	assert_int_equal(muxbed.why, CMUX_END_BY_MODULE);
	/* Once more on the same line. */
	muxbed.started = muxbed.ended = 0;
	muxbed.joined = true;
	mux_start(&muxbed.module);
	muxbed_open(1);
	assert_int_equal(muxbed.ends[0].opened, 2);
	muxbed_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_open_in_order_and_carry_octets_both_ways),
		cmocka_unit_test(a_channel_more_than_the_module_has_is_refused_and_the_rest_goes_on),
		cmocka_unit_test(a_module_that_never_answers_ends_it),
		cmocka_unit_test(a_module_in_at_mode_is_known_by_its_echo),
		cmocka_unit_test(a_refused_channel_0_does_not_keep_the_others_from_working),
		cmocka_unit_test(what_comes_before_ua_is_kept_and_given_after_opened),
		cmocka_unit_test(a_module_that_does_not_answer_close_down_is_left_all_the_same),
		cmocka_unit_test(the_module_may_close_one_channel_or_all),
		cmocka_unit_test(a_closed_channel_opens_again_at_once),
		cmocka_unit_test(a_restart_is_noticed_by_its_words),
		cmocka_unit_test(words_outside_of_frames_alone_end_nothing),
		cmocka_unit_test(a_module_that_has_forgotten_and_echoes_is_noticed),
		cmocka_unit_test(our_data_that_come_back_are_not_the_modules),
		cmocka_unit_test(silence_is_noticed_when_somebody_asks),
		cmocka_unit_test(a_hang_up_of_the_line_is_one_of_all_channels),
		cmocka_unit_test(the_module_stops_one_channel_or_all),
		cmocka_unit_test(we_stop_the_module_on_one_channel),
		cmocka_unit_test(a_frame_is_not_torn_while_the_line_is_held),
		cmocka_unit_test(a_frame_may_pause_in_its_middle),
		cmocka_unit_test(a_full_channel_refuses_all_of_a_write_and_no_other_channels),
		cmocka_unit_test(a_short_command_does_not_wait_behind_data),
		cmocka_unit_test(a_short_command_is_the_next_frame),
		cmocka_unit_test(two_busy_channels_share_the_line_evenly),
		cmocka_unit_test(power_saving_is_answered_and_woken_with_flags),
		cmocka_unit_test(the_modules_frames_of_the_transcripts_get_the_answers_that_follow_them),
		cmocka_unit_test(closing_in_any_callback_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
