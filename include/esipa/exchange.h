/* What the links of this layer have in common: how an exchange begins, and its two ends. */
#ifndef ESIPA_EXCHANGE_H
#define ESIPA_EXCHANGE_H

#include "link/eim.h"
#include "net/error.h"

#define ESIPA_REPLY_MAX (1024 * 1024)   /* a bound profile package */

/* Nothing is known of its end yet. */
void esipa_exchange_begin(struct eim_exchange *x);
/* What a reply may have: the less of what the exchange and the link (0: ESIPA_REPLY_MAX) allow. */
size_t esipa_exchange_room(const struct eim_exchange *x, size_t link_max);
/* As much of the reply as has come. */
void esipa_exchange_grow(struct eim_exchange *x, uint8_t *so_far, size_t n);
/* Runs done(). reply, on the heap, is its user's with an answer; with an error it is freed. */
void esipa_exchange_end(struct eim_exchange *x, uint8_t *reply, size_t n, const struct net_error *why);

#endif
