/*
 * The control socket DIR/control.sock. A request is one line, {"dir": "…", "argv": ["queue", …]};
 * the answer one line, {"code": 0, "out": "…"}. "log" answers every new line of the log with
 * {"out": "…"} until the client goes.
 */
#ifndef SIM_EIM_CONTROL_H
#define SIM_EIM_CONTROL_H

#include "core/ev.h"
#include "sim/eim/server.h"

struct se_control {
	struct se_server *server;
	struct ev_watch watch;
	int fd;
	char path[PATH_MAX];
	struct list_node clients;
	unsigned n;
};

int se_control_start(struct se_control *t, struct se_server *s, char why[256]);
void se_control_stop(struct se_control *t);
/* Something has changed: whoever waits is looked at. */
void se_control_poke(struct se_control *t);

#endif
