/*
 * The virtual eUICC and an RSP server: recorded sessions made again octet by octet, and everything
 * that the card must refuse, with the code it must name.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "support/rspcard.h"

static const char *const sessions[] = {
	"nist-cc-ppk", "nist-small-ppk", "brp-session-keys", "nist-cc-ppk-retry",
};

static void recorded_sessions_are_answered_as_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct rspcard c;

		rspcard_open(&c, sessions[i], NULL);
		rspcard_authenticate(&c);
		rspcard_prepare(&c);
		rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
			     hexjson_text(c.v, "cancelSessionResponse"));
		/* It is over. */
		rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
			     hexjson_text(c.v, "cancelSessionResponse_error"));
		rspcard_same(rspcard_send(&c, "prepareDownloadRequest"),
			     hexjson_text(c.v, "prepareDownloadResponse_errors.noSessionContext"));
		rspcard_close(&c);
	}
}

/* --- AuthenticateServer ----------------------------------------------------------------------- */

/* The parts of a request, to be put together with one of them changed. */
struct parts {
	struct octets object, signature, ci, certificate, params;       /* whole TLVs */
};

static struct parts authenticate_parts(struct rspcard *c)
{
	struct parts p = {
		.object = hexjson_octets(c->v, "serverSigned1"),
		.signature = hexjson_octets(c->v, "serverSignature1"),
		.certificate = rspcard_certificate(c, "dpauth"),
		.params = hexjson_octets(c->v, "ctxParams1"),
	};
	struct octets request = hexjson_octets(c->v, "authenticateServerRequest");

	/* 04 14 key id, between the signature and the certificate. */
	p.ci = octets_from(request.p + 5 + p.object.n + p.signature.n, 22);
	assert_int_equal(p.ci.p[0], 0x04);
	return p;
}

static const char *send_parts(struct rspcard *c, uint32_t tag, const struct parts *p)
{
	static uint8_t raw[8192];
	struct tlv_out w = { raw, sizeof(raw) };
	struct tlv_mark m = tlv_begin(&w, tag);

	tlv_put_raw(&w, p->object.p, p->object.n);
	tlv_put_raw(&w, p->signature.p, p->signature.n);
	tlv_put_raw(&w, p->ci.p, p->ci.n);
	tlv_put_raw(&w, p->certificate.p, p->certificate.n);
	tlv_put_raw(&w, p->params.p, p->params.n);
	tlv_close(&w, m);
	assert_false(w.full);
	return rspcard_send_octets(c, octets_from(raw, w.len));
}

/* A copy with one octet changed; good until the test ends. */
static struct octets changed(struct octets o, size_t at, uint8_t mask)
{
	static uint8_t rooms[8][4096];
	static unsigned next;
	uint8_t *p = rooms[next++ % 8];

	assert_true(o.n <= sizeof(rooms[0]) && at < o.n);
	memcpy(p, o.p, o.n);
	p[at] ^= mask;
	return octets_from(p, o.n);
}

static struct octets curve_unknown(struct octets certificate)
{
	static const uint8_t p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	const uint8_t *at = memmem(certificate.p, certificate.n, p256, sizeof(p256));

	assert_non_null(at);
	return changed(certificate, (size_t)(at - certificate.p) + 7, 0x01);
}

static void challenge(struct rspcard *c, bool as_recorded)
{
	struct octets o = hexjson_octets(c->v, "getEuiccChallengeResponse");

	if (as_recorded)
		euicc_card_feed_random(c->talk.card, o.p + o.n - 16, 16);
	talk_es10(&c->talk, "BF2E00");
}

