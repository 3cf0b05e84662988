/*
 * One step per fact. Each asks one function and either keeps the answer or notes why there is
 * none: a card that does not know a function says so in as many ways as there are cards (6A88,
 * 6D00, 6A80, an answer with a foreign tag), and the other facts are wanted all the same. What
 * ends the reading is what would meet every further step too: no ISD-R, no answer, a lost link,
 * 6985.
 */
#include "euicc/facts.h"

#include <errno.h>

#include "core/log.h"
#include "core/util.h"

#define PROFILES_TRIES 3
#define PAUSE_MS 2000
#define SW_SECURITY 0x6982

static const char *const fact_names[_FACT_MAX] = {
	[FACT_EID] = "eid", [FACT_INFO] = "info", [FACT_ADDRESSES] = "addresses",
	[FACT_PROFILES] = "profiles", [FACT_EIMS] = "eims", [FACT_NOTIFICATIONS] = "notifications",
	[FACT_RAT] = "rat",
};

const char *euicc_fact_name(enum euicc_fact fact)
{
	return fact_names[fact];
}

bool euicc_facts_is_iot(const struct euicc_facts *f)
{
	return f->fci.iot || (euicc_facts_have(f, FACT_INFO) && f->info2_read && f->info2.iot);
}

const struct es10c_profile *euicc_facts_enabled(const struct euicc_facts *f)
{
	if (!euicc_facts_have(f, FACT_PROFILES))
		return NULL;
	for (size_t i = 0; i < f->n_profiles; i++)
		if (f->profiles[i].state == ES10C_ENABLED)
			return &f->profiles[i];
	return NULL;
}

static struct facts_reader *reader_of(struct proc *p)
{
	return container_of(p, struct facts_reader, proc);
}

static bool wanted(struct proc *p, enum euicc_fact fact)
{
	return reader_of(p)->want & 1u << fact;
}

static struct tlv_out writer(struct proc *p)
{
	struct facts_reader *r = reader_of(p);

	return (struct tlv_out){ .buf = r->command, .cap = sizeof(r->command) };
}

static int ask(struct proc *p, enum es10_function f, const struct tlv_out *w)
{
	struct facts_reader *r = reader_of(p);
	size_t n;

	if (tlv_done(w, &n) < 0)
		return -EMSGSIZE;
	r->call.function = f;
	r->call.command = octets_from(r->command, n);
	euicc_call(r->euicc, &r->call);
	return 0;
}

/* The fact is missing for this reason, which is not the end of the world. */
static enum step_verdict miss(struct facts_reader *r, enum euicc_fact fact, enum cause_kind kind,
			      const char *from, int code)
{
	struct cause why = { .kind = kind, .from = from, .code = code };
	char text[CAUSE_TEXT_MAX];

	log_debug("card", "%s: %s, ignoring", fact_names[fact], cause_text(&why, text));
	r->facts->missing[fact] = why;
	return STEP_NEXT;
}

static enum step_verdict miss_or_fail(struct proc *p, enum euicc_fact fact)
{
	struct facts_reader *r = reader_of(p);
	const struct cause *why = &p->answer;

	if (!euicc_is_open(r->euicc))
		return STEP_FAIL;
	if (why->kind == CAUSE_MALFORMED ||
	    (why->kind == CAUSE_REFUSED && why->code != SW_CONDITIONS && why->code != SW_SECURITY &&
	     why->code != SW_CHANNEL_LOST))
		return miss(r, fact, why->kind, why->from, why->code);
	return STEP_FAIL;
}

/* What a decoder said: 0, -EBADMSG, -E2BIG. */
static enum step_verdict keep(struct facts_reader *r, enum euicc_fact fact, int result, int error)
{
	if (result == -EBADMSG)
		return miss(r, fact, CAUSE_MALFORMED, "card", -1);
	if (result < 0)
		return miss(r, fact, CAUSE_REFUSED, "us", -result);
	if (error)
		return miss(r, fact, CAUSE_REFUSED, "card", error);
	r->facts->have |= 1u << fact;
	r->facts->missing[fact] = (struct cause){ 0 };
	return STEP_NEXT;
}

/* The answer in the snapshot's own store, or missing octets where it is too long. */
static int copy_answer(const struct facts_reader *r, uint8_t *store, size_t cap, struct octets *ret)
{
	if (r->call.answer.n > cap)
		return -E2BIG;
	memcpy(store, r->call.answer.p, r->call.answer.n);
	*ret = octets_from(store, r->call.answer.n);
	return 0;
}

