#include "esipa/ways.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ev.h"
#include "core/log.h"
#include "core/util.h"
#include "esipa/exchange.h"

#define WORTH_MS 1000   /* with less left, there is no use in another try */

struct ways {
	struct eim_link link;
	struct esipa_ways o;
	unsigned n, now;
	uint64_t left_ms;               /* when the preferred way was left … */
	char left_why[EIM_TEXT_MAX];    /* … and why */
	bool fresh;                     /* nothing was asked yet in this visit */
	bool failed;                    /* the way failed in this visit, with something on it */
	/* what is under way */
	struct eim_exchange *asked;     /* NULL: nothing */
	struct eim_exchange x;          /* the same, on one of the ways */
	bool tried;                     /* on another way before */
	uint64_t due_ms;
	struct cause why;               /* of that one */
	char text[EIM_TEXT_MAX];
};

static struct ways *of(struct eim_link *l)
{
	return container_of(l, struct ways, link);
}

static const char *transport(const struct ways *w, unsigned way)
{
	struct eim_way is = { .transport = "this way" };

	eim_tell(w->o.links[way], &is);
	return is.transport;
}

static void take_way(struct ways *w, unsigned way, const char *why)
{
	if (way == w->now)
		return;
	if (w->now == 0) {
		w->left_ms = ev_now_ms();
		snprintf(w->left_why, sizeof(w->left_why), "%.20s: %.165s", transport(w, 0), why);
	}
	log_info("ipa", "eIM %s: over %s from now on: %s", w->o.name, transport(w, way), why);
	eim_close(w->o.links[w->now]);
	w->now = way;
}

/* What carries messages is not to blame for what an eIM says to them. */
static bool is_of_the_way(const struct cause *why)
{
	return why->kind == CAUSE_TIMEOUT || why->kind == CAUSE_LINK_LOST;
}

static void go(struct ways *w, unsigned patience_ms)
{
	w->x.patience_ms = patience_ms;
	eim_exchange(w->o.links[w->now], &w->x);
}

static void fail(struct ways *w, const struct cause *why)
{
	struct eim_exchange *x = w->asked;
	struct cause cause = *why;

	w->asked = NULL;
	x->reply = NULL;
	x->reply_n = 0;
	x->unsent = w->x.unsent;
	x->too_large = w->x.too_large;
	if (w->tried) {
		cause = w->why;
		snprintf(x->text, sizeof(x->text), "%.92s; then over %s: %.70s", w->text,
			 transport(w, w->now), w->x.text);
	} else {
		memcpy(x->text, w->x.text, sizeof(x->text));
	}
	x->done(x, &cause);
}

static void on_done(struct eim_exchange *inner, const struct cause *why)
{
	struct ways *w = container_of(inner, struct ways, x);
	uint64_t now = ev_now_ms();
	struct eim_exchange *x = w->asked;

	if (!why) {
		w->asked = NULL;
		x->reply = inner->reply;
		x->reply_n = inner->reply_n;
		x->done(x, NULL);
		return;
	}
	w->failed |= is_of_the_way(why) && !inner->unsent;
	if (!inner->unsent || w->tried || w->n < 2 || w->due_ms < now + WORTH_MS) {
		fail(w, why);
		return;
	}
	w->tried = true;
	w->why = *why;
	memcpy(w->text, inner->text, sizeof(w->text));
	take_way(w, !w->now, inner->text);
	go(w, (unsigned)(w->due_ms - now));
}

static void on_grown(struct eim_exchange *inner)
{
	esipa_exchange_grow(container_of(inner, struct ways, x)->asked, inner->reply, inner->reply_n);
}

static void on_exchange(struct eim_link *l, struct eim_exchange *x)
{
	struct ways *w = of(l);

	if (w->fresh && w->now != 0 && ev_now_ms() - w->left_ms >= w->o.return_ms)
		take_way(w, 0, "it may work again");
	w->fresh = false;
	esipa_exchange_begin(x);
	w->asked = x;
	w->tried = false;
	w->due_ms = ev_now_ms() + x->patience_ms;
	w->x = (struct eim_exchange){ .function = x->function, .request = x->request,
				      .request_n = x->request_n, .reply_max = x->reply_max,
				      .done = on_done, .grown = x->grown ? on_grown : NULL };
	go(w, x->patience_ms);
}

static void on_cancel(struct eim_link *l, struct eim_exchange *x)
{
	struct ways *w = of(l);

	if (w->asked != x)
		return;
	w->asked = NULL;
	eim_cancel(w->o.links[w->now], &w->x);
}

static void on_close(struct eim_link *l)
{
	struct ways *w = of(l);

	for (unsigned i = 0; i < w->n; i++)
		eim_close(w->o.links[i]);
	if (w->failed && w->n > 1)
		take_way(w, !w->now, "the last visit broke off");
	w->failed = false;
	w->fresh = true;
}

static void on_free(struct eim_link *l)
{
	struct ways *w = of(l);

	for (unsigned i = 0; i < w->n; i++)
		eim_free(w->o.links[i]);
	free(w);
}

static void on_tell(const struct eim_link *l, struct eim_way *ret)
{
	const struct ways *w = container_of(l, const struct ways, link);

	*ret = (struct eim_way){ .octets_sent = -1, .octets_received = -1 };
	eim_tell(w->o.links[w->now], ret);
	if (w->now)
		ret->instead = w->left_why;
}

static const struct eim_link_ops ops = {
	.exchange = on_exchange, .cancel = on_cancel, .close = on_close, .free = on_free, .tell = on_tell,
};

int esipa_ways_new(const struct esipa_ways *o, struct eim_link **ret)
{
	struct ways *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->link.ops = &ops;
	w->o = *o;
	w->n = o->links[1] ? 2 : 1;
	w->fresh = true;
	*ret = &w->link;
	return 0;
}
