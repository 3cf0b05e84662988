/*
 * The module's life: absent, syncing, identifying, SIM, ready, lost and back, as a state table
 * (modem.c); its start as a recipe (start.c); what it says by itself (reports.c); and the way
 * back when it falls silent (recovery.c); what its power lines are used for (powering.c). One per
 * daemon.
 *
 * Callbacks run from the event loop, never from inside a call made here.
 */
#ifndef MODEM_MODEM_H
#define MODEM_MODEM_H

#include "atcmd/card_at.h"
#include "atcmd/chat.h"
#include "atcmd/family.h"
#include "atcmd/serial.h"
#include "core/proc.h"
#include "modem/hotplug.h"
#include "modem/mux.h"
#include "modem/power.h"
#include "modem/status.h"

struct modem_options {
	char device[256];
	unsigned baud;
	bool rtscts;
	bool hunt;                      /* try other speeds where this one brings no answer */
	char pin[9];                    /* "" none */
	bool radio_on;                  /* +CFUN=1 where the module starts with the radio off */
	unsigned alive_s;               /* ask the module this often when it is quiet; 0 never */
	unsigned gap_ms;                /* pause between commands; 0: what the family asks for */
	unsigned cmux;                  /* enum modem_cmux */
	unsigned ports;                 /* how many virtual ports would like a channel */
	unsigned max_baud;              /* raise the line's speed to this; 0 leave it */
	const char *state_dir, *run_dir;
};

enum modem_event {
	MODEM_EV_OPENED,                /* the port is open */
	MODEM_EV_GONE,                  /* it hung up */
	MODEM_EV_SYNCED,
	MODEM_EV_SILENT,                /* no way of asking brought an answer */
	MODEM_EV_DONE,                  /* the recipe that runs is through */
	MODEM_EV_FAILED,
	MODEM_EV_BOOTED,                /* the module said that it has started */
	MODEM_EV_CARD,                  /* the card changed, or came, or went */
	MODEM_EV_RESET,                 /* somebody wants a restart */
	MODEM_EV_MUX,                   /* its mux is to be tried again */
	MODEM_EV_POWER,                 /* its power lines are to be used: m->power_job */
	MODEM_EV_TIMER,
	_MODEM_EVENT_MAX
};

/* The recovery ladder, mildest first. Getting back into step is the chat's own and comes before. */
enum modem_rung {
	MODEM_RUNG_NONE,
	MODEM_RUNG_REOPEN,              /* close the port, open it again */
	MODEM_RUNG_RESET,               /* the family's reset command */
	MODEM_RUNG_LINE,                /* its RESET line */
	MODEM_RUNG_POWER,               /* its power off and on; only on, where STATUS says off */
	MODEM_RUNG_REST,                /* wait, longer each time, and start over */
	_MODEM_RUNG_MAX
};

struct modem;

/* How a module is made to use the profile that was enabled on its card, mildest first. */
enum modem_follow_rung {
	MODEM_FOLLOW_REFRESH,           /* by itself */
	MODEM_FOLLOW_CARD,              /* the card's power off and on */
	MODEM_FOLLOW_RADIO,             /* +CFUN=0 and back */
	MODEM_FOLLOW_RESET,
	MODEM_FOLLOW_POWER,             /* its power off and on */
	_MODEM_FOLLOW_MAX
};

struct modem_follow {
	/* Ends modem_follow_start(). why NULL: the module reports the ICCID that was wanted. */
	void (*followed)(struct modem *m, const struct cause *why);
	char iccid[AT_ICCID_MAX];       /* "" no profile is enabled any more */
	enum modem_follow_rung rung;    /* the one that is tried, or that has helped */
	unsigned took_ms;               /* of the last one that has ended */
	/* follow.c only */
	char old[AT_ICCID_MAX];
	struct proc proc;
	struct at_cmd cmd;
	struct ev_alarm poll;
	bool waiting, stirred;
	int fun;
	uint64_t started_ms;
};

