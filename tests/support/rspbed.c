#include "support/rspbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/util.h"
#include "support/test.h"

/* --- programs --------------------------------------------------------------------------------- */

void rspbed_good(struct rspbed *b, int code)
{
	if (code)
		fail_msg("exit code %d: %s", code, b->ran->said);
}

static int run(struct rspbed *b, const char *name, char **argv, int n, const char *word, va_list ap)
{
	argv[n++] = (char *)word;
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	b->ran = rig_startv(&b->rig, name, argv);
	return rig_wait_end(b->ran, 30000);
}

int rspbed_eim(struct rspbed *b, const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"--dir",
				 (char *)rig_path(&b->rig, "eim") };
	va_list ap;
	int code;

	va_start(ap, word);
	code = run(b, "sim-eim", argv, 3, word, ap);
	va_end(ap);
	return code;
}

int rspbed_smdp(struct rspbed *b, const char *word, ...)
{
	char *argv[RIG_ARGS] = { (char *)"sim-smdp", (char *)word,
				 (char *)rig_path(&b->rig, "dp") };
	va_list ap;
	int code, n = 3;

	va_start(ap, word);
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	b->ran = rig_startv(&b->rig, "sim-smdp", argv);
	code = rig_wait_end(b->ran, 30000);
	return code;
}

uint16_t rspbed_port_of(struct rig_program *p)
{
	const char *at;

	if (!rig_wait_for(p, "ready: port ", 0, 20000) || !rig_wait_for(p, "\n", 0, 1000))
		fail_msg("not ready: %s", p->said);
	at = strstr(p->said, "ready: port ") + 12;
	return (uint16_t)strtoul(at, NULL, 10);
}

static struct octets es10_of_rsp(struct mini_rsp *d, struct octets command)
{
	return hand_es10(&container_of(d, struct rspbed, rsp)->hand, command);
}

static struct octets es10_of_lpa(struct mini_lpa *l, struct octets command)
{
	return hand_es10(&container_of(l, struct rspbed, lpa)->hand, command);
}

/* ES9+ straight to the SM-DP+. */
static int post_es9(struct mini_lpa *l, const char *function, const char *body,
		    struct sdp_blob *ret)
{
	struct rspbed *b = container_of(l, struct rspbed, lpa);
	char path[96];
	int r;

	snprintf(path, sizeof(path), "/gsma/rsp2/es9plus/%s", function);
	b->es9.path = path;
	r = mini_ipa_post(&b->es9, octets_from(body, strlen(body)));
	if (r < 0)
		return r;
	sdp_blob_set(ret, octets_from(b->es9.body, b->es9.n));
	return (int)b->es9.status;
}

void rspbed_serve_eim(struct rspbed *b)
{
	char at[32];
	char *argv[RIG_ARGS] = { (char *)"sim-eim", (char *)"serve", (char *)rig_path(&b->rig,
			"eim"),
				 (char *)"--quiet", (char *)"--smdp", at };
	int n = 6;

	snprintf(at, sizeof(at), "127.0.0.1:%u", b->dp_port);
	for (size_t i = 0; i < ARRAY_SIZE(b->options) && b->options[i]; i++)
		argv[n++] = (char *)b->options[i];
	b->eim = rig_startv(&b->rig, "sim-eim", argv);
	b->eim_port = b->ipa.port = rspbed_port_of(b->eim);
}

void rspbed_serve_smdp(struct rspbed *b)
{
	b->dp = rig_start(&b->rig, "sim-smdp", "serve", rig_path(&b->rig, "dp"), "--port", "0",
			  "--log-level", "error", NULL);
	b->dp_port = b->es9.port = rspbed_port_of(b->dp);
}

void rspbed_know_the_ipa(struct rspbed *b)
{
	size_t n;

	b->rsp.eim = &b->ipa;
	b->rsp.es10 = es10_of_rsp;
	b->lpa.es10 = es10_of_lpa;
	b->lpa.post = post_es9;
	assert_int_equal(hex_decode(TEXT(RSPBED_EID), b->rsp.eid, sizeof(b->rsp.eid), &n), 0);
}

