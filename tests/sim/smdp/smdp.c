#include "sim/smdp/smdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/store.h"

const char *const sdp_member_names[_SDP_MEMBER_MAX] = {
	[SDP_TRANSACTION_ID] = "transactionId",
	[SDP_SERVER_SIGNED1] = "serverSigned1",
	[SDP_SERVER_SIGNATURE1] = "serverSignature1",
	[SDP_CI_TO_BE_USED] = "euiccCiPKIdToBeUsed",
	[SDP_SERVER_CERTIFICATE] = "serverCertificate",
	[SDP_PROFILE_METADATA] = "profileMetadata",
	[SDP_SMDP_SIGNED2] = "smdpSigned2",
	[SDP_SMDP_SIGNATURE2] = "smdpSignature2",
	[SDP_SMDP_CERTIFICATE] = "smdpCertificate",
	[SDP_BOUND_PROFILE_PACKAGE] = "boundProfilePackage",
};

void sdp_init(struct sdp *s)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->profiles);
	list_init(&s->sessions);
	list_init(&s->events);
	list_init(&s->notes);
	text_copy(TEXT("v2.5.0"), s->protocol, sizeof(s->protocol));
}

static void event_free(struct sdp *s, struct sdp_event *e)
{
	list_del(&e->node);
	s->events_n--;
	free(e);
}

void sdp_done(struct sdp *s)
{
	while (!list_empty(&s->profiles))
		sdp_profile_free(list_first(&s->profiles, struct sdp_profile, node));
	while (!list_empty(&s->sessions))
		sdp_session_free(s, list_first(&s->sessions, struct sdp_session, node));
	while (!list_empty(&s->events))
		event_free(s, list_first(&s->events, struct sdp_event, node));
	while (!list_empty(&s->notes)) {
		struct sdp_note *n = list_first(&s->notes, struct sdp_note, node);

		list_del(&n->node);
		sdp_blob_done(&n->sima);
		sdp_blob_done(&n->aid);
		free(n);
	}
	for (size_t i = 0; i < s->pki_n; i++)
		sdp_pki_done(&s->pki[i]);
	sdp_blob_done(&s->host_id);
	s->pki_n = 0;
}

time_t sdp_now(const struct sdp *s)
{
	return s->now ? s->now : time(NULL);
}

uint64_t sdp_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sdp_draw(struct sdp *s, uint8_t *dst, size_t n)
{
	size_t fed = MIN(n, s->fed.n);

	if (fed) {
		memcpy(dst, s->fed.p, fed);
		s->fed = octets_from(s->fed.p + fed, s->fed.n - fed);
	}
	if (n > fed)
		sdp_random(dst + fed, n - fed);
}

/* --- credentials ------------------------------------------------------------------------------ */

static int credential_load(struct sdp_credential *c, const char *dir, const char *name, bool needed,
			   char why[SDP_WHY_MAX])
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s.der", dir, name);
	r = sdp_cert_load(path, &c->cert);
	if (r == -ENOENT && !needed)
		return 0;
	if (r == 0) {
		snprintf(path, sizeof(path), "%s/%s.key.pem", dir, name);
		r = sdp_key_load(path, &c->key);
	}
	if (r == 0 && (c->key.curve != c->cert.curve ||
		       memcmp(c->key.point, c->cert.point, SDP_POINT_LEN) != 0))
		r = -EBADMSG;
	if (r < 0)
		snprintf(why, SDP_WHY_MAX, "%.400s: %s", path,
			 r == -EBADMSG ? "no certificate or key that fits" : strerror(-r));
	return r;
}

