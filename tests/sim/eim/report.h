/* What is known, as tables for people and JSON for programs. */
#ifndef SIM_EIM_REPORT_H
#define SIM_EIM_REPORT_H

#include <stdio.h>

#include "sim/eim/server.h"

struct se_report_wish {
	struct se_card *card;           /* NULL: all */
	uint32_t id;                    /* 0: all its packages */
	bool json;
};

/* The cards; with a card its packages. */
void se_report_list(struct se_server *s, struct se_card *card, FILE *out);
void se_report_results(struct se_eim *e, const struct se_report_wish *wish, FILE *out);
/* SE_EXIT_OK, PENDING, ERROR or ACCOUNT. */
int se_report_judge(struct se_eim *e, const struct se_report_wish *wish);

#endif
