/*
 * IpaEuiccDataRequest (GSMA SGP.32 2.11.1.2): what the eIM wants to know, gathered from the card item
 * by item and sent in one answer. An item the card does not have is left out; that is no error. Also
 * the short answers to what cannot be done.
 */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "euicc/package.h"
#include "ipa/eims.h"

/* What has to be asked of the card; several items may come out of one answer. */
enum fetch {
	FETCH_NOTIFICATIONS,
	FETCH_RESULTS,
	FETCH_INFO1,
	FETCH_INFO2,
	FETCH_ADDRESSES,
	FETCH_CERTS,
	_FETCH_MAX
};

_Static_assert((int)_FETCH_MAX == IPA_FETCHES_MAX, "the visit has a place for each");

#define ITEM(i) (1u << ESIPA_ITEM_##i)

static const struct {
	uint32_t items;
	enum es10_function function;
} fetches[_FETCH_MAX] = {
	[FETCH_NOTIFICATIONS] = { ITEM(NOTIFICATIONS), ES10B_RETRIEVE_NOTIFICATIONS },
	[FETCH_RESULTS] = { ITEM(PACKAGE_RESULTS), ES10B_RETRIEVE_NOTIFICATIONS },
	[FETCH_INFO1] = { ITEM(INFO1), ES10B_GET_INFO1 },
	[FETCH_INFO2] = { ITEM(INFO2), ES10B_GET_INFO2 },
	[FETCH_ADDRESSES] = { ITEM(DEFAULT_SMDP) | ITEM(ROOT_SMDS), ES10A_GET_ADDRESSES },
	[FETCH_CERTS] = { ITEM(EUM_CERT) | ITEM(EUICC_CERT), ES10B_GET_CERTS },
};

static struct octets request_of(const struct ipa_eim *e)
{
	return octets_from(e->visit.package.p, e->visit.package.n);
}

/* --- gathering --------------------------------------------------------------------------------------- */

/* An identifier that was cut short to save octets: the card's that begins so. */
static struct octets whole_ci(const struct ipa *i, struct octets cut)
{
	struct octets lists[] = { i->facts.info1.ci_sign, i->facts.info1.ci_verify }, id;

	for (size_t k = 0; k < ARRAY_SIZE(lists) && cut.n; k++)
		while (es10_list_next(&lists[k], 0x04, &id))
			if (id.n >= cut.n && !memcmp(id.p, cut.p, cut.n))
				return id;
	return cut;
}

static void put_question(struct tlv_out *w, const struct ipa *i, enum fetch f,
			 const struct esipa_data_request *q)
{
	switch (f) {
	case FETCH_NOTIFICATIONS:
		if (q->notifications == ESIPA_BY_SEQ)
			es10b_retrieve_seq_encode(w, q->notifications_seq);
		else if (q->notifications == ESIPA_BY_EVENTS)
			es10b_retrieve_events_encode(w, q->events);
		else
			es10b_retrieve_all_encode(w);
		break;
	case FETCH_RESULTS:
		if (q->package_results == ESIPA_BY_SEQ)
			es10b_retrieve_seq_encode(w, q->package_results_seq);
		else
			es10b_retrieve_package_results_encode(w);
		break;
	case FETCH_INFO1:
		es10b_get_info1_encode(w);
		break;
	case FETCH_INFO2:
		es10b_get_info2_encode(w);
		break;
	case FETCH_ADDRESSES:
		es10a_get_addresses_encode(w);
		break;
	case FETCH_CERTS:
		es10b_get_certs_encode(w, whole_ci(i, q->ci_pkid));
		break;
	case _FETCH_MAX:
		break;
	}
}

bool ipa_emergency(const struct ipa *i)
{
	const struct es10c_profile *p = euicc_facts_enabled(&i->facts);

	return p && p->ecall;
}

static int fetch(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_eim *e = eim_of(p);
	struct tlv_out w = ipa_writer(i);
	struct esipa_data_request q;

	if (p->piece == _FETCH_MAX)
		return STEP_SKIP;
	if (esipa_data_request_decode(request_of(e), &q) < 0 || q.incorrect) {
		e->visit.error = ESIPA_DATA_INCORRECT_TAGS;
		return STEP_SKIP;
	}
	e->visit.error = ipa_emergency(i) ? ESIPA_DATA_ECALL_ACTIVE : 0;
	if (e->visit.error)
		return STEP_SKIP;
	if (q.hint >= 0)
		e->version = (enum esipa_version)q.hint;
	/* What is not wanted is passed over; the card is asked for the next that is. */
	while (p->piece < _FETCH_MAX && !(q.items & fetches[p->piece].items))
		p->piece++;
	if (p->piece == _FETCH_MAX)
		return STEP_SKIP;
	put_question(&w, i, (enum fetch)p->piece, &q);
	return ipa_ask_card(i, fetches[p->piece].function, &w);
}

