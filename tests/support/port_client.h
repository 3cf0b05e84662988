/* A program at a virtual port of the daemon: opens the pty or the socket, types, reads. */
#ifndef SUPPORT_PORT_CLIENT_H
#define SUPPORT_PORT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#define PORT_CLIENT_OK "\r\nOK\r\n"

struct port_client {
	int fd;
	char in[65536];                 /* what has come, terminated */
	size_t n;
};

struct rig;
struct rig_program;

/* cellmuxd with this configuration text; its module is ready. */
struct rig_program *port_daemon_start(struct rig *r, const char *conf);
/* This port, the i-th of the configuration, has a channel of its own on the mux and may use it. */
void port_wait_channel(struct rig *r, unsigned i);

/* Blocking; a failure fails the test. */
void port_client_open(struct port_client *c, const char *path);
void port_client_close(struct port_client *c);
void port_client_type(struct port_client *c, const char *s);
/* Reads once, waiting for at most so long; false: nothing came, or the port has hung up. */
bool port_client_take(struct port_client *c, unsigned ms);
/* Reads until what has come has this in it; false: not within this time. */
bool port_client_wait(struct port_client *c, const char *text, unsigned ms);
/*
 * Types, and waits until what has come ends like this. Fails the test after 10 s, or at ERROR; said
 * (may be NULL) is shown then.
 */
const char *port_client_ask(struct port_client *c, const char *line, const char *end, const char *said);

#endif
