/*
 * Something happens to the module, its line or its mux at any moment, by a seed, while on one paced line a
 * data call goes both ways as fast as it can, two clients give commands and a profile is downloaded, from
 * its server and through the eIM in turn. By itself everything comes back: what was under way at a port
 * ends by a result or a hang-up within bounds, new commands are answered and a new call is made; the eIM
 * hears the download's outcome once, which is what is on the card; and the next download works.
 *
 *   LOAD_ROUNDS=n  LOAD_SEED=n   another run
 */
#include "support/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "support/data_call.h"
#include "support/fleet.h"
#include "support/fleet_cut.h"

#define BAUD "115200"
#define PROFILE_SIZE "4000"
#define WINDOW 16384
#define ASKERS 2
/* Nobody waits longer for the end of what he has begun, whatever happens. */
#define HANG_MS 20000
/* And by then new commands are answered and a new call is made. */
#define BACK_MS 40000
/* How long a module is away at most, where it does not come back by itself. */
#define LASTS_MS 3000
/* So much of the new call, and so many commands, show that. */
#define BACK_OCTETS 4000
#define BACK_COMMANDS 2

static struct fleet fleet;
static struct data_call call;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	return getenv(name) ? strtoul(getenv(name), NULL, 10) : otherwise;
}

/* Strikes have theirs alone: how often clients draw is a matter of time. */
static uint64_t chance, clients_chance;

static unsigned draw_from(uint64_t *c, unsigned below)
{
	*c = *c * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*c >> 33) % below;
}

static unsigned draw(unsigned below)
{
	return draw_from(&chance, below);
}

/* --- what can happen --------------------------------------------------------------------------------- */

enum strike {
	STRIKE_UNPLUG, STRIKE_HANG_UP, STRIKE_RESET, STRIKE_POWER_LOSS, STRIKE_MUX_FORGOTTEN, STRIKE_MUX_CLOSED,
	_STRIKE_MAX
};

/* And what ends it, where it does not end by itself. */
static const struct {
	const char *name, *order, *end;
} strikes[_STRIKE_MAX] = {
	[STRIKE_UNPLUG] = { "unplugged", "unplug", "plug" },
	[STRIKE_HANG_UP] = { "hung up", "hang-up 700", NULL },
	[STRIKE_RESET] = { "reset", "reset", NULL },
	[STRIKE_POWER_LOSS] = { "power loss", "power off", "power on" },
	[STRIKE_MUX_FORGOTTEN] = { "mux forgotten", "mux forget", NULL },
	[STRIKE_MUX_CLOSED] = { "mux closed", "mux close", NULL },
};

static enum strike last_strike;
static unsigned long long struck_ms, back_ms;   /* the last one; all was well again (0: not yet) */
static struct {
	unsigned ok, errors, rounds[_STRIKE_MAX], back_ms[_STRIKE_MAX], end_ms[_STRIKE_MAX];
	unsigned installed, failed;
} count;

/* The longest that somebody had to wait for the end of what was under way. */
static void note_end(unsigned long long since_ms)
{
	unsigned long long from = MAX(since_ms, struck_ms);

	if (!back_ms)
		count.end_ms[last_strike] = MAX(count.end_ms[last_strike], (unsigned)(rig_now_ms() - from));
}

/* --- two who ask --------------------------------------------------------------------------------------- */

struct asker {
	struct port_client c;
	unsigned i, seq, good;          /* good: since the last strike */
	bool waits;
	char want[256];
	unsigned long long since_ms, next_ms;
};

static struct asker askers[ASKERS];

static void ask(struct asker *a)
{
	char token[24], command[48];
	unsigned lines = 1 + draw_from(&clients_chance, 4);
	size_t at = 0;

	snprintf(token, sizeof(token), "T%u-%06u", a->i, ++a->seq % 1000000);
	for (unsigned k = 1; k <= lines; k++)
		at += (size_t)snprintf(a->want + at, sizeof(a->want) - at, "%s%%ECHO: \"%s\",%u\r\n",
				       k == 1 ? "\r\n" : "", token, k);
	snprintf(a->want + at, sizeof(a->want) - at, PORT_CLIENT_OK);
	snprintf(command, sizeof(command), "AT%%ECHO=\"%s\",%u\r", token, lines);
	a->c.n = 0;
	a->c.in[0] = '\0';
	a->waits = true;
	a->since_ms = rig_now_ms();
	port_client_type(&a->c, command);
}

/* Behind as much of the answer as had come. */
static bool is_cut_by_error(const struct asker *a)
{
	size_t n = a->c.n, end = strlen("\r\nERROR\r\n");

	return n >= end && !strcmp(a->c.in + n - end, "\r\nERROR\r\n") && !strncmp(a->c.in, a->want, n - end);
}

