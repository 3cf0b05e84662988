/* The command-line client of cellmuxd: options, commands, help. */
#include "cellmuxctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "cellmuxctl_print.h"
#include "core/text.h"
#include "core/util.h"
#include "version.h"

#define TIMEOUT_MAX_S 604800

static const char usage[] =
	"Usage: cellmuxctl [OPTION]... COMMAND [ARGUMENT]...\n"
	"Asks the daemon cellmuxd about its cellular module, and tells it what to do.\n"
	"\n"
	"  status                  everything known about the module\n"
	"  watch                   a line for everything that changes\n"
	"  at COMMAND              send one AT command and show the answer\n"
	"  modem reset             restart the module\n"
	"  modem power-cycle       switch it off and on by its power lines\n"
	"  profiles                what is on the eUICC\n"
	"  profile ACTION ICCID    enable, disable, delete or nickname, where the card allows it\n"
	"  profile download CODE   get a profile from its SM-DP+\n"
	"  euicc                   the eUICC itself\n"
	"  eims                    the eIMs that may manage it\n"
	"  notifications           what waits on the card to be delivered\n"
	"  ipa status              the eIMs: visits, problems, what was done for them\n"
	"  ipa poll [EIM]          visit them now\n"
	"  eim add FILE            the first eIM of an eUICC that has none\n"
	"  job ID                  how far a job is\n"
	"  log [LEVEL]             show or set what the daemon logs\n"
	"  hello                   who the daemon is and what you may do\n"
	"\n"
	"  -S, --socket PATH       of the daemon ($CELLMUX_SOCKET, or\n"
	"                          " CLIENT_SOCKET ")\n"
	"      --json              the daemon's answer as it is, one JSON object per line\n"
	"      --color WHEN        auto, always or never (auto: on a terminal, unless $NO_COLOR is set)\n"
	"  -v, --verbose           more details\n"
	"  -h, --help              this text, or that of a command: cellmuxctl watch --help\n"
	"  -V, --version           the version\n"
	"\n"
	"Exit codes: 0 done, 1 the daemon said no, 2 wrong option or argument, 3 no connection to the\n"
	"daemon, 4 the time ran out, 5 the module answered with an error. See cellmuxctl(1).\n";

enum {
	OPT_JSON = 256, OPT_COLOR, OPT_UNTIL, OPT_TIMEOUT, OPT_BODY, OPT_NO_WAIT, OPT_NO_REFRESH,
	OPT_CANCEL, OPT_CONFIRMATION,
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, 'S' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "until", required_argument, NULL, OPT_UNTIL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "body", required_argument, NULL, OPT_BODY },
	{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "no-refresh", no_argument, NULL, OPT_NO_REFRESH },
	{ "cancel", no_argument, NULL, OPT_CANCEL },
	{ "confirmation-code", required_argument, NULL, OPT_CONFIRMATION },
	{ 0 }
};

