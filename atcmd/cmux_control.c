/*
 * What runs inside channel 0: messages of type, length, value, several to a frame if the peer likes
 * (3GPP TS 27.010 5.4.6.3). A command is answered by the same type with C/R 0 and the same value;
 * an unknown one by NSC, which names it.
 */
#include "atcmd/cmux.h"
#include "core/log.h"

enum { EA = 0x01, CR = 0x02 };

/* Type octets with EA, without C/R. */
enum message {
	PN = 0x81, PSC = 0x41, CLD = 0xc1, TEST = 0x21, FCON = 0xa1, FCOFF = 0x61, MSC = 0xe1,
	NSC = 0x11, RPN = 0x91, RLS = 0x51,
};

/* The largest value that is answered or sent: a Test of one frame. */
#define VALUE_MAX 120

#define PN_LENGTH 8

static void send_message(struct cmux *m, uint8_t type, struct text value)
{
	uint8_t raw[VALUE_MAX + 2];

	if (value.n > VALUE_MAX) {
		m->stats.dropped++;
		return;
	}
	raw[0] = type;
	raw[1] = (uint8_t)(value.n << 1 | EA);
	if (value.n)
		memcpy(raw + 2, value.s, value.n);
	cmux_send(m, 0, CMUX_UIH, text_from(raw, value.n + 2));
}

/* --- ours ------------------------------------------------------------------------------------------ */

void cmux_send_msc(struct cmux_dlc *d)
{
	uint8_t value[2] = {
		(uint8_t)(d->dlci << 2 | CR | EA),
		(uint8_t)(EA | CMUX_RTR | CMUX_DV | (d->no_dtr ? 0 : CMUX_RTC) | (d->held ? CMUX_FC : 0)),
	};

	d->msc_due = true;
	send_message(d->mux, MSC | CR, text_from(value, sizeof(value)));
}

/* Default priority: 27.010 5.6. */
static uint8_t priority(unsigned dlci)
{
	return (uint8_t)MIN((dlci / 8 + 1) * 8 - 1, 61);
}

void cmux_send_pn(struct cmux_dlc *d)
{
	const struct cmux_options *o = &d->mux->o;
	uint8_t value[PN_LENGTH] = {
		(uint8_t)d->dlci, 0, priority(d->dlci), (uint8_t)MIN(o->t1_ms / 10, 255),
		(uint8_t)o->n1, (uint8_t)(o->n1 >> 8), (uint8_t)o->n2, 2,
	};

	send_message(d->mux, PN | CR, text_from(value, sizeof(value)));
}

void cmux_send_test(struct cmux *m)
{
	/* Each one differs: an echo from before is not taken for an answer. */
	m->test[0] = 0x55;
	m->test[1]++;
	send_message(m, TEST | CR, text_from(m->test, sizeof(m->test)));
}

void cmux_send_cld(struct cmux *m)
{
	send_message(m, CLD | CR, (struct text){ 0 });
}

/* --- theirs ------------------------------------------------------------------------------------------ */

static void answer(struct cmux *m, uint8_t type, struct text value)
{
	send_message(m, type, value);
}

static void on_msc(struct cmux *m, struct text value)
{
	struct cmux_dlc *d;
	unsigned bits, was;

	answer(m, MSC, value);
	if (value.n < 2)
		return;
	d = cmux_find(m, (uint8_t)value.s[0] >> 2);
	if (!d)
		return;
	bits = (uint8_t)value.s[1] & ~(unsigned)EA;
	was = d->peer_bits;
	d->peer_bits = bits;
	d->msc_heard = true;
	if (was & CMUX_FC && !(bits & CMUX_FC))
		ev_task_start(&m->pump);
	if (!d->msc_due)
		cmux_dlc_settled(d);
	if (d->state == CMUX_DLC_OPEN && d->signals && was != bits)
		d->signals(d, bits);
}

static void on_msc_answered(struct cmux *m, struct text value)
{
	struct cmux_dlc *d = value.n ? cmux_find(m, (uint8_t)value.s[0] >> 2) : NULL;

	if (!d)
		return;
	d->msc_due = false;
	if (d->state == CMUX_DLC_OPEN)
		ev_alarm_stop(&d->timer);
	if (d->msc_heard)
		cmux_dlc_settled(d);
}

/* The smaller frame of the two counts; an answer that raises it is not believed. */
static unsigned take_n1(struct cmux *m, struct text value)
{
	unsigned n1 = (uint8_t)value.s[4] | (unsigned)(uint8_t)value.s[5] << 8;

	if (n1 > 0 && n1 < m->o.n1)
		m->o.n1 = n1;
	return m->o.n1;
}

