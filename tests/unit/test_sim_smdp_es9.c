/* ES9+ as bodies: the recorded ones, both bindings, and every refusal with its status code. */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/command.h"
#include "sim/smdp/http.h"
#include "support/rsp_session.h"

#define PKI "tests/vectors/rsp/pki/nist/"

struct fixture {
	struct rsp_session v;
	struct sdp s;
};

static void fixture_open(struct fixture *f, const char *name)
{
	rsp_session_open(&f->v, name);
	rsp_session_server(&f->v, &f->s);
}

static void fixture_close(struct fixture *f)
{
	sdp_done(&f->s);
	rsp_session_close(&f->v);
}

static struct sdp_profile *only(struct fixture *f)
{
	return list_first(&f->s.profiles, struct sdp_profile, node);
}

static void serve(struct sdp *s, const char *path, const char *type, struct octets body,
		  struct sdp_reply *ret)
{
	struct sdp_request q = { .method = TEXT("POST"), .path = text_of(path),
				 .content_type = text_of(type),
				 .admin_protocol = TEXT("gsma/rsp/v2.5.0"), .body = body };

	sdp_serve(s, &q, ret);
}

static void expect(struct sdp *s, const struct sdp_call *c, enum sdp_code want)
{
	struct sdp_answer a;

	sdp_run(s, c, &a);
	if (a.code != want)
		fail_msg("%s/%s instead of %s/%s", sdp_code_texts[a.code].subject,
			 sdp_code_texts[a.code].reason, sdp_code_texts[want].subject,
			 sdp_code_texts[want].reason);
	sdp_answer_done(&a);
}

static void expect_function(struct fixture *f, enum sdp_function function, enum sdp_code want)
{
	struct sdp_call c = rsp_session_call(&f->v, function);

	expect(&f->s, &c, want);
}

/* --- the recorded bodies ---------------------------------------------------------------------- */

static void recorded_bodies_get_the_recorded_answers(void **state)
{
	struct json_object *doc = json_object_from_file("tests/vectors/rsp/es9p.json");
	struct json_object *list = json_object_object_get(doc, "exchanges");
	struct fixture f;

	(void)state;
	fixture_open(&f, "nist-cc-ppk");
	assert_true(json_object_array_length(list) >= 6);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *e = json_object_array_get_idx(list, i), *want, *got;
		const char *path = json_object_get_string(json_object_object_get(e, "path"));
		const char *body = json_object_get_string(json_object_object_get(e, "request"));
		struct sdp_reply r;

		/* Cancelling was recorded beside the download, for the same transaction. */
		if (strstr(path, "cancelSession")) {
			rsp_session_feed(&f.v, &f.s, true);
			sdp_profile_release(only(&f));
			expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
			expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
		}
		serve(&f.s, path, "application/json", octets_from(body, strlen(body)), &r);
		assert_int_equal(r.status, json_object_get_int(json_object_object_get(e, "status")));
		assert_string_equal(r.admin_protocol, "gsma/rsp/v2.5.0");
		want = json_object_object_get(e, "response");
		if (want) {
			char *text = strndup((const char *)r.body.p, r.body.n);

			got = json_tokener_parse(text);
			assert_true(json_object_equal(got, want));
			assert_string_equal(r.content_type, "application/json;charset=UTF-8");
			json_object_put(got);
			free(text);
		} else {
			assert_int_equal(r.body.n, 0);
			assert_null(r.content_type);
		}
		sdp_reply_done(&r);
	}
	assert_int_equal(only(&f)->state, SDP_STATE_ERROR);
	assert_int_equal(f.s.notes_n, 2);
	fixture_close(&f);
	json_object_put(doc);
}

