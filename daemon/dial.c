/*
 * The way to an eIM: over HTTPS or CoAP, as its configuration on the card and ours say; whom to
 * believe (a key that both have, what its configuration pins, else the configured authorities); where
 * it is, and over which interface. The link that is given to the IPA owns all of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "core/log.h"
#include "esipa/coaps.h"
#include "esipa/https.h"
#include "esipa/ways.h"
#include "ipa/eims.h"
#include "net/crypto.h"
#include "net/psk.h"
#include "net/trust.h"

#define HTTPS_PORT 443

/* Where there are two, the first must not use up all the patience. */
#define ONE_OF_TWO_MS 20000

enum way { WAY_HTTPS, WAY_COAP, _WAY_MAX };

struct dialled {
	struct eim_link link;
	struct eim_link *ways;
	struct trust *trust;
	struct eim_options o;
	struct psk psk;
	char name[40];
	char left_out[IPA_TEXT_MAX];    /* the way that comes first, and why it cannot be had; "" it can */
};

static struct dialled *of(struct eim_link *l)
{
	return container_of(l, struct dialled, link);
}

static void on_exchange(struct eim_link *l, struct eim_exchange *x)
{
	eim_exchange(of(l)->ways, x);
}

static void on_cancel(struct eim_link *l, struct eim_exchange *x)
{
	eim_cancel(of(l)->ways, x);
}

static void on_close(struct eim_link *l)
{
	eim_close(of(l)->ways);
}

static void on_free(struct eim_link *l)
{
	struct dialled *d = of(l);

	eim_free(d->ways);
	trust_free(d->trust);
	crypto_wipe(&d->psk, sizeof(d->psk));
	free(d);
}

static void on_tell(const struct eim_link *l, struct eim_way *ret)
{
	const struct dialled *d = container_of(l, const struct dialled, link);

	*ret = (struct eim_way){ .octets_sent = -1, .octets_received = -1 };
	eim_tell(d->ways, ret);
	if (d->left_out[0])
		ret->instead = d->left_out;
}

static const struct eim_link_ops ops = {
	.exchange = on_exchange, .cancel = on_cancel, .close = on_close, .free = on_free, .tell = on_tell,
};

static struct dialled *begin(char why[IPA_TEXT_MAX])
{
	struct dialled *d = calloc(1, sizeof(*d));
	int r = d ? trust_new(&d->trust) : -ENOMEM;

	if (r == 0) {
		d->link.ops = &ops;
		return d;
	}
	snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	free(d);
	return NULL;
}

/* --- whom to believe -------------------------------------------------------------------------- */

/* trustedPublicKeyDataTls as the card would give it: A0 { key } or A1 { certificate }. */
static int pin(struct trust *t, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	uint8_t buf[IPA_KEY_MAX + 8];
	struct tlv_out w = { .buf = buf, .cap = sizeof(buf) };
	char reason[TRUST_WHY_MAX];
	size_t n;
	int r;

	tlv_put(&w, e->tls_kind == ES10B_KEY_SPKI ? 0xa0 : 0xa1, e->tls, e->tls_n);
	r = tlv_done(&w, &n);
	if (r == 0)
		r = trust_pin(t, octets_from(buf, n), reason);
	if (r < 0)
		snprintf(why, IPA_TEXT_MAX, "what it pins for its connection: %.120s", reason);
	return r;
}

static int believe_authorities(struct trust *t, const struct settings *s, char why[IPA_TEXT_MAX])
{
	char reason[TRUST_WHY_MAX];
	unsigned n;
	int r;

	if (!s->ipa_ca[0]) {
		snprintf(why, IPA_TEXT_MAX, "no authorities are configured that it could be believed by ([ipa] ca)");
		return -ENOKEY;
	}
	r = trust_add_path(t, s->ipa_ca, &n, reason);
	if (r < 0)
		snprintf(why, IPA_TEXT_MAX, "[ipa] ca = %.60s: %.90s", s->ipa_ca,
			 reason[0] ? reason : strerror(-r));
	return r;
}

static int believe(struct dialled *d, const struct ipa_eim *e, const struct settings *s,
		   char why[IPA_TEXT_MAX])
{
	return e->tls_kind != ES10B_KEY_NONE ? pin(d->trust, e, why) : believe_authorities(d->trust, s, why);
}

