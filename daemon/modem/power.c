#include "modem/power.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "core/log.h"

#define HOUR_MS 3600000u

/* From the supply's return until PWRKEY is pressed: the module's own regulators come first. */
#define SETTLE_MS 500

static const char *const line_names[_POWER_LINE_MAX] = {
	[POWER_PWRKEY] = "pwrkey", [POWER_RESET] = "reset", [POWER_SUPPLY] = "supply",
	[POWER_STATUS] = "status", [POWER_DTR] = "dtr", [POWER_RI] = "ri",
};

static const char *const job_names[_POWER_JOB_MAX] = {
	[POWER_ON] = "switching it on", [POWER_CYCLE] = "a power cycle", [POWER_PULSE] = "its RESET line",
};

const char *power_line_name(enum power_line line)
{
	return line_names[line];
}

const char *power_job_name(enum power_job job)
{
	return job_names[job];
}

static struct power *power_of(struct proc *p)
{
	return container_of(p, struct power, proc);
}

bool power_has(const struct power *p, enum power_line line)
{
	return p->o.lines[line].line[0];
}

bool power_configured(const struct power *p)
{
	for (int i = 0; i < _POWER_LINE_MAX; i++)
		if (power_has(p, (enum power_line)i))
			return true;
	return false;
}

bool power_can(const struct power *p, enum power_job job)
{
	if (!p->open)
		return false;
	return job == POWER_PULSE ? power_has(p, POWER_RESET) :
				    power_has(p, POWER_PWRKEY) || power_has(p, POWER_SUPPLY);
}

#define TIME_OF(p, member) ((p)->o.times.member ? (p)->o.times.member : (p)->family.member)

/* --- STATUS ------------------------------------------------------------------------------------- */

int power_status(const struct power *p)
{
	return power_has(p, POWER_STATUS) ? gpio_get(&p->lines[POWER_STATUS]) : -ENODEV;
}

enum power_is power_is(const struct power *p)
{
	int v = power_status(p);

	if (p->cut)
		return POWER_IS_OFF;
	if (v < 0 || p->disbelieved)
		return POWER_IS_UNKNOWN;
	return v ? POWER_IS_ON : POWER_IS_OFF;
}

/* It can be waited for. */
static bool status_tells(const struct power *p)
{
	return power_status(p) >= 0 && !p->disbelieved;
}

bool power_proven(struct power *p)
{
	p->half = false;
	if (p->cut || p->disbelieved || power_status(p) != 0)
		return false;
	p->disbelieved = true;
	return true;
}

/* --- the bound ---------------------------------------------------------------------------------- */

bool power_may(const struct power *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_uses; i++)
		n += ev_now_ms() - p->uses[i] < HOUR_MS;
	return n < p->o.per_hour;
}

void power_count(struct power *p)
{
	if (p->n_uses == POWER_USES_MAX)
		memmove(p->uses, p->uses + 1, --p->n_uses * sizeof(p->uses[0]));
	p->uses[p->n_uses++] = ev_now_ms();
}

/* --- moving lines ------------------------------------------------------------------------------- */

static int set(struct power *p, enum power_line line, bool active)
{
	int r = gpio_set(&p->lines[line], active);

	if (r < 0) {
		log_error("power", "%s cannot be set: %s", line_names[line], strerror(-r));
		proc_fail(&p->proc, CAUSE_REFUSED, "gpio", -r);
	}
	return r;
}

/* It is on, or about to be: keep it awake. What is off must not be fed through a line. */
static void set_awake(struct power *p, bool awake)
{
	if (power_has(p, POWER_DTR))
		gpio_set(&p->lines[POWER_DTR], awake);
}

static int press(struct power *p, enum power_line line, unsigned ms)
{
	int r = set(p, line, true);

	if (r < 0)
		return r;
	log_debug("power", "%s pressed for %u ms", line_names[line], ms);
	p->pressed = line;
	ev_alarm_start(&p->alarm, ms);
	return 0;
}

static void release(struct power *p)
{
	struct cause why = { CAUSE_REFUSED, "gpio", -1, NULL };
	int r = set(p, (enum power_line)p->pressed, false);

	p->pressed = -1;
	why.code = -r;
	proc_answer(&p->proc, r < 0 ? &why : NULL);
}

static int linger(struct power *p, unsigned ms)
{
	ev_alarm_start(&p->alarm, ms);
	return 0;
}

/* For STATUS to say so, or without STATUS for as long as it may take. */
static int await(struct power *p, bool on, unsigned ms)
{
	if (!status_tells(p))
		return linger(p, ms);
	if (power_status(p) == on)
		return STEP_SKIP;
	p->want = on;
	return linger(p, ms);
}

/* The alarm or STATUS has ended what was waited for. */
static void on_alarm(struct ev_alarm *a)
{
	struct power *p = container_of(a, struct power, alarm);
	bool late = p->want >= 0 && power_status(p) != p->want;

	if (p->pressed >= 0) {
		release(p);
		return;
	}
	p->want = -1;
	proc_answer(&p->proc, late ? &(struct cause){ CAUSE_TIMEOUT, "gpio", -1, NULL } : NULL);
}

