/* What a client of the control socket may send: lines, JSON, JSON-RPC, the built-in methods. */
#include <stdint.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/util.h"
#include "ctl/client.h"
#include "ctl/server.h"
#include "unit/fake_ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void run_echo(struct ctl_user *u, struct ctl_call *call, struct json_object *params)
{
	(void)u;
	ctl_reply(call, json_object_get(params));
}

static const struct ctl_method methods[] = { { "echo", CTL_READER, run_echo }, { 0 } };

static void drain(int fd)
{
	char sink[4096];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct ctl_method *const tables[] = { methods, NULL };
	static struct ctl_user user;
	struct ctl ctl = { .user = &user, .methods = tables,
			   .o = { .reader_group = "", .admin_group = "" } };
	struct ctl_client *cl;
	int fds[2];

	log_set_level(LOG_LEVEL_ERROR);
	fake_ev_reset();
	list_init(&ctl.clients);
	list_init(&ctl.jobs);
	user.ctl = &ctl;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	cl = ctl_client_open(&ctl, fds[0], 0, 1, CTL_ADMIN);
	if (!cl)
		abort();
	list_add(&ctl.clients, &cl->node);
	for (size_t at = 0; at < n;) {
		size_t piece = MIN(n - at, (size_t)(1 + data[at] * 8));
		ssize_t k = send(fds[1], data + at, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k <= 0)
			break;
		at += (size_t)k;
		fake_ev_settle();
		drain(fds[1]);
	}
	close(fds[1]);
	fake_ev_settle();
	ctl_jobs_free(&ctl);
	if (!list_empty(&ctl.clients))
		abort();
	return 0;
}
