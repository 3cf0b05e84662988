/*
 * What an eIM costs on the network, over CoAP and over HTTPS: packets and octets, headers of IP, UDP
 * and TCP included, of an empty poll on a new and on a kept association, of a switch from the order to
 * the delivered result, and of a download of 60 kB through the eIM. Proxies on the way count.
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
#include "support/udp_proxy.h"

#define EID "89049032000000000000000000000163"
#define ICCID_A "89000123456789012341"
#define ICCID_B "89000123456789012342"
#define PKI "tests/vectors/rsp/pki/nist"
#define KEY "a-secret-of-ours"
#define PACKAGE "60000"

#define UDP_HEAD 28     /* IPv4 and UDP */
#define TCP_HEAD 52     /* IPv4 and TCP with time stamps */
#define AIM 200         /* octets of a poll on a kept association */

enum way { BY_HTTPS, BY_KEY, BY_CERTIFICATE, _WAYS };
enum step { POLL_NEW, POLL_KEPT, SWITCH, DOWNLOAD, _STEPS };

static const char *const way_names[_WAYS] = { "HTTPS, TLS 1.3", "CoAP, key", "CoAP, certificate" };
static const char *const step_names[_STEPS] = {
	"empty poll, new", "empty poll, kept", "switch", "download, 60 kB",
};

struct cost {
	unsigned packets;
	unsigned long up, down;
};

static struct cost costs[_WAYS][_STEPS];
static const char *argv0;
static struct rig rig;
static struct rig_program *ran;
static struct count_proxy tcp;
static struct udp_proxy udp;

static void die(const char *what)
{
	fprintf(stderr, "bench_coap: %s\n", what);
	for (size_t i = 0; i < rig.n; i++)
		fprintf(stderr, "%s\n", rig.programs[i].said);
	exit(1);
}

#define RUN(name, ...)                                                         \
	do {                                                                   \
		if (rig_run(&rig, &ran, name, __VA_ARGS__, NULL) != 0)         \
			die(ran->said);                                        \
	} while (0)

/* --- the set ---------------------------------------------------------------------------------- */

static unsigned short number_after(struct rig_program *p, const char *text)
{
	const char *at;

	if (!rig_wait_for(p, "ready: port ", 0, 10000))
		die(p->said);
	at = strstr(p->said, text);
	if (!at)
		die(p->said);
	return (unsigned short)atoi(at + strlen(text));
}

static void start_servers(enum way way)
{
	char smdp[32];
	struct rig_program *p;
	const char *argv[20] = { "sim-eim", "serve", rig_path(&rig, "eim"), "--port", "0", "--smdp", smdp,
				 "--smdp-ca", PKI "/ci.der", "--coaps", "0" };

	RUN("sim-smdp", "--init", rig_path(&rig, "dp"), "--pki", PKI, "--host", "localhost");
	p = rig_start(&rig, "sim-smdp", "serve", rig_path(&rig, "dp"), "--port", "0", NULL);
	snprintf(smdp, sizeof(smdp), "127.0.0.1:%u", number_after(p, "ready: port "));
	setenv("SIM_EIM_DIR", rig_path(&rig, "eim"), 1);
	RUN("sim-eim", "init", rig_path(&rig, "eim"), "--pki", "tests/vectors/rsp/pki", "--indirect",
	    "--supported-protocol", way == BY_HTTPS ? "16" : "8");
	if (way == BY_KEY) {
		argv[11] = "--coaps-psk";
		argv[12] = KEY;
	}
	p = rig_startv(&rig, "sim-eim", (char *const *)argv);
	if (way == BY_HTTPS && count_proxy_start(&tcp, number_after(p, "ready: port ")) < 0)
		die("no proxy");
	if (way != BY_HTTPS)
		udp_proxy_start(&udp, number_after(p, "coaps: port "), 1);
	RUN("sim-eim", "card", EID, "--euicc-cert", PKI "/euicc.der", "--eum-cert", PKI "/eum.der");
}

static void write_config(enum way way)
{
	char where[32], conf[1024], *line;
	uint8_t der[4096];
	size_t n;

	snprintf(where, sizeof(where), "127.0.0.1:%u", way == BY_HTTPS ? tcp.port : udp.port);
	RUN("sim-eim", "config", rig_path(&rig, "eim"), "--fqdn", where);
	line = strtok(ran->said, " \n");
	if (!line || hex_decode(text_of(line), der, sizeof(der), &n) < 0 ||
	    file_save(rig_path(&rig, "eim.der"), der, n, 0600) < 0)
		die("no configuration of the eIM");
	file_save(rig_path(&rig, "psk"), "* eid text:" KEY "\n", strlen("* eid text:" KEY "\n"), 0600);
	snprintf(conf, sizeof(conf), "[ipa]\nspread = 1\ninterval = 0\ndownload = indirect\nfirst_eim = %s\n"
		 "psk_file = %s\n[card]\nsegment = 255\n", rig_path(&rig, "eim.der"),
		 way == BY_KEY ? rig_path(&rig, "psk") : "");
	if (file_save(rig_path(&rig, "cellmux.conf"), conf, strlen(conf), 0600) < 0)
		die("no configuration");
}

