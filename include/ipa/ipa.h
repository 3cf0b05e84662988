/*
 * The IPAd (GSMA SGP.32 3): what is done with the eUICC, for eIMs and for people on the spot, one
 * thing after the other. ipa.c has the queue of work and the one request in flight; each kind of
 * work is a file with its step tables.
 *
 * One per daemon. Callbacks run from the event loop, never from inside a call made here.
 */
#ifndef IPA_IPA_H
#define IPA_IPA_H

#include "core/ev.h"
#include "core/list.h"
#include "core/proc.h"
#include "euicc/euicc.h"
#include "euicc/facts.h"
#include "link/card.h"

#define IPA_TEXT_MAX 192
#define IPA_REQUEST_MAX 4096    /* of what is put together here; large payloads are passed by */

struct ipa;
struct ipa_work;

/* What of it has changed: bits for ipa.changed(). */
enum {
	IPA_CHANGED_CARD = 1 << 0,      /* another card, or none; EID, EUICCInfo, rules */
	IPA_CHANGED_PROFILES = 1 << 1,
	IPA_CHANGED_EIMS = 1 << 2,
	IPA_CHANGED_NOTIFICATIONS = 1 << 3,
	IPA_CHANGED_ACTIVITY = 1 << 4,  /* what is being done */
};

enum ipa_card {
	IPA_CARD_ABSENT,        /* the module has none to offer */
	IPA_CARD_READING,       /* for the first time since it came */
	IPA_CARD_READY,         /* facts are those of the card */
	IPA_CARD_NO_EUICC,      /* it does not know the ISD-R */
	IPA_CARD_UNREACHABLE,   /* it could not be asked; tried again now and then */
	_IPA_CARD_MAX
};

const char *ipa_card_name(enum ipa_card card);

/*
 * One thing to do. Its owner embeds it, sets name, steps and ended, and submits it; from then until
 * ended() has begun, or ipa_withdraw() has returned, it belongs to the queue. Exactly one of the two
 * happens. steps run with proc.answer set by whatever the step has asked (ask_… below).
 */
struct ipa_work {
	const char *name;
	const struct step *steps;
	/* why NULL: done. ipa_error_text() has more words until it returns. */
	void (*ended)(struct ipa_work *w, const struct cause *why);
	/* A step other than the one before begins. May be NULL. */
	void (*progress)(struct ipa_work *w, const char *step);
	/* ipa.c only */
	struct ipa *ipa;                /* NULL: not submitted */
	struct list_node node;
};

/* What the request in flight is, so that it can be given up. */
enum ipa_request {
	IPA_ASKED_NOBODY,
	IPA_ASKED_CARD,
	IPA_ASKED_READER,       /* a reading of facts */
	IPA_ASKED_MODULE,       /* to follow the card */
	_IPA_REQUEST_MAX
};

struct ipa {
	void (*changed)(struct ipa *i, unsigned what);
	/*
	 * Another profile is enabled: the module must use it (iccid, digits; "" none). ipa_followed()
	 * must come, unless follow_stop() is called.
	 */
	void (*follow)(struct ipa *i, const char *iccid);
	void (*follow_stop)(struct ipa *i);

	/* to be read */
	enum ipa_card card;
	struct cause card_why;          /* of NO_EUICC and UNREACHABLE */
	struct euicc_facts facts;       /* with READY */
	uint32_t facts_seq;             /* counts readings */
	struct ipa_work *now;           /* what is being done; NULL: nothing */

	/* the layer's own, from here */
	struct euicc euicc;
	struct list_node queue;
	struct proc proc;               /* of the work that is done now */
	const char *step;
	enum ipa_request asked;
	struct euicc_call call;
	struct facts_reader reader;
	uint8_t request[IPA_REQUEST_MAX];
	struct octets answer;           /* of the card, valid in judge() */
	char error_text[IPA_TEXT_MAX];
	struct ev_task pump;
	struct ev_alarm again;          /* another try to reach a card */
	unsigned tries;

	struct ipa_work read_card;      /* card.c */
	uint32_t want;                  /* facts to be read: 1 << enum euicc_fact */
	uint32_t reading;
	char had_eid[ES10_EID_TEXT_MAX];
};

/* changed, follow and follow_stop are set, the rest is zero. The channel must outlive it. */
void ipa_open(struct ipa *i, struct card_channel *channel);
/* What runs and what waits ends with CANCELLED, at once; the ISD-R's channel is given back. */
void ipa_close(struct ipa *i);

/* The module has a card that can be spoken to, another one perhaps; or it has none any more. */
void ipa_card_came(struct ipa *i);
void ipa_card_went(struct ipa *i);
/* Ends ipa.follow(). why NULL: the module uses the profile. */
void ipa_followed(struct ipa *i, const struct cause *why);

/* To the end of the queue. */
void ipa_submit(struct ipa *i, struct ipa_work *w);
/* ended() will not be called. Fine for what is not submitted. */
void ipa_withdraw(struct ipa_work *w);
/* In ended(): what went wrong in words, "" where the cause says all. */
const char *ipa_error_text(const struct ipa *i);

/* Reads these facts (1 << enum euicc_fact) anew, soon; many requests are one reading. */
void ipa_read_again(struct ipa *i, uint32_t facts);
/* Facts are being read, or will be soon: those in ipa.facts are not to be relied on. */
bool ipa_is_reading(const struct ipa *i);

/* --- for steps ------------------------------------------------------------------------------------ */

static inline struct ipa *ipa_of(struct proc *p)
{
	return container_of(p, struct ipa, proc);
}

/* A writer on i->request. */
struct tlv_out ipa_writer(struct ipa *i);
/* Asks the card: what the writer has put, or octets that stay. i->answer in judge(). 0 or -errno. */
int ipa_ask_card(struct ipa *i, enum es10_function f, const struct tlv_out *w);
int ipa_ask_card_raw(struct ipa *i, enum es10_function f, struct octets command);
int ipa_ask_module(struct ipa *i, const char *iccid);
/* Reads these facts as part of other work; its judge is, or ends with, ipa_keep_facts(). */
int ipa_ask_facts(struct ipa *i, uint32_t facts);
enum step_verdict ipa_keep_facts(struct proc *p);
/* From judge(): fails with the card's result code, "profileNotInDisabledState". STEP_FAIL. */
enum step_verdict ipa_refused(struct proc *p, const char *from, int code, const char *words);
/* From judge(), where the answer cannot be read. STEP_FAIL. */
enum step_verdict ipa_garbled(struct proc *p, const char *what);
/* From judge(): the request had no answer; its cause is the procedure's. STEP_FAIL. */
enum step_verdict ipa_no_answer(struct proc *p);
__printf(2, 3) void ipa_explain(struct ipa *i, const char *fmt, ...);

/* card.c */
void ipa_card_open(struct ipa *i);
void ipa_card_close(struct ipa *i);

#endif
