/* IpaEuiccDataResponse: what is in it, and what is learned from it. */
#include <string.h>

#include "core/util.h"
#include "sim/eim/describe.h"
#include "sim/eim/result.h"

static bool is_data(const struct se_package *p)
{
	return p->kind == SE_KIND_DATA;
}

struct data_parts {
	struct octets eum, euicc, tx, token;
	struct octets info1, info2, device, capabilities;
};

static void take_lists(struct se_eim *e, struct se_card *c, struct tlv list, bool results,
		       struct se_acks *acks)
{
	while (tlv_more(&list)) {
		uint32_t tag;
		struct octets one = tlv_take_whole(&list, &tag);

		if (results)
			se_result_take(e, c, one, acks);
		else
			se_note_take(e, c, one, acks);
	}
}

/* v1.0 carries a RetrieveNotificationsList answer: A0 notifications, A2 results, A3 both. */
static void take_retrieved(struct se_eim *e, struct se_card *c, struct tlv body,
			   struct se_acks *acks)
{
	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);
		struct tlv in = tlv_enter(&body, tag);

		if (tag == 0xA3)
			take_retrieved(e, c, in, acks);
		else if (tag == 0xA0 || tag == 0xA1 || tag == 0xA2)
			take_lists(e, c, in, tag != 0xA0, acks);
	}
}

/* Certificate fields replace the 30 of the certificate; some senders keep it. */
static size_t whole_certificate(struct octets v, uint8_t *dst, size_t cap)
{
	struct tlv_out w = { .buf = dst, .cap = cap };
	uint32_t tag;
	size_t head, value, n = 0;

	if (tlv_head(v.p, v.n, &tag, &head, &value) == 0 && tag == 0x30 && head + value == v.n)
		tlv_put_raw(&w, v.p, v.n);
	else
		tlv_put_octets(&w, 0x30, v);
	return tlv_done(&w, &n) == 0 ? n : 0;
}

static void learn(struct se_eim *e, struct se_card *c, const struct data_parts *d,
		  struct se_words *w)
{
	uint8_t eum[SE_CERT_MAX], euicc[SE_CERT_MAX];
	size_t eum_n = d->eum.n ? whole_certificate(d->eum, eum, sizeof(eum)) : c->eum_n;
	size_t euicc_n =
		d->euicc.n ? whole_certificate(d->euicc, euicc, sizeof(euicc)) : c->euicc_n;
	const char *why;
	int32_t token;

	if (d->token.n && octets_to_i32(d->token, &token) == 0) {
		se_words_add(w, " token %d", token);
		if (token != c->token)
			se_log(e, c, "association token is now %d", token);
		c->token = token;
	}
	if (!d->eum.n && !d->euicc.n)
		return;
	if (se_card_certificates(e, c, octets_from(d->eum.n ? eum : c->eum, eum_n),
				 octets_from(d->euicc.n ? euicc : c->euicc, euicc_n), &why) < 0) {
		se_words_add(w, " certificates NOT TAKEN");
		se_remark(e, c, "certificates not taken: %s", why);
		return;
	}
	se_words_add(w, " certificates verified");
}

static size_t keep(uint8_t *dst, size_t cap, struct octets v, size_t before)
{
	if (!v.n || v.n > cap)
		return before;
	memcpy(dst, v.p, v.n);
	return v.n;
}

/* What an indirect download in compact forms needs. */
static void learn_more(struct se_card *c, const struct data_parts *d)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, d->capabilities);
	struct octets features = tlv_maybe(&w, 0x80);

	c->info1_n = keep(c->info1, sizeof(c->info1), d->info1, c->info1_n);
	c->info2_n = keep(c->info2, sizeof(c->info2), d->info2, c->info2_n);
	c->device_n = keep(c->device, sizeof(c->device), d->device, c->device_n);
	if (features.n >= 2) {
		c->has_features = true;
		c->features = features.p[1];
	}
}

static void say_tag(struct se_words *w, uint32_t tag)
{
	static const struct {
		uint32_t tag;
		const char *name;
	} names[] = {
		{ 0xBF20, "info1" },	  { 0xBF22, "info2" }, { 0x88, "capabilities" },
		{ 0xA8, "capabilities" }, { 0xA9, "device" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].tag == tag) {
			se_words_add(w, " %s", names[i].name);
			return;
		}
	}
	se_words_add(w, " unknown %X", tag);
}

