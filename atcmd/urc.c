#include "atcmd/urc.h"

#include "atcmd/answers.h"
#include "atcmd/args.h"
#include "core/util.h"

enum urc_match {
	URC_PREFIX,             /* "+CREG:", and what starts like it */
	URC_WHOLE,              /* the line is this and nothing else */
};

/*
 * Prefixes that are unsolicited with whatever module. Those that are also the answer of a command
 * of the same name are told apart by the command that runs.
 */
static const struct {
	const char *text;
	enum urc_match match;
} known[] = {
	{ "RING", URC_WHOLE }, { "RING ", URC_PREFIX }, { "+CRING:", URC_PREFIX },
	{ "+CLIP:", URC_PREFIX }, { "+CCWA:", URC_PREFIX }, { "NO CARRIER", URC_WHOLE },
	{ "+CREG:", URC_PREFIX }, { "+CGREG:", URC_PREFIX }, { "+CEREG:", URC_PREFIX },
	{ "+C5GREG:", URC_PREFIX }, { "+COPS:", URC_PREFIX }, { "+CSCON:", URC_PREFIX },
	{ "+CGEV:", URC_PREFIX }, { "+CIEV:", URC_PREFIX }, { "+CMTI:", URC_PREFIX },
	{ "+CMT:", URC_PREFIX }, { "+CDS:", URC_PREFIX }, { "+CDSI:", URC_PREFIX },
	{ "+CBM:", URC_PREFIX }, { "+CUSD:", URC_PREFIX }, { "+CSSI:", URC_PREFIX },
	{ "+CSSU:", URC_PREFIX }, { "+CPIN:", URC_PREFIX }, { "+CFUN:", URC_PREFIX },
	{ "+CSQ:", URC_PREFIX }, { "+CTZV:", URC_PREFIX }, { "+CTZE:", URC_PREFIX },
	{ "+CTZU:", URC_PREFIX }, { "+CCLK:", URC_PREFIX }, { "+CEDRXP:", URC_PREFIX },
	{ "+CPSMSTATUS:", URC_PREFIX }, { "+CUSATS:", URC_PREFIX }, { "+CUSATP:", URC_PREFIX },
	{ "+CUSATEND", URC_PREFIX }, { "+STKPCI", URC_PREFIX }, { "+STIN:", URC_PREFIX },
	{ "+STN:", URC_PREFIX }, { "+STK", URC_PREFIX }, { "+QSTKURC", URC_PREFIX },
	{ "+QSTK:", URC_PREFIX },
	/* boot and card, Quectel */
	{ "RDY", URC_WHOLE }, { "APP RDY", URC_WHOLE }, { "+QIND:", URC_PREFIX },
	{ "+QUSIM:", URC_PREFIX }, { "+QSIMSTAT:", URC_PREFIX }, { "+QSIMDET:", URC_PREFIX },
	{ "+QIURC:", URC_PREFIX }, { "+QMTSTAT:", URC_PREFIX }, { "+QSSLURC:", URC_PREFIX },
	{ "+QHTTPGET:", URC_PREFIX }, { "+QPING:", URC_PREFIX }, { "+QPSMTIMER:", URC_PREFIX },
	{ "POWERED DOWN", URC_WHOLE }, { "NORMAL POWER DOWN", URC_WHOLE },
	{ "PSM POWER DOWN", URC_WHOLE }, { "^boot.rom", URC_PREFIX },
	/* SIMCom, Fibocom */
	{ "*ATREADY:", URC_PREFIX }, { "+ATREADY", URC_PREFIX }, { "SMS DONE", URC_WHOLE },
	{ "PB DONE", URC_WHOLE }, { "SMS Ready", URC_WHOLE }, { "Call Ready", URC_WHOLE },
	{ "POWER DOWN", URC_WHOLE }, { "+SIMCARD:", URC_PREFIX }, { "+SIM:", URC_PREFIX },
	{ "+SIM DROP", URC_WHOLE }, { "+SIM READY", URC_WHOLE }, { "+PBREADY", URC_WHOLE },
	{ "*PSUTTZ:", URC_PREFIX }, { "DST:", URC_PREFIX }, { "+CNSMOD:", URC_PREFIX },
	{ "+SRV_IND:", URC_PREFIX }, { "VOICE CALL:", URC_PREFIX }, { "DTMF", URC_PREFIX },
	/* Telit */
	{ "#QSS:", URC_PREFIX }, { "#STN:", URC_PREFIX }, { "SRING:", URC_PREFIX },
	/* u-blox: all of theirs start like this */
	{ "+UU", URC_PREFIX }, { "+UMWI:", URC_PREFIX }, { "+UFOTAS:", URC_PREFIX },
	/* Sierra */
	{ "+KSUP:", URC_PREFIX }, { "+KCELLMEAS:", URC_PREFIX }, { "+KTCP_DATA:", URC_PREFIX },
	{ "+WIND:", URC_PREFIX }, { "+WWSM:", URC_PREFIX },
	/* Cinterion */
	{ "^SYSSTART", URC_PREFIX }, { "^SYSLOADING", URC_PREFIX }, { "^SHUTDOWN", URC_PREFIX },
	{ "^EXIT", URC_PREFIX }, { "^SCKS:", URC_PREFIX }, { "^SBC:", URC_PREFIX },
	{ "^SIS:", URC_PREFIX }, { "^SISR:", URC_PREFIX }, { "^SISW:", URC_PREFIX },
	{ "^SSTN:", URC_PREFIX }, { "^SSTR:", URC_PREFIX },
	/* Nordic, Sequans */
	{ "%XSIM:", URC_PREFIX }, { "#XPPP:", URC_PREFIX }, { "#XCMUX:", URC_PREFIX },
	{ "Ready", URC_WHOLE }, { "+SHUTDOWN", URC_WHOLE }, { "+SYSSTART", URC_WHOLE },
	/* Huawei, ZTE, MediaTek */
	{ "^RSSI:", URC_PREFIX }, { "^MODE:", URC_PREFIX }, { "^SIMST:", URC_PREFIX },
	{ "^SRVST:", URC_PREFIX }, { "^BOOT:", URC_PREFIX }, { "^NDISSTAT:", URC_PREFIX },
	{ "+ZUSIMR:", URC_PREFIX }, { "+ZDONR:", URC_PREFIX }, { "+PACSP0", URC_WHOLE },
	{ "+ECIND:", URC_PREFIX }, { "+EGREG:", URC_PREFIX }, { "+ESIMS:", URC_PREFIX },
	{ "+EIND:", URC_PREFIX },
};