static void unreadable_requests_are_bad_requests(void **state)
{
	static const struct {
		const char *function, *body;
	} rows[] = {
		{ "initiateAuthentication", "" },
		{ "initiateAuthentication", "{" },
		{ "initiateAuthentication", "[]" },
		{ "initiateAuthentication", "{}" },
		{ "initiateAuthentication", "{\"euiccChallenge\":\"AAAA\",\"euiccInfo1\":\"vyAA\"}" },
		{ "initiateAuthentication", "{\"euiccChallenge\":\"fNxK079OTO+cNjtsVNYgQw==\","
		  "\"euiccInfo1\":\"vyAA\",\"smdpAddress\":\"smdpp.rsp.test\"}" },
		{ "initiateAuthentication", "{\"euiccChallenge\":7,\"euiccInfo1\":[],\"smdpAddress\":{}}" },
		{ "authenticateClient", "{\"transactionId\":\"0\",\"authenticateServerResponse\":\"AA==\"}" },
		{ "authenticateClient", "{\"transactionId\":\"00112233445566778899AABBCCDDEEFF00\","
		  "\"authenticateServerResponse\":\"AA==\"}" },
		{ "getBoundProfilePackage", "{\"transactionId\":\"00\"}" },
		{ "cancelSession", "{\"transactionId\":\"00\",\"cancelSessionResponse\":\"*\"}" },
		{ "handleNotification", "{\"pendingNotification\":\"\"}" },
		{ "handleNotification", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]" },
	};
	struct fixture f;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[96];
		struct sdp_reply r;

		snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", rows[i].function);
		serve(&f.s, path, "application/json", octets_from(rows[i].body, strlen(rows[i].body)),
		      &r);
		if (r.status != 400)
			fail_msg("%s: %u", rows[i].body, r.status);
		sdp_reply_done(&r);
	}
	assert_int_equal(f.s.sessions_n, 0);
	fixture_close(&f);
}

static void wrong_envelopes_are_refused(void **state)
{
	static const struct {
		const char *method, *path, *type, *protocol;
		unsigned status;
		const char *subject;    /* in the body; NULL: there is none */
	} rows[] = {
		{ "GET", "/gsma/rsp2/es9plus/initiateAuthentication", "application/json",
		  "gsma/rsp/v2.2.2", 405, NULL },
		{ "POST", "/gsma/rsp2/es9plus/nothing", "application/json", "gsma/rsp/v2.2.2", 404, NULL },
		{ "POST", "/", "application/json", "gsma/rsp/v2.2.2", 404, NULL },
		{ "POST", "/gsma/rsp2/es9plus/handleNotification", "text/plain", "gsma/rsp/v2.2.2", 200,
		  "1.2.1" },
		{ "POST", "/gsma/rsp2/es9plus/handleNotification", "application/json", "gsma/rsp/v1.0.0",
		  200, "1.2.2" },
		{ "POST", "/gsma/rsp2/es9plus/handleNotification", "application/json ; charset=utf-8", "",
		  400, NULL },
		{ "POST", "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", "gsma/rsp/v2.1.0", 400, NULL },
	};
	struct fixture f;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sdp_request q = { text_of(rows[i].method), text_of(rows[i].path),
					 text_of(rows[i].type), text_of(rows[i].protocol), { 0 } };
		struct sdp_reply r;

		sdp_serve(&f.s, &q, &r);
		assert_int_equal(r.status, rows[i].status);
		assert_int_equal(r.body.n != 0, rows[i].subject != NULL);
		if (rows[i].subject)
			assert_non_null(memmem(r.body.p, r.body.n, rows[i].subject, 5));
		sdp_reply_done(&r);
	}
	fixture_close(&f);
}

/* --- the ASN.1 binding ------------------------------------------------------------------------ */

static struct octets wrap(uint32_t tag, const struct octets *parts, size_t n)
{
	static uint8_t body[65536];
	struct tlv_out w = { .buf = body, .cap = sizeof(body) };
	struct tlv_mark outer = tlv_begin(&w, 0xa2), inner = tlv_begin(&w, tag);

	for (size_t i = 0; i < n; i++)
		tlv_put_raw(&w, parts[i].p, parts[i].n);
	tlv_close(&w, inner);
	tlv_close(&w, outer);
	assert_false(w.full);
	return octets_from(body, w.len);
}

static void expect_tlv(struct fixture *f, struct octets body, unsigned status, struct octets want)
{
	struct sdp_reply r;

	serve(&f->s, "/gsma/rsp2/asn1", "application/x-gsma-rsp-asn1", body, &r);
	assert_int_equal(r.status, status);
	assert_int_equal(r.body.n, want.n);
	assert_memory_equal(r.body.p, want.p, want.n);
	if (status == 200)
		assert_string_equal(r.content_type, "application/x-gsma-rsp-asn1");
	sdp_reply_done(&r);
}

