#include "sim/eim/store.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hex.h"
#include "core/util.h"

/* --- JSON ------------------------------------------------------------------------------------- */

static void put_text(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static void put_number(struct json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_int64((int64_t)value));
}

static void put_bool(struct json_object *o, const char *name, bool value)
{
	json_object_object_add(o, name, json_object_new_boolean(value));
}

static void put_octets(struct json_object *o, const char *name, const uint8_t *p, size_t n)
{
	_cleanup_(freep) char *hex = malloc(2 * n + 1);

	if (hex && n) {
		hex_encode(p, n, hex, 2 * n + 1);
		put_text(o, name, hex);
	}
}

static struct json_object *get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static void get_text(struct json_object *o, const char *name, char *dst, size_t cap)
{
	struct json_object *v = get(o, name);

	if (v)
		snprintf(dst, cap, "%s", json_object_get_string(v));
}

static uint64_t get_number(struct json_object *o, const char *name, uint64_t otherwise)
{
	struct json_object *v = get(o, name);

	return v ? (uint64_t)json_object_get_int64(v) : otherwise;
}

static bool get_bool(struct json_object *o, const char *name, bool otherwise)
{
	struct json_object *v = get(o, name);

	return v ? json_object_get_boolean(v) : otherwise;
}

static size_t get_octets(struct json_object *o, const char *name, uint8_t *dst, size_t cap)
{
	struct json_object *v = get(o, name);
	size_t n;

	return v && hex_decode(text_of(json_object_get_string(v)), dst, cap, &n) == 0 ? n : 0;
}

static void get_new_octets(struct json_object *o, const char *name, uint8_t **dst, size_t *dst_n)
{
	struct json_object *v = get(o, name);
	size_t cap = v ? (size_t)json_object_get_string_len(v) / 2 : 0;
	_cleanup_(freep) uint8_t *copy = cap ? malloc(cap) : NULL;

	if (copy)
		(void)se_package_set(dst, dst_n, octets_from(copy, get_octets(o, name, copy, cap)));
}

static unsigned get_name(struct json_object *o, const char *name, const char *const *names,
			 size_t n)
{
	char word[24] = "";
	int i;

	get_text(o, name, word, sizeof(word));
	i = se_name_find(names, n, word);
	return i < 0 ? 0 : (unsigned)i;
}

/* The whole file; NULL: not there, or no object. */
static struct json_object *load(const char *path)
{
	struct json_object *o = json_object_from_file(path);

