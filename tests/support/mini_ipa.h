/*
 * The other side of an eIM, small: an HTTPS client that speaks ESipa, and a card that checks and
 * executes eUICC packages and signs their results. Written from the references alone; for tests of
 * sim-eim, and for whoever needs an IPA that does exactly what the test says and nothing else.
 */
#ifndef SUPPORT_MINI_IPA_H
#define SUPPORT_MINI_IPA_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec/tlv.h"

/* --- the card --------------------------------------------------------------------------------- */

#define MINI_STORED_MAX 32
#define MINI_PROFILES 2

struct mini_stored {
	uint32_t seq;
	uint8_t octets[2048];
	size_t n;
};

struct mini_card {
	uint8_t eid[16];
	EVP_PKEY *key;                  /* the eUICC's */
	struct octets eum, euicc;       /* certificates, whole */
	const char *eim_id;
	EVP_PKEY *eim_key;              /* from its configuration */
	int32_t token;                  /* 0 none */
	uint32_t counter, seq;
	uint8_t iccid[MINI_PROFILES][10];
	int enabled;                    /* which profile, -1 none */
	unsigned executed;              /* packages */
	struct mini_stored results[MINI_STORED_MAX], notes[MINI_STORED_MAX];
	size_t results_n, notes_n;
};

/* Executes BF51 whole. The result, BF51 whole, in static storage; stored if it has a number. */
struct octets mini_card_load(struct mini_card *c, struct octets package);
/* A notification of this event bit (0x40 enable …), signed and stored. */
void mini_card_notify(struct mini_card *c, uint8_t event, int profile);
/* RemoveNotificationFromList. False: there was nothing with that number. */
bool mini_card_remove(struct mini_card *c, uint32_t seq);

/* --- the IPA ---------------------------------------------------------------------------------- */

#define MINI_BODY_MAX 262144

struct mini_ipa {
	SSL_CTX *ctx;
	uint16_t port;
	int fd;
	SSL *ssl;                       /* NULL: not connected */
	/* the last answer */
	unsigned status;
	char content_type[64];
	uint8_t body[MINI_BODY_MAX];
	size_t n;
	/* what the next request is to be like, for tests of the server */
	const char *path, *method, *type;
	const char *host;               /* expected in the certificate: localhost */
	unsigned patience_ms;
	/* Another transport than HTTPS: sets status, body and n. 0 or as mini_ipa_post(). */
	int (*carry)(struct mini_ipa *i, struct octets request);
};

/* Trusts the certificates in this file (PEM or DER). */
void mini_ipa_open(struct mini_ipa *i, const char *ca, uint16_t port);
void mini_ipa_close(struct mini_ipa *i);
void mini_ipa_hang_up(struct mini_ipa *i);
/*
 * 0: an answer has come, see status, content_type, body. -ECONNREFUSED, -ECONNRESET (closed before
 * the end), -ETIMEDOUT, -EBADMSG (not HTTP), -EPROTO (no TLS).
 */
int mini_ipa_post(struct mini_ipa *i, struct octets request);
/* Octets as they are on the connection, and whatever comes as the answer. */
int mini_ipa_raw(struct mini_ipa *i, struct octets request);

/* GetEimPackage: the content of the answer, empty if none came. */
struct octets mini_ipa_get(struct mini_ipa *i, const struct mini_card *c);
/*
 * ProvideEimPackageResult with the EID, this alternative, and the stored notifications beside a
 * package result. Removes what is acknowledged. 0 or as mini_ipa_post().
 */
int mini_ipa_provide(struct mini_ipa *i, struct mini_card *c, struct octets alternative);
/* An answer to an IpaEuiccDataRequest, BF52 whole: certificates, token, results as asked for. */
struct octets mini_ipa_data(struct mini_card *c, struct octets request);
/*
 * The whole retrieval: polls, executes, delivers, until nothing is queued or something fails.
 * Stored results are delivered first. How many packages it dealt with, or a negative errno.
 */
int mini_ipa_run(struct mini_ipa *i, struct mini_card *c);

#endif