int sdp_pki_load(struct sdp_pki *p, const char *dir, char why[SDP_WHY_MAX])
{
	const struct {
		struct sdp_credential *c;
		const char *name;
		bool needed;
	} rows[] = {
		{ &p->dp_auth, "dpauth", true },
		{ &p->dp_pb, "dppb", true },
		{ &p->ds_auth, "dsauth", false },
		{ &p->auth_expired, "bad-dpauth-expired", false },
		{ &p->auth_role, "bad-dpauth-role", false },
		{ &p->pb_oid, "bad-dppb-oid", false },
	};
	char path[PATH_MAX];
	int r;

	memset(p, 0, sizeof(*p));
	snprintf(path, sizeof(path), "%s/ci.der", dir);
	r = sdp_cert_load(path, &p->ci);
	if (r < 0)
		snprintf(why, SDP_WHY_MAX, "%.400s: %s", path,
			 r == -EBADMSG ? "no certificate on P-256 or brainpoolP256r1" : strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
		r = credential_load(rows[i].c, dir, rows[i].name, rows[i].needed, why);
	if (r < 0)
		sdp_pki_done(p);
	return r;
}

void sdp_pki_done(struct sdp_pki *p)
{
	struct sdp_credential *all[] = { &p->dp_auth, &p->dp_pb, &p->ds_auth, &p->auth_expired,
					 &p->auth_role, &p->pb_oid };

	sdp_cert_done(&p->ci);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		sdp_cert_done(&all[i]->cert);
		sdp_key_wipe(&all[i]->key);
	}
}

/* --- configuration and events ----------------------------------------------------------------- */

int sdp_save_config(const struct sdp *s)
{
	struct json_object *o = json_object_new_object(), *hosts = json_object_new_array();
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < s->hosts_n; i++)
		json_object_array_add(hosts, json_object_new_string(s->hosts[i]));
	json_object_object_add(o, "hosts", hosts);
	sdp_json_put_text(o, "smds", s->ds_host);
	sdp_json_put_number(o, "port", s->port);
	sdp_json_put_text(o, "protocol", s->protocol);
	sdp_json_put_hex(o, "hostId", sdp_blob_octets(&s->host_id));
	snprintf(path, sizeof(path), "%s/smdp.json", s->dir);
	r = sdp_store_write(path, o);
	json_object_put(o);
	return r;
}

static int config_load(struct sdp *s)
{
	struct json_object *o, *hosts;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/smdp.json", s->dir);
	r = sdp_store_read(path, &o);
	if (r < 0)
		return r;
	hosts = json_object_object_get(o, "hosts");
	if (!json_object_is_type(hosts, json_type_array) || json_object_array_length(hosts) == 0 ||
	    json_object_array_length(hosts) > SDP_HOSTS_MAX)
		r = -EBADMSG;
	for (size_t i = 0; r == 0 && i < json_object_array_length(hosts); i++) {
		const char *h = json_object_get_string(json_object_array_get_idx(hosts, i));

		r = h ? text_copy(text_of(h), s->hosts[s->hosts_n++], SDP_HOST_MAX) : -EBADMSG;
	}
	if (r == 0)
		r = sdp_json_get_text(o, "smds", s->ds_host, sizeof(s->ds_host));
	if (r == 0)
		r = sdp_json_get_text(o, "protocol", s->protocol, sizeof(s->protocol));
	if (r == 0)
		r = sdp_json_get_hex(o, "hostId", &s->host_id);
	if (r == 0 && s->host_id.n > SDP_HOST_ID_MAX)
		r = -EBADMSG;
	s->port = (uint16_t)sdp_json_number(o, "port", 0);
	json_object_put(o);
	return r;
}

int sdp_save_events(const struct sdp *s)
{
	struct json_object *list = json_object_new_array();
	struct sdp_event *e;
	char path[PATH_MAX];
	int r;

	if (!s->dir[0])
		return json_object_put(list), 0;
	list_for_each(e, &s->events, node) {
		struct json_object *o = json_object_new_object();

		sdp_json_put_text(o, "eid", e->eid);
		sdp_json_put_text(o, "eventId", e->id);
		sdp_json_put_text(o, "rspServerAddress", e->address);
		json_object_array_add(list, o);
	}
	snprintf(path, sizeof(path), "%s/events.json", s->dir);
	r = sdp_store_write(path, list);
	json_object_put(list);
	return r;
}

