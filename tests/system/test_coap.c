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
#include "esipa/coaps.h"
#include "net/crypto.h"
#include "support/coap_peer.h"
#include "support/udp_proxy.h"

#define GUARD_MS 60000
#define KEY "openiotrsp-secret"

/* --- what all tests share ------------------------------------------------------------------------------ */

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

static struct coap_peer peer;
static struct udp_proxy proxy;
static struct psk psk;
static struct trust *trust;
static struct eim_link *client_link;

/* Fast where the protocol is slow, so that nothing here waits for half a minute. */
static struct esipa_coaps quick(void)
{
	struct esipa_coaps o = { .server = { .format = -1, .connect_ms = 8000, .ack_timeout_ms = 400,
					     .silence_ms = 1500, .keep_ms = 60000 } };

	net_place_parse(TEXT("localhost"), COAPS_PORT, &o.server.place);
	o.server.place.port = proxy.pid ? proxy.port : peer.port;
	return o;
}

static void use_key(struct esipa_coaps *o, const char *key)
{
	psk = (struct psk){ .identity_n = 8, .key_n = strlen(key) };
	memcpy(psk.identity, "89049032", 8);
	memcpy(psk.key, key, psk.key_n);
	o->server.psk = &psk;
}

static void link_with(const struct esipa_coaps *o)
{
	assert_int_equal(esipa_coaps_new(o, &client_link), 0);
}

/* A peer that has the key, and a link that has it. */
static void start(const struct coap_peer_plan *plan)
{
	static struct coap_peer_plan copy;
	struct esipa_coaps o;

	copy = *plan;
	if (!copy.cert)
		copy.psk = KEY;
	coap_peer_start(&peer, &copy);
	o = quick();
	use_key(&o, KEY);
	link_with(&o);
}

static void start_behind_proxy(const struct coap_peer_plan *plan, unsigned seed)
{
	static struct coap_peer_plan copy;
	struct esipa_coaps o;

	copy = *plan;
	copy.psk = KEY;
	coap_peer_start(&peer, &copy);
	udp_proxy_start(&proxy, peer.port, seed);
	o = quick();
	use_key(&o, KEY);
	link_with(&o);
}

struct exchanging {
	struct eim_exchange x;
	struct cause why;
	bool done;
	uint64_t took_ms;
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

static void run(struct eim_link *link, struct exchanging *e, const void *body, size_t n, unsigned patience_ms)
{
	struct ev_alarm guard = { .fired = on_guard };
	uint64_t since = ev_now_ms();

	*e = (struct exchanging){ .x = { .request = body, .request_n = n, .patience_ms = patience_ms,
					 .done = on_done } };
	eim_exchange(link, &e->x);
	ev_alarm_start(&guard, GUARD_MS);
	ev_main();
	ev_alarm_stop(&guard);
	assert_true(e->done);
	e->took_ms = ev_now_ms() - since;
	assert_true(e->took_ms < patience_ms + 2000);
}

static void ask(struct exchanging *e, const char *body)
{
	run(client_link, e, body, strlen(body), 15000);
}

#define assert_fine(e)                                                     \
	do {                                                               \
		if (cause_is_set(&(e)->why))                               \
			fail_msg("%s %s", cause_name((e)->why.kind), (e)->x.text); \
	} while (0)

static void assert_says(const struct exchanging *e, enum cause_kind kind, const char *from,
			const char *words)
{
	if (e->why.kind != kind || strcmp(e->why.from, from) != 0 || !strstr(e->x.text, words))
		fail_msg("%s from %s: %s", cause_name(e->why.kind), e->why.from ? e->why.from : "nobody",
			 e->x.text);
	assert_null(e->x.reply);
}

static void assert_reply(struct exchanging *e, const char *body)
{
	assert_fine(e);
	assert_int_equal(e->x.reply_n, strlen(body));
	if (*body)
		assert_memory_equal(e->x.reply, body, strlen(body));
	free(e->x.reply);
}

static struct coaps_figures figures(void)
{
	struct coaps_figures f;

