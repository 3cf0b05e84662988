/* Every line of the field's answers in tests/vectors/at/parser_lines.json, field by field. */
#include "support/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "atcmd/answers.h"
#include "core/util.h"
#include "support/vectors.h"

static struct json_object *member(struct json_object *o, const char *name)
{
	return json_object_object_get(o, name);
}

static bool has_member(struct json_object *o, const char *name)
{
	return json_object_object_get_ex(o, name, NULL);
}

static struct text line_of(struct json_object *c)
{
	return text_of(json_object_get_string(member(c, "line")));
}

/* A member that is there must be equal; one that is not must not have been invented. */
static void check_int(struct json_object *want, const char *name, int64_t got, int64_t none)
{
	if (member(want, name))
		assert_int_equal(got, json_object_get_int64(member(want, name)));
	else
		assert_int_equal(got, none);
}

/* Only where the vector says something. */
static void check_given(struct json_object *want, const char *name, int64_t got, int64_t none)
{
	if (has_member(want, name))
		check_int(want, name, got, none);
}

static void check_text(struct json_object *want, const char *name, const char *got)
{
	assert_string_equal(got, member(want, name) ? json_object_get_string(member(want, name)) : "");
}

static void check_tenths(struct json_object *want, const char *name, int32_t got)
{
	double v;

	if (!has_member(want, name))
		return;
	if (!member(want, name)) {
		assert_int_equal(got, AT_NONE);
		return;
	}
	v = json_object_get_double(member(want, name)) * 10;
	assert_int_equal(got, (int)(v < 0 ? v - 0.5 : v + 0.5));
}

static void check_reg(const struct at_reg *r, struct json_object *want)
{
	const char *area = has_member(want, "tac") ? "tac" : "lac";

	if (has_member(want, "cmd"))
		assert_string_equal(at_reg_command(r->kind),
				    json_object_get_string(member(want, "cmd")));
	check_int(want, "n", r->n, -1);
	check_int(want, "stat", r->stat, -99);
	check_text(want, area, r->area);
	check_text(want, "ci", r->cell);
	check_int(want, "act", r->act, -1);
	check_int(want, "cause_type", r->cause_type, -1);
	check_int(want, "reject_cause", r->reject_cause, -1);
	check_int(want, "nssai_len", r->nssai_len, -1);
	check_text(want, "nssai", r->nssai);
	check_text(want, "active_time", r->active_time);
	check_text(want, "periodic_tau", r->periodic_tau);
	if (has_member(want, "rac"))
		assert_int_equal(r->rac, (int)strtol(json_object_get_string(member(want, "rac")), NULL, 16));
}

static void registration(struct json_object *c, struct json_object *want)
{
	struct at_reg r;

	assert_int_equal(at_reg_parse(line_of(c), &r), 0);
	check_reg(&r, want);
	assert_int_equal(r.n < 0, !strcmp(json_object_get_string(member(c, "context")), "urc"));
}

static void registration_ambiguity(struct json_object *c, struct json_object *want)
{
	struct json_object *read = member(want, "as_read"), *urc = member(want, "as_urc");
	struct at_reg r;

	assert_int_equal(at_reg_parse(line_of(c), &r), 0);
	assert_int_equal(r.n < 0, read == NULL);
	check_reg(&r, read ? read : urc);
}

static void cops(struct json_object *c, struct json_object *want)
{
	struct at_cops v;

	assert_int_equal(at_cops_parse(line_of(c), &v), 0);
	check_int(want, "mode", v.mode, -1);
	check_int(want, "format", v.format, -1);
	check_text(want, "oper", v.oper);
	check_int(want, "act", v.act, -1);
}

static void cops_list(struct json_object *c, struct json_object *want)
{
	struct json_object *first = member(want, "first");
	struct at_cops_found found[2];
	size_t n;

	assert_int_equal(at_cops_list_parse(line_of(c), found, ARRAY_SIZE(found), &n), 0);
	assert_int_equal(n, json_object_get_int(member(want, "count")));
	check_int(first, "stat", found[0].stat, -1);
	check_text(first, "long", found[0].full);
	check_text(first, "short", found[0].brief);
	check_text(first, "num", found[0].numeric);
	check_int(first, "act", found[0].act, -1);
}

static void csq(struct json_object *c, struct json_object *want)
{
	struct at_csq v;

	assert_int_equal(at_csq_parse(line_of(c), &v), 0);
	check_int(want, "rssi_raw", v.rssi_raw, -1);
	check_int(want, "dbm", v.dbm, AT_NONE);
	check_given(want, "ber", v.ber, -1);
}

