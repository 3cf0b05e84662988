/*
 * What a download of a 60 kB profile costs, direct and through the eIM, over a paced line: the whole
 * of it, its loading against the model (ten bits an octet on the line, what card and module take for
 * an APDU, the module's latency for an answer), octets on the line and on the network, memory.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "support/count_proxy.h"
#include "support/rig.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define PACKAGE "60000"
#define LATENCY_MS 5
#define APDU_MS 5
#define LIMIT_MS 300000
#define PKI "tests/vectors/rsp/pki/nist"

static struct rig rig;
static struct rig_program *ran, *daemon_;
static struct count_proxy to_smdp, to_eim;

static void die(const char *what)
{
	fprintf(stderr, "bench_download: %s\n", what);
	for (size_t i = 0; i < rig.n; i++)
		fprintf(stderr, "%s\n", rig.programs[i].said);
	exit(1);
}

#define RUN(name, ...)                                                         \
	do {                                                                   \
		if (rig_run(&rig, &ran, name, __VA_ARGS__, NULL) != 0)         \
			die(ran->said);                                        \
	} while (0)

static unsigned short port_of(struct rig_program *p)
{
	if (!rig_wait_for(p, "ready: port ", 0, 10000))
		die(p->said);
	return (unsigned short)atoi(strstr(p->said, "ready: port ") + strlen("ready: port "));
}

static void write_config(unsigned baud, bool direct)
{
	char where[32], *line;
	uint8_t der[4096];
	size_t n;
	FILE *f;

	snprintf(where, sizeof(where), "127.0.0.1:%u", to_eim.port);
	RUN("sim-eim", "config", rig_path(&rig, "eim"), "--fqdn", where);
	line = strtok(ran->said, " \n");
	if (!line || hex_decode(text_of(line), der, sizeof(der), &n) < 0 ||
	    file_save(rig_path(&rig, "eim.der"), der, n, 0600) < 0)
		die("no configuration of the eIM");
	f = fopen(rig_path(&rig, "cellmux.conf"), "w");
	fprintf(f, "[modem]\nbaud = %u\n[ipa]\nspread = 1\ninterval = 0\nfirst_eim = %s\nca = " PKI
		   "/ci.der\ndownload = %s\n[card]\nsegment = 255\n", baud, rig_path(&rig, "eim.der"),
		direct ? "direct" : "indirect");
	fclose(f);
}

static void start_all(unsigned baud, bool direct)
{
	char card[160], speed[16], smdp[32];
	unsigned short port;

	RUN("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "iot", "--eid", EID, "--pki",
	    PKI, "--profile", "iccid=" ICCID_A ",imsi=001010123456781,name=A,enabled=1");
	RUN("sim-smdp", "--init", rig_path(&rig, "dp"), "--pki", PKI, "--host", "localhost");
	port = port_of(rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "dp"), "--port", "0", NULL));
	if (count_proxy_start(&to_smdp, port) < 0)
		die("no proxy");
	setenv("SIM_EIM_DIR", rig_path(&rig, "eim"), 1);
	snprintf(smdp, sizeof(smdp), "127.0.0.1:%u", port);
	RUN("sim-eim", "init", rig_path(&rig, "eim"), "--pki", "tests/vectors/rsp/pki");
	port = port_of(rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--port", "0", "--smdp",
				 smdp, "--smdp-ca", PKI "/ci.der", NULL));
	if (count_proxy_start(&to_eim, port) < 0)
		die("no proxy");
	write_config(baud, direct);
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	snprintf(speed, sizeof(speed), "%u", baud);
	rig_start_module(&rig, "--card", card, "--baud", speed, "--boot-ms", "20", "--apdu-ms", "5", NULL);
	daemon_ = rig_start_daemon(&rig, "-l", "debug", "-c", rig_path(&rig, "cellmux.conf"), NULL);
	if (!rig_wait_state(&rig, "ready", 20000))
		die("the daemon does not become ready");
	/* Learns the card's certificates, once it is served. */
	if (!rig_wait_for(daemon_, "1 eIMs added", 0, 20000))
		die("the card gets no eIM");
	RUN("sim-eim", "card", EID, "--euicc-cert", PKI "/euicc.der", "--eum-cert", PKI "/eum.der");
	RUN("cellmuxctl", "ipa", "poll");
}

