/*
 * ES9+ over HTTPS: listens, does TLS 1.2 or 1.3, reads HTTP/1.1 requests and has them served. One
 * server in a process's loop; several may run beside each other.
 */
#ifndef SIM_SMDP_HTTPS_H
#define SIM_SMDP_HTTPS_H

#include "core/ev.h"
#include "sim/smdp/http.h"

#define SDP_CONNECTIONS_MAX 64

struct sdp_https;

struct sdp_https_options {
	const char *address;            /* to listen on; NULL: 127.0.0.1 */
	uint16_t port;                  /* 0: a free one */
	/* Directories with dptls.der, dptls.key.pem and perhaps dstls.*; chosen by index below. */
	const char *pki;
	const char *certificate;        /* files that stand for these; NULL */
	const char *key;
	const char *tls;                /* "1.2" or "1.3" only; NULL: both */
	unsigned idle_s;                /* a connection without a request; 0: 60 */
};

/* 0, or -errno and one line in why. The server stays the caller's. */
int sdp_https_open(struct sdp *s, const struct sdp_https_options *o, struct sdp_https **ret,
		   char why[SDP_WHY_MAX]);
/* Connections are closed where they are. */
void sdp_https_close(struct sdp_https *h);
uint16_t sdp_https_port(const struct sdp_https *h);

#endif
