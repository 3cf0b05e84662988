/*
 * Four clients with different settings at four virtual ports at once, by a fixed seed, while reports come
 * and one profile after the other is downloaded for an eIM, directly and through it in turn: no answer, no
 * report and no setting may reach anybody else, and each download must be right. Only commands that are
 * given while one is made are counted.
 *
 *   STRESS_COMMANDS=n  STRESS_SEED=n   another run
 */
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "support/fleet.h"
#include "support/port_client.h"

#define OK PORT_CLIENT_OK
#define PROFILE_SIZE "60000"
#define DOWNLOADS_MIN 2

static struct fleet fleet;

#define PORTS "[port.at0]\n[port.at1]\n[port.at2]\nkind = socket\n[port.at3]\nkind = socket\n"

static const char plain_conf[] = PORTS;
static const char mux_conf[] = "[modem]\ncmux = yes\nbaud = 3000000\n" PORTS;

static int teardown(void **state)
{
	(void)state;
	fleet_drop(&fleet);
	return 0;
}

static void open_client(struct port_client *c, const char *name)
{
	port_client_open(c, rig_path(&fleet.rig, name));
}

/* --- four clients ---------------------------------------------------------------------------------- */

#define CLIENTS 4
#define ANSWER_MS 20000

enum kind { KIND_ECHO, KIND_CSQ, KIND_ERROR, KIND_CME, KIND_CREG, KIND_CMEE, KIND_SET, KIND_SMS, _KIND_MAX };

struct worker {
	struct port_client c;
	unsigned i, done;
	unsigned e, v, cmee, creg, cmgf;        /* as this client has set them */
	bool waits, prompted, counts;
	enum kind kind;
	char sent[128], token[24], want[512];
	unsigned long long since;
};

static struct worker workers[CLIENTS];
static unsigned long long seed;
static struct {
	bool download;                  /* one is being made */
	unsigned done, beside;          /* commands; of them while one was made */
	unsigned urcs, reopened, downloads[2];
} count;

static unsigned roll(unsigned below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % below;
}

static size_t add(char *dst, size_t at, size_t cap, const char *fmt, const char *text)
{
	int n = snprintf(dst + at, cap - at, fmt, text);

	assert_true(n >= 0 && (size_t)n < cap - at);
	return at + (size_t)n;
}

/* What must come, to the octet, but for reports in between. */
static void expect(struct worker *w, const char *info, unsigned times, const char *word, const char *digit)
{
	size_t at = 0, cap = sizeof(w->want);

	w->want[0] = '\0';
	if (w->e)
		at = add(w->want, at, cap, "%s", w->sent);
	for (unsigned k = 0; k < times; k++) {
		char line[80];

		snprintf(line, sizeof(line), info, k + 1);
		at = add(w->want, at, cap, w->v && k == 0 ? "\r\n%s\r\n" : "%s\r\n", line);
	}
	if (w->v)
		at = add(w->want, at, cap, "\r\n%s\r\n", word);
	else if (digit)
		at = add(w->want, at, cap, "%s\r", digit);
	else
		at = add(w->want, at, cap, "%s\r\n", word);
}

static void expect_error(struct worker *w, const char *numeric, const char *words)
{
	expect(w, NULL, 0, w->cmee == 0 ? "ERROR" : w->cmee == 1 ? numeric : words,
	       w->cmee == 0 ? "4" : NULL);
}

static void next(struct worker *w)
{
	char info[80];
	unsigned n = 1 + roll(4), was_e = w->e;

	snprintf(w->token, sizeof(w->token), "T%u-%06u", w->i, w->done);
	w->kind = (enum kind)(roll(3) ? KIND_ECHO : roll(_KIND_MAX));
	switch (w->kind) {
	case KIND_ECHO:
		snprintf(w->sent, sizeof(w->sent), "AT%%ECHO=\"%s\",%u\r", w->token, n);
		snprintf(info, sizeof(info), "%%%%ECHO: \"%s\",%%u", w->token);
		expect(w, info, n, "OK", "0");
		break;
	case KIND_CSQ:
		snprintf(w->sent, sizeof(w->sent), "AT+CSQ\r");
		expect(w, "+CSQ: 20,99", 1, "OK", "0");
		break;
	case KIND_ERROR:
		snprintf(w->sent, sizeof(w->sent), "AT+NOSUCH=%s\r", w->token);
		/* The module's own way of saying no, without a number. */
		expect(w, NULL, 0, "ERROR", "4");
		break;
	case KIND_CME:
		snprintf(w->sent, sizeof(w->sent), "AT%%ECHO=\"%s\",99\r", w->token);
		expect_error(w, "+CME ERROR: 50", "+CME ERROR: Incorrect parameters");
		break;
	case KIND_CREG:
		snprintf(w->sent, sizeof(w->sent), "AT+CREG?\r");
		w->want[0] = '\0';
		break;
	case KIND_CMEE:
		snprintf(w->sent, sizeof(w->sent), "AT+CMEE?\r");
		snprintf(info, sizeof(info), "+CMEE: %u", w->cmee);
		expect(w, info, 1, "OK", "0");
		break;
	case KIND_SET:
		w->e = roll(2);
		w->v = roll(2);
		w->cmee = roll(3);
		w->creg = roll(3);
		snprintf(w->sent, sizeof(w->sent), "ATE%uV%u+CMEE=%u;+CREG=%u\r", w->e, w->v, w->cmee,
			 w->creg);
		/* Its own echo is still as it was. */
		n = w->e;
		w->e = was_e;
		expect(w, NULL, 0, "OK", "0");
		w->e = n;
		break;
	case KIND_SMS:
		w->cmgf = 1;
		snprintf(w->sent, sizeof(w->sent), "AT+CMGF=1;+CMGS=\"+49170%u\"\r", roll(1000));
		w->prompted = false;
		w->want[0] = '\0';
		break;
	case _KIND_MAX:
		break;
	}
	w->c.n = 0;
	w->c.in[0] = '\0';
	w->waits = true;
	w->counts = count.download;
	w->since = rig_now_ms();
	assert_int_equal(write(w->c.fd, w->sent, strlen(w->sent)), strlen(w->sent));
}

