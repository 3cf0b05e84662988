/*
 * Profile downloads as a fleet's eIM orders them, with sim-eim and sim-smdp as programs, the
 * virtual eUICC in hand and a small IPA between them: indirectly through the eIM, and directly.
 */
#include "support/test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ev.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "support/hand.h"
#include "support/mini_lpa.h"
#include "support/mini_rsp.h"
#include "support/rig.h"

#define PKI "tests/vectors/rsp/pki/"
#define EID "89049032000000000000000000000163"
#define ICCID "89000123456789012349"
#define HOST "smdpp.rsp.test"
#define DS_HOST "ds.rsp.test"
#define CODE "LPA:1$" HOST "$TRAVEL-1"

static const char *argv0;

struct bed {
	struct rig rig;
	struct rig_program *eim, *dp, *ran;
	struct hand hand;
	struct mini_ipa ipa, es9;
	struct mini_rsp rsp;
	struct mini_lpa lpa;
	uint16_t eim_port, dp_port;
	const char *pki;
	char ca[96];
};

/* --- programs --------------------------------------------------------------------------------- */

static void good(struct bed *b, int code)
{
	if (code)
		fail_msg("exit code %d: %s", code, b->ran->said);
}

#define EIM(b, ...)  eim(b, __VA_ARGS__, NULL)
#define SMDP(b, ...) smdp(b, __VA_ARGS__, NULL)

static int run(struct bed *b, const char *name, char **argv, int n, const char *word, va_list ap)
{
	argv[n++] = (char *)word;
	while (n < RIG_ARGS - 1 && (argv[n] = va_arg(ap, char *)))
		n++;
	b->ran = rig_startv(&b->rig, name, argv);
	return rig_wait_end(b->ran, 30000);
}

static int eim(struct bed *b, const char *word, ...)
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

static int smdp(struct bed *b, const char *word, ...)
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

static uint16_t port_of(struct rig_program *p)
{
	const char *at;

	if (!rig_wait_for(p, "ready: port ", 0, 20000) || !rig_wait_for(p, "\n", 0, 1000))
		fail_msg("not ready: %s", p->said);
	at = strstr(p->said, "ready: port ") + 12;
	return (uint16_t)strtoul(at, NULL, 10);
}

static struct octets es10_of_rsp(struct mini_rsp *d, struct octets command)
{
	return hand_es10(&container_of(d, struct bed, rsp)->hand, command);
}

static struct octets es10_of_lpa(struct mini_lpa *l, struct octets command)
{
	return hand_es10(&container_of(l, struct bed, lpa)->hand, command);
}

