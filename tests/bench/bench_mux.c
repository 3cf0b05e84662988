/*
 * Sharing the line, by whole programs on a paced line: what CMUX costs over the arithmetic of its frames,
 * how a data call and a profile download share it, and how long somebody else's command waits beside them,
 * with a mux and without.
 */
#include "support/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/util.h"
#include "support/data_call.h"
#include "support/fleet.h"

#define BAUD 115200
#define BAUD_TEXT "115200"
#define PHASE_MS 10000
#define N1 127
#define FRAME_EXTRA 6                   /* flag, address, control, length, check, flag */
#define CARD_MS "5"
#define PROFILE 60000
#define PROFILE_TEXT "60000"
/* Enough under way to fill the line, and not more than can be brought home. */
#define WINDOW 16384
#define SILENCE_MS 20000
#define ASK_EVERY_MS 60
#define ASKED_MAX 4096

static struct fleet fleet;
static struct data_call call;
static struct port_client asker;

static void die(const char *what)
{
	fleet_fail(&fleet, "bench_mux: %s", what);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- what the module counts ------------------------------------------------------------------------ */

struct line {
	unsigned long in, out, apdus;
};

static unsigned long word(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	if (!at)
		die("sim-module does not tell what it counts");
	return strtoul(at + strlen(name), NULL, 10);
}

static struct line line_now(void)
{
	const char *s = rig_ask_module(&fleet.rig, "status");

	return (struct line){ word(s, "octets_in="), word(s, "octets_out="), word(s, " apdus=") - word(s, " rests=") };
}

/* --- somebody else --------------------------------------------------------------------------------- */

static double took[ASKED_MAX];
static size_t asked;
static double asked_at, ask_next;
static bool waits;

static void serve_asker(void)
{
	if (waits) {
		while (port_client_take(&asker, 0))
			;
		if (strstr(asker.in, PORT_CLIENT_OK)) {
			took[asked++ % ASKED_MAX] = now_ms() - asked_at;
			waits = false;
			ask_next = now_ms() + ASK_EVERY_MS;
		} else if (now_ms() - asked_at > 20000) {
			die("a command is not answered");
		}
	} else if (now_ms() >= ask_next) {
		asker.n = 0;
		asker.in[0] = '\0';
		port_client_type(&asker, "AT+CSQ\r");
		waits = true;
		asked_at = now_ms();
	}
}

/* Everybody who is not waited for. */
static void serve(struct fleet *f, int fd)
{
	struct pollfd w[3] = { { .fd = asker.fd, .events = POLLIN },
			       { .fd = call.c.fd, .events = data_call_events(&call) },
			       { .fd = fd, .events = POLLIN } };

	(void)f;
	poll(w, ARRAY_SIZE(w), 1);
	if (!data_call_serve(&call, SILENCE_MS))
		die(call.why);
	serve_asker();
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread {
	double median, p99, longest;
};

static struct spread spread(void)
{
	size_t n = MIN(asked, (size_t)ASKED_MAX);

	if (!n)
		die("nobody asked");
	qsort(took, n, sizeof(took[0]), by_value);
	return (struct spread){ took[n / 2], took[n * 99 / 100], took[n - 1] };
}

/* --- phases ---------------------------------------------------------------------------------------- */

struct phase {
	double ms;
	double data_rate;               /* octets each way per second */
	double apdu_rate;               /* APDUs, each with the rest of its answer */
	double profile_rate;            /* octets of a profile */
	unsigned long wire, payload;    /* octets both ways */
	size_t asked;
	struct spread wait;
};

/* A download's phase lasts from the visit in which it is offered to its report. */
static struct phase run(bool calls, bool downloads)
{
	struct line before, after;
	unsigned long long had;
	struct phase p;
	double start;

	if (downloads) {
		FLEET_ADD(&fleet, "--size", PROFILE_TEXT);
		fleet_order_by(&fleet, false);
	}
	call.window = calls ? WINDOW : 0;
	before = line_now();
	had = call.octets;
	asked = 0;
	start = now_ms();
	fleet.meanwhile = serve;
	if (downloads)
		fleet_visit(&fleet);
	else
		fleet_pause(&fleet, PHASE_MS);
	p.ms = now_ms() - start;
	p.data_rate = (double)(call.octets - had) / p.ms * 1000;
	p.profile_rate = PROFILE / p.ms * 1000;
	call.window = 0;
	while (data_call_under_way(&call) || waits)
		serve(&fleet, -1);
	after = line_now();
	fleet.meanwhile = NULL;
	p.apdu_rate = (double)(after.apdus - before.apdus) / p.ms * 1000;
	p.wire = after.in - before.in + after.out - before.out;
	p.payload = 2 * (call.octets - had);
	p.asked = asked;
	p.wait = spread();
	if (downloads) {
		fleet_expect_download(&fleet, false);
		fleet_delete(&fleet);
	}
	return p;
}

static void start(const char *conf)
{
	fleet_open(&fleet, &(struct fleet_options){
		.card_ms = CARD_MS, .conf = conf, .log = "warning",
		.module_args = { "--baud", BAUD_TEXT, "--boot-ms", "200", "--latency-ms", "0", "--apdu-ms", "0" },
	});
	call = (struct data_call){ .c.fd = -1, .rests = true };
	port_client_open(&asker, rig_path(&fleet.rig, "at1"));
	port_client_ask(&asker, "ATE0\r", PORT_CLIENT_OK, NULL);
}

static void stop(void)
{
	port_client_close(&asker);
	fleet_close(&fleet);
}

static void dial(void)
{
	data_call_open(&call, rig_path(&fleet.rig, "at0"), 1);
	while (call.state != DATA_CALL_ON)
		serve(&fleet, -1);
	call.rests = true;
}

/* --- with a mux ------------------------------------------------------------------------------------ */

#define PORTS "[port.at0]\ndata = cmux\nkind = socket\n[port.at1]\nkind = socket\n"

/* ways: how often on its way there and back it may have to wait. */
static void tell_wait(const char *beside, struct spread w, struct spread alone, double unit, int ways,
		      const char *name)
{
	double more = alone.median;

	printf("  %-18s %6.1f ms, p99 %6.1f, longest %6.1f; more than alone: %.2f %s, p99 %.2f, longest %.2f\n",
	       beside, w.median, w.p99, w.longest, (w.median - more) / ways / unit, name,
	       (w.p99 - more) / ways / unit, (w.longest - more) / ways / unit);
}

static void measure_mux(void)
{
	double frame = (N1 + FRAME_EXTRA) * 10000.0 / BAUD, arithmetic;
	struct phase idle, alone, card, both;

	start("[modem]\ncmux = yes\nrtscts = yes\n" PORTS);
	port_wait_channel(&fleet.rig, 1);
	idle = run(false, false);
	card = run(false, true);
	dial();
	alone = run(true, false);
	both = run(true, true);
	/* The commands that were asked meanwhile are frames too, as they were when nothing else was there. */
	arithmetic = (double)alone.payload + FRAME_EXTRA * ((double)alone.payload / N1) +
		     (double)idle.wire / (double)idle.asked * (double)alone.asked;
	printf("CMUX at %d baud, frames of %d octets, a profile of %d octets\n", BAUD, N1, PROFILE);
	printf("  octets on the line for those of a call        %.3f of the frames' arithmetic, aim ≤ 1.05\n",
	       (double)alone.wire / arithmetic);
	printf("  a call alone                                  %5.0f octets/s each way, %3.0f %% of the line\n",
	       alone.data_rate, alone.data_rate / (BAUD / 10) * 100);
	printf("  a download alone                              %5.1f s, %5.0f octets/s, %.1f APDUs/s\n",
	       card.ms / 1000, card.profile_rate, card.apdu_rate);
	printf("  both at once: the call                        %5.0f octets/s each way, %3.0f %% of alone\n",
	       both.data_rate, both.data_rate / alone.data_rate * 100);
	printf("                the download                    %5.1f s, %5.0f octets/s, %.1f APDUs/s, %.0f %% of alone\n",
	       both.ms / 1000, both.profile_rate, both.apdu_rate, both.profile_rate / card.profile_rate * 100);
	printf("a command of somebody else, there and back; one frame is %.1f ms, aim ≤ 1 each way\n", frame);
	tell_wait("alone", idle.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside a download", card.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside a call", alone.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside both", both.wait, idle.wait, frame, 2, "frames each way");
	if ((double)alone.wire / arithmetic > 1.05)
		die("CMUX costs more than its frames");
	if (call.ended || both.data_rate == 0)
		die("the call does not get on");
	data_call_close(&call);
	stop();
}

/* --- without ----------------------------------------------------------------------------------------- */

static void measure_shared(void)
{
	struct phase idle, card;
	double apdu;

	start(PORTS);
	idle = run(false, false);
	card = run(false, true);
	/* What else was asked took its time of the line too. Not all are alike: some answer with two kilobytes. */
	apdu = (card.ms - (double)card.asked * idle.wait.median) / (card.apdu_rate * card.ms / 1000);
	printf("a command of somebody else on a shared line; one APDU with all of its answer is %.1f ms, aim ≤ 1\n",
	       apdu);
	tell_wait("alone", idle.wait, idle.wait, apdu, 1, "APDUs");
	tell_wait("beside a download", card.wait, idle.wait, apdu, 1, "APDUs");
	stop();
}

int main(int argc, char **argv)
{
	(void)argc;
	fleet_argv0(argv[0]);
	measure_mux();
	measure_shared();
	return 0;
}
