/* sim-module: a virtual cellular module on a pseudo terminal. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "core/util.h"
#include "sim/module/bench.h"
#include "sim/module/cards.h"
#include "sim/module/control.h"
#include "sim/module/tell.h"
#include "version.h"

enum { EXIT_CODE_OK, EXIT_CODE_FAILED, EXIT_CODE_USAGE };

static const char usage[] =
	"Usage: sim-module --pty PATH [OPTION]...\n"
	"       sim-module tell SOCKET LINE...\n"
	"A virtual cellular module on a pseudo terminal, for the host at PATH.\n"
	"\n"
	"  -p, --pty PATH          symbolic link to the port (without: its name is printed)\n"
	"  -c, --control PATH      control socket\n"
	"  -m, --module NAME       personality (quectel-eg25); --list shows all\n"
	"  -b, --baud N            line speed, 0 not paced (115200)\n"
	"      --strict-speed      octets at another speed than the host has set are garbage\n"
	"      --boot-ms N         from power to RDY (the personality's)\n"
	"      --off               without power at first: its PWRKEY line switches it on\n"
	"      --autostart         it starts whenever its supply line brings power\n"
	"      --status-ms N       from a change of power until its STATUS line follows (1500; 20 where\n"
	"                          not paced)\n"
	"      --latency-ms N      until an answer leaves (5; 0 where not paced)\n"
	"      --apdu-ms N         the module's own time per APDU (the personality's; 0 where not "
	"paced)\n"
	"      --register-ms N     from a readable card to registration (500; 20 where not paced)\n"
	"      --imei DIGITS       (860000000000003)\n"
	"      --number DIGITS     its own: messages sent to it come back (+15550100)\n"
	"      --card WHAT         plain; none; euicc:DIR[,personality], the virtual eUICC of "
	"sim-euicc;\n"
	"                          vpcd:PORT, a foreign virtual card that connects on loopback\n"
	"      --iccid DIGITS      of the plain card (8988200000000000017)\n"
	"      --imsi DIGITS       of the plain card (001010123456789)\n"
	"      --pin DIGITS        the plain card asks for this PIN (PUK 12345678)\n"
	"      --card-ms N         the card's own time per APDU, and no more for anything (0; the\n"
	"                          eUICC's: its personality's)\n"
	"      --card-fault ORDER  something that the eUICC does wrong, as sim-euicc --fault; may be\n"
	"                          repeated\n"
	"      --coverage ICCID=KIND  none, home, roaming or denied for cards whose ICCID begins "
	"so,\n"
	"                          * for every card; may be repeated\n"
	"  -f, --fault SPEC        something that goes wrong; may be repeated\n"
	"      --seed N            of everything that happens by chance (1)\n"
	"  -l, --log-level LEVEL   error, warning, info, debug or trace: the line's octets "
	"(warning)\n"
	"      --list              the personalities\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"Prints a line with \"ready\" when the port is there. Exit codes: 0 ended by a signal, 1 "
	"failed,\n"
	"2 wrong option.\n"
	"\n"
	"Faults: name[(arg)][:COMMAND][%percent][@nth][*count]\n"
	"  COMMAND without AT, all where left out; %percent by chance, @nth every nth matching "
	"command,\n"
	"  *count at most so often. Names: no-answer, late(ms), garbage(octets), lose(octets), "
	"split(ms),\n"
	"  urc, truncated, error, cme(code), reset, hang-up(ms), hang(1 until its RESET line, 2 until\n"
	"  PWRKEY, 3 until it loses its supply).\n"
	"  For example: urc%20   late(4000):+COPS@3*1   error:+CGLA%5   reset:+CSQ@400*1\n"
	"\n"
	"Control socket, one line each, answered by \"ok\" or \"error: \":\n";

enum {
	OPT_STRICT = 256,
	OPT_BOOT,
	OPT_OFF,
	OPT_AUTOSTART,
	OPT_STATUS,
	OPT_LATENCY,
	OPT_APDU,
	OPT_REGISTER,
	OPT_IMEI,
	OPT_NUMBER,
	OPT_CARD,
	OPT_ICCID,
	OPT_IMSI,
	OPT_PIN,
	OPT_CARD_MS,
	OPT_CARD_FAULT,
	OPT_COVERAGE,
	OPT_SEED,
	OPT_LIST,
};

static const struct option options[] = {
	{ "pty", required_argument, NULL, 'p' },
	{ "control", required_argument, NULL, 'c' },
	{ "module", required_argument, NULL, 'm' },
	{ "baud", required_argument, NULL, 'b' },
	{ "strict-speed", no_argument, NULL, OPT_STRICT },
	{ "boot-ms", required_argument, NULL, OPT_BOOT },
	{ "off", no_argument, NULL, OPT_OFF },
	{ "autostart", no_argument, NULL, OPT_AUTOSTART },
	{ "status-ms", required_argument, NULL, OPT_STATUS },
	{ "latency-ms", required_argument, NULL, OPT_LATENCY },
	{ "apdu-ms", required_argument, NULL, OPT_APDU },
	{ "register-ms", required_argument, NULL, OPT_REGISTER },
	{ "imei", required_argument, NULL, OPT_IMEI },
	{ "number", required_argument, NULL, OPT_NUMBER },
	{ "card", required_argument, NULL, OPT_CARD },
	{ "iccid", required_argument, NULL, OPT_ICCID },
	{ "imsi", required_argument, NULL, OPT_IMSI },
	{ "pin", required_argument, NULL, OPT_PIN },
	{ "card-ms", required_argument, NULL, OPT_CARD_MS },
	{ "card-fault", required_argument, NULL, OPT_CARD_FAULT },
	{ "coverage", required_argument, NULL, OPT_COVERAGE },
	{ "fault", required_argument, NULL, 'f' },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "log-level", required_argument, NULL, 'l' },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

#define COVERAGE_MAX 32
#define CARD_FAULTS_MAX 16

struct settings {
	const char *pty, *control, *module, *card;
	uint32_t baud, boot_ms, seed;
	int latency_ms, apdu_ms, register_ms, status_ms;        /* -1: by the speed */
	int card_ms;                    /* -1: the card's own */
	bool strict, off, autostart;
	const char *imei, *number;
	struct plain_sim_options plain;
	const char *coverage[COVERAGE_MAX], *faults[FAULTS_MAX], *card_faults[CARD_FAULTS_MAX];
	size_t coverage_n, faults_n, card_faults_n;
	enum log_level level;
};

