/* Exchanges recorded on real cards, repeated with the personality that stands for each of them. */
#include "support/test.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/talk.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

#define LINE_MAX_DIGITS 1400

static void set_hex(struct blob *b, const char *digits)
{
	uint8_t raw[512];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), raw, sizeof(raw), &n), 0);
	blob_set(b, raw, n);
}

static const struct euicc_profile usual[] = {
	{ .iccid = TEXT("8900000000000000019"), .imsi = TEXT("001010000000001"),
	  .class = VE_CLASS_OPERATIONAL, .enabled = true, .size = 20000 },
	{ .iccid = TEXT("8900000000000000027"), .imsi = TEXT("001010000000002"),
	  .class = VE_CLASS_OPERATIONAL, .fallback_allowed = true, .fallback = true },
};

/* --- what the cards of the recordings had on them --------------------------------------------- */

/* Two CIs, an old svn, and the challenge that was drawn. */
static void like_5ber(struct talk *t, struct ve_state *s)
{
	static const uint8_t challenge[] = {
		0x77, 0x1d, 0xbe, 0xd0, 0xe7, 0x3d, 0xe6, 0x50,
		0x62, 0x5b, 0x7e, 0x80, 0x11, 0xa7, 0x76, 0xbf,
	};
	static const char cis[] =
		"04140B1359633D2AB469761CA9D82B2229350DB722D7"
		"041481370F5125D0B1D408D4C3B232E6D25E795BEBFB";

	set_hex(&s->info[VE_INFO_SVN], "020202");
	set_hex(&s->info[VE_INFO_CI_SIGNING], cis);
	set_hex(&s->info[VE_INFO_CI_VERIFICATION], cis);
	euicc_card_feed_random(t->card, challenge, sizeof(challenge));
	talk_isdr(t);
}

/* One eIM, associated when the card had given nineteen tokens before; as much memory as it said. */
static void like_gd(struct talk *t, struct ve_state *s)
{
	struct ve_eim *m = &s->eims[s->n_eims++];
	static const uint8_t token = 20, protocols[] = { 0x07, 0x80 }, type = 1;

	(void)t;
	s->memory = 0x040b98 + 2 * 20000;
	blob_set(&m->field[VE_EIM_ID], "1.3.6.1.4.1.99999.1.5.1.1", 25);
	blob_set(&m->field[VE_EIM_FQDN], "eim1.sm.example", 15);
	blob_set(&m->field[VE_EIM_ID_TYPE], &type, 1);
	blob_set(&m->field[VE_EIM_TOKEN], &token, 1);
	blob_set(&m->field[VE_EIM_PROTOCOLS], protocols, sizeof(protocols));
	set_hex(&m->field[VE_EIM_CI], "F54172BDF98A95D65CBEB88A38A1C11D800A85C3");
	set_hex(&m->field[VE_EIM_KEY],
		"A059301306072A8648CE3D020106082A8648CE3D030107034200046FF22E775FEA4ABBBDF8C9E62B6AA9"
		"E3849CBADCFFBDB959A826CF35CC9F47AD00F70572BEE27707F69F4CEDB5272D047024B4688D873AC911"
		"1F331A453C3188");
	set_hex(&m->field[VE_EIM_TLS],
		"A059301306072A8648CE3D020106082A8648CE3D03010703420004DDE262E0D2E81AC8666E6706944EE1"
		"0B49B2AB63ED5D4E0B44658DB02B9C22F341370758BC03B9E07C04DC8963A40D81AFFBEB39765C92BF8D"
		"D17074348B85CE");
	m->indirect = 1;
}

/* A profile was enabled by a package before: here by the card's own fallback. */
static void switch_on(struct talk *t, unsigned channel)
{
	t->channel = channel;
	assert_string_equal(talk_es10(t, "BF5D038001FF"), "BF5D03800100");
}

static void switched(struct talk *t, struct ve_state *s)
{
	(void)s;
	talk(t, "00A4040010" TALK_ISDR);
	switch_on(t, 0);
}

