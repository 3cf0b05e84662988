/*
 * What the daemon costs: latency of at.send over the module's own answer, memory, size, idle CPU.
 * Both ways to the module are measured in turn in the same run, so that their ratio means something
 * on a noisy machine; absolute figures are this machine's.
 */
#include "support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "support/rig.h"

#define ROUNDS 2000
#define IDLE_S 10

static struct rig rig;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread {
	double median, p99;
};

static struct spread spread_of(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct spread){ v[n / 2], v[n * 99 / 100] };
}

static void die(const char *what)
{
	fprintf(stderr, "bench_at: %s\n", what);
	exit(1);
}

/* --- the module alone: what a program on its port would see -------------------------------------- */

static int open_port(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (fd < 0 || tcgetattr(fd, &t) < 0)
		die("no port");
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	return fd;
}

static bool port_answers(int fd, const char *command, int patience_ms)
{
	char in[512];
	size_t n = 0;
	struct pollfd w = { .fd = fd, .events = POLLIN };

	if (write(fd, command, strlen(command)) < 0)
		die("the port takes nothing");
	for (;;) {
		ssize_t r;

		if (n == sizeof(in) - 1 || poll(&w, 1, patience_ms) <= 0)
			return false;
		r = read(fd, in + n, sizeof(in) - 1 - n);
		if (r <= 0)
			die("the port is gone");
		n += (size_t)r;
		in[n] = '\0';
		if (strstr(in, "OK\r\n"))
			return true;
	}
}

static void port_ask(int fd, const char *command)
{
	if (!port_answers(fd, command, 5000))
		die("the module does not answer");
}

static struct spread measure_port(const char *path)
{
	static double took[ROUNDS];
	int fd = open_port(path);

	/* It is still starting: what comes too early is lost. */
	for (int i = 0; i < 50 && !port_answers(fd, "ATE0\r", 100); i++)
		;
	for (size_t i = 0; i < ROUNDS; i++) {
		double start = now_us();

		port_ask(fd, "AT+CSQ\r");
		took[i] = now_us() - start;
	}
	close(fd);
	return spread_of(took, ROUNDS);
}

/* --- the same through the daemon ------------------------------------------------------------------ */

static struct spread measure_daemon(struct rig_client *c)
{
	static double took[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		double start = now_us();
		struct json_object *o = rig_ask(c, "at.send", "{\"cmd\":\"AT+CSQ\"}", 5000);

		took[i] = now_us() - start;
		if (!o)
			die("at.send is refused");
		json_object_put(o);
	}
	return spread_of(took, ROUNDS);
}

static long proc_value(pid_t pid, const char *file, const char *name)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			v = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return v;
}

/* Ticks of user and system time. */
static long cpu_ticks(pid_t pid)
{
	char path[64], line[1024] = "";
	unsigned long user = 0, sys = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f) {
		if (fgets(line, sizeof(line), f))
			sscanf(strrchr(line, ')') + 2,
			       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
		fclose(f);
	}
	return (long)(user + sys);
}

/* An ordinary SIM is asked a few times whether it is an eUICC; then there is peace. */
static void await_card(struct rig_client *c)
{
	for (int i = 0; i < 300; i++) {
		struct json_object *o = rig_ask(c, "euicc", NULL, 20000);
		bool settled = o && strstr(json_object_to_json_string(o), "no-euicc");

		json_object_put(o);
		if (settled)
			return;
		usleep(100000);
	}
	die("the card is never told apart");
}

static long stripped_size(void)
{
	char command[600];
	struct stat st;

	snprintf(command, sizeof(command), "strip -o %s %s/cellmuxd", rig_path(&rig, "stripped"),
		 rig.build);
	if (system(command) != 0 || stat(rig_path(&rig, "stripped"), &st) < 0)
		return -1;
	return (long)st.st_size;
}

int main(int argc, char **argv)
{
	struct spread port, daemon_idle;
	struct rig_program *daemon;
	struct rig_client client;
	long rss_idle, rss_loaded, wakeups, ticks;

	(void)argc;
	rig_open(&rig, argv[0]);
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "20", NULL);
	port = measure_port(rig_path(&rig, "modem"));
	daemon = rig_start_daemon(&rig, "-l", "warning", NULL);
	if (!rig_wait_state(&rig, "ready", 20000))
		die("the daemon does not become ready");
	if (rig_dial(&client, rig_path(&rig, "cellmux.sock"), 2000) < 0)
		die("no control socket");
	rss_idle = proc_value(daemon->pid, "status", "VmRSS:");
	daemon_idle = measure_daemon(&client);
	await_card(&client);
	rss_loaded = proc_value(daemon->pid, "status", "VmHWM:");
	wakeups = proc_value(daemon->pid, "status", "voluntary_ctxt_switches:");
	ticks = cpu_ticks(daemon->pid);
	sleep(IDLE_S);
	wakeups = proc_value(daemon->pid, "status", "voluntary_ctxt_switches:") - wakeups;
	ticks = cpu_ticks(daemon->pid) - ticks;

	printf("AT+CSQ, %d times, line not paced            median      p99\n", ROUNDS);
	printf("  the module alone, on its port         %7.0f us %7.0f us\n", port.median, port.p99);
	printf("  through cellmuxd (at.send)            %7.0f us %7.0f us\n", daemon_idle.median,
	       daemon_idle.p99);
	printf("  added                                 %7.0f us              aim < 1000 us\n",
	       daemon_idle.median - port.median);
	printf("memory, idle (VmRSS)                    %7ld kB              aim < 3072 kB\n", rss_idle);
	printf("memory, at most so far (VmHWM)          %7ld kB\n", rss_loaded);
	printf("cellmuxd, stripped                      %7.1f kB              aim < 250 kB\n",
	       (double)stripped_size() / 1000);
	printf("idle for %d s: wake-ups, CPU ticks       %3ld, %ld                aim 0, 0\n", IDLE_S,
	       wakeups, ticks);
	rig_hang_up(&client);
	rig_close(&rig);
	return 0;
}
