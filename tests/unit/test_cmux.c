/*
 * The mux against the virtual module's own implementation of the other side, joined back to back
 * on the virtual clock, and against modules that leave, forget or never begin.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "atcmd/cmux.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/module/mux.h"
#include "support/vectors.h"
#include "support/wire.h"
#include "unit/fake_ev.h"

#define ENDS 4

static struct wire wire;
static struct mux module;
static bool joined;                     /* the module muxes; else what is sent goes nowhere */
static bool echo;                       /* it sends back what it gets */
static struct cmux mux;
static unsigned started, ended;
static enum cmux_end why;
static unsigned lose_nth, octet_n;      /* of both directions; 0: nothing is lost */

static struct end {
	struct cmux_dlc dlc;
	struct pipe_user user;
	unsigned opened, refused, hung_up, drained;
	bool silent;
	unsigned bits;
	char in[65536];
	size_t in_n;
} ends[ENDS];

static char at_module[MUX_CHANNELS][65536];
static size_t at_module_n[MUX_CHANNELS];

static struct end *end_of(struct cmux_dlc *d)
{
	return container_of(d, struct end, dlc);
}

static void on_received(struct pipe_user *u, struct text data)
{
	struct end *e = container_of(u, struct end, user);

	assert_true(data.n <= sizeof(e->in) - e->in_n);
	memcpy(e->in + e->in_n, data.s, data.n);
	e->in_n += data.n;
}

static void on_drained(struct pipe_user *u)
{
	container_of(u, struct end, user)->drained++;
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)error;
	container_of(u, struct end, user)->hung_up++;
}

static void on_opened(struct cmux_dlc *d)
{
	struct end *e = end_of(d);

	e->opened++;
	e->user = (struct pipe_user){ on_received, on_drained, on_hung_up };
	d->pipe.user = &e->user;
}

static void on_refused(struct cmux_dlc *d, bool silent)
{
	end_of(d)->refused++;
	end_of(d)->silent = silent;
}

static void on_signals(struct cmux_dlc *d, unsigned bits)
{
	end_of(d)->bits = bits;
}

static void on_started(struct cmux *m)
{
	(void)m;
	started++;
}

static void on_ended(struct cmux *m, enum cmux_end how)
{
	(void)m;
	ended++;
	why = how;
}

/* --- the module ------------------------------------------------------------------------------------- */

static size_t damage(const void *src, size_t n, uint8_t *dst)
{
	const uint8_t *p = src;
	size_t out = 0;

	for (size_t i = 0; i < n; i++)
		if (!lose_nth || ++octet_n % lose_nth)
			dst[out++] = p[i];
	return out;
}

static void module_write(struct mux *m, const uint8_t *data, size_t n)
{
	uint8_t hurt[8192];

	(void)m;
	wire_feed(&wire, hurt, damage(data, n, hurt));
}

static void module_received(struct mux *m, unsigned channel, const uint8_t *data, size_t n)
{
	(void)m;
	assert_true(n <= sizeof(at_module[0]) - at_module_n[channel]);
	memcpy(at_module[channel] + at_module_n[channel], data, n);
	at_module_n[channel] += n;
}

static void module_ended(struct mux *m)
{
	(void)m;
	joined = false;
}

static void on_wrote(struct wire *w)
{
	static uint8_t raw[65536];
	size_t n = damage(w->written, w->written_n, raw);

	w->written_n = 0;
	if (echo)
		wire_feed(w, raw, n);
	else if (joined)
		mux_feed(&module, raw, n);
}

static void begin(unsigned oddities)
{
	fake_ev_reset();
	log_set_level(LOG_LEVEL_ERROR);
	memset(&wire, 0, sizeof(wire));
	memset(&mux, 0, sizeof(mux));
	memset(&module, 0, sizeof(module));
	memset(ends, 0, sizeof(ends));
	memset(at_module_n, 0, sizeof(at_module_n));
	started = ended = lose_nth = octet_n = 0;
	joined = true;
	echo = false;
	wire_open(&wire);
	wire.wrote = on_wrote;
	module.write = module_write;
	module.received = module_received;
	module.ended = module_ended;
	module.oddities = oddities;
	module.channels = 4;
	module.n1 = 127;
	mux_start(&module);
	mux.name = "mux";
	mux.started = on_started;
	mux.ended = on_ended;
	mux.o.n1 = 127;
	for (unsigned i = 0; i < ENDS; i++) {
		ends[i].dlc.opened = on_opened;
		ends[i].dlc.refused = on_refused;
		ends[i].dlc.signals = on_signals;
	}
}

