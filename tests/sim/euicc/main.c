/* sim-euicc: makes, shows and runs virtual eUICCs. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "core/file.h"
#include "core/hex.h"
#include "core/log.h"
#include "core/util.h"
#include "sim/euicc/euicc.h"
#include "sim/euicc/fault.h"
#include "sim/euicc/show.h"
#include "sim/euicc/vpcd.h"
#include "version.h"

#define PROFILE_TEXT_MAX 4096
#define TEST_EID "89049032123451234512345678901235"

static const char usage[] =
	"Usage: sim-euicc --init DIR [OPTION]...\n"
	"       sim-euicc --show DIR\n"
	"       sim-euicc --vpcd HOST[:PORT] DIR [OPTION]...\n"
	"A virtual eUICC, of SGP.22 (consumer) or SGP.32 (IoT). What it is and has stays in DIR.\n"
	"\n"
	"Making a card:\n"
	"      --init DIR          a new card in DIR, which is made if it is missing\n"
	"      --eid DIGITS        32 digits (that of the certificate, or " TEST_EID ")\n"
	"      --personality NAME  how it behaves; --list shows the names (classic-consumer)\n"
	"      --edition E         22, 1.0, 1.1, 1.2 or 1.3 (the personality's)\n"
	"      --pki DIR           its certificates and key: ci.der eum.der euicc.der euicc.key.pem;\n"
	"                          may be repeated, the preferred CI first\n"
	"      --profile WHAT      a profile that it has from the beginning; may be repeated. WHAT is a\n"
	"                          file of KEY=VALUE lines, or KEY=VALUE,...: iccid imsi name provider\n"
	"                          nickname spn notify pin apn owner smdp-oid class (test, provisioning,\n"
	"                          operational) mnc-digits ppr size enabled fallback-allowed fallback\n"
	"                          ecall\n"
	"      --default-dp HOST   default SM-DP+\n"
	"      --root-ds HOST      root SM-DS\n"
	"      --memory N          octets for profiles (300000)\n"
	"\n"
	"Running it:\n"
	"      --vpcd HOST[:PORT]  as a card in the virtual reader of vsmartcard (port " VPCD_PORT ")\n"
	"      --personality NAME  behave like this for once\n"
	"      --apdu-ms N --crypto-ms N --segment-ms N --switch-ms N\n"
	"                          how long it thinks (the personality's)\n"
	"  -f, --fault ORDER       WHERE:[after,]WHAT, may be repeated. WHERE is the tag of a function or\n"
	"                          \"apdu\", with #N for the nth time, * for every time; WHAT is sw=6F00\n"
	"                          garbage cut empty delay=MS mute silent reset\n"
	"  -l, --log-level LEVEL   error, warning, info, debug or trace (warning)\n"
	"\n"
	"      --show DIR          print the card in DIR\n"
	"      --list              the personalities\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"Exit codes: 0 done or ended by a signal, 1 failed, 2 wrong option or argument.\n";

enum {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,
	EXIT_CODE_USAGE = 2,
};

enum {
	OPT_INIT = 256, OPT_SHOW, OPT_VPCD, OPT_EID, OPT_PERSONALITY, OPT_EDITION, OPT_PKI,
	OPT_PROFILE, OPT_DEFAULT_DP, OPT_ROOT_DS, OPT_MEMORY, OPT_APDU_MS, OPT_CRYPTO_MS, OPT_SEGMENT_MS,
	OPT_SWITCH_MS, OPT_LIST,
};

static const struct option options[] = {
	{ "init", required_argument, NULL, OPT_INIT },
	{ "show", required_argument, NULL, OPT_SHOW },
	{ "vpcd", required_argument, NULL, OPT_VPCD },
	{ "eid", required_argument, NULL, OPT_EID },
	{ "personality", required_argument, NULL, OPT_PERSONALITY },
	{ "edition", required_argument, NULL, OPT_EDITION },
	{ "pki", required_argument, NULL, OPT_PKI },
	{ "profile", required_argument, NULL, OPT_PROFILE },
	{ "default-dp", required_argument, NULL, OPT_DEFAULT_DP },
	{ "root-ds", required_argument, NULL, OPT_ROOT_DS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "apdu-ms", required_argument, NULL, OPT_APDU_MS },
	{ "crypto-ms", required_argument, NULL, OPT_CRYPTO_MS },
	{ "segment-ms", required_argument, NULL, OPT_SEGMENT_MS },
	{ "switch-ms", required_argument, NULL, OPT_SWITCH_MS },
	{ "fault", required_argument, NULL, 'f' },
	{ "log-level", required_argument, NULL, 'l' },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

struct settings {
	const char *init, *show, *vpcd, *dir;
	struct euicc_recipe recipe;
	struct euicc_profile profiles[VE_PROFILES_MAX];
	char profile_texts[VE_PROFILES_MAX][PROFILE_TEXT_MAX];
	size_t n_pki;
	const char *default_dp, *root_ds;
	uint32_t memory;
	int apdu_ms, crypto_ms, segment_ms, switch_ms;  /* -1: the personality's */
	const char *faults[VE_FAULTS_MAX + 1];
	size_t n_faults;
	enum log_level level;
};

