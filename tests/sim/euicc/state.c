#include "sim/euicc/state.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"

/*
 * The file is one TLV whose elements are the rows of tables that name the members of a structure:
 * what is not in a table is not kept. Row i is written under the tag ROW_TAG + i, a list as many
 * times as it has entries; what is empty or zero is left out.
 */
#define STATE_TAG 0xe0
#define ROW_TAG 0xdf01

enum kind {
	NUMBER,         /* uint32_t */
	OCTETS,         /* struct blob */
	ARRAY,          /* of struct blob, with fixed places */
	LIST,           /* of structures, with a counter */
};

struct row {
	enum kind kind;
	size_t at;
	size_t max;             /* places of an array or a list */
	size_t counter;         /* offset of the list's counter */
	size_t size;            /* of one entry of the list */
	const struct row *rows;
	size_t n_rows;
};

#define ROW_NUMBER(s, m) { NUMBER, offsetof(struct s, m) }
#define ROW_OCTETS(s, m) { OCTETS, offsetof(struct s, m) }
#define ROW_ARRAY(s, m)  { ARRAY, offsetof(struct s, m), ARRAY_SIZE(((struct s *)0)->m) }
#define ROW_LIST(s, m, c, t)                                                               \
	{ LIST, offsetof(struct s, m), ARRAY_SIZE(((struct s *)0)->m), offsetof(struct s, c), \
	  sizeof(((struct s *)0)->m[0]), t, ARRAY_SIZE(t) }

/* New rows go to the end of their table: tags are positions. */
static const struct row credential_rows[] = {
	ROW_OCTETS(ve_credential, ci),
	ROW_OCTETS(ve_credential, eum),
	ROW_OCTETS(ve_credential, euicc),
	ROW_OCTETS(ve_credential, key),
};

static const struct row profile_rows[] = {
	ROW_ARRAY(ve_profile, field),
	ROW_NUMBER(ve_profile, enabled),
	ROW_NUMBER(ve_profile, preloaded),
	ROW_NUMBER(ve_profile, size),
	ROW_NUMBER(ve_profile, pin_enabled),
	ROW_NUMBER(ve_profile, pin_tries),
};

static const struct row note_rows[] = {
	ROW_NUMBER(ve_note, seq),
	ROW_NUMBER(ve_note, kind),
	ROW_NUMBER(ve_note, event),
	ROW_OCTETS(ve_note, metadata),
	ROW_OCTETS(ve_note, whole),
};

static const struct row eim_rows[] = {
	ROW_ARRAY(ve_eim, field),
	ROW_NUMBER(ve_eim, indirect),
	ROW_NUMBER(ve_eim, counter),
};

static const struct row state_rows[] = {
	ROW_OCTETS(ve_state, eid),
	ROW_NUMBER(ve_state, version),
	ROW_OCTETS(ve_state, personality),
	ROW_NUMBER(ve_state, memory),
	ROW_ARRAY(ve_state, info),
	ROW_OCTETS(ve_state, default_dp),
	ROW_OCTETS(ve_state, root_ds),
	ROW_OCTETS(ve_state, rat),
	ROW_NUMBER(ve_state, next_seq),
	ROW_NUMBER(ve_state, next_token),
	ROW_NUMBER(ve_state, next_isdp),
	ROW_LIST(ve_state, credentials, n_credentials, credential_rows),
	ROW_LIST(ve_state, profiles, n_profiles, profile_rows),
	ROW_LIST(ve_state, notes, n_notes, note_rows),
	ROW_LIST(ve_state, eims, n_eims, eim_rows),
	ROW_NUMBER(ve_state, switch_pending),
	ROW_OCTETS(ve_state, switch_to),
	ROW_NUMBER(ve_state, rollback_granted),
	ROW_OCTETS(ve_state, rollback_to),
	ROW_NUMBER(ve_state, fallback_active),
	ROW_OCTETS(ve_state, fallback_return),
	ROW_NUMBER(ve_state, emergency_active),
	ROW_OCTETS(ve_state, emergency_return),
	ROW_NUMBER(ve_state, immediate),
	ROW_OCTETS(ve_state, immediate_oid),
	ROW_OCTETS(ve_state, immediate_address),
	ROW_NUMBER(ve_state, downloaded),
	ROW_OCTETS(ve_state, downloaded_aid),
	ROW_OCTETS(ve_state, downloaded_oid),
	ROW_OCTETS(ve_state, downloaded_address),
	ROW_OCTETS(ve_state, otk_oid),
	ROW_OCTETS(ve_state, otk_ci),
	ROW_OCTETS(ve_state, otk_key),
	ROW_NUMBER(ve_state, loading),
	ROW_OCTETS(ve_state, loading_tid),
	ROW_OCTETS(ve_state, loading_oid),
	ROW_OCTETS(ve_state, loading_address),
	ROW_OCTETS(ve_state, loading_iccid),
	ROW_OCTETS(ve_state, loading_ci),
	ROW_NUMBER(ve_state, loading_command),
	ROW_OCTETS(ve_state, test_return),
	ROW_OCTETS(ve_state, rollback_eim),
	ROW_OCTETS(ve_state, rollback_token),
	ROW_OCTETS(ve_state, rollback_ci),
	ROW_OCTETS(ve_state, rollback_counter),
	ROW_OCTETS(ve_state, rollback_tid),
	ROW_NUMBER(ve_state, rollback_seq),
};