static struct sdp_event *event_find(struct sdp *s, const char *eid, const char *id)
{
	struct sdp_event *e;

	list_for_each(e, &s->events, node) {
		if (strcmp(e->eid, eid) == 0 && strcmp(e->id, id) == 0)
			return e;
	}
	return NULL;
}

static int event_new(struct sdp *s, const char *eid, const char *id, const char *address)
{
	struct sdp_event *e;

	if (event_find(s, eid, id))
		return -EEXIST;
	if (s->events_n == SDP_EVENTS_MAX)
		return -ENOSPC;
	e = sdp_alloc(sizeof(*e));
	if (strlen(eid) != SDP_EID_DIGITS || text_copy(text_of(eid), e->eid, sizeof(e->eid)) < 0 ||
	    text_copy(text_of(id), e->id, sizeof(e->id)) < 0 || !e->id[0] ||
	    text_copy(text_of(address), e->address, sizeof(e->address)) < 0) {
		free(e);
		return -EINVAL;
	}
	list_add(&s->events, &e->node);
	s->events_n++;
	return 0;
}

int sdp_event_add(struct sdp *s, const char *eid, const char *id, const char *address)
{
	int r = event_new(s, eid, id, address);

	return r < 0 ? r : sdp_save_events(s);
}

int sdp_event_remove(struct sdp *s, const char *eid, const char *id)
{
	struct sdp_event *e = event_find(s, eid, id);

	if (!e)
		return -ENOENT;
	event_free(s, e);
	return sdp_save_events(s);
}

static int events_load(struct sdp *s)
{
	struct json_object *list;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/events.json", s->dir);
	r = sdp_store_read(path, &list);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!json_object_is_type(list, json_type_array))
		r = -EBADMSG;
	for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		char eid[SDP_EID_DIGITS + 1] = "", id[SDP_MATCHING_ID_MAX + 1] = "";
		char address[SDP_HOST_MAX] = "";

		if (sdp_json_get_text(o, "eid", eid, sizeof(eid)) < 0 ||
		    sdp_json_get_text(o, "eventId", id, sizeof(id)) < 0 ||
		    sdp_json_get_text(o, "rspServerAddress", address, sizeof(address)) < 0)
			r = -EBADMSG;
		else
			r = event_new(s, eid, id, address);
	}
	json_object_put(list);
	return r;
}

int sdp_open(struct sdp *s, const char *dir, char why[SDP_WHY_MAX])
{
	char path[PATH_MAX] = "";
	struct stat st;
	int r;

	sdp_init(s);
	if (text_copy(text_of(dir), s->dir, sizeof(s->dir)) < 0) {
		snprintf(why, SDP_WHY_MAX, "the name of the directory is too long");
		return -ENAMETOOLONG;
	}
	r = config_load(s);
	if (r < 0) {
		snprintf(why, SDP_WHY_MAX, "%.400s/smdp.json: %s", dir,
			 r == -EBADMSG ? "not what --init writes" : strerror(-r));
		return r;
	}
	while (s->pki_n < SDP_PKIS_MAX) {
		snprintf(path, sizeof(path), "%s/pki/%zu", dir, s->pki_n);
		if (stat(path, &st) < 0)
			break;
		r = sdp_pki_load(&s->pki[s->pki_n], path, why);
		if (r < 0)
			return r;
		s->pki_n++;
	}
	if (s->pki_n == 0) {
		snprintf(why, SDP_WHY_MAX, "%.400s: no certificates", path);
		return -ENOENT;
	}
	r = sdp_profiles_load(dir, &s->profiles, path);
	if (r == 0) {
		snprintf(path, sizeof(path), "%.400s/events.json", dir);
		r = events_load(s);
	}
	if (r == 0) {
		snprintf(path, sizeof(path), "%.400s/notifications.json", dir);
		r = sdp_notes_load(s);
	}
	if (r < 0)
		snprintf(why, SDP_WHY_MAX, "%.400s: %s", path, strerror(-r));
	return r;
}

