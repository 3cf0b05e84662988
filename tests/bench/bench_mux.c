/*
 * Sharing the line, by whole programs on a paced line: what CMUX costs over the arithmetic of its frames,
 * how a data call and the card's APDUs share it, and how long somebody else's command waits beside them,
 * with a mux and without.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

#define BAUD 115200
#define PHASE_MS 10000
#define N1 127
#define FRAME_EXTRA 6                   /* flag, address, control, length, check, flag */
#define CARD_MS 5
#define ASK_EVERY_MS 60
#define ASKED_MAX 1024
#define ICCID "89000123456789012341"
#define EID "89049032000000000000000000000163"

static struct rig rig;
static struct rig_program *daemon_program;
static struct port_client data, asker;
static struct rig_client jobs;

static void die(const char *what)
{
	fprintf(stderr, "bench_mux: %s\n%s\n", what, daemon_program ? daemon_program->said : "");
	exit(1);
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
	const char *s = rig_ask_module(&rig, "status");

	return (struct line){ word(s, "octets_in="), word(s, "octets_out="), word(s, " apdus=") - word(s, " rests=") };
}

/* --- a data call: the other end gives back what it gets --------------------------------------------- */

static size_t given, taken;

static void pump(void)
{
	static uint8_t octets[2048];
	ssize_t n;

	if (!octets[0])
		memset(octets, 'U', sizeof(octets));
	/* Enough under way to fill the line, and not more than can be brought home. */
	while (given - taken < 16384) {
		n = write(data.fd, octets, sizeof(octets));
		if (n <= 0)
			break;
		given += (size_t)n;
	}
	while ((n = read(data.fd, data.in, sizeof(data.in))) > 0)
		taken += (size_t)n;
	if (n == 0)
		die("the call is over");
}

/* --- the card: a nickname, and another ------------------------------------------------------------- */

static unsigned renamed;

static void rename_profile(void)
{
	char line[256];

	snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"profile.nickname\",\"params\":"
		 "{\"iccid\":\"" ICCID "\",\"nickname\":\"%s\"}}", renamed % 2 ? "one" : "two");
	rig_say(&jobs, line);
}

