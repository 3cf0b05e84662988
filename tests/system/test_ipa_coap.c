/*
 * The daemon's way to an eIM over CoAP: which way it takes by the card's and its own configuration,
 * keys from a file, and what the status says of it. The eIM's server is one that never has work.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"
#include "support/coap_peer.h"
#include "support/rig.h"

#define EID "89049032000000000000000000000163"
#define KEY "a-secret-of-ours"

static const struct coap_reply nothing_to_do = { .payload = "\xbf\x4f\x03\x02\x01\x01" };

static struct rig rig;
static const char *argv0;
static struct coap_peer peer;
static struct rig_program *ran, *daemon_;

static int setup(void **state)
{
	(void)state;
	peer.pid = 0;
	rig_open(&rig, argv0);
	setenv("CELLMUX_SOCKET", rig_path(&rig, "cellmux.sock"), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	coap_peer_stop(&peer);
	rig_close(&rig);
	return 0;
}

#define MUST(name, ...) must(rig_run(&rig, &ran, name, __VA_ARGS__, NULL), name)

static void must(int code, const char *name)
{
	if (code != 0)
		fail_msg("%s: exit code %d: %s\ncellmuxd: %s", name, code, ran->said,
			 daemon_ ? daemon_->said : "");
}

/* --- the set ---------------------------------------------------------------------------------- */

static void start_peer(const char *key)
{
	static struct coap_peer_plan plan;

	plan = (struct coap_peer_plan){ .psk = key, .replies = &nothing_to_do, .replies_n = 1 };
	coap_peer_start(&peer, &plan);
}

static void write_text(const char *name, mode_t mode, const char *fmt, const char *value)
{
	char text[1024];

	snprintf(text, sizeof(text), fmt, value);
	assert_int_equal(file_save(rig_path(&rig, name), text, strlen(text), mode), 0);
}

/* What an eIM gives to a card; bits of eimSupportedProtocol by --supported-protocol. */
static void write_eim(const char *fqdn, const char *protocols)
{
	uint8_t der[4096];
	char *line;
	size_t n;

	MUST("sim-eim", "init", rig_path(&rig, "eim"), "--pki", "tests/vectors/rsp/pki",
	     "--supported-protocol", protocols);
	MUST("sim-eim", "config", rig_path(&rig, "eim"), "--fqdn", fqdn);
	line = strtok(ran->said, " \n");
	assert_non_null(line);
	assert_int_equal(hex_decode(text_of(line), der, sizeof(der), &n), 0);
	assert_int_equal(file_save(rig_path(&rig, "eim.der"), der, n, 0600), 0);
}

static const char *peer_address(void)
{
	static char where[32];

	snprintf(where, sizeof(where), "127.0.0.1:%u", peer.port);
	return where;
}

static void start_daemon(const char *sections)
{
	char card[160], conf[2048];

	MUST("sim-euicc", "--init", rig_path(&rig, "card"), "--personality", "iot", "--eid", EID, "--pki",
	     "tests/vectors/rsp/pki/nist", "--profile",
	     "iccid=89000123456789012341,imsi=001010123456781,name=A,enabled=1");
	snprintf(card, sizeof(card), "euicc:%s", rig_path(&rig, "card"));
	snprintf(conf, sizeof(conf), "[ipa]\nspread = 1\ninterval = 3600\nfirst_eim = %s\npsk_file = %s\n%s",
		 rig_path(&rig, "eim.der"), rig_path(&rig, "psk"), sections);
	write_text("cellmux.conf", 0600, "%s", conf);
	rig_start_module(&rig, "--card", card, "--baud", "0", "--boot-ms", "20", NULL);
	daemon_ = rig_start_daemon(&rig, "-c", rig_path(&rig, "cellmux.conf"), NULL);
	assert_true(rig_wait_state(&rig, "ready", 20000));
}

