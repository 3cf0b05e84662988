/* What is known about the module, for everybody who wants to look. Texts are "" where unknown. */
#ifndef MODEM_STATUS_H
#define MODEM_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "atcmd/answers.h"
#include "core/cause.h"

enum modem_state {
	MODEM_ABSENT,           /* no port to talk to */
	MODEM_POWERING,         /* the module restarts; waiting for its first word */
	MODEM_SYNCING,          /* the port is open; finding out how the module talks */
	MODEM_IDENTIFYING,
	MODEM_SIM,              /* reading the card */
	MODEM_READY,
	MODEM_LOST,             /* it does not answer as it should; climbing the recovery ladder */
	_MODEM_STATE_MAX
};

enum modem_sim {
	MODEM_SIM_UNKNOWN,
	MODEM_SIM_ABSENT,
	MODEM_SIM_NOT_READY,
	MODEM_SIM_PIN_REQUIRED, /* none is configured, or it may not be tried */
	MODEM_SIM_PIN_REFUSED,  /* the configured one is wrong: not tried again */
	MODEM_SIM_PUK_REQUIRED,
	MODEM_SIM_LOCKED,       /* a network or corporate lock */
	MODEM_SIM_FAILURE,
	MODEM_SIM_READY,
	_MODEM_SIM_MAX
};

#define MODEM_PROBLEM_MAX 320

struct modem_signal {
	int32_t rssi_dbm, rsrp_dbm;             /* AT_NONE unknown */
	int32_t rsrq_tenths, sinr_tenths;       /* dB / 10 */
	uint64_t at_ms;                         /* when it was measured; 0 never */
};

struct modem_counters {
	uint32_t lost, reopens, resets, recoveries;
	uint32_t switch_ons, line_resets, power_cycles, rings;
};

struct modem_status {
	enum modem_state state;
	uint64_t since_ms;
	char device[256], port[256];            /* as configured; what it points to */
	unsigned baud;
	char maker[64], model[64], revision[64], imei[AT_IMEI_MAX];
	const char *family;
	enum modem_sim sim;
	char iccid[AT_ICCID_MAX], imsi[AT_IMSI_MAX];
	struct at_reg reg[_AT_REG_MAX];         /* stat -1: no such domain, or nothing known of it */
	enum at_reg_kind domain;                /* the one that describes the registration best */
	bool registered;
	char operator_name[65];
	char plmn[8];
	int act;
	struct modem_signal signal;
	struct modem_counters counters;
	struct cause problem;                   /* the last one; CAUSE_NONE: none yet */
	char problem_text[MODEM_PROBLEM_MAX];
	uint64_t problem_ms;
};

/* What has changed, as bits for modem.changed(). */
enum {
	MODEM_CHANGED_STATE = 1 << 0,
	MODEM_CHANGED_IDENTITY = 1 << 1,
	MODEM_CHANGED_SIM = 1 << 2,
	MODEM_CHANGED_NETWORK = 1 << 3,
	MODEM_CHANGED_SIGNAL = 1 << 4,
	MODEM_CHANGED_PROBLEM = 1 << 5,
	MODEM_CHANGED_POWER = 1 << 6,           /* what the STATUS line says */
	MODEM_CHANGED_MUX = 1 << 7,             /* muxed or not any more; another line speed */
};

const char *modem_state_name(enum modem_state state);
const char *modem_sim_name(enum modem_sim sim);

#endif
