/*
 * Virtual ports and CMUX of the whole daemon against the virtual module, and four clients with
 * different settings at once by a fixed seed. Programs of other people are in test_programs.c.
 *
 *   STRESS_COMMANDS=n  STRESS_SEED=n   another run
 */
#include "support/test.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/util.h"
#include "support/port_client.h"
#include "support/rig.h"

static const char *argv0;
static struct rig rig;
static struct rig_program *daemon_program;

static const char plain_conf[] =
	"[port.at0]\ndata = yes\n[port.at1]\n[port.at2]\nkind = socket\n[port.at3]\nkind = socket\n";
static const char mux_conf[] =
	"[modem]\ncmux = yes\nmax_baud = 921600\n"
	"[port.at0]\ndata = cmux\n[port.at1]\n[port.at2]\nkind = socket\n[port.at3]\nkind = socket\n";

static void start_daemon(const char *conf)
{
	FILE *f = fopen(rig_path(&rig, "ports.conf"), "w");

	assert_non_null(f);
	fputs(conf, f);
	fclose(f);
	daemon_program = rig_start_daemon(&rig, "-c", rig_path(&rig, "ports.conf"), NULL);
	assert_true(rig_wait_state(&rig, "ready", 60000));
}

static void start_with(const char *conf)
{
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", NULL);
	start_daemon(conf);
}

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, argv0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* --- a client ------------------------------------------------------------------------------------- */

#define OK PORT_CLIENT_OK

static void open_client(struct port_client *c, const char *name)
{
	port_client_open(c, rig_path(&rig, name));
}

static const char *ask(struct port_client *c, const char *line, const char *end)
{
	return port_client_ask(c, line, end, daemon_program->said);
}

/* --- data beside commands --------------------------------------------------------------------------- */

static void with_a_mux_a_call_and_commands_run_at_the_same_time(void **state)
{
	struct port_client data, other;

	(void)state;
	start_with(mux_conf);
	open_client(&data, "at0");
	open_client(&other, "at1");
	ask(&other, "ATE0\r", OK);
	ask(&data, "ATE0\r", OK);
	ask(&data, "ATD*99#\r", "\r\nCONNECT 150000000\r\n");
	for (unsigned i = 0; i < 20; i++)
		ask(&other, "AT+CSQ\r", OK);
	assert_true(rig_tell_module(&rig, "no-carrier"));
	ask(&data, "", "\r\nNO CARRIER\r\n");
	ask(&data, "AT+CGMM\r", "\r\nEG25\r\n" OK);
	close(data.fd);
	close(other.fd);
}

static void a_daemon_that_was_killed_in_its_mux_starts_again(void **state)
{
	struct port_client c;

	(void)state;
	start_with(mux_conf);
	for (unsigned i = 0; i < 3; i++) {
		kill(daemon_program->pid, SIGKILL);
		rig_wait_end(daemon_program, 5000);
		start_daemon(mux_conf);
		open_client(&c, "at1");
		ask(&c, "ATE0\r", OK);
		ask(&c, "AT+CGMM\r", "\r\nEG25\r\n" OK);
		close(c.fd);
	}
	/* And in good order: the module is not muxing afterwards. */
	assert_int_equal(rig_stop(daemon_program), 0);
	assert_non_null(strstr(rig_ask_module(&rig, "status"), "mux=0"));
}

static void a_module_that_restarts_in_its_mux_comes_back(void **state)
{
	struct port_client c;

	(void)state;
	start_with(mux_conf);
	assert_true(rig_wait_for(daemon_program, "sim → ready", 0, 10000));
	for (unsigned i = 0; i < 3; i++) {
		size_t from = daemon_program->said_n;

		assert_true(rig_tell_module(&rig, "reset"));
		assert_true(rig_wait_for(daemon_program, "left its mux", from, 60000));
		assert_true(rig_wait_for(daemon_program, "sim → ready", from, 60000));
		open_client(&c, "at1");
		ask(&c, "ATE0\r", OK);
		ask(&c, "AT+CGMM\r", "\r\nEG25\r\n" OK);
		close(c.fd);
	}
}

/* --- one client after another --------------------------------------------------------------------- */

/* The daemon does not look while one goes and the next comes and writes. */
static void follow_unseen(const char *name)
{
	struct port_client c;

	open_client(&c, name);
	assert_non_null(strstr(ask(&c, "ATE0\r", OK), "ATE0"));
	assert_null(strstr(ask(&c, "AT+CREG=1\r", OK), "AT"));
	for (unsigned i = 0; i < 20; i++) {
		kill(daemon_program->pid, SIGSTOP);
		close(c.fd);
		open_client(&c, name);
		assert_int_equal(write(c.fd, "AT+CREG?\r", 9), 9);
		kill(daemon_program->pid, SIGCONT);
		while (!strstr(c.in, OK))
			if (!port_client_take(&c, 10000))
				fail_msg("%s, round %u: '%s'", name, i, c.in);
		/* Echo and reports are as a newcomer finds them. */
		assert_string_equal(c.in, "AT+CREG?\r\r\n+CREG: 0,1\r\n" OK);
		ask(&c, "ATE0;+CREG=1\r", OK);
	}
	close(c.fd);
}