	coaps_figures(esipa_coaps_client(client_link), &f);
	return f;
}

static void until(volatile unsigned *what, unsigned at_least)
{
	for (int i = 0; i < 500 && *what < at_least; i++)
		usleep(10000);
	assert_true(*what >= at_least);
}

/* The client hears of it when its loop runs. */
static void until_closed(void)
{
	struct ev_alarm tick = { .fired = on_guard };

	for (int i = 0; i < 250 && figures().open; i++) {
		ev_alarm_start(&tick, 20);
		ev_main();
	}
	assert_false(figures().open);
}

static int setup(void **state)
{
	(void)state;
	peer.pid = proxy.pid = 0;
	client_link = NULL;
	trust = NULL;
	return ev_open();
}

static int teardown(void **state)
{
	(void)state;
	eim_free(client_link);
	trust_free(trust);
	coap_peer_stop(&peer);
	udp_proxy_stop(&proxy);
	ev_close();
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static const struct coap_reply hello[] = { { .payload = "\xbf\x4f\x03\x02\x01\x01" } };
#define HELLO "\xbf\x4f\x03\x02\x01\x01"

static void a_poll_with_a_key(void **state)
{
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .suites = "PSK-AES128-CCM8", .replies = hello, .replies_n = 1 });
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_string_equal(peer.seen->path, "/gsma/rsp2/asn1");
	assert_string_equal(peer.seen->identity, "89049032");
	assert_string_equal(peer.seen->sni, "localhost");
	assert_int_equal(peer.seen->format, -1);
	assert_int_equal(peer.seen->body_n, 4);

	/* Once more on the same association. */
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 1);
	eim_free(client_link);
	client_link = NULL;
	until(&peer.seen->farewells, 1);
}

/* What OpenSSL at its usual security level offers less, GnuTLS does; the other suites, both do. */
static void other_suites_with_a_key(void **state)
{
	static const char *const suites[] = { "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256",
					      "ECDHE-PSK-AES128-CBC-SHA256" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		struct exchanging e;

		start(&(struct coap_peer_plan){ .suites = suites[i], .replies = hello, .replies_n = 1 });
		ask(&e, "poll");
		assert_reply(&e, HELLO);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
	}
}

/* Whether it says so or is silent is the server's affair: it ends in time, with words for it. */
static void a_wrong_key_has_a_name(void **state)
{
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY });
	o = quick();
	o.server.connect_ms = 4000;
	use_key(&o, "another key");
	link_with(&o);
	ask(&e, "poll");
	assert_string_equal(e.why.from, "tls");
	assert_true(e.x.unsent);
	if (e.why.kind == CAUSE_TIMEOUT)
		assert_says(&e, CAUSE_TIMEOUT, "tls", "is the key right?");
	else
		assert_says(&e, CAUSE_REFUSED, "tls", "alert");
	assert_int_equal(peer.seen->requests, 0);
}

static void no_suite_in_common_has_a_name(void **state)
{
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .suites = "RSA-PSK-AES128-CBC-SHA256" });
	ask(&e, "poll");
	assert_says(&e, CAUSE_REFUSED, "tls", "no parameters in common (handshake failure) (alert 40)");
	assert_true(e.took_ms < 3000);
}

/* --- certificates -------------------------------------------------------------------------------------------- */

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

	coap_peer_start(&peer, &(struct coap_peer_plan){ .cert = t->cert, .chain = t->chain,
							 .replies = hello, .replies_n = 1 });
	assert_int_equal(trust_new(&trust), 0);
	if (t->pinned) {
		size_t len = pki_pin(t->pinned, t->pin_certificate, false, buf, sizeof(buf));

		assert_int_equal(trust_pin(trust, octets_from(buf, len), why), 0);
	}
	if (t->authority) {
		size_t len;
		uint8_t *der = pki_der(t->authority, &len);

		assert_int_equal(trust_add(trust, octets_from(der, len), &n, why), 0);
		free(der);
	}
	o = quick();
	if (t->host)
		snprintf(o.server.place.host, sizeof(o.server.place.host), "%s", t->host);
	o.server.trust = trust;
	link_with(&o);
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
		struct exchanging e;

		print_message("%s\n", t->legend);
		connect_trusting(t);
		ask(&e, "poll");
		if (t->words) {
			assert_says(&e, CAUSE_REFUSED, t->from, t->words);
			assert_true(e.x.unsent);
			assert_int_equal(peer.seen->messages, 0);
			assert_true(e.took_ms < 3000);
		} else {
			assert_reply(&e, HELLO);
			assert_string_equal(peer.seen->sni, t->host ? "" : "localhost");
		}
		eim_free(client_link);
		client_link = NULL;
		trust_free(trust);
		trust = NULL;
		coap_peer_stop(&peer);
	}
}