static uint32_t *number_at(void *base, size_t at)
{
	return (uint32_t *)((char *)base + at);
}

static struct blob *blob_at(void *base, size_t at)
{
	return (struct blob *)((char *)base + at);
}

static void write_rows(struct tlv_out *w, void *base, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		uint32_t tag = ROW_TAG + i;
		struct blob *b = blob_at(base, r->at);
		struct tlv_mark m;

		switch (r->kind) {
		case NUMBER:
			if (*number_at(base, r->at))
				tlv_put_u32(w, tag, *number_at(base, r->at));
			break;
		case OCTETS:
			if (b->n)
				tlv_put(w, tag, b->p, b->n);
			break;
		case ARRAY:
			m = tlv_begin(w, tag);
			for (size_t k = 0; k < r->max; k++)
				tlv_put(w, 0x04, b[k].p, b[k].n);
			tlv_close(w, m);
			break;
		case LIST:
			for (size_t k = 0; k < *number_at(base, r->counter); k++) {
				m = tlv_begin(w, tag);
				write_rows(w, (char *)base + r->at + k * r->size, r->rows,
					   r->n_rows);
				tlv_close(w, m);
			}
			break;
		}
	}
}

static void read_rows(struct tlv *w, void *base, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		uint32_t tag = ROW_TAG + i;
		struct blob *b = blob_at(base, r->at);
		uint32_t *count;
		struct tlv inner;
		bool there;

		switch (r->kind) {
		case NUMBER:
			*number_at(base, r->at) = tlv_maybe_u32(w, tag, 0);
			break;
		case OCTETS:
			blob_copy(b, tlv_maybe(w, tag));
			break;
		case ARRAY:
			inner = tlv_enter_maybe(w, tag, &there);
			for (size_t k = 0; k < r->max && tlv_more(&inner); k++)
				blob_copy(&b[k], tlv_take(&inner, 0x04));
			tlv_end(&inner);
			break;
		case LIST:
			count = number_at(base, r->counter);
			while (tlv_peek(w) == tag) {
				inner = tlv_enter(w, tag);
				if (*count == r->max) {
					tlv_blame(w, TLV_BAD_VALUE, tag);
					break;
				}
				read_rows(&inner, (char *)base + r->at + *count * r->size,
					  r->rows, r->n_rows);
				(*count)++;
				tlv_end(&inner);
			}
			break;
		}
	}
}

static void clear_rows(void *base, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		switch (r->kind) {
		case NUMBER:
			*number_at(base, r->at) = 0;
			break;
		case OCTETS:
			blob_clear(blob_at(base, r->at));
			break;
		case ARRAY:
			for (size_t k = 0; k < r->max; k++)
				blob_clear(blob_at(base, r->at) + k);
			break;
		case LIST:
			for (size_t k = 0; k < r->max; k++)
				clear_rows((char *)base + r->at + k * r->size, r->rows,
					   r->n_rows);
			*number_at(base, r->counter) = 0;
			break;
		}
	}
}

