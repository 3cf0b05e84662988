#include "sim/eim/package.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "core/util.h"

#define TX_LEN 8

size_t se_token_do(int32_t token, uint8_t dst[8])
{
	struct tlv_out w = { .buf = dst, .cap = 8 };
	size_t n = 0;

	tlv_put_i32(&w, 0x84, token);
	tlv_done(&w, &n);
	return n;
}

int se_package_sign(EVP_PKEY *key, bool random, const struct se_euicc_package *p, uint8_t *dst,
		    size_t cap, size_t *ret_n)
{
	uint8_t token[8], signature[SE_SIGNATURE_LEN];
	struct octets parts[2];
	struct tlv_out w = { .buf = dst, .cap = cap };
	struct tlv_mark whole = tlv_begin(&w, 0xBF51), data;
	size_t from = w.len;
	int r;

	data = tlv_begin(&w, 0x30);
	tlv_put_octets(&w, 0x80, p->eim_id);
	tlv_put_octets(&w, 0x5A, p->eid);
	tlv_put_u32(&w, 0x81, p->counter);
	if (p->tx.n)
		tlv_put_octets(&w, 0x82, p->tx);
	tlv_put_raw(&w, p->body.p, p->body.n);
	tlv_close(&w, data);
	if (w.full)
		return -EMSGSIZE;
	parts[0] = octets_from(dst + from, w.len - from);
	parts[1] = octets_from(token, se_token_do(p->token, token));
	r = se_sign(key, random, parts, 2, signature);
	if (r < 0)
		return r;
	tlv_put(&w, 0x5F37, signature, sizeof(signature));
	tlv_close(&w, whole);
	return tlv_done(&w, ret_n);
}

struct se_package *se_package_order(struct se_card *c, const struct se_order *o)
{
	struct se_package *p = se_package_new(c, o->kind, o->what);

	if (!p)
		return NULL;
	p->switches = o->switches;
	if (p->download) {
		memcpy(p->download->code, o->code, sizeof(o->code));
		memcpy(p->download->smds, o->smds, sizeof(o->smds));
		memcpy(p->download->confirmation, o->confirmation, sizeof(o->confirmation));
		p->download->wanted = o->wanted;
	}
	if (se_package_set(&p->body, &p->body_n, octets_from(o->body, o->n)) < 0) {
		c->packages_n--;
		se_package_free(p);
		return NULL;
	}
	return p;
}

/* IpaEuiccDataRequest, ProfileDownloadTriggerRequest: the content and our transaction id. */
static int put_request(struct se_card *c, struct se_package *p, uint8_t *dst, size_t cap,
		       size_t *ret_n)
{
	bool data = p->kind == SE_KIND_DATA;
	struct tlv_out w = { .buf = dst, .cap = cap };
	struct tlv_mark m = tlv_begin(&w, data ? 0xBF52 : 0xBF54);

	tlv_put_raw(&w, p->body, p->body_n);
	/* v1.0 has a transaction id in the trigger only. */
	if (!data || c->version != SE_V1_0)
		tlv_put(&w, data ? 0x83 : 0x82, p->tx, p->tx_n);
	tlv_close(&w, m);
	return tlv_done(&w, ret_n);
}

static int sign_as(struct se_eim *e, struct se_package *p, const uint8_t *eid, uint8_t *dst,
		   size_t cap, size_t *ret_n)
{
	const struct se_euicc_package out = {
		.eim_id = octets_from(e->id, strlen(e->id)),
		.eid = octets_from(eid, SE_EID_LEN),
		.tx = octets_from(p->tx, p->tx_n),
		.body = octets_from(p->body, p->body_n),
		.counter = p->counter,
		.token = p->token,
	};

	return se_package_sign(e->key, e->random_signatures, &out, dst, cap, ret_n);
}

static bool is_signed(const struct se_package *p)
{
	return p->kind == SE_KIND_PSMO || p->kind == SE_KIND_ECO;
}

int se_package_prepare(struct se_eim *e, struct se_card *c, struct se_package *p)
{
	uint8_t message[SE_ORDER_MAX + 512];
	size_t n;
	int r;

	if (p->message)
		return 0;
	if (!p->tx_n && RAND_bytes(p->tx, TX_LEN) != 1)
		return -EIO;
	p->tx_n = p->tx_n ? p->tx_n : TX_LEN;
	p->token = c->token;
	if (is_signed(p)) {
		p->counter = c->counter + 1;
		r = sign_as(e, p, c->eid_bcd, message, sizeof(message), &n);
	} else {
		r = put_request(c, p, message, sizeof(message), &n);
	}
	if (r == 0)
		r = se_package_set(&p->message, &p->message_n, octets_from(message, n));
	if (r == 0 && is_signed(p))
		c->counter = p->counter;
	return r;
}

/* An operation that nobody knows, behind the others. */
static int add_unknown(struct se_package *p)
{
	uint8_t list[SE_ORDER_MAX + 16];
	struct tlv_out w = { .buf = list, .cap = sizeof(list) };
	struct tlv_doc doc;
	struct tlv in = tlv_open(&doc, octets_from(p->body, p->body_n));
	uint32_t tag = tlv_peek(&in);
	struct octets content = tlv_take(&in, tag);
	struct tlv_mark m = tlv_begin(&w, tag);
	size_t n;

	tlv_put_raw(&w, content.p, content.n);
	tlv_put(&w, 0xBF7A, NULL, 0);
	tlv_close(&w, m);
	if (tlv_done(&w, &n) < 0)
		return -EMSGSIZE;
	return se_package_set(&p->body, &p->body_n, octets_from(list, n));
}

struct se_package *se_package_spoil(struct se_eim *e, struct se_card *c, struct se_package *p,
				    enum se_fault_kind how)
{
	uint8_t message[SE_ORDER_MAX + 512], eid[SE_EID_LEN];
	struct se_package *bad;
	uint32_t counter = c->counter;
	size_t n;

	if (!is_signed(p) || p->fault[0])
		return NULL;
	bad = se_package_new(c, p->kind, p->what);
	if (!bad)
		return NULL;
	list_del(&bad->node);
	list_add(&p->node, &bad->node);
	snprintf(bad->fault, sizeof(bad->fault), "%s", se_fault_names[how]);
	bad->tx_n = TX_LEN;
	bad->token = c->token;
	bad->counter = how == SE_FAULT_LOW_COUNTER ? 0 : ++counter;
	memcpy(eid, c->eid_bcd, sizeof(eid));
	if (how == SE_FAULT_WRONG_EID)
		eid[SE_EID_LEN - 1] ^= 0x11;
	if (RAND_bytes(bad->tx, TX_LEN) != 1 ||
	    se_package_set(&bad->body, &bad->body_n, octets_from(p->body, p->body_n)) < 0 ||
	    (how == SE_FAULT_UNKNOWN_PSMO && add_unknown(bad) < 0) ||
	    sign_as(e, bad, eid, message, sizeof(message), &n) < 0)
		goto bad;
	if (how == SE_FAULT_BAD_SIGNATURE)
		message[n - 1] ^= 0x01;
	if (se_package_set(&bad->message, &bad->message_n, octets_from(message, n)) < 0)
		goto bad;
	bad->switches = how == SE_FAULT_UNKNOWN_PSMO && p->switches;
	c->counter = counter;
	return bad;
bad:
	c->packages_n--;
	se_package_free(bad);
	return NULL;
}
