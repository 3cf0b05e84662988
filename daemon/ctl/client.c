#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/log.h"
#include "ctl/rpc.h"

#define OUT_FIRST 4096

static void on_bury(struct ev_task *t)
{
	struct ctl_client *cl = container_of(t, struct ctl_client, bury);

	free(cl->out);
	free(cl);
}

void ctl_client_drop(struct ctl_client *cl, const char *why)
{
	char subject[24];

	if (cl->dead)
		return;
	cl->dead = true;
	snprintf(subject, sizeof(subject), "ctl %u", cl->number);
	log_debug(subject, "closed: %s", why);
	ev_watch_stop(&cl->watch);
	close(cl->fd);
	list_del(&cl->node);
	rpc_end_calls(cl);
	cl->bury.run = on_bury;
	ev_task_start(&cl->bury);
}

void ctl_client_drop_now(struct ctl_client *cl)
{
	ctl_client_drop(cl, "the daemon ends");
	ev_task_stop(&cl->bury);
	on_bury(&cl->bury);
}

/* --- out ------------------------------------------------------------------------------------------ */

static void watch(struct ctl_client *cl)
{
	ev_watch_start(&cl->watch, cl->fd,
		       (cl->half_closed ? 0 : EV_IN) | (cl->out_n ? EV_OUT : 0));
}

static bool is_again(int e)
{
	return e == EAGAIN || e == EWOULDBLOCK || e == EINTR;
}

/* How much of both went out; -1: the connection is broken. */
static ssize_t push(struct ctl_client *cl, struct text a, struct text b)
{
	struct iovec parts[2] = { { (void *)a.s, a.n }, { (void *)b.s, b.n } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t r = sendmsg(cl->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

	return r < 0 && is_again(errno) ? 0 : r;
}

static int queue(struct ctl_client *cl, const void *data, size_t n)
{
	size_t need = cl->out_at + cl->out_n + n, cap = cl->out_cap ? cl->out_cap : OUT_FIRST;
	uint8_t *more;

	if (cl->out_n + n > CTL_BACKLOG_MAX)
		return -ENOSPC;
	if (cl->out_at && need > cl->out_cap) {
		memmove(cl->out, cl->out + cl->out_at, cl->out_n);
		cl->out_at = 0;
		need = cl->out_n + n;
	}
	while (cap < need)
		cap *= 2;
	if (cap > cl->out_cap) {
		more = realloc(cl->out, cap);
		if (!more)
			return -ENOMEM;
		cl->out = more;
		cl->out_cap = cap;
	}
	memcpy(cl->out + cl->out_at + cl->out_n, data, n);
	cl->out_n += n;
	return 0;
}

static void drain(struct ctl_client *cl)
{
	ssize_t n = push(cl, text_from(cl->out + cl->out_at, cl->out_n), TEXT(""));

	if (n < 0) {
		ctl_client_drop(cl, "it went away");
		return;
	}
	cl->out_at += (size_t)n;
	cl->out_n -= (size_t)n;
	if (!cl->out_n) {
		/* Back to what an idle client costs. */
		free(take(cl->out));
		cl->out_at = cl->out_cap = 0;
		ctl_client_settle(cl);
	}
	if (!cl->dead)
		watch(cl);
}

void ctl_client_send(struct ctl_client *cl, struct text line)
{
	const struct text lf = TEXT("\n");
	size_t sent = 0;
	ssize_t n;

	if (cl->dead)
		return;
	if (!cl->out_n) {
		n = push(cl, line, lf);
		if (n < 0) {
			ctl_client_drop(cl, "it went away");
			return;
		}
		if ((size_t)n == line.n + lf.n)
			return;
		sent = (size_t)n;
	}
	line = text_skip(line, sent);
	if (queue(cl, line.s, line.n) < 0 || queue(cl, lf.s, lf.n) < 0) {
		log_warning("ctl", "client %u (pid %d, uid %u) does not read what it asked for, dropped",
			    cl->number, (int)cl->pid, (unsigned)cl->uid);
		ctl_client_drop(cl, "too slow");
		return;
	}
	watch(cl);
}

/* --- in ------------------------------------------------------------------------------------------- */

/* Takes one line off the buffer and has it dealt with; false: there is none. */
static bool take_line(struct ctl_client *cl)
{
	const uint8_t *data = buf_data(&cl->in), *lf = memchr(data, '\n', cl->in.len);
	char line[CTL_REQUEST_MAX + 1];
	size_t n;

	if (!lf) {
		if (cl->in.len <= CTL_REQUEST_MAX)
			return false;
		if (!cl->passing_over)
			rpc_too_long(cl);
		cl->passing_over = true;
		buf_clear(&cl->in);
		return false;
	}
	n = (size_t)(lf - data);
	memcpy(line, data, n);
	buf_drop(&cl->in, n + 1);
	if (cl->passing_over)
		cl->passing_over = false;
	else
		rpc_line(cl, text_from(line, n));
	return !cl->dead;
}

/* A peer that shut down its writing half only still wants its answers; one that is gone does not. */
static void on_end(struct ctl_client *cl)
{
	struct pollfd p = { .fd = cl->fd };

	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR))) {
		ctl_client_drop(cl, "it closed the connection");
		return;
	}
	cl->half_closed = true;
	watch(cl);
	ctl_client_settle(cl);
}

void ctl_client_settle(struct ctl_client *cl)
{
	if (!cl->dead && cl->half_closed && !cl->n_calls && !cl->out_n && !cl->topics)
		ctl_client_drop(cl, "it has its answers");
}

static void on_ready(struct ev_watch *w, unsigned what)
{
	struct ctl_client *cl = container_of(w, struct ctl_client, watch);
	size_t room = buf_room(&cl->in);
	uint8_t *at;
	ssize_t n;

	if (what & EV_OUT)
		drain(cl);
	if (cl->dead || !(what & EV_IN))
		return;
	at = buf_reserve(&cl->in, room);
	n = recv(cl->fd, at, room, MSG_DONTWAIT);
	if (n < 0 && is_again(errno))
		return;
	if (n < 0) {
		ctl_client_drop(cl, "it went away");
		return;
	}
	if (n == 0) {
		on_end(cl);
		return;
	}
	buf_grow(&cl->in, (size_t)n);
	while (take_line(cl))
		;
}

struct ctl_client *ctl_client_open(struct ctl *c, int fd, uid_t uid, pid_t pid,
				   enum ctl_access access)
{
	static unsigned numbers;
	struct ctl_client *cl = calloc(1, sizeof(*cl));

	if (!cl) {
		close(fd);
		return NULL;
	}
	cl->ctl = c;
	cl->number = ++numbers;
	cl->uid = uid;
	cl->pid = pid;
	cl->access = access;
	cl->fd = fd;
	cl->in = BUF_ON(cl->in_store);
	list_init(&cl->calls);
	list_init(&cl->node);
	cl->watch.ready = on_ready;
	watch(cl);
	return cl;
}