/* --- answers --------------------------------------------------------------------------------------------------- */

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
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(replies) });
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		ask(&e, "poll");
		assert_reply(&e, replies[i].payload);
		assert_int_equal(peer.seen->requests, i + 1);
	}
	assert_int_equal(peer.seen->handshakes, 1);
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
	struct exchanging e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		replies[i] = table[i].reply;
		/* Max-Age comes right after nothing here, not after Content-Format. */
		if (replies[i].options)
			replies[i].options = "d1011e";
	}
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(table) });
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ask(&e, "poll");
		assert_says(&e, table[i].kind, "coap", table[i].words);
		/* What is too large has not been taken. */
		assert_int_equal(e.x.unsent, table[i].reply.code == 0x8d);
		assert_true(e.took_ms < 2000);
	}
	/* None of them is the association's fault. */
	assert_int_equal(peer.seen->handshakes, 1);
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
		{ "two Block2 options", { .payload = "x", .options = "b1060106" }, "option 23" },
		{ "a Block2 of a size that is reserved", { .payload = "x", .options = "b107" }, "option 23" },
		{ "a header that is cut", { .payload = "\x64", .n = 1, .manner = COAP_RAW }, NULL },
		{ "an option that runs over the end",
		  { .payload = "\x64\x45\x12\x34\xaa\xbb\xcc\xdd\xcf\xff\xff\xff", .n = 12,
		    .manner = COAP_RAW }, "malformed" },
		{ "another version", { .payload = "\xe4\x45\x12\x34\xaa\xbb\xcc\xdd", .n = 8,
		  .manner = COAP_RAW }, "malformed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct coap_reply replies[] = { table[i].reply, { .payload = HELLO } };
		struct exchanging e;

		print_message("%s\n", table[i].legend);
		start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 2 });
		run(client_link, &e, "poll", 4, 6000);
		if (table[i].words) {
			assert_says(&e, CAUSE_MALFORMED, "coap", table[i].words);
			assert_true(e.took_ms < 2000);
		} else {
			/* The deadline has the name. */
			assert_says(&e, CAUSE_TIMEOUT, "coap", "the answer of localhost");
		}
		ask(&e, "poll");
		assert_reply(&e, HELLO);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
	}
}

/* --- blocks ----------------------------------------------------------------------------------------------------- */

static char *large(size_t n)
{
	char *p = malloc(n + 1);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i * 7 / 5 % 26);
	p[n] = '\0';
	return p;
}

static void large_answers_come_in_blocks(void **state)
{
	static const struct {
		size_t n;
		unsigned block;
	} table[] = { { 1024, 1024 }, { 1025, 1024 }, { 12593, 1024 }, { 60000, 1024 }, { 1000, 64 },
		      { 17, 16 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *body = large(table[i].n);
		struct coap_reply reply = { .payload = body, .n = table[i].n };
		struct exchanging e;

		start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1, .block = table[i].block });
		ask(&e, "poll");
		assert_reply(&e, body);
		assert_int_equal(peer.seen->requests, 1);
		assert_int_equal(peer.seen->asked_blocks, (table[i].n - 1) / table[i].block);
		free(body);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
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
	char *body = large(4000);
	struct coap_reply reply = { .payload = body, .n = 4000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct exchanging e;

		print_message("%d\n", table[i].download);
		start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1,
						.download = table[i].download });
		ask(&e, "poll");
		if (table[i].words)
			assert_says(&e, CAUSE_MALFORMED, "coap", table[i].words);
		else
			assert_reply(&e, body);
		assert_int_equal(peer.seen->requests, table[i].requests);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
	}
	free(body);
}