static enum step_verdict keep(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_visit *v = &eim_of(p)->visit;
	struct octets eum, euicc;
	int error = 0;

	if (p->answer.kind != CAUSE_NONE) {
		char why[CAUSE_TEXT_MAX];

		log_info("ipa", "%s: %s, leaving it out",
			 es10_function_name(fetches[p->piece].function), cause_text(&p->answer, why));
		return STEP_AGAIN;
	}
	if (p->piece == FETCH_CERTS &&
	    es10b_certs_decode(i->answer, &eum, &euicc, &error) == 0 && error) {
		v->error = ESIPA_DATA_CI_PKID_NOT_FOUND;
		return STEP_NEXT;
	}
	if (ipa_octets_set(&v->fetched[p->piece], i->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	return STEP_AGAIN;
}

/* --- the answer ------------------------------------------------------------------------------------------ */

static struct octets fetched(const struct ipa_visit *v, enum fetch f)
{
	return octets_from(v->fetched[f].p, v->fetched[f].n);
}

/* The elements of a list that are wanted, one after the other, in the place where the answer was. */
static struct octets only(struct ipa_visit *v, enum fetch f, bool results)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa_octets *o = &v->fetched[f];
	size_t n = 0, at = 0;
	int error;

	if (!o->n || es10b_pending_decode(fetched(v, f), pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return (struct octets){ 0 };
	for (size_t k = 0; k < n; k++) {
		if ((pending[k].kind == ES10B_PENDING_PACKAGE) != results || pending[k].bare ||
		    pending[k].kind == ES10B_PENDING_UNKNOWN)
			continue;
		memmove(o->p + at, pending[k].whole.p, pending[k].whole.n);
		at += pending[k].whole.n;
	}
	return octets_from(o->p, at);
}

static struct octets token_of(const struct ipa *i, const struct ipa_eim *e)
{
	for (size_t k = 0; k < i->facts.n_eims; k++)
		if (octets_same(i->facts.eims[k].id, octets_from(e->id, e->id_n)))
			return i->facts.eims[k].token;
	return (struct octets){ 0 };
}

static void gather_lists(struct ipa_visit *v, const struct esipa_data_request *q, struct esipa_data *d)
{
	d->has_notifications = q->items & ITEM(NOTIFICATIONS);
	d->has_package_results = q->items & ITEM(PACKAGE_RESULTS);
	if (d->has_notifications)
		d->notifications = only(v, FETCH_NOTIFICATIONS, false);
	if (d->has_package_results)
		d->package_results = only(v, FETCH_RESULTS, true);
}

static void gather(struct ipa_eim *e, const struct esipa_data_request *q, struct esipa_data *d)
{
	struct ipa_visit *v = &e->visit;
	struct es10a_addresses addresses;
	struct octets eum, euicc;
	int error;

	gather_lists(v, q, d);
	if (es10a_addresses_decode(fetched(v, FETCH_ADDRESSES), &addresses) == 0) {
		if (q->items & ITEM(DEFAULT_SMDP))
			d->default_smdp = addresses.default_dp;
		if (q->items & ITEM(ROOT_SMDS))
			d->root_smds = addresses.root_ds;
	}
	d->info1 = fetched(v, FETCH_INFO1);
	d->info2 = fetched(v, FETCH_INFO2);
	if (q->items & ITEM(TOKEN))
		d->token = token_of(e->ipa, e);
	if (es10b_certs_decode(fetched(v, FETCH_CERTS), &eum, &euicc, &error) == 0 && !error) {
		if (q->items & ITEM(EUM_CERT))
			d->eum_cert = eum;
		if (q->items & ITEM(EUICC_CERT))
			d->euicc_cert = euicc;
		e->knows_certs |= d->eum_cert.n && d->euicc_cert.n;
	}
}

bool ipa_device(const struct ipa *i, uint8_t tac[4], uint8_t imei[8], struct es10b_device *ret)
{
	*ret = (struct es10b_device){ .eutran = { 15, 0, 0 }, .tac = octets_from(tac, 4) };
	if (es10b_imei_from_text(text_of(i->o.imei), tac, imei) < 0) {
		memset(tac, 0, 4);
		return false;
	}
	ret->imei = octets_from(imei, 8);
	return true;
}

/* The content of deviceInfo, SGP.22 4.2, made by the card layer's writer. */
static struct octets device_info(const struct ipa *i, uint8_t *buf, size_t cap)
{
	uint8_t tac[4], imei[8];
	struct es10b_device device;
	struct tlv_out w = { .buf = buf, .cap = cap };
	struct tlv_doc doc;
	struct tlv all;
	size_t n;

	if (!ipa_device(i, tac, imei, &device))
		return (struct octets){ 0 };
	es10b_device_put(&w, 0xa9, &device);
	if (tlv_done(&w, &n) < 0)
		return (struct octets){ 0 };
	all = tlv_open(&doc, octets_from(buf, n));
	return tlv_take(&all, 0xa9);
}

static uint32_t protocols(const struct ipa_eim *e)
{
	return e->ipa->protocols ? e->ipa->protocols(e->ipa, e) : ESIPA_IPA_RETRIEVE_HTTPS;
}

static void put_data(struct tlv_out *w, struct ipa_eim *e, const struct esipa_data_request *q)
{
	struct esipa_data d = { .transaction_id = q->transaction_id };
	uint8_t capabilities[32], device[64];
	struct tlv_out c = { .buf = capabilities, .cap = sizeof(capabilities) };
	size_t n;

	gather(e, q, &d);
	if (q->items & ITEM(IPA_CAPABILITIES)) {
		esipa_capabilities_put(&c, e->ipa->o.features, protocols(e));
		if (tlv_done(&c, &n) == 0)
			d.ipa_capabilities = octets_from(capabilities, n);
	}
	if (q->items & ITEM(DEVICE_INFO))
		d.device_info = device_info(e->ipa, device, sizeof(device));
	esipa_data_put(w, e->version, &d);
}

static size_t fetched_octets(const struct ipa_visit *v)
{
	size_t n = 0;

	for (size_t k = 0; k < IPA_FETCHES_MAX; k++)
		n += v->fetched[k].n;
	return n;
}

/* A trigger that nobody can follow is answered under its number, too. */
static struct octets refused_transaction(const struct ipa_eim *e)
{
	struct esipa_trigger t = { 0 };

	return esipa_trigger_decode(request_of(e), &t) == 0 ? t.transaction_id : (struct octets){ 0 };
}

/* Everything that fits into an answer of this visit: of the request only what can be read. */
static void put_answer(struct tlv_out *w, struct ipa_eim *e)
{
	struct esipa_data_request q = { 0 };

	switch (e->visit.phase) {
	case IPA_PHASE_DATA:
		esipa_data_request_decode(request_of(e), &q);
		if (e->visit.error)
			esipa_data_error_put(w, e->version, q.transaction_id, e->visit.error);
		else
			put_data(w, e, &q);
		break;
	case IPA_PHASE_NONE:
	case IPA_PHASE_RECOVER:
	case IPA_PHASE_RESULTS:
	case IPA_PHASE_ASK:
	case IPA_PHASE_PACKAGE:
	case IPA_PHASE_CUT_DOWNLOAD:
	case IPA_PHASE_DOWNLOAD:
	case IPA_PHASE_REFUSE:
	case IPA_PHASE_NOTIFY:
	case _IPA_PHASE_MAX:
		esipa_result_error_put(w, e->version, refused_transaction(e), e->visit.error);
		break;
	}
}

static int provide(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);
	struct ipa_visit *v = &e->visit;
	size_t room = fetched_octets(v) + 1024, n;
	uint8_t eid[ES10_EID_OCTETS], *buf = malloc(room);
	struct tlv_out w = { .buf = buf, .cap = room };
	struct esipa_frame f;
	int r = -ENOMEM;

	if (buf && es10_eid_from_text(text_of(e->ipa->facts.eid), eid) == 0) {
		f = esipa_result_begin(&w, e->version, ESIPA_PROVIDE, octets_from(eid, sizeof(eid)));
		put_answer(&w, e);
		esipa_result_end(&w, f);
		r = tlv_done(&w, &n);
	}
	if (r == 0)
		r = ipa_octets_set(&v->message, octets_from(buf, n));
	free(buf);
	return r < 0 ? r : ipa_report_send(p);
}

static enum step_verdict provided(struct proc *p)
{
	struct ipa_eim *e = eim_of(p);

	if (ipa_report_judge(p) == STEP_NEXT)
		return STEP_NEXT;
	/* It is told that there is no answer, or it would ask for nothing else any more. */
	if (ipa_of(p)->exchange.too_large && e->visit.phase == IPA_PHASE_DATA && !e->visit.error) {
		log_warning("ipa", "eIM %s: what it asks for is longer than the way to it takes", e->id);
		e->visit.error = ESIPA_DATA_UNDEFINED;
		return STEP_AGAIN;
	}
	return e->visit.reached ? ipa_refused(p, "eim", -1, "it does not take the answer") :
				  ipa_eim_failed(p);
}

static int record(struct proc *p)
{
	static const char *const texts[_IPA_PHASE_MAX] = {
		[IPA_PHASE_DATA] = "data request", [IPA_PHASE_REFUSE] = "unknown package",
	};
	struct ipa_eim *e = eim_of(p);
	bool answered = e->visit.phase == IPA_PHASE_DATA && !e->visit.error;

	ipa_record_add(e, texts[e->visit.phase], answered ? "answered" : "refused", e->started_ms);
	e->visit.refused = e->visit.phase != IPA_PHASE_DATA;
	return STEP_SKIP;
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

const struct step ipa_data_steps[] = {
	{ "fetch",   fetch,   keep,     0 },
	{ "provide", provide, provided, 0 },
	{ "record",  record,  go_on,    0 },
	{ 0 }
};

const struct step ipa_refuse_steps[] = {
	{ "provide", provide, provided, 0 },
	{ "record",  record,  go_on,    0 },
	{ 0 }
};
