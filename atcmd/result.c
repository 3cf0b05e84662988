#include "atcmd/result.h"

#include <stddef.h>

#include "core/util.h"

static const char *const end_names[_AT_END_MAX] = {
	[AT_OK] = "OK", [AT_CONNECT] = "CONNECT", [AT_ERROR] = "ERROR",
	[AT_CME_ERROR] = "CME ERROR", [AT_CMS_ERROR] = "CMS ERROR", [AT_NO_CARRIER] = "NO CARRIER",
	[AT_TIMEOUT] = "TIMEOUT", [AT_LINK_LOST] = "LINK LOST",
};

const char *at_end_name(enum at_end end)
{
	return end_names[end];
}

/* After which commands a text is a final result; elsewhere it is a line like any other. */
enum final_after {
	AFTER_ANY,
	AFTER_CALL,             /* D A O H, +CGDATA, +++ */
	AFTER_SET,              /* has '=' or is an action: not where bare text is the answer */
	AFTER_SOCKET,           /* sockets of SIMCom and Quectel */
};

struct final {
	const char *text;
	bool prefix;            /* a number or words follow */
	enum final_after after;
	enum at_end end;
};

static const struct final finals[] = {
	{ "OK",                    false, AFTER_ANY,    AT_OK },
	{ "ERROR",                 false, AFTER_ANY,    AT_ERROR },
	{ "+CME ERROR:",           true,  AFTER_ANY,    AT_CME_ERROR },
	{ "+CMS ERROR:",           true,  AFTER_ANY,    AT_CMS_ERROR },
	{ "NO CARRIER",            false, AFTER_CALL,   AT_NO_CARRIER },
	{ "NO DIALTONE",           false, AFTER_CALL,   AT_NO_CARRIER },
	{ "NO DIAL TONE",          false, AFTER_CALL,   AT_NO_CARRIER },
	{ "BUSY",                  false, AFTER_CALL,   AT_NO_CARRIER },
	{ "NO ANSWER",             false, AFTER_CALL,   AT_NO_CARRIER },
	{ "CONNECT",               false, AFTER_ANY,    AT_CONNECT },
	{ "CONNECT ",              true,  AFTER_ANY,    AT_CONNECT },
	{ "CONNECT/",              true,  AFTER_ANY,    AT_CONNECT },
	{ "+EXT ERROR:",           true,  AFTER_ANY,    AT_ERROR },
	{ "MODEM ERROR:",          true,  AFTER_ANY,    AT_ERROR },
	{ "ABORTED",               false, AFTER_ANY,    AT_ERROR },
	{ "COMMAND NOT SUPPORT",   false, AFTER_ANY,    AT_ERROR },
	{ "COMMAND NOT SUPPORTED", false, AFTER_ANY,    AT_ERROR },
	{ "TOO MANY PARAMETERS",   false, AFTER_ANY,    AT_ERROR },
	{ "NA",                    false, AFTER_SET,    AT_ERROR },
	{ "SHUT OK",               false, AFTER_SOCKET, AT_OK },
	{ "SEND OK",               false, AFTER_SOCKET, AT_OK },
	{ "SEND FAIL",             false, AFTER_SOCKET, AT_ERROR },
	{ "CLOSE OK",              false, AFTER_SOCKET, AT_OK },
};

/* V.250 table 1. */
static const struct {
	const char *number;
	enum at_end end;
} numerics[] = {
	{ "0", AT_OK }, { "1", AT_CONNECT }, { "3", AT_NO_CARRIER }, { "4", AT_ERROR },
	{ "6", AT_NO_CARRIER }, { "7", AT_NO_CARRIER }, { "8", AT_NO_CARRIER },
};

static bool fits(enum final_after after, const char *command)
{
	struct text c = text_of(command);

	if (!command)
		return true;
	if (text_case_starts(c, "AT"))
		c = text_skip(c, 2);
	switch (after) {
	case AFTER_ANY:
		return true;
	case AFTER_CALL:
		return c.n && (strchr("DdAaOoHh", c.s[0]) || text_starts(c, "+++") ||
			       text_case_starts(c, "+CGDATA"));
	case AFTER_SET:
		return text_find(c, '=') < c.n && c.s[c.n - 1] != '?';
	case AFTER_SOCKET:
		return text_case_starts(c, "+CIP") || text_case_starts(c, "+QI") ||
		       text_case_starts(c, "+CA");
	}
	return false;
}

static int error_number(struct text words, const char *(*words_of)(int));