static int set_path(struct ve_state *s, const char *dir)
{
	free(s->path);
	s->path = NULL;
	return asprintf(&s->path, "%s/state", dir) < 0 ? -ENOMEM : 0;
}

int ve_state_load(struct ve_state *s, const char *dir)
{
	_cleanup_(freep) uint8_t *raw = malloc(VE_STATE_MAX);
	struct tlv_doc doc;
	struct tlv top, body;
	size_t n;
	int r;

	memset(s, 0, sizeof(*s));
	if (!raw)
		return -ENOMEM;
	r = set_path(s, dir);
	if (r)
		return r;
	r = file_load(s->path, raw, VE_STATE_MAX, &n);
	if (r) {
		ve_state_free(s);
		return r;
	}
	top = tlv_open(&doc, octets_from(raw, n));
	body = tlv_enter(&top, STATE_TAG);
	read_rows(&body, s, state_rows, ARRAY_SIZE(state_rows));
	tlv_end(&body);
	tlv_end(&top);
	if (doc.fault || s->eid.n != VE_EID_LEN || s->version >= _VE_VERSION_MAX) {
		ve_state_free(s);
		return -EBADMSG;
	}
	return 0;
}

int ve_state_save(struct ve_state *s)
{
	_cleanup_(freep) uint8_t *raw = malloc(VE_STATE_MAX);
	struct tlv_out out = { raw, VE_STATE_MAX };
	struct tlv_mark m;
	size_t n;
	int r;

	if (!s->path) {
		s->dirty = false;
		return 0;
	}
	if (!raw)
		return -ENOMEM;
	m = tlv_begin(&out, STATE_TAG);
	write_rows(&out, s, state_rows, ARRAY_SIZE(state_rows));
	tlv_close(&out, m);
	r = tlv_done(&out, &n);
	if (!r)
		r = file_save(s->path, raw, n, 0600);
	explicit_bzero(raw, VE_STATE_MAX);
	if (!r)
		s->dirty = false;
	return r;
}

void ve_state_free(struct ve_state *s)
{
	clear_rows(s, state_rows, ARRAY_SIZE(state_rows));
	free(s->path);
	s->path = NULL;
}

/* What a card of ours says about itself; rsp-capability: additionalProfile, testProfileSupport. */
static const struct {
	enum ve_info field;
	const char *hex;
	enum ve_version since;
} info_defaults[] = {
	{ VE_INFO_PROFILE_VERSION, "020301" },
	{ VE_INFO_SVN, "020500" },
	{ VE_INFO_FIRMWARE, "010000" },
	{ VE_INFO_UICC_CAPABILITY, "067F36C0" },
	{ VE_INFO_TS102241, "0F0300" },
	{ VE_INFO_GLOBALPLATFORM, "020300" },
	{ VE_INFO_RSP_CAPABILITY, "0490" },
	{ VE_INFO_FORBIDDEN_PPR, "0640" },
	{ VE_INFO_PP_VERSION, "010000" },
	{ VE_INFO_SAS, "54532D544553542D30303031" },
	{ VE_INFO_IPA_MODE, "00", VE_SGP32_10 },
	/* One octet is all that is known of it. */
	{ VE_INFO_SECURITY_LEVEL, "02", VE_SGP32_13 },
};

/* iotSpecificInfo: the editions; from 1.1 on ecallSupported and fallbackSupported. */
static const char *const iot_info[_VE_VERSION_MAX] = {
	[VE_SGP32_10] = "A0050403010001",
	[VE_SGP32_11] = "A005040301010081008200",
	[VE_SGP32_12] = "A005040301020081008200",
	[VE_SGP32_13] = "A00A04030102000403010300810082008300",
};

static void set_hex(struct blob *b, const char *digits)
{
	uint8_t raw[64];
	size_t n = 0;

	if (!hex_decode(text_of(digits), raw, sizeof(raw), &n))
		blob_set(b, raw, n);
}

