/*
 * The functions of the ISD-R against the written vectors: each request on a card that was brought
 * into the situation which its answer tells of.
 */
#include "support/test.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/inner.h"
#include "support/talk.h"
#include "support/vectors.h"
#include "unit/fake_ev.h"

#define SGP32_EID "89049032123451234512345678901235"
#define ICCID_A "5A0A98001032547698103214"
#define ICCID_B "5A0A98001032547698103224"

static void set_hex(struct blob *b, const char *digits)
{
	static uint8_t raw[8192];
	size_t n;

	assert_int_equal(hex_decode(text_of(digits), raw, sizeof(raw), &n), 0);
	blob_set(b, raw, n);
}

static void set_text(struct blob *b, const char *s)
{
	blob_set(b, s, strlen(s));
}

typedef void (*prepare_fn)(struct talk *t, struct ve_state *s);

/* --- es10.json -------------------------------------------------------------------------------- */

static const struct euicc_profile rsp_profile = {
	.iccid = TEXT("8900000000000000011"), .provider = TEXT("Test Operator"),
	.name = TEXT("Test Profile A"), .class = VE_CLASS_OPERATIONAL,
	.notify = TEXT("smdpp.rsp.test"),
};

static void put(struct ve_state *s, const struct euicc_profile *p)
{
	char why[EUICC_WHY_MAX];

	assert_int_equal(euicc_profile_put(s, p, why), 0);
}

static void with_info(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_hex(&s->info[VE_INFO_RESOURCES], "8101008204000080008304" "00004000");
	set_hex(&s->info[VE_INFO_IOT], "A0050403010200");
	set_text(&s->info[VE_INFO_SAS], "TEST-0001");
}

static void with_challenge(struct talk *t, struct ve_state *s)
{
	struct blob b = { 0 };

	(void)s;
	set_hex(&b, "7cdc4ad3bf4e4cef9c363b6c54d62043");
	euicc_card_feed_random(t->card, b.p, b.n);
	blob_clear(&b);
}

static void with_addresses(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_text(&s->default_dp, "smdpp.rsp.test");
	set_text(&s->root_ds, "smds.rsp.test");
}

static void with_profile(struct talk *t, struct ve_state *s)
{
	(void)t;
	put(s, &rsp_profile);
}

static void with_enabled(struct talk *t, struct ve_state *s)
{
	with_profile(t, s);
	s->profiles[0].enabled = 1;
}

static void with_rat(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_hex(&s->rat, "301180020560a10730058003eeeeee82020780");
}

/* Number 1 was the installation's, which has been delivered; 2 tells that it was enabled. */
static void with_note(struct talk *t, struct ve_state *s)
{
	with_profile(t, s);
	s->next_seq = 2;
	assert_string_equal(talk_es10(t, "bf3111a00c5a0a980000000000000010f1810100"),
			    "BF3103800100");
	assert_int_equal(s->n_notes, 1);
}

static const struct pair {
	const char *name;
	enum ve_version version;
	prepare_fn prepare;
} pairs[] = {
	{ "GetEuiccInfo1", VE_SGP32_12, with_info },
	{ "GetEuiccInfo2", VE_SGP32_12, with_info },
	{ "GetEuiccChallenge", VE_SGP32_12, with_challenge },
	{ "GetEID", VE_SGP22, NULL },
	{ "GetEuiccConfiguredAddresses", VE_SGP32_12, with_addresses },
	{ "SetDefaultDpAddress", VE_SGP22, NULL },
	{ "GetProfilesInfo, none", VE_SGP22, NULL },
	{ "GetProfilesInfo, one disabled", VE_SGP22, with_profile },
	{ "GetProfilesInfo by ICCID, tags 5A 9F70", VE_SGP22, with_profile },
	{ "EnableProfile by ICCID, refresh", VE_SGP22, with_profile },
	{ "EnableProfile by AID, no refresh", VE_SGP22, with_profile },
	{ "EnableProfile, already enabled", VE_SGP22, with_enabled },
	{ "DisableProfile by ICCID, refresh", VE_SGP22, with_enabled },
	{ "DeleteProfile by ICCID", VE_SGP22, with_profile },
	{ "DeleteProfile, still enabled", VE_SGP22, with_enabled },
	{ "SetNickname", VE_SGP22, with_profile },
	{ "MemoryReset, all", VE_SGP22, with_profile },
	{ "MemoryReset, nothing to delete", VE_SGP22, with_profile },
	{ "GetRAT", VE_SGP22, NULL },
	{ "GetRAT, one rule: ppr1+ppr2 any operator, consent", VE_SGP22, with_rat },
	{ "ListNotification, none", VE_SGP22, NULL },
	{ "ListNotification, one", VE_SGP22, with_note },
	{ "ListNotification, only enable", VE_SGP22, with_note },
	{ "RetrieveNotificationsList by number", VE_SGP22, with_note },
	{ "RetrieveNotificationsList, none", VE_SGP22, NULL },
	{ "RemoveNotificationFromList", VE_SGP22, with_note },
	{ "RemoveNotificationFromList, unknown", VE_SGP22, with_note },
};

