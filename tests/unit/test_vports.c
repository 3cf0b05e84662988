/*
 * Virtual ports in front of a small module on the virtual clock; clients are real sockets and a
 * real pseudo terminal.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "core/log.h"
#include "modem/policy.h"
#include "modem/vport.h"
#include "support/fake_port.h"
#include "unit/fake_ev.h"

#define CLIENTS 3

static struct modem m;
static struct vports ports;
static char dir[] = "/tmp/cellmux-vports-XXXXXX";
static int clients[CLIENTS];

/* What the module is told beside fake_port_ordinary. */
static const struct fake_answer answers[] = {
	{ "AT+CSQ", "\\r\\n+CSQ: 20,99\\r\\n\\r\\nOK\\r\\n" },
	{ "AT+CGDCONT?", "\\r\\n+CGDCONT: 1,\"IP\",\"a\"\\r\\n+CREG: 5,\"00C3\",\"0000AB12\",7\\r\\n"
			 "+CGDCONT: 2,\"IP\",\"b\"\\r\\n\\r\\nOK\\r\\n" },
	{ "AT+CPMS", "\\r\\n+CMS ERROR: 310\\r\\n" },
	{ "AT+CPBR", "\\r\\n+CME ERROR: 22\\r\\n" },
	{ "AT+CMGS=", "\\r\\n> " },
	{ "AT+COPS=?", "" },
	{ "ATD", "\\r\\nCONNECT 150000000\\r\\n" },
	{ "AT+CREG=3", "\\r\\n+CME ERROR: 50\\r\\n" },
	{ "AT+CNMI=", "\\r\\nOK\\r\\n" }, { "AT+CGEREP=", "\\r\\nOK\\r\\n" },
	{ "AT+CMGF=", "\\r\\nOK\\r\\n" }, { "AT+CSCS=", "\\r\\nOK\\r\\n" },
	{ "AT+CMGL", "\\r\\n+CMGL: 1,\"REC READ\"\\r\\nhello\\r\\n\\r\\nOK\\r\\n" },
	{ "AT+CSIM=", "\\r\\n+CSIM: 4,\"9000\"\\r\\n\\r\\nOK\\r\\n" },
	{ "ATI", "\\r\\nMaker\\r\\nModel\\r\\n\\r\\nOK\\r\\n" },
	{ "AT+NOSUCH", "\\r\\nERROR\\r\\n" },
	{ 0 }
};

static char typed[4096];                /* a body, or data */
static bool in_data;

static void on_wrote(struct wire *w);
static void (*ordinary_wrote)(struct wire *w);

/* Bodies and data come without a CR at their end: they are looked at before lines are. */
static void on_wrote(struct wire *w)
{
	char *end = memchr(w->written, 0x1a, w->written_n);

	if (in_data) {
		size_t n = strlen(typed);

		assert_true(w->written_n < sizeof(typed) - n);
		memcpy(typed + n, w->written, w->written_n);
		typed[n + w->written_n] = '\0';
		w->written_n = 0;
		if (strstr(typed, "+++") && strstr(typed, "+++")[3] == '\0')
			fake_port_says("\\r\\nOK\\r\\n");
		if (strstr(typed, "+++AT")) {
			in_data = false;
			fake_port_says("\\r\\nOK\\r\\n");
		}
		return;
	}
	if (end) {
		snprintf(typed, sizeof(typed), "%.*s", (int)(end - w->written), w->written);
		w->written_n = 0;
		fake_port_says("\\r\\n+CMGS: 5\\r\\n\\r\\nOK\\r\\n");
		return;
	}
	ordinary_wrote(w);
}

static bool before(struct fake_port *p, const char *command)
{
	if (!strncmp(command, "ATD", 3))
		in_data = true;
	for (const struct fake_answer *a = answers; a->command; a++) {
		if (text_starts(text_of(command), a->command)) {
			fake_port_says(a->octets);
			return true;
		}
	}
	/* What sets something is agreed to. */
	if (strchr(command, '=') && !strchr(command, '?') && !strstr(command, "C5GREG")) {
		fake_port_says("\\r\\nOK\\r\\n");
		return true;
	}
	(void)p;
	return false;
}

static void on_changed(struct modem *modem, unsigned what)
{
	(void)modem;
	if (what & MODEM_CHANGED_STATE)
		vports_state(&ports);
}

static int dial(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, name);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fake_ev_settle();
	return fd;
}

static void hang_up(unsigned i)
{
	close(clients[i]);
	clients[i] = -1;
	fake_ev_run(10);
}

static void type(unsigned i, const char *s)
{
	assert_int_equal(write(clients[i], s, strlen(s)), strlen(s));
}

