#include "sim/smdp/control.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/ev.h"
#include "core/list.h"
#include "core/util.h"
#include "sim/smdp/command.h"
#include "sim/smdp/store.h"

#define LINE_MAX_LEN 65536
#define ANSWER_MAX (32u << 20)
#define ARGS_MAX 64
#define CLIENTS_MAX 32

struct client {
	struct list_node node;
	struct sdp_control *control;
	struct ev_watch watch;
	struct ev_alarm alarm;          /* the end of its patience */
	int fd;
	char in[LINE_MAX_LEN];
	size_t in_n;
	struct json_object *command;    /* being waited for, or NULL */
	char *out;
	size_t out_n, out_at;
};

struct sdp_control {
	struct sdp *s;
	struct ev_watch watch;
	int fd, lock;
	struct list_node clients;
	size_t clients_n;
	struct ev_task task;            /* looks after those who wait */
	struct list_node node;          /* among the control sockets of this process */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static struct list_node all = { &all, &all };

static void client_free(struct client *c)
{
	ev_watch_stop(&c->watch);
	ev_alarm_stop(&c->alarm);
	list_del(&c->node);
	c->control->clients_n--;
	json_object_put(c->command);
	close(c->fd);
	free(c->out);
	free(c);
}

static void send_rest(struct client *c)
{
	while (c->out_at < c->out_n) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			ev_watch_start(&c->watch, c->fd, EV_OUT);
			return;
		}
		if (n <= 0)
			break;
		c->out_at += (size_t)n;
	}
	client_free(c);
}

static void answer(struct client *c, int code, const char *text)
{
	struct json_object *o = json_object_new_object();
	const char *line;
	size_t n;

	sdp_json_put_number(o, "exit", code);
	sdp_json_put_text(o, "text", text);
	line = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &n);
	c->out = sdp_alloc(n + 1);
	memcpy(c->out, line, n);
	c->out[n] = '\n';
	c->out_n = n + 1;
	json_object_put(o);
	json_object_put(c->command);
	c->command = NULL;
	ev_alarm_stop(&c->alarm);
	send_rest(c);
}

static int args_of(struct json_object *command, char **argv)
{
	size_t n = json_object_is_type(command, json_type_array) ?
		   json_object_array_length(command) : 0;

	if (n == 0 || n >= ARGS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(command, i);

		if (!json_object_is_type(o, json_type_string))
			return -EINVAL;
		argv[i] = (char *)json_object_get_string(o);
	}
	argv[n] = NULL;
	return (int)n;
}

/* Tries the command; if it is to wait and may, it stays. */
static void try_command(struct client *c, bool last)
{
	char *argv[ARGS_MAX], *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	int argc = args_of(c->command, argv), code;

	if (!out)
		abort();
	if (argc < 0) {
		fprintf(out, "a command is a JSON list of strings\n");
		code = SDP_EXIT_USAGE;
	} else {
		code = sdp_command(c->control->s, argc, argv, out);
	}
	fclose(out);
	if (code != SDP_EXIT_NOT_YET || last)
		answer(c, code == SDP_EXIT_NOT_YET ? SDP_EXIT_FAILED : code, text);
	else if (!c->alarm.active)
		ev_alarm_start(&c->alarm, sdp_command_patience(argc, argv));
	free(text);
}

static void on_patience(struct ev_alarm *a)
{
	try_command(container_of(a, struct client, alarm), true);
}

static void on_client(struct ev_watch *w, unsigned what)
{
	struct client *c = container_of(w, struct client, watch);
	struct sdp_control *k = c->control;
	char *end;
	ssize_t n;

	if (what & EV_OUT) {
		send_rest(c);
		return;
	}
	n = read(c->fd, c->in + c->in_n, sizeof(c->in) - c->in_n);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_free(c);
		return;
	}
	c->in_n += (size_t)n;
	end = memchr(c->in, '\n', c->in_n);
	if (!end && c->in_n < sizeof(c->in))
		return;
	if (!end || c->command) {
		client_free(c);         /* longer than anybody needs, or a second one */
		return;
	}
	*end = '\0';
	c->command = json_tokener_parse(c->in);
	c->in_n = 0;
	try_command(c, false);
	ev_task_start(&k->task);        /* what it changed others may wait for */
}

static void on_caller(struct ev_watch *w, unsigned what)
{
	struct sdp_control *k = container_of(w, struct sdp_control, watch);
	int fd = accept4(k->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)what;
	if (fd < 0)
		return;
	if (k->clients_n == CLIENTS_MAX) {
		close(fd);
		return;
	}
	c = sdp_alloc(sizeof(*c));
	c->control = k;
	c->fd = fd;
	c->watch.ready = on_client;
	c->alarm.fired = on_patience;
	list_add(&k->clients, &c->node);
	k->clients_n++;
	ev_watch_start(&c->watch, fd, EV_IN);
}