bool ve_eid_good(struct octets eid)
{
	unsigned rest = 0;

	if (eid.n != VE_EID_LEN)
		return false;
	for (size_t i = 0; i < eid.n; i++) {
		if (eid.p[i] >> 4 > 9 || (eid.p[i] & 15) > 9)
			return false;
		rest = (rest * 100 + (eid.p[i] >> 4) * 10 + (eid.p[i] & 15)) % 97;
	}
	return rest == 1;
}

int ve_state_init(struct ve_state *s, const char *dir, struct text eid, enum ve_version version)
{
	uint8_t raw[VE_EID_LEN];
	size_t n;
	int r;

	memset(s, 0, sizeof(*s));
	if (hex_decode(eid, raw, sizeof(raw), &n) || !ve_eid_good(octets_from(raw, n)))
		return -EINVAL;
	r = set_path(s, dir);
	if (r)
		return r;
	blob_set(&s->eid, raw, n);
	s->version = version;
	s->memory = 300000;
	s->next_seq = 1;
	s->next_token = 1;
	s->next_isdp = 0x11;
	for (size_t i = 0; i < ARRAY_SIZE(info_defaults); i++)
		if (version >= info_defaults[i].since)
			set_hex(&s->info[info_defaults[i].field], info_defaults[i].hex);
	if (iot_info[version])
		set_hex(&s->info[VE_INFO_IOT], iot_info[version]);
	blob_set(&s->root_ds, "lpa.ds.rsp.test", 15);
	return 0;
}

struct ve_profile *ve_profile_find(struct ve_state *s, enum ve_field by, struct octets value)
{
	for (size_t i = 0; i < s->n_profiles; i++)
		if (value.n && octets_same(blob_octets(&s->profiles[i].field[by]), value))
			return &s->profiles[i];
	return NULL;
}

struct ve_profile *ve_profile_enabled(struct ve_state *s)
{
	for (size_t i = 0; i < s->n_profiles; i++)
		if (s->profiles[i].enabled)
			return &s->profiles[i];
	return NULL;
}

struct ve_profile *ve_profile_add(struct ve_state *s)
{
	if (s->n_profiles == VE_PROFILES_MAX)
		return NULL;
	return &s->profiles[s->n_profiles++];
}

void ve_profile_clear(struct ve_profile *p)
{
	clear_rows(p, profile_rows, ARRAY_SIZE(profile_rows));
}

void ve_eim_clear(struct ve_eim *e)
{
	clear_rows(e, eim_rows, ARRAY_SIZE(eim_rows));
}

void ve_profile_remove(struct ve_state *s, struct ve_profile *p)
{
	struct ve_profile *end = s->profiles + s->n_profiles;

	ve_profile_clear(p);
	memmove(p, p + 1, (char *)end - (char *)(p + 1));
	memset(end - 1, 0, sizeof(*p));
	s->n_profiles--;
}

void ve_note_remove(struct ve_state *s, struct ve_note *n)
{
	struct ve_note *end = s->notes + s->n_notes;

	clear_rows(n, note_rows, ARRAY_SIZE(note_rows));
	memmove(n, n + 1, (char *)end - (char *)(n + 1));
	memset(end - 1, 0, sizeof(*n));
	s->n_notes--;
}

unsigned ve_profile_class(const struct ve_profile *p)
{
	const struct blob *class = &p->field[VE_CLASS];

	return class->n ? class->p[0] : VE_CLASS_OPERATIONAL;
}

uint32_t ve_memory_free(const struct ve_state *s)
{
	uint32_t used = 0;

	for (size_t i = 0; i < s->n_profiles; i++)
		used += s->profiles[i].size;
	return used < s->memory ? s->memory - used : 0;
}

static const char *const version_names[_VE_VERSION_MAX] = {
	[VE_SGP22] = "22",
	[VE_SGP32_10] = "1.0",
	[VE_SGP32_11] = "1.1",
	[VE_SGP32_12] = "1.2",
	[VE_SGP32_13] = "1.3",
};

const char *ve_version_name(enum ve_version v)
{
	return version_names[v];
}

int ve_version_from(struct text name, enum ve_version *ret)
{
	for (size_t i = 0; i < _VE_VERSION_MAX; i++)
		if (text_eq(name, version_names[i])) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}