static void start_all(enum way way)
{
	char card[160];
	struct rig_program *daemon;

	rig_open(&rig, argv0);
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	RUN("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "iot", "--eid", EID, "--pki", PKI,
	    "--profile", "iccid=" ICCID_A ",imsi=001010123456781,name=A,enabled=1",
	    "--profile", "iccid=" ICCID_B ",imsi=001010123456782,name=B");
	start_servers(way);
	write_config(way);
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	rig_start_module(&rig, "--card", card, "--baud", "0", "--boot-ms", "20", NULL);
	daemon = rig_start_daemon(&rig, "-c", rig_path(&rig, "cellmux.conf"), NULL);
	if (!rig_wait_state(&rig, "ready", 20000) || !rig_wait_for(daemon, "1 eIMs added", 0, 20000))
		die("the card gets no eIM");
}

/* --- figures ---------------------------------------------------------------------------------- */

static struct cost count_now(enum way way)
{
	struct cost c;

	if (way == BY_HTTPS) {
		c.packets = tcp.counts->packets_up + tcp.counts->packets_down;
		c.up = tcp.counts->up + tcp.counts->packets_up * TCP_HEAD;
		c.down = tcp.counts->down + tcp.counts->packets_down * TCP_HEAD;
	} else {
		c.packets = udp.state->up + udp.state->down;
		c.up = (unsigned long)udp.state->octets_up + udp.state->up * UDP_HEAD;
		c.down = (unsigned long)udp.state->octets_down + udp.state->down * UDP_HEAD;
	}
	return c;
}

static void visit(enum way way, enum step step)
{
	struct cost before = count_now(way), after;

	RUN("cellmuxctl", "ipa", "poll");
	/* What is said last may still be on its way. */
	poll(NULL, 0, 200);
	after = count_now(way);
	costs[way][step] = (struct cost){ after.packets - before.packets, after.up - before.up,
					  after.down - before.down };
}

static void order_download(void)
{
	char code[160], *at;

	RUN("sim-smdp", "add", rig_path(&rig, "dp"), "--size", PACKAGE, "--name", "Bench");
	at = strrchr(ran->said, '$');
	if (!at)
		die("no activation code");
	snprintf(code, sizeof(code), "LPA:1$localhost$%.*s", (int)strcspn(at + 1, "\r\n "), at + 1);
	RUN("sim-eim", "queue", EID, "download", code);
}

static void measure(enum way way)
{
	start_all(way);
	visit(way, POLL_NEW);
	visit(way, POLL_KEPT);
	RUN("sim-eim", "queue", EID, "enable", ICCID_B, "--rollback");
	visit(way, SWITCH);
	RUN("sim-eim", "results", "--wait", "10");
	order_download();
	visit(way, DOWNLOAD);
	RUN("sim-eim", "results", "--wait", "60");
	rig_close(&rig);
	if (way != BY_HTTPS)
		udp_proxy_stop(&udp);
}

int main(int argc, char **argv)
{
	unsigned long poll_octets;

	(void)argc;
	argv0 = argv[0];
	printf("\nan eIM on the network (packets and octets with IP, UDP and TCP headers)\n");
	printf("  %-20s %-20s %8s %9s %9s %9s\n", "", "", "packets", "up", "down", "both");
	for (int w = 0; w < _WAYS; w++)
		measure((enum way)w);
	for (int s = 0; s < _STEPS; s++)
		for (int w = 0; w < _WAYS; w++)
			printf("  %-20s %-20s %8u %9lu %9lu %9lu\n", step_names[s], way_names[w],
			       costs[w][s].packets, costs[w][s].up, costs[w][s].down,
			       costs[w][s].up + costs[w][s].down);
	poll_octets = costs[BY_KEY][POLL_KEPT].up + costs[BY_KEY][POLL_KEPT].down;
	printf("  a poll on a kept association: %lu octets, %.0f times less than over HTTPS (aim: %d)\n", poll_octets,
	       (double)(costs[BY_HTTPS][POLL_KEPT].up + costs[BY_HTTPS][POLL_KEPT].down) /
		       (double)(poll_octets ? poll_octets : 1), AIM);
	return 0;
}
