/* The modem's end of a real port; tests have another one (tests/support/fake_port.c). */
#include "modem/modem.h"

int modem_port_open(struct modem *m, unsigned baud, char why[SERIAL_WHY_MAX])
{
	struct serial_options o = { .baud = baud, .rtscts = m->o.rtscts };
	int r = serial_open(&m->serial, m->o.device, &o, why);

	if (r < 0)
		return r;
	text_copy(text_of(m->serial.path), m->st.port, sizeof(m->st.port));
	m->pipe = &m->serial.pipe;
	return 0;
}

void modem_port_close(struct modem *m)
{
	serial_close(&m->serial);
	m->pipe = NULL;
}

int modem_port_set_baud(struct modem *m, unsigned baud)
{
	return serial_set_baud(&m->serial, baud);
}
