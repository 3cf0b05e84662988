/*
 * libserialport opens and configures real ports; what it lacks is added here on its descriptor:
 * the path behind a symlink, the lock (0.1.1 takes none), CRTSCTS (no version sets it on Linux),
 * HUPCL off (0.1.1 sets it), end of file told apart from "nothing yet". A pty is no serial port
 * to it, so ptys and gadget ports without modem lines are opened here with termios alone.
 */
#include "atcmd/serial.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"

#define HELD_LOOK_MS 1000

struct serial_port {
	struct sp_port *sp;
};

/* --- who holds a port: for one line of help, so every failure on the way means "unknown" ------- */

static bool has_open(const char *pid, const char *path)
{
	char dir[64], link[PATH_MAX], target[PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%.20s/fd", pid);
	d = opendir(dir);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		ssize_t n;

		snprintf(link, sizeof(link), "%s/%s", dir, e->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		found = !strcmp(target, path);
	}
	closedir(d);
	return found;
}

static void name_of(const char *pid, char *dst, size_t cap)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char path[64];

	snprintf(dst, cap, "process %.20s", pid);
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		char comm[32] = "";

		if (fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = '\0';
			snprintf(dst, cap, "%s (process %.20s)", comm, pid);
		}
	}
}

static void find_holder(const char *path, char *dst, size_t cap)
{
	struct dirent *e;
	DIR *proc = opendir("/proc");
	char self[16];

	snprintf(dst, cap, "another program");
	snprintf(self, sizeof(self), "%d", (int)getpid());
	if (!proc)
		return;
	while ((e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !strcmp(e->d_name, self))
			continue;
		if (has_open(e->d_name, path)) {
			name_of(e->d_name, dst, cap);
			break;
		}
	}
	closedir(proc);
}

static int explain(int r, const char *name, const char *path, char why[SERIAL_WHY_MAX])
{
	char holder[80];
	struct stat st;

	switch (-r) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		snprintf(why, SERIAL_WHY_MAX, "%s: no such device; is the module plugged in and powered?",
			 name);
		return -ENOENT;
	case EACCES:
	case EPERM:
		snprintf(why, SERIAL_WHY_MAX, "%s: no permission (group %d owns it): add the user to "
			 "that group, often dialout, or run as root", name,
			 stat(path, &st) == 0 ? (int)st.st_gid : -1);
		return -EACCES;
	case EBUSY:
	case EWOULDBLOCK:
		find_holder(path, holder, sizeof(holder));
		snprintf(why, SERIAL_WHY_MAX, "%s: held by %s: stop it, or give it a virtual port of ours",
			 name, holder);
		return -EBUSY;
	case ENOTTY:
		snprintf(why, SERIAL_WHY_MAX, "%s: not a serial port", name);
		return -ENOTTY;
	default:
		snprintf(why, SERIAL_WHY_MAX, "%s: %s", name, strerror(-r));
		return r;
	}
}

/* --- termios ------------------------------------------------------------------------------------- */

static speed_t speed_of(unsigned baud)
{
	static const struct {
		unsigned baud;
		speed_t speed;
	} speeds[] = {
		{ 1200, B1200 }, { 2400, B2400 }, { 4800, B4800 }, { 9600, B9600 },
		{ 19200, B19200 }, { 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 },
		{ 230400, B230400 }, { 460800, B460800 }, { 921600, B921600 },
		{ 1000000, B1000000 }, { 1500000, B1500000 }, { 2000000, B2000000 },
		{ 3000000, B3000000 }, { 4000000, B4000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++)
		if (speeds[i].baud == baud)
			return speeds[i].speed;
	return B0;
}

/* Raw 8N1, the line discipline silent; speed only where the number has a termios name. */
static int set_raw(int fd, unsigned baud, bool rtscts)
{
	struct termios t;
	speed_t speed = speed_of(baud);

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | HUPCL);
	t.c_cflag |= CLOCAL | CREAD | (rtscts ? CRTSCTS : 0);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	if (speed != B0 && (cfsetispeed(&t, speed) < 0 || cfsetospeed(&t, speed) < 0))
		return -errno;
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		return -errno;
	/* tcsetattr() succeeds if anything at all could be set: look. */
	if (tcgetattr(fd, &t) < 0)
		return -errno;
	if (rtscts && !(t.c_cflag & CRTSCTS))
		return -EOPNOTSUPP;
	return 0;
}

static int lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (ioctl(fd, TIOCEXCL) < 0 && errno != ENOTTY)
		return -errno;
	return 0;
}