/* 1: there is a key for it; 0: there is none. */
static int find_key(const struct ipa *i, const struct ipa_eim *e, const struct settings *s, struct psk *ret,
		    char why[IPA_TEXT_MAX])
{
	char reason[PSK_WHY_MAX];
	int r;

	if (!s->ipa_psk_file[0])
		return 0;
	r = psk_load(s->ipa_psk_file, e->id, e->fqdn, i->facts.eid, ret, reason);
	if (r == 0)
		return 1;
	if (r == -ENOENT)
		return 0;
	snprintf(why, IPA_TEXT_MAX, "[ipa] psk_file: %.160s", reason);
	return r;
}

static void check_keys(const struct settings *s)
{
	struct psk psk;
	char reason[PSK_WHY_MAX];
	int r = s->ipa_psk_file[0] ? psk_load(s->ipa_psk_file, "", "", "eid", &psk, reason) : 0;

	if (r < 0 && r != -ENOENT)
		log_error("ipa", "[ipa] psk_file: %s", reason);
	crypto_wipe(&psk, sizeof(psk));
}

static void check_authorities(const struct settings *s)
{
	char why[IPA_TEXT_MAX];
	struct trust *t;

	if (!s->ipa_ca[0] || trust_new(&t) < 0)
		return;
	if (believe_authorities(t, s, why) < 0)
		log_error("ipa", "%s", why);
	trust_free(t);
}

/* What will be missed one day is told at once. */
void app_dial_check(const struct app *app)
{
	check_keys(&app->settings);
	check_authorities(&app->settings);
}

/* Sections that nobody has: mistyped perhaps, and without effect. A card that has no eIM may get one. */
void app_dial_look(struct app *app)
{
	const struct settings *s = &app->settings;

	for (size_t k = 0; k < s->n_eims; k++) {
		const struct eim_options *o = &s->eims[k];
		bool any = false, found = !o->id[0];

		for (size_t i = 0; i < IPA_EIMS_MAX; i++) {
			const struct ipa_eim *e = &app->ipa.eims->list[i];

			any |= e->used;
			found |= e->used && eim_options_are_for(o, e->id, e->fqdn);
		}
		if (any && !found && !app->eim_missed[k])
			log_warning("ipa", "[eim.%s] id = %s: no eIM on the card has that id or address; "
				    "cellmuxctl eims shows them", o->name, o->id);
		app->eim_missed[k] = any && !found;
	}
}

/* --- which way -------------------------------------------------------------------------------- */

#define BUILT_WITHOUT "this cellmuxd was built without CoAP (WITH_COAP)"

static bool has_coap(void)
{
#ifdef WITH_COAP
	return true;
#else
	return false;
#endif
}

/* Built in, and the library is there. */
static bool can_coap(char why[IPA_TEXT_MAX])
{
#ifdef WITH_COAP
	char reason[COAP_WHY_MAX];

	if (coap_library_look(reason) == 0)
		return true;
	snprintf(why, IPA_TEXT_MAX, "%s", reason);
	return false;
#else
	snprintf(why, IPA_TEXT_MAX, BUILT_WITHOUT);
	return false;
#endif
}

/*
 * In the order in which they are tried; returns how many. 0: why. Where nothing but the card speaks of
 * CoAP, and there is HTTPS, a daemon without it misses nothing.
 */
static unsigned choose(const struct ipa_eim *e, const struct eim_options *o, enum way ret[_WAY_MAX],
		       char why[IPA_TEXT_MAX])
{
	bool https = o->transport != EIM_COAP, coap = o->transport != EIM_HTTPS;
	unsigned n = 0;

	if (o->transport == EIM_AUTO) {
		/* What it does not say is taken for HTTPS. */
		https = e->protocols < 0 || e->protocols & ES10B_EIM_RETRIEVE_HTTPS;
		coap = e->protocols >= 0 && e->protocols & ES10B_EIM_RETRIEVE_COAPS &&
		       (has_coap() || !https);
	}
	if (!https && coap && !has_coap()) {
		snprintf(why, IPA_TEXT_MAX, "it is reached over CoAP only, and " BUILT_WITHOUT);
		return 0;
	}
	if (!https && !coap)
		snprintf(why, IPA_TEXT_MAX, "it offers retrieval neither over HTTPS nor over CoAP");
	if (coap && o->transport == EIM_COAP_HTTPS)
		ret[n++] = WAY_COAP;
	if (https)
		ret[n++] = WAY_HTTPS;
	if (coap && o->transport != EIM_COAP_HTTPS)
		ret[n++] = WAY_COAP;
	return n;
}

