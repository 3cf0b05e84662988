#include "support/card_sim.h"

#include <assert.h>
#include <string.h>

#include "core/util.h"

enum { IDLE, EXPECT_CHANNEL, EXPECT_SELECT, EXPECT_FCI, EXPECT_DATA, EXPECT_CLOSED };

static struct card_sim *sim_of(struct card_channel *c)
{
	return container_of(c, struct card_sim, channel);
}

static void send(struct card_sim *s, const uint8_t *apdu, size_t n, unsigned state)
{
	assert(!s->busy);
	s->busy = true;
	s->state = state;
	s->apdus++;
	card_transmit(s->card, apdu, n);
}

static uint8_t cla(const struct card_sim *s, uint8_t octet, bool basic)
{
	if (basic)
		return octet;
	return s->number < 4 ? octet | s->number : (octet & 0x80) | 0x40 | (s->number - 4);
}

static void send_command(struct card_sim *s)
{
	memcpy(s->command, s->now->command, s->now->command_n);
	s->command_n = s->now->command_n;
	s->command[0] = cla(s, s->command[0], s->now->basic);
	s->now->data_n = 0;
	send(s, s->command, s->command_n, EXPECT_DATA);
}

/* What is wanted next, closing first. */
static void step(struct card_sim *s)
{
	static const uint8_t manage[] = { 0x00, 0x70, 0x00, 0x00, 0x01 };
	const uint8_t close[] = { 0x00, 0x70, 0x80, (uint8_t)s->old_number, 0x00 };

	if (s->busy || s->resetting)
		return;
	if (s->close_wanted) {
		s->close_wanted = false;
		send(s, close, sizeof(close), EXPECT_CLOSED);
	} else if (s->open_wanted) {
		s->open_wanted = false;
		send(s, manage, sizeof(manage), EXPECT_CHANNEL);
	} else if (s->now && (s->open || s->now->basic)) {
		send_command(s);
	} else if (s->now) {
		s->end = (struct cause){ CAUSE_LINK_LOST, "module", -1, NULL };
		ev_task_start(&s->task);
	}
}

static void on_task(struct ev_task *t)
{
	struct card_sim *s = container_of(t, struct card_sim, task);
	struct card_exchange *x = s->now;

	s->now = NULL;
	if (x)
		x->done(x, &s->end);
}

static void on_open(struct card_channel *c, const uint8_t *aid, size_t n)
{
	struct card_sim *s = sim_of(c);

	s->aid = aid;
	s->aid_n = n;
	s->open_wanted = true;
	step(s);
}

static void on_exchange(struct card_channel *c, struct card_exchange *x)
{
	struct card_sim *s = sim_of(c);

	assert(!s->now);
	s->now = x;
	step(s);
}

static void on_cancel(struct card_channel *c, struct card_exchange *x)
{
	struct card_sim *s = sim_of(c);

	assert(s->now == x);
	s->now = NULL;
	s->swallow = s->busy;
	ev_task_stop(&s->task);
}

static void on_close(struct card_channel *c)
{
	struct card_sim *s = sim_of(c);

	assert(!s->now);
	if (s->state == EXPECT_SELECT || s->state == EXPECT_FCI || s->open) {
		s->close_wanted = true;
		s->old_number = s->number;
	}
	s->swallow = s->busy;
	s->open = s->open_wanted = false;
	step(s);
}

static const struct card_channel_ops ops = { on_open, on_exchange, on_cancel, on_close };

/* 91xx: done, and a proactive command waits for the module. */
static bool sw_good(uint16_t sw)
{
	return sw == 0x9000 || sw >> 8 == 0x91;
}

static void opened(struct card_sim *s, uint16_t sw)
{
	struct cause why = { CAUSE_REFUSED, "card", sw, NULL };

	s->state = IDLE;
	s->open = sw == 0;
	if (sw) {
		s->close_wanted = s->number > 0;
		s->old_number = s->number;
		step(s);
	}
	s->channel.user->opened(s->channel.user, sw ? &why : NULL, s->fci, sw ? 0 : s->fci_n);
}

