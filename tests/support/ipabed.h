/*
 * The IPA and all that it speaks to, in one process on the virtual clock: a virtual eUICC, an eIM, an
 * SM-DP+ that is asked directly or through the eIM, and a module that follows its card. Any one
 * request on the way to any of them can go wrong in any way, once before it arrives or once after.
 * Messages are made and judged by the simulators; what is between them and the IPA is here.
 */
#ifndef SUPPORT_IPABED_H
#define SUPPORT_IPABED_H

#include "ipa/download.h"
#include "ipa/eims.h"
#include "sim/eim/esipa.h"
#include "sim/eim/package.h"
#include "sim/euicc/state.h"
#include "sim/smdp/http.h"
#include "support/card_sim.h"
#include "support/talk.h"

#define IPABED_EID "89049032000000000000000000000163"
#define IPABED_A "89000123456789012341"         /* enabled in the beginning */
#define IPABED_B "89000123456789012342"
#define IPABED_C "89000123456789012343"         /* without coverage */
#define IPABED_HOST "smdpp.rsp.test"
#define IPABED_DS_HOST "smds.rsp.test"

#define IPABED_INTERVAL_S 600
#define IPABED_ROLLBACK_S 120
#define IPABED_AWAY_S 2400                      /* longer than some visits and their retries */
#define IPABED_REQUESTS_MAX 2048

/* --- what goes wrong, and where ---------------------------------------------------------------------- */

enum ipabed_to {
	TO_CARD,                /* an APDU */
	TO_EIM,                 /* an ESipa message */
	TO_SMDP,                /* an ES9+ message of the IPA's */
	TO_SMDP_BY_EIM,         /* the same of the eIM's */
	_TO_MAX
};

enum trouble {
	NOTHING,
	REFUSED,        /* the card: 6F00; servers: HTTP 500. It has not heard of it */
	SILENT,         /* it has not heard of it, and there is no answer */
	LOST,           /* the module has restarted; the connection broke */
	GARBAGE,        /* done, but the answer is not readable */
	SILENT_AFTER,   /* done, but there is no answer */
	LOST_AFTER,
	KILLED,         /* the daemon, before it arrived */
	KILLED_AFTER,
	POWER,          /* daemon, module and card */
	POWER_AFTER,
	FORBIDDEN,      /* the card: 6985; servers: HTTP 404 */
	MALFORMED_SW,   /* the card: 6A80 */
	SAYS_NO,        /* the error alternative of the function */
	TRUNCATED,      /* done, half of the answer comes */
	CUT,            /* servers: done, and the connection breaks in the middle of the answer */
	STALLED,        /* servers: done, and nothing more comes in the middle of the answer */
	OTHER_SESSION,  /* servers: another transaction in the answer */
	FORGED,         /* servers: signatures that are wrong */
	AWAY,           /* the server, for longer than a visit lasts */
	UNWANTED,       /* the eIM: takes no HandleNotification for as long */
	STOPPED,        /* somebody has changed his mind */
	_TROUBLE_MAX
};

extern const char *const trouble_names[_TROUBLE_MAX];

struct ipabed_request {
	enum ipabed_to to;
	char what[48];
	uint64_t at_ms;
};

#define IPABED_STRIKES 2

struct ipabed_strike {
	unsigned at;                    /* the request, counted from 1; 0: never */
	enum trouble trouble;           /* or the next one that applies to that request */
	bool struck;
	struct ipabed_request what;
};

/* --- all of it ----------------------------------------------------------------------------------------- */

/* Another way to the eIM than the bed's own: ipabed_coap.h has one. */
struct ipabed_way {
	void (*reset)(void);            /* the clock, before anything else */
	void (*open)(void);             /* the eIM is there, the daemon not yet */
	void (*close)(void);
	/* The daemon has just been killed: what it was about to send does not leave any more. */
	void (*stop)(void);
	bool (*is_asked)(void);
	struct eim_link *(*dial)(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);
};

struct ipabed_options {
	const char *personality;
	const char *pki;                /* "nist", "brp"; NULL: nist */
	bool no_eim;                    /* nobody has put one on the card */
	bool no_indirect;               /* it does not offer indirect downloads */
	/* What else the card is to be; may be NULL. */
	void (*card)(struct ve_state *s);
	/* Options of the IPA; may be NULL. */
	void (*configure)(struct ipa_options *o);
	/* Can this happen to that request? NULL: all can. */
	bool (*applies)(enum trouble t, const struct ipabed_request *q);
	void (*stop)(void);             /* of STOPPED */
	const struct ipabed_way *way;   /* NULL: the bed's own */
};

struct ipabed {
	struct ipabed_options o;
	struct talk card;
	struct card_sim sim;
	struct se_eim eim;
	struct se_card *account;
	struct sdp smdp;
	struct ipa ipa;
	char state_dir[32];

	/* what was asked, and what is to go wrong */
	struct ipabed_request log[IPABED_REQUESTS_MAX];
	unsigned requests;
	struct ipabed_strike strikes[IPABED_STRIKES];
	bool daemon_ended;              /* it is to be ended, as soon as the loop is out */
	bool cut;                       /* and the power with it */
	uint64_t away_until_ms[_TO_MAX];
	uint64_t unwanted_until_ms;
	unsigned resets;                /* of the card */