static struct octets tlv_of(uint32_t tag, struct octets v)
{
	static uint8_t store[4][64];
	static unsigned turn;
	struct tlv_out w = { .buf = store[turn++ % 4], .cap = sizeof(store[0]) };

	tlv_put_octets(&w, tag, v);
	return octets_from(w.buf, w.len);
}

/* What wrap() returns is used up by the next one. */
static struct octets answer_of(uint32_t tag, const struct octets *parts, size_t n)
{
	static uint8_t body[65536];
	struct tlv_out w = { .buf = body, .cap = sizeof(body) };
	struct tlv_mark m = tlv_begin(&w, 0xa0);
	struct octets ok, whole;

	for (size_t i = 0; i < n; i++)
		tlv_put_raw(&w, parts[i].p, parts[i].n);
	tlv_close(&w, m);
	ok = octets_from(body, w.len);
	whole = wrap(tag, &ok, 1);
	memcpy(body, whole.p, whole.n);
	return octets_from(body, whole.n);
}

static void the_asn1_binding_says_the_same(void **state)
{
	struct fixture f;
	struct octets tid, want;
	struct sdp_call c;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	tid = tlv_of(0x80, rsp_session_get(&f.v, "transactionId"));
	c = rsp_session_call(&f.v, SDP_INITIATE_AUTHENTICATION);
	struct octets ci = tlv_of(0x04, octets_from(f.s.pki[0].ci.key_id, SDP_KEY_ID_LEN));
	struct octets signed1[] = { tid, rsp_session_get(&f.v, "serverSigned1"),
				    rsp_session_get(&f.v, "serverSignature1"), ci,
				    sdp_blob_octets(&f.s.pki[0].dp_auth.cert.der) };
	struct octets initiate[] = {
		tlv_of(0x81, c.challenge), tlv_of(0x83, octets_from(c.address.s, c.address.n)), c.info1
	};

	want = answer_of(0xbf39, signed1, ARRAY_SIZE(signed1));
	expect_tlv(&f, wrap(0xbf39, initiate, ARRAY_SIZE(initiate)), 200, want);

	struct octets client[] = { tid, rsp_session_get(&f.v, "authenticateServerResponse") };
	struct octets signed2[] = { tid, rsp_session_get(&f.v, "profileMetadata"),
				    rsp_session_get(&f.v, "smdpSigned2"),
				    rsp_session_get(&f.v, "smdpSignature2"),
				    sdp_blob_octets(&f.s.pki[0].dp_pb.cert.der) };

	want = answer_of(0xbf3b, signed2, ARRAY_SIZE(signed2));
	expect_tlv(&f, wrap(0xbf3b, client, ARRAY_SIZE(client)), 200, want);

	struct octets prepared[] = { tid, rsp_session_get(&f.v, "prepareDownloadResponse") };
	struct octets package[] = { tid, rsp_session_get(&f.v, "boundProfilePackage") };

	want = answer_of(0xbf3a, package, ARRAY_SIZE(package));
	expect_tlv(&f, wrap(0xbf3a, prepared, ARRAY_SIZE(prepared)), 200, want);

	struct octets result = rsp_session_get(&f.v, "profileInstallationResult");

	expect_tlv(&f, wrap(0xbf3d, &result, 1), 204, octets_from(NULL, 0));
	assert_int_equal(only(&f)->state, SDP_STATE_INSTALLED);
	/* Refusals are numbers: invalidTransactionId. */
	static const uint8_t refused[] = { 0xa2, 0x06, 0xbf, 0x3a, 0x03, 0x81, 0x01, 95 };

	expect_tlv(&f, wrap(0xbf3a, prepared, ARRAY_SIZE(prepared)), 200,
		   octets_from(refused, sizeof(refused)));
	fixture_close(&f);
}