/* ES9+ straight to the SM-DP+. */
static int post_es9(struct mini_lpa *l, const char *function, const char *body,
		    struct sdp_blob *ret)
{
	struct bed *b = container_of(l, struct bed, lpa);
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

static void serve_eim(struct bed *b)
{
	char at[32];

	snprintf(at, sizeof(at), "127.0.0.1:%u", b->dp_port);
	b->eim = rig_start(&b->rig, "sim-eim", "serve", rig_path(&b->rig, "eim"), "--quiet", "--smdp",
			   at, NULL);
	b->eim_port = b->ipa.port = port_of(b->eim);
}

static void serve_smdp(struct bed *b)
{
	b->dp = rig_start(&b->rig, "sim-smdp", "serve", rig_path(&b->rig, "dp"), "--port", "0",
			  "--log-level", "error", NULL);
	b->dp_port = b->es9.port = port_of(b->dp);
}

static void know_the_ipa(struct bed *b)
{
	size_t n;

	b->rsp.eim = &b->ipa;
	b->rsp.es10 = es10_of_rsp;
	assert_int_equal(hex_decode(TEXT(EID), b->rsp.eid, sizeof(b->rsp.eid), &n), 0);
}

/* The servers, a card that knows the SM-DP+'s CI, an IPA that has nothing in its hands yet. */
static void bed_open(struct bed *b, const char *curve)
{
	char eum[96], euicc[96];
	struct euicc_recipe card = { .eid = text_of(EID), .personality = "iot",
				     .version = VE_SGP32_12 };
	static char pki[64];

	memset(b, 0, sizeof(*b));
	snprintf(pki, sizeof(pki), PKI "%s", curve);
	b->pki = pki;
	snprintf(b->ca, sizeof(b->ca), "%s/ci.pem", pki);
	snprintf(eum, sizeof(eum), "%s/eum.der", pki);
	snprintf(euicc, sizeof(euicc), "%s/euicc.der", pki);
	rig_open(&b->rig, argv0);
	good(b, rig_run(&b->rig, &b->ran, "sim-smdp", "--init", rig_path(&b->rig, "dp"), "--pki",
			pki, "--host", HOST, "--sm-ds", DS_HOST, NULL));
	good(b, rig_run(&b->rig, &b->ran, "sim-eim", "init", rig_path(&b->rig, "eim"), "--pki", pki,
			"--indirect", NULL));
	mini_ipa_open(&b->ipa, b->ca, 0);
	mini_ipa_open(&b->es9, b->ca, 0);
	b->es9.host = HOST;
	b->es9.type = "application/json";
	serve_smdp(b);
	serve_eim(b);
	good(b, EIM(b, "card", EID, "--eum-cert", eum, "--euicc-cert", euicc));
	card.dir = rig_path(&b->rig, "card");
	card.pki[0] = pki;
	hand_open(&b->hand, &card);
	know_the_ipa(b);
	b->lpa.es10 = es10_of_lpa;
	b->lpa.post = post_es9;
}

static void bed_close(struct bed *b)
{
	mini_rsp_done(&b->rsp);
	mini_lpa_done(&b->lpa);
	mini_ipa_close(&b->ipa);
	mini_ipa_close(&b->es9);
	hand_close(&b->hand);
	rig_close(&b->rig);
}

static void add_profile(struct bed *b)
{
	good(b, SMDP(b, "add", "--iccid", ICCID, "--matching-id", "TRAVEL-1", "--name", "Travel",
		     "--size", "9000"));
}

/* The download came this far; else with what the eIM has in its log. */
static void expect_end(struct bed *b, int end, int wanted)
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
static void expect_told(struct bed *b)
{
	good(b, SMDP(b, "wait", ICCID, "installed", "--timeout", "20"));
	good(b, SMDP(b, "notifications", "--json", "--wait", "--timeout", "20"));
	assert_non_null(strstr(b->ran->said, "\"verdict\":\"verified\""));
	assert_non_null(strstr(b->ran->said, "\"deliveries\":1"));
}

/* The eIM's account of its only package: one verified result, and it succeeded. */
static void expect_account(struct bed *b, const char *said)
{
	good(b, EIM(b, "results", EID, "--wait", "20"));
	if (!strstr(b->ran->said, said))
		fail_msg("\"%s\" is missing: %s", said, b->ran->said);
}

/* --- tests ------------------------------------------------------------------------------------ */

static const char *const curves[] = { "nist", "brp" };

static void a_profile_comes_through_the_eim_on_both_curves(void **state)
{
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		bed_open(&b, curves[i]);
		add_profile(&b);
		good(&b, EIM(&b, "queue", EID, "download", CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		assert_int_equal(b.rsp.order, MINI_RSP_CODE);
		expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		expect_account(&b, "installed");
		expect_told(&b);
		bed_close(&b);
	}
}

static void a_profile_comes_straight_from_the_server_on_both_curves(void **state)
{
	static struct bed b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		bed_open(&b, curves[i]);
		add_profile(&b);
		good(&b, EIM(&b, "queue", EID, "download", CODE));
		assert_true(mini_rsp_fetch(&b.rsp));
		b.lpa.address = b.rsp.address;
		b.lpa.matching_id = b.rsp.matching_id;
		expect_end(&b, mini_lpa_download(&b.lpa), MINI_INSTALLED);
		sdp_blob_set(&b.rsp.result, sdp_blob_octets(&b.lpa.result));
		mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);
		expect_account(&b, "installed");
		expect_told(&b);
		bed_close(&b);
	}
}

/* --- the README ------------------------------------------------------------------------------- */

#define README "tests/sim/eim/README.md"
#define HEADING "## Downloads, step by step"

