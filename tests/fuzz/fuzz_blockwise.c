/*
 * A server that answers anything: the exchange must end, and what was put together must be no more
 * than what came. Each answer is a few octets of the input: code, which options, their values, length
 * of the payload.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/util.h"
#include "net/blockwise.h"

#define ANSWER_MAX 5000
#define STEPS_MAX  2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t body[6000], payload[2048];

static uint8_t next(const uint8_t **data, size_t *n)
{
	if (!*n)
		return 0;
	(*n)--;
	return *(*data)++;
}

static struct blockwise_answer answer(const uint8_t **data, size_t *n)
{
	static uint8_t v[3];
	uint8_t what = next(data, n);
	struct blockwise_answer a = { .code = next(data, n), .format = -1 };

	/* Mostly what goes on, or the fuzzer never gets far. */
	if (what & 0x80)
		a.code = what & 0x40 ? COAP_CODE(2, 31) : COAP_CODE(2, 5);
	for (int i = 0; i < 3; i++)
		v[i] = next(data, n);
	a.has_block1 = what & 1 && coap_block_decode(octets_from(v, what >> 1 & 3), &a.block1) == 0;
	a.has_block2 = what & 8 && coap_block_decode(octets_from(v, what >> 4 & 3), &a.block2) == 0;
	a.has_size2 = what & 2;
	a.size2 = (uint32_t)(v[0] << 8 | v[1]);
	a.etag = octets_from(v, what & 4 ? v[2] % 4 : 0);
	a.payload = octets_from(payload, MIN(sizeof(payload), (size_t)next(data, n) * 8));
	if (a.has_block2 && a.block2.more && v[2] & 1)
		a.payload.n = coap_block_size(a.block2.szx);
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t tag[COAP_TAG_LEN] = { 0xff, 0xff, 0xff, 0xff };
	struct blockwise_options o = { .answer_max = ANSWER_MAX };
	struct blockwise b;
	enum blockwise_verdict v = BLOCKWISE_SEND;
	size_t came = 0, len;
	uint8_t first = next(&data, &n), second = next(&data, &n);

	o.szx = first & 7;
	o.upload = first & 8;
	o.whole_max = (size_t)(first >> 4) * 100;
	o.anyway_max = o.whole_max + second % 5 * 100;
	blockwise_start(&b, &o, octets_from(body, MIN(sizeof(body), (size_t)second * 24)), tag);
	for (unsigned step = 0; v == BLOCKWISE_SEND; step++) {
		struct blockwise_message m;
		struct net_error why = { 0 };
		struct blockwise_answer a;

		if (step == STEPS_MAX)
			abort();
		blockwise_next(&b, &m);
		if (m.payload.n && (m.payload.p < body || m.payload.p + m.payload.n > body + sizeof(body)))
			abort();
		if (m.has_block1 && m.block1.num > 0xfffff)
			abort();
		if (!n)
			break;
		a = answer(&data, &n);
		came += a.payload.n;
		v = blockwise_judge(&b, &a, &why);
		if (net_error_is_set(&why) != (v == BLOCKWISE_FAILED) || b.answer_n > ANSWER_MAX ||
		    b.answer_n > came)
			abort();
	}
	free(blockwise_take(&b, &len));
	blockwise_free(&b);
	return 0;
}
