/*
 * Mutual authentication, SGP.22 3.0.1 and 5.6.1, 5.6.3: initiateAuthentication and
 * authenticateClient, the latter with the search for the profile, or the events of an SM-DS.
 */
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/smdp.h"

/* --- initiateAuthentication ------------------------------------------------------------------- */

/*
 * The name by which the client calls us, as we are going to sign it; false: not one of ours. A
 * port after it is taken where it is the one announced: some clients keep the address as the
 * activation code has it.
 */
static bool our_name(const struct sdp *s, struct text asked, const char *name,
		     char ret[SDP_HOST_MAX])
{
	char with_port[SDP_HOST_MAX + 8];

	if (!name[0])
		return false;
	snprintf(with_port, sizeof(with_port), "%s:%u", name, s->port ? s->port : 443u);
	if (text_case_eq(asked, name))
		return text_copy(text_of(name), ret, SDP_HOST_MAX) == 0;
	return text_case_eq(asked, with_port) &&
	       text_copy(text_of(with_port), ret, SDP_HOST_MAX) == 0;
}

static bool find_name(const struct sdp *s, struct text asked, char ret[SDP_HOST_MAX], bool *ret_ds)
{
	for (size_t i = 0; i < s->hosts_n; i++) {
		if (our_name(s, asked, s->hosts[i], ret)) {
			*ret_ds = false;
			return true;
		}
	}
	*ret_ds = our_name(s, asked, s->ds_host, ret);
	return *ret_ds;
}

static const struct sdp_pki *find_pki(const struct sdp *s, struct octets key_id, bool ds, bool own)
{
	for (size_t i = 0; i < s->pki_n; i++) {
		const struct sdp_pki *p = &s->pki[i];
		const struct sdp_credential *c = ds ? &p->ds_auth : &p->dp_auth;
		const uint8_t *id = own ? c->cert.issuer_id : p->ci.key_id;

		if (own && !c->cert.x509)
			continue;
		if (octets_same(key_id, octets_from(id, SDP_KEY_ID_LEN)))
			return p;
	}
	return NULL;
}

/* The first of the card's list that we know; the card's order is its preference. */
static const struct sdp_pki *choose(const struct sdp *s, struct tlv list, bool ds, bool own)
{
	const struct sdp_pki *found = NULL;

	while (tlv_more(&list)) {
		struct octets id = tlv_take(&list, 0x04);

		if (!found)
			found = find_pki(s, id, ds, own);
	}
	return found;
}

static enum sdp_code choose_cis(struct sdp *s, const struct sdp_call *c, struct sdp_session *x)
{
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, c->info1), info = tlv_enter(&top, 0xbf20);
	struct octets svn = tlv_take(&info, 0x82);

	x->pki = choose(s, tlv_enter(&info, 0xa9), x->ds, true);
	x->ci = choose(s, tlv_enter(&info, 0xaa), x->ds, false);
	tlv_end(&top);
	if (doc.fault || svn.n != 3)
		return SDP_REQUEST_WRONG;
	if (svn.p[0] < 2)
		return x->ds ? SDP_DS_SVN_WRONG : SDP_SVN_WRONG;
	if (!x->pki)
		return x->ds ? SDP_DS_NO_CERTIFICATE : SDP_NO_CERTIFICATE;
	if (!x->ci)
		return x->ds ? SDP_DS_NO_CI_TO_SIGN : SDP_NO_CI_TO_SIGN;
	x->auth = x->ds ? &x->pki->ds_auth : &x->pki->dp_auth;
	return SDP_DONE;
}

static void use_bad_certificate(struct sdp *s, struct sdp_session *x)
{
	char value[SDP_FAULT_VALUE_MAX];
	const struct sdp_credential *bad;

	if (!sdp_fault_strikes(&s->faults, SDP_FAULT_CERTIFICATE, SDP_INITIATE_AUTHENTICATION, value))
		return;
	bad = strcmp(value, "expired") == 0 ? &x->pki->auth_expired : &x->pki->auth_role;
	if (bad->cert.x509)
		x->auth = bad;
	else
		log_warning("smdp", "there is no bad certificate of this kind, ignoring the fault");
}

