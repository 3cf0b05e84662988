/*
 * ETSI TS 102 221 and 3GPP TS 31.102 in little: a file system as a table, the PIN with its
 * counters, four logical channels. What a card keeps through a reset (PIN counters, files) lives
 * in the card; what a reset clears (channels, verified PIN) is per session.
 */
#include "sim/module/plain_sim.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "core/text.h"
#include "core/util.h"

#define CHANNELS 4
#define FILE_MAX 64
#define PIN_LEN 8
#define PIN_TRIES 3
#define PUK_TRIES 10

#define FID_MF 0x3F00
#define FID_USIM 0x7FFF

static const uint8_t usim_aid[16] = {
	0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0xFF,
	0x86, 0xFF, 0xFF, 0x89, 0xFF, 0xFF, 0xFF, 0xFF,
};
static const uint8_t atr[] = {
	0x3B, 0x9F, 0x96, 0x80, 0x1F, 0xC7, 0x80, 0x31, 0xE0, 0x73, 0xFE,
	0x21, 0x1B, 0x63, 0x41, 0x45, 0x4D, 0x33, 0x00, 0x01, 0x02, 0xD3,
};

struct file {
	unsigned parent, id;
	unsigned record;                /* its length; 0: transparent */
	bool secret;                    /* readable with the PIN only */
	size_t n;
	uint8_t data[FILE_MAX];
};

/* Contents that do not depend on the options; those that do are filled in at opening. */
static const struct file file_rows[] = {
	{ FID_MF, 0x2FE2, 0, false, 10, { 0 } }, /* ICCID */
	{ FID_MF, 0x2F00, 38, false, 38, { 0x61, 0x12, 0x4F, 0x10 } }, /* DIR */
	{ FID_MF, 0x2F05, 0, false, 4, { 'e', 'n', 'd', 'e' } }, /* PL */
	{ FID_USIM, 0x6F07, 0, true, 9, { 0 } }, /* IMSI */
	{ FID_USIM, 0x6FAD, 0, false, 4, { 0, 0, 0, 2 } }, /* AD */
	{ FID_USIM, 0x6F38, 0, false, 12, { 0x0A, 0x2E, 0x17, 0x0E, 0xEE } }, /* UST */
	{ FID_USIM, 0x6F78, 0, false, 2, { 0, 1 } }, /* ACC */
	{ FID_USIM,
	  0x6F46,
	  0,
	  false,
	  17,
	  { 1, 'c', 'e', 'l', 'l', 'm', 'u', 'x', 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
	    0xFF } }, /* SPN */
	{ FID_USIM,
	  0x6F7E,
	  0,
	  true,
	  11,
	  { 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFE, 0, 1 } }, /* LOCI */
	{ FID_USIM,
	  0x6F73,
	  0,
	  true,
	  14,
	  { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFE, 0xFF, 1 } }, /* PSLOCI */
	{ FID_USIM,
	  0x6FE3,
	  0,
	  true,
	  18,
	  { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xFF,
	    0xFE, 1 } }, /* EPSLOCI */
	{ FID_USIM,
	  0x6F7B,
	  0,
	  true,
	  12,
	  { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF } }, /* FPLMN */
};

struct channel {
	bool open;
	unsigned dir;                   /* FID_MF or FID_USIM */
	struct file *file;
	uint8_t response[256];          /* for GET RESPONSE */
	size_t response_n;
};

struct plain_sim {
	struct card card;
	struct file files[ARRAY_SIZE(file_rows)];
	struct channel channels[CHANNELS];
	bool powered, verified, pin_enabled;
	uint8_t pin[PIN_LEN], puk[PIN_LEN];
	unsigned pin_left, puk_left;
	unsigned answer_ms;
	uint8_t answer[CARD_ANSWER_MAX];
	size_t answer_n;
	struct ev_task starting;
	struct ev_alarm answering;
};

static struct plain_sim *sim_of(struct card *c)
{
	return container_of(c, struct plain_sim, card);
}

/* --- files ---------------------------------------------------------------------------------------- */

