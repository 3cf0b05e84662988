/*
 * A virtual eUICC that stands where a recorded download of tests/vectors/rsp/session began, and
 * what tests need to make that download's messages again, changed.
 */
#ifndef SUPPORT_RSPCARD_H
#define SUPPORT_RSPCARD_H

#include <stddef.h>

#include "sim/euicc/crypto.h"
#include "support/hexjson.h"
#include "support/talk.h"

#define RSP_VECTORS "tests/vectors/rsp/"

struct rspcard {
	struct talk talk;
	struct json_object *v;          /* the session */
	const char *pki;                /* "nist" or "brp" */
	enum ve_curve curve;
};

/* personality: NULL for "iot". The card has its ISD-R selected. */
void rspcard_open(struct rspcard *c, const char *session, const char *personality);
void rspcard_close(struct rspcard *c);

/* EUICCInfo2 as in this euiccSigned1: what the card says of itself would differ otherwise. */
void rspcard_take_info(struct ve_state *s, struct octets signed1);
/* Numbers the card gives next, as the recorded result tells. */
void rspcard_count_as_recorded(struct rspcard *c);
/* The card draws the recorded challenge and takes the recorded messages. Fails the test if not. */
void rspcard_authenticate(struct rspcard *c);
void rspcard_prepare(struct rspcard *c);

/* All of it, up to where the package is due; the retry's card has the key pair of the first try. */
void rspcard_ready(struct rspcard *c, const char *session, const char *personality);
/* The recorded ProfileInstallationResult of a failure. */
const char *rspcard_recorded_result(struct rspcard *c, int command, int reason);

/* Sends a member of the session. */
const char *rspcard_send(struct rspcard *c, const char *member);
const char *rspcard_send_octets(struct rspcard *c, struct octets command);
/* The digits are the same, in either case. */
void rspcard_same(const char *got, const char *wanted);
/* pki/<curve>/<name>.der */
struct octets rspcard_certificate(const struct rspcard *c, const char *name);
/* The secret of pki/<curve>/<name>.key.pem; digits as the index has them. */
struct octets rspcard_secret(const struct rspcard *c, const char *name);

#endif
