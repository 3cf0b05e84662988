#include "sim/euicc/bpp.h"

#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/metadata.h"
#include "sim/euicc/note.h"
#include "sim/euicc/profile.h"
#include "sim/euicc/sign.h"

#define RESULT_MAX 1024
#define METADATA_MAX 8192
#define DP_DATA_MAX 128         /* B8 of ConfigureISDP, whole */
#define HOST_ID_MAX 16

/* --- the result: ProfileInstallationResult, SGP.22 2.5.6 -------------------------------------- */

/* The first address that wants to know of installs; the others get notifications. */
static struct octets install_address(const struct ve_profile *p)
{
	struct tlv_doc doc;
	struct tlv list = tlv_open(&doc, blob_octets(&p->field[VE_NOTIFICATIONS]));

	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);
		struct octets events = tlv_take(&one, 0x80);
		struct octets address = tlv_take(&one, 0x81);

		if (events.n >= 2 && events.p[1] & VE_EVENT_INSTALL && address.n)
			return address;
	}
	return octets_from(NULL, 0);
}

/* EUICCResponse with one PEStatus, as the content of an OCTET STRING. */
static void put_sima(struct tlv_out *w, uint32_t tag, uint8_t status, uint32_t element)
{
	struct tlv_mark m = tlv_begin(w, tag), response = tlv_begin(w, 0x30);
	struct tlv_mark list = tlv_begin(w, 0xa0), one = tlv_begin(w, 0x30);

	tlv_put_u32(w, 0x80, status);
	if (element != UINT32_MAX)
		tlv_put_u32(w, 0x81, element);
	tlv_close(w, one);
	tlv_close(w, list);
	tlv_close(w, response);
	tlv_close(w, m);
}

/* aid (success) or reason: the CHOICE finalResult. upp: whose element was refused; may be NULL. */
static void put_final(struct ve *e, struct octets aid, enum ve_reason reason,
		      const struct ve_upp *upp, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xa2);
	struct tlv_mark choice = tlv_begin(w, reason == VE_REASON_NONE ? 0xa0 : 0xa1);

	if (reason == VE_REASON_NONE) {
		tlv_put_octets(w, 0x4f, aid);
		put_sima(w, 0x04, VE_PE_OK, UINT32_MAX);
	} else {
		tlv_put_u32(w, 0x80, e->state.loading_command);
		tlv_put_u32(w, 0x81, reason);
		if (reason == VE_REASON_ELEMENT && upp)
			put_sima(w, 0x82, upp->status, upp->element);
	}
	tlv_close(w, choice);
	tlv_close(w, m);
}

static void end_loading(struct ve_state *s)
{
	s->loading = 0;
	s->loading_command = 0;
	blob_clear(&s->loading_tid);
	blob_clear(&s->loading_oid);
	blob_clear(&s->loading_address);
	blob_clear(&s->loading_iccid);
	blob_clear(&s->loading_ci);
	s->dirty = true;
}

/* Makes the result, keeps it as a notification and, if there is a w, answers with it. */
static void conclude(struct ve *e, struct octets aid, enum ve_reason reason,
		     const struct ve_upp *upp, struct tlv_out *w)
{
	struct ve_state *s = &e->state;
	uint8_t metadata[512], data[RESULT_MAX], whole[RESULT_MAX + 128];
	struct tlv_out md = { metadata, sizeof(metadata) }, d = { data, sizeof(data) };
	struct tlv_out all = { whole, sizeof(whole) };
	uint32_t seq = ve_note_number(e);
	struct tlv_mark m;

	ve_note_metadata(&md, seq, VE_EVENT_INSTALL, blob_octets(&s->loading_address),
			 blob_octets(&s->loading_iccid));
	m = tlv_begin(&d, 0xbf27);
	tlv_put_octets(&d, 0x80, blob_octets(&s->loading_tid));
	tlv_put_raw(&d, metadata, md.len);
	tlv_put_octets(&d, 0x06, blob_octets(&s->loading_oid));
	put_final(e, aid, reason, upp, &d);
	tlv_close(&d, m);
	m = tlv_begin(&all, 0xbf37);
	tlv_put_raw(&all, data, d.len);
	ve_sign_put(ve_credential_for(s, blob_octets(&s->loading_ci)), octets_from(data, d.len),
		    &all);
	tlv_close(&all, m);
	if (!md.full && !d.full && !all.full)
		ve_note_keep(e, VE_NOTE_INSTALLED, seq, VE_EVENT_INSTALL,
			     octets_from(metadata, md.len), octets_from(whole, all.len));
	if (w)
		tlv_put_raw(w, whole, all.len);
	end_loading(s);
}

