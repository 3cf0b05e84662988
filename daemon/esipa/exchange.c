#include "esipa/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/util.h"

void esipa_exchange_begin(struct eim_exchange *x)
{
	x->reply = NULL;
	x->reply_n = 0;
	x->text[0] = '\0';
	x->unsent = x->too_large = false;
}

size_t esipa_exchange_room(const struct eim_exchange *x, size_t link_max)
{
	size_t max = link_max ? link_max : ESIPA_REPLY_MAX;

	return x->reply_max ? MIN(x->reply_max, max) : max;
}

void esipa_exchange_grow(struct eim_exchange *x, uint8_t *so_far, size_t n)
{
	x->reply = so_far;
	x->reply_n = n;
	x->grown(x);
}

void esipa_exchange_end(struct eim_exchange *x, uint8_t *reply, size_t n, const struct net_error *why)
{
	struct cause cause = { 0 };

	if (!net_error_is_set(why)) {
		x->reply = reply;
		x->reply_n = n;
		x->done(x, NULL);
		return;
	}
	free(reply);
	x->reply = NULL;
	x->reply_n = 0;
	net_error_cause(why, &cause);
	snprintf(x->text, sizeof(x->text), "%s: %s", net_layer_name(why->layer), why->text);
	x->done(x, &cause);
}
