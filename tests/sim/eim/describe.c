#include "sim/eim/describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"

void se_words_add(struct se_words *w, const char *fmt, ...)
{
	va_list args;
	int n;

	if (w->n + 4 >= w->cap)
		return;
	va_start(args, fmt);
	n = vsnprintf(w->s + w->n, w->cap - w->n, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= w->cap - w->n) {
		memcpy(w->s + w->cap - 4, "…", 4);
		w->n = w->cap - 1;
		return;
	}
	w->n += (size_t)n;
}

/* --- codes ------------------------------------------------------------------------------------ */

struct code {
	uint8_t code;
	const char *name;
};

static const char *code_name(const struct code *codes, uint32_t code)
{
	for (; codes->name; codes++) {
		if (codes->code == code)
			return codes->name;
	}
	return code == 127 ? "undefinedError" : "?";
}

static const struct code enable_codes[] = {
	{ 1, "iccidOrAidNotFound" }, { 2, "profileNotInDisabledState" },
	{ 3, "disallowedByPolicy" }, { 5, "catBusy" },
	{ 20, "rollbackNotAvailable" }, { 0, NULL },
};

static const struct code disable_codes[] = {
	{ 1, "iccidOrAidNotFound" }, { 2, "profileNotInEnabledState" }, { 3, "disallowedByPolicy" },
	{ 5, "catBusy" }, { 0, NULL },
};

static const struct code delete_codes[] = {
	{ 1, "iccidOrAidNotFound" }, { 2, "profileNotInDisabledState" },
	{ 3, "disallowedByPolicy" }, { 20, "rollbackNotAvailable" },
	{ 21, "returnFallbackProfile" }, { 0, NULL },
};

static const struct code list_codes[] = {
	{ 1, "incorrectInputValues" }, { 11, "profileChangeOngoing" }, { 0, NULL },
};

static const struct code immediate_codes[] = {
	{ 1, "insufficientMemory" }, { 7, "commandError" }, { 0, NULL },
};

static const struct code add_eim_codes[] = {
	{ 1, "insufficientMemory" },
	{ 2, "associatedEimAlreadyExists" },
	{ 3, "ciPKUnknown" },
	{ 5, "invalidAssociationToken" },
	{ 6, "counterValueOutOfRange" },
	{ 7, "commandError" },
	{ 0, NULL },
};

static const struct code delete_eim_codes[] = {
	{ 1, "eimNotFound" }, { 2, "lastEimDeleted" }, { 7, "commandError" }, { 0, NULL },
};

static const struct code update_eim_codes[] = {
	{ 1, "eimNotFound" }, { 3, "ciPKUnknown" }, { 6, "counterValueOutOfRange" },
	{ 7, "commandError" }, { 0, NULL },
};

static const struct code no_codes[] = { { 7, "commandError" }, { 0, NULL } };

static const struct code set_fallback_codes[] = {
	{ 1, "iccidOrAidNotFound" },
	{ 2, "fallbackNotAllowed" },
	{ 3, "fallbackProfileEnabled" },
	{ 0, NULL },
};

static const struct code unset_fallback_codes[] = {
	{ 2, "noFallbackAttribute" },
	{ 3, "fallbackProfileEnabled" },
	{ 7, "commandError" },
	{ 0, NULL },
};

static const struct code terminated_codes[] = {
	{ 1, "resultSizeOverflow" },
	{ 2, "unknownOrDamagedCommand" },
	{ 3, "interruption" },
	{ 0, NULL },
};

static const struct code package_codes[] = {
	{ 3, "invalidEid" }, { 4, "replayError" }, { 6, "counterValueOutOfRange" },
	{ 15, "sizeOverflow" }, { 104, "ecallActive" }, { 0, NULL },
};

const char *se_describe_package_error(uint32_t code)
{
	return code_name(package_codes, code);
}

/* Results that are one code. */
struct result {
	uint32_t tag;
	const char *name;
	const struct code *codes;
	uint32_t also_good;             /* a code besides 0 that is a success */
};

static const struct result results[] = {
	{ 0x83, "enable", enable_codes, 0 },
	{ 0x84, "disable", disable_codes, 0 },
	{ 0x85, "delete", delete_codes, 0 },
	{ 0x87, "immediate-enable", immediate_codes, 0 },
	{ 0x89, "delete-eim", delete_eim_codes, 2 },
	{ 0x8A, "update-eim", update_eim_codes, 0 },
	{ 0x8C, "rollback", no_codes, 0 },
	{ 0x8D, "set-fallback", set_fallback_codes, 0 },
	{ 0x8E, "unset-fallback", unset_fallback_codes, 0 },
};

static void say_code(struct se_words *w, const struct result *r, uint32_t code, bool *error)
{
	if (code == 0)
		se_words_add(w, "%s ok", r->name);
	else
		se_words_add(w, "%s %s(%u)", r->name, code_name(r->codes, code), code);
	*error |= code != 0 && code != r->also_good;
}

/* --- those that are more ---------------------------------------------------------------------- */