/* --- opening --------------------------------------------------------------------------------------- */

/* The plain way: ptys, and anything libserialport does not take. */
static int open_plain(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!isatty(fd)) {
		close(fd);
		return -ENOTTY;
	}
	*ret_fd = fd;
	return 0;
}

static int sp_error(enum sp_return r)
{
	int e = r == SP_ERR_FAIL ? sp_last_error_code() : 0;

	if (e > 0)
		return -e;
	return r == SP_ERR_ARG ? -EINVAL : r == SP_ERR_MEM ? -ENOMEM : -EIO;
}

static int open_port(const char *path, unsigned baud, struct serial_port **ret, int *ret_fd)
{
	struct serial_port *port = calloc(1, sizeof(*port));
	enum sp_return r;
	int fd;

	if (!port)
		return -ENOMEM;
	r = sp_get_port_by_name(path, &port->sp);
	if (r == SP_OK)
		r = sp_open(port->sp, SP_MODE_READ_WRITE);
	if (r == SP_OK)
		r = sp_set_baudrate(port->sp, (int)baud);
	if (r == SP_OK)
		r = sp_get_port_handle(port->sp, &fd);
	if (r != SP_OK) {
		int e = sp_error(r);

		if (port->sp) {
			sp_close(port->sp);
			sp_free_port(port->sp);
		}
		free(port);
		return e;
	}
	*ret = port;
	*ret_fd = fd;
	return 0;
}

static bool is_pty(const char *path)
{
	return !strncmp(path, "/dev/pts/", 9);
}

static void close_port(struct serial *s)
{
	if (s->port) {
		sp_close(s->port->sp);
		sp_free_port(s->port->sp);
		free(take(s->port));
	} else if (s->fd >= 0) {
		close(s->fd);
	}
	s->fd = -1;
}

/* Asked before anything is opened: to open a port that is in use can drop its DTR. */
static int check_path(const char *name, char path[PATH_MAX])
{
	struct stat st;

	if (!realpath(name, path))
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -ENOTTY;
	return access(path, R_OK | W_OK) < 0 ? -errno : 0;
}

static int set_up(struct serial *s, const struct serial_options *o)
{
	int r = lock(s->fd);

	if (r == 0)
		r = set_raw(s->fd, o->baud, o->rtscts);
	if (r < 0)
		return r;
	fcntl(s->fd, F_SETFD, FD_CLOEXEC);
	serial_set_dtr(s, true);
	tcflush(s->fd, TCIOFLUSH);
	return 0;
}

/* --- the pipe ---------------------------------------------------------------------------------------- */

static void watch(struct serial *s)
{
	ev_watch_start(&s->watch, s->fd, (s->held ? 0 : EV_IN) | (s->owes_drained ? EV_OUT : 0));
}

static void on_hangup(struct ev_task *t)
{
	struct serial *s = container_of(t, struct serial, hangup);

	if (s->pipe.user)
		s->pipe.user->hung_up(s->pipe.user, s->error);
}

static void die(struct serial *s, int error)
{
	if (s->dead)
		return;
	s->dead = true;
	s->error = error;
	ev_watch_stop(&s->watch);
	ev_alarm_stop(&s->look);
	ev_task_start(&s->hangup);
}

/* Gives the line what it takes now. */
static void push(struct serial *s)
{
	while (s->out.len) {
		ssize_t n = write(s->fd, buf_data(&s->out), s->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			die(s, errno);
			return;
		}
		if (n <= 0)
			return;
		s->sent += (uint64_t)n;
		buf_drop(&s->out, (size_t)n);
	}
}

static int pipe_op_write(struct pipe *p, const void *data, size_t n)
{
	struct serial *s = container_of(p, struct serial, pipe);
	int r;

	if (s->dead)
		return -EPIPE;
	r = buf_put(&s->out, data, n);
	if (r < 0)
		return r;
	push(s);
	/* Somebody waits now until nothing is left, which another write may bring about. */
	if (s->out.len)
		s->owes_drained = true;
	if (!s->dead)
		watch(s);
	return 0;
}

static size_t pipe_op_backlog(const struct pipe *p)
{
	return container_of(p, const struct serial, pipe)->out.len;
}

static void pipe_op_flush(struct pipe *p)
{
	struct serial *s = container_of(p, struct serial, pipe);

	if (!s->dead)
		tcflush(s->fd, TCIFLUSH);
}

