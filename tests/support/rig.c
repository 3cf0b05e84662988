#include "support/rig.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"

char rig_error[64];

#define REPORTS "sanitizer"

/* What a program has ended with that no test wants; "" nothing. */
static char crash[8192];

unsigned long long rig_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
}

static int left(unsigned long long end)
{
	unsigned long long now = rig_now_ms();

	return now >= end ? 0 : (int)(end - now);
}

/* --- programs ------------------------------------------------------------------------------------- */

void rig_open(struct rig *r, const char *argv0)
{
	const char *build = getenv("BUILD"), *tests = strstr(argv0, "/tests/");
	char option[96];

	memset(r, 0, sizeof(*r));
	text_copy(TEXT("/tmp/cellmux-rig-XXXXXX"), r->dir, sizeof(r->dir));
	assert_non_null(mkdtemp(r->dir));
	if (build)
		snprintf(r->build, sizeof(r->build), "%s", build);
	else
		snprintf(r->build, sizeof(r->build), TEXT_FMT,
			 TEXT_ARG(text_from(argv0, tests ? (size_t)(tests - argv0) : 0)));
	signal(SIGPIPE, SIG_IGN);
	/* What a sanitizer finds in a program is looked for when the rig closes. */
	snprintf(option, sizeof(option), "log_path=%s/" REPORTS, r->dir);
	setenv("ASAN_OPTIONS", option, 1);
	setenv("UBSAN_OPTIONS", option, 1);
	crash[0] = '\0';
}

static void kill_program(struct rig_program *p)
{
	if (!p->pid)
		return;
	kill(-p->pid, SIGKILL);
	waitpid(p->pid, &p->status, 0);
	p->pid = 0;
}

/* Nobody asked it for that. */
static void note_end(const struct rig_program *p)
{
	int sig = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : 0;

	if (sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS || sig == SIGILL || sig == SIGFPE)
		snprintf(crash, sizeof(crash), "a program has crashed: %s\n%.4000s", strsignal(sig), p->said);
}

static void look_for_reports(const char *dir)
{
	char pattern[128], text[sizeof(crash)];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/" REPORTS ".*", dir);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "r");
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

		if (f)
			fclose(f);
		text[n] = '\0';
		snprintf(crash, sizeof(crash), "%s", text);
	}
	globfree(&found);
}

void rig_close(struct rig *r)
{
	char command[128];

	for (size_t i = 0; i < r->n; i++) {
		if (r->programs[i].pid)
			rig_stop(&r->programs[i]);
		close(r->programs[i].out);
	}
	r->n = 0;
	look_for_reports(r->dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
	assert_int_equal(system(command), 0);
	if (crash[0])
		fail_msg("%s", crash);
}

const char *rig_path(struct rig *r, const char *name)
{
	static char paths[8][128];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", r->dir, name);
	return path;
}

static struct rig_program *free_place(struct rig *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->programs[i].pid == 0) {
			close(r->programs[i].out);
			return &r->programs[i];
		}
	}
	assert_true(r->n < RIG_PROGRAMS);
	return &r->programs[r->n++];
}

struct rig_program *rig_startv(struct rig *r, const char *name, char *const *argv)
{
	struct rig_program *p = free_place(r);
	char path[512], end;
	int fds[2], begun[2];

