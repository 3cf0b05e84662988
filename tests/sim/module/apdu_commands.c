/*
 * APDUs from the host: sessions of +CCHO, +CGLA, +CCHC (27.007 8.45 to 8.47) and the raw +CSIM
 * (8.17), with all the ways in which modules differ as columns of the personality.
 *
 * A session's id is an opaque handle. The channel behind it is the module's affair: it puts the
 * channel bits into CLA whatever the host has set there, or refuses a CLA that has any.
 */
#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "sim/module/card_task.h"
#include "sim/module/errors.h"
#include "sim/module/line.h"
#include "sim/module/module.h"

#define AID_MAX 16
#define INS_SELECT 0xA4
#define INS_MANAGE_CHANNEL 0x70
#define INS_GET_RESPONSE 0xC0

static const uint8_t isdr_aid[AID_MAX] = {
	0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF,
	0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x01, 0x00,
};

/* --- channels in CLA, ETSI TS 102 221 10.1.1 ------------------------------------------------------ */

static unsigned channel_of(uint8_t cla)
{
	return cla & 0x40 ? 4u + (cla & 15) : cla & 3u;
}

static uint8_t with_channel(uint8_t cla, unsigned channel)
{
	uint8_t bare = cla & 0x40 ? cla & 0x80 : cla & 0xFC;

	return (uint8_t)(channel < 4 ? bare | channel : (bare & 0x80) | 0x40 | (channel - 4));
}

/* --- refusals ------------------------------------------------------------------------------------- */

/* "ERROR", "+CME ERROR: 13", or words of the module's own, which +CMEE=0 hides like any. */
static int refuse(struct port *p, const char *words)
{
	struct text t = text_of(words);
	uint32_t code;

	if (!text_starts(t, "+CME ERROR: "))
		return END_ERROR;
	if (text_to_u32(text_skip(t, strlen("+CME ERROR: ")), 10, &code) == 0)
		return END_CME((int)code);
	return p->set.cmee ? port_refuse(p, words) : END_ERROR;
}

static int test_form(struct call *c, bool exists, const char *names)
{
	if (!exists)
		return END_ERROR;
	switch (c->m->persona->test) {
	case TEST_OK:
		return END_OK;
	case TEST_NAMES:
		port_say(c->port, "%s: %s", c->command->name, names);
		return END_OK;
	case TEST_ERROR:
		return END_ERROR;
	case TEST_SILENT:
		break;
	}
	return END_SILENT;
}

/* Sessions need a card that runs, not one whose PIN is known. */
static int no_card(const struct module *m)
{
	if (slot_powered(&m->slot) && m->slot.state != SLOT_STARTING)
		return END_OK;
	return card_refusal(m);
}

/* Why the host does not get to the ISD-R at all; END_OK: it does. */
static int no_isdr(struct call *c)
{
	const struct persona *p = c->m->persona;
	uint64_t since = ev_now_ms() - c->m->slot_switched_ms;
	int busy = p->ccho_busy ? refuse(c->port, p->ccho_busy) : END_CME(CME_SIM_BUSY);

	if (c->m->lpa_enabled)
		return busy;
	if (p->slot_command && !c->m->slot_switched)
		return p->ccho_no_app ? refuse(c->port, p->ccho_no_app) : END_ERROR;
	if (p->isdr_window_ms && since > p->isdr_window_ms)
		return busy;
	if (p->no_profile_no_ccho && c->m->slot.state == SLOT_NO_APP)
		return END_ERROR;
	return END_OK;
}

/* --- sessions ------------------------------------------------------------------------------------- */

static struct session *find_session(struct slot *s, struct text handle)
{
	for (size_t i = 0; i < SLOT_SESSIONS; i++)
		if (s->sessions[i].open && text_eq(handle, s->sessions[i].handle))
			return &s->sessions[i];
	return NULL;
}

