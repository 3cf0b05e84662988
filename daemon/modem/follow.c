/*
 * After another profile was enabled on the card, the module often goes on with the old one. The
 * ladder here makes it follow, mildest rung first; a rung has helped when the module itself reports
 * the new ICCID, and nothing else counts:
 *
 *   refresh   the card asks for it (REFRESH, ETSI TS 102 223 6.4.7) and the module does it by
 *             itself, with or without a word; it is waited for
 *   card      the family's commands that take the card's power and give it back
 *   radio     +CFUN=0 and back: most modules power the card down with it
 *   reset     the family's reset command
 *   power     off and on by the power lines, where they are configured and may be used
 *
 * The module may restart, re-enumerate or fall silent on the way: its life cycle deals with that,
 * this procedure only waits for what comes out of it.
 */
#include <stdio.h>
#include <string.h>

#include "atcmd/patience.h"
#include "core/log.h"
#include "modem/modem.h"

#define POLL_MS 1500            /* between two questions for the ICCID */
#define REFRESH_MS 8000
#define SILENT_REFRESH_MS 4000  /* of modules that never notice by themselves */
#define CARD_MS 12000
#define RADIO_MS 25000
#define RESET_MS 120000         /* restart, boot, registration of the card */
#define POWER_MS 150000         /* the same, and until it is off and on */

static const char *const rung_names[_MODEM_FOLLOW_MAX] = {
	[MODEM_FOLLOW_REFRESH] = "refresh", [MODEM_FOLLOW_CARD] = "card",
	[MODEM_FOLLOW_RADIO] = "radio", [MODEM_FOLLOW_RESET] = "reset",
	[MODEM_FOLLOW_POWER] = "power",
};

const char *modem_follow_name(enum modem_follow_rung rung)
{
	return rung_names[rung];
}

static struct modem *modem_of(struct proc *p)
{
	return container_of(p, struct modem, follow.proc);
}

/* --- proof ---------------------------------------------------------------------------------------- */

/* Modules print 18 to 20 digits of the same ICCID: with or without its check digit. */
bool modem_same_iccid(const char *a, const char *b)
{
	size_t n = MIN(strlen(a), strlen(b));

	return n >= 18 && strncmp(a, b, n) == 0;
}

static bool proven(const struct modem *m)
{
	const struct modem_follow *f = &m->follow;

	if (m->st.state != MODEM_READY)
		return false;
	if (f->iccid[0])
		return modem_same_iccid(m->st.iccid, f->iccid);
	/* No profile is enabled: the module sees a card without one, or with a default number. */
	return !f->old[0] || !modem_same_iccid(m->st.iccid, f->old);
}

void modem_follow_note(struct modem *m)
{
	if (m->follow.waiting && proven(m))
		proc_answer(&m->follow.proc, NULL);
}

/* --- waiting, and asking meanwhile ------------------------------------------------------------------ */

static void on_poll_line(struct at_cmd *cmd, struct text line)
{
	struct modem *m = container_of(cmd, struct modem, follow.cmd);
	char iccid[AT_ICCID_MAX];

	if (at_iccid_parse(line, iccid) == 0 && strcmp(iccid, m->st.iccid) != 0)
		m->follow.stirred = true;
}

static void on_poll_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, follow.cmd);

	(void)final;
	/* The old card's number is gone, or another one is there: read everything anew. */
	if (m->follow.stirred || ((end == AT_CME_ERROR || end == AT_ERROR) && m->st.iccid[0])) {
		log_debug("modem", "the card has changed (%s %d)", at_end_name(end), code);
		modem_look_again(m);
	}
}

static void on_poll(struct ev_alarm *a)
{
	struct modem *m = container_of(a, struct modem, follow.poll);
	const char *command = m->family->iccid[0] ? m->family->iccid[0] : "AT+CRSM=176,12258,0,0,10";

	ev_alarm_start(a, POLL_MS);
	if (m->st.state != MODEM_READY || at_cmd_active(&m->follow.cmd))
		return;
	m->follow.stirred = false;
	m->follow.cmd = (struct at_cmd){ .text = command, .every = true,
					 .patience_ms = at_patience_ms(text_of(command)),
					 .line = on_poll_line, .done = on_poll_done };
	at_submit(&m->chat, &m->follow.cmd);
}

static int wait(struct modem *m, enum modem_follow_rung rung)
{
	m->follow.rung = rung;
	m->follow.waiting = true;
	m->follow.poll.fired = on_poll;
	ev_alarm_start(&m->follow.poll, POLL_MS);
	modem_follow_note(m);
	return 0;
}

static void on_abandon(struct proc *p)
{
	struct modem *m = modem_of(p);

	m->follow.waiting = false;
	ev_alarm_stop(&m->follow.poll);
	at_cancel(&m->chat, &m->follow.cmd);
}

static enum step_verdict waited(struct proc *p)
{
	struct modem *m = modem_of(p);

	m->follow.waiting = false;
	ev_alarm_stop(&m->follow.poll);
	at_cancel(&m->chat, &m->follow.cmd);
	if (p->answer.kind == CAUSE_NONE)
		return STEP_FINISH;
	log_info("modem", "does not follow the card by %s", rung_names[m->follow.rung]);
	return STEP_NEXT;
}

/* --- commands of the rungs ---------------------------------------------------------------------------- */

static void on_command_line(struct at_cmd *cmd, struct text line)
{
	struct modem *m = container_of(cmd, struct modem, follow.cmd);

	at_cfun_parse(line, &m->follow.fun);
}

static void on_command_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, follow.cmd);
	struct cause why = { CAUSE_REFUSED, "module", code, NULL };

	(void)final;
	/* Whatever became of it: the wait behind it decides. Losing the link may be its effect. */
	proc_answer(&m->follow.proc, end == AT_OK ? NULL : &why);
}

