/*
 * Profile download (GSMA SGP.32 3.2.3; SGP.22 3.1.3): direct, from the SM-DP+ by the IPA, or indirect,
 * the eIM speaking to the SM-DP+ in its place. Ordered by an eIM's trigger, or by people on the spot.
 *
 * One at a time; one table of steps for both ways (download.c). The package is held once, as it comes
 * from the server, and cut into segments for the card while it still comes in. What has become of a download is
 * known to its journal from before the first request until the eIM has taken the outcome, so that
 * neither crash nor power cut leaves one unreported.
 */
#ifndef IPA_DOWNLOAD_H
#define IPA_DOWNLOAD_H

#include "esipa/es9p.h"
#include "euicc/bpp.h"
#include "ipa/eims.h"
#include "ipa/ipa.h"

#define IPA_CONFIRMATION_MAX 64

/* An order of people on the spot. */
struct ipa_download_order {
	const char *code;               /* activation code; "" asks the default SM-DP+ */
	const char *confirmation;       /* "" none */
};

struct ipa_download {
	struct ipa *ipa;
	struct ipa_eim *eim;            /* whose trigger it is; NULL: local */
	bool resuming;                  /* cut by a crash or a lost link: only its outcome is dealt with */

	/* what is ordered */
	bool indirect;
	bool smds;                      /* the address is an SM-DS's: events are to be got */
	bool given;                     /* there is an address; else the eIM has it */
	char address[ES9P_ADDRESS_MAX];
	char matching[ES9P_CODE_MAX];
	char oid[64];                   /* that the SM-DP+ must have; "" any */
	char confirmation[IPA_CONFIRMATION_MAX];
	uint8_t eim_transaction[16];
	size_t eim_transaction_n;
	struct es9p_events events;      /* of the SM-DS, still to be served from next_event on */
	size_t next_event;

	/* the session with the server; cleared for each try */
	struct eim_link *server;        /* direct only; NULL: not dialled */
	char transaction[ES9P_TRANSACTION_MAX];         /* as the server wrote it */
	uint8_t session[ES10_TRANSACTION_ID_MAX];       /* the same in octets, as the card knows it */
	size_t session_n;
	uint8_t challenge[16];
	struct ipa_octets info1;        /* whole */
	struct esipa_initiated initiated;
	struct esipa_authenticated authenticated;
	struct ipa_octets area;         /* where JSON answers are decoded to */
	struct ipa_octets message;      /* that is sent */
	struct ipa_octets metadata;     /* whole BF25; empty: the eIM has verified it */
	struct ipa_octets shown;        /* the same as the package itself has it */
	bool compact;                   /* the eIM leaves out what can be left out: so do we */
	bool own_ctx;                   /* ctxParams1 were made here */
	bool forward;                   /* what the card has refused is for the server to hear */
	bool redirected;                /* the SM-DS has told where to go instead */
	struct ipa_octets card_answer;  /* kept for the server: CancelSession */
	struct bpp bpp;
	struct es9p_reader reader;      /* how far it has been read; indirect: at only */
	uint8_t chunk[1024];            /* read, and not yet cut */
	size_t chunk_at, chunk_n;
	bool waiting;                   /* for more of it */
	bool loading;                   /* the card has got, or may have got, some of it */
	struct ipa_octets result;       /* ProfileInstallationResult BF37, whole */
	uint32_t result_seq;

	/* how it stands */
	bool failed;                    /* without, or besides, a result */
	int cancel;                     /* enum es10b_cancel_reason; -1: there is nothing to cancel */
	struct cause why;
	char text[IPA_TEXT_MAX];
	bool ecall;                     /* refused because of the Emergency Profile */
	bool stop;                      /* somebody wants it to end */
	bool refused;                   /* the eIM has answered that it does not want the outcome */
	bool again;                     /* a try is worth while */
	unsigned tries;
	bool delivered;                 /* the SM-DP+ has the result */
	bool reported;                  /* the eIM has the outcome, or none wants it */
	bool installed;
	bool enabled;                   /* at once, as the eIM had configured */
	bool doubtful;                  /* cut in the middle of that: the card knows whether */
	char iccid[ES10_ICCID_TEXT_MAX];
	char name[65];                  /* of the profile, for people */
	int percent;                    /* of the loading; -1: not loading */
	uint64_t started_ms;

