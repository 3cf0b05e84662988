/* The list of eIMs follows the card; when each one is visited. */
#include "ipa/eims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "ipa/download.h"
#include "ipa/notes.h"

/* After a failed look at a package that was cut. */
#define RECOVER_MS 30000

/* One whose id or address is longer than any real one is not served. */
static bool fits(const struct es10b_eim *e)
{
	return e->id.n < IPA_EIM_ID_MAX && e->fqdn.n < IPA_FQDN_MAX && e->tls.content.n <= IPA_KEY_MAX;
}

static bool is_same(const struct ipa_eim *e, struct octets id)
{
	return e->used && octets_same(octets_from(e->id, e->id_n), id);
}

static struct ipa_eim *find(struct ipa *i, struct octets id)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (is_same(&i->eims->list[k], id))
			return &i->eims->list[k];
	return NULL;
}

static struct ipa_eim *free_place(struct ipa *i)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (!i->eims->list[k].used && !i->eims->list[k].work.ipa)
			return &i->eims->list[k];
	return NULL;
}

/* By retrieval: what it does not say is taken for yes. */
static bool can_serve(const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	if (e->ipa->serves)
		return e->ipa->serves(e->ipa, e, why);
	snprintf(why, IPA_TEXT_MAX, "%s",
		 e->fqdn[0] ? "it offers no retrieval over HTTPS" : "it has no address");
	return e->fqdn[0] && (e->protocols < 0 || e->protocols & ES10B_EIM_RETRIEVE_HTTPS);
}

static bool is_served(const struct ipa_eim *e)
{
	char why[IPA_TEXT_MAX];

	return can_serve(e, why);
}

static void drop_link(struct ipa_eim *e)
{
	if (e->work.ipa)
		return;         /* its visit lasts; what it connects to is found out at the next */
	eim_free(e->link);
	e->link = NULL;
}

static bool keep_config(struct ipa_eim *e, const struct es10b_eim *c)
{
	bool same = octets_same(octets_from(e->fqdn, strlen(e->fqdn)), c->fqdn) &&
		    e->tls_kind == c->tls.kind &&
		    octets_same(octets_from(e->tls, e->tls_n), c->tls.content);

	e->protocols = c->protocols;
	e->indirect = c->indirect;
	if (same)
		return true;
	memcpy(e->fqdn, c->fqdn.n ? (const void *)c->fqdn.p : "", c->fqdn.n);
	e->fqdn[c->fqdn.n] = '\0';
	e->tls_kind = c->tls.kind;
	e->tls_n = c->tls.content.n;
	if (e->tls_n)
		memcpy(e->tls, c->tls.content.p, e->tls_n);
	return false;
}

/* --- after a crash ---------------------------------------------------------------------------------- */

static struct ipa_eim *find_hex(struct ipa *i, const char *hex)
{
	uint8_t id[IPA_EIM_ID_MAX];
	size_t n;

	if (hex_decode(text_of(hex), id, sizeof(id), &n) < 0)
		return NULL;
	return find(i, octets_from(id, n));
}

static void recover(struct ipa *i)
{
	struct ipa_eim *e = find_hex(i, i->journal.eim);

	if (!e || !is_served(e)) {
		log_warning("ipa", "'%s' was cut, but its eIM is not on this card; leaving it",
			    i->journal.step);
		ipa_journal_close(&i->journal);
		return;
	}
	if (e->work.ipa)
		return;
	log_info("ipa", "'%s' was cut: looking at what became of it", i->journal.step);
	ipa_visit_start(e, IPA_PHASE_RECOVER);
}

/* --- schedule -------------------------------------------------------------------------------------- */

/* A package that was cut comes before all others: the next one that is loaded ends its rollback. */
static void visit(struct ipa_eim *e)
{
	struct ipa *i = e->ipa;

	if (ipa_journal_is_open(&i->journal))
		recover(i);
	if (e->work.ipa)
		return;
	if (!i->download && ipa_journal_is_open(&i->download_journal) &&
	    find_hex(i, i->download_journal.eim) == e)
		ipa_visit_start(e, IPA_PHASE_CUT_DOWNLOAD);
	else
		ipa_visit_start(e, e->look_at_results ? IPA_PHASE_RESULTS : IPA_PHASE_ASK);
}

static void on_due(struct ipa_schedule *s)
{
	struct ipa_eim *e = container_of(s, struct ipa_eim, schedule);

	e->due = true;
	/* One that is being visited answers its schedule at the end. */
	visit(e);
}

static void add(struct ipa *i, const struct es10b_eim *c)
{
	struct ipa_eim *e = free_place(i);
	char why[IPA_TEXT_MAX] = "";
	bool served;

	if (!e)
		return;
	*e = (struct ipa_eim){ .ipa = i, .used = true, .look_at_results = true,
			       .change = ESIPA_CHANGE_NONE, .version = ESIPA_V1_2 };
	e->id_n = c->id.n;
	memcpy(e->id, c->id.p, c->id.n);
	keep_config(e, c);
	served = can_serve(e, why);
	e->schedule.due = on_due;
	e->schedule.interval_s = served ? i->o.interval_s : 0;
	e->schedule.spread_s = i->o.spread_s;
	ipa_schedule_start(&e->schedule);
	if (served) {
		ipa_schedule_online(&e->schedule, i->online);
		return;
	}
	log_warning("ipa", "eIM %s cannot be served: %s", e->id, why);
	e->why = (struct cause){ CAUSE_REFUSED, "config", -1, NULL };
	snprintf(e->text, sizeof(e->text), "%s", why);
}

