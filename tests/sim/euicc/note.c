#include "sim/euicc/note.h"

#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/sign.h"

#define NOTE_MAX 8192

uint32_t ve_note_number(struct ve *e)
{
	e->state.dirty = true;
	return e->state.next_seq++;
}

/* A BIT STRING with one bit set: as many unused bits as DER asks for. */
static void put_event(struct tlv_out *w, uint8_t event)
{
	uint8_t bits[] = { 7, event };

	while (bits[0] && !(event & 1u << bits[0]))
		bits[0]--;
	tlv_put(w, 0x81, bits, sizeof(bits));
}

void ve_note_metadata(struct tlv_out *w, uint32_t seq, uint8_t event, struct octets address,
		      struct octets iccid)
{
	struct tlv_mark m = tlv_begin(w, 0xbf2f);

	tlv_put_u32(w, 0x80, seq);
	put_event(w, event);
	tlv_put_octets(w, 0x0c, address);
	if (iccid.n)
		tlv_put_octets(w, 0x5a, iccid);
	tlv_close(w, m);
}

struct ve_note *ve_note_find(struct ve_state *s, uint32_t seq)
{
	for (size_t i = 0; i < s->n_notes; i++)
		if (s->notes[i].seq == seq)
			return &s->notes[i];
	return NULL;
}

void ve_note_keep(struct ve *e, enum ve_note_kind kind, uint32_t seq, uint8_t event,
		  struct octets metadata, struct octets whole)
{
	struct ve_state *s = &e->state;
	struct ve_note *n;

	if (s->n_notes == VE_NOTES_MAX)
		ve_note_remove(s, &s->notes[0]);
	n = &s->notes[s->n_notes++];
	n->seq = seq;
	n->kind = kind;
	n->event = event;
	blob_copy(&n->metadata, metadata);
	blob_copy(&n->whole, whole);
	s->dirty = true;
}

/* Signed by the key of the preferred CI. */
void ve_note_signed(struct ve *e, struct octets address, struct octets iccid, uint8_t event)
{
	const struct ve_credential *c = ve_credential_first(&e->state);
	uint32_t seq = ve_note_number(e);
	uint8_t metadata[512], whole[NOTE_MAX];
	struct tlv_out m = { metadata, sizeof(metadata) };
	struct tlv_out w = { whole, sizeof(whole) };
	struct tlv_mark mark;
	struct octets body;

	ve_note_metadata(&m, seq, event, address, iccid);
	body = octets_from(metadata, m.len);
	mark = tlv_begin(&w, 0x30);
	tlv_put_raw(&w, metadata, m.len);
	ve_sign_put(c, body, &w);
	if (c) {
		tlv_put_raw(&w, c->euicc.p, c->euicc.n);
		tlv_put_raw(&w, c->eum.p, c->eum.n);
	} else {
		tlv_put(&w, 0x30, NULL, 0);
		tlv_put(&w, 0x30, NULL, 0);
	}
	tlv_close(&w, mark);
	if (!m.full && !w.full)
		ve_note_keep(e, VE_NOTE_OTHER, seq, event, body, octets_from(whole, w.len));
}

void ve_note_event(struct ve *e, const struct ve_profile *p, uint8_t event)
{
	struct tlv_doc doc;
	struct tlv list = tlv_open(&doc, blob_octets(&p->field[VE_NOTIFICATIONS]));

	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);
		struct octets events = tlv_take(&one, 0x80);
		struct octets address = tlv_take(&one, 0x81);

		if (events.n >= 2 && events.p[1] & event && address.n)
			ve_note_signed(e, address, blob_octets(&p->field[VE_ICCID]), event);
	}
}

/* --- the functions ---------------------------------------------------------------------------- */

/* BIT STRING of events wanted; all of them where the criterion is missing or empty. */
static uint8_t events_wanted(struct octets bits)
{
	return bits.n >= 2 ? bits.p[1] : 0xf0;
}

static void put_error(struct tlv_out *w, uint32_t tag, uint8_t code)
{
	struct tlv_mark m = tlv_begin(w, tag);

	tlv_put_u32(w, 0x81, code);
	tlv_close(w, m);
}