static struct session *free_session(struct slot *s)
{
	for (size_t i = 0; i < SLOT_SESSIONS; i++)
		if (!s->sessions[i].open)
			return &s->sessions[i];
	return NULL;
}

static void name_session(struct module *m, struct session *x)
{
	if (m->persona->ccho == CCHO_HANDLE)
		snprintf(x->handle, sizeof(x->handle), "%016x",
			 rng_below(&m->slot.handle_rng, 0x7fffffff));
	else
		snprintf(x->handle, sizeof(x->handle), "%u",
			 x->channel + m->persona->session_offset);
}

static void no_application(struct port *p)
{
	const char *words = p->m->persona->ccho_no_app;

	port_end(p, words ? refuse(p, words) : END_ERROR);
}

static void judge_undo(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	(void)data, (void)n, (void)sw;
	no_application(p);
}

static void judge_open(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	struct slot *s = &p->m->slot;
	struct session *x = free_session(s);

	(void)data, (void)n;
	if (sw == 0) {
		port_end(p, END_CME(CME_SIM_FAILURE));
		return;
	}
	if (!x || (sw != 0x9000 && sw >> 8 != 0x61 && sw >> 8 != 0x62)) {
		card_ask(p, (uint8_t[]){ 0x00, INS_MANAGE_CHANNEL, 0x80, (uint8_t)p->task.a, 0x00 },
			 5, judge_undo);
		return;
	}
	x->open = true;
	x->channel = p->task.a;
	name_session(p->m, x);
	port_say(p, p->m->persona->ccho == CCHO_BARE ? "%s" : "+CCHO: %s", x->handle);
	port_end(p, END_OK);
}

static void judge_channel(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	uint8_t apdu[5 + AID_MAX + 1] = { 0 };
	size_t aid_n = p->task.data_n;

	if (sw != 0x9000 || n != 1) {
		port_end(p, sw == 0 ? END_CME(CME_SIM_FAILURE) : END_ERROR);
		return;
	}
	p->task.a = data[0];
	apdu[0] = with_channel(0x00, p->task.a);
	apdu[1] = INS_SELECT;
	apdu[2] = 0x04;
	apdu[4] = (uint8_t)aid_n;
	memcpy(apdu + 5, p->task.data, aid_n);
	card_ask(p, apdu, 5 + aid_n + 1, judge_open);
}

static int do_ccho(struct call *c)
{
	const struct persona *persona = c->m->persona;
	struct card_task t = { 0 };
	int no;

	if (c->form == FORM_TEST)
		return test_form(c, !persona->ccho_always || persona->ccho_always[0] == '+',
				 "<dfname>");
	if (persona->ccho_always)
		return refuse(c->port, persona->ccho_always);
	if (hex_decode(arg_string(&c->args), t.data, AID_MAX, &t.data_n) < 0 || t.data_n == 0)
		return END_CME(CME_PARAMETERS);
	no = no_card(c->m);
	if (no == END_OK && t.data_n == sizeof(isdr_aid) &&
	    !memcmp(t.data, isdr_aid, sizeof(isdr_aid)))
		no = no_isdr(c);
	if (no)
		return no;
	c->port->task = t;
	card_ask(c->port, (uint8_t[]){ 0x00, INS_MANAGE_CHANNEL, 0x00, 0x00, 0x01 }, 5,
		 judge_channel);
	return END_LATER;
}

static void judge_close(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	(void)data, (void)n, (void)sw;
	if (p->m->persona->cchc_line)
		port_say(p, "+CCHC");
	port_end(p, END_OK);
}

static int do_cchc(struct call *c)
{
	struct session *x;

	if (c->form == FORM_TEST)
		return test_form(c, !c->m->persona->cchc_none, "<sessionid>");
	if (c->m->persona->cchc_none)
		return END_ERROR;
	x = find_session(&c->m->slot, arg_string(&c->args));
	if (!x && c->m->persona->cchc_line) {
		port_say(c->port, "+CCHC");
		return END_OK;
	}
	if (!x)
		return END_ERROR;
	x->open = false;
	c->port->task = (struct card_task){ 0 };
	card_ask(c->port, (uint8_t[]){ 0x00, INS_MANAGE_CHANNEL, 0x80, (uint8_t)x->channel, 0x00 },
		 5, judge_close);
	return END_LATER;
}

