/*
 * The virtual eUICC loading Bound Profile Packages: the recorded ones to the recorded result, and
 * packages that no server would make to the code that names what is wrong with them.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/metadata.h"
#include "sim/euicc/pki.h"
#include "support/binder.h"
#include "support/rspcard.h"

static const char *const sessions[] = {
	"nist-cc-ppk", "nist-small-ppk", "brp-session-keys", "nist-cc-ppk-retry",
};

/* --- recorded packages -------------------------------------------------------------------------------- */

static void ready(struct rspcard *c, const char *session, const char *personality)
{
	struct ve_state *s;

	rspcard_open(c, session, personality);
	s = euicc_card_state(c->talk.card);
	rspcard_authenticate(c);
	if (strstr(session, "retry")) {
		/* The card still has the pair of the first try. */
		blob_copy(&s->otk_key, hexjson_octets(c->v, "otSK_EUICC"));
		blob_set(&s->otk_oid, "\x88\x37\x0a", 3);
	}
	rspcard_prepare(c);
}

static void recorded_packages_end_in_the_recorded_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct rspcard c;
		struct json_object *list;
		struct ve_state *s;
		size_t n;

		ready(&c, sessions[i], NULL);
		rspcard_count_as_recorded(&c);
		list = hexjson_at(c.v, "loadSegments");
		n = json_object_array_length(list);
		for (size_t k = 0; k < n; k++)
			rspcard_same(talk_es10(&c.talk, hexjson_text(json_object_array_get_idx(list, k),
								     "data")),
				     k + 1 == n ? hexjson_text(c.v, "profileInstallationResult") : "");
		s = euicc_card_state(c.talk.card);
		assert_int_equal(s->n_profiles, 1);
		assert_int_equal(s->profiles[0].enabled, 0);
		assert_int_equal(s->otk_key.n, 0);
		assert_int_equal(s->loading, 0);
		assert_int_equal(s->profiles[0].field[VE_IMSI].n, 9);
		assert_int_equal(s->profiles[0].field[VE_AD].n, 4);
		/* The session is used up. */
		rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
			     hexjson_text(c.v, "cancelSessionResponse_error"));
		assert_string_equal(talk_es10(&c.talk, "A000"), "6985");
		rspcard_close(&c);
	}
}

static void result_is_kept_until_it_is_removed(void **state)
{
	struct rspcard c;
	struct binder b;
	char request[32], want[8192], pir[2048];

	(void)state;
	ready(&c, "nist-small-ppk", NULL);
	rspcard_count_as_recorded(&c);
	binder_init(&b, &c);
	binder_bind(&b);
	snprintf(pir, sizeof(pir), "%s", binder_send(&b, 0, b.n));
	snprintf(want, sizeof(want), "BF2B81ABA081A8%s", pir);
	talk_reset(&c.talk);
	talk_isdr(&c.talk);
	rspcard_same(talk_es10(&c.talk, "BF2B00"), want);
	snprintf(request, sizeof(request), "BF30038001%02X",
		 (unsigned)euicc_card_state(c.talk.card)->notes[0].seq);
	assert_string_equal(talk_es10(&c.talk, request), "BF3003800100");
	assert_string_equal(talk_es10(&c.talk, "BF2B00"), "BF2B02A000");
	binder_done(&b);
	rspcard_close(&c);
}

/* The test's own server makes what was recorded. */
static void binder_makes_the_recorded_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct rspcard c;
		struct binder b;
		struct octets whole;
		size_t at = 0;

		rspcard_open(&c, sessions[i], NULL);
		whole = hexjson_octets(c.v, "boundProfilePackage");
		binder_init(&b, &c);
		/* The metadata is cut one octet later than the profile: there is no padding. */
		if (b.metadata.n > 1008)
			at = whole.n;
		binder_bind(&b);
		for (size_t k = 0; k < b.n && at < whole.n; k++) {
			assert_memory_equal(b.pieces[k].p, whole.p + at, b.pieces[k].n);
			at += b.pieces[k].n;
		}
		assert_int_equal(at, whole.n);
		binder_done(&b);
		rspcard_close(&c);
	}
}

