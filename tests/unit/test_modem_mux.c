/*
 * The module's life with a mux under it, on the virtual clock: the fake port's answers behind the
 * virtual module's own side of 27.010.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "modem/modem.h"
#include "sim/module/mux.h"
#include "support/fake_port.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

#define PORTS 3

static struct modem m;
static struct mux peer;
static bool muxing;
static void (*bare_wrote)(struct wire *w);
static char lines[MUX_CHANNELS][512];
static unsigned commands[MUX_CHANNELS];
static struct cmux_dlc *channels[PORTS];
static unsigned refuse_forms;           /* how many forms of +CMUX are refused */
static bool silent_ok, pretends;        /* no OK comes; it says OK and does not mux */
static unsigned ipr_works;              /* a speed that it can do; 0: it refuses all */

static const char *find(const char *command)
{
	for (const struct fake_answer *a = fake_port_ordinary; a->command; a++)
		if (text_starts(text_of(command), a->command))
			return a->octets;
	return "\\r\\nERROR\\r\\n";
}

static void peer_write(struct mux *x, const uint8_t *data, size_t n)
{
	(void)x;
	wire_feed(&fake_port.wire, data, n);
}

static void peer_received(struct mux *x, unsigned channel, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(lines[channel]);
		char raw[1024];

		if (data[i] != '\r') {
			assert_true(len + 1 < sizeof(lines[0]));
			lines[channel][len] = (char)data[i];
			lines[channel][len + 1] = '\0';
			continue;
		}
		if (len) {
			const char *answer = find(lines[channel]);

			commands[channel]++;
			mux_send(x, channel, raw, vectors_unescape(text_of(answer), raw));
		}
		lines[channel][0] = '\0';
	}
}

static void peer_ended(struct mux *x)
{
	(void)x;
	muxing = false;
}

static void on_wrote(struct wire *w)
{
	if (!muxing) {
		bare_wrote(w);
		return;
	}
	mux_feed(&peer, (const uint8_t *)w->written, w->written_n);
	w->written_n = 0;
}

static bool before(struct fake_port *p, const char *command)
{
	if (!strncmp(command, "AT+IPR=", 7)) {
		fake_port_says(ipr_works ? "\\r\\nOK\\r\\n" : "\\r\\nERROR\\r\\n");
		if (ipr_works)
			p->baud_needed = ipr_works;
		return true;
	}
	if (strncmp(command, "AT+CMUX=", 8) != 0)
		return false;
	if (refuse_forms) {
		refuse_forms--;
		fake_port_says("\\r\\nERROR\\r\\n");
		return true;
	}
	if (!silent_ok)
		fake_port_says("\\r\\nOK\\r\\n");
	if (!pretends) {
		mux_start(&peer);
		memset(lines, 0, sizeof(lines));
		muxing = true;
	}
	return true;
}

static void on_changed(struct modem *modem, unsigned what)
{
	(void)modem, (void)what;
	/* A port that was opened anew has its own user of the wire. */
	if (fake_port.wire.wrote != on_wrote && fake_port.wire.wrote)
		bare_wrote = fake_port.wire.wrote;
	fake_port.wire.wrote = on_wrote;
}

static void on_channel(struct modem *modem, unsigned port, struct cmux_dlc *dlc)
{
	(void)modem;
	if (port < PORTS)
		channels[port] = dlc;
}