#define MODEM_ANSWER_MAX 1024
#define MODEM_LISTENERS 16

struct modem {
	struct modem_options o;
	/* What of the status has changed: MODEM_CHANGED_… bits. */
	void (*changed)(struct modem *m, unsigned what);
	/* A line that is no answer to anybody. May be NULL. */
	void (*heard)(struct modem *m, struct text line, struct text body);

	/* A virtual port's own channel is there, or gone (NULL). May be NULL. */
	void (*channel)(struct modem *m, unsigned port, struct cmux_dlc *dlc);
	/* The module's signals on it (CMUX_…) have changed. May be NULL. */
	void (*signals)(struct modem *m, unsigned port, unsigned bits);

	struct modem_status st;
	struct modem_mux mux;
	struct at_chat chat;
	struct card_at card;            /* its channel is for who speaks to the card */
	struct modem_follow follow;
	const struct at_family *family;
	struct power power;             /* its options are set before modem_open() */

	/* the layer's own, from here */
	struct serial serial;
	struct pipe *pipe;              /* the open port; NULL: closed */
	struct hotplug hotplug;
	bool missing;                   /* there is no port, rather than one that cannot be opened */
	struct ev_alarm timer;          /* of the state */
	struct ev_task tell;
	unsigned changes;

	unsigned restarts;              /* by itself, since it was ready */
	unsigned speed;                 /* while hunting: which of the speeds, 0 the configured one */
	enum modem_rung rung;           /* the last one that was tried */
	const char *tried;              /* what it was, for people */
	unsigned rest_s;
	uint64_t lost_ms;               /* when it got lost; 0 it is not */
	uint64_t ready_ms;              /* when it was ready last; 0 never */

	enum power_job power_job;       /* of MODEM_EV_POWER */
	bool power_answers;             /* it answered when that was wanted */
	bool power_booted;              /* it has started while the lines were still moved */
	bool power_told;                /* that the bound is reached */
	const struct at_family *last_family;    /* known last, maybe before the gateway restarted */
	struct at_cmd power_down;
	struct at_cmd restart;          /* the family's reset command */
	bool restart_waits;             /* for the end of data mode */
	bool restart_refused;           /* the last one, by the module's answer */
	struct ev_alarm off_for, absent, lines_again;

	struct proc recipe;             /* identification, card, or a refresh */
	struct at_cmd cmd;              /* of the recipe's step */
	char cmd_text[64];
	char answer[MODEM_ANSWER_MAX];  /* its lines, one LF behind each */
	size_t answer_n;
	bool answer_full;
	bool pin_sent;
	struct ev_alarm alive, look;    /* look: a refresh soon, once for a burst of reports */
	void (*refreshed)(struct modem *m);

	struct modem_listener {
		struct at_urc urc;
		struct modem *modem;
	} listeners[MODEM_LISTENERS];
};

/*
 * Starts its life; the port is opened from the loop. wait: a port or a power line that cannot be
 * opened is waited for; without it -ENOENT, -EACCES, -EBUSY, -ENOTTY and the errors of gpio_open()
 * are given back with one line in why. A missing port is also waited for where its module can be
 * switched on.
 */
int modem_open(struct modem *m, bool wait, char why[SERIAL_WHY_MAX]);
void modem_close(struct modem *m);
/* Before modem_close(), if there is time: takes the module out of its mux in good order. */
void modem_leave(struct modem *m);
bool modem_is_leaving(const struct modem *m);

/*
 * A stranger's command, to the end of the queue. -EAGAIN: the module is not ready for it; else as
 * at_submit().
 */
int modem_send(struct modem *m, struct at_cmd *cmd);
/* A command that may have changed the card, the radio or the registration has ended. */
void modem_look_again(struct modem *m);

/* Restarts the module by the family's command. -EAGAIN: there is none to talk to. */
int modem_reset(struct modem *m);
/*
 * Switches it off and on by its power lines, in good order if it answers. -ENOTSUP: no line for that
 * is configured; -EBUSY: they are being used. Not bounded, but counted for the bound.
 */
