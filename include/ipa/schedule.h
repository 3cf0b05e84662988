/*
 * When to ask an eIM for work: a regular interval with jitter, soon after something happened,
 * later and later while it does not work. Thousands of gateways get their network back in the same
 * second: nobody asks at once, and none asks twice.
 */
#ifndef IPA_SCHEDULE_H
#define IPA_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ev.h"

struct ipa_schedule {
	void (*due)(struct ipa_schedule *s);    /* ipa_schedule_done() must follow */
	unsigned interval_s;            /* 0: only when asked for */
	unsigned spread_s;              /* at most this long after the network is there */
	/* A number below n; settable for tests. NULL: the system's. */
	uint32_t (*random)(uint32_t n);

	/* for the status */
	unsigned failures;              /* in a row */
	uint64_t next_ms;               /* on the loop's clock; 0: none is planned */

	/* schedule.c only */
	struct ev_alarm alarm;
	bool online, wanted;
};

void ipa_schedule_start(struct ipa_schedule *s);
void ipa_schedule_stop(struct ipa_schedule *s);
/* The network is there, or is not: without it nothing is due. */
void ipa_schedule_online(struct ipa_schedule *s, bool online);
/* Something happened that the eIM should hear of: within seconds, even before the interval's end. */
void ipa_schedule_trigger(struct ipa_schedule *s);
/* What was due has been done, or has failed. */
void ipa_schedule_done(struct ipa_schedule *s, bool ok);

#endif
