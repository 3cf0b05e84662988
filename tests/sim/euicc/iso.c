#include "sim/euicc/iso.h"

#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/es10.h"
#include "sim/euicc/files.h"
#include "sim/euicc/inner.h"

#define AID_MAX 16

static const char gsma_isdr[] = "A0000005591010FFFFFFFF8900000100";
static const char ecasd[] = "A0000005591010FFFFFFFF8900000200";

/* REFRESH, UICC reset: TS 102 223 6.4.7. */
static const uint8_t refresh[] = {
	0xd0, 0x09, 0x81, 0x03, 0x01, 0x01, 0x04, 0x82, 0x02, 0x81, 0x82,
};

static struct ve_channel *channel_of(struct ve *e, const struct apdu *a)
{
	return &e->channels[a->channel];
}

static unsigned channel_count(const struct ve *e)
{
	return e->who->channels ? e->who->channels : 4;
}

static void channel_open(struct ve_channel *c)
{
	*c = (struct ve_channel){ .open = true, .df = VE_MF };
}

void ve_channels_reset(struct ve *e)
{
	memset(e->channels, 0, sizeof(e->channels));
	channel_open(&e->channels[0]);
	e->pin_verified = false;
}

void ve_channels_close(struct ve *e, unsigned keep)
{
	for (unsigned i = 1; i < APDU_CHANNELS; i++)
		if (i != keep)
			e->channels[i].open = false;
	for (unsigned i = 0; i < APDU_CHANNELS; i++)
		if (e->channels[i].app == VE_APP_USIM || e->channels[i].df == VE_ADF)
			channel_open(&e->channels[i]);
	e->pin_verified = false;
}

/* --- SELECT, TS 102 221 11.1.1 ---------------------------------------------------------------- */

static bool aid_is(struct octets aid, const char *hex)
{
	uint8_t raw[AID_MAX];
	size_t n;

	return !hex_decode(text_of(hex), raw, sizeof(raw), &n) &&
	       octets_same(aid, octets_from(raw, n));
}

static void put_hex(struct tlv_out *w, uint32_t tag, const char *hex)
{
	uint8_t raw[128];
	size_t n = 0;

	if (!hex_decode(text_of(hex), raw, sizeof(raw), &n))
		tlv_put(w, tag, raw, n);
}

/* euiccConfiguration, SGP.32: bit 0 ipaeSupported, bit 1 enabledProfile. */
static void put_euicc_configuration(struct ve *e, struct tlv_out *w)
{
	bool enabled = ve_profile_enabled(&e->state);
	const uint8_t bits[] = {
		enabled ? 6 : e->who->ipae ? 7 : 0,
		(e->who->ipae ? 0x80 : 0) | (enabled ? 0x40 : 0),
	};
	struct tlv_mark m = tlv_begin(w, 0xe1);

	tlv_put(w, 0x80, bits, bits[1] ? 2 : 1);
	tlv_close(w, m);
}

static void put_isdr_fci(struct ve *e, struct octets aid, struct tlv_out *w)
{
	struct tlv_mark fci = tlv_begin(w, 0x6f);
	struct tlv_mark m;

	tlv_put_octets(w, 0x84, aid);
	put_hex(w, 0xa5, e->who->fci_a5 ? e->who->fci_a5 : "9F6501FF");
	if (!e->who->fci_without_e0) {
		m = tlv_begin(w, 0xe0);
		tlv_put_octets(w, 0x82, blob_octets(&e->state.info[VE_INFO_SVN]));
		tlv_close(w, m);
	}
	if (e->state.version != VE_SGP22)
		put_euicc_configuration(e, w);
	tlv_close(w, fci);
}

static uint16_t select_isdr(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	if (a->channel && e->who->isdr_logical_sw)
		return e->who->isdr_logical_sw;
	put_isdr_fci(e, a->data, w);
	e->responses[a->channel].fetch_sw = e->who->fci_fetch_sw;
	return SW_OK;
}