static void a_client_that_comes_at_once_after_another_starts_anew(void **state)
{
	(void)state;
	start_with(plain_conf);
	follow_unseen("at1");
	follow_unseen("at2");
}

/* As `cat port & echo AT >port` in a shell. */
static void a_port_opened_twice_is_one_client_until_both_have_closed(void **state)
{
	struct port_client c, other;

	(void)state;
	start_with(plain_conf);
	for (unsigned i = 0; i < 20; i++) {
		kill(daemon_program->pid, SIGSTOP);
		open_client(&c, "at1");
		open_client(&other, "at1");
		assert_int_equal(write(other.fd, "ATE0\r", 5), 5);
		close(other.fd);
		kill(daemon_program->pid, SIGCONT);
		while (!strstr(c.in, OK))
			if (!port_client_take(&c, 10000))
				fail_msg("round %u: '%s'", i, c.in);
		assert_string_equal(ask(&c, "AT+CREG?\r", OK), "\r\n+CREG: 0,1\r\n" OK);
		close(c.fd);
	}
}

/* --- what the control socket tells of them -------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, name, &v))
		fail_msg("no %s in %s", name, json_object_to_json_string(o));
	return v;
}

static int64_t number(struct json_object *o, const char *name)
{
	return json_object_get_int64(member(o, name));
}

/* The next event of the ports tells of this port in this state; owned by the caller. */
static struct json_object *hear_port(struct rig_client *c, const char *name, const char *state)
{
	struct json_object *o = rig_hear(c, 5000), *port;

	if (!o)
		fail_msg("no event for %s %s\n%s", name, state, daemon_program->said);
	port = json_object_get(member(member(o, "params"), "port"));
	assert_string_equal(json_object_get_string(member(port, "name")), name);
	assert_string_equal(json_object_get_string(member(port, "state")), state);
	json_object_put(o);
	return port;
}

static void the_control_socket_tells_of_ports_and_mux(void **state)
{
	static struct rig_client events, asker;
	struct json_object *o, *port, *mux;
	struct port_client c;

	(void)state;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", NULL);
	start_daemon(mux_conf);
	assert_true(rig_wait_for(daemon_program, "muxed: 4 channels", 0, 10000));
	assert_int_equal(rig_dial(&events, rig_path(&rig, "cellmux.sock"), 1000), 0);
	assert_int_equal(rig_dial(&asker, rig_path(&rig, "cellmux.sock"), 1000), 0);
	json_object_put(rig_ask(&events, "subscribe", "{\"topics\":[\"ports\"]}", 5000));
	open_client(&c, "at0");
	ask(&c, "ATE0+CMEE=2;+CREG=1;+CSCS=\"UCS2\"\r", OK);
	ask(&c, "ATD*99#\r", "\r\nCONNECT 150000000\r\n");
	json_object_put(hear_port(&events, "at0", "command"));
	port = hear_port(&events, "at0", "data");
	assert_true(json_object_get_boolean(member(port, "in_use")));
	assert_int_equal(number(port, "channel"), 3);
	assert_int_equal(number(port, "commands"), 5);
	assert_int_equal(number(port, "clients"), 1);
	assert_int_equal(number(port, "octets_in"), 41);
	assert_int_equal(number(member(port, "settings"), "E"), 0);
	assert_int_equal(number(member(port, "settings"), "CMEE"), 2);
	assert_int_equal(number(member(port, "settings"), "CREG"), 1);
	assert_string_equal(json_object_get_string(member(member(port, "settings"), "CSCS")), "\"UCS2\"");
	json_object_put(port);

	o = rig_ask(&asker, "status", NULL, 5000);
	assert_non_null(o);
	mux = member(member(o, "modem"), "mux");
	assert_true(json_object_get_boolean(member(mux, "on")));
	assert_string_equal(json_object_get_string(member(mux, "mode")), "basic");
	assert_int_equal(number(mux, "channels"), 4);
	assert_int_equal(number(mux, "frame_size"), 127);
	assert_int_equal(number(mux, "starts"), 1);
	assert_true(number(mux, "frames_sent") > 20 && number(mux, "frames_received") > 20);
	assert_int_equal(number(member(o, "modem"), "baud"), 921600);
	assert_int_equal(json_object_array_length(member(o, "ports")), 4);
	assert_null(member(json_object_array_get_idx(member(o, "ports"), 3), "settings"));
	json_object_put(o);

	close(c.fd);
	json_object_put(hear_port(&events, "at0", "free"));
	/* The mux that the module forgets is counted, and is a change of the modem. */
	json_object_put(rig_ask(&events, "subscribe", "{\"topics\":[\"modem\"]}", 5000));
	assert_true(rig_tell_module(&rig, "reset"));
	do {
		o = rig_hear(&events, 60000);
		assert_non_null(o);
		mux = json_object_get(member(member(member(o, "params"), "modem"), "mux"));
		json_object_put(o);
		if (json_object_get_boolean(member(mux, "on")) && number(mux, "starts") == 2)
			break;
		json_object_put(mux);
	} while (1);
	assert_int_equal(number(mux, "losses"), 1);
	json_object_put(mux);
	rig_hang_up(&asker);
	rig_hang_up(&events);
}