/* Everything that the client has got by now. */
static const char *got(unsigned i)
{
	static char text[CLIENTS][70000];
	ssize_t n = read(clients[i], text[i], sizeof(text[i]) - 1);

	text[i][n > 0 ? n : 0] = '\0';
	return text[i];
}

/* A terminal's octets pass through the kernel's own time: waits for as many as are expected. */
static void says_tty(const char *line, const char *want)
{
	char text[4096] = "";
	size_t n = 0;

	type(2, line);
	for (unsigned k = 0; k < 500 && n < strlen(want); k++) {
		struct pollfd p = { .fd = clients[2], .events = POLLIN };
		ssize_t r;

		fake_ev_run(5);
		poll(&p, 1, 10);
		r = read(clients[2], text + n, sizeof(text) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_string_equal(text, want);
}

static void says(unsigned i, const char *line, const char *want)
{
	if (i == 2) {
		says_tty(line, want);
		return;
	}
	type(i, line);
	fake_ev_run(100);
	assert_string_equal(got(i), want);
}

static int setup(void **state)
{
	struct vport_options o[CLIENTS] = {
		{ .name = "at0", .kind = VPORT_SOCKET, .mode = "0660", .data = VPORT_DATA_YES },
		{ .name = "at1", .kind = VPORT_SOCKET, .mode = "0600" },
		{ .name = "at2", .kind = VPORT_PTY, .mode = "0640", .control = true },
	};
	char why[ENDPOINT_WHY_MAX] = "";
	enum modem_state ready = MODEM_READY;

	(void)state;
	(void)ready;
	fake_ev_reset();
	log_set_level(LOG_LEVEL_ERROR);
	memset(&m, 0, sizeof(m));
	memset(&ports, 0, sizeof(ports));
	typed[0] = '\0';
	in_data = false;
	text_copy(TEXT("/nonexistent/modem"), m.o.device, sizeof(m.o.device));
	m.o.baud = 115200;
	m.o.state_dir = dir;
	m.changed = on_changed;
	fake_port_open(fake_port_ordinary);
	assert_int_equal(modem_open(&m, false, why), 0);
	ordinary_wrote = fake_port.wire.wrote;
	assert_int_equal(vports_open(&ports, &m, o, CLIENTS, dir, why), 0);
	fake_ev_run(20000);
	assert_int_equal(m.st.state, MODEM_READY);
	fake_port.before = before;
	fake_port.wire.wrote = on_wrote;
	clients[0] = dial("at0");
	clients[1] = dial("at1");
	clients[2] = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (clients[i] >= 0)
			close(clients[i]);
	fake_ev_run(10);
	vports_close(&ports);
	modem_close(&m);
	fake_ev_settle();
	fake_port_close();
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

/* --- lines and results ---------------------------------------------------------------------------- */

static void a_command_is_answered_as_on_a_port_of_its_own(void **state)
{
	(void)state;
	says(0, "AT\r", "AT\r\r\nOK\r\n");
	says(0, "at+csq\r\n", "at+csq\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "AT+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	says(0, "A/", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	says(0, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	says(0, "nonsense\r", "");
	says(0, "~+++~~ATH0\r", "\r\nOK\r\n");
	says(0, "AT+CSQQ\x08\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(got(1), "");
	/* Nothing of the port's own dialogue has reached the module. */
	assert_int_equal(fake_port_count("ATE0"), 0);
	assert_int_equal(fake_port_count("A/"), 0);
}

static void echo_v_and_q_are_each_ports_own(void **state)
{
	(void)state;
	says(0, "ATE0V0\r", "ATE0V0\r0\r");
	says(0, "AT+CSQ\r", "+CSQ: 20,99\r\n0\r");
	says(0, "AT+NOSUCH\r", "4\r");
	says(0, "ATQ1\r", "");
	says(0, "AT+CSQ\r", "");
	says(0, "ATQ0V1\r", "\r\nOK\r\n");
	says(1, "AT\r", "AT\r\r\nOK\r\n");
	says(0, "ATZ\r", "\r\nOK\r\n");
	says(0, "AT\r", "AT\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("ATQ1"), 0);
}

static void s_registers_are_kept_here(void **state)
{
	(void)state;
	says(0, "ATE0S0=2S7=30\r", "ATE0S0=2S7=30\r\r\nOK\r\n");
	says(0, "ATS0?\r", "\r\n002\r\n\r\nOK\r\n");
	says(0, "ATS7?S3?\r", "\r\n030\r\n\r\n013\r\n\r\nOK\r\n");
	says(0, "ATS0=256\r", "\r\nERROR\r\n");
	says(0, "ATS99?\r", "\r\nERROR\r\n");
	says(0, "ATS3=36\r", "\r\nOK\r\n");
	says(0, "AT$", "\r\nOK\r\n");
}

static void a_line_of_several_commands_stops_at_the_first_that_fails(void **state)
{
	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "ATE0+CSQ;+CREG=1;+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	says(0, "AT+CSQ;+NOSUCH;+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nERROR\r\n");
}

static void errors_come_as_the_port_has_asked_for_them(void **state)
{
	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "AT+CPBR=1\r", "\r\nERROR\r\n");
	says(0, "AT+CMEE=1\r", "\r\nOK\r\n");
	says(0, "AT+CPBR=1\r", "\r\n+CME ERROR: 22\r\n");
	says(0, "AT+CPMS?\r", "\r\n+CMS ERROR: 310\r\n");
	says(0, "AT+CMEE=2;+CMEE?\r", "\r\n+CMEE: 2\r\n\r\nOK\r\n");
	says(0, "AT+CPBR=1\r", "\r\n+CME ERROR: not found\r\n");
	says(1, "AT+CPBR=1\r", "AT+CPBR=1\r\r\nERROR\r\n");
	says(0, "AT+CMEE=3\r", "\r\nERROR\r\n");
	assert_int_equal(fake_port_count("AT+CMEE=2"), 0);
}

static void two_clients_get_each_their_own_answer(void **state)
{
	(void)state;
	type(0, "ATE0+CSQ\r");
	type(1, "ATE0I\r");
	fake_ev_run(200);
	assert_string_equal(got(0), "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(got(1), "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void lines_typed_ahead_run_one_after_the_other(void **state)
{
	(void)state;
	says(0, "ATE0\r\nAT+CSQ\r\nATI\r\nAT\r\n",
	     "ATE0\r\r\nOK\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\nMaker\r\nModel\r\n\r\nOK\r\n\r\nOK\r\n");
}

static void an_over_long_line_is_an_error_and_nothing_of_it_runs(void **state)
{
	static char line[3000];

	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	memset(line, 'x', sizeof(line) - 2);
	memcpy(line, "AT+CSQ;", 7);
	line[sizeof(line) - 2] = '\r';
	says(0, line, "\r\nERROR\r\n");
	says(0, "AT\r", "\r\nOK\r\n");
}

/* --- what is forwarded and what is not ---------------------------------------------------------------- */

static void the_table_decides(void **state)
{
	static const struct {
		const char *command;
		enum vport_rule rule;
		bool abortable;
	} rows[] = {
		{ "+CSQ", VPORT_FORWARD }, { "I", VPORT_FORWARD }, { "H", VPORT_FORWARD },
		{ "E1", VPORT_OWN }, { "e0", VPORT_OWN }, { "&F", VPORT_OWN }, { "Z", VPORT_OWN },
		{ "&C1", VPORT_NOTHING }, { "&W", VPORT_NOTHING }, { "\\Q3", VPORT_NOTHING },
		{ "+IPR=9600", VPORT_NOTHING }, { "+IPR?", VPORT_FORWARD },
		{ "+CMUX=0", VPORT_REFUSED }, { "+CMUX=?", VPORT_REFUSED }, { "+QPOWD=1", VPORT_REFUSED },
		{ "+CFUN=1,1", VPORT_RESTART }, { "+CFUN=0", VPORT_CONTROL }, { "+CFUN=1", VPORT_LOOK },
		{ "+CFUN?", VPORT_FORWARD }, { "+CFUN=?", VPORT_FORWARD },
		{ "+COPS=?", VPORT_FORWARD, true }, { "+COPS=0", VPORT_LOOK, true },
		{ "+COPS=3,2", VPORT_OWN }, { "+COPS?", VPORT_FORWARD },
		{ "+CREG=2", VPORT_OWN }, { "+CREG=?", VPORT_FORWARD }, { "+CREG?", VPORT_OWN },
		{ "+CRSM=176,12258", VPORT_FORWARD }, { "D*99#", VPORT_DIAL, true },
		{ "+CGDATA=\"PPP\",1", VPORT_DIAL, true }, { "+CRC=1", VPORT_OWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool abortable;

		if (vport_rule(text_of(rows[i].command), &abortable) != rows[i].rule ||
		    abortable != rows[i].abortable)
			fail_msg("%s", rows[i].command);
	}
}

static void what_would_break_the_sharing_does_nothing_or_is_refused(void **state)
{
	(void)state;
	says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	says(0, "AT+IPR=9600;&W;&C1&D2\r", "\r\nOK\r\n");
	says(0, "AT+CMUX=0\r", "\r\n+CME ERROR: 3\r\n");
	says(0, "AT+CFUN=0\r", "\r\n+CME ERROR: 3\r\n");
	says(0, "AT+CFUN=1,1\r", "\r\n+CME ERROR: 3\r\n");
	assert_int_equal(fake_port_count("AT+IPR=9600"), 0);
	assert_int_equal(fake_port_count("AT+CMUX=0"), 0);
	assert_int_equal(fake_port_count("AT+CFUN=0"), 0);
}

static void the_daemons_channel_to_the_card_is_not_a_clients(void **state)
{
	static const struct {
		const char *command;
		bool ccho, csim;
	} rows[] = {
		{ "+CSIM=10,\"8180E29100\"", false, true }, { "+CSIM=10,\"8280E29100\"", true, false },
		{ "+CSIM=10,\"00A4040000\"", false, false }, { "+CSIM=10,\"0070800100\"", false, true },
		{ "+CSIM=10,\"0070000001\"", false, false }, { "+CSIM=10,8180E29100", false, true },
		{ "+CCHC=2", true, false }, { "+CCHC=1", false, false }, { "+CGLA=2,10,\"81F2\"", true, false },
		{ "+CGLA=\"2\",10,\"81F2\"", true, false }, { "+CSIM=?", false, false },
		{ "+CSIM=4,\"81\"", false, false }, { "+CCHO=\"A000\"", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		m.card.opened_by = CARD_AT_UNKNOWN;
		assert_false(vport_touches_card(&m, text_of(rows[i].command)));
		m.card.opened_by = CARD_AT_CCHO;
		strcpy(m.card.handle, "2");
		m.card.number = 0;
		if (vport_touches_card(&m, text_of(rows[i].command)) != rows[i].ccho)
			fail_msg("%s", rows[i].command);
		m.card.opened_by = CARD_AT_CSIM;
		m.card.number = 1;
		if (vport_touches_card(&m, text_of(rows[i].command)) != rows[i].csim)
			fail_msg("%s", rows[i].command);
	}
	says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	says(0, "AT+CSIM=10,\"8180E29100\"\r", "\r\n+CME ERROR: 3\r\n");
	says(0, "AT+CSIM=10,\"00A4040000\"\r", "\r\n+CSIM: 4,\"9000\"\r\n\r\nOK\r\n");
	m.card.opened_by = CARD_AT_UNKNOWN;
}

static void a_module_that_is_lost_is_no_connection_to_phone(void **state)
{
	(void)state;
	says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	fake_port.dead = true;
	fake_port.before = NULL;
	type(0, "AT+CSQ\r");
	fake_ev_run(60000);
	got(0);
	says(0, "AT+CSQ\r", "\r\n+CME ERROR: 1\r\n");
	says(0, "AT\r", "\r\nOK\r\n");
}

/* --- reports --------------------------------------------------------------------------------------------- */

static void reports_go_to_who_has_asked_and_are_cut_to_what_was_asked(void **state)
{
	(void)state;
	says(0, "ATE0+CREG=1\r", "ATE0+CREG=1\r\r\nOK\r\n");
	says(1, "ATE0+CREG=2\r", "ATE0+CREG=2\r\r\nOK\r\n");
	fake_port_says("\\r\\n+CREG: 5,\"00C3\",\"0000AB12\",7,,,\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "\r\n+CREG: 5\r\n");
	assert_string_equal(got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB12\",7\r\n");
	/* Another cell: no news for n=1. */
	fake_port_says("\\r\\n+CREG: 5,\"00C3\",\"0000AB13\",7\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "");
	assert_string_equal(got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB13\",7\r\n");
	fake_port_says("\\r\\n+CEREG: 1\\r\\n\\r\\nRING\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "\r\nRING\r\n");
	assert_string_equal(got(1), "\r\nRING\r\n");
}

static void the_read_form_tells_the_ports_own_mode(void **state)
{
	(void)state;
	says(0, "ATE0+CREG?\r", "ATE0+CREG?\r\r\n+CREG: 0,1\r\n\r\nOK\r\n");
	says(1, "ATE0+CREG=2;+CREG?\r",
	     "ATE0+CREG=2;+CREG?\r\r\n+CREG: 2,1,\"1A2B\",\"01234567\",7\r\n\r\nOK\r\n");
	says(0, "AT+CREG=1\r", "\r\nOK\r\n");
	says(0, "AT+CREG?\r", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CREG=1"), 0);
}

static void a_higher_mode_is_asked_of_the_module_and_kept_only_if_it_agrees(void **state)
{
	(void)state;
	says(0, "ATE0+CREG=3\r", "ATE0+CREG=3\r\r\nERROR\r\n");
	says(0, "AT+CREG?\r", "\r\n+CREG: 0,1\r\n\r\nOK\r\n");
	says(0, "AT+CEREG=3\r", "\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CEREG=3"), 1);
	says(1, "AT+CEREG=3\r", "AT+CEREG=3\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CEREG=3"), 1);
}

static void a_report_between_the_lines_of_an_answer_is_no_part_of_it(void **state)
{
	(void)state;
	says(1, "ATE0+CREG=2\r", "ATE0+CREG=2\r\r\nOK\r\n");
	says(0, "ATE0+CGDCONT?\r",
	     "ATE0+CGDCONT?\r\r\n+CGDCONT: 1,\"IP\",\"a\"\r\n+CGDCONT: 2,\"IP\",\"b\"\r\n\r\nOK\r\n");
	assert_string_equal(got(1), "\r\n+CREG: 5,\"00C3\",\"0000AB12\",7\r\n");
}

static void messages_go_to_the_port_that_has_asked_for_them(void **state)
{
	(void)state;
	says(0, "ATE0+CNMI=2,1\r", "ATE0+CNMI=2,1\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 1);
	says(1, "ATE0+CNMI?\r", "ATE0+CNMI?\r\r\n+CNMI: 0,0,0,0,0\r\n\r\nOK\r\n");
	fake_port_says("\\r\\n+CMTI: \"SM\",3\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "\r\n+CMTI: \"SM\",3\r\n");
	assert_string_equal(got(1), "");
	says(1, "AT+CNMI=2,2\r", "\r\nOK\r\n");
	fake_port_says("\\r\\n+CMT: ,24\\r\\n0791\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "");
	assert_string_equal(got(1), "\r\n+CMT: ,24\r\n0791\r\n");
	/* With it goes what it has asked for: messages must not be lost on the way to nobody. */
	hang_up(1);
	fake_ev_run(100);
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 2);
}

static void reports_wait_while_a_line_is_typed(void **state)
{
	(void)state;
	says(0, "ATE0+CREG=1\r", "ATE0+CREG=1\r\r\nOK\r\n");
	says(0, "AT+C", "");
	fake_port_says("\\r\\n+CREG: 5\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "");
	says(0, "SQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\n+CREG: 5\r\n");
}

static void what_the_ports_want_is_told_again_after_a_restart(void **state)
{
	(void)state;
	says(0, "ATE0+CNMI=2,1;+CEREG=3\r", "ATE0+CNMI=2,1;+CEREG=3\r\r\nOK\r\n");
	fake_port_says("\\r\\nRDY\\r\\n");
	fake_ev_run(30000);
	assert_int_equal(m.st.state, MODEM_READY);
	assert_int_equal(fake_port_count("AT+CNMI=2,1,0,0,0"), 2);
	assert_int_equal(fake_port_count("AT+CEREG=3"), 2);
}

/* --- forms ------------------------------------------------------------------------------------------------- */

static void the_module_stands_in_the_ports_form_while_its_command_runs(void **state)
{
	(void)state;
	says(0, "ATE0+CMGF=1;+CSDH=0\r", "ATE0+CMGF=1;+CSDH=0\r\r\nOK\r\n");
	says(1, "ATE0\r", "ATE0\r\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 0);
	says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 1);
	says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 1);
	says(1, "AT+CMGF?;+CMGL=4\r", "\r\n+CMGF: 0\r\n\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=0"), 1);
	says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 2);
	/* Somebody else may have changed it. */
	vports_doubt(&ports);
	says(0, "AT+CMGL=\"ALL\"\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CMGF=1"), 3);
}

static void the_character_set_is_put_back_after_the_command(void **state)
{
	const char *log;

	(void)state;
	says(0, "ATE0+CSCS=\"UCS2\";+CMGF=1\r", "ATE0+CSCS=\"UCS2\";+CMGF=1\r\r\nOK\r\n");
	says(0, "AT+CSCS?\r", "\r\n+CSCS: \"UCS2\"\r\n\r\nOK\r\n");
	says(0, "AT+CMGL=4\r", "\r\n+CMGL: 1,\"REC READ\"\r\nhello\r\n\r\nOK\r\n");
	log = strstr(fake_port.log, "AT+CMGF=1\n");
	assert_non_null(log);
	assert_int_equal(strncmp(log, "AT+CMGF=1\nAT+CSDH=0\nAT+CSCS=\"UCS2\"\nAT+CMGL=4\nAT+CSCS=\"IRA\"\n", 61), 0);
}

/* --- dialogue ------------------------------------------------------------------------------------------------ */

static void a_message_is_typed_at_the_prompt_and_sent_whole(void **state)
{
	(void)state;
	says(0, "ATE0+CMGF=1\r", "ATE0+CMGF=1\r\r\nOK\r\n");
	says(0, "AT+CMGS=\"+49170\"\r", "\r\n> ");
	says(0, "first\r", "\r\n> ");
	/* The line is the message's: who else asks has to wait. */
	type(1, "ATE0I\r");
	fake_ev_run(5000);
	assert_string_equal(got(1), "ATE0I\r");
	says(0, "second\x1a", "\r\n+CMGS: 5\r\n\r\nOK\r\n");
	assert_string_equal(typed, "first\rsecond");
	assert_string_equal(got(1), "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void a_script_may_type_its_message_ahead(void **state)
{
	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "AT+CMGS=23\r0011000C91\x1a" "AT+CSQ\r",
	     "\r\n> \r\n+CMGS: 5\r\n\r\nOK\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(typed, "0011000C91");
}

static void a_prompt_may_be_cancelled_left_or_forgotten(void **state)
{
	(void)state;
	says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	says(0, "AT+CMGS=23\r", "\r\n> ");
	type(0, "0011\x1b");
	fake_ev_run(6000);
	assert_string_equal(got(0), "\r\nERROR\r\n");
	says(0, "AT+CMGS=23\r", "\r\n> ");
	fake_ev_run(70000);
	assert_string_equal(got(0), "\r\nERROR\r\n");
	says(0, "AT+CMGS=23\r", "\r\n> ");
	type(0, "00");
	hang_up(0);
	fake_ev_run(10000);
	says(1, "ATE0+CSQ\r", "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	clients[0] = dial("at0");
	says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_scan_is_aborted_by_a_character_and_others_are_not(void **state)
{
	size_t n;

	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "AT+COPS=?\r", "");
	n = fake_port.wire.written_n;
	says(0, "x", "");       /* within 125 ms */
	assert_int_equal(fake_port.wire.written_n, n);
	fake_ev_run(200);
	says(0, "x", "");
	assert_int_equal(fake_port.wire.written_n, n + 1);
	fake_port_says("\\r\\nOK\\r\\n");
	fake_ev_run(10);
	assert_string_equal(got(0), "\r\nOK\r\n");
}

static void a_client_that_leaves_has_its_answer_swallowed(void **state)
{
	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(0, "AT+COPS=?\r", "");
	hang_up(0);
	clients[0] = dial("at0");
	type(0, "ATE0+CSQ\r");
	fake_ev_run(100);
	fake_port_says("\\r\\n+COPS: (2,\"X\",\"X\",\"26201\")\\r\\n\\r\\nOK\\r\\n");
	fake_ev_run(100);
	assert_string_equal(got(0), "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
}

/* --- data mode -------------------------------------------------------------------------------------------------- */

static void a_dial_is_refused_unless_the_port_may(void **state)
{
	(void)state;
	says(1, "ATE0D*99#\r", "ATE0D*99#\r\r\nNO CARRIER\r\n");
	assert_int_equal(fake_port_count("ATD*99#"), 0);
}

static void data_mode_is_transparent_from_the_octet_behind_connect(void **state)
{
	static const char frame[] = "\x7e\xff\x7d\x23\xc0\x21\x0d\x0a\x00\x01\x7e";
	char in[64];

	(void)state;
	says(0, "ATE0D*99***1#\r", "ATE0D*99***1#\r\r\nCONNECT 150000000\r\n");
	wire_feed(&fake_port.wire, frame, sizeof(frame) - 1);
	fake_ev_run(10);
	assert_int_equal(read(clients[0], in, sizeof(in)), sizeof(frame) - 1);
	assert_memory_equal(in, frame, sizeof(frame) - 1);
	type(0, "~\xff}#AT+CSQ\r");
	/* Others wait. */
	type(1, "ATE0I\r");
	fake_ev_run(5000);
	assert_string_equal(typed, "~\xff}#AT+CSQ\r");
	assert_string_equal(got(1), "ATE0I\r");
	in_data = false;
	fake_port_says("\\r\\nNO CARRIER\\r\\n");
	fake_ev_run(100);
	assert_string_equal(got(0), "\r\nNO CARRIER\r\n");
	assert_string_equal(got(1), "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	says(0, "AT\r", "\r\nOK\r\n");
}

static void a_client_that_leaves_data_mode_has_it_hung_up(void **state)
{
	(void)state;
	says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	hang_up(0);
	fake_ev_run(15000);
	assert_non_null(strstr(typed, "+++"));
	assert_int_equal(fake_port_count("ATH"), 1);
	says(1, "ATE0I\r", "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	assert_int_equal(m.st.state, MODEM_READY);
}

static void an_escape_leads_back_to_commands(void **state)
{
	(void)state;
	says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	type(0, "data+++");     /* no silence before it */
	fake_ev_run(1500);
	in_data = true;
	typed[0] = '\0';
	got(0);
	type(0, "+++");
	fake_ev_run(1500);
	in_data = false;
	assert_string_equal(got(0), "\r\nOK\r\n");
	says(0, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void a_module_that_restarts_in_data_mode_ends_it(void **state)
{
	(void)state;
	says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	wire_hang_up(&fake_port.wire, EIO);
	fake_ev_run(10);
	assert_string_equal(got(0), "\r\nNO CARRIER\r\n");
}

/* --- clients ------------------------------------------------------------------------------------------------------- */

static void a_client_that_does_not_read_costs_nobody_else_anything(void **state)
{
	struct vport *v = ports.ports[0];

	(void)state;
	says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	says(1, "ATE0\r", "ATE0\r\r\nOK\r\n");
	for (unsigned i = 0; i < 60000 && !v->stats.dropped; i++) {
		fake_port_says("\\r\\nRING\\r\\n");
		fake_ev_run(1);
		if (i % 100 == 0)
			got(1);
	}
	assert_true(v->stats.dropped > 0);
	fake_ev_run(10);
	got(1);
	says(1, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	/* Its next client finds nothing of it. */
	hang_up(0);
	clients[0] = dial("at0");
	says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_socket_takes_one_client_at_a_time(void **state)
{
	int second = dial("at0");
	char text[64];

	(void)state;
	assert_true(read(second, text, sizeof(text)) > 0);
	assert_int_equal(read(second, text, sizeof(text)), 0);
	close(second);
	says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void settings_of_a_client_go_with_it(void **state)
{
	(void)state;
	says(0, "ATE0V0+CMEE=2;+CREG=2\r", "ATE0V0+CMEE=2;+CREG=2\r0\r");
	hang_up(0);
	clients[0] = dial("at0");
	says(0, "AT+CREG?;+CMEE?\r",
	     "AT+CREG?;+CMEE?\r\r\n+CREG: 0,1\r\n\r\n+CMEE: 0\r\n\r\nOK\r\n");
}

static int open_pty(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/at2", dir);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	fake_ev_run(20);
	return fd;
}

static void a_pty_has_a_stable_name_rights_and_is_raw(void **state)
{
	char path[64], slave[64];
	struct termios t;
	struct stat st;
	ssize_t n;

	(void)state;
	snprintf(path, sizeof(path), "%s/at2", dir);
	n = readlink(path, slave, sizeof(slave) - 1);
	assert_true(n > 0);
	slave[n] = '\0';
	assert_non_null(strstr(slave, "/dev/pts/"));
	assert_int_equal(stat(slave, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	clients[2] = open_pty();
	assert_int_equal(tcgetattr(clients[2], &t), 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	says(2, "AT+CSQ\r", "AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
}

static void a_pty_is_left_and_opened_again_without_leftovers(void **state)
{
	struct termios t;

	(void)state;
	clients[2] = open_pty();
	says(2, "ATE0V0\r", "ATE0V0\r0\r");
	assert_int_equal(tcgetattr(clients[2], &t), 0);
	t.c_lflag |= ECHO | ICANON;
	tcsetattr(clients[2], TCSANOW, &t);
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	tcsetattr(clients[2], TCSANOW, &t);
	type(2, "AT+CSQ\r");
	fake_ev_run(50);        /* the answer is there and not read */
	hang_up(2);
	assert_int_equal(ports.ports[2]->state, VPORT_AWAY);
	clients[2] = open_pty();
	assert_int_equal(tcgetattr(clients[2], &t), 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	assert_string_equal(got(2), "");
	says(2, "AT\r", "AT\r\r\nOK\r\n");
	/* Closed and opened again before anybody looks. */
	says(2, "ATE0\r", "ATE0\r\r\nOK\r\n");
	close(clients[2]);
	clients[2] = open_pty();
	says(2, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_terminal_that_echoes_by_itself_is_not_echoed_to(void **state)
{
	struct termios t;
	unsigned asked;

	(void)state;
	clients[2] = open_pty();
	assert_int_equal(tcgetattr(clients[2], &t), 0);
	t.c_lflag |= ECHO;
	tcsetattr(clients[2], TCSANOW, &t);
	tcsetattr(clients[2], TCSANOW, &t);
	asked = fake_port_count("AT+CSQ");
	says(2, "AT+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	/* No storm: what the terminal sends back of the answer is no command. */
	for (unsigned i = 0; i < 20; i++) {
		fake_ev_run(50);
		poll(NULL, 0, 1);
	}
	assert_int_equal(fake_port_count("AT+CSQ"), asked + 1);
}

static void a_pty_drops_dtr_by_speed_0(void **state)
{
	struct termios t;

	(void)state;
	ports.ports[2]->o.data = VPORT_DATA_YES;
	clients[2] = open_pty();
	says(2, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	assert_int_equal(tcgetattr(clients[2], &t), 0);
	cfsetospeed(&t, B0);
	tcsetattr(clients[2], TCSANOW, &t);
	says(2, "", "\r\nNO CARRIER\r\n");
	fake_ev_run(15000);
	assert_int_equal(fake_port_count("ATH"), 1);
}

static void a_port_with_control_restarts_the_module_through_its_life_cycle(void **state)
{
	(void)state;
	clients[2] = open_pty();
	says(2, "ATE0+CFUN=1,1\r", "ATE0+CFUN=1,1\r\r\nOK\r\n");
	assert_int_equal(m.st.counters.resets, 1);
	fake_ev_run(60000);
	assert_int_equal(m.st.state, MODEM_READY);
}

static int make_dir(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);      /* nothing is left in it */
}

#define PORT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(a_command_is_answered_as_on_a_port_of_its_own),
		PORT_TEST(echo_v_and_q_are_each_ports_own),
		PORT_TEST(s_registers_are_kept_here),
		PORT_TEST(a_line_of_several_commands_stops_at_the_first_that_fails),
		PORT_TEST(errors_come_as_the_port_has_asked_for_them),
		PORT_TEST(two_clients_get_each_their_own_answer),
		PORT_TEST(lines_typed_ahead_run_one_after_the_other),
		PORT_TEST(an_over_long_line_is_an_error_and_nothing_of_it_runs),
		PORT_TEST(the_table_decides),
		PORT_TEST(what_would_break_the_sharing_does_nothing_or_is_refused),
		PORT_TEST(the_daemons_channel_to_the_card_is_not_a_clients),
		PORT_TEST(a_module_that_is_lost_is_no_connection_to_phone),
		PORT_TEST(reports_go_to_who_has_asked_and_are_cut_to_what_was_asked),
		PORT_TEST(the_read_form_tells_the_ports_own_mode),
		PORT_TEST(a_higher_mode_is_asked_of_the_module_and_kept_only_if_it_agrees),
		PORT_TEST(a_report_between_the_lines_of_an_answer_is_no_part_of_it),
		PORT_TEST(messages_go_to_the_port_that_has_asked_for_them),
		PORT_TEST(reports_wait_while_a_line_is_typed),
		PORT_TEST(what_the_ports_want_is_told_again_after_a_restart),
		PORT_TEST(the_module_stands_in_the_ports_form_while_its_command_runs),
		PORT_TEST(the_character_set_is_put_back_after_the_command),
		PORT_TEST(a_message_is_typed_at_the_prompt_and_sent_whole),
		PORT_TEST(a_script_may_type_its_message_ahead),
		PORT_TEST(a_prompt_may_be_cancelled_left_or_forgotten),
		PORT_TEST(a_scan_is_aborted_by_a_character_and_others_are_not),
		PORT_TEST(a_client_that_leaves_has_its_answer_swallowed),
		PORT_TEST(a_dial_is_refused_unless_the_port_may),
		PORT_TEST(data_mode_is_transparent_from_the_octet_behind_connect),
		PORT_TEST(a_client_that_leaves_data_mode_has_it_hung_up),
		PORT_TEST(an_escape_leads_back_to_commands),
		PORT_TEST(a_module_that_restarts_in_data_mode_ends_it),
		PORT_TEST(a_client_that_does_not_read_costs_nobody_else_anything),
		PORT_TEST(a_socket_takes_one_client_at_a_time),
		PORT_TEST(settings_of_a_client_go_with_it),
		PORT_TEST(a_pty_has_a_stable_name_rights_and_is_raw),
		PORT_TEST(a_pty_is_left_and_opened_again_without_leftovers),
		PORT_TEST(a_terminal_that_echoes_by_itself_is_not_echoed_to),
		PORT_TEST(a_pty_drops_dtr_by_speed_0),
		PORT_TEST(a_port_with_control_restarts_the_module_through_its_life_cycle),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
