/* How a port runs a typed line and gives its answer; for port.c. */
#ifndef SIM_MODULE_LINE_H
#define SIM_MODULE_LINE_H

#include "sim/module/port.h"

void line_init(struct port *p);
/* Runs p->line. */
void line_run(struct port *p);
/* Answers a line that cannot be run. */
void line_refuse(struct port *p);
/* The running command has ended. */
void line_go_on(struct port *p, int end);
/* What the running line has said so far leaves now, as a prompt follows. */
void line_show_so_far(struct port *p);
/* A result without a line. */
void line_result(struct port *p, int end);
/* False: the running command cannot be aborted now. */
bool line_abort(struct port *p);

/* The command of this name on this module; NULL: it has none. */
const struct command *commands_find(const struct module *m, struct text name);

/* The tables, each ended by a row without name. */
extern const struct command basic_commands[], general_commands[], card_commands[], net_commands[],
	sms_commands[], apdu_commands[];

#endif
