#include "sim/smdp/profile.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/util.h"
#include "sim/smdp/store.h"

const char *const sdp_state_names[_SDP_STATE_MAX] = {
	[SDP_STATE_AVAILABLE] = "available",
	[SDP_STATE_RELEASED] = "released",
	[SDP_STATE_DOWNLOADED] = "downloaded",
	[SDP_STATE_INSTALLED] = "installed",
	[SDP_STATE_ERROR] = "error",
};

struct sdp_profile *sdp_profile_new(void)
{
	struct sdp_profile *p = sdp_alloc(sizeof(*p));

	list_init(&p->node);
	p->state = SDP_STATE_RELEASED;
	p->rebind = true;
	p->ppk = true;
	p->max_tries = 3;
	p->max_downloads = 10;
	p->command = p->reason = -1;
	return p;
}

static void download_done(struct sdp_download *d)
{
	sdp_blob_done(&d->certificate);
	sdp_blob_done(&d->oid);
}

void sdp_bound_done(struct sdp_bound *b)
{
	sdp_key_wipe(&b->one_time);
	sdp_blob_done(&b->host_id);
	sdp_blob_done(&b->body);
	b->there = false;
}

void sdp_profile_free(struct sdp_profile *p)
{
	if (!p)
		return;
	list_del(&p->node);
	sdp_bound_done(&p->bound);
	for (size_t i = 0; i < p->list_n; i++)
		download_done(&p->list[i]);
	sdp_blob_done(&p->metadata);
	sdp_blob_done(&p->upp);
	OPENSSL_cleanse(&p->keys, sizeof(p->keys));
	free(p);
}

void sdp_profile_release(struct sdp_profile *p)
{
	sdp_bound_done(&p->bound);
	p->state = SDP_STATE_RELEASED;
	p->why[0] = '\0';
	p->tries = p->downloads = 0;
	p->command = p->reason = -1;
	/* Old downloads stay: their results may still come. */
}

struct sdp_download *sdp_profile_add_download(struct sdp_profile *p)
{
	struct sdp_download *d;

	if (p->list_n == SDP_DOWNLOADS_MAX) {
		download_done(&p->list[0]);
		memmove(p->list, p->list + 1, (SDP_DOWNLOADS_MAX - 1) * sizeof(p->list[0]));
		p->list_n--;
	}
	d = &p->list[p->list_n++];
	memset(d, 0, sizeof(*d));
	return d;
}

struct sdp_download *sdp_profile_find_download(struct sdp_profile *p, struct octets tid)
{
	for (size_t i = 0; i < p->list_n; i++) {
		if (octets_same(octets_from(p->list[i].tid, p->list[i].tid_n), tid))
			return &p->list[i];
	}
	return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct json_object *bound_json(const struct sdp_bound *b)
{
	struct json_object *o = json_object_new_object();

	sdp_json_put_text(o, "curve", sdp_curve_names[b->one_time.curve]);
	sdp_json_put_hex(o, "otPkEuicc", octets_from(b->euicc_point, SDP_POINT_LEN));
	sdp_json_put_hex(o, "otSkDp", octets_from(b->one_time.scalar, SDP_SCALAR_LEN));
	sdp_json_put_hex(o, "hostId", sdp_blob_octets(&b->host_id));
	sdp_json_put_hex(o, "body", sdp_blob_octets(&b->body));
	return o;
}

static struct json_object *downloads_json(const struct sdp_profile *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->list_n; i++) {
		struct json_object *o = json_object_new_object();

