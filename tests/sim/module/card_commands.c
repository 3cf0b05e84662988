/* The card as a SIM: PIN, identity, files. 27.007 8.3, 8.17, 8.18, 7.4. */
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "sim/module/card_task.h"
#include "sim/module/errors.h"
#include "sim/module/line.h"
#include "sim/module/module.h"

#define PIN_LEN 8

/* --- PIN ------------------------------------------------------------------------------------------ */

static int show_pin_state(struct call *c)
{
	switch (c->m->slot.state) {
	case SLOT_READY:
		port_say(c->port, "+CPIN: READY");
		return END_OK;
	case SLOT_PIN:
		port_say(c->port, "+CPIN: SIM PIN");
		return END_OK;
	case SLOT_PUK:
		port_say(c->port, "+CPIN: SIM PUK");
		return END_OK;
	case SLOT_EMPTY:
	case SLOT_OFF:
	case SLOT_STARTING:
	case SLOT_NO_APP:
	case SLOT_FAILED:
	case SLOT_RESTART:
	case _SLOT_STATE_MAX:
		break;
	}
	return card_refusal(c->m);
}

/* False: no PIN by its form. */
static bool put_code(uint8_t dst[PIN_LEN], struct text code)
{
	if (code.n < 4 || code.n > PIN_LEN || !text_all_digits(code))
		return false;
	memset(dst, 0xFF, PIN_LEN);
	memcpy(dst, code.s, code.n);
	return true;
}

static bool counts_down(struct slot *s, unsigned sw, bool puk)
{
	if (sw >> 8 != 0x63 && sw != 0x6983)
		return false;
	*(puk ? &s->puk_left : &s->pin_left) = sw == 0x6983 ? 0 : sw & 15;
	return true;
}

static void judge_pin(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	struct slot *s = &p->m->slot;
	bool puk = p->task.a == 0x2C;

	(void)data, (void)n;
	if (sw == 0x9000) {
		s->pin_left = 3;
		if (s->state != SLOT_READY)
			slot_pin_given(s);
		port_end(p, END_OK);
	} else if (counts_down(s, sw, puk)) {
		if (!puk && s->pin_left == 0)
			s->state = SLOT_PUK;
		port_end(p, END_CME(!puk && s->pin_left == 0 ? CME_PUK : CME_WRONG_PASSWORD));
	} else {
		port_end(p, END_CME(CME_SIM_FAILURE));
	}
}

/* VERIFY, or with a PUK UNBLOCK. */
static int do_cpin(struct call *c)
{
	uint8_t apdu[5 + 2 * PIN_LEN] = { 0x00, 0x20, 0x00, 0x01, PIN_LEN };
	struct text code, fresh;
	size_t n = 5 + PIN_LEN;

	if (c->form == FORM_READ)
		return show_pin_state(c);
	code = arg_string(&c->args);
	fresh = arg_string(&c->args);
	if (c->m->slot.state != SLOT_PIN && c->m->slot.state != SLOT_PUK)
		return c->m->slot.state == SLOT_READY ? END_CME(CME_NOT_ALLOWED)
						      : card_refusal(c->m);
	if (!put_code(apdu + 5, code))
		return END_CME(CME_WRONG_PASSWORD);
	if (c->m->slot.state == SLOT_PUK) {
		if (code.n != PIN_LEN || !put_code(apdu + 5 + PIN_LEN, fresh))
			return END_CME(CME_PUK);
		apdu[1] = 0x2C;
		apdu[4] = 2 * PIN_LEN;
		n = sizeof(apdu);
	}
	c->port->task = (struct card_task){ .a = apdu[1] };
	card_ask(c->port, apdu, n, judge_pin);
	return END_LATER;
}

static void judge_code(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	(void)data, (void)n;
	if (sw == 0x9000)
		port_end(p, END_OK);
	else if (counts_down(&p->m->slot, sw, false))
		port_end(p, END_CME(CME_WRONG_PASSWORD));
	else
		port_end(p, END_CME(CME_NOT_ALLOWED));
}

