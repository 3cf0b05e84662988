/*
 * Downloads that may be cut at any moment: whatever it was, the eIM learns one outcome, which is what is on
 * the card, the SM-DP+ has the card's results, and nothing is left open.
 */
#ifndef SUPPORT_FLEET_CUT_H
#define SUPPORT_FLEET_CUT_H

#include "support/fleet.h"

/*
 * The package that was queued last has its outcome, told once, and once more where the eIM's answer was
 * lost: true, the profile is installed. An offer that was lost is made again (resend_s), by visits.
 */
bool fleet_expect_one_outcome(struct fleet *f);
/* The profile that was added last is there. */
bool fleet_is_on_card(struct fleet *f);
/* The SM-DP+ knows what the card knows. Once more is right where its answer was lost. */
void fleet_expect_server_knows(struct fleet *f, bool installed);
/* All of it, for an eIM's order; then the profile goes again. True: it was installed. */
bool fleet_expect_agreement(struct fleet *f);

#endif
