/* sim-smdp: an SM-DP+ and SM-DS for tests, over HTTPS. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/log.h"
#include "core/util.h"
#include "sim/smdp/add.h"
#include "sim/smdp/command.h"
#include "sim/smdp/control.h"
#include "sim/smdp/https.h"
#include "sim/smdp/init.h"
#include "version.h"

static const char usage[] =
	"Usage: sim-smdp --init DIR --pki PKIDIR [--pki PKIDIR]... [--host NAME]... [--sm-ds NAME]\n"
	"       sim-smdp serve DIR [OPTION]...\n"
	"       sim-smdp COMMAND DIR [ARGUMENT]...\n"
	"An SM-DP+ (ES9+) and, under another name, an SM-DS (ES11) for tests.\n"
	"\n"
	"  -i, --init DIR           makes the directory of a new one\n"
	"      --pki PKIDIR         with it: certificates and keys of one CI\n"
	"      --host NAME          with it: by which clients call it; several may be given, the first\n"
	"                           one is announced (the one in the TLS certificate)\n"
	"      --sm-ds NAME         with it: be an SM-DS under this name\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n"
	"\n"
	"serve runs it until SIGTERM or SIGINT. It says \"ready\" when it listens.\n"
	"  -a, --address ADDRESS    (127.0.0.1)\n"
	"  -p, --port PORT          0 takes a free one (8443)\n"
	"      --tls VERSION        1.2 or 1.3 only\n"
	"      --curve N            index of the --pki whose TLS certificate is shown (0)\n"
	"      --tls-cert FILE      another one, with\n"
	"      --tls-key FILE\n"
	"  -f, --fault SPEC         arms a fault; may be repeated\n"
	"  -l, --log-level LEVEL    error, warning, info, debug or trace (info)\n"
	"\n"
	"Commands go to the one that runs in DIR, or are carried out on the directory:\n";

static const char fault_help[] =
	"\n"
	"Faults: KIND[=VALUE][,on=FUNCTION][,count=N|forever][,after=N]\n"
	"  status=SUBJECT/REASON  http=STATUS  wrong-signature  wrong-certificate=expired|role|oid\n"
	"  wrong-transaction  wrong-transaction-text  wrong-challenge  wrong-address=NAME\n"
	"  wrong-metadata  tamper=SEGMENT  wrong-base64  missing=MEMBER  huge=OCTETS  truncated\n"
	"  garbage  empty  slow=MS  drip=OCTETS  close  stall  no-answer  reset\n"
	"  FUNCTION: initiateAuthentication, authenticateClient, getBoundProfilePackage,\n"
	"  cancelSession, handleNotification, any.\n"
	"\n"
	"Exit codes: 0 done, or ended by a signal; 1 failed, or waited in vain; 2 wrong usage.\n";

static void print_help(void)
{
	fputs(usage, stdout);
	fputs(sdp_command_help, stdout);
	fputs(fault_help, stdout);
}

enum { OPT_PKI = 256, OPT_HOST, OPT_SM_DS, OPT_TLS, OPT_CURVE, OPT_TLS_CERT, OPT_TLS_KEY };

static int complain(const char *why)
{
	fprintf(stderr, "sim-smdp: %s\n", why);
	return SDP_EXIT_FAILED;
}

static int wrong(void)
{
	fprintf(stderr, "sim-smdp: try --help\n");
	return SDP_EXIT_USAGE;
}

/* --- init ------------------------------------------------------------------------------------- */