/* A port that is free now and that nobody is given without asking for it. */
static unsigned free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static unsigned next;
	int fd, r;

	for (unsigned tries = 0; tries < 1000; tries++) {
		unsigned port = 20000 + ((unsigned)getpid() * 16 + next++) % 12000;

		at.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		r = bind(fd, (struct sockaddr *)&at, sizeof(at));
		close(fd);
		if (r == 0)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

static void replace(char *text, size_t cap, const char *old, const char *new)
{
	size_t old_n = strlen(old), new_n = strlen(new);

	for (char *at = text; (at = strstr(at, old)); at += new_n) {
		assert_true(strlen(text) + new_n - old_n < cap);
		memmove(at + new_n, at + old_n, strlen(at + old_n) + 1);
		memcpy(at, new, new_n);
	}
}

/* The blocks of commands below the heading, as they are, but in the rig's directory. */
static size_t read_blocks(struct bed *b, const char *ports[2], char blocks[][4096], size_t max)
{
	static char text[65536];
	FILE *f = fopen(README, "re");
	char *at, *end;
	size_t n = 0;

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	at = strstr(text, HEADING);
	assert_non_null(at);
	end = strstr(at + 3, "\n## ");
	assert_non_null(end);
	*end = '\0';
	while (n < max && (at = strstr(at, "```sh\n"))) {
		at += 6;
		end = strstr(at, "```");
		assert_int_equal(text_copy(text_from(at, (size_t)(end - at)), blocks[n], 4096), 0);
		replace(blocks[n], 4096, "/tmp/fleet", rig_path(&b->rig, "fleet"));
		replace(blocks[n], 4096, "8443", ports[0]);
		replace(blocks[n], 4096, "8444", ports[1]);
		n++;
		at = end + 3;
	}
	return n;
}

/* A server takes the shell's place, so that signals reach it. */
static struct rig_program *start_block(struct bed *b, const char *block, bool server)
{
	static char script[8192];

	snprintf(script, sizeof(script), "set -e\nPATH=\"%s:$PATH\"\n%s%s", b->rig.build,
		 server ? "exec " : "", block);
	return rig_start(&b->rig, "/bin/sh", "-c", script, NULL);
}

static void run_block(struct bed *b, const char *block)
{
	b->ran = start_block(b, block, false);
	good(b, rig_wait_end(b->ran, 60000));
}

static void the_commands_of_the_readme_do_what_it_says(void **state)
{
	static struct bed b;
	static char blocks[8][4096];
	char eim_port[8], dp_port[8], dir[128], pki[96];
	const char *ports[] = { eim_port, dp_port };
	struct euicc_options o = { .times = &(struct ve_times){ 0 } };

	(void)state;
	memset(&b, 0, sizeof(b));
	rig_open(&b.rig, argv0);
	snprintf(eim_port, sizeof(eim_port), "%u", free_port());
	snprintf(dp_port, sizeof(dp_port), "%u", free_port());
	assert_int_equal(read_blocks(&b, ports, blocks, ARRAY_SIZE(blocks)), 5);
	run_block(&b, blocks[0]);
	b.dp = start_block(&b, blocks[1], true);
	b.dp_port = port_of(b.dp);
	b.eim = start_block(&b, blocks[2], true);
	b.eim_port = port_of(b.eim);
	run_block(&b, blocks[3]);

	snprintf(pki, sizeof(pki), "%s/ci.pem", rig_path(&b.rig, "fleet/pki"));
	mini_ipa_open(&b.ipa, pki, b.eim_port);
	snprintf(dir, sizeof(dir), "%s", rig_path(&b.rig, "fleet/card"));
	o.dir = dir;
	hand_take(&b.hand, &o);
	know_the_ipa(&b);
	assert_true(mini_rsp_fetch(&b.rsp));
	expect_end(&b, mini_rsp_download(&b.rsp), MINI_RSP_INSTALLED);
	mini_rsp_deliver(&b.rsp, MINI_RSP_AS_TRIGGER_RESULT);

	run_block(&b, blocks[4]);
	assert_non_null(strstr(b.ran->said, "installed"));
	mini_rsp_done(&b.rsp);
	mini_ipa_close(&b.ipa);
	hand_close(&b.hand);
	rig_close(&b.rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_comes_through_the_eim_on_both_curves),
		cmocka_unit_test(a_profile_comes_straight_from_the_server_on_both_curves),
		cmocka_unit_test(the_commands_of_the_readme_do_what_it_says),
	};
	int r;

	argv0 = argv[0];
	log_set_level(LOG_LEVEL_ERROR);
	if (ev_open() < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	ev_close();
	(void)argc;
	return r;
}