static void open_all(unsigned n)
{
	cmux_open(&mux, &wire.pipe);
	fake_ev_run(100);
	assert_int_equal(started, 1);
	for (unsigned i = 0; i < n; i++)
		cmux_dlc_open(&mux, &ends[i].dlc, i + 1);
	fake_ev_run(5000);
}

static void finish(void)
{
	cmux_close(&mux);
	wire_close(&wire);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
}

/* --- opening and closing ------------------------------------------------------------------------------ */

static void channels_open_in_order_and_carry_octets_both_ways(void **state)
{
	static const unsigned oddities[] = {
		0, MUX_DATA_CR, MUX_DATA_PF, MUX_DATA_CR | MUX_DATA_PF, MUX_NO_TEST, MUX_NO_MSC,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(oddities); i++) {
		for (size_t chunk = 0; chunk < 9; chunk++) {
			begin(oddities[i]);
			wire.chunk = chunk;
			wire.seed = (uint32_t)chunk;
			open_all(4);
			for (unsigned k = 0; k < 4; k++) {
				char text[32];
				int n = snprintf(text, sizeof(text), "AT+CSQ=%u\r", k);

				assert_int_equal(ends[k].opened, 1);
				assert_int_equal(pipe_write(&ends[k].dlc.pipe, text, (size_t)n), 0);
				assert_true(mux_send(&module, k + 1, text, (size_t)n - 1));
				fake_ev_run(300);
				assert_int_equal(at_module_n[k + 1], n);
				assert_memory_equal(at_module[k + 1], text, (size_t)n);
				assert_int_equal(ends[k].in_n, n - 1);
				assert_memory_equal(ends[k].in, text, (size_t)n - 1);
				assert_int_equal(ends[k].drained, 1);
			}
			cmux_stop(&mux);
			fake_ev_run(5000);
			assert_int_equal(ended, 1);
			assert_int_equal(why, CMUX_END_CLOSED);
			assert_false(joined);
			assert_int_equal(ends[3].hung_up, 1);
			finish();
		}
	}
}

static void a_channel_more_than_the_module_has_is_refused_and_the_rest_goes_on(void **state)
{
	(void)state;
	begin(0);
	module.channels = 2;
	open_all(4);
	assert_int_equal(ends[1].opened, 1);
	assert_int_equal(ends[2].refused, 1);
	assert_false(ends[2].silent);
	assert_int_equal(ends[3].refused, 1);
	assert_int_equal(pipe_write(&ends[2].dlc.pipe, "x", 1), -EPIPE);
	finish();
}

static void a_module_that_never_answers_ends_it(void **state)
{
	(void)state;
	begin(MUX_DEAF);
	cmux_open(&mux, &wire.pipe);
	fake_ev_run(10000);
	assert_int_equal(started, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_UNANSWERED);
	finish();
}

static void a_module_in_at_mode_is_known_by_its_echo(void **state)
{
	(void)state;
	begin(0);
	echo = true;
	cmux_open(&mux, &wire.pipe);
	fake_ev_run(10000);
	assert_int_equal(started, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_AT_MODE);
	finish();
}

static void a_refused_channel_0_does_not_keep_the_others_from_working(void **state)
{
	(void)state;
	begin(MUX_NO_MSC);
	joined = false;
	cmux_open(&mux, &wire.pipe);
	wire_feed(&wire, "\xf9\x03\x1f\x01\x36\xf9", 6);
	fake_ev_run(10);
	assert_int_equal(started, 1);
	cmux_dlc_open(&mux, &ends[0].dlc, 1);
	wire_feed(&wire, "\xf9\x07\x73\x01\x15\xf9", 6);
	fake_ev_run(10);
	assert_int_equal(ends[0].opened, 1);
	finish();
}

static void what_comes_before_ua_is_kept_and_given_after_opened(void **state)
{
	uint8_t early[] = "\xf9\x05\xef\x0f\r\nRDY\r\n\xbc\xf9\xf9\x07\x73\x01\x15\xf9";

	(void)state;
	begin(0);
	open_all(0);
	joined = false;
	cmux_dlc_open(&mux, &ends[0].dlc, 1);
	fake_ev_settle();
	wire_feed(&wire, early, sizeof(early) - 1);
	fake_ev_run(3000);
	assert_int_equal(ends[0].opened, 1);
	assert_int_equal(ends[0].in_n, 7);
	finish();
}

