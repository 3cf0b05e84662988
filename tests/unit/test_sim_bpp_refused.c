/*
 * Bound Profile Packages that no server would make: the virtual eUICC names what is wrong with
 * them, with the recorded result where there is one.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/binder.h"
#include "support/rspcard.h"

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

static void bad_smdp_sign(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, 0, -1) ^= 1;
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
	*binder_octet(b, 0, 9) = 0x83;
}

static void configure_mac(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, 1, -1) ^= 1;
}

static void configure_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, 1, 2) = 0x86;
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
	*binder_octet(b, b->at_metadata, -1) ^= 1;
}

static void metadata_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, b->at_metadata, 0) = 0x86;
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
	*binder_octet(b, b->at_replace, -1) ^= 1;
}

static void replace_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, b->at_replace, 2) = 0x88;
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
	*binder_octet(b, b->at_profile, -1) ^= 1;
}

static void profile_tag(struct rspcard *c, struct binder *b)
{
	(void)c;
	*binder_octet(b, b->at_profile, 0) = 0x87;
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

static void load_wrong(const struct wrong *w)
{
	struct rspcard c;
	struct binder b;
	struct ve_state *s;
	char result[2048];
	int command, reason;
	unsigned before;

	rspcard_ready(&c, "nist-small-ppk", NULL);
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
		rspcard_same(result, rspcard_recorded_result(&c, command, reason));
	/* Nothing came of it but the result; the key is kept for another try. */
	assert_int_equal(s->n_profiles, before);
	assert_int_equal(s->n_notes, 1);
	assert_int_equal(s->loading, 0);
	assert_int_equal(s->otk_key.n, VE_SECRET_LEN);
	assert_string_equal(rspcard_send_octets(&c, b.pieces[b.n - 1]), "6A88");
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
	rspcard_ready(&c, "nist-small-ppk", NULL);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_wrong_is_named),
		cmocka_unit_test(memory_may_end_in_the_middle),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