static void removed(struct ipa_eim *e)
{
	ipa_schedule_stop(&e->schedule);
	e->used = false;
	drop_link(e);
}

void ipa_eims_read(struct ipa *i)
{
	bool there[IPA_EIMS_MAX] = { false };

	if (!euicc_facts_have(&i->facts, FACT_EIMS))
		return;
	for (size_t k = 0; k < i->facts.n_eims; k++) {
		const struct es10b_eim *c = &i->facts.eims[k];
		struct ipa_eim *e = fits(c) ? find(i, c->id) : NULL;

		if (!fits(c)) {
			log_warning("ipa", "an eIM whose id, address or key is too long, ignoring");
			continue;
		}
		if (e && !keep_config(e, c))
			drop_link(e);
		if (!e)
			add(i, c);
		e = find(i, c->id);
		if (e)
			there[e - i->eims->list] = true;
	}
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (i->eims->list[k].used && !there[k])
			removed(&i->eims->list[k]);
}

void ipa_eims_online(struct ipa *i)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		if (i->eims->list[k].used && is_served(&i->eims->list[k]))
			ipa_schedule_online(&i->eims->list[k].schedule, i->online);
}

static void on_recover(struct ev_alarm *a)
{
	struct ipa *i = container_of(a, struct ipa_eims, recover)->ipa;

	if (i->card == IPA_CARD_READY)
		ipa_eims_card_ready(i);
}

/* One that was cut is reported at the next visit at its eIM, which comes soon; a local one at once. */
static void recover_download(struct ipa *i)
{
	const struct ipa_journal *j = &i->download_journal;
	struct ipa_eim *e;

	if (!j->eim[0]) {
		ipa_download_card_ready(i);
		return;
	}
	e = find_hex(i, j->eim);
	if (e && is_served(e)) {
		ipa_schedule_trigger(&e->schedule);
		return;
	}
	log_warning("ipa", "a download was cut at '%s', but its eIM is not on this card; leaving it", j->step);
	ipa_journal_close(&i->download_journal);
}

void ipa_eims_card_ready(struct ipa *i)
{
	if (ipa_journal_is_open(&i->journal))
		recover(i);
	if (ipa_journal_is_open(&i->download_journal) && !i->download)
		recover_download(i);
	ipa_notes_look(i);
}

/* An eIM's download that was cut is the schedule's business: with a pause that grows. */
void ipa_eims_visited(struct ipa *i)
{
	if (ipa_journal_is_open(&i->journal) ||
	    (ipa_journal_is_open(&i->download_journal) && !i->download_journal.eim[0]))
		ev_alarm_start(&i->eims->recover, RECOVER_MS);
}

/* --- on demand ----------------------------------------------------------------------------------------- */

int ipa_poll(struct ipa *i, const char *eim)
{
	int r = -ENOENT;

	for (size_t k = 0; k < IPA_EIMS_MAX; k++) {
		struct ipa_eim *e = &i->eims->list[k];

		if (!e->used || !is_served(e) || (eim && !is_same(e, octets_from(eim, strlen(eim)))))
			continue;
		r = 0;
		visit(e);
	}
	return r;
}

void ipa_tell_change(struct ipa *i, enum esipa_change change)
{
	for (size_t k = 0; k < IPA_EIMS_MAX; k++) {
		if (!i->eims->list[k].used)
			continue;
		i->eims->list[k].change = change;
		ipa_schedule_trigger(&i->eims->list[k].schedule);
	}
}

/* --- life ------------------------------------------------------------------------------------------------ */

static int open_journal(struct ipa_journal *j, const char *dir, const char *name)
{
	int r = ipa_journal_open(j, dir, name);

	if (r == -EBADMSG)
		log_error("ipa", "%s is damaged; moved aside", j->path);
	return r == -EBADMSG ? 0 : r;
}

int ipa_eims_open(struct ipa *i)
{
	int r;

	i->eims = calloc(1, sizeof(*i->eims));
	if (!i->eims)
		return -ENOMEM;
	i->eims->ipa = i;
	for (size_t k = 0; k < IPA_EIMS_MAX; k++)
		i->eims->list[k].ipa = i;
	i->eims->recover.fired = on_recover;
	r = open_journal(&i->journal, i->o.state_dir, "ipa-journal");
	return r < 0 ? r : open_journal(&i->download_journal, i->o.state_dir, "ipa-download");
}

void ipa_eims_close(struct ipa *i)
{
	if (!i->eims)
		return;
	ev_alarm_stop(&i->eims->recover);
	for (size_t k = 0; k < IPA_EIMS_MAX; k++) {
		struct ipa_eim *e = &i->eims->list[k];

		ipa_schedule_stop(&e->schedule);
		ipa_visit_stop(e);
		eim_free(e->link);
	}
	free(i->eims);
	i->eims = NULL;
}
