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
		snprintf(why, IPA_TEXT_MAX, "it pins no key, and no authorities are configured ([ipa] ca)");
		return -ENOKEY;
	}
	r = trust_add_path(t, s->ipa_ca, &n, reason);
	if (r < 0)
		snprintf(why, IPA_TEXT_MAX, "[ipa] ca = %.60s: %.90s", s->ipa_ca,
			 reason[0] ? reason : strerror(-r));
	return r;
}

struct eim_link *app_dial(struct ipa *i, const struct ipa_eim *e, char why[IPA_TEXT_MAX])
{
	const struct settings *s = &container_of(i, struct app, ipa)->settings;
	struct esipa_https o = { .interface = s->ipa_interface[0] ? s->ipa_interface : NULL };
	struct dialled *d;
	int r = net_place_parse(text_of(e->fqdn), HTTPS_PORT, &o.place);

	if (r < 0) {
		snprintf(why, IPA_TEXT_MAX, "'%.100s' is no address", e->fqdn);
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	r = d ? trust_new(&d->trust) : -ENOMEM;
	if (r < 0) {
		snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
		free(d);
		return NULL;
	}
	d->link.ops = &ops;
	r = e->tls_kind != ES10B_KEY_NONE ? pin(d->trust, e, why) : believe_authorities(d->trust, s, why);
	if (r == 0) {
		o.trust = d->trust;
		r = esipa_https_new(&o, &d->https);
		if (r < 0)
			snprintf(why, IPA_TEXT_MAX, "%s", strerror(-r));
	}
	if (r == 0)
		return &d->link;
	on_free(&d->link);
	return NULL;
}
