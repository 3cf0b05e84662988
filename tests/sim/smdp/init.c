#include "sim/smdp/init.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/util.h"

#define FILE_MAX 65536

/* 2.999.15, for an SM-DS that is made here. */
static const uint8_t ds_oid[] = { 0x88, 0x37, 0x0f };

static int tell(char why[SDP_WHY_MAX], const char *path, int r)
{
	snprintf(why, SDP_WHY_MAX, "%.400s: %s", path, strerror(-r));
	return r;
}

static int copy_file(const char *from_dir, const char *to_dir, const char *name, bool needed,
		     char why[SDP_WHY_MAX])
{
	char from[PATH_MAX], to[PATH_MAX];
	uint8_t data[FILE_MAX];
	size_t n;
	int r;

	snprintf(from, sizeof(from), "%s/%s", from_dir, name);
	snprintf(to, sizeof(to), "%s/%s", to_dir, name);
	r = file_load(from, data, sizeof(data), &n);
	if (r == -ENOENT && !needed)
		return 0;
	if (r < 0)
		return tell(why, from, r);
	r = file_save(to, data, n, 0600);
	return r < 0 ? tell(why, to, r) : 0;
}

static int save_key(const char *path, const struct sdp_key *k)
{
	EVP_PKEY *key = sdp_key_openssl(k);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;
	int r = -EINVAL;

	if (key && b && PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1) {
		n = BIO_get_mem_data(b, &text);
		r = file_save(path, text, (size_t)n, 0600);
	}
	BIO_free(b);
	EVP_PKEY_free(key);
	return r;
}

/* A new key and its certificate as <name>.der and <name>.key.pem. */
static int issue(const char *pki, const char *dir, const char *name, struct sdp_issue *i,
		 char why[SDP_WHY_MAX])
{
	struct sdp_cert ci;
	struct sdp_key ci_key, key;
	struct sdp_blob der = { 0 };
	uint8_t scalar[SDP_SCALAR_LEN];
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/ci.key.pem", pki);
	r = sdp_key_load(path, &ci_key);
	if (r < 0) {
		snprintf(why, SDP_WHY_MAX, "%s must be issued, but there is no CI key: %.300s: %s", name,
			 path, strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/ci.der", pki);
	r = sdp_cert_load(path, &ci);
	if (r < 0)
		return tell(why, path, r);
	do {
		sdp_random(scalar, sizeof(scalar));
	} while (sdp_key_from_scalar(ci.curve, scalar, &key) < 0);
	i->ci = &ci;
	i->ci_key = &ci_key;
	i->key = &key;
	r = sdp_cert_issue(i, &der);
	snprintf(path, sizeof(path), "%s/%s.der", dir, name);
	if (r == 0)
		r = file_save(path, der.p, der.n, 0600);
	snprintf(path, sizeof(path), "%s/%s.key.pem", dir, name);
	if (r == 0)
		r = save_key(path, &key);
	if (r < 0)
		tell(why, path, r);
	sdp_blob_done(&der);
	sdp_cert_done(&ci);
	sdp_key_wipe(&key);
	sdp_key_wipe(&ci_key);
	return r;
}

static bool covers(const struct sdp_cert *c, const char *host)
{
	return X509_check_host(c->x509, host, strlen(host), 0, NULL) == 1 ||
	       X509_check_ip_asc(c->x509, host, 0) == 1;
}

/* The TLS certificate of the directory, or one for the names it lacks. */
static int make_tls(const struct sdp_recipe *r, const char *pki, const char *dir,
		    char why[SDP_WHY_MAX])
{
	const char *hosts[SDP_HOSTS_MAX + 1] = { 0 };
	struct sdp_cert auth, tls;
	struct sdp_issue i = { .role = SDP_ROLE_DP_TLS, .name = r->hosts[0], .hosts = hosts };
	char path[PATH_MAX];
	bool good;
	int e;

	snprintf(path, sizeof(path), "%s/dptls.der", pki);
	good = sdp_cert_load(path, &tls) == 0;
	if (good) {
		for (size_t k = 0; k < r->hosts_n; k++)
			good = good && covers(&tls, r->hosts[k]);
		sdp_cert_done(&tls);
	}
	if (good) {
		e = copy_file(pki, dir, "dptls.der", true, why);
		return e < 0 ? e : copy_file(pki, dir, "dptls.key.pem", true, why);
	}
	snprintf(path, sizeof(path), "%s/dpauth.der", pki);
	e = sdp_cert_load(path, &auth);
	if (e < 0)
		return tell(why, path, e);
	memcpy(hosts, r->hosts, r->hosts_n * sizeof(hosts[0]));
	i.oid = octets_from(auth.oid, auth.oid_n);
	e = issue(pki, dir, "dptls", &i, why);
	sdp_cert_done(&auth);
	return e;
}

static int make_ds(const struct sdp_recipe *r, const char *pki, const char *dir,
		   char why[SDP_WHY_MAX])
{
	const char *hosts[] = { r->ds_host, NULL };
	struct sdp_issue auth = { .role = SDP_ROLE_DS_AUTH, .name = "TEST SM-DS",
				  .oid = octets_from(ds_oid, sizeof(ds_oid)) };
	struct sdp_issue tls = { .role = SDP_ROLE_DS_TLS, .name = r->ds_host, .hosts = hosts,
				 .oid = octets_from(ds_oid, sizeof(ds_oid)) };
	char path[PATH_MAX + 16];
	struct stat st;
	int e;

	snprintf(path, sizeof(path), "%s/dsauth.der", dir);
	if (stat(path, &st) < 0) {
		e = issue(pki, dir, "dsauth", &auth, why);
		if (e < 0)
			return e;
	}
	snprintf(path, sizeof(path), "%s/dstls.der", dir);
	return stat(path, &st) == 0 ? 0 : issue(pki, dir, "dstls", &tls, why);
}

static int make_pki(const struct sdp_recipe *r, size_t index, char why[SDP_WHY_MAX])
{
	static const struct {
		const char *name;
		bool needed;
	} files[] = {
		{ "ci.der", true }, { "dpauth.der", true }, { "dpauth.key.pem", true },
		{ "dppb.der", true }, { "dppb.key.pem", true }, { "dsauth.der", false },
		{ "dsauth.key.pem", false }, { "dstls.der", false }, { "dstls.key.pem", false },
		{ "bad-dpauth-expired.der", false }, { "bad-dpauth-expired.key.pem", false },
		{ "bad-dpauth-role.der", false }, { "bad-dpauth-role.key.pem", false },
		{ "bad-dppb-oid.der", false }, { "bad-dppb-oid.key.pem", false },
		{ "bad-dptls-expired.der", false }, { "bad-dptls-expired.key.pem", false },
	};
	char dir[PATH_MAX - 64];
	int e = 0;

	snprintf(dir, sizeof(dir), "%s/pki/%zu", r->dir, index);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return tell(why, dir, -errno);
	for (size_t i = 0; i < ARRAY_SIZE(files) && e == 0; i++)
		e = copy_file(r->pki[index], dir, files[i].name, files[i].needed, why);
	if (e == 0)
		e = make_tls(r, r->pki[index], dir, why);
	return e < 0 || !r->ds_host ? e : make_ds(r, r->pki[index], dir, why);
}

/* The first DNS name in the TLS certificate of the first PKI directory. */
static int name_from_certificate(const char *pki, char ret[SDP_HOST_MAX], char why[SDP_WHY_MAX])
{
	struct sdp_cert tls;
	GENERAL_NAMES *names;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/dptls.der", pki);
	r = sdp_cert_load(path, &tls);
	if (r < 0)
		return tell(why, path, r);
	names = X509_get_ext_d2i(tls.x509, NID_subject_alt_name, NULL, NULL);
	r = -ENOENT;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && r < 0; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS)
			r = text_copy(text_from(ASN1_STRING_get0_data(g->d.dNSName),
						(size_t)ASN1_STRING_length(g->d.dNSName)),
				      ret, SDP_HOST_MAX);
	}
	GENERAL_NAMES_free(names);
	sdp_cert_done(&tls);
	if (r < 0)
		snprintf(why, SDP_WHY_MAX, "%.400s names no host: say --host", path);
	return r;
}

