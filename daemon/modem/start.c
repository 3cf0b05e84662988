/*
 * The module's start as two recipes, and the refresh of what changes later. What a module refuses
 * or garbles is left unknown: nothing here is worth losing a module that answers. What ends a
 * recipe is only that the link breaks; a question without an answer is asked twice, the chat gets
 * back into step in between (atcmd/resync.c).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "atcmd/patience.h"
#include "core/log.h"
#include "modem/modem.h"

/* A card may be busy with itself for half a minute after power-up. */
#define SIM_TRIES 30
#define SIM_PAUSE_MS 1000
#define IMSI_TRIES 5

static struct modem *modem_of(struct proc *p)
{
	return container_of(p, struct modem, recipe);
}

/* --- asking --------------------------------------------------------------------------------------- */

static void on_line(struct at_cmd *cmd, struct text line)
{
	struct modem *m = container_of(cmd, struct modem, cmd);

	if (line.n + 1 > sizeof(m->answer) - m->answer_n) {
		m->answer_full = true;
		return;
	}
	memcpy(m->answer + m->answer_n, line.s, line.n);
	m->answer_n += line.n;
	m->answer[m->answer_n++] = '\n';
}

static void on_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct modem *m = container_of(cmd, struct modem, cmd);
	struct cause why = { .from = "module", .code = code };

	(void)final;
	switch (end) {
	case AT_OK:
		proc_answer(&m->recipe, NULL);
		return;
	case AT_ERROR:
	case AT_CME_ERROR:
	case AT_CMS_ERROR:
	case AT_NO_CARRIER:
	case AT_CONNECT:
		why.kind = CAUSE_REFUSED;
		break;
	case AT_TIMEOUT:
		why.kind = CAUSE_TIMEOUT;
		break;
	case AT_LINK_LOST:
	case _AT_END_MAX:
		why.kind = CAUSE_LINK_LOST;
		break;
	}
	proc_answer(&m->recipe, &why);
}

static int ask(struct proc *p, const char *text)
{
	struct modem *m = modem_of(p);

	if (text_copy(text_of(text), m->cmd_text, sizeof(m->cmd_text)) < 0)
		return -EMSGSIZE;
	m->cmd.text = m->cmd_text;
	m->cmd.every = true;
	m->cmd.patience_ms = at_patience_ms(text_of(text));
	m->cmd.line = on_line;
	m->cmd.done = on_done;
	m->answer_n = 0;
	m->answer_full = false;
	at_submit(&m->chat, &m->cmd);
	return 0;
}

static bool said_yes(const struct proc *p)
{
	return p->answer.kind == CAUSE_NONE;
}

/* The lines of the answer, one after the other; false after the last. */
static bool next_line(struct text *rest, struct text *ret_line)
{
	if (rest->n == 0)
		return false;
	*ret_line = text_cut(rest, '\n');
	return true;
}