/*
 * Takes reports out of what has come: whole lines that begin like one and are none of the answer.
 * One that the client did not ask for, or in another form than it asked for, is a leak.
 */
static void take_reports(struct worker *w)
{
	static const char *const starts[] = { "+CREG: 1", "RING", "+CMTI:", "+CIEV:", "+CGEV:", "+CTZV:" };

	for (char *line = w->c.in; line && *line;) {
		char *end = strstr(line, "\r\n"), *from = line;
		bool report = false;

		if (!end)
			break;
		for (size_t k = 0; k < ARRAY_SIZE(starts); k++) {
			if (strncmp(line, starts[k], strlen(starts[k])) != 0)
				continue;
			if (k == 0 && w->kind == KIND_CREG && line[8] == ',' && line[9] == '1')
				continue;       /* the answer: looked at there */
			report = true;
			/* While it is being changed either form is right. */
			if (k == 0 && w->kind != KIND_SET && (w->creg == 0 || (w->creg == 1) != (line + 8 == end)))
				fail_msg("client %u, +CREG=%u: got the report '%.*s' after '%s'", w->i, w->creg,
					 (int)(end - line), line, w->sent);
			if (k >= 2)
				fail_msg("client %u did not ask for '%.*s'", w->i, (int)(end - line), line);
		}
		if (!report) {
			/* In V0 one may follow the CR of an echo or of a number. */
			char *cr = memchr(line, '\r', (size_t)(end - line));

			line = cr ? cr + 1 : end + 2;
			continue;
		}
		count.urcs++;
		/* With its own lead. */
		if (from - w->c.in >= 2 && from[-2] == '\r' && from[-1] == '\n' &&
		    (w->v || w->kind == KIND_SET))
			from -= 2;
		memmove(from, end + 2, strlen(end + 2) + 1);
		line = from;
		w->c.n = strlen(w->c.in);
	}
}

static bool ends_with(const struct worker *w, const char *end)
{
	size_t n = strlen(end);

	return w->c.n >= n && !memcmp(w->c.in + w->c.n - n, end, n);
}

/* True when the answer is complete and right. */
static bool judge(struct worker *w)
{
	char text[256];

	take_reports(w);
	if (w->kind == KIND_CREG) {
		if (!ends_with(w, w->v ? OK : "\r\n0\r"))
			return false;
		snprintf(text, sizeof(text), "+CREG: %u,1%s", w->creg, w->creg == 2 ? ",\"" : "\r\n");
		if (!strstr(w->c.in, text))
			fail_msg("client %u, +CREG=%u: '%s'", w->i, w->creg, w->c.in);
		return true;
	}
	if (w->kind == KIND_SMS) {
		if (!w->prompted && ends_with(w, "> ")) {
			int n = snprintf(text, sizeof(text), "message %s\x1a", w->token);

			w->prompted = true;
			assert_int_equal(write(w->c.fd, text, (size_t)n), n);
		}
		if (!ends_with(w, w->v ? OK : "\r\n0\r"))
			return false;
		if (!strstr(w->c.in, "+CMGS: ") || !w->prompted)
			fail_msg("client %u: '%s'", w->i, w->c.in);
		return true;
	}
	if (w->c.n < strlen(w->want))
		return false;
	if (strcmp(w->c.in, w->want) != 0) {
		/* A report that has begun and not ended yet. */
		if (w->c.n > strlen(w->want) && !strncmp(w->c.in, w->want, strlen(w->want)) &&
		    !ends_with(w, "\r\n"))
			return true;
		if (strstr(w->c.in, "+CREG") || strstr(w->c.in, "RIN") || strstr(w->c.in, "\r\n\r\n+"))
			return false;
		char in[512], want[512];

		text_escape(w->c.in, w->c.n, in, sizeof(in));
		text_escape(w->want, strlen(w->want), want, sizeof(want));
		fail_msg("client %u: '%s', not '%s'", w->i, in, want);
	}
	return true;
}