void ve_bpp_abandon(struct ve *e)
{
	struct ve_bpp *b = &e->bpp;

	blob_clear(&b->metadata);
	ve_upp_clear(&b->upp);
	ve_profile_clear(&b->profile);
	explicit_bzero(b, sizeof(*b));
}

void ve_bpp_cancel(struct ve *e)
{
	ve_bpp_abandon(e);
	if (e->state.loading)
		end_loading(&e->state);
}

void ve_bpp_interrupted(struct ve *e)
{
	ve_bpp_abandon(e);
	if (e->state.loading)
		conclude(e, octets_from(NULL, 0), VE_REASON_INTERRUPTED, NULL, NULL);
}

/* The load is over, and with it the session; the one-time key stays for another try. */
static uint16_t fail(struct ve *e, enum ve_reason reason, struct tlv_out *w)
{
	log_info("euicc", "load ended: command %u, reason %u", (unsigned)e->state.loading_command,
		 (unsigned)reason);
	conclude(e, octets_from(NULL, 0), reason, &e->bpp.upp, w);
	ve_bpp_abandon(e);
	ve_session_clear(&e->session);
	e->failed_loads++;
	return SW_OK;
}

static void now_at(struct ve *e, enum ve_bpp_command c)
{
	if (e->state.loading_command == c)
		return;
	e->state.loading_command = c;
	e->state.dirty = true;
}

/* --- BF23: InitialiseSecureChannel, SGP.22 5.5.1 ---------------------------------------------- */

struct initialise {
	uint32_t operation, key_type, key_length;
	struct octets tid, host, otpk, signature;
	struct octets signed_part;      /* 82, 80, A6, 5F49 as they stand there */
};

static bool read_initialise(struct tlv w, struct initialise *ret)
{
	struct initialise i;
	const uint8_t *start = w.p;
	struct octets type, length;
	struct tlv crt;

	i.operation = tlv_take_u32(&w, 0x82);
	i.tid = tlv_take(&w, 0x80);
	crt = tlv_enter(&w, 0xa6);
	/* One octet each, but no INTEGERs: 88 is no negative number. */
	type = tlv_take(&crt, 0x80);
	length = tlv_take(&crt, 0x81);
	i.host = tlv_take(&crt, 0x84);
	i.otpk = tlv_take(&w, 0x5f49);
	i.signed_part = octets_from(start, start ? (size_t)(w.p - start) : 0);
	i.signature = tlv_take(&w, 0x5f37);
	i.key_type = type.n == 1 ? type.p[0] : 0;
	i.key_length = length.n == 1 ? length.p[0] : 0;
	*ret = i;
	return !w.doc->fault;
}

static bool signature_good(const struct ve_session *s, const struct initialise *i,
			   const uint8_t own[VE_POINT_LEN])
{
	uint8_t raw[512];
	struct tlv_out w = { raw, sizeof(raw) };

	tlv_put_raw(&w, i->signed_part.p, i->signed_part.n);
	tlv_put(&w, 0x5f49, own, VE_POINT_LEN);
	return !w.full && ve_ec_verify(s->dp_curve, octets_from(s->dp_point.p, s->dp_point.n),
				       octets_from(raw, w.len), i->signature);
}

/* What is in the fields is judged before the signature over them: the more telling code wins. */
static enum ve_reason open_channel(struct ve *e, const struct initialise *i)
{
	const struct ve_session *s = &e->session;
	uint8_t own[VE_POINT_LEN], z[VE_SECRET_LEN];

	if (i->operation != 1)
		return VE_REASON_OPERATION;
	if (!octets_same(i->tid, blob_octets(&s->tid)))
		return VE_REASON_TID;
	if (i->key_type != 0x88 || i->key_length != VE_AES_LEN || !i->host.n ||
	    i->host.n > HOST_ID_MAX)
		return VE_REASON_CRT;
	if (e->state.otk_key.n != VE_SECRET_LEN ||
	    ve_ec_public(s->curve, e->state.otk_key.p, own))
		return VE_REASON_UNKNOWN;
	if (!signature_good(s, i, own))
		return VE_REASON_SIGNATURE;
	if (ve_ec_agree(s->curve, e->state.otk_key.p, i->otpk, z))
		return VE_REASON_INPUT;
	ve_bsp_derive(&e->bpp.keys, z, i->host, blob_octets(&e->state.eid));
	explicit_bzero(z, sizeof(z));
	return VE_REASON_NONE;
}

