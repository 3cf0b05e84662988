#include "support/eimdesk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/pki.h"
#include "support/examples.h"
#include "support/hexjson.h"
#include "support/rspcard.h"
#include "support/test.h"

struct ve_state *eimdesk_state(struct eimdesk *d)
{
	return euicc_card_state(d->t.card);
}

/* --- the card of the worked examples ---------------------------------------------------------- */

/* The CI is known by its key only: a certificate with nothing else in it. */
static struct octets ci_certificate(void)
{
	static uint8_t raw[512], tbs[400];
	struct tlv_out w = { raw, sizeof(raw) }, b = { tbs, sizeof(tbs) };
	static const uint8_t version[] = { 0x02, 0x01, 0x02 };
	struct octets alg = octets_of_hex("300A06082A8648CE3D040302");
	struct octets name = octets_of_hex("300D310B300906035504030C024349");
	struct octets days =
		octets_of_hex("301E170D3235303130313030303030305A170D34393031303130303030"
			      "30305A");
	uint8_t bits[1 + VE_POINT_LEN] = { 0 }, sig[VE_SIGNATURE_LEN], half[33] = { 0 };
	struct tlv_mark m, n, pair;

	memcpy(bits + 1, example("CI (root) (public)").p, VE_POINT_LEN);
	m = tlv_begin(&b, 0x30);
	tlv_put(&b, 0xa0, version, sizeof(version));
	tlv_put_u32(&b, 0x02, 1);
	tlv_put_raw(&b, alg.p, alg.n);
	tlv_put_raw(&b, name.p, name.n);
	tlv_put_raw(&b, days.p, days.n);
	tlv_put_raw(&b, name.p, name.n);
	n = tlv_begin(&b, 0x30);
	tlv_put_octets(&b, 0x30, octets_of_hex("06072A8648CE3D020106082A8648CE3D030107"));
	tlv_put(&b, 0x03, bits, sizeof(bits));
	tlv_close(&b, n);
	tlv_close(&b, m);
	assert_int_equal(ve_ec_sign(VE_CURVE_P256, example("CI (root)").p,
				    octets_from(tbs, b.len), sig), 0);
	m = tlv_begin(&w, 0x30);
	tlv_put_raw(&w, tbs, b.len);
	tlv_put_raw(&w, alg.p, alg.n);
	n = tlv_begin(&w, 0x03);
	tlv_put_raw(&w, "", 1);
	pair = tlv_begin(&w, 0x30);
	memcpy(half + 1, sig, 32);
	tlv_put(&w, 0x02, half, 33);
	memcpy(half + 1, sig + 32, 32);
	tlv_put(&w, 0x02, half, 33);
	tlv_close(&w, pair);
	tlv_close(&w, n);
	tlv_close(&w, m);
	return octets_from(raw, w.len);
}

void eimdesk_open_bare(struct eimdesk *d, const char *personality, enum ve_version version)
{
	static const struct euicc_profile profiles[] = {
		{ .iccid = TEXT("89000123456789012341"), .imsi = TEXT("001010123456789"),
		  .name = TEXT("A"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
		  .enabled = true, .notify = TEXT("dp.example") },
		{ .iccid = TEXT("89000123456789012342"), .imsi = TEXT("001010123456788"),
		  .name = TEXT("B"), .provider = TEXT("SP"), .class = VE_CLASS_OPERATIONAL,
		  .notify = TEXT("dp.example"), .fallback_allowed = true },
	};
	struct euicc_recipe recipe = {
		.eid = TEXT(EIMDESK_EID), .personality = personality, .version = version,
		.profiles = profiles, .n_profiles = 2,
	};
	struct ve_credential *c;

	memset(d, 0, sizeof(*d));
	talk_make(&d->t, &recipe);
	talk_open(&d->t, NULL);
	c = &eimdesk_state(d)->credentials[0];
	blob_copy(&c->ci, ci_certificate());
	blob_copy(&c->eum, example("CERT_EUM"));
	blob_copy(&c->euicc, example("CERT_EUICC"));
	blob_copy(&c->key, example("EUICC"));
	eimdesk_state(d)->n_credentials = 1;
	eimdesk_state(d)->next_seq = 21;
	d->token = "840100";
	d->eid = EIMDESK_EID;
	d->eim = "65696D31";
	d->curve = VE_CURVE_P256;
	d->secret = example("EIM");
	talk_isdr(&d->t);
}

void eimdesk_add_eim(struct eimdesk *d, bool token, const char *key)
{
	char command[1024];
	uint8_t raw[512], out[512];
	struct tlv_out w = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&w, 0xbf57), list = tlv_begin(&w, 0xa0);
	struct tlv_mark one = tlv_begin(&w, 0x30);
	size_t n;

	assert_int_equal(hex_decode(text_of(key), out, sizeof(out), &n), 0);
	tlv_put_octets(&w, 0x80, octets_of_hex(d->eim));
	tlv_put_u32(&w, 0x83, 0);
	if (token)
		tlv_put_i32(&w, 0x84, -1);
	tlv_put(&w, 0xa5, out, n);
	tlv_close(&w, one);
	tlv_close(&w, list);
	tlv_close(&w, m);
	assert_false(w.full);
	hex_encode(raw, w.len, command, sizeof(command));
	assert_int_equal(strncmp(talk_es10(&d->t, command) + 6, "A0", 2), 0);
}