static void set_defaults(struct worker *w)
{
	w->e = w->v = 1;
	w->cmee = w->creg = w->cmgf = 0;
	w->waits = false;
}

/* Somebody goes and somebody else comes, who must find nothing. */
static void come_anew(struct worker *w)
{
	char name[8];

	snprintf(name, sizeof(name), "at%u", w->i);
	close(w->c.fd);
	/* The port learns of it in its own time: a socket says "in use" until then. */
	do {
		open_client(&w->c, name);
		if (w->i < 2)
			break;
		/* It may have said so and hung up by now. */
		assert_true(write(w->c.fd, "AT\r", 3) == 3 || errno == EPIPE);
		while (port_client_take(&w->c, 2000) && !strstr(w->c.in, OK) && !strstr(w->c.in, "in use"))
			;
		if (strstr(w->c.in, "in use"))
			close(w->c.fd);
	} while (strstr(w->c.in, "in use"));
	set_defaults(w);
	count.reopened++;
}

static void serve(struct worker *w)
{
	if (rig_now_ms() - w->since > ANSWER_MS)
		fleet_fail(&fleet, "client %u lost the answer to '%s': '%s'", w->i, w->sent, w->c.in);
	if (!judge(w))
		return;
	w->waits = false;
	w->done++;
	count.done++;
	count.beside += w->counts && count.download;
	if (roll(400) == 0)
		come_anew(w);
}

/* Everybody asks and listens. */
static void serve_all(struct fleet *f, int fd)
{
	struct pollfd fds[CLIENTS + 1];

	(void)f;
	fds[CLIENTS] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct worker *w = &workers[i];

		if (!w->waits)
			next(w);
		fds[i] = (struct pollfd){ .fd = w->c.fd, .events = POLLIN };
	}
	poll(fds, CLIENTS + 1, 100);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (fds[i].revents)
			port_client_take(&workers[i].c, 0);
		serve(&workers[i]);
	}
}

static void open_all(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "at%u", i);
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].i = i;
		open_client(&workers[i].c, name);
		set_defaults(&workers[i]);
	}
}

/* A download from order to accounts, and its profile goes again. */
static void download(unsigned indirect)
{
	FLEET_ADD(&fleet, "--size", PROFILE_SIZE);
	fleet_order_by(&fleet, indirect);
	count.download = true;
	fleet_visit(&fleet);
	count.download = false;
	fleet_expect_download(&fleet, indirect);
	fleet_delete(&fleet);
	count.downloads[indirect]++;
}

static void run_stress(const char *conf, unsigned commands)
{
	unsigned long long began;

	seed = getenv("STRESS_SEED") ? strtoull(getenv("STRESS_SEED"), NULL, 10) : 2711;
	print_message("seed %llu\n", seed);
	memset(&count, 0, sizeof(count));
	fleet_open(&fleet, &(struct fleet_options){ .conf = conf, .log = "warning", .card_ms = "1",
						    .module_args = { "--boot-ms", "200", "--fault", "urc%20" } });
	open_all();
	began = rig_now_ms();
	fleet.meanwhile = serve_all;
	for (unsigned k = 0; count.beside < commands || k < DOWNLOADS_MIN; k++)
		download(k % 2);
	fleet.meanwhile = NULL;
	for (unsigned i = 0; i < CLIENTS; i++)
		close(workers[i].c.fd);
	print_message("%u commands, %u beside downloads, in %.1f s, %u reports, %u times reopened, %u direct "
		      "downloads, %u through the eIM\n", count.done, count.beside,
		      (double)(rig_now_ms() - began) / 1000, count.urcs, count.reopened, count.downloads[0],
		      count.downloads[1]);
	assert_true(count.urcs > count.done / 100);
	fleet_close(&fleet);
}

static unsigned commands_wanted(unsigned usual)
{
	const char *n = getenv("STRESS_COMMANDS");

	return n ? (unsigned)strtoul(n, NULL, 10) : usual;
}

static void four_clients_on_one_line_never_get_anothers_answer_or_settings(void **state)
{
	(void)state;
	run_stress(plain_conf, commands_wanted(20000));
}

static void four_clients_on_a_mux_never_get_anothers_answer_or_settings(void **state)
{
	(void)state;
	run_stress(mux_conf, commands_wanted(20000));
}

#define STRESS_TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STRESS_TEST(four_clients_on_one_line_never_get_anothers_answer_or_settings),
		STRESS_TEST(four_clients_on_a_mux_never_get_anothers_answer_or_settings),
	};

	fleet_argv0(argv[0]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