static struct text answer_of(const struct modem *m)
{
	return text_from(m->answer, m->answer_n);
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

/* --- identification ----------------------------------------------------------------------------------- */

static int ask_errors(struct proc *p)
{
	return ask(p, "AT+CMEE=1");
}

static int ask_maker(struct proc *p)
{
	return ask(p, "AT+CGMI");
}

static int ask_model(struct proc *p)
{
	return ask(p, "AT+CGMM");
}

static int ask_revision(struct proc *p)
{
	return ask(p, "AT+CGMR");
}

/* The first line with printable text in it; garbage and over-long lines are nothing. */
static void keep_text(struct modem *m, char *dst, size_t cap)
{
	struct text rest = answer_of(m), line;

	while (next_line(&rest, &line)) {
		struct text t = at_bare_text(line);
		bool printable = t.n > 0;

		for (size_t i = 0; i < t.n; i++)
			printable &= t.s[i] >= 0x20 && t.s[i] < 0x7f;
		if (printable && text_copy(t, dst, cap) == 0)
			return;
	}
}

static enum step_verdict keep_maker(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (said_yes(p))
		keep_text(m, m->st.maker, sizeof(m->st.maker));
	return STEP_NEXT;
}

static enum step_verdict keep_model(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (said_yes(p))
		keep_text(m, m->st.model, sizeof(m->st.model));
	m->family = at_family_find(text_of(m->st.maker), text_of(m->st.model));
	m->st.family = m->family->name;
	card_at_set_family(&m->card, m->family);
	m->chat.gap_ms = m->o.gap_ms ? m->o.gap_ms : m->family->gap_ms;
	modem_power_family(m);
	return STEP_NEXT;
}

static enum step_verdict keep_revision(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (said_yes(p))
		keep_text(m, m->st.revision, sizeof(m->st.revision));
	return STEP_NEXT;
}

/* Bare on most; some want the newer form, a few know only the older name. */
static int ask_imei(struct proc *p)
{
	static const char *const forms[] = { "AT+CGSN", "AT+CGSN=1", "AT+GSN" };

	return p->piece < ARRAY_SIZE(forms) ? ask(p, forms[p->piece]) : STEP_SKIP;
}

static enum step_verdict keep_imei(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;

	while (said_yes(p) && next_line(&rest, &line))
		if (at_imei_parse(line, m->st.imei) == 0)
			return STEP_NEXT;
	return STEP_AGAIN;
}

static int ask_setup(struct proc *p)
{
	const struct at_family *f = modem_of(p)->family;

	if (p->piece == AT_FAMILY_SETUP_MAX || !f->setup[p->piece])
		return STEP_SKIP;
	return ask(p, f->setup[p->piece]);
}

static enum step_verdict again(struct proc *p)
{
	(void)p;
	return STEP_AGAIN;
}

static int ask_radio(struct proc *p)
{
	return modem_of(p)->o.radio_on ? ask(p, "AT+CFUN?") : STEP_SKIP;
}

static bool radio_is_off(struct modem *m)
{
	struct text rest = answer_of(m), line;
	int fun;

	while (next_line(&rest, &line))
		if (at_cfun_parse(line, &fun) == 0)
			return fun == 0 || fun == 4;
	return false;
}

/* An answer that cannot be read leaves the radio as it is. */
static enum step_verdict judge_radio(struct proc *p)
{
	return said_yes(p) && radio_is_off(modem_of(p)) ? STEP_NEXT : STEP_FINISH;
}

static int switch_radio_on(struct proc *p)
{
	if (!modem_of(p)->o.radio_on)
		return STEP_SKIP;
	log_info("modem", "its radio is off, switching it on");
	return ask(p, "AT+CFUN=1");
}

static const struct step identify_steps[] = {
	{ "errors",       ask_errors,      go_on,         0, 2 },
	{ "maker",        ask_maker,       keep_maker,    0, 2 },
	{ "model",        ask_model,       keep_model,    0, 2 },
	{ "revision",     ask_revision,    keep_revision, 0, 2 },
	{ "imei",         ask_imei,        keep_imei,     0, 2 },
	{ "family-setup", ask_setup,       again,         0, 2 },
	{ "radio",        ask_radio,       judge_radio,   0, 2 },
	{ "radio-on",     switch_radio_on, go_on,         0 },
	{ 0 }
};

/* --- card ------------------------------------------------------------------------------------------------ */

static int ask_pin_state(struct proc *p)
{
	return ask(p, "AT+CPIN?");
}

static enum modem_sim sim_from_pin(enum at_pin pin)
{
	static const enum modem_sim sims[_AT_PIN_MAX] = {
		[AT_PIN_READY] = MODEM_SIM_READY, [AT_PIN_SIM_PIN] = MODEM_SIM_PIN_REQUIRED,
		[AT_PIN_SIM_PUK] = MODEM_SIM_PUK_REQUIRED, [AT_PIN_OTHER] = MODEM_SIM_LOCKED,
		[AT_PIN_NOT_READY] = MODEM_SIM_NOT_READY,
		[AT_PIN_NOT_INSERTED] = MODEM_SIM_ABSENT,
	};