bool at_result(struct text line, const char *command, enum at_end *ret_end, int *ret_code)
{
	line = text_trim(line);
	/* Socket life of another program (SIMCom): no end of anything. */
	if (text_eq(line, "CONNECT OK") || text_eq(line, "CONNECT FAIL"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
		const struct final *f = &finals[i];

		if (!(f->prefix ? text_starts(line, f->text) : text_eq(line, f->text)) ||
		    !fits(f->after, command))
			continue;
		*ret_end = f->end;
		*ret_code = -1;
		if (f->end == AT_CME_ERROR)
			*ret_code = error_number(text_skip(line, strlen(f->text)), at_cme_text);
		else if (f->end == AT_CMS_ERROR)
			*ret_code = error_number(text_skip(line, strlen(f->text)), at_cms_text);
		return true;
	}
	return false;
}

bool at_result_numeric(struct text line, enum at_end *ret_end)
{
	for (size_t i = 0; i < ARRAY_SIZE(numerics); i++) {
		if (text_eq(line, numerics[i].number)) {
			*ret_end = numerics[i].end;
			return true;
		}
	}
	return false;
}

struct error_text {
	int code;
	const char *text;
};

/* 27.007 9.2. */
static const struct error_text cme[] = {
	{ 0, "phone failure" },
	{ 1, "no connection to phone" },
	{ 2, "phone-adaptor link reserved" },
	{ 3, "operation not allowed" },
	{ 4, "operation not supported" },
	{ 5, "PH-SIM PIN required" },
	{ 6, "PH-FSIM PIN required" },
	{ 7, "PH-FSIM PUK required" },
	{ 10, "SIM not inserted" },
	{ 11, "SIM PIN required" },
	{ 12, "SIM PUK required" },
	{ 13, "SIM failure" },
	{ 14, "SIM busy" },
	{ 15, "SIM wrong" },
	{ 16, "incorrect password" },
	{ 17, "SIM PIN2 required" },
	{ 18, "SIM PUK2 required" },
	{ 20, "memory full" },
	{ 21, "invalid index" },
	{ 22, "not found" },
	{ 23, "memory failure" },
	{ 24, "text string too long" },
	{ 25, "invalid characters in text string" },
	{ 26, "dial string too long" },
	{ 27, "invalid characters in dial string" },
	{ 30, "no network service" },
	{ 31, "network timeout" },
	{ 32, "network not allowed - emergency calls only" },
	{ 40, "network personalization PIN required" },
	{ 41, "network personalization PUK required" },
	{ 42, "network subset personalization PIN required" },
	{ 43, "network subset personalization PUK required" },
	{ 44, "service provider personalization PIN required" },
	{ 45, "service provider personalization PUK required" },
	{ 46, "corporate personalization PIN required" },
	{ 47, "corporate personalization PUK required" },
	{ 48, "hidden key required" },
	{ 49, "EAP method not supported" },
	{ 50, "Incorrect parameters" },
	{ 51, "command implemented but currently disabled" },
	{ 52, "command aborted by user" },
	{ 53, "not attached to network due to MT functionality restrictions" },
	{ 54, "modem not allowed - MT restricted to emergency calls only" },
	{ 55, "operation not allowed because of MT functionality restrictions" },
	{ 56, "fixed dial number only allowed - called number is not a fixed dial number" },
	{ 57, "temporarily out of service due to other MT usage" },
	{ 58, "language/alphabet not supported" },
	{ 59, "unexpected data value" },
	{ 60, "system failure" },
	{ 61, "data missing" },
	{ 62, "call barred" },
	{ 63, "message waiting indication subscription failure" },
	{ 100, "unknown" },
	{ 103, "Illegal MS" },
	{ 106, "Illegal ME" },
	{ 107, "GPRS services not allowed" },
	{ 111, "PLMN not allowed" },
	{ 112, "Location area not allowed" },
	{ 113, "Roaming not allowed in this location area" },
	{ 132, "service option not supported" },
	{ 133, "requested service option not subscribed" },
	{ 134, "service option temporarily out of order" },
	{ 148, "unspecified GPRS error" },
	{ 149, "PDP authentication failure" },
	{ 150, "invalid mobile class" },
};

/* 27.005 3.2.5. */
static const struct error_text cms[] = {
	{ 300, "ME failure" },
	{ 301, "SMS service of ME reserved" },
	{ 302, "operation not allowed" },
	{ 303, "operation not supported" },
	{ 304, "invalid PDU mode parameter" },
	{ 305, "invalid text mode parameter" },
	{ 310, "SIM not inserted" },
	{ 311, "SIM PIN required" },
	{ 312, "PH-SIM PIN required" },
	{ 313, "SIM failure" },
	{ 314, "SIM busy" },
	{ 315, "SIM wrong" },
	{ 316, "SIM PUK required" },
	{ 317, "SIM PIN2 required" },
	{ 318, "SIM PUK2 required" },
	{ 320, "memory failure" },
	{ 321, "invalid memory index" },
	{ 322, "memory full" },
	{ 330, "SMSC address unknown" },
	{ 331, "no network service" },
	{ 332, "network timeout" },
	{ 340, "no +CNMA acknowledgement expected" },
	{ 500, "unknown error" },
};

static const char *text_for(const struct error_text *table, size_t n, int code)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].code == code)
			return table[i].text;
	return NULL;
}

const char *at_cme_text(int code)
{
	return text_for(cme, ARRAY_SIZE(cme), code);
}

const char *at_cms_text(int code)
{
	return text_for(cms, ARRAY_SIZE(cms), code);
}

/* A number, or the words of CMEE=2 that stand for one. */
static int error_number(struct text words, const char *(*words_of)(int))
{
	uint32_t n;

	words = text_unquote(text_trim(words));
	if (text_to_u32(words, 10, &n) == 0 && n < 100000)
		return (int)n;
	for (int code = 0; code <= 500; code++) {
		const char *known = words_of(code);

		if (known && text_case_eq(words, known))
			return code;
	}
	return -1;
}