static void a_package_in_one_piece_is_taken_too(void **state)
{
	struct rspcard c;

	(void)state;
	ready(&c, "nist-cc-ppk", NULL);
	rspcard_count_as_recorded(&c);
	rspcard_same(rspcard_send(&c, "boundProfilePackage"),
		     hexjson_text(c.v, "profileInstallationResult"));
	rspcard_close(&c);
}

static void whole_dialogue_of_apdus_is_as_recorded(void **state)
{
	struct json_object *v = hexjson_load(RSP_VECTORS "apdu-load-nist-small-ppk.json"), *steps;
	struct rspcard c;
	struct octets o;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", "classic-consumer");
	rspcard_count_as_recorded(&c);
	talk_reset(&c.talk);
	o = hexjson_octets(c.v, "getEuiccChallengeResponse");
	euicc_card_feed_random(c.talk.card, o.p + o.n - 16, 16);
	o = hexjson_octets(c.v, "otSK_EUICC");
	euicc_card_feed_random(c.talk.card, o.p, o.n);
	steps = hexjson_at(v, "script");
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *apdus =
			hexjson_at(json_object_array_get_idx(steps, i), "apdus");

		for (size_t k = 0; k < json_object_array_length(apdus); k++) {
			struct json_object *a = json_object_array_get_idx(apdus, k);

			rspcard_same(talk(&c.talk, hexjson_text(a, "c")), hexjson_text(a, "r"));
		}
	}
	json_object_put(v);
	rspcard_close(&c);
}

/* --- refusals ----------------------------------------------------------------------------------------- */

/* A package that is right but for what the row changes, on a card that it changes. */
struct wrong {
	const char *what;
	int command, reason;
	/* Before the package is made. */
	void (*before)(struct rspcard *c, struct binder *b);
	/* And afterwards. */
	void (*after)(struct rspcard *c, struct binder *b);
	bool recorded;          /* the vectors have this result, with the ICCID in it */
};

static uint8_t *octet_of(struct binder *b, size_t piece, int at)
{
	struct octets o = b->pieces[piece];

	return (uint8_t *)(at < 0 ? o.p + o.n + at : o.p + at);
}

static void bad_smdp_sign(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, 0, -1) ^= 1;
}

static void other_tid(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->tid = hexjson_decode("00112233445566778899AABBCCDDEEFF");
}

static void other_key_type(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->key_type = 0x80;
}

static void other_key_length(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->key_length = 0x20;
}

static void no_host(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->host.n = 0;
}

static void long_host(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->host = hexjson_decode("0102030405060708090A0B0C0D0E0F1011");
}

static void other_operation(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->operation = 2;
}

static void no_point(struct rspcard *c, struct binder *b)
{
	static uint8_t bad[VE_POINT_LEN];

	(void)c;
	memcpy(bad, b->otpk.p, sizeof(bad));
	bad[64] ^= 1;
	b->otpk = octets_from(bad, sizeof(bad));
}

static void channel_cut_short(struct rspcard *c, struct binder *b)
{
	/* A length inside BF23 that reaches over its end. */
	(void)c;
	*octet_of(b, 0, 9) = 0x83;
}

static void configure_mac(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, 1, -1) ^= 1;
}

static void configure_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, 1, 2) = 0x86;
}

static void configure_unpadded(struct rspcard *c, struct binder *b)
{
	struct octets old = b->pieces[1], sealed;
	struct ve_bsp k;
	static const uint8_t plain[16] = { 0xbf, 0x24, 0x00 };

	ve_bsp_replace(&k, hexjson_octets(c->v, "kdf_initialMcv").p,
		       hexjson_octets(c->v, "kdf_S_ENC").p, hexjson_octets(c->v, "kdf_S_MAC").p);
	sealed = binder_seal(&k, VE_BSP_COMMAND, octets_from(plain, sizeof(plain)), false);
	assert_int_equal(sealed.n + 2, old.n);
	memcpy((uint8_t *)old.p + 2, sealed.p, sealed.n);
	free((void *)sealed.p);
}

static void configure_other_function(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->configure = hexjson_decode("BF2500");
}

static void configure_long_data(struct rspcard *c, struct binder *b)
{
	static uint8_t raw[200] = { 0xbf, 0x24, 0x81, 0x84, 0xb8, 0x81, 0x81 };

	(void)c;
	b->configure = octets_from(raw, 4 + 3 + 0x81);
}