static void begin_loading(struct ve *e, size_t size)
{
	struct ve_state *s = &e->state;
	const struct ve_session *session = &e->session;

	ve_bpp_interrupted(e);
	e->bpp.open = true;
	e->bpp.channel = e->command.channel;
	e->bpp.left = size;
	s->loading = 1;
	s->loading_command = VE_BPP_INITIALISE;
	blob_copy(&s->loading_tid, blob_octets(&session->tid));
	blob_copy(&s->loading_oid, blob_octets(&session->oid));
	blob_copy(&s->loading_address, blob_octets(&session->address));
	blob_copy(&s->loading_ci, blob_octets(&session->ci));
	blob_clear(&s->loading_iccid);
	s->dirty = true;
}

/* --- what is in the segments ------------------------------------------------------------------ */

/* ConfigureISDP, SGP.22 5.5.2 */
static enum ve_reason configure(struct ve *e, struct octets plain)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, plain), body = tlv_enter(&top, 0xbf24);
	struct octets data = tlv_maybe(&body, 0xb8);

	tlv_end(&top);
	if (doc.fault || data.n > DP_DATA_MAX)
		return VE_REASON_INPUT;
	blob_copy(&e->bpp.profile.field[VE_DP_DATA], data);
	return VE_REASON_NONE;
}

/* StoreMetadata, complete. From here on the result can name the profile. */
static enum ve_reason store_metadata(struct ve *e)
{
	struct ve_bpp *b = &e->bpp;
	struct ve_state *s = &e->state;
	enum ve_reason r = ve_metadata_read(e, blob_octets(&b->metadata), &b->profile);
	struct octets address = install_address(&b->profile);

	blob_copy(&s->loading_iccid, blob_octets(&b->profile.field[VE_ICCID]));
	if (address.n)
		blob_copy(&s->loading_address, address);
	s->dirty = true;
	if (r == VE_REASON_NONE &&
	    (s->n_profiles == VE_PROFILES_MAX || b->left > ve_memory_free(s)))
		r = VE_REASON_MEMORY;
	b->profile.size = b->metadata.n;
	return r;
}

/* ReplaceSessionKeys, SGP.22 5.5.4: keys as long as the ones before. */
static enum ve_reason replace_keys(struct ve *e, struct octets plain)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, plain), body = tlv_enter(&top, 0xbf26);
	struct octets chain = tlv_take(&body, 0x80);
	struct octets enc = tlv_take(&body, 0x81), mac = tlv_take(&body, 0x82);

	tlv_end(&top);
	if (doc.fault || chain.n != VE_AES_LEN || enc.n != VE_AES_LEN || mac.n != VE_AES_LEN)
		return VE_REASON_INPUT;
	ve_bsp_replace(&e->bpp.keys, chain.p, enc.p, mac.p);
	return VE_REASON_NONE;
}

static enum ve_reason reason_of(enum ve_upp_end end)
{
	static const enum ve_reason reasons[_VE_UPP_END_MAX] = {
		[VE_UPP_OK] = VE_REASON_NONE,
		[VE_UPP_BAD_ELEMENT] = VE_REASON_ELEMENT,
		[VE_UPP_OTHER_ICCID] = VE_REASON_MISMATCH,
	};

	return reasons[end];
}

static enum ve_reason load_profile(struct ve *e, struct octets plain)
{
	struct ve_bpp *b = &e->bpp;

	b->profile.size += plain.n;
	if (b->profile.size > ve_memory_free(&e->state))
		return VE_REASON_MEMORY;
	if (e->who->bpp_breaks && b->group_left <= b->group_size / 2) {
		b->upp.status = VE_PE_BAD_VALUES;
		b->upp.element = UINT32_MAX;
		return VE_REASON_ELEMENT;
	}
	return reason_of(ve_upp_feed(&b->upp, &b->profile, plain));
}

static enum ve_reason append_metadata(struct ve *e, struct octets plain)
{
	if (plain.n > METADATA_MAX - e->bpp.metadata.n)
		return VE_REASON_MEMORY;
	blob_append(&e->bpp.metadata, plain.p, plain.n);
	return VE_REASON_NONE;
}

