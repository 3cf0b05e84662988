/*
 * Indirect download, GSMA SGP.32 3.2.3.2: the four functions of ESipa passed on to an SM-DP+ as
 * ES9+ (JSON over HTTPS), and the notifications of these downloads after them.
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

/* Sets e->relay. 0, or -errno and a line in why. */
int se_relay_open(struct se_eim *e, const struct se_relay_wish *wish, char why[256]);
void se_relay_close(struct se_eim *e);

/* --- the messages, for tests ------------------------------------------------------------------ */

#define SE_RELAY_TID_MAX 16

struct se_rsp_order {
	char address[128];              /* "" not known */
	char matching_id[128];
};

/* The order in a ProfileDownloadTriggerRequest's content. */
void se_rsp_order_of(struct octets trigger, struct se_rsp_order *ret);

/*
 * The ES9+ body for an ESipa request, to be freed; function is set to its name. NULL: malformed.
 * address: the SM-DP+, for InitiateAuthentication.
 */
char *se_rsp_request(uint32_t tag, struct octets message, const char *address,
		     const char **ret_function);
/* The ESipa answer for an ES9+ body. Allocated, freed by the caller; *ret_tid is its transaction. */
int se_rsp_answer(uint32_t tag, struct text body, const char *matching_id, uint8_t **ret,
		  size_t *ret_n, struct octets *ret_tid);
/* The error answer. */
size_t se_rsp_error(uint32_t tag, uint32_t code, uint8_t dst[16]);

#endif
