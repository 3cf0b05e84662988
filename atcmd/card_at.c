/* Exchanges on an open channel; how one is opened is in card_open.c. */
#include "atcmd/card_at.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "atcmd/answers.h"
#include "atcmd/args.h"
#include "core/hex.h"
#include "core/log.h"

/* Closing after trouble took up to 30 s in the field. */
#define CLOSE_MS 30000

/* 61xx behind 61xx: a long answer has some dozens of pieces, a mad card has no end. */
#define FOLLOW_UPS_MAX 200

static struct card_at *card_of(struct card_channel *ch)
{
	return container_of(ch, struct card_at, channel);
}

uint8_t card_at_cla(uint8_t cla, unsigned channel)
{
	if (channel < 4)
		return (uint8_t)((cla & 0xfc) | channel);
	return (uint8_t)((cla & 0x80) | 0x40 | (channel - 4));
}

bool card_at_is_open(const struct card_at *c)
{
	return c->opened_by != CARD_AT_UNKNOWN;
}

bool card_at_is_closing(const struct card_at *c)
{
	return at_cmd_active(&c->closing) || c->unwanted;
}

/* --- one APDU ----------------------------------------------------------------------------------- */

/* "+CGLA: 8,"61139000"": what was announced must have come, in digits or, on some, in octets. */
static bool complete(struct text line, size_t digits)
{
	struct at_args a = at_args(line, text_case_starts(line, "+CSIM") ? "+CSIM:" : "+CGLA:");
	uint32_t announced = at_arg_num(&a);

	return announced == digits || announced * 2 == digits;
}

/* The data goes behind what has come before; the status word replaces the one before. */
static void take_apdu(struct card_at *c, struct text line, uint8_t *dst, size_t cap, size_t *n)
{
	struct text data, sw;
	uint8_t word[2];
	size_t len = 0;

	if (at_apdu_parse(line, &data, &sw) < 0 || !complete(line, data.n + sw.n) ||
	    hex_decode(sw, word, sizeof(word), &len) < 0) {
		c->garbled = true;
		return;
	}
	len = 0;
	if (data.n && hex_decode(data, dst + *n, cap - *n, &len) < 0) {
		c->garbled = true;
		return;
	}
	*n += len;
	c->sw = (uint16_t)(word[0] << 8 | word[1]);
	c->answered = true;
}

static void on_opening_line(struct at_cmd *cmd, struct text line)
{
	struct card_at *c = container_of(cmd, struct card_at, cmd);
	struct text session;

	if (text_case_starts(line, "+CGLA") || text_case_starts(line, "+CSIM"))
		take_apdu(c, line, c->data, sizeof(c->data), &c->data_n);
	else if (at_ccho_parse(line, &session) == 0)
		text_copy(session, c->session, sizeof(c->session));
}

static struct cause cause_of(enum at_end end, int code)
{
	switch (end) {
	case AT_OK:
		return (struct cause){ 0 };
	case AT_ERROR:
	case AT_CME_ERROR:
	case AT_CMS_ERROR:
	case AT_NO_CARRIER:
	case AT_CONNECT:
		return (struct cause){ CAUSE_REFUSED, "module", code, NULL };
	case AT_TIMEOUT:
		return (struct cause){ CAUSE_TIMEOUT, "module", -1, NULL };
	case AT_LINK_LOST:
	case _AT_END_MAX:
		break;
	}
	return (struct cause){ CAUSE_LINK_LOST, "module", -1, NULL };
}

static void on_opening_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct card_at *c = container_of(cmd, struct card_at, cmd);
	struct cause why = cause_of(end, code);

	(void)final;
	/* Judged like a refusal: half a minute of silence is not waited for ten times. */
	c->timed_out = why.kind == CAUSE_TIMEOUT;
	if (c->timed_out)
		why.kind = CAUSE_REFUSED;
	proc_answer(&c->opening, cause_is_set(&why) ? &why : NULL);
}

