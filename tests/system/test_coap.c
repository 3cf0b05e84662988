/*
 * ESipa over CoAP and DTLS against a server that is not libcoap, which misbehaves in every way we can
 * think of: each failure has a name, comes in time, and leaves the client fit for the next request.
 * Everything stays on loopback.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "net/crypto.h"
#include "support/coapsbed.h"

static struct pki ca, other_ca, middle, good, by_middle, wrong_name, expired, self, rsa, client_only;

static int make_certificates(void **state)
{
	(void)state;
	ca = pki_make(&(struct pki_spec){ .cn = "Test CA", .ca = true });
	other_ca = pki_make(&(struct pki_spec){ .cn = "Other CA", .ca = true });
	middle = pki_make(&(struct pki_spec){ .cn = "Middle CA", .ca = true, .issuer = &ca });
	good = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost", .issuer = &ca });
	by_middle = pki_make(&(struct pki_spec){ .cn = "eim", .san = "DNS:localhost", .issuer = &middle });
	wrong_name = pki_make(&(struct pki_spec){ .cn = "x", .san = "DNS:eim.example", .issuer = &ca });
	expired = pki_make(&(struct pki_spec){ .cn = "old", .san = "DNS:localhost", .issuer = &ca,
					       .from_s = -7200, .to_s = -3600 });
	self = pki_make(&(struct pki_spec){ .cn = "self", .san = "DNS:eim.example" });
	rsa = pki_make(&(struct pki_spec){ .cn = "rsa", .san = "DNS:localhost", .issuer = &ca, .rsa = true });
	client_only = pki_make(&(struct pki_spec){ .cn = "client", .san = "DNS:localhost", .issuer = &ca,
						   .client_only = true });
	return 0;
}

static int free_certificates(void **state)
{
	struct pki *all[] = { &ca, &other_ca, &middle, &good, &by_middle, &wrong_name, &expired, &self, &rsa,
			      &client_only };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		pki_free(all[i]);
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

static void a_poll_with_a_key(void **state)
{
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .suites = "PSK-AES128-CCM8", .replies = &bed_hello, .replies_n = 1 });
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_string_equal(bed.peer.seen->path, "/gsma/rsp2/asn1");
	assert_string_equal(bed.peer.seen->identity, "89049032");
	assert_string_equal(bed.peer.seen->sni, "localhost");
	assert_int_equal(bed.peer.seen->format, -1);
	assert_int_equal(bed.peer.seen->body_n, 4);

	/* Once more on the same association. */
	bed_ask(&e, "poll");
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 1);
	eim_free(bed.link);
	bed.link = NULL;
	bed_until(&bed.peer.seen->farewells, 1);
}

/* What OpenSSL at its usual security level offers less, GnuTLS does; the other suites, both do. */
static void other_suites_with_a_key(void **state)
{
	static const char *const suites[] = { "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256",
					      "ECDHE-PSK-AES128-CBC-SHA256" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		struct bed_exchange e;

		bed_start(&(struct coap_peer_plan){ .suites = suites[i], .replies = &bed_hello, .replies_n = 1 });
		bed_ask(&e, "poll");
		bed_reply(&e, BED_HELLO);
		bed_clear();
	}
}

/* Whether it says so or is silent is the server's affair: it ends in time, with words for it. */
static void a_wrong_key_has_a_name(void **state)
{
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY });
	o = bed_quick();
	o.server.connect_ms = 4000;
	bed_use_key(&o, "another key");
	bed_link(&o);
	bed_ask(&e, "poll");
	assert_string_equal(e.why.from, "tls");
	assert_true(e.x.unsent);
	if (e.why.kind == CAUSE_TIMEOUT)
		bed_says(&e, CAUSE_TIMEOUT, "tls", "is the key right?");
	else
		bed_says(&e, CAUSE_REFUSED, "tls", "alert");
	assert_int_equal(bed.peer.seen->requests, 0);
}

static void no_suite_in_common_has_a_name(void **state)
{
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .suites = "RSA-PSK-AES128-CBC-SHA256" });
	bed_ask(&e, "poll");
	bed_says(&e, CAUSE_REFUSED, "tls", "no parameters in common (handshake failure) (alert 40)");
	assert_true(e.took_ms < 3000);
}