static uint16_t select_ecasd(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct tlv_mark fci = tlv_begin(w, 0x6f);

	(void)e;
	tlv_put_octets(w, 0x84, a->data);
	put_hex(w, 0xa5, "9F6501FF");
	tlv_close(w, fci);
	return SW_OK;
}

static uint16_t select_usim(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	(void)a;
	ve_directory_fcp(e, VE_ADF, w);
	return SW_OK;
}

static const struct {
	iso_fn select;
	uint16_t df;
} apps[_VE_APP_MAX] = {
	[VE_APP_ISDR] = { select_isdr, VE_MF },
	[VE_APP_ECASD] = { select_ecasd, VE_MF },
	[VE_APP_USIM] = { select_usim, VE_ADF },
};

static enum ve_app app_named(struct ve *e, struct octets aid)
{
	struct octets usim = ve_usim_aid(e);

	if (aid_is(aid, e->who->isdr_aid ? e->who->isdr_aid : gsma_isdr))
		return VE_APP_ISDR;
	if (aid_is(aid, ecasd))
		return VE_APP_ECASD;
	/* A USIM may be named by the beginning of its AID. */
	if (aid.n >= 5 && aid.n <= usim.n && !memcmp(aid.p, usim.p, aid.n))
		return VE_APP_USIM;
	return VE_APP_NONE;
}

static uint16_t select_app(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_channel *c = channel_of(e, a);
	enum ve_app app = app_named(e, a->data);
	uint16_t sw;

	if (app == VE_APP_NONE)
		return SW_NOT_FOUND;
	sw = apps[app].select(e, a, w);
	if (sw != SW_OK)
		return sw;
	channel_open(c);
	c->app = app;
	c->df = apps[app].df;
	return SW_OK;
}

static uint16_t select_directory(struct ve *e, struct ve_channel *c, uint16_t df,
				 struct tlv_out *w)
{
	if (df == VE_ADF && (c->app != VE_APP_USIM || !ve_usim_aid(e).n))
		return SW_NOT_FOUND;
	c->df = df;
	c->ef = NULL;
	c->record = 0;
	ve_directory_fcp(e, df, w);
	return SW_OK;
}

static uint16_t select_id(struct ve *e, struct ve_channel *c, uint16_t id, struct tlv_out *w)
{
	const struct ve_file *f;

	if (id == VE_MF || id == VE_ADF)
		return select_directory(e, c, id, w);
	f = ve_file_find(e, c->df, id);
	if (!f)
		return SW_NOT_FOUND;
	c->ef = f;
	c->record = 0;
	ve_file_fcp(e, f, w);
	return SW_OK;
}

static uint16_t select_file(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	uint16_t id = VE_MF;

	if (a->data.n && a->data.n != 2)
		return SW_LENGTH;
	if (a->data.n)
		id = a->data.p[0] << 8 | a->data.p[1];
	return select_id(e, channel_of(e, a), id, w);
}

static uint16_t select_parent(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	if (a->data.n)
		return SW_LENGTH;
	return select_directory(e, channel_of(e, a), VE_MF, w);
}

/* A path moves step by step; where a step fails, the old selection stays. */
static uint16_t select_path(struct ve *e, const struct apdu *a, uint16_t from, struct tlv_out *w)
{
	struct ve_channel *c = channel_of(e, a);
	struct ve_channel before = *c;
	uint16_t sw = SW_LENGTH;

	if (!a->data.n || a->data.n % 2)
		return SW_LENGTH;
	c->df = from;
	for (size_t i = 0; i < a->data.n; i += 2) {
		w->len = 0;
		sw = select_id(e, c, a->data.p[i] << 8 | a->data.p[i + 1], w);
		if (sw != SW_OK) {
			*c = before;
			return sw;
		}
	}
	return sw;
}

static uint16_t select_from_mf(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	return select_path(e, a, VE_MF, w);
}

static uint16_t select_from_here(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	return select_path(e, a, channel_of(e, a)->df, w);
}