static const char *address_of(const struct ipa_eim *e, const struct eim_options *o)
{
	return o->address[0] ? o->address : e->fqdn;
}

static int place_of(const char *address, unsigned port, uint16_t otherwise, struct net_place *ret,
		    char why[IPA_TEXT_MAX])
{
	int r = net_place_parse(text_of(address), otherwise, ret);

	if (r < 0)
		snprintf(why, IPA_TEXT_MAX, address[0] ? "'%.100s' is no address" : "it has no address%s",
			 address);
	else if (port)
		ret->port = (uint16_t)port;
	return r;
}

bool app_serves(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	struct eim_options o;
	enum way ways[_WAY_MAX];
	struct net_place place;

	eim_options_find(&container_of(i, struct app, ipa)->settings, e->id, e->fqdn, &o);
	return choose(e, &o, ways, why) > 0 &&
	       place_of(address_of(e, &o), 0, HTTPS_PORT, &place, why) == 0;
}

/* Whom it offers what is the eIM's affair; what it could be asked for by its configuration is ours. */
uint32_t app_protocols(struct ipa *i, const struct ipa_eim *e)
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	bool believed = e->tls_kind != ES10B_KEY_NONE || s->ipa_ca[0];
	struct eim_options o;
	struct psk psk = { 0 };
	char why[IPA_TEXT_MAX];
	uint32_t n = 0;
	int key;

	eim_options_find(s, e->id, e->fqdn, &o);
	if (o.transport != EIM_COAP && believed)
		n |= ESIPA_IPA_RETRIEVE_HTTPS;
	key = o.transport == EIM_HTTPS ? -EPROTONOSUPPORT : find_key(i, e, s, &psk, why);
	crypto_wipe(&psk, sizeof(psk));
	if (key >= 0 && (key > 0 || believed) && can_coap(why))
		n |= ESIPA_IPA_RETRIEVE_COAPS;
	return n;
}

/* --- the links -------------------------------------------------------------------------------- */

static const char *interface_of(const struct settings *s)
{
	return s->ipa_interface[0] ? s->ipa_interface : NULL;
}

static struct eim_link *open_https(struct dialled *d, const struct ipa_eim *e, const struct settings *s,
				   unsigned connect_ms, char why[IPA_TEXT_MAX])
{
	struct esipa_https o = { .interface = interface_of(s), .trust = d->trust, .path = d->o.https_path,
				 .connect_ms = connect_ms };
	struct eim_link *l;
	int r = place_of(address_of(e, &d->o), d->o.https_port, HTTPS_PORT, &o.place, why);

	if (r < 0)
		return NULL;
	r = esipa_https_new(&o, &l);
	if (r == 0)
		return l;
	snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	return NULL;
}

#ifdef WITH_COAP
static struct eim_link *open_coap(struct dialled *d, const struct ipa_eim *e, const struct settings *s,
				  unsigned connect_ms, bool by_key, char why[IPA_TEXT_MAX])
{
	const struct eim_options *o = &d->o;
	struct esipa_coaps c = { .server = {
		.psk = by_key ? &d->psk : NULL,
		.trust = d->trust,
		.interface = interface_of(s),
		.path = o->coap_path,
		.uri_host = o->uri_host,
		.no_upload = !o->blocks,
		.datagram = o->datagram,
		.block = o->block,
		.connect_ms = connect_ms,
		.ack_timeout_ms = o->ack_timeout_ms,
		.retransmits = o->retransmits,
		.silence_ms = o->silence_s * 1000,
		.idle_limit_ms = o->idle_limit_s * 1000,
		.keep_ms = o->keep_s * 1000,
	} };
	struct eim_link *l;
	int r = place_of(address_of(e, o), o->coap_port, COAPS_PORT, &c.server.place, why);

	if (r < 0)
		return NULL;
	c.server.format = eim_content_format(o);
	r = esipa_coaps_new(&c, &l);
	if (r == 0)
		return l;
	snprintf(why, IPA_TEXT_MAX, "coap: %s", strerror(-r));
	return NULL;
}
#else
static struct eim_link *open_coap(struct dialled *d, const struct ipa_eim *e, const struct settings *s,
				  unsigned connect_ms, bool by_key, char why[IPA_TEXT_MAX])
{
	(void)d, (void)e, (void)s, (void)connect_ms, (void)by_key;
	snprintf(why, IPA_TEXT_MAX, BUILT_WITHOUT);
	return NULL;
}
#endif