static int run_init(int argc, char **argv)
{
	static const struct option options[] = {
		{ "init", required_argument, NULL, 'i' },
		{ "pki", required_argument, NULL, OPT_PKI },
		{ "host", required_argument, NULL, OPT_HOST },
		{ "sm-ds", required_argument, NULL, OPT_SM_DS },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	struct sdp_recipe r = { 0 };
	char why[SDP_WHY_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "i:hV", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(), SDP_EXIT_OK;
		if (c == 'V')
			return printf("sim-smdp %s\n", CELLMUX_VERSION), SDP_EXIT_OK;
		if (c == 'i')
			r.dir = optarg;
		else if (c == OPT_PKI && r.pki_n < SDP_PKIS_MAX)
			r.pki[r.pki_n++] = optarg;
		else if (c == OPT_HOST && r.hosts_n < SDP_HOSTS_MAX)
			r.hosts[r.hosts_n++] = optarg;
		else if (c == OPT_SM_DS)
			r.ds_host = optarg;
		else
			return wrong();
	}
	if (optind < argc || !r.dir || !r.pki_n)
		return wrong();
	return sdp_make(&r, why) < 0 ? complain(why) : SDP_EXIT_OK;
}

/* --- serve ------------------------------------------------------------------------------------ */

struct serving {
	struct sdp s;
	struct sdp_https_options o;
	char pki[PATH_MAX];
	uint32_t port, curve;
};

static void on_signal(struct ev_catch *c)
{
	(void)c;
	ev_quit();
}

static int serve_option(struct serving *v, int c, const char *value)
{
	enum log_level level;
	const char *why;

	switch (c) {
	case 'a': v->o.address = value; return 0;
	case 'p': return text_to_u32(text_of(value), 10, &v->port) < 0 || v->port > 65535 ? -1 : 0;
	case OPT_TLS:
		v->o.tls = value;
		return strcmp(value, "1.2") == 0 || strcmp(value, "1.3") == 0 ? 0 : -1;
	case OPT_CURVE: return text_to_u32(text_of(value), 10, &v->curve);
	case OPT_TLS_CERT: v->o.certificate = value; return 0;
	case OPT_TLS_KEY: v->o.key = value; return 0;
	case 'f':
		if (sdp_fault_add(&v->s.faults, text_of(value), &why) == 0)
			return 0;
		complain(why);
		return -1;
	case 'l':
		if (log_level_from(text_of(value), &level) < 0)
			return -1;
		log_set_level(level);
		return 0;
	}
	return -1;
}

static int serve(struct serving *v)
{
	struct ev_catch term = { .caught = on_signal }, interrupt = { .caught = on_signal };
	struct sdp_control *control = NULL;
	struct sdp_https *https = NULL;
	char why[SDP_WHY_MAX];
	int r = ev_open();

	if (r < 0)
		return complain(strerror(-r));
	signal(SIGPIPE, SIG_IGN);
	r = sdp_control_open(&v->s, &control);
	if (r < 0)
		snprintf(why, sizeof(why), "control socket: %s", r == -EADDRINUSE ?
			 "one runs in this directory already" : strerror(-r));
	if (r == 0)
		r = sdp_https_open(&v->s, &v->o, &https, why);
	if (r == 0) {
		v->s.port = sdp_https_port(https);
		r = sdp_save_config(&v->s);
		if (r < 0)
			snprintf(why, sizeof(why), "smdp.json: %s", strerror(-r));
	}
	if (r == 0) {
		ev_catch_start(&term, SIGTERM);
		ev_catch_start(&interrupt, SIGINT);
		printf("ready: port %u, https://%s:%u/gsma/rsp2/es9plus/, control %s/control.sock\n",
		       v->s.port, v->s.hosts[0], v->s.port, v->s.dir);
		fflush(stdout);
		ev_main();
		ev_catch_stop(&term);
		ev_catch_stop(&interrupt);
	}
	sdp_https_close(https);
	sdp_control_close(control);
	ev_close();
	return r < 0 ? complain(why) : SDP_EXIT_OK;
}

static int run_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "tls", required_argument, NULL, OPT_TLS },
		{ "curve", required_argument, NULL, OPT_CURVE },
		{ "tls-cert", required_argument, NULL, OPT_TLS_CERT },
		{ "tls-key", required_argument, NULL, OPT_TLS_KEY },
		{ "fault", required_argument, NULL, 'f' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	struct serving v = { .port = 8443 };
	char why[SDP_WHY_MAX];
	int c, code;

	if (argc < 2 || argv[1][0] == '-')
		return run_init(argc, argv);    /* --help, --version */
	if (sdp_open(&v.s, argv[1], why) < 0) {
		sdp_done(&v.s);
		return complain(why);
	}
	while ((c = getopt_long(argc - 1, argv + 1, "a:p:f:l:hV", options, NULL)) != -1) {
		if (c == 'h' || c == 'V') {
			if (c == 'h')
				print_help();
			else
				printf("sim-smdp %s\n", CELLMUX_VERSION);
			sdp_done(&v.s);
			return SDP_EXIT_OK;
		}
		if (serve_option(&v, c, optarg) < 0) {
			sdp_done(&v.s);
			return wrong();
		}
	}
	code = optind < argc - 1 || v.curve >= v.s.pki_n ? wrong() : SDP_EXIT_OK;
	if (code == SDP_EXIT_OK) {
		snprintf(v.pki, sizeof(v.pki), "%s/pki/%u", v.s.dir, v.curve);
		v.o.pki = v.pki;
		v.o.port = (uint16_t)v.port;
		code = serve(&v);
	}
	sdp_done(&v.s);
	return code;
}

/* --- commands --------------------------------------------------------------------------------- */

/* The one that runs may have another working directory. */
static void make_absolute(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++) {
		for (const char *const *f = sdp_add_files; *f; f++) {
			char *path = strcmp(argv[i], *f) == 0 ? realpath(argv[i + 1], NULL) : NULL;

			if (path)
				argv[i + 1] = path;     /* for the rest of this short life */
		}
	}
}

static int on_directory(const char *dir, int argc, char **argv)
{
	_cleanup_(closep) int lock = -1;
	char path[PATH_MAX], why[SDP_WHY_MAX];
	struct sdp s;
	int code;

	snprintf(path, sizeof(path), "%s/lock", dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		return complain("somebody is at work in this directory");
	if (sdp_open(&s, dir, why) < 0) {
		sdp_done(&s);
		return complain(why);
	}
	code = sdp_command(&s, argc, argv, stdout);
	sdp_done(&s);
	if (code != SDP_EXIT_NOT_YET)
		return code;
	return complain("nobody runs in this directory: there is nothing to wait for");
}

static int run_command(int argc, char **argv)
{
	const char *dir = argc > 2 ? argv[2] : NULL;
	unsigned ms;
	int code, r;

	if (!dir)
		return wrong();
	if (strcmp(dir, "--help") == 0 || strcmp(dir, "-h") == 0) {
		if (strcmp(argv[1], "add") == 0)
			fputs(sdp_add_help, stdout);
		else
			print_help();
		return SDP_EXIT_OK;
	}
	/* "add DIR --size 1" is the command "add --size 1". */
	argv[2] = argv[1];
	argc -= 2;
	argv += 2;
	make_absolute(argc, argv);
	ms = sdp_command_patience(argc, argv) + 10000;
	r = sdp_control_ask(dir, argc, argv, ms, &code);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return on_directory(dir, argc, argv);
	return r < 0 ? complain(strerror(-r)) : code;
}

int main(int argc, char **argv)
{
	log_set_level(LOG_LEVEL_INFO);
	if (argc < 2)
		return wrong();
	if (argv[1][0] == '-')
		return run_init(argc, argv);
	if (strcmp(argv[1], "serve") == 0)
		return run_serve(argc - 1, argv + 1);
	return run_command(argc, argv);
}
