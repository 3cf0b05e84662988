#include "ctl/peer.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>

/* linux/limits.h: no process has more. A list that does not fit is none. */
#define GROUPS_MAX 1024

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

struct groups {
	gid_t list[GROUPS_MAX + 1];
	size_t n;
};

static bool is_member(const struct groups *groups, const char *name)
{
	const struct group *g = name[0] ? getgrnam(name) : NULL;

	for (size_t i = 0; g && i < groups->n; i++)
		if (groups->list[i] == g->gr_gid)
			return true;
	return false;
}

int ctl_group_check(const char *name)
{
	return !name[0] || getgrnam(name) ? 0 : -ENOENT;
}

int ctl_peer_find(int fd, const struct ctl_options *o, struct ctl_peer *ret)
{
	struct ucred cred;
	struct groups groups = { .n = 0 };
	socklen_t n = sizeof(cred), size = GROUPS_MAX * sizeof(gid_t);
	bool admin;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	/* Kernels before 4.13 do not tell; the primary group alone counts then. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.list, &size) == 0)
		groups.n = size / sizeof(gid_t);
	groups.list[groups.n++] = cred.gid;

	admin = cred.uid == 0 || cred.uid == geteuid() || is_member(&groups, o->admin_group);
	ret->uid = cred.uid;
	ret->pid = cred.pid;
	ret->access = admin ? CTL_ADMIN : CTL_READER;
	ret->may = admin || !o->reader_group[0] || is_member(&groups, o->reader_group);
	return 0;
}