static void switched_on_channel_1(struct talk *t, struct ve_state *s)
{
	(void)s;
	switch_on(t, 1);
}

static void svn_222(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_hex(&s->info[VE_INFO_SVN], "020202");
}

static void on_channel_1(struct talk *t, struct ve_state *s)
{
	(void)s;
	talk_isdr(t);
	assert_int_equal(t->channel, 1);
}

static void opened(struct talk *t, struct ve_state *s)
{
	(void)s;
	assert_string_equal(talk(t, "0070000001"), "019000");
}

static const struct recording {
	const char *file;
	const char *personality;
	const char *eid;
	void (*before)(struct talk *t, struct ve_state *s);
	bool fetch;             /* the reader followed 61xx by itself */
	bool inferred_61;       /* what was announced is not from the recording */
	const char *leave_out;  /* a command that needs its secrets: the beginning of it */
	void (*instead)(struct talk *t, struct ve_state *s);
	size_t profiles;
	unsigned compared;      /* answers that must have been compared */
} recordings[] = {
	{ "card-gd-sgp32-select-eim", "iot-gd-25", "89049032100000000000000020000246", like_gd,
	  .fetch = true, .profiles = 2, .compared = 15 },
	{ "card-gd-sgp32-enable-package", "iot-silent-6985",
	  "89049032000000000000000010000184", opened, .profiles = 2, .compared = 6,
	  .leave_out = "81E291008EBF51", .instead = switched_on_channel_1 },
	{ "card-5ber-euiccinfo1", "classic-consumer", NULL, like_5ber, .compared = 4 },
	{ "card-a-refresh-910b", "iot-refresh-910b", NULL, switched, .profiles = 2,
	  .compared = 5, .inferred_61 = true },
	{ "card-bf2b-malformed-127", "classic-consumer", NULL, on_channel_1, .compared = 2 },
	{ "card-esimme-enable-by-aid", "ecp-enable-aid-only", NULL, NULL, .profiles = 2,
	  .compared = 3 },
	{ "card-kigen-fci-6e00", "fci-not-readable", "89044045930000000000000040000437", opened,
	  .inferred_61 = true, .compared = 4 },
	{ "card-unknown-isdr-basic-only", "basic-channel-only", NULL, svn_222, .fetch = true,
	  .compared = 2 },
};

/* --- reading a recording ---------------------------------------------------------------------- */

/* "AT+CSIM=42,"01A4…"" and "+CSIM: 4,"6120"" carry APDUs between quotes; other lines are APDUs. */
static struct text apdu_of(struct text line)
{
	if (text_starts(line, "AT+CSIM=") || text_starts(line, "+CSIM:")) {
		line = text_skip(line, text_find(line, '"') + 1);
		line.n = text_find(line, '"');
	}
	return line;
}

static bool same_answer(const struct recording *r, const char *got, struct text want)
{
	if (r->inferred_61 && text_starts(want, "61"))
		return !strncmp(got, "61", 2) && strlen(got) == 4;
	return text_case_eq(want, got);
}

static unsigned replay(const struct recording *r, struct talk *t)
{
	char path[128];
	_cleanup_(freep) char *file = NULL;
	const char *got = NULL;
	struct text rest;
	unsigned compared = 0;
	size_t n;

	snprintf(path, sizeof(path), "tests/vectors/real/%s.chat", r->file);
	file = vectors_load(path, &n);
	rest = text_from(file, n);
	while (rest.n) {
		struct text line = text_trim(text_cut(&rest, '\n'));
		struct text body = apdu_of(text_trim(text_skip(line, 1)));
		char apdu[LINE_MAX_DIGITS];

		if (text_starts(line, ">")) {
			got = NULL;
			if (!text_all_hex(body) || text_copy(body, apdu, sizeof(apdu)))
				continue;
			if (r->leave_out && text_starts(body, r->leave_out)) {
				if (r->instead)
					r->instead(t, NULL);
				/* Its answer, the fetching of it and what that gave. */
				for (int i = 0; i < 3; i++)
					text_cut(&rest, '\n');
				continue;
			}
			got = talk(t, apdu);
		} else if (text_starts(line, "<") && got && text_all_hex(body)) {
			if (!same_answer(r, got, body))
				fail_msg("%s: got %s, recorded " TEXT_FMT, r->file, got,
					 TEXT_ARG(body));
			compared++;
			got = NULL;
		}
	}
	return compared;
}

