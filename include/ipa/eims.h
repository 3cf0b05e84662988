/*
 * The eIMs that are configured on the card, each with its schedule and its visits. A visit
 * (visit.c) delivers what waits on the card, asks for work until there is none, does it, and
 * delivers notifications; one eIM after the other, never two at once.
 */
#ifndef IPA_EIMS_H
#define IPA_EIMS_H

#include "esipa/esipa.h"
#include "ipa/ipa.h"

#define IPA_EIMS_MAX FACTS_EIMS_MAX
#define IPA_EIM_ID_MAX 129
#define IPA_FQDN_MAX 256
#define IPA_KEY_MAX 2048
#define IPA_PACKAGES_MAX 16     /* in one visit: an eIM that never ends is left for the next */
#define IPA_HISTORY 16
#define IPA_FETCHES_MAX 6

/* What the eIM is visited for now. */
enum ipa_phase {
	IPA_PHASE_NONE,
	IPA_PHASE_RECOVER,      /* a package that a crash has cut */
	IPA_PHASE_RESULTS,      /* results that wait on the card */
	IPA_PHASE_ASK,
	IPA_PHASE_PACKAGE,
	IPA_PHASE_DATA,
	IPA_PHASE_CUT_DOWNLOAD, /* one that a crash has cut */
	IPA_PHASE_DOWNLOAD,
	IPA_PHASE_REFUSE,       /* a package that nobody here understands */
	IPA_PHASE_NOTIFY,
	_IPA_PHASE_MAX
};

const char *ipa_phase_name(enum ipa_phase phase);

/* Octets on the heap that a visit carries from one step to another. */
struct ipa_octets {
	uint8_t *p;
	size_t n;
};

struct ipa_visit {
	enum ipa_phase phase;
	unsigned packages;              /* got so far */
	bool touched;                   /* the card may have changed: read it again afterwards */
	bool refused;                   /* a package could not be processed: not asked for again */
	struct ipa_octets package;      /* BF51, BF52 or BF54, as it came */
	struct ipa_octets result;       /* BF51 of the card, as it came */
	struct ipa_octets notifications;        /* their TLVs, as they came */
	struct ipa_octets message;      /* that is sent */
	struct ipa_octets fetched[IPA_FETCHES_MAX];     /* data.c: what was asked of the card */
	uint32_t sent[FACTS_NOTIFICATIONS_MAX];         /* numbers of what is in it */
	size_t n_sent;
	uint32_t acked[FACTS_NOTIFICATIONS_MAX];
	size_t n_acked;
	bool resuming, delivered, reached, rolled_back, offline;
	bool knows;                     /* the card has told whether it has a result */
	uint64_t deadline_ms;           /* for the report, before rollback */
	char target[ES10_ICCID_TEXT_MAX];       /* the profile that is enabled now; "" none */
	int error;                      /* that is reported: eimPackageResultError */
	struct cause follow_why;
};

struct ipa_eim {
	/* as the card has it */
	char id[IPA_EIM_ID_MAX];
	size_t id_n;
	char fqdn[IPA_FQDN_MAX];
	enum es10b_key_kind tls_kind;
	uint8_t tls[IPA_KEY_MAX];       /* content of the key or certificate, without its 30 */
	size_t tls_n;
	int64_t protocols;              /* -1: not said */
	bool indirect;

	/* for the status */
	struct cause why;               /* of the last visit; NONE: it went well */
	char text[IPA_TEXT_MAX];
	uint64_t visited_ms;            /* when it ended; 0: never */
	uint32_t visits, failures, packages;
	struct ipa_schedule schedule;
	struct ipa_visit visit;

	/* eims.c and visit.c only */
	struct ipa *ipa;
	bool used;                      /* the card has it */
	bool due;                       /* its schedule waits for the end of a visit */
	bool look_at_results;           /* results may wait on the card */
	bool knows_certs;               /* it has asked for the eUICC's certificates */
	enum esipa_change change;       /* to be told; NONE: nothing */
	enum esipa_version version;     /* as far as its messages have shown */
	uint32_t accepted[8];           /* results it has taken and not yet acknowledged */
	unsigned n_accepted;
	struct eim_link *link;
	struct ipa_work work;
	uint64_t started_ms;
};

/* What was done for eIMs, newest last. */
struct ipa_record {
	uint64_t at_ms;
	unsigned took_ms;
	char eim[40];                   /* start of its id; "" an order over the socket */
	enum ipa_phase phase;
	char text[120];                 /* "enable, listProfileInfo" */
	char outcome[200];              /* "reported"; "rolled back"; the cause */
};

struct ipa_eims {
	struct ipa *ipa;
	struct ipa_eim list[IPA_EIMS_MAX];
	struct ipa_record history[IPA_HISTORY];
	unsigned n_history;             /* ever */
	struct ev_alarm recover;        /* a package that was cut is looked at again */
};

/* A visit now, whatever the schedule says. eim NULL: at all of them. -ENOENT: there is none. */
int ipa_poll(struct ipa *i, const char *eim);
/* All eIMs shall hear of this at the next visit, which comes soon. */
void ipa_tell_change(struct ipa *i, enum esipa_change change);

/* --- between the files of visits ---------------------------------------------------------------- */

static inline struct ipa_eim *eim_of(struct proc *p)
{
	return container_of(ipa_of(p)->now, struct ipa_eim, work);
}

/* eims.c: a visit has ended, well or not */
void ipa_eims_visited(struct ipa *i);

/* visit.c */
void ipa_visit_start(struct ipa_eim *e, enum ipa_phase phase);
void ipa_visit_stop(struct ipa_eim *e);

int ipa_octets_set(struct ipa_octets *o, struct octets from);
void ipa_octets_clear(struct ipa_octets *o);
void ipa_record_add(struct ipa_eim *e, const char *text, const char *outcome, uint64_t started_ms);
void ipa_record_local(struct ipa *i, const char *text, const char *outcome, uint64_t started_ms);

extern const struct step ipa_results_steps[], ipa_ask_steps[], ipa_package_steps[], ipa_data_steps[],
	ipa_refuse_steps[], ipa_notify_steps[];

/* report.c: the message of a result or error, its answer, and what is removed afterwards. */
int ipa_report_encode(struct ipa_eim *e);
int ipa_report_send(struct proc *p);
enum step_verdict ipa_report_judge(struct proc *p);
#define IPA_REMOVE_TRIES 3
#define IPA_REMOVE_PAUSE_MS 2000
int ipa_remove_acked(struct proc *p);
enum step_verdict ipa_removed(struct proc *p);

#endif
