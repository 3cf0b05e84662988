/*
 * What strangers may send to sim-eim: HTTP requests (first octet 'H'), answers of an SM-DP+ ('J'),
 * ESipa messages for one ('R'), compact forms ('X'), CoAP blocks ('B'), and ESipa messages to a card
 * whose results need certificates ('C') or are taken unverified (anything else).
 */
#include <stdint.h>
#include <string.h>

#include "core/util.h"
#include "sim/eim/block.h"
#include "sim/eim/esipa.h"
#include "sim/eim/expand.h"
#include "sim/eim/http.h"
#include "sim/eim/package.h"
#include "sim/eim/rsp.h"

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

/* Whatever the SM-DP+ says, the IPA gets one message of the function it asked for, or an error. */
static void answer(const uint8_t *data, size_t n)
{
	static const char *const forms[] = { "full", "compact", "ci=1,bare" };

	for (size_t i = 0; i < ARRAY_SIZE(functions) * ARRAY_SIZE(forms); i++) {
		uint32_t tag = functions[i / ARRAY_SIZE(forms)];
		struct se_rsp_answer a = { .matching_id = "m",
					   .ctx = octets_from("\xA0\x02\xA1\x00", 4) };
		struct se_rsp_reply reply;
		struct tlv_doc doc;
		struct tlv top;
		uint8_t *out;
		size_t m;

		if (se_forms_parse(forms[i % ARRAY_SIZE(forms)], 0, &a.forms) < 0)
			abort();
		se_rsp_read(tag, text_from(data, n), &reply);
		(void)se_rsp_has_ppr(reply.part[SE_RSP_METADATA]);
		(void)se_rsp_same_metadata(reply.part[SE_RSP_BPP], reply.part[SE_RSP_METADATA]);
		(void)se_rsp_wants_code(reply.part[SE_RSP_SIGNED2]);
		if (!reply.code && se_rsp_write(tag, &reply, &a, &out, &m) == 0) {
			top = tlv_open(&doc, octets_from(out, m));
			tlv_take(&top, tag);
			tlv_end(&top);
			if (doc.fault)
				abort();
			free(out);
		}
		se_rsp_reply_done(&reply);
	}
}

static void relay(const uint8_t *data, size_t n)
{
	struct octets v = octets_from(data, n);
	struct se_code code;
	const char *function;
	char text[300];

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		free(se_rsp_request(functions[i], v, "a", octets_from(NULL, 0), &function));
	if (text_copy(se_trigger_code(v), text, sizeof(text)) == 0)
		(void)se_code_parse(text, &code);
}

/* A form of any kind; what comes out is one element, or nothing. */
static void expand(const uint8_t *data, size_t n)
{
	static const uint8_t info2[] = { 0xBF, 0x22, 0x05, 0x81, 0x00, 0x84, 0x01, 0x00 };
	static const uint8_t some[] = { 0x30, 0x04, 0x80, 0x02, 0x01, 0x02 };
	static uint8_t buf[4096];
	const struct se_known k = { .info2 = octets_from(info2, sizeof(info2)),
				    .euicc = octets_from(some, sizeof(some)),
				    .eum = octets_from(some, sizeof(some)),
				    .signed1 = octets_from(some, sizeof(some)),
				    .ctx = octets_from("\xA0\x00", 2),
				    .oid = octets_from("\x88\x37", 2) };
	int (*const all[])(const struct se_known *, struct octets, struct tlv_out *, const char **) = {
		se_expand_authentication, se_expand_preparation, se_expand_cancel,
		se_expand_installation, se_expand_notification,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
		struct tlv_doc doc;
		struct tlv top;
		const char *why = NULL;

		if (all[i](&k, octets_from(data, n), &w, &why) < 0) {
			if (!why)
				abort();
			continue;
		}
		top = tlv_open(&doc, octets_from(buf, w.len));
		tlv_skip(&top);
		if (doc.fault && w.len)
			abort();
	}
	(void)se_installation_tid(octets_from(data, n));
}

/* Two octets of option, one of length, and so on: never more than there may be. */
static void blocks(const uint8_t *data, size_t n)
{
	struct se_upload u = { .body = NULL };
	struct se_block b;

	for (size_t at = 0; at + 3 <= n;) {
		size_t len = MIN((size_t)data[at + 2] * 4, n - at - 3);

		if (se_block_parse(octets_from(data + at, 2), &b) == 0) {
			enum se_upload_step step = se_upload_add(&u, &b, octets_from(data, 1),
								 octets_from(data + at + 3, len), 2048);

			if ((step == SE_UPLOAD_MORE || step == SE_UPLOAD_WHOLE) && u.n > 2048)
				abort();
		}
		at += 3 + len;
	}
	se_upload_done(&u);
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
	else if (data[0] == 'X')
		expand(data + 1, n - 1);
	else if (data[0] == 'B')
		blocks(data + 1, n - 1);
	else
		esipa(data + 1, n - 1);
	return 0;
}
