#include "atcmd/answers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "atcmd/args.h"
#include "core/hex.h"
#include "core/util.h"

/* --- registration ------------------------------------------------------------------------------ */

static const char *const reg_commands[_AT_REG_MAX] = {
	[AT_REG_CS] = "CREG", [AT_REG_PS] = "CGREG", [AT_REG_EPS] = "CEREG",
	[AT_REG_5GS] = "C5GREG",
};

const char *at_reg_command(enum at_reg_kind kind)
{
	return reg_commands[kind];
}

bool at_reg_attached(int stat)
{
	return stat == 1 || stat == 5 || stat == 9 || stat == 10;
}

bool at_reg_roaming(int stat)
{
	return stat == 5 || stat == 7 || stat == 10;
}

const char *at_reg_stat_name(int stat)
{
	static const char *const names[] = {
		"not searching", "home", "searching", "denied", "unknown", "roaming",
		"home, SMS only", "roaming, SMS only", "emergency only", "home, CSFB not preferred",
		"roaming, CSFB not preferred", "restricted local services",
	};

	return stat >= 0 && stat < (int)ARRAY_SIZE(names) ? names[stat] : "unknown";
}

const char *at_act_name(int act)
{
	static const char *const names[] = {
		"GSM", "GSM compact", "UMTS", "EDGE", "HSDPA", "HSUPA", "HSPA", "LTE",
		"EC-GSM-IoT", "NB-IoT", "LTE-5GC", "NR-5GC", "NG-RAN", "EN-DC", "NB-IoT satellite",
		"LTE satellite", "NR satellite",
	};

	return act >= 0 && act < (int)ARRAY_SIZE(names) ? names[act] : "";
}

/*
 * The read form has <n> in front of <stat>, the unsolicited form has not: a second field of a digit
 * or two is <stat>, one that is empty, quoted or longer is a location code. Some modems pad with
 * zeros ("002,001").
 */
static bool is_read_form(struct text fields)
{
	struct at_args a = at_args(fields, NULL);
	struct text second;
	uint32_t v;

	at_arg(&a);
	if (!at_args_more(&a))
		return false;
	second = at_arg(&a);
	return second.n <= 3 && text_to_u32(second, 10, &v) == 0 && v < 100;
}

/* LAC, TAC and cell in upper case; anything that is no hex number counts as not known. */
static void keep_hex(struct text field, char *dst, size_t cap)
{
	if (!text_all_hex(field) || field.n >= cap)
		return;
	for (size_t i = 0; i < field.n; i++)
		dst[i] = field.s[i] >= 'a' ? (char)(field.s[i] - 32) : field.s[i];
	dst[field.n] = '\0';
}

static struct text maybe_str(struct at_args *a)
{
	return at_args_more(a) ? at_arg_str(a) : (struct text){ 0 };
}

/* A number, or -1 for an empty field and for junk, which ends what can be understood. */
static int maybe_number(struct at_args *a, bool *ret_junk)
{
	struct text field = maybe_str(a);
	uint32_t v;

	if (field.n == 0)
		return -1;
	if (text_to_u32(field, 10, &v) < 0 || v > 65535) {
		*ret_junk = true;
		return -1;
	}
	return (int)v;
}

static void parse_timers(struct at_args *a, struct at_reg *r)
{
	struct text active = maybe_str(a), periodic = maybe_str(a);

	if (text_all_digits(active))
		text_copy(active, r->active_time, sizeof(r->active_time));
	if (text_all_digits(periodic))
		text_copy(periodic, r->periodic_tau, sizeof(r->periodic_tau));
}

/* 27.007 v8.6 had <rac> between <tac> and <ci> of +CEREG. */
static bool has_old_rac(struct at_args a)
{
	struct text rac = maybe_str(&a), ci = maybe_str(&a);

	return text_all_hex(rac) && rac.n <= 2 && text_all_hex(ci) && ci.n > 4;
}

