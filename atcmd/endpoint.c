/*
 * Facts about ptys on Linux that shape this file: after its last close the master reports a hang-up
 * until somebody opens the slave again, and poll() then returns at once, so that it must not be
 * watched in between; what a client has not read stays for the next one unless it is flushed on the
 * slave's side; a fresh slave echoes and cooks until it is told not to. inotify on the slave's node
 * tells of opening, writing and closing, also of a close that is followed by an open before we look.
 * Nothing tells to whom the octets belong that are read: where two have written before we looked, they
 * are taken for the last one's.
 */
#include "atcmd/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"

/* Without inotify, and as a backstop with it. */
#define LOOK_MS 2000
/* A notice comes at most this much after what it tells of. */
#define NOTICE_MS 20
/* Before what somebody has written is taken for a visitor's who has left. */
#define VISIT_MS 100
#define FINISH_MS 5000
/* Before a client is hung up on: it reads the module's last word first. */
#define CARRIER_MS 100

/* --- octets ------------------------------------------------------------------------------------ */

static void watch(struct endpoint *e)
{
	bool reads = !e->held && !e->half && e->doubt != ENDPOINT_DOUBT;
	unsigned what = (reads ? EV_IN : 0) | (e->owes_drained ? EV_OUT : 0);

	ev_watch_start(&e->watch, e->fd, e->client ? what : 0);
}

static void push(struct endpoint *e)
{
	while (e->out.len) {
		ssize_t n = write(e->fd, buf_data(&e->out), e->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			/* It does not listen any more. Its end is seen behind what it has written. */
			e->deaf = true;
			buf_clear(&e->out);
			if (e->half)
				ev_task_start(&e->gone);
			return;
		}
		if (n <= 0)
			return;
		buf_drop(&e->out, (size_t)n);
	}
}

static bool was_replaced(struct endpoint *e);

static int op_write(struct pipe *p, const void *data, size_t n)
{
	struct endpoint *e = container_of(p, struct endpoint, pipe);
	int r;

	if (!e->client)
		return -EPIPE;
	if (was_replaced(e)) {
		/* It was for the one before. */
		ev_task_start(&e->gone);
		return 0;
	}
	if (e->deaf)
		return 0;
	r = buf_put(&e->out, data, n);
	if (r < 0)
		return r;
	push(e);
	/* Somebody waits now until nothing is left, which another write may bring about. */
	if (e->out.len)
		e->owes_drained = true;
	watch(e);
	return 0;
}

static size_t op_backlog(const struct pipe *p)
{
	return container_of(p, const struct endpoint, pipe)->out.len;
}

static const struct pipe_ops ops = { .write = op_write, .backlog = op_backlog };

/* --- coming and going ---------------------------------------------------------------------------- */

static bool slave_is_open(const struct endpoint *e);

/*
 * Raw, as a serial port of a program that wants nothing special. Whoever is there already may have settings
 * of its own: those are left alone if they are raw enough, and nothing is set that is so already. By the
 * master, which needs no opening, there is next to no time for somebody to come in between.
 */
static void reset_settings(const struct endpoint *e)
{
	struct termios t = { 0 }, want;

	if (tcgetattr(e->fd, &t) < 0 || (slave_is_open(e) && !(t.c_lflag & (ECHO | ICANON))))
		return;
	want = t;
	cfmakeraw(&want);
	want.c_cflag |= CLOCAL | CREAD;
	want.c_cflag &= ~(tcflag_t)CRTSCTS;
	want.c_cc[VMIN] = 1;
	want.c_cc[VTIME] = 0;
	cfsetispeed(&want, B115200);
	cfsetospeed(&want, B115200);
	if (t.c_iflag != want.c_iflag || t.c_oflag != want.c_oflag || t.c_cflag != want.c_cflag ||
	    t.c_lflag != want.c_lflag || memcmp(t.c_cc, want.c_cc, sizeof(t.c_cc)) != 0)
		tcsetattr(e->fd, TCSANOW, &want);
}

/*
 * As after its making: raw, open to everybody, and nothing to be read. What is written stays: it may be
 * the next client's already. Opening the slave is seen by ourselves too.
 */