/* --- four clients -------------------------------------------------------------------------------------- */

#define CLIENTS 4

enum kind { KIND_ECHO, KIND_CSQ, KIND_ERROR, KIND_CME, KIND_CREG, KIND_CMEE, KIND_SET, KIND_SMS, _KIND_MAX };

struct worker {
	struct port_client c;
	unsigned i, done;
	unsigned e, v, cmee, creg, cmgf;        /* as this client has set them */
	bool waits, prompted;
	enum kind kind;
	char sent[128], token[24], want[512];
	unsigned long long since;
};

static struct worker workers[CLIENTS];
static unsigned long long seed;
static unsigned urcs;

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
		urcs++;
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

static void run_stress(const char *conf, unsigned commands)
{
	unsigned done = 0, reopened = 0;

	seed = getenv("STRESS_SEED") ? strtoull(getenv("STRESS_SEED"), NULL, 10) : 2711;
	print_message("seed %llu\n", seed);
	urcs = 0;
	rig_start_module(&rig, "--baud", "0", "--boot-ms", "200", "--fault", "urc%20", NULL);
	start_daemon(conf);
	for (unsigned i = 0; i < CLIENTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "at%u", i);
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].i = i;
		open_client(&workers[i].c, name);
		set_defaults(&workers[i]);
	}
	while (done < commands) {
		struct pollfd fds[CLIENTS];

		for (unsigned i = 0; i < CLIENTS; i++) {
			struct worker *w = &workers[i];

			fds[i] = (struct pollfd){ .fd = w->c.fd, .events = POLLIN };
			if (!w->waits)
				next(w);
		}
		poll(fds, CLIENTS, 100);
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct worker *w = &workers[i];

			if (fds[i].revents)
				port_client_take(&w->c, 0);
			if (rig_now_ms() - w->since > 20000)
				fail_msg("client %u lost the answer to '%s': '%s'", i, w->sent, w->c.in);
			if (!judge(w))
				continue;
			w->waits = false;
			w->done++;
			done++;
			/* Now and then somebody goes and somebody else comes, who must find nothing. */
			if (roll(400) == 0) {
				char name[8];

				snprintf(name, sizeof(name), "at%u", i);
				close(w->c.fd);
				/* The port learns of it in its own time: a socket says "in use" until then. */
				do {
					open_client(&w->c, name);
					if (i < 2)
						break;
					assert_true(write(w->c.fd, "AT\r", 3) >= 0);
					while (port_client_take(&w->c, 2000) && !strstr(w->c.in, OK) &&
					       !strstr(w->c.in, "in use"))
						;
					if (strstr(w->c.in, "in use"))
						close(w->c.fd);
				} while (strstr(w->c.in, "in use"));
				set_defaults(w);
				reopened++;
			}
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		close(workers[i].c.fd);
	print_message("%u commands, %u reports, %u times reopened\n", done, urcs, reopened);
	assert_true(urcs > done / 100);
}

static unsigned commands_wanted(unsigned usual)
{
	const char *n = getenv("STRESS_COMMANDS");

	return n ? (unsigned)strtoul(n, NULL, 10) : usual;
}

static void four_clients_on_one_line_never_get_anothers_answer_or_settings(void **state)
{
	(void)state;
	run_stress(plain_conf, commands_wanted(10000));
}

static void four_clients_on_a_mux_never_get_anothers_answer_or_settings(void **state)
{
	(void)state;
	run_stress(mux_conf, commands_wanted(10000));
}

#define PORTS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORTS_TEST(with_a_mux_a_call_and_commands_run_at_the_same_time),
		PORTS_TEST(a_daemon_that_was_killed_in_its_mux_starts_again),
		PORTS_TEST(a_module_that_restarts_in_its_mux_comes_back),
		PORTS_TEST(a_client_that_comes_at_once_after_another_starts_anew),
		PORTS_TEST(a_port_opened_twice_is_one_client_until_both_have_closed),
		PORTS_TEST(the_control_socket_tells_of_ports_and_mux),
		PORTS_TEST(four_clients_on_one_line_never_get_anothers_answer_or_settings),
		PORTS_TEST(four_clients_on_a_mux_never_get_anothers_answer_or_settings),
	};

	argv0 = argv[0];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