static void metadata_mac(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_metadata, -1) ^= 1;
}

static void metadata_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_metadata, 0) = 0x86;
}

static void metadata_broken(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF25035A0A98");
}

static void metadata_without_iccid(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF2506910153920154");
}

static void metadata_iccid_no_digits(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF25125A0A98000000000F000030F7910153920154");
}

static void metadata_icon_without_type(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF25155A0A980000000000000030F79101539201549401FF");
}

static void metadata_long_name(struct rspcard *c, struct binder *b)
{
	static uint8_t raw[128];
	struct tlv_out w = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&w, 0xbf25);
	static const uint8_t name[65] = { 'n' };

	(void)c;
	tlv_put_octets(&w, 0x5a, hexjson_decode("980000000000000030F7"));
	tlv_put(&w, 0x91, "S", 1);
	tlv_put(&w, 0x92, name, sizeof(name));
	tlv_close(&w, m);
	b->metadata = octets_from(raw, w.len);
}

static void metadata_class_3(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF25155A0A980000000000000030F7910153920154950103");
}

static void test_class_not_supported(struct rspcard *c, struct binder *b)
{
	(void)b;
	blob_set(&euicc_card_state(c->talk.card)->info[VE_INFO_RSP_CAPABILITY], "\x04\x80", 2);
}

static void iccid_is_there(struct rspcard *c, struct binder *b)
{
	struct ve_profile *p = ve_profile_add(euicc_card_state(c->talk.card));

	(void)b;
	blob_copy(&p->field[VE_ICCID], hexjson_octets(c->v, "iccid_ef"));
	blob_set(&p->field[VE_AID], "\xa0\x00", 2);
}

static void card_is_full(struct rspcard *c, struct binder *b)
{
	(void)b;
	euicc_card_state(c->talk.card)->memory = 500;
}

static void card_has_no_place(struct rspcard *c, struct binder *b)
{
	struct ve_state *s = euicc_card_state(c->talk.card);

	(void)b;
	for (uint8_t i = 0; i < VE_PROFILES_MAX; i++) {
		struct ve_profile *p = ve_profile_add(s);
		const uint8_t aid[2] = { 0xa1, i };

		blob_set(&p->field[VE_AID], aid, sizeof(aid));
	}
}

/* The test profile's metadata with an owner and ppr2. */
static void ppr_without_rat(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->metadata = hexjson_decode("BF25205A0A980000000000000030F7910153920154950100"
				     "B705800300F11099020520");
}

static void replace_mac(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_replace, -1) ^= 1;
}

static void replace_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_replace, 2) = 0x88;
}

static void replace_short_keys(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->replace = hexjson_decode("BF261E8008010203040506070881080102030405060708820801020304"
				    "05060708");
}

static void profile_mac(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_profile, -1) ^= 1;
}

static void profile_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*octet_of(b, b->at_profile, 0) = 0x87;
}

static struct octets upp_with(struct binder *b, const char *from, const char *to)
{
	static uint8_t raw[4096];
	struct octets what = hexjson_decode(from), by = hexjson_decode(to);
	uint8_t *at;

	assert_int_equal(what.n, by.n);
	assert_true(b->upp.n <= sizeof(raw));
	memcpy(raw, b->upp.p, b->upp.n);
	at = memmem(raw, b->upp.n, what.p, what.n);
	assert_non_null(at);
	memcpy(at, by.p, by.n);
	return octets_from(raw, b->upp.n);
}

static void other_iccid_in_profile(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->upp = upp_with(b, "8900000000000000037F", "8900000000000000038F");
}

static void bad_imsi_in_pe_4(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->upp = upp_with(b, "8309080910100000000030", "8309190910100000000030");
}

static void version_of_profile(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->upp = upp_with(b, "800102810103", "800109810103");
}

static void profile_without_header(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->upp = octets_from(b->upp.p + 62, b->upp.n - 62);
}

static void profile_without_end(struct rspcard *c, struct binder *b)
{
	(void)c;
	b->upp.n -= 9;
}

static void profile_goes_on(struct rspcard *c, struct binder *b)
{
	static uint8_t raw[4096];

	(void)c;
	memcpy(raw, b->upp.p, b->upp.n);
	memset(raw + b->upp.n, 0, 3);
	b->upp = octets_from(raw, b->upp.n + 3);
}