static int reset_slave(struct endpoint *e)
{
	int fd;

	reset_settings(e);
	fd = open(e->slave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ioctl(fd, TIOCNXCL);
	tcflush(fd, TCIFLUSH);
	close(fd);
	return 0;
}

static int open_pty(struct endpoint *e, char why[ENDPOINT_WHY_MAX]);
static void close_fd(int *fd);

/*
 * Another terminal under the same name. The new one is made first: to take the old one away takes the
 * kernel some time, and the name is always there.
 */
static void renew(struct endpoint *e)
{
	char why[ENDPOINT_WHY_MAX];
	int fd = e->fd, notify = e->notify;
	char slave[sizeof(e->slave)];

	ev_watch_stop(&e->watch);
	ev_watch_stop(&e->arrival);
	memcpy(slave, e->slave, sizeof(slave));
	e->fd = e->notify = -1;
	e->spoiled = open_pty(e, why) < 0;
	if (e->spoiled) {
		log_warning("port", "%s; trying again", why);
		close_fd(&e->fd);
		close_fd(&e->notify);
		e->fd = fd;
		e->notify = notify;
		memcpy(e->slave, slave, sizeof(slave));
		ev_alarm_start(&e->look, LOOK_MS);
		return;
	}
	e->opens = 0;
	e->vacated = e->reopened = e->wrote = false;
	close_fd(&fd);
	close_fd(&notify);
}

static bool is_ready(const struct endpoint *e, short what)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };

	return poll(&p, 1, 0) >= 0 && p.revents & what;
}

static bool slave_is_open(const struct endpoint *e)
{
	return !is_ready(e, POLLHUP);
}

/*
 * Counts openings and closings, and notes whether somebody has come since the last one closed, and
 * written. Our own openings come in pairs and change nothing.
 */
static void read_notices(struct endpoint *e)
{
	char raw[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(e->notify, raw, sizeof(raw))) > 0) {
		for (char *p = raw; p < raw + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)p;

			if (ev->mask & IN_OPEN) {
				e->opens++;
				e->reopened = e->vacated;
			} else if (ev->mask & IN_MODIFY) {
				e->wrote = e->reopened;
			} else if (ev->mask & IN_CLOSE && --e->opens <= 0) {
				e->opens = 0;
				e->vacated = true;
				e->reopened = e->wrote = false;
			}
			p += sizeof(*ev) + ev->len;
		}
	}
}

static void arrive(struct endpoint *e)
{
	e->client = true;
	e->held = e->deaf = e->half = e->finishing = e->hangs_up = false;
	e->doubt = ENDPOINT_NO_DOUBT;
	buf_clear(&e->out);
	watch(e);
	ev_alarm_stop(&e->look);
	e->came(e);
}

/* Who has the slave open now is the client. */
static void arrive_at_pty(struct endpoint *e)
{
	read_notices(e);
	if (e->opens < 1)
		e->opens = 1;
	e->vacated = e->reopened = e->wrote = false;
	arrive(e);
}

static void leave(struct endpoint *e)
{
	if (!e->client)
		return;
	e->client = false;
	ev_watch_stop(&e->watch);
	ev_task_stop(&e->gone);
	ev_alarm_stop(&e->finish);
	buf_clear(&e->out);
	e->doubt = ENDPOINT_NO_DOUBT;
	if (e->socket) {
		close(e->fd);
		e->fd = -1;
		ev_watch_start(&e->arrival, e->listener, EV_IN);
	} else {
		if (!slave_is_open(e))
			e->opens = 0;
		/* TIOCEXCL outlives its client; only an administrator can take it back. */
		if ((e->hangs_up && slave_is_open(e)) || reset_slave(e) == -EBUSY)
			renew(e);
		else
			ev_alarm_start(&e->look, LOOK_MS);
	}
	e->left(e);
}

/*
 * There is something to be read, and as far as is known it is none of the one who has opened last:
 * somebody before has left it. But a notice may come later than what it tells of. True: not sure yet,
 * on_look() goes on.
 */
static bool must_wait(struct endpoint *e)
{
	if (!e->vacated || !e->reopened || e->wrote || e->doubt == ENDPOINT_SURE || !is_ready(e, POLLIN))
		return false;
	if (e->doubt == ENDPOINT_NO_DOUBT) {
		e->doubt = ENDPOINT_DOUBT;
		ev_alarm_start(&e->look, VISIT_MS);
	}
	if (e->client)
		watch(e);
	return true;
}

