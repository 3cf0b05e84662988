/*
 * ESipa over CoAP and DTLS, beside HTTPS and on the same queues: esipa-coap.md of our reference.
 * CoAP's messages and DTLS are libcoap's; blocks, duplicates and the time of an acknowledgement
 * are handled here, since peers differ in them. Everything passes through a network of our own
 * (lossy.h), which also does what libcoap cannot be made to do.
 *
 * Built without libcoap, se_coap_start() says so (https_only.c).
 */
#ifndef SIM_EIM_COAP_H
#define SIM_EIM_COAP_H

#include "sim/eim/server.h"

#define SE_COAP_KEYS_MAX 16

struct se_coap_wish {
	const char *address;            /* numeric IPv4 */
	uint16_t port;                  /* 0: any; e->coap_port tells */
	const char *path;               /* NULL: gsma/rsp2/asn1 */
	const char *keys[SE_COAP_KEYS_MAX];     /* [IDENTITY=]KEY, KEY as text or hex:… */
	size_t keys_n;
	const char *hint;               /* of the identity; NULL: none */
	const char *habits;             /* see se_coap_habit_help; NULL: none */
	const char *net;                /* rules of lossy.h; NULL: none */
};

extern const char se_coap_habit_help[];

/*
 * Habits that decide over the suites of a TLS library that reads its configuration once, when it is
 * loaded: writes one below dir and starts the program anew with these arguments. Returns where
 * nothing of that is needed, or it has been done.
 */
void se_coap_prepare(const char *dir, const struct se_coap_wish *wish, char *const *argv);
/* 0, or -errno and a line in why. Sets s->coap. */
int se_coap_start(struct se_server *s, const struct se_coap_wish *wish, char why[256]);
void se_coap_stop(struct se_server *s);

#endif