	if (o && !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static int save(const char *path, struct json_object *o)
{
	size_t n;
	const char *s = json_object_to_json_string_length(o, JSON_C_TO_STRING_PRETTY, &n);

	return s ? file_save(path, s, n, 0600) : -ENOMEM;
}

/* --- downloads -------------------------------------------------------------------------------- */

static struct json_object *download_json(const struct se_download *d, bool octets)
{
	struct json_object *o = json_object_new_object();

	put_text(o, "way", se_way_names[d->way]);
	put_text(o, "server", d->address);
	put_text(o, "iccid", d->iccid);
	put_text(o, "profileName", d->name);
	put_text(o, "provider", d->provider);
	put_text(o, "aid", d->aid);
	put_text(o, "told", se_told_names[d->told]);
	put_number(o, "tries", d->tries);
	put_octets(o, "rspTransactionId", d->tid, d->tid_n);
	if (!octets)
		return o;
	put_text(o, "code", d->code);
	put_text(o, "smds", d->smds);
	put_text(o, "confirmation", d->confirmation);
	put_text(o, "wanted", se_way_names[d->wanted]);
	put_text(o, "event", d->event);
	put_text(o, "ended", d->ended);
	put_octets(o, "note", d->note, d->note_n);
	return o;
}

static void load_download(struct se_download *d, struct json_object *o)
{
	d->way = (enum se_way)get_name(o, "way", se_way_names, _SE_WAY_MAX);
	d->wanted = (enum se_way)get_name(o, "wanted", se_way_names, _SE_WAY_MAX);
	d->told = (enum se_told)get_name(o, "told", se_told_names, _SE_TOLD_MAX);
	d->tries = (unsigned)get_number(o, "tries", 0);
	get_text(o, "server", d->address, sizeof(d->address));
	get_text(o, "iccid", d->iccid, sizeof(d->iccid));
	get_text(o, "profileName", d->name, sizeof(d->name));
	get_text(o, "provider", d->provider, sizeof(d->provider));
	get_text(o, "aid", d->aid, sizeof(d->aid));
	get_text(o, "code", d->code, sizeof(d->code));
	get_text(o, "smds", d->smds, sizeof(d->smds));
	get_text(o, "confirmation", d->confirmation, sizeof(d->confirmation));
	get_text(o, "event", d->event, sizeof(d->event));
	get_text(o, "ended", d->ended, sizeof(d->ended));
	d->tid_n = get_octets(o, "rspTransactionId", d->tid, sizeof(d->tid));
	get_new_octets(o, "note", &d->note, &d->note_n);
}

/* --- packages --------------------------------------------------------------------------------- */

struct json_object *se_package_json(const struct se_package *p, bool octets)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "id", p->id);
	put_text(o, "kind", se_kind_names[p->kind]);
	put_text(o, "state", se_state_names[p->state]);
	put_text(o, "what", p->what);
	if (p->fault[0])
		put_text(o, "fault", p->fault);
	put_bool(o, "automatic", p->automatic);
	put_number(o, "counter", p->counter);
	put_octets(o, "transactionId", p->tx, p->tx_n);
	put_number(o, "sent", p->sent);
	put_number(o, "results", p->results);
	put_number(o, "duplicates", p->duplicates);
	put_number(o, "refused", p->refused);
	put_number(o, "replays", p->replays);
	put_text(o, "verdict", se_verdict_names[p->verdict]);
	put_bool(o, "verified", p->verdict == SE_VERIFIED);
	put_bool(o, "error", p->error);
	put_bool(o, "rolledBack", p->rolled_back);
	put_number(o, "seqNumber", p->seq);
	put_text(o, "outcome", p->outcome);
	put_number(o, "queuedMs", p->queued_ms);
	put_number(o, "sentMs", p->sent_ms);
	put_number(o, "doneMs", p->done_ms);
	put_octets(o, "result", p->result, p->result_n);
	if (p->download)
		json_object_object_add(o, "download", download_json(p->download, octets));
	if (octets) {
		put_bool(o, "switches", p->switches);
		json_object_object_add(o, "token", json_object_new_int(p->token));
		put_octets(o, "body", p->body, p->body_n);
		put_octets(o, "message", p->message, p->message_n);
	}
	return o;
}

static int load_package(struct se_card *c, struct json_object *o)
{
	enum se_kind kind = (enum se_kind)get_name(o, "kind", se_kind_names, _SE_KIND_MAX);
	struct se_package *p = se_package_new(c, kind, "");

	if (!p)
		return -ENOSPC;
	p->id = (unsigned)get_number(o, "id", p->id);
	p->state = (enum se_state)get_name(o, "state", se_state_names, _SE_STATE_MAX);
	get_text(o, "what", p->what, sizeof(p->what));
	get_text(o, "fault", p->fault, sizeof(p->fault));
	p->automatic = get_bool(o, "automatic", false);
	p->switches = get_bool(o, "switches", false);
	p->counter = (uint32_t)get_number(o, "counter", 0);
	p->token = (int32_t)get_number(o, "token", 0);
	p->tx_n = get_octets(o, "transactionId", p->tx, sizeof(p->tx));
	p->sent = (unsigned)get_number(o, "sent", 0);
	p->results = (unsigned)get_number(o, "results", 0);
	p->duplicates = (unsigned)get_number(o, "duplicates", 0);
	p->refused = (unsigned)get_number(o, "refused", 0);
	p->replays = (unsigned)get_number(o, "replays", 0);
	p->verdict = (enum se_verdict)get_name(o, "verdict", se_verdict_names, _SE_VERDICT_MAX);
	p->error = get_bool(o, "error", false);
	p->rolled_back = get_bool(o, "rolledBack", false);
	p->seq = (uint32_t)get_number(o, "seqNumber", 0);
	get_text(o, "outcome", p->outcome, sizeof(p->outcome));
	p->queued_ms = get_number(o, "queuedMs", 0);
	p->sent_ms = get_number(o, "sentMs", 0);
	p->done_ms = get_number(o, "doneMs", 0);
	get_new_octets(o, "result", &p->result, &p->result_n);
	get_new_octets(o, "body", &p->body, &p->body_n);
	get_new_octets(o, "message", &p->message, &p->message_n);
	if (p->download && get(o, "download"))
		load_download(p->download, get(o, "download"));
	return 0;
}

/* --- cards ------------------------------------------------------------------------------------ */

