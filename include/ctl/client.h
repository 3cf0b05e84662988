/*
 * A connection to the control socket: lines in, lines out, both bounded. Knows nothing of JSON;
 * what a line means is rpc.c's business.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <sys/types.h>

#include "core/buf.h"
#include "core/ev.h"
#include "core/text.h"
#include "ctl/ctl.h"

struct ctl_client {
	struct ctl *ctl;
	unsigned number;                /* for the log */
	uid_t uid;
	pid_t pid;
	enum ctl_access access;
	unsigned topics;                /* what it subscribed to: bits of ctl_topics[] */
	struct list_node calls;         /* struct ctl_call, unanswered */
	unsigned n_calls;
	struct list_node node;

	/* client.c only */
	int fd;
	struct ev_watch watch;
	struct ev_task bury;            /* frees it, outside of anybody's call */
	struct buf in;
	uint8_t in_store[CTL_REQUEST_MAX + 1];
	bool passing_over;              /* the rest of a line that was too long */
	bool half_closed;               /* it will not ask any more, but waits for answers */
	bool dead;
	uint8_t *out;                   /* not yet sent; NULL: nothing is */
	size_t out_at, out_n, out_cap;
};

/* Takes the descriptor over, also when it fails. NULL: out of memory. */
struct ctl_client *ctl_client_open(struct ctl *c, int fd, uid_t uid, pid_t pid,
				   enum ctl_access access);
/*
 * Ends the connection and the calls of this client; it is freed from the loop. why is for the
 * log. Calling it again does nothing.
 */
void ctl_client_drop(struct ctl_client *cl, const char *why);
/* The same when the loop will not run any more: frees it at once. */
void ctl_client_drop_now(struct ctl_client *cl);
/* One line without its LF. The client is dropped when it does not read. */
void ctl_client_send(struct ctl_client *cl, struct text line);
/* A call has been answered: a client that only waited for it may go. */
void ctl_client_settle(struct ctl_client *cl);

#endif