/* Downloads and sessions have their own tests. */
static const char *const elsewhere[] = {
	"RetrieveNotificationsList all, install result only", "CancelSession",
	"CancelSession, wrong transaction",
};

static bool is_elsewhere(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (!strcmp(elsewhere[i], name))
			return true;
	return false;
}

static const struct pair *pair_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!strcmp(pairs[i].name, name))
			return &pairs[i];
	fail_msg("no situation for the pair \"%s\"", name);
	return NULL;
}

static const char *member(struct json_object *o, const char *name)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, name, &v));
	return json_object_get_string(v);
}

static void run_pair(const struct pair *p, struct json_object *one)
{
	struct euicc_recipe r = {
		.version = p->version,
		.pki = { "tests/vectors/rsp/pki/nist", "tests/vectors/rsp/pki/brp" },
	};
	struct talk t;
	const char *got;

	talk_make(&t, &r);
	talk_open(&t, NULL);
	talk_isdr(&t);
	if (p->prepare)
		p->prepare(&t, euicc_card_state(t.card));
	got = talk_es10(&t, member(one, "request"));
	if (strcasecmp(got, member(one, "response")))
		fail_msg("%s: got %s, expected %s", p->name, got, member(one, "response"));
	talk_close(&t);
}

static void written_pairs_are_answered(void **state)
{
	_cleanup_(freep) char *file = vectors_load("tests/vectors/rsp/es10.json", NULL);
	struct json_object *doc = json_tokener_parse(file), *list;
	size_t n = 0;

	(void)state;
	assert_true(json_object_object_get_ex(doc, "pairs", &list));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (is_elsewhere(member(one, "name")))
			continue;
		run_pair(pair_named(member(one, "name")), one);
		n++;
	}
	assert_int_equal(n, ARRAY_SIZE(pairs));
	json_object_put(doc);
}

/* --- the worked examples of SGP.32 ------------------------------------------------------------ */

#define ROWS_MAX 400

static struct row {
	struct text section, label, title, hex;
} rows[ROWS_MAX];
static size_t n_rows;
static char *examples;

static int load_examples(void **state)
{
	struct text rest;
	size_t n;

	(void)state;
	examples = vectors_load("tests/vectors/sgp32/examples.tsv", &n);
	rest = text_from(examples, n);
	while (rest.n) {
		struct text line = text_cut(&rest, '\n');
		struct row *r = &rows[n_rows];

		if (!line.n)
			continue;
		assert_true(n_rows < ROWS_MAX);
		r->section = text_cut(&line, '\t');
		r->label = text_cut(&line, '\t');
		r->title = text_cut(&line, '\t');
		r->hex = text_trim(line);
		n_rows++;
	}
	return 0;
}

static int free_examples(void **state)
{
	(void)state;
	free(examples);
	return 0;
}

static size_t row_at(const char *section, const char *title)
{
	for (size_t i = 0; i < n_rows; i++)
		if (text_eq(rows[i].section, section) && text_starts(rows[i].title, title))
			return i;
	fail_msg("no example \"%s\" in %s", title, section);
	return 0;
}

static const char *hex_of(size_t row)
{
	static char digits[2][16384];
	static unsigned next;
	char *dst = digits[next++ % 2];

	assert_true(row < n_rows);
	assert_int_equal(text_copy(rows[row].hex, dst, sizeof(digits[0])), 0);
	return dst;
}

/* What is written above a constant, without a label: the last column of 15.1. */
static void set_example(struct blob *b, const char *section, const char *title)
{
	set_hex(b, hex_of(row_at(section, title)));
}