static struct json_object *note_json(const struct se_note *n)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "seqNumber", n->seq);
	put_text(o, "event", n->event);
	put_text(o, "iccid", n->iccid);
	put_text(o, "address", n->address);
	put_text(o, "verdict", se_verdict_names[n->verdict]);
	put_number(o, "duplicates", n->duplicates);
	return o;
}

static void load_note(struct se_card *c, struct json_object *o)
{
	struct se_note *n = &c->notes[c->notes_n];

	if (c->notes_n == SE_NOTES_MAX)
		return;
	c->notes_n++;
	n->seq = (uint32_t)get_number(o, "seqNumber", 0);
	get_text(o, "event", n->event, sizeof(n->event));
	get_text(o, "iccid", n->iccid, sizeof(n->iccid));
	get_text(o, "address", n->address, sizeof(n->address));
	n->verdict = (enum se_verdict)get_name(o, "verdict", se_verdict_names, _SE_VERDICT_MAX);
	n->duplicates = (unsigned)get_number(o, "duplicates", 0);
}

static void card_path(struct se_eim *e, const char *eid, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/cards/%s.json", e->dir, eid);
}

static struct json_object *card_json(struct se_card *c)
{
	struct json_object *o = json_object_new_object(), *packages = json_object_new_array(),
			   *notes = json_object_new_array();
	struct se_package *p;

	put_text(o, "eid", c->eid);
	put_text(o, "version", se_version_names[c->version]);
	put_number(o, "counter", c->counter);
	json_object_object_add(o, "token", json_object_new_int(c->token));
	put_number(o, "lastSeqNumber", c->last_seq);
	put_number(o, "nextId", c->next_id);
	put_octets(o, "eumCertificate", c->eum, c->eum_n);
	put_octets(o, "euiccCertificate", c->euicc, c->euicc_n);
	put_bool(o, "learned", c->learned);
	put_number(o, "polls", c->polls);
	put_number(o, "unmatched", c->unmatched);
	put_number(o, "remarks", c->remarks);
	put_number(o, "lastPollMs", c->last_poll_ms);
	put_text(o, "profiles", c->profiles);
	if (c->has_features)
		put_number(o, "features", c->features);
	put_octets(o, "info1", c->info1, c->info1_n);
	put_octets(o, "info2", c->info2, c->info2_n);
	put_octets(o, "device", c->device, c->device_n);
	put_text(o, "answers", c->answers);
	put_bool(o, "allowPpr", c->allow_ppr);
	list_for_each(p, &c->packages, node)
		json_object_array_add(packages, se_package_json(p, true));
	json_object_object_add(o, "packages", packages);
	for (size_t i = 0; i < c->notes_n; i++)
		json_object_array_add(notes, note_json(&c->notes[i]));
	json_object_object_add(o, "notifications", notes);
	return o;
}

int se_store_save_card(struct se_eim *e, struct se_card *c)
{
	struct json_object *o;
	char path[PATH_MAX];
	int r;

	if (!e->dir[0])
		return 0;
	o = card_json(c);
	card_path(e, c->eid, path);
	r = save(path, o);
	json_object_put(o);
	return r;
}

int se_store_remove_card(struct se_eim *e, struct se_card *c)
{
	char path[PATH_MAX];

	card_path(e, c->eid, path);
	return file_remove(path);
}

static int load_card(struct se_eim *e, const char *eid)
{
	struct json_object *o, *list;
	struct se_card *c;
	char path[PATH_MAX];
	int r = se_card_new(e, eid, &c);

	if (r < 0)
		return r;
	card_path(e, eid, path);
	o = load(path);
	if (!o)
		return -EBADMSG;
	c->version = (enum se_version)get_name(o, "version", se_version_names, _SE_VERSION_MAX);
	c->counter = (uint32_t)get_number(o, "counter", 0);
	c->token = (int32_t)get_number(o, "token", 0);
	c->last_seq = (uint32_t)get_number(o, "lastSeqNumber", 0);
	c->eum_n = get_octets(o, "eumCertificate", c->eum, sizeof(c->eum));
	c->euicc_n = get_octets(o, "euiccCertificate", c->euicc, sizeof(c->euicc));
	c->learned = get_bool(o, "learned", false);
	c->polls = (unsigned)get_number(o, "polls", 0);
	c->unmatched = (unsigned)get_number(o, "unmatched", 0);
	c->remarks = (unsigned)get_number(o, "remarks", 0);
	c->last_poll_ms = get_number(o, "lastPollMs", 0);
	get_text(o, "profiles", c->profiles, sizeof(c->profiles));
	c->has_features = get(o, "features") != NULL;
	c->features = (uint8_t)get_number(o, "features", 0);
	c->info1_n = get_octets(o, "info1", c->info1, sizeof(c->info1));
	c->info2_n = get_octets(o, "info2", c->info2, sizeof(c->info2));
	c->device_n = get_octets(o, "device", c->device, sizeof(c->device));
	get_text(o, "answers", c->answers, sizeof(c->answers));
	c->allow_ppr = get_bool(o, "allowPpr", false);
	list = get(o, "packages");
	for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++)
		r = load_package(c, json_object_array_get_idx(list, i));
	list = get(o, "notifications");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		load_note(c, json_object_array_get_idx(list, i));
	c->next_id = (unsigned)get_number(o, "nextId", c->next_id);
	json_object_put(o);
	return r;
}