	/* local only */
	struct ipa_work work;
	void (*progress)(struct ipa_download *d, const char *step, int percent);
	/* why NULL: installed. ipa_error_text() has more words. It is freed afterwards. */
	void (*done)(struct ipa_download *d, const struct cause *why);
	void *owner;
};

/*
 * Local start. 0: *ret runs, done() follows. -EAGAIN: the card is not known (yet); -EBUSY: another
 * download is under way, or its outcome not yet reported; -EOPNOTSUPP: no authorities are configured
 * that an SM-DP+ could be believed by; -EINVAL: the code, and why in words.
 */
int ipa_download_start(struct ipa *i, const struct ipa_download_order *o, void *owner,
		       void (*progress)(struct ipa_download *d, const char *step, int percent),
		       void (*done)(struct ipa_download *d, const struct cause *why),
		       struct ipa_download **ret, char why[IPA_TEXT_MAX]);
/* It ends soon: the session is cancelled on both sides, done() follows. */
void ipa_download_stop(struct ipa_download *d);

/* --- for visits ------------------------------------------------------------------------------------ */

extern const struct step ipa_download_steps[];

/* The trigger in e->visit.package: its download is made ready. 0 or -errno. */
int ipa_download_begin(struct ipa_eim *e);
/* One that was cut: its outcome shall be found and reported. 0 or -errno. */
int ipa_download_resume(struct ipa *i, struct ipa_eim *e);
/* The steps have ended: true, they are to be run once more (another event, another try). */
bool ipa_download_goes_on(struct ipa *i);
/* Forgets it; what is to be known of it is in the journal. Fine where there is none. */
void ipa_download_drop(struct ipa *i, const struct ipa_eim *e);
/* Something of it is in the journal: nobody else may begin one. */
bool ipa_download_is_open(const struct ipa *i);
/* The card is ready: a local one that was cut is looked at. */
void ipa_download_card_ready(struct ipa *i);
/* This notification is the result of the download that the journal is about. */
bool ipa_download_is_about(const struct ipa *i, const struct es10b_pending *n);
/* This notification is, or may be, the result of a download: not to be delivered by eIMs' visits. */
bool ipa_download_owns(const struct ipa *i, const struct es10b_pending *n);

/* --- between the files of downloads ------------------------------------------------------------------- */

static inline struct ipa_download *download_of(struct proc *p)
{
	return ipa_of(p)->download;
}

/* The first failure counts. cancel: how the session is to be ended. STEP_NEXT, for judges. */
__printf(4, 5) enum step_verdict ipa_download_fail(struct ipa_download *d, int cancel,
						   struct cause why, const char *fmt, ...);
/* The same with the cause that the step's request has ended with, and the words there are. */
enum step_verdict ipa_download_no_answer(struct proc *p, int cancel, const char *what);
/* The card's answer cannot be read. STEP_NEXT. */
enum step_verdict ipa_download_garbled(struct ipa_download *d, const char *what);
/* There is nothing more to do on the way to the profile. */
static inline bool ipa_download_is_over(const struct ipa_download *d)
{
	return d->failed || d->resuming || d->redirected;
}

/* The same, and somebody may have asked it to end meanwhile: for starts of steps. */
bool ipa_download_is_off(struct ipa_download *d);

