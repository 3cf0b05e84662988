/* What is to be downloaded from where: triggers (GSMA SGP.32 2.11.1.3), activation codes, events. */
#include "ipa/download.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * An eIM whose trigger has no data, or who offers it where the IPA cannot go to the SM-DP+ by itself,
 * speaks to it in our place.
 */
static bool choose_indirect(const struct ipa *i, const struct ipa_eim *e, bool given)
{
	switch (i->o.route) {
	case IPA_ROUTE_DIRECT:
		return !given;
	case IPA_ROUTE_INDIRECT:
		return true;
	case IPA_ROUTE_AUTO:
		break;
	}
	return !given || (e->indirect && !(i->o.features & ESIPA_IPA_DIRECT));
}

static void set_text(char *dst, size_t cap, struct octets from)
{
	if (text_copy(octets_text(from), dst, cap) < 0)
		dst[0] = '\0';
}

/* An address that the card has: false, and the download has failed, where it has none. */
static bool take_card_address(struct ipa_download *d, bool smds)
{
	const struct ipa *i = d->ipa;
	bool have = euicc_facts_have(&i->facts, FACT_ADDRESSES);
	struct octets address = { 0 };

	if (have)
		address = smds ? i->facts.addresses.root_ds : i->facts.addresses.default_dp;
	set_text(d->address, sizeof(d->address), address);
	d->given = d->address[0];
	d->smds = smds;
	if (!d->given)
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "card", -1, NULL },
				  "the card has no %s address", smds ? "root SM-DS" : "default SM-DP+");
	return d->given;
}

static int take_code(struct ipa_download *d, const char *text, const char **ret_why)
{
	struct es9p_code code;
	int r = es9p_code_parse(text_of(text), &code, ret_why);

	if (r < 0)
		return r;
	strcpy(d->address, code.address);
	strcpy(d->matching, code.token);
	strcpy(d->oid, code.oid);
	d->given = true;
	d->smds = false;
	return 0;
}

int ipa_download_take_code(struct ipa_download *d, const char *code, char why[IPA_TEXT_MAX])
{
	const char *expected;

	if (!code[0]) {
		if (take_card_address(d, false))
			return 0;
		snprintf(why, IPA_TEXT_MAX, "%s", d->text);
		return -EINVAL;
	}
	if (take_code(d, code, &expected) < 0) {
		snprintf(why, IPA_TEXT_MAX, "activation code: %s", expected);
		return -EINVAL;
	}
	return 0;
}

static int take_kind(struct ipa_download *d, const struct esipa_trigger *t)
{
	char code[ES9P_CODE_MAX];
	const char *why;

	switch (t->kind) {
	case ESIPA_TRIGGER_ACTIVATION_CODE:
		if (text_copy(octets_text(t->activation_code), code, sizeof(code)) < 0)
			return -EBADMSG;
		return take_code(d, code, &why) < 0 ? -EBADMSG : 0;
	case ESIPA_TRIGGER_DEFAULT_SMDP:
		take_card_address(d, false);
		return 0;
	case ESIPA_TRIGGER_SMDS:
		if (!t->smds_address.n) {
			take_card_address(d, true);
			return 0;
		}
		set_text(d->address, sizeof(d->address), t->smds_address);
		d->given = d->smds = true;
		return d->address[0] ? 0 : -EBADMSG;
	case ESIPA_TRIGGER_EIM:
		d->given = d->smds = false;
		return 0;
	case _ESIPA_TRIGGER_KIND_MAX:
		break;
	}
	return -EBADMSG;
}

int ipa_download_take_trigger(struct ipa_download *d, struct octets bf54)
{
	struct esipa_trigger t;
	int r = esipa_trigger_decode(bf54, &t);

	if (r < 0)
		return r;
	if (t.transaction_id.n <= sizeof(d->eim_transaction) && t.transaction_id.n) {
		memcpy(d->eim_transaction, t.transaction_id.p, t.transaction_id.n);
		d->eim_transaction_n = t.transaction_id.n;
	}
	d->address[0] = d->matching[0] = d->oid[0] = '\0';
	r = take_kind(d, &t);
	if (r < 0)
		return r;
	d->indirect = choose_indirect(d->ipa, d->eim, d->given);
	if (!d->indirect && !(d->ipa->o.features & ESIPA_IPA_DIRECT))
		ipa_download_fail(d, -1, (struct cause){ CAUSE_REFUSED, "config", -1, NULL },
				  "direct downloads need authorities ([ipa] ca), and the eIM offers no "
				  "indirect ones");
	return 0;
}

/* The next of the servers that an SM-DS has named; false: there is none. */
bool ipa_download_take_event(struct ipa_download *d)
{
	const struct es9p_event *e = &d->events.list[d->next_event];

	if (d->next_event >= d->events.n)
		return false;
	d->next_event++;
	ipa_server_hang_up(d);
	strcpy(d->address, e->address);
	strcpy(d->matching, e->id);
	d->oid[0] = '\0';
	d->smds = false;
	return true;
}
