/* The bed's channel to the card: the virtual eUICC's, with trouble on it. */
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "support/ipabed.h"
#include "support/test.h"

#define BLOCK 0xe2              /* STORE DATA */
#define LAST_BLOCK 0x91

static struct faulty {
	struct card_channel channel;
	struct card_channel_user user;
	struct card_exchange mine, *theirs;
	struct cause why;
	struct ev_task end;
	enum trouble trouble;
	bool forwarded;
	uint32_t tag;                   /* of the function whose blocks are being sent */
	uint8_t command[CARD_COMMAND_MAX];      /* spoilt on the way */
} faulty;

static void on_opened(struct card_channel_user *u, const struct cause *why, const uint8_t *fci, size_t n)
{
	(void)u;
	faulty.channel.user->opened(faulty.channel.user, why, fci, n);
}

static void on_lost(struct card_channel_user *u)
{
	(void)u;
	faulty.channel.user->lost(faulty.channel.user);
}

static void on_faulty_end(struct ev_task *t)
{
	struct card_exchange *x = faulty.theirs;

	(void)t;
	faulty.theirs = NULL;
	x->done(x, cause_is_set(&faulty.why) ? &faulty.why : NULL);
}

/* --- what the card says no with ------------------------------------------------------------------------ */

/*
 * The error alternative of each function; what has a signature, or a transaction, in it is made by the
 * card itself out of a command with a bit turned.
 */
static const struct {
	uint32_t tag;
	const char *answer;
	uint8_t n;
} refusals[] = {
	{ 0xbf2b, "\xbf\x2b\x03\x81\x01\x7f", 6 },
	{ 0xbf30, "\xbf\x30\x03\x80\x01\x7f", 6 },
	{ 0xbf41, "\xbf\x41\x03\x81\x01\x05", 6 },
	{ 0xbf51, "\xbf\x51\x00", 3 },
	{ 0xbf5a, "\xbf\x5a\x03\x80\x01\x7f", 6 },
};

static bool refuse(struct card_exchange *x)
{
	for (size_t k = 0; k < ARRAY_SIZE(refusals); k++) {
		if (refusals[k].tag != faulty.tag || x->command[2] != LAST_BLOCK)
			continue;
		memcpy(x->data, refusals[k].answer, refusals[k].n);
		x->data_n = refusals[k].n;
		x->sw = 0x9000;
		return true;
	}
	return false;
}

static void spoil_command(struct card_exchange *x)
{
	memcpy(faulty.command, x->command, x->command_n);
	/* Near the end: a signature, a MAC, a value, seldom a length. */
	faulty.command[x->command_n - (x->command_n > 12 ? 7 : 2)] ^= 0x01;
	faulty.mine.command = faulty.command;
}

/* --- trouble --------------------------------------------------------------------------------------------- */

static void spoil_answer(struct card_exchange *x)
{
	/* Where nothing is to be said garbage is something. */
	if (!x->data_n && x->cap >= 4) {
		memcpy(x->data, "\xde\xad\xbe\xef", 4);
		x->data_n = 4;
		return;
	}
	for (size_t k = 0; k < x->data_n; k++)
		x->data[k] ^= 0x5a;
}

static void set_sw(struct card_exchange *x, uint16_t sw)
{
	x->data_n = 0;
	x->sw = sw;
}

/* What the daemon hears of the exchange that was struck. */
static void strike(enum trouble t)
{
	struct card_exchange *x = faulty.theirs;

	faulty.why = (struct cause){ 0 };
	if (ipabed_ends_daemon(t))
		return;
	switch (t) {
	case REFUSED:
		set_sw(x, 0x6f00);
		break;
	case FORBIDDEN:
		set_sw(x, 0x6985);
		break;
	case MALFORMED_SW:
		set_sw(x, 0x6a80);
		break;
	case GARBAGE:
		spoil_answer(x);
		break;
	case TRUNCATED:
		x->data_n /= 2;
		break;
	case SILENT:
	case SILENT_AFTER:
		faulty.why = (struct cause){ CAUSE_TIMEOUT, "module", -1, NULL };
		break;
	case LOST:
	case LOST_AFTER:
		faulty.why = (struct cause){ CAUSE_LINK_LOST, "module", -1, NULL };
		ipabed_restart_card();
		break;
	case SAYS_NO:
	case NOTHING:
	case KILLED:
	case KILLED_AFTER:
	case POWER:
	case POWER_AFTER:
	case CUT:
	case STALLED:
	case OTHER_SESSION:
	case FORGED:
	case AWAY:
	case UNWANTED:
	case STOPPED:
	case _TROUBLE_MAX:
		break;
	}
	ev_task_start(&faulty.end);
}

static void on_inner_done(struct card_exchange *m, const struct cause *why)
{
	struct card_exchange *x = faulty.theirs;
	enum trouble t = faulty.trouble;

	x->data_n = m->data_n;
	x->sw = m->sw;
	faulty.forwarded = false;
	faulty.trouble = NOTHING;
	if (t != NOTHING && trouble_is_after(t)) {
		strike(t);
		return;
	}
	faulty.theirs = NULL;
	x->done(x, why);
}

static void faulty_open(struct card_channel *c, const uint8_t *aid, size_t n)
{
	(void)c;
	ipabed.sim.channel.user = &faulty.user;
	card_open(&ipabed.sim.channel, aid, n);
}

static enum trouble note(const struct card_exchange *x)
{
	char what[48];

	if (x->command[1] == BLOCK && x->command[3] == 0 && x->command_n > 6)
		faulty.tag = x->command[5] & 0x1f && (x->command[5] & 0x1f) == 0x1f ?
				     (uint32_t)x->command[5] << 8 | x->command[6] : x->command[5];
	snprintf(what, sizeof(what), "%02X%02X %X block %u", x->command[1], x->command[2], (unsigned)faulty.tag,
		 x->command[3]);
	return ipabed_note(TO_CARD, what);
}

static void faulty_exchange(struct card_channel *c, struct card_exchange *x)
{
	enum trouble t = note(x);

	(void)c;
	faulty.theirs = x;
	if (t != NOTHING && !trouble_is_after(t) && (t != SAYS_NO || refuse(x))) {
		strike(t);
		return;
	}
	faulty.trouble = t;
	faulty.mine = *x;
	faulty.mine.done = on_inner_done;
	if (t == SAYS_NO)
		spoil_command(x);
	faulty.forwarded = true;
	card_exchange(&ipabed.sim.channel, &faulty.mine);
}

static void faulty_cancel(struct card_channel *c, struct card_exchange *x)
{
	(void)c;
	if (faulty.theirs != x)
		return;
	ev_task_stop(&faulty.end);
	if (faulty.forwarded)
		card_cancel(&ipabed.sim.channel, &faulty.mine);
	faulty.theirs = NULL;
	faulty.forwarded = false;
	faulty.trouble = NOTHING;
}

static void faulty_close(struct card_channel *c)
{
	(void)c;
	card_close(&ipabed.sim.channel);
}

static const struct card_channel_ops ops = {
	.open = faulty_open, .exchange = faulty_exchange, .cancel = faulty_cancel, .close = faulty_close,
};

struct card_channel *ipabed_card_open(void)
{
	memset(&faulty, 0, sizeof(faulty));
	faulty.channel.ops = &ops;
	faulty.channel.segment_max = 255;
	faulty.user.opened = on_opened;
	faulty.user.lost = on_lost;
	faulty.end.run = on_faulty_end;
	return &faulty.channel;
}

bool ipabed_card_is_asked(void)
{
	return faulty.theirs != NULL;
}