/* download_auth.c */
int ipa_ask_info1(struct proc *p);
enum step_verdict ipa_keep_info1(struct proc *p);
int ipa_ask_challenge(struct proc *p);
enum step_verdict ipa_keep_challenge(struct proc *p);
int ipa_initiate(struct proc *p);
enum step_verdict ipa_keep_initiated(struct proc *p);
int ipa_authenticate_server(struct proc *p);
enum step_verdict ipa_judge_server(struct proc *p);
int ipa_authenticate_client(struct proc *p);
enum step_verdict ipa_judge_client(struct proc *p);
int ipa_ask_rules(struct proc *p);
enum step_verdict ipa_keep_rules(struct proc *p);
int ipa_check_profile(struct proc *p);
int ipa_prepare(struct proc *p);
enum step_verdict ipa_judge_prepared(struct proc *p);
int ipa_get_package(struct proc *p);
enum step_verdict ipa_judge_package(struct proc *p);

/* download_load.c */
int ipa_give_segment(struct proc *p);
enum step_verdict ipa_judge_segment(struct proc *p);
int ipa_find_result(struct proc *p);
enum step_verdict ipa_judge_found(struct proc *p);
int ipa_find_reason(struct proc *p);

/* download_order.c */
int ipa_download_take_trigger(struct ipa_download *d, struct octets bf54);
int ipa_download_take_code(struct ipa_download *d, const char *code, char why[IPA_TEXT_MAX]);
bool ipa_download_take_event(struct ipa_download *d);

/* download_server.c: one function of the server, whoever it is; the …d() are for judges. */
int ipa_server_initiate(struct ipa_download *d, struct octets challenge);
int ipa_server_authenticate(struct ipa_download *d, struct octets bf38);
int ipa_server_get_package(struct ipa_download *d, struct octets bf21);
int ipa_server_cancel(struct ipa_download *d, struct octets bf41);
/* 0, or -1: ipa_download_fail() has been called. */
int ipa_server_initiated(struct ipa_download *d);
int ipa_server_authenticated(struct ipa_download *d);
/* 1: the package has begun; 0: nothing of it yet; -1. */
int ipa_server_package(struct ipa_download *d);
/* The next octets of it into d->chunk: 1; 0: more must come in first; -1 as above. -ENODATA: its end. */
int ipa_server_read(struct ipa_download *d);
/* Not one function can be asked: 0, or -1 as above. */
int ipa_server_dial(struct ipa_download *d);
void ipa_server_hang_up(struct ipa_download *d);
/* For judges of what has no answer but yes or no in JSON: it is yes. Else why in ipa_error_text(). */
bool ipa_server_took(struct ipa *i);
/* What kept the last answer may be gone soon. */
bool ipa_server_may_recover(const struct ipa *i);

/* download_check.c: may this profile be installed? Fails the download where not. */
void ipa_download_check_oid(struct ipa_download *d);
bool ipa_download_needs_rules(const struct ipa_download *d);
void ipa_download_check(struct ipa_download *d);
/* The metadata in the package is that which was checked. */
void ipa_download_compare(struct ipa_download *d);

/* download_end.c */
int ipa_download_note(struct ipa_download *d, const char *step);
void ipa_download_describe(const struct ipa_download *d, char *dst, size_t cap);
int ipa_cancel_on_card(struct proc *p);
enum step_verdict ipa_cancelled_on_card(struct proc *p);
int ipa_cancel_at_server(struct proc *p);
enum step_verdict ipa_cancelled_at_server(struct proc *p);
int ipa_download_settle(struct proc *p);
int ipa_download_deliver(struct proc *p);
enum step_verdict ipa_download_delivered(struct proc *p);
int ipa_download_report(struct proc *p);
enum step_verdict ipa_download_reported(struct proc *p);
int ipa_download_remove(struct proc *p);
enum step_verdict ipa_download_removed(struct proc *p);
int ipa_download_look(struct proc *p);
enum step_verdict ipa_download_looked(struct proc *p);
int ipa_download_enable(struct proc *p);
enum step_verdict ipa_download_enabled(struct proc *p);
int ipa_download_follow(struct proc *p);
int ipa_download_finish(struct proc *p);

#endif
