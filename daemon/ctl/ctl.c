/* The socket: opening it in place of an abandoned one, letting clients in, telling them events. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "core/log.h"
#include "ctl/peer.h"
#include "ctl/rpc.h"
#include "ctl/server.h"

/* Some places are left for admins, so that readers cannot lock them out. */
#define READERS_MAX (CTL_CLIENTS_MAX - 8)

/* Out of descriptors: they come back by themselves, a busy loop would not help. */
#define ACCEPT_PAUSE_MS 1000

/* --- clients ------------------------------------------------------------------------------------ */

static void turn_away(int fd, enum ctl_error error, const char *message)
{
	struct json_object *o = rpc_refusal(error, message);
	struct text line = rpc_text(o);
	struct iovec parts[2] = { { (void *)line.s, line.n }, { (void *)"\n", 1 } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };

	/* A new connection has room for a line. */
	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("ctl", "a client that is turned away has gone, ignoring");
	json_object_put(o);
	close(fd);
}

static unsigned count_clients(const struct ctl *c)
{
	const struct ctl_client *cl;
	unsigned n = 0;

	list_for_each (cl, &c->clients, node)
		n++;
	return n;
}

static void let_in(struct ctl *c, int fd)
{
	struct ctl_peer peer;
	struct ctl_client *cl;
	unsigned n = count_clients(c);
	int r = ctl_peer_find(fd, &c->o, &peer);

	if (r < 0) {
		log_warning("ctl", "a client that nobody knows: %s, dropped", strerror(-r));
		close(fd);
	} else if (!peer.may) {
		log_info("ctl", "uid %u (pid %d) is not in group %s, refused", (unsigned)peer.uid,
			 (int)peer.pid, c->o.reader_group);
		turn_away(fd, CTL_ACCESS_DENIED, "only members of the reader group may connect");
	} else if (n >= (peer.access == CTL_ADMIN ? CTL_CLIENTS_MAX : READERS_MAX)) {
		log_warning("ctl", "%u clients are connected, uid %u (pid %d) is refused", n,
			    (unsigned)peer.uid, (int)peer.pid);
		turn_away(fd, CTL_LIMIT, "too many clients are connected");
	} else {
		cl = ctl_client_open(c, fd, peer.uid, peer.pid, peer.access);
		if (!cl)
			log_error("ctl", "out of memory, a client is dropped");
		else
			list_add(&c->clients, &cl->node);
	}
}

static void on_connection(struct ev_watch *w, unsigned what)
{
	struct ctl *c = container_of(w, struct ctl, watch);
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd >= 0) {
		let_in(c, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		log_warning("ctl", "no new client: %s, waiting", strerror(errno));
		ev_watch_stop(&c->watch);
		ev_alarm_start(&c->pause, ACCEPT_PAUSE_MS);
	}
}

static void on_pause_over(struct ev_alarm *a)
{
	struct ctl *c = container_of(a, struct ctl, pause);

	ev_watch_start(&c->watch, c->fd, EV_IN);
}

/* --- opening ------------------------------------------------------------------------------------ */

/* 0: nobody listens there, -EADDRINUSE: somebody does, else what is wrong with the path. */
static int probe(const struct sockaddr_un *addr)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return errno == ECONNREFUSED ? 0 : -errno;
}

