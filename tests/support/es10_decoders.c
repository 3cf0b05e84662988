#include "support/es10_decoders.h"

#include <stdlib.h>

#include "core/util.h"
#include "euicc/es10a.h"
#include "euicc/es10b.h"
#include "euicc/es10c.h"
#include "euicc/isdr.h"
#include "euicc/package.h"

#define CAP 24

static struct octets input;

/* Inside of the input, or missing. */
static void inside(struct octets v)
{
	if (!v.p && v.n == 0)
		return;
	if (v.p < input.p || v.n > input.n || (size_t)(v.p - input.p) > input.n - v.n)
		abort();
}

/* A pattern that outputs have before; still(x) tells whether they have it after. */
#define MARK 0x5c

static bool marked(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)p)[i] != MARK)
			return false;
	return true;
}

#define DECODER(name, type, decode, look)                    \
	static int run_##name(struct octets der)             \
	{                                                    \
		type v;                                      \
		int r;                                       \
		memset(&v, MARK, sizeof(v));                 \
		input = der;                                 \
		r = decode;                                  \
		if (r < 0 && !marked(&v, sizeof(v)))         \
			abort();                             \
		if (r == 0)                                  \
			look;                                \
		return r;                                    \
	}

/* Lists: an array, how many, the card's error. */
#define LIST_DECODER(name, type, decode, look)                            \
	static int run_##name(struct octets der)                          \
	{                                                                 \
		type v[CAP];                                              \
		size_t n = 77;                                            \
		int error = 77, r;                                        \
		input = der;                                              \
		r = decode;                                               \
		if (r < 0 && (n != 77 || error != 77))                    \
			abort();                                          \
		for (size_t i = 0; r == 0 && i < n; i++)                  \
			look;                                             \
		return r;                                                 \
	}

static void look_profile(const struct es10c_profile *v)
{
	char text[ES10_ICCID_TEXT_MAX], plmn[ES10_PLMN_TEXT_MAX];

	inside(v->iccid), inside(v->aid), inside(v->nickname), inside(v->provider);
	inside(v->name), inside(v->icon), inside(v->notification_config), inside(v->owner_plmn);
	inside(v->owner_gid1), inside(v->owner_gid2), inside(v->dp_proprietary);
	inside(v->service_data);
	(void)es10_iccid_text(v->iccid, text);
	(void)es10_plmn_text(v->owner_plmn, plmn);
	(void)es10c_state_name(v->state);
	(void)es10c_class_name(v->class);
}

static void look_notification(const struct es10b_notification *v)
{
	inside(v->address), inside(v->iccid);
	(void)es10_event_name(v->events);
}

static void look_list(struct octets list)
{
	struct octets value;

	while (es10_list_next(&list, 0x04, &value))
		inside(value);
}

static void look_info2(const struct es10b_info2 *v)
{
	char text[ES10_VERSION_TEXT_MAX];

	look_list(v->ci_verify), look_list(v->ci_sign), look_list(v->iot_versions);
	inside(v->sas_number), inside(v->platform_label), inside(v->discovery_url);
	inside(v->tre_reference), look_list(v->more_pp_versions);
	es10_version_text(v->iot_version, text);
}

static void look_rules(struct octets rules)
{
	struct es10b_rule rule;
	struct es10b_operator o;
	bool consent;

	es10b_rat_allows(rules, ES10_PPR1, (struct es10b_operator){ octets_from("\x62\xf2\x10", 3),
			 { 0 }, { 0 } }, &consent);
	while (es10b_rule_next(&rules, &rule))
		while (es10b_operator_next(&rule.operators, &o))
			inside(o.plmn), inside(o.gid1), inside(o.gid2);
}

static void look_signed(const struct es10b_signed *v)
{
	inside(v->transaction_id), inside(v->data), inside(v->signature);
	inside(v->euicc_cert), inside(v->eum_cert);
}

static void look_eim(const struct es10b_eim *v)
{
	uint8_t again[8192];
	struct tlv_out w = { .buf = again, .cap = sizeof(again) };

	inside(v->id), inside(v->fqdn), inside(v->counter), inside(v->token);
	inside(v->key.content), inside(v->tls.content), inside(v->ci_pkid), inside(v->vendor);
	es10b_eim_put(&w, 0x30, v);
}

static void look_install(const struct es10b_install *v)
{
	inside(v->transaction_id), inside(v->smdp_oid), inside(v->aid), inside(v->sima);
	look_notification(&v->meta);
	(void)es10b_bpp_command_name(v->command);
	(void)es10b_bpp_reason_name(v->reason);
}

static void look_request(const struct package_request *v)
{
	struct octets ops = v->ops;
	struct package_command c;

	inside(v->eim_id), inside(v->eid), inside(v->transaction_id), inside(v->signed_part);
	while (package_request_next(v, &ops, &c)) {
		inside(c.whole), inside(c.iccid), inside(c.eim_id);
		(void)package_op_name(c.op);
	}
	if (ops.n)
		abort();
}

static void look_result(const struct package_result *v)
{
	struct octets results = v->results;
	struct package_outcome o;

	inside(v->eim_id), inside(v->transaction_id), inside(v->token);
	while (package_result_next(&results, &o)) {
		inside(o.whole);
		(void)package_code_name(o.op, o.code);
	}
	if (results.n)
		abort();
}

DECODER(eid, struct octets, es10c_eid_decode(der, &v), inside(v))
DECODER(addresses, struct es10a_addresses, es10a_addresses_decode(der, &v),
	(inside(v.default_dp), inside(v.root_ds)))
