#include "sim/euicc/upp.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"

#define PE_HEADER 0xa0
#define PE_PIN    0xa2
#define PE_END    0xaa
#define PE_USIM   0xb3
#define PE_IOT    0xbf20

#define FILE_MAX  1024
#define IMSI_LEN  9
#define PIN1      1

void ve_upp_clear(struct ve_upp *u)
{
	blob_clear(&u->pe);
	memset(u, 0, sizeof(*u));
}

static enum ve_upp_end refuse(struct ve_upp *u, enum ve_pe_status status)
{
	u->status = status;
	return VE_UPP_BAD_ELEMENT;
}

/* --- files ------------------------------------------------------------------------------------ */

/* C1 of the proprietary information of an FCP: what the file is filled with. */
static struct octets fill_pattern(struct tlv fcp)
{
	struct octets pattern = { 0 };

	while (tlv_more(&fcp)) {
		struct tlv inner;

		if (tlv_peek(&fcp) != 0xa5) {
			tlv_skip(&fcp);
			continue;
		}
		inner = tlv_enter(&fcp, 0xa5);
		while (tlv_more(&inner)) {
			uint32_t tag = tlv_peek(&inner);
			struct octets v = tlv_take(&inner, tag);

			if (tag == 0xc1)
				pattern = v;
		}
	}
	return pattern;
}

struct content {
	uint8_t data[FILE_MAX];
	size_t n;
};

/* File of the interoperable format; the offset counts from behind what was written last. */
static bool read_file(struct tlv w, struct content *c)
{
	c->n = 0;
	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w), skip;
		struct octets v;

		if (tag == 0xa1) {
			v = fill_pattern(tlv_enter(&w, tag));
			c->n = 0;
		} else {
			v = tlv_take(&w, tag);
		}
		if (tag == 0x82) {
			if (octets_to_u32(v, &skip) || skip > FILE_MAX - c->n)
				return false;
			memset(c->data + c->n, 0xff, skip);
			c->n += skip;
		} else if ((tag == 0xa1 || tag == 0x83) && v.n) {
			if (v.n > FILE_MAX - c->n)
				return false;
			memcpy(c->data + c->n, v.p, v.n);
			c->n += v.n;
		}
	}
	return !w.doc->fault;
}

/* The fill pattern counts until content comes: only EF.SPN is made so. */
static bool keep_file(struct tlv w, struct blob *dst)
{
	struct content c;

	if (!read_file(w, &c))
		return false;
	if (c.n)
		blob_set(dst, c.data, c.n);
	return true;
}

/* 84 of the ADF's FCP: its AID. */
static void keep_aid(struct tlv file, struct blob *dst)
{
	while (tlv_more(&file)) {
		struct tlv fcp;

		if (tlv_peek(&file) != 0xa1) {
			tlv_skip(&file);
			continue;
		}
		fcp = tlv_enter(&file, 0xa1);
		while (tlv_more(&fcp)) {
			uint32_t tag = tlv_peek(&fcp);
			struct octets v = tlv_take(&fcp, tag);

			if (tag == 0x84)
				blob_copy(dst, v);
		}
	}
}

/* --- elements --------------------------------------------------------------------------------- */

static bool same_swapped(struct octets header, const struct blob *iccid)
{
	if (header.n != iccid->n)
		return false;
	for (size_t i = 0; i < header.n; i++)
		if ((uint8_t)(header.p[i] << 4 | header.p[i] >> 4) != iccid->p[i])
			return false;
	return true;
}

/* ProfileHeader. The digits of its ICCID are not swapped; IoT options name the USIM by its PIX. */
static enum ve_upp_end read_header(struct ve_upp *u, struct ve_profile *p, struct tlv w)
{
	static const uint8_t rid[] = { 0xa0, 0x00, 0x00, 0x00, 0x87 };
	struct octets iccid = { 0 }, pix = { 0 };
	uint32_t major = 0;

	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);

		if (tag == 0x80) {
			major = tlv_take_u32(&w, tag);
		} else if (tag == 0x83) {
			iccid = tlv_take(&w, tag);
		} else if (tag == 0xa9) {
			struct tlv options = tlv_enter(&w, tag);

			pix = tlv_maybe(&options, 0x80);
		} else {
			tlv_skip(&w);
		}
	}
	if (w.doc->fault || !iccid.n)
		return refuse(u, VE_PE_FORMAT);
	if (major < 1 || major > 3)
		return refuse(u, VE_PE_VERSION);
	if (!same_swapped(iccid, &p->field[VE_ICCID]))
		return VE_UPP_OTHER_ICCID;
	if (pix.n && pix.n <= 11) {
		blob_set(&p->field[VE_USIM_AID], rid, sizeof(rid));
		blob_append(&p->field[VE_USIM_AID], pix.p, pix.n);
	}
	return VE_UPP_OK;
}

/* EF.IMSI: its length, then the digits in eight octets. */
static bool imsi_good(const struct blob *imsi)
{
	return imsi->n == IMSI_LEN && imsi->p[0] <= IMSI_LEN - 1 && imsi->p[0] > 2;
}

/* PE-USIM and PE-IoT have the same files in other places. */
static enum ve_upp_end read_usim(struct ve_upp *u, struct ve_profile *p, uint32_t pe, struct tlv w)
{
	/* The template's AID, for packages that leave it out. */
	static const uint8_t usual_aid[] = { 0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0xff,
					     0xff, 0xff, 0xff, 0x89 };
	const bool iot = pe == PE_IOT;
	const uint32_t adf = iot ? 0xa8 : 0xa2, imsi = iot ? 0xa9 : 0xa3, spn = iot ? 0 : 0xad;
	bool ok = true;