static void sessions_are_cancelled_in_asn1_in_both_forms(void **state)
{
	static const uint8_t done[] = { 0xa2, 0x05, 0xbf, 0x41, 0x02, 0xa0, 0x00 };

	(void)state;
	for (int kept = 0; kept < 2; kept++) {
		struct fixture f;
		struct octets tid, response, parts[2];
		uint8_t inner[512];
		struct tlv_out w = { .buf = inner, .cap = sizeof(inner) };

		fixture_open(&f, "nist-small-ppk");
		expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
		expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
		tid = tlv_of(0x80, rsp_session_get(&f.v, "transactionId"));
		response = rsp_session_get(&f.v, "cancelSessionResponse");
		if (!kept)      /* without BF41 61 */
			response = octets_from(response.p + 3, response.n - 3);
		tlv_put_octets(&w, 0xa1, response);
		parts[0] = tid;
		parts[1] = octets_from(inner, w.len);
		expect_tlv(&f, wrap(0xbf41, parts, 2), 200, octets_from(done, sizeof(done)));
		assert_int_equal(f.s.sessions_n, 0);
		fixture_close(&f);
	}
}

/* --- refusals --------------------------------------------------------------------------------- */

static void addresses_and_versions_are_checked_first(void **state)
{
	static const struct {
		const char *address;
		enum sdp_code code;
	} rows[] = {
		{ "smdpp.rsp.test", SDP_DONE }, { "SMDPP.RSP.TEST", SDP_DONE },
		{ "smdpp.rsp.test:8443", SDP_DONE }, { "smdpp.rsp.test:8444", SDP_ADDRESS_WRONG },
		{ "smdpp.rsp.tes", SDP_ADDRESS_WRONG }, { "smdpp.rsp.test.", SDP_ADDRESS_WRONG },
		{ "", SDP_ADDRESS_WRONG },
	};
	uint8_t info[256];
	struct fixture f;
	struct sdp_call c;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	f.s.port = 8443;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		c = rsp_session_call(&f.v, SDP_INITIATE_AUTHENTICATION);
		c.address = text_of(rows[i].address);
		expect(&f.s, &c, rows[i].code);
	}
	c = rsp_session_call(&f.v, SDP_INITIATE_AUTHENTICATION);
	memcpy(info, c.info1.p, c.info1.n);
	c.info1.p = info;
	info[5] = 1;                    /* svn 1.5.0 */
	expect(&f.s, &c, SDP_SVN_WRONG);
	info[5] = 2;
	/* The card may check with one CI, and sign under another; each must be known to us. */
	for (size_t at = 0; at + 1 < c.info1.n; at++) {
		if (info[at] != 0xa9 && info[at] != 0xaa)
			continue;
		for (size_t k = at + 4; k < at + 4 + 20; k += 19) {
			info[k] ^= 0x55;
			info[k + 22] ^= 0x55;
		}
		expect(&f.s, &c, info[at] == 0xa9 ? SDP_NO_CERTIFICATE : SDP_NO_CI_TO_SIGN);
		memcpy(info, rsp_session_get(&f.v, "euiccInfo1").p, c.info1.n);
		at += 45;
	}
	fixture_close(&f);
}

/* The eUICC's certificate as the EUM would have issued it for the year 2020 only. */
static void put_expired(struct tlv_out *w)
{
	struct sdp_cert cert;
	struct sdp_key key;
	EVP_PKEY *eum;
	X509 *x;
	uint8_t *der = NULL;
	int n;

	assert_int_equal(sdp_cert_load(PKI "euicc.der", &cert), 0);
	assert_int_equal(sdp_key_load(PKI "eum.key.pem", &key), 0);
	eum = sdp_key_openssl(&key);
	x = X509_dup(cert.x509);
	assert_true(eum && x && ASN1_TIME_set_string(X509_getm_notAfter(x), "20201231235959Z"));
	assert_true(X509_sign(x, eum, EVP_sha256()) > 0);
	n = i2d_X509(x, &der);
	assert_true(n > 0);
	tlv_put_raw(w, der, (size_t)n);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(eum);
	sdp_cert_done(&cert);
}

