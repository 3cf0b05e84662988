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
#include "ipa/journal.h"
#include "ipa/schedule.h"
#include "link/card.h"
#include "link/eim.h"

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
	const char *whose;              /* for the log: the eIM's id; NULL: nobody's in particular */
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
	IPA_ASKED_NETWORK,      /* to be there */
	IPA_ASKED_EIM,
	_IPA_REQUEST_MAX
};

/* Where a download that an eIM has triggered comes from. */
enum ipa_route {
	IPA_ROUTE_AUTO,         /* the SM-DP+ where that can be; else through the eIM, if it offers that */
	IPA_ROUTE_DIRECT,
	IPA_ROUTE_INDIRECT,
};

struct ipa_options {
	const char *state_dir;
	unsigned interval_s;            /* between two visits at an eIM; 0: only when asked for */
	unsigned spread_s;              /* after the network is back, at most so long */
	unsigned rollback_s;            /* how long a new profile may take to reach the eIM */
	char imei[18];                  /* "" not known; for deviceInfo */
	uint32_t features;              /* ESIPA_IPA_…, what this IPA can do */
	enum ipa_route route;
	bool immediate_enable;          /* after a download for an eIM, if the card is configured so */
};

struct ipa_download;
struct ipa_eim;
struct ipa_notes;

struct ipa {
	struct ipa_options o;
	void (*changed)(struct ipa *i, unsigned what);
	/*
	 * Another profile is enabled: the module must use it (iccid, digits; "" none). ipa_followed()
	 * must come, unless follow_stop() is called.
	 */
	void (*follow)(struct ipa *i, const char *iccid);
	void (*follow_stop)(struct ipa *i);
	/* There can be a way to this eIM; false, and why. NULL: over HTTPS, if it has an address. */
	bool (*serves)(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);
	/* ESIPA_IPA_RETRIEVE_…: how this eIM can be reached, whatever it offers itself. NULL: HTTPS. */
	uint32_t (*protocols)(struct ipa *i, const struct ipa_eim *e);
	/* A way to this eIM, the caller's to free; NULL, and why: there is none. */
	struct eim_link *(*dial)(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);
	/* The same to an SM-DP+ or SM-DS, "host" or "host:port"; functions as in struct eim_exchange. */
	struct eim_link *(*dial_server)(struct ipa *i, const char *address, char why[IPA_TEXT_MAX]);

	/* to be read */
	enum ipa_card card;
	struct cause card_why;          /* of NO_EUICC and UNREACHABLE */
	struct euicc_facts facts;       /* with READY */
	uint32_t facts_seq;             /* counts readings */
	struct ipa_work *now;           /* what is being done; NULL: nothing */
	bool online;
	struct octets plmn;             /* last one the module was registered in; empty: none yet */

	/* the layer's own, from here */
	struct euicc euicc;
	struct list_node queue;
	struct proc proc;               /* of the work that is done now */
	const char *step;
	enum ipa_request asked;
	struct euicc_call call;
	struct facts_reader reader;
	uint8_t request[IPA_REQUEST_MAX];
	bool anyway;                    /* a lost link does not end the work */
	struct octets answer;           /* of the card or the eIM, valid in judge() */
	struct eim_link *link;          /* that is asked */
	struct eim_exchange exchange;
	uint8_t *reply;                 /* the answer of an eIM; the next one replaces it */
	size_t reply_n;
	bool streaming;                 /* it still comes in, beside other requests */
	bool grown;                     /* since somebody has looked */
	struct cause eim_why;           /* as the link gave it, before it was made a refusal */
	struct ev_alarm patience;       /* of the wait for the network */
	char error_text[IPA_TEXT_MAX];
	struct ev_task pump;
	struct ev_alarm again;          /* another try to reach a card */
	unsigned tries;
	bool closed;

	struct ipa_work read_card, reset_card;  /* card.c */
	uint32_t want;                  /* facts to be read: 1 << enum euicc_fact */
	uint32_t reading;
	uint32_t doubtful;              /* missed for a reason that may pass */
	unsigned doubts;                /* how often, one after the other */

	struct ipa_eims *eims;          /* eims.c */
	struct ipa_journal journal;     /* of eUICC Packages */
	struct ipa_journal download_journal;
	struct ipa_download *download;  /* download.c; NULL: none is under way */
	struct ipa_notes *notes;        /* notes.c */
	uint8_t plmn_store[3];
};