/* What the module has counted: octets on the line, APDUs, their time. */
struct line {
	unsigned long out, in, apdus, apdu_ms;
};

static unsigned long counter(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static struct line line_now(void)
{
	const char *s = rig_ask_module(&rig, "status");

	return (struct line){ counter(s, " octets_in="), counter(s, " octets_out="), counter(s, " apdus="),
			      counter(s, " apdu_ms=") };
}

static void tell_loading(unsigned baud, const struct line *a, const struct line *b, double took)
{
	unsigned long octets = b->out - a->out + b->in - a->in, apdus = b->apdus - a->apdus;
	double wire = (double)octets * 10000 / baud;
	double own = (double)(b->apdu_ms - a->apdu_ms) + (double)apdus * LATENCY_MS;

	printf("  loading %33.1f s  %lu APDUs, %lu octets on the line: to the model %.3f (aim 1.05)\n",
	       took / 1000, apdus, octets, took / (wire + own));
}

static long memory(pid_t pid)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			v = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return v;
}

static void order(bool direct)
{
	char address[32], *at;

	/* Where the counting proxy is; the eIM knows the SM-DP+ itself. */
	snprintf(address, sizeof(address), "$localhost:%u$", direct ? to_smdp.port : to_smdp.server);
	RUN("sim-smdp", "add", rig_path(&rig, "dp"), "--size", PACKAGE, "--name", "Bench");
	at = strrchr(ran->said, '$');
	if (!at)
		die("no activation code");
	at[1 + strcspn(at + 1, "\r\n ")] = '\0';
	char code[128];
	snprintf(code, sizeof(code), "LPA:1%s%s", address, at + 1);
	RUN("sim-eim", "queue", EID, "download", code);
}

static void measure(unsigned baud, bool direct)
{
	struct line start, loaded;
	unsigned long long begun, loading, over;
	struct counts smdp, eim;
	struct rig_program *poll_;
	size_t from;

	rig_open(&rig, "build/release/tests/bench/bench_download");
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	start_all(baud, direct);
	order(direct);
	smdp = *to_smdp.counts;
	eim = *to_eim.counts;
	from = daemon_->said_n;
	begun = rig_now_ms();
	poll_ = rig_start(&rig, "cellmuxctl", "ipa", "poll", NULL);
	if (!rig_wait_for(daemon_, "visit: load-profile", from, LIMIT_MS))
		die("no loading");
	loading = rig_now_ms();
	start = line_now();
	if (!rig_wait_for(daemon_, direct ? "visit: deliver" : "visit: report", from, LIMIT_MS))
		die("no result");
	over = rig_now_ms();
	loaded = line_now();
	if (rig_wait_end(poll_, LIMIT_MS) != 0)
		die("the visit fails");
	RUN("sim-eim", "results", "--wait", "10");
	printf("%s, %u baud %26.1f s\n", direct ? "direct" : "through the eIM", baud,
	       (double)(rig_now_ms() - begun) / 1000);
	tell_loading(baud, &start, &loaded, (double)(over - loading));
	smdp = count_proxy_since(&to_smdp, smdp);
	eim = count_proxy_since(&to_eim, eim);
	printf("  network  SM-DP+ %lu up, %lu down; eIM %lu up, %lu down\n", smdp.up, smdp.down, eim.up,
	       eim.down);
	printf("  memory, at most (VmHWM) %17ld kB  (aim: 4096 and the package once, 59)\n",
	       memory(daemon_->pid));
	fflush(stdout);
	rig_close(&rig);
}

int main(void)
{
	static const unsigned bauds[] = { 115200, 921600 };

	printf("a profile of " PACKAGE " octets\n");
	for (size_t b = 0; b < ARRAY_SIZE(bauds); b++) {
		measure(bauds[b], true);
		measure(bauds[b], false);
	}
	return 0;
}
