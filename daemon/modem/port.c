/* Opening and closing the module's port, and what happens when it hangs up. */
#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "modem/modem.h"

static void on_lost(struct at_chat *c, int error)
{
	struct modem *m = container_of(c, struct modem, chat);

	log_info("modem", "%s hung up%s%s", m->st.device, error ? ": " : "",
		 error ? strerror(error) : "");
	modem_event(m, MODEM_EV_GONE);
}

static void on_silent(struct at_chat *c)
{
	modem_event(container_of(c, struct modem, chat), MODEM_EV_SILENT);
}

static void on_synced(struct at_chat *c)
{
	modem_event(container_of(c, struct modem, chat), MODEM_EV_SYNCED);
}

static void on_echoed(struct at_chat *c)
{
	log_info("modem", "its echo is back: it has restarted without a word");
	modem_event(container_of(c, struct modem, chat), MODEM_EV_BOOTED);
}

int modem_port_open(struct modem *m, unsigned baud, char why[SERIAL_WHY_MAX])
{
	struct serial_options o = { .baud = baud, .rtscts = m->o.rtscts };
	int r = serial_open(&m->serial, m->o.device, &o, why);

	if (r < 0)
		return r;
	m->port_open = true;
	m->chat.name = "at1";
	m->chat.lost = on_lost;
	m->chat.silent = on_silent;
	m->chat.synced = on_synced;
	m->chat.echoed = on_echoed;
	at_chat_open(&m->chat, &m->serial.pipe);
	text_copy(text_of(m->serial.path), m->st.port, sizeof(m->st.port));
	m->st.baud = baud;
	return 0;
}

void modem_port_close(struct modem *m)
{
	modem_stop_recipe(m);
	at_chat_close(&m->chat);
	if (m->port_open)
		serial_close(&m->serial);
	m->port_open = false;
}
