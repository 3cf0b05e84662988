/*
 * A call on a port's own channel and the signals beside it (27.010 5.4.6.3.7): DTR that the daemon drops to
 * hang up, DCD that the module drops when the call is over; and modules that heed or send none.
 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"
#include "support/cardbed.h"
#include "unit/fake_ev.h"

static const struct vport_options port = {
	.name = "at0", .kind = VPORT_SOCKET, .mode = "0600", .data = VPORT_DATA_MUX,
};

static int client;
static char got[4096];

static struct host_channel *channel(void)
{
	return &cardbed.host.channels[2];
}

static const char *hear(unsigned ms)
{
	size_t n = 0;

	for (unsigned k = 0; k < ms; k += 10) {
		ssize_t r;

		fake_ev_run(10);
		r = read(client, got + n, sizeof(got) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
	}
	got[n] = '\0';
	return got;
}

static void type(const char *s)
{
	assert_int_equal(write(client, s, strlen(s)), strlen(s));
}

static void dial_port(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/at0", cardbed.card.dir);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fake_ev_run(100);
}

static void begin_call(void)
{
	type("ATE0\r");
	hear(200);
	type("ATD*99#\r");
	if (!strstr(hear(1000), "\r\nCONNECT 150000000\r\n"))
		fail_msg("no call: '%s'", got);
	assert_int_equal(channel()->port.state, PORT_DATA);
	type("to and fro");
	assert_string_equal(hear(200), "to and fro");
}

static void open_on(const char *module)
{
	struct cardbed_options o = {
		.module = module, .card = "classic-consumer", .baud = 115200, .cmux = MODEM_CMUX_YES,
		.ports = &port, .n_ports = 1,
	};

	cardbed_open(&o);
	assert_true(cardbed_settle(120000));
	for (unsigned ms = 0; !cardbed.ports.ports[0]->own_ready; ms += 100) {
		assert_true(ms < 60000);
		fake_ev_run(100);
	}
	/* The network is found. */
	fake_ev_run(20000);
	dial_port();
	begin_call();
}

static void leave(void)
{
	if (client >= 0)
		close(client);
	cardbed_close();
}

/* How long the module stays in the call after its client has gone. */
static unsigned hang_up(void)
{
	unsigned ms = 0;

	close(client);
	client = -1;
	for (; channel()->port.state == PORT_DATA && ms < 30000; ms += 10)
		fake_ev_run(10);
	return ms;
}

static void hanging_up_drops_dtr(void **state)
{
	(void)state;
	open_on("quectel-rm500");
	assert_in_range(hang_up(), 0, 200);
	/* And it is there again, for the next call. */
	fake_ev_run(500);
	assert_false(cardbed.host.mux.no_dtr[3]);
	fake_ev_run(5000);
	dial_port();
	begin_call();
	leave();
}

static void a_module_that_heeds_no_dtr_is_escaped_from(void **state)
{
	(void)state;
	open_on("quectel-eg25");
	assert_in_range(hang_up(), 1000, 10000);
	fake_ev_run(10000);
	dial_port();
	begin_call();
	leave();
}

/* The words are lost, or the module has none. */
static void a_carrier_that_goes_without_words_is_the_end(void **state)
{
	(void)state;
	open_on("quectel-rm500");
	port_leave_data(&channel()->port, NULL);
	assert_string_equal(hear(1000), "\r\nNO CARRIER\r\n");
	hear(5000);
	begin_call();
	leave();
}

static void words_and_carrier_are_one_end(void **state)
{
	(void)state;
	open_on("quectel-rm500");
	port_leave_data(&channel()->port, "NO CARRIER");
	assert_string_equal(hear(1000), "\r\nNO CARRIER\r\n");
	begin_call();
	leave();
}

/* What was sent before the carrier went is on its way behind the signal. */
static void data_that_come_after_the_carrier_has_gone_are_not_lost(void **state)
{
	char much[2001], want[2100];

	(void)state;
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	snprintf(want, sizeof(want), "%s\r\nNO CARRIER\r\n", much);
	open_on("quectel-rm500");
	cardbed.host.mux.stopped[3] = true;
	type(much);
	assert_string_equal(hear(500), "");
	assert_int_equal(channel()->backlog.len, strlen(much));
	port_leave_data(&channel()->port, NULL);
	assert_string_equal(hear(100), "");
	cardbed.host.mux.stopped[3] = false;
	host_resume(&cardbed.host);
	assert_string_equal(hear(2000), want);
	leave();
}

static void a_carrier_that_comes_back_was_never_gone(void **state)
{
	(void)state;
	open_on("quectel-rm500");
	mux_carrier(&cardbed.host.mux, 3, false);
	assert_string_equal(hear(100), "");
	mux_carrier(&cardbed.host.mux, 3, true);
	assert_string_equal(hear(2000), "");
	type("still here");
	assert_string_equal(hear(200), "still here");
	leave();
}

static void hang_up_and_have_dtr_off(void)
{
	open_on("quectel-rm500");
	close(client);
	client = -1;
	fake_ev_run(20);
	assert_true(cardbed.ports.ports[0]->dtr_again.active);
}

static void a_channel_may_go_while_its_dtr_is_off(void **state)
{
	(void)state;
	hang_up_and_have_dtr_off();
	cardbed_unplug(true);
	fake_ev_run(10);
	assert_false(cardbed.ports.ports[0]->dtr_again.active);
	leave();
	/* And so may the daemon. */
	hang_up_and_have_dtr_off();
	leave();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hanging_up_drops_dtr),
		cmocka_unit_test(a_module_that_heeds_no_dtr_is_escaped_from),
		cmocka_unit_test(a_carrier_that_goes_without_words_is_the_end),
		cmocka_unit_test(words_and_carrier_are_one_end),
		cmocka_unit_test(data_that_come_after_the_carrier_has_gone_are_not_lost),
		cmocka_unit_test(a_carrier_that_comes_back_was_never_gone),
		cmocka_unit_test(a_channel_may_go_while_its_dtr_is_off),
	};

	log_set_level(LOG_LEVEL_WARNING);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