static uint16_t run_select(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	static const iso_fn by_p1[] = {
		[0x00] = select_file, [0x03] = select_parent, [0x04] = select_app,
		[0x08] = select_from_mf, [0x09] = select_from_here,
	};
	uint16_t sw;

	if (a->p1 >= ARRAY_SIZE(by_p1) || !by_p1[a->p1])
		return SW_P1P2;
	/* FCI, FCP or nothing; only the first or only occurrence. */
	if (a->p2 & 0x03)
		return a->p1 == 0x04 ? SW_NOT_FOUND : SW_P1P2;
	if (a->p2 & 0xf0 || (a->p2 & 0x0c) == 0x08)
		return SW_P1P2;
	sw = by_p1[a->p1](e, a, w);
	if ((a->p2 & 0x0c) == 0x0c)
		w->len = 0;
	return sw;
}

/* --- MANAGE CHANNEL, TS 102 221 11.1.17 ------------------------------------------------------- */

static uint16_t open_channel(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	unsigned limit = channel_count(e);
	uint8_t n = a->p2;

	if (!n)
		for (n = 1; n < limit && e->channels[n].open; n++)
			;
	if (n >= limit || e->channels[n].open)
		return SW_NO_FUNCTION;
	/* Le wrong: the command is repeated, so nothing may have been opened. */
	if (!a->p2 && a->has_le && a->le != 1 && !e->who->data_at_once)
		return SW_EXACT | 1;
	channel_open(&e->channels[n]);
	if (a->channel)
		e->channels[n].df = channel_of(e, a)->df;
	if (!a->p2)
		tlv_put_raw(w, &n, 1);
	return SW_OK;
}

static uint16_t close_channel(struct ve *e, const struct apdu *a)
{
	unsigned n = a->p2 ? a->p2 : a->channel;

	if (!n || n >= channel_count(e))
		return SW_P1P2;
	if (!e->channels[n].open)
		return SW_NO_CHANGE;
	e->channels[n].open = false;
	return SW_OK;
}

static uint16_t run_manage_channel(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	if (a->data.n)
		return SW_LENGTH;
	if (a->p1 == 0x00)
		return open_channel(e, a, w);
	if (a->p1 == 0x80)
		return close_channel(e, a);
	return SW_P1P2;
}

/* --- files ------------------------------------------------------------------------------------ */

static uint16_t may_read(struct ve *e, const struct ve_file *f)
{
	const struct ve_profile *p = ve_profile_enabled(&e->state);

	return ve_file_needs_pin(f) && p && p->pin_enabled && !e->pin_verified ? SW_SECURITY
									       : SW_OK;
}

static uint16_t run_read_binary(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_channel *c = channel_of(e, a);
	uint8_t content[VE_FILE_MAX];
	size_t offset = a->p1 << 8 | a->p2;
	size_t n;
	uint16_t sw;

	if (a->p1 & 0x80) {
		const struct ve_file *f = ve_file_by_sfi(e, c->df, a->p1 & 0x1f);

		if (!f)
			return SW_NOT_FOUND;
		c->ef = f;
		offset = a->p2;
	}
	if (!c->ef)
		return SW_NO_EF;
	if (ve_file_record(c->ef))
		return 0x6981;  /* incompatible with the structure of the file */
	sw = may_read(e, c->ef);
	if (sw != SW_OK)
		return sw;
	n = ve_file_read(e, c->ef, content);
	if (offset >= n)
		return SW_OFFSET;
	tlv_put_raw(w, content + offset, n - offset);
	return SW_OK;
}

/* P2 mode: 4 the record of that number, 2 the next one, 3 the one before. */
static unsigned record_wanted(const struct ve_channel *c, const struct apdu *a)
{
	switch (a->p2 & 0x07) {
	case 2:
		return c->record + 1;
	case 3:
		return c->record - 1;
	case 4:
		return a->p1 ? a->p1 : c->record;
	}
	return 0;
}

