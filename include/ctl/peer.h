/* Who is at the other end of a control connection, and what that one may do. */
#ifndef CTL_PEER_H
#define CTL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/ctl.h"

struct ctl_peer {
	uid_t uid;
	pid_t pid;
	bool may;                       /* at all */
	enum ctl_access access;
};

/* By SO_PEERCRED and SO_PEERGROUPS, unix(7): as they were at connect(). 0 or -errno. */
int ctl_peer_find(int fd, const struct ctl_options *o, struct ctl_peer *ret);
/* A group that is configured must exist: 0, or -ENOENT. "" is fine. */
int ctl_group_check(const char *name);

#endif
