/* The package into the card, segment by segment (GSMA SGP.22 2.5.5, 3.1.3.3), and what came of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipa/download.h"

#define BUSY_TRIES 6            /* as in the table of steps */

/* --- loading ------------------------------------------------------------------------------------------------------ */

/*
 * The metadata in the package stands in the segments 88, readable, each with eight octets of MAC behind
 * it. They are gathered until something else follows.
 */
#define MAC_N 8

static int gather(struct ipa_download *d, struct octets segment)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, segment);
	struct octets value = tlv_maybe(&top, 0x88);
	uint8_t *p;

	if (value.n <= MAC_N)
		return 0;
	p = realloc(d->shown.p, d->shown.n + value.n - MAC_N);
	if (!p)
		return -ENOMEM;
	memcpy(p + d->shown.n, value.p, value.n - MAC_N);
	d->shown = (struct ipa_octets){ p, d->shown.n + value.n - MAC_N };
	return 0;
}

/*
 * The next segment: 1; 0: more must come in first. -ENODATA: there is none; -EBADMSG: the package is
 * broken; -EIO: the download has failed.
 */
static int cut(struct ipa_download *d, struct octets *ret)
{
	int r;

	while ((r = bpp_next(&d->bpp, ret)) == -EAGAIN) {
		if (d->chunk_at == d->chunk_n && (r = ipa_server_read(d)) <= 0) {
			if (r == -ENODATA)
				return bpp_end(&d->bpp) < 0 ? -EBADMSG : -ENODATA;
			return r < 0 ? -EIO : 0;
		}
		d->chunk_at += bpp_feed(&d->bpp, d->chunk + d->chunk_at, d->chunk_n - d->chunk_at);
	}
	return r < 0 ? r : 1;
}

static void show_progress(struct ipa_download *d)
{
	int percent = d->bpp.total ? (int)(d->bpp.taken * 100 / d->bpp.total) : 0;

	if (percent == d->percent)
		return;
	d->percent = percent;
	if (d->progress)
		d->progress(d, "load-profile", percent);
	d->ipa->changed(d->ipa, IPA_CHANGED_ACTIVITY);
}

int ipa_give_segment(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct octets segment;
	bool metadata;
	int r;

	if (ipa_download_is_off(d))
		return STEP_SKIP;
	if (p->piece == 0 && (r = ipa_download_note(d, "load")) < 0) {
		ipa_download_fail(d, ES10B_POSTPONED, (struct cause){ CAUSE_REFUSED, "us", -r, NULL },
				  "the journal cannot be written: %s", strerror(-r));
		return STEP_SKIP;
	}
	r = cut(d, &segment);
	d->waiting = r == 0;
	if (d->waiting)
		return ipa_await_stream(ipa_of(p));
	if (r == -EBADMSG)
		ipa_download_fail(d, ES10B_LOAD_BPP_ERROR,
				  (struct cause){ CAUSE_MALFORMED, d->indirect ? "eim" : "smdp", -1, NULL },
				  "the profile package is broken: %s at octet %zu", d->reader.broken ?
				  "no base64" : bpp_fault_name(d->bpp.fault), d->bpp.taken);
	if (r < 0)
		return STEP_SKIP;
	metadata = segment.p[0] == 0x88;
	if (metadata && gather(d, segment) < 0)
		return -ENOMEM;
	if (!metadata && d->shown.n && d->bpp.state != BPP_EXPECT_88) {
		ipa_download_compare(d);
		ipa_octets_clear(&d->shown);
		if (d->failed)
			return STEP_SKIP;
	}
	d->loading = true;
	r = ipa_ask_card_here(ipa_of(p), ES10B_LOAD_BPP, segment);
	show_progress(d);
	return r;
}