static void fail_asker(const struct asker *a, const char *what)
{
	char in[512], want[512];

	text_escape(a->c.in, a->c.n, in, sizeof(in));
	text_escape(a->want, strlen(a->want), want, sizeof(want));
	fleet_fail(&fleet, "client %u, %s, %llu ms after '%s': '%s', not '%s'", a->i, what,
		   rig_now_ms() - struck_ms, strikes[last_strike].name, in, want);
}

static void serve_asker(struct asker *a)
{
	bool good;

	while (port_client_take(&a->c, 0))
		;
	if (!a->waits) {
		if (a->c.n)
			fail_asker(a, "asked nothing");
		if (rig_now_ms() >= a->next_ms)
			ask(a);
		return;
	}
	good = !strcmp(a->c.in, a->want);
	if (!good && !is_cut_by_error(a)) {
		if (strncmp(a->c.in, a->want, a->c.n) != 0 && !strstr(a->c.in, "\r\nE"))
			fail_asker(a, "a wrong answer");
		if (rig_now_ms() - a->since_ms > HANG_MS)
			fail_asker(a, "no answer");
		return;
	}
	if (!good && back_ms && a->since_ms > back_ms)
		fail_asker(a, "all being well");
	note_end(a->since_ms);
	count.ok += good;
	count.errors += !good;
	a->good += good;
	a->waits = false;
	a->c.n = 0;
	a->c.in[0] = '\0';
	a->next_ms = rig_now_ms() + draw_from(&clients_chance, 60);
}

/* --- everybody --------------------------------------------------------------------------------------------- */

static void serve(struct fleet *f, int fd)
{
	struct pollfd w[ASKERS + 2];
	unsigned ended = call.ended;
	unsigned long long since;

	(void)f;
	for (unsigned i = 0; i < ASKERS; i++)
		w[i] = (struct pollfd){ .fd = askers[i].c.fd, .events = POLLIN };
	w[ASKERS] = (struct pollfd){ .fd = call.c.fd, .events = data_call_events(&call) };
	w[ASKERS + 1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	poll(w, ASKERS + 2, 20);
	for (unsigned i = 0; i < ASKERS; i++)
		serve_asker(&askers[i]);
	since = call.since_ms;
	if (!data_call_serve(&call, HANG_MS))
		fleet_fail(&fleet, "%s, %llu ms after '%s'", call.why, rig_now_ms() - struck_ms,
			   strikes[last_strike].name);
	if (call.ended != ended)
		note_end(since);
	if (call.ended != ended && back_ms)
		fleet_fail(&fleet, "a call ends, all being well");
}

static void open_all(void)
{
	data_call_open(&call, rig_path(&fleet.rig, "at0"), chance);
	call.window = WINDOW;
	for (unsigned i = 0; i < ASKERS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "at%u", i + 1);
		askers[i] = (struct asker){ .i = i };
		port_client_open(&askers[i].c, rig_path(&fleet.rig, name));
		port_client_ask(&askers[i].c, "ATE0\r", PORT_CLIENT_OK, NULL);
		askers[i].c.n = 0;
	}
}

static void close_all(void)
{
	data_call_close(&call);
	for (unsigned i = 0; i < ASKERS; i++)
		port_client_close(&askers[i].c);
}

/* --- rounds ------------------------------------------------------------------------------------------------- */

static unsigned calls_before;
static unsigned long long octets_before;

static bool is_back(void)
{
	bool back = call.state == DATA_CALL_ON && call.calls > calls_before;

	if (call.calls == calls_before)
		octets_before = call.octets;
	back &= call.octets >= octets_before + BACK_OCTETS;
	for (unsigned i = 0; i < ASKERS; i++)
		back &= askers[i].good >= BACK_COMMANDS;
	return back;
}

/* Each kind once, in any order, then again. */
static enum strike next_kind(void)
{
	static enum strike kinds[_STRIKE_MAX];
	static unsigned left;
	unsigned k;
	enum strike s;

	if (!left)
		for (left = 0; left < _STRIKE_MAX; left++)
			kinds[left] = (enum strike)left;
	k = draw(left);
	s = kinds[k];
	kinds[k] = kinds[--left];
	return s;
}

/*
 * A module whose mux has not lasted a minute three times in a row is left alone with it, until it comes anew:
 * that would be no fault of ours.
 */
static enum strike spare_the_mux(enum strike s)
{
	static unsigned lost;
	bool costs = s == STRIKE_MUX_FORGOTTEN || s == STRIKE_MUX_CLOSED || !back_ms;

	if (costs && lost == 2)
		s = STRIKE_UNPLUG;
	if (s == STRIKE_UNPLUG || s == STRIKE_HANG_UP)
		lost = 0;
	else
		lost += costs;
	return s;
}