/* --- certificates ----------------------------------------------------------------------------- */

struct trusting {
	const char *legend;
	const struct pki *cert, *chain;
	const struct pki *authority;            /* a CA, or … */
	const struct pki *pinned;               /* … what is pinned */
	bool pin_certificate;
	const char *host;                       /* NULL: localhost */
	const char *from, *words;               /* NULL: it is believed */
};

static void connect_trusting(const struct trusting *t)
{
	struct esipa_coaps o;
	char why[TRUST_WHY_MAX];
	uint8_t buf[4096];
	unsigned n;

	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .cert = t->cert, .chain = t->chain,
							 .replies = &bed_hello, .replies_n = 1 });
	assert_int_equal(trust_new(&bed.trust), 0);
	if (t->pinned) {
		size_t len = pki_pin(t->pinned, t->pin_certificate, false, buf, sizeof(buf));

		assert_int_equal(trust_pin(bed.trust, octets_from(buf, len), why), 0);
	}
	if (t->authority) {
		size_t len;
		uint8_t *der = pki_der(t->authority, &len);

		assert_int_equal(trust_add(bed.trust, octets_from(der, len), &n, why), 0);
		free(der);
	}
	o = bed_quick();
	if (t->host)
		snprintf(o.server.place.host, sizeof(o.server.place.host), "%s", t->host);
	o.server.trust = bed.trust;
	bed_link(&o);
}

static void certificates_are_judged_as_over_tcp(void **state)
{
	const struct trusting table[] = {
		{ "its authority is known", &good, .authority = &ca },
		{ "one between is sent along", &by_middle, &middle, .authority = &ca },
		{ "one between is missing", &by_middle, .authority = &ca, .from = "certificate",
		  .words = "not signed by a trusted authority" },
		{ "an unknown authority", &good, .authority = &other_ca, .from = "certificate",
		  .words = "not signed by a trusted authority" },
		{ "nobody is trusted", &good, .from = "certificate", .words = "no authority is configured" },
		{ "another name", &wrong_name, .authority = &ca, .from = "certificate",
		  .words = "not for localhost" },
		{ "an address instead of a name", &good, .authority = &ca, .host = "127.0.0.1",
		  .from = "certificate", .words = "not for 127.0.0.1" },
		{ "expired", &expired, .authority = &ca, .from = "certificate", .words = "has expired" },
		{ "for clients only", &client_only, .authority = &ca, .from = "certificate",
		  .words = "not meant for a server" },
		{ "RSA", &rsa, .authority = &ca },
		{ "its key is pinned", &good, .pinned = &good },
		{ "its key is pinned, and it signs itself", &self, .pinned = &self },
		{ "its key is pinned, and it has expired", &expired, .pinned = &expired },
		{ "its certificate is pinned", &good, .pinned = &good, .pin_certificate = true },
		{ "its authority's key is pinned", &by_middle, &middle, .pinned = &middle },
		{ "its authority's certificate is pinned", &good, .pinned = &ca, .pin_certificate = true },
		{ "another key is pinned", &good, .pinned = &other_ca, .from = "certificate",
		  .words = "does not lead to the pinned key" },
		{ "another certificate is pinned", &good, .pinned = &other_ca, .pin_certificate = true,
		  .from = "certificate", .words = "does not lead to the pinned key" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct trusting *t = &table[i];
		struct bed_exchange e;

		print_message("%s\n", t->legend);
		connect_trusting(t);
		bed_ask(&e, "poll");
		if (t->words) {
			bed_says(&e, CAUSE_REFUSED, t->from, t->words);
			assert_true(e.x.unsent);
			assert_int_equal(bed.peer.seen->messages, 0);
			assert_true(e.took_ms < 3000);
		} else {
			bed_reply(&e, BED_HELLO);
			assert_string_equal(bed.peer.seen->sni, t->host ? "" : "localhost");
		}
		bed_clear();
	}
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answers_come_in_many_ways(void **state)
{
	static const struct coap_reply replies[] = {
		{ .payload = "separate", .manner = COAP_SEPARATE },
		{ .payload = "after another's", .manner = COAP_OTHER_TOKEN },
		{ .payload = "twice", .manner = COAP_DOUBLE },
		{ .payload = "changed", .code = 0x44 },
		{ .payload = "created", .code = 0x41 },
		{ .payload = "" },
		{ .payload = "slowly", .delay_ms = 1500 },
		{ .payload = "after the acknowledgement", .manner = COAP_SEPARATE, .delay_ms = 700 },
		/* Max-Age and one that nobody knows, both elective. */
		{ .payload = "with options", .options = "213ce200ffaabb" },
	};
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(replies) });
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		bed_ask(&e, "poll");
		bed_reply(&e, replies[i].payload);
		assert_int_equal(bed.peer.seen->requests, i + 1);
	}
	assert_int_equal(bed.peer.seen->handshakes, 1);
}

