#include "cellmuxctl_client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "cellmuxctl_print.h"
#include "codec/json.h"
#include "core/util.h"

#define LINE_MAX_OCTETS (1024 * 1024)
#define DEPTH_MAX 16
#define EVENTS_MAX 4096

uint64_t client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t client_in_ms(uint64_t ms)
{
	return client_now_ms() + ms;
}

/* --- connecting --------------------------------------------------------------------------------- */

static enum end cannot_connect(const struct client *c, int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		complain(c->path, "no cellmuxd listens there; is it running? (systemctl status cellmux)");
		return END_NO_DAEMON;
	case EACCES:
	case EPERM:
		complain(c->path, "permission denied; ask for membership in the group cellmux");
		return END_NO_DAEMON;
	case EAGAIN:
		complain(c->path, "cellmuxd does not take the connection within %u s; is it stuck? "
			 "(journalctl -u cellmux)", CLIENT_PATIENCE_MS / 1000);
		return END_TIME;
	default:
		complain(c->path, "cannot connect: %s; is that the socket of cellmuxd?", strerror(err));
		return END_NO_DAEMON;
	}
}

static int connect_unix(const char *path, unsigned patience_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = patience_ms / 1000 };
	_cleanup_(closep) int fd = -1;

	if (text_copy(text_of(path), sa.sun_path, sizeof(sa.sun_path)) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* connect() waits while the daemon's queue is full: this ends it with EAGAIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

enum end client_open(struct client *c)
{
	c->limit_ms = CLIENT_NEVER;
	c->in = (struct buf){ .store = malloc(LINE_MAX_OCTETS), .cap = LINE_MAX_OCTETS };
	c->events = json_object_new_array();
	c->searched = c->n_taken = 0;
	c->last_id = 0;
	c->fd = connect_unix(c->path, CLIENT_PATIENCE_MS);
	if (c->fd < 0)
		return cannot_connect(c, -c->fd);
	if (!c->in.store || !c->events) {
		complain(NULL, "out of memory");
		return END_REFUSED;
	}
	return END_OK;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->in.store);
	c->in.store = NULL;
	json_object_put(c->events);
	c->events = NULL;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* END_TIME is left to the caller to tell, here and below. */
static enum end wait_for(const struct client *c, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t until = MIN(deadline_ms, c->limit_ms);

	for (;;) {
		uint64_t now = client_now_ms();
		int ms = until == CLIENT_NEVER ? -1 : until <= now ? 0 : (int)MIN(until - now, 1000000U);
		int r = poll(&p, 1, ms);

		if (r > 0)
			return END_OK;
		if (r < 0 && errno != EINTR) {
			complain(c->path, "poll: %s", strerror(errno));
			return END_NO_DAEMON;
		}
		if (until <= client_now_ms())
			return END_TIME;
	}
}

static enum end fill(struct client *c)
{
	size_t want = MIN(buf_room(&c->in), 65536U);
	ssize_t n;

	if (!want) {
		complain(c->path, "a line of more than 1 MiB came; is that the socket of cellmuxd?");
		return END_NO_DAEMON;
	}
	do
		n = read(c->fd, buf_reserve(&c->in, want), want);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		buf_grow(&c->in, (size_t)n);
		return END_OK;
	}
	complain(c->path, "the connection broke%s%s; is cellmuxd still running? "
		 "(systemctl status cellmux)", n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
	return END_NO_DAEMON;
}

static enum end next_object(struct client *c, uint64_t deadline_ms, struct json_object **ret)
{
	struct text line, all;
	const char *why;
	struct json_object *o = NULL;

	for (;;) {
		enum end e;

		all = text_from(buf_data(&c->in), c->in.len);
		line = text_skip(all, c->searched);
		c->searched += text_find(line, '\n');
		if (c->searched < all.n)
			break;
		e = wait_for(c, deadline_ms);
		if (e == END_OK)
			e = fill(c);
		if (e != END_OK)
			return e;
	}
	line = text_from(all.s, c->searched);
	if (json_read(line, DEPTH_MAX, &o, &why) < 0) {
		complain(c->path, "the answer cannot be understood: %s; is that the socket of cellmuxd?",
			 why);
		return END_NO_DAEMON;
	}
	buf_drop(&c->in, c->searched + 1);
	c->searched = 0;
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		complain(c->path, "the answer is no object; is that the socket of cellmuxd?");
		return END_NO_DAEMON;
	}
	*ret = o;
	return END_OK;
}

static enum end send_octets(const struct client *c, struct text t)
{
	while (t.n) {
		ssize_t n = send(c->fd, t.s, t.n, MSG_NOSIGNAL);

		if (n >= 0) {
			t = text_skip(t, (size_t)n);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* Who is turned away is told so before the end: reading finds it. */
			return END_OK;
		} else if (errno == EAGAIN) {
			complain(c->path, "cellmuxd does not read; is it stuck? (journalctl -u cellmux)");
			return END_TIME;
		} else if (errno != EINTR) {
			complain(c->path, "cannot write: %s", strerror(errno));
			return END_NO_DAEMON;
		}
	}
	return END_OK;
}

