/*
 * Notifications on to the servers they are for: installation results of indirect downloads to
 * their SM-DP+, others to the address they name. Tried again where a server is not there; results
 * survive the program, in the state of their package.
 */
#ifndef SIM_EIM_FORWARD_H
#define SIM_EIM_FORWARD_H

#include "core/ev.h"
#include "sim/eim/eim.h"
#include "sim/eim/route.h"

#define SE_FORWARDS_MAX 64
#define SE_FORWARD_TRIES 8              /* 1, 2, 4 … 64 s between them */

struct se_forwards {
	struct se_eim *eim;
	const struct se_routes *routes;
	struct list_node list;
	unsigned n;
};

void se_forwards_init(struct se_forwards *f, struct se_eim *e, const struct se_routes *routes);
void se_forwards_done(struct se_forwards *f);
/*
 * A notification, whole, to this server. With a package it is the result of its download, and the
 * package tells what became of it; it must have a card.
 */
void se_forward(struct se_forwards *f, struct se_card *c, struct se_package *p, const char *address,
		struct octets note);
/* Results that were under way when the program ended. */
void se_forward_pending(struct se_forwards *f);

#endif