int card_at_ask(struct card_at *c, const char *command, const char *prefix, unsigned patience_ms)
{
	if (command != c->text && text_copy(text_of(command), c->text, sizeof(c->text)) < 0)
		return -EMSGSIZE;
	c->cmd = (struct at_cmd){ .text = c->text, .prefix = prefix, .every = true,
				  .patience_ms = patience_ms, .line = on_opening_line,
				  .done = on_opening_done };
	c->answered = c->garbled = false;
	c->session[0] = '\0';
	at_submit(c->chat, &c->cmd);
	return 0;
}

static void write_csim(struct card_at *c, const uint8_t *apdu, size_t n)
{
	int at = snprintf(c->text, sizeof(c->text), "AT+CSIM=%zu,\"", 2 * n);

	hex_encode(apdu, n, c->text + at, sizeof(c->text) - (size_t)at);
	strcat(c->text, "\"");
}

static void write_cgla(struct card_at *c, const uint8_t *apdu, size_t n)
{
	int at = snprintf(c->text, sizeof(c->text), "AT+CGLA=%s,%zu,\"", c->handle, 2 * n);

	hex_encode(apdu, n, c->text + at, sizeof(c->text) - (size_t)at);
	strcat(c->text, "\"");
}

int card_at_ask_apdu(struct card_at *c, const uint8_t *apdu, size_t n, bool first)
{
	if (n > CARD_COMMAND_MAX)
		return -EMSGSIZE;
	write_csim(c, apdu, n);
	c->cmd = (struct at_cmd){ .text = c->text, .every = true, .patience_ms = CLOSE_MS,
				  .line = on_opening_line, .done = on_opening_done };
	c->answered = c->garbled = false;
	c->data_n = first ? 0 : c->data_n;
	at_submit_first(c->chat, &c->cmd);
	return 0;
}

/* --- exchanges ------------------------------------------------------------------------------------ */

static void on_end(struct ev_task *t)
{
	struct card_at *c = container_of(t, struct card_at, end);
	struct card_exchange *x = c->now;

	c->now = NULL;
	x->done(x, cause_is_set(&c->ended) ? &c->ended : NULL);
}

static void end_exchange(struct card_at *c, enum cause_kind kind, const char *from, int code)
{
	c->ended = (struct cause){ kind, from, code, NULL };
	ev_task_start(&c->end);
}

static void on_exchange_line(struct at_cmd *cmd, struct text line)
{
	struct card_at *c = container_of(cmd, struct card_at, cmd);

	if (text_case_starts(line, "+CGLA") || text_case_starts(line, "+CSIM"))
		take_apdu(c, line, c->now->data, c->now->cap, &c->now->data_n);
}

static void on_exchange_done(struct at_cmd *cmd, enum at_end end, int code, struct text final);

static void send_apdu(struct card_at *c, bool at_once)
{
	if (c->now->basic || c->opened_by == CARD_AT_CSIM)
		write_csim(c, c->command, c->command_n);
	else
		write_cgla(c, c->command, c->command_n);
	c->cmd = (struct at_cmd){ .text = c->text, .every = true, .patience_ms = c->now->patience_ms,
				  .line = on_exchange_line, .done = on_exchange_done };
	c->answered = c->garbled = false;
	if (at_once)
		at_submit_first(c->chat, &c->cmd);
	else
		at_submit(c->chat, &c->cmd);
}

/* ISO/IEC 7816-4 5.3.4: the rest of the answer, or the same command with the right Le. */
static bool follow_up(struct card_at *c)
{
	uint8_t sw1 = (uint8_t)(c->sw >> 8), le = (uint8_t)c->sw;

	if ((sw1 != 0x61 && sw1 != 0x6c) || ++c->follow_ups > FOLLOW_UPS_MAX)
		return false;
	if (sw1 == 0x61) {
		const uint8_t get[] = { c->command[0], 0xc0, 0x00, 0x00, le };

		memcpy(c->command, get, sizeof(get));
		c->command_n = sizeof(get);
	} else if (c->command_n == 5 || c->command_n == 5u + c->command[4] + 1) {
		c->command[c->command_n - 1] = le;
	} else if (c->command_n == 4 || c->command_n == 5u + c->command[4]) {
		c->command[c->command_n++] = le;
	}
	send_apdu(c, true);
	return true;
}

