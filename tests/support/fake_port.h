/*
 * The modem's port (daemon/modem/port.c) without a device: a wire whose other end is a small
 * module that answers from a table. For tests of the life cycle on the virtual clock; a test that
 * calls fake_port_open() gets this port in place of the real one.
 */
#ifndef SUPPORT_FAKE_PORT_H
#define SUPPORT_FAKE_PORT_H

#include "modem/modem.h"
#include "support/wire.h"

struct fake_answer {
	const char *command;            /* starts with; the first that fits counts */
	const char *octets;             /* with \r \n escapes; "" nothing */
};

struct fake_port {
	struct wire wire;
	const struct fake_answer *answers;      /* ended by one without command */
	bool present;                   /* opening works; else -ENOENT */
	bool held;                      /* by another program: -EBUSY */
	bool dead;                      /* gives no answers at all */
	unsigned baud_needed;           /* understands only this speed; 0 any */
	unsigned baud;
	char log[65536];                /* every command it got, LF behind each */
	size_t opened;
	/* Asked first; true: it dealt with the command. May be NULL. */
	bool (*before)(struct fake_port *p, const char *command);
};

extern struct fake_port fake_port;

void fake_port_open(const struct fake_answer *answers);
void fake_port_close(void);
/* Octets from the module, escaped. */
void fake_port_says(const char *octets);
/* How often a command came. */
unsigned fake_port_count(const char *command);

/* The answers of an ordinary LTE module with a card, registered at home. */
extern const struct fake_answer fake_port_ordinary[];

#endif