static void cesq(struct json_object *c, struct json_object *want)
{
	struct at_cesq v;

	assert_int_equal(at_cesq_parse(line_of(c), &v), 0);
	check_given(want, "rxlev_raw", v.rxlev_raw, -1);
	check_given(want, "rxlev_dbm", v.rxlev_dbm, AT_NONE);
	check_given(want, "ber", v.ber, -1);
	check_given(want, "rscp_raw", v.rscp_raw, -1);
	check_given(want, "rscp_dbm", v.rscp_dbm, AT_NONE);
	check_given(want, "ecno_raw", v.ecno_raw, -1);
	check_given(want, "rsrq_raw", v.rsrq_raw, -1);
	check_given(want, "rsrp_raw", v.rsrp_raw, -1);
	check_given(want, "rsrp_dbm", v.rsrp_dbm, AT_NONE);
	check_given(want, "ss_rsrp_dbm", v.ss_rsrp_dbm, AT_NONE);
	check_tenths(want, "ecno_db", v.ecno_tenths);
	check_tenths(want, "rsrq_db", v.rsrq_tenths);
	check_tenths(want, "ss_rsrq_db", v.ss_rsrq_tenths);
	check_tenths(want, "ss_sinr_db", v.ss_sinr_tenths);
}

static void qcsq(struct json_object *c, struct json_object *want)
{
	struct at_qcsq v;

	assert_int_equal(at_qcsq_parse(line_of(c), &v), 0);
	check_text(want, "sysmode", v.mode);
	check_int(want, "rssi", v.rssi, AT_NONE);
	check_int(want, "rsrp", v.rsrp, AT_NONE);
	check_int(want, "rsrq", v.rsrq, AT_NONE);
	check_int(want, "sinr_raw", v.sinr_raw, AT_NONE);
	check_tenths(want, "sinr_db", v.sinr_tenths);
}

static void cgdcont(struct json_object *c, struct json_object *want)
{
	struct at_context v;

	assert_int_equal(at_cgdcont_parse(line_of(c), &v), 0);
	check_int(want, "cid", v.cid, -1);
	check_text(want, "type", v.type);
	check_text(want, "apn", v.apn);
}

static void cgact(struct json_object *c, struct json_object *want)
{
	bool active;
	int cid;

	assert_int_equal(at_cgact_parse(line_of(c), &cid, &active), 0);
	check_int(want, "cid", cid, -1);
	check_int(want, "state", active, -1);
}

static void cgatt(struct json_object *c, struct json_object *want)
{
	bool attached;

	assert_int_equal(at_cgatt_parse(line_of(c), &attached), 0);
	check_int(want, "state", attached, -1);
}

static void cgpaddr(struct json_object *c, struct json_object *want)
{
	struct at_address v;

	assert_int_equal(at_cgpaddr_parse(line_of(c), &v), 0);
	check_int(want, "cid", v.cid, -1);
	check_text(want, "v4", v.v4);
	check_text(want, "v6", v.v6);
}

static void cfun(struct json_object *c, struct json_object *want)
{
	int fun;

	assert_int_equal(at_cfun_parse(line_of(c), &fun), 0);
	check_int(want, "fun", fun, -1);
}

static void cpin(struct json_object *c, struct json_object *want)
{
	static const char *const names[_AT_PIN_MAX] = {
		[AT_PIN_READY] = "READY", [AT_PIN_SIM_PIN] = "SIM PIN", [AT_PIN_SIM_PUK] = "SIM PUK",
		[AT_PIN_OTHER] = "?", [AT_PIN_NOT_READY] = "NOT READY",
		[AT_PIN_NOT_INSERTED] = "NOT INSERTED",
	};
	enum at_pin pin;

	assert_int_equal(at_cpin_parse(line_of(c), &pin), 0);
	check_text(want, "state", names[pin]);
}

static void cclk(struct json_object *c, struct json_object *want)
{
	struct at_clock v;

	assert_int_equal(at_cclk_parse(line_of(c), &v), 0);
	check_int(want, "year", v.year, -1);
	check_given(want, "month", v.month, -1);
	check_given(want, "day", v.day, -1);
	check_given(want, "hour", v.hour, -1);
	check_given(want, "minute", v.minute, -1);
	check_given(want, "second", v.second, -1);
	check_given(want, "tz_quarters", v.quarters, AT_NONE);
	if (has_member(want, "utc_offset_minutes"))
		assert_int_equal(v.quarters * 15,
				 json_object_get_int(member(want, "utc_offset_minutes")));
	assert_int_equal(v.valid, !has_member(want, "valid"));
}

static void imei(struct json_object *c, struct json_object *want)
{
	char v[AT_IMEI_MAX];

	assert_int_equal(at_imei_parse(line_of(c), v), 0);
	check_text(want, "imei", v);
}

static void iccid(struct json_object *c, struct json_object *want)
{
	char v[AT_ICCID_MAX];

	assert_int_equal(at_iccid_parse(line_of(c), v), 0);
	check_text(want, "iccid", v);
}

static void cimi(struct json_object *c, struct json_object *want)
{
	char v[AT_IMSI_MAX];

	assert_int_equal(at_imsi_parse(line_of(c), v), 0);
	check_text(want, "imsi", v);
}

static void check_view(struct json_object *want, const char *name, struct text got)
{
	const char *s = member(want, name) ? json_object_get_string(member(want, name)) : "";

	assert_true(text_eq(got, s));
}