static int setup(void **state)
{
	(void)state;
	fake_ev_reset();
	log_set_level(LOG_LEVEL_ERROR);
	memset(&m, 0, sizeof(m));
	memset(&peer, 0, sizeof(peer));
	memset(commands, 0, sizeof(commands));
	memset(channels, 0, sizeof(channels));
	muxing = silent_ok = pretends = false;
	refuse_forms = ipr_works = 0;
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.hunt = true;
	m.o.cmux = MODEM_CMUX_AUTO;
	m.o.ports = PORTS;
	m.changed = on_changed;
	m.channel = on_channel;
	fake_port_open(fake_port_ordinary);
	fake_port.before = before;
	peer.write = peer_write;
	peer.received = peer_received;
	peer.ended = peer_ended;
	peer.channels = 4;
	peer.n1 = 127;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	modem_close(&m);
	fake_ev_settle();
	fake_port_close();
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

static bool in_state(void *arg)
{
	return m.st.state == *(enum modem_state *)arg;
}

static bool reaches(enum modem_state state, unsigned limit_ms)
{
	return fake_ev_until(in_state, &state, limit_ms);
}

static void start(void)
{
	char why[SERIAL_WHY_MAX];

	assert_int_equal(modem_open(&m, false, why), 0);
	on_changed(&m, 0);
	assert_true(reaches(MODEM_READY, 120000));
	fake_ev_run(3000);
	assert_int_equal(m.st.state, MODEM_READY);
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void the_start_goes_through_the_mux_and_channels_are_dealt_out(void **state)
{
	(void)state;
	start();
	assert_true(m.mux.on);
	assert_true(muxing);
	assert_string_equal(m.st.imei, "866425031234567");
	assert_true(commands[1] > 10);
	assert_ptr_equal(m.card.chat, &m.mux.card_chat);
	assert_non_null(channels[0]);
	assert_non_null(channels[1]);
	assert_null(channels[2]);       /* the module has four */
	/* EG25 moves the line to the speed that it is told: the present one. */
	assert_int_equal(fake_port_count("AT+CMUX=0,0,5,127,10,3,30,10,2"), 1);
}

static void simpler_forms_are_tried_and_a_refusal_of_all_is_done_without(void **state)
{
	(void)state;
	refuse_forms = 3;
	start();
	assert_true(m.mux.on);
	assert_int_equal(fake_port_count("AT+CMUX=0"), 1);
	assert_int_equal(m.mux.cmux.o.n1, 31);
}

static void a_module_that_refuses_is_used_without(void **state)
{
	(void)state;
	refuse_forms = 99;
	start();
	assert_false(m.mux.on);
	assert_ptr_equal(m.card.chat, &m.chat);
	assert_int_equal(m.st.counters.lost, 0);
}

static void no_ok_is_as_good_as_one_if_it_muxes(void **state)
{
	(void)state;
	silent_ok = true;
	start();
	assert_true(m.mux.on);
}

static void an_ok_without_a_mux_behind_it_is_noticed(void **state)
{
	(void)state;
	pretends = true;
	start();
	assert_false(m.mux.on);
	assert_true(at_chat_in_step(&m.chat));
}

static void fewer_channels_are_shared(void **state)
{
	(void)state;
	peer.channels = 1;
	start();
	assert_true(m.mux.on);
	assert_ptr_equal(m.card.chat, &m.chat);
	assert_null(channels[0]);
}

static void no_channel_at_all_is_no_mux(void **state)
{
	(void)state;
	peer.channels = 0;
	start();
	assert_false(m.mux.on);
	assert_false(muxing);
}

static void a_restart_is_noticed_and_the_mux_started_anew(void **state)
{
	(void)state;
	start();
	fake_ev_run(90000);
	muxing = false;
	fake_port_says("\\r\\nRDY\\r\\n\\r\\n+CPIN: READY\\r\\n");
	fake_ev_run(10000);
	assert_null(m.st.state == MODEM_READY ? NULL : "not ready again");
	assert_true(m.mux.on);
	assert_true(muxing);
	assert_non_null(channels[0]);
}

static void a_mux_that_was_left_by_the_module_is_left_here(void **state)
{
	(void)state;
	start();
	mux_shut(&peer, 0);
	fake_ev_run(100);
	assert_null(channels[0]);
	fake_ev_run(20000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_true(m.mux.on);
}

static void a_closed_control_channel_ends_the_mux(void **state)
{
	(void)state;
	start();
	mux_shut(&peer, 1);
	fake_ev_run(20000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_true(m.mux.on);
}

static void a_mux_that_never_lasts_is_given_up(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 5 && m.mux.on; i++) {
		mux_shut(&peer, 0);
		fake_ev_run(30000);
	}
	assert_false(m.mux.on);
	assert_int_equal(m.st.state, MODEM_READY);
	/* But not for ever. */
	fake_ev_run(500000);
	assert_false(m.mux.on);
	fake_ev_run(200000);
	assert_true(m.mux.on);
}

static void strike_at_the_start(void)
{
	muxing = false;
	pretends = true;
	fake_port_says("\\r\\nRDY\\r\\n\\r\\n+CPIN: READY\\r\\n");
	assert_true(reaches(MODEM_SYNCING, 10000));
	assert_true(reaches(MODEM_READY, 60000));
	assert_false(m.mux.on);
}

static void a_mux_that_is_lost_while_it_begins_is_tried_again(void **state)
{
	(void)state;
	start();
	strike_at_the_start();
	pretends = false;
	fake_ev_run(30000);
	assert_true(m.mux.on);
	assert_int_equal(m.st.state, MODEM_READY);
}

static void what_is_done_on_the_card_is_not_disturbed_for_it(void **state)
{
	(void)state;
	start();
	strike_at_the_start();
	pretends = false;
	for (unsigned s = 0; s < 60; s++) {
		m.card.used_ms = ev_now_ms();
		fake_ev_run(1000);
		assert_false(m.mux.on);
		assert_int_equal(m.st.state, MODEM_READY);
	}
	fake_ev_run(20000);
	assert_true(m.mux.on);
}

static void a_module_that_only_says_ok_has_its_peace(void **state)
{
	unsigned tries;

	(void)state;
	pretends = true;
	start();
	fake_ev_run(60000);
	tries = fake_port_count("AT+CMUX=0,0,5,127,10,3,30,10,2");
	assert_int_equal(tries, 2);
	fake_ev_run(1800000);
	assert_int_equal(fake_port_count("AT+CMUX=0,0,5,127,10,3,30,10,2"), tries);
}

static void a_silent_module_goes_up_the_ladder_out_of_its_mux(void **state)
{
	(void)state;
	start();
	peer.oddities = MUX_DEAF;
	modem_refresh(&m);
	assert_true(reaches(MODEM_LOST, 120000));
	/* It hears again, still muxing: the way back leads through the end of the mux. */
	peer.oddities = 0;
	assert_true(reaches(MODEM_READY, 120000));
	fake_ev_run(1000);
	assert_true(m.mux.on);
	assert_int_equal(m.st.counters.recoveries, 1);
}

static void a_module_that_still_muxes_for_a_daemon_that_is_gone_is_taken_out_of_it(void **state)
{
	char why[SERIAL_WHY_MAX];

	(void)state;
	mux_start(&peer);
	muxing = true;
	assert_int_equal(modem_open(&m, false, why), 0);
	mux_feed(&peer, (const uint8_t *)"\xf9\x03\x3f\x01\x1c\xf9\xf9\x07\x3f\x01\xde\xf9", 12);
	on_changed(&m, 0);
	assert_true(reaches(MODEM_READY, 60000));
	assert_true(m.mux.on);
}

/* And in the middle of a frame, the rest of which went with the daemon. */
static void a_module_that_waits_for_the_rest_of_a_frame_is_taken_out_of_it(void **state)
{
	char why[SERIAL_WHY_MAX];

	(void)state;
	mux_start(&peer);
	muxing = true;
	assert_int_equal(modem_open(&m, false, why), 0);
	mux_feed(&peer, (const uint8_t *)"\xf9\x03\x3f\x01\x1c\xf9\xf9\x0f\x3f\x01\xe6\xf9", 12);
	mux_feed(&peer, (const uint8_t *)"\xf9\x0f\xef\xff it begins and is cut", 25);
	on_changed(&m, 0);
	assert_true(reaches(MODEM_READY, 8000));
	assert_int_equal(fake_port.baud, 115200);
	assert_true(m.mux.on);
}

static void it_is_left_in_good_order_at_the_end(void **state)
{
	(void)state;
	start();
	modem_leave(&m);
	assert_true(modem_is_leaving(&m));
	fake_ev_run(2000);
	assert_false(modem_is_leaving(&m));
	assert_false(muxing);
}

static void the_reset_command_goes_through_the_mux(void **state)
{
	(void)state;
	start();
	assert_int_equal(modem_reset(&m), 0);
	fake_ev_run(100);
	muxing = false;
	fake_port_says("\\r\\nRDY\\r\\n");
	fake_ev_run(60000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_true(m.mux.on);
}

static void a_hang_up_of_the_port_ends_everything(void **state)
{
	(void)state;
	start();
	fake_port.present = false;
	wire_hang_up(&fake_port.wire, EIO);
	fake_ev_run(100);
	assert_int_equal(m.st.state, MODEM_ABSENT);
	assert_null(channels[0]);
	assert_false(m.mux.on);
}

static bool changes_over(void *arg)
{
	(void)arg;
	return m.mux.on && !cmux_is_open(&m.mux.cmux);
}

/* Between the OK to +CMUX and the first frame the line is nobody's. */
static void a_hang_up_while_the_module_changes_over_is_noticed(void **state)
{
	char why[SERIAL_WHY_MAX];

	(void)state;
	assert_int_equal(modem_open(&m, false, why), 0);
	on_changed(&m, 0);
	assert_true(fake_ev_until(changes_over, NULL, 120000));
	fake_port.present = false;
	wire_hang_up(&fake_port.wire, EIO);
	fake_ev_run(100);
	assert_int_equal(m.st.state, MODEM_ABSENT);
	assert_false(m.mux.on);
}

/* It is no fault of the mux, as long as that has worked. */
static void a_port_that_goes_again_and_again_does_not_cost_the_mux(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 5; i++) {
		fake_ev_run(20000);
		assert_true(m.mux.on);
		fake_port.present = false;
		wire_hang_up(&fake_port.wire, EIO);
		fake_ev_run(1000);
		assert_int_equal(m.st.state, MODEM_ABSENT);
		muxing = false;
		fake_port.present = true;
		m.hotplug.stirred(&m.hotplug);
		assert_true(reaches(MODEM_READY, 60000));
	}
}

/* --- speed ------------------------------------------------------------------------------------------- */

static void the_speed_is_raised_and_proven(void **state)
{
	(void)state;
	m.o.max_baud = 921600;
	ipr_works = 921600;
	start();
	assert_int_equal(fake_port.baud, 921600);
	assert_int_equal(m.st.baud, 921600);
	assert_int_equal(fake_port_count("AT+CMUX=0,0,8,127,10,3,30,10,2"), 1);
}

static void a_speed_that_is_refused_is_left_alone(void **state)
{
	(void)state;
	m.o.max_baud = 921600;
	start();
	assert_int_equal(fake_port.baud, 115200);
	assert_int_equal(fake_port_count("AT+IPR=921600"), 1);
}

static void a_speed_that_does_not_work_is_taken_back(void **state)
{
	(void)state;
	m.o.cmux = MODEM_CMUX_NO;
	m.o.max_baud = 921600;
	ipr_works = 115200;     /* OK, and it stays where it was */
	start();
	assert_int_equal(fake_port.baud, 115200);
	assert_int_equal(m.st.baud, 115200);
	assert_int_equal(m.st.counters.lost, 0);
}

static void after_a_restart_the_first_speed_is_tried_again(void **state)
{
	(void)state;
	m.o.cmux = MODEM_CMUX_NO;
	m.o.max_baud = 921600;
	ipr_works = 921600;
	start();
	fake_port.baud_needed = 115200;
	modem_refresh(&m);
	fake_ev_run(60000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_int_equal(fake_port.baud, 921600);
}

#define MUX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MUX_TEST(the_start_goes_through_the_mux_and_channels_are_dealt_out),
		MUX_TEST(simpler_forms_are_tried_and_a_refusal_of_all_is_done_without),
		MUX_TEST(a_module_that_refuses_is_used_without),
		MUX_TEST(no_ok_is_as_good_as_one_if_it_muxes),
		MUX_TEST(an_ok_without_a_mux_behind_it_is_noticed),
		MUX_TEST(fewer_channels_are_shared),
		MUX_TEST(no_channel_at_all_is_no_mux),
		MUX_TEST(a_restart_is_noticed_and_the_mux_started_anew),
		MUX_TEST(a_mux_that_was_left_by_the_module_is_left_here),
		MUX_TEST(a_closed_control_channel_ends_the_mux),
		MUX_TEST(a_mux_that_never_lasts_is_given_up),
		MUX_TEST(a_mux_that_is_lost_while_it_begins_is_tried_again),
		MUX_TEST(what_is_done_on_the_card_is_not_disturbed_for_it),
		MUX_TEST(a_module_that_only_says_ok_has_its_peace),
		MUX_TEST(a_silent_module_goes_up_the_ladder_out_of_its_mux),
		MUX_TEST(a_module_that_still_muxes_for_a_daemon_that_is_gone_is_taken_out_of_it),
		MUX_TEST(a_module_that_waits_for_the_rest_of_a_frame_is_taken_out_of_it),
		MUX_TEST(it_is_left_in_good_order_at_the_end),
		MUX_TEST(the_reset_command_goes_through_the_mux),
		MUX_TEST(a_hang_up_of_the_port_ends_everything),
		MUX_TEST(a_hang_up_while_the_module_changes_over_is_noticed),
		MUX_TEST(a_port_that_goes_again_and_again_does_not_cost_the_mux),
		MUX_TEST(the_speed_is_raised_and_proven),
		MUX_TEST(a_speed_that_is_refused_is_left_alone),
		MUX_TEST(a_speed_that_does_not_work_is_taken_back),
		MUX_TEST(after_a_restart_the_first_speed_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