/* A restart of the module, whoever made it. */
static const char *const boot[] = {
	"RDY", "APP RDY", "*ATREADY:", "+ATREADY", "^SYSSTART", "+SYSSTART", "Ready", "^boot.rom",
	"+KSUP: 0",
};

/* With one field they are unsolicited, with more they are the answer. */
static const char *const one_field[] = { "#QSS:", "^SCKS:" };

static bool is_name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* "+CREG" of "+CREG: 1" or of "+CREG?;+CSQ"; empty where no name stands. */
static struct text leading_name(struct text t)
{
	size_t n = 1;

	if (t.n < 2 || !strchr("+#^%*!$&", t.s[0]))
		return (struct text){ 0 };
	while (n < t.n && is_name_char(t.s[n]))
		n++;
	return text_from(t.s, n);
}

static bool same_name(struct text a, struct text b)
{
	char name[32];

	return a.n > 1 && text_copy(a, name, sizeof(name)) == 0 && text_case_eq(b, name);
}

bool at_answers(struct text line, const char *command)
{
	struct text name = leading_name(line), rest = text_of(command);
	bool quoted = false;

	if (!command || !name.n)
		return false;
	if (text_case_starts(rest, "AT"))
		rest = text_skip(rest, 2);
	/* Basic commands may stand in front ("ATE0+CREG?"), extended ones are split by ';'. */
	while (rest.n) {
		if (rest.s[0] == '"')
			quoted = !quoted;
		if (!quoted && same_name(name, leading_name(rest)))
			return true;
		rest = text_skip(rest, 1);
	}
	return false;
}

static bool urc_shaped(struct text line)
{
	struct at_reg reg;

	if (at_reg_parse(line, &reg) == 0)
		return reg.n < 0;
	for (size_t i = 0; i < ARRAY_SIZE(one_field); i++) {
		if (text_starts(line, one_field[i])) {
			struct at_args a = at_args(line, one_field[i]);

			at_arg(&a);
			return !at_args_more(&a);
		}
	}
	return false;
}

bool at_urc_is(struct text line, const char *command)
{
	if (at_answers(line, command))
		return urc_shaped(line);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].match == URC_WHOLE ? text_eq(line, known[i].text) :
						  text_starts(line, known[i].text))
			return true;
	return false;
}

bool at_urc_has_body(struct text line)
{
	struct at_args a;

	if (text_starts(line, "+CMT:"))
		return true;
	if (text_starts(line, "+CBM:"))
		return true;
	if (!text_starts(line, "+CDS:"))
		return false;
	/* In text mode a status report is one line of many fields; in PDU mode only its length. */
	a = at_args(line, "+CDS:");
	at_arg(&a);
	return !at_args_more(&a);
}

bool at_urc_is_boot(struct text line)
{
	for (size_t i = 0; i < ARRAY_SIZE(boot); i++) {
		size_t n = strlen(boot[i]);

		if (!text_starts(line, boot[i]))
			continue;
		/* A whole word: "Ready" is, "ReadyOrNot" is not. */
		if (line.n == n || !is_name_char(line.s[n]))
			return true;
	}
	return false;
}
