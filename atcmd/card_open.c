/*
 * How the channel is opened: what a predecessor has left open is closed, then +CCHO, then +CSIM.
 * In the field nothing but trying tells: test forms (=?) answer ERROR where the command works, and
 * a refused +CCHO may mean that the card has no such application, that no channel is free because
 * a client has crashed with one open, or that the command does not work here at all.
 *
 *   close-left   the channel that our predecessor had written down; 1 to 3 blindly where it was lost
 *                between asking for one and knowing which
 *   ccho         busy cards (+CME ERROR: 14) are asked again for some seconds
 *   sweep        sessions 1 to 3 closed blindly, once per start of the card and only after a
 *                refusal: they may belong to somebody else. Errors mean that there was none. Each
 *                time the answer of an opening is lost: one of them is ours
 *   ccho-again
 *   channel      MANAGE CHANNEL by +CSIM, ETSI TS 102 221 11.1.17
 *   select       without Le, and with it where the card wants one; then its FCI
 *   close-unused where the application is not there
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "atcmd/card_at.h"
#include "core/hex.h"
#include "core/log.h"

#define OPEN_MS 30000
#define CLOSE_MS 30000
#define BUSY_TRIES 10
#define BUSY_PAUSE_MS 1000
#define CME_SIM_BUSY 14
#define CHANNELS_SWEPT 3

static struct card_at *card_of(struct proc *p)
{
	return container_of(p, struct card_at, opening);
}

static bool by_ccho(const struct card_at *c)
{
	return c->way != CARD_AT_CSIM;
}

static void note_refusal(struct card_at *c, const char *from, int code)
{
	cause_set(&c->refusal, c->timed_out ? CAUSE_TIMEOUT : CAUSE_REFUSED, from, code);
}

static enum step_verdict go_on(struct proc *p)
{
	(void)p;
	return STEP_NEXT;
}

/* --- what a predecessor has left ------------------------------------------------------------------- */

static int close_left(struct proc *p)
{
	struct card_at *c = card_of(p);
	struct text left = text_of(c->left), way = text_cut(&left, ':');
	char command[64], which[CARD_AT_HANDLE_MAX];
	uint32_t number = p->piece + 1;
	bool known = left.n != 0;

	if (known ? p->piece : p->piece == CHANNELS_SWEPT)
		goto closed;
	snprintf(which, sizeof(which), "%u", p->piece + 1);
	if (known)
		text_copy(left, which, sizeof(which));
	if (text_eq(way, "ccho") && text_all_hex(text_of(which)))
		snprintf(command, sizeof(command), "AT+CCHC=%s", which);
	else if (text_eq(way, "csim") && text_to_u32(text_of(which), 10, &number) == 0 && number < 20)
		snprintf(command, sizeof(command), "AT+CSIM=10,\"007080%02X00\"", (unsigned)number);
	else
		goto closed;
	log_debug("card", "closing %s, left open by a predecessor", which);
	return card_at_ask(c, command, NULL, CLOSE_MS);
closed:
	c->left[0] = '\0';
	return STEP_SKIP;
}

static enum step_verdict left_closed(struct proc *p)
{
	return card_of(p)->timed_out ? STEP_NEXT : STEP_AGAIN;
}

/* --- +CCHO -------------------------------------------------------------------------------------------- */

static int ask_ccho(struct proc *p)
{
	struct card_at *c = card_of(p);
	char aid[33], command[64];

	if (!by_ccho(c))
		return STEP_SKIP;
	hex_encode(c->aid, c->aid_n, aid, sizeof(aid));
	snprintf(command, sizeof(command), "AT+CCHO=\"%s\"", aid);
	card_at_note(c, "ccho:");
	return card_at_ask(c, command, NULL, OPEN_MS);
}

/* The answer is lost: a channel may have come open that nobody knows. */
static void note_adrift(struct card_at *c, const struct proc *p)
{
	c->adrift = c->timed_out || p->answer.kind == CAUSE_NONE;
}

static enum step_verdict judge_ccho(struct proc *p)
{
	struct card_at *c = card_of(p);

