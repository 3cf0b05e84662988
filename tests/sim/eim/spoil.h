/* The faults that are in an answer itself, whatever carries it. */
#ifndef SIM_EIM_SPOIL_H
#define SIM_EIM_SPOIL_H

#include "sim/eim/esipa.h"

/* Does it strike this exchange? If so that is in the log. value may be NULL. */
bool se_strikes(struct se_eim *e, const struct se_exchange *x, enum se_fault_kind kind,
		char value[SE_FAULT_VALUE_MAX]);
/* wrong-tag, trailing, truncated, empty, garbage: applied to the response. */
void se_spoil(struct se_eim *e, struct se_exchange *x);

#endif
