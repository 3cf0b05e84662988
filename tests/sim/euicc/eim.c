#include "sim/euicc/eim.h"

#include <string.h>

#include "core/util.h"
#include "sim/euicc/inner.h"
#include "sim/euicc/sign.h"

#define EIM_ID_MAX 128
#define EIM_TYPE_PROPRIETARY 3

/* EimConfigurationData, SGP.32 5.9.18, in the order of enum ve_eim_field. */
static const uint32_t tags[_VE_EIM_FIELD_MAX] = {
	[VE_EIM_ID] = 0x80,        [VE_EIM_FQDN] = 0x81, [VE_EIM_ID_TYPE] = 0x82,
	[VE_EIM_COUNTER] = 0x83,   [VE_EIM_TOKEN] = 0x84, [VE_EIM_KEY] = 0xa5,
	[VE_EIM_TLS] = 0xa6,       [VE_EIM_PROTOCOLS] = 0x87, [VE_EIM_CI] = 0x88,
	[VE_EIM_INDIRECT] = 0x89,
};

/* What a message says; p is NULL where it says nothing. */
struct given {
	struct octets field[_VE_EIM_FIELD_MAX];
};

struct ve_eim *ve_eim_find(struct ve_state *s, struct octets id)
{
	for (size_t i = 0; i < s->n_eims; i++)
		if (octets_same(blob_octets(&s->eims[i].field[VE_EIM_ID]), id))
			return &s->eims[i];
	return NULL;
}

/* In any order, what is unknown (vendors' additions, later editions) passed over. */
static bool read_given(struct octets value, struct given *ret)
{
	struct given g = { 0 };
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, value);

	while (tlv_more(&w)) {
		uint32_t tag = tlv_peek(&w);
		enum ve_eim_field f = 0;

		while (f < _VE_EIM_FIELD_MAX && tags[f] != tag)
			f++;
		if (f == _VE_EIM_FIELD_MAX)
			tlv_skip(&w);
		else
			g.field[f] = tlv_take(&w, tag);
	}
	if (doc.fault)
		return false;
	*ret = g;
	return true;
}

static bool key_good(struct octets v)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, v);
	uint32_t tag = tlv_peek(&w);
	struct octets inside = tlv_take_whole(&w, &tag);

	tlv_end(&w);
	return !doc.fault && inside.n > 2 && (tag == 0xa0 || tag == 0xa1);
}

static bool ci_known(struct ve *e, struct octets ci)
{
	const struct blob *fixed = &e->state.info[VE_INFO_CI_SIGNING];
	struct tlv_doc doc;
	struct tlv list;

	if (ci.n != VE_KEY_ID_LEN)
		return false;
	if (!fixed->n)
		return ve_credential_for(&e->state, ci) != NULL;
	list = tlv_open(&doc, blob_octets(fixed));
	while (tlv_more(&list))
		if (octets_same(tlv_take(&list, 0x04), ci))
			return true;
	return false;
}

static enum ve_eim_code judge_counter(struct octets v, uint32_t *ret)
{
	int32_t counter;

	if (octets_to_i32(v, &counter) || counter < 0 || counter > VE_EIM_COUNTER_MAX)
		return VE_EIM_COUNTER_RANGE;
	*ret = counter;
	return VE_EIM_OK;
}

static bool id_good(struct octets id)
{
	return id.n >= 1 && id.n <= EIM_ID_MAX;
}

/* SGP.32 5.9.4: what must be there, and what it may say. */
static enum ve_eim_code judge_new(struct ve *e, const struct given *g, uint32_t *ret_counter)
{
	struct octets token = g->field[VE_EIM_TOKEN];
	int32_t wish;

	if (!id_good(g->field[VE_EIM_ID]) || !g->field[VE_EIM_COUNTER].p ||
	    !key_good(g->field[VE_EIM_KEY]))
		return VE_EIM_COMMAND;
	if (g->field[VE_EIM_TLS].p && !key_good(g->field[VE_EIM_TLS]))
		return VE_EIM_COMMAND;
	if (g->field[VE_EIM_CI].p && !ci_known(e, g->field[VE_EIM_CI]))
		return VE_EIM_CI_UNKNOWN;
	if (token.p && (octets_to_i32(token, &wish) || wish != -1))
		return VE_EIM_BAD_TOKEN;
	return judge_counter(g->field[VE_EIM_COUNTER], ret_counter);
}

/* A token is never given twice by one card. */
static void make_token(struct ve *e, struct blob *dst)
{
	uint8_t raw[8];
	struct tlv_out w = { raw, sizeof(raw) };

	tlv_put_u32(&w, 0x84, e->state.next_token++);
	blob_set(dst, raw + 2, w.len - 2);
}