static void look_after(struct ev_task *t)
{
	struct sdp_control *k = container_of(t, struct sdp_control, task);
	struct client *c, *tmp;

	list_for_each_safe(c, tmp, &k->clients, node) {
		if (c->command)
			try_command(c, false);
	}
}

/* Not from inside the request: the command may remove what it is about. */
static void on_changed(struct sdp *s)
{
	struct sdp_control *k;

	list_for_each(k, &all, node) {
		if (k->s == s)
			ev_task_start(&k->task);
	}
}

static int address_of(const char *dir, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	return snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/control.sock", dir) >=
	       (int)sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

int sdp_control_open(struct sdp *s, struct sdp_control **ret)
{
	struct sdp_control *k = sdp_alloc(sizeof(*k));
	struct sockaddr_un a;
	char path[PATH_MAX];
	int r = address_of(s->dir, &a);

	k->s = s;
	k->fd = k->lock = -1;
	list_init(&k->clients);
	list_init(&k->node);
	if (r == 0) {
		snprintf(path, sizeof(path), "%s/lock", s->dir);
		k->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (k->lock < 0)
			r = -errno;
		else if (flock(k->lock, LOCK_EX | LOCK_NB) < 0)
			r = -EADDRINUSE;
	}
	if (r == 0) {
		unlink(a.sun_path);     /* nobody's: the lock is ours */
		k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (k->fd < 0 || bind(k->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		    listen(k->fd, 16) < 0)
			r = -errno;
		else
			memcpy(k->path, a.sun_path, sizeof(k->path));
	}
	if (r < 0) {
		sdp_control_close(k);
		return r;
	}
	k->watch.ready = on_caller;
	k->task.run = look_after;
	ev_watch_start(&k->watch, k->fd, EV_IN);
	list_add(&all, &k->node);
	s->changed = on_changed;
	*ret = k;
	return 0;
}

void sdp_control_close(struct sdp_control *k)
{
	struct client *c, *tmp;

	if (!k)
		return;
	list_for_each_safe(c, tmp, &k->clients, node)
		client_free(c);
	list_del(&k->node);
	ev_watch_stop(&k->watch);
	ev_task_stop(&k->task);
	if (k->path[0])
		unlink(k->path);
	if (k->fd >= 0)
		close(k->fd);
	if (k->lock >= 0)
		close(k->lock);
	free(k);
}

/* --- the client ------------------------------------------------------------------------------- */

static int send_command(int fd, int argc, char **argv)
{
	struct json_object *list = json_object_new_array();
	const char *line;
	size_t n;
	int r = 0;

	for (int i = 0; i < argc; i++)
		json_object_array_add(list, json_object_new_string(argv[i]));
	line = json_object_to_json_string_length(list, JSON_C_TO_STRING_PLAIN, &n);
	if (n + 1 >= LINE_MAX_LEN)
		r = -E2BIG;
	else if (send(fd, line, n, MSG_NOSIGNAL) != (ssize_t)n || send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
		r = -EPIPE;
	json_object_put(list);
	return r;
}

/* Everything until the server closes; freed by the caller. */
static char *hear(int fd, unsigned ms)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	struct pollfd p = { fd, POLLIN, 0 };
	bool whole = false;
	char piece[4096];
	size_t all_n = 0;

	while (f && all_n < ANSWER_MAX && poll(&p, 1, (int)ms) > 0) {
		ssize_t k = read(fd, piece, sizeof(piece));

		if (k <= 0) {
			whole = k == 0 && all_n;
			break;
		}
		fwrite(piece, 1, (size_t)k, f);
		all_n += (size_t)k;
	}
	if (f)
		fclose(f);
	if (!whole) {
		free(text);
		return NULL;
	}
	return text;
}

int sdp_control_ask(const char *dir, int argc, char **argv, unsigned ms, int *ret_exit)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_(freep) char *line = NULL;
	struct sockaddr_un a;
	struct json_object *o;
	const char *text;
	int r = address_of(dir, &a);

	if (fd < 0)
		return -errno;
	if (r == 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		r = -errno;
	if (r == 0)
		r = send_command(fd, argc, argv);
	if (r < 0)
		return r;
	line = hear(fd, ms);
	o = line ? json_tokener_parse(line) : NULL;
	if (!o)
		return -ETIMEDOUT;
	text = json_object_get_string(json_object_object_get(o, "text"));
	*ret_exit = (int)sdp_json_number(o, "exit", SDP_EXIT_FAILED);
	if (text)
		fputs(text, *ret_exit == SDP_EXIT_OK ? stdout : stderr);
	json_object_put(o);
	return 0;
}
