#include "sim/euicc/pki.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"

/* --- reading ---------------------------------------------------------------------------------- */

static bool is(struct octets o, const char *oid, size_t n)
{
	return octets_same(o, octets_from(oid, n));
}
/* A literal of octets, its NUL left off. */
#define IS(o, lit) is(o, lit, sizeof(lit) - 1)

#define ID_EC_PUBLIC_KEY     "\x2a\x86\x48\xce\x3d\x02\x01"
#define ID_ECDSA_SHA256      "\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define ID_P256              "\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define ID_BP256             "\x2b\x24\x03\x03\x02\x08\x01\x01\x07"
#define ID_ORGANISATION      "\x55\x04\x0a"
#define ID_SERIAL            "\x55\x04\x05"
#define ID_SKI               "\x55\x1d\x0e"
#define ID_USAGE             "\x55\x1d\x0f"
#define ID_ALT_NAME          "\x55\x1d\x11"
#define ID_BASIC             "\x55\x1d\x13"
#define ID_NAMES             "\x55\x1d\x1e"
#define ID_CRL_POINTS        "\x55\x1d\x1f"
#define ID_POLICIES          "\x55\x1d\x20"
#define ID_AKI               "\x55\x1d\x23"
#define ID_EXT_USAGE         "\x55\x1d\x25"
#define ID_ROLES             "\x67\x81\x12\x01\x02\x01"

static void read_spki(struct tlv *spki, struct ve_cert *c)
{
	struct tlv alg = tlv_enter(spki, 0x30);
	bool ec = IS(tlv_take(&alg, 0x06), ID_EC_PUBLIC_KEY);
	struct octets curve = ec ? tlv_take(&alg, 0x06) : octets_from(NULL, 0);
	struct octets bits = tlv_take(spki, 0x03);

	if (IS(curve, ID_P256) || IS(curve, ID_BP256)) {
		c->curve = IS(curve, ID_P256) ? VE_CURVE_P256 : VE_CURVE_BP256;
		c->curve_known = true;
	}
	if (bits.n > 1 && !bits.p[0])
		c->point = octets_from(bits.p + 1, bits.n - 1);
}

/* time_t may be of 32 bits, and eUICCs are valid for thousands of years. n: year to second. */
static int64_t seconds_of(const int n[6])
{
	int64_t y = n[1] > 2 ? n[0] : n[0] - 1, m = (n[1] + 9) % 12;
	int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + n[2] - 1 - 719468;

	return ((days * 24 + n[3]) * 60 + n[4]) * 60 + n[5];
}

/* UTCTime or GeneralizedTime, both to the second and in UTC; 0: it is neither. */
static int64_t read_time(struct tlv *w)
{
	uint32_t tag = tlv_peek(w);
	struct octets v = tlv_take(w, tag);
	size_t year = tag == 0x18 ? 4 : 2;
	int n[6] = { 0 };

	if ((tag != 0x17 && tag != 0x18) || v.n != year + 11 || v.p[v.n - 1] != 'Z')
		goto bad;
	for (size_t i = 0; i + 1 < v.n; i++) {
		size_t part = i < year ? 0 : (i - year) / 2 + 1;

		if (v.p[i] < '0' || v.p[i] > '9')
			goto bad;
		n[part] = n[part] * 10 + v.p[i] - '0';
	}
	if (year == 2)
		n[0] += n[0] < 50 ? 2000 : 1900;
	return seconds_of(n);
bad:
	tlv_blame(w, TLV_BAD_VALUE, tag);
	return 0;
}

/* Organisation and serialNumber of a Name: the value of its SEQUENCE. */
static void read_name(struct tlv name, struct octets *ret_organisation, struct octets *ret_serial)
{
	while (tlv_more(&name)) {
		struct tlv rdn = tlv_enter(&name, 0x31);

		while (tlv_more(&rdn)) {
			struct tlv one = tlv_enter(&rdn, 0x30);
			struct octets type = tlv_take(&one, 0x06);
			struct octets value = tlv_take(&one, tlv_peek(&one));

			if (IS(type, ID_ORGANISATION))
				*ret_organisation = value;
			else if (IS(type, ID_SERIAL))
				*ret_serial = value;
		}
	}
}

