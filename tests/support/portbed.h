/*
 * Virtual ports in front of a small module on the virtual clock; clients are real sockets (at0, at1) and
 * a real pseudo terminal (at2). The clients' line of sight is octets; the module's is fake_port.h.
 */
#ifndef SUPPORT_PORTBED_H
#define SUPPORT_PORTBED_H

#include "modem/modem.h"
#include "modem/vport.h"

#define PORTBED_CLIENTS 3

struct portbed {
	struct modem modem;
	struct vports ports;
	char dir[32];
	int clients[PORTBED_CLIENTS];   /* -1: not there */
	char typed[4096];               /* the last body that the module got; its octets in data mode */
	bool in_data;                   /* the module takes everything for data */
};

extern struct portbed portbed;

/* For cmocka: around the whole group, around each test. at0 and at1 have a client then. */
int portbed_make_dir(void **state);
int portbed_remove_dir(void **state);
int portbed_setup(void **state);
int portbed_teardown(void **state);

/* Connects to a socket port. */
int portbed_dial(const char *name);
void portbed_hang_up(unsigned i);
void portbed_type(unsigned i, const char *s);
/* Everything that the client has got by now. */
const char *portbed_got(unsigned i);
/* Types, and compares what has come after 100 ms. */
void portbed_says(unsigned i, const char *line, const char *want);

#define PORT_TEST(f) cmocka_unit_test_setup_teardown(f, portbed_setup, portbed_teardown)

#endif