/* The recorded answer with parts of it replaced, signed anew where a key is given. */
static struct octets other_client(struct fixture *f, const char *euicc, const char *eum,
				  const char *key, int spoil)
{
	static uint8_t out[8192], signed1[1024];
	struct tlv_out w = { .buf = out, .cap = sizeof(out) };
	struct tlv_mark m, inner;
	struct octets part = rsp_session_get(&f->v, "euiccSigned1");
	uint8_t signature[SDP_SIGNATURE_LEN];
	struct sdp_cert cert;
	struct sdp_key k;
	char path[128];

	memcpy(signed1, part.p, part.n);
	if (spoil >= 0)
		signed1[spoil] ^= 1;
	part.p = signed1;
	snprintf(path, sizeof(path), PKI "%s.key.pem", key);
	assert_int_equal(sdp_key_load(path, &k), 0);
	sdp_sign(&k, &part, 1, signature);
	m = tlv_begin(&w, 0xbf38);
	inner = tlv_begin(&w, 0xa0);
	tlv_put_raw(&w, part.p, part.n);
	tlv_put(&w, 0x5f37, signature, sizeof(signature));
	for (int i = 0; i < 2; i++) {
		if (!i && strcmp(euicc, "expired") == 0) {
			put_expired(&w);
			continue;
		}
		snprintf(path, sizeof(path), PKI "%s.der", i ? eum : euicc);
		assert_int_equal(sdp_cert_load(path, &cert), 0);
		tlv_put_raw(&w, cert.der.p, cert.der.n);
		sdp_cert_done(&cert);
	}
	tlv_close(&w, inner);
	tlv_close(&w, m);
	return octets_from(out, w.len);
}

static void every_certificate_but_the_right_one_is_refused(void **state)
{
	static const struct {
		const char *euicc, *eum, *key;
		int spoil;              /* an octet of euiccSigned1 */
		time_t now;
		enum sdp_code code;
	} rows[] = {
		{ "euicc", "eum", "euicc", -1, 0, SDP_DONE },
		{ "bad-euicc-ein", "eum", "bad-euicc-ein", -1, 0, SDP_EUICC_INVALID },
		{ "bad-euicc-org", "eum", "bad-euicc-org", -1, 0, SDP_EUICC_INVALID },
		{ "dpauth", "eum", "dpauth", -1, 0, SDP_EUICC_INVALID },
		{ "eum", "eum", "eum", -1, 0, SDP_EUICC_INVALID },
		{ "euicc", "dpauth", "euicc", -1, 0, SDP_EUM_INVALID },
		{ "euicc", "bad-dpauth-role", "euicc", -1, 0, SDP_EUM_INVALID },
		{ "euicc", "euicc", "euicc", -1, 0, SDP_CI_UNKNOWN },
		{ "euicc", "ci", "euicc", -1, 0, SDP_CI_UNKNOWN },
		{ "euicc", "eum", "euicc", -1, 1000000000, SDP_EUM_EXPIRED },      /* 2001 */
		{ "euicc", "eum", "euicc", -1, (time_t)2700000000LL, SDP_EUM_EXPIRED }, /* 2055 */
		{ "expired", "eum", "euicc", -1, 0, SDP_EUICC_EXPIRED },
		{ "expired", "eum", "euicc", -1, 1600000000, SDP_DONE },           /* 2020 */
		{ "euicc", "eum", "dpauth", -1, 0, SDP_SIGNATURE_WRONG },
		{ "euicc", "eum", "euicc", 5, 0, SDP_TRANSACTION_UNKNOWN },
		{ "euicc", "eum", "euicc", 23, 0, SDP_SIGNATURE_WRONG },          /* address */
		{ "euicc", "eum", "euicc", 41, 0, SDP_SIGNATURE_WRONG },          /* challenge */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;
		struct sdp_call c;

		fixture_open(&f, "nist-small-ppk");
		expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
		c = rsp_session_call(&f.v, SDP_AUTHENTICATE_CLIENT);
		c.response = other_client(&f, rows[i].euicc, rows[i].eum, rows[i].key, rows[i].spoil);
		f.s.now = rows[i].now;
		expect(&f.s, &c, rows[i].code);
		/* Who was refused has no session any more. */
		assert_int_equal(f.s.sessions_n, rows[i].code == SDP_DONE);
		fixture_close(&f);
	}
}

