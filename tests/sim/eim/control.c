#include "sim/eim/control.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/util.h"
#include "sim/eim/command.h"

#define CLIENTS_MAX 32
#define LINE_MAX_IN 65536
#define WORDS_MAX 256

struct client {
	struct list_node node;
	struct se_control *control;
	struct ev_watch watch;
	struct ev_alarm alarm;
	int fd;
	char *in;
	size_t in_n;
	struct json_object *request;    /* the one that waits; NULL: none */
	bool follows;
};

static struct se_control *the_control;

static void client_close(struct client *k)
{
	ev_watch_stop(&k->watch);
	ev_alarm_stop(&k->alarm);
	close(k->fd);
	list_del(&k->node);
	k->control->n--;
	json_object_put(k->request);
	free(k->in);
	free(k);
}

/* Blocking: the other side is on this machine and reads what it asked for; bounded by a timeout. */
static bool client_say(struct client *k, struct json_object *o)
{
	size_t n, at = 0;
	const char *s = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &n);
	char lf = '\n';

	while (at < n) {
		ssize_t did = send(k->fd, s + at, n - at, MSG_NOSIGNAL);

		if (did <= 0)
			return false;
		at += (size_t)did;
	}
	return send(k->fd, &lf, 1, MSG_NOSIGNAL) == 1;
}

static bool answer(struct client *k, int code, const char *out)
{
	struct json_object *o = json_object_new_object();
	bool good;

	if (code != SE_EXIT_WAIT)
		json_object_object_add(o, "code", json_object_new_int(code));
	json_object_object_add(o, "out", json_object_new_string(out));
	good = client_say(k, o);
	json_object_put(o);
	return good;
}

/* The words of a request: how many, or -1. */
static int words_of(struct json_object *request, const char *words[WORDS_MAX], const char **ret_dir)
{
	struct json_object *argv = NULL, *dir = NULL;
	size_t n;

	if (!json_object_object_get_ex(request, "argv", &argv) ||
	    !json_object_is_type(argv, json_type_array))
		return -1;
	n = json_object_array_length(argv);
	if (n > WORDS_MAX)
		return -1;
	for (size_t i = 0; i < n; i++)
		words[i] = json_object_get_string(json_object_array_get_idx(argv, i));
	for (size_t i = 0; i < n; i++) {
		if (!words[i])
			return -1;
	}
	json_object_object_get_ex(request, "dir", &dir);
	*ret_dir = dir ? json_object_get_string(dir) : ".";
	return (int)n;
}

/* Runs what the client waits for. False: the client is gone. */
static bool client_run(struct client *k, bool last)
{
	const char *words[WORDS_MAX];
	struct se_command c = { .last = last, .argv = (char *const *)words };
	_cleanup_(freep) char *out = NULL;
	size_t n;
	int code = SE_EXIT_USAGE;

	c.argc = words_of(k->request, words, &c.dir);
	if (c.argc > 0 && !strcmp(words[0], "log")) {
		k->follows = true;
		return true;
	}
	c.out = open_memstream(&out, &n);
	if (c.out) {
		if (c.argc < 0)
			fprintf(c.out, "sim-eim: the request was not understood\n");
		else
			code = se_command_run(k->control->server, &c);
		fclose(c.out);
	}
	if (code == SE_EXIT_WAIT)
		return true;
	ev_alarm_stop(&k->alarm);
	json_object_put(k->request);
	k->request = NULL;
	if (!answer(k, code, out ? out : "")) {
		client_close(k);
		return false;
	}
	return true;
}

static void client_line(struct client *k, const char *line)
{
	const char *words[WORDS_MAX], *dir;
	unsigned patience;
	int n;

	if (k->request)
		return;
	k->request = json_tokener_parse(line);
	n = k->request ? words_of(k->request, words, &dir) : -1;
	if (n < 0) {
		json_object_put(k->request);
		k->request = NULL;
		if (!answer(k, SE_EXIT_USAGE, "sim-eim: the request was not understood\n"))
			client_close(k);
		return;
	}
	patience = se_command_patience_s(n, (char *const *)words);
	if (patience)
		ev_alarm_start(&k->alarm, patience * 1000);
	client_run(k, !patience);
	/* An order may be what another client waits for, or unmake it. */
	se_control_poke(the_control);
}

