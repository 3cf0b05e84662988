/* ES10a: addresses the eUICC knows (GSMA SGP.22 5.7.3, 5.7.4; SGP.32 5.9.25). */
#ifndef EUICC_ES10A_H
#define EUICC_ES10A_H

#include "euicc/es10.h"

struct es10a_addresses {
	struct octets default_dp;       /* missing or empty: none is configured */
	struct octets root_ds;
};

void es10a_get_addresses_encode(struct tlv_out *w);
int es10a_addresses_decode(struct octets der, struct es10a_addresses *ret);

/*
 * f: ES10A_SET_DEFAULT_DP or ES10B_SET_DEFAULT_DP; an empty address clears it. The answer is a
 * code.
 */
void es10a_set_default_dp_encode(struct tlv_out *w, enum es10_function f, struct text address);

#endif
