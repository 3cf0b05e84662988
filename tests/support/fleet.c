#include "support/fleet.h"

#include "support/test.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

#define PKI "tests/vectors/rsp/pki/"
#define RESULT_S 100
#define LOG_SHOWN 12000

static const char *argv0;

void fleet_argv0(const char *a)
{
	argv0 = a;
}

static const char *or(const char *given, const char *usual)
{
	return given ? given : usual;
}

/* --- failing ---------------------------------------------------------------------------------------- */

static void show_log(struct fleet *f)
{
	static char text[LOG_SHOWN + 1];
	FILE *log = fopen(rig_path(&f->rig, "cellmuxd.log"), "re");
	long n;

	if (!log)
		return;
	fseek(log, 0, SEEK_END);
	n = ftell(log);
	fseek(log, n > LOG_SHOWN ? n - LOG_SHOWN : 0, SEEK_SET);
	text[fread(text, 1, LOG_SHOWN, log)] = '\0';
	fclose(log);
	fprintf(stderr, "--- cellmuxd:\n%s\n", text);
}

static void show_command(struct fleet *f, const char *name, const char *a, const char *b, const char *c)
{
	struct rig_program *p;

	rig_run(&f->rig, &p, name, a, b, c, NULL);
	fprintf(stderr, "--- %s:\n%s\n", name, p->said);
}

