#include "sim/euicc/es10.h"

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/bpp.h"
#include "sim/euicc/eim.h"
#include "sim/euicc/info.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/note.h"
#include "sim/euicc/package.h"
#include "sim/euicc/profile.h"
#include "sim/euicc/rsp.h"

/* Each part of the card brings its rows; the first that fits tag and edition counts. */
static const struct es10_row *const tables[] = {
	ve_info_rows,
	ve_note_rows,
	ve_profile_rows,
	ve_local_rows,
	ve_eim_rows,
	ve_rsp_rows,
	ve_bpp_rows,
	ve_package_rows,
};

static bool in_edition(const struct ve *e, const struct es10_row *r)
{
	if (e->who->es10c && r->first == VE_SGP22)
		return true;
	return e->state.version >= r->first && e->state.version <= r->last;
}

static const struct es10_row *find_row(const struct ve *e, uint32_t tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct es10_row *r = tables[i]; r->tag; r++)
			if (r->tag == tag && in_edition(e, r))
				return r;
	return NULL;
}

uint16_t ve_es10_execute(struct ve *e, struct octets command, struct tlv_out *w)
{
	const struct es10_row *r;
	const struct ve_fault *f;
	uint32_t tag;
	size_t head, n;
	uint16_t sw;

	if (tlv_head(command.p, command.n, &tag, &head, &n))
		return SW_DATA;
	r = find_row(e, tag);
	if (!r) {
		log_debug("euicc", "no function %04X", (unsigned)tag);
		return SW_REFERENCE;
	}
	log_debug("euicc", "%s", r->name);
	if (!r->piece && command.n != head + n)
		return SW_DATA;
	ve_switch_drop(e);
	if (r->crypto)
		e->more_ms += e->times.crypto_ms;
	f = ve_fault_at(&e->faults, tag);
	if (!f)
		return r->fn(e, command, w);
	ve_fault_strike(e, f);
	if (f->kind == VE_FAULT_SW && !f->after)
		return f->value;
	sw = r->fn(e, command, w);
	return ve_fault_answer(f, sw, w);
}

struct tlv ve_es10_open(struct tlv_doc *doc, struct octets in)
{
	struct tlv top = tlv_open(doc, in);

	return tlv_enter(&top, tlv_peek(&top));
}

void ve_es10_code(struct tlv_out *w, uint32_t tag, uint8_t code)
{
	struct tlv_mark m = tlv_begin(w, tag);

	tlv_put_u32(w, 0x80, code);
	tlv_close(w, m);
}
