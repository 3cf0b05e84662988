#include "ipa/add.h"

#include <errno.h>

#include "core/log.h"
#include "ipa/eims.h"

static struct ipa_add *add_of(struct proc *p)
{
	return container_of(ipa_of(p)->now, struct ipa_add, work);
}

static int add_eims(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct tlv_out w = ipa_writer(i);

	es10b_add_initial_eim_put_raw(&w, add_of(p)->list);
	return ipa_ask_card(i, ES10B_ADD_INITIAL_EIM, &w);
}

static enum step_verdict judge_added(struct proc *p)
{
	struct octets tokens[IPA_EIMS_MAX];
	struct ipa_add *a = add_of(p);
	int error;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	if (es10b_add_initial_eim_decode(ipa_of(p)->answer, tokens, ARRAY_SIZE(tokens), &a->n_added,
					 &error) < 0)
		return ipa_garbled(p, "AddInitialEim");
	if (error)
		return ipa_refused(p, "card", error, es10_result_name(ES10B_ADD_INITIAL_EIM, error));
	return STEP_NEXT;
}

static int read_eims(struct proc *p)
{
	return ipa_ask_facts(ipa_of(p), 1u << FACT_EIMS);
}

static const struct step add_steps[] = {
	{ "add-eim", add_eims,  judge_added,    0 },
	{ "read",    read_eims, ipa_keep_facts, 0 },
	{ 0 }
};

static void on_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa_add *a = container_of(w, struct ipa_add, work);

	if (why)
		ipa_read_again(a->ipa, 1u << FACT_EIMS);
	a->done(a, why);
}

/* Peels BF57 { A0 { … } } off; what is left must be configurations, at least one. */
static int find_list(struct octets der, struct octets *ret)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, der);
	struct es10b_eim eim;
	unsigned n = 0;

	if (tlv_peek(&w) == 0xbf57)
		w = tlv_enter(&w, 0xbf57);
	if (tlv_peek(&w) == 0xa0)
		w = tlv_enter(&w, 0xa0);
	*ret = octets_from(w.p, w.n);
	while (tlv_more(&w)) {
		uint32_t tag;
		struct octets one = tlv_take_whole(&w, &tag);

		if (tag != 0x30 || es10b_eim_decode(one, &eim) < 0 || !eim.id.n)
			return -EBADMSG;
		n++;
	}
	return doc.fault || !n ? -EBADMSG : 0;
}

int ipa_add_start(struct ipa *i, struct ipa_add *a)
{
	if (find_list(a->der, &a->list) < 0)
		return -EBADMSG;
	if (i->card != IPA_CARD_READY)
		return -EAGAIN;
	if (!euicc_facts_is_iot(&i->facts))
		return -EOPNOTSUPP;
	if (euicc_facts_have(&i->facts, FACT_EIMS) && i->facts.n_eims)
		return -EEXIST;
	a->ipa = i;
	a->n_added = 0;
	a->work.name = "add-eim";
	a->work.steps = add_steps;
	a->work.ended = on_ended;
	ipa_submit(i, &a->work);
	return 0;
}

void ipa_add_cancel(struct ipa_add *a)
{
	ipa_withdraw(&a->work);
}