static void on_client(struct ev_watch *w, unsigned what)
{
	struct client *k = container_of(w, struct client, watch);
	char *lf;
	ssize_t n;

	(void)what;
	n = recv(k->fd, k->in + k->in_n, LINE_MAX_IN - k->in_n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(k);
		return;
	}
	k->in_n += (size_t)n;
	lf = memchr(k->in, '\n', k->in_n);
	if (!lf) {
		if (k->in_n == LINE_MAX_IN)
			client_close(k);
		return;
	}
	/* One request at a time: what comes behind it is not looked at. */
	*lf = '\0';
	k->in_n = 0;
	client_line(k, k->in);
}

static void on_alarm(struct ev_alarm *a)
{
	struct client *k = container_of(a, struct client, alarm);

	if (k->request)
		client_run(k, true);
}

static void on_accept(struct ev_watch *w, unsigned what)
{
	struct se_control *t = container_of(w, struct se_control, watch);
	struct timeval patience = { .tv_sec = 2 };
	int fd = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *k;

	(void)what;
	if (fd < 0)
		return;
	k = t->n < CLIENTS_MAX ? calloc(1, sizeof(*k)) : NULL;
	if (k)
		k->in = malloc(LINE_MAX_IN + 1);
	if (!k || !k->in) {
		free(k);
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	k->control = t;
	k->fd = fd;
	k->watch.ready = on_client;
	k->alarm.fired = on_alarm;
	list_add(&t->clients, &k->node);
	t->n++;
	ev_watch_start(&k->watch, fd, EV_IN);
}

void se_control_poke(struct se_control *t)
{
	struct client *k, *tmp;

	list_for_each_safe(k, tmp, &t->clients, node) {
		if (k->request && !k->follows)
			client_run(k, false);
	}
}

static void on_log(const char *line)
{
	struct client *k, *tmp;
	char text[2100];

	snprintf(text, sizeof(text), "%s\n", line);
	list_for_each_safe(k, tmp, &the_control->clients, node) {
		/* One that is gone is noticed by its watch. */
		if (k->follows)
			(void)answer(k, SE_EXIT_WAIT, text);
	}
}

int se_control_start(struct se_control *t, struct se_server *s, char why[256])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int r = 0;

	*t = (struct se_control){ .server = s, .fd = -1 };
	list_init(&t->clients);
	t->watch.ready = on_accept;
	if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/control.sock", s->eim->dir) >=
	    (int)sizeof(at.sun_path)) {
		snprintf(why, 256, "the directory's name is too long for a socket");
		return -ENAMETOOLONG;
	}
	snprintf(t->path, sizeof(t->path), "%s", at.sun_path);
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* One that still answers belongs to a running server; else its server was killed. */
	if (t->fd >= 0 && connect(t->fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		snprintf(why, 256, "a server is running in this directory already");
		close(t->fd);
		return -EBUSY;
	}
	unlink(at.sun_path);
	if (t->fd < 0 || bind(t->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(t->fd, 16) < 0) {
		r = -errno;
		snprintf(why, 256, "control.sock: %s", strerror(errno));
		if (t->fd >= 0)
			close(t->fd);
		return r;
	}
	the_control = t;
	se_log_follower = on_log;
	ev_watch_start(&t->watch, t->fd, EV_IN);
	return 0;
}

void se_control_stop(struct se_control *t)
{
	struct client *k;

	se_log_follower = NULL;
	while ((k = list_first(&t->clients, struct client, node)))
		client_close(k);
	ev_watch_stop(&t->watch);
	close(t->fd);
	unlink(t->path);
}