/* ipaSupportedProtocols, 2.11.2: bit 0 is the most significant one behind the count of unused bits. */
static void say_protocols(struct se_words *w, struct octets capabilities)
{
	static const char *const names[] = { "retrieve-https", "retrieve-coaps", "inject-https",
					     "inject-coaps", "proprietary" };
	struct tlv_doc doc;
	struct tlv c = tlv_open(&doc, capabilities);
	struct octets bits;

	(void)tlv_maybe(&c, 0x80);
	bits = tlv_maybe(&c, 0x81);
	for (size_t i = 0; bits.n >= 2 && i < ARRAY_SIZE(names); i++)
		if (bits.p[1] & 0x80 >> i)
			se_words_add(w, " %s", names[i]);
}

static void take_data_ok(struct se_eim *e, struct se_card *c, struct tlv body, struct data_parts *d,
			 struct se_words *w, struct se_acks *acks)
{
	struct text text;
	uint32_t t;

	while (tlv_more(&body)) {
		uint32_t tag = tlv_peek(&body);

		switch (tag) {
		case 0xA0:
			se_words_add(w, " notifications");
			take_lists(e, c, tlv_enter(&body, tag), false, acks);
			break;
		case 0xA2:
			se_words_add(w, " results");
			take_lists(e, c, tlv_enter(&body, tag), true, acks);
			break;
		case 0xBF2B:
			se_words_add(w, " notifications");
			take_retrieved(e, c, tlv_enter(&body, tag), acks);
			break;
		case 0x84:
			d->token = tlv_take(&body, tag);
			break;
		case 0xA5:
			d->eum = tlv_take(&body, tag);
			break;
		case 0xA6:
			d->euicc = tlv_take(&body, tag);
			break;
		case 0x87:
			d->tx = tlv_take(&body, tag);
			break;
		case 0xBF20:
			say_tag(w, tag);
			d->info1 = tlv_take_whole(&body, &t);
			break;
		case 0xBF22:
			say_tag(w, tag);
			d->info2 = tlv_take_whole(&body, &t);
			break;
		case 0x88:
		case 0xA8:
			say_tag(w, tag);
			d->capabilities = tlv_take(&body, tag);
			say_protocols(w, d->capabilities);
			break;
		case 0xA9:
			say_tag(w, tag);
			d->device = tlv_take(&body, tag);
			break;
		case 0x80:
		case 0x81:
		case 0x83:
			text = octets_text(tlv_take(&body, tag));
			se_words_add(w, " %s " TEXT_FMT, tag == 0x83 ? "root-smds" : "default-smdp",
				     TEXT_ARG(text));
			break;
		default:
			say_tag(w, tag);
			tlv_skip(&body);
		}
	}
}

void se_data_take(struct se_eim *e, struct se_card *c, struct octets response, struct se_acks *acks)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, response), body = tlv_enter(&top, 0xBF52), in;
	struct data_parts d = { 0 };
	char outcome[SE_OUTCOME_MAX] = "";
	struct se_words w = { .s = outcome, .cap = sizeof(outcome) };
	struct se_package *p;
	bool error = true;
	uint32_t code;

	se_words_add(&w, "data:");
	if (tlv_peek(&body) == 0xA0) {
		error = false;
		take_data_ok(e, c, tlv_enter(&body, 0xA0), &d, &w, acks);
		learn(e, c, &d, &w);
		learn_more(c, &d);
	} else if (tlv_peek(&body) == 0xA1) {
		in = tlv_enter(&body, 0xA1);
		d.tx = tlv_maybe(&in, 0x80);
		code = tlv_take_u32(&in, 0x02);
		se_words_add(&w, " error(%u)", code);
	} else {
		se_words_add(&w, " error(%u)", tlv_take_u32(&body, 0x81));
	}
	p = d.tx.n ? se_package_by_tx(c, d.tx) : se_package_in_flight(c, is_data);
	if (doc.fault || !p || p->kind != SE_KIND_DATA) {
		c->unmatched++;
		se_remark(e, c, "a data response %s",
			  doc.fault ? "is malformed" : "belongs to no request");
		return;
	}
	if (p->results) {
		p->duplicates++;
		se_remark(e, c, "package %u: DUPLICATE data response", p->id);
		return;
	}
	p->results++;
	p->error = error;
	memcpy(p->outcome, outcome, sizeof(outcome));
	(void)se_package_set(&p->result, &p->result_n, response);
	se_package_conclude(p, SE_DONE);
	se_log(e, c, "< package %u: %s", p->id, p->outcome);
}