/* --- order ------------------------------------------------------------------------------------ */

static const struct group {
	uint32_t tag, segment;
	enum ve_bpp_command command;
	unsigned max;           /* segments; 0: any number */
	enum ve_reason (*run)(struct ve *e, struct octets plain);
} groups[] = {
	{ 0xa0, 0x87, VE_BPP_CONFIGURE, 1, configure },
	{ 0xa1, 0x88, VE_BPP_METADATA, 0, append_metadata },
	{ 0xa2, 0x87, VE_BPP_REPLACE_KEYS, 1, replace_keys },
	{ 0xa3, 0x86, VE_BPP_PROFILE, 0, load_profile },
};

static const struct group *group_of(uint32_t tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].tag == tag)
			return &groups[i];
	return NULL;
}

/* The groups that may stand behind this one; ReplaceSessionKeys may be missing. */
static bool may_follow(uint32_t before, uint32_t tag)
{
	switch (before) {
	case 0:
		return tag == 0xa0;
	case 0xa0:
		return tag == 0xa1;
	case 0xa1:
		return tag == 0xa2 || tag == 0xa3;
	case 0xa2:
		return tag == 0xa3;
	default:
		return false;
	}
}

/* Which command a wrong element is blamed on: the one that was due. */
static void blame_due(struct ve *e)
{
	const struct ve_bpp *b = &e->bpp;
	const struct group *g = group_of(b->group);

	if (!g)
		now_at(e, VE_BPP_CONFIGURE);
	else if (!b->group_left && b->group != 0xa3)
		now_at(e, b->group == 0xa0 ? VE_BPP_METADATA : VE_BPP_PROFILE);
}

static enum ve_reason open_group(struct ve *e, uint32_t tag, size_t head, size_t n)
{
	struct ve_bpp *b = &e->bpp;

	if (b->group_left || !may_follow(b->group, tag) || head + n > b->left || !n) {
		blame_due(e);
		return VE_REASON_STRUCTURE;
	}
	b->group = tag;
	b->group_left = b->group_size = n;
	b->pieces = 0;
	b->left -= head;
	now_at(e, group_of(tag)->command);
	return VE_REASON_NONE;
}

static enum ve_reason take_segment(struct ve *e, uint32_t tag, struct octets segment)
{
	static const enum ve_reason reasons[_VE_BSP_END_MAX] = {
		[VE_BSP_OK] = VE_REASON_NONE,
		[VE_BSP_BAD_STRUCTURE] = VE_REASON_STRUCTURE,
		[VE_BSP_BAD_MAC] = VE_REASON_SECURITY,
	};
	struct ve_bpp *b = &e->bpp;
	const struct group *g = group_of(b->group);
	uint8_t plain[VE_BSP_SEGMENT_MAX];
	enum ve_reason r;
	size_t n = 0;

	if (!g || !b->group_left || g->segment != tag || segment.n > b->group_left ||
	    (g->max && b->pieces == g->max)) {
		blame_due(e);
		return VE_REASON_STRUCTURE;
	}
	r = reasons[ve_bsp_open(&b->keys, segment, plain, &n)];
	if (r != VE_REASON_NONE)
		return r;
	b->pieces++;
	b->left -= segment.n;
	b->group_left -= segment.n;
	r = g->run(e, octets_from(plain, n));
	if (r == VE_REASON_NONE && b->group == 0xa1 && !b->group_left)
		r = store_metadata(e);
	explicit_bzero(plain, sizeof(plain));
	return r;
}

/* Segments one after another; groups are entered and not waited for. */
static enum ve_reason take_pieces(struct ve *e, struct octets in)
{
	enum ve_reason r = VE_REASON_NONE;

	while (in.n && r == VE_REASON_NONE) {
		uint32_t tag;
		size_t head, n, used;

		if (tlv_head(in.p, in.n, &tag, &head, &n)) {
			blame_due(e);
			return VE_REASON_STRUCTURE;
		}
		if (group_of(tag)) {
			r = open_group(e, tag, head, n);
			used = head;
		} else {
			used = n < in.n - head ? head + n : in.n;
			/* What is cut short keeps its claimed length and is found out by it. */
			r = take_segment(e, tag, octets_from(in.p, used));
		}
		in.p += used;
		in.n -= used;
	}
	return r;
}

/* --- success ---------------------------------------------------------------------------------- */