static void look_at_pty(struct endpoint *e)
{
	bool open;

	if (e->client)
		return;
	if (e->spoiled) {
		renew(e);
		return;
	}
	read_notices(e);
	open = slave_is_open(e);
	if (!open && is_ready(e, POLLIN)) {
		/* A short visit: it has opened, written and closed while nobody looked. */
		e->opens = 0;
		e->vacated = true;
		e->reopened = e->wrote = false;
		arrive(e);
	} else if (!open) {
		ev_alarm_start(&e->look, LOOK_MS);
	} else if (must_wait(e)) {
		return;
	} else if (e->doubt == ENDPOINT_SURE) {
		/* One is there already behind the visitor. */
		arrive(e);
		e->doubt = ENDPOINT_SURE;
	} else if (e->opens > 0) {
		arrive_at_pty(e);
	} else {
		ev_alarm_start(&e->look, NOTICE_MS);
	}
}

/* The client has closed, and another has come since. */
static bool was_replaced(struct endpoint *e)
{
	if (e->socket || !e->client)
		return false;
	read_notices(e);
	if (!e->vacated || !slave_is_open(e))
		return false;
	if (!e->reopened && e->doubt == ENDPOINT_NO_DOUBT)
		ev_alarm_start(&e->look, NOTICE_MS);
	return e->reopened;
}

static void replace(struct endpoint *e)
{
	leave(e);
	arrive_at_pty(e);
}

/* The other side of the socket is closed altogether. */
static bool has_hung_up(const struct endpoint *e)
{
	return is_ready(e, POLLHUP);
}

/*
 * Reads once. When one client has followed another, what there is to read is the new one's if it has
 * written, else what the old one has left.
 */
static void read_once(struct endpoint *e)
{
	char data[1024];
	ssize_t n = -1;
	int error = EAGAIN;
	bool replaced;

	if (!e->held && was_replaced(e) && must_wait(e))
		return;
	if (!e->held) {
		n = read(e->fd, data, sizeof(data));
		error = errno;
	}
	replaced = was_replaced(e);
	if (replaced && e->wrote) {
		replace(e);
		replaced = false;
		error = EAGAIN;         /* that was the old one's end */
	}
	if (n > 0) {
		if (e->pipe.user)
			e->pipe.user->received(e->pipe.user, text_from(data, (size_t)n));
	} else if (replaced) {
		/* What it has written ahead comes first. */
		if (!e->held)
			replace(e);
	} else if (n == 0 && e->socket && !has_hung_up(e)) {
		e->half = true;
		watch(e);
		e->ended(e);
	} else if (n == 0 || (error != EAGAIN && error != EINTR)) {
		leave(e);
		if (!e->socket)
			look_at_pty(e);
	}
}

/* By now every notice has come: openings or closings in a row were told as one, or none is told. */
static void on_look(struct ev_alarm *a)
{
	struct endpoint *e = container_of(a, struct endpoint, look);

	if (e->spoiled) {
		renew(e);
		return;
	}
	read_notices(e);
	if (e->doubt == ENDPOINT_DOUBT) {
		e->doubt = ENDPOINT_SURE;
		if (!e->client) {
			look_at_pty(e);
		} else {
			watch(e);
			read_once(e);
		}
	} else if (e->client && e->vacated && !e->reopened && slave_is_open(e)) {
		e->vacated = false;
		e->opens = 1;
	} else if (!e->client && slave_is_open(e) && !must_wait(e)) {
		arrive_at_pty(e);
	} else {
		look_at_pty(e);
	}
}

/* A client that has hung up makes room for the next once all that it wrote is taken. */
static void make_room(struct endpoint *e)
{
	while (e->client && !e->held && has_hung_up(e))
		read_once(e);
}

