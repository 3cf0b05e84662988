/* The parts of the running daemon, and the files at this level that connect them. */
#ifndef APP_H
#define APP_H

#include <json-c/json.h>

#include "ctl/ctl.h"
#include "ipa/eims.h"
#include "ipa/ipa.h"
#include "modem/modem.h"
#include "modem/vport.h"
#include "settings.h"

struct app {
	struct settings settings;
	const char *config_path;        /* NULL: none was read */
	uint64_t started_ms;
	struct modem modem;
	struct vports ports;
	struct ipa ipa;
	uint32_t card_losses;           /* wire.c: of the card the IPA knows */
	bool card_there;
	struct ctl_user user;
	struct ctl *ctl;                /* NULL: not open */
	/* modem_methods.c */
	struct list_node requests;      /* at.send calls under way */
	struct list_node waiting;       /* status calls that wait for a refresh */
	struct ctl_job *reset_job;
	struct ev_alarm reset_deadline;
	/* euicc_methods.c */
	struct profile_job *profile_job;        /* NULL: none is under way */
	struct list_node card_waits;            /* calls that wait for the card to be read */
	bool impatient;                         /* one of them has waited long enough */
	/* ipa_methods.c */
	struct ctl_job *poll_job;
	char polled[IPA_EIM_ID_MAX];    /* by it; "" all */
	bool eim_missed[EIM_OPTIONS_MAX];       /* dial.c: a section that no eIM has, and that was told */
	struct ctl_job *download_job;   /* download_methods.c */
	struct at_cmd clock;            /* clock.c */
	struct add_call *add_call;
	bool first_eim_tried;
};

/* Exit codes, in cellmuxd(8). */
enum {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,            /* options or configuration */
	EXIT_CODE_NO_DEVICE = 3,
	EXIT_CODE_NO_PERMISSION = 4,
	EXIT_CODE_IN_USE = 5,           /* the port or the socket */
};

/* wire.c: opens everything, runs the loop until a signal, closes everything. The exit code. */
int app_run(struct app *app);

/* modem_json.c: the modem object of status and events. */
struct json_object *modem_to_json(const struct modem *m);
struct json_object *modem_changes_to_json(unsigned what);

/* ports_json.c: the virtual ports of status, and their events. */
struct json_object *ports_to_json(const struct vports *p);
void ports_changed(struct app *app, const struct vport *v);

/* modem_methods.c */
extern const struct ctl_method modem_methods[];
void modem_methods_open(struct app *app);
void modem_methods_close(struct app *app);
/* The modem's changed() and refreshed(). */
void modem_methods_changed(struct app *app, unsigned what);
void modem_methods_refreshed(struct app *app);


/* clock.c: the module's time, where it is needed and can be had */
void app_clock_look(struct app *app);

/* dial.c: what can be said at the start of files that it needs; ipa.serves(), ipa.protocols(),
   ipa.dial() */
void app_dial_check(const struct app *app);
/* The card's eIMs are known, or have changed. */
void app_dial_look(struct app *app);
bool app_serves(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);
uint32_t app_protocols(struct ipa *i, const struct ipa_eim *e);
struct eim_link *app_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX]);
/* ipa.dial_server() */
struct eim_link *app_dial_server(struct ipa *i, const char *address, char why[IPA_TEXT_MAX]);

/* euicc_json.c: the answers of euicc, profiles, eims, notifications; the card in one object. */
struct json_object *euicc_to_json(const struct ipa *i);
struct json_object *euicc_brief_to_json(const struct ipa *i);
struct json_object *profiles_to_json(const struct ipa *i, const struct modem *m);
struct json_object *eims_to_json(const struct ipa *i);
struct json_object *notifications_to_json(const struct ipa *i);
struct json_object *euicc_changes_to_json(unsigned what);

/* euicc_methods.c */
extern const struct ctl_method euicc_methods[];
void euicc_methods_open(struct app *app);
void euicc_methods_close(struct app *app);
/* The IPA's changed(). */
void euicc_methods_changed(struct app *app, unsigned what);

/* True: the call will be run again when the card has been read. */
bool euicc_wait_for_card(struct app *app, struct ctl_call *call, struct json_object *params,
			 void (*run)(struct ctl_user *u, struct ctl_call *call,
				     struct json_object *params));

/* In a work's ended(): the job has failed for this reason. */
enum ctl_error euicc_error_of(enum cause_kind kind);
void euicc_fail_job(const struct app *app, struct ctl_job *job, const struct cause *why);

/* download_methods.c */
extern const struct ctl_method download_methods[];
void download_methods_close(struct app *app);
/* Of the one under way; NULL: there is none. */
struct json_object *download_to_json(const struct ipa *i);

/* ipa_methods.c */
extern const struct ctl_method ipa_methods[];
void ipa_methods_close(struct app *app);
void ipa_methods_changed(struct app *app, unsigned what);

#endif
