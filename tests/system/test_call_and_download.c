/*
 * A data call and a profile download at the same time, on one paced line with a mux: the call goes both
 * ways as fast as it can, every octet compared, while a profile of 60 kB is downloaded, from its server and
 * through the eIM. Both get on, both complete, and the eIM hears of it.
 *
 *   CALL_OCTETS=n  CALL_SEED=n   another run
 */
#include "support/test.h"

#include <poll.h>
#include <stdlib.h>

#include "support/data_call.h"
#include "support/fleet.h"

#define BAUD "115200"
#define LINE_RATE 11520.0       /* octets per second each way */
#define PROFILE_SIZE "60000"
/* What the line, the module and the kernel hold of a call at this speed. */
#define WINDOW 16384
/* How long nothing comes of a call that has octets under way, and how little it gets beside a download. */
#define SILENCE_MS 5000
#define SHARE_MIN 0.15

/* Two gateways side by side, since each has a line of its own to wait for. */
#define WAYS 2

struct gateway {
	struct fleet fleet;
	struct data_call call;
	struct rate {
		unsigned long long ms, octets;
	} began, took;
};

static struct gateway gateways[WAYS];
static const char *const way_names[WAYS] = { "from the server", "through the eIM" };

static int teardown(void **state)
{
	(void)state;
	for (unsigned k = 0; k < WAYS; k++)
		fleet_drop(&gateways[k].fleet);
	return 0;
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 10) : otherwise;
}

/* --- calls -------------------------------------------------------------------------------------------- */

static void serve_calls(struct fleet *f, int fd)
{
	struct pollfd w[WAYS + 1];

	(void)f;
	for (unsigned k = 0; k < WAYS; k++) {
		struct data_call *c = &gateways[k].call;

		w[k] = (struct pollfd){ .fd = c->c.fd, .events = data_call_events(c) };
	}
	w[WAYS] = (struct pollfd){ .fd = fd, .events = POLLIN };
	poll(w, WAYS + 1, 100);
	for (unsigned k = 0; k < WAYS; k++) {
		struct gateway *g = &gateways[k];

		if (!data_call_serve(&g->call, SILENCE_MS))
			fleet_fail(&g->fleet, "%s", g->call.why);
		if (g->call.ended || g->call.refused)
			fleet_fail(&g->fleet, "the call has ended by itself, or was refused");
	}
}

static void begin_calls(void)
{
	for (unsigned k = 0; k < WAYS; k++) {
		struct gateway *g = &gateways[k];

		data_call_open(&g->call, rig_path(&g->fleet.rig, "at0"), number_from("CALL_SEED", 11) + k);
		g->call.window = WINDOW;
	}
	for (unsigned k = 0; k < WAYS; k++)
		while (gateways[k].call.state != DATA_CALL_ON)
			serve_calls(NULL, -1);
}

/* All that went out comes home. */
static void bring_home(void)
{
	unsigned long long total = number_from("CALL_OCTETS", 150000);

	for (unsigned k = 0; k < WAYS; k++)
		while (gateways[k].call.octets < total)
			serve_calls(NULL, -1);
	for (unsigned k = 0; k < WAYS; k++)
		gateways[k].call.window = 0;
	for (unsigned k = 0; k < WAYS; k++)
		while (data_call_under_way(&gateways[k].call))
			serve_calls(NULL, -1);
}

static void hang_up(struct gateway *g)
{
	g->call.rests = true;
	assert_true(rig_tell_module(&g->fleet.rig, "no-carrier"));
	while (g->call.state != DATA_CALL_NONE) {
		struct pollfd p = { .fd = g->call.c.fd, .events = POLLIN };

		assert_true(poll(&p, 1, SILENCE_MS) > 0);
		assert_true(data_call_serve(&g->call, SILENCE_MS));
	}
	data_call_close(&g->call);
}

/* --- downloads ------------------------------------------------------------------------------------------ */

static void open_gateway(struct gateway *g, bool indirect)
{
	fleet_open(&g->fleet, &(struct fleet_options){
		.card_ms = "5",
		.patience_s = 400,      /* a call takes most of the line */
		.module_args = { "--baud", BAUD, "--boot-ms", "200" },
		.conf = "[modem]\nbaud = " BAUD "\nrtscts = yes\ncmux = yes\n"
			"[port.at0]\nkind = socket\ndata = cmux\nurcs = none\n",
	});
	port_wait_channel(&g->fleet.rig, 0);
	FLEET_ADD(&g->fleet, "--size", PROFILE_SIZE);
	fleet_order_by(&g->fleet, indirect);
}

static void begin_download(struct gateway *g)
{
	g->fleet.meanwhile = serve_calls;
	g->began = (struct rate){ rig_now_ms(), g->call.octets };
	FLEET_CTL(&g->fleet, "ipa", "poll", "--no-wait");
}

static void await_download(struct gateway *g, bool indirect)
{
	fleet_expect_result(&g->fleet, "installed as", true);
	g->took = (struct rate){ rig_now_ms() - g->began.ms, g->call.octets - g->began.octets };
	fleet_await_idle(&g->fleet);
	fleet_expect_download(&g->fleet, indirect);
}

static void tell(const struct gateway *g, const char *way)
{
	double rate = (double)g->took.octets * 1000 / (double)g->took.ms;

	print_message("%s octets %s in %.1f s; beside it %.0f octets/s each way in the call (%.0f %% of the "
		      "line), %llu in all\n", PROFILE_SIZE, way, (double)g->took.ms / 1000, rate,
		      rate / LINE_RATE * 100, g->call.octets);
	assert_true(rate > SHARE_MIN * LINE_RATE);
}

static void a_call_and_a_download_at_the_same_time_both_complete(void **state)
{
	(void)state;
	for (unsigned k = 0; k < WAYS; k++)
		open_gateway(&gateways[k], k);
	begin_calls();
	for (unsigned k = 0; k < WAYS; k++)
		begin_download(&gateways[k]);
	for (unsigned k = 0; k < WAYS; k++)
		await_download(&gateways[k], k);
	bring_home();
	for (unsigned k = 0; k < WAYS; k++) {
		tell(&gateways[k], way_names[k]);
		gateways[k].fleet.meanwhile = NULL;
		hang_up(&gateways[k]);
		fleet_delete(&gateways[k].fleet);
		fleet_close(&gateways[k].fleet);
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(a_call_and_a_download_at_the_same_time_both_complete),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
