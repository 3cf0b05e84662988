#include "sim/eim/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"

const char *const se_trust_names[_SE_TRUST_MAX] = {
	[SE_TRUST_NONE] = "none",
	[SE_TRUST_SPKI] = "spki",
	[SE_TRUST_CERT] = "cert",
	[SE_TRUST_CA] = "ca",
};

const char *const se_form_names[_SE_FORM_MAX] = {
	[SE_FORM_ENTRY] = "entry",
	[SE_FORM_ADD_INITIAL] = "add-initial",
	[SE_FORM_FIELDS] = "fields",
};

/* The tag of the alternative takes the place of the structure's own 30. */
static void put_bare(struct tlv_out *w, uint32_t outer, uint32_t tag, struct octets whole)
{
	struct tlv_mark m;
	struct tlv_doc doc;
	struct tlv in = tlv_open(&doc, whole);
	struct octets content = tlv_take(&in, 0x30);

	m = tlv_begin(w, outer);
	tlv_put_octets(w, tag, content);
	tlv_close(w, m);
}

void se_config_put(struct tlv_out *w, const struct se_config *c)
{
	uint8_t bits[2];

	tlv_put_text(w, 0x80, c->id);
	if (c->fqdn)
		tlv_put_text(w, 0x81, c->fqdn);
	if (c->id_type)
		tlv_put_u32(w, 0x82, c->id_type);
	if (c->has_counter)
		tlv_put_u32(w, 0x83, c->counter);
	if (c->token)
		tlv_put_i32(w, 0x84, -1);
	if (c->key.n)
		put_bare(w, 0xA5, 0xA0, c->key);
	else if (c->cert.n)
		put_bare(w, 0xA5, 0xA1, c->cert);
	if (c->tls_key.n)
		put_bare(w, 0xA6, 0xA0, c->tls_key);
	else if (c->tls_cert.n)
		put_bare(w, 0xA6, 0xA1, c->tls_cert);
	if (c->has_protocols) {
		/* A BIT STRING of named bits: without zeros at the end. */
		bits[0] = c->protocols ? (uint8_t)__builtin_ctz(c->protocols) : 0;
		bits[1] = c->protocols;
		tlv_put(w, 0x87, bits, c->protocols ? 2 : 1);
	}
	if (c->ci.n)
		tlv_put_octets(w, 0x88, c->ci);
	if (c->indirect)
		tlv_put(w, 0x89, NULL, 0);
}

struct material {
	uint8_t key[512], tls_key[512], tls_cert[SE_CERT_MAX], ci[SE_KEY_ID_LEN];
	char fqdn[300];
};

static int load_tls(struct se_eim *e, enum se_trust trust, struct material *m, struct se_config *c)
{
	char path[PATH_MAX];
	X509 *cert = NULL;
	size_t n;
	int r;

	if (trust == SE_TRUST_NONE)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", e->dir,
		 trust == SE_TRUST_CA ? "tls-ca.der" : "tls.pem");
	r = se_cert_load(path, &cert);
	if (r < 0)
		return r;
	if (trust == SE_TRUST_SPKI) {
		r = se_key_spki(X509_get0_pubkey(cert), m->tls_key, sizeof(m->tls_key), &n);
		c->tls_key = octets_from(m->tls_key, n);
	} else {
		r = se_cert_der(cert, m->tls_cert, sizeof(m->tls_cert), &n);
		c->tls_cert = octets_from(m->tls_cert, n);
	}
	if (r < 0)
		c->tls_key = c->tls_cert = octets_from(NULL, 0);
	X509_free(cert);
	return r;
}

static int encode(const struct se_config *c, enum se_config_form form, uint8_t *dst, size_t cap,
		  size_t *ret_n)
{
	struct tlv_out w = { .buf = dst, .cap = cap };
	struct tlv_mark outer = { 0 }, list = { 0 }, entry = { 0 };

	if (form == SE_FORM_ADD_INITIAL) {
		outer = tlv_begin(&w, 0xBF57);
		list = tlv_begin(&w, 0xA0);
	}
	if (form != SE_FORM_FIELDS)
		entry = tlv_begin(&w, 0x30);
	se_config_put(&w, c);
	if (form != SE_FORM_FIELDS)
		tlv_close(&w, entry);
	if (form == SE_FORM_ADD_INITIAL) {
		tlv_close(&w, list);
		tlv_close(&w, outer);
	}
	return tlv_done(&w, ret_n);
}

int se_config_own(struct se_eim *e, const struct se_config_wish *wish, uint8_t *dst, size_t cap,
		  size_t *ret_n, const char **ret_why)
{
	struct se_card *card = wish->eid ? se_card_find(e, wish->eid) : NULL;
	struct se_config c = { .id = e->id,
			       .id_type = e->id_type,
			       .has_counter = true,
			       .token = wish->token,
			       .has_protocols = true,
			       .protocols = e->protocols };
	struct material m;
	unsigned port;
	bool coaps;
	size_t n;

	*ret_why = NULL;
	if (wish->eid && !card) {
		*ret_why = "no such card";
		return -ENOENT;
	}
	c.counter = wish->has_counter ? wish->counter : card ? card->counter : 0;
	c.indirect = (wish->indirect < 0 ? e->indirect : wish->indirect) &&
		     (!card || card->version != SE_V1_0);
	coaps = wish->transport && !strcmp(wish->transport, "coaps");
	if (wish->transport)
		c.protocols = coaps ? 0x40 : !strcmp(wish->transport, "both") ? 0xC0 : 0x80;
	port = coaps ? e->coap_port : e->port;
	snprintf(m.fqdn, sizeof(m.fqdn), port && port != (coaps ? 5684 : 443) ? "%s:%u" : "%s",
		 e->fqdn, port);
	c.fqdn = wish->fqdn ? wish->fqdn : m.fqdn;
	if (wish->key_cert) {
		c.cert = octets_from(e->cert, e->cert_n);
	} else if (se_key_spki(e->key, m.key, sizeof(m.key), &n) == 0) {
		c.key = octets_from(m.key, n);
	} else {
		*ret_why = "the signing key cannot be encoded";
		return -EINVAL;
	}
	if (load_tls(e, wish->trust, &m, &c) < 0) {
		*ret_why = "the TLS certificate cannot be read";
		return -EINVAL;
	}
	if (wish->ci) {
		if (hex_decode(text_of(wish->ci), m.ci, sizeof(m.ci), &n) < 0) {
			*ret_why = "--ci: expected up to 20 octets in hexadecimal";
			return -EINVAL;
		}
		c.ci = octets_from(m.ci, n);
	}
	return encode(&c, wish->form, dst, cap, ret_n);
}