static const struct euicc_profile profile_a = {
	.iccid = TEXT("89000123456789012341"), .provider = TEXT("SP"), .name = TEXT("A"),
	.class = VE_CLASS_OPERATIONAL, .enabled = true, .notify = TEXT("dp.example"),
};
static const struct euicc_profile profile_b = {
	.iccid = TEXT("89000123456789012342"), .provider = TEXT("SP"), .name = TEXT("B"),
	.class = VE_CLASS_OPERATIONAL, .fallback = true, .fallback_allowed = true,
};

static void have_addresses(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_text(&s->default_dp, "dp.example");
	set_text(&s->root_ds, "ds.example");
}

static void have_root_only(struct talk *t, struct ve_state *s)
{
	(void)t;
	set_text(&s->root_ds, "ds.example");
}

static void have_challenge(struct talk *t, struct ve_state *s)
{
	uint8_t counting[16];

	(void)s;
	for (unsigned i = 0; i < sizeof(counting); i++)
		counting[i] = i + 1;
	euicc_card_feed_random(t->card, counting, sizeof(counting));
}

static void have_both(struct talk *t, struct ve_state *s)
{
	(void)t;
	put(s, &profile_a);
	put(s, &profile_b);
}

static void have_change(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	assert_string_equal(talk_es10(t, "BF5D038001FF"), "BF5D03800100");
	assert_int_equal(s->switch_pending, 1);
}

static void have_disabled(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	s->next_seq = 20;
	assert_string_equal(talk_es10(t, "BF3211A00C" ICCID_A "810100"), "BF3203800100");
}

static void have_note_21(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	s->next_seq = 21;
	assert_string_equal(talk_es10(t, "BF3211A00C" ICCID_A "810100"), "BF3203800100");
}

static void have_result(struct talk *t, struct ve_state *s)
{
	struct ve_note *n = &s->notes[s->n_notes++];

	(void)t;
	n->seq = 21;
	n->kind = VE_NOTE_PACKAGE;
	/* BF51 whole: what stands in the answer behind BF2B 81 8F A2 81 8C. */
	set_hex(&n->whole, hex_of(row_at("15.9", "RetrieveNotificationsList response, one")) + 14);
	/* And a notification, which is not asked for. */
	n = &s->notes[s->n_notes++];
	n->seq = 22;
	n->kind = VE_NOTE_OTHER;
	n->event = 0x40;
	set_hex(&n->whole, "3000");
}

static void have_rat(struct talk *t, struct ve_state *s)
{
	with_rat(t, s);
}

static void have_certificates(struct talk *t, struct ve_state *s)
{
	struct ve_credential *c = &s->credentials[s->n_credentials++];

	(void)t;
	set_example(&c->eum, "15.1", "CERT_EUM");
	set_example(&c->euicc, "15.1", "CERT_EUICC");
	set_example(&c->key, "15.1", "EUICC");
}

static void have_eim(struct talk *t, struct ve_state *s)
{
	(void)s;
	assert_string_equal(talk_es10(t, hex_of(row_at("15.5", "AddInitialEimRequest"))),
			    "BF5705A003840101");
}

static void have_download(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	assert_string_equal(talk_es10(t, "BF5912800081022A03820A64702E6578616D706C65"),
			    "BF5903800100");
	s->downloaded = 1;
	blob_copy(&s->downloaded_aid, blob_octets(&s->profiles[1].field[VE_AID]));
	set_hex(&s->downloaded_oid, "2A03");
	set_text(&s->downloaded_address, "dp.example");
}

static void have_ecall(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	s->emergency_active = 1;
}

static void have_opaque(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	set_hex(&s->profiles[0].field[VE_CONNECTIVITY], "AABBCC");
}

static void have_apn(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	set_hex(&s->profiles[0].field[VE_CONNECTIVITY], "350103470908696E7465726E6574");
}

static void have_everything(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	have_addresses(t, s);
	have_eim(t, s);
}

static void busy_once(struct talk *t, struct ve_state *s)
{
	have_both(t, s);
	talk_shut(t);
	talk_open(t, "cat-busy-once");
	s = euicc_card_state(t->card);
	have_both(t, s);
	talk_isdr(t);
}