static void on_status(struct gpio_line *l)
{
	struct power *p = container_of(l, struct power, lines[POWER_STATUS]);

	log_debug("power", "status: %s", l->value < 0 ? strerror(-l->value) : l->value ? "on" : "off");
	/* One that moves is not stuck: it may be believed again. */
	p->disbelieved = false;
	if (p->want >= 0 && l->value == p->want) {
		ev_alarm_stop(&p->alarm);
		p->want = -1;
		proc_answer(&p->proc, NULL);
	}
	p->changed(p);
}

static void on_ri(struct gpio_line *l)
{
	struct power *p = container_of(l, struct power, lines[POWER_RI]);

	if (l->value == 1)
		p->rang(p);
}

/* --- steps -------------------------------------------------------------------------------------- */

static enum step_verdict go_on(struct proc *p)
{
	return p->answer.kind == CAUSE_NONE ? STEP_NEXT : STEP_FAIL;
}

/* STATUS is no proof: what it fails to say is told, and the rest done all the same. */
static enum step_verdict went_off(struct proc *p)
{
	if (p->answer.kind == CAUSE_TIMEOUT)
		power_of(p)->stuck = "on";
	return STEP_NEXT;
}

static enum step_verdict went_on(struct proc *p)
{
	struct power *w = power_of(p);

	if (p->answer.kind == CAUSE_TIMEOUT)
		w->stuck = "off";
	else if (w->stuck && !strcmp(w->stuck, "off"))
		w->stuck = NULL;
	return STEP_NEXT;
}

static int wait_asked(struct proc *p)
{
	struct power *w = power_of(p);

	return w->asked ? await(w, false, TIME_OF(w, down_ms)) : STEP_SKIP;
}

static enum step_verdict judge_asked(struct proc *p)
{
	struct power *w = power_of(p);

	if (p->answer.kind != CAUSE_NONE)
		w->asked = false;
	return STEP_NEXT;
}

static int leave(struct proc *p)
{
	struct power *w = power_of(p);

	w->leaving(w);
	return STEP_SKIP;
}

/*
 * Without STATUS nobody knows whether a silent module is on. Every second cycle in a row assumes
 * that it is not, and leaves this pulse out: one of two then ends with the module on.
 */
static int press_off(struct proc *p)
{
	struct power *w = power_of(p);

	set_awake(w, false);
	if (!power_has(w, POWER_PWRKEY) || power_is(w) == POWER_IS_OFF)
		return STEP_SKIP;
	if (power_is(w) == POWER_IS_UNKNOWN && (w->asked || w->half))
		return STEP_SKIP;
	return press(w, POWER_PWRKEY, TIME_OF(w, off_ms));
}

static int wait_off(struct proc *p)
{
	struct power *w = power_of(p);
	bool skipped = power_is(w) == POWER_IS_UNKNOWN && (w->asked || w->half);

	if (!power_has(w, POWER_PWRKEY) || skipped)
		return STEP_SKIP;
	return await(w, false, TIME_OF(w, down_ms));
}

static int cut(struct proc *p)
{
	struct power *w = power_of(p);
	int r;

	if (!power_has(w, POWER_SUPPLY))
		return STEP_SKIP;
	r = set(w, POWER_SUPPLY, false);
	if (r < 0)
		return r;
	w->cut = true;
	w->stuck = NULL;
	return linger(w, w->o.cut_ms);
}

static int restore(struct proc *p)
{
	struct power *w = power_of(p);
	int r;

	w->rising = true;
	if (!w->cut)
		return STEP_SKIP;
	/* On without a supply: that is no use as a reason not to press. */
	if (power_status(w) == 1)
		w->stuck = "on";
	r = set(w, POWER_SUPPLY, true);
	if (r < 0)
		return r;
	w->cut = false;
	return linger(w, SETTLE_MS);
}

/* A STATUS that did not go off may be stuck, the module off behind it. */
static int press_on(struct proc *p)
{
	struct power *w = power_of(p);

	set_awake(w, true);
	if (!power_has(w, POWER_PWRKEY) || (power_is(w) == POWER_IS_ON && !w->stuck))
		return STEP_SKIP;
	return press(w, POWER_PWRKEY, TIME_OF(w, on_ms));
}

static int wait_on(struct proc *p)
{
	struct power *w = power_of(p);

	return status_tells(w) && !w->heard ? await(w, true, TIME_OF(w, up_ms)) : STEP_SKIP;
}

static bool still_off(const struct power *w)
{
	return status_tells(w) && power_status(w) == 0 && !w->heard;
}

static int press_on_again(struct proc *p)
{
	struct power *w = power_of(p);

	return power_has(w, POWER_PWRKEY) && still_off(w) ? press(w, POWER_PWRKEY, TIME_OF(w, on_ms)) :
							    STEP_SKIP;
}

static int wait_on_again(struct proc *p)
{
	struct power *w = power_of(p);

	return power_has(w, POWER_PWRKEY) && still_off(w) ? wait_on(p) : STEP_SKIP;
}