	snprintf(path, sizeof(path), strchr(name, '/') ? "%.0s%s" : "%s/%s", r->build, name);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
	memset(p, 0, sizeof(*p));
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);       /* a test that crashes leaves nothing behind */
		dup2(null, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execv(path, argv);
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	setpgid(p->pid, p->pid);
	close(fds[1]);
	/* Until it is a program of its own it has all of ours open: what is closed here would not be closed. */
	close(begun[1]);
	while (read(begun[0], &end, 1) < 0 && errno == EINTR)
		;
	close(begun[0]);
	p->out = fds[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	return p;
}

#define COLLECT(argv, first, last)                                              \
	do {                                                                    \
		va_list ap;                                                     \
		va_start(ap, last);                                             \
		while (n < RIG_ARGS - 1 && ((argv)[n] = va_arg(ap, char *)))    \
			n++;                                                    \
		(argv)[n] = NULL;                                               \
		va_end(ap);                                                     \
	} while (0)

struct rig_program *rig_start(struct rig *r, const char *name, ...)
{
	char *argv[RIG_ARGS] = { (char *)name };
	size_t n = 1;

	COLLECT(argv, name, name);
	return rig_startv(r, name, argv);
}

/* Reads what the program says for at most so long; false: nothing more will come. */
static bool listen_to(struct rig_program *p, int ms)
{
	struct pollfd w = { .fd = p->out, .events = POLLIN };
	char rest[4096];
	ssize_t n;

	if (poll(&w, 1, ms) <= 0)
		return true;
	if (p->said_n + 1 < sizeof(p->said)) {
		n = read(p->out, p->said + p->said_n, sizeof(p->said) - 1 - p->said_n);
		if (n > 0)
			p->said_n += (size_t)n;
		p->said[p->said_n] = '\0';
	} else {
		n = read(p->out, rest, sizeof(rest));
	}
	return n > 0 || (n < 0 && errno == EAGAIN);
}

bool rig_wait_for(struct rig_program *p, const char *text, size_t from, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	bool more = true;

	for (;;) {
		if (from <= p->said_n && strstr(p->said + from, text))
			return true;
		if (!more || !left(end))
			return false;
		more = listen_to(p, left(end));
	}
}

bool rig_listen(struct rig_program *p)
{
	return listen_to(p, 0);
}

int rig_wait_end(struct rig_program *p, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	bool in_time = true;

	/* Its output ends when it does; the exit itself is then at hand. */
	while (listen_to(p, left(end)) && left(end))
		;
	while (waitpid(p->pid, &p->status, WNOHANG) == 0) {
		if (!left(end)) {
			in_time = false;
			kill_program(p);
			return -1;
		}
		poll(NULL, 0, 1);
	}
	p->pid = 0;
	note_end(p);
	return !in_time ? -1 : WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 128 + WTERMSIG(p->status);
}

int rig_stop(struct rig_program *p)
{
	kill(p->pid, SIGTERM);
	return rig_wait_end(p, 10000);
}

int rig_run(struct rig *r, struct rig_program **ret, const char *name, ...)
{
	char *argv[RIG_ARGS] = { (char *)name };
	struct rig_program *p;
	size_t n = 1;

	COLLECT(argv, name, name);
	p = rig_startv(r, name, argv);
	if (ret)
		*ret = p;
	return rig_wait_end(p, 30000);
}

struct rig_program *rig_start_module(struct rig *r, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-module", (char *)"--pty", (char *)rig_path(r, "modem"),
				 (char *)"--control", (char *)rig_path(r, "module.sock") };
	struct rig_program *p;
	size_t n = 5;

	COLLECT(argv, r, r);
	p = rig_startv(r, "sim-module", argv);
	if (!rig_wait_for(p, "ready", 0, 10000)) {
		print_error("sim-module: %s\n", p->said);
		assert_true(!"sim-module is not ready");
	}
	return p;
}

struct rig_program *rig_start_daemon(struct rig *r, ...)
{
	char *argv[RIG_ARGS] = { (char *)"cellmuxd", (char *)"-c", (char *)"/dev/null", (char *)"-d",
				 (char *)rig_path(r, "modem"), (char *)"--run-dir", r->dir,
				 (char *)"--state-dir", (char *)rig_path(r, "state") };
	size_t n = 9;

	COLLECT(argv, r, r);
	return rig_startv(r, "cellmuxd", argv);
}

/* --- sockets -------------------------------------------------------------------------------------- */

int rig_dial(struct rig_client *c, const char *path, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int r;

	c->n = 0;
	assert_int_equal(text_copy(text_of(path), a.sun_path, sizeof(a.sun_path)), 0);
	for (;;) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return 0;
		r = -errno;
		close(c->fd);
		c->fd = -1;
		if (!left(end))
			return r;
		poll(NULL, 0, 5);       /* nothing tells when a program begins to listen */
	}
}

