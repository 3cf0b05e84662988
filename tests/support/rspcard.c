#include "support/rspcard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/test.h"

void rspcard_take_info(struct ve_state *s, struct octets signed1)
{
	static const struct {
		uint32_t tag;
		enum ve_info info;
	} rows[] = {
		{ 0x81, VE_INFO_PROFILE_VERSION }, { 0x82, VE_INFO_SVN },
		{ 0x83, VE_INFO_FIRMWARE }, { 0x84, VE_INFO_RESOURCES },
		{ 0x85, VE_INFO_UICC_CAPABILITY }, { 0x86, VE_INFO_TS102241 },
		{ 0x87, VE_INFO_GLOBALPLATFORM }, { 0x88, VE_INFO_RSP_CAPABILITY },
		{ 0xa9, VE_INFO_CI_VERIFICATION }, { 0xaa, VE_INFO_CI_SIGNING },
		{ 0x99, VE_INFO_FORBIDDEN_PPR }, { 0x04, VE_INFO_PP_VERSION },
		{ 0x0c, VE_INFO_SAS }, { 0xac, VE_INFO_CERTIFICATION },
		{ 0x90, VE_INFO_IPA_MODE }, { 0xb4, VE_INFO_IOT },
	};
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, signed1), body = tlv_enter(&top, 0x30), info;

	while (tlv_more(&body) && tlv_peek(&body) != 0xbf22)
		tlv_skip(&body);
	info = tlv_enter(&body, 0xbf22);
	for (enum ve_info i = 0; i < _VE_INFO_MAX; i++)
		blob_clear(&s->info[i]);
	while (tlv_more(&info)) {
		uint32_t tag = tlv_peek(&info);
		struct octets v = tlv_take(&info, tag);
		size_t i = 0;

		while (i < ARRAY_SIZE(rows) && rows[i].tag != tag)
			i++;
		assert_true(i < ARRAY_SIZE(rows));
		blob_copy(&s->info[rows[i].info], v);
	}
	assert_int_equal(doc.fault, TLV_OK);
}

void rspcard_open(struct rspcard *c, const char *session, const char *personality)
{
	struct euicc_recipe recipe = {
		.personality = personality ? personality : "iot",
		.version = _VE_VERSION_MAX,
		.pki = { RSP_VECTORS "pki/nist", RSP_VECTORS "pki/brp" },
	};
	char path[128];

	snprintf(path, sizeof(path), RSP_VECTORS "session/%s.json", session);
	c->v = hexjson_load(path);
	c->curve =
		strstr(hexjson_text(c->v, "curve"), "brainpool") ? VE_CURVE_BP256 : VE_CURVE_P256;
	c->pki = c->curve == VE_CURVE_BP256 ? "brp" : "nist";
	talk_make(&c->talk, &recipe);
	talk_open(&c->talk, NULL);
	rspcard_take_info(euicc_card_state(c->talk.card), hexjson_octets(c->v, "euiccSigned1"));
	talk_isdr(&c->talk);
}

void rspcard_close(struct rspcard *c)
{
	talk_close(&c->talk);
	json_object_put(c->v);
	hexjson_done();
}

void rspcard_count_as_recorded(struct rspcard *c)
{
	struct ve_state *s = euicc_card_state(c->talk.card);
	struct octets aid = hexjson_octets(c->v, "isdpAid");
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, hexjson_octets(c->v, "profileInstallationResultData"));
	struct tlv body = tlv_enter(&top, 0xbf27), metadata;

	tlv_take(&body, 0x80);
	metadata = tlv_enter(&body, 0xbf2f);
	s->next_seq = tlv_take_u32(&metadata, 0x80);
	s->next_isdp = aid.p[13] << 8 | aid.p[14];
	assert_int_equal(doc.fault, TLV_OK);
}

const char *rspcard_send_octets(struct rspcard *c, struct octets command)
{
	_cleanup_(freep) char *digits = malloc(2 * command.n + 1);

	assert_non_null(digits);
	hex_encode(command.p, command.n, digits, 2 * command.n + 1);
	return talk_es10(&c->talk, digits);
}

const char *rspcard_send(struct rspcard *c, const char *member)
{
	return talk_es10(&c->talk, hexjson_text(c->v, member));
}

void rspcard_same(const char *got, const char *wanted)
{
	if (strcasecmp(got, wanted))
		fail_msg("\n  got    %s\n  wanted %s", got, wanted);
}

void rspcard_authenticate(struct rspcard *c)
{
	struct octets challenge = hexjson_octets(c->v, "getEuiccChallengeResponse");

	euicc_card_feed_random(c->talk.card, challenge.p + challenge.n - 16, 16);
	rspcard_same(talk_es10(&c->talk, "BF2E00"),
		     hexjson_text(c->v, "getEuiccChallengeResponse"));
	rspcard_same(rspcard_send(c, "authenticateServerRequest"),
		     hexjson_text(c->v, "authenticateServerResponse"));
}

void rspcard_prepare(struct rspcard *c)
{
	struct octets secret = hexjson_octets(c->v, "otSK_EUICC");

	euicc_card_feed_random(c->talk.card, secret.p, secret.n);
	rspcard_same(rspcard_send(c, "prepareDownloadRequest"),
		     hexjson_text(c->v, "prepareDownloadResponse"));
}

void rspcard_ready(struct rspcard *c, const char *session, const char *personality)
{
	struct ve_state *s;

	rspcard_open(c, session, personality);
	s = euicc_card_state(c->talk.card);
	rspcard_authenticate(c);
	if (strstr(session, "retry")) {
		/* The card still has the pair of the first try. */
		blob_copy(&s->otk_key, hexjson_octets(c->v, "otSK_EUICC"));
		blob_set(&s->otk_oid, "\x88\x37\x0a", 3);
	}
	rspcard_prepare(c);
}

const char *rspcard_recorded_result(struct rspcard *c, int command, int reason)
{
	struct json_object *list = hexjson_at(c->v, "errorResults");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_object_get_int(hexjson_at(o, "bppCommandId")) == command &&
		    json_object_get_int(hexjson_at(o, "errorReason")) == reason)
			return hexjson_text(o, "profileInstallationResult");
	}
	fail_msg("no recorded result %d/%d", command, reason);
	return NULL;
}

struct octets rspcard_certificate(const struct rspcard *c, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), RSP_VECTORS "pki/%s/%s.der", c->pki, name);
	return hexjson_file(path);
}

struct octets rspcard_secret(const struct rspcard *c, const char *name)
{
	struct json_object *v = hexjson_load(RSP_VECTORS "pki/index.json");
	struct json_object *list = hexjson_at(v, "certificates");
	struct octets r = { 0 };
	char file[64];

	snprintf(file, sizeof(file), "pki/%s/%s.der", c->pki, name);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!strcmp(hexjson_text(o, "file"), file))
			r = hexjson_octets(o, "privateScalar");
	}
	json_object_put(v);
	assert_int_equal(r.n, VE_SECRET_LEN);
	return r;
}