static void a_module_that_does_not_answer_close_down_is_left_all_the_same(void **state)
{
	(void)state;
	begin(MUX_NO_CLD);
	open_all(2);
	cmux_stop(&mux);
	fake_ev_run(10000);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_CLOSED);
	assert_int_equal(ends[0].hung_up, 1);
	finish();
	begin(0);
	open_all(2);
	module.oddities = MUX_DEAF;
	cmux_stop(&mux);
	fake_ev_run(10000);
	assert_int_equal(ended, 1);
	finish();
}

static void the_module_may_close_one_channel_or_all(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	mux_shut(&module, 2);
	fake_ev_run(100);
	assert_int_equal(ends[1].hung_up, 1);
	assert_int_equal(ends[0].hung_up, 0);
	cmux_dlc_open(&mux, &ends[1].dlc, 2);
	fake_ev_run(3000);
	assert_int_equal(ends[1].opened, 2);
	mux_shut(&module, 0);
	fake_ev_run(100);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_BY_MODULE);
	assert_int_equal(ends[0].hung_up, 1);
	finish();
}

static void a_closed_channel_opens_again_at_once(void **state)
{
	(void)state;
	begin(0);
	open_all(1);
	cmux_dlc_close(&ends[0].dlc);
	assert_int_equal(pipe_write(&ends[0].dlc.pipe, "x", 1), -EPIPE);
	cmux_dlc_open(&mux, &ends[0].dlc, 1);
	fake_ev_run(3000);
	assert_int_equal(ends[0].opened, 2);
	assert_int_equal(pipe_write(&ends[0].dlc.pipe, "x", 1), 0);
	fake_ev_run(100);
	assert_int_equal(at_module_n[1], 1);
	finish();
}

/* --- leaving and forgetting ----------------------------------------------------------------------------- */

static void a_restart_is_noticed_by_its_words(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	module.oddities = MUX_DEAF;
	wire_feed_text(&wire, "\r\nRDY\r\n\r\n+CPIN: READY\r\n");
	fake_ev_run(10000);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_RESTARTED);
	assert_int_equal(ends[0].hung_up, 1);
	finish();
}

static void words_outside_of_frames_alone_end_nothing(void **state)
{
	static const unsigned oddities[] = { 0, MUX_NO_TEST, MUX_DATA_CR, MUX_NO_MSC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(oddities); i++) {
		begin(oddities[i]);
		open_all(2);
		wire_feed_text(&wire, "\r\nRDY\r\n");
		fake_ev_run(20000);
		assert_int_equal(ended, 0);
		assert_true(mux.stats.checks > 0);
		finish();
	}
}

static void a_module_that_has_forgotten_and_echoes_is_noticed(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	echo = true;
	cmux_check(&mux);
	fake_ev_run(20000);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_AT_MODE);
	finish();
}

static void silence_is_noticed_when_somebody_asks(void **state)
{
	(void)state;
	begin(0);
	open_all(1);
	cmux_check(&mux);
	fake_ev_run(20000);
	assert_int_equal(ended, 0);
	module.oddities = MUX_DEAF;
	cmux_check(&mux);
	fake_ev_run(20000);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_SILENT);
	finish();
}

static void a_hang_up_of_the_line_is_one_of_all_channels(void **state)
{
	(void)state;
	begin(0);
	open_all(3);
	wire_hang_up(&wire, EIO);
	fake_ev_run(100);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_HUNG_UP);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ends[i].hung_up, 1);
	finish();
}

/* --- flow ---------------------------------------------------------------------------------------------------- */

static void the_module_stops_one_channel_or_all(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	mux_hold(&module, 1, true);
	fake_ev_run(100);
	assert_true(ends[0].bits & CMUX_FC);
	pipe_write(&ends[0].dlc.pipe, "one", 3);
	pipe_write(&ends[1].dlc.pipe, "two", 3);
	fake_ev_run(1000);
	assert_int_equal(at_module_n[1], 0);
	assert_int_equal(at_module_n[2], 3);
	mux_hold(&module, 1, false);
	fake_ev_run(100);
	assert_int_equal(at_module_n[1], 3);
	mux_hold(&module, 0, true);
	fake_ev_run(100);
	pipe_write(&ends[0].dlc.pipe, "one", 3);
	fake_ev_run(1000);
	assert_int_equal(at_module_n[1], 3);
	mux_hold(&module, 0, false);
	fake_ev_run(100);
	assert_int_equal(at_module_n[1], 6);
	finish();
}

