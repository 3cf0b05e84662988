/* The virtual module behind a multiplexer: the frames of tests/vectors, ports of their own. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/module/host.h"
#include "sim/module/plain_sim.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

static struct module module;
static struct host host;
static uint8_t said[65536];
static size_t said_n;

static void on_write(struct host *h, const void *data, size_t n)
{
	(void)h;
	assert_true(n <= sizeof(said) - said_n);
	memcpy(said + said_n, data, n);
	said_n += n;
}

static void start(const char *persona)
{
	static const struct plain_sim_options plain = {
		.iccid = "8988200000000000017", .imsi = "001010123456789", .mnc_digits = 2,
	};
	struct module_options o = {
		.imei = "866425031234567", .boot_ms = 1000, .reg_ms = 10, .seed = 1
	};
	struct card *card = NULL;

	memset(&module, 0, sizeof(module));
	memset(&host, 0, sizeof(host));
	assert_int_equal(plain_sim_open(&plain, &card), 0);
	module_init(&module, persona_find(persona), &o);
	slot_give_card(&module.slot, card, true);
	host.write = on_write;
	host_init(&host, &module);
	module_power_on(&module);
	fake_ev_run(2000);
	said_n = 0;
}

static void stop(void)
{
	host_stop(&host);
	module_stop(&module);
	assert_int_equal(fake_ev_active(), 0);
	fake_ev_reset();
}

static void type(const char *text)
{
	host_feed(&host, text, strlen(text));
	fake_ev_settle();
}

static void send_hex(const char *hex)
{
	uint8_t octets[1024];
	size_t n;

	assert_int_equal(hex_decode(text_of(hex), octets, sizeof(octets), &n), 0);
	host_feed(&host, octets, n);
	fake_ev_settle();
}

/* It said this, after what was found before; what comes behind is kept. */
static bool finds(const void *what, size_t n)
{
	uint8_t *at = memmem(said, said_n, what, n);

	if (!at)
		return false;
	said_n -= (size_t)(at - said) + n;
	memmove(said, at + n, said_n);
	return true;
}

static bool says_text(const char *text)
{
	return finds(text, strlen(text));
}

static bool says_hex(const char *hex)
{
	uint8_t octets[1024];
	size_t n;

	assert_int_equal(hex_decode(text_of(hex), octets, sizeof(octets), &n), 0);
	return finds(octets, n);
}

/* One line of a session: its octets, without blanks and what follows two of them. */
static bool octets_of(struct text line, char *dst, size_t cap)
{
	size_t n = 0;

	line = text_skip(line, 2);
	for (size_t i = 0; i < line.n && line.s[i] != '#' && n + 1 < cap; i++)
		if (line.s[i] != ' ')
			dst[n++] = line.s[i];
	dst[n] = '\0';
	return text_all_hex(text_of(dst));
}

static void play_line(struct text line)
{
	char hex[1024], text[200];
	uint32_t ms;

	if (text_starts(line, "> text ")) {
		snprintf(text, sizeof(text), TEXT_FMT "\r", TEXT_ARG(text_skip(line, 7)));
		type(text);
	} else if (text_starts(line, "< text ")) {
		snprintf(text, sizeof(text), "\r\n" TEXT_FMT "\r\n", TEXT_ARG(text_skip(line, 7)));
		assert_true(says_text(text));
	} else if (text_starts(line, "~ ")) {
		line = text_skip(line, 2);
		assert_int_equal(text_to_u32(text_from(line.s, text_find(line, ' ')), 10, &ms), 0);
		fake_ev_run(ms);
	} else if (text_starts(line, "> ") && octets_of(line, hex, sizeof(hex))) {
		send_hex(hex);
	} else if (text_starts(line, "< ") && octets_of(line, hex, sizeof(hex))) {
		fake_ev_settle();
		if (!says_hex(hex)) {
			print_error("missing: " TEXT_FMT "\n", TEXT_ARG(line));
			assert_true(0);
		}
	}
}

static void play(struct text all, const char *title)
{
	struct text line;
	bool inside = false;

	while (all.n) {
		line = text_cut(&all, '\n');
		if (text_starts(line, "## "))
			inside = text_eq(text_skip(line, 3), title);
		else if (inside)
			play_line(line);
	}
}