static void judge_lock_state(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	/* The FCP's PIN status template: C6 03 90 01 <enabled>, TS 102 221 9.5.2. */
	for (size_t i = 0; sw == 0x9000 && i + 4 < n; i++) {
		if (data[i] == 0xC6 && data[i + 2] == 0x90) {
			port_say(p, "+CLCK: %d", (data[i + 4] & 0x80) != 0);
			port_end(p, END_OK);
			return;
		}
	}
	port_end(p, END_CME(CME_SIM_FAILURE));
}

/* +CLCK="SC",<mode>[,<passwd>]: the only facility here is the PIN. */
static int do_clck(struct call *c)
{
	uint8_t apdu[5 + PIN_LEN] = { 0x00, 0x26, 0x00, 0x01, PIN_LEN };
	struct text facility = arg_string(&c->args);
	unsigned mode;
	int no = card_refusal(c->m);

	if (no)
		return no;
	if (!text_eq(facility, "SC"))
		return END_CME(CME_NOT_SUPPORTED);
	if (arg_number(&c->args, 0, 2, 2, &mode) < 0)
		return END_CME(CME_PARAMETERS);
	c->port->task = (struct card_task){ 0 };
	if (mode == 2) {
		card_ask(c->port, (uint8_t[]){ 0x80, 0xF2, 0x00, 0x00, 0x00 }, 5, judge_lock_state);
		return END_LATER;
	}
	apdu[1] = mode ? 0x28 : 0x26;
	if (!put_code(apdu + 5, arg_string(&c->args)))
		return END_CME(CME_WRONG_PASSWORD);
	card_ask(c->port, apdu, sizeof(apdu), judge_code);
	return END_LATER;
}

/* +CPWD="SC",<old>,<new> */
static int do_cpwd(struct call *c)
{
	uint8_t apdu[5 + 2 * PIN_LEN] = { 0x00, 0x24, 0x00, 0x01, 2 * PIN_LEN };
	int no = card_refusal(c->m);

	if (no)
		return no;
	if (!text_eq(arg_string(&c->args), "SC"))
		return END_CME(CME_NOT_SUPPORTED);
	if (!put_code(apdu + 5, arg_string(&c->args)) ||
	    !put_code(apdu + 5 + PIN_LEN, arg_string(&c->args)))
		return END_CME(CME_WRONG_PASSWORD);
	c->port->task = (struct card_task){ 0 };
	card_ask(c->port, apdu, sizeof(apdu), judge_code);
	return END_LATER;
}

/* Tries left, as each maker words it. */
static int do_tries(struct call *c)
{
	static const struct {
		const char *command, *text;
	} rows[] = {
		{ "+QPINC", "+QPINC: \"SC\",%u,%u" }, { "+SPIC", "+SPIC: %u,%u,0,0" },
		{ "#PCT", "#PCT: %u" },               { "+UPINCNT", "+UPINCNT: %u,3,%u,10" },
		{ "+CPINC", "+CPINC: %u,3,%u,10" },   { "^SPIC", "^SPIC: %u" },
		{ "+CPINR", "+CPINR: SIM PIN,%u,3" },
	};
	struct slot *s = &c->m->slot;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].command, c->command->name))
			port_say(c->port, rows[i].text, s->pin_left, s->puk_left);
	return END_OK;
}

/* --- identity ------------------------------------------------------------------------------------- */

static int do_imsi(struct call *c)
{
	int no = card_refusal(c->m);

	if (no)
		return no;
	port_say(c->port, "%s", c->m->slot.imsi);
	return END_OK;
}

/* Nineteen digits end with the card's filler on some. */
static void show_iccid(struct call *c, const char *prefix, bool filler)
{
	const char *iccid = c->m->slot.iccid;

	port_say(c->port, "%s%s%s", prefix, iccid, filler && strlen(iccid) == 19 ? "F" : "");
}

