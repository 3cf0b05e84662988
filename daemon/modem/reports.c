/* What the module says by itself, and what follows from it for the status. */
#include <stdio.h>

#include "atcmd/args.h"
#include "atcmd/urc.h"
#include "core/log.h"
#include "modem/modem.h"

/* Registration changes come in bursts: operator and signal are asked for once, after it. */
#define LOOK_MS 700

/* --- registration ------------------------------------------------------------------------------- */

void modem_forget_network(struct modem *m)
{
	struct modem_status *st = &m->st;

	for (int i = 0; i < _AT_REG_MAX; i++)
		st->reg[i] = (struct at_reg){ .kind = (enum at_reg_kind)i, .n = -1, .stat = -1, .act = -1,
					      .rac = -1, .cause_type = -1, .reject_cause = -1 };
	st->domain = AT_REG_EPS;
	st->registered = false;
	st->operator_name[0] = st->plmn[0] = '\0';
	st->act = -1;
	st->signal = (struct modem_signal){ AT_NONE, AT_NONE, AT_NONE, AT_NONE, 0 };
	modem_mark(m, MODEM_CHANGED_NETWORK | MODEM_CHANGED_SIGNAL);
}

/* How much a domain tells about data: one that is attached first, then the newer. */
static int weight(const struct at_reg *r)
{
	if (r->stat < 0)
		return -1;
	return (at_reg_attached(r->stat) ? 10 : 0) + (int)r->kind;
}

static bool same_reg(const struct at_reg *a, const struct at_reg *b)
{
	return a->stat == b->stat && a->act == b->act && !strcmp(a->area, b->area) &&
	       !strcmp(a->cell, b->cell);
}

void modem_take_registration(struct modem *m, const struct at_reg *reg)
{
	struct modem_status *st = &m->st;
	bool was = st->registered;

	if (same_reg(&st->reg[reg->kind], reg))
		return;
	st->reg[reg->kind] = *reg;
	st->domain = AT_REG_CS;
	for (int i = 0; i < _AT_REG_MAX; i++)
		if (weight(&st->reg[i]) >= weight(&st->reg[st->domain]))
			st->domain = (enum at_reg_kind)i;
	st->registered = at_reg_attached(st->reg[st->domain].stat);
	st->act = st->reg[st->domain].act;
	if (!st->registered)
		st->operator_name[0] = st->plmn[0] = '\0';
	if (was != st->registered)
		log_info("modem", "registration: %s", at_reg_stat_name(st->reg[st->domain].stat));
	modem_mark(m, MODEM_CHANGED_NETWORK);
}

void modem_look_soon(struct modem *m)
{
	if (m->st.state == MODEM_READY && !m->look.active)
		ev_alarm_start(&m->look, LOOK_MS);
}

static void on_registration(struct modem *m, struct text line)
{
	struct at_reg reg;

	if (at_reg_parse(line, &reg) < 0) {
		log_debug("modem", "'" TEXT_FMT "' is no registration report, ignoring", TEXT_ARG(line));
		return;
	}
	modem_take_registration(m, &reg);
	modem_look_soon(m);
}

/* --- card ----------------------------------------------------------------------------------------- */

void modem_forget_card(struct modem *m)
{
	m->st.sim = MODEM_SIM_UNKNOWN;
	m->st.iccid[0] = m->st.imsi[0] = '\0';
	modem_mark(m, MODEM_CHANGED_SIM);
}

static void card_gone(struct modem *m, enum modem_sim sim)
{
	if (m->st.state != MODEM_READY || m->st.sim != MODEM_SIM_READY)
		return;
	log_info("modem", "the card is %s", modem_sim_name(sim));
	card_at_lost(&m->card);
	modem_forget_card(m);
	m->st.sim = sim;
}

/* At its end of a reset a card is ready twice or three times (+CPIN, +QUSIM): once is enough. */
static void card_ready(struct modem *m)
{
	if (m->st.state == MODEM_READY && m->st.sim != MODEM_SIM_READY) {
		card_at_lost(&m->card);
		modem_event(m, MODEM_EV_CARD);
	}
}