static int load_cards(struct se_eim *e, char why[256])
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "%s/cards", e->dir);
	dir = opendir(path);
	while (dir && r == 0 && (d = readdir(dir))) {
		char eid[SE_EID_DIGITS + 1];

		if (strlen(d->d_name) != SE_EID_DIGITS + 5 ||
		    strcmp(d->d_name + SE_EID_DIGITS, ".json") != 0)
			continue;
		memcpy(eid, d->d_name, SE_EID_DIGITS);
		eid[SE_EID_DIGITS] = '\0';
		r = load_card(e, eid);
		if (r < 0)
			snprintf(why, 256, "cards/%s.json: cannot be read: %s", eid, strerror(-r));
	}
	if (dir)
		closedir(dir);
	return r;
}

/* --- the eIM ---------------------------------------------------------------------------------- */

int se_store_save_eim(struct se_eim *e)
{
	struct json_object *o = json_object_new_object();
	char path[PATH_MAX];
	int r;

	put_text(o, "id", e->id);
	put_text(o, "fqdn", e->fqdn);
	put_number(o, "idType", e->id_type);
	put_text(o, "curve", e->curve);
	put_number(o, "protocols", e->protocols);
	put_bool(o, "indirect", e->indirect);
	put_number(o, "port", e->port);
	put_number(o, "coapPort", e->coap_port);
	snprintf(path, sizeof(path), "%s/eim.json", e->dir);
	r = save(path, o);
	json_object_put(o);
	return r;
}

static int load_anchors(struct se_eim *e, char why[256])
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "%s/ci", e->dir);
	dir = opendir(path);
	while (dir && r == 0 && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/ci/%s", e->dir, d->d_name);
		r = se_anchor_load(&e->anchors, path);
		if (r < 0)
			snprintf(why, 256, "ci/%.64s: neither a certificate nor a public key",
				 d->d_name);
	}
	if (dir)
		closedir(dir);
	return r;
}

static int load_key(struct se_eim *e, char why[256])
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/sign.key.pem", e->dir);
	r = se_key_load(path, &e->key);
	snprintf(path, sizeof(path), "%s/sign.der", e->dir);
	if (r == 0)
		r = file_load(path, e->cert, sizeof(e->cert), &e->cert_n);
	if (r < 0)
		snprintf(why, 256, "sign.key.pem, sign.der: cannot be read: %s", strerror(-r));
	return r;
}

int se_store_load(struct se_eim *e, char why[256])
{
	struct json_object *o;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/eim.json", e->dir);
	o = load(path);
	if (!o) {
		snprintf(why, 256, "%.160s: no eIM is here, see sim-eim init --help", e->dir);
		return -ENOENT;
	}
	get_text(o, "id", e->id, sizeof(e->id));
	get_text(o, "fqdn", e->fqdn, sizeof(e->fqdn));
	get_text(o, "curve", e->curve, sizeof(e->curve));
	e->id_type = (unsigned)get_number(o, "idType", 3);
	e->protocols = (uint8_t)get_number(o, "protocols", 0x80);
	e->indirect = get_bool(o, "indirect", false);
	e->port = (uint16_t)get_number(o, "port", 0);
	e->coap_port = (uint16_t)get_number(o, "coapPort", 0);
	json_object_put(o);
	r = load_key(e, why);
	if (r == 0)
		r = load_anchors(e, why);
	if (r == 0)
		r = load_cards(e, why);
	return r;
}
