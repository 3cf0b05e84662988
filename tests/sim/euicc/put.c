/* Profiles that a card is made with: from words to the fields of the state. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "sim/euicc/euicc.h"
#include "sim/euicc/profile.h"

static int __printf(2, 3) refuse(char why[EUICC_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, EUICC_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* --- reading ---------------------------------------------------------------------------------- */

enum kind {
	WORD,
	NUMBER,
	FLAG,
	CLASS,
};

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
} keys[] = {
#define KEY(name, kind, member) { name, kind, offsetof(struct euicc_profile, member) }
	KEY("iccid", WORD, iccid),
	KEY("imsi", WORD, imsi),
	KEY("name", WORD, name),
	KEY("provider", WORD, provider),
	KEY("nickname", WORD, nickname),
	KEY("spn", WORD, spn),
	KEY("notify", WORD, notify),
	KEY("pin", WORD, pin),
	KEY("apn", WORD, apn),
	KEY("owner", WORD, owner),
	KEY("smdp-oid", WORD, smdp_oid),
	KEY("class", CLASS, class),
	KEY("mnc-digits", NUMBER, mnc_digits),
	KEY("ppr", NUMBER, ppr),
	KEY("size", NUMBER, size),
	KEY("enabled", FLAG, enabled),
	KEY("fallback-allowed", FLAG, fallback_allowed),
	KEY("fallback", FLAG, fallback),
	KEY("ecall", FLAG, ecall),
#undef KEY
};

static const char *const classes[] = {
	[VE_CLASS_TEST] = "test",
	[VE_CLASS_PROVISIONING] = "provisioning",
	[VE_CLASS_OPERATIONAL] = "operational",
};

static bool read_class(struct text value, unsigned *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		if (text_eq(value, classes[i])) {
			*ret = i;
			return true;
		}
	return false;
}

static bool read_flag(struct text value, bool *ret)
{
	*ret = !value.n || text_eq(value, "yes") || text_eq(value, "1");
	return *ret || text_eq(value, "no") || text_eq(value, "0");
}

static bool read_value(enum kind kind, struct text value, void *dst)
{
	uint32_t n;

	switch (kind) {
	case WORD:
		*(struct text *)dst = value;
		return true;
	case NUMBER:
		if (text_to_u32(value, 10, &n))
			return false;
		*(unsigned *)dst = n;
		return true;
	case FLAG:
		return read_flag(value, dst);
	case CLASS:
		return read_class(value, dst);
	}
	return false;
}

static int read_key(struct text name, struct text value, struct euicc_profile *p,
		    char why[EUICC_WHY_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!text_eq(name, keys[i].name))
			continue;
		if (!read_value(keys[i].kind, value, (char *)p + keys[i].at))
			return refuse(why, "profile: %s=" TEXT_FMT " is not understood",
				      keys[i].name, TEXT_ARG(value));
		return 0;
	}
	return refuse(why, "profile: no key \"" TEXT_FMT "\"", TEXT_ARG(name));
}

/* One assignment up to a comma or the end of the line; quotes are not needed and not known. */
static struct text next_word(struct text *rest)
{
	size_t comma = text_find(*rest, ','), line = text_find(*rest, '\n');
	size_t n = MIN(comma, line);
	struct text word = text_from(rest->s, n);

	*rest = text_skip(*rest, n + 1);
	return text_trim(word);
}

int euicc_profile_parse(struct text spec, struct euicc_profile *ret, char why[EUICC_WHY_MAX])
{
	struct euicc_profile p = { .class = VE_CLASS_OPERATIONAL };

	while (spec.n) {
		struct text word = next_word(&spec), name;
		int r;

		if (!word.n || word.s[0] == '#')
			continue;
		name = text_cut(&word, '=');
		r = read_key(text_trim(name), text_trim(word), &p, why);
		if (r)
			return r;
	}
	if (!p.iccid.n)
		return refuse(why, "profile: no iccid");
	*ret = p;
	return 0;
}

/* --- putting ---------------------------------------------------------------------------------- */

