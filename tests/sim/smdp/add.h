/* The command "add": a profile from its options. */
#ifndef SIM_SMDP_ADD_H
#define SIM_SMDP_ADD_H

#include <stdio.h>

#include "sim/smdp/smdp.h"

int sdp_add(struct sdp *s, int argc, char **argv, FILE *out);
/* Options of "add" that are followed by the name of a file. */
extern const char *const sdp_add_files[];
extern const char sdp_add_help[];

#endif
