/*
 * mbedTLS walks the chain that the server sent from its own certificate upwards, until an anchor
 * has signed something or nothing fits any more, and then shows us each certificate from the top
 * down with what it found wrong. We collect, and judge at the last one, the server's own:
 *
 * - with authorities, every fault counts;
 * - with a pinned key, the certificate that carries it is the anchor. What stands above it does not
 *   matter; below it, every signature must be good. In the server's own certificate, the key is all
 *   that counts: neither names nor dates (GSMA SGP.32 names the key, the certificate is but its
 *   wrapping). Further up it is an authority's, and the name must fit.
 */
#include "net/verify.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <string.h>
#include <time.h>

#include "net/clock.h"
#include "net/names.h"
#include "net/trust_data.h"

#define SAN_NAME    0x82 /* [2] IMPLICIT IA5String */
#define SAN_ADDRESS 0x87 /* [7] IMPLICIT OCTET STRING */

/* Brainpool is what the GSMA's second CI uses. */
const mbedtls_x509_crt_profile verify_profile = {
	MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
	0xfffffff, /* any kind of key … */
	MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP256R1) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP384R1) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP512R1),
	2048, /* … but RSA from here on */
};

mbedtls_x509_crt *verify_anchors(const struct trust *t)
{
	return (mbedtls_x509_crt *)&t->anchors;
}

bool verify_clock_is_set(void)
{
	return net_clock_now() >= NET_CLOCK_FLOOR;
}

/* RFC 6125: an asterisk stands for the whole of the first label, nothing else. */
static bool name_fits(struct text pattern, struct text host)
{
	if (pattern.n > 1 && pattern.s[pattern.n - 1] == '.')
		pattern.n--;
	if (text_starts(pattern, "*.")) {
		size_t dot = text_find(host, '.');

		if (dot == 0 || dot == host.n)
			return false;
		pattern = text_skip(pattern, 1);
		host = text_skip(host, dot);
		/* "*.com" would be everybody's. */
		if (text_find(text_skip(pattern, 1), '.') == pattern.n - 1)
			return false;
	}
	if (pattern.n != host.n || pattern.n == 0)
		return false;
	return strncasecmp(pattern.s, host.s, host.n) == 0 && !memchr(pattern.s, '\0', pattern.n);
}

bool verify_name(const mbedtls_x509_crt *crt, const char *host)
{
	struct text want = text_of(host);
	bool listed = false;
	uint8_t ip[16];
	size_t ip_n = 0;

	if (!net_literal(host, ip, &ip_n))
		ip_n = 0;
	for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san; san = san->next) {
		int tag = san->buf.tag;

		if (!san->buf.p || (tag != SAN_NAME && tag != SAN_ADDRESS))
			continue;
		listed = true;
		if (tag == SAN_ADDRESS && ip_n && san->buf.len == ip_n &&
		    memcmp(san->buf.p, ip, ip_n) == 0)
			return true;
		if (tag == SAN_NAME && !ip_n && name_fits(text_from(san->buf.p, san->buf.len), want))
			return true;
	}
	if (listed)
		return false;
	/* No alternative name at all: an old certificate, or one made by hand for a test eIM. */
	for (const mbedtls_x509_name *name = &crt->subject; name; name = name->next)
		if (name->oid.p && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0 &&
		    (ip_n ? text_eq(text_from(name->val.p, name->val.len), host) :
			    name_fits(text_from(name->val.p, name->val.len), want)))
			return true;
	return false;
}

static void date(const mbedtls_x509_time *t, char out[24])
{
	snprintf(out, 24, "%04u-%02u-%02u", (unsigned)t->year % 10000, (unsigned)t->mon % 100,
		 (unsigned)t->day % 100);
}

/* The first name that a certificate goes by, for the words. */
static const char *subject(const mbedtls_x509_crt *crt, char out[64])
{
	char name[256];
	int n = mbedtls_x509_dn_gets(name, sizeof(name), &crt->subject);

	snprintf(out, 64, "%.60s", n > 0 ? name : "a certificate without a name");
	return out;
}

static void refuse(struct verdict *v, const mbedtls_x509_crt *crt, uint32_t flags)
{
	char from[24], to[24], who[64];

	date(&crt->valid_from, from);
	date(&crt->valid_to, to);
	subject(crt, who);
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags,
			      "%s is not yet valid (from %s): is the clock right?", who, from);
	else if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags,
			      "%s has expired (on %s)", who, to);
	else if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
			  MBEDTLS_X509_BADCERT_BAD_KEY))
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags,
			      "%s has a weak key or signature", who);
	else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags, "%s %s", who,
			      v->trust->pin ? "does not lead to the pinned key" :
			      v->trust->n ? "is not signed by a trusted authority" :
					    "cannot be checked: no authority is configured");
	else
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, (int)flags,
			      "%s is not good for a server (%x)", who, (unsigned)flags);
}