static void recordings_are_repeated(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(recordings); i++) {
		const struct recording *r = &recordings[i];
		struct euicc_recipe recipe = {
			.eid = text_of(r->eid ? r->eid : "89049032123451234512345678901235"),
			.personality = r->personality, .version = _VE_VERSION_MAX,
			.profiles = usual, .n_profiles = r->profiles,
		};
		struct talk t;
		unsigned compared;

		talk_make(&t, &recipe);
		talk_open(&t, NULL);
		if (r->before)
			r->before(&t, euicc_card_state(t.card));
		t.fetch = r->fetch;
		compared = replay(r, &t);
		if (compared != r->compared)
			fail_msg("%s: %u answers compared, not %u", r->file, compared,
				 r->compared);
		talk_close(&t);
	}
}

/* --- a test card in a reader, apdu-recorded-card.json ----------------------------------------- */

static void recorded_test_card_is_repeated(void **state)
{
	struct euicc_recipe recipe = {
		.eid = TEXT("89049032123451234512345678901235"), .version = _VE_VERSION_MAX,
	};
	_cleanup_(freep) char *file =
		vectors_load("tests/vectors/rsp/apdu-recorded-card.json", NULL);
	struct json_object *doc = json_tokener_parse(file), *list;
	struct talk t;
	struct ve_state *s;

	(void)state;
	assert_true(json_object_object_get_ex(doc, "apdus", &list));
	talk_make(&t, &recipe);
	talk_open(&t, NULL);
	s = euicc_card_state(t.card);
	set_hex(&s->info[VE_INFO_SVN], "020200");
	/* As long as that card's: a label and a host that were longer than ours. */
	set_hex(&s->info[VE_INFO_CERTIFICATION],
		"801F30303030303030303030303030303030303030303030303030303030303030"
		"81243030303030303030303030303030303030303030303030303030303030303030"
		"3030303030");
	set_hex(&s->info[VE_INFO_CI_SIGNING],
		"0414F54172BDF98A95D65CBEB88A38A1C11D800A85C3"
		"0414F54172BDF98A95D65CBEB88A38A1C11D800A85C4");
	blob_copy(&s->info[VE_INFO_CI_VERIFICATION], blob_octets(&s->info[VE_INFO_CI_SIGNING]));
	blob_set(&s->info[VE_INFO_SAS], "0000000000000000000", 19);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i), *c, *r;
		const char *got;

		assert_true(json_object_object_get_ex(one, "c", &c));
		assert_true(json_object_object_get_ex(one, "r", &r));
		got = talk(&t, json_object_get_string(c));
		if (strcasecmp(got, json_object_get_string(r)))
			fail_msg("%s: got %s, recorded %s", json_object_get_string(c), got,
				 json_object_get_string(r));
	}
	json_object_put(doc);
	talk_close(&t);
}

/* Without an enabled profile the card shows the default ICCID. */
static void card_without_profile_has_the_default_iccid(void **state)
{
	struct euicc_recipe recipe = {
		.eid = TEXT("89049032123451234512345678901235"), .version = _VE_VERSION_MAX,
	};
	struct talk t;

	(void)state;
	talk_make(&t, &recipe);
	talk_open(&t, NULL);
	talk(&t, "00A40004022FE2");
	assert_int_equal(talk_sw(&t) >> 8, 0x61);
	assert_string_equal(talk(&t, "00B000000A"), "980010325476981032859000");
	talk_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recordings_are_repeated),
		cmocka_unit_test(recorded_test_card_is_repeated),
		cmocka_unit_test(card_without_profile_has_the_default_iccid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
