#include "sim/module/mux.h"

#include <string.h>

/* 27.010 5.2.1: field by field, one octet after the other. */
enum { HUNT, ADDRESS, CONTROL, LENGTH, LENGTH_HIGH, INFORMATION, CHECK, CLOSING };

#define F       0xf9
#define C_SABM  0x2f
#define C_UA    0x63
#define C_DM    0x0f
#define C_DISC  0x43
#define C_UIH   0xef
#define C_UI    0x03
#define POLL    0x10

/* --- check sequence: 27.010 annex B, by the bit ---------------------------------------------------- */

static uint8_t crc_step(uint8_t crc, uint8_t octet)
{
	for (unsigned bit = 0x01; bit < 0x100; bit <<= 1) {
		unsigned feedback = (crc & 1u) ^ ((octet & bit) ? 1u : 0u);

		crc >>= 1;
		if (feedback)
			crc ^= 0xe0;
	}
	return crc;
}

/* --- sending ------------------------------------------------------------------------------------------ */

static void put_frame(struct mux *m, uint8_t address, uint8_t control, const uint8_t *info, size_t n)
{
	uint8_t raw[MUX_INFO + 8];
	size_t at = 0;
	uint8_t crc = 0xff;

	raw[at++] = F;
	raw[at++] = address;
	raw[at++] = control;
	if (n > 127) {
		raw[at++] = (uint8_t)((n & 0x7f) << 1);
		raw[at++] = (uint8_t)(n >> 7);
	} else {
		raw[at++] = (uint8_t)((n << 1) | 1);
	}
	for (size_t i = 1; i < at; i++)
		crc = crc_step(crc, raw[i]);
	for (size_t i = 0; i < n; i++)
		raw[at++] = info[i];
	raw[at++] = (uint8_t)(0xff - crc);
	raw[at++] = F;
	m->write(m, raw, at);
}

/* Responses of the responder have C/R 1, its commands 0 (27.010 5.2.1.2). */
static void respond(struct mux *m, unsigned channel, uint8_t control)
{
	put_frame(m, (uint8_t)(channel * 4 + 3), control | POLL, NULL, 0);
}

static void put_data(struct mux *m, unsigned channel, const uint8_t *info, size_t n)
{
	uint8_t address = (uint8_t)(channel * 4 + 1);
	uint8_t control = C_UIH;

	if (m->oddities & MUX_DATA_CR)
		address |= 2;
	if (m->oddities & MUX_DATA_PF)
		control |= POLL;
	put_frame(m, address, control, info, n);
}

static void put_message(struct mux *m, uint8_t type, const uint8_t *value, size_t n)
{
	uint8_t raw[130];

	if (n > 126)
		return;
	raw[0] = type;
	raw[1] = (uint8_t)(n * 2 + 1);
	if (n)
		memcpy(raw + 2, value, n);
	put_data(m, 0, raw, n + 2);
}

bool mux_send(struct mux *m, unsigned channel, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (channel >= MUX_CHANNELS || !m->open[channel] || m->stopped[channel])
		return false;
	while (n) {
		size_t now = n < m->n1 ? n : m->n1;

		put_data(m, channel, p, now);
		p += now;
		n -= now;
	}
	return true;
}

static void put_signals(struct mux *m, unsigned channel)
{
	/* RTC, RTR, DV with a carrier, and FC where the host shall stop. */
	uint8_t value[2] = { (uint8_t)(channel * 4 + 3), (uint8_t)(0x0d | (m->carrier[channel] ? 0x80 : 0) |
								   (m->held[channel] ? 2 : 0)) };

	if (!(m->oddities & MUX_NO_MSC))
		put_message(m, 0xe3, value, 2);
}

void mux_hold(struct mux *m, unsigned channel, bool hold)
{
	if (!channel)
		put_message(m, hold ? 0x63 : 0xa3, NULL, 0);
	m->held[channel] = hold;
	if (channel)
		put_signals(m, channel);
}

void mux_carrier(struct mux *m, unsigned channel, bool on)
{
	if (m->carrier[channel] == on)
		return;
	m->carrier[channel] = on;
	if (m->open[channel])
		put_signals(m, channel);
}

static void over(struct mux *m)
{
	memset(m->open, 0, sizeof(m->open));
	m->over = true;
	m->ended(m);
}

void mux_shut(struct mux *m, unsigned channel)
{
	if (channel) {
		m->open[channel] = false;
		put_frame(m, (uint8_t)(channel * 4 + 1), C_DISC | POLL, NULL, 0);
	} else {
		put_message(m, 0xc3, NULL, 0);
		over(m);
	}
}

/* --- channel 0 --------------------------------------------------------------------------------------------- */

static void take_signals(struct mux *m, const uint8_t *value, size_t n)
{
	unsigned channel;
	bool no_dtr;

	if (n < 2)
		return;
	channel = value[0] >> 2;
	if (channel >= MUX_CHANNELS)
		return;
	m->stopped[channel] = value[1] & 2;
	no_dtr = !(value[1] & 4);
	if (no_dtr == m->no_dtr[channel])
		return;
	m->no_dtr[channel] = no_dtr;
	if (m->dtr)
		m->dtr(m, channel, !no_dtr);
}

