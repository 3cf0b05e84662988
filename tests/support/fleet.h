/*
 * A gateway and the servers that it gets profiles from, whole programs: cellmuxd on a virtual module
 * with a virtual eUICC, an eIM, and an SM-DP+ that is an SM-DS under another name. Nothing takes time
 * that need not: no line speed, no card that thinks.
 *
 * What goes wrong ends the test, with what everybody has said.
 */
#ifndef SUPPORT_FLEET_H
#define SUPPORT_FLEET_H

#include "core/util.h"
#include "support/rig.h"

#define FLEET_EID "89049032000000000000000000000163"
#define FLEET_HOME "89000123456789012341"       /* the profile that is enabled at first */
#define FLEET_NOWHERE "89000123456789012343"    /* one that has no coverage */
/* What an eIM offers, as sim-eim init --supported-protocol. */
#define FLEET_HTTPS "16"
#define FLEET_COAP "8"
#define FLEET_BOTH "24"
#define FLEET_ARGS 12

/* What is NULL or false gets the usual. */
struct fleet_options {
	const char *curve;              /* nist or brp */
	const char *personality;        /* of the card: iot; with one that begins otherwise there is no eIM */
	const char *module;             /* quectel-eg25 */
	bool local;                     /* no eIM in any case */
	const char *ca;                 /* [ipa] ca: a file below tests/vectors/rsp/pki; "": not set */
	unsigned interval_s;            /* between visits; 0: only on demand */
	unsigned rollback_s;            /* 20 */
	const char *conf;               /* more lines of section [ipa], and more sections */
	const char *section;            /* lines of section [eim.it], which is for the eIM */
	const char *env;                /* NAME=VALUE, for the daemon */
	const char *profile;            /* a second one on the card, as sim-euicc --profile */
	bool nowhere;                   /* FLEET_NOWHERE is on it, too */
	const char *memory;             /* of the card, octets */
	const char *card_ms;            /* that it takes for an APDU: 0 */
	const char *resend_s;           /* the eIM offers a download again after: 120 */
	const char *log;                /* what the daemon logs: debug */
	const char *module_args[FLEET_ARGS];    /* for sim-module, after the usual ones */
	const char *protocols;          /* that it offers: FLEET_HTTPS */
	bool coap;                      /* it speaks CoAP, too: [eim.it] says where */
	const char *key;                /* there; NULL: by certificate */
	const char *coap_args[FLEET_ARGS];      /* for sim-eim serve */
	const char *dp_args[FLEET_ARGS];        /* for sim-smdp serve */
	unsigned patience_s;            /* for a result: 100 */
	bool repeats;                   /* acknowledgements get lost: a result may be brought twice */
};

struct fleet {
	struct rig rig;
	struct fleet_options o;
	struct rig_program *eim, *dp, *module, *daemon;
	struct rig_program *ran;        /* of the last command */
	unsigned eim_port, coap_port, dp_port;
	/*
	 * What else is done while a program or an event is waited for, NULL: nothing. It is called again and
	 * again, and waits until it has something to do, or fd (-1: none) can be read, but not for long.
	 */
	void (*meanwhile)(struct fleet *f, int fd);
	bool has_eim;
	bool open;
	char pki[64], ci[80];
	char patience[16];
	/* of the profile that was added last */
	char iccid[24], code[160], matching[64];
	unsigned number;                /* of the package that was queued last */
	unsigned percent;               /* waited for */
};

void fleet_argv0(const char *argv0);
/* Everything runs, and the card knows its eIM. */
void fleet_open(struct fleet *f, const struct fleet_options *o);
/* Everybody ends in good order, which sanitizers have a say in. */
void fleet_close(struct fleet *f);
/* For teardown: whatever is left of one whose test has failed goes. */
void fleet_drop(struct fleet *f);

void fleet_start_dp(struct fleet *f);
void fleet_start_module(struct fleet *f);
void fleet_start_daemon(struct fleet *f);
/* Other lines of [ipa]; they hold for the next start. */
void fleet_set_config(struct fleet *f, const char *conf);
/* Until the card has been read and knows its eIM. */
void fleet_await_card(struct fleet *f);
/* So long, meanwhile() being served. */
void fleet_pause(struct fleet *f, unsigned ms);
/* SIGKILL, and gone. */
void fleet_kill(struct rig_program *p);

