/* sim-eim: an eIM for test beds. See README.md beside this file. */
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/hex.h"
#include "core/file.h"
#include "core/util.h"
#include "sim/eim/client.h"
#include "sim/eim/coap.h"
#include "sim/eim/command.h"
#include "sim/eim/config.h"
#include "sim/eim/control.h"
#include "sim/eim/order.h"
#include "sim/eim/relay.h"
#include "sim/eim/server.h"
#include "sim/eim/store.h"
#include "version.h"

static const char help[] =
	"sim-eim: an eIM (GSMA SGP.32) for testing IPAs\n"
	"\n"
	"  sim-eim init DIR [--pki FOLDER] [--curve nist|brp] [--id ID] [--id-type 1|2|3] [--fqdn HOST]\n"
	"               [--supported-protocol BITS] [--indirect] [--tls-cert FILE --tls-key FILE]\n"
	"  sim-eim config DIR [--as add-initial|entry|fields] [--tls spki|cert|ca|none] [--token]\n"
	"               [--key spki|cert] [--fqdn HOST[:PORT]] [--counter N] [--ci HEX] [--eid EID]\n"
	"               [--indirect yes|no] [--transport https|coaps|both] [--output FILE]\n"
	"  sim-eim serve DIR [--port N] [--listen ADDRESS] [--tls 1.2|1.3] [--fault FAULT]… [--seed N]\n"
	"               [--open] [--no-learn] [--accept-unverified] [--max-sends N]\n"
	"               [--resend-download SECONDS] [--random-signatures] [--quiet]\n"
	"               [--smdp [HOST=]ADDRESS:PORT]… [--smdp-ca FILE]…\n"
	"               [--coaps PORT [--coaps-psk [IDENTITY=]KEY]… [--coaps-hint TEXT] [--coaps-path PATH]\n"
	"               [--coaps-habits LIST] [--coaps-net RULES]]\n"
	"\n"
	"To a running server (DIR by --dir DIR in front, $SIM_EIM_DIR, else ./eim):\n"
	"  sim-eim queue EID OPERATION…       sim-eim cancel EID [NUMBER]\n"
	"  sim-eim list [EID]                 sim-eim results [EID] [--wait SECONDS] [--json]\n"
	"  sim-eim card EID …                 sim-eim remove EID\n"
	"  sim-eim fault FAULT… | list | clear\n"
	"  sim-eim unreachable [SECONDS]      sim-eim reachable\n"
	"  sim-eim indirect [yes|no]          sim-eim coaps …\n"
	"  sim-eim log [-n LINES] [--follow]  sim-eim quit\n"
	"\n"
	"sim-eim COMMAND --help tells more. Exit codes: 0 good, 1 not understood or impossible, 2 no\n"
	"server, 3 results are missing, 4 a package did not succeed, 5 the accounts are not "
	"right.\n";

static const char init_help[] =
	"sim-eim init DIR: makes a state directory.\n"
	"  --pki FOLDER      has nist/ and brp/ (or one of them, or the files themselves): eimsign.der,\n"
	"                    eimsign.key.pem sign packages, ci.der is trusted for eUICCs, ci.key.pem signs\n"
	"                    the TLS certificate; what is missing is made, self-signed\n"
	"  --curve nist|brp  of the signing key (nist)\n"
	"  --id ID           eimId (eim1)\n"
	"  --id-type N       1 OID, 2 FQDN, 3 proprietary (3)\n"
	"  --fqdn HOST       in certificate and configuration (localhost)\n"
	"  --supported-protocol BITS  sum of 16 retrieve HTTPS, 8 retrieve CoAPS, 4 inject HTTPS,\n"
	"                    2 inject CoAPS, 1 proprietary (16)\n"
	"  --indirect        the configuration offers indirect download\n"
	"  --tls-cert FILE --tls-key FILE  instead of a new TLS key, PEM\n"
	"More CIs to trust are put into DIR/ci as certificates or public keys.\n";