static const struct command {
	const char *name;
	int min_args, max_args;
	int own[2];             /* its options beside the general ones */
	enum end (*check)(const struct request *r);
	enum end (*run)(struct request *r);
	const char *help;
} commands[] = {
	{ "status", 0, 0, { OPT_NO_REFRESH }, NULL, run_status,
	  "Usage: cellmuxctl status [--no-refresh]\n"
	  "Shows the state of the module, its port, identity, card, network, signal and last problem, the\n"
	  "eUICC, eIMs that could not be visited, and the virtual ports.\n"
	  "\n"
	  "      --no-refresh        do not ask the module for its signal first (3 s at most)\n"
	  "  -v, --verbose           registration by domain, IMSI, the daemon and its counters as well\n"
	  "\n"
	  "Signal is good from RSRP -95 dBm, RSRQ -13 dB and SINR 10 dB on, fair from -110 dBm, -18 dB\n"
	  "and 0 dB on; the worst counts. RSSI (-75, -95 dBm) counts where nothing else is known.\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl status --json | jq -r .modem.network.operator\n" },
	{ "watch", 0, 0, { OPT_UNTIL, OPT_TIMEOUT }, check_watch, run_watch,
	  "Usage: cellmuxctl watch [--until STATE] [--timeout SECONDS]\n"
	  "Shows what is known, then a line with the local time for everything that changes.\n"
	  "\n"
	  "      --until STATE       end when the module is absent, powering, syncing, identifying,\n"
	  "                          sim, ready or lost; at once if it is so already\n"
	  "      --timeout SECONDS   end after that time with exit code 4\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl watch --until ready --timeout 120 && echo online\n" },
	{ "at", 1, 1, { OPT_TIMEOUT, OPT_BODY }, check_at, run_at,
	  "Usage: cellmuxctl at COMMAND [--timeout SECONDS] [--body TEXT]\n"
	  "Sends one AT command and shows the lines of the answer and the final result. Errors go to\n"
	  "standard error, with exit code 5. Commands that would break the sharing of the line are\n"
	  "refused by the daemon.\n"
	  "\n"
	  "      --timeout SECONDS   1 to 600; without it what the command may take by its nature\n"
	  "      --body TEXT         what follows the prompt (an SMS), without the closing Ctrl-Z\n"
	  "\n"
	  "Examples:\n"
	  "  cellmuxctl at 'AT+CSQ'\n"
	  "  cellmuxctl at 'AT+CMGS=\"+491701234567\"' --body 'hello'\n" },
	{ "modem", 1, 1, { OPT_NO_WAIT }, check_modem, run_modem,
	  "Usage: cellmuxctl modem reset|power-cycle [--no-wait]\n"
	  "reset restarts the module by a command and waits until it is ready again (200 s at most).\n"
	  "power-cycle switches it off and on by the lines that [power] in cellmux.conf(5) names; in\n"
	  "good order, if it answers (260 s at most).\n"
	  "\n"
	  "      --no-wait           print the number of the job and end\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl modem reset || cellmuxctl modem power-cycle\n" },
	{ "profiles", 0, 0, { 0 }, NULL, run_profiles,
	  "Usage: cellmuxctl profiles\n"
	  "Lists the profiles on the eUICC. The enabled one is marked with *; with ! where the module\n"
	  "does not use it (yet).\n"
	  "\n"
	  "  -v, --verbose           AID, owner and policy rules as well\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl profiles --json | jq -r '.profiles[] | select(.state == \"enabled\").iccid'\n" },
	{ "profile", 2, 3, { OPT_NO_WAIT, OPT_CONFIRMATION }, check_profile, run_profile,
	  "Usage: cellmuxctl profile enable|disable|delete ICCID [--no-wait]\n"
	  "       cellmuxctl profile nickname ICCID NAME\n"
	  "       cellmuxctl profile download CODE [--confirmation-code TEXT] [--no-wait]\n"
	  "Changes a profile and, after a switch, waits until the module uses it (6 min at most). Cards\n"
	  "of SGP.32 take this from their eIM only. An empty NAME removes the nickname.\n"
	  "\n"
	  "download gets one from its SM-DP+, on any card. CODE is an activation code, 'LPA:1$...', in\n"
	  "quotes; or 'default', for what the card's default SM-DP+ has for it. The profile is not enabled.\n"
	  "\n"
	  "      --confirmation-code TEXT   what the operator has given out beside the code, if so\n"
	  "      --no-wait           print the number of the job and end\n"
	  "\n"
	  "Examples:\n"
	  "  cellmuxctl profile enable 89000123456789012342 && cellmuxctl status\n"
	  "  cellmuxctl profile download 'LPA:1$smdp.example.com$0A1B-2C3D'\n" },
	{ "euicc", 0, 0, { 0 }, NULL, run_euicc,
	  "Usage: cellmuxctl euicc\n"
	  "Shows the eUICC: EID, versions, memory, CI keys, addresses, rules.\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl euicc --json | jq -r .eid\n" },
	{ "eims", 0, 0, { 0 }, NULL, run_eims,
	  "Usage: cellmuxctl eims\n"
	  "Lists the eIMs that are configured on the eUICC.\n" },
	{ "notifications", 0, 0, { 0 }, NULL, run_notifications,
	  "Usage: cellmuxctl notifications\n"
	  "Lists the notifications that wait on the eUICC to be delivered.\n" },
	{ "ipa", 1, 2, { OPT_NO_WAIT }, check_ipa, run_ipa,
	  "Usage: cellmuxctl ipa status\n"
	  "       cellmuxctl ipa poll [EIM] [--no-wait]\n"
	  "Shows the eIMs, when they are visited and what was done for them; or visits them now, all or\n"
	  "one, and waits until everything they want is done and reported.\n"
	  "\n"
	  "      --no-wait           print the number of the job and end\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl ipa poll && cellmuxctl profiles\n" },
	{ "eim", 2, 2, { 0 }, check_eim, run_eim,
	  "Usage: cellmuxctl eim add FILE\n"
	  "Gives the first eIM to an eUICC that has none. FILE holds an AddInitialEimRequest or\n"
	  "EimConfigurationData in DER, as the eIM's operator provides it.\n" },
	{ "job", 1, 1, { OPT_CANCEL }, check_job, run_job,
	  "Usage: cellmuxctl job ID [--cancel]\n"
	  "Shows how far a job is. The last 16 ended ones are remembered.\n"
	  "\n"
	  "      --cancel            ask it to stop instead\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl job 3 --json | jq -r .state\n" },
	{ "log", 0, 1, { 0 }, check_log, run_log,
	  "Usage: cellmuxctl log [LEVEL]\n"
	  "Shows or sets what the daemon logs: error, warning, info, debug or trace. At trace every\n"
	  "octet on the line is logged, identities included. A restart forgets it.\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl log trace && journalctl -fu cellmux\n" },
	{ "hello", 0, 0, { 0 }, NULL, run_hello,
	  "Usage: cellmuxctl hello\n"
	  "Shows the versions of daemon and protocol, what you may do, and the names of all methods.\n"
	  "\n"
	  "Example:\n"
	  "  cellmuxctl hello --json | jq -r .access\n" },
};

