/*
 * The control socket: JSON-RPC 2.0, one object per line, for local programs. This layer knows
 * peers, permissions, bounds, subscriptions and jobs; what the methods do it learns from tables.
 *
 * hello, subscribe, job.get, job.cancel and log.level are its own; everything else is given at
 * ctl_open(). config/socket.md is the description of every method, field, event and error.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <json-c/json.h>
#include <stdint.h>

#include "core/list.h"

#define CTL_VERSION_MAJOR 1
#define CTL_VERSION_MINOR 0

#define CTL_REQUEST_MAX   16384         /* octets of a request line */
#define CTL_DEPTH_MAX     16            /* nesting of a request */
#define CTL_CLIENTS_MAX   32
#define CTL_CALLS_MAX     16            /* unanswered calls of one client */
#define CTL_BACKLOG_MAX   262144        /* octets not yet read by a client: beyond, it is dropped */
#define CTL_WHY_MAX       256

enum ctl_access {
	CTL_READER,             /* may look */
	CTL_ADMIN,              /* may change */
};

/* Stable names on the socket; config/socket.md says when each one occurs. */
enum ctl_error {
	CTL_PARSE_ERROR, CTL_INVALID_REQUEST, CTL_METHOD_NOT_FOUND, CTL_INVALID_PARAMS,
	CTL_INTERNAL_ERROR,
	CTL_ACCESS_DENIED, CTL_LIMIT, CTL_NOT_READY, CTL_NOT_FOUND, CTL_BUSY,
	CTL_COMMAND_REFUSED,    /* an AT command that would break the sharing of the line */
	CTL_NOT_CONFIGURED,     /* what it needs is not in the configuration */
	/* the kinds of core/cause.h */
	CTL_TIMEOUT, CTL_REFUSED, CTL_MALFORMED, CTL_LINK_LOST, CTL_CANCELLED,
	_CTL_ERROR_MAX
};

struct ctl;

/* What the methods work on: embedded in who opens the socket, found again by container_of. */
struct ctl_user {
	struct ctl *ctl;        /* set by ctl_open() */
};

/*
 * One request that waits for its answer. Exactly one of ctl_reply() and ctl_fail() ends it, from
 * inside run() or later. If the client goes away first, gone() is called (where it is set) and the
 * call is over: no answer may follow. Who does not set gone may answer into the void.
 */
struct ctl_call {
	void (*gone)(struct ctl_call *call);
	void *owner;            /* the method's own, for gone() */
	/* ctl only */
	struct ctl_client *client;
	struct json_object *id;
	bool quiet;             /* a notification: nobody wants an answer */
	struct list_node node;
};

struct ctl_method {
	const char *name;               /* "modem.reset" */
	enum ctl_access access;
	/* params: an object, empty where the request has none; valid until run() returns. */
	void (*run)(struct ctl_user *u, struct ctl_call *call, struct json_object *params);
};

struct ctl_options {
	const char *path;               /* of the socket; an abandoned one is replaced */
	const char *reader_group;       /* "" everybody who can open the socket may look */
	const char *admin_group;        /* "" root and the daemon's own user only */
};

/*
 * 0, or a negative errno and one line in why. -EADDRINUSE: another daemon listens there. methods
 * are tables, each ended by an entry without name, NULL behind the last one; they must stay. root, and the user the daemon runs as, are
 * always admins.
 */
int ctl_open(struct ctl **ret, struct ctl_user *user, const struct ctl_options *o,
	     const struct ctl_method *const *methods, char why[CTL_WHY_MAX]);
/* Tells nobody, drops all clients, removes the socket. gone() is called for open calls. */
void ctl_close(struct ctl *c);

/* The result is taken over. */
void ctl_reply(struct ctl_call *call, struct json_object *result);
/* message: one line for people. data: more members for error.data, taken over; may be NULL. */
void ctl_fail(struct ctl_call *call, enum ctl_error error, const char *message,
	      struct json_object *data);

const char *ctl_error_name(enum ctl_error error);

/*
 * An event to all who subscribed to the topic ("modem", "job"): the next sequence number is added
 * to the members, which are taken over.
 */
void ctl_publish(struct ctl *c, const char *topic, struct json_object *members);
/* The number of the last event: what a snapshot made now is complete up to. */
uint64_t ctl_seq(const struct ctl *c);
/* True if anybody would get an event of this topic: else it need not be put together. */
bool ctl_wanted(const struct ctl *c, const char *topic);

/* --- jobs: operations that take longer than a client should wait for an answer --------------- */

enum ctl_job_state { CTL_JOB_RUNNING, CTL_JOB_DONE, CTL_JOB_FAILED, CTL_JOB_CANCELLED };

#define CTL_JOBS_KEPT 16        /* ended ones that job.get still knows */

/*
 * Owned by ctl. The starter keeps the pointer until it ends the job by ctl_job_done() or
 * ctl_job_fail(), and not longer. cancel() asks it to stop soon; it must still end the job.
 * NULL: cannot be cancelled.
 */
struct ctl_job {
	void (*cancel)(struct ctl_job *job);
	void *owner;
	/* ctl only */
	struct ctl *ctl;
	struct list_node node;
	uint32_t id;
	const char *name;
	enum ctl_job_state state;
	int percent;
	char text[128];
	struct json_object *result;
	uint64_t started_ms, ended_ms;
};

/* NULL: too many jobs are running (answer BUSY). name: static, the method's. */
struct ctl_job *ctl_job_start(struct ctl *c, const char *name);
/* Ends the call with { "job": id }. */
void ctl_job_reply(struct ctl_call *call, const struct ctl_job *job);
/* percent: 0 to 100, -1 unknown. Told to subscribers of "job". */
void ctl_job_progress(struct ctl_job *job, int percent, const char *text);
void ctl_job_done(struct ctl_job *job, struct json_object *result);
void ctl_job_fail(struct ctl_job *job, enum ctl_error error, const char *message);
/* BUSY, for this job is under way. */
void ctl_job_refuse(struct ctl_call *call, const struct ctl_job *job);

#endif
