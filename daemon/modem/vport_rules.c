/*
 * What a client's command does on a virtual port. One row per start of a command, the first that
 * fits counts, and a command without a row is forwarded as it is. The table is repeated for people
 * in cellmux.conf(5), section VIRTUAL PORTS.
 */
#include "modem/modem.h"
#include "modem/policy.h"
#include "modem/vport.h"

static const struct {
	const char *start;              /* without AT; any case */
	enum vport_rule rule;
	bool abortable;                 /* by a character, V.250 5.6.1 */
} rules[] = {
	/* The port's own dialogue and settings */
	{ "E", VPORT_OWN }, { "V", VPORT_OWN }, { "Q", VPORT_OWN }, { "X", VPORT_OWN },
	{ "Z", VPORT_OWN }, { "&F", VPORT_OWN }, { "S", VPORT_OWN }, { "+CMEE", VPORT_OWN },
	{ "+CREG", VPORT_OWN }, { "+CGREG", VPORT_OWN }, { "+CEREG", VPORT_OWN },
	{ "+C5GREG", VPORT_OWN }, { "+CMGF", VPORT_OWN }, { "+CSDH", VPORT_OWN },
	{ "+CLIP", VPORT_OWN }, { "+COLP", VPORT_OWN }, { "+CRC?", VPORT_OWN }, { "+CRC=", VPORT_OWN },
	{ "+CTZR", VPORT_OWN }, { "+CUSD?", VPORT_OWN }, { "+CUSD=", VPORT_OWN, true },
	{ "+CGPIAF", VPORT_OWN }, { "+CNMI", VPORT_OWN }, { "+CMER", VPORT_OWN },
	{ "+CGEREP", VPORT_OWN }, { "+CSCS", VPORT_OWN }, { "+COPS=3,", VPORT_OWN },

	/* The line is the daemon's */
	{ "&W", VPORT_NOTHING }, { "&C", VPORT_NOTHING }, { "&D", VPORT_NOTHING },
	{ "&S", VPORT_NOTHING }, { "&K", VPORT_NOTHING }, { "\\Q", VPORT_NOTHING },
	{ "L", VPORT_NOTHING }, { "M", VPORT_NOTHING }, { "P", VPORT_NOTHING }, { "T", VPORT_NOTHING },
	{ "+IFC=", VPORT_NOTHING }, { "+ICF=", VPORT_NOTHING }, { "+IPR=", VPORT_NOTHING },
	{ "+IPREX=", VPORT_NOTHING }, { "+ILRR=", VPORT_NOTHING },
	{ "+CMUX", VPORT_REFUSED }, { "#XCMUX", VPORT_REFUSED }, { "#CMUXMODE", VPORT_REFUSED },
	{ "+QSCLK=", VPORT_REFUSED }, { "+CSCLK=", VPORT_REFUSED }, { "+UPSV=", VPORT_REFUSED },
	{ "+KSLEEP=", VPORT_REFUSED }, { "#XSLEEP", VPORT_REFUSED },

	/* Power and restart */
	{ "+CFUN=1,1", VPORT_RESTART }, { "+CFUN=15", VPORT_RESTART }, { "+CFUN=16", VPORT_RESTART },
	{ "+CFUN=6", VPORT_RESTART }, { "+CRESET", VPORT_RESTART }, { "#REBOOT", VPORT_RESTART },
	{ "!RESET", VPORT_RESTART }, { "#XRESET", VPORT_RESTART }, { "^RESET", VPORT_RESTART },
	{ "+CFUN=1", VPORT_LOOK }, { "+CFUN=", VPORT_CONTROL },
	{ "+QPOWD", VPORT_REFUSED }, { "+CPOF", VPORT_REFUSED }, { "+CPOWD", VPORT_REFUSED },
	{ "+CPWROFF", VPORT_REFUSED }, { "#SHDN", VPORT_REFUSED }, { "^SMSO", VPORT_REFUSED },
	{ "+QUIMSLOT=", VPORT_CONTROL }, { "+QDSIM=", VPORT_CONTROL }, { "+SMSIMCFG=", VPORT_CONTROL },
	{ "&", VPORT_NOTHING },

	/* What the daemon keeps an eye on */
	{ "+CPIN=", VPORT_LOOK }, { "+CLCK=", VPORT_LOOK }, { "+CPWD=", VPORT_LOOK },
	{ "+COPS=?", VPORT_FORWARD, true }, { "+COPS=", VPORT_LOOK, true },
	{ "+CGATT=", VPORT_LOOK },

	/* Calls */
	{ "D", VPORT_DIAL, true }, { "A", VPORT_DIAL, true }, { "O", VPORT_DIAL },
	{ "+CGDATA", VPORT_DIAL, true },
};

enum vport_rule vport_rule(struct text command, bool *ret_abortable)
{
	*ret_abortable = false;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!text_case_starts(command, rules[i].start))
			continue;
		*ret_abortable = rules[i].abortable;
		/* A question about what is possible changes nothing. */
		if (text_has(command, "=?") && rules[i].rule != VPORT_REFUSED)
			return VPORT_FORWARD;
		return rules[i].rule;
	}
	return VPORT_FORWARD;
}

/* --- the daemon's channel to the card ---------------------------------------------------------------- */

/* ETSI TS 102 221 10.1.1: the channel that a CLA octet means. */
static unsigned channel_of(uint8_t cla)
{
	return cla & 0x40 ? 4 + (cla & 0x0fu) : cla & 0x03u;
}

/* Its first two octets, and P1 P2 where it opens and closes channels. */
static bool apdu_touches(const struct card_at *c, struct text hex)
{
	uint8_t head[4];
	unsigned ours = c->number;
	uint32_t n;

	if (c->opened_by == CARD_AT_CCHO && text_to_u32(text_of(c->handle), 10, &n) == 0)
		ours = n;       /* most modules give the channel's number as the handle */
	else if (c->opened_by != CARD_AT_CSIM)
		return false;
	if (hex.n < 8 || !ours)
		return false;
	for (size_t i = 0; i < sizeof(head); i++) {
		uint32_t octet;

		if (text_to_u32(text_from(hex.s + 2 * i, 2), 16, &octet) < 0)
			return false;
		head[i] = (uint8_t)octet;
	}
	if (channel_of(head[0]) == ours)
		return true;
	return head[1] == 0x70 && head[2] == 0x80 && head[3] == ours;
}

bool vport_touches_card(const struct modem *m, struct text command)
{
	const struct card_at *c = &m->card;
	struct text rest;

	if (c->opened_by == CARD_AT_UNKNOWN)
		return false;
	rest = text_skip(command, text_find(command, '=') + 1);
	if (text_case_starts(command, "+CSIM=")) {
		text_cut(&rest, ',');
		return apdu_touches(c, text_unquote(text_trim(rest)));
	}
	if (text_case_starts(command, "+CCHC=") || text_case_starts(command, "+CGLA="))
		return c->opened_by == CARD_AT_CCHO &&
		       text_eq(text_unquote(text_trim(text_cut(&rest, ','))), c->handle);
	return false;
}

bool vports_touch_card(const struct modem *m, struct text line)
{
	line = text_trim(line);
	if (text_case_starts(line, "AT"))
		line = text_skip(line, 2);
	while (line.n)
		if (vport_touches_card(m, policy_next(&line)))
			return true;
	return false;
}