/* serverSigned1 and its signature, SGP.22 5.7.13 */
static void sign1(struct sdp *s, const struct sdp_call *c, struct sdp_session *x,
		  struct sdp_answer *ret)
{
	const enum sdp_function f = SDP_INITIATE_AUTHENTICATION;
	uint8_t der[512], signature[3 + SDP_SIGNATURE_LEN], challenge[SDP_CHALLENGE_LEN];
	uint8_t tid[SDP_TID_MAX];
	struct tlv_out w = { .buf = der, .cap = sizeof(der) };
	struct tlv_mark m = tlv_begin(&w, 0x30);
	char value[SDP_FAULT_VALUE_MAX];

	memcpy(tid, x->tid, sizeof(tid));
	memcpy(challenge, c->challenge.p, sizeof(challenge));
	tid[0] ^= sdp_fault_strikes(&s->faults, SDP_FAULT_TRANSACTION, f, NULL) ? 1 : 0;
	challenge[0] ^= sdp_fault_strikes(&s->faults, SDP_FAULT_CHALLENGE, f, NULL) ? 1 : 0;
	tlv_put(&w, 0x80, tid, sizeof(tid));
	tlv_put(&w, 0x81, challenge, sizeof(challenge));
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_ADDRESS, f, value))
		tlv_put_text(&w, 0x83, value[0] ? value : "other.rsp.test");
	else
		tlv_put_text(&w, 0x83, x->address);
	tlv_put(&w, 0x84, x->challenge, sizeof(x->challenge));
	tlv_close(&w, m);

	struct octets part = { der, w.len };

	sdp_sign_tlv(s, &x->auth->key, f, &part, 1, signature);
	sdp_blob_set(&ret->members[SDP_SERVER_SIGNED1], part);
	sdp_blob_set(&ret->members[SDP_SERVER_SIGNATURE1], octets_from(signature, sizeof(signature)));
}

static void session_add(struct sdp *s, struct sdp_session *x)
{
	/* Who abandons a session does not say so: the oldest one makes room. */
	if (s->sessions_n == SDP_SESSIONS_MAX)
		sdp_session_free(s, list_first(&s->sessions, struct sdp_session, node));
	list_add(&s->sessions, &x->node);
	s->sessions_n++;
}

enum sdp_code sdp_initiate_authentication(struct sdp *s, const struct sdp_call *c,
					  struct sdp_answer *ret)
{
	struct sdp_session *x;
	uint8_t id[2 + SDP_KEY_ID_LEN] = { 0x04, SDP_KEY_ID_LEN };
	enum sdp_code code;

	if (c->challenge.n != SDP_CHALLENGE_LEN)
		return SDP_REQUEST_WRONG;
	x = sdp_alloc(sizeof(*x));
	list_init(&x->node);
	code = find_name(s, c->address, x->address, &x->ds) ? choose_cis(s, c, x) : SDP_ADDRESS_WRONG;
	if (code != SDP_DONE) {
		free(x);
		return code;
	}
	sdp_draw(s, x->tid, sizeof(x->tid));
	sdp_draw(s, x->challenge, sizeof(x->challenge));
	use_bad_certificate(s, x);
	sign1(s, c, x, ret);
	memcpy(id + 2, x->ci->ci.key_id, SDP_KEY_ID_LEN);
	ret->ds = x->ds;
	sdp_blob_set(&ret->members[SDP_TRANSACTION_ID], octets_from(x->tid, sizeof(x->tid)));
	sdp_blob_set(&ret->members[SDP_CI_TO_BE_USED], octets_from(id, sizeof(id)));
	sdp_blob_set(&ret->members[SDP_SERVER_CERTIFICATE], sdp_blob_octets(&x->auth->cert.der));
	session_add(s, x);
	return SDP_DONE;
}