static int bind_socket(struct ctl *c, const struct sockaddr_un *addr)
{
	struct stat st;
	int r = probe(addr);

	if (r < 0)
		return r;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return -errno;
	/*
	 * Everybody may connect and is asked for his papers then: the kernel's word on who it is
	 * (peer.c) can tell two groups apart, the file's mode cannot.
	 */
	if (bind(c->fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
	    chmod(addr->sun_path, 0666) < 0 || listen(c->fd, 16) < 0 ||
	    lstat(addr->sun_path, &st) < 0)
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return 0;
}

static void explain(int r, const char *path, char why[CTL_WHY_MAX])
{
	switch (-r) {
	case EADDRINUSE:
		snprintf(why, CTL_WHY_MAX, "%s: another cellmuxd listens there; give this one its own "
			 "with --run-dir or --socket", path);
		break;
	case EEXIST:
		snprintf(why, CTL_WHY_MAX, "%s: exists and is no socket, not touched; name another path "
			 "with --socket", path);
		break;
	case ENOENT:
		snprintf(why, CTL_WHY_MAX, "%s: its directory does not exist; make it, or name another "
			 "path with --socket", path);
		break;
	default:
		snprintf(why, CTL_WHY_MAX, "%s: cannot listen there: %s", path, strerror(-r));
	}
}

static int check_options(const struct ctl_options *o, struct sockaddr_un *addr,
			 char why[CTL_WHY_MAX])
{
	const char *wrong = ctl_group_check(o->reader_group) < 0 ? o->reader_group :
			    ctl_group_check(o->admin_group) < 0 ? o->admin_group : NULL;

	if (wrong) {
		snprintf(why, CTL_WHY_MAX, "section [socket]: there is no group %s; make it with "
			 "groupadd --system %s, or leave the key empty", wrong, wrong);
		return -EINVAL;
	}
	if (text_copy(text_of(o->path), addr->sun_path, sizeof(addr->sun_path)) < 0) {
		snprintf(why, CTL_WHY_MAX, "the socket's path is longer than %zu characters",
			 sizeof(addr->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	return 0;
}

int ctl_open(struct ctl **ret, struct ctl_user *user, const struct ctl_options *o,
	     const struct ctl_method *const *methods, char why[CTL_WHY_MAX])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl *c;
	int r = check_options(o, &addr, why);

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(why, CTL_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	c->fd = -1;
	c->user = user;
	c->methods = methods;
	c->o = *o;
	list_init(&c->clients);
	list_init(&c->jobs);
	r = bind_socket(c, &addr);
	if (r < 0) {
		explain(r, o->path, why);
		closep(&c->fd);
		free(c);
		return r;
	}
	c->watch.ready = on_connection;
	c->pause.fired = on_pause_over;
	ev_watch_start(&c->watch, c->fd, EV_IN);
	user->ctl = c;
	*ret = c;
	return 0;
}

void ctl_close(struct ctl *c)
{
	struct ctl_client *cl;
	struct stat st;

	if (!c)
		return;
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->pause);
	while ((cl = list_first(&c->clients, struct ctl_client, node)))
		ctl_client_drop_now(cl);
	ctl_jobs_free(c);
	close(c->fd);
	/* Another daemon may have put its own there meanwhile. */
	if (lstat(c->o.path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->o.path);
	c->user->ctl = NULL;
	free(c);
}

/* --- events ------------------------------------------------------------------------------------- */

static unsigned bit_of(const char *topic)
{
	for (unsigned i = 0; ctl_topics[i]; i++)
		if (text_eq(text_of(topic), ctl_topics[i]))
			return 1u << i;
	return 0;
}

bool ctl_wanted(const struct ctl *c, const char *topic)
{
	const struct ctl_client *cl;

	if (!c)
		return false;
	list_for_each (cl, &c->clients, node)
		if (cl->topics & bit_of(topic))
			return true;
	return false;
}

uint64_t ctl_seq(const struct ctl *c)
{
	return c ? c->seq : 0;
}

void ctl_publish(struct ctl *c, const char *topic, struct json_object *members)
{
	struct json_object *o = json_object_new_object();
	struct ctl_client *cl, *next;
	struct text line;

	json_object_object_add(members, "seq", json_object_new_int64((int64_t)++c->seq));
	json_object_object_add(members, "topic", json_object_new_string(topic));
	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "method", json_object_new_string("event"));
	json_object_object_add(o, "params", members);
	line = rpc_text(o);
	list_for_each_safe (cl, next, &c->clients, node)
		if (cl->topics & bit_of(topic))
			ctl_client_send(cl, line);
	json_object_put(o);
}