static void a_huge_answer_is_refused_early(void **state)
{
	static struct coap_reply reply;
	char *body = large(200000);
	struct exchanging e = { .x = { 0 } };
	struct esipa_coaps o;

	(void)state;
	reply = (struct coap_reply){ .payload = body, .n = 200000 };
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .replies = &reply, .replies_n = 1 });
	o = quick();
	use_key(&o, KEY);
	o.reply_max = 100000;
	link_with(&o);
	ask(&e, "poll");
	assert_says(&e, CAUSE_MALFORMED, "coap", "too large");
	assert_int_equal(peer.seen->asked_blocks, 0);
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
		char *body = large(table[i].n);
		struct esipa_coaps o;
		struct exchanging e;

		print_message("%s\n", table[i].legend);
		coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .upload = table[i].upload,
								 .replies = hello, .replies_n = 1 });
		o = quick();
		use_key(&o, KEY);
		o.server.datagram = table[i].datagram;
		o.server.no_upload = table[i].no_upload;
		link_with(&o);
		ask(&e, body);
		if (table[i].words) {
			assert_says(&e, CAUSE_REFUSED, "coap", table[i].words);
		} else {
			assert_reply(&e, HELLO);
			assert_int_equal(peer.seen->body_n, table[i].n);
			assert_memory_equal(peer.seen->body, body, table[i].n);
		}
		if (table[i].no_upload)
			assert_int_equal(peer.seen->blocks, 0);
		/* What was learned is not tried again. */
		if (table[i].upload == COAP_NO_BLOCKS && !table[i].words) {
			unsigned blocks = peer.seen->blocks;

			ask(&e, body);
			assert_reply(&e, HELLO);
			assert_int_equal(peer.seen->blocks, blocks);
		}
		free(body);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
	}
}

static void both_ways_in_blocks(void **state)
{
	char *up = large(20000), *down = large(30000);
	struct coap_reply reply = { .payload = down, .n = 30000 };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1 });
	ask(&e, up);
	assert_reply(&e, down);
	assert_int_equal(peer.seen->body_n, 20000);
	assert_memory_equal(peer.seen->body, up, 20000);
	free(up);
	free(down);
}

/* Its buffer is smaller than the limit that was configured: it hangs up, and learns it in blocks. */
static void a_message_that_is_too_long_for_the_server_is_cut(void **state)
{
	char *body = large(1400);
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .message_max = 1200, .replies = hello,
							 .replies_n = 1 });
	o = quick();
	use_key(&o, KEY);
	o.server.datagram = 1472;
	link_with(&o);
	ask(&e, body);
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->body_n, 1400);
	assert_int_equal(peer.seen->handshakes, 3);
	ask(&e, body);
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 3);
	free(body);
}

/* It is lost each time, and nobody says so; what is shorter gets through. */
static void a_long_message_that_gets_lost_goes_in_blocks(void **state)
{
	char *body = large(1400);
	struct exchanging e;

	(void)state;
	for (int blocks = 1; blocks >= 0; blocks--) {
		struct esipa_coaps o;

		coap_peer_start(&peer, &(struct coap_peer_plan){
			.psk = KEY, .lose_above = 1300, .replies = hello, .replies_n = 1,
			.upload = blocks ? COAP_TAKES_BLOCKS : COAP_NO_BLOCKS });
		o = quick();
		use_key(&o, KEY);
		o.server.datagram = 1472;
		link_with(&o);
		ask(&e, body);
		if (blocks) {
			assert_reply(&e, HELLO);
			assert_int_equal(peer.seen->body_n, 1400);
		} else {
			assert_says(&e, CAUSE_REFUSED, "coap", "takes nothing in blocks");
			assert_true(e.x.too_large && e.x.unsent);
		}
		assert_true(e.took_ms < 6000);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
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
	char *body = large(4000);
	struct coap_reply reply = { .payload = body, .n = 4000 };

	(void)state;
	for (int breaks = 0; breaks < 2; breaks++) {
		struct exchanging e = { .x = { .request = (const uint8_t *)"poll", .request_n = 4,
					       .patience_ms = 5000, .done = on_done, .grown = on_grown } };

		start(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1,
						.download = breaks ? COAP_FORGETS : COAP_GOOD_BLOCKS });
		grown = 0;
		grown_n = 0;
		eim_exchange(client_link, &e.x);
		ev_main();
		assert_true(e.done);
		if (breaks) {
			assert_says(&e, CAUSE_MALFORMED, "coap", "the answer breaks off");
			assert_int_equal(grown, 1);
		} else {
			assert_reply(&e, body);
			assert_int_equal(grown, 3);
		}
		assert_int_equal(peer.seen->requests, 1);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
	}
	free(body);
}

/* --- associations -------------------------------------------------------------------------------------------------- */

