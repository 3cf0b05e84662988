/*
 * What strangers may send to sim-eim: HTTP requests (first octet 'H'), answers of an SM-DP+ ('J'),
 * ESipa messages for one ('R'), and ESipa messages to a card whose results need certificates ('C')
 * or are taken unverified (anything else).
 */
#include <stdint.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/esipa.h"
#include "sim/eim/http.h"
#include "sim/eim/package.h"
#include "sim/eim/relay.h"

#define EID "89049032123451234512345678901235"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct se_eim eim;

static void once(void)
{
	static const uint8_t scalar[32] = { [31] = 7 };

	se_eim_init(&eim, "");
	eim.learn = false;
	if (se_key_from_scalar("nist", octets_from(scalar, sizeof(scalar)), &eim.key) < 0)
		abort();
}

/* The packages that the worked examples answer. */
static void queue(struct se_card *c, enum se_kind kind, uint8_t last)
{
	static const uint8_t tx[] = { 0x1A, 0x2B, 0x3C, 0x4D };
	struct se_package *p = se_package_new(c, kind, "fuzz");

	if (!p || se_package_set(&p->body, &p->body_n, octets_from("\xA0\x02\xA6\x00", 4)) < 0)
		abort();
	memcpy(p->tx, tx, sizeof(tx));
	p->tx[3] ^= last;
	p->tx_n = sizeof(tx);
	if (se_package_prepare(&eim, c, p) < 0)
		abort();
	p->state = SE_SENT;
	p->sent = 1;
}

static void esipa(const uint8_t *data, size_t n)
{
	struct se_exchange x = { .request = octets_from(data, n) };
	struct se_card *c;

	if (se_card_new(&eim, EID, &c) < 0)
		abort();
	c->counter = 6;
	queue(c, SE_KIND_PSMO, 0);
	queue(c, SE_KIND_DATA, 1);
	queue(c, SE_KIND_DOWNLOAD, 2);
	for (int round = 0; round < 2; round++) {
		if (se_esipa_handle(&eim, &x) != 0 || (x.status == 200 && !x.response_n) ||
		    (x.status != 200 && x.status != 204 && x.status != 400))
			abort();
	}
	free(x.response);
	se_card_free(c);
}

static void http(const uint8_t *data, size_t n)
{
	_cleanup_(freep) uint8_t *copy = malloc(n ? n : 1);
	struct se_http h;

	if (!copy)
		abort();
	memcpy(copy, data, n);
	if (se_http_parse(copy, n, 4096, &h) == 0 &&
	    (h.used > n || h.body.n > 4096 ||
	     (h.body.n && (h.body.p < copy || h.body.p + h.body.n > copy + n))))
		abort();
}

static const uint32_t functions[] = { 0xBF39, 0xBF3B, 0xBF3A, 0xBF41 };

/* Whatever the SM-DP+ says, the IPA gets one message of the function it asked for. */
static void answer(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		struct octets tid;
		struct tlv_doc doc;
		struct tlv top;
		uint8_t *out;
		size_t m;

		if (se_rsp_answer(functions[i], text_from(data, n), "m", &out, &m, &tid) < 0)
			abort();
		top = tlv_open(&doc, octets_from(out, m));
		tlv_take(&top, functions[i]);
		tlv_end(&top);
		if (doc.fault)
			abort();
		free(out);
	}
}

static void relay(const uint8_t *data, size_t n)
{
	struct se_rsp_order order;
	const char *function;

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		free(se_rsp_request(functions[i], octets_from(data, n), "a", &function));
	se_rsp_order_of(octets_from(data, n), &order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!eim.key)
		once();
	if (!n)
		return 0;
	eim.accept_unverified = data[0] != 'C';
	if (data[0] == 'H')
		http(data + 1, n - 1);
	else if (data[0] == 'J')
		answer(data + 1, n - 1);
	else if (data[0] == 'R')
		relay(data + 1, n - 1);
	else
		esipa(data + 1, n - 1);
	return 0;
}