struct refusal {
	struct coap_reply reply;
	enum cause_kind kind;
	const char *words;
};

static void refusals_have_names(void **state)
{
	static const struct refusal table[] = {
		{ { .code = 0x80, .payload = "no DER" }, CAUSE_REFUSED, "cannot use the message, 4.00: no DER" },
		{ { .code = 0x80, .payload = "two\nlines" }, CAUSE_REFUSED, "two\\nlines" },
		{ { .code = 0x81 }, CAUSE_REFUSED, "wants other credentials, 4.01" },
		{ { .code = 0x84 }, CAUSE_REFUSED, "knows no such path (gsma/rsp2/asn1), 4.04" },
		{ { .code = 0x85 }, CAUSE_REFUSED, "takes no POST there, 4.05" },
		{ { .code = 0x8d }, CAUSE_REFUSED, "finds the message too large, 4.13" },
		{ { .code = 0xa3, .options = "211e" }, CAUSE_REFUSED, "cannot answer now, for 30 s, 5.03" },
		{ { .code = 0xa9 }, CAUSE_REFUSED, "has failed, 5.09" },
		{ { .code = 0x61 }, CAUSE_MALFORMED, "unknown code, 3.01" },
	};
	struct coap_reply replies[ARRAY_SIZE(table)];
	struct bed_exchange e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		replies[i] = table[i].reply;
		/* Max-Age comes right after nothing here, not after Content-Format. */
		if (replies[i].options)
			replies[i].options = "d1011e";
	}
	bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(table) });
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		bed_ask(&e, "poll");
		bed_says(&e, table[i].kind, "coap", table[i].words);
		/* What is too large has not been taken. */
		assert_int_equal(e.x.unsent, table[i].reply.code == 0x8d);
		assert_true(e.took_ms < 2000);
	}
	/* None of them is the association's fault. */
	assert_int_equal(bed.peer.seen->handshakes, 1);
}

struct oddity {
	const char *legend;
	struct coap_reply reply;
	const char *words;              /* NULL: passed over, without a word */
};

static void unreadable_answers_have_names(void **state)
{
	static const struct oddity table[] = {
		{ "an unknown critical option", { .payload = "x", .options = "d1fe00" }, "critical option" },
		/* libcoap's words or ours: which ones depends on its version. */
		{ "two Block2 options", { .payload = "x", .options = "b1060106" }, "23" },
		{ "a Block2 of a size that is reserved", { .payload = "x", .options = "b107" }, "option 23" },
		{ "a header that is cut", { .payload = "\x64", .n = 1, .manner = COAP_RAW }, NULL },
		{ "an option that runs over the end",
		  { .payload = "\x64\x45\x12\x34\xaa\xbb\xcc\xdd\xcf\xff\xff\xff", .n = 12,
		    .manner = COAP_RAW }, "malformed" },
		{ "another version", { .payload = "\xe4\x45\x12\x34\xaa\xbb\xcc\xdd", .n = 8,
		  .manner = COAP_RAW }, "unreadable answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct coap_reply replies[] = { table[i].reply, { .payload = BED_HELLO } };
		struct bed_exchange e;

		print_message("%s\n", table[i].legend);
		bed_start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 2 });
		bed_run(bed.link, &e, "poll", 4, 6000);
		if (table[i].words) {
			bed_says(&e, CAUSE_MALFORMED, "coap", table[i].words);
			assert_true(e.took_ms < 2000);
		} else {
			/* The deadline has the name. */
			bed_says(&e, CAUSE_TIMEOUT, "coap", "the answer of localhost");
		}
		bed_ask(&e, "poll");
		bed_reply(&e, BED_HELLO);
		bed_clear();
	}
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void large_answers_come_in_blocks(void **state)
{
	static const struct {
		size_t n;
		unsigned block;
	} table[] = { { 1024, 1024 }, { 1025, 1024 }, { 12593, 1024 }, { 60000, 1024 }, { 1000, 64 },
		      { 17, 16 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *body = bed_large(table[i].n);
		struct coap_reply reply = { .payload = body, .n = table[i].n };
		struct bed_exchange e;

		bed_start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1, .block = table[i].block });
		bed_ask(&e, "poll");
		bed_reply(&e, body);
		assert_int_equal(bed.peer.seen->requests, 1);
		assert_int_equal(bed.peer.seen->asked_blocks, (table[i].n - 1) / table[i].block);
		free(body);
		bed_clear();
	}
}

