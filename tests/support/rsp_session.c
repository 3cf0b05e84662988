#include "support/rsp_session.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"

void rsp_session_open(struct rsp_session *v, const char *name)
{
	char path[128];

	memset(v, 0, sizeof(*v));
	snprintf(path, sizeof(path), "tests/vectors/rsp/session/%s.json", name);
	v->doc = json_object_from_file(path);
	assert_non_null(v->doc);
}

void rsp_session_close(struct rsp_session *v)
{
	json_object_put(v->doc);
	sdp_blob_done(&v->fed);
	for (size_t i = 0; i < v->kept_n; i++)
		free(v->kept[i]);
}

struct octets rsp_session_get(struct rsp_session *v, const char *member)
{
	const char *digits = json_object_get_string(json_object_object_get(v->doc, member));
	size_t n;
	uint8_t *p;

	if (!digits)
		return octets_from(NULL, 0);
	assert_true(v->kept_n < ARRAY_SIZE(v->kept));
	p = sdp_alloc(strlen(digits) / 2);
	v->kept[v->kept_n++] = p;
	assert_int_equal(hex_decode(text_of(digits), p, strlen(digits) / 2, &n), 0);
	return octets_from(p, n);
}

void rsp_session_feed(struct rsp_session *v, struct sdp *s, bool again)
{
	struct octets tid = rsp_session_get(v, "transactionId");
	struct octets signed1 = rsp_session_get(v, "serverSigned1");
	struct octets one_time = rsp_session_get(v, "otSK_DP");
	struct octets keys = rsp_session_get(v, "replaceSessionKeys");
	uint8_t all[16 + 16 + 32 + 48];
	size_t n = 0;

	memcpy(all, tid.p, 16);
	memcpy(all + 16, signed1.p + signed1.n - 16, 16);
	n = 32;
	if (!again) {
		memcpy(all + n, one_time.p, 32);
		n += 32;
		for (size_t i = 0; keys.n && i < 3; i++, n += 16)
			memcpy(all + n, keys.p + 3 + 2 + 18 * i, 16);
	}
	sdp_blob_set(&v->fed, octets_from(all, n));
	s->fed = sdp_blob_octets(&v->fed);
}

static void add_profile(struct rsp_session *v, struct sdp *s)
{
	const char *cc = json_object_get_string(json_object_object_get(v->doc, "confirmationCode"));
	const char *eid = json_object_get_string(json_object_object_get(v->doc, "eid"));
	struct octets ctx = rsp_session_get(v, "ctxParams1");
	struct sdp_profile *p = sdp_profile_new();

	sdp_blob_set(&p->upp, rsp_session_get(v, "upp"));
	sdp_blob_set(&p->metadata, rsp_session_get(v, "profileMetadata"));
	assert_int_equal(sdp_upp_iccid(sdp_blob_octets(&p->upp), p->iccid), 0);
	p->ppk = rsp_session_get(v, "replaceSessionKeys").n != 0;
	if (cc)
		text_copy(text_of(cc), p->confirmation, sizeof(p->confirmation));
	if (ctx.p[2] == 0x80 && ctx.p[3])
		text_copy(text_from(ctx.p + 4, ctx.p[3]), p->matching_id, sizeof(p->matching_id));
	else
		text_copy(text_of(eid), p->eid, sizeof(p->eid));
	list_add(&s->profiles, &p->node);
}

void rsp_session_server(struct rsp_session *v, struct sdp *s)
{
	const char *pki = json_object_get_string(json_object_object_get(v->doc, "pki"));
	char dir[128], why[SDP_WHY_MAX];

	sdp_init(s);
	text_copy(TEXT("smdpp.rsp.test"), s->hosts[0], SDP_HOST_MAX);
	s->hosts_n = 1;
	snprintf(dir, sizeof(dir), "tests/vectors/rsp/session/%s", pki);
	assert_int_equal(sdp_pki_load(&s->pki[0], dir, why), 0);
	s->pki_n = 1;
	sdp_blob_set(&s->host_id, rsp_session_get(v, "hostId"));
	add_profile(v, s);
	rsp_session_feed(v, s, false);
}

struct sdp_call rsp_session_call(struct rsp_session *v, enum sdp_function f)
{
	struct sdp_call c = { .function = f, .tid = rsp_session_get(v, "transactionId") };
	struct octets challenge;

	switch (f) {
	case SDP_INITIATE_AUTHENTICATION:
		challenge = rsp_session_get(v, "getEuiccChallengeResponse");
		c.tid = octets_from(NULL, 0);
		c.challenge = octets_from(challenge.p + 5, 16);
		c.info1 = rsp_session_get(v, "euiccInfo1");
		c.address = TEXT("smdpp.rsp.test");
		break;
	case SDP_AUTHENTICATE_CLIENT:
		c.response = rsp_session_get(v, "authenticateServerResponse");
		break;
	case SDP_GET_BOUND_PROFILE_PACKAGE:
		c.response = rsp_session_get(v, "prepareDownloadResponse");
		break;
	case SDP_CANCEL_SESSION:
		c.response = rsp_session_get(v, "cancelSessionResponse");
		break;
	case SDP_HANDLE_NOTIFICATION:
		c.notification = rsp_session_get(v, "profileInstallationResult");
		break;
	case _SDP_FUNCTION_MAX:
		break;
	}
	return c;
}