/* Roles of version 2 are .0 to .7, each with its arc in version 3. */
static void add_role(struct octets policy, struct ve_cert *c)
{
	static const struct {
		const char *arc;
		size_t n;
		enum ve_role role;
	} rows[] = {
		{ "\x00", 1, VE_ROLE_CI },
		{ "\x01", 1, VE_ROLE_EUICC },
		{ "\x02", 1, VE_ROLE_EUM },
		{ "\x03", 1, VE_ROLE_DP_TLS },
		{ "\x04", 1, VE_ROLE_DP_AUTH },
		{ "\x05", 1, VE_ROLE_DP_PB },
		{ "\x06", 1, VE_ROLE_DS_TLS },
		{ "\x07", 1, VE_ROLE_DS_AUTH },
		{ "\x00\x00\x00\x00\x00", 5, VE_ROLE_EUICC },
		{ "\x00\x00\x00", 3, VE_ROLE_EUM },
		{ "\x00\x00\x01\x00", 4, VE_ROLE_DP_TLS },
		{ "\x00\x00\x01\x01", 4, VE_ROLE_DP_AUTH },
		{ "\x00\x00\x01\x02", 4, VE_ROLE_DP_PB },
		{ "\x00\x00\x02\x00", 4, VE_ROLE_DS_TLS },
		{ "\x00\x00\x02\x01", 4, VE_ROLE_DS_AUTH },
	};
	const size_t prefix = sizeof(ID_ROLES) - 1;

	if (policy.n <= prefix || !IS(octets_from(policy.p, prefix), ID_ROLES))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is(octets_from(policy.p + prefix, policy.n - prefix), rows[i].arc, rows[i].n))
			c->roles |= 1u << rows[i].role;
}

static void read_policies(struct tlv *w, struct ve_cert *c)
{
	struct tlv list = tlv_enter(w, 0x30);

	while (tlv_more(&list)) {
		struct tlv one = tlv_enter(&list, 0x30);

		add_role(tlv_take(&one, 0x06), c);
	}
}

static void read_usage(struct tlv *w, struct ve_cert *c)
{
	struct octets bits = tlv_take(w, 0x03);

	if (bits.n > 1)
		c->usage = bits.p[1];
}

static void read_basic(struct tlv *w, struct ve_cert *c)
{
	struct tlv body = tlv_enter(w, 0x30);
	struct octets ca = tlv_maybe(&body, 0x01);

	c->ca = ca.n == 1 && ca.p[0];
	c->path = tlv_maybe_u32(&body, 0x02, UINT32_MAX);
}

static void read_ski(struct tlv *w, struct ve_cert *c)
{
	struct octets id = tlv_take(w, 0x04);

	if (id.n == VE_KEY_ID_LEN)
		memcpy(c->ski, id.p, VE_KEY_ID_LEN);
}

static void read_aki(struct tlv *w, struct ve_cert *c)
{
	struct tlv body = tlv_enter(w, 0x30);

	c->aki = tlv_maybe(&body, 0x80);
}

static void read_alt_name(struct tlv *w, struct ve_cert *c)
{
	struct tlv list = tlv_enter(w, 0x30);

	while (tlv_more(&list)) {
		uint32_t tag = tlv_peek(&list);
		struct octets value = tlv_take(&list, tag);

		if (tag == 0x88)
			c->oid = value;
	}
}

/* One permitted directoryName is what an EUM's certificate has. */
static void read_names(struct tlv *w, struct ve_cert *c)
{
	struct tlv body = tlv_enter(w, 0x30);
	struct tlv permitted = tlv_enter(&body, 0xa0);
	struct tlv subtree = tlv_enter(&permitted, 0x30);
	struct tlv directory = tlv_enter(&subtree, 0xa4);

	read_name(tlv_enter(&directory, 0x30), &c->only_organisation, &c->only_serial);
}

/* Known but of no consequence here: where lists of revoked certificates are, what TLS may do. */
static void read_nothing(struct tlv *w, struct ve_cert *c)
{
	(void)c;
	tlv_skip(w);
}