static void broken_downloads_have_names(void **state)
{
	static const struct {
		enum coap_download download;
		const char *words;              /* NULL: it works in the end */
		unsigned requests;
	} table[] = {
		{ COAP_WRONG_NUMBER, "another block came than was asked for", 2 },
		{ COAP_BEGINS_AGAIN, "another block came than was asked for", 2 },
		{ COAP_CHANGES, NULL, 2 },
		{ COAP_FORGETS, NULL, 2 },
		{ COAP_SHORT_BLOCKS, "not as long as it says", 1 },
		{ COAP_ENDLESS, "too large", 1 },
		{ COAP_LIES_OF_SIZE, "not as long as it was said to be", 2 },
	};
	char *body = bed_large(4000);
	struct coap_reply reply = { .payload = body, .n = 4000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct bed_exchange e;

		print_message("%d\n", table[i].download);
		bed_start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1,
						.download = table[i].download });
		bed_ask(&e, "poll");
		if (table[i].words)
			bed_says(&e, CAUSE_MALFORMED, "coap", table[i].words);
		else
			bed_reply(&e, body);
		assert_int_equal(bed.peer.seen->requests, table[i].requests);
		bed_clear();
	}
	free(body);
}

static void a_huge_answer_is_refused_early(void **state)
{
	static struct coap_reply reply;
	char *body = bed_large(200000);
	struct bed_exchange e = { .x = { 0 } };
	struct esipa_coaps o;

	(void)state;
	reply = (struct coap_reply){ .payload = body, .n = 200000 };
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .replies = &reply, .replies_n = 1 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.reply_max = 100000;
	bed_link(&o);
	bed_ask(&e, "poll");
	bed_says(&e, CAUSE_MALFORMED, "coap", "too large");
	assert_int_equal(bed.peer.seen->asked_blocks, 0);
	free(body);
}