static void profile_twice(struct rspcard *c, struct binder *b)
{
	static uint8_t raw[4096];

	(void)c;
	memcpy(raw, b->upp.p, 62);
	memcpy(raw + 62, b->upp.p, b->upp.n);
	b->upp = octets_from(raw, 62 + b->upp.n);
}

static void mandated_element_unknown(struct rspcard *c, struct binder *b)
{
	/* The AKA element becomes one that no card knows. */
	(void)c;
	b->upp = upp_with(b, "A435A0058000810105", "AB35A0058000810105");
}

static void card_is_full_at_the_end(struct rspcard *c, struct binder *b)
{
	(void)b;
	euicc_card_state(c->talk.card)->memory = 100;
}

static const struct wrong wrongs[] = {
	{ "smdpSign", 0, 2, NULL, bad_smdp_sign },
	{ "transactionId", 0, 3, other_tid },
	{ "key type", 0, 4, other_key_type },
	{ "key length", 0, 4, other_key_length },
	{ "no hostId", 0, 4, no_host },
	{ "long hostId", 0, 4, long_host },
	{ "operation", 0, 5, other_operation },
	{ "otPK off the curve", 0, 1, no_point },
	{ "BF23 broken", 0, 1, NULL, channel_cut_short },
	{ "configure MAC", 1, 8, NULL, configure_mac },
	{ "configure tag", 1, 7, NULL, configure_tag },
	{ "configure padding", 1, 7, NULL, configure_unpadded },
	{ "configure: another function", 1, 1, configure_other_function },
	{ "configure: long SM-DP+ data", 1, 1, configure_long_data },
	{ "metadata MAC", 2, 8, NULL, metadata_mac },
	{ "metadata tag", 2, 7, NULL, metadata_tag },
	{ "metadata broken", 2, 1, metadata_broken },
	{ "metadata: no ICCID", 2, 1, metadata_without_iccid },
	{ "metadata: ICCID no digits", 2, 1, metadata_iccid_no_digits },
	{ "metadata: icon without type", 2, 1, metadata_icon_without_type },
	{ "metadata: long name", 2, 1, metadata_long_name },
	{ "metadata: class 3", 2, 6, metadata_class_3 },
	{ "no test profiles", 2, 6, test_class_not_supported },
	{ "ICCID is there", 2, 9, iccid_is_there, NULL, true },
	{ "card full", 2, 10, card_is_full },
	{ "no place", 2, 10, card_has_no_place },
	{ "PPR, no RAT", 2, 15, ppr_without_rat, NULL, true },
	{ "replace MAC", 4, 8, NULL, replace_mac, true },
	{ "replace tag", 4, 7, NULL, replace_tag },
	{ "replace: short keys", 4, 1, replace_short_keys },
	{ "profile MAC", 5, 8, NULL, profile_mac, true },
	{ "profile tag", 5, 7, NULL, profile_tag },
	{ "other ICCID in the profile", 5, 13, other_iccid_in_profile, NULL, true },
	{ "bad IMSI in element 4", 5, 12, bad_imsi_in_pe_4, NULL, true },
	{ "version of the profile", 5, 12, version_of_profile },
	{ "no header", 5, 12, profile_without_header },
	{ "no end", 5, 12, profile_without_end },
	{ "something behind the end", 5, 12, profile_goes_on },
	{ "two headers", 5, 12, profile_twice },
	{ "unknown mandated element", 5, 12, mandated_element_unknown },
};

static const char *recorded_result(struct rspcard *c, int command, int reason)
{
	struct json_object *list = hexjson_at(c->v, "errorResults");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_object_get_int(hexjson_at(o, "bppCommandId")) == command &&
		    json_object_get_int(hexjson_at(o, "errorReason")) == reason)
			return hexjson_text(o, "profileInstallationResult");
	}
	fail_msg("no recorded result %d/%d", command, reason);
	return NULL;
}