static int wrong(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "sim-euicc: %s '%s': expected %s\n", option, value, expected);
	return EXIT_CODE_USAGE;
}

static int failed(const char *why)
{
	fprintf(stderr, "sim-euicc: %s\n", why);
	return EXIT_CODE_FAILED;
}

/* --- the command line; -1: go on, else the exit code ------------------------------------------ */

static int list_personalities(void)
{
	const struct ve_personality *p;

	for (unsigned i = 0; (p = ve_personality_at(i)) != NULL; i++)
		printf("%-26s edition %s\n", p->name, ve_version_name(p->version));
	return EXIT_CODE_OK;
}

static int milliseconds(const char *option, int *ret)
{
	uint32_t v;

	if (text_to_u32(text_of(optarg), 10, &v) || v > 3600000)
		return wrong(option, optarg, "milliseconds");
	*ret = (int)v;
	return -1;
}

/* A profile in words, or the file that has them. */
static int add_profile(struct settings *s, const char *what)
{
	size_t i = s->recipe.n_profiles, n;
	char why[EUICC_WHY_MAX];
	char *text = s->profile_texts[i];
	int r;

	if (i == VE_PROFILES_MAX)
		return wrong("--profile", what, "fewer of them");
	if (strchr(what, '=')) {
		n = strlen(what);
		r = n < PROFILE_TEXT_MAX ? 0 : -EFBIG;
		if (!r)
			memcpy(text, what, n);
	} else {
		r = file_load(what, text, PROFILE_TEXT_MAX, &n);
	}
	if (r) {
		fprintf(stderr, "sim-euicc: %s: %s\n", what, strerror(-r));
		return EXIT_CODE_FAILED;
	}
	r = euicc_profile_parse(text_from(text, n), &s->profiles[i], why);
	if (r) {
		fprintf(stderr, "sim-euicc: %s\n", why);
		return EXIT_CODE_USAGE;
	}
	s->recipe.profiles = s->profiles;
	s->recipe.n_profiles++;
	return -1;
}

static int take_option(struct settings *s, int option)
{
	switch (option) {
	case OPT_INIT: s->init = optarg; break;
	case OPT_SHOW: s->show = optarg; break;
	case OPT_VPCD: s->vpcd = optarg; break;
	case OPT_EID: s->recipe.eid = text_of(optarg); break;
	case OPT_PERSONALITY:
		if (!ve_personality_find(text_of(optarg)))
			return wrong("--personality", optarg, "a name that --list shows");
		s->recipe.personality = optarg;
		break;
	case OPT_EDITION:
		if (ve_version_from(text_of(optarg), &s->recipe.version))
			return wrong("--edition", optarg, "22, 1.0, 1.1, 1.2 or 1.3");
		break;
	case OPT_PKI:
		if (s->n_pki == VE_CREDENTIALS_MAX)
			return wrong("--pki", optarg, "fewer of them");
		s->recipe.pki[s->n_pki++] = optarg;
		break;
	case OPT_PROFILE: return add_profile(s, optarg);
	case OPT_DEFAULT_DP: s->default_dp = optarg; break;
	case OPT_ROOT_DS: s->root_ds = optarg; break;
	case OPT_MEMORY:
		if (text_to_u32(text_of(optarg), 10, &s->memory) || !s->memory)
			return wrong("--memory", optarg, "octets");
		break;
	case OPT_APDU_MS: return milliseconds("--apdu-ms", &s->apdu_ms);
	case OPT_CRYPTO_MS: return milliseconds("--crypto-ms", &s->crypto_ms);
	case OPT_SEGMENT_MS: return milliseconds("--segment-ms", &s->segment_ms);
	case OPT_SWITCH_MS: return milliseconds("--switch-ms", &s->switch_ms);
	case 'f':
		if (s->n_faults == VE_FAULTS_MAX)
			return wrong("--fault", optarg, "fewer of them");
		s->faults[s->n_faults++] = optarg;
		break;
	case 'l':
		if (log_level_from(text_of(optarg), &s->level) < 0)
			return wrong("--log-level", optarg, "error, warning, info, debug, trace");
		break;
	case OPT_LIST: return list_personalities();
	case 'h': fputs(usage, stdout); return EXIT_CODE_OK;
	case 'V': puts("sim-euicc " CELLMUX_VERSION); return EXIT_CODE_OK;
	default:
		fputs("Try 'sim-euicc --help'.\n", stderr);
		return EXIT_CODE_USAGE;
	}
	return -1;
}