/* A command of this fleet's program, arguments end with NULL: its exit code; f->ran->said. */
int fleet_eim(struct fleet *f, ...);
int fleet_dp(struct fleet *f, const char *word, ...);
int fleet_ctl(struct fleet *f, ...);
/* The same, and it must succeed. */
#define FLEET_EIM(f, ...)     fleet_must((f), fleet_eim((f), __VA_ARGS__, NULL), "sim-eim")
#define FLEET_DP(f, ...)      fleet_must((f), fleet_dp((f), __VA_ARGS__, NULL), "sim-smdp")
#define FLEET_CTL(f, ...)     fleet_must((f), fleet_ctl((f), __VA_ARGS__, NULL), "cellmuxctl")
void fleet_must(struct fleet *f, int code, const char *name);
/* Fails the test, and shows what there is to see. */
__printf(2, 3) __attribute__((noreturn)) void fleet_fail(struct fleet *f, const char *fmt, ...);

/* A profile at the SM-DP+; options of sim-smdp add, NULL at the end. */
void fleet_add(struct fleet *f, ...);
#define FLEET_ADD(f, ...)     fleet_add((f), __VA_ARGS__, NULL)
/* An order at the eIM; words of sim-eim queue. */
#define FLEET_ORDER(f, ...)   fleet_order((f), __VA_ARGS__, NULL)
void fleet_order(struct fleet *f, ...);
/* A visit at the eIM, to its end, or until the module goes away. */
void fleet_visit(struct fleet *f);

/* Waits until a snapshot (an object of method, then those of events of topic) is as wanted. */
bool fleet_await(struct fleet *f, const char *method, const char *topic,
		 bool (*is)(struct fleet *f, struct json_object *o), unsigned ms);
/* Nothing is done with the card. */
void fleet_await_idle(struct fleet *f);
/* Somebody loads the card, and has come this far. */
bool fleet_await_loading(struct fleet *f, unsigned percent);

/* How often the daemon's log has these words. */
unsigned fleet_log_count(struct fleet *f, const char *words);

/* --- accounts ------------------------------------------------------------------------------------ */

/* Members of JSON objects; 0 or "" where there is none. */
int fleet_count(struct json_object *o, const char *name);
const char *fleet_words(struct json_object *o, const char *name);
/* sim-eim results of the package that was queued last: its exit code, 3 where it has none in this time. */
int fleet_results(struct fleet *f, const char *wait_s);
/* The package, out of what that has said; the caller's. */
struct json_object *fleet_package(struct fleet *f);
/*
 * The package that was queued last has its result, exactly once, taken the first time, and these words
 * are in it. verified: signed by the card.
 */
void fleet_expect_result(struct fleet *f, const char *words, bool verified);
/* The SM-DP+ knows the profile that was added last as installed, and was told once. */
void fleet_expect_installed(struct fleet *f);
/* The SM-DP+'s state of the profile that was added last. */
void fleet_expect_order(struct fleet *f, const char *state);
/* state: enabled, disabled; NULL: it is not on the card. */
void fleet_expect_on_card(struct fleet *f, const char *iccid, const char *state);
/* It is enabled, and the module uses it. */
void fleet_expect_used(struct fleet *f, const char *iccid);
/* Nothing waits on the card, and nothing is open in the state directory. */
void fleet_expect_all_settled(struct fleet *f);
/* The same, as soon as it is so. */
void fleet_await_settled(struct fleet *f);
/* An eIM's download of the usual kind, from order to accounts. */
void fleet_download(struct fleet *f);

/* The profile that was added last, directly or through the eIM: for an IPA that may choose (download = auto). */
void fleet_order_by(struct fleet *f, bool indirect);
/* It came by this way, and everybody knows of it. */
void fleet_expect_download(struct fleet *f, bool indirect);
/* And goes again, from the card and from the SM-DP+. */
void fleet_delete(struct fleet *f);

#endif