static void load_wrong(const struct wrong *w)
{
	struct rspcard c;
	struct binder b;
	struct ve_state *s;
	char result[2048];
	int command, reason;
	unsigned before;

	ready(&c, "nist-small-ppk", NULL);
	rspcard_count_as_recorded(&c);
	binder_init(&b, &c);
	if (w->before)
		w->before(&c, &b);
	binder_bind(&b);
	if (w->after)
		w->after(&c, &b);
	s = euicc_card_state(c.talk.card);
	before = s->n_profiles;
	snprintf(result, sizeof(result), "%s", binder_send(&b, 0, b.n));
	binder_read_result(&b, result, &command, &reason);
	if (command != w->command || reason != w->reason)
		fail_msg("%s: %d/%d", w->what, command, reason);
	if (w->recorded)
		rspcard_same(result, recorded_result(&c, command, reason));
	/* Nothing came of it but the result; the key is kept for another try. */
	assert_int_equal(s->n_profiles, before);
	assert_int_equal(s->n_notes, 1);
	assert_int_equal(s->loading, 0);
	assert_int_equal(s->otk_key.n, VE_SECRET_LEN);
	assert_string_equal(rspcard_send_octets(&c, b.pieces[b.n - 1]), "6985");
	assert_string_equal(rspcard_send_octets(&c, b.pieces[0]), "6985");
	binder_done(&b);
	rspcard_close(&c);
}

static void whatever_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++)
		load_wrong(&wrongs[i]);
}

static void memory_may_end_in_the_middle(void **state)
{
	struct rspcard c;
	struct binder b;
	int command, reason;

	(void)state;
	ready(&c, "nist-small-ppk", NULL);
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, b.at_profile), "");
	card_is_full_at_the_end(&c, &b);
	binder_read_result(&b, binder_send(&b, b.at_profile, b.n), &command, &reason);
	assert_int_equal(command, 5);
	assert_int_equal(reason, 10);
	binder_done(&b);
	rspcard_close(&c);
}

/* Every octet of every piece, changed: no profile comes of it, the card goes on working. */
static void no_changed_octet_slips_through(void **state)
{
	struct rspcard c;
	struct binder b;
	struct octets secret;

	(void)state;
	ready(&c, "nist-small-ppk", NULL);
	secret = hexjson_octets(c.v, "otSK_EUICC");
	binder_init(&b, &c);
	binder_bind(&b);
	for (size_t piece = 0; piece < b.n; piece++) {
		size_t step = b.pieces[piece].n > 200 ? 7 : 1;

		for (size_t at = 0; at < b.pieces[piece].n; at += step) {
			const char *r;

			*octet_of(&b, piece, (int)at) ^= 0x01;
			r = binder_send(&b, 0, b.n);
			*octet_of(&b, piece, (int)at) ^= 0x01;
			if (euicc_card_state(c.talk.card)->n_profiles)
				fail_msg("piece %zu, octet %zu: installed", piece, at);
			/* A longer package than there is: the card waits for the rest of it. */
			if (!*r && (piece || at > 4))
				fail_msg("piece %zu, octet %zu: no answer", piece, at);
			rspcard_authenticate(&c);
			euicc_card_feed_random(c.talk.card, secret.p, secret.n);
			rspcard_send(&c, "prepareDownloadRequest");
		}
	}
	assert_int_equal(strncmp(binder_send(&b, 0, b.n), "BF37", 4), 0);
	assert_int_equal(euicc_card_state(c.talk.card)->n_profiles, 1);
	binder_done(&b);
	rspcard_close(&c);
}

/* A piece left out, or sent twice. */
static void order_is_kept(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++)
		for (size_t piece = 0;; piece++) {
			struct rspcard c;
			struct binder b;
			int command, reason;
			const char *r;
			size_t n;

			ready(&c, "nist-small-ppk", NULL);
			binder_init(&b, &c);
			binder_bind(&b);
			n = b.n;
			if (piece + 1 == n || (!twice && !piece)) {
				if (!twice && !piece)
					assert_string_equal(binder_send(&b, 1, 2), "6985");
				binder_done(&b);
				rspcard_close(&c);
				if (piece + 1 == n)
					break;
				continue;
			}
			assert_string_equal(binder_send(&b, 0, piece + twice), "");
			r = binder_send(&b, piece + 1 - twice, n);
			if (twice && !piece) {
				/* It begins anew: what had begun is told as interrupted. */
				binder_read_result(&b, r, &command, &reason);
				assert_int_equal(command, -1);
				assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 2);
			} else {
				binder_read_result(&b, r, &command, &reason);
				if (reason != 7 && reason != 8)
					fail_msg("piece %zu: %d/%d", piece, command, reason);
				assert_int_equal(euicc_card_state(c.talk.card)->n_profiles, 0);
			}
			binder_done(&b);
			rspcard_close(&c);
		}
}

