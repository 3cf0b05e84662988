/* The commands of the control socket: words in, text and an exit code out. */
#ifndef SIM_EIM_COMMAND_H
#define SIM_EIM_COMMAND_H

#include <stdio.h>

#include "sim/eim/server.h"

/* Exit codes of sim-eim. */
enum {
	SE_EXIT_OK = 0,
	SE_EXIT_USAGE = 1,              /* not understood, or it cannot be done */
	SE_EXIT_NO_SERVER = 2,
	SE_EXIT_PENDING = 3,            /* something has no result yet */
	SE_EXIT_ERROR = 4,              /* a package did not succeed */
	SE_EXIT_ACCOUNT = 5,            /* not exactly one verified result each */
	SE_EXIT_WAIT = -1,              /* not yet: ask again after the next message */
};

struct se_command {
	int argc;
	char *const *argv;
	const char *dir;                /* where relative file names start */
	bool last;                      /* time is up: no SE_EXIT_WAIT any more */
	FILE *out;
};

int se_command_run(struct se_server *s, const struct se_command *c);
/* results --wait SECONDS: how long it may wait, 0 not at all. */
unsigned se_command_patience_s(int argc, char *const *argv);
/* The help of a command; NULL: no such command. */
const char *se_command_help(const char *name);

#endif
