/*
 * mbedTLS refuses certificates with critical extensions that it does not know, and the GSMA's have
 * critical certificatePolicies (GSMA SGP.22 4.5.2): what a file brings is read with a callback that
 * knows them. It has to be DER for that, so PEM is taken apart here.
 */
#include "net/trust.h"

#include <dirent.h>
#include <errno.h>
#include <mbedtls/error.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/base64.h"
#include "core/file.h"
#include "net/crypto.h"
#include "net/error.h"
#include "net/trust_data.h"

#define FILE_MAX        (1024 * 1024)   /* the bundles of distributions have 200 to 300 kB */
#define CERTIFICATE_MAX 8192
#define PATH_LENGTH_MAX 1024

int trust_new(struct trust **ret)
{
	struct trust *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	mbedtls_x509_crt_init(&t->anchors);
	t->last = &t->anchors;
	*ret = t;
	return 0;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	mbedtls_x509_crt_free(&t->anchors);
	free(t->pin);
	free(t);
}

bool trust_is_pinned(const struct trust *t)
{
	return t->pin != NULL;
}

unsigned trust_count(const struct trust *t)
{
	return t->n;
}

const uint8_t *trust_id(const struct trust *t)
{
	return t->id;
}

/* A hash over all that came, in its order. */
static int mix(struct trust *t, struct octets v)
{
	uint8_t next[CRYPTO_SHA256];
	int r = crypto_sha256(t->id, sizeof(t->id), v.p, v.n, next);

	if (r == 0)
		memcpy(t->id, next, sizeof(t->id));
	return r;
}

static bool is_oid(const mbedtls_x509_buf *oid, uint8_t id_ce)
{
	const uint8_t want[3] = { 0x55, 0x1d, id_ce };

	return oid->len == sizeof(want) && memcmp(oid->p, want, sizeof(want)) == 0;
}

/*
 * certificatePolicies (2.5.29.32) restrict what a certificate is for, not whom it may name: they
 * do no harm unread. Critical name constraints would; we do not enforce them, so they stay refused.
 */
static int on_extension(void *context, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid,
			int critical, const unsigned char *p, const unsigned char *end)
{
	(void)context, (void)crt, (void)p, (void)end;
	if (!critical || is_oid(oid, 32))
		return 0;
	return MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE;
}

int trust_parse(mbedtls_x509_crt *chain, struct octets der, char why[TRUST_WHY_MAX])
{
	char words[96];
	int r = mbedtls_x509_crt_parse_der_with_ext_cb(chain, der.p, der.n, 1, on_extension, NULL);

	if (r == 0)
		return 0;
	mbedtls_strerror(r, words, sizeof(words));
	if (!*why)
		snprintf(why, TRUST_WHY_MAX, "a certificate cannot be used: %s", words);
	return r == MBEDTLS_ERR_X509_ALLOC_FAILED ? -ENOMEM : -EBADMSG;
}

/* Distributions' directories have each of them three times: in a bundle, by name and by hash. */
static bool is_there(const struct trust *t, struct octets der)
{
	for (const mbedtls_x509_crt *c = &t->anchors; c; c = c->next)
		if (c->raw.p && octets_same(octets_from(c->raw.p, c->raw.len), der))
			return true;
	return false;
}

/* 1: it is new, 0: it was there, or -errno. */
static int add_der(struct trust *t, struct octets der, char *why)
{
	mbedtls_x509_crt *last = t->last;
	int r;

	if (is_there(t, der))
		return 0;
	r = trust_parse(last, der, why);
	if (r < 0)
		return r;
	if (last->next)
		t->last = last->next;
	t->n++;
	r = mix(t, der);
	return r < 0 ? r : 1;
}

/* The next "-----BEGIN CERTIFICATE-----" object; false: there is none. */
static bool next_pem(struct text *rest, struct text *ret_base64)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
	const char *from, *to;

	from = memmem(rest->s, rest->n, begin, sizeof(begin) - 1);
	if (!from)
		return false;
	from += sizeof(begin) - 1;
	to = memmem(from, rest->n - (size_t)(from - rest->s), end, sizeof(end) - 1);
	if (!to)
		return false;
	*ret_base64 = text_trim(text_from(from, (size_t)(to - from)));
	*rest = text_skip(*rest, (size_t)(to - rest->s));
	return true;
}

static int add_pem(struct trust *t, struct text pem, unsigned *ret_n, char *why)
{
	unsigned usable = 0, n = 0;
	struct text digits;

	while (next_pem(&pem, &digits)) {
		uint8_t der[CERTIFICATE_MAX];
		size_t len;
		int r = base64_decode(digits, der, sizeof(der), &len);

		if (r < 0 && !*why)
			snprintf(why, TRUST_WHY_MAX, "a PEM object cannot be read: %s", strerror(-r));
		if (r == 0)
			r = add_der(t, octets_from(der, len), why);
		if (r == -ENOMEM)
			return r;
		usable += r >= 0;
		n += r > 0;
	}
	if (usable == 0) {
		if (!*why)
			snprintf(why, TRUST_WHY_MAX, "holds no certificate");
		return -EBADMSG;
	}
	*ret_n = n;
	return 0;
}