static int do_iccid(struct call *c)
{
	static const struct {
		const char *command;
		unsigned makers;
		const char *prefix;
		bool filler;
	} rows[] = {
		{ "+QCCID", 0, "+QCCID: ", true },   { "+CCID", MAKER_SIMCOM, "", false },
		{ "+CCID", 0, "+CCID: ", true },     { "+ICCID", 0, "+ICCID: ", true },
		{ "+CICCID", 0, "+ICCID: ", false }, { "#CCID", 0, "#CCID: ", false },
		{ "!ICCID", 0, "!ICCID: ", false },  { "^SCID", 0, "^SCID: ", false },
		{ "%XICCID", 0, "%XICCID: ", true }, { "+SQNCCID", 0, "+SQNCCID: ", false },
		{ "^ICCID", 0, "^ICCID: ", false },
	};

	if (!c->m->slot.iccid[0])
		return c->m->slot.state == SLOT_READY ? END_CME(CME_SIM_FAILURE)
						      : card_refusal(c->m);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].command, c->command->name) != 0 ||
		    (rows[i].makers && !(rows[i].makers & c->m->persona->maker)))
			continue;
		show_iccid(c, rows[i].prefix, rows[i].filler);
		return END_OK;
	}
	return END_ERROR;
}

/* --- files ---------------------------------------------------------------------------------------- */

enum crsm {
	CRSM_READ_BINARY = 176,
	CRSM_READ_RECORD = 178,
	CRSM_GET_RESPONSE = 192,
	CRSM_UPDATE_BINARY = 214,
	CRSM_UPDATE_RECORD = 220,
	CRSM_STATUS = 242,
};

static void end_crsm(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	char hex[2 * CARD_ANSWER_MAX + 1];

	if (sw == 0) {
		port_end(p, END_CME(CME_SIM_FAILURE));
		return;
	}
	hex_encode(data, n, hex, sizeof(hex));
	if (n)
		port_say(p, "+CRSM: %u,%u,\"%s\"", sw >> 8, sw & 255, hex);
	else
		port_say(p, "+CRSM: %u,%u", sw >> 8, sw & 255);
	port_end(p, END_OK);
}

static void judge_file(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	struct card_task *t = &p->task;

	/* The right length comes with the refusal: one more try. */
	if (sw >> 8 == 0x6C && t->step++ == 0) {
		p->job.apdu[4] = (uint8_t)sw;
		card_ask(p, p->job.apdu, p->job.n, judge_file);
		return;
	}
	end_crsm(p, data, n, sw);
}

static void judge_select(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	struct card_task *t = &p->task;
	uint8_t apdu[CARD_APDU_MAX] = { 0x00, (uint8_t)t->number, (uint8_t)t->a, (uint8_t)t->b,
					(uint8_t)t->c };
	size_t len = 5;

	if (sw >> 8 == 0x61 && t->number == CRSM_GET_RESPONSE) {
		apdu[4] = (uint8_t)sw;
		apdu[2] = apdu[3] = 0;
	} else if (sw != 0x9000 && sw >> 8 != 0x61) {
		end_crsm(p, data, n, sw);
		return;
	}
	if (t->number == CRSM_UPDATE_BINARY || t->number == CRSM_UPDATE_RECORD) {
		apdu[4] = (uint8_t)t->data_n;
		memcpy(apdu + 5, t->data, t->data_n);
		len += t->data_n;
	}
	card_ask(p, apdu, len, judge_file);
}

static void select_file(struct port *p, unsigned file, struct text path)
{
	uint8_t apdu[5 + 16] = { 0x00, 0xA4, 0x08, 0x0C };
	size_t n = 0;

	if (p->task.number == CRSM_GET_RESPONSE)
		apdu[3] = 0x04;
	if (path.n == 0)
		path = file >> 8 == 0x2F ? TEXT("") : TEXT("7FFF");
	if (text_starts(path, "3F00"))
		path = text_skip(path, 4);
	hex_decode(path, apdu + 5, 12, &n);
	apdu[5 + n++] = (uint8_t)(file >> 8);
	apdu[5 + n++] = (uint8_t)file;
	apdu[4] = (uint8_t)n;
	card_ask(p, apdu, 5 + n, judge_select);
}