	return sims[pin];
}

/* 27.007 9.2. Anything else, and plain ERROR, may only mean "not yet". */
static enum modem_sim sim_from_error(int cme)
{
	switch (cme) {
	case 10:
		return MODEM_SIM_ABSENT;
	case 11:
		return MODEM_SIM_PIN_REQUIRED;
	case 12:
		return MODEM_SIM_PUK_REQUIRED;
	case 13:
	case 15:
		return MODEM_SIM_FAILURE;
	case 14:
		return MODEM_SIM_NOT_READY;
	default:
		return MODEM_SIM_UNKNOWN;
	}
}

static void set_sim(struct modem *m, enum modem_sim sim)
{
	if (m->st.sim == sim)
		return;
	m->st.sim = sim;
	modem_mark(m, MODEM_CHANGED_SIM);
}

static enum step_verdict judge_pin_state(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;
	enum modem_sim sim = MODEM_SIM_UNKNOWN;
	enum at_pin pin;

	if (p->answer.kind == CAUSE_REFUSED)
		sim = sim_from_error(p->answer.code);
	while (said_yes(p) && next_line(&rest, &line))
		if (at_cpin_parse(line, &pin) == 0)
			sim = sim_from_pin(pin);
	set_sim(m, sim);
	/* A card that was given its PIN may ask for it a moment longer. */
	if ((sim == MODEM_SIM_UNKNOWN || sim == MODEM_SIM_NOT_READY ||
	     (sim == MODEM_SIM_PIN_REQUIRED && m->pin_sent)) && p->attempt < SIM_TRIES)
		return STEP_RETRY;
	return STEP_NEXT;
}

static int ask_iccid(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (m->st.sim == MODEM_SIM_ABSENT)
		return STEP_SKIP;
	if (p->piece < AT_FAMILY_ICCID_MAX && m->family->iccid[p->piece])
		return ask(p, m->family->iccid[p->piece]);
	/* Behind the family's own: EF.ICCID read as a file works nearly everywhere. */
	if (p->piece == 0 || m->family->iccid[p->piece - 1])
		return ask(p, "AT+CRSM=176,12258,0,0,10");
	return STEP_SKIP;
}

static enum step_verdict keep_iccid(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;

	while (said_yes(p) && next_line(&rest, &line)) {
		if (at_iccid_parse(line, m->st.iccid) == 0) {
			modem_mark(m, MODEM_CHANGED_SIM);
			return STEP_NEXT;
		}
	}
	return p->piece < AT_FAMILY_ICCID_MAX ? STEP_AGAIN : STEP_NEXT;
}

static void pin_problem(struct modem *m, int code, const char *text)
{
	log_error("modem", "%s", text);
	modem_problem(m, CAUSE_REFUSED, "card", code, "enter-pin", text);
}

static bool pin_wanted(struct modem *m)
{
	return m->st.sim == MODEM_SIM_PIN_REQUIRED && !m->pin_sent;
}

static int ask_pin_left(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (!pin_wanted(m))
		return STEP_SKIP;
	if (!m->o.pin[0]) {
		pin_problem(m, -1, "the card wants a PIN and none is configured ([modem] pin)");
		return STEP_SKIP;
	}
	if (!modem_pin_may_try(m)) {
		set_sim(m, MODEM_SIM_PIN_REFUSED);
		pin_problem(m, -1, "the configured PIN was refused by this card before: not tried again; "
				   "correct [modem] pin");
		return STEP_SKIP;
	}
	return m->family->pin_left ? ask(p, m->family->pin_left) : STEP_SKIP;
}

/*
 * "+CPINR: SIM PIN,3,3", "+QPINC: "SC",3,10", "+SPIC: 3,10,0,10", "#PCT: 3": the first field that
 * is a number. -1: cannot be known.
 */
static int pin_tries_left(struct modem *m)
{
	struct text rest = answer_of(m), line;

	while (next_line(&rest, &line)) {
		struct text fields = text_skip(line, text_find(line, ':') + 1);

		while (fields.n) {
			uint32_t left;

			if (text_to_u32(text_trim(text_cut(&fields, ',')), 10, &left) == 0 && left <= 10)
				return (int)left;
		}
	}
	return -1;
}

static enum step_verdict judge_pin_left(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (said_yes(p) && pin_tries_left(m) >= 0 && pin_tries_left(m) < 2) {
		set_sim(m, MODEM_SIM_PIN_REFUSED);
		pin_problem(m, -1, "the card has one PIN try left: not used; enter the PIN by hand");
	}
	return STEP_NEXT;
}

static int enter_pin(struct proc *p)
{
	struct modem *m = modem_of(p);
	char text[32];
	int r;

	if (!pin_wanted(m) || !m->o.pin[0])
		return STEP_SKIP;
	r = modem_pin_note_try(m);
	if (r < 0) {
		pin_problem(m, -r, "the PIN is not tried: the try cannot be noted in the state directory");
		return STEP_SKIP;
	}
	m->pin_sent = true;
	snprintf(text, sizeof(text), "AT+CPIN=\"%s\"", m->o.pin);
	return ask(p, text);
}

static enum step_verdict judge_pin(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (p->answer.kind != CAUSE_REFUSED)
		return STEP_NEXT;       /* accepted, or no answer: its state will tell */
	set_sim(m, p->answer.code == 12 ? MODEM_SIM_PUK_REQUIRED : MODEM_SIM_PIN_REFUSED);
	pin_problem(m, p->answer.code, "the card refused the configured PIN: not tried again; "
				       "correct [modem] pin");
	return STEP_NEXT;
}

static int check_pin(struct proc *p)
{
	struct modem *m = modem_of(p);

	return m->pin_sent && m->st.sim == MODEM_SIM_PIN_REQUIRED ? ask_pin_state(p) : STEP_SKIP;
}

static enum step_verdict judge_checked_pin(struct proc *p)
{
	enum step_verdict verdict = judge_pin_state(p);
	struct modem *m = modem_of(p);

