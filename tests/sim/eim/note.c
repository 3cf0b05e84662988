/* Notifications: verified with the certificates they carry or the card's, remembered by number. */
#include <string.h>

#include "core/util.h"
#include "sim/eim/describe.h"
#include "sim/eim/result.h"

struct note {
	struct octets meta, signature, eum, euicc;
	struct octets signed_part;
	bool compact;
};

/* The parts of one of the four forms. False: it is none of them. */
static bool open_note(struct octets whole, struct note *n, struct tlv_doc *doc)
{
	struct tlv top = tlv_open(doc, whole), body, before, data;
	uint32_t tag = tlv_peek(&top);

	body = tlv_enter(&top, tag);
	if (tag == 0xBF37) {
		before = body;
		n->signed_part = tlv_take_whole(&before, &tag);
		data = tlv_enter(&body, 0xBF27);
		tlv_maybe(&data, 0x80);
		n->meta = tlv_take_whole(&data, &tag);
		n->signature = tlv_take(&body, 0x5F37);
		return true;
	}
	if (tag != 0x30 && tag != 0xA1)
		return false;
	n->compact = tag == 0xA1;
	if (n->compact)
		tlv_maybe(&body, 0x5A);
	n->meta = n->signed_part = tlv_take_whole(&body, &tag);
	n->signature = tlv_take(&body, 0x5F37);
	if (tlv_peek(&body) == 0x30)
		n->euicc = tlv_take_whole(&body, &tag);
	if (tlv_peek(&body) == 0x30)
		n->eum = tlv_take_whole(&body, &tag);
	return true;
}

/* A compact installation result, A0: signed in its full form, which only the SM-DP+ can rebuild. */
static bool open_compact_result(struct octets whole, uint32_t *ret_seq)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole), body = tlv_enter(&top, 0xA0),
		   data = tlv_enter(&body, 0xA0);

	tlv_take(&data, 0x80);
	*ret_seq = tlv_take_u32(&data, 0x02);
	return !doc.fault;
}

static enum se_verdict check(struct se_eim *e, struct se_card *c, const struct note *n,
			     const char **ret_why)
{
	X509 *eum = NULL, *euicc = NULL;
	enum se_verdict verdict = SE_WRONG;

	if (!n->eum.n || !n->euicc.n)
		return se_card_signed(e, c, &n->signed_part, 1, n->signature, ret_why);
	if (se_cert_parse(n->eum, &eum) < 0 || se_cert_parse(n->euicc, &euicc) < 0)
		*ret_why = "its certificates cannot be parsed";
	else
		*ret_why = se_chain_check(&e->anchors, eum, euicc, c->eid);
	if (!*ret_why) {
		if (se_verify(X509_get0_pubkey(euicc), &n->signed_part, 1, n->signature) == 0)
			verdict = SE_VERIFIED;
		else
			*ret_why = "the signature is not the eUICC's";
	}
	X509_free(eum);
	X509_free(euicc);
	return verdict;
}

static struct se_note *find_note(struct se_card *c, uint32_t seq, const char *event)
{
	for (size_t i = 0; i < c->notes_n; i++) {
		if (c->notes[i].seq == seq && !strcmp(c->notes[i].event, event))
			return &c->notes[i];
	}
	return NULL;
}

static void remember(struct se_card *c, const struct se_note *note)
{
	if (c->notes_n == SE_NOTES_MAX) {
		memmove(c->notes, c->notes + 1, (SE_NOTES_MAX - 1) * sizeof(c->notes[0]));
		c->notes_n--;
	}
	c->notes[c->notes_n++] = *note;
}

static void count(struct se_eim *e, struct se_card *c, const struct se_note *note,
		  struct se_acks *acks)
{
	struct se_note *old = find_note(c, note->seq, note->event);

	if (acks && acks->n < SE_ACKS_MAX)
		acks->seq[acks->n++] = note->seq;
	if (old) {
		old->duplicates++;
		se_remark(e, c, "DUPLICATE notification %u (%s), %u times more", note->seq,
			  note->event, old->duplicates);
		return;
	}
	remember(c, note);
	se_log(e, c, "< notification %u: %s %s, for %s (%s)", note->seq, note->event, note->iccid,
	       note->address[0] ? note->address : "-", se_verdict_names[note->verdict]);
}

bool se_note_take(struct se_eim *e, struct se_card *c, struct octets whole, struct se_acks *acks)
{
	struct se_note note = { .verdict = SE_UNCHECKED, .event = "install" };
	struct note n = { .compact = false };
	struct tlv_doc doc, meta_doc;
	struct tlv top, meta;
	const char *why = NULL;

	if (!open_note(whole, &n, &doc)) {
		if (open_compact_result(whole, &note.seq)) {
			count(e, c, &note, acks);
			return true;
		}
		c->unmatched++;
		se_remark(e, c, "a notification of an unknown form");
		return false;
	}
	top = tlv_open(&meta_doc, n.meta);
	meta = tlv_enter(&top, 0xBF2F);
	note.seq = tlv_take_u32(&meta, 0x80);
	snprintf(note.event, sizeof(note.event), "%s", se_describe_event(tlv_take(&meta, 0x81)));
	(void)text_copy(octets_text(tlv_maybe(&meta, 0x0C)), note.address, sizeof(note.address));
	se_iccid_text(tlv_maybe(&meta, 0x5A), note.iccid);
	if (doc.fault || meta_doc.fault) {
		c->unmatched++;
		se_remark(e, c, "a notification is malformed (%s)",
			  tlv_fault_name(doc.fault ? doc.fault : meta_doc.fault));
		return false;
	}
	note.verdict = check(e, c, &n, &why);
	if (note.verdict == SE_WRONG || (note.verdict == SE_UNVERIFIED && !e->accept_unverified)) {
		c->unmatched++;
		se_remark(e, c, "notification %u (%s) NOT TAKEN: %s", note.seq, note.event, why);
		return false;
	}
	count(e, c, &note, acks);
	return true;
}
