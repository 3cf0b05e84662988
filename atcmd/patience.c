#include "atcmd/patience.h"

#include "core/util.h"

#define ORDINARY_MS 5000

/* The first that is found in the line counts, so that the longer form stands before the shorter. */
static const struct {
	const char *part;
	unsigned ms;
} slow[] = {
	{ "+COPS=?", 315000 }, { "+COPS=", 200000 },  { "+COPS?", 75000 },
	{ "+CGATT=", 180000 }, { "+CGACT=", 180000 }, { "+CFUN=", 30000 },
	{ "+CMGS=", 130000 },  { "+CMSS=", 130000 },  { "+CUSD=", 130000 },
	{ "+CGLA=", 240000 },  { "+CSIM=", 240000 },  { "+CCHO=", 30000 },
	{ "+CCHC=", 30000 },   { "+CRSM=", 20000 },   { "+CPIN", 20000 },
	{ "+CLCK=", 180000 },  { "+CPWD=", 20000 },   { "+CNUM", 20000 },
	{ "+CMGL", 30000 },    { "+CMGD", 30000 },    { "+CMGW=", 20000 },
	{ "+CIMI", 20000 },    { "CCID", 20000 },     { "ICCID", 20000 },
	{ "^SCID", 20000 },    { "+QPOWD", 60000 },   { "+CPBR", 30000 },
	{ "+QENG", 20000 },    { "+QSCAN", 180000 },
};

static bool has(struct text t, const char *part)
{
	for (; t.n; t = text_skip(t, 1))
		if (text_case_starts(t, part))
			return true;
	return false;
}

unsigned at_patience_ms(struct text command)
{
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		if (has(command, slow[i].part))
			return slow[i].ms;
	return ORDINARY_MS;
}
