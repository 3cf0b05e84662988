/*
 * What the APDU tunnel costs: the reading of a card's facts, and a package of 60 kB in STORE DATA
 * blocks, through a virtual module on a paced line, against what must cross the line (ten bits an
 * octet) and what module and card take for themselves. The same commands are then given by a
 * program that does nothing but write them and wait for OK: the difference is ours, the rest is the
 * simulator's, whose clock counts milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "atcmd/card_at.h"
#include "atcmd/serial.h"
#include "core/log.h"
#include "euicc/facts.h"
#include "sim/euicc/euicc.h"
#include "sim/module/bench.h"

#define PACKAGE 60000
#define SEGMENT 1020            /* of a Bound Profile Package: one command */
#define LATENCY_MS 5            /* of the module, before each answer */
#define APDU_MS 5               /* of the module, for each APDU */
#define CARD_MS 5               /* of the card */
#define CLIENT_EVERY_MS 150

static char dir[] = "/tmp/cellmux-bench-XXXXXX";
static char port_path[64], card_path[64];

static void die(const char *what)
{
	fprintf(stderr, "bench_card: %s\n", what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- the module, a process of its own --------------------------------------------------------------- */

/* A card that takes everything: what a package costs its receiver is not measured here. */
static struct sink {
	struct card card;
	struct ev_alarm think;
	struct ev_task start;
	uint8_t answer[3];
	size_t n;
} sink;

static void sink_started(struct ev_task *t)
{
	(void)t;
	sink.card.user->started(sink.card.user, (const uint8_t *)"\x3b\x00", 2);
}

static void sink_answers(struct ev_alarm *a)
{
	(void)a;
	sink.card.user->answered(sink.card.user, sink.answer, sink.n);
}

static void sink_reset(struct card *c)
{
	(void)c;
	ev_task_start(&sink.start);
}

static void sink_power_off(struct card *c)
{
	(void)c;
	ev_alarm_stop(&sink.think);
}

static void sink_transmit(struct card *c, const uint8_t *apdu, size_t n)
{
	bool open = apdu[1] == 0x70 && apdu[2] == 0x00;
	/* It has no USIM: the module need not read more of it. */
	bool usim = apdu[1] == 0xa4 && apdu[2] == 0x04 && n > 9 && apdu[9] == 0x87;

	(void)c;
	memcpy(sink.answer, open ? "\x01\x90\x00" : usim ? "\x6a\x82" : "\x90\x00", open ? 3 : 2);
	sink.n = open ? 3 : 2;
	ev_alarm_start(&sink.think, CARD_MS);
}

static void sink_free(struct card *c)
{
	sink_power_off(c);
}

static const struct card_ops sink_ops = { sink_reset, sink_power_off, sink_transmit, sink_free };

static struct card *make_sink(void)
{
	sink.card.ops = &sink_ops;
	sink.think.fired = sink_answers;
	sink.start.run = sink_started;
	return &sink.card;
}

static struct card *open_euicc(void)
{
	static const struct ve_times times = { .apdu_ms = CARD_MS };
	struct euicc_options o = { .dir = card_path, .times = &times };
	char why[EUICC_WHY_MAX];
	struct card *c;

	if (euicc_card_open(&o, &c, why) < 0)
		die(why);
	return c;
}

static pid_t start_module(unsigned baud, bool euicc)
{
	static struct bench b;
	struct module_options o = { .imei = "860000000000003", .boot_ms = 20, .seed = 1,
				    .latency_ms = LATENCY_MS, .ms_per_apdu = APDU_MS, .reg_ms = 20 };
	char why[PTY_WHY_MAX];
	int ready[2];
	char octet;
	pid_t pid;

	if (pipe(ready) < 0)
		die("no pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* As in sim-module: select(), for a clock that is finer than milliseconds. */
		setenv("LIBEV_FLAGS", "1", 0);
		if (ev_open() < 0)
			die("no event loop");
		b.baud = baud;
		bench_init(&b, persona_find("quectel-rm500"), &o);
		b.pty.link = port_path;
		slot_give_card(&b.module.slot, euicc ? open_euicc() : make_sink(), true);
		if (bench_plug(&b, why) < 0)
			die(why);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		ev_main();
		_exit(0);
	}
	if (pid < 0 || read(ready[0], &octet, 1) != 1)
		die("no module");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_module(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(port_path);
}

/* --- a pipe that counts and remembers ---------------------------------------------------------------- */

#define COMMANDS_MAX 4096

static struct tap {
	struct pipe pipe;
	struct pipe_user user;
	struct serial serial;
	bool on;
	unsigned long out, in;
	char *commands[COMMANDS_MAX];
	size_t n, apdus;
} tap;

static int tap_write(struct pipe *p, const void *data, size_t n)
{
	(void)p;
	if (tap.on && tap.n < COMMANDS_MAX) {
		tap.out += n;
		tap.commands[tap.n] = strndup(data, n);
		tap.apdus += strstr(tap.commands[tap.n++], "+CGLA") != NULL;
	}
	return pipe_write(&tap.serial.pipe, data, n);
}

static size_t tap_backlog(const struct pipe *p)
{
	(void)p;
	return pipe_backlog(&tap.serial.pipe);
}

static void tap_received(struct pipe_user *u, struct text data)
{
	(void)u;
	if (tap.on)
		tap.in += data.n;
	if (tap.pipe.user)
		tap.pipe.user->received(tap.pipe.user, data);
}

static void tap_hung_up(struct pipe_user *u, int error)
{
	(void)u, (void)error;
	die("the port is gone");
}

static const struct pipe_ops tap_ops = { .write = tap_write, .backlog = tap_backlog };

static void forget_commands(void)
{
	while (tap.n)
		free(tap.commands[--tap.n]);
	tap.apdus = 0;
	tap.out = tap.in = 0;
}

/* --- the daemon's layers ------------------------------------------------------------------------------- */

static struct at_chat chat;
static struct card_at card;
static struct euicc euicc;

static void on_silent(struct at_chat *c)
{
	(void)c;
	die("the module is silent");
}

static void on_lost(struct at_chat *c, int error)
{
	(void)c, (void)error;
}

static void on_synced(struct at_chat *c)
{
	(void)c;
	ev_quit();
}

static void open_layers(unsigned baud, size_t segment)
{
	struct serial_options so = { .baud = baud };
	char why[SERIAL_WHY_MAX];

	if (ev_open() < 0)
		die("no event loop");
	memset(&chat, 0, sizeof(chat));
	memset(&card, 0, sizeof(card));
	memset(&euicc, 0, sizeof(euicc));
	if (serial_open(&tap.serial, port_path, &so, why) < 0)
		die(why);
	tap.pipe.ops = &tap_ops;
	tap.user.received = tap_received;
	tap.user.hung_up = tap_hung_up;
	tap.serial.pipe.user = &tap.user;
	chat.name = "at";
	chat.lost = on_lost;
	chat.silent = on_silent;
	chat.synced = on_synced;
	at_chat_open(&chat, &tap.pipe);
	at_chat_sync(&chat);
	ev_main();
	card.chat = &chat;
	card.channel.segment_max = segment;
	card_at_init(&card);
	euicc_init(&euicc, &card.channel);
}

static void on_settled(struct ev_alarm *a)
{
	if (card_at_is_closing(&card))
		ev_alarm_start(a, 50);
	else
		ev_quit();
}

/* With all that is still to be done for it: the channel is given back, nothing waits in the loop. */
static void close_layers(void)
{
	struct ev_alarm settled = { .fired = on_settled };

	euicc_done(&euicc);
	ev_alarm_start(&settled, 50);
	ev_main();
	card_at_drop(&card);
	at_chat_close(&chat);
	ev_alarm_start(&settled, 50);
	ev_main();
	serial_close(&tap.serial);
	ev_close();
}

/* --- a client beside it ---------------------------------------------------------------------------------- */

static struct {
	struct at_cmd cmd;
	struct ev_alarm alarm;
	double asked, longest, sum;
	unsigned n;
} client;

static void on_client_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	double took = now_ms() - client.asked;

	(void)cmd, (void)code, (void)final;
	if (end != AT_OK)
		die("the client's command fails");
	client.n++;
	client.sum += took;
	if (took > client.longest)
		client.longest = took;
	ev_alarm_start(&client.alarm, CLIENT_EVERY_MS);
}

static void on_client(struct ev_alarm *a)
{
	(void)a;
	client.cmd = (struct at_cmd){ .text = "AT+CGSN", .every = true, .patience_ms = 30000,
				      .done = on_client_done };
	client.asked = now_ms();
	at_submit(&chat, &client.cmd);
}

static void start_client(void)
{
	memset(&client, 0, sizeof(client));
	client.alarm.fired = on_client;
	ev_alarm_start(&client.alarm, CLIENT_EVERY_MS);
}

static void stop_client(void)
{
	ev_alarm_stop(&client.alarm);
	at_cancel(&chat, &client.cmd);
}

/* --- what is measured -------------------------------------------------------------------------------------- */

static uint8_t package[PACKAGE];
static size_t sent;
static struct euicc_call call;

static void on_segment(struct euicc_call *c, const struct cause *why)
{
	if (why) {
		char text[CAUSE_TEXT_MAX];

		die(cause_text(why, text));
	}
	if (sent >= sizeof(package)) {
		ev_quit();
		return;
	}
	c->command = octets_from(package + sent, MIN((size_t)SEGMENT, sizeof(package) - sent));
	sent += c->command.n;
	euicc_call(&euicc, c);
}

static void push_package(void)
{
	sent = SEGMENT;
	call = (struct euicc_call){ .function = ES10B_LOAD_BPP, .done = on_segment,
				    .command = octets_from(package, SEGMENT) };
	euicc_call(&euicc, &call);
	ev_main();
}

static struct euicc_facts facts;
static struct facts_reader reader;

static void on_facts(struct facts_reader *r, const struct cause *why)
{
	(void)r;
	if (why)
		die("the card cannot be read");
	ev_quit();
}

static void read_list(void)
{
	memset(&facts, 0, sizeof(facts));
	reader = (struct facts_reader){ .euicc = &euicc, .facts = &facts, .want = 1u << FACT_PROFILES,
					.done = on_facts };
	facts_read(&reader);
	ev_main();
	if (facts.n_profiles != 2)
		die("the list is wrong");
}

/* --- the same by hand ---------------------------------------------------------------------------------------- */

static void await_ok(int fd)
{
	struct pollfd w = { .fd = fd, .events = POLLIN };
	char in[2048];
	size_t n = 0;

	while (n < 6 || memcmp(in + n - 6, "\r\nOK\r\n", 6) != 0) {
		ssize_t r;

		if (n == sizeof(in) || poll(&w, 1, 10000) <= 0) {
			fprintf(stderr, "bench_card: got '%.*s'\n", (int)n, in);
			die("no OK");
		}
		r = read(fd, in + n, sizeof(in) - n);
		if (r <= 0)
			die("the port is gone");
		n += (size_t)r;
	}
}

/* The port was the daemon's parts' just now: what they said last is answered first. */
static void get_in_step(int fd)
{
	struct pollfd w = { .fd = fd, .events = POLLIN };
	double end = now_ms() + 10000;
	char in[4096] = "", ask[64], want[64];
	size_t n = 0;

	for (unsigned i = 0; now_ms() < end; i++) {
		double patience = now_ms() + 1000;

		snprintf(ask, sizeof(ask), "AT%%ECHO=\"step %u\",1\r", i);
		snprintf(want, sizeof(want), "%%ECHO: \"step %u\",1\r\n\r\nOK\r\n", i);
		if (write(fd, ask, strlen(ask)) < 0)
			die("the port takes nothing");
		while (now_ms() < patience && !strstr(in, want)) {
			ssize_t r = 0;

			if (poll(&w, 1, 100) > 0)
				r = read(fd, in + n, sizeof(in) - 1 - n);
			if (r < 0 || n == sizeof(in) - 1)
				die("the port is gone");
			n += (size_t)r;
			in[n] = '\0';
		}
		if (strstr(in, want))
			return;
	}
	fprintf(stderr, "bench_card: got '%s'\n", in);
	die("the module does not get into step");
}

static double by_hand(void)
{
	/* The same number as before: it is the first one again. */
	static const char open_session[] = "AT+CCHO=\"A0000005591010FFFFFFFF8900000100\"\r";
	int fd = open(port_path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	double start;

	if (fd < 0 || tcgetattr(fd, &t) < 0)
		die("no port");
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	get_in_step(fd);
	if (write(fd, open_session, strlen(open_session)) < 0)
		die("the port takes nothing");
	await_ok(fd);
	start = now_ms();
	for (size_t i = 0; i < tap.n; i++) {
		if (write(fd, tap.commands[i], strlen(tap.commands[i])) < 0)
			die("the port takes nothing");
		await_ok(fd);
	}
	start = now_ms() - start;
	close(fd);
	return start;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static void tell(const char *what, unsigned baud, size_t segment, double took, double hand)
{
	double wire = (double)(tap.out + tap.in) * 10000 / baud;
	double own = (double)tap.n * LATENCY_MS + (double)tap.apdus * (APDU_MS + CARD_MS);

	printf("%-8s %7u baud, blocks of %3zu: %4zu APDUs, %6lu octets out, %5lu in, %8.0f ms; "
	       "to the model %.3f, to the same by hand %.3f\n", what, baud, segment, tap.apdus, tap.out,
	       tap.in, took, took / (wire + own), took / hand);
	fflush(stdout);
}

static double timed(void (*run)(void))
{
	double start = now_ms();

	tap.on = true;
	run();
	tap.on = false;
	return now_ms() - start;
}

static void measure(unsigned baud, size_t segment)
{
	pid_t module = start_module(baud, true);
	double took, hand, apdu;

	open_layers(baud, segment);
	read_list();            /* opens the channel */
	took = timed(read_list);
	close_layers();
	hand = by_hand();
	tell("list", baud, segment, took, hand);
	forget_commands();
	end_module(module);

	module = start_module(baud, false);
	open_layers(baud, segment);
	push_package();
	took = timed(push_package);
	apdu = took / (double)tap.apdus;
	start_client();
	push_package();
	stop_client();
	close_layers();
	hand = by_hand();
	tell("package", baud, segment, took, hand);
	printf("         an APDU takes %.1f ms; AT+CGSN of a client beside it %.1f ms, %.1f ms at most "
	       "(%u times)\n", apdu, client.sum / client.n, client.longest, client.n);
	forget_commands();
	end_module(module);
}

static void make_card(void)
{
	static const struct euicc_profile two[] = {
		{ .iccid = TEXT("8949000000000000017"), .imsi = TEXT("001010123456789"),
		  .name = TEXT("First"), .class = VE_CLASS_OPERATIONAL, .enabled = true },
		{ .iccid = TEXT("8949000000000000025"), .imsi = TEXT("001010987654321"),
		  .name = TEXT("Second"), .class = VE_CLASS_OPERATIONAL },
	};
	struct euicc_recipe r = { .dir = card_path, .version = _VE_VERSION_MAX, .profiles = two,
				  .eid = TEXT("89049032123451234512345678901235"), .n_profiles = 2 };
	char why[EUICC_WHY_MAX];

	if (euicc_make(&r, why) < 0)
		die(why);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

int main(void)
{
	static const unsigned bauds[] = { 115200, 921600 };
	static const size_t segments[] = { 120, 255 };

	log_set_level(LOG_LEVEL_WARNING);
	if (!mkdtemp(dir))
		die("no directory");
	snprintf(port_path, sizeof(port_path), "%s/modem", dir);
	snprintf(card_path, sizeof(card_path), "%s/card", dir);
	make_card();
	memset(package, 0x5a, sizeof(package));
	for (size_t b = 0; b < ARRAY_SIZE(bauds); b++)
		for (size_t s = 0; s < ARRAY_SIZE(segments); s++)
			measure(bauds[b], segments[s]);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
