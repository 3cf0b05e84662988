/* Data requests and downloads as people write them. */
#include <errno.h>
#include <string.h>

#include "core/hex.h"
#include "sim/eim/order_words.h"
#include "sim/eim/rsp.h"

/* --- data requests ---------------------------------------------------------------------------- */

struct data_tag {
	const char *name;
	uint16_t v1_0, v1_1;            /* 0: not in that version */
};

/* GSMA SGP.32 6.3.3.1, in the order in which the answer gives them. */
static const struct data_tag data_tags[] = {
	{ "notifications", 0, 0xA0 },
	{ "default-smdp", 0x80, 0x81 },
	{ "results", 0, 0xA2 },
	{ "info1", 0xBF20, 0xBF20 },
	{ "info2", 0xBF22, 0xBF22 },
	{ "root-smds", 0x83, 0x83 },
	{ "token", 0x84, 0x84 },
	{ "eum-cert", 0xA5, 0xA5 },
	{ "euicc-cert", 0xA6, 0xA6 },
	{ "capabilities", 0x88, 0xA8 },
	{ "device", 0xA9, 0xA9 },
	{ "notifications", 0xBF2B, 0 },
};

static void add_tag(uint8_t *list, size_t *n, unsigned tag)
{
	if (tag > 0xff)
		list[(*n)++] = (uint8_t)(tag >> 8);
	if (tag)
		list[(*n)++] = (uint8_t)tag;
}

static unsigned tag_of(const char *name, enum se_version version)
{
	for (size_t i = 0; i < ARRAY_SIZE(data_tags); i++) {
		unsigned tag = version == SE_V1_0 ? data_tags[i].v1_0 : data_tags[i].v1_1;

		if (tag && !strcmp(data_tags[i].name, name))
			return tag;
	}
	return 0;
}

static int take_tags(struct se_order_words *o, enum se_version version, uint8_t list[64], size_t *n)
{
	bool all = se_order_next_is(o, "all") || !o->argc || o->argv[0][0] == '-';
	size_t k;

	for (size_t i = 0; all && i < ARRAY_SIZE(data_tags); i++)
		add_tag(list, n, version == SE_V1_0 ? data_tags[i].v1_0 : data_tags[i].v1_1);
	while (!all && o->argc && o->argv[0][0] != '-') {
		const char *word = se_order_next(o, "a tag");
		unsigned tag = tag_of(word, version);

		if (*n + 8 > 64)
			return se_order_fail(o, "data-request: too many tags");
		if (tag)
			add_tag(list, n, tag);
		else if (hex_decode(text_of(word), list + *n, 8, &k) == 0)
			*n += k;
		else
			return se_order_fail(o, "%s: no such data in this version", word);
	}
	return 0;
}

int se_order_data_request(struct se_order_words *o, enum se_version version)
{
	uint8_t list[64], ci[SE_KEY_ID_LEN], events[8];
	size_t n = 0, ci_n = 0, events_n = 0;
	uint32_t seq = 0, result_seq = 0;
	bool has_seq = false, has_result = false;
	struct tlv_mark m;
	int r = take_tags(o, version, list, &n);
	const char *s;

	while (r == 0 && o->argc) {
		if (se_order_next_is(o, "--ci")) {
			s = se_order_next(o, "a key identifier");
			r = s ? hex_decode(text_of(s), ci, sizeof(ci), &ci_n) : -EINVAL;
		} else if (se_order_next_is(o, "--seq")) {
			r = se_order_take_number(o, &seq);
			has_seq = true;
		} else if (se_order_next_is(o, "--events")) {
			s = se_order_next(o, "a bit string");
			r = s ? hex_decode(text_of(s), events, sizeof(events), &events_n) : -EINVAL;
		} else if (se_order_next_is(o, "--result-seq")) {
			r = se_order_take_number(o, &result_seq);
			has_result = true;
		} else {
			return se_order_end(o);
		}
	}
	if (r < 0)
		return o->why[0] ? r : se_order_fail(o, "data-request: expected hexadecimal digits");
	tlv_put(o->w, 0x5C, list, n);
	if (ci_n)
		tlv_put(o->w, 0x04, ci, ci_n);
	if (has_seq || events_n) {
		m = tlv_begin(o->w, 0xA1);
		if (has_seq)
			tlv_put_u32(o->w, 0x80, seq);
		else
			tlv_put(o->w, 0x81, events, events_n);
		tlv_close(o->w, m);
	}
	if (has_result) {
		m = tlv_begin(o->w, version == SE_V1_0 ? 0xA1 : 0xA2);
		tlv_put_u32(o->w, 0x80, result_seq);
		tlv_close(o->w, m);
	}
	return 0;
}

/* --- downloads -------------------------------------------------------------------------------- */

/* What the trigger says of where the profile is; with hold it says nothing. */
static int put_source(struct se_order_words *o, struct se_order *ret, bool hold)
{
	struct tlv_mark m, smds;
	const char *code;
	struct se_code parts;

	if (!hold)
		m = tlv_begin(o->w, 0xA0);
	if (se_order_next_is(o, "--default-smdp")) {
		if (hold)
			return se_order_fail(o, "--hold: the eIM does not know the card's default SM-DP+");
		tlv_put(o->w, 0x81, NULL, 0);
	} else if (se_order_next_is(o, "--smds")) {
		code = o->argc && o->argv[0][0] != '-' ? se_order_next(o, "a host name") : "";
		if (hold && !code[0])
			return se_order_fail(o, "--smds --hold: expected a host name");
		(void)text_copy(text_of(code), ret->smds, sizeof(ret->smds));
		if (!hold) {
			smds = tlv_begin(o->w, 0xA2);
			if (code[0])
				tlv_put_text(o->w, 0x80, code);
			tlv_close(o->w, smds);
		}
	} else {
		code = se_order_next(o, "an activation code");
		if (!code)
			return -EINVAL;
		/* On the wire without the "LPA:" that a QR code begins with (SGP.22 4.1). */
		code += !strncmp(code, "LPA:", 4) ? 4 : 0;
		/* One that is none may be ordered, to see what an IPA says to it; not held. */
		if ((!se_code_parse(code, &parts) && hold) ||
		    text_copy(text_of(code), ret->code, sizeof(ret->code)) < 0)
			return se_order_fail(o, "%.64s: expected an activation code of up to 255 octets", code);
		if (!hold)
			tlv_put_text(o->w, 0x80, code);
	}
	if (!hold)
		tlv_close(o->w, m);
	return 0;
}

static bool has_word(const struct se_order_words *o, const char *word)
{
	for (int i = 0; i < o->argc; i++) {
		if (!strcmp(o->argv[i], word))
			return true;
	}
	return false;
}

int se_order_download(struct se_order_words *o, struct se_order *ret)
{
	const char *s;
	int r = 0;

	if (!se_order_next_is(o, "--none"))
		r = put_source(o, ret, has_word(o, "--hold"));
	while (r == 0 && o->argc) {
		if (se_order_next_is(o, "--hold"))
			continue;
		if (se_order_next_is(o, "--direct")) {
			ret->wanted = SE_WAY_DIRECT;
		} else if (se_order_next_is(o, "--indirect")) {
			ret->wanted = SE_WAY_INDIRECT;
		} else if (se_order_next_is(o, "--confirmation-code")) {
			s = se_order_next(o, "a code");
			if (!s || text_copy(text_of(s), ret->confirmation,
					    sizeof(ret->confirmation)) < 0)
				return s ? se_order_fail(o, "--confirmation-code: too long") : -EINVAL;
		} else {
			return se_order_end(o);
		}
	}
	return r;
}