/* Digits in the order of the file: nibbles swapped, filled up with F. */
static void swap_digits(struct text digits, uint8_t *dst, size_t n)
{
	memset(dst, 0xff, n);
	for (size_t i = 0; i < digits.n && i < 2 * n; i++) {
		uint8_t d = digits.s[i] - '0';

		if (i % 2)
			dst[i / 2] = (dst[i / 2] & 0x0f) | d << 4;
		else
			dst[i / 2] = (dst[i / 2] & 0xf0) | d;
	}
}

/* TS 31.102 4.2.2: length, parity, then the digits. */
static void put_imsi(struct blob *dst, struct text imsi)
{
	char shifted[17];
	uint8_t raw[9] = { 8 };

	shifted[0] = imsi.n % 2 ? '9' : '1';
	memcpy(shifted + 1, imsi.s, imsi.n);
	swap_digits(text_from(shifted, imsi.n + 1), raw + 1, 8);
	raw[0] = (imsi.n + 2) / 2;
	blob_set(dst, raw, sizeof(raw));
}

static void put_spn(struct blob *dst, struct text name)
{
	uint8_t raw[17];

	memset(raw, 0xff, sizeof(raw));
	raw[0] = 0;
	memcpy(raw + 1, name.s, MIN(name.n, 16u));
	blob_set(dst, raw, sizeof(raw));
}

static void put_owner(struct blob *dst, struct text owner)
{
	char digits[6];
	uint8_t raw[3];
	uint8_t body[8];
	struct tlv_out w = { body, sizeof(body) };

	/* MCC 1-3, then the third digit of the MNC or F, then the first two of it. */
	memcpy(digits, owner.s, 3);
	memcpy(digits + 4, owner.s + 3, 2);
	digits[3] = owner.n == 6 ? owner.s[5] : '0';
	swap_digits(text_from(digits, 6), raw, sizeof(raw));
	if (owner.n == 5)
		raw[1] |= 0xf0;
	tlv_put(&w, 0x80, raw, sizeof(raw));
	blob_set(dst, body, w.len);
}

/* All four events to one address. */
static void put_notify(struct blob *dst, struct text host)
{
	static const uint8_t all[] = { 0x04, 0xf0 };
	uint8_t body[300];
	struct tlv_out w = { body, sizeof(body) };
	struct tlv_mark m = tlv_begin(&w, 0x30);

	tlv_put(&w, 0x80, all, sizeof(all));
	tlv_put(&w, 0x81, host.s, host.n);
	tlv_close(&w, m);
	blob_set(dst, body, w.len);
}

/* TS 102 223: network access name, labels with their lengths. */
static void put_apn(struct blob *dst, struct text apn)
{
	uint8_t labels[128], body[140];
	struct tlv_out w = { body, sizeof(body) };
	size_t n = 0;

	while (apn.n && n + apn.n + 1 <= sizeof(labels)) {
		struct text label = text_cut(&apn, '.');

		labels[n++] = label.n;
		memcpy(labels + n, label.s, label.n);
		n += label.n;
	}
	tlv_put(&w, 0x47, labels, n);
	blob_set(dst, body, w.len);
}

static void put_pin(struct ve_profile *dst, struct text pin)
{
	uint8_t raw[8];

	memset(raw, 0xff, sizeof(raw));
	memcpy(raw, pin.s, MIN(pin.n, sizeof(raw)));
	blob_set(&dst->field[VE_PIN], raw, sizeof(raw));
	dst->pin_enabled = 1;
	dst->pin_tries = 3;
}

static void put_word(struct blob *dst, struct text t)
{
	if (t.n)
		blob_set(dst, t.s, t.n);
}

static void put_yes(struct blob *dst, bool yes)
{
	static const uint8_t true_octet = 0xff;

	if (yes)
		blob_set(dst, &true_octet, 1);
}

