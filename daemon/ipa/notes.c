/*
 * The list on disk: the EID it is about, then a number a line, with a word behind it once the SM-DP+
 * has that one and only the card is still to be rid of it. It is looked at when the card has been
 * read, the network came back, and after a failure later and later. What the card does not have any
 * more is forgotten.
 */
#include "ipa/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "esipa/es9p.h"
#include "ipa/download.h"
#include "ipa/eims.h"

#define FILE_MAX 2048
#define DELIVERED "delivered"
#define DELIVER_MS 60000
#define AGAIN_MIN_MS 60000
#define AGAIN_MAX_MS 3600000

struct ipa_notes {
	struct ipa *ipa;
	struct ipa_work work;
	struct ev_alarm again;
	unsigned failures;              /* in a row */
	bool dirty;                     /* another look is wanted when this one is over */
	char path[256];
	char eid[ES10_EID_TEXT_MAX];    /* whose numbers they are; "" nobody's */
	uint32_t seq[IPA_NOTES_MAX];
	bool delivered[IPA_NOTES_MAX];
	size_t n;
	/* of the look under way */
	struct ipa_octets list;         /* pending notifications, whole, one after the other */
	uint32_t pending[IPA_NOTES_MAX], acked[IPA_NOTES_MAX];
	size_t n_pending, n_acked, n_failed;
	char address[ES9P_ADDRESS_MAX];
	struct eim_link *link;
	struct ipa_octets message;
	bool unreachable;               /* the server at address: the rest for it can wait */
};

static struct ipa_notes *notes_of(struct proc *p)
{
	return ipa_of(p)->notes;
}

/* --- the file -------------------------------------------------------------------------------------- */

static int save(struct ipa_notes *n)
{
	char all[FILE_MAX];
	size_t at;

	if (!n->n)
		return file_remove(n->path);
	at = (size_t)snprintf(all, sizeof(all), "eid=%s\n", n->eid);
	for (size_t k = 0; k < n->n; k++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%u%s\n", n->seq[k],
				       n->delivered[k] ? " " DELIVERED : "");
	return file_save(n->path, all, at, 0600);
}

static int take_line(struct ipa_notes *n, struct text line)
{
	struct text number;
	uint32_t seq;

	if (text_starts(line, "eid="))
		return text_copy(text_skip(line, 4), n->eid, sizeof(n->eid));
	number = text_cut(&line, ' ');
	if (text_to_u32(number, 10, &seq) < 0)
		return -EBADMSG;
	if (n->n < IPA_NOTES_MAX) {
		n->delivered[n->n] = text_eq(line, DELIVERED);
		n->seq[n->n++] = seq;
	}
	return 0;
}

static void load(struct ipa_notes *n)
{
	char all[FILE_MAX], aside[sizeof(n->path) + 8];
	struct text rest;
	size_t len;
	int r = file_load(n->path, all, sizeof(all), &len);

	if (r == -ENOENT)
		return;
	rest = text_from(all, r < 0 ? 0 : len);
	while (rest.n && r == 0)
		r = take_line(n, text_cut(&rest, '\n'));
	if (r == 0 && n->eid[0])
		return;
	n->n = 0;
	snprintf(aside, sizeof(aside), "%s.bad", n->path);
	rename(n->path, aside);
	log_error("ipa", "%s is damaged; moved aside", n->path);
}

/* --- the list ------------------------------------------------------------------------------------------ */

static bool is_about_card(const struct ipa *i)
{
	return i->notes && !strcmp(i->notes->eid, i->facts.eid);
}

/* Where it stands in the list; n: it does not. */
static size_t place_of(const struct ipa_notes *n, uint32_t seq)
{
	size_t k = 0;

	while (k < n->n && n->seq[k] != seq)
		k++;
	return k;
}

bool ipa_notes_have(const struct ipa *i, uint32_t seq)
{
	return is_about_card(i) && place_of(i->notes, seq) < i->notes->n;
}

static bool is_delivered(const struct ipa *i, uint32_t seq)
{
	return ipa_notes_have(i, seq) && i->notes->delivered[place_of(i->notes, seq)];
}

static int put(struct ipa *i, uint32_t seq, bool delivered)
{
	struct ipa_notes *n = i->notes;
	size_t k;
	int r;

	if (!is_about_card(i)) {
		if (n->n)
			log_warning("ipa", "notifications of another card (%s) are waiting, ignoring", n->eid);
		n->n = 0;
		snprintf(n->eid, sizeof(n->eid), "%s", i->facts.eid);
	}
	k = place_of(n, seq);
	if (k == IPA_NOTES_MAX)
		return -ENOSPC;
	n->seq[k] = seq;
	n->delivered[k] = delivered;
	n->n += k == n->n;
	r = save(n);
	n->n -= r < 0 && k + 1 == n->n;
	return r;
}

int ipa_notes_add(struct ipa *i, uint32_t seq)
{
	int r = ipa_notes_have(i, seq) ? 0 : put(i, seq, false);

	ev_alarm_start(&i->notes->again, AGAIN_MIN_MS);
	return r;
}