/* --- authenticateClient: the eUICC ------------------------------------------------------------ */

struct client {
	struct octets signed1, signature1;      /* whole */
	struct octets euicc, eum;               /* certificates */
	struct octets tid, address, challenge;  /* in euiccSigned1 */
	struct octets info2;                    /* BF22, its value */
	struct octets matching_id;
	bool common;                            /* ctxParams1 is the usual alternative */
	bool failed;                            /* AuthenticateServer was answered with an error */
};

static int client_read(struct octets response, struct client *c)
{
	struct tlv_doc doc, inner;
	struct tlv top = tlv_open(&doc, response), w = tlv_enter(&top, 0xbf38), ok, signed1, ctx;

	memset(c, 0, sizeof(*c));
	if (tlv_peek(&w) == 0xa1) {
		c->failed = true;
		return doc.fault ? -1 : 0;
	}
	ok = tlv_enter(&w, 0xa0);
	c->signed1 = sdp_whole(&ok, 0x30);
	c->signature1 = sdp_whole(&ok, 0x5f37);
	c->euicc = sdp_whole(&ok, 0x30);
	c->eum = sdp_whole(&ok, 0x30);
	tlv_end(&top);
	if (doc.fault)
		return -1;
	top = tlv_open(&inner, c->signed1);
	signed1 = tlv_enter(&top, 0x30);
	c->tid = tlv_take(&signed1, 0x80);
	c->address = tlv_take(&signed1, 0x83);
	c->challenge = tlv_take(&signed1, 0x84);
	c->info2 = tlv_take(&signed1, 0xbf22);
	ctx = tlv_enter_maybe(&signed1, 0xa0, &c->common);
	c->matching_id = tlv_maybe(&ctx, 0x80);
	return inner.fault ? -1 : 0;
}

static enum sdp_code check_chain(struct sdp *s, struct sdp_session *x, const struct client *c)
{
	struct sdp_cert eum;
	enum sdp_code code;

	if (sdp_cert_parse(c->eum, &eum) < 0)
		return SDP_EUM_INVALID;
	sdp_cert_done(&x->euicc);
	if (sdp_cert_parse(c->euicc, &x->euicc) < 0) {
		sdp_cert_done(&eum);
		return SDP_EUICC_INVALID;
	}
	code = sdp_chain_check(&x->ci->ci, &eum, &x->euicc, sdp_now(s));
	sdp_cert_done(&eum);
	if (code == SDP_DONE && sdp_cert_eid(&x->euicc, x->eid, x->eid_octets) < 0)
		code = SDP_EUICC_INVALID;
	return code;
}

static enum sdp_code check_client(struct sdp *s, struct sdp_session *x, const struct client *c)
{
	struct octets signature = sdp_signature_of(c->signature1);
	enum sdp_code code = check_chain(s, x, c);

	if (code != SDP_DONE)
		return code;
	if (!octets_same(c->tid, octets_from(x->tid, sizeof(x->tid))))
		return SDP_TRANSACTION_UNKNOWN;
	if (!octets_same(c->challenge, octets_from(x->challenge, sizeof(x->challenge))) ||
	    !text_case_eq(octets_text(c->address), x->address) ||
	    !sdp_verify(x->euicc.curve, x->euicc.point, &c->signed1, 1, signature))
		return SDP_SIGNATURE_WRONG;
	return c->common ? SDP_DONE : SDP_CONTEXT_MISSING;
}

/* --- authenticateClient: the profile ---------------------------------------------------------- */

static bool may_be_had(const struct sdp_profile *p)
{
	return p->state == SDP_STATE_RELEASED || p->state == SDP_STATE_DOWNLOADED ||
	       (p->state == SDP_STATE_INSTALLED && p->reusable);
}