static void parse_location(struct at_args *a, struct at_reg *r)
{
	struct text area = maybe_str(a), cell;
	bool junk = false;
	uint32_t rac;

	if (r->kind == AT_REG_EPS && has_old_rac(*a) &&
	    text_to_u32(maybe_str(a), 16, &rac) == 0)
		r->rac = (int)rac;
	cell = maybe_str(a);
	if (area.n && !text_all_hex(area))
		return;
	keep_hex(area, r->area, sizeof(r->area));
	keep_hex(cell, r->cell, sizeof(r->cell));

	r->act = maybe_number(a, &junk);
	if (junk)
		return;
	if (r->kind == AT_REG_PS && text_to_u32(maybe_str(a), 16, &rac) == 0)
		r->rac = (int)rac;
	if (r->kind == AT_REG_5GS) {
		r->nssai_len = maybe_number(a, &junk);
		text_copy(maybe_str(a), r->nssai, sizeof(r->nssai));
	}
	r->cause_type = maybe_number(a, &junk);
	r->reject_cause = maybe_number(a, &junk);
	if (!junk && (r->kind == AT_REG_EPS || r->kind == AT_REG_PS))
		parse_timers(a, r);
}

int at_reg_parse(struct text line, struct at_reg *ret)
{
	struct at_reg r = { .n = -1, .act = -1, .rac = -1, .cause_type = -1, .reject_cause = -1,
			    .nssai_len = -1 };
	struct at_args a = { .bad = true };
	uint32_t v;

	for (int kind = 0; kind < _AT_REG_MAX && a.bad; kind++) {
		char prefix[12];

		snprintf(prefix, sizeof(prefix), "+%s:", reg_commands[kind]);
		a = at_args(line, prefix);
		r.kind = (enum at_reg_kind)kind;
	}
	if (a.bad)
		return -EBADMSG;
	if (is_read_form(a.rest))
		r.n = (int)at_arg_num(&a);
	v = at_arg_num(&a);
	if (a.bad || v > 255)
		return -EBADMSG;
	r.stat = (int)v;
	parse_location(&a, &r);
	*ret = r;
	return 0;
}

/* --- operator ----------------------------------------------------------------------------------- */

int at_cops_parse(struct text line, struct at_cops *ret)
{
	struct at_args a = at_args(line, "+COPS:");
	struct at_cops c = { .format = -1, .act = -1 };
	bool junk = false;

	c.mode = (int)at_arg_num(&a);
	c.format = maybe_number(&a, &junk);
	if (text_copy(maybe_str(&a), c.oper, sizeof(c.oper)) < 0)
		return -EBADMSG;
	c.act = maybe_number(&a, &junk);
	if (at_args_end(&a) < 0 || junk)
		return -EBADMSG;
	*ret = c;
	return 0;
}

static int parse_found(struct text group, struct at_cops_found *ret)
{
	struct at_args a;
	struct at_cops_found f = { 0 };
	bool junk = false;

	if (group.n < 2 || group.s[0] != '(' || group.s[group.n - 1] != ')')
		return -EBADMSG;
	a = at_args(text_from(group.s + 1, group.n - 2), NULL);
	f.stat = (int)at_arg_num(&a);
	if (text_copy(at_arg_str(&a), f.full, sizeof(f.full)) < 0 ||
	    text_copy(at_arg_str(&a), f.brief, sizeof(f.brief)) < 0 ||
	    text_copy(at_arg_str(&a), f.numeric, sizeof(f.numeric)) < 0)
		return -EBADMSG;
	f.act = maybe_number(&a, &junk);
	if (at_args_end(&a) < 0 || junk)
		return -EBADMSG;
	*ret = f;
	return 0;
}

int at_cops_list_parse(struct text line, struct at_cops_found *ret, size_t cap, size_t *ret_n)
{
	struct at_args a = at_args(line, "+COPS:");
	size_t n = 0;

	if (a.bad)
		return -EBADMSG;
	/* An empty field stands between the networks and the lists of modes and formats. */
	while (at_args_more(&a)) {
		struct text group = at_arg(&a);
		struct at_cops_found f;

		if (group.n == 0)
			break;
		if (parse_found(group, &f) < 0)
			return -EBADMSG;
		if (n < cap)
			ret[n] = f;
		n++;
	}
	*ret_n = n;
	return 0;
}

/* --- signal --------------------------------------------------------------------------------------- */

int at_csq_parse(struct text line, struct at_csq *ret)
{
	struct at_args a = at_args(line, "+CSQ:");
	struct at_csq s = { .dbm = AT_NONE };

	s.rssi_raw = at_arg_int(&a);
	s.ber = at_arg_int(&a);
	if (at_args_end(&a) < 0 || s.rssi_raw < 0 || s.rssi_raw > 199)
		return -EBADMSG;
	/* 100 to 199 is a vendor extension for TD-SCDMA, and something else on others. */
	if (s.rssi_raw <= 31)
		s.dbm = 2 * s.rssi_raw - 113;
	*ret = s;
	return 0;
}