static struct bench bench;
static struct control control = { .fd = -1 };

static int wrong(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "sim-module: %s '%s': expected %s\n", option, value, expected);
	return EXIT_CODE_USAGE;
}

/* -1: go on; else the exit code. */
static int number(const char *option, uint32_t high, uint32_t *ret)
{
	uint32_t v;

	if (text_to_u32(text_of(optarg), 10, &v) < 0 || v > high)
		return wrong(option, optarg, "a number");
	*ret = v;
	return -1;
}

static int milliseconds(const char *option, int *ret)
{
	uint32_t v = 0;
	int r = number(option, 3600000, &v);

	*ret = (int)v;
	return r;
}

static int list_personalities(void)
{
	const struct persona *p;

	for (size_t i = 0; (p = persona_at(i)); i++)
		printf("%-28s %s %s%s%s\n", p->name, p->cgmi, p->cgmm, p->about ? ": " : "",
		       p->about ? p->about : "");
	return EXIT_CODE_OK;
}

static int help(void)
{
	fputs(usage, stdout);
	fputs(control_help, stdout);
	return EXIT_CODE_OK;
}

static int take_option(struct settings *s, int option)
{
	int r;

	switch (option) {
	case 'p': s->pty = optarg; break;
	case 'c': s->control = optarg; break;
	case 'm': s->module = optarg; break;
	case 'b': return number("--baud", 4000000, &s->baud);
	case OPT_STRICT: s->strict = true; break;
	case OPT_BOOT: return number("--boot-ms", 3600000, &s->boot_ms);
	case OPT_OFF: s->off = true; break;
	case OPT_AUTOSTART: s->autostart = true; break;
	case OPT_STATUS: return milliseconds("--status-ms", &s->status_ms);
	case OPT_LATENCY: return milliseconds("--latency-ms", &s->latency_ms);
	case OPT_APDU: return milliseconds("--apdu-ms", &s->apdu_ms);
	case OPT_REGISTER: return milliseconds("--register-ms", &s->register_ms);
	case OPT_IMEI: s->imei = optarg; break;
	case OPT_NUMBER: s->number = optarg; break;
	case OPT_CARD: s->card = optarg; break;
	case OPT_ICCID: s->plain.iccid = optarg; break;
	case OPT_IMSI: s->plain.imsi = optarg; break;
	case OPT_PIN: s->plain.pin = optarg; break;
	case OPT_CARD_MS:
		r = milliseconds("--card-ms", &s->card_ms);
		s->plain.answer_ms = (unsigned)s->card_ms;
		return r;
	case OPT_CARD_FAULT:
		if (s->card_faults_n == CARD_FAULTS_MAX)
			return wrong("--card-fault", optarg, "fewer of them");
		s->card_faults[s->card_faults_n++] = optarg;
		break;
	case OPT_COVERAGE:
		if (s->coverage_n == COVERAGE_MAX)
			return wrong("--coverage", optarg, "fewer of them");
		s->coverage[s->coverage_n++] = optarg;
		break;
	case 'f':
		if (s->faults_n == FAULTS_MAX)
			return wrong("--fault", optarg, "fewer of them");
		s->faults[s->faults_n++] = optarg;
		break;
	case OPT_SEED: return number("--seed", UINT32_MAX, &s->seed);
	case 'l':
		if (log_level_from(text_of(optarg), &s->level) < 0)
			return wrong("--log-level", optarg, "error, warning, info, debug, trace");
		break;
	case OPT_LIST: return list_personalities();
	case 'h': return help();
	case 'V': puts("sim-module " CELLMUX_VERSION); return EXIT_CODE_OK;
	default:
		fputs("Try 'sim-module --help'.\n", stderr);
		return EXIT_CODE_USAGE;
	}
	return -1;
}