static struct file *find_file(struct plain_sim *s, unsigned dir, unsigned id)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->files); i++)
		if (s->files[i].parent == dir && s->files[i].id == id)
			return &s->files[i];
	return NULL;
}

static size_t put(uint8_t *dst, size_t at, uint8_t tag, const void *value, size_t n)
{
	dst[at++] = tag;
	dst[at++] = (uint8_t)n;
	memcpy(dst + at, value, n);
	return at + n;
}

/* File control parameters, TS 102 221 11.1.1.3. */
static void make_fcp(const struct plain_sim *s, struct channel *ch)
{
	const struct file *f = ch->file;
	unsigned id = f ? f->id : ch->dir;
	uint8_t *d = ch->response;
	size_t n = 2;

	if (!f)
		n = put(d, n, 0x82, (uint8_t[]){ 0x78, 0x21 }, 2);
	else if (f->record)
		n = put(d, n, 0x82, (uint8_t[]){ 0x42, 0x21, 0, (uint8_t)f->record,
						 (uint8_t)(f->n / f->record) }, 5);
	else
		n = put(d, n, 0x82, (uint8_t[]){ 0x41, 0x21 }, 2);
	if (!f && ch->dir == FID_USIM)
		n = put(d, n, 0x84, usim_aid, sizeof(usim_aid));
	else
		n = put(d, n, 0x83, (uint8_t[]){ (uint8_t)(id >> 8), (uint8_t)id }, 2);
	n = put(d, n, 0x8A, (uint8_t[]){ 0x05 }, 1);
	n = put(d, n, 0x8B, (uint8_t[]){ 0x2F, 0x06, 0x02 }, 3);
	if (f)
		n = put(d, n, 0x80, (uint8_t[]){ (uint8_t)(f->n >> 8), (uint8_t)f->n }, 2);
	else
		n = put(d, n, 0xC6,
			(uint8_t[]){ 0x90, 0x01, (uint8_t)(s->pin_enabled ? 0x80 : 0), 0x83, 0x01,
				     0x01 },
			6);
	d[0] = 0x62;
	d[1] = (uint8_t)(n - 2);
	ch->response_n = n;
}

static bool select_id(struct plain_sim *s, struct channel *ch, unsigned id)
{
	struct file *f;

	if (id == FID_MF || id == FID_USIM) {
		ch->dir = id;
		ch->file = NULL;
		return true;
	}
	f = find_file(s, ch->dir, id);
	if (!f)
		f = find_file(s, FID_MF, id);
	if (!f)
		return false;
	ch->file = f;
	return true;
}

static unsigned do_select(struct plain_sim *s, struct channel *ch, const uint8_t *a, size_t n)
{
	struct channel before = *ch;
	bool found = true;
	size_t lc = n > 5 ? a[4] : 0;

	if (lc == 0 || lc > n - 5)
		return 0x6700;
	switch (a[2]) {
	case 0x04:
		found = lc >= 5 && lc <= sizeof(usim_aid) && !memcmp(a + 5, usim_aid, lc);
		if (found)
			select_id(s, ch, FID_USIM);
		break;
	case 0x08:
	case 0x09:
		ch->dir = a[2] == 0x08 ? FID_MF : ch->dir;
		/* fall through */
	case 0x00:
		if (lc % 2)
			return 0x6700;
		for (size_t i = 0; found && i < lc; i += 2)
			found = select_id(s, ch, (unsigned)a[5 + i] << 8 | a[6 + i]);
		break;
	default:
		return 0x6A86;
	}
	if (!found) {
		*ch = before;
		return 0x6A82;
	}
	if ((a[3] & 0x0C) == 0x0C)
		return 0x9000;
	make_fcp(s, ch);
	return 0x6100 | (unsigned)ch->response_n;
}

static bool may_read(const struct plain_sim *s, const struct file *f)
{
	return !f->secret || !s->pin_enabled || s->verified;
}

