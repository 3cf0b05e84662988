/* Packages as they go out: signed, numbered, and spoilt on purpose where a fault asks for it. */
#ifndef SIM_EIM_PACKAGE_H
#define SIM_EIM_PACKAGE_H

#include "sim/eim/eim.h"
#include "sim/eim/order.h"

/* What goes into an EuiccPackageRequest, GSMA SGP.32 6.1 and 7.1. */
struct se_euicc_package {
	struct octets eim_id, eid, tx, body;    /* tx may be empty */
	uint32_t counter;
	int32_t token;                  /* 0: none, signed as 84 01 00 */
};

/* BF51 { 30 …, 5F37 }. 0 or -errno. */
int se_package_sign(EVP_PKEY *key, bool random, const struct se_euicc_package *p, uint8_t *dst,
		    size_t cap, size_t *ret_n);

/* The association token as data object: what the signatures of both sides end with. */
size_t se_token_do(int32_t token, uint8_t dst[8]);

/* Adds an order to the card's queue. NULL: the queue is full. */
struct se_package *se_package_order(struct se_card *c, const struct se_order *o);

/*
 * The package's message, made at its first dispatch and never again: what has been signed once is
 * sent again unchanged. Moves the card's counter; a transaction id that is set already is kept.
 */
int se_package_prepare(struct se_eim *e, struct se_card *c, struct se_package *p);

/*
 * A spoilt copy of a package, queued in front of it, offered once: NULL where the fault does not
 * apply to it.
 */
struct se_package *se_package_spoil(struct se_eim *e, struct se_card *c, struct se_package *p,
				    enum se_fault_kind how);

#endif
