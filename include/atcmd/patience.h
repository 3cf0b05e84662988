/*
 * How long the answer of a command may take: the larger of what manuals say and what clients in
 * the field need, with a margin (3GPP leaves it open).
 */
#ifndef ATCMD_PATIENCE_H
#define ATCMD_PATIENCE_H

#include "core/text.h"

/* For the slowest command of a line, in milliseconds. */
unsigned at_patience_ms(struct text command);

#endif
