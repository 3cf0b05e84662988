/* Which lines are unsolicited result codes, and when a line with the same prefix is an answer. */
#ifndef ATCMD_URC_H
#define ATCMD_URC_H

#include <stdbool.h>

#include "core/text.h"

/* Known as unsolicited with any module; NULL command: none is running. */
bool at_urc_is(struct text line, const char *command);

/* The line's prefix is the name of one of the commands in this command line. */
bool at_answers(struct text line, const char *command);

/* "+CMT:" and its kind: the next line belongs to it. */
bool at_urc_has_body(struct text line);

/* A restart of the module: RDY, ^SYSSTART, APP RDY, *ATREADY, Ready … */
bool at_urc_is_boot(struct text line);

#endif