static void accept_client(struct endpoint *e)
{
	static const char busy[] = "\r\nERROR: this port is in use\r\n";
	int fd;

	make_room(e);
	if (e->client && has_hung_up(e)) {
		/* Until what it has written is dealt with the next one waits outside. */
		ev_watch_stop(&e->arrival);
		return;
	}
	fd = accept4(e->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!e->client) {
		e->fd = fd;
		arrive(e);
		return;
	}
	if (send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("port", "%s: refused a second client", e->path);
	close(fd);
}

static void on_arrival(struct ev_watch *w, unsigned what)
{
	struct endpoint *e = container_of(w, struct endpoint, arrival);

	(void)what;
	if (e->socket)
		accept_client(e);
	else if (!e->client)
		look_at_pty(e);
	else if (was_replaced(e))
		read_once(e);
}

static void on_gone(struct ev_task *t)
{
	struct endpoint *e = container_of(t, struct endpoint, gone);

	if (was_replaced(e))
		read_once(e);
	else
		leave(e);
	if (!e->socket)
		look_at_pty(e);
}

static void on_finish(struct ev_alarm *a)
{
	struct endpoint *e = container_of(a, struct endpoint, finish);

	if (was_replaced(e)) {
		e->hangs_up = false;
		read_once(e);
	} else {
		leave(e);
	}
	if (!e->socket)
		look_at_pty(e);
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct endpoint *e = container_of(w, struct endpoint, watch);

	if (what & EV_OUT) {
		push(e);
		e->owes_drained = e->out.len > 0;
		watch(e);
		if (!e->out.len && e->finishing)
			ev_task_start(&e->gone);
		else if (!e->out.len && e->pipe.user && e->pipe.user->drained)
			e->pipe.user->drained(e->pipe.user);
	}
	if (what & EV_IN && !e->held && !e->half && e->client)
		read_once(e);
}

/* --- opening ----------------------------------------------------------------------------------------- */

static int explain(int r, const struct endpoint *e, const char *what, char why[ENDPOINT_WHY_MAX])
{
	snprintf(why, ENDPOINT_WHY_MAX, "%s: %s: %s", e->path, what, strerror(-r));
	return r;
}

static int find_group(struct endpoint *e, const char *group, char why[ENDPOINT_WHY_MAX])
{
	struct group *g;

	/* Pseudo terminals come with the group that /dev/pts was mounted with, mostly tty. */
	e->gid = getegid();
	if (!group[0])
		return 0;
	g = getgrnam(group);
	if (!g) {
		snprintf(why, ENDPOINT_WHY_MAX, "%s: there is no group '%s'", e->path, group);
		return -ENOENT;
	}
	e->gid = g->gr_gid;
	return 0;
}

static int set_rights(const struct endpoint *e, const char *path, char why[ENDPOINT_WHY_MAX])
{
	if (chown(path, (uid_t)-1, e->gid) < 0) {
		int r = -errno;
		struct group *g = r == -EPERM ? getgrgid(e->gid) : NULL;

		if (!g)
			return explain(r, e, "its group", why);
		snprintf(why, ENDPOINT_WHY_MAX, "%s: cannot be given to group %s: add the daemon's user to it, "
			 "or name another one", e->path, g->gr_name);
		return -EACCES;
	}
	return chmod(path, e->mode) < 0 ? explain(-errno, e, "its mode", why) : 0;
}

/* Puts the symlink in place of one that an earlier run has left, in one step. */
static int make_link(const struct endpoint *e)
{
	char aside[sizeof(e->path) + 8];
	struct stat st;

	if (lstat(e->path, &st) == 0 && !S_ISLNK(st.st_mode))
		return -EEXIST;
	snprintf(aside, sizeof(aside), "%s.new", e->path);
	unlink(aside);
	if (symlink(e->slave, aside) < 0 || rename(aside, e->path) < 0) {
		int r = -errno;

		unlink(aside);
		return r;
	}
	return 0;
}

static int open_pty(struct endpoint *e, char why[ENDPOINT_WHY_MAX])
{
	int r;

	e->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (e->fd < 0)
		return explain(-errno, e, "no pseudo terminal", why);
	if (grantpt(e->fd) < 0 || unlockpt(e->fd) < 0 || ptsname_r(e->fd, e->slave, sizeof(e->slave)))
		return explain(-errno, e, "no pseudo terminal", why);
	r = set_rights(e, e->slave, why);
	if (r < 0)
		return r;
	r = reset_slave(e);
	if (r < 0)
		return explain(r, e, "its settings", why);
	r = make_link(e);
	if (r < 0)
		return explain(r, e, "its symlink", why);
	e->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (e->notify >= 0 && inotify_add_watch(e->notify, e->slave, IN_OPEN | IN_MODIFY | IN_CLOSE) >= 0)
		ev_watch_start(&e->arrival, e->notify, EV_IN);
	ev_alarm_start(&e->look, LOOK_MS);
	return 0;
}

/* A socket that nobody listens on is what a crash has left. */
static bool is_abandoned(const struct sockaddr_un *sa, socklen_t n)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)sa, n) < 0 &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static int open_socket(struct endpoint *e, char why[ENDPOINT_WHY_MAX])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = strlen(e->path);
	socklen_t len;
	struct stat st;
	bool abstract = e->path[0] == '@';
	int r = 0;

	if (n >= sizeof(sa.sun_path))
		return explain(-ENAMETOOLONG, e, "a socket's name", why);
	memcpy(sa.sun_path, e->path, n);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
	if (abstract)
		sa.sun_path[0] = '\0';
	else if (lstat(e->path, &st) == 0 && S_ISSOCK(st.st_mode) && is_abandoned(&sa, len))
		unlink(e->path);
	e->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (e->listener < 0)
		return explain(-errno, e, "no socket", why);
	if (bind(e->listener, (struct sockaddr *)&sa, len) < 0) {
		r = explain(-errno, e, "cannot be made", why);
		e->path[0] = '\0';      /* not ours to remove */
		return r;
	}
	if (!abstract)
		r = set_rights(e, e->path, why);
	if (r < 0)
		return r;
	if (listen(e->listener, 2) < 0)
		return explain(-errno, e, "cannot listen", why);
	ev_watch_start(&e->arrival, e->listener, EV_IN);
	return 0;
}

