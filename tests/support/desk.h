/*
 * A virtual module on a test's desk: one port, no line in between, the virtual clock. What the
 * module says is collected; what is typed arrives at once.
 */
#ifndef SUPPORT_DESK_H
#define SUPPORT_DESK_H

#include "sim/module/module.h"

#define DESK_LIMIT_MS 300000

struct desk {
	struct module module;
	struct port port;
	char said[65536];               /* terminated */
	size_t said_n;
	unsigned hung_up;               /* how often the port went away */
	unsigned baud;                  /* the last speed it asked for; 0: none */
};

/* The card is taken over; NULL: a plain SIM. The module has started and its lines are in said. */
void desk_open(struct desk *d, const char *persona, struct card *card, uint64_t seed);
/* The same in two steps, for what must be set before the start. */
void desk_lay(struct desk *d, const char *persona, struct card *card, uint64_t seed);
void desk_start(struct desk *d);
/* Nothing of the module is active afterwards (asserted). */
void desk_close(struct desk *d);

/* Types octets as they are. */
void desk_type(struct desk *d, const void *data, size_t n);
/* Types a command with its CR, waits until it has ended; what came, static storage for 4 calls. */
const char *desk_ask(struct desk *d, const char *command);
/* What came since the last look. */
const char *desk_take(struct desk *d);
/* The same after so many milliseconds. */
const char *desk_wait(struct desk *d, unsigned ms);

#endif