/*
 * What is not read fills the kernel's buffer; that then stops the module by RTS, or as USB does. A port
 * that is not read does not tell that it has gone: it is looked at.
 */
static void pipe_op_hold(struct pipe *p, bool on)
{
	struct serial *s = container_of(p, struct serial, pipe);

	if (s->dead || s->held == on)
		return;
	s->held = on;
	watch(s);
	if (on)
		ev_alarm_start(&s->look, HELD_LOOK_MS);
	else
		ev_alarm_stop(&s->look);
}

static void on_look(struct ev_alarm *a)
{
	struct serial *s = container_of(a, struct serial, look);
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL))
		die(s, EIO);
	else
		ev_alarm_start(&s->look, HELD_LOOK_MS);
}

static void on_readable(struct serial *s)
{
	char data[2048];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n > 0) {
		s->received += (uint64_t)n;
		if (s->pipe.user)
			s->pipe.user->received(s->pipe.user, text_from(data, (size_t)n));
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		/* A tty reads nothing although it was ready: the other side is gone. */
		die(s, n == 0 ? 0 : errno);
	}
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct serial *s = container_of(w, struct serial, watch);

	if (what & EV_OUT) {
		push(s);
		if (s->dead)
			return;
		s->owes_drained = s->out.len > 0;
		watch(s);
		if (!s->owes_drained && s->pipe.user && s->pipe.user->drained)
			s->pipe.user->drained(s->pipe.user);
	}
	if (what & EV_IN && !s->dead && !s->held && s->fd >= 0)
		on_readable(s);
}

static const struct pipe_ops serial_pipe_ops = {
	.write = pipe_op_write, .backlog = pipe_op_backlog, .flush_input = pipe_op_flush,
	.hold = pipe_op_hold,
};

int serial_open(struct serial *s, const char *name, const struct serial_options *o,
		char why[SERIAL_WHY_MAX])
{
	char path[PATH_MAX];
	int r = check_path(name, path);

	s->fd = -1;
	s->port = NULL;
	if (r < 0)
		return explain(r, name, path, why);
	if (strlen(path) >= sizeof(s->path))
		return explain(-ENAMETOOLONG, name, path, why);
	r = is_pty(path) ? -ENOTTY : open_port(path, o->baud, &s->port, &s->fd);
	/* No modem lines, or no port to the library: termios does. */
	if (r == -ENOTTY || r == -EINVAL || r == -EIO)
		r = open_plain(path, &s->fd);
	if (r == 0)
		r = set_up(s, o);
	if (r < 0) {
		close_port(s);
		return explain(r, name, path, why);
	}
	text_copy(text_of(path), s->path, sizeof(s->path));
	s->out = BUF_ON(s->out_store);
	s->dead = s->held = s->owes_drained = false;
	s->sent = s->received = 0;
	s->pipe = (struct pipe){ .ops = &serial_pipe_ops };
	s->watch.ready = on_ready;
	s->hangup.run = on_hangup;
	s->look.fired = on_look;
	watch(s);
	return 0;
}

void serial_close(struct serial *s)
{
	ev_watch_stop(&s->watch);
	ev_task_stop(&s->hangup);
	ev_alarm_stop(&s->look);
	s->dead = true;
	s->pipe.user = NULL;
	if (s->fd < 0)
		return;
	/* What is still queued is for nobody; without this a stuck line would hold close() up. */
	tcflush(s->fd, TCIOFLUSH);
	ioctl(s->fd, TIOCNXCL);
	flock(s->fd, LOCK_UN);
	close_port(s);
}

bool serial_set_dtr(struct serial *s, bool on)
{
	int lines = on ? TIOCM_DTR | TIOCM_RTS : TIOCM_DTR;

	return ioctl(s->fd, on ? TIOCMBIS : TIOCMBIC, &lines) == 0;
}

int serial_set_baud(struct serial *s, unsigned baud)
{
	struct termios t;
	bool rtscts;

	if (tcgetattr(s->fd, &t) < 0)
		return -errno;
	rtscts = t.c_cflag & CRTSCTS;
	if (s->port && sp_set_baudrate(s->port->sp, (int)baud) != SP_OK)
		return -EINVAL;
	/* The library rewrites the whole termios: what it does not know about must be set again. */
	return set_raw(s->fd, baud, rtscts);
}

void serial_counters(const struct serial *s, uint64_t *ret_sent, uint64_t *ret_received)
{
	*ret_sent = s->sent;
	*ret_received = s->received;
}
