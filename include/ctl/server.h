/* What the control layer's own files share: the server, its clients and jobs. */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "core/ev.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

struct ctl {
	struct ctl_user *user;
	const struct ctl_method *const *methods;        /* tables, ended by NULL */
	struct ctl_options o;
	struct list_node clients;
	uint64_t seq;                   /* of the last event */
	struct list_node jobs;          /* oldest first */
	uint32_t last_job;

	/* ctl.c only */
	int fd;
	struct ev_watch watch;
	struct ev_alarm pause;          /* no descriptors left: accepting waits */
	uint64_t dev, ino;              /* of the socket's file, so that only ours is removed */
};

/* builtin.c: the layer's own methods. */
struct ctl_builtin {
	const char *name;
	enum ctl_access access;
	void (*run)(struct ctl_client *cl, struct ctl_call *call, struct json_object *params);
};
extern const struct ctl_builtin ctl_builtins[];

/* What one can subscribe to, ended by NULL; a client's bit i is entry i. */
extern const char *const ctl_topics[];

/* jobs.c */
struct ctl_job *ctl_job_find(struct ctl *c, uint32_t id);      /* NULL: not known (any more) */
struct json_object *ctl_job_to_json(const struct ctl_job *job);
void ctl_jobs_free(struct ctl *c);

#endif