/* ES10b.ListNotification, SGP.22 5.7.9 */
static uint16_t list_notification(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	uint8_t wanted = events_wanted(tlv_maybe(&body, 0x81));
	struct tlv_mark m, list;

	if (doc.fault)
		return SW_DATA;
	m = tlv_begin(w, 0xbf28);
	list = tlv_begin(w, 0xa0);
	for (size_t i = 0; i < e->state.n_notes; i++) {
		const struct ve_note *n = &e->state.notes[i];

		if (n->kind != VE_NOTE_PACKAGE && n->event & wanted)
			tlv_put_raw(w, n->metadata.p, n->metadata.n);
	}
	tlv_close(w, list);
	tlv_close(w, m);
	return SW_OK;
}

struct choice {
	bool by_seq;
	uint32_t seq;
	uint8_t events;
	bool packages;
};

/* No criterion: all notifications, no results. */
static bool read_choice(struct octets in, struct choice *ret)
{
	struct choice c = { .events = 0xf0 };
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	bool there;
	struct tlv by = tlv_enter_maybe(&body, 0xa0, &there);

	if (there) {
		switch (tlv_peek(&by)) {
		case 0x80:
			c.by_seq = true;
			c.seq = tlv_take_u32(&by, 0x80);
			break;
		case 0x81:
			c.events = events_wanted(tlv_take(&by, 0x81));
			break;
		case 0x82:
			c.packages = true;
			tlv_take(&by, 0x82);
			break;
		default:
			return false;
		}
		tlv_end(&by);
	}
	tlv_end(&body);
	*ret = c;
	return !doc.fault;
}

static bool chosen(const struct ve_note *n, const struct choice *c, bool package)
{
	if ((n->kind == VE_NOTE_PACKAGE) != package)
		return false;
	if (c->by_seq)
		return n->seq == c->seq;
	return package ? c->packages : !c->packages && n->event & c->events;
}

/* Edition 1.0 gave results without their outer tag. */
static void put_note(struct ve *e, const struct ve_note *n, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct octets whole = blob_octets(&n->whole);
	struct tlv body;

	if (n->kind == VE_NOTE_PACKAGE && e->state.version == VE_SGP32_10) {
		body = ve_es10_open(&doc, whole);
		whole = tlv_rest(&body);
	}
	tlv_put_raw(w, whole.p, whole.n);
}

/*
 * ES10b.RetrieveNotificationsList, SGP.32 5.9.11. A number finds a notification or a result,
 * whichever has it (one source); with none of either the list of notifications is empty.
 */
static uint16_t retrieve(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct choice c;
	const struct ve_note *hit;
	bool package;
	struct tlv_mark m, list;

	if (!read_choice(in, &c) || (c.packages && e->state.version == VE_SGP22)) {
		put_error(w, 0xbf2b, 127);
		return SW_OK;
	}
	hit = c.by_seq ? ve_note_find(&e->state, c.seq) : NULL;
	package = c.packages || (hit && hit->kind == VE_NOTE_PACKAGE);
	m = tlv_begin(w, 0xbf2b);
	list = tlv_begin(w, package ? 0xa2 : 0xa0);
	for (size_t i = 0; i < e->state.n_notes; i++)
		if (chosen(&e->state.notes[i], &c, package))
			put_note(e, &e->state.notes[i], w);
	tlv_close(w, list);
	tlv_close(w, m);
	return SW_OK;
}

/* ES10b.RemoveNotificationFromList, SGP.22 5.7.11, SGP.32 5.9.12 */
static uint16_t remove_notification(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	uint32_t seq = tlv_take_u32(&body, 0x80);
	struct ve_note *n;

	if (doc.fault)
		return SW_DATA;
	n = ve_note_find(&e->state, seq);
	if (n) {
		ve_note_remove(&e->state, n);
		e->state.dirty = true;
	}
	ve_es10_code(w, 0xbf30, n ? 0 : 1);
	return SW_OK;
}

const struct es10_row ve_note_rows[] = {
	{ 0xbf28, "ListNotification", list_notification, ES10_ALL },
	{ 0xbf2b, "RetrieveNotificationsList", retrieve, ES10_ALL },
	{ 0xbf30, "RemoveNotificationFromList", remove_notification, ES10_ALL },
	{ 0 },
};