/* +CRSM=<command>[,<fileid>[,<P1>,<P2>,<P3>[,<data>[,<path>]]]] */
static int do_crsm(struct call *c)
{
	struct card_task t = { 0 };
	unsigned file;
	struct text path;
	uint8_t scratch[16];
	size_t n;
	int no = card_refusal(c->m);

	if (arg_number(&c->args, 0, 255, 0, &t.number) < 0 ||
	    arg_number(&c->args, 0, 65535, 0, &file) < 0 ||
	    arg_number(&c->args, 0, 255, 0, &t.a) < 0 ||
	    arg_number(&c->args, 0, 255, 0, &t.b) < 0 || arg_number(&c->args, 0, 255, 0, &t.c) < 0)
		return END_CME(CME_PARAMETERS);
	if (hex_decode(arg_string(&c->args), t.data, sizeof(t.data) - 3, &t.data_n) < 0)
		return END_CME(CME_PARAMETERS);
	path = arg_string(&c->args);
	if (path.n && (hex_decode(path, scratch, sizeof(scratch), &n) < 0 || n % 2 || n > 12))
		return END_CME(CME_PARAMETERS);
	if (!slot_powered(&c->m->slot) || c->m->slot.state == SLOT_STARTING)
		return no;
	if (file == 0x2FE2 && c->m->persona->crsm_iccid) {
		uint32_t code = 0;
		struct text words = text_of(c->m->persona->crsm_iccid);

		text_to_u32(text_skip(words, text_find(words, ':') + 2), 10, &code);
		return END_CME((int)code);
	}
	c->port->task = t;
	switch (t.number) {
	case CRSM_READ_BINARY:
	case CRSM_READ_RECORD:
	case CRSM_GET_RESPONSE:
	case CRSM_UPDATE_BINARY:
	case CRSM_UPDATE_RECORD:
		if (file == 0)
			return END_CME(CME_PARAMETERS);
		select_file(c->port, file, path);
		return END_LATER;
	case CRSM_STATUS:
		card_ask(c->port, (uint8_t[]){ 0x80, 0xF2, 0, 0, (uint8_t)t.c }, 5, judge_file);
		return END_LATER;
	default:
		return END_CME(CME_NOT_SUPPORTED);
	}
}

const struct command card_commands[] = {
	{ "+CPIN", FORM_SET | FORM_READ, 0, do_cpin },
	{ "+CLCK", FORM_SET, 0, do_clck },
	{ "+CPWD", FORM_SET, 0, do_cpwd },
	{ "+QPINC", FORM_SET | FORM_READ, MAKER_QUECTEL, do_tries },
	{ "+SPIC", FORM_ACTION | FORM_READ, MAKER_SIMCOM, do_tries },
	{ "#PCT", FORM_ACTION, MAKER_TELIT, do_tries },
	{ "+UPINCNT", FORM_ACTION, MAKER_UBLOX, do_tries },
	{ "+CPINC", FORM_ACTION | FORM_READ, MAKER_SIERRA, do_tries },
	{ "^SPIC", FORM_ACTION, MAKER_CINTERION, do_tries },
	{ "+CPINR", FORM_ACTION | FORM_SET,
	  MAKER_NORDIC | MAKER_FIBOCOM | MAKER_CMIOT | MAKER_SEQUANS, do_tries },
	{ "+CIMI", FORM_ACTION, 0, do_imsi },
	{ "+QCCID", FORM_ACTION, MAKER_QUECTEL, do_iccid },
	{ "+CCID", FORM_ACTION | FORM_READ,
	  (unsigned)~(MAKER_NORDIC | MAKER_SEQUANS | MAKER_HUAWEI), do_iccid },
	{ "+ICCID", FORM_ACTION | FORM_READ,
	  MAKER_QUECTEL | MAKER_TELIT | MAKER_SIERRA | MAKER_FIBOCOM | MAKER_CMIOT | MAKER_HUAWEI |
		  MAKER_FOXCONN,
	  do_iccid },
	{ "+CICCID", FORM_ACTION, MAKER_SIMCOM, do_iccid },
	{ "#CCID", FORM_ACTION, MAKER_TELIT, do_iccid },
	{ "!ICCID", FORM_READ, MAKER_SIERRA, do_iccid },
	{ "^SCID", FORM_ACTION, MAKER_CINTERION, do_iccid },
	{ "%XICCID", FORM_ACTION, MAKER_NORDIC, do_iccid },
	{ "+SQNCCID", FORM_ACTION | FORM_READ, MAKER_SEQUANS, do_iccid },
	{ "^ICCID", FORM_READ, MAKER_HUAWEI, do_iccid },
	{ "+CRSM", FORM_SET, 0, do_crsm },
	{ 0 }
};