static void bad_servers_are_refused_with_their_code(void **state)
{
	static const char *const bad[] = {
		"bad-dpauth-role", "bad-dpauth-expired", "dppb", "dptls", "eum", "euicc", "eimsign",
		"bad-euicc-ein",
	};
	struct rspcard c;
	struct parts good, p;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", NULL);
	good = authenticate_parts(&c);

#define REFUSED(name) \
	rspcard_same(send_parts(&c, 0xbf38, &p), \
		     hexjson_text(c.v, "authenticateServerResponse_errors." name))
	p = good;
	REFUSED("noSessionContext");
	challenge(&c, true);
	p.ci = changed(good.ci, 5, 0x01);
	REFUSED("ciPKUnknown");
	p = good;
	p.certificate = curve_unknown(good.certificate);
	REFUSED("unsupportedCurve");
	p = good;
	p.signature = changed(good.signature, 20, 0x80);
	REFUSED("invalidSignature");
	p = good;
	p.object = changed(good.object, good.object.n - 1, 0x01);
	REFUSED("invalidSignature");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = good;
		p.certificate = rspcard_certificate(&c, bad[i]);
		/* What the EUM signed names a CI that the card has not got. */
		if (!strcmp(bad[i], "euicc") || !strcmp(bad[i], "bad-euicc-ein"))
			REFUSED("ciPKUnknown");
		else
			REFUSED("invalidCertificate");
	}
	p = good;
	p.certificate = changed(good.certificate, good.certificate.n - 1, 0x01);
	REFUSED("invalidCertificate");
	p = good;
	p.params = octets_from(NULL, 0);
	REFUSED("undefinedError");
	/* None of these has used up the challenge. */
	p = good;
	rspcard_same(send_parts(&c, 0xbf38, &p), hexjson_text(c.v, "authenticateServerResponse"));
	REFUSED("noSessionContext");
	challenge(&c, false);
	REFUSED("euiccChallengeMismatch");
#undef REFUSED
	rspcard_close(&c);
}

/* --- PrepareDownload -------------------------------------------------------------------------- */

static struct parts prepare_parts(struct rspcard *c)
{
	static uint8_t hash[34] = { 0x04, 0x20 };
	struct parts p = {
		.object = hexjson_octets(c->v, "smdpSigned2"),
		.signature = hexjson_octets(c->v, "smdpSignature2"),
		.certificate = rspcard_certificate(c, "dppb"),
	};
	struct octets cc = hexjson_octets(c->v, "hashCc");

	memcpy(hash + 2, cc.p, 32);
	p.ci = octets_from(hash, sizeof(hash));
	return p;
}

static void bad_bindings_are_refused_with_their_code(void **state)
{
	static const char *const bad[] = { "bad-dppb-oid", "dpauth", "bad-dpauth-role", "dptls" };
	struct rspcard c;
	struct parts good, p;

	(void)state;
	rspcard_open(&c, "nist-cc-ppk", NULL);
	good = p = prepare_parts(&c);

#define REFUSED(name) \
	rspcard_same(send_parts(&c, 0xbf21, &p), \
		     hexjson_text(c.v, "prepareDownloadResponse_errors." name))
	REFUSED("noSessionContext");
	rspcard_authenticate(&c);
	p.signature = changed(good.signature, 66, 0x01);
	REFUSED("invalidSignature");
	p = good;
	p.certificate = curve_unknown(good.certificate);
	REFUSED("unsupportedCurve");
	p = good;
	p.ci = octets_from(NULL, 0);
	REFUSED("undefinedError");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = good;
		p.certificate = rspcard_certificate(&c, bad[i]);
		/* That one is a good CERT.DPpb, only another's: its signature does not fit. */
		if (!strcmp(bad[i], "bad-dpauth-role"))
			REFUSED("invalidSignature");
		else
			REFUSED("invalidCertificate");
	}
	/* Another transaction: the code comes with the number that was sent. */
	p = good;
	p.object = changed(good.object, 4, 0x01);
	assert_string_equal(send_parts(&c, 0xbf21, &p) + 2 * 25, "05");
	/* And nothing of this has ended the session. */
	rspcard_prepare(&c);
#undef REFUSED
	rspcard_close(&c);
}

static void server_of_another_curve_binds_nothing(void **state)
{
	struct rspcard c;
	struct parts p;

	(void)state;
	rspcard_open(&c, "nist-cc-ppk", NULL);
	p = prepare_parts(&c);
	rspcard_authenticate(&c);
	c.pki = "brp";
	p.certificate = rspcard_certificate(&c, "dppb");
	rspcard_same(send_parts(&c, 0xbf21, &p),
		     hexjson_text(c.v, "prepareDownloadResponse_errors.invalidCertificate"));
	rspcard_close(&c);
}

/* --- sessions --------------------------------------------------------------------------------- */

static void a_reset_and_a_new_challenge_end_the_session(void **state)
{
	struct rspcard c;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", NULL);
	rspcard_authenticate(&c);
	talk_reset(&c.talk);
	talk_isdr(&c.talk);
	rspcard_same(rspcard_send(&c, "prepareDownloadRequest"),
		     hexjson_text(c.v, "prepareDownloadResponse_errors.noSessionContext"));
	rspcard_authenticate(&c);
	challenge(&c, false);
	rspcard_same(rspcard_send(&c, "prepareDownloadRequest"),
		     hexjson_text(c.v, "prepareDownloadResponse_errors.noSessionContext"));
	rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
		     hexjson_text(c.v, "cancelSessionResponse_error"));
	rspcard_close(&c);
}

