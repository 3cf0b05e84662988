/*
 * The settings that a port has for itself, one table. Three kinds: the port's own dialogue, of which
 * the module hears nothing; reports, for which the module is set to the highest that any port wants
 * and each port gets its part (vport_urc.c); and forms, in which the module must stand while one of
 * the port's commands runs (text or PDU messages, character set), set right before that command.
 */
#include <errno.h>
#include <stdio.h>

#include "modem/modem.h"
#include "modem/vport.h"

enum kind { DIALOGUE, REPORT, FORM };

static const struct {
	const char *name;
	enum kind kind;
	unsigned max, preset;
} numbers[_VPORT_NUMBER_MAX] = {
	[VPORT_E] = { "E", DIALOGUE, 1, 1 }, [VPORT_V] = { "V", DIALOGUE, 1, 1 },
	[VPORT_Q] = { "Q", DIALOGUE, 2, 0 }, [VPORT_X] = { "X", DIALOGUE, 4, 4 },
	[VPORT_CMEE] = { "+CMEE", DIALOGUE, 2, 0 },
	[VPORT_CREG] = { "+CREG", REPORT, 3, 0 }, [VPORT_CGREG] = { "+CGREG", REPORT, 5, 0 },
	[VPORT_CEREG] = { "+CEREG", REPORT, 5, 0 }, [VPORT_C5GREG] = { "+C5GREG", REPORT, 5, 0 },
	[VPORT_CMGF] = { "+CMGF", FORM, 1, 0 }, [VPORT_CSDH] = { "+CSDH", FORM, 1, 0 },
	[VPORT_CLIP] = { "+CLIP", REPORT, 1, 0 }, [VPORT_COLP] = { "+COLP", REPORT, 1, 0 },
	[VPORT_CRC] = { "+CRC", REPORT, 1, 0 }, [VPORT_CTZR] = { "+CTZR", REPORT, 3, 0 },
	[VPORT_CUSD] = { "+CUSD", REPORT, 2, 0 }, [VPORT_CGPIAF] = { "+CGPIAF", DIALOGUE, 1, 0 },
	[VPORT_COPS] = { "+COPS", FORM, 2, 0 },
};

static const struct {
	const char *name, *preset;
	unsigned decides;               /* which field tells how much is asked for */
} texts[_VPORT_TEXT_MAX] = {
	[VPORT_CNMI] = { "+CNMI", "0,0,0,0,0", 1 }, [VPORT_CMER] = { "+CMER", "0,0,0,0,0", 3 },
	[VPORT_CGEREP] = { "+CGEREP", "0,0", 0 }, [VPORT_CSCS] = { "+CSCS", "\"IRA\"", 0 },
};

/* What the daemon itself has switched on at each start (start.c). */
#define REG_LEVEL 2

static const char *const message_commands[] = {
	"+CMGS", "+CMGW", "+CMGC", "+CMGR", "+CMGL", "+CMSS", "+CNMA", NULL
};
static const char *const string_commands[] = {
	"+CMGS", "+CMGW", "+CMGR", "+CMGL", "+CPBR", "+CPBW", "+CPBF", "+CUSD", "+CNUM", "+CSCA",
	"+CPMS", NULL
};

/* Each channel of a mux has its own mode, and only the daemon's is set. */
static const char *const registration_commands[] = {
	"+CREG", "+CGREG", "+CEREG", "+C5GREG", NULL
};

static bool is_one_of(struct text command, const char *const *names)
{
	for (; *names; names++)
		if (text_case_starts(command, *names))
			return true;
	return false;
}

void vport_own_reset(struct vport *v)
{
	static const struct { uint8_t reg, value; } s[] = {
		{ 3, 13 }, { 4, 10 }, { 5, 8 }, { 6, 2 }, { 7, 60 }, { 8, 2 }, { 10, 15 }, { 12, 50 },
	};

	memset(v->own.s, 0, sizeof(v->own.s));
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		v->own.s[s[i].reg] = s[i].value;
	for (int i = 0; i < _VPORT_NUMBER_MAX; i++)
		v->own.n[i] = numbers[i].preset;
	for (int i = 0; i < _VPORT_TEXT_MAX; i++)
		text_copy(text_of(texts[i].preset), v->own.text[i], sizeof(v->own.text[i]));
	for (size_t i = 0; i < ARRAY_SIZE(v->own.stat); i++)
		v->own.stat[i] = -1;
}

static void say(struct vport *v, const char *name, const char *value)
{
	char line[VPORT_TEXT_MAX + 16];
	int n = snprintf(line, sizeof(line), "%s: %s", name, value);

	vport_info(v, text_from(line, (size_t)n));
}