/* The octets that P1, P2 and the kind of command mean; NULL with *sw. */
static uint8_t *place_in_file(struct plain_sim *s, struct channel *ch, const uint8_t *a,
			      bool record, size_t *ret_n, unsigned *sw)
{
	struct file *f = ch->file;
	size_t at, n;

	if (!record && a[2] & 0x80)     /* a short identifier: of EF.ICCID only */
		f = (a[2] & 0x1f) == 2 ? find_file(s, FID_MF, 0x2FE2) : NULL;
	*sw = !f ? 0x6986 : (f->record != 0) != record ? 0x6981 : !may_read(s, f) ? 0x6982 : 0;
	if (*sw)
		return NULL;
	at = record	   ? (size_t)(a[2] - 1) * f->record
	     : a[2] & 0x80 ? a[3]
			   : (size_t)a[2] << 8 | a[3];
	n = record ? f->record : f->n;
	if ((record && (a[2] == 0 || at >= f->n)) || (!record && at >= f->n)) {
		*sw = record ? 0x6A83 : 0x6B00;
		return NULL;
	}
	*ret_n = record ? n : n - at;
	return f->data + at;
}

static unsigned do_read(struct plain_sim *s, struct channel *ch, const uint8_t *a, size_t n,
			bool record)
{
	size_t room, le = n > 4 ? a[4] : 0;
	unsigned sw;
	uint8_t *p = place_in_file(s, ch, a, record, &room, &sw);

	if (!p)
		return sw;
	if (le == 0)
		le = room;
	if (le > room)
		return 0x6C00 | (unsigned)room;
	memcpy(s->answer, p, le);
	s->answer_n = le;
	return 0x9000;
}

static unsigned do_update(struct plain_sim *s, struct channel *ch, const uint8_t *a, size_t n,
			  bool record)
{
	size_t room, lc = n > 5 ? a[4] : 0;
	unsigned sw;
	uint8_t *p = place_in_file(s, ch, a, record, &room, &sw);

	if (!p)
		return sw;
	if (lc == 0 || lc > n - 5 || lc > room || (record && lc != room))
		return 0x6700;
	memcpy(p, a + 5, lc);
	return 0x9000;
}

/* --- PIN ------------------------------------------------------------------------------------------ */

static unsigned pin_state(const struct plain_sim *s)
{
	return s->pin_left ? 0x63C0 | s->pin_left : 0x6983;
}

/* True if the PIN is right; counts. */
static bool pin_fits(struct plain_sim *s, const uint8_t *pin)
{
	if (!s->pin_left)
		return false;
	if (memcmp(pin, s->pin, PIN_LEN) != 0) {
		s->pin_left--;
		return false;
	}
	s->pin_left = PIN_TRIES;
	return true;
}

static unsigned do_verify(struct plain_sim *s, const uint8_t *a, size_t n)
{
	if (a[3] != 1)
		return 0x6A88;
	if (n <= 5 || a[4] == 0)
		return !s->pin_enabled || s->verified ? 0x9000 : pin_state(s);
	if (a[4] != PIN_LEN || n < 5 + PIN_LEN)
		return 0x6700;
	if (!s->pin_enabled)
		return 0x6984;
	s->verified = pin_fits(s, a + 5);
	return s->verified ? 0x9000 : pin_state(s);
}

/* CHANGE 24, DISABLE 26, ENABLE 28. */
static unsigned do_manage_pin(struct plain_sim *s, const uint8_t *a, size_t n)
{
	size_t wanted = a[1] == 0x24 ? 2 * PIN_LEN : PIN_LEN;

	if (n < 5 + wanted || a[4] != wanted)
		return 0x6700;
	if (a[1] != 0x28 && !s->pin_enabled)
		return 0x6984;
	if (!pin_fits(s, a + 5))
		return pin_state(s);
	if (a[1] == 0x24)
		memcpy(s->pin, a + 5 + PIN_LEN, PIN_LEN);
	else
		s->pin_enabled = a[1] == 0x28;
	s->verified = true;
	return 0x9000;
}