struct command_line {
	struct request r;
	const struct command *command;
	const char *color;
	int own[8], n_own;      /* options of single commands that were given */
	bool help, version;
};

static enum end wrong(const char *what, const char *why)
{
	complain(what, "%s; see cellmuxctl --help", why);
	return END_USAGE;
}

/* --- options ------------------------------------------------------------------------------------ */

static enum end take_seconds(const char *value, uint32_t *ret)
{
	uint32_t v;

	if (text_to_u32(text_of(value), 10, &v) < 0 || v < 1 || v > TIMEOUT_MAX_S) {
		complain("--timeout", "expected a number of seconds from 1 to %d", TIMEOUT_MAX_S);
		return END_USAGE;
	}
	*ret = v;
	return END_OK;
}

/* The options of single commands; whether this command has them is checked when it is known. */
static enum end take_own(struct command_line *cl, int c)
{
	struct request *r = &cl->r;

	if (cl->n_own < (int)ARRAY_SIZE(cl->own))
		cl->own[cl->n_own++] = c;
	else
		return wrong(NULL, "too many options");
	switch (c) {
	case OPT_UNTIL:
		r->until = optarg;
		break;
	case OPT_TIMEOUT:
		return take_seconds(optarg, &r->timeout_s);
	case OPT_BODY:
		r->body = optarg;
		break;
	case OPT_NO_WAIT:
		r->no_wait = true;
		break;
	case OPT_NO_REFRESH:
		r->no_refresh = true;
		break;
	case OPT_CANCEL:
		r->cancel = true;
		break;
	case OPT_CONFIRMATION:
		r->confirmation = optarg;
		break;
	}
	return END_OK;
}

static enum end take_option(struct command_line *cl, int c, char **argv)
{
	const char letter[] = { '-', (char)optopt, '\0' };

