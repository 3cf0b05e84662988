/*
 * The control socket, DIR/control.sock: a client sends one line, a JSON list of strings that is the
 * command, and gets one line, { "exit": N, "text": "..." }. Commands that wait are answered when
 * what they wait for has happened, or their time is up.
 */
#ifndef SIM_SMDP_CONTROL_H
#define SIM_SMDP_CONTROL_H

#include "sim/smdp/smdp.h"

struct sdp_control;

/* -EADDRINUSE: an SM-DP+ runs in this directory. Takes s->changed. */
int sdp_control_open(struct sdp *s, struct sdp_control **ret);
void sdp_control_close(struct sdp_control *c);

/*
 * The client's side: sends the command and prints the answer. *ret_exit is its exit code.
 * -ENOENT, -ECONNREFUSED: nobody runs in this directory. Blocks for at most so long.
 */
int sdp_control_ask(const char *dir, int argc, char **argv, unsigned ms, int *ret_exit);

#endif