const char *eimdesk_key(void)
{
	static char digits[512];
	struct octets o = example("SubjectPublicKeyInfo of EIM without its 30 header, as carried in"
				  " A5 { A0 … }");
	uint8_t raw[200];
	struct tlv_out w = { raw, sizeof(raw) };

	tlv_put_octets(&w, 0xa0, o);
	hex_encode(raw, w.len, digits, sizeof(digits));
	return digits;
}

void eimdesk_open(struct eimdesk *d, const char *personality)
{
	eimdesk_open_bare(d, personality, _VE_VERSION_MAX);
	eimdesk_add_eim(d, false, eimdesk_key());
}

void eimdesk_close(struct eimdesk *d)
{
	talk_close(&d->t);
	hexjson_done();
}

const char *eimdesk_example(struct eimdesk *d, const char *title)
{
	struct octets o = example(title);
	_cleanup_(freep) char *digits = malloc(2 * o.n + 1);

	assert_non_null(digits);
	hex_encode(o.p, o.n, digits, 2 * o.n + 1);
	return talk_es10(&d->t, digits);
}

void eimdesk_same(const char *got, const char *title)
{
	struct octets o = example(title);
	_cleanup_(freep) char *digits = malloc(2 * o.n + 1);

	assert_non_null(digits);
	hex_encode(o.p, o.n, digits, 2 * o.n + 1);
	rspcard_same(got, digits);
}

/* --- packages of the test's own --------------------------------------------------------------- */

/* Content of EuiccPackageSigned behind the EIMDESK_EID: 81 counter [82 tid] A0|A1. */
const char *eimdesk_send(struct eimdesk *d, const char *rest, bool spoil)
{
	static uint8_t raw[65536], data[65536];
	static char digits[2 * 65536];
	struct tlv_out w = { raw, sizeof(raw) }, s = { data, sizeof(data) };
	struct tlv_mark m = tlv_begin(&s, 0x30);
	struct octets o = hexjson_decode(rest), token = hexjson_decode(d->token);
	uint8_t sig[VE_SIGNATURE_LEN];
	size_t n;

	tlv_put_octets(&s, 0x80, hexjson_decode(d->eim));
	tlv_put_octets(&s, 0x5a, hexjson_decode(d->eid));
	tlv_put_raw(&s, o.p, o.n);
	tlv_close(&s, m);
	n = s.len;
	tlv_put_raw(&s, token.p, token.n);
	assert_int_equal(ve_ec_sign(d->curve, d->secret.p, octets_from(data, s.len), sig), 0);
	sig[40] ^= spoil;
	m = tlv_begin(&w, 0xbf51);
	tlv_put_raw(&w, data, n);
	tlv_put(&w, 0x5f37, sig, sizeof(sig));
	tlv_close(&w, m);
	assert_false(w.full || s.full);
	hex_encode(raw, w.len, digits, sizeof(digits));
	return talk_es10(&d->t, digits);
}

static void put_length(char *dst, size_t n)
{
	sprintf(dst, n < 128 ? "%02zX" : n < 256 ? "81%02zX" : "82%04zX", n);
}

/* A package with the next counter: list is that of A0 or A1. */
const char *eimdesk_list(struct eimdesk *d, unsigned tag, const char *list)
{
	static char rest[131072];
	char len[16];

	put_length(len, strlen(list) / 2);
	snprintf(rest, sizeof(rest), "8101%02X82021234%02X%s%s", ++d->counter, tag, len, list);
	return eimdesk_send(d, rest, false);
}

/* The results in a signed answer, as digits; the signature, counter and transaction are judged. */
const char *eimdesk_results(struct eimdesk *d, const char *answer)
{
	static char digits[65536];
	struct octets o = hexjson_decode(answer), whole, results, token = hexjson_decode(d->token);
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, o), body = tlv_enter(&top, 0xbf51), ok, before, data;
	struct blob input = { 0 };
	struct octets signature;
	struct ve_cert c;
	uint32_t tag;

	ok = tlv_enter(&body, 0xa0);
	before = ok;
	data = tlv_enter(&ok, 0x30);
	whole = tlv_take_whole(&before, &tag);
	signature = tlv_take(&ok, 0x5f37);
	tlv_take(&data, 0x80);
	assert_int_equal(tlv_take_u32(&data, 0x81), d->counter);
	assert_int_equal(tlv_take_u32(&data, 0x82), 0x1234);
	tlv_take_u32(&data, 0x83);
	results = tlv_take(&data, 0x30);
	if (doc.fault)
		fail_msg("no result: %.80s", answer);
	assert_int_equal(ve_cert_read(example("CERT_EUICC"), &c), 0);
	blob_copy(&input, whole);
	blob_append(&input, token.p, token.n);
	assert_true(ve_ec_verify(c.curve, c.point, blob_octets(&input), signature));
	blob_clear(&input);
	hex_encode(results.p, results.n, digits, sizeof(digits));
	return digits;
}

const char *eimdesk_psmos(struct eimdesk *d, const char *list)
{
	return eimdesk_results(d, eimdesk_list(d, 0xa0, list));
}

const char *eimdesk_ecos(struct eimdesk *d, const char *list)
{
	return eimdesk_results(d, eimdesk_list(d, 0xa1, list));
}

/* The card comes back after its REFRESH. */
void eimdesk_again(struct eimdesk *d)
{
	talk_reset(&d->t);
	talk_isdr(&d->t);
}

bool eimdesk_enabled(struct eimdesk *d, const char *iccid)
{
	struct ve_profile *p = ve_profile_enabled(eimdesk_state(d));

	return p ? octets_same(blob_octets(&p->field[VE_ICCID]), hexjson_decode(iccid)) : !*iccid;
}
