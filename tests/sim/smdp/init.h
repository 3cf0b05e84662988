/* Making the directory of an SM-DP+ from directories of certificates. */
#ifndef SIM_SMDP_INIT_H
#define SIM_SMDP_INIT_H

#include "sim/smdp/smdp.h"

/*
 * Each PKI directory has one CI with ci.der, dpauth.der, dppb.der and their keys (.key.pem);
 * dptls.* are copied where they are good for all host names, and dsauth.*, dstls.* where they are.
 * What is missing is issued, for which ci.key.pem is needed; that key stays where it is.
 */
struct sdp_recipe {
	const char *dir;
	const char *pki[SDP_PKIS_MAX];
	size_t pki_n;
	const char *hosts[SDP_HOSTS_MAX];
	size_t hosts_n;                 /* 0: as the TLS certificate names it */
	const char *ds_host;            /* NULL: no SM-DS */
};

/* 0, or -errno and one line in why. -EEXIST: there is an SM-DP+ in that directory. */
int sdp_make(const struct sdp_recipe *r, char why[SDP_WHY_MAX]);

#endif