	/* ipabed*.c only */
	char used[ES10_ICCID_TEXT_MAX]; /* the profile that the module has found on the card */
	bool following;
	struct ev_alarm follow_alarm, boot_alarm;
};

extern struct ipabed ipabed;

/*
 * Of a whole group of cases, for cmocka: a directory for the daemon's files. With LOG in the environment
 * daemon and eIM tell what they do.
 */
int ipabed_setup(void **state);
int ipabed_teardown(void **state);

/*
 * A card with the profiles A, B and C, the eIM on it, which knows the card and has been visited; an
 * SM-DP+ without profiles. Nothing has been counted.
 */
void ipabed_open(const struct ipabed_options *o);
void ipabed_close(void);

/* Lets this time pass; a daemon that was killed meanwhile is started anew at once. */
void ipabed_run(unsigned ms);
/* As a SIGKILL and a start; with the power cut, module and card restart as well. */
void ipabed_restart_daemon(bool cut);

/* An order for the eIM, as its command line takes it. */
struct se_package *ipabed_queue(const char *line);
/* The words of "sim-smdp add". */
struct sdp_profile *ipabed_offer(const char *line);

bool ipabed_enabled_is(const char *iccid);
const struct ve_profile *ipabed_on_card(const char *iccid);
/* The module uses the profile that is enabled. */
bool ipabed_module_is_right(void);
/* Nothing is being done, waits or is asked. */
bool ipabed_is_idle(void);
/* A file of the daemon's that is there; NULL: none. Static. */
const char *ipabed_file_left(void);
/* The most requests to servers, and APDUs, within any hour. */
unsigned ipabed_busiest_hour(bool servers);

/* --- one download --------------------------------------------------------------------------------------- */

#define IPABED_FIRST "89000123456789012358"
#define IPABED_SECOND "89000123456789012366"
#define IPABED_CODE "LPA:1$" IPABED_HOST "$FIRST"
#define IPABED_VISIT_MS 120000
/* All that this IPA can do. */
#define IPABED_FEATURES (ESIPA_IPA_DIRECT | ESIPA_IPA_INDIRECT | ESIPA_IPA_EIM_DOWNLOAD_DATA | \
			 ESIPA_IPA_EIM_CTX_PARAMS | ESIPA_IPA_EIM_METADATA | ESIPA_IPA_MINIMIZE)

/* An order, a visit for it, and some time. */
struct se_package *ipabed_visit(const char *order);
/* A fault of the SM-DP+'s. */
void ipabed_arm(const char *fault);
/* Whatever came of it: nothing is under way, or left on the card, in files and at the SM-DP+. */
void ipabed_expect_over(void);

/* --- between the files of the bed ------------------------------------------------------------------------ */

/* A file of the PKI that is used, or its folder (""). Static. */
const char *ipabed_pki(const char *file);

/* Notes a request. What is to happen to it; NOTHING mostly. */
enum trouble ipabed_note(enum ipabed_to to, const char *what);
bool trouble_is_after(enum trouble t);
/* The daemon, or all, ends here: true, nobody hears of the request any more. */
bool ipabed_ends_daemon(enum trouble t);

/*
 * ipabed_flow.c: an answer that comes in pieces, slowly and less slowly, to whoever wants to see it
 * grow. end() comes when it is there, or when half of it is, with why; the owner ends the exchange.
 */
struct ipabed_flow {
	void (*end)(struct ipabed_flow *f, const struct cause *why);
	struct eim_exchange *x;
	uint8_t *all;
	size_t n, at, stop;
	struct cause why;
	unsigned pieces;
	struct ev_alarm alarm;
};

/* all is taken over. t: CUT and STALLED stop it, others do not. */
void ipabed_flow_start(struct ipabed_flow *f, struct eim_exchange *x, uint8_t *all, size_t n,
		       enum trouble t);
void ipabed_flow_stop(struct ipabed_flow *f);

/* ipabed_card.c */
struct card_channel *ipabed_card_open(void);
bool ipabed_card_is_asked(void);
void ipabed_restart_card(void);

/* ipabed_eim.c */
void ipabed_eim_open(void);
void ipabed_eim_stop(void);
bool ipabed_eim_is_asked(void);
struct eim_link *ipabed_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);

/* ipabed_post.c */
void ipabed_post_open(void);

/* ipabed_smdp.c */
void ipabed_smdp_open(void);
void ipabed_smdp_stop(void);
bool ipabed_smdp_is_asked(void);
struct eim_link *ipabed_dial_server(struct ipa *i, const char *address, char why[IPA_TEXT_MAX]);
/* One ES9+ request, with trouble: 0 and the reply; CAUSE in *why where none comes. */
void ipabed_smdp_serve(enum ipabed_to to, const char *function, struct octets body, enum trouble t,
		       struct sdp_reply *ret, struct cause *why);

#endif
