/* Orders word by word: what order.c and order_other.c read them with. */
#ifndef SIM_EIM_ORDER_WORDS_H
#define SIM_EIM_ORDER_WORDS_H

#include "core/util.h"
#include "sim/eim/order.h"

/* The words of one operation, taken from the front. */
struct se_order_words {
	int argc;
	char *const *argv;
	const char *dir;
	char *why;
	struct tlv_out *w;
};

/* -EINVAL, with this in why. */
int se_order_fail(struct se_order_words *o, const char *fmt, ...) __printf(2, 3);
/* The next word, which must be there; else NULL, and why says so. */
const char *se_order_next(struct se_order_words *o, const char *expected);
bool se_order_next_is(struct se_order_words *o, const char *word);
/* Nothing may be left. */
int se_order_end(struct se_order_words *o);
int se_order_take_number(struct se_order_words *o, uint32_t *ret);

/* Orders that are not made of operations. */
int se_order_data_request(struct se_order_words *o, enum se_version version);
int se_order_download(struct se_order_words *o, struct se_order *ret);

#endif