static void an_association_is_replaced_when_the_server_ends_it(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "one" },
		{ .manner = COAP_FAREWELL }, { .payload = "two" }, { .manner = COAP_RESET },
		{ .payload = "three" }, { .payload = "four" } };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = ARRAY_SIZE(replies) });
	ask(&e, "poll");
	assert_reply(&e, "one");
	/* In the middle of an exchange. */
	ask(&e, "poll");
	assert_reply(&e, "two");
	assert_int_equal(peer.seen->handshakes, 2);
	ask(&e, "poll");
	assert_reply(&e, "three");
	assert_int_equal(peer.seen->handshakes, 3);
	/* Between two. */
	peer.seen->leave++;
	until_closed();
	ask(&e, "poll");
	assert_reply(&e, "four");
	assert_int_equal(peer.seen->handshakes, 4);
	assert_int_equal(peer.seen->hellos, 4);
	assert_int_equal(figures().replaced, 2);
}

static void a_server_that_always_hangs_up_is_not_asked_for_ever(void **state)
{
	static const struct coap_reply replies[] = { { .manner = COAP_FAREWELL } };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 1 });
	ask(&e, "poll");
	assert_says(&e, CAUSE_LINK_LOST, "tls", "closed by the server");
	assert_int_equal(peer.seen->requests, 2);
}

/* A crash and a restart: the server knows nothing any more, and says nothing. */
static void a_server_that_has_forgotten_is_noticed(void **state)
{
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = hello, .replies_n = 1 });
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	peer.seen->forget++;
	until(&peer.seen->forgotten, 1);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 2);
	assert_true(peer.seen->strays > 0);
	assert_true(e.took_ms >= 1000 && e.took_ms < 5000);
	assert_int_equal(figures().replaced, 1);
}

static void a_server_that_is_gone_is_noticed_at_once(void **state)
{
	uint16_t port;
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = hello, .replies_n = 1 });
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	port = peer.port;
	coap_peer_stop(&peer);
	ask(&e, "poll");
	assert_says(&e, CAUSE_LINK_LOST, "connect", "Connection refused");
	/* On the same port again. */
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .port = port, .replies = hello,
							 .replies_n = 1 });
	ask(&e, "poll");
	assert_reply(&e, HELLO);
}

/* The work takes longer than an old association is trusted without a sign: pings are signs. */
static void a_slow_server_is_waited_for(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "quickly" },
						     { .payload = "slowly", .delay_ms = 4000 } };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 2 });
	ask(&e, "poll");
	assert_reply(&e, "quickly");
	ask(&e, "relay");
	assert_reply(&e, "slowly");
	assert_int_equal(peer.seen->handshakes, 1);
	assert_int_equal(peer.seen->requests, 2);
	assert_true(peer.seen->pings > 0);
}

/* It gives up whoever is silent for a while, even while it works for them. */
static void an_idle_limit_is_kept_off_by_pings(void **state)
{
	static const struct coap_reply reply = { .payload = "late", .delay_ms = 7000 };
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .idle_ms = 5200, .replies = &reply,
							 .replies_n = 1 });
	o = quick();
	use_key(&o, KEY);
	/* As if it had been acknowledged: nothing is sent again by itself. */
	o.server.ack_timeout_ms = 30000;
	o.server.idle_limit_ms = 5200;
	link_with(&o);
	ask(&e, "relay");
	assert_reply(&e, "late");
	assert_int_equal(peer.seen->handshakes, 1);
	assert_true(peer.seen->pings > 0);
}

static void silence_has_a_name(void **state)
{
	static const struct coap_reply replies[] = { { .manner = COAP_SILENT }, { .manner = COAP_SILENT },
						     { .payload = "again" } };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 3 });
	run(client_link, &e, "poll", 4, 3000);
	assert_says(&e, CAUSE_TIMEOUT, "coap", "waited 3000 ms in vain for the answer of localhost");
	assert_false(e.x.unsent);
	run(client_link, &e, "poll", 4, 3000);
	assert_says(&e, CAUSE_TIMEOUT, "coap", "the answer of localhost");
	ask(&e, "poll");
	assert_reply(&e, "again");
}

static void a_mute_server_has_a_name(void **state)
{
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .replies = hello, .replies_n = 1 });
	peer.seen->mute = true;
	o = quick();
	use_key(&o, KEY);
	o.server.connect_ms = 2500;
	link_with(&o);
	ask(&e, "poll");
	assert_says(&e, CAUSE_TIMEOUT, "tls", "waited 2500 ms in vain for the handshake of localhost: not a sign");
	assert_true(e.x.unsent);
	peer.seen->mute = false;
	ask(&e, "poll");
	assert_reply(&e, HELLO);
}