/* --- interruption ------------------------------------------------------------------------------------- */

static void a_reset_at_any_piece_is_told(void **state)
{
	static const int commands[] = { 0, 1, 2, 2, 4, 5 };
	char pir[2048];

	(void)state;
	for (size_t piece = 1; piece <= ARRAY_SIZE(commands); piece++) {
		for (int power = 0; power < 2; power++) {
			struct rspcard c;
			struct binder b;
			struct ve_state *s;
			int command, reason;

			ready(&c, "nist-small-ppk", NULL);
			rspcard_count_as_recorded(&c);
			binder_init(&b, &c);
			binder_bind(&b);
			assert_int_equal(b.n, ARRAY_SIZE(commands) + 1);
			assert_string_equal(binder_send(&b, 0, piece), "");
			if (power) {
				/* The process is gone, too. */
				talk_shut(&c.talk);
				talk_open(&c.talk, NULL);
			} else {
				talk_reset(&c.talk);
			}
			talk_isdr(&c.talk);
			assert_string_equal(rspcard_send_octets(&c, b.pieces[piece]), "6985");
			s = euicc_card_state(c.talk.card);
			assert_int_equal(s->n_notes, 1);
			assert_int_equal(s->n_profiles, 0);
			hex_encode(s->notes[0].whole.p, s->notes[0].whole.n, pir, sizeof(pir));
			binder_read_result(&b, pir, &command, &reason);
			assert_int_equal(reason, VE_REASON_INTERRUPTED);
			assert_int_equal(command, commands[piece - 1]);
			if (command == 5)
				rspcard_same(pir, recorded_result(&c, 5, 11));
			/* Once. */
			talk_reset(&c.talk);
			assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 1);
			binder_done(&b);
			rspcard_close(&c);
		}
	}
}

static void after_an_interruption_the_same_package_is_loaded(void **state)
{
	struct rspcard c;
	struct binder b;
	int command, reason;

	(void)state;
	ready(&c, "nist-cc-ppk", NULL);
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, b.n - 1), "");
	talk_reset(&c.talk);
	talk_isdr(&c.talk);
	rspcard_authenticate(&c);
	/* The pair is fresh here: the recorded request does not name the old one. */
	rspcard_prepare(&c);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 2);
	binder_done(&b);
	rspcard_close(&c);
}

static void cancel_in_the_middle_leaves_nothing(void **state)
{
	struct rspcard c;
	struct binder b;

	(void)state;
	ready(&c, "nist-small-ppk", NULL);
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, 3), "");
	rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
		     hexjson_text(c.v, "cancelSessionResponse"));
	assert_string_equal(rspcard_send_octets(&c, b.pieces[3]), "6985");
	talk_reset(&c.talk);
	assert_int_equal(euicc_card_state(c.talk.card)->n_notes, 0);
	binder_done(&b);
	rspcard_close(&c);
}

/* --- policy, notifications, personalities ------------------------------------------------------------- */

