/*
 * A module on its line: the pseudo terminal, both directions at line speed, plugging. What main.c
 * runs and what the control socket talks to.
 */
#ifndef SIM_MODULE_BENCH_H
#define SIM_MODULE_BENCH_H

#include "sim/module/host.h"
#include "sim/module/pacer.h"
#include "sim/module/pty.h"

struct bench {
	struct module module;
	struct host host;
	struct pty pty;
	struct pacer to_host, from_host;
	unsigned baud;                  /* of the module; 0: not paced */
	bool strict_speed;              /* octets at another speed than the host's are garbage */
	struct ev_alarm replug, look;
	bool unplugged;                 /* by hand: no plugging by itself */
	bool start_off;                 /* the plug brings no power */
};

void bench_init(struct bench *b, const struct persona *persona, const struct module_options *o);
/* 0 or -errno with why. The module gets power with the plug. */
int bench_plug(struct bench *b, char why[PTY_WHY_MAX]);
void bench_unplug(struct bench *b);
void bench_set_baud(struct bench *b, unsigned baud);
/* Data connections end, as when the host drops DTR. */
void bench_hang_up_data(struct bench *b);
void bench_stop(struct bench *b);

#endif