static enum end send_request(const struct client *c, struct json_object *request)
{
	struct note line;
	enum end e;

	note_begin(&line);
	if (line.f)
		fprintf(line.f, "%s\n", json_object_to_json_string_ext(
				request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	note_end(&line);
	e = send_octets(c, text_from(line.s, line.n));
	note_free(&line);
	return e;
}

/* --- requests and events ------------------------------------------------------------------------ */

static const struct {
	const char *name;       /* data.name, see config/socket.md */
	enum end end;
	const char *hint;
} error_kinds[] = {
	{ "ACCESS_DENIED",    END_REFUSED, "the groups are set in cellmux.conf(5)" },
	{ "NOT_READY",        END_REFUSED, "see cellmuxctl status" },
	{ "METHOD_NOT_FOUND", END_REFUSED, "is cellmuxd older than cellmuxctl?" },
	{ "LIMIT",            END_REFUSED, "close some and try again" },
	{ "TIMEOUT",          END_TIME,    NULL },
};

enum end client_error(const struct client *c, const char *where, struct json_object *error)
{
	struct text message = json_member_text(error, "message");
	struct text name = json_member_text(json_member(error, "data"), "name");
	const char *hint = NULL;
	enum end end = END_REFUSED;

	for (size_t i = 0; i < ARRAY_SIZE(error_kinds); i++) {
		if (text_eq(name, error_kinds[i].name)) {
			end = error_kinds[i].end;
			hint = error_kinds[i].hint;
		}
	}
	if (c->json) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "error", json_object_get(error));
		print_json(stdout, o);
		json_object_put(o);
	}
	if (!message.n)
		message = TEXT("the daemon reports an error without words");
	complain(where, TEXT_FMT "%s" TEXT_FMT "%s%s%s", TEXT_ARG(message), name.n ? " (" : "",
		 TEXT_ARG(name), name.n ? ")" : "", hint ? "; " : "", hint ? hint : "");
	return end;
}

static enum end keep_event(struct client *c, struct json_object *params)
{
	if (json_object_array_length(c->events) >= EVENTS_MAX) {
		complain(c->path, "too many events came before the answer");
		return END_NO_DAEMON;
	}
	json_object_array_add(c->events, json_object_get(params));
	return END_OK;
}

static bool is_event(struct json_object *o)
{
	return text_eq(json_member_text(o, "method"), "event") && json_member(o, "params");
}

/* An error without id belongs to no request: the daemon turns this client away. */
static bool is_answer(const struct client *c, struct json_object *o)
{
	struct json_object *id = json_member(o, "id");

	if (!id)
		return json_member(o, "error") != NULL;
	return json_object_is_type(id, json_type_int) && json_object_get_int64(id) == c->last_id;
}

static enum end await_answer(struct client *c, const char *method, uint64_t patience_ms,
			     struct json_object **ret)
{
	uint64_t start = client_now_ms(), deadline = start + patience_ms;
	struct json_object *o;
	enum end e;

	for (;;) {
		/* Events without end must not keep an answer away for ever. */
		e = client_now_ms() < deadline + 1000 ? next_object(c, deadline, &o) : END_TIME;
		if (e == END_TIME) {
			complain(method, "no answer within %llu s; is cellmuxd stuck? (journalctl -u cellmux)",
				 (unsigned long long)(client_now_ms() - start + 500) / 1000);
		}
		if (e != END_OK)
			return e;
		if (is_answer(c, o)) {
			*ret = o;
			return END_OK;
		}
		if (is_event(o))
			e = keep_event(c, json_member(o, "params"));
		json_object_put(o);
		if (e != END_OK)
			return e;
	}
}

enum end client_call(struct client *c, const char *method, struct json_object *params,
		     uint64_t patience_ms, struct json_object **ret)
{
	struct json_object *o = json_object_new_object();
	enum end e;

	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "id", json_object_new_int64(++c->last_id));
	json_object_object_add(o, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(o, "params", params);
	e = send_request(c, o);
	json_object_put(o);
	if (e == END_OK)
		e = await_answer(c, method, patience_ms, &o);
	if (e != END_OK)
		return e;
	if (json_member(o, "error"))
		e = client_error(c, method, json_member(o, "error"));
	else
		*ret = json_object_get(json_member(o, "result"));
	json_object_put(o);
	return e;
}

enum end client_event(struct client *c, uint64_t deadline_ms, struct json_object **ret)
{
	struct json_object *o;
	enum end e;

	if (c->n_taken < json_object_array_length(c->events)) {
		*ret = json_object_get(json_object_array_get_idx(c->events, c->n_taken++));
		return END_OK;
	}
	for (;;) {
		e = next_object(c, deadline_ms, &o);
		if (e != END_OK)
			return e;
		if (is_event(o)) {
			*ret = json_object_get(json_member(o, "params"));
			json_object_put(o);
			return END_OK;
		}
		json_object_put(o);
	}
}
