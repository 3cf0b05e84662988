/*
 * ESipa over HTTPS with ASN.1 bodies (GSMA SGP.32 6.1.1, 6.3): a link/eim.h. With another path and
 * content type it is the way to an SM-DP+ or SM-DS (ES9+, ES11).
 */
#ifndef ESIPA_HTTPS_H
#define ESIPA_HTTPS_H

#include "link/eim.h"
#include "net/names.h"
#include "net/trust.h"

/* What it points to outlives the link. NULL and 0 stand for what is given behind it. */
struct esipa_https {
	struct net_place place;         /* from eimFqdn, with 443 where it names no port */
	const struct trust *trust;
	const char *interface;          /* whatever the routes say */
	const char *name_servers;       /* the system's */
	const char *path;               /* /gsma/rsp2/asn1 */
	const char *user_agent;         /* gsma-rsp-ipad */
	const char *admin_protocol;     /* gsma/rsp/v2.1.0 */
	const char *content_type;       /* application/x-gsma-rsp-asn1 */
	unsigned connect_ms;            /* 30 s */
	size_t reply_max;               /* 1 MiB: a bound profile package */
};

int esipa_https_new(const struct esipa_https *options, struct eim_link **ret);

#endif
