/* Results in words: "enable ok; list-profiles 89…41 enabled, 89…42 disabled". */
#ifndef SIM_EIM_DESCRIBE_H
#define SIM_EIM_DESCRIBE_H

#include "sim/eim/eim.h"

/* Text that grows up to its room; what does not fit is left out, with "…" at the end. */
struct se_words {
	char *s;
	size_t cap, n;
};

void se_words_add(struct se_words *w, const char *fmt, ...) __printf(2, 3);

/*
 * The euiccResult list, GSMA SGP.32 6.5. Sets *error where an operation did not succeed, *rolled
 * where a rollback is among them, and gives the profile list into profiles (SE_OUTCOME_MAX) if
 * there is one.
 */
void se_describe_results(struct tlv list, struct se_words *w, bool *error, bool *rolled,
			 char *profiles);
/* A signed or unsigned package error. */
const char *se_describe_package_error(uint32_t code);
/* ProfileInstallationResult data, BF27: event and error. Returns true for a success. */
bool se_describe_installation(struct tlv data, struct se_words *w);
/* Notification event bits to a name: "install". */
const char *se_describe_event(struct octets bits);

#endif