/*
 * By matchingId; without one whatever waits for this EID, or else a profile that is for anybody
 * who asks without a matchingId (a default SM-DP+).
 */
static struct sdp_profile *find_order(struct sdp *s, struct text id, const char *eid)
{
	struct sdp_profile *p, *anybody = NULL, *used = NULL;

	list_for_each(p, &s->profiles, node) {
		if (id.n) {
			if (text_eq(id, p->matching_id))
				return p;
			continue;
		}
		if (strcmp(p->eid, eid) == 0) {
			if (may_be_had(p))
				return p;
			used = p;
		} else if (!p->eid[0] && !p->matching_id[0]) {
			if (may_be_had(p))
				anybody = anybody ? anybody : p;
			else
				used = used ? used : p;
		}
	}
	return anybody ? anybody : used;
}

/* extCardResource in EUICCInfo2: tag 84, in it tag 82, octets of non-volatile memory. */
static uint32_t free_memory(struct octets info2)
{
	struct tlv_doc doc, inner;
	struct tlv w = tlv_open(&doc, info2), r;
	struct octets resource = { 0 };
	uint32_t n = 0;

	while (tlv_more(&w)) {
		if (tlv_peek(&w) == 0x84)
			resource = tlv_take(&w, 0x84);
		else
			tlv_skip(&w);
	}
	r = tlv_open(&inner, resource);
	while (tlv_more(&r)) {
		if (tlv_peek(&r) == 0x82) {
			struct octets v = tlv_take(&r, 0x82);

			for (size_t i = 0; i < v.n && v.n <= 4; i++)
				n = n << 8 | v.p[i];
		} else {
			tlv_skip(&r);
		}
	}
	return n;
}

static enum sdp_code check_order(struct sdp *s, const struct sdp_profile *p, const char *eid,
				 struct octets info2)
{
	if (p->eid[0] && strcmp(p->eid, eid) != 0)
		return SDP_EID_WRONG;
	if (p->state == SDP_STATE_AVAILABLE)
		return SDP_NOT_RELEASED;
	if (p->max_tries && p->tries >= p->max_tries)
		return SDP_TRIES_USED_UP;
	if (!may_be_had(p))
		return SDP_NOT_AVAILABLE;
	if (p->expires && (uint64_t)sdp_now(s) >= p->expires)
		return SDP_ORDER_EXPIRED;
	if (p->max_downloads && p->downloads >= p->max_downloads)
		return SDP_TRIES_USED_UP;
	if (p->memory && free_memory(info2) < p->memory)
		return SDP_EUICC_FULL;
	return SDP_DONE;
}

/* smdpSigned2, SGP.22 5.7.5: the eUICC's last one-time key invites it to use that again. */
static void sign2(struct sdp *s, struct sdp_session *x, const struct sdp_profile *p,
		  struct octets signature1, struct sdp_answer *ret)
{
	const enum sdp_function f = SDP_AUTHENTICATE_CLIENT;
	uint8_t der[128], tid[SDP_TID_MAX];
	struct tlv_out w = { .buf = der, .cap = sizeof(der) };
	struct tlv_mark m = tlv_begin(&w, 0x30);

	memcpy(tid, x->tid, sizeof(tid));
	tid[0] ^= sdp_fault_strikes(&s->faults, SDP_FAULT_TRANSACTION, f, NULL) ? 1 : 0;
	tlv_put(&w, 0x80, tid, sizeof(tid));
	tlv_put_bool(&w, 0x01, p->confirmation[0] != '\0');
	if (p->bound.there && p->bound.one_time.curve == x->pb->key.curve)
		tlv_put(&w, 0x5f49, p->bound.euicc_point, SDP_POINT_LEN);
	tlv_close(&w, m);

	struct octets parts[] = { { der, w.len }, signature1 };

