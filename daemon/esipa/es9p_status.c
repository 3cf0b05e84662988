/* functionExecutionStatus (GSMA SGP.22 6.5.1.4), and what its numbers say. */
#include "esipa/es9p_read.h"

/* --- reading -------------------------------------------------------------------------------------- */

/* An object member; NULL is one that is missing, or where *r says that it is none. */
static struct json_object *object_in(struct json_object *o, const char *name, char *why, int *r)
{
	struct json_object *v = json_member(o, name);

	if (!v || *r < 0 || json_object_is_type(v, json_type_object))
		return *r < 0 ? NULL : v;
	*r = es9p_blame(why, "%s is no object", name);
	return NULL;
}

/*
 * Printable ASCII; any other character becomes one question mark, so that a cut never leaves half
 * of one, and what is logged has no say over the terminal.
 */
static void take_printable(struct text t, char *dst, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n && n + 1 < cap; i++) {
		unsigned char c = (unsigned char)t.s[i];

		if ((c & 0xc0) != 0x80)
			dst[n++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	dst[n] = '\0';
}

/* A code may come as a number: 3.10 is then what the server wrote, not what it counts as. */
static void take_code(struct json_object *o, const char *name, char *dst, size_t cap)
{
	struct json_object *v = json_member(o, name);
	struct text t = json_member_text(o, name);

	if (json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int))
		t = text_of(json_object_get_string(v));
	take_printable(t, dst, cap);
}

/* Of a status of unknown meaning nothing can be concluded, not even that it is a no. */
static int judge(struct text status, bool *ret_failed, char *why)
{
	if (text_case_eq(status, "Failed") || text_case_eq(status, "Expired"))
		*ret_failed = true;
	else if (!text_case_starts(status, "Executed"))
		return es9p_blame(why, "status is none that is known");
	return 0;
}

int es9p_status_read(struct json_object *doc, struct es9p_status *ret, char why[ES9P_WHY_MAX])
{
	struct es9p_status s = { 0 };
	struct json_object *status, *data;
	int r = 0;

	status = object_in(doc, "header", why, &r);
	status = object_in(status, "functionExecutionStatus", why, &r);
	data = object_in(status, "statusCodeData", why, &r);
	if (r < 0)
		return r;
	if (json_member(status, "status"))
		r = judge(json_member_text(status, "status"), &s.failed, why);
	if (r < 0)
		return r;
	take_code(data, "subjectCode", s.subject, sizeof(s.subject));
	take_code(data, "reasonCode", s.reason, sizeof(s.reason));
	take_printable(json_member_text(data, "message"), s.message, sizeof(s.message));
	*ret = s;
	return 0;
}

/* --- words ---------------------------------------------------------------------------------------- */

struct words {
	const char *subject, *reason, *words;
};

/* SGP.22 5.6 and 5.8 (sgp32 12.4); 1.x: of one server's own, seen in the field. */
static const struct words table[] = {
	{ "1.2.1", "2.1", "Content-Type not supported" },
	{ "1.2.2", "2.1", "X-Admin-Protocol not supported" },
	{ "1.3.1", "2.2", "device information missing" },

	{ "8.1", "4.8", "not enough memory on the eUICC" },
	{ "8.1", "6.1", "eUICC signature or challenge invalid" },
	{ "8.1.1", "2.2", "EID missing in the order" },
	{ "8.1.1", "3.1", "profile linked to another EID" },
	{ "8.1.1", "3.8", "EID refused" },
	{ "8.1.2", "6.1", "EUM certificate invalid" },
	{ "8.1.2", "6.3", "EUM certificate expired" },
	{ "8.1.3", "6.1", "eUICC certificate invalid" },
	{ "8.1.3", "6.3", "eUICC certificate expired" },

	{ "8.2", "1.2", "profile not released" },
	{ "8.2", "3.7", "profile cannot be bound again" },
	{ "8.2.1", "1.2", "ICCID not allowed" },
	{ "8.2.1", "3.1", "ICCID linked to another EID" },
	{ "8.2.1", "3.3", "ICCID not available" },
	{ "8.2.1", "3.5", "profile cannot be released" },
	{ "8.2.1", "3.9", "ICCID unknown" },
	{ "8.2.5", "1.2", "profile type not allowed" },
	{ "8.2.5", "3.7", "no profile of this type left" },
	{ "8.2.5", "3.8", "profile type does not match" },
	{ "8.2.5", "3.9", "profile type unknown" },
	{ "8.2.5", "4.3", "no eligible profile for this device" },
	{ "8.2.6", "3.1", "another matching id linked" },
	{ "8.2.6", "3.3", "matching id conflicts" },
	{ "8.2.6", "3.8", "matching id refused" },
	{ "8.2.7", "2.2", "confirmation code missing" },
	{ "8.2.7", "3.8", "confirmation code refused" },
	{ "8.2.7", "6.4", "confirmation code retries exceeded" },

	{ "8.8", "3.1", "SM-DP+ OID invalid" },
	{ "8.8", "3.10", "SM-DP+ OID invalid" },
	{ "8.8.1", "3.8", "SM-DP+ address refused" },
	{ "8.8.2", "3.1", "no CI key that the SM-DP+ supports" },
	{ "8.8.3", "3.1", "eUICC version not supported by the SM-DP+" },
	{ "8.8.4", "3.7", "SM-DP+ has no certificate for this eUICC" },
	{ "8.8.5", "4.1", "download order expired" },
	{ "8.8.5", "4.10", "download order expired" },
	{ "8.8.5", "6.4", "download retries exceeded" },

	{ "8.9", "4.2", "SM-DS execution error" },
	{ "8.9", "5.1", "SM-DS not reachable" },
	{ "8.9.1", "3.8", "SM-DS address refused" },
	{ "8.9.2", "3.1", "no CI key that the SM-DS supports" },
	{ "8.9.3", "3.1", "eUICC version not supported by the SM-DS" },
	{ "8.9.4", "3.7", "SM-DS has no certificate for this eUICC" },
	{ "8.9.5", "3.3", "event already registered" },
	{ "8.9.5", "3.9", "event unknown" },

	{ "8.10.1", "3.9", "transaction unknown" },
	{ "8.11.1", "3.9", "CI key unknown" },
};

const char *es9p_status_words(const struct es9p_status *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(s->subject, table[i].subject) == 0 && strcmp(s->reason, table[i].reason) == 0)
			return table[i].words;
	return NULL;
}