/* Addresses behind the first one hear of the install by notifications of the other kind. */
static void notify_others(struct ve *e, const struct ve_profile *p, struct octets first)
{
	struct tlv_doc doc;
	struct tlv list = tlv_open(&doc, blob_octets(&p->field[VE_NOTIFICATIONS]));

	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);
		struct octets events = tlv_take(&one, 0x80);
		struct octets address = tlv_take(&one, 0x81);

		if (address.p != first.p && address.n && events.n >= 2 &&
		    events.p[1] & VE_EVENT_INSTALL)
			ve_note_signed(e, address, blob_octets(&p->field[VE_ICCID]),
				       VE_EVENT_INSTALL);
	}
}

static uint16_t install(struct ve *e, struct tlv_out *w)
{
	struct ve_state *s = &e->state;
	struct ve_bpp *b = &e->bpp;
	struct ve_profile *p;
	uint8_t aid[VE_AID_LEN];
	enum ve_reason r = reason_of(ve_upp_end(&b->upp));

	if (r != VE_REASON_NONE)
		return fail(e, r, w);
	p = ve_profile_add(s);
	if (!p)
		return fail(e, VE_REASON_MEMORY, w);
	*p = b->profile;
	memset(&b->profile, 0, sizeof(b->profile));
	ve_isdp_next(s, aid);
	blob_set(&p->field[VE_AID], aid, sizeof(aid));
	blob_copy(&p->field[VE_SMDP_OID], blob_octets(&e->session.oid));
	blob_copy(&p->field[VE_SMDP_ADDRESS], blob_octets(&e->session.address));
	conclude(e, octets_from(aid, sizeof(aid)), VE_REASON_NONE, NULL, w);
	notify_others(e, p, install_address(p));
	ve_immediate_downloaded(e, p);
	blob_clear(&s->otk_key);
	blob_clear(&s->otk_oid);
	blob_clear(&s->otk_ci);
	ve_bpp_abandon(e);
	ve_session_clear(&e->session);
	log_info("euicc", "profile installed");
	return SW_OK;
}

/* --- ES10b.LoadBoundProfilePackage ------------------------------------------------------------ */

static uint16_t go_on(struct ve *e, struct octets in, struct tlv_out *w)
{
	enum ve_reason r = take_pieces(e, in);

	if (r != VE_REASON_NONE)
		return fail(e, r, w);
	if (!e->bpp.left) {
		if (e->bpp.group == 0xa3)
			return install(e, w);
		blame_due(e);
		return fail(e, VE_REASON_STRUCTURE, w);
	}
	return SW_OK;
}

/* BF36's head and BF23 whole; more may follow at once. */
static uint16_t load_first(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct initialise i;
	struct tlv_doc doc;
	struct tlv body, channel;
	enum ve_reason r = VE_REASON_INPUT;
	uint32_t tag;
	size_t head, n;

	if (!e->session.prepared)
		return SW_CONDITIONS;
	if (tlv_head(in.p, in.n, &tag, &head, &n) || in.n - head > n)
		return SW_DATA;
	begin_loading(e, n);
	e->more_ms += e->times.crypto_ms;
	body = tlv_open(&doc, octets_from(in.p + head, in.n - head));
	channel = tlv_enter(&body, 0xbf23);
	if (!doc.fault && read_initialise(channel, &i))
		r = open_channel(e, &i);
	if (r != VE_REASON_NONE)
		return fail(e, r, w);
	e->bpp.left -= (size_t)(body.p - in.p) - head;
	return go_on(e, octets_from(body.p, body.n), w);
}

static uint16_t load_next(struct ve *e, struct octets in, struct tlv_out *w)
{
	/* Seen in the field: what comes behind the result, and segments on another channel. */
	if (!e->bpp.open)
		return SW_REFERENCE;
	if (e->who->bpp_channel_bound && e->bpp.channel != e->command.channel)
		return SW_CONDITIONS;
	e->more_ms += e->times.segment_ms;
	return go_on(e, in, w);
}

#define PIECE(tag) { tag, "LoadBoundProfilePackage", load_next, ES10_ALL, .piece = true }

const struct es10_row ve_bpp_rows[] = {
	{ 0xbf36, "LoadBoundProfilePackage", load_first, ES10_ALL, .piece = true },
	PIECE(0xa0), PIECE(0xa1), PIECE(0xa2), PIECE(0xa3), PIECE(0x86), PIECE(0x87), PIECE(0x88),
	{ 0 },
};
