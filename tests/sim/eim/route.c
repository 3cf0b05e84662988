#include "sim/eim/route.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>

#include "core/util.h"
#include "sim/eim/crypto.h"

/* The curves of a GSMA PKI; what OpenSSL offers by itself lacks the second. */
#define GROUPS "P-256:brainpoolP256r1:X25519:P-384"

struct text se_route_host(const char *address)
{
	struct text t = text_of(address);
	size_t at = text_find(t, ':');

	/* More than one colon is an IPv6 address, which has no port here. */
	if (at < t.n && text_find(text_skip(t, at + 1), ':') == t.n - at - 1)
		t.n = at;
	return t;
}

static bool same_host(struct text host, const char *name)
{
	return host.n == strlen(name) && strncasecmp(host.s, name, host.n) == 0;
}

int se_route_add(struct se_routes *r, const char *text)
{
	const char *equals = strchr(text, '='), *at = equals ? equals + 1 : text;
	const char *colon = strrchr(at, ':');
	struct sockaddr_in to = { .sin_family = AF_INET };
	char address[64], host[SE_HOST_MAX] = "";
	uint32_t port;

	if (r->n == SE_ROUTES_MAX)
		return -ENOSPC;
	if (!colon || text_to_u32(text_of(colon + 1), 10, &port) < 0 || !port || port > 65535 ||
	    text_copy(text_from(at, (size_t)(colon - at)), address, sizeof(address)) < 0 ||
	    inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    (equals && (equals == text || text_copy(text_from(text, (size_t)(equals - text)), host,
						    sizeof(host)) < 0)))
		return -EINVAL;
	to.sin_port = htons((uint16_t)port);
	memcpy(r->list[r->n].host, host, sizeof(host));
	r->list[r->n++].at = to;
	return 0;
}

const struct sockaddr_in *se_route_find(const struct se_routes *r, const char *address)
{
	const struct sockaddr_in *other = NULL;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->list[i].host[0])
			other = &r->list[i].at;
		else if (same_host(se_route_host(address), r->list[i].host))
			return &r->list[i].at;
	}
	return other;
}

static int trust_file(struct se_routes *r, const char *path)
{
	X509 *ca = NULL;
	int e = se_cert_load(path, &ca);

	if (e == 0 && X509_STORE_add_cert(SSL_CTX_get_cert_store(r->ctx), ca) != 1)
		e = -EINVAL;
	X509_free(ca);
	return e;
}

/* What is no certificate there is a bare key, which TLS has no use for. */
static unsigned trust_folder(struct se_routes *r, const char *folder)
{
	char path[PATH_MAX];
	struct dirent *d;
	unsigned n = 0;
	DIR *dir = opendir(folder);

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		n += trust_file(r, path) == 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

int se_route_trust(struct se_routes *r, const char *const *files, size_t n, const char *folder,
		   char why[256])
{
	r->ctx = SSL_CTX_new(TLS_client_method());
	if (!r->ctx || SSL_CTX_set1_groups_list(r->ctx, GROUPS) != 1) {
		snprintf(why, 256, "TLS cannot be used");
		return -EINVAL;
	}
	SSL_CTX_set_verify(r->ctx, SSL_VERIFY_PEER, NULL);
	for (size_t i = 0; i < n; i++) {
		int e = trust_file(r, files[i]);

		if (e < 0) {
			snprintf(why, 256, "%.200s: no certificate", files[i]);
			return e;
		}
	}
	if (!n && !trust_folder(r, folder)) {
		snprintf(why, 256, "%.160s has no certificate: say --smdp-ca FILE", folder);
		return -ENOENT;
	}
	return 0;
}

void se_routes_done(struct se_routes *r)
{
	SSL_CTX_free(r->ctx);
	r->ctx = NULL;
}