void rig_hang_up(struct rig_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void rig_say(struct rig_client *c, const char *line)
{
	size_t n = strlen(line);

	if (send(c->fd, line, n, MSG_NOSIGNAL | MSG_MORE) != (ssize_t)n ||
	    send(c->fd, "\n", 1, MSG_NOSIGNAL) != 1)
		print_message("rig: not sent: %s\n", strerror(errno));
}

/* The next line, terminated in place; its length, or -1. */
static ssize_t hear_line(struct rig_client *c, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	struct pollfd w = { .fd = c->fd, .events = POLLIN };
	char *lf;
	ssize_t n;

	while (!(lf = memchr(c->in, '\n', c->n))) {
		if (c->n == sizeof(c->in) || poll(&w, 1, left(end)) <= 0)
			return -1;
		n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);
		if (n <= 0)
			return -1;
		c->n += (size_t)n;
	}
	*lf = '\0';
	return lf - c->in;
}

static void drop_line(struct rig_client *c, size_t n)
{
	memmove(c->in, c->in + n + 1, c->n - n - 1);
	c->n -= n + 1;
}

struct json_object *rig_hear(struct rig_client *c, unsigned ms)
{
	ssize_t n = hear_line(c, ms);
	struct json_object *o;

	if (n < 0)
		return NULL;
	o = json_tokener_parse(c->in);
	if (!o)
		print_error("rig: no JSON: %s\n", c->in);
	drop_line(c, (size_t)n);
	return o;
}

/* An answer has no "method". Events that come before it are passed over. */
static struct json_object *hear_answer(struct rig_client *c, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	struct json_object *o;

	while ((o = rig_hear(c, (unsigned)left(end)))) {
		if (!json_object_object_get(o, "method"))
			return o;
		json_object_put(o);
	}
	return NULL;
}

struct json_object *rig_ask(struct rig_client *c, const char *method, const char *params, unsigned ms)
{
	struct json_object *o, *result = NULL, *error = NULL, *data = NULL, *name = NULL;
	char request[4096];

	snprintf(request, sizeof(request), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
		 method, params ? params : "{}");
	rig_say(c, request);
	o = hear_answer(c, ms);
	text_copy(TEXT("no answer"), rig_error, sizeof(rig_error));
	if (o && json_object_object_get_ex(o, "result", &result)) {
		json_object_get(result);
		rig_error[0] = '\0';
	} else if (o && json_object_object_get_ex(o, "error", &error) &&
		   json_object_object_get_ex(error, "data", &data) &&
		   json_object_object_get_ex(data, "name", &name)) {
		text_copy(text_of(json_object_get_string(name)), rig_error, sizeof(rig_error));
	}
	json_object_put(o);
	return result;
}

static bool is_state(struct json_object *holder, const char *state)
{
	struct json_object *modem = NULL, *s = NULL;

	return json_object_object_get_ex(holder, "modem", &modem) &&
	       json_object_object_get_ex(modem, "state", &s) &&
	       !strcmp(json_object_get_string(s), state);
}

bool rig_wait_state(struct rig *r, const char *state, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	static struct rig_client c;
	struct json_object *o, *params;
	bool there = false;

	if (rig_dial(&c, rig_path(r, "cellmux.sock"), ms) < 0)
		return false;
	o = rig_ask(&c, "subscribe", "{\"topics\":[\"modem\"]}", (unsigned)left(end));
	json_object_put(o);
	o = rig_ask(&c, "status", NULL, (unsigned)left(end));
	there = o && is_state(o, state);
	json_object_put(o);
	while (!there && (o = rig_hear(&c, (unsigned)left(end)))) {
		there = json_object_object_get_ex(o, "params", &params) && is_state(params, state);
		json_object_put(o);
	}
	rig_hang_up(&c);
	return there;
}

const char *rig_ask_module(struct rig *r, const char *line)
{
	static struct rig_client c;
	static char answer[1024];
	ssize_t n;

	answer[0] = '\0';
	if (rig_dial(&c, rig_path(r, "module.sock"), 5000) < 0)
		return answer;
	rig_say(&c, line);
	n = hear_line(&c, 10000);
	if (n >= 0)
		text_copy(text_of(c.in), answer, sizeof(answer));
	rig_hang_up(&c);
	return answer;
}

bool rig_tell_module(struct rig *r, const char *line)
{
	const char *answer = rig_ask_module(r, line);

	if (!strncmp(answer, "ok", 2))
		return true;
	print_error("sim-module: %s: %s\n", line, answer);
	return false;
}