static const char config_help[] =
	"sim-eim config DIR: prints what a card must be told of this eIM, in hexadecimal.\n"
	"  --as FORM         add-initial: AddInitialEimRequest (BF57); entry: EimConfigurationData (30);\n"
	"                    fields: the same without its 30, as in addEim (add-initial)\n"
	"  --tls KIND        trustedPublicKeyDataTls: spki, cert, ca, none (spki)\n"
	"  --key KIND        eimPublicKeyData: spki, cert (spki)\n"
	"  --token           asks the card for an association token\n"
	"  --counter N       (0, or that of the card named by --eid)\n"
	"  --fqdn HOST[:PORT]  (the eIM's own name and the port it listened on last)\n"
	"  --ci HEX          euiccCiPKId\n"
	"  --indirect yes|no whether it offers indirect downloads (as said to init or to sim-eim indirect)\n"
	"  --transport KIND  https, coaps or both, and the port of that one (as said to init)\n"
	"  --output FILE     writes the octets instead\n";

static const char serve_help[] =
	"sim-eim serve DIR: runs the eIM. Says \"ready\" with its address when it listens.\n"
	"  --port N          0: any that is free (0)\n"
	"  --listen ADDRESS  numeric (127.0.0.1)\n"
	"  --tls 1.2|1.3     only this version\n"
	"  --fault FAULT     see sim-eim fault --help; may be repeated\n"
	"  --seed N          of the faults' dice (1)\n"
	"  --open            takes every card that comes, not only those it was told of\n"
	"  --no-learn        does not ask unknown cards for their certificates\n"
	"  --accept-unverified  takes results of cards without certificates\n"
	"  --max-sends N     gives a package up after so many polls without a result (10)\n"
	"  --resend-download SECONDS  offers a download again after (120)\n"
	"  --random-signatures  instead of deterministic ones (RFC 6979)\n"
	"  --smdp [HOST=]ADDRESS:PORT  passes indirect downloads on: where the SM-DP+ or SM-DS of\n"
	"                    that name, or every other one, is reached; may be repeated\n"
	"  --smdp-ca FILE    trusted for their TLS certificates; may be repeated (all in DIR/ci)\n"
	"  --coaps PORT      CoAP over DTLS as well, on this UDP port (0: any that is free)\n"
	"  --coaps-psk [IDENTITY=]KEY  takes this pre-shared key, as text or hex:…; without an identity\n"
	"                    from everybody; may be repeated. The certificate is good without one, too\n"
	"  --coaps-hint TEXT the identity hint (none)\n"
	"  --coaps-path PATH (gsma/rsp2/asn1)\n"
	"  --coaps-habits LIST  see below\n"
	"  --coaps-net RULES see sim-eim coaps --help\n"
	"  --quiet           no log on standard output\n";

static int complain(const char *fmt, ...) __printf(1, 2);

static int complain(const char *fmt, ...)
{
	va_list args;

	fputs("sim-eim: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return SE_EXIT_USAGE;
}

/* --- options ---------------------------------------------------------------------------------- */

struct args {
	int argc;
	char **argv;
	const char *name;               /* of the option that was taken last */
};

static bool option(struct args *a, const char *name)
{
	if (!a->argc || strcmp(a->argv[0], name) != 0)
		return false;
	a->name = name;
	a->argc--;
	a->argv++;
	return true;
}

/* Its value; the program ends without one. */
static const char *value(struct args *a)
{
	if (!a->argc)
		exit(complain("%s: expected a value", a->name));
	a->argc--;
	return *a->argv++;
}

static uint32_t number(struct args *a, uint32_t max)
{
	const char *s = value(a);
	uint32_t v;

	if (text_to_u32(text_of(s), 10, &v) < 0 || v > max)
		exit(complain("%s %s: expected a number up to %u", a->name, s, max));
	return v;
}

static int choice(struct args *a, const char *const *names, size_t n)
{
	const char *s = value(a);
	int i = se_name_find(names, n, s);

	if (i < 0)
		exit(complain("%s: %s is not possible, see --help", a->name, s));
	return i;
}

static bool wants_help(struct args *a, const char *text)
{
	for (int i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--help")) {
			fputs(text, stdout);
			return true;
		}
	}
	return false;
}

/* --- init ------------------------------------------------------------------------------------- */

