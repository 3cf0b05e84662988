/*
 * Compact forms made whole by sim-eim: the worked examples, octet for octet, and what cannot be
 * made whole since something is not known.
 */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/expand.h"
#include "support/examples.h"

static uint8_t out[8192];

static struct tlv_out writer(void)
{
	return (struct tlv_out){ .buf = out, .cap = sizeof(out) };
}

/* The one of chapter 15.11, which has titles of 15.10. */
static struct octets compact_example(const char *title)
{
	const char *section, *name;
	struct octets v;

	for (size_t i = 0; example_row(i, &section, &name, &v); i++) {
		if (!strcmp(section, "15.11") && !strcmp(name, title))
			return v;
	}
	fail_msg("no compact example %s", title);
	return v;
}

static struct se_known everything(void)
{
	struct octets asr = example("ES10b AuthenticateServer response");
	struct tlv_doc doc;
	struct tlv body = se_tlv_inside(&doc, asr, 0xBF38);

	body = tlv_enter(&body, 0xA0);
	body = tlv_enter(&body, 0x30);
	return (struct se_known){
		.info2 = se_tlv_find_whole(body, 0xBF22),
		.ctx = se_tlv_find_whole(body, 0xA0),
		.euicc = example("CERT_EUICC"),
		.eum = example("CERT_EUM"),
		.signed1 = example("serverSigned1 (signed by DPAUTH)"),
		.signed2 = example("smdpSigned2"),
		.oid = example("SM-DP+ OID"),
		.metadata = example("Profile metadata (StoreMetadataRequest)"),
	};
}

static void same(const struct tlv_out *w, struct octets wanted)
{
	assert_false(w->full);
	assert_int_equal(w->len, wanted.n);
	assert_memory_equal(w->buf, wanted.p, wanted.n);
}

static void the_examples_become_what_the_card_signed(void **state)
{
	struct se_known k = everything();
	struct tlv_doc doc;
	struct tlv top;
	struct tlv_out w;
	const char *why;

	(void)state;
	w = writer();
	assert_int_equal(se_expand_authentication(&k, compact_example("AuthenticateServer response"),
						  &w, &why), 0);
	same(&w, example("ES10b AuthenticateServer response"));
	w = writer();
	assert_int_equal(se_expand_preparation(&k, compact_example("PrepareDownload response"), &w,
					       &why), 0);
	same(&w, example("ES10b PrepareDownload response"));
	w = writer();
	top = tlv_open(&doc, compact_example("CancelSession response"));
	assert_int_equal(se_expand_cancel(&k, tlv_take(&top, 0xBF41), &w, &why), 0);
	same(&w, example("ES10b CancelSession response"));
	w = writer();
	assert_int_equal(se_expand_installation(&k, compact_example("ProfileInstallationResult"),
						&w, &why), 0);
	same(&w, example("ProfileInstallationResult, success"));
	assert_true(octets_same(se_installation_tid(compact_example("ProfileInstallationResult")),
				example("SM-DP+ transactionId")));
}

static void a_notification_gets_its_certificates_back(void **state)
{
	struct se_known k = everything();
	struct octets a1 = compact_example("OtherSignedNotification (v1.2: with EID)"), v;
	struct tlv_out w = writer();
	struct tlv_doc doc;
	struct tlv body;
	const char *why;
	uint32_t tag;

	(void)state;
	assert_int_equal(se_expand_notification(&k, a1, &w, &why), 0);
	body = se_tlv_inside(&doc, octets_from(out, w.len), 0x30);
	v = tlv_take_whole(&body, &tag);
	assert_int_equal(tag, 0xBF2F);
	assert_non_null(memmem(a1.p, a1.n, v.p, v.n));
	assert_int_equal(tlv_take(&body, 0x5F37).n, 64);
	assert_true(octets_same(tlv_take_whole(&body, &tag), k.euicc));
	assert_true(octets_same(tlv_take_whole(&body, &tag), k.eum));
	tlv_end(&body);
	assert_int_equal(doc.fault, TLV_OK);
}

static void whole_forms_and_errors_come_through(void **state)
{
	static const char *const errors[] = { "BF3817A115801000112233445566778899AABBCCDDEEFF020107",
					      "BF2117A115801000112233445566778899AABBCCDDEEFF02017F" };
	struct se_known k = { .oid = { NULL, 0 } };
	struct tlv_out w = writer();
	struct octets v = example("ES10b AuthenticateServer response");
	const char *why;

	(void)state;
	assert_int_equal(se_expand_authentication(&k, v, &w, &why), 0);
	same(&w, v);
	w = writer();
	assert_int_equal(se_expand_authentication(&k, octets_of_hex(errors[0]), &w, &why), 0);
	same(&w, octets_of_hex(errors[0]));
	w = writer();
	assert_int_equal(se_expand_preparation(&k, octets_of_hex(errors[1]), &w, &why), 0);
	same(&w, octets_of_hex(errors[1]));
	w = writer();
	assert_int_equal(se_expand_cancel(&k, octets_of_hex("810105"), &w, &why), 0);
	same(&w, octets_of_hex("BF4103810105"));
}

/* Each part that is not known is named, and nothing is made up. */
static void what_is_not_known_is_said(void **state)
{
	struct octets auth = compact_example("AuthenticateServer response");
	struct octets pir = compact_example("ProfileInstallationResult");
	static const struct {
		size_t part;
		const char *word;
	} rows[] = {
		{ offsetof(struct se_known, info2), "EUICCInfo2" },
		{ offsetof(struct se_known, ctx), "ctxParams1" },
		{ offsetof(struct se_known, euicc), "certificates" },
		{ offsetof(struct se_known, eum), "certificates" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct se_known k = everything();
		struct tlv_out w = writer();
		const char *why = NULL;

		*(struct octets *)((char *)&k + rows[i].part) = octets_from(NULL, 0);
		assert_int_equal(se_expand_authentication(&k, auth, &w, &why), -EBADMSG);
		assert_non_null(strstr(why, rows[i].word));
	}
	for (int i = 0; i < 2; i++) {
		struct se_known k = everything();
		struct tlv_out w = writer();
		const char *why = NULL;

		*(i ? &k.oid : &k.signed1) = octets_from(NULL, 0);
		assert_int_equal(se_expand_installation(&k, pir, &w, &why), -EBADMSG);
		assert_non_null(strstr(why, "session"));
	}
}

/* Cut anywhere, and with any octet wrong: refused, or at least made into something bounded. */
static void damaged_ones_do_no_harm(void **state)
{
	struct octets v = compact_example("AuthenticateServer response");
	struct octets pir = compact_example("ProfileInstallationResult");
	struct se_known k = everything();
	uint8_t copy[512];
	const char *why;

	(void)state;
	for (size_t n = 3; n < v.n; n++) {
		struct tlv_out w = writer();

		assert_int_equal(se_expand_authentication(&k, octets_from(v.p, n), &w, &why),
				 -EBADMSG);
	}
	memcpy(copy, pir.p, pir.n);
	for (size_t i = 0; i < pir.n; i++) {
		struct tlv_out w = writer();

		copy[i] ^= 0x81;
		(void)se_expand_installation(&k, octets_from(copy, pir.n), &w, &why);
		assert_true(w.len <= sizeof(out));
		copy[i] ^= 0x81;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_become_what_the_card_signed),
		cmocka_unit_test(a_notification_gets_its_certificates_back),
		cmocka_unit_test(whole_forms_and_errors_come_through),
		cmocka_unit_test(what_is_not_known_is_said),
		cmocka_unit_test(damaged_ones_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