void fleet_fail(struct fleet *f, const char *fmt, ...)
{
	char why[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	show_log(f);
	if (f->has_eim)
		show_command(f, "sim-eim", "--dir", rig_path(&f->rig, "eim"), "log");
	show_command(f, "sim-smdp", "list", rig_path(&f->rig, "dp"), NULL);
	show_command(f, "sim-smdp", "notifications", rig_path(&f->rig, "dp"), NULL);
	fail_msg("%s", why);
	abort();
}

void fleet_must(struct fleet *f, int code, const char *name)
{
	if (code)
		fleet_fail(f, "%s: exit code %d: %s", name, code, f->ran->said);
}

/* --- commands --------------------------------------------------------------------------------------- */

struct command {
	char *argv[RIG_ARGS];
	size_t n;
};

static void put(struct command *c, const char *word)
{
	assert_true(c->n < RIG_ARGS - 1);
	c->argv[c->n++] = (char *)word;
	c->argv[c->n] = NULL;
}

static void put_all(struct command *c, va_list ap)
{
	const char *word;

	while ((word = va_arg(ap, const char *)))
		put(c, word);
}

static int run(struct fleet *f, struct command *c, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms, now;

	f->ran = rig_startv(&f->rig, c->argv[0], c->argv);
	while (f->meanwhile && rig_now_ms() < end && rig_listen(f->ran))
		f->meanwhile(f, f->ran->out);
	now = rig_now_ms();
	return rig_wait_end(f->ran, now < end ? (unsigned)(end - now) : 0);
}

/* A command may wait for a result. */
static unsigned command_ms(const struct fleet *f)
{
	return (f->o.patience_s ? f->o.patience_s : RESULT_S) * 1000 + 10000;
}

static struct command to_eim(struct fleet *f)
{
	struct command c = { .n = 0 };

	put(&c, "sim-eim");
	put(&c, "--dir");
	put(&c, rig_path(&f->rig, "eim"));
	return c;
}

static struct command to_dp(struct fleet *f, const char *word)
{
	struct command c = { .n = 0 };

	put(&c, "sim-smdp");
	put(&c, word);
	put(&c, rig_path(&f->rig, "dp"));
	return c;
}

#define REST(c, last)                           \
	do {                                    \
		va_list ap;                     \
		va_start(ap, last);             \
		put_all(&(c), ap);              \
		va_end(ap);                     \
	} while (0)

int fleet_eim(struct fleet *f, ...)
{
	struct command c = to_eim(f);

	REST(c, f);
	return run(f, &c, command_ms(f));
}

int fleet_dp(struct fleet *f, const char *word, ...)
{
	struct command c = to_dp(f, word);

	REST(c, word);
	return run(f, &c, command_ms(f));
}

int fleet_ctl(struct fleet *f, ...)
{
	struct command c = { .n = 0 };

	put(&c, "cellmuxctl");
	put(&c, "--socket");
	put(&c, rig_path(&f->rig, "cellmux.sock"));
	REST(c, f);
	return run(f, &c, command_ms(f));
}

/* --- starting ---------------------------------------------------------------------------------------- */

/* A port that is free now and that nobody is given without asking for it. type: SOCK_STREAM, SOCK_DGRAM */
static unsigned free_port(int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static unsigned next;
	int fd, r;

	for (unsigned tries = 0; tries < 1000; tries++) {
		unsigned port = 20000 + ((unsigned)getpid() * 16 + next++) % 12000;

		at.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
		r = bind(fd, (struct sockaddr *)&at, sizeof(at));
		close(fd);
		if (r == 0)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

static const char *number(unsigned n)
{
	static char texts[4][16];
	static unsigned turn;
	char *t = texts[turn++ % 4];

	snprintf(t, sizeof(texts[0]), "%u", n);
	return t;
}

static void put_some(struct command *c, ...)
{
	REST(*c, c);
}

static void put_pair(struct command *c, const char *option, const char *value)
{
	put(c, option);
	put(c, value);
}

static void put_list(struct command *c, const char *const list[FLEET_ARGS])
{
	for (size_t k = 0; k < FLEET_ARGS && list[k]; k++)
		put(c, list[k]);
}

void fleet_start_dp(struct fleet *f)
{
	struct command c = to_dp(f, "serve");

	put_pair(&c, "--port", number(f->dp_port));
	put_pair(&c, "--log-level", "error");
	put_list(&c, f->o.dp_args);
	f->dp = rig_startv(&f->rig, "sim-smdp", c.argv);
	if (!rig_wait_for(f->dp, "ready: ", 0, 20000))
		fleet_fail(f, "sim-smdp: %s", f->dp->said);
}

static void start_eim(struct fleet *f)
{
	struct command c = { .n = 0 };
	char smdp[32];

	snprintf(smdp, sizeof(smdp), "127.0.0.1:%u", f->dp_port);
	put(&c, "sim-eim");
	put_pair(&c, "serve", rig_path(&f->rig, "eim"));
	put_pair(&c, "--port", number(f->eim_port));
	put(&c, "--quiet");
	put_pair(&c, "--smdp", smdp);
	put_pair(&c, "--smdp-ca", f->ci);
	put_pair(&c, "--resend-download", or(f->o.resend_s, "120"));
	if (f->o.coap)
		put_pair(&c, "--coaps", number(f->coap_port));
	if (f->o.coap && f->o.key)
		put_pair(&c, "--coaps-psk", f->o.key);
	put_list(&c, f->o.coap_args);
	f->eim = rig_startv(&f->rig, "sim-eim", c.argv);
	if (!rig_wait_for(f->eim, "ready: ", 0, 20000))
		fleet_fail(f, "sim-eim: %s", f->eim->said);
}

void fleet_start_module(struct fleet *f)
{
	unsigned long long end = rig_now_ms() + 5000;
	struct command c = { .n = 0 };
	char card[160];

	snprintf(card, sizeof(card), "euicc:%s", rig_path(&f->rig, "card"));
	put_some(&c, "sim-module", "--pty", rig_path(&f->rig, "modem"), "--control",
		 rig_path(&f->rig, "module.sock"), "--module", or(f->o.module, "quectel-eg25"), "--card", card,
		 "--card-ms", or(f->o.card_ms, "0"), "--baud", "0", "--boot-ms", "1",
		 "--coverage", FLEET_NOWHERE "=none", NULL);
	put_list(&c, f->o.module_args);
	f->module = rig_startv(&f->rig, "sim-module", c.argv);
	if (!rig_wait_for(f->module, "ready", 0, 10000))
		fleet_fail(f, "sim-module: %s", f->module->said);
	/* A daemon that comes too early only loses time. */
	while (!strstr(rig_ask_module(&f->rig, "status"), "card=usable") && rig_now_ms() < end)
		poll(NULL, 0, 5);
}

/* What it says goes into a file: nobody reads it while it runs. */
void fleet_start_daemon(struct fleet *f)
{
	static char script[1024];

	snprintf(script, sizeof(script), "exec env %s '%s/cellmuxd' -c '%s' -d '%s' --run-dir '%s' "
		 "--state-dir '%s' --wait --log-level %s >>'%s' 2>&1", or(f->o.env, "-u NONE"), f->rig.build,
		 rig_path(&f->rig, "cellmux.conf"),
		 rig_path(&f->rig, "modem"), f->rig.dir, rig_path(&f->rig, "state"),
		 or(f->o.log, "debug"), rig_path(&f->rig, "cellmuxd.log"));
	f->daemon = rig_start(&f->rig, "/bin/sh", "-c", script, NULL);
}

/* For whoever asks, and named by the card. */
static void write_key(struct fleet *f)
{
	char text[128];

	if (!f->o.key)
		return;
	snprintf(text, sizeof(text), "* eid text:%s\n", f->o.key);
	assert_int_equal(file_save(rig_path(&f->rig, "psk"), text, strlen(text), 0600), 0);
}

static void write_config(struct fleet *f)
{
	FILE *c = fopen(rig_path(&f->rig, "cellmux.conf"), "we");

	assert_non_null(c);
	fprintf(c, "[ipa]\nspread = 1\nrollback_after = %u\ninterval = %u\n",
		f->o.rollback_s ? f->o.rollback_s : 20, f->o.interval_s);
	if (!f->o.ca)
		fprintf(c, "ca = %s\n", f->ci);
	else if (f->o.ca[0])
		fprintf(c, "ca = " PKI "%s\n", f->o.ca);
	if (f->has_eim)
		fprintf(c, "first_eim = %s\n", rig_path(&f->rig, "eim.der"));
	if (f->o.key)
		fprintf(c, "psk_file = %s\n", rig_path(&f->rig, "psk"));
	if (f->o.conf)
		fprintf(c, "%s\n", f->o.conf);
	if (f->o.coap || f->o.section)
		fprintf(c, "[eim.it]\n");
	if (f->o.coap)
		fprintf(c, "coap_port = %u\n", f->coap_port);
	if (f->o.section)
		fprintf(c, "%s\n", f->o.section);
	fclose(c);
}

void fleet_set_config(struct fleet *f, const char *conf)
{
	f->o.conf = conf;
	write_config(f);
}

static void make_card(struct fleet *f)
{
	struct command c = { .n = 0 };
	char dp[64], ds[64];

	snprintf(dp, sizeof(dp), "localhost:%u", f->dp_port);
	snprintf(ds, sizeof(ds), "ds.localhost:%u", f->dp_port);
	put(&c, "sim-euicc");
	put_pair(&c, "--init", rig_path(&f->rig, "card"));
	put_pair(&c, "--personality", or(f->o.personality, "iot"));
	put_pair(&c, "--eid", FLEET_EID);
	put_pair(&c, "--pki", f->pki);
	put_pair(&c, "--default-dp", dp);
	put_pair(&c, "--root-ds", ds);
	put_pair(&c, "--profile", "iccid=" FLEET_HOME ",imsi=001010123456781,name=Home,enabled=1");
	if (f->o.profile)
		put_pair(&c, "--profile", f->o.profile);
	if (f->o.nowhere)
		put_pair(&c, "--profile", "iccid=" FLEET_NOWHERE ",imsi=001010123456783,name=Nowhere");
	put_pair(&c, "--memory", or(f->o.memory, "900000"));
	fleet_must(f, run(f, &c, 20000), "sim-euicc");
}

static void make_servers(struct fleet *f)
{
	char fqdn[32], eum[96], euicc[96];

	fleet_must(f, rig_run(&f->rig, &f->ran, "sim-smdp", "--init", rig_path(&f->rig, "dp"), "--pki",
			      f->pki, "--host", "localhost", "--sm-ds", "ds.localhost", NULL), "sim-smdp");
	fleet_start_dp(f);
	if (!f->has_eim)
		return;
	fleet_must(f, rig_run(&f->rig, &f->ran, "sim-eim", "init", rig_path(&f->rig, "eim"), "--pki",
			      f->pki, "--curve", or(f->o.curve, "nist"), "--indirect", "--supported-protocol",
			      or(f->o.protocols, FLEET_HTTPS), NULL), "sim-eim");
	start_eim(f);
	snprintf(fqdn, sizeof(fqdn), "127.0.0.1:%u", f->eim_port);
	fleet_must(f, rig_run(&f->rig, &f->ran, "sim-eim", "config", rig_path(&f->rig, "eim"), "--fqdn",
			      fqdn, "--output", rig_path(&f->rig, "eim.der"), NULL), "sim-eim");
	snprintf(eum, sizeof(eum), "%s/eum.der", f->pki);
	snprintf(euicc, sizeof(euicc), "%s/euicc.der", f->pki);
	FLEET_EIM(f, "card", FLEET_EID, "--eum-cert", eum, "--euicc-cert", euicc);
}

void fleet_open(struct fleet *f, const struct fleet_options *o)
{
	*f = (struct fleet){ .o = *o, .open = true };
	f->has_eim = !o->local && (!o->personality || !strncmp(o->personality, "iot", 3));
	f->dp_port = free_port(SOCK_STREAM);
	f->eim_port = free_port(SOCK_STREAM);
	f->coap_port = free_port(SOCK_DGRAM);
	snprintf(f->patience, sizeof(f->patience), "%u", (command_ms(f) - 10000) / 1000);
	snprintf(f->pki, sizeof(f->pki), PKI "%s", or(o->curve, "nist"));
	snprintf(f->ci, sizeof(f->ci), "%s/ci.pem", f->pki);
	rig_open(&f->rig, argv0);
	make_card(f);
	make_servers(f);
	write_key(f);
	write_config(f);
	fleet_start_module(f);
	fleet_start_daemon(f);
	fleet_await_card(f);
}

void fleet_drop(struct fleet *f)
{
	if (f->open)
		rig_close(&f->rig);
	f->open = false;
}

static void stop(struct fleet *f, struct rig_program *p, const char *name)
{
	int code = p && p->pid ? rig_stop(p) : 0;

	if (code)
		fleet_fail(f, "%s ended with exit code %d: %s", name, code, p->said);
}

void fleet_close(struct fleet *f)
{
	if (getenv("FLEET_LOG"))
		show_log(f);
	stop(f, f->daemon, "cellmuxd");
	stop(f, f->module, "sim-module");
	stop(f, f->eim, "sim-eim");
	stop(f, f->dp, "sim-smdp");
	fleet_drop(f);
}

void fleet_kill(struct rig_program *p)
{
	kill(p->pid, SIGKILL);
	assert_int_equal(rig_wait_end(p, 10000), 128 + SIGKILL);
}

/* --- waiting by events ---------------------------------------------------------------------------------- */

void fleet_pause(struct fleet *f, unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms, now;

	while ((now = rig_now_ms()) < end) {
		if (f->meanwhile)
			f->meanwhile(f, -1);
		else
			poll(NULL, 0, (int)(end - now));
	}
}

/* NULL: time is over, or the daemon has ended. */
static struct json_object *hear(struct fleet *f, struct rig_client *c, unsigned long long end)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	unsigned long long now;

	while (f->meanwhile && !memchr(c->in, '\n', c->n) && poll(&p, 1, 0) == 0 && rig_now_ms() < end)
		f->meanwhile(f, c->fd);
	now = rig_now_ms();
	return now < end ? rig_hear(c, (unsigned)(end - now)) : NULL;
}

bool fleet_await(struct fleet *f, const char *method, const char *topic,
		 bool (*is)(struct fleet *f, struct json_object *o), unsigned ms)
{
	unsigned long long end = rig_now_ms() + ms;
	static struct rig_client c;
	struct json_object *o, *params;
	char topics[64];
	bool there;

	if (rig_dial(&c, rig_path(&f->rig, "cellmux.sock"), ms) < 0)
		return false;
	snprintf(topics, sizeof(topics), "{\"topics\":[\"%s\"]}", topic);
	json_object_put(rig_ask(&c, "subscribe", topics, ms));
	o = rig_ask(&c, method, NULL, ms);
	there = o && is(f, o);
	json_object_put(o);
	while (!there && (o = hear(f, &c, end))) {
		there = json_object_object_get_ex(o, "params", &params) &&
			is(f, json_object_object_get(params, topic) ?
			      json_object_object_get(params, topic) : params);
		json_object_put(o);
	}
	rig_hang_up(&c);
	return there;
}

static bool knows_its_eim(struct fleet *f, struct json_object *ipa)
{
	struct json_object *list = json_object_object_get(ipa, "eims");

	(void)f;
	return json_object_is_type(list, json_type_array) && json_object_array_length(list);
}

static bool is_ready(struct fleet *f, struct json_object *euicc)
{
	struct json_object *card = json_object_object_get(euicc, "card");

	(void)f;
	return card && !strcmp(json_object_get_string(card), "ready");
}

void fleet_await_card(struct fleet *f)
{
	if (!fleet_await(f, "euicc", "euicc", is_ready, 60000) ||
	    (f->has_eim && !fleet_await(f, "ipa.status", "ipa", knows_its_eim, 60000)))
		fleet_fail(f, "the card has not been read");
}

/* Between two things that are done for one visit nothing is done, either. */
static bool is_idle(struct fleet *f, struct json_object *ipa)
{
	struct json_object *list = json_object_object_get(ipa, "eims");
	bool idle = !json_object_object_get(ipa, "doing") && !json_object_object_get(ipa, "download");

	(void)f;
	for (size_t k = 0; list && k < json_object_array_length(list); k++)
		idle &= !json_object_object_get(json_object_array_get_idx(list, k), "phase");
	return idle;
}

void fleet_await_idle(struct fleet *f)
{
	if (!fleet_await(f, "ipa.status", "ipa", is_idle, command_ms(f)))
		fleet_fail(f, "it is still busy");
}

static bool is_loading(struct fleet *f, struct json_object *ipa)
{
	struct json_object *d = json_object_object_get(ipa, "download"), *percent;

	return json_object_object_get_ex(d, "percent", &percent) &&
	       json_object_is_type(percent, json_type_int) &&
	       json_object_get_int(percent) >= (int)f->percent;
}

bool fleet_await_loading(struct fleet *f, unsigned percent)
{
	f->percent = percent;
	return fleet_await(f, "ipa.status", "ipa", is_loading, 30000);
}

/* --- orders ---------------------------------------------------------------------------------------------- */

void fleet_add(struct fleet *f, ...)
{
	struct command c = to_dp(f, "add");
	struct text rest, line;
	size_t at;

	REST(c, f);
	fleet_must(f, run(f, &c, 20000), "sim-smdp");
	rest = text_of(f->ran->said);
	assert_int_equal(text_copy(text_cut(&rest, '\n'), f->iccid, sizeof(f->iccid)), 0);
	line = text_trim(text_cut(&rest, '\n'));
	assert_int_equal(text_copy(line, f->code, sizeof(f->code)), 0);
	at = text_find(line, '$');
	line = text_skip(line, at + 1);
	text_cut(&line, '$');
	assert_int_equal(text_copy(text_cut(&line, '$'), f->matching, sizeof(f->matching)), 0);
}

void fleet_order(struct fleet *f, ...)
{
	struct command c = to_eim(f);

	put(&c, "queue");
	put(&c, FLEET_EID);
	REST(c, f);
	fleet_must(f, run(f, &c, 20000), "sim-eim queue");
	f->number = (unsigned)strtoul(f->ran->said, NULL, 10);
	assert_true(f->number > 0);
}

void fleet_visit(struct fleet *f)
{
	/* A card that was reset, or a module that goes away for a switch, ends it in the middle. */
	if (fleet_ctl(f, "ipa", "poll", NULL))
		fleet_ctl(f, "ipa", "poll", NULL);
}

unsigned fleet_log_count(struct fleet *f, const char *words)
{
	static char text[1 << 20];
	unsigned found = 0;
	size_t n;

	assert_int_equal(file_load(rig_path(&f->rig, "cellmuxd.log"), text, sizeof(text) - 1, &n), 0);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
		found++;
	return found;
}

/* --- accounts -------------------------------------------------------------------------------------------- */

static struct json_object *said_json(struct fleet *f)
{
	struct json_object *o = json_tokener_parse(f->ran->said);

	if (!o)
		fleet_fail(f, "no JSON: %s", f->ran->said);
	return o;
}

int fleet_count(struct json_object *o, const char *name)
{
	return json_object_get_int(json_object_object_get(o, name));
}

const char *fleet_words(struct json_object *o, const char *name)
{
	const char *s = json_object_get_string(json_object_object_get(o, name));

	return s ? s : "";
}

int fleet_results(struct fleet *f, const char *wait_s)
{
	return fleet_eim(f, "results", FLEET_EID, "--id", number(f->number), "--wait", wait_s, "--json", NULL);
}

struct json_object *fleet_package(struct fleet *f)
{
	struct json_object *all = said_json(f), *packages, *p = NULL;

	packages = json_object_object_get(json_object_array_get_idx(all, 0), "packages");
	for (size_t k = 0; packages && k < json_object_array_length(packages) && !p; k++) {
		p = json_object_array_get_idx(packages, k);
		if (fleet_count(p, "id") != (int)f->number)
			p = NULL;
	}
	if (!p)
		fleet_fail(f, "package %u is not in the list", f->number);
	json_object_get(p);
	json_object_put(all);
	return p;
}

void fleet_expect_result(struct fleet *f, const char *wanted, bool verified)
{
	struct json_object *p;

	/* Its exit code is about success, too; some tests want failures. */
	if (fleet_results(f, f->patience) == 3)
		fleet_fail(f, "package %u has no result", f->number);
	p = fleet_package(f);
	if (fleet_count(p, "results") != 1 || fleet_count(p, "refused") ||
	    (fleet_count(p, "duplicates") && !f->o.repeats) ||
	    !strstr(fleet_words(p, "outcome"), wanted) ||
	    (verified && !json_object_get_boolean(json_object_object_get(p, "verified"))))
		fleet_fail(f, "package %u: \"%s\"%s expected once, is: %s", f->number, wanted,
			   verified ? " verified" : "", json_object_to_json_string(p));
	json_object_put(p);
}

void fleet_expect_installed(struct fleet *f)
{
	struct json_object *all, *one;
	unsigned n = 0, good = 0;

	FLEET_DP(f, "wait", f->iccid, "installed", "--timeout", "60");
	FLEET_DP(f, "notifications", "--json", "--iccid", f->iccid);
	all = said_json(f);
	for (size_t k = 0; k < json_object_array_length(all); k++) {
		one = json_object_array_get_idx(all, k);
		if (strcmp(fleet_words(one, "event"), "install"))
			continue;
		n++;
		good += !strcmp(fleet_words(one, "verdict"), "verified") &&
			json_object_get_boolean(json_object_object_get(one, "installed")) &&
			fleet_count(one, "deliveries") == 1;
	}
	if (n != 1 || good != 1)
		fleet_fail(f, "one notification of the installation expected: %s", f->ran->said);
	json_object_put(all);
}

void fleet_expect_order(struct fleet *f, const char *state)
{
	struct json_object *o;

	FLEET_DP(f, "show", f->iccid);
	o = said_json(f);
	if (strcmp(fleet_words(o, "state"), state))
		fleet_fail(f, "the order is %s, not %s: %s", fleet_words(o, "state"), state, f->ran->said);
	json_object_put(o);
}

void fleet_expect_on_card(struct fleet *f, const char *iccid, const char *state)
{
	struct json_object *all, *list, *found = NULL;
	const char *is = NULL;

	FLEET_CTL(f, "profiles", "--json");
	all = said_json(f);
	list = json_object_object_get(all, "profiles");
	for (size_t k = 0; k < json_object_array_length(list); k++) {
		found = json_object_array_get_idx(list, k);
		if (!strcmp(fleet_words(found, "iccid"), iccid))
			is = fleet_words(found, "state");
	}
	if (!is != !state || (is && strcmp(is, state)))
		fleet_fail(f, "profile %s is %s, not %s: %s", iccid, is ? is : "not there",
			   state ? state : "not there", f->ran->said);
	json_object_put(all);
}

void fleet_expect_used(struct fleet *f, const char *iccid)
{
	char wanted[80];

	fleet_expect_on_card(f, iccid, "enabled");
	snprintf(wanted, sizeof(wanted), "\"iccid\":\"%s\",\"state\":\"enabled\",\"in_use\":true", iccid);
	if (!strstr(f->ran->said, wanted))
		fleet_fail(f, "the module does not use %s: %s", iccid, f->ran->said);
}

static bool is_missing(struct fleet *f, const char *name)
{
	return access(rig_path(&f->rig, name), F_OK) < 0;
}

static bool are_files_gone(struct fleet *f)
{
	return is_missing(f, "state/ipa-download") && is_missing(f, "state/ipa-journal") &&
	       is_missing(f, "state/ipa-notes");
}

void fleet_expect_all_settled(struct fleet *f)
{
	FLEET_CTL(f, "notifications");
	if (!strstr(f->ran->said, "No notifications"))
		fleet_fail(f, "on the card: %s", f->ran->said);
	if (!are_files_gone(f))
		fleet_fail(f, "something is open in the state directory");
}

void fleet_await_settled(struct fleet *f)
{
	unsigned long long end = rig_now_ms() + command_ms(f);

	/* No event tells of files. */
	while (!are_files_gone(f) || fleet_ctl(f, "notifications", NULL) ||
	       !strstr(f->ran->said, "No notifications")) {
		if (rig_now_ms() > end)
			fleet_fail(f, "something stays open");
		fleet_pause(f, 20);
	}
	fleet_await_card(f);
	fleet_await_idle(f);
	fleet_expect_all_settled(f);
}

void fleet_download(struct fleet *f)
{
	FLEET_ADD(f, "--size", "3000");
	FLEET_ORDER(f, "download", f->code);
	fleet_visit(f);
	fleet_expect_result(f, "installed as", true);
	fleet_expect_installed(f);
	fleet_expect_on_card(f, f->iccid, "disabled");
}

/* --- one way or the other --------------------------------------------------------------------------- */

void fleet_order_by(struct fleet *f, bool indirect)
{
	/* Where it is the eIM that keeps the data there is one way only. */
	if (indirect)
		FLEET_ORDER(f, "download", f->code, "--indirect", "--hold");
	else
		FLEET_ORDER(f, "download", f->code, "--direct");
}

void fleet_expect_download(struct fleet *f, bool indirect)
{
	fleet_expect_result(f, "installed as", true);
	fleet_expect_result(f, indirect ? ", indirect" : ", direct", true);
	fleet_expect_installed(f);
	fleet_expect_on_card(f, f->iccid, "disabled");
}

void fleet_delete(struct fleet *f)
{
	FLEET_ORDER(f, "delete", f->iccid);
	fleet_visit(f);
	fleet_expect_result(f, "delete ok", true);
	fleet_expect_on_card(f, f->iccid, NULL);
	fleet_expect_all_settled(f);
	FLEET_DP(f, "remove", f->iccid);
}
