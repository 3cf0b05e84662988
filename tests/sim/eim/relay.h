/*
 * Indirect download, GSMA SGP.32 3.2.3.2: the four functions of ESipa passed on to an SM-DP+ or
 * SM-DS as ES9+ (JSON over HTTPS), with what an eIM adds, leaves out and looks at on the way, and
 * the notifications of these downloads after them.
 */
#ifndef SIM_EIM_RELAY_H
#define SIM_EIM_RELAY_H

#include "sim/eim/esipa.h"
#include "sim/eim/route.h"

struct se_relay_wish {
	const char *at[SE_ROUTES_MAX];  /* [HOST=]ADDRESS:PORT */
	size_t at_n;
	const char *ca[SE_ROUTE_CAS_MAX];       /* for their TLS; none: what is in DIR/ci */
	size_t ca_n;
};

/* Sets e->relay; the state is loaded. 0, or -errno and a line in why. */
int se_relay_open(struct se_eim *e, const struct se_relay_wish *wish, char why[256]);
void se_relay_close(struct se_eim *e);

#endif
