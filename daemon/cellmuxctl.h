/* What the commands of cellmuxctl share. */
#ifndef CELLMUXCTL_H
#define CELLMUXCTL_H

#include <stdio.h>

#include "cellmuxctl_client.h"

/* The command line, taken apart. Texts are those of argv. */
struct request {
	struct client client;           /* connected when a command runs */
	char **args;                    /* after the command's name */
	int n_args;
	bool json, verbose;
	bool no_wait, no_refresh, cancel;
	const char *until, *body, *confirmation;        /* NULL: not given */
	uint32_t timeout_s;             /* 0: not given */
};

/* cellmuxctl_commands.c */
enum end run_hello(struct request *r);
enum end run_log(struct request *r);
enum end run_at(struct request *r);
/* cellmuxctl_status.c */
enum end run_status(struct request *r);
/* cellmuxctl_watch.c */
enum end run_watch(struct request *r);
/* cellmuxctl_job.c */
enum end run_modem(struct request *r);
enum end run_job(struct request *r);
/*
 * A method whose answer is a job: waits for its end, showing progress on a terminal, and prints what
 * came of it. params is taken over. With --no-wait only the job's number. print is called with --json, too,
 * for what is done may still not be what was wanted, and then prints nothing.
 */
enum end run_as_job(struct request *r, const char *method, struct json_object *params,
		    uint64_t patience_ms,
		    enum end (*print)(const struct request *r, struct json_object *result, uint64_t took_ms));
/* cellmuxctl_euicc.c */
enum end run_euicc(struct request *r);
enum end run_profiles(struct request *r);
enum end run_eims(struct request *r);
enum end run_notifications(struct request *r);
enum end run_profile(struct request *r);
/* cellmuxctl_ipa.c */
enum end run_ipa(struct request *r);
enum end run_eim(struct request *r);

/*
 * What is wrong with the arguments, told before anything is connected; END_OK: nothing. Options
 * and the number of arguments have been checked.
 */
enum end check_log(const struct request *r);
enum end check_at(const struct request *r);
enum end check_watch(const struct request *r);
enum end check_modem(const struct request *r);
enum end check_job(const struct request *r);
enum end check_profile(const struct request *r);
enum end check_ipa(const struct request *r);
enum end check_eim(const struct request *r);

/* cellmuxctl_words.c: the modem's status in words, for the table and for what has changed. */
struct aspect {
	const char *label;      /* in the table */
	const char *changed;    /* its name in an event's "changed" */
	/* One line, empty where nothing is known; the same words as long as nothing has changed. */
	void (*words)(FILE *f, struct json_object *modem, bool verbose);
	/* What grows with time alone; NULL: nothing. */
	void (*age)(FILE *f, struct json_object *modem);
};

extern const struct aspect aspects[];   /* ended by one without label */

/* A virtual port in one line. */
void port_words(FILE *f, struct json_object *port, bool verbose);

/* The name of a known state of the modem, or NULL. */
const char *modem_state_known(const char *name);
/* An integer member, or -1 where it is missing, none, or negative. */
int64_t member_count(struct json_object *o, const char *name);

#endif
