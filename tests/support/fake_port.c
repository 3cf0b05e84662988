#include "support/fake_port.h"

#include <errno.h>
#include <stdio.h>

#include "support/vectors.h"

struct fake_port fake_port;

#define OK "\\r\\nOK\\r\\n"

const struct fake_answer fake_port_ordinary[] = {
	{ "AT+CMEE?", "\\r\\n+CMEE: 1\\r\\n" OK },
	{ "AT+CGMI", "\\r\\nQuectel\\r\\n" OK },
	{ "AT+CGMM", "\\r\\nEC25\\r\\n" OK },
	{ "AT+CGMR", "\\r\\nEC25EFAR06A06M4G\\r\\n" OK },
	{ "AT+CGSN", "\\r\\n866425031234567\\r\\n" OK },
	{ "AT+CFUN?", "\\r\\n+CFUN: 1\\r\\n" OK },
	{ "AT+CPIN?", "\\r\\n+CPIN: READY\\r\\n" OK },
	{ "AT+QCCID", "\\r\\n+QCCID: 89860025128306012474\\r\\n" OK },
	{ "AT+QPINC", "\\r\\n+QPINC: \"SC\",3,10\\r\\n" OK },
	{ "AT+CIMI", "\\r\\n262011234567890\\r\\n" OK },
	{ "AT+C5GREG", "\\r\\nERROR\\r\\n" },
	{ "AT+CREG?", "\\r\\n+CREG: 2,1,\"1A2B\",\"01234567\",7\\r\\n" OK },
	{ "AT+CGREG?", "\\r\\n+CGREG: 2,0\\r\\n" OK },
	{ "AT+CEREG?", "\\r\\n+CEREG: 2,1,\"1A2B\",\"01234567\",7\\r\\n" OK },
	{ "AT+COPS?", "\\r\\n+COPS: 0,0,\"Test Net\",7\\r\\n" OK },
	{ "AT+CSQ", "\\r\\n+CSQ: 20,99\\r\\n" OK },
	{ "AT+CESQ", "\\r\\n+CESQ: 99,99,255,255,20,46\\r\\n" OK },
	{ "AT", OK },
	{ 0 }
};

void fake_port_says(const char *octets)
{
	char raw[4096];

	wire_feed(&fake_port.wire, raw, vectors_unescape(text_of(octets), raw));
}

static void answer(struct fake_port *p, const char *command)
{
	if (p->baud_needed && p->baud != p->baud_needed) {
		fake_port_says("\\xFE\\x00\\xF8");
		return;
	}
	snprintf(p->log + strlen(p->log), sizeof(p->log) - strlen(p->log), "%s\n", command);
	if (p->dead || (p->before && p->before(p, command)))
		return;
	for (const struct fake_answer *a = p->answers; a->command; a++) {
		if (text_starts(text_of(command), a->command)) {
			fake_port_says(a->octets);
			return;
		}
	}
	fake_port_says("\\r\\nERROR\\r\\n");
}

/* ESC and +++ come without a line end, in front of the next command. */
static const char *behind_keys(const char *line)
{
	while (line[0] == '\x1b')
		line++;
	return strncmp(line, "+++", 3) ? line : line + 3;
}

static void on_wrote(struct wire *w)
{
	struct fake_port *p = container_of(w, struct fake_port, wire);
	const char *line;

	while ((line = wire_take_line(w))) {
		char command[1024];

		snprintf(command, sizeof(command), "%s", behind_keys(line));
		if (command[0])
			answer(p, command);
	}
}

void fake_port_open(const struct fake_answer *answers)
{
	memset(&fake_port, 0, sizeof(fake_port));
	fake_port.answers = answers;
	fake_port.present = true;
}

void fake_port_close(void)
{
	wire_close(&fake_port.wire);
}

unsigned fake_port_count(const char *command)
{
	struct text rest = text_of(fake_port.log);
	unsigned n = 0;

	while (rest.n)
		n += text_eq(text_cut(&rest, '\n'), command);
	return n;
}

/* --- in place of daemon/modem/port.c ------------------------------------------------------------------ */

int modem_port_open(struct modem *m, unsigned baud, char why[SERIAL_WHY_MAX])
{
	if (fake_port.held) {
		snprintf(why, SERIAL_WHY_MAX, "%s: in use", m->o.device);
		return -EBUSY;
	}
	if (!fake_port.present) {
		snprintf(why, SERIAL_WHY_MAX, "%s: no such device", m->o.device);
		return -ENOENT;
	}
	wire_open(&fake_port.wire);
	fake_port.wire.wrote = on_wrote;
	fake_port.baud = baud;
	fake_port.opened++;
	m->pipe = &fake_port.wire.pipe;
	return 0;
}

void modem_port_close(struct modem *m)
{
	wire_close(&fake_port.wire);
	m->pipe = NULL;
}

int modem_port_set_baud(struct modem *m, unsigned baud)
{
	(void)m;
	fake_port.baud = baud;
	return 0;
}
