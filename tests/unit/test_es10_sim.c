/*
 * The euicc layer against the virtual eUICC: every function, a recorded download, and the facts of
 * every personality. What both got wrong in the same way the recordings would tell.
 */
#include "support/test.h"

#include <errno.h>

#include "core/log.h"
#include "core/util.h"
#include "euicc/bpp.h"
#include "euicc/facts.h"
#include "support/card_sim.h"
#include "support/examples.h"
#include "support/rspcard.h"
#include "support/talk.h"
#include "unit/fake_ev.h"

#define EID "89049032000000000000000000000163"

static const struct euicc_profile two[] = {
	{ .iccid = TEXT("8900012345678901234"), .imsi = TEXT("001010123456789"),
	  .name = TEXT("A"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
	  .enabled = true, .notify = TEXT("dp.example"), .apn = TEXT("iot.example") },
	{ .iccid = TEXT("89000123456789012342"), .imsi = TEXT("00101012345678"),
	  .name = TEXT("B"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
	  .notify = TEXT("dp.example"), .fallback_allowed = true },
};

static struct talk talk_;
static struct card_sim sim;
static struct euicc euicc;
static struct euicc_call call;
static bool done;
static struct cause why_ended;
static uint8_t answer[EUICC_ANSWER_MAX], command[8192];
static struct octets got;

static void wire_up(struct card *card)
{
	card_sim_init(&sim, card);
	memset(&euicc, 0, sizeof(euicc));
	euicc_init(&euicc, &sim.channel);
}

static void start(const char *personality)
{
	struct euicc_recipe r = {
		.personality = personality, .version = _VE_VERSION_MAX, .profiles = two,
		.n_profiles = 2, .pki = { "tests/vectors/rsp/pki/nist" },
	};

	talk_make(&talk_, &r);
	talk_open(&talk_, NULL);
	wire_up(talk_.card);
}

static void finish(void)
{
	euicc_done(&euicc);
	fake_ev_run(10000);
	card_sim_done(&sim);
	talk_close(&talk_);
}

static void on_done(struct euicc_call *c, const struct cause *why)
{
	why_ended = why ? *why : (struct cause){ 0 };
	got = (struct octets){ answer, why ? 0 : c->answer.n };
	if (got.n)
		memcpy(answer, c->answer.p, got.n);
	done = true;
}

static bool is_done(void *arg)
{
	(void)arg;
	return done;
}

static void run(enum es10_function f, struct octets request, bool same_channel)
{
	call = (struct euicc_call){ .function = f, .command = request, .done = on_done,
				    .same_channel = same_channel };
	done = false;
	euicc_call(&euicc, &call);
	assert_true(fake_ev_until(is_done, NULL, 300000));
}

/* Sends what an encoder puts; the answer is in got. */
#define ASK(f, put)                                                             \
	do {                                                                    \
		struct tlv_out w = { .buf = command, .cap = sizeof(command) };  \
		size_t n_;                                                      \
		put;                                                            \
		assert_int_equal(tlv_done(&w, &n_), 0);                         \
		run(f, octets_from(command, n_), false);                        \
		print_message("%s: %d %04x\n", es10_function_name(f),           \
			      (int)why_ended.kind, (unsigned)why_ended.code);   \
	} while (0)

#define EXPECT_CODE(f, put, want)                                               \
	do {                                                                    \
		int code_;                                                      \
		ASK(f, put);                                                    \
		assert_int_equal(why_ended.kind, CAUSE_NONE);                   \
		assert_int_equal(es10_result_decode(f, got, &code_), 0);        \
		assert_int_equal(code_, want);                                  \
	} while (0)

static struct es10c_id id_of(const char *digits)
{
	static uint8_t iccid[2][ES10_ICCID_OCTETS];
	static unsigned next;
	uint8_t *p = iccid[next++ % 2];

	assert_int_equal(es10_iccid_from_text(text_of(digits), p), 0);
	return (struct es10c_id){ .iccid = { p, ES10_ICCID_OCTETS } };
}

static void a_consumer_card_does_as_it_is_told(void **state)
{
	struct es10c_id a = id_of("8900012345678901234"), b = id_of("89000123456789012342");
	struct es10b_notification notes[8];
	struct es10c_profile profiles[4];
	size_t n;
	int error;

	(void)state;
	start("classic-consumer");
	EXPECT_CODE(ES10C_SET_NICKNAME, es10c_set_nickname_encode(&w, a.iccid, TEXT("main")), 0);
	EXPECT_CODE(ES10C_ENABLE, es10c_enable_encode(&w, a, false), ES10C_WRONG_STATE);
	EXPECT_CODE(ES10C_DELETE, es10c_delete_encode(&w, a), ES10C_WRONG_STATE);
	EXPECT_CODE(ES10C_ENABLE, es10c_enable_encode(&w, b, false), 0);
	EXPECT_CODE(ES10C_DELETE, es10c_delete_encode(&w, a), 0);
	EXPECT_CODE(ES10C_DISABLE, es10c_disable_encode(&w, a, false), ES10C_NOT_FOUND);
	EXPECT_CODE(ES10C_DISABLE, es10c_disable_encode(&w, b, false), 0);
	EXPECT_CODE(ES10A_SET_DEFAULT_DP,
		    es10a_set_default_dp_encode(&w, ES10A_SET_DEFAULT_DP, TEXT("dp.example")), 0);
	ASK(ES10C_GET_PROFILES,
	    es10c_get_profiles_encode(&w, (struct es10c_id){ 0 }, es10c_tags_sgp22));
	assert_int_equal(es10c_profiles_decode(got, profiles, 4, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_int_equal(profiles[0].state, ES10C_DISABLED);
	assert_true(octets_same(profiles[0].iccid, b.iccid));
	ASK(ES10B_LIST_NOTIFICATION, es10b_list_notification_encode(&w, 0));
	assert_int_equal(es10b_notifications_decode(got, notes, 8, &n, &error), 0);
	assert_int_equal(n, 4);
	EXPECT_CODE(ES10B_REMOVE_NOTIFICATION,
		    es10b_remove_notification_encode(&w, notes[0].seq), 0);
	EXPECT_CODE(ES10B_REMOVE_NOTIFICATION,
		    es10b_remove_notification_encode(&w, notes[0].seq), ES10_NOTHING_TO_DELETE);
	EXPECT_CODE(ES10C_MEMORY_RESET,
		    es10c_memory_reset_encode(&w, ES10C_RESET_OPERATIONAL), 0);
	/* One SELECT for all of it. */
	assert_true(euicc_is_open(&euicc));
	finish();
}

static void an_iot_card_gets_its_eim(void **state)
{
	struct octets eum, euicc_cert, tokens[2];
	struct es10b_eim eim, eims[2];
	size_t n;
	int error;

	(void)state;
	start("iot");
	ASK(ES10B_GET_EIMS, es10b_get_eims_encode(&w, (struct octets){ 0 }));
	assert_int_equal(es10b_eims_decode(got, eims, 2, &n, &error), 0);
	assert_int_equal(n, 0);
	assert_int_equal(es10b_eim_decode(example_after("AddInitialEimRequest", -1), &eim), 0);
	ASK(ES10B_ADD_INITIAL_EIM, es10b_add_initial_eim_encode(&w, &eim, 1));
	assert_int_equal(es10b_add_initial_eim_decode(got, tokens, 2, &n, &error), 0);
	assert_int_equal(error, 0);
	assert_int_equal(n, 1);
	assert_true(tokens[0].n > 0);
	ASK(ES10B_ADD_INITIAL_EIM, es10b_add_initial_eim_encode(&w, &eim, 1));
	assert_int_equal(es10b_add_initial_eim_decode(got, tokens, 2, &n, &error), 0);
	assert_int_equal(error, ES10B_EIM_EXISTS);
	ASK(ES10B_GET_EIMS, es10b_get_eims_encode(&w, eim.id));
	assert_int_equal(es10b_eims_decode(got, eims, 2, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_true(octets_same(eims[0].key.content, eim.key.content));
	assert_true(octets_same(eims[0].fqdn, eim.fqdn));
	assert_null(eims[0].counter.p);

	ASK(ES10B_GET_CERTS, es10b_get_certs_encode(&w, (struct octets){ 0 }));
	assert_int_equal(es10b_certs_decode(got, &eum, &euicc_cert, &error), 0);
	assert_int_equal(error, 0);
	assert_int_equal(es10b_sequence_der(euicc_cert, command, sizeof(command), &n), 0);
	assert_true(octets_same(octets_from(command, n),
				hexjson_file("tests/vectors/rsp/pki/nist/euicc.der")));
	hexjson_done();
	finish();
}

static void an_iot_card_without_an_eim(void **state)
{
	struct es10b_connectivity c;
	struct es10b_pending pending[2];
	struct es10b_reset reset;
	struct octets rules;
	size_t n;
	int error;

	(void)state;
	start("iot");
	EXPECT_CODE(ES10B_SET_DEFAULT_DP,
		    es10a_set_default_dp_encode(&w, ES10B_SET_DEFAULT_DP, TEXT("dp.example")), 0);
	EXPECT_CODE(ES10B_CONFIGURE_IMMEDIATE,
		    es10b_configure_immediate_encode(&w, true, octets_of_hex("88370A"),
						     TEXT("dp.example")), 0);
	EXPECT_CODE(ES10B_IMMEDIATE_ENABLE, es10b_switch_encode(&w, ES10B_IMMEDIATE_ENABLE, true),
		    ES10B_IMMEDIATE_NO_SESSION);
	EXPECT_CODE(ES10B_EXECUTE_FALLBACK, es10b_switch_encode(&w, ES10B_EXECUTE_FALLBACK, true),
		    ES10B_FALLBACK_NOT_AVAILABLE);
	EXPECT_CODE(ES10B_RETURN_FROM_FALLBACK,
		    es10b_switch_encode(&w, ES10B_RETURN_FROM_FALLBACK, true),
		    ES10B_FALLBACK_NOT_AVAILABLE);
	EXPECT_CODE(ES10B_ENABLE_EMERGENCY, es10b_switch_encode(&w, ES10B_ENABLE_EMERGENCY, true),
		    ES10B_EMERGENCY_NOT_AVAILABLE);
	EXPECT_CODE(ES10B_IPAE_ACTIVATION, es10b_ipae_activation_encode(&w, true), 1);
	ASK(ES10B_GET_CONNECTIVITY, es10b_get_connectivity_encode(&w));
	assert_int_equal(es10b_connectivity_decode(got, &c, &error), 0);
	assert_int_equal(error, 0);
	assert_string_equal(c.apn, "iot.example");
	ASK(ES10B_RETRIEVE_NOTIFICATIONS, es10b_retrieve_package_results_encode(&w));
	assert_int_equal(es10b_pending_decode(got, pending, 2, &n, &error), 0);
	assert_int_equal(n, 0);
	ASK(ES10B_GET_RAT, es10b_get_rat_encode(&w));
	assert_int_equal(es10b_rat_decode(got, &rules), 0);
	ASK(ES10B_MEMORY_RESET, es10b_memory_reset_encode(&w, ES10B_RESET_DEFAULT_DP |
							  ES10B_RESET_EIMS));
	assert_int_equal(es10b_memory_reset_decode(ES10B_MEMORY_RESET, got, &reset), 0);
	assert_int_equal(reset.profiles, 0);
	assert_true(reset.eims >= 0);
	assert_int_equal(reset.immediate, -1);
	finish();
}

/* --- a download ------------------------------------------------------------------------------------- */

static void download(const char *session, size_t segment)
{
	static struct bpp b;
	struct rspcard c;
	struct es10b_signed s;
	struct es10b_install install;
	struct es10b_server_signed1 signed1;
	struct octets package, part;
	size_t at = 0;
	int r;

	print_message("%s in blocks of %zu\n", session, segment);
	rspcard_open(&c, session, NULL);
	rspcard_count_as_recorded(&c);
	wire_up(c.talk.card);
	sim.channel.segment_max = segment;
	assert_int_equal(es10b_server_signed1_decode(hexjson_octets(c.v, "serverSigned1"), &signed1), 0);
	euicc_card_feed_random(c.talk.card, signed1.euicc_challenge.p, 16);
	ASK(ES10B_GET_CHALLENGE, es10b_get_challenge_encode(&w));
	assert_true(octets_same(got, hexjson_octets(c.v, "getEuiccChallengeResponse")));
	run(ES10B_AUTHENTICATE_SERVER, hexjson_octets(c.v, "authenticateServerRequest"), false);
	assert_int_equal(es10b_authenticate_decode(got, &s), 0);
	assert_int_equal(s.error, 0);
	assert_true(octets_same(s.signature, hexjson_octets(c.v, "euiccSignature1")));
	part = hexjson_octets(c.v, "otSK_EUICC");
	euicc_card_feed_random(c.talk.card, part.p, part.n);
	run(ES10B_PREPARE_DOWNLOAD, hexjson_octets(c.v, "prepareDownloadRequest"), false);
	assert_int_equal(es10b_prepare_decode(got, &s), 0);
	assert_int_equal(s.error, 0);

	package = hexjson_octets(c.v, "boundProfilePackage");
	bpp_init(&b);
	got.n = 0;
	while (at < package.n) {
		at += bpp_feed(&b, package.p + at, MIN(package.n - at, 333u));
		while ((r = bpp_next(&b, &part)) == 0) {
			assert_int_equal(got.n, 0);
			run(ES10B_LOAD_BPP, part, true);
			assert_int_equal(why_ended.kind, CAUSE_NONE);
		}
		assert_true(r == -EAGAIN || r == -ENODATA);
	}
	assert_int_equal(bpp_end(&b), 0);
	assert_int_equal(es10b_install_decode(got, &install), 0);
	assert_true(install.ok);
	assert_true(octets_same(got, hexjson_octets(c.v, "profileInstallationResult")));
	euicc_done(&euicc);
	fake_ev_run(10000);
	card_sim_done(&sim);
	rspcard_close(&c);
}

static void recorded_downloads_end_as_recorded(void **state)
{
	(void)state;
	download("nist-small-ppk", 255);
	download("nist-cc-ppk", 120);
	download("brp-session-keys", 64);
}

/* --- facts ------------------------------------------------------------------------------------------ */

static struct euicc_facts facts;

static void on_facts(struct facts_reader *r, const struct cause *why)
{
	(void)r;
	why_ended = why ? *why : (struct cause){ 0 };
	done = true;
}

static void read_facts(struct facts_reader *r)
{
	*r = (struct facts_reader){ .euicc = &euicc, .facts = &facts, .want = FACTS_ALL,
				    .done = on_facts };
	done = false;
	facts_read(r);
	assert_true(fake_ev_until(is_done, NULL, 600000));
}

static void every_personality_has_its_facts(void **state)
{
	const struct ve_personality *p;
	struct facts_reader reader;

	(void)state;
	for (unsigned i = 0; (p = ve_personality_at(i)); i++) {
		bool iot = p->version != VE_SGP22;

		print_message("%s\n", p->name);
		start(p->name);
		memset(&facts, 0, sizeof(facts));
		read_facts(&reader);
		if (p->isdr_logical_sw) {
			/* Its ISD-R is on the basic channel, where none of ours is. */
			assert_int_equal(why_ended.kind, CAUSE_REFUSED);
			assert_int_equal(why_ended.code, p->isdr_logical_sw);
			finish();
			continue;
		}
		assert_int_equal(why_ended.kind, CAUSE_NONE);
		assert_string_equal(facts.eid, EID);
		assert_int_equal(euicc_facts_is_iot(&facts), iot);
		assert_int_equal(facts.have,
				 iot ? FACTS_ALL : FACTS_ALL & ~(1u << FACT_EIMS));
		assert_int_equal(facts.n_profiles, 2);
		assert_non_null(euicc_facts_enabled(&facts));
		assert_true(text_eq(octets_text(euicc_facts_enabled(&facts)->name), "A"));
		if (iot)
			assert_true(facts.profiles[1].fallback_allowed);
		assert_int_equal(euicc.isdr.wants_capability, p->capability_tag != 0);
		assert_int_equal(facts.fci.read, p->fci_fetch_sw == 0);
		finish();
	}
}

static void a_locked_card_works_after_its_reset(void **state)
{
	struct es10c_id b = id_of("89000123456789012342");
	struct facts_reader reader;

	(void)state;
	start("iot-boot-revert");
	EXPECT_CODE(ES10C_ENABLE, es10c_enable_encode(&w, b, false), 0);
	euicc_close(&euicc);
	card_sim_reset(&sim);
	memset(&facts, 0, sizeof(facts));
	read_facts(&reader);
	assert_int_equal(why_ended.kind, CAUSE_NONE);
	assert_non_null(euicc_facts_enabled(&facts));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_consumer_card_does_as_it_is_told),
		cmocka_unit_test(an_iot_card_gets_its_eim),
		cmocka_unit_test(an_iot_card_without_an_eim),
		cmocka_unit_test(recorded_downloads_end_as_recorded),
		cmocka_unit_test(every_personality_has_its_facts),
		cmocka_unit_test(a_locked_card_works_after_its_reset),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