static void the_sessions_of_the_vectors_run(void **state)
{
	size_t n;
	char *all = vectors_load("tests/vectors/at/transcripts/cmux_sessions.txt", &n);

	(void)state;
	start("telit-me910");
	play(text_from(all, n), "start-up with two DLCs");
	assert_true(host.channels[0].open && host.channels[1].open);
	play(text_from(all, n), "DLC refused");
	assert_false(host.channels[3].open || host.mux.open[4]);
	play(text_from(all, n), "close-down");
	assert_false(host.muxed);
	stop();
	free(all);
}

static const char begin[] = "AT+CMUX=0,0,5,127\r";

static void open_two(void)
{
	type(begin);
	assert_true(says_text("\r\nOK\r\n"));
	fake_ev_run(500);
	send_hex("F9033F011CF9");
	send_hex("F9073F01DEF9");
	send_hex("F90B3F0159F9");
	assert_true(says_hex("F9037301D7F9"));
	assert_true(host.channels[0].open && host.channels[1].open);
	said_n = 0;
}

static void each_channel_has_settings_of_its_own(void **state)
{
	(void)state;
	start("quectel-eg25");
	open_two();
	send_hex("F907EF0B415445300DDAF9");         /* ATE0 on 1 */
	assert_true(says_hex("F905EF17415445300D0D0A4F4B0D0AAEF9"));
	assert_false(host.channels[0].port.set.echo);
	assert_true(host.channels[1].port.set.echo);
	/* Unsolicited lines go to both. */
	module_urc(&module, "RING");
	fake_ev_settle();
	assert_true(says_text("\r\nRING\r\n"));
	assert_true(says_text("\r\nRING\r\n"));
	assert_false(says_text("\r\nRING\r\n"));
	stop();
}

static void a_restart_ends_the_mux_without_a_word(void **state)
{
	(void)state;
	start("quectel-eg25");
	open_two();
	module_restart(&module);
	fake_ev_run(2000);
	assert_true(said_n > 3 && says_text("\r\nRDY\r\n"));
	assert_false(host.muxed);
	type("AT\r");
	assert_true(says_text("\r\nOK\r\n"));
	stop();
}

static void a_frame_too_early_locks_some(void **state)
{
	(void)state;
	start("quectel-bg95");
	type(begin);
	assert_true(says_text("\r\nOK\r\n"));
	fake_ev_run(50);
	send_hex("F9033F011CF9");
	fake_ev_run(1000);
	send_hex("F9033F011CF9");
	type("AT\r");
	assert_int_equal(said_n, 0);
	module_power_on(&module);
	fake_ev_run(2000);
	open_two();
	stop();
}

static void a_mux_that_nobody_uses_is_left(void **state)
{
	(void)state;
	start("cinterion-pls83");
	type(begin);
	fake_ev_run(4000);
	assert_true(host.muxed);
	fake_ev_run(2000);
	assert_false(host.muxed);
	said_n = 0;
	type("AT\r");
	assert_true(says_text("\r\nOK\r\n"));
	stop();
}

static void wrong_parameters_and_a_second_mux_are_refused(void **state)
{
	(void)state;
	start("quectel-eg25");
	type("AT+CMEE=1\r");
	type("AT+CMUX=1\r");
	assert_true(says_text("\r\n+CME ERROR: 4\r\n"));
	type("AT+CMUX=0,0,9\r");
	assert_true(says_text("\r\n+CME ERROR: 50\r\n"));
	assert_false(host.muxed);
	open_two();
	/* AT+CMUX=0 on 1 */
	send_hex("F907EF1541542B434D55583D300D2CF9");
	assert_true(says_text("\r\nERROR\r\n"));
	assert_true(host.muxed);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sessions_of_the_vectors_run),
		cmocka_unit_test(each_channel_has_settings_of_its_own),
		cmocka_unit_test(a_restart_ends_the_mux_without_a_word),
		cmocka_unit_test(a_frame_too_early_locks_some),
		cmocka_unit_test(a_mux_that_nobody_uses_is_left),
		cmocka_unit_test(wrong_parameters_and_a_second_mux_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