static void say_profiles(struct tlv body, struct se_words *w, bool *error)
{
	bool there;
	struct tlv list = tlv_enter_maybe(&body, 0xA0, &there);
	unsigned n = 0;

	if (!there) {
		uint32_t code = tlv_maybe_u32(&body, 0x81, 127);

		se_words_add(w, "list-profiles %s(%u)", code_name(list_codes, code), code);
		*error = true;
		return;
	}
	se_words_add(w, "list-profiles");
	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0xE3);
		struct octets iccid = { NULL, 0 };
		uint32_t state = 2;
		char digits[24];

		while (tlv_more(&one)) {
			if (tlv_peek(&one) == 0x5A)
				iccid = tlv_take(&one, 0x5A);
			else if (tlv_peek(&one) == 0x9F70)
				state = tlv_take_u32(&one, 0x9F70);
			else
				tlv_skip(&one);
		}
		se_iccid_text(iccid, digits);
		se_words_add(w, "%s %s%s", n++ ? "," : "", digits[0] ? digits : "?",
			     state == 1 ? " enabled" : state == 0 ? " disabled" : "");
	}
	if (!n)
		se_words_add(w, " none");
}

static void say_add_eim(struct tlv body, struct se_words *w, bool *error)
{
	static const struct result row = { 0xA8, "add-eim", add_eim_codes, 0 };

	if (tlv_peek(&body) == 0x84)
		se_words_add(w, "add-eim ok, token %d", tlv_take_i32(&body, 0x84));
	else
		say_code(w, &row, tlv_take_u32(&body, 0x02), error);
}

static void say_list_eim(struct tlv body, struct se_words *w, bool *error)
{
	bool there;
	struct tlv list = tlv_enter_maybe(&body, 0xA0, &there);
	unsigned n = 0;

	if (!there) {
		se_words_add(w, "list-eim error(%u)", tlv_maybe_u32(&body, 0x81, 127));
		*error = true;
		return;
	}
	se_words_add(w, "list-eim");
	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);
		struct octets id = tlv_take(&one, 0x80);
		char name[64];

		text_escape(id.p, id.n, name, sizeof(name));
		se_words_add(w, "%s %s", n++ ? "," : "", name);
	}
	if (!n)
		se_words_add(w, " none");
}

static void say_rat(struct tlv body, struct se_words *w)
{
	unsigned n = 0;

	for (; tlv_more(&body); n++)
		tlv_skip(&body);
	se_words_add(w, "get-rat %u rule%s", n, n == 1 ? "" : "s");
}

static const struct result *find_result(uint32_t tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		if (results[i].tag == tag)
			return &results[i];
	}
	return NULL;
}

static void say_one(struct tlv *list, struct se_words *w, bool *error, char *profiles)
{
	static const struct result default_dp = { 0xBF65, "set-default-dp", no_codes, 0 };
	uint32_t tag = tlv_peek(list), code;
	const struct result *row = find_result(tag);
	size_t from = w->n;
	struct tlv body;

	if (row) {
		say_code(w, row, tlv_take_u32(list, tag), error);
		return;
	}
	switch (tag) {
	case 0xBF2D:
		say_profiles(tlv_enter(list, tag), w, error);
		if (profiles)
			snprintf(profiles, SE_OUTCOME_MAX, "%s", w->s + MIN(from, w->n));
		break;
	case 0xA6:
		say_rat(tlv_enter(list, tag), w);
		break;
	case 0xA8:
		say_add_eim(tlv_enter(list, tag), w, error);
		break;
	case 0xAB:
		say_list_eim(tlv_enter(list, tag), w, error);
		break;
	case 0xBF65:
		body = tlv_enter(list, tag);
		say_code(w, &default_dp, tlv_take_u32(&body, 0x80), error);
		break;
	case 0x02:
		code = tlv_take_u32(list, 0x02);
		se_words_add(w, "terminated %s(%u)", code_name(terminated_codes, code), code);
		*error = true;
		break;
	default:
		se_words_add(w, "unknown result %X", tag);
		*error = true;
		tlv_skip(list);
	}
}

void se_describe_results(struct tlv list, struct se_words *w, bool *error, bool *rolled,
			 char *profiles)
{
	for (unsigned n = 0; tlv_more(&list); n++) {
		if (n)
			se_words_add(w, "; ");
		if (tlv_peek(&list) == 0x8C)
			*rolled = true;
		say_one(&list, w, error, profiles);
	}
}

bool se_describe_installation(struct tlv data, struct se_words *w)
{
	bool there;
	struct tlv final = { .doc = data.doc }, good, bad;
	uint32_t command, reason;

	while (tlv_more(&data)) {
		if (tlv_peek(&data) == 0xA2)
			final = tlv_enter(&data, 0xA2);
		else
			tlv_skip(&data);
	}
	good = tlv_enter_maybe(&final, 0xA0, &there);
	if (there) {
		struct octets aid = tlv_maybe(&good, 0x4F);
		char hex[40] = "";

		if (aid.n <= 16)
			hex_encode(aid.p, aid.n, hex, sizeof(hex));
		se_words_add(w, "installed as %s", hex);
		return true;
	}
	bad = tlv_enter_maybe(&final, 0xA1, &there);
	command = tlv_maybe_u32(&bad, 0x80, 255);
	reason = tlv_maybe_u32(&bad, 0x81, 127);
	se_words_add(w, "not installed, command %u reason %u", command, reason);
	return false;
}

const char *se_describe_event(struct octets bits)
{
	/* Some cards send a wrong count of unused bits: only the bits are looked at. */
	uint8_t b = bits.n >= 2 ? bits.p[1] : 0;

	if (b & 0x80)
		return "install";
	if (b & 0x40)
		return "enable";
	if (b & 0x20)
		return "disable";
	return b & 0x10 ? "delete" : "?";
}