static int32_t scaled(int raw, int none, int factor, int offset)
{
	return raw < 0 || raw == none ? AT_NONE : raw * factor + offset;
}

int at_cesq_parse(struct text line, struct at_cesq *ret)
{
	struct at_args a = at_args(line, "+CESQ:");
	int raw[9] = { 0 };
	struct at_cesq s;

	for (int i = 0; i < 6; i++)
		raw[i] = at_arg_int(&a);
	for (int i = 6; i < 9; i++)
		raw[i] = at_args_more(&a) ? at_arg_int(&a) : 255;
	if (at_args_end(&a) < 0)
		return -EBADMSG;
	s = (struct at_cesq){
		.rxlev_raw = raw[0], .ber = raw[1], .rscp_raw = raw[2], .ecno_raw = raw[3],
		.rsrq_raw = raw[4], .rsrp_raw = raw[5],
		.rxlev_dbm = scaled(raw[0], 99, 1, -111),
		.rscp_dbm = scaled(raw[2], 255, 1, -121),
		.ecno_tenths = scaled(raw[3], 255, 5, -245),
		.rsrq_tenths = scaled(raw[4], 255, 5, -200),
		.rsrp_dbm = scaled(raw[5], 255, 1, -141),
		.ss_rsrq_tenths = scaled(raw[6], 255, 5, -435),
		.ss_rsrp_dbm = scaled(raw[7], 255, 1, -157),
		.ss_sinr_tenths = scaled(raw[8], 255, 5, -235),
	};
	*ret = s;
	return 0;
}

static int32_t maybe_int(struct at_args *a)
{
	struct text field = maybe_str(a);
	int32_t v;

	return text_to_i32(field, &v) == 0 ? v : AT_NONE;
}

int at_qcsq_parse(struct text line, struct at_qcsq *ret)
{
	struct at_args a = at_args(line, "+QCSQ:");
	struct at_qcsq s = { .rssi = AT_NONE, .rsrp = AT_NONE, .rsrq = AT_NONE, .sinr_raw = AT_NONE,
			     .sinr_tenths = AT_NONE };

	if (text_copy(at_arg_str(&a), s.mode, sizeof(s.mode)) < 0 || at_args_end(&a) < 0)
		return -EBADMSG;
	s.rssi = maybe_int(&a);
	s.rsrp = maybe_int(&a);
	s.sinr_raw = maybe_int(&a);
	s.rsrq = maybe_int(&a);
	/* WCDMA's second value is RSCP, its third Ec/Io: no LTE figures there. */
	if (text_eq(text_of(s.mode), "WCDMA"))
		s.rsrp = s.rsrq = s.sinr_raw = AT_NONE;
	if (s.sinr_raw != AT_NONE)
		s.sinr_tenths = s.sinr_raw * 2 - 200;
	*ret = s;
	return 0;
}

/* --- contexts -------------------------------------------------------------------------------------- */

int at_cgdcont_parse(struct text line, struct at_context *ret)
{
	struct at_args a = at_args(line, "+CGDCONT:");
	struct at_context c = { 0 };

	c.cid = at_arg_int(&a);
	if (text_copy(at_arg_str(&a), c.type, sizeof(c.type)) < 0 ||
	    text_copy(at_arg_str(&a), c.apn, sizeof(c.apn)) < 0 || at_args_end(&a) < 0)
		return -EBADMSG;
	*ret = c;
	return 0;
}

int at_cgact_parse(struct text line, int *ret_cid, bool *ret_active)
{
	struct at_args a = at_args(line, "+CGACT:");
	uint32_t cid = at_arg_num(&a), state = at_arg_num(&a);

	if (at_args_end(&a) < 0 || state > 1 || cid > 255)
		return -EBADMSG;
	*ret_cid = (int)cid;
	*ret_active = state;
	return 0;
}

int at_cgatt_parse(struct text line, bool *ret_attached)
{
	struct at_args a = at_args(line, "+CGATT:");
	uint32_t state = at_arg_num(&a);

	if (at_args_end(&a) < 0 || state > 1)
		return -EBADMSG;
	*ret_attached = state;
	return 0;
}