/* Options and callbacks are set, the rest is zero. The channel must outlive it. 0 or -errno. */
int ipa_open(struct ipa *i, struct card_channel *channel);
/* What runs and what waits ends with CANCELLED, at once; the ISD-R's channel is given back. */
void ipa_close(struct ipa *i);

/* The module has a card that can be spoken to, another one perhaps; or it has none any more. */
void ipa_card_came(struct ipa *i);
void ipa_card_went(struct ipa *i);
/* Ends ipa.follow(). why NULL: the module uses the profile. */
void ipa_followed(struct ipa *i, const struct cause *why);
/* The network that leads to the eIMs is there, or is not; plmn as in TS 24.008, or empty. */
void ipa_online(struct ipa *i, bool online, struct octets plmn);

/* To the end of the queue; in front of all that waits. */
void ipa_submit(struct ipa *i, struct ipa_work *w);
void ipa_submit_first(struct ipa *i, struct ipa_work *w);
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

/* The step that runs is what is done now: for those that wait without asking anybody. */
void ipa_show_step(struct ipa *i);
/* A writer on i->request. */
struct tlv_out ipa_writer(struct ipa *i);
/* Asks the card: what the writer has put, or octets that stay. i->answer in judge(). 0 or -errno. */
int ipa_ask_card(struct ipa *i, enum es10_function f, const struct tlv_out *w);
/*
 * The same for what may be asked again as soon as the card is back: a lost link is REFUSED from
 * "module", so that the judge decides.
 */
int ipa_ask_card_anyway(struct ipa *i, enum es10_function f, const struct tlv_out *w);
int ipa_ask_card_raw(struct ipa *i, enum es10_function f, struct octets command);
/* As part of what the card has begun on the channel that is open; not repeated on another one. */
int ipa_ask_card_here(struct ipa *i, enum es10_function f, struct octets command);
int ipa_ask_module(struct ipa *i, const char *iccid);
/* Answered when the network is there, or with TIMEOUT. STEP_SKIP: it is there. */
int ipa_ask_network(struct ipa *i, unsigned patience_ms);
/*
 * Asks an eIM: what the writer has put, or octets that stay. Whatever goes wrong on the way is
 * REFUSED for the driver, which must neither repeat it by itself nor take it for a lost card;
 * i->eim_why has the cause.
 */
int ipa_ask_eim(struct ipa *i, struct eim_link *link, const struct tlv_out *w, unsigned patience_ms);
int ipa_ask_eim_raw(struct ipa *i, struct eim_link *link, struct octets request,
		    unsigned patience_ms);
/* The same of an SM-DP+ or SM-DS; function as in struct eim_exchange. */
int ipa_ask_server(struct ipa *i, struct eim_link *link, const char *function,
		   struct octets request, unsigned patience_ms);
/*
 * The same for an answer that is worth looking at while it comes in: answered when something of it is
 * there, and the answer goes on coming in beside what is asked next of the card. ipa_stream() is what
 * has come so far, valid until the next callback; ipa_await_stream() asks for more of it, or its end.
 * Another question to a server ends it.
 */
int ipa_ask_stream(struct ipa *i, struct eim_link *link, const char *function,
		   struct octets request, unsigned patience_ms);
int ipa_await_stream(struct ipa *i);
/* Nobody wants the rest. Before its link goes, at the latest; fine where there is none. */
void ipa_stop_stream(struct ipa *i);
struct octets ipa_stream(const struct ipa *i);
/* From judge(): fails with i->eim_why. */
enum step_verdict ipa_eim_failed(struct proc *p);
/* What a server has refused with: HTTP's status, or CoAP's code in its manner, 503 for 5.03. 0: with neither. */
int ipa_status_of(const struct cause *why);
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

/* data.c: what this device is; tac and imei are where its numbers lie. False: it has no IMEI. */
bool ipa_device(const struct ipa *i, uint8_t tac[4], uint8_t imei[8], struct es10b_device *ret);
/* The Emergency Profile is enabled: nothing else may be done. */
bool ipa_emergency(const struct ipa *i);

/* card.c */
void ipa_card_open(struct ipa *i);
void ipa_card_close(struct ipa *i);

/* eims.c */
int ipa_eims_open(struct ipa *i);
void ipa_eims_close(struct ipa *i);
/* The eIMs on the card have been read; the card was read for the first time since it came. */
void ipa_eims_read(struct ipa *i);
void ipa_eims_card_ready(struct ipa *i);
void ipa_eims_online(struct ipa *i);

#endif
