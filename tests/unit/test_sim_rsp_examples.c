/* The worked download of SGP.32: authentication, preparation, the package with its dummy. */
#include "support/test.h"

#include <string.h>

#include "core/log.h"
#include "support/eimdesk.h"
#include "support/examples.h"
#include "support/hexjson.h"
#include "support/rspcard.h"

/* euiccSigned1 of the recorded answer: BF38 { A0 { 30 ... } }. */
static struct octets signed1(struct octets answer)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, answer), body = tlv_enter(&top, 0xbf38);
	struct tlv ok = tlv_enter(&body, 0xa0);
	uint32_t tag;
	struct octets r = tlv_take_whole(&ok, &tag);

	assert_int_equal(doc.fault, TLV_OK);
	return r;
}

static void the_worked_download_is_answered_as_worked(void **state)
{
	struct eimdesk d;
	struct octets o;

	(void)state;
	eimdesk_open(&d, "iot");
	rspcard_take_info(eimdesk_state(&d), signed1(example("ES10b AuthenticateServer response")));
	o = example("eUICC challenge");
	euicc_card_feed_random(d.t.card, o.p, o.n);
	rspcard_same(talk_es10(&d.t, "BF2E00"), "BF2E1280100102030405060708090A0B0C0D0E0F10");
	eimdesk_same(eimdesk_example(&d, "ES10b AuthenticateServer request"),
		  "ES10b AuthenticateServer response");
	o = example("OTEUICC (one-time, eUICC)");
	euicc_card_feed_random(d.t.card, o.p, o.n);
	eimdesk_same(eimdesk_example(&d, "ES10b PrepareDownload request"),
		  "ES10b PrepareDownload response");
	assert_string_equal(eimdesk_example(&d, "1. BF36 header and complete BF23"), "");
	assert_string_equal(eimdesk_example(&d, "2. complete A0 (one 87)"), "");
	assert_string_equal(eimdesk_example(&d, "3. A1 header"), "");
	/* That profile is on this card already. */
	assert_non_null(strstr(eimdesk_example(&d, "4. 88 (StoreMetadata, MAC only)"),
			       "A1068001028101095F37"));
	eimdesk_close(&d);
}

/* Its profile is a dummy: everything is taken but what a card cannot make a profile of. */
static void the_worked_package_opens_to_its_dummy(void **state)
{
	struct eimdesk d;
	struct octets o;

	(void)state;
	eimdesk_open(&d, "iot");
	rspcard_take_info(eimdesk_state(&d), signed1(example("ES10b AuthenticateServer response")));
	ve_profile_remove(eimdesk_state(&d), &eimdesk_state(&d)->profiles[0]);
	o = example("eUICC challenge");
	euicc_card_feed_random(d.t.card, o.p, o.n);
	talk_es10(&d.t, "BF2E00");
	eimdesk_example(&d, "ES10b AuthenticateServer request");
	o = example("OTEUICC (one-time, eUICC)");
	euicc_card_feed_random(d.t.card, o.p, o.n);
	eimdesk_example(&d, "ES10b PrepareDownload request");
	assert_string_equal(eimdesk_example(&d, "1. BF36 header and complete BF23"), "");
	assert_string_equal(eimdesk_example(&d, "2. complete A0 (one 87)"), "");
	assert_string_equal(eimdesk_example(&d, "3. A1 header"), "");
	assert_string_equal(eimdesk_example(&d, "4. 88 (StoreMetadata, MAC only)"), "");
	assert_string_equal(eimdesk_example(&d, "5. A3 header"), "");
	assert_string_equal(eimdesk_example(&d, "6. 86, first"), "");
	assert_non_null(strstr(eimdesk_example(&d, "7. 86, last → answer BF37"), "80010581010C82"));
	eimdesk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_download_is_answered_as_worked),
		cmocka_unit_test(the_worked_package_opens_to_its_dummy),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