int endpoint_open(struct endpoint *e, const struct endpoint_options *o, char why[ENDPOINT_WHY_MAX])
{
	int r;

	e->pipe.ops = &ops;
	e->fd = e->listener = e->notify = -1;
	e->socket = o->socket;
	e->client = e->held = e->deaf = e->half = e->finishing = e->spoiled = e->hangs_up = false;
	e->doubt = ENDPOINT_NO_DOUBT;
	e->opens = 0;
	e->vacated = e->reopened = e->wrote = false;
	e->slave[0] = '\0';
	e->mode = (mode_t)o->mode;
	e->out = BUF_ON(e->out_store);
	e->watch.ready = on_ready;
	e->arrival.ready = on_arrival;
	e->look.fired = on_look;
	e->finish.fired = on_finish;
	e->gone.run = on_gone;
	if (text_copy(text_of(o->path), e->path, sizeof(e->path)) < 0) {
		snprintf(why, ENDPOINT_WHY_MAX, "%s: the name is too long", o->path);
		e->path[0] = '\0';
		return -ENAMETOOLONG;
	}
	r = find_group(e, o->group, why);
	if (r == 0)
		r = e->socket ? open_socket(e, why) : open_pty(e, why);
	if (r < 0)
		endpoint_close(e);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void endpoint_close(struct endpoint *e)
{
	char target[sizeof(e->slave)];
	ssize_t n;

	ev_watch_stop(&e->watch);
	ev_watch_stop(&e->arrival);
	ev_alarm_stop(&e->look);
	ev_alarm_stop(&e->finish);
	ev_task_stop(&e->gone);
	e->client = false;
	if (e->socket && e->listener >= 0 && e->path[0] && e->path[0] != '@')
		unlink(e->path);
	if (!e->socket && e->slave[0]) {
		n = readlink(e->path, target, sizeof(target) - 1);
		if (n > 0 && text_eq(text_from(target, (size_t)n), e->slave))
			unlink(e->path);
	}
	e->slave[0] = '\0';
	close_fd(&e->fd);
	close_fd(&e->listener);
	close_fd(&e->notify);
}

/* --- asking -------------------------------------------------------------------------------------------- */

bool endpoint_has_client(const struct endpoint *e)
{
	return e->client;
}

void endpoint_hold(struct endpoint *e, bool on)
{
	if (e->held == on || !e->client)
		return;
	e->held = on;
	watch(e);
	/* It has waited for this to be replaced. */
	if (!on && was_replaced(e))
		ev_task_start(&e->gone);
}

void endpoint_carrier_lost(struct endpoint *e)
{
	struct termios t;

	if (e->socket || !e->client || e->hangs_up || tcgetattr(e->fd, &t) < 0 || t.c_cflag & CLOCAL)
		return;
	e->hangs_up = true;
	ev_alarm_start(&e->finish, CARRIER_MS);
}

void endpoint_finish(struct endpoint *e)
{
	if (!e->client || e->finishing)
		return;
	e->finishing = true;
	if (e->out.len)
		ev_alarm_start(&e->finish, FINISH_MS);
	else
		ev_task_start(&e->gone);
}

bool endpoint_echoes(const struct endpoint *e)
{
	struct termios t;

	return !e->socket && e->client && tcgetattr(e->fd, &t) == 0 && t.c_lflag & ECHO;
}

bool endpoint_dropped_dtr(const struct endpoint *e)
{
	struct termios t;

	return !e->socket && e->client && tcgetattr(e->fd, &t) == 0 && cfgetospeed(&t) == B0;
}

void endpoint_kick(struct endpoint *e)
{
	leave(e);
	if (!e->socket)
		look_at_pty(e);
}