DECODER(challenge, struct octets, es10b_challenge_decode(der, &v), inside(v))
DECODER(info1, struct es10b_info1, es10b_info1_decode(der, &v),
	(look_list(v.ci_verify), look_list(v.ci_sign)))
DECODER(info2, struct es10b_info2, es10b_info2_decode(der, &v), look_info2(&v))
DECODER(rat, struct octets, es10b_rat_decode(der, &v), look_rules(v))
DECODER(authenticate, struct es10b_signed, es10b_authenticate_decode(der, &v), look_signed(&v))
DECODER(prepare, struct es10b_signed, es10b_prepare_decode(der, &v), look_signed(&v))
DECODER(cancel, struct es10b_signed, es10b_cancel_session_decode(der, &v), look_signed(&v))
DECODER(signed1, struct es10b_server_signed1, es10b_server_signed1_decode(der, &v),
	(inside(v.transaction_id), inside(v.address)))
DECODER(signed2, struct es10b_smdp_signed2, es10b_smdp_signed2_decode(der, &v),
	(inside(v.transaction_id), inside(v.euicc_otpk)))
DECODER(install, struct es10b_install, es10b_install_decode(der, &v), look_install(&v))
DECODER(profile, struct es10c_profile, es10c_profile_decode(der, &v), look_profile(&v))
DECODER(metadata, struct es10c_profile, es10c_metadata_decode(der, &v), look_profile(&v))
DECODER(eim, struct es10b_eim, es10b_eim_decode(der, &v), look_eim(&v))
DECODER(reset, struct es10b_reset, es10b_memory_reset_decode(ES10B_MEMORY_RESET, der, &v), (void)0)
DECODER(old_reset, struct es10b_reset, es10b_memory_reset_decode(ES10C_MEMORY_RESET, der, &v),
	(void)0)
DECODER(load_crl, int, es10b_load_crl_decode(der, &v), (void)es10_result_name(ES10B_LOAD_CRL, v))
DECODER(enable, int, es10_result_decode(ES10C_ENABLE, der, &v),
	(void)es10_result_name(ES10C_ENABLE, v))
DECODER(request, struct package_request, package_request_decode(der, &v), look_request(&v))
DECODER(result, struct package_result, package_result_decode(der, &v), look_result(&v))
LIST_DECODER(profiles, struct es10c_profile, es10c_profiles_decode(der, v, CAP, &n, &error),
	     look_profile(&v[i]))
LIST_DECODER(notifications, struct es10b_notification,
	     es10b_notifications_decode(der, v, CAP, &n, &error), look_notification(&v[i]))
LIST_DECODER(pending, struct es10b_pending, es10b_pending_decode(der, v, CAP, &n, &error),
	     (inside(v[i].whole), look_notification(&v[i].meta)))
LIST_DECODER(eims, struct es10b_eim, es10b_eims_decode(der, v, CAP, &n, &error), look_eim(&v[i]))
LIST_DECODER(add_eim, struct octets, es10b_add_initial_eim_decode(der, v, CAP, &n, &error),
	     inside(v[i]))

static int run_certs(struct octets der)
{
	struct octets eum = { input.p, 77 }, euicc = eum;
	int error = 77, r = es10b_certs_decode(der, &eum, &euicc, &error);

	input = der;
	if (r < 0 && (eum.n != 77 || euicc.n != 77 || error != 77))
		abort();
	if (r == 0)
		inside(eum), inside(euicc);
	return r;
}

static int run_rollback(struct octets der)
{
	struct octets package = { input.p, 77 };
	int code = 77, r = es10b_rollback_decode(der, &code, &package);

	input = der;
	if (r < 0 && (package.n != 77 || code != 77))
		abort();
	if (r == 0)
		inside(package);
	return r;
}

static int run_connectivity(struct octets der)
{
	struct es10b_connectivity v = { .raw = { NULL, 77 } };
	int error = 77, r = es10b_connectivity_decode(der, &v, &error);

	input = der;
	if (r < 0 && (v.raw.n != 77 || error != 77))
		abort();
	if (r < 0)
		return r;
	inside(v.raw), inside(v.bearer), inside(v.user), inside(v.password);
	if (strlen(v.apn) >= sizeof(v.apn))
		abort();
	return 0;
}

static int run_fci(struct octets der)
{
	return isdr_fci_decode(der).read ? 0 : -1;
}

const struct es10_decoder es10_decoders[] = {
	{ "eid", run_eid }, { "addresses", run_addresses }, { "challenge", run_challenge },
	{ "info1", run_info1 }, { "info2", run_info2 }, { "rat", run_rat },
	{ "authenticate", run_authenticate }, { "prepare", run_prepare }, { "cancel", run_cancel },
	{ "signed1", run_signed1 }, { "signed2", run_signed2 }, { "install", run_install },
	{ "profile", run_profile }, { "metadata", run_metadata }, { "eim", run_eim },
	{ "reset", run_reset }, { "old_reset", run_old_reset }, { "load_crl", run_load_crl },
	{ "enable", run_enable }, { "request", run_request }, { "result", run_result },
	{ "profiles", run_profiles }, { "notifications", run_notifications },
	{ "pending", run_pending }, { "eims", run_eims }, { "add_eim", run_add_eim },
	{ "certs", run_certs }, { "rollback", run_rollback },
	{ "connectivity", run_connectivity }, { "fci", run_fci },
};

const size_t n_es10_decoders = ARRAY_SIZE(es10_decoders);
