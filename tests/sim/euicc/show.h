/* A card's state for people. */
#ifndef SIM_EUICC_SHOW_H
#define SIM_EUICC_SHOW_H

#include <stdio.h>

#include "sim/euicc/state.h"

/* No keys. */
void ve_show(const struct ve_state *s, FILE *out);

#endif