	sdp_sign_tlv(s, &x->pb->key, f, parts, ARRAY_SIZE(parts), x->signature2);
	sdp_blob_set(&ret->members[SDP_SMDP_SIGNED2], parts[0]);
	sdp_blob_set(&ret->members[SDP_SMDP_SIGNATURE2],
		     octets_from(x->signature2, sizeof(x->signature2)));
}

static void put_metadata(struct sdp *s, const struct sdp_profile *p, struct sdp_answer *ret)
{
	struct sdp_blob *m = &ret->members[SDP_PROFILE_METADATA];

	sdp_blob_set(m, sdp_blob_octets(&p->metadata));
	/* The last octet of the ICCID: what a client must notice, whatever else it reads. */
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_METADATA, SDP_AUTHENTICATE_CLIENT, NULL)) {
		for (size_t i = 0; i + 12 <= m->n; i++) {
			if (m->p[i] == 0x5a && m->p[i + 1] == SDP_ICCID_LEN) {
				m->p[i + 2 + SDP_ICCID_LEN - 2] ^= 0x10;
				break;
			}
		}
	}
}

static enum sdp_code offer(struct sdp *s, struct sdp_session *x, const struct client *c,
			   struct sdp_answer *ret)
{
	struct sdp_profile *p = find_order(s, octets_text(c->matching_id), x->eid);
	char value[SDP_FAULT_VALUE_MAX];
	enum sdp_code code;

	if (!p)
		return SDP_MATCHING_ID_REFUSED;
	code = check_order(s, p, x->eid, c->info2);
	if (code != SDP_DONE)
		return code;
	text_copy(text_of(p->iccid), x->iccid, sizeof(x->iccid));
	/* The eUICC answers under this CI: all keys of a session are on its curve. */
	x->pb = &x->ci->dp_pb;
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_CERTIFICATE, SDP_AUTHENTICATE_CLIENT, value) &&
	    x->ci->pb_oid.cert.x509)
		x->pb = &x->ci->pb_oid;
	put_metadata(s, p, ret);
	sign2(s, x, p, c->signature1, ret);
	sdp_blob_set(&ret->members[SDP_SMDP_CERTIFICATE], sdp_blob_octets(&x->pb->cert.der));
	return SDP_DONE;
}

/* ES11: with a matchingId only that event; without one all there are for this EID. */
static enum sdp_code list_events(struct sdp *s, struct sdp_session *x, const struct client *c,
				 struct sdp_answer *ret)
{
	struct text id = octets_text(c->matching_id);
	struct sdp_event *e;

	list_for_each(e, &s->events, node) {
		if (strcmp(e->eid, x->eid) == 0 && (!id.n || text_eq(id, e->id)))
			ret->events[ret->events_n++] = e;
	}
	return id.n && !ret->events_n ? SDP_DS_EVENT_UNKNOWN : SDP_DONE;
}

enum sdp_code sdp_authenticate_client(struct sdp *s, const struct sdp_call *c,
				      struct sdp_answer *ret)
{
	struct sdp_session *x = sdp_find_session(s, c->tid);
	struct client client;
	enum sdp_code code;

	if (!x || x->state != SDP_SESSION_EXPECT_CLIENT)
		return SDP_TRANSACTION_UNKNOWN;
	if (client_read(c->response, &client) < 0)
		code = SDP_REQUEST_WRONG;
	else if (client.failed)
		code = SDP_SIGNATURE_WRONG;
	else
		code = check_client(s, x, &client);
	if (code == SDP_DONE)
		code = x->ds ? list_events(s, x, &client, ret) : offer(s, x, &client, ret);
	if (code != SDP_DONE) {
		sdp_session_free(s, x);
		return code;
	}
	ret->ds = x->ds;
	sdp_blob_set(&ret->members[SDP_TRANSACTION_ID], octets_from(x->tid, sizeof(x->tid)));
	x->state = SDP_SESSION_EXPECT_PREPARED;
	if (x->ds)
		sdp_session_free(s, x);         /* nothing more belongs to it */
	return SDP_DONE;
}