static const struct example {
	const char *section, *request;
	int answer;             /* how many rows below the request; 0: see literal */
	const char *literal;
	enum ve_version version;
	prepare_fn prepare;
} table[] = {
	{ "15.9", "GetEID request", 1, NULL, VE_SGP32_12, NULL },
	{ "15.9", "GetEuiccConfiguredAddresses request", 1, NULL, VE_SGP32_12, have_addresses },
	{ "15.9", "GetEuiccConfiguredAddresses request", 2, NULL, VE_SGP32_12, have_root_only },
	{ "15.9", "SetDefaultDpAddress, consumer card", 1, NULL, VE_SGP22, NULL },
	{ "15.9", "SetDefaultDpAddress, consumer card", 0, "6A88", VE_SGP32_12, NULL },
	{ "15.9", "SetDefaultDpAddress, IoT card", 1, NULL, VE_SGP32_12, NULL },
	{ "15.9", "SetDefaultDpAddress, IoT card", 0, "6A88", VE_SGP22, NULL },
	{ "15.9", "SetDefaultDpAddress, clear", 0, "BF3F03800100", VE_SGP22, have_addresses },
	{ "15.9", "SetDefaultDpAddress \"x\" request", 0, "BF3F03800100", VE_SGP22, NULL },
	{ "15.9", "GetEUICCChallenge request", 1, NULL, VE_SGP32_12, have_challenge },
	{ "15.9", "GetProfilesInfo, all SGP.32 tags", 1, NULL, VE_SGP32_12, have_both },
	{ "15.9", "GetProfilesInfo, all SGP.32 tags", 2, NULL, VE_SGP32_12, have_change },
	{ "15.9", "GetProfilesInfo, ICCID and state only", 0,
	  "BF2D26A024E310" ICCID_A "9F700101E310" ICCID_B "9F700100", VE_SGP32_12, have_both },
	{ "15.9", "ListNotification request", 1, NULL, VE_SGP22, have_disabled },
	{ "15.9", "RetrieveNotificationsList request (notifications)", 0, "BF2B02A000", VE_SGP32_12,
	  NULL },
	{ "15.9", "RetrieveNotificationsList request (seq 21)", 3, NULL, VE_SGP32_12, have_result },
	{ "15.9", "RetrieveNotificationsList request (enable events)", 0, "BF2B04A0023000",
	  VE_SGP32_12, have_result },
	{ "15.9", "RetrieveNotificationsList request (package results)", 1, NULL, VE_SGP32_12,
	  have_result },
	{ "15.9", "RetrieveNotificationsList request (package results)", 0, "BF2B02A200",
	  VE_SGP32_12, NULL },
	{ "15.9", "RetrieveNotificationsList request (package results)", 0, "BF2B0381017F",
	  VE_SGP22, NULL },
	{ "15.9", "RemoveNotificationFromList request (21)", 1, NULL, VE_SGP32_12, have_result },
	{ "15.9", "RemoveNotificationFromList request (21)", 1, NULL, VE_SGP22, have_note_21 },
	{ "15.9", "RemoveNotificationFromList request (21)", 2, NULL, VE_SGP32_12, NULL },
	{ "15.9", "GetRAT request", 1, NULL, VE_SGP32_12, have_rat },
	{ "15.9", "GetCerts request, any CI", 33, NULL, VE_SGP32_12, have_certificates },
	{ "15.9", "GetCerts request, given CI", 1, NULL, VE_SGP32_12, NULL },
	{ "15.9", "ProfileRollback request (REFRESH wanted)", 1, NULL, VE_SGP32_12, have_both },
	{ "15.9", "ConfigureImmediateProfileEnabling (flag, 1.2.3", 0, "BF5903800100", VE_SGP32_12,
	  NULL },
	{ "15.9", "ConfigureImmediateProfileEnabling (flag, 2.999", 1, NULL, VE_SGP32_12,
	  have_eim },
	{ "15.9", "ImmediateEnable (no REFRESH)", 1, NULL, VE_SGP32_12, have_download },
	{ "15.9", "ImmediateEnable (no REFRESH)", 0, "BF5A03800101", VE_SGP32_12, NULL },
	{ "15.9", "EnableEmergencyProfile (REFRESH)", 1, NULL, VE_SGP32_12, have_both },
	{ "15.9", "DisableEmergencyProfile", 0, "BF5C03800102", VE_SGP32_12, have_both },
	{ "15.9", "DisableEmergencyProfile", 0, "BF5C03800108", VE_SGP32_13, have_both },
	{ "15.9", "ExecuteFallbackMechanism (REFRESH)", 1, NULL, VE_SGP32_12, have_both },
	{ "15.9", "ExecuteFallbackMechanism (REFRESH)", 2, NULL, VE_SGP32_12, have_ecall },
	{ "15.9", "ReturnFromFallback (REFRESH)", 1, NULL, VE_SGP32_12, have_both },
	{ "15.9", "GetConnectivityParameters request", 1, NULL, VE_SGP32_12, have_opaque },
	{ "15.9", "GetConnectivityParameters request", 2, NULL, VE_SGP32_12, have_apn },
	{ "15.9", "GetConnectivityParameters request", 3, NULL, VE_SGP32_12, have_both },
	{ "15.9", "eUICCMemoryReset v1.1+", 1, NULL, VE_SGP32_12, have_everything },
	{ "15.9", "IpaeActivation", 1, NULL, VE_SGP32_12, NULL },
	{ "15.9", "EnableProfile (consumer", 1, NULL, VE_SGP22, busy_once },
	{ "15.9", "EnableProfile (consumer", 0, "BF3103800100", VE_SGP22, have_both },
	{ "15.9", "EnableProfile (consumer", 0, "6A88", VE_SGP32_12, have_both },
	{ "15.9", "DisableProfile (ICCID A", 0, "BF3203800100", VE_SGP22, have_both },
	{ "15.9", "DeleteProfile (ICCID B)", 0, "BF3303800100", VE_SGP22, have_both },
	{ "15.9", "SetNickname (ICCID A", 0, "BF2903800100", VE_SGP22, have_both },
	{ "15.5", "AddInitialEimRequest", 2, NULL, VE_SGP32_12, NULL },
	{ "15.5", "AddInitialEimRequest", 4, NULL, VE_SGP32_12, have_eim },
	{ "15.5", "AddInitialEimRequest", 0, "6A88", VE_SGP22, NULL },
	{ "15.5", "GetEimConfigurationDataRequest (eim2)", 1, NULL, VE_SGP32_12, NULL },
	{ "15.5", "GetEimConfigurationDataRequest (all)", 2, NULL, VE_SGP32_12, NULL },
	{ "15.5", "GetEimConfigurationDataRequest (all)", -4, NULL, VE_SGP32_12, have_eim },
	{ "15.5", "GetEimConfigurationDataRequest (eim2)", -5, NULL, VE_SGP32_12, have_eim },
	{ "15.5", "GetEimConfigurationDataRequest (all)", 0, "6A88", VE_SGP22, NULL },
};

