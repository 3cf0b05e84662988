/*
 * Pipes with real descriptors behind them: whoever has been told by pipe_backlog() that something waits
 * hears drained() when nothing does any more, also if it was another write that took the rest along.
 * And whose a virtual port is.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "atcmd/endpoint.h"
#include "atcmd/serial.h"
#include "core/log.h"
#include "unit/fake_ev.h"

static unsigned drained;
static char dir[] = "/tmp/cellmux-pipes-XXXXXX";
static char path[64];

static void on_received(struct pipe_user *u, struct text data)
{
	(void)u, (void)data;
}

static void on_drained(struct pipe_user *u)
{
	(void)u;
	drained++;
}

static void on_hung_up(struct pipe_user *u, int error)
{
	(void)u, (void)error;
}

static struct pipe_user user = { on_received, on_drained, on_hung_up };

/* All that can be read just now. */
static void drink(int fd)
{
	char in[8192];

	while (read(fd, in, sizeof(in)) > 0)
		;
}

/* Fills what is behind the pipe until something waits in it; then the peer reads, and the pipe is written to. */
static void write_empties_it(struct pipe *p, int peer)
{
	static const char block[512];

	drained = 0;
	for (unsigned k = 0; k < 4096 && !pipe_backlog(p); k++)
		assert_int_equal(pipe_write(p, block, sizeof(block)), 0);
	assert_true(pipe_backlog(p) > 0);
	drink(peer);
	/* A terminal hands on in pieces. */
	for (unsigned k = 0; k < 64 && pipe_backlog(p); k++) {
		assert_int_equal(pipe_write(p, "x", 1), 0);
		drink(peer);
	}
	assert_int_equal(pipe_backlog(p), 0);
	assert_int_equal(drained, 0);
	fake_ev_run(100);
	assert_int_equal(drained, 1);
	/* And only then. */
	assert_int_equal(pipe_write(p, "x", 1), 0);
	fake_ev_run(100);
	assert_int_equal(drained, 1);
}

static void nothing(struct endpoint *e)
{
	(void)e;
}

static void a_client_of_a_socket(void **state)
{
	struct endpoint_options o = { .socket = true, .path = path, .group = "", .mode = 0600 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	static struct endpoint e;
	char why[ENDPOINT_WHY_MAX];
	int fd;

	(void)state;
	fake_ev_reset();
	memset(&e, 0, sizeof(e));
	e.came = e.left = e.ended = nothing;
	assert_int_equal(endpoint_open(&e, &o, why), 0);
	e.pipe.user = &user;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fake_ev_run(100);
	write_empties_it(&e.pipe, fd);
	close(fd);
	endpoint_close(&e);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
}

/* In a child that is nobody: the port's group and mode if it opens, else why not. */
static int open_as_nobody(struct endpoint_options *o)
{
	static struct endpoint e;
	char why[ENDPOINT_WHY_MAX];
	gid_t group = 65534;
	struct stat st;
	int r;

	if (setgroups(1, &group) < 0 || setgid(group) < 0 || setuid(65534) < 0)
		return 10;
	e.came = e.left = e.ended = nothing;
	r = endpoint_open(&e, o, why);
	if (r == -EACCES)
		return strstr(why, "cannot be given to group root: add the daemon's user to it") ? 1 : 11;
	if (r < 0 || stat(e.path, &st) < 0)
		return 12;
	r = st.st_gid == group && (st.st_mode & 0777) == o->mode ? 0 : 13;
	endpoint_close(&e);
	return r;
}

/* Only root can become somebody else who may not. */
static void a_group_is_the_daemons_or_one_that_it_is_in(void **state)
{
	static const struct {
		bool socket;
		const char *group;
		int wanted;
	} rows[] = {
		{ false, "", 0 }, { true, "", 0 }, { false, "root", 1 }, { true, "root", 1 },
	};

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0777), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint_options o = { .socket = rows[i].socket, .path = path,
					      .group = rows[i].group, .mode = 0640 };
		int status;
		pid_t pid;

		fake_ev_reset();
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(open_as_nobody(&o));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), rows[i].wanted);
	}
}

static void a_port(void **state)
{
	struct serial_options o = { .baud = 115200 };
	static struct serial s;
	char why[SERIAL_WHY_MAX];
	int peer = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	(void)state;
	fake_ev_reset();
	assert_true(peer >= 0 && grantpt(peer) == 0 && unlockpt(peer) == 0);
	memset(&s, 0, sizeof(s));
	assert_int_equal(serial_open(&s, ptsname(peer), &o, why), 0);
	s.pipe.user = &user;
	write_empties_it(&s.pipe, peer);
	serial_close(&s);
	close(peer);
	fake_ev_settle();
	assert_int_equal(fake_ev_active(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_of_a_socket),
		cmocka_unit_test(a_group_is_the_daemons_or_one_that_it_is_in),
		cmocka_unit_test(a_port),
	};
	int r;

	log_set_level(LOG_LEVEL_ERROR);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/at0", dir);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return r;
}