static int read_command_line(struct settings *s, int argc, char **argv)
{
	int c, r;

	while ((c = getopt_long(argc, argv, "f:l:hV", options, NULL)) != -1) {
		r = take_option(s, c);
		if (r >= 0)
			return r;
	}
	if (s->vpcd && optind < argc)
		s->dir = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "sim-euicc: unexpected '%s'\n", argv[optind]);
		return EXIT_CODE_USAGE;
	}
	if (!!s->init + !!s->show + !!s->vpcd != 1 || (s->vpcd && !s->dir)) {
		fputs("sim-euicc: expected --init DIR, --show DIR, or --vpcd HOST:PORT DIR\n"
		      "Try 'sim-euicc --help'.\n", stderr);
		return EXIT_CODE_USAGE;
	}
	return -1;
}

/* --- what it does ----------------------------------------------------------------------------- */

/* What a recipe does not know goes into the state afterwards. */
static int init(struct settings *s)
{
	_cleanup_(freep) struct ve_state *state = calloc(1, sizeof(*state));
	char why[EUICC_WHY_MAX];
	int r;

	s->recipe.dir = s->init;
	if (!s->recipe.eid.n && !s->n_pki)
		s->recipe.eid = TEXT(TEST_EID);
	if (!state)
		return failed(strerror(ENOMEM));
	if (euicc_make(&s->recipe, why))
		return failed(why);
	if (!s->default_dp && !s->root_ds && !s->memory)
		return EXIT_CODE_OK;
	r = ve_state_load(state, s->init);
	if (r)
		return failed(strerror(-r));
	if (s->default_dp)
		blob_set(&state->default_dp, s->default_dp, strlen(s->default_dp));
	if (s->root_ds)
		blob_set(&state->root_ds, s->root_ds, strlen(s->root_ds));
	if (s->memory)
		state->memory = s->memory;
	r = ve_state_save(state);
	ve_state_free(state);
	return r ? failed(strerror(-r)) : EXIT_CODE_OK;
}

static int show(const char *dir)
{
	_cleanup_(freep) struct ve_state *state = calloc(1, sizeof(*state));
	int r = state ? ve_state_load(state, dir) : -ENOMEM;

	if (r) {
		fprintf(stderr, "sim-euicc: %s: %s\n", dir,
			r == -EBADMSG ? "not the state of a card" : strerror(-r));
		return EXIT_CODE_FAILED;
	}
	ve_show(state, stdout);
	ve_state_free(state);
	return EXIT_CODE_OK;
}

static int ended_code;

static void on_ended(struct vpcd *v, const char *why)
{
	(void)v;
	ended_code = failed(why);
	ev_quit();
}

static void on_signal(struct ev_catch *c)
{
	(void)c;
	ev_quit();
}

static int serve(const struct settings *s, struct card *card)
{
	static struct vpcd v = { .ended = on_ended };
	struct ev_catch terminated = { .caught = on_signal }, interrupted = { .caught = on_signal };
	char why[VPCD_WHY_MAX];
	int fd;

	if (vpcd_dial(s->vpcd, &fd, why))
		return failed(why);
	ev_catch_start(&terminated, SIGTERM);
	ev_catch_start(&interrupted, SIGINT);
	vpcd_start(&v, card, fd);
	printf("sim-euicc: in the reader at %s\n", s->vpcd);
	fflush(stdout);
	ev_main();
	ev_catch_stop(&terminated);
	ev_catch_stop(&interrupted);
	vpcd_stop(&v);
	return ended_code;
}

/* Only what was given replaces the personality's times. */
static void set_times(const struct settings *s, struct card *card)
{
	struct ve_times t = euicc_card_times(card);

	if (s->apdu_ms >= 0)
		t.apdu_ms = s->apdu_ms;
	if (s->crypto_ms >= 0)
		t.crypto_ms = s->crypto_ms;
	if (s->segment_ms >= 0)
		t.segment_ms = s->segment_ms;
	if (s->switch_ms >= 0)
		t.switch_ms = s->switch_ms;
	euicc_card_set_times(card, &t);
}

static int run(const struct settings *s)
{
	const struct euicc_options o = {
		.dir = s->dir, .personality = s->recipe.personality, .faults = s->faults,
	};
	struct card *card;
	char why[EUICC_WHY_MAX];
	int r;

	if (ev_open() < 0)
		return failed("the kernel offers nothing to wait with");
	if (euicc_card_open(&o, &card, why)) {
		r = failed(why);
	} else {
		set_times(s, card);
		r = serve(s, card);
		card_free(card);
	}
	ev_close();
	return r;
}

int main(int argc, char **argv)
{
	static struct settings s = {
		.recipe.version = _VE_VERSION_MAX, .level = LOG_LEVEL_WARNING,
		.apdu_ms = -1, .crypto_ms = -1, .segment_ms = -1, .switch_ms = -1,
	};
	int r = read_command_line(&s, argc, argv);

	if (r >= 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	log_set_level(s.level);
	if (s.init)
		return init(&s);
	return s.show ? show(s.show) : run(&s);
}