static int run_init(const char *dir, struct args *a)
{
	static struct se_eim e;
	struct se_init_wish wish = { .pki = NULL };
	char why[256];
	int r;

	se_eim_init(&e, dir);
	while (a->argc) {
		if (option(a, "--pki"))
			wish.pki = value(a);
		else if (option(a, "--curve"))
			snprintf(e.curve, sizeof(e.curve), "%.7s", value(a));
		else if (option(a, "--id"))
			snprintf(e.id, sizeof(e.id), "%.128s", value(a));
		else if (option(a, "--id-type"))
			e.id_type = number(a, 3);
		else if (option(a, "--fqdn"))
			snprintf(e.fqdn, sizeof(e.fqdn), "%.255s", value(a));
		else if (option(a, "--supported-protocol"))
			e.protocols = (uint8_t)(number(a, 31) << 3);
		else if (option(a, "--indirect"))
			e.indirect = true;
		else if (option(a, "--tls-cert"))
			wish.tls_cert = value(a);
		else if (option(a, "--tls-key"))
			wish.tls_key = value(a);
		else
			return complain("init: %s is not understood", a->argv[0]);
	}
	if (!se_curve(e.curve))
		return complain("--curve %s: expected nist or brp", e.curve);
	if (wish.pki && access(wish.pki, R_OK | X_OK) < 0)
		return complain("--pki %s: %s", wish.pki, strerror(errno));
	r = se_store_init(&e, &wish, why);
	se_eim_done(&e);
	return r < 0 ? complain("%s", why) : SE_EXIT_OK;
}

/* --- config ----------------------------------------------------------------------------------- */

static int write_config(const uint8_t *data, size_t n, const char *output)
{
	char hex[2 * 16384 + 1];
	int r;

	if (output) {
		r = file_save(output, data, n, 0644);
		return r < 0 ? complain("%s: %s", output, strerror(-r)) : SE_EXIT_OK;
	}
	hex_encode(data, n, hex, sizeof(hex));
	puts(hex);
	return SE_EXIT_OK;
}

static int run_config(const char *dir, struct args *a)
{
	static const char *const keys[] = { "spki", "cert" };
	static struct se_eim e;
	static const char *const no_yes[] = { "no", "yes" };
	static const char *const transports[] = { "https", "coaps", "both" };
	struct se_config_wish wish = { .form = SE_FORM_ADD_INITIAL, .trust = SE_TRUST_SPKI,
				       .indirect = -1 };
	const char *output = NULL, *reason;
	uint8_t data[16384];
	char why[256];
	size_t n;
	int r;

	while (a->argc) {
		if (option(a, "--as"))
			wish.form = (enum se_config_form)choice(a, se_form_names, _SE_FORM_MAX);
		else if (option(a, "--tls"))
			wish.trust = (enum se_trust)choice(a, se_trust_names, _SE_TRUST_MAX);
		else if (option(a, "--key"))
			wish.key_cert = choice(a, keys, ARRAY_SIZE(keys)) == 1;
		else if (option(a, "--token"))
			wish.token = true;
		else if (option(a, "--fqdn"))
			wish.fqdn = value(a);
		else if (option(a, "--eid"))
			wish.eid = value(a);
		else if (option(a, "--ci"))
			wish.ci = value(a);
		else if (option(a, "--output"))
			output = value(a);
		else if (option(a, "--indirect"))
			wish.indirect = choice(a, no_yes, ARRAY_SIZE(no_yes));
		else if (option(a, "--transport"))
			wish.transport = transports[choice(a, transports, ARRAY_SIZE(transports))];
		else if (option(a, "--counter")) {
			wish.counter = number(a, UINT32_MAX);
			wish.has_counter = true;
		} else
			return complain("config: %s is not understood", a->argv[0]);
	}
	se_eim_init(&e, dir);
	if (se_store_load(&e, why) < 0)
		return complain("%s", why);
	r = se_config_own(&e, &wish, data, sizeof(data), &n, &reason);
	se_eim_done(&e);
	if (r < 0)
		return complain("config: %s", reason ? reason : strerror(-r));
	return write_config(data, n, output);
}