static uint16_t run_read_record(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_channel *c = channel_of(e, a);
	uint8_t content[VE_FILE_MAX];
	unsigned mode = a->p2 & 0x07, record;
	size_t n, length;
	uint16_t sw;

	if (mode < 2 || mode > 4)
		return SW_P1P2;
	if (a->p2 >> 3) {
		c->ef = ve_file_by_sfi(e, c->df, a->p2 >> 3);
		c->record = 0;
		if (!c->ef)
			return SW_NOT_FOUND;
	}
	if (!c->ef)
		return SW_NO_EF;
	length = ve_file_record(c->ef);
	if (!length)
		return 0x6981;
	sw = may_read(e, c->ef);
	if (sw != SW_OK)
		return sw;
	n = ve_file_read(e, c->ef, content);
	record = record_wanted(c, a);
	if (!record || record > n / length)
		return SW_NO_RECORD;
	c->record = record;
	tlv_put_raw(w, content + (record - 1) * length, length);
	return SW_OK;
}

/* TS 102 221 11.1.2: P2 00 the FCP of the current directory, 01 the application's name. */
static uint16_t run_status(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_channel *c = channel_of(e, a);
	struct octets aid = ve_usim_aid(e);

	if (a->p1 > 2)
		return SW_P1P2;
	switch (a->p2) {
	case 0x00:
		ve_directory_fcp(e, c->df, w);
		return SW_OK;
	case 0x01:
		if (c->app == VE_APP_USIM)
			tlv_put_octets(w, 0x84, aid);
		return SW_OK;
	case 0x0c:
		return SW_OK;
	}
	return SW_P1P2;
}

/* TS 102 221 11.1.9; PIN1 only. */
static uint16_t run_verify(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_profile *p = ve_profile_enabled(&e->state);

	(void)w;
	if (a->p1)
		return SW_P1P2;
	if (a->p2 != 0x01 || !p || !p->field[VE_PIN].n)
		return SW_REFERENCE;
	if (!p->pin_enabled)
		return SW_INVALIDATED;
	if (!a->data.n)
		return p->pin_tries ? SW_TRIES | p->pin_tries : SW_BLOCKED;
	if (a->data.n != 8)
		return SW_LENGTH;
	if (!p->pin_tries)
		return SW_BLOCKED;
	e->state.dirty = true;
	if (!octets_same(a->data, blob_octets(&p->field[VE_PIN]))) {
		p->pin_tries--;
		return p->pin_tries ? SW_TRIES | p->pin_tries : SW_BLOCKED;
	}
	p->pin_tries = 3;
	e->pin_verified = true;
	return SW_OK;
}

/* --- terminal and toolkit --------------------------------------------------------------------- */

/* TS 102 221 11.1.19: which of 80 to 84 the terminal has named since the reset. */
static uint16_t run_capability(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, a->data);
	struct tlv body = tlv_enter(&top, 0xa9);
	uint32_t tag;

	(void)w;
	while (tlv_more(&body)) {
		struct octets whole = tlv_take_whole(&body, &tag);

		if (tag >= 0x80 && tag < 0x88 && whole.n)
			e->capabilities |= 1u << (tag - 0x80);
	}
	tlv_end(&top);
	return doc.fault ? SW_DATA : SW_OK;
}

static uint16_t run_profile(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	(void)w;
	return channel_of(e, a)->app == VE_APP_ISDR ? SW_SECURITY : SW_OK;
}

static uint16_t run_envelope(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	(void)e;
	(void)w;
	return a->data.n ? SW_OK : SW_LENGTH;
}

static uint16_t run_fetch(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	if (e->proactive != VE_PROACTIVE_WAITS)
		return SW_CONDITIONS;
	/* A part of it would be of no use: the length is exact. */
	if (!a->has_le || (a->le != sizeof(refresh) && !(e->who->data_at_once && a->le == 256)))
		return SW_EXACT | sizeof(refresh);
	tlv_put_raw(w, refresh, sizeof(refresh));
	e->proactive = VE_PROACTIVE_FETCHED;
	return SW_OK;
}

