/* What is known of the eUICC as the socket gives it: config/socket.md describes every member. */
#include <stdio.h>

#include "app.h"
#include "core/hex.h"
#include "put.h"

static void put_octets(struct json_object *o, const char *name, struct octets v)
{
	put_hex(o, name, v.p, v.n);
}

static void put_octets_text(struct json_object *o, const char *name, struct octets v)
{
	put_utf8(o, name, v.p, v.n);
}

static void put_version(struct json_object *o, const char *name, struct es10_version v)
{
	char text[ES10_VERSION_TEXT_MAX];

	put_text(o, name, v.major || v.minor || v.revision ? es10_version_text(v, text) : NULL);
}

static void put_iccid(struct json_object *o, struct octets iccid)
{
	char text[ES10_ICCID_TEXT_MAX];

	put_text(o, "iccid", es10_iccid_text(iccid, text) == 0 ? text : NULL);
}

static void put_plmn(struct json_object *o, const char *name, struct octets plmn)
{
	char text[ES10_PLMN_TEXT_MAX];

	put_text(o, name, es10_plmn_text(plmn, text) == 0 ? text : NULL);
}

/* CI key identifiers, all 04 in one octet string. */
static struct json_object *ids_to_json(struct octets list)
{
	struct json_object *a = json_object_new_array();
	struct octets id;
	char digits[65];

	while (es10_list_next(&list, 0x04, &id)) {
		if (id.n * 2 >= sizeof(digits))
			continue;
		hex_encode(id.p, id.n, digits, sizeof(digits));
		json_object_array_add(a, json_object_new_string(digits));
	}
	return a;
}

static struct json_object *pprs_to_json(uint32_t pprs)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ ES10_PPR_UPDATE_CONTROL, "update-control" }, { ES10_PPR1, "ppr1" },
		{ ES10_PPR2, "ppr2" },
	};
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (pprs & names[i].bit)
			json_object_array_add(a, json_object_new_string(names[i].name));
	return a;
}

/* --- EUICCInfo2 ------------------------------------------------------------------------------------ */

static const char *category_name(int category)
{
	static const char *const names[] = { "other", "basic", "medium", "contactless" };

	return category >= 0 && category < (int)ARRAY_SIZE(names) ? names[category] : NULL;
}

static struct json_object *versions_to_json(struct octets list)
{
	struct json_object *a = json_object_new_array();
	struct octets one;

	while (es10_list_next(&list, 0x04, &one)) {
		char text[ES10_VERSION_TEXT_MAX];
		struct es10_version v;

		if (es10_version_from(one, &v) == 0)
			json_object_array_add(a, json_object_new_string(es10_version_text(v, text)));
	}
	return a;
}

static void put_info2(struct json_object *o, const struct es10b_info2 *v)
{
	put_version(o, "profile_version", v->profile_version);
	put_version(o, "firmware", v->firmware);
	put_version(o, "globalplatform", v->globalplatform);
	put_version(o, "javacard", v->javacard);
	put_version(o, "protection_profile", v->pp_version);
	put_text(o, "category", category_name(v->category));
	put_known(o, "free_memory", v->free_nv, -1);
	put_known(o, "free_ram", v->free_ram, -1);
	put_known(o, "applications", v->applications, -1);
	put(o, "forbidden_pprs", pprs_to_json(v->forbidden_pprs));
	put_octets_text(o, "sas", v->sas_number);
	put(o, "iot_versions", versions_to_json(v->iot_versions));
	put_text(o, "ipa_mode", v->ipa_mode < 0 ? NULL :
		 v->ipa_mode == ES10B_IPA_IN_EUICC ? "eUICC" : "device");
	put_bool(o, "emergency_profile", v->ecall);
	put_bool(o, "fallback", v->fallback);
}

static void put_info(struct json_object *o, const struct euicc_facts *f)
{
	put_version(o, "svn", f->info1.svn);
	put(o, "ci_verify", ids_to_json(f->info1.ci_verify));
	put(o, "ci_sign", ids_to_json(f->info1.ci_sign));
	if (f->info2_read)
		put_info2(o, &f->info2);
}

static struct json_object *rules_to_json(struct octets rat)
{
	struct json_object *a = json_object_new_array();
	struct es10b_rule rule;

	while (es10b_rule_next(&rat, &rule)) {
		struct json_object *o = json_object_new_object();
		struct json_object *list = json_object_new_array();
		struct es10b_operator op;

		while (es10b_operator_next(&rule.operators, &op)) {
			struct json_object *one = json_object_new_object();

			put_plmn(one, "plmn", op.plmn);
			put_octets(one, "gid1", op.gid1);
			put_octets(one, "gid2", op.gid2);
			json_object_array_add(list, one);
		}
		put(o, "pprs", pprs_to_json(rule.pprs));
		put(o, "operators", list);
		put_bool(o, "consent", rule.consent);
		json_object_array_add(a, o);
	}
	return a;
}

/* --- the card as a whole ------------------------------------------------------------------------------ */

/* Facts that could not be read, by name, and why. */
static struct json_object *missing_to_json(const struct euicc_facts *f)
{
	struct json_object *o = json_object_new_object();

	for (int i = 0; i < _FACT_MAX; i++)
		if (cause_is_set(&f->missing[i]))
			put_cause(o, euicc_fact_name((enum euicc_fact)i), &f->missing[i], NULL);
	return o;
}

struct json_object *euicc_brief_to_json(const struct ipa *i)
{
	struct json_object *o = json_object_new_object();
	bool known = i->card == IPA_CARD_READY;