static void an_association_without_use_is_closed(void **state)
{
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .replies = hello, .replies_n = 1 });
	o = quick();
	use_key(&o, KEY);
	o.server.keep_ms = 0;
	link_with(&o);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 1);
	eim_close(client_link);
	until(&peer.seen->farewells, 1);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 2);
}

static struct exchanging cancelled;

static void on_cancel_time(struct ev_alarm *a)
{
	(void)a;
	eim_cancel(client_link, &cancelled.x);
	ev_quit();
}

static void a_cancelled_request_is_forgotten(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "too late", .delay_ms = 600 } };
	struct ev_alarm alarm = { .fired = on_cancel_time };
	struct exchanging e;

	(void)state;
	start(&(struct coap_peer_plan){ .replies = replies, .replies_n = 1 });
	for (unsigned ms = 0; ms <= 300; ms += 100) {
		cancelled = (struct exchanging){ .x = { .request = (const uint8_t *)"poll", .request_n = 4,
							.patience_ms = 5000, .done = on_done } };
		eim_exchange(client_link, &cancelled.x);
		ev_alarm_start(&alarm, ms);
		ev_main();
		assert_false(cancelled.done);
	}
	ask(&e, "poll");
	assert_reply(&e, "too late");
}

/* --- the way --------------------------------------------------------------------------------------------------------- */

/* Loss, copies and disorder: it arrives, or has a name in time; never wrong, never twice. */
static void a_bad_way_only_costs_time(void **state)
{
	char *up = large(3000), *down = large(4000);
	struct coap_reply reply = { .payload = down, .n = 4000 };
	unsigned arrived = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 3; seed++) {
		struct exchanging e;

		start_behind_proxy(&(struct coap_peer_plan){ .replies = &reply, .replies_n = 1 }, seed);
		proxy.state->lose = 100;
		proxy.state->duplicate = 150;
		proxy.state->reorder = 150;
		run(client_link, &e, up, 3000, 20000);
		if (cause_is_set(&e.why)) {
			print_message("seed %u: %s\n", seed, e.x.text);
			assert_int_not_equal(e.why.kind, CAUSE_MALFORMED);
			assert_null(e.x.reply);
		} else {
			assert_reply(&e, down);
			assert_int_equal(peer.seen->body_n, 3000);
			assert_memory_equal(peer.seen->body, up, 3000);
			arrived++;
		}
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
		udp_proxy_stop(&proxy);
	}
	assert_true(arrived >= 2);
	free(up);
	free(down);
}

static void a_third_lost_ends_in_time(void **state)
{
	struct exchanging e;

	(void)state;
	for (unsigned seed = 11; seed <= 12; seed++) {
		start_behind_proxy(&(struct coap_peer_plan){ .replies = hello, .replies_n = 1 }, seed);
		proxy.state->lose = 300;
		run(client_link, &e, "poll", 4, 12000);
		if (cause_is_set(&e.why)) {
			print_message("seed %u: %s\n", seed, e.x.text);
			assert_int_not_equal(e.why.kind, CAUSE_MALFORMED);
		} else {
			assert_reply(&e, HELLO);
		}
		/* The way is mended: so is everything. */
		proxy.state->lose = 0;
		ask(&e, "poll");
		assert_reply(&e, HELLO);
		eim_free(client_link);
		client_link = NULL;
		coap_peer_stop(&peer);
		udp_proxy_stop(&proxy);
	}
}

/* A router forgets its mapping: to the server, the datagrams are a stranger's. */
static void another_address_means_another_association(void **state)
{
	struct exchanging e;

	(void)state;
	start_behind_proxy(&(struct coap_peer_plan){ .replies = hello, .replies_n = 1 }, 5);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	proxy.state->rebind++;
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	assert_int_equal(peer.seen->handshakes, 2);
	assert_int_equal(figures().replaced, 1);
	assert_true(e.took_ms < 5000);
}

static void a_way_that_breaks_in_the_middle_has_a_name(void **state)
{
	struct exchanging e;

	(void)state;
	start_behind_proxy(&(struct coap_peer_plan){ .replies = hello, .replies_n = 1 }, 5);
	ask(&e, "poll");
	assert_reply(&e, HELLO);
	proxy.state->swallow_down = true;
	run(client_link, &e, "poll", 4, 5000);
	assert_says(&e, CAUSE_TIMEOUT, "tls", "the handshake of localhost: not a sign");
	assert_false(e.x.unsent);
	proxy.state->swallow_down = false;
	ask(&e, "poll");
	assert_reply(&e, HELLO);
}

