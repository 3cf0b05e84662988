#include "euicc/euicc.h"

#include <assert.h>
#include <errno.h>

#include "core/log.h"
#include "core/util.h"

/* done() may do anything, even end the euicc: the next call is started by the task. */
static void end_call(struct euicc *e, const struct cause *why)
{
	struct euicc_call *c = e->now;

	e->now = NULL;
	c->euicc = NULL;
	ev_task_start(&e->task);
	c->done(c, why);
}

static void end_with(struct euicc *e, enum cause_kind kind, const char *from, int code)
{
	end_call(e, &(struct cause){ .kind = kind, .from = from, .code = code });
}

/* Less is not a card's limit but nonsense in its FCI: some commands would have too many blocks. */
#define BLOCK_MAX_AT_LEAST 32

static void start_apdu(struct euicc *e)
{
	size_t limit = e->isdr.fci.command_max;

	e->apdu.block_max = limit >= BLOCK_MAX_AT_LEAST ? limit : 0;
	e->apdu.command = e->now->command;
	e->apdu.patience_ms = es10_patience_ms(e->now->function);
	apdu_start(&e->apdu);
}

static void reopen(struct euicc *e)
{
	e->now->repeated = true;
	isdr_close(&e->isdr);
	e->proven = false;
	isdr_open(&e->isdr);
}

/* What the card says no to, and may do after something else was done first. True: it is tried. */
static bool try_otherwise(struct euicc *e, const struct cause *why)
{
	const struct euicc_call *c = e->now;

	if (why->kind != CAUSE_REFUSED || e->apdu.sw == 0 || c->repeated || c->same_channel)
		return false;
	if (e->apdu.sw == SW_CHANNEL_LOST) {
		log_debug("card", "%s: the channel is gone, opening it again",
			  es10_function_name(c->function));
		reopen(e);
		return true;
	}
	if (e->apdu.sw == SW_CONDITIONS && !e->proven && !e->isdr.wants_capability) {
		log_debug("card", "%s: refused right after the SELECT, sending TERMINAL CAPABILITY",
			  es10_function_name(c->function));
		e->isdr.wants_capability = e->asking_capability = true;
		reopen(e);
		return true;
	}
	return false;
}

/* One whole TLV with the right tag: what modules cut off at some 256 octets is not. */
static bool is_answer_of(enum es10_function f, struct octets answer)
{
	uint32_t want = f == ES10B_LOAD_BPP ? 0xbf37 : es10_function_tag(f), tag;
	size_t head, value;

	if (answer.n == 0)
		return f == ES10B_LOAD_BPP;
	return tlv_head(answer.p, answer.n, &tag, &head, &value) == 0 && tag == want &&
	       value == answer.n - head;
}

static void on_apdu(struct apdu *a, const struct cause *why)
{
	struct euicc *e = container_of(a, struct euicc, apdu);
	struct euicc_call *c = e->now;

	c->sw = a->sw;
	if (why) {
		if (try_otherwise(e, why))
			return;
		/* It was no cure: the next refusal shall not be taken for a wish again. */
		if (e->asking_capability)
			e->isdr.wants_capability = e->asking_capability = false;
		/* Whether the channel says so as well or not: it is of no more use. */
		if (why->kind == CAUSE_LINK_LOST && euicc_is_open(e)) {
			isdr_close(&e->isdr);
			e->tell_lost = true;
		}
		end_call(e, why);
		return;
	}
	e->proven = true;
	e->asking_capability = false;
	c->answer = octets_from(a->answer, a->answer_n);
	if (is_answer_of(c->function, c->answer))
		end_call(e, NULL);
	else
		end_with(e, CAUSE_MALFORMED, "card", -1);
}

static void on_opened(struct isdr *i, const struct cause *why)
{
	struct euicc *e = container_of(i, struct euicc, isdr);

	e->proven = false;
	if (why)
		end_call(e, why);
	else
		start_apdu(e);
}

static void on_lost(struct isdr *i)
{
	struct euicc *e = container_of(i, struct euicc, isdr);

	if (e->lost)
		e->lost(e);
}

static void on_task(struct ev_task *t)
{
	struct euicc *e = container_of(t, struct euicc, task);

	if (e->tell_lost) {
		e->tell_lost = false;
		ev_task_start(&e->task);
		on_lost(&e->isdr);
		return;
	}
	/* euicc_close() has taken the channel from under it. */
	if (e->now && !e->apdu.running && e->isdr.state == ISDR_CLOSED) {
		end_with(e, CAUSE_LINK_LOST, "us", -1);
		return;
	}
	if (e->now || list_empty(&e->queue))
		return;
	e->now = list_first(&e->queue, struct euicc_call, node);
	list_del(&e->now->node);
	if (euicc_is_open(e))
		start_apdu(e);
	else if (e->now->same_channel)
		end_with(e, CAUSE_LINK_LOST, "card", -1);
	else
		isdr_open(&e->isdr);
}

void euicc_init(struct euicc *e, struct card_channel *channel)
{
	e->isdr.channel = e->apdu.channel = channel;
	e->isdr.opened = on_opened;
	e->isdr.lost = on_lost;
	e->isdr.state = ISDR_CLOSED;
	e->apdu.done = on_apdu;
	e->apdu.answer = e->answer;
	e->apdu.cap = sizeof(e->answer);
	e->task.run = on_task;
	e->now = NULL;
	e->proven = e->asking_capability = e->tell_lost = false;
	list_init(&e->queue);
}

void euicc_done(struct euicc *e)
{
	struct euicc_call *c;

	apdu_cancel(&e->apdu);
	isdr_close(&e->isdr);
	ev_task_stop(&e->task);
	e->tell_lost = false;
	if (e->now)
		e->now->euicc = NULL;
	e->now = NULL;
	while ((c = list_first(&e->queue, struct euicc_call, node))) {
		list_del(&c->node);
		c->euicc = NULL;
	}
}

void euicc_call(struct euicc *e, struct euicc_call *c)
{
	assert(!c->euicc);
	c->euicc = e;
	c->repeated = false;
	c->answer = (struct octets){ 0 };
	c->sw = 0;
	list_add(&e->queue, &c->node);
	ev_task_start(&e->task);
}

void euicc_cancel(struct euicc_call *c)
{
	struct euicc *e = c->euicc;

	if (!e)
		return;
	c->euicc = NULL;
	if (c != e->now) {
		list_del(&c->node);
		return;
	}
	e->now = NULL;
	apdu_cancel(&e->apdu);
	if (e->isdr.state != ISDR_OPEN)
		isdr_close(&e->isdr);
	ev_task_start(&e->task);
}

void euicc_close(struct euicc *e)
{
	apdu_cancel(&e->apdu);
	isdr_close(&e->isdr);
	e->proven = false;
	if (e->now)
		ev_task_start(&e->task);
}

bool euicc_is_open(const struct euicc *e)
{
	return e->isdr.state == ISDR_OPEN;
}