static void on_cpin(struct modem *m, struct text line)
{
	enum at_pin pin;

	if (at_cpin_parse(line, &pin) < 0)
		return;
	switch (pin) {
	case AT_PIN_READY:
	case AT_PIN_SIM_PIN:
	case AT_PIN_SIM_PUK:
	case AT_PIN_OTHER:
		card_ready(m);
		break;
	case AT_PIN_NOT_READY:
		card_gone(m, MODEM_SIM_NOT_READY);
		break;
	case AT_PIN_NOT_INSERTED:
		card_gone(m, MODEM_SIM_ABSENT);
		break;
	case _AT_PIN_MAX:
		break;
	}
}

/* The card was initialised, anew perhaps: it may be another one or another profile. */
static void on_qusim(struct modem *m, struct text line)
{
	(void)line;
	card_at_lost(&m->card);
	if (m->st.state == MODEM_READY)
		modem_event(m, MODEM_EV_CARD);
}

/* The last field tells: 0 out, 1 in. "+QSIMSTAT: 1,0", "#QSS: 1", "^SCKS: 0", "%XSIM: 1" */
static void on_inserted(struct modem *m, struct text line)
{
	struct text rest = text_skip(line, text_find(line, ':') + 1), last = rest;

	while (rest.n)
		last = text_cut(&rest, ',');
	last = text_trim(last);
	if (text_eq(last, "0"))
		card_gone(m, MODEM_SIM_ABSENT);
	else
		card_ready(m);
}

static void on_sim_words(struct modem *m, struct text line)
{
	if (text_has(line, "Removed") || text_has(line, "DROP") || text_has(line, "NOT AVAILABLE"))
		card_gone(m, MODEM_SIM_ABSENT);
	else
		card_ready(m);
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static void on_csq(struct modem *m, struct text line)
{
	struct at_csq csq;

	if (at_csq_parse(line, &csq) < 0)
		return;
	m->st.signal.rssi_dbm = csq.dbm;
	m->st.signal.at_ms = ev_now_ms();
	modem_mark(m, MODEM_CHANGED_SIGNAL);
}

static void on_power_down(struct modem *m, struct text line)
{
	if (power_busy(&m->power)) {
		log_info("modem", "it says '" TEXT_FMT "'", TEXT_ARG(line));
		return;
	}
	log_warning("modem", "it says '" TEXT_FMT "'", TEXT_ARG(line));
	modem_problem(m, CAUSE_LINK_LOST, "module", -1, NULL, "the module has switched itself off");
}

static const struct {
	const char *prefix;
	void (*hear)(struct modem *m, struct text line);
} reports[] = {
	{ "+CREG:", on_registration }, { "+CGREG:", on_registration },
	{ "+CEREG:", on_registration }, { "+C5GREG:", on_registration },
	{ "+CPIN:", on_cpin }, { "+QUSIM:", on_qusim }, { "+QSIMSTAT:", on_inserted },
	{ "#QSS:", on_inserted }, { "^SCKS:", on_inserted }, { "%XSIM:", on_inserted },
	{ "+SIM", on_sim_words }, { "+CSQ:", on_csq }, { "POWERED DOWN", on_power_down },
	{ "NORMAL POWER DOWN", on_power_down },
};

_Static_assert(ARRAY_SIZE(reports) < MODEM_LISTENERS, "one more listener hears everything");

static void on_report(struct at_urc *u, struct text line, struct text body)
{
	struct modem_listener *l = container_of(u, struct modem_listener, urc);

	(void)body;
	reports[l - l->modem->listeners].hear(l->modem, line);
}

static void on_anything(struct at_urc *u, struct text line, struct text body)
{
	struct modem *m = container_of(u, struct modem_listener, urc)->modem;

	if (m->heard)
		m->heard(m, line, body);
	if (at_urc_is_boot(line))
		modem_event(m, MODEM_EV_BOOTED);
}

static void listen(struct modem *m, size_t i, const char *prefix,
		   void (*heard)(struct at_urc *u, struct text line, struct text body))
{
	m->listeners[i] = (struct modem_listener){ { .prefix = prefix, .heard = heard }, m };
	at_listen(&m->chat, &m->listeners[i].urc);
}

void modem_listen(struct modem *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++)
		listen(m, i, reports[i].prefix, on_report);
	listen(m, ARRAY_SIZE(reports), "", on_anything);
}

void modem_unlisten(struct modem *m)
{
	for (size_t i = 0; i < MODEM_LISTENERS; i++)
		at_unlisten(&m->listeners[i].urc);
}