struct sdp_profile *sdp_find_profile(struct sdp *s, const char *iccid)
{
	struct sdp_profile *p;

	list_for_each(p, &s->profiles, node) {
		if (strcmp(p->iccid, iccid) == 0)
			return p;
	}
	return NULL;
}

void sdp_keep(struct sdp *s, const struct sdp_profile *p)
{
	int r = s->dir[0] ? sdp_profile_save(s->dir, p, false) : 0;

	if (r < 0)
		log_error("smdp", "profile %s could not be written: %s", p->iccid, strerror(-r));
}

/* --- sessions --------------------------------------------------------------------------------- */

struct sdp_session *sdp_find_session(struct sdp *s, struct octets tid)
{
	struct sdp_session *x;

	list_for_each(x, &s->sessions, node) {
		if (octets_same(octets_from(x->tid, sizeof(x->tid)), tid))
			return x;
	}
	return NULL;
}

void sdp_session_free(struct sdp *s, struct sdp_session *session)
{
	list_del(&session->node);
	s->sessions_n--;
	sdp_cert_done(&session->euicc);
	free(session);
}

/* --- running a function ----------------------------------------------------------------------- */

void sdp_run(struct sdp *s, const struct sdp_call *c, struct sdp_answer *ret)
{
	enum sdp_code code = SDP_DONE;

	memset(ret, 0, sizeof(*ret));
	s->requests[c->function]++;
	switch (c->function) {
	case SDP_INITIATE_AUTHENTICATION:
		code = sdp_initiate_authentication(s, c, ret);
		break;
	case SDP_AUTHENTICATE_CLIENT:
		code = sdp_authenticate_client(s, c, ret);
		break;
	case SDP_GET_BOUND_PROFILE_PACKAGE:
		code = sdp_get_bound_profile_package(s, c, ret);
		break;
	case SDP_CANCEL_SESSION:
		code = sdp_cancel_session(s, c, ret);
		break;
	case SDP_HANDLE_NOTIFICATION:
		sdp_handle_notification(s, c->notification);
		break;
	case _SDP_FUNCTION_MAX:
		code = SDP_REQUEST_WRONG;
		break;
	}
	if (code != SDP_DONE) {
		sdp_answer_done(ret);
		ret->code = code;
		log_info("smdp", "%s refused: %s/%s", sdp_function_names[c->function],
			 sdp_code_texts[code].subject, sdp_code_texts[code].reason);
	}
	if (s->changed)
		s->changed(s);
}

void sdp_answer_done(struct sdp_answer *a)
{
	for (size_t i = 0; i < _SDP_MEMBER_MAX; i++)
		sdp_blob_done(&a->members[i]);
	a->events_n = 0;
}

struct octets sdp_whole(struct tlv *w, uint32_t tag)
{
	uint32_t found;

	if (tlv_peek(w) != tag) {
		tlv_blame(w, TLV_UNEXPECTED, tag);
		return octets_from(NULL, 0);
	}
	return tlv_take_whole(w, &found);
}

struct octets sdp_signature_of(struct octets tlv)
{
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, tlv);
	struct octets v = tlv_take(&w, 0x5f37);

	return doc.fault || v.n != SDP_SIGNATURE_LEN ? octets_from(NULL, 0) : v;
}

void sdp_sign_tlv(struct sdp *s, const struct sdp_key *k, enum sdp_function f,
		  const struct octets *parts, size_t n, uint8_t ret[3 + SDP_SIGNATURE_LEN])
{
	ret[0] = 0x5f;
	ret[1] = 0x37;
	ret[2] = SDP_SIGNATURE_LEN;
	sdp_sign(k, parts, n, ret + 3);
	if (sdp_fault_strikes(&s->faults, SDP_FAULT_SIGNATURE, f, NULL))
		ret[3 + SDP_SIGNATURE_LEN - 1] ^= 1;
}
