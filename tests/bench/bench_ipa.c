/*
 * What a visit at an eIM costs: octets and round trips of an empty one on a new connection, with the
 * session kept and resumed; a switch from the order to the delivered result, beside what the module
 * itself takes; memory meanwhile. A proxy on the way counts; the line is paced at 115200.
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
#define ICCID_B "89000123456789012342"

static struct rig rig;
static struct count_proxy proxy;
static unsigned short eim_port;

static void die(const char *what)
{
	fprintf(stderr, "bench_ipa: %s\n", what);
	for (size_t i = 0; i < rig.n; i++)
		fprintf(stderr, "%s\n", rig.programs[i].said);
	exit(1);
}

/* --- the set ------------------------------------------------------------------------------------------- */

static struct rig_program *ran;

static void run(int code)
{
	if (code != 0) {
		for (size_t i = 0; i < rig.n; i++)
			if (rig.programs[i].pid)
				rig_wait_for(&rig.programs[i], "never", 0, 100);
		die(ran->said);
	}
}

#define RUN(name, ...) run(rig_run(&rig, &ran, name, __VA_ARGS__, NULL))

static struct rig_program *start_all(void)
{
	char card[160], where[32], *line;
	struct rig_program *eim, *daemon;
	uint8_t der[4096];
	FILE *f;
	size_t n;

	RUN("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "iot", "--eid", EID,
	    "--pki", "tests/vectors/rsp/pki/nist",
	    "--profile", "iccid=" ICCID_A ",imsi=001010123456781,name=A,enabled=1",
	    "--profile", "iccid=" ICCID_B ",imsi=001010123456782,name=B");
	setenv("SIM_EIM_DIR", rig_path(&rig, "eim"), 1);
	RUN("sim-eim", "init", rig_path(&rig, "eim"), "--pki", "tests/vectors/rsp/pki");
	eim = rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--port", "0", NULL);
	if (!rig_wait_for(eim, "ready: port ", 0, 10000))
		die(eim->said);
	eim_port = (unsigned short)atoi(strstr(eim->said, "port ") + 5);
	if (count_proxy_start(&proxy, eim_port) < 0)
		die("no proxy");
	snprintf(where, sizeof(where), "127.0.0.1:%u", proxy.port);
	RUN("sim-eim", "config", rig_path(&rig, "eim"), "--fqdn", where);
	line = strtok(ran->said, " \n");
	if (!line || hex_decode(text_of(line), der, sizeof(der), &n) < 0 ||
	    file_save(rig_path(&rig, "eim.der"), der, n, 0600) < 0)
		die("no configuration of the eIM");
	f = fopen(rig_path(&rig, "cellmux.conf"), "w");
	fprintf(f, "[ipa]\nspread = 1\ninterval = 0\nfirst_eim = %s\n", rig_path(&rig, "eim.der"));
	fclose(f);
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	rig_start_module(&rig, "--card", card, "--baud", "115200", "--boot-ms", "20", NULL);
	daemon = rig_start_daemon(&rig, "-l", "debug", "-c", rig_path(&rig, "cellmux.conf"), NULL);
	if (!rig_wait_state(&rig, "ready", 20000))
		die("the daemon does not become ready");
	return daemon;
}

static long memory(pid_t pid, const char *name)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			v = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return v;
}

/* Until the card has its eIM. */
static void await_eim(void)
{
	for (int i = 0; i < 200; i++) {
		if (rig_run(&rig, &ran, "cellmuxctl", "eims", NULL) == 0 &&
		    strstr(ran->said, "127.0.0.1"))
			return;
		poll(NULL, 0, 50);
	}
	die("the card gets no eIM");
}

static struct counts visit(const char *label)
{
	unsigned long long start = rig_now_ms();
	struct counts before = *proxy.counts, c;

	RUN("cellmuxctl", "ipa", "poll");
	/* What the server says last may still be on its way. */
	poll(NULL, 0, 100);
	c = count_proxy_since(&proxy, before);
	printf("  %-36s %5lu up %6lu down %3u turns %2u connections %6llu ms\n", label, c.up, c.down,
	       c.turns, c.connections, rig_now_ms() - start);
	return c;
}

static long follow_ms(const char *log)
{
	const char *at = log, *last = NULL;

	while ((at = strstr(at, "follows the card after ")))
		last = at++;
	return last ? (long)(atof(last + strlen("follows the card after ")) * 1000) : -1;
}

int main(int argc, char **argv)
{
	struct rig_program *daemon;
	unsigned long long start;
	long module_ms, took;

	(void)argc;
	rig_open(&rig, argv[0]);
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	daemon = start_all();
	await_eim();
	printf("visits at an eIM over HTTPS, TCP octets on loopback\n");
	RUN("sim-eim", "queue", EID, "list-profiles");
	visit("the first: certificates, a list");
	visit("empty, session resumed");
	visit("empty, session resumed");
	RUN("sim-eim", "queue", EID, "enable", ICCID_B, "--rollback");
	start = rig_now_ms();
	visit("a switch");
	took = (long)(rig_now_ms() - start);
	rig_wait_for(daemon, "follows the card", 0, 1000);
	module_ms = follow_ms(daemon->said);
	printf("a switch, from the order to the result  %7ld ms, of which the module %ld ms\n", took,
	       module_ms);
	printf("memory, at most so far (VmHWM)          %7ld kB              aim < 4096 kB\n",
	       memory(daemon->pid, "VmHWM:"));
	rig_close(&rig);
	return 0;
}