static void strike(enum strike s)
{
	unsigned lasts_ms = draw(LASTS_MS);

	s = spare_the_mux(s);
	count.rounds[s]++;
	print_message("%s after %u commands and %llu octets\n", strikes[s].name, count.ok, call.octets);
	last_strike = s;
	struck_ms = rig_now_ms();
	back_ms = 0;
	for (unsigned i = 0; i < ASKERS; i++)
		askers[i].good = 0;
	if (call.state == DATA_CALL_ON)
		calls_before = call.calls;
	/* Where the one before is still being seen to there may be no mux to lose. */
	rig_ask_module(&fleet.rig, strikes[s].order);
	if (!strikes[s].end)
		return;
	fleet_pause(&fleet, lasts_ms);
	assert_true(rig_tell_module(&fleet.rig, strikes[s].end));
}

static void await_back(void)
{
	while (!is_back()) {
		serve(&fleet, -1);
		if (rig_now_ms() - struck_ms > BACK_MS)
			fleet_fail(&fleet, "not back %u s after '%s': %u and %u commands, call %d", BACK_MS / 1000,
				   strikes[last_strike].name, askers[0].good, askers[1].good, (int)call.state);
	}
	back_ms = rig_now_ms();
	count.back_ms[last_strike] = MAX(count.back_ms[last_strike], (unsigned)(back_ms - struck_ms));
}

static void begin_download(const char *size, bool indirect)
{
	FLEET_ADD(&fleet, "--size", size);
	fleet_order_by(&fleet, indirect);
}

/* From order to accounts, nothing happening meanwhile: how long the visit takes. */
static unsigned download(const char *size, bool indirect)
{
	unsigned long long start;

	begin_download(size, indirect);
	start = rig_now_ms();
	fleet_visit(&fleet);
	start = rig_now_ms() - start;
	fleet_expect_download(&fleet, indirect);
	fleet_delete(&fleet);
	return (unsigned)start;
}

static void settle_accounts(void)
{
	bool installed = fleet_expect_one_outcome(&fleet);

	/* The eIM was there all the time: exactly once. */
	fleet_expect_result(&fleet, installed ? "installed as" : "", installed);
	fleet_expect_agreement(&fleet);
	count.installed += installed;
	count.failed += !installed;
}

static void one_round(unsigned k, unsigned took)
{
	bool indirect = k % 2;

	begin_download(PROFILE_SIZE, indirect);
	FLEET_CTL(&fleet, "ipa", "poll", "--no-wait");
	fleet_pause(&fleet, draw(took + took / 4));
	strike(next_kind());
	/* And while it is being seen to. */
	if (draw(4) == 0) {
		fleet_pause(&fleet, draw(LASTS_MS));
		strike((enum strike)draw(_STRIKE_MAX));
	}
	await_back();
	settle_accounts();
	download("500", !indirect);
}

static void tell(void)
{
	print_message("%u commands answered, %u ended by an error; %u calls, %u refused, %u ended; downloads that "
		      "were struck: %u installed, %u not\n", count.ok, count.errors, call.calls, call.refused,
		      call.ended, count.installed, count.failed);
	for (int s = 0; s < _STRIKE_MAX; s++)
		if (count.rounds[s])
			print_message("%-14s %3u times; all that was under way had ended after %5u ms at the longest, "
				      "back after %5u ms\n", strikes[s].name, count.rounds[s], count.end_ms[s],
				      count.back_ms[s]);
}

static void everything_comes_back_whatever_happens(void **state)
{
	unsigned rounds = (unsigned)number_from("LOAD_ROUNDS", 3), took;

	(void)state;
	chance = clients_chance = number_from("LOAD_SEED", 9);
	print_message("seed %llu\n", (unsigned long long)chance);
	memset(&count, 0, sizeof(count));
	fleet_open(&fleet, &(struct fleet_options){
		.card_ms = "2", .resend_s = "1",
		.module_args = { "--baud", BAUD, "--strict-speed", "--boot-ms", "300" },
		.conf = "[modem]\nbaud = " BAUD "\nrtscts = yes\ncmux = yes\n"
			"[port.at0]\nkind = socket\ndata = cmux\nurcs = none\n"
			"[port.at1]\nkind = socket\nurcs = none\n[port.at2]\nkind = socket\nurcs = none\n",
	});
	/* The last one goes with the daemon's own commands: the module has no more channels. */
	port_wait_channel(&fleet.rig, 0);
	port_wait_channel(&fleet.rig, 1);
	open_all();
	struck_ms = back_ms = rig_now_ms();
	fleet.meanwhile = serve;
	took = download(PROFILE_SIZE, false);
	for (unsigned k = 0; k < rounds; k++)
		one_round(k, took);
	fleet.meanwhile = NULL;
	tell();
	close_all();
	fleet_close(&fleet);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(everything_comes_back_whatever_happens),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	fleet_argv0(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