static void take_message(struct mux *m, uint8_t type, const uint8_t *value, size_t n)
{
	/* Answers to ours need none. */
	if (!(type & 2))
		return;
	switch (type) {
	case 0x23:
		if (m->oddities & MUX_NO_TEST)
			put_message(m, 0x11, &type, 1);
		else
			put_message(m, 0x21, value, n);
		break;
	case 0xe3:
		take_signals(m, value, n);
		if (!(m->oddities & MUX_NO_MSC))
			put_message(m, 0xe1, value, n);
		break;
	case 0x63:
	case 0xa3:
		for (unsigned i = 1; i < MUX_CHANNELS; i++)
			m->stopped[i] = type == 0x63;
		put_message(m, type & 0xfd, NULL, 0);
		break;
	case 0x83:
		put_message(m, 0x81, value, n);
		break;
	case 0xc3:
		if (!(m->oddities & MUX_NO_CLD))
			put_message(m, 0xc1, NULL, 0);
		over(m);
		break;
	default:
		put_message(m, 0x11, &type, 1);
		break;
	}
}

static void take_control(struct mux *m, const uint8_t *info, size_t n)
{
	size_t length;

	if (n < 2)
		return;
	length = info[1] >> 1;
	if (info[1] & 1 && length <= n - 2)
		take_message(m, info[0], info + 2, length);
}

/* --- frames ------------------------------------------------------------------------------------------------- */

static void set_open(struct mux *m, unsigned channel, bool open)
{
	bool was = m->open[channel];

	m->open[channel] = open;
	m->stopped[channel] = m->held[channel] = m->carrier[channel] = m->no_dtr[channel] = false;
	if (was != open && channel && m->changed)
		m->changed(m, channel, open);
}

static void take_frame(struct mux *m)
{
	unsigned channel = m->address >> 2;

	m->frames++;
	switch (m->control & ~POLL) {
	case C_SABM:
		if (channel >= MUX_CHANNELS || channel > m->channels || (channel && !m->open[0])) {
			respond(m, channel, C_DM);
			return;
		}
		respond(m, channel, C_UA);
		set_open(m, channel, true);
		if (channel)
			put_signals(m, channel);
		return;
	case C_DISC:
		if (channel >= MUX_CHANNELS || !m->open[channel]) {
			respond(m, channel, C_DM);
			return;
		}
		respond(m, channel, C_UA);
		set_open(m, channel, false);
		if (channel == 0)
			over(m);
		return;
	case C_UIH:
	case C_UI:
		if (channel >= MUX_CHANNELS || !m->open[channel])
			respond(m, channel, C_DM);
		else if (channel == 0)
			take_control(m, m->info, m->got);
		else
			m->received(m, channel, m->info, m->got);
		return;
	default:
		return;
	}
}

static void take_octet(struct mux *m, uint8_t octet)
{
	switch (m->state) {
	case HUNT:
		if (octet == F)
			m->state = ADDRESS;
		return;
	case ADDRESS:
		if (octet == F)
			return;
		m->address = octet;
		m->fcs = crc_step(0xff, octet);
		m->length = m->got = 0;
		m->state = octet & 1 ? CONTROL : HUNT;
		return;
	case CONTROL:
		m->control = octet;
		m->fcs = crc_step(m->fcs, octet);
		m->state = LENGTH;
		return;
	case LENGTH:
		m->fcs = crc_step(m->fcs, octet);
		m->length = octet >> 1;
		m->state = !(octet & 1) ? LENGTH_HIGH : m->length ? INFORMATION : CHECK;
		return;
	case LENGTH_HIGH:
		m->fcs = crc_step(m->fcs, octet);
		m->length += (size_t)octet * 128;
		m->state = m->length > MUX_INFO ? HUNT : m->length ? INFORMATION : CHECK;
		return;
	case INFORMATION:
		m->info[m->got++] = octet;
		if ((m->control & ~POLL) == C_UI)
			m->fcs = crc_step(m->fcs, octet);
		if (m->got == m->length)
			m->state = CHECK;
		return;
	case CHECK:
		m->fcs = crc_step(m->fcs, octet);
		/* The residue of everything with its check sequence. */
		m->state = m->fcs == 0xcf ? CLOSING : HUNT;
		m->bad += m->state == HUNT;
		return;
	case CLOSING:
		m->state = octet == F ? ADDRESS : HUNT;
		if (octet == F)
			take_frame(m);
		else
			m->bad++;
		return;
	}
}

void mux_start(struct mux *m)
{
	memset(m->open, 0, sizeof(m->open));
	memset(m->stopped, 0, sizeof(m->stopped));
	memset(m->held, 0, sizeof(m->held));
	memset(m->carrier, 0, sizeof(m->carrier));
	memset(m->no_dtr, 0, sizeof(m->no_dtr));
	m->frames = m->bad = 0;
	m->state = HUNT;
	m->over = false;
}

void mux_feed(struct mux *m, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n && !m->over && !(m->oddities & MUX_DEAF); i++)
		take_octet(m, data[i]);
}