static void forget(struct ipa_notes *n, uint32_t seq)
{
	size_t k = place_of(n, seq);

	if (k == n->n)
		return;
	n->n--;
	n->seq[k] = n->seq[n->n];
	n->delivered[k] = n->delivered[n->n];
	save(n);
}

/* On a card that has no eIM, and can get to SM-DP+ servers, they are all ours to deliver. */
static bool are_all_ours(const struct ipa *i)
{
	return i->o.features & ESIPA_IPA_DIRECT && euicc_facts_have(&i->facts, FACT_NOTIFICATIONS) &&
	       (!euicc_facts_is_iot(&i->facts) ||
		(euicc_facts_have(&i->facts, FACT_EIMS) && !i->facts.n_eims));
}

static bool is_ours(const struct ipa *i, uint32_t seq)
{
	return are_all_ours(i) || ipa_notes_have(i, seq);
}

static bool has_work(const struct ipa *i)
{
	const struct ipa_notes *n = i->notes;

	return (n->n && is_about_card(i)) || (are_all_ours(i) && i->facts.n_notifications);
}

/* --- the look -------------------------------------------------------------------------------------------- */

static int list(struct proc *p)
{
	struct tlv_out w = ipa_writer(ipa_of(p));

	es10b_retrieve_all_encode(&w);
	return ipa_ask_card(ipa_of(p), ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

static enum step_verdict keep_list(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa *i = ipa_of(p);
	struct ipa_notes *n = notes_of(p);
	size_t count, at = 0;
	int error;

	if (p->answer.kind != CAUSE_NONE)
		return ipa_no_answer(p);
	if (es10b_pending_decode(i->answer, pending, ARRAY_SIZE(pending), &count, &error) < 0)
		return ipa_garbled(p, "RetrieveNotificationsList");
	if (error)
		return ipa_refused(p, "card", error, "the card does not give its notifications");
	if (ipa_octets_set(&n->list, i->answer) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	n->n_pending = n->n_acked = n->n_failed = 0;
	for (size_t k = 0; k < count && n->n_pending < IPA_NOTES_MAX; k++) {
		if ((pending[k].kind != ES10B_PENDING_INSTALL && pending[k].kind != ES10B_PENDING_OTHER) ||
		    !is_ours(i, pending[k].meta.seq) || ipa_download_is_about(i, &pending[k]))
			continue;
		memcpy(n->list.p + at, pending[k].whole.p, pending[k].whole.n);
		at += pending[k].whole.n;
		n->pending[n->n_pending++] = pending[k].meta.seq;
	}
	n->list.n = at;
	/* Those that the card has not got any more have been dealt with. */
	for (size_t k = n->n; k-- > 0;) {
		bool there = false;

		for (size_t m = 0; m < n->n_pending; m++)
			there |= n->pending[m] == n->seq[k];
		if (!there)
			forget(n, n->seq[k]);
	}
	return STEP_NEXT;
}

static struct octets whole_at(const struct ipa_notes *n, unsigned piece)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, octets_from(n->list.p, n->list.n));
	uint32_t tag;

	for (unsigned k = 0; k < piece && tlv_more(&w); k++)
		tlv_skip(&w);
	return tlv_more(&w) ? tlv_take_whole(&w, &tag) : (struct octets){ 0 };
}

static void hang_up(struct ipa_notes *n)
{
	if (n->link)
		eim_close(n->link);
	eim_free(n->link);
	n->link = NULL;
}

/* The connection of the one before, if it is for the same server. False: there is no way to it. */
static bool dial(struct ipa_notes *n, struct octets whole)
{
	char address[ES9P_ADDRESS_MAX], why[IPA_TEXT_MAX] = "";
	struct es10b_notification meta;

	if (es10b_notification_of(whole, &meta) < 0 ||
	    text_copy(octets_text(meta.address), address, sizeof(address)) < 0 || !address[0])
		return false;
	if (n->link && !strcmp(address, n->address))
		return !n->unreachable;
	hang_up(n);
	strcpy(n->address, address);
	n->unreachable = false;
	n->link = n->ipa->dial_server(n->ipa, address, why);
	if (!n->link)
		log_warning("ipa", "notifications for %s: %s", address, why);
	return n->link;
}

static int deliver(struct proc *p)
{
	struct ipa_notes *n = notes_of(p);
	struct octets whole;
	size_t len;
	int r;

	/* Those that there is no way for stay; the next one that there is. */
	for (; p->piece < n->n_pending; p->piece++) {
		if (is_delivered(n->ipa, n->pending[p->piece])) {
			n->acked[n->n_acked++] = n->pending[p->piece];
			continue;
		}
		whole = whole_at(n, p->piece);
		if (dial(n, whole))
			break;
		n->n_failed++;
	}
	if (p->piece >= n->n_pending)
		return STEP_SKIP;
	free(n->message.p);
	n->message = (struct ipa_octets){ malloc(ES9P_REQUEST_MAX(whole.n)), ES9P_REQUEST_MAX(whole.n) };
	if (!n->message.p)
		return -ENOMEM;
	r = es9p_notify_encode((char *)n->message.p, n->message.n, whole, &len);
	return r < 0 ? r : ipa_ask_server(n->ipa, n->link, es9p_function_name(ES9P_NOTIFY),
					  octets_from(n->message.p, len), DELIVER_MS);
}

static enum step_verdict delivered(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_notes *n = notes_of(p);

	if (ipa_server_took(i)) {
		n->acked[n->n_acked++] = n->pending[p->piece];
		if (put(i, n->pending[p->piece], true) < 0)
			log_warning("ipa", "it cannot be noted that notification %u was delivered, ignoring",
				    n->pending[p->piece]);
		return STEP_AGAIN;
	}
	log_info("ipa", "notification %u stays for %s: %s", n->pending[p->piece], n->address, i->error_text);
	i->error_text[0] = '\0';
	n->n_failed++;
	n->unreachable = p->answer.kind != CAUSE_NONE && i->eim_why.kind != CAUSE_REFUSED;
	return STEP_AGAIN;
}

static int remove_acked(struct proc *p)
{
	struct ipa_notes *n = notes_of(p);
	struct tlv_out w = ipa_writer(ipa_of(p));

	if (p->piece >= n->n_acked)
		return STEP_SKIP;
	es10b_remove_notification_encode(&w, n->acked[p->piece]);
	return ipa_ask_card(ipa_of(p), ES10B_REMOVE_NOTIFICATION, &w);
}

static enum step_verdict removed(struct proc *p)
{
	struct ipa_notes *n = notes_of(p);
	int code = -1;

	if (p->answer.kind == CAUSE_NONE)
		es10_result_decode(ES10B_REMOVE_NOTIFICATION, ipa_of(p)->answer, &code);
	if (code == ES10_OK || code == ES10_NOTHING_TO_DELETE) {
		forget(n, n->acked[p->piece]);
		return STEP_AGAIN;
	}
	if (p->attempt < IPA_REMOVE_TRIES)
		return STEP_RETRY;
	/* The next look tries again. */
	n->n_failed++;
	return STEP_AGAIN;
}

static int judge(struct proc *p)
{
	struct ipa_notes *n = notes_of(p);

	if (n->n_acked)
		log_info("ipa", "%zu of %zu notifications delivered to their SM-DP+", n->n_acked, n->n_pending);
	if (!n->n_failed)
		return STEP_SKIP;
	ipa_explain(ipa_of(p), "%zu notifications could not be delivered", n->n_failed);
	proc_fail(p, CAUSE_REFUSED, "smdp", -1);
	return -EIO;
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

static const struct step notes_steps[] = {
	{ "list-notes",    list,         keep_list, 0 },
	{ "deliver-notes", deliver,      delivered, 0 },
	{ "remove-notes",  remove_acked, removed,   0, IPA_REMOVE_TRIES, IPA_REMOVE_PAUSE_MS },
	{ "judge-notes",   judge,        go_on,     0 },
	{ 0 }
};

/* --- when ------------------------------------------------------------------------------------------------- */

static void on_ended(struct ipa_work *w, const struct cause *why)
{
	struct ipa_notes *n = container_of(w, struct ipa_notes, work);
	unsigned ms;

	hang_up(n);
	ipa_octets_clear(&n->list);
	ipa_octets_clear(&n->message);
	if (n->n_acked)
		ipa_read_again(n->ipa, 1u << FACT_NOTIFICATIONS);
	if (!why) {
		n->failures = 0;
		ev_alarm_stop(&n->again);
		return;
	}
	ms = (unsigned)MIN((uint64_t)AGAIN_MIN_MS << MIN(n->failures, 10u), (uint64_t)AGAIN_MAX_MS);
	n->failures++;
	ev_alarm_start(&n->again, ms);
}

static void look(struct ipa_notes *n)
{
	struct ipa *i = n->ipa;

	if (i->card != IPA_CARD_READY || !i->online || !has_work(i) || n->work.ipa)
		return;
	n->work.name = "notes";
	n->work.steps = notes_steps;
	n->work.ended = on_ended;
	n->n_acked = 0;
	ipa_submit(i, &n->work);
}

void ipa_notes_look(struct ipa *i)
{
	/* After a failure the alarm comes, not before. */
	if (i->notes && !i->notes->failures)
		look(i->notes);
}

static void on_again(struct ev_alarm *a)
{
	look(container_of(a, struct ipa_notes, again));
}

int ipa_notes_open(struct ipa *i)
{
	struct ipa_notes *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	if (snprintf(n->path, sizeof(n->path), "%s/ipa-notes", i->o.state_dir) >= (int)sizeof(n->path)) {
		free(n);
		return -ENAMETOOLONG;
	}
	n->ipa = i;
	n->again.fired = on_again;
	i->notes = n;
	load(n);
	return 0;
}

void ipa_notes_close(struct ipa *i)
{
	struct ipa_notes *n = i->notes;

	if (!n)
		return;
	ipa_withdraw(&n->work);
	ev_alarm_stop(&n->again);
	hang_up(n);
	ipa_octets_clear(&n->list);
	ipa_octets_clear(&n->message);
	free(n);
	i->notes = NULL;
}