/* --- answers of the card -------------------------------------------------------------------------- */

static void show_answer(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	char hex[2 * CARD_ANSWER_MAX + 1];
	bool csim = p->task.b;
	const char *blank = !csim && p->m->persona->cgla_no_blank ? "" : " ";

	hex_encode(data, n, hex, sizeof(hex));
	port_say(p, "%s:%s%zu,\"%s%04X\"", csim ? "+CSIM" : "+CGLA", blank, 2 * n + 4, hex, sw);
	port_end(p, END_OK);
}

static void judge_fetched(struct port *p, const uint8_t *data, size_t n, unsigned sw);

static void judge_apdu(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	const struct persona *persona = p->m->persona;

	if (sw == 0) {
		port_end(p, END_CME(CME_SIM_FAILURE));
		return;
	}
	if (sw >> 8 == 0x61 && n == 0 && persona->sw == SW_FETCH_61) {
		/* One block; what is left after it is announced to the host, who fetches it himself. */
		card_ask(p,
			 (uint8_t[]){ with_channel(0x00, p->task.a), INS_GET_RESPONSE, 0x00, 0x00,
				      (uint8_t)sw },
			 5, judge_fetched);
		return;
	}
	judge_fetched(p, data, n, sw);
}

static void judge_fetched(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	unsigned shown = sw;

	if (sw == 0) {
		port_end(p, END_CME(CME_SIM_FAILURE));
		return;
	}
	if (sw >> 8 == 0x91 && p->m->persona->sw != SW_PASS_91)
		shown = 0x9000;
	show_answer(p, data, n, shown);
	if (sw >> 8 == 0x91)
		slot_proactive(&p->m->slot, sw & 255);
}

/* --- commands of the host ------------------------------------------------------------------------- */

/* <length>,<command>: -1 where the two do not agree or it is no APDU. */
static int take_apdu(struct call *c, bool bare_allowed, uint8_t *apdu, size_t *ret_n)
{
	struct text hex;
	unsigned length;

	if (arg_number(&c->args, 8, 2 * CARD_APDU_MAX, 0, &length) < 0)
		return -1;
	hex = arg_next(&c->args);
	if (!bare_allowed && !text_starts(hex, "\""))
		return -1;
	hex = text_unquote(hex);
	if (hex.n != length || c->args.n)
		return -1;
	return hex_decode(hex, apdu, CARD_APDU_MAX, ret_n) < 0 || *ret_n < 4 ? -1 : 0;
}

static int do_cgla(struct call *c)
{
	const struct persona *persona = c->m->persona;
	struct card_task t = { .wait_ms = persona->card_timeout_ms };
	uint8_t apdu[CARD_APDU_MAX];
	struct session *x;
	size_t n;
	int no;

	if (c->form == FORM_TEST)
		return test_form(c, !persona->cgla_always,
				 "<sessionid>,<lengh>,<cmd>"); /* as recorded */
	if (persona->cgla_always)
		return refuse(c->port, persona->cgla_always);
	x = find_session(&c->m->slot, arg_string(&c->args));
	if (take_apdu(c, persona->cgla_bare_data, apdu, &n) < 0)
		return END_ERROR;
	no = no_card(c->m);
	if (no)
		return no;
	if (!x)
		return END_CME(CME_NOT_ALLOWED);
	if (persona->cla_zero_only && channel_of(apdu[0]) != 0)
		return END_ERROR;
	apdu[0] = with_channel(apdu[0], x->channel);
	t.a = x->channel;
	c->port->task = t;
	card_ask(c->port, apdu, n, judge_apdu);
	return END_LATER;
}

