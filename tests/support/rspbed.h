/*
 * sim-eim and sim-smdp as programs, the virtual eUICC in hand and a small IPA between them: what
 * tests of downloads share.
 */
#ifndef SUPPORT_RSPBED_H
#define SUPPORT_RSPBED_H

#include "support/hand.h"
#include "support/mini_lpa.h"
#include "support/mini_rsp.h"
#include "support/rig.h"

#define RSPBED_EID "89049032000000000000000000000163"
#define RSPBED_ICCID "89000123456789012349"
#define RSPBED_HOST "smdpp.rsp.test"
#define RSPBED_DS_HOST "ds.rsp.test"
#define RSPBED_CODE "LPA:1$" RSPBED_HOST "$TRAVEL-1"
#define RSPBED_OPTIONS 8

struct rspbed {
	struct rig rig;
	struct rig_program *eim, *dp, *ran;
	struct hand hand;
	struct mini_ipa ipa, es9;
	struct mini_rsp rsp;
	struct mini_lpa lpa;
	uint16_t eim_port, dp_port;
	const char *pki;
	char ca[96];
	const char *options[RSPBED_OPTIONS];    /* more for sim-eim serve, NULL at the end; kept */
};

/*
 * The servers with certificates of this curve ("nist", "brp"), a card that trusts its CI, an IPA
 * that has nothing in its hands yet. b is zeroed, but for its options.
 */
void rspbed_open(struct rspbed *b, const char *argv0, const char *curve);
void rspbed_close(struct rspbed *b);
void rspbed_serve_eim(struct rspbed *b);
void rspbed_serve_smdp(struct rspbed *b);
/* The port in a server's line "ready: port …". */
uint16_t rspbed_port_of(struct rig_program *p);
/* Only the IPA: its eIM, card and EID. */
void rspbed_know_the_ipa(struct rspbed *b);

/* Commands: their exit codes; what they said is in b->ran. */
#define RSPBED_EIM(b, ...)  rspbed_eim(b, __VA_ARGS__, NULL)
#define RSPBED_SMDP(b, ...) rspbed_smdp(b, __VA_ARGS__, NULL)
int rspbed_eim(struct rspbed *b, const char *word, ...);
int rspbed_smdp(struct rspbed *b, const char *word, ...);
void rspbed_good(struct rspbed *b, int code);

/* The profile RSPBED_CODE is about. */
void rspbed_add_profile(struct rspbed *b);
/* The download came this far; else the test fails with what the eIM has in its log. */
void rspbed_expect_end(struct rspbed *b, int end, int wanted);
/* The SM-DP+ has the profile's result, once. */
void rspbed_expect_told(struct rspbed *b);
/* The eIM's account of its only package: one verified result, and it succeeded, saying this. */
void rspbed_expect_account(struct rspbed *b, const char *said);

#endif