/* The status, once it says this of the eIM; what it says is in ran. */
static void await_status(const char *text)
{
	struct rig_client c;

	assert_int_equal(rig_dial(&c, rig_path(&rig, "cellmux.sock"), 2000), 0);
	for (unsigned long long end = rig_now_ms() + 30000;;) {
		MUST("cellmuxctl", "ipa", "status", "--json");
		if (strstr(ran->said, text))
			break;
		if (rig_now_ms() > end)
			fail_msg("%s\n%s", ran->said, daemon_->said);
		/* The next event of the IPA or the card, or a second. */
		json_object_put(rig_ask(&c, "subscribe", "{}", 2000));
		json_object_put(rig_hear(&c, 1000));
	}
	rig_hang_up(&c);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_eim_that_offers_coap_only_is_visited_by_its_key(void **state)
{
	(void)state;
	start_peer(KEY);
	write_eim(peer_address(), "8");
	write_text("psk", 0600, "# keys\n* eid text:%s\n", KEY);
	start_daemon("");
	await_status("\"visits\":1,");
	MUST("cellmuxctl", "ipa", "poll");
	MUST("cellmuxctl", "ipa", "status", "--json");
	assert_non_null(strstr(ran->said, "\"transport\":\"coap\""));
	assert_non_null(strstr(ran->said, "\"problem\":null"));
	assert_non_null(strstr(ran->said, "\"connected\":true"));
	assert_string_equal(peer.seen->identity, EID);
	assert_string_equal(peer.seen->path, "/gsma/rsp2/asn1");
	assert_true(peer.seen->requests >= 2);
	/* Between visits the association stays. */
	assert_int_equal(peer.seen->handshakes, 1);
	MUST("cellmuxctl", "ipa", "status");
	assert_non_null(strstr(ran->said, " over CoAP"));
}

static void another_place_path_and_identity_are_configured(void **state)
{
	char section[512];

	(void)state;
	start_peer(KEY);
	/* An eIM as they are in the field: nothing but a name. */
	write_eim("eim.example", "16");
	write_text("psk", 0600, "eim.example gateway-7 text:%s\n", KEY);
	snprintf(section, sizeof(section), "[eim.field]\nid = eim.example\ntransport = coap\n"
		 "address = 127.0.0.1\ncoap_port = %u\ncoap_path = esipa\ncontent_format = 42\nkeep = 0\n",
		 peer.port);
	start_daemon(section);
	await_status("\"visits\":1,");
	assert_string_equal(peer.seen->identity, "gateway-7");
	assert_string_equal(peer.seen->path, "/esipa");
	assert_int_equal(peer.seen->format, 42);
	MUST("cellmuxctl", "ipa", "poll");
	/* keep = 0: one association for each visit. */
	assert_true(peer.seen->handshakes >= 2);
	assert_true(peer.seen->farewells >= 1);
}

static void a_key_file_that_others_can_read_is_not_used(void **state)
{
	(void)state;
	start_peer(KEY);
	write_eim(peer_address(), "8");
	write_text("psk", 0600, "* eid text:%s\n", KEY);
	assert_int_equal(chmod(rig_path(&rig, "psk"), 0644), 0);
	start_daemon("");
	await_status("can be read by others (mode 0644): chmod 600 it");
	assert_int_equal(peer.seen->hellos, 0);
	assert_true(rig_wait_for(daemon_, "[ipa] psk_file:", 0, 1000));
	/* Read anew at the next visit. */
	assert_int_equal(chmod(rig_path(&rig, "psk"), 0600), 0);
	MUST("cellmuxctl", "ipa", "poll");
	assert_true(peer.seen->requests >= 1);
}

/* Nobody listens for HTTPS there. */
static void where_https_does_not_work_coap_does(void **state)
{
	(void)state;
	start_peer(KEY);
	write_eim(peer_address(), "24");
	write_text("psk", 0600, "* eid text:%s\n", KEY);
	start_daemon("");
	await_status("\"transport\":\"coap\"");
	MUST("cellmuxctl", "ipa", "poll");
	MUST("cellmuxctl", "ipa", "status", "--json");
	assert_non_null(strstr(ran->said, "\"problem\":null"));
	assert_true(peer.seen->requests >= 1);
	assert_true(rig_wait_for(daemon_, "over coap from now on", 0, 1000));
}

static void an_eim_without_a_way_has_a_problem(void **state)
{
	(void)state;
	start_peer(KEY);
	write_eim(peer_address(), "2");
	write_text("psk", 0600, "* eid text:%s\n", KEY);
	start_daemon("");
	await_status("it offers retrieval neither over HTTPS nor over CoAP");
	assert_int_equal(peer.seen->hellos, 0);
}

static void sections_that_make_no_sense_are_told(void **state)
{
	static const char *const table[][2] = {
		{ "[eim.a]\naddress = bad name\n", "[eim.a] address: expected a name or an address" },
		{ "[eim.a]\nhttps_path = x\n", "[eim.a] https_path: expected a path that begins with /" },
		{ "[eim.a]\ncoap_path = a//b\n", "[eim.a] coap_path: expected one to eight segments" },
		{ "[eim.a]\ncoap_path = /\n", "[eim.a] coap_path: expected one to eight segments" },
		{ "[eim.a]\ncontent_format = octets\n", "[eim.a] content_format: expected none, or a number" },
		{ "[eim.a]\n[eim.b]\n", "[eim.b] id: [eim.a] is for the same" },
		{ "[eim.a]\ntransport = udp\n", "[eim.a] transport: expected auto, https, coap" },
		{ "[eim.a]\ndatagram = 1473\n", "[eim.a] datagram: expected a number from 64 to 1472" },
		{ "[eim.]\n", "[eim.]: expected a name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		write_text("bad.conf", 0600, "%s", table[i][0]);
		assert_int_equal(rig_run(&rig, &ran, "cellmuxd", "-d", "/dev/null", "-c",
					 rig_path(&rig, "bad.conf"), "--check-config", NULL), 2);
		if (!strstr(ran->said, table[i][1]))
			fail_msg("%s", ran->said);
	}
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_eim_that_offers_coap_only_is_visited_by_its_key),
		T(another_place_path_and_identity_are_configured),
		T(a_key_file_that_others_can_read_is_not_used),
		T(where_https_does_not_work_coap_does),
		T(an_eim_without_a_way_has_a_problem),
		T(sections_that_make_no_sense_are_told),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
