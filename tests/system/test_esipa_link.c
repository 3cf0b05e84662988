/*
 * ESipa over HTTPS with an eIM that is not ours: sim-eim, whose TLS is OpenSSL and whose messages
 * are its own. What its configuration entry pins is what we trust.
 */
#include "support/test.h"

#include <string.h>

#include "core/ev.h"
#include "core/hex.h"
#include "esipa/esipa.h"
#include "esipa/https.h"
#include "net/crypto.h"
#include "support/rig.h"

#define EID_TEXT "89049032000000000000000000000163"
#define GUARD_MS 15000

static const char *argv0;
static struct rig rig;

struct exchanging {
	struct eim_exchange x;
	struct cause why;
	bool done;
};

static void on_done(struct eim_exchange *x, const struct cause *why)
{
	struct exchanging *e = container_of(x, struct exchanging, x);

	if (why)
		e->why = *why;
	e->done = true;
	ev_quit();
}

static void on_guard(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

static void exchange(struct eim_link *link, struct exchanging *e, const struct tlv_out *request)
{
	struct ev_alarm guard = { .fired = on_guard };

	*e = (struct exchanging){ .x = { .request = request->buf, .request_n = request->len,
					 .patience_ms = GUARD_MS - 1000, .done = on_done } };
	eim_exchange(link, &e->x);
	ev_alarm_start(&guard, GUARD_MS);
	ev_main();
	ev_alarm_stop(&guard);
	assert_true(e->done);
}

/* The eIM's address and trustedPublicKeyDataTls, out of its AddInitialEimRequest. */
static void read_entry(const char *said, struct net_place *ret_place, uint8_t *store, size_t cap,
		       struct octets *ret_a6)
{
	struct text digits = text_trim(text_of(said));
	struct tlv_doc doc;
	struct tlv top, list, entry;
	size_t n;

	assert_int_equal(hex_decode(digits, store, cap, &n), 0);
	top = tlv_open(&doc, octets_from(store, n));
	list = tlv_enter(&top, 0xbf57);
	list = tlv_enter(&list, 0xa0);
	entry = tlv_enter(&list, 0x30);
	*ret_a6 = (struct octets){ 0 };
	while (tlv_more(&entry)) {
		if (tlv_peek(&entry) == 0x81)
			assert_int_equal(net_place_parse(octets_text(tlv_take(&entry, 0x81)), 443,
							 ret_place), 0);
		else if (tlv_peek(&entry) == 0xa6)
			*ret_a6 = tlv_take(&entry, 0xa6);
		else
			tlv_skip(&entry);
	}
	assert_int_equal(doc.fault, TLV_OK);
}

static struct eim_link *link_to_eim(const char *pinned, struct trust **ret_trust)
{
	struct esipa_https options = { 0 };
	struct rig_program *config;
	char why[TRUST_WHY_MAX];
	uint8_t store[4096];
	struct eim_link *link;
	struct octets a6;

	assert_int_equal(rig_run(&rig, &config, "sim-eim", "config", rig_path(&rig, "eim"), "--tls", pinned,
				 NULL), 0);
	read_entry(config->said, &options.place, store, sizeof(store), &a6);
	assert_int_equal(trust_new(ret_trust), 0);
	if (a6.n && trust_pin(*ret_trust, a6, why) < 0)
		fail_msg("%s: %s", pinned, why);
	options.trust = *ret_trust;
	assert_int_equal(esipa_https_new(&options, &link), 0);
	return link;
}

static void start_eim(void)
{
	struct rig_program *p;

	rig_open(&rig, argv0);
	assert_int_equal(rig_run(&rig, &p, "sim-eim", "init", rig_path(&rig, "eim"), "--pki",
				 "tests/vectors/rsp/pki", NULL), 0);
	p = rig_start(&rig, "sim-eim", "serve", rig_path(&rig, "eim"), "--no-learn", NULL);
	assert_true(rig_wait_for(p, "ready: port ", 0, 10000));
}

static void poll(struct eim_link *link, struct exchanging *e)
{
	uint8_t eid[16], request[256];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	struct esipa_get_package q = { .eid = octets_from(eid, sizeof(eid)), .change = ESIPA_CHANGE_NONE };
	size_t n;

	assert_int_equal(hex_decode(text_of(EID_TEXT), eid, sizeof(eid), &n), 0);
	esipa_get_package_encode(&w, ESIPA_V1_2, &q);
	exchange(link, e, &w);
}

static void an_eim_is_polled_whatever_it_pins(void **state)
{
	static const char *const pins[] = { "spki", "cert", "ca" };
	struct rig_program *p;

	(void)state;
	start_eim();
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		struct esipa_package package;
		struct exchanging e;
		struct trust *trust;
		struct eim_link *link = link_to_eim(pins[i], &trust);

		/* A stranger first, then a card that it knows. */
		poll(link, &e);
		if (cause_is_set(&e.why))
			fail_msg("%s: %s", pins[i], e.x.text);
		assert_int_equal(esipa_get_package_decode(octets_from(e.x.reply, e.x.reply_n), &package), 0);
		assert_int_equal(package.kind, ESIPA_NOTHING);
		assert_int_equal(package.error, i ? ESIPA_NO_PACKAGE_AVAILABLE : ESIPA_EID_NOT_FOUND);
		free(e.x.reply);
		if (i == 0)
			assert_int_equal(rig_run(&rig, &p, "sim-eim", "--dir", rig_path(&rig, "eim"), "card",
						 EID_TEXT, NULL), 0);
		eim_close(link);
		eim_free(link);
		trust_free(trust);
	}
	rig_close(&rig);
}

