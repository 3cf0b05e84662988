/* ESipa over CoAP and DTLS (GSMA SGP.32 6.1.2): a link/eim.h. */
#ifndef ESIPA_COAPS_H
#define ESIPA_COAPS_H

#include "link/eim.h"
#include "net/coaps.h"

/* What it points to outlives the link. */
struct esipa_coaps {
	struct coaps_server server;     /* path NULL: gsma/rsp2/asn1 */
	size_t reply_max;               /* 0: 1 MiB, a bound profile package */
};

/* -EOPNOTSUPP: built without CoAP. */
#ifdef WITH_COAP
int esipa_coaps_new(const struct esipa_coaps *options, struct eim_link **ret);
/* The next octets come from coaps_figures(); for tests and figures only. */
struct coaps *esipa_coaps_client(struct eim_link *link);
#endif

#endif
