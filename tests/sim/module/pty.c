#include "sim/module/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"

#define READ_MAX 4096

/* --- the host's side ------------------------------------------------------------------------------ */

static bool host_is_there(const struct pty *p)
{
	struct pollfd w = { .fd = p->fd, .events = POLLIN };

	return poll(&w, 1, 0) >= 0 && !(w.revents & POLLHUP);
}

/* What the host has not read when it leaves must not greet the next program. */
static void drop_unread(const struct pty *p)
{
	int fd = open(p->slave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	tcflush(fd, TCIFLUSH);
	close(fd);
}

static void rewatch(struct pty *p)
{
	unsigned what = (p->full ? 0 : EV_IN) | (p->out.len ? EV_OUT : 0);

	if (p->fd >= 0)
		ev_watch_start(&p->data, p->fd, p->opened ? what : 0);
}

static void look_at_host(struct pty *p)
{
	bool there = host_is_there(p);

	if (there == p->opened)
		return;
	p->opened = there;
	p->full = false;
	buf_clear(&p->out);
	rewatch(p);
	if (!there)
		drop_unread(p);
}

static void push(struct pty *p)
{
	while (p->out.len) {
		ssize_t done = write(p->fd, buf_data(&p->out), p->out.len);

		if (done <= 0)
			return;
		p->octets_out += (uint64_t)done;
		buf_drop(&p->out, (size_t)done);
	}
}

static void on_data(struct ev_watch *w, unsigned what)
{
	struct pty *p = container_of(w, struct pty, data);
	char in[READ_MAX];
	size_t room = p->room ? p->room(p) : sizeof(in);
	ssize_t n;

	if (what & EV_OUT) {
		push(p);
		rewatch(p);
		if (!p->out.len && p->drained)
			p->drained(p);
	}
	if (!(what & EV_IN) || p->fd < 0)
		return;
	if (room == 0) {
		p->full = true;
		rewatch(p);
		return;
	}
	n = read(p->fd, in, MIN(room, sizeof(in)));
	if (n > 0) {
		p->octets_in += (uint64_t)n;
		p->received(p, in, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		look_at_host(p);
	}
}

static void on_changes(struct ev_watch *w, unsigned what)
{
	struct pty *p = container_of(w, struct pty, changes);
	char events[4096];

	(void)what;
	while (read(p->notify, events, sizeof(events)) > 0)
		;
	/* What was written before a close is still read: on_data() finds the end. */
	if (!p->opened)
		look_at_host(p);
}

void pty_resume(struct pty *p)
{
	if (p->fd < 0 || !p->opened || !p->full)
		return;
	p->full = false;
	rewatch(p);
}

void pty_write(struct pty *p, const void *data, size_t n)
{
	const char *s = data;

	if (p->fd < 0 || !host_is_there(p))
		return;
	while (n > 0 && !p->out.len) {
		ssize_t done = write(p->fd, s, n);

		if (done <= 0)
			break;
		p->octets_out += (uint64_t)done;
		s += done;
		n -= (size_t)done;
	}
	/* The host does not read. */
	if (n == 0 || !pty_flow_control(p))
		return;
	buf_put(&p->out, s, MIN(n, buf_room(&p->out)));
	rewatch(p);
}

bool pty_blocked(const struct pty *p)
{
	return p->out.len > 0;
}

bool pty_flow_control(const struct pty *p)
{
	struct termios t;

	return p->fd >= 0 && tcgetattr(p->fd, &t) == 0 && t.c_cflag & CRTSCTS;
}

unsigned pty_speed(const struct pty *p)
{
	static const struct {
		speed_t name;
		unsigned baud;
	} speeds[] = {
		{ B2400, 2400 },       { B4800, 4800 },	      { B9600, 9600 },
		{ B19200, 19200 },     { B38400, 38400 },     { B57600, 57600 },
		{ B115200, 115200 },   { B230400, 230400 },   { B460800, 460800 },
		{ B921600, 921600 },   { B1000000, 1000000 }, { B2000000, 2000000 },
		{ B3000000, 3000000 },
	};
	struct termios t;

	if (p->fd < 0 || tcgetattr(p->fd, &t) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++)
		if (speeds[i].name == cfgetospeed(&t))
			return speeds[i].baud;
	return 0;
}

/* --- plugging ------------------------------------------------------------------------------------- */

/* A new terminal echoes what it gets until somebody sets it up: done here, before anybody can. */
static int make_raw(const char *slave)
{
	int fd = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &t) < 0)
		r = -errno;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	if (r == 0 && tcsetattr(fd, TCSANOW, &t) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* A link that somebody left behind is replaced; anything else is not ours to remove. */
static int make_link(const struct pty *p)
{
	char beside[300];
	struct stat st;

	if (!p->link)
		return 0;
	if (lstat(p->link, &st) == 0 && !S_ISLNK(st.st_mode))
		return -EEXIST;
	if ((size_t)snprintf(beside, sizeof(beside), "%s.%d", p->link, (int)getpid()) >=
	    sizeof(beside))
		return -ENAMETOOLONG;
	unlink(beside);
	if (symlink(p->slave, beside) < 0)
		return -errno;
	if (rename(beside, p->link) < 0) {
		int r = -errno;

		unlink(beside);
		return r;
	}
	return 0;
}

static int open_master(struct pty *p)
{
	p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	if (grantpt(p->fd) < 0 || unlockpt(p->fd) < 0 ||
	    ptsname_r(p->fd, p->slave, sizeof(p->slave)) != 0)
		return -errno;
	return make_raw(p->slave);
}

static int watch_slave(struct pty *p)
{
	p->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->notify < 0 || inotify_add_watch(p->notify, p->slave, IN_OPEN) < 0)
		return -errno;
	p->data.ready = on_data;
	p->changes.ready = on_changes;
	ev_watch_start(&p->changes, p->notify, EV_IN);
	return 0;
}

int pty_plug(struct pty *p, char why[PTY_WHY_MAX])
{
	const char *what = "a pseudo terminal";
	int r;

	p->opened = p->full = false;
	p->out = BUF_ON(p->out_store);
	p->notify = -1;
	r = open_master(p);
	if (r == 0)
		r = watch_slave(p);
	if (r == 0) {
		r = make_link(p);
		what = p->link ? p->link : what;
	}
	if (r < 0) {
		snprintf(why, PTY_WHY_MAX, "%s: %s", what, strerror(-r));
		pty_unplug(p);
		return r;
	}
	return 0;
}

void pty_unplug(struct pty *p)
{
	char to[sizeof(p->slave)];
	ssize_t n;

	if (p->fd < 0)
		return;
	ev_watch_stop(&p->data);
	ev_watch_stop(&p->changes);
	/* Only a link that is still ours. */
	n = p->link ? readlink(p->link, to, sizeof(to)) : -1;
	if (n > 0 && text_eq(text_from(to, (size_t)n), p->slave))
		unlink(p->link);
	close(p->fd);
	if (p->notify >= 0)
		close(p->notify);
	p->fd = p->notify = -1;
	p->opened = false;
}
