/*
 * Notifications that nobody but an SM-DP+ may have (GSMA SGP.32 3.7 [2a]): results of direct downloads
 * that it could not be given at once, and on a card without eIMs all of them. Their numbers are kept
 * on disk, the notifications themselves on the card, until the SM-DP+ at the address in them has
 * acknowledged each; then it is removed. That it was acknowledged is noted before: no crash has it
 * delivered twice.
 */
#ifndef IPA_NOTES_H
#define IPA_NOTES_H

#include "ipa/ipa.h"

#define IPA_NOTES_MAX 64

/* 0 or -errno; a file that is damaged is moved aside. */
int ipa_notes_open(struct ipa *i);
void ipa_notes_close(struct ipa *i);
/* Durable when it returns 0. */
int ipa_notes_add(struct ipa *i, uint32_t seq);
bool ipa_notes_have(const struct ipa *i, uint32_t seq);
/* Something has changed that matters: the card, its notifications, the network. */
void ipa_notes_look(struct ipa *i);

#endif
