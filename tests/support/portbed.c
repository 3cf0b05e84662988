#include "support/portbed.h"

#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "support/fake_port.h"
#include "unit/fake_ev.h"

struct portbed portbed = { .dir = "/tmp/cellmux-vports-XXXXXX" };

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

static void on_wrote(struct wire *w);
static void (*ordinary_wrote)(struct wire *w);

/* Bodies and data come without a CR at their end: they are looked at before lines are. */
static void on_wrote(struct wire *w)
{
	char *end = memchr(w->written, 0x1a, w->written_n);

	if (portbed.in_data) {
		size_t n = strlen(portbed.typed);

		assert_true(w->written_n < sizeof(portbed.typed) - n);
		memcpy(portbed.typed + n, w->written, w->written_n);
		portbed.typed[n + w->written_n] = '\0';
		w->written_n = 0;
		if (strstr(portbed.typed, "+++") && strstr(portbed.typed, "+++")[3] == '\0')
			fake_port_says("\\r\\nOK\\r\\n");
		if (strstr(portbed.typed, "+++AT")) {
			portbed.in_data = false;
			fake_port_says("\\r\\nOK\\r\\n");
		}
		return;
	}
	if (end) {
		snprintf(portbed.typed, sizeof(portbed.typed), "%.*s", (int)(end - w->written), w->written);
		w->written_n = 0;
		fake_port_says("\\r\\n+CMGS: 5\\r\\n\\r\\nOK\\r\\n");
		return;
	}
	ordinary_wrote(w);
}

static bool before(struct fake_port *p, const char *command)
{
	if (!strncmp(command, "ATD", 3))
		portbed.in_data = true;
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
		vports_state(&portbed.ports);
}

int portbed_dial(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", portbed.dir, name);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fake_ev_settle();
	return fd;
}

void portbed_hang_up(unsigned i)
{
	close(portbed.clients[i]);
	portbed.clients[i] = -1;
	fake_ev_run(10);
}

void portbed_type(unsigned i, const char *s)
{
	assert_int_equal(write(portbed.clients[i], s, strlen(s)), strlen(s));
}

/* Everything that the client has got by now. */
const char *portbed_got(unsigned i)
{
	static char text[PORTBED_CLIENTS][70000];
	ssize_t n = read(portbed.clients[i], text[i], sizeof(text[i]) - 1);

	text[i][n > 0 ? n : 0] = '\0';
	return text[i];
}

/* A terminal's octets pass through the kernel's own time: waits for as many as are expected. */
static void says_tty(const char *line, const char *want)
{
	char text[4096] = "";
	size_t n = 0;

	portbed_type(2, line);
	for (unsigned k = 0; k < 500 && n < strlen(want); k++) {
		struct pollfd p = { .fd = portbed.clients[2], .events = POLLIN };
		ssize_t r;

		fake_ev_run(5);
		poll(&p, 1, 10);
		r = read(portbed.clients[2], text + n, sizeof(text) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_string_equal(text, want);
}

void portbed_says(unsigned i, const char *line, const char *want)
{
	if (i == 2) {
		says_tty(line, want);
		return;
	}
	portbed_type(i, line);
	fake_ev_run(100);
	assert_string_equal(portbed_got(i), want);
}

int portbed_setup(void **state)
{
	struct vport_options o[PORTBED_CLIENTS] = {
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
	memset(&portbed.modem, 0, sizeof(portbed.modem));
	memset(&portbed.ports, 0, sizeof(portbed.ports));
	portbed.typed[0] = '\0';
	portbed.in_data = false;
	text_copy(TEXT("/nonexistent/modem"), portbed.modem.o.device, sizeof(portbed.modem.o.device));
	portbed.modem.o.baud = 115200;
	portbed.modem.o.state_dir = portbed.dir;
	portbed.modem.changed = on_changed;
	fake_port_open(fake_port_ordinary);
	assert_int_equal(modem_open(&portbed.modem, false, why), 0);
	ordinary_wrote = fake_port.wire.wrote;
	assert_int_equal(vports_open(&portbed.ports, &portbed.modem, o, PORTBED_CLIENTS, portbed.dir, why), 0);
	fake_ev_run(20000);
	assert_int_equal(portbed.modem.st.state, MODEM_READY);
	fake_port.before = before;
	fake_port.wire.wrote = on_wrote;
	portbed.clients[0] = portbed_dial("at0");
	portbed.clients[1] = portbed_dial("at1");
	portbed.clients[2] = -1;
	return 0;
}

int portbed_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PORTBED_CLIENTS; i++)
		if (portbed.clients[i] >= 0)
			close(portbed.clients[i]);
	fake_ev_run(10);
	vports_close(&portbed.ports);
	modem_close(&portbed.modem);
	fake_ev_settle();
	fake_port_close();
	assert_int_equal(fake_ev_active(), 0);
	return 0;
}

int portbed_make_dir(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(portbed.dir) ? 0 : -1;
}

int portbed_remove_dir(void **state)
{
	(void)state;
	return rmdir(portbed.dir);      /* nothing is left in it */
}