static void serve_card(bool go_on)
{
	struct pollfd p = { .fd = jobs.fd, .events = POLLIN };

	while (memchr(jobs.in, '\n', jobs.n) || poll(&p, 1, 0) > 0) {
		struct json_object *o = rig_hear(&jobs, 1000);
		const char *s = o ? json_object_to_json_string(o) : "";

		if (strstr(s, "\"error\": {") || strstr(s, "\"failed\""))
			die(s);
		if (strstr(s, "\"state\": \"done\"")) {
			renamed++;
			if (go_on)
				rename_profile();
		}
		json_object_put(o);
	}
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

static void bring_home(void)
{
	double end = now_ms() + 20000;
	ssize_t n;

	while (taken < given && now_ms() < end) {
		struct pollfd p = { .fd = data.fd, .events = POLLIN };

		poll(&p, 1, 10);
		serve_asker();
		while ((n = read(data.fd, data.in, sizeof(data.in))) > 0)
			taken += (size_t)n;
	}
	if (taken != given)
		die("octets of the call are lost");
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
	double data_rate, apdu_rate;    /* octets each way and APDUs per second, each with the rest of its answer */
	unsigned long wire, payload;    /* octets both ways */
	size_t asked;
	struct spread wait;
};

static struct phase run(bool with_data, bool with_card)
{
	struct line before = line_now(), after;
	double start = now_ms(), ms;
	size_t had = taken;
	struct phase p;

	asked = 0;
	if (with_card)
		rename_profile();
	while (now_ms() - start < PHASE_MS) {
		struct pollfd w[3] = { { .fd = asker.fd, .events = POLLIN }, { .fd = data.fd, .events = POLLIN },
				       { .fd = jobs.fd, .events = POLLIN } };

		poll(w, ARRAY_SIZE(w), 1);
		if (with_data)
			pump();
		if (with_card)
			serve_card(true);
		serve_asker();
	}
	ms = now_ms() - start;
	p.data_rate = (double)(taken - had) / ms * 1000;
	bring_home();
	after = line_now();
	p.apdu_rate = (double)(after.apdus - before.apdus) / ms * 1000;
	p.wire = after.in - before.in + after.out - before.out;
	p.payload = 2 * (taken - had);
	while (waits)
		serve_asker();
	p.asked = asked;
	p.wait = spread();
	if (with_card) {
		unsigned was = renamed;

		while (renamed == was && now_ms() - start < PHASE_MS + 20000)
			serve_card(false);
	}
	return p;
}

static void start(const char *conf)
{
	char where[160], card_ms[8];
	struct rig_program *p;

	if (rig_run(&rig, &p, "sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "classic-consumer",
		    "--eid", EID, "--pki", "tests/vectors/rsp/pki/nist", "--profile",
		    "iccid=" ICCID ",imsi=001010123456781,name=A,enabled=1", NULL) != 0)
		die(p->said);
	snprintf(where, sizeof(where), "euicc:%s", rig_path(&rig, "card"));
	snprintf(card_ms, sizeof(card_ms), "%d", CARD_MS);
	rig_start_module(&rig, "--boot-ms", "200", "--latency-ms", "0", "--apdu-ms", "0", "--card", where,
			 "--card-ms", card_ms, NULL);
	daemon_program = port_daemon_start(&rig, conf);
	if (rig_dial(&jobs, rig_path(&rig, "cellmux.sock"), 2000) < 0)
		die("no control socket");
	json_object_put(rig_ask(&jobs, "subscribe", "{\"topics\":[\"job\"]}", 5000));
	/* The card has been read. */
	json_object_put(rig_ask(&jobs, "profiles", NULL, 20000));
	port_client_open(&asker, rig_path(&rig, "at1"));
	port_client_ask(&asker, "ATE0\r", PORT_CLIENT_OK, daemon_program->said);
	given = taken = 0;
	renamed = 0;
}

static void stop(void)
{
	rig_hang_up(&jobs);
	port_client_close(&asker);
	rig_close(&rig);
}

/* --- with a mux ------------------------------------------------------------------------------------ */

#define PORTS "[port.at0]\ndata = cmux\nkind = socket\n[port.at1]\nkind = socket\n"

/* ways: how often on its way there and back it may have to wait. */
static void tell_wait(const char *beside, struct spread w, struct spread alone, double unit, int ways,
		      const char *name)
{
	double more = alone.median;

	printf("  %-16s %6.1f ms, p99 %6.1f, longest %6.1f; more than alone: %.2f %s, p99 %.2f, longest %.2f\n",
	       beside, w.median, w.p99, w.longest, (w.median - more) / ways / unit, name,
	       (w.p99 - more) / ways / unit, (w.longest - more) / ways / unit);
}

static void measure_mux(void)
{
	double frame = (N1 + FRAME_EXTRA) * 10000.0 / BAUD, arithmetic;
	struct phase idle, call, card, both;

	start("[modem]\ncmux = yes\nrtscts = yes\n" PORTS);
	port_wait_channel(&rig, 1);
	idle = run(false, false);
	card = run(false, true);
	port_client_open(&data, rig_path(&rig, "at0"));
	port_client_ask(&data, "ATE0\r", PORT_CLIENT_OK, daemon_program->said);
	port_client_ask(&data, "ATD*99#\r", "\r\nCONNECT 150000000\r\n", daemon_program->said);
	fcntl(data.fd, F_SETFL, O_NONBLOCK);
	call = run(true, false);
	both = run(true, true);
	/* The commands that were asked meanwhile are frames too, as they were when nothing else was there. */
	arithmetic = (double)call.payload + FRAME_EXTRA * ((double)call.payload / N1) +
		     (double)idle.wire / (double)idle.asked * (double)call.asked;
	printf("CMUX at %d baud, frames of %d octets, each phase %d s\n", BAUD, N1, PHASE_MS / 1000);
	printf("  octets on the line for those of a call        %.3f of the frames' arithmetic, aim ≤ 1.05\n",
	       (double)call.wire / arithmetic);
	printf("  a call alone                                  %5.0f octets/s each way, %3.0f %% of the line\n",
	       call.data_rate, call.data_rate / (BAUD / 10) * 100);
	printf("  the card alone                                %5.1f APDUs/s\n", card.apdu_rate);
	printf("  both at once                                  %5.0f octets/s (%.0f %%), %.1f APDUs/s (%.0f %%)\n",
	       both.data_rate, both.data_rate / call.data_rate * 100, both.apdu_rate,
	       both.apdu_rate / card.apdu_rate * 100);
	printf("a command of somebody else, there and back; one frame is %.1f ms, aim ≤ 1 each way\n", frame);
	tell_wait("alone", idle.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside the card", card.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside a call", call.wait, idle.wait, frame, 2, "frames each way");
	tell_wait("beside both", both.wait, idle.wait, frame, 2, "frames each way");
	if ((double)call.wire / arithmetic > 1.05)
		die("CMUX costs more than its frames");
	if (both.data_rate == 0 || both.apdu_rate == 0)
		die("one of the two does not get on");
	port_client_close(&data);
	stop();
}

/* --- without ----------------------------------------------------------------------------------------- */

static void measure_shared(void)
{
	struct phase idle, card;
	double apdu;

	start(PORTS);
	data.fd = -1;
	idle = run(false, false);
	card = run(false, true);
	/* What else was asked took its time of the line too. */
	apdu = (PHASE_MS - (double)card.asked * idle.wait.median) / (card.apdu_rate * PHASE_MS / 1000);
	printf("a command of somebody else on a shared line; one APDU with all of its answer is %.1f ms, aim ≤ 1\n",
	       apdu);
	tell_wait("alone", idle.wait, idle.wait, apdu, 1, "APDUs");
	tell_wait("beside the card", card.wait, idle.wait, apdu, 1, "APDUs");
	stop();
}

int main(int argc, char **argv)
{
	(void)argc;
	rig_open(&rig, argv[0]);
	measure_mux();
	rig_open(&rig, argv[0]);
	measure_shared();
	return 0;
}