/* --- serve ------------------------------------------------------------------------------------ */

static struct se_server server;
static struct se_control control;

static void on_served(struct se_server *s)
{
	(void)s;
	se_control_poke(&control);
}

static void on_signal(struct ev_catch *c)
{
	(void)c;
	ev_quit();
}

struct serve_wish {
	struct se_server_wish server;
	struct se_relay_wish relay;
	struct se_coap_wish coap;
	bool coaps, quiet;
};

/* One more of those that may be repeated. */
static void add_value(struct args *a, const char **list, size_t *n, size_t max)
{
	const char *s = value(a);

	if (*n == max)
		exit(complain("%s: not more than %zu", a->name, max));
	list[(*n)++] = s;
}

/* True: it was one of those about CoAP. */
static bool coap_option(struct args *a, struct serve_wish *all)
{
	struct se_coap_wish *wish = &all->coap;

	if (option(a, "--coaps")) {
		wish->port = (uint16_t)number(a, 65535);
		all->coaps = true;
	} else if (option(a, "--coaps-psk")) {
		add_value(a, wish->keys, &wish->keys_n, SE_COAP_KEYS_MAX);
	} else if (option(a, "--coaps-hint")) {
		wish->hint = value(a);
	} else if (option(a, "--coaps-path")) {
		wish->path = value(a);
	} else if (option(a, "--coaps-habits")) {
		wish->habits = value(a);
	} else if (option(a, "--coaps-net")) {
		wish->net = value(a);
	} else {
		return false;
	}
	return true;
}

static void serve_options(struct args *a, struct se_eim *e, struct serve_wish *all)
{
	struct se_server_wish *wish = &all->server;
	const char *why;

	while (a->argc) {
		if (option(a, "--port"))
			wish->port = (uint16_t)number(a, 65535);
		else if (option(a, "--listen"))
			wish->address = value(a);
		else if (option(a, "--tls"))
			wish->tls = value(a);
		else if (option(a, "--seed"))
			e->faults.seed = number(a, UINT32_MAX);
		else if (option(a, "--open"))
			e->open = true;
		else if (option(a, "--no-learn"))
			e->learn = false;
		else if (option(a, "--accept-unverified"))
			e->accept_unverified = true;
		else if (option(a, "--max-sends"))
			e->max_sends = number(a, UINT32_MAX);
		else if (option(a, "--resend-download"))
			e->resend_download_s = number(a, UINT32_MAX);
		else if (option(a, "--random-signatures"))
			e->random_signatures = true;
		else if (option(a, "--quiet"))
			all->quiet = true;
		else if (option(a, "--smdp"))
			add_value(a, all->relay.at, &all->relay.at_n, SE_ROUTES_MAX);
		else if (option(a, "--smdp-ca"))
			add_value(a, all->relay.ca, &all->relay.ca_n, SE_ROUTE_CAS_MAX);
		else if (option(a, "--fault")) {
			const char *s = value(a);

			if (se_fault_add(&e->faults, text_of(s), &why) < 0)
				exit(complain("--fault %s: %s", s, why));
		} else if (!coap_option(a, all))
			exit(complain("serve: %s is not understood", a->argv[0]));
	}
}

static int serve(struct se_eim *e, struct serve_wish *all)
{
	static struct ev_catch term = { .caught = on_signal }, intr = { .caught = on_signal };
	char why[256];

	signal(SIGPIPE, SIG_IGN);
	server.served = on_served;
	if (se_server_start(&server, e, &all->server, why) < 0)
		return complain("%s", why);
	all->coap.address = all->server.address;
	if ((all->coaps && se_coap_start(&server, &all->coap, why) < 0) ||
	    se_control_start(&control, &server, why) < 0) {
		se_coap_stop(&server);
		se_server_stop(&server);
		return complain("%s", why);
	}
	ev_catch_start(&term, SIGTERM);
	ev_catch_start(&intr, SIGINT);
	e->port = server.port;
	if (se_store_save_eim(e) < 0)
		complain("eim.json cannot be written, going on");
	if (server.coap)
		printf("coaps: port %u, %s\n", e->coap_port, server.coap->where(server.coap));
	printf("ready: port %u, https://%s:%u/gsma/rsp2/asn1, control %s\n", server.port, e->fqdn,
	       server.port, control.path);
	fflush(stdout);
	se_server_look_at_faults(&server);
	ev_main();
	se_control_stop(&control);
	se_coap_stop(&server);
	se_server_stop(&server);
	ev_catch_stop(&term);
	ev_catch_stop(&intr);
	return SE_EXIT_OK;
}