static int ask_eid(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_EID))
		return STEP_SKIP;
	es10c_get_eid_encode(&w);
	return ask(p, ES10C_GET_EID, &w);
}

/* Without an EID it is not an eUICC that anybody could work with. */
static enum step_verdict keep_eid(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct octets eid;

	if (cause_is_set(&p->answer))
		return STEP_FAIL;
	if (es10c_eid_decode(r->call.answer, &eid) < 0 || es10_eid_text(eid, r->facts->eid) < 0) {
		proc_fail(p, CAUSE_MALFORMED, "card", -1);
		return STEP_FAIL;
	}
	return keep(r, FACT_EID, 0, 0);
}

static int ask_info2(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_INFO))
		return STEP_SKIP;
	es10b_get_info2_encode(&w);
	return ask(p, ES10B_GET_INFO2, &w);
}

/* EUICCInfo1 says nothing that is not here too: one APDU less. */
static enum step_verdict keep_info2(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	struct octets der;
	int result;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_INFO);
	result = copy_answer(r, f->info_store, sizeof(f->info_store), &der);
	if (result == 0)
		result = es10b_info2_decode(der, &f->info2);
	if (result == 0) {
		f->info2_read = true;
		f->info1 = (struct es10b_info1){ f->info2.svn, f->info2.ci_verify,
						 f->info2.ci_sign };
	}
	return keep(r, FACT_INFO, result, 0);
}

static int ask_info1(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_INFO) || euicc_facts_have(reader_of(p)->facts, FACT_INFO))
		return STEP_SKIP;
	es10b_get_info1_encode(&w);
	return ask(p, ES10B_GET_INFO1, &w);
}

static enum step_verdict keep_info1(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	struct octets der;
	int result;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_INFO);
	result = copy_answer(r, f->info_store, sizeof(f->info_store), &der);
	if (result == 0)
		result = es10b_info1_decode(der, &f->info1);
	return keep(r, FACT_INFO, result, 0);
}

static int ask_addresses(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_ADDRESSES))
		return STEP_SKIP;
	es10a_get_addresses_encode(&w);
	return ask(p, ES10A_GET_ADDRESSES, &w);
}

static enum step_verdict keep_addresses(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	struct octets der;
	int result;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_ADDRESSES);
	result = copy_answer(r, f->addresses_store, sizeof(f->addresses_store), &der);
	if (result == 0)
		result = es10a_addresses_decode(der, &f->addresses);
	return keep(r, FACT_ADDRESSES, result, 0);
}

/* A consumer card is not asked for what only SGP.32 cards know: some refuse the whole list then. */
static bool plain_tags(const struct euicc_facts *f)
{
	return f->refuses_iot_tags ||
	       (euicc_facts_have(f, FACT_INFO) && f->info2_read && !euicc_facts_is_iot(f));
}

static struct octets tags_for(const struct euicc_facts *f)
{
	if (f->refuses_tags)
		return (struct octets){ 0 };
	return plain_tags(f) ? es10c_tags_sgp22 : es10c_tags_sgp32;
}

/* The list was refused: is there one left that asks for less? */
static bool ask_for_less(struct euicc_facts *f)
{
	if (f->refuses_tags)
		return false;
	if (plain_tags(f))
		f->refuses_tags = true;
	else
		f->refuses_iot_tags = true;
	return true;
}

static int ask_profiles(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_PROFILES))
		return STEP_SKIP;
	es10c_get_profiles_encode(&w, (struct es10c_id){ 0 }, tags_for(reader_of(p)->facts));
	return ask(p, ES10C_GET_PROFILES, &w);
}

static enum step_verdict keep_profiles(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	int result, error = 0;
	struct octets der;

	if (p->answer.kind == CAUSE_REFUSED && p->answer.code == SW_WRONG_DATA && ask_for_less(f))
		return STEP_AGAIN;
	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_PROFILES);
	result = copy_answer(r, f->profiles_store, sizeof(f->profiles_store), &der);
	if (result == 0)
		result = es10c_profiles_decode(der, f->profiles, FACTS_PROFILES_MAX,
					       &f->n_profiles, &error);
	if (error == ES10C_PROFILES_INCORRECT_INPUT && ask_for_less(f))
		return STEP_AGAIN;
	/* The card is in the middle of a switch. */
	if (error == ES10C_PROFILES_CHANGE_ONGOING && p->attempt < PROFILES_TRIES)
		return STEP_RETRY;
	return keep(r, FACT_PROFILES, result, error);
}

