/* The state directory: JSON files written whole, so that a kill at any time leaves a good one. */
#ifndef SIM_EIM_STORE_H
#define SIM_EIM_STORE_H

#include <json-c/json.h>

#include "sim/eim/eim.h"

/*
 * Everything below e->dir; 0, or -errno and a line in why. Without a directory (e->dir is empty)
 * nothing is kept: saving does nothing.
 */
int se_store_load(struct se_eim *e, char why[256]);
int se_store_save_eim(struct se_eim *e);
int se_store_save_card(struct se_eim *e, struct se_card *c);
int se_store_remove_card(struct se_eim *e, struct se_card *c);

/* One package as --json shows it; the caller puts it away. With octets: also its messages. */
struct json_object *se_package_json(const struct se_package *p, bool octets);

/* A new state directory. */
struct se_init_wish {
	const char *pki; /* a folder with nist/ and brp/, or one curve's files; NULL: none */
	const char *tls_cert, *tls_key; /* instead of issuing one */
};
int se_store_init(struct se_eim *e, const struct se_init_wish *wish, char why[256]);

#endif
