/*
 * What the other side will remember and we must not forget: written before a step whose effect
 * lasts, so that after a crash or a power cut it is known what was under way. One small file of
 * lines "name=value", written whole; no file: nothing was under way. eUICC Packages have one, and
 * downloads another: the outcome of one may wait for its eIM while the other goes on.
 */
#ifndef IPA_JOURNAL_H
#define IPA_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

#define IPA_JOURNAL_MAX 2048
#define IPA_STEP_MAX 32
#define IPA_EIM_HEX_MAX 257     /* eimId, a text of up to 128 octets (GSMA SGP.32 2.11.1.1.1) */
#define IPA_HEX_ID_MAX 33       /* transaction identifiers, ICCIDs: up to 16 octets in hex digits */
#define IPA_SERVER_MAX 256
#define IPA_OUTCOME_MAX 192

struct ipa_journal {
	char step[IPA_STEP_MAX];        /* that began last; "" nothing is under way */
	char eim[IPA_EIM_HEX_MAX];      /* whose package or download, in hex digits */
	char transaction[IPA_HEX_ID_MAX];       /* eimTransactionId */
	char iccid_before[IPA_HEX_ID_MAX];      /* the profile that was enabled; "" none */
	char iccid_target[IPA_HEX_ID_MAX];      /* that is, if all of the package succeeds; "" none */
	bool rollback;                  /* the package allows it, and it was not used yet */
	bool switched;                  /* another profile is enabled than before */
	uint32_t result_seq;            /* of the eUICC Package Result; 0: not known */
	/* of a download */
	char session[IPA_HEX_ID_MAX];   /* transactionId of the SM-DP+; "" there is none yet */
	char server[IPA_SERVER_MAX];    /* its address, where it is asked directly */
	bool direct;
	bool delivered, reported;       /* the SM-DP+, the eIM has the result */
	bool installed;
	char outcome[IPA_OUTCOME_MAX];  /* why it failed; "" the card has, or may have, the result */
	/* journal.c only */
	char path[256];
};

/* 0; -ENAMETOOLONG; -EBADMSG: the file is damaged, it is moved aside and the journal empty. */
int ipa_journal_open(struct ipa_journal *j, const char *dir, const char *name);
/* Durable when it returns 0. Else -errno, and the step must not begin. */
int ipa_journal_note(struct ipa_journal *j, const char *step);
/* Nothing is under way any more. */
int ipa_journal_close(struct ipa_journal *j);
bool ipa_journal_is_open(const struct ipa_journal *j);

#endif