	if (m->st.sim == MODEM_SIM_READY)
		modem_pin_note_accepted(m);
	return verdict;
}

static int ask_imsi(struct proc *p)
{
	return modem_of(p)->st.sim == MODEM_SIM_READY ? ask(p, "AT+CIMI") : STEP_SKIP;
}

static enum step_verdict keep_imsi(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;

	while (said_yes(p) && next_line(&rest, &line)) {
		if (at_imsi_parse(line, m->st.imsi) == 0) {
			modem_mark(m, MODEM_CHANGED_SIM);
			return STEP_NEXT;
		}
	}
	return p->attempt < IMSI_TRIES ? STEP_RETRY : STEP_NEXT;
}

/* --- network ------------------------------------------------------------------------------------------------ */

/* With location where the module can (2), else the bare state (1). Domains it lacks say no twice. */
static int ask_reports(struct proc *p)
{
	char text[32];

	if (p->piece == _AT_REG_MAX)
		return STEP_SKIP;
	snprintf(text, sizeof(text), "AT+%s=%d", at_reg_command((enum at_reg_kind)p->piece),
		 p->attempt == 1 ? 2 : 1);
	return ask(p, text);
}

static enum step_verdict judge_reports(struct proc *p)
{
	return p->answer.kind == CAUSE_REFUSED && p->attempt < 2 ? STEP_RETRY : STEP_AGAIN;
}

static int ask_registration(struct proc *p)
{
	char text[32];

	if (p->piece == _AT_REG_MAX)
		return STEP_SKIP;
	snprintf(text, sizeof(text), "AT+%s?", at_reg_command((enum at_reg_kind)p->piece));
	return ask(p, text);
}

static enum step_verdict keep_registration(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;
	struct at_reg reg;

	while (said_yes(p) && next_line(&rest, &line))
		if (at_reg_parse(line, &reg) == 0)
			modem_take_registration(m, &reg);
	return STEP_AGAIN;
}

static int ask_operator(struct proc *p)
{
	return modem_of(p)->st.registered ? ask(p, "AT+COPS?") : STEP_SKIP;
}

static void take_operator(struct modem *m, const struct at_cops *cops)
{
	bool numeric = cops->format == 2 || text_all_digits(text_of(cops->oper));
	char *dst = numeric ? m->st.plmn : m->st.operator_name;
	size_t cap = numeric ? sizeof(m->st.plmn) : sizeof(m->st.operator_name);

	if (strcmp(dst, cops->oper) != 0 && text_copy(text_of(cops->oper), dst, cap) == 0)
		modem_mark(m, MODEM_CHANGED_NETWORK);
	if (m->st.act < 0 && cops->act >= 0) {
		m->st.act = cops->act;
		modem_mark(m, MODEM_CHANGED_NETWORK);
	}
}

static enum step_verdict keep_operator(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;
	struct at_cops cops;

	while (said_yes(p) && next_line(&rest, &line))
		if (at_cops_parse(line, &cops) == 0)
			take_operator(m, &cops);
	return STEP_NEXT;
}

static int ask_signal(struct proc *p)
{
	return ask(p, "AT+CSQ");
}

static enum step_verdict keep_signal(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;
	struct at_csq csq;

	while (said_yes(p) && next_line(&rest, &line)) {
		if (at_csq_parse(line, &csq) == 0) {
			if (m->st.signal.rssi_dbm != csq.dbm)
				modem_mark(m, MODEM_CHANGED_SIGNAL);
			m->st.signal.rssi_dbm = csq.dbm;
			m->st.signal.at_ms = ev_now_ms();
		}
	}
	return STEP_NEXT;
}

static int ask_signal_extended(struct proc *p)
{
	return ask(p, "AT+CESQ");
}

static void take_cesq(struct modem *m, const struct at_cesq *cesq)
{
	struct modem_signal s = m->st.signal;
	bool nr = cesq->ss_rsrp_dbm != AT_NONE;

	s.rsrp_dbm = nr ? cesq->ss_rsrp_dbm : cesq->rsrp_dbm;
	s.rsrq_tenths = nr ? cesq->ss_rsrq_tenths : cesq->rsrq_tenths;
	s.sinr_tenths = cesq->ss_sinr_tenths;
	s.at_ms = ev_now_ms();
	if (s.rsrp_dbm != m->st.signal.rsrp_dbm || s.rsrq_tenths != m->st.signal.rsrq_tenths ||
	    s.sinr_tenths != m->st.signal.sinr_tenths)
		modem_mark(m, MODEM_CHANGED_SIGNAL);
	m->st.signal = s;
}

static enum step_verdict keep_signal_extended(struct proc *p)
{
	struct modem *m = modem_of(p);
	struct text rest = answer_of(m), line;
	struct at_cesq cesq;