bool vport_own_setting(const struct vport *v, unsigned i, const char **ret_name, unsigned *ret_n,
		       const char **ret_text)
{
	if (i >= _VPORT_NUMBER_MAX + _VPORT_TEXT_MAX)
		return false;
	*ret_text = NULL;
	*ret_n = 0;
	if (i < _VPORT_NUMBER_MAX) {
		*ret_name = numbers[i].name;
		*ret_n = v->own.n[i];
	} else {
		*ret_name = texts[i - _VPORT_NUMBER_MAX].name;
		*ret_text = v->own.text[i - _VPORT_NUMBER_MAX];
	}
	*ret_name += **ret_name == '+';
	return true;
}

/* --- what is asked for on behalf of all ------------------------------------------------------------- */

static unsigned field(const char *value, unsigned i)
{
	struct text rest = text_of(value), f = { 0 };
	uint32_t n;

	for (unsigned k = 0; k <= i; k++)
		f = text_cut(&rest, ',');
	return text_to_u32(text_trim(f), 10, &n) == 0 ? n : 0;
}

static bool is_reg(int i)
{
	return i >= VPORT_CREG && i <= VPORT_C5GREG;
}

static unsigned level_of(const struct vports *p, int i)
{
	return is_reg(i) ? MAX(p->level[i], REG_LEVEL) : p->level[i];
}

/* The highest that a port with a client wants now. */
static unsigned wanted_number(const struct vports *p, int i)
{
	unsigned most = 0;

	for (size_t k = 0; k < p->n; k++)
		if (p->ports[k]->state != VPORT_AWAY)
			most = MAX(most, p->ports[k]->own.n[i]);
	return most;
}

static const char *wanted_text(const struct vports *p, int i)
{
	const char *most = texts[i].preset;

	for (size_t k = 0; k < p->n; k++) {
		const char *own = p->ports[k]->own.text[i];

		if (p->ports[k]->state != VPORT_AWAY &&
		    field(own, texts[i].decides) > field(most, texts[i].decides))
			most = own;
	}
	return most;
}

bool vport_own_need(struct vports *p, unsigned i, char *dst, size_t cap)
{
	dst[0] = '\0';
	if (i < _VPORT_NUMBER_MAX) {
		unsigned n = wanted_number(p, (int)i);

		/* What is on stays on: who did not ask gets nothing of it. */
		if (numbers[i].kind == REPORT && n > level_of(p, (int)i)) {
			snprintf(dst, cap, "AT%s=%u", numbers[i].name, n);
			p->level[i] = n;
		}
		return true;
	}
	i -= _VPORT_NUMBER_MAX;
	if (i >= VPORT_CSCS)
		return false;
	if (strcmp(p->level_text[i], wanted_text(p, (int)i)) != 0) {
		/* Where messages go is put back too: one that nobody reads would be lost. */
		text_copy(text_of(wanted_text(p, (int)i)), p->level_text[i], sizeof(p->level_text[i]));
		snprintf(dst, cap, "AT%s=%s", texts[i].name, p->level_text[i]);
	}
	return true;
}

/* --- setting and reading ------------------------------------------------------------------------------ */

static enum vport_own_verdict set_number(struct vport *v, int i, struct text value)
{
	struct vports *p = v->all;
	uint32_t n = 0;

	if (value.n && text_to_u32(value, 10, &n) < 0)
		return VPORT_OWN_ERROR;
	if (n > numbers[i].max)
		return VPORT_OWN_ERROR;
	if (numbers[i].kind == REPORT && n > level_of(p, i)) {
		v->set_number = i;
		v->set_n = n;
		return VPORT_OWN_ASK;
	}
	v->own.n[i] = n;
	return VPORT_OWN_OK;
}

void vport_own_keep(struct vport *v)
{
	struct vports *p = v->all;

	if (v->set_number >= 0) {
		v->own.n[v->set_number] = v->set_n;
		p->level[v->set_number] = MAX(p->level[v->set_number], v->set_n);
	}
	if (v->set_text >= 0) {
		strcpy(v->own.text[v->set_text], v->set_value);
		strcpy(p->level_text[v->set_text], v->set_value);
	}
}