static void we_stop_the_module_on_one_channel(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	cmux_dlc_hold(&ends[0].dlc, true);
	fake_ev_run(100);
	assert_false(mux_send(&module, 1, "x", 1));
	assert_true(mux_send(&module, 2, "x", 1));
	cmux_dlc_hold(&ends[0].dlc, false);
	fake_ev_run(100);
	assert_true(mux_send(&module, 1, "x", 1));
	finish();
}

/* What is not read is not late; what does not come is. */
static void a_frame_is_not_torn_while_the_line_is_held(void **state)
{
	/* UIH on channel 1 with "abc"; its header's check is C0. */
	uint8_t frame[] = { 0xf9, 0x05, 0xef, 0x07, 'a', 'b', 'c', 0, 0xf9 };

	(void)state;
	frame[7] = cmux_fcs(frame + 1, 3);
	for (int hold = 1; hold >= 0; hold--) {
		begin(0);
		open_all(1);
		wire_feed(&wire, frame, 5);
		fake_ev_run(10);
		if (hold)
			cmux_hold(&mux, true);
		fake_ev_run(10 * CMUX_GAP_MS);
		if (hold)
			cmux_hold(&mux, false);
		wire_feed(&wire, frame + 5, sizeof(frame) - 5);
		fake_ev_run(10);
		assert_int_equal(ends[0].in_n, hold ? 3 : 0);
		assert_int_equal(mux.reader.torn, hold ? 0 : 1);
		finish();
	}
}

static void a_full_channel_refuses_all_of_a_write_and_no_other_channels(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	begin(0);
	open_all(2);
	mux_hold(&module, 1, true);
	fake_ev_run(100);
	assert_int_equal(pipe_write(&ends[0].dlc.pipe, block, sizeof(block)), 0);
	assert_int_equal(pipe_write(&ends[0].dlc.pipe, "x", 1), -ENOSPC);
	assert_int_equal(pipe_backlog(&ends[0].dlc.pipe), sizeof(block));
	assert_int_equal(pipe_write(&ends[1].dlc.pipe, "x", 1), 0);
	finish();
}

/* At 115200 baud a short command beside 8 kB of data is at the module within a few frames' time. */
static void a_short_command_does_not_wait_behind_data(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	begin(0);
	mux.o.baud = 115200;
	open_all(3);
	assert_int_equal(pipe_write(&ends[0].dlc.pipe, block, sizeof(block)), 0);
	fake_ev_run(100);
	assert_in_range(at_module_n[1], 500, 2000);
	pipe_write(&ends[1].dlc.pipe, "AT+CGLA\r", 8);
	pipe_write(&ends[2].dlc.pipe, "AT\r", 3);
	fake_ev_run(40);
	assert_int_equal(at_module_n[2], 8);
	assert_int_equal(at_module_n[3], 3);
	/* And the data goes on at the line's rate: 134 octets per 127. */
	fake_ev_run(1000);
	assert_int_equal(at_module_n[1], sizeof(block));
	finish();
}

static void two_busy_channels_share_the_line_evenly(void **state)
{
	static char block[CMUX_BACKLOG];

	(void)state;
	begin(0);
	mux.o.baud = 115200;
	open_all(2);
	pipe_write(&ends[0].dlc.pipe, block, sizeof(block));
	pipe_write(&ends[1].dlc.pipe, block, sizeof(block));
	fake_ev_run(500);
	assert_in_range(at_module_n[1], at_module_n[2] - 127, at_module_n[2] + 127);
	finish();
}

static void power_saving_is_answered_and_woken_with_flags(void **state)
{
	(void)state;
	begin(0);
	open_all(1);
	wire_feed(&wire, "\xf9\x01\xef\x05\x43\x01\x93\xf9", 8);
	fake_ev_run(10);
	assert_true(mux.asleep);
	pipe_write(&ends[0].dlc.pipe, "AT\r", 3);
	fake_ev_run(50);
	assert_int_equal(at_module_n[1], 0);
	wire_feed(&wire, "\xf9\xf9", 2);
	fake_ev_run(50);
	assert_int_equal(at_module_n[1], 3);
	finish();
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
				begin(0);
				open_all(2);
				joined = false;
				wire.wrote = NULL;
				wire.written_n = 0;
			}
		}
		if (!section || (line[0] != '<' && line[0] != '>'))
			continue;
		n = unhex_line(line + 2, raw);
		if (line[0] == '<') {
			wire_feed(&wire, raw, n);
			fake_ev_run(5);
			asked = true;
		} else if (asked) {
			assert_int_equal(wire.written_n, n);
			assert_memory_equal(wire.written, raw, n);
			wire.written_n = 0;
			asked = false;
			checked++;
		}
	}
	assert_true(checked >= 5);
	finish();
}

