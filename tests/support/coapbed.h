/*
 * sim-eim over CoAP as a program, libcoap's client and HTTPS's beside it, and the card of the worked
 * examples: what tests of that transport share.
 */
#ifndef SUPPORT_COAPBED_H
#define SUPPORT_COAPBED_H

#include "support/coap_client.h"
#include "support/mini_ipa.h"
#include "support/rig.h"

#define COAPBED_EID "89049032123451234512345678901235"
#define COAPBED_KEY "a secret of ours"
#define COAPBED_CA "tests/vectors/rsp/pki/nist/ci.pem"

struct coapbed {
	struct rig rig;
	struct rig_program *server;
	struct coap_client client;
	struct mini_ipa https;          /* the same eIM */
	struct mini_ipa coap;           /* an IPA whose requests go over the client */
	struct mini_card card;
	uint16_t port;                  /* of CoAP */
	const char *said;               /* by the last command */
};

/* One eIM with these habits, and a client that has its key. */
void coapbed_open(struct coapbed *b, const char *argv0, const char *habits);
void coapbed_close(struct coapbed *b);
/* The server, with one more option if it is not NULL. */
void coapbed_serve(struct coapbed *b, const char *habits, const char *option, const char *value);
/* A new client; key NULL: it goes by the certificate. */
void coapbed_dial(struct coapbed *b, const char *identity, const char *key);
/* The same with one datagram to a request, and block options as the test sets them. */
void coapbed_dial_own_blocks(struct coapbed *b);

/* A sim-eim command: its exit code. */
#define COAPBED_SIM(b, ...) coapbed_sim(b, __VA_ARGS__, NULL)
int coapbed_sim(struct coapbed *b, const char *word, ...);
void coapbed_good(struct coapbed *b, int code);
/* A count of "sim-eim coaps show", by the word behind it. */
unsigned coapbed_counted(struct coapbed *b, const char *word);

/* GetEimPackage: 0 and the content of the answer; or what coap_client_post() says. */
int coapbed_poll(struct coapbed *b, struct octets *ret);
void coapbed_expect_nothing(struct coapbed *b);
/* ProvideEimPackageResult; what is acknowledged leaves the card. */
int coapbed_provide(struct coapbed *b, struct octets alternative);
/*
 * A package fetched, executed and its result brought, as an IPA does it: what was not answered is
 * asked again, in a session that may be new.
 */
void coapbed_exchange(struct coapbed *b);

#endif