/* IPv4 as it is; IPv6 as 16 decimals with dots (27.007 10.1.23, +CGPIAF=0) or in colon form. */
static void keep_address(struct text field, struct at_address *ad)
{
	char copy[64];
	unsigned char v6[16];
	struct text rest = field;
	struct in_addr v4;
	size_t n = 0;

	if (field.n == 0 || text_copy(field, copy, sizeof(copy)) < 0)
		return;
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		text_copy(field, ad->v4, sizeof(ad->v4));
		return;
	}
	if (inet_pton(AF_INET6, copy, v6) == 1) {
		inet_ntop(AF_INET6, v6, ad->v6, sizeof(ad->v6));
		return;
	}
	while (rest.n && n < sizeof(v6)) {
		uint32_t v;

		if (text_to_u32(text_cut(&rest, '.'), 10, &v) < 0 || v > 255)
			return;
		v6[n++] = (unsigned char)v;
	}
	if (n == sizeof(v6) && rest.n == 0)
		inet_ntop(AF_INET6, v6, ad->v6, sizeof(ad->v6));
}

int at_cgpaddr_parse(struct text line, struct at_address *ret)
{
	struct at_args a = at_args(line, "+CGPADDR:");
	struct at_address ad = { 0 };

	ad.cid = at_arg_int(&a);
	if (at_args_end(&a) < 0)
		return -EBADMSG;
	while (at_args_more(&a))
		keep_address(at_arg_str(&a), &ad);
	*ret = ad;
	return 0;
}

/* --- module ------------------------------------------------------------------------------------------ */

int at_cfun_parse(struct text line, int *ret_fun)
{
	struct at_args a = at_args(line, "+CFUN:");
	uint32_t fun = at_arg_num(&a);

	if (at_args_end(&a) < 0 || fun > 127)
		return -EBADMSG;
	*ret_fun = (int)fun;
	return 0;
}

int at_cpin_parse(struct text line, enum at_pin *ret)
{
	static const struct {
		const char *text;
		enum at_pin pin;
	} states[] = {
		{ "READY", AT_PIN_READY }, { "SIM PIN", AT_PIN_SIM_PIN },
		{ "SIM PUK", AT_PIN_SIM_PUK }, { "NOT READY", AT_PIN_NOT_READY },
		{ "NOT INSERTED", AT_PIN_NOT_INSERTED }, { "REMOVED", AT_PIN_NOT_INSERTED },
	};
	struct at_args a = at_args(line, "+CPIN:");
	struct text state = at_arg_str(&a);

	if (at_args_end(&a) < 0 || state.n == 0)
		return -EBADMSG;
	*ret = AT_PIN_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (text_case_eq(state, states[i].text))
			*ret = states[i].pin;
	return 0;
}

int at_cclk_parse(struct text line, struct at_clock *ret)
{
	struct at_args a = at_args(line, "+CCLK:");
	struct text t = at_arg_str(&a);
	struct at_clock c = { .quarters = AT_NONE };
	/* "yy/MM/dd,hh:mm:ss", then maybe a zone */
	static const char form[] = "00/00/00,00:00:00";
	uint32_t part[6], zone;

	if (at_args_end(&a) < 0 || t.n < sizeof(form) - 1)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] != '0' && t.s[i] != form[i])
			return -EBADMSG;
	for (size_t i = 0; i < 6; i++)
		if (text_to_u32(text_from(t.s + 3 * i, 2), 10, &part[i]) < 0)
			return -EBADMSG;
	t = text_skip(t, sizeof(form) - 1);
	if (t.n) {
		if ((t.s[0] != '+' && t.s[0] != '-') ||
		    text_to_u32(text_skip(t, 1), 10, &zone) < 0 || zone > 96)
			return -EBADMSG;
		c.quarters = t.s[0] == '-' ? -(int)zone : (int)zone;
	}
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
	    part[4] > 59 || part[5] > 60)
		return -EBADMSG;
	/* Modules that were never told the time start in 1970, 1980 or 2004. */
	c.year = (int)part[0] + (part[0] >= 70 ? 1900 : 2000);
	c.month = (int)part[1];
	c.day = (int)part[2];
	c.hour = (int)part[3];
	c.minute = (int)part[4];
	c.second = (int)part[5];
	c.valid = c.year >= 2020 && c.year < 2070;
	*ret = c;
	return 0;
}

/* --- identity ------------------------------------------------------------------------------------------ */

/* What stands behind a prefix of any name, or the line itself. */
static struct text behind_prefix(struct text line)
{
	line = text_trim(line);
	if (line.n && strchr("+#^%*!$", line.s[0]))
		line = text_skip(line, text_find(line, ':') + 1);
	return text_trim(text_unquote(text_trim(line)));
}