	while (said_yes(p) && next_line(&rest, &line))
		if (at_cesq_parse(line, &cesq) == 0)
			take_cesq(m, &cesq);
	return STEP_NEXT;
}

#define NETWORK_STEPS                                                                   \
	{ "registration",    ask_registration,    keep_registration,    0, 2 },         \
	{ "operator",        ask_operator,        keep_operator,        0, 2 },         \
	{ "signal",          ask_signal,          keep_signal,          0, 2 },         \
	{ "signal-extended", ask_signal_extended, keep_signal_extended, 0, 2 },         \
	{ 0 }

static const struct step sim_steps[] = {
	{ "pin-state",       ask_pin_state,       judge_pin_state,   0, SIM_TRIES, SIM_PAUSE_MS },
	{ "iccid",           ask_iccid,           keep_iccid,        0, 2 },
	{ "pin-left",        ask_pin_left,        judge_pin_left,    0, 2 },
	{ "enter-pin",       enter_pin,           judge_pin,         0 },
	{ "pin-check",       check_pin,           judge_checked_pin, 0, SIM_TRIES, SIM_PAUSE_MS },
	{ "imsi",            ask_imsi,            keep_imsi,         0, IMSI_TRIES, SIM_PAUSE_MS },
	{ "reports",         ask_reports,         judge_reports,     0, 2 },
	NETWORK_STEPS
};

static const struct step refresh_steps[] = { NETWORK_STEPS };

/* --- the recipes ------------------------------------------------------------------------------------------------ */

static void on_abandon(struct proc *p)
{
	struct modem *m = modem_of(p);

	at_cancel(&m->chat, &m->cmd);
	modem_mux_abandon(m);
}

static void run(struct modem *m, const struct step *steps, void (*finished)(struct proc *p));

static void on_started(struct proc *p)
{
	struct modem *m = modem_of(p);
	char iccid[LOG_ID_MAX];

	if (cause_is_set(&p->cause)) {
		modem_problem(m, p->cause.kind, p->cause.from, p->cause.code, p->cause.step, NULL);
		modem_event(m, MODEM_EV_FAILED);
		return;
	}
	if (p->steps == identify_steps) {
		log_info("modem", "%s %s, revision %s (%s)", m->st.maker[0] ? m->st.maker : "unknown maker",
			 m->st.model, m->st.revision[0] ? m->st.revision : "unknown", m->st.family);
		modem_mark(m, MODEM_CHANGED_IDENTITY);
		if (modem_mux_wanted(m)) {
			run(m, modem_mux_steps, on_started);
			return;
		}
	} else if (p->steps == sim_steps) {
		log_info("modem", "card: %s, ICCID %s", modem_sim_name(m->st.sim),
			 log_id(text_of(m->st.iccid), iccid));
	}
	modem_event(m, MODEM_EV_DONE);
}

static void on_refreshed(struct proc *p)
{
	struct modem *m = modem_of(p);

	if (cause_is_set(&p->cause))
		log_debug("modem", "refresh ended by %s", cause_name(p->cause.kind));
	if (m->refreshed)
		m->refreshed(m);
}

static void run(struct modem *m, const struct step *steps, void (*finished)(struct proc *p))
{
	m->recipe.name = "modem";
	m->recipe.steps = steps;
	m->recipe.abandon = on_abandon;
	m->recipe.finished = finished;
	proc_start(&m->recipe);
}

void modem_identify(struct modem *m)
{
	run(m, identify_steps, on_started);
}

void modem_read_sim(struct modem *m)
{
	m->pin_sent = false;
	run(m, sim_steps, on_started);
}

void modem_run_refresh(struct modem *m)
{
	/* One that runs already tells what a second one would. */
	if (!proc_running(&m->recipe))
		run(m, refresh_steps, on_refreshed);
}

void modem_stop_recipe(struct modem *m)
{
	if (proc_running(&m->recipe))
		proc_drop(&m->recipe);
}
