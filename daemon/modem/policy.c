#include "modem/policy.h"

#include "core/util.h"

static const char line_is_ours[] = "the daemon sets up the line";
static const char form_is_ours[] = "answers must keep their form: the daemon reads them";
static const char reports_are_ours[] = "the daemon needs these reports; see the modem's status";
static const char use_reset[] = "use modem.reset, which tells everybody";
static const char no_data_here[] = "data calls need a port of their own";
static const char not_repeated[] = "A/ would repeat somebody else's command";

/* Names without "AT", as they start; '=' or '?' at the end asks for that form. */
static const struct {
	const char *start;
	enum policy_verdict verdict;
	const char *reason;
} rules[] = {
	{ "+IPR=", POLICY_REFUSE, line_is_ours },    { "+IPREX=", POLICY_REFUSE, line_is_ours },
	{ "+CMUX=", POLICY_REFUSE, line_is_ours },   { "#XCMUX=", POLICY_REFUSE, line_is_ours },
	{ "+IFC=", POLICY_REFUSE, line_is_ours },    { "+ICF=", POLICY_REFUSE, line_is_ours },
	{ "&K", POLICY_REFUSE, line_is_ours },       { "\\Q", POLICY_REFUSE, line_is_ours },
	{ "&C", POLICY_REFUSE, line_is_ours },       { "&D", POLICY_REFUSE, line_is_ours },
	{ "&S", POLICY_REFUSE, line_is_ours },       { "+QSCLK=", POLICY_REFUSE, line_is_ours },
	{ "+CSCLK=", POLICY_REFUSE, line_is_ours },  { "+UPSV=", POLICY_REFUSE, line_is_ours },
	{ "+KSLEEP=", POLICY_REFUSE, line_is_ours }, { "&F", POLICY_REFUSE, form_is_ours },
	{ "&W", POLICY_REFUSE, form_is_ours },       { "Z", POLICY_REFUSE, form_is_ours },
	{ "E", POLICY_REFUSE, form_is_ours },        { "Q", POLICY_REFUSE, form_is_ours },
	{ "V", POLICY_REFUSE, form_is_ours },        { "X", POLICY_REFUSE, form_is_ours },
	{ "S3=", POLICY_REFUSE, form_is_ours },      { "S4=", POLICY_REFUSE, form_is_ours },
	{ "S5=", POLICY_REFUSE, form_is_ours },      { "+CMEE=", POLICY_REFUSE, form_is_ours },
	{ "+CSCS=", POLICY_REFUSE, form_is_ours },   { "+CREG=", POLICY_REFUSE, reports_are_ours },
	{ "+CGREG=", POLICY_REFUSE, reports_are_ours },
	{ "+CEREG=", POLICY_REFUSE, reports_are_ours },
	{ "+C5GREG=", POLICY_REFUSE, reports_are_ours },
	{ "+QPOWD", POLICY_REFUSE, use_reset },      { "+CPOF", POLICY_REFUSE, use_reset },
	{ "+CPOWD", POLICY_REFUSE, use_reset },      { "+CPWROFF", POLICY_REFUSE, use_reset },
	{ "#SHDN", POLICY_REFUSE, use_reset },       { "^SMSO", POLICY_REFUSE, use_reset },
	{ "+CRESET", POLICY_REFUSE, use_reset },     { "#REBOOT", POLICY_REFUSE, use_reset },
	{ "!RESET", POLICY_REFUSE, use_reset },      { "#XRESET", POLICY_REFUSE, use_reset },
	{ "^RESET", POLICY_REFUSE, use_reset },
	{ "+CFUN=1,1", POLICY_REFUSE, use_reset },   { "+CFUN=15", POLICY_REFUSE, use_reset },
	{ "+CFUN=16", POLICY_REFUSE, use_reset },    { "+CFUN=", POLICY_FORWARD_LOOK, NULL },
	{ "+CPIN=", POLICY_FORWARD_LOOK, NULL },     { "+COPS=?", POLICY_FORWARD, NULL },
	{ "+COPS=", POLICY_FORWARD_LOOK, NULL },     { "+CGATT=", POLICY_FORWARD_LOOK, NULL },
	{ "D", POLICY_REFUSE, no_data_here },        { "A", POLICY_REFUSE, no_data_here },
	{ "O", POLICY_REFUSE, no_data_here },        { "+CGDATA", POLICY_REFUSE, no_data_here },
};

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

struct text policy_next(struct text *rest)
{
	size_t n = 0;
	bool quoted = false;

	while (rest->n && (rest->s[0] == ';' || rest->s[0] == ' '))
		*rest = text_skip(*rest, 1);
	if (rest->n == 0)
		return *rest;
	if (strchr("+#^%*!$", rest->s[0])) {
		while (n < rest->n && (quoted || rest->s[n] != ';'))
			quoted ^= rest->s[n++] == '"';
	} else if (rest->s[0] == 'D' || rest->s[0] == 'd') {
		n = rest->n;
	} else {
		while (n < rest->n && !is_letter(rest->s[n]))
			n++;                    /* & and \ in front */
		n += n < rest->n;
		while (n < rest->n && !is_letter(rest->s[n]) && !strchr("+#^%*!$&\\;", rest->s[n]))
			n++;
	}
	struct text command = text_from(rest->s, n);

	*rest = text_skip(*rest, n);
	return command;
}

enum policy_verdict policy_for(struct text command, const char **ret_reason)
{
	enum policy_verdict worst = POLICY_FORWARD;
	struct text rest = text_trim(command);

	if (text_case_eq(rest, "A/")) {
		*ret_reason = not_repeated;
		return POLICY_REFUSE;
	}
	if (text_case_starts(rest, "AT"))
		rest = text_skip(rest, 2);
	while (rest.n) {
		struct text one = policy_next(&rest);

		for (size_t i = 0; one.n && i < ARRAY_SIZE(rules); i++) {
			if (!text_case_starts(one, rules[i].start))
				continue;
			if (rules[i].verdict == POLICY_REFUSE) {
				*ret_reason = rules[i].reason;
				return POLICY_REFUSE;
			}
			worst = MAX(worst, rules[i].verdict);
			break;
		}
	}
	return worst;
}