static unsigned do_unblock(struct plain_sim *s, const uint8_t *a, size_t n)
{
	if (n <= 5 || a[4] == 0)
		return s->puk_left ? 0x63C0 | s->puk_left : 0x6983;
	if (a[4] != 2 * PIN_LEN || n < 5 + 2 * PIN_LEN)
		return 0x6700;
	if (!s->puk_left)
		return 0x6983;
	if (memcmp(a + 5, s->puk, PIN_LEN) != 0) {
		s->puk_left--;
		return s->puk_left ? 0x63C0 | s->puk_left : 0x6983;
	}
	memcpy(s->pin, a + 5 + PIN_LEN, PIN_LEN);
	s->pin_left = PIN_TRIES;
	s->puk_left = PUK_TRIES;
	s->verified = true;
	return 0x9000;
}

/* --- channels ------------------------------------------------------------------------------------- */

static unsigned do_manage_channel(struct plain_sim *s, const uint8_t *a)
{
	if (a[2] == 0x80) {
		if (a[3] == 0 || a[3] >= CHANNELS || !s->channels[a[3]].open)
			return 0x6200;
		memset(&s->channels[a[3]], 0, sizeof(s->channels[0]));
		return 0x9000;
	}
	for (unsigned i = 1; i < CHANNELS; i++) {
		if (s->channels[i].open || (a[3] && a[3] != i))
			continue;
		s->channels[i] = (struct channel){ .open = true, .dir = FID_MF };
		if (a[3] == 0) {
			s->answer[0] = (uint8_t)i;
			s->answer_n = 1;
		}
		return 0x9000;
	}
	return 0x6A81;
}

static unsigned do_get_response(struct plain_sim *s, struct channel *ch, const uint8_t *a, size_t n)
{
	size_t le = n > 4 && a[4] ? a[4] : 256;

	if (!ch->response_n)
		return 0x6985;
	if (n > 4 && a[4] && le > ch->response_n)
		return 0x6C00 | (unsigned)ch->response_n;
	le = MIN(le, ch->response_n);
	memcpy(s->answer, ch->response, le);
	s->answer_n = le;
	ch->response_n = 0;
	return 0x9000;
}

static unsigned do_status(struct plain_sim *s, struct channel *ch, const uint8_t *a, size_t n)
{
	struct channel dir = { .open = true, .dir = ch->dir };

	if (a[3] == 0x0C)
		return 0x9000;
	make_fcp(s, &dir);
	if (n > 4 && a[4] && a[4] != dir.response_n)
		return 0x6C00 | (unsigned)dir.response_n;
	memcpy(s->answer, dir.response, dir.response_n);
	s->answer_n = dir.response_n;
	return 0x9000;
}

/* --- commands ------------------------------------------------------------------------------------- */

static unsigned execute(struct plain_sim *s, const uint8_t *a, size_t n)
{
	unsigned number = a[0] & 0x40 ? 4u + (a[0] & 15) : a[0] & 3;
	struct channel *ch;

	if (number >= CHANNELS || !s->channels[number].open)
		return 0x6881;
	ch = &s->channels[number];
	if (a[1] != 0xC0)
		ch->response_n = 0;
	switch (a[1]) {
	case 0xA4:
		return do_select(s, ch, a, n);
	case 0xB0:
	case 0xB2:
		return do_read(s, ch, a, n, a[1] == 0xB2);
	case 0xD6:
	case 0xDC:
		return do_update(s, ch, a, n, a[1] == 0xDC);
	case 0xC0:
		return do_get_response(s, ch, a, n);
	case 0xF2:
		return do_status(s, ch, a, n);
	case 0x20:
		return do_verify(s, a, n);
	case 0x24:
	case 0x26:
	case 0x28:
		return do_manage_pin(s, a, n);
	case 0x2C:
		return do_unblock(s, a, n);
	case 0x70:
		return do_manage_channel(s, a);
	case 0xAA:
	case 0x10:
		return a[0] & 0x80 ? 0x9000 : 0x6E00;
	default:
		return 0x6D00;
	}
}

/* --- contacts ------------------------------------------------------------------------------------- */

static void on_starting(struct ev_task *t)
{
	struct plain_sim *s = container_of(t, struct plain_sim, starting);

	s->card.user->started(s->card.user, atr, sizeof(atr));
}

static void on_answering(struct ev_alarm *a)
{
	struct plain_sim *s = container_of(a, struct plain_sim, answering);

	s->card.user->answered(s->card.user, s->answer, s->answer_n);
}