static void swap_nibbles(char *s)
{
	for (; s[0] && s[1]; s += 2) {
		char first = s[0];

		s[0] = s[1];
		s[1] = first;
	}
}

/* 18 to 20 digits (ITU-T E.118 and shorter ones in use), padding stripped. */
static int tidy_iccid(char *s, char ret[AT_ICCID_MAX])
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == 'F' || s[n - 1] == 'f'))
		n--;
	if (n < 18 || n > 20 || !text_all_digits(text_from(s, n)))
		return -EBADMSG;
	memcpy(ret, s, n);
	ret[n] = '\0';
	return 0;
}

int at_ef_iccid_parse(struct text hex, char ret[AT_ICCID_MAX])
{
	char digits[AT_ICCID_MAX];

	if (hex.n % 2 || text_copy(hex, digits, sizeof(digits)) < 0)
		return -EBADMSG;
	swap_nibbles(digits);
	return tidy_iccid(digits, ret);
}

int at_iccid_parse(struct text line, char ret[AT_ICCID_MAX])
{
	struct text t = behind_prefix(line);
	struct at_crsm crsm;
	char digits[AT_ICCID_MAX];
	size_t n = 0;

	if (at_crsm_parse(line, &crsm) == 0) {
		if (crsm.sw1 != 0x90 && crsm.sw1 != 0x91)
			return -EBADMSG;
		return at_ef_iccid_parse(crsm.data, ret);
	}
	for (size_t i = 0; i < t.n; i++) {
		if (t.s[i] == ' ')
			continue;
		if (n + 1 == sizeof(digits))
			return -EBADMSG;
		digits[n++] = t.s[i];
	}
	digits[n] = '\0';
	/* Every ICCID starts with 89 (telecommunications); a few brands give the octets as stored. */
	if (digits[0] == '9' && digits[1] == '8')
		swap_nibbles(digits);
	if (digits[0] != '8' || digits[1] != '9')
		return -EBADMSG;
	return tidy_iccid(digits, ret);
}

int at_imsi_parse(struct text line, char ret[AT_IMSI_MAX])
{
	struct text t = behind_prefix(line);

	if (t.n < 6 || t.n > 15 || !text_all_digits(t))
		return -EBADMSG;
	return text_copy(t, ret, AT_IMSI_MAX);
}

int at_imei_parse(struct text line, char ret[AT_IMEI_MAX])
{
	struct text t = behind_prefix(line);

	/* 14 without and 15 with check digit, 16 and 17 are IMEISV forms. */
	if (t.n < 14 || t.n > 17 || !text_all_digits(t))
		return -EBADMSG;
	return text_copy(t, ret, AT_IMEI_MAX);
}

struct text at_bare_text(struct text line)
{
	return behind_prefix(line);
}

/* --- card ---------------------------------------------------------------------------------------------- */

int at_crsm_parse(struct text line, struct at_crsm *ret)
{
	struct at_args a = at_args(line, "+CRSM:");
	struct at_crsm c;

	c.sw1 = (int)at_arg_num(&a);
	c.sw2 = (int)at_arg_num(&a);
	c.data = maybe_str(&a);
	if (at_args_end(&a) < 0 || c.sw1 > 255 || c.sw2 > 255 ||
	    (c.data.n && !text_all_hex(c.data)))
		return -EBADMSG;
	*ret = c;
	return 0;
}

int at_apdu_parse(struct text line, struct text *ret_data, struct text *ret_sw)
{
	struct at_args a = at_args(line, text_case_starts(line, "+CSIM") ? "+CSIM:" : "+CGLA:");
	struct text hex;

	at_arg_num(&a);
	hex = at_arg_str(&a);
	if (at_args_end(&a) < 0 || hex.n < 4 || hex.n % 2 || !text_all_hex(hex))
		return -EBADMSG;
	*ret_data = text_from(hex.s, hex.n - 4);
	*ret_sw = text_skip(hex, hex.n - 4);
	return 0;
}

int at_ccho_parse(struct text line, struct text *ret_session)
{
	struct text t = behind_prefix(line);

	/* A number (27.007 8.45) or, on Sierra modules, 16 hex digits. */
	if (!text_all_hex(t) || t.n > 16)
		return -EBADMSG;
	*ret_session = t;
	return 0;
}
