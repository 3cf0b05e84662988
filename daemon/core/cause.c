#include "core/cause.h"

#include <stdio.h>
#include <string.h>

static const char *const names[_CAUSE_KIND_MAX] = {
	[CAUSE_NONE] = "NONE", [CAUSE_TIMEOUT] = "TIMEOUT", [CAUSE_REFUSED] = "REFUSED",
	[CAUSE_MALFORMED] = "MALFORMED", [CAUSE_LINK_LOST] = "LINK_LOST",
	[CAUSE_CANCELLED] = "CANCELLED",
};

static const char *const phrases[_CAUSE_KIND_MAX] = {
	[CAUSE_NONE] = "no failure", [CAUSE_TIMEOUT] = "no answer from",
	[CAUSE_REFUSED] = "refused by", [CAUSE_MALFORMED] = "unreadable answer from",
	[CAUSE_LINK_LOST] = "lost the link to", [CAUSE_CANCELLED] = "cancelled by",
};

void cause_set(struct cause *c, enum cause_kind kind, const char *from, int code)
{
	if (cause_is_set(c))
		return;
	c->kind = kind;
	c->from = from;
	c->code = code;
}

const char *cause_name(enum cause_kind kind)
{
	return names[kind];
}

const char *cause_text(const struct cause *c, char out[CAUSE_TEXT_MAX])
{
	char number[16] = "";

	if (c->kind == CAUSE_NONE) {
		snprintf(out, CAUSE_TEXT_MAX, "%s", phrases[CAUSE_NONE]);
		return out;
	}
	/* Status words are known by their hexadecimal digits. */
	if (c->code > 0xff && c->from && !strcmp(c->from, "card"))
		snprintf(number, sizeof(number), " (%04X)", (unsigned)c->code);
	else if (c->code >= 0)
		snprintf(number, sizeof(number), " (%d)", c->code);
	snprintf(out, CAUSE_TEXT_MAX, "%s %s%s%s%s", phrases[c->kind], c->from ? c->from : "us",
		 number, c->step ? " in " : "", c->step ? c->step : "");
	return out;
}