/* --- several at once --------------------------------------------------------------------------------------------------- */

#define MANY 6

static void on_one_of_many(struct eim_exchange *x, const struct cause *why)
{
	struct exchanging *e = container_of(x, struct exchanging, x);

	if (why)
		e->why = *why;
	e->done = true;
}

static void on_tick(struct ev_alarm *a)
{
	(void)a;
	ev_quit();
}

static void several_at_once_do_not_disturb_each_other(void **state)
{
	char *up = large(3000), *down = large(5000);
	struct coap_reply reply = { .payload = down, .n = 5000 };
	struct eim_link *links[MANY];
	struct exchanging many[MANY];
	struct ev_alarm tick = { .fired = on_tick };
	unsigned done = 0;
	struct esipa_coaps o;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .replies = &reply, .replies_n = 1 });
	o = quick();
	use_key(&o, KEY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(esipa_coaps_new(&o, &links[i]), 0);
		many[i] = (struct exchanging){ .x = { .request = (const uint8_t *)up, .request_n = 3000,
						      .patience_ms = 15000, .done = on_one_of_many } };
		eim_exchange(links[i], &many[i].x);
	}
	for (int t = 0; t < 200 && done < MANY; t++) {
		ev_alarm_start(&tick, 100);
		ev_main();
		done = 0;
		for (int i = 0; i < MANY; i++)
			done += many[i].done;
	}
	for (int i = 0; i < MANY; i++) {
		assert_true(many[i].done);
		assert_reply(&many[i], down);
		eim_free(links[i]);
	}
	assert_int_equal(peer.seen->handshakes, MANY);
	free(up);
	free(down);
}

/* --- what can be set ------------------------------------------------------------------------------------------------------ */

static void path_format_and_host_are_as_configured(void **state)
{
	static const struct coap_reply replies[] = { { .payload = "one" }, { .code = 0x8f },
						     { .payload = "two" }, { .payload = "three" } };
	struct esipa_coaps o;
	struct exchanging e;

	(void)state;
	coap_peer_start(&peer, &(struct coap_peer_plan){ .psk = KEY, .replies = replies, .replies_n = 4 });
	o = quick();
	use_key(&o, KEY);
	o.server.path = "/esipa";
	o.server.format = 42;
	o.server.uri_host = true;
	link_with(&o);
	ask(&e, "poll");
	assert_reply(&e, "one");
	assert_string_equal(peer.seen->path, "/esipa");
	assert_string_equal(peer.seen->host, "localhost");
	assert_int_equal(peer.seen->format, 42);
	/* 4.15: once more without, and so from then on. */
	ask(&e, "poll");
	assert_reply(&e, "two");
	assert_int_equal(peer.seen->format, -1);
	assert_int_equal(peer.seen->requests, 3);
	ask(&e, "poll");
	assert_reply(&e, "three");
	assert_int_equal(peer.seen->format, -1);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
		T(both_ways_in_blocks),
		T(a_message_that_is_too_long_for_the_server_is_cut),
		T(a_long_message_that_gets_lost_goes_in_blocks),
		T(an_answer_is_seen_while_it_grows),
		T(an_association_is_replaced_when_the_server_ends_it),
		T(a_server_that_always_hangs_up_is_not_asked_for_ever),
		T(a_server_that_has_forgotten_is_noticed),
		T(a_server_that_is_gone_is_noticed_at_once),
		T(a_slow_server_is_waited_for),
		T(an_idle_limit_is_kept_off_by_pings),
		T(silence_has_a_name),
		T(a_mute_server_has_a_name),
		T(an_association_without_use_is_closed),
		T(a_cancelled_request_is_forgotten),
		T(a_bad_way_only_costs_time),
		T(a_third_lost_ends_in_time),
		T(another_address_means_another_association),
		T(a_way_that_breaks_in_the_middle_has_a_name),
		T(several_at_once_do_not_disturb_each_other),
		T(path_format_and_host_are_as_configured),
	};
	int r;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	r = cmocka_run_group_tests(tests, make_certificates, free_certificates);
	coap_library_close();
	crypto_close();
	return r;
}
