/* The network as the module sees it: coverage, registration, operator, signal, data contexts. */
#ifndef SIM_MODULE_NET_H
#define SIM_MODULE_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"
#include "core/text.h"

#define NET_RULES 32
#define NET_CONTEXTS 8

struct module;
struct port;

enum coverage { COVERAGE_NONE, COVERAGE_HOME, COVERAGE_ROAMING, COVERAGE_DENIED, _COVERAGE_MAX };

/* 27.007 10.1.20: <stat>. */
enum {
	STAT_IDLE = 0,
	STAT_HOME = 1,
	STAT_SEARCHING = 2,
	STAT_DENIED = 3,
	STAT_UNKNOWN = 4,
	STAT_ROAMING = 5,
};

struct coverage_rule {
	char iccid[24];                 /* the first digits; "" every card */
	enum coverage coverage;
};

struct context {
	bool defined, active;
	char type[12], apn[101];
};

struct net {
	struct module *m;
	/* What can be set from outside. */
	struct coverage_rule rules[NET_RULES];  /* the last one that fits counts; none: home */
	unsigned rules_n;
	int forced;                     /* <stat> whatever the card; -1: by coverage */
	unsigned rssi, rsrq, rsrp;      /* as +CSQ and +CESQ say it */
	unsigned act;

	/* net*.c only */
	unsigned stat;
	unsigned cell;
	char lac[8];
	unsigned cops_mode;
	char carrier[24];               /* the card whose operator's settings are loaded */
	struct context contexts[NET_CONTEXTS];
	bool detached;                  /* by +CGATT=0 */
	struct ev_alarm search, scan, ussd;
	struct port *scan_port, *ussd_port;
};

void net_init(struct net *n, struct module *m);
void net_stop(struct net *n);
/* The module starts: contexts and settings as stored. */
void net_start(struct net *n);
/* Card, radio or coverage may have changed. */
void net_look(struct net *n);
/* Another cell: location in the registration lines changes. */
void net_move(struct net *n);
/* -EINVAL: no such coverage; -ENOSPC: too many rules. */
int net_cover(struct net *n, struct text iccid, struct text coverage);
bool net_registered(const struct net *n);
/* The number of its network: home or visited. */
void net_plmn(const struct net *n, char dst[8]);
const char *net_operator(const struct net *n);
/* True if data can flow; the context becomes active. */
bool net_dial(struct net *n, unsigned cid);
/* No command of this port is waited for any more. */
void net_abort(struct net *n, struct port *p);

#endif
