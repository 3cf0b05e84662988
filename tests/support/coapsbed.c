#include "support/coapsbed.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"

#define GUARD_MS 60000

struct coapsbed bed;
const struct coap_reply bed_hello = { .payload = BED_HELLO };

struct esipa_coaps bed_quick(void)
{
	struct esipa_coaps o = { .server = { .format = -1, .connect_ms = 8000, .ack_timeout_ms = 1000,
					     .silence_ms = 1500, .keep_ms = 60000 } };

	net_place_parse(TEXT("localhost"), COAPS_PORT, &o.server.place);
	o.server.place.port = bed.proxy.pid ? bed.proxy.port : bed.peer.port;
	return o;
}

void bed_use_key(struct esipa_coaps *o, const char *key)
{
	bed.psk = (struct psk){ .identity_n = 8, .key_n = strlen(key) };
	memcpy(bed.psk.identity, "89049032", 8);
	memcpy(bed.psk.key, key, bed.psk.key_n);
	o->server.psk = &bed.psk;
}

void bed_link(const struct esipa_coaps *o)
{
	assert_int_equal(esipa_coaps_new(o, &bed.link), 0);
}

void bed_start(const struct coap_peer_plan *plan)
{
	static struct coap_peer_plan copy;
	struct esipa_coaps o;

	copy = *plan;
	if (!copy.cert)
		copy.psk = BED_KEY;
	coap_peer_start(&bed.peer, &copy);
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	bed_link(&o);
}

void bed_start_behind_proxy(const struct coap_peer_plan *plan, unsigned seed)
{
	static struct coap_peer_plan copy;
	struct esipa_coaps o;

	copy = *plan;
	copy.psk = BED_KEY;
	coap_peer_start(&bed.peer, &copy);
	udp_proxy_start(&bed.proxy, bed.peer.port, seed);
	o = bed_quick();
	bed_use_key(&o, BED_KEY);
	bed_link(&o);
}

void bed_done(struct eim_exchange *x, const struct cause *why)
{
	struct bed_exchange *e = container_of(x, struct bed_exchange, x);

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

void bed_run(struct eim_link *link, struct bed_exchange *e, const void *body, size_t n, unsigned patience_ms)
{
	struct ev_alarm guard = { .fired = on_guard };
	uint64_t since = ev_now_ms();

	*e = (struct bed_exchange){ .x = { .request = body, .request_n = n, .patience_ms = patience_ms,
					 .done = bed_done } };
	eim_exchange(link, &e->x);
	ev_alarm_start(&guard, GUARD_MS);
	ev_main();
	ev_alarm_stop(&guard);
	assert_true(e->done);
	e->took_ms = ev_now_ms() - since;
	assert_true(e->took_ms < patience_ms + 2000);
}

void bed_ask(struct bed_exchange *e, const char *body)
{
	bed_run(bed.link, e, body, strlen(body), 15000);
}

#define assert_fine(e)                                                     \
	do {                                                               \
		if (cause_is_set(&(e)->why))                               \
			fail_msg("%s %s", cause_name((e)->why.kind), (e)->x.text); \
	} while (0)

void bed_says(const struct bed_exchange *e, enum cause_kind kind, const char *from,
			const char *words)
{
	if (e->why.kind != kind || strcmp(e->why.from, from) != 0 || !strstr(e->x.text, words))
		fail_msg("%s from %s: %s", cause_name(e->why.kind), e->why.from ? e->why.from : "nobody",
			 e->x.text);
	assert_null(e->x.reply);
}

void bed_reply(struct bed_exchange *e, const char *body)
{
	assert_fine(e);
	assert_int_equal(e->x.reply_n, strlen(body));
	if (*body)
		assert_memory_equal(e->x.reply, body, strlen(body));
	free(e->x.reply);
}

struct coaps_figures bed_figures(void)
{
	struct coaps_figures f;

	coaps_figures(esipa_coaps_client(bed.link), &f);
	return f;
}

void bed_until(volatile unsigned *what, unsigned at_least)
{
	for (int i = 0; i < 500 && *what < at_least; i++)
		usleep(10000);
	assert_true(*what >= at_least);
}

void bed_until_closed(void)
{
	struct ev_alarm tick = { .fired = on_guard };

	for (int i = 0; i < 250 && bed_figures().open; i++) {
		ev_alarm_start(&tick, 20);
		ev_main();
	}
	assert_false(bed_figures().open);
}

int bed_setup(void **state)
{
	(void)state;
	bed.peer.pid = bed.proxy.pid = 0;
	bed.link = NULL;
	bed.trust = NULL;
	return ev_open();
}

int bed_teardown(void **state)
{
	(void)state;
	eim_free(bed.link);
	trust_free(bed.trust);
	coap_peer_stop(&bed.peer);
	udp_proxy_stop(&bed.proxy);
	ev_close();
	return 0;
}

void bed_clear(void)
{
	eim_free(bed.link);
	bed.link = NULL;
	trust_free(bed.trust);
	bed.trust = NULL;
	coap_peer_stop(&bed.peer);
	udp_proxy_stop(&bed.proxy);
}

char *bed_large(size_t n)
{
	char *p = malloc(n + 1);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i * 7 / 5 % 26);
	p[n] = '\0';
	return p;
}