static void sim_power_off(struct card *c)
{
	struct plain_sim *s = sim_of(c);

	s->powered = false;
	ev_task_stop(&s->starting);
	ev_alarm_stop(&s->answering);
}

static void sim_reset(struct card *c)
{
	struct plain_sim *s = sim_of(c);

	sim_power_off(c);
	memset(s->channels, 0, sizeof(s->channels));
	s->channels[0] = (struct channel){ .open = true, .dir = FID_MF };
	s->verified = false;
	s->powered = true;
	ev_task_start(&s->starting);
}

static void sim_transmit(struct card *c, const uint8_t *apdu, size_t n)
{
	struct plain_sim *s = sim_of(c);
	unsigned sw;

	if (!s->powered)
		return;
	s->answer_n = 0;
	sw = n < 4 ? 0x6700 : execute(s, apdu, n);
	s->answer[s->answer_n++] = (uint8_t)(sw >> 8);
	s->answer[s->answer_n++] = (uint8_t)sw;
	ev_alarm_start(&s->answering, s->answer_ms);
}

static void sim_free(struct card *c)
{
	sim_power_off(c);
	free(sim_of(c));
}

static const struct card_ops ops = {
	.reset = sim_reset, .power_off = sim_power_off, .transmit = sim_transmit, .free = sim_free,
};

/* --- opening -------------------------------------------------------------------------------------- */

/* Swapped nibbles, F behind the last digit; from the given nibble on. */
static void put_digits(uint8_t *dst, size_t n, size_t nibble, const char *number)
{
	for (; nibble < 2 * n; nibble++) {
		unsigned d = *number ? (unsigned)(*number++ - '0') : 15;
		uint8_t *p = dst + nibble / 2;

		*p = (uint8_t)(nibble & 1 ? (*p & 15) | d << 4 : (*p & 0xF0) | d);
	}
}

static bool is_number(const char *s, size_t low, size_t high)
{
	struct text t = text_of(s);

	return t.n >= low && t.n <= high && text_all_digits(t);
}

static void set_code(uint8_t dst[PIN_LEN], const char *code)
{
	memset(dst, 0xFF, PIN_LEN);
	memcpy(dst, code, MIN(strlen(code), (size_t)PIN_LEN));
}

static void fill_files(struct plain_sim *s, const struct plain_sim_options *o)
{
	struct file *imsi = find_file(s, FID_USIM, 0x6F07), *dir = find_file(s, FID_MF, 0x2F00);
	size_t digits = strlen(o->imsi);

	put_digits(find_file(s, FID_MF, 0x2FE2)->data, 10, 0, o->iccid);
	imsi->data[0] = (uint8_t)(digits / 2 + 1);
	imsi->data[1] = digits % 2 ? 9 : 1;     /* odd or even, 24.008 10.5.1.4 */
	put_digits(imsi->data + 1, 8, 1, o->imsi);
	find_file(s, FID_USIM, 0x6FAD)->data[3] = (uint8_t)o->mnc_digits;
	memset(dir->data + 4, 0xFF, dir->n - 4);
	memcpy(dir->data + 4, usim_aid, sizeof(usim_aid));
}

int plain_sim_open(const struct plain_sim_options *o, struct card **ret)
{
	struct plain_sim *s;

	if (!is_number(o->iccid, 18, 20) || !is_number(o->imsi, 6, 15) ||
	    (o->pin && !is_number(o->pin, 4, 8)) || (o->puk && !is_number(o->puk, 8, 8)))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	memcpy(s->files, file_rows, sizeof(file_rows));
	fill_files(s, o);
	s->card.ops = &ops;
	s->starting.run = on_starting;
	s->answering.fired = on_answering;
	s->answer_ms = o->answer_ms;
	s->pin_enabled = o->pin;
	set_code(s->pin, o->pin ? o->pin : "1234");
	set_code(s->puk, o->puk ? o->puk : "12345678");
	s->pin_left = PIN_TRIES;
	s->puk_left = PUK_TRIES;
	*ret = &s->card;
	return 0;
}
