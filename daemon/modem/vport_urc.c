/* Which reports a port gets, and in which form: what it has asked for, cut to what it has asked for. */
#include <stdio.h>

#include "atcmd/answers.h"
#include "atcmd/urc.h"
#include "modem/modem.h"
#include "modem/vport.h"

static unsigned field(const char *value, unsigned i)
{
	struct text rest = text_of(value), f = { 0 };
	uint32_t n;

	for (unsigned k = 0; k <= i; k++)
		f = text_cut(&rest, ',');
	return text_to_u32(text_trim(f), 10, &n) == 0 ? n : 0;
}

/* The first n fields behind the colon; quotes are respected. */
static struct text first_fields(struct text line, unsigned n)
{
	bool quoted = false;

	for (size_t i = text_find(line, ':'); i < line.n; i++) {
		quoted ^= line.s[i] == '"';
		if (line.s[i] == ',' && !quoted && --n == 0)
			return text_from(line.s, i);
	}
	return line;
}

/* --- registration -------------------------------------------------------------------------------- */

static const char *const reg_names[] = { "+CREG:", "+CGREG:", "+CEREG:", "+C5GREG:" };

static int reg_of(struct text line)
{
	for (size_t i = 0; i < ARRAY_SIZE(reg_names); i++)
		if (text_starts(line, reg_names[i]))
			return (int)i;
	return -1;
}

/* 27.007 7.2, 10.1.20, 10.1.22, 10.1.47: how many fields n=2 has behind <stat>. */
static unsigned location_fields(int reg)
{
	return reg == 1 ? 4 : reg == 3 ? 5 : 3;
}

/* The answer of a read command: n is the port's own, and so is what follows the state. */
static void reg_answer(struct vport *v, int reg, struct text line)
{
	unsigned n = v->own.n[VPORT_CREG + reg];
	char out[AT_LINE_MAX];
	struct text rest;
	int len;

	line = first_fields(line, n < 2 ? 2 : n == 2 ? 2 + location_fields(reg) : 99);
	rest = text_skip(line, text_find(line, ',') + 1);
	if (!rest.n) {
		vport_info(v, line);
		return;
	}
	len = snprintf(out, sizeof(out), "%s %u," TEXT_FMT, reg_names[reg], n, TEXT_ARG(text_trim(rest)));
	vport_info(v, text_from(out, MIN((size_t)len, sizeof(out) - 1)));
}

/* False: the port did not ask, or it would tell it nothing new. */
static bool reg_report(struct vport *v, int reg, struct text *line)
{
	unsigned n = v->own.n[VPORT_CREG + reg];
	struct at_reg parsed;

	if (n == 0)
		return false;
	*line = first_fields(*line, n == 1 ? 1 : n == 2 ? 1 + location_fields(reg) : 99);
	if (at_reg_parse(*line, &parsed) < 0)
		return true;
	/* With n=1 another cell is no news. */
	if (n == 1 && v->own.stat[reg] == parsed.stat)
		return false;
	v->own.stat[reg] = parsed.stat;
	return true;
}

void vport_answer_line(struct vport *v, struct text line)
{
	int reg = reg_of(line);

	if (reg >= 0 && text_has(text_of(v->text), "?"))
		reg_answer(v, reg, line);
	else
		vport_info(v, line);
}

/* --- who asked for what ----------------------------------------------------------------------------- */

static unsigned cnmi(const struct vport *v, unsigned i)
{
	return field(v->own.text[VPORT_CNMI], i);
}

static bool wants(const struct vport *v, struct text line)
{
	const unsigned *n = v->own.n;

	if (text_starts(line, "+CMTI:"))
		return cnmi(v, 1) == 1;
	if (text_starts(line, "+CMT:"))
		return cnmi(v, 1) >= 2;
	if (text_starts(line, "+CBM:"))
		return cnmi(v, 2) > 0;
	if (text_starts(line, "+CDS:") || text_starts(line, "+CDSI:"))
		return cnmi(v, 3) > 0;
	if (text_starts(line, "+CGEV:"))
		return field(v->own.text[VPORT_CGEREP], 0) > 0;
	if (text_starts(line, "+CIEV:"))
		return field(v->own.text[VPORT_CMER], 3) > 0;
	if (text_starts(line, "+CLIP:"))
		return n[VPORT_CLIP];
	if (text_starts(line, "+CUSD:"))
		return n[VPORT_CUSD] == 1;
	if (text_starts(line, "+CTZV:") || text_starts(line, "+CTZE:") || text_starts(line, "+CTZU:"))
		return n[VPORT_CTZR];
	return true;
}

/* --- to the client ------------------------------------------------------------------------------------- */

/* Not into a line that is being typed, a body, or a call. */
static bool may_interrupt(const struct vport *v)
{
	return (v->state == VPORT_COMMAND && !v->n) || v->state == VPORT_RUNNING;
}

static void put(struct vport *v, const void *data, size_t n)
{
	if (may_interrupt(v)) {
		vport_write(v, data, n);
		return;
	}
	if (n > sizeof(v->pending) - v->pending_n) {
		v->stats.dropped++;
		return;
	}
	memcpy(v->pending + v->pending_n, data, n);
	v->pending_n += n;
}

void vport_report_pending(struct vport *v)
{
	if (!v->pending_n || !may_interrupt(v))
		return;
	vport_write(v, v->pending, v->pending_n);
	v->pending_n = 0;
}

void vport_report(struct vport *v, struct text line, struct text body)
{
	char out[AT_LINE_MAX + 256];
	const char *lead = v->own.n[VPORT_V] ? "\r\n" : "";
	int reg = reg_of(line), n;

	if (v->state == VPORT_AWAY || v->lingers || v->own.n[VPORT_Q] == 1 ||
	    v->o.urcs == VPORT_URCS_NONE)
		return;
	if (v->o.urcs == VPORT_URCS_ASKED) {
		if (reg >= 0 ? !reg_report(v, reg, &line) : !wants(v, line))
			return;
		if (text_starts(line, "+CRING:") && !v->own.n[VPORT_CRC])
			line = TEXT("RING");
	}
	if (body.n)
		n = snprintf(out, sizeof(out), "%s" TEXT_FMT "\r\n" TEXT_FMT "\r\n", lead, TEXT_ARG(line),
			     TEXT_ARG(body));
	else
		n = snprintf(out, sizeof(out), "%s" TEXT_FMT "\r\n", lead, TEXT_ARG(line));
	if ((size_t)n < sizeof(out))
		put(v, out, (size_t)n);
	else
		v->stats.dropped++;
}