static void a_rule_that_the_rat_allows_is_taken(void **state)
{
	static const struct {
		const char *rat;
		int reason;
	} rows[] = {
		{ "301180020560A10730058003EEEEEE82020780", -1 },        /* everybody */
		{ "301180020520A1073005800300F11082020780", -1 },        /* this operator */
		{ "301180020520A1073005800301F11E82020780", 15 },        /* any digit, but not there */
		{ "301180020520A1073005800300EEEE82020780", -1 },        /* this country */
		{ "301180020520A1073005800300F12082020780", 15 },        /* another operator */
		{ "301180020640A10730058003EEEEEE82020780", 15 },        /* ppr1 only */
		{ "301480020520A10A300880030EEEEE8101AA82020780", 15 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rspcard c;
		struct binder b;
		int command, reason;

		ready(&c, "nist-small-ppk", NULL);
		binder_init(&b, &c);
		ppr_without_rat(&c, &b);
		binder_bind(&b);
		blob_copy(&euicc_card_state(c.talk.card)->rat, hexjson_decode(rows[i].rat));
		binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
		if (reason != rows[i].reason)
			fail_msg("RAT %zu: %d/%d", i, command, reason);
		binder_done(&b);
		rspcard_close(&c);
	}
}

static void every_address_hears_of_the_install(void **state)
{
	struct rspcard c;
	struct binder b;
	struct ve_state *s;
	int command, reason;

	(void)state;
	ready(&c, "nist-small-ppk", NULL);
	binder_init(&b, &c);
	b.metadata = hexjson_decode("BF25355A0A980000000000000030F7910153920154"
				    "B621"
				    "30098002078081036F6E65"
				    "300980020410810374776F"
				    "3009800207808103737265");
	binder_bind(&b);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	s = euicc_card_state(c.talk.card);
	assert_int_equal(s->n_notes, 2);
	assert_non_null(memmem(s->notes[0].metadata.p, s->notes[0].metadata.n, "one", 3));
	assert_non_null(memmem(s->notes[1].metadata.p, s->notes[1].metadata.n, "sre", 3));
	assert_int_equal(s->notes[1].kind, VE_NOTE_OTHER);
	assert_int_equal(s->notes[1].event, 0x80);
	binder_done(&b);
	rspcard_close(&c);
}

static void cards_of_the_field_break_off_and_bind(void **state)
{
	struct rspcard c;
	struct binder b;
	int command, reason;
	unsigned first;

	(void)state;
	ready(&c, "nist-small-ppk", "pe-error-profile");
	binder_init(&b, &c);
	binder_bind(&b);
	binder_read_result(&b, binder_send(&b, 0, b.n), &command, &reason);
	assert_int_equal(command, 5);
	assert_int_equal(reason, 12);
	binder_done(&b);
	rspcard_close(&c);

	ready(&c, "nist-small-ppk", "bpp-channel-bound");
	binder_init(&b, &c);
	binder_bind(&b);
	assert_string_equal(binder_send(&b, 0, 2), "");
	first = c.talk.channel;
	talk_isdr(&c.talk);
	assert_string_equal(binder_send(&b, 2, 3), "6985");
	c.talk.channel = first;
	binder_read_result(&b, binder_send(&b, 2, b.n), &command, &reason);
	assert_int_equal(reason, -1);
	binder_done(&b);
	rspcard_close(&c);
}

static void a_card_of_the_field_falls_silent_after_failures(void **state)
{
	struct rspcard c;
	struct binder b;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", "mute-card");
	binder_init(&b, &c);
	binder_bind(&b);
	*octet_of(&b, 1, -1) ^= 1;
	for (unsigned i = 0; i < 3; i++) {
		rspcard_authenticate(&c);
		rspcard_prepare(&c);
		assert_int_equal(strncmp(binder_send(&b, 0, b.n), "BF37", 4), 0);
	}
	assert_string_equal(talk(&c.talk, "01A4040000"), "");
	talk_power_off(&c.talk);
	talk_reset(&c.talk);
	assert_true(c.talk.atr_n > 0);
	binder_done(&b);
	rspcard_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_packages_end_in_the_recorded_result),
		cmocka_unit_test(result_is_kept_until_it_is_removed),
		cmocka_unit_test(binder_makes_the_recorded_octets),
		cmocka_unit_test(a_package_in_one_piece_is_taken_too),
		cmocka_unit_test(whole_dialogue_of_apdus_is_as_recorded),
		cmocka_unit_test(whatever_is_wrong_is_named),
		cmocka_unit_test(memory_may_end_in_the_middle),
		cmocka_unit_test(no_changed_octet_slips_through),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(a_reset_at_any_piece_is_told),
		cmocka_unit_test(after_an_interruption_the_same_package_is_loaded),
		cmocka_unit_test(cancel_in_the_middle_leaves_nothing),
		cmocka_unit_test(a_rule_that_the_rat_allows_is_taken),
		cmocka_unit_test(every_address_hears_of_the_install),
		cmocka_unit_test(cards_of_the_field_break_off_and_bind),
		cmocka_unit_test(a_card_of_the_field_falls_silent_after_failures),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
