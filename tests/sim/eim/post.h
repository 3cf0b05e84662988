/* One HTTPS POST to another server, from the event loop: how the relay reaches an SM-DP+. */
#ifndef SIM_EIM_POST_H
#define SIM_EIM_POST_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/ev.h"
#include "codec/tlv.h"

#define SE_POST_MAX (4u << 20)          /* of an answer, head included */

/*
 * The owner embeds it. done() is called once, from the loop, unless se_post_stop() came before;
 * in it r is 0 with status and body, or a negative errno. The body is good until done() returns.
 */
struct se_post {
	void (*done)(struct se_post *p, int r, unsigned status, struct octets body);
	/* post.c only */
	struct ev_watch watch;
	struct ev_alarm alarm;
	int fd;
	SSL *ssl;
	bool connected;
	uint8_t *out, *in;
	size_t out_n, out_at, in_n, in_cap;
};

struct se_post_wish {
	SSL_CTX *ctx;
	struct sockaddr_in at;
	const char *host;               /* with or without port; whose certificate is expected */
	const char *path;
	const char *headers;            /* each ended by CR LF */
	struct octets body;
	unsigned patience_ms;
};

/* 0: done() will follow. */
int se_post_start(struct se_post *p, const struct se_post_wish *wish);
void se_post_stop(struct se_post *p);

#endif