int trust_add(struct trust *t, struct octets v, unsigned *ret_n, char why[TRUST_WHY_MAX])
{
	int r;

	*why = '\0';
	if (v.n == 0 || v.p[0] != 0x30)
		return add_pem(t, octets_text(v), ret_n, why);
	r = add_der(t, v, why);
	if (r < 0)
		return r;
	*ret_n = (unsigned)r;
	return 0;
}

static int add_file(struct trust *t, const char *path, unsigned *ret_n, char *why)
{
	_cleanup_(freep) uint8_t *data = malloc(FILE_MAX);
	size_t n;
	int r;

	if (!data)
		return -ENOMEM;
	r = file_load(path, data, FILE_MAX, &n);
	if (r < 0) {
		snprintf(why, TRUST_WHY_MAX, "%s", strerror(-r));
		return r;
	}
	return trust_add(t, octets_from(data, n), ret_n, why);
}

static int add_directory(struct trust *t, const char *path, unsigned *ret_n, char *why)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort), r = n < 0 ? -errno : 0;
	unsigned sum = 0, usable = 0;

	for (int i = 0; i < n; i++) {
		char file[PATH_LENGTH_MAX], what[TRUST_WHY_MAX] = "";
		int len = snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		unsigned more = 0;
		struct stat st;

		if (len > 0 && (size_t)len < sizeof(file) && stat(file, &st) == 0 &&
		    S_ISREG(st.st_mode) && r != -ENOMEM) {
			r = add_file(t, file, &more, what);
			sum += more;
			usable += r == 0;
			if (*what && !*why)
				snprintf(why, TRUST_WHY_MAX, "%.60s: %.90s", names[i]->d_name, what);
		}
		free(names[i]);
	}
	free(names);
	if (n < 0 || r == -ENOMEM)
		return r;
	if (usable == 0) {
		if (!*why)
			snprintf(why, TRUST_WHY_MAX, "holds no certificate");
		return -EBADMSG;
	}
	*ret_n = sum;
	return 0;
}

int trust_add_path(struct trust *t, const char *path, unsigned *ret_n, char why[TRUST_WHY_MAX])
{
	struct stat st;

	*why = '\0';
	if (stat(path, &st) < 0) {
		int error = errno;

		snprintf(why, TRUST_WHY_MAX, "%s", strerror(error));
		return -error;
	}
	return S_ISDIR(st.st_mode) ? add_directory(t, path, ret_n, why) : add_file(t, path, ret_n, why);
}

/* --- pinning --- */

/*
 * The contents without their 30 header, as the definition wants it (implicit tags), or the whole,
 * as some products send it: then the first octet is 30 and its element spans everything.
 */
static int whole_sequence(struct octets v, uint8_t *buf, size_t cap, size_t *ret_n)
{
	struct tlv_out w = { .buf = buf, .cap = cap };
	size_t head, value;
	uint32_t tag;

	if (tlv_head(v.p, v.n, &tag, &head, &value) == 0 && tag == 0x30 && head + value == v.n)
		tlv_put_raw(&w, v.p, v.n);
	else
		tlv_put(&w, 0x30, v.p, v.n);
	return tlv_done(&w, ret_n);
}

static int keep_pin(struct trust *t, struct octets spki)
{
	uint8_t *copy = malloc(spki.n);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, spki.p, spki.n);
	t->pin = copy;
	t->pin_n = spki.n;
	return 0;
}

static int pin_key(struct trust *t, struct octets spki, char *why)
{
	mbedtls_pk_context pk;
	int r;

	mbedtls_pk_init(&pk);
	r = mbedtls_pk_parse_public_key(&pk, spki.p, spki.n);
	mbedtls_pk_free(&pk);
	if (r) {
		snprintf(why, TRUST_WHY_MAX, "the pinned key cannot be used (%04x)", (unsigned)-r);
		return -EBADMSG;
	}
	return keep_pin(t, spki);
}

/* It is the one anchor, and its key may stand in any certificate of the chain. */
static int pin_certificate(struct trust *t, struct octets der, char *why)
{
	int r = trust_parse(&t->anchors, der, why);

	if (r < 0)
		return r;
	t->n = 1;
	return keep_pin(t, octets_from(t->anchors.pk_raw.p, t->anchors.pk_raw.len));
}

int trust_pin(struct trust *t, struct octets a6, char why[TRUST_WHY_MAX])
{
	uint8_t whole[CERTIFICATE_MAX];
	struct tlv_doc doc;
	struct tlv w = tlv_open(&doc, a6);
	uint32_t kind = tlv_peek(&w);
	struct octets v = tlv_take(&w, kind);
	size_t n;
	int r;

	*why = '\0';
	/* Behind it, later versions may put more. */
	if (doc.fault || (kind != 0xa0 && kind != 0xa1) || t->n > 0 || t->pin ||
	    whole_sequence(v, whole, sizeof(whole), &n) < 0) {
		snprintf(why, TRUST_WHY_MAX, "the pinned data is neither a key nor a certificate");
		return -EBADMSG;
	}
	if (kind == 0xa0)
		r = pin_key(t, octets_from(whole, n), why);
	else
		r = pin_certificate(t, octets_from(whole, n), why);
	return r < 0 ? r : mix(t, a6);
}