static void a_package_is_fetched_and_its_error_delivered(void **state)
{
	struct rig_program *p;
	struct esipa_provided provided;
	struct esipa_package package;
	struct esipa_trigger t;
	struct exchanging e;
	struct trust *trust;
	struct eim_link *link;
	struct esipa_frame f;
	uint8_t eid[16], request[256];
	struct tlv_out w = { .buf = request, .cap = sizeof(request) };
	size_t n;

	(void)state;
	start_eim();
	link = link_to_eim("spki", &trust);
	assert_int_equal(rig_run(&rig, &p, "sim-eim", "--dir", rig_path(&rig, "eim"), "queue", EID_TEXT,
				 "download", "--default-smdp", NULL), 0);
	poll(link, &e);
	assert_false(cause_is_set(&e.why));
	assert_int_equal(esipa_get_package_decode(octets_from(e.x.reply, e.x.reply_n), &package), 0);
	assert_int_equal(package.kind, ESIPA_DOWNLOAD_TRIGGER);

	/* On the same connection: it cannot be done. */
	assert_int_equal(hex_decode(text_of(EID_TEXT), eid, sizeof(eid), &n), 0);
	f = esipa_result_begin(&w, ESIPA_V1_2, ESIPA_PROVIDE, octets_from(eid, sizeof(eid)));
	assert_int_equal(esipa_trigger_decode(package.whole, &t), 0);
	assert_int_equal(t.kind, ESIPA_TRIGGER_DEFAULT_SMDP);
	esipa_trigger_error_put(&w, ESIPA_V1_2, t.transaction_id, 127,
				octets_from("no default address", 18));
	esipa_result_end(&w, f);
	free(e.x.reply);
	exchange(link, &e, &w);
	if (cause_is_set(&e.why))
		fail_msg("%s", e.x.text);
	assert_int_equal(esipa_provide_decode(octets_from(e.x.reply, e.x.reply_n), &provided), 0);
	assert_int_equal(provided.error, 0);
	free(e.x.reply);

	/* Taken: it is not offered again. */
	poll(link, &e);
	assert_false(cause_is_set(&e.why));
	assert_int_equal(esipa_get_package_decode(octets_from(e.x.reply, e.x.reply_n), &package), 0);
	assert_int_equal(package.error, ESIPA_NO_PACKAGE_AVAILABLE);
	free(e.x.reply);
	eim_free(link);
	trust_free(trust);
	rig_close(&rig);
}

static void an_eim_that_nobody_vouches_for_is_refused(void **state)
{
	struct exchanging e;
	struct trust *trust;
	struct eim_link *link;

	(void)state;
	start_eim();
	link = link_to_eim("none", &trust);
	poll(link, &e);
	assert_int_equal(e.why.kind, CAUSE_REFUSED);
	assert_string_equal(e.why.from, "certificate");
	assert_non_null(strstr(e.x.text, "no authority is configured"));
	assert_null(e.x.reply);
	eim_free(link);
	trust_free(trust);
	rig_close(&rig);
}

static int open_loop(void **state)
{
	(void)state;
	return ev_open();
}

static int close_loop(void **state)
{
	(void)state;
	ev_close();
	return 0;
}

#define LOOP(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LOOP(an_eim_is_polled_whatever_it_pins),
		LOOP(a_package_is_fetched_and_its_error_delivered),
		LOOP(an_eim_that_nobody_vouches_for_is_refused),
	};
	int r;

	(void)argc;
	argv0 = argv[0];
	r = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_close();
	return r;
}
