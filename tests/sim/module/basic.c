/* Basic commands, V.250 chapter 6. */
#include <stdio.h>
#include <string.h>

#include "sim/module/line.h"
#include "sim/module/module.h"

/* The number behind the letter, 0 where there is none; false: more than allowed. */
static bool number_of(struct call *c, unsigned high, unsigned *ret)
{
	uint32_t v = 0;

	if (c->args.n && (text_to_u32(c->args, 10, &v) < 0 || v > high))
		return false;
	*ret = v;
	return true;
}

static int do_echo(struct call *c)
{
	unsigned v;

	if (!number_of(c, 1, &v))
		return END_ERROR;
	c->port->set.echo = v;
	return END_OK;
}

static int do_verbose(struct call *c)
{
	unsigned v;

	if (!number_of(c, 1, &v))
		return END_ERROR;
	c->port->set.verbose = v;
	return END_OK;
}

static int do_quiet(struct call *c)
{
	unsigned v;

	if (!number_of(c, 1, &v))
		return END_ERROR;
	c->port->set.quiet = v;
	return END_OK;
}

static int do_x(struct call *c)
{
	unsigned v;

	if (!number_of(c, 4, &v))
		return END_ERROR;
	c->port->set.x = v;
	return END_OK;
}

/* Settings only; what the module is doing goes on. */
static int do_defaults(struct call *c)
{
	struct port_settings *s = &c->port->set;
	struct port_settings fresh = {
		.echo = !c->m->persona->no_echo, .verbose = true, .x = 4, .cscs = "GSM",
	};
	unsigned v;

	if (!number_of(c, 9, &v))
		return END_ERROR;
	memcpy(fresh.s, s->s, sizeof(fresh.s));
	*s = fresh;
	port_default_registers(c->port);
	return END_OK;
}

static int do_ignored(struct call *c)
{
	unsigned v;

	return number_of(c, 255, &v) ? END_OK : END_ERROR;
}

static int do_hook(struct call *c)
{
	unsigned v;

	if (!number_of(c, 1, &v))
		return END_ERROR;
	c->port->was_data = false;
	return END_OK;
}

static int do_online(struct call *c)
{
	return c->port->was_data ? END_CONNECT : END_NO_CARRIER;
}

static int do_answer(struct call *c)
{
	(void)c;
	return END_NO_CARRIER;
}

static int do_information(struct call *c)
{
	const struct persona *p = c->m->persona;

	if (p->ati_error)
		return END_ERROR;
	port_say(c->port, "%s", p->cgmi);
	port_say(c->port, "%s", p->cgmm);
	port_say(c->port, "Revision: %s", p->cgmr);
	return END_OK;
}

/* Sn=v, Sn? */
static int do_register(struct call *c)
{
	struct text t = c->args;
	size_t digits = 0;
	uint32_t n, v = 0;

	while (digits < t.n && t.s[digits] >= '0' && t.s[digits] <= '9')
		digits++;
	if (text_to_u32(text_from(t.s, digits), 10, &n) < 0 || n >= PORT_S_REGISTERS)
		return END_ERROR;
	t = text_skip(t, digits);
	if (text_eq(t, "?")) {
		port_say(c->port, "%03u", c->port->set.s[n]);
		return END_OK;
	}
	if (!text_starts(t, "="))
		return END_ERROR;
	t = text_skip(t, 1);
	if (t.n && (text_to_u32(t, 10, &v) < 0 || v > 255))
		return END_ERROR;
	c->port->set.s[n] = (uint8_t)v;
	return END_OK;
}

const struct command basic_commands[] = {
	{ "E", FORM_SET, 0, do_echo },
	{ "V", FORM_SET, 0, do_verbose },
	{ "Q", FORM_SET, 0, do_quiet },
	{ "X", FORM_SET, 0, do_x },
	{ "Z", FORM_SET, 0, do_defaults },
	{ "&F", FORM_SET, 0, do_defaults },
	{ "&W", FORM_SET, 0, do_ignored },
	{ "&C", FORM_SET, 0, do_ignored },
	{ "&D", FORM_SET, 0, do_ignored },
	{ "&S", FORM_SET, 0, do_ignored },
	{ "&K", FORM_SET, MAKER_TELIT | MAKER_UBLOX, do_ignored },
	{ "\\Q", FORM_SET, MAKER_TELIT | MAKER_CINTERION, do_ignored },
	{ "L", FORM_SET, 0, do_ignored },
	{ "M", FORM_SET, 0, do_ignored },
	{ "H", FORM_SET, 0, do_hook },
	{ "O", FORM_SET, 0, do_online },
	{ "A", FORM_SET, 0, do_answer },
	{ "I", FORM_SET, 0, do_information },
	{ "S", FORM_SET, 0, do_register },
	{ 0 }
};