static void on_exchange_done(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct card_at *c = container_of(cmd, struct card_at, cmd);
	struct cause why = cause_of(end, code);

	(void)final;
	if (cause_is_set(&why)) {
		end_exchange(c, why.kind, why.from, why.code);
		return;
	}
	if (!c->answered || c->garbled) {
		end_exchange(c, CAUSE_MALFORMED, "module", -1);
		return;
	}
	/*
	 * The channel is closed: the card was reset behind our back. The module may not know it, and
	 * keep its session: that is closed before another one is opened.
	 */
	if (c->sw == 0x6881 && !c->now->basic) {
		end_exchange(c, CAUSE_LINK_LOST, "card", c->sw);
		card_at_line_lost(c);
		return;
	}
	if (follow_up(c))
		return;
	c->now->sw = c->sw;
	end_exchange(c, CAUSE_NONE, NULL, 0);
}

static void exchange(struct card_channel *ch, struct card_exchange *x)
{
	struct card_at *c = card_of(ch);

	assert(!c->now && x->command_n >= 4 && x->command_n <= CARD_COMMAND_MAX);
	c->now = x;
	x->data_n = 0;
	x->sw = 0;
	c->follow_ups = 0;
	c->used_ms = ev_now_ms();
	if (!x->basic && !card_at_is_open(c)) {
		end_exchange(c, CAUSE_LINK_LOST, "card", -1);
		return;
	}
	memcpy(c->command, x->command, x->command_n);
	c->command_n = x->command_n;
	if (!x->basic && c->opened_by == CARD_AT_CSIM)
		c->command[0] = card_at_cla(c->command[0], c->number);
	send_apdu(c, false);
}

static void cancel(struct card_channel *ch, struct card_exchange *x)
{
	struct card_at *c = card_of(ch);

	if (c->now != x)
		return;
	ev_task_stop(&c->end);
	at_cancel(c->chat, &c->cmd);
	c->now = NULL;
}

/* --- opening and closing ---------------------------------------------------------------------------- */

void card_at_note(struct card_at *c, const char *handle)
{
	if (!strcmp(c->noted, handle))
		return;
	snprintf(c->noted, sizeof(c->noted), "%s", handle);
	if (c->remember)
		c->remember(c, c->noted);
}

static void keep(struct card_at *c)
{
	char handle[CARD_AT_HANDLE_MAX] = "";

	switch (c->opened_by) {
	case CARD_AT_CCHO:
		snprintf(handle, sizeof(handle), "ccho:%s", c->handle);
		break;
	case CARD_AT_CSIM:
		snprintf(handle, sizeof(handle), "csim:%u", c->number);
		break;
	case CARD_AT_UNKNOWN:
	case _CARD_AT_WAY_MAX:
		break;
	}
	card_at_note(c, handle);
}

static void open_channel(struct card_channel *ch, const uint8_t *aid, size_t n);
static void close_channel(struct card_channel *ch);

static void on_opened(struct proc *p)
{
	struct card_at *c = container_of(p, struct card_at, opening);
	struct card_channel_user *u = c->channel.user;
	struct cause why = p->cause;

	if (c->unwanted) {
		c->unwanted = false;
		if (card_at_is_open(c))
			close_channel(&c->channel);
		if (c->open_again)
			open_channel(&c->channel, c->aid, c->aid_n);
		return;
	}
	if (cause_is_set(&why)) {
		/* What became of it is not known where the line was lost on the way. */
		if (why.kind != CAUSE_LINK_LOST)
			keep(c);
		if (u)
			u->opened(u, &why, NULL, 0);
		return;
	}
	log_debug("card", "channel open by %s", c->opened_by == CARD_AT_CCHO ? "+CCHO" : "+CSIM");
	keep(c);
	if (u)
		u->opened(u, NULL, c->data, c->data_n);
}

static void on_abandon(struct proc *p)
{
	struct card_at *c = container_of(p, struct card_at, opening);

	at_cancel(c->chat, &c->cmd);
}

static void open_channel(struct card_channel *ch, const uint8_t *aid, size_t n)
{
	struct card_at *c = card_of(ch);

	assert(!card_at_is_open(c) && n && n <= 16);
	c->aid = aid;
	c->aid_n = n;
	c->open_again = c->unwanted;
	if (c->unwanted)
		return;
	assert(!proc_running(&c->opening));
	c->refusal = (struct cause){ 0 };
	c->data_n = 0;
	proc_start(&c->opening);
}