/* Fields that are left out keep their value: 27.005 3.4.1 says so of +CNMI. */
static int merge(const char *old, struct text given, char *dst, size_t cap)
{
	struct text was = text_of(old);
	size_t n = 0;

	dst[0] = '\0';
	while (was.n || given.n) {
		struct text a = text_trim(text_cut(&was, ',')), b = text_trim(text_cut(&given, ','));
		struct text f = b.n ? b : a;

		if (n + f.n + 2 > cap)
			return -ENOSPC;
		n += (size_t)snprintf(dst + n, cap - n, "%s" TEXT_FMT, n ? "," : "", TEXT_ARG(f));
	}
	return 0;
}

static enum vport_own_verdict set_text(struct vport *v, int i, struct text value)
{
	struct vports *p = v->all;
	char merged[VPORT_TEXT_MAX];

	if (i == VPORT_CSCS) {
		if (value.n < 3 || value.s[0] != '"')
			return VPORT_OWN_ERROR;
		return text_copy(value, v->own.text[i], sizeof(v->own.text[i])) < 0 ? VPORT_OWN_ERROR :
										     VPORT_OWN_OK;
	}
	if (merge(v->own.text[i], value, merged, sizeof(merged)) < 0)
		return VPORT_OWN_ERROR;
	for (const char *c = merged; *c; c++)
		if (!strchr("0123456789,", *c))
			return VPORT_OWN_ERROR;
	if (field(merged, texts[i].decides) > field(p->level_text[i], texts[i].decides)) {
		v->set_text = i;
		strcpy(v->set_value, merged);
		return VPORT_OWN_ASK;
	}
	strcpy(v->own.text[i], merged);
	return VPORT_OWN_OK;
}

/* "S0=1", "S7?" */
static enum vport_own_verdict run_register(struct vport *v, struct text command)
{
	struct text rest = text_skip(command, 1), name;
	uint32_t reg, value = 0;
	char line[8];
	size_t digits = 0;

	while (digits < rest.n && rest.s[digits] >= '0' && rest.s[digits] <= '9')
		digits++;
	name = text_from(rest.s, digits);
	rest = text_skip(rest, digits);
	if (text_to_u32(name, 10, &reg) < 0 || reg >= ARRAY_SIZE(v->own.s))
		return VPORT_OWN_ERROR;
	if (text_eq(rest, "?")) {
		int n = snprintf(line, sizeof(line), "%03u", v->own.s[reg]);

		vport_info(v, text_from(line, (size_t)n));
		return VPORT_OWN_OK;
	}
	if (text_starts(rest, "="))
		rest = text_skip(rest, 1);
	if (rest.n && (text_to_u32(rest, 10, &value) < 0 || value > 255))
		return VPORT_OWN_ERROR;
	/* S3 to S5 are the characters themselves: beyond 127 they could not be typed. */
	if (reg >= 3 && reg <= 5 && value > 127)
		return VPORT_OWN_ERROR;
	v->own.s[reg] = (uint8_t)value;
	return VPORT_OWN_OK;
}

static enum vport_own_verdict run_number(struct vport *v, int i, struct text rest)
{
	char value[16];

	if (text_eq(rest, "?")) {
		/* Registration and operator are the module's to tell; the form is made here. */
		if (is_reg(i) || i == VPORT_COPS)
			return VPORT_OWN_ASK;
		if (i == VPORT_CLIP || i == VPORT_COLP)
			snprintf(value, sizeof(value), "%u,1", v->own.n[i]);
		else
			snprintf(value, sizeof(value), "%u", v->own.n[i]);
		say(v, numbers[i].name, value);
		return VPORT_OWN_OK;
	}
	if (i == VPORT_COPS)
		rest = text_skip(rest, 3);              /* "=3," */
	else if (text_starts(rest, "="))
		rest = text_skip(rest, 1);
	else if (rest.n)
		return VPORT_OWN_ASK;
	/* +CUSD=1,"*100#",15 asks the network: it is forwarded, its first field is kept. */
	if (i == VPORT_CUSD && text_find(rest, ',') < rest.n) {
		v->set_number = i;
		uint32_t n;

		v->set_n = text_to_u32(text_cut(&rest, ','), 10, &n) == 0 ? n : 0;
		return VPORT_OWN_ASK;
	}
	return set_number(v, i, text_trim(rest));
}

/* "E0", "V1", "Z", "&F0" */
static enum vport_own_verdict run_basic(struct vport *v, struct text command)
{
	char c = (char)(command.s[0] & ~0x20);
	static const char letters[] = "EVQX";

	if (command.s[0] == '&' || c == 'Z') {
		vport_own_reset(v);
		return VPORT_OWN_OK;
	}
	if (c == 'S')
		return run_register(v, command);
	if (!strchr(letters, c))
		return VPORT_OWN_ERROR;
	return set_number(v, (int)(strchr(letters, c) - letters), text_skip(command, 1));
}