/* What the card assumes where the message is silent (one source). */
static void fill_in(struct ve *e, struct ve_eim *m)
{
	static const uint8_t type = EIM_TYPE_PROPRIETARY, proprietary[] = { 0x03, 0x08 };
	const struct ve_credential *c = ve_credential_first(&e->state);
	struct blob *ci = &m->field[VE_EIM_CI];
	uint8_t id[VE_KEY_ID_LEN];

	if (!m->field[VE_EIM_ID_TYPE].n)
		blob_set(&m->field[VE_EIM_ID_TYPE], &type, 1);
	if (!m->field[VE_EIM_PROTOCOLS].n)
		blob_set(&m->field[VE_EIM_PROTOCOLS], proprietary, sizeof(proprietary));
	if (!ci->n && c && !ve_key_id(blob_octets(&c->ci), id))
		blob_set(ci, id, sizeof(id));
}

static void keep_given(struct ve_eim *m, const struct given *g)
{
	for (enum ve_eim_field f = 0; f < _VE_EIM_FIELD_MAX; f++)
		if (g->field[f].p && f != VE_EIM_TOKEN && f != VE_EIM_COUNTER)
			blob_copy(&m->field[f], g->field[f]);
	if (g->field[VE_EIM_INDIRECT].p)
		m->indirect = 1;
}

enum ve_eim_code ve_eim_add(struct ve *e, struct octets value, struct ve_eim **ret)
{
	struct ve_state *s = &e->state;
	struct given g;
	struct ve_eim *m;
	uint32_t counter;
	enum ve_eim_code code;

	if (!read_given(value, &g))
		return VE_EIM_COMMAND;
	if (id_good(g.field[VE_EIM_ID]) && ve_eim_find(s, g.field[VE_EIM_ID]))
		return VE_EIM_EXISTS;
	code = judge_new(e, &g, &counter);
	if (code != VE_EIM_OK)
		return code;
	if (s->n_eims == VE_EIMS_MAX)
		return VE_EIM_NO_MEMORY;
	m = &s->eims[s->n_eims++];
	keep_given(m, &g);
	fill_in(e, m);
	m->counter = counter;
	if (g.field[VE_EIM_TOKEN].p)
		make_token(e, &m->field[VE_EIM_TOKEN]);
	s->dirty = true;
	*ret = m;
	return VE_EIM_OK;
}

/* SGP.32 3.5.1.3: a lower counter only together with another key; a token never. */
enum ve_eim_code ve_eim_update(struct ve *e, struct octets value)
{
	struct given g;
	struct ve_eim *m;
	uint32_t counter;
	bool any = false;

	if (!read_given(value, &g) || !id_good(g.field[VE_EIM_ID]))
		return VE_EIM_COMMAND;
	m = ve_eim_find(&e->state, g.field[VE_EIM_ID]);
	if (!m)
		return VE_EIM_NOT_FOUND;
	for (enum ve_eim_field f = VE_EIM_ID + 1; f < _VE_EIM_FIELD_MAX; f++)
		any |= g.field[f].p != NULL;
	if (!any || g.field[VE_EIM_TOKEN].p ||
	    (g.field[VE_EIM_KEY].p && !key_good(g.field[VE_EIM_KEY])) ||
	    (g.field[VE_EIM_TLS].p && !key_good(g.field[VE_EIM_TLS])))
		return VE_EIM_COMMAND;
	if (g.field[VE_EIM_CI].p && !ci_known(e, g.field[VE_EIM_CI]))
		return VE_EIM_CI_UNKNOWN;
	counter = m->counter;
	if (g.field[VE_EIM_COUNTER].p &&
	    (judge_counter(g.field[VE_EIM_COUNTER], &counter) != VE_EIM_OK ||
	     (counter < m->counter && !g.field[VE_EIM_KEY].p)))
		return VE_EIM_COUNTER_RANGE;
	keep_given(m, &g);
	m->counter = counter;
	e->state.dirty = true;
	return VE_EIM_OK;
}

enum ve_eim_code ve_eim_delete(struct ve *e, struct octets id)
{
	struct ve_state *s = &e->state;
	struct ve_eim *m = ve_eim_find(s, id), *end = s->eims + s->n_eims;

	if (!m)
		return VE_EIM_NOT_FOUND;
	ve_eim_clear(m);
	memmove(m, m + 1, (char *)end - (char *)(m + 1));
	memset(end - 1, 0, sizeof(*m));
	s->n_eims--;
	s->dirty = true;
	return s->n_eims ? VE_EIM_OK : VE_EIM_LAST_DELETED;
}