static void get_response(struct card_sim *s, uint8_t n, bool basic, unsigned state)
{
	const uint8_t get[] = { cla(s, 0x00, basic), 0xc0, 0x00, 0x00, n };

	send(s, get, sizeof(get), state);
}

static void on_data(struct card_sim *s, const uint8_t *p, size_t n, uint16_t sw)
{
	struct card_exchange *x = s->now;

	if (n > x->cap - x->data_n) {
		s->now = NULL;
		x->done(x, &(struct cause){ CAUSE_MALFORMED, "card", -1, NULL });
		return;
	}
	if (n)
		memcpy(x->data + x->data_n, p, n);
	x->data_n += n;
	if (sw >> 8 == 0x61) {
		get_response(s, sw & 0xff, x->basic, EXPECT_DATA);
		return;
	}
	s->state = IDLE;
	s->now = NULL;
	x->sw = sw;
	x->done(x, NULL);
}

static void on_select(struct card_sim *s, const uint8_t *p, size_t n, uint16_t sw)
{
	if (n && n <= sizeof(s->fci)) {
		memcpy(s->fci, p, n);
		s->fci_n = n;
	}
	if (s->state == EXPECT_SELECT && sw >> 8 == 0x61)
		get_response(s, sw & 0xff, false, EXPECT_FCI);
	else
		opened(s, s->state == EXPECT_FCI || sw_good(sw) ? 0 : sw);
}

static void on_channel(struct card_sim *s, const uint8_t *p, size_t n, uint16_t sw)
{
	uint8_t apdu[21] = { 0x00, 0xa4, 0x04, 0x00, 0x10 };

	s->number = 0;
	s->fci_n = 0;
	if (!sw_good(sw) || n != 1) {
		opened(s, sw);
		return;
	}
	s->number = p[0];
	apdu[0] = cla(s, 0x00, false);
	memcpy(apdu + 5, s->aid, 16);
	send(s, apdu, sizeof(apdu), EXPECT_SELECT);
}

static void on_answered(struct card_user *u, const uint8_t *answer, size_t n)
{
	struct card_sim *s = container_of(u, struct card_sim, user);
	uint16_t sw = n < 2 ? 0x6f00 : (uint16_t)(answer[n - 2] << 8 | answer[n - 1]);

	s->busy = false;
	n = n < 2 ? 0 : n - 2;
	if (s->swallow) {
		/* A channel that came open for nobody. */
		if (s->state == EXPECT_CHANNEL && n == 1) {
			s->close_wanted = true;
			s->old_number = answer[0];
		}
		s->swallow = false;
		s->state = IDLE;
		step(s);
		return;
	}
	switch (s->state) {
	case EXPECT_CHANNEL:
		on_channel(s, answer, n, sw);
		break;
	case EXPECT_SELECT:
	case EXPECT_FCI:
		on_select(s, answer, n, sw);
		break;
	case EXPECT_DATA:
		on_data(s, answer, n, sw);
		break;
	default:
		s->state = IDLE;
	}
	step(s);
}

static void on_started(struct card_user *u, const uint8_t *atr, size_t n)
{
	struct card_sim *s = container_of(u, struct card_sim, user);

	(void)atr, (void)n;
	s->resetting = false;
	step(s);
}

static void on_moved(struct card_user *u, int present)
{
	(void)u, (void)present;
}

void card_sim_init(struct card_sim *s, struct card *card)
{
	memset(s, 0, sizeof(*s));
	s->channel.ops = &ops;
	s->channel.segment_max = 255;
	s->card = card;
	s->user = (struct card_user){ on_started, on_answered, on_moved };
	s->task.run = on_task;
	card->user = &s->user;
}

void card_sim_reset(struct card_sim *s)
{
	struct card_exchange *x = s->now;
	bool was = s->open;

	s->busy = s->swallow = s->open = s->close_wanted = false;
	s->state = IDLE;
	s->resetting = true;
	card_reset(s->card);
	s->now = NULL;
	if (x)
		x->done(x, &(struct cause){ CAUSE_LINK_LOST, "module", -1, NULL });
	if (was)
		s->channel.user->lost(s->channel.user);
}

void card_sim_done(struct card_sim *s)
{
	ev_task_stop(&s->task);
}
