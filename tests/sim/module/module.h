/*
 * The virtual cellular module: what its ports have in common. It is driven by the event loop and
 * by whoever owns it (main.c, a test): octets come in through the ports, everything else through
 * the functions here.
 */
#ifndef SIM_MODULE_MODULE_H
#define SIM_MODULE_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"
#include "sim/module/faults.h"
#include "sim/module/lines.h"
#include "sim/module/net.h"
#include "sim/module/persona.h"
#include "sim/module/port.h"
#include "sim/module/slot.h"
#include "sim/module/sms.h"

#define MODULE_PORTS 8          /* the line itself, or up to seven channels on it */

struct module_options {
	const char *imei;
	unsigned boot_ms;               /* 0: the personality's */
	unsigned latency_ms;            /* until an answer leaves */
	int ms_per_apdu;                /* -1: the personality's */
	unsigned reg_ms;                /* from a readable card to registration */
	unsigned status_ms;             /* from a change of power until STATUS follows */
	uint64_t seed;
	const char *number;             /* its own, where messages come back to; NULL: none */
};

/* What happens when the OK that announced it has left. */
enum soon { SOON_NOTHING, SOON_RESTART, SOON_POWER_OFF, SOON_SPEED, _SOON_MAX };

/* It hears and says nothing, and what it takes to end that: that, or anything behind it. */
enum module_hung {
	MODULE_NOT_HUNG,
	MODULE_HUNG_UNTIL_RESET,        /* its RESET line */
	MODULE_HUNG_UNTIL_POWER,        /* switched off by PWRKEY */
	MODULE_HUNG_UNTIL_SUPPLY,       /* its supply taken away */
	_MODULE_HUNG_MAX
};

enum module_power { MODULE_OFF, MODULE_BOOTING, MODULE_RUNNING, _MODULE_POWER_MAX };

struct host;

struct module {
	struct module_options o;
	const struct persona *persona;
	/* The owner's: the port goes away for so long; the line speed becomes another one. May be NULL. */
	void (*hang_up)(struct module *m, unsigned ms);
	void (*set_baud)(struct module *m, unsigned baud);
	/* host.c, NULL where there is no mux: the OK of +CMUX has left; the module starts anew. */
	struct host *host;
	bool muxed;                     /* the ports are channels */
	void (*begin_mux)(struct module *m, unsigned n1);
	void (*restarted)(struct module *m);

	struct faults faults;
	struct lines lines;
	struct slot slot;
	struct net net;
	struct sms sms;

	/* module.c and the command tables only */
	struct port *ports[MODULE_PORTS];
	unsigned ports_n;
	uint64_t rng;
	enum module_power power;
	enum module_hung hung;
	bool may_sleep;                 /* +QSCLK=1, +CSCLK=1: when DTR says so */
	struct ev_alarm boot;
	struct ev_task restart;
	struct ev_alarm soon;
	enum soon soon_what;
	unsigned soon_speed;
	unsigned boot_step;
	unsigned starts;                /* how often it has started */
	unsigned commands;              /* since it did */
	unsigned octets_in;
	unsigned cfun;
	unsigned ipr;
	bool lpa_enabled, lpa_wanted;   /* the module's own LPA; stored, in force after a restart */
	bool slot_switched;             /* slot_command was given */
	uint64_t slot_switched_ms;
	unsigned qsimdet;               /* stored in the module */
	int64_t clock_set_s;            /* what +CCLK was set to, at clock_at_ms */
	uint64_t clock_at_ms;
};

void module_init(struct module *m, const struct persona *persona, const struct module_options *o);
void module_add_port(struct module *m, struct port *p);
/* Nothing of the port runs afterwards. */
void module_drop_port(struct module *m, struct port *p);
/* Nothing of it runs afterwards; the card is let go. */
void module_stop(struct module *m);

void module_power_on(struct module *m);
void module_power_off(struct module *m);
void module_hang(struct module *m, enum module_hung until);
/* Starts anew, as after a reset; from the loop. */
void module_restart(struct module *m);
void module_hang_up(struct module *m, unsigned ms);
/* What the line brought from the host. */
void module_received(struct module *m, struct port *p, const void *data, size_t n);
/* False: it is off, starting, hung or asleep, and hears nothing. */
bool module_listens(const struct module *m);
/* To every port. */
void module_urc(struct module *m, const char *fmt, ...) __printf(2, 3);
/* One framed unsolicited line that may come at any time. */
void module_some_urc(struct module *m, char *dst, size_t cap);
/* The command that runs on this port is given up. */
void module_abort(struct module *m, struct port *p);
/* After the answer of the command that asks for it. */
void module_restart_soon(struct module *m);
void module_power_off_soon(struct module *m);
void module_set_speed_soon(struct module *m, unsigned baud);
/* How the command ends. */
int module_set_cfun(struct module *m, struct port *p, unsigned fun);

#endif
