/*
 * An eIM's desk: the card of the worked examples (profiles A and B, A enabled) and an eIM that
 * signs whatever a test wants in a package. What is returned is static storage.
 */
#ifndef SUPPORT_EIMDESK_H
#define SUPPORT_EIMDESK_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/euicc/crypto.h"
#include "support/talk.h"

#define EIMDESK_EID "89049032123451234512345678901235"
/* ICCIDs; the last is on no card. */
#define EIMDESK_A "98001032547698103214"
#define EIMDESK_B "98001032547698103224"
#define EIMDESK_OTHER "98001032547698103234"

struct eimdesk {
	struct talk t;
	uint32_t counter;               /* of the last package */
	const char *token;              /* the data object that signatures cover */
	const char *eid;
	const char *eim;                /* its id, as all of these in hexadecimal digits */
	enum ve_curve curve;
	struct octets secret;           /* the eIM's */
};

/* With and without the eIM "eim1" (counter 0, no token) on the card. */
void eimdesk_open(struct eimdesk *d, const char *personality);
void eimdesk_open_bare(struct eimdesk *d, const char *personality, enum ve_version version);
void eimdesk_close(struct eimdesk *d);
struct ve_state *eimdesk_state(struct eimdesk *d);

/* AddInitialEim; key: the content of A5. */
void eimdesk_add_eim(struct eimdesk *d, bool token, const char *key);
/* The key of the worked examples' eIM. */
const char *eimdesk_key(void);

/* Sends a worked example; compares with one. */
const char *eimdesk_example(struct eimdesk *d, const char *title);
void eimdesk_same(const char *got, const char *title);

/* A package; rest: 81 counter, 82 transaction (or not), A0 or A1. spoil: a wrong signature. */
const char *eimdesk_send(struct eimdesk *d, const char *rest, bool spoil);
/* The same with the next counter, list being the value of A0 or A1. */
const char *eimdesk_list(struct eimdesk *d, unsigned tag, const char *list);
/* The results in a signed answer; signature, counter and transaction are judged. */
const char *eimdesk_results(struct eimdesk *d, const char *answer);
/* Both at once. */
const char *eimdesk_psmos(struct eimdesk *d, const char *list);
const char *eimdesk_ecos(struct eimdesk *d, const char *list);

/* The card is reset, as its REFRESH wanted. */
void eimdesk_again(struct eimdesk *d);
/* That profile is the enabled one; "": none is. */
bool eimdesk_enabled(struct eimdesk *d, const char *iccid);

#endif