	switch (c) {
	case 'S':
		cl->r.client.path = optarg;
		return END_OK;
	case OPT_JSON:
		cl->r.json = true;
		return END_OK;
	case OPT_COLOR:
		cl->color = optarg;
		return END_OK;
	case 'v':
		cl->r.verbose = true;
		return END_OK;
	case 'h':
		cl->help = true;
		return END_OK;
	case 'V':
		cl->version = true;
		return END_OK;
	case ':':
		return wrong(argv[optind - 1], "a value is missing");
	case '?':
		/* A letter nobody knows, or a word (unknown, or with a value it does not take). */
		return wrong(optopt > 0 && optopt < 256 ? letter : argv[optind - 1], "no such option");
	}
	return take_own(cl, c);
}

static enum end check_color(const struct command_line *cl)
{
	struct text when = text_of(cl->color);
	const char *no_color = getenv("NO_COLOR");

	if (text_eq(when, "always"))
		print_set_colour(true);
	else if (text_eq(when, "auto"))
		print_set_colour(isatty(STDOUT_FILENO) && !(no_color && no_color[0]));
	else if (!text_eq(when, "never"))
		return wrong(cl->color, "expected auto, always or never");
	return END_OK;
}

static enum end read_options(struct command_line *cl, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":S:vhV", options, NULL)) != -1) {
		enum end e = take_option(cl, c, argv);

		if (e != END_OK)
			return e;
	}
	cl->r.args = argv + optind;
	cl->r.n_args = argc - optind;
	return check_color(cl);
}

/* --- commands ----------------------------------------------------------------------------------- */

static enum end find_command(struct command_line *cl)
{
	if (!cl->r.n_args)
		return END_OK;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (text_eq(text_of(cl->r.args[0]), commands[i].name))
			cl->command = &commands[i];
	if (!cl->command)
		return wrong(cl->r.args[0], "no such command");
	cl->r.args++;
	cl->r.n_args--;
	return END_OK;
}

static enum end check_command(const struct command_line *cl)
{
	const struct command *cmd = cl->command;
	const char *what = NULL;

	if (cl->r.n_args < cmd->min_args)
		what = "an argument is missing";
	if (cl->r.n_args > cmd->max_args)
		what = "too many arguments";
	for (int i = 0; i < cl->n_own; i++)
		if (cl->own[i] != cmd->own[0] && cl->own[i] != cmd->own[1])
			what = "an option was given that this command does not have";
	if (what) {
		complain(cmd->name, "%s; see cellmuxctl %s --help", what, cmd->name);
		return END_USAGE;
	}
	return cmd->check ? cmd->check(&cl->r) : END_OK;
}

static enum end run(struct command_line *cl)
{
	struct client *c = &cl->r.client;
	enum end e;

	c->json = cl->r.json;
	e = client_open(c);
	if (e == END_OK)
		e = cl->command->run(&cl->r);
	client_close(c);
	return e;
}

static enum end obey(struct command_line *cl)
{
	enum end e = find_command(cl);

	if (e != END_OK)
		return e;
	if (cl->help) {
		fputs(cl->command ? cl->command->help : usage, stdout);
		return END_OK;
	}
	if (cl->version) {
		puts("cellmuxctl " CELLMUX_VERSION);
		return END_OK;
	}
	if (!cl->command)
		return wrong(NULL, "a command is missing");
	e = check_command(cl);
	return e == END_OK ? run(cl) : e;
}

int main(int argc, char **argv)
{
	struct command_line cl = { .color = "auto" };
	const char *socket = getenv("CELLMUX_SOCKET");
	enum end e;

	cl.r.client.path = socket && socket[0] ? socket : CLIENT_SOCKET;
	e = read_options(&cl, argc, argv);
	if (e == END_OK)
		e = obey(&cl);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("standard output", "cannot write");
		if (e == END_OK)
			e = END_REFUSED;
	}
	return e;
}
