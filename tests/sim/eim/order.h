/*
 * Orders as people write them, made into the content of a package: several operations may follow
 * each other, with a "+" between them.
 *
 *     enable ICCID --rollback + list-profiles --tags 5A9F70
 */
#ifndef SIM_EIM_ORDER_H
#define SIM_EIM_ORDER_H

#include "sim/eim/eim.h"

#define SE_ORDER_MAX 16384

struct se_order {
	enum se_kind kind;
	bool switches;
	char what[SE_WHAT_MAX];
	/* A download's, as in struct se_download. */
	char code[SE_CODE_MAX], smds[128], confirmation[64];
	enum se_way wanted;
	uint8_t body[SE_ORDER_MAX];     /* see struct se_package */
	size_t n;
};

#define SE_WHY_MAX 256

/*
 * dir: where relative file names start. 0, or -EINVAL and one line in why. The version decides
 * over the layout of data requests.
 */
int se_order_parse(int argc, char *const *argv, const char *dir, enum se_version version,
		   struct se_order *ret, char why[SE_WHY_MAX]);

/* The help text of all operations. */
extern const char se_order_help[];

#endif