static int ask_eims(struct proc *p)
{
	const struct euicc_facts *f = reader_of(p)->facts;
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_EIMS))
		return STEP_SKIP;
	/* Both have said that it is no SGP.32 card. */
	if (f->info2_read && !f->info2.iot && f->fci.read && !f->fci.iot) {
		miss(reader_of(p), FACT_EIMS, CAUSE_REFUSED, "us", ENOTSUP);
		return STEP_SKIP;
	}
	es10b_get_eims_encode(&w, (struct octets){ 0 });
	return ask(p, ES10B_GET_EIMS, &w);
}

static enum step_verdict keep_eims(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	int result, error = 0;
	struct octets der;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_EIMS);
	result = copy_answer(r, f->eims_store, sizeof(f->eims_store), &der);
	if (result == 0)
		result = es10b_eims_decode(der, f->eims, FACTS_EIMS_MAX, &f->n_eims, &error);
	return keep(r, FACT_EIMS, result, error);
}

static int ask_notifications(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_NOTIFICATIONS))
		return STEP_SKIP;
	es10b_list_notification_encode(&w, 0);
	return ask(p, ES10B_LIST_NOTIFICATION, &w);
}

static enum step_verdict keep_notifications(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	int result, error = 0;
	struct octets der;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_NOTIFICATIONS);
	result = copy_answer(r, f->notifications_store, sizeof(f->notifications_store), &der);
	if (result == 0)
		result = es10b_notifications_decode(der, f->notifications, FACTS_NOTIFICATIONS_MAX,
						    &f->n_notifications, &error);
	return keep(r, FACT_NOTIFICATIONS, result, error);
}

static int ask_rat(struct proc *p)
{
	struct tlv_out w = writer(p);

	if (!wanted(p, FACT_RAT))
		return STEP_SKIP;
	es10b_get_rat_encode(&w);
	return ask(p, ES10B_GET_RAT, &w);
}

static enum step_verdict keep_rat(struct proc *p)
{
	struct facts_reader *r = reader_of(p);
	struct euicc_facts *f = r->facts;
	struct octets der;
	int result;

	if (cause_is_set(&p->answer))
		return miss_or_fail(p, FACT_RAT);
	result = copy_answer(r, f->rat_store, sizeof(f->rat_store), &der);
	if (result == 0)
		result = es10b_rat_decode(der, &f->rat);
	return keep(r, FACT_RAT, result, 0);
}

/* The calls have their own patience. */
static const struct step steps[] = {
	{ "get-eid",           ask_eid,           keep_eid },
	{ "get-info2",         ask_info2,         keep_info2 },
	{ "get-info1",         ask_info1,         keep_info1 },
	{ "get-addresses",     ask_addresses,     keep_addresses },
	{ "get-profiles",      ask_profiles,      keep_profiles, 0, PROFILES_TRIES, PAUSE_MS },
	{ "get-eims",          ask_eims,          keep_eims },
	{ "list-notification", ask_notifications, keep_notifications },
	{ "get-rat",           ask_rat,           keep_rat },
	{ 0 }
};

static void on_called(struct euicc_call *c, const struct cause *why)
{
	struct facts_reader *r = container_of(c, struct facts_reader, call);

	if (euicc_is_open(r->euicc)) {
		r->facts->fci = r->euicc->isdr.fci;
		r->facts->aid = r->euicc->isdr.aid;
	}
	proc_answer(&r->proc, why);
}

static void abandon(struct proc *p)
{
	euicc_cancel(&reader_of(p)->call);
}

static void on_finished(struct proc *p)
{
	struct facts_reader *r = reader_of(p);

	r->done(r, cause_is_set(&p->cause) ? &p->cause : NULL);
}

/* All that is to be read is missing until it is there again. */
static void forget(struct euicc_facts *f, uint32_t want)
{
	f->have &= ~want;
	for (int i = 0; i < _FACT_MAX; i++)
		if (want & 1u << i)
			f->missing[i] = (struct cause){ 0 };
	if (want & 1u << FACT_INFO)
		f->info2_read = false;
}

void facts_read(struct facts_reader *r)
{
	forget(r->facts, r->want);
	r->call.done = on_called;
	r->proc.name = "card";
	r->proc.steps = steps;
	r->proc.abandon = abandon;
	r->proc.finished = on_finished;
	proc_start(&r->proc);
}

void facts_cancel(struct facts_reader *r)
{
	proc_cancel(&r->proc, CAUSE_CANCELLED);
}

void facts_drop(struct facts_reader *r)
{
	proc_drop(&r->proc);
}