static void cancel_wants_a_transaction_and_a_reason(void **state)
{
	struct rspcard c;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", NULL);
	rspcard_authenticate(&c);
	rspcard_same(talk_es10(&c.talk, "BF4103800101"), "BF410381017F");
	rspcard_same(talk_es10(&c.talk, "BF4106800101810100"), "BF4103810105");
	rspcard_same(talk_es10(&c.talk, "BF41078001018102FFFF"), "BF410381017F");
	rspcard_same(rspcard_send(&c, "cancelSessionRequest"),
		     hexjson_text(c.v, "cancelSessionResponse"));
	rspcard_close(&c);
}

/* A pair that was used once is offered again, over a loss of power; else there is a new one. */
static void one_time_key_is_used_again_if_the_server_names_it(void **state)
{
	struct rspcard first, again;
	struct ve_state *s;
	struct octets secret;

	(void)state;
	rspcard_open(&first, "nist-cc-ppk", NULL);
	rspcard_authenticate(&first);
	rspcard_prepare(&first);
	talk_power_off(&first.talk);
	talk_shut(&first.talk);
	talk_open(&first.talk, NULL);
	talk_isdr(&first.talk);
	s = euicc_card_state(first.talk.card);
	secret = hexjson_octets(first.v, "otSK_EUICC");
	assert_int_equal(s->otk_key.n, secret.n);
	assert_memory_equal(s->otk_key.p, secret.p, secret.n);

	/* The second transaction, on a card that has kept the pair: nothing is fed. */
	rspcard_open(&again, "nist-cc-ppk-retry", NULL);
	s = euicc_card_state(again.talk.card);
	blob_copy(&s->otk_key, secret);
	blob_set(&s->otk_oid, "\x88\x37\x0a", 3);
	rspcard_authenticate(&again);
	rspcard_same(rspcard_send(&again, "prepareDownloadRequest"),
		     hexjson_text(again.v, "prepareDownloadResponse"));
	/* Bound to another SM-DP+ it is not. */
	blob_set(&s->otk_oid, "\x88\x37\x0c", 3);
	assert_null(strstr(rspcard_send(&again, "prepareDownloadRequest"),
			   hexjson_text(again.v, "otPK_EUICC")));
	assert_memory_not_equal(s->otk_key.p, secret.p, secret.n);
	rspcard_close(&first);
	rspcard_close(&again);
}

static void lengths_that_lie_are_survived(void **state)
{
	struct rspcard c;
	struct octets good;

	(void)state;
	rspcard_open(&c, "nist-small-ppk", NULL);
	challenge(&c, true);
	good = hexjson_octets(c.v, "authenticateServerRequest");
	for (size_t n = 1; n < good.n; n += 7)
		rspcard_send_octets(&c, octets_from(good.p, n));
	for (size_t i = 0; i < good.n; i += 3)
		rspcard_send_octets(&c, changed(good, i, 0xff));
	rspcard_close(&c);
}

static void a_key_that_is_another_ones_makes_no_card(void **state)
{
	char dir[] = "/tmp/pki-XXXXXX", command[256], why[EUICC_WHY_MAX] = "", card[64];
	struct euicc_recipe r = { .version = _VE_VERSION_MAX, .pki = { dir } };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "cp " RSP_VECTORS "pki/nist/*.der %s && cp " RSP_VECTORS
		 "pki/nist/eum.key.pem %s/euicc.key.pem", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(card, sizeof(card), "%s/card", dir);
	r.dir = card;
	assert_true(euicc_make(&r, why) < 0);
	assert_non_null(strstr(why, "not the key of"));
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_sessions_are_answered_as_recorded),
		cmocka_unit_test(bad_servers_are_refused_with_their_code),
		cmocka_unit_test(bad_bindings_are_refused_with_their_code),
		cmocka_unit_test(server_of_another_curve_binds_nothing),
		cmocka_unit_test(a_reset_and_a_new_challenge_end_the_session),
		cmocka_unit_test(cancel_wants_a_transaction_and_a_reason),
		cmocka_unit_test(one_time_key_is_used_again_if_the_server_names_it),
		cmocka_unit_test(lengths_that_lie_are_survived),
		cmocka_unit_test(a_key_that_is_another_ones_makes_no_card),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