/* Signed octets, certificates and signatures, one bit at a time: nothing gets through. */
static void no_octet_of_a_client_answer_can_be_changed(void **state)
{
	struct sdp_call initiate, client;
	struct octets good;
	struct fixture f;
	uint8_t bad[2048];

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	initiate = rsp_session_call(&f.v, SDP_INITIATE_AUTHENTICATION);
	client = rsp_session_call(&f.v, SDP_AUTHENTICATE_CLIENT);
	good = client.response;
	assert_true(good.n <= sizeof(bad));
	for (size_t i = 0; i < good.n; i += 3) {
		struct sdp_answer a;

		f.s.fed = sdp_blob_octets(&f.v.fed);
		expect(&f.s, &initiate, SDP_DONE);
		memcpy(bad, good.p, good.n);
		bad[i] ^= (uint8_t)(1 << i % 8);
		client.response = octets_from(bad, good.n);
		sdp_run(&f.s, &client, &a);
		if (a.code == SDP_DONE)
			fail_msg("octet %zu may be changed", i);
		sdp_answer_done(&a);
	}
	assert_int_equal(f.s.sessions_n, 0);
	fixture_close(&f);
}

static void orders_are_refused_for_what_they_lack(void **state)
{
	struct fixture f;
	struct sdp_profile *p;

	(void)state;
	for (int row = 0; row < 10; row++) {
		enum sdp_code want = SDP_DONE;

		fixture_open(&f, "nist-cc-ppk");
		p = only(&f);
		switch (row) {
		case 0: text_copy(TEXT("TEST-0002"), p->matching_id, sizeof(p->matching_id));
			want = SDP_MATCHING_ID_REFUSED; break;
		case 1: text_copy(TEXT("89049032000000000000000000000260"), p->eid, sizeof(p->eid));
			want = SDP_EID_WRONG; break;
		case 2: p->state = SDP_STATE_AVAILABLE; want = SDP_NOT_RELEASED; break;
		case 3: p->state = SDP_STATE_INSTALLED; want = SDP_NOT_AVAILABLE; break;
		case 4: p->state = SDP_STATE_ERROR; want = SDP_NOT_AVAILABLE; break;
		case 5: p->expires = 1; want = SDP_ORDER_EXPIRED; break;
		case 6: p->downloads = p->max_downloads; want = SDP_TRIES_USED_UP; break;
		case 7: p->memory = 0x8001; want = SDP_EUICC_FULL; break;
		case 8: p->memory = 0x8000; break;
		case 9: p->state = SDP_STATE_INSTALLED; p->reusable = true; break;
		}
		expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
		expect_function(&f, SDP_AUTHENTICATE_CLIENT, want);
		fixture_close(&f);
	}
}

static void packages_are_refused_for_what_is_wrong_with_the_request(void **state)
{
	struct fixture f;
	struct sdp_call c;
	uint8_t der[512];

	(void)state;
	/* Not for a transaction that was not authenticated, and for none that is unknown. */
	fixture_open(&f, "nist-cc-ppk");
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_TRANSACTION_UNKNOWN);
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_TRANSACTION_UNKNOWN);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_TRANSACTION_UNKNOWN);
	/* A code that is not the order's: the session stays for another attempt. */
	text_copy(TEXT("0"), only(&f)->confirmation, sizeof(only(&f)->confirmation));
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_CC_REFUSED);
	text_copy(TEXT("1234-5678"), only(&f)->confirmation, sizeof(only(&f)->confirmation));
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_DONE);
	assert_int_equal(only(&f)->tries, 0);
	fixture_close(&f);
	/* A signature that is not the card's ends it. */
	fixture_open(&f, "nist-cc-ppk");
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
	c = rsp_session_call(&f.v, SDP_GET_BOUND_PROFILE_PACKAGE);
	memcpy(der, c.response.p, c.response.n);
	der[c.response.n - 1] ^= 1;
	c.response.p = der;
	expect(&f.s, &c, SDP_SIGNATURE_WRONG);
	expect(&f.s, &c, SDP_TRANSACTION_UNKNOWN);
	fixture_close(&f);
	/* No code where one is asked for. */
	fixture_open(&f, "nist-small-ppk");
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
	text_copy(TEXT("1"), only(&f)->confirmation, sizeof(only(&f)->confirmation));
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_CC_MISSING);
	fixture_close(&f);
	/* Bound to another one-time key, which this order does not forgive. */
	fixture_open(&f, "nist-small-ppk");
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_DONE);
	only(&f)->bound.euicc_point[64] ^= 1;
	only(&f)->rebind = false;
	expect_function(&f, SDP_GET_BOUND_PROFILE_PACKAGE, SDP_NOT_AVAILABLE);
	fixture_close(&f);
}

