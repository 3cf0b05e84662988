#include "euicc/apdu.h"

#include <assert.h>
#include <errno.h>

#include "core/util.h"

/* P2 counts blocks in one octet. */
#define BLOCKS_MAX 256

bool apdu_sw_ok(uint16_t sw)
{
	return sw == SW_OK || sw >> 8 == 0x91;
}

static void end(struct apdu *a, const struct cause *why)
{
	a->running = false;
	a->done(a, why);
}

static void end_with(struct apdu *a, enum cause_kind kind, const char *from, int code)
{
	end(a, &(struct cause){ .kind = kind, .from = from, .code = code });
}

static size_t segment(const struct apdu *a)
{
	size_t n = a->channel->segment_max;

	assert(n > 0 && n <= 255);
	return a->block_max ? MIN(n, a->block_max) : n;
}

/* STORE DATA without Le: it has none where the channel fetches by itself, and cards accept it. */
static void send_block(struct apdu *a)
{
	size_t left = a->command.n - a->sent;
	size_t n = MIN(left, segment(a));

	a->buf[0] = 0x80;
	a->buf[1] = 0xe2;
	a->buf[2] = n == left ? 0x91 : 0x11;
	a->buf[3] = (uint8_t)a->block++;
	a->buf[4] = (uint8_t)n;
	memcpy(a->buf + 5, a->command.p + a->sent, n);
	a->in_flight = n;
	a->x.command = a->buf;
	a->x.command_n = 5 + n;
	a->x.basic = false;
	a->x.patience_ms = a->patience_ms;
	a->x.data = a->answer;
	a->x.cap = a->cap;
	a->x.data_n = 0;
	card_exchange(a->channel, &a->x);
}

static void on_answer(struct card_exchange *x, const struct cause *why)
{
	struct apdu *a = container_of(x, struct apdu, x);

	if (why) {
		end(a, why);
		return;
	}
	a->sw = x->sw;
	if (!apdu_sw_ok(x->sw)) {
		end_with(a, CAUSE_REFUSED, "card", x->sw);
		return;
	}
	a->sent += a->in_flight;
	if (a->sent < a->command.n && x->data_n == 0) {
		send_block(a);
		return;
	}
	a->answer_n = x->data_n;
	end(a, NULL);
}

static void on_task(struct ev_task *t)
{
	struct apdu *a = container_of(t, struct apdu, task);

	end_with(a, CAUSE_REFUSED, "us", EMSGSIZE);
}

void apdu_start(struct apdu *a)
{
	assert(!a->running);
	a->x.done = on_answer;
	a->task.run = on_task;
	a->block = 0;
	a->sent = a->answer_n = 0;
	a->sw = 0;
	a->running = true;
	if (a->command.n == 0 || a->command.n > BLOCKS_MAX * segment(a))
		ev_task_start(&a->task);
	else
		send_block(a);
}

void apdu_cancel(struct apdu *a)
{
	if (!a->running)
		return;
	a->running = false;
	if (a->task.active)
		ev_task_stop(&a->task);
	else
		card_cancel(a->channel, &a->x);
}
