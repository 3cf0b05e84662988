/* Registration follows from radio, card and coverage; every change is told to the ports that asked. */
#include "sim/module/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "sim/module/module.h"
#include "sim/module/reports.h"

bool net_registered(const struct net *n)
{
	return n->stat == STAT_HOME || n->stat == STAT_ROAMING;
}

void net_plmn(const struct net *n, char dst[8])
{
	if (n->stat == STAT_ROAMING)
		snprintf(dst, 8, "00102");
	else
		snprintf(dst, 8, "%.*s", (int)(3 + n->m->slot.mnc_digits), n->m->slot.imsi);
}

const char *net_operator(const struct net *n)
{
	return n->stat == STAT_ROAMING ? "Visited Net" : "Home Net";
}

/* --- coverage ------------------------------------------------------------------------------------- */

static const char *const coverage_names[_COVERAGE_MAX] = {
	[COVERAGE_NONE] = "none", [COVERAGE_HOME] = "home", [COVERAGE_ROAMING] = "roaming",
	[COVERAGE_DENIED] = "denied",
};

int net_cover(struct net *n, struct text iccid, struct text coverage)
{
	struct coverage_rule rule = { 0 };
	int kind = -1;

	for (int i = 0; i < _COVERAGE_MAX; i++)
		if (text_eq(coverage, coverage_names[i]))
			kind = i;
	if (kind < 0)
		return -EINVAL;
	rule.coverage = (enum coverage)kind;
	if (!text_eq(iccid, "*") &&
	    (!text_all_digits(iccid) || text_copy(iccid, rule.iccid, sizeof(rule.iccid)) < 0))
		return -EINVAL;
	for (unsigned i = 0; i < n->rules_n; i++) {
		if (!strcmp(n->rules[i].iccid, rule.iccid)) {
			/* Moves to the end: what was said last counts. */
			memmove(&n->rules[i], &n->rules[i + 1],
				(n->rules_n - i - 1) * sizeof(rule));
			n->rules_n--;
			break;
		}
	}
	if (n->rules_n == NET_RULES)
		return -ENOSPC;
	n->rules[n->rules_n++] = rule;
	net_look(n);
	return 0;
}

static enum coverage coverage_of(const struct net *n, const char *iccid)
{
	enum coverage c = COVERAGE_HOME;

	for (unsigned i = 0; i < n->rules_n; i++)
		if (text_starts(text_of(iccid), n->rules[i].iccid))
			c = n->rules[i].coverage;
	return c;
}

/* --- registration --------------------------------------------------------------------------------- */

static unsigned goal(const struct net *n)
{
	static const unsigned stats[_COVERAGE_MAX] = {
		[COVERAGE_NONE] = STAT_SEARCHING, [COVERAGE_HOME] = STAT_HOME,
		[COVERAGE_ROAMING] = STAT_ROAMING, [COVERAGE_DENIED] = STAT_DENIED,
	};
	const struct module *m = n->m;

	if (m->power != MODULE_RUNNING || m->cfun != 1 || n->cops_mode == 2)
		return STAT_IDLE;
	if (n->forced >= 0)
		return (unsigned)n->forced;
	if (m->slot.state != SLOT_READY)
		return STAT_IDLE;
	/* With another operator's settings it searches where nothing is. */
	if (m->persona->keeps_carrier && strcmp(n->carrier, m->slot.iccid) != 0)
		return STAT_SEARCHING;
	return stats[coverage_of(n, m->slot.iccid)];
}

static void become(struct net *n, unsigned stat)
{
	bool was = net_registered(n);

	if (n->stat == stat)
		return;
	n->stat = stat;
	for (size_t i = 0; i < NET_CONTEXTS; i++)
		n->contexts[i].active = net_registered(n) && i == 0 && !n->detached;
	reports_registration(n->m);
	if (net_registered(n) && !was)
		reports_packet(n->m, "ME PDN ACT 1");
	if (!net_registered(n) && was) {
		reports_packet(n->m, "NW DETACH");
		for (unsigned i = 0; i < n->m->ports_n; i++)
			port_leave_data(n->m->ports[i], "NO CARRIER");
	}
}

static void on_search(struct ev_alarm *a)
{
	struct net *n = container_of(a, struct net, search);

	become(n, goal(n));
}

void net_look(struct net *n)
{
	unsigned to = goal(n);

	if (!n->carrier[0] && n->m->slot.state == SLOT_READY)
		text_copy(text_of(n->m->slot.iccid), n->carrier, sizeof(n->carrier));
	to = goal(n);
	ev_alarm_stop(&n->search);
	if (to == n->stat)
		return;
	if (to == STAT_IDLE || to == STAT_SEARCHING || n->forced >= 0) {
		become(n, to);
		return;
	}
	become(n, STAT_SEARCHING);
	ev_alarm_start(&n->search, n->m->o.reg_ms);
}

void net_move(struct net *n)
{
	n->cell++;
	snprintf(n->lac, sizeof(n->lac), "%04X", 0xC3 + n->cell / 4 % 16);
	reports_registration(n->m);
}

/* --- data ----------------------------------------------------------------------------------------- */

bool net_dial(struct net *n, unsigned cid)
{
	if (!net_registered(n) || n->detached || cid < 1 || cid > NET_CONTEXTS ||
	    !n->contexts[cid - 1].defined)
		return false;
	n->contexts[cid - 1].active = true;
	return true;
}

/* --- life ----------------------------------------------------------------------------------------- */

void net_start(struct net *n)
{
	ev_alarm_stop(&n->search);
	ev_alarm_stop(&n->scan);
	ev_alarm_stop(&n->ussd);
	n->scan_port = n->ussd_port = NULL;
	n->stat = STAT_IDLE;
	n->cops_mode = 0;
	n->carrier[0] = '\0';
	n->detached = false;
	for (size_t i = 0; i < NET_CONTEXTS; i++)
		n->contexts[i].active = false;
}

void net_init(struct net *n, struct module *m)
{
	n->m = m;
	n->forced = -1;
	n->rssi = 20;
	n->rsrq = 20;
	n->rsrp = 50;
	n->act = 7;
	n->search.fired = on_search;
	snprintf(n->lac, sizeof(n->lac), "00C3");
	n->contexts[0] =
		(struct context){ .defined = true, .type = "IPV4V6", .apn = "internet.example" };
	net_commands_init(n);
}

void net_stop(struct net *n)
{
	ev_alarm_stop(&n->search);
	ev_alarm_stop(&n->scan);
	ev_alarm_stop(&n->ussd);
}