static int keep_result(struct ipa_download *d, struct octets bf37, const struct es10b_install *in)
{
	if (ipa_octets_set(&d->result, bf37) < 0)
		return -ENOMEM;
	d->result_seq = in->meta.seq;
	d->again = false;
	d->installed = in->ok;
	if (es10_iccid_text(in->meta.iccid, d->iccid) < 0 && !in->ok)
		d->iccid[0] = '\0';
	if (!in->ok)
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "card", in->reason, NULL },
				  "the card does not install it: %s in %s", es10b_bpp_reason_name(in->reason),
				  es10b_bpp_command_name(in->command));
	return 0;
}

enum step_verdict ipa_judge_segment(struct proc *p)
{
	struct ipa *i = ipa_of(p);
	struct ipa_download *d = download_of(p);
	struct es10b_install in;

	/* More has come, or nothing more will: the next look at it tells. */
	if (d->waiting) {
		i->error_text[0] = '\0';
		return STEP_AGAIN;
	}
	if (p->answer.kind != CAUSE_NONE)
		return ipa_download_no_answer(p, ES10B_LOAD_BPP_ERROR, "LoadBoundProfilePackage");
	if (!i->answer.n)
		return STEP_AGAIN;
	if (es10b_install_decode(i->answer, &in) < 0)
		return ipa_download_fail(d, ES10B_LOAD_BPP_ERROR,
					 (struct cause){ CAUSE_MALFORMED, "card", -1, NULL },
					 "the card's result cannot be read");
	if (keep_result(d, i->answer, &in) < 0)
		return ipa_refused(p, "us", ENOMEM, "out of memory");
	d->percent = 100;
	return STEP_NEXT;
}

/* --- a result that did not come ----------------------------------------------------------------------------------------- */

int ipa_find_result(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	struct tlv_out w = ipa_writer(ipa_of(p));

	d->percent = -1;
	if (!(d->resuming || d->loading) || d->result.n || !d->session_n)
		return STEP_SKIP;
	es10b_retrieve_all_encode(&w);
	return ipa_ask_card_anyway(ipa_of(p), ES10B_RETRIEVE_NOTIFICATIONS, &w);
}

/* As long as the card does not tell, nobody is told anything: the journal brings us back here. */
enum step_verdict ipa_judge_found(struct proc *p)
{
	struct es10b_pending pending[FACTS_NOTIFICATIONS_MAX];
	struct ipa_download *d = download_of(p);
	struct es10b_install in;
	size_t n;
	int error;

	if (p->answer.kind != CAUSE_NONE)
		return p->attempt < BUSY_TRIES ? STEP_RETRY : ipa_no_answer(p);
	if (es10b_pending_decode(ipa_of(p)->answer, pending, ARRAY_SIZE(pending), &n, &error) < 0)
		return ipa_garbled(p, "RetrieveNotificationsList");
	if (error)
		return p->attempt < BUSY_TRIES ? STEP_RETRY :
			       ipa_refused(p, "card", error, "the card does not give its notifications");
	for (size_t k = 0; k < n; k++) {
		if (pending[k].kind != ES10B_PENDING_INSTALL ||
		    es10b_install_decode(pending[k].whole, &in) < 0 ||
		    !octets_same(in.transaction_id, octets_from(d->session, d->session_n)))
			continue;
		/* It was installed after all: what went wrong on the way does not count. */
		d->failed = d->failed && !in.ok;
		return keep_result(d, pending[k].whole, &in) < 0 ?
			       ipa_refused(p, "us", ENOMEM, "out of memory") : STEP_NEXT;
	}
	return STEP_NEXT;
}

/* Of one that was cut: what is known of it without a result. */
int ipa_find_reason(struct proc *p)
{
	struct ipa_download *d = download_of(p);
	const struct ipa_journal *j = &ipa_of(p)->download_journal;

	if (!d->resuming || d->result.n || d->failed || j->installed || j->reported)
		return STEP_SKIP;
	if (j->outcome[0])
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "us", -1, NULL }, "%s", j->outcome);
	else
		ipa_download_fail(d, ES10B_CANCEL_TIMEOUT, (struct cause){ CAUSE_LINK_LOST, "us", -1, NULL },
				  "interrupted, the card has installed nothing");
	return STEP_SKIP;
}