static void on_pn(struct cmux *m, struct text value)
{
	uint8_t reply[PN_LENGTH];
	unsigned n1;

	if (value.n != PN_LENGTH)
		return;
	n1 = take_n1(m, value);
	memcpy(reply, value.s, sizeof(reply));
	reply[1] = 0;           /* UIH, convergence layer 1: nothing else is spoken here */
	reply[4] = (uint8_t)n1;
	reply[5] = (uint8_t)(n1 >> 8);
	answer(m, PN, text_from(reply, sizeof(reply)));
}

static void on_pn_answered(struct cmux *m, struct text value)
{
	struct cmux_dlc *d;

	if (value.n != PN_LENGTH)
		return;
	take_n1(m, value);
	d = cmux_find(m, (uint8_t)value.s[0] & 0x3f);
	if (d)
		cmux_negotiated(d);
}

static void all_may_send(struct cmux *m, bool may)
{
	m->all_stopped = !may;
	if (may)
		ev_task_start(&m->pump);
}

static void on_cld(struct cmux *m)
{
	answer(m, CLD, (struct text){ 0 });
	cmux_finish(m, m->state == CMUX_OPEN ? CMUX_END_BY_MODULE : CMUX_END_CLOSED);
}

static void on_command(struct cmux *m, uint8_t type, struct text value)
{
	uint8_t named = type | CR;

	switch ((enum message)type) {
	case PN:
		on_pn(m, value);
		return;
	case PSC:
		answer(m, PSC, value);
		m->asleep = true;
		m->wakes = 0;
		return;
	case CLD:
		on_cld(m);
		return;
	case TEST:
		/* Ours, coming back from a module that echoes. */
		if (m->checking && text_same(value, text_from(m->test, sizeof(m->test))))
			cmux_suspect(m, CMUX_END_AT_MODE);
		else
			answer(m, TEST, value);
		return;
	case FCON:
		answer(m, FCON, value);
		all_may_send(m, true);
		return;
	case FCOFF:
		answer(m, FCOFF, value);
		all_may_send(m, false);
		return;
	case MSC:
		on_msc(m, value);
		return;
	case RPN:
	case RLS:
		/* Of a line that there is not; agreed to. */
		answer(m, type, value);
		return;
	case NSC:
		return;
	}
	log_debug(m->name, "control message %02x is unknown", named);
	answer(m, NSC, text_from(&named, 1));
}

static void on_nsc(struct cmux *m, struct text value)
{
	struct cmux_dlc *d, *tmp;
	uint8_t type = value.n ? (uint8_t)value.s[0] & (uint8_t)~CR : 0;

	if (type == CLD && m->state == CMUX_EXPECT_CLD) {
		m->tries = 2;   /* the other way of closing, when the timer comes round */
		return;
	}
	list_for_each_safe (d, tmp, &m->dlcs, node) {
		if (type == PN && d->state == CMUX_DLC_EXPECT_PN) {
			cmux_negotiated(d);
			return;
		}
		if (type == MSC && d->msc_due) {
			d->msc_due = false;
			cmux_dlc_settled(d);
			return;
		}
	}
}

static void on_answer(struct cmux *m, uint8_t type, struct text value)
{
	switch ((enum message)type) {
	case PN:
		on_pn_answered(m, value);
		break;
	case CLD:
		if (m->state == CMUX_EXPECT_CLD)
			cmux_finish(m, CMUX_END_CLOSED);
		break;
	case MSC:
		on_msc_answered(m, value);
		break;
	case NSC:
		on_nsc(m, value);
		break;
	case PSC:
	case TEST:
	case FCON:
	case FCOFF:
	case RPN:
	case RLS:
		break;
	}
}

/* A length of one or more octets, seven bits in each, the last one with EA. */
static bool take_length(struct text *rest, size_t *ret)
{
	size_t n = 0;

	for (unsigned shift = 0; rest->n && shift <= 14; shift += 7) {
		uint8_t octet = (uint8_t)rest->s[0];

		*rest = text_skip(*rest, 1);
		n |= (size_t)(octet >> 1) << shift;
		if (octet & EA) {
			*ret = n;
			return n <= rest->n;
		}
	}
	return false;
}

void cmux_control(struct cmux *m, struct text info)
{
	while (info.n && m->state != CMUX_CLOSED) {
		uint8_t type = (uint8_t)info.s[0];
		struct text value;
		size_t n;

		info = text_skip(info, 1);
		if (!(type & EA) || !take_length(&info, &n)) {
			m->stats.unknown++;
			return;
		}
		value = text_from(info.s, n);
		info = text_skip(info, n);
		if (type & CR)
			on_command(m, type & (uint8_t)~CR, value);
		else
			on_answer(m, type, value);
	}
}