static int read_command_line(struct settings *s, int argc, char **argv)
{
	int c, r;

	while ((c = getopt_long(argc, argv, "p:c:m:b:f:l:hV", options, NULL)) != -1) {
		r = take_option(s, c);
		if (r >= 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "sim-module: unexpected '%s'\n", argv[optind]);
		return EXIT_CODE_USAGE;
	}
	return -1;
}

/* --- putting it together -------------------------------------------------------------------------- */

static int open_card(const struct settings *s, struct cards_given *ret)
{
	char why[CARDS_WHY_MAX];
	int r = cards_open(s->card, &s->plain, s->card_ms, ret, why);

	for (size_t i = 0; r == 0 && i < s->card_faults_n; i++)
		if (!ret->card || card_fault(ret->card, s->card_faults[i]) < 0)
			return wrong("--card-fault", s->card_faults[i], "an order that the card understands");
	if (r == 0)
		return -1;
	fprintf(stderr, "sim-module: --card: %s\n", why);
	return r == -EINVAL ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

static int set_coverage(const struct settings *s)
{
	for (size_t i = 0; i < s->coverage_n; i++) {
		struct text kind = text_of(s->coverage[i]), iccid = text_cut(&kind, '=');

		if (net_cover(&bench.module.net, iccid, kind) < 0)
			return wrong("--coverage", s->coverage[i],
				     "ICCID=none, home, roaming or denied");
	}
	return -1;
}

static int set_faults(const struct settings *s)
{
	char why[FAULT_WHY_MAX];

	for (size_t i = 0; i < s->faults_n; i++) {
		if (faults_add(&bench.module.faults, text_of(s->faults[i]), why) < 0) {
			fprintf(stderr, "sim-module: --fault: %s\n", why);
			return EXIT_CODE_USAGE;
		}
	}
	return -1;
}

static int by_speed(int given, const struct settings *s, int paced, int unpaced)
{
	return given >= 0 ? given : s->baud ? paced : unpaced;
}

static int build(const struct settings *s)
{
	struct module_options o = {
		.imei = s->imei, .number = s->number, .boot_ms = s->boot_ms, .seed = s->seed,
		.latency_ms = (unsigned)by_speed(s->latency_ms, s, 5, 0),
		.ms_per_apdu = by_speed(s->apdu_ms, s, -1, 0),
		.reg_ms = (unsigned)by_speed(s->register_ms, s, 500, 20),
		.status_ms = (unsigned)by_speed(s->status_ms, s, 1500, 20),
	};
	const struct persona *persona = persona_find(s->module);
	struct cards_given given;
	int r;

	if (!persona)
		return wrong("--module", s->module, "a name that --list shows");
	if (!text_all_digits(text_of(s->imei)) || strlen(s->imei) != 15)
		return wrong("--imei", s->imei, "15 digits");
	r = open_card(s, &given);
	if (r >= 0)
		return r;
	bench.baud = s->baud;
	bench.strict_speed = s->strict;
	bench.pty.link = s->pty;
	bench_init(&bench, persona, &o);
	bench.start_off = s->off;
	bench.module.lines.autostart = s->autostart;
	slot_give_card(&bench.module.slot, given.card, given.inserted);
	r = set_coverage(s);
	return r >= 0 ? r : set_faults(s);
}

static void on_signal(struct ev_catch *c)
{
	(void)c;
	ev_quit();
}

static int run(const struct settings *s)
{
	struct ev_catch terminated = { .caught = on_signal }, interrupted = { .caught = on_signal };
	char why[PTY_WHY_MAX];
	int r;

	if (s->control && (r = control_open(&control, &bench, s->control)) < 0) {
		fprintf(stderr, "sim-module: %s: %s\n", s->control, strerror(-r));
		return EXIT_CODE_FAILED;
	}
	if (bench_plug(&bench, why) < 0) {
		fprintf(stderr, "sim-module: %s\n", why);
		return EXIT_CODE_FAILED;
	}
	ev_catch_start(&terminated, SIGTERM);
	ev_catch_start(&interrupted, SIGINT);
	printf("sim-module: ready on %s%s%s\n", s->pty ? s->pty : "", s->pty ? " -> " : "",
	       bench.pty.slave);
	fflush(stdout);
	ev_main();
	ev_catch_stop(&terminated);
	ev_catch_stop(&interrupted);
	return EXIT_CODE_OK;
}

int main(int argc, char **argv)
{
	struct settings s = {
		.module = "quectel-eg25",
		.card = "plain",
		.baud = 115200,
		.seed = 1,
		.imei = "860000000000003",
		.number = "+15550100",
		.latency_ms = -1,
		.apdu_ms = -1,
		.register_ms = -1,
		.status_ms = -1,
		.card_ms = -1,
		.level = LOG_LEVEL_WARNING,
		.plain = { .iccid = "8988200000000000017",
			   .imsi = "001010123456789",
			   .mnc_digits = 2 },
	};
	int r;

	if (argc >= 4 && !strcmp(argv[1], "tell"))
		return tell(argv[2], argv + 3, argc - 3);
	r = read_command_line(&s, argc, argv);
	if (r >= 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	log_set_level(s.level);
	/* select(), whose timeouts are finer than milliseconds: the pace of a fast line is. */
	setenv("LIBEV_FLAGS", "1", 0);
	if (ev_open() < 0) {
		fputs("sim-module: the kernel offers nothing to wait with\n", stderr);
		return EXIT_CODE_FAILED;
	}
	r = build(&s);
	if (r < 0) {
		r = run(&s);
		control_close(&control);
		bench_stop(&bench);
	}
	ev_close();
	return r;
}
