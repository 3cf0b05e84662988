/* Where SM-DP+s and SM-DSs are found, and whom their TLS certificates are trusted from. */
#ifndef SIM_EIM_ROUTE_H
#define SIM_EIM_ROUTE_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stddef.h>

#include "core/text.h"

#define SE_ROUTES_MAX 16
#define SE_ROUTE_CAS_MAX 16
#define SE_HOST_MAX 128

struct se_routes {
	struct {
		char host[SE_HOST_MAX];         /* "": every other one */
		struct sockaddr_in at;
	} list[SE_ROUTES_MAX];
	size_t n;
	SSL_CTX *ctx;
};

/* [HOST=]ADDRESS:PORT. -EINVAL: it is not; -ENOSPC. */
int se_route_add(struct se_routes *r, const char *text);
/*
 * Trusts these files, and where there are none whatever is a certificate in the folder. 0, or
 * -errno and a line in why.
 */
int se_route_trust(struct se_routes *r, const char *const *files, size_t n, const char *folder,
		   char why[256]);
/* Where this server is, by its name without a port. NULL: nowhere. */
const struct sockaddr_in *se_route_find(const struct se_routes *r, const char *address);
void se_routes_done(struct se_routes *r);

/* "dp.example:8443" without the port. */
struct text se_route_host(const char *address);

#endif