	while (tlv_more(&w) && ok) {
		uint32_t tag = tlv_peek(&w);

		if (tag == adf)
			keep_aid(tlv_enter(&w, tag), &p->field[VE_USIM_AID]);
		else if (tag == imsi)
			ok = keep_file(tlv_enter(&w, tag), &p->field[VE_IMSI]);
		else if (tag == 0xb5)
			ok = keep_file(tlv_enter(&w, tag), &p->field[VE_AD]);
		else if (spn && tag == spn)
			ok = keep_file(tlv_enter(&w, tag), &p->field[VE_SPN]);
		else
			tlv_skip(&w);
	}
	if (!p->field[VE_USIM_AID].n)
		blob_set(&p->field[VE_USIM_AID], usual_aid, sizeof(usual_aid));
	if (w.doc->fault)
		return refuse(u, VE_PE_FORMAT);
	if (!ok || (p->field[VE_IMSI].n && !imsi_good(&p->field[VE_IMSI])))
		return refuse(u, VE_PE_BAD_VALUES);
	return VE_UPP_OK;
}

/* One PIN: reference, value, attributes (bit 1: enabled; 7 if absent), tries (low: those left). */
static void read_pin(struct ve_profile *p, struct tlv w)
{
	uint32_t reference = tlv_take_u32(&w, 0x80);
	struct octets value = tlv_take(&w, 0x81);
	uint32_t attributes, tries;

	tlv_maybe(&w, 0x82);
	attributes = tlv_maybe_u32(&w, 0x83, 7);
	tries = tlv_maybe_u32(&w, 0x84, 0x33);
	if (reference != PIN1 || value.n != 8)
		return;
	blob_copy(&p->field[VE_PIN], value);
	p->pin_enabled = attributes & 1;
	p->pin_tries = tries & 15;
}

static enum ve_upp_end read_pins(struct ve_upp *u, struct ve_profile *p, struct tlv w)
{
	struct tlv choice, list;
	bool there;

	tlv_take(&w, 0xa0);
	choice = tlv_enter(&w, 0xa1);
	list = tlv_enter_maybe(&choice, 0xa0, &there);
	while (tlv_more(&list))
		read_pin(p, tlv_enter(&list, 0x30));
	return w.doc->fault ? refuse(u, VE_PE_FORMAT) : VE_UPP_OK;
}

/* Identification and whether the element may be passed over. */
static bool read_pe_header(struct ve_upp *u, struct tlv w)
{
	bool there;
	struct tlv header = tlv_enter_maybe(&w, 0xa0, &there);
	struct octets mandated = tlv_maybe(&header, 0x80);
	uint32_t id = tlv_maybe_u32(&header, 0x81, UINT32_MAX);

	u->element = id;
	return mandated.p != NULL;
}

static bool known(uint32_t pe)
{
	return (pe >= 0xa1 && pe <= 0xa9) || (pe >= 0xb0 && pe <= 0xbe) ||
	       (pe >= 0xbf1f && pe <= 0xbf21);
}

static enum ve_upp_end read_element(struct ve_upp *u, struct ve_profile *p, struct octets whole)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, whole);
	uint32_t pe = tlv_peek(&top);
	struct tlv body = tlv_enter(&top, pe);
	bool mandated;

	u->element = UINT32_MAX;
	if (u->ended || (pe == PE_HEADER) == u->begun)
		return refuse(u, VE_PE_FORMAT);
	if (pe == PE_HEADER) {
		u->begun = true;
		return read_header(u, p, body);
	}
	mandated = read_pe_header(u, body);
	if (doc.fault)
		return refuse(u, VE_PE_FORMAT);
	switch (pe) {
	case PE_END:
		u->ended = true;
		return VE_UPP_OK;
	case PE_PIN:
		return read_pins(u, p, body);
	case PE_USIM:
	case PE_IOT:
		return read_usim(u, p, pe, body);
	default:
		return known(pe) || !mandated ? VE_UPP_OK : refuse(u, VE_PE_NOT_SUPPORTED);
	}
}

enum ve_upp_end ve_upp_feed(struct ve_upp *u, struct ve_profile *p, struct octets plain)
{
	enum ve_upp_end end = VE_UPP_OK;
	size_t at = 0;

	blob_append(&u->pe, plain.p, plain.n);
	while (at < u->pe.n && end == VE_UPP_OK) {
		uint32_t tag;
		size_t head, n;
		int r = tlv_head(u->pe.p + at, u->pe.n - at, &tag, &head, &n);

		if (r == -EAGAIN && u->pe.n - at < VE_PE_MAX && !u->ended)
			break;
		if (r || u->ended || n > VE_PE_MAX)
			return refuse(u, VE_PE_FORMAT);
		if (u->pe.n - at < head + n)
			break;
		end = read_element(u, p, octets_from(u->pe.p + at, head + n));
		at += head + n;
	}
	if (at)
		blob_set(&u->pe, u->pe.p + at, u->pe.n - at);
	return end;
}

enum ve_upp_end ve_upp_end(struct ve_upp *u)
{
	u->element = UINT32_MAX;
	return u->ended && !u->pe.n ? VE_UPP_OK : refuse(u, VE_PE_FORMAT);
}