static void errors_of_the_card_end_the_session(void **state)
{
	static const uint8_t bf38[] = { 0xbf, 0x38, 0x08, 0xa1, 0x06, 0x80, 0x01, 0, 0x02, 0x01, 0x07 };
	static const uint8_t bf21[] = { 0xbf, 0x21, 0x08, 0xa1, 0x06, 0x80, 0x01, 0, 0x02, 0x01, 0x02 };
	struct fixture f;
	struct sdp_call c;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	c = rsp_session_call(&f.v, SDP_AUTHENTICATE_CLIENT);
	c.response = octets_from(bf38, sizeof(bf38));
	expect(&f.s, &c, SDP_SIGNATURE_WRONG);
	assert_int_equal(f.s.sessions_n, 0);
	rsp_session_feed(&f.v, &f.s, false);
	expect_function(&f, SDP_INITIATE_AUTHENTICATION, SDP_DONE);
	expect_function(&f, SDP_AUTHENTICATE_CLIENT, SDP_DONE);
	c = rsp_session_call(&f.v, SDP_GET_BOUND_PROFILE_PACKAGE);
	c.response = octets_from(bf21, sizeof(bf21));
	expect(&f.s, &c, SDP_SIGNATURE_WRONG);
	assert_int_equal(f.s.sessions_n, 0);
	fixture_close(&f);
}

static void abandoned_sessions_make_room(void **state)
{
	struct sdp_call c;
	struct fixture f;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	c = rsp_session_call(&f.v, SDP_INITIATE_AUTHENTICATION);
	for (unsigned i = 0; i < 2 * SDP_SESSIONS_MAX; i++)
		expect(&f.s, &c, SDP_DONE);
	assert_int_equal(f.s.sessions_n, SDP_SESSIONS_MAX);
	fixture_close(&f);
}

static void every_status_code_can_be_told(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, "nist-small-ppk");
	for (size_t i = SDP_DONE + 1; i < SDP_REQUEST_WRONG; i++) {
		struct octets body = octets_from("{\"pendingNotification\":\"AAAA\"}", 30);
		char fault[64], want[96];
		struct sdp_reply r;
		const char *why;

		snprintf(fault, sizeof(fault), "status=%s/%s", sdp_code_texts[i].subject,
			 sdp_code_texts[i].reason);
		assert_int_equal(sdp_fault_add(&f.s.faults, text_of(fault), &why), 0);
		serve(&f.s, "/gsma/rsp2/es9plus/handleNotification", "application/json", body, &r);
		snprintf(want, sizeof(want), "\"subjectCode\":\"%s\",\"reasonCode\":\"%s\"",
			 sdp_code_texts[i].subject, sdp_code_texts[i].reason);
		assert_int_equal(r.status, 200);
		assert_non_null(memmem(r.body.p, r.body.n, want, strlen(want)));
		sdp_reply_done(&r);
	}
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_bodies_get_the_recorded_answers),
		cmocka_unit_test(unreadable_requests_are_bad_requests),
		cmocka_unit_test(wrong_envelopes_are_refused),
		cmocka_unit_test(the_asn1_binding_says_the_same),
		cmocka_unit_test(sessions_are_cancelled_in_asn1_in_both_forms),
		cmocka_unit_test(addresses_and_versions_are_checked_first),
		cmocka_unit_test(every_certificate_but_the_right_one_is_refused),
		cmocka_unit_test(no_octet_of_a_client_answer_can_be_changed),
		cmocka_unit_test(orders_are_refused_for_what_they_lack),
		cmocka_unit_test(packages_are_refused_for_what_is_wrong_with_the_request),
		cmocka_unit_test(errors_of_the_card_end_the_session),
		cmocka_unit_test(abandoned_sessions_make_room),
		cmocka_unit_test(every_status_code_can_be_told),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