	if (p->answer.kind == CAUSE_NONE && c->session[0]) {
		strcpy(c->handle, c->session);
		c->opened_by = CARD_AT_CCHO;
		return STEP_FINISH;
	}
	if (p->answer.kind == CAUSE_REFUSED && p->answer.code == CME_SIM_BUSY &&
	    p->attempt < BUSY_TRIES)
		return STEP_RETRY;
	note_adrift(c, p);
	note_refusal(c, "module", p->answer.code);
	return STEP_NEXT;
}

static int sweep(struct proc *p)
{
	struct card_at *c = card_of(p);
	char command[32];

	if (!by_ccho(c) || p->piece == CHANNELS_SWEPT ||
	    (p->piece == 0 && c->swept && !c->adrift))
		return STEP_SKIP;
	c->swept = c->sweeping = true;
	snprintf(command, sizeof(command), "AT+CCHC=%u", p->piece + 1);
	return card_at_ask(c, command, NULL, CLOSE_MS);
}

/* Where the first one is not even known as a command, the others are not either. */
static enum step_verdict swept(struct proc *p)
{
	return card_of(p)->timed_out ? STEP_NEXT : STEP_AGAIN;
}

static int ask_ccho_again(struct proc *p)
{
	struct card_at *c = card_of(p);

	/* Only behind a sweep of this very opening. */
	if (!by_ccho(c) || !c->sweeping)
		return STEP_SKIP;
	c->sweeping = false;
	return ask_ccho(p);
}

/* --- +CSIM ---------------------------------------------------------------------------------------------- */

static int ask_channel(struct proc *p)
{
	static const uint8_t manage[] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
	struct card_at *c = card_of(p);

	card_at_note(c, "csim:");
	return card_at_ask_apdu(c, manage, sizeof(manage), true);
}

static enum step_verdict judge_channel(struct proc *p)
{
	struct card_at *c = card_of(p);
	char handle[CARD_AT_HANDLE_MAX];

	if (p->answer.kind == CAUSE_NONE && c->answered && !c->garbled &&
	    (c->sw == 0x9000 || c->sw >> 8 == 0x91) && c->data_n == 1 &&
	    c->data[0] > 0 && c->data[0] < 20) {
		c->number = c->data[0];
		c->channel_open = true;
		snprintf(handle, sizeof(handle), "csim:%u", c->number);
		card_at_note(c, handle);
		return STEP_NEXT;
	}
	if (p->answer.kind == CAUSE_REFUSED && p->answer.code == CME_SIM_BUSY &&
	    p->attempt < BUSY_TRIES)
		return STEP_RETRY;
	if (p->answer.kind == CAUSE_NONE && c->answered && !c->garbled &&
	    c->sw != 0x9000 && c->sw >> 8 != 0x91) {
		note_refusal(c, "card", c->sw);
		return STEP_NEXT;
	}
	note_adrift(c, p);
	note_refusal(c, "module", p->answer.code);
	return STEP_NEXT;
}

static int close_one(struct card_at *c, unsigned number)
{
	const uint8_t manage[] = { 0x00, 0x70, 0x80, (uint8_t)number, 0x00 };

	return card_at_ask_apdu(c, manage, sizeof(manage), true);
}

/* No channel is free: 6A81, or 6881 on some. */
static int sweep_channels(struct proc *p)
{
	struct card_at *c = card_of(p);
	bool full = c->refusal.code == 0x6a81 || c->refusal.code == 0x6881;

	if (c->channel_open || p->piece == CHANNELS_SWEPT ||
	    (p->piece == 0 && !c->adrift && (!full || c->swept_channels)))
		return STEP_SKIP;
	c->swept_channels = c->sweeping = true;
	return close_one(c, p->piece + 1);
}

static int ask_channel_again(struct proc *p)
{
	struct card_at *c = card_of(p);

	if (c->channel_open || !c->sweeping)
		return STEP_SKIP;
	c->sweeping = false;
	c->refusal = (struct cause){ 0 };
	return ask_channel(p);
}