/* The servers, a card that knows the SM-DP+'s CI, an IPA that has nothing in its hands yet. */
void rspbed_open(struct rspbed *b, const char *argv0, const char *curve)
{
	char eum[96], euicc[96];
	struct euicc_recipe card = { .eid = text_of(RSPBED_EID), .personality = "iot",
				     .version = VE_SGP32_12 };
	static char pki[64];

	const char *options[RSPBED_OPTIONS];

	memcpy(options, b->options, sizeof(options));
	memset(b, 0, sizeof(*b));
	memcpy(b->options, options, sizeof(options));
	snprintf(pki, sizeof(pki), "tests/vectors/rsp/pki/%s", curve);
	b->pki = pki;
	snprintf(b->ca, sizeof(b->ca), "%s/ci.pem", pki);
	snprintf(eum, sizeof(eum), "%s/eum.der", pki);
	snprintf(euicc, sizeof(euicc), "%s/euicc.der", pki);
	rig_open(&b->rig, argv0);
	rspbed_good(b, rig_run(&b->rig, &b->ran, "sim-smdp", "--init", rig_path(&b->rig, "dp"),
			"--pki",
			pki, "--host", RSPBED_HOST, "--sm-ds", RSPBED_DS_HOST, NULL));
	rspbed_good(b, rig_run(&b->rig, &b->ran, "sim-eim", "init", rig_path(&b->rig, "eim"),
			"--pki", pki,
			"--indirect", NULL));
	mini_ipa_open(&b->ipa, b->ca, 0);
	mini_ipa_open(&b->es9, b->ca, 0);
	b->es9.host = RSPBED_HOST;
	b->es9.type = "application/json";
	rspbed_serve_smdp(b);
	rspbed_serve_eim(b);
	rspbed_good(b, RSPBED_EIM(b, "card", RSPBED_EID, "--eum-cert", eum, "--euicc-cert", euicc));
	card.dir = rig_path(&b->rig, "card");
	card.pki[0] = pki;
	hand_open(&b->hand, &card);
	rspbed_know_the_ipa(b);
}

void rspbed_close(struct rspbed *b)
{
	mini_rsp_done(&b->rsp);
	mini_lpa_done(&b->lpa);
	mini_ipa_close(&b->ipa);
	mini_ipa_close(&b->es9);
	hand_close(&b->hand);
	rig_close(&b->rig);
}

void rspbed_add_profile(struct rspbed *b)
{
	rspbed_good(b, RSPBED_SMDP(b, "add", "--iccid", RSPBED_ICCID, "--matching-id", "TRAVEL-1",
			"--name", "Travel",
		     "--size", "9000"));
}

/* The download came this far; else with what the eIM has in its log. */
void rspbed_expect_end(struct rspbed *b, int end, int wanted)
{
	char log[65536] = "";
	FILE *f;

	if (end == wanted)
		return;
	f = fopen(rig_path(&b->rig, "eim/log.txt"), "re");
	if (f) {
		log[fread(log, 1, sizeof(log) - 1, f)] = '\0';
		fclose(f);
	}
	fail_msg("ended with %d, error %u instead of %d:\n%s", end, b->rsp.error, wanted, log);
}

/* The SM-DP+ has the profile's result, once. */
void rspbed_expect_told(struct rspbed *b)
{
	rspbed_good(b, RSPBED_SMDP(b, "wait", RSPBED_ICCID, "installed", "--timeout", "20"));
	rspbed_good(b, RSPBED_SMDP(b, "notifications", "--json", "--wait", "--timeout", "20"));
	assert_non_null(strstr(b->ran->said, "\"verdict\":\"verified\""));
	assert_non_null(strstr(b->ran->said, "\"deliveries\":1"));
}

/* The eIM's account of its only package: one verified result, and it succeeded. */
void rspbed_expect_account(struct rspbed *b, const char *said)
{
	rspbed_good(b, RSPBED_EIM(b, "results", RSPBED_EID, "--wait", "20"));
	if (!strstr(b->ran->said, said))
		fail_msg("\"%s\" is missing: %s", said, b->ran->said);
}