static bool named(struct text command, const char *name, struct text *ret_rest)
{
	size_t n = strlen(name);

	if (!text_case_starts(command, name) || (command.n > n && !strchr("=?", command.s[n])))
		return false;
	*ret_rest = text_skip(command, n);
	return true;
}

enum vport_own_verdict vport_own_run(struct vport *v, struct text command)
{
	struct text rest;

	v->set_number = v->set_text = -1;
	if (command.s[0] != '+')
		return run_basic(v, command);
	for (int i = VPORT_CMEE; i < _VPORT_NUMBER_MAX; i++)
		if (named(command, numbers[i].name, &rest))
			return run_number(v, i, rest);
	for (int i = 0; i < _VPORT_TEXT_MAX; i++) {
		if (!named(command, texts[i].name, &rest))
			continue;
		if (text_eq(rest, "?")) {
			say(v, texts[i].name, v->own.text[i]);
			return VPORT_OWN_OK;
		}
		return text_starts(rest, "=") ? set_text(v, i, text_skip(rest, 1)) : VPORT_OWN_ASK;
	}
	return VPORT_OWN_ASK;
}

/* --- forms ---------------------------------------------------------------------------------------------- */

static const char *charset(const struct vport *v)
{
	return v->own.text[VPORT_CSCS];
}

/* In "IRA" (27.007 5.5) and in what modules begin with, letters and digits are the same. */
static bool plain_charset(const char *cscs)
{
	return !strcmp(cscs, "\"IRA\"") || !strcmp(cscs, "\"GSM\"");
}

static bool same_charset(const char *a, const char *b)
{
	return !strcmp(a, b) || (plain_charset(a) && plain_charset(b));
}

bool vport_own_depends(struct text command)
{
	return is_one_of(command, message_commands) || is_one_of(command, string_commands) ||
	       is_one_of(command, registration_commands) || text_case_starts(command, "+COPS?");
}

const char *vport_own_prepare(struct vport *v, struct text command, unsigned i)
{
	struct vports *p = v->all;
	bool message = is_one_of(command, message_commands);
	bool strings = is_one_of(command, string_commands);
	bool operator = text_case_starts(command, "+COPS?");
	const struct {
		bool needed;
		const char *name;
		int want;
	} forms[] = {
		{ message && p->cmgf != (int)v->own.n[VPORT_CMGF], "+CMGF", (int)v->own.n[VPORT_CMGF] },
		{ message && v->own.n[VPORT_CMGF] && p->csdh != (int)v->own.n[VPORT_CSDH], "+CSDH",
		  (int)v->own.n[VPORT_CSDH] },
		{ operator && p->cops != (int)v->own.n[VPORT_COPS], "+COPS=3,", (int)v->own.n[VPORT_COPS] },
	};

	for (; i < ARRAY_SIZE(forms); i++) {
		if (!forms[i].needed)
			continue;
		snprintf(v->prepared, sizeof(v->prepared), i == 2 ? "AT%s%d" : "AT%s=%d",
			 forms[i].name, forms[i].want);
		v->prepare_i = i + 1;
		return v->prepared;
	}
	if (i == ARRAY_SIZE(forms) && strings && !same_charset(p->cscs, charset(v))) {
		snprintf(v->prepared, sizeof(v->prepared), "AT+CSCS=%s", charset(v));
		v->prepare_i = i + 1;
		return v->prepared;
	}
	return NULL;
}

/* The module has agreed to what was prepared: that is how it stands now. */
void vport_own_prepared(struct vport *v, const char *text)
{
	struct vports *p = v->all;

	if (text_starts(text_of(text), "AT+CMGF="))
		p->cmgf = (int)field(text + 8, 0);
	else if (text_starts(text_of(text), "AT+CSDH="))
		p->csdh = (int)field(text + 8, 0);
	else if (text_starts(text_of(text), "AT+COPS=3,"))
		p->cops = (int)field(text + 10, 0);
	else if (text_starts(text_of(text), "AT+CSCS="))
		text_copy(text_of(text + 8), p->cscs, sizeof(p->cscs));
}

/* The daemon and the card need strings as they are, and the operator with its name. */
const char *vport_own_restore(const struct vport *v, struct text command)
{
	const struct vports *p = v->all;

	if (!plain_charset(p->cscs))
		return "AT+CSCS=\"IRA\"";
	if (text_case_starts(command, "+COPS?") && p->cops > 0)
		return "AT+COPS=3,0";
	return NULL;
}
