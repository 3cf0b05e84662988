#include "sim/eim/spoil.h"

#include "core/util.h"

bool se_strikes(struct se_eim *e, const struct se_exchange *x, enum se_fault_kind kind,
		char value[SE_FAULT_VALUE_MAX])
{
	if (!se_fault_strikes(&e->faults, kind, x->on, value))
		return false;
	se_log(e, x->card, "~ fault %s%s%s", se_fault_names[kind], value && value[0] ? "=" : "",
	       value ? value : "");
	return true;
}

/* One more element behind the last one of the message. */
static void add_trailing(struct se_exchange *x)
{
	_cleanup_(freep) uint8_t *buf = malloc(x->response_n + 16);
	struct tlv_out w = { .buf = buf, .cap = x->response_n + 16 };
	struct tlv_doc doc;
	struct tlv in = tlv_open(&doc, octets_from(x->response, x->response_n));
	uint32_t tag = tlv_peek(&in);
	struct octets content = tlv_take(&in, tag);
	struct tlv_mark m;
	size_t n;

	if (!buf)
		return;
	m = tlv_begin(&w, tag);
	tlv_put_raw(&w, content.p, content.n);
	tlv_put(&w, 0x9F7D, "?", 1);
	tlv_close(&w, m);
	if (tlv_done(&w, &n) == 0)
		(void)se_esipa_reply(x, octets_from(buf, n));
}

void se_spoil(struct se_eim *e, struct se_exchange *x)
{
	if (!x->response_n)
		return;
	if (se_strikes(e, x, SE_FAULT_WRONG_TAG, NULL))
		x->response[1] ^= 0x01;
	if (se_strikes(e, x, SE_FAULT_TRAILING, NULL))
		add_trailing(x);
	if (se_strikes(e, x, SE_FAULT_TRUNCATED, NULL))
		x->response_n = x->response_n / 2;
	if (se_strikes(e, x, SE_FAULT_EMPTY, NULL))
		x->response_n = 0;
	if (se_strikes(e, x, SE_FAULT_GARBAGE, NULL)) {
		for (size_t i = 0; i < x->response_n; i++)
			x->response[i] = (uint8_t)se_fault_roll(&e->faults, 256);
	}
}