static int judge(const struct euicc_profile *p, char why[EUICC_WHY_MAX])
{
	if (!text_all_digits(p->iccid) || p->iccid.n < 18 || p->iccid.n > 20)
		return refuse(why, "profile: an ICCID has 18 to 20 digits");
	if (p->imsi.n && (!text_all_digits(p->imsi) || p->imsi.n < 6 || p->imsi.n > 15))
		return refuse(why, "profile: an IMSI has 6 to 15 digits");
	if (p->name.n > 64 || p->nickname.n > 64 || p->provider.n > 32 || p->spn.n > 16)
		return refuse(why, "profile: a name is too long");
	if (p->notify.n > 255 || p->apn.n > 100)
		return refuse(why, "profile: an address is too long");
	if (p->pin.n && (!text_all_digits(p->pin) || p->pin.n < 4 || p->pin.n > 8))
		return refuse(why, "profile: a PIN has 4 to 8 digits");
	if (p->owner.n &&
	    (!text_all_digits(p->owner) || p->owner.n < 5 || p->owner.n > 6))
		return refuse(why, "profile: the owner is MCC and MNC, 5 or 6 digits");
	if (p->mnc_digits && p->mnc_digits != 2 && p->mnc_digits != 3)
		return refuse(why, "profile: an MNC has 2 or 3 digits");
	if (p->ppr > 3 || p->class > VE_CLASS_OPERATIONAL)
		return refuse(why, "profile: ppr is 0 to 3");
	return 0;
}

static void fill(struct ve_profile *dst, const struct euicc_profile *p)
{
	const uint8_t class = p->class, ad[] = { 0, 0, 0, p->mnc_digits ? p->mnc_digits : 2 };
	const uint8_t rules[] = {
		p->ppr & 2 ? 5 : 6,
		(p->ppr & 1 ? VE_PPR1_NO_DISABLE : 0) | (p->ppr & 2 ? VE_PPR2_NO_DELETE : 0),
	};

	put_word(&dst->field[VE_NICKNAME], p->nickname);
	put_word(&dst->field[VE_PROVIDER], p->provider);
	put_word(&dst->field[VE_NAME], p->name);
	blob_set(&dst->field[VE_CLASS], &class, 1);
	blob_set(&dst->field[VE_AD], ad, sizeof(ad));
	if (p->imsi.n)
		put_imsi(&dst->field[VE_IMSI], p->imsi);
	if (p->spn.n || p->provider.n)
		put_spn(&dst->field[VE_SPN], p->spn.n ? p->spn : p->provider);
	if (p->notify.n)
		put_notify(&dst->field[VE_NOTIFICATIONS], p->notify);
	if (p->owner.n)
		put_owner(&dst->field[VE_OWNER], p->owner);
	if (p->apn.n)
		put_apn(&dst->field[VE_CONNECTIVITY], p->apn);
	if (p->pin.n)
		put_pin(dst, p->pin);
	if (p->ppr)
		blob_set(&dst->field[VE_PPR], rules, sizeof(rules));
	put_yes(&dst->field[VE_FALLBACK_ALLOWED], p->fallback_allowed);
	put_yes(&dst->field[VE_FALLBACK], p->fallback);
	put_yes(&dst->field[VE_ECALL], p->ecall);
	dst->size = p->size ? p->size : 20000;
	dst->preloaded = 1;
}

int euicc_profile_put(struct ve_state *s, const struct euicc_profile *p, char why[EUICC_WHY_MAX])
{
	struct ve_profile *dst, *enabled = ve_profile_enabled(s);
	uint8_t iccid[VE_ICCID_LEN], aid[VE_AID_LEN], oid[32];
	size_t n = 0;
	int r = judge(p, why);

	if (r)
		return r;
	if (p->smdp_oid.n && hex_decode(p->smdp_oid, oid, sizeof(oid), &n))
		return refuse(why, "profile: smdp-oid is not hexadecimal");
	swap_digits(p->iccid, iccid, sizeof(iccid));
	if (ve_profile_find(s, VE_ICCID, octets_from(iccid, sizeof(iccid)))) {
		refuse(why, "profile: ICCID " TEXT_FMT " is there already", TEXT_ARG(p->iccid));
		return -EEXIST;
	}
	if (p->enabled && enabled)
		return refuse(why, "profile: another one is enabled");
	dst = ve_profile_add(s);
	if (!dst) {
		refuse(why, "profile: the card is full");
		return -ENOSPC;
	}
	ve_isdp_next(s, aid);
	blob_set(&dst->field[VE_ICCID], iccid, sizeof(iccid));
	blob_set(&dst->field[VE_AID], aid, sizeof(aid));
	blob_set(&dst->field[VE_SMDP_OID], oid, n);
	put_word(&dst->field[VE_SMDP_ADDRESS], p->notify);
	fill(dst, p);
	dst->enabled = p->enabled;
	s->dirty = true;
	return 0;
}
