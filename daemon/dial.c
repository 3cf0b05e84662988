/*
 * The way to an eIM: whom to believe (what its configuration on the card pins, else the configured
 * authorities), where it is, over which interface. The link that is given to the IPA owns the trust.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "esipa/https.h"
#include "ipa/eims.h"
#include "net/trust.h"

#define HTTPS_PORT 443

struct dialled {
	struct eim_link link;
	struct eim_link *https;
	struct trust *trust;
};

static struct dialled *of(struct eim_link *l)
{
	return container_of(l, struct dialled, link);
}

static void on_exchange(struct eim_link *l, struct eim_exchange *x)
{
	eim_exchange(of(l)->https, x);
}

static void on_cancel(struct eim_link *l, struct eim_exchange *x)
{
	eim_cancel(of(l)->https, x);
}

static void on_close(struct eim_link *l)
{
	eim_close(of(l)->https);
}

static void on_free(struct eim_link *l)
{
	struct dialled *d = of(l);

	eim_free(d->https);
	trust_free(d->trust);
	free(d);
}

static const struct eim_link_ops ops = {
	.exchange = on_exchange, .cancel = on_cancel, .close = on_close, .free = on_free,
};

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

/* The link takes the trust over; both are freed where there is no link. */
static struct eim_link *wrap(struct dialled *d, struct esipa_https *o, char why[IPA_TEXT_MAX])
{
	int r;

	d->link.ops = &ops;
	o->trust = d->trust;
	r = esipa_https_new(o, &d->https);
	if (r == 0)
		return &d->link;
	snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	on_free(&d->link);
	return NULL;
}

static struct dialled *begin(const char *address, struct net_place *ret, char why[IPA_TEXT_MAX])
{
	struct dialled *d = NULL;
	int r = net_place_parse(text_of(address), HTTPS_PORT, ret);

	if (r < 0) {
		snprintf(why, IPA_TEXT_MAX, "'%.100s' is no address", address);
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	r = d ? trust_new(&d->trust) : -ENOMEM;
	if (r == 0)
		return d;
	snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	free(d);
	return NULL;
}

struct eim_link *app_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	struct esipa_https o = { .interface = s->ipa_interface[0] ? s->ipa_interface : NULL };
	struct dialled *d = begin(e->fqdn, &o.place, why);

	if (!d)
		return NULL;
	if ((e->tls_kind != ES10B_KEY_NONE ? pin(d->trust, e, why) :
					     believe_authorities(d->trust, s, why)) == 0)
		return wrap(d, &o, why);
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
		.interface = s->ipa_interface[0] ? s->ipa_interface : NULL,
		.path = "/gsma/rsp2/es9plus", .content_type = "application/json",
		.admin_protocol = "gsma/rsp/v2.2.2",
	};
	struct dialled *d = begin(address, &o.place, why);

	if (!d)
		return NULL;
	if (believe_authorities(d->trust, s, why) == 0)
		return wrap(d, &o, why);
	on_free(&d->link);
	return NULL;
}