static int command(struct modem *m, const char *text)
{
	if (m->st.state != MODEM_READY)
		return STEP_SKIP;
	m->follow.cmd = (struct at_cmd){ .text = text, .every = true,
					 .patience_ms = at_patience_ms(text_of(text)),
					 .line = on_command_line, .done = on_command_done };
	at_submit(&m->chat, &m->follow.cmd);
	return 0;
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

static int wait_refresh(struct proc *p)
{
	return wait(modem_of(p), MODEM_FOLLOW_REFRESH);
}

static int wait_refresh_silent(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->family->quirks & QUIRK_CARD_SILENT ? wait(m, MODEM_FOLLOW_REFRESH) : STEP_SKIP;
}

static int wait_refresh_long(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->family->quirks & QUIRK_CARD_SILENT ? STEP_SKIP : wait_refresh(p);
}

static int card_off(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->family->card_off ? command(m, m->family->card_off) : STEP_SKIP;
}

static int card_on(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->family->card_on ? command(m, m->family->card_on) : STEP_SKIP;
}

static int wait_card(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->family->card_on ? wait(m, MODEM_FOLLOW_CARD) : STEP_SKIP;
}

/* What it is set to now is what it gets back: a radio that somebody keeps off stays off. */
static int ask_radio(struct proc *p)
{
	struct modem *m = modem_of(p);

	m->follow.fun = 1;
	return command(m, "AT+CFUN?");
}

static int radio_off(struct proc *p)
{
	return command(modem_of(p), "AT+CFUN=0");
}

static int radio_on(struct proc *p)
{
	struct modem *m = modem_of(p);

	return command(m, m->follow.fun == 4 ? "AT+CFUN=4" : "AT+CFUN=1");
}

static int wait_radio(struct proc *p)
{
	struct modem *m = modem_of(p);

	/* Not every module says that its card is there again. */
	modem_look_again(m);
	return wait(m, MODEM_FOLLOW_RADIO);
}

static int reset(struct proc *p)
{
	struct modem *m = modem_of(p);

	/* The card's own numbers will be read anew: what is known now proves nothing. */
	modem_reset(m);
	return wait(m, MODEM_FOLLOW_RESET);
}

static enum step_verdict was_reset(struct proc *p)
{
	waited(p);
	if (p->answer.kind == CAUSE_NONE)
		return STEP_FINISH;
	if (modem_power_may(modem_of(p), POWER_CYCLE))
		return STEP_NEXT;
	proc_fail(p, CAUSE_TIMEOUT, "module", -1);
	return STEP_FAIL;
}

static int cycle_power(struct proc *p)
{
	struct modem *m = modem_of(p);
	int r = modem_power(m, POWER_CYCLE);

	return r < 0 ? r : wait(m, MODEM_FOLLOW_POWER);
}

static enum step_verdict was_cycled(struct proc *p)
{
	waited(p);
	if (p->answer.kind == CAUSE_NONE)
		return STEP_FINISH;
	proc_fail(p, CAUSE_TIMEOUT, "module", -1);
	return STEP_FAIL;
}

static const struct step follow_steps[] = {
	{ "refresh-silent", wait_refresh_silent, waited,    SILENT_REFRESH_MS },
	{ "refresh",        wait_refresh_long,   waited,    REFRESH_MS },
	{ "card-off",       card_off,            go_on,     0 },
	{ "card-on",        card_on,             go_on,     0 },
	{ "card",           wait_card,           waited,    CARD_MS },
	{ "radio-is",       ask_radio,           go_on,     0 },
	{ "radio-off",      radio_off,           go_on,     0 },
	{ "radio-on",       radio_on,            go_on,     0 },
	{ "radio",          wait_radio,          waited,    RADIO_MS },
	{ "reset",          reset,               was_reset, RESET_MS },
	{ "power",          cycle_power,         was_cycled, POWER_MS },
	{ 0 }
};

/* --- the procedure --------------------------------------------------------------------------------------- */

static void on_finished(struct proc *p)
{
	struct modem *m = modem_of(p);
	bool followed = !cause_is_set(&p->cause);

	m->follow.took_ms = (unsigned)(ev_now_ms() - m->follow.started_ms);
	if (followed)
		log_info("modem", "follows the card after %.1f s, by %s",
			 m->follow.took_ms / 1000.0, rung_names[m->follow.rung]);
	else
		log_warning("modem", "does not follow the card, not even after %s",
			    m->follow.rung == MODEM_FOLLOW_POWER ? "a power cycle" : "a reset");
	m->follow.followed(m, followed ? NULL : &p->cause);
}

void modem_follow_start(struct modem *m, const char *iccid)
{
	struct modem_follow *f = &m->follow;

	if (proc_running(&f->proc))
		proc_drop(&f->proc);
	f->waiting = false;
	text_copy(text_of(iccid), f->iccid, sizeof(f->iccid));
	text_copy(text_of(m->st.iccid), f->old, sizeof(f->old));
	f->rung = MODEM_FOLLOW_REFRESH;
	f->started_ms = ev_now_ms();
	f->proc.name = "modem";
	f->proc.steps = follow_steps;
	f->proc.abandon = on_abandon;
	f->proc.finished = on_finished;
	proc_start(&f->proc);
}

void modem_follow_stop(struct modem *m)
{
	if (proc_running(&m->follow.proc))
		proc_drop(&m->follow.proc);
	m->follow.waiting = false;
	ev_alarm_stop(&m->follow.poll);
	at_cancel(&m->chat, &m->follow.cmd);
}

bool modem_is_following(const struct modem *m)
{
	return proc_running(&m->follow.proc);
}