static void worked_examples_are_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct example *x = &table[i];
		struct euicc_recipe r = {
			.eid = TEXT(SGP32_EID), .version = x->version,
			.personality = x->version == VE_SGP22 ? "classic-consumer" : "iot",
		};
		size_t at = row_at(x->section, x->request);
		const char *want, *got;
		struct talk t;

		talk_make(&t, &r);
		talk_open(&t, NULL);
		talk_isdr(&t);
		if (x->prepare)
			x->prepare(&t, euicc_card_state(t.card));
		got = talk_es10(&t, hex_of(at));
		want = x->answer ? hex_of(at + x->answer) : x->literal;
		if (strcasecmp(got, want))
			fail_msg("%s, edition %s: got %s, expected %s", x->request,
				 ve_version_name(x->version), got, want);
		talk_close(&t);
	}
}

/* --- what the first and the last edition do otherwise ----------------------------------------- */

static void open_edition(struct talk *t, enum ve_version version)
{
	struct euicc_recipe r = {
		.eid = TEXT(SGP32_EID), .version = version, .personality = "iot",
	};

	talk_make(t, &r);
	talk_open(t, NULL);
	talk_isdr(t);
}

static void first_edition_has_its_own_forms(void **state)
{
	struct talk t;
	struct ve_state *s;

	(void)state;
	open_edition(&t, VE_SGP32_10);
	s = euicc_card_state(t.card);
	have_both(&t, s);
	have_result(&t, s);
	/* Results without BF51; EnableUsingDD without a flag; reset with the result as INTEGER. */
	assert_string_equal(talk_es10(&t, "BF2B04A0028200"),
			    hex_of(row_at("15.12", "v1.0 | RetrieveNotificationsList")));
	assert_string_equal(talk_es10(&t, hex_of(row_at("15.12", "v1.0 | EnableUsingDD"))),
			    "BF5A03800101");
	have_eim(&t, s);
	assert_string_equal(talk_es10(&t, hex_of(row_at("15.12", "v1.0 | eUICCMemoryReset"))),
			    "BF3406020100810100");
	assert_string_equal(talk_es10(&t, "BF5500"), "BF5502A000");
	/* What came with 1.1. */
	assert_string_equal(talk_es10(&t, "BF5D038001FF"), "6A88");
	assert_string_equal(talk_es10(&t, "BF640482020780"), "6A88");
	assert_string_equal(talk_es10(&t, "BF5508A006800465696D32"), "6A80");
	talk_reset(&t);
	talk_isdr(&t);
	assert_string_equal(talk_es10(&t, "BF2D095C079F7B9F269F675A"), "BF2D02A000");
	talk_close(&t);
}

