/*
 * What is on the card, kept true by events: read once when a card comes, and again after something
 * was done that may have changed it. Nothing asks the card now and then.
 *
 * A fact that was missed for a reason that may pass (noise on the line, a busy module) is asked for
 * again some times; one that the card refuses by its own word is not.
 *
 * A card that does not know the ISD-R is an ordinary SIM: left in peace until another one comes, but
 * for a question now and then, because a line with noise on it makes one of any card. One that could
 * not be asked is asked again, later and later: the module may be busy, or its own LPA.
 */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "ipa/ipa.h"
#include "ipa/notes.h"

#define AGAIN_MIN_MS 2000
#define AGAIN_MAX_MS 600000
#define MODULE_TRIES 3
#define DOUBTS_MAX 5
/* A card that seems to be none is asked once more after this long: it may have been misheard. */
#define NO_EUICC_MS 3600000

static void set_card(struct ipa *i, enum ipa_card card)
{
	if (i->card == card)
		return;
	i->card = card;
	i->changed(i, IPA_CHANGED_CARD);
}

static void on_read(struct facts_reader *r, const struct cause *why)
{
	struct ipa *i = container_of(r, struct ipa, reader);

	i->asked = IPA_ASKED_NOBODY;
	proc_answer(&i->proc, why);
}

int ipa_ask_facts(struct ipa *i, uint32_t facts)
{
	i->reading = facts;
	i->want &= ~facts;
	i->asked = IPA_ASKED_READER;
	i->reader = (struct facts_reader){ .euicc = &i->euicc, .facts = &i->facts,
					   .want = i->reading, .done = on_read };
	facts_read(&i->reader);
	return 0;
}

static int read_facts(struct proc *p)
{
	struct ipa *i = ipa_of(p);

	return ipa_ask_facts(i, i->want);
}

static unsigned changes(uint32_t facts)
{
	unsigned what = 0;

	if (facts & (1u << FACT_EID | 1u << FACT_INFO | 1u << FACT_RAT | 1u << FACT_ADDRESSES))
		what |= IPA_CHANGED_CARD;
	if (facts & 1u << FACT_PROFILES)
		what |= IPA_CHANGED_PROFILES;
	if (facts & 1u << FACT_EIMS)
		what |= IPA_CHANGED_EIMS;
	if (facts & 1u << FACT_NOTIFICATIONS)
		what |= IPA_CHANGED_NOTIFICATIONS;
	return what;
}

/* 6F00 is no word: "no precise diagnosis". */
static bool is_final(const struct cause *why)
{
	return why->kind == CAUSE_NONE ||
	       (why->kind == CAUSE_REFUSED && why->from && strcmp(why->from, "module") != 0 &&
		why->code != 0x6f00);
}

static void doubt(struct ipa *i, uint32_t facts)
{
	i->doubtful &= ~facts;
	for (int k = 0; k < _FACT_MAX; k++)
		if (facts & 1u << k && !is_final(&i->facts.missing[k]))
			i->doubtful |= 1u << k;
	if (!i->doubtful) {
		i->doubts = 0;
	} else if (i->doubts < DOUBTS_MAX) {
		ev_alarm_start(&i->again, AGAIN_MIN_MS << i->doubts);
		i->doubts++;
	} else {
		i->doubtful = 0;
	}
}

enum step_verdict ipa_keep_facts(struct proc *p)
{
	struct ipa *i = ipa_of(p);

	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	i->facts_seq++;
	if (i->reading & 1u << FACT_EIMS)
		ipa_eims_read(i);
	if (i->reading & 1u << FACT_NOTIFICATIONS)
		ipa_notes_look(i);
	doubt(i, i->reading);
	if (i->card == IPA_CARD_READY)
		i->changed(i, changes(i->reading));
	return STEP_NEXT;
}

static const struct step read_steps[] = {
	{ "read-card", read_facts, ipa_keep_facts, 0 },
	{ 0 }
};

/* --- a card that wants to be reset ---------------------------------------------------------------- */

/*
 * After a switch some cards refuse everything until they are reset, and a module may not know. If
 * we have been killed in the middle of one, the journal tells to which profile it must follow.
 */
static int reset_card(struct proc *p)
{
	return ipa_ask_module(ipa_of(p), ipa_of(p)->journal.iccid_target);
}

static enum step_verdict was_reset(struct proc *p)
{
	return p->answer.kind == CAUSE_NONE ? STEP_NEXT : ipa_no_answer(p);
}

static const struct step reset_steps[] = {
	{ "reset-card", reset_card, was_reset, 0 },
	{ 0 }
};

static void on_reset_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa *i = container_of(w, struct ipa, reset_card);

	(void)why;
	if (i->card != IPA_CARD_ABSENT && i->want)
		ipa_submit(i, &i->read_card);
}

static bool wants_reset(struct ipa *i, const struct cause *why)
{
	return why->kind == CAUSE_REFUSED && why->code == SW_CONDITIONS && why->from &&
	       !strcmp(why->from, "card") && ipa_journal_is_open(&i->journal) && i->tries == 0;
}

