#include "support/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/util.h"

static int op_write(struct pipe *p, const void *data, size_t n)
{
	struct wire *w = container_of(p, struct wire, pipe);

	if (w->dead)
		return -EPIPE;
	if (w->refuse)
		return -ENOSPC;
	assert(n <= sizeof(w->written) - w->written_n);
	memcpy(w->written + w->written_n, data, n);
	w->written_n += n;
	ev_task_start(&w->notice);
	return 0;
}

static size_t op_backlog(const struct pipe *p)
{
	(void)p;
	return 0;
}

static void op_hold(struct pipe *p, bool on)
{
	struct wire *w = container_of(p, struct wire, pipe);

	w->held = on;
	if (!on && w->in.len)
		ev_task_start(&w->deliver);
}

static const struct pipe_ops ops = { .write = op_write, .backlog = op_backlog, .hold = op_hold };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void on_deliver(struct ev_task *t)
{
	struct wire *w = container_of(t, struct wire, deliver);
	size_t n = w->in.len;
	char piece[4096];

	if (w->dead || (w->held && n))
		return;
	if (w->chunk && n > w->chunk)
		n = w->chunk;
	if (w->chunk > 1 && n > 1 && w->seed)
		n = 1 + next_random(&w->seed) % n;
	n = MIN(n, sizeof(piece));
	if (n) {
		memcpy(piece, buf_data(&w->in), n);
		buf_drop(&w->in, n);
		ev_task_start(&w->deliver);
		if (w->pipe.user)
			w->pipe.user->received(w->pipe.user, text_from(piece, n));
		return;
	}
	if (w->hang_up) {
		w->dead = true;
		if (w->pipe.user)
			w->pipe.user->hung_up(w->pipe.user, w->error);
	}
}

static void on_notice(struct ev_task *t)
{
	struct wire *w = container_of(t, struct wire, notice);

	if (w->wrote && !w->dead)
		w->wrote(w);
}

void wire_open(struct wire *w)
{
	w->pipe = (struct pipe){ .ops = &ops };
	w->in = BUF_ON(w->store);
	w->deliver.run = on_deliver;
	w->notice.run = on_notice;
	w->written_n = 0;
	w->hang_up = w->dead = w->held = false;
}

void wire_close(struct wire *w)
{
	ev_task_stop(&w->deliver);
	ev_task_stop(&w->notice);
	w->dead = true;
}

void wire_feed(struct wire *w, const void *data, size_t n)
{
	if (w->dead)
		return;
	int r = buf_put(&w->in, data, n);

	assert(r == 0);
	(void)r;
	ev_task_start(&w->deliver);
}

void wire_feed_text(struct wire *w, const char *s)
{
	wire_feed(w, s, strlen(s));
}

void wire_hang_up(struct wire *w, int error)
{
	w->hang_up = true;
	w->error = error;
	ev_task_start(&w->deliver);
}

static void drop_written(struct wire *w, size_t n)
{
	memmove(w->written, w->written + n, w->written_n - n);
	w->written_n -= n;
}

const char *wire_take_line(struct wire *w)
{
	static char line[8192];
	char *end = memchr(w->written, '\r', w->written_n);
	size_t n, used;

	if (!end)
		return NULL;
	n = (size_t)(end - w->written);
	used = n + 1;
	assert(n < sizeof(line));
	memcpy(line, w->written, n);
	line[n] = '\0';
	/* Some ends a line with CR LF. */
	if (used < w->written_n && w->written[used] == '\n')
		used++;
	drop_written(w, used);
	return line;
}

const char *wire_take_all(struct wire *w)
{
	static char all[65537];

	memcpy(all, w->written, w->written_n);
	all[w->written_n] = '\0';
	w->written_n = 0;
	return all;
}