static void read_extension(struct tlv ext, struct ve_cert *c)
{
	static const struct {
		const char *id;
		void (*read)(struct tlv *w, struct ve_cert *c);
	} rows[] = {
		{ ID_SKI, read_ski },       { ID_USAGE, read_usage },
		{ ID_ALT_NAME, read_alt_name }, { ID_BASIC, read_basic },
		{ ID_NAMES, read_names },   { ID_CRL_POINTS, read_nothing },
		{ ID_POLICIES, read_policies }, { ID_AKI, read_aki },
		{ ID_EXT_USAGE, read_nothing },
	};
	struct octets id = tlv_take(&ext, 0x06);
	struct octets critical = tlv_maybe(&ext, 0x01);
	struct octets value = tlv_take(&ext, 0x04);
	struct tlv w = { ext.doc, value.p, value.n };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is(id, rows[i].id, 3)) {
			rows[i].read(&w, c);
			return;
		}
	if (critical.n == 1 && critical.p[0])
		c->unknown_critical = true;
}

/* One of the two numbers of a signature, to 32 octets. */
static void read_half(struct tlv *w, uint8_t ret[32])
{
	struct octets v = tlv_take(w, 0x02);

	while (v.n && !v.p[0]) {
		v.p++;
		v.n--;
	}
	if (v.n > 32) {
		tlv_blame(w, TLV_BAD_VALUE, 0x02);
		return;
	}
	memset(ret, 0, 32 - v.n);
	if (v.n)
		memcpy(ret + 32 - v.n, v.p, v.n);
}

static void read_signature(struct tlv *w, struct ve_cert *c)
{
	struct octets bits = tlv_take(w, 0x03);
	struct tlv inner, pair;

	if (!bits.n || bits.p[0]) {
		tlv_blame(w, TLV_BAD_VALUE, 0x03);
		return;
	}
	inner = (struct tlv){ w->doc, bits.p + 1, bits.n - 1 };
	pair = tlv_enter(&inner, 0x30);
	read_half(&pair, c->signature);
	read_half(&pair, c->signature + 32);
	tlv_end(&pair);
	tlv_end(&inner);
}

static struct octets take_name(struct tlv *w)
{
	uint32_t tag;

	if (tlv_peek(w) != 0x30) {
		tlv_blame(w, TLV_UNEXPECTED, tlv_peek(w));
		return octets_from(NULL, 0);
	}
	return tlv_take_whole(w, &tag);
}

/* TBSCertificate, RFC 5280 4.1 */
static void read_tbs(struct tlv w, struct ve_cert *c)
{
	struct tlv time, spki, extensions, list, name;
	bool there;

	tlv_maybe(&w, 0xa0);
	tlv_take(&w, 0x02);
	tlv_take(&w, 0x30);
	c->issuer = take_name(&w);
	time = tlv_enter(&w, 0x30);
	c->not_before = read_time(&time);
	c->not_after = read_time(&time);
	c->subject = take_name(&w);
	name = (struct tlv){ w.doc, c->subject.p, c->subject.n };
	read_name(tlv_enter(&name, 0x30), &c->organisation, &c->serial);
	spki = tlv_enter(&w, 0x30);
	read_spki(&spki, c);
	ve_point_id(c->point, c->ski);
	extensions = tlv_enter_maybe(&w, 0xa3, &there);
	if (!there)
		return;
	list = tlv_enter(&extensions, 0x30);
	while (tlv_more(&list))
		read_extension(tlv_enter(&list, 0x30), c);
}

int ve_cert_read(struct octets der, struct ve_cert *ret)
{
	struct ve_cert c = { .path = UINT32_MAX };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, der), mark = top, body, alg, again;
	uint32_t tag;

	body = tlv_enter(&top, 0x30);
	if (doc.fault)
		return -EBADMSG;
	c.whole = tlv_take_whole(&mark, &tag);
	again = body;
	c.tbs = tlv_take_whole(&again, &tag);
	read_tbs(tlv_enter(&body, 0x30), &c);
	alg = tlv_enter(&body, 0x30);
	if (!IS(tlv_take(&alg, 0x06), ID_ECDSA_SHA256))
		tlv_blame(&alg, TLV_BAD_VALUE, 0x06);
	read_signature(&body, &c);
	tlv_end(&body);
	if (doc.fault)
		return -EBADMSG;
	*ret = c;
	return 0;
}