/* What is said of the first way is seen in the status, too. */
static void leave_out(struct dialled *d, enum way way, bool first, const char *why)
{
	const char *name = way == WAY_COAP ? "CoAP" : "HTTPS";

	log_warning("ipa", "eIM %s: not over %s: %s", d->name, name, why);
	if (first)
		snprintf(d->left_out, sizeof(d->left_out), "not over %s: %.160s", name, why);
}

/*
 * One that cannot be had, for want of somebody to believe or of a library, is left out where there is
 * another. The library of one that comes second is not looked for before it is needed.
 */
static unsigned open_ways(struct dialled *d, struct ipa *i, const struct ipa_eim *e, struct esipa_ways *w,
			  char why[IPA_TEXT_MAX])
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	enum way ways[_WAY_MAX];
	unsigned all = choose(e, &d->o, ways, why), n = 0;
	char no_trust[IPA_TEXT_MAX] = "", no_key[IPA_TEXT_MAX] = "";
	int trusts = believe(d, e, s, no_trust), key = find_key(i, e, s, &d->psk, no_key);

	for (unsigned k = 0; k < all; k++) {
		unsigned connect_ms = all > 1 ? ONE_OF_TWO_MS : 0;
		bool coap = ways[k] == WAY_COAP;
		struct eim_link *l = NULL;

		if (coap && key < 0)
			snprintf(why, IPA_TEXT_MAX, "%s", no_key);
		else if (trusts < 0 && !(coap && key > 0))
			snprintf(why, IPA_TEXT_MAX, "%s", no_trust);
		else if (!coap || k > 0 || can_coap(why))
			l = coap ? open_coap(d, e, s, connect_ms, key > 0, why) :
				   open_https(d, e, s, connect_ms, why);
		if (l)
			w->links[n++] = l;
		else if (all > 1)
			leave_out(d, ways[k], n == 0, why);
	}
	return n;
}

/* The links are the ways' then, or are freed. */
static struct eim_link *join(struct dialled *d, const struct esipa_ways *w, char why[IPA_TEXT_MAX])
{
	int r = esipa_ways_new(w, &d->ways);

	if (r == 0)
		return &d->link;
	snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	for (unsigned k = 0; k < ESIPA_WAYS_MAX; k++)
		eim_free(w->links[k]);
	on_free(&d->link);
	return NULL;
}

struct eim_link *app_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	struct esipa_ways w = { .links = { NULL } };
	struct dialled *d = begin(why);

	if (!d)
		return NULL;
	eim_options_find(s, e->id, e->fqdn, &d->o);
	snprintf(d->name, sizeof(d->name), "%.39s", e->id);
	w.name = d->name;
	w.return_ms = d->o.return_s * 1000;
	if (open_ways(d, i, e, &w, why) > 0)
		return join(d, &w, why);
	on_free(&d->link);
	return NULL;
}

/*
 * GSMA SGP.22 6.5: JSON. The user agent is that of an IPAd (inferred: SM-DP+ servers have been built
 * for LPAs, some look at its beginning), the version that of SGP.22 as LPAs in the field send it.
 */
struct eim_link *app_dial_server(struct ipa *i, const char *address, char why[IPA_TEXT_MAX])
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	struct esipa_https o = {
		.interface = interface_of(s),
		.path = "/gsma/rsp2/es9plus", .content_type = "application/json",
		.admin_protocol = "gsma/rsp/v2.2.2",
	};
	struct esipa_ways w = { .name = "SM-DP+" };
	struct dialled *d = begin(why);
	int r = d ? place_of(address, 0, HTTPS_PORT, &o.place, why) : -ENOMEM;

	if (r == 0)
		r = believe_authorities(d->trust, s, why);
	if (r == 0) {
		o.trust = d->trust;
		r = esipa_https_new(&o, &w.links[0]);
		if (r < 0)
			snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	}
	if (r == 0)
		return join(d, &w, why);
	if (d)
		on_free(&d->link);
	return NULL;
}
