/* Virtual ports: prompts, data mode, clients that come and go, the pseudo terminal. */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "support/fake_port.h"
#include "support/portbed.h"
#include "unit/fake_ev.h"

/* --- dialogue --------------------------------------------------------------------------------- */

static void a_message_is_typed_at_the_prompt_and_sent_whole(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CMGF=1\r", "ATE0+CMGF=1\r\r\nOK\r\n");
	portbed_says(0, "AT+CMGS=\"+49170\"\r", "\r\n> ");
	portbed_says(0, "first\r", "\r\n> ");
	/* The line is the message's: who else asks has to wait. */
	portbed_type(1, "ATE0I\r");
	fake_ev_run(5000);
	assert_string_equal(portbed_got(1), "ATE0I\r");
	portbed_says(0, "second\x1a", "\r\n+CMGS: 5\r\n\r\nOK\r\n");
	assert_string_equal(portbed.typed, "first\rsecond");
	assert_string_equal(portbed_got(1), "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void a_script_may_type_its_message_ahead(void **state)
{
	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "AT+CMGS=23\r0011000C91\x1a" "AT+CSQ\r",
	     "\r\n> \r\n+CMGS: 5\r\n\r\nOK\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_string_equal(portbed.typed, "0011000C91");
}

static void a_prompt_may_be_cancelled_left_or_forgotten(void **state)
{
	(void)state;
	portbed_says(0, "ATE0+CMEE=1\r", "ATE0+CMEE=1\r\r\nOK\r\n");
	portbed_says(0, "AT+CMGS=23\r", "\r\n> ");
	portbed_type(0, "0011\x1b");
	fake_ev_run(6000);
	assert_string_equal(portbed_got(0), "\r\nERROR\r\n");
	portbed_says(0, "AT+CMGS=23\r", "\r\n> ");
	fake_ev_run(70000);
	assert_string_equal(portbed_got(0), "\r\nERROR\r\n");
	portbed_says(0, "AT+CMGS=23\r", "\r\n> ");
	portbed_type(0, "00");
	portbed_hang_up(0);
	fake_ev_run(10000);
	portbed_says(1, "ATE0+CSQ\r", "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	portbed.clients[0] = portbed_dial("at0");
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_scan_is_aborted_by_a_character_and_others_are_not(void **state)
{
	size_t n;

	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "AT+COPS=?\r", "");
	n = fake_port.wire.written_n;
	portbed_says(0, "x", "");       /* within 125 ms */
	assert_int_equal(fake_port.wire.written_n, n);
	fake_ev_run(200);
	portbed_says(0, "x", "");
	assert_int_equal(fake_port.wire.written_n, n + 1);
	fake_port_says("\\r\\nOK\\r\\n");
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "\r\nOK\r\n");
}

static void a_client_that_leaves_has_its_answer_swallowed(void **state)
{
	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(0, "AT+COPS=?\r", "");
	portbed_hang_up(0);
	portbed.clients[0] = portbed_dial("at0");
	portbed_type(0, "ATE0+CSQ\r");
	fake_ev_run(100);
	fake_port_says("\\r\\n+COPS: (2,\"X\",\"X\",\"26201\")\\r\\n\\r\\nOK\\r\\n");
	fake_ev_run(100);
	assert_string_equal(portbed_got(0), "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
}

/* --- data mode -------------------------------------------------------------------------------- */

static void a_dial_is_refused_unless_the_port_may(void **state)
{
	(void)state;
	portbed_says(1, "ATE0D*99#\r", "ATE0D*99#\r\r\nNO CARRIER\r\n");
	assert_int_equal(fake_port_count("ATD*99#"), 0);
}

static void data_mode_is_transparent_from_the_octet_behind_connect(void **state)
{
	static const char frame[] = "\x7e\xff\x7d\x23\xc0\x21\x0d\x0a\x00\x01\x7e";
	char in[64];

	(void)state;
	portbed_says(0, "ATE0D*99***1#\r", "ATE0D*99***1#\r\r\nCONNECT 150000000\r\n");
	wire_feed(&fake_port.wire, frame, sizeof(frame) - 1);
	fake_ev_run(10);
	assert_int_equal(read(portbed.clients[0], in, sizeof(in)), sizeof(frame) - 1);
	assert_memory_equal(in, frame, sizeof(frame) - 1);
	portbed_type(0, "~\xff}#AT+CSQ\r");
	/* Others wait. */
	portbed_type(1, "ATE0I\r");
	fake_ev_run(5000);
	assert_string_equal(portbed.typed, "~\xff}#AT+CSQ\r");
	assert_string_equal(portbed_got(1), "ATE0I\r");
	portbed.in_data = false;
	fake_port_says("\\r\\nNO CARRIER\\r\\n");
	fake_ev_run(500);
	assert_string_equal(portbed_got(0), "\r\nNO CARRIER\r\n");
	assert_string_equal(portbed_got(1), "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	portbed_says(0, "AT\r", "\r\nOK\r\n");
}

static void words_in_the_data_do_not_end_a_call(void **state)
{
	(void)state;
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	fake_port_says("<pre>\\r\\nNO CARRIER\\r\\n");
	fake_ev_run(50);
	fake_port_says("</pre>\\x7e");
	fake_ev_run(1000);
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_CONNECTED);
	portbed_type(0, "AT");
	fake_ev_run(10);
	assert_string_equal(portbed.typed, "AT");
	/* A report behind them is the proof, and so is a client that goes on with commands. */
	portbed_got(0);
	portbed.in_data = false;
	fake_port_says("\\r\\nNO CARRIER\\r\\n");
	fake_ev_run(50);
	fake_port_says("\\r\\n+CGEV: NW DETACH\\r\\n");
	fake_ev_run(10);
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_COMMAND);
	assert_string_equal(portbed_got(0), "\r\nNO CARRIER\r\n\r\n+CGEV: NW DETACH\r\n");
	portbed_says(0, "ATD*99#\r", "\r\nCONNECT 150000000\r\n");
	portbed.in_data = false;
	fake_port_says("\\r\\nNO CARRIER\\r\\n");
	fake_ev_run(50);
	portbed_says(0, "ATI\r", "\r\nNO CARRIER\r\n\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

/* The module's last words, and its first ones, come in pieces of any size, with reports close behind. */
static void the_end_of_a_call_is_found_in_any_pieces(void **state)
{
	static const char *const ends[] = {
		"data\r\nNO CARRIER\r\n\r\n+CGEV: NW DETACH\r\n",
		"data\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\n+CFUN: 1\r\n",
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(ends); k++) {
		size_t all = strlen(ends[k]);

		for (size_t piece = 1; piece <= all; piece++) {
			portbed_type(0, "ATE0D*99#\r");
			fake_ev_run(200);
			assert_int_equal(portbed.ports.ports[0]->state, VPORT_CONNECTED);
			portbed_got(0);
			portbed.in_data = false;
			for (size_t at = 0; at < all; at += piece) {
				wire_feed(&fake_port.wire, ends[k] + at, MIN(piece, all - at));
				fake_ev_run(1);
			}
			assert_int_equal(portbed.ports.ports[0]->state, VPORT_COMMAND);
			assert_non_null(strstr(portbed_got(0), "\r\nNO CARRIER\r\n"));
			fake_ev_run(20000);
			assert_int_equal(portbed.modem.st.state, MODEM_READY);
		}
	}
}

/* The line is everybody's again after a while, whatever the client does. */
static void a_client_that_takes_nothing_is_hung_up_on_where_others_wait(void **state)
{
	static char much[3001];

	(void)state;
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	memset(much, 'x', sizeof(much) - 1);
	/* As far as the socket itself takes it. */
	for (unsigned i = 0; i < 1000 && !portbed.ports.ports[0]->slow; i++) {
		wire_feed(&fake_port.wire, much, sizeof(much) - 1);
		fake_ev_run(1);
	}
	assert_true(portbed.ports.ports[0]->slow);
	assert_true(fake_port.wire.held);
	assert_int_equal(portbed.ports.ports[0]->stats.dropped, 0);
	fake_ev_run(59000);
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_CONNECTED);
	fake_ev_run(20000);
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_COMMAND);
	assert_false(fake_port.wire.held);
	portbed_says(1, "ATE0I\r", "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void a_client_that_leaves_data_mode_has_it_hung_up(void **state)
{
	(void)state;
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	portbed_hang_up(0);
	fake_ev_run(15000);
	assert_non_null(strstr(portbed.typed, "+++"));
	assert_int_equal(fake_port_count("ATH"), 1);
	portbed_says(1, "ATE0I\r", "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	assert_int_equal(portbed.modem.st.state, MODEM_READY);
}

static void an_escape_leads_back_to_commands(void **state)
{
	(void)state;
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	portbed_type(0, "data+++");     /* no silence before it */
	fake_ev_run(1500);
	portbed.in_data = true;
	portbed.typed[0] = '\0';
	portbed_got(0);
	portbed_type(0, "+++");
	fake_ev_run(1500);
	portbed.in_data = false;
	assert_string_equal(portbed_got(0), "\r\nOK\r\n");
	portbed_says(0, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void a_module_that_restarts_in_data_mode_ends_it(void **state)
{
	(void)state;
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	wire_hang_up(&fake_port.wire, EIO);
	fake_ev_run(10);
	assert_string_equal(portbed_got(0), "\r\nNO CARRIER\r\n");
}

/* --- short visits ------------------------------------------------------------------------------------ */

static int open_pty(void);

/* Opens, writes and closes before anybody looks. */
static void visit(unsigned i, const char *text)
{
	static const char *const names[] = { "at0", "at1", "at2" };
	char path[64];

	if (portbed.clients[i] >= 0)
		portbed_hang_up(i);
	if (i == 2) {
		snprintf(path, sizeof(path), "%s/%s", portbed.dir, names[i]);
		portbed.clients[i] = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
		assert_true(portbed.clients[i] >= 0);
	} else {
		portbed.clients[i] = portbed_dial(names[i]);
	}
	portbed_type(i, text);
	close(portbed.clients[i]);
	portbed.clients[i] = -1;
	/* A terminal's octets and notices come in the kernel's own time. */
	for (unsigned k = 0; k < (i == 2 ? 20 : 1); k++) {
		fake_ev_run(50);
		if (i == 2)
			poll(NULL, 0, 1);
	}
}

static void a_line_that_was_written_whole_runs_though_its_client_has_left(void **state)
{
	static const unsigned each[] = { 0, 2 };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(each); k++) {
		unsigned i = each[k], before = fake_port_count("AT+CSQ");

		visit(i, "AT+CSQ\r");
		assert_int_equal(fake_port_count("AT+CSQ"), before + 1);
		/* As a shell writes it. */
		visit(i, "AT+CSQ\n");
		assert_int_equal(fake_port_count("AT+CSQ"), before + 2);
		visit(i, "AT+CSQ\r\nATI\r\nAT+CSQ;+CSQ\r\n");
		assert_int_equal(fake_port_count("AT+CSQ"), before + 5);
		/* What is not whole is nothing. */
		visit(i, "AT+CSQ");
		visit(i, "ATI\rAT+CSQ");
		assert_int_equal(fake_port_count("AT+CSQ"), before + 5);
		assert_int_equal(portbed.ports.ports[i]->state, VPORT_AWAY);
		/* The next one finds a new port, and no answers. */
		portbed.clients[i] = i == 2 ? open_pty() : portbed_dial("at0");
		portbed_says(i, "AT\r", "AT\r\r\nOK\r\n");
	}
}

static void a_visitor_may_send_a_message_but_no_half_of_one(void **state)
{
	(void)state;
	visit(0, "AT+CMGF=1\rAT+CMGS=\"+49170\"\rhello\x1a");
	assert_string_equal(portbed.typed, "hello");
	visit(0, "AT+CMGS=\"+49170\"\rhal");
	fake_ev_run(5000);
	assert_string_equal(portbed.typed, "hello");
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_AWAY);
	portbed_says(1, "ATE0+CSQ\r", "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
}

static void a_visitor_makes_no_data_call(void **state)
{
	(void)state;
	visit(0, "ATD*99#\r");
	fake_ev_run(20000);
	portbed_says(1, "ATE0+CSQ\r", "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_AWAY);
	/* One for voice is made, and none that is behind another line. */
	portbed.typed[0] = '\0';
	portbed.in_data = false;
	visit(0, "AT+CSQ\rATD*98#\r");
	assert_int_equal(fake_port_count("ATD*98#"), 0);
}

static void who_comes_after_a_visitor_waits_for_its_lines(void **state)
{
	unsigned before = fake_port_count("AT+CSQ");

	(void)state;
	visit(0, "ATE0\rAT+COPS=?\rAT+CSQ\r");
	portbed.clients[0] = portbed_dial("at0");
	portbed_type(0, "ATI\r");
	fake_ev_run(1000);
	assert_string_equal(portbed_got(0), "");
	fake_port_says("\\r\\n+COPS: (2,\"X\",\"X\",\"26201\")\\r\\n\\r\\nOK\\r\\n");
	fake_ev_run(100);
	assert_string_equal(portbed_got(0), "ATI\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	assert_int_equal(fake_port_count("AT+CSQ"), before + 1);
	/* But not for an answer that nobody wants. */
	visit(0, "AT+COPS=?\r");
	portbed.clients[0] = portbed_dial("at0");
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
	fake_port_says("\\r\\nOK\\r\\n");
	portbed_says(0, "ATE0I\r", "ATE0I\r\r\nMaker\r\nModel\r\n\r\nOK\r\n");
}

static void visitors_in_a_row_are_served_one_after_the_other(void **state)
{
	unsigned before = fake_port_count("AT+CSQ");
	int fds[3];

	(void)state;
	portbed_hang_up(0);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/at0", portbed.dir);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
		assert_int_equal(write(fds[i], "AT+CSQ\r\nAT+CSQ\r\n", 16), 16);
		close(fds[i]);
	}
	fake_ev_run(500);
	assert_int_equal(fake_port_count("AT+CSQ"), before + 6);
}

/* As of printf … | socat - UNIX-CONNECT:port */
static void a_socket_that_is_shut_down_for_writing_still_gets_its_answers(void **state)
{
	char text[256];
	ssize_t n;

	(void)state;
	portbed_type(0, "ATE0+CSQ\rATI\rAT+CS");
	assert_int_equal(shutdown(portbed.clients[0], SHUT_WR), 0);
	fake_ev_run(200);
	n = read(portbed.clients[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "ATE0+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	assert_int_equal(read(portbed.clients[0], text, sizeof(text)), 0);
	close(portbed.clients[0]);
	portbed.clients[0] = portbed_dial("at0");
	portbed_says(0, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	assert_int_equal(shutdown(portbed.clients[0], SHUT_WR), 0);
	fake_ev_run(20000);
	assert_string_equal(portbed_got(0), "\r\nNO CARRIER\r\n");
	assert_int_equal(portbed.ports.ports[0]->state, VPORT_AWAY);
}

static void what_is_typed_ahead_of_a_slow_command_is_all_kept(void **state)
{
	unsigned before = fake_port_count("AT+CSQ");
	char lines[1800] = "";

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		strcat(lines, "AT+CSQ\r\n");
	portbed_type(0, "ATE0+COPS=?\r");
	fake_ev_run(20);
	portbed_type(0, lines);
	portbed_type(0, lines);
	portbed_hang_up(0);
	fake_ev_run(10);
	fake_port_says("\\r\\nOK\\r\\n");
	fake_ev_run(5000);
	assert_int_equal(fake_port_count("AT+CSQ"), before + 400);
	assert_int_equal(portbed.ports.ports[0]->stats.dropped, 0);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void a_client_that_does_not_read_costs_nobody_else_anything(void **state)
{
	struct vport *v = portbed.ports.ports[0];

	(void)state;
	portbed_says(0, "ATE0\r", "ATE0\r\r\nOK\r\n");
	portbed_says(1, "ATE0\r", "ATE0\r\r\nOK\r\n");
	for (unsigned i = 0; i < 60000 && !v->stats.dropped; i++) {
		fake_port_says("\\r\\nRING\\r\\n");
		fake_ev_run(1);
		if (i % 100 == 0)
			portbed_got(1);
	}
	assert_true(v->stats.dropped > 0);
	fake_ev_run(10);
	portbed_got(1);
	portbed_says(1, "ATI\r", "\r\nMaker\r\nModel\r\n\r\nOK\r\n");
	/* Its next client finds nothing of it. */
	portbed_hang_up(0);
	portbed.clients[0] = portbed_dial("at0");
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_socket_takes_one_client_at_a_time(void **state)
{
	int second = portbed_dial("at0");
	char text[64];

	(void)state;
	assert_true(read(second, text, sizeof(text)) > 0);
	assert_int_equal(read(second, text, sizeof(text)), 0);
	close(second);
	portbed_says(0, "AT\r", "AT\r\r\nOK\r\n");
}

static void settings_of_a_client_go_with_it(void **state)
{
	(void)state;
	portbed_says(0, "ATE0V0+CMEE=2;+CREG=2\r", "ATE0V0+CMEE=2;+CREG=2\r0\r");
	portbed_hang_up(0);
	portbed.clients[0] = portbed_dial("at0");
	portbed_says(0, "AT+CREG?;+CMEE?\r",
	     "AT+CREG?;+CMEE?\r\r\n+CREG: 0,1\r\n\r\n+CMEE: 0\r\n\r\nOK\r\n");
}

static int open_pty(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/at2", portbed.dir);
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
	snprintf(path, sizeof(path), "%s/at2", portbed.dir);
	n = readlink(path, slave, sizeof(slave) - 1);
	assert_true(n > 0);
	slave[n] = '\0';
	assert_non_null(strstr(slave, "/dev/pts/"));
	assert_int_equal(stat(slave, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	portbed.clients[2] = open_pty();
	assert_int_equal(tcgetattr(portbed.clients[2], &t), 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	portbed_says(2, "AT+CSQ\r", "AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
}

static void a_pty_is_left_and_opened_again_without_leftovers(void **state)
{
	struct termios t;

	(void)state;
	portbed.clients[2] = open_pty();
	portbed_says(2, "ATE0V0\r", "ATE0V0\r0\r");
	assert_int_equal(tcgetattr(portbed.clients[2], &t), 0);
	t.c_lflag |= ECHO | ICANON;
	tcsetattr(portbed.clients[2], TCSANOW, &t);
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	tcsetattr(portbed.clients[2], TCSANOW, &t);
	portbed_type(2, "AT+CSQ\r");
	fake_ev_run(50);        /* the answer is there and not read */
	portbed_hang_up(2);
	assert_int_equal(portbed.ports.ports[2]->state, VPORT_AWAY);
	portbed.clients[2] = open_pty();
	assert_int_equal(tcgetattr(portbed.clients[2], &t), 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	assert_string_equal(portbed_got(2), "");
	portbed_says(2, "AT\r", "AT\r\r\nOK\r\n");
	/* Closed and opened again before anybody looks. */
	portbed_says(2, "ATE0\r", "ATE0\r\r\nOK\r\n");
	close(portbed.clients[2]);
	portbed.clients[2] = open_pty();
	portbed_says(2, "AT\r", "AT\r\r\nOK\r\n");
}

/* gammu, ModemManager and others ask for the terminal for themselves alone, and leave it so. */
static void a_pty_that_was_made_exclusive_is_open_to_the_next_client(void **state)
{
	int exclusive = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		portbed.clients[2] = open_pty();
		assert_int_equal(ioctl(portbed.clients[2], TIOCGEXCL, &exclusive), 0);
		assert_int_equal(exclusive, 0);
		assert_int_equal(ioctl(portbed.clients[2], TIOCEXCL), 0);
		portbed_says(2, "AT\r", "AT\r\r\nOK\r\n");
		portbed_hang_up(2);
	}
	portbed.clients[2] = open_pty();
	portbed_says(2, "AT\r", "AT\r\r\nOK\r\n");
}

static void a_terminal_that_echoes_by_itself_is_not_echoed_to(void **state)
{
	struct termios t;
	unsigned asked;

	(void)state;
	portbed.clients[2] = open_pty();
	assert_int_equal(tcgetattr(portbed.clients[2], &t), 0);
	t.c_lflag |= ECHO;
	tcsetattr(portbed.clients[2], TCSANOW, &t);
	tcsetattr(portbed.clients[2], TCSANOW, &t);
	asked = fake_port_count("AT+CSQ");
	portbed_says(2, "AT+CSQ\r", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n");
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
	portbed.ports.ports[2]->o.data = VPORT_DATA_YES;
	portbed.clients[2] = open_pty();
	portbed_says(2, "ATE0D*99#\r", "ATE0D*99#\r\r\nCONNECT 150000000\r\n");
	assert_int_equal(tcgetattr(portbed.clients[2], &t), 0);
	cfsetospeed(&t, B0);
	tcsetattr(portbed.clients[2], TCSANOW, &t);
	portbed_says(2, "", "\r\nNO CARRIER\r\n");
	fake_ev_run(15000);
	assert_int_equal(fake_port_count("ATH"), 1);
}

static void a_port_with_control_restarts_the_module_through_its_life_cycle(void **state)
{
	(void)state;
	portbed.clients[2] = open_pty();
	portbed_says(2, "ATE0+CFUN=1,1\r", "ATE0+CFUN=1,1\r\r\nOK\r\n");
	assert_int_equal(portbed.modem.st.counters.resets, 1);
	fake_ev_run(60000);
	assert_int_equal(portbed.modem.st.state, MODEM_READY);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(a_message_is_typed_at_the_prompt_and_sent_whole),
		PORT_TEST(a_script_may_type_its_message_ahead),
		PORT_TEST(a_prompt_may_be_cancelled_left_or_forgotten),
		PORT_TEST(a_scan_is_aborted_by_a_character_and_others_are_not),
		PORT_TEST(a_client_that_leaves_has_its_answer_swallowed),
		PORT_TEST(a_dial_is_refused_unless_the_port_may),
		PORT_TEST(data_mode_is_transparent_from_the_octet_behind_connect),
		PORT_TEST(words_in_the_data_do_not_end_a_call),
		PORT_TEST(the_end_of_a_call_is_found_in_any_pieces),
		PORT_TEST(a_client_that_takes_nothing_is_hung_up_on_where_others_wait),
		PORT_TEST(a_client_that_leaves_data_mode_has_it_hung_up),
		PORT_TEST(an_escape_leads_back_to_commands),
		PORT_TEST(a_module_that_restarts_in_data_mode_ends_it),
		PORT_TEST(a_line_that_was_written_whole_runs_though_its_client_has_left),
		PORT_TEST(a_visitor_may_send_a_message_but_no_half_of_one),
		PORT_TEST(a_visitor_makes_no_data_call),
		PORT_TEST(who_comes_after_a_visitor_waits_for_its_lines),
		PORT_TEST(visitors_in_a_row_are_served_one_after_the_other),
		PORT_TEST(a_socket_that_is_shut_down_for_writing_still_gets_its_answers),
		PORT_TEST(what_is_typed_ahead_of_a_slow_command_is_all_kept),
		PORT_TEST(a_client_that_does_not_read_costs_nobody_else_anything),
		PORT_TEST(a_socket_takes_one_client_at_a_time),
		PORT_TEST(settings_of_a_client_go_with_it),
		PORT_TEST(a_pty_has_a_stable_name_rights_and_is_raw),
		PORT_TEST(a_pty_is_left_and_opened_again_without_leftovers),
		PORT_TEST(a_pty_that_was_made_exclusive_is_open_to_the_next_client),
		PORT_TEST(a_terminal_that_echoes_by_itself_is_not_echoed_to),
		PORT_TEST(a_pty_drops_dtr_by_speed_0),
		PORT_TEST(a_port_with_control_restarts_the_module_through_its_life_cycle),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, portbed_make_dir, portbed_remove_dir);
}