static int press_reset(struct proc *p)
{
	struct power *w = power_of(p);

	return press(w, POWER_RESET, TIME_OF(w, reset_ms));
}

#define ON_STEPS                                                \
	{ "supply-on",      restore,        go_on,   0 },       \
	{ "on-press",       press_on,       go_on,   0 },       \
	{ "on-wait",        wait_on,        went_on, 0 },       \
	{ "on-press-again", press_on_again, go_on,   0 },       \
	{ "on-wait-again",  wait_on_again,  went_on, 0 },       \
	{ 0 }

static const struct step on_steps[] = {
	{ "leave", leave, go_on, 0 },
	ON_STEPS
};

static const struct step cycle_steps[] = {
	{ "asked-off",  wait_asked, judge_asked, 0 },
	{ "leave",      leave,      go_on,       0 },
	{ "off-press",  press_off,  go_on,       0 },
	{ "off-wait",   wait_off,   went_off,    0 },
	{ "supply-off", cut,        go_on,       0 },
	ON_STEPS
};

static const struct step pulse_steps[] = {
	{ "leave",       leave,       go_on, 0 },
	{ "reset-press", press_reset, go_on, 0 },
	{ 0 }
};

/* --- a job -------------------------------------------------------------------------------------- */

static void let_go(struct power *p)
{
	ev_alarm_stop(&p->alarm);
	p->want = -1;
	if (p->pressed >= 0)
		gpio_set(&p->lines[p->pressed], false);
	p->pressed = -1;
	if (p->cut)
		gpio_set(&p->lines[POWER_SUPPLY], true);
	p->cut = false;
}

static void on_abandon(struct proc *proc)
{
	let_go(power_of(proc));
}

static void on_finished(struct proc *proc)
{
	struct power *p = power_of(proc);

	let_go(p);
	if (p->job == POWER_CYCLE)
		p->half = !p->half;
	p->done(p);
}

void power_start(struct power *p, enum power_job job, bool asked)
{
	static const struct step *const steps[_POWER_JOB_MAX] = {
		[POWER_ON] = on_steps, [POWER_CYCLE] = cycle_steps, [POWER_PULSE] = pulse_steps,
	};

	assert(!power_busy(p) && power_can(p, job));
	p->job = job;
	p->asked = asked;
	p->stuck = NULL;
	/* A reset module starts as soon as it is let go, and its first words may be early. */
	p->rising = job == POWER_PULSE;
	p->heard = false;
	p->proc.name = "power";
	p->proc.steps = steps[job];
	p->proc.abandon = on_abandon;
	p->proc.finished = on_finished;
	proc_start(&p->proc);
}

bool power_busy(const struct power *p)
{
	return proc_running(&p->proc);
}

void power_refused(struct power *p)
{
	if (!power_busy(p) || !p->asked || strcmp(proc_step(&p->proc), "asked-off") != 0)
		return;
	ev_alarm_stop(&p->alarm);
	p->want = -1;
	proc_answer(&p->proc, &(struct cause){ CAUSE_REFUSED, "module", -1, NULL });
}

bool power_heard(struct power *p)
{
	if (!power_busy(p) || !p->rising)
		return false;
	p->heard = true;
	if (p->want == 1) {
		ev_alarm_stop(&p->alarm);
		p->want = -1;
		proc_answer(&p->proc, NULL);
	}
	return true;
}

/* --- opening ------------------------------------------------------------------------------------ */

static enum gpio_use use_of(enum power_line line)
{
	static const enum gpio_use uses[_POWER_LINE_MAX] = {
		[POWER_PWRKEY] = GPIO_OUTPUT_OFF, [POWER_RESET] = GPIO_OUTPUT_OFF,
		[POWER_SUPPLY] = GPIO_OUTPUT_ON, [POWER_STATUS] = GPIO_INPUT,
		[POWER_DTR] = GPIO_OUTPUT_ON, [POWER_RI] = GPIO_INPUT,
	};

	return uses[line];
}

static void close_lines(struct power *p)
{
	for (int i = 0; i < _POWER_LINE_MAX; i++)
		gpio_close(&p->lines[i]);
}

int power_open(struct power *p, char why[GPIO_WHY_MAX])
{
	char text[GPIO_WHY_MAX];

	p->alarm.fired = on_alarm;
	p->pressed = p->want = -1;
	p->lines[POWER_STATUS].changed = on_status;
	p->lines[POWER_RI].changed = on_ri;
	for (int i = 0; i < _POWER_LINE_MAX; i++) {
		enum power_line line = (enum power_line)i;
		int r = power_has(p, line) ? gpio_open(&p->lines[i], &p->o.lines[i], use_of(line), text) : 0;

		if (r == 0)
			continue;
		snprintf(why, GPIO_WHY_MAX, "[power] %s: %.*s", line_names[i], GPIO_WHY_MAX - 20, text);
		close_lines(p);
		return r;
	}
	p->open = true;
	return 0;
}

void power_close(struct power *p)
{
	if (!p->open)
		return;
	proc_drop(&p->proc);
	let_go(p);
	close_lines(p);
	p->open = false;
}