static void crsm(struct json_object *c, struct json_object *want)
{
	struct at_crsm v;

	assert_int_equal(at_crsm_parse(line_of(c), &v), 0);
	check_int(want, "sw1", v.sw1, -1);
	check_int(want, "sw2", v.sw2, -1);
	check_view(want, "data", v.data);
}

static void apdu_response(struct json_object *c, struct json_object *want)
{
	struct text data, sw;

	assert_int_equal(at_apdu_parse(line_of(c), &data, &sw), 0);
	check_view(want, "data", data);
	check_view(want, "sw", sw);
}

static void ccho_response(struct json_object *c, struct json_object *want)
{
	struct text session;

	assert_int_equal(at_ccho_parse(line_of(c), &session), 0);
	check_view(want, "session", session);
}

static const struct {
	const char *kind;
	void (*check)(struct json_object *c, struct json_object *want);
} kinds[] = {
	{ "registration", registration }, { "registration_ambiguity", registration_ambiguity },
	{ "cops", cops }, { "cops_list", cops_list }, { "csq", csq }, { "cesq", cesq },
	{ "qcsq", qcsq }, { "cgdcont", cgdcont }, { "cgact", cgact }, { "cgatt", cgatt },
	{ "cgpaddr", cgpaddr }, { "cfun", cfun }, { "cpin", cpin }, { "cclk", cclk },
	{ "imei", imei }, { "iccid", iccid }, { "cimi", cimi }, { "crsm", crsm },
	{ "apdu_response", apdu_response }, { "ccho_response", ccho_response },
};

static void every_line_of_the_field_gives_its_fields(void **state)
{
	struct json_object *doc = json_object_from_file("tests/vectors/at/parser_lines.json");
	struct json_object *cases = member(doc, "cases");
	size_t done = 0;

	(void)state;
	assert_non_null(doc);
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		struct json_object *c = json_object_array_get_idx(cases, i);
		const char *kind = json_object_get_string(member(c, "kind"));

		print_message("%s\n", json_object_get_string(member(c, "line")));
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (strcmp(kinds[k].kind, kind) != 0)
				continue;
			kinds[k].check(c, member(c, "expect"));
			done++;
		}
	}
	/* A kind nobody checks would be a vector nobody uses. */
	assert_int_equal(done, json_object_array_length(cases));
	json_object_put(doc);
}

/* Lines that must be refused, and must leave the output as it was. */
static void nonsense_is_refused(void **state)
{
	static const char *const lines[] = {
		"", "+", ":", "+CREG:", "+CREG: x", "+CREG: ,,", "+COPS:", "+CSQ:", "+CSQ: a,b",
		"+CSQ: 200,1", "+CESQ: 1,2", "+CGACT: 1", "+CGACT: 1,2", "+CFUN: ", "+CPIN:", "+CCLK: \"\"",
		"+CCLK: \"24-05-17,13:05:44\"", "+CCLK: \"24/13/17,13:05:44\"", "+CRSM: 1", "+CRSM: 300,0",
		"+CRSM: 144,0,\"98X\"", "+CSIM: 4,\"90\"", "+CGLA: 4,\"9Z00\"", "+CGLA: 5,\"90000\"",
		"OK", "ERROR", "\x80\xff\xfe",
	};
	char iccid_text[AT_ICCID_MAX] = "before", imei_text[AT_IMEI_MAX] = "before";
	char imsi_text[AT_IMSI_MAX] = "before";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct text t = text_of(lines[i]), a, b;
		struct at_reg reg;
		struct at_csq v;
		struct at_cesq e;
		struct at_clock k;
		struct at_crsm r;
		enum at_pin pin;
		bool yes;
		int n;

		print_message("%s\n", lines[i]);
		assert_int_equal(at_reg_parse(t, &reg), -EBADMSG);
		assert_int_equal(at_csq_parse(t, &v), -EBADMSG);
		assert_int_equal(at_cesq_parse(t, &e), -EBADMSG);
		assert_int_equal(at_cclk_parse(t, &k), -EBADMSG);
		assert_int_equal(at_crsm_parse(t, &r), -EBADMSG);
		assert_int_equal(at_cpin_parse(t, &pin), -EBADMSG);
		assert_int_equal(at_cfun_parse(t, &n), -EBADMSG);
		assert_int_equal(at_cgact_parse(t, &n, &yes), -EBADMSG);
		assert_int_equal(at_apdu_parse(t, &a, &b), -EBADMSG);
		assert_int_equal(at_iccid_parse(t, iccid_text), -EBADMSG);
		assert_int_equal(at_imei_parse(t, imei_text), -EBADMSG);
		assert_int_equal(at_imsi_parse(t, imsi_text), -EBADMSG);
	}
	assert_string_equal(iccid_text, "before");
	assert_string_equal(imei_text, "before");
	assert_string_equal(imsi_text, "before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_of_the_field_gives_its_fields),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
