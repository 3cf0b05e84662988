/*
 * The module's power lines: PWRKEY, RESET, the supply, STATUS, DTR and RI, as far as a board has
 * them, and the three things that are done by them. Knows nothing of AT: whether what was done has
 * helped is proven by an answer, which is for who asked for it to see.
 *
 * PWRKEY is a toggle: a pulse at the wrong time switches off what it should have switched on. STATUS
 * decides; where it says something that the module's answers belie, it is not believed any more.
 *
 * Callbacks run from the event loop, never from inside a call made here.
 */
#ifndef MODEM_POWER_H
#define MODEM_POWER_H

#include "atcmd/family.h"
#include "core/proc.h"
#include "modem/gpio.h"

enum power_line {
	POWER_PWRKEY,           /* active: pressed */
	POWER_RESET,            /* active: the module is held in reset */
	POWER_SUPPLY,           /* active: the module has power (a switch, FULL_CARD_POWER_OFF#) */
	POWER_STATUS,           /* active: the module is on */
	POWER_DTR,              /* active: the module is to stay awake */
	POWER_RI,               /* becomes active: the module has something to say */
	_POWER_LINE_MAX
};

enum power_job {
	POWER_ON,               /* gives it power, and presses PWRKEY unless it is on already */
	POWER_CYCLE,            /* off by what the board has, and on again */
	POWER_PULSE,            /* RESET for a moment */
	_POWER_JOB_MAX
};

enum power_is { POWER_IS_UNKNOWN, POWER_IS_OFF, POWER_IS_ON };

#define POWER_USES_MAX 60

struct power_options {
	struct gpio_spec lines[_POWER_LINE_MAX];
	struct at_power times;          /* 0: the family's */
	unsigned cut_ms;                /* how long the supply stays away */
	unsigned per_hour;              /* so often the lines are used without being told to */
};

struct power {
	struct power_options o;
	struct at_power family;         /* without gaps, at_family_power() */
	/* Once per job, before a line moves, and after the module was waited for that was asked. */
	void (*leaving)(struct power *p);
	/* The job has ended: p->proc.cause tells whether a line could not be moved. */
	void (*done)(struct power *p);
	/* STATUS says something else. */
	void (*changed)(struct power *p);
	/* RI has become active. */
	void (*rang)(struct power *p);

	/* for the owner to read: of the last job, which way STATUS did not follow it; NULL: it did */
	const char *stuck;

	/* power.c only */
	struct gpio_line lines[_POWER_LINE_MAX];
	bool open;
	struct proc proc;
	enum power_job job;
	struct ev_alarm alarm;          /* the end of a pulse, of a pause, of a wait for STATUS */
	int pressed;                    /* enum power_line; -1: none */
	int want;                       /* what STATUS is waited for to say; -1: nothing */
	bool asked;                     /* the module was told to switch itself off */
	bool rising, heard;             /* its new start has begun; it has said so */
	bool cut;                       /* the supply is away */
	bool disbelieved;               /* STATUS lies */
	bool half;                      /* without STATUS: the last cycle may have ended in "off" */
	uint64_t uses[POWER_USES_MAX];  /* when, the oldest first */
	unsigned n_uses;
};

const char *power_line_name(enum power_line line);
const char *power_job_name(enum power_job job);

/*
 * Requests all lines that are configured, in a state that does nothing to a module that runs. 0, or
 * -errno as gpio_open() with one line in why, and no line is held. Without any line it is open, too.
 */
int power_open(struct power *p, char why[GPIO_WHY_MAX]);
/* Ends a job with no line pressed and the supply on, and gives the lines back. */
void power_close(struct power *p);

bool power_has(const struct power *p, enum power_line line);
/* Any line is configured. */
bool power_configured(const struct power *p);
/* The lines that this needs are configured, and held. */
bool power_can(const struct power *p, enum power_job job);
enum power_is power_is(const struct power *p);
/* What STATUS says, whether it is believed or not; -errno: it says nothing. */
int power_status(const struct power *p);

/* The bound on automatic use: false, it was used so often within the last hour. */
bool power_may(const struct power *p);
void power_count(struct power *p);

/*
 * Starts a job; none may be running, and power_can() said yes. asked (POWER_CYCLE): the module
 * answers, and has been told to switch itself off; that is waited for. done() follows.
 */
void power_start(struct power *p, enum power_job job, bool asked);
bool power_busy(const struct power *p);
/* The module has refused to switch itself off. */
void power_refused(struct power *p);
/*
 * It says that it has started, which ends what was left to be done. False: it cannot be meant, its
 * new start has not begun.
 */
bool power_heard(struct power *p);
/* The module answers: it is on, whatever STATUS says. True: STATUS says "off", for the first time. */
bool power_proven(struct power *p);

#endif