static void last_edition_lists_all_it_knows(void **state)
{
	struct talk t;
	const char *got;

	(void)state;
	open_edition(&t, VE_SGP32_13);
	got = talk_es10(&t, "BF2200");
	assert_non_null(strstr(got, hex_of(row_at("15.12", "v1.3 | iotSpecificInfo"))));
	/* A list of tags for the container of 1.3 is taken; there is none on this card. */
	have_both(&t, euicc_card_state(t.card));
	assert_string_equal(talk_es10(&t, "BF2D075C015A5D029F67"),
			    "BF2D1EA01CE30C" ICCID_A "E30C" ICCID_B);
	talk_close(&t);
}

static void eims_are_judged(void **state)
{
	static const char key[] = "A55BA059301306072A8648CE3D020106082A8648CE3D03010703420004D7039BB8"
		"5D12EEC23F29B341B88AA07141FAEBD4CB1CFFDC25E4DB4C19ABA32DE47ED8C942764EC19849E0CA8E02C6EF"
		"D87B3C05673EAE619CDD47F7F36BA3CA";
	static const struct {
		const char *before, *behind;    /* around the key; behind NULL: no key */
		const char *answer;
	} cases[] = {
		{ "80016183010084" "01FF", "", "BF5705A003840101" },
		{ "800161830100", "", "BF5704A0020500" },
		{ "830100", "", "BF5703810107" },               /* no id */
		{ "8000830100", "", "BF5703810107" },
		{ "800161", "", "BF5703810107" },               /* no counter */
		{ "800161830100", NULL, "BF5703810107" },       /* no key */
		{ "800161830100840105", "", "BF5703810105" },   /* a token of its own */
		{ "8001618301FF", "", "BF5703810106" },
		{ "800161830400800000", "", "BF5703810106" },
		{ "8001618303" "7FFFFF", "", "BF5704A0020500" },
		{ "800161830100", "88141111111111111111111111111111111111111111", "BF5703810103" },
		{ "800161830100", "9F7F0100", "BF5704A0020500" },       /* something later */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t raw[300], request[320];
		struct tlv_out w = { request, sizeof(request) };
		struct tlv_mark m = tlv_begin(&w, 0xbf57), list = tlv_begin(&w, 0xa0);
		struct tlv_mark one = tlv_begin(&w, 0x30);
		char digits[700];
		struct talk t;
		size_t n;

		snprintf(digits, sizeof(digits), "%s%s%s", cases[i].before,
			 cases[i].behind ? key : "", cases[i].behind ? cases[i].behind : "");
		assert_int_equal(hex_decode(text_of(digits), raw, sizeof(raw), &n), 0);
		tlv_put_raw(&w, raw, n);
		tlv_close(&w, one);
		tlv_close(&w, list);
		tlv_close(&w, m);
		hex_encode(request, w.len, digits, sizeof(digits));
		open_edition(&t, VE_SGP32_12);
		if (strcmp(talk_es10(&t, digits), cases[i].answer))
			fail_msg("%s...: expected %s", cases[i].before, cases[i].answer);
		/* All or nothing, and only one first time. */
		n = euicc_card_state(t.card)->n_eims;
		assert_int_equal(n, cases[i].answer[6] == 'A');
		if (n)
			assert_string_equal(talk_es10(&t, digits), "BF5703810102");
		talk_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_pairs_are_answered),
		cmocka_unit_test(worked_examples_are_answered),
		cmocka_unit_test(first_edition_has_its_own_forms),
		cmocka_unit_test(last_edition_lists_all_it_knows),
		cmocka_unit_test(eims_are_judged),
	};

	return cmocka_run_group_tests(tests, load_examples, free_examples);
}