/* EimIdInfo; the type's tag was 84 in edition 1.0. */
void ve_eim_list(struct ve *e, struct tlv_out *w)
{
	struct tlv_mark m = tlv_begin(w, 0xab);
	struct tlv_mark list = tlv_begin(w, 0xa0);

	for (size_t i = 0; i < e->state.n_eims; i++) {
		const struct ve_eim *one = &e->state.eims[i];
		struct tlv_mark entry = tlv_begin(w, 0x30);

		tlv_put_octets(w, 0x80, blob_octets(&one->field[VE_EIM_ID]));
		if (one->field[VE_EIM_ID_TYPE].n)
			tlv_put_octets(w, e->state.version == VE_SGP32_10 ? 0x84 : 0x82,
				       blob_octets(&one->field[VE_EIM_ID_TYPE]));
		tlv_close(w, entry);
	}
	tlv_close(w, list);
	tlv_close(w, m);
}

/* --- functions -------------------------------------------------------------------------------- */

static void put_eim(const struct ve_eim *m, struct tlv_out *w)
{
	struct tlv_mark entry = tlv_begin(w, 0x30);

	for (enum ve_eim_field f = 0; f < _VE_EIM_FIELD_MAX; f++) {
		if (f == VE_EIM_INDIRECT ? m->indirect : m->field[f].n != 0)
			tlv_put_octets(w, tags[f], blob_octets(&m->field[f]));
	}
	tlv_close(w, entry);
}

/* ES10b.GetEimConfigurationData, SGP.32 5.9.18; the counter is never shown. */
static uint16_t get_eims(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	bool there;
	struct tlv by = tlv_enter_maybe(&body, 0xa0, &there);
	struct octets id = { 0 };
	struct tlv_mark m, list;

	if (there)
		id = tlv_take(&by, 0x80);
	tlv_end(&by);
	if (doc.fault || (there && e->state.version == VE_SGP32_10))
		return SW_DATA;
	m = tlv_begin(w, 0xbf55);
	list = tlv_begin(w, 0xa0);
	for (size_t i = 0; i < e->state.n_eims; i++) {
		const struct ve_eim *one = &e->state.eims[i];

		if (!there || octets_same(id, blob_octets(&one->field[VE_EIM_ID])))
			put_eim(one, w);
	}
	tlv_close(w, list);
	tlv_close(w, m);
	return SW_OK;
}

static void forget_from(struct ve *e, size_t n)
{
	while (e->state.n_eims > n)
		ve_eim_clear(&e->state.eims[--e->state.n_eims]);
}

/* All or none; the answers go into w as they come. */
static enum ve_eim_code add_all(struct ve *e, struct tlv *list, struct tlv_out *w)
{
	enum ve_eim_code code = tlv_more(list) ? VE_EIM_OK : VE_EIM_COMMAND;

	while (code == VE_EIM_OK && tlv_more(list)) {
		struct ve_eim *one;

		code = ve_eim_add(e, tlv_take(list, 0x30), &one);
		if (code == VE_EIM_EXISTS)
			code = VE_EIM_COMMAND;  /* twice in this list */
		if (code != VE_EIM_OK)
			break;
		if (one->field[VE_EIM_TOKEN].n)
			tlv_put_octets(w, 0x84, ve_eim_token(one));
		else
			tlv_put(w, 0x05, NULL, 0);
	}
	return list->doc->fault ? VE_EIM_COMMAND : code;
}

/* Edition 1.0 had no code for a malformed command. */
static uint8_t initial_code(const struct ve *e, enum ve_eim_code code)
{
	return code == VE_EIM_COMMAND && e->state.version == VE_SGP32_10 ? VE_EIM_UNDEFINED
									 : code;
}

/* ES10b.AddInitialEim, SGP.32 5.9.4 */
static uint16_t add_initial_eim(struct ve *e, struct octets in, struct tlv_out *w)
{
	struct tlv_doc doc;
	struct tlv body = ve_es10_open(&doc, in);
	struct tlv list = tlv_enter(&body, 0xa0);
	uint32_t token = e->state.next_token;
	enum ve_eim_code code = VE_EIM_EXISTS;
	struct tlv_mark m = tlv_begin(w, 0xbf57), ok;

	if (doc.fault)
		return SW_DATA;
	if (!e->state.n_eims) {
		ok = tlv_begin(w, 0xa0);
		code = add_all(e, &list, w);
		tlv_close(w, ok);
		if (code == VE_EIM_OK) {
			tlv_close(w, m);
			return SW_OK;
		}
		forget_from(e, 0);
		e->state.next_token = token;
	}
	w->len = 0;
	m = tlv_begin(w, 0xbf57);
	tlv_put_u32(w, 0x81, initial_code(e, code));
	tlv_close(w, m);
	return SW_OK;
}

const struct es10_row ve_eim_rows[] = {
	{ 0xbf55, "GetEimConfigurationData", get_eims, ES10_IOT },
	{ 0xbf57, "AddInitialEim", add_initial_eim, ES10_IOT },
	{ 0 },
};