/* The reset that was asked for still has to come: until then the change of profile waits. */
static uint16_t run_terminal_response(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	(void)w;
	if (!a->data.n)
		return SW_LENGTH;
	if (e->proactive != VE_PROACTIVE_FETCHED)
		return SW_CONDITIONS;
	e->proactive = VE_PROACTIVE_NONE;
	return SW_OK;
}

size_t ve_proactive_length(void)
{
	return sizeof(refresh);
}

/* GET DATA 5A of the ECASD: the EID without anything around it. */
static uint16_t run_get_data(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	if (channel_of(e, a)->app != VE_APP_ECASD || !e->who->ecasd_gives_eid ||
	    a->p1 || a->p2 != 0x5a)
		return SW_REFERENCE;
	tlv_put_raw(w, e->state.eid.p, e->state.eid.n);
	return SW_OK;
}

/* --- STORE DATA, GlobalPlatform 11.11 as SGP.22 5.7.2 uses it --------------------------------- */

static uint16_t may_store(struct ve *e, const struct apdu *a)
{
	static const uint16_t by_app[_VE_APP_MAX] = {
		[VE_APP_NONE] = SW_INS, [VE_APP_ISDR] = SW_OK,
		[VE_APP_ECASD] = SW_SECURITY, [VE_APP_USIM] = SW_INS,
	};
	uint16_t sw = by_app[channel_of(e, a)->app];
	uint8_t wanted = e->who->capability_tag;

	if (sw != SW_OK)
		return sw;
	if (e->locked || (wanted && !(e->capabilities & 1u << (wanted - 0x80))))
		return SW_CONDITIONS;
	return SW_OK;
}

/* Blocks of one command come in order, on one channel, from 0; block 0 always begins anew. */
static uint16_t collect(struct ve *e, const struct apdu *a)
{
	struct ve_command *c = &e->command;

	if (a->p2 == 0) {
		c->n = 0;
		c->next = 0;
		c->channel = a->channel;
		c->open = true;
	}
	if (!c->open || a->p2 != c->next || a->channel != c->channel) {
		c->open = false;
		return SW_P1P2;
	}
	if (a->data.n > sizeof(c->data) - c->n) {
		c->open = false;
		return SW_NO_ROOM;
	}
	memcpy(c->data + c->n, a->data.p, a->data.n);
	c->n += a->data.n;
	c->next++;
	return SW_OK;
}

static uint16_t run_store_data(struct ve *e, const struct apdu *a, struct tlv_out *w)
{
	struct ve_command *c = &e->command;
	uint16_t sw = may_store(e, a);

	if (sw != SW_OK) {
		c->open = false;
		return sw;
	}
	if (a->p1 != 0x11 && a->p1 != 0x91)
		return SW_P1P2;
	if (!a->data.n)
		return SW_LENGTH;
	sw = collect(e, a);
	if (sw != SW_OK || a->p1 == 0x11)
		return sw;
	c->open = false;
	return ve_es10_execute(e, octets_from(c->data, c->n), w);
}

static const struct iso_command commands[] = {
	{ 0x10, false, true, false, run_profile },
	{ 0x12, false, true, true, run_fetch },
	{ 0x14, false, true, false, run_terminal_response },
	{ 0x20, true, false, false, run_verify },
	{ 0x70, true, false, true, run_manage_channel },
	{ 0xa4, true, false, false, run_select },
	{ 0xaa, false, true, false, run_capability },
	{ 0xb0, true, false, true, run_read_binary },
	{ 0xb2, true, false, true, run_read_record },
	{ 0xc2, false, true, false, run_envelope },
	{ 0xca, true, true, true, run_get_data },
	{ 0xe2, false, true, false, run_store_data },
	{ 0xf2, false, true, true, run_status },
};

uint16_t ve_iso_find(const struct apdu *a, const struct iso_command **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct iso_command *c = &commands[i];

		if (c->ins != a->ins)
			continue;
		if (!(a->proprietary ? c->proprietary : c->iso))
			return SW_CLA;
		*ret = c;
		return SW_OK;
	}
	return SW_INS;
}
