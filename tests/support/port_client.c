#include "support/port_client.h"

#include "support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/util.h"
#include "support/rig.h"

#define PATIENCE_MS 10000

struct rig_program *port_daemon_start(struct rig *r, const char *conf)
{
	const char *path = rig_path(r, "ports.conf");
	FILE *f = fopen(path, "w");
	struct rig_program *p;

	assert_non_null(f);
	fputs(conf, f);
	assert_int_equal(fclose(f), 0);
	p = rig_start_daemon(r, "-c", path, NULL);
	if (!rig_wait_state(r, "ready", 60000))
		fail_msg("not ready\n%s", p->said);
	return p;
}

void port_wait_channel(struct rig *r, unsigned i)
{
	unsigned long long end = rig_now_ms() + PATIENCE_MS;
	static struct rig_client c;
	bool there = false;

	assert_int_equal(rig_dial(&c, rig_path(r, "cellmux.sock"), 1000), 0);
	while (!there) {
		struct json_object *o = rig_ask(&c, "status", NULL, 5000);
		struct json_object *port = json_object_array_get_idx(json_object_object_get(o, "ports"), i);

		there = json_object_object_get(port, "channel") != NULL;
		json_object_put(o);
		assert_true(rig_now_ms() < end);
		poll(NULL, 0, there ? 0 : 10);
	}
	rig_hang_up(&c);
}

static void forget(struct port_client *c)
{
	c->n = 0;
	c->in[0] = '\0';
}

void port_client_open(struct port_client *c, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	forget(c);
	assert_int_equal(stat(path, &st), 0);
	if (S_ISSOCK(st.st_mode)) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
		assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	} else {
		c->fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	assert_true(c->fd >= 0);
}

void port_client_close(struct port_client *c)
{
	close(c->fd);
	c->fd = -1;
}

void port_client_type(struct port_client *c, const char *s)
{
	assert_int_equal(write(c->fd, s, strlen(s)), strlen(s));
}

bool port_client_take(struct port_client *c, unsigned ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t r;

	if (poll(&p, 1, (int)ms) <= 0 || c->n + 1 >= sizeof(c->in))
		return false;
	r = read(c->fd, c->in + c->n, sizeof(c->in) - 1 - c->n);
	if (r <= 0)
		return false;
	c->n += (size_t)r;
	c->in[c->n] = '\0';
	return true;
}

static unsigned left(unsigned long long end)
{
	unsigned long long now = rig_now_ms();

	return now < end ? (unsigned)(end - now) : 0;
}

bool port_client_wait(struct port_client *c, const char *text, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;

	while (!strstr(c->in, text))
		if (!port_client_take(c, left(end)))
			return false;
	return true;
}

const char *port_client_ask(struct port_client *c, const char *line, const char *end, const char *said)
{
	unsigned long long deadline = rig_now_ms() + PATIENCE_MS;
	size_t n = strlen(end);

	forget(c);
	port_client_type(c, line);
	while (c->n < n || memcmp(c->in + c->n - n, end, n) != 0) {
		if (!left(deadline) || (c->n > 9 && strstr(c->in, "\r\nERROR\r\n")))
			fail_msg("%s: '%s'\n%s", line, c->in, said ? said : "");
		port_client_take(c, MIN(left(deadline), 100));
	}
	return c->in;
}
