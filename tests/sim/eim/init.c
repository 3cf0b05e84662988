/* A new state directory: keys and certificates from a PKI folder, or made. */
#include <errno.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/util.h"
#include "sim/eim/store.h"

static bool in_pki(const char *pki, const char *curve, const char *name, char path[PATH_MAX])
{
	if (!pki)
		return false;
	snprintf(path, PATH_MAX, "%s/%s/%s", pki, curve, name);
	if (access(path, R_OK) == 0)
		return true;
	snprintf(path, PATH_MAX, "%s/%s", pki, name);
	return access(path, R_OK) == 0;
}

static int save_key(struct se_eim *e, const char *name, EVP_PKEY *key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", e->dir, name);
	return se_key_save(path, key);
}

static int save_der(struct se_eim *e, const char *name, X509 *cert)
{
	uint8_t der[SE_CERT_MAX];
	char path[PATH_MAX];
	size_t n;
	int r = se_cert_der(cert, der, sizeof(der), &n);

	snprintf(path, sizeof(path), "%s/%s", e->dir, name);
	return r < 0 ? r : file_save(path, der, n, 0644);
}

static int save_pem(struct se_eim *e, const char *name, X509 *cert)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", e->dir, name);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	return PEM_write_X509(f, cert) == 1 && fflush(f) == 0 ? 0 : -EIO;
}

/* The key that signs packages, with a certificate for it. */
static int make_signing(struct se_eim *e, const struct se_init_wish *wish)
{
	struct se_issue issue = { .common_name = e->id };
	char path[PATH_MAX];
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int r;

	if (in_pki(wish->pki, e->curve, "eimsign.key.pem", path)) {
		r = se_key_load(path, &key);
		if (r == 0 && in_pki(wish->pki, e->curve, "eimsign.der", path))
			r = se_cert_load(path, &cert);
	} else {
		r = se_key_new(e->curve, &key);
	}
	issue.key = key;
	if (r == 0 && !cert)
		r = se_issue(&issue, &cert);
	if (r == 0)
		r = save_key(e, "sign.key.pem", key);
	if (r == 0)
		r = save_der(e, "sign.der", cert);
	EVP_PKEY_free(key);
	X509_free(cert);
	return r;
}

static int copy_tls(struct se_eim *e, const struct se_init_wish *wish)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int r = se_key_load(wish->tls_key, &key);

	if (r == 0)
		r = se_cert_load(wish->tls_cert, &cert);
	if (r == 0)
		r = save_key(e, "tls.key.pem", key);
	if (r == 0)
		r = save_pem(e, "tls.pem", cert);
	if (r == 0)
		r = save_der(e, "tls-ca.der", cert);
	EVP_PKEY_free(key);
	X509_free(cert);
	return r;
}

/*
 * A TLS key and a certificate for our name, from the PKI's CI, else from itself. NIST P-256
 * whatever the cards use: TLS 1.3 knows no brainpool certificates of this kind, and clients
 * without them are common.
 */
static int make_tls(struct se_eim *e, const struct se_init_wish *wish)
{
	struct se_issue issue = { .common_name = e->fqdn,
				  .names = { e->fqdn, "localhost", "127.0.0.1", "::1" } };
	char path[PATH_MAX];
	EVP_PKEY *key = NULL, *ca_key = NULL;
	X509 *cert = NULL, *ca = NULL;
	int r;

	if (in_pki(wish->pki, "nist", "ci.key.pem", path) && se_key_load(path, &ca_key) == 0 &&
	    in_pki(wish->pki, "nist", "ci.der", path) && se_cert_load(path, &ca) == 0) {
		issue.issuer = ca;
		issue.issuer_key = ca_key;
	}
	if (!strcmp(e->fqdn, "localhost") || !strcmp(e->fqdn, "127.0.0.1") ||
	    !strcmp(e->fqdn, "::1"))
		issue.names[0] = "localhost.localdomain";
	r = se_key_new("nist", &key);
	issue.key = key;
	if (r == 0)
		r = se_issue(&issue, &cert);
	if (r == 0)
		r = save_key(e, "tls.key.pem", key);
	if (r == 0)
		r = save_pem(e, "tls.pem", cert);
	if (r == 0)
		r = save_der(e, "tls-ca.der", ca ? ca : cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	X509_free(cert);
	X509_free(ca);
	return r;
}

/* The CIs of both curves are trusted: a card may have either. */
static int copy_anchors(struct se_eim *e, const struct se_init_wish *wish)
{
	static const char *const curves[] = { "nist", "brp" };
	char path[PATH_MAX], name[32];
	X509 *cert;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(curves); i++) {
		if (!in_pki(wish->pki, curves[i], "ci.der", path))
			continue;
		r = se_cert_load(path, &cert);
		if (r < 0)
			return r;
		snprintf(name, sizeof(name), "ci/%s.der", curves[i]);
		r = save_der(e, name, cert);
		X509_free(cert);
	}
	return r;
}

static int make_folder(struct se_eim *e, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", e->dir, name[0] ? "/" : "", name);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int se_store_init(struct se_eim *e, const struct se_init_wish *wish, char why[256])
{
	char path[PATH_MAX];
	const char *at = e->dir;
	int r;

	snprintf(path, sizeof(path), "%s/eim.json", e->dir);
	if (access(path, F_OK) == 0) {
		snprintf(why, 256, "%.160s: an eIM is here already", e->dir);
		return -EEXIST;
	}
	r = make_folder(e, "");
	if (r == 0)
		r = make_folder(e, "cards");
	if (r == 0)
		r = make_folder(e, "ci");
	if (r == 0) {
		at = "the signing key";
		r = make_signing(e, wish);
	}
	if (r == 0) {
		at = "the TLS key and certificate";
		r = wish->tls_cert && wish->tls_key ? copy_tls(e, wish) : make_tls(e, wish);
	}
	if (r == 0) {
		at = "the CI certificates";
		r = copy_anchors(e, wish);
	}
	/* Last: with it the directory is complete. */
	if (r == 0) {
		at = "eim.json";
		r = se_store_save_eim(e);
	}
	if (r < 0)
		snprintf(why, 256, "%.160s: %s", at, strerror(-r));
	return r;
}
