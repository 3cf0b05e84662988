/* A command that asks the card something and ends when the card has answered. */
#ifndef SIM_MODULE_CARD_TASK_H
#define SIM_MODULE_CARD_TASK_H

#include "sim/module/port.h"

void card_task_init(struct port *p);
void card_task_drop(struct port *p);
/*
 * Sends an APDU for the port's running command. The judge gets the answer from the loop; sw = 0:
 * the card is gone. It ends the command (port_end) or sends the next APDU.
 */
void card_ask(struct port *p, const uint8_t *apdu, size_t n,
	      void (*judge)(struct port *p, const uint8_t *data, size_t n, unsigned sw));
/* How a command ends that needs a card in a better state than this one; END_OK: it is usable. */
int card_refusal(const struct module *m);

#endif