/* --- reading, the end ------------------------------------------------------------------------------- */

static bool is_no_euicc(const struct cause *why)
{
	/* SELECT refused by the card's own word; a module's refusal may have other reasons. */
	return why->kind == CAUSE_REFUSED && why->from && !strcmp(why->from, "card") &&
	       (why->code == 0x6a82 || why->code == 0x6999 || why->code == 0x6a86);
}

/* Of a card that was an eUICC before one word is not enough. */
static bool is_believed(const struct ipa *i, const struct cause *why)
{
	return is_no_euicc(why) && (!i->facts.eid[0] || i->tries >= MODULE_TRIES);
}

/* Many modules say ERROR for an ordinary SIM, and for some that are busy: it is asked a few times. */
static bool is_tired(const struct ipa *i, const struct cause *why)
{
	return why->kind == CAUSE_REFUSED && why->from && !strcmp(why->from, "module") &&
	       i->tries >= MODULE_TRIES;
}

static void try_again(struct ipa *i)
{
	unsigned ms = AGAIN_MIN_MS << MIN(i->tries, 10u);

	i->tries++;
	ev_alarm_start(&i->again, MIN(ms, (unsigned)AGAIN_MAX_MS));
}

static void tell_card(struct ipa *i)
{
	const struct euicc_facts *f = &i->facts;
	char eid[LOG_ID_MAX];

	log_info("ipa", "eUICC %s: %s, %zu profiles, %zu eIMs, %zu notifications",
		 log_id(text_of(f->eid), eid), euicc_facts_is_iot(f) ? "SGP.32" : "SGP.22",
		 f->n_profiles, f->n_eims, f->n_notifications);
}

static void on_read_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa *i = container_of(w, struct ipa, read_card);

	if (i->card == IPA_CARD_ABSENT)
		return;
	if (!why) {
		bool first = i->card != IPA_CARD_READY;

		i->tries = 0;
		if (first)
			tell_card(i);
		if (first) {
			i->card = IPA_CARD_READY;
			i->changed(i, changes(FACTS_ALL));
			ipa_eims_card_ready(i);
		}
		if (i->want)
			ipa_submit(i, &i->read_card);
		return;
	}
	i->want |= i->reading;
	i->card_why = *why;
	if (is_believed(i, why) || (i->card != IPA_CARD_READY && is_tired(i, why))) {
		i->want = 0;
		set_card(i, IPA_CARD_NO_EUICC);
		ev_alarm_start(&i->again, NO_EUICC_MS);
		return;
	}
	if (wants_reset(i, why)) {
		i->tries++;
		ipa_submit(i, &i->reset_card);
		return;
	}
	/* Known facts stay: they were true, and will be read again as soon as the card can be asked. */
	if (i->card != IPA_CARD_READY)
		set_card(i, IPA_CARD_UNREACHABLE);
	try_again(i);
}

static void on_again(struct ev_alarm *a)
{
	struct ipa *i = container_of(a, struct ipa, again);

	i->want |= i->card == IPA_CARD_NO_EUICC ? FACTS_ALL : i->doubtful;
	i->doubtful = 0;
	if (i->card != IPA_CARD_ABSENT && i->want)
		ipa_submit(i, &i->read_card);
}

void ipa_read_again(struct ipa *i, uint32_t facts)
{
	i->want |= facts;
	if (i->card == IPA_CARD_READY || i->card == IPA_CARD_READING)
		ipa_submit(i, &i->read_card);
}

bool ipa_is_reading(const struct ipa *i)
{
	return i->card == IPA_CARD_READING || i->read_card.ipa || i->asked == IPA_ASKED_READER;
}

void ipa_card_came(struct ipa *i)
{
	if (i->closed)
		return;
	ev_alarm_stop(&i->again);
	i->tries = i->doubts = 0;
	i->doubtful = 0;
	i->want = FACTS_ALL;
	/* After a reset it is mostly the same card: what is known of it is shown until it is read. */
	if (i->card != IPA_CARD_READY)
		set_card(i, IPA_CARD_READING);
	ipa_submit(i, &i->read_card);
}

void ipa_card_went(struct ipa *i)
{
	ev_alarm_stop(&i->again);
	if (i->card == IPA_CARD_ABSENT)
		return;
	/* A reading that waits is void; one that runs ends by the loss of its channel. */
	if (i->now != &i->read_card)
		ipa_withdraw(&i->read_card);
	i->want = i->doubtful = 0;
	set_card(i, IPA_CARD_ABSENT);
}

void ipa_card_open(struct ipa *i)
{
	i->read_card.name = "read-card";
	i->read_card.steps = read_steps;
	i->read_card.ended = on_read_ended;
	i->reset_card.name = "reset-card";
	i->reset_card.steps = reset_steps;
	i->reset_card.ended = on_reset_ended;
	i->again.fired = on_again;
	i->closed = false;
}

void ipa_card_close(struct ipa *i)
{
	/* While the channel is being given back cards may still come. */
	i->closed = true;
	ev_alarm_stop(&i->again);
}