/* --- damage ---------------------------------------------------------------------------------------------------------- */

/* Every nth octet of both directions is lost: it opens all the same or says so, and never hangs. */
static void lost_octets_never_hang_it(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned nth = 11; nth < 150; nth++) {
		begin(0);
		lose_nth = nth;
		octet_n = nth / 2;
		cmux_open(&mux, &wire.pipe);
		fake_ev_run(10000);
		assert_int_equal(started + ended, 1);
		if (started) {
			for (unsigned i = 0; i < 3; i++)
				cmux_dlc_open(&mux, &ends[i].dlc, i + 1);
			fake_ev_run(60000);
			for (unsigned i = 0; i < 3; i++) {
				assert_int_equal(ends[i].opened + ends[i].refused + (ended ? 1 : 0) > 0, 1);
				good += ends[i].opened;
			}
			/* What arrives of a stream is in order and nothing else. */
			for (int k = 0; k < 50 && ends[0].opened && !ended; k++) {
				char line[16];
				int n = snprintf(line, sizeof(line), "<%04d>", k);

				pipe_write(&ends[0].dlc.pipe, line, (size_t)n);
				fake_ev_run(20);
			}
			for (size_t i = 0; i + 6 <= at_module_n[1]; i += 6)
				assert_true(at_module[1][i] == '<' && at_module[1][i + 5] == '>');
			cmux_stop(&mux);
			fake_ev_run(60000);
		}
		assert_int_equal(ended, 1);
		finish();
	}
	assert_true(good > 200);
}

/* Cut at any octet of a session's start: the mux ends or opens, nothing is left active. */
static void the_line_may_end_at_any_octet(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < 120; cut++) {
		begin(0);
		wire.chunk = 1;
		cmux_open(&mux, &wire.pipe);
		for (unsigned i = 0; i < 3; i++)
			cmux_dlc_open(&mux, &ends[i].dlc, i + 1);
		for (unsigned i = 0; i < cut; i++)
			fake_ev_run(1);
		wire_hang_up(&wire, EIO);
		fake_ev_run(1000);
		assert_int_equal(ended, 1);
		finish();
	}
}

static void closing_in_any_callback_is_fine(void **state)
{
	(void)state;
	begin(0);
	open_all(2);
	wire_feed(&wire, "\xf9\x01\xef\x05\xc3\x01\x93\xf9\xf9\x05\xef\x05" "AT\x51\xf9", 16);
	fake_ev_run(10);
	assert_int_equal(ended, 1);
	assert_int_equal(why, CMUX_END_BY_MODULE);
	/* Once more on the same line. */
	started = ended = 0;
	joined = true;
	mux_start(&module);
	open_all(1);
	assert_int_equal(ends[0].opened, 2);
	finish();
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
		cmocka_unit_test(silence_is_noticed_when_somebody_asks),
		cmocka_unit_test(a_hang_up_of_the_line_is_one_of_all_channels),
		cmocka_unit_test(the_module_stops_one_channel_or_all),
		cmocka_unit_test(we_stop_the_module_on_one_channel),
		cmocka_unit_test(a_frame_is_not_torn_while_the_line_is_held),
		cmocka_unit_test(a_full_channel_refuses_all_of_a_write_and_no_other_channels),
		cmocka_unit_test(a_short_command_does_not_wait_behind_data),
		cmocka_unit_test(two_busy_channels_share_the_line_evenly),
		cmocka_unit_test(power_saving_is_answered_and_woken_with_flags),
		cmocka_unit_test(the_modules_frames_of_the_transcripts_get_the_answers_that_follow_them),
		cmocka_unit_test(lost_octets_never_hang_it),
		cmocka_unit_test(the_line_may_end_at_any_octet),
		cmocka_unit_test(closing_in_any_callback_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