	put_text(o, "card", ipa_card_name(i->card));
	put_text(o, "eid", known ? i->facts.eid : NULL);
	put_text(o, "kind", !known ? NULL : euicc_facts_is_iot(&i->facts) ? "SGP.32" : "SGP.22");
	put_cause(o, "problem", &i->card_why, NULL);
	put_text(o, "doing", i->now ? i->now->name : NULL);
	put_text(o, "step", i->now ? i->step : NULL);
	return o;
}

struct json_object *euicc_to_json(const struct ipa *i)
{
	struct json_object *o = euicc_brief_to_json(i);
	const struct euicc_facts *f = &i->facts;

	if (i->card != IPA_CARD_READY)
		return o;
	put_octets(o, "aid", f->aid);
	if (euicc_facts_have(f, FACT_INFO))
		put_info(o, f);
	if (euicc_facts_have(f, FACT_ADDRESSES)) {
		put_octets_text(o, "default_smdp", f->addresses.default_dp);
		put_octets_text(o, "root_smds", f->addresses.root_ds);
	}
	if (euicc_facts_have(f, FACT_RAT))
		put(o, "rules", rules_to_json(f->rat));
	put(o, "missing", missing_to_json(f));
	return o;
}

/* --- profiles -------------------------------------------------------------------------------------------- */

static struct json_object *profile_to_json(const struct es10c_profile *p, const char *module_iccid)
{
	struct json_object *o = json_object_new_object();
	char iccid[ES10_ICCID_TEXT_MAX] = "";

	es10_iccid_text(p->iccid, iccid);
	put_text(o, "iccid", iccid);
	put_text(o, "state", es10c_state_name(p->state));
	put_bool(o, "in_use", modem_same_iccid(iccid, module_iccid));
	put_text(o, "class", p->class < 0 ? NULL : es10c_class_name(p->class));
	put_octets_text(o, "nickname", p->nickname);
	put_octets_text(o, "provider", p->provider);
	put_octets_text(o, "name", p->name);
	put_octets(o, "aid", p->aid);
	put_plmn(o, "owner", p->owner_plmn);
	put_octets(o, "gid1", p->owner_gid1);
	put_octets(o, "gid2", p->owner_gid2);
	put(o, "pprs", pprs_to_json(p->pprs));
	put_bool(o, "fallback", p->fallback);
	put_bool(o, "fallback_allowed", p->fallback_allowed);
	put_bool(o, "emergency", p->ecall);
	return o;
}

struct json_object *profiles_to_json(const struct ipa *i, const struct modem *m)
{
	struct json_object *a = json_object_new_array();

	for (size_t k = 0; k < i->facts.n_profiles; k++)
		json_object_array_add(a, profile_to_json(&i->facts.profiles[k], m->st.iccid));
	return a;
}

/* --- eIMs, notifications ---------------------------------------------------------------------------------- */

static struct json_object *protocols_to_json(int64_t protocols)
{
	static const char *const names[] = {
		"retrieve-https", "retrieve-coaps", "inject-https", "inject-coaps", "proprietary",
	};
	struct json_object *a;

	if (protocols < 0)
		return NULL;
	a = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (protocols & 1 << i)
			json_object_array_add(a, json_object_new_string(names[i]));
	return a;
}

static const char *key_name(enum es10b_key_kind kind)
{
	switch (kind) {
	case ES10B_KEY_NONE:
		return NULL;
	case ES10B_KEY_SPKI:
		return "public-key";
	case ES10B_KEY_CERTIFICATE:
		return "certificate";
	}
	return NULL;
}

static struct json_object *eim_to_json(const struct es10b_eim *e)
{
	static const char *const types[] = { NULL, "oid", "fqdn", "proprietary" };
	struct json_object *o = json_object_new_object();
	uint32_t token;

	put_octets_text(o, "id", e->id);
	put_text(o, "id_type", e->id_type > 0 && e->id_type < (int)ARRAY_SIZE(types) ?
		 types[e->id_type] : NULL);
	put_octets_text(o, "fqdn", e->fqdn);
	put(o, "protocols", protocols_to_json(e->protocols));
	put_known(o, "token",
		  e->token.n && octets_to_u32(e->token, &token) == 0 ? (int64_t)token : -1, -1);
	put_text(o, "key", key_name(e->key.kind));
	put_text(o, "tls", key_name(e->tls.kind));
	put_octets(o, "ci", e->ci_pkid);
	put_bool(o, "indirect_download", e->indirect);
	return o;
}

struct json_object *eims_to_json(const struct ipa *i)
{
	struct json_object *a = json_object_new_array();

	for (size_t k = 0; k < i->facts.n_eims; k++)
		json_object_array_add(a, eim_to_json(&i->facts.eims[k]));
	return a;
}

struct json_object *notifications_to_json(const struct ipa *i)
{
	struct json_object *a = json_object_new_array();

	for (size_t k = 0; k < i->facts.n_notifications; k++) {
		const struct es10b_notification *n = &i->facts.notifications[k];
		struct json_object *o = json_object_new_object();

		put_int(o, "number", n->seq);
		put_text(o, "event", es10_event_name(n->events));
		put_iccid(o, n->iccid);
		put_octets_text(o, "address", n->address);
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *euicc_changes_to_json(unsigned what)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ IPA_CHANGED_CARD, "card" }, { IPA_CHANGED_PROFILES, "profiles" },
		{ IPA_CHANGED_EIMS, "eims" }, { IPA_CHANGED_NOTIFICATIONS, "notifications" },
		{ IPA_CHANGED_ACTIVITY, "activity" },
	};
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (what & names[i].bit)
			json_object_array_add(a, json_object_new_string(names[i].name));
	return a;
}