static void large_requests_go_in_blocks(void **state)
{
	static const struct {
		const char *legend;
		enum coap_upload upload;
		size_t n;
		unsigned datagram;              /* the limit that is set; 0: the usual one */
		bool no_upload;
		const char *words;              /* NULL: it arrives */
	} table[] = {
		{ "small enough", COAP_NO_BLOCKS, 1100, 0, false, NULL },
		{ "as the book has it", COAP_TAKES_BLOCKS, 5000, 0, false, NULL },
		{ "a multiple of the block", COAP_TAKES_BLOCKS, 4096, 0, false, NULL },
		{ "60 kB", COAP_TAKES_BLOCKS, 60000, 0, false, NULL },
		{ "put together by token", COAP_BY_TOKEN, 5000, 0, false, NULL },
		{ "in smaller blocks", COAP_SMALL_BLOCKS, 5000, 0, false, NULL },
		{ "a block gets lost there", COAP_LOSES_BLOCKS, 5000, 0, false, NULL },
		{ "no blocks, but it fits", COAP_NO_BLOCKS, 1362, 0, false, NULL },
		{ "blocks ignored, but it fits", COAP_IGNORES_BLOCKS, 1362, 0, false, NULL },
		{ "no blocks", COAP_NO_BLOCKS, 5000, 0, false, "takes nothing in blocks" },
		{ "blocks ignored", COAP_IGNORES_BLOCKS, 5000, 0, false, "takes nothing in blocks" },
		{ "whole, as configured", COAP_NO_BLOCKS, 1400, 1472, false, NULL },
		{ "no blocks, as configured", COAP_NO_BLOCKS, 1300, 0, true, NULL },
		{ "no blocks, as configured, and too long", COAP_NO_BLOCKS, 1500, 0, true,
		  "takes nothing in blocks" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *body = bed_large(table[i].n);
		struct esipa_coaps o;
		struct bed_exchange e;

		print_message("%s\n", table[i].legend);
		coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .upload = table[i].upload,
								 .replies = &bed_hello, .replies_n = 1 });
		o = bed_quick();
		bed_use_key(&o, BED_KEY);
		o.server.datagram = table[i].datagram;
		o.server.no_upload = table[i].no_upload;
		bed_link(&o);
		bed_ask(&e, body);
		if (table[i].words) {
			bed_says(&e, CAUSE_REFUSED, "coap", table[i].words);
		} else {
			bed_reply(&e, BED_HELLO);
			assert_int_equal(bed.peer.seen->body_n, table[i].n);
			assert_memory_equal(bed.peer.seen->body, body, table[i].n);
		}
		if (table[i].no_upload)
			assert_int_equal(bed.peer.seen->blocks, 0);
		/* What was learned is not tried again. */
		if (table[i].upload == COAP_NO_BLOCKS && !table[i].words) {
			unsigned blocks = bed.peer.seen->blocks;

			bed_ask(&e, body);
			bed_reply(&e, BED_HELLO);
			assert_int_equal(bed.peer.seen->blocks, blocks);
		}
		free(body);
		bed_clear();
	}
}

/* Perhaps it was something else, or the server is another one since: where there is no other way it is found out. */
static void what_was_learned_of_blocks_does_not_hinder_for_ever(void **state)
{
	char *body = bed_large(5000);
	struct bed_exchange e;
	uint16_t port;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .upload = COAP_NO_BLOCKS, .replies = &bed_hello, .replies_n = 1 });
	bed_run(bed.link, &e, body, 1362, 15000);
	bed_reply(&e, BED_HELLO);
	port = bed.peer.port;
	coap_peer_stop(&bed.peer);
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .upload = COAP_TAKES_BLOCKS, .port = port,
							 .replies = &bed_hello, .replies_n = 1 });
	bed_ask(&e, body);
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->body_n, 5000);
	free(body);
}

/* Whoever waits has patience for each of them, but not for ever. */
static void many_blocks_may_take_their_time(void **state)
{
	char *body = bed_large(60000);
	struct coap_reply reply = { .payload = body, .n = 60000 };
	struct bed_exchange e;
	unsigned took;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1, .block = 16 });
	bed_ask(&e, "poll");
	bed_reply(&e, body);
	took = (unsigned)e.took_ms;
	bed_run(bed.link, &e, "poll", 4, took / 2);
	bed_reply(&e, body);
	bed_run(bed.link, &e, "poll", 4, took / 200 + 1);
	bed_says(&e, CAUSE_TIMEOUT, "coap", "in vain for the answer");
	free(body);
}

static void both_ways_in_blocks(void **state)
{
	char *up = bed_large(20000), *down = bed_large(30000);
	struct coap_reply reply = { .payload = down, .n = 30000 };
	struct bed_exchange e;

	(void)state;
	bed_start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1 });
	bed_ask(&e, up);
	bed_reply(&e, down);
	assert_int_equal(bed.peer.seen->body_n, 20000);
	assert_memory_equal(bed.peer.seen->body, up, 20000);
	free(up);
	free(down);
}

