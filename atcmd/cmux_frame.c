/*
 * The reader keeps everything from the opening flag on and asks after each octet what it has: more
 * to come, a whole frame, or none. Because nothing is forgotten before it has proved to be a frame,
 * giving one up is to drop its opening flag and ask again from the next flag in the store.
 */
#include "atcmd/cmux_frame.h"

#include <errno.h>

#include "core/util.h"

enum { FLAG = 0xf9, EA = 0x01, CR = 0x02, PF = 0x10 };

static const struct {
	uint8_t control;
	const char *name;
} types[_CMUX_TYPE_MAX] = {
	[CMUX_SABM] = { 0x2f, "SABM" }, [CMUX_UA] = { 0x63, "UA" }, [CMUX_DM] = { 0x0f, "DM" },
	[CMUX_DISC] = { 0x43, "DISC" }, [CMUX_UIH] = { 0xef, "UIH" }, [CMUX_UI] = { 0x03, "UI" },
};

const char *cmux_type_name(enum cmux_type type)
{
	return types[type].name;
}

/* --- FCS ---------------------------------------------------------------------------------------- */

/* x^8 + x^2 + x + 1, least significant bit first, from FF, complemented. */
uint8_t cmux_fcs(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint8_t fcs = 0xff;

	while (n--) {
		fcs ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			fcs = (uint8_t)(fcs & 1 ? (fcs >> 1) ^ 0xe0 : fcs >> 1);
	}
	return (uint8_t)~fcs;
}

/* --- writing -------------------------------------------------------------------------------------- */

int cmux_encode(const struct cmux_frame *f, uint8_t *dst, size_t cap, size_t *ret_n)
{
	size_t n = 0, covered;

	if (f->dlci > CMUX_DLCI_MAX)
		return -EINVAL;
	if (f->info.n > CMUX_INFO_MAX || cap < f->info.n + CMUX_FRAME_EXTRA)
		return -EMSGSIZE;
	dst[n++] = FLAG;
	dst[n++] = (uint8_t)(f->dlci << 2 | (f->cr ? CR : 0) | EA);
	dst[n++] = (uint8_t)(types[f->type].control | (f->pf ? PF : 0));
	if (f->info.n < 128) {
		dst[n++] = (uint8_t)(f->info.n << 1 | EA);
	} else {
		dst[n++] = (uint8_t)(f->info.n << 1 & 0xfe);
		dst[n++] = (uint8_t)(f->info.n >> 7);
	}
	covered = n - 1;
	if (f->info.n)
		memcpy(dst + n, f->info.s, f->info.n);
	if (f->type == CMUX_UI)
		covered += f->info.n;
	n += f->info.n;
	dst[n++] = cmux_fcs(dst + 1, covered);
	dst[n++] = FLAG;
	*ret_n = n;
	return 0;
}

/* --- reading -------------------------------------------------------------------------------------- */

enum look {
	LOOK_MORE,              /* it may become one */
	LOOK_WHOLE,
	LOOK_NOT_BEGUN,         /* not even the start of one */
	LOOK_TORN,
};

static bool type_of(uint8_t control, enum cmux_type *ret)
{
	for (int i = 0; i < _CMUX_TYPE_MAX; i++) {
		if (types[i].control == (control & ~PF)) {
			*ret = (enum cmux_type)i;
			return true;
		}
	}
	return false;
}

static bool has_info(enum cmux_type type)
{
	return type == CMUX_UIH || type == CMUX_UI;
}

/* What the store holds behind its opening flag. */
static enum look look(const struct cmux_reader *r, struct cmux_frame *ret, size_t *ret_total)
{
	const uint8_t *s = r->store;
	size_t max = r->info_max ? MIN(r->info_max, CMUX_INFO_MAX) : CMUX_INFO_MAX;
	size_t head = 4, len, covered;
	enum cmux_type type;

	if (r->n < 2)
		return LOOK_MORE;
	if (!(s[1] & EA) || s[1] >> 2 > CMUX_DLCI_MAX)
		return LOOK_NOT_BEGUN;
	if (r->n < 3)
		return LOOK_MORE;
	if (!type_of(s[2], &type))
		return LOOK_NOT_BEGUN;
	if (r->n < 4)
		return LOOK_MORE;
	len = s[3] >> 1;
	if (!(s[3] & EA)) {
		if (r->n < 5)
			return LOOK_MORE;
		len |= (size_t)s[4] << 7;
		head = 5;
	}
	if (len > (has_info(type) ? max : 0))
		return LOOK_TORN;
	covered = head - 1 + (type == CMUX_UI ? len : 0);
	if (r->n < head + len + 1)
		return LOOK_MORE;
	if (s[head + len] != cmux_fcs(s + 1, covered))
		return LOOK_TORN;
	if (r->n < head + len + 2)
		return LOOK_MORE;
	if (s[head + len + 1] != FLAG)
		return LOOK_TORN;
	*ret = (struct cmux_frame){ .dlci = s[1] >> 2, .type = type, .cr = s[1] & CR,
				    .pf = s[2] & PF, .info = text_from(s + head, len) };
	*ret_total = head + len + 2;
	return LOOK_WHOLE;
}

static void shift(struct cmux_reader *r, size_t by)
{
	r->n -= by;
	memmove(r->store, r->store + by, r->n);
}

/* Drops the opening flag and what follows it, up to the next one. */
static void give_up(struct cmux_reader *r, bool torn)
{
	const uint8_t *next = memchr(r->store + 1, FLAG, r->n - 1);
	size_t skip = next ? (size_t)(next - r->store) : r->n;

	r->torn += torn;
	if (!torn && skip > 1 && r->noise)
		r->noise(r, text_from(r->store + 1, skip - 1));
	if (!r->stop)
		shift(r, skip);
}

static void look_again(struct cmux_reader *r)
{
	while (!r->stop && r->n > 1) {
		struct cmux_frame frame;
		size_t total = 0;

		if (r->store[1] == FLAG) {
			shift(r, 1);
			continue;
		}
		switch (look(r, &frame, &total)) {
		case LOOK_MORE:
			return;
		case LOOK_WHOLE:
			r->frames++;
			r->frame(r, &frame);
			/* Its closing flag may open the next. */
			if (!r->stop)
				shift(r, total - 1);
			break;
		case LOOK_NOT_BEGUN:
			give_up(r, false);
			break;
		case LOOK_TORN:
			give_up(r, true);
			break;
		}
	}
}

void cmux_feed(struct cmux_reader *r, struct text octets)
{
	r->stop = false;
	while (octets.n && !r->stop) {
		if (r->n == 0) {
			size_t noise = text_find(octets, (char)FLAG);

			if (noise && r->noise)
				r->noise(r, text_from(octets.s, noise));
			octets = text_skip(octets, noise);
			if (r->stop || !octets.n)
				return;
		}
		r->store[r->n++] = (uint8_t)octets.s[0];
		octets = text_skip(octets, 1);
		look_again(r);
	}
}

bool cmux_reader_inside(const struct cmux_reader *r)
{
	return r->n > 1;
}

void cmux_reader_gap(struct cmux_reader *r)
{
	r->stop = false;
	while (!r->stop && r->n > 1) {
		/* Only a header that holds so far makes a frame that was torn. */
		give_up(r, r->n > 3);
		look_again(r);
	}
}

void cmux_reader_reset(struct cmux_reader *r)
{
	r->n = 0;
	r->stop = true;
}
