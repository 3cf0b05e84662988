/* APDUs from the host: +CCHO, +CGLA, +CCHC, +CSIM. */
#include "sim/module/line.h"
#include "sim/module/module.h"

const struct command apdu_commands[] = { { 0 } };