static bool is_pin(const struct trust *t, const mbedtls_x509_crt *crt)
{
	return t->pin && crt->pk_raw.len == t->pin_n && memcmp(crt->pk_raw.p, t->pin, t->pin_n) == 0;
}

/* The depth at which trust begins: the lowest certificate with the pinned key, else none. */
static int anchor_depth(const struct verdict *v)
{
	for (int d = 0; d < VERIFY_DEPTH_MAX && v->crt[d]; d++) {
		if (v->pinned[d])
			return d;
		/* A bad signature below it: whoever carries the key has not vouched for this. */
		if (v->flags[d] & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
			break;
	}
	return -1;
}

static uint32_t counts(const struct verdict *v, int depth, int anchor)
{
	uint32_t flags = v->flags[depth];

	if (anchor >= 0 && depth > anchor)
		return 0;
	if (depth == anchor)
		flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
	if (anchor == 0)
		return 0;
	if (v->trust->pin && !v->clock_is_set)
		flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_EXPIRED);
	return flags;
}

static int compare(const mbedtls_x509_time *t, const struct tm *now)
{
	const int a[] = { t->year, t->mon, t->day, t->hour, t->min, t->sec };
	const int b[] = { now->tm_year + 1900, now->tm_mon + 1, now->tm_mday, now->tm_hour, now->tm_min,
			  now->tm_sec };

	for (int i = 0; i < 6; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* The library goes by the system's clock; where that is not set, the dates are judged anew. */
static uint32_t judge_dates(const mbedtls_x509_crt *crt, uint32_t flags)
{
	time_t now = net_clock_now();
	struct tm tm;

	if (net_clock_system_is_set() || now < NET_CLOCK_FLOOR || !gmtime_r(&now, &tm))
		return flags;
	flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_EXPIRED);
	if (compare(&crt->valid_from, &tm) > 0)
		flags |= MBEDTLS_X509_BADCERT_FUTURE;
	if (compare(&crt->valid_to, &tm) < 0)
		flags |= MBEDTLS_X509_BADCERT_EXPIRED;
	return flags;
}

int verify_step(void *context, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct verdict *v = context;
	int anchor;

	v->seen = true;
	if (depth < 0 || depth >= VERIFY_DEPTH_MAX)
		return MBEDTLS_ERR_X509_FATAL_ERROR;
	/* The library compares names, but not addresses: that is our part. */
	v->flags[depth] = judge_dates(crt, *flags & ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH);
	v->pinned[depth] = is_pin(v->trust, crt);
	v->crt[depth] = crt;
	*flags = 0;
	if (depth > 0)
		return 0;

	anchor = anchor_depth(v);
	for (int d = 0; d < VERIFY_DEPTH_MAX && v->crt[d]; d++) {
		uint32_t bad = counts(v, d, anchor);

		*flags |= bad;
		if (bad)
			refuse(v, v->crt[d], bad);
	}
	if (anchor != 0 && v->host && !verify_name(crt, v->host)) {
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE,
			      MBEDTLS_X509_BADCERT_CN_MISMATCH,
			      "the server's certificate is not for %.100s", v->host);
		*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	}
	return 0;
}

static int judge_chain(struct verdict *v, mbedtls_x509_crt *chain)
{
	uint32_t flags = 0;
	char words[96];
	int r = mbedtls_x509_crt_verify_with_profile(chain, verify_anchors(v->trust), NULL, &verify_profile,
						     NULL, &flags, verify_step, v);

	if (r != 0 && !net_error_is_set(&v->error)) {
		mbedtls_strerror(r, words, sizeof(words));
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, -r,
			      "the certificate of %.60s cannot be checked: %.70s", v->host, words);
	}
	/* What TLS asks for besides. */
	if (r == 0 && mbedtls_x509_crt_check_extended_key_usage(chain, MBEDTLS_OID_SERVER_AUTH,
								MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0)
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, -1,
			      "the certificate of %.60s is not meant for a server", v->host);
	return net_error_is_set(&v->error) ? -EACCES : 0;
}

int verify_chain(struct verdict *v, const struct octets *der, size_t n)
{
	char why[TRUST_WHY_MAX] = "";
	mbedtls_x509_crt chain;
	int r = n > 0 ? 0 : -EBADMSG;

	mbedtls_x509_crt_init(&chain);
	for (size_t i = 0; i < n && r == 0; i++)
		r = trust_parse(&chain, der[i], why);
	if (r == 0)
		r = judge_chain(v, &chain);
	else
		net_error_set(&v->error, CAUSE_REFUSED, NET_CERTIFICATE, -r,
			      "of %.60s: %.90s", v->host, why[0] ? why : "there is none");
	mbedtls_x509_crt_free(&chain);
	return r < 0 ? -EACCES : 0;
}