/* Its buffer is smaller than the limit that was configured: it hangs up, and learns it in blocks. */
static void a_message_that_is_too_long_for_the_server_is_cut(void **state)
{
	char *body = bed_large(1400);
	struct esipa_coaps o;
	struct bed_exchange e;

	(void)state;
	coap_peer_start(&bed.peer, &(struct coap_peer_plan){ .psk = BED_KEY, .message_max = 1200, .replies = &bed_hello,
							 .replies_n = 1 });
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	o.server.datagram = 1472;
	bed_link(&o);
	bed_ask(&e, body);
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->body_n, 1400);
	assert_int_equal(bed.peer.seen->handshakes, 3);
	bed_ask(&e, body);
	bed_reply(&e, BED_HELLO);
	assert_int_equal(bed.peer.seen->handshakes, 3);
	free(body);
}

/* It is lost each time, and nobody says so; what is shorter gets through. */
static void a_long_message_that_gets_lost_goes_in_blocks(void **state)
{
	char *body = bed_large(1400);
	struct bed_exchange e;

	(void)state;
	for (int blocks = 1; blocks >= 0; blocks--) {
		struct esipa_coaps o;

		coap_peer_start(&bed.peer, &(struct coap_peer_plan){
			.psk = BED_KEY, .lose_above = 1300, .replies = &bed_hello, .replies_n = 1,
			.upload = blocks ? COAP_TAKES_BLOCKS : COAP_NO_BLOCKS });
		o = bed_quick();
		bed_use_key(&o, BED_KEY);
		o.server.datagram = 1472;
		bed_link(&o);
		bed_ask(&e, body);
		if (blocks) {
			bed_reply(&e, BED_HELLO);
			assert_int_equal(bed.peer.seen->body_n, 1400);
		} else {
			bed_says(&e, CAUSE_REFUSED, "coap", "takes nothing in blocks");
			assert_true(e.x.too_large && e.x.unsent);
		}
		assert_true(e.took_ms < 6000);
		bed_clear();
	}
	free(body);
}

static unsigned grown;
static size_t grown_n;

static void on_grown(struct eim_exchange *x)
{
	grown++;
	assert_true(x->reply_n > grown_n);
	assert_int_equal(x->reply[grown_n], 'a' + grown_n * 7 / 5 % 26);
	grown_n = x->reply_n;
}

/* What has been seen is not taken back: then an answer that breaks off is not asked for again. */
static void an_answer_is_seen_while_it_grows(void **state)
{
	char *body = bed_large(4000);
	struct coap_reply reply = { .payload = body, .n = 4000 };

	(void)state;
	for (int breaks = 0; breaks < 2; breaks++) {
		struct bed_exchange e = { .x = { .request = (const uint8_t *)"poll", .request_n = 4,
					       .patience_ms = 5000, .done = bed_done, .grown = on_grown } };

		bed_start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1,
						.download = breaks ? COAP_FORGETS : COAP_GOOD_BLOCKS });
		grown = 0;
		grown_n = 0;
		eim_exchange(bed.link, &e.x);
		ev_main();
		assert_true(e.done);
		if (breaks) {
			bed_says(&e, CAUSE_LINK_LOST, "coap", "the answer breaks off");
			assert_int_equal(grown, 1);
		} else {
			bed_reply(&e, body);
			assert_int_equal(grown, 3);
		}
		assert_int_equal(bed.peer.seen->requests, 1);
		bed_clear();
	}
	free(body);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		T(a_poll_with_a_key),
		T(other_suites_with_a_key),
		T(a_wrong_key_has_a_name),
		T(no_suite_in_common_has_a_name),
		T(certificates_are_judged_as_over_tcp),
		T(answers_come_in_many_ways),
		T(refusals_have_names),
		T(unreadable_answers_have_names),
		T(large_answers_come_in_blocks),
		T(broken_downloads_have_names),
		T(a_huge_answer_is_refused_early),
		T(large_requests_go_in_blocks),
		T(what_was_learned_of_blocks_does_not_hinder_for_ever),
		T(many_blocks_may_take_their_time),
		T(both_ways_in_blocks),
		T(a_message_that_is_too_long_for_the_server_is_cut),
		T(a_long_message_that_gets_lost_goes_in_blocks),
		T(an_answer_is_seen_while_it_grows),
	};
	int r;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	r = cmocka_run_group_tests(tests, make_certificates, free_certificates);
	coap_library_close();
	crypto_close();
	return r;
}