int modem_power_cycle(struct modem *m);

/*
 * Asks for signal and operator now. -EAGAIN: not ready, or in a data call. refreshed() follows, unless
 * it gets lost.
 */
int modem_refresh(struct modem *m);

/*
 * Another profile was enabled on the card: makes the module use it. followed() comes once, unless
 * it is stopped or started anew. It survives restarts of the module.
 */
void modem_follow_start(struct modem *m, const char *iccid);
void modem_follow_stop(struct modem *m);
bool modem_is_following(const struct modem *m);
const char *modem_follow_name(enum modem_follow_rung rung);
/* Two ways of printing one ICCID: with or without its check digit. */
bool modem_same_iccid(const char *a, const char *b);

/* --- between the layer's own files -------------------------------------------------------------- */

void modem_event(struct modem *m, enum modem_event event);
void modem_mark(struct modem *m, unsigned what);
void modem_problem(struct modem *m, enum cause_kind kind, const char *from, int code,
		   const char *step, const char *text);

/* Opens the port and begins to talk on it; closing ends everything that was asked. */
int modem_attach(struct modem *m, char why[SERIAL_WHY_MAX]);
void modem_detach(struct modem *m);

/* port.c: sets m->pipe; the errors are those of serial_open() */
int modem_port_open(struct modem *m, unsigned baud, char why[SERIAL_WHY_MAX]);
void modem_port_close(struct modem *m);
int modem_port_set_baud(struct modem *m, unsigned baud);

/* start.c */
void modem_identify(struct modem *m);
void modem_read_sim(struct modem *m);
void modem_run_refresh(struct modem *m);
void modem_stop_recipe(struct modem *m);

/* reports.c */
void modem_listen(struct modem *m);
void modem_unlisten(struct modem *m);
void modem_look_soon(struct modem *m);
void modem_take_registration(struct modem *m, const struct at_reg *reg);
void modem_forget_network(struct modem *m);
void modem_forget_card(struct modem *m);

/* follow.c: the state or the card has changed */
void modem_follow_note(struct modem *m);

/* recovery.c */
void modem_hunt(struct modem *m);
void modem_climb(struct modem *m);
/* STATUS says that it is off, and it may be switched on again. */
void modem_went_off(struct modem *m);
/* Its port has been missing for longer than a restart takes. */
void modem_climb_absent(struct modem *m);
void modem_recovered(struct modem *m);
void modem_rung_over(struct modem *m);
void modem_restart(struct modem *m);
void modem_restart_now(struct modem *m);

/* powering.c */
int modem_power_open(struct modem *m, bool wait, char why[GPIO_WHY_MAX]);
void modem_power_close(struct modem *m);
/* Starts a job, whatever the bound says. Errors as modem_power_cycle(). */
int modem_power(struct modem *m, enum power_job job);
/* The lines for it are there, and the bound on automatic use allows it. */
bool modem_power_may(struct modem *m, enum power_job job);
/* STATUS says that it is off, and it may be switched on. */
bool modem_power_wanted(struct modem *m);
/* Switches it on if that is so. */
void modem_power_look(struct modem *m);
/* MODEM_EV_POWER */
void modem_power_run(struct modem *m);
/* It has said that it has started. True: while its lines are moved; noted for when they are. */
bool modem_power_booted(struct modem *m);
/* It answers: proof that it is on. */
void modem_power_proven(struct modem *m);
/* Its family is known. */
void modem_power_family(struct modem *m);
/* It has no port now: if that lasts, its lines are used. */
void modem_power_absent(struct modem *m);

/* pin.c */
/*
 * A wrong PIN is tried once in the life of the gateway, not once per start: before a PIN goes to
 * the card, card and PIN are written down, and struck out only when the card has accepted it.
 */
bool modem_pin_may_try(const struct modem *m);
int modem_pin_note_try(const struct modem *m);
void modem_pin_note_accepted(const struct modem *m);

#endif