static void on_closed(struct at_cmd *cmd, enum at_end end, int code, struct text final)
{
	struct card_at *c = container_of(cmd, struct card_at, closing);

	(void)code;
	(void)final;
	/* Some answer ERROR to the closing of what is closed already. */
	log_debug("card", "channel closed: %s", at_end_name(end));
	if (end != AT_LINK_LOST && !card_at_is_open(c) && !proc_running(&c->opening))
		keep(c);
}

static void submit_closing(struct card_at *c)
{
	if (at_cmd_active(&c->closing))
		return;
	if (c->opened_by == CARD_AT_CCHO)
		snprintf(c->closing_text, sizeof(c->closing_text), "AT+CCHC=%s", c->handle);
	else
		snprintf(c->closing_text, sizeof(c->closing_text), "AT+CSIM=10,\"007080%02X00\"",
			 c->number);
	c->closing = (struct at_cmd){ .text = c->closing_text, .every = true, .patience_ms = CLOSE_MS,
				      .done = on_closed };
	at_submit_first(c->chat, &c->closing);
}

static void close_channel(struct card_channel *ch)
{
	struct card_at *c = card_of(ch);

	if (c->now)
		cancel(ch, c->now);
	/* The module may be opening it just now: only the answer tells what is to be closed. */
	c->unwanted = proc_running(&c->opening);
	c->open_again = false;
	ev_task_stop(&c->tell_lost);
	if (card_at_is_open(c) && at_chat_is_open(c->chat))
		submit_closing(c);
	/* It is forgotten when the module has closed it. */
	c->opened_by = CARD_AT_UNKNOWN;
}

static void on_tell_lost(struct ev_task *t)
{
	struct card_at *c = container_of(t, struct card_at, tell_lost);

	if (c->channel.user)
		c->channel.user->lost(c->channel.user);
}

static void lose(struct card_at *c)
{
	c->losses++;
	c->swept = c->swept_channels = false;
	if (c->now && !c->now->basic && at_cmd_active(&c->cmd)) {
		at_cancel(c->chat, &c->cmd);
		end_exchange(c, CAUSE_LINK_LOST, "card", -1);
	}
	if (proc_running(&c->opening))
		proc_cancel(&c->opening, CAUSE_LINK_LOST);
	if (!card_at_is_open(c))
		return;
	log_debug("card", "the channel is gone");
	c->opened_by = CARD_AT_UNKNOWN;
	ev_task_start(&c->tell_lost);
}

void card_at_lost(struct card_at *c)
{
	lose(c);
	c->left[0] = '\0';
	card_at_note(c, "");
}

void card_at_line_lost(struct card_at *c)
{
	lose(c);
	if (c->noted[0])
		memcpy(c->left, c->noted, sizeof(c->left));
}

static const struct card_channel_ops ops = {
	.open = open_channel, .exchange = exchange, .cancel = cancel, .close = close_channel,
};

void card_at_init(struct card_at *c)
{
	c->channel.ops = &ops;
	if (!c->channel.segment_max)
		c->channel.segment_max = CARD_AT_SEGMENT;
	c->end.run = on_end;
	c->tell_lost.run = on_tell_lost;
	c->opening.name = "card";
	c->opening.steps = card_at_opening_steps;
	c->opening.abandon = on_abandon;
	c->opening.finished = on_opened;
}

void card_at_set_family(struct card_at *c, const struct at_family *family)
{
	c->way = family->card_by_csim ? CARD_AT_CSIM : CARD_AT_UNKNOWN;
}

void card_at_drop(struct card_at *c)
{
	ev_task_stop(&c->end);
	ev_task_stop(&c->tell_lost);
	if (proc_running(&c->opening))
		proc_drop(&c->opening);
	at_cancel(c->chat, &c->cmd);
	at_cancel(c->chat, &c->closing);
	c->now = NULL;
	c->unwanted = false;
	c->opened_by = CARD_AT_UNKNOWN;
}