		sdp_json_put_hex(o, "transactionId", octets_from(p->list[i].tid, p->list[i].tid_n));
		sdp_json_put_text(o, "eid", p->list[i].eid);
		sdp_json_put_hex(o, "certificate", sdp_blob_octets(&p->list[i].certificate));
		sdp_json_put_hex(o, "oid", sdp_blob_octets(&p->list[i].oid));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *to_json(const struct sdp_profile *p)
{
	struct json_object *o = json_object_new_object();

	sdp_json_put_text(o, "iccid", p->iccid);
	sdp_json_put_text(o, "name", p->name);
	sdp_json_put_text(o, "provider", p->provider);
	sdp_json_put_text(o, "matchingId", p->matching_id);
	sdp_json_put_text(o, "eid", p->eid);
	sdp_json_put_text(o, "confirmationCode", p->confirmation);
	sdp_json_put_text(o, "state", sdp_state_names[p->state]);
	sdp_json_put_text(o, "why", p->why);
	sdp_json_put_bool(o, "rebind", p->rebind);
	sdp_json_put_bool(o, "reusable", p->reusable);
	sdp_json_put_bool(o, "ppk", p->ppk);
	sdp_json_put_number(o, "segment", p->segment);
	sdp_json_put_number(o, "maxTries", p->max_tries);
	sdp_json_put_number(o, "tries", p->tries);
	sdp_json_put_number(o, "maxDownloads", p->max_downloads);
	sdp_json_put_number(o, "downloads", p->downloads);
	sdp_json_put_number(o, "memory", p->memory);
	sdp_json_put_number(o, "expires", (int64_t)p->expires);
	sdp_json_put_number(o, "command", p->command);
	sdp_json_put_number(o, "reason", p->reason);
	sdp_json_put_number(o, "results", p->results);
	sdp_json_put_hex(o, "resultKey", octets_from(p->result_key, sizeof(p->result_key)));
	sdp_json_put_hex(o, "metadata", sdp_blob_octets(&p->metadata));
	if (p->keys_there) {
		sdp_json_put_hex(o, "ppkChain", octets_from(p->keys.chain, SDP_BLOCK_LEN));
		sdp_json_put_hex(o, "ppkEnc", octets_from(p->keys.enc, SDP_BLOCK_LEN));
		sdp_json_put_hex(o, "ppkMac", octets_from(p->keys.mac, SDP_BLOCK_LEN));
	}
	if (p->bound.there)
		json_object_object_add(o, "bound", bound_json(&p->bound));
	json_object_object_add(o, "list", downloads_json(p));
	return o;
}

static void path_of(char *path, const char *dir, const char *iccid, const char *ext)
{
	snprintf(path, PATH_MAX, "%s/profiles/%s.%s", dir, iccid, ext);
}

int sdp_profile_save(const char *dir, const struct sdp_profile *p, bool with_upp)
{
	struct json_object *o;
	char path[PATH_MAX];
	int r = 0;

	/* The package first: an order without one would be no order. */
	path_of(path, dir, p->iccid, "upp");
	if (with_upp)
		r = file_save(path, p->upp.p, p->upp.n, 0600);
	if (r < 0)
		return r;
	path_of(path, dir, p->iccid, "json");
	o = to_json(p);
	r = sdp_store_write(path, o);
	json_object_put(o);
	return r;
}

int sdp_profile_remove(const char *dir, const struct sdp_profile *p)
{
	char path[PATH_MAX];
	int r;

	path_of(path, dir, p->iccid, "json");
	r = file_remove(path);
	path_of(path, dir, p->iccid, "upp");
	return r < 0 ? r : file_remove(path);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int bound_from(struct json_object *o, struct sdp_bound *b)
{
	uint8_t scalar[SDP_SCALAR_LEN];
	char curve[16] = "";
	bool point, key;

	if (!o)
		return 0;
	if (sdp_json_get_text(o, "curve", curve, sizeof(curve)) < 0 ||
	    sdp_json_get_octets(o, "otPkEuicc", b->euicc_point, SDP_POINT_LEN, &point) < 0 ||
	    sdp_json_get_octets(o, "otSkDp", scalar, sizeof(scalar), &key) < 0 || !point || !key ||
	    sdp_json_get_hex(o, "hostId", &b->host_id) < 0 ||
	    sdp_json_get_hex(o, "body", &b->body) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < _SDP_CURVE_MAX; i++) {
		if (strcmp(curve, sdp_curve_names[i]) == 0) {
			b->there = true;
			return sdp_key_from_scalar((enum sdp_curve)i, scalar, &b->one_time);
		}
	}
	return -EBADMSG;
}

static int downloads_from(struct json_object *list, struct sdp_profile *p)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct sdp_download *d = sdp_profile_add_download(p);
		struct sdp_blob tid = { 0 };
		int r = sdp_json_get_hex(o, "transactionId", &tid);

		if (r == 0 && tid.n <= sizeof(d->tid)) {
			memcpy(d->tid, tid.p, tid.n);
			d->tid_n = tid.n;
		} else {
			r = -EBADMSG;
		}
		sdp_blob_done(&tid);
		if (r < 0 || sdp_json_get_text(o, "eid", d->eid, sizeof(d->eid)) < 0 ||
		    sdp_json_get_hex(o, "certificate", &d->certificate) < 0 ||
		    sdp_json_get_hex(o, "oid", &d->oid) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int state_from(struct json_object *o, struct sdp_profile *p)
{
	char name[16] = "";

	if (sdp_json_get_text(o, "state", name, sizeof(name)) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < _SDP_STATE_MAX; i++) {
		if (strcmp(name, sdp_state_names[i]) == 0) {
			p->state = (enum sdp_state)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int texts_from(struct json_object *o, struct sdp_profile *p)
{
	if (sdp_json_get_text(o, "iccid", p->iccid, sizeof(p->iccid)) < 0 ||
	    sdp_json_get_text(o, "name", p->name, sizeof(p->name)) < 0 ||
	    sdp_json_get_text(o, "provider", p->provider, sizeof(p->provider)) < 0 ||
	    sdp_json_get_text(o, "matchingId", p->matching_id, sizeof(p->matching_id)) < 0 ||
	    sdp_json_get_text(o, "eid", p->eid, sizeof(p->eid)) < 0 ||
	    sdp_json_get_text(o, "confirmationCode", p->confirmation, sizeof(p->confirmation)) < 0 ||
	    sdp_json_get_text(o, "why", p->why, sizeof(p->why)) < 0)
		return -EBADMSG;
	return p->iccid[0] ? 0 : -EBADMSG;
}

static int from_json(struct json_object *o, struct sdp_profile *p)
{
	bool chain, enc, mac, key;

	p->rebind = sdp_json_bool(o, "rebind", p->rebind);
	p->reusable = sdp_json_bool(o, "reusable", p->reusable);
	p->ppk = sdp_json_bool(o, "ppk", p->ppk);
	p->segment = (unsigned)sdp_json_number(o, "segment", 0);
	p->max_tries = (unsigned)sdp_json_number(o, "maxTries", p->max_tries);
	p->tries = (unsigned)sdp_json_number(o, "tries", 0);
	p->max_downloads = (unsigned)sdp_json_number(o, "maxDownloads", p->max_downloads);
	p->downloads = (unsigned)sdp_json_number(o, "downloads", 0);
	p->memory = (uint32_t)sdp_json_number(o, "memory", 0);
	p->expires = (uint64_t)sdp_json_number(o, "expires", 0);
	p->command = (int)sdp_json_number(o, "command", -1);
	p->reason = (int)sdp_json_number(o, "reason", -1);
	p->results = (unsigned)sdp_json_number(o, "results", 0);
	if (texts_from(o, p) < 0 || state_from(o, p) < 0 ||
	    sdp_json_get_hex(o, "metadata", &p->metadata) < 0 ||
	    sdp_json_get_octets(o, "resultKey", p->result_key, sizeof(p->result_key), &key) < 0 ||
	    sdp_json_get_octets(o, "ppkChain", p->keys.chain, SDP_BLOCK_LEN, &chain) < 0 ||
	    sdp_json_get_octets(o, "ppkEnc", p->keys.enc, SDP_BLOCK_LEN, &enc) < 0 ||
	    sdp_json_get_octets(o, "ppkMac", p->keys.mac, SDP_BLOCK_LEN, &mac) < 0)
		return -EBADMSG;
	p->keys_there = chain && enc && mac;
	if (bound_from(json_object_object_get(o, "bound"), &p->bound) < 0)
		return -EBADMSG;
	return downloads_from(json_object_object_get(o, "list"), p);
}

static int load_one(const char *dir, const char *path, struct sdp_profile **ret)
{
	struct sdp_profile *p;
	struct json_object *o;
	char upp[PATH_MAX];
	int r = sdp_store_read(path, &o);

	if (r < 0)
		return r;
	p = sdp_profile_new();
	r = from_json(o, p);
	json_object_put(o);
	if (r == 0) {
		path_of(upp, dir, p->iccid, "upp");
		r = sdp_upp_load(upp, &p->upp);
	}
	if (r < 0) {
		sdp_profile_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static int only_json(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0 && e->d_name[0] != '.';
}

int sdp_profiles_load(const char *dir, struct list_node *list, char ret_why[PATH_MAX])
{
	struct dirent **names;
	char path[PATH_MAX];
	int n, r = 0;

	snprintf(path, sizeof(path), "%s/profiles", dir);
	n = scandir(path, &names, only_json, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct sdp_profile *p;

		if (r == 0) {
			if (snprintf(path, sizeof(path), "%s/profiles/%s", dir, names[i]->d_name) >=
			    (int)sizeof(path))
				r = -ENAMETOOLONG;
			else
				r = load_one(dir, path, &p);
			if (r == 0)
				list_add(list, &p->node);
			else
				memcpy(ret_why, path, sizeof(path));
		}
		free(names[i]);
	}
	free(names);
	return r;
}
