/*
 * One connection to cellmuxd: requests that wait for their answer, and events. Blocking, with a
 * deadline on every wait. What goes wrong is told on standard error here, in one line, and comes
 * back as the exit code of the program.
 */
#ifndef CELLMUXCTL_CLIENT_H
#define CELLMUXCTL_CLIENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

#define CLIENT_SOCKET "/run/cellmux/cellmux.sock"
#define CLIENT_PATIENCE_MS 10000
#define CLIENT_NEVER UINT64_MAX

/* How a command ends: the exit codes of the program. */
enum end {
	END_OK = 0,
	END_REFUSED = 1,        /* the daemon said no */
	END_USAGE = 2,
	END_NO_DAEMON = 3,      /* no connection, or it broke, or that is no cellmuxd */
	END_TIME = 4,
	END_MODULE = 5,         /* the module answered ERROR */
};

struct client {
	const char *path;
	bool json;                      /* error objects go to standard output as well */
	uint64_t limit_ms;              /* every deadline is cut to it; CLIENT_NEVER: none */
	/* client.c only */
	int fd;
	struct buf in;
	size_t searched;                /* octets of in without an LF */
	struct json_object *events;     /* came while an answer was awaited */
	size_t n_taken;                 /* of events */
	int64_t last_id;
};

/* Milliseconds of a clock that only rises. */
uint64_t client_now_ms(void);
uint64_t client_in_ms(uint64_t ms);

/* path and json are set by the caller before, the rest is set here. */
enum end client_open(struct client *c);
/* Also after client_open() has failed. */
void client_close(struct client *c);

/* params is taken over, may be NULL. The result (NULL where it is null) is the caller's. */
enum end client_call(struct client *c, const char *method, struct json_object *params,
		     uint64_t patience_ms, struct json_object **ret);

/* The params of the next event, the caller's. END_TIME is not told: the caller knows what it means. */
enum end client_event(struct client *c, uint64_t deadline_ms, struct json_object **ret);

/* Tells what an error object of an answer or a job says; the exit code that goes with it. */
enum end client_error(const struct client *c, const char *where, struct json_object *error);

#endif
