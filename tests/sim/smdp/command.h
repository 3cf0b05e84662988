/*
 * The commands by which people and tests rule an SM-DP+: the same whether they come over the
 * control socket of one that runs, or are carried out on the directory of one that does not.
 */
#ifndef SIM_SMDP_COMMAND_H
#define SIM_SMDP_COMMAND_H

#include <stdio.h>

#include "sim/smdp/smdp.h"

enum {
	SDP_EXIT_OK,
	SDP_EXIT_FAILED,
	SDP_EXIT_USAGE,
	SDP_EXIT_NOT_YET,               /* what --wait waits for has not happened; ask again */
};

/*
 * argv[0] is the command; what it says goes to out, errors too. One of the exit codes. argv may be
 * put into another order.
 */
int sdp_command(struct sdp *s, int argc, char **argv, FILE *out);

/* How long --wait of this command is to last, in ms. */
unsigned sdp_command_patience(int argc, char *const *argv);

/* One line per command. */
extern const char sdp_command_help[];

#endif
