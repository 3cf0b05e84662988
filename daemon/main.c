/* Options and configuration; everything else starts in wire.c. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "core/log.h"
#include "version.h"

#define DEFAULT_CONFIG "/etc/cellmux/cellmux.conf"

static const char usage[] =
	"Usage: cellmuxd -d DEVICE [OPTION]...\n"
	"Owns a cellular module's port, keeps the module alive and tells local programs about it.\n"
	"\n"
	"  -d, --device PATH       the module's AT port, for example /dev/ttyUSB2\n"
	"  -b, --baud N            line speed (115200)\n"
	"  -c, --config FILE       configuration (" DEFAULT_CONFIG ", if it is there)\n"
	"  -w, --wait              wait for a port that is missing or in use instead of failing\n"
	"  -s, --socket PATH       control socket (RUN_DIR/cellmux.sock)\n"
	"      --run-dir PATH      sockets and ports while it runs (/run/cellmux)\n"
	"      --state-dir PATH    what must survive a power cut (/var/lib/cellmux)\n"
	"  -l, --log-level LEVEL   error, warning, info, debug or trace (info)\n"
	"\n"
	"      --check-config      check the configuration, say nothing if it is right\n"
	"      --print-config      print the configuration in force, explained, and end\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"Options win over the configuration. Exit codes: 0 ended by a signal, 1 failed, 2 wrong option\n"
	"or configuration, 3 no such device, 4 no permission, 5 device or socket in use.\n"
	"See cellmuxd(8), cellmux.conf(5), cellmuxctl(1).\n"
	"\n"
	"Try it without privileges:\n"
	"  cellmuxd -d /dev/ttyUSB2 --run-dir /tmp/cm --state-dir /tmp/cm\n"
	"  cellmuxctl --socket /tmp/cm/cellmux.sock status\n";

enum {
	OPT_RUN_DIR = 256, OPT_STATE_DIR, OPT_CHECK, OPT_PRINT,
};

static const struct option options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "baud", required_argument, NULL, 'b' },
	{ "config", required_argument, NULL, 'c' },
	{ "wait", no_argument, NULL, 'w' },
	{ "socket", required_argument, NULL, 's' },
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "log-level", required_argument, NULL, 'l' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

/* Options that are keys of the configuration under another name. */
static const struct {
	int option;
	const char *name, *section, *key;
} aliases[] = {
	{ 'd', "--device", "modem", "device" },
	{ 'b', "--baud", "modem", "baud" },
	{ 'w', "--wait", "modem", "wait" },
	{ 's', "--socket", "socket", "path" },
	{ OPT_RUN_DIR, "--run-dir", "daemon", "run_dir" },
	{ OPT_STATE_DIR, "--state-dir", "daemon", "state_dir" },
	{ 'l', "--log-level", "daemon", "log_level" },
};

#define MAX_OVERRIDES 32

struct command_line {
	const char *config;
	bool check, print;
	struct {
		size_t alias;
		const char *value;
	} overrides[MAX_OVERRIDES];
	size_t n;
};

static int add_override(struct command_line *cl, int option, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (aliases[i].option != option)
			continue;
		if (cl->n == MAX_OVERRIDES)
			return -E2BIG;
		cl->overrides[cl->n].alias = i;
		cl->overrides[cl->n++].value = value ? value : "yes";
		return 0;
	}
	return -EINVAL;
}

/* -1: go on; else the exit code. */
static int read_command_line(struct command_line *cl, int argc, char **argv)
{
	int c;

	/* As in all other messages, from wherever it was started. */
	argv[0] = (char *)"cellmuxd";
	while ((c = getopt_long(argc, argv, "d:b:c:ws:l:hV", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			fputs(usage, stdout);
			return EXIT_CODE_OK;
		case 'V':
			puts("cellmuxd " CELLMUX_VERSION);
			return EXIT_CODE_OK;
		case 'c':
			cl->config = optarg;
			break;
		case OPT_CHECK:
			cl->check = true;
			break;
		case OPT_PRINT:
			cl->print = true;
			break;
		default:
			if (add_override(cl, c, optarg) == 0)
				break;
			fputs("Try 'cellmuxd --help'.\n", stderr);
			return EXIT_CODE_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "cellmuxd: unexpected '%s'; a device is given with -d\n", argv[optind]);
		return EXIT_CODE_USAGE;
	}
	return -1;
}

static int load(struct app *app, const struct command_line *cl, char why[CONF_WHY_MAX])
{
	struct conf conf = settings_conf(&app->settings);
	int r = 0;

	conf_reset(&conf);
	app->config_path = cl->config;
	if (!cl->config && access(DEFAULT_CONFIG, F_OK) == 0)
		app->config_path = DEFAULT_CONFIG;
	if (app->config_path)
		r = conf_load(&conf, app->config_path, why);
	for (size_t i = 0; r == 0 && i < cl->n; i++) {
		size_t a = cl->overrides[i].alias;

		r = conf_set(&conf, aliases[a].section, aliases[a].key, cl->overrides[i].value,
			     aliases[a].name, why);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct app app;
	struct command_line cl = { 0 };
	char why[CONF_WHY_MAX];
	struct conf conf;
	int r = read_command_line(&cl, argc, argv);

	if (r >= 0)
		return r;
	r = load(&app, &cl, why);
	if (r == 0 && cl.print) {
		conf = settings_conf(&app.settings);
		conf_print(&conf, stdout);
		return EXIT_CODE_OK;
	}
	if (r < 0) {
		fprintf(stderr, "%scellmuxd: %s\n", log_priority(LOG_LEVEL_ERROR), why);
		return EXIT_CODE_USAGE;
	}
	r = settings_check(&app.settings, why);
	if (r < 0) {
		fprintf(stderr, "%scellmuxd: %s%s%s\n", log_priority(LOG_LEVEL_ERROR),
			app.config_path ? app.config_path : "", app.config_path ? ": " : "", why);
		return EXIT_CODE_USAGE;
	}
	if (cl.check)
		return EXIT_CODE_OK;
	log_set_level((enum log_level)app.settings.log_level);
	return app_run(&app);
}