int ve_spki_read(struct octets spki, enum ve_curve *ret_curve, struct octets *ret_point)
{
	struct ve_cert c = { 0 };
	struct tlv_doc doc;
	struct tlv top = tlv_open(&doc, spki), body = tlv_enter(&top, 0x30);

	read_spki(&body, &c);
	tlv_end(&body);
	tlv_end(&top);
	if (doc.fault || !c.curve_known || c.point.n != VE_POINT_LEN)
		return -EBADMSG;
	*ret_curve = c.curve;
	*ret_point = c.point;
	return 0;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* By key where the certificate names a key: two roots of one key may differ in name. */
static bool issued_by(const struct ve_cert *c, const struct ve_cert *issuer)
{
	if (c->aki.n)
		return octets_same(c->aki, octets_from(issuer->ski, VE_KEY_ID_LEN));
	return octets_same(c->issuer, issuer->subject);
}

/* CAs sign certificates, everybody else signs messages: SGP.14. */
static bool usage_fits(const struct ve_cert *c, enum ve_role role)
{
	bool ca = role == VE_ROLE_CI || role == VE_ROLE_EUM;

	if (ca != c->ca || !(c->usage & (ca ? VE_USAGE_CERT_SIGN : VE_USAGE_SIGN)))
		return false;
	return role != VE_ROLE_EUM || !c->path;
}

enum ve_cert_end ve_cert_check(const struct ve_cert *c, const struct ve_cert *issuer,
			       enum ve_role role, int64_t now)
{
	if (!c->curve_known || !issuer->curve_known || c->curve != issuer->curve)
		return VE_CERT_CURVE;
	if (c->unknown_critical)
		return VE_CERT_CRITICAL;
	if (!issued_by(c, issuer))
		return VE_CERT_ISSUER;
	if (!ve_ec_verify(issuer->curve, issuer->point, c->tbs,
			  octets_from(c->signature, VE_SIGNATURE_LEN)))
		return VE_CERT_SIGNATURE;
	if (!(c->roles & 1u << role))
		return VE_CERT_ROLE;
	if (!usage_fits(c, role))
		return VE_CERT_USAGE;
	if (now > c->not_after)
		return VE_CERT_EXPIRED;
	return VE_CERT_OK;
}

static bool names_fit(const struct ve_cert *euicc, const struct ve_cert *eum)
{
	return octets_same(euicc->organisation, eum->only_organisation) && eum->only_serial.n &&
	       euicc->serial.n == 32 && eum->only_serial.n <= 32 &&
	       !memcmp(euicc->serial.p, eum->only_serial.p, eum->only_serial.n);
}

enum ve_cert_end ve_cert_check_card(const struct ve_cert *euicc, const struct ve_cert *eum,
				    const struct ve_cert *ci, int64_t now)
{
	enum ve_cert_end r = ve_cert_check(eum, ci, VE_ROLE_EUM, now);

	if (r == VE_CERT_OK)
		r = ve_cert_check(euicc, eum, VE_ROLE_EUICC, now);
	if (r == VE_CERT_OK && !names_fit(euicc, eum))
		r = VE_CERT_NAMES;
	return r;
}

const char *ve_cert_end_name(enum ve_cert_end e)
{
	static const char *const names[_VE_CERT_END_MAX] = {
		[VE_CERT_OK] = "good",
		[VE_CERT_MALFORMED] = "malformed",
		[VE_CERT_CURVE] = "curve",
		[VE_CERT_CRITICAL] = "unknown critical extension",
		[VE_CERT_ISSUER] = "issuer",
		[VE_CERT_SIGNATURE] = "signature",
		[VE_CERT_ROLE] = "role",
		[VE_CERT_USAGE] = "key usage",
		[VE_CERT_EXPIRED] = "expired",
		[VE_CERT_NAMES] = "name constraint",
	};

	return names[e];
}