static int select_by_aid(struct card_at *c, bool le)
{
	uint8_t apdu[22] = { card_at_cla(0x00, c->number), 0xa4, 0x04, 0x00, (uint8_t)c->aid_n };

	memcpy(apdu + 5, c->aid, c->aid_n);
	return card_at_ask_apdu(c, apdu, 5 + c->aid_n + le, true);
}

static int ask_select(struct proc *p)
{
	struct card_at *c = card_of(p);

	return c->channel_open ? select_by_aid(c, p->attempt > 1) : STEP_SKIP;
}

/* 62xx and 63xx are warnings: it is selected. */
static bool selected(uint16_t sw)
{
	return sw == 0x9000 || sw >> 8 == 0x61 || sw >> 8 == 0x91 || sw >> 8 == 0x62 ||
	       sw >> 8 == 0x63;
}

static enum step_verdict judge_select(struct proc *p)
{
	struct card_at *c = card_of(p);

	if (p->answer.kind == CAUSE_NONE && c->answered && !c->garbled) {
		if (selected(c->sw)) {
			c->selected = true;
			return STEP_NEXT;
		}
		/* Without Le some cards find the length wrong; others only then find it right. */
		if ((c->sw == 0x6700 || c->sw >> 8 == 0x6c) && p->attempt < 2)
			return STEP_RETRY;
		/* What the card says is more than what the module said before. */
		c->refusal = (struct cause){ 0 };
		note_refusal(c, "card", c->sw);
		return STEP_NEXT;
	}
	note_refusal(c, "module", p->answer.code);
	return STEP_NEXT;
}

/* The FCI is welcome, not needed: some cards refuse to give it. */
static int fetch_fci(struct proc *p)
{
	struct card_at *c = card_of(p);
	const uint8_t get[] = { card_at_cla(0x00, c->number), 0xc0, 0x00, 0x00, (uint8_t)c->sw };

	if (!c->selected || c->sw >> 8 != 0x61 || p->piece == 4)
		return STEP_SKIP;
	return card_at_ask_apdu(c, get, sizeof(get), false);
}

static enum step_verdict fetched(struct proc *p)
{
	struct card_at *c = card_of(p);

	if (p->answer.kind != CAUSE_NONE || !c->answered || c->garbled)
		c->data_n = 0;
	return p->answer.kind == CAUSE_NONE ? STEP_AGAIN : STEP_NEXT;
}

static int close_unused(struct proc *p)
{
	struct card_at *c = card_of(p);

	return c->channel_open && !c->selected ? close_one(c, c->number) : STEP_SKIP;
}

static int decide(struct proc *p)
{
	struct card_at *c = card_of(p);

	if (c->selected) {
		c->opened_by = c->way = CARD_AT_CSIM;
		return STEP_SKIP;
	}
	/* A card that refused by its own word has shown that +CSIM works. */
	if (!strcmp(c->refusal.from, "card") && c->channel_open)
		c->way = CARD_AT_CSIM;
	proc_fail(p, c->refusal.kind, c->refusal.from, c->refusal.code);
	return -ENOENT;
}

static int begin(struct proc *p)
{
	struct card_at *c = card_of(p);

	c->sweeping = c->adrift = false;
	c->channel_open = c->selected = false;
	return STEP_SKIP;
}

const struct step card_at_opening_steps[] = {
	{ "begin",          begin,             go_on,         0 },
	{ "close-left",     close_left,        left_closed,   0 },
	{ "ccho",           ask_ccho,          judge_ccho,    0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "sweep",          sweep,             swept,         0 },
	{ "ccho-again",     ask_ccho_again,    judge_ccho,    0 },
	{ "channel",        ask_channel,       judge_channel, 0, BUSY_TRIES, BUSY_PAUSE_MS },
	{ "sweep-channels", sweep_channels,    swept,         0 },
	{ "channel-again",  ask_channel_again, judge_channel, 0 },
	{ "select",         ask_select,        judge_select,  0, 2 },
	{ "fci",            fetch_fci,         fetched,       0 },
	{ "close-unused",   close_unused,      go_on,         0 },
	{ "decide",         decide,            go_on,         0 },
	{ 0 }
};