static char *const *own_argv;

static int run_serve(const char *dir, struct args *a)
{
	static struct se_eim e;
	struct serve_wish wish = { .server.address = "127.0.0.1" };
	char why[256];
	int r;

	se_eim_init(&e, dir);
	serve_options(a, &e, &wish);
	if (wish.coaps)
		se_coap_prepare(e.dir, &wish.coap, own_argv);
	if (se_store_load(&e, why) < 0)
		return complain("%s", why);
	if (ev_open() < 0)
		return complain("the event loop cannot be opened");
	if (wish.relay.at_n && se_relay_open(&e, &wish.relay, why) < 0)
		return complain("%s", why);
	se_log_open(&e, wish.quiet);
	r = serve(&e, &wish);
	se_relay_close(&e);
	se_log_close();
	ev_close();
	se_eim_done(&e);
	return r;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int run_log(const char *dir, struct args *a)
{
	unsigned lines = 40;
	bool follow = false;

	while (a->argc) {
		if (option(a, "-n"))
			lines = number(a, UINT32_MAX / 2);
		else if (option(a, "--follow"))
			follow = true;
		else
			return complain("log: %s is not understood", a->argv[0]);
	}
	return se_client_log(dir, lines, follow);
}

struct local {
	const char *name;
	int (*run)(const char *dir, struct args *a);
	const char *help;
	bool takes_dir;                 /* as its first argument */
};

static const struct local locals[] = {
	{ "init", run_init, init_help, true },
	{ "config", run_config, config_help, true },
	{ "serve", run_serve, serve_help, true },
	{ "log", run_log,
	  "sim-eim log [-n LINES] [--follow]: the last lines of the log (40), and new ones.\n" },
};

static int run_local(const struct local *l, const char *dir, struct args *a)
{
	a->argc--;
	a->argv++;
	if (wants_help(a, l->help)) {
		if (l->run == run_serve)
			printf("%s", se_coap_habit_help);
		return SE_EXIT_OK;
	}
	if (l->takes_dir && a->argc && a->argv[0][0] != '-') {
		dir = *a->argv++;
		a->argc--;
	}
	return l->run(dir, a);
}

static int run_remote(const char *dir, struct args *a)
{
	const char *text = se_command_help(a->argv[0]);

	if (!text)
		return complain("%s: no such command, see --help", a->argv[0]);
	if (wants_help(a, text)) {
		if (!strcmp(a->argv[0], "queue"))
			fputs(se_order_help, stdout);
		return SE_EXIT_OK;
	}
	return se_client_run(dir, a->argc, a->argv);
}

int main(int argc, char **argv)
{
	struct args a = { argc - 1, argv + 1, NULL };
	const char *dir = getenv("SIM_EIM_DIR");

	own_argv = argv;
	if (!dir || !dir[0])
		dir = "eim";
	if (option(&a, "--dir"))
		dir = value(&a);
	if (option(&a, "--version")) {
		printf("sim-eim %s\n", CELLMUX_VERSION);
		return SE_EXIT_OK;
	}
	if (!a.argc || !strcmp(a.argv[0], "--help")) {
		fputs(help, a.argc ? stdout : stderr);
		return a.argc ? SE_EXIT_OK : SE_EXIT_USAGE;
	}
	if (!strcmp(a.argv[0], "--init"))
		a.argv[0] = (char *)"init";
	for (size_t i = 0; i < ARRAY_SIZE(locals); i++) {
		if (!strcmp(a.argv[0], locals[i].name))
			return run_local(&locals[i], dir, &a);
	}
	return run_remote(dir, &a);
}