/* What the module answers itself, by its personality: a status word, or how the command ends. */
static int filter_csim(struct call *c, const uint8_t *apdu, size_t n, const char **ret_sw)
{
	const struct persona *p = c->m->persona;
	unsigned channel = channel_of(apdu[0]);
	bool isdr = apdu[1] == INS_SELECT && apdu[2] == 0x04 && n >= 5 + sizeof(isdr_aid) &&
		    !memcmp(apdu + 5, isdr_aid, sizeof(isdr_aid));

	switch (p->csim) {
	case CSIM_NONE:
		return END_ERROR;
	case CSIM_OPEN_CLOSE:
		if (channel > 0)
			return END_ERROR;
		break;
	case CSIM_SELECT_CME0:
		if (channel > 0 && apdu[1] == INS_SELECT)
			return END_CME(0);
		break;
	case CSIM_BASIC_ONLY:
		if (channel > 0 || apdu[1] == INS_MANAGE_CHANNEL)
			*ret_sw = "6881";
		break;
	case CSIM_FULL:
		break;
	}
	if (isdr && p->isdr_sw)
		*ret_sw = p->isdr_sw;
	else if (isdr && no_isdr(c) != END_OK)
		*ret_sw = "6A82";
	return END_OK;
}

static void judge_given_channel(struct port *p, const uint8_t *data, size_t n, unsigned sw)
{
	uint8_t channel = (uint8_t)p->task.c;

	/* The host asked for any channel and hears which one it is. */
	if (sw == 0x9000 && n == 0)
		show_answer(p, &channel, 1, sw);
	else
		judge_fetched(p, data, n, sw);
}

/* Modules that hand out channels of their own choice ask the card for a certain one. */
static bool open_chosen_channel(struct call *c, uint8_t *apdu, size_t n)
{
	const unsigned char *channels = c->m->persona->channels;
	unsigned count = 0;

	if (n < 5 || apdu[1] != INS_MANAGE_CHANNEL || apdu[2] != 0 || apdu[3] != 0)
		return false;
	while (count < PERSONA_CHANNELS && channels[count])
		count++;
	if (!count)
		return false;
	c->port->task.c = channels[c->m->slot.opened++ % count];
	apdu[3] = (uint8_t)c->port->task.c;
	card_ask(c->port, apdu, 4, judge_given_channel);
	return true;
}

static int do_csim(struct call *c)
{
	uint8_t apdu[CARD_APDU_MAX];
	const char *sw = NULL;
	struct text all = c->args;
	size_t n;
	int no;

	if (c->form == FORM_TEST)
		return test_form(c, c->m->persona->csim != CSIM_NONE, "<length>,<command>");
	/* Taking and releasing the card for oneself (Telit). */
	if (c->m->persona->maker == MAKER_TELIT && (text_eq(all, "0") || text_eq(all, "1")))
		return END_OK;
	if (take_apdu(c, true, apdu, &n) < 0)
		return END_ERROR;
	no = no_card(c->m);
	if (no == END_OK)
		no = filter_csim(c, apdu, n, &sw);
	if (no)
		return no;
	if (sw) {
		port_say(c->port, "+CSIM: 4,\"%s\"", sw);
		return END_OK;
	}
	c->port->task = (struct card_task){ .a = channel_of(apdu[0]), .b = 1 };
	if (!open_chosen_channel(c, apdu, n))
		card_ask(c->port, apdu, n, judge_apdu);
	return END_LATER;
}

#define BOTH (FORM_SET | FORM_TEST)

const struct command apdu_commands[] = {
	{ "+CCHO", BOTH, 0, do_ccho },
	{ "+CCHC", BOTH, 0, do_cchc },
	{ "+CGLA", BOTH, 0, do_cgla },
	{ "+CSIM", BOTH, 0, do_csim },
	{ 0 }
};
