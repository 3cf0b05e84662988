/*
 * May this profile be installed? Its policy rules against those that the card allows (GSMA SGP.22
 * 2.9.2, 2.9.3), whether it is there already, and whether the package holds what was promised.
 */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "ipa/download.h"

static bool read_metadata(const struct ipa_octets *o, struct es10c_profile *ret)
{
	return o->n && es10c_metadata_decode(octets_from(o->p, o->n), ret) == 0;
}

bool ipa_download_needs_rules(const struct ipa_download *d)
{
	struct es10c_profile p;

	return read_metadata(&d->metadata, &p) && p.pprs & (ES10_PPR1 | ES10_PPR2);
}

static void refuse(struct ipa_download *d, int reason, const char *words)
{
	ipa_download_fail(d, reason, (struct cause){ CAUSE_REFUSED, "us", reason, NULL }, "%s", words);
}

static bool has_operational(const struct ipa *i)
{
	for (size_t k = 0; k < i->facts.n_profiles; k++)
		if (i->facts.profiles[k].class == ES10C_OPERATIONAL)
			return true;
	return false;
}

/*
 * A rule that asks for the user's consent is taken for consented: nobody is there to be asked, and
 * whoever put the eIM on the card is the user (inferred).
 */
static bool is_covered(const struct ipa *i, const struct es10c_profile *p, uint32_t ppr)
{
	struct es10b_operator owner = { p->owner_plmn, p->owner_gid1, p->owner_gid2 };
	bool consent;

	return euicc_facts_have(&i->facts, FACT_RAT) &&
	       es10b_rat_allows(i->facts.rat, ppr, owner, &consent);
}

static void check_rules(struct ipa_download *d, const struct es10c_profile *p)
{
	static const uint32_t rules[] = { ES10_PPR1, ES10_PPR2 };

	if (!(p->pprs & (ES10_PPR1 | ES10_PPR2)))
		return;
	if (!p->owner_plmn.n) {
		refuse(d, ES10B_PPR_NOT_ALLOWED, "the profile has policy rules and no owner");
		return;
	}
	if (p->pprs & ES10_PPR1 && has_operational(d->ipa)) {
		refuse(d, ES10B_PPR_NOT_ALLOWED, "the profile may not be disabled once enabled (PPR1), and "
		       "there is another operational profile");
		return;
	}
	for (size_t k = 0; k < ARRAY_SIZE(rules); k++)
		if (p->pprs & rules[k] && !is_covered(d->ipa, p, rules[k]))
			refuse(d, ES10B_PPR_NOT_ALLOWED, rules[k] == ES10_PPR1 ?
			       "the card does not allow this owner the rule 'no disabling' (PPR1)" :
			       "the card does not allow this owner the rule 'no deletion' (PPR2)");
}

static void check_presence(struct ipa_download *d, const struct es10c_profile *p)
{
	const struct euicc_facts *f = &d->ipa->facts;
	char why[64];

	for (size_t k = 0; euicc_facts_have(f, FACT_PROFILES) && k < f->n_profiles; k++) {
		if (!octets_same(f->profiles[k].iccid, p->iccid))
			continue;
		snprintf(why, sizeof(why), "profile %s is on the card already", d->iccid);
		refuse(d, ES10B_CANCEL_UNDEFINED, why);
	}
}

/*
 * The OID in the activation code is that of the server, which stands in the subjectAltName of its
 * certificate: registeredID, [8] with the OID's octets (SGP.22 4.1, 4.5.2.1). The certificate itself is
 * the card's to verify, so that its octets are looked at as they are.
 */
static int oid_octets(const char *dotted, uint8_t *dst, size_t cap, size_t *ret_n)
{
	struct text rest = text_of(dotted);
	uint32_t first = 0, arc;
	size_t n = 0;

	for (unsigned k = 0; rest.n; k++) {
		if (text_to_u32(text_cut(&rest, '.'), 10, &arc) < 0 || (k == 0 && arc > 2) ||
		    (k == 1 && arc > (first < 2 ? 39 : UINT32_MAX - 80)))
			return -1;
		if (k == 0) {
			first = arc;
			continue;
		}
		arc += k == 1 ? 40 * first : 0;
		for (int shift = 28; shift >= 0; shift -= 7) {
			if (shift && arc >> shift == 0)
				continue;
			if (n == cap)
				return -1;
			dst[n++] = (uint8_t)((arc >> shift & 0x7f) | (shift ? 0x80 : 0));
		}
	}
	*ret_n = n;
	return n ? 0 : -1;
}

void ipa_download_check_oid(struct ipa_download *d)
{
	struct octets cert = d->initiated.certificate;
	uint8_t san[66] = { 0x88 };
	size_t n;

	if (!d->oid[0])
		return;
	if (oid_octets(d->oid, san + 2, sizeof(san) - 2, &n) == 0) {
		san[1] = (uint8_t)n;
		if (memmem(cert.p, cert.n, san, n + 2))
			return;
	}
	ipa_download_fail(d, ES10B_CANCEL_UNDEFINED, (struct cause){ CAUSE_REFUSED, "us", -1, NULL },
			  "the server is not the one with OID %s that the activation code names", d->oid);
}

void ipa_download_check(struct ipa_download *d)
{
	struct es10c_profile p;
	char shown[80];

	/* The eIM has looked at it instead (eimProfileMetadataVerification). */
	if (d->indirect && !d->metadata.n)
		return;
	if (!read_metadata(&d->metadata, &p)) {
		refuse(d, ES10B_CANCEL_UNDEFINED, "the server's profile metadata cannot be read");
		return;
	}
	if (es10_iccid_text(p.iccid, d->iccid) < 0)
		d->iccid[0] = '\0';
	if (text_copy(octets_text(p.name), d->name, sizeof(d->name)) < 0)
		d->name[0] = '\0';
	text_escape(p.name.p, p.name.n, shown, sizeof(shown));
	log_info("ipa", "download: profile %s '%s'", d->iccid, shown);
	check_presence(d, &p);
	check_rules(d, &p);
}

void ipa_download_compare(struct ipa_download *d)
{
	struct es10c_profile promised, given;

	if (!read_metadata(&d->metadata, &promised))
		return;
	if (!read_metadata(&d->shown, &given))
		return;         /* not readable: the card will judge */
	if (octets_same(promised.iccid, given.iccid) && octets_same(promised.name, given.name) &&
	    octets_same(promised.provider, given.provider) && promised.pprs == given.pprs &&
	    promised.class == given.class && octets_same(promised.owner_plmn, given.owner_plmn))
		return;
	refuse(d, ES10B_METADATA_MISMATCH, "the package holds another profile than the server had announced");
}