int sdp_make(const struct sdp_recipe *given, char why[SDP_WHY_MAX])
{
	struct sdp_recipe r = *given;
	char path[PATH_MAX], host[SDP_HOST_MAX];
	struct stat st;
	struct sdp s;
	int e = 0;

	snprintf(path, sizeof(path), "%s/smdp.json", r.dir);
	if (stat(path, &st) == 0)
		return tell(why, path, -EEXIST);
	if (r.hosts_n == 0) {
		e = name_from_certificate(r.pki[0], host, why);
		if (e < 0)
			return e;
		r.hosts[r.hosts_n++] = host;
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const parts[] = { "", "/pki", "/profiles" };

		snprintf(path, sizeof(path), "%s%s", r.dir, parts[i]);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return tell(why, path, -errno);
	}
	for (size_t i = 0; i < r.pki_n && e == 0; i++)
		e = make_pki(&r, i, why);
	if (e < 0)
		return e;
	sdp_init(&s);
	for (size_t i = 0; i < r.hosts_n && e == 0; i++)
		e = text_copy(text_of(r.hosts[i]), s.hosts[s.hosts_n++], SDP_HOST_MAX);
	if (e == 0)
		e = text_copy(text_of(r.ds_host), s.ds_host, sizeof(s.ds_host));
	if (e == 0)
		e = text_copy(text_of(r.dir), s.dir, sizeof(s.dir));
	if (e == 0)
		e = sdp_save_config(&s);        /* last: from here on it counts as made */
	sdp_done(&s);
	return e < 0 ? tell(why, r.dir, e) : 0;
}
